# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._host import _lock
from ansible_collections.labops.backup.plugins.modules import recovery_point_info, recovery_point_prune

RunModule = t.Callable[..., dict[str, t.Any]]
DATASETS = ("database", "blobs")
FIRST = datetime(2026, 9, 1, 2, 30, tzinfo=UTC)
NIGHTS = 60


class Clock(datetime):
    """Stands for the clock: just after the last night."""

    @classmethod
    def now(cls, tz: t.Any = None) -> datetime:  # type: ignore[override]
        return FIRST + timedelta(days=NIGHTS - 1, minutes=30)


def name_of(night: int) -> str:
    return (FIRST + timedelta(days=night)).strftime("%Y%m%dT%H%M%SZ-") + f"{night:06x}"


def document(point: str, state: str = "complete") -> dict[str, t.Any]:
    moment = datetime.strptime(point[:16], "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "schema_version": 1,
        "point": point,
        "source": "tatchu",
        "sealed": moment,
        "run_id": point,
        "state": state,
        "problems": [],
        "missing": [],
        "references": None,
        "dump_set": {"id": point, "started": moment},
        "datasets": [
            {
                "name": name,
                "order": number,
                "archive": f"tatchu-{name}-{point}",
                "archive_id": f"id of tatchu-{name}-{point}",
                "repository": f"/borg/{name}",
                "repository_id": f"id of /borg/{name}",
                "generation": 1,
                "dump_set": point,
            }
            for number, name in enumerate(DATASETS)
        ],
    }


