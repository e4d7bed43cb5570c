# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Long work that outlives the line to the one who asked for it: begun once, followed by as many calls as it takes."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import time
import traceback
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document

PROGRESS = ".progress"
_LOCK = ".lock"
_WAITS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
# Hours of work are not given up because the folder takes no answer at this moment.
_ANSWER_SECONDS = 600.0
_ANSWER_PAUSE_SECONDS = 5.0

Answer = dict[str, t.Any]


def attend(
    path: str,
    identity: str,
    work: t.Callable[[], Answer],
    *,
    begin: bool,
    wait: float,
    locks: t.Sequence[str] = (),
    reuse: bool = True,
) -> Answer:
    """Begin ``work`` in a process of its own unless it runs or is done already, and wait a while for its answer.

    The document ``path`` holds the answer, its lock is held by the process that works.

    :param identity: tells this work from another one that has, or had, the same document.
    :param work: gives C(result) or C(failure).
    :param begin: False for the later calls of the one who began it; work that has vanished is then a failure.
    :param reuse: take the good answer that is there from an earlier beginner; otherwise begin anew.
    :param locks: files that somebody may still hold who was left behind by a killed process; they are waited for.
    :returns: the answer of ``work``; or C(unfinished), with C(begun) and C(progress).
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    end = time.monotonic() + wait
    begun = not begin
    for pause in _pauses():
        with _unless_held(path + _LOCK) as descriptor:
            if descriptor is not None:
                answer = _answered(path, identity) if begun or reuse else None
                if answer is not None and "failure" in answer and not begun:
                    answer = None
                if answer is not None:
                    return answer
                if begun:
                    return {"failure": {"msg": _gone(path)}}
                if not any(map(_is_held, locks)):
                    _start(path, identity, work)
                    begun = True
            elif not begun:
                begun = _read(path).get("identity") == identity
        if time.monotonic() >= end:
            return {"unfinished": True, "begun": begun, "progress": _read(path + PROGRESS)}
        time.sleep(pause)
    raise AssertionError("the pauses never end")


def _gone(path: str) -> str:
    return (
        f"The process that worked was ended before it was done, or could not leave its answer in {path}. See that "
        "there is room, and run again."
    )


def outlast(prefix: str, locks: t.Sequence[str], *, wait: float) -> Answer:
    """Wait a while until none of these operations runs and nobody holds these locks.

    :param prefix: what the documents' paths begin with.
    :returns: C(waited_for), and C(unfinished) with C(progress) when some are left.
    """
    end = time.monotonic() + wait
    first: list[str] | None = None
    for pause in _pauses():
        names = [path.removesuffix(_LOCK) for path in sorted(glob.glob(f"{glob.escape(prefix)}*{_LOCK}"))]
        running = [path for path in names if _is_held(path + _LOCK)] + [path for path in locks if _is_held(path)]
        first = running if first is None else first
        if not running:
            return {"waited_for": first}
        if time.monotonic() >= end:
            progress = {"what": os.path.basename(running[0]), **_read(running[0] + PROGRESS)}
            return {"unfinished": True, "begun": True, "waited_for": first, "progress": progress}
        time.sleep(pause)
    raise AssertionError("the pauses never end")


def _pauses() -> t.Iterator[float]:
    yield from _WAITS_SECONDS
    while True:
        yield _WAITS_SECONDS[-1]


@contextlib.contextmanager
def _unless_held(path: str) -> t.Iterator[int | None]:
    """The descriptor of the lock, or None when another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def _is_held(path: str) -> bool:
    if not os.path.exists(path):
        return False
    with _unless_held(path) as descriptor:
        return descriptor is None


def _answered(path: str, identity: str) -> Answer | None:
    """What the work with this identity has answered; a failure is told once."""
    document = _read(path)
    answer = document.get("answer")
    if document.get("identity") != identity or not isinstance(answer, dict):
        return None
    if "failure" in answer:
        os.unlink(path)
    return answer


def _read(path: str) -> dict[str, t.Any]:
    try:
        return _document.read(path)
    except (OSError, BackupError):
        return {}


def _start(path: str, identity: str, work: t.Callable[[], Answer]) -> None:
    """Let a child do it that has no terminal and no line to lose; it holds the lock as long as it lives."""
    _document.write(path, {"identity": identity})
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + PROGRESS)
    if os.fork():
        return
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        try:
            answer = work()
        except Exception as error:  # a bug; whoever asks for the answer shows it
            answer = {"failure": {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}}
        _leave(path, {"identity": identity, "answer": answer})
    finally:
        # Nothing of the parent's is to be cleaned up here.
        os._exit(0)


def _leave(path: str, document: dict[str, t.Any]) -> None:
    """Write the answer as soon as the system takes it; until then the work counts as going on."""
    end = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            _document.write(path, document)
        except OSError:
            if time.monotonic() >= end:
                raise
            time.sleep(_ANSWER_PAUSE_SECONDS)
        else:
            return
