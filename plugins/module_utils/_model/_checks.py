# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The rolling checks of what a server holds: which kinds there are, how far each has come, what a point has passed.

One document a source says for each dataset, and for the repository of the seals, what was looked at and when. A cycle
is one look at everything; it may take many runs.
"""

from __future__ import annotations

import base64
import contextlib
import json
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _form, _point, _text
from ansible_collections.labops.backup.plugins.module_utils._model._inventory import Host

POINTS = "points"
REPOSITORY, ARCHIVES, DATA = "repository", "archives", "data"
NAMES, MIRROR, MANIFEST = "names", "mirror", "manifest"
# What is looked at of each kind of dataset, in the order in which it is begun.
KINDS = {
    "database": (MIRROR, REPOSITORY, ARCHIVES, MANIFEST, DATA),
    "files": (NAMES, MIRROR, REPOSITORY, ARCHIVES, MANIFEST, DATA),
    POINTS: (REPOSITORY, ARCHIVES, DATA),
}
# One reading of a mirror tells both.
_TOLD_BY = {NAMES: MIRROR}
# What the archive of a point has to pass before the point counts as checked.
PASSED = (ARCHIVES, MANIFEST)
# What is said of evidence that cannot be understood.
UNTOUCHED = "Nothing was checked"
REMEDY = "Move it away; the checks then begin anew"
_SHOWN = 10
_TEXT = (str, None)
_STATE = {
    "ok": bool,
    "at?": _TEXT,
    "share?": float,
    "cycle_started?": _TEXT,
    "complete_at?": _TEXT,
    "finding?": str,
    "found_at?": _TEXT,
    "clean?": bool,
    "rate?": (float, None),
    "cursor?": {"archive?": str, "path?": str},
    "passed?": {str: str},
    # The points that what was found touches, and since when.
    "touched?": {str: str},
}

Document = dict[str, t.Any]


def fresh() -> Document:
    """What is known of a kind that was never looked at."""
    return {
        "at": None,
        "share": 0.0,
        "cycle_started": None,
        "complete_at": None,
        "ok": True,
        "finding": "",
        "found_at": None,
        "clean": True,
        "cursor": {},
        "passed": {},
        "touched": {},
    }


def kinds(dataset_kind: str) -> tuple[str, ...]:
    """What is looked at of a dataset of this kind.

    :param dataset_kind: C(database), C(files), or C(points) for the repository of the seals.
    """
    return KINDS[dataset_kind]


def known(evidence: t.Mapping[str, t.Any], dataset: str, kind: str) -> Document:
    """How far a check has come."""
    return {**fresh(), **evidence.get("datasets", {}).get(dataset, {}).get(kind, {})}


def so_far(state: t.Mapping[str, t.Any], now: str) -> Document:
    """The state without what a clock that was ahead wrote down: until then it would be newer than every look."""
    ahead = [name for name in ("cycle_started", "complete_at") if (state[name] or "") > now]
    return {
        **state,
        **dict.fromkeys(ahead),
        "passed": {one: at for one, at in state["passed"].items() if at <= now},
        "touched": {point: min(at, now) for point, at in state["touched"].items()},
    }


def begun(state: t.Mapping[str, t.Any], now: str, *, whole: bool = False) -> Document:
    """The state with a cycle under way: the one that was left, or a new one.

    What is later than now does not count, see :func:`so_far`.

    :param whole: a cycle that has found something is not gone on with: it could not clear its finding any more. Without
        it, such a cycle still comes to its end, or damage at its beginning would hide what is behind; unless it has
        nothing behind it.
    """
    state = so_far(state, now)
    over = state["cycle_started"] is None or (state["complete_at"] or "") >= state["cycle_started"]
    has_come_nowhere = not state["share"] and not state["cursor"]
    if over or (not state["clean"] and (whole or has_come_nowhere)):
        return {**state, "cycle_started": now, "share": 0.0, "cursor": {}, "clean": True}
    return state


def advanced(state: t.Mapping[str, t.Any], *, now: str, share: float, finished: bool, finding: str) -> Document:
    """The state of a check after a piece of it.

    A finding stays until a whole cycle that began after it found nothing.

    :param state: of :func:`begun`.
    :param share: of the cycle that is done.
    :param finished: whether the cycle is.
    :param finding: what was found in this piece; empty for nothing.
    """
    clean = state["clean"] and not finding
    cleared = finished and clean
    return {
        **state,
        "at": now,
        "share": 1.0 if finished else round(min(max(share, 0.0), 1.0), 4),
        "complete_at": now if finished else state["complete_at"],
        "ok": not finding and (state["ok"] or cleared),
        "finding": finding or ("" if cleared else state["finding"]),
        "found_at": None if cleared else now if finding else state["found_at"],
        "clean": clean,
        "touched": {} if cleared else state["touched"],
    }


def with_state(
    evidence: t.Mapping[str, t.Any], source: str, dataset: str, states: t.Mapping[str, t.Mapping[str, t.Any]]
) -> Document:
    """The evidence with the states of these kinds."""
    datasets = dict(evidence.get("datasets", {}))
    datasets[dataset] = {**datasets.get(dataset, {}), **states}
    return {**evidence, "source": source, "datasets": datasets}


def check_evidence_of(read: t.Mapping[str, t.Any]) -> Document:
    """The evidence in a result of C(slurp); nothing when there is none.

    :raises BackupError: when it cannot be understood.
    """
    if not isinstance(read.get("content"), str):
        return {}
    document: t.Any = None
    with contextlib.suppress(ValueError):
        document = json.loads(base64.b64decode(read["content"]))
    name = str(read.get("source") or "the evidence")
    if not isinstance(document, dict) or document.get("schema_version") != 1:
        document = {}
    check_evidence(document, name)
    return document


def verify_pieces(plan: t.Sequence[Document], server: str, read: t.Sequence[t.Mapping[str, t.Any]]) -> list[Document]:
    """What a run looks at on a server, what was not looked at for longest first.

    :param plan: the sources, from P(plan).
    :param read: the results of C(slurp) of the evidence of each source of this server, with the source as C(item).
    :return: C(source), C(dataset) and C(kind) of each piece, and how many are C(left) with it.
    """
    evidence = {str(one["item"]["name"]): check_evidence_of(one) for one in read}
    pieces = []
    for source in plan:
        if source["server"] != server:
            continue
        of = evidence.get(source["name"]) or {}
        for name, dataset_kind in (*((one["name"], one["kind"]) for one in source["datasets"]), (POINTS, POINTS)):
            for order, kind in enumerate(kinds(dataset_kind)):
                if kind not in _TOLD_BY:
                    last = known(of, name, kind)["at"] or ""
                    pieces.append((last, order, {"source": source["name"], "dataset": name, "kind": kind}))
    pieces.sort(key=lambda piece: piece[:2])
    return [{**piece, "left": len(pieces) - number} for number, (_, _, piece) in enumerate(pieces)]


def findings(evidence: t.Mapping[str, t.Any], datasets: t.Collection[str]) -> list[str]:
    """What stands against a source, one sentence each.

    :param datasets: those of the inventory; at one that has left it nobody looks again.
    """
    return [
        f"{dataset}: the check of {kind} found at {state['found_at']}: {state['finding']}"
        for dataset, states in sorted(evidence.get("datasets", {}).items())
        if dataset in {*datasets, POINTS}
        for kind, state in sorted(states.items())
        if not state["ok"]
    ]


def checked_points(points: t.Sequence[t.Mapping[str, t.Any]], evidence: t.Mapping[str, t.Any]) -> list[str]:
    """The complete points of which every archive passed, and that are not marked so or higher yet."""
    found = []
    for point in points:
        if point["state"] != _point.COMPLETE or not point["datasets"]:
            continue
        if all(
            one["archive_id"] in known(evidence, one["name"], kind)["passed"]
            for one in point["datasets"]
            for kind in PASSED
        ):
            found.append(str(point["point"]))
    return found


def _unmarked(
    points: t.Sequence[t.Mapping[str, t.Any]], evidence: t.Mapping[str, t.Any]
) -> t.Iterator[tuple[str, Document]]:
    """Points that a finding touches which stands, and that were never marked for it: the run that found it died before.

    One that was proven or cleared since then is left so.
    """
    for dataset, kinds in sorted(evidence.get("datasets", {}).items()):
        for kind, state in sorted(kinds.items()):
            touched = {} if state["ok"] else state.get("touched", {})
            for point in points:
                since = touched.get(point["point"])
                said = [one for one in point.get("marks", ()) if one["mark"] != _point.CHECKED]
                if since is None or (said and said[-1]["mark"] == _point.SUSPECT):
                    continue
                # Compared as the identifier of a mark writes a time.
                if not said or said[-1]["made"] < since.replace("-", "").replace(":", ""):
                    yield str(point["point"]), {"dataset": dataset, "kind": kind, "finding": state.get("finding", "")}


def verify_marks(
    points: t.Sequence[t.Mapping[str, t.Any]], read: t.Mapping[str, t.Any], pieces: t.Sequence[Document]
) -> list[Document]:
    """Which points are to be marked after these pieces, and after earlier ones whose run died before it could mark.

    :param points: of the source.
    :param read: the result of C(slurp) of its evidence.
    :param pieces: the results of its pieces.
    :return: C(point), C(mark) and C(evidence) of each.
    """
    evidence = check_evidence_of(read)
    marks: Document = {point: {"mark": _point.CHECKED, "evidence": {}} for point in checked_points(points, evidence)}
    for point, told in _unmarked(points, evidence):
        marks[point] = {"mark": _point.SUSPECT, "evidence": told}
    for piece in pieces:
        for point in piece.get("touched", ()):
            told = {"dataset": piece["dataset"], "kind": piece["kind"], "finding": piece["finding"]}
            marks[point] = {"mark": _point.SUSPECT, "evidence": told}
    states = {one["point"]: one["state"] for one in points}
    return [{"point": point, **mark} for point, mark in sorted(marks.items()) if states.get(point) != _point.SUSPECT]


def verify_verdict(hosts: t.Mapping[str, Host], plan: t.Sequence[Document], run_id: str, server: str = "") -> Document:
    """How a run of checks went, for people and for the ledger.

    :param hosts: variables by host name; those of a server have C(verify_pieces_done), one result a piece, and perhaps
        C(verify_problem).
    :param server: judge only this one.
    :return: C(ok), C(title), C(lines) and C(outcomes).
    """
    failures: list[str] = []
    lines: list[str] = []
    outcomes: list[Document] = []
    servers = [name for name in dict.fromkeys(source["server"] for source in plan) if server in ("", name)]
    for name in servers:
        done = hosts[name].get("verify_pieces_done") or []
        problem = hosts[name].get("verify_problem") or ("" if done else "no check was begun")
        if problem:
            failures.append(name)
            lines.append(f"{name}: {_text.plain(str(problem))}")
        for source in plan:
            own = [piece for piece in done if piece["source"] == source["name"]]
            if source["server"] != name or not own:
                continue
            lines.append(f"{source['name']}:")
            for piece in sorted(own, key=lambda one: one["dataset"]):
                lines.append("  " + _piece_line(piece))
                if piece.get("finding") and piece.get("problem"):
                    lines.append(f"    {_text.plain(str(piece['problem']))}")
            suspect = sorted({point for piece in own for point in piece.get("touched", ())})
            if suspect:
                more = f" and {len(suspect) - _SHOWN} more" if len(suspect) > _SHOWN else ""
                lines.append(f"  suspect from now on: {', '.join(suspect[:_SHOWN])}{more}")
            bad = [piece for piece in own if not piece["ok"]]
            failures += [f"{piece['source']}/{piece['dataset']} {piece['kind']}" for piece in bad]
            if any(piece.get("finding") for piece in bad):
                lines += [f"  {line}" for line in _NEXT_STEPS]
            outcomes += [
                {
                    "source": source["name"],
                    "dataset": piece["dataset"],
                    "ok": piece["ok"],
                    "step": piece["kind"],
                    "message": piece.get("finding") or piece.get("problem") or piece.get("standing") or "",
                    **{field: piece[field] for field in ("share", "seconds", "gave_way") if field in piece},
                }
                for piece in own
            ]
    title = f"verify FAILED: {', '.join(dict.fromkeys(failures))}" if failures else "verify good"
    return {"ok": not failures, "title": f"{title} (run {run_id})", "lines": lines, "outcomes": outcomes, "points": []}


_NEXT_STEPS = (
    "Nothing was repaired, and nothing of this source is removed until a whole check finds nothing.",
    "Next: do not run borg check --repair, borg delete or borg compact. Copy the repository as it is, look at the disk",
    "below it (dmesg, smartctl), and see in status.yml which recovery points are not suspect; a restore chooses",
    "among those. docs/prove.md goes on from here.",
)


def _piece_line(piece: t.Mapping[str, t.Any]) -> str:
    name = f"{piece['dataset']:<10} {piece['kind']:<10} "
    if piece.get("finding"):
        return f"{name}FOUND: {_text.plain(str(piece['finding']))}"
    if piece.get("problem"):
        return f"{name}could not look: {_text.plain(str(piece['problem']))}"
    if piece.get("gave_way"):
        return f"{name}gave way: {_text.plain(str(piece['gave_way']))}; goes on next time"
    if piece.get("skipped"):
        return f"{name}{_text.plain(str(piece['skipped']))}"
    share = f"{piece['share'] * 100:.0f} % of this cycle" if piece["share"] < 1 else "all of it"
    standing = f"; still stands: {_text.plain(str(piece['standing']))}" if piece.get("standing") else ""
    return f"{name}good, {share}, {_text.duration(piece['seconds'])}{standing}"


def check_evidence(document: t.Mapping[str, t.Any], name: str) -> None:
    """Refuse a document that is not the evidence of checks.

    :raises BackupError: naming what is wrong.
    """
    wrong = _form.wrong(document, {"datasets": {str: {str: _STATE}}})
    if wrong:
        raise BackupError(
            f"{name} does not hold the evidence of checks: {wrong}",
            untouched=UNTOUCHED,
            remedy=REMEDY,
        )
