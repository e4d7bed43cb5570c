# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each part of site.yml, chosen by its tag alone, has on a new host everything that it writes into and starts."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import typing as t

import pytest
import yaml
from jinja2 import Environment

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Folders that no Debian has.
OURS = re.compile(r"/(etc|opt|var/lib|var/log|usr/local/libexec)/labops-backup")
# What a role cannot do without, and another one makes. borg compares the disk with what rsync_server knows of it.
STANDS_ON = {"notification": "runner", "cron": "runner", "borg": "rsync_server"}


@functools.cache
def load(path: str) -> t.Any:
    return yaml.safe_load((ROOT / path).read_text())


def tasks(node: t.Any) -> t.Iterator[dict[str, t.Any]]:
    if isinstance(node, list):
        for entry in node:
            yield from tasks(entry)
    elif isinstance(node, dict):
        yield node
        for part in ("block", "rescue", "always"):
            yield from tasks(node.get(part))


def resolved(role: str, text: str) -> str:
    """The text with the role's own plain variables in their places."""
    path = f"roles/{role}/vars/main.yml"
    for key, value in (load(path) if (ROOT / path).exists() else {}).items():
        if isinstance(value, str) and "{" not in value:
            text = text.replace("{{ " + key + " }}", value).replace(
                "{{ " + key + " | dirname }}", os.path.dirname(value)
            )
    return text


def folders(role: str) -> tuple[set[str], set[str]]:
    """The folders that a role makes, and those that it writes into and that no Debian has."""
    made, used = set(), set()
    for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml")):
        for task in tasks(yaml.safe_load(path.read_text())):
            here = task.get("delegate_to") != "localhost"
            for module in ("copy", "template", "file"):
                options = task.get(f"ansible.builtin.{module}")
                if options is None or not here:
                    continue
                target = resolved(role, str(options.get("dest") or options.get("path")))
                if options.get("state") == "directory":
                    loop = task.get("loop", []) if isinstance(task.get("loop"), list) else []
                    listed = [entry["path"] if isinstance(entry, dict) else str(entry) for entry in loop]
                    made.update(resolved(role, one) for one in (listed or [target]))
                elif options.get("state") != "absent" and OURS.match(target):
                    used.add(os.path.dirname(target))
    return made, used


def roles_of_site() -> set[str]:
    named = [role["role"] for play in load("playbooks/site.yml") for role in play.get("roles", ())]
    return {name.removeprefix("labops.backup.") for name in named}


def test_site_has_the_roles_that_are_looked_at_here() -> None:
    assert {
        "runner",
        "rsync_server",
        "rsync_source",
        "borg",
        "notification",
        "cron",
        "database_dump",
    } == roles_of_site()


@pytest.mark.parametrize("role", sorted(roles_of_site()))
def test_a_role_writes_into_folders_that_it_makes_or_stands_on_a_role_that_makes_them(role: str) -> None:
    made, used = folders(role)
    if role in STANDS_ON:
        made |= folders(STANDS_ON[role])[0]
    assert {folder for folder in used if folder not in made and "{{" not in folder} == set()


def test_what_a_part_stands_on_is_made_when_that_part_is_chosen_alone() -> None:
    plays = load("playbooks/site.yml")
    (number,) = [n for n, play in enumerate(plays) if play["name"] == "Give a new host what the chosen part stands on"]
    assert not any(play.get("roles") for play in plays[:number]), "before the first role"
    given = {
        (task["ansible.builtin.include_role"]["name"].removeprefix("labops.backup."), tag)
        for task in plays[number]["tasks"]
        if "ansible.builtin.include_role" in task
        for tag in task["tags"]
        if tag in task["ansible.builtin.include_role"]["apply"]["tags"]
    }
    assert given == {(below, role) for role, below in STANDS_ON.items()}
    looks = [task for task in plays[number]["tasks"] if "register" in task]
    assert {tag for task in looks for tag in task["tags"]} == set(STANDS_ON)


@pytest.mark.parametrize(
    ("chosen", "has", "made"),
    [
        (["notification"], [], {"runner"}),
        (["cron"], [], {"runner"}),
        (["borg"], [], {"rsync_server"}),
        (["borg", "cron"], [], {"runner", "rsync_server"}),
        (["notification", "borg"], ["release.json", "backup-root.json"], set()),
        # Their own plays make them.
        (["all"], [], set()),
        (["runner", "rsync", "notification", "borg"], [], set()),
    ],
)
def test_a_part_alone_leaves_what_a_host_has_as_it_is(chosen: list[str], has: list[str], made: set[str]) -> None:
    assert decided(chosen, has) == made


def decided(chosen: list[str], has: list[str]) -> set[str]:
    """The roles that site.yml includes for a server, by the conditions of its tasks."""
    environment = Environment(autoescape=False)
    environment.filters["intersect"] = lambda one, other: [entry for entry in one if entry in other]
    (play,) = [one for one in load("playbooks/site.yml") if one["name"].startswith("Give a new host")]
    look = next(task for task in play["tasks"] if "register" in task)
    results = [{"stat": {"exists": os.path.basename(path) in has}} for path in look["loop"]]
    context = {
        look["register"]: {"results": results},
        **{"ansible_run_tags": chosen, "inventory_hostname": "loki", "groups": {"backup_servers": ["loki"]}},
    }
    included = set()
    for task in play["tasks"]:
        role = task.get("ansible.builtin.include_role", {}).get("name", "").removeprefix("labops.backup.")
        tagged = "all" in chosen or bool(set(chosen) & set(task["tags"]))
        if role and tagged and all(environment.compile_expression(one)(**context) for one in task["when"]):
            included.add(role)
    return included
