# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that give the role C(runner) what the jobs of a host run with."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.parsing.vault import EncryptedString
from ansible.vars.hostvars import HostVars
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _job_inventory


def job_inventory(
    hosts: HostVars, plan: t.Sequence[t.Mapping[str, t.Any]], host: str, names: t.Iterable[str], stamp: str
) -> dict[str, t.Any]:
    """The inventory of the jobs of one host; see job_inventory.yml."""
    members = sorted({name for source in plan for name in (source["server"], source["name"])})
    secrets = {}
    for member in members:
        secrets.update(_secrets(hosts, member))
    try:
        return _job_inventory.job_inventory(hosts, plan, host, names, secrets, stamp)
    except BackupError as error:
        raise AnsibleFilterError(error.message) from error


def job_scripts(plan: t.Sequence[t.Mapping[str, t.Any]], host: str) -> list[dict[str, t.Any]]:
    """The scripts of one host; see job_scripts.yml."""
    try:
        return _job_inventory.job_scripts(plan, host)
    except BackupError as error:
        raise AnsibleFilterError(error.message) from error


def _secrets(hosts: HostVars, member: str) -> dict[str, list[str]]:
    """The values of all variables of a host that have a secret's name or come out of a vault."""
    found = {}
    for name, raw in hosts.raw_get(member).items():
        if _job_inventory.is_secret_name(name) or _is_vaulted(raw):
            try:
                found[f"{name} of {member}"] = _job_inventory.leaves(hosts[member][name])
            except AnsibleError:  # what cannot be resolved cannot have got into another variable either
                continue
    return found


def _is_vaulted(raw: t.Any) -> bool:
    if isinstance(raw, EncryptedString):
        return True
    if isinstance(raw, t.Mapping):
        return any(_is_vaulted(item) for item in raw.values())
    return isinstance(raw, (list, tuple)) and any(_is_vaulted(item) for item in raw)


class FilterModule:
    """Filters for the job environment."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return {"job_inventory": job_inventory, "job_scripts": job_scripts}
