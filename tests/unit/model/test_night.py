# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import copy
import fnmatch
import json
import pathlib
import typing as t
from datetime import UTC, datetime

import pytest
import yaml
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _inventory, _night, _point

RUN = "20261123T023000Z-77b0aa"
DUMP = "20261123T021500Z-3fa9c1"
ALL = ["pull", "archive", "seal"]
ROOT = pathlib.Path(__file__).resolve().parents[3]
DEFAULTS = {
    **yaml.safe_load((ROOT / "roles" / "_common" / "defaults" / "main.yml").read_text()),
    "backup_datasets": [
        {"name": "database", "kind": "database", "path": "/dumps"},
        {"name": "blobs", "path": "/blobs"},
    ],
}
Hosts = dict[str, dict[str, t.Any]]


EXPECTED = "/var/lib/labops-backup/expected/tatchu.blobs.json"


def slurped(content: str) -> dict[str, t.Any]:
    return {"source": EXPECTED, "content": base64.b64encode(content.encode()).decode()}


def test_what_a_restore_told_is_accepted() -> None:
    told = {"deleted_files": 1200, "reason": "restored in the incident 20261123T091500Z-5be1d0"}
    assert _night.expected(slurped(json.dumps(told))) == {"accept": told, "problem": ""}
    for nothing in ({}, {"msg": "file not found: /x"}, {"skipped": True}):
        assert _night.expected(nothing) == {"accept": {}, "problem": ""}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", f"{EXPECTED} is not a JSON document: Expecting value"),
        ('{"deleted_files": 12', f"{EXPECTED} is not a JSON document: "),
        ("[" * 200_000, f"{EXPECTED} is not a JSON document: "),
        ("[1]", f"{EXPECTED}: [1] is no acceptance"),
        ("{}", f"{EXPECTED}: the acceptance has no reason"),
        ('{"reason": "x", "deleted_files": "all"}', f"{EXPECTED}: deleted_files is 'all'"),
        ('{"reason": "x", "everything": true}', f"{EXPECTED}: 'everything' cannot be accepted"),
    ],
)
def test_what_a_restore_told_and_nobody_understands_accepts_nothing(content: str, why: str) -> None:
    found = _night.expected(slurped(content))
    assert found["accept"] == {}
    assert found["problem"].startswith(
        "what a restore told this pull to accept cannot be understood, and nothing of it"
    )
    assert why in found["problem"]


def make_plan() -> list[dict[str, t.Any]]:
    """Two sources on loki, one on thor."""
    hosts: Hosts = {
        "loki": {},
        "thor": {},
        "tatchu": {"backup_server": "loki"},
        "odin": {"backup_server": "loki", "backup_datasets": [{"name": "raw", "path": "/raw"}]},
        "freya": {"backup_server": "thor", "backup_datasets": [{"name": "blobs", "path": "/blobs"}]},
    }
    groups = {"backup_servers": ["loki", "thor"], "backup_sources": ["tatchu", "odin", "freya"]}
    return _inventory.plan(hosts, groups, DEFAULTS)


def settle(
    stages: t.Sequence[str] = ALL, sources: t.Sequence[str] = (), datasets: t.Sequence[str] = (), run_id: str = RUN
) -> dict[str, t.Any]:
    return _night.run(make_plan(), run_id, stages, sources, datasets, "0.1.0")


PULL = {
    "files": 12,
    "bytes": 3 * 1024 * 1024,
    "created": 3,
    "changed_files": 2,
    "deleted": 1,
    "quarantined_files": 0,
    "quarantined_bytes": 0,
    "compared": False,
    "transferred_bytes": 4096,
    "dump_set": DUMP,
    "generation": 7,
    "seconds": 61.0,
    "warnings": [],
}
ARCHIVE = {
    "archive": f"tatchu-blobs-{RUN}",
    "archive_id": "ab" * 32,
    "repository_id": "cd" * 32,
    "nfiles": 12,
    "original_size": 2048,
    "compressed_size": 1024,
    "deduplicated_size": 512,
    "dump_set": DUMP,
    "generation": 7,
    "seconds": 4.25,
}
PROOF = {"archives": [{"id": "ab" * 32, "nfiles": 12}]}
CONTENT = {
    "manifest": {"sha256": "ef" * 32, "files": 12, "bytes": 2048},
    "generation": 7,
    "hashed_files": 5,
    "hashed_bytes": 1024,
    "accepted": 0,
    "rewritten": 0,
    "seconds": 2.5,
}
FACTS = {"id": DUMP, "valid": True, "rows": 5}
OFFER = {"dump_sets": [FACTS]}
SKIPPED: dict[str, t.Any] = {"skipped": True, "changed": False}
RETENTION: dict[str, t.Any] = {
    "kept": [{"point": RUN, "state": "complete", "reason": "daily #1"}],
    "removed": [{"point": "20261101T023000Z-000000", "state": "complete", "reason": "no window needs it"}],
    "removed_archives": {"database": ["a", "b"], "blobs": ["c"]},
    "unknown_archives": {},
    "problems": [],
    "freed_bytes": 2048,
}


