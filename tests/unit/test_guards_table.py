# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that writes the table of guards."""

from __future__ import annotations

import importlib.util
import pathlib
import types

import pytest

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "guards_table.py"
ROW = {"guard": "room", "looked_at": "a|b", "limit": "1", "happens": "“x”: y", "accept": "make room"}


@pytest.fixture(scope="module")
def program() -> types.ModuleType:
    found = importlib.util.spec_from_file_location("guards_table", PROGRAM)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_only_the_marked_section_is_written_and_read_back(program: types.ModuleType) -> None:
    page = f"before\n\n{program.BEGIN}\n\nold\n\n{program.END}\n\nafter\n"
    page = program.written(page, [ROW])
    assert page == program.written(page, [ROW])
    before, there, after = program.parts(page)
    assert (before, there, after) == ("before\n\n", program.table([ROW]), "\n\nafter\n")
    assert r"| room | a\|b | 1 | “x”: y | make room |" in there.splitlines()


def test_the_page_has_the_section_and_a_table_in_it(program: types.ModuleType) -> None:
    text = program.PAGE.read_text(encoding="utf-8")
    assert text.count(program.BEGIN) == text.count(program.END) == 1
    _before, there, _after = program.parts(text)
    assert len(there.splitlines()) > 10
