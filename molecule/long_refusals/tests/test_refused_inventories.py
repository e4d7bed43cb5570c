# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory that cannot be right is refused before any host is contacted."""

import concurrent.futures
import json

import pytest

testinfra_hosts = ["ansible://loki"]
DATA = {"name": "data", "path": "/datajoint-data"}
DUMPS = {"name": "database", "kind": "database", "path": "/datajoint-db/dumps"}


def datasets(*entries):
    return {"backup_datasets": list(entries)}


# What is set, the playbook, and what the message says: what and where.
BAD = {
    "unknown field": (
        datasets({**DATA, "colour": "red"}),
        "site",
        "tatchu: dataset data has the unknown field 'colour'",
    ),
    "missing path": (datasets({"name": "data"}), "site", "tatchu: dataset data lacks the field 'path'"),
    "missing name": (datasets({"path": "/data"}), "backup", "tatchu: dataset number 1 lacks the field 'name'"),
    "no mapping": (datasets("data"), "site", "tatchu: entry 1 of backup_datasets is not a mapping"),
    "no list": ({"backup_datasets": "data"}, "backup", "tatchu: backup_datasets is empty or not a list"),
    "duplicate name": (datasets(DATA, {**DATA, "path": "/other"}), "site", "tatchu: two datasets are named 'data'"),
    "reserved name": (datasets({**DATA, "name": "points"}), "site", "tatchu: 'points' cannot name a dataset"),
    "relative path": (datasets({**DATA, "path": "datajoint-data"}), "site", "'datajoint-data' is not an absolute path"),
    "path with dots": (datasets({**DATA, "path": "/data/../etc"}), "site", "'/data/../etc' is not an absolute path"),
    "whole system": (datasets({**DATA, "path": "/"}), "backup", "dataset data: the whole file system cannot be meant"),
    "same path": (datasets(DATA, {**DATA, "name": "b"}), "site", "paths of the datasets data and b overlap"),
    "nested path": (
        datasets(DATA, {"name": "b", "path": "/datajoint-data/sub"}),
        "backup",
        "data and b overlap (/datajoint-data and /datajoint-data/sub)",
    ),
    "unknown kind": (datasets({**DATA, "kind": "tape"}), "site", "tatchu: dataset data has the kind 'tape'"),
    "database last": (datasets(DATA, DUMPS), "site", "the dataset of kind database must come first"),
    "no retention": (
        {"backup_keep_daily": 0, "backup_keep_weekly": 0, "backup_keep_monthly": 0},
        "site",
        "tatchu: ",
    ),
    "negative retention": ({"backup_keep_daily": -1}, "backup", "backup_keep_daily"),
    "unknown compression": ({"backup_compression": "brotli,9"}, "site", "Borg has no compression 'brotli,9'"),
    "too much compression": ({"backup_compression": "zstd,23"}, "backup", "Borg has no compression 'zstd,23'"),
    "unknown Borg": ({"borg_version": "2.0.0"}, "site", "loki: borg_version is '2.0.0'; known are 1.2 and 1.4"),
    "unknown server": ({"backup_server": "odin"}, "site", "tatchu: backup_server is 'odin', which is not in the group"),
    "no host key": ({"backup_source_host_keys": ["SHA256:abc"]}, "site", "'SHA256:abc' in backup_source_host_keys"),
    "half a host key": (
        {"backup_source_host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE"]},
        "site",
        "is not a whole public key of the form 'type base64'",
    ),
    "no limit at all": ({"backup_limit_deleted_percent": 300}, "site", "300 is no share in percent"),
    "misread by Borg": ({"backup_root": "/srv/{now}"}, "site", "loki: backup_root: Borg would misread '/srv/{now}'"),
    "root pulls": ({"backup_pull_account": "root"}, "site", "tatchu: backup_pull_account is root"),
    "misspelt window": (
        {"backup_keep_dayly": 7},
        "site",
        "backup_keep_dayly (of loki, tatchu: group_vars/all or --extra-vars), perhaps backup_keep_daily is meant",
    ),
    "negative limit": ({"backup_limit_deleted_files": -1}, "site", "limit_deleted_files is negative"),
}
# Further options of Borg and of the night, refused with sentences of their own.
CALLS = {
    "unknown source": ({"backup_only_sources": ["meg"]}, "there is no source 'meg'", "Correct the call"),
    "unknown dataset": ({"backup_only_datasets": ["tape"]}, "there is no dataset 'tape'", "Correct the call"),
    "unknown stage": ({"backup_stages": ["seal"]}, "backup_stages ['seal'] is none of", "Correct the call"),
}


@pytest.fixture(scope="module")
def answers(playbook):
    """Every playbook run at once. The port leads nowhere: who contacts a host gets no further."""

    def run(task):
        variables, name = task
        return playbook(name, "--extra-vars", json.dumps({**variables, "ansible_port": 1}))

    tasks = {name: (variables, book) for name, (variables, book, _said) in BAD.items()}
    tasks |= {name: (variables, "backup") for name, (variables, _said, _advice) in CALLS.items()}
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
        return dict(zip(tasks, pool.map(run, tasks.values()), strict=True))


@pytest.fixture(scope="module")
def runs_before(loki, ledger):
    return len(ledger(loki))


@pytest.mark.parametrize("name", BAD)
def test_an_inventory_that_cannot_be_right(runs_before, answers, refused, name):
    text = refused(answers[name], BAD[name][2], "Nothing was changed. Mend the inventory.")
    assert "UNREACHABLE" not in text


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_cannot_be_meant(runs_before, answers, refused, name):
    text = refused(answers[name], CALLS[name][1], f"Nothing was changed. {CALLS[name][2]}.")
    assert "UNREACHABLE" not in text


def test_no_host_heard_of_any_of_it(loki, ledger, runs_before, answers):
    assert len(ledger(loki)) == runs_before
