# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One schema is dropped; it alone comes back, and what people entered elsewhere since stays."""

import pytest

testinfra_hosts = ["ansible://loki"]
OTHERS = ("lab_imaging", "lab_session", "lab_subject")


@pytest.fixture(scope="module")
def point(still_night):
    """Nobody computes between the point and the loss: rows of other schemas that need newer ones of it would dangle."""
    return still_night()


@pytest.fixture(scope="module")
def recovered(point, tatchu, restore, recover, checksums):
    tatchu.check_output(
        "mariadb -e %s", "INSERT INTO lab_subject.person VALUES ('since', 'Since Then', NULL, '2026-11-01')"
    )
    tatchu.check_output("mariadb -e 'SET foreign_key_checks=0; DROP DATABASE lab_ephys'")
    restore(stage="fence")
    before = {schema: checksums(schema) for schema in OTHERS}
    return recover(point, case="b", fence=False, schemas="lab_ephys", release=False), before


def test_the_plan_names_the_schema_and_nothing_else(recovered):
    offer, _before = recovered
    assert offer["order"] == ["database"]
    step = next(step for step in offer["steps"] if step["dataset"] == "database")
    assert step["state"] == "damaged" and step["counts"]["missing"]["files"] >= 5
    assert "lab_ephys replaced" in step["replaces"]


def test_the_schema_is_that_of_the_point(recovered, point, checksums, dumped):
    assert checksums("lab_ephys") == dumped(point, "lab_ephys.")


def test_the_other_schemas_are_as_they_were(recovered, checksums):
    _offer, before = recovered
    assert {schema: checksums(schema) for schema in OTHERS} == before


def test_the_lab_works_again(recovered, restore, fetch_all, worker_goes_on, tatchu):
    restore(stage="release")
    tatchu.check_output("systemctl start datajoint-worker")  # as before the fence, it stood still
    worker_goes_on()
    assert sum(fetch_all()["rows"].values()) > 100
    since = "SELECT full_name FROM lab_subject.person WHERE person = 'since'"
    assert tatchu.check_output("mariadb -NBe %s", since) == "Since Then"
