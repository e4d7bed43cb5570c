# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refusal is: it fails, says what, where, what was left and what to do, and leaves both hosts as they were."""

import json

import pytest

# Of a repository only what it holds: to open one locks it, which touches its folder.
DEPLOYED = (
    "/etc/labops-backup /etc/cron.d /etc/sudoers.d /usr/local/sbin /usr/local/libexec/labops-backup"
    " /opt/labops-backup/current"
)
KEPT = {
    "loki": f"{DEPLOYED} /srv/backup/mirror /srv/backup/quarantine /srv/backup/borg/tatchu/*/data"
    " /srv/backup/borg/tatchu/*/config /var/lib/labops-backup/recovery_points",
    "tatchu": f"{DEPLOYED} /var/lib/labops-pull /datajoint-db/dumps",
}


def words(text):
    """Text with every run of white space as one space: Ansible folds long messages."""
    return " ".join(text.split())


@pytest.fixture
def state(loki, tatchu):
    """Everything that a refusal must leave as it was: names, kinds, owners, modes, sizes, times and content."""

    def look():
        found = {}
        for host, folders in ((loki, KEPT["loki"]), (tatchu, KEPT["tatchu"])):
            listed = host.run(f"find {folders} -printf '%p %y %m %U %G %s %T@ %l\\n' 2>/dev/null | sort")
            sums = host.run(f"find {folders} -type f -size -64k -print0 2>/dev/null | sort -z | xargs -0 sha256sum")
            assert len(listed.stdout.splitlines()) > 10
            found[host.backend.host] = listed.stdout + sums.stdout
        return found

    return look


@pytest.fixture
def unchanged(state):
    """Both hosts are after the test as they were before it."""
    before = state()
    yield
    after = state()
    for name, text in before.items():
        changes = set(text.splitlines()) ^ set(after[name].splitlines())
        assert not changes, f"{name}: {sorted(changes)[:10]}"


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
