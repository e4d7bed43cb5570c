# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The fence of a database: nobody but root on this host and the restore can write, also after a restart."""

from __future__ import annotations

import os
import time
import typing as t
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _fence_record, _process
from ansible_collections.labops.backup.plugins.module_utils._model import _run
from ansible_collections.labops.backup.plugins.module_utils._tools import (
    _database,
    _database_fence,
    _systemd,
)

Name = _database_fence.Name
_ROOT = ("root", "localhost")
_FILE = "zz-labops-fence.cnf"
_FOLDERS = {
    "mariadbd": ("/etc/mysql/mariadb.conf.d", "/etc/my.cnf.d", "/etc/mysql/conf.d"),
    "mysqld": ("/etc/mysql/mysql.conf.d", "/etc/mysql/conf.d", "/etc/my.cnf.d"),
}
_HEAD = (
    "# Written by labops.backup: the database is fenced because of an incident. Nobody but root on this host and the",
    "# restore can write. Run restore.yml with the tag release when the restore is done; do not remove this file.",
    "[mysqld]",
    "read_only = 1",
    "event_scheduler = OFF",
)
_NO_NETWORK = "skip_networking = 1"
_OFF = ("OFF", "0")
# What the file is for, and the values with which the fence holds.
_HOLDS = {"read_only": ("1", "ON", "TRUE"), "event_scheduler": ("0", "OFF", "FALSE", "DISABLED")}
_DATA = "/var/lib/mysql"
_POLL_SECONDS = 0.2
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Request:
    """What :func:`fence` and :func:`release` are asked to do; see the options of the module ``db_fence``."""

    connection: _database.Connection
    record: str
    accounts: t.Sequence[str]
    keep_accounts: t.Sequence[str]
    drop_in: str
    unit: str | None
    wait_seconds: float


def request(options: t.Mapping[str, t.Any]) -> Request:
    """The request that a module's options make."""
    return Request(
        connection=_database.administrator(options["defaults_file"], options["socket"]),
        record=options["record"],
        accounts=[_account_text(text) for text in options["accounts"]],
        keep_accounts=[_account_text(text) for text in options["keep_accounts"]],
        drop_in=options["drop_in"] or _default_drop_in(),
        unit=_systemd.check_name(options["unit"]) if options["unit"] else None,
        wait_seconds=options["wait_seconds"],
    )


def _account_text(text: str) -> str:
    user, _at, host = text.rpartition("@")
    if not user or not host:
        raise BackupError(
            f"{text!r} is no account of the form user@host",
            untouched="Nothing was changed",
            remedy="Name accounts as SELECT User, Host FROM mysql.user shows them, with an @ between",
        )
    return text


def _default_drop_in() -> str:
    program = _database.server_program()
    for folder in _FOLDERS.get(program, ()):
        if os.path.isdir(folder):
            return os.path.join(folder, _FILE)
    raise BackupError(
        f"no database server with a folder for its configuration was found on {os.uname().nodename}",
        untouched="Nothing was changed",
        remedy="Name the file with drop_in; its folder has to be one that the server reads",
    )


@dataclass(frozen=True)
class _Target:
    """Which accounts the fence is about, on a server that answers."""

    wanted: list[Name]
    missing: list[str]
    kept: list[Name]
    sessions: list[_database_fence.Session]
    left: list[_database_fence.Session]


def _aim(request: Request, state: _database_fence.State) -> _Target:
    """Sort accounts and sessions. An account that gets around read_only is always meant."""
    kept = [one for one in state.accounts if one in (_ROOT, state.us) or _text(one) in request.keep_accounts]
    others = [one for one in state.accounts if one not in kept]
    if request.accounts:
        wanted = [one for one in others if _text(one) in request.accounts or one in state.bypassing]
    else:
        wanted = others
    missing = sorted(set(request.accounts) - {_text(one) for one in state.accounts})
    kept_users = {user for user, _host in kept}
    wanted_users = {user for user, _host in wanted}
    ended, left = [], []
    for session in state.sessions:
        if session.replicates or (session.user in kept_users and session.local):
            left.append(session)
        elif not request.accounts or session.user in wanted_users:
            ended.append(session)
    return _Target(wanted, missing, kept, ended, left)


def _text(account: Name) -> str:
    return f"{account[0]}@{account[1]}"


