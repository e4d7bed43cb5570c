# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""tell, the program by which a host speaks to people: what it could use."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command

_REMEDY = "Run site.yml for this host"
_FIELDS = ("apprise", "mail", "ping", "untold", "channels")


def check(program: str) -> dict[str, t.Any]:
    """Which channels are understood, and how each went when it was last used. Sends nothing.

    :raises BackupError: when the program is not there or answers otherwise than it should.
    """
    outcome = _command.run([program, "--check"], env=_command.environment())
    if outcome.rc != 0:
        raise outcome.error(f"{program} could not look at its channels", remedy=_REMEDY)
    try:
        found = json.loads(outcome.stdout)
    except ValueError:
        found = None
    if not isinstance(found, dict) or any(field not in found for field in _FIELDS):
        raise BackupError(
            f"{program} answered otherwise than this release expects", untouched="Nothing was changed", remedy=_REMEDY
        )
    return {field: found[field] for field in _FIELDS}
