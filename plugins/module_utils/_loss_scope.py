# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What an incident has destroyed: live trees and the live database against the manifests of a recovery point."""

from __future__ import annotations

import contextlib
import os
import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _content_manifest,
    _document,
    _listed,
    _live_tree,
    _progress,
    _tree,
)
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _content,
    _datajoint,
    _dump_manifest,
    _loss,
)
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader, Schema
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

CONTENT = "content"
_RESTORE = "restore"
_LISTS = (*_loss.KINDS, _RESTORE)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_BUFFER = 1 << 18
_READ_BYTES = 1 << 18
_UNTOUCHED = "Nothing was looked at"


@dataclass(frozen=True)
class Tree:
    """One dataset of the source and what the point says about it.

    :param manifest: its content manifest from the seal.
    :param path: its live tree.
    :param everything: read every file; otherwise only those with another time.
    :param only: these paths and what is below them; empty for the whole tree.
    :param stores: folders of DataJoint stores in it; None when the layout has to tell.
    :param accept: SHA-256 and shown path of newer files that are taken as they are.
    """

    dataset: str
    manifest: str
    path: str
    everything: bool
    only: tuple[bytes, ...] = ()
    stores: tuple[bytes, ...] | None = None
    accept: frozenset[tuple[str, str] | None] = frozenset()

    @classmethod
    def of(cls, options: t.Mapping[str, t.Any]) -> Tree:
        """The tree that an element of a module's option ``files`` names.

        :raises BackupError: when it cannot be meant.
        """
        dataset, path = options["dataset"], options["path"]
        if not _NAME.fullmatch(dataset):
            raise BackupError(f"{dataset!r} is not the name of a dataset", untouched=_UNTOUCHED)
        if not os.path.isabs(path):
            raise BackupError(f"the path {path!r} of {dataset} is not absolute", untouched=_UNTOUCHED)
        only = tuple(os.fsencode(os.path.normpath(one)) for one in options["only"])
        bad = [one for one in only if os.path.isabs(one) or one.split(b"/")[0] in (b"..", b".")]
        if bad:
            raise BackupError(f"{_content.shown(bad[0])!r} is no path inside {dataset}", untouched=_UNTOUCHED)
        stores = options["stores"]
        for store in stores or ():
            if not _content.is_inside(store):
                raise BackupError(f"the store {store!r} is no path below {dataset}", untouched=_UNTOUCHED)
        for text in options["accept"]:
            if _content.acceptance(text) is None:
                raise BackupError(f"{text!r} in accept is not SHA-256 and path", untouched=_UNTOUCHED)
        return cls(
            *(dataset, options["manifest"], path, options["depth"] == CONTENT, only),
            stores=None if stores is None else tuple(map(os.fsencode, stores)),
            accept=frozenset(map(_content.acceptance, options["accept"])),
        )


File = tuple[str, bytes]


def compare(
    trees: t.Sequence[Tree],
    *,
    lists_dir: str | None,
    progress_file: str | None,
    newer_damaged: list[File] | None = None,
) -> list[dict[str, t.Any]]:
    """Compare every tree; returns RV(files) of the module ``loss_scope_info``.

    :param lists_dir: where the lists of paths go; None for no lists.
    :param newer_damaged: gets dataset and path of all that is newer and damaged.
    :raises BackupError: when a manifest is not whole, before anything is looked at.
    """
    names = [tree.dataset for tree in trees]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BackupError(f"{', '.join(twice)} is named more than once in files", untouched=_UNTOUCHED)
    with contextlib.ExitStack() as opened:
        manifests = []
        for tree in trees:
            try:
                manifests.append(opened.enter_context(_content_manifest.opened(tree.manifest)))
            except FileNotFoundError:
                raise BackupError(
                    f"there is no content manifest {tree.manifest} of {tree.dataset}",
                    untouched=_UNTOUCHED,
                    remedy="Copy it from the seal of the recovery point",
                ) from None
        if lists_dir is not None:
            os.makedirs(lists_dir, mode=0o700, exist_ok=True)
        return [
            _compare(tree, manifest, lists_dir, _shown(progress_file, tree, manifest.totals), newer_damaged)
            for tree, manifest in zip(trees, manifests, strict=True)
        ]


