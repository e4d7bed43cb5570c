# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The night that cron started, judged by plain tools and not by our own code."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]


@pytest.fixture(scope="module")
def night(loki, ledger):
    """The first whole night in the ledger: the one that cron started."""
    return [run for run in ledger(loki) if run["job"] == "backup"][-1]


@pytest.fixture(scope="module")
def archives(loki, night):
    return {entry["dataset"]: entry["archive"] for entry in night["outcomes"]}


@pytest.fixture(scope="module")
def extracted(extract, archives):
    """All datasets as plain borg extracts them; the folder above them."""
    return {dataset: extract(dataset, archive) for dataset, archive in archives.items()}


def test_cron_started_it_and_it_succeeded(loki, tatchu, night, ledger):
    assert night["state"] == "success", night
    dumps = [run for run in ledger(tatchu) if run["job"] == "dump"]
    assert dumps and dumps[-1]["state"] == "success"
    assert "CMD (/usr/local/sbin/backup_and_notify_on_loki.sh" in loki.check_output("journalctl -u cron --no-pager")


def test_people_were_told(loki, tatchu, night):
    for host, word in ((loki, "backup good"), (tatchu, "dump")):
        told = [json.loads(line) for line in host.file("/var/log/lab-catcher.jsonl").content_string.splitlines()]
        assert any(word in json.dumps(message) for message in told)
        assert not any("/failure" in json.dumps(message) for message in told)


@pytest.mark.parametrize("dataset", ["database", "blobs", "data", "points"])
def test_plain_borg_finds_the_repositories_sound(borg, dataset):
    assert borg("list --short", dataset).stdout
    checked = borg("check --verify-data", dataset)
    assert checked.rc == 0, checked.stderr


def test_compression_and_encryption_are_as_documented(borg, archives):
    told = json.loads(borg("info --json", f"blobs::{archives['blobs']}").stdout)
    assert told["encryption"]["mode"].startswith("repokey")
    assert "zstd,22" in told["archives"][0]["command_line"]


def test_the_seal_names_what_is_there(borg, night, archives):
    seal = json.loads(borg("extract --stdout", f"points::point-{night['run_id']}", "point.json").stdout)
    assert seal["state"] == "complete"
    assert {entry["name"]: entry["archive"] for entry in seal["datasets"]} == archives
    for entry in seal["datasets"]:
        told = json.loads(borg("info --json", f"{entry['name']}::{entry['archive']}").stdout)
        assert told["archives"][0]["id"] == entry["archive_id"]


def test_the_dump_loads_and_every_file_it_refers_to_is_archived(loki, extracted, program):
    """The archived dump in an empty engine has the manifest's rows; that engine is asked for every file."""
    (dump,) = loki.check_output(f"ls {extracted['database']}").split()
    folder = f"{extracted['database']}/{dump}"
    manifest = json.loads(loki.file(f"{folder}/manifest.json").content_string)
    loki.check_output(
        "command -v mariadbd || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server;"
        " systemctl disable --now mariadb"
    )
    stores = {
        "ephys": [f"{extracted['blobs']}/ephys", [2, 2]],
        "imaging": [f"{extracted['blobs']}/imaging_cache", [1, 3]],
        "notes": [f"{extracted['blobs']}/shared/attachments", [2, 2]],
        "raw": [extracted["data"], []],
    }
    told = json.loads(program(loki, "ask_engine.py", folder, json.dumps(stores)))
    assert told["rows"] == manifest["tables"]
    assert told["wrong"] == []
    assert told["files"] > 50


def test_secrets_were_in_no_process(loki, tatchu):
    for host in (loki, tatchu):
        assert int(host.file("/root/found.samples").content_string) > 100, "the watcher really watched"
        found = host.file("/root/found")
        assert not found.exists, found.content_string


def test_secrets_are_in_no_log_artifact_crontab_or_archive(loki, tatchu, lab_secrets, extracted):
    places = (
        "/var/log /var/spool/cron /etc/cron.d /etc/crontab /usr/local /opt/labops-backup /var/lib/labops-backup"
        " /run/labops-backup /srv/backup/mirror /srv/backup/staging /root/extract /tmp"
    )
    for host in (loki, tatchu):
        found = host.run(f"grep -rlaF --exclude-dir=lab-engine -f /root/secrets {places} 2>/dev/null")
        assert found.stdout == "", found.stdout
        journal = host.run("journalctl --no-pager | grep -aF -f /root/secrets")
        assert journal.stdout == ""
