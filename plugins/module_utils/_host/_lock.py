# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A lock that is held by the process that works, and by the program it runs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError


@contextlib.contextmanager
def hold(path: str, purpose: str) -> t.Iterator[int]:
    """Hold an exclusive lock on ``path``; yields its descriptor, to be passed on to the program that works.

    The kernel frees the lock when the last process that inherited the descriptor is gone, so a killed module
    leaves no stale lock, and a program that outlives its module still holds it.

    :param purpose: who holds it and why; the next one who fails to get it is told.
    :raises BackupError: when another process holds it.
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            holder = os.pread(descriptor, 4096, 0).decode("utf-8", "replace").strip() or "another process"
            raise BackupError(
                f"{path} is held by {holder}",
                untouched="Nothing was changed",
                remedy="Wait for it to end, then run again",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{purpose}, process {os.getpid()}\n".encode("utf-8", "surrogateescape"), 0)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def hold_all(paths: t.Iterable[str | None], purpose: str) -> t.Iterator[list[int]]:
    """Hold each of these locks, or none; None stands for no lock. Yields their descriptors.

    :raises BackupError: when another process holds one of them.
    """
    with contextlib.ExitStack() as held:
        yield [held.enter_context(hold(path, purpose)) for path in paths if path is not None]
