# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter on a real inventory with a real vault."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.labops.backup.plugins.filter import job_inventory

SECRET = [("default", VaultSecret(b"vault password"))]
PLAN: list[dict[str, t.Any]] = [{"name": "tatchu", "server": "loki", "script_name": "tatchu", "datasets": []}]


@pytest.fixture(autouse=True)
def _vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext(SECRET))


def hostvars(folder: pathlib.Path, **variables: str) -> HostVars:
    encrypted = VaultLib(SECRET).encrypt("hunter2hunter2").decode()
    lines = [
        "all:",
        "  children:",
        "    backup_servers: {hosts: {loki: {}}}",
        "    backup_sources: {hosts: {tatchu: {}}}",
    ]
    lines += ["  vars:", "    site_letters: !vault |", *(f"      {line}" for line in encrypted.splitlines())]
    lines += [f"    {name}: {value}" for name, value in variables.items()]
    path = folder / "hosts.yml"
    path.write_text("\n".join(lines) + "\n")
    loader = DataLoader()
    loader.set_vault_secrets(SECRET)
    inventory = InventoryManager(loader=loader, sources=[str(path)])
    return HostVars(inventory, VariableManager(loader=loader, inventory=inventory), loader)


def loki(hosts: HostVars, *names: str) -> dict[str, t.Any]:
    document = job_inventory.job_inventory(hosts, PLAN, "loki", names, "labops.backup 0.1.0")
    return document["all"]["children"]["backup_servers"]["hosts"]["loki"]


def test_values_are_final_and_secrets_stay_out(tmp_path: pathlib.Path) -> None:
    hosts = hostvars(
        tmp_path,
        disk="/srv",
        backup_root='"{{ disk }}/backup"',
        backup_borg_passphrase='"{{ site_letters }}"',
        backup_broken_password='"{{ not_defined }}"',
    )
    values = loki(hosts, "backup_root", "backup_borg_passphrase", "backup_broken_password", "backup_unset")
    assert values == {
        "ansible_connection": "local",
        "ansible_python_interpreter": "/usr/bin/python3",
        "backup_root": "/srv/backup",
    }


@pytest.mark.parametrize(
    "value", ['"{{ site_letters }}"', '"/srv/{{ site_letters | lower }}/x"', '["{{ site_letters }}"]']
)
def test_a_vaulted_value_does_not_get_in_under_another_name(tmp_path: pathlib.Path, value: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"backup_root.*contains the value of site_letters of loki") as caught:
        loki(hostvars(tmp_path, backup_root=value), "backup_root")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("place", "key"), [("borg:", ".borg"), ("-", "[0]")])
def test_a_value_that_is_vaulted_within_another_one_does_not_get_in_either(
    tmp_path: pathlib.Path, place: str, key: str
) -> None:
    encrypted = VaultLib(SECRET).encrypt("swordfish swordfish").decode().splitlines()
    nested = "\n".join(["", f"      {place} !vault |", *(f"        {line}" for line in encrypted)])
    hosts = hostvars(tmp_path, site_nested=nested, backup_root=f'"{{{{ site_nested{key} }}}}"')
    with pytest.raises(AnsibleFilterError, match=r"backup_root.*contains the value of site_nested of loki"):
        loki(hosts, "backup_root")


def test_a_secret_in_plain_text_does_not_get_in_under_another_name_either(tmp_path: pathlib.Path) -> None:
    hosts = hostvars(tmp_path, site_password="swordfish swordfish", backup_root='"/srv/{{ site_password }}"')
    with pytest.raises(AnsibleFilterError, match=r"backup_root.*contains the value of site_password of loki") as caught:
        loki(hosts, "backup_root")
    assert "swordfish" not in str(caught.value)
