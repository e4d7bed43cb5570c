# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _dump_set
from ansible_collections.labops.backup.plugins.module_utils._model import _dump_manifest
from ansible_collections.labops.backup.plugins.modules import db_dump_info

RunModule = t.Callable[..., dict[str, t.Any]]
OLD, NEW = "20261122T021500Z-000001", "20261123T021500Z-000002"
TEXT = (
    b"-- Server version\t10.11.19-MariaDB\nCREATE DATABASE `s` ;\nUSE `s`;\nCREATE TABLE `t` (\n  `a` int\n)"
    b" ENGINE=InnoDB;\nINSERT INTO `t` VALUES\n(1),\n(2);\n-- Dump completed\n"
)


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    for identifier in (OLD, NEW):
        partial = _dump_set.begin(str(tmp_path), identifier)
        files = {}
        for name in _dump_manifest.FILES:
            sink = _dump_set.Sink(os.path.join(partial, name))
            sink.write(TEXT if name == _dump_manifest.DATABASES else b"{}")
            sink.close()
            files[name] = sink.facts
        manifest: dict[str, t.Any] = {
            "id": identifier,
            "started": "2026-11-23T02:15:00Z",
            "finished": "2026-11-23T02:15:01Z",
            "engine": "mariadb",
            "version": "10.11.19",
            "schemas": {"s": {"charset": "", "collation": ""}},
            "foreign_keys": [],
            "tables": {"s": {"t": 2}},
            "rows": 2,
            "references": {"files": 0},
            "files": files,
        }
        _dump_set.publish(str(tmp_path), partial, identifier, manifest)
    return tmp_path


def test_the_newest_comes_first_and_foreign_files_are_unproven(
    run_module_main: RunModule, directory: pathlib.Path
) -> None:
    (directory / "old.sql.gz").write_bytes(b"")
    listed = run_module_main(db_dump_info, {"directory": str(directory), "verify": "full"})
    assert [(entry["id"], entry["valid"], entry["rows"]) for entry in listed["dump_sets"]] == [
        (NEW, True, 2),
        (OLD, True, 2),
    ]
    assert listed["dump_sets"][0]["schemas"] == ["s"]
    assert (listed["unproven"], listed.get("changed", False)) == (["old.sql.gz"], False)


def test_manifests_alone_are_enough_for_a_list_in_check_mode(
    run_module_main: RunModule, directory: pathlib.Path
) -> None:
    for name in _dump_manifest.FILES:
        (directory / NEW / name).unlink()
    listed = run_module_main(db_dump_info, {"directory": str(directory), "dump_set": NEW}, check_mode=True)
    assert [(entry["id"], entry["valid"]) for entry in listed["dump_sets"]] == [(NEW, True)]


def test_a_full_look_finds_what_is_gone(run_module_main: RunModule, directory: pathlib.Path) -> None:
    (directory / NEW / _dump_manifest.DATABASES).write_bytes(TEXT[:-20])
    listed = run_module_main(db_dump_info, {"directory": str(directory), "verify": "full"})
    assert [entry["valid"] for entry in listed["dump_sets"]] == [False, True]
    assert any("-- Dump completed" in problem for problem in listed["dump_sets"][0]["problems"])


def test_a_set_that_is_asked_for_has_to_be_there(run_module_main: RunModule, directory: pathlib.Path) -> None:
    asked = {"directory": str(directory), "dump_set": "20260101T000000Z-000000"}
    assert "no finished dump set" in run_module_main(db_dump_info, asked)["msg"]
    assert "does not exist" in run_module_main(db_dump_info, {"directory": str(directory / "gone")})["msg"]


@pytest.mark.parametrize("change", [{"tables": {"s": None}}, {"references": None}, {"version": None}])
def test_an_unbelievable_manifest_makes_its_set_unproven_and_hides_no_other(
    run_module_main: RunModule, directory: pathlib.Path, change: dict[str, t.Any]
) -> None:
    manifest = directory / NEW / _dump_manifest.MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_bytes()) | change))
    listed = run_module_main(db_dump_info, {"directory": str(directory), "verify": "full"})
    assert [entry["id"] for entry in listed["dump_sets"]] == [OLD]
    assert listed["unproven"] == [NEW]
    assert [entry["id"] for entry in listed["rejected"]] == [NEW] and listed["rejected"][0]["problems"]


def test_what_bears_the_name_of_a_dump_set_and_is_none_says_why(
    run_module_main: RunModule, directory: pathlib.Path
) -> None:
    (directory / NEW / _dump_manifest.MANIFEST).unlink()
    (directory / "20261124T021500Z-000003").write_text("")
    (directory / OLD / _dump_manifest.MANIFEST).write_text("{")
    (directory / "2019").mkdir()
    listed = run_module_main(db_dump_info, {"directory": str(directory)})
    assert listed["dump_sets"] == [] and len(listed["unproven"]) == 4
    assert [(entry["id"], len(entry["problems"])) for entry in listed["rejected"]] == [
        ("20261124T021500Z-000003", 1),
        (NEW, 1),
        (OLD, 1),
    ]
    assert "manifest.json cannot be read: No such file" in listed["rejected"][1]["problems"][0]


def test_the_steps_of_a_run_keep_the_lock_from_other_runs(run_module_main: RunModule, directory: pathlib.Path) -> None:
    lock = str(directory.parent / f"{directory.name}.lock")
    mine = {"directory": str(directory), "lock": lock, "lock_keep": 100, "run_id": NEW}
    assert run_module_main(db_dump_info, mine, check_mode=True)["dump_sets"]
    assert not os.path.exists(lock)
    assert run_module_main(db_dump_info, mine)["dump_sets"]
    refused = run_module_main(db_dump_info, {**mine, "run_id": OLD})
    assert (refused["failed"], refused["kind"]) == (True, "busy")
    assert run_module_main(db_dump_info, mine)["dump_sets"]
