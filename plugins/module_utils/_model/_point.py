# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Recovery points: what a seal says, when a point is complete, and which point somebody means."""

from __future__ import annotations

import re
import typing as t
from datetime import UTC, datetime, timedelta

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _datajoint, _form, _run

COMPLETE = "complete"
PARTIAL = "partial"
# What became of a complete point later; a mark says so, see :func:`with_marks`.
CHECKED, PROVEN, SUSPECT = "checked", "proven", "suspect"
# A mark that takes a suspicion back.
CLEARED = "cleared"
MARKS = (CHECKED, PROVEN, SUSPECT, CLEARED)
# Those that a restore may choose by itself, and that retention counts on.
GOOD = (COMPLETE, CHECKED, PROVEN)
MARK_DOCUMENT = "mark.json"
LATEST = "latest"
DOCUMENT = "point.json"
DUMP_MANIFEST = "manifest.json"
# What people do about a point that is dated in the future.
AHEAD_REMEDY = (
    "See which clock was wrong; if it was the one that dated the point, mark it suspect (recovery_point_mark, as in "
    "docs/incident.md)"
)

_PREFIX = "point-"
_MARK = re.compile(
    r"mark-(?P<mark>[a-z]+)-(?P<point>\d{8}T\d{6}Z-[0-9a-f]{6})-(?P<made>\d{8}T\d{6}Z-[0-9a-f]{6})", re.ASCII
)
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MOMENT = len("20261123T023000Z")  # what of an identifier says when
_AHEAD = timedelta(hours=1)  # clocks are never quite alike, and a person's laptop less than others
_SHOWN = 10
_NEEDED = ("name", "order", "archive", "archive_id", "repository", "repository_id", "generation", "dump_set")
_MEASURED = (
    "files",
    "bytes",
    "nfiles",
    "original_size",
    "compressed_size",
    "deduplicated_size",
    "seconds",
    "content",
    "unproven",
)
_COUNT = (int, None)
# What whoever reads a seal relies on.
_FORM = {
    "source": str,
    "sealed": _form.UTC_TIME,
    "run_id": str,
    "datasets": [
        {
            "name": str,
            "order": int,
            "archive": str,
            "archive_id": str,
            "repository": str,
            "repository_id": str,
            "generation": int,
            "dump_set": (str, None),
            **{f"{name}?": _COUNT for name in _MEASURED if name not in ("seconds", "content", "unproven")},
            "seconds?": ({str: (float, None)}, None),
            "unproven?": ([str], None),
        }
    ],
    "missing": [{"dataset": str, "reason": str}],
    "problems": [str],
    "dump_set": ({"id": str, "started": _form.UTC_TIME, "engine?": (str, None), "version?": (str, None)}, None),
    "references": (dict, None),
    "files?": {str: {"sha256": _form.SHA256}},
}
_DUMP_SET = ("id", "started", "finished", "engine", "version", "rows")
_REFERENCES = ("checked", "missing", "wrong_size", "unresolved", "in_quarantine", "changed_mirrors", "accepted", "ok")
_LOOKED_UP = (
    ("missing", "missing"),
    ("wrong_size", "of a wrong size"),
    ("unresolved", "unresolved"),
    ("in_quarantine", "only in the quarantine; bring them back with quarantine_restore"),
    ("changed_mirrors", "of the mirrors no longer as it was archived"),
)

# How many of the references that did not pass are named in a problem.
_NAMED = 5

Document = dict[str, t.Any]


def archive_name(point: str) -> str:
    """The name of the archive that is the seal of ``point``."""
    return _PREFIX + point


def point_of(archive: str) -> str | None:
    """The point that the archive named so seals; None when it is no seal."""
    point = archive.removeprefix(_PREFIX)
    return point if archive.startswith(_PREFIX) and _run.is_identifier(point) else None


def mark_name(mark: str, point: str, made: str) -> str:
    """The name of the archive that marks ``point``.

    :param made: an identifier of the moment.
    :raises BackupError: when a part of it is not what it should be.
    """
    _run.began(point)
    _run.began(made)
    if mark not in MARKS:
        raise BackupError(f"{mark!r} is no mark of a recovery point; there are {', '.join(MARKS)}")
    return f"mark-{mark}-{point}-{made}"


def mark_of(archive: str) -> dict[str, str] | None:
    """C(mark), C(point) and C(made) of the archive named so; None when it is no mark."""
    match = _MARK.fullmatch(archive)
    return {**match.groupdict(), "archive": archive} if match and match["mark"] in MARKS else None


