# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import recovery_point, recovery_point_files

RunModule = t.Callable[..., dict[str, t.Any]]
POINT = "20261123T023000Z-77b0aa"


@pytest.fixture
def asked(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
    tmp_path: pathlib.Path,
) -> dict[str, t.Any]:
    manifest = tmp_path / "blobs"
    manifest.write_bytes(b"what the mirror held\n")
    run_module_main(recovery_point, {**point_options, "files": {"blobs.content": {"path": str(manifest)}}})
    return {**point_connection, "point": POINT, "directory": str(tmp_path / "seal")}


def test_the_files_of_a_seal_are_laid_out_but_not_in_check_mode(
    run_module_main: RunModule, borg_in_memory: t.Any, asked: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    predicted = run_module_main(recovery_point_files, asked, check_mode=True)
    assert predicted["changed"] and not (tmp_path / "seal").exists()
    done = run_module_main(recovery_point_files, asked)
    assert done["point"]["point"] == POINT and sorted(done["files"]) == ["blobs.content", "manifest.json", "point.json"]
    assert pathlib.Path(done["files"]["blobs.content"]).read_bytes() == b"what the mirror held\n"
    assert json.loads(pathlib.Path(done["files"]["point.json"]).read_text())["point"] == POINT
    assert not run_module_main(recovery_point_files, asked)["changed"]
    pathlib.Path(done["files"]["blobs.content"]).write_bytes(b"something else")
    assert run_module_main(recovery_point_files, asked)["failed"]


def test_other_bytes_than_were_sealed_are_refused(
    run_module_main: RunModule, borg_in_memory: t.Any, asked: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    borg_in_memory.damage = b"x"
    refused = run_module_main(recovery_point_files, asked)
    assert refused["failed"] and "blobs.content in the seal" in refused["msg"]
    assert not (tmp_path / "seal").exists()


def test_a_point_that_is_not_there_is_refused(run_module_main: RunModule, asked: dict[str, t.Any]) -> None:
    refused = run_module_main(recovery_point_files, {**asked, "point": "20200101T000000Z-000000"})
    assert refused["failed"] and "there is no recovery point" in refused["msg"]
