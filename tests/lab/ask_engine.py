# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load an extracted dump set into an empty MariaDB or MySQL of its own and ask that engine, without any code of ours.

usage: ask_engine.py DUMP_SET STORES    STORES: {"store": ["folder of its files", [2, 2]]} as JSON

Prints {"rows": {schema: {table: rows}}, "checksums": {schema.table: what CHECKSUM TABLE says}, "files": number,
"wrong": [what is not where DataJoint would look for it]}.
"""

import json
import os
import shutil
import subprocess
import sys
import time

ENGINE = "/var/tmp/lab-engine"
SOCKET = "/tmp/lab-engine.sock"
IS_MARIADB = shutil.which("mariadbd") is not None
SERVER = "mariadbd" if IS_MARIADB else "mysqld"
CLIENT = ["mariadb" if IS_MARIADB else "mysql", f"--socket={SOCKET}", "-u", "root", "--default-character-set=utf8mb4"]


def ask(sql):
    answer = subprocess.run([*CLIENT, "-N", "-r", "-e", sql], check=True, capture_output=True).stdout.decode()
    return [line.split("\t") for line in answer.splitlines()]


dump_set, stores = sys.argv[1], json.loads(sys.argv[2])
subprocess.run(["rm", "-rf", ENGINE], check=True)
os.mkdir(ENGINE)
if IS_MARIADB:
    make = ["mariadb-install-db", f"--datadir={ENGINE}", "--user=root", "--auth-root-authentication-method=normal"]
else:
    make = ["mysqld", f"--datadir={ENGINE}", "--user=root", "--initialize-insecure"]
subprocess.run(make, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
engine = subprocess.Popen(
    [
        SERVER,
        f"--datadir={ENGINE}",
        "--user=root",
        "--skip-networking",
        f"--socket={SOCKET}",
        "--pid-file=/tmp/lab-engine.pid",
        "--character-set-server=utf8mb4",
        # Its folder for exports is in no package of the programs alone.
        *([] if IS_MARIADB else ["--secure-file-priv=NULL", "--mysqlx=OFF"]),
    ],
    stderr=subprocess.DEVNULL,
)
try:
    for _attempt in range(150):
        if subprocess.run([*CLIENT, "-e", "SELECT 1"], capture_output=True).returncode == 0:
            break
        time.sleep(0.2)
    with open(f"{dump_set}/databases.sql", "rb") as dump:
        subprocess.run(CLIENT, stdin=dump, check=True)
    tables = ask(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        " AND table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"
    )
    rows = {}
    for schema, table in tables:
        rows.setdefault(schema, {})[table] = int(ask(f"SELECT COUNT(*) FROM `{schema}`.`{table}`")[0][0])
    names = ", ".join(f"`{schema}`.`{table}`" for schema, table in tables)
    checksums = dict(ask(f"CHECKSUM TABLE {names}"))
    files, wrong = 0, []
    for schema, table in tables:
        if not table.startswith("~external_"):
            continue
        folder, folds = stores[table.removeprefix("~external_")]
        for digest, size, attachment, filepath in ask(
            "SELECT LOWER(HEX(hash)), size, IFNULL(attachment_name, ''), IFNULL(filepath, '')"
            f" FROM `{schema}`.`{table}`"
        ):
            path, start = schema, 0
            for width in folds:
                path, start = f"{path}/{digest[start : start + width]}", start + width
            path = filepath or f"{path}/{digest}" + (f".{attachment}" if attachment else "")
            files += 1
            try:
                if os.stat(f"{folder}/{path}").st_size != int(size):
                    wrong.append(f"{folder}/{path}: another size")
            except FileNotFoundError:
                wrong.append(f"{folder}/{path}: missing")
finally:
    engine.terminate()
    engine.wait()
print(json.dumps({"rows": rows, "checksums": checksums, "files": files, "wrong": wrong}))
