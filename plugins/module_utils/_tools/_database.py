# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
# ruff: noqa: S608 - every value in a statement went through quote_string
"""Client and dump tool of MariaDB and MySQL: the only file that knows their options, output and exit codes.

Statements go through standard input and credentials through an options file, so neither is in a process list.
Answers come as one JSON array a row, so no value can break the layout of a table.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command

UNITS = ("mariadb.service", "mysql.service", "mysqld.service")
SYSTEM_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")
# How the server names a folder of its data directory that no schema of its own would have made, such as lost+found.
_NO_SCHEMA = "#mysql50#"
DUMP_PRIVILEGES = ("EVENT", "LOCK TABLES", "PROCESS", "RELOAD", "SELECT", "SHOW VIEW", "TRIGGER")
# MariaDB asks for EXECUTE when SHOW FIELDS meets a view that calls a stored function, whatever the view's SQL
# SECURITY is; without it the dump tool stops (error 1370, seen with 10.11.19). MySQL 9.7.4 does not.
_MARIADB_VIEW_PRIVILEGE = "EXECUTE"
_MYSQL_ROUTINE_PRIVILEGE = "SHOW_ROUTINE"
_ROUTINE_PRIVILEGE_SINCE = (8, 0, 20)  # MySQL 8.0 reference manual, "SHOW_ROUTINE"

_POLL_SECONDS = 0.2
_ANYBODY = "SELECT JSON_ARRAY(1);"
# Access denied, of MariaDB also where the account's plugin says so, and locked: of MySQL, of MariaDB.
_NOT_LET_IN = (1045, 1698, 3118, 4151)

# Rows ordered by primary key and no date: the text of an unchanged server is the same, byte by byte.
DUMP_OPTIONS = (
    "--single-transaction",
    "--quick",
    "--hex-blob",
    "--routines",
    "--events",
    "--triggers",
    "--order-by-primary",
    "--skip-dump-date",
    "--skip-add-locks",  # under them MariaDB takes no row whose default draws from a sequence (error 1100)
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",  # the largest the protocol has: a row that the server holds can be dumped
    "--net-buffer-length=1047551",  # rows per statement; only a larger row makes a larger statement
)
# A mysqldump may be MariaDB's before 10.4.6, or MySQL's before 8.0, which do not know all of these; with "loose" in
# front an option that is not known is a warning (MySQL 8.0 reference manual, "Program Option Modifiers").
_MYSQL_DUMP_OPTIONS = ("--no-tablespaces", "--loose-column-statistics=0", "--loose-set-gtid-purged=OFF")
_HISTORY_OPTION = "--dump-history"
_VERSIONED_SINCE = (10, 3)
# The option, and the session variable without which its text cannot be loaded (MDEV-16029).
_HISTORY_SINCE = (10, 11)
_ACCOUNT_OPTIONS = ("--system=users", "--skip-dump-date", "--default-character-set=utf8mb4")
_TRAILER = b"-- Dump completed"
# The dump tool leaves them out (seen with MariaDB 10.11.19). Nobody is asked where the server does not know them.
_GRANTS_TO_EVERYBODY = "/*M!101100 SHOW GRANTS FOR PUBLIC */;"
_BROKEN_VIEW = 1356  # it refers to something that is gone
_RETRIED = (1146, 1412, _BROKEN_VIEW)  # a table or view went away or changed while it was dumped

# Backslashes escape and double quotes make strings, whatever the server's own mode is. And no GRANT makes an account
# (MariaDB manual, "SQL_MODE"; MySQL 8.0 has neither the mode nor such grants).
_FIRST_LINE = "SET SESSION sql_mode=IF(@@version LIKE '%MariaDB%','NO_AUTO_CREATE_USER','');\n"
_LINES_BEFORE = _FIRST_LINE.count("\n")

# "ERROR 1045 (28000)" (client), "Got error: 1045:", "Error 1412:", "Couldn't execute '...': ... (1356)" (dump tool)
_ERROR = re.compile(r"(?:ERROR|[Ee]rror:?) (\d{4})\b|\((\d{4})\)\s*$", re.MULTILINE)
_PRIVILEGE = re.compile(r"[A-Z][A-Z_ ]*")
_ERROR_LINE = re.compile(r"ERROR (\d+) .*? at line (\d+)")
_TOOL = re.compile(r"(?:Distrib|from) (\d+)\.(\d+)")
_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)")
# MariaDB writes NEXT VALUE FOR as a function, too, and strings in quotes.
_FROM_SEQUENCE = re.compile(r"\b(?:next|last|set)val\(")
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_VARIABLES = (
    "character_set_server",
    "collation_server",
    "datadir",
    "default_storage_engine",
    "event_scheduler",
    "hostname",
    "innodb_flush_log_at_trx_commit",
    "log_bin",
    "lower_case_table_names",
    "max_allowed_packet",
    "port",
    "read_only",
    "socket",
    "sql_mode",
    "super_read_only",
    "time_zone",
    "version",
    "version_comment",
)


# The first line of newer dumps, which a client that does not know it takes for a command.
SANDBOX = b"/*M!999999\\- enable the sandbox mode */ \n"


@dataclass(frozen=True)
class Connection:
    """How to reach the local server.

    :param defaults_file: options file with credentials; without it the system user logs in over the socket.
    :param socket: the server's socket; without it what the options file or the client's own default says.
    :param stall_seconds: end a client or dump tool that has said nothing for so long. Behind somebody's ALTER TABLE it
        waits for a day (lock_wait_timeout of both manuals). A load says nothing by nature and has no such end.
    """

    defaults_file: str | None = None
    socket: str | None = None
    stall_seconds: float | None = None

    def options(self) -> list[str]:
        """The first options of every command line; no other options file is ever read."""
        first = f"--defaults-file={self.defaults_file}" if self.defaults_file else "--no-defaults"
        return [first] + ([f"--socket={self.socket}"] if self.socket else [])


@dataclass(frozen=True)
class Server:
    """What answers at the other end."""

    engine: str
    version: str
    variables: dict[str, str]

    @property
    def number(self) -> tuple[int, ...]:
        """Its version as numbers."""
        match = _VERSION.match(self.version)
        return tuple(int(part) for part in match.groups()) if match else (0, 0, 0)


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key as the server has it."""

    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """How a client that took statements ended; the statement that failed is never shown, for it holds data.

    :param error: number of the server's error, None when it named none.
    :param line: line of the text at which it failed.
    """

    rc: int
    error: int | None
    line: int | None
    seconds: float


