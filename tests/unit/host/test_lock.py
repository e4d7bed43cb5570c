# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _lock


def assert_free(path: str) -> None:
    with _lock.hold(path, "a look"):
        pass


def test_the_second_one_is_told_who_holds_it(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "tatchu.blobs.lock")
    with (
        _lock.hold(path, "pull of tatchu/blobs"),
        pytest.raises(BackupError) as caught,
        _lock.hold(path, "borg create"),
    ):
        raise AssertionError("two held it")
    assert caught.value.message == (
        f"{path} is held by pull of tatchu/blobs, process {os.getpid()}. Nothing was changed. "
        "Wait for it to end, then run again."
    )


def test_a_refusal_does_not_take_the_holders_name_away(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    with _lock.hold(path, "the first"):
        for _ in range(2):
            with pytest.raises(BackupError, match="is held by the first, process"), _lock.hold(path, "another"):
                raise AssertionError("two held it")


def test_it_is_free_afterwards_however_the_work_ended(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    with pytest.raises(ZeroDivisionError), _lock.hold(path, "work"):
        raise ZeroDivisionError
    assert_free(path)


def test_two_locks_do_not_touch_each_other(tmp_path: pathlib.Path) -> None:
    with _lock.hold(str(tmp_path / "a.lock"), "a"), _lock.hold(str(tmp_path / "b.lock"), "b"):
        pass


def test_folder_and_file_are_made_for_root_alone(tmp_path: pathlib.Path) -> None:
    before = os.umask(0)
    try:
        with _lock.hold(str(tmp_path / "locks" / "a.lock"), "a"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "locks").stat().st_mode & 0o7777 == 0o700
    assert (tmp_path / "locks" / "a.lock").stat().st_mode & 0o7777 == 0o600


def test_a_name_that_is_longer_than_the_next_one_leaves_no_rest(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lock"
    with _lock.hold(str(path), "long " * 50):
        pass
    with _lock.hold(str(path), "pull of caf\udce9"):
        assert path.read_bytes() == b"pull of caf\xe9, process %d\n" % os.getpid()


def test_it_lives_on_in_a_program_that_outlives_its_module(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    with _lock.hold(path, "borg create of tatchu/blobs") as descriptor:
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=[descriptor])
    try:
        with pytest.raises(BackupError, match="is held by borg create of tatchu/blobs"):
            assert_free(path)
    finally:
        child.communicate()
    assert_free(path)


def test_a_program_that_was_not_given_it_does_not_hold_it(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    with _lock.hold(path, "work"):
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    try:
        assert_free(path)
    finally:
        child.communicate()


def test_a_killed_module_leaves_no_stale_lock(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    child = os.fork()
    if child == 0:
        with _lock.hold(path, "a module"):
            os.kill(os.getpid(), 9)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == 9
    assert_free(path)


BUSY_RUN = "20261123T023000Z-77b0aa"


def test_between_two_steps_of_a_run_no_other_run_gets_it(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    with _lock.hold(path, "pull", run_id=BUSY_RUN, keep=100):
        pass
    for other in (None, "20261123T023001Z-000000"):
        with (
            pytest.raises(BackupError, match=f"is kept for run {BUSY_RUN}, which is between") as caught,
            _lock.hold(path, "another pull", run_id=other),
        ):
            raise AssertionError("two runs held it")
        assert caught.value.facts["kind"] == "busy"
    with _lock.hold(path, "archive", run_id=BUSY_RUN):
        pass
    assert_free(path)


def test_what_is_kept_becomes_free_by_itself(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "lock")
    with _lock.hold(path, "pull", run_id=BUSY_RUN, keep=100):
        pass
    later = _lock._now() + 101
    monkeypatch.setattr(_lock, "_now", lambda: later)
    assert_free(path)


def test_after_a_failed_step_nothing_is_kept(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    with pytest.raises(ZeroDivisionError), _lock.hold(path, "pull", run_id=BUSY_RUN, keep=100):
        raise ZeroDivisionError
    assert_free(path)
