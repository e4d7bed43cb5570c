# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a tree of everything that a file system can hold and a backup can trip over; then change it in every way.

usage: awkward.py make FOLDER ENTRIES    ENTRIES: how many files one directory gets
       awkward.py change FOLDER
       awkward.py back FOLDER            what changed its kind is again what it was
"""

import os
import shutil
import socket
import struct
import sys

NAMES = [
    b"new\nline",
    b"-rf",
    b"--delete",
    b" leading and trailing ",
    b'it\'s "quoted" `and` $HOME',
    b"{{ lookup('pipe', 'id') }} {% raw %}",
    b"\x1b[31mred\x1b[0m\x07",
    b"not utf-8 \xff\xfe",
    "smörgåsbord 神経 🧠".encode(),
    b"back\\slash and \\#012 and %41",
    b"*[glob]?",
    b"tab\tand\rreturn",
    b"n" * 255,
    b".hidden",
    b"~",
    b"#hash#",
    b"a.copying",
]


def write(path, content=b"content\n"):
    with open(path, "wb") as stream:
        stream.write(content)


def acl(*entries):
    """A POSIX ACL as the kernel stores it: (tag, permissions, id) each."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, mode, number) for tag, mode, number in entries)


ACCESS = acl((1, 6, 2**32 - 1), (2, 4, 61234), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))


def make(root, entries):
    os.makedirs(root)
    for name in NAMES:
        write(os.path.join(root, name), b"file " + name)
        if len(name) < 200:
            os.makedirs(os.path.join(root, b"dir of " + name))
            write(os.path.join(root, b"dir of " + name, name), name)
    at = os.path.join(root, b"at")
    os.makedirs(at)

    def place(name):
        return os.path.join(at, name)

    write(place(b"one"), b"joined")
    os.link(place(b"one"), place(b"two"))
    os.makedirs(place(b"deeper"))
    os.link(place(b"one"), place(b"deeper/three"))
    os.symlink(b"nowhere", place(b"dangling"))
    os.symlink(b"/etc/passwd", place(b"absolute"))
    os.symlink(b"../at", place(b"up"))
    os.symlink(b"strange\n\xff", place(b"strange link"))
    os.mkfifo(place(b"fifo"))
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(at)
        listener.bind(b"socket")
        os.chdir("/")
    os.makedirs(place(b"empty"))
    with open(place(b"sparse"), "wb") as stream:
        stream.seek(30 << 20)
        stream.write(b"end")
    for name, mode in ((b"nobody may", 0), (b"setuid", 0o4711), (b"writable", 0o666)):
        write(place(name))
        os.chmod(place(name), mode)
    os.makedirs(place(b"setgid"))
    os.chown(place(b"setgid"), 61001, 61002)
    os.chmod(place(b"setgid"), 0o2770)
    os.makedirs(place(b"closed"))
    write(place(b"closed/inside"))
    os.chmod(place(b"closed"), 0)
    write(place(b"foreign"))
    os.chown(place(b"foreign"), 4_000_000_000, 3_999_999_999)
    os.lchown(place(b"dangling"), 61003, 61003)
    write(place(b"with acl"))
    os.setxattr(place(b"with acl"), "system.posix_acl_access", ACCESS)
    write(place(b"with xattr"))
    os.setxattr(place(b"with xattr"), "user.recorded by", b"rig 2\0\xff")
    for name, nanoseconds in ((b"1965", -150_000_000_123_456_789), (b"sub-second", 1_600_000_000_123_456_789)):
        write(place(name))
        os.utime(place(name), ns=(nanoseconds, nanoseconds))
    deep = root
    for _level in range(12):
        deep = os.path.join(deep, b"d" * 200)
        os.makedirs(deep)
    write(os.path.join(deep, b"end of a long path"))
    many = os.path.join(root, b"many")
    os.makedirs(many)
    for number in range(entries):
        write(os.path.join(many, b"%06d" % number), b"%d" % number)
    write(os.path.join(root, b"grows"), b"x" * 100_000)
    write(os.path.join(root, b"same size"), b"before")
    os.makedirs(os.path.join(root, b"was a directory"))
    write(os.path.join(root, b"was a directory", b"inside"))
    write(os.path.join(root, b"was a file"))
    write(os.path.join(root, b"to be renamed"), b"moved " * 10_000)
    write(os.path.join(root, b"to be removed"))
    write(os.path.join(root, b"metadata only"))


def change(root):
    def at(name):
        return os.path.join(root, name)

    with open(at(b"grows"), "ab") as stream:
        stream.write(b"y" * 5000)
    write(at(b"same size"), b"behind")
    shutil.rmtree(at(b"was a directory"))
    write(at(b"was a directory"), b"now a file")
    os.unlink(at(b"was a file"))
    os.makedirs(at(b"was a file/deep"))
    write(at(b"was a file/deep/inside"))
    os.rename(at(b"to be renamed"), at(b"renamed\n\xff"))
    os.unlink(at(b"to be removed"))
    os.chmod(at(b"metadata only"), 0o640)
    os.chown(at(b"metadata only"), 61009, 61009)
    os.setxattr(at(b"metadata only"), "user.note", b"later")
    os.unlink(at(b"at/two"))
    write(at(b"at/two"), b"no longer joined")
    os.unlink(at(b"at/dangling"))
    os.symlink(b"elsewhere", at(b"at/dangling"))
    os.rename(at(b"many"), at(b"many, renamed"))
    write(at(b"{{ new }}"))


def back(root):
    def at(name):
        return os.path.join(root, name)

    with open(at(b"grows"), "ab") as stream:
        stream.write(b"z" * 5000)
    os.unlink(at(b"was a directory"))
    os.makedirs(at(b"was a directory"))
    write(at(b"was a directory/inside"), b"inside again")
    shutil.rmtree(at(b"was a file"))
    write(at(b"was a file"), b"a file again")
    os.rename(at(b"renamed\n\xff"), at(b"to be renamed"))
    write(at(b"to be removed"))
    os.unlink(at(b"at/two"))
    os.link(at(b"at/one"), at(b"at/two"))
    os.unlink(at(b"at/dangling"))
    os.makedirs(at(b"at/dangling/now a folder"))
    os.unlink(at(b"at/fifo"))
    write(at(b"at/fifo"))


if sys.argv[1] == "make":
    make(os.fsencode(sys.argv[2]), int(sys.argv[3]))
else:
    {"change": change, "back": back}[sys.argv[1]](os.fsencode(sys.argv[2]))
