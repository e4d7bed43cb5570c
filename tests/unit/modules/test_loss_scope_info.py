# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _file_content, _live_tree, _progress
from ansible_collections.labops.backup.plugins.modules import content_verify, file_aside, loss_scope_info

RunModule = t.Callable[..., dict[str, t.Any]]
LAB = pathlib.Path(__file__).parents[2] / "lab"
RSYNC = ("rsync", "-aHAXS", "--numeric-ids", "--modify-window=-1")
OTHER_TIME = 1_700_000_000_000_000_000


class Scope:
    """A live tree and the content manifest of a point that was made of a copy of it."""

    def __init__(self, top: pathlib.Path, run: RunModule) -> None:
        self.path, self.mirror, self.manifest, self.lists = top / "live", top / "m", top / "m.content", top / "lists"
        self._top, self._run = top, run
        self.path.mkdir()

    def write(self, name: str | bytes, content: bytes = b"content") -> pathlib.Path:
        path = self.path / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def blob(self, content: bytes, held: bytes | None = None, *, schema: str = "lab") -> str:
        """A file under the name that DataJoint 0.x gives to a content; returns its path.

        :param held: what it holds instead.
        """
        digits = hashlib.md5(content).hexdigest()
        path = f"{schema}/{digits[:2]}/{digits[2:4]}/{digits}"
        self.write(path, content if held is None else held)
        return path

    def seal(self) -> None:
        """What lives now is what the point holds."""
        subprocess.run([*RSYNC, f"{self.path}/", str(self.mirror)], check=True)
        document = self._top / "m.generation.json"
        document.write_text(json.dumps({"schema_version": 1, "generation": 1, "state": "complete"}))
        options = {"mirror": self.mirror, "manifest_file": self.manifest, "generation_file": document}
        verified = self._run(content_verify, {name: str(value) for name, value in options.items()})
        assert verified["changed"]

    def look(
        self, *, depth: str = "content", lists: bool = True, check_mode: bool = False, **further: t.Sequence[str]
    ) -> dict[str, t.Any]:
        entry = {"dataset": "blobs", "manifest": str(self.manifest), "path": str(self.path), "depth": depth, **further}
        options = {"files": [entry]} | ({"lists_dir": str(self.lists)} if lists else {})
        result = self._run(loss_scope_info, options, check_mode=check_mode)
        assert result["changed"] is False, result
        return t.cast("dict[str, t.Any]", result["files"][0])

    def listed(self, kind: str) -> list[bytes]:
        content = (self.lists / f"blobs.{kind}").read_bytes()
        assert not content or content.endswith(b"\0")
        names = content.split(b"\0")[:-1]
        if kind == "restore" and names:
            assert names.pop(0) == b"."
        return names


@pytest.fixture
def scope(tmp_path: pathlib.Path, run_module_main: RunModule) -> Scope:
    return Scope(tmp_path, run_module_main)


def overwrite(path: pathlib.Path, content: bytes) -> None:
    """Another content with the old time, as whoever wants to hide it leaves it."""
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def numbers(found: dict[str, t.Any]) -> dict[str, tuple[int, int, int]]:
    return {kind: tuple(found[kind][name] for name in ("files", "folders", "bytes")) for kind in KINDS}


KINDS = ("missing", "damaged", "metadata", "newer", "newer_damaged")
NOTHING = dict.fromkeys(KINDS, (0, 0, 0))


def test_an_untouched_tree_of_everything_is_intact(scope: Scope) -> None:
    shutil.rmtree(scope.path)
    subprocess.run([sys.executable, LAB / "awkward.py", "make", scope.path, "40"], check=True)
    scope.seal()
    found = scope.look()
    assert (found["state"], found["reason"], found["marker"]) == ("intact", "", "intact")
    assert numbers(found) == NOTHING
    assert [scope.listed(kind) for kind in (*KINDS, "restore")] == [[]] * 6
    assert found["hashed_bytes"] > 30 << 20 and found["rate"] > 0
    assert scope.look(depth="metadata")["hashed_files"] == 0


