# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import time
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _activity


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "tree"
    (root / "a" / "b").mkdir(parents=True)
    for name in ("a/one", "a/b/two", "a/b/three\udcff"):
        (root / name).write_text("x")
    time.sleep(0.05)  # the kernel's own clock for files is coarse
    return root


def _keep_times(root: pathlib.Path) -> None:
    path = root / "a" / "b" / "two"
    before = path.stat()
    path.write_text("y")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        _keep_times,
        lambda root: (root / "a" / "b" / "new").touch(),
        lambda root: (root / "a" / "one").unlink(),
        lambda root: (root / "a" / "b" / "two").chmod(0o600),
        lambda root: (root / "a" / "b").rename(root / "c"),
        lambda root: os.link(root / "a" / "one", root / "a" / "b" / "link"),
    ],
)
def test_every_change_is_newer(tree: pathlib.Path, change: t.Callable[[pathlib.Path], t.Any]) -> None:
    before, _path = _activity.newest(str(tree))
    assert _activity.newest(str(tree), after=before)[0] == before
    change(tree)
    later, path = _activity.newest(str(tree), after=before)
    assert later > before
    assert path.startswith(str(tree))


def test_what_is_not_there_is_quiet_until_it_comes(tmp_path: pathlib.Path) -> None:
    assert _activity.newest(str(tmp_path / "gone")) == (0, "")
    assert _activity.newest(str(tmp_path), after=0)[1] == str(tmp_path)


def test_no_link_is_followed_out_of_the_tree(tree: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tree / "out").symlink_to(tmp_path)
    before, _path = _activity.newest(str(tree))
    time.sleep(0.05)
    (tmp_path / "beside").touch()
    assert _activity.newest(str(tree), after=before)[0] == before
