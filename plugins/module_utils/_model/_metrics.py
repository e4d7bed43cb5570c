# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Which metrics there are, and their values from the facts of a server."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._model import _evidence, _overview, _point, _run

PREFIX = "labops_backup_"


@dataclass(frozen=True)
class Family:
    """One metric. All are gauges: they say what the documents on disk say at this moment."""

    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One value of a metric; the labels' values in the order of its family."""

    name: str
    labels: tuple[str, ...]
    value: float


_JOB = ("job",)
_SOURCE = ("source",)
_DATASET = ("source", "dataset")

FAMILIES: dict[str, Family] = {
    "info": Family("The server and its release; always 1.", ("server", "release")),
    "published_timestamp_seconds": Family("When these metrics were written."),
    "problems": Family("What could not be read or written for these metrics and the report."),
    "unreadable_documents": Family("Documents of the ledger and of evidence that could not be understood."),
    "job_last_success_timestamp_seconds": Family("When the newest run that ended well ended.", _JOB),
    "job_last_end_timestamp_seconds": Family("When the newest run that is over ended, or began if it died.", _JOB),
    "job_last_ok": Family("Whether the newest run that is over ended well.", _JOB),
    "job_last_duration_seconds": Family("How long the newest run took whose end is known.", _JOB),
    "job_running": Family("How many runs go on.", _JOB),
    "job_runs": Family("Runs in the ledger.", ("job", "state")),
    "point_last_success_timestamp_seconds": Family("When the newest complete recovery point was sealed.", _SOURCE),
    "point_last_dump_timestamp_seconds": Family("The moment that the newest complete point brings back.", _SOURCE),
    "oldest_restorable_point_timestamp_seconds": Family(
        "The moment that the oldest complete point brings back.", _SOURCE
    ),
    "points": Family("Recovery points by what is known of them.", ("source", "state")),
    "point_references_checked": Family("References that the newest point's dump has to files.", _SOURCE),
    "hold": Family("Whether an incident holds the source, so that nothing is backed up.", _SOURCE),
    "hold_since_timestamp_seconds": Family("Since when an incident holds the source.", _SOURCE),
    "pull_last_success_timestamp_seconds": Family(
        "When the newest run ended whose pull of the dataset was good.", _DATASET
    ),
    "archive_last_success_timestamp_seconds": Family("When the newest run ended that archived the dataset.", _DATASET),
    "dataset_last_ok": Family("Whether the dataset ended well in the newest run that took it.", _DATASET),
    "dataset_files": Family("Files of the dataset at its newest pull.", _DATASET),
    "dataset_bytes": Family("Size of the dataset at its newest pull.", _DATASET),
    "dataset_created_files": Family("Files that the newest pull brought.", _DATASET),
    "dataset_changed_files": Family("Files that the newest pull overwrote.", _DATASET),
    "dataset_deleted_files": Family("Files that the newest pull took out of the mirror.", _DATASET),
    "dataset_transferred_bytes": Family("What the newest pull transferred.", _DATASET),
    "dataset_original_bytes": Family("Size of the newest archive before compression.", _DATASET),
    "dataset_compressed_bytes": Family("Size of the newest archive after compression.", _DATASET),
    "dataset_deduplicated_bytes": Family("What the newest archive added to its repository.", _DATASET),
    "stage_duration_seconds": Family("How long a stage took in the newest run that did it.", (*_DATASET, "stage")),
    "quarantine_files": Family("Files that wait in the quarantine.", _DATASET),
    "quarantine_bytes": Family("Size of what waits in the quarantine.", _DATASET),
    "quarantine_oldest_timestamp_seconds": Family("Since when the oldest of it waits.", _DATASET),
    "quarantine_unproven_runs": Family("Runs in the quarantine that no verified archive is known to hold.", _DATASET),
    "check_last_timestamp_seconds": Family("When a check last did a piece of its work.", (*_DATASET, "check")),
    "check_last_success_timestamp_seconds": Family(
        "When a check last was through with everything.", (*_DATASET, "check")
    ),
    "check_cycle_ratio": Family("How much of its present cycle a check has done, 0 to 1.", (*_DATASET, "check")),
    "check_ok": Family("Whether a check has no finding.", (*_DATASET, "check")),
    "drill_last_success_timestamp_seconds": Family("When the newest drill that proved its point ended.", _SOURCE),
    "drill_last_ok": Family("Whether the newest drill proved its point.", _SOURCE),
    "drill_last_bytes": Family("What the newest drill brought back.", _SOURCE),
    "drill_last_duration_seconds": Family("How long the newest drill took.", _SOURCE),
    "drill_last_rate_bytes_per_second": Family("How fast the newest drill brought it back.", _SOURCE),
    "drill_files_proven_ratio": Family("Share of the dataset's files that drills have proven, 0 to 1.", _DATASET),
    "drill_points_proven_ratio": Family("Share of the recovery points that drills proved, 0 to 1.", _SOURCE),
    "drill_archives_proven_ratio": Family("Share of the archives that drills proved, 0 to 1.", _SOURCE),
    "readiness_timestamp_seconds": Family("When readiness was last judged."),
    "readiness_ok": Family("Whether no item of readiness failed."),
    "readiness_item_state": Family("An item of readiness: 0 good, 1 to look at, 2 failed.", ("item", *_DATASET)),
    "disk_total_bytes": Family("Size of the file system of backup_root."),
    "disk_free_bytes": Family("Room on the file system of backup_root."),
    "disk_full_timestamp_seconds": Family("When it will be full if it goes on as in the last weeks."),
}

