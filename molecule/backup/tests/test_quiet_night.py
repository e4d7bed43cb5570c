# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A night on a source that stands still: the archives equal the source in everything that rsync -aHAX carries."""

import pytest

testinfra_hosts = ["ansible://loki"]
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
def test_the_archive_equals_the_source(loki, tatchu, night, extract, tree, kept_by_borg, dataset):
    archive = next(entry["archive"] for entry in night["outcomes"] if entry["dataset"] == dataset)
    there = tree(tatchu, TREES[dataset])
    here = tree(loki, extract(dataset, archive))
    there = kept_by_borg(there)
    assert set(here) == set(there)
    for path, entry in here.items():
        assert entry == there[path]
    assert len(here) > 3
