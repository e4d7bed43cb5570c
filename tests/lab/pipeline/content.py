# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that careless quoting, character sets and types break."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")

TEXTS = (
    "plain",
    "größer, señor, Ω ≠ ∅, 日本語, עברית",
    "🐭🧠 emoji, 👩🏽‍🔬 joined",
    "quotes ' \" ` and '' doubled; -- no comment /* nor this */ # nor this",
    "backslash \\ and \\n and \\' at the end \\",
    "lines\nfeed\r\nreturn\ttab",
    "NUL-like \\0 and \\x00, escape \\Z, percent % and underscore _",
    "; DROP TABLE session; INSERT INTO `x` VALUES (1),(2);",
    "-- Dump completed on 2020-01-01  0:00:00",
    "NULL",
    "",
    "long " + "äöü" * 300,
    "  spaces around  ",
    "control \x01\x1a\x7f",
)

ATTACHMENTS = (
    "notes.txt",
    "lab notes 2 final (1).tar.gz",
    "Überblick – Maus 🐭.md",
    "no_suffix",
    ".hidden",
)

PEOPLE = (
    {"person": "anna", "full_name": "Anna Ångström", "email": "anna@lab.example", "joined": date(2015, 2, 28)},
    {"person": "obrien", "full_name": "Liam O'Brien \\ Ní Bhriain", "email": None, "joined": date(1970, 1, 1)},
    {"person": "zhang", "full_name": "张伟 🧪", "email": "zhang+lab@lab.example", "joined": date(9999, 12, 31)},
)


def text(number: int) -> str:
    """Return one of the texts."""
    return TEXTS[number % len(TEXTS)]


def subject(name: str, number: int) -> dict:
    """Return one animal."""
    return {
        "subject": name,
        "subject_uuid": uuid.uuid5(NAMESPACE, name),
        "species": ("mus musculus", "rattus norvegicus", "danio rerio")[number % 3],
        "person": PEOPLE[number % 3]["person"],
        "sex": ("M", "F", "unknown")[number % 3],
        "birth_date": None if number % 4 == 3 else date(2024, 2, 29) + timedelta(days=number),
        "weight": "-0.01" if number == 1 else f"{20 + number % 70}.25",
        "balance": None if number % 3 == 0 else f"-{number}.125",
        "notes": text(number),
        "extra": None
        if number % 2
        else {"bytes": bytes(range(256)), "größe": [1, -2.5, None], "at": datetime(2024, 2, 29)},
    }


def session(subject_name: str, number: int, serial: int, origin: str, when: datetime) -> dict:
    """Return one session."""
    return {
        "subject": subject_name,
        "session": number,
        "session_datetime": when,
        "rig": ("2p-1", "npx-2")[serial % 2],
        "operator": PEOPLE[serial % 3]["person"],
        "remark": text(serial),
        "parameters": None if serial % 3 == 2 else {"matrix": np.arange(serial % 5 * 4), "nested": {"π": 3.14}},
        "origin": origin,
    }


def attachment(folder: Path, serial: int) -> Path:
    """Write one attachment into a folder; some have the same content, not the same name."""
    path = folder / ATTACHMENTS[serial % len(ATTACHMENTS)]
    path.write_bytes(f"attachment {serial // 2}\n".encode() * (1 + serial % 50))
    return path
