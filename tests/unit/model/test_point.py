# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _point

POINT = "20261123T023000Z-77b0aa"
DUMP = "20261123T021500Z-3fa9c1"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DATASETS = ("database", "blobs", "data")


def dump_set(identifier: str = DUMP) -> dict[str, t.Any]:
    return {
        "id": identifier,
        "started": "2026-11-23T02:15:00Z",
        "finished": "2026-11-23T02:16:00Z",
        "engine": "MariaDB",
        "version": "10.11.19",
        "rows": 1234,
        "valid": True,
        "problems": [],
    }


def archived(name: str, **more: t.Any) -> dict[str, t.Any]:
    return {
        "name": name,
        "order": DATASETS.index(name),
        "archive": f"tatchu-{name}-{POINT}",
        "archive_id": "ab" * 32,
        "repository": f"/srv/backup/borg/tatchu/{name}",
        "repository_id": "cd" * 32,
        "generation": 7,
        "dump_set": DUMP,
        "files": 3,
        "bytes": 4096,
        "ok": True,
        "warnings": ["not for the seal"],
        **more,
    }


def build(**change: t.Any) -> dict[str, t.Any]:
    parts: dict[str, t.Any] = {
        "source": "tatchu",
        "server": "loki",
        "run_id": POINT,
        "release": "0.1.0",
        "sealed": datetime(2026, 11, 23, 2, 41, tzinfo=UTC),
        "expected": DATASETS,
        "datasets": [archived(name) for name in reversed(DATASETS)],
        "missing": [],
        "dump_set": dump_set(),
        "references": {"checked": 5, "missing": 0, "wrong_size": 0, "unresolved": 0, "ok": True, "examples": []},
        **change,
    }
    return _point.build(POINT, **parts)


def point(identifier: str, *, state: str = "complete", began: str = "2026-11-23T02:15:00Z") -> dict[str, t.Any]:
    return {"point": identifier, "state": state, "dump_set": {"id": "x", "started": began} if began else None}


def test_a_point_with_everything_is_complete_and_in_restore_order() -> None:
    seal = build()
    assert (seal["state"], seal["problems"], seal["missing"]) == ("complete", [], [])
    assert [dataset["name"] for dataset in seal["datasets"]] == list(DATASETS)
    assert (seal["sealed"], seal["release"], seal["server"]) == ("2026-11-23T02:41:00Z", "0.1.0", "loki")
    _point.check(seal, POINT)