def _shown(path: str | None, tree: Tree, totals: t.Mapping[str, int]) -> _progress.Progress:
    files = totals.get("files", 0) + totals.get("others", 0)
    return _progress.Progress(path, f"compare {tree.dataset}", totals.get("bytes", 0), total_files=files)


def _compare(
    tree: Tree,
    manifest: _content_manifest.Reader,
    lists_dir: str | None,
    progress: _progress.Progress,
    newer_damaged: list[File] | None,
) -> dict[str, t.Any]:
    started = time.monotonic()
    links = _live_tree.linked(manifest)
    manifest.rewind()
    result: dict[str, t.Any] = {}
    with _Lists(lists_dir, tree.dataset) as lists:

        def take(kind: str, path: bytes) -> None:
            lists.take(kind, path)
            if newer_damaged is not None and kind == _loss.NEWER_DAMAGED:
                newer_damaged.append((tree.dataset, path))

        found = _live_tree.Comparison(
            tree.path,
            manifest,
            everything=tree.everything,
            only=tree.only,
            links=links,
            stores=_content.Stores(tree.stores),
            accept=tree.accept,
            take=take,
            needs=lists.needs,
            news=lambda found: progress.reached(found.expected_bytes, found.expected),
        ).run()
        if lists_dir is not None:
            manifest.rewind()
            result = {"restore": lists.finish(manifest, links), "lists": lists.paths}
    seconds = time.monotonic() - started
    return {
        "dataset": tree.dataset,
        "path": tree.path,
        "depth": CONTENT if tree.everything else "metadata",
        "state": found.state,
        "reason": _reason(tree, found),
        "marker": found.marker,
        "expected": {"files": found.expected, "bytes": found.expected_bytes},
        "unknown": _unknown(tree),
        **{
            kind: {
                "files": one.files,
                "folders": one.folders,
                "bytes": one.size,
                "examples": [_content.shown(path) for path in one.examples],
            }
            for kind, one in found.classes.items()
        },
        "changed_since": found.changed_since,
        "unreadable": found.unreadable,
        "unsettled": found.unsettled,
        "relinked": found.relinked,
        "folder_times": found.folder_times,
        "transfer_bytes": found.transfer_bytes,
        **result,
        "file_system": _tree.file_system(tree.path),
        "hashed_files": found.hashed_files,
        "hashed_bytes": found.hashed_bytes,
        "seconds": round(seconds, 3),
        "rate": round(found.hashed_bytes / seconds) if seconds else 0,
    }


def _unknown(tree: Tree) -> list[str]:
    """Those of the paths that are meant which the point does not have."""
    meant = sorted(set(tree.only), key=_content.place)
    found = _listed.selected(tree.manifest, meant) if meant else ()
    return [_content.shown(path) for path, entry in found if entry is None]


def _reason(tree: Tree, found: _live_tree.Found) -> str:
    """Why a dataset is not intact, in one line."""
    if found.gone:
        return found.gone
    if found.state == _loss.INTACT:
        return ""
    if found.state == _loss.LOST:
        empty = f"{tree.path} has nothing of what the point holds"
        if found.marker == _loss.MISSING and not any(
            found.classes[kind].files for kind in (_loss.NEWER, _loss.NEWER_DAMAGED)
        ):
            return f"{empty}: it is empty, or its file system is not mounted"
        return empty
    counts = [
        f"{found.classes[kind].files + found.classes[kind].folders} {label}"
        for kind, label in (
            (_loss.MISSING, "missing"),
            (_loss.DAMAGED, "damaged"),
            (_loss.METADATA, "with another owner, mode, time or link"),
            (_loss.NEWER_DAMAGED, "newer and damaged"),
        )
        if found.classes[kind].files + found.classes[kind].folders
    ]
    other = "; its marker is another one: does another tree lie there?" if found.marker == _loss.DAMAGED else ""
    return ", ".join(counts) + other


