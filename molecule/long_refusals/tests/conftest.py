# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refusal is: it fails, says what, where, what was left and what to do, and leaves both hosts as they were."""

import json

import pytest

# What a host is compared by, as find(1) prints it. Deployed files are put aside and back by the tests, which touches
# their folders; to open a repository locks it, which touches its folder too.
DEPLOYED = (
    "find /etc/labops-backup /etc/cron.d /etc/sudoers.d /usr/local /opt/labops-backup -maxdepth 4"
    " ( -type d -printf '%p %m %U %G\\n' -o -printf '%p %y %m %U %G %s %T@ %l\\n' )"
)
MIRRORS = "find /srv/backup/mirror /srv/backup/quarantine -printf '%p %y %m %U %G %s %T@ %C@ %l\\n'"
REPOSITORIES = "find /srv/backup/borg -type f ( -path '*/data/*' -o -name config ) -printf '%p %m %s %T@ %C@\\n'"
POINTS = "find /var/lib/labops-backup/recovery_points -printf '%p %m %s %T@ %C@\\n'"
SOURCE = "find /var/lib/labops-pull /datajoint-db/dumps -printf '%p %y %m %U %G %s\\n'"
LOOKS = {"loki": (DEPLOYED, MIRRORS, REPOSITORIES, POINTS), "tatchu": (DEPLOYED, SOURCE)}


def words(text):
    """Text with every run of white space as one space, and quotes as they were: Ansible shows messages as YAML."""
    return " ".join(text.split()).replace("''", "'")


@pytest.fixture(scope="session")
def state(loki, tatchu):
    """Everything that a refusal must leave as it was: names, kinds, owners, modes, sizes and times, as checksums.

    What they stand for stays in /root/state, so that a difference can be shown.
    """

    def look(which):
        sums = {}
        for host in (loki, tatchu):
            looks = [command.replace("(", "'('").replace(")", "')'") for command in LOOKS[host.backend.host]]
            script = "; ".join([*looks, "find /etc/labops-backup /usr/local/sbin -type f -exec sha256sum {} +"])
            sums[host.backend.host] = host.check_output(
                f"mkdir -p /root/state && cd /root/state && {{ {script}; }} | LC_ALL=C sort >{which}"
                f" && test -s {which} && sha256sum <{which}"
            )
        return sums

    return look


@pytest.fixture
def unchanged(state, loki, tatchu):
    """Both hosts are after the test as they were before it."""
    before = state("before")
    yield
    after = state("after")
    for host in (loki, tatchu):
        if before[host.backend.host] != after[host.backend.host]:
            shown = host.run("diff -a /root/state/before /root/state/after | head -n 20 | cat -v")
            pytest.fail(f"{host.backend.host} changed: {shown.stdout}")


@pytest.fixture(scope="session")
def refused():
    """See that a playbook failed with a message that has all these parts; gives the message's text."""

    def see(done, *parts):
        text = words(done.stdout + done.stderr)
        assert done.returncode == 2, text[-3000:]
        assert "Traceback" not in text
        for part in parts:
            assert part in text, f"{part!r} is not in: {text[-3000:]}"
        return text

    return see


@pytest.fixture(scope="session")
def night(playbook):
    """A night of some datasets, from pull to archive, as a person would run it."""

    def run(*datasets, **more):
        variables = {"backup_only_datasets": list(datasets), "backup_stages": ["pull", "archive"], **more}
        return playbook("backup", "--extra-vars", json.dumps(variables))

    return run


@pytest.fixture
def last_run(loki, ledger):
    """The newest run of the backup job in the ledger."""
    return lambda: [run for run in ledger(loki) if run["job"] == "backup"][-1]
