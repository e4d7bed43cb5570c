# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Borg gives way to 1.4.5 under repositories that hold points already; whole nights with it; and back."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
OLD = "/usr/bin/borg"
NEW = "/opt/labops-backup/borg/1.4.5/bin/borg"
PLACES = ("database", "blobs", "data", "points")
NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"
DUMP = "/usr/local/sbin/backup_and_notify_on_tatchu.sh"


def version(text):
    return "--extra-vars", json.dumps({"borg_version": text})


@pytest.fixture(scope="module")
def with_borg(loki):
    """Run one of both programs on a repository with nothing of ours but the passphrase."""

    def run(executable, verb, place, folder="/root"):
        memory = {OLD: "/root/plain-debian", NEW: "/root/plain-built"}[executable]
        return loki.run(
            f"cd {folder} && env BORG_PASSCOMMAND='cat /etc/labops-backup/borg/tatchu.passphrase' LC_ALL=C.UTF-8"
            f" BORG_BASE_DIR={memory} BORG_RELOCATED_REPO_ACCESS_IS_OK=yes"
            f" {executable} {verb} /srv/backup/borg/tatchu/{place}"
        )

    return run


@pytest.fixture(scope="module")
def archives(with_borg):
    """Names of all archives of a place, oldest first."""
    return lambda place, executable: with_borg(executable, "list --short", place).stdout.split()


@pytest.fixture(scope="module")
def brought_back(loki, with_borg, tree):
    """A folder of an archive, as one of both programs extracts it."""

    def run(executable, place, name, folder):
        loki.check_output("rm -rf /root/extract && mkdir /root/extract")
        done = with_borg(executable, "extract --numeric-ids --sparse", f"{place}::{name}", "/root/extract")
        assert done.rc == 0, done.stderr
        entries = tree(loki, f"/root/extract/{folder}")
        if not folder:
            del entries["."]  # the test's own folder
        return entries

    return run


@pytest.fixture(scope="module")
def quiet(tatchu):
    """What is compared with the source must not change meanwhile."""
    tatchu.check_output("systemctl stop datajoint-worker")
    yield
    tatchu.check_output("systemctl start datajoint-worker")


@pytest.fixture(scope="module")
def before(loki, archives, brought_back, quiet):
    """All archives of Debian's Borg, and what the newest of each place holds."""
    assert loki.check_output(f"{OLD} --version") == "borg 1.2.4"
    names = {place: archives(place, OLD) for place in PLACES}
    assert all(names.values())
    return names, {place: brought_back(OLD, place, names[place][-1], "") for place in PLACES}


@pytest.fixture(scope="module")
def upgraded(before, playbook):
    done = playbook("site", *version("1.4.5"))
    yield done
    back = playbook("site")
    assert back.returncode == 0, back.stdout[-3000:]


@pytest.fixture(scope="module")
def night(loki, tatchu, upgraded, ledger):
    """The first night with it, as cron starts it."""
    tatchu.check_output(DUMP)
    ended = loki.run(NIGHT)
    return ended, [run for run in ledger(loki) if run["job"] == "backup"][-1]


def test_site_builds_it_beside_debians_and_opens_every_archive(loki, upgraded):
    assert upgraded.returncode == 0, upgraded.stdout[-3000:]
    assert loki.check_output(f"{NEW} --version") == "borg 1.4.5"
    assert loki.check_output(f"{OLD} --version") == "borg 1.2.4"
    assert loki.file("/etc/labops-backup/borg/tatchu.opened-by").content_string == "borg 1.4.5\n"


def test_a_second_run_changes_nothing(upgraded, playbook):
    done = playbook("site", *version("1.4.5"))
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.split("PLAY RECAP")[1].count("changed=0 ") == 2


@pytest.mark.parametrize("place", PLACES)
def test_every_old_archive_opens_and_comes_back_equal(upgraded, before, with_borg, brought_back, place):
    names, trees = before
    for name in names[place]:
        opened = with_borg(NEW, "extract --dry-run", f"{place}::{name}")
        assert opened.rc == 0, opened.stderr
    assert brought_back(NEW, place, names[place][-1], "") == trees[place]


def test_the_next_night_seals_a_complete_point(night, archives):
    ended, run = night
    assert ended.rc == 0, ended.stdout + ended.stderr
    assert (run["state"], run["points"][0]["state"]) == ("success", "complete")
    assert f"point-{run['run_id']}" in archives("points", NEW)


def test_what_it_archived_comes_back_equal_to_the_source(night, tatchu, brought_back, tree, kept_by_borg):
    _ended, run = night
    names = {entry["dataset"]: entry["archive"] for entry in run["outcomes"]}
    pinned = next(entry["dump_set"] for entry in run["outcomes"] if entry["dataset"] == "database")
    for place, folder, path in (
        ("database", f"database/{pinned}", f"/datajoint-db/dumps/{pinned}"),
        ("blobs", "blobs", "/datajoint-db/blobs"),
        ("data", "data", "/datajoint-data"),
    ):
        assert brought_back(NEW, place, names[place], folder) == kept_by_borg(tree(tatchu, path)), place


