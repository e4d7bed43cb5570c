#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what earlier backups left on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: legacy_info
short_description: Find what earlier backups left on a host
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Finds lines that still carry an address which is not in the inventory, in scripts below C(/usr/local/bin),
    C(/usr/local/sbin), C(/root), C(/home) and C(/opt), in crontabs and C(/etc/cron.*), in systemd units and timers, in
    the configuration of ssh and sshd, in C(known_hosts) (hashed entries too, where the address can be computed), in
    C(authorized_keys), in C(/etc/hosts) and C(/etc/rsyncd.conf).
  - Finds what starts such a script or unit, commands that reach such an address through a name for it, and keys that
    look like those of earlier backups.
  - Lines that are commented out do nothing and are left out, and so is what this collection itself brought to the host.
  - Below the folders, files of up to 1 MiB are read that are executable, or have no ending, or the ending of a script
    or its settings. Hidden folders, environments of Python and Conda, and other file systems are left out.
extends_documentation_fragment:
  - labops.backup._attributes.INFO_MODULE
  - labops.backup._legacy
seealso:
  - module: labops.backup.legacy_removal
"""

EXAMPLES = r"""
- name: What is left?
  labops.backup.legacy_info:
    addresses: "{{ addresses_of_the_past }}"
    known: "{{ groups['all'] + (groups['all'] | map('extract', hostvars, 'ansible_host')) }}"
    peers: [tatchu]
  register: legacy
"""

RETURN = r"""
findings:
  description: One entry a line, by path and line.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the file, such as C(script), C(crontab), C(unit), C(known_hosts).
      type: str
    path:
      description: Path of the file.
      type: str
    line:
      description: Number of the line, from 1; 0 where the file as such is meant.
      type: int
    text:
      description: The line, its secrets masked, 200 characters at most.
      type: str
    address:
      description: The address or name of the past; empty where something else tells.
      type: str
    reason:
      description: Why it is listed.
      type: str
    removal:
      description:
        - What M(labops.backup.legacy_removal) does with it.
        - V(move) moves the file aside, V(stop) does so after the role C(legacy_cleanup) has stopped the unit,
          V(comment) comments the line out, and V(by hand) leaves it to a person.
      type: str
files:
  description: How many files were read.
  returned: success
  type: int
not_looked_at:
  description: What could not be read, or was too much.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments
from ansible_collections.labops.backup.plugins.module_utils._host import _legacy as _places
from ansible_collections.labops.backup.plugins.module_utils._model import _legacy
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {**_arguments.LEGACY}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    past = _legacy.Past(options["addresses"], options["known"], options["peers"])
    documents, warnings = _places.collect(options["paths"])
    findings = _legacy.examine(documents, past)
    return {
        "findings": [finding.plain() for finding in findings],
        "files": len(documents),
        "not_looked_at": warnings,
        "warnings": warnings,
    }


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
