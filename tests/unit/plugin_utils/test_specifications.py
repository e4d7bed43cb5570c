# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml takes for misspelt must never be a name that something of ours reads or sets."""

from __future__ import annotations

import pathlib
import re
import typing as t

import yaml
from ansible_collections.labops.backup.plugins.module_utils._model import _variables
from ansible_collections.labops.backup.plugins.plugin_utils import _specifications

ROOT = pathlib.Path(__file__).resolve().parents[3]
GROUPS = {"backup_servers", "backup_sources"}
INVENTORIES = ("inventory/**/*.yml", "inventory/**/*.example", "tests/lab/**/*.yml", "tests/lab/**/*.j2")
SET = re.compile(r"^[\s#{-]*(backup_[a-z_]+):", re.MULTILINE)


def strangers(names: t.Iterable[str]) -> list[str]:
    return sorted(set(names) - _specifications.variables() - _variables.OURS - GROUPS)


def named(node: t.Any) -> t.Iterator[str]:
    """What tasks and plays set: facts, registered results, variables; what add_host gives to its host is no fact."""
    if isinstance(node, list):
        for entry in node:
            yield from named(entry)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("register", "loop_var", "index_var"):
                yield str(value)
            elif key in ("vars", "ansible.builtin.set_fact") and isinstance(value, dict):
                yield from map(str, value)
            yield from named(value)


def test_the_variables_of_public_and_private_roles_are_known_and_arguments_are_not() -> None:
    known = _specifications.variables()
    wanted = {"backup_keep_daily", "backup_borg_passphrase", "backup_escrow_directory", "notification_urls"}
    assert wanted | {"verify_seconds", "drill_host", "database_dump_password"} <= known
    assert not {"backup_dataset", "backup_source", "restore_wanted"} & known


def test_every_name_that_a_playbook_or_a_role_sets_is_known() -> None:
    paths = [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]
    names = {name for path in paths for name in named(yaml.safe_load(path.read_text())) if name.startswith("backup_")}
    assert {"backup_plan", "backup_run_id"} <= names
    assert strangers(names) == []


def test_every_name_in_an_inventory_of_ours_and_in_a_page_is_known() -> None:
    paths = [
        path for pattern in (*INVENTORIES, "molecule/**/*.yml", "docs/*.md", "README.md") for path in ROOT.glob(pattern)
    ]
    names = {name for path in paths for name in SET.findall(path.read_text())}
    assert {"backup_server", "backup_root", "backup_escrow_directory"} <= names
    assert strangers(names) == []


def test_every_name_that_a_scenario_gives_is_known() -> None:
    given = re.compile(r"""["'](backup_[a-z_]+)["']\s*:|\b(backup_[a-z_]+)=""")
    texts = [path.read_text() for path in ROOT.glob("molecule/**/*.py")]
    names = {first or second for text in texts for first, second in given.findall(text)}
    assert "backup_accept" in names
    assert strangers(names) == ["backup_keep_dayly"], "a scenario looks at its refusal"


def test_site_yml_asks_before_it_merges_anything() -> None:
    first = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())[0]["tasks"][0]
    assert "labops.backup.unknown_variables(groups)" in str(first)
    assert first["tags"] == ["always"] and first["run_once"] is True
