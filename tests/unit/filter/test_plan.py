# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.labops.backup.plugins.filter import plan
from ansible_collections.labops.backup.plugins.module_utils import _errors

ROOT = pathlib.Path(__file__).resolve().parents[3]
COLLECTIONS = pathlib.Path(str(_errors.__file__)).parents[5]
DEFAULTS = yaml.safe_load((ROOT / "roles" / "_common" / "defaults" / "main.yml").read_text())
HOSTS = {"loki": {}, "tatchu": {"backup_server": "loki"}}
GROUPS = {"backup_servers": ["loki"], "backup_sources": ["tatchu"]}
filters = plan.FilterModule().filters()


def test_the_plan_and_its_datasets() -> None:
    sources = filters["plan"](HOSTS, GROUPS, DEFAULTS)
    assert [source["name"] for source in sources] == ["tatchu"]
    assert [entry["pipeline"] for entry in filters["datasets"](sources)] == [
        "tatchu.database",
        "tatchu.blobs",
        "tatchu.data",
    ]


def test_a_refusal_is_the_filters_own_message() -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        filters["plan"](HOSTS, {**GROUPS, "backup_sources": []}, DEFAULTS)
    assert str(caught.value) == (
        "the inventory has no host in the group backup_sources. Nothing was changed. Mend the inventory."
    )


PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    defaults: "{{ lookup('file', 'defaults.yml') | from_yaml }}"
    plan: "{{ hostvars | labops.backup.plan(groups, defaults) }}"
    run: "{{ plan | labops.backup.run('20261123T023000Z-77b0aa', ['pull', 'archive'], [], only, '0.1.0') }}"
  tasks:
    - ansible.builtin.copy:
        content: "{{ {'plan': plan, 'run': run, 'verdict': hostvars | labops.backup.verdict(run)} | to_json }}"
        dest: result.json
        mode: "0600"
"""
INVENTORY = """
all:
  children:
    backup_servers:
      hosts:
        loki: {ansible_host: 192.0.2.8}
    backup_sources:
      vars:
        tree: /data
      hosts:
        tatchu:
          ansible_host: "{{ 'tatchu.example' | lower }}"
          backup_server: loki
          backup_datasets:
            - {name: data, path: "{{ tree }}/lab", allow_empty: "{{ 1 == 1 }}", limit_deleted_files: "{{ 2 + 3 }}"}
            - {name: more, path: /more}
  hosts:
    tatchu.data: {backup_outcome: {source: tatchu, dataset: data, ok: false, step: Pull, message: "it broke"}}
    tatchu.more: {}
"""


def play(folder: pathlib.Path, only: list[str]) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(PLAYBOOK)
    (folder / "ansible.cfg").write_text("")
    (folder / "hosts.yml").write_text(INVENTORY)
    (folder / "defaults.yml").write_text(json.dumps(DEFAULTS))
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "play.yml", "-e", json.dumps({"only": only})],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_ansible_itself_finds_the_filters_and_resolves_variables_in_them(tmp_path: pathlib.Path) -> None:
    done = play(tmp_path, [])
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "result.json").read_bytes())
    (source,) = result["plan"]
    assert source["address"] == "tatchu.example"
    data = source["datasets"][0]
    assert (data["path"], data["allow_empty"], data["limits"]["deleted_files"]) == ("/data/lab", True, 5)
    assert data["url"] == "labops-pull@tatchu.example::data/"
    assert result["run"]["stages"] == ["pull", "archive"]
    assert result["verdict"]["title"] == ("backup FAILED: tatchu/data, tatchu/more (run 20261123T023000Z-77b0aa)")


def test_ansible_shows_a_refusal_without_a_traceback(tmp_path: pathlib.Path) -> None:
    done = play(tmp_path, ["blob"])
    assert done.returncode == 2
    shown = " ".join((done.stdout + done.stderr).split())
    assert "there is no dataset 'blob'; known are data, more. Nothing was changed. Correct the call." in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "result.json").exists()
