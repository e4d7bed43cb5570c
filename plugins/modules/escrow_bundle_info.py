#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether the escrow bundle of a server is whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_bundle_info
short_description: Tell whether the escrow bundle of a server is whole
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads every file of the bundle and compares it with the bundle's manifest. Fails when there is no bundle, it is of
    another server, or a file of it is missing or another one.
extends_documentation_fragment:
  - labops.backup._attributes.INFO_MODULE
options:
  directory:
    description: The folder of the bundle.
    type: path
    required: true
  server:
    description: Name of the server.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Is it whole?
  labops.backup.escrow_bundle_info:
    directory: /home/backup/escrow/loki
    server: loki
  delegate_to: localhost
"""

RETURN = r"""
bundle:
  description: As RV(labops.backup.escrow_bundle#module:bundle).
  returned: success
  type: dict
files:
  description: How many files it has.
  returned: success
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _escrow_bundle
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "server": {"type": "str", "required": True},
}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    bundle = _escrow_bundle.check(**module.params)
    files = bundle.pop("files")
    return {"bundle": bundle, "files": len(files)}


def main() -> None:
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
