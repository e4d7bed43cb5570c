# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The database server itself: an empty data directory for the host's own, and a private instance that is thrown away.

The private instance has its own folder, which root alone may enter, and is reached through a socket there; it has no
network, no binary log and no event scheduler, and reads no options file. What it holds does not survive a crash of the
host. The host's own server is started by its unit.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import tempfile
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _database

DEFAULT_MEMORY = 128 << 20
_MARK = ".labops-scratch"
_LONGEST_SOCKET = 107  # unix(7): sun_path holds 108 bytes with its end
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_WAIT = 0.1
_ROOT_BY_SOCKET = """INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';
ALTER USER 'root'@'localhost' IDENTIFIED WITH auth_socket;
"""
# The folder for exports is in no package of the programs alone, and without it the server does not start (9.7.4).
_ONLY_MYSQL = ("--mysqlx=OFF", "--secure-file-priv=NULL")
_CHARACTERS = ("character_set", "collation", "default_character_set", "default_collation", "init_connect")
_VERSION = re.compile(r"Ver (\d+\.\d+\.\d+\S*)")


def installed() -> tuple[str, str] | None:
    """Kind and version of the database server whose program lies on this host; None when there is none."""
    program = _database.server_program()
    if not program:
        return None
    outcome = _command.run([_command.find(program), "--no-defaults", "--version"], env=_command.environment())
    match = _VERSION.search(outcome.stdout.decode("utf-8", "replace"))
    if outcome.rc != 0 or match is None:
        return None
    return ("mariadb" if "mariadb" in match[1].lower() else "mysql"), match[1]


def initialise(folder: str, user: str, settings: t.Mapping[str, str]) -> None:
    """Make the empty system tables of a server in ``folder``, with the options of the host's own one.

    root logs in over the socket as the system user of that name, and nobody else at all. Of MariaDB, character set and
    collation are left out: the views among the system tables keep those of their making, and with another one than the
    client's own mariadb-dump --system=users stops (error 1267, seen with 10.11).

    :param user: the system user that the server runs as.
    :param settings: the options that the server reads from its files.
    """
    program = _database.server_program()
    if program == "mariadbd":
        settings = {name: value for name, value in settings.items() if not name.startswith(_CHARACTERS)}
    lines = "\n".join(["[mysqld]", *(f"{name}={value}" for name, value in settings.items()), ""])
    with _file(lines, ".cnf") as options:
        outcome = _make(program, f"--defaults-file={options}", folder, user)
    if outcome.rc != 0:
        raise outcome.error(
            f"the data directory {folder} of the database server could not be made: {outcome.program} failed",
            untouched="No server was started",
            remedy=f"Mend the cause, empty {folder} and run again",
        )


def _make(program: str, defaults: str, folder: str, user: str) -> _command.Outcome:
    """Run what makes the system tables of this server."""
    common = [f"--datadir={folder}", f"--user={user}"]
    if program != "mysqld":
        words = ["mariadb-install-db", defaults, *common, "--auth-root-authentication-method=socket", "--skip-test-db"]
        return _command.run([_command.find(words[0]), *words[1:]], env=_command.environment())
    # Without these statements root would have no password until somebody gives it one (seen with 9.7.4).
    with _file(_ROOT_BY_SOCKET, ".sql") as statements:
        os.chmod(statements, 0o644)  # read as the server's user
        words = [_command.find(program), defaults, "--initialize-insecure", *common, f"--init-file={statements}"]
        return _command.run(words, env=_command.environment())


@contextlib.contextmanager
def _file(text: str, suffix: str) -> t.Iterator[str]:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="labops-backup-", suffix=suffix) as file:
        file.write(text)
        file.flush()
        yield file.name


