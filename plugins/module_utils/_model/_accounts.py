# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Users, roles and grants, read from the text of C(accounts.sql), to be replayed one by one and to be compared.

Replayed as it stands, the text of C(mariadb-dump --system=users) stops at the first account of the server itself and
loses every account behind it, and what was locked in between comes back open (seen with MariaDB 10.11.19).
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

_SYSTEM_USERS = ("mysql", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "debian-sys-maint")
# The administrator that restores comes over the socket. With another host the same name is an account like any other.
_ROOT, _LOCAL = "root", ("", "localhost", "127.0.0.1", "::1")
_OUR_ROLE = "mariadb_dump_import_role"  # the dump tool's own, which it drops again

_QUOTED = r"(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
_ANY_QUOTED = re.compile(_QUOTED, re.DOTALL)
_EVERYBODY = "PUBLIC"  # of MariaDB since 10.11: no account, but it can be granted to; only this one is without quotes
_ACCOUNT = re.compile(rf"({_QUOTED}|{_EVERYBODY}\b)(?:@({_QUOTED}))?")
# What MariaDB itself grants to everybody where it makes a schema for tests.
_OWN_GRANT = re.compile(r"GRANT .* ON `test(?:\\_%)?`\.\* TO PUBLIC\Z")
_CONDITIONAL = re.compile(r"/\*M?!\d+ (.*?) ?\*/\Z", re.DOTALL)
_CREATE = re.compile(r"CREATE (USER|ROLE) (?:IF NOT EXISTS )?")
_GRANT = re.compile(r"(GRANT|REVOKE) ")
_ADMIN = re.compile(r" WITH ADMIN \S+\Z")
_IDENTIFIED = re.compile(
    rf" IDENTIFIED (?:BY PASSWORD {_QUOTED}|VIA [\w.]+(?: (?:USING|AS) {_QUOTED})?"
    rf"(?: OR [\w.]+(?: (?:USING|AS) {_QUOTED})?)*)"
)
_DEFAULT_ROLE = re.compile(rf" DEFAULT ROLE ({_QUOTED}(?:@{_QUOTED})?(?:,{_QUOTED}(?:@{_QUOTED})?)*)")
_SET_DEFAULT = re.compile(r"SET DEFAULT ROLE (.+) FOR ")
_COLUMNS = re.compile(r" \(((?:`(?:[^`]|``)*`(?:, )?)+)\)")
_LOCK = re.compile(r" ACCOUNT (?:UN)?LOCK")


@dataclass
class Account:
    """A user or role, or everybody, with everything that the text says about it.

    :param create: the statement that makes it, without its lock.
    :param create_locked: the same so that nobody can log in with it.
    :param locked: whether it was locked.
    :param grants: its grants without passwords, sorted; behind them what MySQL takes out of them again
        (C(partial_revokes)).
    :param default_role: the statement that sets its default role, empty when it has none.
    """

    user: str
    host: str
    is_role: bool = False
    create: str = ""
    create_locked: str = ""
    locked: bool = False
    grants: list[str] = field(default_factory=list)
    default_role: str = ""

    @property
    def name(self) -> str:
        """For people and for options: C(user@host), a role of MariaDB without the host."""
        return f"{self.user}@{self.host}" if self.host else self.user

    @property
    def is_everybody(self) -> bool:
        """Whether it stands for all accounts; it is neither made nor locked."""
        return self.user == _EVERYBODY and not self.host and not self.create

    @property
    def is_system(self) -> bool:
        """Whether it belongs to the server itself, or is the administrator that restores."""
        if self.user == _ROOT:
            return self.host.lower() in _LOCAL
        return self.user in _SYSTEM_USERS or (not self.user and not self.is_role)

    @property
    def quoted(self) -> str:
        """As SQL names it."""
        if self.is_everybody:
            return _EVERYBODY
        user = "'" + self.user.replace("\\", "\\\\").replace("'", "''") + "'"
        host = "'" + self.host.replace("\\", "\\\\").replace("'", "''") + "'"
        return user if self.is_role and not self.host else f"{user}@{host}"


