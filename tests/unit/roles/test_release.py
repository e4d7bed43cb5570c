# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node and a host that disagree say so, whatever stands in the host's document."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles/_common"
DAMAGED = "does not say which release it has: /etc/labops-backup/release.json is missing or damaged"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (json.dumps({"release": "0.1.0-x", "schema_version": 1, "version": "0.1.0"}, indent=4) + "\n", ""),
        ('{"schema_version": 1, "version": "9.9.9"}', "localhost has 9.9.9 with schema version 1. Nothing was changed"),
        ('{"schema_version": 2, "version": "0.1.0"}', "localhost has 0.1.0 with schema version 2. Nothing was changed"),
        ('{"schema_version": 1, "version": "0.1.0"', DAMAGED),
        ('{"version": "0.1.0"}', DAMAGED),
        ("[]", DAMAGED),
    ],
)
def test_what_a_host_says_of_its_release(tmp_path: pathlib.Path, document: str, said: str) -> None:
    tasks = yaml.safe_load((ROLE / "tasks/release.yml").read_text())
    read = {"content": base64.b64encode(document.encode()).decode()}
    field = yaml.safe_load((ROLE / "vars/main.yml").read_text())["_common_field"]
    known = {"_common_version": "0.1.0", "_common_field": field, "_common_release": read}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": known, "tasks": tasks[1:]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_LOCAL_TEMP": str(tmp_path), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    shown = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode == 0) is (not said), shown
    assert said in shown
