# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that show recovery points and runs to people."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible.errors import AnsibleFilterError
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _status


def status_table(status: t.Mapping[str, t.Any], now: str) -> list[str]:
    """The status of one server as lines; see status_table.yml."""
    try:
        moment = datetime.fromisoformat(now)
    except ValueError as error:
        raise AnsibleFilterError(f"status_table: {now!r} is not a time: {error}") from error
    if moment.tzinfo is None:
        raise AnsibleFilterError(f"status_table: the time {now!r} has no zone; add Z for UTC")
    try:
        return _status.lines(status, moment)
    except BackupError as error:
        raise AnsibleFilterError(error.message) from error


class FilterModule:
    """Filters over recovery points."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return {"status_table": status_table}
