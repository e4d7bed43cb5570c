# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Runs: their identifiers, and what the ledger says about one."""

from __future__ import annotations

import re
import typing as t
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _form

RUNNING = "running"
SUCCESS = "success"
FAILURE = "failure"
DIED = "died"
FINISHED = (SUCCESS, FAILURE)
# What the ledger has runs of.
JOBS = ("backup", "dump", "verify", "drill", "readiness", "restore")

_FORM = {
    "job": str,
    "sources": [str],
    "started": _form.UTC_TIME,
    "finished?": (_form.UTC_TIME, None),
    "seconds": (float, None),
    "outcomes": [dict],
    "points": [dict],
    "message": str,
    "boot_id?": str,
    "control_group?": str,
    "playbook?": str,
}
_IDENTIFIER = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{6}", re.ASCII)
_OUTCOME_KEYS = ("source", "ok")


def began(identifier: str) -> datetime:
    """When the run, point or dump set with this identifier began.

    :raises BackupError: when it is not of the form ``<UTC start>-<6 hex>``.
    """
    match = _IDENTIFIER.fullmatch(identifier)
    try:
        if match is None:
            raise ValueError
        return datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BackupError(
            f"{identifier!r} is not an identifier of the form 20261123T023000Z-77b0aa",
            untouched="Nothing was changed",
        ) from None


def is_identifier(text: str) -> bool:
    """Whether ``text`` identifies a run, a point or a dump set."""
    return _IDENTIFIER.fullmatch(text) is not None


def utc(moment: datetime) -> str:
    """The moment as every document of this collection writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def start(
    run_id: str, *, job: str, sources: t.Sequence[str], release: str, where: t.Mapping[str, str]
) -> dict[str, t.Any]:
    """The document of a run that begins.

    :param where: host, boot, control group and playbook of the process that records it, as the ledger knows them.
    """
    return {
        **where,
        "run_id": run_id,
        "job": job,
        "sources": list(sources),
        "state": RUNNING,
        "started": utc(began(run_id)),
        "finished": None,
        "seconds": None,
        "release": release,
        "outcomes": [],
        "points": [],
        "message": "",
    }


def finish(
    run: t.Mapping[str, t.Any],
    state: str,
    *,
    now: datetime,
    outcomes: t.Sequence[t.Mapping[str, t.Any]],
    points: t.Sequence[t.Mapping[str, t.Any]],
    message: str,
) -> dict[str, t.Any]:
    """The document of ``run`` after its end.

    :raises BackupError: when the run is finished already, an outcome is not one, or success is claimed although
        an outcome says otherwise.
    """
    if run["state"] in FINISHED:
        raise BackupError(
            f"run {run['run_id']} is recorded as {run['state']} since {run['finished']}",
            untouched="The ledger was not changed",
            remedy="Give every run an identifier of its own",
        )
    for outcome in outcomes:
        absent = [key for key in _OUTCOME_KEYS if key not in outcome]
        if absent:
            raise BackupError(f"an outcome of run {run['run_id']} lacks {', '.join(absent)}: {dict(outcome)!r}")
    failed = [outcome for outcome in outcomes if outcome["ok"] is not True]
    if state == SUCCESS and failed:
        names = ", ".join(f"{outcome['source']} {outcome.get('dataset') or ''}".strip() for outcome in failed)
        raise BackupError(
            f"run {run['run_id']} cannot be recorded as a success: {names} failed",
            untouched="The ledger was not changed",
            remedy="Record it as a failure",
        )
    return {
        **run,
        "state": state,
        "finished": utc(now),
        "seconds": round((now - began(run["run_id"])).total_seconds(), 3),
        "outcomes": [dict(outcome) for outcome in outcomes],
        "points": [dict(point) for point in points],
        "message": message,
    }


def died(run: t.Mapping[str, t.Any], why: str) -> dict[str, t.Any]:
    """The document of a run that ended without a word; nobody knows when."""
    return {**run, "state": DIED, "message": why}


def superfluous(runs: t.Sequence[tuple[t.Mapping[str, t.Any], int]], *, keep_runs: int, keep_bytes: int) -> list[str]:
    """The identifiers of the runs that a ledger of that size has no room for, oldest first.

    :param runs: documents with their sizes, newest first.
    """
    kept: set[str] = set()
    seen: set[tuple[str, ...]] = set()
    for run, _size in runs:
        facts: list[tuple[str, ...]] = []
        if run["state"] == SUCCESS:
            facts = [("success", run["job"], str(source)) for source in ["", *run["sources"]]]
        facts += [
            ("point", str(point.get("source")))
            for point in run["points"]
            if isinstance(point, dict) and point.get("state") == "complete"
        ]
        if run["state"] == RUNNING or any(fact not in seen for fact in facts):
            kept.add(run["run_id"])
        seen.update(facts)
    count, size = len(runs), sum(size for _run, size in runs)
    gone = []
    for run, bytes_of_it in reversed(runs):
        if count <= keep_runs and size <= keep_bytes:
            break
        if run["run_id"] not in kept:
            gone.append(str(run["run_id"]))
            count, size = count - 1, size - bytes_of_it
    return gone


def check(run: t.Mapping[str, t.Any], run_id: str) -> None:
    """Refuse a document that is not that of run ``run_id``.

    :raises BackupError: naming what is wrong.
    """
    if run.get("run_id") != run_id:
        raise BackupError(f"the record of run {run_id} says that it is about {run.get('run_id')!r}")
    if run.get("state") not in (RUNNING, *FINISHED, DIED):
        raise BackupError(f"the record of run {run_id} has the unknown state {run.get('state')!r}")
    wrong = _form.wrong(run, _FORM)
    if wrong:
        raise BackupError(f"the record of run {run_id} cannot be understood: {wrong}")
