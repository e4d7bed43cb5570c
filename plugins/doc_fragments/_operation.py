# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Options of a module whose work outlives the line; the specification is C(OPERATION) in _arguments.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The work as an operation that one call begins and any call follows."""

    DOCUMENTATION = r"""
options:
  operation:
    description:
      - A document for the answer, with the name of the work, in a folder for root alone. The work is then done by a
        process of its own, which a lost line or a dead control machine does not end, and the task follows it and
        shows how far it is. The same task with the same options attaches to work that still runs. Work on the database
        that ended well is not done again, and its answer is taken; other work is repeated, and finds what is there.
      - Whatever holds O(lock) is waited for, for that may be a program that a killed operation has left behind.
      - Without it, the module itself works, and ends with its result.
    type: path
  operation_begin:
    description: Given by the action plugin, V(false) when it has begun O(operation) itself.
    type: bool
    default: true
  operation_wait:
    description: For how many seconds one call waits for the answer before it tells of the progress.
    type: float
    default: 10.0
"""
