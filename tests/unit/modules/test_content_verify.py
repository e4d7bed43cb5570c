# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import socket
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _generation
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.modules import content_verify

RunModule = t.Callable[..., dict[str, t.Any]]


class Mirror:
    """A mirror with its documents; ``verify`` begins another generation, as a pull would have."""

    def __init__(self, top: pathlib.Path, run: RunModule) -> None:
        self.path, self.manifest, self.document = top / "blobs", top / "blobs.content", top / "blobs.generation.json"
        self.path.mkdir()
        self.generation = 0
        self._run = run

    def verify(self, *, check_mode: bool = False, again: bool = False, **options: t.Any) -> dict[str, t.Any]:
        if not again:
            self.generation += 1
            self.say("complete")
        given = {"mirror": self.path, "manifest_file": self.manifest, "generation_file": self.document, **options}
        given = {key: str(value) if isinstance(value, pathlib.Path) else value for key, value in given.items()}
        return self._run(content_verify, given, check_mode=check_mode)

    def say(self, state: str) -> None:
        document = {"schema_version": 1, "generation": self.generation, "state": state}
        document |= {"verified": self.generation > 1}
        self.document.write_text(json.dumps(document))

    def write(self, name: str | bytes, content: bytes) -> pathlib.Path:
        path = self.path / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def blob(self, content: bytes, *, schema: str = "lab") -> pathlib.Path:
        digits = hashlib.md5(content).hexdigest()
        return self.write(f"{schema}/{digits[:2]}/{digits[2:4]}/{digits}", content)

    def entries(self) -> dict[bytes, _content.Entry]:
        return dict(_content_manifest.entries(str(self.manifest)))


@pytest.fixture
def mirror(tmp_path: pathlib.Path, run_module_main: RunModule) -> Mirror:
    return Mirror(tmp_path, run_module_main)


