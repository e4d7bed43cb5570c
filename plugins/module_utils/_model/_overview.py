# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What a server knows about itself, as the metrics and the report both need it.

Everything here is read out of one mapping, the facts, which ``_publish`` collects: ``now``, ``server``, ``release``,
``runs`` (newest first), ``sources``, ``readiness``, ``space``, ``disk`` and ``unreadable``.
"""

from __future__ import annotations

import statistics
import typing as t
from datetime import UTC, datetime, timedelta

from ansible_collections.labops.backup.plugins.module_utils._model import _evidence, _point, _run

Document = dict[str, t.Any]
Facts = t.Mapping[str, t.Any]

STAGES = ("pull", "content", "archive")
# So many daily samples decide how fast the disk fills, and fewer than these say nothing.
_TREND_DAYS = 60
_TREND_LEAST = 5


def time_of(run: t.Mapping[str, t.Any]) -> datetime:
    """When a run ended, or began when nobody knows its end."""
    return _evidence.moment(run.get("finished")) or _run.began(str(run["run_id"]))


def runs_by_job(facts: Facts) -> dict[str, list[Document]]:
    """The runs of each job, newest first."""
    found: dict[str, list[Document]] = {}
    for run in facts["runs"]:
        found.setdefault(str(run["job"]), []).append(run)
    return found


def over(runs: t.Iterable[Document]) -> list[Document]:
    """Those that are over."""
    return [run for run in runs if run["state"] != _run.RUNNING]


def newest_success(runs: t.Iterable[Document]) -> Document | None:
    """The newest run that ended well."""
    return next((run for run in runs if run["state"] == _run.SUCCESS), None)


def good_points(facts: Facts, source: t.Mapping[str, t.Any]) -> list[Document]:
    """The points that a restore may choose by itself, newest first."""
    return _point.eligible(source["points"], facts["now"])


def brings_back(point: t.Mapping[str, t.Any]) -> datetime:
    """The moment that a point brings back: when its dump began, or without a database when its run did."""
    dump_set = point.get("dump_set") or {}
    return _evidence.moment(dump_set.get("started")) or _run.began(str(point["point"]))


def sealed(point: t.Mapping[str, t.Any]) -> datetime:
    """When a point was sealed."""
    return _evidence.moment(point.get("sealed")) or _run.began(str(point["point"]))


def outcomes(facts: Facts, source: str) -> list[tuple[Document, Document]]:
    """Run and outcome of every dataset of a source, newest run first."""
    return [
        (run, outcome)
        for run in facts["runs"]
        if run["job"] == "backup"
        for outcome in run["outcomes"]
        if isinstance(outcome, dict) and outcome.get("source") == source and outcome.get("dataset")
    ]


def is_night(run: t.Mapping[str, t.Any], source: str) -> bool:
    """Whether a run was to seal a point of that source: it says what became of one, or ended badly before it could.

    A run that only pulled, or only archived, and did that well, is no night.
    """
    if run["job"] != "backup" or source not in run["sources"]:
        return False
    return run["state"] != _run.SUCCESS or any(point_of(run, source))


def point_of(run: t.Mapping[str, t.Any], source: str) -> list[Document]:
    """What a run says became of the source's point."""
    return [point for point in run["points"] if isinstance(point, dict) and point.get("source") == source]


def nights(facts: Facts, source: str) -> list[tuple[Document, dict[str, Document]]]:
    """The finished nights of a source, oldest first, each with the outcomes by dataset."""
    found: dict[str, tuple[Document, dict[str, Document]]] = {}
    for run, outcome in outcomes(facts, source):
        if not is_night(run, source):
            continue
        found.setdefault(str(run["run_id"]), (run, {}))[1][str(outcome["dataset"])] = outcome
    return [found[run_id] for run_id in sorted(found)]


def stage_seconds(outcome: t.Mapping[str, t.Any]) -> dict[str, float]:
    """How long each stage of a dataset took."""
    seconds = outcome.get("seconds")
    if not isinstance(seconds, t.Mapping):
        return {}
    return {stage: value for stage in STAGES if (value := _evidence.number(seconds.get(stage))) is not None}


def disk_full_at(facts: Facts) -> datetime | None:
    """When the disk will be full if it goes on as in the last weeks; None when it does not fill, or nobody can say.

    The slope is the median of the slopes between all pairs of days (Theil and Sen), so that one night with a whole
    new recording does not decide.
    """
    samples = [(sample["at"], sample["free_bytes"]) for sample in facts["disk"][-_TREND_DAYS:]]
    if len(samples) < _TREND_LEAST:
        return None
    slopes = [
        (free - before) / (at - then).total_seconds()
        for number, (then, before) in enumerate(samples)
        for at, free in samples[number + 1 :]
        if at > then
    ]
    slope = statistics.median(slopes) if slopes else 0.0
    if slope >= 0:
        return None
    at, free = samples[-1]
    try:
        return t.cast("datetime", at + timedelta(seconds=free / -slope))
    except OverflowError:
        return None


def days(first: datetime, last: datetime) -> list[datetime]:
    """Every day from one to the other, as its midnight in UTC."""
    day = datetime(first.year, first.month, first.day, tzinfo=UTC)
    found = []
    while day <= last:
        found.append(day)
        day += timedelta(days=1)
    return found
