# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.modules import run_record, run_record_info

RunModule = t.Callable[..., dict[str, t.Any]]
RUNS = ["20261123T023000Z-77b0aa", "20261122T023000Z-77b0aa", "20261121T023000Z-77b0aa"]


def record(run_module_main: RunModule, folder: pathlib.Path) -> None:
    for run_id in reversed(RUNS):
        options = {"ledger_dir": str(folder), "run_id": run_id, "job": "backup", "state": "success"}
        assert "failed" not in run_module_main(run_record, options)


def test_the_newest_runs_are_listed_and_what_is_unreadable_is_named(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    record(run_module_main, tmp_path)
    bad = tmp_path / "20261124T023000Z-000000.json"
    bad.write_text("{")
    listed = run_module_main(run_record_info, {"ledger_dir": str(tmp_path), "last": 2})
    assert [run["run_id"] for run in listed["runs"]] == RUNS[:2]
    assert [entry["path"] for entry in listed["unreadable"]] == [str(bad)]
    assert run_module_main(run_record_info, {"ledger_dir": str(tmp_path), "jobs": ["dump"]})["runs"] == []


def test_check_mode_lists_the_same_and_changes_nothing(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    record(run_module_main, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    listed = run_module_main(run_record_info, {"ledger_dir": str(tmp_path)}, check_mode=True)
    assert ([run["run_id"] for run in listed["runs"]], listed["changed"]) == (RUNS, False)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_at_least_one_run_is_asked_for(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    result = run_module_main(run_record_info, {"ledger_dir": str(tmp_path), "last": 0})
    assert result["failed"] and "at least one run" in result["msg"]
