# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _inventory, _restoration, _text

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEFAULTS = yaml.safe_load((ROOT / "roles" / "_common" / "defaults" / "main.yml").read_text())
PLAN = _inventory.plan(
    {"loki": {}, "tatchu": {"backup_server": "loki"}},
    {"backup_servers": ["loki"], "backup_sources": ["tatchu"]},
    DEFAULTS,
)
TWO = _inventory.plan(
    {"loki": {}, "tatchu": {"backup_server": "loki"}, "meg": {"backup_server": "loki"}},
    {"backup_servers": ["loki"], "backup_sources": ["tatchu", "meg"]},
    DEFAULTS,
)
FILES_ONLY = [{**PLAN[0], "datasets": [one for one in PLAN[0]["datasets"] if one["kind"] == "files"]}]
POINT = "20261123T023000Z-77b0aa"
OLDER = "20261122T023000Z-77b0aa"
INCIDENT = "20261123T140000Z-3fa9c1"
NOW = "2026-11-23T14:10:00Z"


def sealed(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "point": POINT,
        "state": "complete",
        "dump_set": {"id": "20261123T013000Z-aaaaaa", "started": "2026-11-23T01:30:00Z"},
        "missing": [],
        "files": {"blobs.content": {}, "data.content": {}},
        "datasets": [
            {
                "name": name,
                "generation": number,
                "repository": f"/srv/backup/borg/tatchu/{name}",
                "archive": f"tatchu-{name}-{POINT}",
                "archive_id": "ab" * 32,
                "files": 10,
                "bytes": 1000 * (number + 1),
            }
            for number, name in enumerate(("database", "blobs", "data"))
        ],
        **changes,
    }


def wanted(stage: str = "all", **options: t.Any) -> dict[str, t.Any]:
    return _restoration.restoration(PLAN, options, [stage])


def settled(**options: t.Any) -> dict[str, t.Any]:
    held = [{"item": {"host": host}, "holds": [{"incident": INCIDENT}]} for host in ("tatchu", "loki")]
    return _restoration.incident(wanted(**options), held, "unused")


LOST_DATABASE = {
    "state": "damaged",
    "reason": "lab_subject: 1 table with fewer rows",
    "schemas": {
        "lab_subject": {"missing": ["a", "b"], "fewer": [{"table": "c"}], "content": ["d"], "newer": ["e"], "more": []}
    },
}


def loss(name: str, state: str = "intact", **counts: int) -> dict[str, t.Any]:
    classes = {key: {"files": counts.get(key, 0), "bytes": 100 * counts.get(key, 0)} for key in CLASSES}
    to_bring = 100 * (counts.get("missing", 0) + counts.get("damaged", 0))
    return {"dataset": name, "state": state, "transfer_bytes": to_bring, **classes}


LOST_STEP = {"before": "A", "after": "B", "dataset": "blobs", "reason": "4000 of 9000 files removed"}
CLASSES = ("missing", "damaged", "metadata", "newer", "newer_damaged")
FENCED = {"holds": True, "reasons": []}
SPACES = [
    {"path": one["path"], "device": 1, "mount": "/", "free_bytes": 10**9, "writable": True, "missing": []}
    for one in PLAN[0]["datasets"]
]


def dumps(*identifiers: str) -> dict[str, t.Any]:
    return {"dump_sets": [{"id": one} for one in identifiers], "unproven": []}


def planned(request: dict[str, t.Any], *losses: dict[str, t.Any], **changes: t.Any) -> dict[str, t.Any]:
    point = changes.pop("point", sealed())
    parts = _restoration.restore_datasets(request, point)
    read = [{"content": None} for _ in parts]
    given: dict[str, t.Any] = {
        "losses": {"files": losses, "database": {"state": "damaged"}},
        "space": SPACES,
        "fence": FENCED,
        "rates": {},
        "facts": {},
        **changes,
    }
    if point["dump_set"]:
        given["losses"] = {"dumps": dumps(point["dump_set"]["id"]), **given["losses"]}
    return _restoration.restore_plan(request, point, _restoration.restore_sources(parts, read), now=NOW, **given)


