#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the space of removed archives back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_compact
short_description: Give the space of removed archives back
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Runs C(borg compact), which rewrites the segments of a repository that hold mostly what no archive needs any more.
    Removing archives alone frees nothing.
  - Borg leaves a segment alone while less than a tenth of it would be freed.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._borg]
attributes:
  check_mode:
    support: partial
    details: Opens the repository and predicts a change; how much would be freed is not known before (Borg 1.2.4).
  diff_mode:
    support: none
  idempotent:
    support: full
    details: What Borg writes about its own work, a few kilobytes, is no change.
options:
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
  - module: labops.backup.borg_prune
"""

EXAMPLES = r"""
- name: Give the space back
  labops.backup.borg_compact:
    repository: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    lock: /run/labops-backup/tatchu.blobs.lock
"""

RETURN = r"""
bytes_before:
  description: Bytes of all files of the repository before.
  returned: success, not in check mode
  type: int
bytes_after:
  description: Bytes of all files of the repository afterwards.
  returned: success, not in check mode
  type: int
freed_bytes:
  description: The difference, at least 0.
  returned: success, not in check mode
  type: int
msgid:
  description: The cause of a failure in Borg's words.
  returned: when Borg failed
  type: str
  sample: LockTimeout
rc:
  description: Borg's exit code.
  returned: when Borg failed
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._host import _hold, _lock
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    "lock": {"type": "path"},
    "stall_seconds": {"type": "int", "default": 3600},
    "hold": {"type": "path"},
}


def _compact(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    repository = _borg.Repository.of(options)
    if module.check_mode:
        repository.describe()
        return {"changed": True}
    with _lock.hold_all([options["lock"]], f"a compact of {options['repository']}") as descriptors:
        sizes = repository.compact(stall_seconds=options["stall_seconds"] or None, pass_fds=descriptors)
    freed = sizes["bytes_before"] - sizes["bytes_after"]
    return {"changed": freed > 0, **sizes, "freed_bytes": max(freed, 0)}


def main() -> None:
    run_module(ARGUMENT_SPEC, _hold.respecting(_compact))


if __name__ == "__main__":
    main()
