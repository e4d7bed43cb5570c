# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
# ruff: noqa: S608 - every name and value in a statement went through quote_name or quote_string
"""Jobs that DataJoint workers had reserved when they ended, and that no worker takes up again by itself.

Up to 0.14 each schema has a table C(~jobs), in which a free job has no row (C(jobs.py)). From 2.0 on each computed
table has one of its own, C(~~NAME), in which it waits as C(pending). A worker that was killed leaves C(reserved), one
that was terminated an C(error) that says so, and later workers skip both (seen with 0.14.10 and 2.3.5).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

_SHOWN = 200
_JOBS_0 = "~jobs"
_TOLD = ("table_name", "user", "host", "pid", "timestamp", "reserved_time")
_TERMINATED = "SystemExit: SIGTERM%"


@dataclass(frozen=True)
class _Jobs:
    """A table of jobs."""

    schema: str
    table: str
    columns: frozenset[str]

    @property
    def name(self) -> str:
        return f"{_database.quote_name(self.schema)}.{_database.quote_name(self.table)}"

    @property
    def stale(self) -> str:
        """The condition of a row that keeps its job from being done."""
        if "error_message" not in self.columns:
            return "status = 'reserved'"
        said = f"COALESCE(error_message, '') LIKE {_database.quote_string(_TERMINATED)}"
        return f"(status = 'reserved' OR (status = 'error' AND {said}))"

    @property
    def clear(self) -> str:
        """The statement that lets workers take these jobs up again."""
        if self.table == _JOBS_0:
            return f"DELETE FROM {self.name} WHERE {self.stale};"
        values = ["status = 'pending'"]
        values += [f"{column} = NULL" for column in ("reserved_time", "error_message") if column in self.columns]
        if "scheduled_time" in self.columns:
            values.append("scheduled_time = NOW(3)")
        return f"UPDATE {self.name} SET {', '.join(values)} WHERE {self.stale};"


def handle(connection: _database.Connection, schemas: t.Sequence[str], *, clear: bool, apply: bool) -> dict[str, t.Any]:
    """List reservations and, where that is asked for, clear them; returns the module's result.

    :raises BackupError: when a schema is missing.
    """
    there = _database.schemas(connection)
    missing = sorted(set(schemas) - set(there))
    if missing:
        raise BackupError(
            f"the database server has no schema {', '.join(missing)}",
            untouched="Nothing was changed",
            remedy="Correct the list of schemas",
        )
    tables = _tables(connection, sorted(set(schemas)) or there)
    found = [row for table in tables for row in _stale(connection, table)]
    kept = _kept(connection, tables)
    if clear and apply:
        for table in tables:
            if any((row["schema"], row["jobs"]) == (table.schema, table.table) for row in found):
                _database.execute(
                    connection, table.clear, what=f"clearing the reservations in {table.schema}.{table.table}"
                )
    return {
        "changed": clear and bool(found),
        "reservations": found[:_SHOWN],
        "count": len(found),
        "tables": len(tables),
        "kept": kept,
    }


def _tables(connection: _database.Connection, schemas: t.Sequence[str]) -> list[_Jobs]:
    if not schemas:
        return []
    chosen = ",".join(_database.quote_string(name) for name in schemas)
    rows = _database.query(
        connection,
        "SELECT JSON_ARRAY(TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN"
        f" ({chosen}) AND (TABLE_NAME = '{_JOBS_0}' OR LEFT(TABLE_NAME, 2) = '~~') ORDER BY TABLE_SCHEMA, TABLE_NAME;",
    )
    columns: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in rows:
        columns.setdefault((schema, table), set()).add(column)
    return [_Jobs(schema, table, frozenset(names)) for (schema, table), names in columns.items() if "status" in names]


def _stale(connection: _database.Connection, table: _Jobs) -> list[dict[str, t.Any]]:
    told = [column for column in _TOLD if column in table.columns]
    values = ", ".join(["status", *(f"CAST({_database.quote_name(column)} AS CHAR)" for column in told)])
    rows = _database.query(connection, f"SELECT JSON_ARRAY({values}) FROM {table.name} WHERE {table.stale};")
    return [
        {"schema": table.schema, "jobs": table.table, "status": status, **dict(zip(told, row, strict=True))}
        for status, *row in rows
    ]


def _kept(connection: _database.Connection, tables: t.Sequence[_Jobs]) -> dict[str, int]:
    """Jobs that stay as they are, because somebody wants to know of them: their number by status."""
    questions = [
        f"SELECT JSON_ARRAY(status, COUNT(*)) FROM {table.name} WHERE status IN ('error', 'ignore') AND NOT"
        f" {table.stale} GROUP BY status;"
        for table in tables
    ]
    kept = {"error": 0, "ignore": 0}
    for status, count in _database.query(connection, "\n".join(questions)) if questions else ():
        kept[str(status)] += int(count)
    return kept
