# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Argument specifications that several modules share: one a documentation fragment, with the same content."""

from __future__ import annotations

import typing as t

# plugins/doc_fragments/_borg.py
BORG: dict[str, t.Any] = {
    "repository": {"type": "path", "required": True},
    # no_log is about the value: this is the name of a file
    "passphrase_file": {"type": "path", "required": True, "no_log": False},
    "base_dir": {"type": "path", "required": True},
    "executable": {"type": "str", "default": "borg"},
    "lock_wait": {"type": "int", "default": 60},
}

# plugins/doc_fragments/_database.py
DATABASE: dict[str, t.Any] = {
    "defaults_file": {"type": "path"},
    "socket": {"type": "path"},
}

# plugins/doc_fragments/_legacy.py
LEGACY: dict[str, t.Any] = {
    "addresses": {"type": "list", "elements": "str", "default": []},
    "known": {"type": "list", "elements": "str", "required": True},
    "peers": {"type": "list", "elements": "str", "default": []},
    "paths": {"type": "list", "elements": "path", "default": []},
}

# plugins/doc_fragments/_step.py
STEP: dict[str, t.Any] = {
    "lock": {"type": "path"},
    "lock_keep": {"type": "int", "default": 0},
    "run_id": {"type": "str"},
}

# plugins/doc_fragments/_facts.py
FACTS: dict[str, t.Any] = {
    "datasets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str", "required": True}, "path": {"type": "path", "required": True}},
    },
    "past": {"type": "dict", "default": {}},
}

# plugins/doc_fragments/_operation.py
OPERATION: dict[str, t.Any] = {
    "operation": {"type": "path"},
    "operation_begin": {"type": "bool", "default": True},
    "operation_wait": {"type": "float", "default": 10.0},
}
