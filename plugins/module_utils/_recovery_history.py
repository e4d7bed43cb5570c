# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What the seals say about the course of all recovery points; no archive of a dataset is opened.

A seal has the content manifests of its point and the manifest of its dump set. They are taken out once; what came of
the comparison of a point with the one before lies beside the cache of the seals.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t
from dataclasses import asdict, dataclass, field, fields

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _document
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _datajoint,
    _dump_manifest,
    _form,
    _history,
    _point,
)
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

FOLDER = "history"
_SUFFIX = ".content"
_COUNTS = frozenset(one.name for one in fields(_history.Step))
# What is relied on of what lies in the cache.
_FORM = {
    "facts": {
        "datasets": {str: {"files": (int, None), "bytes": (int, None)}},
        "database": (str, None),
        "tables": ({str: int}, None),
        "key_tables": [str],
    },
    "steps": {str: {"before": str, "counts": dict.fromkeys(_COUNTS, int)}},
}
Document = dict[str, t.Any]
Points = t.Sequence[t.Mapping[str, t.Any]]


@dataclass
class _Seals:
    """Seals that are taken out of their repository, each once, as long as somebody needs it."""

    repository: _borg.Repository
    top: str
    warnings: list[str] = field(default_factory=list)
    _folders: dict[str, tempfile.TemporaryDirectory[str]] = field(default_factory=dict)

    def folder(self, point: t.Mapping[str, t.Any]) -> str:
        """The folder with the files of a seal."""
        name = str(point["point"])
        if name not in self._folders:
            folder = tempfile.TemporaryDirectory(prefix=".labops-seal-", dir=self.top)
            try:
                self.repository.unpack(point["seal"]["archive"], folder.name)
            except BaseException:
                folder.cleanup()
                raise
            self._folders[name] = folder
        return self._folders[name].name

    def keep_only(self, points: t.Container[str]) -> None:
        """Remove the files of all other seals."""
        for name in [name for name in self._folders if name not in points]:
            self._folders.pop(name).cleanup()

    def manifest(
        self, point: t.Mapping[str, t.Any], dataset: str
    ) -> contextlib.AbstractContextManager[_content_manifest.Reader]:
        """The content manifest of a dataset in a seal.

        :raises BackupError: when it is not the one that was sealed.
        """
        return _sealed(os.path.join(self.folder(point), dataset + _SUFFIX), point, dataset)


@contextlib.contextmanager
def _sealed(path: str, point: t.Mapping[str, t.Any], dataset: str) -> t.Iterator[_content_manifest.Reader]:
    with _content_manifest.opened(path) as reader:
        if reader.sha256 != point["files"][dataset + _SUFFIX]["sha256"]:
            raise BackupError(
                f"the content manifest of {dataset} in the seal of {point['point']} is not the one that was sealed",
                untouched="Nothing was changed",
                remedy="Run borg check on the repository of the seals",
            )
        yield reader


def datasets_of(point: t.Mapping[str, t.Any]) -> list[str]:
    """The datasets whose content manifest is in a seal."""
    archived = {one["name"] for one in point["datasets"]}
    found = (name.removesuffix(_SUFFIX) for name in point.get("files", {}) if name.endswith(_SUFFIX))
    return sorted(name for name in found if name in archived)


def history(
    repository: _borg.Repository,
    points: Points,
    *,
    cache_dir: str,
    key_tables: t.Sequence[str],
    limits: _history.Limits,
    keep: bool,
) -> Document:
    """The course of all points; returns most of the result of the module ``recovery_history_info``.

    :param points: as ``_recovery_points.read`` lists them.
    :param keep: put what was found into the cache.
    """
    ordered = sorted(points, key=lambda one: str(one["point"]))
    with _taken_out(repository, cache_dir) as seals:
        facts: dict[str, Document] = {}
        steps: dict[str, dict[str, tuple[str, _history.Step]]] = {}
        last: dict[str, t.Mapping[str, t.Any]] = {}
        compared = 0
        for point in ordered:
            name = str(point["point"])
            names = datasets_of(point)
            before = {dataset: last[dataset] for dataset in names if dataset in last}
            path = os.path.join(cache_dir, FOLDER, f"{name}.json")
            known = _cached(path, point, before)
            if known is None:
                trouble = len(seals.warnings)
                known = _look(seals, point, before)
                compared += 1
                if keep and len(seals.warnings) == trouble:
                    seals.warnings += _keep(path, known)
            facts[name] = known["facts"]
            steps[name] = {
                dataset: (one["before"], _history.Step(**one["counts"])) for dataset, one in known["steps"].items()
            }
            if _history.is_base(point):
                last |= dict.fromkeys(known["facts"]["datasets"], point)
            seals.keep_only({str(one["point"]) for one in last.values()})
        if keep:
            _forget(os.path.join(cache_dir, FOLDER), set(facts))
    told = _history.tell(ordered, facts, steps, key_tables=key_tables, limits=limits)
    return {**told, "compared": compared, "warnings": seals.warnings}


