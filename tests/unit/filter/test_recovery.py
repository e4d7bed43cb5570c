# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.labops.backup.plugins.filter import recovery

FILTERS = recovery.FilterModule().filters()
NOW = "2026-11-23T08:00:00Z"


def test_what_was_read_becomes_a_table() -> None:
    hosts = {"loki": {"backup_plan": [], "status_runs": {"runs": [], "unreadable": []}}}
    status = FILTERS["status_document"](hosts, ["loki"], NOW)
    assert FILTERS["status_table"](status) == ["No run is recorded on loki yet."]


@pytest.mark.parametrize("now", ["soon", "2026-11-23T08:00:00"])
def test_a_bad_time_is_refused_in_plain_words(now: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"'{now}' is not a time with a zone"):
        FILTERS["status_table"](FILTERS["status_document"]({}, [], now))
