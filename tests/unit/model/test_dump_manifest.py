# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _dump_manifest
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader

ID = "20261123T021500Z-3fa9c1"
MANIFEST: dict[str, t.Any] = {
    "id": ID,
    "started": "2026-11-23T02:15:00Z",
    "finished": "2026-11-23T02:15:07Z",
    "engine": "mariadb",
    "version": "10.11.19-MariaDB",
    "schemas": {"lab": {"charset": "utf8mb4", "collation": ""}},
    "foreign_keys": [],
    "tables": {"lab": {"scan": 3, "log": 4}},
    "rows": 7,
    "references": {"files": 0},
    "files": {name: {"size": 1, "sha256": "0" * 64} for name in _dump_manifest.FILES},
}


def test_a_sound_manifest_has_no_problem() -> None:
    assert _dump_manifest.problems(MANIFEST, ID) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": "20261123T021500Z-000000"}, "not the folder's name"),
        ({"started": "yesterday"}, "started is not a UTC time"),
        ({"finished": "2026-11-23T02:14:00Z"}, "finished before it started"),
        ({"engine": "oracle"}, "unknown engine"),
        ({"version": ""}, "version is missing"),
        ({"files": None}, "list of files is missing"),
        ({"files": {}}, "databases.sql is not listed"),
        ({"files": MANIFEST["files"] | {"../x": {"size": 1, "sha256": "0" * 64}}}, "no file name"),
        *(
            ({"files": MANIFEST["files"] | {name: {"size": 1, "sha256": "0" * 64}}}, f"{name!r} is no file name")
            for name in ("a/x", ".x", 7)
        ),
        ({"files": MANIFEST["files"] | {"databases.sql": {"size": 1}}}, "sha256 of databases.sql is missing"),
        *(
            (
                {"files": MANIFEST["files"] | {"databases.sql": {"size": size, "sha256": "0" * 64}}},
                "size of databases.sql",
            )
            for size in (-1, "1", True)
        ),
        ({"tables": {"lab": {"scan": -3, "log": 10}}}, "no number"),
        ({"rows": 8}, "add up to 7"),
        ({"tables": {"lab": {"scan": "3"}}}, "no number"),
        ({"tables": {"other": {}}}, "disagree"),
        ({"tables": {"lab": None}}, "tables of lab are missing"),
        ({"tables": {"lab": {"scan": True}}}, "no number"),
        ({"rows": None}, "add up to 7"),
        ({"version": 10}, "version is missing"),
        ({"references": None}, "count of references is missing"),
        ({"references": []}, "count of references is missing"),
        ({"files": MANIFEST["files"] | {"databases.sql": None}}, "size of databases.sql is missing"),
    ],
)
def test_a_manifest_that_cannot_be_believed(change: dict[str, t.Any], problem: str) -> None:
    assert any(problem in found for found in _dump_manifest.problems(copy.deepcopy(MANIFEST) | change, ID))


@pytest.mark.parametrize("name", ["accounts.sql", "databases.sql", "references.jsonl", "source_facts.json"])
def test_every_file_of_a_dump_set_has_to_be_listed(name: str) -> None:
    files = {other: facts for other, facts in MANIFEST["files"].items() if other != name}
    assert _dump_manifest.problems(MANIFEST | {"files": files}, ID) == [f"{name} is not listed"]


def read(text: bytes) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


TEXT = b"""-- Server version\t10.11.19-MariaDB
CREATE DATABASE `s` ;
USE `s`;
CREATE TABLE `t` (
  `a` int
) ENGINE=InnoDB;
-- Dump completed
"""
KINDS = ("tables", "views", "sequences", "triggers", "routines", "events")
NAMES: dict[str, list[str]] = {kind: [] for kind in KINDS} | {"tables": ["t"]}


def test_what_changed_during_a_dump_is_told() -> None:
    reader = read(TEXT)
    assert _dump_manifest.differences(reader, {"s": NAMES}, {"s": NAMES}) == []
    for kind in ("triggers", "routines", "events"):
        found = _dump_manifest.differences(reader, {"s": NAMES}, {"s": {**NAMES, kind: ["new"]}})
        assert found == [
            "tables, views, sequences, triggers, routines or events were created or dropped during the dump"
        ]
    more = {"s": {**NAMES, "tables": ["u"], "views": ["v"]}, "gone": NAMES}
    assert _dump_manifest.differences(reader, more, more) == [
        "s.u is not in the dump",
        "s.t is in the dump only",
        "s.v is not in the dump",
        "schema gone is not in the dump",
    ]


