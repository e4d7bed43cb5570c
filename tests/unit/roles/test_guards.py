# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a night's steps are given, so that its guards can speak."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"


def tasks(entries: t.Any) -> t.Iterator[dict[str, t.Any]]:
    for entry in entries:
        yield entry
        for part in ("block", "rescue", "always"):
            yield from tasks(entry.get(part) or ())


def steps(module: str) -> list[tuple[str, dict[str, t.Any]]]:
    files = sorted(ROLES.glob("*/tasks/*.yml"))
    found = [(path, task) for path in files for task in tasks(yaml.safe_load(path.read_text()) or ())]
    return [(path.parents[1].name, task) for path, task in found if module in task]


PULLS = steps("labops.backup.rsync_pull")


@pytest.mark.parametrize("step", PULLS, ids=[f"{role}: {task['name']}" for role, task in PULLS])
def test_no_pull_writes_to_a_disk_that_was_not_looked_at(step: tuple[str, dict[str, t.Any]]) -> None:
    """Not even the few manifests of a pin: the disk at backup_root may be another one."""
    assert "root_guard" in step[1]["labops.backup.rsync_pull"].get("root", "")


def test_whoever_reads_of_a_dump_set_that_is_not_proven_learns_what_to_do() -> None:
    (task,) = [
        task for _role, task in steps("ansible.builtin.assert") if task["name"] == "See that the dump set is proven"
    ]
    message = task["ansible.builtin.assert"]["fail_msg"]
    assert "Look at the dump job on the source" in message


def test_no_message_breaks_its_line() -> None:
    """A folded text keeps the line break after a line that is indented further; people then read \\x0a there."""
    broken = [
        task["name"]
        for _role, task in steps("ansible.builtin.assert")
        if "\n" in re.sub(r"{{.*?}}", "", task["ansible.builtin.assert"].get("fail_msg", ""), flags=re.DOTALL)
    ]
    assert broken == []


def test_nothing_writes_to_the_disk_before_the_pull_that_looks_at_it() -> None:
    """The folder of a run came into being below the mount point of a disk that was not mounted."""
    pin = list(tasks(yaml.safe_load((ROLES / "_seal_point/tasks/pin.yml").read_text())))
    first = next(number for number, task in enumerate(pin) if "labops.backup.rsync_pull" in task)
    assert [task["name"] for task in pin[:first] if "ansible.builtin.file" in task] == []


def test_a_dataset_that_failed_keeps_its_lock_from_nobody() -> None:
    """It was kept for a next step that did not come, and a run right after that found the dataset busy."""
    (task,) = yaml.safe_load((ROLES / "_backup_dataset/tasks/main.yml").read_text())
    (release,) = [entry for entry in task["rescue"] if "labops.backup.lock_release" in entry]
    assert release["labops.backup.lock_release"] == {
        "lock": "{{ backup_dataset.lock }}",
        "run_id": "{{ backup_run.id }}",
    }
    assert release["failed_when"] is False
