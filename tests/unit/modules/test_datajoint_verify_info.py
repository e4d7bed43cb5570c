# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _verify_references
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
    result = verify(run_module_main, tmp_path, *lines)
    assert (result["ok"], result["checked"], result["in_quarantine"], result["examples"]) == (True, 4, 0, [])


def test_a_file_that_is_only_in_the_quarantine_is_in_no_archive(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    result = verify(run_module_main, tmp_path, reference("deleted"), reference("here"), reference("younger"))
    assert (result["ok"], result["in_quarantine"], result["missing"]) == (False, 2, 0)
    found = [(one["finding"], one["path"], one["quarantine_run"]) for one in result["examples"]]
    assert found == [
        ("in_quarantine", "deleted", "20261101T023000Z-000001"),
        ("in_quarantine", "younger", "20261123T023000Z-77b0aa"),
    ]
    result = verify(run_module_main, tmp_path, reference("deleted", used=False))
    assert (result["ok"], result["in_quarantine"], result["unused"]["in_quarantine"]) == (True, 0, 1)


def test_a_link_that_leads_out_of_the_dataset_is_not_the_file(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    mirror, outside = tmp_path / "mirror", tmp_path / "outside"
    for folder in (mirror / "linked", outside):
        folder.mkdir(parents=True)
    (outside / "file").write_bytes(b"xxx")
    (mirror / "file").symlink_to(outside / "file")
    (mirror / "above").symlink_to(outside)
    (mirror / "inside").symlink_to("here")
    (mirror / "dangling").symlink_to("nowhere")
    (mirror / "linked" / "file").symlink_to(outside / "file")
    (mirror / "linked" / "dangling").symlink_to("nowhere")
    lines = [
        reference("inside"),
        reference("file"),
        reference("above/file"),
        reference("above", is_folder=True),
        reference("dangling"),
        reference("linked", 3, is_folder=True),
    ]
    result = verify(run_module_main, tmp_path, *lines)
    assert (result["missing"], result["wrong_size"], result["ok"]) == (4, 1, False)


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
    assert result["unused"] == {"missing": 1, "wrong_size": 1, "unresolved": 0, "in_quarantine": 0}


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


@pytest.mark.parametrize(
    ("at_the_beginning", "at_the_end", "changed"),
    [
        ((18, "complete"), (18, "complete"), 0),
        ((19, "complete"), (19, "complete"), 1),
        ((18, "writing"), (18, "writing"), 1),
        ((18, "complete"), (19, "writing"), 1),
        ((18, "complete"), (19, "complete"), 1),
        (None, None, 1),
    ],
)
def test_a_mirror_that_is_no_longer_what_was_archived_gives_no_verdict(
    run_module_main: RunModule,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    at_the_beginning: tuple[int, str] | None,
    at_the_end: tuple[int, str] | None,
    changed: int,
) -> None:
    document = tmp_path / "blobs.generation.json"
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "here").write_bytes(b"xxx")
    (tmp_path / "references.jsonl").write_text('{"schema_version": 1}\n' + json.dumps(reference("here")) + "\n")

    def write(state: tuple[int, str] | None) -> None:
        if state is not None:
            document.write_text(json.dumps({"schema_version": 1, "generation": state[0], "state": state[1]}))

    real = _verify_references._judge

    def judge(*words: t.Any) -> t.Any:  # another run pulls while this one looks
        write(at_the_end)
        return real(*words)

    monkeypatch.setattr(_verify_references, "_judge", judge)
    write(at_the_beginning)
    root = {"mirror": str(tmp_path / "mirror"), "generation_file": str(document), "generation": 18}
    options = {"references_file": str(tmp_path / "references.jsonl"), "roots": {"blobs": root}}
    result = run_module_main(datajoint_verify_info, options)
    assert (result["changed_mirrors"], result["ok"], result["missing"]) == (changed, not changed, 0)
