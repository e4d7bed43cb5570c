# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A drill: which point is restored, which of its files, and what has ever been proven.

Chance comes from a seed, so that a drill can be repeated as it was.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import heapq
import json
import math
import re
import statistics
import typing as t
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _form, _point, _run, _text
from ansible_collections.labops.backup.plugins.module_utils._model._inventory import Host

# What a drill does that shows something about the point; what else goes wrong shows something about the server.
FINDINGS = (
    "Take the dump set out of its archive",
    "See that it is the dump set that was sealed, whole",
    "Draw the sample and look up every reference",
    "See that every reference has its file in the archives",
    "Take the sample out of its archive",
    "Load the dump set",
    "See that the database is what was dumped",
    "See that the restored files are what the database says",
)
# What is said of evidence that cannot be understood.
UNTOUCHED = "Nothing was changed"
REMEDY = "Move it away; the evidence then begins anew"
# Words of Borg that tell that nobody could look.
_HINDRANCES = ("LockTimeout", "LockFailed", "NoSpace", "PassphraseWrong", "NoPassphraseFailure")
_KEPT = 100
_SEED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VERSION = re.compile(r"Ver (\d+\.\d+)\.\d+(\S*)")
# The name of an engine for people, and how its programs come to a server. There is none of MySQL in Debian's releases.
_ENGINES = {
    "mariadb": ("MariaDB", "Let drill_packages be mariadb-server-core and mariadb-client"),
    "mysql": ("MySQL", "Name the packages of its server and client in drill_packages"),
}
_YEARS = 365 * 86400
# What ansible-core writes around the message of a filter.
_WRAPPED = re.compile(r"\ATask failed: .*?The filter plugin '[^']*' failed: ", re.DOTALL)

Document = dict[str, t.Any]


def chance(seed: str, *words: bytes | str) -> float:
    """A number between 0 and 1, the same for the same words."""
    digest = hashlib.blake2b(digest_size=8, key=seed.encode()[:64])
    for word in words:
        digest.update((word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word) + b"\0")
    return (int.from_bytes(digest.digest(), "big") + 0.5) / 2**64


def check_drills(document: t.Mapping[str, t.Any], name: str) -> None:
    """Refuse a document that is not the evidence of drills.

    :raises BackupError: naming it.
    """
    wrong = _form.wrong(document, {"drills": [{"point": str, "ok?": bool, "rates?": ({str: (float, None)}, None)}]})
    if wrong:
        raise BackupError(
            f"{name} does not hold the evidence of drills: {wrong}",
            untouched=UNTOUCHED,
            remedy=REMEDY,
        )


def drills_of(read: t.Mapping[str, t.Any]) -> list[Document]:
    """The drills in a result of C(slurp) of their evidence, newest first; none when there is no such file.

    :raises BackupError: when it cannot be understood.
    """
    if not isinstance(read.get("content"), str):
        return []
    document: t.Any = None
    with contextlib.suppress(ValueError):
        document = json.loads(base64.b64decode(read["content"]))
    if not isinstance(document, dict) or document.get("schema_version") != 1:
        document = {}
    check_drills(document, str(read.get("source") or "the evidence"))
    return [dict(one) for one in document["drills"]]


def drill_rates(read: t.Mapping[str, t.Any]) -> dict[str, float]:
    """Bytes a second by kind of work, as drills measured them (the median), for the plan of a restore.

    :param read: the result of C(slurp) of their evidence; what cannot be understood measures nothing.
    """
    seen: dict[str, list[float]] = {}
    with contextlib.suppress(BackupError):
        for drill in drills_of(read):
            for kind, rate in (drill.get("rates") or {}).items():
                if drill.get("ok") and rate:
                    seen.setdefault(str(kind), []).append(float(rate))
    return {kind: round(statistics.median(values)) for kind, values in sorted(seen.items())}


