#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove from a quarantine what is old and archived."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine_expire
short_description: Remove from a quarantine what is old and archived
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Notes which generation of the mirror is inside a verified archive. The next pull reads that. What it puts aside
    comes from the generation before it, so it knows whether that archive holds all of it, and writes that down.
  - Removes the runs that have been waiting for more than O(days) and whose files are in an archive that O(archives)
    still has. Runs that left no file go, too.
  - A run whose files no archive holds for sure stays for any length of time, until it is named in O(run_ids). That is
    so after a pull that was not archived, or that died, and when retention was faster than O(days).
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  directory:
    description: The quarantine of the dataset. When it does not exist, nothing is removed.
    type: path
    required: true
  days:
    description: For how many days a run waits.
    type: float
    default: 10.0
  archived_generation:
    description: The generation of the mirror that O(archive) holds. Nothing is noted without it.
    type: int
  archive:
    description: The newest archive of the mirror, verified.
    type: str
  archives:
    description:
      - The names of all archives that the repository of the mirror holds now. Without them, no run leaves whose files
        have to be in one.
    type: list
    elements: str
  run_ids:
    description: Runs to remove whatever their age and whether or not an archive holds their files; and no others.
    type: list
    elements: str
    default: []
  lock:
    description: The lock file of the dataset, to hold while this works.
    type: path
  hold:
    description: The document of a hold, see M(labops.backup.backup_hold). While it exists the module refuses to work.
    type: path
seealso:
  - module: labops.backup.quarantine_info
"""

EXAMPLES = r"""
- name: Let go what is inside a verified archive and older than ten days
  labops.backup.quarantine_expire:
    directory: /srv/backup/quarantine/tatchu/blobs
    archived_generation: 17
    archive: tatchu-blobs-20261123T023000Z-77b0aa
    archives: "{{ blobs.archives | map(attribute='name') }}"  # blobs is the result of borg_repository_info
    lock: /run/labops-backup/tatchu.blobs.lock

- name: Give up what one night put aside
  labops.backup.quarantine_expire:
    directory: /srv/backup/quarantine/tatchu/blobs
    run_ids: [20261101T023000Z-0b1c2d]
    lock: /run/labops-backup/tatchu.blobs.lock
"""

RETURN = r"""
removed:
  description: The runs that were removed, newest first.
  returned: success
  type: list
  elements: str
  sample: [20261020T023000Z-55aa01]
kept:
  description: The others, each with its C(run_id) and the C(reason).
  returned: success
  type: list
  elements: dict
  sample: [{"run_id": 20261123T023000Z-77b0aa, "reason": "it has been waiting for 2.1 of 10 days"}]
overdue:
  description: Those of RV(kept) that have been waiting for more than O(days). People have to judge them.
  returned: success
  type: list
  elements: str
  sample: []
files:
  description: Files that were removed. Files are all entries but directories.
  returned: success
  type: int
  sample: 12
bytes:
  description: Their size in bytes.
  returned: success
  type: int
  sample: 1048576
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _quarantine
from ansible_collections.labops.backup.plugins.module_utils._host import _hold
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "days": {"type": "float", "default": 10.0},
    "archived_generation": {"type": "int"},
    "archive": {"type": "str"},
    "archives": {"type": "list", "elements": "str"},
    "run_ids": {"type": "list", "elements": "str", "default": []},
    "lock": {"type": "path"},
    "hold": {"type": "path"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = {name: value for name, value in module.params.items() if name != "hold"}
    return _quarantine.expire(**options, dry_run=module.check_mode)


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _hold.respecting(_work), required_together=[("archived_generation", "archive")])


if __name__ == "__main__":
    main()
