# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one small tree as it always is, so that the scenario can run again on a lab that is up: trees.py FOLDER NAME.

30 files of 100 bytes; in the one named "store" the blobs of a DataJoint 0.x store, whose names tell their content. A
marker stays when it is the tree's own.
"""

import hashlib
import os
import shutil
import sys

MARKER = ".labops-backup-dataset"
THEN = 1_750_000_000

folder, name = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
for found in os.scandir(folder):
    if found.is_dir(follow_symlinks=False):
        shutil.rmtree(found.path)
        continue
    if found.name == MARKER:
        with open(found.path) as stream:
            if f'"dataset": "{name}"' in stream.read():
                continue
    os.unlink(found.path)
for number in range(30):
    content = (f"file {number:02} of {name}\n" * 20)[:100].encode()
    path = f"f{number:02}"
    if name == "store":
        digest = hashlib.md5(content).hexdigest()
        path = f"lab_guarded/{digest[:2]}/{digest[2:4]}/{digest}"
    path = os.path.join(folder, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(content)
    os.utime(path, (THEN, THEN))
