# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real rsync brings back: everything that is listed, and nothing else changes. Needs rsync and root."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _path_list
from ansible_collections.labops.backup.plugins.modules import rsync_push

RunModule = t.Callable[..., dict[str, t.Any]]
INCIDENT = "20261124T081500Z-4d2a10"


class Restore:
    """The mirror, and the place that it is pushed to."""

    def __init__(self, run_module_main: RunModule, awkward: t.Any, root: pathlib.Path) -> None:
        self._run = run_module_main
        self.mirror, self.manifest, self.names = awkward.mirror, awkward.manifest, awkward.names
        self.tree_of: t.Callable[[pathlib.Path], dict[str, dict[str, t.Any]]] = awkward.tree_of
        self.live, self.list = root / "live", root / "list"
        self.live.mkdir()

    def push(self, paths: t.Iterable[bytes], *, check_mode: bool = False, **more: t.Any) -> dict[str, t.Any]:
        _path_list.write(str(self.list), paths)
        options = {
            "source": str(self.mirror),
            "destination": str(self.live),
            "files_from": str(self.list),
            "incident": INCIDENT,
            **more,
        }
        return self._run(rsync_push, options, check_mode=check_mode)


@pytest.fixture
def restore(run_module_main: RunModule, awkward: t.Any, tmp_path: pathlib.Path) -> Restore:
    return Restore(run_module_main, awkward, tmp_path)


def test_everything_that_is_listed_comes_back(restore: Restore, tmp_path: pathlib.Path) -> None:
    everything = restore.names
    foretold = restore.push(everything, check_mode=True)
    assert not os.listdir(restore.live)
    progress = tmp_path / "progress"
    result = restore.push(everything, manifest=restore.manifest, progress_file=str(progress))
    assert restore.tree_of(restore.live) == restore.tree_of(restore.mirror)
    assert (result["created"], result["changed"]) == (foretold["created"], True)
    assert result["created"] == len(everything)
    assert json.loads(progress.read_text())["total_bytes"] == result["bytes"] == result["sent_bytes"]
    again = restore.push(everything, compare="size_and_time")
    assert (again["changed"], again["sent_bytes"]) == (False, 0)


def test_names_that_rsync_takes_for_comments_are_sent(restore: Restore) -> None:
    (restore.mirror / ";note").write_text("1")
    assert restore.push([b"#hash#", b";note"])["created"] == 2
    assert sorted(os.listdir(restore.live)) == ["#hash#", ";note"]


def test_what_is_not_listed_stays_as_it_is(restore: Restore) -> None:
    (restore.live / "at").mkdir()
    (restore.live / "at").chmod(0o750)
    (restore.live / "at" / "newer").write_text("made after the point")
    (restore.live / "grows").write_text("live")
    os.utime(restore.live / "at", ns=(0, 5))
    restore.push([b"at/one", b"at/two", b"at/deeper"])
    found = restore.tree_of(restore.live)
    assert sorted(found) == ["./at", "./at/deeper", "./at/newer", "./at/one", "./at/two", "./grows"]
    assert found["./at/two"]["linked_to"] == "./at/one"
    assert found["./at"]["mode"] == 0o750, "a folder that is not listed keeps what it has"
    assert found["./at/deeper"] == restore.tree_of(restore.mirror)["./at/deeper"]
    restore.push([b"at", b"."])
    assert restore.tree_of(restore.live)["./at"] == restore.tree_of(restore.mirror)["./at"]
    assert os.stat(restore.live).st_mtime_ns == os.stat(restore.mirror).st_mtime_ns


def test_damage_under_the_same_size_and_time_is_mended_only_without_comparison(restore: Restore) -> None:
    restore.push([b"same size"])
    damaged, good = restore.live / "same size", restore.mirror / "same size"
    damaged.write_text("rotten")
    os.utime(damaged, ns=(0, os.stat(good).st_mtime_ns))
    restore.push([b"same size"], compare="size_and_time")
    assert damaged.read_text() == "rotten"
    assert restore.push([b"same size"])["sent_bytes"] == 6
    assert damaged.read_text() == good.read_text()


def test_broken_hard_links_are_joined_again(restore: Restore) -> None:
    joined = [b"at", b"at/deeper", b"at/one", b"at/two", b"at/deeper/three"]
    restore.push(joined)
    (restore.live / "at" / "two").unlink()
    (restore.live / "at" / "two").write_text("no longer joined")
    restore.push(joined)
    assert len({os.stat(restore.live / "at" / name).st_ino for name in ("one", "two", "deeper/three")}) == 1


def test_a_rotten_mirror_is_not_sent(restore: Restore) -> None:
    (restore.mirror / "grows").write_bytes(b"z" * 100_000)
    result = restore.push([b"grows", b"same size"], manifest=restore.manifest)
    assert result["failed"]
    assert result["problem_count"] == 1
    assert "grows has the sha256" in result["msg"]
    assert "Nothing was sent" in result["msg"]
    assert not os.listdir(restore.live)
    assert restore.push([b"same size"], manifest=restore.manifest)["created"] == 1, "only what is listed is looked at"


def test_everything_is_sent_without_a_list(restore: Restore) -> None:
    result = restore.push([], files_from=None)
    assert result["created"] == len(restore.names), "the folder itself is there"
    assert restore.tree_of(restore.live) == restore.tree_of(restore.mirror)


def test_an_empty_list_sends_nothing(restore: Restore) -> None:
    result = restore.push([])
    assert (result["changed"], result["files"]) == (False, 0)
    assert not os.listdir(restore.live)


def test_a_listed_path_that_the_tree_lacks_is_refused(restore: Restore) -> None:
    result = restore.push([b"same size", b"no\nsuch\xff"])
    assert "does not hold no\\x0asuch\\xff, which is listed" in result["msg"]
    assert not os.listdir(restore.live)


def test_what_a_cut_left_behind_is_gone_when_the_file_is_whole(restore: Restore) -> None:
    content = (restore.mirror / "grows").read_bytes()
    (restore.mirror / "at" / "cut").write_bytes(content)
    partial = restore.live / "at" / f".labops-aside-{INCIDENT}.partial"
    partial.mkdir(parents=True)
    (partial / "cut").write_bytes(content[:50_000])
    restore.push([b"at/cut"], compare="size_and_time")
    assert os.listdir(restore.live / "at") == ["cut"]
    assert (restore.live / "at" / "cut").read_bytes() == content
