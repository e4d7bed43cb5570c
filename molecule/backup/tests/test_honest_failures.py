# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nights that fail say so: in the exit code, in the ledger, in the message, each time."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"


@pytest.fixture
def failures(loki):
    """Messages that arrived as failures since the test began."""
    before = len(_messages(loki))
    return lambda: [text for text in _messages(loki)[before:] if "/failure" in text]


def _messages(loki):
    return loki.file("/var/log/lab-catcher.jsonl").content_string.splitlines()


def _last(loki, ledger):
    return [run for run in ledger(loki) if run["job"] == "backup"][-1]


@pytest.fixture
def broken(tatchu):
    """Take trees of the source away from the endpoint; they come back after the test."""
    moved = []

    def away(*folders):
        for folder in folders:
            tatchu.check_output(f"mv {folder} {folder}.away")
            moved.append(folder)

    tatchu.check_output("systemctl stop datajoint-worker")
    yield away
    for folder in moved:
        tatchu.check_output(f"mv {folder}.away {folder}")
    tatchu.check_output("systemctl start datajoint-worker")


def test_one_dataset_fails(loki, ledger, broken, failures):
    broken("/datajoint-db/blobs")
    ended = loki.run(NIGHT)
    assert ended.rc == 2
    run = _last(loki, ledger)
    assert run["state"] == "failure"
    assert {entry["dataset"]: entry["ok"] for entry in run["outcomes"]} == {
        "database": True,
        "blobs": False,
        "data": True,
    }
    assert run["points"][0]["state"] == "partial"
    (message,) = failures()
    assert "tatchu/blobs" in message and "partial" in message


def test_all_datasets_fail(loki, tatchu, ledger, broken, failures):
    tatchu.check_output("mv /etc/labops-backup/rsyncd.conf /etc/labops-backup/rsyncd.conf.away")
    try:
        ended = loki.run(NIGHT)
    finally:
        tatchu.check_output("mv /etc/labops-backup/rsyncd.conf.away /etc/labops-backup/rsyncd.conf")
    assert ended.rc == 2
    run = _last(loki, ledger)
    assert run["state"] == "failure"
    assert [entry["ok"] for entry in run["outcomes"]] == [False, False, False]
    assert "problem" in run["points"][0]
    (message,) = failures()
    assert "FAILED" in message


@pytest.fixture
def only_blobs(tmp_path, lab_variables):
    """The lab's inventory with one dataset."""
    variables = {**lab_variables, "backup_datasets": [{"name": "blobs", "path": "/datajoint-db/blobs"}]}
    return _inventory(tmp_path, variables)


def _inventory(folder, variables, groups=("backup_servers", "backup_sources")):
    from pathlib import Path

    import yaml

    project = Path(__file__).resolve().parents[3]
    hosts = yaml.safe_load((project / ".lab/inventory/hosts.yml").read_text())
    hosts["all"]["children"] = {name: hosts["all"]["children"][name] for name in groups}
    (folder / "group_vars").mkdir()
    (folder / "hosts.yml").write_text(json.dumps(hosts))
    (folder / "group_vars/all.yml").write_text(json.dumps(variables))
    return folder


def test_the_only_dataset_fails(loki, ledger, broken, playbook, only_blobs):
    broken("/datajoint-db/blobs")
    ended = playbook("backup", inventory=only_blobs)
    assert ended.returncode == 2
    assert "backup FAILED: tatchu/blobs" in ended.stdout
    run = _last(loki, ledger)
    assert run["state"] == "failure"
    assert [(entry["dataset"], entry["ok"]) for entry in run["outcomes"]] == [("blobs", False)]


def test_the_only_dataset_is_enough(loki, ledger, playbook, only_blobs):
    ended = playbook("backup", inventory=only_blobs)
    assert ended.returncode == 0, ended.stdout
    assert _last(loki, ledger)["state"] == "success"


@pytest.mark.parametrize("gone", ["backup_servers", "backup_sources"])
def test_an_empty_group_is_a_failure(playbook, tmp_path, lab_variables, gone):
    groups = [name for name in ("backup_servers", "backup_sources") if name != gone]
    ended = playbook("backup", inventory=_inventory(tmp_path, lab_variables, groups))
    assert ended.returncode != 0
    assert gone in ended.stdout + ended.stderr


@pytest.mark.parametrize("limit", ["localhost", "loki", "tatchu", "backup_servers"])
def test_a_limit_is_refused(loki, ledger, playbook, limit):
    before = len(ledger(loki))
    ended = playbook("backup", "--limit", limit)
    assert ended.returncode != 0
    assert "--limit" in ended.stdout + ended.stderr
    assert len(ledger(loki)) == before


@pytest.mark.parametrize("words", [["--tags", "pull"], ["--skip-tags", "seal"], ["--check"]])
@pytest.mark.parametrize("name", ["backup", "dump"])
def test_what_hides_work_is_refused(playbook, name, words):
    ended = playbook(name, *words)
    assert ended.returncode == 2
    assert "hide work from the verdict" in ended.stdout


def test_an_unreachable_server_is_a_failure(playbook, tmp_path, lab_variables):
    inventory = _inventory(tmp_path, {**lab_variables, "ansible_port": 1})
    ended = playbook("backup", inventory=inventory)
    assert ended.returncode == 2
    assert "backup FAILED" in ended.stdout


def test_the_environment_is_gone(loki, failures):
    """Nothing that the job needs works; the wrapper still speaks, if only to the system's log."""
    loki.check_output("mv /opt/labops-backup/current /opt/labops-backup/current.away")
    try:
        ended = loki.run(NIGHT)
    finally:
        loki.check_output("mv /opt/labops-backup/current.away /opt/labops-backup/current")
    assert ended.rc not in (0, 2)
    logged = loki.check_output("journalctl -t labops-backup --since=-1min --no-pager")
    assert failures() or "FAILED" in logged or "failed" in logged
