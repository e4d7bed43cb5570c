# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump set that its manifest does not prove is never taken for one."""

import hashlib
import json

import pytest

testinfra_hosts = ["ansible://loki"]
DUMPS = "/datajoint-db/dumps"
ARCHIVES = "/srv/backup/borg/tatchu/database"
# Newer than whatever the pipeline made, whenever the tests run.
LATER = "20371231T235959Z"


@pytest.fixture
def newest(tatchu):
    """The newest dump set that is there."""
    return tatchu.check_output(f"ls -d {DUMPS}/2*Z-?????? | tail -n 1").rsplit("/", 1)[1]


@pytest.fixture
def forge(tatchu, newest):
    """A newer copy of the newest dump set, with its identifier in the manifest; gone after the test."""
    made = []

    def copy(name, *commands, **manifest):
        folder = f"{DUMPS}/{LATER}-{name}"
        made.append(folder)
        tatchu.check_output(f"cp -a {DUMPS}/{newest} {folder}")
        for command in commands:
            tatchu.check_output(command.format(folder=folder))
        document = json.loads(tatchu.file(f"{folder}/manifest.json").content_string)
        text = tatchu.file(f"{folder}/databases.sql").content
        facts = {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}
        document |= {"id": f"{LATER}-{name}", "files": document["files"] | {"databases.sql": facts}} | manifest
        tatchu.check_output(f"printf %s '{json.dumps(document).replace(chr(39), '')}' >{folder}/manifest.json")
        return folder

    yield copy
    if made:
        tatchu.check_output(f"rm -r {' '.join(made)}")


@pytest.fixture
def archives(borg):
    return lambda: borg("list --short", "database").stdout.splitlines()


def outcome(run, dataset):
    return next(entry for entry in run["outcomes"] if entry["dataset"] == dataset)


@pytest.mark.usefixtures("unchanged")
def test_a_source_without_a_dump_set_that_counts(tatchu, newest, night, refused):
    """All of them lose their manifest: nothing is pinned, and nothing pulled."""
    move = f"for set in {DUMPS}/2*Z-??????; do mv $set/{{}} $set/{{}}; done"
    tatchu.check_output(move.format("manifest.json", "manifest.away"))
    try:
        done = night("database")
    finally:
        tatchu.check_output(move.format("manifest.away", "manifest.json"))
    refused(
        done,
        "the source offers no finished dump set",
        f"{newest}: its manifest.json cannot be read: No such file or directory",
        "Look at the dump job on the source: run its backup_and_notify script there.",
    )


def test_newer_sets_whose_manifests_contradict_themselves(tatchu, forge, newest, night, refused, last_run):
    """They are passed over and told, the one before them is taken, and the night counts as failed."""
    tatchu.check_output(f"rm {forge('aaaaaa')}/manifest.json")
    forge("bbbbbb", rows=1)
    tatchu.check_output(f"truncate -s 20 {forge('cccccc')}/manifest.json")
    forge("dddddd", finished="1999-01-01T00:00:00Z")
    refused(
        night("database"),
        "backup FAILED: tatchu: newest dump set",
        f"newer, but not valid: dump set {LATER}-aaaaaa: its manifest.json cannot be read: No such file",
        f"newer, but not valid: dump set {LATER}-bbbbbb: the row counts add up to",
        f"newer, but not valid: dump set {LATER}-cccccc:",
        f"newer, but not valid: dump set {LATER}-dddddd: it finished before it started",
    )
    taken = outcome(last_run(), "database")
    assert taken["ok"] and taken["dump_set"] == newest


FALSE = {
    "sha256": (["printf x >>{folder}/accounts.sql"], "accounts.sql has"),
    "content": (
        ["sed -i '0,/a/s//b/' {folder}/accounts.sql"],
        "accounts.sql has other content than when it was written",
    ),
    "trailer": (["sed -i '/^-- Dump completed/d' {folder}/databases.sql"], "-- Dump completed"),
    "truncated": (
        [
            "awk '{{ if (/^\\/\\*!40000 ALTER TABLE .* ENABLE KEYS/ && ++n > 3) exit; print }}' {folder}/databases.sql"
            " >{folder}/cut && mv {folder}/cut {folder}/databases.sql"
        ],
        "in the manifest",
    ),
    "code lost, trailer there": (
        [
            "head -c -2000 {folder}/databases.sql >{folder}/cut && mv {folder}/cut {folder}/databases.sql"
            " && printf '\\n-- Dump completed\\n' >>{folder}/databases.sql"
        ],
        "has other views, triggers, routines or events than the manifest says",
    ),
    "statement lost, trailer there": (
        [
            "awk '/^INSERT INTO/ && !gone {{ gone=1; skip=1 }} skip {{ if (/;$/) skip=0; next }} {{ print }}'"
            " {folder}/databases.sql >{folder}/cut && mv {folder}/cut {folder}/databases.sql"
        ],
        "in the manifest",
    ),
}


@pytest.mark.parametrize("name", FALSE)
def test_what_a_full_look_finds(forge, tatchu, name):
    """On the source itself, with the module that the night uses; sizes and hashes of the dump fit its manifest."""
    commands, said = FALSE[name]
    folder = forge("eeeeee", *commands)
    result = tatchu.ansible(
        "labops.backup.db_dump_info",
        f"directory={DUMPS} verify=full dump_set={folder.rsplit('/', 1)[1]}",
        check=False,
    )
    (found,) = result["dump_sets"]
    assert not found["valid"]
    assert any(said in problem for problem in found["problems"]), found["problems"]


def test_a_dump_that_was_cut_at_a_statement_is_not_archived(forge, night, refused, archives, last_run):
    """Its manifest was made to fit in size and hash; the rows tell."""
    before = archives()
    forge("ffffff", *FALSE["truncated"][0])
    refused(
        night("database"),
        "FAILED in step 'See that the dump set is proven'",
        "the mirror does not hold exactly the pinned dump set, proven:",
        "in the manifest",
        "It was not archived.",
    )
    assert archives() == before
    assert last_run()["state"] == "failure"


def test_the_next_good_night_mends_the_mirror(night, newest, last_run):
    done = night("database")
    assert done.returncode == 0, done.stdout
    assert outcome(last_run(), "database")["dump_set"] == newest
