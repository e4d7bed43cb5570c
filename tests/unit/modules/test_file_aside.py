# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore replaces: aside, back, gone."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _aside, _tree
from ansible_collections.labops.backup.plugins.modules import file_aside

RunModule = t.Callable[..., dict[str, t.Any]]
INCIDENT = "20261124T081500Z-4d2a10"
ASIDE = f".labops-aside-{INCIDENT}"
LISTED = [b"gone", b"sub/damaged", b"sub/odd\n\xff", b"was a file", b"sub/linked"]


def everything(root: pathlib.Path) -> dict[bytes, tuple[t.Any, ...]]:
    """Every path with all that must come back: kind, mode, owners, times, inode, content."""
    found = {}
    for where, folders, files in os.walk(os.fsencode(root)):
        for name in [b"", *folders, *files]:
            path = os.path.join(where, name)
            status = os.lstat(path)
            content = b""
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as stream:
                    content = stream.read()
            kept = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_ino, content)
            found[os.path.relpath(path, os.fsencode(root))] = kept
    return found


class Dataset:
    def __init__(self, run_module_main: RunModule, root: pathlib.Path) -> None:
        self._run = run_module_main
        self.root = root / "data"
        self.list = root / "list"
        self.aside = self.root / ASIDE
        (self.root / "sub" / "kept").mkdir(parents=True)
        (self.root / "was a file").mkdir()
        (self.root / "was a file" / "inside").write_text("12345")
        for name in (b"damaged", b"odd\n\xff", b"intact"):
            with open(os.path.join(os.fsencode(self.root), b"sub", name), "wb") as stream:
                stream.write(name)
        os.link(self.root / "sub" / "intact", self.root / "sub" / "linked")
        os.setxattr(self.root / "sub", "user.lab", b"rig 2")
        os.chown(self.root / "sub", 61001, 61002)
        os.chmod(self.root / "sub", 0o2770)
        os.chown(self.root / "sub" / "damaged", 61003, 61003)
        for folder in (self.root / "sub", self.root):
            os.utime(folder, ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))

    def list_paths(self, paths: t.Sequence[bytes]) -> None:
        self.list.write_bytes(b"".join(path + b"\0" for path in paths))

    def __call__(self, state: str, *, check_mode: bool = False, **more: t.Any) -> dict[str, t.Any]:
        options = {"path": str(self.root), "incident": INCIDENT, "state": state, **more}
        if state == "aside":
            options.setdefault("lists", [str(self.list)])
        return self._run(file_aside, options, check_mode=check_mode)


@pytest.fixture
def dataset(run_module_main: RunModule, tmp_path: pathlib.Path) -> Dataset:
    made = Dataset(run_module_main, tmp_path)
    made.list_paths(LISTED)
    return made


def test_what_is_listed_goes_aside_and_comes_back_as_check_mode_says(dataset: Dataset) -> None:
    before = everything(dataset.root)
    foretold = dataset("aside", check_mode=True)
    assert everything(dataset.root) == before
    result = dataset("aside")
    assert result == foretold
    wanted = {"changed": True, "paths": 4, "files": 4, "bytes": 5 + 7 + 5 + 6, "absent": 1, "already": 0, "replaced": 0}
    assert {name: result[name] for name in wanted} == wanted
    assert result["aside"] == str(dataset.aside)

    after = everything(dataset.root)
    left = {path: kept for path, kept in after.items() if not path.startswith(ASIDE.encode())}
    assert {path for path in before if path not in left} == {
        *(b"sub/damaged", b"sub/odd\n\xff", b"sub/linked", b"was a file", b"was a file/inside"),
    }
    assert all(before[path] == kept for path, kept in left.items()), "times of folders too"
    moved = {os.path.relpath(path, ASIDE.encode()): kept for path, kept in after.items() if path not in left}
    assert all(moved[path] == before[path] for path in before if path not in left)
    copy = os.stat(dataset.aside / "sub")
    assert (copy.st_mode, copy.st_uid, copy.st_gid) == (before[b"sub"][0], 61001, 61002)
    assert os.getxattr(dataset.aside / "sub", "user.lab") == b"rig 2"
    assert stat.S_IMODE(os.stat(dataset.aside).st_mode) == 0o700

    again = dataset("aside")
    assert (again["changed"], again["already"], again["absent"]) == (False, 4, 1)
    back = dataset("returned", check_mode=True)
    assert everything(dataset.root) == after
    assert dataset("returned") == back
    assert (back["changed"], back["files"], back["replaced"]) == (True, 4, 0)
    assert everything(dataset.root) == before
    assert dataset("returned")["changed"] is False


def test_accepted_removes_it(dataset: Dataset) -> None:
    dataset("aside")
    (dataset.root / f"{ASIDE}.partial").mkdir()
    (dataset.root / f"{ASIDE}.partial" / "cut off").write_text("123")
    before = os.stat(dataset.root).st_mtime_ns
    foretold = dataset("accepted", check_mode=True)
    assert dataset.aside.is_dir()
    result = dataset("accepted")
    assert result == foretold
    assert (result["changed"], result["files"], result["bytes"]) == (True, 5, 23 + 3)
    assert sorted(os.listdir(dataset.root)) == ["sub"]
    assert os.stat(dataset.root).st_mtime_ns == before
    assert dataset("accepted")["changed"] is False


