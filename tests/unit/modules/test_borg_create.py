# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _lock, _progress
from ansible_collections.labops.backup.plugins.modules import borg_create

RunModule = t.Callable[..., dict[str, t.Any]]
NAME = "tatchu-blobs-20261123T023000Z-77b0aa"
DUMP = "20261123T021500Z-3fa9c1"


@pytest.fixture
def mirror(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "mirror" / "blobs"
    path.mkdir(parents=True)
    (path / "a").write_text("alpha")
    return path


@pytest.fixture
def options(recorded_borg: t.Any, mirror: pathlib.Path, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    generation_file = str(tmp_path / "mirror" / "blobs.generation.json")
    _document.write(generation_file, {"generation": 17, "state": "complete", "dump_set": DUMP})
    return {
        **recorded_borg.options,
        "archive": NAME,
        "path": str(mirror),
        "lock": str(tmp_path / "locks" / "tatchu.blobs.lock"),
        "generation_file": generation_file,
        "expected_generation": 17,
    }


def test_a_mirror_is_archived_and_proven(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    recorded_borg.will("create", "info_archive")
    result = run_module_main(borg_create, options)
    assert (result["changed"], result["archive"], result["nfiles"], result["original_size"]) == (True, NAME, 3, 3006)
    assert (result["generation"], result["dump_set"], result["borg_version"]) == (17, DUMP, recorded_borg.version)
    assert result["started"] <= result["finished"] and result["seconds"] >= 0
    assert len(result["archive_id"]) == len(result["repository_id"]) == 64
    assert [words[0] for words in recorded_borg.verbs] == ["--progress", "info"]
    assert (recorded_borg.calls[0]["cwd"], recorded_borg.calls[0]["stall_seconds"]) == (
        str(pathlib.Path(options["path"]).parent),
        3600,
    )


def test_it_tells_how_far_it_is_while_borg_works(
    recorded_borg: t.Any,
    run_module_main: RunModule,
    options: dict[str, t.Any],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_progress, "_EVERY_SECONDS", 0.0)
    _document.write(
        options["generation_file"],
        {"generation": 17, "state": "complete", "dump_set": DUMP, "files": 3, "bytes": 3006},
    )
    path = tmp_path / "progress" / "tatchu.blobs.json"
    told: list[dict[str, t.Any]] = []

    def look() -> None:
        if path.exists():
            told.append(_document.read(str(path)))

    recorded_borg.during = look
    recorded_borg.will("create", "info_archive")
    assert "failed" not in run_module_main(borg_create, {**options, "progress_file": str(path)})
    assert (told[0]["what"], told[0]["bytes"], told[0]["total_bytes"]) == (f"archive {NAME}", 0, 3006)
    assert told[0]["total_files"] == 3
    assert not path.exists()


def test_borg_holds_the_lock(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    held: list[str] = []

    def look() -> None:
        for descriptor in recorded_borg.calls[-1].get("pass_fds", ()):
            held.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    recorded_borg.during = look
    recorded_borg.will("create", "info_archive")
    assert run_module_main(borg_create, options)["changed"]
    assert held == [options["lock"]]


def test_a_lock_that_is_kept_for_another_run(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    with _lock.hold(options["lock"], "the pull of tatchu.blobs", run_id="20261123T023000Z-77b0aa", keep=100):
        pass
    result = run_module_main(borg_create, {**options, "run_id": "20261123T023001Z-000000"})
    assert (result["failed"], result["kind"]) == (True, "busy")
    assert "is kept for run 20261123T023000Z-77b0aa" in result["msg"]


def test_a_lock_that_another_holds(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    with _lock.hold(options["lock"], "the pull of tatchu.blobs"):
        result = run_module_main(borg_create, options)
    assert result["failed"] and "the pull of tatchu.blobs" in result["msg"]
    assert recorded_borg.verbs == []


def test_check_mode_opens_the_repository_and_writes_nothing(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    recorded_borg.will("list_empty")
    result = run_module_main(borg_create, options, check_mode=True)
    assert (result["changed"], result["archive"], result["generation"]) == (True, NAME, 17)
    assert [words[0] for words in recorded_borg.verbs] == ["list"]
    assert not os.path.exists(options["lock"])


def test_check_mode_refuses_a_name_that_is_taken(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    recorded_borg.will("list")
    result = run_module_main(borg_create, options, check_mode=True)
    assert result["failed"] and "an archive of that name exists already" in result["msg"]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (None, "has no generation"),
        ({"generation": 17, "state": "writing"}, "is at generation 17, writing"),
        ({"generation": 16, "state": "complete"}, "is at generation 16, complete; archived can be generation 17"),
    ],
)
def test_a_mirror_of_another_generation_is_not_archived(
    recorded_borg: t.Any,
    run_module_main: RunModule,
    options: dict[str, t.Any],
    document: dict[str, t.Any] | None,
    problem: str,
) -> None:
    if document is None:
        os.unlink(options["generation_file"])
    else:
        _document.write(options["generation_file"], document)
    result = run_module_main(borg_create, options)
    assert result["failed"] and problem in result["msg"]
    assert recorded_borg.verbs == []


def test_any_complete_generation_will_do_when_none_is_named(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    del options["expected_generation"]
    recorded_borg.will("create", "info_archive")
    assert run_module_main(borg_create, options)["generation"] == 17
    _document.write(options["generation_file"], {"generation": 18, "state": "writing"})
    assert run_module_main(borg_create, options)["failed"]


def test_a_folder_that_is_no_mirror(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    for name in ("generation_file", "expected_generation", "lock"):
        del options[name]
    recorded_borg.will("create", "info_archive")
    result = run_module_main(borg_create, options)
    assert (result["generation"], result["dump_set"]) == (None, None)


def test_a_generation_needs_its_document(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    del options["generation_file"]
    assert run_module_main(borg_create, options)["failed"]


def test_a_mirror_that_was_written_to_meanwhile(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    recorded_borg.during = lambda: _document.write(options["generation_file"], {"generation": 18, "state": "writing"})
    recorded_borg.will("create")
    result = run_module_main(borg_create, options)
    assert result["failed"] and "was written to while it was archived" in result["msg"]


@pytest.mark.parametrize(
    ("case", "msgid"),
    [
        ("create_exists", "Archive.AlreadyExists"),
        ("missing", "Repository.DoesNotExist"),
        ("disk_full", "NoSpace"),
        ("reserve_reached", "Repository.InsufficientFreeSpaceError"),
        ("locked", "LockTimeout"),
    ],
)
def test_failures_of_borg(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], case: str, msgid: str
) -> None:
    recorded_borg.will(case)
    result = run_module_main(borg_create, options)
    assert (result["failed"], result["msgid"]) == (True, msgid)
    assert "This run wrote no archive" in result["msg"]


def test_a_warning_is_a_failure(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    recorded_borg.will("create_warning")
    result = run_module_main(borg_create, options)
    assert result["failed"] and "file changed while we backed it up" in result["msg"]


def test_a_missing_folder_and_a_repository_inside_it(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], mirror: pathlib.Path
) -> None:
    result = run_module_main(borg_create, {**options, "path": str(mirror / "nothing")})
    assert result["failed"] and "is not a folder" in result["msg"]
    result = run_module_main(borg_create, {**options, "repository": str(mirror / "r")})
    assert result["failed"] and "lies in" in result["msg"]
    assert recorded_borg.verbs == []