@pytest.mark.parametrize(
    ("options", "stage", "said"),
    [
        ({}, "fences", "--tags fences is not a stage"),
        ({"source": "meg"}, "all", "restore_source is 'meg'; the inventory has tatchu"),
        ({"confirm": "latest"}, "all", "must be the identifier of the recovery point that the plan showed"),
        ({"confirm": "2026-11-23T02:30:00Z"}, "all", "must be the identifier"),
        ({"incident": "today"}, "all", "'today' is not an identifier"),
        ({"cause": "flood"}, "all", "known are accident, hardware, intrusion"),
        ({"scope": "auto,blob"}, "all", "restore_scope names blob; the datasets of tatchu are database, blobs, data"),
        ({"scope": 3}, "all", "3 is not a list"),
        ({"exact": "perhaps"}, "all", "restore_exact is 'perhaps'"),
        ({"paths": "photos/a"}, "all", "a path begins with its dataset"),
        ({"paths": ["data/../../etc"]}, "all", "a path begins with its dataset"),
        ({"paths": "data/"}, "all", "a path begins with its dataset"),
        ({"target": "restored"}, "all", "an absolute directory is meant"),
        ({"target": "/"}, "all", "an absolute directory is meant"),
        ({"target": "/srv/../datajoint-photos"}, "all", "an absolute directory is meant"),
        ({"target": "/datajoint-data/old"}, "all", "overlaps with the dataset data in /datajoint-data"),
        ({"target": "/datajoint-db"}, "all", "overlaps with the dataset database"),
        ({"beside": "true"}, "all", "Name them with restore_schemas"),
        ({"beside": "lab_ephys:lab_ephys"}, "all", "gives no new name for lab_ephys"),
        ({"beside": "lab_ephys:"}, "all", "gives no new name for lab_ephys"),
        ({"beside": "lab_ephys:old", "schemas": "lab_ephys,lab_x"}, "all", "gives no new name for lab_x"),
        ({"beside": "lab_ephys:old", "target": "/srv/x"}, "all", "goes with no paths, no target"),
        ({"beside": "lab_ephys:old", "paths": "data/a"}, "all", "goes with no paths, no target"),
        ({"tables": "lab_ephys.unit", "schemas": "lab_ephys"}, "all", "a schema is replaced as a whole"),
        ({"staging": "tmp"}, "all", "restore_staging is 'tmp'"),
        ({"staging": "/tmp/.."}, "all", "restore_staging is '/tmp/..'"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, t.Any], stage: str, said: str) -> None:
    with pytest.raises(BackupError) as caught:
        wanted(stage, **options)
    assert said in caught.value.message and "Nothing was changed" in caught.value.message


def test_with_several_sources_one_has_to_be_named() -> None:
    with pytest.raises(BackupError, match="Name one as restore_source"):
        _restoration.restoration(TWO, {}, ["all"])
    assert _restoration.restoration(TWO, {"source": "meg"}, ["all"])["source"] == "meg"


def test_a_source_without_a_database_has_no_schemas_to_restore() -> None:
    assert _restoration.restoration(FILES_ONLY, {}, ["all"])["scope"] == ["auto"]
    with pytest.raises(BackupError, match="tatchu has no dataset of kind database"):
        _restoration.restoration(FILES_ONLY, {"schemas": "lab_ephys"}, ["all"])
    with pytest.raises(BackupError, match="goes with no paths, no target, no other scope, and a database"):
        _restoration.restoration(FILES_ONLY, {"beside": "lab_ephys:old"}, ["all"])


def test_paths_and_schemas_say_of_which_datasets_they_are() -> None:
    assert wanted(paths="data/a,blobs/b/c")["scope"] == ["blobs", "data"]
    assert wanted(paths="data/a,blobs/b/c", scope="data,blobs")["scope"] == ["blobs", "data"]
    assert wanted(schemas="lab_ephys")["scope"] == ["database"]
    assert wanted(schemas="lab_ephys", scope="database")["scope"] == ["database"]
    assert wanted(schemas="lab_ephys", scope="blobs")["scope"] == ["blobs", "database"]
    assert wanted(schemas="lab_ephys", scope="auto,database")["scope"] == ["auto", "database"]
    assert wanted(scope="blobs,,data,")["scope"] == ["blobs", "data"]
    assert (wanted(point=None)["point"], wanted(point=POINT)["point"]) == ("latest", POINT)


def test_what_is_asked_for_is_never_narrowed_without_a_word() -> None:
    for options in (
        {"paths": "data/a", "scope": "blobs"},
        {"paths": "data/a", "scope": "auto,database"},
        {"paths": "data/a,blobs/b", "scope": "data"},
        {"paths": "data/a", "schemas": "lab_ephys"},
    ):
        with pytest.raises(
            BackupError, match="restore_paths goes with no restore_schemas, and with no restore_scope but"
        ):
            wanted(**options)
    with pytest.raises(BackupError, match="the dataset of the dumps, which come back as dump sets only"):
        wanted(paths="database/old.sql.gz", target="/srv/x")


def test_what_goes_elsewhere_may_go_to_the_server_or_another_of_its_sources() -> None:
    assert wanted()["place"]["host"] == "tatchu" and wanted()["place"]["url"] == "labops-pull@tatchu"
    loki = settled(target="/srv/looked-at", host="loki", scope="data")
    (part,) = _restoration.restore_datasets(loki, sealed())
    assert (part["url"], part["destination"], part["mirror"]) == (
        "",
        "/srv/looked-at/data",
        "/srv/backup/mirror/tatchu/data",
    )
    plan = planned(loki, loss("data", "lost", missing=1), space=[{**SPACES[0], "path": "/srv/looked-at/data"}])
    assert _restoration.restore_plan_lines(plan)[0].endswith(" onto loki")
    meg = _restoration.restoration(TWO, {"source": "tatchu", "target": "/srv/x", "host": "meg"}, ["all"])
    where = {"host": "meg", "url": "labops-pull@meg", "address": "meg", "port": 22, "pull_addresses": ["loki"]}
    assert meg["place"] == where
    held = [{"item": {"host": host}, "holds": []} for host in ("tatchu", "loki")]
    parts = _restoration.restore_datasets(_restoration.incident(meg, held, INCIDENT), sealed())
    assert [part["url"] for part in parts] == [f"labops-pull@meg::{name}/" for name in ("database", "blobs", "data")]
    for options, said in (
        ({"host": "loki"}, "restore_host was given without restore_target"),
        ({"host": "thor", "target": "/srv/x"}, "what loki reaches is loki, tatchu, meg"),
        ({"host": "loki", "target": "/srv/backup/x"}, "overlaps with backup_root in /srv/backup on loki"),
        ({"host": "meg", "target": "/datajoint-data/x"}, "overlaps with the dataset data in /datajoint-data on meg"),
    ):
        with pytest.raises(BackupError, match=said):
            _restoration.restoration(TWO, {"source": "tatchu", **options}, ["all"])


def test_a_folder_of_the_server_may_be_named() -> None:
    assert wanted(staging="/srv/spool/")["staging"] == "/srv/spool"
    assert wanted()["staging"] == ""
    assert settled(staging="/srv/spool/")["work"] == f"/srv/spool/{INCIDENT}"
    assert settled()["work"] == f"/srv/backup/staging/tatchu/restore/{INCIDENT}"


def test_two_stages_at_once_are_refused() -> None:
    with pytest.raises(BackupError, match="one at a time"):
        _restoration.restoration(PLAN, {}, ["fence", "release"])


def test_what_replaces_nothing_needs_no_fence() -> None:
    assert wanted()["needs_fence"]
    assert not wanted(target="/srv/looked-at")["needs_fence"]
    assert wanted(schemas="lab_ephys")["needs_fence"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (
            {"beside": "true", "schemas": "lab_ephys,lab_x"},
            {"lab_ephys": "lab_ephys_restored", "lab_x": "lab_x_restored"},
        ),
        ({"beside": "lab_ephys:of_monday, lab_x:x"}, {"lab_ephys": "of_monday", "lab_x": "x"}),
        ({"beside": {"lab_ephys": "of_monday"}}, {"lab_ephys": "of_monday"}),
        ({"beside": "false", "schemas": "lab_ephys"}, {}),
    ],
)
def test_schemas_beside_the_live_ones_get_names(options: dict[str, t.Any], names: dict[str, str]) -> None:
    request = wanted(**options)
    assert request["beside"] == names
    assert request["needs_fence"] is not bool(names)
    assert request["scope"] == ["database"]


def test_a_schema_beside_replaces_nothing_and_only_the_dump_is_needed() -> None:
    request = settled(beside="lab_ephys:of_monday", tables="lab_ephys.unit")
    plan = planned(request)
    assert [step["dataset"] for step in plan["steps"]] == ["database"]
    assert plan["order"] == ["database"] and not plan["moving"] and not plan["notes"]
    assert plan["steps"][0]["replaces"] == "beside the live ones: lab_ephys as of_monday"


MISSING = "files in blobs that the database refers to: 3 missing"


@pytest.mark.parametrize(
    ("options", "order", "stands"),
    [
        ({}, ["blobs"], True),
        ({"scope": "blobs"}, ["blobs"], True),
        ({}, ["data"], True),
        ({"scope": "data"}, ["data"], False),
        ({"paths": "blobs/a"}, ["blobs"], False),
    ],
)
def test_only_what_was_to_be_restored_stands_against_the_release(
    options: dict[str, t.Any], order: list[str], stands: bool
) -> None:
    found = {"by_dataset": {"blobs": {"missing": 3, "wrong_size": 0}}, "changed_mirrors": 0}
    verdict = _restoration.restore_verdict(settled(**options), order, {"problems": ["a table differs"]}, found, [])
    assert verdict["problems"] == ["a table differs", *([MISSING] if stands else [])]
    assert verdict["remaining"] == ([] if stands else [MISSING])


def test_files_that_somebody_changes_during_the_checks_stand_against_the_release() -> None:
    verdict = _restoration.restore_verdict(settled(), ["blobs"], {}, {"by_dataset": {}, "changed_mirrors": 1}, [])
    assert verdict["problems"] == ["somebody changed the files while they were checked"]


def test_without_findings_nothing_stands_against_the_release() -> None:
    assert _restoration.restore_verdict(settled(), ["data"], {}, {}, []) == {"problems": [], "remaining": []}


def test_a_remark_on_the_database_is_told_and_keeps_nobody_out() -> None:
    database = {"problems": [], "remarks": ["account anna@% has more: GRANT x"]}
    verdict = _restoration.restore_verdict(settled(), ["database"], database, {}, ["before"])
    assert verdict == {"problems": [], "remaining": ["before", "account anna@% has more: GRANT x"]}


def test_the_incident_is_the_one_that_holds() -> None:
    assert settled()["incident"] == INCIDENT
    assert settled()["held_on"] == ["loki", "tatchu"]
    fresh = _restoration.incident(wanted("fence"), [{"item": {"host": "tatchu"}, "holds": []}], INCIDENT)
    assert (fresh["incident"], fresh["held"]) == (INCIDENT, "")


