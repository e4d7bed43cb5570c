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
