# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import quarantine_info

RunModule = t.Callable[..., dict[str, t.Any]]
RUN = "20241123T023000Z-77b0aa"


@pytest.mark.parametrize("check_mode", [False, True])
def test_nothing_waits_where_nothing_is_in_check_mode_or_not(
    run_module_main: RunModule, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    options = {"directory": str(tmp_path / "q"), "path": "a"}
    result = run_module_main(quarantine_info, options, check_mode=check_mode)
    assert (result["runs"], result["files"], result["versions"], result["changed"]) == ([], 0, [], False)
    assert not (tmp_path / "q").exists()


def test_a_run_whose_description_is_lost_is_weighed_and_named(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    (tmp_path / RUN / "1").mkdir(parents=True)
    (tmp_path / RUN / "1" / "a").write_text("123")
    (tmp_path / "something else").mkdir()
    (run,) = run_module_main(quarantine_info, {"directory": str(tmp_path)})["runs"]
    assert (run["run_id"], run["files"], run["bytes"], run["archive"], run["state"]) == (RUN, 1, 3, None, None)
    assert run["problem"] == f"{tmp_path / RUN} has no quarantine.json"
    assert run["age_days"] > 0
    (tmp_path / RUN / "quarantine.json").write_text("{")
    (run,) = run_module_main(quarantine_info, {"directory": str(tmp_path)})["runs"]
    assert "is not a JSON document" in run["problem"]


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../x", ""])
def test_a_path_outside_is_refused(run_module_main: RunModule, tmp_path: pathlib.Path, path: str) -> None:
    result = run_module_main(quarantine_info, {"directory": str(tmp_path), "path": path})
    assert "is not a path inside the mirror" in result["msg"]
