# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore refuses: each time tatchu is as it was before, and the message says so."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
OTHER = "20200101T000000Z-abcdef"


@pytest.fixture(scope="module")
def point(fresh):
    return fresh()


@pytest.fixture(scope="module")
def partial(point, tatchu, loki, newest):
    """A later night that could not take one dataset."""
    tatchu.check_output("systemctl stop datajoint-worker && mv /datajoint-data/.labops-backup-dataset /root/marker")
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    assert loki.run("/usr/local/sbin/backup_and_notify_on_loki.sh").rc == 2
    tatchu.check_output("mv /root/marker /datajoint-data/.labops-backup-dataset")
    found = newest()
    assert found["state"] == "partial"
    return found


@pytest.fixture(scope="module")
def fenced(partial, restore, tatchu):
    """A few recordings are gone; nobody writes any more."""
    tatchu.check_output("rm -r /datajoint-data/recordings/m000")
    restore(stage="fence")


@pytest.fixture
def as_it_was(fenced, tatchu, tree, checksums):
    """What is on tatchu before a refusal, and after it."""

    def look():
        # The folder of systemd and what is mounted change by themselves.
        places = ("/datajoint-data", "/datajoint-db", "/etc/mysql", "/etc/cron.d", "/var/lib/labops-backup/incident")
        return {place: tree(tatchu, place) for place in places} | {"rows": checksums()}

    before = look()
    yield
    assert look() == before
    assert not tatchu.service("datajoint-worker").is_running
    assert not tatchu.user("labops-restore").exists, "no way in was opened"


def test_a_partial_point_is_taken_by_name_only(as_it_was, plan, point, partial):
    assert plan()["point"] == point["point"]
    named = plan(point=partial["point"])
    assert named["point_state"] == "partial" and named["refusals"] == []
    assert "data" not in {step["dataset"] for step in named["steps"]}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"point": OTHER}, OTHER),
        ({"point": "2026-11-20T12:00:00"}, "zone"),
        ({"point": "2020-01-01T00:00:00+01:00"}, "dump that began before 2019-12-31T23:00:00Z"),
        ({"incident": OTHER}, "a second restore beside the first would undo its work"),
        ({"scope": "datas"}, "the datasets of tatchu are"),
    ],
)
def test_what_cannot_be_meant_is_refused(as_it_was, restore, point, variables, said):
    assert said in restore(good=False, **{"confirm": point["point"], **variables})


def test_another_point_than_the_confirmed_one_is_refused(as_it_was, restore, partial):
    said = restore(good=False, confirm=partial["point"])
    assert "The restore was not begun" in said and "Nothing was changed on tatchu" in said


def test_as_long_as_somebody_writes_it_is_refused(as_it_was, restore, point, tatchu):
    file = tatchu.check_output("find /datajoint-data/recordings -name '*.bin' | head -n 1")
    command = f"import time; stream = open({file!r}, 'ab'); time.sleep(600)"
    tatchu.check_output("systemd-run --unit=lab-writer python3 -c %s", command)
    try:
        said = restore(good=False, confirm=point["point"])
    finally:
        tatchu.check_output("systemctl stop lab-writer")
    assert "somebody is writing" in said and file.rpartition("/")[2] in said


@pytest.fixture
def other_disk(as_it_was, tatchu):
    """Another, small file system where the recordings belong."""
    tatchu.check_output("mount -t tmpfs -o size=200k none /datajoint-data")
    yield
    tatchu.check_output("umount /datajoint-data")


def test_another_file_system_than_its_own_is_refused(other_disk, restore, point):
    said = restore(good=False, confirm=point["point"])
    assert "/datajoint-data lies on the file system mounted at /datajoint-data" in said
    assert "it lay on the one at /." in said and "restore_other_file_system=true" in said


def test_too_little_room_is_refused(other_disk, restore, point):
    said = restore(good=False, confirm=point["point"], other_file_system=True)
    assert "free and" in said and "would come" in said and "lies on the file system" not in said


def test_a_target_that_cannot_be_written_is_refused(other_disk, restore, point, tatchu):
    tatchu.check_output("mount -o remount,ro /datajoint-data")
    said = restore(good=False, confirm=point["point"], other_file_system=True)
    assert "/datajoint-data on tatchu cannot be written" in said


def test_a_server_that_cannot_take_the_dump_is_refused(as_it_was, restore, point, tatchu):
    limit = tatchu.check_output("mariadb -NBe 'SELECT @@max_allowed_packet'")
    tatchu.check_output("mariadb -e 'SET GLOBAL max_allowed_packet = 16384'")
    try:
        said = restore(good=False, confirm=point["point"], scope="auto,database")
    finally:
        tatchu.check_output("mariadb -e %s", f"SET GLOBAL max_allowed_packet = {limit}")
    assert "the database server of tatchu cannot take the dump set" in said and "max_allowed_packet" in said


@pytest.fixture(scope="module")
def cut(fenced, point, tatchu):
    """The dump without its last tables, where the source keeps it: the client would load it and return 0."""
    name = point["dump_set"]["id"]
    cut = (
        "import re, sys; text = open(sys.argv[1], 'rb').read();"
        "at = [found.start() for found in re.finditer(rb'\\n-- Table structure', text)][-3];"
        "open(sys.argv[1], 'wb').write(text[: at + 1])"
    )
    tatchu.check_output("python3 -c %s %s", cut, f"/datajoint-db/dumps/{name}/databases.sql")
    return f"/datajoint-db/dumps/{name}"


def test_a_truncated_dump_is_not_loaded(cut, as_it_was, ad_hoc):
    said = ad_hoc("tatchu", "labops.backup.db_load", directory=cut, lock="/run/labops-backup/load.lock")
    assert said["failed"] and "is not what its manifest says" in said["msg"] and "Nothing was changed" in said["msg"]
    assert "the last line is not" in json.dumps(said["problems"])


@pytest.fixture(scope="module")
def rotten(fenced, loki):
    """A recording that is needed and whose copy in the mirror has another byte, at the same size and time."""
    folder = "/srv/backup/mirror/tatchu/data/recordings/m000"
    file = loki.check_output(f"find {folder} -name '*.bin' | sort | head -n 1")
    flip = (
        "import os, sys; path = sys.argv[1]; before = os.stat(path); stream = open(path, 'r+b');"
        "byte = stream.read(1); stream.seek(0); stream.write(bytes([byte[0] ^ 1])); stream.close();"
        "os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))"
    )
    loki.check_output("python3 -c %s %s", flip, file)
    return file


def test_what_mirror_and_source_have_lost_comes_out_of_the_archive(
    cut, rotten, recover, point, assert_restored, checksums, dumped, loki, restore
):
    offer = recover(point, case="refusals", fence=False, scope="auto,database", release=False)
    assert offer["order"] == ["database", "data"]
    assert checksums() == dumped(point)
    assert_restored(point, "data")
    # The mirror has the dump set of the later night; of the data it still is that of the point.
    assert {step["dataset"]: step["from"] for step in offer["steps"] if step["taken"]} == {
        "database": "archive",
        "data": "mirror",
    }
    journal = json.loads(loki.file(f"/var/lib/labops-backup/journal/tatchu/{offer['incident']}.json").content_string)
    assert any("data comes out of the archive" in event["what"] for event in journal["events"])
    assert journal["steps"]["data.push"]["result"]["from"] == "archive"
    restore(stage="release")
    # As docs/operate.md has it: the source is sound, so the mirror's copy goes and the next pull brings it again.
    loki.check_output("rm %s", rotten)


def test_the_next_night_is_complete(cut, night):
    assert night()["state"] == "complete"