def test_an_incident_is_gone_on_with_by_its_name() -> None:
    assert settled(incident=INCIDENT)["incident"] == INCIDENT
    # It was released, and what it moved aside is accepted.
    accepted = _restoration.incident(wanted("accept", incident=INCIDENT), [], "unused")
    assert (accepted["incident"], accepted["held"]) == (INCIDENT, "")


def test_what_replaces_nothing_goes_on_beside_an_incident() -> None:
    held = [{"item": {"host": host}, "holds": [{"incident": INCIDENT}]} for host in ("tatchu", "loki")]
    other = "20261123T150000Z-000001"
    beside = _restoration.incident(wanted(beside="lab_ephys:x"), held, other)
    assert (beside["incident"], beside["held"]) == (other, INCIDENT)
    again = _restoration.incident(wanted(beside="lab_ephys:x", incident=other), held, "unused")
    assert again["incident"] == other
    assert _restoration.incident(wanted("release", beside="lab_ephys:x"), held, other)["incident"] == INCIDENT


def test_a_host_that_does_not_answer_is_named() -> None:
    asked = [{"item": {"host": "loki"}, "unreachable": True}, {"item": {"host": "tatchu"}, "holds": []}]
    assert _restoration.incident(wanted("fence"), asked, INCIDENT)["silent"] == ["loki"]


@pytest.mark.parametrize(
    ("held", "options", "stage", "said"),
    [
        (
            {"loki": INCIDENT, "tatchu": "20261120T140000Z-000000"},
            {},
            "all",
            "held by different incidents: 20261123T140000Z-3fa9c1 on loki, 20261120T140000Z-000000 on tatchu",
        ),
        ({"loki": INCIDENT}, {"incident": "20261120T140000Z-000000"}, "all", "a second restore beside the first"),
        ({}, {}, "release", "no incident holds tatchu, so there is nothing to release"),
        ({}, {}, "accept", "no incident holds tatchu, so there is nothing to accept"),
    ],
)
def test_incidents_that_do_not_fit_are_refused(
    held: dict[str, str], options: dict[str, t.Any], stage: str, said: str
) -> None:
    asked = [{"item": {"host": host}, "holds": [{"incident": name}]} for host, name in held.items()]
    with pytest.raises(BackupError) as caught:
        _restoration.incident(wanted(stage, **options), asked, INCIDENT)
    assert said in caught.value.message


def test_the_order_is_that_of_a_restore() -> None:
    parts = _restoration.restore_datasets(settled(scope="data,database"), sealed())
    assert [part["name"] for part in parts if part["chosen"]] == ["database", "data"]
    assert [part["destination"] for part in parts] == ["/datajoint-db/dumps", "/datajoint-db/blobs", "/datajoint-data"]


def test_a_dataset_that_the_point_lacks_cannot_be_named() -> None:
    point = sealed(datasets=sealed()["datasets"][:2], missing=[{"dataset": "data", "reason": "Pull: no connection"}])
    with pytest.raises(BackupError, match=r"does not hold data \(data: Pull: no connection\)"):
        _restoration.restore_datasets(settled(scope="data"), point)
    assert len(_restoration.restore_datasets(settled(), point)) == 2


@pytest.mark.parametrize(
    ("document", "holds"),
    [
        ({"state": "complete", "generation": 1}, True),
        ({"state": "complete", "generation": 2}, False),
        ({"state": "writing", "generation": 1}, False),
        ([], False),
    ],
)
def test_a_mirror_is_used_only_when_it_is_of_the_point(document: t.Any, holds: bool) -> None:
    parts = _restoration.restore_datasets(settled(scope="blobs", target="/srv/looked-at"), sealed())
    content = base64.b64encode(json.dumps(document).encode()).decode()
    assert _restoration.restore_sources(parts, [{"content": content}])[0]["from_mirror"] is holds
    assert not _restoration.restore_sources(parts, [{"content": "!"}])[0]["from_mirror"]


def test_auto_takes_what_is_damaged_and_never_the_database() -> None:
    plan = planned(settled(), loss("blobs", "damaged", missing=3, damaged=1), loss("data", newer=2))
    assert plan["order"] == ["blobs"]
    assert plan["bytes"] == 400
    assert any("restore_scope=auto,database" in note for note in plan["notes"])
    named = planned(settled(scope="auto,database"), loss("blobs"), loss("data"))
    assert (named["order"], named["notes"]) == (["database"], [])
    intact = {"files": [loss("blobs"), loss("data")], "database": {"state": "intact"}}
    assert planned(settled(), losses=intact)["notes"] == []


def test_a_dump_set_that_is_laid_elsewhere_is_a_file_among_others() -> None:
    losses = {"files": [], "database": {}, "dumps": {"failed": True}}
    offer = planned(settled(target="/srv/looked-at", scope="database"), losses=losses)
    assert (offer["order"], offer["bytes"]) == (["database"], 1000)
    assert offer["steps"][0]["replaces"] == "laid into /srv/looked-at/database"


# ------------------------------------------------------------------------------------------------ newer and damaged

FALSE = "lab_ephys/ab/cd/abcd0123456789abcdef0123456789ab"
SPOILED = {**loss("blobs", "damaged", newer_damaged=2), "newer_damaged": {"files": 2, "bytes": 70, "examples": [FALSE]}}


def spoiled(refers: dict[str, t.Any], **options: t.Any) -> dict[str, t.Any]:
    """A plan where two newer blobs are false and nothing else is wrong."""
    database = {"state": "intact", "server": "up", "newer_schemas": ["brand_new"], "refers": refers}
    database |= options.pop("database", {})
    losses = {"files": [SPOILED, loss("data")], "database": database, **options.pop("losses", {})}
    return planned(settled(**options), losses=losses)


def test_what_is_newer_and_damaged_is_in_the_plan_and_is_taken() -> None:
    offer = spoiled({})
    assert (offer["order"], offer["bytes"], offer["remaining"]) == (["blobs"], 0, [])
    counts = {step["dataset"]: step["counts"] for step in offer["steps"]}
    assert counts["blobs"]["newer_damaged"] == {"files": 2, "bytes": 70, "examples": [FALSE]}
    lines = _restoration.restore_plan_lines(offer)
    assert (
        "             newer than the point and damaged: 2 files, 70 B, moved aside so that DataJoint writes anew: "
        f"{FALSE} and 1 more"
    ) in lines, lines
    lines = _restoration.restore_plan_lines(planned(settled(), loss("blobs", newer=2), loss("data")))
    assert not any("moved aside so that" in line for line in lines)


def test_rows_of_a_database_that_is_kept_and_refer_to_it_are_named_as_remaining() -> None:
    refers = {name: {"files": 1, "examples": [f"blobs/{FALSE}"]} for name in ("lab_ephys", "brand_new")}
    offer = spoiled(refers)
    assert [text.split(":")[0] for text in offer["remaining"]] == ["lab_ephys", "brand_new"]
    assert offer["remaining"][0] == (
        f"lab_ephys: rows refer to 1 damaged file newer than the point (blobs/{FALSE}). The point "
        "cannot heal that: what is damaged is moved aside, and these rows are left without a file. Delete them and let "
        "the worker compute again"
    )
    said = _restoration.restore_plan_lines(offer)
    assert f"REMAINING: {offer['remaining'][1]}" in said


def test_rows_that_are_replaced_refer_to_nothing_newer() -> None:
    refers = {name: {"files": 1, "examples": [f"blobs/{FALSE}"]} for name in ("lab_ephys", "brand_new")}
    offer = spoiled(refers, scope="auto,database")
    assert [text.split(":")[0] for text in offer["remaining"]] == ["brand_new"]


