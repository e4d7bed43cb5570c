#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one dump set of the local database server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: db_dump
short_description: Dump all schemas of the local database server as one proven dump set
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Dumps all schemas of users in one invocation of C(mariadb-dump) or C(mysqldump), which is one snapshot, and users,
    roles and grants beside them. Rows are ordered by primary key and binary values are hexadecimal, so that the dump
    of an unchanged server is the same byte by byte and an archive deduplicates it.
  - While the text streams to disk it is hashed and parsed. The rows of each table, the trailer and the references to
    files of DataJoint's external stores come from the text itself, so they agree with the dump by construction.
  - A dump counts only when proven. The exit code is zero, the trailer is there, no INSERT is cut, and the tables in the
    text are those that the server lists before and after. When tables were created or dropped meanwhile, the whole dump
    is taken again.
  - The set is made aside, every file is flushed to disk, C(manifest.json) is written last and one rename publishes it.
    A failure leaves nothing behind and touches no older set.
  - Only one dump runs at a time. It is refused when the file system has less free space than 1.2 times the last set.
  - A set is the folder C(ID/) with C(databases.sql), C(accounts.sql), C(references.jsonl), C(source_facts.json) and
    C(manifest.json), all readable by root only. C(accounts.sql) holds the hashes of passwords.
notes:
  - A view that refers to something that is gone would stop the dump tool. It is left out, with a warning.
  - The dump account needs C(SELECT), C(SHOW VIEW), C(TRIGGER), C(EVENT), C(LOCK TABLES), C(RELOAD) and C(PROCESS) on
    all schemas, on MariaDB also C(EXECUTE), on MySQL 8.0.20 and later also C(SHOW_ROUTINE).
    See M(labops.backup.db_account).
  - C(mariadb-dump) 10.11 cannot dump a schema whose name holds a single quote when it dumps events (error 1049). The
    module then fails; exclude or rename such a schema.
  - System-versioned tables of MariaDB come with their former rows (C(--dump-history)), which the row counts of the
    manifest include, when server and dump tool are 10.11 or later and no table has transaction-precise history (the
    tool stops at such a table, seen with 10.11.19). Otherwise only the rows that are valid come, with a warning.
    Where a row is valid for ever is written as the last moment of a timestamp, which MariaDB 11.5 has moved; see there
    for C(--update-history) before loading such a dump into a later version.
  - A schema, table or view with a line feed in its name is refused.
  - An event whose text holds two semicolons side by side is refused, for the dump tools would never end (seen with
    MariaDB 10.11.19).
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._database
  - labops.backup._facts
  - labops.backup._operation
attributes:
  check_mode:
    support: full
    details: Logs in and lists the schemas, but writes nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Every run makes a new dump set.
options:
  directory:
    description: The dump directory, which holds the dump sets. It has to exist.
    type: path
    required: true
  schemas:
    description: Schemas to dump. Empty means every schema but those of the server itself.
    type: list
    elements: str
    default: []
  exclude_schemas:
    description: Schemas to leave out.
    type: list
    elements: str
    default: []
  datajoint_stores:
    description:
      - Absolute path of each DataJoint store on this host, by its name.
      - A store that is not named here is looked for in the datasets, by looking where its tracked files really lie.
        What cannot be found is a warning in the manifest and its references are unresolved.
    type: dict
    default: {}
  keep:
    description: How many finished dump sets stay. Older ones are removed after a new one is published. At least 2.
    type: int
    default: 2
  attempts:
    description: How often the dump is taken at most when tables are created, changed or dropped meanwhile.
    type: int
    default: 3
  retry_wait:
    description: Seconds between two attempts.
    type: float
    default: 5
  stall_seconds:
    description:
      - End the dump tool or client when it has said nothing for so many seconds; V(0) for never. It waits so long
        behind somebody who changes the declaration of a table. This limits standstill, not duration.
    type: int
    default: 3600
  lock:
    description: Path of the lock file, which the dump tool holds too.
    type: path
    default: /run/labops-backup/dump.lock
  hold:
    description: The document of a hold, see M(labops.backup.backup_hold). While it exists the module refuses to work.
    type: path
seealso:
  - module: labops.backup.db_account
  - module: labops.backup.db_dump_info
"""

EXAMPLES = r"""
- name: Make a dump set
  labops.backup.db_dump:
    directory: /datajoint-db/dumps
    defaults_file: /etc/labops-backup/database.cnf
    datajoint_stores:
      ephys: /datajoint-db/blobs/ephys
    datasets:
      - {name: database, path: /datajoint-db/dumps}
      - {name: blobs, path: /datajoint-db/blobs}
      - {name: data, path: /datajoint-data}
"""

RETURN = r"""
dump_set:
  description: Identifier of the new dump set, null in check mode.
  returned: success
  type: str
  sample: 20261123T021500Z-3fa9c1
path:
  description: Its folder, null in check mode.
  returned: success
  type: str
manifest:
  description:
    - The manifest in a few numbers. In check mode only C(engine), C(version) and C(schemas).
    - C(references) counts the external files that the dump refers to, their C(bytes), those that a row C(used) and
      those whose place is C(unresolved).
  returned: success
  type: dict
  sample:
    engine: mariadb
    version: 10.11.19-MariaDB-0+deb12u1
    started: "2026-11-23T02:15:00Z"
    finished: "2026-11-23T02:15:07Z"
    seconds: 7.4
    schemas: [lab_core, lab_imaging]
    tables: 18
    rows: 8731
    bytes: 3870000
    references: {files: 3700, bytes: 7300000, used: 3685, unresolved: 0, unreadable: 0}
warnings_found:
  description: What the manifest warns of, for example tables that are not transactional or unknown stores.
  returned: success
  type: list
  elements: str
removed:
  description: Identifiers of older dump sets that were removed, or would be.
  returned: success
  type: list
  elements: str
leftovers:
  description: Names of unfinished dump sets of dead runs that were removed.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _dump
from ansible_collections.labops.backup.plugins.module_utils._arguments import DATABASE, FACTS, OPERATION
from ansible_collections.labops.backup.plugins.module_utils._host import _hold
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    **DATABASE,
    **FACTS,
    **OPERATION,
    "directory": {"type": "path", "required": True},
    "schemas": {"type": "list", "elements": "str", "default": []},
    "exclude_schemas": {"type": "list", "elements": "str", "default": []},
    "datajoint_stores": {"type": "dict", "default": {}},
    "keep": {"type": "int", "default": 2},
    "attempts": {"type": "int", "default": 3},
    "retry_wait": {"type": "float", "default": 5},
    "stall_seconds": {"type": "int", "default": 3600},
    "lock": {"type": "path", "default": "/run/labops-backup/dump.lock"},
    "hold": {"type": "path"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    request = _dump.request(module.params)
    return _dump.predict(request) if module.check_mode else _dump.dump(request)


def main() -> None:
    run_module(ARGUMENT_SPEC, _hold.respecting(_work), once=True)


if __name__ == "__main__":
    main()
