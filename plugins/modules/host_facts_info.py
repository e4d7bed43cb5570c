#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells about itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts_info
short_description: Tell what a restore and its readiness have to know about a host
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Tells the same that M(labops.backup.db_dump) leaves as C(source_facts.json) beside a dump, as it is now.
  - Trees with their room and a file that was tried in each, mounts, users, groups, enabled units, crontabs by hash,
    what this collection deployed by hash, what cron starts of it, the clock, and what earlier backups left.
  - Never a secret. Files are told by path and SHA-256, those that hold secrets by mode and owner.
  - With O(database) also what the local database server can take, as C(database).
extends_documentation_fragment:
  - labops.backup._attributes.INFO_MODULE
  - labops.backup._database
  - labops.backup._facts
options:
  database:
    description: Whether to ask the local database server too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What would a restore meet on this source?
  labops.backup.host_facts_info:
    datasets:
      - {name: blobs, path: /datajoint-db/blobs}
    database: true
    defaults_file: /etc/labops-backup/database.cnf
  register: found
"""

RETURN = r"""
facts:
  description: The facts.
  returned: success
  type: dict
"""

import typing as t
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE, FACTS
from ansible_collections.labops.backup.plugins.module_utils._host import _facts
from ansible_collections.labops.backup.plugins.module_utils._model import _run
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

ARGUMENT_SPEC: dict[str, t.Any] = {**DATABASE, **FACTS, "database": {"type": "bool", "default": False}}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    datasets = {dataset["name"]: dataset["path"] for dataset in options["datasets"]}
    facts = _facts.gather(datasets, _run.utc(datetime.now(UTC)), options["past"])
    if options["database"]:
        connection = _database.Connection(options["defaults_file"], options["socket"])
        facts["database"] = _database.capability(connection)
    return {"facts": facts}


def main() -> None:
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
