# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Which recovery points are kept and why, and which archives nobody needs any more.

The windows are those of ``borg prune``, over complete points instead of archives. A dataset that fails for weeks
makes partial points only, so it takes no place in a window and costs no complete point its own.

What cannot be judged stays: points of another time than ours, points whose archives are not all there, archives
that nobody of us named.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _point, _run

WINDOWS = ("daily", "weekly", "monthly")
RULES = ("keep_daily", "keep_weekly", "keep_monthly", "keep_complete", "keep_partial_days")

_PERIODS: dict[str, t.Callable[[datetime], tuple[int, ...]]] = {
    "daily": lambda moment: (moment.year, moment.month, moment.day),
    "weekly": lambda moment: tuple(moment.isocalendar()[:2]),
    "monthly": lambda moment: (moment.year, moment.month),
}
_MOST = 99999  # days that a date can count
_CHECKPOINT = ".checkpoint"
Document = dict[str, t.Any]
Rules = t.Mapping[str, int]


@dataclass
class Decision:
    """Points, newest first, each with the reason; archives and seals by the path of their repository.

    :param kept: what stays, by point.
    :param removed: what goes, by point.
    :param archives: exact names that go.
    :param unknown: exact names that no point knows and that stay for now.
    :param broken: for each point that promises an archive which is not there: which.
    :param elsewhere: repositories that the inventory does not name any more, with archives of points that go.
    """

    kept: dict[str, str] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    archives: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)


def rules(values: t.Mapping[str, t.Any], prefix: str = "") -> dict[str, int]:
    """The numbers of :data:`RULES`, validated.

    :param prefix: what stands before each name where the operator wrote it, for messages.
    :raises BackupError: when one is no whole number or out of range, or no window would keep anything.
    """
    found = {}
    for name in RULES:
        value = values[name]
        try:
            number = int(value) if not isinstance(value, (bool, float)) else None
        except (TypeError, ValueError):
            number = None
        if number is None:
            raise _bad(f"{prefix}{name} is {value!r}; a whole number is needed")
        least = 0 if name in RULES[:3] else 1
        if number < least:
            raise _bad(f"{prefix}{name} is {number}; at least {least} is needed")
        if number > _MOST:
            raise _bad(f"{prefix}{name} is {number}; at most {_MOST} can be meant")
        found[name] = number
    if not any(found[f"keep_{name}"] for name in WINDOWS):
        names = ", ".join(f"{prefix}keep_{name}" for name in WINDOWS)
        raise _bad(f"{names} are all 0, so that no recovery point would last; at least one must be above 0")
    return found


def _bad(what: str) -> BackupError:
    return BackupError(what, untouched="Nothing was changed")


def windows(moments: t.Mapping[str, datetime], counts: Rules) -> dict[str, str]:
    """What ``borg prune`` keeps of a series, by name, with the rule; Borg 1.2.4 and 1.4.5 decide the same.

    Each window takes the newest of as many periods as it counts, where something is; a period without anything is
    not counted, and neither is one whose newest is kept by a window before. While a window is not full, it keeps
    the oldest of all.

    :param moments: when each was made, in UTC.
    :param counts: ``keep_daily``, ``keep_weekly`` and ``keep_monthly``.
    """
    newest_first = sorted(moments, key=lambda name: (moments[name], name), reverse=True)
    kept: dict[str, str] = {}
    for window, period_of in _PERIODS.items():
        wanted, taken, last = counts[f"keep_{window}"], 0, None
        for name in newest_first if wanted else ():
            period = period_of(moments[name])
            if period == last:
                continue
            last = period
            if name not in kept:
                taken += 1
                kept[name] = f"{window} #{taken}"
                if taken == wanted:
                    break
        if newest_first and taken < wanted and newest_first[-1] not in kept:
            kept[newest_first[-1]] = f"{window} #{taken + 1}, the oldest"
    return kept


