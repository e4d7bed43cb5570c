# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.modules import datajoint_verify_info

RunModule = t.Callable[..., dict[str, t.Any]]


def reference(path: str, size: int | None = 3, used: bool = True, **more: t.Any) -> dict[str, t.Any]:
    return {"dataset": "blobs", "path": path, "size": size, "used": used, **more}


def verify(
    run_module_main: RunModule, folder: pathlib.Path, *lines: dict[str, t.Any], **header: t.Any
) -> dict[str, t.Any]:
    file = folder / "references.jsonl"
    head = {"schema_version": 1, "stores": {}, **header}
    file.write_text("".join(json.dumps(line) + "\n" for line in (head, *lines)))
    mirror, quarantine = folder / "mirror", folder / "quarantine"
    for name in ("here", "short", "sub/é"):
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_bytes(b"xx" if name == "short" else b"xxx")
    (mirror / "folder" / "in").mkdir(parents=True, exist_ok=True)
    (mirror / "folder" / "in" / "a").write_bytes(b"xxx")
    for run, name in (("20261101T023000Z-000001", "deleted"), ("20261123T023000Z-77b0aa", "younger")):
        (quarantine / run / "1").mkdir(parents=True, exist_ok=True)
        (quarantine / run / "1" / name).write_bytes(b"xxx")
    options = {
        "references_file": str(file),
        "roots": {"blobs": {"mirror": str(mirror), "quarantine": str(quarantine)}, "data": {"mirror": "/nonexistent"}},
    }
    result = run_module_main(datajoint_verify_info, options, check_mode=True)
    assert result.get("changed", False) is False
    return result


def test_files_that_are_there_are_fine_in_check_mode(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    lines = [reference("here"), reference("sub/é"), reference("here", None), reference("folder", 3, is_folder=True)]
    result = verify(run_module_main, tmp_path, *lines, reference("deleted"), reference("younger"))
    assert (result["ok"], result["checked"], result["in_quarantine"], result["examples"]) == (True, 6, 2, [])


def test_each_kind_of_finding_is_counted(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    lines = [
        reference("gone"),
        reference("short"),
        reference("folder"),
        reference("here", dataset="unknown"),
        {"kind": "dangling", "used": True, "store": "s"},
        reference("a", dataset="data"),
    ]
    result = verify(run_module_main, tmp_path, *lines)
    assert (result["ok"], result["checked"]) == (False, 6)
    assert (result["missing"], result["wrong_size"], result["unresolved"]) == (3, 1, 2)
    assert [example["finding"] for example in result["examples"]] == [
        "missing",
        "wrong_size",
        "missing",
        "unresolved",
        "unresolved",
        "missing",
    ]


def test_files_that_no_row_uses_are_no_failure(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    result = verify(run_module_main, tmp_path, reference("gone", used=False), reference("short", used=False))
    assert (result["ok"], result["missing"], result["tracked_only"]) == (True, 0, 2)
    assert result["unused"] == {"missing": 1, "wrong_size": 1, "unresolved": 0}


def test_values_that_could_not_be_read_are_unresolved(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    result = verify(run_module_main, tmp_path, unreadable=2)
    assert (result["ok"], result["unresolved"]) == (False, 2)


def test_a_damaged_file_of_references_is_a_failure(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "references.jsonl"
    file.write_text('{"schema_version": 1}\n{"dataset"')
    result = run_module_main(datajoint_verify_info, {"references_file": str(file), "roots": {"x": {"mirror": "/x"}}})
    assert "line 2" in result["msg"]
    assert (
        "no mirror" in run_module_main(datajoint_verify_info, {"references_file": str(file), "roots": {"x": {}}})["msg"]
    )
