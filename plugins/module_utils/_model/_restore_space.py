# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The room that a restore needs: what comes onto which file system of the source, and which one it should be."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _text

_COPY = "the copy of the old database"

Document = dict[str, t.Any]
_size = _text.decimal_size
Rooms = t.Mapping[str, t.Mapping[str, t.Any]]


def data_directory(facts: t.Mapping[str, t.Any]) -> str:
    """The data directory of the database server as the source last told it; C(.) when it did not."""
    variables = (facts.get("database") or {}).get("variables") or {}
    return posixpath.normpath(str(variables.get("datadir") or "."))


def database_demands(
    wanted: t.Mapping[str, t.Any],
    part: t.Mapping[str, t.Any],
    loss: t.Mapping[str, t.Any],
    facts: t.Mapping[str, t.Any],
    rooms: Rooms,
    finished: t.Collection[str],
) -> list[Document]:
    """What the replacement of the database needs beside the dump set itself.

    The copy of the old state is a dump, too; how much of the database's own size that takes is known from the dump set
    of the point. What single schemas take nobody knows before.

    :param wanted: of ``incident``.
    :param part: of ``restore_datasets``.
    :param loss: C(database) of ``loss_scope_info``.
    :param finished: the steps of the restore that are done.
    """
    told = facts.get("database") or {}
    live = loss.get("live_bytes")
    live = int(told.get("data_bytes") or 0) if live is None else int(live)
    sealed, dump = loss.get("point_bytes"), loss.get("dump_bytes")
    demands = []
    if sealed is not None and not wanted["schemas"]:
        grown = max(0, int(sealed) - live)
        demands.append({"what": "the loaded database", "path": data_directory(facts), "bytes": grown})
    nothing_there = (
        rooms.get(data_directory(facts), {}).get("empty", False)
        if loss.get("server") == "down"
        else loss.get("state") == "lost"
    )
    if wanted["safety_copy"] and live and not nothing_there and "safety.dump" not in finished:
        size = int(live * dump / sealed) if dump and sealed else live
        demands.append({"what": _COPY, "path": str(part["destination"]), "bytes": size})
    return demands


def file_systems(demands: t.Sequence[t.Mapping[str, t.Any]], rooms: Rooms) -> list[Document]:
    """By file system what comes onto it and what is free; what lies nowhere that was looked at is left out.

    :param demands: C(what), the C(path) it goes to, and C(bytes).
    :param rooms: C(spaces) of ``space_info`` by path.
    """
    found: dict[t.Any, Document] = {}
    for demand in demands:
        room = rooms.get(demand["path"])
        if room is None:
            continue
        entry = found.setdefault(
            room["device"], {"mount": room["mount"], "free_bytes": room["free_bytes"], "needed_bytes": 0, "parts": []}
        )
        entry["free_bytes"] = min(entry["free_bytes"], room["free_bytes"])
        entry["needed_bytes"] += demand["bytes"]
        entry["parts"].append({"what": demand["what"], "bytes": demand["bytes"]})
    return sorted(found.values(), key=lambda one: str(one["mount"]))


def refusals(systems: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """What does not fit."""
    found = []
    for one in systems:
        if one["needed_bytes"] <= one["free_bytes"]:
            continue
        parts = ", ".join(f"{part['what']} {_size(part['bytes'])}" for part in one["parts"] if part["bytes"])
        copied = any(part["what"] == _COPY for part in one["parts"])
        without = f"; without {_COPY}: restore_safety_copy=false" if copied else ""
        found.append(
            f"the file system at {one['mount']} has {_size(one['free_bytes'])} free and "
            f"{_size(one['needed_bytes'])} would come ({parts}{without})"
        )
    return found


def lines(systems: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """The same for people."""
    return [
        f"Space: {one['mount']} has {_size(one['free_bytes'])} free and takes "
        f"{_size(one['needed_bytes'])}: " + ", ".join(f"{part['what']} {_size(part['bytes'])}" for part in one["parts"])
        for one in systems
    ]


def other_file_system(
    wanted: t.Mapping[str, t.Any],
    dataset: t.Mapping[str, t.Any],
    room: t.Mapping[str, t.Any],
    facts: t.Mapping[str, t.Any],
) -> str:
    """Why a dataset would come onto another file system than its own, which is perhaps only not mounted."""
    known = str((facts.get("datasets") or {}).get(dataset["name"], {}).get("mount", ""))
    if not known or known == room["mount"] or wanted["target"] or wanted["other_file_system"]:
        return ""
    return (
        f"{dataset['destination']} lies on the file system mounted at {room['mount']}; on {facts['time']} it lay on "
        f"the one at {known}. Mount that, or say that it is another one now: restore_other_file_system=true"
    )


def data_directory_unmounted(wanted: t.Mapping[str, t.Any], rooms: Rooms, facts: t.Mapping[str, t.Any]) -> str:
    """Why a database server that is down would begin anew in a folder over which its own disk is only not mounted."""
    folder = data_directory(facts)
    room = rooms.get(folder)
    known = max(
        (str(one["point"]) for one in facts.get("mounts", ()) if f"{folder}/".startswith(f"{one['point']}/")),
        key=len,
        default="",
    )
    if room is None or wanted["other_file_system"] or len(str(room["mount"])) >= len(known):
        return ""
    return (
        f"the database server is down, and its data directory {folder} lies on the file system mounted at "
        f"{room['mount']}; on {facts['time']} it lay on the one at {known}. Mount that, or say that it is another one "
        "now: restore_other_file_system=true"
    )
