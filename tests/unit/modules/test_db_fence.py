# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _fence_database
from ansible_collections.labops.backup.plugins.module_utils._host import _fence_record, _process
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import db_fence

RunModule = t.Callable[..., dict[str, t.Any]]
_LOCK = re.compile(r"ALTER USER '(.*)'@'(.*)' ACCOUNT (LOCK|UNLOCK);")


class Server:
    """Stands for a MariaDB server with accounts, sessions and variables, and for my_print_defaults and systemctl."""

    def __init__(self, drop_in: pathlib.Path) -> None:
        self.drop_in = drop_in
        self.up = True
        self.version = "10.11.19-MariaDB"
        self.variables = {"read_only": "OFF", "event_scheduler": "ON", "skip_networking": "OFF"}
        self.accounts = {
            ("root", "localhost"): False,
            ("mariadb.sys", "localhost"): True,
            ("labops_dump", "localhost"): False,
            ("lab_worker", "localhost"): False,
            ("liam.o'brien", "%"): False,
            ("former", "localhost"): True,
            ("root", "%"): False,
        }
        self.sessions = [
            [7, "lab_worker", "localhost:4000", "Query"],
            [8, "root", "10.0.0.9:1", "Sleep"],
            [9, "root", "localhost", "Sleep"],
            [1, "event_scheduler", "localhost", "Daemon"],
        ]
        self.strong_roles = ["admins"]
        self.roles: list[list[str]] = []
        self.configuration = "--event_scheduler=ON\n"
        self.groups = {"mariadb-10.11": ""}  # what other groups say after all that
        self.statements: list[str] = []

    def former(self) -> tuple[t.Any, ...]:
        return dict(self.accounts), dict(self.variables), self.drop_in.exists()

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        program = argv[0].rpartition("/")[2]
        rc, out, err = 0, "", ""
        if program == "my_print_defaults":
            text = self.drop_in.read_text() if self.drop_in.exists() else ""
            out = self.configuration + "".join(
                f"--{line.replace(' ', '')}\n" for line in text.splitlines() if re.match(r"\w+ = ", line)
            )
            out += "".join(said for group, said in self.groups.items() if "--mysqld" in argv or group in argv)
        elif program == "systemctl":
            rc, out = self.systemctl(list(argv[3:]))
        elif argv[1:] == ["--version"]:
            out = f"{program}  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server)\n"
        elif not self.up:
            rc, err = 1, "ERROR 2002 (HY000): Can't connect to local server through socket '/run/s' (2)"
        else:
            out = "".join(json.dumps(row) + "\n" for row in self.answer(keywords["stdin"].decode()))
        for line in err.splitlines():
            if keywords.get("on_stderr_line"):
                keywords["on_stderr_line"](line)
        return _command.Outcome(tuple(argv), rc, out.encode(), err, 0.1)

    def systemctl(self, words: list[str]) -> tuple[int, str]:
        if words[0] == "show":
            return 0, f"LoadState=loaded\nActiveState={'active' if words[-1] == 'mariadb.service' else 'inactive'}\n"
        assert words == ["restart", "--", "mariadb.service"]
        self.start()
        return 0, ""

    def start(self) -> None:
        """As the server comes up with its files."""
        fenced = self.drop_in.exists()
        network = fenced and "skip_networking" in self.drop_in.read_text()
        self.up = True
        self.sessions = []
        self.variables = {
            "read_only": "ON" if fenced else "OFF",
            "event_scheduler": "OFF" if fenced else "ON",
            "skip_networking": "ON" if network else "OFF",
        }

    def answer(self, sql: str) -> t.Iterator[list[t.Any]]:
        if "SELECT" not in sql:
            self.take(sql.splitlines()[1:])
        elif "VERSION()" in sql:
            yield [self.version]
        elif "GLOBAL_VARIABLES" in sql:
            yield from (list(pair) for pair in self.variables.items())
        elif "CURRENT_USER" in sql:
            yield ["root@localhost"]
        elif "global_priv" in sql and "'$.access'" in sql:
            yield from ([role] for role in self.strong_roles)
        elif "global_priv" in sql:
            yield from ([user, host, int(locked)] for (user, host), locked in self.accounts.items())
        elif "USER_PRIVILEGES" in sql:
            # No roles, seen with 10.11.19.
            yield from (["'root'@'localhost'"], ["'root'@'%'"])
        elif "roles_mapping" in sql:
            yield from self.roles
        elif "PROCESSLIST" in sql:
            yield from self.sessions
        else:
            yield [1]

    def take(self, statements: list[str]) -> None:
        self.statements += statements
        for statement in statements:
            if match := _LOCK.fullmatch(statement):
                self.accounts[match[1].replace("''", "'"), match[2]] = match[3] == "LOCK"
            elif match := re.fullmatch(r"KILL (\d+);", statement):
                self.sessions = [session for session in self.sessions if session[0] != int(match[1])]
            elif match := re.fullmatch(r"SET GLOBAL (\w+)=(\w+);", statement):
                self.variables[match[1]] = match[2]
            else:
                assert statement.startswith("SET SESSION lock_wait_timeout")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Server:
    stand_in = Server(tmp_path / "zz-labops-fence.cnf")
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(_process, "running", lambda: iter(()))
    return stand_in


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        "record": str(tmp_path / "incident" / "database.json"),
        "drop_in": str(tmp_path / "zz-labops-fence.cnf"),
        "keep_accounts": ["labops_dump@localhost"],
        "wait_seconds": 0,
    }


