# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup server is away: the fence goes up without it, and down again unless a restore has begun."""

import os
import signal
import time

import pytest

testinfra_hosts = ["ansible://tatchu"]
INCIDENT = "/var/lib/labops-backup/incident"


@pytest.fixture
def away(dead):
    """LOKI stands still, and no connection to it is left that ssh could take up again (ControlPersist)."""

    def pause():
        dead("loki")
        time.sleep(65)

    return pause


def test_the_fence_goes_up_and_down_without_it(tatchu, restore, away):
    away()
    said = restore(stage="fence")
    assert "is fenced" in said and "The server loki did not answer" in said
    assert tatchu.run("systemctl is-active datajoint-worker").rc != 0
    said = restore(stage="release")
    assert "tatchu is back in service" in said and "loki did not answer" in said
    assert tatchu.check_output("systemctl is-active datajoint-worker") == "active"
    assert tatchu.check_output("mysql -NBe 'SELECT @@read_only'") == "0"
    assert set(tatchu.file(INCIDENT).listdir()) <= {"hold.json.lock"}


@pytest.fixture(scope="module")
def point(still_night):
    return still_night()


@pytest.fixture(scope="module")
def begun(point, begin, restore, tatchu):
    """Files are gone, nothing is damaged, so nothing is moved aside; the control machine dies early."""
    tatchu.check_output("find /datajoint-db/blobs -mindepth 1 -delete")
    restore(stage="fence")
    process = begin(point=point["point"], confirm=point["point"])
    tatchu.check_output(f"timeout 300 sh -c 'until test -e {INCIDENT}/confirmed; do sleep 0.1; done'")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return tatchu.file(f"{INCIDENT}/confirmed").content_string.strip()


def test_what_was_begun_is_not_lifted_without_it(begun, tatchu, restore, away):
    away()
    said = " ".join(restore(stage="release", good=False).split())
    assert f"has traces of a restore: {INCIDENT}/confirmed. Nothing was released" in said
    assert tatchu.run("systemctl is-active datajoint-worker").rc != 0


def test_with_it_the_restore_goes_on(begun, point, tatchu, restore, assert_restored):
    said = " ".join(restore(point=point["point"], confirm=point["point"], good=False).split())
    assert f"so somebody may be restoring right now. If nobody is, go on with it: restore_incident={begun}" in said
    restore(point=point["point"], confirm=point["point"], incident=begun)
    assert_restored(point, "blobs")
    restore(stage="release")
    assert not tatchu.file(f"{INCIDENT}/confirmed").exists
