# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What the manifest of a dump set says, and whether it can be believed."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint, _form
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader, Schema

MANIFEST = "manifest.json"
DATABASES = "databases.sql"
ACCOUNTS = "accounts.sql"
REFERENCES = "references.jsonl"
FACTS = "source_facts.json"
FILES = (ACCOUNTS, DATABASES, REFERENCES, FACTS)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_SCHEMA = "#mysql50#"
_TRANSACTIONAL = ("innodb", "rocksdb", "sequence")

_NAMES = [str]
# What whoever reads a manifest relies on, beyond what is looked at below.
_FORM = {
    "references": {str: int},
    "schemas": {
        str: {
            "charset": str,
            "collation": str,
            "code?": _form.SHA256,
            "datajoint?": bool,
            "views?": _NAMES,
            "triggers?": _NAMES,
            "routines?": _NAMES,
            "events?": _NAMES,
            "sequences?": {str: {"structure": _form.SHA256, "next": (int, None)}},
        }
    },
    "digests?": {str: {str: _form.SHA256}},
    "structures?": {str: {str: _form.SHA256}},
    "foreign_keys": [
        {
            "schema": str,
            "table": str,
            "name": str,
            "columns": _NAMES,
            "references": {"schema": str, "table": str, "columns": _NAMES},
        }
    ],
    "options?": _NAMES,
    "definers?": _NAMES,
    "accounts?": _NAMES,
    "variables?": ({str: (str, float, bool, None)}, None),
    "data_bytes?": (int, None),
}

Inventory = t.Mapping[str, t.Mapping[str, t.Sequence[str]]]


def differences(reader: Reader, before: Inventory, after: Inventory) -> list[str]:
    """Where the dump's text and the server's inventory around it disagree: something changed meanwhile."""
    found = []
    if before != after:
        found.append("tables, views, sequences, triggers, routines or events were created or dropped during the dump")
    for schema, names in after.items():
        dumped = reader.schemas.get(schema)
        if dumped is None:
            found.append(f"schema {schema} is not in the dump")
            continue
        for kind, in_dump in (
            ("tables", set(dumped.tables)),
            ("views", set(dumped.views)),
            ("sequences", set(dumped.sequences)),
        ):
            on_server = set(names[kind])
            found += [f"{schema}.{name} is not in the dump" for name in sorted(on_server - in_dump)]
            found += [f"{schema}.{name} is in the dump only" for name in sorted(in_dump - on_server)]
    return found


def describe(reader: Reader, inventory: Inventory) -> dict[str, t.Any]:
    """The part of the manifest that comes from the dump's own text, names of other objects aside."""
    schemas = {
        name: {
            "datajoint": _datajoint.is_datajoint(schema.tables.values()),
            "charset": schema.charset,
            "collation": schema.collation,
            "code": schema.code,
            **{kind: list(inventory[name][kind]) for kind in ("views", "triggers", "routines", "events")},
            "sequences": _sequences(schema),
        }
        for name, schema in reader.schemas.items()
    }
    tables = [table for schema in reader.schemas.values() for table in schema.tables.values()]
    return {
        "engine": reader.engine,
        "version": reader.server_version,
        "schemas": schemas,
        "tables": {
            name: {table.name: table.rows for table in schema.tables.values()}
            for name, schema in reader.schemas.items()
        },
        "digests": {
            name: {table.name: table.digest for table in schema.tables.values()}
            for name, schema in reader.schemas.items()
        },
        "structures": {
            name: {table.name: table.structure for table in schema.tables.values()}
            for name, schema in reader.schemas.items()
        },
        "foreign_keys": [
            {
                "schema": table.schema,
                "table": table.name,
                "name": key.name,
                "columns": list(key.columns),
                "references": {"schema": key.schema, "table": key.table, "columns": list(key.references)},
            }
            for table in tables
            for key in table.foreign_keys
        ],
        "non_transactional": [
            f"{table.schema}.{table.name}" for table in tables if table.engine.lower() not in _TRANSACTIONAL
        ],
        "largest_statement": reader.largest_statement,
        "rows": reader.rows,
    }


def _sequences(schema: Schema) -> dict[str, dict[str, t.Any]]:
    return {name: {"structure": one.structure, "next": one.next} for name, one in schema.sequences.items()}


def problems(manifest: t.Mapping[str, t.Any], folder_name: str) -> list[str]:
    """What is wrong with a manifest by itself; empty when it can be believed."""
    found = []
    if manifest.get("id") != folder_name:
        found.append(f"the manifest's id {manifest.get('id')!r} is not the folder's name")
    for name in ("started", "finished"):
        if _form.wrong(manifest.get(name), _form.UTC_TIME):
            found.append(f"{name} is not a UTC time")
    if not found and manifest["finished"] < manifest["started"]:
        found.append("it finished before it started")
    if manifest.get("engine") not in ("mariadb", "mysql"):
        found.append(f"unknown engine {manifest.get('engine')!r}")
    if not isinstance(manifest.get("version"), str) or not manifest["version"]:
        found.append("the server's version is missing")
    if not isinstance(manifest.get("references"), dict):
        found.append("the count of references is missing")
    found += _file_problems(manifest.get("files"))
    counts = _count_problems(manifest)
    if counts:
        return found + counts
    wrong = _form.wrong(manifest, _FORM)
    return [*found, wrong] if wrong else found + _digest_problems(manifest)


