# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what readiness.yml gathered becomes a verdict for people; the rules are tested in model/test_readiness.py."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.labops.backup.plugins.filter import plan as _plan
from ansible_collections.labops.backup.plugins.filter import readiness as _readiness

FILTERS = {**_plan.FilterModule().filters(), **_readiness.FilterModule().filters()}
DEFAULTS = yaml.safe_load((pathlib.Path(__file__).parents[3] / "roles/_common/defaults/main.yml").read_text())
NOW = "2026-11-23T06:00:00Z"
Hosts = dict[str, dict[str, t.Any]]


@pytest.fixture
def hosts() -> Hosts:
    limits = dict.fromkeys(
        (
            *("pull_max_age_hours", "point_max_age_hours", "facts_max_age_hours", "check_max_age_days"),
            *("check_idle_hours", "drill_max_age_days", "escrow_max_age_days", "clock_max_seconds", "nights"),
        ),
        10.0,
    )
    place = {"path": "/", "present": True, "device": 1, "writable": True, "total_bytes": 1 << 40, "free_bytes": 1 << 39}
    facts = {
        **{"time": NOW, "clock_synchronised": True, "deployed": {}, "legacy": None},
        "datasets": dict.fromkeys(("backup_root", "state", "database", "blobs", "data"), place),
        "cron": {"running": True, "enabled": True, "entries": {}},
    }
    gathered = {
        **{
            "host": facts,
            "deployed": {"problem": "x"},
            "escrow": {"problem": "x"},
            "known_hosts_sha256": "",
            "deployed_at": "",
        },
        "root": {"path": "/srv/backup", "reserve_bytes": 0, "reserve_percent": 0, "problem": ""},
        "engine": {"problem": "x"},
        "sources": {
            "tatchu": {
                "generations": {key: {"problem": "never pulled"} for key in ("database", "blobs", "data")},
                **{"checks": {"problem": "x"}, "drills": {"problem": "x"}, "escrow_proof": {"problem": "x"}},
                **{"hold": {}, "facts": facts, "facts_from": "asked just now", "facts_problem": ""},
                **{"target": {}, "findings": [], "findings_problem": "x", "engine_findings": []},
            }
        },
    }
    repositories = [f"/srv/backup/borg/tatchu/{name}" for name in ("database", "blobs", "data", "points")]
    opened = {"exists": True, "repository_id": "i", "key_sha256": "k", "archives": [1, 2]}
    return {
        "loki": {
            **{"ansible_host": "192.0.2.8", "readiness_gathered": {"gathered": gathered}, "readiness_limits": limits},
            "readiness_points": {"results": [{"item": {"name": "tatchu"}, "points": [], "unreadable": []}]},
            "readiness_repositories": {"results": [{"item": [{}, path], **opened} for path in repositories]},
            "readiness_notification": {"apprise": True, "ping": False, "untold": [], "channels": []},
            "readiness_moments": {"before": 100.0, "after": 102.0, "host": 101.0},
        },
        "tatchu": {
            **{"ansible_host": "192.0.2.17", "backup_server": "loki"},
            "readiness_moments": {"before": 200.0, "after": 204.0, "host": 212.0},
        },
    }


def judged(hosts: Hosts, person: bool = True) -> dict[str, t.Any]:
    groups = {"backup_servers": ["loki"], "backup_sources": ["tatchu"]}
    plan = FILTERS["plan"](hosts, groups, DEFAULTS)
    return t.cast("dict[str, t.Any]", FILTERS["readiness"](hosts, plan, "loki", NOW, "stamp", person))


def values(document: dict[str, t.Any], item: str) -> list[str]:
    return [one["value"] for one in document["items"] if one["item"] == item]