_PULLED = {
    "dataset_files": "files",
    "dataset_bytes": "bytes",
    "dataset_created_files": "created",
    "dataset_changed_files": "changed_files",
    "dataset_deleted_files": "deleted",
    "dataset_transferred_bytes": "transferred_bytes",
}
_ARCHIVED = {
    "dataset_original_bytes": "original_size",
    "dataset_compressed_bytes": "compressed_size",
    "dataset_deduplicated_bytes": "deduplicated_size",
}


class _Samples:
    """Collects values; what is not known has no sample."""

    def __init__(self) -> None:
        self.all: list[Sample] = []

    def add(self, name: str, value: object, *labels: str) -> None:
        if isinstance(value, datetime):
            value = value.timestamp()
        if isinstance(value, bool):
            value = int(value)
        number = _evidence.number(value)
        if number is not None:
            self.all.append(Sample(name, labels, number))


def samples(facts: _overview.Facts) -> list[Sample]:
    """The values of all metrics whose value is known."""
    found = _Samples()
    found.add("info", 1, facts["server"], facts["release"])
    found.add("published_timestamp_seconds", facts["now"])
    found.add("unreadable_documents", len(facts["unreadable"]))
    found.add("problems", len(facts["problems"]))
    _jobs(found, facts)
    for source in facts["sources"]:
        _points(found, facts, source)
        _datasets(found, facts, source)
        for check in source["checks"]:
            labels = (source["name"], check["dataset"], check["check"])
            found.add("check_last_timestamp_seconds", check["at"], *labels)
            found.add("check_last_success_timestamp_seconds", check["complete_at"], *labels)
            found.add("check_cycle_ratio", check["share"], *labels)
            found.add("check_ok", check["ok"], *labels)
        _drills(found, source)
    if facts["readiness"] is not None:
        found.add("readiness_timestamp_seconds", facts["readiness"]["at"])
        found.add("readiness_ok", facts["readiness"]["verdict"] != _evidence.FAIL)
        worst: dict[tuple[str, str, str], int] = {}
        for item in facts["readiness"]["items"]:
            key = (item["item"], item["source"], item["dataset"])
            worst[key] = max(worst.get(key, 0), _evidence.STATES.index(item["state"]))
        for key, state in worst.items():
            found.add("readiness_item_state", state, *key)
    if facts["space"] is not None:
        found.add("disk_total_bytes", facts["space"]["total_bytes"])
        found.add("disk_free_bytes", facts["space"]["free_bytes"])
    found.add("disk_full_timestamp_seconds", _overview.disk_full_at(facts))
    return found.all


