# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import borg_repository

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def options(recorded_borg: t.Any, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """Of a repository whose folder exists but is empty."""
    path = tmp_path / "blobs"
    path.mkdir()
    return {**recorded_borg.options, "repository": str(path)}


@pytest.fixture
def existing(options: dict[str, t.Any]) -> dict[str, t.Any]:
    pathlib.Path(options["repository"], "config").write_text("")
    return options


def id_of(recorded_borg: t.Any, case: str) -> str:
    return str(json.loads(recorded_borg.cases[case]["stdout"])["repository"]["id"])


def test_a_repository_is_created(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    path = options["repository"]
    recorded_borg.will("init", "config_set", "list_empty")
    result = run_module_main(borg_repository, options)
    assert (result["changed"], result["created"]) == (True, True)
    assert result["repository_id"] == id_of(recorded_borg, "list_empty")
    assert result["borg_version"] == recorded_borg.version
    assert recorded_borg.verbs == [
        ["init", "--encryption", "repokey-blake2", path],
        ["config", path, "additional_free_space", "2G"],
        ["list", "--json", path],
    ]


def test_nothing_is_changed_twice(
    recorded_borg: t.Any, run_module_main: RunModule, existing: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    key = tmp_path / "key"
    recorded_borg.cases["key"] = {**recorded_borg.cases["init"], "stdout": "BORG_KEY 4579\nhqlh\n"}
    recorded_borg.will("list_empty", "config_get", "key", "list_empty")
    asked = {**existing, "free_space_reserve": "0.02G", "key_export_file": str(key)}
    first = run_module_main(borg_repository, asked)
    assert (first["changed"], first["created"], key.read_text()) == (True, False, "BORG_KEY 4579\nhqlh\n")
    assert key.stat().st_mode & 0o777 == 0o600
    recorded_borg.will("list_empty", "config_get", "key", "list_empty")
    assert run_module_main(borg_repository, asked)["changed"] is False
    key.chmod(0o644)
    recorded_borg.will("list_empty", "config_get", "key", "list_empty")
    assert run_module_main(borg_repository, asked)["changed"] is True
    assert key.stat().st_mode & 0o777 == 0o600
    assert not any("init" in words or "20M" in words for words in recorded_borg.verbs)


def test_another_reserve_is_set(recorded_borg: t.Any, run_module_main: RunModule, existing: dict[str, t.Any]) -> None:
    recorded_borg.will("list_empty", "config_get", "config_set", "list_empty")
    result = run_module_main(borg_repository, existing)
    assert result["changed"] is True
    assert result["diff"]["before"]["free_space_reserve"] == "20M"
    assert result["diff"]["after"]["free_space_reserve"] == "2G"
    assert recorded_borg.verbs[2] == ["config", existing["repository"], "additional_free_space", "2G"]


def test_check_mode_predicts_and_changes_nothing(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    asked = {**options, "key_export_file": str(tmp_path / "key")}
    result = run_module_main(borg_repository, asked, check_mode=True)
    assert (result["changed"], result["created"], result["repository_id"]) == (True, True, None)
    assert result["diff"]["before"]["encryption"] is None
    assert (recorded_borg.verbs, os.listdir(options["repository"])) == ([], [])
    assert not (tmp_path / "key").exists()


def test_check_mode_of_an_existing_repository_only_reads(
    recorded_borg: t.Any, run_module_main: RunModule, existing: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    recorded_borg.will("list_empty", "config_get", "config_get", "list_empty")
    asked = {**existing, "key_export_file": str(tmp_path / "key")}
    result = run_module_main(borg_repository, asked, check_mode=True)
    assert (result["changed"], result["created"]) == (True, False)
    assert [words[0] for words in recorded_borg.verbs] == ["list", "config", "key", "list"]
    assert len(recorded_borg.verbs[1]) == 3
    assert not (tmp_path / "key").exists()


def test_another_encryption_is_refused(
    recorded_borg: t.Any, run_module_main: RunModule, existing: dict[str, t.Any]
) -> None:
    recorded_borg.will("list_empty")
    result = run_module_main(borg_repository, {**existing, "encryption": "repokey"})
    assert result["failed"] and "has the encryption repokey-blake2, not repokey" in result["msg"]


@pytest.mark.parametrize("reserve", ["5M", "9999999", "much"])
def test_a_reserve_that_borg_would_refuse(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], reserve: str
) -> None:
    result = run_module_main(borg_repository, {**options, "free_space_reserve": reserve})
    assert result["failed"] and reserve in result["msg"]
    assert recorded_borg.verbs == []


def test_something_else_at_the_path_is_left_alone(
    recorded_borg: t.Any, run_module_main: RunModule, existing: dict[str, t.Any]
) -> None:
    recorded_borg.will("foreign")
    result = run_module_main(borg_repository, existing)
    assert result["failed"] and result["msgid"] == "Repository.InvalidRepository"
    assert [words[0] for words in recorded_borg.verbs] == ["list"]


def test_a_key_that_is_not_the_repositorys_is_replaced(
    recorded_borg: t.Any, run_module_main: RunModule, existing: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    key = tmp_path / "key"
    key.write_text("BORG_KEY of another repository\n")
    key.chmod(0o600)
    recorded_borg.cases["key"] = {**recorded_borg.cases["init"], "stdout": "BORG_KEY 4579\nhqlh\n"}
    recorded_borg.will("list_empty", "config_get", "key", "list_empty")
    asked = {**existing, "free_space_reserve": "0.02G", "key_export_file": str(key)}
    assert run_module_main(borg_repository, asked)["changed"] is True
    assert key.read_text() == "BORG_KEY 4579\nhqlh\n"
