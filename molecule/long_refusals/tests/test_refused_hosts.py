# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong on a host is found before the mirror changes, and named."""

import contextlib
import json

import pytest

testinfra_hosts = ["ansible://loki"]
KNOWN_HOSTS = "/etc/labops-backup/ssh/known_hosts"
PASSPHRASE = "/etc/labops-backup/borg/tatchu.passphrase"
RELEASE = "/etc/labops-backup/release.json"
BORG = "/srv/backup/borg/tatchu"
pytestmark = pytest.mark.usefixtures("unchanged")


@pytest.fixture
def instead(loki):
    """Put something in the place of a file or a folder of loki; what was there comes back after the test."""
    with contextlib.ExitStack() as stack:

        def put(path, command):
            loki.check_output(f"mv {path} {path}.kept")
            stack.callback(loki.check_output, f"rm -rf {path} && mv {path}.kept {path}")
            loki.check_output(command)

        yield put


def program(path, *lines):
    """A shell command that writes a small program."""
    text = "\\n".join(["#!/bin/sh", *lines])
    return f"printf '{text}\\n' >{path} && chmod 755 {path}"


def outcome(run, dataset):
    return next(entry for entry in run["outcomes"] if entry["dataset"] == dataset)


# -------------------------------------------------------------------------------------------------- who the source is


def test_an_unknown_host_key(instead, night, refused, last_run):
    instead(KNOWN_HOSTS, f"install -m 600 /dev/null {KNOWN_HOSTS}")
    refused(
        night("blobs"),
        "FAILED in step 'Pull'",
        "host key is known",
        "The mirror /srv/backup/mirror/tatchu/blobs was not changed. The source's ssh host key is not the pinned one.",
        "run site.yml for this server",
    )
    assert last_run()["state"] == "failure"


def test_a_changed_host_key(instead, night, playbook, refused, loki):
    """The night refuses it, and so does site.yml, which says what it is and how to accept it."""
    instead(
        KNOWN_HOSTS,
        f"ssh-keygen -q -t ed25519 -N '' -f /tmp/other-key && "
        f"sed -E \"s|ssh-ed25519 [^ ]+|$(cut -d' ' -f1,2 /tmp/other-key.pub)|\" {KNOWN_HOSTS}.kept >{KNOWN_HOSTS} && "
        f"chmod 600 {KNOWN_HOSTS} && rm /tmp/other-key*",
    )
    refused(
        night("blobs"), "Host key verification failed", "was not changed. The source's ssh host key is not the pinned"
    )
    refused(
        playbook("site", "--tags", "rsync"),
        "tatchu has another ssh host key than the pinned one. Pinned: 256 SHA256:",
        "Nothing was changed in known_hosts, and its datasets are not pulled until this is settled.",
        "--extra-vars rsync_server_accept_host_key=FINGERPRINT",
    )


@pytest.fixture
def opened(loki):
    """What the night's first look at the repository of blobs says."""

    def look(**more):
        options = {
            "repository": f"{BORG}/blobs",
            "passphrase_file": PASSPHRASE,
            "base_dir": "/var/lib/labops-backup/borg",
            "executable": "/usr/bin/borg",
            "sizes": False,
            **more,
        }
        return loki.ansible("labops.backup.borg_repository_info", json.dumps(options), check=False)

    return look


# -------------------------------------------------------------------------------------------------------- passphrases


def test_a_passphrase_file_that_is_missing_or_that_others_can_read(instead, loki, opened):
    instead(PASSPHRASE, "true")
    assert opened()["msg"] == (
        f"the passphrase file {PASSPHRASE} does not exist. Nothing was changed."
        " Fetch the right one from the escrow bundle, or run site.yml."
    )
    loki.check_output(f"install -m 640 {PASSPHRASE}.kept {PASSPHRASE}")
    assert opened()["msg"] == (
        f"the passphrase file {PASSPHRASE} has mode 0640. Nothing was changed. chmod 0600 {PASSPHRASE}."
    )


def test_a_wrong_passphrase(instead, night, refused):
    instead(PASSPHRASE, f"(umask 77; echo other >{PASSPHRASE})")
    refused(
        night("blobs"),
        "FAILED in step 'See that its repository opens'",
        f"borg list on {BORG}/blobs failed: the passphrase does not open the repository",
        f"The repository was not changed. Fetch the right one from the escrow bundle into {PASSPHRASE}.",
    )


def test_another_passphrase_in_the_inventory(playbook, refused):
    refused(
        playbook("site", "--tags", "borg", "--extra-vars", json.dumps({"backup_borg_passphrase": "other"})),
        f"these repositories of tatchu on loki did not open: {BORG}/database, {BORG}/blobs, {BORG}/data, {BORG}/points",
        "PassphraseWrong",
        "The passphrase file and the repositories were not changed. Put the former backup_borg_passphrase back",
    )


# ------------------------------------------------------------------------------------------------------- repositories


MAKE = "env BORG_BASE_DIR=/root/other-base BORG_PASSCOMMAND='{}' borg init -e repokey-blake2 {} 2>/dev/null"


