# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What all servers have, as one document and as lines that people read: recovery points and the last runs."""

from __future__ import annotations

import typing as t
import unicodedata
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _point, _run, _text
from ansible_collections.labops.backup.plugins.module_utils._model._inventory import Host

SCHEMA_VERSION = 1
Document = dict[str, t.Any]

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


def document(hosts: t.Mapping[str, Host], servers: t.Sequence[str], now: str) -> Document:
    """The status of these servers, from what status.yml read on each.

    :param hosts: variables by host name: ``backup_plan``, and the results ``status_runs`` (of ``run_record_info``),
        ``status_points`` (of ``recovery_point_info``, one a source), ``status_quarantines`` (of
        ``quarantine_info``, one a dataset), ``status_holds`` (of ``backup_hold_info``) and ``status_working`` (of
        ``progress_info``). A server without them did not answer.
    :return: ``ok`` (everything could be read), ``problems``, and ``servers``.
    """
    entries = [_server(name, hosts[name]) for name in servers]
    problems = [f"{entry['server']}: {entry['problem']}" for entry in entries if entry["problem"]]
    for entry in entries:
        problems += [f"{entry['server']}: {one['reason']}" for one in entry["unreadable_runs"]]
        problems += [f"holds on {entry['server']}: {entry['holds_problem']}"] if entry["holds_problem"] else []
        problems += [f"work on {entry['server']}: {entry['working_problem']}"] if entry["working_problem"] else []
        for source in entry["sources"]:
            where = f"recovery points of {source['source']} on {entry['server']}"
            problems += [f"{where}: {source['problem']}"] if source["problem"] else []
            problems += [f"{where}: {one['point']}: {one['reason']}" for one in source["unreadable"]]
            for one in source["quarantines"]:
                where = f"quarantine of {source['source']}/{one['dataset']} on {entry['server']}"
                problems += [f"{where}: {one['problem']}"] if one["problem"] else []
    return {
        "schema_version": SCHEMA_VERSION,
        "generated": now,
        "ok": not problems,
        "problems": problems,
        "servers": entries,
    }


def _server(name: str, variables: Host) -> Document:
    ledger = variables.get("status_runs") or {}
    results = (variables.get("status_points") or {}).get("results") or []
    by_source = {result["item"]["name"]: result for result in results}
    quarantines: dict[str, list[Document]] = {}
    for result in (variables.get("status_quarantines") or {}).get("results") or []:
        quarantines.setdefault(result["item"]["source"], []).append(_quarantine(result))
    sources = [source["name"] for source in variables.get("backup_plan") or [] if source["server"] == name]
    answered = "runs" in ledger
    held = variables.get("status_holds") or {}
    at_work = variables.get("status_working") or {"working": []}
    return {
        "server": name,
        "problem": "" if answered else _text_of(ledger),
        "sources": [_source(source, by_source.get(source) or {}, quarantines.get(source, [])) for source in sources]
        if answered
        else [],
        "holds": held.get("holds") or [],
        "working": at_work.get("working") or [],
        "working_problem": "" if "working" in at_work or not answered else _text_of(at_work),
        "holds_problem": "" if "holds" in held or not answered else _text_of(held),
        "runs": ledger.get("runs") or [],
        "unreadable_runs": ledger.get("unreadable") or [],
    }


def _quarantine(result: t.Mapping[str, t.Any]) -> Document:
    runs = result.get("runs") or []
    unreadable = [run["problem"] for run in runs if run["problem"]]
    return {
        "dataset": result["item"]["name"],
        "problem": "; ".join(unreadable) if "runs" in result else _text_of(result),
        "runs": len(runs),
        "files": result.get("files", 0),
        "bytes": result.get("bytes", 0),
        "oldest": min((run["run_id"] for run in runs), default=None),
        "unproven": list(result.get("unproven") or []),
    }


def _source(name: str, result: t.Mapping[str, t.Any], quarantines: list[Document]) -> Document:
    return {
        "source": name,
        "problem": "" if "points" in result else _text_of(result),
        "points": result.get("points") or [],
        "unreadable": result.get("unreadable") or [],
        "quarantines": quarantines,
    }


def _text_of(result: t.Mapping[str, t.Any]) -> str:
    return str(result.get("msg") or "it gave no answer")


def lines(status: t.Mapping[str, t.Any]) -> list[str]:
    """The status as lines.

    :param status: from :func:`document`.
    """
    now = _moment(status["generated"])
    text: list[str] = []
    for server in status["servers"]:
        name = _text.plain(server["server"])
        if server["problem"]:
            text += [f"{name} could not be asked: {_text.plain(server['problem'])}", ""]
            continue
        text += _hold_lines(server)
        text += _working_lines(server, name, now)
        for source in server["sources"]:
            text += [*_source_lines(source, name, now), ""]
        text += [*_run_lines(server, name, now), ""]
    return text[:-1]