def test_what_cannot_be_read_may_refer_to_it() -> None:
    (text,) = spoiled({"lab_ephys": {"files": None, "examples": []}})["remaining"]
    assert text.startswith("lab_ephys: cannot be read, so nobody knows whether its rows refer to the 2 damaged files")
    down = {"state": "lost", "server": "down", "newer_schemas": []}
    (text,) = spoiled({}, database=down)["remaining"]
    assert text.startswith("the database: cannot be read")
    assert spoiled({}, database=down, scope="auto,database")["remaining"] == []
    losses = {"files": [loss("blobs", "damaged", missing=2), loss("data")], "database": {**down, "refers": {}}}
    assert planned(settled(), losses=losses)["remaining"] == []


def test_a_resumed_restore_still_knows_what_remains() -> None:
    """What was moved aside before the line was cut is not found any more."""
    earlier = spoiled({"lab_ephys": {"files": 1, "examples": []}})["remaining"]
    losses = {"files": [loss("blobs"), loss("data")], "database": {"state": "intact"}, "remaining": earlier}
    assert planned(settled(), losses=losses)["remaining"] == earlier
    again = spoiled({"lab_ephys": {"files": 1, "examples": []}}, losses={"remaining": earlier})
    assert again["remaining"] == earlier


@pytest.mark.parametrize(
    ("confirmed", "scope", "damaged", "refusal", "brought"),
    [
        (None, "auto", "blobs data", "", "blobs data"),
        (["blobs"], "auto", "blobs", "", "blobs"),
        (["blobs"], "auto", "", "", "blobs"),
        (["blobs"], "auto,data", "blobs data", "", "blobs data"),
        (["database", "blobs"], "auto,database", "", "", "database blobs"),
        (["blobs"], "blobs", "data", "", "blobs"),
        (
            ["blobs"],
            "auto",
            "blobs data",
            "data is damaged and is not among what this incident was confirmed for (blobs). Look why. To bring it, "
            "too: restore_scope=auto,data; to leave it: restore_scope=blobs",
            "blobs data",
        ),
        (
            [],
            "auto",
            "data",
            "data is damaged and is not among what this incident was confirmed for (nothing). Look why. To bring it, "
            "too: restore_scope=auto,data",
            "data",
        ),
        (
            ["database", "blobs"],
            "auto",
            "blobs",
            "restore_scope leaves out database, which this incident was confirmed for. Resume it with "
            "restore_scope=auto,database, or release it and begin another one",
            "database blobs",
        ),
        (
            ["blobs", "data"],
            "blobs",
            "blobs data",
            "restore_scope leaves out data, which this incident was confirmed for. Resume it with "
            "restore_scope=blobs,data, or release it and begin another one",
            "blobs data",
        ),
    ],
)
def test_a_resume_brings_what_was_confirmed_and_what_is_named_since(
    confirmed: list[str] | None, scope: str, damaged: str, refusal: str, brought: str
) -> None:
    files = [loss(name, "damaged" if name in damaged else "intact") for name in ("blobs", "data")]
    losses = {"files": files, "database": {"state": "intact"}, "confirmed": confirmed}
    offer = planned(settled(scope=scope), losses=losses)
    assert offer["refusals"] == ([refusal] if refusal else [])
    assert offer["scope"] == brought.split()


def test_a_second_confirmation_says_that_it_goes_on() -> None:
    losses = {"files": [loss("blobs", "damaged"), loss("data")], "database": {}, "confirmed": ["blobs"]}
    (refusal,) = planned(settled(confirm=POINT), losses=losses)["refusals"]
    assert refusal == (
        f"the incident {INCIDENT} was confirmed before (blobs), so somebody may be restoring right now. If nobody is, "
        f"go on with it: restore_incident={INCIDENT}"
    )
    assert planned(settled(), losses=losses)["refusals"] == []
    assert planned(settled(confirm=POINT, incident=INCIDENT), losses=losses)["refusals"] == []
    assert planned(settled(confirm=POINT), losses={**losses, "confirmed": None})["refusals"] == []


def test_what_remains_does_not_stand_against_the_release() -> None:
    verdict = _restoration.restore_verdict(settled(), ["blobs"], {}, {}, ["lab_ephys: rows refer to"])
    assert verdict == {"problems": [], "remaining": ["lab_ephys: rows refer to"]}


def test_stores_and_acceptances_of_the_inventory_go_into_the_look() -> None:
    accepted = f"{'ab' * 32} lab/x"
    plan = _inventory.plan(
        {"loki": {}, "tatchu": {"backup_server": "loki", "backup_accept_content": [accepted]}},
        {"backup_servers": ["loki"], "backup_sources": ["tatchu"]},
        {**DEFAULTS, "backup_datajoint_stores": {"ephys": "/datajoint-db/blobs/ephys"}},
    )
    request = {**settled(), "entry": plan[0]}
    parts = _restoration.restore_datasets(request, sealed())
    files = {one["dataset"]: one for one in _restoration.scope_files(parts, "/run/x", "content")}
    assert (files["blobs"]["stores"], files["data"]["stores"]) == (["ephys"], [])
    assert files["blobs"]["accept"] == [accepted]
    two = sealed(files={"blobs.content": {}})
    for request, point in ((settled(scope="blobs"), sealed()), (settled(scope="blobs,data"), two)):
        found = _restoration.scope_files(_restoration.restore_datasets(request, point), "/run/x", "content")
        assert [one["dataset"] for one in found] == ["blobs"]
    by_layout = _restoration.scope_files(_restoration.restore_datasets(settled(), sealed()), "/run/x", "content")
    assert "stores" not in by_layout[0]


def test_a_named_dataset_is_taken_even_if_it_looks_intact() -> None:
    assert planned(settled(scope="blobs"), loss("blobs"))["order"] == ["blobs"]


def test_a_path_that_the_point_does_not_have_is_refused_beside_others_that_it_has() -> None:
    request = settled(paths="data/2024/mouse7,data/2024/mouse9")
    found = {**loss("data", "damaged", missing=3), "expected": {"files": 3}}
    refusal = "the point holds nothing of 2024/mouse9 in data"
    assert planned(request, {**found, "unknown": ["2024/mouse9"]})["refusals"] == [refusal]
    assert planned(request, {**found, "expected": {"files": 0}, "unknown": []})["refusals"] == []
    assert "2024/mouse7, 2024/mouse9" in planned(request)["refusals"][0]


def test_a_schema_that_the_point_does_not_have_is_refused_with_those_that_it_has() -> None:
    found = {"files": (), "database": LOST_DATABASE}
    refusal = "the point has no schema lab_Subject; it has lab_subject"
    assert planned(settled(schemas="lab_Subject,lab_subject"), losses=found)["refusals"] == [refusal]
    assert planned(settled(schemas="lab_subject"), losses=found)["refusals"] == []
    # Where nobody could look, nobody knows.
    assert planned(settled(schemas="lab_Subject"), losses={"database": {"state": "lost"}})["refusals"] == []


NEW_TABLE = (
    "the point has no table lab_x.rig, which backup_key_tables names. If it is there, it goes with the database that "
    "is replaced, and nothing of it can be checked. Go on with restore_without_key_tables=lab_x.rig if it is newer "
    "than the point and that is meant; otherwise choose a newer point, or correct backup_key_tables"
)
GIVEN_UP = "lab_x.rig: backup_key_tables names it and the point does not have it, so nothing of it is checked"


