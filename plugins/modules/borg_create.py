#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archive the content of a folder."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_create
short_description: Archive a folder
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Archives the directory O(path) under its own name, so that an extract gives a directory of that name with all of its
    metadata. Owners are stored by number.
  - The folder must not change meanwhile. Anything but success is a failure, also a warning such as a file that changed
    or could not be read. Borg has written an archive in that case; its name is not reused and no recovery point may
    refer to it.
  - After Borg has ended, the archive is opened and compared with what Borg said it wrote.
  - Sockets are left out by Borg without a word; FIFOs and device nodes are stored as such.
  - An interrupted module ends Borg with SIGINT. The next archive continues from its last checkpoint.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._borg
attributes:
  check_mode:
    support: full
    details:
      - Opens the repository and refuses what would be refused, but neither walks the folder nor takes the lock, so
        counts and sizes are not predicted.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run writes an archive; a name that exists already is refused.
options:
  archive:
    description: Name of the archive. Letters, digits, C(.), C(_) and C(-), not ending in C(.checkpoint).
    type: str
    required: true
  path:
    description: The folder. The repository must not lie in it.
    type: path
    required: true
  compression:
    description:
      - Borg's compression of chunks that the repository does not hold yet. A chunk keeps the compression of whoever
        stored it first.
    type: str
    default: zstd,22
  exclude:
    description:
      - Patterns of what is left out, each with its style, as C(borg help patterns) tells, for instance
        V(sh:**/.rsync-partial). They are matched with paths that
        begin with the name of O(path).
    type: list
    elements: str
    default: []
  comment:
    description: A text that is kept with the archive.
    type: str
    default: ""
  lock:
    description:
      - The lock file of the dataset, held from before the first check to the end, and by Borg itself as long as it
        lives. When another process holds it, or it is kept for another run, the module fails at once and C(kind) in its
        result is V(busy).
    type: path
  run_id:
    description: The run that this is a step of; a lock that was kept for it (see M(labops.backup.rsync_pull)) is free.
    type: str
  generation_file:
    description:
      - The document that tells the generation of the mirror. It must say V(complete) before and be the same after
        Borg has run.
    type: path
  expected_generation:
    description: The generation that the mirror must have. Needs O(generation_file).
    type: int
  checkpoint_interval:
    description: Seconds between Borg's checkpoints. Borg's own default is 1800.
    type: int
  chunker_params:
    description:
      - Borg's chunker, for instance V(buzhash,16,20,18,4095) for text dumps. Borg's own default is
        V(buzhash,19,23,21,4095). Changing it makes Borg store everything again.
    type: str
  stall_seconds:
    description:
      - End Borg when it has reported no progress for so many seconds; V(0) for never. This limits standstill, not
        duration, a first archive may take days.
    type: int
    default: 3600
  hold:
    description: The document of a hold, see M(labops.backup.backup_hold). While it exists the module refuses to work.
    type: path
  progress_file:
    description:
      - Where to tell how far it is while it works, a small JSON document that is gone at the end. What
        cannot be written there stops no work. The playbook C(status.yml) shows it.
    type: path
seealso:
  - module: labops.backup.borg_archive_info
  - module: labops.backup.rsync_pull
"""

EXAMPLES = r"""
- name: Archive a mirror
  labops.backup.borg_create:
    repository: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    archive: tatchu-blobs-20261123T023000Z-77b0aa
    path: /srv/backup/mirror/tatchu/blobs
    generation_file: /srv/backup/mirror/tatchu/blobs.generation.json
    expected_generation: 17
    lock: /run/labops-backup/tatchu.blobs.lock
"""

RETURN = r"""
archive:
  description: Name of the archive.
  returned: success
  type: str
generation:
  description: The mirror's generation; V(null) without O(generation_file).
  returned: success
  type: int
dump_set:
  description: The dump set that the mirror's generation names; V(null) without O(generation_file).
  returned: success
  type: str
borg_version:
  description: The version of Borg that did it.
  returned: success
  type: str
  sample: 1.2.4
repository_id:
  description: The repository's id.
  returned: success
  type: str
archive_id:
  description: The archive's id.
  returned: success, not in check mode
  type: str
nfiles:
  description: Regular files in it. Further names of one file (hard links) are not counted again.
  returned: success, not in check mode
  type: int
original_size:
  description: Bytes of its files.
  returned: success, not in check mode
  type: int
compressed_size:
  description: Bytes of its files, compressed.
  returned: success, not in check mode
  type: int
deduplicated_size:
  description: Bytes of chunks that no other archive uses. Borg 1.2 counts the archive's own metadata, 1.4 does not.
  returned: success, not in check mode
  type: int
started:
  description: When Borg began to read (UTC).
  returned: success, not in check mode
  type: str
  sample: "2026-11-23T02:41:07Z"
finished:
  description: When the archive was complete (UTC).
  returned: success, not in check mode
  type: str
  sample: "2026-11-23T02:58:40Z"
seconds:
  description: How long Borg ran.
  returned: success, not in check mode
  type: float
warnings:
  description:
    - What Borg warned of although it ended well, for instance that it removed the lock of a dead process. Ansible shows
      it as a warning.
  returned: when there are any
  type: list
  elements: str
progress:
  description: How far Borg had come, C(nfiles), C(original_size) and C(path).
  returned: when Borg failed after it had begun to read
  type: dict
msgid:
  description: The cause of a failure in Borg's words.
  returned: when Borg failed
  type: str
  sample: Repository.InsufficientFreeSpaceError
rc:
  description: Borg's exit code.
  returned: when Borg failed
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _archive
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._host import _hold
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    "archive": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "compression": {"type": "str", "default": "zstd,22"},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "comment": {"type": "str", "default": ""},
    "lock": {"type": "path"},
    "run_id": {"type": "str"},
    "generation_file": {"type": "path"},
    "expected_generation": {"type": "int"},
    "checkpoint_interval": {"type": "int"},
    "chunker_params": {"type": "str"},
    "stall_seconds": {"type": "int", "default": 3600},
    "hold": {"type": "path"},
    "progress_file": {"type": "path"},
}


PASSED_ON = ("compression", "exclude", "comment", "checkpoint_interval", "chunker_params")


def _create(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    result = _archive.archive(
        _borg.Repository.of(options),
        options["archive"],
        _archive.Mirror(options["path"], options["generation_file"], options["expected_generation"]),
        lock=options["lock"],
        run_id=options["run_id"],
        dry_run=module.check_mode,
        progress_file=options["progress_file"],
        stall_seconds=options["stall_seconds"] or None,
        **{name: options[name] for name in PASSED_ON},
    )
    return {"changed": True, **result}


def main() -> None:
    run_module(ARGUMENT_SPEC, _hold.respecting(_create), required_by={"expected_generation": ["generation_file"]})


if __name__ == "__main__":
    main()