def test_what_was_registered_is_found(hosts: Hosts) -> None:
    document = judged(hosts)
    assert (document["at"], document["server"], document["verdict"]) == (NOW, "loki", "fail")
    assert values(document, "repository") == ["2 archives"] * 4
    assert values(document, "pull") == ["never pulled"] * 3
    assert values(document, "newest_point") == ["there is no recovery point"]
    assert values(document, "complete_point") == ["no complete recovery point holds it"] * 3
    jobs = {one["dataset"] for one in document["items"] if one["item"] == "server_cron"}
    assert jobs == {"backup", "verify", "drill", "readiness"}
    assert not [value for one in document["items"] for value in [one["value"]] if "could not be judged" in value]


def test_points_and_bundle_are_those_that_were_registered(hosts: Hosts) -> None:
    assert values(judged(hosts), "escrow_bundle") == ["there is no bundle on this machine"]
    hosts["loki"]["readiness_bundle"] = {"problem": "a key is another one"}
    point = {"point": "p", "state": "partial", "problems": [], "datasets": [], "dump_set": None, "references": None}
    other = {"item": {"name": "meg"}, "points": [], "unreadable": []}
    hosts["loki"]["readiness_points"]["results"].insert(0, other)
    hosts["loki"]["readiness_points"]["results"][1].update(points=[point], unreadable=[{"point": "q"}])
    document = judged(hosts)
    assert values(document, "escrow_bundle") == ["a key is another one"]
    assert values(document, "newest_point") == ["the seals of q cannot be read", "p is partial"]


def test_a_source_without_a_database_is_known_by_its_datasets(hosts: Hosts) -> None:
    assert values(judged(hosts), "compatibility") == ["x"]
    hosts["tatchu"]["backup_datasets"] = [{"name": "data", "path": "/data", "kind": "files"}]
    assert values(judged(hosts), "compatibility") == []


def test_a_source_of_another_server_is_none_of_this_one(hosts: Hosts) -> None:
    hosts |= {"thor": {"ansible_host": "192.0.2.9"}, "meg": {"ansible_host": "192.0.2.18", "backup_server": "thor"}}
    groups = {"backup_servers": ["loki", "thor"], "backup_sources": ["tatchu", "meg"]}
    plan = FILTERS["plan"](hosts, groups, DEFAULTS)
    document = FILTERS["readiness"](hosts, plan, "loki", NOW, "stamp", True)
    assert {one["source"] for one in document["items"]} == {"", "tatchu"}


def test_clocks_are_compared_within_what_asking_took(hosts: Hosts) -> None:
    assert values(judged(hosts), "clock")[0] == "7.0 s apart, measured live"
    hosts["tatchu"]["readiness_moments"]["host"] = 203.0
    assert values(judged(hosts), "clock")[0] == "0.0 s apart, measured live"
    del hosts["tatchu"]["readiness_moments"]
    assert "as far as its facts tell" in values(judged(hosts), "clock")[0]


def test_what_gave_no_answer_fails_and_busy_is_told_apart(hosts: Hosts) -> None:
    first, second, third, _last = hosts["loki"]["readiness_repositories"]["results"]
    first.clear()
    first.update(item=[{}, "/srv/backup/borg/tatchu/database"], msg="wrong passphrase")
    second.clear()
    second.update(item=[{}, "/srv/backup/borg/tatchu/blobs"], msg="held", msgid="LockTimeout")
    third.clear()
    third.update(item=[{}, "/srv/backup/borg/tatchu/data"], exists=False)
    hosts["loki"]["readiness_points"]["results"] = [{"item": {"name": "tatchu"}, "msg": "no lock"}]
    document = judged(hosts)
    assert values(document, "newest_point") == ["there is no recovery point"]
    states = {one["dataset"]: one["state"] for one in document["items"] if one["item"] == "repository"}
    assert states == {"database": "fail", "blobs": "warn", "data": "fail", "points": "ok"}
    assert "wrong passphrase" in values(document, "repository")
    assert values(document, "complete_point") == ["the seals could not be read: no lock"]
    del hosts["loki"]["readiness_points"], hosts["loki"]["readiness_repositories"]
    document = judged(hosts)
    assert values(document, "complete_point") == ["the seals could not be read: no answer"]
    assert [value.partition(" at ")[0] for value in values(document, "repository")] == ["there is no repository"] * 4


