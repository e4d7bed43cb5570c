# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import time
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _process
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import write_activity_info

RunModule = t.Callable[..., dict[str, t.Any]]


class Server:
    """Stands for a MariaDB server whose counters a test moves between the readings."""

    def __init__(self) -> None:
        self.up = True
        self.counters = [
            {"HANDLER_WRITE": 5, "COM_SELECT": 1, "COM_DROP_TABLE": 0, "HANDLER_TMP_WRITE": 1, "COM_INSERT": 4}
        ]
        self.open: list[list[int]] = []
        self.statements: list[str] = []

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        sql = keywords["stdin"].decode()
        self.statements.append(sql)
        if not self.up:
            return _command.Outcome(tuple(argv), 1, b"", "ERROR 2002 (HY000): Can't connect", 0.1)
        rows: list[list[t.Any]] = [[1]]
        if "VERSION()" in sql:
            rows = [["10.11.19-MariaDB"]]
        elif "GLOBAL_STATUS" in sql:
            now = self.counters[0] if len(self.counters) == 1 else self.counters.pop(0)
            rows = [[name, str(value)] for name, value in now.items()]
        elif any(part in sql for part in ("GLOBAL_VARIABLES", "global_priv", "USER_PRIVILEGES", "roles_mapping")):
            rows = []
        elif "INNODB_TRX" in sql:
            rows = self.open
        elif "PROCESSLIST" in sql:
            rows = [[7, "lab_worker", "localhost", "Sleep"]]
        elif "CURRENT_USER" in sql:
            rows = [["root@localhost"]]
        return _command.Outcome(tuple(argv), 0, b"".join(json.dumps(row).encode() + b"\n" for row in rows), "", 0.1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    stand_in = Server()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(_process, "writers", lambda _roots: [])
    return stand_in


@pytest.mark.parametrize("check_mode", [False, True])
def test_silence_is_told_and_nothing_changed_in_check_mode_or_not(
    run_module_main: RunModule, server: Server, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    (tmp_path / "file").touch()
    roots = [str(tmp_path), str(tmp_path / "gone")]
    told = run_module_main(write_activity_info, {"roots": roots, "interval": 0.1}, check_mode=check_mode)
    assert (told["quiet"], told["writers"], told["server"], told["changed"]) == (True, [], "up", False)
    assert told["seconds"] >= 0.1
    assert all("SELECT" in sql for sql in server.statements)


def test_rows_and_tables_that_change_are_told(run_module_main: RunModule, server: Server) -> None:
    server.counters.append(
        {"HANDLER_WRITE": 8, "COM_SELECT": 9, "COM_DROP_TABLE": 1, "HANDLER_TMP_WRITE": 9, "COM_INSERT": 9}
    )
    told = run_module_main(write_activity_info, {"interval": 0})
    assert told["quiet"] is False
    assert [(one["kind"], one["where"], one["what"]) for one in told["writers"]] == [
        ("rows", "Com_drop_table", "1 more"),
        ("rows", "Handler_write", "3 more"),
    ]


def test_an_open_transaction_is_told_with_its_session(run_module_main: RunModule, server: Server) -> None:
    server.open = [[7, 3], [99, 1]]
    told = run_module_main(write_activity_info, {"interval": 0})
    assert [(one["kind"], one["who"], one["what"]) for one in told["writers"]] == [
        ("transaction", "lab_worker@localhost", "3 rows changed"),
        ("transaction", "session 99", "1 rows changed"),
    ]


def test_a_dead_server_is_quiet(run_module_main: RunModule, server: Server) -> None:
    server.up = False
    told = run_module_main(write_activity_info, {"interval": 0})
    assert (told["quiet"], told["server"]) == (True, "down")
    told = run_module_main(write_activity_info, {"interval": 0, "database": False})
    assert (told["quiet"], told["server"]) == (True, "not asked")


def test_a_file_that_comes_between_the_readings_is_told(
    run_module_main: RunModule, server: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(0.05)  # the kernel's own clock for files is coarse
    monkeypatch.setattr(time, "sleep", lambda _seconds: (tmp_path / "new\x07").touch())
    told = run_module_main(write_activity_info, {"roots": [str(tmp_path)], "interval": 60, "database": False})
    assert told["quiet"] is False
    (writer,) = told["writers"]
    assert (writer["kind"], writer["what"]) == ("file", f"changed in {tmp_path}")


def test_a_process_that_can_write_is_named(
    run_module_main: RunModule, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = (_process.Process(4711, "python", ()), "/datajoint-data/x")
    monkeypatch.setattr(_process, "writers", lambda roots: [one] if roots == ["/datajoint-data"] else [])
    told = run_module_main(write_activity_info, {"roots": ["/datajoint-data"], "interval": 0, "database": False})
    assert told["writers"] == [
        {
            "kind": "process",
            "who": "process 4711 (python)",
            "where": "/datajoint-data/x",
            "what": "has it open for writing",
        }
    ]
