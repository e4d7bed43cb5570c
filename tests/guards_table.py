# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of guards in docs/operate.md, made from what molecule/long_guards saw: python3 guards_table.py.

The scenario's last test compares; this program, run by `make guards`, writes.
"""

from __future__ import annotations

import json
import pathlib
import typing as t

PROJECT = pathlib.Path(__file__).resolve().parents[1]
ROWS = PROJECT / ".cache/guards/rows.json"
PAGE = PROJECT / "docs/operate.md"
BEGIN = "<!-- The table of guards: written by `make guards` from what its tests saw. -->"
END = "<!-- End of the table of guards. -->"
COLUMNS = {
    "guard": "guard",
    "looked_at": "what is looked at",
    "limit": "limit",
    "happens": "what happens",
    "accept": "how to accept or mend",
}


def rows() -> list[dict[str, str]]:
    """What the last run of the scenario recorded."""
    return t.cast("list[dict[str, str]]", json.loads(ROWS.read_text(encoding="utf-8")))


def table(recorded: t.Sequence[t.Mapping[str, str]]) -> str:
    """The rows as Markdown."""
    lines = [" | ".join(COLUMNS.values()), " | ".join("---" for _column in COLUMNS)]
    lines += [" | ".join(row[name].replace("|", r"\|") for name in COLUMNS) for row in recorded]
    return "\n".join(f"| {line} |" for line in lines)


def parts(page: str) -> tuple[str, str, str]:
    """The page before the table, the table, the page after it."""
    before, _begin, rest = page.partition(BEGIN)
    there, _end, after = rest.partition(END)
    return before, there.strip("\n"), after


def written(page: str, recorded: t.Sequence[t.Mapping[str, str]]) -> str:
    """The page with this table."""
    before, _there, after = parts(page)
    return f"{before}{BEGIN}\n\n{table(recorded)}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), rows()), encoding="utf-8")
