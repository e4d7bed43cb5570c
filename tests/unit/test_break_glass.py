# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of docs/break-glass.md that a database decides; molecule/long_restore runs the whole page."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/break-glass.md"
# Prints the rows that it is asked for, and writes down what it is fed.
CLIENT = """#!/bin/sh
[ $# -gt 0 ] || exec cat >"$(dirname "$0")/fed"
case $2 in
  'SELECT COUNT(*) FROM `lab`.`plain`') echo 3 ;;
  'SELECT COUNT(*) FROM `odd``name`.`t``t`') echo 4 ;;
  'SELECT COUNT(*) FROM `lab`.`kept` FOR SYSTEM_TIME ALL') echo 9 ;;
  'SELECT COUNT(*) FROM `lab`.`kept`') echo 5 ;;
  *) exit 1 ;;
esac
"""
TABLES = {"lab": {"plain": 3, "kept": 9}, "odd`name": {"t`t": 4}}


def block(word: str) -> str:
    found = [
        text for text in re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE) if word in text
    ]
    assert len(found) == 1
    return str(found[0])


def done(folder: pathlib.Path, program: str, manifest: dict[str, t.Any]) -> subprocess.CompletedProcess[str]:
    programs = folder / "bin"
    programs.mkdir()
    (programs / program).write_text(CLIENT)
    (programs / program).chmod(0o755)
    (programs / "python3").symlink_to(sys.executable)
    for name in ("sh", "bash", "dirname", "cat"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "databases.sql").write_text("-- Dump completed\n")
    text = "\n".join(["set -e", block('databases.sql"\n'), block("COUNT(*)")])
    environment = {"PATH": str(programs), "DUMP": str(folder)}
    return subprocess.run(
        [str(programs / "bash"), "-c", text], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("program", ["mariadb", "mysql"])
def test_every_row_is_counted_with_whichever_client_is_there(tmp_path: pathlib.Path, program: str) -> None:
    said = done(tmp_path, program, {"tables": TABLES, "history": [["lab", "kept"]]})
    assert (said.returncode, said.stdout, said.stderr) == (0, "tables that differ: 0\n", "")
    assert (tmp_path / "bin/fed").read_text() == "-- Dump completed\n"


def test_rows_that_are_missing_are_told(tmp_path: pathlib.Path) -> None:
    """A manifest of an earlier release says nothing of history, and holds none."""
    said = done(tmp_path, "mariadb", {"tables": {"lab": {"plain": 5, "kept": 5}}})
    assert said.returncode == 1
    assert said.stdout == "lab plain has 3 rows, the dump has 5\ntables that differ: 1\n"
