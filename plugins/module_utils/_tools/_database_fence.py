# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
# ruff: noqa: S608 - every value in a statement went through quote_string
"""What a fence asks and tells a database server: who may log in, who is there, who gets around read_only."""

from __future__ import annotations

import json
import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _database

# MariaDB 10.4.2 and MySQL 5.7.6 brought ACCOUNT LOCK (their manuals, "ALTER USER" and "Account Locking").
_LOCKABLE_SINCE = {"mariadb": (10, 4, 2), "mysql": (5, 7, 6)}
_ROLES_SINCE = (8, 0, 0)  # of MySQL; MariaDB had roles before it could lock accounts
_PROCESSLIST_SINCE = (8, 0, 22)  # MySQL 8.0 reference manual, "The processlist Table"
# MySQL manual, "read_only": SUPER and CONNECTION_ADMIN write on. MariaDB: SUPER until 10.10, READ_ONLY ADMIN since
# 10.5 ("READ ONLY ADMIN" in information_schema of some releases); CONNECTION ADMIN is named because it gets in beyond
# max_connections.
_BYPASSING = ("SUPER", "READ_ONLY ADMIN", "READ ONLY ADMIN", "CONNECTION ADMIN", "CONNECTION_ADMIN")
# The same as bits of a role's access in mysql.global_priv (MariaDB's sql/privilege.h; looked up with 10.11.19):
# information_schema.USER_PRIVILEGES has the privileges of MariaDB's accounts, and none of its roles.
_BYPASSING_ACCESS = 1 << 15 | 1 << 32 | 1 << 33
# What is granted to it everybody has (MariaDB 10.11 manual, "GRANT ... TO PUBLIC").
_PUBLIC = ("PUBLIC", "")
_SYSTEM_ACCOUNTS = frozenset(
    {
        ("mariadb.sys", "localhost"),
        ("mysql.sys", "localhost"),
        ("mysql.session", "localhost"),
        ("mysql.infoschema", "localhost"),
    }
)
_SYSTEM_USERS = frozenset({"", "system user", "event_scheduler"})
_VARIABLES = ("event_scheduler", "read_only", "skip_networking", "super_read_only")
_ASKED = (*_VARIABLES, "datadir")
_KEPT = ("read_only", "event_scheduler")
# How option files turn a switch without saying so in its value (MariaDB manual, "Option Prefixes").
_SWITCHES = {"skip": "0", "disable": "0", "enable": "1"}
_SERIES = re.compile(r"Ver (\d+\.\d+)\.")
# MySQL reads it after all option files and before the command line (its manual, "Persisted System Variables").
_PERSISTED = "mysqld-auto.cnf"
_VALUE = re.compile(r"[A-Za-z0-9_]+\Z")
_NO_SUCH_SESSION = 1094
_IS_ROLE = "COALESCE(JSON_VALUE(Priv, '$.is_role'), '0') IN ('1', 'true')"  # in mysql.global_priv
# A write lock or a commit that does not end must not make the fence wait for ever.
_PATIENCE = "SET SESSION lock_wait_timeout=20;\n"
Name = tuple[str, str]


@dataclass(frozen=True)
class Session:
    """A connection of somebody else.

    :param account: user name and the host that it came from, as ``user@host``.
    :param replicates: it applies what another server sends, which read_only does not stop.
    """

    number: int
    user: str
    host: str
    replicates: bool

    @property
    def local(self) -> bool:
        """Whether it came over the socket or from this host."""
        return self.host.partition(":")[0] == "localhost"


@dataclass(frozen=True)
class State:
    """What a fence is about, as the server has it.

    :param accounts: user and host of all who can have a password, with their lock. System accounts are left out.
    :param us: user and host of the account that asks.
    :param bypassing: those who write although the server is read_only, by themselves or by a role.
    """

    engine: str
    version: str
    variables: dict[str, str]
    accounts: dict[Name, bool]
    us: Name
    bypassing: list[Name]
    sessions: list[Session]


def shown(account: Name) -> str:
    """An account as people write it; a role has no host."""
    return f"{account[0]}@{account[1]}" if account[1] else account[0]


def look(connection: _database.Connection) -> State:
    """What the server says.

    :raises BackupError: when it is too old to lock accounts.
    """
    server = _database.server(connection)
    if server.number < _LOCKABLE_SINCE[server.engine]:
        raise BackupError(
            f"{server.engine} {server.version} cannot lock accounts",
            untouched="The accounts of the database were not changed",
            remedy="Stop the database server, or start it with skip-networking, for the time of the restore",
        )
    mariadb = server.engine == "mariadb"
    table = "information_schema.GLOBAL_VARIABLES" if mariadb else "performance_schema.global_variables"
    names = ",".join(map(_database.quote_string, _ASKED))
    variables = _database.query(
        connection,
        f"SELECT JSON_ARRAY(LOWER(VARIABLE_NAME), VARIABLE_VALUE) FROM {table}"
        f" WHERE LOWER(VARIABLE_NAME) IN ({names});",
    )
    us = str(_database.query(connection, "SELECT JSON_ARRAY(CURRENT_USER());")[0][0])
    user, _at, host = us.rpartition("@")
    accounts = _accounts(connection, mariadb=mariadb)
    bypassing = _bypassing(connection, mariadb=mariadb, number=server.number)
    return State(
        server.engine,
        server.version,
        {str(name): str(value) for name, value in sorted(variables)},
        accounts,
        (user, host),
        sorted(bypassing | accounts.keys() if _PUBLIC in bypassing else bypassing),
        _sessions(connection, mariadb=mariadb, number=server.number),
    )