def _file_problems(files: object) -> list[str]:
    if not isinstance(files, dict):
        return ["the list of files is missing"]
    found = [f"{name} is not listed" for name in FILES if name not in files]
    for name, facts in files.items():
        if not isinstance(name, str) or "/" in name or name.startswith("."):
            found.append(f"{name!r} is no file name of a dump set")
        elif not isinstance(facts, dict) or type(facts.get("size")) is not int or facts["size"] < 0:
            found.append(f"the size of {name} is missing")
        elif not _SHA256.fullmatch(str(facts.get("sha256"))):
            found.append(f"the sha256 of {name} is missing")
    return found


def _count_problems(manifest: t.Mapping[str, t.Any]) -> list[str]:
    tables = manifest.get("tables")
    schemas = manifest.get("schemas")
    if not isinstance(tables, dict) or not isinstance(schemas, dict):
        return ["schemas and tables are missing"]
    if set(tables) != set(schemas):
        return ["schemas and tables disagree"]
    broken = sorted(name for name, by_table in tables.items() if not isinstance(by_table, dict))
    if broken:
        return [f"the tables of {name} are missing" for name in broken]
    counts = [rows for by_table in tables.values() for rows in by_table.values()]
    if any(type(rows) is not int or rows < 0 for rows in counts):
        return ["a row count is no number"]
    if type(manifest.get("rows")) is not int or sum(counts) != manifest["rows"]:
        return [f"the row counts add up to {sum(counts)}, not to {manifest.get('rows')!r}"]
    return []


def schemas(manifest: t.Mapping[str, t.Any]) -> list[str]:
    """The schemas that a server can have, sorted.

    Manifests of earlier releases also name folders that merely lay in MariaDB's data directory, such as lost+found; no
    server makes a schema of such a name (error 1102).
    """
    return sorted(name for name in manifest["schemas"] if not name.startswith(_NO_SCHEMA))


def dump_options(manifest: t.Mapping[str, t.Any]) -> list[str]:
    """What the dump tool has to be told so that its text of equal tables is that of the dump."""
    return [option for option in manifest.get("options", ()) if option == "--dump-history"]


def _digest_problems(manifest: t.Mapping[str, t.Any]) -> list[str]:
    """Manifests of older releases have no digests; where there are some, there are all."""
    if "digests" not in manifest:
        return []
    for part in ("digests", "structures"):
        for schema, tables in manifest["tables"].items():
            if set(manifest.get(part, {}).get(schema, {})) != set(tables):
                return [f"the {part} of {schema} are not those of its tables"]
    without = [name for name, facts in manifest["schemas"].items() if "code" not in facts]
    return [f"the digest of the code of {name} is missing" for name in without]


def object_problems(manifest: t.Mapping[str, t.Any], inventory: Inventory) -> list[str]:
    """Where the objects that a server has in some schemas are not those of the manifest."""
    found = []
    for schema, names in inventory.items():
        for kind in ("tables", "views", "sequences", "triggers", "routines", "events"):
            if kind == "sequences" and kind not in manifest["schemas"][schema]:
                continue  # manifests of older releases do not have them
            expected = manifest["tables"][schema] if kind == "tables" else manifest["schemas"][schema].get(kind, [])
            one = kind.removesuffix("s")
            missing, extra = set(expected) - set(names[kind]), set(names[kind]) - set(expected)
            found += [f"{one} {schema}.{name} is missing" for name in sorted(missing)]
            found += [f"{one} {schema}.{name} is not in the dump" for name in sorted(extra)]
    return found


def recount_problems(manifest: t.Mapping[str, t.Any], reader: Reader) -> list[str]:
    """Where the text of the dump, read again, differs from its manifest."""
    found = [f"{DATABASES}: {problem}" for problem in reader.problems()]
    counted = {
        name: {table.name: table.rows for table in schema.tables.values()} for name, schema in reader.schemas.items()
    }
    for schema in sorted(set(counted) | set(manifest["tables"])):
        ours, theirs = counted.get(schema, {}), manifest["tables"].get(schema, {})
        for table in sorted(set(ours) | set(theirs)):
            if ours.get(table) != theirs.get(table):
                found.append(
                    f"{schema}.{table}: {ours.get(table, 'no')} rows in {DATABASES},"
                    f" {theirs.get(table, 'no')} in the manifest"
                )
    return found or _content_problems(manifest, reader)


def _content_problems(manifest: t.Mapping[str, t.Any], reader: Reader) -> list[str]:
    """What numbers of rows do not show, where the manifest has digests: rows, declarations and code that are others."""
    if "digests" not in manifest:
        return []
    found = []
    for name, schema in sorted(reader.schemas.items()):
        for table in schema.tables.values():
            if table.digest != manifest["digests"][name][table.name]:
                found.append(f"{name}.{table.name}: {DATABASES} has other rows than the manifest says")
            if table.structure != manifest["structures"][name][table.name]:
                found.append(f"{name}.{table.name}: {DATABASES} declares it otherwise than the manifest says")
        sequences = _sequences(schema)
        if sequences != manifest["schemas"][name].get("sequences", sequences):
            found.append(f"{name}: {DATABASES} has other sequences, or other numbers of them, than the manifest says")
        if schema.code != manifest["schemas"][name]["code"]:
            found.append(f"{name}: {DATABASES} has other views, triggers, routines or events than the manifest says")
    return found
