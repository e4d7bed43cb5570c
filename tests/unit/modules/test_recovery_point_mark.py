# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import recovery_point, recovery_point_info, recovery_point_mark

RunModule = t.Callable[..., dict[str, t.Any]]
POINT = "20261123T023000Z-77b0aa"
INCIDENT = "20261123T140000Z-3fa9c1"


@pytest.fixture
def asked(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> dict[str, t.Any]:
    run_module_main(recovery_point, point_options)
    return {**point_connection, "point": POINT, "mark": "suspect", "made": INCIDENT, "evidence": {"why": "damage"}}


def test_a_mark_is_kept_beside_the_seal_but_not_in_check_mode(
    run_module_main: RunModule, borg_in_memory: t.Any, point_connection: dict[str, t.Any], asked: dict[str, t.Any]
) -> None:
    points = borg_in_memory.archives["/borg/points"]
    predicted = run_module_main(recovery_point_mark, asked, check_mode=True)
    assert predicted["changed"] and predicted["point"]["state"] == "suspect" and len(points) == 1
    done = run_module_main(recovery_point_mark, asked)
    assert done == predicted
    assert sorted(points) == [f"mark-suspect-{POINT}-{INCIDENT}", f"point-{POINT}"]
    assert not run_module_main(recovery_point_mark, asked)["changed"] and len(points) == 2
    listed = run_module_main(recovery_point_info, point_connection)["points"]
    assert [(one["point"], one["state"]) for one in listed] == [(POINT, "suspect")]


def test_a_suspect_point_is_chosen_by_name_only(
    run_module_main: RunModule, point_connection: dict[str, t.Any], asked: dict[str, t.Any]
) -> None:
    run_module_main(recovery_point_mark, asked)
    refused = run_module_main(recovery_point_info, {**point_connection, "select": "latest"})
    assert refused["failed"] and "no complete recovery point exists" in refused["msg"]
    assert run_module_main(recovery_point_info, {**point_connection, "select": POINT})["selected"]["state"] == "suspect"
    cleared = {**asked, "mark": "cleared", "made": "20261124T140000Z-3fa9c1"}
    assert run_module_main(recovery_point_mark, cleared)["point"]["state"] == "complete"
    assert run_module_main(recovery_point_info, {**point_connection, "select": "latest"})["selected"]["point"] == POINT


def test_what_is_said_later_counts_whatever_the_clock_said(
    run_module_main: RunModule, borg_in_memory: t.Any, point_connection: dict[str, t.Any], asked: dict[str, t.Any]
) -> None:
    ahead = {**asked, "mark": "proven", "made": "20261125T020000Z-00d711", "evidence": {}}
    assert run_module_main(recovery_point_mark, ahead)["point"]["state"] == "proven"
    predicted = run_module_main(recovery_point_mark, asked, check_mode=True)
    done = run_module_main(recovery_point_mark, asked)
    assert done == predicted and done["point"]["state"] == "suspect"
    assert done["point"]["marks"][-1]["made"] == "20261125T020001Z-3fa9c1"
    (listed,) = run_module_main(recovery_point_info, point_connection)["points"]
    assert listed["state"] == "suspect"
    # Of the same moment, too: what sorts before by its digits was said later.
    again = {**asked, "mark": "cleared", "made": "20261125T020001Z-000001"}
    assert run_module_main(recovery_point_mark, again)["point"]["state"] == "proven"
    names = [name for name in borg_in_memory.archives["/borg/points"] if name.startswith("mark-")]
    assert names[-1] == f"mark-cleared-{POINT}-20261125T020002Z-000001"


def test_the_same_mark_of_the_same_moment_changes_nothing(
    run_module_main: RunModule, borg_in_memory: t.Any, asked: dict[str, t.Any], module_warnings: list[str]
) -> None:
    points = borg_in_memory.archives["/borg/points"]
    run_module_main(recovery_point_mark, {**asked, "mark": "proven", "made": "20261125T020000Z-00d711"})
    run_module_main(recovery_point_mark, asked)  # of a moment that was moved behind the proof
    cleared = {**asked, "mark": "cleared", "made": "20261126T140000Z-000001"}
    run_module_main(recovery_point_mark, cleared)
    before = sorted(points)
    # A release that is run again takes back nothing of what people said since.
    assert not module_warnings
    for evidence in (asked["evidence"], {"why": "told otherwise"}):
        again = run_module_main(recovery_point_mark, {**asked, "evidence": evidence})
        assert (again["changed"], again["point"]["state"]) == (False, "proven") and sorted(points) == before
    assert f"{POINT} stays proven" in module_warnings[0] and "made" in module_warnings[0]
    # Of another moment with the same digits it is another mark.
    other = run_module_main(recovery_point_mark, {**asked, "made": "20261123T150000Z-3fa9c1"})
    assert other["changed"] and other["point"]["state"] == "suspect"


def test_behind_the_last_moment_there_is_none(run_module_main: RunModule, asked: dict[str, t.Any]) -> None:
    run_module_main(recovery_point_mark, {**asked, "mark": "proven", "made": "99991231T235959Z-ffffff"})
    refused = run_module_main(recovery_point_mark, asked)
    assert refused["failed"] and "no mark can be later" in refused["msg"]


def test_who_reads_the_cache_alone_learns_the_state(
    run_module_main: RunModule, point_connection: dict[str, t.Any], asked: dict[str, t.Any]
) -> None:
    cache = pathlib.Path(point_connection["cache_dir"]) / f"{POINT}.json"
    assert "marked" not in json.loads(cache.read_text())
    run_module_main(recovery_point_mark, asked)
    assert (json.loads(cache.read_text())["state"], json.loads(cache.read_text())["marked"]) == ("complete", "suspect")
    run_module_main(recovery_point_mark, {**asked, "mark": "cleared", "made": "20261124T140000Z-3fa9c1"})
    assert "marked" not in json.loads(cache.read_text())
    run_module_main(recovery_point_mark, {**asked, "mark": "proven", "made": "20261125T140000Z-3fa9c1"})
    written = cache.read_text()
    # A cache that was lost, or was written by somebody who knew no marks, is made good by who looks.
    for content in (None, json.dumps({name: value for name, value in json.loads(written).items() if name != "marked"})):
        cache.unlink()
        if content is not None:
            cache.write_text(content)
        (listed,) = run_module_main(recovery_point_info, point_connection)["points"]
        assert listed["state"] == "proven" and "marked" not in listed
        assert json.loads(cache.read_text()) == json.loads(written)


def test_what_is_no_point_cannot_be_marked(run_module_main: RunModule, asked: dict[str, t.Any]) -> None:
    refused = run_module_main(recovery_point_mark, {**asked, "point": "20200101T000000Z-000000"})
    assert refused["failed"] and "there is no recovery point 20200101T000000Z-000000" in refused["msg"]
    assert run_module_main(recovery_point_mark, {**asked, "made": "today"})["failed"]


def test_another_evidence_is_another_mark(
    run_module_main: RunModule, borg_in_memory: t.Any, asked: dict[str, t.Any]
) -> None:
    run_module_main(recovery_point_mark, asked)
    again = {**asked, "made": "20261124T140000Z-3fa9c1", "evidence": {"why": "another damage"}}
    assert run_module_main(recovery_point_mark, again)["changed"]
    assert f"mark-suspect-{POINT}-{again['made']}" in borg_in_memory.archives["/borg/points"]
