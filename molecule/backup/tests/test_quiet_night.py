# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A night on a source that stands still: the archives equal the source in everything that rsync -aHAX carries."""

import json

import pytest
from test_night import BORG, REPOSITORIES, ledger

from conftest import PROJECT

testinfra_hosts = ["ansible://loki"]
TREES = {"blobs": "/datajoint-db/blobs", "data": "/datajoint-data", "database": "/datajoint-db/dumps"}


def tree(host, folder):
    """The tree as tests/lab/tree.py sees it there."""
    program = (PROJECT / "tests/lab/tree.py").read_text()
    host.check_output("cat > /root/tree.py <<'END_OF_PROGRAM'\n%s\nEND_OF_PROGRAM", program)
    lines = host.check_output(f"python3 /root/tree.py {folder}").splitlines()
    return {entry["path"]: entry for entry in map(json.loads, lines)}
