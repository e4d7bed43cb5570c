# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import borg_repository_info

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_repository_is_described_in_check_mode_too(
    recorded_borg: t.Any, run_module_main: RunModule, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    path = tmp_path / "blobs"
    path.mkdir()
    (path / "config").write_text("")
    recorded_borg.will("list", "info_repository", "config_get")
    result = run_module_main(
        borg_repository_info, {**recorded_borg.options, "repository": str(path)}, check_mode=check_mode
    )
    assert (result["changed"], result["exists"], result["free_space_reserve"]) == (False, True, "20M")
    assert [archive["name"][-6:] for archive in result["archives"]] == ["0c41d2", "77b0aa"]
    assert 0 < result["original_size"] < result["deduplicated_size"]
    assert result["last_modified"].endswith("Z")


def test_without_sizes_it_is_only_opened(
    recorded_borg: t.Any, run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/config").write_text("")
    recorded_borg.will("list", "config_get")
    options = {**recorded_borg.options, "repository": str(tmp_path / "blobs"), "sizes": False}
    result = run_module_main(borg_repository_info, options)
    assert result["exists"] and "original_size" not in result and len(result["archives"]) == 2
    assert [words[0] for words in recorded_borg.verbs] == ["list", "config"]


@pytest.mark.parametrize("check_mode", [False, True])
def test_each_archive_is_opened_when_that_is_asked_for(
    recorded_borg: t.Any, run_module_main: RunModule, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/config").write_text("")
    options = {
        **recorded_borg.options,
        "repository": str(tmp_path / "blobs"),
        "sizes": False,
        "open_archives": True,
    }
    recorded_borg.will("list", "list_opened", "config_get")
    result = run_module_main(borg_repository_info, options, check_mode=check_mode)
    assert result["exists"] and not result["changed"] and len(result["archives"]) == 2
    assert [words[:2] for words in recorded_borg.verbs] == [
        ["list", "--json"],
        ["list", "--format"],
        ["config", options["repository"]],
    ]


def test_the_key_is_told_by_the_hash_of_what_would_be_exported(
    recorded_borg: t.Any, run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/config").write_text("")
    recorded_borg.cases["key"] = {**recorded_borg.cases["init"], "stdout": "BORG_KEY 4579\nhqlh\n"}
    recorded_borg.will("list", "config_get", "key")
    options = {**recorded_borg.options, "repository": str(tmp_path / "blobs"), "sizes": False, "key_digest": True}
    result = run_module_main(borg_repository_info, options)
    assert result["key_sha256"] == hashlib.sha256(b"BORG_KEY 4579\nhqlh\n").hexdigest()
    assert recorded_borg.verbs[-1][:2] == ["key", "export"]


@pytest.mark.parametrize("empty_folder", [False, True])
def test_nothing_there_is_no_failure(
    recorded_borg: t.Any, run_module_main: RunModule, tmp_path: pathlib.Path, empty_folder: bool
) -> None:
    if empty_folder:
        (tmp_path / "blobs").mkdir()
    recorded_borg.options["path"] = str(tmp_path / "blobs")
    del recorded_borg.options["repository"]
    result = run_module_main(borg_repository_info, recorded_borg.options)
    assert (result["exists"], result["borg_version"]) == (False, recorded_borg.version)
    assert recorded_borg.verbs == []


def test_a_file_in_its_place_is_for_borg_to_judge(
    recorded_borg: t.Any, run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "blobs").write_text("")
    recorded_borg.will("foreign")
    result = run_module_main(borg_repository_info, {**recorded_borg.options, "repository": str(tmp_path / "blobs")})
    assert result["failed"] and result["msgid"] == "Repository.InvalidRepository"


@pytest.mark.parametrize("check_mode", [False, True])
def test_another_disk_is_told_before_a_repository_that_is_not_there(
    recorded_borg: t.Any, run_module_main: RunModule, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    """A missing mount was told as a missing repository, with the advice to make one."""
    (tmp_path / "known.json").write_text('{"schema_version": 1, "id": "a"}')
    root = {"path": str(tmp_path / "disk"), "document": str(tmp_path / "known.json")}
    options = {**recorded_borg.options, "repository": str(tmp_path / "disk/borg/blobs"), "root": root}
    said = run_module_main(borg_repository_info, options, check_mode=check_mode)["msg"]
    assert "the file system of backup_root is not mounted" in said and "Nothing was changed" in said
    assert recorded_borg.verbs == []
