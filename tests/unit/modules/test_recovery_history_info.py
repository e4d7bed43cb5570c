# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import pathlib
import subprocess
import types
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _verify_content
from ansible_collections.labops.backup.plugins.module_utils._model import _dump_manifest
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg
from ansible_collections.labops.backup.plugins.modules import recovery_history_info

RunModule = t.Callable[..., dict[str, t.Any]]
Files = dict[str, bytes]


class History:
    """The seals of nights, and the module that reads them."""

    def __init__(self, top: pathlib.Path, run: RunModule, seals: t.Any, connection: dict[str, t.Any]) -> None:
        self._top, self._run, self.seals, self.connection = top, run, seals, connection
        self.cache = pathlib.Path(connection["cache_dir"])

    def night(self, day: int, *, tables: dict[str, int] | None = None, state: str = "complete", **trees: Files) -> str:
        """Seal a point whose datasets hold these files."""
        point = f"202611{day:02d}T023000Z-77b0aa"
        dump_set = f"202611{day:02d}T021500Z-3fa9c1"
        sealed = {f"{name}.content": self.manifest(name, tree) for name, tree in trees.items()}
        document = {
            "schema_version": 1,
            "point": point,
            "state": state,
            "source": "tatchu",
            "sealed": "2026-11-23T02:30:00Z",
            "run_id": point,
            "problems": [],
            "missing": [],
            "references": None,
            "dump_set": None if tables is None else {"id": dump_set, "started": "2026-11-23T02:15:00Z"},
            "datasets": [
                dict.fromkeys(("archive", "archive_id", "repository", "repository_id"), name)
                | {"name": name, "order": 0, "generation": 1, "dump_set": dump_set}
                for name in trees
            ]
            # As a night seals it: the dump set has its own manifest and no content manifest.
            + [
                dict.fromkeys(("archive", "archive_id", "repository", "repository_id"), "database")
                | {"name": "database", "order": 1, "generation": 1, "dump_set": dump_set, "files": 5, "bytes": 50}
                for _ in [tables]
                if tables is not None
            ],
            "files": {
                name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
                for name, content in sealed.items()
            },
        }
        files = {**sealed, "point.json": json.dumps(document).encode()}
        if tables is not None:
            by_schema: dict[str, dict[str, int]] = {}
            for name, rows in tables.items():
                by_schema.setdefault(name.split(".")[0], {})[name.split(".")[1]] = rows
            manifest = {
                "schema_version": 1,
                "id": document["dump_set"]["id"],
                "started": document["dump_set"]["started"],
                "finished": document["dump_set"]["started"],
                "engine": "mariadb",
                "version": "10.11.19",
                "foreign_keys": [],
                "tables": by_schema,
                "rows": sum(tables.values()),
                "schemas": {one: {"datajoint": True, "charset": "", "collation": ""} for one in by_schema},
                "references": {},
                "files": {name: {"size": 1, "sha256": "0" * 64} for name in _dump_manifest.FILES},
            }
            files["manifest.json"] = json.dumps(manifest).encode()
        self.seals.archives["/borg/points"][f"point-{point}"] = files
        return point

    def manifest(self, name: str, tree: Files) -> bytes:
        mirror = self._top / "mirror" / name
        subprocess.run(["rm", "-rf", mirror], check=True)
        mirror.mkdir(parents=True)
        for path, content in tree.items():
            (mirror / path).parent.mkdir(parents=True, exist_ok=True)
            (mirror / path).write_bytes(content)
        generation, manifest = self._top / "generation.json", self._top / f"{name}.content"
        generation.write_text(json.dumps({"schema_version": 1, "generation": 1, "state": "complete"}))
        request = _verify_content.Request(str(mirror), str(manifest), str(generation), None, [], [], 0, None, dry=False)
        _verify_content.verify(request)
        return manifest.read_bytes()

    def mark(self, mark: str, point: str) -> None:
        """Say of a point what became of it."""
        self.seals.archives["/borg/points"][f"mark-{mark}-{point}-20261130T120000Z-00000{len(mark) % 10}"] = {}

    def tell(self, *, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        self.seals.reads.clear()
        result = self._run(recovery_history_info, {**self.connection, **options}, check_mode=check_mode)
        assert result.get("changed") is False, result
        return result


@pytest.fixture
def history(
    tmp_path: pathlib.Path, run_module_main: RunModule, borg_in_memory: t.Any, point_connection: dict[str, t.Any]
) -> History:
    return History(tmp_path, run_module_main, borg_in_memory, point_connection)


def tree(count: int, content: bytes = b"x") -> Files:
    return {f"sub{number % 3}/file{number}": content for number in range(count)}


def test_the_night_that_mirrored_a_loss_is_found(history: History) -> None:
    history.night(19, blobs=tree(98), data=tree(10), tables={"lab.subject": 5})
    good = history.night(20, blobs=tree(100), data=tree(10), tables={"lab.subject": 5})
    bad = history.night(21, blobs=tree(50), data=tree(11), tables={"lab.subject": 7})
    newest = history.night(22, blobs=tree(51), data=tree(12), tables={"lab.subject": 8, "lab.session": 1})
    told = history.tell()
    assert told["newest_intact"] == {"blobs": good, "data": newest, "database": newest}
    assert told["suspicious"] == [
        {"before": good, "after": bad, "dataset": "blobs", "reason": "50 of 100 files removed (50.0 %)"}
    ]
    assert told["key_tables"] == {
        "lab.session": {"rows": 1, "newest_intact": newest},
        "lab.subject": {"rows": 8, "newest_intact": newest},
    }
    step = next(one for one in told["steps"] if (one["after"], one["dataset"]) == (bad, "blobs"))
    assert {name: step[name] for name in ("files", "removed", "added", "changed", "removed_bytes")} == {
        **{"files": 100, "removed": 50, "added": 0, "changed": 0, "removed_bytes": 50},
    }
    assert told["points"][0] == {
        "point": newest,
        "state": "complete",
        "datasets": {"blobs": {"files": 51, "bytes": 51}, "data": {"files": 12, "bytes": 12}}
        | {"database": {"files": 5, "bytes": 50}},
        "tables": {"tables": 2, "rows": 9},
        "missing_key_tables": [],
    }


def test_overwritten_files_and_lost_rows_are_found(history: History) -> None:
    good = history.night(20, data=tree(40), tables={"lab.subject": 5, "lab._scan": 9})
    bad = history.night(21, data=tree(40, b"y"), tables={"lab.subject": 4, "lab._scan": 1})
    told = history.tell()
    assert [(one["dataset"], one.get("table"), one["reason"]) for one in told["suspicious"]] == [
        ("data", None, "40 of 40 files changed (100.0 %)"),
        ("database", "lab.subject", "1 of 5 rows are gone"),
    ]
    assert told["newest_intact"] == {"data": good, "database": good}
    assert told["table_steps"][0]["fewer"] == [
        {"table": "lab._scan", "before": 9, "after": 1},
        {"table": "lab.subject", "before": 5, "after": 4},
    ]
    assert history.tell(key_tables=None)["key_tables"] == told["key_tables"]
    told = history.tell(key_tables=["lab._scan"], suspicious_files=41)
    assert [(one["after"], one.get("table")) for one in told["suspicious"]] == [(bad, "lab._scan")]


def test_a_dataset_that_a_night_lacks_is_compared_with_the_last_one_that_has_it(history: History) -> None:
    first = history.night(20, blobs=tree(40), data=tree(3))
    history.night(21, data=tree(3), state="partial")
    last = history.night(22, blobs=tree(10), data=tree(3))
    told = history.tell()
    assert [(one["before"], one["after"]) for one in told["steps"] if one["dataset"] == "blobs"] == [(first, last)]
    assert told["newest_intact"] == {"blobs": first, "data": last}
    assert len([read for read in history.seals.reads if read == f"point-{first}"]) == 2  # its document, and its files


@pytest.mark.parametrize("mark", ["checked", "proven"])
def test_a_point_of_which_more_was_shown_counts_as_well(history: History, mark: str) -> None:
    point = history.night(20, data=tree(40), tables={"lab.subject": 5})
    history.mark(mark, point)
    told = history.tell()
    assert told["newest_intact"] == {"data": point, "database": point}
    assert told["key_tables"]["lab.subject"]["newest_intact"] == point


def test_a_loss_that_was_restored_is_no_loss_any_more(history: History) -> None:
    good = history.night(20, data=tree(40), tables={"lab.subject": 5})
    bad = history.night(21, data=tree(40, b"y"), tables={"lab.subject": 4})
    history.tell()
    history.mark("suspect", bad)
    after = history.night(22, data=tree(41), tables={"lab.subject": 6})
    told = history.tell()
    assert told["suspicious"] == []
    assert told["newest_intact"] == {"data": after, "database": after}
    assert told["key_tables"]["lab.subject"]["newest_intact"] == after
    step = next(one for one in told["steps"] if (one["after"], one["dataset"]) == (after, "data"))
    assert (step["before"], step["added"], step["changed"]) == (good, 1, 0)


def test_what_a_restore_did_not_bring_back_is_still_found(history: History) -> None:
    good = history.night(20, data=tree(40), tables={"lab.subject": 5})
    history.mark("suspect", history.night(21, data=tree(4), tables={"lab.subject": 1}))
    after = history.night(22, data=tree(10), tables={"lab.subject": 3})
    told = history.tell()
    assert [(one["before"], one["after"], one["dataset"]) for one in told["suspicious"]] == [
        (good, after, "data"),
        (good, after, "database"),
    ]
    assert told["newest_intact"] == {"data": good, "database": good}


def test_a_step_that_was_meant_is_cleared_by_people(history: History) -> None:
    history.night(20, data=tree(40), tables={"lab.subject": 5})
    meant = history.night(21, data=tree(4), tables={"lab.subject": 4})
    history.mark("cleared", meant)
    told = history.tell()
    assert told["suspicious"] == []
    assert told["newest_intact"] == {"data": meant, "database": meant}


def test_points_are_compared_once(history: History) -> None:
    for day in (19, 20, 21):
        history.night(day, data=tree(5 + day))
    first = history.tell()
    assert first["compared"] == 3
    again = history.tell()
    assert again["compared"] == 0 and history.seals.reads == []
    assert {**first, "compared": 0, "seconds": 0} == {**again, "seconds": 0}
    history.night(22, data=tree(1))
    after = history.tell()
    assert after["compared"] == 1 and len(after["suspicious"]) == 1
    assert sorted(set(history.seals.reads)) == ["point-20261121T023000Z-77b0aa", "point-20261122T023000Z-77b0aa"]


def test_when_a_point_between_is_gone_the_rest_is_compared_anew(history: History) -> None:
    names = [history.night(day, data=tree(5 + day)) for day in (19, 20, 21)]
    history.tell()
    del history.seals.archives["/borg/points"][f"point-{names[1]}"]
    told = history.tell()
    assert (told["compared"], told["steps"][0]["before"], told["steps"][0]["added"]) == (1, names[0], 2)
    assert sorted(path.name for path in (history.cache / "history").iterdir()) == [
        f"{names[0]}.json",
        f"{names[2]}.json",
    ]


def test_a_damaged_cache_is_made_anew(history: History) -> None:
    name = history.night(19, data=tree(5))
    history.tell()
    path = history.cache / "history" / f"{name}.json"
    good = path.read_bytes()
    path.write_bytes(good[:50])
    assert history.tell()["compared"] == 1 and path.read_bytes() == good


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("facts",), None),
        (("facts", "datasets", "data"), 5),
        (("steps", "data"), {"before": "20261119T023000Z-77b0aa"}),
        (("steps", "data", "counts", "renamed"), 5),
        (("steps", "data", "counts", "removed"), None),
    ],
)
def test_a_cache_with_missing_or_other_keys_is_made_anew(history: History, path: tuple[str, ...], value: t.Any) -> None:
    history.night(19, data=tree(5), tables={"lab.subject": 5})
    name = history.night(20, data=tree(6), tables={"lab.subject": 5})
    told = history.tell()
    file = history.cache / "history" / f"{name}.json"
    good = json.loads(file.read_text())
    node = false = json.loads(file.read_text())
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    file.write_text(json.dumps(false))
    again = history.tell()
    assert {**told, "compared": 1, "seconds": 0} == {**again, "seconds": 0}
    assert json.loads(file.read_text()) == good


