# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A dump: lock, space, snapshot, proof from the dump's own text, references, source facts, publication, rotation."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _document,
    _dump_set,
    _facts,
    _lock,
    _references,
)
from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint, _dump_manifest, _run
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

_LEAST_KEPT = 2
_CLOCK_PATIENCE = 5.0
_OLDER = "Older dump sets are untouched"


@dataclass(frozen=True)
class Request:
    """What :func:`dump` is asked to do; see the options of the module ``db_dump``."""

    connection: _database.Connection
    directory: str
    schemas: t.Sequence[str]
    exclude_schemas: t.Sequence[str]
    stores: t.Mapping[str, str]
    datasets: t.Mapping[str, str]
    keep: int
    attempts: int
    retry_wait: float
    lock: str
    past: t.Mapping[str, t.Sequence[str]]


def request(options: t.Mapping[str, t.Any]) -> Request:
    """The request that a module's options make.

    :raises BackupError: when they contradict each other.
    """
    if options["keep"] < _LEAST_KEPT:
        raise BackupError(
            f"keep is {options['keep']}; the newest {_LEAST_KEPT} dump sets are never removed",
            untouched="Nothing was changed",
            remedy=f"Set keep to {_LEAST_KEPT} or more",
        )
    relative = [path for path in options["datajoint_stores"].values() if not str(path).startswith("/")]
    if relative:
        raise BackupError(
            f"the location of a DataJoint store is no absolute path: {relative[0]!r}",
            untouched="Nothing was changed",
            remedy="Give absolute paths of the source",
        )
    return Request(
        connection=_database.Connection(options["defaults_file"], options["socket"], options["stall_seconds"] or None),
        directory=options["directory"],
        schemas=options["schemas"],
        exclude_schemas=options["exclude_schemas"],
        stores=options["datajoint_stores"],
        datasets={dataset["name"]: dataset["path"] for dataset in options["datasets"]},
        keep=options["keep"],
        attempts=max(1, options["attempts"]),
        retry_wait=options["retry_wait"],
        lock=options["lock"],
        past=options["past"],
    )


@dataclass(frozen=True)
class _Source:
    """The server, and which of its schemas are meant."""

    server: _database.Server
    schemas: list[str]


def dump(request: Request) -> dict[str, t.Any]:
    """Publish one dump set; returns the module's result."""
    _check_directory(request.directory)
    with _lock.hold(request.lock, "a database dump") as descriptor:
        source = _ask(request)
        leftovers = _dump_set.remove_leftovers(request.directory)
        _dump_set.require_space(request.directory)
        began = time.monotonic()
        identifier = _identifier(request.directory)
        for attempt in range(1, request.attempts + 1):
            partial = _dump_set.begin(request.directory, identifier)
            try:
                manifest = _fill(request, source, partial, descriptor)
                manifest |= {"id": identifier, "attempts": attempt}
                path = _dump_set.publish(request.directory, partial, identifier, manifest)
                break
            except _database.ChangedError as change:
                _dump_set.abandon(partial)
                if attempt == request.attempts:
                    raise BackupError(
                        f"the schemas changed during each of {attempt} dumps; the last time: {change.what}",
                        untouched=f"Nothing was published. {_OLDER}",
                        remedy="Dump at a time when nobody creates or drops tables",
                    ) from change
                time.sleep(request.retry_wait)
            except BaseException:
                _dump_set.abandon(partial)
                raise
        removed = _dump_set.rotate(request.directory, request.keep)
    return {
        "changed": True,
        "dump_set": identifier,
        "path": path,
        "manifest": summary(manifest) | {"seconds": round(time.monotonic() - began, 3)},
        "warnings_found": manifest["warnings"],
        "removed": removed,
        "leftovers": leftovers,
    }


def _identifier(directory: str) -> str:
    """The identifier of a dump set that begins now. Identifiers sort by time, and rotation relies on it.

    :raises BackupError: when the clock is behind the newest dump set.
    """
    finished, _others = _dump_set.find(directory)
    if finished:
        newest = finished[0].id
        ahead = (_run.began(newest) - datetime.now(UTC)).total_seconds() + 1
        if ahead > _CLOCK_PATIENCE:
            raise BackupError(
                f"the clock of {os.uname().nodename} is {ahead:.0f} s behind the dump set {newest}",
                untouched=f"Nothing was written. {_OLDER}",
                remedy="Set the clock; if it is right, move that dump set out of the dump directory",
            )
        time.sleep(max(0.0, ahead))
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def predict(request: Request) -> dict[str, t.Any]:
    """What :func:`dump` would do, without writing anything."""
    _check_directory(request.directory)
    source = _ask(request)
    _dump_set.require_space(request.directory)
    finished, _others = _dump_set.find(request.directory)
    return {
        "changed": True,
        "dump_set": None,
        "path": None,
        "manifest": {
            "engine": source.server.engine,
            "version": source.server.version,
            "schemas": source.schemas,
        },
        "warnings_found": [],
        "removed": [dump_set.id for dump_set in finished[request.keep - 1 :]],
        "leftovers": [],
    }


