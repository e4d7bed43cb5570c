# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Compare what a database server holds with what a dump set says it should."""

from __future__ import annotations

import fnmatch
import os
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _dump_set
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _accounts,
    _compatibility,
    _datajoint,
    _dump_manifest,
)
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

_SHOWN = 200


@dataclass(frozen=True)
class Request:
    """What :func:`verify` is asked to do; see the options of the module ``db_verify_info``."""

    connection: _database.Connection
    directory: str | None
    manifest: str | None
    schemas: t.Sequence[str]
    key_tables: t.Sequence[str] | None
    ignore_content: t.Sequence[str]
    exclude_accounts: t.Sequence[str]
    kept_accounts: t.Sequence[str]


def request(options: t.Mapping[str, t.Any]) -> Request:
    """The request that a module's options make."""
    return Request(
        connection=_database.administrator(options["defaults_file"], options["socket"]),
        directory=options["directory"],
        manifest=options["manifest"],
        schemas=options["schemas"],
        key_tables=options["key_tables"],
        ignore_content=options["ignore_content"],
        exclude_accounts=options["exclude_accounts"],
        kept_accounts=options["kept_accounts"],
    )


def verify(request: Request) -> dict[str, t.Any]:
    """Compare; returns the result of the module ``db_verify_info``."""
    began = time.monotonic()
    manifest, accounts = _expected(request)
    schemas = _chosen(request.schemas, manifest)
    keys = _key_tables(request.key_tables, manifest, schemas)
    there = set(_database.schemas(request.connection))
    present = [name for name in schemas if name in there]
    problems = [f"schema {name} is missing" for name in schemas if name not in there]
    reader = Reader()
    comparison = _Comparison(manifest, reader, request.ignore_content)
    dangling: dict[str, int] = {}
    remarks: list[str] = []
    if present:
        problems += _read(request.connection, manifest, present, reader)
        problems += comparison.problems(present)
        found, dangling = _foreign_keys(request.connection, manifest, present)
        problems += found
        missing, gone_before = _definers(request.connection, present, manifest)
        problems += missing
        remarks += gone_before
    # Accounts belong to no schema: who asks for single ones says nothing about them.
    checked = {} if request.schemas else _accounts.chosen(accounts, request.exclude_accounts)
    if checked:
        live = _accounts_there(request.connection)
        kept = {
            name: account
            for name, account in checked.items()
            if name in request.kept_accounts and (name in live or account.is_everybody)
        }
        made = {name: account for name, account in checked.items() if name not in kept}
        problems += _accounts.differences(made, live)
        remarks += _accounts.differences(kept, live)
    return {
        "ok": not problems,
        "problems": problems[:_SHOWN],
        "problems_total": len(problems),
        "remarks": remarks[:_SHOWN],
        "compared": "digests" if comparison.by_digest else "counts",
        "schemas": schemas,
        "tables_checked": sum(len(schema.tables) for schema in reader.schemas.values()),
        "rows_checked": reader.rows,
        "foreign_keys_checked": len(dangling),
        "dangling_rows": sum(dangling.values()),
        "accounts_checked": len(checked),
        "key_tables": {name: comparison.key_table(name) for name in keys},
        "seconds": round(time.monotonic() - began, 3),
    }


def _expected(request: Request) -> tuple[dict[str, t.Any], dict[str, _accounts.Account]]:
    """The manifest, and the accounts where the whole dump set is at hand."""
    if request.directory is None:
        assert request.manifest is not None
        manifest = _document.read(request.manifest)
        problems = _dump_manifest.problems(manifest, str(manifest.get("id")))
        if problems:
            raise BackupError(f"{request.manifest} cannot be believed: {'; '.join(problems)}")
        return manifest, {}
    dump_set = _dump_set.open_set(request.directory)
    path = os.path.join(dump_set.path, _dump_manifest.ACCOUNTS)
    if _dump_set.hash_file(path) != dump_set.manifest["files"][_dump_manifest.ACCOUNTS]:
        raise BackupError(
            f"{path} is not what the manifest says",
            untouched="Nothing was changed",
            remedy="Bring the dump set again",
        )
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return dump_set.manifest, _accounts.parse(stream.read())


