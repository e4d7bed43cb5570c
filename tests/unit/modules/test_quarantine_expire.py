# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs may leave; tests/unit/tools/test_pull_real.py follows them through real pulls."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _lock, _quarantine
from ansible_collections.labops.backup.plugins.modules import quarantine_expire

RunModule = t.Callable[..., dict[str, t.Any]]


def run_id(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%dT%H%M%SZ-77b0aa")


OLD, YOUNG, UNPROVEN, EMPTY, FUTURE = run_id(30.1), run_id(29.9), run_id(90), run_id(1), run_id(-2)


@pytest.fixture
def quarantine(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "q"
    for name in (OLD, YOUNG, UNPROVEN, EMPTY, FUTURE):
        (folder / name / "1").mkdir(parents=True)
        if name != EMPTY:
            (folder / name / "1" / "a").write_text("123")
        document = {
            "schema_version": 1,
            "state": "complete",
            "archive": None if name == UNPROVEN else "one",
            "files": int(name != EMPTY),
            "bytes": 3,
        }
        (folder / name / "quarantine.json").write_text(json.dumps(document))
    (folder / f".{OLD}.removed" / "1").mkdir(parents=True)
    (folder / "foreign").mkdir()
    return folder


def test_only_what_is_old_and_archived_leaves_and_the_rest_says_why(
    run_module_main: RunModule, quarantine: pathlib.Path
) -> None:
    options = {"directory": str(quarantine), "days": 30, "archives": ["one", "other"]}
    result = run_module_main(quarantine_expire, options)
    assert (result["changed"], result["removed"], result["files"]) == (True, [EMPTY, OLD], 1)
    assert result["overdue"] == [UNPROVEN]
    assert {entry["run_id"]: entry["reason"] for entry in result["kept"]} == {
        FUTURE: "it has been waiting for 0.0 of 30 days",
        YOUNG: "it has been waiting for 29.9 of 30 days",
        UNPROVEN: "no verified archive is known to hold what waits there",
    }
    assert sorted(os.listdir(quarantine)) == sorted([FUTURE, YOUNG, UNPROVEN, "foreign"])
    again = run_module_main(quarantine_expire, options)
    assert (again["changed"], again["removed"]) == (False, [])


@pytest.mark.parametrize(
    ("archives", "reason"),
    [
        ({"archives": ["other", "one.checkpoint"]}, "the archive one, which held what waits there, is gone"),
        ({"archives": []}, "the archive one, which held what waits there, is gone"),
        ({}, "nobody looked whether the archive one, which held what waits there, still exists"),
    ],
)
def test_what_lost_its_archive_stays(
    run_module_main: RunModule, quarantine: pathlib.Path, archives: dict[str, t.Any], reason: str
) -> None:
    result = run_module_main(quarantine_expire, {"directory": str(quarantine), "days": 30, **archives})
    assert (result["removed"], result["overdue"]) == ([EMPTY], [OLD, UNPROVEN])
    assert {entry["run_id"]: entry["reason"] for entry in result["kept"]}[OLD] == reason
    assert (quarantine / OLD / "1" / "a").exists()


def test_check_mode_predicts_and_removes_nothing(run_module_main: RunModule, quarantine: pathlib.Path) -> None:
    before = sorted(os.listdir(quarantine))
    options = {
        "directory": str(quarantine),
        "lock": str(quarantine / "lock"),
        "archive": "two",
        "archived_generation": 2,
        "days": 30,
        "archives": ["one", "two"],
    }
    result = run_module_main(quarantine_expire, options, check_mode=True)
    assert (result["changed"], result["removed"]) == (True, [EMPTY, OLD])
    assert sorted(os.listdir(quarantine)) == before


def test_a_run_that_is_named_leaves_whatever_it_holds(run_module_main: RunModule, quarantine: pathlib.Path) -> None:
    result = run_module_main(quarantine_expire, {"directory": str(quarantine), "run_ids": [UNPROVEN]})
    assert (result["removed"], {entry["reason"] for entry in result["kept"]}) == ([UNPROVEN], {"it was not named"})
    result = run_module_main(quarantine_expire, {"directory": str(quarantine), "run_ids": [UNPROVEN, OLD]})
    assert f"holds nothing of run {UNPROVEN}. Nothing was removed" in result["msg"]
    assert (quarantine / OLD).exists()


def test_a_quarantine_that_does_not_exist_is_fine(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    result = run_module_main(quarantine_expire, {"directory": str(tmp_path / "none")})
    assert (result["changed"], result["removed"]) == (False, [])


def test_a_pull_that_works_keeps_it_out(run_module_main: RunModule, quarantine: pathlib.Path) -> None:
    options = {"directory": str(quarantine), "lock": str(quarantine.parent / "lock")}
    with _lock.hold(options["lock"], "rsync_pull of run other"):
        assert "is held by rsync_pull of run other" in run_module_main(quarantine_expire, options)["msg"]
    assert (quarantine / OLD).exists()


def test_a_pull_that_died_in_its_second_try_is_in_no_archive_for_sure(
    run_module_main: RunModule, quarantine: pathlib.Path
) -> None:
    """The second try may have taken away what the first one had just brought."""
    document = json.loads((quarantine / OLD / "quarantine.json").read_text())
    (quarantine / OLD / "quarantine.json").write_text(json.dumps({**document, "state": "writing"}))
    options = {"directory": str(quarantine), "days": 30, "archives": ["one"]}
    assert OLD in run_module_main(quarantine_expire, options, check_mode=True)["removed"]
    (quarantine / OLD / "2").mkdir()
    result = run_module_main(quarantine_expire, options)
    assert (result["removed"], result["overdue"]) == ([EMPTY], [OLD, UNPROVEN])
    reasons = {entry["run_id"]: entry["reason"] for entry in result["kept"]}
    assert reasons[OLD] == "no verified archive is known to hold what waits there"


def test_a_folder_that_no_removal_has_left_stays(run_module_main: RunModule, quarantine: pathlib.Path) -> None:
    (quarantine / ".of anna.removed").mkdir()
    run_module_main(quarantine_expire, {"directory": str(quarantine), "days": 30, "archives": ["one"]})
    assert (quarantine / ".of anna.removed").exists() and not (quarantine / f".{OLD}.removed").exists()


def test_an_archive_covers_only_a_mirror_that_was_whole(quarantine: pathlib.Path) -> None:
    assert _quarantine.prove(str(quarantine), 3, "one")
    whole = {"state": "complete", "generation": 3}
    assert _quarantine._covering(str(quarantine), whole) == "one"
    for replaces in (None, {**whole, "state": "writing"}, {**whole, "generation": 2}):
        assert _quarantine._covering(str(quarantine), replaces) is None
