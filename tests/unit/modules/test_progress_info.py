# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _progress
from ansible_collections.labops.backup.plugins.modules import progress_info

RunModule = t.Callable[..., dict[str, t.Any]]


def working(run_module_main: RunModule, folder: pathlib.Path, **how: t.Any) -> list[dict[str, t.Any]]:
    found: list[dict[str, t.Any]] = run_module_main(progress_info, {"directory": str(folder)}, **how)["working"]
    return found


def test_what_works_is_told_and_is_gone_at_its_end(
    run_module_main: RunModule, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "_EVERY_SECONDS", 0.0)
    assert working(run_module_main, tmp_path) == []
    path = tmp_path / "progress" / "tatchu.blobs.json"
    with _progress.Progress(str(path), "pull of tatchu/blobs", 1000, total_files=9) as shown:
        assert [one["bytes"] for one in working(run_module_main, tmp_path)] == [0]
        shown.reached(250, 3)
        (found,) = working(run_module_main, tmp_path)
        told = ("tatchu.blobs", "pull of tatchu/blobs", 250, 1000, 3, 9)
        assert tuple(found[key] for key in ("name", "what", "bytes", "total_bytes", "files", "total_files")) == told
        assert found["bytes_per_second"] > 0 and path.stat().st_mode & 0o777 == 0o600
    assert working(run_module_main, tmp_path) == [] and os.listdir(path.parent) == []


def test_what_died_is_not_told_even_if_its_number_was_given_again(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "operations").mkdir()
    path = tmp_path / "operations" / "x.push.progress"
    _progress.Progress(str(path), "push", 10).reached(1)
    assert len(working(run_module_main, tmp_path)) == 1
    document = json.loads(path.read_text())
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    for process in (f"{ended.pid}.1", f"{os.getpid()}.1", "x", None):
        path.write_text(json.dumps({**document, "process": process}))
        assert working(run_module_main, tmp_path) == []
    path.write_text("{")
    assert working(run_module_main, tmp_path) == []


def test_a_place_that_takes_nothing_stops_no_work(tmp_path: pathlib.Path) -> None:
    (tmp_path / "progress").write_text("a file, not a folder")
    with _progress.Progress(str(tmp_path / "progress" / "x.json"), "pull", 10) as shown:
        shown.reached(5)


def test_check_mode_tells_the_same(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    with _progress.Progress(str(tmp_path / "progress" / "x.json"), "pull", 10):
        assert working(run_module_main, tmp_path, check_mode=True) == working(run_module_main, tmp_path)
