# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about the inventory, and that the committed one is up to date."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import yaml
from ansible_collections.labops.backup.plugins.module_utils import _errors
from ansible_collections.labops.backup.plugins.module_utils._model import _assumptions, _inventory

ROOT = pathlib.Path(__file__).resolve().parents[3]
COLLECTIONS = pathlib.Path(str(_errors.__file__)).parents[5]


def defaults(role: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text()))


def page(tatchu: dict[str, t.Any] | None = None, loki: dict[str, t.Any] | None = None) -> list[str]:
    hosts: dict[str, dict[str, t.Any]] = {
        "loki": {"ansible_host": "192.0.2.8", **(loki or {})},
        "tatchu": {"ansible_host": "192.0.2.9", "backup_server": "loki", **(tatchu or {})},
        "meg": {
            "ansible_host": "meg.invalid",
            "backup_server": "loki",
            "backup_source_port": 2222,
            "backup_datasets": [{"name": "rig", "path": "/srv/a|b*", "adopt_from": "/old/rig"}],
        },
    }
    groups = {"backup_servers": ["loki"], "backup_sources": ["tatchu", "meg"]}
    plan = _inventory.plan(hosts, groups, defaults("_common"), draft=True)
    text = _assumptions.assumptions(hosts, plan, {**defaults("cron"), **defaults("database_dump")}, "0.1.0")
    assert text.endswith("|\n") or text.endswith(".\n")
    return text.splitlines()


def test_hosts_addresses_ports_and_who_connects_to_whom() -> None:
    lines = page({"backup_pull_account": "puller", "backup_pull_addresses": ["198.51.100.8"]})
    assert "| loki | server | 192.0.2.8 |  |" in lines
    assert "| tatchu | source | 192.0.2.9 | 22 |" in lines
    assert "| meg | source | meg.invalid, a placeholder | 2222 |" in lines
    assert (
        "| loki | 198.51.100.8 | tatchu (192.0.2.9, port 22) | puller | read the datasets through rsync | "
        "/etc/labops-backup/ssh/tatchu | /etc/labops-backup/ssh/known_hosts |"
    ) in lines


def test_paths_of_data_mirrors_repositories_and_secrets() -> None:
    lines = page(loki={"backup_root": "/tank"})
    assert (
        "| blobs | files | /datajoint-db/blobs | /tank/mirror/tatchu/blobs | /tank/borg/tatchu/blobs | zstd,22 |"
    ) in lines
    assert "| passphrase of the repositories | loki:/etc/labops-backup/borg/tatchu.passphrase |" in lines
    assert r"| rig | files | /srv/a\|b\* | /tank/mirror/meg/rig | /tank/borg/meg/rig | zstd,22 |" in lines
    assert "| rig | /old/rig |" in lines
    assert "| dumps | none, there is no dataset of the kind database |" in lines


def test_scripts_and_times_are_those_of_each_host() -> None:
    lines = page({"cron_dump_schedule": "5 0 * * *"}, {"cron_backup_schedule": ""})
    assert any(line.startswith(r"| backup_and_notify_on_tatchu.sh | 5 0 \* \* \* | Makes a dump set") for line in lines)
    assert any(line.startswith("| backup_and_notify_on_loki.sh | no | Runs the whole night") for line in lines)
    assert lines[lines.index("### meg") + 2].startswith("None: a source without a database")


def test_the_committed_page_is_what_the_playbook_writes_from_the_production_inventory(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "inventory"
    (folder / "group_vars" / "all").mkdir(parents=True)
    for name in ("hosts.yml", "group_vars/all/main.yml"):  # a vault, if there is one, has no part in it
        shutil.copy(ROOT / "inventory" / "production" / name, folder / name)
    written = tmp_path / "assumptions.md"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook", "-i", folder, ROOT / "playbooks" / "assumptions.yml"),
            *("-e", f"assumptions_file={written}"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    committed = (ROOT / "docs" / "assumptions.md").read_text()
    assert written.read_text() == committed, "docs/assumptions.md is out of date; renew it with: make docs"


def test_only_the_page_is_made_from_an_inventory_with_placeholders() -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for folder in ("playbooks", "roles")
        for path in sorted((ROOT / folder).rglob("*.yml"))
        if "tasks_from: draft" in path.read_text() or "draft=true" in path.read_text()
    ]
    assert users == ["playbooks/assumptions.yml", "roles/_common/tasks/draft.yml"]
