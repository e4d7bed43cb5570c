# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What checks, drills and readiness left behind for people, read into one form that whoever shows it can trust."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

CHECKS = ("repository", "archives", "data", "names", "mirror", "manifest")
OK, WARN, FAIL = "ok", "warn", "fail"
STATES = (OK, WARN, FAIL)

Document = dict[str, t.Any]


def moment(value: object) -> datetime | None:
    """A time as documents write it; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def number(value: object) -> float | None:
    """A finite number; None for anything else, and for truth values."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) == float("inf"):
        return None
    return value


def checks(document: t.Mapping[str, t.Any], name: str) -> list[Document]:
    """One entry a dataset and kind of check: ``at``, ``complete_at`` (times or None), ``share``, ``ok``, ``finding``.

    :raises BackupError: when it is no evidence of checks.
    """
    found = []
    for dataset, kinds in _mapping(document, "datasets", name).items():
        for kind, entry in _mapping({"kinds": kinds}, "kinds", f"{name}: {dataset}").items():
            if not isinstance(entry, t.Mapping):
                raise BackupError(f"{name}: {dataset}: {kind} is no mapping")
            found.append(
                {
                    "dataset": str(dataset),
                    "check": str(kind),
                    "at": moment(entry.get("at")),
                    "complete_at": moment(entry.get("complete_at")),
                    "cycle_started": moment(entry.get("cycle_started")),
                    "share": min(max(number(entry.get("share")) or 0.0, 0.0), 1.0),
                    "ok": entry.get("ok") is True,
                    "finding": str(entry.get("finding") or ""),
                }
            )
    return found


def drills(document: t.Mapping[str, t.Any], name: str) -> Document:
    """``drills``, newest first, and ``coverage``.

    :raises BackupError: when it is no evidence of drills.
    """
    entries = document.get("drills")
    if not isinstance(entries, list) or not all(isinstance(entry, t.Mapping) for entry in entries):
        raise BackupError(f"{name}: drills is no list of mappings")
    found = []
    for entry in entries:
        datasets = entry.get("datasets")
        found.append(
            {
                "run_id": str(entry.get("run_id") or ""),
                "started": moment(entry.get("started")),
                "finished": moment(entry.get("finished")),
                "point": str(entry.get("point") or ""),
                "seed": str(entry.get("seed") if entry.get("seed") is not None else ""),
                "ok": entry.get("ok") is True,
                "finding": str(entry.get("finding") or ""),
                "engine": str(entry.get("engine") or ""),
                **{
                    key: number(entry.get(key))
                    for key in ("bytes", "seconds", "rate_bytes_per_second", "tables", "rows")
                },
                "datasets": {
                    str(dataset): {
                        key: number(facts.get(key))
                        for key in ("files_sampled", "files_proven", "files_total", "share_proven")
                    }
                    for dataset, facts in (datasets.items() if isinstance(datasets, t.Mapping) else ())
                    if isinstance(facts, t.Mapping)
                },
            }
        )
    coverage = document.get("coverage")
    coverage = coverage if isinstance(coverage, t.Mapping) else {}
    counts = ("points_total", "points_proven", "archives_total", "archives_proven")
    return {
        "drills": sorted(found, key=lambda entry: str(entry["started"] or ""), reverse=True),
        "coverage": {
            **{key: number(coverage.get(key)) for key in counts},
            "oldest_unproven_point": str(coverage.get("oldest_unproven_point") or ""),
        },
    }


def readiness(document: t.Mapping[str, t.Any], name: str) -> Document:
    """``at``, ``verdict`` and ``items``, those that failed first.

    :raises BackupError: when it is no verdict on readiness.
    """
    items = document.get("items")
    if document.get("verdict") not in STATES or not isinstance(items, list):
        raise BackupError(f"{name} has no verdict, or no list of items")
    found = []
    for item in items:
        if not isinstance(item, t.Mapping) or item.get("state") not in STATES or not item.get("item"):
            raise BackupError(f"{name} has an item without a name or a state: {item!r:.200}")
        shown = {key: str(item.get(key) if item.get(key) is not None else "") for key in _READINESS_TEXT}
        found.append({**shown, "state": str(item["state"])})
    worst_first = sorted(found, key=lambda item: -STATES.index(item["state"]))
    return {"at": moment(document.get("at")), "verdict": str(document["verdict"]), "items": worst_first}


_READINESS_TEXT = ("item", "source", "dataset", "value", "limit", "remedy")


def _mapping(document: t.Mapping[str, t.Any], key: str, name: str) -> t.Mapping[str, t.Any]:
    value = document.get(key)
    if not isinstance(value, t.Mapping):
        raise BackupError(f"{name}: {key} is no mapping")
    return value
