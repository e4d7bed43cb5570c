# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A night clears away what nights left, and nothing of anybody else."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _errors

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "_seal_point"
COLLECTIONS = pathlib.Path(str(_errors.__file__)).parents[5]
OWN, DEAD, GOING_ON = (f"2026112{day}T023000Z-77b0a{day}" for day in (3, 1, 2))
DAMAGED, SET_ASIDE = (f"2026111{day}T023000Z-77b0a{day}" for day in (8, 9))
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - labops.backup.run_record:
        ledger_dir: "{{ backup_run.ledger }}"
        run_id: "{{ going_on }}"
        job: backup
        state: running
        sources: [tatchu]
    - ansible.builtin.include_tasks: "{{ role }}/tasks/tidy.yml"
"""


@pytest.mark.long
def test_only_folders_of_runs_that_are_over_go(tmp_path: pathlib.Path) -> None:
    staging, ledger = tmp_path / "staging" / "tatchu", tmp_path / "ledger"
    ledger.mkdir()
    # Nobody knows whether these go on.
    (ledger / f"{DAMAGED}.json").write_text('{"schema_version": 1, "run_id"')
    (ledger / f"{SET_ASIDE}.json.unreadable").write_text("")
    gone = [OWN, f"{OWN}.resume", DEAD, f"{DEAD}.partial"]
    stays = [GOING_ON, f"{GOING_ON}.temporary", f"{GOING_ON}.resume", DAMAGED, f"{DAMAGED}.partial", SET_ASIDE]
    # What a restore takes out of an archive, and a mark that another job is just making.
    stays += [f"restore/{DEAD}/blobs", ".labops-mark-x1"]
    for name in (*gone, *stays):
        (staging / name).mkdir(parents=True)
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    extra = {
        "role": str(ROLE),
        "going_on": GOING_ON,
        "backup_run": {"id": OWN, "ledger": str(ledger)},
        "backup_source": {"server": "localhost", "staging": str(staging / OWN)},
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
    assert done.returncode == 0 and "ignored=0" in done.stdout, done.stdout + done.stderr
    there = {str(path.relative_to(staging)) for path in staging.rglob("*")}
    assert [name for name in stays if name not in there] == []
    assert [name for name in gone if name in there] == []