def in_turn(made: str, marks: t.Iterable[t.Mapping[str, str]]) -> str:
    """The identifier of the moment of a new mark: ``made``, or a second behind the marks that the point has.

    What is said later counts, and a clock that was ahead when an earlier mark was made must not hide it.

    :param marks: of the point, as :func:`with_marks` gives them.
    :raises BackupError: when nothing can be later.
    """
    last = max((one["made"] for one in marks), default="")
    if made > last:
        return made
    try:
        moment = _run.began(last) + timedelta(seconds=1)
    except OverflowError:
        raise BackupError(
            f"a mark was made at {last}, and no mark can be later",
            untouched="Nothing was changed",
            remedy="Remove that archive from the repository of the seals",
        ) from None
    return f"{moment:%Y%m%dT%H%M%SZ}{made[_MOMENT:]}"


def may_be_again(one: t.Mapping[str, str], mark: str, made: str) -> bool:
    """Whether a mark of the point may be the one that is asked for, moved behind others by :func:`in_turn`."""
    return one["mark"] == mark and one["made"] > made and one["made"][_MOMENT:] == made[_MOMENT:]


def outweighed(mark: str, state: str) -> bool:
    """Whether a point in this state is not what the mark says of it."""
    return state in GOOD if mark == SUSPECT else state == SUSPECT and mark != CHECKED


def with_marks(document: t.Mapping[str, t.Any], marks: t.Iterable[t.Mapping[str, str]]) -> Document:
    """A point in the state that its marks give it, with the marks, oldest first.

    A point that was sealed as partial stays so. Of the others one that was suspected after it was last proven or
    cleared is suspect; otherwise the most that was shown of it counts.
    """
    own = sorted((dict(one) for one in marks if one["point"] == document["point"]), key=lambda one: one["made"])
    names = [one["mark"] for one in own]
    state = document["state"]
    if state == COMPLETE and names:
        after = [name for name in names if name != CHECKED]
        if after and after[-1] == SUSPECT:
            state = SUSPECT
        else:
            state = next((name for name in (PROVEN, CHECKED) if name in names), COMPLETE)
    return {**document, "state": state, "marks": own}


def build(
    point: str,
    *,
    source: str,
    server: str,
    run_id: str,
    release: str,
    sealed: datetime,
    expected: t.Sequence[str],
    datasets: t.Sequence[t.Mapping[str, t.Any]],
    missing: t.Sequence[t.Mapping[str, t.Any]],
    dump_set: t.Mapping[str, t.Any] | None,
    references: t.Mapping[str, t.Any] | None,
    dump_expected: bool = True,
    files: t.Mapping[str, t.Any] | None = None,
) -> Document:
    """The content of a seal, with the state that follows from it.

    :param expected: the names of all datasets of the source; one without an archive is missing, whether or not
        somebody gave the reason.
    :param datasets: the outcomes of the archived ones; what a seal has no use for is left out.
    :param missing: the outcomes of the others: ``dataset``, ``message`` and perhaps ``step``.
    :param dump_set: what ``db_dump_info`` says of the pinned one; empty when none was pinned.
    :param references: the verdict of ``datajoint_verify_info``; empty when they were not looked up.
    :param dump_expected: whether the source has a database; without one, no dump set is no problem.
    :param files: what else lies in the seal: name, then C(sha256) and C(bytes).
    :raises BackupError: when there is nothing to seal, or the parts contradict each other.
    """
    _run.began(point)
    for number, outcome in enumerate(datasets, 1):
        check_archived(outcome, f"archived dataset {number} of {source}")
    for number, outcome in enumerate(missing, 1):
        _demand(outcome, ("dataset", "message"), f"missing dataset {number} of {source}")
    pinned = {key: dump_set.get(key) for key in _DUMP_SET} if dump_set else None
    if pinned is not None:
        _run.began(str(pinned["id"]))
        _moment(str(pinned["started"]))
    archived = [str(outcome["name"]) for outcome in datasets]
    reasons = {str(outcome["dataset"]): _reason(outcome) for outcome in missing}
    if not datasets:
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "no outcome was reported"
        raise _refused(f"no dataset of {source} has an archive ({why})", "Mend what stopped them and run again")
    twice = sorted({name for name in archived if archived.count(name) > 1} | (set(archived) & set(reasons)))
    if twice:
        raise _refused(f"more than one outcome was given for {', '.join(twice)} of {source}")
    unknown = sorted((set(archived) | set(reasons)) - set(expected))
    if unknown:
        raise _refused(f"{', '.join(unknown)} is not among the datasets of {source} ({', '.join(expected)})")
    kept = [
        {key: outcome[key] for key in (*_NEEDED, *_MEASURED) if outcome.get(key) is not None}
        | {"dump_set": outcome["dump_set"]}
        for outcome in datasets
    ]
    absent = [
        {"dataset": name, "reason": reasons.get(name, "its pipeline reported no outcome")}
        for name in expected
        if name not in archived
    ]
    looked_up = {key: references.get(key) for key in _REFERENCES} if references else None
    problems = _problems(absent, kept, pinned, references, dump_expected)
    problems += [
        f"the content manifest of {one['name']} is gone or another one than was verified, so nobody can compare "
        "its archive"
        for one in kept
        if one.get("content") and f"{one['name']}.content" not in (files or {})
    ]
    return {
        "point": point,
        "source": source,
        "server": server,
        "run_id": run_id,
        "state": PARTIAL if problems else COMPLETE,
        "problems": problems,
        "sealed": _run.utc(sealed),
        "release": release,
        "dump_set": pinned,
        "datasets": sorted(kept, key=lambda one: (one["order"], one["name"])),
        "missing": absent,
        "references": looked_up,
        "files": dict(files or {}),
    }


