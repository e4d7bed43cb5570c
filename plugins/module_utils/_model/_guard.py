# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""May this pull go on? Pure: the counts of a census and the limits in, the reasons against it out."""

from __future__ import annotations

from dataclasses import dataclass

PERCENT_FLOOR = 20
"""Shares are judged only for mirrors of at least so many files: one of three files is 33 %, and means nothing."""


@dataclass(frozen=True)
class Limits:
    """What a pull may do to a mirror; ``None`` means no limit.

    :param deleted_files: files that may be deleted.
    :param deleted_percent: their share of the mirror's files.
    :param changed_percent: share of the mirror's files that may be overwritten.
    :param allow_empty: whether a source without any file is believed.
    """

    deleted_files: int | None = None
    deleted_percent: float | None = None
    changed_percent: float | None = None
    allow_empty: bool = False


def breaches(limits: Limits, *, source_files: int, mirror_files: int, deleted: int, changed: int) -> list[str]:
    """Why the pull must not go on; empty when it may. Files are all entries but directories.

    :param source_files: on the source, after the filters.
    :param mirror_files: in the mirror before the pull.
    :param deleted: in the mirror, gone from the source.
    :param changed: in the mirror, to be overwritten by something else.
    """
    found = []
    if source_files == 0 and not limits.allow_empty:
        found.append("the source holds no file at all (limit: allow_empty is false)")
    if limits.deleted_files is not None and deleted > limits.deleted_files:
        found.append(
            f"{deleted} of {mirror_files} files would be deleted (limit deleted_files: {limits.deleted_files})"
        )
    if mirror_files >= PERCENT_FLOOR:
        for name, verb, count, limit in (
            ("deleted_percent", "deleted", deleted, limits.deleted_percent),
            ("changed_percent", "overwritten", changed, limits.changed_percent),
        ):
            if limit is not None and count * 100 > limit * mirror_files:
                share = count * 100 / mirror_files
                found.append(
                    f"{count} of {mirror_files} files would be {verb}, {share:.1f} % (limit {name}: {limit:g} %)"
                )
    return found
