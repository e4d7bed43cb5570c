# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that give playbooks the merged and validated inventory."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _inventory


def plan(
    hosts: t.Mapping[str, t.Any], groups: t.Mapping[str, t.Sequence[str]], defaults: t.Mapping[str, t.Any]
) -> list[dict[str, t.Any]]:
    """The sources of an inventory; see plan.yml."""
    try:
        return _inventory.plan(hosts, groups, defaults)
    except BackupError as error:
        raise AnsibleFilterError(error.message) from error


def datasets(sources: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The datasets of all given sources in one list; see datasets.yml."""
    return [dataset for source in sources for dataset in source["datasets"]]


class FilterModule:
    """Filters over the inventory."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return {"plan": plan, "datasets": datasets, "script_name": _inventory.script_name}
