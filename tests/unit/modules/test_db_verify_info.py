# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import functools
import hashlib
import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import db_verify_info

RunModule = t.Callable[..., dict[str, t.Any]]


@functools.cache
def parsed(text: str) -> Reader:
    reader = Reader()
    reader.feed(text.encode())
    return reader


class Server:
    """Stands for a MariaDB server that holds what a dump's text says."""

    def __init__(self, text: str, accounts: str) -> None:
        self.text = text
        self.accounts = accounts
        self.objects = {"triggers": ["tr"], "routines": ["p"], "events": ["e"]}
        self.dangling: dict[str, int] = {}
        self.broken = ""
        self.asked: list[str] = []
        self.dumps: list[list[str]] = []

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        stdout, stderr, rc = b"", "", 0
        if "--databases" in argv:
            self.dumps.append(list(argv))
            keywords["on_stdout"](self.text.encode())
        elif "--system=users" in argv:
            keywords["on_stdout"](self.accounts.encode())
        elif "--force" in argv:
            lines = keywords["stdin"].decode().splitlines()
            broken = [number for number, line in enumerate(lines, 1) if self.broken and self.broken in line]
            for number in broken:
                keywords["on_stderr_line"](f"ERROR 1356 (HY000) at line {number}: View references invalid table(s)")
            rc = int(bool(broken))
        else:
            lines = [line for line in keywords["stdin"].decode().splitlines() if line.startswith("SELECT")]
            self.asked += lines
            stdout = b"".join(json.dumps(answer).encode() + b"\n" for line in lines for answer in self.answer(line))
        return _command.Outcome(tuple(argv), rc, stdout, stderr, 0.1)

    def reader(self) -> Reader:
        return parsed(self.text)

    def answer(self, sql: str) -> list[list[t.Any]]:
        assert "IN ()" not in sql  # no SQL
        reader = self.reader()
        schemas = [schema for schema in reader.schemas.values() if f"'{schema.name}'" in sql]
        if "EVENT_DEFINITION" in sql:
            return []
        if "COUNT(*)" in sql:
            return [[next((rows for part, rows in self.dangling.items() if part in sql), 0)]]
        if "KEY_COLUMN_USAGE" in sql:
            return [
                [table.schema, table.name, key.name, here, key.schema, key.table, there]
                for schema in reader.schemas.values()
                for table in schema.tables.values()
                for key in table.foreign_keys
                for here, there in zip(key.columns, key.references, strict=True)
                if schema in schemas or key.schema in {schema.name for schema in schemas}
            ]
        if "DEFINER" in sql:
            return [["root@localhost", "VIEW", "lab_core", "vdef"], ["lab_reader@", "VIEW", "lab_core", "vinv"]]
        odd = any(schema.name == "odd`name" for schema in schemas)
        for kind, names in self.objects.items():
            if f"'{kind}'" in sql:
                return [[kind, "odd`name", name] for name in names] if odd else []
        answers: dict[str, list[list[t.Any]]] = {
            "VERSION()": [[reader.server_version]],
            "VARIABLE_VALUE": [["version", reader.server_version]],
            "SCHEMATA": [[name] for name in reader.schemas],
            "'tables'": [["tables", schema.name, name] for schema in schemas for name in schema.tables]
            + [["views", schema.name, name] for schema in schemas for name in schema.views]
            + [["sequences", schema.name, name] for schema in schemas for name in schema.sequences],
            "mysql.user": [["root", "localhost"], ["lab_reader", ""]],
        }
        return next(answer for part, answer in answers.items() if part in sql)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, recorded_dump_set: pathlib.Path) -> Server:
    text = (recorded_dump_set / "databases.sql").read_text()
    stand_in = Server(text, (recorded_dump_set / "accounts.sql").read_text())
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


@pytest.fixture
def options(recorded_dump_set: pathlib.Path) -> dict[str, t.Any]:
    return {"directory": str(recorded_dump_set)}


