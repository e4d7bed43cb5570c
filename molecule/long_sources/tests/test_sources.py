# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A night over two sources, and one in which the second one is broken."""

import json
import pathlib

import pytest

testinfra_hosts = ["ansible://loki"]
SOURCES = pathlib.Path(__file__).resolve().parents[3] / ".lab/inventory-sources"
NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"


@pytest.fixture(scope="module")
def meg(hosts):
    return hosts("meg")


def outcomes(run):
    return {(entry["source"], entry["dataset"]): entry["ok"] for entry in run["outcomes"]}


def states(run):
    return {point["source"]: point.get("state") for point in run["points"]}


def test_the_night_took_every_dataset_of_both_and_sealed_a_point_of_each(host, ledger):
    run = [run for run in ledger(host) if run["job"] == "backup"][-1]
    assert run["state"] == "success"
    assert outcomes(run) == {
        ("tatchu", "database"): True,
        ("tatchu", "blobs"): True,
        ("tatchu", "data"): True,
        ("meg", "rig"): True,
    }
    assert states(run) == {"tatchu": "complete", "meg": "complete"}


def test_an_earlier_copy_became_the_mirror_and_only_what_differed_came(host, ledger):
    assert not host.file("/srv/backup/earlier/rig").exists
    before = dict(line.split(" ", 1) for line in host.file("/root/rig-inodes").content_string.splitlines())
    now = host.check_output("cd /srv/backup/mirror/meg && stat --format='%i %n' rig/*/*.dat")
    after = dict(line.split(" ", 1) for line in now.splitlines())
    kept = {name for inode, name in after.items() if before.get(inode) == name}
    assert kept == {"rig/day 1/one.dat", "rig/day 1/three.dat"}
    assert host.file("/srv/backup/mirror/meg/rig/day 1/two.dat").content_string == "two\n"


def test_dumps_that_nobody_proved_are_archived_and_called_unproven(host, ledger, playbook):
    run = [run for run in ledger(host) if run["job"] == "backup"][-1]
    (database,) = [entry for entry in run["outcomes"] if entry["dataset"] == "database"]
    assert database["unproven"] == ["2019.sql", "by hand"]
    found = plain_borg(
        host, f"list --short /srv/backup/borg/tatchu/database::{database['archive']}"
    ).stdout.splitlines()
    assert {"database/2019.sql", "database/by hand/2021.sql"} <= set(found)
    assert "database holds unproven 2019.sql, by hand." in playbook("status", inventory=SOURCES).stdout


def test_the_points_of_the_two_never_mix(host, ledger):
    """Each seal lies in its own repository and names archives of its own source, in repositories of its own."""
    last = [run for run in ledger(host) if run["job"] == "backup"][-1]["run_id"]
    for source, datasets in {"tatchu": ["database", "blobs", "data"], "meg": ["rig"]}.items():
        seal = json.loads(host.file(f"/var/lib/labops-backup/recovery_points/{source}/{last}.json").content_string)
        assert (seal["source"], [one["name"] for one in seal["datasets"]]) == (source, datasets)
        for one in seal["datasets"]:
            assert one["repository"] == f"/srv/backup/borg/{source}/{one['name']}"
            assert one["archive"] == f"{source}-{one['name']}-{last}"
            names = listed(host, source, one["name"])
            assert one["archive"] in names and all(name.startswith(f"{source}-{one['name']}-") for name in names)
        assert f"point-{last}" in listed(host, source, "points")
    assert sorted(host.file("/srv/backup/mirror").listdir()) == ["meg", "tatchu"]
    assert not host.file("/srv/backup/mirror/tatchu/rig").exists


def test_the_status_shows_both(playbook, tmp_path):
    document = tmp_path / "status.json"
    shown = playbook("status", "--extra-vars", f"status_json={document}", inventory=SOURCES)
    assert shown.returncode == 0, shown.stdout
    (server,) = json.loads(document.read_text())["servers"]
    newest = {one["source"]: (one["points"][0]["source"], one["points"][0]["state"]) for one in server["sources"]}
    assert newest == {"tatchu": ("tatchu", "complete"), "meg": ("meg", "complete")}
    for source in newest:
        assert f"Recovery points of {source} on loki: the newest complete one is" in shown.stdout


def test_the_second_source_comes_back_as_it_is(host, meg, tree):
    name = listed(host, "meg", "rig")[-1]
    host.check_output("rm -rf /root/rig && mkdir /root/rig")
    done = plain_borg(host, f"extract --numeric-ids --sparse /srv/backup/borg/meg/rig::{name}", "/root/rig")
    assert done.rc == 0, done.stderr
    assert tree(host, "/root/rig/rig") == tree(meg, "/srv/rig")