def check_archived(outcome: t.Mapping[str, t.Any], what: str) -> None:
    """Refuse the outcome of an archived dataset that does not say which archive.

    :raises BackupError: naming what is missing.
    """
    _demand(outcome, _NEEDED, what)


def check_file_name(name: str) -> None:
    """Refuse a name that cannot be given to a further file in a seal.

    :raises BackupError: naming it.
    """
    if not _FILE_NAME.fullmatch(name) or name in (DOCUMENT, DUMP_MANIFEST):
        raise _refused(f"{name!r} cannot name a file in a seal", "Use letters, digits, dots, - and _")


def _demand(outcome: t.Mapping[str, t.Any], keys: t.Sequence[str], what: str) -> None:
    absent = [key for key in keys if outcome.get(key) is None and not (key == "dump_set" and key in outcome)]
    if absent:
        raise BackupError(f"{what} lacks {', '.join(absent)}", untouched="Nothing was changed")


def _reason(outcome: t.Mapping[str, t.Any]) -> str:
    message = str(outcome["message"]).rstrip(". ")
    return f"{outcome['step']}: {message}" if outcome.get("step") else message


def _refused(what: str, remedy: str = "") -> BackupError:
    return BackupError(what, untouched="No recovery point was sealed", remedy=remedy)


def _named(reference: t.Mapping[str, t.Any]) -> str:
    """A reference that did not pass, as C(backup_accept_missing) names it; empty when it leads to no place."""
    path = _datajoint.reference_path(reference)
    return f"{reference['dataset']}/{_content.shown(path)}" if path is not None and reference.get("dataset") else ""


def _problems(
    absent: t.Sequence[t.Mapping[str, str]],
    datasets: t.Sequence[t.Mapping[str, t.Any]],
    dump_set: t.Mapping[str, t.Any] | None,
    references: t.Mapping[str, t.Any] | None,
    dump_expected: bool,
) -> list[str]:
    problems = [f"{entry['dataset']} is missing: {entry['reason']}" for entry in absent]
    if dump_set is None:
        return [*problems, "no proven dump set belongs to it"] if dump_expected else problems
    problems += [
        f"{dataset['name']} stems from dump set {dataset['dump_set'] or 'none'}, not from {dump_set['id']}"
        for dataset in datasets
        if dataset["dump_set"] != dump_set["id"]
    ]
    if not references:
        problems.append("the references of the dump were not checked")
    elif references.get("ok") is not True:
        counts = [f"{references[key]} {label}" for key, label in _LOOKED_UP if references.get(key)]
        named = list(filter(None, map(_named, references.get("examples") or ())))[:_NAMED]
        among = f"; among them {', '.join(named)}" if named else ""
        problems.append("the references of the dump did not pass: " + (", ".join(counts) or "no verdict") + among)
    return problems


