# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that describes an inventory for people."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _assumptions
from ansible_collections.labops.backup.plugins.plugin_utils._filters import filters


class FilterModule:
    """A page about the inventory."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return filters(_assumptions.assumptions)
