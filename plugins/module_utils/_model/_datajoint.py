# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""How DataJoint ties rows to files outside the database.

Up to 0.14 each schema has a tracking table C(~external_<store>) whose C(hash) the rows point at; from 2.0 on the
only record is JSON in the row itself, and the comment of its column names codec and store (DataJoint 0.13.8,
0.14.10 and 2.3.5). A migrated site has both.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _form
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Row, Table

TRACKING_PREFIX = "~external_"
TRACKING_COLUMNS = ("hash", "size", "attachment_name", "filepath", "contents_hash")
DEFAULT_SUBFOLDING = (2, 2)

_COMMENT_0 = re.compile(r":(?:blob|attach|filepath)@([^:]+):")
_COMMENT_2 = re.compile(r":<([^@>]+)@([^>]*)>:")
_ANY_COMMENT = re.compile(r":(?:[a-z]\w*|<[^>]+>|(?:blob|attach|filepath)@[^:]+):")
_DIGEST_NAME = re.compile(rb"[0-9a-f]{32}(?:\Z|\.)")
_LARGEST = 2**63 - 1
_HIDDEN = ("~log", "~jobs", "~lineage")


@dataclass(frozen=True)
class TrackedUse:
    """A column that points at a row of a tracking table (0.x)."""

    column: str
    schema: str
    store: str


@dataclass(frozen=True)
class DirectUse:
    """A column that describes its file in JSON (2.x)."""

    column: str
    codec: str
    store: str


@dataclass(frozen=True)
class TrackedFile:
    """A row of a tracking table (0.x)."""

    hash: bytes
    size: int
    attachment: bytes | None
    filepath: bytes | None
    contents_hash: bytes | None

    @property
    def kind(self) -> str:
        """C(attach), C(filepath) or C(blob)."""
        if self.attachment is not None:
            return "attach"
        return "blob" if self.filepath is None else "filepath"

    @property
    def name(self) -> bytes:
        """The file's own name in a store of blobs and attachments."""
        name = self.hash.hex().encode()
        return name if self.attachment is None else name + b"." + self.attachment

    def path(self, schema: str, subfolding: t.Sequence[int]) -> bytes:
        """Its path below the store's location."""
        if self.filepath is not None:
            return self.filepath
        digits, folders, start = self.hash.hex(), [schema], 0
        for length in subfolding:
            folders.append(digits[start : start + length])
            start += length
        return posixpath.join("/".join(folders).encode(), self.name)


@dataclass(frozen=True)
class DirectFile:
    """What the JSON of a column says about its file (2.x)."""

    store: str
    path: bytes
    size: int | None
    kind: str
    hash: str | None
    is_folder: bool


def tracking_store(table: Table) -> str | None:
    """The store whose files this table tracks, None for any other table."""
    if table.name.startswith(TRACKING_PREFIX) and {column.name for column in table.columns} >= set(TRACKING_COLUMNS):
        return table.name.removeprefix(TRACKING_PREFIX)
    return None


def uses(table: Table) -> list[TrackedUse | DirectUse]:
    """The columns of a table that refer to files.

    Comments and foreign keys are both asked: adapted types have no store in the comment, and a restore may have
    lost foreign keys.
    """
    found: dict[str, TrackedUse | DirectUse] = {}
    for column in table.columns:
        if column.type.startswith("binary(16)") and (match := _COMMENT_0.match(column.comment)):
            found[column.name] = TrackedUse(column.name, table.schema, match[1])
        elif column.type in ("json", "longtext") and (match := _COMMENT_2.match(column.comment)):
            found[column.name] = DirectUse(column.name, match[1], match[2])
    for key in table.foreign_keys:
        if key.table.startswith(TRACKING_PREFIX) and key.references == ("hash",) and len(key.columns) == 1:
            store = key.table.removeprefix(TRACKING_PREFIX)
            found[key.columns[0]] = TrackedUse(key.columns[0], key.schema, store)
    return list(found.values())


def wanted_columns(table: Table) -> tuple[str, ...]:
    """The columns whose values tell which files belong to the dump."""
    if tracking_store(table) is not None:
        return TRACKING_COLUMNS
    return tuple(use.column for use in uses(table))


