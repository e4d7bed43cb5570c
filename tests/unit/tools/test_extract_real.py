# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real Borg gives back: everything that is listed, proven. Needs borg and root."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _extract
from ansible_collections.labops.backup.plugins.module_utils._host import _path_list
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg
from ansible_collections.labops.backup.plugins.modules import borg_extract

RunModule = t.Callable[..., dict[str, t.Any]]
ARCHIVE = "tatchu-blobs-20261123T023000Z-77b0aa"


class Archived:
    """The mirror, archived."""

    run: RunModule
    out: pathlib.Path

    def __init__(self, awkward: t.Any, root: pathlib.Path) -> None:
        self.awkward, self.root = awkward, root
        for name in (b"{now} {hostname}", b"trailing blank ", b"+pf:x", b"2039"):
            with open(os.path.join(os.fsencode(awkward.mirror), name), "wb") as stream:
                stream.write(name)
        os.utime(awkward.mirror / "2039", ns=(0, 2_200_000_000_000_000_001))
        os.utime(awkward.mirror, ns=(0, 1_600_000_000_000_000_001))
        awkward.write_manifest()
        passphrase = root / "passphrase"
        passphrase.write_text("correct horse\n")
        passphrase.chmod(0o600)
        self.connection = {
            "repository": str(root / "repository"),
            "passphrase_file": str(passphrase),
            "base_dir": str(root / "base"),
        }
        repository = _borg.Repository(**self.connection)
        repository.ensure("repokey-blake2", "0", dry_run=False)
        self.archive_id = repository.create(ARCHIVE, str(root), "blobs", compression="none").archive_id

    def __call__(self, paths: t.Sequence[bytes] | None, *, check_mode: bool = False, **more: t.Any) -> dict[str, t.Any]:
        options = {
            **self.connection,
            "archive": ARCHIVE,
            "archive_id": self.archive_id,
            "dataset": "blobs",
            "destination": str(self.out),
            "manifest": self.awkward.manifest,
        }
        if paths is not None:
            options["paths_file"] = str(self.root / "list")
            _path_list.write(options["paths_file"], paths)
        return self.run(borg_extract, {**options, **more}, check_mode=check_mode)


@pytest.fixture(scope="module")
def once(make_awkward: t.Callable[[pathlib.Path], t.Any], tmp_path_factory: pytest.TempPathFactory) -> Archived:
    root = tmp_path_factory.mktemp("archived")
    return Archived(make_awkward(root), root)


@pytest.fixture
def archived(once: Archived, run_module_main: RunModule, tmp_path: pathlib.Path) -> Archived:
    """For tests that leave mirror and repository as they are."""
    once.run, once.out = run_module_main, tmp_path / "out"
    return once


@pytest.fixture
def archived_alone(awkward: t.Any, run_module_main: RunModule, tmp_path: pathlib.Path) -> Archived:
    """For tests that change them."""
    made = Archived(awkward, tmp_path)
    made.run, made.out = run_module_main, tmp_path / "out"
    return made


def expected(awkward: t.Any) -> dict[str, dict[str, t.Any]]:
    """The mirror as Borg can keep it."""
    tree = awkward.tree_of(awkward.mirror)
    return {path: entry for path, entry in tree.items() if entry["kind"] != "socket"}


def test_a_whole_archive(archived: Archived) -> None:
    foretold = archived(None, check_mode=True)
    assert not archived.out.exists()
    result = archived(None, progress_file=str(archived.root / "progress"))
    assert archived.awkward.tree_of(archived.out) == expected(archived.awkward)
    assert os.stat(archived.out).st_mtime_ns == 1_600_000_000_000_000_001
    same = ("changed", "files", "bytes", "sockets", "destination")
    assert [result[name] for name in same] == [foretold[name] for name in same]
    assert (result["batches"], result["sockets"], result["times"]) == (1, 1, 2)
    assert json.loads((archived.root / "progress").read_text())["total_bytes"] == result["bytes"]
    assert not archived.out.with_name("out.extracting").exists()
    again = archived(None)
    assert (again["changed"], again["batches"], again["files"]) == (False, 0, result["files"])


@pytest.mark.long
def test_everything_by_name(archived: Archived) -> None:
    result = archived([*archived.awkward.names, b"."])
    assert (result["changed"], result["batches"]) == (True, 1)
    assert archived.awkward.tree_of(archived.out) == expected(archived.awkward)


