# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Start a database server that is down, behind its fence; one whose data directory is gone begins with an empty one."""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _fence_record
from ansible_collections.labops.backup.plugins.module_utils._tools import (
    _database,
    _database_fence,
    _engine,
    _systemd,
)

# What both servers take when nothing else is said (their manuals, "datadir" and "user").
_FOLDER = "/var/lib/mysql"
_USER = "mysql"
# What a file system has at its root is no database.
_NO_DATA = frozenset({"lost+found"})
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Request:
    """What :func:`revive` is asked to do; see the options of the module ``db_server``."""

    connection: _database.Connection
    record: str
    unit: str | None


def request(options: t.Mapping[str, t.Any]) -> Request:
    """The request that a module's options make."""
    return Request(
        connection=_database.administrator(options["defaults_file"], options["socket"]),
        record=options["record"],
        unit=_systemd.check_name(options["unit"]) if options["unit"] else None,
    )


def revive(request: Request, *, dry_run: bool) -> dict[str, t.Any]:
    """Start the server if it does not answer, or say whether that would be done; returns the module's result."""
    settings = _database_fence.configured() or {}
    folder = os.path.normpath(settings.get("datadir", _FOLDER))
    if _database.answers(request.connection):
        return {"changed": False, "initialised": False, "data_directory": folder, "unit": request.unit or ""}
    if _fence_record.read(request.record, _fence_record.DATABASE) is None:
        raise BackupError(
            "the database server is down and not fenced, so everybody could write as soon as it is started",
            untouched="It was not started",
            remedy="Put up the fence first, with labops.backup.db_fence",
        )
    unit = request.unit or next((name for name in _database.UNITS if _systemd.look(name).found), None)
    if unit is None:
        raise BackupError(
            f"the database server is down, and systemd has none of {', '.join(_database.UNITS)}",
            untouched="Nothing was changed",
            remedy="Install the database server, or name its unit",
        )
    anew = _is_empty(folder)
    if anew:
        _check_that_it_can_be_made()
    if not dry_run:
        if anew:
            _make(folder, settings)
            # It knows nobody yet whom an options file could name.
            request = replace(request, connection=_database.Connection(None, request.connection.socket))
        _start(request, unit, folder)
    return {"changed": True, "initialised": anew, "data_directory": folder, "unit": unit}


def _is_empty(folder: str) -> bool:
    try:
        return set(os.listdir(folder)) <= _NO_DATA
    except FileNotFoundError:
        return True


def _check_that_it_can_be_made() -> None:
    if not _database.server_program():
        raise BackupError(
            "the data directory of the database server is gone, and so is the server's program",
            untouched="Nothing was changed",
            remedy="Install the database server of the dump's engine and version, and run again",
        )


def _make(folder: str, settings: t.Mapping[str, str]) -> None:
    """Make the data directory; one that exists keeps its owner and mode, for somebody chose them."""
    if not os.path.isdir(folder):
        os.makedirs(os.path.dirname(folder), mode=0o755, exist_ok=True)
        os.mkdir(folder, stat.S_IRWXU)
    _engine.initialise(folder, settings.get("user", _USER), settings)


def _start(request: Request, unit: str, folder: str) -> None:
    _systemd.forgive(unit)
    outcome = _systemd.start(unit)
    if outcome.rc != 0 or not _database.answers_soon(request.connection, seconds=_START_SECONDS):
        raise BackupError(
            f"{unit} was started and the database server does not answer",
            untouched="The fence is as it was, and nothing was loaded",
            remedy=f"Look at: journalctl -u {unit}. If what is left in {folder} cannot be used, move it away, and the"
            " next try begins with an empty one",
        )
