# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Load chosen schemas of a dump set into the local database server, and make the accounts that are missing."""

from __future__ import annotations

import os
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _dump_set, _lock, _progress
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _accounts,
    _compatibility,
    _dump_manifest,
    _dump_split,
    _form,
)
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _database, _engine

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Request:
    """What :func:`load` is asked to do; see the options of the module ``db_load``."""

    connection: _database.Connection
    directory: str
    schemas: t.Sequence[str]
    accounts: bool
    exclude_accounts: t.Sequence[str]
    record: str | None
    allow_cross_engine: bool
    progress_file: str | None
    lock: str
    beside: t.Mapping[str, str]
    tables: t.Sequence[str]
    scratch: str | None


def request(options: t.Mapping[str, t.Any]) -> Request:
    """The request that a module's options make.

    :raises BackupError: when they contradict each other.
    """
    if bool(options["beside"]) != bool(options["scratch"]) or (options["tables"] and not options["beside"]):
        raise BackupError(
            "beside and scratch belong together, and tables to them: a load in place replaces whole schemas",
            untouched="Nothing was changed",
            remedy="Give all of them or none",
        )
    return Request(
        connection=_database.administrator(options["defaults_file"], options["socket"]),
        directory=options["directory"],
        schemas=options["schemas"],
        accounts=options["accounts"],
        exclude_accounts=options["exclude_accounts"],
        record=options["record"],
        allow_cross_engine=options["allow_cross_engine"],
        progress_file=options["progress_file"],
        lock=options["lock"],
        beside={str(schema): str(name) for schema, name in options["beside"].items()},
        tables=options["tables"],
        scratch=options["scratch"],
    )


@dataclass(frozen=True)
class _Work:
    """A request that may be carried out."""

    dump_set: _dump_set.DumpSet
    reader: Reader
    schemas: list[str]
    accounts: dict[str, _accounts.Account]
    create: list[str]
    warnings: list[str]


def load(request: Request, *, apply: bool) -> dict[str, t.Any]:
    """Load, or only say what would be loaded; returns the module's result."""
    dump_set = _dump_set.open_set(request.directory)
    schemas = _chosen(request.schemas, dump_set.manifest)
    began = time.monotonic()
    with _lock.hold(request.lock, "a database load") as descriptor:
        work = _prepare(request, dump_set, schemas)
        seconds, failed = 0.0, []
        if apply:
            seconds = _load_schemas(request, work, descriptor)
            failed = _make_accounts(request, work)
    tables = [table for name in schemas for table in work.reader.schemas[name].tables.values()]
    warnings = work.warnings + [f"{failure['account']}: {failure['problem']}" for failure in failed]
    return {
        "changed": True,
        "dump_set": dump_set.id,
        "schemas": schemas,
        "tables": len(tables),
        "rows": sum(table.rows for table in tables),
        "seconds": round(time.monotonic() - began, 3),
        "load_seconds": round(seconds, 3),
        "accounts": {
            "created": [name for name in work.create if name not in {failure["account"] for failure in failed}],
            "skipped": sorted(set(work.accounts) - set(work.create)),
            "failed": failed,
        },
        "warnings": warnings,
    }


# --------------------------------------------------------------------------------------------------------- beside


def load_beside(request: Request, *, apply: bool) -> dict[str, t.Any]:
    """Copy schemas, or some of their tables, into new schemas of the server; returns the module's result."""
    dump_set = _dump_set.open_set(request.directory)
    schemas = _chosen(list(request.beside), dump_set.manifest)
    tables = _chosen_tables(request.tables, schemas, dump_set.manifest)
    began = time.monotonic()
    with _lock.hold(request.lock, "a database load") as descriptor:
        _check_names(request)
        reader, warnings = _prove(request, dump_set, schemas, beside=True)
        _require_scratch_space(request, reader, schemas)
        copied: dict[str, dict[str, t.Any]] = {}
        keys: list[str] = []
        defaults: list[str] = []
        if apply:
            assert request.scratch is not None
            scratch = _engine.Scratch(request.scratch)
            scratch.start()
            try:
                keys, defaults = _fill_scratch(request, dump_set, reader, tables, scratch, descriptor)
                for schema in schemas:
                    copied[schema] = _copy(request, dump_set, schema, tables[schema], scratch, descriptor)
            finally:
                scratch.stop()
    chosen = [reader.schemas[schema].tables[name] for schema in schemas for name in tables[schema]]
    return {
        "changed": True,
        "dump_set": dump_set.id,
        "schemas": [request.beside[schema] for schema in schemas],
        "tables": len(chosen),
        "rows": sum(table.rows for table in chosen),
        "seconds": round(time.monotonic() - began, 3),
        "load_seconds": round(sum(entry["seconds"] for entry in copied.values()), 3),
        "beside": copied,
        "foreign_keys_left_out": keys,
        "defaults_left_out": defaults,
        "warnings": warnings,
    }