def test_what_the_lists_bring_makes_the_tree_what_it_was(scope: Scope) -> None:
    """The whole of it: changed in every way, then brought by the list, it is equal by an independent comparison."""
    shutil.rmtree(scope.path)
    subprocess.run([sys.executable, LAB / "awkward.py", "make", scope.path, "40"], check=True)
    scope.seal()
    before = tree(scope.path)
    subprocess.run([sys.executable, LAB / "awkward.py", "change", scope.path], check=True)
    changed = tree(scope.path)
    found = scope.look()
    assert found["state"] == "damaged"
    damaged = [os.fsdecode(name) for name in scope.listed("damaged")]
    new = {name for name in set(changed) - set(before) if not name.startswith(tuple(f"{one}/" for one in damaged))}
    sockets = {name for name, entry in changed.items() if entry["kind"] == "socket"}
    assert {os.fsdecode(name) for name in scope.listed("newer")} == new - sockets
    for name in scope.listed("damaged"):
        path = os.path.join(os.fsencode(scope.path), name)
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    bring = ["--ignore-times", "--from0", "--files-from", scope.lists / "blobs.restore"]
    subprocess.run([*RSYNC, *bring, f"{scope.mirror}/", f"{scope.path}/"], check=True)
    after = tree(scope.path)
    folders = {os.path.dirname(name) or "." for name in new}
    for name, entry in before.items():
        if name in folders or entry["kind"] == "socket":  # a newer file changes the time of its folder
            continue
        assert comparable(after[name]) == comparable(entry)
    again = scope.look()
    assert again["state"] == "intact" and numbers(again)["newer"] == numbers(found)["newer"]


def tree(path: pathlib.Path) -> dict[str, dict[str, t.Any]]:
    output = subprocess.run([sys.executable, LAB / "tree.py", path], check=True, capture_output=True).stdout
    entries = [json.loads(line) for line in output.splitlines()]
    return {entry["path"].removeprefix("./"): entry for entry in entries}


