# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import datajoint_reservations

RunModule = t.Callable[..., dict[str, t.Any]]
STALE = "(status = 'reserved' OR (status = 'error' AND COALESCE(error_message, '') LIKE 'SystemExit: SIGTERM%'))"
OLD = ("table_name", "key_hash", "status", "error_message", "user", "host", "pid", "timestamp")
NEW = ("subject_id", "status", "scheduled_time", "reserved_time", "error_message", "host", "pid")
COLUMNS = [
    *[["lab_imaging", "~jobs", name] for name in OLD],
    *[["lab_imaging", "~~motion", name] for name in NEW],
    *[["lab_imaging", "~~no jobs", name] for name in ("a", "b")],
    *[["odd`name", "~jobs", name] for name in OLD],
]


class Server:
    """Stands for a database server with a 0.x and a 2.x table of jobs."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.asked: list[str] = []
        self.stale: dict[str, list[list[t.Any]]] = {
            "`lab_imaging`.`~jobs`": [["reserved", "__seg", "w", "tatchu", "7", "2026-11-23 02:00:00"]],
            "`lab_imaging`.`~~motion`": [["reserved", "tatchu", "8", "2026-11-23 02:00:00.123"]],
        }

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        lines = [line for line in keywords["stdin"].decode().splitlines() if not line.startswith("SET SESSION")]
        self.asked += [line for line in lines if line.startswith("SELECT")]
        self.orders += [line for line in lines if not line.startswith("SELECT")]
        answers = [answer for line in lines if line.startswith("SELECT") for answer in self.answer(line)]
        stdout = b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)
        return _command.Outcome(tuple(argv), 0, stdout, "", 0.1)

    def answer(self, sql: str) -> list[list[t.Any]]:
        if "SCHEMATA" in sql:
            return [["lab_core"], ["lab_imaging"], ["odd`name"]]
        if "information_schema.COLUMNS" in sql:
            return [row for row in COLUMNS if "'" + row[0] + "'" in sql]
        if "GROUP BY" in sql:
            return [["error", 2]] if "`lab_imaging`.`~jobs`" in sql else []
        return next((rows for name, rows in self.stale.items() if f"FROM {name}" in sql), [])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    stand_in = Server()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


def test_reservations_of_both_generations_are_listed_and_left_alone(run_module_main: RunModule, server: Server) -> None:
    result = run_module_main(datajoint_reservations, {})
    assert (result["changed"], result["count"], result["tables"]) == (False, 2, 3)
    assert result["reservations"] == [
        {
            "schema": "lab_imaging",
            "jobs": "~jobs",
            "status": "reserved",
            "table_name": "__seg",
            "user": "w",
            "host": "tatchu",
            "pid": "7",
            "timestamp": "2026-11-23 02:00:00",
        },
        {
            "schema": "lab_imaging",
            "jobs": "~~motion",
            "status": "reserved",
            "host": "tatchu",
            "pid": "8",
            "reserved_time": "2026-11-23 02:00:00.123",
        },
    ]
    assert result["kept"] == {"error": 2, "ignore": 0}
    assert server.orders == []


def test_they_are_cleared_each_in_the_way_of_its_generation(run_module_main: RunModule, server: Server) -> None:
    result = run_module_main(datajoint_reservations, {"state": "cleared"})
    assert (result["changed"], result["count"]) == (True, 2)
    assert server.orders == [
        f"DELETE FROM `lab_imaging`.`~jobs` WHERE {STALE};",
        "UPDATE `lab_imaging`.`~~motion` SET status = 'pending', reserved_time = NULL, error_message = NULL,"
        f" scheduled_time = NOW(3) WHERE {STALE};",
    ]


def test_check_mode_predicts_and_clears_nothing(run_module_main: RunModule, server: Server) -> None:
    result = run_module_main(datajoint_reservations, {"state": "cleared"}, check_mode=True)
    assert (result["changed"], result["count"], server.orders) == (True, 2, [])


def test_a_second_time_there_is_nothing_to_do(run_module_main: RunModule, server: Server) -> None:
    server.stale = {}
    result = run_module_main(datajoint_reservations, {"state": "cleared"})
    assert (result["changed"], result["count"], server.orders) == (False, 0, [])


def test_only_the_named_schemas_are_looked_at(run_module_main: RunModule, server: Server) -> None:
    assert run_module_main(datajoint_reservations, {"schemas": ["odd`name"]})["tables"] == 1
    assert not any("`lab_imaging`" in sql for sql in server.asked)
    assert run_module_main(datajoint_reservations, {"schemas": ["lab_core"]})["kept"] == {"error": 0, "ignore": 0}


def test_a_schema_that_is_not_there_is_refused(run_module_main: RunModule, server: Server) -> None:
    result = run_module_main(datajoint_reservations, {"schemas": ["nosuch"], "state": "cleared"})
    assert "no schema nosuch" in result["msg"]
    assert server.orders == []