class _Lists:
    """The paths of each class as files, NUL after each path; complete under their names, or not there."""

    def __init__(self, folder: str | None, dataset: str) -> None:
        self.paths = {} if folder is None else {kind: os.path.join(folder, f"{dataset}.{kind}") for kind in _LISTS}
        self._folder = folder
        self._opened = contextlib.ExitStack()
        self._streams: dict[str, t.BinaryIO] = {}
        self._needed: dict[bool, t.BinaryIO] = {}

    def __enter__(self) -> _Lists:
        for kind, path in self.paths.items():
            self._streams[kind] = self._open(path + ".new")
        if self.paths:
            self._needed = {
                is_folder: self._open(f"{self.paths[_RESTORE]}.{what}")
                for is_folder, what in ((True, "folders"), (False, "entries"))
            }
        return self

    def _open(self, path: str) -> t.BinaryIO:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        stream = self._opened.enter_context(os.fdopen(descriptor, "w+b", buffering=_BUFFER))
        self._opened.callback(self._forget, path)
        return stream

    @staticmethod
    def _forget(path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def __exit__(self, *_error: object) -> None:
        self._opened.close()

    def take(self, kind: str, path: bytes) -> None:
        """A path and its class."""
        if self._streams:
            self._streams[kind].write(path + b"\0")

    def needs(self, is_folder: bool, path: bytes) -> None:
        """A path that has to be brought."""
        if self._needed:
            self._needed[is_folder].write(path + b"\0")

    def finish(self, manifest: _content_manifest.Reader, links: _live_tree.Links) -> dict[str, int]:
        """Write the list of what has to be brought and give all lists their names; returns its count and bytes."""
        count = total = 0
        folders, entries = (_read(self._needed[is_folder]) for is_folder in (True, False))
        for raw, size in _live_tree.to_bring(manifest, links, folders, entries):
            self._streams[_RESTORE].write(raw + b"\0")
            count += 1
            total += size
        for kind, path in self.paths.items():
            self._streams[kind].flush()
            os.fsync(self._streams[kind].fileno())
            os.replace(path + ".new", path)
        _document.sync_folder(str(self._folder))
        return {"entries": count, "bytes": total}


def _read(stream: t.BinaryIO) -> t.Iterator[bytes]:
    """The paths in a list, from its beginning."""
    stream.seek(0)
    rest = b""
    while chunk := stream.read(_READ_BYTES):
        *paths, rest = (rest + chunk).split(b"\0")
        yield from paths


# -------------------------------------------------------------------------------------------------------- databases


def compare_database(
    manifest: t.Mapping[str, t.Any], connection: _database.Connection, newer_damaged: t.Sequence[File] = ()
) -> dict[str, t.Any]:
    """Compare the live database; returns RV(database) of the module ``loss_scope_info``.

    A server that does not answer is a result.

    :param manifest: of the point's dump set, as :func:`dump_manifest` reads it.
    :param newer_damaged: dataset and path of the files that are newer and damaged; rows that use them are looked for.
    """
    started = time.monotonic()
    try:
        server = _database.server(connection)
        there = _database.schemas(connection)
    except BackupError as error:
        found = {**_loss.database_gone(manifest, error.what), "refers": {}, "engine": None, "version": None}
        live_bytes = None
    else:
        found = _look_into(manifest, connection, server, there, newer_damaged)
        found.update(engine=server.engine, version=server.version)
        live_bytes = _database.data_bytes(connection, there) if there else 0
    return {
        "dump_set": manifest["id"],
        **found,
        "live_bytes": live_bytes,
        "point_bytes": manifest.get("data_bytes"),
        "dump_bytes": sum(one["size"] for one in manifest["files"].values()),
        "seconds": round(time.monotonic() - started, 3),
    }


def dump_manifest(path: str) -> dict[str, t.Any]:
    """The manifest of the point's dump set, from the seal.

    :raises BackupError: when it cannot be believed.
    """
    try:
        manifest = _document.read(path, untouched=_UNTOUCHED)
    except FileNotFoundError:
        raise BackupError(
            f"there is no manifest {path} of a dump set",
            untouched=_UNTOUCHED,
            remedy="Copy it from the seal of the recovery point",
        ) from None
    problems = _dump_manifest.problems(manifest, str(manifest.get("id")))
    if problems:
        raise BackupError(f"{path} cannot be believed: {'; '.join(problems)}", untouched=_UNTOUCHED)
    return manifest


def _look_into(
    manifest: t.Mapping[str, t.Any],
    connection: _database.Connection,
    server: _database.Server,
    there: t.Sequence[str],
    newer_damaged: t.Sequence[File],
) -> dict[str, t.Any]:
    expected = _dump_manifest.schemas(manifest)
    present = [name for name in expected if name in there]
    newer = sorted(set(there) - set(expected))
    referrers = _datajoint.Referrers(newer_damaged) if newer_damaged else None
    asked = present + (newer if referrers is not None else [])
    by_digest = _loss.comparable(manifest, server.engine, server.version)
    found = {name: _loss.schema_gone(manifest, name, _loss.LOST) for name in expected}
    reasons: dict[str, str] = {}
    history = _dump_manifest.dump_options(manifest)
    for name, (live, inventory) in _read_schemas(connection, asked, reasons, history, referrers).items():
        if name in found:
            found[name] = _loss.schema(manifest, live, inventory, by_digest=by_digest)
    for name, reason in reasons.items():
        if name in found:
            found[name] = {**_loss.schema_gone(manifest, name, _loss.UNREADABLE), "reason": reason}
    refers = {} if referrers is None else _refers(referrers.by_schema, reasons)
    return {**_loss.database(found, newer, by_digest=by_digest), "refers": refers}


def _refers(by_schema: t.Mapping[str, t.Collection[File]], unread: t.Iterable[str]) -> dict[str, dict[str, t.Any]]:
    """By schema, how many files its rows use, and the first of them; None of a schema that could not be read."""
    told: dict[str, dict[str, t.Any]] = {
        name: {
            "files": len(files),
            "examples": [f"{dataset}/{_content.shown(path)}" for dataset, path in sorted(files)[: _live_tree.EXAMPLES]],
        }
        for name, files in sorted(by_schema.items())
    }
    return told | {name: {"files": None, "examples": []} for name in unread}


_Live = dict[str, tuple[Schema, t.Mapping[str, t.Sequence[str]]]]


def _read_schemas(
    connection: _database.Connection,
    names: t.Sequence[str],
    reasons: dict[str, str],
    options: t.Sequence[str],
    referrers: _datajoint.Referrers | None,
) -> _Live:
    """What the schemas hold, by the dump tool; nothing of it is written anywhere.

    The tool stops at the first table that cannot be read. Then every schema is asked for alone.

    :param reasons: gets the schemas that cannot be read, and why.
    :param options: of the dump tool, see ``_database.dump``.
    :param referrers: gets the rows; None when nobody asks who refers to a file.
    """
    if not names:
        return {}
    try:
        inventory = _database.inventory(connection, names)
        views = [(schema, view) for schema, objects in inventory.items() for view in objects["views"]]
        reader = Reader() if referrers is None else Reader(referrers.wanted, referrers.take_row)
        broken = _database.broken_views(connection, views)
        _database.dump(connection, names, reader.feed, without=broken, options=options)
        problems = reader.problems() + [f"{name} is not in the dump" for name in names if name not in reader.schemas]
        if problems:
            raise BackupError(f"what the dump tool says is no whole dump: {'; '.join(problems)}")
        return {name: (reader.schemas[name], inventory[name]) for name in names}
    except BackupError as error:
        if len(names) == 1:
            reasons[names[0]] = error.what
            return {}
    found: _Live = {}
    for name in names:
        found |= _read_schemas(connection, [name], reasons, options, referrers)
    return found
