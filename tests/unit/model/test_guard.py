# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model._guard import Limits, breaches


def judge(limits: Limits, **counts: int) -> list[str]:
    given: dict[str, t.Any] = {"source_files": 1000, "mirror_files": 1000, "deleted": 0, "changed": 0, **counts}
    return breaches(limits, **given)


@pytest.mark.parametrize(
    ("limits", "counts"),
    [
        (Limits(), {"deleted": 1000, "changed": 1000}),
        (Limits(deleted_files=10), {"deleted": 10}),
        (Limits(deleted_percent=10), {"deleted": 100}),
        (Limits(changed_percent=0.5), {"changed": 5}),
        (Limits(0, 0, 0), {"mirror_files": 0}),
        (Limits(deleted_percent=10, changed_percent=10), {"mirror_files": 19, "deleted": 19, "changed": 19}),
        (Limits(allow_empty=True), {"source_files": 0, "deleted": 1000}),
    ],
)
def test_within_the_limits(limits: Limits, counts: dict[str, int]) -> None:
    assert judge(limits, **counts) == []


@pytest.mark.parametrize(
    ("limits", "counts", "reason"),
    [
        (Limits(deleted_files=10), {"deleted": 11}, "11 of 1000 files would be deleted (limit deleted_files: 10)"),
        (
            Limits(deleted_files=0),
            {"mirror_files": 3, "deleted": 1},
            "1 of 3 files would be deleted (limit deleted_files: 0)",
        ),
        (
            Limits(deleted_percent=10),
            {"deleted": 101},
            "101 of 1000 files would be deleted, 10.1 % (limit deleted_percent: 10 %)",
        ),
        (
            Limits(changed_percent=12.5),
            {"mirror_files": 20, "changed": 3},
            "3 of 20 files would be overwritten, 15.0 % (limit changed_percent: 12.5 %)",
        ),
        (
            Limits(deleted_percent=0),
            {"mirror_files": 20, "deleted": 1},
            "1 of 20 files would be deleted, 5.0 % (limit deleted_percent: 0 %)",
        ),
        (Limits(), {"source_files": 0}, "the source holds no file at all (limit: allow_empty is false)"),
    ],
)
def test_beyond_a_limit(limits: Limits, counts: dict[str, int], reason: str) -> None:
    assert judge(limits, **counts) == [reason]


def test_every_broken_limit_is_named() -> None:
    found = judge(Limits(1, 1, 1), source_files=0, deleted=500, changed=500)
    assert [reason.rpartition("limit")[2] for reason in found] == [
        ": allow_empty is false)",
        " deleted_files: 1)",
        " deleted_percent: 1 %)",
        " changed_percent: 1 %)",
    ]
