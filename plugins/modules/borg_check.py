#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for damage in a repository."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_check
short_description: Look for damage in a repository
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Runs C(borg check), without ever repairing anything. Any end but success is a failure of this module; Borg itself
    calls damage a warning.
  - The repository is locked for everybody else meanwhile.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._borg]
attributes:
  check_mode:
    support: full
    details: Opens the repository and looks at nothing else; damage cannot be predicted.
  diff_mode:
    support: N/A
    details: This module changes nothing.
  idempotent:
    support: full
    details: With O(max_duration) Borg notes in the repository where it ended.
options:
  kind:
    description:
      - V(repository) reads every segment and compares its check sums (CRC32). It needs no key, and finds what a disk
        damaged but not what somebody forged.
      - V(archives) reads the metadata of archives, and sees whether everything that they need is there.
      - V(data) does both and reads, decrypts and authenticates every chunk. It takes longest.
    type: str
    choices: [repository, archives, data]
    default: repository
  glob:
    description: With O(kind=archives), only archives whose name matches this shell pattern.
    type: str
  last:
    description: With O(kind=archives), only the newest so many of them, at least 1.
    type: int
  max_duration:
    description:
      - With O(kind=repository), end after so many seconds, at least 1. The next check with this option goes on from
        there. The index is not checked then.
    type: int
  lock:
    description:
      - Absolute path of a file to hold a lock on while Borg works. It is held by the module and by Borg itself, so that
        it is free exactly when both are gone. Another holder is an error.
    type: path
  stall_seconds:
    description:
      - End Borg when it has reported no progress for so many seconds; V(0) for never. This limits standstill, not
        duration.
    type: int
    default: 3600
  hold:
    description: The document of a hold, see M(labops.backup.backup_hold). While it exists the module refuses to work.
    type: path
seealso:
  - module: labops.backup.borg_archive_info
"""

EXAMPLES = r"""
- name: Read the segments for an hour, go on tomorrow
  labops.backup.borg_check:
    repository: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    kind: repository
    max_duration: 3600
    lock: /run/labops-backup/tatchu.blobs.lock

- name: See that the newest archive has all it needs
  labops.backup.borg_check:
    repository: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    kind: archives
    last: 1
"""

RETURN = r"""
kind:
  description: What was asked for.
  returned: success
  type: str
reach:
  description:
    - How far Borg came, C(reached) of C(total), for C(segments), C(chunks) and C(archives); only those that it counted.
    - With O(max_duration), segments that were read in an earlier round count as reached.
  returned: success, not in check mode
  type: dict
  sample: {segments: {reached: 412, total: 2310}}
whole:
  description: Whether it reached everything that it was asked to look at; not when it counted nothing.
  returned: success, not in check mode
  type: bool
seconds:
  description: How long it took.
  returned: success, not in check mode
  type: float
borg_version:
  description: The version of Borg that did it.
  returned: success
  type: str
  sample: 1.2.4
msgid:
  description: The cause of a failure in Borg's words.
  returned: when Borg failed
  type: str
  sample: IntegrityError
rc:
  description: Borg's exit code.
  returned: when Borg failed
  type: int
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _hold, _lock
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    "kind": {"type": "str", "choices": list(_borg.CHECKS), "default": "repository"},
    "glob": {"type": "str"},
    "last": {"type": "int"},
    "max_duration": {"type": "int"},
    "lock": {"type": "path"},
    "stall_seconds": {"type": "int", "default": 3600},
    "hold": {"type": "path"},
}
ONLY_WITH = {"glob": "archives", "last": "archives", "max_duration": "repository"}


def _check(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    kind = options["kind"]
    for name, needed in ONLY_WITH.items():
        value = options[name]
        if value is not None and kind != needed:
            raise BackupError(f"{name} goes with kind {needed}, not with {kind}", untouched="Nothing was checked")
        if isinstance(value, int) and value < 1:
            raise BackupError(f"{name} is {value}; at least 1 is needed", untouched="Nothing was checked")
    repository = _borg.Repository.of(options)
    result = {"kind": kind, "borg_version": repository.version}
    if module.check_mode:
        repository.describe()
        return result
    started = time.monotonic()
    with _lock.hold_all([options["lock"]], f"a check of {options['repository']}") as descriptors:
        reach = repository.check(
            kind,
            **{name: options[name] for name in ONLY_WITH},
            stall_seconds=options["stall_seconds"] or None,
            pass_fds=descriptors,
        )
    whole = bool(reach) and all(one["reached"] == one["total"] for one in reach.values())
    return {**result, "reach": reach, "whole": whole, "seconds": round(time.monotonic() - started, 3)}


def main() -> None:
    run_module(ARGUMENT_SPEC, _hold.respecting(_check))


if __name__ == "__main__":
    main()
