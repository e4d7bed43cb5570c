#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a source said about itself when a recovery point was made."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point_facts_info
short_description: Tell what a source said about itself when a recovery point was made
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads C(source_facts.json) of the dump set of a recovery point, from the mirror when it is still there, otherwise
    out of the archive. Its SHA-256 has to be the sealed one.
  - With that, new hardware can be made as the lost host was.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE, labops.backup._borg]
options:
  archive:
    description: The archive of the dataset that has the dump set.
    type: str
    required: true
  dataset:
    description: The name of that dataset.
    type: str
    required: true
  manifest:
    description: C(manifest.json) of the dump set, from the seal of the recovery point.
    type: path
    required: true
  mirror:
    description: The mirror of the dataset.
    type: path
  content_manifests:
    description: The content manifests of the other datasets, whose owners are of interest.
    type: list
    elements: path
    default: []
seealso:
  - module: labops.backup.recovery_point_files
  - module: labops.backup.db_dump
"""

EXAMPLES = r"""
- name: Read how the lost host was
  labops.backup.recovery_point_facts_info:
    repository: /srv/backup/borg/tatchu/database
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    archive: tatchu-database-20261123T023000Z-77b0aa
    dataset: database
    manifest: /run/labops-backup/point/manifest.json
    mirror: /srv/backup/mirror/tatchu/database
    content_manifests: [/run/labops-backup/point/blobs.content]
"""

RETURN = r"""
facts:
  description: What the source told.
  returned: success
  type: dict
owners:
  description: The C(uids) and C(gids) that own anything in O(content_manifests), as sorted lists of numbers.
  returned: success
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _point_facts
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    "archive": {"type": "str", "required": True},
    "dataset": {"type": "str", "required": True},
    "manifest": {"type": "path", "required": True},
    "mirror": {"type": "path"},
    "content_manifests": {"type": "list", "elements": "path", "default": []},
}


def _read(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    facts = _point_facts.facts(
        _borg.Repository.of(options),
        options["archive"],
        dataset=options["dataset"],
        manifest=options["manifest"],
        mirror=options["mirror"],
    )
    return {"facts": facts, "owners": _point_facts.owners(options["content_manifests"])}


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _read)


if __name__ == "__main__":
    main()
