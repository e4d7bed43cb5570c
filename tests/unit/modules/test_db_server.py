# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _revive_database
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _fence_record
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import db_server

RunModule = t.Callable[..., dict[str, t.Any]]


class Host:
    """Stands for a host with a database server: its client, its configuration, mariadb-install-db and systemctl."""

    def __init__(self, data: pathlib.Path) -> None:
        self.data = data
        self.up = False
        self.comes_up = True
        self.program = "mariadbd"
        self.installed = ("mariadb.service",)
        self.done: list[str] = []
        self.settings = ""

    def find(self, program: str) -> str:
        return f"/usr/sbin/{self.program if program == 'mariadbd' else program}"

    def run(self, argv: t.Sequence[str], **_keywords: t.Any) -> _command.Outcome:
        program, words = argv[0].rpartition("/")[2], list(argv[1:])
        rc, out, err = 0, "", ""
        if program == "my_print_defaults":
            out = f"--datadir={self.data}/\n--user=mysqld\n--innodb-page-size=32768\n--collation-server=x_ci\n"
            out += "--character_set_server=x\n--skip-name-resolve\n"
        elif program == "mariadb-install-db":
            self.settings = pathlib.Path(words[0].removeprefix("--defaults-file=")).read_text()
            self.done.append(" ".join([program, *words[1:]]))
            (self.data / "mysql").mkdir()  # as the tool makes the system tables
        elif program == "mysqld" and words == ["--version"]:
            out = "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n"
        elif program == "mysqld":
            self.settings = pathlib.Path(words[0].removeprefix("--defaults-file=")).read_text()
            statements = pathlib.Path(words[-1].removeprefix("--init-file="))
            # The server reads it as its own user.
            assert statements.stat().st_mode & 0o777 == 0o644
            self.done.append(" ".join([program, *words[1:-1], statements.read_text()]))
            (self.data / "mysql").mkdir()
        elif program == "systemctl" and words[2] == "show":
            out = f"LoadState={'loaded' if words[-1] in self.installed else 'not-found'}\nActiveState=failed\n"
        elif program == "systemctl":
            self.done.append(" ".join(words[2:]))
            self.up = self.up or ("start" in words and self.comes_up)
            rc = int("start" in words and not self.comes_up)
        elif self.up:
            out = "[1]\n"
        else:
            rc, err = 1, "ERROR 2002 (HY000): Can't connect to local server through socket '/run/s' (2)"
        return _command.Outcome(tuple(argv), rc, out.encode(), err, 0.1)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Host:
    stand_in = Host(tmp_path / "lib" / "mysql")
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", stand_in.find)
    monkeypatch.setattr(_revive_database, "_START_SECONDS", 0)
    return stand_in


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    record = tmp_path / "incident" / "database.json"
    noted = {"since": "2026-11-30T01:00:00Z", "drop_in": "/etc/x.cnf", "skip_networking": True}
    _fence_record.write(str(record), _fence_record.DATABASE, {**noted, "accounts": [], "variables": None})
    return {"record": str(record)}


def test_a_data_directory_that_is_gone_is_made_anew(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    revived = run_module_main(db_server, options)
    assert (revived["changed"], revived["initialised"], revived["unit"]) == (True, True, "mariadb.service")
    assert revived["data_directory"] == str(host.data)
    assert host.done == [
        f"mariadb-install-db --datadir={host.data} --user=mysqld --auth-root-authentication-method=socket"
        " --skip-test-db",
        "reset-failed -- mariadb.service",
        "start -- mariadb.service",
    ]
    assert host.data.stat().st_mode & 0o777 == 0o700
    assert (
        host.settings == f"[mysqld]\ndatadir={host.data}/\nuser=mysqld\ninnodb_page_size=32768\nskip_name_resolve=1\n"
    )
    host.done = []
    again = run_module_main(db_server, options)
    assert (again["changed"], again["initialised"], host.done) == (False, False, [])


def test_one_that_holds_something_is_only_started(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    host.data.mkdir(parents=True)
    (host.data / "ibdata1").write_bytes(b"rows")
    assert run_module_main(db_server, options)["initialised"] is False
    assert host.done == ["reset-failed -- mariadb.service", "start -- mariadb.service"]


def test_one_that_cannot_be_used_is_left_as_it_is(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    host.data.mkdir(parents=True)
    (host.data / "ibdata1").write_bytes(b"no rows")
    host.comes_up = False
    refused = run_module_main(db_server, options)
    assert refused["failed"] and f"what is left in {host.data} cannot be used, move it away" in refused["msg"]
    assert (host.data / "ibdata1").read_bytes() == b"no rows"


def test_check_mode_predicts_and_changes_nothing(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    predicted = run_module_main(db_server, options, check_mode=True)
    assert (predicted["changed"], predicted["initialised"]) == (True, True)
    assert not host.data.exists() and host.done == []


def test_without_a_fence_it_is_not_started(run_module_main: RunModule, host: Host, tmp_path: pathlib.Path) -> None:
    refused = run_module_main(db_server, {"record": str(tmp_path / "none.json")})
    assert refused["failed"] and "down and not fenced" in refused["msg"] and host.done == []


def test_a_host_without_a_server_is_refused(run_module_main: RunModule, host: Host, options: dict[str, t.Any]) -> None:
    host.installed = ()
    refused = run_module_main(db_server, options)
    assert refused["failed"] and "systemd has none of mariadb.service" in refused["msg"] and host.done == []


def test_the_data_of_mysql_is_made_anew_and_root_never_lacks_a_lock(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    host.program = "mysqld"
    done = run_module_main(db_server, options)
    assert done["changed"] and done["initialised"]
    assert host.done[0] == (
        f"mysqld --initialize-insecure --datadir={host.data} --user=mysqld INSTALL PLUGIN auth_socket SONAME"
        " 'auth_socket.so';\nALTER USER 'root'@'localhost' IDENTIFIED WITH auth_socket;\n"
    )
    assert host.done[-1].startswith("start")
    assert "collation_server=x_ci" in host.settings


def test_data_without_a_program_that_makes_it(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = host.find

    def none(program: str) -> str:
        if program in ("mariadbd", "mysqld"):
            raise BackupError(f"{program} is not installed")
        return find(program)

    monkeypatch.setattr(_command, "find", none)
    refused = run_module_main(db_server, options)
    assert refused["failed"] and "so is the server's program" in refused["msg"] and host.done == []
