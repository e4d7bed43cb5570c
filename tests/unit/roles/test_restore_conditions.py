# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under which conditions the steps of a restore are done."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.labops.backup.plugins.module_utils._tools import _rsync
from jinja2 import Environment

TASKS = pathlib.Path(__file__).resolve().parents[3] / "roles/_restore/tasks"
DATABASE = {"name": "database", "kind": "database"}
URL = "labops-pull@tatchu::database/"
SET = "20261123T013000Z-aaaaaa"
BLOBS = {"name": "blobs", "kind": "files"}


def named(node: t.Any, name: str) -> t.Iterator[dict[str, t.Any]]:
    for task in node if isinstance(node, list) else []:
        if task.get("name") == name:
            yield task
        for part in ("block", "rescue", "always"):
            yield from named(task.get(part), name)


def every(node: t.Any) -> t.Iterator[dict[str, t.Any]]:
    for task in node if isinstance(node, list) else []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from every(task.get(part))


def is_done(file: str, name: str, **variables: t.Any) -> bool:
    (task,) = named(yaml.safe_load((TASKS / file).read_text()), name)
    conditions = task["when"] if isinstance(task["when"], list) else [task["when"]]
    environment = Environment(autoescape=True)
    return all(environment.compile_expression(condition)(**variables) for condition in conditions)


@pytest.mark.parametrize(
    ("dump_set", "parts", "done"),
    [({"id": "x"}, [DATABASE, BLOBS], True), (None, [DATABASE, BLOBS], False), ({"id": "x"}, [BLOBS], False)],
)
def test_what_a_dump_refers_to_is_looked_up_where_the_point_has_the_dump(
    dump_set: t.Any, parts: list[dict[str, str]], done: bool
) -> None:
    variables = {
        "restore": {"entry": {"dump_directory": "/d"}, "needs_fence": True},
        "restore_point_document": {"dump_set": dump_set},
        "restore_parts": parts,
    }
    assert is_done("check.yml", "Look up every file that the database refers to", **variables) is done


def test_a_dump_set_is_brought_where_there_is_one() -> None:
    for dump_set in (None, {"id": "x"}):
        variables = {"restore": {"needs_fence": True}, "restore_point_document": {"dump_set": dump_set}}
        for file, name in (
            ("do.yml", "Bring the dump set"),
            ("scope.yml", "See whether the database server could take the dump set, where that is at hand"),
        ):
            assert is_done(file, name, **{"restore_part": DATABASE, **variables}) is bool(dump_set)


@pytest.mark.parametrize(
    ("state", "confirmed", "done"),
    [
        ("restored", {"point": "a"}, True),
        ("released", {"point": "a"}, True),  # a release that was cut off and is run again
        ("restored", {"point": "a", "paths": ["x"]}, False),
        ("open", {"point": "a"}, False),  # restore_abandon
    ],
)
def test_only_a_restore_that_passed_makes_later_points_suspect(
    state: str, confirmed: dict[str, t.Any], done: bool
) -> None:
    journal = {"selected": {"state": state, "confirmed": confirmed}}
    assert is_done("release.yml", "Suspect them", _restore_journal=journal, _restore_confirmed=confirmed) is done


@pytest.mark.parametrize(
    ("journal", "done"),
    [
        ({"state": "restored", "confirmed": {"point": "a"}}, True),
        ({"state": "open", "confirmed": {"point": "a"}}, False),  # restore_abandon
        ({"state": "open", "confirmed": None}, False),
        ({}, False),
    ],
)
def test_only_a_restore_that_passed_lets_the_next_pull_exceed_its_limits(journal: dict[str, t.Any], done: bool) -> None:
    assert is_done("release.yml", "See what the next pull will find", _restore_journal={"selected": journal}) is done


