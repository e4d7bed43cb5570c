#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put aside what earlier backups left on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: legacy_removal
short_description: Put aside what earlier backups left on a host
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Looks for the same as M(labops.backup.legacy_info), with the same options, and removes what it finds. Scripts and
    units are moved below O(aside), lines of crontabs, of the configuration of ssh, of C(known_hosts) and of
    C(authorized_keys) are commented out. Nothing is deleted, and O(aside) gets a copy of each file that is edited.
  - Only what O(addresses) names is of the past here; without any it refuses.
  - Left to a person are lines that also concern a host of the inventory, keys that may be how somebody gets in,
    the configuration of sshd, C(/etc/hosts), C(/etc/rsyncd.conf), variables in crontabs, and units of users.
  - Units have to be stopped and disabled before, which the role C(legacy_cleanup) does.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._legacy
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Secrets in lines are masked.
  idempotent:
    support: full
options:
  aside:
    description: Absolute path of the folder that takes what is moved, each file below its own path.
    type: path
    required: true
seealso:
  - module: labops.backup.legacy_info
"""

EXAMPLES = r"""
- name: Put it aside
  labops.backup.legacy_removal:
    addresses: "{{ addresses_of_the_past }}"
    known: "{{ groups['all'] + (groups['all'] | map('extract', hostvars, 'ansible_host')) }}"
    aside: /var/lib/labops-backup/legacy/20261123T120000Z
"""

RETURN = r"""
moved:
  description: Paths of the files that were moved aside.
  returned: success
  type: list
  elements: str
edited:
  description: Paths of the files of which lines were commented out.
  returned: success
  type: list
  elements: str
left:
  description: What a person has to look at, as P(labops.backup.legacy_info#module) describes it.
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _legacy as _places
from ansible_collections.labops.backup.plugins.module_utils._model import _legacy
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {**_arguments.LEGACY, "aside": {"type": "path", "required": True}}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    if not options["addresses"]:
        raise BackupError(
            "no address of the past is named, and a guess is not enough to remove something",
            untouched="Nothing was changed",
            remedy="Name them in addresses (legacy_cleanup_addresses of the role)",
        )
    past = _legacy.Past(options["addresses"], options["known"], options["peers"])
    documents, warnings = _places.collect(options["paths"])
    findings = _legacy.examine(documents, past)
    result = _places.remove(documents, findings, options["aside"], check_mode=module.check_mode)
    left = [finding.plain() for finding in findings if finding.removal == _legacy.BY_HAND]
    return {**result, "left": left, "warnings": warnings}


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
