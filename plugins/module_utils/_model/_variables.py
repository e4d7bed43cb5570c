# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Variables and options that nothing reads, because their names are misspelt."""

from __future__ import annotations

import difflib
import typing as t

# A name that begins so can only be meant for this collection.
PREFIX = "backup_"
# What playbooks and roles set themselves, and what is given to playbooks by --extra-vars.
OURS = frozenset(
    {
        *("backup_generated_by", "backup_past", "backup_plan", "backup_stamp", "backup_version"),
        *("backup_accept", "backup_message_file", "backup_only_datasets", "backup_only_sources", "backup_run_id"),
        *("backup_closed", "backup_opened", "backup_outcome", "backup_pin", "backup_point", "backup_problem"),
        *("backup_retention", "backup_retention_stop", "backup_run", "backup_stages", "backup_unpublished"),
        "backup_verdict",
    }
)
_GROUPS = ("backup_servers", "backup_sources")
_LIKE = 0.6
# The prefixes of the other roles are words that a lab uses, too: only a name that has three words and differs from one
# of ours by a letter or so is refused.
_ALMOST = 0.9
_WORDS = 3


def unknown(
    hosts: t.Mapping[str, t.Iterable[str]], groups: t.Mapping[str, t.Sequence[str]], known: t.Collection[str]
) -> list[str]:
    """One line for each variable of a server or source that is misspelt: its name, what it may mean, where it stands.

    :param hosts: the names of variables by host.
    :param groups: host names by group.
    :param known: the variables that an inventory may set.
    """
    asked = {name for group in _GROUPS for name in groups.get(group, ())}
    holders: dict[str, set[str]] = {}
    for host in sorted(asked):
        for variable in map(str, hosts[host]):
            holders.setdefault(variable, set()).add(host)
    lines = []
    for variable in sorted(set(holders) - set(known) - OURS):
        meant = _meant(variable, known)
        if meant is not None:
            where = _where(holders[variable], asked, groups)
            lines.append(f"{variable} ({where})" + (f", perhaps {meant} is meant" if meant else ""))
    return lines


def misspelt_options(given: t.Iterable[str], known: t.Sequence[str], prefix: str) -> list[str]:
    """One line for each given name that is none of the known ones and like one of them.

    What is like none is a variable of the lab's own: nothing that has another purpose may stand against a restore.

    :param prefix: what all names begin with; what they share makes no two of them alike.
    """
    lines = []
    for name in sorted(set(map(str, given)) - set(known)):
        meant = _nearest(name, known, prefix)
        if meant:
            lines.append(f"{name}, perhaps {meant} is meant")
    return lines


def _nearest(name: str, known: t.Collection[str], prefix: str) -> str:
    """The known name that is nearest without the prefix; empty when none is near."""
    ours = {one.removeprefix(prefix): one for one in sorted(known)}
    near = difflib.get_close_matches(name.removeprefix(prefix), ours, n=1, cutoff=_LIKE)
    return ours[near[0]] if near else ""


def _meant(variable: str, known: t.Collection[str]) -> str | None:
    """The known name that is nearest, empty when none is near; None for a variable that is none of our business."""
    if variable.startswith(PREFIX):
        return _nearest(variable, known, PREFIX)
    words = variable.split("_")
    if len(words) < _WORDS:
        return None
    same = [name for name in sorted(known) if name.startswith(f"{words[0]}_") and len(name.split("_")) >= _WORDS]
    return next(iter(difflib.get_close_matches(variable, same, n=1, cutoff=_ALMOST)), None)


def _where(holders: t.Collection[str], asked: t.Collection[str], groups: t.Mapping[str, t.Sequence[str]]) -> str:
    """Where a variable of exactly these hosts can stand."""
    places = [f"host_vars/{host}" for host in sorted(holders)] if len(holders) < len(asked) else []
    places += [
        f"group_vars/{group}"
        for group, members in sorted(groups.items())
        if group != "ungrouped" and set(members) & set(asked) == set(holders)
    ]
    places += ["--extra-vars"] if len(holders) == len(asked) else []
    return f"of {', '.join(sorted(holders))}: {' or '.join(places)}"