def test_what_lies_in_the_place_of_a_repository(instead, night, refused, last_run):
    """Something else, a repository of another source with the same passphrase, and nothing at all."""
    instead(f"{BORG}/database", f"mkdir {BORG}/database && echo notes >{BORG}/database/notes.txt")
    instead(f"{BORG}/blobs", MAKE.format(f"cat {PASSPHRASE}", f"{BORG}/blobs"))
    instead(f"{BORG}/data", "true")
    refused(
        night("database", "blobs", "data"),
        f"borg list on {BORG}/database failed: something that is not a Borg repository lies there",
        "Move it away or name another path.",
        f"another repository lies at {BORG}/blobs: it has the id",
        "Nothing was changed. Find out who put it there and bring the right one back.",
        f"there is no repository at {BORG}/data on loki. Nothing was changed.",
        "if it was never made, run site.yml",
    )
    steps = {entry["dataset"]: entry["step"] for entry in last_run()["outcomes"]}
    assert set(steps.values()) == {"See that its repository opens", "See that there is a repository"}


def test_another_repository_with_another_passphrase_or_of_another_dataset(instead, loki, opened):
    instead(f"{BORG}/blobs", MAKE.format("echo other", f"{BORG}/blobs"))
    assert opened()["msg"].startswith(f"another repository lies at {BORG}/blobs: it has the id")
    loki.check_output(f"rm -r {BORG}/blobs && cp -a {BORG}/points {BORG}/blobs")
    assert f", known at {BORG}/points; known there is" in opened()["msg"]


# ----------------------------------------------------------------------------------------------------------- programs


def borg(version):
    return program("/usr/bin/borg", f'[ "$1" = --version ] && exec echo "borg {version}"', "exit 9")


def test_another_borg(instead, loki, night, opened, refused):
    instead("/usr/bin/borg", borg("2.0.0b14"))
    refused(
        night("blobs"),
        "Borg 2.0.0b14 is not supported: this collection works with Borg 1.2 and 1.4. Nothing was changed.",
        "Install a supported version (borg_version)",
    )
    loki.check_output(borg("1.1.18"))
    assert opened()["msg"].startswith("Borg 1.1.18 is not supported: this collection works with Borg 1.2 and 1.4.")


def test_another_rsync(loki, night, refused):
    """In the search path before Debian's own."""
    fake = "/usr/local/bin/rsync"
    capabilities = {"ACLs": False, "xattrs": True, "hardlinks": True, "symlinks": True}
    says = json.dumps({"version": "3.4.1", "capabilities": capabilities})
    loki.check_output(f"printf '%s\\n' '#!/bin/sh' 'cat <<EOF' '{says}' EOF >{fake} && chmod 755 {fake}")
    try:
        refused(
            night("blobs"),
            f"{fake} on loki 3.4.1 was built without ACLs, which a mirror needs. Nothing was changed.",
            "Install Debian's rsync, and remove what stands in front of it in the search path.",
        )
        loki.check_output(program(fake, 'echo "rsync  version 3.1.3  protocol version 31"'))
        census = {"source": "/srv/backup/mirror/tatchu/blobs", "destination": "/root/none"}
        said = loki.ansible("labops.backup.rsync_census_info", json.dumps(census), check=False)["msg"]
        assert said.startswith(
            f"{fake} on loki calls itself 'rsync  version 3.1.3  protocol version 31'; 3.2.7 or later"
        )
    finally:
        loki.check_output(f"rm {fake}")


# ------------------------------------------------------------------------------------ what a role of site.yml refuses


LATE = {
    "an option of Borg": (
        {"borg_free_space_reserve": "2Q"},
        "borg_free_space_reserve is '2Q'. Nothing was changed. Give a size in Borg's notation",
    ),
    "the escrow among what it opens": (
        {"backup_escrow_directory": "/srv/backup/escrow"},
        "Name an absolute path on the control node that does not lie below /srv/backup",
    ),
    "a name for sshd": (
        {"backup_pull_addresses": ["loki"]},
        "sshd compares addresses, not names. Nothing was changed.",
    ),
    "a path for rsyncd.conf": (
        {"backup_datasets": [{"name": "data", "path": "/datajoint-data/100%"}]},
        "cannot be written into rsyncd.conf. Nothing was changed.",
    ),
    "a place for dumps": (
        {"backup_datasets": [{"name": "database", "kind": "database", "path": "/not/there/dumps"}]},
        "/not/there is no directory on tatchu. Nothing was changed. Mount the file system",
    ),
    "nobody to tell": ({"notification_urls": {"failure": []}}, "failure (at least one URL)"),
    "a schedule": (
        {"cron_backup_schedule": "at night"},
        'cron_backup_schedule is "at night". It needs the five fields',
    ),
}


@pytest.mark.parametrize("name", LATE)
def test_site_refuses_it_before_its_first_change(playbook, refused, name):
    """Another window of retention would change the jobs' inventory, which the first role writes."""
    variables, said = LATE[name]
    refused(playbook("site", "--extra-vars", json.dumps({"backup_keep_daily": 13, **variables})), said)


# ----------------------------------------------------------------------------------------------------------- releases


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"schema_version": 1, "version": "9.9.9", "release": "9.9.9"}', "loki has 9.9.9 with schema version 1."),
        ("", f"loki does not say which release it has: {RELEASE} is missing or damaged"),
    ],
    ids=["another", "none"],
)
def test_a_host_of_another_release(instead, night, refused, loki, ledger, document, said):
    before = len(ledger(loki))
    instead(RELEASE, f"(umask 77; printf '%s' '{document}' >{RELEASE})")
    refused(night("blobs"), said, "Nothing was changed. Run site.yml from this side")
    assert len(ledger(loki)) == before
