#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a quarantine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine_info
short_description: Look at a quarantine
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Lists the runs whose pull put files aside that it deleted from the mirror of a dataset or overwrote there, with how
    much waits and for how long.
  - With O(path) it also says which runs hold a version of that file or directory.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE]
options:
  directory:
    description: The quarantine of the dataset. When it does not exist, nothing waits.
    type: path
    required: true
  path:
    description: A path relative to the mirror.
    type: str
seealso:
  - module: labops.backup.quarantine_restore
  - module: labops.backup.quarantine_expire
"""

EXAMPLES = r"""
- name: Which nights took this file away?
  labops.backup.quarantine_info:
    directory: /srv/backup/quarantine/tatchu/data
    path: subject7/session.dat
  register: quarantine
"""

RETURN = r"""
runs:
  description:
    - What each run left, newest first. C(generation) is the generation that its pull made, C(replaces) the one before,
      from which the files come. C(archive) is the verified archive that holds them, null when none does for sure.
    - C(state) is C(writing) when the pull did not end well; what it took away waits all the same.
    - C(problem) says why the description of a run cannot be read, and is empty otherwise.
  returned: success
  type: list
  elements: dict
  sample:
    - run_id: 20261123T023000Z-77b0aa
      path: /srv/backup/quarantine/tatchu/data/20261123T023000Z-77b0aa
      state: complete
      started: "2026-11-23T02:30:04Z"
      finished: "2026-11-23T02:31:10Z"
      generation: 17
      replaces: 16
      archive: tatchu-data-20261122T023000Z-1c9d02
      files: 3
      bytes: 70656
      age_days: 2.1
      problem: ""
files:
  description: Files of all runs. Files are all entries but directories.
  returned: success
  type: int
  sample: 3
bytes:
  description: Their size in bytes.
  returned: success
  type: int
  sample: 70656
unproven:
  description: The runs with files that no verified archive holds for sure. They wait until they are named.
  returned: success
  type: list
  elements: str
  sample: []
versions:
  description:
    - The runs that hold something at O(path), newest first, with its C(place), C(kind) (V(file) or V(directory)), size
      in C(bytes) and time of change C(modified_ns), in nanoseconds since 1970.
  returned: when O(path) is given
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _quarantine
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "path": {"type": "str"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _quarantine.info(module.params["directory"], module.params["path"])


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
