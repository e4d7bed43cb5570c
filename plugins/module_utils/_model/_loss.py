# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What was lost: names of a live tree, and tables of a live database, against what a recovery point says about them."""

from __future__ import annotations

import stat
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _compatibility, _content, _dump_manifest
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Schema, Sequence

MISSING, DAMAGED, METADATA, NEWER = "missing", "damaged", "metadata", "newer"
# The point does not have it, and its name tells another content.
NEWER_DAMAGED = "newer_damaged"
INTACT, LOST = "intact", "lost"
UNREADABLE = "unreadable"
# A damaged dataset and a damaged file are the same word.
KINDS = (MISSING, DAMAGED, METADATA, NEWER, NEWER_DAMAGED)

ASIDE = b".labops-aside-"
"""What the names begin with, at the root of a dataset, below which a restore puts what it replaces."""


def counts(mode: int) -> bool:
    """Whether something of this mode is to be brought back; sockets are not, no archive has them."""
    return not stat.S_ISSOCK(mode)


def must_read(entry: _content.Entry, status: _content.Status, *, everything: bool) -> bool:
    """Whether only its content can tell if a file is intact.

    :param everything: read also files whose size and time are those of the point.
    """
    if not entry.is_file or not stat.S_ISREG(status.st_mode) or entry.sha256 == _content.NO_CONTENT:
        return False
    return status.st_size == entry.size and (everything or status.st_mtime_ns != entry.mtime_ns)


def judge(entry: _content.Entry, status: _content.Status, sha256: bytes | None) -> str | None:
    """What became of a name that is still there.

    The time of a folder is not looked at: it changes with every file that comes or goes.

    :param sha256: of what a file holds now, or of a link's target; None when it was not read.
    :return: DAMAGED (another kind, size or content), METADATA (another owner, mode or time), or None.
    """
    if stat.S_IFMT(entry.mode) != stat.S_IFMT(status.st_mode):
        return DAMAGED
    if entry.is_file and entry.size != status.st_size:
        return DAMAGED
    if sha256 is not None and sha256 != entry.sha256:
        return DAMAGED
    if (entry.mode, entry.uid, entry.gid) != (status.st_mode, status.st_uid, status.st_gid):
        return METADATA
    return METADATA if not entry.is_folder and entry.mtime_ns != status.st_mtime_ns else None


def state(*, expected: int, missing: int, differing: int) -> str:
    """The verdict about a tree.

    :param expected: how much the point has of it, folders not counted.
    :param missing: how much of that is not there.
    :param differing: how much is there and different or newer and damaged, and how many folders are missing.
    """
    if expected and missing == expected:
        return LOST
    return DAMAGED if missing or differing else INTACT


# -------------------------------------------------------------------------------------------------------- databases

OBJECTS = ("views", "sequences", "triggers", "routines", "events")
_VOLATILE = ("~log", "~jobs")

Document = dict[str, t.Any]
Inventory = t.Mapping[str, t.Mapping[str, t.Sequence[str]]]


def is_volatile(table: str) -> bool:
    """Whether DataJoint itself adds and removes rows of a table all the time: its log, and its jobs."""
    return table in _VOLATILE or table.startswith("~~")


def comparable(manifest: t.Mapping[str, t.Any], engine: str, version: str) -> bool:
    """Whether digests mean the same on both sides: both texts are those of one engine and series."""
    return (
        "digests" in manifest
        and engine == manifest["engine"]
        and _compatibility.series(version) == _compatibility.series(manifest["version"])
    )


def schema_gone(manifest: t.Mapping[str, t.Any], name: str, how: str) -> Document:
    """A schema of which nothing can be told.

    :param how: LOST or UNREADABLE.
    """
    expected = manifest["tables"][name]
    return {
        "state": how,
        "reason": "",
        "expected": {"tables": len(expected), "rows": sum(expected.values())},
        "rows": None,
        **{kind: [] for kind in ("missing", "fewer", "more", "content", "structure", "newer", "objects", "sequences")},
        "code": False,
    }


