# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import stat
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _loss
from ansible_collections.labops.backup.plugins.module_utils._model._content import Entry
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Schema, Sequence

FILE, FOLDER, LINK, SOCKET = (
    *(stat.S_IFREG | 0o640, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777, stat.S_IFSOCK | 0o755),
)
OLD = hashlib.sha256(b"1").hexdigest().encode()
NEW = hashlib.sha256(b"2").hexdigest().encode()


class Status(t.NamedTuple):
    st_mode: int = FILE
    st_uid: int = 0
    st_gid: int = 0
    st_size: int = 1
    st_mtime_ns: int = 5
    st_ctime_ns: int = 99
    st_ino: int = 98


def entry(mode: int = FILE, sha256: bytes = OLD, **fields: int) -> Entry:
    numbers = {"uid": 0, "gid": 0, "size": 1, "mtime_ns": 5, "ctime_ns": 6, "inode": 7, **fields}
    return Entry(sha256=sha256, flag=_content.GOOD, mode=mode, name=b"a", **numbers)


@pytest.mark.parametrize(
    ("before", "now", "sha256", "verdict"),
    [
        (entry(), Status(), None, None),
        (entry(), Status(), OLD, None),
        (entry(), Status(), NEW, _loss.DAMAGED),
        (entry(), Status(st_size=2), None, _loss.DAMAGED),
        (entry(), Status(st_mtime_ns=6), OLD, _loss.METADATA),
        (entry(), Status(st_uid=1), OLD, _loss.METADATA),
        (entry(), Status(st_gid=1), OLD, _loss.METADATA),
        (entry(), Status(st_mode=FILE | 0o1), OLD, _loss.METADATA),
        (entry(), Status(st_mode=LINK), None, _loss.DAMAGED),
        (entry(), Status(st_mode=SOCKET), None, _loss.DAMAGED),
        (entry(LINK), Status(st_mode=LINK), NEW, _loss.DAMAGED),
        (entry(LINK), Status(st_mode=LINK, st_mtime_ns=6), OLD, _loss.METADATA),
        (entry(FOLDER, _content.NO_CONTENT), Status(st_mode=FOLDER, st_size=4096, st_mtime_ns=6), None, None),
        (entry(FOLDER, _content.NO_CONTENT), Status(st_mode=FOLDER, st_uid=1), None, _loss.METADATA),
        (entry(FOLDER, _content.NO_CONTENT), Status(), None, _loss.DAMAGED),
    ],
)
def test_what_became_of_a_name(before: Entry, now: Status, sha256: bytes | None, verdict: str | None) -> None:
    assert _loss.judge(before, now, sha256) == verdict


@pytest.mark.parametrize(
    ("before", "now", "when_everything", "otherwise"),
    [
        (entry(), Status(), True, False),
        (entry(), Status(st_mtime_ns=6), True, True),
        (entry(), Status(st_size=2, st_mtime_ns=6), False, False),
        (entry(LINK), Status(st_mode=LINK), False, False),
        (entry(), Status(st_mode=FOLDER), False, False),
        (entry(sha256=_content.NO_CONTENT), Status(st_mtime_ns=6), False, False),
    ],
)
def test_only_files_that_may_hold_the_same_are_read(
    before: Entry, now: Status, when_everything: bool, otherwise: bool
) -> None:
    assert _loss.must_read(before, now, everything=True) == when_everything
    assert _loss.must_read(before, now, everything=False) == otherwise


@pytest.mark.parametrize(
    ("expected", "missing", "differing", "state"),
    [(9, 0, 0, "intact"), (9, 9, 3, "lost"), (9, 8, 0, "damaged"), (9, 0, 1, "damaged"), (0, 0, 0, "intact")],
)
def test_the_verdict_about_a_tree(expected: int, missing: int, differing: int, state: str) -> None:
    assert _loss.state(expected=expected, missing=missing, differing=differing) == state


@pytest.mark.parametrize(
    ("live", "hurt", "reason"),
    [
        (Sequence("a", 1, cycles=False, next=7), [], ""),
        (Sequence("a", 1, cycles=False, next=9), [], ""),
        (Sequence("a", 1, cycles=False, next=6), ["z"], "1 sequence behind or declared otherwise"),
        (Sequence("b", 1, cycles=False, next=9), ["z"], "1 sequence behind or declared otherwise"),
        (None, [], "1 views, sequences, triggers, routines or events missing"),
    ],
)
def test_a_sequence_that_would_give_out_a_number_again_is_damage(
    live: Sequence | None, hurt: list[str], reason: str
) -> None:
    manifest = {
        "schemas": {"s": {"code": Schema("s", "", "").code, "sequences": {"z": {"structure": "a", "next": 7}}}},
        **{part: {"s": {}} for part in ("tables", "digests", "structures")},
    }
    there = Schema("s", "", "", sequences={} if live is None else {"z": live})
    inventory = {kind: [] for kind in _loss.OBJECTS} | {"sequences": list(there.sequences)}
    found = _loss.schema(manifest, there, inventory, by_digest=True)
    assert (found["sequences"], found["reason"], found["state"]) == (hurt, reason, "damaged" if reason else "intact")


@pytest.mark.parametrize(
    ("engine", "version", "same"),
    [
        ("mariadb", "10.11.2-MariaDB", True),
        ("mysql", "10.11.2", False),
        ("mariadb", "10.12.0-MariaDB", False),
    ],
)
def test_digests_of_another_engine_or_series_mean_something_else(engine: str, version: str, same: bool) -> None:
    manifest = {"digests": {}, "engine": "mariadb", "version": "10.11.19-MariaDB"}
    assert _loss.comparable(manifest, engine, version) is same
    del manifest["digests"]
    assert not _loss.comparable(manifest, engine, version)