def find(
    repository: _borg.Repository, points: Points, sought: t.Sequence[t.Mapping[str, str]], *, cache_dir: str
) -> Document:
    """Which points hold a path, newest first; returns RV(in_points) of the module ``recovery_history_info``.

    :param sought: C(dataset) and C(path) of each.
    """
    patterns = [_history.Sought(one["path"]) for one in sought]
    result: list[Document] = [{"dataset": one["dataset"], "path": one["path"], "points": []} for one in sought]
    with _taken_out(repository, cache_dir) as seals:
        for point in sorted(points, key=lambda one: str(one["point"]), reverse=True):
            for one, pattern in zip(result, patterns, strict=True):
                if one["dataset"] not in datasets_of(point):
                    continue
                try:
                    with seals.manifest(point, one["dataset"]) as reader:
                        found = _history.holdings(reader.line, pattern)
                except (BackupError, OSError) as error:
                    seals.warnings.append(f"{one['dataset']} in {point['point']} was left out: {error}")
                    continue
                if found["files"] or found["folders"]:
                    one["points"].append({"point": point["point"], "state": point["state"], **found})
            seals.keep_only(())
    return {"in_points": result, "warnings": seals.warnings}


@contextlib.contextmanager
def _taken_out(repository: _borg.Repository, cache_dir: str) -> t.Iterator[_Seals]:
    os.makedirs(cache_dir, mode=0o700, exist_ok=True)
    seals = _Seals(repository, cache_dir)
    try:
        yield seals
    finally:
        seals.keep_only(())


def _look(seals: _Seals, point: t.Mapping[str, t.Any], before: t.Mapping[str, t.Mapping[str, t.Any]]) -> Document:
    """Compare a point with the ones before it, by dataset."""
    facts: Document = {"datasets": {}, "database": None, "tables": None, "key_tables": []}
    steps: Document = {}
    for dataset in datasets_of(point):
        try:
            with contextlib.ExitStack() as opened:
                now = opened.enter_context(seals.manifest(point, dataset))
                if dataset in before:
                    was = opened.enter_context(seals.manifest(before[dataset], dataset))
                    counts = _history.step(was.line, now.line, was.totals)
                    steps[dataset] = {"before": before[dataset]["point"], "counts": asdict(counts)}
                facts["datasets"][dataset] = {
                    "files": now.totals.get("files", 0) + now.totals.get("others", 0),
                    "bytes": now.totals.get("bytes", 0),
                }
        except (BackupError, OSError) as error:
            seals.warnings.append(f"{dataset} in {point['point']} was left out: {error}")
    if point["dump_set"]:
        try:
            manifest = _sealed_manifest(seals.folder(point), point["dump_set"]["id"])
        except (BackupError, OSError) as error:
            seals.warnings.append(f"the tables of {point['point']} were left out: {error}")
        else:
            facts |= {"tables": _history.tables(manifest), "key_tables": _datajoint.key_tables(manifest)}
            # What a dump set holds is proven by its own manifest, so this dataset alone has no content manifest.
            for one in point["datasets"]:
                if one["name"] not in datasets_of(point):
                    facts["database"] = one["name"]
                    facts["datasets"][one["name"]] = {"files": one.get("files"), "bytes": one.get("bytes")}
    return {
        "seal": dict(point["seal"]),
        "before": {dataset: one["seal"]["archive_id"] for dataset, one in before.items()},
        "facts": facts,
        "steps": steps,
    }


def _sealed_manifest(folder: str, dump_set: str) -> Document:
    path = os.path.join(folder, _point.DUMP_MANIFEST)
    manifest = _document.read(path)
    problems = _dump_manifest.problems(manifest, dump_set)
    if problems:
        raise BackupError(f"{path} is a false manifest: {'; '.join(problems)}")
    return manifest


def _cached(path: str, point: t.Mapping[str, t.Any], before: t.Mapping[str, t.Mapping[str, t.Any]]) -> Document | None:
    """What is known of the very same seal and the very same seals before it, if this release can understand it."""
    with contextlib.suppress(OSError, BackupError):
        known = _document.read(path)
        ids = {dataset: one["seal"]["archive_id"] for dataset, one in before.items()}
        same = known.get("seal") == point["seal"] and known.get("before") == ids
        if (
            same
            and not _form.wrong(known, _FORM)
            and all(_COUNTS.issuperset(one["counts"]) for one in known["steps"].values())
        ):
            return known
    return None


def _keep(path: str, known: Document) -> list[str]:
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _document.write(path, known)
    except OSError as error:
        return [f"{path} could not be written: {error.strerror}. Next time this point is compared again."]
    return []


def _forget(folder: str, points: t.Container[str]) -> None:
    """Remove what is known of points that are gone."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if name.removesuffix(".json") not in points:
                os.unlink(os.path.join(folder, name))
