#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until what was begun on this host has ended."""

from __future__ import annotations

DOCUMENTATION = r"""
module: operation_info
short_description: Wait until what was begun on this host has ended
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Work that was begun as an operation goes on when the line is lost, or the machine that asked for it. Whoever goes on
    with the restore waits for it first, because what is half written looks like somebody who writes.
  - The task follows until nothing is left, and shows how far that is.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE]
options:
  operations:
    description: Operations whose document begins with this path.
    type: path
    required: true
  locks:
    description: Lock files that a program may still hold whose module was killed.
    type: list
    elements: path
    default: []
  operation_begin:
    description: Given by the action plugin; without meaning here.
    type: bool
    default: true
  operation_wait:
    description: For how many seconds one call waits before it tells of the progress.
    type: float
    default: 10.0
seealso:
  - module: labops.backup.incident_journal
"""

EXAMPLES = r"""
- name: Wait for what the restore that was cut off has begun
  labops.backup.operation_info:
    operations: /run/labops-backup/operations/20261124T081500Z-4d2a10.
    locks: [/run/labops-backup/tatchu.blobs.lock]
"""

RETURN = r"""
waited_for:
  description: What still ran when this call began, by the names of operations and locks.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _operation
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "operations": {"type": "path", "required": True},
    "locks": {"type": "list", "elements": "path", "default": []},
    "operation_begin": {"type": "bool", "default": True},
    "operation_wait": {"type": "float", "default": 10.0},
}


def _wait(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    return _operation.outlast(options["operations"], options["locks"], wait=options["operation_wait"])


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _wait)


if __name__ == "__main__":
    main()
