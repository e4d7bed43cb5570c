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
    refused(night("blobs"), "Host key verification failed", "was not changed. The source's ssh host key is not the pinned")
    refused(
        playbook("site", "--tags", "rsync"),
        "tatchu has another ssh host key than the pinned one. Pinned: 256 SHA256:",
        "Nothing was changed in known_hosts, and its datasets are not pulled until this is settled.",
        "--extra-vars rsync_server_accept_host_key=FINGERPRINT",
    )


# -------------------------------------------------------------------------------------------------------- passphrases


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("true", "does not exist. Nothing was changed. Fetch the right one from the escrow bundle, or run site.yml."),
        (
            f"install -m 640 {PASSPHRASE}.kept {PASSPHRASE}",
            f"has mode 0640. Nothing was changed. chmod 0600 {PASSPHRASE}.",
        ),
        (
            f"(umask 77; echo other >{PASSPHRASE})",
            "the passphrase does not open the repository",
        ),
    ],
    ids=["missing", "readable by a group", "wrong"],
)
def test_a_passphrase_file(instead, night, refused, command, said):
    instead(PASSPHRASE, command)
    text = refused(night("blobs"), "FAILED in step 'See that its repository opens'", said)
    assert PASSPHRASE in text


def test_another_passphrase_in_the_inventory(playbook, refused):
    refused(
        playbook("site", "--tags", "borg", "--extra-vars", json.dumps({"backup_borg_passphrase": "other"})),
        f"these repositories of tatchu on loki did not open: {BORG}/database, {BORG}/blobs, {BORG}/data, {BORG}/points",
        "PassphraseWrong",
        "The passphrase file and the repositories were not changed. Put the former backup_borg_passphrase back",
    )


# ------------------------------------------------------------------------------------------------------- repositories


def test_what_lies_in_the_place_of_a_repository(instead, night, playbook, refused, last_run):
    """Something else, a repository of another source with the same passphrase, and one with another passphrase."""
    instead(f"{BORG}/database", f"mkdir {BORG}/database && echo notes >{BORG}/database/notes.txt")
    made = "env BORG_BASE_DIR=/tmp/other-base BORG_PASSCOMMAND='{}' borg init -e repokey-blake2 {} 2>/dev/null"
    instead(f"{BORG}/blobs", made.format(f"cat {PASSPHRASE}", f"{BORG}/blobs"))
    instead(f"{BORG}/data", made.format("echo other", f"{BORG}/data"))
    refused(
        night("database", "blobs", "data"),
        f"borg list on {BORG}/database failed: something that is not a Borg repository lies there",
        "Move it away or name another path.",
        f"another repository lies at {BORG}/blobs: it has the id",
        f"another repository lies at {BORG}/data: it has the id",
        "Nothing was changed. Find out who put it there and bring the right one back.",
    )
    assert {entry["step"] for entry in last_run()["outcomes"]} == {"See that its repository opens"}
    refused(
        playbook("site", "--tags", "borg"),
        "something that is not a Borg repository lies there",
        "another repository lies at",
    )


def test_a_repository_of_another_dataset(instead, loki, night, refused):
    """Borg itself knows that one from another path; it opens with the same passphrase."""
    instead(f"{BORG}/blobs", f"cp -a {BORG}/points {BORG}/blobs")
    refused(
        night("blobs"), f"another repository lies at {BORG}/blobs", f"known at {BORG}/points", "Nothing was changed."
    )


def test_no_repository(instead, night, refused):
    instead(f"{BORG}/blobs", "true")
    refused(
        night("blobs"),
        f"there is no repository at {BORG}/blobs on loki. Nothing was changed.",
        "if it was never made, run site.yml",
    )


# ----------------------------------------------------------------------------------------------------------- programs


@pytest.mark.parametrize("version", ["2.0.0b14", "1.1.18"])
def test_another_borg(instead, night, refused, version):
    instead("/usr/bin/borg", program("/usr/bin/borg", f'[ "$1" = --version ] && exec echo "borg {version}"', "exit 9"))
    refused(
        night("blobs"),
        f"Borg {version} is not supported: this collection works with Borg 1.2 and 1.4. Nothing was changed.",
        "Install a supported version (borg_version)",
    )


@pytest.mark.parametrize(
    ("says", "lacks"),
    [
        ("rsync  version 3.1.3  protocol version 31", "calls itself"),
        (
            '{"version": "3.4.1", "capabilities": {"ACLs": false, "xattrs": true, "hardlinks": true, "symlinks": true}}',
            "3.4.1 was built without ACLs, which a mirror needs",
        ),
    ],
    ids=["old", "without ACLs"],
)
def test_another_rsync(instead, loki, night, refused, says, lacks):
    """In the search path before Debian's own, which Ansible itself goes on using by its path."""
    fake = "/usr/local/bin/rsync"
    loki.check_output(program(fake, f"cat <<EOF\\n{says}\\nEOF").replace("'#!", "'#!", 1))
    try:
        refused(night("blobs"), f"{fake} on loki {lacks}", "Nothing was changed. Install Debian's rsync")
    finally:
        loki.check_output(f"rm {fake}")


@pytest.mark.parametrize(("size", "said"), [("lots", "'lots'"), ("2Q", "'2Q'"), ("-1G", "'-1G'")])
def test_an_option_of_borg_that_does_not_exist(playbook, refused, size, said):
    refused(
        playbook("site", "--tags", "borg", "--extra-vars", json.dumps({"borg_free_space_reserve": size})),
        f"borg_free_space_reserve is {said}. Nothing was changed. Give a size in Borg's notation",
    )


# ----------------------------------------------------------------------------------------------------------- releases


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"schema_version": 1, "version": "9.9.9", "release": "9.9.9"}', "loki has 9.9.9 with schema version 1."),
        ('{"schema_version": 7, "version": "0.1.0", "release": "0.1.0"}', "loki has 0.1.0 with schema version 7."),
        ("[]", f"loki does not say which release it has: {RELEASE} is missing or damaged"),
        ("", f"loki does not say which release it has: {RELEASE} is missing or damaged"),
    ],
    ids=["version", "schema", "odd", "empty"],
)
def test_a_host_of_another_release(instead, night, refused, loki, ledger, document, said):
    before = len(ledger(loki))
    instead(RELEASE, f"(umask 77; printf '%s' '{document}' >{RELEASE})")
    refused(night("blobs"), said, "Nothing was changed. Run site.yml from this side")
    assert len(ledger(loki)) == before


def test_a_host_without_a_release(instead, night, refused, loki, ledger):
    before = len(ledger(loki))
    instead(RELEASE, "true")
    refused(night("blobs"), "loki does not say which release it has", "Nothing was changed. Run site.yml from this side")
    assert len(ledger(loki)) == before