@pytest.mark.parametrize(
    ("engine", "told"),
    [(b"InnoDB", []), (b"ROCKSDB", []), (b"SEQUENCE", []), (b"Aria", ["s.t"]), (b"MyISAM", ["s.t"])],
)
def test_tables_that_no_snapshot_holds_still_are_named(engine: bytes, told: list[str]) -> None:
    described = _dump_manifest.describe(read(TEXT.replace(b"InnoDB", engine)), {"s": NAMES})
    assert described["non_transactional"] == told


DIGESTS: dict[str, t.Any] = {
    "schemas": {"lab": {"charset": "utf8mb4", "collation": "", "code": "0" * 64}},
    "digests": {"lab": {"scan": "1" * 64, "log": "2" * 64}},
    "structures": {"lab": {"scan": "3" * 64, "log": "4" * 64}},
}


def test_a_manifest_with_digests_is_sound() -> None:
    assert _dump_manifest.problems(MANIFEST | DIGESTS, ID) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"digests": None}, "digests is null, not a mapping"),
        ({"digests": {"lab": {"scan": "1" * 64}}}, "digests of lab are not those of its tables"),
        ({"structures": {}}, "structures of lab are not those of its tables"),
        ({"digests": {"lab": {"scan": "1" * 64, "log": "x"}}}, 'digests.lab.log is "x", not a SHA-256'),
        ({"schemas": MANIFEST["schemas"]}, "the digest of the code of lab is missing"),
    ],
)
def test_digests_that_are_not_whole_cannot_be_believed(change: dict[str, t.Any], problem: str) -> None:
    assert any(problem in found for found in _dump_manifest.problems(MANIFEST | DIGESTS | change, ID))


def test_a_folder_that_lay_in_the_data_directory_is_no_schema() -> None:
    facts = MANIFEST["schemas"]["lab"]
    manifest = {"schemas": {"lab": facts, "#mysql50#lost+found": facts, "#odd": facts}}
    assert _dump_manifest.schemas(manifest) == ["#odd", "lab"]


def test_objects_are_compared_by_name() -> None:
    manifest = {"tables": {"s": {"a": 1, "b": 2}}, "schemas": {"s": {"views": ["v"], "events": ["e"]}}}
    there = {"s": {"tables": ["a", "c"], "views": ["v"], "triggers": ["t"], "routines": [], "events": []}}
    assert _dump_manifest.object_problems(manifest, there) == [
        "table s.b is missing",
        "table s.c is not in the dump",
        "trigger s.t is not in the dump",
        "event s.e is missing",
    ]


def test_sequences_are_compared_where_the_manifest_has_them() -> None:
    manifest: dict[str, t.Any] = {"tables": {"s": {}}, "schemas": {"s": {}}}
    there = {"s": {kind: [] for kind in ("tables", "views", "triggers", "routines", "events")} | {"sequences": ["n"]}}
    assert _dump_manifest.object_problems(manifest, there) == []
    manifest["schemas"]["s"]["sequences"] = {"z": {"structure": "0" * 64, "next": 1}}
    assert _dump_manifest.object_problems(manifest, there) == [
        "sequence s.z is missing",
        "sequence s.n is not in the dump",
    ]


def test_a_sequence_in_the_text_is_the_one_of_the_manifest_and_of_the_server() -> None:
    reader = Reader()
    reader.feed(
        b"-- Server version\t10.11.19-MariaDB\nCREATE DATABASE `s` /*!40100 CHARACTER SET utf8mb4 */;\nUSE `s`;\n"
        b"CREATE SEQUENCE `z` start with 1 increment by 1 nocycle ENGINE=InnoDB;\nDO SETVAL(`z`, 7, 0);\n"
        b"-- Dump completed\n"
    )
    inventory = {"s": {kind: [] for kind in ("tables", "views", "triggers", "routines", "events")}}
    inventory["s"]["sequences"] = ["z"]
    manifest = _dump_manifest.describe(reader, inventory)
    assert manifest["schemas"]["s"]["sequences"]["z"]["next"] == 7
    assert _dump_manifest.differences(reader, inventory, inventory) == []
    without = {"s": {**inventory["s"], "sequences": []}}
    assert _dump_manifest.differences(reader, without, without) == ["s.z is in the dump only"]
    assert _dump_manifest.recount_problems(manifest, reader) == []
    manifest["schemas"]["s"]["sequences"]["z"]["next"] = 8
    assert _dump_manifest.recount_problems(manifest, reader) == [
        "s: databases.sql has other sequences, or other numbers of them, than the manifest says"
    ]
    del manifest["schemas"]["s"]["sequences"]
    assert _dump_manifest.recount_problems(manifest, reader) == []


def test_an_empty_manifest_is_only_reported() -> None:
    assert _dump_manifest.problems({}, ID)
    assert _dump_manifest.problems(dict.fromkeys(MANIFEST), ID)
    for name in MANIFEST:
        without = {key: value for key, value in MANIFEST.items() if key != name}
        assert _dump_manifest.problems(without, ID), name
