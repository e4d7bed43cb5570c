# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealing and listing over a repository that is kept in memory."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible.module_utils import basic
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg
from ansible_collections.labops.backup.plugins.modules import recovery_point, recovery_point_info

RunModule = t.Callable[..., dict[str, t.Any]]
POINT = "20261123T023000Z-77b0aa"
DUMP = "20261123T021500Z-3fa9c1"
SEAL = f"point-{POINT}"


class Repositories:
    """Stands for Borg: repositories by path, each with archives by name, each with files."""

    def __init__(self) -> None:
        self.archives: dict[str, dict[str, dict[str, bytes]]] = {}
        self.comments: list[str] = []
        self.reads: list[str] = []
        self.damage = b""

    def of(self, options: dict[str, t.Any]) -> Repository:
        return Repository(self, options["repository"])


class Repository:
    def __init__(self, all_of_them: Repositories, path: str) -> None:
        self.all, self.path = all_of_them, path

    def _archives(self) -> dict[str, dict[str, bytes]]:
        if self.path not in self.all.archives:
            raise BackupError(f"there is no repository {self.path}")
        return self.all.archives[self.path]

    def describe(self) -> dict[str, t.Any]:
        archives = [{"name": name, "id": f"id of {name}"} for name in reversed(self._archives())]
        return {"repository_id": f"id of {self.path}", "archives": archives}

    def create(self, name: str, path: str, *, compression: str, comment: str) -> _borg.Created:
        files = {entry: pathlib.Path(path, entry).read_bytes() for entry in os.listdir(path)}
        self._archives()[name] = files
        self.all.comments.append(comment)
        return _borg.Created(archive_id=f"id of {name}", nfiles=len(files), seconds=0.1, warnings=())

    def read_file(self, archive: str, path: str) -> bytes:
        self.all.reads.append(archive)
        try:
            return self._archives()[archive][path] + self.all.damage
        except KeyError:
            raise BackupError(f"{path} is not in {archive}") from None


