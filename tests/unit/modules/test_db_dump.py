# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _dump
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _database
from ansible_collections.labops.backup.plugins.modules import db_dump, db_dump_info

RunModule = t.Callable[..., dict[str, t.Any]]
RECORDED = pathlib.Path(__file__).parent.parent / "fixtures" / "mariadb-10.11.19.databases.sql"
ACCOUNTS = "CREATE USER `dj`@`localhost`;\n-- Dump completed\n"


class Server:
    """Stands for a MariaDB server with its programs, as the recorded dump has it."""

    def __init__(self) -> None:
        self.text = RECORDED.read_bytes()
        self.accounts = ACCOUNTS.encode()
        self.dumps: list[list[str]] = []
        self.failures: list[tuple[int, str]] = []
        self.extra_tables: list[list[str]] = []
        self.locked = False
        self.versioned: list[list[str]] = []
        self.endless: list[list[str]] = []
        self.more_views: list[list[str]] = []

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        rc, stdout, stderr = 0, b"", ""
        if argv[0].endswith("mariadb-dump") and "--databases" in argv:
            self.dumps.append(list(argv))
            self.locked = bool(keywords["pass_fds"])
            rc, stderr = self.failures.pop(0) if self.failures else (0, "")
            for start in range(0, len(self.text), 5000):
                keywords["on_stdout"](self.text[start : start + 5000])
        elif argv[0].endswith("mariadb-dump") and "--system=users" in argv:
            keywords["on_stdout"](self.accounts)
        elif argv[0].endswith("mariadb-dump"):
            stdout = b"mariadb-dump from 10.11.19"
        else:
            lines = [line for line in keywords["stdin"].decode().splitlines() if line.startswith("SELECT")]
            answers = [answer for line in lines for answer in self.answer(line)]
            stdout = b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)
        return _command.Outcome(tuple(argv), rc, stdout, stderr, 0.1)

    def answer(self, sql: str) -> list[list[t.Any]]:
        made_meanwhile = self.extra_tables.pop(0) if "'tables'" in sql and self.extra_tables else []
        reader = Reader()
        reader.feed(RECORDED.read_bytes())
        tables = [["tables", schema.name, name] for schema in reader.schemas.values() for name in schema.tables]
        tables += [["tables", "lab_core", name] for name in made_meanwhile]
        views = [["views", schema.name, name] for schema in reader.schemas.values() for name in schema.views]
        views += [["sequences", schema.name, name] for schema in reader.schemas.values() for name in schema.sequences]
        answers: dict[str, list[list[t.Any]]] = {
            "EVENT_DEFINITION": self.endless,
            "DEFINER, 'VIEW'": [["ann@%", "VIEW", "lab_core", "v"]],
            "DEFINER, ": [],
            "COLUMN_NAME LIKE '%COLLATION_NAME'": [["COLLATION_CHARACTER_SET_APPLICABILITY", "COLLATION_NAME"]],
            "COLLATION_CHARACTER_SET_APPLICABILITY": [["utf8mb4_bin"], ["latin1_bin"]],
            "VERSION()": [["10.11.19-MariaDB"]],
            "GLOBAL_VARIABLES": [["socket", "/run/s"], ["version", "10.11.19-MariaDB"]],
            "SCHEMATA": [[name] for name in reversed(list(reader.schemas))],
            "'tables'": tables + views + self.more_views,
            "'SYSTEM VERSIONED'": [["table", *names] for names in self.versioned],
            "'precise'": [],
            "'triggers'": [["triggers", "odd`name", "tr"]],
            "'routines'": [["routines", "odd`name", "p"]],
            "'events'": [["events", "odd`name", "e"]],
            "DATA_LENGTH": [["lab_core", 328704]],
            "mysql.user": [["root", "localhost"], ["labrole", ""]],
        }
        return next(answer for part, answer in answers.items() if part in sql)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    stand_in = Server()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(_dump.time, "sleep", lambda _seconds: None)  # two sets may be of one second
    return stand_in


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    (tmp_path / "dumps").mkdir()
    return {
        "directory": str(tmp_path / "dumps"),
        "defaults_file": "/etc/labops-backup/database.cnf",
        "datasets": [{"name": "database", "path": str(tmp_path / "dumps")}],
        "lock": str(tmp_path / "run" / "dump.lock"),
        "retry_wait": 0,
    }