@pytest.mark.long
def test_names_that_need_several_calls_of_borg(archived_alone: Archived, monkeypatch: pytest.MonkeyPatch) -> None:
    archived = archived_alone
    monkeypatch.setattr(_borg, "_ARGUMENT_BYTES", 500)
    (archived.awkward.mirror / "joined\n").hardlink_to(archived.awkward.mirror / "at" / "one")
    archived.awkward.write_manifest()
    repository = _borg.Repository(**archived.connection)
    created = repository.create("second", str(archived.root), "blobs", compression="none")
    result = archived(archived.awkward.names, archive="second", archive_id=created.archive_id)
    assert result["batches"] > 1
    assert archived.awkward.tree_of(archived.out) == expected(archived.awkward)
    joined = ("at/one", "at/two", "at/deeper/three", "joined\n")
    assert len({os.stat(archived.out / name).st_ino for name in joined}) == 1
    assert os.stat(archived.out).st_mtime_ns == os.stat(archived.awkward.mirror).st_mtime_ns


def test_only_what_is_listed(archived: Archived) -> None:
    result = archived([b"at/one", b"at/deeper", b"at/deeper/three", b"at/socket", b"not utf-8 \xff\xfe"])
    assert (result["files"], result["sockets"]) == (3, 1)
    found = archived.awkward.tree_of(archived.out)
    assert sorted(found) == ["./at", "./at/deeper", "./at/deeper/three", "./at/one", "./not utf-8 \udcff\udcfe"]
    assert (
        found["./at/one"]["linked_to"] == "./at/deeper/three" or found["./at/deeper/three"]["linked_to"] == "./at/one"
    )


def test_a_path_that_the_point_does_not_hold_is_refused(archived: Archived) -> None:
    result = archived([b"at/one", b"no\nsuch"])
    assert result["failed"]
    assert result["unknown"] == ["no\\x0asuch"]
    assert "Nothing was extracted" in result["msg"]
    assert not archived.out.exists()


@pytest.mark.long
def test_what_is_not_as_the_manifest_says_is_a_failure(archived_alone: Archived) -> None:
    archived = archived_alone
    mirror = archived.awkward.mirror
    (mirror / "same size").write_text("behind")
    (mirror / "later").write_text("not in the archive")
    archived.awkward.write_manifest()
    result = archived([b"same size", b"later", b"grows"])
    assert result["failed"]
    assert result["problem_count"] == 2
    assert result["problems"][0] == "later is missing"
    assert result["problems"][1].startswith("same size has the sha256 ")
    assert not archived.out.exists()


def test_a_call_that_was_killed_is_repeated(archived: Archived) -> None:
    left = archived.out.with_name("out.extracting") / "blobs" / "left over"
    left.mkdir(parents=True)
    archived([b"grows"])
    assert os.listdir(archived.out) == ["grows"]


@pytest.mark.long
def test_a_folder_that_holds_something_else_is_not_overwritten(archived: Archived) -> None:
    archived([b"grows"])
    (archived.out / "grows").write_text("mine")
    result = archived([b"grows"])
    assert "exists and holds something else: grows has 4 bytes and not 100000" in result["msg"]
    assert (archived.out / "grows").read_text() == "mine"
    assert "without a content manifest nobody can tell" in archived(None, manifest=None)["msg"]


def test_without_a_manifest(archived: Archived) -> None:
    result = archived(None, manifest=None)
    assert (result["changed"], result["files"] > 50, result["bytes"] > 30 << 20) == (True, True, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"archive": "other"}, "the archive other in {repository} does not exist"),
        ({"archive_id": "0" * 64}, f"has the id {{archive_id}} and not {'0' * 64}"),
        ({"dataset": "data"}, "holds blobs and not one folder data"),
        ({"dataset": "../x"}, "'../x' is no folder's name"),
        ({"destination": "/nonexistent/out"}, "the folder /nonexistent does not exist"),
        ({"destination": "/tmp/../out"}, "'/tmp/../out' is not a plain absolute path"),
        ({"paths_file": "/x", "manifest": None}, "a list of paths needs the content manifest"),
    ],
)
def test_refusals(archived: Archived, change: dict[str, t.Any], reason: str) -> None:
    result = archived(None, **change)
    assert result["failed"]
    assert reason.format(archive_id=archived.archive_id, **archived.connection) in result["msg"]
    assert not archived.out.exists()


def test_too_little_space_is_refused(archived: Archived, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _extract.os, "statvfs", lambda _folder: os.statvfs_result((4096, 4096, 9, 9, 9, 9, 9, 9, 0, 255))
    )
    result = archived(None)
    assert (result["free"], result["needed"] > 30 << 20) == (9 * 4096, True)
    assert not archived.out.exists()