def _accounts(connection: _database.Connection, *, mariadb: bool) -> dict[Name, bool]:
    who = "CONVERT(User USING utf8mb4), CONVERT(Host USING utf8mb4)"
    if mariadb:
        locked = "COALESCE(JSON_VALUE(Priv, '$.account_locked'), '0') IN ('1', 'true')"
        sql = f"SELECT JSON_ARRAY({who}, {locked}) FROM mysql.global_priv WHERE NOT {_IS_ROLE};"
    else:
        sql = f"SELECT JSON_ARRAY({who}, account_locked = 'Y') FROM mysql.user;"
    rows = sorted((str(user), str(host), bool(locked)) for user, host, locked in _database.query(connection, sql))
    return {(user, host): locked for user, host, locked in rows if (user, host) not in _SYSTEM_ACCOUNTS}


def _bypassing(connection: _database.Connection, *, mariadb: bool, number: tuple[int, ...]) -> set[Name]:
    names = ",".join(map(_database.quote_string, _BYPASSING))
    rows = _database.query(
        connection,
        f"SELECT JSON_ARRAY(GRANTEE) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN ({names});",
    )
    found = set(_bypassing_roles(connection)) if mariadb else set()
    for (grantee,) in rows:  # 'user'@'host', in quotes that nothing inside is escaped by
        user, _at, host = str(grantee).rpartition("'@'")
        found.add((user[1:], host[:-1]))
    members = _members(connection, mariadb=mariadb) if mariadb or number >= _ROLES_SINCE else {}
    waiting = list(found)
    while waiting:
        new = members.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found - _SYSTEM_ACCOUNTS


def _bypassing_roles(connection: _database.Connection) -> t.Iterator[Name]:
    """MariaDB's roles that write although the server is read_only; they have no host."""
    access = "CAST(COALESCE(JSON_VALUE(Priv, '$.access'), '0') AS UNSIGNED)"
    rows = _database.query(
        connection,
        f"SELECT JSON_ARRAY(CONVERT(User USING utf8mb4)) FROM mysql.global_priv WHERE {_IS_ROLE}"
        f" AND {access} & {_BYPASSING_ACCESS} <> 0;",
    )
    return ((str(role), "") for (role,) in rows)


def _members(connection: _database.Connection, *, mariadb: bool) -> dict[Name, set[Name]]:
    """Who has been given each role; others may have been given those again."""
    if mariadb:
        role, member, table = ("Role", "''"), ("User", "Host"), "mysql.roles_mapping"
    else:
        role, member, table = ("FROM_USER", "FROM_HOST"), ("TO_USER", "TO_HOST"), "mysql.role_edges"
    names = ", ".join(f"CONVERT({column} USING utf8mb4)" for column in (*role, *member))
    found: dict[Name, set[Name]] = {}
    for role_user, role_host, user, host in _database.query(connection, f"SELECT JSON_ARRAY({names}) FROM {table};"):
        found.setdefault((str(role_user), str(role_host)), set()).add((str(user), str(host)))
    return found


def _sessions(connection: _database.Connection, *, mariadb: bool, number: tuple[int, ...]) -> list[Session]:
    plain = mariadb or number < _PROCESSLIST_SINCE
    table = "information_schema.PROCESSLIST" if plain else "performance_schema.processlist"
    rows = _database.query(
        connection,
        "SELECT JSON_ARRAY(ID, COALESCE(CONVERT(USER USING utf8mb4), ''), COALESCE(CONVERT(HOST USING utf8mb4), ''),"
        f" COALESCE(CONVERT(COMMAND USING utf8mb4), '')) FROM {table} WHERE ID <> CONNECTION_ID();",
    )
    found = []
    for session, user, host, command in rows:
        # Slave_IO, Slave_SQL, Slave_worker (MariaDB); MySQL says "Connect" and "Query" for "system user"
        replicates = str(command).startswith("Slave") or (user == "system user" and command in ("Connect", "Query"))
        if replicates or user not in _SYSTEM_USERS:
            found.append(Session(int(session), str(user), str(host), replicates))
    return found


def lock(connection: _database.Connection, accounts: t.Sequence[Name], *, locked: bool) -> list[int]:
    """Lock or unlock accounts; the numbers of the server's errors. What came of it is to be looked up."""
    verb = "LOCK" if locked else "UNLOCK"
    return _database.attempt(
        connection,
        "\n".join(
            f"ALTER USER {_database.quote_string(user)}@{_database.quote_string(host)} ACCOUNT {verb};"
            for user, host in accounts
        ),
    )


