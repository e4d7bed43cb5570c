# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import recovery_point, recovery_point_info, recovery_point_mark

RunModule = t.Callable[..., dict[str, t.Any]]
POINT = "20261123T023000Z-77b0aa"
SEAL = f"point-{POINT}"


def cache_file(point_connection: dict[str, t.Any]) -> pathlib.Path:
    return pathlib.Path(point_connection["cache_dir"], f"{POINT}.json")


@pytest.mark.parametrize("damage", ["nonsense", "other archive", "other point", "absent"])
def test_a_cache_that_is_not_of_this_archive_is_made_anew(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
    damage: str,
) -> None:
    sealed = run_module_main(recovery_point, point_options)
    cache = cache_file(point_connection)
    good = cache.read_bytes()
    bad = {
        "nonsense": good[:100],
        "other archive": good.replace(b"id of point-", b"id before point-").replace(b'"complete"', b'"partial"'),
        "other point": good.replace(POINT.encode(), b"20261122T023000Z-000000"),
        "absent": b"",
    }[damage]
    cache.unlink()
    if bad:
        cache.write_bytes(bad)
    predicted = run_module_main(recovery_point_info, point_connection, check_mode=True)
    assert [point["state"] for point in predicted["points"]] == [sealed["state"]]
    assert (cache.read_bytes() if cache.exists() else b"") == bad
    assert run_module_main(recovery_point_info, point_connection)["points"] == predicted["points"]
    assert cache.read_bytes() == good


def test_refresh_reads_the_archives(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> None:
    run_module_main(recovery_point, point_options)
    borg_in_memory.reads.clear()
    run_module_main(recovery_point_info, {**point_connection, "refresh": True})
    assert borg_in_memory.reads == [SEAL]


def test_only_what_is_in_the_repository_is_a_point(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> None:
    run_module_main(recovery_point, point_options)
    borg_in_memory.archives["/borg/points"] = {"notes": {}}
    listed = run_module_main(recovery_point_info, point_connection)
    assert (listed["points"], listed["unreadable"]) == ([], [])


def test_a_seal_that_cannot_be_read_hides_no_other(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
    module_warnings: list[str],
) -> None:
    run_module_main(recovery_point, point_options)
    bad = "20261124T023000Z-000000"
    borg_in_memory.archives["/borg/points"][f"point-{bad}"] = {"point.json": b"{}"}
    listed = run_module_main(recovery_point_info, {**point_connection, "select": "latest"})
    assert listed["selected"]["point"] == POINT
    assert [(entry["point"], entry["archive"]) for entry in listed["unreadable"]] == [(bad, f"point-{bad}")]
    assert "it has no schema_version" in listed["unreadable"][0]["reason"]
    assert [f"point-{bad}" in warning for warning in module_warnings] == [True]
    wanted = run_module_main(recovery_point_info, {**point_connection, "select": bad})
    assert wanted["failed"] and f"the seal of the recovery point {bad} cannot be read" in wanted["msg"]


def test_what_is_not_there_is_answered_with_what_there_is(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> None:
    run_module_main(recovery_point, point_options)
    result = run_module_main(recovery_point_info, {**point_connection, "select": "2026-11-23T02:15:00Z"})
    assert result["failed"] and f"there is {POINT} (complete, dump began 2026-11-23T02:15:00Z)" in result["msg"]
    assert result["existing"] == [POINT]


def test_a_point_from_the_future_is_chosen_by_name_only(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
    module_warnings: list[str],
) -> None:
    late = "29991123T023000Z-77b0aa"
    run_module_main(recovery_point, point_options)
    run_module_main(recovery_point, {**point_options, "point": late, "run_id": late})
    for wanted in ("latest", "2026-11-23T03:00:00Z"):
        module_warnings.clear()
        assert (
            run_module_main(recovery_point_info, {**point_connection, "select": wanted})["selected"]["point"] == POINT
        )
        (told,) = module_warnings
        assert late in told and "in the future" in told and "recovery_point_mark" in told
    module_warnings.clear()
    assert run_module_main(recovery_point_info, {**point_connection, "select": late})["selected"]["point"] == late
    before = {**point_connection, "select": "2026-11-22T00:00:00Z"}
    assert "in the future" not in run_module_main(recovery_point_info, before)["msg"] and not module_warnings
    suspect = {"point": late, "mark": "suspect", "made": "20261130T090000Z-000001", "evidence": {"why": "clock"}}
    run_module_main(recovery_point_mark, {**point_connection, **suspect})
    assert run_module_main(recovery_point_info, {**point_connection, "select": "latest"})["selected"]["point"] == POINT
    assert not module_warnings


def test_check_mode_lists_and_leaves_the_cache_alone(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> None:
    run_module_main(recovery_point, point_options)
    cache_file(point_connection).unlink()
    listed = run_module_main(recovery_point_info, point_connection, check_mode=True)
    assert ([point["point"] for point in listed["points"]], listed["changed"]) == ([POINT], False)
    assert not cache_file(point_connection).exists()
