# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
# ruff: noqa: S608 - the statements are put together from constants
"""Collect the files that a dump refers to, find their stores on this host, write C(references.jsonl).

There can be many millions of them, so they are kept in a temporary SQLite file beside the dump.
"""

from __future__ import annotations

import collections
import os
import sqlite3
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Row, Table

_SAMPLE = 100
_CANDIDATES = 4000
_DEEPEST = 6
_WIDEST = 4
_BATCH = 5000

_TABLES = """
CREATE TABLE tracked (schema TEXT, store TEXT, hash BLOB, size INTEGER, attachment BLOB, filepath BLOB,
  contents_hash BLOB, PRIMARY KEY (schema, store, hash)) WITHOUT ROWID;
CREATE TABLE used (schema TEXT, store TEXT, hash BLOB, PRIMARY KEY (schema, store, hash)) WITHOUT ROWID;
CREATE TABLE direct (store TEXT, path BLOB, size INTEGER, kind TEXT, hash TEXT, folder INTEGER, schema TEXT,
  PRIMARY KEY (store, path, size)) WITHOUT ROWID;
"""
_INSERTS = {
    "tracked": "INSERT OR REPLACE INTO tracked VALUES (?,?,?,?,?,?,?)",
    "used": "INSERT OR IGNORE INTO used VALUES (?,?,?)",
    "direct": "INSERT OR IGNORE INTO direct VALUES (?,?,?,?,?,?,?)",
}
_UNKNOWN_SIZE = -1