class ChangedError(BackupError):
    """The schemas changed while they were dumped; the dump has to be taken again."""


def query(connection: Connection, sql: str) -> list[list[t.Any]]:
    """The rows of one SELECT whose only column is a JSON array."""
    outcome = _client(connection, sql)
    if outcome.rc != 0:
        raise BackupError(
            f"the database server refused a question: {_why(outcome.stderr)}",
            untouched="Nothing was changed",
            remedy=_remedy(outcome.stderr),
        )
    return [_row(line, outcome.argv[0]) for line in outcome.stdout.splitlines() if line]


def _row(line: bytes, client: str) -> list[t.Any]:
    text = line.decode("utf-8", "surrogateescape")
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, list):
        raise BackupError(
            f"the database client printed something else than was asked for: {text[:80]!r}",
            untouched="Nothing was changed",
            remedy=f"Find what stands in the place of {client}, or in front of it, and prints that, and silence it",
        )
    return row


def execute(connection: Connection, sql: str, *, what: str) -> None:
    """Run statements that answer nothing.

    Only the number of an error is shown: the client repeats the failing statement, secrets included.
    """
    outcome = _client(connection, sql)
    if outcome.rc != 0:
        number = _number(outcome.stderr)
        raise BackupError(
            f"{what} failed: the database server said error {number or 'unknown'} (exit code {outcome.rc})",
            untouched="Statements before the failing one took effect",
            remedy="Look the number up in the server's manual, mend the cause and run again",
        )


def attempt(connection: Connection, sql: str) -> list[int]:
    """Run statements, one a line, to the last one, and tell the numbers of the errors that were met."""
    errors: list[str] = []
    outcome = _client(connection, sql, "--force", on_stderr_line=errors.append)
    numbers = [number for number in map(_number, errors) if number is not None]
    if outcome.rc != 0 and not numbers:
        raise BackupError(
            f"the database server was not reached (exit code {outcome.rc}): {_why(outcome.stderr)}",
            remedy=_remedy(outcome.stderr),
        )
    return numbers


def server_program() -> str:
    """The name of the installed server, empty when there is none. MariaDB's packages have the other name, too."""
    for name in ("mariadbd", "mysqld"):
        try:
            return os.path.basename(_command.find(name))
        except BackupError:
            continue
    return ""


def answers(connection: Connection) -> bool:
    """Whether a server takes connections there; any other refusal than of the connection itself is an error."""
    outcome = _client(connection, _ANYBODY)
    if outcome.rc == 0:
        return True
    if _number(outcome.stderr) in (2002, 2003):
        return False
    raise BackupError(
        f"the database server refused a question: {_why(outcome.stderr)}",
        untouched="Nothing was changed",
        remedy=_remedy(outcome.stderr),
    )


