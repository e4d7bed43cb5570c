# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _compatibility
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader

RECORDED = (pathlib.Path(__file__).parent.parent / "fixtures" / "mariadb-10.11.19.databases.sql").read_bytes()
SOURCE = {"lower_case_table_names": "0", "character_set_server": "utf8mb4", "collation_server": "utf8mb4_general_ci"}
TARGET = _compatibility.Target(
    engine="mariadb",
    version="10.11.19-MariaDB",
    variables={**SOURCE, "max_allowed_packet": "16777216"},
    collations=("utf8mb4_general_ci",),
    schemas=(),
    free_bytes=1_000_000,
    replaced_bytes=0,
)


def judge(
    chosen: t.Sequence[str] = ("lab_core", "lab_imaging", "odd`name"),
    text: bytes = RECORDED,
    data_bytes: int | None = 500_000,
    allow_cross_engine: bool = False,
    variables: t.Mapping[str, str] = SOURCE,
    **target: t.Any,
) -> dict[str, bool]:
    reader = Reader()
    reader.feed(text)
    findings = _compatibility.judge(
        reader,
        chosen,
        dataclasses.replace(TARGET, **target),
        data_bytes=data_bytes,
        variables=variables,
        events=False,
        allow_cross_engine=allow_cross_engine,
    )
    return {finding.rule: finding.refuses for finding in findings}


def test_the_server_that_was_dumped_can_take_its_dump() -> None:
    assert judge() == {}


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("10.11.2-MariaDB", {}),
        ("10.12.0-MariaDB", {}),
        ("11.4.2-MariaDB", {"newer": False}),
        ("10.6.18-MariaDB", {"older": True}),
        ("unknown", {"version": True}),
    ],
)
def test_only_the_same_or_a_newer_series_is_good(version: str, found: dict[str, bool]) -> None:
    assert judge(version=version) == found


def test_another_engine_is_refused_unless_it_is_wanted_and_what_it_does_not_know_always_is() -> None:
    other = {"engine": "mysql", "version": "8.0.36", "collations": ("utf8mb4_0900_ai_ci",)}
    assert judge(**other) == {"engine": True, "collation": True}
    assert judge(**other, allow_cross_engine=True) == {"engine": False, "collation": True}


def test_a_collation_of_a_column_counts() -> None:
    text = RECORDED.replace(b"`note` varchar(400)", b"`note` varchar(400) COLLATE utf8mb4_uca1400_ai_ci")
    assert judge(text=text) == {"collation": True}
    assert judge(text=text, chosen=["odd`name"]) == {}
    comment = RECORDED.replace(b"COMMENT ':attach@notes:'", b"COMMENT 'a COLLATE nothing b'")
    assert judge(text=comment) == {}


def test_the_old_name_of_utf8mb3_is_known() -> None:
    text = RECORDED.replace(b"`note` varchar(400)", b"`note` varchar(400) COLLATE utf8_bin")
    collations = ("utf8mb4_general_ci", "utf8mb3_bin")
    assert judge(text=text, collations=collations) == {}
    assert judge(text=text) == {"collation": True}


def test_a_schema_that_a_foreign_key_refers_to_has_to_come_or_be_there() -> None:
    assert judge(chosen=["lab_imaging"]) == {"foreign_key": True}
    assert judge(chosen=["lab_imaging"], schemas=["lab_core"]) == {}
    assert judge(chosen=["lab_core"]) == {}


def test_the_largest_statement_of_the_chosen_schemas_has_to_fit() -> None:
    small = {**TARGET.variables, "max_allowed_packet": "2000"}
    reader = Reader()
    reader.feed(RECORDED)

    def rules(chosen: list[str]) -> list[str]:
        target = dataclasses.replace(TARGET, variables=small, schemas=["lab_core"])
        found = _compatibility.judge(
            reader, chosen, target, data_bytes=1, variables=SOURCE, events=True, allow_cross_engine=False
        )
        return [finding.rule for finding in found]

    assert rules(["lab_imaging"]) == ["packet"]
    assert rules(["lab_core"]) == []


def test_there_has_to_be_room_for_the_chosen_share() -> None:
    assert judge(data_bytes=900_000) == {"space": True}
    assert judge(data_bytes=900_000, replaced_bytes=200_000) == {}
    assert judge(data_bytes=900_000, chosen=["lab_core"]) == {}
    assert judge(data_bytes=None) == {"space": False}
    assert judge(free_bytes=None) == {"space": False}


