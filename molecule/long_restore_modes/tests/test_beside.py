# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A schema, or tables of it, beside the live ones: nothing that people use is replaced, and nobody has to stop."""

import pytest

testinfra_hosts = ["ansible://loki"]
SCHEMA, NEW = "lab_session", "lab_session_restored"


@pytest.fixture(scope="module")
def point(still_night):
    return still_night()


@pytest.fixture(scope="module")
def before(point, digests):
    return digests(SCHEMA)


@pytest.fixture(scope="module")
def damaged(before, tatchu, digests):
    """Somebody has changed and lost rows that nobody wants to lose the rest of the day's work for."""
    tatchu.check_output("mariadb -e %s", f"DELETE FROM {SCHEMA}.session__event LIMIT 3")
    tatchu.check_output("systemctl start datajoint-worker")
    return digests(SCHEMA)


def test_a_look_says_what_would_be_laid_where(damaged, point, plan):
    offer = plan(point=point["point"], schemas=SCHEMA, beside=True)
    assert offer["order"] == ["database"] and not offer["moving"]
    assert f"beside the live ones: {SCHEMA} as {NEW}" in offer["said"]


def test_the_schema_of_the_point_lies_beside(damaged, before, point, restore, digests, tatchu, journal):
    said = restore(point=point["point"], confirm=point["point"], schemas=SCHEMA, beside=True)
    assert digests(NEW) == before
    assert tatchu.service("datajoint-worker").is_running, "nobody had to stop"
    assert tatchu.check_output("mariadb -NBe 'SELECT @@read_only'") == "0"
    assert not tatchu.file("/var/lib/labops-backup/scratch").exists
    assert tatchu.run("pgrep -fa /var/lib/labops-backup/scratch").stdout == ""
    assert not tatchu.user("labops-restore").exists
    done = journal()
    assert done["state"] == "released" and done["steps"]["database.beside"]["state"] == "finished", said


def test_a_client_reads_it_like_any_schema(tatchu, fetch_all):
    assert f"{NEW}.session" in fetch_all()["rows"]


def test_a_name_that_is_taken_is_refused(point, restore, digests, before):
    said = restore(point=point["point"], confirm=point["point"], schemas=SCHEMA, beside=True, good=False)
    assert f"the schema {NEW} is taken" in said
    assert digests(NEW) == before


def test_single_tables_of_a_dump_that_the_source_no_longer_has(point, restore, digests, before, tatchu):
    """The dump set comes back from LOKI first, because the source has rotated it away."""
    tatchu.check_output("rm -rf /datajoint-db/dumps/%s", point["dump_set"]["id"])
    restore(
        point=point["point"],
        confirm=point["point"],
        beside=f"{SCHEMA}:only_sessions",
        tables=f"{SCHEMA}.session",
    )
    assert digests("only_sessions") == {"session": before["session"]}


def test_killed_in_the_middle_it_leaves_no_instance_and_goes_on(point, begin, strike, restore, digests, before, tatchu):
    process = begin(point=point["point"], confirm=point["point"], beside=f"{SCHEMA}:again")
    strike(tatchu, r"mariadbd.*/var/lib/labops-backup/scratch", "process")
    process.communicate()
    assert process.returncode != 0
    assert tatchu.run("pgrep -fa /var/lib/labops-backup/scratch").stdout == ""
    restore(point=point["point"], confirm=point["point"], beside=f"{SCHEMA}:again")
    assert digests("again") == before


@pytest.fixture(scope="module", autouse=True)
def away(tatchu):
    yield
    for name in (NEW, "only_sessions", "again"):
        tatchu.check_output("mariadb -e %s", f"DROP DATABASE IF EXISTS {name}")
