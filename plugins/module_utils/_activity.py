# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Whether anybody still writes: two readings of the database and of the trees, and who is about to."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._host import _activity, _process
from ansible_collections.labops.backup.plugins.module_utils._model import _text
from ansible_collections.labops.backup.plugins.module_utils._tools import _database, _database_fence

Writer = dict[str, str]


def watch(connection: _database.Connection | None, roots: t.Sequence[str], interval: float) -> dict[str, t.Any]:
    """Read twice; returns the result of the module ``write_activity_info``.

    :param connection: None when the database is not asked.
    """
    began = time.monotonic()
    up = connection is not None and _database.answers(connection)
    before = _database_fence.counters(connection) if connection and up else {}
    newest = {root: _activity.newest(root)[0] for root in roots}
    rest = interval - (time.monotonic() - began)
    if rest > 0:
        time.sleep(rest)
    writers: list[Writer] = []
    if connection and up:
        after = _database_fence.counters(connection)
        writers += [
            {"kind": "rows", "who": "", "where": name, "what": f"{after[name] - before.get(name, 0)} more"}
            for name in sorted(after)
            if after[name] != before.get(name, 0)
        ]
        writers += [
            {"kind": "transaction", "who": who, "where": "database", "what": what}
            for who, what in _database_fence.transactions(connection)
        ]
    for root in roots:
        changed, path = _activity.newest(root, after=newest[root])
        if changed > newest[root]:
            writers.append({"kind": "file", "who": "", "where": _text.plain(path), "what": f"changed in {root}"})
    for process, path in _process.writers(roots):
        who = f"process {process.pid} ({_text.plain(process.name)})"
        writers.append({"kind": "process", "who": who, "where": _text.plain(path), "what": "has it open for writing"})
    return {
        "quiet": not writers,
        "server": "not asked" if connection is None else "up" if up else "down",
        "writers": writers,
        "seconds": round(time.monotonic() - began, 3),
    }
