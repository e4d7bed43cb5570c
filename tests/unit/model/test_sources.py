# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second source, without a database and with a name that is odd, needs nothing but the inventory."""

from __future__ import annotations

import itertools
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _dump_verdict,
    _inventory,
    _job_inventory,
    _night,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEFAULTS = yaml.safe_load((ROOT / "roles" / "_common" / "defaults" / "main.yml").read_text())
RUN = "20261123T023000Z-77b0aa"
ODD = "Meg-2.Lab_x"
Hosts = dict[str, dict[str, t.Any]]


def hosts(**changes: t.Any) -> Hosts:
    meg = {
        "ansible_host": "192.0.2.33",
        "backup_server": "loki",
        "backup_datasets": [{"name": "rig", "path": "/srv/rig"}, {"name": "rig-2", "path": "/srv/rig-2"}],
    }
    return {
        "loki": {"ansible_host": "192.0.2.8"},
        "tatchu": {"ansible_host": "192.0.2.9", "backup_server": "loki"},
        ODD: {**meg, **changes},
    }


def plan(**changes: t.Any) -> list[dict[str, t.Any]]:
    groups = {"backup_servers": ["loki"], "backup_sources": ["tatchu", ODD]}
    return _inventory.plan(hosts(**changes), groups, DEFAULTS)


def refusal(sources: list[str], **more: dict[str, t.Any]) -> str:
    groups = {"backup_servers": ["loki"], "backup_sources": sources}
    with pytest.raises(BackupError) as caught:
        _inventory.plan(
            {**hosts(), **{name: {"backup_server": "loki", **v} for name, v in more.items()}}, groups, DEFAULTS
        )
    assert caught.value.message.endswith(". Nothing was changed. Mend the inventory.")
    return caught.value.message.removesuffix(". Nothing was changed. Mend the inventory.")


def settle(*sources: str) -> dict[str, t.Any]:
    return _night.run(plan(), RUN, ["pull", "archive", "seal"], sources, [], "0.1.0")


def good_hosts(run: dict[str, t.Any]) -> Hosts:
    found: Hosts = {"loki": {}}
    for source in run["sources"]:
        found[source["night"]] = {
            "backup_point": {"source": source["name"], "point": RUN, "state": "complete"},
            "backup_retention": {
                **{"kept": [], "removed": [], "removed_archives": {}, "unknown_archives": {}},
                **{"problems": [], "freed_bytes": 0},
            },
        }
        for dataset in source["datasets"]:
            found[dataset["pipeline"]] = {
                "backup_outcome": {
                    "source": source["name"],
                    "dataset": dataset["name"],
                    "name": dataset["name"],
                    "ok": True,
                    "seconds": {},
                }
            }
    return found


def test_no_place_is_shared_by_two_sources() -> None:
    sources = plan()
    places = [
        {
            source["points_repository"],
            source["points_cache"],
            source["staging"],
            source["borg"]["passphrase_file"],
            source["rsync"]["identity_file"],
            source["night"],
            *(
                d[key]
                for d in source["datasets"]
                for key in ("mirror", "generation_file", "repository", "lock", "pipeline")
            ),
        }
        for source in sources
    ]
    for one, other in itertools.combinations(places, 2):
        assert not one & other
    assert [len(place) for place in places] == [6 + 5 * 3, 6 + 5 * 2]


def test_the_odd_name_is_kept_in_paths_and_plain_in_scripts() -> None:
    meg = plan()[1]
    assert meg["datasets"][0]["mirror"] == f"/srv/backup/mirror/{ODD}/rig"
    assert meg["datasets"][0]["pipeline"] == f"{ODD}.rig"
    assert (meg["script_name"], meg["dump_directory"]) == ("meg_2_lab_x", None)


def test_each_host_gets_the_scripts_of_its_part() -> None:
    names = {host: [s["name"] for s in _job_inventory.job_scripts(plan(), host)] for host in ("loki", "tatchu", ODD)}
    assert names == {
        "loki": [
            "backup_tatchu_database.sh",
            "backup_tatchu_blobs.sh",
            "backup_tatchu_data.sh",
            "backup_meg_2_lab_x_rig.sh",
            "backup_meg_2_lab_x_rig_2.sh",
            "borg_backup_on_loki.sh",
            "backup_and_notify_on_loki.sh",
            "verify_and_notify_on_loki.sh",
            "drill_and_notify_on_loki.sh",
            "readiness_and_notify_on_loki.sh",
        ],
        "tatchu": ["backup_and_notify_on_tatchu.sh"],
        ODD: [],
    }
    scripts = {script["name"]: script for script in _job_inventory.job_scripts(plan(), "loki")}
    assert scripts["backup_meg_2_lab_x_rig_2.sh"]["variables"] == {
        "backup_stages": ["pull"],
        "backup_only_sources": [ODD],
        "backup_only_datasets": ["rig-2"],
    }


