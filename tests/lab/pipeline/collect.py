# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Garbage collection, as labs run it from cron: the very thing that must not run around a restore."""

from __future__ import annotations

from .schemas import ephys, imaging, session

TRACKED = """
SELECT SUBSTRING(table_name, 11) FROM information_schema.tables
WHERE table_schema = %s AND LEFT(table_name, 10) = '~external_'
"""


def collect() -> None:
    """Delete tracked but unreferenced files of the blob stores; raw data is never touched."""
    for schema in (session.schema, ephys.schema, imaging.schema):
        for (store,) in schema.connection.query(TRACKED, args=(schema.database,)).fetchall():
            if store == "raw":
                continue
            table = schema.external[store]
            before = len(table)
            errors = table.delete(delete_external_files=True, display_progress=False)
            print(f"{schema.database} {store}: {before - len(table)} removed, {len(errors)} errors")
