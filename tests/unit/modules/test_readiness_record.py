# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.modules import readiness_record

RunModule = t.Callable[..., dict[str, t.Any]]


def test_a_document_is_left_for_root_alone_and_the_same_one_is_no_change(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "escrow" / "tatchu.json"
    options = {"path": str(path), "document": {"verdict": "ok"}}
    assert run_module_main(readiness_record, options)["changed"] is True
    assert json.loads(path.read_bytes()) == {"schema_version": 1, "verdict": "ok"}
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert run_module_main(readiness_record, options)["changed"] is False
    assert run_module_main(readiness_record, {**options, "document": {"verdict": "fail"}})["changed"] is True


def test_check_mode_predicts_and_writes_nothing(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    options = {"path": str(tmp_path / "x" / "readiness.json"), "document": {"verdict": "ok"}}
    assert run_module_main(readiness_record, options, check_mode=True)["changed"] is True
    assert list(tmp_path.iterdir()) == []
