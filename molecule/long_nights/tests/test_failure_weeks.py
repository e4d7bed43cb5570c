# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dataset that fails night after night, under windows that keep next to nothing: the last complete point stays."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
RULES = {
    "backup_keep_daily": 1,
    "backup_keep_weekly": 0,
    "backup_keep_monthly": 0,
    "backup_keep_complete": 1,
    "backup_keep_partial_days": 1,
}
NIGHTS = 3


@pytest.mark.long
def test_the_last_complete_point_outlives_any_number_of_bad_nights(tatchu, last, playbook, borg):
    def night():
        code = playbook("backup", "-e", json.dumps(RULES)).returncode
        run = last()
        return code, run["run_id"], run["points"][0]

    def points():
        return set(borg("list --short", "points").stdout.split())

    code, good, point = night()
    assert (code, point["state"]) == (0, "complete")
    # Nothing but the newest complete point is kept of the complete ones.
    states = {
        name: json.loads(borg("extract --stdout", f"points::{name}", "point.json").stdout)["state"] for name in points()
    }
    assert [name for name, state in states.items() if state == "complete"] == [f"point-{good}"]
    tatchu.check_output("mv /datajoint-db/blobs/.labops-backup-dataset /root/marker")
    try:
        bad = [night() for _ in range(NIGHTS)]
    finally:
        tatchu.check_output("mv /root/marker /datajoint-db/blobs/.labops-backup-dataset")
    assert [(code, point["state"]) for code, _run, point in bad] == [(2, "partial")] * NIGHTS
    assert all("stopped" in point.get("retention", {"stopped": 1}) for _code, _run, point in bad)
    assert {f"point-{run}" for run in (good, *(run for _code, run, _point in bad))} <= points()
    for dataset in ("database", "blobs", "data"):
        name = f"tatchu-{dataset}-{good}"
        assert name in borg("list --short", dataset).stdout
        assert borg("extract --dry-run", f"{dataset}::{name}").rc == 0
    code, after, point = night()
    assert (code, point["state"]) == (0, "complete")
    left = points()
    assert f"point-{good}" not in left and f"point-{after}" in left
    # Partial points of the same day are younger than backup_keep_partial_days.
    assert {f"point-{run}" for _code, run, _point in bad} <= left
    assert f"tatchu-blobs-{good}" not in borg("list --short", "blobs").stdout
