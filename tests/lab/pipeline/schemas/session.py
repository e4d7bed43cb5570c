# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an animal was recorded."""

import datajoint as dj

from ..settings import PREFIX
from . import subject  # noqa: F401 (named in definitions)

schema = dj.Schema(PREFIX + "session")


@schema
class Rig(dj.Lookup):
    definition = """
    rig          : varchar(16)
    ---
    temperature  : decimal(5,2)   # degrees Celsius
    calibration  : longblob
    """
    contents = (("2p-1", "21.50", {"gain": [1.0, 2.5]}), ("npx-2", "-20.00", {"gain": [], "ok": None}))


@schema
class Session(dj.Manual):
    definition = """
    -> subject.Subject
    session              : int
    ---
    session_datetime     : datetime
    -> Rig
    -> subject.Person.proj(operator='person')
    remark               : varchar(4000)
    parameters = null    : longblob
    origin               : enum('fill', 'worker')
    entered = CURRENT_TIMESTAMP : timestamp
    """

    class Event(dj.Part):
        definition = """
        -> master
        event         : smallint
        ---
        event_time    : double   # s, negative before the trigger
        event_label   : varchar(255)
        """


@schema
class Attachment(dj.Manual):
    definition = """
    -> Session
    attachment  : varchar(32)
    ---
    file        : attach@notes
    """
