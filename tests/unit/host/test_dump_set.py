# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _dump_set
from ansible_collections.labops.backup.plugins.module_utils._model import _dump_manifest, _dump_text

TEXT = (
    b"-- Server version\t10.11.19-MariaDB\nCREATE DATABASE `s` ;\nUSE `s`;\nCREATE TABLE `t` (\n  `a` int\n)"
    b" ENGINE=InnoDB;\nINSERT INTO `t` VALUES\n(1),\n(2);\n-- Dump completed\n"
)
IDS = [f"2026112{day}T021500Z-00000{day}" for day in range(1, 5)]


def make(directory: pathlib.Path, identifier: str, text: bytes = TEXT, **facts: t.Any) -> pathlib.Path:
    partial = _dump_set.begin(str(directory), identifier)
    files = {}
    for name in _dump_manifest.FILES:
        sink = _dump_set.Sink(os.path.join(partial, name))
        sink.write(text if name == "databases.sql" else b"{}")
        sink.close()
        files[name] = sink.facts
    manifest: dict[str, t.Any] = {
        "id": identifier,
        "started": "2026-11-23T02:15:00Z",
        "finished": "2026-11-23T02:15:01Z",
        "engine": "mariadb",
        "version": "10.11.19",
        "schemas": {"s": {"charset": "", "collation": ""}},
        "foreign_keys": [],
        "tables": {"s": {"t": 2}},
        "rows": 2,
        "references": {"files": 0},
        "files": files,
        **facts,
    }
    return pathlib.Path(_dump_set.publish(str(directory), partial, identifier, manifest))


def verified(directory: pathlib.Path) -> list[str]:
    (dump_set,), _others = _dump_set.find(str(directory))
    _dump_set.verify(dump_set)
    return dump_set.problems


def test_a_published_set_is_found_whole_and_private(tmp_path: pathlib.Path) -> None:
    path = make(tmp_path, IDS[0])
    assert os.listdir(tmp_path) == [IDS[0]]
    assert path.stat().st_mode & 0o777 == 0o700
    assert {entry.stat().st_mode & 0o777 for entry in path.iterdir()} == {0o600}
    assert verified(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TEXT.replace(b"(2)", b"(3)"), "databases.sql has other content than when it was written (sha256)"),
        (TEXT[: TEXT.index(b",\n(2)")], "databases.sql: the text ends inside the rows of s.t"),
        (TEXT.replace(b"-- Dump completed\n", b""), "databases.sql: the last line is not '-- Dump completed'"),
        (TEXT.replace(b",\n(2)", b""), "s.t: 1 rows in databases.sql, 2 in the manifest"),
        (TEXT.replace(b"INTO `t`", b"INTO `u`"), "databases.sql: the dump has rows of s.u, which it does not declare"),
    ],
)
def test_damage_is_found(tmp_path: pathlib.Path, text: bytes, problem: str) -> None:
    (make(tmp_path, IDS[0]) / "databases.sql").write_bytes(text)
    assert problem in verified(tmp_path)


TRIGGER = b"DELIMITER ;;\nCREATE TRIGGER `g` BEFORE INSERT ON `t` FOR EACH ROW SET @a = 1 ;;\nDELIMITER ;\n"
FURTHER = TEXT.replace(b"-- Dump completed\n", TRIGGER + b"-- Dump completed\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (FURTHER, ""),
        (FURTHER.replace(b"(2)", b"(3)"), "s.t: databases.sql has other rows than the manifest says"),
        (FURTHER.replace(b"`a` int", b"`a` text"), "s.t: databases.sql declares it otherwise than the manifest says"),
        (TEXT, "s: databases.sql has other views, triggers, routines or events than the manifest says"),
    ],
)
def test_a_manifest_that_fits_in_size_and_hash_and_is_false(tmp_path: pathlib.Path, text: bytes, problem: str) -> None:
    """Its digests are those of the text that was once dumped; nothing is missing that numbers of rows would show."""
    reader = _dump_text.Reader()
    reader.feed(FURTHER)
    empty = {kind: [] for kind in ("views", "triggers", "routines", "events")}
    true = _dump_manifest.describe(reader, {"s": {"tables": ["t"], **empty}})
    make(tmp_path, IDS[0], text, **{name: true[name] for name in ("schemas", "digests", "structures")})
    assert verified(tmp_path) == ([problem] if problem else [])


def test_a_missing_file_is_found(tmp_path: pathlib.Path) -> None:
    (make(tmp_path, IDS[0]) / "accounts.sql").unlink()
    assert verified(tmp_path) == ["accounts.sql is missing"]


def test_only_a_folder_that_is_named_like_one_is_a_dump_set(tmp_path: pathlib.Path) -> None:
    path = make(tmp_path, "lab")
    assert _dump_set.find(str(tmp_path)) == ([], ["lab"])
    with pytest.raises(BackupError, match="is no dump set: its name is not that of a dump set"):
        _dump_set.open_set(str(path))


def test_rotation_keeps_the_newest_and_what_is_not_ours(tmp_path: pathlib.Path) -> None:
    for identifier in IDS:
        make(tmp_path, identifier)
    (tmp_path / "lab_dump.sql.gz").write_bytes(b"x")
    broken = tmp_path / "20250101T000000Z-ffffff"
    broken.mkdir()
    (broken / "manifest.json").write_text("{}")
    assert _dump_set.rotate(str(tmp_path), 2) == [IDS[1], IDS[0]]
    finished, others = _dump_set.find(str(tmp_path))
    assert [dump_set.id for dump_set in finished] == [IDS[3], IDS[2]]
    assert others == ["20250101T000000Z-ffffff", "lab_dump.sql.gz"]


def test_leftovers_of_dead_runs_go_and_nothing_else(tmp_path: pathlib.Path) -> None:
    make(tmp_path, IDS[3])
    for name in (f".{IDS[0]}.partial", f".{IDS[1]}.removed", ".mine.partial", f"{IDS[2]}.partial"):
        (tmp_path / name / "x").mkdir(parents=True)
    assert _dump_set.remove_leftovers(str(tmp_path)) == [f".{IDS[0]}.partial", f".{IDS[1]}.removed"]
    assert sorted(os.listdir(tmp_path)) == [".mine.partial", f"{IDS[2]}.partial", IDS[3]]
    # What is hidden is somebody's work in progress, and nobody is told of it.
    assert _dump_set.find(str(tmp_path))[1] == [f"{IDS[2]}.partial"]


def test_too_little_space_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _dump_set.require_space(str(tmp_path))  # nothing is known of the first one
    make(tmp_path, IDS[0])
    _dump_set.require_space(str(tmp_path))
    full = os.statvfs_result((1, 1, 100, 100, 100, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    with pytest.raises(BackupError, match="bytes free"):
        _dump_set.require_space(str(tmp_path))
