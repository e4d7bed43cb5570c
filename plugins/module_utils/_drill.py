# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A drill's files: the sample that is drawn, every reference looked up in the manifests, and what was ever proven."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _document, _path_list
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _datajoint, _drill

_FINGERPRINT = 16
_EXAMPLES = 5
# When no number is asked for.
_MOST_FILES = 50_000
_ABSENT = "is in no archive"

Document = dict[str, t.Any]


def draw(
    manifests: t.Mapping[str, str],
    references_file: str | None,
    *,
    seed: str,
    files: int,
    limit_bytes: int,
    proven_dir: str,
    directory: str,
    accepted: _content.Accepted,
    dry: bool,
) -> Document:
    """Draw a sample of each dataset and look up every reference; returns the result of the module ``drill_sample``.

    :param accepted: what is taken as it is.
    :raises BackupError: when more is asked for than there is.
    """
    totals = {name: _count(path) for name, path in manifests.items()}
    largest = max(totals.values(), default=0)
    if files > largest:
        raise BackupError(
            f"a sample of {files} files was asked for, and no archive of this point holds more than {largest}",
            untouched="Nothing was restored",
            remedy="Give a smaller drill_sample_files, or 0 for as many as drill_sample_bytes allows",
            kind="request",  # nothing was found about the point
        )
    datasets: Document = {}
    drawn: dict[str, set[bytes]] = {}
    for name, manifest in manifests.items():
        paths, size, small = _sample(
            manifest,
            read_proven(_proven_file(proven_dir, name)),
            seed=seed,
            files=files or _MOST_FILES,
            limit_bytes=limit_bytes,
        )
        listed = os.path.join(directory, f"{name}.paths")
        if not dry:
            _path_list.write(listed, paths)
        drawn[name] = set(paths)
        datasets[name] = {"paths_file": listed, "files": len(paths), "bytes": size}
        datasets[name] |= {"files_total": totals[name], "files_too_large": totals[name] - small}
    result: Document = {"datasets": datasets, "bytes": sum(one["bytes"] for one in datasets.values())}
    if references_file is not None:
        kept = os.path.join(directory, "drawn.jsonl")
        result.update(_references(references_file, manifests, drawn, kept, accepted, dry=dry), references_file=kept)
    return result


def _count(manifest: str) -> int:
    return sum(entry.is_file for _path, entry in _content_manifest.entries(manifest))


def _sample(
    manifest: str, proven: t.Container[bytes], *, seed: str, files: int, limit_bytes: int
) -> tuple[list[bytes], int, int]:
    sample = _drill.Draw(seed, files, time.time_ns())
    # What is larger than everything that may be taken can never be drawn, and no stratum is to wait for it.
    for path, entry in _content_manifest.entries(manifest):
        if entry.is_file and entry.size <= limit_bytes:
            sample.count(path, entry, proven=_drill.fingerprint(path, entry) in proven)
    for path, entry in _content_manifest.entries(manifest):
        if entry.is_file and entry.size <= limit_bytes:
            sample.offer(path, entry, proven=_drill.fingerprint(path, entry) in proven)
    return (*sample.drawn(limit_bytes), sample.files)


