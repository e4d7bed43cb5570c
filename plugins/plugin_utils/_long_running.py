# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A task that a person waits for: shows how far it is, and gets over a line that is lost."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# How long one call waits on the host before it tells of the progress, and how that grows.
_FIRST_SECONDS, _LAST_SECONDS = 2.0, 15.0
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
        begun, wait, last = False, _FIRST_SECONDS, ""
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
                self._display.warning(
                    f"The line to {self._connection.get_option('host')} is lost ({error}). "
                    "What was begun there goes on; trying again."
                )
                time.sleep(_AGAIN_SECONDS)
                self._connection.reset()
                continue
            answered = time.monotonic()
            if not answer.get("unfinished"):
                return answer
            begun = begun or bool(answer["begun"])
            wait = min(wait * 1.5, _LAST_SECONDS)
            line = _line(answer["progress"]) if begun else "waits for what still runs from an earlier try"
            if line and line != last:
                last = line
                self._display.display(f"  {self._task.get_name()}: {line}")


def _line(progress: t.Mapping[str, t.Any]) -> str:
    """How far it is, for people."""
    done, total = progress.get("bytes", progress.get("done_bytes")), progress.get("total_bytes")
    if not isinstance(done, int) or not isinstance(total, int):
        return str(progress.get("what", ""))
    share = f"{100 * done / total:.0f} %" if total else "0 %"
    left = progress.get("seconds_left")
    return f"{share} of {total / 1e6:.1f} MB" + (f", about {left:.0f} s left" if left else "")