def end(connection: _database.Connection, sessions: t.Sequence[Session]) -> None:
    """End sessions; one that ended by itself meanwhile is fine."""
    numbers = _database.attempt(connection, "\n".join(f"KILL {session.number};" for session in sessions))
    other = [number for number in numbers if number != _NO_SUCH_SESSION]
    if other:
        raise BackupError(
            f"sessions of the database could not be ended: error {other[0]}",
            remedy="Log in to the database server as root, look at SHOW PROCESSLIST and run again",
        )


def set_variable(connection: _database.Connection, name: str, value: str) -> None:
    """Set a global variable of the running server."""
    if name not in _VARIABLES or not _VALUE.match(value):
        raise BackupError(f"{name}={value!r} is not what a fence sets")
    _database.execute(connection, f"{_PATIENCE}SET GLOBAL {name}={value};", what=f"setting {name} to {value}")


def configured() -> dict[str, str] | None:
    """The options that the server reads from its files when it starts, the last of each; None when nobody can tell.

    What a fence keeps has one name here, however it is spelt.
    """
    try:
        tool = _command.find("my_print_defaults")
    except BackupError:
        return None
    outcome = _command.run([tool, *_groups()], env=_command.environment())
    if outcome.rc != 0:
        raise outcome.error(f"{tool} failed", remedy="Mend the configuration of the database server")
    found: dict[str, str] = {}
    for line in outcome.stdout.decode("utf-8", "replace").splitlines():
        name, equals, value = line.removeprefix("--").partition("=")
        name = name.replace("-", "_").removeprefix("loose_")
        value = value if equals else "1"
        switch, _underscore, plain = name.partition("_")
        if switch in _SWITCHES and plain in _KEPT:
            name, value = plain, _SWITCHES[switch]
        found[name] = value
    return found


def _groups() -> list[str]:
    """What makes my_print_defaults read the groups that the server reads, with those of its series."""
    program = _database.server_program()
    if program == "mariadbd":
        return ["--mysqld"]
    known = ["mysqld", "server"]
    if program:
        outcome = _command.run([_command.find(program), "--version"], env=_command.environment())
        series = _SERIES.search(outcome.stdout.decode("utf-8", "replace"))
        known += [f"mysqld-{series[1]}"] if series else []
    return known


def persisted(data_directory: str) -> dict[str, str]:
    """What of a fence MySQL keeps by SET PERSIST in its data directory; MariaDB has no such thing.

    :raises BackupError: when the file cannot be read.
    """
    path = os.path.join(data_directory, _PERSISTED)
    if _database.server_program() != "mysqld":
        return {}
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            document = json.load(stream)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BackupError(f"{path} is no JSON") from error
    # Releases sort the variables into groups of different names.
    groups = [group for group in document.values() if isinstance(group, dict)] if isinstance(document, dict) else []
    return {
        name: str(group[name]["Value"])
        for group in groups
        for name in _KEPT
        if isinstance(group.get(name), dict) and "Value" in group[name]
    }


# What counts up when rows or tables change. Temporary tables and refused statements do not count (seen with 10.11).
_COUNTERS = ("Handler_write", "Handler_update", "Handler_delete", "Binlog_commits")
_DEFINITIONS = re.compile(r"com_(?:alter|create|drop|rename)_\w+|com_truncate|com_load\Z")


def counters(connection: _database.Connection) -> dict[str, int]:
    """The server's own counters of changes since it was started."""
    mariadb = _database.server(connection).engine == "mariadb"
    table = "information_schema.GLOBAL_STATUS" if mariadb else "performance_schema.global_status"
    rows = _database.query(
        connection,
        "SELECT JSON_ARRAY(VARIABLE_NAME, VARIABLE_VALUE)"
        f" FROM {table} WHERE VARIABLE_NAME LIKE 'Com\\\\_%' OR VARIABLE_NAME LIKE 'Handler\\\\_%'"
        " OR VARIABLE_NAME = 'Binlog_commits';",
    )
    found = {str(name).capitalize(): str(value) for name, value in rows}
    wanted = [name for name in found if name in _COUNTERS or _DEFINITIONS.match(name.lower())]
    return {name: int(found[name]) for name in wanted if found[name].isdigit()}


def transactions(connection: _database.Connection) -> list[tuple[str, str]]:
    """Who has a transaction open that changed rows, and how many."""
    rows = _database.query(
        connection,
        "SELECT JSON_ARRAY(trx_mysql_thread_id, trx_rows_modified) FROM information_schema.INNODB_TRX"
        " WHERE trx_rows_modified > 0;",
    )
    sessions = {session.number: f"{session.user}@{session.host}" for session in look(connection).sessions}
    return sorted((sessions.get(int(number), f"session {number}"), f"{rows} rows changed") for number, rows in rows)
