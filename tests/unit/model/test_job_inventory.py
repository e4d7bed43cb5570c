# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the jobs of a host run with: final values, no secret."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _inventory, _job_inventory

ROOT = pathlib.Path(__file__).resolve().parents[3]
NAMES = ["backup_root", "backup_server", "backup_datasets", "database_dump_keep", "database_dump_password"]


def source(name: str, server: str = "loki", *datasets: str) -> dict[str, t.Any]:
    script = name.replace("-", "_")
    return {
        "name": name,
        "script_name": script,
        "server": server,
        "datasets": [{"name": d} for d in datasets],
        "dump_directory": "/dumps" if "database" in datasets else None,
    }


PLAN = [source("tatchu", "loki", "database", "blobs"), source("other", "thor", "data")]
HOSTS: dict[str, dict[str, t.Any]] = {
    "loki": {"ansible_host": "192.0.2.8", "ansible_user": "root", "backup_root": "/srv/b"},
    "tatchu": {
        "ansible_host": "192.0.2.7",
        "backup_server": "loki",
        "database_dump_keep": 3,
        "database_dump_password": "hunter2hunter2",
        "backup_plan": ["a fact"],
    },
    "thor": {},
    "other": {"backup_server": "thor"},
}


def inventory(host: str, secrets: dict[str, list[str]] | None = None, **changes: t.Any) -> dict[str, t.Any]:
    hosts = {**HOSTS, "tatchu": {**HOSTS["tatchu"], **changes}}
    return _job_inventory.job_inventory(hosts, PLAN, host, NAMES, secrets or {}, "it")["all"]["children"]


def test_a_server_gets_itself_locally_and_its_own_sources_as_data() -> None:
    assert inventory("loki") == {
        "backup_servers": {
            "hosts": {
                "loki": {
                    "ansible_connection": "local",
                    "ansible_host": "192.0.2.8",
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "backup_root": "/srv/b",
                }
            }
        },
        "backup_sources": {
            "hosts": {"tatchu": {"ansible_host": "192.0.2.7", "backup_server": "loki", "database_dump_keep": 3}}
        },
    }


def test_the_jobs_know_the_port_that_came_from_ansible() -> None:
    """They have no C(ansible_port), and make the same plan."""
    groups = {"backup_servers": ["loki"], "backup_sources": ["tatchu"]}
    hosts = {**HOSTS, "tatchu": {**HOSTS["tatchu"], "ansible_port": "2222"}}
    defaults = yaml.safe_load((ROOT / "roles/_common/defaults/main.yml").read_text())
    plan = _inventory.plan(hosts, groups, defaults)
    for host in ("loki", "tatchu"):
        children = _job_inventory.job_inventory(hosts, plan, host, defaults, {}, "it")["all"]["children"]
        members = {name: dict(children[name]["hosts"]) for name in groups}
        assert members["backup_sources"]["tatchu"]["backup_source_port"] == 2222
        assert "ansible_port" not in members["backup_sources"]["tatchu"]
        jobs = {name: variables for group in members.values() for name, variables in group.items()}
        assert _inventory.plan(jobs, groups, defaults) == plan


def test_a_source_gets_itself_locally_and_its_server_as_data() -> None:
    children = inventory("tatchu")
    assert children["backup_sources"]["hosts"]["tatchu"]["ansible_connection"] == "local"
    assert children["backup_servers"]["hosts"]["loki"] == {"ansible_host": "192.0.2.8", "backup_root": "/srv/b"}


def test_it_says_what_it_was_generated_by() -> None:
    document = _job_inventory.job_inventory(HOSTS, PLAN, "loki", NAMES, {}, "labops.backup 0.1.0 from inventory 0123")
    assert document["all"]["vars"] == {"backup_generated_by": "labops.backup 0.1.0 from inventory 0123"}


