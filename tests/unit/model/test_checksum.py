# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _checksum

NOW = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("every_days", "last", "due"),
    [
        (30, "2026-10-24T02:30:01Z", False),
        (30, "2026-10-24T02:30:00Z", True),
        (30, "2026-11-23T02:30:00Z", False),
        (0.5, "2026-11-22T14:30:00Z", True),
        (30, None, True),
        (30, "2026-11-23T02:30:01Z", True),  # a clock that was wrong
        (30, "2026-11-20T02:30:00", True),
        (30, "yesterday", True),
        (30, 7, True),
        (0, None, False),
        (0, "2020-01-01T00:00:00Z", False),
    ],
)
def test_it_is_due_by_age(every_days: float, last: object, due: bool) -> None:
    assert _checksum.is_due(every_days, last, NOW) is due
