# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib

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
