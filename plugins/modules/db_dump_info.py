#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""List and verify dump sets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_dump_info
short_description: List and verify the dump sets in a dump directory
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Lists the finished dump sets of a folder, newest first. It may be the dump directory of a source, a mirror of it, or
    a folder that holds only the manifests.
  - A dump set counts only with a manifest that agrees with itself. Everything else that is visible in the folder is
    listed as unproven.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE, labops.backup._step]
options:
  directory:
    description: The folder. It has to exist.
    type: path
    required: true
  verify:
    description:
      - V(manifest) judges the manifests alone; the files they name need not be there.
      - V(full) reads every file again, compares size and sha256, and counts the rows of C(databases.sql) again, with
        its trailer. This reads about 100 MB a second.
    type: str
    choices: [manifest, full]
    default: manifest
  dump_set:
    description: Only this dump set. It is an error when it is not there or does not count.
    type: str
"""

EXAMPLES = r"""
- name: Which dump sets does the source offer?
  labops.backup.db_dump_info:
    directory: /srv/backup/staging/tatchu

- name: Prove the mirror's copy of one
  labops.backup.db_dump_info:
    directory: /srv/backup/mirror/tatchu/database
    dump_set: 20261123T021500Z-3fa9c1
    verify: full
"""

RETURN = r"""
dump_sets:
  description: The finished dump sets, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Identifier of the dump set.
      type: str
    path:
      description: Its folder.
      type: str
    started:
      description: UTC time before the snapshot was taken.
      type: str
    finished:
      description: UTC time when it was proven.
      type: str
    engine:
      description: V(mariadb) or V(mysql).
      type: str
    version:
      description: Version of the server.
      type: str
    schemas:
      description: Names of the schemas.
      type: list
      elements: str
    tables:
      description: Number of tables.
      type: int
    rows:
      description: Rows of all tables.
      type: int
    bytes:
      description: Size of all files of the set.
      type: int
    references:
      description: Counts of the external files that the dump refers to.
      type: dict
    valid:
      description: Whether no problem was found, as far as it was asked to look.
      type: bool
    problems:
      description: What is wrong with it.
      type: list
      elements: str
unproven:
  description: Names of everything else in the folder, for example dump files that the lab made itself.
  returned: success
  type: list
  elements: str
rejected:
  description: Those of RV(unproven) that bear the name of a dump set, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The name.
      type: str
    problems:
      description: Why it is no dump set, such as a manifest that is missing or contradicts itself.
      type: list
      elements: str
"""

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _dump
from ansible_collections.labops.backup.plugins.module_utils._arguments import STEP
from ansible_collections.labops.backup.plugins.module_utils._host import _lock
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **STEP,
    "directory": {"type": "path", "required": True},
    "verify": {"type": "str", "choices": ["manifest", "full"], "default": "manifest"},
    "dump_set": {"type": "str"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    keeping = {"run_id": options["run_id"], "keep": options["lock_keep"]}
    with contextlib.ExitStack() as held:
        if options["lock"] is not None and not module.check_mode:
            held.enter_context(_lock.hold(options["lock"], f"the verification of {options['directory']}", **keeping))
        return _dump.look(options["directory"], full=options["verify"] == "full", only=options["dump_set"])


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
