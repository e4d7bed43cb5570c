# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that settle, follow and judge a night."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _night
from ansible_collections.labops.backup.plugins.plugin_utils._filters import filters


class FilterModule:
    """Filters over a night."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return filters(
            *(_night.run, _night.expected, _night.pin, _night.outcome, _night.outcomes, _night.mirror_roots),
            *(_night.content_manifests, _night.retention_failure, _night.retention_stop, _night.verdict),
        )