def _jobs(found: _Samples, facts: _overview.Facts) -> None:
    for job, runs in _overview.runs_by_job(facts).items():
        good, over = _overview.newest_success(runs), _overview.over(runs)
        if good is not None:
            found.add("job_last_success_timestamp_seconds", _overview.time_of(good), job)
        if over:
            found.add("job_last_end_timestamp_seconds", _overview.time_of(over[0]), job)
            found.add("job_last_ok", over[0]["state"] == _run.SUCCESS, job)
        ended = next((run for run in runs if run["state"] in _run.FINISHED), {})
        found.add("job_last_duration_seconds", ended.get("seconds"), job)
        found.add("job_running", len(runs) - len(over), job)
        for state in (_run.SUCCESS, _run.FAILURE, _run.DIED):
            found.add("job_runs", sum(run["state"] == state for run in runs), job, state)


def _points(found: _Samples, facts: _overview.Facts, source: t.Mapping[str, t.Any]) -> None:
    name = source["name"]
    good = _overview.good_points(facts, source)
    if good:
        found.add("point_last_success_timestamp_seconds", _overview.sealed(good[0]), name)
        found.add("point_last_dump_timestamp_seconds", _overview.brings_back(good[0]), name)
        found.add("oldest_restorable_point_timestamp_seconds", min(map(_overview.brings_back, good)), name)
        found.add("point_references_checked", (good[0].get("references") or {}).get("checked"), name)
    for state in (*_point.GOOD, _point.PARTIAL, _point.SUSPECT):
        found.add("points", sum(point["state"] == state for point in source["points"]), name, state)
    found.add("hold", source["hold"] is not None, name)
    if source["hold"] is not None:
        found.add("hold_since_timestamp_seconds", _evidence.moment(source["hold"].get("since")), name)


def _datasets(found: _Samples, facts: _overview.Facts, source: t.Mapping[str, t.Any]) -> None:
    seen = _overview.outcomes(facts, source["name"])
    for dataset in source["datasets"]:
        labels = (source["name"], dataset["name"])
        own = [(run, outcome) for run, outcome in seen if outcome["dataset"] == dataset["name"]]
        if own:
            found.add("dataset_last_ok", own[0][1].get("ok") is True, *labels)
        good = [(run, outcome) for run, outcome in own if outcome.get("ok") is True]
        for key, fact, families in (
            ("pull_last_success_timestamp_seconds", "files", _PULLED),
            ("archive_last_success_timestamp_seconds", "archive", _ARCHIVED),
        ):
            newest = next(((run, outcome) for run, outcome in good if fact in outcome), None)
            if newest is not None:
                found.add(key, _overview.time_of(newest[0]), *labels)
                for name, field in families.items():
                    found.add(name, _evidence.number(newest[1].get(field)), *labels)
        for stage in _overview.STAGES:
            took = (_overview.stage_seconds(outcome).get(stage) for _run, outcome in good)
            found.add("stage_duration_seconds", next((one for one in took if one is not None), None), *labels, stage)
        quarantine = dataset["quarantine"]
        if quarantine is not None:
            found.add("quarantine_files", quarantine["files"], *labels)
            found.add("quarantine_bytes", quarantine["bytes"], *labels)
            found.add("quarantine_oldest_timestamp_seconds", quarantine["oldest"], *labels)
            found.add("quarantine_unproven_runs", quarantine["unproven"], *labels)


def _drills(found: _Samples, source: t.Mapping[str, t.Any]) -> None:
    name, drills = source["name"], source["drills"]
    if drills is None:
        return
    for drill in drills["drills"][:1]:
        found.add("drill_last_ok", drill["ok"], name)
        found.add("drill_last_bytes", drill["bytes"], name)
        found.add("drill_last_duration_seconds", drill["seconds"], name)
        found.add("drill_last_rate_bytes_per_second", drill["rate_bytes_per_second"], name)
        for dataset, facts in drill["datasets"].items():
            found.add("drill_files_proven_ratio", facts["share_proven"], name, dataset)
    good = next((drill for drill in drills["drills"] if drill["ok"]), None)
    if good is not None:
        found.add("drill_last_success_timestamp_seconds", good["finished"] or good["started"], name)
    coverage = drills["coverage"]
    for kind in ("points", "archives"):
        total, proven = coverage[f"{kind}_total"], coverage[f"{kind}_proven"]
        if total and proven is not None:
            found.add(f"drill_{kind}_proven_ratio", proven / total, name)
