# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A lock that is held by the process that works, and by the program it runs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

BUSY = "busy"

_KEPT = re.compile(r"kept for run (\S+) until second (\d+) of this boot")


@contextlib.contextmanager
def hold(path: str, purpose: str, *, run_id: str | None = None, keep: int = 0) -> t.Iterator[int]:
    """Hold an exclusive lock on ``path``; yields its descriptor, to be passed on to the program that works.

    The kernel frees the lock when the last process that inherited the descriptor is gone, so a killed module
    leaves no stale lock, and a program that outlives its module still holds it.

    :param purpose: who holds it and why; the next one who fails to get it is told.
    :param run_id: the run that this belongs to.
    :param keep: after a good end, refuse every other run for so many seconds, so that nobody comes between two steps
        of this one. A run that dies in between needs no cleaning up.
    :raises BackupError: when another process holds it, or it is kept for another run; its ``kind`` is then ``busy``.
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            holder = _text(descriptor).strip() or "another process"
            raise BackupError(
                f"{path} is held by {holder}",
                untouched="Nothing was changed",
                remedy="Wait for it to end, then run again",
                kind=BUSY,
            ) from error
        _refuse_while_kept(path, descriptor, run_id)
        _write(descriptor, f"{purpose}, process {os.getpid()}")
        yield descriptor
        if run_id and keep:
            _write(descriptor, f"kept for run {run_id} until second {_now() + keep} of this boot")
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def hold_all(paths: t.Iterable[str | None], purpose: str) -> t.Iterator[list[int]]:
    """Hold each of these locks, or none; None stands for no lock. Yields their descriptors.

    :raises BackupError: when another process holds one of them.
    """
    with contextlib.ExitStack() as held:
        yield [held.enter_context(hold(path, purpose)) for path in paths if path is not None]


def release(path: str, run_id: str, *, dry_run: bool = False) -> bool:
    """Give up what is kept for this run, whose next step will not come; whether something was.

    What another process holds, or is kept for another run, stays as it is.
    """
    with contextlib.ExitStack() as open_file:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        open_file.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        kept = _KEPT.match(_text(descriptor))
        if kept is None or kept[1] != run_id:
            return False
        if not dry_run:
            _write(descriptor, f"given up by run {run_id}")
        return True


def _refuse_while_kept(path: str, descriptor: int, run_id: str | None) -> None:
    kept = _KEPT.match(_text(descriptor))
    if kept is None or kept[1] == run_id:
        return
    left = int(kept[2]) - _now()
    if left > 0:
        raise BackupError(
            f"{path} is kept for run {kept[1]}, which is between two of its steps",
            untouched="Nothing was changed",
            remedy=f"Wait for that run to end, then run again; if it has died, that is {left} s",
            kind=BUSY,
        )


def _text(descriptor: int) -> str:
    return os.pread(descriptor, 4096, 0).decode("utf-8", "replace")


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{text}\n".encode("utf-8", "surrogateescape"), 0)


def _now() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))