class References:
    """The references of one dump; use as the consumer of its decoded rows, then :meth:`write`."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, ".references.sqlite")
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;" + _TABLES + "BEGIN;"
        )
        self._batches: dict[str, list[tuple[t.Any, ...]]] = {name: [] for name in _INSERTS}
        self._uses: dict[tuple[str, str], list[_datajoint.TrackedUse | _datajoint.DirectUse]] = {}
        self._unreadable = 0

    def close(self) -> None:
        """Remove the temporary file."""
        self._connection.close()
        os.unlink(self._path)

    def take_row(self, table: Table, row: Row) -> None:
        """A decoded row, its columns as :func:`_datajoint.wanted_columns` names them."""
        store = _datajoint.tracking_store(table) if table.name.startswith(_datajoint.TRACKING_PREFIX) else None
        if store is not None:
            self._add("tracked", (table.schema, store, *_tracked_values(row)))
            return
        key = (table.schema, table.name)
        if key not in self._uses:
            self._uses[key] = _datajoint.uses(table)
        for use, value in zip(self._uses[key], row, strict=True):
            if value is None:
                continue
            if isinstance(use, _datajoint.TrackedUse):
                self._add("used", (use.schema, use.store, value))
            else:
                self._add_direct(table.schema, use, value)

    def _add_direct(self, schema: str, use: _datajoint.DirectUse, value: bytes) -> None:
        file = _datajoint.direct_file(use, value)
        if file is None:
            self._unreadable += 1
            return
        size = _UNKNOWN_SIZE if file.size is None else file.size
        self._add("direct", (file.store, file.path, size, file.kind, file.hash, file.is_folder, schema))

    def _add(self, kind: str, values: tuple[t.Any, ...]) -> None:
        batch = self._batches[kind]
        batch.append(values)
        if len(batch) >= _BATCH:
            self._connection.executemany(_INSERTS[kind], batch)
            batch.clear()

    def write(self, path: str, stores: t.Mapping[str, str], datasets: t.Mapping[str, str]) -> dict[str, t.Any]:
        """Write the references and return their totals.

        :param stores: location of each store that the inventory names; others are looked for.
        :param datasets: name -> path on this host.
        """
        for kind, batch in self._batches.items():
            self._connection.executemany(_INSERTS[kind], batch)
            batch.clear()
        found = {name: self._store(name, stores.get(name), datasets) for name in self._stores()}
        totals = {"files": 0, "bytes": 0, "used": 0, "unresolved": 0, "unreadable": self._unreadable}
        with open(path, "xb", buffering=1 << 20) as stream:
            os.fchmod(stream.fileno(), 0o600)
            header = {"schema_version": _document.SCHEMA_VERSION, "stores": found, "unreadable": self._unreadable}
            stream.write(_datajoint.encode_reference(None, **header))
            for place, size, used, line in self._lines(found):
                stream.write(line)
                totals["files"] += 1
                totals["bytes"] += max(size, 0)
                totals["used"] += used
                totals["unresolved"] += used and not place
            stream.flush()
            os.fsync(stream.fileno())
        return {**totals, "stores": found}

    def _stores(self) -> list[str]:
        query = "SELECT store FROM tracked UNION SELECT store FROM used UNION SELECT store FROM direct ORDER BY 1"
        return [name for (name,) in self._connection.execute(query)]

    def _store(self, name: str, configured: str | None, datasets: t.Mapping[str, str]) -> dict[str, t.Any]:
        """Where a store lies and how its folders are laid out."""
        samples = self._samples(name)
        layouts = sorted({sample.layout for sample in samples})
        location, how = configured, "inventory"
        if location is None:
            location, how = _probe(name, samples, datasets), "probed"
        if location is None:
            return {"location": None, "dataset": None, "relative_root": None, "how": "unknown", "layouts": layouts}
        place = _datajoint.place(location, datasets)
        subfoldings: dict[str, collections.Counter[tuple[int, ...]]] = {}
        for sample in samples:
            if sample.tracked is None or sample.tracked.filepath is not None:
                continue
            counter = subfoldings.setdefault(sample.schema, collections.Counter())
            subfolding = _subfolding(location, sample.schema, sample.tracked)
            if subfolding is not None:
                counter[subfolding] += 1
        return {
            "location": location,
            "dataset": place[0] if place else None,
            "relative_root": place[1] if place else None,
            "how": how,
            "layouts": layouts,
            "subfolding": {
                schema: [list(subfolding) for subfolding, _count in counter.most_common()]
                or [list(_datajoint.DEFAULT_SUBFOLDING)]
                for schema, counter in sorted(subfoldings.items())
            },
        }

    def _samples(self, store: str) -> list[_Sample]:
        samples = []
        schemas = "SELECT DISTINCT schema FROM tracked WHERE store = ? ORDER BY 1"
        for (schema,) in self._connection.execute(schemas, (store,)).fetchall():
            for condition in ("filepath IS NULL", "filepath IS NOT NULL"):
                query = (
                    "SELECT hash, size, attachment, filepath, contents_hash FROM tracked"
                    f" WHERE schema = ? AND store = ? AND {condition} ORDER BY hash LIMIT {_SAMPLE}"
                )
                for row in self._connection.execute(query, (schema, store)):
                    samples.append(_Sample(schema, "0.x", tracked=_datajoint.TrackedFile(*row)))
        query = "SELECT schema, path, size FROM direct WHERE store = ? ORDER BY path LIMIT ?"
        for schema, path, size in self._connection.execute(query, (store, _SAMPLE)):
            samples.append(_Sample(schema, "2.x", path=path, size=size))
        return samples

    def _lines(self, stores: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.Iterator[tuple[str | None, int, bool, bytes]]:
        """All references in a fixed order: dataset, size, whether rows use it, and the line."""
        used = "EXISTS (SELECT 1 FROM used u WHERE u.schema = x.schema AND u.store = x.store AND u.hash = x.hash)"
        hashed = (
            "SELECT schema, store, hash, size, attachment, filepath, contents_hash,"
            f" {used} FROM tracked x WHERE filepath IS NULL ORDER BY store, schema, hash"
        )
        named = (
            "SELECT min(schema), store, min(hash), size, NULL, filepath, max(contents_hash),"
            f" max({used}) FROM tracked x WHERE filepath IS NOT NULL GROUP BY store, filepath, size"
            " ORDER BY store, filepath, size"
        )
        for query in (hashed, named):
            for schema, store, *values, is_used in self._connection.execute(query):
                file = _datajoint.TrackedFile(*values)
                path = _tracked_path(stores[store], schema, file)
                yield _reference(
                    stores[store],
                    path,
                    schema=schema,
                    store=store,
                    size=file.size,
                    kind=file.kind,
                    used=bool(is_used),
                    contents_hash=file.contents_hash.hex() if file.contents_hash else None,
                )
        query = "SELECT schema, store, path, size, kind, hash, folder FROM direct ORDER BY store, path, size"
        for schema, store, path, size, kind, hash_, folder in self._connection.execute(query):
            yield _reference(
                stores[store],
                path,
                schema=schema,
                store=store,
                size=size,
                kind=kind,
                used=True,
                contents_hash=hash_,
                is_folder=True if folder else None,
            )
        dangling = (
            "SELECT schema, store, hash FROM used u WHERE NOT EXISTS (SELECT 1 FROM tracked x"
            " WHERE u.schema = x.schema AND u.store = x.store AND u.hash = x.hash) ORDER BY store, schema, hash"
        )
        for schema, store, hash_ in self._connection.execute(dangling):
            line = _datajoint.encode_reference(
                None, schema=schema, store=store, kind="dangling", used=True, hash=hash_.hex()
            )
            yield None, 0, True, line


class _Sample(t.NamedTuple):
    schema: str
    layout: str
    tracked: _datajoint.TrackedFile | None = None
    path: bytes = b""
    size: int = _UNKNOWN_SIZE


def _tracked_values(row: Row) -> tuple[t.Any, ...]:
    file = _datajoint.tracked_file(row)
    return file.hash, file.size, file.attachment, file.filepath, file.contents_hash


def _tracked_path(store: t.Mapping[str, t.Any], schema: str, file: _datajoint.TrackedFile) -> bytes:
    """The file's path below its store; where a store has several layouts, the one that is there."""
    subfoldings = store.get("subfolding", {}).get(schema) or [_datajoint.DEFAULT_SUBFOLDING]
    paths = [file.path(schema, subfolding) for subfolding in subfoldings]
    if len(paths) > 1:
        top = os.fsencode(store["location"])
        for path in paths:
            if os.path.lexists(os.path.join(top, path)):
                return path
    return paths[0]


