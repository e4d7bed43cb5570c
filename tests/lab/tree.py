# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a tree completely, one JSON line an entry, so that two trees can be compared: python3 tree.py FOLDER.

Independent of the collection on purpose. An entry has its path, kind, mode, owner, group, size, mtime in
nanoseconds, symlink target, device numbers, extended attributes (POSIX ACLs are among them), sha256, the first path
of its hard links, and whether the file has holes.
"""

import hashlib
import json
import os
import stat
import sys

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
}


def describe(path: bytes, relative: bytes, seen: dict) -> dict:
    status = os.lstat(path)
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    entry = {
        "path": os.fsdecode(relative),
        "kind": kind,
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime_ns": status.st_mtime_ns,
        "xattrs": {
            name: os.getxattr(path, name, follow_symlinks=False).hex()
            for name in sorted(os.listxattr(path, follow_symlinks=False))
        },
    }
    if kind == "file":
        digest = hashlib.sha256()
        with open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        entry["size"] = status.st_size
        entry["sha256"] = digest.hexdigest()
        entry["holes"] = status.st_size >= 1 << 20 and status.st_blocks * 512 < status.st_size // 2
    if kind != "dir" and status.st_nlink > 1:
        entry["linked_to"] = seen.setdefault((status.st_dev, status.st_ino), os.fsdecode(relative))
    if kind == "link":
        entry["target"] = os.fsdecode(os.readlink(path))
    return entry


def walk(root: bytes):
    seen: dict = {}
    pending = [b"."]
    while pending:
        relative = pending.pop()
        path = os.path.join(root, relative)
        yield describe(path, relative, seen)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            pending.extend(os.path.join(relative, name) for name in sorted(os.listdir(path), reverse=True))


for line in walk(os.fsencode(sys.argv[1])):
    print(json.dumps(line, sort_keys=True))