def test_a_dump_set_is_published_and_proven(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_dump, options)
    assert result["changed"] is True
    assert (result["manifest"]["tables"], result["manifest"]["rows"], result["removed"]) == (14, 150, [])
    assert server.locked
    folder = pathlib.Path(options["directory"]) / result["dump_set"]
    assert (folder / "databases.sql").read_bytes() == RECORDED.read_bytes()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (manifest["id"], manifest["engine"], manifest["attempts"]) == (result["dump_set"], "mariadb", 1)
    assert manifest["tables"]["lab_imaging"]["__motion__frame"] == 30
    reader = Reader()
    reader.feed(RECORDED.read_bytes())
    frame = reader.schemas["lab_imaging"].tables["__motion__frame"]
    assert manifest["digests"]["lab_imaging"]["__motion__frame"] == frame.digest
    assert manifest["structures"]["lab_imaging"]["__motion__frame"] == frame.structure
    assert manifest["schemas"]["odd`name"]["code"] == reader.schemas["odd`name"].code
    assert manifest["schemas"]["lab_core"]["datajoint"] is True
    assert manifest["schemas"]["odd`name"]["datajoint"] is False
    assert manifest["schemas"]["odd`name"]["events"] == ["e"]
    assert manifest["accounts"] == ["labrole", "root@localhost"]
    assert manifest["non_transactional"] == ["odd`name.mi"]
    assert manifest["references"]["files"] == 78
    assert len(manifest["foreign_keys"]) == 9
    assert manifest["definers"] == ["ann@%"]
    target = json.loads((folder / "source_facts.json").read_bytes())["database"]
    assert (target["engine"], target["variables"]["socket"], target["sandbox"]) == ("mariadb", "/run/s", True)
    assert target["collations"] == ["latin1_bin", "utf8mb4_bin"]
    assert target["accounts"] == ["labrole", "root@localhost"]
    assert (target["schemas"], target["data_bytes"]) == (["lab_core", "lab_imaging", "odd`name"], 328704)
    listed = run_module_main(db_dump_info, {"directory": options["directory"], "verify": "full"})
    (found,) = listed["dump_sets"]
    assert (found["id"], found["valid"], found["problems"]) == (result["dump_set"], True, [])


def test_check_mode_writes_nothing_and_predicts(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_dump, options, check_mode=True)
    assert (result["changed"], result["dump_set"]) == (True, None)
    assert result["manifest"]["schemas"] == ["lab_core", "lab_imaging", "odd`name"]
    assert (os.listdir(options["directory"]), server.dumps) == ([], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RECORDED.read_bytes()[:20000], "no whole dump"),
        (RECORDED.read_bytes().replace(b"-- Dump completed", b""), "no whole dump"),
    ],
)
def test_a_cut_dump_is_not_published_although_the_tool_ended_well(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], text: bytes, message: str
) -> None:
    older = run_module_main(db_dump, options)["dump_set"]
    server.text = text
    result = run_module_main(db_dump, options)
    assert result["failed"] and message in result["msg"]
    assert os.listdir(options["directory"]) == [older]


