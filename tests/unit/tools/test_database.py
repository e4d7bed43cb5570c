# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _database

CLIENT_OPTIONS = ["--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4"]
CONNECTION = _database.Connection("/etc/labops-backup/database.cnf", None)


class Programs:
    """Stands for the client and the dump tool: keeps what they were asked and answers in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, mysql: bool = False) -> None:
        self.calls: list[tuple[list[str], str]] = []
        self.answers: list[tuple[int, str, str]] = []
        self.stalls: list[float | None] = []
        self.mysql = mysql
        monkeypatch.setattr(_command, "run", self.run)
        monkeypatch.setattr(_command, "find", self.find)

    def find(self, program: str) -> str:
        if self.mysql and program.startswith("mariadb"):
            raise BackupError(f"no {program}")
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        self.calls.append((list(argv), (keywords.get("stdin") or b"").decode()))
        self.stalls.append(keywords.get("stall_seconds"))
        assert keywords["env"]["PATH"] == _command.SEARCH_PATH
        rc, stdout, stderr = self.answers.pop(0)
        if keywords.get("on_stdout"):
            keywords["on_stdout"](stdout.encode())
        for line in stderr.splitlines():
            if keywords.get("on_stderr_line"):
                keywords["on_stderr_line"](line)
        return _command.Outcome(tuple(argv), rc, stdout.encode(), stderr, 0.1)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(monkeypatch)


def test_a_question_goes_through_standard_input_and_comes_back_as_json(programs: Programs) -> None:
    programs.answers = [(0, '["a\\tb", "c\\nd"]\n["ü", null]\n', "")]
    assert _database.query(CONNECTION, "SELECT 1;") == [["a\tb", "c\nd"], ["ü", None]]
    assert programs.calls == [
        (
            ["/usr/bin/mariadb", "--defaults-file=/etc/labops-backup/database.cnf", *CLIENT_OPTIONS],
            "SET SESSION sql_mode=IF(@@version LIKE '%MariaDB%','NO_AUTO_CREATE_USER','');\nSELECT 1;",
        )
    ]


@pytest.mark.parametrize("line", ["Welcome to the lab!", "[1, 2", "1", '{"a": 1}', "[" * 100_000])
def test_a_client_that_prints_something_else_is_refused_in_words(programs: Programs, line: str) -> None:
    programs.answers = [(0, f'{line}\n["10.11.19-MariaDB"]\n', "")]
    with pytest.raises(BackupError) as caught:
        _database.query(CONNECTION, "SELECT JSON_ARRAY(VERSION());")
    assert caught.value.message == (
        f"the database client printed something else than was asked for: {line[:80]!r}. Nothing was changed."
        " Find what stands in the place of /usr/bin/mariadb, or in front of it, and prints that, and silence it."
    )


def test_without_an_options_file_none_is_read(programs: Programs) -> None:
    programs.answers = [(0, "", "")]
    _database.query(_database.Connection(None, "/run/x.sock"), "SELECT 1;")
    assert programs.calls[0][0][1:3] == ["--no-defaults", "--socket=/run/x.sock"]


def test_the_dump_is_one_invocation_with_deterministic_options(programs: Programs) -> None:
    programs.answers = [(0, "", ""), (0, "text", "")]
    taken: list[bytes] = []
    _database.dump(CONNECTION, ["lab", "-odd"], taken.append, without=[("lab", "a view")])
    assert taken == [b"text"]
    assert programs.calls[1][0] == [
        "/usr/bin/mariadb-dump",
        "--defaults-file=/etc/labops-backup/database.cnf",
        "--single-transaction",
        "--quick",
        "--hex-blob",
        "--routines",
        "--events",
        "--triggers",
        "--order-by-primary",
        "--skip-dump-date",
        "--skip-add-locks",
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
        "--net-buffer-length=1047551",
        "--ignore-table=lab.a view",
        "--databases",
        "--",
        "lab",
        "-odd",
    ]


def test_mysqldump_gets_what_only_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs(monkeypatch, mysql=True)
    programs.answers = [(0, "", ""), (0, "", "")]
    _database.dump(CONNECTION, ["lab"], lambda _chunk: None)
    argv = programs.calls[1][0]
    assert argv[0] == "/usr/bin/mysqldump"
    assert argv[-6:] == [
        "--no-tablespaces",
        "--loose-column-statistics=0",
        "--loose-set-gtid-purged=OFF",
        "--databases",
        "--",
        "lab",
    ]


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        ("mysqldump: Error 1412: Table definition has changed when dumping `t` at row: 0", _database.ChangedError),
        ('mariadb-dump: Got error: 1146: "Table x doesn\'t exist" when using LOCK TABLES', _database.ChangedError),
        ("mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'v' references (1356)", _database.ChangedError),
        ("mariadb-dump: Couldn't execute 'SHOW FIELDS': execute command denied for routine 's.f' (1370)", BackupError),
        ('mariadb-dump: Got error: 1045: "Access denied"', BackupError),
    ],
)
def test_a_failed_dump_says_why_and_whether_another_try_can_help(
    programs: Programs, stderr: str, error: type[BackupError]
) -> None:
    programs.answers = [(0, "", ""), (2, "", stderr)]
    with pytest.raises(error, match="older dump sets are untouched") as caught:
        _database.dump(CONNECTION, ["lab"], lambda _chunk: None)
    assert type(caught.value) is error
    assert ("site.yml" in caught.value.message) == (error is BackupError)


def test_a_dump_that_would_never_end_is_not_begun(programs: Programs) -> None:
    programs.answers = [(0, '["lab", "nightly"]\n["a\'b", "ev"]\n', "")]
    with pytest.raises(BackupError, match=r"event a'b.ev, lab.nightly holds two semicolons .* would never end"):
        _database.dump(CONNECTION, ["lab", "a'b"], lambda _chunk: None)
    assert "EVENT_SCHEMA IN ('lab','a''b')" in programs.calls[0][1]


@pytest.mark.parametrize("step", ["question", "dump"])
def test_what_stands_still_is_ended_and_says_where_to_look(programs: Programs, step: str) -> None:
    ended = (-2, "", f"{_command.NO_PROGRESS} for 5 s")
    programs.answers = [ended] if step == "question" else [(0, "", ""), ended]
    connection = _database.Connection(None, "/run/s", 5)
    with pytest.raises(BackupError, match=r"no sign of progress for 5 s\. .* Look for what holds a lock"):
        _database.dump(connection, ["lab"], lambda _chunk: None)
    assert programs.stalls == [5] * len(programs.calls)


def test_views_that_would_stop_the_dump_are_found(programs: Programs) -> None:
    programs.answers = [(1, "", "ERROR 1356 (HY000) at line 3: View 's.b`' references invalid table(s)")]
    assert _database.broken_views(CONNECTION, [("s", "a"), ("s", "b`"), ("s", "c")]) == [("s", "b`")]
    argv, sql = programs.calls[0]
    assert argv[-1] == "--force"
    assert sql.splitlines()[2] == "SHOW FIELDS FROM `s`.`b```;"
    programs.answers = [(1, "", "ERROR 1370 (42000) at line 2: execute command denied")]
    with pytest.raises(BackupError, match="it sets the dump account"):
        _database.broken_views(CONNECTION, [("s", "a")])


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("simple", 'password="simple"'),
        ("a b#c;d", 'password="a b#c;d"'),
        ('quote"', 'password="quote\\""'),
        ("back\\slash\\n", 'password="back\\\\slash\\\\n"'),
        (" 'ü' ", "password=\" 'ü' \""),
    ],
)
def test_awkward_values_are_quoted_in_an_options_file(value: str, line: str) -> None:
    assert _database.options_file({"password": value}) == f"[client]\n{line}\n"


def test_an_options_file_refuses_control_characters() -> None:
    with pytest.raises(BackupError, match="control character"):
        _database.options_file({"password": "a\nuser=root"})


def test_strings_and_names_are_quoted_for_sql() -> None:
    assert _database.quote_string("o'ne\\il") == "'o''ne\\\\il'"
    assert _database.quote_name("a`b") == "`a``b`"


def test_a_failing_statement_does_not_show_its_secret(programs: Programs) -> None:
    programs.answers = [
        (1, "", "--------------\nCREATE USER x IDENTIFIED BY 'hunter2'\n--------------\nERROR 1396 (HY000)")
    ]
    with pytest.raises(BackupError, match="error 1396") as caught:
        _database.execute(CONNECTION, "CREATE USER x IDENTIFIED BY 'hunter2';", what="setting the account x")
    assert "hunter2" not in caught.value.message


def test_the_password_is_tried_through_a_file_that_only_root_reads(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, str]] = []
    run = programs.run

    def look(argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        path = argv[1].removeprefix("--defaults-file=")
        with open(path, encoding="utf-8") as stream:
            seen.append((os.stat(path).st_mode & 0o777, stream.read()))
        seen_paths.append(path)
        return run(argv, **keywords)

    seen_paths: list[str] = []
    monkeypatch.setattr(_command, "run", look)
    programs.answers = [(0, "[1]\n", ""), (1, "", "ERROR 1045 (28000): Access denied")]
    assert _database.can_log_in("u", 'p"', "/s") is True
    assert _database.can_log_in("u", "p", "/s") is False
    assert seen[0] == (0o600, '[client]\nuser="u"\npassword="p\\""\n')
    assert not any(os.path.exists(path) for path in seen_paths)
    assert not any('p"' in word for argv, _sql in programs.calls for word in argv)


def test_what_answers_decides_engine_and_privileges(programs: Programs) -> None:
    programs.answers = [(0, '["8.0.36"]\n', ""), (0, json.dumps(["port", "3306"]) + "\n", "")]
    server = _database.server(CONNECTION)
    assert (server.engine, server.number, server.variables) == ("mysql", (8, 0, 36), {"port": "3306"})
    assert "performance_schema.global_variables" in programs.calls[1][1]
    assert "SHOW_ROUTINE" in _database.dump_privileges(server)
    old = _database.Server("mysql", "5.7.44", {})
    maria = _database.Server("mariadb", "10.11.19-MariaDB", {})
    assert _database.dump_privileges(old) == sorted(_database.DUMP_PRIVILEGES)
    assert _database.dump_privileges(maria) == sorted([*_database.DUMP_PRIVILEGES, "EXECUTE"])


def test_a_folder_in_the_data_directory_is_no_schema(programs: Programs) -> None:
    programs.answers = [(0, '["lab"]\n["#mysql50#lost+found"]\n["#odd"]\n', "")]
    assert _database.schemas(CONNECTION) == ["#odd", "lab"]


def test_schemas_that_differ_only_in_case_are_kept_apart(programs: Programs) -> None:
    programs.answers = [(0, '["tables", "lab", "scan"]\n["tables", "Lab", "other"]\n["sequences", "LAB", "r"]\n', "")]
    nothing: dict[str, list[str]] = {"views": [], "sequences": [], "triggers": [], "routines": [], "events": []}
    assert _database.inventory(CONNECTION, ["lab"]) == {"lab": {"tables": ["scan"], **nothing}}
    programs.answers = [(0, '["lab", 5]\n["Lab", 70]\n["lab", 6]\n', "")]
    assert _database.data_bytes(CONNECTION, ["lab"]) == 11
    programs.answers = [(0, "", "")]
    assert _database.data_bytes(CONNECTION, ["lab"]) == 0


MARIADB = _database.Server("mariadb", "10.11.19-MariaDB", {})


@pytest.mark.parametrize(
    ("server", "tool", "precise", "options", "problem"),
    [
        (MARIADB, "mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for x", "", ("--dump-history",), ""),
        (MARIADB, "mariadb-dump from 11.4.2-MariaDB, client 10.19 for x", "", ("--dump-history",), ""),
        (MARIADB, "mariadb-dump  Ver 10.19 Distrib 10.6.18-MariaDB, for x", "", (), "have to be MariaDB 10.11"),
        (MARIADB, "mysqldump  Ver 8.0.36 for Linux on x86_64", "", (), "have to be MariaDB 10.11"),
        (_database.Server("mariadb", "10.6.18-MariaDB", {}), "", "", (), "have to be MariaDB 10.11"),
        (MARIADB, "from 10.11.19", '["precise","lab","exact"]\n', (), "lab.exact has transaction-precise history"),
    ],
)
def test_history_is_dumped_where_server_and_tool_can(
    programs: Programs, server: _database.Server, tool: str, precise: str, options: tuple[str, ...], problem: str
) -> None:
    programs.answers = [(0, '["table","lab","b"]\n["table","lab","a"]\n' + precise, ""), (0, tool, "")]
    history = _database.history(CONNECTION, server, ["lab"])
    assert (history.tables, history.options) == ((("lab", "a"), ("lab", "b")), options)
    assert problem in history.problem and bool(problem) == bool(history.problem)


def test_without_system_versioned_tables_nothing_is_asked_of_the_tool(programs: Programs) -> None:
    programs.answers = [(0, "", "")]
    assert _database.history(CONNECTION, MARIADB, ["lab"]).options == ()
    assert _database.history(CONNECTION, _database.Server("mysql", "8.0.36", {}), ["lab"]) == _database.History()
    assert len(programs.calls) == 1


def test_accounts_of_mysql_may_hold_any_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        b'["n\xff","localhost"]\n',
        b"CREATE USER 'n\xff'@'localhost'\nGRANT USAGE ON *.* TO 'n\xff'@'localhost'\n",
    ]
    asked: list[bytes] = []

    def run(argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        asked.append(keywords["stdin"])
        return _command.Outcome(tuple(argv), 0, answers.pop(0), "", 0.1)

    monkeypatch.setattr(_command, "run", run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    taken: list[bytes] = []
    _database.dump_accounts(CONNECTION, "mysql", taken.append)
    assert b"CREATE USER 'n\xff'@'localhost';\n" in b"".join(taken)
    assert b"SHOW CREATE USER 'n\xff'@'localhost';" in asked[1]
    # Servers before 8.0.17 do not know the variable, and one refused statement would end the dump.
    assert asked[1].splitlines()[1] == b"/*!80017 SET SESSION print_identified_with_as_hex=ON */;"


def test_what_is_granted_to_everybody_stands_before_the_end_of_the_accounts(programs: Programs) -> None:
    granted = (0, "GRANT SELECT ON `l`.* TO PUBLIC\n", "")
    programs.answers = [(0, "CREATE USER `a`@`%`;\n-- Dump completed\n", ""), granted]
    taken: list[bytes] = []
    _database.dump_accounts(CONNECTION, "mariadb", taken.append)
    assert b"".join(taken) == b"CREATE USER `a`@`%`;\nGRANT SELECT ON `l`.* TO PUBLIC;\n-- Dump completed\n"
    assert "SHOW GRANTS FOR PUBLIC" in programs.calls[1][1]
    programs.answers = [(0, "CREATE USER `a`@`%`;\n-- Dump", ""), granted]
    taken.clear()
    _database.dump_accounts(CONNECTION, "mariadb", taken.append)
    assert b"".join(taken).endswith(b"\n-- Dump")  # which is no whole dump


def test_a_load_reads_no_options_file_and_shows_no_data(programs: Programs) -> None:
    programs.answers = [
        (1, "", "--------------\nINSERT 'secret'\n--------------\nERROR 1062 (23000) at line 7: 'secret'")
    ]
    loaded = _database.load(_database.Connection(None, "/run/s"), b"INSERT 1;\n")
    assert (loaded.rc, loaded.error, loaded.line) == (1, 1062, 7)
    assert "secret" not in repr(loaded)
    assert programs.calls == [
        (
            [
                "/usr/bin/mariadb",
                "--no-defaults",
                "--socket=/run/s",
                "--batch",
                "--default-character-set=utf8mb4",
                "--max-allowed-packet=1G",
            ],
            "INSERT 1;\n",
        )
    ]


def test_tables_are_dumped_without_schema_and_triggers(programs: Programs) -> None:
    programs.answers = [(0, "text", "")]
    taken: list[bytes] = []
    _database.dump_tables(CONNECTION, "lab", ["~log", "scan"], taken.append)
    argv = programs.calls[0][0]
    assert taken == [b"text"]
    assert argv[-5:] == ["--skip-triggers", "--", "lab", "~log", "scan"]
    assert not {"--databases", "--routines", "--events", "--triggers"} & set(argv)


def test_a_foreign_key_of_several_columns_is_one_and_is_followed_as_a_whole(programs: Programs) -> None:
    row = ["lab", "motion", "motion_ibfk_1"]
    rows = [
        [*row, "a", "core", "scan", "x"],
        [*row, "b`", "core", "scan", "y"],
        ["lab", "z", "k", "c", "lab", "t", "c"],
    ]
    programs.answers = [(0, "\n".join(json.dumps(answer) for answer in rows), ""), (0, "[3]\n[0]\n", "")]
    keys = _database.foreign_keys(CONNECTION, ["lab"])
    assert keys[0] == _database.ForeignKey("lab", "motion", "motion_ibfk_1", ("a", "b`"), "core", "scan", ("x", "y"))
    assert _database.dangling(CONNECTION, keys) == [3, 0]
    assert programs.calls[1][1].splitlines()[1] == (
        "SELECT JSON_ARRAY(COUNT(*)) FROM `lab`.`motion` c LEFT JOIN `core`.`scan` p"
        " ON p.`x` = c.`a` AND p.`y` = c.`b``` WHERE c.`a` IS NOT NULL AND c.`b``` IS NOT NULL AND p.`x` IS NULL;"
    )
    assert _database.dangling(CONNECTION, []) == []


def test_defaults_that_draw_from_a_sequence_are_told_from_text_that_looks_like_one(programs: Programs) -> None:
    rows = [
        ["lab", "t", "a", "nextval(`lab`.`seq`)"],
        ["lab", "t", "b", "(lastval(`o'dd`.`seq`) * 2)"],
        ["lab", "t", "c", "'nextval('"],
        ["lab", "t", "d", "concat('it''s \\' nextval(',`a`)"],
        ["lab", "t", "e", "interval(`a`,1)"],
    ]
    programs.answers = [(0, "\n".join(json.dumps(row) for row in rows), "")]
    assert _database.sequence_defaults(CONNECTION, ["lab"]) == [("lab", "t", "a"), ("lab", "t", "b")]


def test_collations_come_from_wherever_the_server_has_them(programs: Programs) -> None:
    programs.answers = [
        (0, '["COLLATIONS", "COLLATION_NAME"]\n["COLLATION_CHARACTER_SET_APPLICABILITY", "FULL_COLLATION_NAME"]\n', ""),
        (0, '["utf8mb4_bin"]\n["uca1400_ai_ci"]\n["utf8mb4_uca1400_ai_ci"]\n[null]\n', ""),
    ]
    assert _database.collations(CONNECTION) == {"utf8mb4_bin", "uca1400_ai_ci", "utf8mb4_uca1400_ai_ci"}
    assert (
        "SELECT JSON_ARRAY(FULL_COLLATION_NAME) FROM information_schema.COLLATION_CHARACTER_SET" in programs.calls[1][1]
    )


def test_whose_rights_objects_run_with(programs: Programs) -> None:
    programs.answers = [(0, '["a@b", "TRIGGER", "s", "t"]\n["a@b", "VIEW", "s", "v"]\n', "")]
    assert _database.definers(CONNECTION, ["s"]) == {"a@b": ["trigger s.t", "view s.v"]}


def test_a_server_that_was_just_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, False, True, False])
    monkeypatch.setattr(_database, "answers", lambda _connection: next(answers))
    monkeypatch.setattr(_database, "_POLL_SECONDS", 0)
    connection = _database.Connection(None, None)
    assert _database.answers_soon(connection, seconds=60)
    assert not _database.answers_soon(connection, seconds=0)


@pytest.mark.parametrize(
    ("number", "named"),
    [(0, True), (1045, False), (1698, False), (3118, False), (4151, False), (2002, True), (1227, True)],
)
def test_an_administrator_who_is_not_let_in_gives_way_to_root(
    monkeypatch: pytest.MonkeyPatch, number: int, named: bool
) -> None:
    """A server whose data directory was made anew knows nobody else, and a restored account is locked at first."""

    def client(connection: _database.Connection, _sql: str, **_keywords: t.Any) -> _command.Outcome:
        refused = bool(number) and connection.defaults_file is not None
        stderr = f"ERROR {number} (28000): no" if refused else ""
        return _command.Outcome(("mysql",), int(refused), b"[1]\n", stderr, 0.1)

    monkeypatch.setattr(_database, "_client", client)
    found = _database.administrator("/root/admin.cnf", "/run/s")
    assert found == _database.Connection("/root/admin.cnf" if named else None, "/run/s")
    assert _database.administrator(None, "/run/s") == _database.Connection(None, "/run/s")
