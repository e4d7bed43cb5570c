# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _checks

NOW = "2026-11-23T10:00:00Z"
LATER = "2026-11-24T10:00:00Z"
RUN = "20261124T100000Z-77b0aa"
PLAN: list[dict[str, t.Any]] = [
    {
        "name": "tatchu",
        "server": "loki",
        "datasets": [{"name": "database", "kind": "database"}, {"name": "blobs", "kind": "files"}],
    },
    {"name": "meg", "server": "thor", "datasets": [{"name": "rig", "kind": "files"}]},
]


def read(document: t.Any, name: str = "tatchu") -> dict[str, t.Any]:
    text = json.dumps({"schema_version": 1, **document})
    return {"content": base64.b64encode(text.encode()).decode(), "source": "/checks", "item": {"name": name}}


def state(**changes: t.Any) -> dict[str, t.Any]:
    return {**_checks.fresh(), **changes}


def point(identifier: str, made: str = "complete", *datasets: str) -> dict[str, t.Any]:
    entries = [{"name": name, "archive_id": f"{name} {identifier}"} for name in datasets or ("database", "blobs")]
    return {"point": identifier, "state": made, "datasets": entries}


def test_a_finding_stays_until_a_whole_clean_cycle() -> None:
    one = _checks.begun(_checks.fresh(), NOW)
    one = _checks.advanced(one, now=NOW, share=0.5, finished=False, finding="segment 3")
    assert (one["ok"], one["share"], one["complete_at"], one["found_at"]) == (False, 0.5, None, NOW)
    one = _checks.advanced(_checks.begun(one, LATER), now=LATER, share=1.0, finished=True, finding="")
    assert (one["ok"], one["finding"], one["complete_at"]) == (False, "segment 3", LATER)
    one = _checks.advanced(_checks.begun(one, LATER), now=LATER, share=0.5, finished=False, finding="")
    assert (one["ok"], one["share"]) == (False, 0.5)
    one = _checks.advanced(_checks.begun(one, LATER), now=LATER, share=1.0, finished=True, finding="")
    assert (one["ok"], one["finding"], one["found_at"]) == (True, "", None)


@pytest.mark.parametrize(("share", "cursor"), [(0.5, {}), (0.0, {"path": "a"})])
def test_a_whole_check_after_a_finding_clears_it_at_once(share: float, cursor: dict[str, str]) -> None:
    left = _checks.advanced(_checks.begun(_checks.fresh(), NOW), now=NOW, share=share, finished=False, finding="bad")
    left["cursor"] = cursor
    assert _checks.begun(left, LATER)["cycle_started"] == NOW
    again = _checks.begun(left, LATER, whole=True)
    assert (again["cycle_started"], again["share"], again["cursor"]) == (LATER, 0.0, {})
    again = _checks.advanced(again, now=LATER, share=1.0, finished=True, finding="")
    assert (again["ok"], again["finding"]) == (True, "")


def test_a_cycle_that_failed_before_it_came_anywhere_begins_anew() -> None:
    left = _checks.advanced(_checks.begun(_checks.fresh(), NOW), now=NOW, share=0.0, finished=False, finding="no key")
    assert _checks.begun(left, LATER)["cycle_started"] == LATER


def test_a_whole_check_goes_on_with_a_clean_cycle() -> None:
    left = _checks.advanced(_checks.begun(_checks.fresh(), NOW), now=NOW, share=0.5, finished=False, finding="")
    assert _checks.begun(left, LATER, whole=True)["cycle_started"] == NOW


AHEAD = "2027-11-23T10:00:00Z"


def test_what_a_clock_that_was_ahead_wrote_down_was_never_looked_at() -> None:
    found = state(
        ok=False, finding="bad", found_at=AHEAD, share=1.0, cursor={"path": "z"}, passed={"a": NOW, "b": AHEAD}
    )
    again = _checks.begun({**found, "cycle_started": AHEAD, "complete_at": AHEAD}, LATER)
    assert (again["cycle_started"], again["complete_at"], again["passed"]) == (LATER, None, {"a": NOW})
    assert (again["share"], again["cursor"], again["ok"], again["found_at"]) == (0.0, {}, False, AHEAD)
    later = "2026-11-25T10:00:00Z"
    left = _checks.advanced(
        _checks.begun(state(cycle_started=NOW, complete_at=AHEAD), LATER),
        now=LATER,
        share=0.1,
        finished=False,
        finding="",
    )
    assert _checks.begun({**left, "cursor": {"path": "b"}}, later)["cursor"] == {"path": "b"}, "a cycle goes on"


