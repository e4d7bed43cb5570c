# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One restore of everything, hit in each of its steps: the control machine, the module on the host, the line.

A tool is stopped as soon as it appears, so that the blow meets it in the middle of its work.
"""

import os
import signal
import time

import pytest

testinfra_hosts = ["ansible://loki"]
SCHEMAS = ("lab_ephys", "lab_imaging", "lab_session", "lab_subject")
SAFETY = r"mariadb-dump .*/etc/labops-backup/database\.cnf"
LOAD = r"^\S*mariadb .*--max-allowed-packet=1G"
EXTRACT = r"borg .* extract .*tatchu/blobs::"
PUSH = r"^\S*rsync .*labops-restore@"


@pytest.fixture(scope="module")
def point(still_night):
    return still_night()


@pytest.fixture(scope="module")
def rows(point, digests):
    return {schema: digests(schema) for schema in SCHEMAS}


@pytest.fixture(scope="module")
def disaster(rows, tatchu, loki, restore):
    tatchu.check_output("mariadb -e 'SET foreign_key_checks=0; DROP DATABASE lab_imaging; DROP DATABASE lab_ephys'")
    tatchu.check_output("find /datajoint-db/blobs /datajoint-data -mindepth 1 -delete")
    # The mirror of the blobs is of no use, so that they come out of the archive.
    loki.check_output("mv /srv/backup/mirror/tatchu/blobs.generation.json /root/blobs.generation.json")
    restore(stage="fence")
    yield
    loki.check_output("mv /root/blobs.generation.json /srv/backup/mirror/tatchu/blobs.generation.json")


@pytest.fixture(scope="module")
def going(disaster, begin, point):
    """Begin the confirmed restore, the first time or again."""

    def go(incident="", **more):
        given = {"incident": incident} if incident else {}
        return begin(point=point["point"], confirm=point["point"], scope="auto,database", **given, **more)

    return go


def parent(host, pid):
    return int(host.check_output(f"ps -o ppid= -p {pid}"))


def kill_control(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def control_killed_in_the_safety_copy(going, strike, tatchu, journal):
    process = going()
    pid = strike(tatchu, SAFETY, "stop")
    kill_control(process)
    tatchu.check_output(f"kill -CONT {pid}")
    return journal()["incident"]


def test_a_dead_control_machine_leaves_the_fence_up(control_killed_in_the_safety_copy, tatchu, journal):
    assert tatchu.check_output("mariadb -NBe 'SELECT @@read_only'") != "0"
    assert tatchu.run("systemctl start datajoint-worker").rc != 0
    assert journal()["state"] == "open"


@pytest.fixture(scope="module")
def strike_load(strike, tatchu):
    """Stop the client that loads. One that only tries the first line of the dump comes before it, and holds no lock."""

    def hit():
        while True:
            pid = strike(tatchu, LOAD, "stop")
            if tatchu.run(f"ls -l /proc/{pid}/fd | grep dump.lock").rc == 0:
                return pid
            tatchu.check_output(f"kill -CONT {pid}")

    return hit


@pytest.fixture(scope="module")
def module_killed_in_the_load(control_killed_in_the_safety_copy, going, strike_load, tatchu):
    process = going(control_killed_in_the_safety_copy)
    pid = strike_load()
    tatchu.check_output(f"kill -9 {parent(tatchu, pid)}; kill -CONT {pid}")
    stdout, stderr = process.communicate()
    return process.returncode, stdout + stderr


def test_a_killed_module_is_told(module_killed_in_the_load, tatchu, journal):
    code, said = module_killed_in_the_load
    assert code != 0 and "was ended before it was done" in said, said
    assert "restore_incident=" in said and "Traceback" not in said
    assert journal()["steps"]["database.load"]["state"] == "started"
    assert not tatchu.user("labops-restore").exists, "the way in is closed"


@pytest.fixture(scope="module")
def control_killed_in_the_load(module_killed_in_the_load, going, strike_load, tatchu, journal):
    process = going(journal()["incident"])
    pid = strike_load()
    kill_control(process)
    tatchu.check_output(f"kill -CONT {pid}")
    return pid


def test_a_load_goes_on_without_its_control_machine(control_killed_in_the_load, tatchu, digests, rows):
    for _attempt in range(120):
        if tatchu.run("flock --nonblock /run/labops-backup/dump.lock true").rc == 0:
            break
        time.sleep(1)
    assert {schema: digests(schema) for schema in SCHEMAS} == rows


@pytest.fixture(scope="module")
def line_cut_in_the_extract(control_killed_in_the_load, going, strike, loki, journal):
    """Every line of the operator to loki breaks while Borg works there; later rsync begins to push."""
    process = going(journal()["incident"])
    pid = strike(loki, EXTRACT, "stop")
    # In a moment, for this line is one of them.
    cut = "sleep 2; for one in $(pgrep -f '^sshd: root@'); do kill -9 $one; done"
    loki.check_output("systemd-run --quiet --collect sh -c %s", cut)
    time.sleep(17)
    borgs = loki.check_output("pgrep -f -- %s", EXTRACT).split()
    loki.check_output(f"kill -CONT {pid}")
    push = strike(loki, PUSH, "stop")
    return process, [pid, *map(int, borgs)], push


def test_a_finished_load_is_not_repeated(line_cut_in_the_extract, journal, tatchu):
    """Its answer was waiting for whoever goes on."""
    done = journal()["steps"]
    assert done["database.load"]["state"] == "finished" and done["safety.dump"]["state"] == "finished"
    copies = tatchu.check_output("find /datajoint-db/dumps/.labops-aside-* -name manifest.json").split()
    assert len(copies) == 1, "one safety copy, however often it was tried"


def test_a_lost_line_attaches_again_and_starts_no_second_borg(line_cut_in_the_extract):
    process, borgs, _push = line_cut_in_the_extract
    assert set(borgs) == {borgs[0]}, "the one that was there, and no other"
    assert process.poll() is None, "the play goes on"


@pytest.fixture(scope="module")
def control_killed_in_the_push(line_cut_in_the_extract, loki):
    process, _borgs, push = line_cut_in_the_extract
    kill_control(process)
    loki.check_output(f"kill -CONT {push}")


@pytest.fixture(scope="module")
def finished(control_killed_in_the_push, going, strike, loki, journal):
    """The last one waits for what still pushes; and when rsync itself dies, the module tries again by itself."""
    process = going(journal()["incident"])
    strike(loki, PUSH, "process")
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    return journal()


def test_it_ends_as_if_nothing_had_happened(finished, point, rows, digests, assert_restored, tatchu, loki):
    assert finished["state"] == "restored"
    assert {schema: digests(schema) for schema in SCHEMAS} == rows
    for dataset in ("blobs", "data"):
        assert assert_restored(point, dataset) == set()
    assert not loki.file(f"/srv/backup/staging/tatchu/restore/{finished['incident']}").exists
    for host in (loki, tatchu):
        assert host.run("pgrep -af 'borg .* extract|labops-restore@'").stdout == ""
    assert not tatchu.user("labops-restore").exists
    assert tatchu.run("find /datajoint-db/blobs /datajoint-data -name '.labops-aside-*.partial'").stdout == ""


def test_the_lab_goes_on(finished, restore, tatchu, fetch_all, worker_goes_on):
    restore(stage="release")
    assert sum(fetch_all()["rows"].values()) > 100
    tatchu.check_output("systemctl start datajoint-worker")
    worker_goes_on()
    restore(stage="accept", incident=finished["incident"])
    assert tatchu.run("find /datajoint-db /datajoint-data -maxdepth 3 -name '.labops-aside-*'").stdout == ""
