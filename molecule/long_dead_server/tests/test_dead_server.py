# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database server is dead and its data directory gone, and so is everything beside it, folders included."""

import pytest

testinfra_hosts = ["ansible://loki"]

# Reads the worker's password where it lies, so that it stands in no argument list.
LOG_IN = """
import json, os
with open("/etc/lab-pipeline/worker.json") as stream:
    os.environ["MYSQL_PWD"] = json.load(stream)["database.password"]
os.execvp("mysql", ["mysql", "-u", "lab_worker", "-e", "SELECT 1"])
"""


@pytest.fixture(scope="module")
def point(fresh):
    return fresh()


@pytest.fixture(scope="module")
def before(point, tatchu, engine):
    """What only a person would miss: how the folders were, and who could log in."""
    return {
        "folders": tatchu.check_output("stat -c '%n %a %U %G' /datajoint-db /datajoint-db/blobs /datajoint-db/dumps"),
        "accounts": accounts(tatchu, engine),
        "schemas": set(tatchu.check_output("mysql -NBe 'SHOW DATABASES'").split()),
    }


def accounts(tatchu, engine):
    """Who can log in to the database and how, as the server itself says it."""
    mine = {"mariadb": "User <> 'mariadb.sys' AND is_role = 'N'", "mysql": "User NOT LIKE 'mysql.%'"}[engine]
    # MySQL's hashes hold any byte.
    plain = {"mariadb": "", "mysql": "SET print_identified_with_as_hex = 1;"}[engine]
    names = f"SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.user WHERE {mine} ORDER BY 1"
    found = {}
    for name in tatchu.check_output("mysql -rNBe %s", names).splitlines():
        user = tatchu.check_output("mysql -rNBe %s", f"{plain}SHOW CREATE USER {name}")
        grants = tatchu.check_output("mysql -rNBe %s", f"SHOW GRANTS FOR {name}")
        found[name] = (user, sorted(grants.splitlines()))
    return found


@pytest.fixture(scope="module")
def dead(before, tatchu, engine):
    tatchu.check_output(f"systemctl kill --signal=KILL {engine} && rm -rf /var/lib/mysql /datajoint-db")


@pytest.fixture(scope="module")
def fenced(dead, restore, tatchu, engine):
    said = restore(stage="fence")
    return said, tatchu.run(f"systemctl is-active {engine}").stdout.strip()


def test_the_fence_is_up_before_the_server_is_ever_started(fenced, tatchu, engine):
    said, state = fenced
    assert "is fenced" in said and state != "active"
    settings = tatchu.file(f"/etc/mysql/{engine}.conf.d/zz-labops-fence.cnf").content_string
    assert "read_only = 1" in settings and "skip_networking = 1" in settings


@pytest.fixture(scope="module")
def recovered(fenced, recover, point):
    return recover(point, case="e", fence=False, scope="auto,database", release=False)


def test_the_plan_knows_what_is_lost_without_the_server_and_without_the_tree(recovered):
    states = {step["dataset"]: step["state"] for step in recovered["steps"]}
    assert (states["database"], states["blobs"]) == ("lost", "lost")
    assert recovered["order"][:2] == ["database", "blobs"]
    step = next(step for step in recovered["steps"] if step["dataset"] == "database")
    assert step["counts"]["missing"]["files"] > 20


def test_the_server_runs_behind_its_fence(recovered, tatchu, engine):
    assert tatchu.service(engine).is_running
    told = tatchu.check_output("mysql -NBe 'SELECT @@read_only, @@skip_networking, @@event_scheduler'").split()
    assert told[0] != "0" and told[1:] == ["1", "OFF"]
    refused = tatchu.run("python3 -c %s", LOG_IN)
    assert refused.rc != 0 and "locked" in refused.stderr


def test_the_database_is_that_of_the_point(recovered, point, before, checksums, dumped, tatchu):
    assert checksums() == dumped(point)
    assert set(tatchu.check_output("mysql -NBe 'SHOW DATABASES'").split()) == before["schemas"]


def test_the_trees_are_those_of_the_point(recovered, point, before, assert_restored, assert_extras, tatchu, tree):
    assert assert_restored(point, "blobs") == set()
    extras = assert_restored(point, "data")
    assert_extras(recovered, "data", extras, tree(tatchu, "/datajoint-data"))
    folders = tatchu.check_output("stat -c '%n %a %U %G' /datajoint-db /datajoint-db/blobs /datajoint-db/dumps")
    assert folders == before["folders"]


def test_release_brings_network_accounts_and_worker_back(
    recovered, restore, fetch_all, worker_goes_on, tatchu, before, engine, journal
):
    restore(stage="release")
    assert tatchu.check_output("mysql -NBe 'SELECT @@read_only, @@skip_networking'").split() == ["0", "0"]
    # Debian's package of MySQL made it, with a password that no dump holds.
    of_package = "'debian-sys-maint'@'localhost'"
    assert accounts(tatchu, engine) == {name: one for name, one in before["accounts"].items() if name != of_package}
    remaining = journal()["steps"]["checks"]["result"]["remaining"]
    assert (of_package in before["accounts"]) is any("debian-sys-maint" in text for text in remaining)
    worker_goes_on()
    assert sum(fetch_all()["rows"].values()) > 100


def test_the_next_night_is_complete(recovered, night):
    assert night()["state"] == "complete"
