# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _guard
from ansible_collections.labops.backup.plugins.module_utils._model._guard import Acceptance, Breach, Cap, Limits


def judge(limits: Limits, **counts: int) -> list[str]:
    given: dict[str, t.Any] = {"source_files": 1000, "mirror_files": 1000, "deleted": 0, "changed": 0, **counts}
    return [breach.text for breach in _guard.breaches(limits, **given)]


@pytest.mark.parametrize(
    ("limits", "counts"),
    [
        (Limits(), {"deleted": 1000, "changed": 1000}),
        (Limits(deleted_files=10), {"deleted": 10}),
        (Limits(deleted_percent=10), {"deleted": 100}),
        (Limits(changed_percent=0.5), {"changed": 5}),
        (Limits(0, 0, 0, 0), {"mirror_files": 0}),
        (Limits(changed_files=5), {"changed": 5}),
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
        (Limits(changed_files=5), {"changed": 6}, "6 of 1000 files would be overwritten (limit changed_files: 5)"),
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
    found = judge(Limits(1, 1, 1, 1), source_files=0, deleted=500, changed=500)
    assert [reason.rpartition("limit")[2] for reason in found] == [
        ": allow_empty is false)",
        " deleted_files: 1)",
        " changed_files: 1)",
        " deleted_percent: 1 %)",
        " changed_percent: 1 %)",
    ]


# ------------------------------------------------------------------------------------------------------- quarantine


def weigh(cap: Cap, **counts: int) -> list[Breach]:
    given = {
        "waiting_files": 5,
        "waiting_bytes": 400,
        "files": 2,
        "size": 100,
        "mirror_files": 20,
        "mirror_bytes": 1000,
    }
    return _guard.cap_breaches(cap, **{**given, **counts})


@pytest.mark.parametrize(
    ("cap", "counts"),
    [
        (Cap(), {"size": 10**12}),
        (Cap(7, 500, 50.0), {}),
        (Cap(0, 0, 0.0), {"files": 0, "size": 0}),
        (Cap(max_percent=50.0), {"mirror_files": 19, "size": 1000}),
    ],
)
def test_within_the_cap(cap: Cap, counts: dict[str, int]) -> None:
    assert weigh(cap, **counts) == []


@pytest.mark.parametrize(
    ("cap", "field", "value", "limit"),
    [
        (Cap(max_files=6), "quarantine_files", 2, "6 files"),
        (Cap(max_bytes=499), "quarantine_bytes", 100, "499 bytes"),
        (Cap(max_percent=49.9), "quarantine_bytes", 100, "49.9 % of the 1000 bytes of the mirror"),
    ],
)
def test_beyond_the_cap(cap: Cap, field: str, value: int, limit: str) -> None:
    (breach,) = weigh(cap)
    assert (breach.field, breach.value) == (field, value)
    assert breach.text.endswith(f"(limit of the quarantine: {limit})")
    assert "to the 5 files, 400 bytes that wait in the quarantine" in breach.text


# ------------------------------------------------------------------------------------------------------- acceptance


@pytest.mark.parametrize(
    ("accepted", "breach", "covered"),
    [
        (Acceptance("r", deleted_files=11), Breach("", "deleted_files", 11), True),
        (Acceptance("r", deleted_files=11), Breach("", "deleted_files", 12), False),
        (Acceptance("r", deleted_files=11), Breach("", "changed_files", 1), False),
        (Acceptance("r", quarantine_bytes=0), Breach("", "quarantine_bytes", 1), False),
        (Acceptance("r", empty=True), Breach("", "empty", True), True),
        (Acceptance(), Breach("", "empty", True), False),
        (Acceptance("r", marker="ab"), Breach("", "marker", "ab"), True),
        (Acceptance("r", marker="ab"), Breach("", "marker", "cd"), False),
        (Acceptance(), Breach("", "marker", "cd"), False),
    ],
)
def test_an_acceptance_covers_up_to_its_own_number(accepted: Acceptance, breach: Breach, covered: bool) -> None:
    assert accepted.covers(breach) is covered


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("because", "'because' is no acceptance"),
        ({"deleted_files": 3}, "the acceptance has no reason"),
        ({"deleted_files": 3, "reason": " "}, "the acceptance has no reason"),
        ({"reason": "moved"}, "the acceptance says why, but not what"),
        ({"reason": "moved", "empty": False, "marker": None}, "the acceptance says why, but not what"),
        ({"reason": "moved", "everything": True}, "'everything' cannot be accepted; known are changed_files,"),
        ({"reason": "moved", "deleted_files": True}, "deleted_files is True"),
        ({"reason": "moved", "deleted_files": -1}, "deleted_files is -1"),
        ({"reason": "moved", "changed_files": "10"}, "changed_files is '10'"),
        ({"reason": "moved", "empty": 1}, "empty is 1"),
        ({"reason": "moved", "marker": 7}, "marker is 7"),
    ],
)
def test_an_acceptance_that_is_not_understood_is_refused(given: t.Any, reason: str) -> None:
    with pytest.raises(BackupError) as caught:
        _guard.acceptance(given, "accept")
    assert f"accept: {reason}" in caught.value.message
    assert "Nothing was changed. Give a reason, and the numbers that the refused pull named." in caught.value.message


def test_what_is_not_given_is_not_accepted() -> None:
    given = {"reason": "moved", "deleted_files": 3, "changed_files": None, "empty": None}
    assert _guard.acceptance(given, "accept") == Acceptance("moved", deleted_files=3)


def test_it_is_said_how_to_accept() -> None:
    found = [Breach("", "deleted_files", 7), Breach("", "deleted_files", 7), Breach("", "empty", True)]
    assert _guard.how_to_accept(found, "tatchu/blobs").endswith(
        'with -e \'{"backup_accept": {"tatchu/blobs": {"deleted_files": 7, "empty": true, "reason": "..."}}}\''
    )
    assert _guard.how_to_accept(found[:1], None).endswith('option accept={"deleted_files": 7, "reason": "..."}')


def test_who_accepted_more_has_accepted_less_too() -> None:
    accepted = Acceptance("r", deleted_files=10, marker="b")
    assert [accepted.covers(Breach("", "deleted_files", number)) for number in (9, 10, 11)] == [True, True, False]
    assert [accepted.covers(Breach("", "marker", name)) for name in ("a", "b", "c")] == [False, True, False]
    assert not accepted.covers(Breach("", "changed_files", 1))
