#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""See whether anybody still writes to the database or to the protected trees."""

from __future__ import annotations

DOCUMENTATION = r"""
module: write_activity_info
short_description: See whether anybody still writes to the database or to the protected trees
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads twice and compares. Of the database the server's counters of changed rows and definitions, and transactions
    that changed rows and are still open. Of each tree the newest change time of any entry, which no program can set
    back; the second walk ends at the first newer one.
  - Processes of this host that have a file in a tree open for writing, or mapped so, are found in C(/proc) and named.
    Those in containers are not, for they see other paths; what they write is found by its change time.
  - A walk costs one C(lstat) an entry. Both walks count as time between the readings.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._attributes.INFO_MODULE
  - labops.backup._database
options:
  database:
    description: Whether to ask the database. A server that does not answer writes nothing.
    type: bool
    default: true
  roots:
    description: The trees. One that does not exist is quiet.
    type: list
    elements: path
    default: []
  interval:
    description: Seconds between the first and the second reading, at least.
    type: float
    default: 10
seealso:
  - module: labops.backup.db_fence
  - module: labops.backup.writer_fence
"""

EXAMPLES = r"""
- name: See that nobody writes any more
  labops.backup.write_activity_info:
    roots: [/datajoint-db/blobs, /datajoint-data]
  register: activity
  failed_when: not activity.quiet
"""

RETURN = r"""
quiet:
  description: Whether nothing was written and nobody is about to.
  returned: success
  type: bool
server:
  description: Whether the database server answers, V(up), V(down) or V(not asked).
  returned: success
  type: str
writers:
  description:
    - What was seen. C(kind) is C(rows) (a counter of the server), C(transaction), C(file) or C(process); C(who) writes,
      as far as that is known; C(where), and C(what) was seen.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: process
      who: process 4711 (python)
      where: /datajoint-data/rec/01.bin
      what: has it open for writing
seconds:
  description: How long both readings took.
  returned: success
  type: float
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _activity
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DATABASE,
    "database": {"type": "bool", "default": True},
    "roots": {"type": "list", "elements": "path", "default": []},
    "interval": {"type": "float", "default": 10},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    connection = _database.administrator(options["defaults_file"], options["socket"]) if options["database"] else None
    return _activity.watch(connection, options["roots"], options["interval"])


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
