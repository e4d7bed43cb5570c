# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _facts


def test_facts_are_plain_and_leave_no_trace(tmp_path: pathlib.Path) -> None:
    facts = _facts.gather({"data": str(tmp_path), "gone": str(tmp_path / "gone")}, "2026-11-23T02:15:00Z")
    json.dumps(facts)
    assert facts["datasets"]["data"]["writable"] is True
    assert facts["datasets"]["data"]["free_bytes"] > 0
    assert facts["datasets"]["gone"]["present"] is False
    assert facts["users"]["root"] == [0, 0]
    assert any(mount["point"] == "/" for mount in facts["mounts"])
    assert os.listdir(tmp_path) == []


def test_files_are_told_by_hash_and_secrets_not_at_all(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crontab").write_text("PASSWORD=hunter2")
    (tmp_path / "database.cnf").write_text("password=hunter2")
    monkeypatch.setattr(_facts, "_CRON", (str(tmp_path / "*"),))
    monkeypatch.setattr(_facts, "_DEPLOYED", (str(tmp_path / "*"),))
    facts = _facts.gather({}, "2026-11-23T02:15:00Z")
    assert list(facts["crontabs"]) == list(facts["deployed"]) == [str(tmp_path / "crontab")]
    assert "hunter2" not in json.dumps(facts)