def summary(manifest: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The manifest in a few numbers."""
    return {
        "engine": manifest["engine"],
        "version": manifest["version"],
        "started": manifest["started"],
        "finished": manifest["finished"],
        "schemas": sorted(manifest["schemas"]),
        "tables": sum(len(tables) for tables in manifest["tables"].values()),
        "rows": manifest["rows"],
        "bytes": sum(facts["size"] for facts in manifest["files"].values()),
        "references": manifest["references"],
    }


def look(directory: str, *, full: bool, only: str | None) -> dict[str, t.Any]:
    """The dump sets in a folder; returns the result of the module ``db_dump_info``.

    :param full: read every file again.
    :param only: the one dump set that is asked for.
    """
    _check_directory(directory)
    finished, others = _dump_set.find(directory)
    if only is not None:
        finished = [dump_set for dump_set in finished if dump_set.id == only]
        if not finished:
            raise BackupError(
                f"{directory} has no finished dump set {only}",
                untouched="Nothing was changed",
                remedy="Look into its manifest, or choose another dump set",
            )
    for dump_set in finished:
        if full:
            _dump_set.verify(dump_set)
    return {
        "dump_sets": [
            {
                "id": dump_set.id,
                "path": dump_set.path,
                **summary(dump_set.manifest),
                "valid": not dump_set.problems,
                "problems": dump_set.problems,
            }
            for dump_set in finished
        ],
        "unproven": others,
        "rejected": [
            {"id": name, "problems": problems} for name, problems in _dump_set.rejected(directory, others).items()
        ],
    }


def _check_directory(directory: str) -> None:
    if not os.path.isdir(directory):
        raise BackupError(
            f"the dump directory {directory} does not exist",
            untouched="Nothing was changed",
            remedy="Run site.yml for this host",
        )


def _ask(request: Request) -> _Source:
    """Find out what answers and which schemas there are."""
    server = _database.server(request.connection)
    there = _database.schemas(request.connection)
    missing = sorted(set(request.schemas) - set(there))
    if missing:
        raise BackupError(
            f"the database server has no schema {', '.join(missing)} that the dump account can see",
            untouched=f"Nothing was written. {_OLDER}",
            remedy="Correct the list of schemas",
        )
    chosen = [name for name in (request.schemas or there) if name not in request.exclude_schemas]
    if not chosen:
        raise BackupError(
            "there is no schema to dump",
            untouched=f"Nothing was written. {_OLDER}",
            remedy="Correct the lists of schemas, or look whether this is the right database server",
        )
    return _Source(server, sorted(set(chosen)))


def _fill(request: Request, source: _Source, partial: str, lock: int) -> dict[str, t.Any]:
    """Write every file but the manifest, prove them, and return the manifest."""
    connection = request.connection
    before = _database.inventory(connection, source.schemas)
    views = [(schema, view) for schema, names in before.items() for view in names["views"]]
    _refuse_line_feeds(before)
    broken = _database.broken_views(connection, views)
    history = _database.history(connection, source.server, source.schemas)
    started = _now()
    references = _references.References(partial)
    with contextlib.closing(references):
        reader = Reader(_datajoint.wanted_columns, references.take_row)

        def take(chunk: bytes) -> None:
            databases.write(chunk)
            reader.feed(chunk)

        with _sink(partial, _dump_manifest.DATABASES) as databases:
            _database.dump(
                *(connection, source.schemas, take), without=broken, options=history.options, pass_fds=(lock,)
            )
        after = _database.inventory(connection, source.schemas)
        for inventory in (before, after):
            for schema, view in broken:
                if view in inventory[schema]["views"]:
                    inventory[schema]["views"].remove(view)
        _prove(reader, before, after)
        with _sink(partial, _dump_manifest.ACCOUNTS) as accounts:
            _database.dump_accounts(connection, source.server.engine, accounts.write, pass_fds=(lock,))
        _prove_accounts(os.path.join(partial, _dump_manifest.ACCOUNTS))
        file = os.path.join(partial, _dump_manifest.REFERENCES)
        referred = references.write(file, request.stores, request.datasets)
    facts = _facts.gather(request.datasets, _now(), request.past) | {"database": _database.capability(connection)}
    facts_file = os.path.join(partial, _dump_manifest.FACTS)
    _document.write(facts_file, facts)
    described = _dump_manifest.describe(reader, after)
    return {
        **described,
        "started": started,
        "finished": _now(),
        "tool": {"name": reader.tool, "version": _database.tool_version()},
        "options": [*_database.DUMP_OPTIONS, *history.options],
        "history": [list(table) for table in history.tables] if history.options else [],
        "definers": sorted(_database.definers(connection, source.schemas)),
        "accounts": [f"{user}@{host}" if host else user for user, host in _database.account_names(connection)],
        "variables": source.server.variables,
        "data_bytes": _database.data_bytes(connection, source.schemas),
        "references": {name: count for name, count in referred.items() if name != "stores"},
        "stores": referred["stores"],
        "warnings": _warnings(described, referred, broken, history),
        "files": {
            _dump_manifest.DATABASES: databases.facts,
            _dump_manifest.ACCOUNTS: accounts.facts,
            _dump_manifest.REFERENCES: _dump_set.hash_file(file),
            _dump_manifest.FACTS: _dump_set.hash_file(facts_file),
        },
    }


@contextlib.contextmanager
def _sink(partial: str, name: str) -> t.Iterator[_dump_set.Sink]:
    sink = _dump_set.Sink(os.path.join(partial, name))
    try:
        yield sink
        sink.close()
    finally:
        sink.discard()


def _prove(reader: Reader, before: _dump_manifest.Inventory, after: _dump_manifest.Inventory) -> None:
    """The exit code alone proves nothing.

    :raises BackupError: when the text is not a whole dump.
    :raises ChangedError: when it holds other tables than the server.
    """
    problems = reader.problems()
    if problems:
        raise BackupError(
            f"the dump tool ended well but its output is no whole dump: {'; '.join(problems)}",
            untouched=f"Nothing was published. {_OLDER}",
            remedy="Look at the log of the database server and run again",
        )
    differences = _dump_manifest.differences(reader, before, after)
    if differences:
        raise _database.ChangedError("; ".join(differences[:5]))


def _prove_accounts(path: str) -> None:
    with open(path, "rb") as stream:
        lines = stream.read().rstrip().splitlines()
    if lines[-1:] != [b"-- Dump completed"]:
        raise BackupError(
            "the dump tool ended well but the dump of the accounts has no '-- Dump completed' at its end",
            untouched=f"Nothing was published. {_OLDER}",
            remedy="Look at the log of the database server and run again",
        )


def _refuse_line_feeds(inventory: _dump_manifest.Inventory) -> None:
    """The dump is read line by line, and the dump tool writes a name as it is.

    :raises BackupError: when the name of a schema, table or view holds a line feed.
    """
    for schema, kinds in inventory.items():
        for kind, names in (
            ("schema", [schema]),
            ("table", kinds["tables"]),
            ("view", kinds["views"]),
            ("sequence", kinds["sequences"]),
        ):
            for name in names:
                if "\n" in name or "\r" in name:
                    raise BackupError(
                        f"the name of the {kind} {name!r} of the schema {schema!r} holds a line feed, and no dump with "
                        "such a name can be proven",
                        untouched=f"Nothing was published. {_OLDER}",
                        remedy="Rename it",
                    )


def _warnings(
    described: t.Mapping[str, t.Any],
    referred: t.Mapping[str, t.Any],
    broken: t.Sequence[tuple[str, str]],
    history: _database.History,
) -> list[str]:
    found = [
        f"{name} is not transactional: its rows may be newer than the rest" for name in described["non_transactional"]
    ]
    found += [
        f"view {schema}.{view} refers to something that is gone and is not in the dump" for schema, view in broken
    ]
    if history.problem:
        found += [
            f"the former rows of the system-versioned table {schema}.{table} are not in the dump: {history.problem}"
            for schema, table in history.tables
        ]
    for name, store in referred["stores"].items():
        if store["location"] is None:
            found.append(f"the location of DataJoint store {name} is not known: name it in backup_datajoint_stores")
        elif store["dataset"] is None:
            found.append(f"DataJoint store {name} at {store['location']} is outside of every dataset")
    if referred["unreadable"]:
        found.append(f"{referred['unreadable']} values of DataJoint columns could not be read")
    return found


def _now() -> str:
    return _run.utc(datetime.now(UTC))
