# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import threading
import types
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _hold

HOLD = {"source": "tatchu", "incident": "20261123T091500Z-5be1d0", "since": "2026-11-23T09:15:02Z", "reason": "a\x07b"}


def module(path: pathlib.Path | None, *, check_mode: bool = False) -> t.Any:
    return types.SimpleNamespace(params={"hold": None if path is None else str(path)}, check_mode=check_mode)


def test_without_a_hold_the_work_is_done(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "hold" / "tatchu.json"
    work = _hold.respecting(lambda _module: {"done": True})
    assert work(module(path)) == work(module(None)) == work(module(path, check_mode=True)) == {"done": True}


def test_check_mode_leaves_no_lock_behind(tmp_path: pathlib.Path) -> None:
    _hold.respecting(lambda _module: {})(module(tmp_path / "hold" / "tatchu.json", check_mode=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_hold_names_its_incident_and_no_work_is_done(tmp_path: pathlib.Path, check_mode: bool) -> None:
    path = tmp_path / "tatchu.json"
    _document.write(str(path), HOLD)
    done: list[t.Any] = []
    with pytest.raises(BackupError) as caught:
        _hold.respecting(lambda given: {"done": done.append(given)})(module(path, check_mode=check_mode))
    assert caught.value.message == (
        "tatchu is held by incident 20261123T091500Z-5be1d0 since 2026-11-23T09:15:02Z (a\\x07b). Nothing was changed. "
        "Backups go on by themselves after restore.yml was run with the tag release."
    )
    assert done == []


def test_a_hold_that_cannot_be_read_is_one_too(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tatchu.json"
    path.write_text("{")
    with pytest.raises(BackupError, match="is not a JSON document"):
        _hold.respecting(lambda _module: {})(module(path))


def test_who_looked_before_the_hold_was_there_is_waited_for(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tatchu.json"
    began, go_on = threading.Event(), threading.Event()

    def work(_module: t.Any) -> dict[str, t.Any]:
        began.set()
        go_on.wait(10)
        return {}

    worker = threading.Thread(target=_hold.respecting(work), args=(module(path),))
    worker.start()
    began.wait(10)
    with pytest.raises(BackupError, match="a job is still at work after 0 s: a backup module"):
        _hold.wait_for_workers(str(path), 0)
    go_on.set()
    worker.join(10)
    _hold.wait_for_workers(str(path), 0)


def test_two_may_work_side_by_side(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tatchu.json"
    inner = _hold.respecting(lambda _module: {"inner": True})
    assert _hold.respecting(lambda given: inner(given))(module(path)) == {"inner": True}
