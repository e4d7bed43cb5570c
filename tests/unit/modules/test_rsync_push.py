# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retries and refusals of a push, with rsync replaced; tests/unit/tools/test_push_real.py sends files."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import rsync_push

RunModule = t.Callable[..., dict[str, t.Any]]
CUT = "rsync: connection unexpectedly closed (2181 bytes received so far) [sender]"
SENT = b"|<f+++++++++|5|a\nTotal transferred file size: 5 bytes\nLiteral data: 5 bytes\n"


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    source, target = tmp_path / "tree", tmp_path / "live"
    source.mkdir()
    target.mkdir()
    (source / "a").write_text("12345")
    (tmp_path / "list").write_bytes(b"a\0")
    return {
        "source": str(source),
        "destination": str(target),
        "files_from": str(tmp_path / "list"),
        "incident": "20261124T081500Z-4d2a10",
        "lock": str(tmp_path / "lock"),
        "retry_wait": 0,
    }


class Rsync:
    """Answers in turn, and keeps what it was asked, the list included."""

    def __init__(self, *answers: tuple[int, bytes, str]) -> None:
        self.answers = list(answers)
        self.calls: list[list[str]] = []
        self.lists: list[bytes] = []
        self.descriptors: list[int] = []

    def __call__(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        rc, stdout, stderr = self.answers.pop(0)
        self.calls.append(list(argv))
        names = next(word for word in argv if word.startswith("--files-from=")).partition("=")[2]
        assert os.stat(names).st_mode & 0o077 == 0
        self.lists.append(pathlib.Path(names).read_bytes())
        self.descriptors.append(len(keywords["pass_fds"]))
        keywords["on_stdout"](stdout)
        for line in stderr.splitlines():
            keywords["on_stderr_line"](line)
        return _command.Outcome(tuple(argv), rc, b"", stderr, 0.1)


def test_a_cut_line_is_tried_again(
    run_module_main: RunModule,
    options: dict[str, t.Any],
    monkeypatch: pytest.MonkeyPatch,
    module_warnings: list[str],
) -> None:
    rsync = Rsync((12, b"", CUT), (0, SENT, ""))
    monkeypatch.setattr(_command, "run", rsync)
    result = run_module_main(rsync_push, options)
    assert {name: result[name] for name in ("changed", "files", "bytes", "created", "sent_bytes", "retries")} == {
        "changed": True,
        "files": 1,
        "bytes": 5,
        "created": 1,
        "sent_bytes": 5,
        "retries": 1,
    }
    assert module_warnings == [f"try 1: rsync exit code 12: {CUT}"]
    assert rsync.lists == [b"./a\0", b"./a\0"]
    assert rsync.descriptors == [1, 1], "rsync itself holds the lock"
    assert all("--ignore-times" in call for call in rsync.calls)


def test_retries_end(
    run_module_main: RunModule,
    options: dict[str, t.Any],
    monkeypatch: pytest.MonkeyPatch,
    module_warnings: list[str],
) -> None:
    monkeypatch.setattr(_command, "run", Rsync((12, b"", CUT), (12, b"", CUT)))
    result = run_module_main(rsync_push, {**options, "retries": 1})
    assert result["failed"]
    assert (
        "failed after 1 retries: the source could not be reached, or the line was cut (rsync exit code 12)"
        in (result["msg"])
    )
    assert (result["kind"], result["rc"]) == ("connection", 12)


def test_what_arrived_in_part_is_a_failure_at_once(
    run_module_main: RunModule, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 'rsync: [receiver] mkstemp "/a" (in blobs) failed: Operation not permitted (1)'
    monkeypatch.setattr(_command, "run", Rsync((23, b"", refused)))
    result = run_module_main(rsync_push, options)
    assert (result["failed"], result["kind"]) == (True, "partial")
    assert "Operation not permitted" in result["msg"]


def test_check_mode_writes_nothing(
    run_module_main: RunModule,
    options: dict[str, t.Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    rsync = Rsync((0, SENT, ""))
    monkeypatch.setattr(_command, "run", rsync)
    result = run_module_main(rsync_push, {**options, "compare": "size_and_time"}, check_mode=True)
    assert (result["changed"], result["created"]) == (True, 1)
    assert "--dry-run" in rsync.calls[0]
    assert "--ignore-times" not in rsync.calls[0]
    assert sorted(os.listdir(tmp_path)) == ["list", "live", "tree"]
    assert not os.listdir(tmp_path / "live")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a", "does not end with a NUL"),
        (b"../a\0", "which is no plain path"),
        (b"/a\0", "which is no plain path"),
        (b"a//b\0", "which is no plain path"),
        (b"a/./b\0", "which is no plain path"),
        (b"a/\0", "which is no plain path"),
        (b"\0", "which is no plain path"),
        (b"b\xff\0", "does not hold b\\xff, which is listed"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path, content: bytes, reason: str
) -> None:
    (tmp_path / "list").write_bytes(content)
    result = run_module_main(rsync_push, options)
    assert result["failed"]
    assert reason in result["msg"]
    assert (result.get("kind") == "content") is ("which is listed" in reason)
    assert not os.listdir(tmp_path / "live")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"incident": "../x"}, "the incident '../x' is not of the form"),
        ({"files_from": "/nonexistent"}, "the list /nonexistent cannot be read"),
        ({"manifest": "/nonexistent"}, "/nonexistent"),
    ],
)
def test_other_refusals(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path, change: dict[str, t.Any], reason: str
) -> None:
    result = run_module_main(rsync_push, {**options, **change})
    assert result["failed"]
    assert reason in result["msg"]
    assert not os.listdir(tmp_path / "live")
