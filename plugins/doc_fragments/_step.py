# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Options of a module that is one step of a run over a dataset; the specification is C(STEP) in _arguments.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The lock of the dataset, and for whom it is kept."""

    DOCUMENTATION = r"""
options:
  lock:
    description:
      - The lock file of the dataset, held while this works. When another process holds it, or it is kept for another
        run, the module fails at once and C(kind) in its result is V(busy).
    type: path
  lock_keep:
    description:
      - For how many seconds after a good end no other run gets O(lock), so that none comes between two steps of the run
        O(run_id). The next step of that run ends it.
      - A run that dies in between needs no cleaning up.
    type: int
    default: 0
  run_id:
    description: The run that this is a step of. Without it, O(lock_keep) keeps nothing.
    type: str
"""