def schema(
    manifest: t.Mapping[str, t.Any],
    live: Schema,
    inventory: t.Mapping[str, t.Sequence[str]],
    *,
    by_digest: bool,
) -> Document:
    """A schema that is still there: what of it is missing, other or newer. Tables with more rows are no damage.

    :param inventory: the names of its objects on the server, by kind.
    :param by_digest: whether equal numbers of rows may be told apart.
    """
    expected: t.Mapping[str, int] = manifest["tables"][live.name]
    both = sorted(set(expected) & set(live.tables))
    digests = manifest["digests"][live.name] if by_digest else {}
    structures = manifest["structures"][live.name] if by_digest else {}
    found = schema_gone(manifest, live.name, INTACT)
    found["rows"] = sum(table.rows for table in live.tables.values())
    found["missing"] = sorted(set(expected) - set(live.tables))
    found["newer"] = sorted(set(live.tables) - set(expected))
    found["structure"] = [name for name in both if by_digest and live.tables[name].structure != structures[name]]
    for name in both:
        rows = live.tables[name].rows
        if is_volatile(name):
            continue
        if rows != expected[name]:
            kind = "fewer" if rows < expected[name] else "more"
            found[kind].append({"table": name, "rows": rows, "expected": expected[name]})
        elif by_digest and live.tables[name].digest != digests[name]:
            found["content"].append(name)
    found["objects"] = [
        f"{kind}: {name}"
        for kind in OBJECTS
        for name in sorted(set(manifest["schemas"][live.name].get(kind, ())) - set(inventory[kind]))
    ]
    found["sequences"] = [
        name
        for name, one in sorted(manifest["schemas"][live.name].get("sequences", {}).items())
        if name in live.sequences and _is_hurt(live.sequences[name], one, by_digest=by_digest)
    ]
    found["code"] = by_digest and live.code != manifest["schemas"][live.name]["code"]
    counts = [
        (len(found["missing"]), "missing"),
        (len(found["fewer"]), "with fewer rows"),
        (len(found["content"]), "with other content"),
        (len(found["structure"]), "declared otherwise"),
    ]
    reasons = [f"{count} {'table' if count == 1 else 'tables'} {label}" for count, label in counts if count]
    if found["sequences"]:
        count = len(found["sequences"])
        reasons.append(f"{count} {'sequence' if count == 1 else 'sequences'} behind or declared otherwise")
    if found["objects"]:
        reasons.append(f"{len(found['objects'])} views, sequences, triggers, routines or events missing")
    elif found["code"]:
        reasons.append("a view, trigger, routine or event is another one")
    if reasons:
        found |= {"state": DAMAGED, "reason": ", ".join(reasons)}
    return found


def _is_hurt(live: Sequence, expected: t.Mapping[str, t.Any], *, by_digest: bool) -> bool:
    """Whether a sequence is another one, or would give out a number again. One that has gone on is newer."""
    if by_digest and live.structure != expected["structure"]:
        return True
    return expected["next"] is not None and live.is_behind(expected["next"])


def database(schemas: t.Mapping[str, Document], newer: t.Sequence[str], *, by_digest: bool) -> Document:
    """The verdict about a database whose server answers.

    :param schemas: what was found of each that the point has.
    :param newer: schemas that it does not have.
    """
    hurt = {name: found for name, found in schemas.items() if found["state"] != INTACT}
    all_lost = bool(schemas) and all(found["state"] == LOST for found in schemas.values())
    return {
        "state": LOST if all_lost else DAMAGED if hurt else INTACT,
        "reason": "; ".join(f"{name}: {found['reason'] or found['state']}" for name, found in sorted(hurt.items())),
        "server": "up",
        "compared": "digests" if by_digest else "counts",
        "schemas": dict(schemas),
        "damaged_schemas": sorted(hurt),
        "newer_schemas": list(newer),
    }


def database_gone(manifest: t.Mapping[str, t.Any], reason: str) -> Document:
    """The verdict about a database whose server does not answer."""
    schemas = {name: schema_gone(manifest, name, LOST) for name in _dump_manifest.schemas(manifest)}
    return {**database(schemas, [], by_digest=False), "reason": reason, "server": "down", "compared": "nothing"}
