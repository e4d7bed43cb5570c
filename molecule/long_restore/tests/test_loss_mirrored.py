# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A loss that no limit stops is mirrored, archived and sealed; the seals tell where the newest intact state is."""

import pytest

testinfra_hosts = ["ansible://loki"]

# Recordings that no row refers to: more than 5 % of the dataset's files, and less than the limit of a pull.
REMOVE = r"""
import os, sys
used = set(sys.stdin.read().splitlines())
files = sorted(
    os.path.relpath(os.path.join(folder, name), "/datajoint-data")
    for folder, _folders, names in os.walk("/datajoint-data")
    for name in names
    if "/.labops" not in os.path.join(folder, name) and not os.path.islink(os.path.join(folder, name))
)
gone = [path for path in files if path not in used][: len(files) * 8 // 100]
for path in gone:
    os.unlink(os.path.join("/datajoint-data", path))
print(len(gone))
"""


@pytest.fixture(scope="module")
def good(still_night):
    return still_night()  # rows that the worker adds after it would outnumber those that are lost


@pytest.fixture(scope="module")
def bad(good, tatchu, loki, newest):
    """The loss, and a night over it that finds nothing wrong."""
    tatchu.check_output("systemctl stop datajoint-worker")
    used = "mariadb -NBe 'SELECT filepath FROM lab_ephys.`~external_raw`'"
    gone = tatchu.check_output(f"{used} | python3 -c %s", REMOVE)
    assert int(gone) >= 20
    rows = "SET foreign_key_checks = 0; DELETE FROM lab_subject.subject WHERE subject NOT LIKE 'w0%' LIMIT 2"
    tatchu.check_output("mariadb -e %s", rows)
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    loki.check_output("/usr/local/sbin/backup_and_notify_on_loki.sh")
    point = newest()
    assert point["state"] == "complete" and point["point"] > good["point"]
    return point


@pytest.fixture(scope="module")
def looked(bad, plan):
    return plan(scope="auto,database")


def test_against_the_newest_point_nothing_is_lost(looked, bad):
    assert looked["point"] == bad["point"]
    states = {step["dataset"]: step["state"] for step in looked["steps"]}
    # An event of the server counts every minute into one table.
    counts = next(step["counts"] for step in looked["steps"] if step["dataset"] == "database")
    assert states == {"database": states["database"], "blobs": "intact", "data": "intact"}
    assert counts["missing"]["files"] == 0 and counts["damaged"]["files"] <= 1


def test_the_seals_tell_what_looks_like_a_loss_and_since_when(looked, good, bad):
    found = {(one["dataset"], one.get("table")): one for one in looked["history"]["suspicious"]}
    assert set(found) == {("data", None), ("database", "lab_subject.subject")}
    for one in found.values():
        assert (one["before"], one["after"]) == (good["point"], bad["point"])
    assert looked["history"]["newest_intact"] == {
        "blobs": bad["point"],
        "data": good["point"],
        "database": good["point"],
    }
    tables = looked["history"]["key_tables"]
    assert tables["lab_subject.subject"]["newest_intact"] == good["point"]
    assert {one["newest_intact"] for name, one in tables.items() if name != "lab_subject.subject"} == {bad["point"]}
    assert looked["history"]["seconds"] < 10


def test_the_plan_proposes_the_newest_point_from_before(looked, good):
    assert looked["proposed"] == good["point"]
    assert f"restore_point={good['point']}" in looked["said"]


@pytest.fixture(scope="module")
def recovered(looked, good, recover):
    proposed = {"point": looked["proposed"]}
    return recover(proposed, case="f", scope="auto,database", release=False)


def test_what_the_mirror_no_longer_has_comes_out_of_the_archive(recovered, loki):
    steps = {step["dataset"]: step for step in recovered["steps"]}
    assert recovered["order"] == ["database", "data"]
    assert steps["data"]["from"] == steps["database"]["from"] == "archive"


def test_everything_of_the_point_is_back(
    recovered, good, assert_restored, assert_extras, checksums, dumped, tatchu, tree
):
    assert checksums() == dumped(good)
    assert_restored(good, "blobs")
    assert_extras(recovered, "data", assert_restored(good, "data"), tree(tatchu, "/datajoint-data"))


def test_the_point_with_the_loss_is_suspect_after_the_release(
    recovered, restore, good, bad, fetch_all, worker_goes_on, plan, tatchu
):
    restore(stage="release")
    tatchu.check_output("systemctl start datajoint-worker")  # as before the fence, it stood still
    worker_goes_on()
    assert sum(fetch_all()["rows"].values()) > 100
    after = plan(scope="auto,database")
    assert after["point"] == good["point"], "a suspect point is not chosen by itself"
    states = {one["point"]: one["state"] for one in after["history"]["points"]}
    assert states[bad["point"]] == "suspect" and states[good["point"]] == "complete"


def test_the_night_after_is_complete_and_nothing_is_suspicious_any_more(recovered, night, plan):
    point = night()
    after = plan(scope="auto,database")
    assert after["point"] == point["point"] and after["history"]["suspicious"] == []
    assert set(after["history"]["newest_intact"].values()) == {point["point"]}
