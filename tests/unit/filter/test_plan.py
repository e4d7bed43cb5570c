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


def play(
    folder: pathlib.Path, only: list[str], playbook: str = PLAYBOOK, inventory: str = INVENTORY
) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(playbook)
    (folder / "ansible.cfg").write_text("")
    (folder / "hosts.yml").write_text(inventory)
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


MISSPELT = """
- hosts: backup_servers:backup_sources
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "MISSPELT {{ hostvars | labops.backup.unknown_variables(groups) | to_json }}"
      run_once: true
"""
NAMES = """
all:
  vars: {backup_rot: /srv/backup}
  children:
    backup_servers: {hosts: {loki: {backup_escrow_directory: /x, notification_watch_pont_hours: 3}}}
    backup_sources:
      hosts:
        tatchu: {backup_server: loki, backup_borg_passphrase: !unsafe "{{ x", backup_keep_dayly: "{{ no_such }}"}
"""


def test_misspelt_variables_of_a_real_inventory_are_named_and_no_value_is_looked_at(tmp_path: pathlib.Path) -> None:
    done = play(tmp_path, [], MISSPELT, NAMES)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "backup_keep_dayly (of tatchu: host_vars/tatchu or group_vars/backup_sources), perhaps backup_keep_daily is",
        "backup_rot (of loki, tatchu: group_vars/all or --extra-vars), perhaps backup_root is meant",
        "notification_watch_pont_hours (of loki: host_vars/loki or group_vars/backup_servers), perhaps notification_w",
    ):
        assert line in done.stdout, done.stdout
    assert done.stdout.count("perhaps") == 3
