# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configure DataJoint before any schema is imported."""

from __future__ import annotations

import json
import os
from pathlib import Path

# DataJoint asks for this before it manages files by their path.
os.environ["DJ_SUPPORT_FILEPATH_MANAGEMENT"] = "TRUE"
os.environ.setdefault("MPLCONFIGDIR", "/tmp")

import datajoint as dj

RAW = Path("/datajoint-data")
PREFIX = "lab_"


def load(path: str) -> None:
    """Read account and stores from a JSON file."""
    dj.config.update(json.loads(Path(path).read_text(encoding="utf-8")))
    dj.config["safemode"] = False
    dj.config["enable_python_native_blobs"] = True
