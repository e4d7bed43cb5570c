#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a Borg repository is and which archives it holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_repository_info
short_description: Tell what a Borg repository is and which archives it holds
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - A path where nothing lies, or an empty folder, is reported as V(exists=false). Something else that is not a
    repository, a wrong passphrase and a held lock are failures.
  - Checkpoints of interrupted archives are not listed; they are no archives.
  - Borg may write to its caches in O(base_dir); the repository stays as it is.
extends_documentation_fragment:
  - labops.backup._attributes.INFO_MODULE
  - labops.backup._borg
options:
  repository:
    description:
      - Absolute path of the repository on this host.
      - Other kinds of address are refused, and so are paths that hold C(::), C({) or C(}), which Borg would interpret.
    type: path
    required: true
    aliases: [path]
  sizes:
    description:
      - Whether to tell sizes too, for which Borg may first have to read the whole repository into its cache.
      - V(false) only opens the repository and lists it.
    type: bool
    default: true
  open_archives:
    description:
      - Whether to open each archive. One that does not open is a failure that names it.
      - To be asked after another version of Borg was installed, because Borg 1.4 lists archives that it does not open
        (those which Borg up to 1.2.4 renamed or recreated).
    type: bool
    default: false
  root:
    description:
      - Refuse when the file system that the repository lies on is not the one that was provisioned, before anything at
        that path is taken for a repository or for none.
    type: dict
    suboptions:
      path:
        description: Where it is mounted; the C(.labops-backup-root) in it must be the one in O(root.document).
        type: path
        required: true
      document:
        description: The server's own copy of it, on another file system.
        type: path
        required: true
  key_digest:
    description: Whether to tell the SHA-256 of the key as C(borg key export) gives it, to compare it with a copy.
    type: bool
    default: false
seealso:
  - module: labops.backup.borg_repository
  - module: labops.backup.borg_archive_info
"""

EXAMPLES = r"""
- name: Look at one repository
  labops.backup.borg_repository_info:
    path: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
  register: blobs

- name: Name its newest archive
  ansible.builtin.debug:
    msg: "{{ blobs.archives | map(attribute='name') | first }}"
"""

RETURN = r"""
exists:
  description: Whether there is a repository. If not, of all other values only RV(borg_version) is returned.
  returned: success
  type: bool
borg_version:
  description: The version of Borg that was asked.
  returned: success
  type: str
  sample: 1.2.4
repository_id:
  description: The repository's id.
  returned: when the repository exists
  type: str
encryption:
  description: Its encryption.
  returned: when the repository exists
  type: str
  sample: repokey-blake2
archives:
  description: C(name), C(id) and C(start) (UTC) of each archive, newest first.
  returned: when the repository exists
  type: list
  elements: dict
  sample:
    - name: tatchu-blobs-20261123T023000Z-77b0aa
      id: b95cd6db06498ffa2c171f560f24c7a4c41b8ac0ff07c70ed8d71cca761e8239
      start: "2026-11-23T02:41:07Z"
last_modified:
  description: When something last wrote to the repository (UTC). Not a proof of a backup.
  returned: when the repository exists, with O(sizes)
  type: str
  sample: "2026-11-23T02:58:40Z"
original_size:
  description: Bytes of all archives together as they would be restored.
  returned: when the repository exists, with O(sizes)
  type: int
compressed_size:
  description: Bytes of all archives together, each compressed.
  returned: when the repository exists, with O(sizes)
  type: int
deduplicated_size:
  description: Bytes that the repository's chunks take, each stored once, compressed.
  returned: when the repository exists, with O(sizes)
  type: int
free_space_reserve:
  description: Borg's C(additional_free_space) as it is set.
  returned: when the repository exists
  type: str
  sample: 2G
key_sha256:
  description: The SHA-256 of the exported key, which is itself encrypted with the passphrase.
  returned: when the repository exists, with O(key_digest)
  type: str
msgid:
  description: The cause of a failure in Borg's words.
  returned: when Borg failed
  type: str
  sample: PassphraseWrong
rc:
  description: Borg's exit code.
  returned: when Borg failed
  type: int
"""

import hashlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._host import _root
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    "repository": {**BORG["repository"], "aliases": ["path"]},
    "sizes": {"type": "bool", "default": True},
    "open_archives": {"type": "bool", "default": False},
    "root": {
        "type": "dict",
        "options": {"path": {"type": "path", "required": True}, "document": {"type": "path", "required": True}},
    },
    "key_digest": {"type": "bool", "default": False},
}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    root = module.params["root"]
    if root:
        _root.check(_root.Root(root["path"], root["document"], reserve_bytes=0, reserve_percent=0.0))
    repository = _borg.Repository.of(module.params)
    if repository.is_absent():
        return {"exists": False, "borg_version": repository.version}
    found = repository.describe()
    if module.params["open_archives"]:
        repository.open_archives()
    return {
        "exists": True,
        "borg_version": repository.version,
        **found,
        **(repository.statistics() if module.params["sizes"] else {}),
        "free_space_reserve": repository.free_space_reserve(),
        **({"key_sha256": hashlib.sha256(repository.export_key()).hexdigest()} if module.params["key_digest"] else {}),
    }


def main() -> None:
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