def _chosen_tables(
    asked: t.Sequence[str], schemas: t.Sequence[str], manifest: t.Mapping[str, t.Any]
) -> dict[str, list[str]]:
    known = {f"{schema}.{name}": (schema, name) for schema in schemas for name in manifest["tables"][schema]}
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise BackupError(
            f"the chosen schemas of the dump set have no table {', '.join(unknown)}",
            untouched="Nothing was changed",
            remedy="Name tables as schema.table",
        )
    chosen = [known[name] for name in sorted(set(asked) or known)]
    found = {schema: [name for of, name in chosen if of == schema] for schema in schemas}
    without = [schema for schema, names in found.items() if not names]
    if without:
        raise BackupError(
            f"no table of schema {without[0]} is chosen",
            untouched="Nothing was changed",
            remedy="Leave the schema out, or name tables of it",
        )
    return found


def _check_names(request: Request) -> None:
    """New schemas have to be new, or begun by an earlier try."""
    new = list(request.beside.values())
    there = set(_database.schemas(request.connection)) - set(_read_record(request.record, "beside"))
    taken = sorted(there & set(new)) or sorted(name for name in set(new) if new.count(name) > 1)
    if taken or set(new) & set(_database.SYSTEM_SCHEMAS):
        raise BackupError(
            f"the schema {', '.join(taken) or 'of the server itself'} is taken",
            untouched="Nothing was changed",
            remedy="Choose another name",
        )


def _require_scratch_space(request: Request, reader: Reader, schemas: t.Sequence[str]) -> None:
    """The instance holds the schemas whole, and the text of one copy."""
    assert request.scratch is not None
    folder = os.path.dirname(request.scratch)
    needed = 2 * sum(table.text_bytes for name in schemas for table in reader.schemas[name].tables.values())
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free < needed:
        raise BackupError(
            f"{folder} has {free} bytes free, the private instance needs about {needed}",
            untouched="Nothing was changed",
            remedy="Choose a folder on another file system for it",
            free_bytes=free,
            needed_bytes=needed,
        )


def _fill_scratch(
    request: Request,
    dump_set: _dump_set.DumpSet,
    reader: Reader,
    tables: t.Mapping[str, t.Sequence[str]],
    scratch: _engine.Scratch,
    lock: int,
) -> tuple[list[str], list[str]]:
    """Load the schemas into the scratch instance; returns the foreign keys and the defaults that a copy cannot have.

    A foreign key that leads out of what is copied would tie the live tables to the copy, and a default that draws from
    a sequence names its schema: the copy would take numbers from the live sequence.
    """
    connection, schemas = _database.Connection(None, scratch.socket), list(tables)
    path = os.path.join(dump_set.path, _dump_manifest.DATABASES)
    before = _text(_sequences_first(reader, reader.schemas))
    # No views: they are of schemas that are not here, and only tables are copied.
    splitter = _dump_split.Splitter(schemas, before, views=False)
    progress = _progress.Progress(request.progress_file, "load", os.path.getsize(path))
    _require(_database.load(connection, _pieces(path, splitter, progress), pass_fds=(lock,)), "the scratch instance")
    progress.finish()
    left_out = []
    for key in _database.foreign_keys(connection, schemas):
        inside = key.parent_schema == key.schema and key.parent in tables[key.schema]
        if not inside and key.table in tables.get(key.schema, ()):
            _database.execute(
                connection,
                f"ALTER TABLE {_database.quote_name(key.schema)}.{_database.quote_name(key.table)}"
                f" DROP FOREIGN KEY {_database.quote_name(key.name)};",
                what=f"dropping the foreign key {key.name} in the scratch instance",
            )
            left_out.append(f"{key.schema}.{key.table}.{key.name}")
    defaults: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in _database.sequence_defaults(connection, schemas):
        if table in tables[schema]:
            defaults.setdefault((schema, table), []).append(column)
    for (schema, table), columns in defaults.items():
        _database.execute(
            connection,
            f"ALTER TABLE {_database.quote_name(schema)}.{_database.quote_name(table)} "
            + ", ".join(f"ALTER COLUMN {_database.quote_name(column)} DROP DEFAULT" for column in columns)
            + ";",
            what=f"dropping defaults of {schema}.{table} in the scratch instance",
        )
    return left_out, [f"{schema}.{table}.{column}" for (schema, table), names in defaults.items() for column in names]


