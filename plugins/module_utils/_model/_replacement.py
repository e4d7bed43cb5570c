# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""New hardware in the place of a source that is dead: what it needs to be what the dead one was."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _text

# Whom Debian numbers as a person (adduser.conf); packages make the others.
_PEOPLE = range(1000, 60000)
_NOBODY = 65534

Document = dict[str, t.Any]
# What getent tells by a name: of a user its number, group, remark, home and shell behind the password; of a group its
# number and members.
Table = t.Mapping[str, t.Sequence[t.Any]]


def replacement(
    facts: t.Mapping[str, t.Any],
    owners: t.Mapping[str, t.Sequence[int]],
    passwd: Table,
    group: Table,
    present: t.Mapping[str, t.Sequence[str]],
) -> Document:
    """What is to be made on the new host, what stands against it, and what a person has to see to.

    :param facts: what the dead host told about itself.
    :param owners: C(uids) and C(gids) that own files of the datasets.
    :param passwd: the users of the new host.
    :param group: its groups.
    :param present: C(mounts), as they stand in its C(/proc/self/mounts), C(units) and C(crontabs) of the new host.
    """
    users = {str(name): (int(uid), int(gid)) for name, (uid, gid) in facts["users"].items()}
    groups = {str(name): int(gid) for name, gid in facts["groups"].items()}
    wanted_users = {name: ids for name, ids in users.items() if ids[0] in _PEOPLE or ids[0] in owners["uids"]}
    wanted_users = {name: ids for name, ids in wanted_users.items() if ids[0] not in (0, _NOBODY)}
    needed = {gid for _uid, gid in wanted_users.values()} | set(owners["gids"])
    wanted_groups = {
        name: gid for name, gid in groups.items() if (gid in _PEOPLE or gid in needed) and gid not in (0, _NOBODY)
    }
    here_users = {str(name): int(entry[1]) for name, entry in passwd.items()}
    here_groups = {str(name): int(entry[1]) for name, entry in group.items()}
    conflicts = [
        *_conflicts("user", {name: uid for name, (uid, _gid) in wanted_users.items()}, here_users, owners["uids"]),
        *_conflicts("group", wanted_groups, here_groups, owners["gids"]),
    ]
    logins, members = facts.get("logins") or {}, facts.get("members") or {}
    by_number = {gid: name for name, gid in groups.items()}
    return {
        "groups": [
            {"name": name, "gid": gid} for name, gid in sorted(wanted_groups.items()) if name not in here_groups
        ],
        "users": [
            {
                "name": name,
                "uid": uid,
                "group": by_number.get(gid, str(gid)),
                "groups": sorted(of for of, names in members.items() if name in names and of in wanted_groups),
                "home": str((logins.get(name) or {}).get("home") or f"/home/{name}"),
                "shell": str((logins.get(name) or {}).get("shell") or "/usr/sbin/nologin"),
            }
            for name, (uid, gid) in sorted(wanted_users.items())
            if name not in here_users
        ],
        "folders": _folders(facts["datasets"]),
        "conflicts": conflicts,
        "checklist": _checklist(facts, wanted_users, logins, present),
    }


def _folders(datasets: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Document]:
    """The datasets' own folders and those that lead to them, from above."""
    here = [one for _name, one in sorted(datasets.items()) if one.get("present")]
    known = {one["path"]: one for part in here for one in part.get("above") or ()}
    known |= {one["path"]: one for one in here}
    return [
        {"path": path, "owner": str(one["uid"]), "group": str(one["gid"]), "mode": one["mode"]}
        for path, one in sorted(known.items())
    ]


def _conflicts(
    what: str, wanted: t.Mapping[str, int], here: t.Mapping[str, int], owners: t.Sequence[int]
) -> t.Iterator[str]:
    names = {number: name for name, number in here.items()}
    for name, number in sorted(wanted.items()):
        if here.get(name) == number or (number not in owners and name in here):
            continue
        if name in here:
            yield f"the {what} {name} has the number {here[name]} here and had {number}, which owns files"
        elif number in names:
            yield f"the number {number} of the {what} {name} belongs to {names[number]} here"


def _checklist(
    facts: t.Mapping[str, t.Any],
    users: t.Mapping[str, t.Any],
    logins: t.Mapping[str, t.Any],
    present: t.Mapping[str, t.Sequence[str]],
) -> list[str]:
    system = facts.get("os") or {}
    database = facts.get("database") or {}
    lines = [f"It ran {system.get('id', 'an unknown system')} {system.get('version_id', '')}".rstrip() + "."]
    if database.get("engine"):
        lines.append(f"Its database server was {database['engine']} {database.get('version', '')}".rstrip() + ".")
    datasets = [str(one["path"]) for one in facts["datasets"].values()]
    mounted = {_text.unescaped(point) for point in present["mounts"]}
    lost = sorted(
        str(one["point"])
        for one in facts.get("mounts", ())
        if one["point"] not in mounted and _matters(str(one["point"]), datasets)
    )
    if lost:
        lines.append(f"Datasets lay on file systems of their own, mounted at {', '.join(lost)}; that is not so here.")
    for kind, before in (("units", facts.get("units", ())), ("crontabs", facts.get("crontabs", ()))):
        gone = sorted(set(map(str, before)) - set(present[kind]))
        if gone:
            lines.append(f"These {kind} were there and are not here: {', '.join(gone)}.")
    unknown = sorted(set(users) - set(logins))
    if unknown:
        lines.append(f"Home and shell are not known of {', '.join(unknown)}.")
    lines.append("No password of a user is known; set them, or bring the ssh keys of the people.")
    lines.append(
        "Clients: the new address and host key of the server, dj.config['database.host'], mounts of the stores, and"
        " firewalls on the way."
    )
    return lines


def _matters(point: str, datasets: t.Sequence[str]) -> bool:
    """Whether a dataset, or a part of it, lay on what was mounted there."""
    return point != "/" and any(
        posixpath.commonpath([point, dataset]) in (point.rstrip("/"), dataset) for dataset in datasets
    )


def names(lines: t.Sequence[str]) -> dict[str, list[str]]:
    """What C(getent passwd) or C(getent group) prints, by the name."""
    rows = [line.split(":") for line in lines if ":" in line]
    return {row[0]: row[1:] for row in rows}
