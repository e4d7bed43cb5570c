# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real rsync does with the chosen flags: nothing of a tree may be lost. Needs rsync and root."""

from __future__ import annotations

import hashlib
import os
import pathlib
import signal
import socket
import stat
import struct
import subprocess
import time
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _night
from ansible_collections.labops.backup.plugins.module_utils._tools import _rsync

# struct posix_acl_xattr: version 2; owner rw-, user 1234 rw-, group r--, mask rw-, others ---.
ACL = struct.pack(
    "<I" + "HHI" * 5, 2, *(1, 6, 2**32 - 1), *(2, 6, 1234), *(4, 4, 2**32 - 1), *(16, 6, 2**32 - 1), *(32, 0, 2**32 - 1)
)


@pytest.fixture
def tree(tmp_path: t.Any) -> bytes:
    root = bytes(tmp_path / "source")
    os.makedirs(root + b"/sub/deep")
    os.makedirs(root + b"/.rsync-partial")
    os.mkdir(root + b"/empty")
    names = [
        b"plain",
        b"new\nline",
        b"-dash",
        b"bad\xff",
        b"bad\xfe",
        "ünï".encode(),
        b"lit\\#012x",
        b" blank ",
        b"a|b",
        b".rsync-partial/x",
    ]
    for name in names:
        with open(root + b"/" + name, "wb") as stream:
            stream.write(name)
    os.link(root + b"/plain", root + b"/sub/deep/linked")
    with open(root + b"/holes", "wb") as stream:
        stream.seek(8 << 20)
        stream.write(b"end")
    with open(root + b"/closed", "wb") as stream:
        stream.write(b"nobody reads this")
    os.symlink("/nowhere/absolute", root + b"/dangling")
    os.symlink(b"plain", root + b"/relative")
    os.mkfifo(root + b"/fifo")
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(root)  # the path of a socket is short
    try:
        listener.bind("socket")
    finally:
        os.chdir(here)
        listener.close()
    os.setxattr(root + b"/plain", b"user.lab", b"a\0b\xff")
    os.setxattr(root + b"/-dash", b"system.posix_acl_access", ACL)
    os.chown(root + b"/new\nline", 54321, 12345)
    os.chmod(root + b"/closed", 0)
    os.chmod(root + b"/sub", 0o2775)
    os.utime(root + b"/bad\xff", ns=(0, -123456789123456789))
    os.utime(root + b"/plain", ns=(0, 1700000000123456789))
    os.chmod(root, 0o3751)
    os.chown(root, 77, 88)
    os.utime(root, ns=(0, 1600000000000000001))
    return root


def described(root: bytes) -> dict[bytes, tuple[t.Any, ...]]:
    found = {}
    inodes: dict[int, bytes] = {}
    for folder, directories, files in os.walk(root):
        for name in sorted([b"", *directories, *files]):
            path = os.path.join(folder, name)
            entry = os.lstat(path)
            content: t.Any = None
            if stat.S_ISREG(entry.st_mode):
                with open(path, "rb") as stream:
                    content = hashlib.sha256(stream.read()).hexdigest()
            elif stat.S_ISLNK(entry.st_mode):
                content = os.readlink(path)
            attributes = {
                key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
            }
            first = (
                inodes.setdefault(entry.st_ino, os.path.relpath(path, root)) if entry.st_nlink > 1 and content else b""
            )
            found[os.path.relpath(path, root)] = (
                oct(entry.st_mode),
                entry.st_uid,
                entry.st_gid,
                entry.st_mtime_ns,
                content,
                attributes,
                first,
            )
    return found


def pulled(transfer: _rsync.Transfer, max_delete: int = 0) -> _rsync.Run:
    _rsync.check(transfer)
    return _rsync.pull(transfer, max_delete=max_delete)


def test_nothing_is_lost(tree: bytes, tmp_path: t.Any) -> None:
    mirror = tmp_path / "mirror"
    transfer = _rsync.Transfer(source=os.fsdecode(tree), destination=str(mirror))
    counted = _rsync.census(transfer)
    assert not mirror.exists()
    run = pulled(transfer)
    assert (run.kind, run.items.created, run.statistics.files) == ("ok", counted.items.created, 17)
    assert described(bytes(mirror)) == described(tree)
    assert os.stat(mirror / "holes").st_blocks * 512 < 1 << 20
    again = _rsync.census(transfer)
    assert (again.kind, again.items) == ("ok", _rsync.Items(mirror=bytes(mirror)))


