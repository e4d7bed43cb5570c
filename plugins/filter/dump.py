# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that judges how the dumps went."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _dump_verdict
from ansible_collections.labops.backup.plugins.plugin_utils._filters import filters


class FilterModule:
    """Filters over dumps."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return filters(_dump_verdict.dump_verdict)