@dataclass(frozen=True)
class Scratch:
    """A private instance of the server whose programs lie on this host, in the folder ``path``."""

    path: str

    @property
    def socket(self) -> str:
        """Where it is reached."""
        return os.path.join(self.path, "s")

    @property
    def _data(self) -> str:
        return os.path.join(self.path, "data")

    @property
    def _log(self) -> str:
        return os.path.join(self.path, "error.log")

    @property
    def _pid_file(self) -> str:
        return os.path.join(self.path, "pid")

    def process(self) -> int | None:
        """Its process, None when it does not run. Another process that got the number meanwhile is not it."""
        try:
            with open(self._pid_file, encoding="ascii") as stream:
                number = int(stream.read())
            with open(f"/proc/{number}/cmdline", "rb") as stream:
                words = stream.read().split(b"\0")
        except (OSError, ValueError):
            return None
        return number if os.fsencode(f"--datadir={self._data}") in words else None

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5.0)
                connection.connect(self.socket)
                return bool(connection.recv(1))
        except OSError:
            return False

    def check(self) -> None:
        """Refuse a place that is not ours to fill and to empty.

        :raises BackupError: when it is none.
        """
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET:
            raise BackupError(
                f"{self.path} is too long for a socket in it",
                untouched="Nothing was changed",
                remedy="Choose a shorter path",
            )
        mark = os.path.join(self.path, _MARK)
        if os.path.lexists(self.path) and not os.path.isfile(mark) and not _is_empty_folder(self.path):
            raise BackupError(
                f"{self.path} is there and is no scratch instance",
                untouched="Nothing was changed",
                remedy="Choose a path that does not exist yet",
            )

    def keep(self, *, present: bool, memory: int, apply: bool) -> bool:
        """Bring it into the wanted state, or only predict; returns whether that is a change."""
        self.check()
        there = os.path.lexists(self.path)
        changed = not (there and self.process() and self.answers()) if present else there
        if changed and apply:
            if present:
                self.start(memory)
            else:
                self.stop()
        return changed

    def start(self, memory: int = DEFAULT_MEMORY) -> None:
        """Make an empty instance and start it; what an earlier one left is removed.

        :param memory: bytes for the pages of tables.
        """
        self.stop()
        program = os.path.basename(_command.find(_database.server_program() or "mariadbd"))
        os.mkdir(self.path, 0o700)
        with open(os.path.join(self.path, _MARK), "xb"):
            pass
        self._expect(_make(program, "--no-defaults", self._data, "root"))
        server = [
            _command.find("setsid"),
            "--fork",
            _command.find(program),
            "--no-defaults",
            f"--datadir={self._data}",
            f"--socket={self.socket}",
            f"--pid-file={self._pid_file}",
            f"--log-error={self._log}",
            "--user=root",
            "--skip-networking",
            "--skip-log-bin",
            "--event-scheduler=OFF",
            "--performance-schema=OFF",
            "--max-allowed-packet=1G",
            f"--innodb-buffer-pool-size={memory}",
            "--innodb-flush-log-at-trx-commit=0",
            "--skip-innodb-doublewrite",
            *(_ONLY_MYSQL if program == "mysqld" else ()),
        ]
        self._expect(_command.run(server, env=_command.environment()))
        deadline = time.monotonic() + _START_SECONDS
        while not (self.process() and self.answers()):
            if time.monotonic() > deadline:
                reason = self._last_words()
                self.stop()
                raise BackupError(
                    f"the scratch instance in {self.path} did not start: {reason}",
                    untouched="The server of this host was not touched",
                    remedy="Mend the cause and run again. Where AppArmor confines the server (aa-status), let it use"
                    f" {self.path}",
                )
            time.sleep(_WAIT)

    def stop(self) -> bool:
        """End it and remove its folder; whether there was anything."""
        self.check()
        number = self.process()
        if number is not None:
            os.kill(number, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            while self.process() is not None:
                if time.monotonic() > deadline:
                    os.kill(number, signal.SIGKILL)
                    deadline += _STOP_SECONDS
                time.sleep(_WAIT)
        if not os.path.lexists(self.path):
            return False
        shutil.rmtree(self.path)
        return True

    def _expect(self, outcome: _command.Outcome) -> None:
        if outcome.rc != 0:
            shutil.rmtree(self.path, ignore_errors=True)
            raise outcome.error(
                f"the scratch instance in {self.path} could not be made: {outcome.program} failed",
                untouched="The server of this host was not touched",
                remedy="Mend the cause and run again",
            )

    def _last_words(self) -> str:
        try:
            with open(self._log, encoding="utf-8", errors="replace") as stream:
                errors = [line for line in stream.read().splitlines() if "[ERROR]" in line]
        except OSError:
            errors = []
        return " / ".join(errors[-3:])[:1000] or f"its log {self._log} names no error"


def _is_empty_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path) and not os.listdir(path)
