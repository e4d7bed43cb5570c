# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for checks and drills."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _checks, _drill
from ansible_collections.labops.backup.plugins.plugin_utils._filters import filters


class FilterModule:
    """Filters over what proves recovery points."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return filters(
            *(_checks.verify_pieces, _checks.verify_marks, _checks.verify_verdict),
            *(_drill.drill_choice, _drill.drill_engine, _drill.drill_room, _drill.drill_rates),
            *(_drill.drill_manifests, _drill.drill_samples, _drill.drill_measured),
            *(_drill.drill_result, _drill.drill_verdict),
        )