class Referrers:
    """Which schemas have rows that use some of these files; a dump's reader takes both methods.

    The names of the files are digests of their content, so that nobody has to know where a store lies.

    :param files: dataset and path of each.
    :ivar by_schema: the files that rows of a schema use, by its name.
    """

    def __init__(self, files: t.Iterable[tuple[str, bytes]]) -> None:
        self.by_schema: dict[str, set[tuple[str, bytes]]] = {}
        self._files: dict[bytes, list[tuple[str, bytes]]] = {}
        self._uses: dict[tuple[str, str], list[TrackedUse | DirectUse]] = {}
        for file in files:
            self._files.setdefault(posixpath.basename(file[1]).split(b".")[0], []).append(file)

    def wanted(self, table: Table) -> tuple[str, ...]:
        """The columns that use files."""
        return () if tracking_store(table) is not None else wanted_columns(table)

    def take_row(self, table: Table, row: Row) -> None:
        """A decoded row, its columns as :meth:`wanted` names them."""
        key = (table.schema, table.name)
        if key not in self._uses:
            self._uses[key] = uses(table)
        for use, value in zip(self._uses[key], row, strict=True):
            if value is None:
                continue
            if isinstance(use, TrackedUse):
                folder = b"/" + use.schema.encode() + b"/"
                found = [file for file in self._files.get(value.hex().encode(), ()) if folder in b"/" + file[1]]
            else:
                described = direct_file(use, value)
                path = b"/" + described.path if described is not None else b"/"
                found = [
                    file for file in self._files.get(posixpath.basename(path), ()) if (b"/" + file[1]).endswith(path)
                ]
            if found:
                self.by_schema.setdefault(table.schema, set()).update(found)


def is_datajoint(tables: t.Iterable[Table]) -> bool:
    """Whether a schema was made by DataJoint, judged by its hidden tables and the comments of its columns."""
    return any(
        table.name in _HIDDEN
        or table.name.startswith((TRACKING_PREFIX, "~~"))
        or any(_ANY_COMMENT.match(column.comment) for column in table.columns)
        for table in tables
    )


def key_tables(manifest: t.Mapping[str, t.Any]) -> list[str]:
    """The tables whose loss hurts most, as C(schema.table): those filled by hand and their parts, which nothing can
    compute again, and lookup tables that others refer to. Those with most descendants first.

    Where DataJoint made no schema, the tables that others refer to; where there is none either, all tables.
    """
    children: dict[str, set[str]] = {}
    for key in manifest["foreign_keys"]:
        parent = f"{key['references']['schema']}.{key['references']['table']}"
        children.setdefault(parent, set()).add(f"{key['schema']}.{key['table']}")
    tables = [(schema, name) for schema, names in manifest["tables"].items() for name in names]
    made = {schema for schema, facts in manifest["schemas"].items() if facts.get("datajoint")}
    chosen = [
        f"{schema}.{name}"
        for schema, name in tables
        if schema in made
        and (not name.startswith(("#", "_", "~")) or (name.startswith("#") and f"{schema}.{name}" in children))
    ]
    names = [f"{schema}.{name}" for schema, name in tables]
    chosen = chosen or [name for name in names if name in children] or names
    return sorted(chosen, key=lambda name: (-len(_descendants(name, children)), name))