def _chosen(asked: t.Sequence[str], manifest: t.Mapping[str, t.Any]) -> list[str]:
    known = _dump_manifest.schemas(manifest)
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise BackupError(
            f"the dump set {manifest['id']} has no schema {', '.join(unknown)}",
            untouched="Nothing was changed",
            remedy=f"Choose from {', '.join(known)}",
        )
    return sorted(set(asked)) or known


def _key_tables(asked: t.Sequence[str] | None, manifest: t.Mapping[str, t.Any], schemas: t.Sequence[str]) -> list[str]:
    """The key tables of the chosen schemas.

    :raises BackupError: when the list is empty, or names a table that the dump does not have.
    """
    known = {f"{schema}.{name}": schema for schema, names in manifest["tables"].items() for name in names}
    if asked is not None:
        unknown = sorted(set(asked) - set(known))
        if unknown or not asked:
            what = (
                f"the dump set has no key table {', '.join(unknown)}" if unknown else "the list of key tables is empty"
            )
            raise BackupError(
                what,
                untouched="Nothing was changed",
                remedy="Correct the list, as schema.table, or leave it out to have it derived",
            )
    chosen = [name for name in asked or () if known[name] in schemas]
    within = {part: {schema: manifest[part][schema] for schema in schemas} for part in ("schemas", "tables")}
    chosen = chosen or _datajoint.key_tables({**manifest, **within})
    if not chosen:
        raise BackupError(
            f"the schemas {', '.join(schemas)} have no table in the dump, so there is no key table to look at",
            untouched="Nothing was changed",
            remedy="Name schemas with tables",
        )
    return chosen


def _read(
    connection: _database.Connection, manifest: t.Mapping[str, t.Any], schemas: t.Sequence[str], reader: Reader
) -> list[str]:
    """Dump the schemas into the reader; returns what is wrong with their objects."""
    inventory = _database.inventory(connection, schemas)
    views = [(schema, view) for schema, names in inventory.items() for view in names["views"]]
    broken = _database.broken_views(connection, views)
    problems = [f"view {schema}.{view} refers to something that is gone" for schema, view in broken]
    options = _dump_manifest.dump_options(manifest)
    _database.dump(connection, schemas, reader.feed, without=broken, options=options)
    if reader.problems():
        raise BackupError(
            f"the dump tool ended well but its output is no whole dump: {'; '.join(reader.problems())}",
            untouched="Nothing was changed",
            remedy="Look at the log of the database server and run again",
        )
    return problems + _dump_manifest.object_problems(manifest, inventory)


class _Comparison:
    """Tables on the server beside tables of the manifest."""

    def __init__(self, manifest: t.Mapping[str, t.Any], reader: Reader, ignored: t.Sequence[str]) -> None:
        self._manifest = manifest
        self._reader = reader
        self._ignored = ignored

    @property
    def by_digest(self) -> bool:
        """Whether digests mean the same on both sides: the text is that of one engine and series."""
        return (
            "digests" in self._manifest
            and self._reader.engine == self._manifest["engine"]
            and _compatibility.series(self._reader.server_version) == _compatibility.series(self._manifest["version"])
        )

    def problems(self, schemas: t.Sequence[str]) -> list[str]:
        """What differs, of what both sides have."""
        found = []
        for schema in schemas:
            ours, theirs = self._reader.schemas[schema], self._manifest["schemas"][schema]
            for what in ("charset", "collation"):
                # An older server leaves out the collation where it is the character set's own.
                if theirs[what] and _compatibility.same_name(getattr(ours, what)) != _compatibility.same_name(
                    theirs[what]
                ):
                    found.append(f"schema {schema} has the {what} {getattr(ours, what)}, not {theirs[what]}")
            if self.by_digest and ours.code != theirs["code"]:
                found.append(f"a view, trigger, routine or event of {schema} has other text than in the dump")
            for name in sorted(set(ours.tables) & set(self._manifest["tables"][schema])):
                found += self._table_problems(schema, name)
            for name, sequence in sorted(ours.sequences.items()):
                expected = theirs.get("sequences", {}).get(name)
                if expected is not None and self.by_digest and sequence.structure != expected["structure"]:
                    found.append(f"sequence {schema}.{name} is declared otherwise than in the dump")
                if expected is not None and sequence.next != expected["next"]:
                    found.append(
                        f"sequence {schema}.{name} goes on with {sequence.next}, the dump with {expected['next']}"
                    )
        return found

    def _table_problems(self, schema: str, name: str) -> t.Iterator[str]:
        table, expected = self._reader.schemas[schema].tables[name], self._manifest["tables"][schema][name]
        if self.by_digest and table.structure != self._manifest["structures"][schema][name]:
            yield f"table {schema}.{name} is declared otherwise than in the dump"
        if self._is_ignored(name):
            return
        if table.rows != expected:
            yield f"table {schema}.{name} has {table.rows} rows, the dump has {expected}"
        elif self.by_digest and table.digest != self._manifest["digests"][schema][name]:
            yield f"table {schema}.{name} has other content than in the dump"

    def _is_ignored(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._ignored)

    def key_table(self, full_name: str) -> dict[str, t.Any]:
        """Rows here and in the dump, and whether the table is what it was."""
        schema, name = next(
            (schema, full_name.removeprefix(f"{schema}."))
            for schema, names in self._manifest["tables"].items()
            if full_name.startswith(f"{schema}.") and full_name.removeprefix(f"{schema}.") in names
        )
        expected = self._manifest["tables"][schema][name]
        there = self._reader.schemas.get(schema)
        table = there.tables.get(name) if there else None
        if table is None:
            return {"rows": None, "expected": expected, "ok": False}
        same = not self.by_digest or table.digest == self._manifest["digests"][schema][name]
        return {"rows": table.rows, "expected": expected, "ok": table.rows == expected and same}


