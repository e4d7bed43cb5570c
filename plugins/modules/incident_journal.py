#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down what happens in an incident, durably and before it goes on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: incident_journal
short_description: Write down what happens in an incident
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Adds one entry to the journal of an incident and makes it durable. The journal is made with the first entry.
  - What was confirmed once cannot be changed but for more datasets in its C(scope), and a finished step cannot begin
    again unless it is noted that its work did not pass the checks, so that a restore that was cut off is resumed as the
    one that was confirmed.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Every call adds an entry.
options:
  path:
    description: The journal.
    type: path
    required: true
  incident:
    description: The identifier of the incident.
    type: str
    required: true
  source:
    description: The source that is restored.
    type: str
    required: true
  server:
    description: The backup server.
    type: str
    required: true
  event:
    description: What happened, for people.
    type: str
    default: ""
  step:
    description: The step that the entry is about.
    type: str
  step_state:
    description: What became of it. Required with O(step).
    type: str
    choices: [started, finished, failed]
  result:
    description: What the step brought; C(bytes) and C(seconds) become the rates of later plans.
    type: dict
    default: {}
  state:
    description: What became of the incident.
    type: str
    choices: [open, restored, released, accepted]
  confirmed:
    description:
      - The settings that were confirmed. Refused when others were confirmed before; only C(scope), a list, may grow.
    type: dict
  plan:
    description: The plan that was confirmed.
    type: dict
seealso:
  - module: labops.backup.incident_journal_info
"""

EXAMPLES = r"""
- name: Note that the blobs are back
  labops.backup.incident_journal:
    path: /var/lib/labops-backup/journal/tatchu/20261123T140000Z-3fa9c1.json
    incident: 20261123T140000Z-3fa9c1
    source: tatchu
    server: loki
    step: blobs.push
    step_state: finished
    result: {bytes: 90210, seconds: 2.5}
"""

RETURN = r"""
journal:
  description: The journal with the new entry.
  returned: success
  type: dict
finished:
  description: The names of the steps that are done.
  returned: success
  type: list
  elements: str
"""

import typing as t
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _journal as _journals
from ansible_collections.labops.backup.plugins.module_utils._model import _journal
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "incident": {"type": "str", "required": True},
    "source": {"type": "str", "required": True},
    "server": {"type": "str", "required": True},
    "event": {"type": "str", "default": ""},
    "step": {"type": "str"},
    "step_state": {"type": "str", "choices": ["started", "finished", "failed"]},
    "result": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["open", "restored", "released", "accepted"]},
    "confirmed": {"type": "dict"},
    "plan": {"type": "dict"},
}


def _note(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    before = _journals.load(options["path"])
    journal = before or _journal.begin(options["incident"], options["source"], options["server"])
    after = _journal.note(
        journal,
        now=datetime.now(UTC),
        event=options["event"],
        step=options["step"] or "",
        step_state=options["step_state"] or "",
        result=options["result"],
        state=options["state"] or "",
        confirmed=options["confirmed"],
        plan=options["plan"],
    )
    if not module.check_mode:
        _journals.write(options["path"], after)
    return {"changed": after != before, "journal": after, "finished": _journal.finished(after)}


def main() -> None:
    run_module(ARGUMENT_SPEC, _note, required_together=[("step", "step_state")])


if __name__ == "__main__":
    main()
