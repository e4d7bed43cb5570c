# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _check, _load, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _document,
    _fence_record,
    _generation,
    _hold,
    _journal,
)


def mode_of(path: pathlib.Path) -> int:
    return path.stat().st_mode & 0o7777


def test_what_was_written_is_read(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "a.json")
    document = {"name": "blöbs\udcff", "count": 2**60, "seconds": 0.25, "nothing": None, "list": [{"a": True}]}
    _document.write(path, document)
    assert _document.read(path) == {"schema_version": 1, **document}


def test_the_same_content_gives_the_same_bytes(tmp_path: pathlib.Path) -> None:
    assert _document.encode({"b": 1, "a": 2}) == _document.encode({"a": 2, "b": 1})
    assert _document.encode({"a": "é"}) == b'{\n "a": "\\u00e9",\n "schema_version": 1\n}\n'


def test_a_document_is_for_root_alone_unless_told(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.json"
    before = os.umask(0)
    try:
        _document.write(str(path), {})
        assert mode_of(path) == 0o600
        _document.write(str(path), {}, mode=0o644)
        assert mode_of(path) == 0o644
        os.umask(0o077)
        _document.write(str(path), {}, mode=0o640)
        assert mode_of(path) == 0o640
    finally:
        os.umask(before)


def test_a_document_is_replaced_and_not_written_into(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.json"
    _document.write(str(path), {"generation": 1})
    os.link(path, tmp_path / "old")
    _document.write(str(path), {"generation": 2})
    assert json.loads((tmp_path / "old").read_bytes())["generation"] == 1
    assert json.loads(path.read_bytes())["generation"] == 2
    assert sorted(os.listdir(tmp_path)) == ["a.json", "old"]


def test_a_link_is_replaced_and_not_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "a.json").symlink_to("target")
    _document.write(str(tmp_path / "a.json"), {})
    assert (tmp_path / "target").read_text() == "mine"
    assert not (tmp_path / "a.json").is_symlink()


def test_a_write_that_fails_leaves_the_old_document_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    _document.write(str(path), {"generation": 1})
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        _document.write(str(path), {"generation": 2})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.json"]


def test_content_is_on_disk_before_its_name_and_the_name_before_the_return(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        target = os.readlink(f"/proc/self/fd/{descriptor}")
        steps.append("sync folder" if target == str(tmp_path.resolve()) else "sync file")
        fsync(descriptor)

    def note_replace(old: str, new: str) -> None:
        steps.append("rename")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    _document.write_bytes(str(tmp_path / "a"), b"content\xff")
    assert steps == ["sync file", "rename", "sync folder"]
    assert (tmp_path / "a").read_bytes() == b"content\xff"


def test_an_absent_document_and_an_absent_folder_are_told_apart_from_bad_ones(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        _document.read(str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError):
        _document.write(str(tmp_path / "absent" / "a.json"), {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "/x/a.json is not a JSON document: "),
        (b'{"schema_version": 1', "/x/a.json is not a JSON document: "),
        (b'{"schema_version": 1, "name": "\xff"}', "/x/a.json is not a JSON document: "),
        (b"[" * 200_000, "/x/a.json is not a JSON document: "),
        (b"[1]", "/x/a.json is JSON but not an object."),
        (b"null", "/x/a.json is JSON but not an object."),
        (b"{}", "/x/a.json is damaged: it has no schema_version."),
        (b'{"schema_version": null}', "/x/a.json is damaged: it has no schema_version."),
        (b'{"schema_version": "1"}', "/x/a.json is damaged: it has no schema_version."),
    ],
)
def test_a_bad_document_is_refused_by_name_and_its_reader_says_what_to_do(content: bytes, message: str) -> None:
    with pytest.raises(BackupError) as caught:
        _document.decode(content, "/x/a.json", untouched="Nothing was changed", remedy="Move it away")
    assert caught.value.message.startswith(message)
    assert caught.value.message.endswith(". Nothing was changed. Move it away.")
    with pytest.raises(BackupError) as caught:
        _document.decode(content, "/x/a.json")
    assert "site.yml" not in caught.value.message


def test_a_document_of_another_release_is_not_to_be_moved_away() -> None:
    with pytest.raises(BackupError) as caught:
        _document.decode(b'{"schema_version": 2}', "/x/a.json", untouched="Nothing was changed", remedy="Move it away")
    assert caught.value.message == (
        "/x/a.json follows schema version 2; this release reads version 1. Nothing was changed. "
        "Run site.yml so that both hosts have the same release."
    )


def test_a_bad_file_is_refused_by_its_path(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.json").write_bytes(b"cut off")
    with pytest.raises(BackupError, match=f"{tmp_path}/a.json is not a JSON document.*. Move it away"):
        _document.read(str(tmp_path / "a.json"), untouched="Nothing was changed", remedy="Move it away")


DAMAGED = ("", '{"schema_ver', "null", "{}")
READERS: dict[str, tuple[t.Callable[[str], t.Any], str]] = {
    "generation": (
        _generation.read,
        "The mirror was not changed. Move that document away; the next pull then",
    ),
    "hold": (_hold.refuse, "Nothing was changed. Find out whether an incident is under way"),
    "journal": (_journal.load, "Nothing was changed. Move it away, and give the same restore_incident again"),
    "fence": (
        lambda path: _fence_record.read(path, _fence_record.WRITERS),
        "Nothing was changed. Find out what it is",
    ),
    "retention": (_recovery_points._read_journal, "Nothing was removed. Move it away; what that retention left behind"),
    "checks": (_check.read_evidence, "Nothing was checked. Move it away; the checks then begin anew."),
    "load": (
        lambda path: _load._read_record(path, "created"),
        "Nothing was changed. Move it away if no load",
    ),
}


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("reader", READERS)
def test_whoever_stands_still_at_a_damaged_document_says_what_to_do(
    tmp_path: pathlib.Path, reader: str, content: str
) -> None:
    read, words = READERS[reader]
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(BackupError) as caught:
        read(str(path))
    assert caught.value.message.startswith(str(path)) and words in caught.value.message
    assert path.read_text() == content
    path.unlink()
    assert not read(str(path))
