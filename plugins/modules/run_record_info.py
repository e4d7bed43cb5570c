#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the newest runs of the ledger."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record_info
short_description: List the newest runs of the ledger
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads the documents that M(labops.backup.run_record) wrote on this host.
  - A run that counts as running although nothing of it is left on this host is returned as V(died).
  - A folder that does not exist is an error; an empty one holds no runs.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE]
options:
  ledger_dir:
    description: The folder of the ledger.
    type: path
    required: true
  jobs:
    description: Only runs of these jobs.
    type: list
    elements: str
    choices: [backup, dump, verify, drill, readiness, restore]
    default: [backup, dump, verify, drill, readiness, restore]
  last:
    description: How many runs at most, at least 1.
    type: int
    default: 10
seealso:
  - module: labops.backup.run_record
"""

EXAMPLES = r"""
- name: Read the last three nights
  labops.backup.run_record_info:
    ledger_dir: /var/lib/labops-backup/ledger
    jobs: [backup]
    last: 3
  register: nights
"""

RETURN = r"""
runs:
  description: The runs, newest first, as M(labops.backup.run_record) documents them.
  returned: success
  type: list
  elements: dict
unreadable:
  description: C(path) and C(reason) of each document that could not be understood, as far back as was read.
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _ledger
from ansible_collections.labops.backup.plugins.module_utils._model import _run
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "ledger_dir": {"type": "path", "required": True},
    "jobs": {"type": "list", "elements": "str", "choices": list(_run.JOBS), "default": list(_run.JOBS)},
    "last": {"type": "int", "default": 10},
}


def _list(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    if options["last"] < 1:
        raise BackupError(f"last is {options['last']}; at least one run has to be asked for")
    runs, unreadable = _ledger.newest(
        options["ledger_dir"], options["last"], jobs=options["jobs"], boot_id=_ledger.here()["boot_id"]
    )
    return {"runs": runs, "unreadable": unreadable}


def main() -> None:
    run_module(ARGUMENT_SPEC, _list)


if __name__ == "__main__":
    main()
