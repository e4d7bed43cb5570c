# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Whether a database server can take what a dump holds, judged before anything changes.

What C(refuses) would stop the load in the middle or change what the data means. The rest is worth knowing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _form
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader, Table

_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)")
_SPACE = 1.2


@dataclass(frozen=True)
class Target:
    """The server that is to take the dump.

    :param variables: its global variables.
    :param collations: names of all it knows.
    :param schemas: schemas of users that it has.
    :param free_bytes: free space of the file system of its data, None when it cannot be seen from here.
    :param replaced_bytes: what the schemas take now that would be replaced.
    """

    engine: str
    version: str
    variables: t.Mapping[str, str]
    collations: t.Collection[str]
    schemas: t.Collection[str]
    free_bytes: int | None
    replaced_bytes: int


@dataclass(frozen=True)
class Finding:
    """Something about dump and server that do not go together.

    :param rule: a name that stays the same.
    """

    rule: str
    refuses: bool
    text: str


def series(version: str) -> tuple[int, int] | None:
    """Major and minor number of a server's version, None when it has none."""
    match = _VERSION.match(version)
    return (int(match[1]), int(match[2])) if match else None


def same_name(charset_or_collation: str) -> str:
    """The name as newer servers have it: C(utf8) is called C(utf8mb3) since MariaDB 10.6 and MySQL 8.0.30.

    Both take the old name for the new one.
    """
    head, underscore, rest = charset_or_collation.partition("_")
    return f"{'utf8mb3' if head == 'utf8' else head}{underscore}{rest}"


_CAPABILITY = {
    "engine": str,
    "version": str,
    "variables": {str: str},
    "collations": [str],
    "schemas": [str],
    "free_bytes": (int, None),
    "data_bytes": int,
    "accounts": [str],
    "sandbox": (bool, None),
    "client": (str, None),
}


def target_of(capability: t.Mapping[str, t.Any]) -> Target:
    """The target that a server described itself as (``_database.capability``).

    :raises BackupError: when that is no such description.
    """
    wrong = _form.wrong(capability, _CAPABILITY, "database")
    wrong = wrong or _form.wrong(capability["variables"], {"max_allowed_packet?": _form.DIGITS}, "database.variables")
    if wrong:
        raise BackupError(
            f"what the source says about its database server cannot be understood: {wrong}",
            untouched="Nothing was changed",
            remedy="Run site.yml for the source, then its dump job",
        )
    return Target(
        engine=capability["engine"],
        version=capability["version"],
        variables=capability["variables"],
        collations=capability["collations"],
        schemas=capability["schemas"],
        free_bytes=capability["free_bytes"],
        replaced_bytes=capability["data_bytes"],
    )


def judge_from_afar(
    reader: Reader, manifest: t.Mapping[str, t.Any], capability: t.Mapping[str, t.Any], *, sandboxed: bool
) -> list[Finding]:
    """What stands against loading a whole dump set into a server that is known by its own words only.

    :param sandboxed: whether the first line of the dump turns a client's sandbox on.
    """
    findings = judge(
        reader,
        list(manifest["schemas"]),
        target_of(capability),
        data_bytes=manifest.get("data_bytes"),
        variables=manifest.get("variables") or {},
        events=any(schema.get("events") for schema in manifest["schemas"].values()),
        allow_cross_engine=False,
    )
    if sandboxed and capability["sandbox"] is not True:
        text = (
            f"the client there ({capability['client']}) does not understand the dump's first line: install a newer one"
        )
        findings.append(Finding("client", True, text))
    # Accounts of the dump set are made before anything runs with their rights.
    nobody = sorted({*manifest.get("definers", ())} - {*capability["accounts"], *manifest.get("accounts", ())})
    if nobody:
        text = f"views, triggers, routines or events run with the rights of {', '.join(nobody)}, who is no account"
        findings.append(Finding("definer", False, text))
    return findings


def judge(
    reader: Reader,
    chosen: t.Collection[str],
    target: Target,
    *,
    data_bytes: int | None,
    variables: t.Mapping[str, str],
    events: bool,
    allow_cross_engine: bool,
) -> list[Finding]:
    """What stands against loading the chosen schemas.

    :param reader: has read the whole text of the dump.
    :param data_bytes: what all schemas of the dump took on their server, None when nobody noted it.
    :param variables: those of the server that was dumped.
    :param events: whether the chosen schemas have any.
    """
    tables = [table for name in sorted(chosen) for table in reader.schemas[name].tables.values()]
    return [
        *engines(
            reader.engine,
            reader.server_version,
            target.engine,
            target.version,
            allow_cross_engine=allow_cross_engine,
        ),
        *_collations(reader, chosen, tables, target),
        *_foreign_keys(chosen, tables, target),
        *_packet(tables, target),
        *_space(reader, tables, target, data_bytes),
        *_names(chosen, tables, variables, target),
        *_settings(variables, target),
        *_events(events, target),
    ]


