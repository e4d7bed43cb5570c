# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml --check --diff on new hosts tells what it would do, shows no secret and does nothing of it."""

import re

import pytest

testinfra_hosts = ["ansible://loki", "ansible://tatchu"]
# Everything that a role might touch, but for what a look at packages renews, and what lives on by itself.
LOOK = (
    "dpkg-query --show; getent passwd; getent group;"
    " systemctl list-unit-files --no-legend | awk '$2 != \"transient\" { print $1, $2 }' | sort;"
    " find /boot /etc /opt /root /srv /usr /var /datajoint-db /datajoint-data -xdev"
    " -path /var/cache -prune -o -path /var/log -prune -o -path /var/tmp -prune -o -path /var/lib/apt -prune"
    " -o -path /var/lib/mysql -prune -o -path /var/lib/systemd -prune -o -path /root/.ansible -prune"
    " -o -path /root/looked -prune -o -path /datajoint-db/blobs -prune -o -path /datajoint-data -prune"
    " -o ( -type d -printf '%p %m %U %G\\n' -o -printf '%p %y %m %U %G %s %T@ %l\\n' ) | LC_ALL=C sort"
)


@pytest.fixture(scope="module")
def looked(loki, tatchu, playbook):
    """What site.yml says about both hosts before it ever ran, and which of them it changed."""
    command = LOOK.replace("(", "'('", 1).replace(")", "')'", 1)
    for host in (loki, tatchu):
        assert not host.file("/etc/labops-backup").exists, "the scenario needs hosts that nothing of ours has touched"
        host.check_output(f"mkdir -p /root/looked && ( {command} ) >/root/looked/before")
    said = playbook("site", "--check", "--diff")
    for host in (loki, tatchu):
        host.check_output(f"( {command} ) >/root/looked/after")
    return said


def test_it_ends_well_and_says_what_it_would_change(looked):
    assert looked.returncode == 0, looked.stdout[-5000:] + looked.stderr
    recap = dict(re.findall(r"^(\w+) .*changed=(\d+)", looked.stdout, re.MULTILINE))
    assert {name: int(changed) > 5 for name, changed in recap.items()} == {"loki": True, "tatchu": True}
    for said in ("/etc/labops-backup/inventory.json", "/etc/cron.d/labops-backup-", "/usr/local/sbin/backup_"):
        assert said in looked.stdout


def test_it_shows_no_secret(looked, lab_secrets):
    for secret in lab_secrets:
        assert secret not in looked.stdout + looked.stderr


def test_it_changed_nothing(host, looked):
    shown = host.run("diff /root/looked/before /root/looked/after | head -n 20")
    assert shown.stdout == ""
    host.check_output("rm -r /root/looked")
