#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load schemas of a dump set into the local database server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_load
short_description: Load schemas of a proven dump set into the local database server
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Replaces whole schemas by what a dump set of M(labops.backup.db_dump) holds. The chosen schemas are dropped first,
    all of them together, so that tables which are not in the dump do not survive. Other schemas are not touched.
  - Everything that can be refused is refused before anything changes. Every file of the set is read again and has to be
    what C(manifest.json) says; the last line, the rows of each table and the SHA-256 are compared, because the client
    ends well with a dump that is cut. The server has to be of the same engine and of the same or a newer series, know
    every collation, have room, allow the largest statement, and have each schema that a foreign key refers to.
  - One client loads all chosen schemas, cut out of C(databases.sql) as it streams by. When it ends, the names of all
    tables, views, sequences, triggers, routines and events are compared with the manifest. Rows, their content and the
    numbers of sequences are compared by M(labops.backup.db_verify_info).
  - A load that was killed is repeated as a whole and has the same result.
  - C(read_only) stays as it is, because root may write nevertheless. MySQL's C(super_read_only) stops the load, so that
    is refused. The server's binary log takes the load like any other work.
  - Accounts and roles that the server lacks are made from C(accounts.sql), each by itself and locked, with their grants
    and default roles. Accounts that are there are left as they are, and so are those of the server itself, C(root) of
    this host and anonymous ones. One that fails is named and stops none of the others. What MariaDB grants to everybody
    (C(PUBLIC)) is treated like an account, which is there where something was ever granted to it.
  - With O(beside), nothing that people use is replaced. The schemas are loaded into a private instance
    (M(labops.backup.db_scratch)), and their tables are copied from there into new schemas of the server. Foreign keys
    that lead out of the copy are left out, because they would tie the live tables to it, and so are views, triggers,
    routines and events, which name the live schemas, and defaults that draw from a sequence, which would take their
    numbers from the live one. The rows of each copied table are counted.
notes:
  - Only root of the server should run this, over the local socket. It needs all privileges, also those that pass
    C(read_only).
  - What the server says about a failing statement may hold data, so only its error number and the line are shown.
  - Schemas of another engine are refused, because the load would stop at the first thing it does not know, and columns
    of the type JSON change their meaning for DataJoint.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._database
  - labops.backup._operation
attributes:
  check_mode:
    support: full
    details: Reads and judges everything, but changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Every run replaces the chosen schemas. With O(state=released) a second run changes nothing.
options:
  state:
    description:
      - With V(loaded), load.
      - With V(released), unlock the accounts that a load made and that were open in the dump, and remove O(record).
    type: str
    choices: [loaded, released]
    default: loaded
  directory:
    description: Folder of the dump set. Its name is the identifier of the set.
    type: path
  schemas:
    description: Schemas to replace. Empty means every schema of the dump set.
    type: list
    elements: str
    default: []
  accounts:
    description: Whether to make the accounts and roles that are missing.
    type: bool
    default: true
  exclude_accounts:
    description: Accounts not to make, by C(user) or C(user@host). site.yml makes the one of M(labops.backup.db_dump).
    type: list
    elements: str
    default: [labops_dump]
  record:
    description:
      - File that notes which accounts are made, before the first one is. A load that was killed finishes them the next
        time, and O(state=released) unlocks them. Its folder has to exist.
      - Without it, accounts that are made stay locked, and one that was made without its grants stays so.
    type: path
  allow_cross_engine:
    description: Try a dump of MySQL in MariaDB or the other way round. What is known to stop it is refused anyway.
    type: bool
    default: false
  progress_file:
    description:
      - File that says once a second how far the load is, as JSON with C(what), C(bytes) and C(total_bytes) of
        the dump's text, C(bytes_per_second) and C(seconds_left). Its folder has to exist.
    type: path
  lock:
    description: Path of the lock file, which the client holds too. The same as that of M(labops.backup.db_dump).
    type: path
    default: /run/labops-backup/dump.lock
  beside:
    description:
      - Schemas to copy beside the live ones, each with the name of the new schema, which must not exist. An earlier try
        that O(record) tells of is replaced. Needs O(scratch); O(schemas) and accounts do not matter then.
    type: dict
    default: {}
  tables:
    description: With O(beside), the tables to copy, as C(schema.table). Empty means all.
    type: list
    elements: str
    default: []
  scratch:
    description: With O(beside), the folder of the private instance. It must not exist, and needs room for the schemas.
    type: path
