# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.labops.backup.plugins.filter import recovery

STATUS = {"server": "loki", "sources": [], "runs": [], "unreadable_runs": []}
status_table = recovery.FilterModule().filters()["status_table"]


def test_the_table_is_made_of_lines() -> None:
    assert status_table(STATUS, "2026-11-23T08:00:00Z")[-1] == "No run is recorded yet."


@pytest.mark.parametrize(
    ("now", "message"), [("soon", "'soon' is not a time"), ("2026-11-23T08:00:00", "has no zone; add Z")]
)
def test_a_bad_time_is_refused(now: str, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        status_table(STATUS, now)


def test_a_bad_status_is_refused_in_plain_words() -> None:
    run = {"run_id": "r", "job": "dump", "state": "running", "started": "then", "seconds": None, "message": ""}
    with pytest.raises(AnsibleFilterError, match="'then' is not a time with a zone"):
        status_table({**STATUS, "runs": [run]}, "2026-11-23T08:00:00Z")
