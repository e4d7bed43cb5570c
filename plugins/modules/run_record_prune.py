#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the ledger within its limits."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record_prune
short_description: Keep the ledger within its limits
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Removes the oldest runs when the ledger holds too many, or too many bytes.
  - Never removed are a run that counts as running, the newest success of each job and of each source in it, and the
    newest run that sealed a complete recovery point of each source.
  - A document that cannot be understood gets another name, C(RUN_ID.json.unreadable), beside the others, and is
    returned. Nothing reads it any more; a person decides about it.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The result names what goes.
  idempotent:
    support: full
options:
  ledger_dir:
    description: The folder of the ledger.
    type: path
    required: true
  keep_runs:
    description: How many runs to keep at most, at least 1.
    type: int
    default: 5000
  keep_megabytes:
    description: How many megabytes (of 1000000 bytes) the runs may have together, at least 1.
    type: int
    default: 200
seealso:
  - module: labops.backup.run_record
"""

EXAMPLES = r"""
- name: Keep the ledger small
  labops.backup.run_record_prune:
    ledger_dir: /var/lib/labops-backup/ledger
    keep_runs: 2000
"""

RETURN = r"""
removed:
  description: The identifiers of the runs that were removed, oldest first.
  returned: success
  type: list
  elements: str
aside:
  description: C(path) (the new one) and C(reason) of each document that was set aside.
  returned: success
  type: list
  elements: dict
unreadable:
  description: C(path) and C(reason) of each document that the system did not let be read. It stays as it is.
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _ledger
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

_MEGABYTE = 1_000_000

ARGUMENT_SPEC: dict[str, t.Any] = {
    "ledger_dir": {"type": "path", "required": True},
    "keep_runs": {"type": "int", "default": 5000},
    "keep_megabytes": {"type": "int", "default": 200},
}


def _prune(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    for name in ("keep_runs", "keep_megabytes"):
        if options[name] < 1:
            raise BackupError(f"{name} is {options[name]}; at least 1 is needed", untouched="Nothing was removed")
    done = _ledger.prune(
        options["ledger_dir"],
        keep_runs=options["keep_runs"],
        keep_bytes=options["keep_megabytes"] * _MEGABYTE,
        dry=module.check_mode,
    )
    return {
        "changed": bool(done.removed or done.aside),
        "removed": done.removed,
        "aside": done.aside,
        "unreadable": done.unreadable,
    }


def main() -> None:
    run_module(ARGUMENT_SPEC, _prune)


if __name__ == "__main__":
    main()