def good(source: str, dataset: str) -> dict[str, t.Any]:
    entry = next(d for d in _inventory.datasets(make_plan()) if d["pipeline"] == f"{source}.{dataset}")
    return _night.outcome(entry, PULL, SKIPPED, ARCHIVE, PROOF, CONTENT if entry["kind"] == "files" else SKIPPED)


def failed(source: str, dataset: str, message: str = "no space") -> dict[str, t.Any]:
    return {"source": source, "dataset": dataset, "ok": False, "step": "Pull", "message": message}


def good_hosts() -> Hosts:
    hosts: Hosts = {"loki": {}, "thor": {}}
    for source, dataset in (("tatchu", "database"), ("tatchu", "blobs"), ("odin", "raw"), ("freya", "blobs")):
        hosts[f"{source}.{dataset}"] = {"backup_outcome": good(source, dataset)}
        hosts[f"{source}.points"] = {
            "backup_point": {"source": source, "point": RUN, "state": "complete"},
            "backup_retention": RETENTION,
        }
    return hosts


# ------------------------------------------------------------------------------------------------------ what to do


def test_a_whole_night_holds_everything_in_the_order_of_the_inventory() -> None:
    run = settle()
    assert (run["id"], run["release"], run["stages"]) == (RUN, "0.1.0", ALL)
    assert [dataset["pipeline"] for dataset in _inventory.datasets(run["sources"])] == [
        "tatchu.database",
        "tatchu.blobs",
        "odin.raw",
        "freya.blobs",
    ]
    assert run["servers"] == {"loki": ["tatchu", "odin"], "thor": ["freya"]}
    assert run["ledger"] == "/var/lib/labops-backup/ledger"


def test_settling_a_run_leaves_the_plan_alone() -> None:
    plan = make_plan()
    before = copy.deepcopy(plan)
    _night.run(plan, RUN, ALL, ["tatchu"], ["blobs"], "0.1.0")
    assert plan == before


def test_only_some_sources() -> None:
    run = settle(sources=["odin"])
    assert [source["name"] for source in run["sources"]] == ["odin"]
    assert (run["servers"], run["stages"]) == ({"loki": ["odin"]}, ALL)


def test_a_part_of_the_datasets_is_never_sealed() -> None:
    run = settle(datasets=["blobs"])
    assert run["stages"] == ["pull", "archive"]
    assert [dataset["pipeline"] for dataset in _inventory.datasets(run["sources"])] == ["tatchu.blobs", "freya.blobs"]
    assert run["servers"] == {"loki": ["tatchu"], "thor": ["freya"]}
    assert settle(["archive", "seal"], datasets=["blobs"])["stages"] == ["archive"]


@pytest.mark.parametrize(
    "stages", [["pull"], ["pull", "archive"], ["pull", "archive", "seal"], ["archive"], ["archive", "seal"]]
)
def test_stages_that_make_sense(stages: list[str]) -> None:
    assert settle(stages)["stages"] == stages


@pytest.mark.parametrize("stages", [[], ["seal"], ["pull", "seal"], ["archive", "pull"], ["dump"], "pull"])
def test_stages_that_make_no_sense_are_refused(stages: t.Any) -> None:
    with pytest.raises(BackupError, match=r"^backup_stages \[.*\] is none of \['pull'\], .*Nothing was changed"):
        settle(stages)


@pytest.mark.parametrize("run_id", ["", "x", RUN.lower(), RUN + "\n", RUN + "0", "../" + RUN])
def test_a_run_id_of_another_form_is_refused(run_id: str) -> None:
    with pytest.raises(BackupError) as caught:
        settle(run_id=run_id)
    assert caught.value.message.startswith(f"backup_run_id {run_id!r} does not look like 20261123T023000Z-77b0aa.")


def test_what_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(BackupError, match=r"^there is no source 'loki'; the inventory has tatchu, odin, freya\."):
        settle(sources=["tatchu", "loki"])
    with pytest.raises(BackupError, match=r"^there is no dataset 'blob'; known are blobs, database, raw\."):
        settle(datasets=["blob"])
    with pytest.raises(BackupError, match=r"^there is no dataset 'raw'; known are blobs, database\."):
        settle(sources=["tatchu"], datasets=["raw"])


# ------------------------------------------------------------------------------------------------------------- pin


def offer(identifier: str, *problems: str) -> dict[str, t.Any]:
    valid = not problems
    return {"id": identifier, "valid": valid, "problems": list(problems), "started": "S", "finished": "F"}


