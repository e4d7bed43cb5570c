#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give up the lock of a dataset that is kept for a run whose next step will not come."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock_release
short_description: Give up the lock of a dataset that is kept between two steps of a run
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - A step of a run keeps the lock of its dataset for the next step, so that no other run comes in between (C(lock_keep)
    of M(labops.backup.rsync_pull) and others). This gives it up when there will be no next step.
  - A lock that a process holds, or that is kept for another run, stays as it is.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  lock:
    description: The lock file of the dataset. When it does not exist, nothing is kept.
    type: path
    required: true
  run_id:
    description: The run that gives it up.
    type: str
    required: true
seealso:
  - module: labops.backup.rsync_pull
"""

EXAMPLES = r"""
- name: Let others have the dataset
  labops.backup.lock_release:
    lock: /run/labops-backup/tatchu.blobs.lock
    run_id: 20261123T023000Z-77b0aa
"""

RETURN = r"""
released:
  description: Whether the lock was kept for this run.
  returned: success
  type: bool
  sample: true
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _lock
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "lock": {"type": "path", "required": True},
    "run_id": {"type": "str", "required": True},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    released = _lock.release(module.params["lock"], module.params["run_id"], dry_run=module.check_mode)
    return {"changed": released, "released": released}


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