def test_the_jobs_of_the_server_know_both_and_those_of_a_source_only_itself() -> None:
    names = ["backup_server", "backup_datasets"]
    inventories = {
        host: _job_inventory.job_inventory(hosts(), plan(), host, names, {}, "x")["all"]["children"] for host in hosts()
    }
    assert list(inventories["loki"]["backup_sources"]["hosts"]) == ["tatchu", ODD]
    assert list(inventories["tatchu"]["backup_sources"]["hosts"]) == ["tatchu"]
    again = _inventory.plan(
        {name: entry for group in inventories["loki"].values() for name, entry in group["hosts"].items()},
        {group: list(entry["hosts"]) for group, entry in inventories["loki"].items()},
        DEFAULTS,
    )
    assert again == plan(), "the jobs plan what site.yml planned"


def test_a_night_takes_both_and_says_so() -> None:
    run = settle()
    assert run["servers"] == {"loki": ["tatchu", ODD]}
    verdict = _night.verdict(good_hosts(run), run)
    assert verdict["ok"], verdict
    assert [(o["source"], o["dataset"]) for o in verdict["outcomes"]] == [
        *(("tatchu", name) for name in ("database", "blobs", "data")),
        *((ODD, name) for name in ("rig", "rig-2")),
    ]
    assert [point["source"] for point in verdict["points"]] == ["tatchu", ODD]


def test_a_failure_of_one_source_names_it_and_leaves_the_other_its_point() -> None:
    run = settle()
    found = good_hosts(run)
    found[f"{ODD}.rig"]["backup_outcome"] = {
        "source": ODD,
        "dataset": "rig",
        "ok": False,
        "step": "Pull",
        "message": "no",
    }
    found[f"{ODD}.points"]["backup_point"] = {"source": ODD, "problem": "Seal: no dataset reached its archive"}
    verdict = _night.verdict(found, run)
    assert not verdict["ok"] and f"{ODD}/rig" in verdict["title"] and "tatchu/" not in verdict["title"]
    assert any(point["source"] == "tatchu" and point.get("state") == "complete" for point in verdict["points"])


def test_a_source_that_left_no_word_at_all_is_missed() -> None:
    run = settle()
    found = {name: entry for name, entry in good_hosts(run).items() if not name.startswith(ODD)}
    verdict = _night.verdict({**found, **{p: {} for p in (f"{ODD}.points", f"{ODD}.rig", f"{ODD}.rig-2")}}, run)
    assert not verdict["ok"] and f"{ODD}/rig, {ODD}/rig-2" in verdict["title"]


def test_one_source_alone_can_be_taken() -> None:
    run = settle(ODD)
    assert [source["name"] for source in run["sources"]] == [ODD]
    assert _night.verdict(good_hosts(run), run)["ok"]


def test_dumps_are_expected_of_the_source_with_a_database_only() -> None:
    failed = {"database_dump_outcome": {"ok": False, "step": "Dump", "message": "no"}}
    verdict = _dump_verdict.dump_verdict({**hosts(), "tatchu": failed}, plan(), RUN)
    assert verdict["title"] == f"dump FAILED: tatchu (run {RUN})"
    assert len(verdict["lines"]) == 1


# ----------------------------------------------------------------------------------------- sources in each other's way


@pytest.mark.parametrize("address", ["192.0.2.9", "192.0.2.33"])
def test_two_sources_are_not_one_host(address: str) -> None:
    other = {"192.0.2.9": "tatchu", "192.0.2.33": ODD}[address]
    assert refusal(["tatchu", ODD, "odin"], odin={"ansible_host": address}) == (
        f"{other} and odin have the same address {address!r} and port"
    )


def test_two_sources_behind_one_address_differ_in_the_port() -> None:
    sources = _inventory.plan(
        {**hosts(), "odin": {"ansible_host": "192.0.2.9", "backup_source_port": 2222, "backup_server": "loki"}},
        {"backup_servers": ["loki"], "backup_sources": ["tatchu", "odin"]},
        DEFAULTS,
    )
    assert [source["port"] for source in sources] == [22, 2222]


@pytest.mark.parametrize("name", ["tatchu.blobs", "tatchu.points"])
def test_a_source_cannot_bear_the_name_of_a_part_of_another(name: str) -> None:
    assert refusal(["tatchu", name], **{name: {}}) == (
        f"the host {name} bears the name that a part of tatchu gets; rename it"
    )


def test_a_server_is_no_source() -> None:
    assert refusal(["tatchu", "loki"], loki={}) == "loki is in both groups; one host cannot be a server and a source"


def test_two_sources_do_not_adopt_one_tree() -> None:
    rig = {"backup_datasets": [{"name": "rig", "path": "/a", "adopt_from": "/old"}]}
    assert refusal(["one", "two"], one=rig, two=rig) == "one.rig and two.rig would both adopt /old"