def engines(
    engine: str, version: str, target: str, target_version: str, *, allow_cross_engine: bool = False
) -> t.Iterator[Finding]:
    """What stands against an engine of that kind and version for a dump of another, no more being known."""
    ours, theirs = series(version), series(target_version)
    if ours is None or theirs is None:
        yield Finding("version", True, f"the version of the dumped server {version!r} cannot be read")
    elif engine != target:
        text = f"the dump is of {engine} {version}, the server is {target} {target_version}"
        yield Finding("engine", not allow_cross_engine, text)
    elif theirs < ours:
        text = f"the server {target_version} is older than the dumped one, {version}"
        yield Finding("older", True, text)
    elif theirs[0] > ours[0]:
        text = f"the server {target_version} is of a newer major version than the dumped one, {version}"
        yield Finding("newer", False, text)


def _collations(
    reader: Reader, chosen: t.Collection[str], tables: t.Sequence[Table], target: Target
) -> t.Iterator[Finding]:
    used = {name for table in tables for name in table.collations}
    used |= {reader.schemas[name].collation for name in chosen} - {""}
    known = {same_name(name) for name in target.collations}
    unknown = sorted(name for name in used if same_name(name) not in known)
    if unknown:
        yield Finding("collation", True, f"the server does not know the collations {', '.join(unknown)}")


def _foreign_keys(chosen: t.Collection[str], tables: t.Sequence[Table], target: Target) -> t.Iterator[Finding]:
    known = set(chosen) | set(target.schemas)
    absent = {key.schema: table for table in tables for key in table.foreign_keys if key.schema not in known}
    for schema, table in sorted(absent.items()):
        text = f"{table.schema}.{table.name} refers to schema {schema}, which is neither chosen nor on the server"
        yield Finding("foreign_key", True, text)


def _packet(tables: t.Sequence[Table], target: Target) -> t.Iterator[Finding]:
    allowed = int(target.variables.get("max_allowed_packet", 0))
    largest = max(tables, key=lambda table: table.largest_statement, default=None)
    if largest is not None and largest.largest_statement > allowed:
        text = (
            f"a statement of {largest.schema}.{largest.name} has {largest.largest_statement} bytes, the server's"
            f" max_allowed_packet is {allowed}: set it to 1073741824"
        )
        yield Finding("packet", True, text)


def _space(reader: Reader, tables: t.Sequence[Table], target: Target, data_bytes: int | None) -> t.Iterator[Finding]:
    if target.free_bytes is None or data_bytes is None:
        yield Finding("space", False, "whether there is room for the data could not be found out")
        return
    whole = sum(table.text_bytes for schema in reader.schemas.values() for table in schema.tables.values())
    share = sum(table.text_bytes for table in tables) / whole if whole else 1.0
    needed = int(data_bytes * share * _SPACE)
    room = target.free_bytes + target.replaced_bytes
    if needed > room:
        text = (
            f"the data takes about {needed} bytes, its file system has {target.free_bytes} free and"
            f" {target.replaced_bytes} would be replaced"
        )
        yield Finding("space", True, text)


def _names(
    chosen: t.Collection[str], tables: t.Sequence[Table], variables: t.Mapping[str, str], target: Target
) -> t.Iterator[Finding]:
    before, now = variables.get("lower_case_table_names"), target.variables.get("lower_case_table_names")
    names = [*chosen, *(table.name for table in tables)]
    if before is not None and before != now and any(name != name.lower() for name in names):
        text = f"lower_case_table_names was {before} and is {now}, and there are names with capital letters"
        yield Finding("names", True, text)


def _settings(variables: t.Mapping[str, str], target: Target) -> t.Iterator[Finding]:
    if target.variables.get("super_read_only") == "ON":
        yield Finding("read_only", True, "super_read_only is on, which stops the restore too: set read_only only")
    for name in ("character_set_server", "collation_server"):
        before, now = variables.get(name), target.variables.get(name)
        if before is not None and now is not None and before != now:
            yield Finding("default", False, f"{name} was {before} and is {now}: new schemas will differ from old ones")


def _events(events: bool, target: Target) -> t.Iterator[Finding]:
    state = target.variables.get("event_scheduler")
    if events and state == "DISABLED":  # error 1577 of the first event, seen with MariaDB 10.11
        yield Finding("events", True, "event_scheduler is DISABLED, with which no event can be made: set it to OFF")
    elif events and state == "ON":
        yield Finding("events", False, "the event scheduler is on: events of the dump run as soon as they are loaded")