@pytest.mark.parametrize(
    ("options", "lacks", "refusals", "remaining"),
    [
        ({"scope": "database"}, [], [], []),
        ({"scope": "database"}, None, [], []),  # no dump set, which is refused by itself
        ({"scope": "database"}, ["lab_x.rig"], [NEW_TABLE], []),
        ({"scope": "database", "without_key_tables": "lab_x.rig"}, ["lab_x.rig"], [], [GIVEN_UP]),
        ({"scope": "database", "without_key_tables": "lab_x.rig"}, [], [], []),
        ({"schemas": "lab_x"}, ["lab_x.rig"], [NEW_TABLE], []),
        ({"schemas": "lab_subject"}, ["lab_x.rig"], [], []),
        ({"schemas": "lab_x", "beside": "true"}, ["lab_x.rig"], [], []),
        ({"scope": "blobs"}, ["lab_x.rig"], [], []),
    ],
)
def test_a_key_table_that_the_point_lacks_needs_a_named_yes(
    options: dict[str, t.Any], lacks: list[str] | None, refusals: list[str], remaining: list[str]
) -> None:
    pinned = _inventory.plan(
        {"loki": {}, "tatchu": {"backup_server": "loki", "backup_key_tables": ["lab_subject.subject", "lab_x.rig"]}},
        {"backup_servers": ["loki"], "backup_sources": ["tatchu"]},
        DEFAULTS,
    )
    request = {**settled(), **_restoration.restoration(pinned, options, ["all"])}
    points = [{"point": OLDER, "missing_key_tables": []}, {"point": POINT, "missing_key_tables": lacks}]
    offer = planned(request, losses={"database": {"state": "damaged"}, "history": {"points": points}})
    assert (offer["refusals"], offer["remaining"]) == (refusals, remaining)
    assert offer["key_tables"] == ["lab_subject.subject", *([] if lacks else ["lab_x.rig"])]


def test_what_the_inventory_does_not_pin_is_no_key_table_to_go_without() -> None:
    with pytest.raises(BackupError, match=r"restore_without_key_tables names lab_y.z; backup_key_tables has no such"):
        wanted(without_key_tables="lab_y.z")
    assert planned(settled(scope="database"))["key_tables"] == []


def test_what_a_partial_point_does_not_hold_is_told_where_nobody_named_it() -> None:
    point = sealed(state="partial", missing=[{"dataset": "blobs", "reason": "pull: no route"}])
    point["datasets"].pop(1)
    note = "the point does not hold blobs (pull: no route), so nothing of that is looked at or brought"
    assert note in planned(settled(point=POINT), point=point)["notes"]
    assert note not in planned(settled(point=POINT, scope="data"), point=point)["notes"]


def test_a_database_without_a_proven_dump_set_is_refused_and_the_rest_is_not() -> None:
    point = sealed(state="partial", dump_set=None)
    refused = planned(settled(point=POINT, scope="database,blobs"), point=point)
    assert "database was archived without a proven dump set" in refused["refusals"][0]
    rest = planned(settled(point=POINT, scope="blobs"), loss("blobs", "lost", missing=3), point=point)
    assert (rest["refusals"], rest["order"]) == ([], ["blobs"])
    assert any("holds no proven dump set" in note for note in rest["notes"])


def test_a_plan_says_where_files_were_not_read() -> None:
    files = [{**loss("blobs", "damaged", missing=1), "depth": "metadata"}, {**loss("data"), "depth": "metadata"}]
    lost = {"state": "intact"}
    note = (
        "files of blobs, data with the size and time of the point were not read and count as intact "
        "(restore_depth=metadata). What is restored is read afterwards; what is left as it is, data, is not"
    )
    offer = planned(settled(), losses={"files": files, "database": lost})
    assert offer["notes"] == [note]
    assert f"Note: {note}" in _restoration.restore_plan_lines(offer)
    all_taken = planned(settled(scope="blobs,data"), losses={"files": files, "database": lost})
    assert all_taken["notes"] == [note.partition("; what is left")[0]]
    read = [{**one, "depth": "content"} for one in files]
    assert planned(settled(), losses={"files": read, "database": lost})["notes"] == []


def test_what_cannot_be_moved_aside_is_refused_where_it_would_be() -> None:
    told = "a/x in /datajoint-db/blobs lies on another file system, mounted at /datajoint-db/blobs/a. Nothing was moved"
    aside = [{"item": {"dataset": "blobs"}, "msg": told}, {"item": {"dataset": "data"}, "skipped": True}]
    for state, refusals in (
        ("damaged", [f"what a restore of blobs replaces cannot be moved aside: {told}"]),
        ("intact", []),
    ):
        losses = {"files": [loss("blobs", state), loss("data", "damaged")], "aside": aside}
        assert planned(settled(), losses=losses)["refusals"] == refusals


def test_a_source_without_a_database_lacks_no_dump_set() -> None:
    request = {**settled(point=POINT, scope="blobs"), "entry": FILES_ONLY[0]}
    point = sealed(dump_set=None, datasets=sealed()["datasets"][1:])
    offer = planned(request, point=point, losses={"files": [loss("blobs", "lost", missing=3)]})
    assert (offer["notes"], offer["refusals"], offer["order"]) == ([], [], ["blobs"])


def test_datasets_that_share_a_file_system_need_room_together_whatever_another_one_needs() -> None:
    database, blobs, data = SPACES
    space = [{**database, "device": 2}, {**blobs, "free_bytes": 1000}, {**data, "free_bytes": 1000}]
    losses = [loss("blobs", "damaged", missing=6), loss("data", "damaged", missing=6)]
    point = sealed()
    point["datasets"][0]["bytes"] = 5000  # more than is free on the other file system, and there is room for it
    plan = planned(settled(scope="database,blobs,data"), *losses, point=point, space=space)
    assert plan["refusals"] == ["the file system at / has 1.0 KB free and 1.2 KB would come (blobs 600 B, data 600 B)"]
    space = [{**database, "device": 2, "free_bytes": 10}, {**blobs, "free_bytes": 2000}, {**data, "free_bytes": 2000}]
    assert planned(settled(scope="blobs,data"), *losses, space=space)["refusals"] == []
    # What is free elsewhere tells nothing about this one.
    space = [{**database, "device": 2, "free_bytes": 10}, {**blobs, "free_bytes": 1000}, {**data, "free_bytes": 1000}]
    assert planned(settled(scope="blobs,data"), *losses, space=space)["refusals"] == plan["refusals"]


def test_what_stands_in_the_way_is_said() -> None:
    tight = [{**one, "free_bytes": 150} for one in SPACES]
    blobs, data = loss("blobs", "lost", missing=1), loss("data", "damaged", damaged=1)
    assert planned(settled(), blobs, data, space=tight)["refusals"] == [
        "the file system at / has 150 B free and 200 B would come (blobs 100 B, data 100 B)"
    ]
    shut = [{**one, "writable": False, "free_bytes": 10} for one in SPACES]
    assert planned(settled(), blobs, loss("data"), space=shut)["refusals"] == [
        "/datajoint-db/blobs on tatchu cannot be written",
        "the file system at / has 10 B free and 100 B would come (blobs 100 B)",
    ]
    assert "no place to restore to" in planned(settled(cause="intrusion"), blobs, data)["refusals"][0]
    elsewhere = settled(cause="intrusion", target="/srv/looked-at")
    assert planned(elsewhere, blobs, data)["refusals"] == []
    partial = sealed(state="partial")
    assert "has to be named" in planned(settled(), blobs, data, point=partial)["refusals"][0]
    assert planned(settled(point=POINT), blobs, data, point=partial)["refusals"] == []


def test_the_confirmation_names_the_point_and_needs_the_fence() -> None:
    offer = planned(settled(), loss("blobs", "lost", missing=1), loss("data"))
    assert _restoration.restore_ready(settled(confirm=POINT), offer, FENCED) == ""
    assert "means 20261123T023000Z-77b0aa" in _restoration.restore_ready(settled(confirm=OLDER), offer, FENCED)
    open_fence = {"holds": False, "reasons": ["the database takes writes"]}
    said = _restoration.restore_ready(settled(confirm=POINT), offer, open_fence)
    assert said == "the fence does not hold: the database takes writes"
    elsewhere = settled(confirm=POINT, target="/srv/looked-at")
    assert _restoration.restore_ready(elsewhere, offer, open_fence) == ""


