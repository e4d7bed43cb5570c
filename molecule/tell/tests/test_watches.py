# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no job can say: cron that stands still, a host that is dead, a disk that is gone."""

import json
import time

import pytest

testinfra_hosts = ["ansible://loki"]
SETTINGS = "/etc/labops-backup/watch.json"


def test_the_timer_of_the_watch_is_no_cron_job(loki, tatchu):
    for host in (loki, tatchu):
        assert host.service("labops-backup-watch.timer").is_enabled
        shown = host.check_output("systemctl show labops-backup-watch.timer --property=TimersCalendar,Persistent")
        assert "OnCalendar=*-*-* *:00:00" in shown and "Persistent=yes" in shown


def test_a_cron_that_stands_still_is_noticed_on_both_hosts_and_its_return_too(loki, tatchu, heard, watch):
    for host in (loki, tatchu):
        host.check_output("systemctl stop cron")
        try:
            watch(host)
            watch(host)
        finally:
            host.check_output("systemctl start cron")
        ((severity, title, _body),) = heard(host).messages
        assert severity == "failure"
        assert title.startswith("watch: cron does not run, so no job starts by itself")
        watch(host)
        assert "recovery" in [severity for severity, _title in heard(host).titles]


def test_what_is_old_is_noticed_on_the_server(loki, heard, put, watch):
    """The real documents of the nights before, held against limits of some seconds."""
    time.sleep(4)
    put(loki, SETTINGS, lambda watch: watch["limits"].update(point_hours=0.001, pull_hours=0.001))
    watch(loki)
    ((severity, title, body),) = heard(loki).messages
    assert severity == "failure"
    assert title.startswith("watch: the newest complete recovery point of tatchu: last 2")
    for dataset in ("database", "blobs", "data"):
        assert f"the last pull of tatchu/{dataset}: last 2" in body


def test_a_dead_server_is_noticed_by_the_source(loki, tatchu, heard, put, watch, dead):
    put(tatchu, SETTINGS, lambda watch: watch["limits"].update(look_hours=0.004))
    watch(loki)
    assert watch(tatchu) == 0
    assert heard(tatchu).messages == []
    dead("loki")
    time.sleep(16)
    watch(tatchu)
    ((severity, title, body),) = heard(tatchu).messages
    assert severity == "failure"
    assert title.startswith("watch: the watch of loki looked in here: last 2")
    assert "It is down, or it can tell nobody. Look at loki." in body


@pytest.mark.long
def test_a_dead_source_is_noticed_by_the_server(loki, heard, put, watch, dead):
    watch(loki)
    assert heard(loki).messages == []
    put(loki, SETTINGS, lambda watch: watch["limits"].update(look_hours=0.001))
    dead("tatchu")
    time.sleep(4)
    watch(loki)
    assert any("tatchu does not answer" in body for _severity, _title, body in heard(loki).messages)


@pytest.mark.long
def test_a_watch_that_stopped_is_noticed_by_the_other(loki, tatchu, heard, put, watch):
    watch(tatchu)
    time.sleep(4)
    put(loki, SETTINGS, lambda watch: watch["limits"].update(look_hours=0.001))
    watch(loki)
    ((severity, title, _body),) = heard(loki).messages
    assert severity == "failure"
    assert title.startswith("watch: the watch of tatchu: last 2")


@pytest.mark.long
def test_a_server_that_can_tell_nobody_is_spoken_for_by_the_source(loki, tatchu, heard, put, watch, away):
    put(tatchu, SETTINGS, lambda watch: watch["limits"].update(look_hours=0.004))
    away(loki, "/opt/labops-backup")
    watch(loki)
    assert heard(loki).messages == []
    time.sleep(16)
    watch(loki)
    watch(tatchu)
    ((_severity, title, _body),) = heard(tatchu).messages
    assert title.startswith("watch: the watch of loki looked in here: last 2")


def test_a_disk_of_the_mirrors_that_is_not_mounted_is_noticed(loki, heard, watch, away):
    away(loki, "/srv/backup/.labops-backup-root")
    watch(loki)
    ((_severity, title, _body),) = heard(loki).messages
    assert title == "watch: /srv/backup is not the disk that was provisioned: is it mounted?"


@pytest.mark.long
def test_a_damaged_configuration_is_a_finding(tatchu, heard, watch):
    tatchu.check_output(f"cp -p {SETTINGS} /root/watch.json && echo broken >{SETTINGS}")
    try:
        watch(tatchu)
    finally:
        tatchu.check_output(f"mv /root/watch.json {SETTINGS}")
    ((_severity, title, _body),) = heard(tatchu).messages
    assert title.startswith(f"watch: {SETTINGS} is missing or damaged")


def test_the_server_reads_nothing_there_but_the_sign_of_life(loki):
    """The module that holds it is read-only as the others, and gives nothing else."""
    read = json.loads(loki.file(SETTINGS).content_string)["sources"][0]["read"]
    module = read[-1].removesuffix("seen.json")
    command = " ".join(f"'{word}'" for word in read[:-1])
    listed = loki.check_output(f"{command} {module}")
    assert sorted(line.split()[-1] for line in listed.splitlines()) == [".", "seen.json"]
    written = loki.run(f"{command} /etc/hostname {module}")
    assert written.rc != 0 and "read only" in written.stderr
