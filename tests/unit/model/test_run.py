# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _run

RUN = "20261123T023000Z-77b0aa"
WHERE = {"host": "loki", "boot_id": "b", "unit": "u.service"}


def started() -> dict[str, t.Any]:
    return _run.start(RUN, job="backup", sources=["tatchu"], release="0.1.0", where=WHERE)


def finished(state: str, outcomes: list[dict[str, t.Any]], run: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
    now = datetime(2026, 11, 23, 2, 41, 1, 500000, UTC)
    return _run.finish(run or started(), state, now=now, outcomes=outcomes, points=[], message="m")


def test_the_start_is_read_from_the_identifier() -> None:
    assert _run.began(RUN) == datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
    assert started()["started"] == "2026-11-23T02:30:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        RUN + "\n",
        "../" + RUN,
        RUN.upper(),
        "20261123T023000Z",
        "20261323T023000Z-77b0aa",
        "٢٠261123T023000Z-77b0aa",
    ],
)
def test_what_is_not_an_identifier_is_refused(text: str) -> None:
    with pytest.raises(BackupError, match="is not an identifier"):
        _run.began(text)


def test_a_finished_run_keeps_its_beginning_and_says_how_long_it_took() -> None:
    run = finished("success", [{"source": "tatchu", "dataset": "blobs", "ok": True}])
    assert run["state"] == "success"
    assert (run["started"], run["finished"], run["seconds"]) == ("2026-11-23T02:30:00Z", "2026-11-23T02:41:01Z", 661.5)
    assert (run["sources"], run["release"], run["boot_id"]) == (["tatchu"], "0.1.0", "b")


def test_success_is_refused_when_an_outcome_says_otherwise() -> None:
    outcomes = [{"source": "tatchu", "dataset": "blobs", "ok": False}, {"source": "tatchu", "ok": True}]
    with pytest.raises(BackupError, match="cannot be recorded as a success: tatchu blobs failed"):
        finished("success", outcomes)
    assert finished("failure", outcomes)["outcomes"] == outcomes


def test_an_outcome_without_a_verdict_is_refused() -> None:
    with pytest.raises(BackupError, match="lacks ok"):
        finished("failure", [{"source": "tatchu"}])


@pytest.mark.parametrize("state", ["success", "failure"])
def test_a_finished_run_is_not_finished_again(state: str) -> None:
    with pytest.raises(BackupError, match=f"is recorded as {state} since 2026-11-23T02:41:01Z"):
        finished("failure", [], finished(state, []))


def test_a_run_taken_for_dead_may_still_finish() -> None:
    dead = _run.died(started(), "gone")
    assert (dead["state"], dead["finished"], dead["message"]) == ("died", None, "gone")
    assert finished("success", [], dead)["state"] == "success"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run_id": "20261123T023000Z-000000"}, "is about"),
        ({"state": "fine"}, "unknown state 'fine'"),
    ],
)
def test_a_document_that_is_not_the_run_s_is_refused(change: dict[str, t.Any], message: str) -> None:
    _run.check(started(), RUN)
    with pytest.raises(BackupError, match=message):
        _run.check({**started(), **change}, RUN)


def test_a_document_with_a_part_missing_is_refused() -> None:
    run = started()
    del run["sources"]
    with pytest.raises(BackupError, match="sources is missing"):
        _run.check(run, RUN)
