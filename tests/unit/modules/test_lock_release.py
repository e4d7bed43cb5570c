# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run whose next step will not come gives up what is kept for it, and nothing else."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _lock
from ansible_collections.labops.backup.plugins.modules import lock_release

RunModule = t.Callable[..., dict[str, t.Any]]
RUN, OTHER = "20261123T023000Z-77b0aa", "20261123T023001Z-000000"


@pytest.fixture
def kept(tmp_path: pathlib.Path) -> str:
    path = str(tmp_path / "tatchu.blobs.lock")
    with _lock.hold(path, "pull", run_id=RUN, keep=100):
        pass
    return path


def assert_kept(path: str) -> None:
    with pytest.raises(BackupError, match=f"is kept for run {RUN}"), _lock.hold(path, "a look", run_id=OTHER):
        raise AssertionError("two runs held it")


def test_afterwards_another_run_gets_it_at_once(run_module_main: RunModule, kept: str) -> None:
    assert_kept(kept)
    assert run_module_main(lock_release, {"lock": kept, "run_id": RUN})["changed"]
    assert not run_module_main(lock_release, {"lock": kept, "run_id": RUN})["changed"]
    with _lock.hold(kept, "pull", run_id=OTHER):
        pass


def test_check_mode_gives_up_nothing(run_module_main: RunModule, kept: str) -> None:
    assert run_module_main(lock_release, {"lock": kept, "run_id": RUN}, check_mode=True)["changed"]
    assert_kept(kept)


def test_what_is_kept_for_another_run_stays(run_module_main: RunModule, kept: str) -> None:
    assert not run_module_main(lock_release, {"lock": kept, "run_id": OTHER})["changed"]
    assert_kept(kept)


def test_what_is_held_stays(run_module_main: RunModule, kept: str) -> None:
    with _lock.hold(kept, "archive", run_id=RUN):
        assert not run_module_main(lock_release, {"lock": kept, "run_id": RUN})["changed"]
        with pytest.raises(BackupError, match="is held by archive"), _lock.hold(kept, "a look", run_id=OTHER):
            raise AssertionError("two runs held it")


def test_without_a_lock_file_there_is_nothing_to_give_up(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    assert not run_module_main(lock_release, {"lock": str(tmp_path / "none"), "run_id": RUN})["changed"]
    assert list(tmp_path.iterdir()) == []
