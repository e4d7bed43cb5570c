# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example alert rules and the dashboard, by Prometheus' own tool."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import typing as t

import yaml
from ansible_collections.labops.backup.plugins.module_utils import _publish
from ansible_collections.labops.backup.plugins.module_utils._model import _metrics

HERE = pathlib.Path(__file__).parent
FILES = HERE.parents[1] / "roles" / "monitoring" / "files"
METRIC = re.compile(rf"\b{_metrics.PREFIX}(\w+)")


def run(promtool: str, *words: str, given: bytes | None = None) -> str:
    done = subprocess.run([promtool, *words], input=given, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def rules() -> list[dict[str, t.Any]]:
    found: list[dict[str, t.Any]] = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"][0]["rules"]
    return found


def dashboard_queries() -> list[str]:
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return queries + [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]


def test_every_alert_fires_when_it_should_and_is_quiet_otherwise(promtool: str, tmp_path: pathlib.Path) -> None:
    for name in (FILES / "alerts.yml", HERE / "alerts_test.yml"):
        (tmp_path / name.name).write_bytes(name.read_bytes())
    assert "SUCCESS" in run(promtool, "test", "rules", str(tmp_path / "alerts_test.yml"))
    tests = yaml.safe_load((HERE / "alerts_test.yml").read_text())["tests"]
    expected = {(entry["alertname"], bool(entry["exp_alerts"])) for one in tests for entry in one["alert_rule_test"]}
    assert expected == {(rule["alert"], fires) for rule in rules() for fires in (True, False)}


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    asked = {
        name for query in (*dashboard_queries(), *(rule["expr"] for rule in rules())) for name in METRIC.findall(query)
    }
    assert asked - set(_metrics.FAMILIES) == set()
    assert len(asked) >= 30


def test_every_query_of_the_dashboard_is_one(promtool: str, tmp_path: pathlib.Path) -> None:
    queries = [query for query in dashboard_queries() if not query.startswith("label_values(")]
    recorded = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}).replace("$source", ".*"))
    assert f"{len(queries)} rules found" in run(promtool, "check", "rules", str(path))


def test_the_dashboard_fits_its_grid_and_names_no_data_source_of_ours() -> None:
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_what_is_written_is_what_prometheus_reads(promtool: str, states: t.Any) -> None:
    for state in states.STATES.values():
        run(promtool, "check", "metrics", given=_publish._exposition(state()))
