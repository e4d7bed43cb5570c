#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove archives by windows or by name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_prune
short_description: Remove archives by windows or by name
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Removes archives of one repository in one of two ways.
  - With O(keep_daily), O(keep_weekly) and O(keep_monthly) it is C(borg prune) over the archives that match O(glob).
    C(borg prune) counts archives and knows nothing of recovery points; where there are any, use
    M(labops.backup.recovery_point_prune).
  - With O(keep_names) it removes by their exact names the archives that match O(glob), are among O(candidates) if these
    are given, and are not to be kept. An empty list is refused, and so is a name that is not there.
  - What would go is looked up before, and what is there is looked up again afterwards; it is a failure if anything
    else is gone, or something is left.
  - Checkpoints of interrupted archives that match O(glob) go as soon as an archive that stays is not older.
  - The space is given back by M(labops.backup.borg_compact) only.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._borg]
attributes:
  check_mode:
    support: full
    details: Opens the repository without taking the lock, and predicts what would go.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  glob:
    description:
      - Only archives whose name matches this shell pattern (C(*), C(?), C([...])) are touched. V(*) is
        every archive.
    type: str
    required: true
  keep_daily:
    description: Keep the newest archive of each of the last so many days that have one. UTC counts.
    type: int
  keep_weekly:
    description: The same for ISO weeks; archives that another window keeps do not count.
    type: int
  keep_monthly:
    description: The same for months.
    type: int
  keep_names:
    description: Exact names of archives that stay. Not together with the windows.
    type: list
    elements: str
  candidates:
    description: Exact names of archives that may go. Needs O(keep_names), which wins.
    type: list
    elements: str
  lock:
    description:
      - Absolute path of a file to hold a lock on while Borg works. It is held by the module and by Borg itself, so that
        it is free exactly when both are gone. Another holder is an error.
    type: path
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
  - module: labops.backup.recovery_point_prune
"""

EXAMPLES = r"""
- name: Keep a month of the archives that the database's administrator makes by hand
  labops.backup.borg_prune:
    repository: /srv/backup/borg/tatchu/extra
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    glob: by-hand-*
    keep_daily: 7
    keep_weekly: 4

- name: Remove one archive
  labops.backup.borg_prune:
    repository: /srv/backup/borg/tatchu/extra
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    glob: by-hand-*
    candidates: [by-hand-before-migration]
    keep_names: [by-hand-after-migration]
"""

RETURN = r"""
removed:
  description: Names of the archives and checkpoints that are gone, or would go.
  returned: success
  type: list
  elements: str
kept:
  description: Names of the archives that match O(glob) and stay, newest first.
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
from ansible_collections.labops.backup.plugins.module_utils import _prune
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG
from ansible_collections.labops.backup.plugins.module_utils._host import _hold, _lock
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    "glob": {"type": "str", "required": True},
    "keep_daily": {"type": "int"},
    "keep_weekly": {"type": "int"},
    "keep_monthly": {"type": "int"},
    "keep_names": {"type": "list", "elements": "str"},
    "candidates": {"type": "list", "elements": "str"},
    "lock": {"type": "path"},
    "stall_seconds": {"type": "int", "default": 3600},
    "hold": {"type": "path"},
}
WINDOWS = ("daily", "weekly", "monthly")


def _remove(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    dry_run = module.check_mode
    with _lock.hold_all([] if dry_run else [options["lock"]], f"a prune of {options['repository']}") as descriptors:
        given: dict[str, t.Any] = {
            "dry_run": dry_run,
            "stall_seconds": options["stall_seconds"] or None,
            "pass_fds": descriptors,
        }
        repository = _borg.Repository.of(options)
        if options["keep_names"] is None:
            windows = {name: options[f"keep_{name}"] or 0 for name in WINDOWS}
            result = repository.prune(options["glob"], windows, **given)
        else:
            keep, candidates = options["keep_names"], options["candidates"]
            result = _prune.by_name(repository, options["glob"], keep, candidates, **given)
    before = sorted([*result["kept"], *result["removed"]])
    diff = {"before": {"archives": before}, "after": {"archives": sorted(result["kept"])}}
    return {"changed": bool(result["removed"]), **result, "diff": diff}


def main() -> None:
    run_module(
        ARGUMENT_SPEC,
        _hold.respecting(_remove),
        mutually_exclusive=[(f"keep_{name}", "keep_names") for name in WINDOWS],
        required_one_of=[(*(f"keep_{name}" for name in WINDOWS), "keep_names")],
        required_by={"candidates": ["keep_names"]},
    )


if __name__ == "__main__":
    main()
