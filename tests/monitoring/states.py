# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""States that a backup server may be in, as the facts that metrics and report are made from.

The documents in them have the form that the jobs write; the figures are made up, the same in every run.
"""

from __future__ import annotations

import random
import typing as t
from datetime import UTC, datetime, timedelta

from ansible_collections.labops.backup.plugins.module_utils._model import _evidence, _point, _run

NOW = datetime(2026, 11, 29, 17, 20, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202egnp"
DATASETS = ("database", "blobs", "data")
GIB = 2**30
Document = dict[str, t.Any]
LIMITS = {"point_hours": 36.0, "check_days": 35.0, "drill_days": 40.0, "readiness_hours": 50.0}


def identifier(moment: datetime, tail: int = 0) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}-{tail:06x}"


def outcome(source: str, dataset: str, number: int, chance: random.Random, **other: t.Any) -> Document:
    base = {"database": 4, "blobs": 600, "data": 2400}[dataset] * GIB
    grown = int(base * (1 + number / 400))
    return {
        "source": source,
        "dataset": dataset,
        "name": dataset,
        "order": DATASETS.index(dataset),
        "repository": f"/srv/backup/borg/{source}/{dataset}",
        "repository_id": "r" * 8,
        "ok": True,
        "message": "",
        "warnings": [],
        "files": {"database": 5, "blobs": 180_000, "data": 41_000}[dataset] + 97 * number,
        "bytes": grown,
        "created": chance.randint(0, 900),
        "changed_files": chance.randint(0, 12),
        "deleted": chance.randint(0, 30),
        "transferred_bytes": chance.randint(GIB // 4, 6 * GIB),
        "quarantined_files": 0,
        "quarantined_bytes": 0,
        "compared": False,
        "generation": number + 1,
        "dump_set": None,
        "archive": f"{source}-{dataset}-{number}",
        "archive_id": f"{source}{dataset}{number}",
        "nfiles": 5,
        "original_size": grown,
        "compressed_size": int(grown * 0.7),
        "deduplicated_size": chance.randint(GIB // 8, 3 * GIB),
        "seconds": {
            "pull": round(chance.uniform(60, 1800), 1),
            "content": round(chance.uniform(10, 240), 1),
            "archive": round(chance.uniform(120, 2600), 1),
        },
        **other,
    }


def night(sources: t.Sequence[str], began: datetime, number: int, **other: t.Any) -> Document:
    """A run of the job backup that went well."""
    chance = random.Random(number)
    run_id = identifier(began, number)
    run = _run.start(run_id, job="backup", sources=list(sources), release="0.1.0", where={"host": "loki"})
    outcomes = [outcome(source, dataset, number, chance) for source in sources for dataset in DATASETS]
    points = [{"source": source, "point": run_id, "state": "complete", "problems": []} for source in sources]
    names = ", ".join(sources)
    done = {"outcomes": outcomes, "points": points, "message": f"backup good: recovery point of {names} (run {run_id})"}
    return {**_run.finish(run, "success", now=began + timedelta(minutes=55), **done), **other}


def job(name: str, sources: t.Sequence[str], began: datetime, number: int, **other: t.Any) -> Document:
    run_id = identifier(began, 0xA00000 + number)
    run = _run.start(run_id, job=name, sources=list(sources), release="0.1.0", where={"host": "loki"})
    done: Document = {"outcomes": [], "points": [], "message": f"{name} good (run {run_id})"}
    return {**_run.finish(run, "success", now=began + timedelta(minutes=20), **done), **other}


def point(source: str, run: t.Mapping[str, t.Any], **other: t.Any) -> Document:
    """The recovery point that a night sealed."""
    began = _run.began(run["run_id"])
    dump = began - timedelta(minutes=75)
    document = _point.build(
        run["run_id"],
        source=source,
        server="loki",
        run_id=run["run_id"],
        release="0.1.0",
        sealed=began + timedelta(minutes=50),
        expected=DATASETS,
        datasets=[
            {**one, "dump_set": identifier(dump, 1)} for one in run["outcomes"] if one["source"] == source and one["ok"]
        ],
        missing=[
            {"dataset": one["dataset"], "step": one["step"], "message": one["message"]}
            for one in run["outcomes"]
            if one["source"] == source and not one["ok"]
        ],
        dump_set={
            "id": identifier(dump, 1),
            "started": _run.utc(dump),
            "finished": _run.utc(dump + timedelta(minutes=4)),
            "engine": "MariaDB",
            "version": "10.11.19",
            "rows": 8777,
        },
        references={"checked": 2983, "missing": 0, "wrong_size": 0, "unresolved": 0, "ok": True},
    )
    return {**document, "marks": [], **other}


def checks(now: datetime, **findings: str) -> list[Document]:
    document = {
        "source": "tatchu",
        "datasets": {
            dataset: {
                kind: {
                    "at": _run.utc(now - timedelta(hours=5)),
                    "share": share,
                    "cycle_started": _run.utc(now - timedelta(days=9)),
                    "complete_at": _run.utc(now - timedelta(days=10)),
                    "ok": dataset not in findings,
                    "finding": findings.get(dataset, ""),
                }
                for kind, share in (("repository", 1.0), ("data", 0.42))
            }
            for dataset in (*DATASETS, "points")
        },
    }
    return _evidence.checks(document, "tatchu.json")


def drills(now: datetime, points: t.Sequence[Document], count: int) -> Document:
    entries = [
        {
            "run_id": identifier(now - timedelta(days=30 * number + 3), number),
            "started": _run.utc(now - timedelta(days=30 * number + 3)),
            "finished": _run.utc(now - timedelta(days=30 * number + 3) + timedelta(minutes=31)),
            "point": points[min(number, len(points) - 1)]["point"],
            "seed": 4711 + number,
            "ok": True,
            "finding": "",
            "bytes": 6 * GIB,
            "seconds": 1860.0,
            "rate_bytes_per_second": 3_462_000,
            "engine": "MariaDB 10.11.19",
            "tables": 31,
            "rows": 8777,
            "datasets": {
                "blobs": {"files_sampled": 400, "files_proven": 400, "files_total": 180_000, "share_proven": 0.0022},
                "data": {"files_sampled": 200, "files_proven": 200, "files_total": 41_000, "share_proven": 0.0049},
            },
        }
        for number in range(count)
    ]
    coverage = {
        "points_total": len(points),
        "points_proven": min(count, len(points)),
        "archives_total": 3 * len(points),
        "archives_proven": min(3 * count, 3 * len(points)),
        "oldest_unproven_point": points[-1]["point"],
    }
    return _evidence.drills({"source": "tatchu", "drills": entries, "coverage": coverage}, "tatchu.json")


def readiness(now: datetime, **states: str) -> Document:
    items = [
        ("latest pull", "tatchu", "blobs", "14 h ago", "30 h", ""),
        ("repository health", "tatchu", "data", "checked 10 d ago", "35 d", ""),
        (
            "room at the destination",
            "tatchu",
            "data",
            "3.1 TiB free of 4.9 TiB needed",
            "4.9 TiB",
            "Make room on /datajoint-data.",
        ),
        ("permissions at the destination", "tatchu", "blobs", "a file was written, read and removed", "", ""),
        ("dump fits the engine", "tatchu", "database", "MariaDB 10.11.19 into 10.11.19", "same series", ""),
    ]
    worst = max(states.values(), default="ok", key=_evidence.STATES.index)
    return _evidence.readiness(
        {
            "at": _run.utc(now - timedelta(hours=9)),
            "verdict": worst,
            "items": [
                {
                    **dict(zip(("item", "source", "dataset", "value", "limit", "remedy"), one, strict=True)),
                    "state": states.get(one[0].replace(" ", "_"), "ok"),
                }
                for one in items
            ],
        },
        "readiness.json",
    )


def source(name: str, points: t.Sequence[Document] = (), **other: t.Any) -> Document:
    return {
        "name": name,
        "points": list(points),
        "retention": {"keep_daily": 14, "keep_weekly": 8, "keep_monthly": 24},
        "dump_max_age_hours": 36.0,
        "hold": None,
        "datasets": [
            {
                "name": dataset,
                "kind": "database" if dataset == "database" else "files",
                "quarantine": None
                if dataset == "database"
                else {"files": 31, "bytes": 12 * 2**20, "oldest": NOW - timedelta(days=6), "unproven": 0},
            }
            for dataset in DATASETS
        ],
        "checks": [],
        "drills": None,
        "incidents": [],
        **other,
    }


def facts(sources: t.Sequence[Document], runs: t.Sequence[Document] = (), **other: t.Any) -> Document:
    return {
        "now": NOW,
        "server": "loki",
        "release": "0.1.0",
        "limits": LIMITS,
        "runs": sorted(runs, key=lambda run: str(run["run_id"]), reverse=True),
        "sources": list(sources),
        "readiness": None,
        "space": {"total_bytes": 20 * 2**40, "free_bytes": 9 * 2**40},
        "disk": [{"at": NOW, "free_bytes": 9 * 2**40}],
        "unreadable": [],
        "set_aside": [],
        "problems": [],
        **other,
    }


def no_run() -> Document:
    return facts([source("tatchu")])


def one_run() -> Document:
    run = night(["tatchu"], NOW.replace(hour=2, minute=30), 0)
    return facts([source("tatchu", [point("tatchu", run)])], [run])


def _kept(runs: t.Sequence[Document]) -> list[Document]:
    """About what retention leaves of two years: days, weeks, months."""
    newest_first = list(reversed(runs))
    months = {run["run_id"][:6]: run for run in newest_first}
    weeks = {began.isocalendar()[:2]: run for run in newest_first[:70] for began in [_run.began(run["run_id"])]}
    chosen = {run["run_id"]: run for run in (*newest_first[:14], *weeks.values(), *months.values())}
    return [chosen[run_id] for run_id in sorted(chosen, reverse=True)]


def two_years(names: t.Sequence[str] = ("tatchu", "meg-lab", "imaging.rig_2")) -> Document:
    first = NOW.replace(hour=2, minute=30) - timedelta(days=729)
    began = [first + timedelta(days=number) for number in range(730)]
    runs = [night(names, moment, number) for number, moment in enumerate(began) if number not in (311, 312, 600)]
    for number in (100, 415, 727):
        broken = next(run for run in runs if run["run_id"] == identifier(began[number], number))
        broken.update(state="failure", points=[], message=f"backup FAILED: {names[0]}/blobs (run {broken['run_id']})")
        broken["outcomes"][1].update(ok=False, step="Pull", message="the connection was closed")
    good = [run for run in runs if run["state"] == "success"]
    others = [job("verify", names, moment + timedelta(hours=9), number) for number, moment in enumerate(began[-40:])]
    others += [
        job("readiness", names, moment + timedelta(hours=5), 50 + number) for number, moment in enumerate(began[-40:])
    ]
    sources = []
    for name in names:
        points = [point(name, run) for run in _kept(good)]
        for number, one in enumerate(points):
            if number % 4 == 1:
                one["state"] = "proven"
            elif number % 4 == 2:
                one["state"] = "checked"
        sources.append(source(name, points, checks=checks(NOW), drills=drills(NOW, points, 6)))
    incident = identifier(NOW - timedelta(days=21), 5)
    sources[0]["incidents"] = [
        {
            "incident": incident,
            "source": names[0],
            "state": "accepted",
            "began": _run.utc(NOW - timedelta(days=21)),
            "confirmed": None,
            "plan": None,
            "steps": {},
            "events": [
                {"time": _run.utc(NOW - timedelta(days=21) + timedelta(minutes=minutes)), "what": what}
                for minutes, what in (
                    (1, "fence up"),
                    (3, "confirmed"),
                    (9, "database finished"),
                    (31, "blobs finished"),
                    (52, "released"),
                    (2000, "accepted"),
                )
            ],
        }
    ]
    disk = [
        {"at": NOW - timedelta(days=days), "free_bytes": int((9 + days * 0.011) * 2**40)} for days in range(399, -1, -1)
    ]
    return facts(sources, [*runs, *others], readiness=readiness(NOW), disk=disk)


def failing_night() -> Document:
    began = [NOW.replace(hour=2, minute=30) - timedelta(days=days) for days in range(12, -1, -1)]
    runs = [night(["tatchu"], moment, number) for number, moment in enumerate(began)]
    message = "tatchu::blobs has no marker .labops-backup-dataset: the tree of tatchu/blobs is probably not mounted"
    for run in runs[-2:]:
        run.update(state="failure", message=f"backup FAILED: tatchu/blobs, tatchu: point partial (run {run['run_id']})")
        failed = {
            "source": "tatchu",
            "dataset": "blobs",
            "ok": False,
            "step": "Pull into the mirror",
            "message": message,
        }
        run["outcomes"][1] = failed
        run["points"][0].update(state="partial")
    points = [point("tatchu", run) for run in reversed(runs)]
    tatchu = source(
        "tatchu", points, checks=checks(NOW, data="borg check: 1 damaged segment"), drills=drills(NOW, points, 1)
    )
    states = {"room_at_the_destination": "fail", "repository_health": "warn"}
    unreadable = [
        {"path": "/var/lib/labops-backup/ledger/20261120T023000Z-000007.json", "reason": "is not a JSON document"}
    ]
    return facts([tatchu], runs, readiness=readiness(NOW, **states), unreadable=unreadable)


def suspect_point() -> Document:
    began = [NOW.replace(hour=2, minute=30) - timedelta(days=days) for days in range(6, -1, -1)]
    runs = [night(["tatchu"], moment, number) for number, moment in enumerate(began)]
    points = [point("tatchu", run) for run in reversed(runs)]
    points[1]["state"], points[3]["state"] = "suspect", "proven"
    hold = {
        "source": "tatchu",
        "incident": identifier(NOW - timedelta(hours=3)),
        "since": _run.utc(NOW - timedelta(hours=3)),
        "reason": "",
    }
    return facts([source("tatchu", points, checks=checks(NOW), drills=drills(NOW, points, 1), hold=hold)], runs)


def hostile() -> Document:
    """Names that would run if somebody let them."""
    given = failing_night()
    given["server"] = HOSTILE
    given["sources"][0]["name"] = HOSTILE
    for run in given["runs"]:
        run["sources"], run["message"] = [HOSTILE], f"failed: {HOSTILE}"
        for one in run["outcomes"]:
            one["source"] = HOSTILE
            one["message"] = HOSTILE
    for dataset in given["sources"][0]["datasets"]:
        dataset["name"] = f"{dataset['name']}</script><script>alert(2)</script>"
    given["sources"][0]["checks"][0]["finding"] = HOSTILE
    given["unreadable"] = [{"path": f"/ledger/{HOSTILE}", "reason": HOSTILE}]
    given["problems"] = [HOSTILE]
    return given


STATES: dict[str, t.Callable[[], Document]] = {
    "no_run": no_run,
    "one_run": one_run,
    "two_years": two_years,
    "failing_night": failing_night,
    "suspect_point": suspect_point,
    "hostile": hostile,
}
