# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""db_fence is killed at many moments, on the lab's real server; the next call ends what it began, up or down."""

import json
import shlex
import time

import pytest

testinfra_hosts = ["ansible://tatchu"]
RECORD = "/var/lib/labops-backup/incident/database.json"
RELEASE = "/opt/labops-backup/current"
MODULE = "ansible_collections.labops.backup.plugins.modules.db_fence"
# Parts of the time that a call takes which nobody disturbs.
MOMENTS = [number / 10 for number in range(1, 11)]


@pytest.fixture(scope="module")
def fence(tatchu):
    """Call the module on the server, as Ansible does; killed after so many seconds."""

    def call(state, seconds=None):
        asked = {"state": state, "record": RECORD, "keep_accounts": ["labops_dump@localhost"]}
        words = ["env", f"PYTHONPATH={RELEASE}/collections", f"{RELEASE}/bin/python", "-m", MODULE]
        if seconds:
            # The whole group dies at once, and the client with it, as in a crash of the host's session.
            words = ["timeout", "--signal=KILL", str(seconds), *words]
        line = f"echo {shlex.quote(json.dumps({'ANSIBLE_MODULE_ARGS': asked}))} | {shlex.join(words)}"
        done = tatchu.run(line)
        return json.loads(done.stdout) if done.rc == 0 else done

    return call


@pytest.fixture(scope="module")
def state(tatchu):
    """Everything that a fence changes: accounts as they are declared, the server's variables, the drop-in."""

    def read():
        accounts = tatchu.check_output(
            "mariadb --raw -NBe %s",
            "SELECT CONCAT('SHOW CREATE USER ', QUOTE(User), '@', QUOTE(Host), ';') FROM mysql.user"
            " WHERE is_role = 'N' ORDER BY 1",
        )
        return {
            "accounts": tatchu.check_output("mariadb --raw -NBe %s", accounts),
            "variables": tatchu.check_output("mariadb -NBe 'SELECT @@read_only, @@event_scheduler'"),
            "drop-in": tatchu.run("ls /etc/mysql/mariadb.conf.d/").stdout,
            "record": tatchu.file(RECORD).exists,
        }

    return read


@pytest.fixture(scope="module")
def before(tatchu, state):
    tatchu.check_output("systemctl stop datajoint-worker")
    yield state()
    tatchu.check_output("systemctl start datajoint-worker")


@pytest.fixture(scope="module")
def fenced(before, fence, state):
    """What a fence looks like that nobody has disturbed, and how long it takes up and down."""
    times = [time.monotonic()]
    assert fence("fenced")["holds"]
    times.append(time.monotonic())
    up = state()
    times.append(time.monotonic())
    fence("released")
    times.append(time.monotonic())
    assert state() == before
    return up, times[1] - times[0], times[3] - times[2]


@pytest.mark.parametrize("part", MOMENTS)
def test_a_fence_that_is_killed_is_ended_by_the_next(fenced, before, fence, state, part):
    up, raising, lowering = fenced
    fence("fenced", part * raising)
    assert fence("fenced")["holds"]
    assert state() == up
    fence("released", part * lowering)
    fence("released")
    assert state() == before


@pytest.mark.parametrize("part", MOMENTS[1::3])
def test_a_fence_that_is_killed_can_also_be_taken_down(fenced, before, fence, state, part):
    fence("fenced", part * fenced[1])
    fence("released")
    assert state() == before
