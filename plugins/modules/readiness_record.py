#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leave a document of readiness on a server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: readiness_record
short_description: Leave a document of restore readiness on a backup server
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Writes what P(labops.backup.readiness#filter) judged, or what came of trying the escrow bundle, as a JSON document
    that survives a power cut, readable by root only.
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
  path:
    description: Where to. The folder is made with mode 0700 if it is absent.
    type: path
    required: true
  document:
    description: The document.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Leave the verdict
  labops.backup.readiness_record:
    path: /var/lib/labops-backup/readiness.json
    document: "{{ readiness }}"
"""

RETURN = r"""
file:
  description: The path.
  returned: success
  type: str
"""

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "document": {"type": "dict", "required": True},
}


def _write(module: AnsibleModule) -> dict[str, t.Any]:
    path, document = module.params["path"], module.params["document"]
    before = b""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as stream:
        before = stream.read()
    changed = before != _document.encode(document)
    if changed and not module.check_mode:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _document.write(path, document)
    return {"changed": changed, "file": path}


def main() -> None:
    run_module(ARGUMENT_SPEC, _write)


if __name__ == "__main__":
    main()
