#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete the escrow bundle of a server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_bundle
short_description: Complete the escrow bundle of a server, on the machine that keeps it
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Runs on the control node, after the role C(borg) laid the keys and passphrases of each source into O(directory).
  - Copies the inventory as it is, so that what a vault encrypts stays encrypted, writes O(files), and at last the
    manifest C(bundle.json) with the SHA-256 of every file.
  - What Ansible kept of former versions, with a C(~) at the end of its name, stays and is no part of the bundle.
extends_documentation_fragment:
  - labops.backup._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  directory:
    description: The folder of the bundle, which holds a folder a source.
    type: path
    required: true
  server:
    description: Name of the server.
    type: str
    required: true
  stamp:
    description: Which inventory that is, C(backup_stamp).
    type: str
    required: true
  inventories:
    description:
      - Files and folders of the inventory. With a file come C(group_vars) and C(host_vars) beside it.
      - Each lies in C(inventory/), in a folder of the name of its own; a further one of that name gets a number.
    type: list
    elements: path
    required: true
  files:
    description: Further files, content by path in the bundle. C(known_hosts) is one of them.
    type: dict
    default: {}
  vault_hint:
    description: Where people find the password of the vault. Only whether there is a hint is noted here.
    type: str
    default: ""
seealso:
  - module: labops.backup.escrow_bundle_info
  - module: labops.backup.borg_escrow_info
"""

EXAMPLES = r"""
- name: Complete the bundle
  labops.backup.escrow_bundle:
    directory: /home/backup/escrow/loki
    server: loki
    stamp: "{{ backup_stamp }}"
    inventories: "{{ ansible_inventory_sources }}"
    files:
      known_hosts: "{{ pinned_keys }}"
  delegate_to: localhost
"""

RETURN = r"""
bundle:
  description:
    - What the bundle says about itself but for its files. The C(server), the C(inventory), C(vault_hint), the
      C(known_hosts_sha256), and C(sources) with C(id) and C(key_sha256) of each repository; and as C(digest) the
      SHA-256 of its manifest.
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
    "stamp": {"type": "str", "required": True},
    "inventories": {"type": "list", "elements": "path", "required": True},
    "files": {"type": "dict", "default": {}},
    "vault_hint": {"type": "str", "default": ""},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    bundle, changed = _escrow_bundle.write(**module.params, apply=not module.check_mode)
    files = bundle.pop("files")
    return {"changed": changed, "bundle": bundle, "files": len(files)}


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
