# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether sshd lets an account in is told from what it says of itself."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml

TASKS = pathlib.Path(__file__).resolve().parents[3] / "roles/rsync_source/tasks/sshd.yml"
GOOD = "pubkeyauthentication yes\nforcecommand none\nauthorizedkeysfile .ssh/authorized_keys\n"
# Stands for OpenSSH 9.2 with "Match LocalPort 22": what such a line asks for has to be named.
SSHD = """#!/bin/sh
case $3 in
  *,laddr=192.0.2.9,lport=2222,rdomain=*) cat "$(dirname "$0")/says" ;;
  *) echo "'Match LocalPort' in configuration but 'lport' not in connection test specification." >&2; exit 255 ;;
esac
"""
CASE = """
- block:
    - ansible.builtin.include_tasks: sshd.yml
    - ansible.builtin.set_fact:
        told: "{{ told | default([]) + ['good'] }}"
  rescue:
    - ansible.builtin.set_fact:
        told: "{{ told | default([]) + [ansible_failed_result.msg] }}"
"""
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {rsync_source_account: labops-pull, rsync_source_from: [192.0.2.8/32], rsync_source_address: 192.0.2.9}
  tasks:
    - ansible.builtin.include_tasks: case.yml
      loop: "{{ range(count) | list }}"
      loop_control: {loop_var: number}
    - ansible.builtin.copy: {content: "{{ told | to_json }}", dest: "{{ playbook_dir }}/told.json", mode: "0600"}
"""
RULES = [
    ("", True),
    ("denyusers anna labops-*", False),
    ("denygroups lab*", False),
    ("denyusers labops-pul?@192.0.2.0/24", False),
    ("denyusers anna labops-pull", False),
    ("denyusers labops", True),
    ("denyusers labops.pull", True),
    ("denyusers xlabops-*", True),
    ("denyusers labops-\ndenygroups pull", True),
    ("allowusers anna\nallowgroups labops-pull", False),
    ("allowusers anna labops-*\nallowgroups *", True),
    ("allowusers anna labops-pull@192.0.2.8", True),
]


def tell(folder: pathlib.Path, says: t.Sequence[str], port: int) -> list[str]:
    """What the role says of hosts on which sshd says so."""
    tasks = yaml.safe_load(TASKS.read_text())
    tasks[0]["ansible.builtin.command"]["argv"][0] = f"{folder}/{{{{ number }}}}/sshd"
    (folder / "sshd.yml").write_text(yaml.safe_dump(tasks))
    (folder / "case.yml").write_text(CASE)
    (folder / "play.yml").write_text(PLAYBOOK)
    for number, lines in enumerate(says):
        (folder / str(number)).mkdir()
        (folder / str(number) / "says").write_text(lines)
        (folder / str(number) / "sshd").write_text(SSHD)
        (folder / str(number) / "sshd").chmod(0o755)
    extra = json.dumps({"rsync_source_port": port, "count": len(says)})
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "play.yml", "-e", extra],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: list[str] = json.loads((folder / "told.json").read_text())
    return told


@pytest.mark.long
def test_sshd_is_told_the_whole_connection_and_patterns_count_as_names(tmp_path: pathlib.Path) -> None:
    told = tell(tmp_path, [f"{GOOD}{lines}\n" for lines, _good in RULES], 2222)
    refused = "sshd on localhost would not let labops-pull in"
    got = [(lines, said.partition(" with its own key")[0]) for (lines, _good), said in zip(RULES, told, strict=True)]
    assert got == [(lines, "good" if good else refused) for lines, good in RULES]


@pytest.mark.long
def test_an_sshd_that_cannot_tell_is_quoted_with_a_remedy(tmp_path: pathlib.Path) -> None:
    (said,) = tell(tmp_path, [GOOD], 22)
    assert "cannot tell what holds for labops-pull: 'Match LocalPort' in configuration" in said
    assert "Nothing was changed. Mend what it names in sshd_config" in said
    assert said.endswith("sshd -T -C user=labops-pull,host=192.0.2.8,addr=192.0.2.8,laddr=192.0.2.9,lport=22,rdomain=")
