#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove recovery points that no rule keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point_prune
short_description: Remove recovery points that no rule keeps
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Decides over the complete points of one source which of them stay, and removes the others with the archives that no
    point needs any more. C(borg prune) alone cannot know points; a dataset that fails for weeks would make the others
    lose the last complete ones.
  - Each window keeps the newest point of each of the last so many days, ISO weeks or months that have one, in UTC, the
    same ones that C(borg prune) would keep. While a window is not full, it keeps the oldest of all.
  - A point that is dated in the future, and a complete one that promises an archive which is not there, take no place
    in a window and stay. The latter is told in RV(problems).
  - A partial point goes when it is O(keep_partial_days) old and a complete one is newer.
  - An archive that no point knows, left behind by a night whose seal failed, goes at the same age, when it is named as
    the nights name theirs and sealed points are older and newer. An archive of any other name stays.
  - Seals that O(cache_dir) knows and the repository does not are lost. The archives that they need stay, and
    RV(problems) says which they are.
  - Refuses to work unless O(point) is complete and its archives are there, and as long as a seal cannot be read.
  - All archives go by their exact names, and are looked up again afterwards. The seals go first, so that there never
    is one whose archives are half gone. Their archives are noted in O(journal) before; what a crash leaves behind is
    removed by the next run.
  - Checkpoints of interrupted nights go as soon as a later archive stays.
  - The space is given back by M(labops.backup.borg_compact) only.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._borg]
attributes:
  check_mode:
    support: full
    details: Decides and checks everything, without taking locks.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  source:
    description: The source whose points these are.
    type: str
    required: true
  point:
    description: The complete point that this run sealed. It stays.
    type: str
    required: true
  cache_dir:
    description: The folder of the cache of M(labops.backup.recovery_point_info).
    type: path
    required: true
  datasets:
    description:
      - Every dataset of the source, as P(labops.backup.plan#filter) describes it; C(name), C(repository) and C(lock)
        count. All locks are held until the module and Borg have ended.
      - O(repository) is the one that holds the seals.
    type: list
    elements: dict
    required: true
  keep_daily:
    description: How many days.
    type: int
    default: 14
  keep_weekly:
    description: How many weeks.
    type: int
    default: 8
  keep_monthly:
    description: How many months.
    type: int
    default: 24
  keep_complete:
    description:
      - So many of the newest complete points stay, and so many of the newest proven ones, whatever the windows say.
    type: int
    default: 3
  keep_partial_days:
    description: How many days a partial point, or an archive that no point knows, stays at least.
    type: int
    default: 30
  journal:
    description: Absolute path of the document that notes what is about to be removed. It is absent between two runs.
    type: path
    required: true
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
  - module: labops.backup.borg_compact
  - module: labops.backup.recovery_point
"""

EXAMPLES = r"""
- name: Remove what is no longer kept
  labops.backup.recovery_point_prune:
    repository: /srv/backup/borg/tatchu/points
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    cache_dir: /var/lib/labops-backup/recovery_points/tatchu
    journal: /var/lib/labops-backup/retention/tatchu.json
    source: tatchu
    point: 20261123T023000Z-77b0aa
    datasets:
      - name: database
        repository: /srv/backup/borg/tatchu/database
        lock: /run/labops-backup/tatchu.database.lock
      - name: blobs
        repository: /srv/backup/borg/tatchu/blobs
        lock: /run/labops-backup/tatchu.blobs.lock
    keep_daily: 14
    keep_weekly: 8
    keep_monthly: 24
"""

RETURN = r"""
kept:
  description: The C(point), C(state) and C(reason) of each point that stays, newest first.
  returned: success
  type: list
  elements: dict
  sample: [{point: 20261123T023000Z-77b0aa, state: complete, reason: "daily #1"}]
removed:
  description: The same of each point that is gone, or would go.
  returned: success
  type: list
  elements: dict
removed_archives:
  description: Exact names of archives and checkpoints that are gone, or would go, by dataset.
  returned: success
  type: dict
unknown_archives:
  description: Exact names of archives that no point knows and that stayed, by dataset.
  returned: success
  type: dict
problems:
  description: What people have to look at; empty if all is well.
  returned: success
  type: list
  elements: str
msgid:
  description: The cause of a failure in Borg's words.
  returned: when Borg failed
  type: str
  sample: Repository.InsufficientFreeSpaceError
rc:
  description: Borg's exit code.
  returned: when Borg failed
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._host import _hold
from ansible_collections.labops.backup.plugins.module_utils._model import _retention
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_arguments.BORG,
    "source": {"type": "str", "required": True},
    "point": {"type": "str", "required": True},
    "cache_dir": {"type": "path", "required": True},
    "datasets": {"type": "list", "elements": "dict", "required": True},
    "keep_daily": {"type": "int", "default": 14},
    "keep_weekly": {"type": "int", "default": 8},
    "keep_monthly": {"type": "int", "default": 24},
    "keep_complete": {"type": "int", "default": 3},
    "keep_partial_days": {"type": "int", "default": 30},
    "journal": {"type": "path", "required": True},
    "stall_seconds": {"type": "int", "default": 3600},
    "hold": {"type": "path"},
}
PASSED_ON = ("repository", "cache_dir", "source", "point", "datasets", "journal")


def _prune(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params

    def open_repository(path: str) -> _borg.Repository:
        return _borg.Repository.of({**options, "repository": path})

    result = _recovery_points.prune(
        open_repository,
        rules=_retention.rules(options),
        dry=module.check_mode,
        stall_seconds=options["stall_seconds"] or None,
        **{name: options[name] for name in PASSED_ON},
    )
    kept = {one["point"]: one["reason"] for one in result["kept"]}
    gone = {one["point"]: one["reason"] for one in result["removed"]}
    diff = {"before": {"points": sorted([*kept, *gone])}, "after": {"points": sorted(kept)}}
    return {"changed": bool(result["removed"] or result["removed_archives"]), **result, "diff": diff}


def main() -> None:
    run_module(ARGUMENT_SPEC, _hold.respecting(_prune))


if __name__ == "__main__":
    main()
