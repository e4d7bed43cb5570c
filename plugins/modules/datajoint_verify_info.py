#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up every file that a dump refers to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: datajoint_verify_info
short_description: Look up every external file that a dump refers to
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads C(references.jsonl) of a dump set and looks up each file in the mirror of its dataset or in the tree of the
    source itself, and where it is not there in the quarantine. Existence and size are compared, and with
    O(depth=content) the bytes as well, where DataJoint keeps a hash of them.
  - A file that is only in the quarantine is not in the archive of the mirror, so it makes RV(ok) false;
    M(labops.backup.quarantine_restore) brings it back. A link that leads out of the folder of the dataset is not the
    file.
  - DataJoint writes a file before the row that refers to it, so a dump that was taken before the files were copied has
    all its files. A missing one was deleted in between, or the copy is not whole.
  - What is looked at are the mirrors. When another run has changed one since it was archived, the content manifest of
    what was archived is looked at instead. Without one the verdict would be about something else than the archive, and
    RV(ok) is false.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE, labops.backup._operation]
options:
  references_file:
    description: Path of C(references.jsonl).
    type: path
    required: true
  roots:
    description:
      - For each dataset, by its name, the folder that holds its files, which is a mirror or the source's own tree; or a
        dictionary with C(mirror), that folder, and where there is one C(quarantine), the quarantine of that mirror as
        M(labops.backup.rsync_pull) fills it.
      - With C(generation), the generation that was archived, and C(generation_file), where the mirror's is written
        down, the mirror must be at that generation from the beginning to the end. With C(manifest), the content
        manifest of that generation as M(labops.backup.content_verify) wrote it, the mirror may have moved on; existence
        and size are then looked up there.
      - With C(sealed), the content manifest of the recovery point that was restored into that folder, or null when the
        point does not have the dataset, what the point itself lacks is RV(not_in_point) and no failure.
    type: dict
    required: true
  depth:
    description:
      - V(size) compares existence and size.
      - V(content) reads each file and compares its MD5 with what DataJoint keeps, which is one for blobs and
        attachments, for what 2.x stores by hash, and for files by path up to a size that may be configured in 0.x.
        C(npy), C(object) and C(filepath) of 2.x have none; the content manifest of a recovery point has.
    type: str
    choices: [size, content]
    default: size
  orphans:
    description:
      - Whether to look for files in the stores that the dump does not refer to, in the folders that are DataJoint's
        own. They are no failure. Needs about 100 bytes of memory a reference.
    type: bool
    default: false
  since:
    description:
      - When the dump began, as in its manifest (C(2026-11-23T02:15:00Z)). An orphan that was modified later is not of
        its time, which is normal; it is counted as C(newer) only.
    type: str
  accept:
    description:
      - Files that do not hold what the database says and are taken as they are, each as C(SHA256 PATH) with the path in
        its dataset, see C(backup_accept_content).
    type: list
    elements: str
    default: []
  accept_missing:
    description:
      - Files that are gone for good, each as C(DATASET/PATH), see C(backup_accept_missing).
    type: list
    elements: str
    default: []
  examples:
    description: How many references that make RV(ok) false are named at most.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Are all files there that the dump refers to?
  labops.backup.datajoint_verify_info:
    references_file: /srv/backup/mirror/tatchu/database/20261123T021500Z-3fa9c1/references.jsonl
    roots:
      blobs:
        mirror: /srv/backup/mirror/tatchu/blobs
        quarantine: /srv/backup/quarantine/tatchu/blobs
        generation: 17
        generation_file: /srv/backup/mirror/tatchu/blobs.generation.json
        manifest: /srv/backup/staging/tatchu/20261123T023000Z-77b0aa/blobs.content
      data: {mirror: /srv/backup/mirror/tatchu/data}
  register: references
  failed_when: not references.ok

