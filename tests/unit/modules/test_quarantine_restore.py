# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused; tests/unit/tools/test_pull_real.py brings files back."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _generation
from ansible_collections.labops.backup.plugins.modules import quarantine_info, quarantine_restore

RunModule = t.Callable[..., dict[str, t.Any]]
RUN = "20241123T023000Z-77b0aa"


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    folder = tmp_path / "q" / RUN / "1" / "sub"
    folder.mkdir(parents=True)
    (folder / "a").write_text("123")
    return {"directory": str(tmp_path / "q"), "run_id": RUN, "path": "sub/a", "destination": str(tmp_path / "out")}


def test_check_mode_copies_nothing(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    result = run_module_main(quarantine_restore, {**options, "lock": str(tmp_path / "lock")}, check_mode=True)
    assert (result["changed"], result["places"]) == (True, [str(tmp_path / "q" / RUN / "1" / "sub" / "a")])
    assert os.listdir(tmp_path) == ["q"]


def test_a_link_on_the_way_is_not_followed(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    """It was taken away as what it is; what it leads to lives, and no run took that away."""
    (tmp_path / "alive").mkdir()
    (tmp_path / "alive" / "a").write_text("alive")
    (tmp_path / "q" / RUN / "1" / "latest").symlink_to(tmp_path / "alive")
    result = run_module_main(quarantine_restore, {**options, "path": "latest/a"})
    assert result["failed"] and "took nothing away from 'latest/a'" in result["msg"]
    asked = {"directory": options["directory"], "path": "latest/a"}
    assert run_module_main(quarantine_info, asked)["versions"] == []
    assert len(run_module_main(quarantine_info, {**asked, "path": "latest"})["versions"]) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"run_id": "20241124T023000Z-000000"}, "holds nothing of run 20241124T023000Z-000000"),
        ({"run_id": "../q"}, "holds nothing of run ../q"),
        ({"path": "sub/b"}, "took nothing away from 'sub/b'"),
        ({"path": "sub/a/b"}, "took nothing away from 'sub/a/b'"),
        ({"path": "../2"}, "is not a path inside the mirror"),
        ({"destination": "out"}, "is not a plain absolute path"),
        ({"generation_file": "/nonexistent"}, "the mirror of /nonexistent is not complete"),
    ],
)
def test_what_cannot_be_is_refused(
    run_module_main: RunModule,
    options: dict[str, t.Any],
    tmp_path: pathlib.Path,
    change: dict[str, t.Any],
    reason: str,
) -> None:
    result = run_module_main(quarantine_restore, {**options, **change})
    assert result["failed"]
    assert reason in result["msg"]
    assert "Nothing was changed" in result["msg"]
    assert os.listdir(tmp_path) == ["q"]


def test_nothing_comes_back_into_a_mirror_that_is_being_written(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    path = str(tmp_path / "generation.json")
    _generation.begin(path, started="2026-11-23T02:30:00Z", dump_set=None, run_id=None)
    result = run_module_main(quarantine_restore, {**options, "generation_file": path})
    assert result["failed"] and f"the mirror of {path} is not complete" in result["msg"]
    assert not (tmp_path / "out").exists()