def test_the_fence_holds_only_if_all_of_it_does() -> None:
    request, good = settled(), {"holds": True}
    assert _restoration.fence_state(request, good, good, {"quiet": True}) == FENCED
    assert _restoration.fence_state(request, good, {}, {"quiet": True}) == FENCED
    state = _restoration.fence_state(
        {**request, "held_on": []},
        {"holds": False},
        {"holds": False, "problems": ["the server takes writes or runs events", "a restart would open it"]},
        {"quiet": False, "writers": [{"who": "process 7 (python3)", "where": "/datajoint-data/x"}]},
    )
    assert state["reasons"] == [
        "no incident holds tatchu",
        "the backup jobs on loki are not held",
        "the writers that the inventory names are not stopped",
        "the database is not closed: the server takes writes or runs events; a restart would open it",
        "somebody is writing: process 7 (python3) in /datajoint-data/x",
    ]
    unnamed = {"quiet": False, "writers": [{"who": "", "kind": "a changed file", "where": "/datajoint-data/x"}]}
    (reason,) = _restoration.fence_state(request, good, good, unnamed)["reasons"]
    assert reason == "somebody is writing: a changed file in /datajoint-data/x"


def test_the_plan_can_be_read() -> None:
    moving = {"holds": False, "reasons": ["no incident holds tatchu"]}
    history = {"suspicious": [LOST_STEP], "newest_intact": {"blobs": OLDER}}
    offer = planned(
        settled(scope="auto,database"),
        loss("blobs", "damaged", missing=3),
        loss("data", newer=2),
        fence=moving,
        losses={"files": [loss("blobs", "damaged", missing=3)], "database": LOST_DATABASE, "history": history},
    )
    lines = "\n".join(_restoration.restore_plan_lines(offer))
    for text in (
        f"Restore of tatchu from the recovery point {POINT} (complete, its dump began 2026-11-23T01:30:00Z)",
        "SEEN ON A MOVING TARGET",
        "Then not onto this host",
        "database     damaged           2         2         0         1",
        "lab_subject: 1 table with fewer rows",
        "Order: database -> blobs",
        "assumed rates for check, extract, load, push",
        "Suspicious: blobs, from A to B: 4000 of 9000 files removed",
        f"PROPOSED: restore_point={OLDER}",
        f"damaged files moved aside into .labops-aside-{INCIDENT}; what is newer stays",
    ):
        assert text in lines, lines
    assert offer["moving"] and offer["order"] == ["database", "blobs"]
    assert "Note: seen on a moving target: the fence does not hold (no incident holds tatchu)" in lines
    for still in (planned(settled()), planned(settled(target="/srv/looked-at"), fence=moving)):
        assert not still["moving"] and not any("moving target" in note for note in still["notes"])


def test_the_tables_of_a_schema_that_is_gone_are_counted() -> None:
    schemas = {
        "lab_a": {"state": "lost", "expected": {"tables": 7, "rows": 9}, "missing": []},
        "lab_b": {"state": "unreadable", "expected": {"tables": 3, "rows": 9}, "missing": []},
        "lab_c": {"state": "damaged", "expected": {"tables": 5, "rows": 9}, "missing": ["x"], "content": ["y"]},
    }
    losses = {"files": [loss("blobs"), loss("data")], "database": {"state": "damaged", "schemas": schemas}}
    step = planned(settled(scope="database"), losses=losses)["steps"][0]
    assert (step["counts"]["missing"]["files"], step["counts"]["damaged"]["files"]) == (8, 4)


def test_directories_that_are_gone_are_made_with_what_is_known_of_those_above() -> None:
    above = [{"path": "/datajoint-db", "uid": 0, "gid": 3000, "mode": "0750"}]
    facts = {"time": "2026-11-23T01:30:00Z", "datasets": {"blobs": {"mount": "/", "above": above}}}
    gone = [
        one | {"missing": [path for path in ("/datajoint-db", one["path"]) if one["path"].startswith(path)]}
        for one in SPACES
    ]
    lost = {"files": [loss("blobs", "lost", missing=1), loss("data")], "database": {"state": "lost"}}
    steps = {
        one["dataset"]: one["folders"] for one in planned(settled(), losses=lost, facts=facts, space=gone)["steps"]
    }
    blobs = next(one["path"] for one in SPACES if "blobs" in one["path"])
    assert steps["blobs"] == [above[0], {"path": blobs, "uid": 0, "gid": 0, "mode": "0700"}]
    assert steps["database"][0] == {"path": "/datajoint-db", "uid": 0, "gid": 0, "mode": "0755"}
    target = [
        {**one, "path": "/srv/looked-at/blobs", "missing": ["/srv/looked-at", "/srv/looked-at/blobs"]}
        for one in gone[:1]
    ]
    offer = planned(settled(target="/srv/looked-at", scope="blobs"), losses=lost, facts=facts, space=target)
    assert {one["mode"] for one in offer["steps"][0]["folders"]} == {"0700"}


def test_a_dump_set_that_the_server_cannot_take_is_refused() -> None:
    load = {"failed": True, "refusals": [{"rule": "older", "text": "the server is older"}]}
    losses = {"files": [loss("blobs"), loss("data")], "database": {"state": "damaged"}, "load": load}
    assert planned(settled(scope="database"), losses=losses)["refusals"] == [
        "the database server of tatchu cannot take the dump set: the server is older"
    ]


def test_a_server_of_another_kind_is_refused_unless_somebody_says_so() -> None:
    dumped = {"id": "x", "started": "2026-11-23T01:30:00Z", "engine": "mariadb", "version": "10.11.14-MariaDB"}
    mysql = {"state": "damaged", "engine": "mysql", "version": "8.0.40"}
    told = {"time": "x", "database": {"engine": "mysql", "version": "8.0.40"}}
    down = {"state": "lost", "server": "down", "engine": None, "version": None, "schemas": {}, "newer_schemas": []}
    for database, facts in ((mysql, {}), (down, told)):
        losses = {"files": [loss("blobs"), loss("data")], "database": database}
        given: dict[str, t.Any] = {"losses": losses, "facts": facts, "point": sealed(dump_set=dumped)}
        (refusal,) = planned(settled(scope="database"), **given)["refusals"]
        assert refusal.startswith(
            "the database server of tatchu cannot take the dump set: the dump is of mariadb 10.11.14-MariaDB, the "
            "server is mysql 8.0.40. Restore to a server of the same kind"
        )
        assert refusal.endswith("restore_other_engine=true")
        assert planned(settled(scope="database", other_engine="true"), **given)["refusals"] == []
        assert planned(settled(scope="blobs"), **given)["refusals"] == []
        # The server itself was asked, and knows better.
        asked = {**given, "losses": {**losses, "load": {"dump_set": "x"}}}
        assert planned(settled(scope="database"), **asked)["refusals"] == []
    older = {"state": "damaged", "engine": "mariadb", "version": "10.5.1-MariaDB"}
    losses = {"files": [loss("blobs"), loss("data")], "database": older}
    (refusal,) = planned(settled(scope="database"), losses=losses, point=sealed(dump_set=dumped))["refusals"]
    assert refusal.endswith("the server 10.5.1-MariaDB is older than the dumped one, 10.11.14-MariaDB")


