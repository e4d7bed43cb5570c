# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _lock
from ansible_collections.labops.backup.plugins.modules import borg_prune

RunModule = t.Callable[..., dict[str, t.Any]]
KEPT = ["tatchu-blobs-20261124T023000Z-0c41d2", "tatchu-blobs-20261123T023000Z-77b0aa"]
OLD = ["tatchu-blobs-20261122T023000Z-9be210", "tatchu-blobs-20261121T023000Z-1f3a01"]
CHECKPOINT = "tatchu-blobs-20261122T123000Z-dead00.checkpoint"


@pytest.fixture
def options(recorded_borg: t.Any, tmp_path: t.Any) -> dict[str, t.Any]:
    return {**recorded_borg.options, "glob": "tatchu-blobs-*", "lock": str(tmp_path / "lock")}


def test_windows(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    recorded_borg.will("contents_before", "prune_dry_run", "prune", "contents_pruned")
    result = run_module_main(borg_prune, {**options, "keep_daily": 2})
    assert (result["changed"], result["kept"], sorted(result["removed"])) == (True, KEPT, sorted([*OLD, CHECKPOINT]))
    assert [words[0] for words in recorded_borg.verbs] == ["list", "prune", "--progress", "list"]


def test_windows_in_check_mode(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    recorded_borg.will("contents_before", "prune_dry_run")
    with _lock.hold(options["lock"], "a night"):
        result = run_module_main(borg_prune, {**options, "keep_daily": 2}, check_mode=True)
    assert (result["changed"], sorted(result["removed"])) == (True, sorted([*OLD, CHECKPOINT]))
    assert all("--dry-run" in words or words[0] == "list" for words in recorded_borg.verbs)


def test_nothing_left_to_remove_is_no_change(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    recorded_borg.will("contents_pruned", "prune_nothing")
    result = run_module_main(borg_prune, {**options, "keep_daily": 2})
    assert (result["changed"], result["removed"], result["kept"]) == (False, [], KEPT)


def test_exact_names(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    recorded_borg.will("contents_before", "contents_before", "delete", "contents_after")
    result = run_module_main(borg_prune, {**options, "keep_names": KEPT})
    assert (result["changed"], result["removed"], result["kept"]) == (True, [*OLD, CHECKPOINT], KEPT)
    assert recorded_borg.verbs[2][1:] == ["delete", f"{options['repository']}::{OLD[0]}", OLD[1], CHECKPOINT]
    assert recorded_borg.calls[2]["pass_fds"]


def test_exact_names_in_check_mode(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    recorded_borg.will("contents_before")
    given = {**options, "keep_names": KEPT, "candidates": [OLD[1], KEPT[0]]}
    result = run_module_main(borg_prune, given, check_mode=True)
    assert (result["changed"], result["removed"]) == (True, [OLD[1], CHECKPOINT])
    assert result["kept"] == [*KEPT, OLD[0]]
    assert [words[0] for words in recorded_borg.verbs] == ["list"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"keep_names": []}, "keep_names is empty"),
        ({"keep_names": ["tatchu-blobs-x"]}, "keep_names has tatchu-blobs-x, but"),
        ({"keep_names": KEPT, "candidates": ["foreign"]}, "candidates has foreign, but"),
    ],
)
def test_names_that_cannot_be_meant(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], given: dict[str, t.Any], problem: str
) -> None:
    recorded_borg.will("contents_before")
    result = run_module_main(borg_prune, {**options, **given})
    assert result["failed"] and problem in result["msg"] and "Nothing was removed" in result["msg"]
    assert [words[0] for words in recorded_borg.verbs] == ["list"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"keep_daily": 1, "keep_names": KEPT},
        {"keep_daily": 1, "candidates": OLD},
        {"keep_daily": 0, "keep_weekly": 0},
        {"keep_daily": 5, "keep_monthly": -1},
    ],
)
def test_options_that_do_not_fit(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], given: dict[str, t.Any]
) -> None:
    assert run_module_main(borg_prune, {**options, **given})["failed"]
    assert recorded_borg.calls == []


def test_the_glob_is_not_to_be_guessed(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    del options["glob"]
    result = run_module_main(borg_prune, {**options, "keep_daily": 5})
    assert result["failed"] and "glob" in result["msg"]
    assert recorded_borg.calls == []


def test_a_lock_that_another_holds(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    with _lock.hold(options["lock"], "the pull of tatchu.blobs"):
        result = run_module_main(borg_prune, {**options, "keep_daily": 2})
    assert result["failed"] and "the pull of tatchu.blobs" in result["msg"]
    assert recorded_borg.calls == []
