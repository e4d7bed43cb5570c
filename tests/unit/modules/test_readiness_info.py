# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _dump_set, _generation
from ansible_collections.labops.backup.plugins.module_utils._model import _dump_manifest
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _engine
from ansible_collections.labops.backup.plugins.modules import readiness_info

RunModule = t.Callable[..., dict[str, t.Any]]
RECORDED = pathlib.Path(__file__).parents[1] / "fixtures" / "mariadb-10.11.19.databases.sql"
SET = "20261123T021500Z-3fa9c1"


@pytest.fixture
def server(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """A server with one source, a mirror of its database with one dump set, and evidence of nothing."""
    monkeypatch.setattr(_engine, "installed", lambda: ("mariadb", "10.11.19-MariaDB"))
    for folder in ("root", "etc", "state/checks", "state/hold", "mirror"):
        (tmp_path / folder).mkdir(parents=True)
    for path in (tmp_path / "root" / ".labops-backup-root", tmp_path / "etc" / "backup-root.json"):
        _document.write(str(path), {"id": "f" * 32})
    guard = {"path": str(tmp_path / "root"), "document": str(tmp_path / "etc" / "backup-root.json")}
    datasets = [
        {
            "name": name,
            "kind": kind,
            "mirror": str(tmp_path / "mirror"),
            "generation_file": str(tmp_path / f"{name}.json"),
        }
        for name, kind in (("database", "database"), ("blobs", "files"))
    ]
    guard |= {"reserve_bytes": 0, "reserve_percent": 0.0}
    source = {"name": "tatchu", "root_guard": guard, "datasets": datasets}
    return {"sources": [source], "configuration": str(tmp_path / "etc"), "state": str(tmp_path / "state")}


@pytest.fixture
def dump_set(tmp_path: pathlib.Path) -> pathlib.Path:
    """A proven dump set in the mirror, of a server that describes itself."""
    folder = tmp_path / "mirror" / SET
    folder.mkdir()
    reader = Reader()
    reader.feed(RECORDED.read_bytes())
    names = ("tables", "views", "sequences", "triggers", "routines", "events")
    inventory = {schema: {name: [] for name in names} for schema in reader.schemas}
    target = {
        **{"engine": "mariadb", "version": "10.11.19-MariaDB", "variables": {"max_allowed_packet": "67108864"}},
        "collations": sorted(
            {
                name
                for schema in reader.schemas.values()
                for table in schema.tables.values()
                for name in table.collations
            }
            | {schema.collation for schema in reader.schemas.values()}
        ),
        **{"schemas": sorted(reader.schemas), "accounts": ["root@localhost"], "data_bytes": 0, "free_bytes": 1 << 40},
        **{"client": "10.11.19", "sandbox": True},
    }
    contents = {
        _dump_manifest.DATABASES: RECORDED.read_bytes(),
        _dump_manifest.ACCOUNTS: b"",
        _dump_manifest.REFERENCES: b"",
        _dump_manifest.FACTS: _document.encode({"time": "2026-11-23T02:15:00Z", "database": target}),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    manifest = {
        **_dump_manifest.describe(reader, inventory),
        **{"id": SET, "started": "2026-11-23T02:15:00Z", "finished": "2026-11-23T02:16:00Z", "references": {}},
        **{"data_bytes": 1 << 20, "variables": {}, "accounts": ["root@localhost"], "definers": ["root@localhost"]},
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        },
    }
    _document.write(str(folder / _dump_manifest.MANIFEST), manifest)
    assert _dump_set.find(str(tmp_path / "mirror"))[0]
    return folder


def gather(run_module_main: RunModule, server: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    result = run_module_main(readiness_info, {**server, **more})
    assert "failed" not in result, result
    return t.cast("dict[str, t.Any]", result["gathered"])


def test_what_is_not_there_is_a_problem_in_its_place(run_module_main: RunModule, server: dict[str, t.Any]) -> None:
    found = gather(run_module_main, server)
    source = found["sources"]["tatchu"]
    assert "nobody noted what was deployed" in found["deployed"]["problem"]
    assert "there is no escrow bundle" in found["escrow"]["problem"]
    assert "nothing was ever checked" in source["checks"]["problem"]
    assert "no restore was ever rehearsed" in source["drills"]["problem"]
    assert "the bundle was never tried" in source["escrow_proof"]["problem"]
    assert source["generations"]["blobs"] == {"problem": "never pulled"}
    assert "holds no finished dump set" in source["facts_problem"] and source["hold"] == {}
    assert (found["root"]["problem"], found["engine"]["engine"]) == ("", "mariadb")


def test_what_is_there_is_read_and_what_is_broken_hides_no_other(
    run_module_main: RunModule, server: dict[str, t.Any], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_engine, "installed", lambda: None)
    (tmp_path / "state/checks/tatchu.json").write_text("{")
    _document.write(str(tmp_path / "state/hold/tatchu.json"), {"incident": "20261123T060000Z-000001"})
    (tmp_path / "root" / ".labops-backup-root").unlink()
    _generation.begin(str(tmp_path / "blobs.json"), started="2026-11-23T02:30:00Z", dump_set=None, run_id=None)
    found = gather(run_module_main, server)
    source = found["sources"]["tatchu"]
    assert "is not a JSON document" in source["checks"]["problem"]
    assert source["hold"]["incident"] == "20261123T060000Z-000001"
    assert source["generations"]["blobs"]["state"] == "writing"
    assert "is not mounted" in found["root"]["problem"]
    assert "no database server's program" in found["engine"]["problem"]


def test_the_dump_is_compared_with_the_server_that_told_about_itself(
    run_module_main: RunModule, server: dict[str, t.Any], dump_set: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = gather(run_module_main, server)["sources"]["tatchu"]
    assert (source["facts_from"], source["findings"], source["findings_problem"]) == (
        f"told beside the dump set {SET}",
        [],
        "",
    )
    live = json.loads((dump_set / _dump_manifest.FACTS).read_bytes())
    live["database"] |= {"version": "10.6.20-MariaDB", "sandbox": False, "accounts": []}
    monkeypatch.setattr(_engine, "installed", lambda: ("mysql", "9.7.4"))
    source = gather(run_module_main, server, live={"tatchu": live})["sources"]["tatchu"]
    assert source["facts_from"] == "asked just now"
    assert [finding["rule"] for finding in source["findings"]] == ["older", "client"]
    assert [finding["rule"] for finding in source["engine_findings"]] == ["engine"]


def test_an_older_dump_tool_opens_its_sandbox_in_other_words(
    run_module_main: RunModule, server: dict[str, t.Any], dump_set: pathlib.Path
) -> None:
    text = RECORDED.read_bytes().replace(b"/*M!999999", b"/*!999999", 1)
    (dump_set / _dump_manifest.DATABASES).write_bytes(text)
    manifest = json.loads((dump_set / _dump_manifest.MANIFEST).read_text())
    manifest["files"][_dump_manifest.DATABASES] = {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    (dump_set / _dump_manifest.MANIFEST).write_text(json.dumps(manifest))
    live = json.loads((dump_set / _dump_manifest.FACTS).read_bytes())
    live["database"] |= {"sandbox": False}
    source = gather(run_module_main, server, live={"tatchu": live})["sources"]["tatchu"]
    assert [finding["rule"] for finding in source["findings"]] == ["client"]


def test_facts_that_do_not_describe_the_database_server_are_a_problem(
    run_module_main: RunModule, server: dict[str, t.Any], dump_set: pathlib.Path
) -> None:
    source = gather(run_module_main, server, live={"tatchu": {"time": "x"}})["sources"]["tatchu"]
    assert "of an older release and do not describe its database server" in source["findings_problem"]
    assert (source["facts_problem"], source["target"]) == ("", {})


def test_a_dump_set_that_is_not_what_its_manifest_says_is_a_problem_in_check_mode_too(
    run_module_main: RunModule, server: dict[str, t.Any], dump_set: pathlib.Path
) -> None:
    (dump_set / _dump_manifest.DATABASES).write_bytes(RECORDED.read_bytes()[:-1])
    before = sorted(dump_set.parent.parent.rglob("*"))
    for check_mode in (True, False):
        result = run_module_main(readiness_info, server, check_mode=check_mode)
        assert "is not what its manifest says" in result["gathered"]["sources"]["tatchu"]["findings_problem"]
    assert sorted(dump_set.parent.parent.rglob("*")) == before


def test_a_source_without_a_database_publishes_no_facts(run_module_main: RunModule, server: dict[str, t.Any]) -> None:
    del server["sources"][0]["datasets"][0]
    assert "has no database" in gather(run_module_main, server)["sources"]["tatchu"]["facts_problem"]
    live = gather(run_module_main, server, live={"tatchu": {"time": "x"}})["sources"]["tatchu"]
    assert (live["facts"], live["facts_problem"], live["findings_problem"]) == ({"time": "x"}, "", "")