seealso:
  - module: labops.backup.db_dump
  - module: labops.backup.db_scratch
  - module: labops.backup.db_verify_info
"""

EXAMPLES = r"""
- name: Load two schemas
  labops.backup.db_load:
    directory: /datajoint-db/dumps/20261123T021500Z-3fa9c1
    schemas: [lab_session, lab_imaging]
    record: /var/lib/labops-backup/incident/accounts.json

- name: Bring a table back beside the live one
  labops.backup.db_load:
    directory: /datajoint-db/dumps/20261123T021500Z-3fa9c1
    beside: {lab_session: lab_session_restored_20261123}
    tables: [lab_session.session]
    scratch: /var/lib/labops-backup/scratch

- name: Let people in again
  labops.backup.db_load:
    state: released
    record: /var/lib/labops-backup/incident/accounts.json
"""

RETURN = r"""
dump_set:
  description: Identifier of the dump set.
  returned: when O(state=loaded)
  type: str
  sample: 20261123T021500Z-3fa9c1
schemas:
  description: The schemas that were replaced or made, or would be.
  returned: when O(state=loaded)
  type: list
  elements: str
tables:
  description: Number of their tables.
  returned: when O(state=loaded)
  type: int
rows:
  description: Number of their rows in the dump.
  returned: when O(state=loaded)
  type: int
seconds:
  description: How long everything took, in seconds.
  returned: when O(state=loaded)
  type: float
load_seconds:
  description: How long the client took of that, in seconds.
  returned: when O(state=loaded)
  type: float
accounts:
  description:
    - Accounts and roles by name. C(created) were made, or would be; C(skipped) are left as they are; C(failed) has an
      C(account) and a C(problem) for each statement that failed.
  returned: when O(state=loaded), without O(beside)
  type: dict
  sample: {created: ["anna@%"], skipped: ["root@localhost"], failed: []}
beside:
  description: For each copied schema the C(name) of the new one, its C(tables) and C(rows), and C(seconds).
  returned: with O(beside)
  type: dict
foreign_keys_left_out:
  description: Foreign keys that the copies do not have, as C(schema.table.key).
  returned: with O(beside)
  type: list
  elements: str
defaults_left_out:
  description: Columns of which the copies lack the default, which draws from a sequence, as C(schema.table.column).
  returned: with O(beside)
  type: list
  elements: str
unlocked:
  description: Accounts that were unlocked, or would be.
  returned: when O(state=released)
  type: list
  elements: str
refusals:
  description: What stands against the load, each with a C(rule) that stays the same and a C(text).
  returned: when the server cannot take the dump set
  type: list
  elements: dict
problems:
  description: Where the dump set differs from its manifest.
  returned: when it does
  type: list
  elements: str
free_bytes:
  description: Free space where the private instance would be.
  returned: when it is too little
  type: int
needed_bytes:
  description: What the private instance needs there.
  returned: when it is too much
  type: int
error:
  description: Number of the error that stopped the load.
  returned: when it stopped
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _load
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE, OPERATION
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DATABASE,
    **OPERATION,
    "state": {"type": "str", "choices": ["loaded", "released"], "default": "loaded"},
    "directory": {"type": "path"},
    "schemas": {"type": "list", "elements": "str", "default": []},
    "accounts": {"type": "bool", "default": True},
    "exclude_accounts": {"type": "list", "elements": "str", "default": ["labops_dump"]},
    "record": {"type": "path"},
    "allow_cross_engine": {"type": "bool", "default": False},
    "progress_file": {"type": "path"},
    "lock": {"type": "path", "default": "/run/labops-backup/dump.lock"},
    "beside": {"type": "dict", "default": {}},
    "tables": {"type": "list", "elements": "str", "default": []},
    "scratch": {"type": "path"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    request = _load.request(module.params)
    if module.params["state"] == "released":
        return _load.release(request, apply=not module.check_mode)
    work = _load.load_beside if request.beside else _load.load
    return work(request, apply=not module.check_mode)


def main() -> None:
    run_module(
        ARGUMENT_SPEC,
        _work,
        once=True,
        required_if=[("state", "loaded", ["directory"]), ("state", "released", ["record"])],
    )


if __name__ == "__main__":
    main()
