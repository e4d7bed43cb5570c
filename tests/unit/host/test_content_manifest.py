# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os
import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest
from ansible_collections.labops.backup.plugins.module_utils._model import _content

LINES = [
    _content.folder_line(b""),
    b"f" * 64 + b" . 100640 0 0 1 2 3 4 a\\nb\n",
    _content.folder_line(b"sub/\xff"),
    b"-" * 64 + b" ! 100000 0 0 1 -2 3 4 {\n",
]


def write(path: pathlib.Path, generation: int = 3) -> str:
    with _content_manifest.replacing(str(path), generation, dry=False) as writer:
        writer.add(LINES)
        return writer.finish({"files": 2})


def test_what_is_written_is_read_back(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "m"
    digest = write(path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest() == _content_manifest.sha256(str(path))
    assert (path.stat().st_mode & 0o777, os.listdir(tmp_path)) == (0o600, ["m"])
    with _content_manifest.opened(str(path)) as reader:
        assert reader.sha256 == digest
        assert [reader.line() for _line in LINES] == LINES
    header, trailer = (json.loads(path.read_bytes().splitlines()[at]) for at in (0, -1))
    assert header == {"schema_version": 1, "format": "content manifest", "generation": 3}
    assert trailer["files"] == 2
    assert [(found, entry.flag) for found, entry in _content_manifest.entries(str(path))] == [
        (b"a\nb", b"."),
        (b"sub/\xff/{", b"!"),
    ]


def test_the_same_content_is_the_same_file(tmp_path: pathlib.Path) -> None:
    assert write(tmp_path / "a") == write(tmp_path / "b") != write(tmp_path / "c", generation=4)
    with _content_manifest.replacing(str(tmp_path / "d"), 3, dry=True) as writer:
        writer.add(LINES)
        assert writer.finish({"files": 2}) == _content_manifest.sha256(str(tmp_path / "a"))
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c"]


def test_a_manifest_that_fails_leaves_the_former_one(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "m"
    digest = write(path)
    with pytest.raises(ValueError, match="no"), _content_manifest.replacing(str(path), 4, dry=False) as writer:
        writer.add(LINES)
        raise ValueError("no")
    assert (_content_manifest.sha256(str(path)), os.listdir(tmp_path)) == (digest, ["m"])


def test_what_a_crash_left_aside_is_no_hindrance(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "m"
    (tmp_path / "m.new").write_bytes(b"x" * 100_000)
    assert write(path) == _content_manifest.sha256(str(path))
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("kept", [0, 1, 80, 200, -1, -2, -130])
def test_a_manifest_that_is_cut_off_is_refused(tmp_path: pathlib.Path, kept: int) -> None:
    path = tmp_path / "m"
    write(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BackupError, match=r"is cut off|altered or damaged"), _content_manifest.opened(str(path)):
        pass


def test_a_manifest_with_one_other_byte_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "m"
    write(path)
    content = bytearray(path.read_bytes())
    for place in (5, 100, 200):
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(BackupError, match="altered or damaged"), _content_manifest.opened(str(path)):
            pass
        content[place] ^= 1


def test_another_document_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "m"
    above = b'{"schema_version": 1}\n'
    path.write_bytes(above + json.dumps({"sha256_above": hashlib.sha256(above).hexdigest()}).encode() + b"\n")
    with pytest.raises(BackupError, match="is no content manifest"), _content_manifest.opened(str(path)):
        pass


def test_a_reader_begins_again_and_knows_what_the_trailer_counts(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "m")
    with _content_manifest.opened(str(tmp_path / "m")) as reader:
        first = [reader.line() for _line in LINES]
        reader.rewind()
        assert [reader.line() for _line in LINES] == first == LINES
        assert reader.totals == {"files": 2}
