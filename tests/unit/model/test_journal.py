# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _journal

NOW = datetime(2026, 11, 23, 14, 0, 5, tzinfo=UTC)
NEW = _journal.begin("20261123T140000Z-3fa9c1", "tatchu", "loki")


def test_a_step_begins_ends_and_never_begins_again() -> None:
    begun = _journal.note(NEW, now=NOW, step="blobs.push", step_state="started")
    again = _journal.note(begun, now=NOW, step="blobs.push", step_state="started")
    assert again["steps"]["blobs.push"]["attempts"] == 2
    assert _journal.finished(again) == []
    done = _journal.note(again, now=NOW, step="blobs.push", step_state="finished", result={"bytes": 10, "seconds": 2})
    assert _journal.finished(done) == ["blobs.push"]
    assert [event["what"] for event in done["events"]] == [
        "blobs.push started",
        "blobs.push started",
        "blobs.push finished",
    ]
    assert NEW["steps"] == {} and NEW["events"] == []
    with pytest.raises(BackupError, match="is finished already"):
        _journal.note(done, now=NOW, step="blobs.push", step_state="started")


def test_a_finished_step_whose_work_did_not_pass_the_checks_begins_again() -> None:
    done = _journal.note(NEW, now=NOW, step="database.load", step_state="finished")
    wrong = _journal.note(done, now=NOW, step="database.load", step_state="failed", result={"problems": ["7 rows"]})
    assert _journal.finished(wrong) == []
    assert _journal.note(wrong, now=NOW, step="database.load", step_state="started")["steps"]["database.load"] == {
        "state": "started",
        "started": "2026-11-23T14:00:05Z",
        "attempts": 1,
    }


def test_what_was_confirmed_cannot_be_changed() -> None:
    confirmed = _journal.note(NEW, now=NOW, confirmed={"point": "a", "scope": ["blobs"]}, plan={"bytes": 1})
    assert _journal.note(confirmed, now=NOW, confirmed={"point": "a", "scope": ["blobs"]}) == confirmed
    with pytest.raises(BackupError) as caught:
        _journal.note(confirmed, now=NOW, confirmed={"point": "b", "scope": ["blobs"]})
    assert "confirmed with other settings of point" in caught.value.message


def test_a_resume_may_bring_more_datasets_than_were_confirmed_and_never_fewer() -> None:
    confirmed = _journal.note(NEW, now=NOW, confirmed={"point": "a", "scope": ["blobs"]})
    wider = _journal.note(confirmed, now=NOW, confirmed={"point": "a", "scope": ["blobs", "data"]})
    assert wider["confirmed"]["scope"] == ["blobs", "data"]
    for settings in ({"point": "a", "scope": ["blobs"]}, {"point": "b", "scope": ["blobs", "data", "database"]}):
        with pytest.raises(BackupError, match="was confirmed with other settings of"):
            _journal.note(wider, now=NOW, confirmed=settings)


def test_who_confirms_again_has_to_pass_the_checks_again() -> None:
    confirmed = _journal.note(NEW, now=NOW, confirmed={"point": "a"})
    restored = _journal.note(confirmed, now=NOW, step="checks", step_state="finished", state="restored")
    assert _journal.note(restored, now=NOW, confirmed={"point": "a"})["state"] == "open"


@pytest.mark.parametrize("state", ["released", "accepted"])
def test_a_restore_whose_fence_is_down_does_not_go_on(state: str) -> None:
    confirmed = _journal.note(NEW, now=NOW, confirmed={"point": "a", "target": "", "beside": {}})
    with pytest.raises(BackupError, match=f"is {state}, and people have worked with the data since"):
        _journal.note(_journal.note(confirmed, now=NOW, state=state), now=NOW, confirmed=confirmed["confirmed"])
    elsewhere = _journal.note(NEW, now=NOW, confirmed={"point": "a", "target": "/srv/looked-at"}, state=state)
    assert _journal.note(elsewhere, now=NOW, confirmed=elsewhere["confirmed"])["state"] == "open"


def test_what_was_brought_and_is_damaged_again_is_brought_again() -> None:
    done = _journal.note(NEW, now=NOW, step="blobs.push", step_state="finished", result={"bytes": 10, "seconds": 2})
    done = _journal.note(done, now=NOW, step="data.push", step_state="finished")
    steps = [
        {"dataset": "database", "kind": "database", "taken": True, "state": "lost"},
        {"dataset": "blobs", "kind": "files", "taken": True, "state": "damaged"},
        {"dataset": "data", "kind": "files", "taken": True, "state": "intact"},
    ]
    again = _journal.note(done, now=NOW, confirmed={"point": "a"}, plan={"steps": steps})
    assert _journal.finished(again) == ["data.push"]
    assert (
        _journal.note(again, now=NOW, step="blobs.push", step_state="started")["steps"]["blobs.push"]["attempts"] == 1
    )


def test_rates_are_the_median_of_what_was_measured() -> None:
    journals = []
    for size in (10, 1000, 100):
        journals.append(
            _journal.note(NEW, now=NOW, step="data.push", step_state="finished", result={"bytes": size, "seconds": 1})
        )
    failed = _journal.note(NEW, now=NOW, step="x.load", step_state="failed", result={"bytes": 1, "seconds": 1})
    assert _journal.rates([*journals, failed, NEW]) == {"push": 100}


@pytest.mark.parametrize("change", [{"state": "odd"}, {"steps": []}, {"incident": None}])
def test_a_document_that_is_no_journal_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BackupError, match="is not the journal of an incident"):
        _journal.check({**NEW, **change}, "/x.json")
