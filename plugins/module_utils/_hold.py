# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Putting up a hold: the document first, then the jobs that run, then their locks."""

from __future__ import annotations

import functools
import os
import typing as t
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _hold, _lock
from ansible_collections.labops.backup.plugins.module_utils._model import _run
from ansible_collections.labops.backup.plugins.module_utils._tools import _systemd


def put_up(options: t.Mapping[str, t.Any], *, dry_run: bool) -> dict[str, t.Any]:
    """Put up a hold and wait for silence; returns the result of the module ``backup_hold``."""
    path = options["path"]
    units = [name for pattern in options["stop_units"] for name in _systemd.matching(pattern)]
    missing = [name for name in ("source", "incident") if not options[name]]
    if missing:
        raise BackupError(f"a hold needs {' and '.join(missing)}", untouched="Nothing was changed")
    before = _hold.read(path)
    _check_ours(before, options["incident"])
    running = [name for name in units if _systemd.look(name).running]
    hold = before or {
        "source": options["source"],
        "incident": options["incident"],
        "since": _run.utc(datetime.now(UTC)),
        "reason": options["reason"],
    }
    stopped: list[str] = []
    if not dry_run:
        if before is None:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _document.sync_folder(os.path.dirname(os.path.dirname(path)))
            _document.write(path, hold)
        left = _systemd.stop(running, patience=options["wait_seconds"], kill=False)
        if left:
            raise BackupError(
                f"{', '.join(left)} was told to stop and still runs after {options['wait_seconds']:g} s",
                untouched="The hold is in place, so no further step of any job begins",
                remedy="Wait for it, and run again",
            )
        stopped = running
        _hold.wait_for_workers(path, options["wait_seconds"])
        for lock in options["locks"]:
            attempt = functools.partial(_lock.hold, lock, "a look whether it is free")
            _hold.wait(attempt, lock, options["wait_seconds"])
    return {
        "changed": before is None or bool(running),
        "source": hold["source"],
        "incident": hold["incident"],
        "since": hold["since"],
        "stopped": running if dry_run else stopped,
        "diff": {"before": before or {}, "after": hold},
    }


def lift(options: t.Mapping[str, t.Any], *, dry_run: bool) -> dict[str, t.Any]:
    """Lift a hold; returns the result of the module ``backup_hold``."""
    before = _hold.read(options["path"])
    if before is not None:
        if not options["incident"]:
            raise BackupError("lifting a hold needs incident", untouched="Nothing was changed")
        _check_ours(before, options["incident"])
        if not dry_run:
            os.unlink(options["path"])
            _document.sync_folder(os.path.dirname(options["path"]))
    facts = {name: (before or {}).get(name) for name in ("source", "incident", "since")}
    return {"changed": before is not None, **facts, "stopped": [], "diff": {"before": before or {}, "after": {}}}


def _check_ours(hold: t.Mapping[str, t.Any] | None, incident: str) -> None:
    if hold is not None and hold["incident"] != incident:
        raise BackupError(
            f"{_hold.text(hold)}, not by {incident}",
            untouched="Nothing was changed",
            remedy=f"Go on with that incident (restore_incident={hold['incident']}), or release it first",
            incident=hold["incident"],
        )


def look(paths: t.Sequence[str]) -> dict[str, t.Any]:
    """The holds there are; returns the result of the module ``backup_hold_info``."""
    found = [hold for hold in map(_hold.read, paths) if hold is not None]
    return {"holds": [{name: hold[name] for name in ("source", "incident", "since", "reason")} for hold in found]}
