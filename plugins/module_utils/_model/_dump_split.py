# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Cut single schemas out of the text of a dump while it streams by, in bounded memory.

The text of C(--databases) is a head that sets the session up, sections that each begin with C(-- Current Database:)
(all views come in a second section of their schema), and a tail that puts the session back. Marks count only where a
statement may begin: rows hold no line feed and bodies of triggers, routines and events are skipped by their delimiter.

Locks around the rows of a table, which dumps of earlier releases have, are left out: under them MariaDB takes no row
into a table whose default draws from a sequence (error 1100).
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

_SECTION = re.compile(rb"-- Current Database: `((?:[^`]|``)*)`\s*$")
_TAIL = b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;"
_INSERT = b"INSERT INTO `"
_LOCK = re.compile(rb"LOCK TABLES `(?:[^`]|``)*` WRITE;\s*$")
_UNLOCK = b"UNLOCK TABLES;"
_LINE_BYTES = 64 << 20


class Splitter:
    """Passes on the head, the sections of the chosen schemas, and the tail, without the locks of tables.

    :param chosen: names of the schemas.
    :param before: statements that come behind the head, once.
    :param views: whether to pass on the sections of views, too. A server makes no view of what it does not have.
    """

    def __init__(self, chosen: t.Collection[str], before: bytes = b"", *, views: bool = True) -> None:
        self.schema = ""
        self.found: set[str] = set()
        self._chosen = frozenset(chosen)
        self._before = before
        self._views = views
        self._wanted = True
        self._in_rows = False
        self._locked = False
        self._delimiter = b";"
        self._body_line = b""
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next piece of text and return what of it is wanted."""
        text = self._rest + chunk if self._rest else chunk
        wanted: list[bytes] = []
        position = 0
        while position < len(text):
            if self._in_rows:
                end = text.find(b";\n", position)
                self._in_rows = end < 0
                # The next chunk may begin with the line feed that makes a last semicolon the end.
                stop = end + 2 if end >= 0 else len(text) - text.endswith(b";")
                if self._wanted:
                    wanted.append(text[position:stop])
                position = stop
                if self._in_rows:
                    break
                continue
            if self._delimiter == b";":
                self._in_rows = text.startswith(_INSERT, position)
                if self._in_rows:
                    continue
            end = text.find(b"\n", position)
            if end < 0:
                if len(text) - position > _LINE_BYTES:
                    raise BackupError(f"a line of the dump outside its rows is longer than {_LINE_BYTES} bytes")
                break
            wanted.append(self._take_line(text[position : end + 1]))
            position = end + 1
        self._rest = text[position:]
        return b"".join(wanted)

    def finish(self) -> bytes:
        """What is left behind the last line feed."""
        rest, self._rest = self._rest, b""
        return rest if self._wanted else b""

    def _take_line(self, line: bytes) -> bytes:
        before = b""
        if self._delimiter != b";":
            # Only behind a finished statement: a string may hold the same line.
            if line.startswith(b"DELIMITER ") and self._body_line.endswith(self._delimiter):
                self._set_delimiter(line)
            elif line.strip():
                self._body_line = line.rstrip()
        elif line.startswith(b"DELIMITER "):
            self._set_delimiter(line)
        elif match := _SECTION.match(line):
            self.schema = match[1].replace(b"``", b"`").decode("utf-8", "surrogateescape")
            self._wanted = self.schema in self._chosen and (self._views or self.schema not in self.found)
            self.found.add(self.schema)
            before, self._before = self._before, b""
        elif line.rstrip() == _TAIL:
            self._wanted = True
        elif _LOCK.match(line):
            self._locked = True
            return b""
        elif self._locked and line.rstrip() == _UNLOCK:
            self._locked = False
            return b""
        return before + line if self._wanted else before

    def _set_delimiter(self, line: bytes) -> None:
        self._delimiter = line[10:].strip()
        self._body_line = self._delimiter  # no statement has begun
