# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs deleted and flipped, raw data overwritten without a trace in size and time, and new files that must stay."""

import pytest

testinfra_hosts = ["ansible://loki"]
DATASETS = {"blobs": "/datajoint-db/blobs", "data": "/datajoint-data"}
# After the point two blobs come into the folder of a schema: one holds what its name says, one does not.
NEWER_BLOBS = r"""
import hashlib, os, re, sys
root = sys.argv[1]
schema = next(
    match[1]
    for folder, _folders, names in os.walk(root)
    for name in names
    if (match := re.fullmatch(r"(.*)/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{32}", os.path.join(folder, name)))
)
owner = os.stat(schema)
for should, holds in ((b"sound and newer", b"sound and newer"), (b"false and newer", b"cut off")):
    digits = hashlib.md5(should).hexdigest()
    path = os.path.join(schema, digits[:2], digits[2:4], digits)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as stream:
        stream.write(holds)
    for place in (path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
        os.chown(place, owner.st_uid, owner.st_gid)
    print(os.path.relpath(path, root))
"""


@pytest.fixture(scope="module")
def point(still_night):
    """Nobody writes between the point and the loss: what is struck and newer than the point no restore brings back."""
    return still_night()


@pytest.fixture(scope="module")
def recovered(point, tatchu, strike_files, restore, recover, tree):
    strike_files("/datajoint-db/blobs", "half")
    strike_files("/datajoint-data", "garbage")
    sound, false = tatchu.check_output("python3 -c %s /datajoint-db/blobs", NEWER_BLOBS).split()
    tatchu.check_output(
        "install -d -o labworker /datajoint-data/new && echo new > '/datajoint-data/new/after the point'"
    )
    tatchu.check_output("systemctl start datajoint-worker")
    restore(stage="fence")
    damaged = {name: tree(tatchu, root) for name, root in DATASETS.items()}
    offer = recover(point, case="c, d, l", fence=False, release=False)
    return {"offer": offer, "damaged": damaged, "sound": sound, "false": false}


def test_the_plan_says_what_is_lost(recovered):
    steps = {step["dataset"]: step for step in recovered["offer"]["steps"]}
    assert steps["blobs"]["state"] == "damaged" and steps["data"]["state"] == "damaged"
    assert recovered["offer"]["order"] == ["blobs", "data"]
    assert steps["blobs"]["counts"]["missing"]["files"] > 100 and steps["blobs"]["counts"]["damaged"]["files"] > 20
    assert steps["data"]["counts"]["damaged"]["files"] > 50
    assert steps["blobs"]["counts"]["newer_damaged"] == {
        "files": 1,
        "folders": 0,
        "bytes": len("cut off"),
        "examples": [recovered["false"]],
    }
    assert recovered["offer"]["remaining"] == [], "no row refers to it"
    assert "newer than the point and damaged: 1 file, 7 B" in recovered["offer"]["said"]


@pytest.mark.parametrize("dataset", DATASETS)
def test_everything_of_the_point_is_back_and_exactly_what_is_newer_stayed(
    recovered, point, assert_restored, assert_extras, dataset
):
    extras = assert_restored(point, dataset)
    if dataset == "data":
        assert {"./new", "./new/after the point"} <= extras
    else:
        assert f"./{recovered['sound']}" in extras and f"./{recovered['false']}" not in extras
    assert_extras(recovered["offer"], dataset, extras, recovered["damaged"][dataset])


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_was_replaced_waits_aside(recovered, tatchu, tree, dataset):
    aside = tree(tatchu, f"{DATASETS[dataset]}/.labops-aside-{recovered['offer']['incident']}")
    kept = {path: entry for path, entry in aside.items() if entry["kind"] == "file"}
    step = next(step for step in recovered["offer"]["steps"] if step["dataset"] == dataset)
    assert len(kept) == sum(step["counts"][name]["files"] for name in ("damaged", "newer_damaged"))
    assert (f"./{recovered['false']}" in kept) is (dataset == "blobs")
    for path, entry in kept.items():
        assert entry["sha256"] == recovered["damaged"][dataset][path]["sha256"], path


def test_the_lab_works_again(recovered, restore, fetch_all, worker_goes_on):
    restore(stage="release")
    worker_goes_on()
    assert sum(fetch_all()["rows"].values()) > 100


def test_the_next_night_is_complete(recovered, night):
    assert night()["state"] == "complete"