def test_hosts_of_another_release_are_refused_unless_somebody_says_so() -> None:
    read = [
        {"item": "loki", "content": base64.b64encode(b'{"version": "0.1.0"}').decode()},
        {"item": "tatchu", "content": base64.b64encode(b'{"version": "0.0.9"}').decode()},
        {"item": "meg", "content": base64.b64encode(b"{").decode()},
        {"item": "eeg", "failed": True},
    ]
    found = _restoration.releases(read, "0.1.0")
    losses = {"files": [loss("blobs"), loss("data")], "database": {}, "releases": found}
    assert [
        text.partition(".  ")[0].partition(", this")[0] for text in planned(settled(), losses=losses)["refusals"]
    ] == [
        "tatchu has labops.backup 0.0.9",
        "meg does not say which release it has",
        "eeg does not say which release it has",
    ]
    assert "restore_other_release=true" in planned(settled(), losses=losses)["refusals"][0]
    assert planned(settled(other_release="true"), losses=losses)["refusals"] == []


FACTS: dict[str, t.Any] = {
    "time": NOW,
    "datasets": {
        "data": {"present": False, "path": "/datajoint-data"},
        "blobs": {"mount": "/", "above": [{"path": "/datajoint-db", "uid": 0, "gid": 0, "mode": "0755"}]},
    },
    "mounts": [{"device": "/dev/sda", "point": "/", "type": "ext4", "access": "rw"}],
    "database": {
        "engine": "mariadb",
        "version": "10.11.19",
        "data_bytes": 5,
        "variables": {"datadir": "/var/lib/mysql/"},
    },
}


def slurped(content: bytes) -> dict[str, t.Any]:
    return {"source": "/m/set/source_facts.json", "content": base64.b64encode(content).decode()}


def test_source_facts_are_read_and_their_absence_is_no_problem() -> None:
    whole = {"schema_version": 1, **FACTS}
    assert _restoration.source_facts(slurped(json.dumps(whole).encode())) == whole
    older = {"time": NOW, "database": None}
    assert _restoration.source_facts(slurped(json.dumps(older).encode())) == older
    assert _restoration.source_facts({"skipped": True, "msg": "Conditional result was False"}) == {}
    assert _restoration.source_facts({}) == {}


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (slurped(b""), "/m/set/source_facts.json is not a JSON document: Expecting value"),
        (slurped(json.dumps(FACTS).encode()[:90]), "/m/set/source_facts.json is not a JSON document: "),
        (slurped(b"[" * 200_000), "/m/set/source_facts.json is not a JSON document: "),
        (slurped(b"\xff\xfe"), "/m/set/source_facts.json is not a JSON document: "),
        (slurped(b"[1]"), "/m/set/source_facts.json cannot be understood: it is [1], not a mapping"),
        (slurped(b"{}"), "/m/set/source_facts.json cannot be understood: time is missing"),
        (
            {"msg": "Unable to read /m: Input/output error"},
            "they cannot be read: Unable to read /m: Input/output error",
        ),
    ],
)
def test_a_plan_is_had_without_the_source_facts_and_says_so(read: dict[str, t.Any], said: str) -> None:
    plan = planned(settled(), loss("blobs"), loss("data"), facts=_restoration.source_facts(read))
    (note,) = [
        note for note in plan["notes"] if note.startswith("what the source last told about itself is not used: ")
    ]
    assert said in note
    assert any(note in line for line in _restoration.restore_plan_lines(plan))
    assert plan["refusals"] == []


@pytest.mark.parametrize("name", ["time", "datasets", "mounts", "database"])
@pytest.mark.parametrize("value", [5, "x", [5], [None], {"x": 5}, {"blobs": {"above": [{}]}}, {"variables": []}])
def test_whatever_stands_in_the_source_facts_a_plan_is_had(name: str, value: t.Any) -> None:
    facts = _restoration.source_facts(slurped(json.dumps({**FACTS, name: value}).encode()))
    lost = [loss("blobs", "lost", missing=3), loss("data")]
    losses = {"files": lost, "database": {"state": "damaged", "server": "down", "point_bytes": 1, "dump_bytes": 1}}
    assert planned(settled(scope="auto,database"), losses=losses, facts=facts)["steps"]


def test_the_plan_tells_what_comes_onto_each_file_system() -> None:
    database = {"state": "damaged", "live_bytes": 400, "point_bytes": 1000, "dump_bytes": 250}
    facts = {"time": "x", "database": {"variables": {"datadir": "/var/lib/mysql/"}}}
    mysql = {**SPACES[0], "path": "/var/lib/mysql", "device": 9, "mount": "/var/lib/mysql", "free_bytes": 500}
    given: dict[str, t.Any] = {
        "losses": {
            "files": [loss("blobs", "lost", missing=3), loss("data")],
            "database": database,
            "dumps": dumps("20260101T000000Z-000000"),
        },
        "facts": facts,
        "space": [*SPACES, mysql],
    }
    plan = planned(settled(scope="database,blobs"), **given)
    root, other = plan["spaces"]
    assert (root["needed_bytes"], root["parts"]) == (
        250 + 100 + 300,
        [
            {"what": "database", "bytes": 250},
            {"what": "the copy of the old database", "bytes": 100},
            {"what": "blobs", "bytes": 300},
        ],
    )
    assert (other["mount"], other["needed_bytes"]) == ("/var/lib/mysql", 600)
    assert plan["refusals"] == [
        "the file system at /var/lib/mysql has 500 B free and 600 B would come (the loaded database 600 B)"
    ]
    lines = _restoration.restore_plan_lines(plan)
    free = _text.decimal_size(SPACES[0]["free_bytes"])
    assert (
        f"Space: / has {free} free and takes 650 B: database 250 B, the copy of the old database 100 B, blobs 300 B"
        in lines
    )
    without = planned(settled(scope="database", safety_copy="false"), **given)
    assert [part["what"] for part in without["spaces"][0]["parts"]] == ["database"]
    # Of single schemas nobody knows what they take; a dump set that is there already does not come.
    one = planned(settled(schemas="lab_subject"), **given)
    assert [part["what"] for part in one["spaces"][0]["parts"]] == ["database", "the copy of the old database"]
    there = {
        **given,
        "losses": {**given["losses"], "dumps": dumps("20260101T000000Z-000000", sealed()["dump_set"]["id"])},
    }
    (step, *_) = planned(settled(scope="database"), **there)["steps"]
    assert (step["bytes"], step["seconds"] > 0) == (0, True), "it is loaded all the same"
    # Where there is nothing everything comes, and of a server that is down its last word counts.
    gone = {**given, "losses": {**given["losses"], "dumps": {"failed": True}}}
    gone["losses"]["database"] = {**database, "live_bytes": None, "server": "down"}
    gone["facts"] = {"time": "x", "database": {"data_bytes": 800, **facts["database"]}}
    down = planned(settled(scope="database"), **gone)
    assert [part["bytes"] for part in down["spaces"][0]["parts"]] == [1000, 200]
    assert down["spaces"][1]["needed_bytes"] == 200
    # The dump set comes for the checks whatever is restored.
    assert planned(settled(scope="blobs"), **given)["spaces"][0]["parts"][0] == {"what": "database", "bytes": 250}


