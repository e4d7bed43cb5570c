# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Processes of this host by /proc: which run, and which have files open for writing."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass

_PROC = "/proc"
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Process:
    """A process.

    :param arguments: its command line.
    """

    pid: int
    name: str
    arguments: tuple[str, ...]


def running() -> t.Iterator[Process]:
    """The processes of this host, without those of containers and without this one."""
    ours = _namespace("self")
    for entry in sorted(os.listdir(_PROC)):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile
            if _namespace(entry) != ours:
                continue
            yield Process(int(entry), _text(entry, "comm").strip(), tuple(_text(entry, "cmdline").split("\0")[:-1]))


def _namespace(entry: str) -> str:
    return os.readlink(f"{_PROC}/{entry}/ns/pid")


def _text(entry: str, name: str) -> str:
    with open(f"{_PROC}/{entry}/{name}", "rb") as stream:
        return os.fsdecode(stream.read())


def writers(roots: t.Sequence[str]) -> list[tuple[Process, str]]:
    """Processes that have a file below one of the roots open for writing, or mapped so, each with one such file."""
    places = [os.path.realpath(root) for root in roots]
    found = []
    for process in running():
        with contextlib.suppress(OSError):
            path = next(_open_for_writing(process.pid, places), None)
            if path is not None:
                found.append((process, path))
    return found


def _open_for_writing(pid: int, places: t.Sequence[str]) -> t.Iterator[str]:
    folder = f"{_PROC}/{pid}"
    for descriptor in os.listdir(f"{folder}/fd"):
        with contextlib.suppress(OSError):
            path = os.readlink(f"{folder}/fd/{descriptor}")
            if _below(path, places) and _flags(folder, descriptor) & _ACCESS != os.O_RDONLY:
                yield path
    with open(f"{folder}/maps", "rb") as stream:
        for line in stream:
            fields = line.rstrip(b"\n").split(None, 5)
            if len(fields) == 6 and fields[1][1:2] == b"w" and fields[1][3:4] == b"s":
                path = os.fsdecode(fields[5])
                if _below(path, places):
                    yield path


def _flags(folder: str, descriptor: str) -> int:
    with open(f"{folder}/fdinfo/{descriptor}", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("flags:"):
                return int(line.split()[1], 8)
    return os.O_RDONLY


def _below(path: str, places: t.Sequence[str]) -> bool:
    return any(path == place or path.startswith(f"{place.rstrip('/')}/") for place in places)
