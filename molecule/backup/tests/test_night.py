# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The night that cron started, judged by plain tools and not by our own code."""

import json
import shlex

import pytest

testinfra_hosts = ["ansible://loki"]
REPOSITORIES = "/srv/backup/borg/tatchu"
BORG = (
    "env BORG_PASSCOMMAND='cat /etc/labops-backup/borg/tatchu.passphrase' BORG_BASE_DIR=/root/plain-borg"
    " BORG_RELOCATED_REPO_ACCESS_IS_OK=yes borg"
)


def ledger(host):
    """All runs of a host, oldest first."""
    text = host.check_output("cat /var/lib/labops-backup/ledger/*.json | python3 -c "
                             + shlex.quote("import json,sys; d=json.JSONDecoder(); s=sys.stdin.read(); r=[]\n"
                                           "while s.strip():\n v,n=d.raw_decode(s.lstrip()); r.append(v); s=s.lstrip()[n:]\n"
                                           "print(json.dumps(r))"))
    return sorted(json.loads(text), key=lambda run: run["run_id"])


@pytest.fixture(scope="module")
def night(loki):
    """The first whole night in the ledger: the one that cron started."""
    return next(run for run in ledger(loki) if run["job"] == "backup")


@pytest.fixture(scope="module")
def archives(loki, night):
    return {entry["dataset"]: entry["archive"] for entry in night["outcomes"]}


@pytest.fixture(scope="module")
def extracted(loki, archives):
    """All three datasets as plain borg extracts them."""
    loki.check_output("rm -rf /root/extract")
    for dataset, archive in archives.items():
        loki.check_output(f"mkdir -p /root/extract/{dataset}")
        loki.check_output(
            f"cd /root/extract/{dataset} && {BORG} extract --numeric-ids --sparse {REPOSITORIES}/{dataset}::{archive}"
        )
    return "/root/extract"


def test_cron_started_it_and_it_succeeded(loki, tatchu, night):
    assert night["state"] == "success", night
    dumps = [run for run in ledger(tatchu) if run["job"] == "dump"]
    assert dumps and dumps[0]["state"] == "success"
    assert "CMD (/usr/local/sbin/backup_and_notify_on_loki.sh" in loki.check_output("journalctl -u cron --no-pager")


def test_people_were_told(loki, tatchu, night):
    for host, word in ((loki, "backup good"), (tatchu, "dump")):
        told = [json.loads(line) for line in host.file("/var/log/lab-catcher.jsonl").content_string.splitlines()]
        assert any(word in json.dumps(message) for message in told)
        assert not any("/failure" in json.dumps(message) for message in told)


@pytest.mark.parametrize("dataset", ["database", "blobs", "data", "points"])
def test_plain_borg_finds_the_repositories_sound(loki, dataset):
    assert loki.check_output(f"{BORG} list --short {REPOSITORIES}/{dataset}")
    checked = loki.run(f"{BORG} check --verify-data {REPOSITORIES}/{dataset}")
    assert checked.rc == 0, checked.stderr


def test_compression_and_encryption_are_as_documented(loki, archives):
    told = json.loads(loki.check_output(f"{BORG} info --json {REPOSITORIES}/blobs::{archives['blobs']}"))
    assert told["encryption"]["mode"].startswith("repokey")
    assert "zstd,22" in told["archives"][0]["command_line"]


def test_the_seal_names_what_is_there(loki, night, archives):
    seal = json.loads(
        loki.check_output(f"{BORG} extract --stdout {REPOSITORIES}/points::point-{night['run_id']} point.json")
    )
    assert seal["state"] == "complete"
    assert {entry["name"]: entry["archive"] for entry in seal["datasets"]} == archives
    for entry in seal["datasets"]:
        told = json.loads(loki.check_output(f"{BORG} info --json {REPOSITORIES}/{entry['name']}::{entry['archive']}"))
        assert told["archives"][0]["id"] == entry["archive_id"]


def test_every_referenced_blob_is_in_the_archived_blobs(loki, tatchu, extracted, night):
    """Loads the archived dump into an empty engine of its own and asks it, as DataJoint would, for every file."""
    (dump,) = loki.check_output(f"ls {extracted}/database").split()
    manifest = json.loads(loki.file(f"{extracted}/database/{dump}/manifest.json").content_string)
    loki.check_output("command -v mariadbd || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server && systemctl stop mariadb")
    loki.check_output(
        "rm -rf /root/engine && mkdir /root/engine && chown mysql /root/engine && chmod 711 /root"
        " && mariadb-install-db --datadir=/root/engine --user=mysql --auth-root-authentication-method=normal >/dev/null"
    )
    loki.check_output("systemctl stop lab-engine 2>/dev/null; systemctl reset-failed lab-engine 2>/dev/null; systemd-run --collect"
                      " --unit=lab-engine mariadbd --datadir=/root/engine --user=mysql --skip-networking"
                      " --socket=/tmp/lab-engine.sock --pid-file=/tmp/lab-engine.pid")
    sql = "mariadb --socket=/tmp/lab-engine.sock -u root --default-character-set=utf8mb4"
    loki.check_output(f"for i in $(seq 100); do {sql} -e 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.2; done")
    loaded = loki.run(f"{sql} < {extracted}/database/{dump}/databases.sql")
    assert loaded.rc == 0, loaded.stderr

    for schema, tables in manifest["tables"].items():
        for table, rows in tables.items():
            counted = loki.check_output(f"{sql} -N -e {shlex.quote(f'SELECT COUNT(*) FROM `{schema}`.`{table}`')}")
            assert int(counted) == rows, (schema, table)

    locations = {"ephys": "blobs/ephys", "imaging": "blobs/imaging_cache", "notes": "blobs/shared/attachments",
                 "raw": "data"}
    folds = {"ephys": (2, 2), "imaging": (1, 3), "notes": (2, 2)}
    expected = 0
    for schema, tables in manifest["tables"].items():
        for table in tables:
            if not table.startswith("~external_"):
                continue
            store = table.removeprefix("~external_")
            rows = loki.check_output(
                f"{sql} -N -r -e " + shlex.quote(
                    f"SELECT LOWER(HEX(hash)), size, IFNULL(attachment_name, ''), IFNULL(filepath, '')"
                    f" FROM `{schema}`.`{table}`")
            )
            for line in filter(None, rows.split("\n")):
                digest, size, attachment, filepath = line.split("\t")
                if filepath:
                    path = filepath
                else:
                    first, second = folds[store]
                    path = f"{schema}/{digest[:first]}/{digest[first:first + second]}/{digest}"
                    path += f".{attachment}" if attachment else ""
                found = loki.file(f"{extracted}/{locations[store]}/{path}")
                assert found.exists, (store, path)
                assert found.size == int(size)
                expected += 1
    assert expected > 50
    loki.run("systemctl stop lab-engine")


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