def drill_choice(
    points: t.Sequence[t.Mapping[str, t.Any]],
    read: t.Mapping[str, t.Any],
    seed: str,
    wanted: str,
    max_age_hours: float,
    now: str,
    history: t.Sequence[t.Mapping[str, t.Any]] | None = None,
) -> Document:
    """Which point is restored: one of those that were proven least often, the older the likelier.

    :param points: all of the source.
    :param read: the result of C(slurp) of the evidence of its drills.
    :param seed: any word.
    :param wanted: a point that was asked for by its identifier, whatever its state; empty to choose.
    :param max_age_hours: how old the newest point may be.
    :param now: in UTC.
    :param history: the C(points) of ``recovery_history_info``, where the inventory names key tables.
    :return: C(point), C(notes) for people, C(finding) when the newest point is too old or has no table of a key table's
        name, and as C(missing_key_tables) those that the chosen point does not have.
    :raises BackupError: when there is none.
    """
    if not _SEED.fullmatch(seed):
        raise _refused(f"drill_seed is {seed!r}", "Give a word of letters, digits, '.', '_' and '-', at most 64")
    drills = drills_of(read)
    known, at = [dict(point) for point in points], _moment(now)
    good = _point.eligible(known, at)
    none = "there is no complete recovery point that is not suspect"
    none += " or dated in the future" if _point.ahead(known, at) else ""
    if wanted:
        found = [point for point in points if point["point"] == wanted]
        if not found:
            raise _refused(f"there is no recovery point {wanted}", "status.yml lists those that exist")
        chosen = found[0]
    elif not good:
        raise _refused(none, "Name one with drill_point to rehearse with it all the same, or run the backup")
    else:
        proven = [str(drill["point"]) for drill in drills if drill.get("ok")]
        # Its mark says it of a drill whose record was lost with the server.
        times = {
            str(point["point"]): max(
                proven.count(str(point["point"])), int(any(m["mark"] == _point.PROVEN for m in point.get("marks", ())))
            )
            for point in good
        }
        pool = sorted((p for p in good if times[p["point"]] == min(times.values())), key=lambda p: str(p["point"]))
        # The smallest of exponential variables with these weights: a draw without putting back.
        weights = {str(point["point"]): len(pool) - place for place, point in enumerate(pool)}
        chosen = min(pool, key=lambda p: -math.log(chance(seed, str(p["point"]))) / weights[str(p["point"])])
    notes = []
    if chosen["state"] not in _point.GOOD:
        notes.append(f"{chosen['point']} is {chosen['state']}; it is restored because it was named")
    finding = ""
    lacks = {str(one["point"]): list(one["missing_key_tables"] or ()) for one in history or ()}
    if good:
        newest = max(str(point["point"]) for point in good)
        hours = (at - _run.began(newest)).total_seconds() / 3600
        if hours > max_age_hours:
            finding = (
                f"the newest recovery point that is not suspect, {newest}, is {hours:.0f} h old (drill_max_age_hours: "
                f"{max_age_hours:g}); look at the nights"
            )
        if not finding and (gone := lacks.get(newest)):
            finding = (
                f"the newest recovery point that is not suspect, {newest}, has no table {', '.join(gone)}, which "
                "backup_key_tables names; correct that list"
            )
    else:
        finding = none
    missing = lacks.get(str(chosen["point"]), [])
    if missing:
        notes.append(f"backup_key_tables names {', '.join(missing)}, which {chosen['point']} does not have")
    return {"point": dict(chosen), "notes": notes, "finding": finding, "missing_key_tables": missing}


def drill_engine(dump_set: t.Mapping[str, t.Any] | None, said: str, host: str) -> str:
    """The engine that a dump set is loaded into.

    :param dump_set: of the point; None for a source without a database.
    :param said: what the server's program printed on the host for C(--version); empty when it is not there.
    :raises BackupError: when it is missing or cannot take the dump.
    """
    if not dump_set:
        return ""
    engine, version = str(dump_set.get("engine", "")), str(dump_set.get("version", ""))
    name, packages = _ENGINES["mariadb" if "mariadb" in engine.lower() else "mysql"]
    match = _VERSION.search(said)
    if match is None or ("mariadb" in match[2].lower()) != (name == "MariaDB"):
        raise _refused(
            f"there is no {name} server program on {host}, so nothing could take the dump of {engine} {version}",
            f"{packages}, and run site.yml; or name a host that has it in drill_host",
        )
    here, there = _series(match[1]), _series(version)
    if here < there:
        raise _refused(
            f"{host} has {name} {match[1]}, which is older than the {version} of the dump",
            f"Upgrade the packages in drill_packages on {host} to that series",
        )
    return f"{name} {match[1]}"


