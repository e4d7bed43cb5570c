# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nights published: metrics and a report that say what the ledger and plain borg say."""

import json
import re

import pytest

testinfra_hosts = ["ansible://loki"]

STATE = "/var/lib/labops-backup"
METRICS = f"{STATE}/metrics/labops_backup.prom"
REPORT = f"{STATE}/report/index.html"
SAMPLE = re.compile(r"labops_backup_(\w+)(\{.*\})? (\S+)")


@pytest.fixture
def metrics(loki):
    """Value by name and labels."""
    found = {}
    for line in loki.file(METRICS).content_string.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            key = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels or "")))
            found[(name, *(text for _label, text in key))] = float(value)
    return found


@pytest.fixture
def nights(ledger, loki):
    """The nights of the whole source, newest first."""
    return [run for run in reversed(ledger(loki)) if run["job"] == "backup" and run["state"] != "running"]


def test_metrics_say_what_the_ledger_says(metrics, nights):
    assert metrics["job_last_ok", "backup"] == (nights[0]["state"] == "success")
    assert metrics["job_last_duration_seconds", "backup"] == nights[0]["seconds"]
    newest = next(
        entry for run in nights for entry in run["outcomes"] if entry["dataset"] == "blobs" and "files" in entry
    )
    assert metrics["dataset_files", "blobs", "tatchu"] == newest["files"] > 0
    assert metrics["dataset_bytes", "blobs", "tatchu"] == newest["bytes"] > 0
    assert (
        metrics["job_last_success_timestamp_seconds", "backup"]
        >= metrics["point_last_dump_timestamp_seconds", "tatchu"]
    )


def test_points_are_counted_as_plain_borg_lists_them(metrics, borg):
    listed = borg("list --short", "points").stdout.split()
    points = [name for name in listed if name.startswith("point-")]
    counted = [value for key, value in metrics.items() if key[0] == "points"]
    assert sum(counted) == len(points) > 0


def test_the_report_names_the_newest_point_and_nothing_that_could_not_be_read(loki, nights):
    page = loki.file(REPORT).content_string
    sealed = next(point for run in nights for point in run["points"] if point.get("state") == "complete")
    assert sealed["point"] in page
    assert "What could not be read" not in page
    assert "<script" not in page


def test_only_root_gets_to_them_by_default_and_nothing_is_left_half_written(loki):
    for path in (METRICS, REPORT):
        assert loki.file(path).mode == 0o644
    assert loki.file(STATE).mode == 0o700
    assert loki.check_output(f"ls {STATE}/metrics") == "labops_backup.prom"


def test_the_message_of_the_night_had_no_complaint(loki, nights):
    for run in nights:
        log = loki.file(f"/var/log/labops-backup/backup/{run['run_id']}/message")
        if log.exists:
            assert "metrics and report" not in log.content_string


def test_the_room_of_today_is_remembered(loki):
    days = json.loads(loki.file(f"{STATE}/disk.json").content_string)["days"]
    assert all(day["free_bytes"] > 0 for day in days.values()) and days


def test_no_secret_got_into_them(loki, lab_secrets):
    for path in (METRICS, REPORT):
        text = loki.file(path).content_string
        assert not [secret for secret in lab_secrets if secret in text]


def test_status_says_when_nothing_is_at_work(playbook):
    done = playbook("status")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "At work on" not in done.stdout
