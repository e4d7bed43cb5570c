# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _metrics
from ansible_collections.labops.backup.plugins.module_utils._tools import _plot, _prometheus
from ansible_collections.labops.backup.plugins.modules import (
    monitoring_publish,
    recovery_point,
    recovery_point_mark,
    run_record,
)
from prometheus_client.parser import text_string_to_metric_families

RunModule = t.Callable[..., dict[str, t.Any]]
TEMPLATE = pathlib.Path(__file__).parents[3] / "roles" / "monitoring" / "files" / "report.html.j2"
POINT = "20261123T023000Z-77b0aa"


@pytest.fixture
def server(
    run_module_main: RunModule, borg_in_memory: t.Any, point_options: dict[str, t.Any], tmp_path: pathlib.Path
) -> dict[str, t.Any]:
    """The options of the module on a server with one sealed point and the run that sealed it."""
    state, root = tmp_path / "state", tmp_path / "root"
    (state / "ledger").mkdir(parents=True)
    root.mkdir()
    assert "failed" not in run_module_main(recovery_point, point_options)
    outcome = {"source": "tatchu", "dataset": "blobs", "ok": True, "files": 7, "bytes": 4096, "seconds": {"pull": 1.5}}
    run = {"ledger_dir": str(state / "ledger"), "run_id": POINT, "job": "backup", "state": "success"}
    points = [{"source": "tatchu", "point": POINT, "state": "complete"}]
    assert "failed" not in run_module_main(
        run_record, {**run, "sources": ["tatchu"], "outcomes": [outcome], "points": points, "message": "good"}
    )
    source = {
        "name": "tatchu",
        "server": "loki",
        "root": str(root),
        "points_repository": "/borg/points",
        "points_cache": point_options["cache_dir"],
        "borg": {"passphrase_file": "/passphrase", "base_dir": "/base", "executable": "/usr/bin/borg"},
        "hold": str(state / "hold" / "tatchu.json"),
        "retention": {},
        "dump_max_age_hours": 36,
        "datasets": [
            {"name": "database", "kind": "database", "quarantine": {}, "pipeline": "tatchu.database"},
            {
                "name": "blobs",
                "kind": "files",
                "quarantine": {"directory": str(tmp_path / "quarantine")},
                "pipeline": "tatchu.blobs",
            },
        ],
    }
    return {
        "server": "loki",
        "release": "0.1.0",
        "sources": [source],
        "state_dir": str(state),
        "metrics_file": str(tmp_path / "metrics" / "labops_backup.prom"),
        "report_file": str(tmp_path / "report" / "index.html"),
        "template": str(TEMPLATE),
    }


def metrics(options: dict[str, t.Any]) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by name and by labels, those in the order that the family gives."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(pathlib.Path(options["metrics_file"]).read_text()):
        name = family.name.removeprefix(_metrics.PREFIX)
        labels = _metrics.FAMILIES[name].labels
        found[name] = {tuple(sample.labels[label] for label in labels): sample.value for sample in family.samples}
    return found


