# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enter one session with all that belongs to it, then compute."""

from __future__ import annotations

import tempfile
import uuid
from datetime import datetime
from pathlib import Path

import datajoint as dj

from . import content, raw
from .schemas import ephys, imaging, session, subject
from .settings import RAW

PROBES = ("npx-A", "npx-B")
COMPUTED = (ephys.Sorting, imaging.Scan, imaging.MotionCorrection, imaging.Segmentation, imaging.Comparison)


def enter_basics() -> None:
    """Enter what every session refers to."""
    subject.Person.insert(content.PEOPLE, skip_duplicates=True)
    rows = [{"probe": probe, "probe_uuid": uuid.uuid5(content.NAMESPACE, probe)} for probe in PROBES]
    ephys.Probe.insert(rows, skip_duplicates=True)


def enter(
    subject_name: str, number: int, serial: int, origin: str, scan_kb: int, *, when: datetime, depth: int
) -> None:
    """Enter one session; all of it or nothing."""
    key = {"subject": subject_name, "session": number}
    path = RAW / "recordings" / subject_name / f"session {number:04} – {origin}" / "imec0.ap.bin"
    raw.recording(path, scan_kb, serial)
    with tempfile.TemporaryDirectory() as folder, dj.conn().transaction:
        session.Session.insert1(content.session(subject_name, number, serial, origin, when))
        session.Session.Event.insert(
            dict(key, event=n, event_time=(n - 1) * 0.1, event_label=content.text(serial + n)[:255]) for n in range(3)
        )
        file = content.attachment(Path(folder), serial)
        session.Attachment.insert1(dict(key, attachment="notes", file=file))
        ephys.Recording.insert1(
            dict(key, probe=PROBES[serial % 2], raw_file=path, sampling_rate=30000.0 + serial / 7, depth=depth)
        )


def compute() -> None:
    """Compute what is missing; a key that fails is kept in the jobs table."""
    for table in COMPUTED:
        table.populate(reserve_jobs=True, suppress_errors=True)
