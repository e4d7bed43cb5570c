# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of tests/monitoring/states.py, each made once."""

from __future__ import annotations

import functools
import importlib.util
import pathlib
import types
import typing as t

import pytest

_PATH = pathlib.Path(__file__).parents[2] / "monitoring" / "states.py"


@functools.cache
def _module() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("monitoring_states", _PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def states() -> t.Any:
    """The module itself: ``states.one_run()`` gives facts that a test may change."""
    return _module()
