# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _database, _database_fence

CONNECTION = _database.Connection(None, "/run/s")


class Client:
    def __init__(self) -> None:
        self.calls: list[tuple[list[str], str]] = []
        self.answers: list[tuple[int, t.Any, str]] = []

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        self.calls.append((list(argv), (keywords.get("stdin") or b"").decode()))
        rc, rows, stderr = self.answers.pop(0)
        for line in stderr.splitlines():
            if keywords.get("on_stderr_line"):
                keywords["on_stderr_line"](line)
        stdout = rows.encode() if isinstance(rows, str) else b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        return _command.Outcome(tuple(argv), rc, stdout, stderr, 0.1)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    stand_in = Client()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


def test_accounts_are_locked_to_the_last_one_whatever_fails(client: Client) -> None:
    client.answers = [(0, "", "ERROR 1396 (HY000) at line 2: Operation ALTER USER failed for 'x'@'%'")]
    assert _database_fence.lock(CONNECTION, [("liam.o'brien", "%"), ("x\\", "%")], locked=True) == [1396]
    argv, sql = client.calls[0]
    assert argv[1:3] == ["--no-defaults", "--socket=/run/s"]
    assert argv[-1] == "--force"
    assert sql.splitlines()[1:] == [
        "ALTER USER 'liam.o''brien'@'%' ACCOUNT LOCK;",
        "ALTER USER 'x\\\\'@'%' ACCOUNT LOCK;",
    ]


def test_a_session_that_ended_by_itself_is_fine_and_another_error_is_not(client: Client) -> None:
    sessions = [_database_fence.Session(7, "a", "localhost:1", False), _database_fence.Session(8, "b", "%", False)]
    client.answers = [(0, "", "ERROR 1094 (HY000) at line 2: Unknown thread id: 7"), (1, "", "ERROR 1095 (HY000): no")]
    _database_fence.end(CONNECTION, sessions)
    assert client.calls[0][1].splitlines()[1:] == ["KILL 7;", "KILL 8;"]
    with pytest.raises(BackupError, match="sessions of the database could not be ended: error 1095"):
        _database_fence.end(CONNECTION, sessions)


@pytest.mark.parametrize(("name", "value"), [("sql_mode", "x"), ("read_only", "1; DROP"), ("read_only", "")])
def test_only_what_a_fence_sets_is_set(client: Client, name: str, value: str) -> None:
    with pytest.raises(BackupError, match="is not what a fence sets"):
        _database_fence.set_variable(CONNECTION, name, value)
    assert client.calls == []


def test_the_last_of_the_options_counts_in_whichever_spelling(client: Client) -> None:
    client.answers = [(0, "--read-only=0\n--skip-networking\n--read_only=1\n--event-scheduler=OFF\n", "")]
    assert _database_fence.configured() == {"read_only": "1", "skip_networking": "1", "event_scheduler": "OFF"}
    assert client.calls[0][0] == ["/usr/bin/my_print_defaults", "--mysqld"]  # also [mariadb-10.11] and the like


def only_mysqld(program: str) -> str:
    if program == "mariadbd":
        raise BackupError("mariadbd is not installed")
    return f"/usr/sbin/{program}"


def test_mysql_reads_also_the_group_of_its_series(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_command, "find", only_mysqld)
    client.answers = [
        (0, "/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server)\n", ""),
        (0, "", ""),
    ]
    assert _database_fence.configured() == {}
    assert client.calls[1][0] == ["/usr/sbin/my_print_defaults", "mysqld", "server", "mysqld-8.0"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("--skip-read-only", {"read_only": "0"}),
        ("--loose-disable_read_only", {"read_only": "0"}),
        ("--enable-read-only", {"read_only": "1"}),
        ("--skip-event-scheduler", {"read_only": "1", "event_scheduler": "0"}),
        ("--skip-networking", {"read_only": "1", "skip_networking": "1"}),
    ],
)
def test_what_a_fence_sets_is_known_in_every_spelling(client: Client, line: str, found: dict[str, str]) -> None:
    client.answers = [(0, f"--read_only=1\n{line}\n", "")]
    assert _database_fence.configured() == found


def entry(value: str) -> dict[str, t.Any]:
    return {"Value": value, "Metadata": {"Host": "localhost", "User": "root", "Timestamp": 1}}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"Version": 1, "mysql_server": {"read_only": {"Value": "OFF"}}}', {"read_only": "OFF"}),
        (
            json.dumps(
                {
                    "Version": 2,
                    "mysql_dynamic_variables": {"event_scheduler": entry("ON"), "max_connections": entry("9")},
                    "mysql_static_variables": {"read_only": entry("ON")},
                }
            ),
            {"event_scheduler": "ON", "read_only": "ON"},
        ),
        ("[]", {}),
        (None, {}),
    ],
)
def test_what_mysql_keeps_by_set_persist_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, text: str | None, found: dict[str, str]
) -> None:
    if text is not None:
        (tmp_path / "mysqld-auto.cnf").write_text(text)
    monkeypatch.setattr(_command, "find", only_mysqld)
    assert _database_fence.persisted(str(tmp_path)) == found
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/sbin/{program}")
    assert _database_fence.persisted(str(tmp_path)) == {}, "MariaDB does not read that file"


def test_a_file_of_set_persist_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mysqld-auto.cnf").write_text("{")
    monkeypatch.setattr(_command, "find", only_mysqld)
    with pytest.raises(BackupError, match=r"mysqld-auto.cnf is no JSON"):
        _database_fence.persisted(str(tmp_path))


def test_a_mysql_server_is_asked_in_its_own_tables(client: Client) -> None:
    client.answers = [
        (0, [["9.7.4"]], ""),
        (0, [], ""),
        (0, [["read_only", "OFF"], ["super_read_only", "ON"], ["event_scheduler", "ON"]], ""),
        (0, [["root@localhost"]], ""),
        (0, [["anna", "%", 1], ["mysql.sys", "localhost", 1], ["bob", "%", 0]], ""),
        (0, [["'root'@'localhost'"], ["'o'brien'@'%'"]], ""),
        (0, [["o'brien", "%", "anna", "%"], ["reader", "%", "bob", "%"]], ""),
        (0, [[5, "event_scheduler", "localhost", "Daemon"], [8, "anna", "10.0.0.1:2", "Query"]], ""),
    ]
    state = _database_fence.look(CONNECTION)
    assert (state.engine, state.us, state.accounts) == (
        "mysql",
        ("root", "localhost"),
        {("anna", "%"): True, ("bob", "%"): False},
    )
    assert state.bypassing == [("anna", "%"), ("o'brien", "%"), ("root", "localhost")]
    assert [session.number for session in state.sessions] == [8]
    asked = " ".join(sql for _argv, sql in client.calls)
    assert "performance_schema.processlist" in asked
    assert "mysql.user" in asked
    assert "mysql.role_edges" in asked


def test_a_server_that_does_not_answer_is_no_other_trouble(client: Client) -> None:
    client.answers = [
        (1, "", "ERROR 2002 (HY000): Can't connect to local server through socket '/run/s' (2)"),
        (0, [[1]], ""),
        (1, "", "ERROR 1045 (28000): Access denied for user 'root'@'localhost'"),
    ]
    assert _database.answers(CONNECTION) is False
    assert _database.answers(CONNECTION) is True
    with pytest.raises(BackupError, match="Access denied"):
        _database.answers(CONNECTION)
