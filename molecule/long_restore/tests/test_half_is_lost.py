# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs deleted and flipped, raw data overwritten without a trace in size and time, and new files that must stay."""

import pytest

testinfra_hosts = ["ansible://loki"]
DATASETS = {"blobs": "/datajoint-db/blobs", "data": "/datajoint-data"}


@pytest.fixture(scope="module")
def point(fresh):
    return fresh()


@pytest.fixture(scope="module")
def recovered(point, tatchu, strike_files, restore, recover, tree):
    tatchu.check_output("systemctl stop datajoint-worker")
    strike_files("/datajoint-db/blobs", "half")
    strike_files("/datajoint-data", "garbage")
    tatchu.check_output(
        "install -d -o labworker /datajoint-data/new && echo new > '/datajoint-data/new/after the point'"
    )
    tatchu.check_output("systemctl start datajoint-worker")
    restore(stage="fence")
    damaged = {name: tree(tatchu, root) for name, root in DATASETS.items()}
    return {"offer": recover(point, case="c, d, l", fence=False, release=False), "damaged": damaged}


def test_the_plan_says_what_is_lost(recovered):
    steps = {step["dataset"]: step for step in recovered["offer"]["steps"]}
    assert steps["blobs"]["state"] == "damaged" and steps["data"]["state"] == "damaged"
    assert recovered["offer"]["order"] == ["blobs", "data"]
    assert steps["blobs"]["counts"]["missing"]["files"] > 100 and steps["blobs"]["counts"]["damaged"]["files"] > 20
    assert steps["data"]["counts"]["damaged"]["files"] > 50


@pytest.mark.parametrize("dataset", DATASETS)
def test_everything_of_the_point_is_back_and_exactly_what_is_newer_stayed(
    recovered, point, assert_restored, assert_extras, dataset
):
    extras = assert_restored(point, dataset)
    if dataset == "data":
        assert {"./new", "./new/after the point"} <= extras
    assert_extras(recovered["offer"], dataset, extras, recovered["damaged"][dataset])


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_was_replaced_waits_aside(recovered, tatchu, tree, dataset):
    aside = tree(tatchu, f"{DATASETS[dataset]}/.labops-aside-{recovered['offer']['incident']}")
    kept = {path: entry for path, entry in aside.items() if entry["kind"] == "file"}
    step = next(step for step in recovered["offer"]["steps"] if step["dataset"] == dataset)
    assert len(kept) == step["counts"]["damaged"]["files"]
    for path, entry in kept.items():
        assert entry["sha256"] == recovered["damaged"][dataset][path]["sha256"], path


def test_the_lab_works_again(recovered, restore, fetch_all, worker_goes_on):
    restore(stage="release")
    worker_goes_on()
    assert sum(fetch_all()["rows"].values()) > 100


def test_the_next_night_is_complete(recovered, night):
    assert night()["state"] == "complete"
