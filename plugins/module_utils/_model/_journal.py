# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The journal of an incident: what was confirmed, which steps are done, what happened when."""

from __future__ import annotations

import statistics
import typing as t
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _evidence, _form, _loss, _run

OPEN, RESTORED, RELEASED, ACCEPTED = "open", "restored", "released", "accepted"
STATES = (OPEN, RESTORED, RELEASED, ACCEPTED)
STARTED, FINISHED, FAILED = "started", "finished", "failed"
STEP_STATES = (STARTED, FINISHED, FAILED)
# What is said of a journal that cannot be understood.
UNTOUCHED = "Nothing was changed"
REMEDY = "Move it away, and give the same restore_incident again to begin a new journal"
_TEXT = (str, None)
_STEP = {"state": str, "attempts?": int, "started?": _TEXT, "ended?": _TEXT, "result?": (dict, None)}
_PLAN = {
    "point": str,
    "point_state": str,
    "dump_set?": (dict, None),
    "steps": [
        {
            "dataset": str,
            "kind": str,
            "state": str,
            "taken": bool,
            "replaces": str,
            "bytes": (float, None),
            "counts": {str: dict},
        }
    ],
    "notes": [str],
    "remaining?": [str],
}
_FORM = {
    "incident": str,
    "source": str,
    "server?": str,
    "began": str,
    "state": str,
    "confirmed": (dict, None),
    "plan": (_PLAN, None),
    "steps": {str: _STEP},
    "events": [{"time": str, "what": str}],
}

Document = dict[str, t.Any]


def begin(incident: str, source: str, server: str) -> Document:
    """The journal of an incident that nobody wrote about yet."""
    return {
        "incident": incident,
        "source": source,
        "server": server,
        "began": _run.utc(_run.began(incident)),
        "state": OPEN,
        "confirmed": None,
        "plan": None,
        "steps": {},
        "events": [],
    }


def note(
    journal: t.Mapping[str, t.Any],
    *,
    now: datetime,
    event: str = "",
    step: str = "",
    step_state: str = "",
    result: t.Mapping[str, t.Any] | None = None,
    state: str = "",
    confirmed: t.Mapping[str, t.Any] | None = None,
    plan: t.Mapping[str, t.Any] | None = None,
) -> Document:
    """The journal after one more entry. What came of a finished step may turn out to be wrong: then it has failed.

    Who confirms begins again: only checks that pass after that make the incident restored.

    :raises BackupError: when what was confirmed is to be changed other than by more datasets, a finished step is to
        begin again, or a restore is to go on whose fence was taken down, as people have worked with the data since.
    """
    time = _run.utc(now)
    after: Document = {**journal, "steps": dict(journal["steps"]), "events": list(journal["events"])}
    if confirmed is not None:
        before = journal["confirmed"]
        differing = [] if before is None else _changed(before, confirmed)
        if differing:
            raise BackupError(
                f"the incident {journal['incident']} was confirmed with other settings of {', '.join(differing)}",
                untouched="Nothing was changed",
                remedy="Resume it with the same settings, or release it and begin another one",
            )
        replaces = not (confirmed.get("target") or confirmed.get("beside"))
        if journal["state"] in (RELEASED, ACCEPTED) and replaces:
            raise BackupError(
                f"the incident {journal['incident']} is {journal['state']}, and people have worked with the data since",
                untouched="Nothing was changed",
                remedy="Begin another incident: the same commands without restore_incident, from --tags fence on",
            )
        after["confirmed"], after["state"] = dict(confirmed), OPEN
    if plan is not None:
        after["plan"] = dict(plan)
        for name in _undone(plan) & set(finished(journal)):
            after["steps"][name] = {
                **journal["steps"][name],
                "state": FAILED,
                "ended": time,
                "result": {"problems": ["the source does not have any more what was brought"]},
            }
    if step:
        known = dict(journal["steps"].get(step, {}))
        if known.get("state") == FINISHED and step_state == STARTED:
            raise BackupError(f"the step {step} of the incident {journal['incident']} is finished already")
        if step_state == STARTED:
            known = {"state": STARTED, "started": time, "attempts": known.get("attempts", 0) + 1}
        else:
            known = {**known, "state": step_state, "ended": time, "result": dict(result or {})}
        after["steps"][step] = known
        event = event or f"{step} {step_state}"
    if state:
        after["state"] = state
        event = event or state
    if event:
        after["events"].append({"time": time, "what": event})
    return after


def _changed(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> list[str]:
    """The settings that another restore would have; one that brings more datasets is the same one."""
    return sorted(
        key
        for key in {*before, *after}
        if before.get(key) != after.get(key)
        and not (key == "scope" and set(before.get(key) or ()) <= set(after.get(key) or ()))
    )


def _undone(plan: t.Mapping[str, t.Any]) -> set[str]:
    """The steps that would have brought what the plan of this moment sees missing or damaged."""
    return {
        f"{step['dataset']}.push"
        for step in plan.get("steps", ())
        if step["kind"] == "files" and step["taken"] and step["state"] in (_loss.DAMAGED, _loss.LOST)
    }


def finished(journal: t.Mapping[str, t.Any]) -> list[str]:
    """The names of the steps that are done."""
    return [name for name, step in journal["steps"].items() if step["state"] == FINISHED]


def rates(journals: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, float]:
    """Bytes a second by kind of work, as earlier restores measured them (the median)."""
    seen: dict[str, list[float]] = {}
    for journal in journals:
        for name, step in journal["steps"].items():
            result = step.get("result") or {}
            size, seconds = _evidence.number(result.get("bytes")), _evidence.number(result.get("seconds"))
            if step["state"] == FINISHED and size and seconds:
                seen.setdefault(name.rpartition(".")[2], []).append(size / seconds)
    return {kind: round(statistics.median(values)) for kind, values in sorted(seen.items())}


def check(journal: t.Mapping[str, t.Any], name: str) -> None:
    """Refuse a document that is no journal.

    :raises BackupError: naming what is wrong.
    """
    wrong = _form.wrong(journal, _FORM)
    if wrong or journal["state"] not in STATES:
        raise BackupError(
            f"{name} is not the journal of an incident ({wrong or 'unknown state'})",
            untouched=UNTOUCHED,
            remedy=REMEDY,
        )
