# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _verify_references
from ansible_collections.labops.backup.plugins.modules import content_verify, datajoint_verify_info

RunModule = t.Callable[..., dict[str, t.Any]]
RUN = "20261123T023000Z-77b0aa"


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
        {"kind": "dangling", "used": True, "dataset": "blobs"},
    ]
    result = verify(run_module_main, tmp_path, *lines)
    assert (result["ok"], result["checked"]) == (False, 7)
    assert (result["missing"], result["wrong_size"], result["unresolved"]) == (3, 1, 3)
    by_dataset = {
        name: {kind: count for kind, count in found.items() if count} for name, found in result["by_dataset"].items()
    }
    assert by_dataset == {
        **{"blobs": {"missing": 2, "wrong_size": 1, "unresolved": 1}, "unknown": {"unresolved": 1}},
        **{"": {"unresolved": 1}, "data": {"missing": 1}},
    }
    assert [example["finding"] for example in result["examples"]] == [
        "missing",
        "wrong_size",
        "missing",
        "unresolved",
        "unresolved",
        "missing",
        "unresolved",
    ]


def test_files_that_no_row_uses_are_no_failure(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    result = verify(run_module_main, tmp_path, reference("gone", used=False), reference("short", used=False))
    assert (result["ok"], result["missing"], result["tracked_only"], result["by_dataset"]) == (True, 0, 2, {})
    assert {name: count for name, count in result["unused"].items() if count} == {"missing": 1, "wrong_size": 1}


def test_the_first_of_many_are_shown_and_none_that_no_row_uses(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    lines = [reference(f"gone{number}", used=number > 4) for number in range(40)]
    result = verify(run_module_main, tmp_path, *lines)
    assert (result["missing"], result["unused"]["missing"]) == (35, 5)
    assert [one["path"] for one in result["examples"]] == [f"gone{number}" for number in range(5, 25)]


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


@pytest.fixture
def archived(tmp_path: pathlib.Path, run_module_main: RunModule) -> dict[str, t.Any]:
    """A mirror whose generation 18 was archived, with the manifest of that generation."""
    mirror, document = tmp_path / "mirror", tmp_path / "blobs.generation.json"
    for name in ("kept", "deleted", "overwritten", "tree/deep/a", "tree/b"):
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_bytes(b"xxx")
    document.write_text(json.dumps({"schema_version": 1, "generation": 18, "state": "complete"}))
    options = {"mirror": str(mirror), "manifest_file": str(tmp_path / "content"), "generation_file": str(document)}
    assert run_module_main(content_verify, options)["ok"]
    return {
        "mirror": str(mirror),
        "generation_file": str(document),
        "generation": 18,
        "manifest": str(tmp_path / "content"),
    }


WANTED = [
    *(reference(name) for name in ("kept", "deleted", "overwritten", "tree/../kept")),
    reference("tree", size=6, is_folder=True),
    reference("kept", size=None),
]


def look_up(run_module_main: RunModule, root: dict[str, t.Any], *lines: dict[str, t.Any]) -> dict[str, t.Any]:
    file = pathlib.Path(root["mirror"]).with_name("references.jsonl")
    file.write_text("".join(json.dumps(line) + "\n" for line in ({"schema_version": 1}, *lines)))
    return run_module_main(datajoint_verify_info, {"references_file": str(file), "roots": {"blobs": root}})


def move_on(root: dict[str, t.Any]) -> None:
    """What a later run does to the mirror while the archive of this one is still being made."""
    mirror = pathlib.Path(root["mirror"])
    (mirror / "deleted").unlink()
    (mirror / "overwritten").write_bytes(b"longer")
    (mirror / "tree" / "c").write_bytes(b"new")
    (mirror / "later").write_bytes(b"xxx")
    pathlib.Path(root["generation_file"]).write_text('{"schema_version": 1, "generation": 19, "state": "writing"}')


def test_a_mirror_that_moved_on_is_judged_by_the_manifest_of_what_was_archived(
    run_module_main: RunModule, archived: dict[str, t.Any]
) -> None:
    """An archive that takes days is of a mirror that later nights have changed, and its point can be complete."""
    move_on(archived)
    result = look_up(run_module_main, archived, *WANTED)
    assert (result["ok"], result["changed_mirrors"], result["checked"]) == (True, 0, len(WANTED))
    result = look_up(
        run_module_main,
        archived,
        *(reference("later"), reference("kept", size=4), reference("tree", size=9, is_folder=True)),
        *(reference("tree"), reference("kept", is_folder=True)),
    )
    assert (result["missing"], result["wrong_size"], result["ok"]) == (3, 2, False)
    nowhere = ({"kind": "dangling", "used": True, "dataset": "blobs"}, reference("kept", dataset="other"))
    result = look_up(run_module_main, archived, *nowhere)
    assert (result["unresolved"], result["missing"]) == (2, 0)


def test_a_mirror_that_moves_on_while_it_is_looked_at_is_judged_anew(
    run_module_main: RunModule, archived: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = _verify_references._judge
    moved: list[bool] = []

    def judge(*words: t.Any) -> t.Any:
        if not moved:
            moved.append(True)
            move_on(archived)
        return real(*words)

    monkeypatch.setattr(_verify_references, "_judge", judge)
    result = look_up(run_module_main, archived, *WANTED)
    assert (result["ok"], result["changed_mirrors"], result["checked"]) == (True, 0, len(WANTED))


@pytest.mark.parametrize("harm", ["gone", "of another generation", "cut off"])
def test_without_the_manifest_of_that_generation_a_mirror_that_moved_on_gives_no_verdict(
    run_module_main: RunModule, archived: dict[str, t.Any], harm: str
) -> None:
    move_on(archived)
    manifest = pathlib.Path(archived["manifest"])
    if harm == "gone":
        manifest.unlink()
    elif harm == "cut off":
        manifest.write_bytes(manifest.read_bytes()[:-9])
    else:
        archived["generation"] = 17
    result = look_up(run_module_main, archived, reference("kept"))
    assert (result["ok"], result["changed_mirrors"]) == (False, 1)


def md5(content: bytes) -> bytes:
    return hashlib.md5(content).digest()


def deep(run_module_main: RunModule, folder: pathlib.Path, *lines: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    stores = more.pop("stores", {})
    file = folder / "references.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in ({"schema_version": 1, "stores": stores}, *lines)))
    options = {"references_file": str(file), "roots": {"blobs": str(folder / "live")}, "depth": "content", **more}
    return run_module_main(datajoint_verify_info, options)


def put(folder: pathlib.Path, path: str, content: bytes) -> str:
    place = folder / "live" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return path


def test_content_is_compared_with_what_datajoint_keeps_of_it(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    body = b"mYm\0" + b"x" * 100
    blob = put(tmp_path, f"s/lab/ab/{md5(body).hex()}", body)
    note = put(tmp_path, f"s/lab/{md5(b'my notes.tar.gz' + bytes(1) + body).hex()}.my notes.tar.gz", body)
    raw, stored, array = (
        put(tmp_path, "raw/a.bin", body),
        put(tmp_path, "_hash/lab/x", body),
        put(tmp_path, "a.npy", body),
    )
    base32 = base64.b32encode(md5(body)).decode().rstrip("=").lower()
    lines = [
        reference(blob, len(body), kind="blob"),
        reference(note, len(body), kind="attach"),
        reference(raw, len(body), kind="filepath", contents_hash=md5(body).hex()),
        reference(raw, len(body), kind="filepath"),
        reference(stored, len(body), kind="attach", contents_hash=base32),
        reference(array, None, kind="npy"),
    ]
    result = deep(run_module_main, tmp_path, *lines)
    assert (result["ok"], result["wrong_content"], result["hashed"], result["without_hash"]) == (True, 0, 4, 2)
    assert result["hashed_bytes"] == 4 * len(body)
    for path in (blob, note, raw, stored, array):
        put(tmp_path, path, body.replace(b"x", b"y"))
    assert deep(run_module_main, tmp_path, *lines, depth="size")["ok"] is True
    result = deep(run_module_main, tmp_path, *lines)
    assert (result["ok"], result["wrong_content"], result["missing"]) == (False, 4, 0)
    assert [one["finding"] for one in result["examples"]] == ["wrong_content"] * 4
    result = deep(run_module_main, tmp_path, {**lines[0], "used": False})
    assert (result["ok"], result["wrong_content"], result["unused"]["wrong_content"]) == (True, 0, 1)


def test_a_pipe_in_place_of_a_blob_is_not_waited_for(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    path = f"s/{md5(b'').hex()}"
    (tmp_path / "live" / "s").mkdir(parents=True)
    os.mkfifo(tmp_path / "live" / path)
    assert deep(run_module_main, tmp_path, reference(path, 0, kind="blob"))["wrong_content"] == 1


def test_orphans_are_named_and_are_no_failure(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    stores = {
        "old": {"dataset": "blobs", "relative_root": "s", "layouts": ["0.x"], "subfolding": {"lab": [[2, 2]]}},
        "new": {"dataset": "blobs", "relative_root": "n", "layouts": ["2.x"]},
        "away": {"dataset": "gone", "relative_root": "s", "layouts": ["0.x"], "subfolding": {"lab": []}},
        "rootless": {"dataset": "blobs", "relative_root": None, "layouts": ["2.x"]},
        "lost": {"dataset": None, "relative_root": None, "layouts": ["0.x"], "subfolding": {"lab": []}},
    }
    known, folder = put(tmp_path, "s/lab/known", b"xxx"), "n/_schema/lab/t/folder"
    put(tmp_path, "s/lab/ab/orphan", b"12345")
    put(tmp_path, "s/lab/ab/half.saving", b"1")
    put(tmp_path, "s/photos/of the lab", b"not DataJoint's")
    put(tmp_path, f"{folder}/part/1", b"x")
    put(tmp_path, f"{folder}.manifest.json", b"{}")
    put(tmp_path, "n/_hash/lab/tr\udcffash", b"1")
    young = put(tmp_path, "n/_hash/lab/young", b"1")
    os.utime(tmp_path / "live" / young, (4e9, 4e9))
    lines = [reference(known), reference(folder, None, is_folder=True)]
    options = {"stores": stores, "orphans": True, "since": "2090-01-01T00:00:00Z"}
    result = deep(run_module_main, tmp_path, *lines, **options)
    assert result["ok"] is True
    assert result["orphans"]["old"] == {"files": 1, "bytes": 5, "newer": 0, "examples": ["s/lab/ab/orphan"]}
    assert (result["orphans"]["new"]["files"], result["orphans"]["new"]["newer"]) == (1, 1)
    assert "n/_hash/lab/tr" in result["orphans"]["new"]["examples"][0]
    assert set(result["orphans"]) == {"old", "new"}
    assert deep(run_module_main, tmp_path, *lines, stores=stores)["orphans"] == {}
    assert deep(run_module_main, tmp_path, *lines, stores=stores, orphans=True)["orphans"]["new"]["files"] == 2


def test_a_time_without_a_zone_is_refused(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    assert "is no UTC time" in deep(run_module_main, tmp_path, since="2026-11-23 02:15:00")["msg"]


def test_what_nobody_can_bring_back_is_accepted_by_name(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    body, other = b"mYm\0" + b"x" * 100, b"mYm\0" + b"y" * 100
    flipped = put(tmp_path, f"s/lab/{md5(body).hex()}", other)
    short = put(tmp_path, "s/lab/short", b"x")
    lines = [
        reference(flipped, len(body), kind="blob"),
        reference(short, 2),
        reference("gone\nfor good", 3),
        reference("gone as well", 3),
    ]
    sha256 = {path: hashlib.sha256((tmp_path / "live" / path).read_bytes()).hexdigest() for path in (flipped, short)}
    accept = {
        "accept": [f"{sha256[flipped]} {flipped}", f"{sha256[short]} {short}"],
        "accept_missing": ["blobs/gone\\x0afor good", "data/gone as well"],
    }
    result = deep(run_module_main, tmp_path, *lines)
    assert (result["accepted"], result["missing"], result["wrong_size"], result["wrong_content"]) == (0, 2, 1, 1)
    result = deep(run_module_main, tmp_path, *lines, **accept)
    assert (result["ok"], result["accepted"], result["missing"]) == (False, 3, 1)
    assert [one["path"] for one in result["examples"]] == ["gone as well"]  # in another dataset it was accepted
    result = deep(run_module_main, tmp_path, *lines[:3], **accept)
    assert (result["ok"], result["accepted"], result["by_dataset"]) == (True, 3, {})
    put(tmp_path, short, b"")  # another content was accepted than this
    result = deep(run_module_main, tmp_path, *lines[:3], **accept)
    assert (result["ok"], result["wrong_size"], result["accepted"]) == (False, 1, 2)
    for options, message in (
        ({"accept": ["x"]}, "'x' is not SHA-256 and path. No content was verified"),
        ({"accept_missing": ["x"]}, "'x' is not the name of a dataset, a slash, and a path"),
        ({"accept_missing": ["x/../y"]}, "'x/../y' is not the name of a dataset, a slash, and a path"),
    ):
        assert message in deep(run_module_main, tmp_path, *lines, **options)["msg"]


def test_an_accepted_content_is_looked_up_in_the_archive_when_the_mirror_has_moved_on(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    mirror = tmp_path / "live"
    put(tmp_path, "short", b"x")
    generation = tmp_path / "g.json"

    def at(number: int) -> None:
        generation.write_text(json.dumps({"schema_version": 1, "state": "complete", "generation": number}))

    at(1)
    manifest = tmp_path / "m.content"
    verified = run_module_main(
        content_verify,
        {"mirror": str(mirror), "generation_file": str(generation), "manifest_file": str(manifest), "run_id": RUN},
    )
    assert verified["ok"], verified
    at(2)
    put(tmp_path, "short", b"later")
    root = {"mirror": str(mirror), "generation": 1, "generation_file": str(generation), "manifest": str(manifest)}
    accept = [f"{hashlib.sha256(b'x').hexdigest()} short"]
    options = {"roots": {"blobs": root}, "depth": "size", "accept": accept}
    result = deep(run_module_main, tmp_path, reference("short", 2), **options)
    assert (result["ok"], result["accepted"], result["changed_mirrors"]) == (True, 1, 0)
    another = {**options, "accept": [f"{hashlib.sha256(b'y').hexdigest()} short"]}
    result = deep(run_module_main, tmp_path, reference("short", 2), **another)
    assert (result["ok"], result["accepted"]) == (False, 0)


def test_what_the_point_itself_does_not_have_is_told_apart(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    body, other = b"x" * 100, b"y" * 100
    names = {name: put(tmp_path, name, body) for name in ("good", "lost", "rotten", "size")}
    foreign = put(tmp_path, "foreign", other)
    put(tmp_path, "folder/a", body)
    put(tmp_path, "lostfolder/a", body)
    generation, manifest = tmp_path / "g.json", tmp_path / "m.content"
    generation.write_text(json.dumps({"schema_version": 1, "state": "complete", "generation": 1}))
    verified = run_module_main(
        content_verify,
        {
            "mirror": str(tmp_path / "live"),
            "generation_file": str(generation),
            "manifest_file": str(manifest),
            "run_id": RUN,
        },
    )
    assert verified["ok"], verified
    (tmp_path / "live/lost").unlink()
    (tmp_path / "live/lostfolder/a").unlink()
    put(tmp_path, "rotten", other)
    put(tmp_path, "size", b"x")
    hashed = {"kind": "filepath", "contents_hash": md5(body).hex()}
    lines = [
        *(reference(path, len(body), **hashed) for path in names.values()),
        reference(foreign, len(body), **hashed),  # the point has it like this
        reference("never", 3),
        reference(foreign, 7),
        reference("folder", 3, is_folder=True),
        reference("lostfolder", len(body), is_folder=True),
        reference("never", 3, used=False),
        reference("x", 3, dataset="data"),
    ]
    live = str(tmp_path / "live")
    roots = {"blobs": {"mirror": live, "sealed": str(manifest)}, "data": {"mirror": "/nonexistent", "sealed": None}}
    result = deep(run_module_main, tmp_path, *lines, roots=roots)
    assert result["ok"] is False
    assert {kind: count for kind, count in result["by_dataset"]["blobs"].items() if count} == {
        "missing": 1,
        "wrong_size": 2,
        "wrong_content": 1,
    }
    assert result["not_in_point"] == {
        "blobs": {"files": 4, "examples": ["foreign", "never", "foreign", "folder"]},
        "data": {"files": 1, "examples": ["x"]},
    }
    assert [one["path"] for one in result["examples"]] == ["lost", "rotten", "size", "lostfolder"]
    few = deep(run_module_main, tmp_path, *lines, roots=roots, examples=1)
    assert ([one["path"] for one in few["examples"]], few["not_in_point"]["blobs"]["examples"]) == (
        ["lost"],
        ["foreign"],
    )
    for path in names.values():
        put(tmp_path, path, body)
    put(tmp_path, "lostfolder/a", body)
    assert deep(run_module_main, tmp_path, *lines, roots=roots)["ok"] is True