def drill_room(point: t.Mapping[str, t.Any], database: str, sample_bytes: int, space: t.Mapping[str, t.Any]) -> int:
    """The bytes that a drill needs: the dump set, twice that in the instance, and the sample.

    :param database: the name of the dataset of kind database.
    :param space: of C(space_info) for the scratch place.
    :raises BackupError: when there is less.
    """
    dump = sum(int(one.get("original_size") or 0) for one in point["datasets"] if one["name"] == database)
    needed = 3 * dump + sample_bytes
    if space["free_bytes"] < needed:
        raise BackupError(
            f"{space['path']} has {_text.size(space['free_bytes'])} free, and the drill needs {_text.size(needed)}",
            untouched="Nothing was restored",
            remedy="Free space there, or ask for a smaller sample (drill_sample_bytes)",
        )
    return needed


def drill_manifests(point: t.Mapping[str, t.Any], files: t.Mapping[str, str]) -> dict[str, str]:
    """The content manifest of each dataset of a point that has one.

    :param files: where the files of its seal lie, by their names.
    """
    names = [str(one["name"]) for one in point["datasets"]]
    return {name: files[f"{name}.content"] for name in names if f"{name}.content" in files}


def drill_samples(manifests: t.Mapping[str, str], sample: t.Mapping[str, t.Any]) -> dict[str, dict[str, str]]:
    """What of each dataset was compared with which manifest, for C(drill_record).

    :param sample: the result of C(drill_sample).
    """
    return {
        name: {"manifest": manifests[name], "paths_file": one["paths_file"]} for name, one in sample["datasets"].items()
    }


def drill_measured(
    drill: t.Mapping[str, t.Any],
    dump_bytes: int,
    extractions: t.Sequence[t.Mapping[str, t.Any]],
    load: t.Mapping[str, t.Any],
    verified: t.Mapping[str, t.Any],
    engine: str,
) -> Document:
    """A drill with what was measured.

    :param dump_bytes: the size of the dump set.
    :param extractions: the results of C(borg_extract).
    :param load: the result of C(db_load), if there was a load.
    :param verified: the result of C(db_verify_info), if there was one.
    :param engine: what it was loaded into.
    """
    taken = [one for one in extractions if one.get("seconds")]
    size, seconds = sum(int(one["bytes"]) for one in taken), sum(float(one["seconds"]) for one in taken)
    rates = {"extract": round(size / seconds)} if size and seconds else {}
    loading = float(load.get("seconds") or 0)
    if dump_bytes and loading:
        rates["load"] = round(dump_bytes / loading)
    seconds += loading
    return {
        **drill,
        "bytes": size,
        "seconds": round(seconds, 3),
        "rate_bytes_per_second": round(size / seconds) if seconds else 0,
        "rates": rates,
        "engine": engine,
        "tables": verified.get("tables_checked", 0),
        "rows": verified.get("rows_checked", 0),
    }


# -------------------------------------------------------------------------------------------------------- the sample


