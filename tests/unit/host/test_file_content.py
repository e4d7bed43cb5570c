# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _file_content

CONTENT = b"x" * 3_000_000


def test_a_file_of_many_names_is_read_once(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    for name in ("b", "c"):
        os.link(tmp_path / "a", tmp_path / name)
    folder = os.open(tmp_path, os.O_RDONLY)
    contents = _file_content.Contents()
    expected = hashlib.sha256(CONTENT).hexdigest().encode()
    for name in (b"a", b"b", b"c"):
        assert contents.digests(folder, name, os.lstat(tmp_path / os.fsdecode(name))) == (expected, b"")
    assert (contents.files, contents.bytes) == (1, len(CONTENT))
    salted = contents.digests(folder, b"a", os.lstat(tmp_path / "a"), b"name\0")
    assert salted == (expected, hashlib.md5(b"name\0" + CONTENT).digest())
    assert contents.files == 2
    os.close(folder)


def test_a_file_that_is_another_one_than_was_seen_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    status = os.lstat(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"22")
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(_file_content.ChangedWhileReadError):
        _file_content.Contents().digests(folder, b"a", status)
    os.close(folder)
