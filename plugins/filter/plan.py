# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that give playbooks the merged and validated inventory."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _inventory
from ansible_collections.labops.backup.plugins.plugin_utils._filters import filters


class FilterModule:
    """Filters over the inventory."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return filters(_inventory.plan, _inventory.datasets, _inventory.inventory_hash)
