#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split a list of what is to be restored, so that no second full copy needs room."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_batches
short_description: Split a list of what is to be restored, so that no second full copy needs room
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - What comes out of an archive waits on the server until it is pushed. This splits the list of it into parts that fit,
    to be extracted, pushed and removed one after the other.
  - All names of one file stay in one part. Where there are several parts, the last one has the folders alone, whose
    times the parts before have changed.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  paths_file:
    description:
      - The list, paths as raw bytes relative to the dataset, a NUL after each, as M(labops.backup.loss_scope_info)
        writes it.
    type: path
    required: true
  manifest:
    description: The content manifest of the archive, from the seal of the recovery point.
    type: path
    required: true
  room:
    description: The folder where a part waits.
    type: path
    required: true
  directory:
    description: Where the lists of the parts are written, with the name of O(paths_file) and a number.
    type: path
    required: true
  limit_bytes:
    description: What one part may take, in bytes. If it is not given, half of what is free in O(room).
    type: int
seealso:
  - module: labops.backup.borg_extract
  - module: labops.backup.rsync_push
"""

EXAMPLES = r"""
- name: Split what is to come out of the archive of the blobs
  labops.backup.restore_batches:
    paths_file: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10/blobs.restore
    manifest: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10/blobs.content
    room: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10
    directory: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10/lists
"""

RETURN = r"""
batches:
  description:
    - The parts in their order, each with its C(number), its list C(paths_file), and how many C(files) and C(bytes) it
      has; C(bytes) counts what an entry takes beside its content.
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _batches
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "paths_file": {"type": "path", "required": True},
    "manifest": {"type": "path", "required": True},
    "room": {"type": "path", "required": True},
    "directory": {"type": "path", "required": True},
    "limit_bytes": {"type": "int"},
}


def _split(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    batches = _batches.split(
        options["paths_file"],
        options["manifest"],
        room=options["room"],
        directory=options["directory"],
        limit=options["limit_bytes"],
        dry_run=module.check_mode,
    )
    return {"changed": True, "batches": batches}


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _split)


if __name__ == "__main__":
    main()
