# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _fence_record

RECORD = {"since": "2026-11-23T02:30:00Z", "drop_in": "/etc/x.cnf", "skip_networking": False, "variables": None}


def test_a_record_is_private_and_read_back(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "labops" / "incident" / "database.json"
    assert _fence_record.read(str(path), _fence_record.DATABASE) is None
    _fence_record.write(str(path), _fence_record.DATABASE, {**RECORD, "accounts": []})
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    record = _fence_record.read(str(path), _fence_record.DATABASE)
    assert record == {"schema_version": 1, "kind": "database fence", **RECORD, "accounts": []}
    with pytest.raises(BackupError, match="is no record of writer fence"):
        _fence_record.read(str(path), _fence_record.WRITERS)


def test_a_record_with_something_else_in_it_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "database.json"
    _fence_record.write(str(path), _fence_record.DATABASE, {**RECORD, "accounts": [{"user": "anna"}]})
    with pytest.raises(BackupError, match=r"no record of database fence: accounts\[0\]\.host is missing"):
        _fence_record.read(str(path), _fence_record.DATABASE)


def test_what_a_killed_run_left_is_taken_over_or_removed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.conf"
    (tmp_path / ".x.conf.labops-new").write_text("half")
    _fence_record.put(str(path), b"whole")
    assert (os.listdir(tmp_path), path.read_bytes()) == (["x.conf"], b"whole")
    (tmp_path / ".x.conf.labops-new").write_text("half")
    _fence_record.take_away(str(path))
    _fence_record.take_away(str(path))
    assert os.listdir(tmp_path) == []


def test_no_link_is_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret").write_text("kept")
    (tmp_path / ".x.labops-new").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        _fence_record.put(str(tmp_path / "x"), b"new")
    assert (tmp_path / "secret").read_text() == "kept"


def test_accounts_are_noted_once_and_only_while_fenced(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "database.json")
    _fence_record.note_accounts(path, [("anna", "%", False)])
    assert os.listdir(tmp_path) == []
    known = {"user": "former", "host": "%", "locked": True}
    _fence_record.write(path, _fence_record.DATABASE, {**RECORD, "accounts": [known]})
    _fence_record.note_accounts(path, [("anna", "%", False), ("former", "%", False)])
    _fence_record.note_accounts(path, [("anna", "%", True)])
    record = _fence_record.read(path, _fence_record.DATABASE)
    assert record is not None
    assert record["accounts"] == [known, {"user": "anna", "host": "%", "locked": False}]