def test_the_newest_valid_dump_set_is_pinned() -> None:
    sets = [offer("20261124T021500Z-000002", "cut off"), offer(DUMP), offer("20261122T021500Z-000001")]
    pinned = _night.pin({"dump_sets": sets})
    assert (pinned["id"], pinned["started"], pinned["finished"]) == (DUMP, "S", "F")


def test_the_filters_take_exactly_the_pinned_set_and_foreign_dumps() -> None:
    filters = _night.pin({"dump_sets": [offer(DUMP)]})["filters"]

    def taken(folder: str) -> bool:
        for rule in filters:
            sign, pattern = rule.split(" ", 1)
            if fnmatch.fnmatchcase(f"/{folder}/", pattern):
                return sign == "+"
        return True

    assert taken(DUMP)
    assert not taken("20261122T021500Z-000001")
    assert not taken("20261124T021500Z-ffffff")
    assert not taken(".20261124T021500Z-ffffff.partial")
    assert not taken(".20261101T021500Z-ffffff.removed")
    assert taken(".mine.partial") and taken(".mine.removed") and taken("20261124.removed")
    assert taken("old_dumps") and taken("2024-01-01")


def test_what_is_no_dump_set_is_told_when_it_is_newer_than_the_pinned_one() -> None:
    newer, older = "20261124T021500Z-000002", "20261122T021500Z-000001"
    rejected = [{"id": newer, "problems": ["no manifest", "odd"]}, {"id": older, "problems": ["no manifest"]}]
    assert _night.pin({"dump_sets": [offer(DUMP)], "rejected": rejected})["skipped"] == [f"{newer}: no manifest, odd"]
    pinned = _night.pin({"dump_sets": [], "rejected": rejected})
    assert f"({newer}: no manifest, odd; {older}: no manifest)" in pinned["problem"]


@pytest.mark.parametrize("offered", [{}, {"dump_sets": []}, {"dump_sets": None}])
def test_no_offer_is_a_problem_told_in_plain_words(offered: dict[str, t.Any]) -> None:
    remedy = "Look at the dump job on the source: run its backup_and_notify script there."
    assert _night.pin(offered) == {"problem": f"the source offers no finished dump set. {remedy}"}


def test_an_offer_without_a_valid_set_says_what_is_wrong_with_each() -> None:
    sets = [offer("b", "cut off", "no trailer"), offer("a", "wrong hash")]
    problem = _night.pin({"dump_sets": sets})["problem"]
    assert "no finished dump set (b: cut off, no trailer; a: wrong hash). Look at" in problem


# -------------------------------------------------------------------------------------------------------- outcomes


def test_dumps_that_came_along_unproven_are_in_the_outcome() -> None:
    entry = dataset("tatchu.database")
    taken = _night.outcome(entry, PULL, {**OFFER, "unproven": ["2019.sql.gz"]}, ARCHIVE, PROOF, SKIPPED)
    assert taken["unproven"] == ["2019.sql.gz"]
    assert "unproven" not in _night.outcome(entry, PULL, OFFER, ARCHIVE, PROOF, SKIPPED)


def dataset(pipeline: str = "tatchu.blobs") -> dict[str, t.Any]:
    return next(entry for entry in _inventory.datasets(make_plan()) if entry["pipeline"] == pipeline)


def test_an_outcome_joins_its_steps() -> None:
    pull, archive = {**PULL, "warnings": ["a vanished"]}, {**ARCHIVE, "warnings": ["b"]}
    result = _night.outcome(dataset("tatchu.database"), pull, OFFER, archive, PROOF, SKIPPED)
    expected = {key: PULL[key] for key in PULL if key not in ("seconds", "warnings")}
    expected |= {key: ARCHIVE[key] for key in ARCHIVE if key != "seconds"}
    assert result == {
        **expected,
        "source": "tatchu",
        "dataset": "database",
        "name": "database",
        "order": 0,
        "repository": "/srv/backup/borg/tatchu/database",
        "ok": True,
        "message": "",
        "warnings": ["a vanished", "b"],
        "seconds": {"pull": 61.0, "archive": 4.25},
        "dump_set_facts": FACTS,
    }


def test_an_outcome_of_one_step_says_nothing_of_the_others() -> None:
    pulled = _night.outcome(dataset(), PULL, SKIPPED, SKIPPED, SKIPPED, SKIPPED)
    assert "archive" not in pulled and "dump_set_facts" not in pulled and pulled["seconds"] == {"pull": 61.0}
    archived = _night.outcome(dataset(), SKIPPED, SKIPPED, ARCHIVE, PROOF, SKIPPED)
    assert "files" not in archived and archived["generation"] == 7 and archived["seconds"] == {"archive": 4.25}


