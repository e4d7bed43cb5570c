# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw data: recordings, and a tree with everything a file system can hold."""

from __future__ import annotations

import grp
import os
import socket
import subprocess
from pathlib import Path

import numpy as np

NOBODY_KNOWS = 54321  # a user and group id without an entry on any host


def recording(path: Path, kilobytes: int, seed: int) -> None:
    """Write one recording: 12 bits of noise in 16, as an amplifier gives it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    left = max(kilobytes, 4) * 512
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        while left:
            count = min(left, 1 << 21)
            generator.integers(-2048, 2048, count, dtype="<i2").tofile(file)
            left -= count
    partial.rename(path)


def many(root: Path, start: int, stop: int) -> None:
    """Write many small files, a thousand a folder, without a call more than needed."""
    for first in range(start - start % 1000, stop, 1000):
        folder = root / f"{first // 1_000_000:03}" / f"{first // 1000 % 1000:03}"
        folder.mkdir(parents=True, exist_ok=True)
        where = os.open(folder, os.O_RDONLY)
        try:
            for number in range(max(first, start), min(first + 1000, stop)):
                file = os.open(f"frame_{number:09}.tif", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=where)
                os.write(file, b"II*\0%d\n" % number * (1 + number % 13))
                os.close(file)
        finally:
            os.close(where)


def _file(path: Path | bytes, content: bytes = b"", mode: int = 0o640) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(file, content)
    os.fchmod(file, mode)
    os.close(file)


def odd(root: Path, group: str) -> None:
    """Write what careless copying loses. Needs root."""
    gid = grp.getgrnam(group).gr_gid
    root.mkdir(parents=True, exist_ok=True)

    names = root / "names"
    names.mkdir(exist_ok=True)
    for name in (
        "spike times (größer) 日本語.txt",
        "mouse 🐭.csv",
        "e\u0301 combining and é composed.txt",
        "line\nbreak.txt",
        "tab\there.txt",
        "back\\slash.txt",
        'it\'s "quoted".txt',
        "-rf",
        " leading and trailing ",
        "percent%41$HOME;#.txt",
        "*[glob]?{a,b}.txt",
        "x" * 250,
    ):
        _file(names / name, name.encode())
    _file(os.fsencode(names) + b"/latin1-\xe9.txt", b"not UTF-8")

    owners = root / "owners and modes"
    owners.mkdir(exist_ok=True)
    for name, uid, owning, mode in (
        ("root only", 0, 0, 0o600),
        ("group", 0, gid, 0o664),
        ("unknown ids", NOBODY_KNOWS, NOBODY_KNOWS, 0o644),
        ("unreadable", NOBODY_KNOWS, gid, 0o000),
        ("read only", 0, gid, 0o444),
        ("program", 0, gid, 0o755),
    ):
        _file(owners / name, name.encode())
        os.chown(owners / name, uid, owning)
        (owners / name).chmod(mode)
    for name, mode in (("drop box", 0o1733), ("shared", 0o2775), ("private", 0o700)):
        (owners / name).mkdir(exist_ok=True)
        os.chown(owners / name, NOBODY_KNOWS, gid)
        (owners / name).chmod(mode)

    extended = root / "extended"
    extended.mkdir(exist_ok=True)
    _file(extended / "acl", b"acl")
    subprocess.run(["setfacl", "-m", f"u:{NOBODY_KNOWS}:rw,g:{gid}:r", extended / "acl"], check=True)
    (extended / "inherits").mkdir(exist_ok=True)
    subprocess.run(["setfacl", "-m", f"d:g:{gid}:rwx,d:u:{NOBODY_KNOWS}:rx", extended / "inherits"], check=True)
    _file(extended / "xattr", b"xattr")
    os.setxattr(extended / "xattr", "user.lab.checksum", b"\x00\x01binary\xff")
    os.setxattr(extended / "xattr", "user.lab.comment", "größer".encode())

    links = root / "links"
    (links / "deeper").mkdir(parents=True, exist_ok=True)
    _file(links / "first name", b"one inode, three names\n")
    for name in ("second name", "deeper/third name"):
        if not (links / name).exists():
            os.link(links / "first name", links / name)
    for name, target in (
        ("relative", "deeper/third name"),
        ("folder", "deeper"),
        ("dangling", "../was/here"),
        ("absolute", str(links / "first name")),
        ("loop", "loop"),
    ):
        if not (links / name).is_symlink():
            (links / name).symlink_to(target)
    os.chown(links / "dangling", NOBODY_KNOWS, gid, follow_symlinks=False)

    kinds = root / "kinds"
    (kinds / "empty" / "empty too").mkdir(parents=True, exist_ok=True)
    _file(kinds / "no bytes")
    if not (kinds / "pipe").exists():
        os.mkfifo(kinds / "pipe", 0o600)
    if not (kinds / "socket").exists():
        # A name of 108 bytes at most: bind where it is.
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(kinds / "socket"))
    with (kinds / "sparse").open("wb") as file:
        for offset in (0, 32 << 20, (64 << 20) - 4096):
            file.seek(offset)
            file.write(b"data".ljust(4096, b"."))

    times = root / "times"
    times.mkdir(exist_ok=True)
    for name, nanoseconds in (
        ("sub-second", 1_600_000_000_123_456_789),
        ("one nanosecond", 1_600_000_000_000_000_001),
        ("last century", 915_148_799_999_000_000),
        ("clock ran ahead", 2_208_988_800_500_000_000),
    ):
        _file(times / name, name.encode())
        os.utime(times / name, ns=(nanoseconds, nanoseconds))
    os.utime(times, ns=(1_500_000_000_987_654_321, 1_500_000_000_987_654_321))
