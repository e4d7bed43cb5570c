# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._tools import _database
from ansible_collections.labops.backup.plugins.modules import host_facts_info

RunModule = t.Callable[..., dict[str, t.Any]]


def test_trees_are_tried_and_left_as_they_are_in_check_mode_too(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    options = {"datasets": [{"name": "data", "path": str(tmp_path)}, {"name": "gone", "path": str(tmp_path / "no")}]}
    for check_mode in (True, False):
        facts = run_module_main(host_facts_info, options, check_mode=check_mode)["facts"]
        assert facts["datasets"]["data"]["writable"] and not facts["datasets"]["gone"]["present"]
        assert "database" not in facts and facts["legacy"] is None
    assert list(tmp_path.iterdir()) == []


def test_the_database_server_is_asked_with_the_given_account(
    run_module_main: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def capability(connection: _database.Connection) -> dict[str, t.Any]:
        asked.append(connection)
        return {"engine": "mariadb"}

    monkeypatch.setattr(_database, "capability", capability)
    facts = run_module_main(host_facts_info, {"database": True, "defaults_file": "/etc/x.cnf"})["facts"]
    assert facts["database"] == {"engine": "mariadb"}
    assert asked == [_database.Connection("/etc/x.cnf", None)]
