# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _process

OPENERS = {
    "appends": "stream = open(sys.argv[1], 'ab')",
    "reads": "stream = open(sys.argv[1], 'rb')",
    "maps": "stream = open(sys.argv[1], 'r+b'); area = mmap.mmap(stream.fileno(), 0); stream.close()",
    "maps for itself": "stream = open(sys.argv[1], 'rb'); area = mmap.mmap(stream.fileno(), 0, mmap.MAP_PRIVATE)",
}


@pytest.fixture(params=list(OPENERS))
def opener(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> t.Iterator[tuple[str, int, pathlib.Path]]:
    path = tmp_path / "tree" / "a file\udcff"
    path.parent.mkdir()
    path.write_bytes(b"x" * 8192)
    code = f"import mmap, sys; {OPENERS[request.param]}; print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, os.fspath(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        yield request.param, process.pid, path
        process.stdin.close()


def test_who_can_write_is_found(opener: tuple[str, int, pathlib.Path]) -> None:
    how, pid, path = opener
    found = [(process.pid, where) for process, where in _process.writers([os.fspath(path.parent)])]
    assert found == ([(pid, os.fspath(path))] if how in ("appends", "maps") else [])
    assert _process.writers([f"{path.parent}-other"]) == []


def test_the_processes_of_this_host_have_names_and_words(opener: tuple[str, int, pathlib.Path]) -> None:
    _how, pid, path = opener
    (process,) = (one for one in _process.running() if one.pid == pid)
    assert (process.name[:6], process.arguments[-1]) == ("python", os.fspath(path))
    assert os.getpid() not in [one.pid for one in _process.running()]
