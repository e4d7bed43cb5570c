#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let an earlier copy of a tree become the mirror of a dataset."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror_adopt
short_description: Let an earlier copy of a tree become the mirror of a dataset
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Renames the folder in which an earlier rsync job kept its copy to the place of the mirror. The first pull then
    transfers what differs and nothing else, and its limits for deletions and changes apply as on any other night.
  - Never copies, merges or overwrites. A mirror that exists stays as it is, and so does the earlier copy then, with a
    warning. A copy on another file system is refused.
  - An earlier job that is still running would go on writing into the folder. Stop it first.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  source:
    description: Absolute path of the earlier copy.
    type: path
    required: true
  mirror:
    description: Absolute path of the mirror. The folder above it has to exist.
    type: path
    required: true
  repository:
    description:
      - The repository of the dataset. Where it exists and neither O(source) nor O(mirror) does, the mirror was adopted
        once and is lost; that is a warning, and the next pull copies everything.
    type: path
  lock:
    description: Path of the dataset's lock file, to be held meanwhile.
    type: path
seealso:
  - module: labops.backup.rsync_pull
"""

EXAMPLES = r"""
- name: Go on with what the old scripts copied
  labops.backup.mirror_adopt:
    source: /srv/old/tatchu_blobs
    mirror: /srv/backup/mirror/tatchu/blobs
    lock: /run/labops-backup/tatchu.blobs.lock
"""

RETURN = r"""
mirror:
  description: Path of the mirror.
  returned: success
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _adopt
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "source": {"type": "path", "required": True},
    "mirror": {"type": "path", "required": True},
    "repository": {"type": "path"},
    "lock": {"type": "path"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    result = _adopt.adopt(
        options["source"],
        options["mirror"],
        lock=options["lock"],
        check_mode=module.check_mode,
        repository=options["repository"],
    )
    if result["changed"]:
        result["diff"] = {"before": f"{options['source']}\n", "after": f"{options['mirror']}\n"}
    return {**result, "mirror": options["mirror"]}


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