def comparable(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """ACLs and other attributes are not in a content manifest."""
    return {name: value for name, value in entry.items() if name != "xattrs"}


def test_each_class_is_told_apart(scope: Scope) -> None:
    for name in ("gone", "shorter", "garbage", "touched", "owner", "fine", "sub/a", "sub/b"):
        scope.write(name, name.encode() * 10)
    (scope.path / "sub").chmod(0o750)
    scope.seal()
    (scope.path / "gone").unlink()
    scope.write("shorter", b"x")
    overwrite(scope.path / "garbage", b"GARBAGE" * 10)
    os.utime(scope.path / "touched", ns=(OTHER_TIME, OTHER_TIME))
    os.chown(scope.path / "owner", 1234, 0)
    (scope.path / "sub").chmod(0o700)
    shutil.copytree(scope.path / "sub", scope.path / "new")
    found = scope.look()
    assert numbers(found) == {
        "missing": (1, 0, 40),
        "damaged": (2, 0, 140),
        "metadata": (2, 1, 120),
        "newer": (2, 1, 100),
        "newer_damaged": (0, 0, 0),
    }
    assert (found["state"], found["changed_since"]) == ("damaged", 1)
    assert found["reason"] == "1 missing, 2 damaged, 3 with another owner, mode, time or link"
    assert found["expected"] == {"files": 8, "bytes": 40 + 70 + 70 + 70 + 50 + 40 + 50 + 50}
    assert found["transfer_bytes"] == 180
    assert (scope.listed("missing"), scope.listed("damaged")) == ([b"gone"], [b"garbage", b"shorter"])
    assert scope.listed("metadata") == [b"owner", b"sub", b"touched"]
    assert scope.listed("newer") == [b"new", b"new/a", b"new/b"]
    assert scope.listed("restore") == [b"garbage", b"gone", b"owner", b"shorter", b"touched", b"sub"]
    assert found["restore"] == {"entries": 7, "bytes": 70 + 40 + 50 + 70 + 70}
    assert {path.stat().st_mode & 0o777 for path in scope.lists.iterdir()} == {0o600}
    assert len(list(scope.lists.iterdir())) == 6


def test_without_reading_everything_only_another_time_gives_a_change_away(scope: Scope) -> None:
    for name in ("hidden", "changed", "touched"):
        scope.write(name)
    scope.seal()
    overwrite(scope.path / "hidden", b"CONTENT")
    for name in ("changed", "touched"):
        scope.write(name, b"CONTENT" if name == "changed" else b"content")
        os.utime(scope.path / name, ns=(OTHER_TIME, OTHER_TIME))
    found = scope.look(depth="metadata")
    assert (scope.listed("damaged"), scope.listed("metadata")) == ([b"changed"], [b"touched"])
    assert (found["hashed_files"], found["changed_since"]) == (2, 0)
    scope.look(depth="content")
    assert scope.listed("damaged") == [b"changed", b"hidden"]


def test_a_tree_that_is_gone_is_lost(scope: Scope) -> None:
    scope.write(".labops-backup-dataset", b"{}")
    scope.write("a/b/c", b"12345")
    scope.seal()
    shutil.rmtree(scope.path)
    found = scope.look()
    assert (found["state"], found["marker"]) == ("lost", "missing")
    assert found["reason"] == f"{scope.path} cannot be opened: No such file or directory"
    assert numbers(found)["missing"] == (2, 2, 7)
    assert scope.listed("restore") == [b".labops-backup-dataset", b"a", b"a/b", b"a/b/c"]
    assert found["file_system"]["mount_point"] == os.fsdecode(mount_point(scope.path.parent))
    scope.path.mkdir()
    found = scope.look()
    assert (found["state"], found["transfer_bytes"]) == ("lost", 7)
    assert found["reason"].endswith("it is empty, or its file system is not mounted")
    scope.path.rmdir()
    scope.path.write_text("a file")
    assert "Not a directory" in scope.look()["reason"]


def mount_point(path: pathlib.Path) -> str:
    while not path.is_mount():
        path = path.parent
    return str(path)


def test_another_tree_in_its_place_is_told_by_its_marker(scope: Scope) -> None:
    scope.write(".labops-backup-dataset", b"{1}")
    scope.write("a")
    scope.seal()
    scope.write(".labops-backup-dataset", b"{2}")
    found = scope.look()
    assert found["marker"] == "damaged" and "does another tree lie there?" in found["reason"]


def test_what_a_restore_moved_aside_never_counts(scope: Scope) -> None:
    scope.write("a")
    scope.seal()
    scope.write(".labops-aside-20261123T023000Z-77b0aa/a")
    scope.write("sub/.labops-aside-x")
    assert scope.look()["state"] == "intact"
    assert scope.listed("newer") == [b"sub", b"sub/.labops-aside-x"]


def test_sockets_do_not_count(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scope.path)
    for name in ("kept", "gone", "replaced"):
        listen(name)
    scope.write("file")
    scope.seal()
    for name in ("gone", "replaced", "file"):
        (scope.path / name).unlink()
    for name in ("new", "file"):
        listen(name)
    scope.write("replaced")
    found = scope.look()
    assert scope.listed("missing") == [] and scope.listed("newer") == [b"replaced"]
    assert scope.listed("damaged") == [b"file"] and found["expected"]["files"] == 1


def listen(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)


def test_another_kind_in_its_place_is_damage_and_hides_what_is_below(scope: Scope) -> None:
    scope.write("folder/in/it")
    scope.write("file")
    scope.path.joinpath("link").symlink_to("file")
    scope.seal()
    shutil.rmtree(scope.path / "folder")
    scope.write("folder")
    (scope.path / "file").unlink()
    scope.write("file/other")
    (scope.path / "link").unlink()
    scope.path.joinpath("link").symlink_to("elsewhere")
    scope.look()
    assert scope.listed("damaged") == [b"file", b"folder", b"link"]
    assert scope.listed("missing") == [b"folder/in", b"folder/in/it"]
    assert scope.listed("newer") == []
    assert scope.listed("restore") == [b"file", b"link", b"folder", b"folder/in", b"folder/in/it"]


def test_a_folder_that_became_a_link_is_not_followed(scope: Scope, tmp_path: pathlib.Path) -> None:
    scope.write("sub/a")
    scope.seal()
    shutil.copytree(scope.path / "sub", tmp_path / "outside")
    shutil.rmtree(scope.path / "sub")
    (scope.path / "sub").symlink_to(tmp_path / "outside")
    assert scope.look()["state"] == "lost"
    assert (scope.listed("damaged"), scope.listed("missing")) == ([b"sub"], [b"sub/a"])


def test_all_names_of_a_file_are_brought_together(scope: Scope) -> None:
    first = scope.write("x/first", b"12345")
    for name in ("second", "x/third", "y/z/fourth"):
        (scope.path / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(first, scope.path / name)
    scope.write("alone")
    scope.seal()
    first.unlink()
    found = scope.look()
    assert scope.listed("missing") == [b"x/first"]
    assert scope.listed("restore") == [b"second", b"x", b"x/first", b"x/third", b"y", b"y/z", b"y/z/fourth"]
    assert found["restore"] == {"entries": 8, "bytes": 5} and found["transfer_bytes"] == 5


@pytest.mark.parametrize("depth", ["content", "metadata"])
def test_names_that_are_no_longer_one_file_are_told(scope: Scope, depth: str) -> None:
    for name in ("a", "b", "c"):
        scope.write(name)
    for name in ("a", "b", "c"):
        os.link(scope.path / name, scope.path / f"{name}2")
    scope.seal()
    copy = scope.path / "copy"
    shutil.copy2(scope.path / "b", copy)
    os.replace(copy, scope.path / "b2")
    found = scope.look(depth=depth)
    assert (found["state"], found["relinked"], scope.listed("metadata")) == ("damaged", 1, [b"b2"])
    assert scope.listed("restore") == [b"b", b"b2"]


def test_the_time_of_a_folder_is_brought_only_when_nothing_newer_explains_it(scope: Scope) -> None:
    for name in ("a/file", "b/file", "c/file"):
        scope.write(name)
    scope.seal()
    scope.write("a/new")
    os.utime(scope.path / "b", ns=(OTHER_TIME, OTHER_TIME))
    found = scope.look()
    assert (found["state"], found["folder_times"], scope.listed("restore")) == ("intact", 1, [b"b"])


def test_any_name_is_listed_raw_and_shown_escaped(scope: Scope) -> None:
    names = [b"new\nline", b"back\\slash", b"\xff\xfe", b"\x1b[31m", b" ", "神経".encode()]
    for name in names:
        scope.write(b"sub " + name + b"/" + name)
    scope.seal()
    for path in scope.path.iterdir():
        shutil.rmtree(path)
    found = scope.look()
    assert set(scope.listed("missing")) == {b"sub " + name for name in names} | {
        b"sub " + name + b"/" + name for name in names
    }
    assert set(scope.listed("restore")) == set(scope.listed("missing"))
    assert "sub \\xff\\xfe" in found["missing"]["examples"] and "sub \\x1b[31m" in found["missing"]["examples"]


def test_folders_that_are_missing_bring_their_own_below(scope: Scope) -> None:
    for name in ("a/b/c/d", "a/b.x/e", "a-b/f", "a/z"):
        scope.write(name)
    (scope.path / "a" / "empty").mkdir()
    scope.seal()
    shutil.rmtree(scope.path / "a" / "b")
    (scope.path / "a" / "empty").rmdir()
    found = scope.look()
    assert scope.listed("missing") == [b"a/b", b"a/empty", b"a/b/c", b"a/b/c/d"]
    assert scope.listed("restore") == [b"a", b"a/b", b"a/b/c", b"a/b/c/d", b"a/empty"]
    assert numbers(found)["missing"] == (1, 3, 7)


NAMES = [b"a", b"a-b", b"a.b", b"a b", b"ab", b"a\nb", b"a\\b", b"\xff", b"A", b"~", b"{", b"-"]


@pytest.mark.parametrize("seed", range(12))
def test_random_trees_are_compared_as_a_plain_comparison_does(scope: Scope, seed: int) -> None:
    chance = random.Random(seed)
    live = os.fsencode(scope.path)
    grow(live, chance, 40)
    scope.seal()
    shrink(live, chance)
    grow(live, chance, 12)
    found = scope.look()
    before, now = entries(os.fsencode(scope.mirror)), entries(live)
    differing = {path for path in set(before) & set(now) if before[path] != now[path]}
    replaced = tuple(path + b"/" for path in differing if (before[path] is None) != (now[path] is None))
    newer = {path for path in set(now) - set(before) if not path.startswith(replaced or (b"/",))}
    missing = set(before) - set(now)
    assert {kind: set(scope.listed(kind)) for kind in ("missing", "damaged", "newer")} == {
        **{"missing": missing, "damaged": differing, "newer": newer},
    }
    assert found["metadata"]["files"] == 0
    needed = missing | differing
    parents = {path[:end] for path in needed for end in range(len(path)) if path[end : end + 1] == b"/"}
    listed = scope.listed("restore")
    assert len(listed) == len(set(listed))
    only_times = set(listed) - needed - parents
    assert needed | parents == set(listed) - only_times and all(before[path] is None for path in only_times)
    for path in listed:
        above = os.path.dirname(path)
        assert not above or listed.index(above) < listed.index(path)


def grow(root: bytes, chance: random.Random, count: int) -> None:
    for _entry in range(count):
        path = os.path.join(root, *chance.choices(NAMES, k=chance.randrange(1, 5)))
        parts = path[len(root) + 1 :].split(b"/")
        above = [os.path.join(root, *parts[:depth]) for depth in range(1, len(parts))]
        if any(os.path.isfile(folder) for folder in above) or os.path.lexists(path):
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if chance.random() < 0.2:
            os.mkdir(path)
        else:
            with open(path, "wb") as stream:
                stream.write(chance.choice([b"1", b"22", b"333"]))


def shrink(root: bytes, chance: random.Random) -> None:
    for path, content in sorted(entries(root).items()):
        place = os.path.join(root, path)
        if not os.path.lexists(place) or chance.random() > 0.25:
            continue
        if content is None:
            shutil.rmtree(place)
        elif chance.random() < 0.5:
            os.unlink(place)
        else:
            overwrite(pathlib.Path(os.fsdecode(place)), content[::-1] + b"x"[: chance.randrange(2)])


def entries(root: bytes) -> dict[bytes, bytes | None]:
    """The content of everything in a tree by its path; folders have none."""
    found: dict[bytes, bytes | None] = {}
    for top, folders, files in os.walk(root):
        for name in folders:
            found[os.path.relpath(os.path.join(top, name), root)] = None
        for name in files:
            with open(os.path.join(top, name), "rb") as stream:
                found[os.path.relpath(os.path.join(top, name), root)] = stream.read()
    return found


def test_a_missing_folder_alone_is_damage(scope: Scope) -> None:
    scope.write("file")
    (scope.path / "empty").mkdir()
    scope.seal()
    (scope.path / "empty").rmdir()
    assert scope.look()["state"] == "damaged"


def test_what_cannot_be_read_is_damaged(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bad", "good"):
        scope.write(name)
    scope.seal()
    really_read, inode = os.readv, (scope.path / "bad").stat().st_ino

    def readv(descriptor: int, buffers: t.Sequence[memoryview]) -> int:
        if os.fstat(descriptor).st_ino == inode:
            raise OSError(5, "Input/output error")
        return really_read(descriptor, buffers)

    monkeypatch.setattr(os, "readv", readv)
    found = scope.look()
    assert (found["unreadable"], scope.listed("damaged"), found["state"]) == (1, [b"bad"], "damaged")


def test_a_folder_that_cannot_be_read_is_damaged_and_hides_what_is_in_it(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope.write("bad/file")
    scope.write("good")
    scope.seal()
    really_open = os.open

    def refuse(path: t.Any, *rest: t.Any, **keywords: t.Any) -> int:
        if path == b"bad":
            raise OSError(5, "Input/output error")
        return really_open(path, *rest, **keywords)

    monkeypatch.setattr(os, "open", refuse)
    found = scope.look()
    assert (found["unreadable"], scope.listed("damaged"), scope.listed("missing")) == (1, [b"bad"], [b"bad/file"])
    assert scope.listed("restore") == [b"bad", b"bad/file"]


def test_a_file_that_changes_while_it_is_read_is_damaged_and_unsettled(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope.write("a")
    scope.write("b")
    scope.seal()

    def changed(_self: object, _folder: int, name: bytes, _status: os.stat_result) -> tuple[bytes, bytes]:
        if name == b"a":
            raise _file_content.ChangedWhileReadError
        raise FileNotFoundError

    monkeypatch.setattr(_file_content.Contents, "digests", changed)
    found = scope.look()
    assert (found["unsettled"], scope.listed("damaged")) == (2, [b"a", b"b"])


def test_what_vanishes_during_the_walk_is_missing(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        scope.write(name)
    scope.seal()
    really_stat = os.stat

    def stat_(path: t.Any, **keywords: t.Any) -> os.stat_result:
        if path in (b"b", b"c"):
            raise FileNotFoundError if path == b"b" else OSError(5, "Input/output error")
        return really_stat(path, **keywords)

    monkeypatch.setattr(os, "stat", stat_)
    found = scope.look()
    assert (scope.listed("missing"), scope.listed("damaged")) == ([b"b"], [b"c"])
    assert (found["unsettled"], found["unreadable"]) == (1, 1)


def test_only_what_is_meant_counts_and_is_read(scope: Scope) -> None:
    for name in ("a/one", "a/two", "ab/one", "b/deep/one", "top", "top2"):
        scope.write(name)
    scope.seal()
    for name in ("a/one", "ab/one", "b/deep/one", "top", "top2"):
        overwrite(scope.path / name, b"CONTENT")
    (scope.path / "a/two").unlink()
    scope.write("a/new")
    scope.write("new")
    found = scope.look(only=["a", "b/deep/", "top"])
    assert [found[kind]["examples"] for kind in ("missing", "damaged", "newer")] == [
        ["a/two"],
        ["top", "a/one", "b/deep/one"],
        ["a/new"],
    ]
    assert (found["expected"]["files"], found["hashed_files"], found["state"]) == (4, 3, "damaged")
    assert {os.fsdecode(name) for name in scope.listed("restore")} == {
        "a",
        "a/one",
        "a/two",
        "b",
        "b/deep",
        "b/deep/one",
        "top",
    }
    assert scope.look(only=["nothing/here"])["expected"]["files"] == 0


def test_each_path_that_the_point_does_not_have_is_named(scope: Scope) -> None:
    scope.write("Mouse/1.tif", b"x")
    scope.write("a/b", b"y")
    (scope.path / "empty").mkdir()
    scope.seal()
    asked = ["a", "mouse/1.tif", "empty/", "Mouse/1.tif", "Mouse/2.tif", "a/b"]
    assert sorted(scope.look(only=asked)["unknown"]) == ["Mouse/2.tif", "mouse/1.tif"]
    assert scope.look()["unknown"] == []


# ------------------------------------------------------------------------------------------------ newer and damaged


@pytest.mark.parametrize("depth", ["content", "metadata"])
def test_a_newer_file_that_does_not_hold_what_its_name_says_is_told_apart(scope: Scope, depth: str) -> None:
    scope.blob(b"old")
    scope.seal()
    good, false = scope.blob(b"good"), scope.blob(b"what it should be", b"and is not")
    digits = hashlib.md5(b"notes.txt\0attached").hexdigest()
    attached = f"lab/{digits[:2]}/{digits[2:4]}/{digits}.notes.txt"
    scope.write(attached, b"attached")
    hashed = scope.write("_hash/lab/" + "a" * 26, b"2.x")
    scope.write(false + ".saving", b"on its way")
    scope.write("raw/file", b"no name tells its content")
    found = scope.look(depth=depth)
    assert scope.listed("newer_damaged") == [os.fsencode(hashed.relative_to(scope.path)), os.fsencode(false)]
    assert {os.fsencode(path) for path in (good, attached, false + ".saving", "raw/file")} <= set(scope.listed("newer"))
    assert numbers(found)["newer_damaged"] == (2, 0, 13)
    assert set(found["newer_damaged"]["examples"]) == {false, "_hash/lab/" + "a" * 26}
    assert (found["state"], found["reason"]) == ("damaged", "2 newer and damaged")
    assert found["hashed_files"] == 4 + (depth == "content")
    assert (found["transfer_bytes"], scope.listed("restore")) == (0, [])


def test_in_check_mode_it_is_told_as_well(scope: Scope) -> None:
    scope.seal()
    scope.blob(b"what it should be", b"and is not")
    found = scope.look(check_mode=True)
    assert numbers(found)["newer_damaged"] == (1, 0, 10) and not scope.lists.exists()


def test_once_it_is_moved_aside_the_tree_is_that_of_the_point(scope: Scope) -> None:
    old = scope.blob(b"old")
    folder = (scope.path / old).parent
    scope.seal()
    before = tree(scope.path)
    digits = hashlib.md5(b"old").hexdigest()[:4] + "0" * 28
    (folder / digits).write_bytes(b"not that")
    found = scope.look()
    inside = os.fsencode(folder.relative_to(scope.path))
    assert (scope.listed("newer_damaged"), found["folder_times"]) == ([inside + b"/" + digits.encode()], 1)
    assert scope.listed("restore") == [b"lab", os.path.dirname(inside), inside]
    incident = "20261123T140000Z-3fa9c1"
    lists = [str(scope.lists / f"blobs.{kind}") for kind in ("damaged", "newer_damaged")]
    options = {"path": str(scope.path), "incident": incident, "state": "aside", "lists": lists}
    foretold = scope._run(file_aside, options, check_mode=True)
    assert (foretold["changed"], foretold["files"], (folder / digits).exists()) == (True, 1, True)
    assert scope._run(file_aside, options) == foretold
    aside = scope.path / f".labops-aside-{incident}"
    assert (aside / os.fsdecode(inside) / digits).read_bytes() == b"not that"
    bring = ["--ignore-times", "--from0", "--files-from", scope.lists / "blobs.restore"]
    subprocess.run([*RSYNC, *bring, f"{scope.mirror}/", f"{scope.path}/"], check=True)
    after = {name: entry for name, entry in tree(scope.path).items() if not name.startswith(aside.name)}
    assert {name: comparable(entry) for name, entry in after.items()} == {
        name: comparable(entry) for name, entry in before.items()
    }
    assert scope.look()["state"] == "intact"


@pytest.mark.parametrize(("stores", "judged"), [(["store"], ["store/lab"]), (["."], ["lab"]), ([], [])])
def test_only_stores_that_are_declared_are_judged(scope: Scope, stores: list[str], judged: list[str]) -> None:
    scope.seal()
    paths = {schema: scope.blob(b"should", b"is", schema=schema) for schema in ("lab", "store/lab")}
    found = scope.look(stores=stores)
    assert scope.listed("newer_damaged") == [os.fsencode(paths[schema]) for schema in judged]
    assert found["hashed_files"] == len(judged)


def test_what_was_accepted_as_it_is_stays(scope: Scope) -> None:
    scope.seal()
    path = scope.blob(b"should", b"is")
    found = scope.look(accept=[f"{hashlib.sha256(b'is').hexdigest()} {path}"])
    assert numbers(found)["newer_damaged"] == (0, 0, 0) and os.fsencode(path) in scope.listed("newer")


def test_what_is_not_meant_is_not_judged(scope: Scope) -> None:
    scope.write("a/file")
    scope.seal()
    scope.blob(b"should", b"is")
    found = scope.look(only=["a"])
    assert numbers(found)["newer_damaged"] == (0, 0, 0) and found["hashed_files"] == 1


def test_a_newer_file_is_read_once_however_many_names_it_has(scope: Scope) -> None:
    scope.seal()
    path = scope.path / scope.blob(b"should", b"is")
    os.link(path, path.with_name(path.name[:4] + "f" * 28))
    found = scope.look()
    assert (numbers(found)["newer_damaged"][0], found["hashed_files"], found["hashed_bytes"]) == (2, 1, 2)


def test_a_newer_file_that_cannot_be_read_is_damaged_and_one_in_use_is_not(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope.seal()
    paths = {scope.blob(content): content for content in (b"bad disk", b"in use", b"gone")}

    def digests(_self: object, _folder: int, name: bytes, _status: os.stat_result, _salt: bytes) -> t.NoReturn:
        content = next(content for path, content in paths.items() if path.endswith(name.decode()))
        raise {
            b"bad disk": OSError(5, "Input/output error"),
            b"in use": _file_content.ChangedWhileReadError(),
            b"gone": FileNotFoundError(),
        }[content]

    monkeypatch.setattr(_file_content.Contents, "digests", digests)
    found = scope.look()
    assert [paths[os.fsdecode(path)] for path in scope.listed("newer_damaged")] == [b"bad disk"]
    assert (found["unreadable"], found["unsettled"]) == (1, 2)


@pytest.mark.parametrize("only", ["/etc", "../x", "."])
def test_what_lies_outside_cannot_be_meant(scope: Scope, run_module_main: RunModule, only: str) -> None:
    entry = {"dataset": "blobs", "manifest": "/m", "path": str(scope.path), "only": [only]}
    refused = run_module_main(loss_scope_info, {"files": [entry]})
    assert refused["failed"] and "is no path inside blobs" in refused["msg"]


def test_check_mode_compares_and_writes_nothing(scope: Scope, tmp_path: pathlib.Path) -> None:
    scope.write("a")
    scope.write("b")
    scope.seal()
    (scope.path / "a").unlink()
    before = sorted(tmp_path.rglob("*"))
    found = scope.look(check_mode=True)
    assert numbers(found)["missing"] == (1, 0, 7)
    assert "lists" not in found and sorted(tmp_path.rglob("*")) == before


def test_without_a_folder_for_lists_there_are_none(scope: Scope, tmp_path: pathlib.Path) -> None:
    scope.write("a")
    scope.seal()
    before = sorted(tmp_path.rglob("*"))
    assert scope.look(lists=False)["state"] == "intact"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_second_look_replaces_the_lists(scope: Scope) -> None:
    scope.write("a")
    scope.write("b")
    scope.seal()
    (scope.path / "a").unlink()
    scope.look()
    scope.write("a")
    shutil.copystat(scope.mirror / "a", scope.path / "a")
    scope.look()
    assert (scope.listed("missing"), scope.listed("restore")) == ([], [])


def test_lists_of_a_comparison_that_fails_do_not_appear(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    scope.write("a")
    scope.seal()
    (scope.path / "a").unlink()
    scope.look()

    def fail(_self: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_live_tree.Comparison, "run", fail)
    options = {
        "files": [{"dataset": "blobs", "manifest": str(scope.manifest), "path": str(scope.path)}],
        "lists_dir": str(scope.lists),
    }
    result = scope._run(loss_scope_info, options)
    assert result["failed"] and "No space left on device" in result["msg"]
    assert sorted(path.name for path in scope.lists.iterdir()) == sorted(
        f"blobs.{kind}" for kind in (*KINDS, "restore")
    )
    assert scope.listed("missing") == [b"a"]


def test_progress_is_told(scope: Scope, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope.write("a", b"12345")
    scope.write("b", b"12345")
    scope.seal()
    monkeypatch.setattr(_progress, "_EVERY_SECONDS", 0.0)
    options = {
        "files": [{"dataset": "blobs", "manifest": str(scope.manifest), "path": str(scope.path)}],
        "progress_file": str(tmp_path / "progress.json"),
    }
    scope._run(loss_scope_info, options)
    said = json.loads((tmp_path / "progress.json").read_text())
    assert (said["what"], said["total_files"], said["total_bytes"]) == ("compare blobs", 2, 10)
    assert (said["files"], said["bytes"]) in [(1, 5), (2, 10)]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "there is no content manifest"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), "is cut off"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b" 7 ", b" 8 ", 1)), "was altered or damaged"),
    ],
)
def test_a_manifest_that_is_not_whole_is_refused(
    scope: Scope, damage: t.Callable[[pathlib.Path], None], said: str
) -> None:
    scope.write("a")
    scope.seal()
    damage(scope.manifest)
    options = {"files": [{"dataset": "blobs", "manifest": str(scope.manifest), "path": str(scope.path)}]}
    result = scope._run(loss_scope_info, options)
    assert result["failed"] and said in result["msg"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset": "../blobs"}, "is not the name of a dataset"),
        ({"path": "relative"}, "is not absolute"),
        ({"stores": ["../elsewhere"]}, "the store '../elsewhere' is no path below blobs"),
        ({"accept": ["everything"]}, "'everything' in accept is not SHA-256 and path"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(scope: Scope, change: dict[str, t.Any], said: str) -> None:
    scope.write("a")
    scope.seal()
    entry = {"dataset": "blobs", "manifest": str(scope.manifest), "path": str(scope.path), **change}
    result = scope._run(loss_scope_info, {"files": [entry]})
    assert result["failed"] and said in result["msg"]
    good = {"dataset": "x", "manifest": str(scope.manifest), "path": "/x"}
    twice = scope._run(loss_scope_info, {"files": [good] * 2})
    assert twice["failed"] and "more than once" in twice["msg"]