def test_what_a_night_measures_can_be_sealed_and_read_again() -> None:
    outcomes = [{**good("tatchu", "blobs"), "unproven": None}, good("tatchu", "database")]
    seal = _point.build(
        RUN,
        **{"source": "tatchu", "server": "loki", "run_id": RUN, "release": "0.1.0"},
        sealed=datetime(2026, 11, 23, 4, tzinfo=UTC),
        expected=["database", "blobs"],
        datasets=outcomes,
        missing=[],
        dump_set=None,
        references=None,
    )
    assert {one["name"]: one["seconds"] for one in seal["datasets"]} == {
        one["dataset"]: one["seconds"] for one in outcomes
    }
    _point.check(seal, RUN)


def test_the_content_manifests_of_the_archived_are_sealed() -> None:
    outcomes = [good("tatchu", "database"), good("tatchu", "blobs")]
    assert outcomes[1]["content"] == CONTENT["manifest"] and outcomes[1]["seconds"]["content"] == 2.5
    assert "content" not in outcomes[0]
    path = "/srv/backup/staging/tatchu/20261123T023000Z-77b0aa/blobs.content"
    assert _night.content_manifests(outcomes, path.rpartition("/")[0]) == {
        "blobs.content": {"path": path, "sha256": "ef" * 32}
    }


def test_a_retention_that_finds_a_dataset_busy_is_left_to_a_later_night() -> None:
    busy = {"failed": True, "kind": "busy", "msg": "held by run A"}
    assert _night.retention_failure("Remove", busy) == {"stopped": ["held by run A"]}
    loop = {"failed": True, "msg": "One or more items failed", "results": [{"failed": False, "freed_bytes": 1}, busy]}
    assert _night.retention_failure("Give", loop) == {"stopped": ["held by run A"]}
    both = {**loop, "results": [busy, {"failed": True, "msg": "no space"}]}
    assert _night.retention_failure("Give", both) == {"problem": "Give: held by run A; no space"}
    assert _night.retention_failure("Remove", {"msg": ""}) == {"problem": "Remove: it failed without a message"}


def test_what_a_run_puts_together_is_its_own() -> None:
    runs = (RUN, "20261124T023000Z-000000")
    folders = {settle(run_id=run_id)["sources"][0]["staging"] for run_id in runs}
    assert folders == {f"/srv/backup/staging/tatchu/{run_id}" for run_id in runs}


GONE = {"unreachable": True, "changed": False, "msg": "Connection refused"}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"pull": GONE}, "pull: the server did not answer: Connection refused."),
        ({"dump": GONE}, "dump: the server did not answer: Connection refused."),
        ({"archive": GONE}, "archive: the server did not answer: Connection refused."),
        ({"proof": GONE}, "proof: the server did not answer: Connection refused."),
        ({"content": GONE}, "content: the server did not answer: Connection refused."),
        ({"pull": {}}, "pull: the server did not answer: no result."),
        (
            {"proof": {"archives": []}},
            f"the archive {ARCHIVE['archive']} is not in /srv/backup/borg/tatchu/blobs as it",
        ),
        ({"proof": {"archives": [{"id": "00" * 32, "nfiles": 12}]}}, "the archive "),
        ({"proof": {"archives": [{"id": "ab" * 32, "nfiles": 11}]}}, "the archive "),
    ],
)
def test_a_step_that_did_not_really_run_is_a_failure(steps: dict[str, t.Any], message: str) -> None:
    given = {"pull": PULL, "dump": OFFER, "archive": ARCHIVE, "proof": PROOF, "content": CONTENT, **steps}
    with pytest.raises(BackupError) as caught:
        _night.outcome(dataset(), **given)
    assert caught.value.message.startswith(message)


def test_what_was_archived_is_what_was_verified() -> None:
    """Without a pull in this run, somebody else's may come between the two steps of a slow night."""
    with pytest.raises(BackupError) as caught:
        _night.outcome(dataset(), SKIPPED, SKIPPED, {**ARCHIVE, "generation": 8}, PROOF, CONTENT)
    assert caught.value.message.startswith("the content of generation 7 was verified, and generation 8 is archived")
    assert _night.outcome(dataset(), SKIPPED, SKIPPED, ARCHIVE, PROOF, CONTENT)["generation"] == 7


def test_the_outcomes_of_a_source_include_the_silent() -> None:
    source = make_plan()[0]
    hosts: Hosts = {"tatchu.database": {}, "tatchu.blobs": {"backup_outcome": good("tatchu", "blobs")}}
    silent, spoken = _night.outcomes(hosts, source)
    assert silent == {
        "source": "tatchu",
        "dataset": "database",
        "ok": False,
        "step": "Report",
        "message": "its pipeline ended without a word",
    }
    assert spoken == good("tatchu", "blobs")


# ------------------------------------------------------------------------------------------------------- acceptance


def accepting(accept: t.Any, stages: t.Sequence[str] = ALL) -> list[t.Any]:
    run = _night.run(make_plan(), RUN, stages, [], [], "0.1.0", accept)
    return [(entry["pipeline"], entry["accept"]) for entry in _inventory.datasets(run["sources"]) if "accept" in entry]


