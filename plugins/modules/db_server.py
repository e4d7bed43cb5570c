#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a database server that is down, behind its fence."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_server
short_description: Start a database server that is down, behind its fence
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Does nothing when the local server answers. Otherwise its systemd unit is started, and the module waits until the
    server answers.
  - A server whose data directory is gone or empty begins with an empty one, in which only C(root) can log in, over the
    socket. The place, and the user that the server runs as, are what the server's own options files say.
  - A data directory that holds something is never touched.
  - The fence of M(labops.backup.db_fence) has to be up; so nobody can write between the first start and the restore.
notes:
  - In a data directory that is made anew, root logs in over the socket as the system user of that name, and nobody
    else at all; of MySQL that takes its plugin C(auth_socket).
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
  record:
    description: The record of the fence; see M(labops.backup.db_fence).
    type: path
    required: true
  unit:
    description:
      - The systemd unit of the server. Without it the first of C(mariadb.service), C(mysql.service) and
        C(mysqld.service) that is installed.
    type: str
seealso:
  - module: labops.backup.db_fence
  - module: labops.backup.db_load
"""

EXAMPLES = r"""
- name: See that the database server runs
  labops.backup.db_server:
    record: /var/lib/labops-backup/incident/database.json
"""

RETURN = r"""
initialised:
  description: Whether the server begins, or would begin, with an empty data directory.
  returned: success
  type: bool
data_directory:
  description: Where the server keeps its data.
  returned: success
  type: str
  sample: /var/lib/mysql
unit:
  description: The unit that was started, or would be; empty when the server answered and none was named.
  returned: success
  type: str
  sample: mariadb.service
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _revive_database
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DATABASE,
    "record": {"type": "path", "required": True},
    "unit": {"type": "str"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _revive_database.revive(_revive_database.request(module.params), dry_run=module.check_mode)


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
