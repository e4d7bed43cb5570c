# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import drill_record

RunModule = t.Callable[..., dict[str, t.Any]]
POINT = "20261123T023000Z-77b0aa"


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        "evidence_file": str(tmp_path / "drills" / "tatchu.json"),
        "source": "tatchu",
        "drill": {"point": POINT, "ok": True, "seed": "march"},
        "points": [{"point": POINT, "state": "complete", "datasets": [{"archive_id": "1"}], "marks": []}],
        "proven_dir": str(tmp_path / "drills" / "tatchu"),
    }


def test_a_drill_is_written_down_but_not_in_check_mode(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    predicted = run_module_main(drill_record, options, check_mode=True)
    assert not pathlib.Path(options["evidence_file"]).exists()
    assert run_module_main(drill_record, options) == predicted
    run_module_main(drill_record, {**options, "drill": {"point": POINT, "ok": False}})
    path = pathlib.Path(options["evidence_file"])
    document = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600 and document["schema_version"] == 1
    assert [one["ok"] for one in document["drills"]] == [False, True]
    assert document["coverage"]["archives_proven"] == 1


def test_evidence_that_cannot_be_understood_is_left_as_it_is(
    run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    path = pathlib.Path(options["evidence_file"])
    path.parent.mkdir()
    path.write_text('{"schema_version": 1, "drills": 7}')
    failed = run_module_main(drill_record, options)
    assert failed["failed"] and "does not hold the evidence of drills" in failed["msg"]
    assert json.loads(path.read_text())["drills"] == 7
    assert run_module_main(drill_record, {**options, "drill": {"ok": True}})["failed"]


@pytest.mark.parametrize("lacks", ["point", "ok"])
def test_a_drill_that_says_not_enough_is_not_written_down(
    run_module_main: RunModule, options: dict[str, t.Any], lacks: str
) -> None:
    drill = {name: value for name, value in options["drill"].items() if name != lacks}
    failed = run_module_main(drill_record, {**options, "drill": drill})
    assert failed["failed"] and f"the drill lacks {lacks}. Nothing was written down" in failed["msg"]
    assert not pathlib.Path(options["evidence_file"]).exists()