def overwrite(path: pathlib.Path, content: bytes) -> None:
    """Another content, and the time set back, as rot or somebody careful leaves it."""
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rot(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit of what is read of this file is another one from now on, and nothing else tells."""
    inode, really_read = path.stat().st_ino, os.readv

    def readv(descriptor: int, buffers: t.Sequence[memoryview]) -> int:
        size = really_read(descriptor, buffers)
        if size and os.fstat(descriptor).st_ino == inode:
            buffers[0][0] ^= 1
        return size

    monkeypatch.setattr(os, "readv", readv)


def counts(result: dict[str, t.Any]) -> dict[str, int]:
    names = ("added", "removed", "changed_files", "metadata", "unchanged", "hashed_files")
    assert "msg" not in result, result
    return {name: result[name] for name in names if result[name]}


# ------------------------------------------------------------------------------------------------- night after night


def test_only_what_is_new_is_read(mirror: Mirror) -> None:
    for number in range(5):
        mirror.write(f"d{number}/file", b"%d" % number)
    first = mirror.verify()
    assert (first["changed"], first["ok"], first["files"], first["bytes"]) == (True, True, 5, 5)
    assert counts(first) == {"added": 5, "hashed_files": 5}
    assert first["manifest"] == {
        "sha256": hashlib.sha256(mirror.manifest.read_bytes()).hexdigest(),
        "files": 5,
        "bytes": 5,
    }
    again = mirror.verify(again=True)
    assert (again["changed"], counts(again)) == (False, {"unchanged": 5})
    mirror.write("d2/new", b"new")
    second = mirror.verify()
    assert (second["changed"], second["generation"]) == (True, 2)
    assert (counts(second), second["hashed_bytes"]) == ({"added": 1, "unchanged": 5, "hashed_files": 1}, 3)
    assert mirror.entries()[b"d2/new"].sha256 == hashlib.sha256(b"new").hexdigest().encode()


def test_second_and_later_nights(mirror: Mirror) -> None:
    growing = mirror.write("log", b"one\n")
    turning = mirror.write("turning", b"file")
    moving = mirror.write("a/moving", b"moving")
    touched = mirror.write("touched", b"same")
    mirror.write("z/gone/deep/file", b"")
    mirror.verify()
    before = mirror.entries()

    growing.write_bytes(b"one\ntwo\n")
    turning.unlink()
    (turning / "inner").mkdir(parents=True)
    (turning / "inner" / "file").write_bytes(b"")
    (mirror.path / "b").mkdir()
    moving.rename(mirror.path / "b" / "moved")
    touched.chmod(0o600)
    os.utime(touched, (1, -1))
    shutil.rmtree(mirror.path / "z")
    result = mirror.verify()
    assert result["ok"]
    # growing; turning out, inner/file in; moving out and in; touched; z out
    assert counts(result) == {"changed_files": 1, "added": 2, "removed": 3, "metadata": 1, "hashed_files": 4}
    changes = {(change.kind, change.path) for change in _content.diff(before.items(), mirror.entries().items())}
    assert changes == {
        ("content", b"log"),
        ("removed", b"turning"),
        ("added", b"turning/inner/file"),
        ("removed", b"a/moving"),
        ("added", b"b/moved"),
        ("metadata", b"touched"),
        ("removed", b"z/gone/deep/file"),
    }
    assert mirror.entries()[b"touched"].mtime_ns == -1_000_000_000

    shutil.rmtree(turning)
    turning.write_bytes(b"file")
    assert counts(mirror.verify()) == {"added": 1, "removed": 1, "unchanged": 3, "hashed_files": 1}
    assert counts(mirror.verify()) == {"unchanged": 4}


def test_any_name_and_every_kind(mirror: Mirror) -> None:
    names = [
        b"new\nline",
        b"-dash",
        b" ",
        b"\"quote'",
        b"{{ x }}",
        b"\x1b[2J",
        b"\xff\xfe\x80",
        b"x" * 255,
        b"back\\n",
        "µ".encode(),
    ]
    for name in names:
        mirror.write(name, name)
        mirror.write(name + b"d" if len(name) < 255 else b"y" * 255 + b"/x", b"")
    deep = os.open(mirror.path, os.O_RDONLY)
    for _level in range(15):  # as long as rsync can have it: more than 4096 bytes with the mirror's own path
        os.mkdir(b"l" * 255, dir_fd=deep)
        deep, above = os.open(b"l" * 255, os.O_RDONLY, dir_fd=deep), deep
        os.close(above)
    os.close(os.open(b"b" * 250, os.O_CREAT | os.O_WRONLY, dir_fd=deep))
    os.close(deep)
    os.mkfifo(mirror.path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(mirror.path, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
    os.symlink("nowhere", mirror.path / "dangling")
    os.symlink("/etc", mirror.path / "absolute")
    (mirror.path / "empty").mkdir()
    mirror.write("secret", b"s").chmod(0)
    with open(mirror.path / "sparse", "wb") as stream:
        stream.truncate(5_000_000)
    result = mirror.verify()
    assert (result["ok"], result["files"], result["others"]) == (True, 2 * len(names) + 3, 4)
    entries = mirror.entries()
    for name in names:
        assert entries[name].sha256 == hashlib.sha256(name).hexdigest().encode()
    assert entries[b"dangling"].sha256 == hashlib.sha256(b"nowhere").hexdigest().encode()
    assert entries[b"fifo"].sha256 == entries[b"socket"].sha256 == entries[b"empty"].sha256 == _content.NO_CONTENT
    assert b"/".join([b"l" * 255] * 15 + [b"b" * 250]) in entries
    assert not any(path.startswith(b"absolute/") for path in entries)
    again = mirror.verify()
    assert (again["hashed_files"], again["unchanged"]) == (0, result["files"] + result["others"])
    (mirror.path / "dangling").unlink()
    os.symlink("elsewhere", mirror.path / "dangling")
    assert mirror.verify()["changed_files"] == 1


def test_a_file_with_several_names_is_read_once(mirror: Mirror) -> None:
    first = mirror.write("a/first", b"x" * 1000)
    (mirror.path / "b").mkdir()
    for number in range(3):
        os.link(first, mirror.path / "b" / str(number))
    result = mirror.verify()
    assert (result["files"], result["bytes"]) == (4, 4000)
    assert (result["hashed_files"], result["hashed_bytes"]) == (1, 1000)
    assert len({entry.sha256 for entry in mirror.entries().values() if entry.is_file}) == 1
    os.link(first, mirror.path / "another")
    assert mirror.verify()["hashed_files"] == 1


@pytest.mark.long
def test_many_files(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    """100,000 entries in one folder; how fast that goes is told and not judged."""
    (mirror.path / "flat").mkdir()
    folder = os.open(mirror.path / "flat", os.O_RDONLY)
    for number in range(100_000):
        os.mknod(f"frame_{number:06d}.tif", dir_fd=folder)
    os.close(folder)
    first, second = mirror.verify(), mirror.verify()
    assert (first["added"], second["unchanged"], second["hashed_files"]) == (100_000, 100_000, 0)
    with capsys.disabled():
        print(f" [{100_000 / first['seconds']:.0f} new, {100_000 / second['seconds']:.0f} untouched files/s] ", end="")


# --------------------------------------------------------------------------------------------- names that tell it all


def test_a_good_store(mirror: Mirror) -> None:
    blob = mirror.blob(b"blob")
    attachment = hashlib.md5(b"notes 0.txt\0text").hexdigest()
    mirror.write(f"lab/{attachment[:2]}/{attachment[2:4]}/{attachment}.notes 0.txt", b"text")
    digits = base64.b32encode(hashlib.md5(b"two").digest()).decode().rstrip("=").lower()
    mirror.write(f"_hash/lab/{digits}", b"two")
    mirror.write(f"_hash/lab/{digits[:2]}/{digits[2:4]}/{digits}", b"two")
    blob.with_name(blob.name + ".saving").write_bytes(b"half of a bl")
    os.link(blob, mirror.path / "other_name")
    for stores in (None, ["."], []):
        result = mirror.verify(rehash_percent=100, **({} if stores is None else {"stores": stores}))
        assert (result["ok"], result["finding_count"], result["message"]) == (True, 0, "")


@pytest.mark.parametrize("content", [b"", b"blo", b"clob", b"blob and more"])
def test_rot_truncation_and_growth_of_a_blob(mirror: Mirror, content: bytes) -> None:
    blob = mirror.blob(b"blob")
    mirror.verify()
    overwrite(blob, content)
    result = mirror.verify()
    name = str(blob.relative_to(mirror.path))
    found = {
        "path": name,
        "kind": "name",
        "expected": blob.name,
        "got": hashlib.md5(content).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert (result["ok"], result["finding_count"], result["findings"]) == (False, 1, [found])
    assert name in result["message"] and found["sha256"] in result["message"]
    assert mirror.verify()["findings"] == [found], "a finding comes back until it is dealt with"
    overwrite(blob, b"blob")
    assert mirror.verify()["ok"]
    assert counts(mirror.verify()) == {"unchanged": 1}


def test_a_damaged_blob_is_found_on_the_first_night(mirror: Mirror) -> None:
    mirror.blob(b"blob").write_bytes(b"")
    assert mirror.verify()["finding_count"] == 1
    assert mirror.verify(stores=[])["ok"]


def test_somebody_encrypts(mirror: Mirror) -> None:
    blobs = [mirror.blob(b"%d" % number) for number in range(50)]
    mirror.verify()
    for blob in blobs:
        blob.write_bytes(os.urandom(100))
    result = mirror.verify()
    assert (result["ok"], result["finding_count"], len(result["findings"])) == (False, 50, 20)
    assert "50 files in" in result["message"] and "and 45 more" in result["message"]
    for blob in blobs:
        blob.rename(blob.with_name(blob.name + ".locked"))
    assert mirror.verify()["finding_count"] == 50


def test_a_blob_that_was_stored_again_is_no_finding(mirror: Mirror) -> None:
    blob = mirror.blob(b"blob")
    mirror.verify()
    blob.unlink()
    mirror.blob(b"blob")
    os.utime(blob, (1, 1))
    result = mirror.verify()
    assert (result["ok"], result["rewritten"], result["metadata"]) == (True, 1, 1)


def test_a_finding_that_is_accepted(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = mirror.blob(b"blob")
    blob.write_bytes(b"")
    mirror.blob(b"also").write_bytes(b"")
    found = mirror.verify()["findings"]
    accept = [f"{one['sha256']} {one['path']}" for one in found]
    assert mirror.verify(accept=accept[:1])["finding_count"] == 1, "the other one holds the same and was not meant"
    result = mirror.verify(accept=accept)
    assert (result["ok"], result["accepted"]) == (True, 1)
    for _night in range(2):
        result = mirror.verify(rehash_percent=100)
        assert (result["ok"], result["accepted"], result["hashed_files"]) == (True, 0, 2)
    blob.write_bytes(b"other")
    assert not mirror.verify(accept=accept)["ok"]


# ----------------------------------------------------------------------------------------------- without such a name


def test_rot_of_any_file_is_found_when_it_is_read_again(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mirror.write("recording.bin", b"volts")
    mirror.verify()
    good = hashlib.sha256(b"volts").hexdigest()
    with monkeypatch.context() as broken:
        rot(path, broken)
        assert counts(mirror.verify()) == {"unchanged": 1}
        for _night in range(2):  # the second time although nothing is to be read again
            result = mirror.verify(rehash_percent=100 if _night == 0 else 0)
            (found,) = result["findings"]
            assert (found["kind"], found["expected"]) == ("silent", good)
            assert found["got"] == found["sha256"] == hashlib.sha256(b"wolts").hexdigest()
        assert mirror.entries()[b"recording.bin"].sha256 == good.encode()
    assert mirror.verify()["ok"]


def test_a_write_that_sets_the_time_back_is_found_at_once(mirror: Mirror) -> None:
    path = mirror.write("recording.bin", b"volts")
    mirror.verify()
    overwrite(path, b"valts")
    result = mirror.verify()
    assert [found["kind"] for found in result["findings"]] == ["silent"]
    taken = mirror.verify(accept=[result["findings"][0]["sha256"] + "  recording.bin"])
    assert (taken["ok"], taken["accepted"]) == (True, 1)
    assert counts(mirror.verify()) == {"unchanged": 1}
    path.write_bytes(b"vilts")
    os.utime(path, (9, 9))
    assert mirror.verify()["ok"], "another size or time is a change like any other"


def test_every_file_is_read_again_within_its_rounds(mirror: Mirror) -> None:
    for number in range(40):
        mirror.write(f"d/{number}", b"")
    mirror.verify()
    read = [mirror.verify(rehash_percent=25)["hashed_files"] for _night in range(4)]
    assert sum(read) == 40 and all(0 < count < 40 for count in read)
    other = mirror.verify(rehash_percent=25)["hashed_files"]
    assert mirror.verify(rehash_percent=25, again=True)["hashed_files"] == other == read[0]


def test_a_file_that_cannot_be_read(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mirror.write("bad", b"x")
    mirror.write("good", b"y")
    inode, really_read = path.stat().st_ino, os.readv

    def readv(descriptor: int, buffers: t.Sequence[memoryview]) -> int:
        if os.fstat(descriptor).st_ino == inode:
            raise OSError(errno.EIO, "Input/output error")
        return really_read(descriptor, buffers)

    with monkeypatch.context() as broken:
        broken.setattr(os, "readv", readv)
        for _night in range(2):
            result = mirror.verify()
            (found,) = result["findings"]
            assert (result["ok"], found["kind"], found["got"]) == (False, "unreadable", "Input/output error")
            assert "bad cannot be read: Input/output error" in result["message"]
        assert result["unchanged"] == 2
    assert mirror.verify()["ok"]


# ---------------------------------------------------------------------------------------------- somebody else writes


def test_a_file_that_vanishes(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.write("a", b"x")
    mirror.verify()
    kept = mirror.manifest.read_bytes()
    path, really_open = mirror.write("gone", b"x"), os.open

    def opened(name: t.Any, flags: int, **keywords: t.Any) -> int:
        if name == b"gone":
            path.unlink()
        return really_open(name, flags, **keywords)

    monkeypatch.setattr(os, "open", opened)
    result = mirror.verify()
    assert result["failed"] and "was written to while its content was verified: gone vanished" in result["msg"]
    assert mirror.manifest.read_bytes() == kept


def test_a_file_that_was_renamed_is_another_one(mirror: Mirror) -> None:
    path = mirror.write("a", b"x")
    mirror.verify()
    path.rename(path.with_name("b"))
    done = mirror.verify()
    assert (done["added"], done["removed"], done["changed_files"], done["metadata"]) == (1, 1, 0, 0)
    assert set(mirror.entries()) == {b"b"}


def test_a_mirror_whose_disk_fails(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.write("a", b"x")
    really = os.stat

    def stat(path: t.Any, **keywords: t.Any) -> os.stat_result:
        if path == b"a":
            raise OSError(5, "Input/output error")
        return really(path, **keywords)

    monkeypatch.setattr(os, "stat", stat)
    failed = mirror.verify()
    assert "a in the mirror" in failed["msg"] and "cannot be looked at: Input/output error" in failed["msg"]
    assert "Check the disk" in failed["msg"] and not mirror.manifest.exists()


def test_a_file_that_is_written_while_it_is_read(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    path, really_read = mirror.write("log", b"x"), os.readv

    def readv(descriptor: int, buffers: t.Sequence[memoryview]) -> int:
        with path.open("ab") as stream:
            stream.write(b"more" if path.stat().st_size < 9 else b"")
        return really_read(descriptor, buffers)

    monkeypatch.setattr(os, "readv", readv)
    result = mirror.verify()
    assert result["failed"] and "log changed while it was read" in result["msg"]
    assert not mirror.manifest.exists()


def test_a_pull_meanwhile(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.write("a", b"x")
    really_read = os.readv

    def readv(descriptor: int, buffers: t.Sequence[memoryview]) -> int:
        mirror.say("writing")
        return really_read(descriptor, buffers)

    monkeypatch.setattr(os, "readv", readv)
    result = mirror.verify()
    assert result["failed"] and "its generation is another one now" in result["msg"]
    assert not mirror.manifest.exists() and sorted(os.listdir(mirror.path.parent)) == ["blobs", "blobs.generation.json"]


def test_only_the_generation_that_is_meant(mirror: Mirror) -> None:
    mirror.verify()
    assert mirror.verify(generation=2)["generation"] == 2
    result = mirror.verify(generation=9)
    assert "is at generation 3, complete; verified can be generation 9, complete" in result["msg"]
    mirror.say("writing")
    result = mirror.verify(again=True)
    assert "is at generation 3, writing; verified can be one that is complete" in result["msg"]
    assert "Pull first" in mirror.verify(generation_file="/nonexistent/g.json")["msg"]
    assert "is not a folder" in mirror.verify(mirror=mirror.manifest)["msg"]


def test_the_lock_is_held(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    lock = tmp_path / "lock"
    assert mirror.verify(lock=lock)["ok"]
    with lock.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert "is held by" in mirror.verify(lock=lock)["msg"]


# ------------------------------------------------------------------------------------------------------------- other


def test_check_mode_reads_everything_and_writes_nothing(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    blob = mirror.blob(b"blob")
    predicted = mirror.verify(check_mode=True, lock=tmp_path / "lock")
    assert (predicted["changed"], predicted["ok"], predicted["hashed_files"]) == (True, True, 1)
    assert sorted(os.listdir(tmp_path)) == ["blobs", "blobs.generation.json"]
    done = mirror.verify(again=True)
    assert done["manifest"] == predicted["manifest"]
    assert mirror.verify(again=True, check_mode=True)["changed"] is False
    overwrite(blob, b"clob")
    kept = mirror.manifest.read_bytes()
    assert mirror.verify(check_mode=True)["finding_count"] == 1
    assert mirror.manifest.read_bytes() == kept


def test_a_damaged_manifest_is_made_anew(mirror: Mirror, module_warnings: list[str]) -> None:
    mirror.write("a", b"x")
    mirror.verify()
    mirror.manifest.write_bytes(mirror.manifest.read_bytes()[:-50])
    result = mirror.verify()
    assert counts(result) == {"added": 1, "hashed_files": 1}
    assert "is cut off. Every file was read again" in module_warnings[0]
    assert counts(mirror.verify()) == {"unchanged": 1}


def lose(mirror: Mirror, how: str) -> None:
    if how == "gone":
        mirror.manifest.unlink()
    else:
        mirror.manifest.write_bytes(mirror.manifest.read_bytes()[: 0 if how == "empty" else -50])


@pytest.mark.parametrize("how", ["gone", "empty", "cut off"])
def test_without_its_manifest_nobody_can_compare_and_that_is_told_once(
    mirror: Mirror, module_warnings: list[str], how: str
) -> None:
    """An open finding stands in the manifest alone."""
    recording = mirror.write("recording.bin", b"volts")
    first = mirror.verify()
    assert (first["ok"], first["lost"], first["message"]) == (True, "", "")
    overwrite(recording, b"wolts")
    assert mirror.verify(rehash_percent=100)["finding_count"] == 1
    lose(mirror, how)
    told = mirror.verify(check_mode=True)
    result = mirror.verify(again=True)
    assert told["lost"] == result["lost"] == result["message"] == module_warnings[-1]
    assert "Every file was read again" in result["lost"] and "Nothing of this source is removed" in result["lost"]
    again = mirror.verify()
    assert (again["ok"], again["lost"], again["message"]) == (True, "", "")


def test_a_loss_is_told_beside_what_was_found(mirror: Mirror) -> None:
    blob = mirror.blob(b"blob")
    mirror.verify()
    overwrite(blob, b"clob")
    lose(mirror, "gone")
    result = mirror.verify()
    assert (result["ok"], result["finding_count"]) == (False, 1)
    assert blob.name in result["message"] and result["lost"] and result["lost"] in result["message"]


def test_a_first_pull_that_took_several_times_had_nothing_to_compare_with(mirror: Mirror) -> None:
    """Only the last of them came to its end."""
    mirror.write("a", b"x")
    path = str(mirror.document)
    for _try in range(3):
        number = _generation.begin(path, started="2026-11-23T02:30:00Z", dump_set=None, run_id=None)
    _generation.complete(path, number, finished="2026-11-23T02:31:00Z", files=1, total_bytes=1)
    result = mirror.verify(again=True)
    assert (result["generation"], result["ok"], result["lost"]) == (3, True, "")
    number = _generation.begin(path, started="2026-11-24T02:30:00Z", dump_set=None, run_id=None)
    _generation.complete(path, number, finished="2026-11-24T02:31:00Z", files=1, total_bytes=1)
    lose(mirror, "gone")
    assert "is gone" in mirror.verify(again=True)["lost"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rehash_percent": 101}, "rehash_percent is 101."),
        ({"rehash_percent": -1}, "rehash_percent is -1."),
        ({"accept": ["x"]}, "'x' is not SHA-256 and path."),
        ({"stores": ["/absolute"]}, "the store '/absolute' is no path below the mirror."),
        ({"stores": ["a/../.."]}, "the store 'a/../..' is no path below the mirror."),
    ],
)
def test_bad_options_are_refused(mirror: Mirror, options: dict[str, t.Any], message: str) -> None:
    result = mirror.verify(**options)
    assert result["failed"] and result["msg"].startswith(f"{message} No content was verified.")
    assert not mirror.manifest.exists()


def test_a_manifest_in_the_mirror_is_refused(mirror: Mirror) -> None:
    assert "would lie in the mirror" in mirror.verify(manifest_file=mirror.path / "x")["msg"]


def test_the_lock_is_kept_for_the_next_step_of_the_run(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    mine = {"lock": tmp_path / "lock", "lock_keep": 100, "run_id": "20261123T023000Z-77b0aa"}
    assert mirror.verify(**mine)["ok"]
    assert mirror.verify(**{**mine, "run_id": "20261123T023001Z-000000"})["kind"] == "busy"
    assert mirror.verify(**mine)["ok"]


def test_what_was_accepted_holds_for_that_content_only(mirror: Mirror) -> None:
    path = mirror.write("recording.bin", b"good")
    mirror.verify()
    os.utime(path)
    mirror.verify()
    assert mirror.entries()[b"recording.bin"].flag == _content.GOOD
    overwrite(path, b"evil")
    (found,) = mirror.verify()["findings"]
    assert mirror.verify(accept=[f"{found['sha256']} recording.bin"])["ok"]
    assert mirror.entries()[b"recording.bin"].flag == _content.ACCEPTED
    os.utime(path)
    assert mirror.verify()["ok"] and mirror.entries()[b"recording.bin"].flag == _content.ACCEPTED
    path.write_bytes(b"of the next session")
    assert mirror.verify()["ok"] and mirror.entries()[b"recording.bin"].flag == _content.GOOD