def test_what_was_restored_meanwhile_stays_when_it_runs_again_and_gives_way_when_returned(dataset: Dataset) -> None:
    dataset("aside")
    (dataset.root / "sub" / "damaged").write_text("restored")
    (dataset.root / "was a file").write_text("restored")
    assert dataset("aside")["changed"] is False
    assert (dataset.root / "sub" / "damaged").read_text() == "restored"
    result = dataset("returned")
    assert result["replaced"] == 2
    assert (dataset.root / "sub" / "damaged").read_text() == "damaged"
    assert (dataset.root / "was a file" / "inside").read_text() == "12345"


def test_a_folder_with_something_in_it_does_not_give_way(dataset: Dataset) -> None:
    dataset("aside")
    (dataset.root / "sub" / "damaged").mkdir()
    (dataset.root / "sub" / "damaged" / "new").write_text("new")
    result = dataset("returned")
    assert result["failed"]
    assert result["conflicts"] == ["sub/damaged"]
    assert "everything else was put back" in result["msg"]
    assert (dataset.root / "sub" / "damaged" / "new").read_text() == "new"
    assert os.listdir(dataset.aside / "sub") == ["damaged"]
    assert (dataset.root / "was a file" / "inside").exists()


@pytest.mark.parametrize("moves", range(6))
def test_it_goes_on_after_it_was_killed(dataset: Dataset, monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    before = everything(dataset.root)
    real = os.rename
    left = [moves]

    def rename(*words: t.Any, **keywords: t.Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        real(*words, **keywords)

    monkeypatch.setattr(os, "rename", rename)
    for state in ("aside", "returned"):
        left[0] = moves
        dataset.list_paths(LISTED)
        tree = _aside.Dataset(str(dataset.root), INCIDENT)
        try:
            tree.put_aside([str(dataset.list)], dry_run=False) if state == "aside" else tree.give_back(dry_run=False)
        except KeyboardInterrupt:
            pass
        finally:
            tree.close()
        left[0] = 1000
        assert not dataset(state).get("failed")
    assert everything(dataset.root) == before


def test_a_folder_is_emptied_into_its_namesake(dataset: Dataset) -> None:
    before = everything(dataset.root)
    dataset("aside")
    dataset.list_paths([b"sub"])
    assert dataset("aside")["paths"] == 1
    assert os.listdir(dataset.root) == [ASIDE]
    assert sorted(os.listdir(dataset.aside / "sub")) == sorted(["damaged", "odd\n\udcff", "intact", "linked", "kept"])
    dataset("returned")
    after = everything(dataset.root)
    assert {path: kept[:3] + kept[5:] for path, kept in after.items()} == {
        path: kept[:3] + kept[5:] for path, kept in before.items()
    }


def test_no_link_leads_out_of_the_dataset(dataset: Dataset, tmp_path: pathlib.Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("kept")
    (dataset.root / "escape").symlink_to(outside)
    dataset.list_paths([b"escape/secret"])
    result = dataset("aside")
    assert (result["changed"], result["absent"]) == (False, 1)
    assert (outside / "secret").exists()


@pytest.mark.parametrize(
    ("mount", "listed", "said"),
    [
        (
            b"sub/damaged",
            b"sub/damaged",
            "sub/damaged in {root} lies on another file system, mounted at {root}/sub/damaged",
        ),
        (b"sub", b"sub/damaged", "sub/damaged in {root} lies on another file system, mounted at {root}/sub"),
        (
            b"was a file/inside",
            b"was a file",
            "was a file in {root} has another file system in it, mounted at {root}/was a",
        ),
    ],
)
def test_another_file_system_is_refused(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, mount: bytes, listed: bytes, said: str
) -> None:
    """A folder would take along what is mounted in it, and be removed with it when the restore is accepted."""
    monkeypatch.setattr(_tree, "mounts_below", lambda path: [b"su", mount] if path == str(dataset.root) else [])
    dataset.list_paths([b"sub/linked", listed])
    before = everything(dataset.root)
    for check_mode in (True, False):
        result = dataset("aside", check_mode=check_mode)
        assert result["failed"]
        assert said.format(root=dataset.root) in result["msg"] and "Nothing was moved" in result["msg"]
        assert everything(dataset.root) == before


def test_what_is_mounted_in_what_is_aside_is_not_removed(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset("aside")
    before = everything(dataset.root)
    monkeypatch.setattr(_tree, "mounts_below", lambda path: [f"{ASIDE}/sub".encode()])
    result = dataset("accepted")
    assert f"a file system is mounted at {dataset.aside}/sub. Nothing was removed" in result["msg"]
    assert everything(dataset.root) == before


@pytest.mark.parametrize(
    ("paths", "change", "reason"),
    [
        ([b"."], {}, ". is listed, which cannot be put aside"),
        ([b".labops-aside-20261111T081500Z-000000/x"], {}, "which cannot be put aside"),
        ([b"../x"], {}, "which is no plain path"),
        ([], {"path": "/nonexistent"}, "/nonexistent cannot be opened as a folder"),
        ([], {"incident": "now"}, "the incident 'now' is not of the form"),
        ([], {"state": "accepted", "lists": ["/x"]}, "lists do not go with the state accepted"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    dataset: Dataset, paths: list[bytes], change: dict[str, t.Any], reason: str
) -> None:
    dataset.list_paths(paths)
    before = everything(dataset.root)
    result = dataset(**{"state": "aside", **change})
    assert result["failed"]
    assert reason in result["msg"]
    assert everything(dataset.root) == before


def test_other_incidents_are_told(dataset: Dataset) -> None:
    (dataset.root / ".labops-aside-20261111T081500Z-000000").mkdir()
    (dataset.root / ".labops-aside-20261111T081500Z-000000.partial").mkdir()
    assert dataset("aside", check_mode=True)["others"] == ["20261111T081500Z-000000"]
