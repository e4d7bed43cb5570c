# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A task that a person waits for: shows how far it is, and gets over a line that is lost."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.labops.backup.plugins.module_utils._model import _text

# How long one call waits on the host before it tells of the progress, and how that grows.
_FIRST_SECONDS, _LAST_SECONDS = 2.0, 15.0
# On a terminal a bar moves at least so often; elsewhere a line comes at most so often.
_BAR_SECONDS = 3.0
_SPARSE_SECONDS = 60.0
_BAR_COLUMNS = 24
_AGAIN_SECONDS = 5.0
_PATIENCE_SECONDS = 1800.0


class ActionModule(ActionBase):
    """Follows the operation of the module of the same name; without C(operation) it just runs the module.

    The task variable C(backup_line_patience) says for how many seconds the host may be out of reach.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the module, again and again if that is what it takes."""
        super().run(tmp, task_vars)
        args = self._task.args
        if not (args.get("operation") or args.get("operations")) or self._task.check_mode:
            return self._execute_module(task_vars=task_vars)
        patience = float((task_vars or {}).get("backup_line_patience", _PATIENCE_SECONDS))
        begun, wait = False, _FIRST_SECONDS
        shown = _Shown(self._display, self._task.get_name(), alone=_is_alone(task_vars or {}))
        answered = time.monotonic()
        while True:
            try:
                answer = self._execute_module(
                    module_args={**args, "operation_begin": not begun, "operation_wait": wait},
                    task_vars=task_vars,
                )
            except AnsibleConnectionFailure as error:
                if time.monotonic() - answered > patience:
                    raise
                shown.end()
                self._display.warning(
                    f"The line to {self._connection.get_option('host')} is lost ({error}). "
                    "What was begun there goes on; trying again."
                )
                time.sleep(_AGAIN_SECONDS)
                self._connection.reset()
                continue
            answered = time.monotonic()
            if not answer.get("unfinished"):
                shown.end()
                return answer
            begun = begun or bool(answer["begun"])
            wait = min(wait * 1.5, _BAR_SECONDS if shown.live else _LAST_SECONDS)
            shown.tell(answer["progress"] if begun else {"what": "waits for what still runs from an earlier try"})


class _Shown:
    """Shows how far a task is: as a bar that moves where one host is at work on a terminal, otherwise as lines.

    Of several hosts on a terminal each change is a line; where nobody sits, one a minute is enough.
    """

    def __init__(self, display: t.Any, task: str, *, alone: bool) -> None:
        self._display, self._task = display, task
        terminal = _terminal()
        self.live = terminal and alone
        self._every = 0.0 if terminal else _SPARSE_SECONDS
        self._last, self._next, self._width = "", 0.0, 0

    def tell(self, progress: t.Mapping[str, t.Any]) -> None:
        """How far it is now."""
        line = _text.plain(_text.progress(progress) or str(progress.get("what", "")))
        if not line:
            return
        if self.live:
            bar = _text.bar(progress, _BAR_COLUMNS)
            self._draw(f"  {self._task}: {bar}{' ' if bar else ''}{line}")
        elif line != self._last and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            self._display.display(f"  {self._task}: {line}")
        self._last = line

    def end(self) -> None:
        """Nothing moves any more: clear the bar away."""
        if self._width:
            self._draw("")
            self._width = 0

    def _draw(self, text: str) -> None:
        text = text[: max(self._display.columns - 1, 20)]
        self._display.display("\r" + text.ljust(self._width) + ("" if text else "\r"), newline=False)
        self._width = len(text)


def _terminal() -> bool:
    """Whether a person watches: a worker's own output is none, its parent's is that of ansible-playbook."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{os.getppid()}/fd/1").startswith(("/dev/pts/", "/dev/tty"))
    return os.isatty(1)


def _is_alone(task_vars: t.Mapping[str, t.Any]) -> bool:
    """Whether no other host of this play could show something at the same time."""
    return len(task_vars.get("ansible_play_batch") or ()) <= 1