def test_an_acceptance_reaches_its_dataset_and_no_other() -> None:
    given = {"reason": "old sessions moved", "deleted_files": 4121}
    assert accepting({"tatchu/blobs": given}) == [("tatchu.blobs", given)]
    assert accepting({}) == []


@pytest.mark.parametrize(
    ("accept", "stages", "reason"),
    [
        ({"tatchu/blob": {"reason": "r", "empty": True}}, ALL, "names 'tatchu/blob', which this run does not pull"),
        ({"blobs": {"reason": "r", "empty": True}}, ALL, "names 'blobs', which this run does not pull"),
        ({"tatchu/blobs": {"reason": "r", "empty": True}}, ["archive"], "which this run does not pull"),
        ({"tatchu/blobs": "wanted"}, ALL, "backup_accept for tatchu/blobs: 'wanted' is no acceptance"),
        ({"tatchu/blobs": {"deleted_files": 1}}, ALL, "backup_accept for tatchu/blobs: the acceptance has no reason"),
        ("tatchu/blobs", ALL, "backup_accept is 'tatchu/blobs'; a mapping is meant"),
    ],
)
def test_an_acceptance_of_nothing_that_runs_is_refused(accept: t.Any, stages: list[str], reason: str) -> None:
    with pytest.raises(BackupError, match="Nothing was changed") as caught:
        accepting(accept, stages)
    assert reason in caught.value.message


def test_what_was_accepted_and_quarantined_is_told_and_kept() -> None:
    (entry,) = (d for d in _inventory.datasets(make_plan()) if d["pipeline"] == "tatchu.blobs")
    accepted = {"reason": "moved\x1b[2J", "deleted_files": 4121}
    pull = {**PULL, "quarantined_files": 4121, "quarantined_bytes": 2048, "accepted": accepted}
    outcome = _night.outcome(entry, pull, SKIPPED, ARCHIVE, PROOF, SKIPPED)
    assert (outcome["accepted"], outcome["quarantined_files"]) == (accepted, 4121)
    hosts = good_hosts()
    hosts["tatchu.blobs"] = {"backup_outcome": outcome}
    lines = _night.verdict(hosts, settle())["lines"]
    assert "    accepted by the operator: deleted_files 4121 (moved\\x1b[2J)" in lines
    assert any("4121 files, 2.0 KiB to the quarantine" in line for line in lines)
    assert "accepted" not in good("tatchu", "blobs")


def test_mirror_roots() -> None:
    """No generation of the database's mirror, which moves on each night; none of what was not archived."""
    blobs = {"mirror": "/srv/backup/mirror/tatchu/blobs", "quarantine": "/srv/backup/quarantine/tatchu/blobs"}
    database = {"mirror": "/srv/backup/mirror/tatchu/database"}
    taken = {"dataset": "blobs", "ok": True, "generation": 7, "content": {"sha256": "0" * 64}}
    archived = {
        "generation_file": "/srv/backup/mirror/tatchu/blobs.generation.json",
        "generation": 7,
        "manifest": "/staging/run/blobs.content",
    }
    for outcome, more in ((taken, archived), ({"dataset": "blobs", "ok": False}, {})):
        outcomes = [{"dataset": "database", "ok": True, "generation": 7}, outcome]
        assert _night.mirror_roots(make_plan()[0]["datasets"], outcomes, "/staging/run") == {
            "database": database,
            "blobs": {**blobs, **more},
        }


# --------------------------------------------------------------------------------------------------------- verdict


def test_a_good_night() -> None:
    verdict = _night.verdict(good_hosts(), settle())
    assert verdict["ok"] is True
    assert verdict["title"] == f"backup good: recovery point of tatchu, odin, freya (run {RUN})"
    assert verdict["lines"][:5] == [
        "tatchu:",
        "  database   12 files, 3.0 MiB; 3 new, 2 changed, 1 deleted in 1 min; archived 2.0 KiB, 512 B new in the "
        "repository, in 4.2 s",
        "  blobs      12 files, 3.0 MiB; 3 new, 2 changed, 1 deleted in 1 min; 5 new or touched files read (1.0 KiB) "
        "in 2.5 s; archived 2.0 KiB, 512 B new in the repository, in 4.2 s",
        f"  recovery point {RUN} is complete",
        "  recovery points kept: 1, removed: 1; archives removed: 3; freed: 2.0 KiB",
    ]
    assert [(entry["source"], entry["dataset"]) for entry in verdict["outcomes"]] == [
        ("tatchu", "database"),
        ("tatchu", "blobs"),
        ("odin", "raw"),
        ("freya", "blobs"),
    ]
    assert verdict["points"][0] == {"source": "tatchu", "point": RUN, "state": "complete", "retention": RETENTION}


