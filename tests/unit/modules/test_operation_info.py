# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who goes on with a restore waits for what the one before has begun."""

from __future__ import annotations

import fcntl
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.modules import operation_info

RunModule = t.Callable[..., dict[str, t.Any]]
NAME = "20261124T081500Z-4d2a10.blobs.push"


@pytest.mark.parametrize("check_mode", [False, True])
def test_check_mode_or_not_nothing_is_left(
    run_module_main: RunModule, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    (tmp_path / f"{NAME}.lock").touch()
    options = {"operations": str(tmp_path / "20261124T081500Z-4d2a10."), "locks": [str(tmp_path / "none")]}
    result = run_module_main(operation_info, options, check_mode=check_mode)
    assert (result["changed"], result["waited_for"]) == (False, [])


def test_what_runs_is_named_with_its_progress(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    _document.write(str(tmp_path / f"{NAME}.progress"), {"bytes": 5, "total_bytes": 10})
    options = {"operations": str(tmp_path / "20261124T081500Z-4d2a10."), "operation_wait": 0.1}
    with open(tmp_path / f"{NAME}.lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        result = run_module_main(operation_info, options)
    assert result["unfinished"] and result["waited_for"] == [str(tmp_path / NAME)]
    assert (result["progress"]["what"], result["progress"]["bytes"]) == (NAME, 5)


def test_a_program_left_behind_is_named_by_its_lock(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    lock = tmp_path / "blobs.lock"
    options = {"operations": str(tmp_path / "x."), "locks": [str(lock)], "operation_wait": 0.1}
    with open(lock, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        result = run_module_main(operation_info, options)
    assert result["unfinished"] and result["waited_for"] == [str(lock)]
