# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nights in the background, what hits them, and what must be true after the next one."""

import itertools
import json
import re
import shlex
import time

import pytest

NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"
ROOT = "/srv/backup"
TREES = {"database": "/datajoint-db/dumps", "blobs": "/datajoint-db/blobs", "data": "/datajoint-data"}
DATASETS = tuple(TREES)


@pytest.fixture(scope="session", autouse=True)
def quiet(loki, tatchu, told_each_time):
    """The worker stands still, one fresh dump set is there, and what fails again is told again."""
    tatchu.check_output("systemctl stop datajoint-worker")
    tatchu.check_output("rm -rf /datajoint-data/nights /datajoint-db/dumps/2*Z-*")
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    loki.check_output("install -d -m 0700 /root/nights")
    yield
    tatchu.check_output("rm -rf /datajoint-data/nights && systemctl start datajoint-worker")


@pytest.fixture(scope="module", autouse=True)
def room_in_the_quarantine(loki):
    """What one file removes from the source must not stop the nights of the next."""
    loki.check_output(f"rm -rf {ROOT}/quarantine/tatchu/*/2*Z-*")


class Started:
    """A command that runs on a host in the background."""

    def __init__(self, host, command, number):
        self.host = host
        self.place = f"/root/nights/{number}-{time.time_ns()}"
        line = f"{command} >{self.place}.out 2>&1; echo $? >{self.place}.rc"
        host.check_output(f"mkdir -p /root/nights; nohup setsid sh -c {shlex.quote(line)} >/dev/null 2>&1 </dev/null &")

    @property
    def ended(self):
        return self.host.file(f"{self.place}.rc").exists and self.host.file(f"{self.place}.rc").content_string != ""

    def wait(self, seconds=900):
        """Its exit code."""
        for _ in range(seconds):
            if self.ended:
                return int(self.host.file(f"{self.place}.rc").content_string)
            time.sleep(1)
        raise AssertionError(f"{self.place} goes on after {seconds} s")

    @property
    def said(self):
        return self.host.file(f"{self.place}.out").content_string


@pytest.fixture(scope="session")
def start():
    """Start a command in the background: start(loki), start(tatchu, "...")."""
    numbers = itertools.count()
    return lambda host, command=NIGHT: Started(host, command, next(numbers))


@pytest.fixture(scope="session")
def last(ledger, loki):
    """The newest run of the job backup, or the last few."""

    def read(count=1, host=loki, job="backup"):
        runs = [run for run in ledger(host) if run["job"] == job]
        return runs[-1] if count == 1 else runs[-count:]

    return read


@pytest.fixture
def failures(loki, tatchu):
    """Messages that arrived as failures since the test began."""

    def messages(host):
        log = host.file("/var/log/lab-catcher.jsonl")
        return log.content_string.splitlines() if log.exists else []

    def of_failures(texts):  # a recovery comes the same way
        return [text for text in texts if json.loads(text)["body"]["type"] == "failure"]

    before = {host.backend.host: len(messages(host)) for host in (loki, tatchu)}
    return lambda host=loki: of_failures(messages(host)[before[host.backend.host] :])


@pytest.fixture(scope="session")
def nothing_left(loki):
    """Nothing outlives a job: no process, no unit, no lock of Borg's, no lock of ours."""

    def check():
        assert loki.run("pgrep -af 'rsync --server|rsync -aHAX|borg --log-json|ansible-runner'").stdout == ""
        nights = "systemctl list-units --plain --no-legend 'labops-backup-backup-*' --state=active"
        assert loki.check_output(nights) == ""
        for lock in loki.check_output("ls /run/labops-backup/*.lock").split():
            loki.check_output(f"flock --nonblock {lock} true")
        assert loki.run(f"ls -d {ROOT}/borg/tatchu/*/lock.exclusive").stdout == ""

    return check


@pytest.fixture(scope="session")
def recovered(loki, tatchu, last, borg, extract, tree, kept_by_borg, nothing_left):
    """The night after, which nobody helped, is as good as any."""

    def check(datasets=("data",), night=NIGHT):
        ended = loki.run(night)
        assert ended.rc == 0, ended.stdout + ended.stderr
        run = last()
        assert (run["state"], run["points"][0]["state"]) == ("success", "complete")
        nothing_left()
        for dataset in DATASETS:
            generation = json.loads(loki.file(f"{ROOT}/mirror/tatchu/{dataset}.generation.json").content_string)
            assert (generation["state"], generation["run_id"]) == ("complete", run["run_id"])
            archives = borg("list --short --consider-checkpoints", dataset).stdout.split()
            assert f"tatchu-{dataset}-{run['run_id']}" in archives
            assert [name for name in archives if "checkpoint" in name] == []
        assert loki.run(f"find {ROOT}/mirror -name '.*.??????' -path '*nights*'").stdout == ""
        assert loki.check_output(f"find {ROOT}/staging/tatchu -mindepth 1") == ""
        for dataset in datasets:
            here = tree(loki, extract(dataset, f"tatchu-{dataset}-{run['run_id']}"))
            there = kept_by_borg(tree(tatchu, TREES[dataset]))
            # Of the dump sets that the source still has, a night takes the one that it has pinned.
            others = {path for path in there if re.match(r"\./\d{8}T", path) and path not in here}
            there = {path: entry for path, entry in there.items() if path not in others}
            assert dataset != "database" or [path for path in here if path.endswith("/databases.sql")]
            assert set(here) == set(there)
            assert [path for path in here if here[path] != there[path]] == []
        assert [entry["run_id"] for entry in last(20) if entry["state"] == "running"] == []
        return run

    return check


@pytest.fixture(scope="session")
def grow(tatchu):
    """New files: a megabyte that cannot be compressed, again and again, so that Borg is quick with it."""
    numbers = itertools.count()

    def make(megabytes, dataset="data"):
        path = f"{TREES[dataset]}/nights/{next(numbers)}.bin"
        tatchu.check_output(
            f"mkdir -p {TREES[dataset]}/nights && head -c 1M /dev/urandom >/root/block"
            f" && for i in $(seq {megabytes}); do cat /root/block; done >{path}"
        )
        return path

    return make
