# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every awkward file, and every way in which a tree can change from one night to the next."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
FOLDER = "/datajoint-data/awkward"
NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"


@pytest.fixture(scope="module")
def quiet(tatchu, playbook):
    """The worker stands still; the awkward tree is gone afterwards, and the night after that was told so."""
    tatchu.check_output("systemctl stop datajoint-worker")
    tatchu.check_output(f"rm -rf {FOLDER}")
    yield
    tatchu.check_output(f"rm -rf {FOLDER}")
    accepted = {"deleted_files": 5000, "quarantine_bytes": 500_000_000, "reason": "the test's own"}
    ended = playbook("backup", "--extra-vars", json.dumps({"backup_accept": {"tatchu/data": accepted}}))
    tatchu.check_output("systemctl start datajoint-worker")
    assert ended.returncode == 0, ended.stdout


@pytest.fixture(scope="module")
def first_night(loki, tatchu, ledger, program, quiet):
    program(tatchu, "awkward.py", "make", FOLDER, "2000")
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    loki.check_output(NIGHT)
    return ledger(loki)[-1]


@pytest.fixture(scope="module")
def second_night(loki, tatchu, ledger, program, first_night):
    program(tatchu, "awkward.py", "change", FOLDER)
    accepted = '{"backup_accept": {"tatchu/data": {"deleted_files": 5000, "reason": "test"}}}'
    told = loki.run(NIGHT)
    return told, ledger(loki)[-1], accepted


def archived(night):
    return next(entry["archive"] for entry in night["outcomes"] if entry["dataset"] == "data")


def assert_equal(here, there):
    assert set(here) == set(there)
    for path, entry in here.items():
        assert entry == there[path]


def test_everything_awkward_comes_through(loki, tatchu, first_night, extract, tree, kept_by_borg):
    assert first_night["state"] == "success"
    there = tree(tatchu, "/datajoint-data")
    assert sum(path.startswith("./awkward") for path in there) > 2000
    assert_equal(tree(loki, extract("data", archived(first_night))), kept_by_borg(there))


def test_changes_that_break_a_limit_stop_before_the_mirror(loki, tatchu, second_night, tree):
    """2000 files in a renamed folder are 2000 deletions; nothing of that dataset is touched until they are accepted."""
    told, night, _accepted = second_night
    assert told.rc == 2
    outcome = next(entry for entry in night["outcomes"] if entry["dataset"] == "data")
    assert not outcome["ok"]
    assert "backup_accept" in outcome["message"]
    assert "./awkward/many/000001" in tree(loki, "/srv/backup/mirror/tatchu/data")


def test_once_accepted_the_archive_equals_the_changed_source(
    loki, tatchu, second_night, playbook, ledger, extract, tree, kept_by_borg
):
    ended = playbook("backup", "--extra-vars", second_night[2])
    assert ended.returncode == 0, ended.stdout
    night = ledger(loki)[-1]
    assert night["points"][0]["state"] == "complete"
    assert_equal(tree(loki, extract("data", archived(night))), kept_by_borg(tree(tatchu, "/datajoint-data")))


def test_what_was_removed_waits_in_the_quarantine(loki, second_night):
    found = loki.check_output("find /srv/backup/quarantine/tatchu/data -name 'to be removed'")
    assert loki.file(found).content_string == "content\n"


def test_the_first_archive_still_holds_the_first_state(loki, first_night, extract, tree):
    here = tree(loki, extract("data", archived(first_night)))
    assert "./awkward/to be removed" in here and "./awkward/{{ new }}" not in here


def test_what_changed_its_kind_changes_back(loki, tatchu, second_night, ledger, program, extract, tree, kept_by_borg):
    """A file is a folder again, a folder a file, a link a folder, a pipe a file; a file grows from night to night."""
    program(tatchu, "awkward.py", "back", FOLDER)
    assert loki.run(NIGHT).rc == 0
    night = ledger(loki)[-1]
    assert night["points"][0]["state"] == "complete"
    here = tree(loki, extract("data", archived(night)))
    assert_equal(here, kept_by_borg(tree(tatchu, "/datajoint-data")))
    kinds = {name: here[f"./awkward/{name}"]["kind"] for name in ("was a file", "was a directory", "at/dangling")}
    assert kinds == {"was a file": "file", "was a directory": "dir", "at/dangling": "dir"}
    found = loki.run(f"find /srv/backup/quarantine/tatchu/data/{night['run_id']} -type f -printf '%P\\n'")
    waiting = set(found.stdout_bytes.split(b"\n"))  # names are bytes
    assert {f"1/awkward/{name}".encode() for name in ("grows", "was a directory", "was a file/deep/inside")} <= waiting
