#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what Borg knows about archives."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_archive_info
short_description: Tell what Borg knows about archives
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Opens each archive that is asked for, so it takes seconds for one of a few hundred thousand files. To list names and
    times only, M(labops.backup.borg_repository_info) is faster.
  - Checkpoints of interrupted archives are no archives here.
extends_documentation_fragment:
  - labops.backup._attributes.INFO_MODULE
  - labops.backup._borg
options:
  archive:
    description: The archive of exactly this name. That there is none is an error.
    type: str
  glob:
    description: Only archives whose name matches this shell pattern (C(*), C(?), C([...])). None matching is no error.
    type: str
    default: "*"
  last:
    description: Only the newest so many of those that match, at least 1.
    type: int
seealso:
  - module: labops.backup.borg_create
  - module: labops.backup.borg_repository_info
"""

EXAMPLES = r"""
- name: See that the archive is there
  labops.backup.borg_archive_info:
    repository: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    archive: tatchu-blobs-20261123T023000Z-77b0aa

- name: The newest archive of a dataset
  labops.backup.borg_archive_info:
    repository: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    glob: tatchu-blobs-*
    last: 1
"""

RETURN = r"""
repository_id:
  description: The repository's id.
  returned: success
  type: str
archives:
  description: The archives, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The archive's name.
      type: str
    id:
      description: The archive's id.
      type: str
    start:
      description: When it was begun (UTC).
      type: str
      sample: "2026-11-23T02:41:07Z"
    end:
      description: When it was complete (UTC).
      type: str
      sample: "2026-11-23T02:58:40Z"
    seconds:
      description: How long it took.
      type: float
    nfiles:
      description: Regular files in it. Further names of one file (hard links) are not counted again.
      type: int
    original_size:
      description: Bytes of its files.
      type: int
    compressed_size:
      description: Bytes of its files, compressed.
      type: int
    deduplicated_size:
      description: Bytes of chunks that no other archive uses. Borg 1.2 counts the archive's own metadata, 1.4 does not.
      type: int
    comment:
      description: Its comment.
      type: str
    chunker_params:
      description: The chunker's parameters.
      type: str
      sample: buzhash,19,23,21,4095
msgid:
  description: The cause of a failure in Borg's words.
  returned: when Borg failed
  type: str
  sample: Archive.DoesNotExist
rc:
  description: Borg's exit code.
  returned: when Borg failed
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    "archive": {"type": "str"},
    "glob": {"type": "str", "default": "*"},
    "last": {"type": "int"},
}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    if options["last"] is not None and options["last"] < 1:
        raise BackupError(f"last is {options['last']}; at least one archive has to be asked for")
    return _borg.Repository.of(options).archives(name=options["archive"], glob=options["glob"], last=options["last"])


def main() -> None:
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