def _reference(
    place: t.Mapping[str, t.Any], path: bytes, *, size: int, used: bool, **facts: t.Any
) -> tuple[str | None, int, bool, bytes]:
    dataset = place["dataset"] if _datajoint.inside(path) else None
    if dataset is not None and place["relative_root"]:
        path = os.path.join(os.fsencode(place["relative_root"]), path)
    known = size if size != _UNKNOWN_SIZE else None
    line = _datajoint.encode_reference(path, dataset=dataset, size=known, used=used, **facts)
    return dataset, size, used, line


def _is_file(path: bytes, size: int) -> bool:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return size in (status.st_size, _UNKNOWN_SIZE)


def _subfolding(location: str, schema: str, file: _datajoint.TrackedFile) -> tuple[int, ...] | None:
    """How many digits name each folder between the schema's folder and the file; None when it is not there.

    Goes down by names only: a flat store can have millions of entries in one folder.
    """
    digits = file.hash.hex()

    def descend(folder: bytes, rest: str, lengths: tuple[int, ...]) -> tuple[int, ...] | None:
        if _is_file(os.path.join(folder, file.name), file.size):
            return lengths
        if len(lengths) < _DEEPEST:
            for length in range(1, _WIDEST + 1):
                below = os.path.join(folder, rest[:length].encode())
                if os.path.isdir(below):
                    found = descend(below, rest[length:], (*lengths, length))
                    if found is not None:
                        return found
        return None

    return descend(os.path.join(os.fsencode(location), schema.encode()), digits, ())


def _probe(store: str, samples: t.Sequence[_Sample], datasets: t.Mapping[str, str]) -> str | None:
    """The folder below a dataset in which most files of the sample really lie; None when none of them does."""
    best, most = None, 0
    for candidate in _candidates(store, datasets):
        hits = sum(_is_at(candidate, sample) for sample in samples)
        if hits > most:
            best, most = candidate, hits
        if samples and most == len(samples):
            break
    return best


def _is_at(candidate: str, sample: _Sample) -> bool:
    if sample.tracked is None:
        path = os.path.join(os.fsencode(candidate), sample.path)
        return os.path.isdir(path) or _is_file(path, sample.size)
    if sample.tracked.filepath is not None:
        return _is_file(os.path.join(os.fsencode(candidate), sample.tracked.filepath), sample.tracked.size)
    return _subfolding(candidate, sample.schema, sample.tracked) is not None


def _candidates(store: str, datasets: t.Mapping[str, str]) -> t.Iterator[str]:
    """Folders that may be a store: named like it first, then the datasets, then two levels of folders in them."""
    tops = list(datasets.values())
    yield from (path for path in (os.path.join(top, store) for top in tops) if os.path.isdir(path))
    yield from tops
    level, left = tops, _CANDIDATES
    for _depth in range(2):
        below: list[str] = []
        for top in level:
            for path in _folders(top):
                if left == 0:
                    return
                left -= 1
                below.append(path)
                yield path
        level = below


def _folders(top: str) -> list[str]:
    try:
        with os.scandir(top) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