def test_what_was_not_looked_at_for_longest_comes_first() -> None:
    evidence = {"datasets": {"blobs": {"mirror": state(at=NOW), "repository": state(at=LATER)}}}
    pieces = _checks.verify_pieces(PLAN, "loki", [read(evidence)])
    assert [(one["dataset"], one["kind"]) for one in pieces[-2:]] == [("blobs", "mirror"), ("blobs", "repository")]
    assert [one["left"] for one in pieces] == list(range(len(pieces), 0, -1))
    assert {one["source"] for one in pieces} == {"tatchu"}
    kinds = {(one["dataset"], one["kind"]) for one in pieces}
    every = {"repository", "archives", "data"}
    assert kinds == {
        *(("points", kind) for kind in every),
        *((name, kind) for name in ("database", "blobs") for kind in (*every, "mirror", "manifest")),
    }


def test_where_nothing_was_checked_yet_there_is_no_evidence() -> None:
    assert _checks.check_evidence_of({"failed": False, "msg": "file not found"}) == {}


@pytest.mark.parametrize(
    "document",
    [
        {"schema_version": 7, "datasets": {}},
        *({"datasets": one} for one in ([], {"blobs": []}, {"blobs": {"mirror": {}}}, {"blobs": {"mirror": "ok"}})),
    ],
)
def test_evidence_that_is_none_is_refused(document: dict[str, t.Any]) -> None:
    with pytest.raises(BackupError, match="/checks does not hold the evidence of checks"):
        _checks.check_evidence_of(read(document))


def test_evidence_that_is_cut_off_is_refused() -> None:
    with pytest.raises(BackupError, match="/checks does not hold the evidence of checks"):
        _checks.check_evidence_of({"content": base64.b64encode(b'{"datasets"').decode(), "source": "/checks"})


def test_what_stands_against_a_source_is_what_was_found() -> None:
    bad = state(ok=False, finding="a bad chunk", found_at=NOW)
    datasets = {"blobs": {"data": bad, "mirror": state()}, "database": {"data": state()}, "points": {"data": bad}}
    evidence = {"datasets": {**datasets, "renamed": {"data": bad}}}
    assert _checks.findings(evidence, ["database", "blobs"]) == [
        f"{name}: the check of data found at {NOW}: a bad chunk" for name in ("blobs", "points")
    ]


def test_a_piece_that_found_nothing_leaves_what_was_well_as_it_is() -> None:
    one = _checks.advanced(_checks.begun(_checks.fresh(), NOW), now=NOW, share=0.5, finished=False, finding="")
    assert (one["ok"], one["complete_at"]) == (True, None)


def test_a_point_is_checked_when_all_its_archives_passed_and_suspect_when_one_is_touched() -> None:
    both = {f"{name} {one}": NOW for name in ("database", "blobs") for one in "acd"}
    evidence: dict[str, t.Any] = {
        "datasets": {
            "database": {"archives": state(passed=both), "manifest": state(passed=both)},
            "blobs": {"archives": state(passed={**both, "blobs b": NOW}), "manifest": state(passed=both)},
        }
    }
    points = [point("b"), point("a"), point("c", "partial", "blobs"), point("d", "suspect")]
    points.append({**point("e"), "datasets": []})
    marks = _checks.verify_marks(points, read(evidence), [{"touched": []}])
    assert [(one["point"], one["mark"]) for one in marks] == [("a", "checked")]
    for kind in ("archives", "manifest"):
        datasets = {**evidence["datasets"], "blobs": {**evidence["datasets"]["blobs"], kind: state()}}
        assert _checks.verify_marks(points, read({"datasets": datasets}), []) == []
    found = {"dataset": "blobs", "kind": "data", "finding": "bad chunk", "touched": ["a", "d"]}
    (mark,) = _checks.verify_marks(points, read(evidence), [found])
    told = {"dataset": "blobs", "kind": "data", "finding": "bad chunk"}
    assert mark == {"point": "a", "mark": "suspect", "evidence": told}


def test_what_a_run_that_died_could_not_mark_is_marked_by_the_next() -> None:
    """Once: what was marked for it, or shown to be well since, is left so."""
    touched = dict.fromkeys("abcdef", LATER) | {"gone": LATER}
    bad = state(ok=False, finding="bad chunk", found_at=LATER, touched=touched)
    mark = {"mark": "suspect", "made": RUN}
    before, after = (
        {"mark": name, "made": f"2026112{day}T100001Z-77b0aa"} for name, day in (("proven", 3), ("cleared", 4))
    )
    points = [
        point("a"),
        {**point("b", "partial"), "marks": [mark]},
        {**point("c"), "marks": [{**mark, "made": before["made"]}, after]},
        {**point("d", "proven"), "marks": [mark | {"made": "20261101T100000Z-77b0aa"}, before]},
        {**point("e", "checked"), "marks": [{"mark": "checked", "made": RUN}]},
        point("f", "suspect"),
        point("z"),
    ]
    evidence: dict[str, t.Any] = {"datasets": {"blobs": {"data": bad, "archives": state(touched={"z": NOW})}}}
    marks = _checks.verify_marks(points, read(evidence), [])
    told = {"dataset": "blobs", "kind": "data", "finding": "bad chunk"}
    assert marks == [{"point": name, "mark": "suspect", "evidence": told} for name in ("a", "d", "e")]
    assert _checks.begun({**bad, "touched": {"a": AHEAD}}, LATER)["touched"] == {"a": LATER}