- name: Do the restored stores hold what the rows say, byte by byte?
  labops.backup.datajoint_verify_info:
    references_file: /datajoint-db/dumps/20261123T021500Z-3fa9c1/references.jsonl
    roots: {blobs: /datajoint-db/blobs, data: /datajoint-data}
    depth: content
    orphans: true
    since: "2026-11-23T02:15:00Z"
    accept: ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 ephys/0c/4d/0c4d3b1a"]
    accept_missing: [data/2019/lost.tif]
"""

RETURN = r"""
ok:
  description: Whether every file that a row uses is in the mirror with its size, in mirrors that were not changed.
  returned: success
  type: bool
checked:
  description: Number of references.
  returned: success
  type: int
missing:
  description: Files that a row uses and that are nowhere.
  returned: success
  type: int
wrong_size:
  description: Files that a row uses and that have another size.
  returned: success
  type: int
wrong_content:
  description: Files that a row uses and that have other content. Always 0 with O(depth=size).
  returned: success
  type: int
hashed:
  description: Number of files that were read.
  returned: success
  type: int
hashed_bytes:
  description: Their size in bytes.
  returned: success
  type: int
without_hash:
  description: Number of files whose content nothing in the database tells, with O(depth=content).
  returned: success
  type: int
orphans:
  description:
    - For each store the number of C(files) that the dump does not refer to, their C(bytes), the first 20 as
      C(examples), and how many more are C(newer) than O(since). Empty unless O(orphans).
  returned: success
  type: dict
unresolved:
  description:
    - References that a row uses and that lead to no place, because the store is not known or outside of all datasets,
      because O(roots) does not have the dataset, or because the row points at nothing.
  returned: success
  type: int
in_quarantine:
  description: Files that a row uses and that are only in the quarantine.
  returned: success
  type: int
changed_mirrors:
  description: Datasets whose mirror is at another generation than O(roots) says, without a manifest of that one.
  returned: success
  type: int
tracked_only:
  description: Files that DataJoint tracks and no row uses.
  returned: success
  type: int
unused:
  description:
    - C(missing), C(wrong_size), C(wrong_content), C(unresolved) and C(in_quarantine) among those. They are no failure.
  returned: success
  type: dict
accepted:
  description: Files that a row uses and that are as O(accept) or O(accept_missing) says. They are no failure.
  returned: success
  type: int
not_in_point:
  description:
    - By dataset how many C(files) the recovery point itself does not have as the database wants them, and the first of
      them as C(examples), in the order of the references. They are no failure.
  returned: success
  type: dict
  sample: {blobs: {files: 1, examples: [ephys/0c/4d/0c4d3b1a]}}
by_dataset:
  description:
    - RV(missing), RV(wrong_size), RV(wrong_content), RV(unresolved) and RV(in_quarantine) for each dataset that has any
      of them, by its name; under the empty name those that lead to no dataset.
  returned: success
  type: dict
  sample: {blobs: {missing: 3, wrong_size: 0, wrong_content: 0, unresolved: 0, in_quarantine: 0}}
examples:
  description:
    - The first references (O(examples)) with their C(finding), of those that make C(ok) false; with C(quarantine_run),
      the run that put the file into the quarantine, when it is there.
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _verify_references
from ansible_collections.labops.backup.plugins.module_utils._arguments import OPERATION
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **OPERATION,
    "references_file": {"type": "path", "required": True},
    "roots": {"type": "dict", "required": True},
    "depth": {"type": "str", "choices": ["size", "content"], "default": "size"},
    "orphans": {"type": "bool", "default": False},
    "since": {"type": "str"},
    "accept": {"type": "list", "elements": "str", "default": []},
    "accept_missing": {"type": "list", "elements": "str", "default": []},
    "examples": {"type": "int", "default": _verify_references.EXAMPLES},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    return _verify_references.verify(
        options["references_file"],
        options["roots"],
        content=options["depth"] == "content",
        orphans=options["orphans"],
        since=options["since"],
        accepted=_content.Accepted(options["accept"], options["accept_missing"]),
        examples=options["examples"],
    )


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
