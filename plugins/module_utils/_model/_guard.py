# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""May this pull go on? Pure: the counts of a census and the limits in, the reasons against it out."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, fields

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

PERCENT_FLOOR = 20
"""Shares are judged only for mirrors of at least so many files: one of three files is 33 %, and means nothing."""


@dataclass(frozen=True)
class Limits:
    """What a pull may do to a mirror; ``None`` means no limit.

    :param deleted_files: files that may be deleted.
    :param deleted_percent: their share of the mirror's files.
    :param changed_files: so many files may be overwritten.
    :param changed_percent: share of the mirror's files that may be overwritten.
    :param allow_empty: whether a source without any file is believed.
    """

    deleted_files: int | None = None
    deleted_percent: float | None = None
    changed_files: int | None = None
    changed_percent: float | None = None
    allow_empty: bool = False


@dataclass(frozen=True)
class Cap:
    """How much may wait in the quarantine of a dataset; ``None`` means no limit.

    :param max_files: files of all runs together.
    :param max_bytes: their size.
    :param max_percent: their size as a share of the mirror's.
    """

    max_files: int | None = None
    max_bytes: int | None = None
    max_percent: float | None = None


@dataclass(frozen=True)
class Acceptance:
    """What an operator accepts once, beyond the limits: one pull of one dataset.

    :param reason: why, for the ledger.
    :param deleted_files: so many files may be deleted.
    :param changed_files: so many files may be overwritten.
    :param quarantine_files: so many more files may go to the quarantine.
    :param quarantine_bytes: so many more bytes may go there.
    :param empty: a source without any file is believed.
    :param marker: the identifier of another tree that takes the place of the known one.
    """

    reason: str = ""
    deleted_files: int | None = None
    changed_files: int | None = None
    quarantine_files: int | None = None
    quarantine_bytes: int | None = None
    empty: bool = False
    marker: str | None = None

    def covers(self, breach: Breach) -> bool:
        """Whether the operator accepted this one, up to this number."""
        given: t.Any = getattr(self, breach.field)
        if isinstance(breach.value, str) or given is None:
            return bool(given == breach.value)
        return bool(given >= breach.value)


@dataclass(frozen=True)
class Breach:
    """A limit that a census breaks.

    :param text: what an operator reads.
    :param field: the field of :class:`Acceptance` that covers it.
    :param value: what that field must say.
    """

    text: str
    field: str
    value: int | bool | str


def acceptance(given: t.Any, where: str) -> Acceptance:
    """What an operator gave, checked.

    :param where: for the message.
    :raises BackupError: when it is no mapping, names no reason, accepts nothing, or holds something unknown.
    """

    def refuse(what: str) -> t.NoReturn:
        raise BackupError(
            f"{where}: {what}",
            untouched="Nothing was changed",
            remedy="Give a reason, and the numbers that the refused pull named",
        )

    if not isinstance(given, t.Mapping):
        refuse(f"{given!r} is no acceptance")
    known = {entry.name for entry in fields(Acceptance)}
    chosen = {name: value for name, value in given.items() if value is not None}
    unknown = sorted(set(map(str, chosen)) - known)
    if unknown:
        refuse(f"{unknown[0]!r} cannot be accepted; known are {', '.join(sorted(known))}")
    if not isinstance(chosen.get("reason"), str) or not chosen["reason"].strip():
        refuse("the acceptance has no reason")
    for name, value in chosen.items():
        if name in ("reason", "marker"):
            good = isinstance(value, str)
        elif name == "empty":
            good = isinstance(value, bool)
        else:
            good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not good:
            refuse(f"{name} is {value!r}")
    if set(chosen) == {"reason"} or (set(chosen) == {"reason", "empty"} and not chosen["empty"]):
        refuse("the acceptance says why, but not what")
    return Acceptance(**chosen)


def breaches(limits: Limits, *, source_files: int, mirror_files: int, deleted: int, changed: int) -> list[Breach]:
    """Why the pull must not go on; empty when it may. Files are all entries but directories.

    :param source_files: on the source, after the filters, its marker left out.
    :param mirror_files: in the mirror before the pull.
    :param deleted: in the mirror, gone from the source.
    :param changed: in the mirror, to be overwritten by something else.
    """
    found = []
    if source_files == 0 and not limits.allow_empty:
        found.append(Breach("the source holds no file at all (limit: allow_empty is false)", "empty", True))
    for name, verb, count, most in (
        ("deleted_files", "deleted", deleted, limits.deleted_files),
        ("changed_files", "overwritten", changed, limits.changed_files),
    ):
        if most is not None and count > most:
            text = f"{count} of {mirror_files} files would be {verb} (limit {name}: {most})"
            found.append(Breach(text, name, count))
    if mirror_files >= PERCENT_FLOOR:
        for name, verb, count, limit, field in (
            ("deleted_percent", "deleted", deleted, limits.deleted_percent, "deleted_files"),
            ("changed_percent", "overwritten", changed, limits.changed_percent, "changed_files"),
        ):
            if limit is not None and count * 100 > limit * mirror_files:
                share = count * 100 / mirror_files
                text = f"{count} of {mirror_files} files would be {verb}, {share:.1f} % (limit {name}: {limit:g} %)"
                found.append(Breach(text, field, count))
    return found


def cap_breaches(
    cap: Cap, *, waiting_files: int, waiting_bytes: int, files: int, size: int, mirror_files: int, mirror_bytes: int
) -> list[Breach]:
    """Why the quarantine must not take what this pull would put there; empty when it may.

    :param waiting_files: what is there.
    :param waiting_bytes: its size.
    :param files: what would come.
    :param size: its size in bytes.
    """
    found = []
    if files == 0:
        return []
    total = waiting_bytes + size
    there = f"to the {waiting_files} files, {waiting_bytes} bytes that wait in the quarantine"
    if cap.max_files is not None and waiting_files + files > cap.max_files:
        text = f"{files} files would be added {there} (limit of the quarantine: {cap.max_files} files)"
        found.append(Breach(text, "quarantine_files", files))
    if cap.max_bytes is not None and total > cap.max_bytes:
        text = f"{size} bytes would be added {there} (limit of the quarantine: {cap.max_bytes} bytes)"
        found.append(Breach(text, "quarantine_bytes", size))
    if mirror_files >= PERCENT_FLOOR and cap.max_percent is not None and total * 100 > cap.max_percent * mirror_bytes:
        text = (
            f"{size} bytes would be added {there} "
            f"(limit of the quarantine: {cap.max_percent:g} % of the {mirror_bytes} bytes of the mirror)"
        )
        found.append(Breach(text, "quarantine_bytes", size))
    return found


def needed(found: t.Sequence[Breach]) -> dict[str, t.Any]:
    """The acceptance that covers all of these, but for its reason."""
    fields_needed: dict[str, t.Any] = {}
    for breach in found:
        fields_needed[breach.field] = breach.value
    return fields_needed


def how_to_accept(found: t.Sequence[Breach], key: str | None) -> str:
    """How an operator accepts these, as one sentence.

    :param key: ``source/dataset``, None when it is not known.
    """
    given = {**needed(found), "reason": "..."}
    if key is None:
        return f"If all of this is wanted, accept it for one run with the option accept={json.dumps(given)}"
    variable = json.dumps({"backup_accept": {key: given}})
    return f"If all of this is wanted, accept it for one run of the backup playbook with -e '{variable}'"
