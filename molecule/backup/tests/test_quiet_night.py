# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A night on a source that stands still: the archives equal the source in everything that rsync -aHAX carries."""

import pytest

testinfra_hosts = ["ansible://loki"]
# Borg 1.x keeps no later time (helpers/time.py: SUPPORT_32BIT_PLATFORMS); a file of the lab claims to be of 2040.
LAST_BORG_TIME = (2**31 - 1 - 172800) * 10**9
TREES = {"database": "/datajoint-db/dumps", "blobs": "/datajoint-db/blobs", "data": "/datajoint-data"}


@pytest.fixture(scope="module")
def night(loki, tatchu, ledger):
    """Started by a person through the same scripts; the worker stands still."""
    tatchu.check_output("systemctl stop datajoint-worker")
    # Only the set that this night pins is to lie on the source, so that the whole folder can be compared.
    tatchu.check_output("rm -rf /datajoint-db/dumps/2*Z-*")
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    loki.check_output("/usr/local/sbin/backup_and_notify_on_loki.sh")
    yield [run for run in ledger(loki) if run["job"] == "backup"][-1]
    tatchu.check_output("systemctl start datajoint-worker")


@pytest.mark.parametrize("dataset", TREES)
def test_the_archive_equals_the_source(loki, tatchu, night, extract, tree, dataset):
    archive = next(entry["archive"] for entry in night["outcomes"] if entry["dataset"] == dataset)
    there = tree(tatchu, TREES[dataset])
    here = tree(loki, extract(dataset, archive))
    assert set(here) == {path for path, entry in there.items() if entry["kind"] != "socket"}
    for path, entry in here.items():
        expected = {**there[path], "mtime_ns": min(there[path]["mtime_ns"], LAST_BORG_TIME)}
        assert entry == expected
    assert len(here) > 3