def test_a_seal_holds_what_it_needs_and_no_more() -> None:
    seal = build()
    assert set(seal["datasets"][0]) == {
        *("name", "order", "archive", "archive_id", "repository", "repository_id", "generation", "dump_set"),
        *("files", "bytes"),
    }
    assert set(seal["dump_set"]) == {"id", "started", "finished", "engine", "version", "rows"}
    kinds = {"missing", "wrong_size", "unresolved", "in_quarantine", "changed_mirrors", "accepted"}
    assert set(seal["references"]) == {"checked", "ok", *kinds}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {
                "datasets": [archived("database"), archived("blobs")],
                "missing": [{"dataset": "data", "step": "Pull", "message": "the connection was closed."}],
            },
            "data is missing: Pull: the connection was closed",
        ),
        (
            {"datasets": [archived("database"), archived("blobs")]},
            "data is missing: its pipeline reported no outcome",
        ),
        (
            {"datasets": [archived("database"), archived("blobs"), archived("data", dump_set="")]},
            f"data stems from dump set none, not from {DUMP}",
        ),
        (
            {
                "datasets": [
                    archived("database"),
                    archived("blobs", dump_set="20261122T021500Z-000000"),
                    archived("data"),
                ]
            },
            f"blobs stems from dump set 20261122T021500Z-000000, not from {DUMP}",
        ),
        ({"dump_set": {}}, "no proven dump set belongs to it"),
        ({"references": {}}, "the references of the dump were not checked"),
        (
            {"references": {"checked": 9, "missing": 2, "wrong_size": 0, "unresolved": 1, "ok": False}},
            "the references of the dump did not pass: 2 missing, 1 unresolved",
        ),
        (
            {"references": {"checked": 9, "missing": 1, "in_quarantine": 3, "ok": False}},
            "the references of the dump did not pass: 1 missing, 3 only in the quarantine; bring them back with "
            "quarantine_restore",
        ),
        (
            {
                "references": {
                    "checked": 9,
                    "missing": 7,
                    "ok": False,
                    "examples": [
                        {"finding": "unresolved"},
                        *({"finding": "missing", "dataset": "blobs", "path": name} for name in "abcdef"),
                    ],
                }
            },
            "the references of the dump did not pass: 7 missing; among them blobs/a, blobs/b, blobs/c, blobs/d, "
            "blobs/e",
        ),
        ({"references": {"checked": 9}}, "the references of the dump did not pass: no verdict"),
    ],
)
def test_a_point_that_lacks_something_is_partial_and_says_why(change: dict[str, t.Any], problem: str) -> None:
    seal = build(**change)
    assert (seal["state"], seal["problems"]) == ("partial", [problem])
    _point.check(seal, POINT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datasets": []}, r"no dataset of tatchu has an archive \(no outcome was reported\)"),
        (
            {"datasets": [], "missing": [{"dataset": "data", "step": "Pull", "message": "refused"}]},
            r"no dataset of tatchu has an archive \(data: Pull: refused\)",
        ),
        ({"datasets": [archived("blobs"), archived("blobs")]}, "more than one outcome was given for blobs"),
        ({"missing": [{"dataset": "blobs", "message": "x"}]}, "more than one outcome was given for blobs"),
        ({"expected": ["blobs", "data"]}, r"database is not among the datasets of tatchu \(blobs, data\)"),
        ({"datasets": [archived("blobs", archive_id=None)]}, "archived dataset 1 of tatchu lacks archive_id"),
        ({"missing": [{"dataset": "blobs"}]}, "missing dataset 1 of tatchu lacks message"),
        ({"dump_set": dump_set("newest")}, "'newest' is not an identifier"),
        ({"dump_set": {**dump_set(), "started": "2026-11-23T02:15:00"}}, "has no zone"),
    ],
)
def test_contradictions_are_refused(change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(BackupError, match=message):
        build(**change)


def test_seals_are_told_from_other_archives_by_name() -> None:
    assert _point.point_of(_point.archive_name(POINT)) == POINT
    for name in (POINT, "point-", "point-x", f"point-{POINT}.checkpoint", f"a-point-{POINT}"):
        assert _point.point_of(name) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"point": "20261123T023000Z-000000"}, "says that it is about"),
        ({"state": "perfect"}, "unknown state 'perfect'"),
        ({"datasets": "none", "problems": None}, 'datasets is "none", not a list'),
        ({"datasets": [{"name": "blobs"}]}, r"datasets\[0\]\.order is missing"),
        ({"dump_set": {"id": DUMP}}, r"dump_set\.started is missing"),
    ],
)
def test_a_document_that_is_no_seal_of_the_point_is_refused(change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(BackupError, match=message):
        _point.check({**build(), **change}, POINT)


OLD = point("20261120T023000Z-000000", began="2026-11-20T02:15:00Z")
MIDDLE = point("20261121T023000Z-000000", began="2026-11-21T02:15:00Z")
PARTIAL = point("20261122T023000Z-000000", state="partial", began="2026-11-22T02:15:00Z")
BARE = point("20261123T023000Z-000000", state="partial", began="")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("latest", MIDDLE),
        (PARTIAL["point"], PARTIAL),
        (BARE["point"], BARE),
        ("2026-11-30T00:00:00Z", MIDDLE),
        ("2026-11-21T02:15:01Z", MIDDLE),
        ("2026-11-21T02:15:00Z", OLD),
        ("2026-11-21T03:15:00+01:00", OLD),
        ("2026-11-21 03:16+01:00", MIDDLE),
        ("2026-11-20T21:16:00-05:00", MIDDLE),
    ],
)
def test_a_point_is_selected(wanted: str, found: dict[str, t.Any]) -> None:
    assert _point.select([OLD, BARE, PARTIAL, MIDDLE], wanted, NOW) is found


