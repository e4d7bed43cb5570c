# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No repository is made where the disk of the repositories is not mounted."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml
from ansible_collections.labops.backup.plugins.module_utils import _errors

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "borg"
COLLECTIONS = pathlib.Path(str(_errors.__file__)).parents[5]
CASES = {
    "there": ("a", "a"),
    "away": (None, "a"),
    "another": ("b", "a"),
    "unknown": ("a", None),
    "new": (None, None),
}
CASE = """
- block:
    - ansible.builtin.include_tasks: "{{ role }}/tasks/root.yml"
      vars:
        _borg_root: {path: "{{ playbook_dir }}/{{ name }}", document: "{{ playbook_dir }}/{{ name }}.json"}
    - ansible.builtin.set_fact:
        told: "{{ told | default({}) | combine({name: 'good'}) }}"
  rescue:
    - ansible.builtin.set_fact:
        told: "{{ told | default({}) | combine({name: ansible_failed_result.msg}) }}"
"""
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: case.yml
      loop: "{{ names }}"
      loop_control: {loop_var: name}
    - ansible.builtin.copy: {content: "{{ told | to_json }}", dest: "{{ playbook_dir }}/told.json", mode: "0600"}
      check_mode: false
"""


def tell(folder: pathlib.Path, *words: str) -> dict[str, str]:
    """What the role says about each case."""
    for name, (disk, server) in CASES.items():
        (folder / name).mkdir()
        for path, content in ((folder / name / ".labops-backup-root", disk), (folder / f"{name}.json", server)):
            if content is not None:
                path.write_text(content)
    (folder / "case.yml").write_text(CASE)
    (folder / "play.yml").write_text(PLAYBOOK)
    extra = json.dumps({"names": list(CASES), "role": str(ROLE)})
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "play.yml", "-e", extra, *words],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, str] = json.loads((folder / "told.json").read_text())
    return told


@pytest.mark.long
def test_a_disk_that_is_away_or_another_one_is_refused(tmp_path: pathlib.Path) -> None:
    told = tell(tmp_path)
    assert [name for name, message in told.items() if message == "good"] == ["there"]
    assert f"{tmp_path}/away/.labops-backup-root does not exist" in told["away"]
    assert "says something else" in told["another"] and "Mount the disk" in told["another"]
    assert all("No repository was made or changed" in told[name] for name in ("away", "another", "unknown", "new"))


@pytest.mark.long
def test_check_mode_refuses_what_a_run_would_and_goes_on_on_a_new_server(tmp_path: pathlib.Path) -> None:
    told = tell(tmp_path, "--check")
    assert [name for name, message in told.items() if message == "good"] == ["there", "unknown", "new"]


def test_nothing_is_made_before_the_disk_was_looked_at() -> None:
    files = [
        task.get("ansible.builtin.include_tasks") for task in yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    ]
    assert files[:2] == ["preflight.yml", "root.yml"]
