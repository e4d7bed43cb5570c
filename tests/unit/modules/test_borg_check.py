# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import borg_check

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def options(recorded_borg: t.Any, tmp_path: t.Any) -> dict[str, t.Any]:
    return {**recorded_borg.options, "lock": str(tmp_path / "lock")}


def test_the_reach_is_told(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    recorded_borg.will("check_data")
    result = run_module_main(borg_check, {**options, "kind": "data"})
    assert (result["changed"], result["kind"], result["whole"]) == (False, "data", True)
    assert result["reach"]["archives"] == {"reached": 2, "total": 2}
    assert result["borg_version"] == recorded_borg.version and result["seconds"] >= 0
    assert len(recorded_borg.calls[0]["pass_fds"]) == 1


def test_a_check_that_ran_out_of_time_is_not_whole(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    case = recorded_borg.cases["check_repository"]
    half = [line for line in case["stderr"] if "progress_percent" in line][:1]
    recorded_borg.cases["half"] = {**case, "stderr": half}
    recorded_borg.will("half")
    result = run_module_main(borg_check, {**options, "max_duration": 1})
    assert result["whole"] is False
    assert result["reach"]["segments"]["reached"] == 1 < result["reach"]["segments"]["total"]


def test_a_check_that_counted_nothing_is_not_whole(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    recorded_borg.cases["silent"] = {**recorded_borg.cases["check_repository"], "stderr": []}
    recorded_borg.will("silent")
    result = run_module_main(borg_check, options)
    assert (result["reach"], result["whole"]) == ({}, False)


def test_damage_is_a_failure(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    recorded_borg.will("check_damaged")
    result = run_module_main(borg_check, options)
    assert (result["failed"], result["rc"]) == (True, 1) and "it found damage" in result["msg"]


def test_check_mode_looks_at_nothing(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    recorded_borg.will("list")
    result = run_module_main(borg_check, options, check_mode=True)
    assert (result["changed"], result["kind"]) == (False, "repository") and "reach" not in result
    assert [words[0] for words in recorded_borg.verbs] == ["list"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"kind": "archives", "max_duration": 60}, "max_duration goes with kind repository"),
        ({"kind": "data", "last": 1}, "last goes with kind archives"),
        ({"kind": "repository", "glob": "*"}, "glob goes with kind archives"),
        ({"kind": "archives", "last": 0}, "last is 0; at least 1"),
        ({"max_duration": 0}, "max_duration is 0; at least 1"),
    ],
)
def test_options_that_do_not_fit(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], given: dict[str, t.Any], problem: str
) -> None:
    result = run_module_main(borg_check, {**options, **given})
    assert result["failed"] and problem in result["msg"]
    assert recorded_borg.calls == []
