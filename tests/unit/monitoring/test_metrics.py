# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _metrics


def values(facts: dict[str, t.Any]) -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels): sample.value for sample in _metrics.samples(facts)}


def test_every_sample_is_of_a_known_family_with_its_labels_and_stands_once(states: t.Any) -> None:
    seen = set()
    for state in states.STATES.values():
        found = _metrics.samples(state())
        assert len({(sample.name, sample.labels) for sample in found}) == len(found)
        for sample in found:
            assert len(sample.labels) == len(_metrics.FAMILIES[sample.name].labels)
            seen.add(sample.name)
    assert set(_metrics.FAMILIES) - seen == set(), "a family that no state gives a value"


def test_a_server_without_a_run_claims_nothing(states: t.Any) -> None:
    found = values(states.no_run())
    assert not any("last_success" in name for name, *_labels in found)
    assert found["points", "tatchu", "complete"] == 0
    assert found["hold", "tatchu"] == 0


def test_a_failed_night_leaves_the_time_of_the_last_good_one(states: t.Any) -> None:
    facts = states.failing_night()
    found = values(facts)
    good = states.NOW.replace(hour=3, minute=25).timestamp() - 2 * 86400
    assert found["job_last_success_timestamp_seconds", "backup"] == good
    assert found["job_last_end_timestamp_seconds", "backup"] == good + 2 * 86400
    assert found["job_last_ok", "backup"] == 0
    assert found["pull_last_success_timestamp_seconds", "tatchu", "blobs"] == good
    assert found["pull_last_success_timestamp_seconds", "tatchu", "data"] == good + 2 * 86400
    assert (found["dataset_last_ok", "tatchu", "blobs"], found["dataset_last_ok", "tatchu", "data"]) == (0, 1)
    # A partial point is none that counts.
    assert found["point_last_success_timestamp_seconds", "tatchu"] == good - 5 * 60
    assert found["points", "tatchu", "partial"] == 2
    assert found["check_ok", "tatchu", "data", "repository"] == 0
    assert found["readiness_item_state", "room at the destination", "tatchu", "data"] == 2


def test_suspect_points_are_not_restorable(states: t.Any) -> None:
    facts = states.suspect_point()
    for point in facts["sources"][0]["points"][4:]:
        point["state"] = "suspect"
    found = values(facts)
    oldest = states.NOW.replace(hour=1, minute=15).timestamp() - 3 * 86400
    assert found["oldest_restorable_point_timestamp_seconds", "tatchu"] == oldest
    assert found["points", "tatchu", "suspect"] == 4
    assert found["hold", "tatchu"] == 1


def test_a_run_that_goes_on_and_one_that_died_are_no_success(states: t.Any) -> None:
    facts = states.one_run()
    facts["runs"][0]["state"] = "died"
    found = values(facts)
    assert found["job_last_ok", "backup"] == 0
    assert ("job_last_success_timestamp_seconds", "backup") not in found
    facts["runs"][0]["state"] = "running"
    found = values(facts)
    assert found["job_running", "backup"] == 1
    assert ("job_last_ok", "backup") not in found


@pytest.mark.parametrize("value", [None, "7", float("nan"), float("inf"), True, [1], {}])
def test_a_figure_that_is_none_has_no_sample(states: t.Any, value: object) -> None:
    facts = states.one_run()
    facts["runs"][0]["outcomes"][1]["bytes"] = value
    facts["runs"][0]["outcomes"][1]["seconds"] = value
    found = values(facts)
    assert ("dataset_bytes", "tatchu", "blobs") not in found
    assert ("stage_duration_seconds", "tatchu", "blobs", "pull") not in found
    assert ("dataset_files", "tatchu", "blobs") in found
