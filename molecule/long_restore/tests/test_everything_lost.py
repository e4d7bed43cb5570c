# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All three tiers are destroyed under a working worker; one confirmed restore brings everything back.

Cron fires meanwhile on both hosts.
"""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
SCHEMAS = ("lab_ephys", "lab_imaging", "lab_session", "lab_subject")


@pytest.fixture(scope="module")
def point(fresh):
    return fresh()


@pytest.fixture(scope="module")
def disaster(tatchu, point):
    for schema in SCHEMAS:
        tatchu.check_output(f"mariadb -e 'SET foreign_key_checks=0; DROP DATABASE {schema}'")
    tatchu.check_output("find /datajoint-db/blobs /datajoint-data -mindepth 1 -delete")


@pytest.fixture(scope="module")
def looked(disaster, plan, tatchu, tree):
    before = tree(tatchu, "/etc/cron.d")
    offer = plan(scope="auto,database")
    return offer, before, tree(tatchu, "/etc/cron.d")


def test_a_look_changes_nothing_and_says_that_the_target_moves(looked, tatchu, loki):
    offer, before, after = looked
    assert offer["moving"] and "SEEN ON A MOVING TARGET" in offer["said"]
    assert offer["order"] == ["database", "blobs", "data"]
    assert before == after
    assert tatchu.service("datajoint-worker").is_enabled
    assert not loki.file("/var/lib/labops-backup/hold/tatchu.json").exists
    assert tatchu.run("ls /datajoint-db/blobs").stdout == ""


def test_without_the_fence_nothing_is_begun(looked, restore, point, tatchu):
    said = restore(scope="auto,database", confirm=point["point"], good=False)
    assert "the fence does not hold" in said and "Nothing was changed on tatchu" in said
    assert tatchu.run("ls /datajoint-db/blobs").stdout == ""


@pytest.fixture(scope="module")
def recovered(looked, recover, point):
    return recover(point, case="a", scope="auto,database", release=False)


def test_the_files_are_those_of_the_point(recovered, point, assert_restored):
    assert assert_restored(point, "blobs") == set()
    assert assert_restored(point, "data") == set()


def test_the_database_is_that_of_the_point(recovered, point, borg, database_rows, checksums, dumped):
    manifest = borg("extract --stdout", f"points::point-{point['point']}", "pp:manifest.json")
    assert manifest.rc == 0
    expected = {
        f"{schema}.{table}": rows
        for schema, tables in json.loads(manifest.stdout)["tables"].items()
        for table, rows in tables.items()
        if schema.startswith("lab_")
    }
    found = database_rows()
    assert set(found) == set(expected)
    assert {name: rows for name, rows in found.items() if not name.endswith(".~jobs")} == {
        name: rows for name, rows in expected.items() if not name.endswith(".~jobs")
    }
    assert checksums() == dumped(point)


@pytest.mark.parametrize(("host", "job"), [("tatchu", "dump"), ("loki", "backup")])
def test_cron_fires_meanwhile_and_is_told_why_nothing_is_done(recovered, job_says, newest, point, host, job):
    said = job_says(host, job)
    assert recovered["incident"] in said and "held" in said, said
    assert newest()["point"] == point["point"], "nothing was sealed"


def test_nobody_but_the_restore_could_write(recovered, tatchu):
    assert not tatchu.service("datajoint-worker").is_running
    refused = tatchu.run("systemctl start datajoint-worker")
    assert refused.rc != 0
    assert tatchu.check_output("mariadb -NBe 'SELECT @@read_only'") != "0"


def test_release_brings_the_lab_back(recovered, restore, fetch_all, worker_goes_on, tatchu, loki):
    restore(stage="release")
    assert not loki.file("/var/lib/labops-backup/hold/tatchu.json").exists
    assert tatchu.check_output("mariadb -NBe 'SELECT @@read_only'") == "0"
    worker_goes_on()
    fetched = fetch_all()
    assert len(fetched["rows"]) >= 15 and sum(fetched["rows"].values()) > 100


def test_the_next_night_is_complete(recovered, night):
    assert night()["state"] == "complete"


def test_the_night_after_is_not_stopped_by_what_the_restore_changed(recovered, loki):
    """The release told the census once what to expect; it is used up."""
    assert loki.run("ls /var/lib/labops-backup/expected/").stdout == ""


def test_accept_removes_what_was_kept_aside(recovered, restore, tatchu):
    kept = f"find /datajoint-db /datajoint-data -maxdepth 3 -name .labops-aside-{recovered['incident']}"
    assert tatchu.check_output(kept) != ""
    restore(stage="accept", incident=recovered["incident"])
    assert tatchu.check_output(kept) == ""
