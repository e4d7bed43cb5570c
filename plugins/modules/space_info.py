#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell how much room there is where something is to be written."""

from __future__ import annotations

DOCUMENTATION = r"""
module: space_info
short_description: Tell how much room there is where something is to be written
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - A path that is not there is judged by its nearest folder that is. Nothing is written.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE]
options:
  paths:
    description: The folders.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Look where the datasets would be restored to
  labops.backup.space_info:
    paths: [/datajoint-db/blobs, /datajoint-data]
"""

RETURN = r"""
spaces:
  description:
    - In the order of O(paths) the C(path), whether it is C(present), the folders that are C(missing) on the way to it,
      from above, itself included, whether it is C(empty), the folder C(existing) that was looked at, the
      C(device) of its file system, where that is mounted (C(mount)),
      C(total_bytes), C(free_bytes), C(free_inodes), and whether it is C(writable).
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _space
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {"paths": {"type": "list", "elements": "path", "required": True}}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    return {"spaces": [_space.look(path) for path in module.params["paths"]]}


def main() -> None:
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