def test_who_gets_around_read_only_by_a_role_is_locked_whoever_is_named(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    # admins may write, curators have got that role, and liam has got curators.
    server.roles = [["admins", "", "curators", ""], ["curators", "", "liam.o'brien", "%"], ["x", "", "former", "%"]]
    result = run_module_main(db_fence, options | {"accounts": ["lab_worker@localhost"]})
    assert result["locked"] == ["lab_worker@localhost", "liam.o'brien@%", "root@%"]
    assert server.accounts["liam.o'brien", "%"] is True
    assert result["bypassing"] == ["admins", "curators", "liam.o'brien@%", "root@%", "root@localhost"]


def test_what_everybody_may_lets_everybody_get_around_read_only(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.strong_roles = ["PUBLIC"]
    result = run_module_main(db_fence, options | {"accounts": ["lab_worker@localhost"]})
    assert result["locked"] == ["former@localhost", "lab_worker@localhost", "liam.o'brien@%", "root@%"]
    assert result["bypassing"] == sorted(["PUBLIC", "labops_dump@localhost", "root@localhost", *result["locked"]])


def test_a_fence_locks_sends_away_and_stops_writes_and_events(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    fenced = run_module_main(db_fence, options)
    assert (fenced["changed"], fenced["holds"], fenced["problems"], fenced["server"]) == (True, True, [], "up")
    assert fenced["locked"] == ["former@localhost", "lab_worker@localhost", "liam.o'brien@%", "root@%"]
    assert fenced["kept"] == ["labops_dump@localhost", "root@localhost"]
    assert fenced["bypassing"] == ["admins", "root@%", "root@localhost"]
    assert (fenced["killed"], fenced["sessions"]) == (2, ["root@localhost"])
    assert [one for one, locked in server.accounts.items() if not locked] == [
        ("root", "localhost"),
        ("labops_dump", "localhost"),
    ]
    assert (server.variables["read_only"], server.variables["event_scheduler"]) == ("ON", "OFF")
    order = [statement.split()[0] for statement in server.statements if "event_scheduler" not in statement]
    assert order.index("ALTER") < order.index("KILL") < len(order) - 1  # read_only waits for nobody's commit
    assert "read_only" in server.statements[-1]


def test_the_second_time_nothing_changes(run_module_main: RunModule, server: Server, options: dict[str, t.Any]) -> None:
    run_module_main(db_fence, options)
    server.statements = []
    again = run_module_main(db_fence, options)
    assert (again["changed"], again["holds"], server.statements) == (False, True, [])


def test_check_mode_tells_whether_it_holds_and_changes_nothing(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    former = server.former()
    predicted = run_module_main(db_fence, options, check_mode=True)
    assert (predicted["changed"], predicted["holds"], predicted["since"]) == (True, False, None)
    assert (server.former(), server.statements, list(tmp_path.iterdir())) == (former, [], [])
    run_module_main(db_fence, options)
    assert run_module_main(db_fence, options, check_mode=True)["holds"] is True
    fenced = server.former()
    predicted = run_module_main(db_fence, options | {"state": "released"}, check_mode=True)
    assert predicted["unlocked"] == ["lab_worker@localhost", "liam.o'brien@%", "root@%"]
    assert server.former() == fenced
    server.accounts["lab_worker", "localhost"] = False
    reopened = run_module_main(db_fence, options, check_mode=True)
    assert (reopened["holds"], reopened["problems"]) == (False, ["the account lab_worker@localhost is not locked"])


def test_a_release_brings_every_former_state_back(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    former = server.former()
    run_module_main(db_fence, options)
    server.start()  # a restart in between
    assert run_module_main(db_fence, options | {"keep_accounts": []})["holds"] is True  # a narrower wish than before
    released = run_module_main(db_fence, options | {"state": "released"})
    assert (released["changed"], released["left_locked"], released["restarted"]) == (True, [], False)
    assert (server.former(), pathlib.Path(options["record"]).exists()) == (former, False)
    assert run_module_main(db_fence, options | {"state": "released"})["changed"] is False


@pytest.mark.parametrize("state", ["fenced", "released"])
def test_a_run_killed_at_any_statement_is_finished_by_the_next(
    run_module_main: RunModule,
    server: Server,
    options: dict[str, t.Any],
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    former = server.former()
    whole = server.take
    for last in range(1, 12):
        if state == "released":
            run_module_main(db_fence, options)
        seen = 0

        def take(statements: list[str], last: int = last) -> None:
            nonlocal seen
            for statement in statements:
                seen += 1
                if seen >= last:
                    raise KeyboardInterrupt
                whole([statement])

        monkeypatch.setattr(server, "take", take)
        with contextlib.suppress(KeyboardInterrupt):
            run_module_main(db_fence, options | {"state": state})
        monkeypatch.setattr(server, "take", whole)
        finished = run_module_main(db_fence, options | {"state": state})
        assert finished.get("failed") is None
        assert finished["holds"] is (state == "fenced")
        run_module_main(db_fence, options | {"state": "released"})
        assert server.former() == former


def test_only_named_accounts_and_those_that_get_around_read_only_are_locked(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], module_warnings: list[str]
) -> None:
    named = options | {"accounts": ["lab_worker@localhost", "nobody@%"]}
    fenced = run_module_main(db_fence, named)
    assert fenced["locked"] == ["lab_worker@localhost", "root@%"]
    assert "the account nobody@% does not exist" in str(module_warnings)
    assert server.accounts["liam.o'brien", "%"] is False


def test_a_dead_server_is_fenced_before_its_first_start(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    accounts = dict(server.accounts)
    server.up = False
    dead = run_module_main(db_fence, options)
    assert (dead["holds"], dead["server"], dead["locked"]) == (True, "down", [])
    assert run_module_main(db_fence, options)["changed"] is False
    server.start()
    assert (server.variables["read_only"], server.variables["skip_networking"]) == ("ON", "ON")
    up = run_module_main(db_fence, options)
    assert (up["holds"], up["server"], len(up["locked"])) == (True, "up", 4)
    released = run_module_main(db_fence, options | {"state": "released"})
    assert (released["restarted"], server.accounts) == (True, accounts)
    assert server.variables == {"read_only": "OFF", "event_scheduler": "ON", "skip_networking": "OFF"}


def test_a_dead_server_that_stays_dead_can_be_released(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.up = False
    run_module_main(db_fence, options)
    assert run_module_main(db_fence, options | {"state": "released"})["changed"] is True
    assert not server.drop_in.exists()


def test_a_server_that_died_behind_its_fence_is_not_released(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    run_module_main(db_fence, options)
    server.up = False
    refused = run_module_main(db_fence, options | {"state": "released"})
    assert refused["msg"].startswith("the database server does not answer, so its accounts cannot be unlocked")
    assert server.drop_in.exists()


def test_a_server_that_runs_elsewhere_is_no_dead_one(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.up = False
    found = [_process.Process(4711, "mariadbd", ("/usr/sbin/mariadbd",))]
    monkeypatch.setattr(_process, "running", lambda: iter(found))
    refused = run_module_main(db_fence, options)
    assert refused["msg"].startswith("a database server runs (process 4711) but does not answer")
    assert not server.drop_in.exists()
    found[:] = [_process.Process(4712, "mariadbd", ("/usr/sbin/mariadbd", "--skip-networking"))]
    assert run_module_main(db_fence, options)["holds"] is True  # a private instance


def test_accounts_of_a_load_are_released_as_the_dump_had_them(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], module_warnings: list[str]
) -> None:
    run_module_main(db_fence, options)
    _fence_record.note_accounts(
        options["record"], [("anna", "%", False), ("gone", "%", True), ("lab_worker", "localhost", True)]
    )
    server.accounts |= {("anna", "%"): True, ("gone", "%"): True, ("somebody", "%"): True}
    released = run_module_main(db_fence, options | {"state": "released"})
    assert (server.accounts["anna", "%"], server.accounts["gone", "%"]) == (False, True)
    assert server.accounts["lab_worker", "localhost"] is False  # the record knew it already
    assert released["left_locked"] == ["somebody@%"]
    assert "left locked, for nobody knows how they were before: somebody@%" in str(module_warnings)


def test_a_session_that_does_not_end_keeps_the_fence_from_holding(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "sessions", [[7, "lab_worker", "localhost", "Killed"]])
    whole = server.take
    monkeypatch.setattr(server, "take", lambda sql: whole([line for line in sql if not line.startswith("KILL")]))
    fenced = run_module_main(db_fence, options)
    assert (fenced["holds"], fenced["problems"]) == (False, ["lab_worker@localhost is still connected"])
    assert server.variables["read_only"] == "ON"


def test_replication_is_named(run_module_main: RunModule, server: Server, options: dict[str, t.Any]) -> None:
    server.sessions = [[3, "system user", "", "Slave_SQL"]]
    fenced = run_module_main(db_fence, options)
    assert fenced["holds"] is False
    assert fenced["problems"][0].startswith("another server's changes are applied here")


def test_files_that_open_it_at_the_next_start_are_told(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    server.drop_in = tmp_path / "elsewhere.cnf"  # what the server reads is not what was written
    fenced = run_module_main(db_fence, options)
    assert fenced["holds"] is False
    assert "a restart would open it" in fenced["problems"][0]


@pytest.mark.parametrize("up", [True, False])
def test_a_group_of_one_series_that_opens_it_at_the_next_start_is_told(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], up: bool
) -> None:
    server.groups["mariadb-10.11"] = "--loose-skip-read-only\n"
    server.up = up
    fenced = run_module_main(db_fence, options)
    assert (fenced["holds"], len(fenced["problems"])) == (False, 1)
    said = f"a restart would open it: the server's files end with read_only=0, whatever {options['drop_in']} says"
    assert fenced["problems"][0].startswith(said)
    server.groups["mariadb-10.11"] = ""
    assert run_module_main(db_fence, options)["holds"] is True


@pytest.mark.parametrize("up", [True, False])
def test_what_set_persist_opens_at_the_next_start_is_told(
    run_module_main: RunModule,
    server: Server,
    options: dict[str, t.Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    up: bool,
) -> None:
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/sbin/{program.replace('mariadbd', 'mysqld')}")
    server.variables["datadir"] = f"{tmp_path}/"
    server.configuration += f"--datadir={tmp_path}\n"
    server.up = up
    (tmp_path / "mysqld-auto.cnf").write_text('{"mysql_dynamic_variables": {"read_only": {"Value": "OFF"}}}')
    fenced = run_module_main(db_fence, options)
    assert fenced["holds"] is False
    assert fenced["problems"][0].startswith(
        f"a restart would open it: {tmp_path}/mysqld-auto.cnf (SET PERSIST) has read_only=OFF, which comes after all "
        "other files"
    )
    (tmp_path / "mysqld-auto.cnf").write_text('{"mysql_dynamic_variables": {"read_only": {"Value": "ON"}}}')
    assert run_module_main(db_fence, options)["holds"] is True


def test_what_nobody_knows_is_not_released(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    run_module_main(db_fence, options)
    pathlib.Path(options["record"]).unlink()
    refused = run_module_main(db_fence, options | {"state": "released"})
    assert "nobody knows how it was before. Nothing was changed." in refused["msg"]
    assert server.variables["read_only"] == "ON"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"accounts": ["lab_worker"]}, "'lab_worker' is no account of the form user@host"),
        ({"unit": "mariadb"}, "'mariadb' is no name of a systemd unit"),
    ],
)
def test_bad_input_is_refused(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], change: dict[str, t.Any], why: str
) -> None:
    assert why in run_module_main(db_fence, options | change)["msg"]
    assert server.statements == []


def test_a_server_that_cannot_lock_accounts_is_refused(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.version = "10.3.39-MariaDB"
    assert "10.3.39-MariaDB cannot lock accounts" in run_module_main(db_fence, options)["msg"]


def test_without_a_path_the_drop_in_lies_where_the_engine_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/sbin/{program}")
    monkeypatch.setattr(_fence_database.os.path, "isdir", lambda path: path == "/etc/my.cnf.d")
    assert _fence_database._default_drop_in() == "/etc/my.cnf.d/zz-labops-fence.cnf"
