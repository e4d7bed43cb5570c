#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the local account that dumps the database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_account
short_description: Keep the local database account that makes the dumps
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Creates an account of the local MariaDB or MySQL server, sets its password when it does not work, and gives it
    exactly the privileges that are asked for on all schemas. Privileges on single schemas, tables or columns and the
    right to pass privileges on are taken away.
  - Statements go to the client through its standard input, and whether the password works is tried through an options
    file C(0600), so that the password shows in no process list. Messages about a failure hold only the server's error
    number, because the client repeats the failing statement.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._database
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Of the password only whether it works is shown.
  idempotent:
    support: full
options:
  name:
    description: Name of the account.
    type: str
    required: true
  host:
    description: Host of the account. An account that logs in from elsewhere cannot be tried from here.
    type: str
    default: localhost
    choices: [localhost]
  password:
    description: Its password. Control characters are refused.
    type: str
    required: true
  privileges:
    description:
      - Its privileges on all schemas.
      - Without it those that M(labops.backup.db_dump) needs, C(SELECT), C(SHOW VIEW), C(TRIGGER), C(EVENT),
        C(LOCK TABLES), C(RELOAD) and C(PROCESS), on MariaDB also C(EXECUTE), on MySQL 8.0.20 and later also
        C(SHOW_ROUTINE).
      - MariaDB wants C(EXECUTE) for views that call a stored function. Without it the dump tool stops at the first of
        them (error 1370, seen with 10.11.19).
    type: list
    elements: str
seealso:
  - module: labops.backup.db_dump
"""

EXAMPLES = r"""
- name: Create the dump account
  labops.backup.db_account:
    name: labops_dump
    password: "{{ database_dump_password }}"
"""

RETURN = r"""
created:
  description: Whether the account was absent.
  returned: success
  type: bool
password_changed:
  description: Whether the password was set, or would be.
  returned: success
  type: bool
privileges:
  description: The privileges that the account now has on all schemas, or would have.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DATABASE,
    "name": {"type": "str", "required": True},
    "host": {"type": "str", "default": "localhost", "choices": ["localhost"]},
    "password": {"type": "str", "required": True, "no_log": True},
    "privileges": {"type": "list", "elements": "str"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    return _database.keep_account(
        _database.administrator(options["defaults_file"], options["socket"]),
        options["name"],
        options["host"],
        password=options["password"],
        privileges=options["privileges"],
        apply=not module.check_mode,
    )


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