def check(document: t.Mapping[str, t.Any], point: str) -> None:
    """Refuse a document that is not the seal of ``point``.

    :raises BackupError: naming what is wrong.
    """
    if document.get("point") != point:
        raise BackupError(f"the seal of {point} says that it is about {document.get('point')!r}")
    if document.get("state") not in (COMPLETE, PARTIAL):
        raise BackupError(f"the seal of {point} has the unknown state {document.get('state')!r}")
    wrong = _form.wrong(document, _FORM)
    if wrong:
        raise BackupError(f"the seal of {point} cannot be understood: {wrong}")


def _state_of(document: t.Mapping[str, t.Any]) -> datetime:
    """The moment that a point brings back: when its dump began, or for a source without a database its run."""
    dump_set = document["dump_set"]
    return _moment(str(dump_set.get("started"))) if dump_set else _run.began(str(document["point"]))


def newest_first(points: t.Iterable[Document]) -> list[Document]:
    """The points, newest first."""
    return sorted(points, key=lambda one: str(one["point"]), reverse=True)


def is_ahead(point: t.Mapping[str, t.Any], now: datetime) -> bool:
    """Whether a point is dated in the future: by a clock that was wrong then, or to one that is wrong now."""
    # Identifiers sort by their time, also one that names a day that does not exist.
    name = str(point["point"])
    return _run.is_identifier(name) and name[:_MOMENT] > f"{(now + _AHEAD).astimezone(UTC):%Y%m%dT%H%M%SZ}"


def eligible(points: t.Iterable[Document], now: datetime) -> list[Document]:
    """The points that a restore may choose by itself, newest first: good ones that are not dated in the future."""
    return [one for one in newest_first(points) if one["state"] in GOOD and not is_ahead(one, now)]


def ahead(points: t.Iterable[Document], now: datetime) -> list[Document]:
    """The good points that are dated in the future, newest first: a restore takes them by their identifiers only."""
    return [one for one in newest_first(points) if one["state"] in GOOD and is_ahead(one, now)]


def passed_over(points: t.Iterable[Document], wanted: str, now: datetime) -> list[str]:
    """The points that ``wanted`` would mean as well if they were not dated in the future."""
    if _run.is_identifier(wanted):
        return []
    late = ahead(points, now)
    return [one["point"] for one in late if wanted == LATEST or _state_of(one) < _moment(wanted)]


def select(points: t.Iterable[Document], wanted: str, now: datetime) -> Document:
    """The point that ``wanted`` means.

    ``latest`` is the newest complete point; an identifier is exactly that point, in whatever state; a time is the
    newest complete point whose dump began before it. A partial point is reached by its identifier only, and so is one
    that is dated in the future: nobody can tell how new it is.

    :raises BackupError: when nothing matches, listing what there is; or when ``wanted`` is none of these.
    """
    known = newest_first(points)
    complete = eligible(known, now)
    if wanted == LATEST:
        found, sought = complete[:1], "no complete recovery point exists"
    elif _run.is_identifier(wanted):
        found, sought = [one for one in known if one["point"] == wanted], f"there is no recovery point {wanted}"
    else:
        moment = _moment(wanted)
        before = [one for one in complete if _state_of(one) < moment]
        found = sorted(before, key=_state_of, reverse=True)[:1]
        sought = f"no complete recovery point has a dump that began before {_run.utc(moment)}"
    if found:
        return found[0]
    late = passed_over(known, wanted, now)
    if late:
        sought += f" up to {_run.utc(now)}, the clock's present ({', '.join(late[:_SHOWN])} would be in the future)"
    raise BackupError(
        f"{sought}; there is {_listing(known)}",
        untouched="Nothing was changed",
        remedy="Name one of these" if known else "Run the backup first",
        existing=[one["point"] for one in known],
    )


def _listing(known: t.Sequence[Document]) -> str:
    if not known:
        return "no recovery point at all"
    shown = [
        f"{one['point']} ({one['state']}, dump began {(one['dump_set'] or {}).get('started', 'never')})"
        for one in known[:_SHOWN]
    ]
    more = f" and {len(known) - _SHOWN} older" if len(known) > _SHOWN else ""
    return ", ".join(shown) + more


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BackupError(
            f"{text!r} is neither 'latest', nor the identifier of a recovery point, nor a time such as "
            "2026-11-23T02:30:00Z or 2026-11-23T03:30:00+01:00",
            untouched="Nothing was changed",
        ) from None
    if moment.tzinfo is None:
        raise BackupError(
            f"the time {text!r} has no zone, so it could mean different recovery points",
            untouched="Nothing was changed",
            remedy=f"Add the zone, for example {moment.isoformat()}Z or {moment.isoformat()}+01:00",
        )
    return moment
