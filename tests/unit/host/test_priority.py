# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _ledger, _priority
from ansible_collections.labops.backup.plugins.module_utils._model import _run

RUN = "20261123T023000Z-77b0aa"


def begin(folder: pathlib.Path, job: str) -> None:
    _ledger.write(str(folder), _ledger.begin(str(folder), RUN, job=job, sources=["tatchu"], release="0"))


def end(folder: pathlib.Path, job: str) -> None:
    about = {"job": job, "sources": ["tatchu"], "release": "0"}
    ending = {"outcomes": [], "points": [], "message": ""}
    _ledger.write(str(folder), _ledger.end(str(folder), RUN, _run.SUCCESS, now=datetime.now(UTC), **about, **ending))


@pytest.mark.parametrize(
    ("job", "at_work", "gives_way"),
    [
        ("verify", "backup", True),
        ("verify", "drill", True),
        ("verify", "dump", False),
        ("drill", "backup", True),
        ("drill", "verify", False),
    ],
)
def test_who_gives_way_to_whom(tmp_path: pathlib.Path, job: str, at_work: str, gives_way: bool) -> None:
    look = _priority.Priority(job, str(tmp_path), None).reason
    assert look() == ""
    begin(tmp_path, at_work)
    assert look() == (f"the {at_work} run {RUN} is at work" if gives_way else "")
    end(tmp_path, at_work)
    assert look() == ""


def test_an_incident_comes_before_all(tmp_path: pathlib.Path) -> None:
    hold = tmp_path / "hold.json"
    look = _priority.Priority("drill", str(tmp_path), str(hold)).reason
    assert look() == ""
    told = {"schema_version": 1, "source": "tatchu", "incident": RUN, "since": "2026-11-23T02:30:00Z", "reason": ""}
    hold.write_text(json.dumps(told))
    assert f"held by incident {RUN}" in look()
