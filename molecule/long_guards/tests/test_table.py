# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table that people read says what this run saw."""

import importlib.util
import pathlib

testinfra_hosts = ["ansible://loki"]
PROJECT = pathlib.Path(__file__).resolve().parents[3]


def test_the_table_of_guards_says_what_was_seen(rows):
    found = importlib.util.spec_from_file_location("guards_table", PROJECT / "tests/guards_table.py")
    guards_table = importlib.util.module_from_spec(found)
    found.loader.exec_module(guards_table)
    _before, there, _after = guards_table.parts(guards_table.PAGE.read_text(encoding="utf-8"))
    assert there.splitlines() == guards_table.table(rows).splitlines(), "make guards writes the table anew"
