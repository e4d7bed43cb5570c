# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree against a content manifest."""

from __future__ import annotations

import hashlib
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _listed
from ansible_collections.labops.backup.plugins.module_utils._model import _content

TIME = 1_700_000_000_123_456_789


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "a!").write_text("first")
    (root / "sub" / "b").write_text("second")
    os.link(root / "sub" / "b", root / "sub" / "c")
    os.symlink("a!", root / "link")
    os.utime(root / "a!", ns=(TIME, TIME))
    return root


def sha256(path: pathlib.Path) -> bytes:
    content = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
    return hashlib.sha256(content).hexdigest().encode()


@pytest.fixture
def manifest(tree: pathlib.Path, tmp_path: pathlib.Path) -> str:
    """What the tree holds, written line by line."""
    path = str(tmp_path / "content")

    def line(name: str) -> bytes:
        digest = _content.NO_CONTENT if name == "sub" else sha256(tree / name)
        tail = _content.tail(os.lstat(tree / name), os.path.basename(name).encode())
        return _content.line(digest, _content.GOOD, tail)

    with _content_manifest.replacing(path, 1, dry=False) as writer:
        writer.add([_content.folder_line(b""), line("a!"), line("link"), line("sub")])
        writer.add([_content.folder_line(b"sub"), line("sub/b"), line("sub/c")])
        writer.finish({"files": 3, "bytes": 17, "others": 1})
    return path


def compared(tree: pathlib.Path, manifest: str, paths: list[bytes] | None = None, **more: t.Any) -> _listed.Compared:
    return _listed.compare(str(tree), manifest, paths, metadata=True, **more)


def test_listed_paths_meet_their_entries(manifest: str) -> None:
    wanted = [b"!", b"a!", b"zz", b"sub/a", b"sub/c", b"sub/d", b"tub/x"]
    assert [(path, entry is not None) for path, entry in _listed.selected(manifest, wanted)] == [
        (b"!", False),
        (b"a!", True),
        (b"zz", False),
        (b"sub/a", False),
        (b"sub/c", True),
        (b"sub/d", False),
        (b"tub/x", False),
    ]
    assert [path for path, _entry in _listed.selected(manifest, None)] == [b"a!", b"link", b"sub", b"sub/b", b"sub/c"]
    assert list(_listed.selected(manifest, [])) == []


def test_the_size_of_several_names_of_one_file_counts_once(manifest: str) -> None:
    assert _listed.Wanted.count(manifest, None) == _listed.Wanted(entries=5, files=3, size=11)
    found = _listed.Wanted.count(manifest, [b"sub/c", b"x\n"])
    assert (found.entries, found.files, found.size, found.unknown_count, found.unknown) == (1, 1, 6, 1, ["x\\x0a"])


def test_a_whole_tree(tree: pathlib.Path, manifest: str) -> None:
    reached: list[int] = []
    found = compared(tree, manifest, on_progress=reached.append)
    assert (found.files, found.size, found.problem_count, found.times) == (3, 17, 0, 0)
    assert reached == [5, 11, 17]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda root: (root / "a!").write_text("FIRST"), "a! has the sha256 "),
        (lambda root: (root / "a!").write_text("longer"), "a! has 6 bytes and not 5"),
        (lambda root: (root / "a!").unlink(), "a! is missing"),
        (lambda root: ((root / "link").unlink(), os.symlink("x", root / "link")), "link points elsewhere"),
        (lambda root: ((root / "link").unlink(), (root / "link").mkdir()), "link is of another kind"),
        (lambda root: (root / "a!").chmod(0o4755), "a! has the mode 4755 and not "),
        (lambda root: os.chown(root / "a!", 7, 8), "a! belongs to 7:8 and not to "),
        (lambda root: os.utime(root / "a!", ns=(1, 1)), f"a! has the time 1 and not {TIME}"),
    ],
)
def test_what_differs_is_named(
    tree: pathlib.Path, manifest: str, damage: t.Callable[[pathlib.Path], object], problem: str
) -> None:
    damage(tree)
    found = compared(tree, manifest, [b"a!", b"link"])
    assert found.problem_count == 1
    assert found.problems[0].startswith(problem)
    assert compared(tree, manifest, [b"sub/b"]).problem_count == 0, "only what is listed is looked at"


def test_only_times_that_may_be_mended_are(tree: pathlib.Path, manifest: str) -> None:
    os.utime(tree / "a!", ns=(1, 1))
    assert compared(tree, manifest, mend_time=lambda _entry: False).problem_count == 1
    found = compared(tree, manifest, mend_time=lambda entry: entry.mtime_ns == TIME)
    assert (found.problem_count, found.times) == (0, 1)
    assert os.stat(tree / "a!").st_mtime_ns == TIME


def test_content_alone(tree: pathlib.Path, manifest: str) -> None:
    os.utime(tree / "a!", ns=(1, 1))
    (tree / "a!").chmod(0o600)
    assert _listed.compare(str(tree), manifest, None, metadata=False).problem_count == 0


def test_a_path_that_the_manifest_does_not_know_is_a_difference(tree: pathlib.Path, manifest: str) -> None:
    found = compared(tree, manifest, [b"a!", b"unknown"])
    assert (found.problem_count, found.problems) == (1, ["unknown is not known to the manifest"])
