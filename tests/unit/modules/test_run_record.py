# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.modules import run_record, run_record_info

RunModule = t.Callable[..., dict[str, t.Any]]
RUN = "20261123T023000Z-77b0aa"


def options(folder: pathlib.Path, state: str, **more: t.Any) -> dict[str, t.Any]:
    return {"ledger_dir": str(folder), "run_id": RUN, "job": "backup", "state": state, **more}


def test_a_run_is_opened_closed_and_listed(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    opened = run_module_main(run_record, options(tmp_path, "running", sources=["tatchu"], release="0.1.0"))
    assert (opened["changed"], opened["run"]["state"], opened["diff"]["before"]) == (True, "running", {})
    outcomes = [{"source": "tatchu", "dataset": "blobs", "ok": False, "step": "Pull", "message": "no"}]
    closed = run_module_main(run_record, options(tmp_path, "failure", outcomes=outcomes, message="FAILED"))
    assert closed["file"] == str(tmp_path / f"{RUN}.json")
    on_disk = json.loads((tmp_path / f"{RUN}.json").read_bytes())
    assert on_disk == {"schema_version": 1, **closed["run"]}
    assert (on_disk["sources"], on_disk["outcomes"], on_disk["message"]) == (["tatchu"], outcomes, "FAILED")
    listed = run_module_main(run_record_info, {"ledger_dir": str(tmp_path)})
    assert (listed["changed"], listed["runs"], listed["unreadable"]) == (False, [on_disk], [])


def test_check_mode_predicts_and_writes_nothing(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    predicted = run_module_main(run_record, options(tmp_path, "running"), check_mode=True)
    assert (predicted["changed"], predicted["run"]["state"]) == (True, "running")
    assert os.listdir(tmp_path) == []
    assert run_module_main(run_record_info, {"ledger_dir": str(tmp_path)}, check_mode=True)["runs"] == []


def test_check_mode_refuses_what_the_real_run_would_refuse(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    run_module_main(run_record, options(tmp_path, "success"))
    result = run_module_main(run_record, options(tmp_path, "failure"), check_mode=True)
    assert result["failed"] and "is recorded as success" in result["msg"]


def test_a_ledger_that_does_not_exist_is_an_error(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    for module, given in (
        (run_record, options(tmp_path / "absent", "running")),
        (run_record_info, {"ledger_dir": str(tmp_path / "absent")}),
    ):
        result = run_module_main(module, given)
        assert result["failed"] and str(tmp_path / "absent") in result["msg"]


def test_an_identifier_that_was_given_away_is_refused_and_the_dead_run_before_is_told(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    run_module_main(run_record, options(tmp_path, "running"))
    again = run_module_main(run_record, options(tmp_path, "running"))
    assert again["failed"] and f"has run {RUN} already, as running. The ledger was not changed" in again["msg"]
    document = json.loads((tmp_path / f"{RUN}.json").read_bytes())
    (tmp_path / f"{RUN}.json").write_text(json.dumps({**document, "boot_id": "another boot"}))
    following = run_module_main(run_record, {**options(tmp_path, "running"), "run_id": "20261124T023000Z-77b0ab"})
    assert following["died"] == [RUN]
    assert json.loads((tmp_path / f"{RUN}.json").read_bytes())["state"] == "died"
