#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a file or a directory back out of a quarantine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine_restore
short_description: Bring a file or a directory back out of a quarantine
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Copies what the pull of one run took away from a path of the mirror to a new place on this server, with all its
    attributes. The quarantine keeps it.
  - Nothing is ever overwritten. The place must be new; it gets its name when the copy is whole.
  - When a run needed several tries, what the mirror held before the run comes out.
  - A directory comes out with what that run took away below it, and nothing else.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: A second call with the same arguments is refused, because the place exists by then.
options:
  directory:
    description: The quarantine of the dataset.
    type: path
    required: true
  run_id:
    description: The run whose pull took it away, as M(labops.backup.quarantine_info) lists it.
    type: str
    required: true
  path:
    description:
      - What to bring back, relative to the mirror; V(.) is everything that the run took away.
      - Of a name that is no UTF-8, name the directory above it, which is V(.) for a name at the root.
    type: str
    required: true
  destination:
    description:
      - The new place, an absolute path that does not exist in a directory that does.
      - In a mirror give O(lock) and O(generation_file), too. The next pull takes it away again unless the source has
        it by then.
    type: path
    required: true
  lock:
    description: A lock file to hold while this works.
    type: path
  generation_file:
    description:
      - The generation document of the mirror that O(destination) lies in. The mirror is at a new generation then.
    type: path
seealso:
  - module: labops.backup.quarantine_info
"""

EXAMPLES = r"""
- name: Bring one recording back beside everything else
  labops.backup.quarantine_restore:
    directory: /srv/backup/quarantine/tatchu/data
    run_id: 20261123T023000Z-77b0aa
    path: subject7/session.dat
    destination: /root/session.dat
"""

RETURN = r"""
destination:
  description: Where it is now.
  returned: success
  type: str
places:
  description: Where it was copied from; of several directories the first one that holds a name gives it.
  returned: success
  type: list
  elements: str
files:
  description: Files that were copied. Files are all entries but directories.
  returned: success, not in check mode
  type: int
bytes:
  description: Their size in bytes.
  returned: success, not in check mode
  type: int
generation:
  description: The generation that the mirror is at now.
  returned: when O(generation_file) is given, not in check mode
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _quarantine
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "run_id": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "destination": {"type": "path", "required": True},
    "lock": {"type": "path"},
    "generation_file": {"type": "path"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _quarantine.restore(**module.params, dry_run=module.check_mode)


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