def administrator(defaults_file: str | None, socket: str | None) -> Connection:
    """Who administers the server: whom the options file names, or root of the system where that one is not let in.

    A server whose data directory was made anew knows nobody but root, over its socket.
    """
    named = Connection(defaults_file, socket)
    if defaults_file is None:
        return named
    root = Connection(None, socket)
    outcome = _client(named, _ANYBODY)
    if outcome.rc != 0 and _number(outcome.stderr) in _NOT_LET_IN and _client(root, _ANYBODY).rc == 0:
        return root
    return named


def answers_soon(connection: Connection, *, seconds: float) -> bool:
    """Whether a server that was just started takes connections within so many seconds."""
    until = time.monotonic() + seconds
    while not answers(connection):
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def server(connection: Connection) -> Server:
    """Engine, version and the variables that matter for a restore elsewhere."""
    version = str(query(connection, "SELECT JSON_ARRAY(VERSION());")[0][0])
    engine = "mariadb" if "mariadb" in version.lower() else "mysql"
    table = "information_schema.GLOBAL_VARIABLES" if engine == "mariadb" else "performance_schema.global_variables"
    names = ",".join(quote_string(name) for name in _VARIABLES)
    rows = query(
        connection,
        "SELECT JSON_ARRAY(LOWER(VARIABLE_NAME), VARIABLE_VALUE)"
        f" FROM {table} WHERE LOWER(VARIABLE_NAME) IN ({names});",
    )
    return Server(engine, version, {str(name): str(value) for name, value in sorted(rows)})


def tool_version() -> str:
    """What the dump tool says about itself."""
    tool = _dump_tool()
    outcome = _command.run([tool, "--version"], env=_command.environment())
    if outcome.rc != 0:
        raise outcome.error(f"{tool} --version failed")
    return outcome.stdout.decode("utf-8", "replace").strip().replace(os.path.dirname(tool) + "/", "")


def schemas(connection: Connection) -> list[str]:
    """All schemas of users, sorted, without folders that merely lie in the data directory."""
    system = ",".join(quote_string(name) for name in SYSTEM_SCHEMAS)
    rows = query(
        connection,
        f"SELECT JSON_ARRAY(SCHEMA_NAME) FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) NOT IN ({system});",
    )
    return sorted(str(name) for (name,) in rows if not str(name).startswith(_NO_SCHEMA))


