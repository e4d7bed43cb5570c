#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather on a backup server what readiness is judged by."""

from __future__ import annotations

DOCUMENTATION = r"""
module: readiness_info
short_description: Gather on a backup server what restore readiness is judged by
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads generations of mirrors, evidence of checks and drills, holds, what C(site.yml) noted about what it deployed
    and about the escrow bundle, and the newest dump set of each source, whose text is read to its end.
  - Compares that dump set with what the source's database server says about itself, and with the database server's
    program that is installed here.
  - What cannot be read is a C(problem) in its place, so that it hides nothing else. Judges nothing, that is for
    P(labops.backup.readiness#filter).
extends_documentation_fragment:
  - labops.backup._attributes.INFO_MODULE
options:
  sources:
    description: The sources of this server, entries of P(labops.backup.plan#filter).
    type: list
    elements: dict
    required: true
  live:
    description:
      - What sources told just now, C(facts) of M(labops.backup.host_facts_info) by the source's name. A source that is
        not named is known by the facts beside its newest dump.
    type: dict
    default: {}
  past:
    description: As of M(labops.backup.host_facts_info), for this server.
    type: dict
    default: {}
  configuration:
    description: The folder of this server's configuration.
    type: path
    default: /etc/labops-backup
  state:
    description: The folder of its state.
    type: path
    default: /var/lib/labops-backup
"""

EXAMPLES = r"""
- name: Gather
  labops.backup.readiness_info:
    sources: "{{ backup_plan | selectattr('server', 'eq', inventory_hostname) }}"
  register: readiness_gathered
"""

RETURN = r"""
gathered:
  description: What P(labops.backup.readiness#filter) takes.
  returned: success
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _readiness
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "sources": {"type": "list", "elements": "dict", "required": True},
    "live": {"type": "dict", "default": {}},
    "past": {"type": "dict", "default": {}},
    "configuration": {"type": "path", "default": "/etc/labops-backup"},
    "state": {"type": "path", "default": "/var/lib/labops-backup"},
}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    return {"gathered": _readiness.gather(_readiness.Request(**module.params))}


def main() -> None:
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
