# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""systemctl: what a unit is, stop it, start it, and see that it cannot be started."""

from __future__ import annotations

import re
import shlex
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command

_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(?:service|timer|socket|path|target|mount|automount|scope|slice)\Z")
_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "Type", "DropInPaths")
_RUNNING = frozenset({"active", "activating", "reloading", "deactivating", "refreshing"})
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Unit:
    """A unit as systemd has it.

    :param found: systemd knows it; one that nobody installed is not found.
    :param running: it runs, begins or ends.
    :param loaded: systemd has read its files; one that is masked, or not found, has none that count.
    :param drop_ins: the files that systemd read beside the unit's own.
    :param once: it does a piece of work and ends by itself; then C(activating) means that it is at it.
    """

    name: str
    found: bool
    loaded: bool
    drop_ins: tuple[str, ...]
    active: str
    enabled: str
    running: bool
    once: bool


def check_name(name: str) -> str:
    """The name, when it can be one of a unit with its kind.

    :raises BackupError: otherwise.
    """
    if not _NAME.match(name):
        raise BackupError(
            f"{name!r} is no name of a systemd unit with its kind, such as datajoint-worker.service",
            untouched="Nothing was changed",
            remedy="Correct the name",
        )
    return name


def matching(pattern: str) -> list[str]:
    """The units of this name, and with a C(*) in it those that are loaded and match."""
    check_name(pattern.replace("*", "x"))
    if "*" not in pattern:
        return [pattern]
    outcome = _systemctl("list-units", "--plain", "--no-legend", "--", pattern)
    if outcome.rc != 0:
        raise outcome.error(f"systemctl could not list {pattern}", remedy="See that systemd runs on this host")
    return [line.split()[0] for line in outcome.stdout.decode("utf-8", "replace").splitlines() if line.strip()]


def look(name: str) -> Unit:
    """What systemd says about a unit."""
    outcome = _systemctl("show", *(f"--property={one}" for one in _PROPERTIES), "--", name)
    if outcome.rc != 0:
        raise outcome.error(f"systemctl could not say what {name} is", remedy="See that systemd runs on this host")
    values = dict(line.split("=", 1) for line in outcome.stdout.decode("utf-8", "replace").splitlines() if "=" in line)
    active = values.get("ActiveState", "")
    return Unit(
        name,
        values.get("LoadState") != "not-found",
        values.get("LoadState") == "loaded",
        _words(values.get("DropInPaths", "")),
        active,
        values.get("UnitFileState", ""),
        active in _RUNNING,
        values.get("Type") == "oneshot",
    )


def _words(text: str) -> tuple[str, ...]:
    """A list as C(show) prints it: a word with a backslash, a blank or a quote is quoted as for a shell."""
    try:
        return tuple(shlex.split(text))
    except ValueError:  # no quoting that we know
        return tuple(text.split())


def reload() -> None:
    """Make systemd read its files again."""
    outcome = _systemctl("daemon-reload")
    if outcome.rc != 0:
        raise outcome.error("systemctl daemon-reload failed", remedy="Look at: journalctl -b -u init.scope")


def start(name: str) -> _command.Outcome:
    """Start a unit and wait until it says that it is up."""
    return _systemctl("start", "--", name)


def forgive(name: str) -> None:
    """Let a unit be started again that failed so often that systemd gave up."""
    outcome = _systemctl("reset-failed", "--", name)
    if outcome.rc != 0:
        raise outcome.error(
            f"systemctl could not forget that {name} failed", remedy=f"Look at: systemctl status {name}"
        )


def restart(name: str) -> None:
    """Restart a unit."""
    outcome = _systemctl("restart", "--", name)
    if outcome.rc != 0:
        raise outcome.error(f"{name} could not be restarted", remedy=f"Look at: journalctl -u {name}")


def stop(names: t.Sequence[str], *, patience: float, kill: bool) -> list[str]:
    """Stop units side by side and wait for their end; the names of those that still run.

    :param patience: seconds to wait.
    :param kill: end what is left after that with SIGKILL.
    """
    if not names:
        return []
    outcome = _systemctl("stop", "--no-block", "--", *names)
    if outcome.rc not in (0, 5):  # 5: one of them is not loaded
        raise outcome.error(f"{', '.join(names)} could not be stopped", remedy="See that systemd runs on this host")
    left = _wait(names, patience)
    if left and kill:
        _systemctl("kill", "--signal=SIGKILL", "--", *left)
        left = _wait(left, 10)
    return left


def _wait(names: t.Sequence[str], patience: float) -> list[str]:
    until = time.monotonic() + patience
    while True:
        left = [name for name in names if look(name).running]
        if not left or time.monotonic() >= until:
            return left
        time.sleep(_POLL_SECONDS)


def _systemctl(*words: str) -> _command.Outcome:
    return _command.run([_command.find("systemctl"), "--no-ask-password", "--no-pager", *words], env=_environment())


def _environment() -> dict[str, str]:
    return _command.environment(SYSTEMD_COLORS="0")