def inventory(connection: Connection, names: t.Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Names of tables, views, sequences, triggers, routines (and packages) and events by schema, sorted."""
    kinds = ("tables", "views", "sequences", "triggers", "routines", "events")
    found: dict[str, dict[str, list[str]]] = {name: {kind: [] for kind in kinds} for name in names}
    chosen = ",".join(quote_string(name) for name in names)
    questions = (
        "SELECT JSON_ARRAY(CASE WHEN TABLE_TYPE IN ('VIEW','SYSTEM VIEW') THEN 'views' WHEN TABLE_TYPE = 'SEQUENCE'"
        " THEN 'sequences' ELSE 'tables' END, TABLE_SCHEMA, TABLE_NAME) FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA IN ({chosen});",
        "SELECT JSON_ARRAY('triggers', TRIGGER_SCHEMA, TRIGGER_NAME)"
        f" FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN ({chosen});",
        "SELECT JSON_ARRAY('routines', ROUTINE_SCHEMA, ROUTINE_NAME)"
        f" FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA IN ({chosen});",
        "SELECT JSON_ARRAY('events', EVENT_SCHEMA, EVENT_NAME)"
        f" FROM information_schema.EVENTS WHERE EVENT_SCHEMA IN ({chosen});",
    )
    for kind, schema, name in query(connection, "\n".join(questions)):
        if schema in found:  # the server compares without regard to case
            found[schema][kind].append(name)
    for schema in found.values():
        for entries in schema.values():
            entries.sort()
    return found


@dataclass(frozen=True)
class History:
    """The system-versioned tables of some schemas.

    :param tables: schema and name of each, sorted.
    :param problem: why their former rows cannot be dumped; empty when they can.
    """

    tables: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """What the dump tool has to be told about them."""
        return (_HISTORY_OPTION,) if self.tables and not self.problem else ()


def history(connection: Connection, server_: Server, names: t.Sequence[str]) -> History:
    """Which tables keep their former rows, and whether those can be dumped.

    One table with transaction-precise history makes the dump tool stop when it is asked for history (seen with
    MariaDB 10.11.19), so then no table's is dumped.
    """
    if server_.engine != "mariadb" or server_.number < _VERSIONED_SINCE:
        return History()
    chosen = ",".join(quote_string(name) for name in names)
    rows = query(
        connection,
        "SELECT JSON_ARRAY('table', TABLE_SCHEMA, TABLE_NAME) FROM information_schema.TABLES"
        f" WHERE TABLE_TYPE = 'SYSTEM VERSIONED' AND TABLE_SCHEMA IN ({chosen});\n"
        "SELECT JSON_ARRAY('precise', TABLE_SCHEMA, TABLE_NAME) FROM information_schema.COLUMNS"
        f" WHERE GENERATION_EXPRESSION = 'ROW START' AND DATA_TYPE = 'bigint' AND TABLE_SCHEMA IN ({chosen});",
    )
    found: dict[str, list[tuple[str, str]]] = {"table": [], "precise": []}
    for kind, schema, name in rows:
        found[kind].append((str(schema), str(name)))
    problem = ""
    if found["table"] and (server_.number < _HISTORY_SINCE or not _tool_has_history()):
        problem = "server and dump tool have to be MariaDB 10.11 or later"
    elif found["precise"]:
        schema, name = min(found["precise"])
        problem = f"{schema}.{name} has transaction-precise history, which no dump can hold"
    return History(tuple(sorted(found["table"])), problem)


def _tool_has_history() -> bool:
    match = _TOOL.search(tool_version())
    return match is not None and (int(match[1]), int(match[2])) >= _HISTORY_SINCE


def broken_views(connection: Connection, views: t.Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of the views (schema and name) that refer to something that is gone.

    One such view makes the dump tool stop, so that nothing at all would be dumped. The same question that it asks is
    asked here of each view; the client goes on after an error and tells the line.
    """
    errors: list[str] = []
    questions = [f"SHOW FIELDS FROM {quote_name(schema)}.{quote_name(view)};" for schema, view in views]
    outcome = _client(connection, "\n".join(questions), "--force", on_stderr_line=errors.append)
    found = []
    for line in errors:
        match = _ERROR_LINE.match(line)
        if match is not None and int(match[1]) == _BROKEN_VIEW:
            found.append(views[int(match[2]) - 1 - _LINES_BEFORE])
        elif match is not None or outcome.rc not in (0, 1):
            raise BackupError(
                f"the views could not be looked at: {_why(line)}",
                untouched="Nothing was changed",
                remedy=_remedy(line),
            )
    return found


def foreign_keys(connection: Connection, names: t.Sequence[str]) -> list[ForeignKey]:
    """Every foreign key of these schemas, and those of other schemas that lead into them."""
    chosen = ",".join(quote_string(name) for name in names)
    rows = query(
        connection,
        "SELECT JSON_ARRAY(TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA,"
        " REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME) FROM information_schema.KEY_COLUMN_USAGE"
        f" WHERE REFERENCED_TABLE_NAME IS NOT NULL AND (TABLE_SCHEMA IN ({chosen}) OR REFERENCED_TABLE_SCHEMA IN"
        f" ({chosen})) ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION;",
    )
    found: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}
    for schema, table, name, column, parent_schema, parent, parent_column in rows:
        columns, parent_columns = found.setdefault((schema, table, name, parent_schema, parent), ([], []))
        columns.append(column)
        parent_columns.append(parent_column)
    return [
        ForeignKey(schema, table, name, tuple(columns), parent_schema, parent, tuple(parent_columns))
        for (schema, table, name, parent_schema, parent), (columns, parent_columns) in found.items()
    ]


def sequence_defaults(connection: Connection, names: t.Sequence[str]) -> list[tuple[str, str, str]]:
    """Schema, table and column of every default of these schemas that draws from a sequence. Only MariaDB has those."""
    chosen = ",".join(quote_string(name) for name in names)
    rows = query(
        connection,
        "SELECT JSON_ARRAY(TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT) FROM information_schema.COLUMNS"
        f" WHERE VERSION() LIKE '%MariaDB%' AND COLUMN_DEFAULT LIKE '%val(%' AND TABLE_SCHEMA IN ({chosen})"
        " ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION;",
    )
    return [
        (str(schema), str(table), str(column))
        for schema, table, column, default in rows
        if _FROM_SEQUENCE.search(_LITERAL.sub("", default))
    ]


