# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._tools import _engine
from ansible_collections.labops.backup.plugins.modules import db_scratch

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """The folder of an instance that runs as long as its folder is there."""
    path = tmp_path / "scratch"

    def start(_self: _engine.Scratch, memory: int) -> None:
        path.mkdir()
        (path / ".labops-scratch").write_text(str(memory))

    monkeypatch.setattr(_engine.Scratch, "start", start)
    monkeypatch.setattr(_engine.Scratch, "process", lambda _self: 7 if path.exists() else None)
    monkeypatch.setattr(_engine.Scratch, "answers", lambda _self: path.exists())
    monkeypatch.setattr(_engine.os, "kill", lambda _number, _signal: (path / ".labops-scratch").unlink())
    return path


def test_it_is_started_once_and_removed_once(
    run_module_main: RunModule, instance: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"path": str(instance), "memory": 1000}
    assert run_module_main(db_scratch, options) | {"invocation": 0} == {
        "changed": True,
        "socket": f"{instance}/s",
        "invocation": 0,
    }
    assert (instance / ".labops-scratch").read_text() == "1000"
    assert run_module_main(db_scratch, options)["changed"] is False
    monkeypatch.setattr(_engine.Scratch, "process", lambda _self: None)
    assert run_module_main(db_scratch, options | {"state": "absent"})["changed"] is True
    assert not instance.exists()
    assert run_module_main(db_scratch, options | {"state": "absent"})["changed"] is False


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_predicts_and_changes_nothing(
    run_module_main: RunModule, instance: pathlib.Path, state: str
) -> None:
    options = {"path": str(instance), "state": state}
    assert run_module_main(db_scratch, options, check_mode=True)["changed"] is (state == "present")
    assert not instance.exists()
    run_module_main(db_scratch, {"path": str(instance)})
    assert run_module_main(db_scratch, options, check_mode=True)["changed"] is (state == "absent")
    assert instance.exists()


def test_a_folder_of_somebody_else_is_refused(run_module_main: RunModule, instance: pathlib.Path) -> None:
    instance.mkdir()
    (instance / "thesis").write_text("")
    for state in ("present", "absent"):
        assert "is no scratch instance" in run_module_main(db_scratch, {"path": str(instance), "state": state})["msg"]
