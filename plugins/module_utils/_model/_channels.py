# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Channels to people: what is wrong with them."""

from __future__ import annotations

import typing as t

# Of these somebody has to hear; that all is well need not be told.
_ALARMS = ("failure", "warning")


def deaf(found: t.Mapping[str, t.Any]) -> list[str]:
    """The severities of alarms for which no channel is left that is understood and that leads to somebody."""
    usable = {one["severity"] for one in found["channels"] if one["understood"] and one.get("reached") is not False}
    return [severity for severity in _ALARMS if severity not in usable]


def malformed(found: t.Mapping[str, t.Any]) -> bool:
    """Whether Apprise does not understand one of the URLs."""
    return not all(one["understood"] for one in found["channels"])


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
        elif channel.get("reached") is False:
            lines.append(f"{name}: {channel['why']}")
        elif failed > worked:
            lines.append(f"{name}: it did not take the last message, {failed}")
    if found.get("ping_problem"):
        lines.append(f"the dead-man's switch: {found['ping_problem']}")
    if found["untold"]:
        lines.append(f"{len(found['untold'])} messages that nobody could be told yet")
    return lines