@pytest.fixture
def restore(playbook):
    def run(*words, **variables):
        given = json.dumps({f"restore_{name}": value for name, value in variables.items()})
        done = playbook("restore", "--extra-vars", given, *words, inventory=SOURCES)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_second_source_is_restored_while_the_first_one_goes_on(host, meg, tree, restore):
    """It has no database: no account to lock, no dump set to look into."""
    before = tree(meg, "/srv/rig")
    point = listed(host, "meg", "points")[-1].removeprefix("point-")
    meg.check_output("cd /srv/rig && rm -r 'day 1' && echo newer >newer")
    restore("--tags", "fence", source="meg")
    try:
        assert "rig" in restore(source="meg")
        assert host.run("/usr/local/sbin/backup_tatchu_data.sh").rc == 0
        assert host.run("/usr/local/sbin/backup_meg_rig.sh").rc != 0
        restore(source="meg", confirm=point)
    finally:
        restore("--tags", "release", source="meg")
    after = tree(meg, "/srv/rig")
    assert meg.file("/srv/rig/newer").content_string == "newer\n"
    meg.check_output("rm -rf /srv/rig/newer /srv/rig/.labops-aside-*")
    assert {path: one for path, one in after.items() if path in before and path != "."} == {
        path: one for path, one in before.items() if path != "."
    }
    assert host.run("/usr/local/sbin/backup_meg_rig.sh").rc == 0


def test_what_one_source_had_is_laid_onto_the_other(host, meg, tree, kept_by_borg, restore):
    target, name = "/srv/looked-at", listed(host, "tatchu", "data")[-1]
    point = name.removeprefix("tatchu-data-")
    restore(source="tatchu", host="meg", target=target, scope="data", point=point, confirm=point)
    host.check_output("rm -rf /root/data && mkdir /root/data")
    done = plain_borg(host, f"extract --numeric-ids --sparse /srv/backup/borg/tatchu/data::{name}", "/root/data")
    assert done.rc == 0, done.stderr
    assert kept_by_borg(tree(meg, f"{target}/data")) == tree(host, "/root/data/data")
    assert meg.run("getent passwd labops-restore").rc != 0, "the way in is closed"
    meg.check_output(f"rm -rf {target}")


def test_the_second_source_has_an_endpoint_and_no_job(host, meg):
    script = host.file("/usr/local/sbin/backup_meg_rig.sh")
    assert script.exists and "10.98." not in script.content_string
    assert host.run(f"{script.path} --help").rc == 0
    assert host.run(script.path).rc == 0
    assert meg.file("/etc/labops-backup/rsyncd.conf").exists
    assert meg.run("ls /etc/cron.d | grep labops-backup").stdout == ""
    assert meg.run("ls /usr/local/sbin | grep backup").stdout == ""
    assert not meg.file("/etc/labops-backup/database.cnf").exists


def test_deployed_files_say_which_inventory_they_come_from(host, meg):
    stamps = {
        machine.check_output(f"grep -ho 'Generated by labops.backup .* from inventory [0-9a-f]*' {path}")
        for machine, path in (
            (host, "/etc/labops-backup/ssh/known_hosts"),
            (host, NIGHT),
            (host, "/etc/cron.d/labops-backup-backup"),
            (meg, "/etc/labops-backup/rsyncd.conf"),
        )
    }
    assert len(stamps) == 1
    inventory = json.loads(host.file("/etc/labops-backup/inventory.json").content_string)
    assert f"Generated by {inventory['all']['vars']['backup_generated_by']}" in stamps


def test_a_broken_second_source_is_named_and_the_first_one_gets_its_point(host, meg, ledger):
    meg.check_output("mv /srv/rig /srv/rig-away")
    try:
        assert host.run(f"{NIGHT}; echo $?").stdout.splitlines()[-1] == "2"
    finally:
        meg.check_output("mv /srv/rig-away /srv/rig")
    run = [run for run in ledger(host) if run["job"] == "backup"][-1]
    assert run["state"] == "failure" and "meg/rig" in run["message"] and "tatchu/" not in run["message"]
    assert outcomes(run)[("meg", "rig")] is False
    assert states(run)["tatchu"] == "complete" and states(run)["meg"] is None


def listed(host, source, place):
    """Names of the archives, oldest first."""
    return plain_borg(host, f"list --short /srv/backup/borg/{source}/{place}").stdout.split()


def plain_borg(host, words, folder="/root"):
    return host.run(
        f"cd {folder} && env BORG_PASSCOMMAND='cat /etc/labops-backup/borg/meg.passphrase' LC_ALL=C.UTF-8"
        f" BORG_BASE_DIR=/root/plain-borg BORG_RELOCATED_REPO_ACCESS_IS_OK=yes borg {words}"
    )