def dangling(connection: Connection, keys: t.Sequence[ForeignKey]) -> list[int]:
    """How many rows each foreign key leaves without the row that they point at.

    The server itself never looks again: a load switches its check off.
    """
    questions = []
    for key in keys:
        pairs = list(zip(key.columns, key.references, strict=True))
        same = " AND ".join(f"p.{quote_name(there)} = c.{quote_name(here)}" for here, there in pairs)
        given = " AND ".join(f"c.{quote_name(here)} IS NOT NULL" for here, _there in pairs)
        questions.append(
            f"SELECT JSON_ARRAY(COUNT(*)) FROM {quote_name(key.schema)}.{quote_name(key.table)} c LEFT JOIN"
            f" {quote_name(key.parent_schema)}.{quote_name(key.parent)} p ON {same}"
            f" WHERE {given} AND p.{quote_name(pairs[0][1])} IS NULL;"
        )
    return [int(count) for (count,) in query(connection, "\n".join(questions))] if questions else []


def definers(connection: Connection, names: t.Sequence[str]) -> dict[str, list[str]]:
    """Whose rights views, triggers, routines and events run with: their names by C(user@host)."""
    chosen = ",".join(quote_string(name) for name in names)
    questions = [
        f"SELECT JSON_ARRAY(DEFINER, '{kind}', {kind}_SCHEMA, {kind}_NAME) FROM information_schema.{kind}S"
        f" WHERE {kind}_SCHEMA IN ({chosen});"
        for kind in ("TRIGGER", "ROUTINE", "EVENT")
    ]
    questions.append(
        "SELECT JSON_ARRAY(DEFINER, 'VIEW', TABLE_SCHEMA, TABLE_NAME) FROM information_schema.VIEWS"
        f" WHERE TABLE_SCHEMA IN ({chosen});"
    )
    found: dict[str, list[str]] = {}
    for definer, kind, schema, name in query(connection, "\n".join(questions)):
        found.setdefault(str(definer), []).append(f"{str(kind).lower()} {schema}.{name}")
    return found


def data_bytes(connection: Connection, names: t.Sequence[str]) -> int:
    """The server's own estimate of the space that the schemas take."""
    chosen = ",".join(quote_string(name) for name in names)
    rows = query(
        connection,
        "SELECT JSON_ARRAY(TABLE_SCHEMA, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0))"
        f" FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({chosen});",
    )
    return sum(int(size) for schema, size in rows if schema in names)


def dump(
    connection: Connection,
    names: t.Sequence[str],
    take: t.Callable[[bytes], None],
    *,
    without: t.Sequence[tuple[str, str]] = (),
    options: t.Sequence[str] = (),
    pass_fds: t.Sequence[int] = (),
) -> None:
    """Dump schemas in one invocation, which is one snapshot, into ``take``.

    :param without: schema and name of views to leave out.
    :param options: further ones, see :attr:`History.options`.
    :raises ChangedError: when a table was changed or dropped meanwhile.
    """
    tool = _dump_tool()
    extra = _MYSQL_DUMP_OPTIONS if os.path.basename(tool) == "mysqldump" else ()
    _refuse_endless_events(connection, names)
    left_out = [f"--ignore-table={schema}.{view}" for schema, view in without]
    argv = [tool, *connection.options(), *DUMP_OPTIONS, *options, *extra, *left_out, "--databases", "--", *names]
    _run_dump(connection, argv, take, pass_fds, "the dump of the schemas")


def _refuse_endless_events(connection: Connection, names: t.Sequence[str]) -> None:
    """The dump tools look for a delimiter that the text of an event does not hold, and always try the same one.

    Seen with mariadb-dump 10.11.19; mysqldump 8.0 has the same C(create_delimiter).

    :raises BackupError: when one of the events holds it.
    """
    chosen = ",".join(map(quote_string, names))
    # One by one: the columns have different collations.
    holds = " OR ".join(
        f"INSTR({column}, ';;') > 0" for column in ("DEFINER", "EVENT_NAME", "EVENT_COMMENT", "EVENT_DEFINITION")
    )
    rows = query(
        connection,
        "SELECT JSON_ARRAY(EVENT_SCHEMA, EVENT_NAME) FROM information_schema.EVENTS"
        f" WHERE EVENT_SCHEMA IN ({chosen}) AND ({holds});",
    )
    if rows:
        events = ", ".join(sorted(f"{schema}.{name}" for schema, name in rows))
        raise BackupError(
            f"the text of the event {events} holds two semicolons side by side, and the dump tool would never end",
            untouched="Nothing was published and older dump sets are untouched",
            remedy="Write the event so that something stands between them (ALTER EVENT), or exclude its schema",
        )


