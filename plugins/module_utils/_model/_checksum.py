# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""When a pull compares the content of every file, and not only size and time.

By size and time alone rsync does not see another content at the same size and time, and not two such files that
changed places.
"""

from __future__ import annotations

from datetime import datetime


def is_due(every_days: float, last: object, now: datetime) -> bool:
    """Whether this pull compares.

    :param every_days: how old the last comparison may become; 0 for never.
    :param last: when it was, as the generation document says; what is no time in the past counts as never.
    """
    if every_days <= 0:
        return False
    try:
        age = (now - datetime.fromisoformat(str(last))).total_seconds()
    except (TypeError, ValueError):
        return True
    return not 0 <= age < every_days * 86400