@pytest.mark.parametrize("place", PLACES)
def test_it_finds_the_repositories_sound(night, with_borg, place):
    checked = with_borg(NEW, "check --verify-data", place)
    assert checked.rc == 0, checked.stderr


def test_a_repository_that_it_made_itself_gets_into_a_point(night, loki, tatchu, playbook, ledger, with_borg):
    """A further dataset, from the first pull to an extract."""
    tatchu.check_output("mkdir -p /srv/added && echo new >/srv/added/file && touch -d 2026-01-02 /srv/added/file")
    datasets = [
        {"name": "database", "kind": "database", "path": "/datajoint-db/dumps"},
        {"name": "blobs", "path": "/datajoint-db/blobs"},
        {"name": "data", "path": "/datajoint-data"},
        {"name": "added", "path": "/srv/added"},
    ]
    words = "--extra-vars", json.dumps({"borg_version": "1.4.5", "backup_datasets": datasets})
    try:
        for name in ("site", "backup"):
            done = playbook(name, *words)
            assert done.returncode == 0, done.stdout[-3000:]
        run = [run for run in ledger(loki) if run["job"] == "backup"][-1]
        assert run["points"][0]["state"] == "complete"
        (archive,) = [entry["archive"] for entry in run["outcomes"] if entry["dataset"] == "added"]
        shown = with_borg(NEW, "extract --stdout", f"added::{archive} added/file")
        assert (shown.rc, shown.stdout) == (0, "new\n"), shown.stderr
    finally:
        tatchu.check_output("rm -r /srv/added")


def test_retention_removes_what_the_former_one_wrote(night, loki, playbook, ledger, archives):
    """All points are of one day, so that a daily window of 1 and a floor of 2 leave two complete points."""
    cache = "/var/lib/labops-backup/recovery_points/tatchu"
    complete = loki.check_output(f'cd {cache} && grep -l \'"state": "complete"\' *.json | cut -d. -f1').split()
    least = {f"backup_keep_{rule}": number for rule, number in (("daily", 1), ("weekly", 0), ("monthly", 0))}
    done = playbook("backup", "--extra-vars", json.dumps({"borg_version": "1.4.5", "backup_keep_complete": 2, **least}))
    assert done.returncode == 0, done.stdout[-3000:]
    run = [run for run in ledger(loki) if run["job"] == "backup"][-1]
    *gone, kept = sorted(complete)
    assert gone
    places = {"points": "point", **{place: f"tatchu-{place}" for place in ("database", "blobs", "data")}}
    for place, name in places.items():
        left = archives(place, NEW)
        assert {f"{name}-{one}" for one in (kept, run["run_id"])} <= set(left)
        assert not {f"{name}-{one}" for one in gone} & set(left)


def test_an_archive_that_a_version_does_not_open_is_named_by_site(night, loki, with_borg, playbook):
    """Borg 1.2.4 renames an archive of somebody's; 1.4.5 would list it for years."""

    def by_hand(verb, *words):
        done = with_borg(OLD, verb, " ".join(["points" + words[0], *words[1:]]))
        assert done.rc == 0, done.stderr

    by_hand("create", "::somebodys", "/etc/hostname")
    by_hand("rename", "::somebodys", "somebody")
    loki.check_output("rm /etc/labops-backup/borg/tatchu.opened-by")
    try:
        done = playbook("site", "--tags", "borg", *version("1.4.5"))
        text = " ".join(done.stdout.split())
        assert done.returncode == 2
        assert "Borg 1.4.5 does not open somebody in /srv/backup/borg/tatchu/points (ArchiveTAMInvalid)" in text
        assert "The repository was not changed. Put the former borg_version back and run site.yml again." in text
    finally:
        by_hand("delete", "::somebody")


def test_the_way_back(upgraded, loki, playbook, ledger, archives, with_borg):
    """Debian's Borg opens what 1.4.5 wrote, and the next night seals."""
    done = playbook("site")
    assert done.returncode == 0, done.stdout[-3000:]
    assert loki.file("/etc/labops-backup/borg/tatchu.opened-by").content_string == "borg 1.2.4\n"
    for place in PLACES:
        for name in archives(place, OLD):
            opened = with_borg(OLD, "extract --dry-run", f"{place}::{name}")
            assert opened.rc == 0, opened.stderr
    assert loki.run(NIGHT).rc == 0
    assert [run for run in ledger(loki) if run["job"] == "backup"][-1]["points"][0]["state"] == "complete"