def piece(**changes: t.Any) -> dict[str, t.Any]:
    good = {"source": "tatchu", "dataset": "blobs", "kind": "data", "ok": True, "share": 0.25, "seconds": 61.0}
    return {**good, "finding": "", "standing": "", "gave_way": "", "skipped": "", "touched": [], **changes}


def test_the_verdict_says_what_was_found_and_what_is_safe_to_do() -> None:
    hosts = {"loki": {"verify_pieces_done": [piece(ok=False, finding="a bad chunk", touched=["p1", "p2"])]}, "thor": {}}
    verdict = _checks.verify_verdict(hosts, PLAN, RUN, "loki")
    assert verdict["title"] == f"verify FAILED: tatchu/blobs data (run {RUN})"
    text = "\n".join(verdict["lines"])
    assert "FOUND: a bad chunk" in text and "suspect from now on: p1, p2" in text
    assert "do not run borg check --repair" in text and "Nothing was repaired" in text
    assert verdict["outcomes"][0]["message"] == "a bad chunk" and not verdict["outcomes"][0]["ok"]


def test_the_verdict_says_what_was_found_and_what_stood_in_the_way() -> None:
    hosts = {"loki": {"verify_pieces_done": [piece(ok=False, finding="a bad chunk", problem="the disk is full")]}}
    lines = _checks.verify_verdict(hosts, PLAN[:1], RUN)["lines"]
    place = next(number for number, line in enumerate(lines) if "FOUND: a bad chunk" in line)
    assert lines[place + 1] == "    the disk is full"


def test_the_verdict_on_work_left_for_later() -> None:
    hosts: dict[str, t.Any] = {
        "loki": {"verify_pieces_done": [piece(), piece(kind="archives", gave_way="the backup run x is at work")]}
    }
    verdict = _checks.verify_verdict(hosts, PLAN[:1], RUN)
    assert verdict["ok"] and verdict["title"] == f"verify good (run {RUN})"
    assert any("25 % of this cycle" in line for line in verdict["lines"])
    assert any("gave way: the backup run x is at work" in line for line in verdict["lines"])
    skipped = {"loki": {"verify_pieces_done": [piece(skipped="the mirror is being written")]}}
    assert any(
        "the mirror is being written" in line for line in _checks.verify_verdict(skipped, PLAN[:1], RUN)["lines"]
    )
    standing = [piece(ok=False, standing="an old finding")]
    verdict = _checks.verify_verdict({"loki": {"verify_pieces_done": standing}}, PLAN[:1], RUN)
    assert not verdict["ok"] and any("still stands: an old finding" in line for line in verdict["lines"])
    assert verdict["outcomes"][0]["message"] == "an old finding"


def test_a_piece_that_could_not_look_fails_and_says_why() -> None:
    failed = {"source": "tatchu", "dataset": "blobs", "kind": "data", "ok": False}
    hosts = {"loki": {"verify_pieces_done": [{**failed, "problem": "the key does not open it"}]}}
    verdict = _checks.verify_verdict(hosts, PLAN[:1], RUN)
    assert not verdict["ok"] and verdict["outcomes"][0]["message"] == "the key does not open it"
    assert any("could not look: the key does not open it" in line for line in verdict["lines"])
    # Nothing was found, so nobody is told what to do about a finding.
    assert not any("borg check --repair" in line for line in verdict["lines"])


def test_each_source_is_told_with_its_own_pieces() -> None:
    plan = [{**PLAN[0], "name": name} for name in ("tatchu", "meg", "rig")]
    done = [piece(), piece(source="meg", ok=False, finding="a bad chunk")]
    verdict = _checks.verify_verdict({"loki": {"verify_pieces_done": done}}, plan, RUN)
    assert [line for line in verdict["lines"] if line.endswith(":")] == ["tatchu:", "meg:"]
    assert [(one["source"], one["ok"]) for one in verdict["outcomes"]] == [("tatchu", True), ("meg", False)]


def test_a_server_that_did_nothing_fails() -> None:
    verdict = _checks.verify_verdict({"loki": {"verify_pieces_done": [piece()]}, "thor": {}}, PLAN, RUN)
    assert not verdict["ok"] and "thor: no check was begun" in verdict["lines"]
    problem = {"loki": {"verify_problem": "the releases differ"}}
    assert "loki: the releases differ" in _checks.verify_verdict(problem, PLAN[:1], RUN)["lines"]


def test_the_ledger_learns_how_far_each_check_came() -> None:
    done = [piece(gave_way="the backup run x is at work")]
    (outcome,) = _checks.verify_verdict({"loki": {"verify_pieces_done": done}}, PLAN[:1], RUN)["outcomes"]
    assert {name: outcome[name] for name in ("share", "seconds", "gave_way")} == {
        "share": 0.25,
        "seconds": 61.0,
        "gave_way": "the backup run x is at work",
    }
