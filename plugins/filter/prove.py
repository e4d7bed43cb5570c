# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for checks and drills."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _checks
from ansible_collections.labops.backup.plugins.plugin_utils._filters import filters


class FilterModule:
    """Filters over what proves recovery points."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return filters(_checks.verify_pieces, _checks.verify_marks, _checks.verify_verdict)
