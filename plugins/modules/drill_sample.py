#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what a drill takes out of the archives of a recovery point."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_sample
short_description: Draw what a drill takes out of the archives of a recovery point
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Draws a stratified random sample of the files in each content manifest. A stratum is what has the same folder (the
    first two), kind (the end of the name), size (in powers of ten) and age (in years). The strata give in turn; within
    one, files that no drill has proven yet come first, and then the seed decides. The same seed gives the same sample.
  - Writes for each dataset a list of paths for M(labops.backup.borg_extract).
  - Looks up every reference of the dump in the manifests, by name and size, and writes those whose files are drawn into
    a file for M(labops.backup.datajoint_verify_info).
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
    details: Draws and looks up, and writes no file.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  manifests:
    description: The content manifest of each dataset, by its name.
    type: dict
    required: true
  references_file:
    description: C(references.jsonl) of the dump set.
    type: path
  seed:
    description: Any word.
    type: str
    required: true
  files:
    description:
      - How many files of each dataset; a dataset that has fewer gives all. More than any of them has is refused.
      - V(0) for as many as O(limit_bytes) allows, at most 50000.
    type: int
    default: 0
  limit_bytes:
    description: How many bytes of each dataset at most.
    type: int
    required: true
  proven_dir:
    description: The folder that says which files were ever proven, see M(labops.backup.drill_record).
    type: path
    required: true
  directory:
    description: Where the lists are written. It has to exist.
    type: path
    required: true
  accept:
    description: As in M(labops.backup.datajoint_verify_info).
    type: list
    elements: str
    default: []
  accept_missing:
    description: As in M(labops.backup.datajoint_verify_info).
    type: list
    elements: str
    default: []
seealso:
  - module: labops.backup.drill_record
"""

EXAMPLES = r"""
- name: Draw a sample of the blobs
  labops.backup.drill_sample:
    manifests: {blobs: /srv/backup/staging/.drill/tatchu/seal/blobs.content}
    seed: 20261203T120000Z-3fa9c1
    limit_bytes: 10737418240
    proven_dir: /var/lib/labops-backup/drills/tatchu
    directory: /srv/backup/staging/.drill/tatchu
"""

RETURN = r"""
datasets:
  description:
    - By dataset C(paths_file), how many C(files) of C(bytes) were drawn, C(files_total) of the manifest, and how many
      are C(files_too_large), which are larger than O(limit_bytes) and never drawn.
  returned: success
  type: dict
bytes:
  description: The size of everything that was drawn.
  returned: success
  type: int
references_file:
  description: The references whose files are drawn.
  returned: when O(references_file) is given
  type: str
references:
  description: Number of references.
  returned: when O(references_file) is given
  type: int
references_drawn:
  description: Number of those whose files are drawn.
  returned: when O(references_file) is given
  type: int
references_missing:
  description: Number of those that a row uses and whose file is in no archive with its size.
  returned: when O(references_file) is given
  type: int
references_accepted:
  description:
    - Number of those that a row uses and whose file is as O(accept) or O(accept_missing) says. They are not missing,
      and those that are drawn are not written into RV(references_file).
  returned: when O(references_file) is given
  type: int
references_examples:
  description: The first of them.
  returned: when O(references_file) is given
  type: list
  elements: str
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _drill
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "manifests": {"type": "dict", "required": True},
    "references_file": {"type": "path"},
    "seed": {"type": "str", "required": True},
    "files": {"type": "int", "default": 0},
    "limit_bytes": {"type": "int", "required": True},
    "proven_dir": {"type": "path", "required": True},
    "directory": {"type": "path", "required": True},
    "accept": {"type": "list", "elements": "str", "default": []},
    "accept_missing": {"type": "list", "elements": "str", "default": []},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    names = ("seed", "files", "limit_bytes", "proven_dir", "directory")
    return _drill.draw(
        {name: os.fspath(path) for name, path in options["manifests"].items()},
        options["references_file"],
        **{name: options[name] for name in names},
        accepted=_content.Accepted(options["accept"], options["accept_missing"]),
        dry=module.check_mode,
    )


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