def test_a_time_counts_by_the_dump_and_not_by_the_seal() -> None:
    late = point("20261125T023000Z-000000", began="2026-11-19T02:15:00Z")
    assert _point.select([OLD, late], "2026-11-21T00:00:00Z", NOW) is OLD
    assert _point.select([OLD, late], "2026-11-20T00:00:00Z", NOW) is late


def test_of_two_points_with_the_same_dump_the_newer_counts() -> None:
    again = point("20261120T093000Z-000000", began="2026-11-20T02:15:00Z")
    assert _point.select([OLD, again], "2026-11-21T00:00:00Z", NOW) is again


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            "2026-11-20T02:15:00Z",
            r"no complete .* began before 2026-11-20T02:15:00Z; there is 20261122T023000Z-000000 ",
        ),
        (
            "20261101T023000Z-000000",
            r"no recovery point 20261101T023000Z-000000; .*20261120T023000Z-000000 \(complete,",
        ),
        ("2026-11-21T02:15:00", r"has no zone.*Add the zone, for example 2026-11-21T02:15:00Z"),
        ("2026-11-21", "has no zone.*Add the zone, for example 2026-11-21T00:00:00Z"),
        ("yesterday", "'yesterday' is neither 'latest'"),
    ],
)
def test_what_matches_nothing_is_refused_with_what_there_is(wanted: str, message: str) -> None:
    with pytest.raises(BackupError, match=message):
        _point.select([OLD, PARTIAL], wanted, NOW)


def test_partial_points_alone_are_no_latest() -> None:
    with pytest.raises(BackupError, match="no complete recovery point exists; there is 2026") as caught:
        _point.select([BARE], "latest", NOW)
    assert caught.value.facts["existing"] == [BARE["point"]]
    assert "dump began never" in caught.value.what


def test_without_any_point_the_remedy_is_a_backup() -> None:
    with pytest.raises(BackupError, match=r"there is no recovery point at all.*Run the backup first"):
        _point.select([], "latest", NOW)


def test_a_point_from_the_future_is_reached_by_its_name_only() -> None:
    # Made on 11-23 by a clock that was a year ahead, of a dump whose host had the right one.
    late = point("20271123T023000Z-000000", began="2026-11-22T02:15:00Z")
    known = [OLD, MIDDLE, late]
    assert _point.select(known, "latest", NOW) is MIDDLE
    assert _point.select(known, "2026-11-23T00:00:00Z", NOW) is MIDDLE
    assert _point.select(known, late["point"], NOW) is late
    assert _point.eligible(known, NOW) == [MIDDLE, OLD] and _point.ahead(known, NOW) == [late]
    assert _point.passed_over(known, "latest", NOW) == [late["point"]]
    assert _point.passed_over(known, "2026-11-23T00:00:00Z", NOW) == [late["point"]]
    assert _point.passed_over(known, "2026-11-22T00:00:00Z", NOW) == []
    assert _point.passed_over(known, late["point"], NOW) == []
    with pytest.raises(BackupError, match=r"up to 2026-11-30T12:00:00Z, the clock's present \(20271123T023000Z-000000"):
        _point.select([late], "latest", NOW)
    # Its time comes, and clocks are never quite alike.
    for now, chosen in (("2027-11-23T01:29:59Z", MIDDLE), ("2027-11-23T01:30:00Z", late)):
        assert _point.select(known, "latest", datetime.fromisoformat(now)) is chosen
        assert _point.select(known, "latest", datetime.fromisoformat(now[:-1] + "+00:00")) is chosen


