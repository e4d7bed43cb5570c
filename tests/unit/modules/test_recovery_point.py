# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import recovery_point, recovery_point_info

RunModule = t.Callable[..., dict[str, t.Any]]
POINT = "20261123T023000Z-77b0aa"
DUMP = "20261123T021500Z-3fa9c1"
SEAL = f"point-{POINT}"


def cache_file(point_connection: dict[str, t.Any]) -> pathlib.Path:
    return pathlib.Path(point_connection["cache_dir"], f"{POINT}.json")


def test_a_point_is_sealed_and_listed(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> None:
    result = run_module_main(recovery_point, point_options)
    assert (result["changed"], result["point"], result["state"], result["problems"]) == (True, POINT, "complete", [])
    sealed = borg_in_memory.archives["/borg/points"][SEAL]
    assert json.loads(sealed["point.json"]) == {"schema_version": 1, **result["document"]}
    assert sealed["manifest.json"] == pathlib.Path(point_options["manifest_file"]).read_bytes()
    assert borg_in_memory.comments == [f"complete recovery point of tatchu: database, blobs; dump set {DUMP}"]
    own = {"archive": SEAL, "archive_id": f"id of {SEAL}", "repository_id": "id of /borg/points"}
    assert (result["seal"], result["cache_file"]) == (own, str(cache_file(point_connection)))
    borg_in_memory.reads.clear()
    listed = run_module_main(recovery_point_info, {**point_connection, "select": "latest"})
    assert (
        listed["points"]
        == [{"schema_version": 1, **result["document"], "seal": own, "marks": []}]
        == [listed["selected"]]
    )
    assert (listed["changed"], borg_in_memory.reads) == (False, [])


def test_check_mode_predicts_and_writes_nothing(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> None:
    result = run_module_main(recovery_point, point_options, check_mode=True)
    assert (result["changed"], result["state"], result["seal"]["archive_id"]) == (True, "complete", "")
    partial = run_module_main(recovery_point, {**point_options, "references": {}}, check_mode=True)
    assert partial["state"] == "partial"
    assert borg_in_memory.archives["/borg/points"] == {}
    assert not os.path.exists(point_connection["cache_dir"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"archive": "tatchu-other"}, "the archive tatchu-other with the id id of tatchu-blobs is not there"),
        ({"archive_id": "another"}, "the id another is there with the id id of tatchu-blobs"),
        ({"repository_id": "another"}, "is the repository id of /borg/blobs, but tatchu-blobs was written to another"),
        ({"repository": "/borg/absent"}, "there is no repository /borg/absent"),
    ],
)
def test_an_archive_that_is_not_there_is_not_promised(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    change: dict[str, t.Any],
    problem: str,
) -> None:
    database, blobs = point_options["datasets"]
    datasets = [database, {**blobs, **change}]
    result = run_module_main(recovery_point, {**point_options, "datasets": datasets})
    document = json.loads(borg_in_memory.archives["/borg/points"][SEAL]["point.json"])
    assert (result["state"], [dataset["name"] for dataset in document["datasets"]]) == ("partial", ["database"])
    assert [entry["dataset"] for entry in document["missing"]] == ["blobs"]
    assert problem in document["missing"][0]["reason"]


def test_a_point_is_sealed_once(
    run_module_main: RunModule, borg_in_memory: t.Any, point_options: dict[str, t.Any]
) -> None:
    run_module_main(recovery_point, point_options)
    before = dict(borg_in_memory.archives["/borg/points"])
    result = run_module_main(recovery_point, point_options)
    assert result["failed"] and "is sealed already" in result["msg"]
    assert borg_in_memory.archives["/borg/points"] == before


def test_nothing_is_sealed_without_an_archive(
    run_module_main: RunModule, borg_in_memory: t.Any, point_options: dict[str, t.Any]
) -> None:
    missing = [{"dataset": name, "step": "Pull", "message": "no"} for name in ("database", "blobs")]
    result = run_module_main(recovery_point, {**point_options, "datasets": [], "missing": missing})
    assert result["failed"] and "no dataset of tatchu has an archive (database: Pull: no; blobs" in result["msg"]
    assert borg_in_memory.archives["/borg/points"] == {}


def test_the_manifest_has_to_be_that_of_the_pinned_dump_set(
    run_module_main: RunModule, borg_in_memory: t.Any, point_options: dict[str, t.Any]
) -> None:
    other = {**point_options["dump_set"], "id": "20261122T021500Z-000000"}
    result = run_module_main(recovery_point, {**point_options, "dump_set": other})
    assert result["failed"] and f"the manifest of the dump set '{DUMP}', not of 20261122T021500Z" in result["msg"]
    del point_options["manifest_file"]
    result = run_module_main(recovery_point, point_options)
    assert result["failed"] and "Name it as manifest_file" in result["msg"]
    assert borg_in_memory.archives["/borg/points"] == {}