def dump_tables(
    connection: Connection,
    schema: str,
    tables: t.Sequence[str],
    take: t.Callable[[bytes], None],
    *,
    options: t.Sequence[str] = (),
) -> None:
    """Dump tables without triggers and without naming their schema, so that they fit into any, into ``take``.

    :param options: further ones, as for :func:`dump`.
    """
    tool = _dump_tool()
    extra = _MYSQL_DUMP_OPTIONS if os.path.basename(tool) == "mysqldump" else ()
    plain = [option for option in DUMP_OPTIONS if option not in ("--routines", "--events", "--triggers")]
    argv = [tool, *connection.options(), *plain, *options, "--skip-triggers", *extra, "--", schema, *tables]
    _run_dump(connection, argv, take, (), "the dump of the tables")


def dump_accounts(
    connection: Connection, engine: str, take: t.Callable[[bytes], None], *, pass_fds: t.Sequence[int] = ()
) -> None:
    """Dump users, roles and grants as statements into ``take``."""
    if engine == "mariadb":
        pieces: list[bytes] = []
        argv = [_dump_tool(), *connection.options(), *_ACCOUNT_OPTIONS]
        _run_dump(connection, argv, pieces.append, pass_fds, "the dump of the accounts")
        text, trailer, rest = b"".join(pieces).rpartition(_TRAILER)
        take(text)
        for grant in _answers(connection, [_GRANTS_TO_EVERYBODY]):
            take(grant.encode("utf-8", "surrogateescape") + b";\n")
        take(trailer + rest)
        return
    take(b"-- Accounts of a MySQL server\n")
    for statement in _mysql_accounts(connection):
        take(statement.encode("utf-8", "surrogateescape") + b";\n")
    take(b"\n" + _TRAILER + b"\n")


def _mysql_accounts(connection: Connection) -> list[str]:
    who = [f"{quote_string(user)}@{quote_string(host)}" for user, host in account_names(connection)]
    # Hashes of caching_sha2_password hold any byte. Servers before 8.0.17 do not know the variable, and skip it.
    questions = ["/*!80017 SET SESSION print_identified_with_as_hex=ON */;"]
    for kind in ("CREATE USER", "GRANTS FOR"):
        questions += [f"SHOW {kind} {account};" for account in who]
    return _answers(connection, questions)


def _answers(connection: Connection, questions: t.Sequence[str]) -> list[str]:
    """What the server says about accounts, a statement a line."""
    outcome = _client(connection, "\n".join(questions))
    if outcome.rc != 0:
        raise BackupError(f"the accounts could not be read: {_why(outcome.stderr)}", remedy=_remedy(outcome.stderr))
    return [line.decode("utf-8", "surrogateescape") for line in outcome.stdout.splitlines() if line]


def collations(connection: Connection) -> set[str]:
    """All collations that the server knows.

    MariaDB 10.10 and later list the newer ones without their character set, and with it in a table of their own.
    """
    applicable = "COLLATION_CHARACTER_SET_APPLICABILITY"
    columns = query(
        connection,
        "SELECT JSON_ARRAY(TABLE_NAME, COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA ="
        f" 'information_schema' AND TABLE_NAME = '{applicable}' AND COLUMN_NAME LIKE '%COLLATION_NAME';",
    )
    questions = [f"SELECT JSON_ARRAY({column}) FROM information_schema.{table};" for table, column in columns]
    rows = query(connection, "\n".join(questions))
    return {str(name) for (name,) in rows if name is not None}


def capability(connection: Connection) -> dict[str, t.Any]:
    """What this server can take, for those who judge a dump against it elsewhere: see ``_compatibility.Target``."""
    there, own = schemas(connection), server(connection)
    folder = own.variables.get("datadir", "")
    status = os.statvfs(folder) if os.path.isdir(folder) else None
    return {
        "engine": own.engine,
        "version": own.version,
        "variables": own.variables,
        "collations": sorted(collations(connection)),
        "schemas": there,
        "accounts": sorted(f"{user}@{host}" if host else user for user, host in account_names(connection)),
        "data_bytes": data_bytes(connection, there) if there else 0,
        "free_bytes": status and status.f_bavail * status.f_frsize,
        "total_bytes": status and status.f_blocks * status.f_frsize,
        "client": tool_version(),
        "sandbox": load(connection, SANDBOX).rc == 0,
    }