def test_a_host_without_a_part_in_it_is_refused() -> None:
    with pytest.raises(BackupError, match="neither a backup server nor a source"):
        inventory("stranger")


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("backup_borg_passphrase", True),
        ("database_dump_password", True),
        ("notification_urls", True),
        ("runner_index_url", True),
        ("vault_anything", True),
        ("ansible_become_pass", True),
        ("backup_api_key", True),
        ("backup_borg_passphrase_file", False),
        ("backup_key_tables", False),
        ("backup_tokenizer", False),
        ("database_dump_keep", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert _job_inventory.is_secret_name(name) is secret


@pytest.mark.parametrize(
    ("value", "secrets", "message"),
    [
        (
            "/srv/hunter2hunter2/b",
            {"database_dump_password of tatchu": ["hunter2hunter2"]},
            "value of database_dump_pass",
        ),
        ("abc", {"short": ["abc"]}, "value of short"),
        ({"deep": ["x", {"y": "s3cr3t-value"}]}, {"it": ["s3cr3t-value"]}, r"backup_root.deep\[1\].y contains"),
        ({"password": "x"}, {}, "backup_root.password has the name of a secret"),
        ("https://me:pw@example.org/", {}, "password in a URL"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nx", {}, "private key"),
        (object(), {}, "of a kind that JSON cannot hold"),
    ],
)
def test_secrets_do_not_get_in_by_another_way(value: t.Any, secrets: dict[str, list[str]], message: str) -> None:
    with pytest.raises(BackupError, match=message) as caught:
        inventory("loki", secrets, backup_root=value)
    assert "hunter2" not in str(caught.value) and "s3cr3t" not in str(caught.value)


def test_a_short_secret_may_be_a_part_of_another_word() -> None:
    assert inventory("loki", {"short": ["b"]}, backup_root="/srv/b")


@pytest.mark.parametrize("text", ["{{ 1 + 1 }}", "{% raw %}", "a {# b #}"])
def test_what_looks_like_a_template_is_taken_literally(text: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps({"all": {"children": inventory("loki", backup_root=text)}}))
    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[str(path)])
    variables = VariableManager(loader=loader, inventory=manager).get_vars(host=manager.get_host("tatchu"))
    assert Templar(loader=loader, variables=variables).template(variables["backup_root"]) == text


def test_scripts_of_a_server() -> None:
    scripts = {script["name"]: script for script in _job_inventory.job_scripts(PLAN, "loki")}
    assert list(scripts) == [
        "backup_tatchu_database.sh",
        "backup_tatchu_blobs.sh",
        "borg_backup_on_loki.sh",
        "backup_and_notify_on_loki.sh",
        "verify_and_notify_on_loki.sh",
        "drill_and_notify_on_loki.sh",
        "readiness_and_notify_on_loki.sh",
    ]
    assert scripts["backup_tatchu_blobs.sh"]["variables"] == {
        "backup_stages": ["pull"],
        "backup_only_sources": ["tatchu"],
        "backup_only_datasets": ["blobs"],
    }
    assert scripts["borg_backup_on_loki.sh"]["variables"] == {"backup_stages": ["archive", "seal"]}
    assert scripts["backup_and_notify_on_loki.sh"]["variables"] == {}
    assert [name for name, script in scripts.items() if script["tells"]] == list(scripts)[3:]
    assert [script["job"] for script in scripts.values() if script["playbook"] != "backup.yml"] == [
        "verify",
        "drill",
        "readiness",
    ]


def test_scripts_of_a_source() -> None:
    (script,) = _job_inventory.job_scripts(PLAN, "tatchu")
    assert (script["name"], script["playbook"], script["job"]) == ("backup_and_notify_on_tatchu.sh", "dump.yml", "dump")


def test_a_source_without_a_database_has_no_job_of_its_own() -> None:
    assert _job_inventory.job_scripts(PLAN, "other") == []


@pytest.mark.parametrize(
    "plan",
    [
        [source("tatchu", "loki", "a-b", "a_b")],
        [source("a", "loki", "b_c"), source("a_b", "loki", "c")],
        [source("loki", "loki", "database")],
    ],
)
def test_two_scripts_never_share_a_name(plan: list[dict[str, t.Any]]) -> None:
    with pytest.raises(BackupError, match="would share the name"):
        _job_inventory.job_scripts(plan, "loki")


def test_what_the_lab_says_of_its_past_is_known_to_the_play_without_a_host() -> None:
    hosts = {
        **HOSTS,
        "loki": {**HOSTS["loki"], "legacy_cleanup_addresses": ["192.0.2.66"], "legacy_cleanup_known": None},
    }
    names = [*NAMES, "legacy_cleanup_addresses", "legacy_cleanup_known"]
    written = _job_inventory.job_inventory(hosts, PLAN, "loki", names, {}, "it")["all"]["vars"]
    assert written == {"backup_generated_by": "it", "legacy_cleanup_addresses": ["192.0.2.66"]}
    assert _job_inventory.job_inventory(hosts, PLAN, "loki", NAMES, {}, "it")["all"]["vars"] == {
        "backup_generated_by": "it"
    }
