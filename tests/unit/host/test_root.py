# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import os
import pathlib
import types

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _root


@pytest.fixture
def root(tmp_path: pathlib.Path) -> _root.Root:
    disk = tmp_path / "backup"
    disk.mkdir()
    for path in (disk / _root.NAME, tmp_path / "backup-root.json"):
        path.write_text('{"schema_version": 1, "id": "ab"}')
    return _root.Root(str(disk), str(tmp_path / "backup-root.json"), 1000, 2.0)


def refusal(root: _root.Root) -> str:
    with pytest.raises(BackupError) as caught:
        _root.check(root)
    assert caught.value.facts == {"kind": "root"}
    assert "Nothing was changed" in caught.value.message
    return caught.value.message


def test_the_file_system_that_was_provisioned_is_believed(root: _root.Root) -> None:
    _root.check(root)


def test_a_disk_that_is_not_mounted_is_refused(root: _root.Root) -> None:
    os.unlink(os.path.join(root.path, _root.NAME))
    assert f"Mount the disk that holds {root.path}" in refusal(root)
    os.rmdir(root.path)
    assert "is not mounted, or was never provisioned" in refusal(root)


def test_another_disk_is_refused(root: _root.Root) -> None:
    pathlib.Path(root.path, _root.NAME).write_text('{"schema_version": 1, "id": "cd"}')
    assert "is not the file system that was provisioned: its .labops-backup-root says cd" in refusal(root)


@pytest.mark.parametrize("content", ['{"schema_version": 1}', '{"schema_version": 1, "id": ""}'])
def test_a_document_without_identifier_is_refused(root: _root.Root, content: str) -> None:
    pathlib.Path(root.document).write_text(content)
    assert "holds no identifier" in refusal(root)


def statistics(monkeypatch: pytest.MonkeyPatch, *, free: int, inodes: int = 0, free_inodes: int = 0) -> None:
    given = types.SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=100_000, f_files=inodes, f_favail=free_inodes)
    monkeypatch.setattr(_root.os, "statvfs", lambda _path: given)


@pytest.mark.parametrize(
    ("free", "size", "reserve", "fits"),
    [(7000, 5000, 1000, True), (6999, 5000, 1000, False), (8000, 5000, 3000, True), (7999, 5000, 3000, False)],
)
def test_the_larger_reserve_stays_free(
    root: _root.Root, monkeypatch: pytest.MonkeyPatch, free: int, size: int, reserve: int, fits: bool
) -> None:
    statistics(monkeypatch, free=free)
    root = dataclasses.replace(root, reserve_bytes=reserve)
    if fits:
        _root.require_space(root, size=size, files=3)
        return
    with pytest.raises(BackupError) as caught:
        _root.require_space(root, size=size, files=3)
    assert caught.value.facts == {"free_bytes": free, "needed_bytes": free + 1, "kind": "space"}
    assert "The mirror was not changed. Free space on the file system" in caught.value.message


def test_a_file_system_that_takes_no_more_files_is_refused(root: _root.Root, monkeypatch: pytest.MonkeyPatch) -> None:
    statistics(monkeypatch, free=10**9, inodes=1000, free_inodes=2)
    _root.require_space(root, size=1, files=2)
    with pytest.raises(BackupError, match="takes 2 more files; the pull would create 3"):
        _root.require_space(root, size=1, files=3)
    statistics(monkeypatch, free=10**9)  # a file system without a fixed number of them
    _root.require_space(root, size=1, files=3)