def load(connection: Connection, text: bytes | t.Iterator[bytes], *, pass_fds: t.Sequence[int] = ()) -> Loaded:
    """Feed statements to the client, which stops at the first that fails."""
    argv = [
        _find_either("mariadb", "mysql"),
        *connection.options(),
        "--batch",
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
    ]
    outcome = _command.run(argv, env=_command.environment(), stdin=text, pass_fds=pass_fds)
    match = _ERROR_LINE.search(outcome.stderr)
    return Loaded(
        outcome.rc,
        _number(outcome.stderr),
        int(match[2]) if match else None,
        outcome.seconds,
    )


def account_names(connection: Connection) -> list[tuple[str, str]]:
    """User and host of every account, roles included, sorted."""
    rows = query(
        connection,
        "SELECT JSON_ARRAY(CONVERT(User USING utf8mb4), CONVERT(Host USING utf8mb4)) FROM mysql.user;",
    )
    return sorted((str(user), str(host)) for user, host in rows)


@dataclass(frozen=True)
class Account:
    """An account as the server has it.

    :param privileges: those on all schemas, sorted, without USAGE.
    :param narrower: whether it also has privileges on single schemas, tables or columns.
    :param grantable: whether it may pass its privileges on.
    """

    exists: bool
    privileges: tuple[str, ...] = ()
    narrower: bool = False
    grantable: bool = False


def account(connection: Connection, user: str, host: str) -> Account:
    """An account and its privileges."""
    if (user, host) not in account_names(connection):
        return Account(False)
    grantee = quote_string(f"'{user}'@'{host}'")
    rows = query(
        connection,
        "SELECT JSON_ARRAY(PRIVILEGE_TYPE, IS_GRANTABLE) FROM information_schema.USER_PRIVILEGES"
        f" WHERE GRANTEE = {grantee};",
    )
    narrower = query(
        connection,
        "".join(
            f"SELECT JSON_ARRAY(COUNT(*)) FROM information_schema.{table} WHERE GRANTEE = {grantee};\n"
            for table in ("SCHEMA_PRIVILEGES", "TABLE_PRIVILEGES", "COLUMN_PRIVILEGES")
        ),
    )
    return Account(
        True,
        tuple(sorted(str(privilege) for privilege, _grantable in rows if privilege != "USAGE")),
        any(count for (count,) in narrower),
        any(grantable == "YES" for _privilege, grantable in rows),
    )


def dump_privileges(server_: Server) -> list[str]:
    """What an account needs to dump everything, and no more."""
    wanted = list(DUMP_PRIVILEGES)
    if server_.engine == "mariadb":
        wanted.append(_MARIADB_VIEW_PRIVILEGE)
    elif server_.number >= _ROUTINE_PRIVILEGE_SINCE:
        wanted.append(_MYSQL_ROUTINE_PRIVILEGE)
    return sorted(wanted)


def keep_account(
    connection: Connection,
    user: str,
    host: str,
    *,
    password: str,
    privileges: t.Sequence[str] | None,
    apply: bool,
) -> dict[str, t.Any]:
    """Bring an account into the wanted state, or only predict; returns the result of the module ``db_account``."""
    options_file({"user": user, "password": password})  # refuses what a client could not log in with
    wanted = sorted({privilege.upper() for privilege in privileges or dump_privileges(server(connection))})
    unknown = [privilege for privilege in wanted if not _PRIVILEGE.fullmatch(privilege)]
    if unknown:
        raise BackupError(f"{unknown[0]!r} is no privilege", untouched="Nothing was changed")
    before = account(connection, user, host)
    works = before.exists and can_log_in(user, password, _socket(connection))
    fits = list(before.privileges) == wanted and not before.narrower and not before.grantable
    if apply and not (works and fits):
        _set_account(
            connection,
            f"{quote_string(user)}@{quote_string(host)}",
            create=not before.exists,
            password=None if works else password,
            privileges=None if fits and before.exists else wanted,
        )
        if not can_log_in(user, password, _socket(connection)):
            raise BackupError(
                f"the account {user}@{host} was set, but the server does not let it in with its password",
                remedy="Look for an anonymous account or a login plugin that comes before it",
            )
    return {
        "changed": not (works and fits),
        "created": not before.exists,
        "password_changed": not works,
        "privileges": wanted,
        "diff": {"before": _shown(before, works), "after": _shown(Account(True, tuple(wanted)), True)},
    }


def _shown(account_: Account, works: bool) -> dict[str, t.Any]:
    return {**asdict(account_), "privileges": list(account_.privileges), "password": "works" if works else "differs"}


