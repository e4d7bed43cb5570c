#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that key and passphrase of the escrow bundle open a repository when nothing else is left."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_escrow_info
short_description: Prove that the escrow bundle alone opens a repository
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Makes a copy of the repository that shares its segments by hard links, takes the key away from the copy, gives it
    the one of the bundle with C(borg key import), and opens it with the passphrase of the bundle. Borg's memory and
    caches are new. So key and passphrase are proven together, without the server's own C(/etc) and C(/var), and without
    copying terabytes.
  - The repository itself is only read; Borg never writes into a segment that exists.
  - Whatever comes of it, the copy is removed. One that a run left which died is removed by the next.
extends_documentation_fragment:
  - labops.backup._attributes.INFO_MODULE
  - labops.backup._borg
options:
  key_file:
    description: The exported key, as it lies in the bundle.
    type: path
    required: true
  passphrase_file:
    description:
      - The passphrase of the bundle, in a file as the other modules take it. Keep it where it goes with the next start
        of the host, such as below C(/run).
    type: path
    required: true
  base_dir:
    description:
      - A folder that does not exist yet, on the file system of the repository. It takes the copy, and Borg's memory and
        caches, and is removed.
    type: path
    required: true
  lock:
    description:
      - The lock file of the dataset, held meanwhile, so that no archive is written. When another process holds it, the
        module fails at once and C(kind) in its result is V(busy).
    type: path
seealso:
  - module: labops.backup.borg_repository
"""

EXAMPLES = r"""
- name: Does the bundle open the blobs?
  labops.backup.borg_escrow_info:
    repository: /srv/backup/borg/tatchu/blobs
    key_file: /run/labops-backup/escrow/blobs.key
    passphrase_file: /run/labops-backup/escrow/passphrase
    base_dir: /srv/backup/staging/escrow.tatchu.blobs
    lock: /run/labops-backup/tatchu.blobs.lock
"""

RETURN = r"""
repository_id:
  description: The repository's id.
  returned: success
  type: str
archives:
  description: How many archives the copy lists; each one's metadata was decrypted for that.
  returned: success
  type: int
msgid:
  description: The cause of a failure in Borg's words.
  returned: when Borg failed
  type: str
kind:
  description: V(busy) when something else works on the dataset.
  returned: when O(lock) is held
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _escrow
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    # no_log is about the value: this is the name of a file
    "key_file": {"type": "path", "required": True, "no_log": False},
    "lock": {"type": "path"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _escrow.open_alone(module.params)


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
