# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml leaves behind on both hosts."""

import json

testinfra_hosts = ["ansible://loki", "ansible://tatchu"]

SCRIPTS = {
    "loki": [
        "backup_tatchu_database.sh",
        "backup_tatchu_blobs.sh",
        "backup_tatchu_data.sh",
        "borg_backup_on_loki.sh",
        "backup_and_notify_on_loki.sh",
        "verify_and_notify_on_loki.sh",
        "drill_and_notify_on_loki.sh",
        "readiness_and_notify_on_loki.sh",
    ],
    "tatchu": ["backup_and_notify_on_tatchu.sh"],
}


def name(host):
    return host.backend.host


def test_scripts_explain_themselves_and_carry_no_address(host):
    for script in SCRIPTS[name(host)]:
        path = f"/usr/local/sbin/{script}"
        assert host.file(path).user == "root"
        assert host.file(path).mode & 0o022 == 0
        assert "10.98." not in host.file(path).content_string
        told = host.run(f"{path} --help")
        assert told.rc == 0 and script in told.stdout
        assert host.run(f"{path} --frobnicate").rc == 64


def test_one_cron_file_a_job(host):
    listed = host.run("ls /etc/cron.d").stdout.split()
    ours = {entry.removeprefix("labops-backup-") for entry in listed if entry.startswith("labops-backup-")}
    assert ours == ({"backup", "verify", "drill", "readiness"} if name(host) == "loki" else {"dump"})
    for job in ours:
        script = "backup" if job == "dump" else job
        text = host.file(f"/etc/cron.d/labops-backup-{job}").content_string
        assert text.endswith(f" root /usr/local/sbin/{script}_and_notify_on_{name(host)}.sh\n")
    assert host.service("cron").is_running and host.service("cron").is_enabled


def test_secrets_are_readable_by_root_only(host):
    found = host.run("find /etc/labops-backup -not -type d -printf '%m %u %p\\n'").stdout.split("\n")
    secret = ("passphrase", "database.cnf", "notify.yml", "tell.json", "inventory.json", "ssh/tatchu")
    checked = 0
    for line in filter(None, found):
        mode, owner, path = line.split(" ", 2)
        if path.endswith(secret):
            assert (mode, owner) == ("600", "root"), path
            checked += 1
    assert checked >= 3
    assert host.file("/etc/labops-backup").mode == 0o700


def test_the_job_inventory_holds_no_secret(host, lab_secrets):
    text = host.file("/etc/labops-backup/inventory.json").content_string
    assert json.loads(text)
    for secret in lab_secrets:
        assert secret not in text
        assert json.dumps(secret)[1:-1] not in text


def test_the_source_has_no_key_for_the_server(host):
    """Rule: TATCHU has no access to LOKI at all, and LOKI none to TATCHU but the endpoint."""
    if name(host) == "tatchu":
        assert host.run("ls /etc/labops-backup/ssh").rc != 0
    else:
        assert host.run("ls /root/.ssh/id_* 2>/dev/null").stdout == ""


def test_release_is_the_checked_out_version(host):
    release = json.loads(host.file("/etc/labops-backup/release.json").content_string)
    assert release["version"] == "0.1.0"
    assert host.run("/opt/labops-backup/current/bin/ansible-runner --version").rc == 0
    # Releases of one list of packages share one environment, and none is left that nobody uses.
    environments = host.check_output("ls /opt/labops-backup/environments").split()
    used = host.check_output(
        "find /opt/labops-backup/releases -mindepth 2 -maxdepth 2 -name bin -printf '%l\\n'"
    ).split()
    assert sorted({path.split("/")[-2] for path in used}) == environments
    prefix = host.check_output("/opt/labops-backup/current/bin/python -c 'import ansible; print(ansible.__path__[0])'")
    assert prefix.startswith(("/opt/labops-backup/current/lib/", "/opt/labops-backup/environments/"))
