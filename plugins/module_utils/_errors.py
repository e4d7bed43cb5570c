# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The one exception that carries a failure to an operator."""

from __future__ import annotations


class BackupError(Exception):
    """Something that an operator has to know.

    :param what: what failed and where, with the values that were seen.
    :param untouched: what was left as it was ("the mirror was not changed").
    :param remedy: what to do next, as one imperative sentence.
    :param facts: machine-readable values for the module's result; never a secret.
    """

    def __init__(self, what: str, *, untouched: str = "", remedy: str = "", **facts: object) -> None:
        self.what = what
        self.untouched = untouched
        self.remedy = remedy
        self.facts = facts
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole text, one sentence a part."""
        parts = [part.rstrip(". ") + "." for part in (self.what, self.untouched, self.remedy) if part]
        return " ".join(parts)


class ToolError(BackupError):
    """A program that ended badly.

    :param rc: its exit code (negative: ended by that signal).
    :param stderr: the last lines it wrote there.
    """

    def __init__(
        self, what: str, *, rc: int, stderr: str, untouched: str = "", remedy: str = "", **facts: object
    ) -> None:
        self.rc = rc
        self.stderr = stderr
        tail = stderr.strip()
        super().__init__(
            f"{what} (exit code {rc})" + (f": {tail}" if tail else ""),
            untouched=untouched,
            remedy=remedy,
            rc=rc,
            **facts,
        )
