# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Who has to give way to whom: an incident comes before a night, a night before a drill, a drill before a check."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._host import _hold, _ledger

# What each job gives way to, beside an incident, which has its hold.
BEFORE = {"drill": ("backup",), "verify": ("backup", "drill")}
_NEWEST = 40


@dataclass(frozen=True)
class Priority:
    """What a piece of work of a job looks at before it begins and while it goes on.

    :param ledger_dir: the ledger of this host.
    :param hold: the document of a hold.
    """

    job: str
    ledger_dir: str
    hold: str | None

    def reason(self) -> str:
        """Why the work has to end now; empty when it may go on."""
        hold = _hold.read(self.hold) if self.hold is not None else None
        if hold is not None:
            return _hold.text(hold)
        runs, _unreadable = _ledger.newest(
            self.ledger_dir, _NEWEST, jobs=BEFORE[self.job], boot_id=_ledger.here()["boot_id"]
        )
        running = [run for run in runs if run["state"] == "running"]
        return f"the {running[0]['job']} run {running[0]['run_id']} is at work" if running else ""
