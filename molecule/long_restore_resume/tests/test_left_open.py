# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control machine dies and nobody comes back: what let LOKI write into TATCHU is gone by itself at its time."""

import os
import signal
import time

import pytest

testinfra_hosts = ["ansible://tatchu"]
MINUTES = 3


@pytest.fixture(scope="module")
def point(still_night):
    return still_night()


@pytest.fixture(scope="module")
def left(point, begin, strike, restore, tatchu, loki, journal):
    """Killed in the push, which stands still for ever."""
    tatchu.check_output("find /datajoint-db/blobs -mindepth 1 -delete")
    restore(stage="fence")
    process = begin(point=point["point"], confirm=point["point"], open_hours=MINUTES / 60)
    pid = strike(loki, r"^\S*rsync .*labops-restore@", "stop")
    began = time.time()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    yield began, pid
    loki.run(f"kill -CONT {pid}")


def write(loki, tatchu, incident):
    """Whether LOKI can write a file into the blobs of TATCHU, which it knows by its address."""
    key = f"/run/labops-backup/restore/{incident}/key"
    return loki.run(
        "echo x >/root/probe && rsync -e 'ssh -i %s -o UserKnownHostsFile=/etc/labops-backup/ssh/known_hosts"
        " -o BatchMode=yes' /root/probe labops-restore@%s::blobs/probe",
        key,
        tatchu.check_output("hostname -I").split()[0],
    )


def test_until_then_the_way_is_open(left, tatchu, loki, journal):
    assert tatchu.user("labops-restore").exists
    done = write(loki, tatchu, journal()["incident"])
    assert done.rc == 0, done.stderr
    tatchu.check_output("rm /datajoint-db/blobs/probe")


def test_then_it_is_gone_by_itself(left, tatchu, loki, journal):
    began, _pid = left
    while tatchu.user("labops-restore").exists and time.time() < began + 60 * MINUTES + 90:
        time.sleep(5)
    assert not tatchu.user("labops-restore").exists
    assert time.time() <= began + 60 * MINUTES + 30
    for place in (
        "/etc/sudoers.d/labops-backup-restore",
        "/etc/labops-backup/restore-endpoint",
        "/run/labops-restore",
        "/etc/systemd/system/labops-backup-restore-close.timer",
        "/etc/systemd/system/labops-backup-restore-close.service",
    ):
        assert not tatchu.file(place).exists, place
    assert tatchu.run("pgrep -af 'rsync --config=/run/labops-backup/restore'").stdout == ""
    assert write(loki, tatchu, journal()["incident"]).rc != 0


@pytest.fixture(scope="module")
def gone_on(left, point, begin, loki, journal):
    loki.run(f"kill -CONT {left[1]}")
    incident = journal()["incident"]
    process = begin(point=point["point"], confirm=point["point"], incident=incident)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    return incident


def test_the_restore_goes_on_from_there(gone_on, point, restore, assert_restored, worker_goes_on, tatchu):
    assert assert_restored(point, "blobs") == set()
    restore(stage="release")
    tatchu.check_output("systemctl start datajoint-worker")
    worker_goes_on()
    restore(stage="accept", incident=gone_on)
