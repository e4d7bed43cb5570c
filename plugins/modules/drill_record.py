#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a drill down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_record
short_description: Write a drill down, with what has ever been proven
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Keeps the evidence of the drills of a source in one document, newest first, at most 100, with what share of points
    and archives has ever been proven, and which is the oldest point that never was.
  - After a drill that passed, the files of its samples count as proven for ever, with their content. O(proven_dir)
    keeps 16 bytes for each, so that the share of proven files can be told without a look at an archive.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each call is a drill.
options:
  evidence_file:
    description: The document.
    type: path
    required: true
  source:
    description: The name of the source.
    type: str
    required: true
  drill:
    description: What was done and seen. C(point) and C(ok) are needed.
    type: dict
    required: true
  points:
    description: The recovery points of the source, from M(labops.backup.recovery_point_info).
    type: list
    elements: dict
    required: true
  samples:
    description: By dataset C(manifest), the content manifest of the point, and C(paths_file), what was compared.
    type: dict
    default: {}
  proven_dir:
    description: The folder that says which files were ever proven.
    type: path
    required: true
seealso:
  - module: labops.backup.drill_sample
"""

EXAMPLES = r"""
- name: Write the drill down
  labops.backup.drill_record:
    evidence_file: /var/lib/labops-backup/drills/tatchu.json
    proven_dir: /var/lib/labops-backup/drills/tatchu
    source: tatchu
    points: "{{ found.points }}"
    drill: {point: 20261123T023000Z-77b0aa, ok: true, seed: march}
"""

RETURN = r"""
drill:
  description: The drill with C(datasets), what was sampled of each and what share of its files was ever proven.
  returned: success
  type: dict
coverage:
  description: >-
    C(points_total), C(points_proven), C(archives_total), C(archives_proven), and C(oldest_unproven_point), null when
    there is none.
  returned: success
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _drill
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "evidence_file": {"type": "path", "required": True},
    "source": {"type": "str", "required": True},
    "drill": {"type": "dict", "required": True},
    "points": {"type": "list", "elements": "dict", "required": True},
    "samples": {"type": "dict", "default": {}},
    "proven_dir": {"type": "path", "required": True},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    absent = [name for name in ("point", "ok") if name not in options["drill"]]
    if absent:
        raise BackupError(f"the drill lacks {' and '.join(absent)}", untouched="Nothing was written down")
    return _drill.record(
        *(options["evidence_file"], options["source"], options["drill"], options["points"], options["samples"]),
        proven_dir=options["proven_dir"],
        dry=module.check_mode,
    )


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
