#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell from the seals what became of the data from point to point."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_history_info
short_description: Tell from the seals what became of the data from point to point
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Compares each recovery point with the one before it, by the content manifests and the manifest of the dump set in
    their seals. No archive of a dataset is opened, so that it takes seconds.
  - So it finds slow damage, and the night that mirrored a loss, and names the newest point from before.
  - A step is suspicious when many files were removed or changed, when a table is gone, or when a key table has fewer
    rows. Whether that was meant, only people know. A file whose content is there under another name was moved and is no
    loss.
  - A point that is C(suspect) is known to hold a loss. It is no alarm any more, and the points after it are compared
    with the one before it, so that what a restore did not bring back is still found. A loss that people meant is
    settled by the mark C(cleared) of the point that has it first; see M(labops.backup.recovery_point_mark).
  - The files of the dataset that holds the dumps are others every night and are not judged, its tables are.
  - What came of each comparison is kept in C(history) below O(cache_dir); a point is compared once. That counts as no
    change. Check mode leaves the cache alone. Seals are taken out into O(cache_dir), two or three at a time, so there
    has to be room for as many content manifests there.
  - A seal that cannot be read is left out with a warning.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE, labops.backup._borg]
options:
  cache_dir:
    description: The folder of the cache of the seals. Created with mode 0700 if it is absent.
    type: path
    required: true
  key_tables:
    description:
      - The tables of which no row must get lost, each as C(SCHEMA.TABLE).
      - Without it, and when it is empty, they are derived as M(labops.backup.db_verify_info) does, from the dumps of
        all points.
    type: list
    elements: str
  suspicious_percent:
    description: The share of the files of a dataset, in percent, that may be removed or changed in one step.
    type: float
    default: 5.0
  suspicious_files:
    description: Fewer files than this are never suspicious.
    type: int
    default: 20
  in_points:
    description: Paths of which is to be told what points hold them.
    type: list
    elements: dict
    default: []
    suboptions:
      dataset:
        description: The dataset.
        type: str
        required: true
      path:
        description:
          - A path in it; a folder means everything in it. C(*) and C(?) stand for anything but a slash, C(**) for
            anything, C([ab]) for one of some characters and C([!ab]) for any other.
        type: str
        required: true
seealso:
  - module: labops.backup.recovery_point_info
  - module: labops.backup.loss_scope_info
  - module: labops.backup.db_verify_info
"""

EXAMPLES = r"""
- name: Find the newest points from before the loss
  labops.backup.recovery_history_info:
    repository: /srv/backup/borg/tatchu/points
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    cache_dir: /var/lib/labops-backup/recovery_points/tatchu
    key_tables: [lab_subject.subject, lab_session.session]
    in_points:
      - dataset: data
        path: subject7/**/*.tif
  register: history

- name: Show since when something is wrong
  ansible.builtin.debug:
    var: history.suspicious
"""

RETURN = r"""
points:
  description:
    - The points, newest first. C(point), C(state), by dataset in C(datasets) its C(files) and C(bytes), and C(tables)
      with the number of C(tables) and C(rows), and C(missing_key_tables), the names of key tables that it lacks; both
      null without a dump set.
  returned: success
  type: list
  elements: dict
steps:
  description:
    - What became of the files of a dataset, newest first. C(before) and C(after) are points, C(files) and C(bytes) what
      the one before has, C(added), C(removed), C(moved) (both of these, by content), C(changed) (content or kind) and
      C(metadata) (owner, mode or time) numbers of files, C(added_bytes) and C(removed_bytes) their sizes, C(suspicious)
      a list of reasons.
  returned: success
  type: list
  elements: dict
table_steps:
  description:
    - What became of the tables, newest first. C(before) and C(after) are points, C(rows) and C(rows_after) all rows,
      C(new) and C(vanished) names, C(fewer) the tables with fewer rows, C(suspicious) a list of reasons.
  returned: success
  type: list
  elements: dict
suspicious:
  description:
    - The C(before), C(after), C(dataset), perhaps C(table), and C(reason) of whatever is suspicious, newest first.
  returned: success
  type: list
  elements: dict
  sample:
    - before: 20261122T023000Z-1b2c3d
      after: 20261123T023000Z-77b0aa
      dataset: blobs
      reason: 412 of 1042 files removed (39.5 %)
newest_intact:
  description:
    - By dataset the newest complete point from before its latest suspicious step, or the newest complete one; null if
      there is none.
  returned: success
  type: dict
  sample: {"blobs": "20261122T023000Z-1b2c3d", "data": "20261123T023000Z-77b0aa"}
key_tables:
  description: By key table its C(rows) in the newest point with a dump set, and its C(newest_intact) point.
  returned: success
  type: dict
  sample: {"lab_subject.subject": {"rows": 27, "newest_intact": "20261123T023000Z-77b0aa"}}
unknown_key_tables:
  description: Key tables that are in no point.
  returned: success
  type: list
  elements: str
  sample: []
in_points:
  description:
    - For each of O(in_points) its C(dataset), its C(path) and the C(points) that hold it, newest first. Each of these
      has C(point), C(state), C(files), C(folders), C(bytes), at most 20 C(examples), and C(digest), which is the same
      where all names and contents are the same.
  returned: success
  type: list
  elements: dict
compared:
  description: How many points were compared, because the cache did not know them.
  returned: success
  type: int
  sample: 1
unreadable:
  description: The C(point), C(archive) and C(reason) of each seal that could not be read.
  returned: success
  type: list
  elements: dict
seconds:
  description: How long it took, in seconds.
  returned: success
  type: float
  sample: 0.734
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments, _recovery_history, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._model import _history
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_arguments.BORG,
    "cache_dir": {"type": "path", "required": True},
    "key_tables": {"type": "list", "elements": "str"},
    "suspicious_percent": {"type": "float", "default": 5.0},
    "suspicious_files": {"type": "int", "default": 20},
    "in_points": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"dataset": {"type": "str", "required": True}, "path": {"type": "str", "required": True}},
    },
}


def _tell(module: AnsibleModule) -> dict[str, t.Any]:
    started = time.monotonic()
    options = module.params
    repository, keep = _borg.Repository.of(options), not module.check_mode
    listing = _recovery_points.read(repository, options["cache_dir"], refresh=False, keep=keep)
    told = _recovery_history.history(
        repository,
        listing.points,
        cache_dir=options["cache_dir"],
        key_tables=options["key_tables"] or [],
        limits=_history.Limits(options["suspicious_percent"], options["suspicious_files"]),
        keep=keep,
    )
    found = _recovery_history.find(repository, listing.points, options["in_points"], cache_dir=options["cache_dir"])
    return {
        **told,
        **found,
        "unreadable": listing.unreadable,
        "warnings": [*listing.warnings, *told["warnings"], *found["warnings"]],
        "seconds": round(time.monotonic() - started, 3),
    }


def main() -> None:
    run_module(ARGUMENT_SPEC, _tell)


if __name__ == "__main__":
    main()
