#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which incidents hold the backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_hold_info
short_description: Say which incidents hold the backups
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads the documents of M(labops.backup.backup_hold).
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._attributes.INFO_MODULE
options:
  paths:
    description: The documents. One that does not exist is no hold.
    type: list
    elements: path
    required: true
seealso:
  - module: labops.backup.backup_hold
"""

EXAMPLES = r"""
- name: See whether tatchu is held
  labops.backup.backup_hold_info:
    paths: [/var/lib/labops-backup/hold/tatchu.json]
"""

RETURN = r"""
holds:
  description: The holds there are, in the order of O(paths).
  returned: success
  type: list
  elements: dict
  sample:
    - source: tatchu
      incident: 20261123T091500Z-5be1d0
      since: "2026-11-23T09:15:02Z"
      reason: half of the blobs are gone
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _hold
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {"paths": {"type": "list", "elements": "path", "required": True}}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _hold.look(module.params["paths"])


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