def test_what_is_not_what_was_sealed_is_left_out_and_asked_again(history: History, module_warnings: list[str]) -> None:
    good = history.night(20, data=tree(5), tables={"lab.a": 1})
    bad = history.night(21, data=tree(5), tables={"lab.a": 1})
    files = history.seals.archives["/borg/points"][f"point-{bad}"]
    whole = files["data.content"]
    files["data.content"] = history.manifest("data", tree(6))
    del files["manifest.json"]
    told = history.tell()
    assert "data in 20261121T023000Z-77b0aa was left out" in module_warnings[0]
    assert "is not the one that was sealed" in module_warnings[0]
    assert "the tables of 20261121T023000Z-77b0aa were left out" in module_warnings[1]
    assert told["newest_intact"]["data"] == good
    files["data.content"], files["manifest.json"] = (
        whole,
        b'{"schema_version": 1, "tables": {}, "schemas": {}, "foreign_keys": []}',
    )
    assert history.tell()["newest_intact"]["data"] == bad


def test_no_seal_is_left_lying_about(history: History) -> None:
    for day in (19, 20):
        history.night(day, data=tree(5))
    history.tell(in_points=[{"dataset": "data", "path": "sub1"}])
    assert [path.name for path in history.cache.iterdir() if path.is_dir()] == ["history"]


