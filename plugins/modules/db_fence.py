#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let nobody but a restore write to the database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_fence
short_description: Let nobody but a restore write to the database
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Puts a fence around the local MariaDB or MySQL server, or takes it down. While it is up the server is C(read_only),
    runs no events, the accounts are locked and their sessions ended; C(root@localhost) writes on, so that a restore
    can.
  - A file among the server's own configuration keeps C(read_only) and the events' rest over a restart. With the server
    down that file is the fence, with C(skip_networking) in it, and it holds before the first start of the server. Once
    the server is up the module is to be run again, to lock accounts.
  - What the server reads after that file and says otherwise is among RV(problems), whichever group of the option files
    it stands in, and so is what MySQL keeps by C(SET PERSIST). Options on the server's command line are not looked at.
  - How everything was before is written into O(record), durably, before anything is changed, and is never overwritten.
    An interrupted run is finished by running the module again, in either direction.
  - With O(state=fenced) the accounts that get around C(read_only) (C(SUPER), C(READ_ONLY ADMIN) and the like) are
    named, and locked even when O(accounts) does not name them.
  - MariaDB locks no account before 10.4.2, MySQL before 5.7.6; such a server is refused.
  - C(KILL) and C(ACCOUNT LOCK) are both needed, a locked account's open session writes on (seen with MariaDB 10.11).
    Sessions are ended before C(read_only) is set, since that waits for commits that are under way.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._database
attributes:
  check_mode:
    support: full
    details: RV(holds) then says whether the fence holds at this moment.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description: Whether the fence is to be up.
    type: str
    choices: [fenced, released]
    default: fenced
  record:
    description: Where it is written down how everything was before; the folder is made. It exists as long as the fence.
    type: path
    required: true
  accounts:
    description:
      - The accounts to lock, each as C(user@host). Without any, all but C(root@localhost), the server's own, the one
        that the module logs in with, and O(keep_accounts).
      - Then only the sessions of these are ended; all others cannot write either, for the server is C(read_only).
    type: list
    elements: str
    default: []
  keep_accounts:
    description: Accounts that are not to be locked, each as C(user@host), such as the one that makes the dumps.
    type: list
    elements: str
    default: []
  drop_in:
    description:
      - The file for the server's configuration, in a folder that the server reads, with a name that sorts last.
      - Without it C(zz-labops-fence.cnf) in the first that exists of C(/etc/mysql/mariadb.conf.d), C(/etc/my.cnf.d) and
        C(/etc/mysql/conf.d) with MariaDB, and of C(/etc/mysql/mysql.conf.d), C(/etc/mysql/conf.d) and C(/etc/my.cnf.d)
        with MySQL.
    type: path
  unit:
    description:
      - The systemd unit of the server. It is restarted at the release when the server was started without network.
      - Without it the one of C(mariadb.service), C(mysql.service) and C(mysqld.service) that is active.
    type: str
  wait_seconds:
    description: How long to wait for sessions to end, twice. An ended transaction is rolled back first.
    type: float
    default: 30
seealso:
  - module: labops.backup.writer_fence
  - module: labops.backup.write_activity_info
"""

EXAMPLES = r"""
- name: Let nobody write to the database
  labops.backup.db_fence:
    record: /var/lib/labops-backup/incident/database.json
    keep_accounts: [labops_dump@localhost]
  register: fence

- name: Take the fence down
  labops.backup.db_fence:
    state: released
    record: /var/lib/labops-backup/incident/database.json
"""

RETURN = r"""
holds:
  description: Whether the fence is up with nothing in RV(problems).
  returned: success
  type: bool
server:
  description: Whether the server answers. V(unknown) at a release of what is not fenced, where it is not asked.
  returned: success
  type: str
  sample: up
drop_in:
  description: The file in the server's configuration.
  returned: success
  type: str
engine:
  description: V(mariadb) or V(mysql), null when the server never answered.
  returned: O(state=fenced)
  type: str
since:
  description: When the fence was put up, null when it is not (check mode).
  returned: O(state=fenced)
  type: str
locked:
  description: The accounts that the fence keeps locked, or would, those that were locked before included.
  returned: O(state=fenced)
  type: list
  elements: str
kept:
  description: The accounts that can log in.
  returned: O(state=fenced)
  type: list
  elements: str
killed:
  description: How many sessions this run ended.
  returned: O(state=fenced)
  type: int
bypassing:
  description: The accounts and roles that write although the server is C(read_only), C(root@localhost) included.
  returned: O(state=fenced)
  type: list
  elements: str
  sample: [mysql@localhost, root@localhost]
sessions:
  description: Who else is connected and was left so, C(user@host).
  returned: O(state=fenced)
  type: list
  elements: str
problems:
  description: Why the fence does not hold.
  returned: O(state=fenced)
  type: list
  elements: str
unlocked:
  description: The accounts that were unlocked, or would be.
  returned: O(state=released)
  type: list
  elements: str
gone:
  description: Accounts of the record that the server no longer has.
  returned: O(state=released)
  type: list
  elements: str
left_locked:
  description: Accounts that are locked and were made while the fence was up, so that nobody knows a former state.
  returned: O(state=released)
  type: list
  elements: str
restarted:
  description: Whether the server was restarted to get its network back.
  returned: O(state=released)
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _fence_database
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DATABASE,
    "state": {"type": "str", "choices": ["fenced", "released"], "default": "fenced"},
    "record": {"type": "path", "required": True},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "keep_accounts": {"type": "list", "elements": "str", "default": []},
    "drop_in": {"type": "path"},
    "unit": {"type": "str"},
    "wait_seconds": {"type": "float", "default": 30},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    request = _fence_database.request(module.params)
    work = _fence_database.fence if module.params["state"] == "fenced" else _fence_database.release
    return work(request, dry_run=module.check_mode)


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