def _hold_lines(server: t.Mapping[str, t.Any]) -> list[str]:
    text = [
        f"HOLD: no backup of {_text.plain(hold['source'])} since {_clock(hold['since'])} UTC, because of the incident "
        f"{_text.plain(hold['incident'])}{_reason(hold)}. Run restore.yml with the tag release when it is over."
        for hold in server["holds"]
    ]
    return [*text, ""] if text else []


def _working_lines(server: t.Mapping[str, t.Any], name: str, now: datetime) -> list[str]:
    if not server["working"]:
        return []
    text = [f"At work on {name}"]
    for one in server["working"]:
        how_far = _text.progress(one)
        line = f"{_GAP}{_text.plain(str(one['what']))}, for {_age(one['since'], now)}"
        text.append(line + (f": {how_far}" if how_far else ""))
    return [*text, ""]


def _reason(hold: t.Mapping[str, t.Any]) -> str:
    return f" ({_text.plain(hold['reason'])})" if hold["reason"] else ""


def _run_lines(server: t.Mapping[str, t.Any], name: str, now: datetime) -> list[str]:
    if server["runs"]:
        text = [f"Last runs on {name}", *_table(_RUN_COLUMNS, [_run_row(run, now) for run in server["runs"]])]
    else:
        text = [f"No run is recorded on {name} yet."]
    return text + [f"Unreadable: {_text.plain(one['reason'])}" for one in server["unreadable_runs"]]


def _source_lines(source: t.Mapping[str, t.Any], server: str, now: datetime) -> list[str]:
    points = _point.newest_first(source["points"])
    complete = next(iter(_point.eligible(points, now)), None)
    late = _point.ahead(points, now)
    if source["problem"]:
        verdict = f"they could not be read: {_text.plain(source['problem']).rstrip('.')}"
    elif complete is not None:
        verdict = f"the newest complete one is {_age(complete['sealed'], now)} old"
    elif late:
        verdict = "those that are complete are dated in the future, so a restore takes them by name only"
    elif points:
        verdict = "none is complete, so none restores everything; the reasons are below"
    else:
        verdict = "there is none. Run the playbook labops.backup.backup, or wait for the night"
    text = [f"Recovery points of {_text.plain(source['source'])} on {server}: {verdict}."]
    if points:
        text += _table(_POINT_COLUMNS, [row for point in points for row in _point_rows(point, now)])
        text += [f"{_text.plain(one['point'])}: it is dated in the future. {_point.AHEAD_REMEDY}." for one in late]
        for point in points:
            text += [f"{_text.plain(point['point'])}: {_text.plain(problem)}." for problem in point["problems"]]
            for dataset in point["datasets"]:
                names = ", ".join(_text.plain(str(name)) for name in dataset.get("unproven") or ())
                if names:
                    text.append(
                        f"{_text.plain(point['point'])}: {_text.plain(dataset['name'])} holds unproven {names}."
                    )
    text += [f"Unreadable: {_text.plain(one['point'])}: {_text.plain(one['reason'])}" for one in source["unreadable"]]
    return text + [_quarantine_line(source, one, now) for one in source["quarantines"]]


def _quarantine_line(source: t.Mapping[str, t.Any], one: t.Mapping[str, t.Any], now: datetime) -> str:
    name = f"Quarantine of {_text.plain(source['source'])}/{_text.plain(one['dataset'])}: "
    if one["problem"]:
        return f"{name}it could not be read: {_text.plain(one['problem'])}"
    if not one["runs"]:
        return f"{name}empty."
    oldest = _text.duration(max((now - _run.began(one["oldest"])).total_seconds(), 0))
    line = f"{name}{one['files']} files, {_text.size(one['bytes'])} of {one['runs']} runs, the oldest {oldest} old"
    if one["unproven"]:
        line += f"; no archive is known to hold what {', '.join(map(_text.plain, one['unproven']))} took away"
    return line + "."


def _point_rows(point: t.Mapping[str, t.Any], now: datetime) -> list[list[str]]:
    head = [
        _text.plain(point["point"]),
        # What nobody has looked at since: it is sealed, and no more is known.
        "sealed" if point["state"] == _point.COMPLETE else _text.plain(point["state"]),
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
    seconds = (now - _moment(stamp)).total_seconds()
    return "in the future" if seconds < 0 else _text.duration(seconds)


def _moment(stamp: str) -> datetime:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BackupError(f"{stamp!r} is not a time with a zone")
    return moment