class Draw:
    """A stratified sample of the files of a manifest, in two passes over it.

    A stratum is what has the same kind, size (in powers of ten), age (in years) and folder. Each stratum gives in turn.
    What was never proven comes first, then chance decides.

    :param limit: files at most.
    """

    def __init__(self, seed: str, limit: int, now_ns: int) -> None:
        self._seed, self._limit, self._now = seed, limit, now_ns
        self._counts: dict[tuple[t.Any, ...], int] = {}
        self._unproven: dict[tuple[t.Any, ...], int] = {}
        self._chosen: dict[tuple[t.Any, ...], list[tuple[float, bytes, int]]] = {}
        self._quota: dict[tuple[t.Any, ...], int] = {}
        self.files = 0
        self.bytes = 0

    def count(self, path: bytes, entry: _content.Entry, *, proven: bool) -> None:
        """First pass: take one file."""
        stratum = self._stratum(path, entry)
        self._unproven[stratum] = self._unproven.get(stratum, 0) + (not proven)
        self._counts[stratum] = self._counts.get(stratum, 0) + 1
        self.files += 1
        self.bytes += entry.size

    def offer(self, path: bytes, entry: _content.Entry, *, proven: bool) -> None:
        """Second pass: take the same file again."""
        if not self._quota:
            self._share()
        stratum = self._stratum(path, entry)
        # Of the largest keys the heap keeps the smallest: those are drawn.
        key = chance(self._seed, path) + (1.0 if proven else 0.0)
        heap = self._chosen.setdefault(stratum, [])
        if len(heap) < self._quota.get(stratum, 0):
            heapq.heappush(heap, (-key, path, entry.size))
        elif heap and -heap[0][0] > key:
            heapq.heapreplace(heap, (-key, path, entry.size))

    def drawn(self, limit_bytes: int) -> tuple[list[bytes], int]:
        """The paths, in the order of a manifest, and their size. A file that would not fit is left out."""
        found: list[bytes] = []
        size = 0
        rows = [sorted(heap, reverse=True) for _stratum, heap in sorted(self._chosen.items())]
        for place in range(max(map(len, rows), default=0)):
            for row in rows:
                if place < len(row) and size + row[place][2] <= limit_bytes:
                    found.append(row[place][1])
                    size += row[place][2]
        return sorted(found, key=_content.place), size

    def _share(self) -> None:
        """How many each stratum gives: one each in turn, until there are enough."""
        left = min(self._limit, self.files)
        for counts in (self._unproven, self._counts):
            open_ones = sorted(stratum for stratum, count in counts.items() if count > self._quota.get(stratum, 0))
            while left and open_ones:
                each = max(left // len(open_ones), 1)
                for stratum in list(open_ones):
                    given = min(each, left, counts[stratum] - self._quota.get(stratum, 0))
                    self._quota[stratum] = self._quota.get(stratum, 0) + given
                    left -= given
                    if self._quota[stratum] >= counts[stratum]:
                        open_ones.remove(stratum)

    def _stratum(self, path: bytes, entry: _content.Entry) -> tuple[t.Any, ...]:
        folders = path.split(b"/")[:-1]
        name = path.rpartition(b"/")[2]
        kind = name.rpartition(b".")[2].lower() if b"." in name else b""
        age = max(self._now - entry.mtime_ns, 0) // 10**9 // _YEARS
        return b"/".join(folders[:2]), kind[:8], len(str(entry.size)), age


def fingerprint(path: bytes, entry: _content.Entry) -> bytes:
    """What stands for a file with its content among those that were ever proven."""
    return hashlib.blake2b(path + b"\0" + entry.sha256, digest_size=16).digest()


# ------------------------------------------------------------------------------------------------------ the evidence


def with_drill(
    evidence: t.Mapping[str, t.Any],
    source: str,
    drill: t.Mapping[str, t.Any],
    points: t.Sequence[t.Mapping[str, t.Any]],
) -> Document:
    """The evidence with one more drill, and what of the points there are has ever been proven.

    :param points: all complete points of the source.
    """
    drills = [dict(drill), *evidence.get("drills", ())][:_KEPT]
    complete = [point for point in points if point["state"] != _point.PARTIAL]
    proven = {str(one["point"]) for one in drills if one.get("ok")}
    proven |= {
        str(point["point"])
        for point in complete
        if any(mark["mark"] == _point.PROVEN for mark in point.get("marks", ()))
    }
    archives = {one["archive_id"]: str(point["point"]) for point in complete for one in point["datasets"]}
    unproven = sorted(str(point["point"]) for point in complete if point["point"] not in proven)
    return {
        "source": source,
        "drills": drills,
        "coverage": {
            "points_total": len(complete),
            "points_proven": len(complete) - len(unproven),
            "archives_total": len(archives),
            "archives_proven": sum(point in proven for point in archives.values()),
            "oldest_unproven_point": unproven[0] if unproven else None,
        },
    }


def drill_result(drill: t.Mapping[str, t.Any], task: str, result: t.Mapping[str, t.Any]) -> Document:
    """What became of a drill: what was found about the point is told from what kept the drill from being held.

    :param drill: as far as it came, perhaps with a C(finding).
    :param task: the task that failed; empty when none did.
    :param result: its result.
    """
    # Of a loop only its turns say what failed.
    failed = [turn for turn in result.get("results") or () if turn.get("failed") or turn.get("unreachable")]
    result = failed[0] if failed else result
    message = _WRAPPED.sub("", str(result.get("msg") or "it failed without a message")) if task else ""
    # What gave way, or had no room or no answer, has found nothing.
    hindered = bool({"kind", "needed", "refusals", "errno"} & set(result)) or result.get("msgid") in _HINDRANCES
    # Borg was ended, or came to no repository: it says whether it tells of what is in there.
    hindered = hindered or result.get("found") is False
    found = task in FINDINGS and not hindered and not result.get("unreachable")
    finding = f"{task}: {message}" if found else str(drill.get("finding") or "")
    return {
        **drill,
        "ok": not task and not finding,
        "finding": finding,
        "touches_point": found,
        "problem": f"{task}: {message}" if task and not found else "",
    }


def drill_lines(result: t.Mapping[str, t.Any]) -> list[str]:
    """One drill for people.

    :param result: C(source), C(problem), C(finding), C(notes), C(drill) and C(coverage), as far as it came.
    """
    lines = [f"{result['source']}:"]
    lines += [f"  {_text.plain(str(note))}" for note in result.get("notes", ())]
    drill = result.get("drill") or {}
    if drill:
        lines.append(f"  recovery point {drill['point']}, seed {drill['seed']}")
    if drill.get("tables"):
        lines.append(
            f"  database: {drill['tables']} tables with {drill['rows']} rows loaded into {drill['engine']} and compared"
        )
    for name, one in sorted((drill.get("datasets") or {}).items()):
        lines.append(
            f"  {name}: {one['files_sampled']} of {one['files_total']} files taken out and compared; "
            f"{one['share_proven'] * 100:.1f} % of its files were proven at some time"
        )
    if drill.get("seconds"):
        lines.append(
            f"  {_text.size(drill['bytes'])} in {_text.duration(drill['seconds'])} "
            f"({_text.size(drill['rate_bytes_per_second'])}/s)"
        )
    coverage = result.get("coverage") or {}
    if coverage:
        oldest = coverage["oldest_unproven_point"]
        lines.append(
            f"  proven so far: {coverage['points_proven']} of {coverage['points_total']} points, "
            f"{coverage['archives_proven']} of {coverage['archives_total']} archives"
            + (f"; the oldest that was never proven: {oldest}" if oldest else "")
        )
    if result.get("finding"):
        lines.append(f"  FAILED: {_text.plain(str(result['finding']))}")
    if result.get("problem"):
        lines.append(f"  could not be held: {_text.plain(str(result['problem']))}")
    return lines


def drill_verdict(hosts: t.Mapping[str, Host], plan: t.Sequence[Document], run_id: str, server: str = "") -> Document:
    """How the drills went, for people and for the ledger.

    :param hosts: variables by host name; those of a server have C(drill_results), one a source, and perhaps
        C(drill_problem).
    :param server: judge only this one.
    :return: C(ok), C(title), C(lines) and C(outcomes).
    """
    failures: list[str] = []
    lines: list[str] = []
    outcomes: list[Document] = []
    for name in dict.fromkeys(source["server"] for source in plan):
        if server not in ("", name):
            continue
        results = {one["source"]: one for one in hosts[name].get("drill_results") or ()}
        problem = hosts[name].get("drill_problem")
        if problem:
            failures.append(name)
            lines.append(f"{name}: {_text.plain(str(problem))}")
        for source in plan:
            if source["server"] != name:
                continue
            result = results.get(source["name"]) or {"source": source["name"], "problem": "no drill was begun"}
            message = "; ".join(str(result[name]) for name in ("finding", "problem") if result.get(name))
            lines += drill_lines(result)
            failures += [source["name"]] if message else []
            outcomes.append(
                {
                    "source": source["name"],
                    "ok": not message,
                    "message": message,
                    "point": (result.get("drill") or {}).get("point", ""),
                }
            )
    title = f"drill FAILED: {', '.join(dict.fromkeys(failures))}" if failures else "drill good"
    return {"ok": not failures, "title": f"{title} (run {run_id})", "lines": lines, "outcomes": outcomes, "points": []}


def _series(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _refused(what: str, remedy: str) -> BackupError:
    return BackupError(what, untouched="Nothing was restored", remedy=remedy)
