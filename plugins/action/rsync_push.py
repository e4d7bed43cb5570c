# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows how far C(rsync_push) is, and gets over a lost line."""

from __future__ import annotations

from ansible_collections.labops.backup.plugins.plugin_utils._long_running import ActionModule

__all__ = ["ActionModule"]
