# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the pipeline once; a larger size later adds only the difference."""

from __future__ import annotations

import json
import os
import pwd
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from . import content, raw
from .settings import RAW

STATE = Path("/var/lib/lab-pipeline/filled.json")


def become(account: str) -> None:
    """Go on as the account that owns the pipeline's files."""
    entry = pwd.getpwnam(account)
    os.initgroups(account, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.umask(0o002)


def fill(sessions: int, scan_kb: int, files: int, account: str, group: str) -> bool:
    """Fill up to these sizes and return whether there was anything to do."""
    done = {"sessions": 0, "files": 0}
    if STATE.exists():
        done.update(json.loads(STATE.read_text()))
    if done["sessions"] >= sessions and done["files"] >= files:
        return False

    if done["sessions"] == 0:
        raw.odd(RAW / "archive" / "odd", group)
    raw.many(RAW / "archive" / "frames", done["files"], files)

    become(account)
    enter(done["sessions"], sessions, scan_kb)
    record = {"sessions": max(sessions, done["sessions"]), "files": max(files, done["files"]), "scan_kb": scan_kb}
    STATE.write_text(json.dumps(record))
    return True


def enter(start: int, stop: int, scan_kb: int) -> None:
    """Enter and compute the sessions of this range."""
    from .schemas import ephys, imaging, session, subject
    from .sessions import compute, enter_basics
    from .sessions import enter as enter_session

    enter_basics()
    # What an earlier, interrupted fill has entered stays.
    there = len(session.Session & {"origin": "fill"})
    for serial in range(max(start, there), stop):
        number, animal = divmod(serial, 4 if stop <= 40 else 20)
        name = f"m{animal:03}"
        if not subject.Subject & {"subject": name}:
            subject.Subject.insert1(content.subject(name, animal))
            subject.Subject.Allele.insert1({"subject": name, "allele": "Tg(Thy1-GCaMP6f)", "zygosity": "+/-"})
        # One recording is wrong, and its computation fails for good.
        depth = 40 if serial == 5 else -300 - serial % 700
        when = datetime(2024, 2, 29, 23, 59, 59) + timedelta(hours=serial)
        enter_session(name, number + 1, serial, "fill", scan_kb, when=when, depth=depth)
    compute()

    if start == 0:
        subject.Death.insert1(
            {"subject": "m000", "death_date": date(2025, 1, 31), "cause": content.text(1)}, skip_duplicates=True
        )
        leave_unreferenced(ephys, session)
        assert len(imaging.schema.jobs & {"status": "error"}) > 0


def leave_unreferenced(ephys, session) -> None:
    """Enter and delete again: rows go, their blobs and attachments stay."""
    days = [date(2023, 1, 1) + timedelta(days=n) for n in range(6)]
    ephys.Calibration.insert(
        ({"probe": "npx-A", "calibrated": day, "curve": np.arange(64.0) * n} for n, day in enumerate(days)),
        skip_duplicates=True,
    )
    (ephys.Calibration & [{"calibrated": day} for day in days[3:]]).delete(safemode=False)
    key = session.Session.fetch("KEY", limit=1)[0]
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft, delete me.docx"
        draft.write_bytes(b"draft\n" * 100)
        session.Attachment.insert1(dict(key, attachment="draft", file=draft), skip_duplicates=True)
    (session.Attachment & {"attachment": "draft"}).delete(safemode=False)
