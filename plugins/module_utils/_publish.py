# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Collect what a server knows about itself, and write it as metrics and as a page.

Nothing here stops at what cannot be read: it is named among the problems, and the rest is shown.
"""

from __future__ import annotations

import os
import typing as t
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _document,
    _hold,
    _journal,
    _ledger,
    _quarantine,
    _space,
)
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _evidence,
    _metrics,
    _report,
    _run,
)
from ansible_collections.labops.backup.plugins.module_utils._tools import _page, _plot, _prometheus

# A report that is about more runs than this reads no better.
_RUNS = 5000
_DISK_DAYS = 800
_DISK_FILE = "disk.json"

Document = dict[str, t.Any]
Value = t.TypeVar("Value")


class Points(t.Protocol):
    """The recovery points of a source, and what stood in the way of reading them."""

    @property
    def points(self) -> list[Document]:
        """The points, newest first."""

    @property
    def unreadable(self) -> list[dict[str, str]]:
        """Seals that cannot be read."""

    @property
    def problem(self) -> str:
        """Why the repository could not be asked."""


class _Collector:
    """Reads, and keeps what could not be read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.unreadable: list[dict[str, str]] = []

    def tried(self, what: str, read: t.Callable[[], Value], otherwise: Value) -> Value:
        """What ``read`` gives; when it cannot, that is a problem."""
        try:
            return read()
        except BackupError as error:
            self.problems.append(f"{what}: {error.message}")
        except OSError as error:
            where = f" {error.filename!r}" if error.filename else ""
            self.problems.append(f"{what}: the system refused{where}: {error.strerror or error}")
        return otherwise

    def evidence(self, path: str, understand: t.Callable[[Document, str], Value]) -> Value | None:
        """A document as it is understood; None when there is none, or it cannot be understood."""
        try:
            return understand(_document.read(path), os.path.basename(path))
        except FileNotFoundError:
            return None
        except (BackupError, OSError) as error:
            self.unreadable.append({"path": path, "reason": str(error)})
            return None


def collect(
    *,
    server: str,
    release: str,
    now: datetime,
    state_dir: str,
    sources: t.Sequence[t.Mapping[str, t.Any]],
    points: t.Mapping[str, Points],
    limits: t.Mapping[str, float],
) -> Document:
    """The facts of a server, see ``_overview``.

    :param state_dir: the folder with ledger, journals, evidence and the report.
    :param sources: entries of the plan.
    :param limits: after how many hours the newest point and readiness, after how many days checks and drills are old.
    """
    collector = _Collector()
    nothing: tuple[list[Document], list[dict[str, str]]] = ([], [])
    runs, unreadable = collector.tried(
        "the ledger",
        lambda: _ledger.newest(
            os.path.join(state_dir, "ledger"), _RUNS, jobs=_run.JOBS, boot_id=_ledger.here()["boot_id"]
        ),
        nothing,
    )
    collector.unreadable += unreadable
    none_aside: t.Sequence[str] = ()
    found = [_source(collector, state_dir, source, points[source["name"]]) for source in sources]
    space = collector.tried("the disk of the backups", lambda: _space.look(sources[0]["root"]), None)
    return {
        "now": now,
        "server": server,
        "release": release,
        "limits": dict(limits),
        "runs": runs,
        "sources": found,
        "readiness": collector.evidence(os.path.join(state_dir, "readiness.json"), _evidence.readiness),
        "space": space,
        "disk": _disk(collector, os.path.join(state_dir, _DISK_FILE), space, now),
        "unreadable": collector.unreadable,
        "set_aside": collector.tried(
            "the ledger", lambda: _ledger.set_aside(os.path.join(state_dir, "ledger")), none_aside
        ),
        "problems": collector.problems,
    }


