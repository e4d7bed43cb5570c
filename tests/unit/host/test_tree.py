# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _tree


def test_everything_but_directories_counts_and_shared_content_once(tmp_path: pathlib.Path) -> None:
    (tmp_path / "sub" / "empty").mkdir(parents=True)
    (tmp_path / "a").write_bytes(b"12345")
    os.link(tmp_path / "a", tmp_path / "sub" / "b")
    os.symlink("sub", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    with open(os.fsencode(tmp_path) + b"/bad\xff", "wb") as stream:
        stream.write(b"1")
    assert (_tree.count(str(tmp_path)), _tree.measure(str(tmp_path))) == (5, (5, 5 + 3 + 1))


def test_the_file_system_of_what_is_not_there_is_that_of_what_would_hold_it(tmp_path: pathlib.Path) -> None:
    found = _tree.file_system(str(tmp_path / "not" / "there"))
    assert pathlib.Path(found["mount_point"]).is_mount() and str(tmp_path).startswith(found["mount_point"])
    assert found["free_bytes"] > 0 and found["free_files"] >= 0


def test_what_is_mounted_below_a_folder_is_read_whatever_it_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    table = tmp_path / "mounts"
    points = (data, data / "old\\040disk", data / "x\\134055y\\011", data / "b/c", f"{data}2/d", "/", "/proc")
    table.write_text("".join(f"/dev/x {point} ext4 rw 0 0\n" for point in points))
    monkeypatch.setattr(_tree, "_MOUNTS", str(table))
    assert _tree.mounts_below(str(tmp_path / "link")) == [b"b/c", b"old disk", b"x\\055y\t"]
    assert b"proc" in _tree.mounts_below("/")