def test_only_the_attributes_that_are_skipped_are_left_out(tree: bytes, tmp_path: t.Any) -> None:
    os.setxattr(tree + b"/closed", b"user.other", b"stays")
    mirror = tmp_path / "mirror"
    transfer = _rsync.Transfer(source=os.fsdecode(tree), destination=str(mirror), skip_attributes=("user.la*",))
    assert pulled(transfer).kind == "ok"
    expected = described(tree)
    del expected[b"plain"][5]["user.lab"], expected[b"sub/deep/linked"][5]["user.lab"]
    assert described(bytes(mirror)) == expected
    assert _rsync.census(transfer).items == _rsync.Items(mirror=bytes(mirror))


def test_a_rewrite_within_the_same_second_is_seen(tree: bytes, tmp_path: t.Any) -> None:
    transfer = _rsync.Transfer(source=os.fsdecode(tree), destination=str(tmp_path / "mirror"))
    pulled(transfer)
    with open(tree + b"/plain", "wb") as stream:
        stream.write(b"PLAIN")
    os.utime(tree + b"/plain", ns=(0, 1700000000123456790))
    assert pulled(transfer).kind == "ok"
    assert (tmp_path / "mirror" / "plain").read_bytes() == b"PLAIN"


def test_a_dump_set_that_is_being_deleted_or_made_is_not_pulled(tmp_path: pathlib.Path) -> None:
    source, mirror = tmp_path / "dumps", tmp_path / "mirror"
    pinned, old, new = "20261123T021500Z-3fa9c1", "20261101T021500Z-000001", "20261124T021500Z-000002"
    for name in (pinned, old, f".{old}.removed", f".{new}.partial", "mine", ".mine.removed"):
        (source / name).mkdir(parents=True)
        (source / name / "databases.sql").write_text("x")
    offered = {"id": pinned, "valid": True, "problems": [], "started": "", "finished": ""}
    filters = tuple(_night.pin({"dump_sets": [offered]})["filters"])
    run = pulled(_rsync.Transfer(source=str(source), destination=str(mirror), filters=filters, delete_excluded=True))
    assert (run.kind, sorted(os.listdir(mirror))) == ("ok", [".mine.removed", pinned, "mine"])


def test_deletions_stop_at_the_census(tree: bytes, tmp_path: t.Any) -> None:
    transfer = _rsync.Transfer(source=os.fsdecode(tree), destination=str(tmp_path / "mirror"))
    pulled(transfer)
    for name in (b"/closed", b"/holes", b"/fifo"):
        os.unlink(tree + name)
    assert _rsync.census(transfer).items.deleted == 3
    run = pulled(transfer, max_delete=1)
    assert (run.kind, run.items.deleted, run.messages.skipped_deletions) == ("delete_limit", 1, 2)
    assert (pulled(transfer, max_delete=2).kind, described(bytes(tmp_path / "mirror"))) == ("ok", described(tree))


def test_filters_leave_only_the_pinned_dump_set(tmp_path: t.Any) -> None:
    source, mirror = tmp_path / "dumps", tmp_path / "mirror"
    for name in ("20261123T021500Z-3fa9c1", "20261122T021500Z-aaaaaa", "old"):
        (source / name).mkdir(parents=True)
        (source / name / "manifest.json").write_text(name)
        (source / name / "databases.sql").write_text(name)
    (source / "foreign.sql.gz").write_text("unproven")
    (mirror / "20261121T021500Z-bbbbbb").mkdir(parents=True)
    transfer = _rsync.Transfer(
        source=str(source),
        destination=str(mirror),
        filters=("+ /20261123T021500Z-3fa9c1/***", "- /2*Z-*/"),
        delete_excluded=True,
    )
    assert pulled(transfer, max_delete=1).kind == "ok"
    assert sorted(os.listdir(mirror)) == ["20261123T021500Z-3fa9c1", "foreign.sql.gz", "old"]


def test_filters_fetch_manifests_only_and_forget_old_ones(tmp_path: t.Any) -> None:
    source, staging = tmp_path / "dumps", tmp_path / "staging"
    for name in ("a", "b", "unfinished"):
        (source / name).mkdir(parents=True)
        (source / name / "databases.sql").write_text(name)
    for name in ("a", "b"):
        (source / name / "manifest.json").write_text(name)
    transfer = _rsync.Transfer(
        source=str(source),
        destination=str(staging),
        filters=("+ /*/", "+ /*/manifest.json", "- *"),
        prune_empty_dirs=True,
    )
    pulled(transfer)
    assert sorted(str(path.relative_to(staging)) for path in staging.rglob("*")) == [
        "a",
        "a/manifest.json",
        "b",
        "b/manifest.json",
    ]
    for path in ("a/manifest.json", "a/databases.sql"):
        (source / path).unlink()
    (source / "a").rmdir()
    counted = _rsync.census(transfer).items.deleted
    assert (pulled(transfer, max_delete=counted).kind, sorted(os.listdir(staging))) == ("ok", ["b"])


