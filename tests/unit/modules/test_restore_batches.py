# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list that does not fit is split, and each part still is a list that can be restored by itself."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _path_list
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.modules import restore_batches

RunModule = t.Callable[..., dict[str, t.Any]]
MB = 1 << 20
WANTED = [b".", b"big", b"sub", b"sub/deep", b"sub/deep/b", b"sub/deep/c", b"sub/e", b"sub/link", b"zz"]


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """Four files of one MB, of which two names are one file, two folders and a symbolic link."""
    tree = tmp_path / "tree"
    (tree / "sub" / "deep").mkdir(parents=True)
    for name in ("big", "sub/deep/b", "sub/e"):
        with open(tree / name, "wb") as stream:
            stream.truncate(MB)
    os.link(tree / "big", tree / "zz")
    (tree / "sub" / "deep" / "c").touch()
    os.symlink("e", tree / "sub" / "link")

    def line(name: str) -> bytes:
        tail = _content.tail(os.lstat(tree / name), os.path.basename(name).encode())
        return _content.line(_content.NO_CONTENT, _content.GOOD, tail)

    with _content_manifest.replacing(str(tmp_path / "blobs.content"), 1, dry=False) as writer:
        writer.add([_content.folder_line(b""), *map(line, ("big", "sub", "zz"))])
        writer.add([_content.folder_line(b"sub"), *map(line, ("sub/deep", "sub/e", "sub/link"))])
        writer.add([_content.folder_line(b"sub/deep"), *map(line, ("sub/deep/b", "sub/deep/c"))])
        writer.finish({"files": 5, "bytes": 3 * MB, "others": 1})
    _path_list.write(str(tmp_path / "blobs.restore"), WANTED)
    return {
        "paths_file": str(tmp_path / "blobs.restore"),
        "manifest": str(tmp_path / "blobs.content"),
        "room": str(tmp_path),
        "directory": str(tmp_path / "lists"),
    }


def parts(result: dict[str, t.Any]) -> list[list[bytes]]:
    return [_path_list.read([batch["paths_file"]]) for batch in result["batches"]]


def test_what_fits_stays_one_list(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    result = run_module_main(restore_batches, options)
    assert len(result["batches"]) == 1
    assert parts(result) == [_path_list.read([options["paths_file"]])]


def test_parts_hold_everything_once_and_the_folders_come_last(
    run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    result = run_module_main(restore_batches, {**options, "limit_bytes": MB + 10 * 4096})
    found = parts(result)
    assert set(found[0]) == {b".", b"big", b"zz"}, "two names of one file stay together"
    assert found[-1] == [b".", b"sub", b"sub/deep"]
    files = [path for part in found[:-1] for path in part if path not in found[-1]]
    assert sorted(files) == sorted({*WANTED} - {*found[-1]})
    assert all(batch["bytes"] <= MB + 10 * 4096 for batch in result["batches"])
    for part in found:
        assert all(os.path.dirname(path) in {*part, b""} for path in part if path != b"."), "with the folders above"


def test_one_file_larger_than_the_limit_gets_a_part_of_its_own(
    run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    found = parts(run_module_main(restore_batches, {**options, "limit_bytes": 4096}))
    assert sum(b"sub/deep/b" in part for part in found) == 1


def test_a_file_for_which_there_is_no_room_at_all(
    run_module_main: RunModule, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(options["room"])
    small = os.statvfs_result((real.f_bsize, 1, 0, 0, 0, *tuple(real)[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _path: small)
    result = run_module_main(restore_batches, options)
    assert result["failed"] and "'big' has 1048576 bytes" in result["msg"] and "restore_staging" in result["msg"]


def test_a_path_of_another_point(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    _path_list.write(options["paths_file"], [b"nobody"])
    assert "does not know 'nobody'" in run_module_main(restore_batches, options)["msg"]


def test_check_mode_writes_no_list(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    result = run_module_main(restore_batches, options, check_mode=True)
    assert result["batches"][0]["files"] == 6 and not os.path.exists(options["directory"])
