# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _engine

# In place of the server: it knows where its folder is, and listens there.
SERVER = """
import os, pathlib, socket, sys
options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)
server = socket.socket(socket.AF_UNIX)
server.bind(options["socket"])
server.listen()
pathlib.Path(options["pid-file"]).write_text(str(os.getpid()))
while True:
    server.accept()[0].send(b"J")
"""


class Programs:
    """Stands for the programs of the engine: keeps their command lines and starts a process that listens."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.failure = 0
        self.silent = False
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        self.calls.append(list(argv))
        assert keywords["env"]["PATH"] == _command.SEARCH_PATH
        if argv[0].endswith("setsid") and not self.silent:
            self.processes.append(subprocess.Popen([sys.executable, "-c", SERVER, *argv[3:]]))
        return _command.Outcome(tuple(argv), self.failure, b"", "no room" if self.failure else "", 0.1)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Programs]:
    stand_in = Programs()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/sbin/{program}")
    kill = os.kill

    def reap(number: int, sign: int) -> None:
        kill(number, sign)
        for process in stand_in.processes:
            if process.pid == number:
                process.wait()

    monkeypatch.setattr(_engine.os, "kill", reap)
    yield stand_in
    for process in stand_in.processes:
        process.kill()
        process.wait()


@pytest.fixture
def scratch(tmp_path: pathlib.Path) -> _engine.Scratch:
    return _engine.Scratch(str(tmp_path / "scratch"))


def test_the_command_lines_are_these(programs: Programs, scratch: _engine.Scratch) -> None:
    scratch.start(64 << 20)
    path = scratch.path
    assert programs.calls == [
        [
            "/usr/sbin/mariadb-install-db",
            "--no-defaults",
            f"--datadir={path}/data",
            "--user=root",
            "--auth-root-authentication-method=socket",
            "--skip-test-db",
        ],
        [
            "/usr/sbin/setsid",
            "--fork",
            "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={path}/data",
            f"--socket={path}/s",
            f"--pid-file={path}/pid",
            f"--log-error={path}/error.log",
            "--user=root",
            "--skip-networking",
            "--skip-log-bin",
            "--event-scheduler=OFF",
            "--performance-schema=OFF",
            "--max-allowed-packet=1G",
            "--innodb-buffer-pool-size=67108864",
            "--innodb-flush-log-at-trx-commit=0",
            "--skip-innodb-doublewrite",
        ],
    ]
    assert pathlib.Path(path).stat().st_mode & 0o777 == 0o700
    assert scratch.answers() and scratch.process() == programs.processes[0].pid
    assert scratch.stop() is True
    assert programs.processes[0].returncode == -signal.SIGTERM
    assert not os.path.exists(path)
    assert scratch.stop() is False


def test_the_command_lines_of_mysql_are_these(
    programs: Programs, scratch: _engine.Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(program: str) -> str:
        if program == "mariadbd":
            raise BackupError("not installed")
        return f"/usr/sbin/{program}"

    monkeypatch.setattr(_command, "find", find)
    scratch.start(64 << 20)
    made, started = programs.calls
    assert made[:-1] == [
        "/usr/sbin/mysqld",
        "--no-defaults",
        "--initialize-insecure",
        f"--datadir={scratch.path}/data",
        "--user=root",
    ]
    assert made[-1].startswith("--init-file=")
    assert started[:4] == ["/usr/sbin/setsid", "--fork", "/usr/sbin/mysqld", "--no-defaults"]
    assert {"--skip-networking", "--mysqlx=OFF", "--skip-log-bin", f"--socket={scratch.path}/s"} <= set(started)


def test_one_that_was_left_behind_is_replaced(programs: Programs, scratch: _engine.Scratch) -> None:
    scratch.start()
    scratch.start()
    assert programs.processes[0].returncode == -signal.SIGTERM
    assert scratch.process() == programs.processes[1].pid


def test_one_that_died_is_removed(programs: Programs, scratch: _engine.Scratch) -> None:
    scratch.start()
    programs.processes[0].kill()
    programs.processes[0].wait()
    assert (scratch.process(), scratch.answers()) == (None, False)
    assert scratch.stop() is True


def test_another_process_with_its_number_is_left_alone(programs: Programs, scratch: _engine.Scratch) -> None:
    scratch.start()
    (pathlib.Path(scratch.path) / "pid").write_text(str(os.getpid()))
    assert scratch.process() is None
    assert scratch.stop() is True


def test_a_folder_that_is_none_of_ours_is_refused(
    programs: Programs, scratch: _engine.Scratch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "thesis").write_text("")
    for work in (scratch.start, scratch.stop):
        with pytest.raises(BackupError, match="is no scratch instance"):
            work()
    assert (tmp_path / "scratch" / "thesis").exists()
    assert programs.calls == []
    with pytest.raises(BackupError, match="too long for a socket"):
        _engine.Scratch(f"{tmp_path}/{'x' * 110}").start()


def test_a_program_that_fails_leaves_nothing(programs: Programs, scratch: _engine.Scratch) -> None:
    programs.failure = 1
    with pytest.raises(BackupError, match="mariadb-install-db failed"):
        scratch.start()
    assert not os.path.exists(scratch.path)


def test_a_server_that_does_not_come_is_told_with_its_last_words(
    programs: Programs, scratch: _engine.Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.silent = True
    monkeypatch.setattr(_engine, "_START_SECONDS", 0.2)

    def sleep(_seconds: float) -> None:
        (pathlib.Path(scratch.path) / "error.log").write_text("x [Note] y\n2026 [ERROR] InnoDB: no space\n")

    monkeypatch.setattr(_engine.time, "sleep", sleep)
    with pytest.raises(BackupError, match=r"did not start: 2026 \[ERROR\] InnoDB: no space"):
        scratch.start()
    assert not os.path.exists(scratch.path)


@pytest.mark.parametrize(
    ("there", "says", "found"),
    [
        ("mariadbd", b"mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64", "mariadb"),
        ("mysqld", b"/usr/sbin/mysqld  Ver 9.7.4-1 for Linux on x86_64 ((Debian))", "mysql"),
        ("mysqld", b"mysqld  Ver 10.4.34-MariaDB for Linux", "mariadb"),
        ("mysqld", b"something else", None),
        ("", b"", None),
    ],
)
def test_the_program_that_is_installed_says_its_kind_and_version(
    monkeypatch: pytest.MonkeyPatch, there: str, says: bytes, found: str | None
) -> None:
    def find(program: str) -> str:
        if program != there:
            raise BackupError(f"no {program}")
        return f"/usr/sbin/{program}"

    monkeypatch.setattr(_command, "find", find)
    monkeypatch.setattr(_command, "run", lambda argv, **_: _command.Outcome(tuple(argv), 0, says, "", 0.1))
    installed = _engine.installed()
    assert (installed and installed[0]) == found
    assert installed is None or installed[1] in says.decode()
