#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do one piece of the rolling checks of a dataset."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_check
short_description: Do one piece of the rolling checks of a dataset
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Goes on looking at what a server holds of a dataset where the piece before stopped, for as long as it may, and notes
    how far it came, so that terabytes are covered over days. When everything was looked at, a cycle is over and the
    next piece begins another one.
  - Nothing is repaired, and nothing but O(evidence_file) and O(scratch_dir) is written to.
  - A piece does not begin, and ends within seconds, while an incident holds the source or a night or a drill is at work
    on this host; RV(gave_way) then says so. Borg is ended by SIGINT, on which it frees its lock. What the piece had not
    noted by then is done again.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._borg]
attributes:
  check_mode:
    support: full
    details: Tells how far the check has come, and looks at nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each call looks at something.
options:
  source:
    description: The name of the source.
    type: str
    required: true
  dataset:
    description: The name of the dataset, or V(points) for the repository of the seals.
    type: str
    required: true
  kind:
    description:
      - V(repository) reads segments and compares their check sums.
      - V(archives) sees whether everything is there that an archive needs, one archive after the other.
      - V(data) reads, decrypts and authenticates every chunk, where that can be done in O(seconds) at the rate that was
        measured the last time (30 MB/s when nothing was). Otherwise its reach is that of V(manifest).
      - V(mirror) reads the files of the mirror again and compares them with the content manifest of the newest archive,
        and where a name tells the content with that as well (C(names)). Of a dataset of kind database it verifies the
        dump sets.
      - V(manifest) takes archives out again, the newest first, and compares them with the content manifest in the seal.
        Of an archive only that is read which differs from the one next to it that was read in the same cycle. Of a
        dataset of kind database, the dump set is verified.
    type: str
    choices: [repository, archives, data, mirror, manifest]
    required: true
  seconds:
    description: How long it may take; V(0) to go on to the end of the cycle.
    type: int
    default: 0
  evidence_file:
    description: The document of the checks of this source.
    type: path
    required: true
  points_repository:
    description: The repository of the seals.
    type: path
    required: true
  cache_dir:
    description: The folder of the cache of the seals.
    type: path
    required: true
  database:
    description: Whether the dataset is of kind database.
    type: bool
    default: false
  mirror:
    description: The mirror. Needed for O(kind=mirror).
    type: path
  content_manifest:
    description: Its content manifest. Needed for O(kind=mirror), unless O(database).
    type: path
  generation_file:
    description: Its generation document. Needed for O(kind=mirror).
    type: path
  stores:
    description: Where in the mirror DataJoint keeps files, as in M(labops.backup.content_verify).
    type: list
    elements: str
  scratch_dir:
    description:
      - Where archives are taken out to, at most 1 GiB at once. A larger file is read through a pipe. A dump set comes
        out as a whole.
    type: path
    required: true
  lock:
    description: Keeps two checks of one source apart. No lock of a night.
    type: path
    required: true
  ledger_dir:
    description: The folder of the ledger, which says whether a night or a drill is at work.
    type: path
    required: true
  hold:
    description: The document of a hold, see M(labops.backup.backup_hold).
    type: path
  stall_seconds:
    description: End Borg when it has reported no progress for so many seconds; V(0) for never.
    type: int
    default: 3600
seealso:
  - module: labops.backup.borg_check
  - module: labops.backup.recovery_point_mark
"""

EXAMPLES = r"""
- name: Go on reading archives back for half an hour
  labops.backup.backup_check:
    source: tatchu
    dataset: blobs
    kind: manifest
    seconds: 1800
    repository: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    points_repository: /srv/backup/borg/tatchu/points
    cache_dir: /var/lib/labops-backup/recovery_points/tatchu
    evidence_file: /var/lib/labops-backup/checks/tatchu.json
    scratch_dir: /srv/backup/staging/tatchu/check
    lock: /run/labops-backup/checks/tatchu.lock
    ledger_dir: /var/lib/labops-backup/ledger
"""

RETURN = r"""
source:
  description: As in O(source).
  returned: success
  type: str
dataset:
  description: As in O(dataset).
  returned: success
  type: str
kind:
  description: As in O(kind).
  returned: success
  type: str
ok:
  description: Whether this piece found nothing, and nothing stands against the dataset from checks of this kind.
  returned: success
  type: bool
finding:
  description: What this piece found; empty for nothing.
  returned: success
  type: str
standing:
  description: What an earlier piece found, and no whole cycle has cleared.
  returned: success
  type: str
touched:
  description:
    - The recovery points that the finding touches. Where nobody knows what a damage touches, each archive is read to
      its end; those that cannot be, and those for which there was no time, count.
    - O(evidence_file) keeps them until the finding is cleared, so that what a run did not come to mark is marked by the
      next.
  returned: success
  type: list
  elements: str
share:
  description: How much of the cycle is done, from 0 to 1.
  returned: success
  type: float
complete_at:
  description: When a cycle was last complete, in UTC; empty for never.
  returned: success
  type: str
gave_way:
  description: What it gave way to; empty for nothing.
  returned: success
  type: str
problem:
  description:
    - What stood in the way after something was found, as a full disk that keeps it from being written down; empty for
      nothing. Where nothing was found the module fails instead.
  returned: success
  type: str
skipped:
  description: Why there was less to do; empty for no reason.
  returned: success
  type: str
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments, _check
from ansible_collections.labops.backup.plugins.module_utils._host import _priority
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

_OWN: dict[str, t.Any] = {
    "source": {"type": "str", "required": True},
    "dataset": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["repository", "archives", "data", "mirror", "manifest"], "required": True},
    "seconds": {"type": "int", "default": 0},
    "evidence_file": {"type": "path", "required": True},
    "points_repository": {"type": "path", "required": True},
    "cache_dir": {"type": "path", "required": True},
    "database": {"type": "bool", "default": False},
    "mirror": {"type": "path"},
    "content_manifest": {"type": "path"},
    "generation_file": {"type": "path"},
    "stores": {"type": "list", "elements": "str"},
    "scratch_dir": {"type": "path", "required": True},
    "lock": {"type": "path", "required": True},
    "stall_seconds": {"type": "int", "default": 3600},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    **_arguments.BORG,
    **_OWN,
    "ledger_dir": {"type": "path", "required": True},
    "hold": {"type": "path"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    priority = _priority.Priority("verify", options["ledger_dir"], options["hold"])
    return _check.check(
        lambda path: _borg.Repository.of({**options, "repository": path}, priority.reason),
        options["repository"],
        _check.Request(**{name: options[name] for name in _OWN}),
        priority,
        dry=module.check_mode,
    )


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