def test_the_points_that_hold_a_path_are_told(history: History) -> None:
    first = history.night(19, data={"subject7/a.tif": b"1", "subject7/b.txt": b"2"})
    second = history.night(20, data={"subject7/a.tif": b"1", "other": b"3"}, state="partial")
    history.night(21, data={"other": b"3"})
    told = history.tell(
        in_points=[
            {"dataset": "data", "path": "subject7/*.tif"},
            {"dataset": "data", "path": "subject7"},
            {"dataset": "data", "path": "nowhere"},
            {"dataset": "blobs", "path": "other"},
        ]
    )
    tif, folder, nowhere, blobs = told["in_points"]
    assert [(one["point"], one["state"], one["files"]) for one in tif["points"]] == [
        (second, "partial", 1),
        (first, "complete", 1),
    ]
    assert tif["points"][0]["digest"] == tif["points"][1]["digest"]
    assert [(one["files"], one["folders"], one["bytes"]) for one in folder["points"]] == [(1, 1, 1), (2, 1, 2)]
    assert folder["points"][1]["examples"] == ["subject7", "subject7/a.tif", "subject7/b.txt"]
    assert (nowhere["points"], blobs["points"]) == ([], [])


def test_a_path_that_leads_out_is_refused(history: History, run_module_main: RunModule) -> None:
    options = {**history.connection, "in_points": [{"dataset": "data", "path": "../x"}]}
    result = run_module_main(recovery_history_info, options)
    assert result["failed"] and "no path in a dataset" in result["msg"]


