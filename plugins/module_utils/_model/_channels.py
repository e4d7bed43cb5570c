# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Channels to people: what is wrong with them."""

from __future__ import annotations

import typing as t


def problems(found: t.Mapping[str, t.Any]) -> list[str]:
    """One line for each thing that is wrong with the channels that ``tell`` looked at."""
    lines = []
    if not found["channels"]:
        lines.append("nobody is told of anything")
    for channel in found["channels"]:
        name = f"{channel['tag']} ({channel['scheme']})"
        # Both are times of one form, so that the later one is the larger one.
        failed, worked = channel.get("last_failure") or "", channel.get("last_success") or ""
        if not channel["understood"]:
            lines.append(f"{name}: {channel['problem']}")
        elif failed > worked:
            lines.append(f"{name}: it did not take the last message, {failed}")
    if found["untold"]:
        lines.append(f"{len(found['untold'])} messages that nobody could be told yet")
    return lines
