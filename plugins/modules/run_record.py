#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a run down in the ledger."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record
short_description: Write a run down in the ledger
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Keeps one JSON document a run, C(RUN_ID.json), in a folder of the host that runs it. Each is written aside, flushed
    to disk and renamed, so that a power cut leaves the old or the new one.
  - V(running) opens a run. Earlier runs of the same job that are still counted as running, and of which nothing is
    left on this host, are marked V(died). What is looked for is their C(ansible-playbook) or, where that runs on
    another machine, a process of their control group.
  - V(success) and V(failure) close it. A run that nobody opened is recorded all the same, because its end matters more.
    When it began is read from its identifier.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
    details: Opening a run twice and closing a finished one are refused, because a record of the past does not change.
options:
  ledger_dir:
    description: The folder of the ledger. It has to exist.
    type: path
    required: true
  run_id:
    description: The identifier of the run, its start in UTC and six hexadecimal digits.
    type: str
    required: true
  job:
    description: Which job runs.
    type: str
    choices: [backup, dump, verify, drill, readiness, restore]
    required: true
  state:
    description: V(running) when it begins, the others when it is over.
    type: str
    choices: [running, success, failure]
    required: true
  sources:
    description: The sources it concerns. When a run is closed, those it was opened with stay.
    type: list
    elements: str
    default: []
  release:
    description: The version of the collection that runs.
    type: str
    default: ""
  outcomes:
    description:
      - What became of each dataset, when the run is closed. Each has at least C(source) and C(ok); a C(dataset),
        a C(step), a C(message) and measured facts are usual.
      - O(state=success) is refused when one of them is not C(ok).
    type: list
    elements: dict
    default: []
  points:
    description: What became of the recovery point of each source, when the run is closed.
    type: list
    elements: dict
    default: []
  message:
    description: One line for people, when the run is closed.
    type: str
    default: ""
seealso:
  - module: labops.backup.run_record_info
"""

EXAMPLES = r"""
- name: Open the run
  labops.backup.run_record:
    ledger_dir: /var/lib/labops-backup/ledger
    run_id: 20261123T023000Z-77b0aa
    job: backup
    state: running
    sources: [tatchu]

- name: Close the run
  labops.backup.run_record:
    ledger_dir: /var/lib/labops-backup/ledger
    run_id: 20261123T023000Z-77b0aa
    job: backup
    state: failure
    outcomes:
      - {source: tatchu, dataset: database, ok: true, message: ""}
      - {source: tatchu, dataset: blobs, ok: false, step: Pull, message: the connection was closed}
    points:
      - {source: tatchu, point: 20261123T023000Z-77b0aa, state: partial}
    message: "backup FAILED: tatchu/blobs"
"""

RETURN = r"""
run:
  description:
    - The document as it now is, with C(host), C(boot_id), C(control_group), its last part, C(unit), and C(playbook) of
      the process that opened it. The last is the number of the C(ansible-playbook) on this host and when it started,
      in ticks since boot; empty when that runs on another machine.
    - Times are UTC, C(seconds) is the time from the start in the identifier to the end.
  returned: success
  type: dict
file:
  description: Where it lies.
  returned: success
  type: str
died:
  description: The identifiers of earlier runs that were marked as died.
  returned: success
  type: list
  elements: str
"""

import typing as t
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _ledger
from ansible_collections.labops.backup.plugins.module_utils._model import _run
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "ledger_dir": {"type": "path", "required": True},
    "run_id": {"type": "str", "required": True},
    "job": {"type": "str", "choices": list(_run.JOBS), "required": True},
    "state": {"type": "str", "choices": ["running", "success", "failure"], "required": True},
    "sources": {"type": "list", "elements": "str", "default": []},
    "release": {"type": "str", "default": ""},
    "outcomes": {"type": "list", "elements": "dict", "default": []},
    "points": {"type": "list", "elements": "dict", "default": []},
    "message": {"type": "str", "default": ""},
}


def _record(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    folder, run_id = options["ledger_dir"], options["run_id"]
    about = {key: options[key] for key in ("job", "sources", "release")}
    if options["state"] == _run.RUNNING:
        change = _ledger.begin(folder, run_id, **about)
    else:
        ending = {key: options[key] for key in ("outcomes", "points", "message")}
        change = _ledger.end(folder, run_id, options["state"], now=datetime.now(UTC), **about, **ending)
    if not module.check_mode:
        _ledger.write(folder, change)
    return {
        "changed": True,
        "run": change.after,
        "file": _ledger.path_of(folder, run_id),
        "died": [run["run_id"] for run in change.died],
        "diff": {"before": change.before or {}, "after": change.after},
    }


def main() -> None:
    run_module(ARGUMENT_SPEC, _record)


if __name__ == "__main__":
    main()
