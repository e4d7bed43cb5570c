# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that give playbooks the merged and validated inventory."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _inventory, _variables
from ansible_collections.labops.backup.plugins.plugin_utils import _specifications
from ansible_collections.labops.backup.plugins.plugin_utils._filters import filters


def unknown_variables(hosts: t.Mapping[str, t.Iterable[str]], groups: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """The variables of servers and sources that are misspelt, one line each."""
    return _variables.unknown(hosts, groups, _specifications.variables())


class FilterModule:
    """Filters over the inventory."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return filters(
            *(_inventory.plan, _inventory.datasets, _inventory.inventory_hash),
            *(unknown_variables, _variables.misspelt_options),
        )
