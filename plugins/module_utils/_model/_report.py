# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What the report shows, from the facts of a server: verdict first, then each source, then the server itself.

The template (roles/monitoring/files/report.html.j2) decides nothing; all words, states and order come from here.
"""

from __future__ import annotations

import math
import typing as t
from datetime import UTC, datetime, timedelta

from ansible_collections.labops.backup.plugins.module_utils._model import (
    _evidence,
    _journal,
    _overview,
    _point,
    _run,
    _text,
)

Document = dict[str, t.Any]
Facts = _overview.Facts

OK, WARN, FAIL, NONE = "ok", "warn", "fail", "none"
_WORST_FIRST = (FAIL, WARN, NONE, OK)
_WORDS = {OK: "Good", WARN: "Look at this", FAIL: "Failed", NONE: "Nothing yet"}
# So many nights are drawn one by one; of more, each bar or dot stands for several.
_NIGHTS_SHOWN = 60
_POINTS_SHOWN = 30
_RUNS_SHOWN = 20
_MONTHS_OPEN = 3
_MONTHS_SHOWN = 26
_DISK_SOON_DAYS = 30
_TICKS = 4

# What a day of the calendar may be: a sign that needs no colour, and words.
DAYS: dict[str, tuple[str, str]] = {
    "proven": ("★", "proven by a drill"),
    "checked": ("◆", "checked"),
    "complete": ("✓", "sealed, complete"),
    "partial": ("◐", "partial"),
    "suspect": ("!", "suspect"),
    "failed": ("✕", "failed, no point"),
    "thinned": ("·", "sealed then, removed by retention since"),
    "held": ("‖", "held by an incident"),
    "missing": ("–", "no night at all"),
    "running": ("…", "running"),
    "before": ("", "before the first night"),
}
_DAY_KINDS = {
    **dict.fromkeys(("proven", "checked", "complete"), OK),
    **dict.fromkeys(("partial", "held"), WARN),
    **dict.fromkeys(("suspect", "failed", "missing"), FAIL),
}


def view(facts: Facts) -> Document:
    """Everything that the template fills in."""
    sources = [_source(facts, source) for source in facts["sources"]]
    findings = [finding for source in sources for finding in source["findings"]] + _server_findings(facts)
    findings.sort(key=lambda finding: _WORST_FIRST.index(finding["kind"]))
    disk = _disk(facts)
    shown: Document = {
        "title": f"Backups on {facts['server']}",
        "server": facts["server"],
        "release": facts["release"],
        "generated": _clock(facts["now"]),
        "verdict": _verdict(facts, sources, findings),
        "findings": findings,
        "sources": sources,
        "disk": disk,
        "readiness": _readiness(facts),
        "runs": [_run_row(run) for run in facts["runs"][:_RUNS_SHOWN]],
        "unreadable": [*facts["unreadable"], *({"path": path, "reason": "set aside"} for path in facts["set_aside"])],
        "problems": list(facts["problems"]),
        "legend": [{"kind": day, "sign": sign, "word": word} for day, (sign, word) in DAYS.items() if sign],
    }
    shown = _plain(shown)
    plots = [plot for source in shown["sources"] for plot in source["plots"]] + shown["disk"]["plots"]
    for number, plot in enumerate(plots):
        plot["id"] = f"plot-{number}"
    return {**shown, "plots": plots}


def ticks(highest: float, text: t.Callable[[float], str], base: int) -> list[tuple[float, str]]:
    """Round values from 0 up to at least ``highest``, with their texts.

    :param base: of the unit: 1024 for bytes, 60 for seconds.
    """
    highest = max(highest, 1.0)
    unit = float(base) ** int(math.log(highest, base) + 1e-9)
    rough = highest / unit / _TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough - 1e-9) * unit
    count = math.ceil(highest / step - 1e-9)
    return [(0.0, "0"), *((step * number, text(step * number)) for number in range(1, count + 1))]


# ------------------------------------------------------------------------------------------------------- verdict


def _verdict(facts: Facts, sources: t.Sequence[Document], findings: t.Sequence[Document]) -> Document:
    kind = min((finding["kind"] for finding in findings), key=_WORST_FIRST.index, default=OK)
    if kind == NONE and any(source["newest"] for source in sources):
        kind = WARN
    names = _listed([source["name"] for source in sources])
    oldest = min((source["newest"] for source in sources if source["newest"]), default=None)
    if oldest is None:
        sentence = f"There is no complete recovery point of {names} yet."
    elif all(source["newest"] for source in sources):
        age = _age(facts, oldest)
        sentence = f"All of {names} can be brought back to how it was on {_clock(oldest)} UTC, {age} ago."
    else:
        without = _listed([source["name"] for source in sources if not source["newest"]])
        sentence = f"There is no complete recovery point of {without}."
    return {"kind": kind, "word": _WORDS[kind], "sentence": sentence}


def _finding(kind: str, text: str, anchor: str = "server") -> Document:
    return {"kind": kind, "word": _WORDS[kind], "text": text, "anchor": anchor}


def _server_findings(facts: Facts) -> list[Document]:
    found = []
    for job, runs in _overview.runs_by_job(facts).items():
        last = next(iter(_overview.over(runs)), None)
        if last is not None and last["state"] != _run.SUCCESS:
            how = "died" if last["state"] == _run.DIED else "failed"
            since = _overview.newest_success(runs)
            until = f"; it was last good on {_clock(_overview.time_of(since))} UTC" if since else "; it was never good"
            found.append(
                _finding(FAIL, f"The last {job}, run {last['run_id']}, {how}: {last['message'] or '-'}{until}.")
            )
    readiness = facts["readiness"]
    if readiness is not None:
        for item in readiness["items"]:
            if item["state"] != OK:
                about = " ".join(word for word in (item["source"], item["dataset"]) if word)
                text = f"Readiness: {item['item']}{' of ' + about if about else ''}: {item['value']}"
                text += f" (limit {item['limit']})" if item["limit"] else ""
                found.append(_finding(item["state"], text + f". {item['remedy']}".rstrip(), "readiness"))
        if _older(facts, readiness["at"], hours=facts["limits"]["readiness_hours"]):
            found.append(_finding(WARN, f"Readiness was last judged {_ago(facts, readiness['at'])}.", "readiness"))
    full = _overview.disk_full_at(facts)
    if full is not None and full - facts["now"] < timedelta(days=_DISK_SOON_DAYS):
        when = _clock(full)[:10]
        found.append(_finding(WARN, f"If it goes on like this the disk is full about {when}.", "disk"))
    if facts["unreadable"] or facts["set_aside"]:
        count = len(facts["unreadable"]) + len(facts["set_aside"])
        found.append(_finding(WARN, f"{count} documents could not be understood; they are named below.", "unreadable"))
    found += [_finding(WARN, f"Could not be read: {problem}", "unreadable") for problem in facts["problems"]]
    return found


# ------------------------------------------------------------------------------------------------------ a source


def _source(facts: Facts, source: t.Mapping[str, t.Any]) -> Document:
    name = source["name"]
    good = _overview.good_points(facts, source)
    nights = _overview.nights(facts, name)
    ages = _ages(facts, source, good)
    findings = _source_findings(facts, source, good, ages)
    kind = min((finding["kind"] for finding in findings), key=_WORST_FIRST.index, default=OK)
    return {
        "name": name,
        "anchor": f"source-{_anchor(name)}",
        "kind": kind,
        "word": _WORDS[kind],
        "newest": _overview.brings_back(good[0]) if good else None,
        "findings": findings,
        "cards": _cards(facts, source, good),
        "ages": ages,
        "calendar": _calendar(facts, source, nights),
        "plots": _plots(name, source, nights),
        "last_night": _last_night(nights),
        "points": [_point_row(facts, point) for point in _point.newest_first(source["points"])[:_POINTS_SHOWN]],
        "more_points": max(0, len(source["points"]) - _POINTS_SHOWN),
        "checks": [_check_row(facts, check) for check in source["checks"]],
        "drills": _drill_rows(source),
        "reach": _reach(source),
        "quarantines": _quarantine_rows(facts, source),
        "incidents": [_incident(journal) for journal in source["incidents"]],
    }


def _source_findings(
    facts: Facts, source: t.Mapping[str, t.Any], good: t.Sequence[Document], ages: t.Sequence[Document]
) -> list[Document]:
    name, anchor = source["name"], f"source-{_anchor(source['name'])}"
    found = []
    if source["hold"] is not None:
        since = _evidence.moment(source["hold"].get("since"))
        text = f"{name} is held by the incident {source['hold'].get('incident')}"
        text += f" since {_clock(since)} UTC" if since else ""
        found.append(
            _finding(WARN, text + "; nothing is backed up until restore.yml was run with the tag release.", anchor)
        )
    if not good:
        finished = _overview.over(run for run in facts["runs"] if _overview.is_night(run, name))
        found.append(
            _finding(FAIL if finished or source["points"] else NONE, f"{name} has no complete recovery point.", anchor)
        )
    for row in ages:
        if row["kind"] in (WARN, FAIL):
            found.append(_finding(row["kind"], f"{name}: {row['what']}: {row['age']} (limit {row['limit']}).", anchor))
    for point in _point.ahead(source["points"], facts["now"]):
        text = f"The point {point['point']} of {name} is dated in the future; a restore takes it by its name only. "
        found.append(_finding(WARN, f"{text}{_point.AHEAD_REMEDY}.", anchor))
    past = (point for point in _point.newest_first(source["points"]) if not _point.is_ahead(point, facts["now"]))
    newest = next(past, None)
    if newest is not None and newest["state"] == _point.PARTIAL:
        why = "; ".join(map(str, newest["problems"]))
        found.append(_finding(WARN, f"The newest point of {name}, {newest['point']}, is partial: {why}.", anchor))
    for point in _point.newest_first(source["points"]):
        if point["state"] == _point.SUSPECT:
            text = f"The point {point['point']} of {name} is suspect; a restore takes another one unless it is named."
            found.append(_finding(WARN, text, anchor))
    by_finding: dict[tuple[str, str], list[str]] = {}
    for check in source["checks"]:
        if not check["ok"]:
            by_finding.setdefault((check["dataset"], check["finding"]), []).append(check["check"])
    for (dataset, finding), kinds in by_finding.items():
        text = f"{name}: the check of {dataset} ({', '.join(kinds)}) found: {finding or 'no reason given'}."
        found.append(_finding(FAIL, text, anchor))
    drill = next(iter(source["drills"]["drills"] if source["drills"] else ()), None)
    if drill is not None and not drill["ok"]:
        found.append(_finding(FAIL, f"{name}: the last drill failed: {drill['finding'] or 'no reason given'}.", anchor))
    for entry in source["datasets"]:
        if entry["quarantine"] and entry["quarantine"]["unproven"]:
            count = entry["quarantine"]["unproven"]
            text = f"{name}/{entry['name']}: {count} runs in the quarantine wait for an archive."
            found.append(_finding(WARN, text, anchor))
    return found


def _cards(facts: Facts, source: t.Mapping[str, t.Any], good: t.Sequence[Document]) -> list[Document]:
    by_state = {state: sum(point["state"] == state for point in source["points"]) for state in _point_states()}
    proven = next((point for point in good if point["state"] == _point.PROVEN), None)
    limit = facts["limits"]["point_hours"]
    cards: list[Document] = [
        {
            "label": "Newest complete point",
            "value": _age(facts, _overview.sealed(good[0])) + " old" if good else "none",
            "detail": good[0]["point"] if good else "nothing restores everything",
            "share": min(1.0, _hours(facts, _overview.sealed(good[0])) / limit) if good else None,
            "limit": f"limit {_text.duration(limit * 3600)}",
        },
        {
            "label": "Reaches back",
            "value": _age(facts, min(map(_overview.brings_back, good))) if good else "-",
            "detail": f"to {_clock(min(map(_overview.brings_back, good)))} UTC" if good else "no complete point",
        },
        {
            "label": "Recovery points",
            "value": str(len(source["points"])),
            "detail": ", ".join(f"{count} {state}" for state, count in by_state.items() if count) or "none yet",
        },
        {
            "label": "Newest proven point",
            "value": _age(facts, _overview.brings_back(proven)) + " old" if proven else "none",
            "detail": proven["point"] if proven else "no drill has proven one that is still kept",
        },
    ]
    return [{"share": None, "limit": "", **card} for card in cards]


def _point_states() -> tuple[str, ...]:
    return (_point.PROVEN, _point.CHECKED, _point.COMPLETE, _point.PARTIAL, _point.SUSPECT)


def _ages(facts: Facts, source: t.Mapping[str, t.Any], good: t.Sequence[Document]) -> list[Document]:
    limits = facts["limits"]
    rows = []
    if good:
        rows.append(
            _age_row(facts, "newest complete recovery point", _overview.sealed(good[0]), limits["point_hours"], FAIL)
        )
        if good[0].get("dump_set"):
            dump = _overview.brings_back(good[0])
            # The night was within its limit when it took the dump set; since then a night may have passed.
            limit = source["dump_max_age_hours"] + limits["point_hours"]
            rows.append(_age_row(facts, "its dump set", dump, limit, FAIL))
    for dataset in source["datasets"]:
        own = (
            run
            for run, outcome in _overview.outcomes(facts, source["name"])
            if outcome["dataset"] == dataset["name"] and outcome.get("ok") is True and "files" in outcome
        )
        run = next(own, None)
        if run is not None:
            what = f"pull of {dataset['name']}"
            rows.append(_age_row(facts, what, _overview.time_of(run), limits["point_hours"], FAIL))
    by_dataset: dict[str, list[Document]] = {}
    for check in source["checks"]:
        by_dataset.setdefault(check["dataset"], []).append(check)
    for dataset, checks in by_dataset.items():
        whole = [check["complete_at"] for check in checks]
        at = None if None in whole else min(whole)
        began = min((check["cycle_started"] or facts["now"] for check in checks), default=facts["now"])
        if at is not None or _older(facts, began, hours=limits["check_days"] * 24):
            rows.append(_age_row(facts, f"whole check of {dataset}", at, limits["check_days"] * 24, WARN))
    if source["drills"] is not None:
        proven = next((drill for drill in source["drills"]["drills"] if drill["ok"]), None)
        at = (proven["finished"] or proven["started"]) if proven else None
        rows.append(_age_row(facts, "drill that proved its point", at, limits["drill_days"] * 24, WARN))
    return rows


def _age_row(facts: Facts, what: str, at: datetime | None, limit_hours: float, otherwise: str) -> Document:
    kind = otherwise if _older(facts, at, hours=limit_hours) else OK
    return {
        "what": what,
        "at": _clock(at) if at else "never",
        "age": _age(facts, at) if at else "never",
        "limit": _text.duration(limit_hours * 3600),
        "share": min(1.0, _hours(facts, at) / limit_hours) if at and limit_hours else 1.0,
        "kind": kind,
        "word": "within" if kind == OK else "over",
    }


# ------------------------------------------------------------------------------------------------------ calendar


def _calendar(facts: Facts, source: t.Mapping[str, t.Any], nights: t.Sequence[t.Any]) -> Document:
    """Months, newest first, each of weeks of seven days; what lies outside of a month is None."""
    state_by_day = _states_by_day(facts, source)
    began = [_run.began(str(run["run_id"])) for run, _datasets in nights]
    began += [_run.began(str(point["point"])) for point in source["points"]]
    if not began:
        return {"open": [], "older": []}
    today = facts["now"]
    months: dict[str, list[list[Document | None]]] = {}
    for day in _overview.days(min(began).replace(day=1), today):
        weeks = months.setdefault(day.strftime("%B %Y"), [])
        if not weeks or day.weekday() == 0:
            weeks.append([None] * 7)
        weeks[-1][day.weekday()] = _day(day, state_by_day, min(began), today)
    listed = [{"title": title, "weeks": weeks} for title, weeks in reversed(months.items())][:_MONTHS_SHOWN]
    return {"open": listed[:_MONTHS_OPEN], "older": listed[_MONTHS_OPEN:]}


def _day(day: datetime, state_by_day: t.Mapping[str, str], first: datetime, today: datetime) -> Document:
    key = day.strftime("%Y-%m-%d")
    state = state_by_day.get(key)
    if state is None:
        # The night of today may still come.
        over = first.strftime("%Y-%m-%d") <= key < today.strftime("%Y-%m-%d")
        state = "missing" if over else "before"
    sign, word = DAYS[state]
    return {"number": day.day, "state": state, "kind": _DAY_KINDS.get(state, NONE), "sign": sign, "word": word}


def _states_by_day(facts: Facts, source: t.Mapping[str, t.Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for journal in source["incidents"]:
        times = [_evidence.moment(journal.get("began"))]
        times += [_evidence.moment(event.get("time")) for event in journal["events"]]
        known = [time for time in times if time is not None]
        if known:
            last = facts["now"] if journal["state"] in (_journal.OPEN, _journal.RESTORED) else max(known)
            found.update(dict.fromkeys((day.strftime("%Y-%m-%d") for day in _overview.days(min(known), last)), "held"))
    for run in reversed(facts["runs"]):
        if not _overview.is_night(run, source["name"]):
            continue
        key = _run.began(str(run["run_id"])).strftime("%Y-%m-%d")
        sealed = [point.get("state") for point in _overview.point_of(run, source["name"])]
        if any(state in (_point.COMPLETE, _point.PARTIAL) for state in sealed):
            state = "thinned"  # unless the point is still there, see below
        elif run["state"] == _run.RUNNING:
            state = "running"
        else:
            state = "failed"
        if state != "failed" or found.get(key) in (None, "held"):
            found[key] = state
    newest: dict[str, Document] = {}
    for point in sorted(source["points"], key=lambda point: str(point["point"])):
        key = _run.began(str(point["point"])).strftime("%Y-%m-%d")
        if key not in newest or point["state"] in _point.GOOD or newest[key]["state"] not in _point.GOOD:
            newest[key] = point
    return {**found, **{key: str(point["state"]) for key, point in newest.items()}}


# --------------------------------------------------------------------------------------------------------- plots


def _plots(
    name: str, source: t.Mapping[str, t.Any], nights: t.Sequence[tuple[Document, dict[str, Document]]]
) -> list[Document]:
    datasets = [dataset["name"] for dataset in source["datasets"]]

    def series_of(field: str, shown: t.Sequence[tuple[Document, dict[str, Document]]]) -> list[Document]:
        return [
            {
                "name": dataset,
                "values": [_evidence.number(outcomes.get(dataset, {}).get(field)) for _run, outcomes in shown],
            }
            for dataset in datasets
        ]

    recent, sparse = nights[-_NIGHTS_SHOWN:], _thinned(nights)
    stages = [
        {
            "name": stage,
            "values": [
                sum(_overview.stage_seconds(outcome).get(stage, 0.0) for outcome in outcomes.values()) or None
                for _run, outcomes in recent
            ],
        }
        for stage in _overview.STAGES
    ]
    several = f"the last {len(recent)} nights" if len(nights) > len(recent) else f"{len(recent)} nights"
    return [
        plot
        for plot in (
            _plot("lines", f"Size of the datasets of {name}", "as pulled", sparse, series_of("bytes", sparse), "bytes"),
            _plot(
                *("bars", f"Added to the repositories of {name}", f"a night, after compression; {several}"),
                *(recent, series_of("deduplicated_size", recent), "bytes"),
            ),
            _plot(
                *("bars", f"Time by stage, {name}", f"all datasets together, which run side by side; {several}"),
                *(recent, stages, "seconds"),
            ),
        )
        if plot is not None
    ]


def _thinned(nights: t.Sequence[tuple[Document, dict[str, Document]]]) -> list[tuple[Document, dict[str, Document]]]:
    """At most so many nights as are drawn, evenly spread, the last one always there."""
    step = math.ceil(len(nights) / (2 * _NIGHTS_SHOWN)) or 1
    return list(nights[::-1][::step][::-1])


def _plot(
    kind: str,
    title: str,
    detail: str,
    nights: t.Sequence[tuple[Document, dict[str, Document]]],
    series: t.Sequence[Document],
    unit: str,
) -> Document | None:
    when = [_run.began(str(run["run_id"])) for run, _outcomes in nights]
    return _drawing(kind, title, detail, when, series, unit)


def _drawing(
    kind: str, title: str, detail: str, when: t.Sequence[datetime], series: t.Sequence[Document], unit: str
) -> Document | None:
    known = [value for one in series for value in one["values"] if value is not None]
    if not known:
        return None
    columns = list(zip(*(one["values"] for one in series), strict=True))
    highest = max(sum(value or 0 for value in column) for column in columns) if kind == "bars" else max(known)
    text, base = (_text.size, 1024) if unit == "bytes" else (_text.duration, 60)
    rows = [
        [moment.strftime("%Y-%m-%d"), *("-" if value is None else text(value) for value in column)]
        for moment, column in zip(when, columns, strict=True)
    ]
    latest = ", ".join(f"{one['name']} {cell}" for one, cell in zip(series, rows[-1][1:], strict=True))
    long, years = when[-1] - when[0] > timedelta(days=300), {moment.year for moment in when}
    return {
        "kind": kind,
        "title": title,
        "detail": detail,
        "name": f"{title}, {detail}, {rows[0][0]} to {rows[-1][0]}. Latest: {latest}. The table below has all values.",
        "labels": [
            f"{moment:%b %Y}" if long else f"{moment.day} {moment:%b}" + (f" {moment:%y}" if len(years) > 1 else "")
            for moment in when
        ],
        "series": [dict(one) for one in series],
        "ticks": ticks(highest, text, base),
        "columns": ["day", *(one["name"] for one in series)],
        "rows": rows[::-1],
    }


def _disk(facts: Facts) -> Document:
    space = facts["space"]
    full = _overview.disk_full_at(facts)
    days = facts["disk"]
    if space is None:
        return {"text": "The disk could not be looked at.", "share": None, "plots": []}
    used = 1 - space["free_bytes"] / space["total_bytes"] if space["total_bytes"] else 1.0
    text = f"{_text.size(space['free_bytes'])} of {_text.size(space['total_bytes'])} are free ({used:.0%} used). "
    if full is not None:
        left = max(0.0, (full - facts["now"]).total_seconds())
        text += f"If it goes on as in the last weeks, it is full in {_text.duration(left)}, about {_clock(full)[:10]}."
    elif len(days) < 5:
        text += "A forecast needs five days of figures."
    else:
        text += "It has not been filling in the last weeks."
    series = [{"name": "free", "values": [sample["free_bytes"] for sample in days]}]
    plot = (
        _drawing("lines", "Free room", "a day", [sample["at"] for sample in days], series, "bytes")
        if len(days) > 1
        else None
    )
    return {"text": text, "share": used, "plots": [plot] if plot else []}


# ---------------------------------------------------------------------------------------------------------- rows


def _last_night(nights: t.Sequence[tuple[Document, dict[str, Document]]]) -> list[Document]:
    if not nights:
        return []
    _run_document, outcomes = nights[-1]
    rows = []
    for name, outcome in outcomes.items():
        seconds = _overview.stage_seconds(outcome)
        ok = outcome.get("ok") is True
        rows.append(
            {
                "dataset": name,
                "kind": OK if ok else WARN if outcome.get("busy") else FAIL,
                "word": "good" if ok else "busy" if outcome.get("busy") else "failed",
                "message": "" if ok else f"{outcome.get('step', '')}: {outcome.get('message', '')}".strip(": "),
                "files": _count(outcome.get("files")),
                "bytes": _size(outcome.get("bytes")),
                "new": _count(outcome.get("created")),
                "changed": _count(outcome.get("changed_files")),
                "deleted": _count(outcome.get("deleted")),
                "added": _size(outcome.get("deduplicated_size")),
                "stages": [_text.duration(seconds[stage]) if stage in seconds else "-" for stage in _overview.STAGES],
            }
        )
    return rows


def _point_row(facts: Facts, point: t.Mapping[str, t.Any]) -> Document:
    kind = OK if point["state"] in _point.GOOD else WARN if point["state"] == _point.PARTIAL else FAIL
    sizes = [_evidence.number(dataset.get("bytes", dataset.get("original_size"))) for dataset in point["datasets"]]
    return {
        "point": point["point"],
        "kind": kind,
        "state": point["state"],
        "sign": DAYS[str(point["state"])][0],
        "dump": _clock(_overview.brings_back(point)),
        "age": _age(facts, _overview.brings_back(point)),
        "size": _size(sum(size for size in sizes if size is not None)),
        "problems": [str(problem) for problem in point["problems"]],
    }


def _check_row(facts: Facts, check: t.Mapping[str, t.Any]) -> Document:
    return {
        "dataset": check["dataset"],
        "check": check["check"],
        "kind": OK if check["ok"] else FAIL,
        "word": "no finding" if check["ok"] else "finding",
        "finding": check["finding"],
        "share": check["share"],
        "reach": f"{check['share']:.0%}",
        "last": _ago(facts, check["at"]),
        "whole": _ago(facts, check["complete_at"]),
    }


def _drill_rows(source: t.Mapping[str, t.Any]) -> list[Document]:
    rows = []
    for drill in (source["drills"]["drills"] if source["drills"] else [])[:_RUNS_SHOWN]:
        reach = [
            f"{name}: {_count(facts['files_sampled'])} taken out; by now "
            f"{_count(facts['files_proven'])} of {_count(facts['files_total'])} files proven"
            for name, facts in drill["datasets"].items()
        ]
        rows.append(
            {
                "started": _clock(drill["started"]) if drill["started"] else "-",
                "point": drill["point"],
                "kind": OK if drill["ok"] else FAIL,
                "word": "proven" if drill["ok"] else "failed",
                "finding": drill["finding"],
                "reach": "; ".join(reach) or "-",
                "rows": _count(drill["rows"]),
                "tables": _count(drill["tables"]),
                "bytes": _size(drill["bytes"]),
                "took": "-" if drill["seconds"] is None else _text.duration(drill["seconds"]),
            }
        )
    return rows


def _reach(source: t.Mapping[str, t.Any]) -> str:
    coverage = source["drills"]["coverage"] if source["drills"] else {}
    words = [
        f"{_count(coverage[f'{what}_proven'])} of {_count(coverage[f'{what}_total'])} {label}"
        for what, label in (("points", "recovery points"), ("archives", "archives"))
        if coverage.get(f"{what}_total")
    ]
    if not words:
        return ""
    text = f"Drills have proven {' and '.join(words)}."
    oldest = coverage["oldest_unproven_point"]
    return text + (f" The oldest unproven point is {oldest}." if oldest else "")


def _quarantine_rows(facts: Facts, source: t.Mapping[str, t.Any]) -> list[Document]:
    return [
        {
            "dataset": dataset["name"],
            "files": _count(dataset["quarantine"]["files"]),
            "bytes": _size(dataset["quarantine"]["bytes"]),
            "oldest": _ago(facts, dataset["quarantine"]["oldest"]) if dataset["quarantine"]["oldest"] else "-",
            "unproven": _count(dataset["quarantine"]["unproven"]),
        }
        for dataset in source["datasets"]
        if dataset["quarantine"]
    ]


def _incident(journal: t.Mapping[str, t.Any]) -> Document:
    kinds = {_journal.OPEN: FAIL, _journal.RESTORED: WARN, _journal.RELEASED: OK, _journal.ACCEPTED: OK}
    events = [{"time": journal.get("began"), "what": "began"}, *journal["events"]]
    return {
        "incident": journal["incident"],
        "state": journal["state"],
        "kind": kinds[journal["state"]],
        "events": [
            {
                "time": _clock(moment) if (moment := _evidence.moment(event.get("time"))) else "-",
                "what": event.get("what"),
            }
            for event in events
        ],
        "report": f"incident-{journal['incident']}.html",
    }


def _readiness(facts: Facts) -> Document | None:
    readiness = facts["readiness"]
    if readiness is None:
        return None
    words = {OK: "ready", WARN: "look at this", FAIL: "not ready"}
    return {
        "kind": readiness["verdict"],
        "word": words[readiness["verdict"]],
        "at": _ago(facts, readiness["at"]),
        "items": [{**item, "kind": item["state"], "word": words[item["state"]]} for item in readiness["items"]],
    }


def _run_row(run: t.Mapping[str, t.Any]) -> Document:
    kinds = {_run.SUCCESS: OK, _run.RUNNING: NONE}
    seconds = _evidence.number(run.get("seconds"))
    return {
        "run": run["run_id"],
        "job": run["job"],
        "kind": kinds.get(run["state"], FAIL),
        "state": run["state"],
        "started": _clock(_run.began(str(run["run_id"]))),
        "took": "-" if seconds is None else _text.duration(seconds),
        "message": run.get("message") or "",
    }


# --------------------------------------------------------------------------------------------------------- words


def _hours(facts: Facts, at: datetime) -> float:
    return t.cast("float", max(0.0, (facts["now"] - at).total_seconds() / 3600))


def _older(facts: Facts, at: datetime | None, *, hours: float) -> bool:
    return at is None or _hours(facts, at) > hours


def _age(facts: Facts, at: datetime) -> str:
    return _text.duration(_hours(facts, at) * 3600)


def _ago(facts: Facts, at: datetime | None) -> str:
    return f"{_age(facts, at)} ago" if at is not None else "never"


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _count(value: object) -> str:
    number = _evidence.number(value)
    return "-" if number is None else f"{number:,.0f}".replace(",", "\u202f")


def _size(value: object) -> str:
    number = _evidence.number(value)
    return "-" if number is None else _text.size(number)


def _listed(names: t.Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else "nothing"


def _anchor(name: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name)


def _plain(value: t.Any) -> t.Any:
    """The same with every text such that nothing in it is obeyed."""
    if isinstance(value, str):
        return "".join(sign if sign == "\u202f" else _text.plain(sign) for sign in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
