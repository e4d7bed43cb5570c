# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _channels


def channel(**more: t.Any) -> dict[str, t.Any]:
    usual = {"tag": "failure-1", "severity": "failure", "scheme": "json", "understood": True, "problem": ""}
    return {**usual, "last_success": None, "last_failure": None, **more}


def found(*channels: dict[str, t.Any], untold: t.Sequence[t.Any] = ()) -> dict[str, t.Any]:
    return {"channels": list(channels), "untold": list(untold)}


def test_a_channel_that_was_never_used_is_no_problem() -> None:
    assert _channels.problems(found(channel())) == []


def test_a_malformed_url_is_named_by_its_place() -> None:
    (line,) = _channels.problems(found(channel(), channel(tag="failure-2", understood=False, problem="not a URL")))
    assert line == "failure-2 (json): not a URL"


def test_a_channel_counts_as_broken_until_it_worked_again() -> None:
    early, late = "2026-11-28T02:30:00Z", "2026-11-29T02:30:00Z"
    (line,) = _channels.problems(found(channel(last_success=early, last_failure=late)))
    assert late in line
    assert _channels.problems(found(channel(last_success=late, last_failure=early))) == []


def test_nobody_at_all_and_messages_that_nobody_heard_are_problems() -> None:
    assert _channels.problems(found()) == ["nobody is told of anything"]
    (line,) = _channels.problems(found(channel(), untold=[{"at": "x", "title": "y"}]))
    assert line.startswith("1 messages")


def test_who_cannot_be_reached_is_a_problem_and_who_cannot_be_asked_is_none() -> None:
    assert _channels.problems(found(channel(reached=None, why=""), channel(reached=True, why=""))) == []
    (line,) = _channels.problems(found(channel(reached=False, why="the connection is refused", last_failure="2026")))
    assert line == "failure-1 (json): the connection is refused"
    assert _channels.problems({**found(channel()), "ping_problem": "x"}) == ["the dead-man's switch: x"]


def test_a_severity_is_deaf_when_no_channel_of_it_is_left() -> None:
    warning = channel(severity="warning")
    assert _channels.deaf(found(channel(), warning)) == []
    assert _channels.deaf(found(channel(reached=False), channel(reached=None), warning)) == []
    assert _channels.deaf(found(channel(reached=False), channel(understood=False), warning)) == ["failure"]
    assert _channels.deaf(found(channel(severity="info"))) == ["failure", "warning"]
    assert _channels.malformed(found(channel(), channel(understood=False))) and not _channels.malformed(found(warning))
