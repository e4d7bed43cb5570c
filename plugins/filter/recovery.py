# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that show recovery points and runs to people."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _status


def status_document(hosts: t.Mapping[str, t.Any], servers: t.Sequence[str], now: str) -> dict[str, t.Any]:
    """The status of some servers; see status_document.yml."""
    return _status.document(hosts, servers, now)


def status_table(status: t.Mapping[str, t.Any]) -> list[str]:
    """A status as lines; see status_table.yml."""
    try:
        return _status.lines(status)
    except BackupError as error:
        raise AnsibleFilterError(error.message) from error


class FilterModule:
    """Filters over recovery points."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name to function."""
        return {"status_document": status_document, "status_table": status_table}