def decide(
    points: t.Sequence[Document],
    repositories: t.Sequence[Document],
    counts: Rules,
    *,
    source: str,
    current: str,
    now: datetime,
    doomed: t.Collection[str] = (),
    lost: t.Sequence[Document] = (),
) -> Decision:
    """What stays and what goes of one source.

    :param points: the content of every seal.
    :param repositories: of each dataset ``dataset``, ``repository`` (its path) and its content: ``repository_id``,
        ``archives`` and ``checkpoints``, each with ``name``, ``id`` and ``start``.
    :param counts: the result of :func:`rules`.
    :param current: the complete point that this run sealed; without one, nothing may go.
    :param doomed: ids of archives that an earlier retention was about to remove and perhaps did not.
    :param lost: points that are known although their seals are gone; what they need stays.
    :raises BackupError: when ``current`` is not a complete point whose archives are all there.
    """
    known = _point.newest_first(points)
    foreign = next((point for point in known if point["source"] != source), None)
    if foreign is not None:
        raise BackupError(
            f"the recovery point {foreign['point']} is one of {foreign['source']}, not of {source}",
            untouched="Nothing was removed",
            remedy="See that every source has repositories of its own",
        )
    decision = Decision(broken=_broken(known, repositories))
    own = next((point for point in known if point["point"] == current), None)
    if own is None or own["state"] not in _point.GOOD or current in decision.broken:
        seen = "is not sealed" if own is None else decision.broken.get(current) or f"is {own['state']}"
        raise BackupError(
            f"the recovery point {current} of {source} {seen}, and only behind a complete one may older ones go",
            untouched="Nothing was removed",
            remedy="Run the backup again",
        )
    moments = {point["point"]: _run.began(point["point"]) for point in known}
    _decide_points(decision, known, moments, counts, current, now)
    staying = [point for point in known if point["point"] in decision.kept]
    going = [point for point in known if point["point"] in decision.removed]
    theirs = {entry["archive_id"] for point in going for entry in point["datasets"]} | set(doomed)
    complete = [moments[point["point"]] for point in staying if point["state"] in _point.GOOD]
    newest = max(moment for moment in complete if moment <= max(now, moments[current]))
    for repository in repositories:
        _decide_archives(
            decision,
            repository,
            prefix=f"{source}-{repository['dataset']}-",
            needed=_promised([*staying, *lost], repository),
            going=theirs,
            between=(min(moments.values()), newest),
            before=now - timedelta(days=counts["keep_partial_days"]),
        )
    paths = {repository["repository"] for repository in repositories}
    ids = {repository["repository_id"] for repository in repositories}
    decision.elsewhere = sorted(
        {
            entry["repository"]
            for point in going
            for entry in point["datasets"]
            if entry["repository"] not in paths and entry["repository_id"] not in ids
        }
    )
    return decision


def checkpoints(
    found: t.Sequence[Document], archives: t.Sequence[Document], staying: t.Collection[str], prefix: str | None = None
) -> list[str]:
    """The names of checkpoints that an archive which stays has made useless, since it was not begun before.

    :param prefix: what the names of our archives begin with; None for those of anybody.
    """
    latest = max((entry["start"] for entry in archives if entry["name"] in staying), default="")
    return [
        entry["name"]
        for entry in found
        if entry["start"] <= latest and (prefix is None or _is_ours(entry["name"].partition(_CHECKPOINT)[0], prefix))
    ]


def _broken(points: t.Sequence[Document], repositories: t.Sequence[Document]) -> dict[str, str]:
    """Points that promise an archive which is not there; a repository that nobody opened is not judged.

    A partial point promises nothing.
    """
    ids = {repository["repository_id"] for repository in repositories}
    paths = {repository["repository"] for repository in repositories}
    there = {
        (repository["repository_id"], archive["name"], archive["id"])
        for repository in repositories
        for archive in repository["archives"]
    }
    found: dict[str, str] = {}
    for point in points:
        for entry in point["datasets"] if point["state"] != _point.PARTIAL else ():
            judged = entry["repository_id"] in ids or entry["repository"] in paths
            if judged and (entry["repository_id"], entry["archive"], entry["archive_id"]) not in there:
                found.setdefault(
                    point["point"], f"promises the archive {entry['archive']}, which is not in {entry['repository']}"
                )
    return found