def test_a_cut_dump_of_the_accounts_is_not_published(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.accounts = b"CREATE USER"
    assert "accounts" in run_module_main(db_dump, options)["msg"]
    assert os.listdir(options["directory"]) == []


def test_a_change_of_tables_means_another_try(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.failures = [(2, "mariadb-dump: Error 1412: Table definition has changed")]
    result = run_module_main(db_dump, options)
    assert (result["changed"], len(server.dumps)) == (True, 2)
    server.extra_tables = [[], ["new"], [], []]
    assert run_module_main(db_dump, options)["changed"] is True
    assert len(server.dumps) == 4


def test_tries_end(run_module_main: RunModule, server: Server, options: dict[str, t.Any]) -> None:
    server.failures = [(2, "mariadb-dump: Error 1412: Table definition has changed")] * 3
    result = run_module_main(db_dump, options)
    assert "changed during each of 3 dumps" in result["msg"]
    assert (len(server.dumps), os.listdir(options["directory"])) == (3, [])


def test_another_failure_is_not_tried_again(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.failures = [(2, 'mariadb-dump: Got error: 1045: "Access denied"')]
    assert "1045" in run_module_main(db_dump, options)["msg"]
    assert (len(server.dumps), os.listdir(options["directory"])) == (1, [])


def test_a_clock_that_went_back_cannot_make_rotation_remove_the_new_set(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    made = pathlib.Path(options["directory"]) / run_module_main(db_dump, options)["dump_set"]
    future = made.with_name("20991231T235959Z-ffffff")
    manifest = json.loads((made / "manifest.json").read_bytes()) | {"id": future.name}
    (made / "manifest.json").write_text(json.dumps(manifest))
    made.rename(future)
    assert "behind the dump set" in run_module_main(db_dump, options)["msg"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": 1}, "never removed"),
        ({"schemas": ["nosuch"]}, "no schema nosuch"),
        ({"exclude_schemas": ["lab_core", "lab_imaging", "odd`name"]}, "no schema to dump"),
        ({"datajoint_stores": {"x": "relative"}}, "no absolute path"),
        ({"directory": "/nonexistent/dumps"}, "does not exist"),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], change: dict[str, t.Any], message: str
) -> None:
    assert message in run_module_main(db_dump, options | change)["msg"]
    assert (os.listdir(options["directory"]), server.dumps) == ([], [])


def test_the_history_of_system_versioned_tables_is_dumped(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.versioned = [["lab_core", "subject"]]
    result = run_module_main(db_dump, options)
    assert "--dump-history" in server.dumps[0] and not any("former" in one for one in result["warnings_found"])
    manifest = json.loads((pathlib.Path(options["directory"]) / result["dump_set"] / "manifest.json").read_bytes())
    assert manifest["history"] == [["lab_core", "subject"]] and "--dump-history" in manifest["options"]
    server.versioned = []
    result = run_module_main(db_dump, options)
    manifest = json.loads((pathlib.Path(options["directory"]) / result["dump_set"] / "manifest.json").read_bytes())
    assert (manifest["history"], "--dump-history" in server.dumps[1]) == ([], False)


def test_a_history_that_cannot_be_dumped_is_told(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.versioned = [["lab_core", "subject"]]
    monkeypatch.setattr(_database, "_tool_has_history", lambda: False)
    found = run_module_main(db_dump, options)["warnings_found"]
    assert "--dump-history" not in server.dumps[0]
    assert any(
        "system-versioned table lab_core.subject are not in the dump: server and dump tool" in one for one in found
    )


def test_an_event_that_the_dump_tool_never_gets_past_is_refused(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.endless = [["lab_core", "nightly"]]
    message = run_module_main(db_dump, options)["msg"]
    assert "event lab_core.nightly holds two semicolons" in message and "ALTER EVENT" in message
    assert (os.listdir(options["directory"]), server.dumps) == ([], [])


@pytest.mark.parametrize(("seconds", "limit"), [({}, 3600), ({"stall_seconds": 5}, 5), ({"stall_seconds": 0}, None)])
def test_a_standstill_has_a_limit(
    run_module_main: RunModule,
    server: Server,
    options: dict[str, t.Any],
    seconds: dict[str, int],
    limit: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = set()

    def run(argv: list[str], **keywords: t.Any) -> _command.Outcome:
        limits.add(keywords.get("stall_seconds", limit))
        return server.run(argv, **keywords)

    monkeypatch.setattr(_command, "run", run)
    assert run_module_main(db_dump, options | seconds)["changed"] is True
    assert limits == {limit}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["tables", "lab_core", "a\nb"], "table 'a\\nb' of the schema 'lab_core'"),
        (["views", "lab_core", "v\r"], "view 'v\\r'"),
    ],
)
def test_a_name_with_a_line_feed_is_refused_before_anything_is_dumped(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], names: list[str], said: str
) -> None:
    server.more_views = [names]
    message = run_module_main(db_dump, options)["msg"]
    assert said in message and "holds a line feed" in message and "Rename it" in message
    assert (os.listdir(options["directory"]), server.dumps) == ([], [])


def test_the_name_of_a_schema_with_a_line_feed_is_refused_too() -> None:
    with pytest.raises(BackupError, match=r"the name of the schema 'lab\\ncore' .* holds a line feed"):
        _dump._refuse_line_feeds({"lab\ncore": {"tables": [], "views": [], "sequences": []}})


def test_values_that_could_not_be_read_are_told() -> None:
    told = _dump._warnings(
        {"non_transactional": ["s.t"]},
        {
            "stores": {
                "raw": {"location": None, "dataset": None},
                "out": {"location": "/elsewhere", "dataset": None},
                "in": {"location": "/datajoint-data", "dataset": "data"},
            },
            "unreadable": 3,
        },
        [("s", "v")],
        _database.History(tables=(("s", "h"),), problem="the client is too old"),
    )
    assert [one.partition(":")[0] for one in told] == [
        "s.t is not transactional",
        "view s.v refers to something that is gone and is not in the dump",
        "the former rows of the system-versioned table s.h are not in the dump",
        "the location of DataJoint store raw is not known",
        "DataJoint store out at /elsewhere is outside of every dataset",
        "3 values of DataJoint columns could not be read",
    ]
