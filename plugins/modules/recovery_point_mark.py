#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Note what was found about a recovery point."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point_mark
short_description: Note what was found about a recovery point
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Keeps evidence about a recovery point where its seal is, as a small archive C(mark-MARK-POINT-MADE) in the same
    repository, so that it is not lost with the server's C(/var).
  - A complete point is V(suspect) from the mark on until it is marked V(proven) or V(cleared). Otherwise it is the most
    that was shown of it. A partial point stays partial.
  - A restore chooses no suspect point by itself, and retention removes none.
  - What is said later counts, whatever a clock said before. Where the point has a mark that claims to be later than
    O(made), the new one is of a second after that.
  - The same mark with the same evidence is not made twice in a row, and the same mark with the same O(made) never. A
    warning says so where the point is something else by now.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._borg]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  point:
    description: The identifier of the recovery point.
    type: str
    required: true
  mark:
    description: What was found.
    type: str
    choices: [checked, proven, suspect, cleared]
    required: true
  made:
    description: An identifier of the moment, such as that of the run or of the incident.
    type: str
    required: true
  evidence:
    description: What was done and seen, without a secret.
    type: dict
    default: {}
  cache_dir:
    description: The folder of the cache of the seals.
    type: path
    required: true
  staging_dir:
    description: Where the mark is put together; without it in the system's temporary folder.
    type: path
seealso:
  - module: labops.backup.recovery_point_info
"""

EXAMPLES = r"""
- name: Remember that this point was made after the damage
  labops.backup.recovery_point_mark:
    repository: /srv/backup/borg/tatchu/points
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    cache_dir: /var/lib/labops-backup/recovery_points/tatchu
    point: 20261123T023000Z-77b0aa
    mark: suspect
    made: 20261123T140000Z-3fa9c1
    evidence: {incident: 20261123T140000Z-3fa9c1}
"""

RETURN = r"""
point:
  description: The point with its state and all its C(marks).
  returned: success
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._model import _point
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_arguments.BORG,
    "point": {"type": "str", "required": True},
    "mark": {"type": "str", "choices": ["checked", "proven", "suspect", "cleared"], "required": True},
    "made": {"type": "str", "required": True},
    "evidence": {"type": "dict", "default": {}},
    "cache_dir": {"type": "path", "required": True},
    "staging_dir": {"type": "path"},
}


def _mark(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    point, changed = _recovery_points.mark(
        _borg.Repository.of(options),
        options["cache_dir"],
        options["point"],
        options["mark"],
        made=options["made"],
        evidence=options["evidence"],
        staging_dir=options["staging_dir"],
        dry=module.check_mode,
    )
    if _point.outweighed(options["mark"], point["state"]):
        module.warn(
            f"The recovery point {options['point']} stays {point['state']}: it was marked {options['mark']} with the "
            f"same made ({options['made']}) before, and what was said since counts. Give made another moment if it is "
            "meant again."
        )
    return {"changed": changed, "point": point}


def main() -> None:
    run_module(ARGUMENT_SPEC, _mark)


if __name__ == "__main__":
    main()