def fence(request: Request, *, dry_run: bool) -> dict[str, t.Any]:
    """Put the fence up, or see what that would change; returns the module's result."""
    record = _fence_record.read(request.record, _fence_record.DATABASE)
    if record is not None:
        request = replace(request, drop_in=record["drop_in"])
    if not _database.answers(request.connection):
        return _fence_dead(request, record, dry_run=dry_run)
    state = _database_fence.look(request.connection)
    target = _aim(request, state)
    unlocked = [one for one in target.wanted if not state.accounts[one]]
    no_network = bool(record and record["skip_networking"])
    changed = (
        record is None
        or bool(unlocked or target.sessions)
        or _is_open(state)
        or not _is_written(request.drop_in, no_network)
    )
    if dry_run:
        return _result(request, state, target, record, changed=changed, ended=0, problems=[])
    noted = _noted(request, record, state, target)
    if noted != record:
        _fence_record.write(request.record, _fence_record.DATABASE, noted)
    _write_drop_in(request.drop_in, no_network)
    if state.variables["event_scheduler"].upper() == "ON":
        _database_fence.set_variable(request.connection, "event_scheduler", "OFF")
    # First they are sent away, so that nobody's open transaction can keep read_only waiting; then once more, for who
    # came in between.
    ended: set[int] = set()
    for _round in ("before read_only", "after it"):
        _send_away(request, ended)
        _set_read_only(request.connection)
    state = _database_fence.look(request.connection)
    return _result(request, state, _aim(request, state), noted, changed=changed, ended=len(ended), problems=[])


def _send_away(request: Request, ended: set[int]) -> None:
    """Lock accounts and end sessions until none is left, or the patience is over; the result tells what is left."""
    until = time.monotonic() + request.wait_seconds
    while True:
        state = _database_fence.look(request.connection)
        target = _aim(request, state)
        unlocked = [one for one in target.wanted if not state.accounts[one]]
        if unlocked:
            _database_fence.lock(request.connection, unlocked, locked=True)
        if target.sessions:
            _database_fence.end(request.connection, target.sessions)
            ended |= {session.number for session in target.sessions}
        if not (unlocked or target.sessions) or time.monotonic() >= until:
            return
        time.sleep(_POLL_SECONDS)


def _is_open(state: _database_fence.State) -> bool:
    """Whether accounts without particular rights can write, or the database does so by itself."""
    return (
        state.variables["read_only"].upper() in _OFF
        or state.variables["event_scheduler"].upper() == "ON"
        or state.variables.get("super_read_only", "OFF").upper() == "ON"  # that keeps out the restore as well
    )


def _set_read_only(connection: _database.Connection) -> None:
    variables = _database_fence.look(connection).variables
    if variables["read_only"].upper() in _OFF:
        _database_fence.set_variable(connection, "read_only", "ON")
    if variables.get("super_read_only", "OFF").upper() == "ON":
        _database_fence.set_variable(connection, "super_read_only", "OFF")


def _noted(
    request: Request,
    record: dict[str, t.Any] | None,
    state: _database_fence.State,
    target: _Target,
) -> dict[str, t.Any]:
    """The record with what is not in it yet; what is in it stays, for it was seen before the fence."""
    record = record or {
        "since": _run.utc(datetime.now(UTC)),
        "drop_in": request.drop_in,
        "skip_networking": False,
        "accounts": [],
        "variables": None,
    }
    first = record["variables"] is None and not record["skip_networking"]
    known = {(one["user"], one["host"]) for one in record["accounts"]}
    # Who came locked while the fence was up has no former state that anybody knows.
    fresh = first or not record["accounts"]
    new = [
        {"user": user, "host": host, "locked": locked}
        for (user, host), locked in state.accounts.items()
        if (user, host) not in known and (fresh if locked else (user, host) in target.wanted)
    ]
    names = ("event_scheduler", "read_only", "super_read_only")
    variables = {name: state.variables[name] for name in names if name in state.variables}
    return {
        **record,
        "engine": state.engine,
        "version": record.get("version") or state.version,
        "accounts": record["accounts"] + new,
        "variables": variables if first else record["variables"],
    }


