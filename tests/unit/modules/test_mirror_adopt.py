# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An earlier copy becomes the mirror, and the real rsync then transfers what differs. Needs rsync."""

from __future__ import annotations

import errno
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _lock
from ansible_collections.labops.backup.plugins.modules import mirror_adopt, rsync_pull

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """An earlier copy, the place of the mirror beside it, the dataset's lock."""
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "sub" / "same").write_bytes(b"x" * 1000)
    (tmp_path / "mirror").mkdir()
    return {
        "source": str(tmp_path / "old"),
        "mirror": str(tmp_path / "mirror" / "blobs"),
        "lock": str(tmp_path / "run" / "lock"),
    }


def test_the_folder_itself_becomes_the_mirror(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    inode = os.stat(options["source"]).st_ino
    result = run_module_main(mirror_adopt, options)
    assert (result["changed"], result["mirror"]) == (True, options["mirror"])
    assert result["diff"] == {"before": f"{options['source']}\n", "after": f"{options['mirror']}\n"}
    assert os.stat(options["mirror"]).st_ino == inode
    assert not os.path.exists(options["source"])


def test_a_second_run_changes_nothing(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    run_module_main(mirror_adopt, options)
    result = run_module_main(mirror_adopt, options)
    assert result["changed"] is False and "diff" not in result


def test_check_mode_moves_nothing_and_says_what_would_move(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    options["mirror"] = str(tmp_path / "not" / "there" / "yet" / "blobs")
    result = run_module_main(mirror_adopt, options, check_mode=True)
    assert result["changed"] is True and result["diff"]["after"] == f"{options['mirror']}\n"
    assert os.path.exists(options["source"]) and not (tmp_path / "not").exists()
    assert not os.path.exists(options["lock"])


def test_a_mirror_is_never_overwritten(
    run_module_main: RunModule, options: dict[str, t.Any], module_warnings: list[str]
) -> None:
    os.mkdir(options["mirror"])
    assert run_module_main(mirror_adopt, options)["changed"] is False
    assert os.listdir(options["mirror"]) == [] and os.listdir(options["source"]) == ["sub"]
    assert module_warnings == [
        f"{options['mirror']} exists already, so {options['source']} was not adopted and stays as it is"
    ]


def test_nothing_to_adopt_is_an_error(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    result = run_module_main(mirror_adopt, {**options, "source": "/nonexistent/old"})
    assert result["failed"] and result["msg"].startswith(
        f"neither the mirror {options['mirror']} nor /nonexistent/old, which should become it, exists. Nothing "
        "was moved."
    )


def test_a_mirror_that_was_lost_with_the_server_is_pulled_anew(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path, module_warnings: list[str]
) -> None:
    """The inventory of a server that is made anew from its repositories still names what was adopted once."""
    os.rename(options["source"], tmp_path / "elsewhere")
    (tmp_path / "borg").mkdir()
    result = run_module_main(mirror_adopt, {**options, "repository": str(tmp_path / "borg")})
    assert not result.get("failed") and not result["changed"]
    assert module_warnings == [
        f"neither {options['mirror']} nor {options['source']} exists, and {tmp_path}/borg does: the next pull copies "
        "everything"
    ]
    assert run_module_main(mirror_adopt, {**options, "repository": str(tmp_path / "none")})["failed"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_only_a_folder_is_adopted(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path, kind: str
) -> None:
    other = tmp_path / "other"
    if kind == "link":
        other.symlink_to(options["source"])
    else:
        other.write_text("")
    result = run_module_main(mirror_adopt, {**options, "source": str(other)})
    assert result["msg"] == f"{other} is not a folder. Nothing was moved. Name the folder itself in adopt_from."


@pytest.mark.parametrize("path", ["old", "/a/../b", "/a/"])
def test_paths_are_absolute_and_plain(run_module_main: RunModule, options: dict[str, t.Any], path: str) -> None:
    result = run_module_main(mirror_adopt, {**options, "source": path})
    assert result["msg"] == f"{path!r} is not an absolute path in its plain form. Nothing was moved."


def refused_as_elsewhere(result: dict[str, t.Any], options: dict[str, t.Any]) -> None:
    assert (
        result["failed"]
        and "a tree is adopted by a rename only. Nothing was moved. Take adopt_from out" in result["msg"]
    )
    assert os.path.exists(options["source"]) and not os.path.exists(options["mirror"])


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EBUSY])
def test_what_cannot_be_renamed_is_not_copied(
    run_module_main: RunModule, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def rename(_old: str, _new: str) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "rename", rename)
    refused_as_elsewhere(run_module_main(mirror_adopt, options), options)


@pytest.mark.parametrize("check_mode", [False, True])
def test_another_file_system_is_refused_before_anything_happens(
    run_module_main: RunModule, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch, check_mode: bool
) -> None:
    found = os.stat("/proc")
    real = os.stat
    above = os.path.dirname(options["mirror"])
    monkeypatch.setattr(os, "stat", lambda path, *a, **k: found if path == above else real(path, *a, **k))
    refused_as_elsewhere(run_module_main(mirror_adopt, options, check_mode=check_mode), options)


def test_a_dataset_that_is_being_pulled_is_left_alone(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    with _lock.hold(options["lock"], "a pull"):
        result = run_module_main(mirror_adopt, options)
    assert result["failed"] and "is held by a pull" in result["msg"]
    assert os.path.exists(options["source"])


def test_the_first_pull_transfers_what_differs_and_nothing_else(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    for name, content in (("sub/same", b"x" * 1000), ("sub/new", b"new")):
        (source / name).write_bytes(content)
    os.utime(source / "sub" / "same", ns=(0, 10**18))
    os.utime(tmp_path / "old" / "sub" / "same", ns=(0, 10**18))
    (tmp_path / "old" / "sub" / "gone").write_bytes(b"gone")
    run_module_main(mirror_adopt, options)
    pull = {
        "source": f"{source}/",
        "destination": options["mirror"],
        "generation_file": f"{options['mirror']}.generation.json",
        "lock": options["lock"],
    }
    limits = {"deleted_files": 0, "deleted_percent": 0, "changed_percent": 0}
    stopped = run_module_main(rsync_pull, {**pull, "limits": limits})
    assert stopped["failed"], "the limits hold for an adopted mirror as for any other"
    assert (tmp_path / "mirror/blobs/sub/gone").exists()
    result = run_module_main(rsync_pull, pull)
    assert (result["created"], result["deleted_files"], result["transferred_bytes"]) == (1, 1, 3)
    assert sorted(os.listdir(tmp_path / "mirror/blobs/sub")) == ["new", "same"]
    assert result["generation"] == 1
