#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clear job reservations that dead DataJoint workers left."""

from __future__ import annotations

DOCUMENTATION = r"""
module: datajoint_reservations
short_description: List and clear job reservations that dead DataJoint workers left
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - A DataJoint worker reserves a job before it computes it. One that is killed leaves the reservation for ever, one
    that is terminated leaves an error that says so, and every later worker skips such a job. A dump holds the
    reservations of the moment, so a restored database has some too.
  - Up to DataJoint 0.14 the rows of C(~jobs) are deleted, from 2.0 on those of C(~~NAME) become C(pending) again.
  - Errors of the computation itself and jobs to be ignored stay as they are; they are counted.
notes:
  - Only while no worker runs. Every reservation counts as left behind, because after a restore neither host and process
    nor the number of the connection tells whether its worker lives.
  - The tables of jobs differ from the dump afterwards. Give M(labops.backup.db_verify_info) C(~jobs) and C(~~*) as
    patterns whose content it is to ignore, or run it before.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._database
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description: With V(listed) nothing is changed, with V(cleared) the reservations are cleared.
    type: str
    choices: [listed, cleared]
    default: listed
  schemas:
    description: Schemas to look at. Empty means every schema but those of the server itself.
    type: list
    elements: str
    default: []
seealso:
  - module: labops.backup.db_load
"""

EXAMPLES = r"""
- name: Let workers take up again what they were at
  labops.backup.datajoint_reservations:
    state: cleared
"""

RETURN = r"""
reservations:
  description:
    - The first 200 that are there, or were before they were cleared. Each with C(schema), C(jobs) (the table it is in)
      and C(status), and where the table has them C(table_name), C(user), C(host), C(pid) and C(timestamp) or
      C(reserved_time), in the server's time zone.
  returned: success
  type: list
  elements: dict
  sample:
    - {schema: lab_imaging, jobs: "~jobs", status: reserved, table_name: __segmentation, user: worker@localhost,
       host: tatchu, pid: "812", timestamp: "2026-11-23 02:14:59"}
count:
  description: Number of reservations.
  returned: success
  type: int
tables:
  description: Number of tables of jobs that were looked at.
  returned: success
  type: int
kept:
  description: Number of jobs that stay as they are, by their status, C(error) or C(ignore).
  returned: success
  type: dict
  sample: {error: 1, ignore: 0}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _reservations
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DATABASE,
    "state": {"type": "str", "choices": ["listed", "cleared"], "default": "listed"},
    "schemas": {"type": "list", "elements": "str", "default": []},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    return _reservations.handle(
        _database.administrator(options["defaults_file"], options["socket"]),
        options["schemas"],
        clear=options["state"] == "cleared",
        apply=not module.check_mode,
    )


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
