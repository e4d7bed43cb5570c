# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import typing as t
from datetime import timedelta

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _metrics, _overview, _report, _text


def days(view: dict[str, t.Any], source: int = 0) -> dict[str, str]:
    """State by day and month."""
    calendar = view["sources"][source]["calendar"]
    return {
        f"{day['number']} {month['title']}": day["state"]
        for month in (*calendar["open"], *calendar["older"])
        for week in month["weeks"]
        for day in week
        if day is not None
    }


@pytest.mark.parametrize(
    ("state", "kind"),
    [("no_run", "none"), ("one_run", "ok"), ("two_years", "ok"), ("failing_night", "fail"), ("suspect_point", "warn")],
)
def test_the_verdict(states: t.Any, state: str, kind: str) -> None:
    view = _report.view(states.STATES[state]())
    assert view["verdict"]["kind"] == kind
    assert bool(view["findings"]) == (kind != "ok")


def test_the_sentence_names_who_has_nothing(states: t.Any) -> None:
    facts = states.one_run()
    facts["sources"].append(states.source("meg-lab"))
    verdict = _report.view(facts)["verdict"]
    assert verdict["sentence"] == "There is no complete recovery point of meg-lab."
    assert verdict["kind"] == "warn"  # its first night may still come


def test_a_night_that_is_late_is_told(states: t.Any) -> None:
    facts = states.one_run()
    facts["now"] += timedelta(hours=20)
    assert _report.view(facts)["verdict"]["kind"] == "ok"
    facts["now"] += timedelta(hours=3)
    view = _report.view(facts)
    assert view["verdict"]["kind"] == "fail"
    assert any("newest complete recovery point: 37 h" in one["text"] for one in view["findings"])


def test_a_point_from_the_future_hides_no_late_night_and_is_told(states: t.Any) -> None:
    facts = states.one_run()
    source = facts["sources"][0]
    known = source["points"][0]
    source["points"].insert(0, {**known, "point": "29991123T023000Z-77b0aa", "sealed": "2999-11-23T03:00:00Z"})
    view = _report.view(facts)
    assert view["sources"][0]["newest"] == _overview.brings_back(known)
    (told,) = view["findings"]
    assert "29991123T023000Z-77b0aa" in told["text"] and "dated in the future" in told["text"]
    assert "recovery_point_mark" in told["text"] and told["kind"] == "warn"
    samples = {one.name: one.value for one in _metrics.samples(facts)}
    assert samples["point_last_success_timestamp_seconds"] == _overview.sealed(known).timestamp()
    facts["now"] += timedelta(hours=23)
    assert _report.view(facts)["verdict"]["kind"] == "fail"


def test_the_calendar_tells_days_apart(states: t.Any) -> None:
    found = days(_report.view(states.two_years()))
    assert found["28 November 2026"] == "proven"
    assert found["27 November 2026"] == "failed"  # number 727
    assert found["10 November 2026"] == "thinned"
    assert found["3 December 2024"] == "thinned"
    assert "missing" in found.values()
    assert len(found) == 759  # from the first day of the first month until today
    failing = days(_report.view(states.failing_night()))
    assert (failing["29 November 2026"], failing["27 November 2026"]) == ("partial", "complete")
    assert failing["1 November 2026"] == "before"


def test_a_day_of_an_incident_without_a_night_is_held_and_not_missing(states: t.Any) -> None:
    facts = states.two_years()
    day = states.NOW - timedelta(days=21)
    facts["runs"] = [run for run in facts["runs"] if not run["run_id"].startswith(f"{day:%Y%m%d}")]
    assert days(_report.view(facts))["8 November 2026"] == "held"
    assert days(_report.view(facts), 1)["8 November 2026"] == "missing"


def test_a_pull_by_hand_is_no_night(states: t.Any) -> None:
    facts = states.one_run()
    by_hand = states.night(["tatchu"], states.NOW.replace(hour=12), 9, points=[])
    by_hand["outcomes"] = by_hand["outcomes"][1:2]
    earlier = states.night(["tatchu"], states.NOW - timedelta(days=1), 8, points=[])
    facts["runs"] = [by_hand, *facts["runs"], earlier]
    view = _report.view(facts)
    assert [row["dataset"] for row in view["sources"][0]["last_night"]] == ["database", "blobs", "data"]
    found = days(view)
    assert (found["29 November 2026"], found["28 November 2026"]) == ("complete", "before")
    assert view["verdict"]["kind"] == "ok"


def test_today_is_not_missing_before_its_night_ran(states: t.Any) -> None:
    facts = states.one_run()
    facts["now"] += timedelta(hours=8)
    assert days(_report.view(facts))["30 November 2026"] == "before"


@pytest.mark.parametrize("highest", [0, 0.3, 1, 5, 59, 61, 999, 1023, 1024, 1536, 10**6, 2**40, 3.7e13])
@pytest.mark.parametrize("base", [60, 1024])
def test_ticks_are_few_and_reach_the_highest_value(highest: float, base: int) -> None:
    found = _report.ticks(highest, _text.size, base)
    values = [value for value, _text_of in found]
    assert values[0] == 0 and values[-1] >= highest
    assert 2 <= len(values) <= 7
    assert len({text for _value, text in found}) == len(found) or base == 60 or highest < 4
    steps = {round(after - before, 6) for before, after in itertools.pairwise(values)}
    assert len(steps) == 1


def test_the_forecast_follows_the_usual_day_and_not_one_big_one(states: t.Any) -> None:
    facts = states.no_run()
    gib = 2**30
    facts["disk"] = [
        {"at": states.NOW - timedelta(days=40 - day), "free_bytes": (1000 - 10 * day - (150 if day > 35 else 0)) * gib}
        for day in range(41)
    ]
    full = _overview.disk_full_at(facts)
    assert full is not None
    assert 40 <= (full - states.NOW).days <= 46  # 450 GiB are left, at about 10 a day
    facts["disk"] = facts["disk"][-4:]
    assert _overview.disk_full_at(facts) is None
    facts["disk"] = [{"at": states.NOW - timedelta(days=day), "free_bytes": 7 * gib} for day in range(20, 0, -1)]
    assert _overview.disk_full_at(facts) is None


def test_nothing_in_the_view_is_obeyed_by_a_terminal_or_a_page(states: t.Any) -> None:
    def texts(value: t.Any) -> t.Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for item in value.values():
                yield from texts(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                yield from texts(item)

    for text in texts(_report.view(states.hostile())):
        assert not set(text) & {"\x1b", "\u202e"}