@pytest.mark.parametrize(
    ("stages", "what"), [(["pull"], "pull"), (["archive"], "archives"), (["pull", "archive"], "archives")]
)
def test_a_part_of_a_night_promises_no_recovery_point(stages: list[str], what: str) -> None:
    verdict = _night.verdict(good_hosts(), settle(stages, ["odin"]))
    assert verdict["title"] == f"backup good: {what} of odin (run {RUN})"
    assert (verdict["ok"], verdict["points"]) == (True, [])
    assert "recovery point" not in "".join(verdict["lines"])


def test_a_busy_dataset_is_named_as_busy() -> None:
    hosts = good_hosts()
    failed = {"source": "tatchu", "dataset": "blobs", "ok": False, "step": "Pull", "message": "held", "busy": True}
    hosts["tatchu.blobs"] = {"backup_outcome": failed}
    verdict = _night.verdict(hosts, settle())
    assert not verdict["ok"] and "tatchu/blobs is busy" in verdict["title"]
    assert "  blobs      BUSY in step 'Pull': held" in verdict["lines"]


def test_one_dataset_fails() -> None:
    hosts = good_hosts()
    hosts["tatchu.blobs"]["backup_outcome"] = failed("tatchu", "blobs")
    hosts["tatchu.points"]["backup_point"] = {
        "source": "tatchu",
        "point": RUN,
        "state": "partial",
        "problems": ["blobs is missing"],
    }
    hosts["tatchu.points"]["backup_retention"] = {"stopped": ["this run sealed no complete recovery point"]}
    verdict = _night.verdict(hosts, settle())
    assert verdict["ok"] is False
    assert verdict["title"] == f"backup FAILED: tatchu/blobs, tatchu: point partial (run {RUN})"
    assert "  blobs      FAILED in step 'Pull': no space" in verdict["lines"]
    assert f"  recovery point {RUN} is partial" in verdict["lines"]
    assert "    blobs is missing" in verdict["lines"]
    assert "  nothing was removed: this run sealed no complete recovery point" in verdict["lines"]


def test_every_dataset_fails() -> None:
    hosts: Hosts = {"loki": {}, "thor": {}}
    for entry in _inventory.datasets(make_plan()):
        hosts[entry["pipeline"]] = {"backup_outcome": failed(entry["source"], entry["name"])}
        hosts[f"{entry['source']}.points"] = {"backup_point": {"problem": "See that: no dataset reached its archive"}}
    verdict = _night.verdict(hosts, settle())
    assert verdict["title"] == (
        "backup FAILED: tatchu/database, tatchu/blobs, tatchu: no point, odin/raw, odin: no point, freya/blobs, "
        f"freya: no point (run {RUN})"
    )
    assert "  no recovery point: See that: no dataset reached its archive" in verdict["lines"]


def test_the_only_dataset_fails() -> None:
    hosts = good_hosts()
    hosts["odin.raw"]["backup_outcome"] = failed("odin", "raw")
    verdict = _night.verdict(hosts, settle(["pull"], ["odin"]))
    assert (verdict["ok"], verdict["title"]) == (False, f"backup FAILED: odin/raw (run {RUN})")


def test_a_night_in_which_nothing_reported_has_failed() -> None:
    hosts: Hosts = {name: {} for name in good_hosts()}
    verdict = _night.verdict(hosts, settle())
    assert verdict["ok"] is False
    assert verdict["lines"][1] == "  database   FAILED in step 'Report': its pipeline ended without a word"
    assert verdict["lines"][3] == "  no recovery point: its sealing ended without a word"
    assert len([entry for entry in verdict["outcomes"] if not entry["ok"]]) == 4


def test_a_partial_point_fails_the_night_even_if_every_dataset_is_good() -> None:
    hosts = good_hosts()
    references = {"checked": 90, "missing": 2, "wrong_size": 1, "unresolved": 0}
    hosts["odin.points"]["backup_point"] = {"point": RUN, "state": "partial", "references": references}
    verdict = _night.verdict(hosts, settle())
    assert verdict["title"] == f"backup FAILED: odin: point partial (run {RUN})"
    assert f"  recovery point {RUN} is partial; 90 references checked, 2 missing, 1 wrong size" in verdict["lines"]
    assert verdict["points"][1]["source"] == "odin"


def test_a_server_with_a_problem_fails_its_night_even_if_all_else_is_good() -> None:
    hosts = good_hosts()
    hosts["thor"]["backup_problem"] = "the ledger: disk full"
    verdict = _night.verdict(hosts, settle())
    assert verdict["title"] == f"backup FAILED: thor (run {RUN})"
    assert verdict["lines"][0] == "thor: the ledger: disk full"


def test_a_server_is_judged_by_its_own_sources() -> None:
    hosts = good_hosts()
    hosts["tatchu.blobs"]["backup_outcome"] = failed("tatchu", "blobs")
    hosts["loki"]["backup_problem"] = "old release"
    thor = _night.verdict(hosts, settle(), "thor")
    assert (thor["ok"], [entry["source"] for entry in thor["outcomes"]]) == (True, ["freya"])
    loki = _night.verdict(hosts, settle(), "loki")
    assert loki["title"] == f"backup FAILED: loki, tatchu/blobs (run {RUN})"