def _decide_points(
    decision: Decision,
    known: t.Sequence[Document],
    moments: t.Mapping[str, datetime],
    counts: Rules,
    current: str,
    now: datetime,
) -> None:
    proven = {point["point"] for point in known if point["state"] == _point.PROVEN}
    complete = {point["point"] for point in known if point["state"] in _point.GOOD}
    # What the windows and floors count on.
    whole = {
        name: moment
        for name, moment in moments.items()
        if name == current or (name in complete and name not in decision.broken and moment <= now)
    }
    reasons = windows(whole, counts)
    for floor, names in (("complete", list(whole)), ("proven", [name for name in whole if name in proven])):
        for number, name in enumerate(names[: counts["keep_complete"]], 1):
            reasons.setdefault(name, f"{floor} #{number} of the last {counts['keep_complete']}")
    reasons.setdefault(current, "sealed by this run")
    newest = max(whole.values())
    life = timedelta(days=counts["keep_partial_days"])
    for point in known:
        name, began = point["point"], moments[point["point"]]
        stays, reason = True, reasons.get(name)
        if reason is None and name in whole:
            stays, reason = False, "no window needs it"
        elif reason is None and began > now:
            reason = "dated in the future"
        elif reason is None and name in decision.broken:
            reason = "for people to judge: it " + decision.broken[name]
        elif reason is None and point["state"] != _point.PARTIAL:
            reason = f"for people to judge: it is {point['state']}"
        elif reason is None and began >= newest:
            reason = "partial, nothing complete is newer"
        elif reason is None:
            stays = now - datetime.fromisoformat(point["sealed"]) < life
            reason = f"partial, {'not yet' if stays else 'more than'} {life.days} days old"
        (decision.kept if stays else decision.removed)[name] = str(reason)


def _promised(points: t.Sequence[Document], repository: Document) -> set[str]:
    """Ids and names of the archives that these points need from the repository."""
    entries = [
        entry
        for point in points
        for entry in point["datasets"]
        if entry["repository_id"] == repository["repository_id"] or entry["repository"] == repository["repository"]
    ]
    return {entry["archive_id"] for entry in entries} | {entry["archive"] for entry in entries}


def _decide_archives(
    decision: Decision,
    repository: Document,
    *,
    prefix: str,
    needed: t.Collection[str],
    going: t.Collection[str],
    between: tuple[datetime, datetime],
    before: datetime,
) -> None:
    """Archives of points that go, and old ones that no point knows; both only if nobody needs them.

    An archive that no point knows is what a night left whose seal failed. It goes when it is older than a partial
    point may become, and when sealed points lie on both sides of it: were the seals lost, all archives would be
    unknown at once.
    """
    path = repository["repository"]
    go: list[str] = []
    unknown: list[str] = []
    for archive in repository["archives"]:
        name = archive["name"]
        if archive["id"] in needed or name in needed:
            continue
        if archive["id"] in going:
            go.append(name)
            continue
        moments = [datetime.fromisoformat(archive["start"])]
        if _is_ours(name, prefix):
            moments.append(_run.began(name.removeprefix(prefix)))
        old = max(moments) <= before and between[0] < min(moments) and max(moments) < between[1]
        (go if len(moments) > 1 and old else unknown).append(name)
    staying = {archive["name"] for archive in repository["archives"]} - set(go)
    go += checkpoints(repository["checkpoints"], repository["archives"], staying, prefix)
    if go:
        decision.archives[path] = go
    if unknown:
        decision.unknown[path] = unknown


def _is_ours(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and _run.is_identifier(name.removeprefix(prefix))
