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
  - Reads C(references.jsonl) of a dump set and looks up each file in the mirror of its dataset, and where it is not
    there in the quarantine. Existence and size are compared, content is not.
  - A file that is only in the quarantine is not in the archive of the mirror, so it makes RV(ok) false;
    M(labops.backup.quarantine_restore) brings it back. A link that leads out of the folder of the dataset is not the
    file.
  - DataJoint writes a file before the row that refers to it, so a dump that was taken before the files were copied has
    all its files. A missing one was deleted in between, or the copy is not whole.
  - What is looked at are the mirrors. When another run has changed one since it was archived, the verdict would be
    about something else than the archive, and RV(ok) is false.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE]
options:
  references_file:
    description: Path of C(references.jsonl).
    type: path
    required: true
  roots:
    description:
      - For each dataset, by its name, a dictionary with C(mirror), the folder that holds its files, and where there is
        one C(quarantine), the quarantine of that mirror as M(labops.backup.rsync_pull) fills it.
      - With C(generation), the generation that was archived, and C(generation_file), where the mirror's is written
        down, the mirror must be at that generation from the beginning to the end.
    type: dict
    required: true
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
      data: {mirror: /srv/backup/mirror/tatchu/data}
  register: references
  failed_when: not references.ok
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
  description: Datasets whose mirror is at another generation than O(roots) says.
  returned: success
  type: int
tracked_only:
  description: Files that DataJoint tracks and no row uses.
  returned: success
  type: int
unused:
  description: C(missing), C(wrong_size), C(unresolved) and C(in_quarantine) among those. They are no failure.
  returned: success
  type: dict
examples:
  description:
    - The first 20 references with their C(finding), of those that make C(ok) false; with C(quarantine_run), the run
      that put the file into the quarantine, when it is there.
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _verify_references
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "references_file": {"type": "path", "required": True},
    "roots": {"type": "dict", "required": True},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _verify_references.verify(module.params["references_file"], module.params["roots"])


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
