# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab goes on: a worker that enters and computes sessions until it is told to stop."""

from __future__ import annotations

import logging
import signal
from datetime import datetime

import datajoint as dj

log = logging.getLogger("pipeline.worker")


def work(interval: float, scan_kb: int, limit: int) -> None:
    """Work until SIGTERM; a session that has begun is always finished."""
    # Blocked, the signal waits until it is asked for: DataJoint's own handler never cuts a computation.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})

    from . import content
    from .schemas import session, subject
    from .sessions import compute, enter, enter_basics

    enter_basics()
    done = 0
    while limit == 0 or done < limit:
        serial = len(session.Session & {"origin": "worker"})
        animal, number = divmod(serial, 20)
        name = f"w{animal:05}"
        if number == 0:
            subject.Subject.insert1(content.subject(name, animal), skip_duplicates=True)
        enter(name, number + 1, serial, "worker", scan_kb, when=datetime.now(), depth=-500)
        compute()
        done += 1
        log.info("entered and computed session %s of %s", number + 1, name)
        if signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, interval):
            break
    dj.conn().close()
    log.info("stopped after %s sessions", done)
