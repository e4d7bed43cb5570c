# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What became of datasets and tables from one recovery point to the next, and since when something looks wrong.

Slow damage, and a night that mirrored a loss, show in no single point. They show in the step between two.
"""

from __future__ import annotations

import collections
import hashlib
import itertools
import re
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _loss, _point

EXAMPLES = 20
_GLOB = re.compile(rb"\*\*|\*|\?|\[!?\]?[^\]]*\]")

Document = dict[str, t.Any]
Line = t.Callable[[], bytes]


# ----------------------------------------------------------------------------------------------------------- files


@dataclass
class Step:
    """What became of a dataset's files from one point to the next; folders are not counted.

    :param files: how many the earlier point has.
    :param bytes: of regular files, as the other sizes.
    :param moved: how many of the removed ones are among the added ones, by content.
    :param metadata: files of which only mode, owner or time changed.
    """

    files: int = 0
    bytes: int = 0
    added: int = 0
    added_bytes: int = 0
    removed: int = 0
    removed_bytes: int = 0
    moved: int = 0
    changed: int = 0
    metadata: int = 0


class _Counting:
    """Counts paths that differ. Memory grows with those that come or go."""

    def __init__(self, found: Step) -> None:
        self._found = found
        self._came: collections.Counter[bytes] = collections.Counter()
        self._went: collections.Counter[bytes] = collections.Counter()

    def take(self, before: _content.Entry | None, after: _content.Entry | None) -> None:
        """Count one path."""
        found, kind = self._found, _content.compare(before, after)
        if kind == _content.ADDED and after is not None:
            found.added += 1
            found.added_bytes += after.size if after.is_file else 0
            self._came[after.sha256] += after.is_file
        elif kind == _content.REMOVED and before is not None:
            found.removed += 1
            found.removed_bytes += before.size if before.is_file else 0
            self._went[before.sha256] += before.is_file
        found.changed += kind == _content.CONTENT
        found.metadata += kind == _content.METADATA

    def close(self) -> None:
        """Tell what was only moved."""
        self._found.moved = (self._came & self._went).total()


def step(before: Line, after: Line, totals: t.Mapping[str, int]) -> Step:
    """Compare two content manifests line by line; equal lines, nearly all of them, are not looked into.

    :param before: gives the next line of the earlier one, from behind its header on, and at the end an empty one.
    :param totals: what the earlier one's trailer counts.
    """
    found = Step(files=totals.get("files", 0) + totals.get("others", 0), bytes=totals.get("bytes", 0))
    counting = _Counting(found)
    was, now = before(), after()
    while was.startswith(b"/") or now.startswith(b"/"):
        # Both are at the line of a folder, or at their ends.
        first, second = _place(was), _place(now)
        in_before = second is None or (first is not None and first <= second)
        in_after = first is None or (second is not None and second <= first)
        was, now = before() if in_before else was, after() if in_after else now
        while True:
            if in_before and in_after and was == now and _content.is_entry(was):
                was, now = before(), after()
                continue
            old = _content.decode(was) if in_before and _content.is_entry(was) else None
            new = _content.decode(now) if in_after and _content.is_entry(now) else None
            if old is not None and new is not None and old.name != new.name:
                old, new = (old, None) if old.name < new.name else (None, new)
            if old is None and new is None:
                break
            counting.take(old, new)
            was, now = before() if old is not None else was, after() if new is not None else now
    counting.close()
    return found


def _place(line: bytes) -> bytes | None:
    return _content.order(_content.folder_in(line)) if line.startswith(b"/") else None


@dataclass(frozen=True)
class Limits:
    """From where on a step is suspicious.

    :param percent: the share of the earlier point's files that were removed, or that changed.
    :param files: and at least so many of them.
    """

    percent: float
    files: int


def suspicions(found: Step, limits: Limits) -> list[str]:
    """Why a step looks like a loss, for people; empty when it does not. What was only moved is no loss."""
    reasons = []
    for count, label in ((found.removed - found.moved, "removed"), (found.changed, "changed")):
        share = 100 * count / found.files if found.files else 0.0
        if count >= limits.files and share > limits.percent:
            reasons.append(f"{count} of {found.files} files {label} ({share:.1f} %)")
    return reasons


# ---------------------------------------------------------------------------------------------------------- tables


def tables(manifest: t.Mapping[str, t.Any]) -> dict[str, int]:
    """Rows by ``schema.table``, from the manifest of a dump set."""
    return {f"{schema}.{table}": rows for schema, found in manifest["tables"].items() for table, rows in found.items()}


def table_step(
    before: t.Mapping[str, int], after: t.Mapping[str, int], key_tables: t.Container[str]
) -> tuple[Document, list[Document]]:
    """What became of the tables from one point to the next, and what of it looks like a loss.

    DataJoint's own log and jobs come and go and are left out.
    """
    vanished = sorted(name for name in set(before) - set(after) if not _is_volatile(name))
    fewer = {name: (before[name], after[name]) for name in sorted(before) if name in after}
    fewer = {name: rows for name, rows in fewer.items() if rows[1] < rows[0] and not _is_volatile(name)}
    found = {
        "rows": sum(before.values()),
        "rows_after": sum(after.values()),
        "new": sorted(name for name in set(after) - set(before) if not _is_volatile(name)),
        "vanished": vanished,
        "fewer": [{"table": name, "before": rows[0], "after": rows[1]} for name, rows in fewer.items()],
    }
    reasons = [{"table": name, "reason": f"the table is gone; it had {before[name]} rows"} for name in vanished]
    reasons += [
        {"table": name, "reason": f"{rows[0] - rows[1]} of {rows[0]} rows are gone"}
        for name, rows in fewer.items()
        if name in key_tables
    ]
    return found, reasons


def _is_volatile(name: str) -> bool:
    return _loss.is_volatile(name.rpartition(".")[2])


# --------------------------------------------------------------------------------------------------- newest intact


def is_base(point: t.Mapping[str, t.Any]) -> bool:
    """Whether later points are compared with this one: not with one of which is known that it holds a loss."""
    return bool(point["state"] != _point.SUSPECT)


def _is_cleared(point: t.Mapping[str, t.Any]) -> bool:
    """Whether people have looked at what became of the data up to this point, and meant it."""
    return any(one["mark"] == _point.CLEARED for one in point.get("marks", ()))


def newest_intact(series: t.Sequence[t.Mapping[str, t.Any]], before: str | None) -> str | None:
    """The newest complete point of a series, or that before something looked wrong; None when there is none.

    :param series: the points that hold it, oldest first.
    :param before: the last point in front of the latest suspicious step.
    """
    complete = [
        one["point"]
        for one in series
        if one["state"] in _point.GOOD and (before is None or str(one["point"]) <= before)
    ]
    return str(complete[-1]) if complete else None


# ------------------------------------------------------------------------------------------------- which points have


class Sought:
    """A path in a dataset that is looked for in the points; a folder means everything in it.

    :param pattern: relative to the dataset; ``*`` and ``?`` stand for anything but a slash, ``**`` for anything,
        ``[...]`` for one of some characters.
    :raises BackupError: when it leads out of the dataset, or is no pattern.
    """

    def __init__(self, pattern: str) -> None:
        raw = pattern.strip("/").encode("utf-8", "surrogateescape")
        if not raw or b".." in raw.split(b"/"):
            raise BackupError(
                f"{pattern!r} is no path in a dataset",
                untouched="Nothing was looked for",
                remedy="Give a path relative to the dataset",
            )
        parts, position = [], 0
        for match in _GLOB.finditer(raw):
            parts += [re.escape(raw[position : match.start()]), _glob(match[0])]
            position = match.end()
        try:
            self._pattern = re.compile(b"".join([*parts, re.escape(raw[position:])]) + rb"(?:/.*)?", re.DOTALL)
        except re.error as error:
            raise BackupError(
                f"{pattern!r} is no pattern for paths: {error}", untouched="Nothing was looked for"
            ) from None
        first = _GLOB.search(raw)
        self._prefix = raw if first is None else raw[: first.start()]

    def may_be_in(self, folder: bytes) -> bool:
        """Whether entries of a folder could be meant."""
        inside = folder + b"/" if folder else b""
        return inside.startswith(self._prefix) or self._prefix.startswith(inside)

    def matches(self, path: bytes) -> bool:
        """Whether a path is meant."""
        return self._pattern.fullmatch(path) is not None


def _glob(text: bytes) -> bytes:
    if text in (b"*", b"**", b"?"):
        return {b"*": b"[^/]*", b"**": b".*", b"?": b"[^/]"}[text]
    negated = text.startswith(b"[!")
    inner = re.sub(rb"([\\\[\]^])", rb"\\\1", text[2 if negated else 1 : -1])
    return b"(?!/)[" + (b"^" if negated else b"") + inner + b"]"


def holdings(line: Line, sought: Sought) -> Document:
    """What a content manifest has of what is sought; folders count, sockets do not.

    :return: ``files``, ``folders``, ``bytes``, ``examples``, and ``digest``, which is the same where names and
        contents are the same.
    """
    files = folders = total = 0
    examples: list[str] = []
    digest = hashlib.sha256()
    folder, wanted = b"", False
    while text := line():
        if text.startswith(b"/"):
            folder = _content.folder_in(text)
            wanted = sought.may_be_in(folder)
        elif wanted and _content.is_entry(text):
            entry = _content.decode(text)
            path = folder + b"/" + entry.name if folder else entry.name
            if not sought.matches(path):
                continue
            digest.update(b"%b %b\n" % (entry.sha256, _content.escape(path)))
            folders += entry.is_folder
            files += not entry.is_folder
            total += entry.size if entry.is_file else 0
            if len(examples) < EXAMPLES:
                examples.append(_content.shown(path))
    return {"files": files, "folders": folders, "bytes": total, "examples": examples, "digest": digest.hexdigest()}


# ------------------------------------------------------------------------------------------------------ the history


def tell(
    points: t.Sequence[t.Mapping[str, t.Any]],
    facts: t.Mapping[str, Document],
    steps: t.Mapping[str, t.Mapping[str, tuple[str, Step]]],
    *,
    key_tables: t.Sequence[str],
    limits: Limits,
) -> Document:
    """The history of all points; see RETURN of the module ``recovery_history_info``.

    :param points: oldest first.
    :param facts: by point: ``datasets`` (name, then files and bytes), ``database`` (the dataset that holds dumps) and
        ``tables`` (rows by name), both null without a dump, ``key_tables`` (those that follow from the dump).
    :param steps: by point and dataset: the point before, and what happened since.
    :param key_tables: empty for those that follow from the dumps.
    """
    told: list[Document] = []
    alarms: list[Document] = []
    derived = dict.fromkeys(name for one in reversed(points) for name in facts[one["point"]]["key_tables"])
    key_tables = list(key_tables) or list(derived)
    with_tables = [one for one in points if facts[one["point"]]["tables"] is not None and is_base(one)]
    settled = {str(one["point"]) for one in points if not is_base(one) or _is_cleared(one)}
    for one in points:
        point = str(one["point"])
        for dataset, (before, found) in sorted(steps.get(point, {}).items()):
            # Every night has another dump set; its files say nothing, its tables do.
            reasons = [] if dataset == facts[point]["database"] else suspicions(found, limits)
            told.append({"before": before, "after": point, "dataset": dataset, **asdict(found), "suspicious": reasons})
            alarms += [{"before": before, "after": point, "dataset": dataset, "reason": reason} for reason in reasons]
    told_tables: list[Document] = []
    for earlier, later in itertools.pairwise(with_tables):
        ends = {"before": str(earlier["point"]), "after": str(later["point"])}
        first, second = (facts[point]["tables"] for point in ends.values())
        changed, reasons_ = table_step(first, second, frozenset(key_tables))
        told_tables.append({**ends, **changed, "suspicious": [f"{one['table']}: {one['reason']}" for one in reasons_]})
        dataset = facts[ends["after"]]["database"] or facts[ends["before"]]["database"]
        alarms += [{**ends, "dataset": dataset, **reason} for reason in reasons_]
    alarms = [alarm for alarm in alarms if alarm["after"] not in settled]
    alarms.sort(key=lambda alarm: str(alarm["after"]), reverse=True)
    last_tables = facts[with_tables[-1]["point"]]["tables"] if with_tables else {}
    known = {name for one in with_tables for name in facts[one["point"]]["tables"]}
    return {
        "points": [
            {"point": one["point"], "state": one["state"], "datasets": facts[one["point"]]["datasets"]}
            | {"tables": _count(facts[one["point"]]["tables"])}
            | {"missing_key_tables": _missing(facts[one["point"]]["tables"], key_tables)}
            for one in reversed(points)
        ],
        "steps": told[::-1],
        "table_steps": told_tables[::-1],
        "suspicious": alarms,
        "newest_intact": {
            dataset: newest_intact(
                [one for one in points if dataset in facts[one["point"]]["datasets"]],
                next((alarm["before"] for alarm in alarms if alarm["dataset"] == dataset), None),
            )
            for dataset in sorted({name for one in facts.values() for name in one["datasets"]})
        },
        "key_tables": {
            name: {
                "rows": last_tables.get(name),
                "newest_intact": newest_intact(
                    [one for one in with_tables if name in facts[one["point"]]["tables"]],
                    next((alarm["before"] for alarm in alarms if alarm.get("table") == name), None),
                ),
            }
            for name in key_tables
        },
        "unknown_key_tables": [name for name in key_tables if name not in known],
    }


def _missing(found: t.Mapping[str, int] | None, key_tables: t.Sequence[str]) -> list[str] | None:
    return None if found is None else [name for name in key_tables if name not in found]


def _count(found: t.Mapping[str, int] | None) -> Document | None:
    return None if found is None else {"tables": len(found), "rows": sum(found.values())}