def _set_account(
    connection: Connection,
    who: str,
    *,
    create: bool,
    password: str | None,
    privileges: t.Sequence[str] | None,
) -> None:
    statements = []
    if password is not None:
        statements.append(f"{'CREATE' if create else 'ALTER'} USER {who} IDENTIFIED BY {quote_string(password)};")
    if privileges is not None:
        if not create:
            statements.append(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {who};")
        statements.append(f"GRANT {', '.join(privileges)} ON *.* TO {who};")
    execute(connection, "\n".join(statements), what=f"setting the account {who}")


def _socket(connection: Connection) -> str:
    """The server's socket, as it says itself: the account is local."""
    return connection.socket or server(connection).variables["socket"]


def can_log_in(user: str, password: str, socket: str) -> bool:
    """Whether the server lets ``user`` in with ``password`` over its local socket."""
    descriptor, path = tempfile.mkstemp(prefix="labops-", suffix=".cnf")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(options_file({"user": user, "password": password}).encode())
        outcome = _client(Connection(path, socket), "SELECT JSON_ARRAY(1);")
    finally:
        os.unlink(path)
    if outcome.rc == 0:
        return True
    if _number(outcome.stderr) in (1045, 1698):  # access denied
        return False
    raise BackupError(
        f"whether the password of {user} works could not be found out: {_why(outcome.stderr)}",
        untouched="Nothing was changed",
        remedy=_remedy(outcome.stderr),
    )


def options_file(values: t.Mapping[str, str]) -> str:
    """The text of a client's options file.

    Within double quotes the client reads C(\\\\) and C(\\") as escapes and C(#) as itself (mysys/my_default.c).
    """
    lines = ["[client]"]
    for name, value in values.items():
        if any(ord(character) < 32 for character in value):
            raise BackupError(
                f"the value of {name} holds a control character, which an options file cannot carry",
                untouched="Nothing was changed",
                remedy="Choose a value without line feeds and tabs",
            )
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{name}="{escaped}"')
    return "\n".join(lines) + "\n"


def quote_string(value: str) -> str:
    """A string literal for a session in which backslashes escape."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"


def quote_name(name: str) -> str:
    """An identifier."""
    return "`" + name.replace("`", "``") + "`"


def _client(
    connection: Connection, sql: str, *options: str, on_stderr_line: t.Callable[[str], None] | None = None
) -> _command.Outcome:
    argv = [
        _find_either("mariadb", "mysql"),
        *connection.options(),
        "--batch",
        "--raw",
        "--skip-column-names",
        "--default-character-set=utf8mb4",
        *options,
    ]
    text = (_FIRST_LINE + sql).encode("utf-8", "surrogateescape")
    return _command.run(
        argv,
        env=_command.environment(),
        stdin=text,
        on_stderr_line=on_stderr_line,
        stall_seconds=connection.stall_seconds,
    )


def _run_dump(
    connection: Connection,
    argv: list[str],
    take: t.Callable[[bytes], None],
    pass_fds: t.Sequence[int],
    what: str,
) -> None:
    outcome = _command.run(
        argv,
        env=_command.environment(),
        on_stdout=take,
        pass_fds=pass_fds,
        stall_seconds=connection.stall_seconds,
    )
    if outcome.rc == 0:
        return
    kind = ChangedError if _number(outcome.stderr) in _RETRIED else BackupError
    raise kind(
        f"{what} failed (exit code {outcome.rc}): {_why(outcome.stderr)}",
        untouched="Nothing was published and older dump sets are untouched",
        remedy=_remedy(outcome.stderr),
    )


def _dump_tool() -> str:
    return _find_either("mariadb-dump", "mysqldump")


def _find_either(first: str, second: str) -> str:
    try:
        return _command.find(first)
    except BackupError:
        return _command.find(second)


def _number(stderr: str) -> int | None:
    match = _ERROR.search(stderr)
    return int(match[1] or match[2]) if match else None


def _why(stderr: str) -> str:
    """The lines that say why; the client also repeats statements, which may be long."""
    lines = [line for line in stderr.splitlines() if _ERROR.search(line)] or stderr.splitlines()[-3:]
    return " / ".join(line.strip()[:500] for line in lines) or "no reason given"


def _remedy(stderr: str) -> str:
    number = _number(stderr)
    if _command.NO_PROGRESS in stderr:
        return "Look for what holds a lock (SHOW FULL PROCESSLIST, information_schema.INNODB_TRX) and run again"
    if number in (2002, 2003):
        return "Start the database server, or name its socket, and run again"
    if number in (1044, 1045, 1142, 1227, 1370, 1698):
        return "Run site.yml for this host: it sets the dump account and its privileges"
    return "Mend the cause and run again"
