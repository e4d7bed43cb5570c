# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore told the next pull of a dataset: taken, or told when nobody understands it; it stops no night."""

from __future__ import annotations

import base64
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.labops.backup.plugins.module_utils._model import _night
from jinja2 import Environment
from jinja2.nativetypes import NativeEnvironment

TASKS = pathlib.Path(__file__).resolve().parents[3] / "roles/_backup_dataset/tasks/main.yml"
(DATASET,) = yaml.safe_load(TASKS.read_text())
PATH = "/var/lib/labops-backup/expected/tatchu.blobs.json"
OMIT = "omitted"
TOLD = '{"deleted_files": 7, "reason": "restored"}'


def task(part: str, name: str) -> dict[str, t.Any]:
    (found,) = [one for one in DATASET[part] if one["name"] == name]
    return dict(found)


def template(text: str, content: str | None, **variables: t.Any) -> t.Any:
    environment: Environment = NativeEnvironment(autoescape=False)
    environment.filters["labops.backup.expected"] = _night.expected
    environment.filters["combine"] = lambda one, other: {**one, **other}
    read = {} if content is None else {"source": PATH, "content": base64.b64encode(content.encode()).decode()}
    given = {"_backup_dataset_expected": read, "omit": OMIT, **variables}
    told = environment.from_string(DATASET["vars"]["_backup_dataset_told"]).render(**given)
    return environment.from_string(text).render(**given, _backup_dataset_told=told)


@pytest.mark.parametrize(
    ("content", "given", "accepted"),
    [
        (None, {}, OMIT),
        (TOLD, {}, {"deleted_files": 7, "reason": "restored"}),
        ("", {}, OMIT),
        ("[1]", {}, OMIT),
        ("", {"accept": {"deleted_files": 1, "reason": "mine"}}, {"deleted_files": 1, "reason": "mine"}),
        (TOLD, {"accept": {"deleted_files": 1, "reason": "mine"}}, {"deleted_files": 1, "reason": "mine"}),
    ],
)
def test_a_pull_accepts_what_can_be_understood(content: str | None, given: dict[str, t.Any], accepted: t.Any) -> None:
    accept = task("block", "Pull")["labops.backup.rsync_pull"]["accept"]
    assert template(accept, content, backup_dataset=given) == accepted


@pytest.mark.parametrize("content", [None, TOLD, "", "{}"])
def test_what_cannot_be_understood_is_told_whether_the_night_goes_well_or_not(content: str | None) -> None:
    damaged = content in ("", "{}")
    warn = task("block", "Tell of what a restore said and nobody understands")
    assert template("{{ " + warn["when"] + " }}", content) is damaged
    outcome = template(
        warn["ansible.builtin.set_fact"]["backup_outcome"], content, backup_outcome={"ok": True, "warnings": ["w"]}
    )
    assert outcome["ok"] is True and (PATH in outcome["warnings"][-1]) is damaged
    failed = task("rescue", "Keep what failed")["ansible.builtin.set_fact"]["backup_outcome"]["message"]
    message = template(failed, content, ansible_failed_result={"msg": "900 files would be deleted."})
    assert message.startswith("900 files would be deleted.") and (PATH in message) is damaged


def test_it_is_removed_after_a_pull_whatever_it_says() -> None:
    names = [one["name"] for one in DATASET["block"]]
    assert names.index("Pull") < names.index("Expect it once only") < names.index("Verify the content")
    assert task("block", "Expect it once only")["when"] == "_backup_dataset_expected.content is defined"
