# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The night that cron started, judged by plain tools and not by our own code."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]


def started_by_cron(host, ledger):
    """The run that the side effect let cron start."""
    wanted = host.file("/root/cron-run").content_string
    return next(run for run in ledger(host) if run["run_id"] == wanted)


@pytest.fixture(scope="module")
def night(loki, ledger):
    return started_by_cron(loki, ledger)


@pytest.fixture(scope="module")
def archives(loki, night):
    return {entry["dataset"]: entry["archive"] for entry in night["outcomes"]}


@pytest.fixture(scope="module")
def extracted(extract, archives):
    """All datasets as plain borg extracts them; the folder above them."""
    return {dataset: extract(dataset, archive) for dataset, archive in archives.items()}


def test_cron_started_it_and_it_succeeded(loki, tatchu, night, ledger):
    assert night["state"] == "success", night
    assert started_by_cron(tatchu, ledger)["state"] == "success"
    assert "CMD (/usr/local/sbin/backup_and_notify_on_loki.sh" in loki.check_output("journalctl -u cron --no-pager")


def test_people_were_told(loki, tatchu, night, ledger):
    for host, title in ((loki, "backup good"), (tatchu, "dump good")):
        run = started_by_cron(host, ledger)["run_id"]
        lines = host.file("/var/log/lab-catcher.jsonl").content_string.splitlines()
        about = [message for message in map(json.loads, lines) if run in message["body"]["title"]]
        told = {message["path"]: message["body"]["title"] for message in about}
        assert title in told["/success"]


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
