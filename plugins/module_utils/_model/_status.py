# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The status of a server as lines that people read: recovery points, newest first, and the last runs."""

from __future__ import annotations

import typing as t
import unicodedata
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _point, _run, _text

_GAP = "  "
_LEFT, _RIGHT = False, True
_POINT_COLUMNS = (
    ("RECOVERY POINT", _LEFT),
    ("STATE", _LEFT),
    ("SEALED (UTC)", _LEFT),
    ("AGE", _RIGHT),
    ("DATASET", _LEFT),
    ("FILES", _RIGHT),
    ("SIZE", _RIGHT),
    ("ADDED", _RIGHT),
    ("DUMP ROWS", _RIGHT),
)
_RUN_COLUMNS = (
    ("RUN", _LEFT),
    ("JOB", _LEFT),
    ("STATE", _LEFT),
    ("STARTED (UTC)", _LEFT),
    ("TOOK", _RIGHT),
    ("MESSAGE", _LEFT),
)


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def lines(status: t.Mapping[str, t.Any], now: datetime) -> list[str]:
    """The whole status of one server as lines.

    :param status: ``server``, ``sources`` (each with ``source``, ``points``, ``unreadable``), ``runs`` and
        ``unreadable_runs``, as status.yml gathers them.
    """
    server = _text.plain(status["server"])
    text: list[str] = []
    for source in status["sources"]:
        text += [*_source(source, server, now), ""]
    if not status["sources"]:
        text += [f"{server} protects no source: no host names it as its backup_server.", ""]
    text.append(f"Last runs on {server}")
    if status["runs"]:
        text += _table(_RUN_COLUMNS, [_run_row(run, now) for run in status["runs"]])
    else:
        text.append("No run is recorded yet.")
    text += [
        f"Unreadable: {_text.plain(one['path'])}: {_text.plain(one['reason'])}" for one in status["unreadable_runs"]
    ]
    return text


def _source(source: t.Mapping[str, t.Any], server: str, now: datetime) -> list[str]:
    name = _text.plain(source["source"])
    points = _point.newest_first(source["points"])
    complete = next((point for point in points if point["state"] == _point.COMPLETE), None)
    if complete is not None:
        verdict = f"the newest complete one is {_age(complete['sealed'], now)} old"
    elif points:
        verdict = "none is complete, so none restores everything; the reasons are below"
    else:
        verdict = "there is none. Run the playbook labops.backup.backup, or wait for the night"
    text = [f"Recovery points of {name} on {server}: {verdict}."]
    if points:
        text += _table(_POINT_COLUMNS, [row for point in points for row in _point_rows(point, now)])
        for point in points:
            text += [f"{_text.plain(point['point'])}: {_text.plain(problem)}." for problem in point["problems"]]
    text += [f"Unreadable: {_text.plain(one['point'])}: {_text.plain(one['reason'])}" for one in source["unreadable"]]
    return text


def _point_rows(point: t.Mapping[str, t.Any], now: datetime) -> list[list[str]]:
    head = [
        _text.plain(point["point"]),
        _text.plain(point["state"]),
        _clock(point["sealed"]),
        _age(point["sealed"], now),
    ]
    rows: list[list[str]] = []
    for dataset in point["datasets"]:
        is_dump = point["dump_set"] and not rows
        rows.append(
            [
                _text.plain(dataset["name"]),
                _count(dataset.get("files", dataset.get("nfiles"))),
                _bytes(dataset.get("bytes", dataset.get("original_size"))),
                _bytes(dataset.get("deduplicated_size")),
                _count(point["dump_set"].get("rows")) if is_dump else "",
            ]
        )
    rows += [[_text.plain(one["dataset"]), "missing", "", "", ""] for one in point["missing"]]
    return [(head if number == 0 else [""] * len(head)) + row for number, row in enumerate(rows)]


def _run_row(run: t.Mapping[str, t.Any], now: datetime) -> list[str]:
    if run["state"] == _run.RUNNING:
        took = f"{_age(run['started'], now)} so far"
    else:
        took = "-" if run["seconds"] is None else _text.duration(run["seconds"])
    return [
        _text.plain(run["run_id"]),
        _text.plain(run["job"]),
        _text.plain(run["state"]),
        _clock(run["started"]),
        took,
        _text.plain(run["message"]),
    ]


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)


def _bytes(number: int | None) -> str:
    return "-" if number is None else _text.size(number)


def _table(columns: t.Sequence[tuple[str, bool]], body: t.Iterable[t.Sequence[str]]) -> list[str]:
    rows = [[title for title, _side in columns], *body]
    widths = [max(width(row[column]) for row in rows) for column in range(len(columns))]
    text = []
    for row in rows:
        cells = []
        for cell, space, (_title, right) in zip(row, widths, columns, strict=True):
            fill = " " * (space - width(cell))
            cells.append(fill + cell if right else cell + fill)
        text.append((_GAP + _GAP.join(cells)).rstrip())
    return text


def _clock(stamp: str) -> str:
    return _text.plain(stamp).replace("T", " ")[:16]


def _age(stamp: str, now: datetime) -> str:
    try:
        seconds = (now - datetime.fromisoformat(stamp)).total_seconds()
    except (ValueError, TypeError) as error:
        raise BackupError(f"{stamp!r} is not a time with a zone") from error
    return "in the future" if seconds < 0 else _text.duration(seconds)
