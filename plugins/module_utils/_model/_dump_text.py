# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Read the text of a database dump while it streams by, in bounded memory.

The text is what C(mariadb-dump) and C(mysqldump) write with C(--hex-blob --databases). Inside string literals
they escape line feeds, quotes and backslashes, so C(;) at the end of a line always ends an INSERT, and with
MariaDB's layout every row is a line (seen with MariaDB 10.11; MySQL writes all rows of a statement on one line).
Rows are counted and digested with whole-chunk byte operations; only rows of tables whose columns are asked for are
decoded.

Rows come ordered by primary key, so equal rows make an equal text and a digest of it says whether two dumps hold the
same (same engine and series; seen with MariaDB 10.11). Where one INSERT ends and the next begins is not part of it.

With C(--dump-history), system-versioned tables have their former rows too. Those count, and are never decoded.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

Value = bytes | None
Row = tuple[Value, ...]

_NAME = rb"`((?:[^`]|``)*)`"
_TOOL = re.compile(rb"-- (MySQL|MariaDB) dump (\S+)\s+Distrib ([^,]+),")
_SERVER = re.compile(rb"-- Server version\t(?:5\.5\.5-)?(\S+)")
_SCHEMA = re.compile(rb"CREATE DATABASE (?:/\*.*?\*/ )?" + _NAME + rb"(.*)")
_CHARSET = re.compile(rb"DEFAULT CHARACTER SET (\w+)")
_COLLATION = re.compile(rb" COLLATE (\w+)")
_USE = re.compile(rb"USE " + _NAME + rb";")
_VIEW = re.compile(rb"-- Final view structure for view " + _NAME)
_TABLE = re.compile(rb"CREATE TABLE " + _NAME + rb" \(")
# As MariaDB 10.11 writes them; its earlier dump tools select what this one does.
_SEQUENCE = re.compile(rb"CREATE SEQUENCE " + _NAME + rb"( .*);$")
_STEP = re.compile(rb" increment by (-?\d+)")
_CYCLES = re.compile(rb" cycle\b")
_NEXT = re.compile(rb"(?:DO|SELECT) SETVAL\(" + _NAME + rb", (-?\d+), 0\);$")
_COLUMN = re.compile(rb"  " + _NAME + rb" (\S+)")
# MariaDB's JSON is text with a check, which it writes behind the comment.
_COMMENT = re.compile(rb" COMMENT '((?:[^'\\]|\\.|'')*)'(?: CHECK \(.*\))?,?$")
_FOREIGN_KEY = re.compile(
    rb"  CONSTRAINT " + _NAME + rb" FOREIGN KEY \((.+?)\) REFERENCES (?:" + _NAME + rb"\.)?" + _NAME + rb" \((.+?)\)"
)
_NAMES = re.compile(_NAME)
_ENGINE = re.compile(rb"\) ENGINE=(\w+)")
_TABLE_COLLATION = re.compile(rb" COLLATE[ =](\w+)")
# MySQL names the character set of a column that was declared with a collation alone only after a reload (seen with
# 9.7.4); the collation says which it is.
_REDUNDANT = re.compile(rb"('(?:[^'\\]|\\.|'')*')| CHARACTER SET \w+(?= COLLATE \w)")
# In the text of a view MySQL names the schema of an aliased table or leaves it out, by how the view came to be (9.7.4).
_SCHEMA_OF_COLUMN = re.compile(rb"('(?:[^'\\]|\\.|'')*')|" + _NAME + rb"\.(?=`(?:[^`]|``)*`\.`)")
_AUTO_INCREMENT = re.compile(rb" AUTO_INCREMENT=\d+")
_VIEW_START, _VIEW_END = b"/*!50001 CREATE ALGORITHM=", b"*/;"
_INSERT = re.compile(
    rb"INSERT INTO "
    + _NAME
    + rb" (?:\(("
    + _NAME
    + rb"(?:, "
    + _NAME
    + rb")*(?:, row_start, row_end)?)\) )?VALUES([ \n])"
)
_INSERT_START = b"INSERT INTO `"
# The hidden columns of a system-versioned table, the only names without quotes.
_PERIOD = b", row_start, row_end"
_ROW_END = b" GENERATED ALWAYS AS ROW END"
# The end of a row that is not over: the last moment of a TIMESTAMP, before MariaDB 11.5 and since.
_NEVER = (b"2038-01-19 03:14:07", b"2106-02-07 06:28:15")
_TRAILER = re.compile(rb"-- Dump completed(?: on .*)?$")