def test_what_a_killed_pull_leaves_lies_outside_the_mirror_and_is_used(tmp_path: pathlib.Path) -> None:
    source, mirror = tmp_path / "source", tmp_path / "mirror"
    (source / "new/folder").mkdir(parents=True)
    mirror.mkdir()
    (source / "new/folder/recording.bin").write_bytes(os.urandom(6 << 20))
    transfer = _rsync.Transfer(source=str(source), destination=str(mirror))
    left, kept, resume = (mirror.with_name(f"mirror.{name}") for name in ("temporary", "partial", "resume"))
    left.mkdir()
    slow = [*_rsync.arguments(transfer, dry_run=False), "--bwlimit=4000"]
    slow.insert(1, slow.pop())
    process = subprocess.Popen(slow, stdout=subprocess.DEVNULL, process_group=0)
    for _ in range(100):
        if any(path.stat().st_size > 1 << 20 for path in left.iterdir()):
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert [path for path in mirror.rglob("*") if path.is_file()] == []
    (temporary,) = os.listdir(left)
    assert temporary.startswith("recording.bin.")
    _rsync.keep_partials(transfer)
    assert (os.listdir(left), os.listdir(kept)) == ([], ["recording.bin"])
    had = (kept / "recording.bin").stat().st_size
    counted = _rsync.census(transfer)
    assert counted.items.resumable == {b"recording.bin": b"new/folder/recording.bin"}
    run = _rsync.pull(transfer, max_delete=0, resumable=counted.items.resumable)
    assert (run.kind, run.items.created, run.items.changed) == ("ok", 1, 0)
    assert os.listdir(kept) == [] and (resume / "new/folder/recording.bin").stat().st_size == had
    assert (mirror / "new/folder/recording.bin").read_bytes() == (source / "new/folder/recording.bin").read_bytes()
    assert _rsync.census(transfer).items.created == 0
    _rsync.forget_partials(transfer)
    assert sorted(os.listdir(tmp_path)) == ["mirror", "source"]


def test_rsync_starts_with_nothing_in_its_partial_folder(tmp_path: pathlib.Path) -> None:
    """Debian's 3.2.7 cannot go on from there; what is not missing in the mirror is not gone on with at all."""
    source, mirror, kept = tmp_path / "source", tmp_path / "mirror", tmp_path / "mirror.partial"
    for folder in (source, mirror, kept, source / "b", source / "a"):
        folder.mkdir()
    for path in (source / "changed", source / "a/twice", source / "b/twice"):
        path.write_bytes(b"whole" * 1000)
    (mirror / "changed").write_bytes(b"old")
    for name in ("changed", "twice", "gone"):
        (kept / name).write_bytes(b"whole")
    (kept / "b").write_bytes(b"longer than the source's")
    transfer = _rsync.Transfer(source=str(source), destination=str(mirror))
    counted = _rsync.census(transfer)
    assert counted.items.resumable == {b"twice": b"a/twice"}
    assert _rsync.pull(transfer, max_delete=0, resumable=counted.items.resumable).kind == "ok"
    assert os.listdir(kept) == []
    resumed = tmp_path / "mirror.resume"
    assert [str(path.relative_to(resumed)) for path in resumed.rglob("*") if path.is_file()] == ["a/twice"]
    _rsync.keep_partials(transfer)
    assert (os.listdir(kept), resumed.exists()) == (["twice"], False)


def test_a_path_that_leads_out_of_the_tree_is_not_gone_on_with(tmp_path: pathlib.Path) -> None:
    source, mirror, kept = tmp_path / "source", tmp_path / "mirror", tmp_path / "mirror.partial"
    for folder in (source, mirror, kept):
        folder.mkdir()
    (kept / "x").write_bytes(b"half")
    transfer = _rsync.Transfer(source=str(source), destination=str(mirror))
    assert _rsync.pull(transfer, max_delete=0, resumable={b"x": b"../x"}).kind == "ok"
    assert sorted(os.listdir(tmp_path)) == ["mirror", "mirror.partial", "mirror.temporary", "source"]
