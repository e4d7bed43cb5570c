# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs beside each other: what one works on is refused to the other, and the rest goes through."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
CREATE = r"borg .* create .*/data::"
DUMP = "/usr/local/sbin/backup_and_notify_on_tatchu.sh"


def go_on(loki, pid):
    loki.check_output(f"kill -CONT {pid}")


def outcomes(run):
    return {entry["dataset"]: entry for entry in run["outcomes"]}


@pytest.mark.long
def test_a_long_archive_stops_no_other_night(loki, tatchu, start, strike, grow, last, failures, borg):
    """While the archive of data lasts and lasts, the second night takes the others; then all is well again."""
    grow(20)
    long = start(loki)
    archiving = strike(loki, CREATE, "stop")
    first = last()
    tatchu.check_output(DUMP)
    tatchu.check_output("mkdir -p /datajoint-db/blobs/nights && date >/datajoint-db/blobs/nights/second")
    try:
        assert loki.run("/usr/local/sbin/backup_and_notify_on_loki.sh").rc == 2
    finally:
        go_on(loki, archiving)
    second = last()
    assert second["run_id"] != first["run_id"]
    found = outcomes(second)
    assert {name: entry["ok"] for name, entry in found.items()} == {"database": True, "blobs": True, "data": False}
    assert found["data"]["busy"] and f"tatchu-data-{first['run_id']}" in found["data"]["message"]
    assert second["points"][0]["state"] == "partial"
    for dataset in ("database", "blobs"):
        assert f"tatchu-{dataset}-{second['run_id']}" in borg("list --short", dataset).stdout
    (message,) = failures()
    assert "tatchu/data is busy" in message
    # The long night seals what it had pinned, although the mirrors have moved on.
    assert long.wait() == 0, long.said
    (first,) = [run for run in last(9) if run["run_id"] == first["run_id"]]
    assert (first["state"], first["points"][0]["state"]) == ("success", "complete")
    seal = json.loads(borg("extract --stdout", f"points::point-{first['run_id']}", "point.json").stdout)
    assert seal["dump_set"]["id"] == outcomes(first)["database"]["dump_set"] != found["database"]["dump_set"]
    tatchu.check_output("rm -rf /datajoint-db/blobs/nights")


@pytest.mark.long
def test_two_starts_at_once(loki, start, last, failures, recovered):
    """Each dataset goes to one of them; what the other lacks is named, and neither is harmed."""
    nights = [start(loki), start(loki)]
    codes = [night.wait() for night in nights]
    runs = last(2)
    assert all(run["state"] in ("success", "failure") for run in runs)
    for dataset in ("database", "blobs", "data"):
        assert any(outcomes(run)[dataset]["ok"] for run in runs), runs
    refused = [entry for run in runs for entry in run["outcomes"] if not entry["ok"]]
    assert refused and all(entry["busy"] for entry in refused)
    assert 2 in codes and set(codes) <= {0, 2}
    assert all("is busy" in message for message in failures()) and failures()
    recovered()


@pytest.mark.long
def test_a_second_start_while_the_first_pulls_is_refused(loki, start, strike, grow, last, failures, recovered):
    grow(40)
    first = start(loki)
    pulling = strike(loki, r"rsync -aHAX(?!.* --dry-run).*::data/", "stop")
    try:
        assert loki.run("/usr/local/sbin/backup_tatchu_data.sh").rc == 2
        assert outcomes(last())["data"]["busy"]
    finally:
        go_on(loki, pulling)
    assert first.wait() == 0, first.said
    recovered()


@pytest.mark.long
def test_a_person_beside_the_job(loki, start, strike, last, playbook, recovered):
    first = start(loki)
    archiving = strike(loki, CREATE, "stop")
    try:
        ended = playbook("backup", "-e", '{"backup_only_datasets": ["data"], "backup_stages": ["pull", "archive"]}')
        assert ended.returncode == 2
        assert "tatchu/data is busy" in ended.stdout
        assert outcomes(last())["data"]["busy"]
    finally:
        go_on(loki, archiving)
    assert first.wait() == 0, first.said
    recovered()


@pytest.mark.long
def test_a_dump_does_not_overlap_itself(tatchu, start, strike, last, failures):
    first = start(tatchu, DUMP)
    dumping = strike(tatchu, r"(mariadb|mysql)-?dump ", "stop")
    try:
        second = tatchu.run(DUMP)
        assert second.rc == 75
        assert "is running already, since" in second.stderr
        (message,) = failures(tatchu)
        assert "still running" in message
    finally:
        tatchu.check_output(f"kill -CONT {dumping}")
    assert first.wait() == 0, first.said