def _copy(
    request: Request,
    dump_set: _dump_set.DumpSet,
    schema: str,
    tables: t.Sequence[str],
    scratch: _engine.Scratch,
    lock: int,
) -> dict[str, t.Any]:
    """Bring tables of the scratch instance into the new schema, and prove that it has the rows of the dump."""
    new, facts = request.beside[schema], dump_set.manifest["schemas"][schema]
    inside, options = _database.Connection(None, scratch.socket), _dump_manifest.dump_options(dump_set.manifest)
    path = os.path.join(scratch.path, "copy.sql")
    sink = _dump_set.Sink(path)
    try:
        _database.dump_tables(inside, schema, tables, sink.write, options=options)
        sink.close()
        if request.record is not None:
            noted = sorted({*_read_record(request.record, "beside"), new})
            _document.write(request.record, {**_document_or_nothing(request.record), "beside": noted})
        name = _database.quote_name(new)
        head = [
            f"DROP DATABASE IF EXISTS {name};",
            _create_schema(new, facts["charset"], facts["collation"]),
            f"USE {name};",
        ]
        loaded = _database.load(request.connection, _with_head(_text(head), path), pass_fds=(lock,))
        _require(loaded, f"the schema {new}")
    finally:
        sink.discard()
        os.unlink(path)
    reader = Reader()
    _database.dump(request.connection, [new], reader.feed, options=options)
    differing = [name for name in tables if not _is_same(reader, new, dump_set.manifest, schema, name)]
    if differing:
        raise BackupError(
            f"the schema {new} has other rows than the dump in the tables {', '.join(differing[:5])}",
            untouched="No other schema was touched",
            remedy=f"Drop {new} and run again",
        )
    return {"name": new, "tables": len(tables), "rows": reader.rows, "seconds": round(loaded.seconds, 3)}


def _create_schema(name: str, charset: str, collation: str) -> str:
    """An older server leaves out the collation where it is the character set's own."""
    chosen = (f" CHARACTER SET {charset}" if charset else "") + (f" COLLATE {collation}" if collation else "")
    return f"CREATE DATABASE {_database.quote_name(name)}{chosen};"


def _sequences_first(reader: Reader, schemas: t.Iterable[str]) -> list[str]:
    """Statements that make schemas which have sequences, and those.

    The default of a column may draw from a sequence of a schema that comes later, and then the server does not take the
    table (error 1146, seen with MariaDB 10.11.19). Where the dump declares a sequence, it makes it anew.
    """
    statements = []
    for name in schemas:
        schema = reader.schemas[name]
        if schema.sequences:
            statements.append(_create_schema(name, schema.charset, schema.collation))
        statements += [
            f"CREATE SEQUENCE {_database.quote_name(name)}.{_database.quote_name(sequence)};"
            for sequence in schema.sequences
        ]
    return statements


def _text(statements: t.Sequence[str]) -> bytes:
    return "".join(f"{statement}\n" for statement in statements).encode("utf-8", "surrogateescape")


def _is_same(reader: Reader, new: str, manifest: t.Mapping[str, t.Any], schema: str, name: str) -> bool:
    table = reader.schemas[new].tables.get(name)
    if table is None or table.rows != manifest["tables"][schema][name]:
        return False
    comparable = "digests" in manifest and _compatibility.series(reader.server_version) == _compatibility.series(
        manifest["version"]
    )
    return not comparable or table.digest == manifest["digests"][schema][name]


def _with_head(head: bytes, path: str) -> t.Iterator[bytes]:
    with open(path, "rb") as stream:
        # The first line turns the client's sandbox on and has to stay the first.
        yield stream.readline(_READ_BYTES)
        yield head
        while chunk := stream.read(_READ_BYTES):
            yield chunk


def _require(loaded: _database.Loaded, what: str) -> None:
    if loaded.rc != 0:
        raise BackupError(
            f"the load into {what} stopped: error {loaded.error or 'unknown'} (exit code {loaded.rc})",
            untouched="No schema that people use was touched",
            remedy="Look the number up in the server's manual, mend the cause and run again",
            error=loaded.error,
        )


# ---------------------------------------------------------------------------------------------------------- proof


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


def _prepare(request: Request, dump_set: _dump_set.DumpSet, schemas: list[str]) -> _Work:
    reader, warnings = _prove(request, dump_set, schemas, beside=False)
    accounts, create = _plan_accounts(request, dump_set)
    return _Work(dump_set, reader, schemas, accounts, create, warnings)