def _foreign_keys(
    connection: _database.Connection, manifest: t.Mapping[str, t.Any], schemas: t.Sequence[str]
) -> tuple[list[str], dict[str, int]]:
    """What is wrong with foreign keys, and the rows that each of those looked at leaves without their parent."""
    there = _database.foreign_keys(connection, schemas)
    known = {(key.schema, key.table, key.columns, key.parent_schema, key.parent, key.references) for key in there}
    problems = []
    for key in manifest["foreign_keys"]:
        child, parent = (key["schema"], key["table"]), (key["references"]["schema"], key["references"]["table"])
        columns, references = tuple(key["columns"]), tuple(key["references"]["columns"])
        if key["schema"] in schemas and (*child, columns, *parent, references) not in known:
            problems.append(f"the foreign key {key['name']} of {'.'.join(child)} to {'.'.join(parent)} is missing")
    parents = _database.inventory(connection, sorted({key.parent_schema for key in there})) if there else {}
    whole = [key for key in there if key.parent in parents.get(key.parent_schema, {}).get("tables", ())]
    for key in there:
        if key not in whole:
            problems.append(f"{key.schema}.{key.table} refers to {key.parent_schema}.{key.parent}, which is gone")
    counts = dict(zip(whole, _database.dangling(connection, whole), strict=True))
    for key, rows in counts.items():
        if rows:
            problems.append(
                f"{rows} rows of {key.schema}.{key.table} point at no row of {key.parent_schema}.{key.parent}"
                f" ({', '.join(key.columns)})"
            )
    return problems, {f"{key.schema}.{key.table}.{key.name}": rows for key, rows in counts.items()}


def _definers(
    connection: _database.Connection, schemas: t.Sequence[str], manifest: t.Mapping[str, t.Any]
) -> tuple[list[str], list[str]]:
    """Accounts that are missing although objects run with their rights: since the dump, and already then."""
    there = {_accounts.Account(*name).name for name in _database.account_names(connection)}
    missing: list[str] = []
    gone_before: list[str] = []
    for definer, objects in sorted(_database.definers(connection, schemas).items()):
        name = definer.removesuffix("@")
        if name in there:
            continue
        text = f"account {definer} is missing, and {len(objects)} objects run with its rights, the first: {objects[0]}"
        if name in manifest.get("accounts", [name]):
            missing.append(text)
        else:
            gone_before.append(f"{text}; it was missing when the dump was made, too")
    return missing, gone_before


def _accounts_there(connection: _database.Connection) -> dict[str, _accounts.Account]:
    taken: list[bytes] = []
    _database.dump_accounts(connection, _database.server(connection).engine, taken.append)
    return _accounts.parse(b"".join(taken).decode("utf-8", "surrogateescape"))