# One literal: an optional character set introducer and a string, or anything without quotes and separators.
_LITERAL = rb"(?:(?:_[a-z0-9]+ )?'[^'\\]*(?:\\.[^'\\]*)*'|[^',()\n]*)"
_STRING = re.compile(rb"'[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL)
_REST_OF_STRING = re.compile(rb"[^'\\]*(?:\\.[^'\\]*)*", re.DOTALL)
_LONG = re.compile(rb"'[^'\\]*(?:\\.[^'\\]*)*(?:(')|\\?\Z)|0x[0-9A-Fa-f]+", re.DOTALL)
_QUOTED = re.compile(rb"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'")
_ESCAPE = re.compile(rb"\\(.)|''", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"0": b"\0", b"Z": b"\x1a", b"b": b"\b"}

_LINE_BYTES = 64 << 20
_ROW_BYTES = 1 << 20
_VALUE_BYTES = 1 << 16


@dataclass(frozen=True)
class Column:
    """A column as the dump declares it; DataJoint's own types are in the comment."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key as the dump declares it."""

    name: str
    columns: tuple[str, ...]
    schema: str
    table: str
    references: tuple[str, ...]


@dataclass
class Table:
    """A base table of the dump, the number of its rows in it, and digests of both.

    :param structure: SHA-256 of the statement that declares it, without the next C(AUTO_INCREMENT).
    :param collations: what the statement names.
    :param text_bytes: length of its rows in the text.
    :param largest_statement: length of its longest INSERT.
    :param row_end: the column that says until when a row was valid, where the table declares one.
    """

    schema: str
    name: str
    engine: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...]
    structure: str = ""
    collations: frozenset[str] = frozenset()
    row_end: str = ""
    rows: int = 0
    text_bytes: int = 0
    largest_statement: int = 0
    _content: t.Any = field(default_factory=hashlib.sha256, repr=False, compare=False)
    _began: bool = field(default=False, repr=False, compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of its rows as the dump has them, as if they were in one INSERT."""
        return str(self._content.hexdigest())

    def begin_rows(self, separator: bytes) -> None:
        """The next INSERT of this table begins."""
        if self._began:
            self._content.update(separator)
        self._began = True

    def take_text(self, piece: bytes) -> None:
        """Take text of its rows into the digest."""
        self._content.update(piece)
        self.text_bytes += len(piece)


@dataclass
class Sequence:
    """A sequence of the dump.

    :param structure: SHA-256 of what declares it.
    :param step: what it counts by; 0 stands for a step of the server's.
    :param next: the number that it goes on with: the first one that the server had not set aside.
    """

    structure: str
    step: int
    cycles: bool
    next: int | None = None

    def is_behind(self, number: int) -> bool:
        """Whether it would give out again what came before ``number``; nobody knows of one that begins anew."""
        if self.cycles or self.next is None:
            return False
        return self.next > number if self.step < 0 else self.next < number


@dataclass
class Schema:
    """A schema of the dump."""

    name: str
    charset: str
    collation: str
    tables: dict[str, Table] = field(default_factory=dict)
    views: list[str] = field(default_factory=list)
    sequences: dict[str, Sequence] = field(default_factory=dict)
    _code: t.Any = field(default_factory=hashlib.sha256, repr=False, compare=False)

    @property
    def code(self) -> str:
        """SHA-256 of its triggers, events, routines and views as the dump has them."""
        return str(self._code.hexdigest())

    def take_code(self, line: bytes) -> None:
        """Take a line of one of them into the digest."""
        self._code.update(line.rstrip() + b"\n")


class Reader:
    """Takes the text in chunks and knows at the end what it holds.

    :param wanted: says for each table which columns to decode; an empty answer means that rows are only counted.
    :param take_row: gets the decoded values of those columns, in the order asked for, for each row.
    """

    def __init__(
        self,
        wanted: t.Callable[[Table], t.Sequence[str]] | None = None,
        take_row: t.Callable[[Table, Row], None] | None = None,
    ) -> None:
        self.tool = ""
        self.tool_version = ""
        self.server_version = ""
        self.schemas: dict[str, Schema] = {}
        self._wanted = wanted or (lambda _table: ())
        self._take_row = take_row or (lambda _table, _row: None)
        self._buffer = b""
        self._delimiter = b";"
        self._body_line = b""
        self._schema = ""
        self._create: list[bytes] = []
        self._in_view = False
        self._last_line = b""
        self._rows: _Counter | _Decoder | None = None
        self._table: Table | None = None
        self._statement = 0

    @property
    def engine(self) -> str:
        """C(mariadb) or C(mysql): the server's, which the tool's own name does not tell."""
        return "mariadb" if "mariadb" in self.server_version.lower() else "mysql"

    @property
    def rows(self) -> int:
        """Rows of all tables so far."""
        return sum(table.rows for schema in self.schemas.values() for table in schema.tables.values())

    @property
    def largest_statement(self) -> int:
        """Length of the longest INSERT so far."""
        tables = (table for schema in self.schemas.values() for table in schema.tables.values())
        return max((table.largest_statement for table in tables), default=0)

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of text."""
        buffer = self._buffer + chunk if self._buffer else chunk
        position = 0
        while position < len(buffer):
            if self._rows is not None:
                position = self._feed_rows(buffer, position)
                if self._rows is not None:
                    break
                continue
            if self._delimiter == b";" and not self._create and buffer.startswith(_INSERT_START, position):
                match = _INSERT.match(buffer, position)
                if match is not None:
                    self._start_rows(match)
                    position = match.end()
                    continue
            end = buffer.find(b"\n", position)
            if end < 0:
                if len(buffer) - position > _LINE_BYTES:
                    raise BackupError(f"a line of the dump outside its rows is longer than {_LINE_BYTES} bytes")
                break
            self._take_line(buffer[position:end])
            position = end + 1
        self._buffer = buffer[position:]

    def problems(self) -> list[str]:
        """What proves at the end of the text that it is not a whole dump; empty when it is one."""
        found = []
        if not self.server_version:
            found.append("the text has no '-- Server version' line")
        if self._rows is not None and self._table is not None:
            found.append(f"the text ends inside the rows of {self._table.schema}.{self._table.name}")
        elif self._buffer or self._create or self._delimiter != b";":
            found.append("the text ends inside a statement")
        if not _TRAILER.match(self._last_line):
            found.append("the last line is not '-- Dump completed'")
        return found

    def _take_line(self, line: bytes) -> None:
        if self._delimiter != b";":  # bodies of triggers, routines and events hold any text
            # Only behind a finished statement: a string may hold the same line.
            if line.startswith(b"DELIMITER ") and self._body_line.endswith(self._delimiter):
                self._set_delimiter(line)
            elif line.strip():
                self._body_line = line.rstrip()
                self._take_code(line)
            return
        if line.strip():
            self._last_line = line
        if self._in_view or line.startswith(_VIEW_START):
            plain = line if self.engine == "mariadb" else _SCHEMA_OF_COLUMN.sub(lambda found: found[1] or b"", line)
            self._take_code(plain)
            self._in_view = not line.endswith(_VIEW_END)
            return
        if self._create:
            self._create.append(line)
            if line.endswith(b";"):
                self._take_table(self._create)
                self._create = []
        elif line.startswith(b"CREATE TABLE "):
            self._create = [line]
        elif line.startswith(b"CREATE SEQUENCE "):
            self._take_sequence(line)
        elif match := _NEXT.match(line):
            self._take_next(_name(match[1]), int(match[2]))
        elif line.startswith(b"-- "):
            self._take_comment(line)
        elif match := _USE.match(line):
            self._schema = _name(match[1])
        elif line.startswith(_INSERT_START):
            raise BackupError(f"the dump has rows in an unknown layout: {line[:200]!r}")
        elif line.startswith(b"DELIMITER "):
            self._set_delimiter(line)
        elif match := _SCHEMA.match(line):
            charset, collation = _CHARSET.search(match[2]), _COLLATION.search(match[2])
            name = _name(match[1])
            self.schemas[name] = Schema(
                name, charset[1].decode() if charset else "", collation[1].decode() if collation else ""
            )

    def _take_code(self, line: bytes) -> None:
        if self._schema in self.schemas:
            self.schemas[self._schema].take_code(line)

    def _set_delimiter(self, line: bytes) -> None:
        self._delimiter = line[10:].strip()
        self._body_line = self._delimiter  # no statement has begun

    def _take_comment(self, line: bytes) -> None:
        if match := _TOOL.match(line):
            self.tool = "mariadb-dump" if match[1] == b"MariaDB" else "mysqldump"
            self.tool_version = f"{match[2].decode()} Distrib {match[3].decode()}"
        elif match := _SERVER.match(line):
            self.server_version = match[1].decode("utf-8", "replace")
        elif (match := _VIEW.match(line)) and self._schema in self.schemas:
            self.schemas[self._schema].views.append(_name(match[1]))

    def _take_sequence(self, line: bytes) -> None:
        match = _SEQUENCE.match(line)
        if match is None or self._schema not in self.schemas:
            raise BackupError(f"the dump declares a sequence in an unknown way: {line[:200]!r}")
        declared = _QUOTED.sub(b"", match[2])
        step = _STEP.search(declared)
        self.schemas[self._schema].sequences[_name(match[1])] = Sequence(
            hashlib.sha256(match[2]).hexdigest(), int(step[1]) if step else 1, _CYCLES.search(declared) is not None
        )

    def _take_next(self, name: str, number: int) -> None:
        schema = self.schemas.get(self._schema)
        if schema is not None and name in schema.sequences:
            schema.sequences[name].next = number

    def _take_table(self, lines: list[bytes]) -> None:
        head = _TABLE.match(lines[0])
        if head is None or self._schema not in self.schemas:
            raise BackupError(f"the dump declares a table in an unknown way: {lines[0][:200]!r}")
        columns, keys, engine, row_end, structure = [], [], "", "", hashlib.sha256(lines[0])
        collations: set[str] = set()
        for line in lines[1:]:
            declared = line
            if column := _COLUMN.match(line):
                row_end = _name(column[1]) if _ROW_END in line else row_end
                comment = _COMMENT.search(line)
                columns.append(
                    Column(
                        _name(column[1]),
                        column[2].rstrip(b",").decode("utf-8", "replace"),
                        _unescape(comment[1]).decode("utf-8", "replace") if comment else "",
                    )
                )
                if self.engine == "mysql":
                    declared = _REDUNDANT.sub(lambda found: found[1] or b"", line)
            elif key := _FOREIGN_KEY.match(line):
                keys.append(
                    ForeignKey(
                        _name(key[1]),
                        _names(key[2]),
                        _name(key[3]) if key[3] is not None else self._schema,
                        _name(key[4]),
                        _names(key[5]),
                    )
                )
            elif match := _ENGINE.match(line):
                engine = match[1].decode()
                declared = _AUTO_INCREMENT.sub(b"", line)
            structure.update(b"\n" + declared)
            collations.update(name.decode() for name in _TABLE_COLLATION.findall(_QUOTED.sub(b"", line)))
        name, declaration = _name(head[1]), structure.hexdigest()
        table = Table(
            *(self._schema, name, engine, tuple(columns), tuple(keys)), declaration, frozenset(collations), row_end
        )
        self.schemas[self._schema].tables[table.name] = table

    def _start_rows(self, match: re.Match[bytes]) -> None:
        name = _name(match[1])
        schema = self.schemas.get(self._schema)
        if schema is None or name not in schema.tables:
            raise BackupError(f"the dump has rows of {self._schema}.{name}, which it does not declare")
        self._table = table = schema.tables[name]
        self._statement = match.end() - match.start()
        columns = _names(match[2]) if match[2] else tuple(column.name for column in table.columns)
        row_end = table.row_end
        if match[2] and match[2].endswith(_PERIOD):
            columns, row_end = (*columns, "row_start", "row_end"), "row_end"
        wanted, by_line = self._wanted(table), match[5] == b"\n"
        table.begin_rows(b",\n" if by_line else b",")
        if wanted:
            places = [columns.index(column) for column in (*wanted, *([row_end] if row_end in columns else ()))]

            def take(row: Row) -> None:
                if len(row) == len(wanted):
                    self._take_row(table, row)
                elif (row[-1] or b"").startswith(_NEVER):
                    self._take_row(table, row[:-1])

            self._rows = _Decoder(len(columns), places, take, by_line=by_line)
        else:
            self._rows = _Counter(by_line=by_line)

    def _feed_rows(self, buffer: bytes, position: int) -> int:
        """Hand the rows from ``position`` on to the counter; returns where the text outside begins again."""
        assert self._rows is not None and self._table is not None
        end = buffer.find(b";\n", position)
        # The next chunk may begin with the line feed that makes a last semicolon the end.
        stop = end if end >= 0 else len(buffer) - buffer.endswith(b";")
        piece = buffer[position:stop]
        self._rows.feed(piece)
        self._table.take_text(piece)
        self._statement += stop - position
        if end < 0:
            return stop
        try:
            self._table.rows += self._rows.close()
        except ValueError as error:
            raise BackupError(
                f"the rows of {self._table.schema}.{self._table.name} in the dump are not laid out as expected: {error}"
            ) from error
        self._rows = None
        self._table.largest_statement = max(self._table.largest_statement, self._statement)
        self._last_line = b""
        return end + 2


class _Counter:
    """Counts the rows of one INSERT without looking at values."""

    def __init__(self, *, by_line: bool) -> None:
        self._by_line = by_line
        self._lines = 0
        self._rows = 0
        self._carry = b""
        self._in_string = False

    def feed(self, piece: bytes) -> None:
        if self._by_line:
            self._lines += piece.count(b"\n")
            text = self._carry + piece
            self._rows += text.count(b"),\n")
            self._carry = text[-2:]
        else:
            self._feed_inline(self._carry + piece)

    def _feed_inline(self, text: bytes) -> None:
        position = 0
        if self._in_string:
            rest = _REST_OF_STRING.match(text)
            assert rest is not None
            position = rest.end()
            if position == len(text) or text[position : position + 1] == b"\\":
                self._carry = text[position:]
                return
            position += 1
            self._in_string = False
        outside = _STRING.sub(b"", text[position:])
        start = outside.find(b"'")
        self._carry = b""
        if start >= 0:
            self._in_string = True
            self._carry = b"\\" if _odd_backslashes(outside) else b""
            outside = outside[:start]
        self._rows += outside.count(b"(")

    def close(self) -> int:
        if not self._by_line:
            if self._in_string:
                raise ValueError("a string does not end")
            return self._rows
        if self._lines != self._rows:
            raise ValueError(f"{self._lines} lines but {self._rows} row ends")
        return self._rows + 1


class _Decoder:
    """Counts the rows of one INSERT and decodes some of their values."""

    def __init__(self, columns: int, places: list[int], take: t.Callable[[Row], None], *, by_line: bool) -> None:
        groups = [b"(" + _LITERAL + b")" if index in places else _LITERAL for index in range(columns)]
        self._row = re.compile(rb"[,\n]*\(" + b",".join(groups) + rb"\)", re.DOTALL)
        in_order = sorted(set(places))
        self._order = [in_order.index(place) for place in places]
        self._take = take
        self._end_of_row = b"\n" if by_line else b")"
        self._rows = 0
        self._pending = b""

    def feed(self, piece: bytes) -> None:
        self._pending += piece
        if self._end_of_row in piece:
            self._take_rows(self._pending.rindex(self._end_of_row) + 1)
        if len(self._pending) >= _ROW_BYTES:
            self._pending = _LONG.sub(_shorten, self._pending)

    def _take_rows(self, end: int) -> None:
        position = 0
        while match := self._row.match(self._pending, position, end):
            literals = match.groups()
            self._take(tuple(decode(literals[index]) for index in self._order))
            self._rows += 1
            position = match.end()
        self._pending = self._pending[position:]

    def close(self) -> int:
        self._take_rows(len(self._pending))
        if self._pending:
            raise ValueError(f"after {self._rows} rows comes {self._pending[:80]!r}")
        return self._rows


def _shorten(match: re.Match[bytes]) -> bytes:
    """A long literal without its middle: nobody asks for it, and a row can have hundreds of megabytes."""
    text = match[0]
    if len(text) < _VALUE_BYTES:
        return text
    if text.startswith(b"0x"):
        return b"0x"
    if match[1] is not None:
        return b"''"
    return b"'\\" if _odd_backslashes(text) else b"'"


def _odd_backslashes(text: bytes) -> bool:
    """Whether ``text`` ends within an escape sequence."""
    return (len(text) - len(text.rstrip(b"\\"))) % 2 == 1


def decode(literal: bytes) -> Value:
    """The value of a literal: bytes for strings and hexadecimal, digits as they stand, None for NULL."""
    if literal == b"NULL":
        return None
    if literal.startswith(b"0x"):
        return bytes.fromhex(literal[2:].decode())
    if literal.endswith(b"'"):
        return _unescape(literal[literal.index(b"'") + 1 : -1])
    return literal


def _unescape(text: bytes) -> bytes:
    if b"\\" not in text and b"''" not in text:
        return text
    return _ESCAPE.sub(lambda match: b"'" if match[1] is None else _ESCAPES.get(match[1], match[1]), text)


def _name(quoted: bytes) -> str:
    return quoted.replace(b"``", b"`").decode("utf-8", "surrogateescape")


def _names(quoted: bytes) -> tuple[str, ...]:
    return tuple(_name(name) for name in _NAMES.findall(quoted))