def _prove(
    request: Request, dump_set: _dump_set.DumpSet, schemas: list[str], *, beside: bool
) -> tuple[Reader, list[str]]:
    """Prove the dump set and that this server can take it; what has read the dump, and warnings.

    :param beside: the schemas get other names, so that they replace nothing and refer to nothing else.
    """
    reader = _dump_set.verify(dump_set)
    if dump_set.problems:
        raise BackupError(
            f"the dump set {dump_set.id} is not what its manifest says: {'; '.join(dump_set.problems[:5])}",
            untouched="Nothing was changed",
            remedy="Bring the dump set again, or choose another recovery point",
            problems=dump_set.problems,
        )
    server = _database.server(request.connection)
    findings = _compatibility.judge(
        reader,
        schemas,
        _target(request.connection, server, schemas, beside=beside),
        data_bytes=dump_set.manifest.get("data_bytes"),
        variables=dump_set.manifest.get("variables") or {},
        events=not beside and any(dump_set.manifest["schemas"][name].get("events") for name in schemas),
        allow_cross_engine=request.allow_cross_engine,
    )
    findings = [finding for finding in findings if not (beside and finding.rule == "foreign_key")]
    refusals = [finding for finding in findings if finding.refuses]
    if refusals:
        raise BackupError(
            f"this server cannot take the dump set {dump_set.id}: {'; '.join(finding.text for finding in refusals)}",
            untouched="Nothing was changed",
            remedy="Mend that, or load into another server",
            refusals=[{"rule": finding.rule, "text": finding.text} for finding in refusals],
        )
    _probe_client(request.connection, dump_set)
    return reader, [finding.text for finding in findings]


def _target(
    connection: _database.Connection, server: _database.Server, schemas: t.Sequence[str], *, beside: bool
) -> _compatibility.Target:
    there = _database.schemas(connection)
    replaced = [] if beside else [name for name in schemas if name in there]
    free = None
    folder = server.variables.get("datadir", "")
    if os.path.isdir(folder):
        status = os.statvfs(folder)
        free = status.f_bavail * status.f_frsize
    return _compatibility.Target(
        engine=server.engine,
        version=server.version,
        variables=server.variables,
        collations=_database.collations(connection),
        schemas=there,
        free_bytes=free,
        replaced_bytes=_database.data_bytes(connection, replaced) if replaced else 0,
    )


def _probe_client(connection: _database.Connection, dump_set: _dump_set.DumpSet) -> None:
    """Clients that do not know the sandbox of newer dumps stop at the first line."""
    with open(os.path.join(dump_set.path, _dump_manifest.DATABASES), "rb") as stream:
        first = stream.readline(_READ_BYTES)
    if _database.load(connection, first).rc != 0:
        raise BackupError(
            "the client of this host does not understand the first line of the dump, which turns its sandbox on",
            untouched="Nothing was changed",
            remedy="Install the database client of the series that made the dump, or a newer one",
        )


def _load_schemas(request: Request, work: _Work, lock: int) -> float:
    path = os.path.join(work.dump_set.path, _dump_manifest.DATABASES)
    drop = [f"DROP DATABASE IF EXISTS {_database.quote_name(name)};" for name in work.schemas]
    # Together and first: a table that stays would have to fit those that come.
    before = ["SET FOREIGN_KEY_CHECKS=0;", *drop, *_sequences_first(work.reader, work.schemas)]
    splitter = _dump_split.Splitter(work.schemas, _text(before))
    progress = _progress.Progress(request.progress_file, "load", os.path.getsize(path))
    loaded = _database.load(request.connection, _pieces(path, splitter, progress), pass_fds=(lock,))
    incomplete = f"The schemas {', '.join(work.schemas)} are not whole; nothing else was touched"
    if loaded.rc != 0:
        where = f" at line {loaded.line} of what was fed" if loaded.line else ""
        raise BackupError(
            f"the load stopped in or before schema {splitter.schema}{where}: the database server said error"
            f" {loaded.error or 'unknown'} (exit code {loaded.rc})",
            untouched=incomplete,
            remedy="Look the number up in the server's manual, mend the cause and run again; the load begins anew",
            error=loaded.error,
        )
    there = _database.inventory(request.connection, work.schemas)
    problems = _dump_manifest.object_problems(work.dump_set.manifest, there)
    if problems:
        raise BackupError(
            f"the client ended well, but the server does not have what the dump has: {'; '.join(problems[:5])}",
            untouched=incomplete,
            remedy="Look whether somebody else works in these schemas, and run again",
        )
    progress.finish()
    return loaded.seconds


