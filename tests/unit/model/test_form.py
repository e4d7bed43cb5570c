# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _form

FORM = {
    "id": str,
    "size": int,
    "share?": (float, None),
    "files?": {str: {"sha256": _form.SHA256}},
    "names?": [str],
    "either?": ({"a": str}, None),
}


def test_what_fits_is_not_wrong() -> None:
    assert _form.wrong({"id": "x", "size": 0}, FORM) == ""
    whole = {"id": "x", "size": 1, "share": None, "files": {"a": {"sha256": "0" * 64}}, "names": ["n"], "more": []}
    assert _form.wrong(whole, FORM) == ""
    assert _form.wrong({"id": "x", "size": 1, "share": 1}, FORM) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "id is null, not text"),
        ({"size": True}, "size is true, not a whole number"),
        ({"size": 1.0}, "size is 1.0, not a whole number"),
        ({"share": "x"}, 'share is "x", not a number or null'),
        ({"share": False}, "share is false, not a number or null"),
        ({"share": float("nan")}, "share is NaN, not a number or null"),
        ({"files": []}, "files is [], not a mapping"),
        ({"files": {"a": 5}}, "files.a is 5, not a mapping"),
        ({"files": {"a": {}}}, "files.a.sha256 is missing"),
        ({"files": {"a": {"sha256": "0" * 64 + "\n"}}}, "not a SHA-256"),
        ({"either": {"a": 5}}, "either.a is 5, not text"),
        ({"names": "n"}, 'names is "n", not a list'),
        ({"names": ["n", {}]}, "names[1] is {}, not text"),
    ],
)
def test_the_first_wrong_place_is_named(change: dict[str, t.Any], said: str) -> None:
    assert said in _form.wrong({"id": "x", "size": 1} | change, FORM)


def test_what_is_missing_is_named_and_what_is_long_is_cut() -> None:
    assert _form.wrong({"id": "x"}, FORM) == "size is missing"
    assert _form.wrong([], FORM) == "it is [], not a mapping"
    assert len(_form.wrong({"id": ["x" * 9999], "size": 1}, FORM)) < 120
