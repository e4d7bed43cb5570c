# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _accounts

RECORDED = (pathlib.Path(__file__).parent.parent / "fixtures" / "mariadb-10.11.19.accounts.sql").read_text()
# As SHOW CREATE USER and SHOW GRANTS of MySQL 8.0 have it.
MYSQL = r"""-- Accounts of a MySQL server
CREATE USER `reader`@`%` IDENTIFIED WITH 'x' REQUIRE NONE PASSWORD EXPIRE ACCOUNT LOCK PASSWORD HISTORY DEFAULT;
CREATE USER `anna`@`%` IDENTIFIED WITH 'x' AS 0x2441 DEFAULT ROLE `reader`@`%` REQUIRE NONE ACCOUNT UNLOCK \
PASSWORD HISTORY DEFAULT ATTRIBUTE '{"note": "it''s ACCOUNT LOCK TO `x`"}';
CREATE USER `mysql.sys`@`localhost` IDENTIFIED WITH 'x' AS 0x24 REQUIRE NONE ACCOUNT LOCK;
GRANT USAGE ON *.* TO `anna`@`%`;
GRANT SELECT (`b`, `a`) ON `lab`.`odd TO ``t` TO `anna`@`%`;
GRANT `reader`@`%` TO `anna`@`%`;
GRANT SELECT ON `lab`.* TO `reader`@`%`;

-- Dump completed
""".replace("\\\n", "")


def test_the_text_of_mariadb_is_read_account_by_account() -> None:
    accounts = _accounts.parse(RECORDED)
    assert [name for name, account in accounts.items() if account.is_role] == ["lab_curator", "lab_reader"]
    assert [name for name, account in accounts.items() if account.locked] == [
        "mariadb.sys@localhost",
        "former@localhost",
    ]
    anna = accounts["anna@%"]
    assert anna.create.startswith("CREATE USER `anna`@`%` IDENTIFIED BY PASSWORD '*D8")
    assert anna.create_locked == f"{anna.create} ACCOUNT LOCK"
    assert anna.grants == ["GRANT USAGE ON *.* TO `anna`@`%`", "GRANT `lab_curator` TO `anna`@`%`"]
    assert anna.default_role == "SET DEFAULT ROLE 'lab_curator' FOR 'anna'@'%'"
    assert accounts["lab_curator"].create_locked == "CREATE ROLE 'lab_curator'"
    assert "GRANT `lab_reader` TO `lab_curator`" in accounts["lab_curator"].grants
    assert accounts["former@localhost"].create_locked.count("ACCOUNT LOCK") == 1
    assert accounts["zhang@10.9.9.%"].create_locked.endswith(" WITH MAX_USER_CONNECTIONS 5 ACCOUNT LOCK")
    assert accounts["liam.o'brien@%.lab.example"].quoted == "'liam.o''brien'@'%.lab.example'"


def test_no_grant_holds_a_password_or_is_the_dump_tools_own() -> None:
    accounts = _accounts.parse(RECORDED)
    grants = [grant for account in accounts.values() for grant in account.grants]
    assert not [grant for grant in grants if "IDENTIFIED" in grant or "mariadb_dump_import_role" in grant]
    assert "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION" in accounts["root@localhost"].grants
    assert accounts["root@localhost"].default_role == ""


def test_the_text_of_a_mysql_server_is_read_too() -> None:
    accounts = _accounts.parse(MYSQL)
    anna, reader = accounts["anna@%"], accounts["reader@%"]
    assert (anna.locked, reader.locked) == (False, True)
    assert "ACCOUNT UNLOCK" not in anna.create_locked
    assert " ACCOUNT LOCK PASSWORD HISTORY DEFAULT ATTRIBUTE '{\"note\": \"it''s ACCOUNT LOCK TO" in anna.create_locked
    assert "DEFAULT ROLE" not in anna.create_locked
    assert anna.default_role == "ALTER USER 'anna'@'%' DEFAULT ROLE `reader`@`%`"
    assert anna.grants == [
        "GRANT SELECT (`a`, `b`) ON `lab`.`odd TO ``t` TO `anna`@`%`",
        "GRANT USAGE ON *.* TO `anna`@`%`",
        "GRANT `reader`@`%` TO `anna`@`%`",
    ]


def test_what_is_taken_out_of_a_grant_again_belongs_to_it() -> None:
    revoke = "REVOKE INSERT ON `odd FROM ``t`.* FROM `anna`@`%`"
    accounts = _accounts.parse(f"{MYSQL}\n{revoke};\n")
    assert accounts["anna@%"].grants[-1] == revoke
    assert _accounts.differences(accounts, _accounts.parse(MYSQL)) == [f"account anna@% lacks: {revoke}"]


@pytest.mark.parametrize(
    ("host", "chosen"), [("%", True), ("10.0.0.%", True), ("localhost", False), ("127.0.0.1", False), ("::1", False)]
)
def test_root_of_other_hosts_is_an_account_of_the_lab(host: str, chosen: bool) -> None:
    accounts = _accounts.parse(f"CREATE USER `root`@`{host}` IDENTIFIED BY PASSWORD '*AB';")
    assert bool(_accounts.chosen(accounts, [])) is chosen


