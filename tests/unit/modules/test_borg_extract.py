# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of Borg, and what its failures mean; tests/unit/tools/test_extract_real.py extracts."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _ledger
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg
from ansible_collections.labops.backup.plugins.modules import borg_extract

RunModule = t.Callable[..., dict[str, t.Any]]
ARCHIVE = "tatchu-blobs-20261123T023000Z-77b0aa"


@pytest.fixture
def options(recorded_borg: t.Any, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        **recorded_borg.options,
        "archive": ARCHIVE,
        "dataset": "blobs",
        "destination": str(tmp_path / "out"),
        "lock": str(tmp_path / "lock"),
    }


def test_check_mode_extracts_nothing(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    recorded_borg.will("list")
    result = run_module_main(borg_extract, options, check_mode=True)
    assert (result["changed"], result["batches"]) == (True, 0)
    assert recorded_borg.verbs == [["list", "--json", options["repository"]]]
    assert not {"out", "out.extracting", "lock"} & set(os.listdir(tmp_path))


def test_a_whole_archive(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    def write() -> None:
        if recorded_borg.calls[-1]["argv"][5:6] == ["extract"]:
            (pathlib.Path(recorded_borg.calls[-1]["cwd"]) / "blobs").mkdir()
            (pathlib.Path(recorded_borg.calls[-1]["cwd"]) / "blobs" / "a").write_text("12345")

    recorded_borg.will("list", "extract_tree")
    recorded_borg.during = write
    result = run_module_main(borg_extract, options)
    assert (result["changed"], result["files"], result["bytes"]) == (True, 1, 5)
    assert recorded_borg.verbs[1] == [
        *("--progress", "extract", "--numeric-ids", "--sparse"),
        f"{options['repository']}::{ARCHIVE}",
    ]
    call = recorded_borg.calls[1]
    assert (call["cwd"], call["stall_seconds"]) == (str(tmp_path / "out.extracting"), 3600)
    assert len(call["pass_fds"]) == 1, "Borg itself holds the lock"
    assert (tmp_path / "out" / "a").read_text() == "12345"


def test_an_archive_that_does_not_exist(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any]
) -> None:
    recorded_borg.will("list_empty")
    result = run_module_main(borg_extract, options)
    assert f"the archive {ARCHIVE} in {options['repository']} does not exist. Nothing was extracted" in result["msg"]


def test_a_failure_of_borg(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    recorded_borg.will("list", "locked")
    result = run_module_main(borg_extract, options)
    assert (result["failed"], result["msgid"]) == (True, "LockTimeout")
    assert not (tmp_path / "out").exists()


def test_a_drill_extracts_nothing_beside_a_night(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    run, ledger = "20261124T023000Z-77b0aa", str(tmp_path / "ledger")
    os.mkdir(ledger)
    _ledger.write(ledger, _ledger.begin(ledger, run, job="backup", sources=["tatchu"], release="0"))
    result = run_module_main(borg_extract, {**options, "ledger_dir": ledger})
    assert (result["failed"], result["kind"]) == (True, _borg.GAVE_WAY)
    assert f"the backup run {run} is at work. Nothing was extracted" in result["msg"]
    assert recorded_borg.calls == [] and not (tmp_path / "out").exists()