def _fence_dead(request: Request, record: dict[str, t.Any] | None, *, dry_run: bool) -> dict[str, t.Any]:
    """Nothing can be locked: the files make the fence, before the server is started for the first time."""
    alive = [process for process in _process.running() if process.name in _FOLDERS and _is_public(process)]
    if alive:
        raise BackupError(
            f"a database server runs (process {alive[0].pid}) but does not answer where it is asked",
            untouched="The database was not fenced",
            remedy="Wait if it is starting; otherwise name its socket, or stop it and run again",
        )
    fresh = record is None
    noted = record or {
        "since": _run.utc(datetime.now(UTC)),
        "drop_in": request.drop_in,
        "engine": None,
        "version": None,
        "accounts": [],
        "variables": None,
    }
    # It keeps the network out until somebody asked that the running server be fenced, and then until the release.
    noted = {**noted, "skip_networking": True}
    changed = fresh or noted != record or not _is_written(request.drop_in, True)
    if changed and not dry_run:
        _fence_record.write(request.record, _fence_record.DATABASE, noted)
        _write_drop_in(request.drop_in, True)
    written = _is_written(request.drop_in, True)
    problems = _reopening(request, written, "")
    return {
        "changed": changed,
        "holds": written and not problems and not (fresh and dry_run),
        "server": "down",
        "engine": noted["engine"],
        "since": noted["since"],
        "drop_in": request.drop_in,
        "locked": [],
        "kept": [],
        "killed": 0,
        "bypassing": [],
        "sessions": [],
        "problems": problems,
    }


def _is_public(process: _process.Process) -> bool:
    return not any(word.replace("_", "-").startswith("--skip-networking") for word in process.arguments)


def _drop_in_text(no_network: bool) -> bytes:
    return ("\n".join((*_HEAD, *([_NO_NETWORK] if no_network else []))) + "\n").encode()


def _is_written(path: str, no_network: bool) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read() == _drop_in_text(no_network)
    except FileNotFoundError:
        return False


def _write_drop_in(path: str, no_network: bool) -> None:
    if not _is_written(path, no_network):
        _fence_record.put(path, _drop_in_text(no_network), mode=0o644)


def _reopening(request: Request, written: bool, data_directory: str) -> list[str]:
    """Why the server would be open after its next start although the file is there.

    :param data_directory: of the server that runs; empty when it does not answer.
    """
    if not written:
        return []
    options = _database_fence.configured()
    problems = []
    wrong: list[str] = []
    if options is not None:
        wrong += [f"with {text}" for text in _opens(options)]
        wrong += [f"without {name}" for name in _HOLDS if name not in options]
    if wrong:
        problems.append(
            f"a restart would open it: the server's files end {' and '.join(wrong)}, whatever {request.drop_in} says. "
            "Take out what comes after it (grep -rn 'read.only\\|event.scheduler' /etc/mysql /etc/my.cnf*), or name a "
            "file that is read last with drop_in"
        )
    folder = os.path.normpath(data_directory or (options or {}).get("datadir", _DATA))
    try:
        kept = _database_fence.persisted(folder)
    except BackupError as error:
        return [*problems, f"nobody can tell whether a restart would open it: {error.what}"]
    if opening := _opens(kept):
        problems.append(
            f"a restart would open it: {folder}/mysqld-auto.cnf (SET PERSIST) has {' and '.join(opening)}, which comes "
            "after all other files. Take it out with RESET PERSIST, or out of that file while the server is down"
        )
    return problems


def _opens(options: t.Mapping[str, str]) -> list[str]:
    """Those of the options with which the fence does not hold."""
    return [
        f"{name}={options[name]}"
        for name, holds in _HOLDS.items()
        if name in options and options[name].upper() not in holds
    ]


def _result(
    request: Request,
    state: _database_fence.State,
    target: _Target,
    record: dict[str, t.Any] | None,
    *,
    changed: bool,
    ended: int,
    problems: list[str],
) -> dict[str, t.Any]:
    problems = list(problems)
    unlocked = [one for one in target.wanted if not state.accounts[one]]
    written = record is not None and _is_written(request.drop_in, record["skip_networking"])
    if record is not None:
        problems += [f"the account {_text(one)} is not locked" for one in unlocked]
        problems += [f"{session.user}@{session.host} is still connected" for session in target.sessions]
        problems += ["the server takes writes or runs events"] if _is_open(state) else []
        problems += [] if written else [f"{request.drop_in} is not there"]
        problems += _reopening(request, written, state.variables.get("datadir", ""))
        problems += [
            "another server's changes are applied here, which no fence stops: stop the replication"
            for _one in [session for session in target.left if session.replicates][:1]
        ]
    return {
        "changed": changed,
        "holds": record is not None and not problems,
        "server": "up",
        "engine": state.engine,
        "since": record["since"] if record else None,
        "drop_in": request.drop_in,
        "locked": [_text(one) for one in target.wanted],
        "kept": [_text(one) for one in target.kept],
        "killed": ended,
        "bypassing": [_database_fence.shown(one) for one in state.bypassing],
        "sessions": sorted({f"{session.user}@{session.host}" for session in target.left}),
        "problems": problems,
        "warnings": [f"the account {name} does not exist" for name in target.missing],
    }


