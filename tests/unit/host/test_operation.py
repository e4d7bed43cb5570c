# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that outlives its caller, with real processes."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import signal
import time
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _operation

Answer = dict[str, t.Any]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    return str(tmp_path / "operations" / "20261124T081500Z-4d2a10.blobs.push")


@pytest.fixture
def once(tmp_path: pathlib.Path) -> t.Callable[..., Answer]:
    """Work that leaves a line each time it is done, and may wait for a gate to be opened."""

    def work(*, gate: pathlib.Path | None = None, failure: bool = False) -> Answer:
        with open(tmp_path / "done", "a") as stream:
            stream.write(f"{os.getpid()}\n")
        while gate is not None and not gate.exists():
            time.sleep(0.01)
        return {"failure": {"msg": "no"}} if failure else {"result": {"files": 3}}

    return work


def times(tmp_path: pathlib.Path) -> int:
    return len((tmp_path / "done").read_text().splitlines())


def attend(path: str, work: t.Callable[[], Answer], *, identity: str = "a", **keywords: t.Any) -> Answer:
    return _operation.attend(path, identity, work, **{"begin": True, "wait": 10.0, **keywords})


def test_short_work_is_answered_at_once_and_not_by_the_caller(
    path: str, once: t.Callable[..., Answer], tmp_path: pathlib.Path
) -> None:
    assert attend(path, once) == {"result": {"files": 3}}
    assert int((tmp_path / "done").read_text()) != os.getpid()


def test_work_goes_on_without_its_caller_and_is_followed_by_another(
    path: str, once: t.Callable[..., Answer], tmp_path: pathlib.Path
) -> None:
    gate = tmp_path / "gate"
    first = attend(path, lambda: once(gate=gate), wait=0.3)
    assert (first["unfinished"], first["begun"]) == (True, True)
    second = attend(path, lambda: once(gate=gate), begin=False, wait=0.1)
    assert second["unfinished"]
    gate.touch()
    assert attend(path, once) == {"result": {"files": 3}}, "somebody who goes on after a crash"
    assert times(tmp_path) == 1


def test_a_good_end_is_not_repeated_for_the_same_work_only(
    path: str, once: t.Callable[..., Answer], tmp_path: pathlib.Path
) -> None:
    attend(path, once)
    attend(path, once)
    assert times(tmp_path) == 1
    attend(path, once, identity="b")
    assert times(tmp_path) == 2
    attend(path, once, identity="b", reuse=False)
    assert times(tmp_path) == 3


def test_a_failure_is_told_once_and_then_begun_anew(
    path: str, once: t.Callable[..., Answer], tmp_path: pathlib.Path
) -> None:
    assert attend(path, lambda: once(failure=True)) == {"failure": {"msg": "no"}}
    assert attend(path, once) == {"result": {"files": 3}}
    assert times(tmp_path) == 2


def test_a_failure_that_nobody_heard_is_begun_anew(
    path: str, once: t.Callable[..., Answer], tmp_path: pathlib.Path
) -> None:
    assert attend(path, lambda: once(failure=True), wait=0.0)["unfinished"]
    until(lambda: not _operation._is_held(f"{path}.lock"))
    assert attend(path, once) == {"result": {"files": 3}}


def until(good: t.Callable[[], bool]) -> None:
    for _attempt in range(500):
        if good():
            return
        time.sleep(0.01)
    raise AssertionError("not within 5 s")


def test_work_that_is_killed_is_a_failure_for_who_began_it_and_begun_anew_by_the_next(
    path: str, once: t.Callable[..., Answer], tmp_path: pathlib.Path
) -> None:
    assert attend(path, lambda: once(gate=tmp_path / "never"), wait=0.3)["unfinished"]
    os.kill(int((tmp_path / "done").read_text()), signal.SIGKILL)
    answer = attend(path, once, begin=False)
    assert "was ended before it was done" in answer["failure"]["msg"]
    assert attend(path, once) == {"result": {"files": 3}}


@pytest.fixture
def full(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """As long as this file is there, no answer can be written."""
    flag = tmp_path / "full"
    flag.touch()
    write = _document.write

    def refuse(where: str, document: dict[str, t.Any], **keywords: t.Any) -> None:
        if "answer" in document and flag.exists():
            raise OSError(errno.ENOSPC, "No space left on device", where)
        write(where, document, **keywords)

    monkeypatch.setattr(_document, "write", refuse)
    monkeypatch.setattr(_operation, "_ANSWER_PAUSE_SECONDS", 0.05)
    return flag


def test_an_answer_that_finds_no_room_is_written_when_there_is_some(
    path: str, once: t.Callable[..., Answer], full: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    assert attend(path, once, wait=0.5)["unfinished"]
    assert _operation.outlast(path, [], wait=0.0)["unfinished"]
    full.unlink()
    assert attend(path, once, begin=False) == {"result": {"files": 3}}
    assert times(tmp_path) == 1


def test_an_answer_that_never_finds_room_is_given_up_and_the_place_is_named(
    path: str, once: t.Callable[..., Answer], full: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_operation, "_ANSWER_SECONDS", 0.2)
    said = attend(path, once)["failure"]["msg"]
    assert said.endswith(f"or could not leave its answer in {path}. See that there is room, and run again.")
    full.unlink()
    assert attend(path, once) == {"result": {"files": 3}}


def test_a_folder_in_the_place_of_an_answer_is_named(path: str, once: t.Callable[..., Answer]) -> None:
    os.makedirs(path)
    with pytest.raises(IsADirectoryError) as caught:
        attend(path, once)
    assert path in (caught.value.filename, caught.value.filename2)
    os.rmdir(path)
    os.makedirs(path + _operation.PROGRESS)
    assert _operation._read(path + _operation.PROGRESS) == {}


def test_other_work_under_the_same_name_is_waited_for(
    path: str, once: t.Callable[..., Answer], tmp_path: pathlib.Path
) -> None:
    gate = tmp_path / "gate"
    attend(path, lambda: once(gate=gate), wait=0.3)
    waiting = attend(path, once, identity="b", wait=0.1)
    assert (waiting["unfinished"], waiting["begun"]) == (True, False)
    gate.touch()
    assert attend(path, once, identity="b") == {"result": {"files": 3}}
    assert times(tmp_path) == 2


def test_a_program_that_was_left_behind_is_waited_for(
    path: str, once: t.Callable[..., Answer], tmp_path: pathlib.Path
) -> None:
    lock = tmp_path / "blobs.lock"
    with open(lock, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert attend(path, once, locks=[str(lock)], wait=0.1) == {"unfinished": True, "begun": False, "progress": {}}
        assert not (tmp_path / "done").exists()
    assert attend(path, once, locks=[str(lock)]) == {"result": {"files": 3}}


def test_a_bug_reaches_who_asks(path: str) -> None:
    def work() -> Answer:
        raise ZeroDivisionError("by zero")

    failure = attend(path, work)["failure"]
    assert failure["msg"] == "ZeroDivisionError: by zero" and "in work" in failure["exception"]
