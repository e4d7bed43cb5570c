# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill found is marked and written down, each though the other cannot be."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _errors

TASKS = pathlib.Path(__file__).resolve().parents[3] / "roles" / "_drill" / "tasks" / "record.yml"
COLLECTIONS = pathlib.Path(str(_errors.__file__)).parents[5]
POINT, RUN = "20261122T023000Z-77b0aa", "20261123T040000Z-3fa9c1"
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {drill_results: []}
    - ansible.builtin.include_tasks: "{{ record }}"
    - ansible.builtin.copy:
        dest: "{{ told }}"
        content: "{{ drill_results | to_json }}"
        mode: "0600"
"""
# It stands for Borg, and notes that it was asked to make the mark.
BORG = """#!/bin/sh
echo "$@" >> {asked}
echo 'no room' >&2
exit 2
"""


def record(tmp_path: pathlib.Path, evidence: pathlib.Path) -> tuple[dict[str, t.Any], str]:
    """What is told of a drill that found damage, and what was asked of a Borg that fails."""
    asked, borg = tmp_path / "asked", tmp_path / "borg"
    borg.write_text(BORG.format(asked=asked))
    borg.chmod(0o700)
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "passphrase").chmod(0o600)
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "config").write_text("[repository]\nversion = 1\n")
    options = {"passphrase_file": str(tmp_path / "passphrase"), "base_dir": str(tmp_path / "base")}
    extra = {
        "record": str(TASKS),
        "told": str(tmp_path / "told.json"),
        "drill_run_id": RUN,
        "drill_known": [{"point": POINT, "state": "complete", "datasets": [], "marks": []}],
        "drill_compared": {},
        "drill_failure": {"task": "Load the dump set", "result": {"msg": "line 7 is damaged"}},
        "drill_state": {"source": "tatchu", "drill": {"run_id": RUN, "point": POINT, "seed": "march"}},
        "drill_source": {
            "name": "tatchu",
            "points_repository": str(tmp_path / "points"),
            "points_cache": str(tmp_path / "cache"),
            "borg": {**options, "executable": str(borg)},
            "drills": {"evidence": str(evidence)},
        },
    }
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "play.yml", "-e", json.dumps(extra)],
        cwd=tmp_path,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = json.loads((tmp_path / "told.json").read_text())
    return told, asked.read_text() if asked.exists() else ""


@pytest.mark.long
def test_the_point_is_marked_though_the_drill_cannot_be_written_down(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    told, asked = record(tmp_path, tmp_path / "file" / "tatchu.json")
    assert asked, "Borg was asked for the mark"
    assert told["finding"] == "Load the dump set: line 7 is damaged"
    assert "Mark the recovery point: " in told["problem"] and "; Write down the drill: " in told["problem"]


@pytest.mark.long
def test_the_drill_is_written_down_though_the_point_cannot_be_marked(tmp_path: pathlib.Path) -> None:
    evidence = tmp_path / "drills" / "tatchu.json"
    told, _asked = record(tmp_path, evidence)
    (drill,) = json.loads(evidence.read_text())["drills"]
    assert (drill["point"], drill["ok"], drill["finding"]) == (POINT, False, "Load the dump set: line 7 is damaged")
    assert told["problem"].startswith("Mark the recovery point: ") and told["coverage"]["points_total"] == 1