# ------------------------------------------------------------------------------------------------------- retention


def test_something_may_be_removed_behind_a_complete_point_of_this_run_only() -> None:
    hosts, source = good_hosts(), make_plan()[0]
    assert _night.retention_stop(hosts, source, {}) == []
    points: list[t.Any] = [{"point": RUN, "state": "partial"}, {"problem": "no dataset"}, None]
    for point in points:
        hosts["tatchu.points"]["backup_point"] = point
        assert _night.retention_stop(hosts, source, {}) == ["this run sealed no complete recovery point"]


def test_a_dataset_can_stop_the_retention_of_its_source() -> None:
    hosts = good_hosts()
    hosts["tatchu.blobs"]["backup_outcome"] |= {"stop_retention": True, "message": "3 blobs do not match their names"}
    stopped, other = make_plan()[:2]
    assert _night.retention_stop(hosts, stopped, {}) == ["blobs: 3 blobs do not match their names"]
    assert _night.retention_stop(hosts, other, {}) == []


def test_a_dataset_that_nobody_could_compare_is_archived_and_told_and_stops_the_retention() -> None:
    hosts = good_hosts()
    content = {**CONTENT, "lost": "the content manifest is gone", "warnings": ["the content manifest is gone"]}
    hosts["tatchu.blobs"]["backup_outcome"] = _night.outcome(dataset(), PULL, SKIPPED, ARCHIVE, PROOF, content)
    assert _night.retention_stop(hosts, make_plan()[0], {}) == ["blobs: the content manifest is gone"]
    verdict = _night.verdict(hosts, settle())
    assert verdict["title"] == f"backup FAILED: tatchu/blobs: content not compared (run {RUN})"
    assert "    warning: the content manifest is gone" in verdict["lines"]
    hosts["tatchu.blobs"]["backup_outcome"] = _night.outcome(dataset(), PULL, SKIPPED, ARCHIVE, PROOF, CONTENT)
    assert _night.verdict(hosts, settle())["ok"]


def test_what_a_check_found_stops_the_retention_until_it_is_cleared() -> None:
    hosts, source = good_hosts(), make_plan()[0]
    state = {"ok": False, "finding": "segment 4 is damaged", "found_at": "2026-11-23T10:00:00Z"}
    evidence = {"schema_version": 1, "source": "tatchu", "datasets": {"blobs": {"repository": state}}}

    def stop(document: t.Any) -> list[str]:
        read = {"content": base64.b64encode(json.dumps(document).encode()).decode(), "source": "/checks/tatchu.json"}
        return _night.retention_stop(hosts, source, read)

    assert stop(evidence) == [
        "blobs: the check of repository found at 2026-11-23T10:00:00Z: segment 4 is damaged",
    ]
    state["ok"] = True
    assert stop(evidence) == []
    (unreadable,) = stop({"schema_version": 2})
    assert "/checks/tatchu.json does not hold the evidence of checks" in unreadable


def test_what_cannot_be_read_may_hold_a_finding() -> None:
    hosts, source = good_hosts(), make_plan()[0]
    path = source["checks"]["evidence"]
    for none in (f"File not found: {path}", f"file not found: {path}"):
        assert _night.retention_stop(hosts, source, {"failed": False, "msg": none}) == []
    for why in (f"Unable to slurp file: {path}", f"File is not readable: {path}"):
        assert _night.retention_stop(hosts, source, {"failed": False, "msg": why}) == [
            f"what the checks have found cannot be read: {why}"
        ]
    gone = {"unreachable": True, "msg": "Connection refused"}
    assert _night.retention_stop(hosts, source, gone) == [
        "what the checks have found cannot be read: Connection refused"
    ]


def test_a_stopped_retention_is_said_and_is_no_failure_of_its_own() -> None:
    hosts = good_hosts()
    hosts["tatchu.points"]["backup_retention"] = {"stopped": ["blobs: bit rot"]}
    verdict = _night.verdict(hosts, settle())
    assert verdict["ok"] is True
    assert "  nothing was removed: blobs: bit rot" in verdict["lines"]


@pytest.mark.parametrize(
    ("retention", "line"),
    [
        ({"problem": "Remove recovery points: locked"}, "  retention FAILED: Remove recovery points: locked"),
        (None, "  retention FAILED: it ended without a word"),
        ({**RETENTION, "problems": ["the point x promises y"]}, "    the point x promises y"),
    ],
)
def test_a_retention_that_failed_fails_the_night_and_leaves_its_point(
    retention: dict[str, t.Any] | None, line: str
) -> None:
    hosts = good_hosts()
    hosts["tatchu.points"]["backup_retention"] = retention
    verdict = _night.verdict(hosts, settle())
    assert verdict["title"] == f"backup FAILED: tatchu: retention (run {RUN})"
    assert line in verdict["lines"] and f"  recovery point {RUN} is complete" in verdict["lines"]
    assert verdict["points"][0]["state"] == "complete"


