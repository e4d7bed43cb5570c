#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify the content of a mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
module: content_verify
short_description: Verify the content of a mirror
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads every file of a mirror that is new or was touched since the former generation, and writes the content manifest
    of this one, with path, kind, mode, owner, size, time and SHA-256 of everything in the mirror.
  - A file was not touched if size, mtime, ctime and inode are the same; ctime tells also of a write that sets mtime
    back. Of such a file nothing is read, see O(rehash_percent).
  - In a DataJoint store, the name of a file tells its content (MD5). Whatever is read there is compared with its name;
    that finds rotten, cut off and encrypted files. C(*.saving) and C(*.copying) are files that DataJoint had not
    finished and have no such name. In stores that keep files under their own names nothing can be compared.
  - Without such a name, a file that was read again and holds something else than before, at the same size and time, is
    a finding too. A pull brings that only when it compares content, see
    O(labops.backup.rsync_pull#module:checksum_every_days), and then people have to judge what happened on the source.
  - A finding is no failure of the module, look at RV(ignore:ok). The file is read again every time, until it holds what
    it should or is accepted.
  - Named pipes, sockets and devices are listed in the manifest and never opened. Of a symbolic link the target's name
    is the content. A file with several names is read once.
  - An earlier manifest that is not whole is not used. Then, and where it is gone although the mirror was verified
    before, every file is read, and RV(ignore:lost) and a warning say so, once. Remove no older archives behind such a
    run.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._step]
attributes:
  check_mode:
    support: full
    details: Reads everything that has to be read, and writes nothing.
  diff_mode:
    support: none
    details: The manifest is too long to be shown; the counts tell what is different.
  idempotent:
    support: full
options:
  mirror:
    description: The folder whose files are to be verified.
    type: path
    required: true
  manifest_file:
    description:
      - The content manifest, beside the mirror and not in it. It is replaced, wholly or not at all.
      - What stands in it is described in the documentation of the collection.
    type: path
    required: true
  generation_file:
    description:
      - The document that tells the generation of the mirror. It must say V(complete) before, and be the same after
        everything was read. The first verification of a mirror notes there that it was (C(verified)).
    type: path
    required: true
  generation:
    description: The generation that the mirror must have; any that is complete if it is not given.
    type: int
  stores:
    description:
      - The folders of the DataJoint stores in this mirror, relative to it, V(.) for the whole. An empty list says that
        there are none.
      - If it is not given, the layout has to tell. Files of DataJoint 0.x are recognised by its default layout
        C(SCHEMA/ab/cd/abcd...), with two folders that repeat the first four digits of a name of 32, those of 2.x by a
        folder C(_hash).
      - Below a schema's folder with other characters in its name than lower case letters, digits and C(_), only blobs
        are recognised so, and not attachments.
      - Files of DataJoint 0.x in a store without subfolders cannot be told from others and are not compared; those in
        other subfolders only where the store is named.
    type: list
    elements: str
  accept:
    description:
      - Files that do not hold what they should and are to be taken as they are, each as C(SHA256 PATH) with both as the
        finding tells them. It is enough to give them once, the manifest remembers it as long as the file stays the
        same.
    type: list
    elements: str
    default: []
  rehash_percent:
    description:
      - Share of the untouched files to be read again, in percent. Which ones depends on the generation, so that with
        V(5) each file comes round once in 20 generations.
    type: float
    default: 0.0
  progress_file:
    description: Where to tell how far it is while it works, as M(labops.backup.rsync_pull) does.
    type: path
seealso:
  - module: labops.backup.rsync_pull
  - module: labops.backup.borg_create
"""

EXAMPLES = r"""
- name: Verify what the night has brought
  labops.backup.content_verify:
    mirror: /srv/backup/mirror/tatchu/blobs
    manifest_file: /srv/backup/mirror/tatchu/blobs.content
    generation_file: /srv/backup/mirror/tatchu/blobs.generation.json
    generation: 17
    stores: [external]
    rehash_percent: 1
    lock: /run/labops-backup/tatchu.blobs.lock
  register: content
  failed_when: not content.ok
"""

RETURN = r"""
ok:
  description: Whether every file that was read holds what it should.
  returned: success
  type: bool
message:
  description: What the findings mean, for people, and what RV(ignore:lost) says; empty when there is neither.
  returned: success
  type: str
lost:
  description:
    - What it means that the manifest of an earlier generation could not be used, for people; empty when it could, and
      for a mirror that was never verified. It is no finding, and the next call compares again.
  returned: success
  type: str
findings:
  description:
    - The first 20 findings with C(path), C(kind), C(expected), C(got) and C(sha256).
    - The kind is V(name) if the content does not match the file's name, V(silent) if the content changed while size and
      time did not, V(unreadable) if the system refused to read the file.
  returned: success
  type: list
  elements: dict
  sample:
    - path: external/lab_ephys/9f/3c/9f3c0e6c1d6f4a57a2b1c8f3e4d5a6b7
      kind: name
      expected: 9f3c0e6c1d6f4a57a2b1c8f3e4d5a6b7
      got: 5d41402abc4b2a76b9719d911017c592
      sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
finding_count:
  description: All findings. Each stands in the manifest, too, with the flag C(!) after its SHA-256.
  returned: success
  type: int
accepted:
  description: Files that O(accept) names.
  returned: success
  type: int
files:
  description: Regular files in the mirror. Every name of a file counts.
  returned: success
  type: int
bytes:
  description: Their sizes.
  returned: success
  type: int
others:
  description: Links, named pipes, sockets and devices.
  returned: success
  type: int
hashed_files:
  description: Files that were read.
  returned: success
  type: int
hashed_bytes:
  description: What was read.
  returned: success
  type: int
unchanged:
  description: Entries that are as they were in the former manifest. As in the following counts, folders do not count.
  returned: success
  type: int
added:
  description: Entries that are new.
  returned: success
  type: int
removed:
  description: Entries that are no longer there.
  returned: success
  type: int
changed_files:
  description: Entries with another content or of another kind.
  returned: success
  type: int
metadata:
  description: Entries with the same content and another mode, owner or mtime.
  returned: success
  type: int
rewritten:
  description:
    - Files whose name tells the content, that have another size or time than before and hold what the name says.
      DataJoint does that when it stores something again that was deleted.
  returned: success
  type: int
generation:
  description: The generation that was verified.
  returned: success
  type: int
manifest:
  description: The manifest's own C(sha256), and C(files) and C(bytes) in it.
  returned: success
  type: dict
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _verify_content
from ansible_collections.labops.backup.plugins.module_utils._arguments import STEP
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "mirror": {"type": "path", "required": True},
    "manifest_file": {"type": "path", "required": True},
    "generation_file": {"type": "path", "required": True},
    "generation": {"type": "int"},
    "stores": {"type": "list", "elements": "str"},
    "accept": {"type": "list", "elements": "str", "default": []},
    "rehash_percent": {"type": "float", "default": 0.0},
    "progress_file": {"type": "path"},
    **STEP,
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _verify_content.verify(_verify_content.Request(**module.params, dry=module.check_mode))


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
