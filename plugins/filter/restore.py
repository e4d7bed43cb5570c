# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that settle, plan and judge a restore."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _incident_report, _replacement, _restoration
from ansible_collections.labops.backup.plugins.plugin_utils._filters import filters


class FilterModule:
    """Filters over a restore."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return filters(
            *(_restoration.restoration, _restoration.incident, _restoration.restore_datasets),
            *(_restoration.fence_state, _restoration.restore_plan, _restoration.restore_plan_lines),
            _incident_report.incident_report,
            _replacement.names,
            _replacement.replacement,
            *(
                _restoration.restore_ready,
                _restoration.restore_sources,
                _restoration.restore_verdict,
                _restoration.restored_roots,
                _restoration.releases,
                _restoration.scope_files,
                _restoration.source_facts,
            ),
        )