PUBLIC = """GRANT SELECT ON `lab`.`t TO PUBLIC` TO PUBLIC;
GRANT `lab_reader` TO PUBLIC;
GRANT USAGE ON *.* TO `lab_reader`;
"""


def test_what_is_granted_to_everybody_is_kept_and_nobody_is_made_for_it() -> None:
    accounts = _accounts.parse(RECORDED + PUBLIC)
    everybody = accounts["PUBLIC"]
    assert everybody.grants == ["GRANT SELECT ON `lab`.`t TO PUBLIC` TO PUBLIC", "GRANT `lab_reader` TO PUBLIC"]
    assert (everybody.is_everybody, everybody.is_role, everybody.create_locked) == (True, True, "")
    assert (everybody.name, everybody.quoted, everybody.locked) == ("PUBLIC", "PUBLIC", False)
    assert "PUBLIC" in _accounts.chosen(accounts, []) and "PUBLIC" not in _accounts.chosen(accounts, ["PUBLIC"])
    assert "PUBLIC" not in _accounts.parse(RECORDED)
    named = _accounts.parse("CREATE USER `PUBLIC`@`%`;\nGRANT USAGE ON *.* TO `PUBLIC`@`%`;\n")
    assert [(name, account.is_everybody) for name, account in named.items()] == [("PUBLIC@%", False)]


def test_what_is_granted_to_everybody_is_compared_but_for_what_a_server_begins_with() -> None:
    expected = _accounts.parse(RECORDED + PUBLIC)
    lacking = [
        "account PUBLIC lacks: GRANT SELECT ON `lab`.`t TO PUBLIC` TO PUBLIC",
        "account PUBLIC lacks: GRANT `lab_reader` TO PUBLIC",
    ]
    assert _accounts.differences(expected, _accounts.parse(RECORDED)) == lacking
    own = "GRANT SELECT, INSERT ON `test`.* TO PUBLIC;\nGRANT SELECT, INSERT ON `test\\_%`.* TO PUBLIC;\n"
    more = "GRANT SELECT ON `tests`.* TO PUBLIC;\n"
    there = _accounts.parse(RECORDED + PUBLIC + own + more)
    assert _accounts.differences(expected, there) == ["account PUBLIC has more: GRANT SELECT ON `tests`.* TO PUBLIC"]


def test_a_line_ends_where_the_dump_tool_ends_it() -> None:
    accounts = _accounts.parse("CREATE USER `a\u2028b\x85`@`%` IDENTIFIED VIA ed25519 USING 'x';\n")
    assert [account.user for account in accounts.values()] == ["a\u2028b\x85"]


def test_accounts_of_the_server_and_excluded_ones_are_not_chosen() -> None:
    accounts = _accounts.parse(RECORDED)
    chosen = _accounts.chosen(accounts, ["lab_worker", "lab_admin@localhost"])
    assert set(accounts) - set(chosen) == {
        "mariadb.sys@localhost",
        "root@localhost",
        "lab_worker@localhost",
        "lab_admin@localhost",
    }
    assert not _accounts.chosen(_accounts.parse("CREATE USER ``@`localhost`;"), [])


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        (
            "CREATE USER `anna`@`%` IDENTIFIED BY PASSWORD '*D",
            "CREATE USER `anna`@`%` IDENTIFIED BY PASSWORD '*E",
            "pass",
        ),
        ("CREATE USER `anna`@`%` IDENTIFIED", "CREATE USER `nina`@`%` IDENTIFIED", "account anna@% is missing"),
        ("SET DEFAULT ROLE 'lab_curator'", "SET DEFAULT ROLE NONE", "another default role"),
        ("GRANT SELECT ON `lab_session`", "GRANT INSERT ON `lab_session`", "lacks: GRANT SELECT ON `lab_session`.*"),
        (
            "GRANT USAGE ON *.* TO `former`",
            "GRANT PROCESS ON *.* TO `former`",
            "more: GRANT PROCESS ON *.* TO `former`",
        ),
    ],
)
def test_differences_are_told_without_secrets(old: str, new: str, difference: str) -> None:
    assert old in RECORDED
    found = _accounts.differences(_accounts.parse(RECORDED), _accounts.parse(RECORDED.replace(old, new)))
    assert any(difference in text for text in found)
    assert not [text for text in found if "*D821809" in text]


def test_a_lock_a_further_account_and_the_order_of_columns_are_no_difference() -> None:
    lines = RECORDED.splitlines()
    locked = "\n".join(
        line.replace(";", " ACCOUNT LOCK;") if line.startswith("CREATE USER `lab_") else line for line in lines
    )
    more = locked.replace("(`session`, `subject`)", "(`subject`, `session`)") + "\nCREATE USER `new`@`%`;\n"
    assert more.count("ACCOUNT LOCK") > RECORDED.count("ACCOUNT LOCK")
    assert _accounts.differences(_accounts.parse(RECORDED), _accounts.parse(more)) == []
