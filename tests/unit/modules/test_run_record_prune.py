# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.modules import run_record, run_record_info, run_record_prune

RunModule = t.Callable[..., dict[str, t.Any]]
RUNS = [f"202611{day:02d}T023000Z-77b0aa" for day in range(10, 20)]


def record(
    run_module_main: RunModule, folder: pathlib.Path, *, good: t.Container[int] = (), job: str = "backup"
) -> None:
    for number, run_id in enumerate(RUNS):
        state = "success" if number in good else "failure"
        options = {"ledger_dir": str(folder), "run_id": run_id, "job": job, "state": state, "sources": ["tatchu"]}
        assert "failed" not in run_module_main(run_record, options)


def left(folder: pathlib.Path) -> list[str]:
    return sorted(name.removesuffix(".json") for name in os.listdir(folder))


def test_the_oldest_runs_go_but_the_last_success_stays(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    record(run_module_main, tmp_path, good=[1, 3])
    done = run_module_main(run_record_prune, {"ledger_dir": str(tmp_path), "keep_runs": 4})
    assert done["removed"] == [*RUNS[:3], *RUNS[4:7]]
    assert left(tmp_path) == [RUNS[3], *RUNS[7:]]
    again = run_module_main(run_record_prune, {"ledger_dir": str(tmp_path), "keep_runs": 4})
    assert (again["changed"], again["removed"]) == (False, [])


def test_the_size_counts_as_well(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    for number, run_id in enumerate(RUNS):
        message = "x" * 300_000
        options = {"ledger_dir": str(tmp_path), "run_id": run_id, "job": "backup", "message": message}
        run_module_main(run_record, {**options, "state": "success" if number == 0 else "failure"})
    done = run_module_main(run_record_prune, {"ledger_dir": str(tmp_path), "keep_megabytes": 1})
    assert left(tmp_path) == [RUNS[0], *RUNS[8:]]
    assert len(done["removed"]) == 7


def test_the_newest_run_with_a_complete_point_and_running_ones_stay(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    ledger = {"ledger_dir": str(tmp_path), "job": "backup", "sources": ["tatchu"]}
    sealed = [{"source": "tatchu", "point": RUNS[0], "state": "complete"}]
    run_module_main(run_record, {**ledger, "run_id": RUNS[0], "state": "failure", "points": sealed})
    run_module_main(run_record, {**ledger, "run_id": RUNS[1], "state": "running"})
    for run_id in RUNS[2:5]:
        run_module_main(run_record, {**ledger, "run_id": run_id, "job": "verify", "state": "failure"})
    run_module_main(run_record_prune, {"ledger_dir": str(tmp_path), "keep_runs": 1})
    assert left(tmp_path) == RUNS[:2]


def test_what_nobody_can_read_is_set_aside_and_named_and_stops_nothing(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    record(run_module_main, tmp_path, good=[9])
    bad = [tmp_path / "20261121T023000Z-000000.json", tmp_path / "20261122T023000Z-000000.json"]
    bad[0].write_text("{")
    bad[1].write_bytes(b'{"schema_version": 1, "run_id": "\xff"}')
    done = run_module_main(run_record_prune, {"ledger_dir": str(tmp_path), "keep_runs": 100})
    aside = [f"{path}.unreadable" for path in bad]
    assert sorted(entry["path"] for entry in done["aside"]) == aside
    assert "is not a JSON document" in next(entry["reason"] for entry in done["aside"] if entry["path"] == aside[0])
    assert pathlib.Path(aside[0]).read_text() == "{"
    listed = run_module_main(run_record_info, {"ledger_dir": str(tmp_path), "last": 20})
    assert (len(listed["runs"]), listed["unreadable"]) == (10, [])


def test_numbers_below_one_are_refused(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    record(run_module_main, tmp_path)
    for option in ("keep_runs", "keep_megabytes"):
        done = run_module_main(run_record_prune, {"ledger_dir": str(tmp_path), option: 0})
        assert done["failed"] and f"{option} is 0" in done["msg"] and "Nothing was removed" in done["msg"]
    assert left(tmp_path) == RUNS


def test_check_mode_says_the_same_and_changes_nothing(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    record(run_module_main, tmp_path)
    (tmp_path / "20261121T023000Z-000000.json").write_text("")
    before = left(tmp_path)
    options = {"ledger_dir": str(tmp_path), "keep_runs": 3}
    told = run_module_main(run_record_prune, options, check_mode=True)
    assert left(tmp_path) == before
    done = run_module_main(run_record_prune, options)
    assert (told["removed"], told["aside"], told["changed"]) == (done["removed"], done["aside"], True)


def test_what_is_set_aside_is_a_change_and_nothing_is_none(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    options = {"ledger_dir": str(tmp_path), "keep_runs": 100}
    record(run_module_main, tmp_path)
    assert not run_module_main(run_record_prune, options)["changed"]
    (tmp_path / "20261121T023000Z-000000.json").write_text("{")
    assert run_module_main(run_record_prune, options)["changed"]
