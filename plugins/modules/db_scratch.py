#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private instance of the database server that is thrown away."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_scratch
short_description: Start and remove a private instance of the database server beside the real one
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Starts an empty instance with a folder of its own, for looking into a dump set or copying tables out of it without
    touching the real server. M(labops.backup.db_load) with O(labops.backup.db_load#module:beside) does that.
  - Only root reaches it, over O(path)C(/s). It has no network, no binary log and no event scheduler, reads no options
    file and takes little memory.
  - With O(state=absent) it is ended and its folder removed, also when it was killed or left behind by somebody who was.
notes:
  - Of the engine whose programs lie on the host, MariaDB (C(mariadbd), C(mariadb-install-db)) or MySQL (C(mysqld)).
  - Where AppArmor confines C(mysqld), its profile has to allow O(path).
  - It runs until it is removed or the host restarts. In a control group that ends with its job it ends too.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  path:
    description:
      - Folder of the instance. It must not exist, or be that of an instance that this module made. At most 105 bytes.
    type: path
    required: true
  state:
    description: V(present) leaves an instance that runs as it is.
    type: str
    choices: [present, absent]
    default: present
  memory:
    description: Bytes for the pages of tables.
    type: int
    default: 134217728
seealso:
  - module: labops.backup.db_load
"""

EXAMPLES = r"""
- name: Start an instance to look into a dump set
  labops.backup.db_scratch:
    path: /var/lib/labops-backup/scratch

- name: Load the dump set there
  labops.backup.db_load:
    directory: /datajoint-db/dumps/20261123T021500Z-3fa9c1
    socket: /var/lib/labops-backup/scratch/s
    accounts: false

- name: Remove it
  labops.backup.db_scratch:
    path: /var/lib/labops-backup/scratch
    state: absent
"""

RETURN = r"""
socket:
  description: Its socket.
  returned: success
  type: str
  sample: /var/lib/labops-backup/scratch/s
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _engine

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "memory": {"type": "int", "default": 134217728},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    scratch = _engine.Scratch(options["path"])
    changed = scratch.keep(present=options["state"] == "present", memory=options["memory"], apply=not module.check_mode)
    return {"changed": changed, "socket": scratch.socket}


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