def test_notifications_that_could_not_be_looked_at_fail(hosts: Hosts) -> None:
    assert values(judged(hosts), "notifications") == ["no URL is configured, so nobody is told of anything"]
    hosts["loki"]["readiness_notification"] = {"failed": False, "msg": "tell could not be started"}
    assert values(judged(hosts), "notifications") == ["nobody could look: tell could not be started"]
    del hosts["loki"]["readiness_notification"]
    assert values(judged(hosts), "notifications") == ["nobody could look: no answer"]


def test_a_server_that_gave_no_answer_has_failed(hosts: Hosts) -> None:
    del hosts["loki"]["readiness_gathered"]
    hosts["loki"]["readiness_problem"] = "Gather: unreachable"
    document = judged(hosts)
    assert document["verdict"] == "fail"
    assert [(one["item"], one["value"]) for one in document["items"]] == [("server", "Gather: unreachable")]


def test_the_table_has_what_fails_first_with_limit_and_remedy(hosts: Hosts) -> None:
    lines = FILTERS["readiness_table"](judged(hosts))
    assert lines[0].startswith("Readiness of loki: fail (")
    kinds = [line.split()[0] for line in lines if line.startswith(("FAIL", "WARN", "OK"))]
    assert kinds == sorted(kinds, key=["FAIL", "WARN", "OK"].index) and set(kinds) == {"FAIL", "WARN", "OK"}
    assert "OK    disk: /srv/backup is mounted" in lines
    where = lines.index("FAIL  pull (tatchu/blobs): never pulled")
    assert lines[where + 1] == "      limit: not older than 10 h"
    assert lines[where + 2].startswith("      to do: Look at the last nights")


@pytest.mark.parametrize(
    ("verdict", "ok", "title"),
    [
        ("ok", True, "readiness of loki: a restore would work"),
        ("warn", True, "readiness of loki: a restore would work, with warnings"),
        ("fail", False, "readiness of loki: NOT ready for a restore"),
        (None, False, "readiness of loki: NOT ready for a restore"),
    ],
)
def test_one_verdict_over_all_servers(verdict: str | None, ok: bool, title: str) -> None:
    document = {"server": "loki", "verdict": verdict, "items": []}
    loki: dict[str, t.Any] = {"readiness_document": document} if verdict else {}
    said = FILTERS["readiness_verdict"]({"loki": loki}, ["loki"])
    assert (said["ok"], said["title"]) == (ok, title)
    assert said["documents"] == ([document] if verdict else [])
    table = FILTERS["readiness_table"](document) if verdict else ["loki: nothing was found out"]
    assert said["lines"] == table
    unwritten = FILTERS["readiness_verdict"]({"loki": {**loki, "readiness_unwritten": "full"}}, ["loki"])
    assert unwritten["ok"] is False
    assert unwritten["lines"] == table + (["The verdict could not be left on loki: full"] if verdict else [])


def test_a_server_that_says_nothing_fails_beside_one_that_is_well() -> None:
    documents = {"loki": {"readiness_document": {"server": "loki", "verdict": "ok", "items": []}}, "thor": {}}
    said = FILTERS["readiness_verdict"](documents, ["loki", "thor"])
    assert said["ok"] is False and "thor: nothing was found out" in said["lines"]


def test_a_trial_of_the_bundle_tells_each_repository() -> None:
    trials = [
        {"item": {"name": "blobs"}, "repository_id": "i", "archives": 3},
        {"item": {"name": "data"}, "msg": "the passphrase does not open it"},
    ]
    assert FILTERS["escrow_proof"](trials, {"digest": "d"}, NOW) == {
        **{"at": NOW, "digest": "d"},
        "repositories": {
            "blobs": {"finding": "", "archives": 3},
            "data": {"finding": "the passphrase does not open it", "archives": 0},
        },
    }