def test_what_servers_make_of_names_and_defaults() -> None:
    capitals = RECORDED.replace(b"`subject`", b"`Subject`")
    lower = {**TARGET.variables, "lower_case_table_names": "1"}
    assert judge_with(lower, capitals) == {"names": True}
    assert judge_with(lower, RECORDED.replace(b" ) VALUES`", b" ) values`")) == {}
    assert judge_with({**TARGET.variables, "collation_server": "latin1_swedish_ci"}, RECORDED) == {"default": False}
    assert judge_with({**TARGET.variables, "event_scheduler": "OFF"}, RECORDED) == {}
    assert judge_with({**TARGET.variables, "event_scheduler": "ON"}, RECORDED) == {"events": False}
    assert judge_with({**TARGET.variables, "event_scheduler": "DISABLED"}, RECORDED) == {"events": True}
    assert judge_with({**TARGET.variables, "super_read_only": "ON"}, RECORDED) == {"read_only": True}


def judge_with(variables: dict[str, str], text: bytes) -> dict[str, bool]:
    reader = Reader()
    reader.feed(text)
    target = dataclasses.replace(TARGET, variables=variables)
    chosen = list(reader.schemas)
    found = _compatibility.judge(
        reader, chosen, target, data_bytes=1, variables=SOURCE, events=True, allow_cross_engine=False
    )
    return {finding.rule: finding.refuses for finding in found}


def afar(sandboxed: bool = True, manifest: dict[str, t.Any] | None = None, **target: t.Any) -> dict[str, bool]:
    reader = Reader()
    reader.feed(RECORDED)
    described = {**dataclasses.asdict(TARGET), "accounts": ["root@localhost"], "client": "10.11.19", "sandbox": True}
    described |= {"data_bytes": described.pop("replaced_bytes"), "collations": [*TARGET.collations], "schemas": []}
    whole = {"schemas": {name: {} for name in reader.schemas}, "data_bytes": 500_000, "variables": SOURCE}
    findings = _compatibility.judge_from_afar(
        reader, {**whole, **(manifest or {})}, {**described, **target}, sandboxed=sandboxed
    )
    return {finding.rule: finding.refuses for finding in findings}


def test_a_server_that_described_itself_is_judged_like_one_that_is_asked() -> None:
    assert afar() == {}
    assert afar(version="10.6.18-MariaDB", collations=[]) == {"older": True, "collation": True}
    assert afar(free_bytes=1) == {"space": True}
    assert afar(free_bytes=1, data_bytes=1_000_000) == {}


def test_a_client_has_to_know_the_sandbox_that_the_dump_turns_on() -> None:
    assert afar(sandbox=False) == {"client": True}
    assert afar(sandboxed=False, sandbox=False) == {}


def test_whose_rights_code_runs_with_has_to_be_an_account_there_or_in_the_dump_set() -> None:
    definers = {"definers": ["ann@%", "root@localhost"]}
    assert afar(manifest=definers) == {"definer": False}
    assert afar(manifest={**definers, "accounts": ["ann@%"]}) == {}
    assert afar(manifest=definers, accounts=["ann@%", "root@localhost"]) == {}


def test_engines_alone_are_compared_by_kind_and_series() -> None:
    rules = [finding.rule for finding in _compatibility.engines("mariadb", "10.11.19-MariaDB", "mysql", "9.7.4")]
    assert rules == ["engine"]
    assert list(_compatibility.engines("mariadb", "10.11.19-MariaDB", "mariadb", "10.11.2-MariaDB")) == []


def test_events_of_the_dump_count_where_the_server_described_itself() -> None:
    variables = {**TARGET.variables, "event_scheduler": "DISABLED"}
    schemas = {"lab_core": {}, "lab_imaging": {}, "odd`name": {"events": ["e"]}}
    assert afar(variables=variables) == {}
    assert afar(variables=variables, manifest={"schemas": schemas}) == {"events": True}


def test_a_schema_with_capital_letters_counts_where_names_are_taken_otherwise() -> None:
    variables = {**TARGET.variables, "lower_case_table_names": "1"}
    target = dataclasses.replace(TARGET, variables=variables)
    assert list(_compatibility._names(["lab_core"], [], SOURCE, target)) == []
    (found,) = _compatibility._names(["Lab_core"], [], SOURCE, target)
    assert (found.rule, found.refuses) == ("names", True)


@pytest.mark.parametrize(("dumped", "there"), [("unknown", "10.11.2-MariaDB"), ("10.11.2-MariaDB", "unknown")])
def test_a_version_that_nobody_can_read_is_refused_on_either_side(dumped: str, there: str) -> None:
    (found,) = _compatibility.engines("mariadb", dumped, "mariadb", there)
    assert (found.rule, found.refuses) == ("version", True)
