# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make archives of given times; run by the interpreter of the real Borg, so that it starts once for all of them.

Usage: borg_series.py REPOSITORY FOLDER < {"name": "2026-11-23T02:30:00", ...}
"""

from __future__ import annotations

import json
import sys

from borg.archiver import Archiver  # type: ignore[import-not-found,unused-ignore]

repository, folder = sys.argv[1:]
for name, moment in json.load(sys.stdin).items():
    archiver = Archiver()
    words = ["create", "--timestamp", moment, "--files-cache", "disabled", f"{repository}::{name}", folder]
    if archiver.run(archiver.parse_args(words)) != 0:
        sys.exit(f"{name} was not made")
