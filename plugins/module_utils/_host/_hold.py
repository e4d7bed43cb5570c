# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The hold: one document a source on a host, as long as an incident lasts; no backup job works beside it.

Who works on a source keeps a shared lock beside the document, who puts up a hold waits for an exclusive one: whoever
looked before the hold was there has ended by then, whoever looks later is refused.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _form, _text

_POLL_SECONDS = 0.2
_UNTOUCHED = "Nothing was changed"
# A hold holds whatever is in it; the hold on the other host and the journals say whose it was.
_REMEDY = (
    "Find out whether an incident is under way, by the hold on the other host and the journals on the server, and move "
    "that document away; if one is, run restore.yml with the tag fence and its restore_incident at once, which puts "
    "the hold up again"
)


class Options(t.Protocol):
    """A module, as far as it matters here."""

    params: dict[str, t.Any]
    check_mode: bool


Module = t.TypeVar("Module", bound=Options)


def read(path: str) -> dict[str, t.Any] | None:
    """The hold, or None.

    :raises BackupError: when the document cannot be understood; nobody may go on past it.
    """
    try:
        hold = _document.read(path, untouched=_UNTOUCHED, remedy=_REMEDY)
    except FileNotFoundError:
        return None
    wrong = _form.wrong(hold, {"source": str, "incident": str, "since": _form.UTC_TIME, "reason?": (str, None)})
    if wrong:
        raise BackupError(
            f"{path} is no document of a hold: {wrong}",
            untouched=_UNTOUCHED,
            remedy=_REMEDY,
        )
    return hold


def text(hold: t.Mapping[str, t.Any]) -> str:
    """The hold as people are told it."""
    reason = f" ({_text.plain(hold['reason'])})" if hold.get("reason") else ""
    source, incident = _text.plain(hold["source"]), _text.plain(hold["incident"])
    return f"{source} is held by incident {incident} since {hold['since']}{reason}"


def refuse(path: str) -> None:
    """Stop here when there is a hold.

    :raises BackupError: that names the incident.
    """
    hold = read(path)
    if hold is not None:
        raise BackupError(
            text(hold),
            untouched="Nothing was changed",
            remedy="Backups go on by themselves after restore.yml was run with the tag release",
            incident=hold["incident"],
            held_since=hold["since"],
        )


def respecting(work: t.Callable[[Module], dict[str, t.Any]]) -> t.Callable[[Module], dict[str, t.Any]]:
    """The work of a module with the option ``hold``, refused while that document exists."""

    def held_off(module: Module) -> dict[str, t.Any]:
        path = module.params["hold"]
        if path is None:
            return work(module)
        if module.check_mode:
            refuse(path)
            return work(module)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with _locked(path, fcntl.LOCK_SH):
            refuse(path)
            return work(module)

    return held_off


def wait_for_workers(path: str, seconds: float) -> None:
    """Wait until nobody works any more who had looked before the hold was there.

    :raises BackupError: when they take longer.
    """
    wait(lambda: _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB), "a backup module", seconds)


def wait(attempt: t.Callable[[], t.ContextManager[t.Any]], who: str, seconds: float) -> None:
    """Try to get a lock, and free it, again and again.

    :param who: who has it, for the message.
    :raises BackupError: when it is not free in time.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            with attempt():
                return
        except BlockingIOError:
            reason = who
        except BackupError as error:
            reason = error.what
        if time.monotonic() >= until:
            raise BackupError(
                f"a job is still at work after {seconds:g} s: {reason}",
                untouched="The hold is in place, so no further step of any job begins",
                remedy="Wait for it, or stop it, and run again",
            )
        time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _locked(path: str, how: int) -> t.Iterator[None]:
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, how)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise BlockingIOError(error.errno, "in use") from error
            raise
        yield
    finally:
        os.close(descriptor)