def _references(
    file: str,
    manifests: t.Mapping[str, str],
    drawn: t.Mapping[str, set[bytes]],
    kept: str,
    accepted: _content.Accepted,
    *,
    dry: bool,
) -> Document:
    """Look up every reference in the manifests, and write down those whose files were drawn.

    What is accepted as it is counts apart and needs no further look.
    """
    sizes: dict[tuple[str, bytes], int] = {}
    as_it_is: set[tuple[str, bytes]] = set()
    folders: set[tuple[str, bytes]] = set()
    for name, manifest in manifests.items():
        for known, entry in _content_manifest.entries(manifest):
            if entry.is_file:
                sizes[name, known] = entry.size
                if accepted.content(known, entry.sha256.decode()):
                    as_it_is.add((name, known))
            elif entry.is_folder:
                folders.add((name, known))
    counts = {"references": 0, "references_drawn": 0, "references_missing": 0, "references_accepted": 0}
    examples: list[str] = []
    lines: list[bytes] = []
    path: bytes | None
    with open(file, "rb") as stream:
        lines.append(stream.readline())
        for number, line in enumerate(stream, start=2):
            reference = _datajoint.decode_reference(line, f"line {number} of {file}")
            path = _datajoint.reference_path(reference)
            dataset = str(reference.get("dataset"))
            counts["references"] += 1
            place = dataset, None if path is None else os.path.normpath(path)
            if place in as_it_is:
                counts["references_accepted"] += reference["used"]
                continue
            if place[1] in drawn.get(dataset, ()):
                counts["references_drawn"] += 1
                lines.append(line)
            if not reference["used"] or (dataset not in manifests and path is not None):
                continue
            problem = _missing(reference, place, sizes, folders)
            if problem == _ABSENT and path is not None and accepted.missing(dataset, os.path.normpath(path)):
                counts["references_accepted"] += 1
            elif problem:
                counts["references_missing"] += 1
                if len(examples) < _EXAMPLES:
                    where = reference.get("dataset") or "no dataset"
                    examples.append(f"{where}: {_content.shown(path or b'?')} {problem}")
    if not dry:
        _document.write_bytes(kept, b"".join(lines))
    return {**counts, "references_examples": examples}


def _missing(
    reference: t.Mapping[str, t.Any],
    place: tuple[str, bytes | None],
    sizes: t.Mapping[tuple[str, bytes], int],
    folders: t.Container[tuple[str, bytes]],
) -> str:
    dataset, path = place
    if path is None:
        return "leads to no place"
    if reference.get("is_folder") is True:
        return "" if (dataset, path) in folders else _ABSENT
    size = sizes.get((dataset, path))
    if size is None:
        return _ABSENT
    wanted = reference.get("size")
    return f"has {size} bytes and not {wanted}" if wanted is not None and size != wanted else ""


# ------------------------------------------------------------------------------------------------------ the evidence


def _proven_file(folder: str, dataset: str) -> str:
    return os.path.join(folder, f"{dataset}.proven")


def read_proven(file: str) -> set[bytes]:
    """The fingerprints of all files that were ever proven."""
    try:
        with open(file, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        return set()
    # A last piece that was cut off would stand among the others when they are written again, and shift what follows.
    whole = len(content) - len(content) % _FINGERPRINT
    return {content[place : place + _FINGERPRINT] for place in range(0, whole, _FINGERPRINT)}


def record(
    evidence_file: str,
    source: str,
    drill: t.Mapping[str, t.Any],
    points: t.Sequence[t.Mapping[str, t.Any]],
    samples: t.Mapping[str, t.Mapping[str, str]],
    *,
    proven_dir: str,
    dry: bool,
) -> Document:
    """Write a drill down, with what it proved; returns the result of the module ``drill_record``.

    :param samples: by dataset C(manifest) and C(paths_file).
    """
    try:
        evidence = _document.read(evidence_file, untouched=_drill.UNTOUCHED, remedy=_drill.REMEDY)
        _drill.check_drills(evidence, evidence_file)
    except FileNotFoundError:
        evidence = {}
    datasets = {}
    for name, sample in samples.items():
        file = _proven_file(proven_dir, name)
        proven = read_proven(file)
        drawn = set(_path_list.read([sample["paths_file"]]))
        total = known = 0
        for path, entry in _content_manifest.entries(sample["manifest"]):
            if not entry.is_file:
                continue
            mark = _drill.fingerprint(path, entry)
            if path in drawn and drill["ok"]:
                proven.add(mark)
            total += 1
            known += mark in proven
        datasets[name] = {
            "files_sampled": len(drawn),
            "files_proven": known,
            "files_total": total,
            "share_proven": round(known / total, 4) if total else 1.0,
        }
        if not dry and drill["ok"]:
            os.makedirs(proven_dir, mode=0o700, exist_ok=True)
            _document.write_bytes(file, b"".join(sorted(proven)))
    whole = {**drill, "datasets": datasets}
    after = _drill.with_drill(evidence, source, whole, points)
    if not dry:
        os.makedirs(os.path.dirname(evidence_file), mode=0o700, exist_ok=True)
        _document.write(evidence_file, after)
    return {"changed": True, "drill": whole, "coverage": after["coverage"]}
