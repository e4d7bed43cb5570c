#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create an encrypted Borg repository and keep its settings."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_repository
short_description: Create an encrypted Borg repository and keep its settings
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Creates the repository when nothing, or an empty folder, lies at the path. Anything that is not a Borg repository is
    refused and left as it is.
  - An existing repository is opened with the passphrase, so a wrong passphrase is noticed here and not in the night.
  - The passphrase and the encryption of an existing repository are never changed.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._borg
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  repository:
    description:
      - Absolute path of the repository on this host. The folder above it must exist.
      - Other kinds of address are refused, and so are paths that hold C(::), C({) or C(}), which Borg would interpret.
    type: path
    required: true
    aliases: [path]
  encryption:
    description:
      - How a new repository is encrypted. Both keep the key inside the repository, so that the repository and its
        passphrase are enough to restore.
      - An existing repository with another encryption is refused.
    type: str
    choices: [repokey-blake2, repokey]
    default: repokey-blake2
  free_space_reserve:
    description:
      - Borg's C(additional_free_space), what every transaction must leave free. Borg needs free space to delete, so a
        file system without reserve cannot be freed by Borg once it is full.
      - A size in Borg's notation, with decimal multiples (V(2G) is 2000000000 bytes), V(0) for none. Borg refuses less
        than V(10M).
    type: str
    default: 2G
  key_export_file:
    description:
      - Where to write the repository's key as C(borg key import) takes it, with mode 0600. The key in it is encrypted
        with the passphrase. Written only when the content differs.
    type: path
seealso:
  - module: labops.backup.borg_repository_info
  - name: Borg, additional_free_space
    description: The reserve, in the documentation of Borg 1.4.
    link: https://borgbackup.readthedocs.io/en/1.4.0/usage/config.html
"""

EXAMPLES = r"""
- name: The repository of one dataset
  labops.backup.borg_repository:
    path: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    key_export_file: /etc/labops-backup/borg/tatchu.blobs.key
"""

RETURN = r"""
repository_id:
  description: The repository's id; V(null) when check mode would create it.
  returned: success
  type: str
  sample: 28afcc2a0abdf1cc0f19e4cadfb6d3dbc26f182dc7eb0cccced8e78461adc728
created:
  description: Whether the repository was created, or would be.
  returned: success
  type: bool
borg_version:
  description: The version of Borg that did it.
  returned: success
  type: str
  sample: 1.2.4
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

import os
import stat
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    "repository": {**BORG["repository"], "aliases": ["path"]},
    "encryption": {"type": "str", "choices": list(_borg.ENCRYPTIONS), "default": _borg.ENCRYPTIONS[0]},
    "free_space_reserve": {"type": "str", "default": "2G"},
    # no_log is about the value: this is the name of a file
    "key_export_file": {"type": "path", "no_log": False},
}


def _ensure(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    repository = _borg.Repository.of(options)
    before, after = repository.ensure(options["encryption"], options["free_space_reserve"], dry_run=module.check_mode)
    created = before["encryption"] is None
    there = not (created and module.check_mode)
    if options["key_export_file"] is not None:
        before["key_export"], after["key_export"] = _export_key(
            repository.export_key() if there else None, options["key_export_file"], dry_run=module.check_mode
        )
    return {
        "changed": before != after,
        "created": created,
        "repository_id": repository.describe()["repository_id"] if there else None,
        "borg_version": repository.version,
        "diff": {"before_header": repository.path, "before": before, "after_header": repository.path, "after": after},
    }


def _export_key(key: bytes | None, path: str, *, dry_run: bool) -> tuple[str, str]:
    """Write the key; says what the file held before and after. The key of a repository yet to be created is None."""
    wanted = "this repository's key, mode 0600"
    try:
        with open(path, "rb") as stream:
            private = stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o600
            before = wanted if private and stream.read() == key else "something else"
    except FileNotFoundError:
        before = "nothing"
    if before != wanted and key is not None and not dry_run:
        _document.write_bytes(path, key)
    return before, wanted


def main() -> None:
    run_module(ARGUMENT_SPEC, _ensure)


if __name__ == "__main__":
    main()
