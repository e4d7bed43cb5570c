# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _generation


def begin(path: pathlib.Path, **more: str) -> int:
    return _generation.begin(str(path), started="2026-11-23T02:30:00Z", dump_set=more.get("dump_set"), run_id="run")


def test_a_generation_is_writing_until_it_is_complete(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "blobs.generation.json"
    assert (_generation.read(str(path)), _generation.following(str(path))) == (None, 1)
    assert begin(path, dump_set="set") == 1
    assert json.loads(path.read_bytes()) == {
        "schema_version": 1,
        "generation": 1,
        "state": "writing",
        "started": "2026-11-23T02:30:00Z",
        "dump_set": "set",
        "run_id": "run",
        "verified": False,
    }
    _generation.complete(str(path), 1, finished="2026-11-23T02:31:00Z", files=3, total_bytes=12)
    assert json.loads(path.read_bytes()) == {
        "schema_version": 1,
        "generation": 1,
        "state": "complete",
        "started": "2026-11-23T02:30:00Z",
        "finished": "2026-11-23T02:31:00Z",
        "dump_set": "set",
        "run_id": "run",
        "verified": False,
        "files": 3,
        "bytes": 12,
    }


def test_a_pull_that_died_leaves_its_number_used(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "g.json"
    assert [begin(path), begin(path), _generation.following(str(path))] == [1, 2, 3]


def test_the_next_generation_forgets_what_the_last_one_held(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "g.json"
    _generation.complete(str(path), begin(path, dump_set="old"), finished="f", files=3, total_bytes=12)
    begin(path)
    document = json.loads(path.read_bytes())
    assert (document["state"], document["dump_set"]) == ("writing", None)
    assert not {"files", "bytes", "finished"} & set(document)


def test_that_a_mirror_was_verified_is_known_to_every_generation_after(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "g.json"
    _generation.complete(str(path), begin(path), finished="f", files=3, total_bytes=12)
    _generation.verified(str(path))
    begin(path)
    assert json.loads(path.read_bytes())["verified"] is True


def test_a_pull_that_was_overtaken_cannot_complete(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "g.json"
    begin(path)
    begin(path)
    for number in (1, 3):
        with pytest.raises(BackupError, match="another pull worked on this mirror"):
            _generation.complete(str(path), number, finished="f", files=1, total_bytes=1)
    _generation.complete(str(path), 2, finished="f", files=1, total_bytes=1)
    with pytest.raises(BackupError, match="another pull"):
        _generation.complete(str(path), 2, finished="f", files=1, total_bytes=1)


@pytest.mark.parametrize(
    "content",
    [
        '{"schema_version": 1}',
        '{"schema_version": 1, "generation": "7", "state": "complete"}',
        '{"schema_version": 1, "generation": true, "state": "complete"}',
        '{"schema_version": 1, "generation": 0, "state": "complete"}',
        '{"schema_version": 1, "generation": 7, "state": "done"}',
        '{"schema_version": 2, "generation": 7, "state": "complete"}',
        "",
    ],
)
def test_a_document_that_says_something_else_is_refused(tmp_path: pathlib.Path, content: str) -> None:
    path = tmp_path / "g.json"
    path.write_text(content)
    with pytest.raises(BackupError):
        begin(path)
    assert path.read_text() == content