def parse(text: str) -> dict[str, Account]:
    """The accounts by name, in the order of the text."""
    found: dict[str, Account] = {}
    for line in text.split("\n"):  # a name may hold what Python also takes for the end of a line
        statement = line.strip().removesuffix(";").rstrip()
        if match := _CONDITIONAL.match(statement):
            if statement.startswith("/*!"):  # meant for another engine, or a session setting
                continue
            statement = match[1]
        if _OUR_ROLE in statement:
            statement = _ADMIN.sub("", statement)
            if _OUR_ROLE in statement:
                continue
        _take(found, statement)
    for account in found.values():
        account.grants = sorted(set(account.grants))
    return {name: account for name, account in found.items() if account.create or account.is_everybody}


def _take(found: dict[str, Account], statement: str) -> None:
    if match := _CREATE.match(statement):
        named = _ACCOUNT.match(statement, match.end())
        if named is not None:
            _take_create(_account(found, named), statement, match[1] == "ROLE", named)
    elif match := _SET_DEFAULT.match(statement):
        named = _ACCOUNT.match(statement, match.end())
        if named is not None and match[1] != "NONE":
            _account(found, named).default_role = statement
    elif match := _GRANT.match(statement):
        word = " TO " if match[1] == "GRANT" else " FROM "
        position = _masked(statement).rfind(word)
        named = _ACCOUNT.match(statement, position + len(word)) if position >= 0 else None
        if named is not None:
            _account(found, named).grants.append(_in_order(_IDENTIFIED.sub("", statement)))


def _take_create(account: Account, statement: str, is_role: bool, named: re.Match[str]) -> None:
    account.is_role = is_role
    head, rest = statement[: named.end()], statement[named.end() :]
    if (role := _DEFAULT_ROLE.match(rest, _masked(rest).find(" DEFAULT ROLE "))) is not None:  # MySQL: not made yet
        account.default_role = f"ALTER USER {account.quoted}{role[0]}"
        rest = rest[: role.start()] + rest[role.end() :]
    lock = _LOCK.search(_masked(rest))
    start, end = lock.span() if lock else (len(rest), len(rest))
    account.locked = rest[start:end] == " ACCOUNT LOCK"
    account.create = head + rest[:start] + rest[end:]
    account.create_locked = account.create if is_role else f"{head}{rest[:start]} ACCOUNT LOCK{rest[end:]}"


def _in_order(grant: str) -> str:
    """The grant with the columns that it names in order: the server tells them in any."""
    return _COLUMNS.sub(lambda match: f" ({', '.join(sorted(match[1].split(', ')))})", grant)


def _account(found: dict[str, Account], named: re.Match[str]) -> Account:
    user, host = _unquote(named[1]), _unquote(named[2] or "")
    account = Account(user, host)
    account.is_role = account.is_everybody
    return found.setdefault(account.name, account)


def _unquote(quoted: str) -> str:
    if not quoted or quoted == _EVERYBODY:
        return quoted
    mark, inner = quoted[0], quoted[1:-1].replace(quoted[0] * 2, quoted[0])
    return inner if mark == "`" else re.sub(r"\\(.)", r"\1", inner)


def _masked(statement: str) -> str:
    """The statement with everything quoted made invisible, every character at its place."""
    return _ANY_QUOTED.sub(lambda match: "\0" * len(match[0]), statement)


def chosen(accounts: t.Mapping[str, Account], exclude: t.Collection[str]) -> dict[str, Account]:
    """Those that a restore makes: not the server's own, and none that C(exclude) names by user or by C(user@host)."""
    return {
        name: account
        for name, account in accounts.items()
        if not account.is_system and name not in exclude and account.user not in exclude
    }


def differences(expected: t.Mapping[str, Account], there: t.Mapping[str, Account]) -> list[str]:
    """What an account of the dump has otherwise on the server, whether it is locked aside; never a secret."""
    found = []
    for name, account in expected.items():
        other = there.get(name)
        if other is None and account.is_everybody:
            other = Account(account.user, account.host)  # to which nothing is granted
        if other is None:
            found.append(f"{'role' if account.is_role else 'account'} {name} is missing")
            continue
        if account.create != other.create:
            found.append(f"account {name} has another password, login plugin or limit than in the dump")
        if account.default_role != other.default_role:
            found.append(f"account {name} has another default role than in the dump")
        found += [f"account {name} lacks: {grant}" for grant in account.grants if grant not in other.grants]
        more = [grant for grant in other.grants if grant not in account.grants and not _OWN_GRANT.match(grant)]
        found += [f"account {name} has more: {grant}" for grant in more]
    return found
