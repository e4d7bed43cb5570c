# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One incident: a schema dropped, half of the blobs deleted and some flipped, raw data overwritten without a trace."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
DATASETS = {"blobs": "/datajoint-db/blobs", "data": "/datajoint-data"}


@pytest.fixture(scope="module")
def point(tatchu, playbook, newest):
    # What the worker would make between the night and the damage is not in the point, so nobody could bring it back.
    tatchu.check_output("systemctl stop datajoint-worker")
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    done = playbook("backup")
    assert done.returncode == 0, done.stdout
    return newest()


@pytest.fixture(scope="module")
def struck(point, tatchu, strike_files):
    """The damage, and a file that somebody makes before it is noticed."""
    tatchu.check_output("mysql -e 'SET foreign_key_checks=0; DROP DATABASE lab_imaging'")
    strike_files("/datajoint-db/blobs", "half")
    strike_files("/datajoint-data", "garbage")
    tatchu.check_output(
        "install -d -o labworker /datajoint-data/new && echo new > '/datajoint-data/new/after the point'"
    )
    tatchu.check_output("systemctl start datajoint-worker")


@pytest.fixture(scope="module")
def fenced(struck, tatchu, restore):
    """What the fence said, of a server with somebody who gets around read_only by a role."""
    with_role = "CREATE ROLE night_admins; GRANT SUPER ON *.* TO night_admins; CREATE USER night_admin@localhost"
    tatchu.check_output("mysql -e %s", f"{with_role} ACCOUNT LOCK; GRANT night_admins TO night_admin@localhost")
    said = restore(stage="fence")
    tatchu.check_output("mysql -e 'DROP USER night_admin@localhost; DROP ROLE night_admins'")
    return said


@pytest.fixture(scope="module")
def damaged(fenced, tatchu, tree):
    """What is left when the incident is noticed."""
    return {name: tree(tatchu, root) for name, root in DATASETS.items()}


@pytest.fixture(scope="module")
def recovered(damaged, recover, point):
    return recover(point, case="representative part", fence=False, scope="auto,database", release=False)


def test_who_would_have_got_around_read_only_is_named(fenced):
    said = " ".join(fenced.split())  # lines are broken anywhere
    named = said.partition("These accounts would have passed read_only: ")[2].partition("'")[0].split(", ")
    assert {"night_admin@localhost", "root@localhost"} <= set(named)
    assert {"night_admins", "night_admins@%"} & set(named), "a role of MySQL has a host"


def test_the_plan_says_what_is_lost(recovered):
    steps = {step["dataset"]: step for step in recovered["steps"]}
    assert recovered["order"] == ["database", "blobs", "data"]
    assert {step["state"] for step in recovered["steps"]} == {"damaged"}
    assert steps["database"]["counts"]["missing"]["files"] >= 5
    assert steps["blobs"]["counts"]["missing"]["files"] > 100 and steps["blobs"]["counts"]["damaged"]["files"] > 20
    assert steps["data"]["counts"]["damaged"]["files"] > 50


def test_people_were_told_that_it_began_and_that_it_is_done(recovered, point, loki):
    heard = map(json.loads, loki.check_output("cat /var/log/lab-catcher.jsonl").splitlines())
    titles = [one["body"]["title"] for one in heard if isinstance(one["body"], dict) and "title" in one["body"]]
    name = point["point"]
    wanted = [f"tatchu: the restore from {name} begins", f"tatchu: restored from {name} and checked"]
    assert [title for title in titles if name in title and "restore" in title] == wanted


def test_the_database_is_that_of_the_point(recovered, point, checksums, dumped):
    assert checksums() == dumped(point)


@pytest.mark.parametrize("dataset", DATASETS)
def test_everything_of_the_point_is_back_and_exactly_what_is_newer_stayed(
    recovered, damaged, point, assert_restored, assert_extras, dataset
):
    extras = assert_restored(point, dataset)
    assert ("./new/after the point" in extras) is (dataset == "data")
    assert_extras(recovered, dataset, extras, damaged[dataset])


def test_meanwhile_the_jobs_of_cron_refuse_and_say_why(recovered, job_says, newest, point):
    for host, job in (("tatchu", "dump"), ("loki", "backup")):
        said = job_says(host, job)
        assert recovered["incident"] in said and "held" in said, said
    assert newest()["point"] == point["point"], "nothing was sealed"


def test_the_lab_works_again(recovered, restore, fetch_all, worker_goes_on):
    restore(stage="release")
    worker_goes_on()
    assert sum(fetch_all()["rows"].values()) > 100


def test_the_next_night_is_complete(recovered, night, loki):
    assert night()["state"] == "complete"
    assert loki.check_output("ls /var/lib/labops-backup/expected/") == ""