def _pieces(path: str, splitter: _dump_split.Splitter, progress: _progress.Progress) -> t.Iterator[bytes]:
    with open(path, "rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            piece = splitter.feed(chunk)
            progress.reached(stream.tell(), what=f"load {splitter.schema}".strip())
            if piece:
                yield piece
    yield splitter.finish()


# ------------------------------------------------------------------------------------------------------- accounts


def _plan_accounts(request: Request, dump_set: _dump_set.DumpSet) -> tuple[dict[str, _accounts.Account], list[str]]:
    """All accounts of the dump, and the names of those to make: missing, or begun by an earlier try."""
    if not request.accounts:
        return {}, []
    with open(os.path.join(dump_set.path, _dump_manifest.ACCOUNTS), encoding="utf-8", errors="surrogateescape") as file:
        accounts = _accounts.parse(file.read())
    there = {_accounts.Account(*name).name for name in _database.account_names(request.connection)}
    begun = _read_record(request.record, "created")
    wanted = _accounts.chosen(accounts, request.exclude_accounts)
    return accounts, sorted(name for name in wanted if name not in there or name in begun)


def _document_or_nothing(path: str | None) -> dict[str, t.Any]:
    if path is None or not os.path.exists(path):
        return {}
    return _document.read(path, untouched=_RECORD_UNTOUCHED, remedy=_RECORD_REMEDY)


_RECORD_UNTOUCHED = "Nothing was changed"
_RECORD_REMEDY = "Move it away if no load is under way; accounts that it created stay locked"
# An earlier release noted names alone.
_NOTED = ({str: {"locked": bool, "role": bool}}, [str])


def _read_record(path: str | None, part: str) -> dict[str, t.Any]:
    """What an earlier try noted: the accounts it C(created), or by their names the schemas it made C(beside)."""
    noted = _document_or_nothing(path).get(part, {})
    wrong = _form.wrong(noted, _NOTED, part)
    if wrong:
        raise BackupError(
            f"the record {path} of an earlier load cannot be understood: {wrong}",
            untouched=_RECORD_UNTOUCHED,
            remedy=_RECORD_REMEDY,
        )
    return dict(noted) if isinstance(noted, dict) else dict.fromkeys(noted)


def _make_accounts(request: Request, work: _Work) -> list[dict[str, str]]:
    """Make and grant, one statement at a time; returns what failed."""
    accounts = [work.accounts[name] for name in work.create]
    if not accounts:
        return []
    if request.record is not None:
        noted = {account.name: {"locked": account.locked, "account": account.quoted} for account in accounts}
        noted = {name: {**entry, "role": work.accounts[name].is_role} for name, entry in noted.items()}
        before = _document_or_nothing(request.record)
        _document.write(request.record, {**before, "created": before.get("created", {}) | noted})
    there = {_accounts.Account(*name).name for name in _database.account_names(request.connection)}
    failed: list[dict[str, str]] = []

    def run(account: _accounts.Account, statement: str, what: str) -> bool:
        try:
            _database.execute(request.connection, f"{statement};", what=what)
        except BackupError as error:
            failed.append({"account": account.name, "problem": error.what})
            return False
        return True

    made = [
        account
        for account in accounts
        if account.name in there
        or not account.create_locked
        or run(account, account.create_locked, f"making {account.name}")
    ]
    # To grant something to an account that is not there makes it, open and without a password (MariaDB 10.11.19).
    for account in made:
        for grant in account.grants:
            run(account, grant, f"the statement {grant!r}")
    for account in made:
        if account.default_role:
            run(account, account.default_role, f"setting the default role of {account.name}")
    return failed


def release(request: Request, *, apply: bool) -> dict[str, t.Any]:
    """Unlock what was made locked and was open in the dump; returns the module's result."""
    connection, record = request.connection, request.record
    created = _read_record(record, "created")
    open_before = sorted(name for name, entry in created.items() if not entry["locked"] and not entry["role"])
    if apply and record is not None and created:
        there = {_accounts.Account(*name).name for name in _database.account_names(connection)}
        for name in open_before:
            if name in there:
                _database.execute(
                    connection, f"ALTER USER {created[name]['account']} ACCOUNT UNLOCK;", what=f"unlocking {name}"
                )
        os.unlink(record)
        _document.sync_folder(os.path.dirname(record))
    return {"changed": bool(created), "unlocked": open_before}