def release(request: Request, *, dry_run: bool) -> dict[str, t.Any]:
    """Take the fence down: every lock and variable as it was before; returns the module's result."""
    record = _fence_record.read(request.record, _fence_record.DATABASE)
    if record is not None:
        request = replace(request, drop_in=record["drop_in"])
    drop_in = request.drop_in
    if record is None:
        if os.path.exists(drop_in):
            raise BackupError(
                f"{drop_in} is there, but {request.record} is not, so nobody knows how it was before",
                untouched="Nothing was changed",
                remedy="Bring the record back from a backup; or remove that file, unlock accounts and restart by hand",
            )
        return _released(request, "unknown", [], [], [], changed=False, restarted=False)
    up = _database.answers(request.connection)
    if not up and (record["accounts"] or record["variables"]):
        raise BackupError(
            "the database server does not answer, so its accounts cannot be unlocked",
            untouched="The fence is as it was",
            remedy="Start the database server and release again",
        )
    unlock = [(one["user"], one["host"]) for one in record["accounts"] if not one["locked"]]
    if dry_run:
        return _released(request, "up" if up else "down", unlock, [], [], changed=True, restarted=False)
    restarted = False
    unlocked: list[Name] = []
    gone: list[Name] = []
    left: list[str] = []
    if up:
        restarted = _network_back(request, record, drop_in)
        unlocked, gone, left = _open(request.connection, record, unlock)
    _fence_record.take_away(drop_in)
    _fence_record.take_away(request.record)
    result = _released(request, "up" if up else "down", unlocked, gone, left, changed=True, restarted=restarted)
    if left:
        result["warnings"] = [f"left locked, for nobody knows how they were before: {', '.join(left)}"]
    return result


def _network_back(request: Request, record: t.Mapping[str, t.Any], drop_in: str) -> bool:
    """A server that was started without network needs a new start, while its accounts are locked still."""
    if not record["skip_networking"]:
        return False
    _fence_record.take_away(drop_in)
    state = _database_fence.look(request.connection)
    if state.variables["skip_networking"].upper() not in ("ON", "1") and record["variables"] is not None:
        return False
    unit = request.unit or next((name for name in _database.UNITS if _systemd.look(name).active == "active"), None)
    if unit is None:
        raise BackupError(
            "the database server was started without network, and no systemd unit of it runs",
            untouched="The accounts are locked still",
            remedy="Restart the database server and release again, or name its unit",
        )
    _systemd.restart(unit)
    if not _database.answers_soon(request.connection, seconds=_START_SECONDS):
        raise BackupError(
            f"{unit} was restarted and the server does not answer after {_START_SECONDS:.0f} s",
            untouched="The accounts are locked still",
            remedy=f"Look at: journalctl -u {unit}; then release again",
        )
    return True


def _open(
    connection: _database.Connection, record: t.Mapping[str, t.Any], unlock: list[Name]
) -> tuple[list[Name], list[Name], list[str]]:
    """Variables, accounts, then the events; who was unlocked, who is gone, who stays locked without a reason."""
    former = record["variables"] or {}
    for name in ("read_only", "super_read_only"):
        if name in former:
            _database_fence.set_variable(connection, name, former[name])
    before = _database_fence.look(connection)
    there = [one for one in unlock if one in before.accounts]
    closed = [one for one in there if before.accounts[one]]
    if closed:
        _database_fence.lock(connection, closed, locked=False)
    after = _database_fence.look(connection)
    still = [_text(one) for one in closed if after.accounts.get(one)]
    if still:
        raise BackupError(
            f"accounts could not be unlocked: {', '.join(still)}",
            untouched="The record of the fence is kept",
            remedy="Look at the database server's log, mend the cause and release again",
        )
    if former.get("event_scheduler", "").upper() == "ON":
        _database_fence.set_variable(connection, "event_scheduler", "ON")
    known = {(one["user"], one["host"]) for one in record["accounts"]}
    left = [_text(one) for one, locked in after.accounts.items() if locked and one not in known]
    return closed, [one for one in unlock if one not in there], left


def _released(
    request: Request,
    server: str,
    unlocked: list[Name],
    gone: list[Name],
    left: list[str],
    *,
    changed: bool,
    restarted: bool,
) -> dict[str, t.Any]:
    return {
        "changed": changed,
        "holds": False,
        "server": server,
        "drop_in": request.drop_in,
        "unlocked": [_text(one) for one in unlocked],
        "gone": [_text(one) for one in gone],
        "left_locked": left,
        "restarted": restarted,
    }
