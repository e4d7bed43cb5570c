#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what works on this host at this moment, and how far it is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: progress_info
short_description: Tell what works on this host at this moment, and how far it is
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads the documents that long steps of jobs and of restores keep while they work, whoever started them and from
    wherever. One whose process is gone is left out.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE]
options:
  directory:
    description: The folder below which the documents lie, C(progress/*.json) and C(operations/*.progress).
    type: path
    default: /run/labops-backup
seealso:
  - module: labops.backup.run_record_info
  - module: labops.backup.operation_info
"""

EXAMPLES = r"""
- name: Look what goes on
  labops.backup.progress_info:
  register: working
"""

RETURN = r"""
working:
  description:
    - C(name) of the document, C(what) goes on C(since) when, C(bytes) of C(total_bytes), C(files) of C(total_files),
      C(bytes_per_second), and C(seconds_left) as far as that can be told. The longest first.
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _progress
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {"directory": {"type": "path", "default": "/run/labops-backup"}}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    return {"working": _progress.under_way(module.params["directory"])}


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
