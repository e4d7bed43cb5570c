# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory with 100,000 entries."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
ENTRIES = 100_000
FOLDER = "/datajoint-data/crowded"
MAKE = f"""
import os
os.makedirs({FOLDER!r})
for number in range({ENTRIES}):
    with open(f"{FOLDER}/{{number:06}} of many", "wb") as stream:
        stream.write(b"%d" % number)
    os.utime(f"{FOLDER}/{{number:06}} of many", ns=(0, 1_600_000_000_000_000_000 + number))
"""


def removal_accepted():
    accepted = {"deleted_files": ENTRIES, "quarantine_files": ENTRIES, "reason": "the test's own folder"}
    return json.dumps({"backup_accept": {"tatchu/data": accepted}})


@pytest.fixture(scope="module")
def night(loki, tatchu, ledger, playbook):
    tatchu.check_output("systemctl stop datajoint-worker")
    tatchu.check_output(f"rm -rf {FOLDER}; python3 - <<'END'\n{MAKE}\nEND")
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    ended = loki.run("/usr/local/sbin/backup_and_notify_on_loki.sh")
    yield ended, [run for run in ledger(loki) if run["job"] == "backup"][-1]
    tatchu.check_output(f"rm -rf {FOLDER}")
    playbook("backup", "--extra-vars", removal_accepted())
    tatchu.check_output("systemctl start datajoint-worker")


def test_all_of_them_come_back_equal(loki, tatchu, night, extract, tree):
    ended, run = night
    assert ended.rc == 0, ended.stderr
    assert run["points"][0]["state"] == "complete"
    archive = next(entry["archive"] for entry in run["outcomes"] if entry["dataset"] == "data")
    here, there = tree(loki, f"{extract('data', archive)}/crowded"), tree(tatchu, FOLDER)
    assert len(there) == ENTRIES + 1
    assert set(here) == set(there)
    different = [path for path, entry in there.items() if here[path] != entry]
    assert not different, different[:5]
