# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import db_account

RunModule = t.Callable[..., dict[str, t.Any]]
PASSWORD = "a b\"$#'\\ %z"
OPTIONS = {"name": "labops_dump", "password": PASSWORD, "socket": "/run/s"}
LEAST = ["EVENT", "EXECUTE", "LOCK TABLES", "PROCESS", "RELOAD", "SELECT", "SHOW VIEW", "TRIGGER"]


class Server:
    """Stands for a MariaDB server that has one account, or none."""

    def __init__(self) -> None:
        self.privileges: list[str] | None = None
        self.password = ""
        self.narrower = 0
        self.statements: list[str] = []

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        sql = keywords["stdin"].decode()
        assert not any(PASSWORD in word for word in argv)
        rows: list[list[t.Any]] = []
        if argv[1].startswith("--defaults-file="):
            with open(argv[1].removeprefix("--defaults-file="), encoding="utf-8") as stream:
                text = stream.read()
            if self.privileges is None or f'password="{self.password}"' not in text:
                return _command.Outcome(tuple(argv), 1, b"", "ERROR 1045 (28000): Access denied", 0.1)
        elif "GLOBAL_VARIABLES" in sql:
            rows = [["version", "10.11.19-MariaDB"]]
        elif "VERSION()" in sql:
            rows = [["10.11.19-MariaDB"]]
        elif "mysql.user" in sql:
            rows = [["root", "localhost"]] + ([["labops_dump", "localhost"]] if self.privileges is not None else [])
        elif "USER_PRIVILEGES" in sql:
            rows = [[privilege, "NO"] for privilege in self.privileges or ()]
        elif "SCHEMA_PRIVILEGES" in sql:
            rows = [[self.narrower], [0], [0]]
        else:
            self.take(sql)
        return _command.Outcome(tuple(argv), 0, b"".join(json.dumps(row).encode() + b"\n" for row in rows), "", 0.1)

    def take(self, sql: str) -> None:
        self.statements = sql.splitlines()[1:]
        for statement in self.statements:
            if "IDENTIFIED BY" in statement:
                assert statement.endswith("IDENTIFIED BY 'a b\"$#''\\\\ %z';")
                self.password = "a b\\\"$#'\\\\ %z"
                self.privileges = self.privileges or []
            if statement.startswith("GRANT"):
                self.privileges = statement.removeprefix("GRANT ").split(" ON *.*")[0].split(", ")
            if statement.startswith("REVOKE"):
                self.narrower = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    stand_in = Server()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


def test_an_account_is_made_once(run_module_main: RunModule, server: Server) -> None:
    made = run_module_main(db_account, OPTIONS)
    assert (made["changed"], made["created"], made["password_changed"], made["privileges"]) == (True, True, True, LEAST)
    assert server.privileges == LEAST
    assert PASSWORD not in json.dumps(made["diff"])
    again = run_module_main(db_account, OPTIONS)
    assert (again["changed"], again["created"], again["password_changed"]) == (False, False, False)


def test_check_mode_predicts_and_changes_nothing(run_module_main: RunModule, server: Server) -> None:
    predicted = run_module_main(db_account, OPTIONS, check_mode=True)
    assert (predicted["changed"], predicted["created"], server.statements) == (True, True, [])
    assert predicted["diff"]["before"]["exists"] is False


def test_privileges_are_exactly_those_and_the_password_stays(run_module_main: RunModule, server: Server) -> None:
    run_module_main(db_account, OPTIONS)
    server.privileges = [*LEAST, "SUPER"]
    changed = run_module_main(db_account, OPTIONS)
    assert (changed["changed"], changed["password_changed"], server.privileges) == (True, False, LEAST)
    assert server.statements[0] == "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'labops_dump'@'localhost';"
    server.narrower = 1
    assert run_module_main(db_account, OPTIONS)["changed"] is True
    assert run_module_main(db_account, OPTIONS)["changed"] is False


def test_a_password_that_does_not_work_is_set_and_nothing_else(run_module_main: RunModule, server: Server) -> None:
    run_module_main(db_account, OPTIONS)
    server.password = "other"
    changed = run_module_main(db_account, OPTIONS)
    assert (changed["changed"], changed["created"], changed["password_changed"]) == (True, False, True)
    assert [statement.split()[0] for statement in server.statements] == ["ALTER"]


@pytest.mark.parametrize("change", [{"password": "a\nb"}, {"privileges": ["SELECT ON x.* TO y; --"]}])
def test_bad_input_is_refused(run_module_main: RunModule, server: Server, change: dict[str, t.Any]) -> None:
    assert run_module_main(db_account, OPTIONS | change)["failed"] is True
    assert server.statements == []
