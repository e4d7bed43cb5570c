# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser over the report in every state, and promtool over the rules."""

from __future__ import annotations

import functools
import importlib.util
import os
import pathlib
import types
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _publish
from playwright.sync_api import Browser, sync_playwright

ROOT = pathlib.Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"


@functools.cache
def _module() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("monitoring_states", pathlib.Path(__file__).with_name("states.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def states() -> t.Any:
    """The module tests/monitoring/states.py."""
    return _module()


@pytest.fixture(scope="session")
def pages(states: t.Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """The report in each state, as the module writes it."""
    folder = tmp_path_factory.mktemp("report")
    template = ROOT / "roles" / "monitoring" / "files" / "report.html.j2"
    found = {}
    for name, state in states.STATES.items():
        found[name] = folder / name / "index.html"
        options = {"metrics_file": str(folder / name / "metrics.prom"), "state_dir": str(folder / name)}
        written = _publish.publish(state(), report_file=str(found[name]), template=str(template), dry=False, **options)
        assert [problem for problem in written["problems"] if problem != states.HOSTILE] == []
    return found


@pytest.fixture(scope="session")
def browser() -> t.Iterator[Browser]:
    """The Chromium of the system, without a screen."""
    with sync_playwright() as playwright:
        # As root, which is who runs the tests, Chromium has no sandbox; the pages are our own.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def promtool() -> str:
    """What the Makefile unpacked."""
    return os.environ.get("PROMTOOL", str(ROOT / ".cache" / "promtool" / "usr" / "bin" / "promtool"))