def test_no_room_is_asked_for_a_copy_that_nobody_makes() -> None:
    database = {"state": "damaged", "live_bytes": 400, "point_bytes": 1000, "dump_bytes": 250}
    facts = {"time": "x", "database": {"data_bytes": 400, "variables": {"datadir": "/var/lib/mysql/"}}}
    mysql = {**SPACES[0], "path": "/var/lib/mysql", "device": 9, "mount": "/var/lib/mysql", "empty": True}
    given: dict[str, t.Any] = {"facts": facts, "space": [*SPACES, mysql]}

    def copied(**more: t.Any) -> bool:
        losses = {"files": [], "database": {**database, **more.pop("database", {})}, **more}
        (root, *_) = planned(settled(scope="database"), losses=losses, **given)["spaces"]
        return "the copy of the old database" in [part["what"] for part in root["parts"]]

    assert copied()
    assert not copied(finished=["safety.dump"])
    assert not copied(database={"state": "lost", "server": "up"})
    down = {"state": "lost", "server": "down", "live_bytes": None, "schemas": {}, "newer_schemas": []}
    assert not copied(database=down)
    mysql["empty"] = False
    assert copied(database=down)


def test_a_dataset_on_another_file_system_than_its_own_is_refused() -> None:
    facts = {"time": "2026-11-23T01:30:00Z", "datasets": {"data": {"mount": "/datajoint-data"}, "blobs": {}}}
    lost = {"files": [loss("blobs", "lost", missing=1), loss("data", "lost", missing=1)], "database": {}}
    (refusal,) = planned(settled(), losses=lost, facts=facts)["refusals"]
    assert refusal.startswith("/datajoint-data lies on the file system mounted at /; on 2026-11-23T01:30:00Z it lay on")
    assert "restore_other_file_system=true" in refusal
    assert planned(settled(other_file_system="true"), losses=lost, facts=facts)["refusals"] == []
    assert planned(settled(scope="blobs"), losses=lost, facts=facts)["refusals"] == []
    target = [{**SPACES[0], "path": "/srv/looked-at/data"}]
    assert planned(settled(target="/srv/looked-at"), losses=lost, facts=facts, space=target)["refusals"] == []
    mounted = [one | {"mount": "/datajoint-data"} for one in SPACES]
    assert planned(settled(), losses=lost, facts=facts, space=mounted)["refusals"] == []


def test_a_data_directory_whose_disk_is_only_not_mounted_is_refused() -> None:
    facts = {
        "time": "2026-11-23T01:30:00Z",
        "database": {"variables": {"datadir": "/srv/fast/mysql/"}},
        "mounts": [{"point": point} for point in ("/", "/srv/fast", "/srv/fa", "/srv/another/place")],
    }
    down = {"files": [], "database": {"state": "lost", "server": "down", "schemas": {}, "newer_schemas": []}}
    here = {"path": "/srv/fast/mysql", "device": 1, "mount": "/", "free_bytes": 10**9, "writable": True, "missing": []}
    request = settled(scope="database")
    (refusal,) = planned(request, losses=down, facts=facts, space=[*SPACES, here])["refusals"]
    assert "its data directory /srv/fast/mysql lies on the file system mounted at /; on 2026-11-23T01" in refusal
    assert "restore_other_file_system=true" in refusal
    mounted = {**here, "mount": "/srv/fast"}
    assert planned(request, losses=down, facts=facts, space=[*SPACES, mounted])["refusals"] == []
    assert planned(request, losses=down, facts={}, space=SPACES)["refusals"] == []
    assert planned(request, losses=down, facts={}, space=[*SPACES, here])["refusals"] == []
    assert planned(request, losses=down, facts=facts, space=SPACES)["refusals"] == []
    up = {**down, "database": {**down["database"], "server": "up"}}
    assert planned(request, losses=up, facts=facts, space=[*SPACES, here])["refusals"] == []
    for harmless in (settled(), settled(beside="lab_subject:old")):
        assert planned(harmless, losses=down, facts=facts, space=[*SPACES, here])["refusals"] == []
    other = settled(scope="database", other_file_system="true")
    assert planned(other, losses=down, facts=facts, space=[*SPACES, here])["refusals"] == []


@pytest.mark.parametrize(
    ("options", "intact", "table", "proposed"),
    [
        ({"scope": "auto"}, {"blobs": OLDER, "data": POINT, "database": POINT}, POINT, OLDER),
        ({"scope": "auto,database"}, {"blobs": POINT, "data": POINT, "database": POINT}, OLDER, OLDER),
        ({"scope": "data"}, {"blobs": OLDER, "data": POINT, "database": OLDER}, OLDER, ""),
        ({"scope": "auto"}, {"blobs": POINT, "data": POINT, "database": POINT}, POINT, ""),
        ({"scope": "auto"}, {"blobs": None, "data": OLDER, "database": POINT}, POINT, ""),
    ],
)
def test_the_newest_point_from_before_anything_suspicious_is_proposed(
    options: dict[str, t.Any], intact: dict[str, t.Any], table: str, proposed: str
) -> None:
    history = {
        "suspicious": [LOST_STEP],
        "newest_intact": intact,
        "key_tables": {"lab.subject": {"rows": 3, "newest_intact": table}},
    }
    losses = {"files": [loss("blobs"), loss("data")], "database": {"state": "intact"}, "history": history}
    offer = planned(settled(**options), losses=losses)
    assert offer["proposed"] == proposed
    said = "\n".join(_restoration.restore_plan_lines(offer))
    assert ("PROPOSED: restore_point=" + OLDER in said) is bool(proposed)
    calm = {**losses, "history": {**history, "suspicious": []}}
    assert planned(settled(**options), losses=calm)["proposed"] == ""


def test_rates_that_were_measured_are_used() -> None:
    request = settled(scope="blobs")
    fast = planned(request, loss("blobs", "lost", missing=10**6), rates={"push": 1e6, "extract": 1e6, "check": 1e6})
    assert fast["seconds"] == 300.0
    assert "assumed rates for load" in "\n".join(_restoration.restore_plan_lines(fast))


def test_a_point_without_a_content_manifest_of_what_is_asked_for_is_refused() -> None:
    """Nobody could tell what of the dataset is lost, and a plan without a loss would call it well."""
    refusals = planned(settled(), point=sealed(files={"data.content": {}}))["refusals"]
    assert any("no content manifest of blobs" in text and "restore_scope" in text for text in refusals)
    kept = planned(settled(scope=["data"]), point=sealed(files={"data.content": {}}))["refusals"]
    assert not [text for text in kept if "content manifest" in text]


def test_an_archive_that_was_made_without_a_pull_has_the_size_that_borg_tells() -> None:
    point = sealed()
    for part in point["datasets"]:
        part.pop("bytes", None)
        part["original_size"] = 4711
    assert {part["bytes"] for part in _restoration.restore_datasets(settled(), point)} == {4711}


def test_what_the_point_does_not_have_remains_and_keeps_nobody_out() -> None:
    found = {
        "by_dataset": {},
        "not_in_point": {"blobs": {"files": 7, "examples": list("abcdef")}, "data": {"files": 1, "examples": ["x"]}},
        "accepted": 3,
    }
    verdict = _restoration.restore_verdict(settled(), ["blobs", "data"], {}, found, [])
    assert verdict == {
        "problems": [],
        "remaining": [
            "files in blobs that the database refers to, and that the recovery point does not have: 7 (a, b, c, d, e "
            "and 2 more)",
            "files in data that the database refers to, and that the recovery point does not have: 1 (x)",
            "files that the database refers to and that the inventory accepts as they are: 3",
        ],
    }


def test_the_checks_know_what_the_point_has_of_each_dataset() -> None:
    point = sealed(files={"blobs.content": {}})
    parts = [one for one in _restoration.restore_datasets(settled(), point) if one["name"] != "data"]
    assert _restoration.restored_roots(settled(), parts, "/run/x") == {
        "database": {"mirror": "/datajoint-db/dumps"},
        "blobs": {"mirror": "/datajoint-db/blobs", "sealed": "/run/x/blobs.content"},
        "data": {"mirror": "/datajoint-data", "sealed": None},
    }
