# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs deleted and flipped, raw data overwritten without a trace in size and time, and new files that must stay."""

import pytest

pytestmark = pytest.mark.long
testinfra_hosts = ["ansible://loki"]

DAMAGE = r"""
import os, sys
root = sys.argv[1]
files = sorted(
    os.path.join(folder, name)
    for folder, _folders, names in os.walk(root)
    for name in names
    if not os.path.islink(os.path.join(folder, name)) and os.path.getsize(os.path.join(folder, name))
    and not name.startswith(".labops")
)
for number, path in enumerate(files):
    if sys.argv[2] == "blobs" and number % 2:
        os.unlink(path)
    elif sys.argv[2] == "blobs" and number % 10 == 0 or sys.argv[2] == "garbage" and number % 3 == 0:
        status = os.stat(path)
        with open(path, "r+b") as stream:
            stream.seek(status.st_size // 2)
            byte = stream.read(1)
            stream.seek(status.st_size // 2)
            stream.write(bytes([byte[0] ^ 1]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
print(len(files))
"""


@pytest.fixture(scope="module")
def point(night):
    return night()


@pytest.fixture(scope="module")
def recovered(point, tatchu, plan, recover, tree):
    tatchu.check_output("systemctl stop datajoint-worker")
    for root, kind in (("/datajoint-db/blobs", "blobs"), ("/datajoint-data", "garbage")):
        tatchu.check_output("python3 -c %s %s %s", DAMAGE, root, kind)
    tatchu.check_output(
        "install -d -o labworker /datajoint-data/new && echo new > '/datajoint-data/new/after the point'"
    )
    tatchu.check_output("systemctl start datajoint-worker")
    damaged = tree(tatchu, "/datajoint-data")
    return {"offer": recover(point), "damaged": damaged}


def test_the_plan_says_what_is_lost(recovered):
    steps = {step["dataset"]: step for step in recovered["offer"]["steps"]}
    assert steps["blobs"]["state"] == "damaged" and steps["data"]["state"] == "damaged"
    assert recovered["offer"]["order"] == ["blobs", "data"]
    assert steps["blobs"]["counts"]["missing"]["count"] > 10
    assert steps["data"]["counts"]["damaged"]["count"] > 10


def test_everything_of_the_point_is_back_and_what_is_newer_stayed(recovered, point, assert_restored):
    assert_restored(point, "blobs")
    newer = assert_restored(point, "data")
    assert {"./new", "./new/after the point"} <= newer


def test_what_was_replaced_waits_aside(recovered, tatchu, tree):
    aside = tree(tatchu, f"/datajoint-data/.labops-aside-{recovered['offer']['incident']}")
    kept = {path: entry for path, entry in aside.items() if entry["kind"] == "file"}
    assert len(kept) > 10
    for path, entry in kept.items():
        assert entry["sha256"] == recovered["damaged"][path]["sha256"], path


def test_the_lab_works_again(recovered, fetch_all, worker_goes_on):
    worker_goes_on()
    assert sum(fetch_all()["rows"].values()) > 100