@pytest.fixture
def content_manifest(point_options: dict[str, t.Any], tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "mirror" / "blobs.content"
    path.parent.mkdir()
    path.write_bytes(b"manifest")
    digest = hashlib.sha256(b"manifest").hexdigest()
    point_options["datasets"][1]["content"] = {"sha256": digest, "files": 1, "bytes": 2}
    point_options["files"] = {"blobs.content": {"path": str(path), "sha256": digest}}
    point_options["staging_dir"] = str(tmp_path / "staging")
    return path


def test_the_content_manifests_are_sealed_along(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    content_manifest: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    predicted = run_module_main(recovery_point, point_options, check_mode=True)
    assert not (tmp_path / "staging").exists()
    result = run_module_main(recovery_point, point_options)
    assert borg_in_memory.archives["/borg/points"][SEAL]["blobs.content"] == b"manifest"
    (meant,) = point_options["files"].values()
    files = {"blobs.content": {"sha256": meant["sha256"], "bytes": 8}}
    assert result["document"]["files"] == predicted["document"]["files"] == files
    assert result["document"]["datasets"][1]["content"] == {"sha256": meant["sha256"], "files": 1, "bytes": 2}
    assert (os.listdir(tmp_path / "staging"), content_manifest.stat().st_nlink) == ([], 1)


def test_a_manifest_is_copied_where_it_cannot_be_linked(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    content_manifest: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    run_module_main(recovery_point, point_options)
    assert borg_in_memory.archives["/borg/points"][SEAL]["blobs.content"] == b"manifest"


def test_a_content_manifest_that_is_another_one_is_left_out(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    content_manifest: pathlib.Path,
    module_warnings: list[str],
) -> None:
    content_manifest.write_bytes(b"of the next generation")
    point_options["files"]["data.content"] = {"path": "/nonexistent"}
    result = run_module_main(recovery_point, point_options)
    assert (result["state"], result["document"]["files"]) == ("partial", {})
    assert result["document"]["problems"] == [
        "the content manifest of blobs is gone or another one than was verified, so nobody can compare its archive"
    ]
    assert sorted(borg_in_memory.archives["/borg/points"][SEAL]) == ["manifest.json", "point.json"]
    assert "blobs.content is another one than when it was verified. The seal lacks blobs.content." in module_warnings[0]
    assert "/nonexistent could not be sealed: No such file or directory" in module_warnings[1]


@pytest.mark.parametrize("name", ["point.json", "manifest.json", "a/b", "..", ".x", "", "a b", "-x"])
def test_names_that_no_file_in_a_seal_can_have(
    run_module_main: RunModule, borg_in_memory: t.Any, point_options: dict[str, t.Any], name: str
) -> None:
    result = run_module_main(recovery_point, {**point_options, "files": {name: {"path": "/etc/hostname"}}})
    assert result["failed"] and f"{name!r} cannot name a file in a seal" in result["msg"]
    assert borg_in_memory.archives["/borg/points"] == {}


def test_a_point_without_a_dump_set_is_partial(
    run_module_main: RunModule, borg_in_memory: t.Any, point_options: dict[str, t.Any]
) -> None:
    datasets = [{**point_options["datasets"][1], "dump_set": ""}]
    result = run_module_main(recovery_point, {**point_options, "dump_set": {}, "datasets": datasets})
    assert (result["state"], list(borg_in_memory.archives["/borg/points"][SEAL])) == ("partial", ["point.json"])


def test_a_seal_that_comes_back_different_is_a_failure(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> None:
    borg_in_memory.damage = b"x"
    result = run_module_main(recovery_point, point_options)
    assert result["failed"] and "with other bytes in point.json, manifest.json" in result["msg"]
    assert not cache_file(point_connection).exists()


def test_a_cache_that_takes_nothing_is_a_warning(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
    module_warnings: list[str],
) -> None:
    pathlib.Path(point_connection["cache_dir"]).write_text("in the way")
    result = run_module_main(recovery_point, point_options)
    assert result["state"] == "complete" and SEAL in borg_in_memory.archives["/borg/points"]
    assert "could not be written" in module_warnings[0]
    assert len(run_module_main(recovery_point_info, point_connection)["points"]) == 1


def test_a_missing_repository_is_an_error(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    point_connection: dict[str, t.Any],
) -> None:
    del borg_in_memory.archives["/borg/points"]
    for module, given in ((recovery_point, point_options), (recovery_point_info, point_connection)):
        result = run_module_main(module, given)
        assert result["failed"] and "there is no repository /borg/points" in result["msg"]


def test_a_further_file_that_comes_back_otherwise_is_no_seal(
    run_module_main: RunModule,
    borg_in_memory: t.Any,
    point_options: dict[str, t.Any],
    content_manifest: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository = type(borg_in_memory.of({"repository": "/borg/points"}))
    monkeypatch.setattr(repository, "file_digest", lambda *_: hashlib.sha256(b"rotten").hexdigest())
    result = run_module_main(recovery_point, point_options)
    assert result["failed"] and "came back as" in result["msg"] and "blobs.content" in result["msg"]


def test_a_seal_that_is_listed_under_another_id_is_none(
    run_module_main: RunModule, borg_in_memory: t.Any, point_options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = type(borg_in_memory.of({"repository": "/borg/points"}))
    really = repository.create
    monkeypatch.setattr(
        repository, "create", lambda *words, **more: dataclasses.replace(really(*words, **more), archive_id="another")
    )
    result = run_module_main(recovery_point, point_options)
    assert result["failed"] and "was written as another and came back as" in result["msg"]