def test_what_was_dumped_is_what_is_there(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_verify_info, options)
    assert (result["ok"], result["problems"], result["compared"]) == (True, [], "digests")
    assert (result["tables_checked"], result["rows_checked"], result["accounts_checked"]) == (14, 150, 9)
    assert (result["foreign_keys_checked"], result["dangling_rows"], result["changed"]) == (9, 0, False)
    assert result["key_tables"] == {
        "lab_core.#species": {"rows": 2, "expected": 2, "ok": True},
        "lab_core.subject": {"rows": 6, "expected": 6, "ok": True},
        "lab_imaging.scan": {"rows": 12, "expected": 12, "ok": True},
    }


def test_check_mode_is_the_same(run_module_main: RunModule, server: Server, options: dict[str, t.Any]) -> None:
    assert run_module_main(db_verify_info, options, check_mode=True)["ok"] is True


def test_one_schema_is_compared_by_itself(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.text = (
        "".join(server.text.partition("\n--\n-- Current Database: `lab_imaging`")[0]) + "\n-- Dump completed\n"
    )
    result = run_module_main(db_verify_info, options | {"schemas": ["lab_core"]})
    assert server.dumps[0][-1] == "lab_core"
    assert (result["tables_checked"], list(result["key_tables"])) == (4, ["lab_core.#species", "lab_core.subject"])
    # Its views come last in the whole text.
    assert result["problems"] == [
        "view lab_core.vdef is missing",
        "view lab_core.vinv is missing",
        "a view, trigger, routine or event of lab_core has other text than in the dump",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("(0,'naïve", "(0,'moose", "table lab_core.subject has other content than in the dump"),
        ("('Mus musculus'),\n", "", "table lab_core.#species has 1 rows, the dump has 2"),
        ("':attach@notes:'", "'attach'", "table lab_core.subject is declared otherwise than in the dump"),
        ("SELECT 1;\n", "SELECT 2;\n", "a view, trigger, routine or event of odd`name has other text"),
        (
            "`lab_core` /*!40100 DEFAULT CHARACTER SET utf8mb4",
            "`lab_core` /*!40100 DEFAULT CHARACTER SET latin1",
            "latin1",
        ),
        (
            "CONSTRAINT `subject_ibfk_1` FOREIGN KEY (`species`) REFERENCES `#species`",
            "CONSTRAINT `subject_ibfk_1` FOREIGN KEY (`species`) REFERENCES `#others`",
            "the foreign key subject_ibfk_1 of lab_core.subject to lab_core.#species is missing",
        ),
        ("CREATE TABLE `empty`", "CREATE TABLE `zombie`", "table odd`name.zombie is not in the dump"),
        ("CREATE TABLE `empty`", "CREATE TABLE `zombie`", "table odd`name.empty is missing"),
        ("SETVAL(`sq`, 1, 0)", "SETVAL(`sq`, 9, 0)", "sequence odd`name.sq goes on with 9, the dump with 1"),
        ("cache 1000 nocycle", "cache 1000 cycle", "sequence odd`name.sq is declared otherwise than in the dump"),
        ("CREATE SEQUENCE `sq`", "CREATE SEQUENCE `other`", "sequence odd`name.sq is missing"),
    ],
)
def test_each_difference_is_found(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], old: str, new: str, problem: str
) -> None:
    assert old in server.text
    server.text = server.text.replace(old, new)
    result = run_module_main(db_verify_info, options)
    assert result["ok"] is False
    assert any(problem in found for found in result["problems"]), result["problems"]


