# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guards and the quarantine do with the real rsync. Needs rsync and root."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import types
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible.module_utils import basic
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _progress, _root, _tree
from ansible_collections.labops.backup.plugins.module_utils._tools import _rsync
from ansible_collections.labops.backup.plugins.modules import (
    quarantine_expire,
    quarantine_info,
    quarantine_restore,
    rsync_census_info,
    rsync_pull,
)

RunModule = t.Callable[..., dict[str, t.Any]]
MARKER = ".labops-backup-dataset"
AWKWARD = str(pathlib.Path(__file__).parents[2] / "lab" / "awkward.py")
RUNS = [f"2024112{day}T023000Z-00000{day}" for day in range(1, 8)]


class Lab:
    """A source, its mirror and its quarantine."""

    def __init__(self, run_module_main: RunModule, root: pathlib.Path) -> None:
        self._run = run_module_main
        self.root = root
        self.source, self.mirror, self.quarantine = root / "source", root / "backup" / "blobs", root / "backup" / "q"
        self.source.mkdir()
        self.mirror.parent.mkdir()
        self.generation_file = self.mirror.with_name("blobs.generation.json")
        self.options: dict[str, t.Any] = {
            "source": str(self.source),
            "destination": str(self.mirror),
            "generation_file": str(self.generation_file),
            "lock": str(root / "lock"),
            "retries": 2,
            "retry_wait": 0,
            "marker": {"source": "tatchu", "dataset": "blobs"},
            "quarantine": {"directory": str(self.quarantine)},
        }
        self.mark("a" * 32)

    def mark(self, identifier: str, dataset: str = "blobs") -> None:
        text = json.dumps({"schema_version": 1, "source": "tatchu", "dataset": dataset, "id": identifier})
        (self.source / MARKER).write_text(text)

    def write(self, **files: str) -> None:
        for name, content in files.items():
            (self.source / name).write_text(content)

    def delete(self, *names: str) -> None:
        for name in names:
            (self.source / name).unlink()

    def pull(self, run: int, **more: t.Any) -> dict[str, t.Any]:
        return self._run(rsync_pull, {**self.options, "run_id": RUNS[run], **more})

    def generation(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self.generation_file.read_bytes()))

    def tree(self, run: int, number: int = 1) -> pathlib.Path:
        return self.quarantine / RUNS[run] / str(number)

    def document(self, run: int) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads((self.quarantine / RUNS[run] / "quarantine.json").read_bytes()))

    def info(self, **more: t.Any) -> dict[str, t.Any]:
        return self._run(quarantine_info, {"directory": str(self.quarantine), **more})

    def expire(self, **more: t.Any) -> dict[str, t.Any]:
        return self._run(quarantine_expire, {"directory": str(self.quarantine), "lock": self.options["lock"], **more})

    def restore(self, run: int, path: str, destination: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
        given = {"directory": str(self.quarantine), "run_id": RUNS[run], "path": path, "destination": str(destination)}
        return self._run(quarantine_restore, {**given, **more})

    def same(self) -> bool:
        return listing(self.source) == listing(self.mirror)


def listing(root: pathlib.Path) -> dict[str, tuple[t.Any, ...]]:
    """Everything below a directory, with what of it must not change."""
    found = {}
    for folder, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = os.path.join(folder, name)
            entry = os.lstat(path)
            is_folder = os.path.isdir(path) and not os.path.islink(path)
            content: t.Any = None
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as stream:
                    content = stream.read()
            found[os.path.relpath(path, root)] = (
                oct(entry.st_mode),
                entry.st_uid,
                0 if is_folder else entry.st_mtime_ns,
                content,
            )
    return found


@pytest.fixture
def lab(run_module_main: RunModule, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _module, _text: None)
    monkeypatch.setattr(_rsync, "flush", lambda _directory: None)  # would wait for whoever else writes to that disk
    return Lab(run_module_main, tmp_path)


# ------------------------------------------------------------------------------------------------------- quarantine


def fill(source: pathlib.Path) -> None:
    (source / "gone" / "deep").mkdir(parents=True)
    (source / "gone" / "deep" / "file").write_text("gone")
    (source / "gone" / "other").write_text("other")
    os.chown(source / "gone" / "other", 1234, 1234)
    os.chmod(source / "gone", 0o500)
    (source / "emptied").mkdir()
    (source / "becomes-file" / "sub").mkdir(parents=True)
    (source / "becomes-file" / "sub" / "in").write_text("in")
    for name in ("becomes-directory", "becomes-link", "becomes-fifo", "becomes-hard-link", "over", "kept"):
        (source / name).write_text(f"old {name}")
    os.symlink("old target", source / "link")
    os.mkfifo(source / "fifo")
    for name in ("linked", "half"):
        (source / f"{name}-1").write_text(f"old {name}")
        os.link(source / f"{name}-1", source / f"{name}-2")
    with open(os.fsencode(source) + b"/new\nline \xff", "wb") as stream:
        stream.write(b"old")


def change(source: pathlib.Path) -> None:
    shutil.rmtree(source / "gone")
    (source / "emptied").rmdir()
    shutil.rmtree(source / "becomes-file")
    (source / "becomes-file").write_text("now a file")
    for name in ("becomes-directory", "becomes-link", "becomes-fifo", "becomes-hard-link", "link", "fifo", "half-1"):
        (source / name).unlink()
    (source / "becomes-directory").mkdir()
    (source / "becomes-directory" / "in").write_text("new")
    os.symlink("kept", source / "becomes-link")
    os.symlink("new target", source / "link")
    os.mkfifo(source / "becomes-fifo")
    os.link(source / "kept", source / "becomes-hard-link")
    (source / "over").write_text("NEW over")
    (source / "half-1").write_text("NEW half")
    os.chmod(source / "kept", 0o600)
    for name in ("linked-1", "linked-2"):
        (source / name).unlink()
    os.unlink(os.fsencode(source) + b"/new\nline \xff")


def test_whatever_is_deleted_or_overwritten_waits_with_all_it_was(lab: Lab) -> None:
    fill(lab.source)
    lab.pull(0)
    before = listing(lab.mirror)
    change(lab.source)
    result = lab.pull(1)
    assert lab.same()
    taken = listing(lab.tree(1))
    after = listing(lab.mirror)
    lost = {
        path: entry
        for path, entry in before.items()
        if after.get(path, (None,) * 4)[3] != entry[3] or (path in after and after[path][0][:4] != entry[0][:4])
    }
    # Directories wait only around files. rsync makes a hard link by replacing what has the name of its other end
    lost |= {path: before[path] for path in ("gone", "gone/deep", "becomes-file/sub", "fifo", "kept")}
    assert taken == lost
    assert len(taken) == 19
    census = result["census"]
    assert (result["quarantined_files"], result["quarantined_bytes"]) == (15, _tree.measure(str(lab.tree(1)))[1])
    assert (census["leaving_files"], census["leaving_bytes"]) == (15, result["quarantined_bytes"])
    assert os.stat(lab.tree(1) / "linked-1").st_ino == os.stat(lab.tree(1) / "linked-2").st_ino
    assert (lab.document(1)["state"], lab.document(1)["files"], lab.document(1)["replaces"]) == ("complete", 15, 1)
    assert stat_mode(lab.quarantine) == stat_mode(lab.tree(1)) == 0o700


def stat_mode(path: pathlib.Path) -> int:
    return os.stat(path).st_mode & 0o7777


def test_what_changed_its_kind_changes_back(lab: Lab, make_awkward: t.Any) -> None:
    """Everything that a file system can hold, changed in every way, and what became a folder is a file again."""
    folder = str(lab.source / "awkward")
    for run, words in enumerate((["make", folder, "5"], ["change", folder], ["back", folder])):
        subprocess.run([sys.executable, AWKWARD, *words], check=True)
        lab.pull(run)
        assert make_awkward.tree_of(lab.mirror) == make_awkward.tree_of(lab.source)
    assert (lab.tree(2) / "awkward" / "was a directory").read_text() == "now a file"
    assert (lab.tree(2) / "awkward" / "was a file" / "deep" / "inside").read_text() == "content\n"
    assert (lab.mirror / "awkward" / "was a file").read_text() == "a file again"


def test_the_census_knows_the_size_of_the_mirror(lab: Lab, run_module_main: RunModule) -> None:
    fill(lab.source)
    lab.pull(0)
    size = lab.generation()["bytes"]
    change(lab.source)
    (lab.source / "another").write_text("x" * 1000)
    given = {name: lab.options[name] for name in ("source", "destination", "marker")}
    census = run_module_main(rsync_census_info, given)
    assert (census["mirror_bytes"], census["marker"]) == (size, "a" * 32)


def test_a_pull_that_takes_nothing_away_leaves_no_trace(lab: Lab) -> None:
    lab.write(a="1")
    lab.pull(0)
    lab.write(b="2")
    os.chmod(lab.source / "a", 0o600)
    assert lab.pull(1)["quarantined_files"] == 0
    assert os.listdir(lab.quarantine) == []


def test_the_cap_stops_it_before_the_first_change(lab: Lab) -> None:
    lab.write(a="1" * 100, b="2" * 100, c="3")
    lab.pull(0)
    lab.delete("a")
    cap = {"directory": str(lab.quarantine), "max_bytes": 150, "max_files": 2}
    assert lab.pull(1, quarantine=cap)["quarantined_bytes"] == 100
    before = (listing(lab.mirror), lab.generation(), sorted(os.listdir(lab.quarantine)))
    lab.delete("b")
    result = lab.pull(2, quarantine=cap)
    assert (result["failed"], result["kind"], result["acceptance"]) == (True, "limits", {"quarantine_bytes": 100})
    assert "100 bytes would be added to the 1 files, 100 bytes that wait in the quarantine" in result["msg"]
    assert '-e \'{"backup_accept": {"tatchu/blobs": {"quarantine_bytes": 100, "reason": "..."}}}\'' in result["msg"]
    assert before == (listing(lab.mirror), lab.generation(), sorted(os.listdir(lab.quarantine)))
    accept = {"quarantine_bytes": 100, "reason": "the old sessions moved"}
    assert lab.pull(2, quarantine=cap, accept=accept)["accepted"] == accept
    assert lab.same()


@pytest.mark.parametrize(
    ("directory", "reason"), [("{mirror}/q", "overlap"), ("{backup}", "overlap"), ("{backup}/x/../q", "plain")]
)
def test_a_quarantine_elsewhere_is_refused(lab: Lab, directory: str, reason: str) -> None:
    lab.write(a="1")
    given = directory.format(mirror=lab.mirror, backup=lab.mirror.parent)
    assert reason in lab.pull(0, quarantine={"directory": given})["msg"]
    assert os.listdir(lab.mirror.parent) == []


def test_a_quarantine_on_another_file_system_is_refused(lab: Lab) -> None:
    lab.write(a="1")
    other = pathlib.Path(f"/dev/shm/labops-backup-test-{secrets.token_hex(8)}")
    result = lab.pull(0, quarantine={"directory": str(other)})
    assert "is not on the file system of the mirror" in result["msg"]
    assert (other.exists(), lab.mirror.exists()) == (False, False)


# ---------------------------------------------------------------------------------------------------------- marker


def test_the_first_pull_pins_the_tree_and_another_one_is_refused_until_it_is_accepted(lab: Lab) -> None:
    lab.write(a="1")
    lab.pull(0)
    assert (lab.generation()["marker"], lab.same()) == ("a" * 32, True)
    lab.mark("b" * 32)
    lab.write(a="2")
    before = (listing(lab.mirror), lab.generation())
    result = lab.pull(1)
    assert (result["failed"], result["acceptance"]) == (True, {"marker": "b" * 32})
    assert f"the mirror follows the tree {'a' * 32}: this is another one" in result["msg"]
    assert before == (listing(lab.mirror), lab.generation())
    assert lab.pull(1, accept={"marker": "c" * 32, "reason": "r"})["failed"]
    lab.pull(1, accept={"marker": "b" * 32, "reason": "the disk was replaced"})
    assert (lab.generation()["marker"], lab.same()) == ("b" * 32, True)
    assert "failed" not in lab.pull(2)


def test_a_tree_without_marker_is_not_mounted(lab: Lab, run_module_main: RunModule) -> None:
    lab.write(a="1")
    lab.pull(0)
    before = (listing(lab.mirror), lab.generation())
    os.rename(lab.source, lab.root / "unmounted")
    lab.source.mkdir()
    result = lab.pull(1, allow_empty=True, accept={"empty": True, "deleted_files": 9, "reason": "r"})
    assert (result["failed"], result["kind"]) == (True, "marker")
    assert "has no marker .labops-backup-dataset: the tree of tatchu/blobs is probably not mounted" in result["msg"]
    given = {name: lab.options[name] for name in ("source", "destination", "marker")}
    assert run_module_main(rsync_census_info, given)["kind"] == "marker"
    assert before == (listing(lab.mirror), lab.generation())


@pytest.mark.parametrize("what", ["link", "directory", "large"])
def test_what_is_no_small_file_is_no_marker(lab: Lab, what: str) -> None:
    marker = lab.source / MARKER
    if what == "large":
        marker.write_text(marker.read_text() + " " * 70000)
    else:
        os.rename(marker, lab.source / "real")
        marker.symlink_to("real") if what == "link" else marker.mkdir()
    assert lab.pull(0)["kind"] == "marker"
    assert not lab.mirror.exists()


def test_the_marker_of_another_dataset_is_refused(lab: Lab) -> None:
    lab.mark("a" * 32, "data")
    result = lab.pull(0, accept={"marker": "a" * 32, "reason": "r"})
    assert result["kind"] == "marker"
    assert "is the one of tatchu/data, not of tatchu/blobs: another tree lies there" in result["msg"]


def test_a_tree_that_is_exchanged_during_the_pull_is_not_archived(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    real = _rsync.pull

    def exchange(*words: t.Any, **keywords: t.Any) -> _rsync.Run:
        run = real(*words, **keywords)
        lab.mark("b" * 32)
        return run

    monkeypatch.setattr(_rsync, "pull", exchange)
    lab.write(a="1")
    result = lab.pull(0)
    assert (result["kind"], lab.generation()["state"]) == ("marker", "writing")
    assert f"changed from {'a' * 32} to {'b' * 32} during the pull" in result["msg"]


@pytest.mark.parametrize("how", ["gone", "foreign"])
def test_a_tree_that_goes_away_during_the_pull_leaves_no_untouched_mirror(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The message of the look before the pull would be wrong after it."""
    real = _rsync.pull

    def unmount(*words: t.Any, **keywords: t.Any) -> _rsync.Run:
        run = real(*words, **keywords)
        lab.delete(MARKER) if how == "gone" else lab.mark("a" * 32, "data")
        return run

    monkeypatch.setattr(_rsync, "pull", unmount)
    lab.write(a="1")
    result = lab.pull(0)
    assert (result["kind"], lab.generation()["state"]) == ("marker", "writing")
    assert (lab.mirror / "a").exists() and "was not changed" not in result["msg"]
    assert "The mirror is marked as being written; it is not archived" in result["msg"]


def test_a_marker_alone_is_an_empty_source(lab: Lab) -> None:
    lab.write(a="1", b="2")
    lab.pull(0)
    lab.delete("a", "b")
    result = lab.pull(1)
    assert (result["kind"], result["acceptance"], result["census"]["empty_source"]) == ("limits", {"empty": True}, True)
    assert lab.pull(1, accept={"empty": True, "reason": "between two experiments"})["quarantined_files"] == 2
    assert lab.same()


# -------------------------------------------------------------------------------------------------------- the disk


def test_a_disk_that_is_too_small_or_away_stops_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    root = {"path": str(lab.mirror.parent), "document": str(lab.root / "root.json"), "reserve_bytes": 1000}
    lab.write(a="1" * 500)
    result = lab.pull(0, root=root)
    assert (result["kind"], lab.mirror.exists()) == ("root", False)
    for path in (lab.root / "root.json", lab.mirror.parent / _root.NAME):
        path.write_text('{"schema_version": 1, "id": "ab"}')
    given = types.SimpleNamespace(f_bavail=1600, f_frsize=1, f_blocks=10**6, f_files=0, f_favail=0)
    monkeypatch.setattr(_root.os, "statvfs", lambda _path: given)
    marker = (lab.source / MARKER).stat().st_size
    result = lab.pull(0, root=root)
    assert (result["kind"], result["needed_bytes"], lab.mirror.exists()) == ("space", 1500 + marker, False)
    given.f_bavail = 1500 + marker
    assert lab.pull(0, root=root)["files"] == 2


# ---------------------------------------------------------------------------------------------- retries and crashes


def test_each_try_has_a_place_of_its_own_also_when_24_hides_25(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(a="a1", b="b1", c="c1", d="d1")
    lab.pull(0)
    real_census, real_pull, pulls = _rsync.census, _rsync.pull, []

    def census(transfer: _rsync.Transfer) -> _rsync.Run:
        run = real_census(transfer)
        if not pulls:  # the source goes on losing and changing files
            lab.delete("b", "c")
            lab.write(d="d2")
        return run

    def pull(*words: t.Any, **keywords: t.Any) -> _rsync.Run:
        run = real_pull(*words, **keywords)
        pulls.append(run)
        if len(pulls) == 1:
            lab.write(d="d3")
            assert run.rc == 25
            return dataclasses.replace(run, rc=24, kind=_rsync.classify(24, run.messages))
        return run

    monkeypatch.setattr(_rsync, "census", census)
    monkeypatch.setattr(_rsync, "pull", pull)
    lab.expire(archived_generation=1, archive="first")
    lab.delete("a")
    result = lab.pull(1)
    assert (result["retries"], [run.rc for run in pulls], lab.same()) == (1, [25, 0], True)
    kept = {path: entry[3] for number in (1, 2) for path, entry in listing(lab.tree(1, number)).items()}
    assert {path: entry[3] for path, entry in listing(lab.tree(1)).items() if path == "d"} == {"d": b"d1"}
    assert kept == {"a": b"a1", "b": b"b1", "c": b"c1", "d": b"d2"}
    assert result["quarantined_files"] == 5
    # no archive holds d2, which came and went within one run
    assert (lab.document(1)["archive"], lab.info()["unproven"]) == (None, [RUNS[1]])


def test_a_pull_after_one_that_was_killed_recovers_alone(lab: Lab) -> None:
    lab.write(a="a1", b="b1", c="c1", d="d1")
    lab.pull(0)
    lab.expire(archived_generation=1, archive="first")
    lab.write(a="A2", b="B2")
    lab.delete("c", "d")
    child = os.fork()
    if child == 0:
        real = _rsync.pull

        def half(transfer: _rsync.Transfer, **keywords: t.Any) -> _rsync.Run:
            real(dataclasses.replace(transfer, filters=("- /b", "- /d")), **keywords)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

        _rsync.pull = half  # type: ignore[assignment]
        lab.pull(1)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert (lab.generation()["state"], lab.document(1)["state"]) == ("writing", "writing")
    result = lab.pull(2)
    assert (result["generation"], lab.generation()["state"], lab.same()) == (3, "complete", True)
    assert {path: entry[3] for path, entry in listing(lab.tree(1)).items()} == {"a": b"a1", "c": b"c1"}
    assert {path: entry[3] for path, entry in listing(lab.tree(2)).items()} == {"b": b"b1", "d": b"d1"}
    # what the killed pull took away came from the archived generation; what followed came from half a generation
    runs = {run["run_id"]: run for run in lab.info()["runs"]}
    assert (runs[RUNS[1]]["archive"], runs[RUNS[1]]["files"], runs[RUNS[1]]["bytes"]) == ("first", 2, 4)
    assert (runs[RUNS[2]]["archive"], runs[RUNS[2]]["replaces"]) == (None, 2)


def test_a_mirror_that_something_else_writes_to_is_not_complete(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    real = _rsync.pull

    def disturbed(*words: t.Any, **keywords: t.Any) -> _rsync.Run:
        run = real(*words, **keywords)
        (lab.mirror / "stranger").touch()
        return run

    monkeypatch.setattr(_rsync, "pull", disturbed)
    lab.write(a="1")
    result = lab.pull(0)
    assert (result["kind"], lab.generation()["state"]) == ("recount", "writing")
    monkeypatch.undo()
    assert lab.pull(1)["quarantined_files"] == 1  # the stranger


def test_a_generation_is_complete_only_when_the_disk_has_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(a="1")
    states: list[str] = []
    monkeypatch.setattr(_rsync, "flush", lambda _directory: states.append(lab.generation()["state"]))
    lab.pull(0)
    assert (states, lab.generation()["state"]) == (["writing"], "complete")


# --------------------------------------------------------------------------------------------------- comparing content


def at(lab: Lab, name: str, content: str, modified: int = 1_700_000_000) -> None:
    (lab.source / name).write_text(content)
    os.utime(lab.source / name, (modified, modified))


def checksums(lab: Lab, monkeypatch: pytest.MonkeyPatch, age_days: float | None = None) -> list[tuple[str, bool]]:
    """From now on note each census and pull, and whether it reads everything; age what the mirror knows."""
    seen: list[tuple[str, bool]] = []
    real = {"census": _rsync.census, "pull": _rsync.pull}

    def noting(name: str) -> t.Callable[..., _rsync.Run]:
        def run(transfer: _rsync.Transfer, **keywords: t.Any) -> _rsync.Run:
            seen.append((name, transfer.checksum))
            return real[name](transfer, **keywords)

        return run

    for name in real:
        monkeypatch.setattr(_rsync, name, noting(name))
    document = lab.generation()
    if age_days is None:
        del document["checksummed"]
    else:
        moment = datetime.now(UTC) - timedelta(days=age_days)
        document["checksummed"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    lab.generation_file.write_text(json.dumps(document))
    return seen


def test_what_changed_at_the_same_size_and_time_comes_when_content_is_compared(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(lab, "a", "one")
    at(lab, "b", "two")
    at(lab, "c", "old")
    assert lab.pull(0, checksum_every_days=30)["compared"] is False
    assert lab.generation()["checksummed"] <= lab.generation()["started"]  # all of it was transferred
    (lab.source / "a").rename(lab.source / "t")  # two files of one size and time change places
    (lab.source / "b").rename(lab.source / "a")
    (lab.source / "t").rename(lab.source / "b")
    at(lab, "c", "new")
    seen = checksums(lab, monkeypatch, 29.9)
    result = lab.pull(1, checksum_every_days=30)
    assert (result["changed_files"], result["compared"], lab.same()) == (0, False, False)
    assert seen == [("census", False), ("pull", False)]
    seen = checksums(lab, monkeypatch, 30.1)
    options = {**lab.options, "run_id": RUNS[2], "checksum_every_days": 30}
    assert lab._run(rsync_pull, options, check_mode=True)["compared"]
    assert seen == [("census", True)] and not lab.same()
    result = lab.pull(2, checksum_every_days=30)
    assert (result["changed_files"], result["compared"], lab.same()) == (3, True, True)
    assert seen[1:] == [("census", True), ("pull", True)]
    assert {name: entry[3] for name, entry in listing(lab.tree(2)).items()} == {"a": b"one", "b": b"two", "c": b"old"}
    assert lab.generation()["checksummed"][:10] == datetime.now(UTC).strftime("%Y-%m-%d")
    assert not lab.pull(3, checksum_every_days=30)["compared"] and not lab.pull(4)["compared"]


def test_what_is_equal_is_read_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    at(lab, "a", "one")
    at(lab, "b", "two")
    lab.pull(0)
    seen = checksums(lab, monkeypatch)  # a mirror of unknown age
    at(lab, "b", "three")
    lab.write(new="new")
    result = lab.pull(1, checksum_every_days=30)
    assert (result["compared"], result["changed_files"], result["created"], lab.same()) == (True, 1, 1, True)
    assert seen == [("census", True), ("pull", False)]
    lab.write(new="new")  # another time and the same content: by size and time the pull would overwrite it
    seen = checksums(lab, monkeypatch)
    assert lab.pull(2, checksum_every_days=30)["changed_files"] == 0
    assert seen == [("census", True), ("pull", True)] and lab.same()


def test_a_limit_holds_for_what_only_comparing_shows(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        at(lab, f"f{number}", "plain")
    lab.pull(0)
    for number in range(30):
        at(lab, f"f{number}", "crypt")
    checksums(lab, monkeypatch)
    before = lab.generation()
    result = lab.pull(1, checksum_every_days=30, limits={"changed_percent": 50})
    assert "30 of 31 files would be overwritten" in result["msg"] and lab.generation() == before


def test_a_comparison_that_did_not_come_to_its_end_is_due_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    at(lab, "a", "one")
    lab.pull(0)
    checksums(lab, monkeypatch, 40)
    aged = lab.generation()["checksummed"]
    at(lab, "a", "two")
    monkeypatch.setattr(_tree, "count", lambda _path: 99)
    assert lab.pull(2, checksum_every_days=30)["kind"] == "recount"
    assert (lab.generation()["state"], lab.generation()["checksummed"]) == ("writing", aged)


# --------------------------------------------------------------------------------------------------- leaving, again


def test_only_what_came_from_an_archived_generation_leaves(lab: Lab) -> None:
    lab.write(**dict.fromkeys("abcdef", "1"))
    lab.pull(0)  # generation 1, archived
    assert lab.expire(archived_generation=1, archive="one")["changed"]
    assert not lab.expire(archived_generation=1, archive="one")["changed"]
    lab.delete("a")
    lab.pull(1)  # generation 2 brings nothing: inside archive one
    lab.delete("b")
    lab.write(new="2")
    lab.pull(2)  # generation 3 brings something, and is not archived
    lab.delete("c", "new")
    lab.pull(3)  # takes away what no archive holds
    lab.expire(archived_generation=4, archive="four", days=10**6)
    lab.delete("d")
    lab.pull(4)
    assert lab.expire(days=10**6)["removed"] == []
    archives = [run["archive"] for run in lab.info()["runs"]]
    assert (archives, lab.info()["unproven"]) == (["four", None, "one", "one"], [RUNS[3]])
    assert lab.expire(days=0.0)["removed"] == lab.expire(days=0.0, archives=["other"])["removed"] == []
    dry = lab.expire(days=0.0, archives=["one", "four"])
    assert dry["removed"] == [RUNS[4], RUNS[2], RUNS[1]]
    assert dry["kept"] == [{"run_id": RUNS[3], "reason": "no verified archive is known to hold what waits there"}]
    assert sorted(os.listdir(lab.quarantine)) == [RUNS[3], "archived.json"]
    assert lab.expire(run_ids=[RUNS[3]])["files"] == 2
    assert os.listdir(lab.quarantine) == ["archived.json"]


def test_a_mirror_that_begins_anew_forgets_what_was_archived(lab: Lab) -> None:
    lab.write(a="1", b="1")
    lab.pull(0)
    lab.expire(archived_generation=1, archive="one")
    lab.generation_file.unlink()
    lab.pull(1)  # generation 1 again, of another life
    lab.delete("a")
    lab.pull(2)
    assert lab.document(2)["archive"] is None


# -------------------------------------------------------------------------------------------------------- bring back


def test_a_file_and_a_directory_come_back_as_they_were(lab: Lab) -> None:
    fill(lab.source)
    lab.pull(0)
    before = listing(lab.mirror)
    change(lab.source)
    lab.pull(1)
    for path in ("over", "link", "becomes-directory", "fifo"):
        assert lab.restore(1, path, lab.root / path)["files"] == 1
        assert listing(lab.root)[path] == before[path]
    assert lab.restore(1, "gone", lab.root / "gone")["files"] == 2
    assert listing(lab.root / "gone") == {
        "deep": before["gone/deep"],
        "deep/file": before["gone/deep/file"],
        "other": before["gone/other"],
    }
    assert [name for name in os.listdir(lab.root) if name.startswith(".")] == []
    versions = lab.info(path="over")["versions"]
    assert [(one["run_id"], one["kind"], one["bytes"]) for one in versions] == [(RUNS[1], "file", 8)]
    assert lab.info(path="nowhere/at/all")["versions"] == []


def test_a_name_at_the_root_that_nobody_can_type_comes_back_with_everything(lab: Lab) -> None:
    odd = os.path.join(os.fsencode(lab.source), b"b\xff\n")
    with open(odd, "wb") as stream:
        stream.write(b"123")
    lab.write(a="old", keep="x")
    lab.pull(0)
    os.unlink(odd)
    lab.write(a="new")
    lab.pull(1)
    assert lab.restore(1, ".", lab.root / "out")["files"] == 2
    assert {os.fsencode(name): entry[3] for name, entry in listing(lab.root / "out").items()} == {
        b"a": b"old",
        b"b\xff\n": b"123",
    }
    assert [one["run_id"] for one in lab.info(path=".")["versions"]] == [RUNS[1]]


def test_nothing_is_overwritten(lab: Lab) -> None:
    lab.write(a="old")
    lab.pull(0)
    lab.write(a="new")
    lab.pull(1)
    for destination, reason in (
        (lab.mirror / "a", "exists, and nothing is overwritten"),
        (lab.root / "nowhere" / "a", "does not exist"),
    ):
        result = lab.restore(1, "a", destination)
        assert (result["failed"], "Nothing was changed" in result["msg"]) == (True, True)
        assert reason in result["msg"]
    (lab.root / "dangling").symlink_to("nowhere")
    assert lab.restore(1, "a", lab.root / "dangling")["failed"]
    assert (lab.mirror / "a").read_text() == "new"


def test_of_several_tries_the_oldest_version_comes_back(lab: Lab) -> None:
    lab.write(a="1")
    lab.pull(0)
    for number, files in ((1, {"a": "first", "b": "first"}), (2, {"a": "second", "c": "second"})):
        folder = lab.tree(1, number) / "dir"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_text(content)
    assert lab.restore(1, "dir", lab.root / "out")["files"] == 3
    assert {name: entry[3] for name, entry in listing(lab.root / "out").items()} == {
        "a": b"first",
        "b": b"first",
        "c": b"second",
    }
    lab.restore(1, "dir/a", lab.root / "one")
    assert (lab.root / "one").read_text() == "first"


def test_what_comes_back_into_the_mirror_is_a_generation_of_its_own(lab: Lab) -> None:
    lab.write(a="1", b="22")
    lab.pull(0)
    size = lab.generation()["bytes"]
    lab.delete("b")
    lab.pull(1)
    result = lab.restore(
        1, "b", lab.mirror / "b", lock=lab.options["lock"], generation_file=lab.options["generation_file"]
    )
    document = lab.generation()
    assert (result["generation"], document["generation"], document["state"]) == (3, 3, "complete")
    assert (document["files"], document["bytes"], document["marker"]) == (3, size, "a" * 32)
    assert lab.pull(2)["quarantined_files"] == 1
    assert lab.same()


def test_what_a_restore_has_put_aside_is_not_taken_along(lab: Lab) -> None:
    aside = lab.source / ".labops-aside-20261124T081500Z-4d2a10"
    aside.mkdir()
    (aside / "damaged").write_text("old")
    (lab.source / "sub").mkdir()
    (lab.source / "sub" / f"{aside.name}.partial").mkdir()
    (lab.source / "sub" / f"{aside.name}.partial" / "cut off").write_text("part")
    (lab.source / "sub" / ".labops-aside-of-the-lab").write_text("data")
    result = lab.pull(1)
    assert (result["census"]["created"], result["created"], result["files"]) == (2, 2, 2)
    assert sorted(os.listdir(lab.mirror)) == [MARKER, "sub"]
    assert os.listdir(lab.mirror / "sub") == [".labops-aside-of-the-lab"]


def test_a_pull_tells_how_far_it_is_while_it_works(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(a="1" * 1000, b="2" * 2000)
    path = lab.root / "progress" / "tatchu.blobs.json"
    told: list[dict[str, t.Any]] = []
    really = _document.write

    def write(place: str, document: t.Mapping[str, t.Any], **how: t.Any) -> None:
        if place == str(path):
            told.append(dict(document))
        really(place, document, **how)

    monkeypatch.setattr(_progress, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(_document, "write", write)
    assert "failed" not in lab.pull(0, progress_file=str(path))
    marker = (lab.source / MARKER).stat().st_size
    assert told[0]["what"] == "census of tatchu/blobs"
    assert {one["what"] for one in told[1:]} == {"pull of tatchu/blobs"}
    assert (told[-1]["bytes"], told[-1]["total_bytes"]) == (3000 + marker, 3000 + marker)
    assert (told[-1]["files"], told[-1]["total_files"]) == (3, 3)
    assert not path.exists()


def cut_looks(monkeypatch: pytest.MonkeyPatch, *looks: int) -> None:
    """Of the looks at the marker those of these numbers lose the connection."""
    real, made = _rsync.fetch, []

    def fetch(*words: t.Any) -> tuple[_rsync.Run, bool]:
        run, absent = real(*words)
        made.append(run)
        return (dataclasses.replace(run, rc=255, kind="connection"), False) if len(made) in looks else (run, absent)

    monkeypatch.setattr(_rsync, "fetch", fetch)


def test_a_look_at_the_marker_that_was_cut_is_repeated_before_anything_is_counted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write(a="1")
    cut_looks(monkeypatch, 1)
    result = lab.pull(0)
    assert (result["retries"], lab.generation()["marker"], lab.same()) == (1, "a" * 32, True)


def test_a_pull_after_which_nobody_could_look_at_the_marker_is_not_complete(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write(a="1")
    cut_looks(monkeypatch, 2)
    result = lab.pull(0, retries=0)
    assert (result["failed"], result["kind"], lab.generation()["state"]) == (True, "connection", "writing")


def test_a_census_without_a_look_at_the_marker_tells_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, run_module_main: RunModule
) -> None:
    cut_looks(monkeypatch, 1)
    result = run_module_main(
        rsync_census_info, {name: lab.options[name] for name in ("source", "destination", "marker")}
    )
    assert (result["failed"], result["kind"]) == (True, "connection")
    assert f"the marker of {lab.source} could not be read" in result["msg"]


def test_a_refusal_names_what_would_be_overwritten(lab: Lab) -> None:
    lab.write(a="1", b="1")
    lab.pull(0)
    lab.write(a="encrypted", b="encrypted")
    result = lab.pull(1, limits={"changed_files": 1})
    assert (result["kind"], "; to be overwritten, for example: a, b" in result["msg"]) == ("limits", True)


def test_what_could_not_be_copied_out_of_the_quarantine_is_not_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(a="old")
    lab.pull(0)
    lab.write(a="new")
    lab.pull(1)
    real = _rsync.copy
    monkeypatch.setattr(_rsync, "copy", lambda *words: dataclasses.replace(real(*words), rc=23, kind="partial"))
    result = lab.restore(1, "a", lab.root / "out")
    assert (result["failed"], result["kind"], (lab.root / "out").exists()) == (True, "partial", False)
    assert "The quarantine is untouched and nothing is at that place" in result["msg"]