def test_a_point_that_names_no_day_is_ahead_and_stops_nobody() -> None:
    assert _point.select([OLD, {**MIDDLE, "point": "20269999T023000Z-000000"}], "latest", NOW) is OLD


def test_a_long_list_is_cut() -> None:
    many = [point(f"202611{day:02}T023000Z-000000", state="partial") for day in range(1, 16)]
    with pytest.raises(BackupError, match=r"20261106T023000Z-000000 .* and 5 older"):
        _point.select(many, "latest", NOW)


def test_a_point_of_a_source_without_a_database_is_read_back_and_found_by_its_time() -> None:
    document = build(
        expected=["blobs"],
        datasets=[archived("blobs", dump_set="")],
        dump_set=None,
        references=None,
        dump_expected=False,
    )
    assert document["state"] == "complete"
    _point.check(document, POINT)
    assert _point.select([document], "2026-11-24T00:00:00Z", NOW) == document
    with pytest.raises(BackupError, match="no complete recovery point"):
        _point.select([document], "2026-11-23T02:00:00Z", NOW)


@pytest.mark.parametrize(
    ("sealed", "marks", "state"),
    [
        ("complete", [], "complete"),
        ("complete", ["checked"], "checked"),
        ("complete", ["proven", "checked"], "proven"),
        ("complete", ["proven", "suspect"], "suspect"),
        ("complete", ["suspect", "checked"], "suspect"),
        ("complete", ["suspect", "proven"], "proven"),
        ("complete", ["checked", "suspect", "cleared"], "checked"),
        ("partial", ["proven"], "partial"),
        ("partial", ["suspect"], "partial"),
    ],
)
def test_marks_give_a_point_its_state(sealed: str, marks: list[str], state: str) -> None:
    point = "20261123T023000Z-77b0aa"
    names = [_point.mark_name(mark, point, f"202611{24 + day}T000000Z-000000") for day, mark in enumerate(marks)]
    found = [mark for name in reversed(names) if (mark := _point.mark_of(name))]
    document = _point.with_marks({"point": point, "state": sealed}, found)
    assert (document["state"], [mark["mark"] for mark in document["marks"]]) == (state, marks)


@pytest.mark.parametrize(
    "name", ["point-20261123T023000Z-77b0aa", "mark-odd-20261123T023000Z-77b0aa-20261123T023000Z-77b0aa"]
)
def test_other_archives_are_no_marks(name: str) -> None:
    assert _point.mark_of(name) is None


def test_every_kind_of_reference_that_did_not_pass_is_counted_in_words() -> None:
    kinds = {"missing": 1, "wrong_size": 2, "unresolved": 3, "in_quarantine": 4, "changed_mirrors": 5}
    (problem,) = build(references={"checked": 9, "ok": False, **kinds})["problems"]
    assert problem == (
        "the references of the dump did not pass: 1 missing, 2 of a wrong size, 3 unresolved, 4 only in the quarantine;"
        " bring them back with quarantine_restore, 5 of the mirrors no longer as it was archived"
    )


def test_a_dataset_with_content_needs_its_manifest_in_the_seal() -> None:
    datasets = [archived("database"), archived("blobs", content={"sha256": "ab"}), archived("data")]
    assert build(datasets=datasets, files={"blobs.content": {"sha256": "ab" * 32}})["state"] == "complete"
    seal = build(datasets=datasets, files={})
    assert seal["state"] == "partial" and "the content manifest of blobs is gone" in seal["problems"][0]


def test_a_mark_is_one_of_those_that_there_are() -> None:
    assert _point.mark_name("checked", POINT, DUMP) == f"mark-checked-{POINT}-{DUMP}"
    with pytest.raises(BackupError, match="'perfect' is no mark of a recovery point"):
        _point.mark_name("perfect", POINT, DUMP)
