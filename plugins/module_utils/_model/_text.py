# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Sizes, durations and names as people read them, and names out of the kernel's tables."""

from __future__ import annotations

import re
import typing as t
import unicodedata

_OCTAL = re.compile(r"\\([0-7]{3})")
# Control, format, surrogate, private, unassigned; line and paragraph separator.
_OBEYED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def size(count: float) -> str:
    """A number of bytes with a binary unit: ``size(1536)`` is ``1.5 KiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if round(abs(value), 1) < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} PiB"


def decimal_size(count: float) -> str:
    """A number of bytes with a decimal unit, as disks are sold: ``decimal_size(1536)`` is ``1.5 KB``."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """A time span by its two largest units: ``duration(3720)`` is ``1 h 2 min``."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{hours // 24} d" + (f" {hours % 24} h" if hours % 24 else "")


def progress(told: t.Mapping[str, t.Any]) -> str:
    """How far some work has come, in one line, from the document that it keeps; empty when that tells nothing."""
    done, total, files, total_files, rate, left = (_number(told.get(name)) for name in _PROGRESS)
    words = []
    if done is not None and total:
        words.append(f"{min(done / total, 1):.0%} of {size(total)}")
    elif done:
        words.append(size(done))
    if files is not None:
        words.append(f"{files:.0f} of {total_files:.0f} files" if total_files else f"{files:.0f} files")
    if rate:
        words.append(f"{size(rate)}/s")
    if left:
        words.append(f"about {duration(left)} left")
    return ", ".join(words)


_PROGRESS = ("bytes", "total_bytes", "files", "total_files", "bytes_per_second", "seconds_left")


def bar(told: t.Mapping[str, t.Any], columns: int) -> str:
    """The share that is done as a bar of so many columns; empty when nobody knows of how much."""
    done, total = _number(told.get("bytes")), _number(told.get("total_bytes"))
    if done is None or not total:
        return ""
    filled = round(min(max(done / total, 0), 1) * columns)
    return "[" + "#" * filled + "." * (columns - filled) + "]"


def _number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def unescaped(field: str) -> str:
    """A field of C(/proc/self/mounts) as it is; a blank, tab, newline, # and backslash stand there as octal digits."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)


def plain(text: str) -> str:
    r"""``text`` without anything that a terminal would obey: control and undecodable bytes become ``\xNN``."""
    return "".join(
        character if unicodedata.category(character) not in _OBEYED else _escaped(character) for character in text
    )


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: one undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
