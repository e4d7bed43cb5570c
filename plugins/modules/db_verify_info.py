#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what a database server holds with what a dump set says it should."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_verify_info
short_description: Compare what the local database server holds with a dump set
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Dumps the chosen schemas once, as M(labops.backup.db_dump) does but to no file. For each table the rows, their
    SHA-256 and the declaration are compared with C(manifest.json), and for each schema its character set and the text
    of its views, triggers, routines and events, and the declaration and next number of its sequences.
  - Looks up every foreign key, also those of other schemas that lead into the chosen ones, and counts rows that point
    at nothing. A load switches the server's own check off, so nobody else would notice.
  - Compares accounts, roles and grants with C(accounts.sql), and looks whether every account exists whose rights a
    view, trigger, routine or event runs with. Whether an account is locked is not compared, and one that is new since
    the dump is no problem. With O(schemas) accounts are not compared.
  - SHA-256 values are compared when the server is of the engine and series of the dump and the manifest has them.
    Otherwise RV(compared) says that rows were only counted.
notes:
  - Equal means equal to the dump. On a server that people have worked with since, differences are no damage; compare
    before the workers start again.
  - It takes as long as a dump. Somebody who creates or drops tables meanwhile makes it fail.
extends_documentation_fragment:
  - labops.backup._attributes.INFO_MODULE
  - labops.backup._database
  - labops.backup._operation
options:
  directory:
    description: Folder of the dump set. Only C(manifest.json) and C(accounts.sql) are read.
    type: path
  manifest:
    description: Its C(manifest.json) alone. Accounts are not compared then.
    type: path
  schemas:
    description: Schemas to compare. Empty means every schema of the dump set.
    type: list
    elements: str
    default: []
  key_tables:
    description:
      - The tables that matter most, as C(schema.table), to be shown one by one in RV(key_tables). An empty list and a
        table that the dump set does not have are failures. Those of schemas that are not chosen are left out.
      - Without it, and for schemas of which it names none, the tables that are filled by hand with their parts, and
        lookup tables that others refer to.
    type: list
    elements: str
  ignore_content:
    description:
      - Patterns of table names, as a shell has them, whose rows are not compared. DataJoint's jobs (C(~jobs), C(~~*))
        differ after M(labops.backup.datajoint_reservations), and C(~log) after the first use.
    type: list
    elements: str
    default: []
  exclude_accounts:
    description: Accounts not to compare, by C(user) or C(user@host).
    type: list
    elements: str
    default: [labops_dump]
  kept_accounts:
    description:
      - Accounts that a load has left as they were, by C(user@host), see RV(labops.backup.db_load#module:accounts). That
        they are others than in the dump is no problem but one of RV(remarks), for people may have changed them since.
    type: list
    elements: str
    default: []
seealso:
  - module: labops.backup.db_load
  - module: labops.backup.datajoint_verify_info
"""

EXAMPLES = r"""
- name: Is the database what it was?
  labops.backup.db_verify_info:
    directory: /datajoint-db/dumps/20261123T021500Z-3fa9c1
    key_tables: [lab_subject.subject, lab_session.session]
  register: database
  failed_when: not database.ok
"""

RETURN = r"""
ok:
  description: Whether nothing differs.
  returned: success
  type: bool
problems:
  description: What differs, at most 200 sentences. None holds data of a row or a password.
  returned: success
  type: list
  elements: str
problems_total:
  description: How many there are.
  returned: success
  type: int
remarks:
  description:
    - What differs or is wrong and is no fault of a load, at most 200 sentences. Accounts of O(kept_accounts) that are
      others than in the dump, and accounts that were missing already when the dump was made although a view, trigger,
      routine or event runs with their rights.
  returned: success
  type: list
  elements: str
compared:
  description: Whether rows were compared by their SHA-256 (V(digests)) or only counted (V(counts)).
  returned: success
  type: str
schemas:
  description: The schemas that were compared.
  returned: success
  type: list
  elements: str
tables_checked:
  description: Number of tables that were read.
  returned: success
  type: int
rows_checked:
  description: Number of rows that were read.
  returned: success
  type: int
foreign_keys_checked:
  description: Number of foreign keys that were followed.
  returned: success
  type: int
dangling_rows:
  description: Number of rows that point at nothing.
  returned: success
  type: int
accounts_checked:
  description: Number of accounts and roles that were compared.
  returned: success
  type: int
key_tables:
  description:
    - For each key table its C(rows), null where it is missing, the C(expected) ones, and C(ok), which is false when the
      content differs too.
  returned: success
  type: dict
  sample: {lab_session.session: {rows: 12, expected: 12, ok: true}}
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _verify_database
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE, OPERATION
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DATABASE,
    **OPERATION,
    "directory": {"type": "path"},
    "manifest": {"type": "path"},
    "schemas": {"type": "list", "elements": "str", "default": []},
    "key_tables": {"type": "list", "elements": "str", "no_log": False},
    "ignore_content": {"type": "list", "elements": "str", "default": []},
    "exclude_accounts": {"type": "list", "elements": "str", "default": ["labops_dump"]},
    "kept_accounts": {"type": "list", "elements": "str", "default": []},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    return _verify_database.verify(_verify_database.request(module.params))


def main() -> None:
    run_module(
        ARGUMENT_SPEC,
        _work,
        mutually_exclusive=[("directory", "manifest")],
        required_one_of=[("directory", "manifest")],
    )


if __name__ == "__main__":
    main()
