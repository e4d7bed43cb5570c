# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (1024**4 * 3 // 2, "1.5 TiB"),
        (1024**5, "1.0 PiB"),
        (1024**6, "1024.0 PiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert _text.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (61, "1 min"),
        (3599, "1 h"),
        (3600, "1 h"),
        (3720, "1 h 2 min"),
        (86400, "24 h"),
        (47.9 * 3600, "47 h 54 min"),
        (48 * 3600 - 1, "2 d"),
        (50 * 3600, "2 d 2 h"),
        (30 * 86400, "30 d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert _text.duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, 'quotes' and \\", "plain words, 'quotes' and \\"),
        ("größe 大 é", "größe 大 é"),
        ("a\x1b[31mred\x07", r"a\x1b[31mred\x07"),
        ("one\ntwo\r\tthree\x00", r"one\x0atwo\x0d\x09three\x00"),
        ("\x7f\x9b31m", r"\x7f\x9b31m"),
        ("caf\udce9\udcff", r"caf\xe9\xff"),
        ("\ud800", r"\ud800"),
        ("left\u202eright\u200b\ufeff", r"left\u202eright\u200b\ufeff"),
        ("\ue000\U000e0041", r"\ue000\U000e0041"),
        ("one\u2028two\u2029", r"one\u2028two\u2029"),
    ],
)
def test_nothing_that_a_terminal_would_obey_is_left(text: str, shown: str) -> None:
    assert _text.plain(text) == shown
    assert _text.plain(text).isprintable()
    _text.plain(text).encode()


@pytest.mark.parametrize(
    ("told", "line", "bar"),
    [
        ({}, "", ""),
        ({"what": "census", "bytes": 0, "total_bytes": 0}, "", ""),
        ({"bytes": 512, "total_bytes": 1024}, "50% of 1.0 KiB", "[#####.....]"),
        ({"bytes": 4096, "total_bytes": 1024}, "100% of 1.0 KiB", "[##########]"),
        ({"bytes": 2048, "total_bytes": 0, "files": 7}, "2.0 KiB, 7 files", ""),
        ({"bytes": "x", "total_bytes": None, "files": True, "seconds_left": []}, "", ""),
    ],
)
def test_progress_is_told_as_far_as_it_is_known(told: dict[str, object], line: str, bar: str) -> None:
    assert (_text.progress(told), _text.bar(told, 10)) == (line, bar)
