# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a program prints is either read or refused: what reads it never trips."""

from __future__ import annotations

import contextlib
import json
import random
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg, _rsync

PIECES = [
    *(
        b"|",
        b"*deleting",
        b">f",
        b".d..t......",
        b"cL+++++++++",
        b"|12|",
        b"|x|",
        b"name",
        b"\xff\xfe",
        b"\\#012",
        b"\\#9",
        b"\\#000",
        b"|>f+++++++++|3|",
    ),
    *(b"Number of files: ", b"1,234", b"12 (reg: 3, dir: 2)", b"Total file size: ", b"Literal data: -1", b"\r", b" "),
    *(b"rsync: [", b'file has vanished: "', b"Deletions stopped due to --max-delete limit (", b"3 skipped)", b"@@@"),
]
VALUES: list[t.Any] = [None, True, 0, -1, 1.5, "", "x", [], {}, [1], {"a": 1}, "borg.output.list", "ERROR", "WARNING"]
KEYS = [
    "type",
    "msgid",
    "message",
    "levelname",
    "name",
    "current",
    "total",
    "finished",
    "nfiles",
    "original_size",
    "path",
]
TYPES = ["log_message", "archive_progress", "progress_percent", "progress_message", "file_status", *VALUES]
ROUNDS = 3000


def junk(chance: random.Random) -> bytes:
    pieces = [chance.choice(PIECES) for _number in range(chance.randint(0, 6))]
    return b"".join([*pieces, chance.randbytes(chance.randint(0, 6))]).replace(b"\n", b"")


def test_rsync() -> None:
    chance = random.Random(1)
    items, statistics, messages = _rsync.Items(mirror=b"/nonexistent"), _rsync.Statistics(), _rsync.Messages()
    for _round in range(ROUNDS):
        line = junk(chance)
        with contextlib.suppress(BackupError):
            items.take(line)
        statistics.take(line)
        messages.take(line.decode("utf-8", "surrogateescape"))
        assert _rsync.printable(_rsync.unescape(line)).isprintable()
    assert messages.text.isprintable()
    for rc in range(-20, 300):
        assert _rsync.remedy(_rsync.classify(rc, messages), messages.text)


def test_borg() -> None:
    chance = random.Random(2)
    log = _borg.Log(lambda _record: None)
    for _round in range(ROUNDS):
        record = {key: chance.choice(VALUES) for key in KEYS if chance.random() < 0.5}
        text = json.dumps({**record, "type": chance.choice(TYPES)})
        log.take(text if chance.random() < 0.8 else text[: chance.randint(0, len(text))])
        log.take(junk(chance).decode("utf-8", "surrogateescape"))
    log.take('{"type": "progress_percent", "msgid": "repository.check", "current": 1}')
    log.take("[" * 100_000)
    assert all(isinstance(log.cause(rc), str) for rc in range(-20, 300))
    for _round in range(ROUNDS):
        text = junk(chance).decode("utf-8", "surrogateescape")
        for parse in (_borg.parse_version, _borg.parse_size, _borg.parse_time, _borg.check_archive_name):
            with contextlib.suppress(BackupError):
                parse(text)


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b"null", b"{", b"[" * 100_000])
def test_what_is_no_json_of_borg_is_refused(text: bytes) -> None:
    with pytest.raises(BackupError, match="not the JSON that was asked for"):
        _borg._document(text)
