# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import rsync_census_info

RunModule = t.Callable[..., dict[str, t.Any]]

OUTPUT = b"""|*deleting  |0|old
|cd+++++++++|4096|sub/
|>f+++++++++|5|sub/a
|.f...p.....|5|b
Number of files: 32 (reg: 29, dir: 2, link: 1)
Total file size: 150 bytes
Total transferred file size: 5 bytes
"""


@pytest.fixture
def rsync(monkeypatch: pytest.MonkeyPatch, rsync_version: bytes) -> dict[str, t.Any]:
    state: dict[str, t.Any] = {"stdout": OUTPUT, "stderr": "", "rc": 0, "argv": [], "version": rsync_version}

    def fake(argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        if argv[1:] == ["-VV"]:
            return _command.Outcome(tuple(argv), 0, state["version"], "", 0.0)
        state["argv"].append(argv)
        keywords["on_stdout"](state["stdout"])
        for line in state["stderr"].splitlines():
            keywords["on_stderr_line"](line)
        return _command.Outcome(tuple(argv), state["rc"], b"", state["stderr"], 1.25)

    monkeypatch.setattr(_command, "run", fake)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return state


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    (tmp_path / "source").mkdir()
    return {"source": str(tmp_path / "source"), "destination": str(tmp_path / "mirror")}


@pytest.mark.parametrize("check_mode", [False, True])
def test_it_counts_and_changes_nothing_in_check_mode_or_not(
    run_module_main: RunModule,
    rsync: dict[str, t.Any],
    options: dict[str, t.Any],
    tmp_path: pathlib.Path,
    check_mode: bool,
) -> None:
    result = run_module_main(rsync_census_info, options, check_mode=check_mode)
    result.pop("invocation")
    assert result == {
        "changed": False,
        "created": 1,
        "created_directories": 1,
        "changed_files": 0,
        "metadata": 1,
        "deleted": 1,
        "deleted_files": 1,
        "files_on_source": 30,
        "bytes_on_source": 150,
        "entries_on_source": {"reg": 29, "dir": 2, "link": 1},
        "transfer_bytes": 5,
        "leaving_files": 0,
        "leaving_bytes": 0,
        "mirror_files": 30,
        "mirror_bytes": 145,
        "marker": None,
        "empty_source": False,
        "examples_deleted": ["old"],
        "examples_changed": [],
        "seconds": 1.25,
    }
    assert ["--dry-run" in argv for argv in rsync["argv"]] == [True]
    assert os.listdir(tmp_path) == ["source"]


def test_a_source_without_files_is_called_empty(
    run_module_main: RunModule, rsync: dict[str, t.Any], options: dict[str, t.Any]
) -> None:
    rsync["stdout"] = b"Number of files: 1 (dir: 1)\nTotal file size: 0 bytes\n"
    result = run_module_main(rsync_census_info, options)
    assert (result["empty_source"], result["files_on_source"], result["mirror_files"]) == (True, 0, 0)


def test_a_census_that_fails_says_what_to_do(
    run_module_main: RunModule, rsync: dict[str, t.Any], options: dict[str, t.Any]
) -> None:
    rsync.update(rc=5, stdout=b"", stderr="@ERROR: Unknown module 'blobs'")
    result = run_module_main(rsync_census_info, options)
    assert (result["failed"], result["rc"], result["kind"]) == (True, 5, "failed")
    assert f"the census of {options['source']} failed" in result["msg"]
    assert "does not offer this dataset" in result["msg"]


def test_an_rsync_that_cannot_keep_everything_is_refused_before_it_is_asked(
    run_module_main: RunModule, rsync: dict[str, t.Any], options: dict[str, t.Any]
) -> None:
    rsync["version"] = rsync["version"].replace(b'"ACLs": true', b'"ACLs": false')
    result = run_module_main(rsync_census_info, options)
    assert "built without ACLs" in result["msg"] and "Nothing was changed." in result["msg"]
    assert rsync["argv"] == []
