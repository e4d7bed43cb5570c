# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import html.parser
import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _incident_report, _journal

NOW = datetime(2026, 11, 23, 14, 0, 5, tzinfo=UTC)
EVIL = '<script>alert(1)</script>\x1b[2J \udcff & "quotes"'


class Page(html.parser.HTMLParser):
    """The tags and the text of a page; every tag that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def journal(**changes: t.Any) -> dict[str, t.Any]:
    step = {
        "dataset": EVIL,
        "kind": "files",
        "state": "damaged",
        "taken": True,
        "bytes": 4096,
        "replaces": "damaged files moved aside",
        "counts": {"missing": {"files": 3}, "damaged": {"files": 2}, "metadata": {}, "newer": {"files": 1}},
    }
    plan = {"point": "P", "point_state": "complete", "dump_set": {"started": "S"}, "steps": [step], "notes": [EVIL]}
    begun = _journal.note(
        _journal.begin("20261123T140000Z-3fa9c1", "tatchu", "loki"), now=NOW, confirmed={"point": "P"}, plan=plan
    )
    done = _journal.note(
        begun, now=NOW, step="blobs.push", step_state="finished", result={"bytes": 4096, "seconds": 2.5}
    )
    checked = _journal.note(done, now=NOW, step="checks", step_state="finished", result={"references": 17, "x": EVIL})
    return {**checked, **changes}


@pytest.mark.parametrize("state", _journal.STATES)
def test_the_page_is_whole_and_runs_nothing(state: str) -> None:
    page = Page(_incident_report.incident_report(journal(state=state)))
    assert page.open == [] and page.links == [] and "script" not in page.tags
    assert "<script>alert(1)</script>?[2J" in page.words and "\x1b" not in page.words
    for text in ("Incident 20261123T140000Z-3fa9c1: tatchu", "blobs.push", "4096", "2.5", '"references": 17', "Next:"):
        assert text in page.words
    assert ("Not finished" in page.words) is (state == "open")


def test_what_is_newer_and_damaged_and_what_remains_is_in_the_page() -> None:
    told = journal()
    told["plan"]["steps"][0]["counts"]["newer_damaged"] = {"files": 4321}
    told["plan"]["remaining"] = ["lab: rows refer to " + EVIL]
    page = Page(_incident_report.incident_report(told))
    assert "newer, damaged" in page.words and "4321" in page.words
    assert "Remaining: lab: rows refer to <script>" in page.words and "script" not in page.tags


def test_a_journal_that_has_only_begun_has_a_page_too() -> None:
    begun = _journal.begin("20261123T140000Z-3fa9c1", "tatchu", "loki")
    page = Page(_incident_report.incident_report(begun))
    assert page.open == [] and "What was lost" not in page.words
    assert "Released without a restore" in _incident_report.incident_report({**begun, "state": "released"})


def test_a_restore_that_was_given_up_is_not_called_checked() -> None:
    begun = _journal.begin("20261123T140000Z-3fa9c1", "tatchu", "loki")
    for confirmed, said in (
        ({"point": "P"}, "Given up: released without passing its checks"),
        ({"point": "P", "target": "/srv/look"}, "Brought to another place"),
        ({"point": "P", "beside": "lab_old"}, "Brought to another place"),
    ):
        done = _journal.note(begun, now=NOW, confirmed=confirmed)
        text = _incident_report.incident_report({**done, "state": "released"})
        assert said in text and "checked and back" not in text
