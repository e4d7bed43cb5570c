# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All three tiers are destroyed under a working worker; one confirmed restore brings everything back."""

import pytest

testinfra_hosts = ["ansible://loki"]
SCHEMAS = ("lab_ephys", "lab_imaging", "lab_session", "lab_subject")


@pytest.fixture(scope="module")
def point(night):
    return night()


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
    return recover(point, scope="auto,database", release=False)


def test_the_files_are_those_of_the_point(recovered, point, assert_restored):
    assert assert_restored(point, "blobs") == set()
    assert assert_restored(point, "data") == set()


def test_the_database_is_that_of_the_point(recovered, point, loki, database_rows, borg):
    manifest = borg("extract --stdout", f"points::point-{point['point']}", "pp:manifest.json")
    assert manifest.rc == 0
    import json

    tables = json.loads(manifest.stdout)["tables"]
    expected = {
        f"{schema}.{table}": rows
        for schema, by_table in tables.items()
        for table, rows in by_table.items()
        if schema.startswith("lab_")
    }
    found = database_rows()
    assert {name: found.get(name) for name in expected if not name.endswith("~jobs")} == {
        name: rows for name, rows in expected.items() if not name.endswith("~jobs")
    }
    assert set(found) == set(expected)


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


def test_accept_removes_what_was_kept_aside(recovered, restore, tatchu):
    restore(stage="accept", incident=recovered["incident"])
    kept = tatchu.check_output("find /datajoint-db /datajoint-data -maxdepth 3 -name '.labops-aside-*'")
    assert kept == ""