def _source(collector: _Collector, state_dir: str, source: t.Mapping[str, t.Any], points: Points) -> Document:
    name = source["name"]
    if points.problem:
        collector.problems.append(f"recovery points of {name}: {points.problem}")
    collector.unreadable += [{"path": one["archive"], "reason": one["reason"]} for one in points.unreadable]
    nothing: tuple[list[Document], list[dict[str, str]]] = ([], [])
    folder = os.path.join(state_dir, "journal", name)
    journals, unreadable = collector.tried(f"the journals of {name}", lambda: _journal.list_all(folder), nothing)
    collector.unreadable += unreadable
    return {
        "name": name,
        "points": points.points,
        "retention": dict(source["retention"]),
        "dump_max_age_hours": source["dump_max_age_hours"],
        "hold": collector.tried(f"the hold of {name}", lambda: _hold.read(source["hold"]), None),
        "datasets": [
            {
                "name": dataset["name"],
                "kind": dataset["kind"],
                "quarantine": _waiting(collector, dataset) if dataset["quarantine"] else None,
            }
            for dataset in source["datasets"]
        ],
        "checks": collector.evidence(os.path.join(state_dir, "checks", f"{name}.json"), _evidence.checks) or [],
        "drills": collector.evidence(os.path.join(state_dir, "drills", f"{name}.json"), _evidence.drills),
        "incidents": journals,
    }


def _waiting(collector: _Collector, dataset: t.Mapping[str, t.Any]) -> Document | None:
    def read() -> Document | None:
        entries = _quarantine.entries(dataset["quarantine"]["directory"])
        return {
            "files": sum(entry.files for entry in entries),
            "bytes": sum(entry.bytes for entry in entries),
            "oldest": min((_run.began(entry.run_id) for entry in entries), default=None),
            "unproven": sum(entry.archive is None for entry in entries if entry.files),
        }

    return collector.tried(f"the quarantine of {dataset['pipeline']}", read, None)


def _disk(collector: _Collector, path: str, space: Document | None, now: datetime) -> list[Document]:
    """The room of each day until now, oldest first, today's from ``space``."""
    known = collector.evidence(path, lambda document, _name: document.get("days")) or {}
    found = {
        day: {"at": at, "free_bytes": sample["free_bytes"]}
        for day, sample in (known.items() if isinstance(known, dict) else ())
        if isinstance(sample, dict)
        and (at := _evidence.moment(sample.get("at"))) is not None
        and _evidence.number(sample.get("free_bytes")) is not None
    }
    if space is not None:
        found[now.strftime("%Y-%m-%d")] = {"at": now, "free_bytes": space["free_bytes"]}
    return [found[day] for day in sorted(found)[-_DISK_DAYS:]]


def publish(
    facts: t.Mapping[str, t.Any], *, metrics_file: str, report_file: str, template: str, state_dir: str, dry: bool
) -> Document:
    """Write the report, then the metrics, which also say what went wrong until then; each as well as it can be.

    :param template: the path of the report's template.
    :param dry: make both, write nothing.
    """
    collector = _Collector()
    collector.problems += facts["problems"]
    page = collector.tried("the report", lambda: _report_page(facts, _read(template)), None)
    if page is not None and not dry:
        collector.tried("the report", lambda: _replace(report_file, page["content"]), None)
    if not dry:
        collector.tried("the disk's figures", lambda: _remember_disk(facts, state_dir), None)
    known = {**facts, "problems": collector.problems}
    metrics = collector.tried("the metrics", lambda: _exposition(known), None)
    if metrics is not None and not dry:
        collector.tried("the metrics", lambda: _replace(metrics_file, metrics), None)
    return {
        "changed": True,
        "problems": collector.problems,
        "unreadable": facts["unreadable"],
        **({"verdict": page["verdict"]} if page is not None else {}),
    }


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def _report_page(facts: t.Mapping[str, t.Any], template: str) -> Document:
    view = _report.view(facts)
    for plot in view["plots"]:
        plot["svg"] = _plot.svg(plot)
    return {"content": _page.render(template, view).encode(), "verdict": view["verdict"]}


def _exposition(facts: t.Mapping[str, t.Any]) -> bytes:
    families = [(_metrics.PREFIX + name, one.help, one.labels) for name, one in _metrics.FAMILIES.items()]
    samples = [(_metrics.PREFIX + one.name, one.labels, one.value) for one in _metrics.samples(facts)]
    return _prometheus.exposition(families, samples)


def _replace(path: str, content: bytes) -> None:
    """Replace a file for others to read: it holds no secret, and its folder decides who gets to it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    _document.write_bytes(path, content, mode=0o644)


def _remember_disk(facts: t.Mapping[str, t.Any], state_dir: str) -> None:
    days = {
        sample["at"].strftime("%Y-%m-%d"): {"at": _run.utc(sample["at"]), "free_bytes": sample["free_bytes"]}
        for sample in facts["disk"]
    }
    _document.write(os.path.join(state_dir, _DISK_FILE), {"days": days})