@pytest.mark.parametrize(
    ("counts", "exact", "done"),
    [
        ({}, False, False),
        ({"damaged": {"files": 1, "folders": 0}}, False, True),
        ({"damaged": {"files": 0, "folders": 1}}, False, True),
        ({"newer_damaged": {"files": 1, "folders": 0}}, False, True),
        ({"newer": {"files": 1, "folders": 0}}, False, False),
        ({"newer": {"files": 0, "folders": 1}}, True, True),
    ],
)
def test_what_would_be_moved_aside_is_looked_at_before_the_confirmation(
    counts: dict[str, t.Any], exact: bool, done: bool
) -> None:
    nothing = {"files": 0, "folders": 0}
    found = {"damaged": nothing, "newer_damaged": nothing, "newer": nothing} | counts
    name = "See whether what is replaced could be moved aside"
    assert is_done("scope.yml", name, item=found, restore={"exact": exact}) is done


@pytest.mark.long
def test_hosts_that_are_reached_as_root_need_no_sudo(tmp_path: pathlib.Path) -> None:
    """Ansible does not know which account ssh_config names, so that it would call sudo, which no role installs."""
    found = yaml.safe_load((TASKS / "point.yml").read_text())
    first = next(number for number, task in enumerate(found) if "ansible.builtin.tempfile" in task)
    last = next(number for number, task in enumerate(found) if task["name"] == "Keep where they are")
    told = {"content": "{{ restore_folder | to_json }}", "dest": f"{tmp_path}/told.json", "mode": "0600"}
    remove = {"name": "R", "ansible.builtin.file": {"path": "{{ item }}", "state": "absent"}}
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"restore": {"server": "loki", "place": {"host": "tatchu"}}},
        "tasks": [
            *found[first : last + 1],
            {"name": "T", "ansible.builtin.copy": told},
            {**remove, "loop": "{{ restore_folder.values() | list }}"},
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "hosts.yml").write_text("all: {vars: {ansible_connection: local}, hosts: {loki: , tatchu: }}")
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "play.yml"],
        cwd=tmp_path,
        env={
            **os.environ,
            "ANSIBLE_BECOME_EXE": "/nonexistent/sudo",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folders = json.loads((tmp_path / "told.json").read_text())
    assert set(folders) == {"loki", "tatchu", "localhost"} and len(set(folders.values())) == 3


def test_what_was_brought_is_read_whatever_the_plan_has_trusted() -> None:
    tasks = yaml.safe_load((TASKS / "dataset.yml").read_text())
    (again,) = named(tasks, "Compare the source with the point again")
    assert "'content'" in again["labops.backup.loss_scope_info"]["files"]
    (judged,) = named(tasks, "See that nothing is missing any more")
    said = judged["ansible.builtin.assert"]["fail_msg"]
    # A resume that trusts size and time again would never find what this one has found.
    assert "without restore_depth=metadata" in said.partition("if restore_depth == 'metadata'")[0]


@pytest.mark.parametrize(
    ("loss", "initialised", "done"),
    [
        ({"state": "damaged", "server": "up"}, False, True),
        ({"state": "lost", "server": "up"}, False, False),
        ({"state": "lost", "server": "down"}, False, True),
        ({"state": "lost", "server": "down"}, True, False),
    ],
)
def test_a_server_that_was_only_down_has_its_old_state_kept(
    loss: dict[str, t.Any], initialised: bool, done: bool
) -> None:
    loss = {**loss, "schemas": {"lab": {"state": loss["state"]}}}
    variables = {"restore": {"safety_copy": True}, "restore_done": [], "restore_losses": {"database": loss}}
    variables["_restore_replaced"] = ["lab"]
    server = {"initialised": initialised}
    task = "Keep a dump of what still answers"
    assert is_done("database.yml", task, _restore_server=server, **variables) is done


@pytest.mark.parametrize(
    ("there", "target", "url", "source", "destination"),
    [
        ({"dump_sets": [], "unproven": []}, "", URL, "", "labops-restore@tatchu::database"),
        ({"dump_sets": [{"id": "y"}], "unproven": []}, "", URL, f"/{SET}", f"labops-restore@tatchu::database/{SET}"),
        ({"dump_sets": [], "unproven": ["a.sql"]}, "", URL, f"/{SET}", f"labops-restore@tatchu::database/{SET}"),
        # A push there that was cut off goes on with everything.
        ({"dump_sets": [{"id": "y"}], "unproven": []}, "/t", URL, "", "labops-restore@tatchu::database"),
        ({"dump_sets": [{"id": "y"}], "unproven": []}, "/t", "", "", "{tmp}"),
    ],
)
def test_beside_the_dump_set_nothing_of_the_dump_directory_is_replaced(
    tmp_path: pathlib.Path, there: t.Any, target: str, url: str, source: str, destination: str
) -> None:
    """What lies there may be newer than in the point; where nothing lies, or elsewhere, everything comes."""
    (task,) = named(yaml.safe_load((TASKS / "dump_set.yml").read_text()), "Push it to the source")
    (tmp_path / SET).mkdir()
    environment = Environment(autoescape=False)
    environment.filters["ternary"] = lambda value, one, other: one if value else other
    environment.filters["regex_replace"] = lambda text, pattern, by: re.sub(pattern, by, text)
    known = {
        "_restore_dump_sets": there,
        "restore_point_document": {"dump_set": {"id": SET}},
        "restore": {"target": target, "work": "/w", "place": {"port": 22}},
        "restore_from_mirror": True,
        "restore_part": {"url": url, "mirror": str(tmp_path), "destination": str(tmp_path), "name": "database"},
        "restore_endpoint": {"account": "labops-restore"},
    }
    known |= {name: environment.from_string(text).render(known).strip() for name, text in task["vars"].items()}
    words = task["labops.backup.rsync_push"]
    given = {name: environment.from_string(words[name]).render(known) for name in ("source", "destination")}
    assert given == {"source": f"{tmp_path}{source}", "destination": destination.format(tmp=tmp_path)}
    key = tmp_path / "key"
    key.touch()
    _rsync.check_push(
        _rsync.Push(
            **{**given, "files_from": None, "partial_dir": ".p", "rewrite": True, "skip_attributes": (), "timeout": 1},
            **{"identity_file": str(key), "known_hosts_file": str(key), "port": 22},
        )
    )


def test_the_fence_ends_every_job_that_writes_a_mirror_or_an_archive() -> None:
    (task,) = named(yaml.safe_load((TASKS / "fence.yml").read_text()), "Hold the backup jobs on the server")
    units = task["labops.backup.backup_hold"]["stop_units"]
    pulls = ["labops-backup-pull-tatchu_blobs.service", "labops-backup-pull-tatchu_my_data.service"]
    datasets = [{"pull_unit": unit} for unit in pulls]
    found = Environment(autoescape=True).compile_expression(units.strip().removeprefix("{{").removesuffix("}}"))
    assert found(restore={"entry": {"datasets": datasets}}) == [
        *("labops-backup-backup-*.service", "labops-backup-archive-*.service"),
        *("labops-backup-verify.service", "labops-backup-drill.service"),
        *pulls,
    ]


def test_the_database_is_reached_as_site_reaches_it() -> None:
    """Every module that logs in takes the socket and the credentials of the inventory; an action group gives them."""
    root = TASKS.parents[2]
    plays = yaml.safe_load((root / "playbooks/restore.yml").read_text())
    (defaults,) = [play["module_defaults"] for play in plays if "module_defaults" in play]
    told = defaults["group/labops.backup.db"]
    assert "database_dump_socket" in told["socket"] and "database_dump_admin_defaults_file" in told["defaults_file"]
    group = set(yaml.safe_load((root / "meta/runtime.yml").read_text())["action_groups"]["db"])
    used = {
        key.removeprefix("labops.backup.")
        for file in TASKS.glob("*.yml")
        for task in every(yaml.safe_load(file.read_text()))
        for key in task
        if key.startswith("labops.backup.")
    }
    needs = {file.stem for file in (root / "plugins/modules").glob("*.py") if "**DATABASE" in file.read_text()}
    assert used & needs <= group
    (scope,) = named(yaml.safe_load((TASKS / "scope.yml").read_text()), "Compare the source with the point")
    assert all(word in scope["labops.backup.loss_scope_info"]["database"] for word in ("'socket'", "'defaults_file'"))