@pytest.fixture
def nights(borg_in_memory: t.Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sixty complete nights."""
    monkeypatch.setattr(_recovery_points, "datetime", Clock)
    names = [name_of(night) for night in range(NIGHTS)]
    for dataset in DATASETS:
        borg_in_memory.archives[f"/borg/{dataset}"] = {f"tatchu-{dataset}-{name}": {} for name in names}
    borg_in_memory.archives["/borg/points"] = {
        f"point-{name}": {"point.json": json.dumps(document(name)).encode()} for name in names
    }
    return names


@pytest.fixture
def options(point_connection: dict[str, t.Any], nights: list[str], tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        **point_connection,
        "source": "tatchu",
        "point": nights[-1],
        "journal": str(tmp_path / "retention" / "tatchu.json"),
        "datasets": [
            {"name": name, "repository": f"/borg/{name}", "lock": str(tmp_path / f"{name}.lock"), "path": "/x"}
            for name in DATASETS
        ],
        "keep_daily": 5,
        "keep_weekly": 2,
        "keep_monthly": 1,
    }


def sealed(repositories: t.Any) -> set[str]:
    return {name.removeprefix("point-") for name in repositories.archives["/borg/points"]}


def check_promises(repositories: t.Any) -> None:
    for dataset in DATASETS:
        for point in sealed(repositories):
            assert f"tatchu-{dataset}-{point}" in repositories.archives[f"/borg/{dataset}"]


def test_points_go_with_their_archives_seals_first(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    result = run_module_main(recovery_point_prune, options)
    assert result["changed"] and result["problems"] == []
    assert [one["reason"] for one in result["kept"][:5]] == [f"daily #{number}" for number in range(1, 6)]
    assert {one["point"] for one in result["kept"]} == sealed(borg_in_memory)
    assert len(result["removed"]) == NIGHTS - 8
    assert [path for path, _ in borg_in_memory.removals] == ["/borg/points", "/borg/database", "/borg/blobs"]
    for dataset in DATASETS:
        left = set(borg_in_memory.archives[f"/borg/{dataset}"])
        assert left == {f"tatchu-{dataset}-{point}" for point in sealed(borg_in_memory)}
    assert len(result["removed_archives"]["blobs"]) == NIGHTS - 8
    assert not os.path.exists(options["journal"])
    assert {name.removesuffix(".json") for name in os.listdir(options["cache_dir"])} == sealed(borg_in_memory)


def test_a_second_time_changes_nothing(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any]
) -> None:
    run_module_main(recovery_point_prune, options)
    borg_in_memory.removals.clear()
    result = run_module_main(recovery_point_prune, options)
    assert (result["changed"], result["removed"], borg_in_memory.removals) == (False, [], [])


def test_check_mode_predicts_and_removes_nothing(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    with _lock.hold(options["datasets"][0]["lock"], "a night"):
        predicted = run_module_main(recovery_point_prune, options, check_mode=True)
    assert sealed(borg_in_memory) == set(nights) and borg_in_memory.removals == []
    assert not os.path.exists(options["journal"]) and not os.path.exists(options["cache_dir"])
    assert predicted == run_module_main(recovery_point_prune, options)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_crash_never_leaves_a_seal_without_archives_and_the_next_night_finishes(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], steps: int
) -> None:
    wanted = run_module_main(recovery_point_prune, options, check_mode=True)
    borg_in_memory.removals_until_crash = steps
    result = run_module_main(recovery_point_prune, options)
    assert result["failed"] and "the power went" in result["msg"]
    check_promises(borg_in_memory)
    assert os.path.exists(options["journal"])
    borg_in_memory.removals_until_crash = 1000
    result = run_module_main(recovery_point_prune, options)
    assert result["changed"] and result["unknown_archives"] == {}
    assert {one["point"] for one in wanted["kept"]} == sealed(borg_in_memory)
    for dataset in DATASETS:
        assert len(borg_in_memory.archives[f"/borg/{dataset}"]) == len(wanted["kept"])
    assert not os.path.exists(options["journal"])


def test_a_lock_that_another_holds_stops_it_before_anything(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    with _lock.hold(options["datasets"][1]["lock"], "the pull of tatchu.blobs"):
        result = run_module_main(recovery_point_prune, options)
    assert result["failed"] and "the pull of tatchu.blobs" in result["msg"]
    assert sealed(borg_in_memory) == set(nights)


def test_a_seal_that_cannot_be_read_stops_it(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    borg_in_memory.archives["/borg/points"][f"point-{nights[7]}"]["point.json"] = b"{"
    result = run_module_main(recovery_point_prune, options)
    assert result["failed"] and "nobody knows which archives" in result["msg"] and nights[7] in result["msg"]
    assert sealed(borg_in_memory) == set(nights)


def test_a_partial_point_of_this_run_removes_nothing(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    own = borg_in_memory.archives["/borg/points"][f"point-{nights[-1]}"]
    own["point.json"] = json.dumps(document(nights[-1], "partial")).encode()
    result = run_module_main(recovery_point_prune, options)
    assert result["failed"] and "is partial" in result["msg"] and "Nothing was removed" in result["msg"]
    assert sealed(borg_in_memory) == set(nights) and borg_in_memory.removals == []


def test_a_point_whose_archive_is_gone_is_told(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    del borg_in_memory.archives["/borg/blobs"][f"tatchu-blobs-{nights[-2]}"]
    result = run_module_main(recovery_point_prune, options)
    assert result["problems"] == [
        f"the recovery point {nights[-2]} promises the archive tatchu-blobs-{nights[-2]}, which is not in /borg/blobs"
    ]
    assert nights[-2] in sealed(borg_in_memory)
    assert "daily #5" in {one["reason"] for one in result["kept"] if one["point"] == nights[-6]}


def test_an_archive_that_no_point_knows_is_told(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any]
) -> None:
    borg_in_memory.archives["/borg/blobs"]["before-migration"] = {}
    result = run_module_main(recovery_point_prune, options)
    assert result["unknown_archives"] == {"blobs": ["before-migration"]}
    assert "before-migration" in borg_in_memory.archives["/borg/blobs"]


def test_archives_of_lost_seals_stay_and_the_loss_is_told(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    options: dict[str, t.Any],
    nights: list[str],
    point_connection: dict[str, t.Any],
    module_warnings: list[str],
) -> None:
    run_module_main(recovery_point_info, point_connection)
    lost = nights[5:9]  # older than a partial point may become, with seals on both sides
    for name in lost:
        del borg_in_memory.archives["/borg/points"][f"point-{name}"]
    predicted = run_module_main(recovery_point_prune, options, check_mode=True)
    result = run_module_main(recovery_point_prune, options)
    assert predicted == result
    for dataset in DATASETS:
        names = [f"tatchu-{dataset}-{name}" for name in lost]
        assert set(names) <= set(borg_in_memory.archives[f"/borg/{dataset}"])
        assert set(result["unknown_archives"].get(dataset, ())).isdisjoint(names)
    assert len(result["problems"]) == 1 and "/borg/points has lost the seals of 4" in result["problems"][0]
    assert all(name in result["problems"][0] for name in lost) and options["cache_dir"] in result["problems"][0]
    assert not run_module_main(recovery_point_prune, options)["changed"]
    run_module_main(recovery_point_info, point_connection)
    assert any("lost the seals of 4" in warning for warning in module_warnings)


def test_what_a_dead_retention_left_in_the_cache_is_no_loss(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    run_module_main(recovery_point_prune, options, check_mode=False)
    one = document(nights[3])
    seal = {"archive": f"point-{nights[3]}", "archive_id": "x", "repository_id": "y"}
    cached = pathlib.Path(options["cache_dir"], f"{nights[3]}.json")
    cached.write_text(json.dumps({**one, "seal": seal}))
    journal = pathlib.Path(options["journal"])
    ids = [entry["archive_id"] for entry in one["datasets"]]
    journal.write_text(json.dumps({"schema_version": 1, "source": "tatchu", "run_id": nights[-2], "archive_ids": ids}))
    borg_in_memory.archives["/borg/blobs"][f"tatchu-blobs-{nights[3]}"] = {}
    result = run_module_main(recovery_point_prune, options)
    assert result["problems"] == [] and result["removed_archives"] == {"blobs": [f"tatchu-blobs-{nights[3]}"]}
    assert not cached.exists() and not journal.exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0}, "keep_daily, keep_weekly, keep_monthly are all 0"),
        ({"keep_weekly": -1}, "keep_weekly is -1"),
        ({"datasets": [{"name": "blobs", "repository": "/borg/blobs"}]}, "dataset 1 of tatchu lacks lock"),
        ({"source": "odin"}, "of tatchu, not of odin"),
        ({"point": "20260101T000000Z-000000"}, "is not sealed"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    options: dict[str, t.Any],
    nights: list[str],
    change: dict[str, t.Any],
    problem: str,
) -> None:
    result = run_module_main(recovery_point_prune, {**options, **change})
    assert result["failed"] and problem in result["msg"]
    assert sealed(borg_in_memory) == set(nights)


def test_a_journal_that_says_nothing_is_refused(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    path = pathlib.Path(options["journal"])
    path.parent.mkdir()
    path.write_text('{"schema_version": 1}')
    result = run_module_main(recovery_point_prune, options)
    assert result["failed"] and "does not say which archives" in result["msg"]
    assert sealed(borg_in_memory) == set(nights)


def test_what_is_kept_is_what_can_be_chosen(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], point_connection: dict[str, t.Any]
) -> None:
    result = run_module_main(recovery_point_prune, options)
    listed = run_module_main(recovery_point_info, point_connection)
    assert [one["point"] for one in listed["points"]] == [one["point"] for one in result["kept"]]


@pytest.mark.parametrize("ids", [[1], "x", [None, "id"]])
def test_a_journal_with_what_is_no_archive_is_refused(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str], ids: t.Any
) -> None:
    path = pathlib.Path(options["journal"])
    path.parent.mkdir()
    path.write_text(json.dumps({"schema_version": 1, "archive_ids": ids}))
    result = run_module_main(recovery_point_prune, options)
    assert result["failed"] and "does not say which archives" in result["msg"]
    assert sealed(borg_in_memory) == set(nights)


def test_a_repository_that_the_inventory_forgot_is_told_and_left(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], module_warnings: list[str]
) -> None:
    run_module_main(recovery_point_prune, {**options, "datasets": options["datasets"][:1]})
    assert len(borg_in_memory.archives["/borg/blobs"]) == NIGHTS
    assert [one for one in module_warnings if one.startswith("/borg/blobs holds archives that no recovery point needs")]


def test_the_difference_shows_the_points_that_go(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    result = run_module_main(recovery_point_prune, options)
    assert result["diff"]["before"]["points"] == nights
    assert set(result["diff"]["after"]["points"]) == sealed(borg_in_memory)


def test_the_marks_of_a_point_go_with_it(
    run_module_main: RunModule, borg_in_memory: t.Any, options: dict[str, t.Any], nights: list[str]
) -> None:
    marks = [f"mark-checked-{name}-{nights[-1]}" for name in (nights[1], nights[-2])]
    for mark in marks:
        borg_in_memory.archives["/borg/points"][mark] = {"mark.json": b"{}"}
    run_module_main(recovery_point_prune, options)
    assert [mark for mark in marks if mark in borg_in_memory.archives["/borg/points"]] == marks[1:]