def _descendants(name: str, children: t.Mapping[str, t.Collection[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = set(children.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def tracked_file(row: Row) -> TrackedFile:
    """The file that a row of a tracking table describes; the row in the order of TRACKING_COLUMNS."""
    hash_, size, attachment, filepath, contents_hash = row
    assert hash_ is not None and size is not None
    return TrackedFile(hash_, int(size), attachment, filepath, contents_hash)


def direct_file(use: DirectUse, value: bytes) -> DirectFile | None:
    """The file that a JSON value describes, None when it describes none that can be found."""
    try:
        described = json.loads(value)
        if not isinstance(described, dict) or not isinstance(described.get("path"), str):
            return None
        path = described["path"].encode("utf-8", "surrogateescape")
        store = str(described.get("store") or use.store)
        digest = described["hash"] if isinstance(described.get("hash"), str) else None
        (store + (digest or "")).encode()  # refuses lone surrogates, which are no text
    except (ValueError, RecursionError):
        return None
    size = described.get("size")
    if isinstance(size, int) and not 0 <= size <= _LARGEST:
        return None
    return DirectFile(
        store=store,
        path=path,
        size=size if isinstance(size, int) else None,
        kind=use.codec,
        hash=digest,
        is_folder=described.get("is_dir") is True,
    )


def place(location: str, datasets: t.Mapping[str, str]) -> tuple[str, str] | None:
    """The dataset that holds ``location`` and the path in it (empty for its top); None outside of all datasets."""
    location = posixpath.normpath(location)
    best: tuple[str, str] | None = None
    longest = -1
    for name, path in datasets.items():
        top = posixpath.normpath(path)
        inside = posixpath.relpath(location, top)
        if inside != ".." and not inside.startswith("../") and len(top) > longest:
            best, longest = (name, "" if inside == "." else inside), len(top)
    return best


def inside(path: bytes) -> bool:
    """Whether a path from the database stays below its store."""
    return bool(path) and not path.startswith(b"/") and b"\0" not in path and b".." not in path.split(b"/")


def encode_reference(path: bytes | None, **facts: object) -> bytes:
    """One line of C(references.jsonl)."""
    body: dict[str, object] = {name: value for name, value in facts.items() if value is not None}
    if path is not None:
        try:
            body["path"] = path.decode()
        except UnicodeDecodeError:
            body["path_b64"] = base64.b64encode(path).decode()
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def expected_content(reference: t.Mapping[str, t.Any], path: bytes) -> tuple[bytes, bytes] | None:
    """What goes before a file's bytes, and the MD5 of both; None where DataJoint keeps no hash of the content.

    0.x names a blob by its MD5 and an attachment by that of its name, a NUL and its content (C(external.py)); it keeps
    the MD5 of a file by path up to a size that may be configured. 2.x keeps one in base32 for what it stores by hash
    (C(hash_registry.py)), and none for C(npy), C(object) and C(filepath).
    """
    known, name = reference.get("contents_hash"), posixpath.basename(path)
    if isinstance(known, str):
        return _md5(known)
    if reference.get("kind") not in ("blob", "attach") or not _DIGEST_NAME.match(name):
        return None
    return (name[33:] + b"\0" if reference["kind"] == "attach" else b""), bytes.fromhex(name[:32].decode())


def _md5(text: str) -> tuple[bytes, bytes] | None:
    try:
        found = bytes.fromhex(text) if len(text) == 32 else base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        return None
    return (b"", found) if len(found) == 16 else None


def owned_folders(store: t.Mapping[str, t.Any]) -> list[str]:
    """The folders of a store, relative to it, in which every file is DataJoint's own; a store may hold others too."""
    ours = sorted(store.get("subfolding") or {})
    return ours + (["_hash", "_schema"] if "2.x" in store.get("layouts", ()) else [])


def is_passing(name: bytes) -> bool:
    """Whether a file is one that DataJoint was still writing, or describes a folder beside it."""
    return name.endswith((b".saving", b".copying", b".manifest.json"))


_TEXT = (str, None)
_REFERENCE = {
    "used": bool,
    "dataset?": _TEXT,
    "path?": _TEXT,
    "path_b64?": str,
    "size?": (int, None),
    "is_folder?": bool,
    "kind?": _TEXT,
    "contents_hash?": _TEXT,
}
_REFERENCE_TYPES = {
    name.removesuffix("?"): {type(None) if one is None else one for one in (form if type(form) is tuple else (form,))}
    for name, form in _REFERENCE.items()
}
REFERENCES_HEADER = {
    "unreadable?": int,
    "stores?": (
        {
            str: {
                "dataset?": _TEXT,
                "relative_root?": _TEXT,
                "layouts?": [str],
                "subfolding?": (dict, None),
            }
        },
        None,
    ),
}


def _is_plain(reference: t.Any) -> t.TypeGuard[dict[str, t.Any]]:
    """The quick look at one of a million lines; it takes all but those with a path of other bytes than UTF-8."""
    return (
        type(reference) is dict
        and "used" in reference
        and "path_b64" not in reference
        and all(type(value) in _REFERENCE_TYPES.get(name, {type(value)}) for name, value in reference.items())
    )


def decode_reference(line: bytes, where: str) -> dict[str, t.Any]:
    """A line of C(references.jsonl) that is no header.

    :param where: which line of which file, for the message.
    :raises BackupError: when it is none.
    """
    try:
        reference = json.loads(line)
        if _is_plain(reference):
            return reference
        wrong = _form.wrong(reference, _REFERENCE)
        if not wrong:
            reference_path(reference)
    except (ValueError, RecursionError) as error:
        wrong = str(error)
    if wrong:
        raise BackupError(
            f"{where} is no reference: {wrong}",
            untouched="Nothing was changed",
            remedy="Verify the dump set with db_dump_info and verify=full",
        )
    return dict(reference)


def reference_path(body: t.Mapping[str, t.Any]) -> bytes | None:
    """The path in a line of C(references.jsonl), None when the file's place is not known."""
    if "path_b64" in body:
        return base64.b64decode(body["path_b64"])
    path = body.get("path")
    return None if path is None else str(path).encode()
