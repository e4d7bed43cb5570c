# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _marker

EXPECTED = _marker.Expected(_marker.NAME, "tatchu", "blobs")
ID = "6f1c2a4be0d94a3f8b27c5d1e6a90f33"


def test_a_marker_gives_its_identifier() -> None:
    assert _marker.identify({"source": "tatchu", "dataset": "blobs", "id": ID}, EXPECTED, "x") == ID
    assert EXPECTED.key == "tatchu/blobs"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"source": "tatchu", "dataset": "data", "id": ID}, "is the one of tatchu/data, not of tatchu/blobs"),
        ({"source": "odin", "dataset": "blobs", "id": ID}, "is the one of odin/blobs, not of tatchu/blobs"),
        ({}, "is the one of None/None, not of tatchu/blobs"),
        ({"source": "tatchu", "dataset": "blobs"}, "holds no identifier"),
        ({"source": "tatchu", "dataset": "blobs", "id": ID + "0"}, "holds no identifier"),
        ({"source": "tatchu", "dataset": "blobs", "id": 7}, "holds no identifier"),
    ],
)
def test_a_marker_of_something_else_is_refused(document: dict[str, t.Any], reason: str) -> None:
    with pytest.raises(BackupError, match="The mirror was not changed") as caught:
        _marker.identify(document, EXPECTED, "tatchu::blobs/")
    assert reason in caught.value.message
    assert caught.value.facts == {"kind": "marker"}


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "a\0b", "x" * 256])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BackupError, match="is not the name of a file"):
        _marker.check_name(name)