def files_below(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_metrics_and_report_are_written_whole_and_for_others_to_read(
    run_module_main: RunModule, server: dict[str, t.Any]
) -> None:
    done = run_module_main(monitoring_publish, server)
    assert (done["problems"], done["unreadable"]) == ([], [])
    found = metrics(server)
    assert found["points"][("tatchu", "complete")] == 1
    assert found["point_last_dump_timestamp_seconds"][("tatchu",)] == 1795400100  # 2026-11-23T02:15:00Z
    assert found["dataset_files"][("tatchu", "blobs")] == 7
    assert found["stage_duration_seconds"][("tatchu", "blobs", "pull")] == 1.5
    assert found["problems"][()] == 0
    page = pathlib.Path(server["report_file"]).read_text()
    assert POINT in page and page.startswith("<!DOCTYPE html>")
    for key in ("metrics_file", "report_file"):
        path = pathlib.Path(server[key])
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        assert os.listdir(path.parent) == [path.name]  # nothing that was written aside stays


def test_the_room_of_each_day_is_remembered_once(run_module_main: RunModule, server: dict[str, t.Any]) -> None:
    for _time in range(2):
        run_module_main(monitoring_publish, server)
    days = json.loads((pathlib.Path(server["state_dir"]) / "disk.json").read_text())["days"]
    assert [sorted(day) for day in days.values()] == [["at", "free_bytes"]]


@pytest.mark.parametrize("name", ["checks/tatchu.json", "drills/tatchu.json", "readiness.json", "disk.json"])
@pytest.mark.parametrize(
    "content", ["{", "[]", '{"schema_version": 1, "datasets": 3, "items": {}, "drills": [1], "days": 1}']
)
def test_evidence_that_nobody_understands_is_named_and_hides_nothing(
    run_module_main: RunModule, server: dict[str, t.Any], name: str, content: str
) -> None:
    path = pathlib.Path(server["state_dir"]) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    done = run_module_main(monitoring_publish, server)
    named = [entry["path"] for entry in done["unreadable"]]
    assert named == ([] if name == "disk.json" and "days" in content else [str(path)])
    assert metrics(server)["points"][("tatchu", "complete")] == 1
    assert "failed" not in done


def test_an_unreadable_run_is_named(run_module_main: RunModule, server: dict[str, t.Any]) -> None:
    bad = pathlib.Path(server["state_dir"]) / "ledger" / "20261124T023000Z-000000.json"
    bad.write_text("{")
    (bad.parent / f"{bad.name}.unreadable").write_text("{")
    done = run_module_main(monitoring_publish, server)
    assert [entry["path"] for entry in done["unreadable"]] == [str(bad)]
    page = pathlib.Path(server["report_file"]).read_text()
    assert str(bad) in page and "set aside" in page


def test_a_repository_that_cannot_be_asked_leaves_the_points_of_the_cache(
    run_module_main: RunModule, server: dict[str, t.Any], borg_in_memory: t.Any
) -> None:
    del borg_in_memory.archives["/borg/points"]
    done = run_module_main(monitoring_publish, server)
    assert done["problems"] == ["recovery points of tatchu: there is no repository /borg/points."]
    assert metrics(server)["points"][("tatchu", "complete")] == 1
    assert metrics(server)["problems"][()] == 1
    assert "there is no repository /borg/points" in pathlib.Path(server["report_file"]).read_text()


@pytest.mark.parametrize("mark", ["suspect", "proven"])
def test_the_points_of_the_cache_have_the_state_that_their_marks_gave_them(
    run_module_main: RunModule,
    server: dict[str, t.Any],
    borg_in_memory: t.Any,
    point_connection: dict[str, t.Any],
    mark: str,
) -> None:
    marked = {**point_connection, "point": POINT, "mark": mark, "made": "20261124T140000Z-3fa9c1"}
    assert run_module_main(recovery_point_mark, marked)["point"]["state"] == mark
    run_module_main(monitoring_publish, server)
    asked = metrics(server)
    del borg_in_memory.archives["/borg/points"]
    run_module_main(monitoring_publish, server)
    found = metrics(server)
    assert found["points"] == asked["points"] and found["points"][("tatchu", mark)] == 1
    # What no complete point is behind is not claimed.
    assert ("point_last_success_timestamp_seconds" in found) == (mark == "proven")
    assert f"The point {POINT} of tatchu is suspect" in pathlib.Path(server["report_file"]).read_text() or (
        mark == "proven"
    )


@pytest.mark.parametrize("marked", ["nonsense", "partial", 5, None, ["suspect"]])
def test_a_mark_in_the_cache_that_nobody_knows_says_nothing(
    run_module_main: RunModule, server: dict[str, t.Any], borg_in_memory: t.Any, marked: t.Any
) -> None:
    (cached,) = (pathlib.Path(source["points_cache"]) / f"{POINT}.json" for source in server["sources"])
    cached.write_text(json.dumps({**json.loads(cached.read_text()), "marked": marked}))
    del borg_in_memory.archives["/borg/points"]
    run_module_main(monitoring_publish, server)
    assert metrics(server)["points"][("tatchu", "complete")] == 1


def test_a_file_in_the_place_of_the_journals_stops_nothing(
    run_module_main: RunModule, server: dict[str, t.Any]
) -> None:
    journals = pathlib.Path(server["state_dir"]) / "journal" / "tatchu"
    journals.parent.mkdir()
    journals.write_text("no folder")
    done = run_module_main(monitoring_publish, server)
    assert done["problems"] == [f"the journals of tatchu: the system refused '{journals}': Not a directory"]
    assert metrics(server)["points"][("tatchu", "complete")] == 1
    assert str(journals) in pathlib.Path(server["report_file"]).read_text()


def test_a_passphrase_that_is_gone_stops_nothing(
    run_module_main: RunModule, server: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real one
    done = run_module_main(monitoring_publish, server)
    assert len(done["problems"]) == 1 and "/passphrase does not exist" in done["problems"][0]
    assert metrics(server)["points"][("tatchu", "complete")] == 1


def test_one_of_the_two_that_fails_leaves_the_other(
    run_module_main: RunModule, server: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "report").write_text("no folder")
    done = run_module_main(monitoring_publish, server)
    assert len(done["problems"]) == 1 and done["problems"][0].startswith("the report: ")
    assert metrics(server)["problems"][()] == 1
    (tmp_path / "report").unlink()
    with monkeypatch.context() as without:
        without.setattr(_prometheus, "prometheus_client", None)
        done = run_module_main(monitoring_publish, server)
    assert len(done["problems"]) == 1 and "prometheus_client is not installed" in done["problems"][0]
    assert POINT in pathlib.Path(server["report_file"]).read_text()
    monkeypatch.setattr(_plot, "pygal", None)
    done = run_module_main(monitoring_publish, server)
    assert len(done["problems"]) == 1 and "pygal is not installed" in done["problems"][0]


def test_a_template_that_does_not_fit_is_told(
    run_module_main: RunModule, server: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    for content in ("{{ nothing.like.this }}", "{% if %}"):
        (tmp_path / "template").write_text(content)
        done = run_module_main(monitoring_publish, {**server, "template": str(tmp_path / "template")})
        assert len(done["problems"]) == 1 and "the template of the report does not fit" in done["problems"][0]
    done = run_module_main(monitoring_publish, {**server, "template": str(tmp_path / "none")})
    missing = tmp_path / "none"
    assert done["problems"] == [f"the report: the system refused '{missing}': No such file or directory"]
    assert metrics(server)["problems"][()] == 1


def test_check_mode_writes_nothing(
    run_module_main: RunModule, server: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    before = files_below(tmp_path)
    done = run_module_main(monitoring_publish, server, check_mode=True)
    assert (done["problems"], done["verdict"]["kind"]) == ([], "fail")  # that point is old
    assert files_below(tmp_path) == before
