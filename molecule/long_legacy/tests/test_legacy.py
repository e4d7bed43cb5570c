# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier backups left is named by file and line, and goes only when its addresses are named."""

import json
import re

import pytest

testinfra_hosts = ["ansible://loki"]
OLD = {"loki": "10.99.0.6", "tatchu": "10.99.0.5"}  # of the other host, as each of the two knew it
NAMED = json.dumps({"legacy_cleanup_addresses": sorted(OLD.values()), "legacy_cleanup_remove": True})
PLACES = (
    "/usr/local/sbin/nightly_copy.sh /var/spool/cron/crontabs/root /etc/cron.d/old-backup"
    " /etc/systemd/system/old-backup.service /etc/systemd/system/old-backup.timer"
    " /root/.ssh/config /root/.ssh/known_hosts /root/.ssh/authorized_keys"
)


@pytest.fixture(scope="module")
def past(loki, tatchu, program, playbook):
    """Both hosts with their past; what it was before comes back at the end."""
    # Molecule gives site.yml an inventory of its own as well, which the escrow bundle keeps.
    made = playbook("site")
    assert made.returncode == 0, made.stdout[-2000:]
    for host, other in ((loki, tatchu), (tatchu, loki)):
        host.check_output("test -d /root/kept || { mkdir /root/kept && cp -a /root/.ssh /root/kept/; }")
        current = other.check_output("hostname -I").split()[0]
        program(host, "past.py", OLD[host.backend.host], current)
    yield
    for host in (loki, tatchu):
        host.check_output(
            "systemctl disable --now --quiet old-backup.timer 2>/dev/null; "
            f"rm -rf {PLACES} /root/.ssh /root/past-keys /var/lib/labops-backup/legacy"
            " && mv /root/kept/.ssh /root/.ssh && rmdir /root/kept && systemctl daemon-reload"
        )


def contents(host):
    return host.check_output(f"sha256sum {PLACES}; stat -c '%n %a %U %Y' {PLACES}")


@pytest.fixture(scope="module")
def report(past, loki, tatchu, playbook, tmp_path_factory):
    """Without any address named: a guess, for people."""
    before = contents(loki), contents(tatchu)
    document = tmp_path_factory.mktemp("legacy") / "findings.json"
    shown = playbook("legacy", "--extra-vars", f"legacy_json={document}")
    assert shown.returncode == 0, shown.stdout
    assert (contents(loki), contents(tatchu)) == before, "a report changes nothing"
    return shown.stdout, json.loads(document.read_text())["hosts"]


@pytest.fixture(scope="module")
def removed(report, playbook):
    done = playbook("legacy", "--extra-vars", NAMED)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["loki", "tatchu"])
def test_every_trace_is_named_by_file_and_line(hosts, report, name):
    shown, found = report
    old = OLD[name]
    lines = int(hosts(name).check_output("wc -l </root/.ssh/known_hosts"))
    keys = int(hosts(name).check_output("wc -l </root/.ssh/authorized_keys"))
    expected = {
        ("/usr/local/sbin/nightly_copy.sh", 3, old),
        ("/var/spool/cron/crontabs/root", 2, ""),
        ("/etc/cron.d/old-backup", 2, old),
        ("/etc/systemd/system/old-backup.service", 3, old),
        ("/etc/systemd/system/old-backup.timer", 0, ""),
        ("/root/.ssh/config", 5, old),
        ("/root/.ssh/known_hosts", lines - 2, old),
        ("/root/.ssh/known_hosts", lines, old),
        ("/root/.ssh/authorized_keys", keys - 1, old),
    }
    assert expected <= {(one["path"], one["line"], one["address"]) for one in found[name]}
    assert {one["address"] for one in found[name]} <= {old, ""}
    (hashed,) = [one for one in found[name] if (one["path"], one["line"]) == ("/root/.ssh/known_hosts", lines)]
    assert "hashed" in hashed["reason"]
    for path, line, _address in expected:
        assert (f"{path}:{line}" if line else path) in shown


def test_a_removal_needs_addresses(report, playbook, loki):
    before = contents(loki)
    done = playbook("legacy", "--extra-vars", json.dumps({"legacy_cleanup_remove": True}))
    assert done.returncode == 2
    text = " ".join(done.stdout.split())
    assert "a guess is not enough to remove something. Nothing was changed. Look at the report" in text
    assert contents(loki) == before


@pytest.mark.parametrize("name", ["loki", "tatchu"])
def test_only_what_was_named_is_gone(hosts, removed, name):
    host, old = hosts(name), OLD[name]
    for path in ("/usr/local/sbin/nightly_copy.sh", "/etc/systemd/system/old-backup.service"):
        assert not host.file(path).exists
        assert host.run(f"ls /var/lib/labops-backup/legacy/*{path}").rc == 0, "it is put aside, not deleted"
    assert not host.file("/etc/systemd/system/old-backup.timer").exists
    assert host.run("systemctl is-active old-backup.timer").stdout.strip() != "active"
    active = [
        line
        for path in ("/var/spool/cron/crontabs/root", "/etc/cron.d/old-backup", "/root/.ssh/config")
        for line in host.file(path).content_string.splitlines()
        if line.strip() and not line.startswith("#")
    ]
    current = next(line.split()[1] for line in active if "HostName" in line)
    assert current.startswith("10.98.")
    # Of a block of ssh's configuration, the line with the address goes; what else it says of that name stays.
    block = ["Host partner", f"    HostName {current}", "Host oldpartner", "    User root"]
    assert active == ["5 5 * * * /bin/true", *block]
    for path in ("/root/.ssh/known_hosts", "/root/.ssh/authorized_keys"):
        text = host.file(path).content_string
        assert not [line for line in text.splitlines() if old in line and not line.startswith("#")]
        assert [line for line in text.splitlines() if current in line and not line.startswith("#")]


@pytest.mark.parametrize("name", ["loki", "tatchu"])
def test_a_hashed_entry_goes_and_the_hashed_one_in_use_stays(hosts, removed, name):
    host = hosts(name)
    current = re.search(r"HostName (10\.98\.\S+)", host.file("/root/.ssh/config").content_string)[1]
    assert host.run(f"ssh-keygen -F {OLD[name]} -f /root/.ssh/known_hosts").rc == 1
    found = host.check_output(f"ssh-keygen -F {current} -f /root/.ssh/known_hosts")
    assert "|1|" in found and f"{current} ssh-ed25519" in found


def contents_left(host):
    folders = "/root/.ssh /var/spool/cron /etc/cron.d /var/lib/labops-backup/legacy"
    return host.check_output(f"find {folders} -type f | sort | xargs sha256sum")


def test_a_second_removal_changes_nothing(removed, playbook, loki, tatchu):
    before = contents_left(loki), contents_left(tatchu)
    done = playbook("legacy", "--extra-vars", NAMED)
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"changed=0 ", done.stdout)) == 2 and "changed=1" not in done.stdout
    assert (contents_left(loki), contents_left(tatchu)) == before


def test_the_state_of_the_hosts_is_still_what_site_makes(removed, playbook):
    done = playbook("site")
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.findall(r"^TASK \[(.+?)\] \**\n(?:(?!TASK).*\n)*?changed: ", done.stdout, re.MULTILINE) == []
    assert done.stdout.split("PLAY RECAP")[1].count("changed=0 ") == 2