def test_a_key_table_with_other_content_is_not_good(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.text = server.text.replace("(0,'naïve", "(0,'moose")
    keys = run_module_main(db_verify_info, options | {"key_tables": ["lab_core.subject", "lab_core.~log"]})[
        "key_tables"
    ]
    assert keys["lab_core.subject"] == {"rows": 6, "expected": 6, "ok": False}
    assert keys["lab_core.~log"]["ok"] is True


def test_a_key_table_that_is_gone_is_not_good(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.text = server.text.replace("CREATE TABLE `empty`", "CREATE TABLE `zombie`")
    keys = run_module_main(db_verify_info, options | {"key_tables": ["odd`name.empty"]})["key_tables"]
    assert keys == {"odd`name.empty": {"rows": None, "expected": 0, "ok": False}}


def test_a_table_that_others_refer_to_is_gone(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    text = server.text.replace("`#species`", "`zombie`")
    server.text = text.replace("REFERENCES `zombie`", "REFERENCES `#species`")
    result = run_module_main(db_verify_info, options)
    assert "lab_core.subject refers to lab_core.#species, which is gone" in result["problems"]
    assert result["foreign_keys_checked"] == 8


def test_jobs_may_differ_where_that_is_said(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.text = server.text.replace("(0,'naïve", "(0,'moose")
    assert run_module_main(db_verify_info, options | {"ignore_content": ["sub*", "~~*"]})["ok"] is True


def test_a_missing_schema_is_named(run_module_main: RunModule, server: Server, options: dict[str, t.Any]) -> None:
    begin = server.text.index("--\n-- Current Database: `odd``name`")
    server.text = server.text[:begin] + "\n-- Dump completed\n"
    result = run_module_main(db_verify_info, options)
    assert result["problems"][0] == "schema odd`name is missing"
    assert server.dumps[0][-2:] == ["lab_core", "lab_imaging"]


@pytest.mark.usefixtures("lost_and_found")
def test_a_folder_that_an_earlier_release_took_for_a_schema_is_not_missing(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_verify_info, options)
    assert (result["ok"], result["schemas"]) == (True, ["lab_core", "lab_imaging", "odd`name"])
    assert server.dumps[0][-3:] == result["schemas"]


def test_rows_that_point_at_nothing_are_counted(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.dangling = {"p.`scan` = c.`scan`": 7}
    result = run_module_main(db_verify_info, options)
    assert result["dangling_rows"] == 14  # of motion and of its frames
    assert any(
        "7 rows of lab_imaging.__motion point at no row of lab_imaging.scan" in text for text in result["problems"]
    )
    question = next(sql for sql in server.asked if "`__motion` c" in sql and "`scan` p" in sql)
    assert "p.`subject_id` = c.`subject_id` AND p.`scan` = c.`scan`" in question
    assert "WHERE c.`subject_id` IS NOT NULL AND c.`scan` IS NOT NULL AND p.`subject_id` IS NULL" in question


def test_views_that_refer_to_nothing_are_told(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.broken = "`vdef`"
    result = run_module_main(db_verify_info, options)
    assert "view lab_core.vdef refers to something that is gone" in result["problems"]
    assert "--ignore-table=lab_core.vdef" in server.dumps[0]


def test_accounts_grants_and_definers_are_compared(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.accounts = server.accounts.replace("GRANT SELECT ON `lab_session`.*", "GRANT INSERT ON `lab_session`.*")
    answer = server.answer
    monkeypatch.setattr(server, "answer", lambda sql: [["x", "y"]] if "mysql.user" in sql else answer(sql))
    problems = run_module_main(db_verify_info, options)["problems"]
    assert "account former@localhost lacks: GRANT SELECT ON `lab_session`.* TO `former`@`localhost`" in problems
    assert any("account root@localhost is missing, and 4 objects run with its rights" in text for text in problems)
    excluded = run_module_main(db_verify_info, options | {"exclude_accounts": ["former"]})
    assert not any("former" in text for text in excluded["problems"])


def test_what_was_changed_on_an_account_that_a_load_left_alone_is_a_remark(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.accounts = server.accounts.replace(
        "GRANT SELECT ON `lab_session`.*",
        "GRANT PROCESS ON *.* TO `former`@`localhost`;\nGRANT SELECT ON `lab_session`.*",
    )
    more = "account former@localhost has more: GRANT PROCESS ON *.* TO `former`@`localhost`"
    assert run_module_main(db_verify_info, options)["problems"] == [more]
    kept = run_module_main(db_verify_info, options | {"kept_accounts": ["former@localhost", "anna@%"]})
    assert (kept["ok"], kept["problems"], kept["remarks"]) == (True, [], [more])
    server.accounts = server.accounts.replace("CREATE USER `anna`@", "CREATE USER `nina`@")
    gone = run_module_main(db_verify_info, options | {"kept_accounts": ["former@localhost", "anna@%"]})
    assert gone["problems"] == ["account anna@% is missing"]


def test_what_is_granted_to_everybody_is_compared_as_what_is_granted_to_an_account(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    path, manifest = (pathlib.Path(options["directory"]) / name for name in ("accounts.sql", "manifest.json"))
    text = path.read_text().replace("-- Dump completed", "GRANT SELECT ON `lab`.* TO PUBLIC;\n-- Dump completed")
    path.write_text(text)
    told = json.loads(manifest.read_text())
    told["files"]["accounts.sql"] = {"size": len(text.encode()), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    manifest.write_text(json.dumps(told))
    lacks = "account PUBLIC lacks: GRANT SELECT ON `lab`.* TO PUBLIC"
    assert run_module_main(db_verify_info, options)["problems"] == [lacks]
    kept = run_module_main(db_verify_info, options | {"kept_accounts": ["PUBLIC"]})
    assert (kept["problems"], kept["remarks"]) == ([], [lacks])
    server.accounts = text
    assert run_module_main(db_verify_info, options)["ok"] is True


def test_accounts_belong_to_no_schema(run_module_main: RunModule, server: Server, options: dict[str, t.Any]) -> None:
    server.accounts = server.accounts.replace("CREATE USER `anna`@", "CREATE USER `nina`@")
    result = run_module_main(db_verify_info, options | {"schemas": ["odd`name"]})
    assert result["accounts_checked"] == 0
    assert not [problem for problem in result["problems"] if "account" in problem]


def test_a_definer_that_was_gone_when_the_dump_was_made_is_a_remark(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = server.answer
    monkeypatch.setattr(server, "answer", lambda sql: [["x", "y"]] if "mysql.user" in sql else answer(sql))
    path = pathlib.Path(options["directory"]) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"accounts": ["x@y", "lab_reader"]}))
    result = run_module_main(db_verify_info, options)
    assert [text for text in result["problems"] if "run with its rights" in text] == [
        "account lab_reader@ is missing, and 4 objects run with its rights, the first: view lab_core.vinv"
    ]
    assert "account root@localhost is missing" in result["remarks"][0]
    assert result["remarks"][0].endswith("it was missing when the dump was made, too")


def test_another_series_is_counted_only(run_module_main: RunModule, server: Server, options: dict[str, t.Any]) -> None:
    server.text = server.text.replace("10.11.19-MariaDB-0", "11.4.2-MariaDB-0").replace("(0,'naïve", "(0,'moose")
    result = run_module_main(db_verify_info, options)
    assert (result["compared"], result["ok"]) == ("counts", True)
    server.text = server.text.replace("('Mus musculus'),\n", "")
    fewer = run_module_main(db_verify_info, options)["key_tables"]["lab_core.#species"]
    assert fewer == {"rows": 1, "expected": 2, "ok": False}


def test_another_engine_is_counted_only(run_module_main: RunModule, server: Server, options: dict[str, t.Any]) -> None:
    path = pathlib.Path(options["directory"]) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"engine": "mysql"}))
    assert run_module_main(db_verify_info, options)["compared"] == "counts"


def test_of_the_key_tables_those_of_other_schemas_are_left_out(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    asked = {"schemas": ["odd`name"], "key_tables": ["lab_core.subject", "odd`name.mi"]}
    assert list(run_module_main(db_verify_info, options | asked)["key_tables"]) == ["odd`name.mi"]


@pytest.mark.parametrize(
    ("before", "now", "ok"),
    [
        ({"charset": "utf8", "collation": "utf8_bin"}, "utf8mb3 COLLATE utf8mb3_bin", True),
        ({"charset": "utf8mb4", "collation": ""}, "utf8mb4 COLLATE utf8mb4_general_ci", True),
        ({"charset": "utf8", "collation": "utf8_bin"}, "utf8mb3 COLLATE utf8mb3_general_ci", False),
    ],
)
def test_a_newer_server_may_say_the_same_in_other_words(
    run_module_main: RunModule,
    server: Server,
    options: dict[str, t.Any],
    before: dict[str, str],
    now: str,
    ok: bool,
) -> None:
    path = pathlib.Path(options["directory"]) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["schemas"]["lab_core"] |= before
    path.write_text(json.dumps(manifest))
    server.text = server.text.replace("10.11.19-MariaDB-0", "11.4.2-MariaDB-0").replace(
        "`lab_core` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        f"`lab_core` /*!40100 DEFAULT CHARACTER SET {now}",
    )
    assert run_module_main(db_verify_info, options)["ok"] is ok


def test_an_older_manifest_without_digests_is_enough_to_count(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    path = pathlib.Path(options["directory"]) / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["digests"], manifest["structures"]
    for schema in manifest["schemas"].values():
        del schema["code"]
    path.write_text(json.dumps(manifest))
    result = run_module_main(db_verify_info, {"manifest": str(path)})
    assert (result["ok"], result["compared"], result["accounts_checked"]) == (True, "counts", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 7}, "cannot be believed: the row counts add up to 150, not to 7"),
        (
            {"rows": 0, "tables": {key: {} for key in ("lab_core", "lab_imaging", "odd`name")}},
            "have no table in the dump",
        ),
    ],
)
def test_a_manifest_that_tells_too_little_is_a_failure(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], change: dict[str, t.Any], message: str
) -> None:
    path = pathlib.Path(options["directory"]) / "manifest.json"
    manifest = json.loads(path.read_text()) | change
    del manifest["digests"], manifest["structures"]
    path.write_text(json.dumps(manifest))
    assert message in run_module_main(db_verify_info, {"manifest": str(path)})["msg"]
    assert server.dumps == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key_tables": []}, "the list of key tables is empty"),
        ({"key_tables": ["lab_core.subject", "lab_core.nosuch"]}, "has no key table lab_core.nosuch"),
        ({"schemas": ["nosuch"]}, "has no schema nosuch"),
        ({"directory": "/nonexistent"}, "is no dump set"),
    ],
)
def test_bad_input_is_a_failure(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], change: dict[str, t.Any], message: str
) -> None:
    assert message in run_module_main(db_verify_info, options | change)["msg"]
    assert server.dumps == []


def test_a_stream_that_is_cut_is_no_comparison(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.text = server.text.removesuffix("-- Dump completed\n")
    assert "is no whole dump" in run_module_main(db_verify_info, options)["msg"]


def test_a_changed_file_of_accounts_is_refused(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    (pathlib.Path(options["directory"]) / "accounts.sql").write_text("CREATE USER x;\n")
    assert "is not what the manifest says" in run_module_main(db_verify_info, options)["msg"]


def test_the_live_dump_is_asked_for_what_the_dump_was(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    path = pathlib.Path(options["directory"]) / "manifest.json"
    manifest = json.loads(path.read_text()) | {"options": ["--quick", "--dump-history", "--result-file=x"]}
    path.write_text(json.dumps(manifest))
    assert run_module_main(db_verify_info, options)["ok"] is True
    assert "--dump-history" in server.dumps[0]
    assert "--result-file=x" not in server.dumps[0]


def test_a_schema_without_foreign_keys_is_compared(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_verify_info, options | {"schemas": ["odd`name"]})
    assert result["foreign_keys_checked"] == 0
    assert list(result["key_tables"]) == ["odd`name.empty", "odd`name.mi", "odd`name.we`ird ) VALUES"]
    assert not [problem for problem in result["problems"] if "foreign key" in problem]
