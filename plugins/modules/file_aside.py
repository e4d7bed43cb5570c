#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move aside what a restore replaces, until it is accepted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_aside
short_description: Move aside what a restore replaces, until it is accepted
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Runs on the source. Moves listed files and folders into C(.labops-aside-INCIDENT) at the root of their dataset,
    where they keep their path, and later removes them or puts them back.
  - Everything is a rename within one file system. Nothing is copied, and an interruption leaves each file in one of its
    two places; the same call again does the rest.
  - What lies on another file system that is mounted below O(path), and a folder in which one is mounted, are refused
    before anything is moved; check mode says so, too.
  - No symbolic link below O(path) is followed. Folders keep their times when something is taken out of them or put
    back.
  - Neither pulls nor censuses take C(/.labops-aside-*) along.
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
    description: The root of the dataset.
    type: path
    required: true
  incident:
    description: The incident, as C(20261124T081500Z-4d2a10).
    type: str
    required: true
  state:
    description:
      - V(aside) moves what is listed aside. A folder goes with everything in it. What is aside already stays, and what
        has come to its place since then is not touched.
      - V(returned) puts everything back. A file that has come to its place meanwhile is replaced; a folder with
        something in it, where a file was, is not, and is a failure after everything else was put back.
      - V(accepted) removes it for good.
    type: str
    choices: [aside, returned, accepted]
    required: true
  lists:
    description:
      - Files that list what is moved, paths as raw bytes relative to O(path), a NUL after each. Only with
        O(state=aside). A path that does not exist is passed over.
    type: list
    elements: path
    default: []
seealso:
  - module: labops.backup.rsync_push
"""

EXAMPLES = r"""
- name: Move what is damaged aside
  labops.backup.file_aside:
    path: /datajoint-data
    incident: 20261124T081500Z-4d2a10
    state: aside
    lists: [/var/lib/labops-backup/incident/data.damaged]

- name: Remove it for good
  labops.backup.file_aside:
    path: /datajoint-data
    incident: 20261124T081500Z-4d2a10
    state: accepted
"""

RETURN = r"""
aside:
  description: The folder that takes what is moved.
  returned: success
  type: str
  sample: /datajoint-data/.labops-aside-20261124T081500Z-4d2a10
paths:
  description:
    - How many listed paths were moved, or with O(state=returned) entries put back. A folder that goes as a whole counts
      as one.
  returned: success
  type: int
  sample: 3
files:
  description: Files that were moved or removed. Files are all entries but directories.
  returned: success
  type: int
  sample: 12
bytes:
  description: Their size in bytes; what a file of several names holds counts once.
  returned: success
  type: int
  sample: 70656
already:
  description: Listed paths that were aside already.
  returned: success
  type: int
  sample: 0
absent:
  description: Listed paths that are in neither place.
  returned: success
  type: int
  sample: 0
replaced:
  description: What had come to a place meanwhile and was replaced, with O(state=returned).
  returned: success
  type: int
  sample: 0
others:
  description: Other incidents that have something aside in this dataset. They were not accepted.
  returned: success
  type: list
  elements: str
  sample: []
conflicts:
  description: The first 20 paths that could not be put back.
  returned: when there are any
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _file_aside
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "incident": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["aside", "returned", "accepted"], "required": True},
    "lists": {"type": "list", "elements": "path", "default": []},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _file_aside.bring(**module.params, dry_run=module.check_mode)


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
