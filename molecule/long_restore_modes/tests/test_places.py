# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another place, another day, single paths, one schema: what is asked for comes back, and nothing else is touched."""

import pytest

testinfra_hosts = ["ansible://loki"]
SPACE = "/srv/looked-at"


@pytest.fixture(scope="module")
def first(tatchu, still_night):
    """A point with some awkward files, and a newer point in which they are gone: its files are in archives only."""
    tatchu.check_output(
        "install -d -o labworker -g labdata -m 2775 '/datajoint-data/places/a b' && cd /datajoint-data/places"
        " && head -c 3000000 /dev/urandom >one && ln one 'a b/same as one' && ln -s one link"
        " && printf x >'a b/new\nline' && truncate -s 5M sparse && setfacl -m u:anna:r one"
        " && setfattr -n user.rig -v 7 one && touch -d 2020-01-01 one 'a b' && for i in $(seq 6);"
        " do head -c 1000000 /dev/urandom >part$i; done"
    )
    point = still_night()
    yield point
    tatchu.check_output(f"rm -rf /datajoint-data/places {SPACE}; systemctl start datajoint-worker")


@pytest.fixture(scope="module")
def second(first, tatchu, still_night):
    tatchu.check_output("rm /datajoint-data/places/part* && echo other >/datajoint-data/places/later")
    point = still_night()
    tatchu.check_output("rm -rf /datajoint-db/blobs/ephys/*")
    return point


@pytest.fixture(scope="module")
def live(second, tatchu, tree):
    return {place: tree(tatchu, place) for place in ("/datajoint-data", "/datajoint-db/blobs")}


def test_a_path_of_an_older_day_into_another_directory(first, second, live, restore, plan, tatchu, tree, archived):
    """The mirror holds a later generation, so it comes out of the archive, in parts."""
    offer = plan(point=first["point"], paths="data/places", target=SPACE)
    assert offer["order"] == ["data"] and {step["from"] for step in offer["steps"]} == {"archive"}
    said = restore(
        point=first["point"], confirm=first["point"], paths="data/places", target=SPACE, batch_bytes=2_000_000
    )
    wanted = {path: entry for path, entry in archived(first, "data").items() if path.startswith("./places")}
    found = {path: entry for path, entry in tree(tatchu, f"{SPACE}/data").items() if path.startswith("./places")}
    assert found == wanted, said
    one = tatchu.check_output(f"stat -c %i {SPACE}/data/places/one '{SPACE}/data/places/a b/same as one'").split()
    assert one[0] == one[1], "two names of one file"
    assert int(tatchu.check_output(f"stat -c %b {SPACE}/data/places/sparse")) < 100
    assert {place: tree(tatchu, place) for place in live} == live, "nothing that lives was touched"


def test_parts_were_bounded(journal, loki):
    done = journal()
    assert done["steps"]["data.push"]["result"]["batches"] > 3
    assert done["state"] == "released"
    assert not loki.file(f"/srv/backup/staging/tatchu/restore/{done['incident']}").exists


def test_the_same_onto_the_server(first, second, live, restore, plan, loki, tatchu, tree, archived, kept_by_borg):
    """Files out of archive and mirror, the whole folder of dump sets; the source is not asked for anything."""
    loki.check_output(f"rm -rf {SPACE}")
    assert plan(point=first["point"], host="loki", target=SPACE)["host"] == "loki"
    said = restore(point=first["point"], confirm=first["point"], host="loki", target=SPACE, scope="database,blobs,data")
    for dataset in ("database", "blobs", "data"):
        assert kept_by_borg(tree(loki, f"{SPACE}/{dataset}")) == archived(first, dataset), said
    assert {place: tree(tatchu, place) for place in live} == live, "nothing that lives was touched"
    loki.check_output(f"rm -rf {SPACE}")


def test_what_did_not_fit_at_all_is_refused_before_anything_is_written(first, second, restore, loki, tatchu):
    loki.check_output("mkdir -p /srv/small && mount -t tmpfs -o size=1m tmpfs /srv/small")
    try:
        said = restore(
            point=first["point"],
            confirm=first["point"],
            paths="data/places/one",
            target="/srv/looked-at-small",
            staging="/srv/small",
            good=False,
        )
    finally:
        loki.check_output("umount /srv/small")
    assert "'places/one' has 3000000 bytes" in said and "restore_staging" in said
    tatchu.check_output("rm -rf /srv/looked-at-small")


def test_a_point_holds_nothing_of_a_path(first, restore, tatchu):
    said = restore(point=first["point"], confirm=first["point"], paths="data/nobody", target=SPACE, good=False)
    assert "the point holds nothing of nobody in data" in said and "Nothing was changed" in said


@pytest.fixture(scope="module")
def exact(first, second, live, recover):
    return recover(first, case="paths in place", paths="data/places", exact=True)


def test_exactly_the_point_moves_aside_what_is_newer(exact, tatchu, tree, archived, first):
    found = {path: entry for path, entry in tree(tatchu, "/datajoint-data").items() if path.startswith("./places")}
    wanted = {path: entry for path, entry in archived(first, "data").items() if path.startswith("./places")}
    assert set(found) == set(wanted)
    assert {path: {**one, "mtime_ns": 0} for path, one in found.items()} == {
        path: {**one, "mtime_ns": 0} for path, one in wanted.items()
    }
    aside = f"/datajoint-data/.labops-aside-{exact['incident']}/places/later"
    assert tatchu.file(aside).content_string == "other\n"


def test_what_lies_outside_of_the_paths_is_told_and_keeps_nobody_out(exact, journal, tatchu, live, tree):
    """The blobs of ephys are still gone; that was not to be mended here."""
    remaining = journal(exact["incident"])["steps"]["checks"]["result"]["remaining"]
    assert any("files in blobs" in text for text in remaining)
    assert tree(tatchu, "/datajoint-db/blobs") == live["/datajoint-db/blobs"]


def test_the_rest_comes_back_from_the_older_day(exact, first, recover, assert_restored, fetch_all):
    """Blobs and data from the archive of a point that is not the newest, in place."""
    offer = recover(first, case="an older day", batch_bytes=5_000_000)
    assert {step["from"] for step in offer["steps"] if step["taken"]} == {"archive"}
    assert_restored(first, "blobs")
    assert_restored(first, "data")
    assert sum(fetch_all()["rows"].values()) > 100


def test_one_schema_in_place(second, recover, digests, tatchu, restore, worker_goes_on):
    """The worker stood still since the point, so everything has to be as it was before."""
    ephys, other = digests("lab_ephys"), digests("lab_imaging")
    tatchu.check_output("mariadb -e %s", "SET foreign_key_checks=0; DROP DATABASE lab_ephys")
    offer = recover(second, case="one schema in place", schemas="lab_ephys")
    assert offer["order"] == ["database"]
    assert digests("lab_imaging") == other
    assert digests("lab_ephys") == ephys
    tatchu.check_output("systemctl start datajoint-worker")
    worker_goes_on()
    for incident in tatchu.check_output("ls -d /datajoint-data/.labops-aside-* || :").split():
        restore(stage="accept", incident=incident.rpartition(".labops-aside-")[2])
