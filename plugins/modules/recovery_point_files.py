#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay the files of a seal into a folder."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point_files
short_description: Lay the files of a seal into a folder
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Takes C(point.json), the manifest of the dump set and the content manifests out of the seal of a recovery point.
    That is enough to tell what a point holds, without a look at the archives of the datasets.
  - Each file is compared with the SHA-256 that was sealed.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._borg]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  point:
    description: The identifier of the recovery point.
    type: str
    required: true
  cache_dir:
    description: The folder of the cache of the seals.
    type: path
    required: true
  directory:
    description: The folder. Created with mode 0700; one that exists has to hold these very files.
    type: path
    required: true
seealso:
  - module: labops.backup.recovery_point_info
"""

EXAMPLES = r"""
- name: Look what the point holds
  labops.backup.recovery_point_files:
    repository: /srv/backup/borg/tatchu/points
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    cache_dir: /var/lib/labops-backup/recovery_points/tatchu
    point: 20261123T023000Z-77b0aa
    directory: /run/labops-backup/point
"""

RETURN = r"""
point:
  description: What C(point.json) says.
  returned: success
  type: dict
files:
  description: Where each file lies, by its name.
  returned: success
  type: dict
"""

import typing as t
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_arguments.BORG,
    "point": {"type": "str", "required": True},
    "cache_dir": {"type": "path", "required": True},
    "directory": {"type": "path", "required": True},
}


def _unpack(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    points = _borg.Repository.of(options)
    listing = _recovery_points.read(points, options["cache_dir"], refresh=False, keep=False)
    point = _recovery_points.select(listing, options["point"], datetime.now(UTC))
    files, changed = _recovery_points.unpack(points, point, options["directory"], dry=module.check_mode)
    return {"changed": changed, "point": point, "files": files}


def main() -> None:
    run_module(ARGUMENT_SPEC, _unpack)


if __name__ == "__main__":
    main()
