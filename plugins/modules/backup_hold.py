#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop all backup jobs of a source for the time of an incident."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_hold
short_description: Stop all backup jobs of a source for the time of an incident
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Writes a document that says which incident holds a source, stops the jobs that run, and waits until nobody works
    any more. Modules with the option C(hold) refuse while the document exists, so that a job which began before stops
    at its next step, and one that cron starts says who holds the source.
  - The units of the jobs are stopped with C(systemctl stop). They have C(KillSignal=SIGINT), on which Borg writes a
    checkpoint and frees its lock (borg(1), "Things to note"). They are not killed.
  - A hold of another incident is never touched.
extends_documentation_fragment:
  - labops.backup._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description: The document. Its folder is made.
    type: path
    required: true
  state:
    description: Whether there is to be a hold.
    type: str
    choices: [present, absent]
    default: present
  source:
    description: The source that is held. Needed with O(state=present).
    type: str
  incident:
    description: The incident. Needed with O(state=present), and for lifting a hold.
    type: str
  reason:
    description: A few words for those who meet the hold.
    type: str
    default: ""
  stop_units:
    description:
      - Units of the source's jobs, such as C(labops-backup-dump.service). A C(*) stands for anything, as in
        C(labops-backup-backup-*.service), since each night is a unit of its own.
    type: list
    elements: str
    default: []
  locks:
    description: Locks of the source's datasets. The module waits until each is free.
    type: list
    elements: path
    default: []
  wait_seconds:
    description: How long to wait for the units, for the modules at work, and for each lock.
    type: float
    default: 120
seealso:
  - module: labops.backup.backup_hold_info
"""

EXAMPLES = r"""
- name: Hold the backups of tatchu on the server
  labops.backup.backup_hold:
    path: /var/lib/labops-backup/hold/tatchu.json
    source: tatchu
    incident: 20261123T091500Z-5be1d0
    reason: half of the blobs are gone
    stop_units: [labops-backup-backup-*.service]
    locks: [/run/labops-backup/tatchu.blobs.lock]
"""

RETURN = r"""
source:
  description: The source that is held, or was; null when there was no hold to lift.
  returned: success
  type: str
incident:
  description: The incident that holds it, or did.
  returned: success
  type: str
since:
  description: Since when.
  returned: success
  type: str
  sample: "2026-11-23T09:15:00Z"
stopped:
  description: Units that ran and were stopped, or would be.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _hold
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "source": {"type": "str"},
    "incident": {"type": "str"},
    "reason": {"type": "str", "default": ""},
    "stop_units": {"type": "list", "elements": "str", "default": []},
    "locks": {"type": "list", "elements": "path", "default": []},
    "wait_seconds": {"type": "float", "default": 120},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    work = _hold.put_up if module.params["state"] == "present" else _hold.lift
    return work(module.params, dry_run=module.check_mode)


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
