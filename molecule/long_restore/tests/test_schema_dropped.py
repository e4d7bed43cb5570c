# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One schema is dropped; it alone comes back, and what people entered elsewhere since stays."""

import pytest

testinfra_hosts = ["ansible://loki"]
OTHERS = ("lab_imaging", "lab_session", "lab_subject")


@pytest.fixture(scope="module")
def point(fresh):
    return fresh()


@pytest.fixture(scope="module")
def recovered(point, tatchu, restore, recover, worker_goes_on, checksums):
    worker_goes_on()  # rows that the point does not know
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
    worker_goes_on()
    assert sum(fetch_all()["rows"].values()) > 100
    # Sessions that were entered since the point have no recording any more: those are for the lab to look at.
    gaps = (
        "SELECT COUNT(*) FROM lab_session.session LEFT JOIN lab_ephys.recording USING (subject, session)"
        " WHERE probe IS NULL"
    )
    assert int(tatchu.check_output("mariadb -NBe %s", gaps)) >= 1