def test_check_mode_tells_the_same_and_leaves_the_cache_alone(history: History) -> None:
    for day in (19, 20):
        history.night(day, data=tree(5 * day))
    predicted = history.tell(check_mode=True)
    assert list(history.cache.iterdir()) == []
    told = history.tell()
    assert {**predicted, "seconds": 0} == {**told, "seconds": 0}


@pytest.mark.long
def test_seals_of_a_real_repository_are_read(
    tmp_path: pathlib.Path, run_module_main: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_borg, "host_id", lambda: "labops-0123456789abcdef01234567")
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "passphrase").chmod(0o600)
    options = {name: str(tmp_path / name) for name in ("repository", "base_dir")}
    options["passphrase_file"] = str(tmp_path / "passphrase")
    repository = _borg.Repository(**options)
    repository.ensure("repokey-blake2", "0", dry_run=False)
    seals = types.SimpleNamespace(archives={"/borg/points": {}}, reads=[])
    history = History(tmp_path, run_module_main, seals, {**options, "cache_dir": str(tmp_path / "cache")})
    names = [history.night(20, data=tree(40)), history.night(21, data=tree(8))]
    for name in names:
        (tmp_path / name).mkdir()
        for file, content in seals.archives["/borg/points"][f"point-{name}"].items():
            (tmp_path / name / file).write_bytes(content)
        repository.create(f"point-{name}", str(tmp_path / name), compression="zstd,3")
    told = history.tell(in_points=[{"dataset": "data", "path": "sub1/file31"}])
    assert (told["compared"], told["newest_intact"]) == (2, {"data": names[0]})
    assert [one["point"] for one in told["in_points"][0]["points"]] == [names[0]]
