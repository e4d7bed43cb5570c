#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the journals of the incidents of a source."""

from __future__ import annotations

DOCUMENTATION = r"""
module: incident_journal_info
short_description: Read the journals of the incidents of a source
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Lists the journals, newest first, and the rates that the restores in them measured.
  - A journal that cannot be understood does not hide the others.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE]
options:
  directory:
    description: The folder of the journals of one source. It need not exist.
    type: path
    required: true
  incident:
    description: The one that is meant.
    type: str
seealso:
  - module: labops.backup.incident_journal
"""

EXAMPLES = r"""
- name: See what was restored lately
  labops.backup.incident_journal_info:
    directory: /var/lib/labops-backup/journal/tatchu
"""

RETURN = r"""
journals:
  description: The journals, newest first.
  returned: success
  type: list
  elements: dict
selected:
  description: The journal of O(incident); empty when there is none.
  returned: when O(incident) is given
  type: dict
finished:
  description: The steps of O(incident) that are done.
  returned: when O(incident) is given
  type: list
  elements: str
rates:
  description: Bytes a second by kind of work (C(extract), C(push), C(load), ...), the median of all finished steps.
  returned: success
  type: dict
unreadable:
  description: The C(path) and C(reason) of each journal that could not be read.
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _journal as _journals
from ansible_collections.labops.backup.plugins.module_utils._model import _journal
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "incident": {"type": "str"},
}


def _list(module: AnsibleModule) -> dict[str, t.Any]:
    journals, unreadable = _journals.list_all(module.params["directory"])
    for entry in unreadable:
        module.warn(f"The journal {entry['path']} cannot be read: {entry['reason']}")
    result: dict[str, t.Any] = {"journals": journals, "rates": _journal.rates(journals), "unreadable": unreadable}
    incident = module.params["incident"]
    if incident is not None:
        for entry in unreadable:
            if entry["path"].endswith(f"/{incident}.json"):
                raise BackupError(f"the journal of the incident {incident} cannot be read: {entry['reason']}")
        found = [journal for journal in journals if journal["incident"] == incident]
        result["selected"] = found[0] if found else {}
        result["finished"] = _journal.finished(found[0]) if found else []
    return result


def main() -> None:
    run_module(ARGUMENT_SPEC, _list)


if __name__ == "__main__":
    main()
