# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One guard of each kind, on the lab's own datasets; molecule/long_guards has all of them."""

import json
import re

import pytest

testinfra_hosts = ["ansible://loki"]
NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"
MANY = "/datajoint-data/many"
MIRROR = "/srv/backup/mirror/tatchu/data"


@pytest.fixture(scope="module")
def harmed(loki, tatchu):
    """Many files of data go, a blob is encrypted in its place, the dump set loses its end; and how each is mended."""
    tatchu.check_output(f"rm -rf {MANY}; mkdir {MANY}; for n in $(seq 1000); do echo $n >{MANY}/$n; done")
    assert loki.run(NIGHT).rc == 0
    blob = tatchu.check_output("find /datajoint-db/blobs/ephys -type f | sort | head -n 1")
    tatchu.check_output(
        f"rm -r {MANY};"
        f" cp -p {blob} /root/blob && echo encrypted >{blob};"
        " sed -i '$d' $(ls -d /datajoint-db/dumps/2*Z-* | tail -n 1)/databases.sql"
    )
    yield blob
    tatchu.check_output(f"[ ! -e /root/blob ] || mv /root/blob {blob}")


@pytest.fixture(scope="module")
def stopped(loki, harmed, last, tree):
    """The night in which nothing of it gets through."""
    before = tree(loki, MIRROR)
    ended = loki.run(NIGHT)
    return ended, last(), before


def test_each_is_stopped_where_it_is_seen(loki, stopped, harmed, tree, borg):
    ended, run, before = stopped
    assert ended.rc == 2
    found = {entry["dataset"]: entry for entry in run["outcomes"]}
    assert {name: (entry["ok"], entry["step"]) for name, entry in found.items()} == {
        "database": (False, "See that the dump set is proven"),
        "blobs": (False, "See that the content is what it should be"),
        "data": (False, "Pull"),
    }
    assert "the last line is not '-- Dump completed'" in found["database"]["message"]
    assert harmed.removeprefix("/datajoint-db/blobs/") in found["blobs"]["message"]
    assert re.search(r"\b1000 of \d+ files would be deleted", found["data"]["message"])
    assert tree(loki, MIRROR) == before
    assert "problem" in run["points"][0]
    for dataset in found:
        assert run["run_id"] not in borg("list --short", dataset).stdout


def test_accepted_in_the_words_of_the_message_and_mended_the_next_night_is_whole(
    loki, tatchu, stopped, harmed, playbook, last, extract, tree, kept_by_borg
):
    """At once: a dataset that failed after its pull keeps its lock from nobody."""
    (data,) = [entry for entry in stopped[1]["outcomes"] if entry["dataset"] == "data"]
    offered = json.loads(re.search(r" with -e '(\{.*\})'\.", data["message"])[1])
    assert offered["backup_accept"]["tatchu/data"]["deleted_files"] == 1000
    offered["backup_accept"]["tatchu/data"]["reason"] = "the test's own"
    tatchu.check_output(
        f"mv /root/blob {harmed}; rm -r $(ls -d /datajoint-db/dumps/2*Z-* | tail -n 1);"
        " /usr/local/sbin/backup_and_notify_on_tatchu.sh"
    )
    ended = playbook("backup", "-e", json.dumps(offered))
    assert ended.returncode == 0, ended.stdout
    run = last()
    assert run["points"][0]["state"] == "complete"
    (data,) = [entry for entry in run["outcomes"] if entry["dataset"] == "data"]
    assert data["accepted"] == offered["backup_accept"]["tatchu/data"]
    for dataset, there in (("data", "/datajoint-data"), ("blobs", "/datajoint-db/blobs")):
        here = tree(loki, extract(dataset, f"tatchu-{dataset}-{run['run_id']}"))
        assert here == kept_by_borg(tree(tatchu, there))