def test_archives_without_a_point_are_told() -> None:
    hosts = good_hosts()
    hosts["tatchu.points"]["backup_retention"] = {**RETENTION, "unknown_archives": {"blobs": ["x", "y"]}}
    assert "freed: 2.0 KiB; archives that belong to no point: 2" in "".join(_night.verdict(hosts, settle())["lines"])


def test_nothing_to_judge_is_not_good() -> None:
    with pytest.raises(BackupError, match=r"^run .* has nothing to do on the server 'odin'\."):
        _night.verdict(good_hosts(), settle(), "odin")


def test_warnings_are_shown_and_do_not_fail_the_night() -> None:
    hosts = good_hosts()
    hosts["odin.raw"]["backup_outcome"]["warnings"] = ["2 files vanished"]
    verdict = _night.verdict(hosts, settle())
    assert verdict["ok"] is True
    assert "    warning: 2 files vanished" in verdict["lines"]


def test_nothing_in_a_message_can_command_a_terminal_or_forge_a_line() -> None:
    evil = "a\x1b[2J\nbackup good\u202e\udcff"
    shown = r"a\x1b[2J\x0abackup good\u202e\xff"
    hosts = good_hosts()
    hosts["loki"]["backup_problem"] = evil
    hosts["tatchu.blobs"]["backup_outcome"] = failed("tatchu", "blobs", evil)
    hosts["tatchu.database"]["backup_outcome"]["warnings"] = [evil]
    hosts["tatchu.points"]["backup_point"] = {"problem": evil}
    hosts["odin.points"]["backup_point"] = {"point": RUN, "state": "partial", "problems": [evil]}
    lines = _night.verdict(hosts, settle())["lines"]
    assert f"loki: {shown}" in lines
    assert f"  blobs      FAILED in step 'Pull': {shown}" in lines
    assert f"    warning: {shown}" in lines
    assert f"  no recovery point: {shown}" in lines
    assert f"    {shown}" in lines
    assert not [line for line in lines if not line.isprintable()]


def test_an_old_dump_set_fails_the_night_and_a_skipped_one_is_told() -> None:
    run = settle()
    hosts = good_hosts()
    old = {"id": "20261101T021500Z-3fa9c1"}
    hosts["tatchu.database"]["backup_outcome"]["dump_set_facts"] = old
    hosts["tatchu.points"]["backup_pin"] = {"id": old["id"], "skipped": ["20261123T021500Z-aaaaaa: no trailer"]}
    verdict = _night.verdict(hosts, run)
    assert not verdict["ok"]
    assert "tatchu: old dump set" in verdict["title"]
    text = "\n".join(verdict["lines"])
    assert "begun 22 d before this run: OLDER than 36 h" in text
    assert "not valid: dump set 20261123T021500Z-aaaaaa: no trailer" in text


def test_a_dump_set_from_the_future_fails_the_night() -> None:
    hosts = good_hosts()
    for ahead, ok in (("20261123T032900Z-3fa9c1", True), ("20271122T021500Z-3fa9c1", False)):
        hosts["tatchu.database"]["backup_outcome"]["dump_set_facts"] = {"id": ahead}
        verdict = _night.verdict(hosts, settle())
        assert verdict["ok"] is ok
    assert "tatchu: dump set from the future" in verdict["title"] and "old dump set" not in verdict["title"]
    (line,) = [line for line in verdict["lines"] if "dump set" in line]
    assert "20271122T021500Z-3fa9c1, begun 364 d AFTER this run" in line
    assert "see which clock is wrong" in line and "move that set out of its dump directory" in line


def test_a_newer_dump_set_that_is_not_valid_fails_the_night() -> None:
    hosts = good_hosts()
    assert _night.verdict(hosts, settle())["ok"]
    hosts["tatchu.points"]["backup_pin"] = {"id": DUMP, "skipped": ["20261124T021500Z-aaaaaa: no manifest"]}
    verdict = _night.verdict(hosts, settle())
    assert not verdict["ok"] and "tatchu: newest dump set" in verdict["title"]


def test_unproven_dumps_are_told() -> None:
    hosts = good_hosts()
    hosts["tatchu.database"]["backup_outcome"]["unproven"] = ["2019.sql.gz", "old\ndumps"]
    verdict = _night.verdict(hosts, settle())
    assert verdict["ok"]
    assert "    taken along unproven: 2019.sql.gz, old\\x0adumps" in verdict["lines"]


@pytest.mark.parametrize("given", ["tatchu", ["tatchu"]])
def test_one_name_may_be_given_as_text(given: t.Any) -> None:
    assert [source["name"] for source in settle(sources=given)["sources"]] == ["tatchu"]
