# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill and a whole check of what a good night left."""

import json

import pytest

EVIDENCE = "/var/lib/labops-backup"


def document(host, path):
    file = host.file(f"{EVIDENCE}/{path}")
    assert file.mode == 0o600
    return json.loads(file.content_string)


@pytest.fixture(scope="module")
def drill(loki, tatchu, ledger):
    """A drill, as cron starts it; gives its run in the ledger."""
    folder = f"{EVIDENCE}/recovery_points/tatchu"
    if loki.run(f'grep -l \'"state": "complete"\' {folder}/*.json').rc:
        tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
        loki.check_output("/usr/local/sbin/backup_and_notify_on_loki.sh")
    loki.check_output("/usr/local/sbin/drill_and_notify_on_loki.sh")
    return [run for run in ledger(loki) if run["job"] == "drill"][-1]


def test_the_drill_passed_and_its_evidence_says_what_was_seen(loki, drill, engine):
    assert drill["state"] == "success" and drill["outcomes"][0]["ok"]
    evidence = document(loki, "drills/tatchu.json")
    seen = evidence["drills"][0]
    assert (seen["run_id"], seen["ok"], seen["finding"]) == (drill["run_id"], True, "")
    assert seen["tables"] > 10 and seen["rows"] > 100 and seen["engine"].lower().startswith(f"{engine} ")
    assert seen["rate_bytes_per_second"] > 0 and set(seen["rates"]) == {"extract", "load"}
    for name in ("blobs", "data"):
        sampled = seen["datasets"][name]
        assert sampled["files_sampled"] == sampled["files_proven"] == sampled["files_total"] > 100
        assert sampled["share_proven"] == 1.0
    assert evidence["coverage"]["points_proven"] >= 1 and evidence["coverage"]["archives_proven"] >= 3


def test_the_point_is_proven_beside_its_seal(loki, borg, drill):
    point = document(loki, "drills/tatchu.json")["drills"][0]["point"]
    assert f"mark-proven-{point}-{drill['run_id']}" in borg("list --short", "points").stdout


def test_the_status_shows_it(playbook, loki):
    point = document(loki, "drills/tatchu.json")["drills"][0]["point"]
    said = playbook("status").stdout
    assert any(point in line and "proven" in line for line in said.splitlines()), said


def test_a_drill_leaves_nothing_behind(loki, drill):
    assert loki.run("pgrep -x 'mariadbd|mysqld'").rc == 1
    assert loki.check_output("find /srv/backup/staging/.drill -mindepth 1") == ""
    for unit in ("mariadb", "mysql"):
        assert loki.file(f"/etc/systemd/system/{unit}.service").linked_to == "/dev/null"
    assert "3306" not in loki.check_output("ss --listening --tcp --numeric")


def test_a_whole_check_finds_nothing_and_says_how_far_it_came(loki, playbook, drill):
    done = playbook("verify", "-e", "verify_full=true")
    assert done.returncode == 0, done.stdout
    evidence = document(loki, "checks/tatchu.json")["datasets"]
    kinds = {"repository", "archives", "data"}
    assert {name: set(states) for name, states in evidence.items()} == {
        "points": kinds,
        "database": {*kinds, "mirror", "manifest"},
        "blobs": {*kinds, "mirror", "manifest", "names"},
        "data": {*kinds, "mirror", "manifest", "names"},
    }
    for states in evidence.values():
        for state in states.values():
            assert (state["ok"], state["share"], state["finding"]) == (True, 1.0, "") and state["complete_at"]
