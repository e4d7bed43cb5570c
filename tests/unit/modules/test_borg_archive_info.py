# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import borg_archive_info

RunModule = t.Callable[..., dict[str, t.Any]]
NAME = "tatchu-blobs-20261123T023000Z-77b0aa"


@pytest.mark.parametrize("check_mode", [False, True])
def test_one_archive_by_name_in_check_mode_too(
    recorded_borg: t.Any, run_module_main: RunModule, check_mode: bool
) -> None:
    recorded_borg.will("info_archive")
    result = run_module_main(borg_archive_info, {**recorded_borg.options, "archive": NAME}, check_mode=check_mode)
    assert [(archive["name"], archive["nfiles"]) for archive in result["archives"]] == [(NAME, 3)]
    assert (result["changed"], len(result["repository_id"])) == (False, 64)


def test_an_archive_that_is_not_there_is_a_failure(recorded_borg: t.Any, run_module_main: RunModule) -> None:
    recorded_borg.will("info_no_archive")
    result = run_module_main(borg_archive_info, {**recorded_borg.options, "archive": "nosuch"})
    assert result["failed"] and result["msgid"] == "Archive.DoesNotExist"


def test_a_checkpoint_is_no_archive(recorded_borg: t.Any, run_module_main: RunModule) -> None:
    result = run_module_main(borg_archive_info, {**recorded_borg.options, "archive": f"{NAME}.checkpoint"})
    assert result["failed"] and "cannot name an archive" in result["msg"]
    assert recorded_borg.verbs == []


def test_the_newest_that_match(recorded_borg: t.Any, run_module_main: RunModule) -> None:
    recorded_borg.will("list_with_checkpoints", "info_glob")
    result = run_module_main(borg_archive_info, {**recorded_borg.options, "glob": "tatchu-blobs-*", "last": 2})
    assert [archive["name"][-6:] for archive in result["archives"]] == ["0c41d2", "77b0aa"]


@pytest.mark.parametrize("last", [0, -1])
def test_fewer_than_one_is_refused(recorded_borg: t.Any, run_module_main: RunModule, last: int) -> None:
    result = run_module_main(borg_archive_info, {**recorded_borg.options, "last": last})
    assert result["failed"] and f"last is {last}" in result["msg"]
