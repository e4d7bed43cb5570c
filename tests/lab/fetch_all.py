# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch every row, blob, attachment and raw file of the lab's schemas with DataJoint's own client; run on tatchu.

Prints {"rows": {schema.table: rows fetched}, "jobs": rows reserved in a ~jobs table} as JSON; fails with DataJoint's
own error at the first thing that cannot be fetched.
"""

import json
import sys
import tempfile

sys.path.insert(0, "/opt/lab-pipeline")
from pipeline import settings

settings.load("/etc/lab-pipeline/admin.json")
import datajoint as dj  # noqa: E402 - reads its configuration when it is imported
from datajoint.user_tables import UserTable  # noqa: E402

connection = dj.conn()
schemas = [
    name
    for (name,) in connection.query(
        "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_schema LIKE 'lab\\_%%'"
        " AND table_name = '~log' ORDER BY 1"
    ).fetchall()
]
rows, reserved = {}, 0
with tempfile.TemporaryDirectory() as folder:
    for name in schemas:
        module = dj.VirtualModule(name, name)
        found = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, UserTable)]
        found += [
            part
            for one in found
            for part in vars(one).values()
            if isinstance(part, type) and issubclass(part, UserTable) and part is not one
        ]
        for table in found:
            rows[f"{name}.{table.table_name}"] = len(table.fetch(as_dict=True, download_path=folder))
        if "~jobs" in {one for (one,) in connection.query(f"SHOW TABLES FROM `{name}`").fetchall()}:
            answer = connection.query(f"SELECT COUNT(*) FROM `{name}`.`~jobs` WHERE status = 'reserved'")
            reserved += answer.fetchone()[0]
print(json.dumps({"rows": rows, "jobs": reserved}))