@pytest.fixture
def borg(monkeypatch: pytest.MonkeyPatch) -> Repositories:
    repositories = Repositories()
    monkeypatch.setattr(_borg.Repository, "of", repositories.of)
    for name in ("database", "blobs"):
        repositories.archives[f"/borg/{name}"] = {f"tatchu-{name}": {}}
    repositories.archives["/borg/points"] = {}
    return repositories


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What modules warn of; in the process of the tests ansible-core would print it."""
    found: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _self, warning: found.append(warning))
    return found


@pytest.fixture
def connection(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        "repository": "/borg/points",
        "passphrase_file": "/passphrase",
        "base_dir": "/base",
        "cache_dir": str(tmp_path / "cache"),
    }


@pytest.fixture
def options(connection: dict[str, t.Any], tmp_path: pathlib.Path) -> dict[str, t.Any]:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"schema_version": 1, "id": DUMP}))
    return {
        **connection,
        "point": POINT,
        "run_id": POINT,
        "source": "tatchu",
        "server": "loki",
        "expected": ["database", "blobs"],
        "datasets": [outcome("database", 0), outcome("blobs", 1)],
        "dump_set": {"id": DUMP, "started": "2026-11-23T02:15:00Z", "rows": 12},
        "manifest_file": str(manifest),
        "references": {"checked": 1, "missing": 0, "wrong_size": 0, "unresolved": 0, "ok": True},
    }


def outcome(name: str, order: int) -> dict[str, t.Any]:
    return {
        "name": name,
        "order": order,
        "archive": f"tatchu-{name}",
        "archive_id": f"id of tatchu-{name}",
        "repository": f"/borg/{name}",
        "repository_id": f"id of /borg/{name}",
        "generation": 3,
        "dump_set": DUMP,
    }


def cache_file(connection: dict[str, t.Any]) -> pathlib.Path:
    return pathlib.Path(connection["cache_dir"], f"{POINT}.json")


def test_a_point_is_sealed_and_listed(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any], connection: dict[str, t.Any]
) -> None:
    result = run_module_main(recovery_point, options)
    assert (result["changed"], result["point"], result["state"], result["problems"]) == (True, POINT, "complete", [])
    sealed = borg.archives["/borg/points"][SEAL]
    assert json.loads(sealed["point.json"]) == {"schema_version": 1, **result["document"]}
    assert sealed["manifest.json"] == pathlib.Path(options["manifest_file"]).read_bytes()
    assert borg.comments == [f"complete recovery point of tatchu: database, blobs; dump set {DUMP}"]
    own = {"archive": SEAL, "archive_id": f"id of {SEAL}", "repository_id": "id of /borg/points"}
    assert (result["seal"], result["cache_file"]) == (own, str(cache_file(connection)))
    borg.reads.clear()
    listed = run_module_main(recovery_point_info, {**connection, "select": "latest"})
    assert listed["points"] == [{"schema_version": 1, **result["document"], "seal": own}] == [listed["selected"]]
    assert (listed["changed"], borg.reads) == (False, [])


def test_check_mode_predicts_and_writes_nothing(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any], connection: dict[str, t.Any]
) -> None:
    result = run_module_main(recovery_point, options, check_mode=True)
    assert (result["changed"], result["state"], result["seal"]["archive_id"]) == (True, "complete", "")
    partial = run_module_main(recovery_point, {**options, "references": {}}, check_mode=True)
    assert partial["state"] == "partial"
    assert borg.archives["/borg/points"] == {}
    assert not os.path.exists(connection["cache_dir"])


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
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any], change: dict[str, t.Any], problem: str
) -> None:
    datasets = [outcome("database", 0), {**outcome("blobs", 1), **change}]
    result = run_module_main(recovery_point, {**options, "datasets": datasets})
    document = json.loads(borg.archives["/borg/points"][SEAL]["point.json"])
    assert (result["state"], [dataset["name"] for dataset in document["datasets"]]) == ("partial", ["database"])
    assert [entry["dataset"] for entry in document["missing"]] == ["blobs"]
    assert problem in document["missing"][0]["reason"]


def test_a_point_is_sealed_once(run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any]) -> None:
    run_module_main(recovery_point, options)
    before = dict(borg.archives["/borg/points"])
    result = run_module_main(recovery_point, options)
    assert result["failed"] and "is sealed already" in result["msg"]
    assert borg.archives["/borg/points"] == before


def test_nothing_is_sealed_without_an_archive(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any]
) -> None:
    missing = [{"dataset": name, "step": "Pull", "message": "no"} for name in ("database", "blobs")]
    result = run_module_main(recovery_point, {**options, "datasets": [], "missing": missing})
    assert result["failed"] and "no dataset of tatchu has an archive (database: Pull: no; blobs" in result["msg"]
    assert borg.archives["/borg/points"] == {}


def test_the_manifest_has_to_be_that_of_the_pinned_dump_set(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any]
) -> None:
    other = {**options["dump_set"], "id": "20261122T021500Z-000000"}
    result = run_module_main(recovery_point, {**options, "dump_set": other})
    assert result["failed"] and f"the manifest of the dump set '{DUMP}', not of 20261122T021500Z" in result["msg"]
    del options["manifest_file"]
    result = run_module_main(recovery_point, options)
    assert result["failed"] and "Name it as manifest_file" in result["msg"]
    assert borg.archives["/borg/points"] == {}


def test_a_point_without_a_dump_set_is_partial(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any]
) -> None:
    datasets = [{**outcome("blobs", 1), "dump_set": ""}]
    result = run_module_main(recovery_point, {**options, "dump_set": {}, "datasets": datasets})
    assert (result["state"], list(borg.archives["/borg/points"][SEAL])) == ("partial", ["point.json"])


def test_a_seal_that_comes_back_different_is_a_failure(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any], connection: dict[str, t.Any]
) -> None:
    borg.damage = b"x"
    result = run_module_main(recovery_point, options)
    assert result["failed"] and "with other bytes in point.json, manifest.json" in result["msg"]
    assert not cache_file(connection).exists()


def test_a_cache_that_takes_nothing_is_a_warning(
    run_module_main: RunModule,
    borg: Repositories,
    options: dict[str, t.Any],
    connection: dict[str, t.Any],
    warnings: list[str],
) -> None:
    pathlib.Path(connection["cache_dir"]).write_text("in the way")
    result = run_module_main(recovery_point, options)
    assert result["state"] == "complete" and SEAL in borg.archives["/borg/points"]
    assert "could not be written" in warnings[0]
    assert len(run_module_main(recovery_point_info, connection)["points"]) == 1


@pytest.mark.parametrize("damage", ["nonsense", "other archive", "other point", "absent"])
def test_a_cache_that_is_not_of_this_archive_is_made_anew(
    run_module_main: RunModule,
    borg: Repositories,
    options: dict[str, t.Any],
    connection: dict[str, t.Any],
    damage: str,
) -> None:
    sealed = run_module_main(recovery_point, options)
    cache = cache_file(connection)
    good = cache.read_bytes()
    bad = {
        "nonsense": good[:100],
        "other archive": good.replace(b"id of point-", b"id before point-").replace(b'"complete"', b'"partial"'),
        "other point": good.replace(POINT.encode(), b"20261122T023000Z-000000"),
        "absent": b"",
    }[damage]
    cache.unlink()
    if bad:
        cache.write_bytes(bad)
    predicted = run_module_main(recovery_point_info, connection, check_mode=True)
    assert [point["state"] for point in predicted["points"]] == [sealed["state"]]
    assert (cache.read_bytes() if cache.exists() else b"") == bad
    assert run_module_main(recovery_point_info, connection)["points"] == predicted["points"]
    assert cache.read_bytes() == good


def test_refresh_reads_the_archives(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any], connection: dict[str, t.Any]
) -> None:
    run_module_main(recovery_point, options)
    borg.reads.clear()
    run_module_main(recovery_point_info, {**connection, "refresh": True})
    assert borg.reads == [SEAL]


def test_only_what_is_in_the_repository_is_a_point(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any], connection: dict[str, t.Any]
) -> None:
    run_module_main(recovery_point, options)
    borg.archives["/borg/points"] = {"notes": {}}
    listed = run_module_main(recovery_point_info, connection)
    assert (listed["points"], listed["unreadable"]) == ([], [])


def test_a_seal_that_cannot_be_read_hides_no_other(
    run_module_main: RunModule,
    borg: Repositories,
    options: dict[str, t.Any],
    connection: dict[str, t.Any],
    warnings: list[str],
) -> None:
    run_module_main(recovery_point, options)
    bad = "20261124T023000Z-000000"
    borg.archives["/borg/points"][f"point-{bad}"] = {"point.json": b"{}"}
    listed = run_module_main(recovery_point_info, {**connection, "select": "latest"})
    assert listed["selected"]["point"] == POINT
    assert [(entry["point"], entry["archive"]) for entry in listed["unreadable"]] == [(bad, f"point-{bad}")]
    assert "schema version None" in listed["unreadable"][0]["reason"]
    assert [f"point-{bad}" in warning for warning in warnings] == [True]
    wanted = run_module_main(recovery_point_info, {**connection, "select": bad})
    assert wanted["failed"] and f"the seal of the recovery point {bad} cannot be read" in wanted["msg"]


def test_what_is_not_there_is_answered_with_what_there_is(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any], connection: dict[str, t.Any]
) -> None:
    run_module_main(recovery_point, options)
    result = run_module_main(recovery_point_info, {**connection, "select": "2026-11-23T02:15:00Z"})
    assert result["failed"] and f"there is {POINT} (complete, dump began 2026-11-23T02:15:00Z)" in result["msg"]
    assert result["existing"] == [POINT]


def test_a_missing_repository_is_an_error(
    run_module_main: RunModule, borg: Repositories, options: dict[str, t.Any], connection: dict[str, t.Any]
) -> None:
    del borg.archives["/borg/points"]
    for module, given in ((recovery_point, options), (recovery_point_info, connection)):
        result = run_module_main(module, given)
        assert result["failed"] and "there is no repository /borg/points" in result["msg"]
