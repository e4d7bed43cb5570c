# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server's pull identity can do on the source: read the datasets, and nothing else."""

import os

import pytest

ADDRESS = f"10.98.{65 + int(os.environ.get('LAB_NUMBER', '0'))}.17"
ACCOUNT = f"labops-pull@{ADDRESS}"
# ssh ends with 255 when it is refused, which testinfra would take for its own line being cut; hence "; true" below.
SSH = (
    "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o GlobalKnownHostsFile=/dev/null"
    " -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/etc/labops-backup/ssh/known_hosts"
    " -i /etc/labops-backup/ssh/tatchu"
)
testinfra_hosts = ["ansible://loki"]


def rsync(host, words):
    return host.run(f"rsync --rsh '{SSH}' {words}")


def test_the_datasets_can_be_read(host):
    for dataset in ("database", "blobs", "data"):
        listed = rsync(host, f"--list-only {ACCOUNT}::{dataset}/")
        assert listed.rc == 0, listed.stderr


@pytest.mark.parametrize("command", ["", "id", "/bin/sh -i", "sudo id", "rsync --server --sender . /etc"])
def test_no_shell_and_no_other_command(host, command):
    answer = host.run(f"echo 'id' | timeout 10 {SSH} {ACCOUNT} {command}; true")
    assert "uid=" not in answer.stdout + answer.stderr
    assert answer.stdout.startswith("@RSYNCD:"), "anything that is asked for gets the rsync daemon's greeting"


def test_no_terminal_and_no_forwarding(host):
    assert "uid=" not in host.run(f"echo id | timeout 10 {SSH} -tt {ACCOUNT}; true").stdout
    forwarded = host.run(f"timeout 10 {SSH} -o ExitOnForwardFailure=yes -W 127.0.0.1:22 {ACCOUNT} </dev/null; true")
    assert "SSH-2.0" not in forwarded.stdout


def test_a_write_is_refused(host, tatchu):
    host.run("mkdir -p /tmp/up && echo x > /tmp/up/written-by-loki")
    for dataset in ("database", "blobs", "data"):
        answer = rsync(host, f"-r /tmp/up/ {ACCOUNT}::{dataset}/")
        assert answer.rc != 0
    found = tatchu.run("find /datajoint-db /datajoint-data -name written-by-loki")
    assert found.stdout == ""


def test_remove_source_files_is_refused(host, tatchu):
    tatchu.run("install -d /datajoint-data/removal && echo keep > /datajoint-data/removal/me")
    answer = rsync(host, f"-r --remove-source-files {ACCOUNT}::data/removal/ /tmp/removal/")
    assert answer.rc != 0
    assert tatchu.file("/datajoint-data/removal/me").content_string == "keep\n"
    tatchu.run("rm -r /datajoint-data/removal")


def test_nothing_outside_the_datasets_can_be_read(host, tatchu):
    tatchu.run("ln -sfn /etc /datajoint-data/escape")
    for path in ("data/../etc/passwd", "data/../../etc/passwd", "etc/passwd", "data/escape/passwd", "root"):
        rsync(host, f"-rL {ACCOUNT}::{path} /tmp/outside/")
        assert not host.file("/tmp/outside/passwd").exists, path
    tatchu.run("rm /datajoint-data/escape")


def test_another_address_is_refused(host, tatchu):
    """The key alone is not enough: the source itself holds it here, and connects from its own address."""
    key = host.file("/etc/labops-backup/ssh/tatchu").content_string
    tatchu.run(f"umask 077; printf %s '{key}' > /tmp/stolen; ssh-keyscan {ADDRESS} > /tmp/stolen.hosts 2>/dev/null")
    answer = tatchu.run(
        f"ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile=/tmp/stolen.hosts"
        f" -i /tmp/stolen {ACCOUNT} </dev/null; true"
    )
    assert "Permission denied" in answer.stderr
    tatchu.run("rm -f /tmp/stolen /tmp/stolen.hosts")
