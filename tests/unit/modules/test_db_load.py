# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import functools
import hashlib
import json
import os
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _load
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _engine
from ansible_collections.labops.backup.plugins.modules import db_load

RunModule = t.Callable[..., dict[str, t.Any]]
PEOPLE = ["anna@%", "former@localhost", "liam.o'brien@%.lab.example", "zhang@10.9.9.%"]
LAB = ["lab_admin@127.0.0.1", "lab_admin@localhost", "lab_curator", "lab_reader", "lab_worker@localhost"]
EVERYBODY = sorted([*PEOPLE, *LAB])
IN_FRONT = "CREATE SEQUENCE `odd``name`."


@functools.cache
def parsed(text: str) -> Reader:
    """What a server has that was told this. A sequence that is made in front is made again by the dump."""
    reader = Reader()
    reader.feed("".join(line for line in text.splitlines(keepends=True) if not line.startswith(IN_FRONT)).encode())
    return reader


class Server:
    """Stands for a MariaDB server with its client: keeps what it was told and has what was loaded."""

    def __init__(self) -> None:
        self.version = "10.11.19-MariaDB"
        self.variables = {"lower_case_table_names": "0", "max_allowed_packet": "16777216", "event_scheduler": "OFF"}
        self.accounts = [["root", "localhost"], ["mariadb.sys", "localhost"], ["former", "localhost"]]
        self.schemas: list[str] = []
        self.extra_table = ""
        self.loads: list[str] = []
        self.statements: list[str] = []
        self.refused = ""
        self.failure: tuple[int, str] = (0, "")
        self.locked = False

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        given = keywords["stdin"]
        text = given if isinstance(given, bytes) else b"".join(given)
        if "--skip-column-names" not in argv:
            return self.load(argv, text.decode(), bool(keywords["pass_fds"]))
        lines = [line for line in text.decode().splitlines() if not line.startswith("SET SESSION")]
        answers = [answer for line in lines if line.startswith("SELECT") for answer in self.answer(line)]
        orders = [line for line in lines if not line.startswith("SELECT")]
        self.statements += orders
        rc = 1 if self.refused and any(self.refused in order for order in orders) else 0
        stdout = b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)
        return _command.Outcome(tuple(argv), rc, stdout, "ERROR 1146 (42S02) at line 2: 'hunter2'" if rc else "", 0.1)

    def load(self, argv: t.Sequence[str], text: str, locked: bool) -> _command.Outcome:
        self.loads.append(text)
        rc, stderr = (0, "") if text.count("\n") == 1 else self.failure
        if rc == 0 and text.count("\n") > 1:
            self.locked = locked
        return _command.Outcome(tuple(argv), rc, b"", stderr, 0.5)

    def answer(self, sql: str) -> list[list[t.Any]]:
        reader = parsed(self.loads[-1] if self.loads else "")
        objects = [["tables", schema.name, name] for schema in reader.schemas.values() for name in schema.tables]
        objects += [["views", schema.name, name] for schema in reader.schemas.values() for name in schema.views]
        objects += [["sequences", schema.name, name] for schema in reader.schemas.values() for name in schema.sequences]
        if self.extra_table:
            objects.append(["tables", "lab_core", self.extra_table])
        odd = "odd`name" in reader.schemas
        answers: dict[str, list[list[t.Any]]] = {
            "EVENT_DEFINITION": [],
            "VERSION()": [[self.version]],
            "VARIABLE_VALUE": [[name, value] for name, value in self.variables.items()],
            "SCHEMATA": [[name] for name in self.schemas],
            "'tables'": objects,
            "'triggers'": [["triggers", "odd`name", "tr"]] if odd else [],
            "'routines'": [["routines", "odd`name", "p"]] if odd else [],
            "'events'": [["events", "odd`name", "e"]] if odd else [],
            "DATA_LENGTH": [["lab_core", 1000]],
            "mysql.user": self.accounts,
            "information_schema.COLUMNS": [["COLLATIONS", "COLLATION_NAME"]],
            "information_schema.COLLATIONS": [["utf8mb4_general_ci"]],
        }
        return next(answer for part, answer in answers.items() if part in sql)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, module_warnings: list[str]) -> Server:
    stand_in = Server()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


@pytest.fixture
def options(tmp_path: pathlib.Path, recorded_dump_set: pathlib.Path) -> dict[str, t.Any]:
    return {
        "directory": str(recorded_dump_set),
        "record": str(tmp_path / "accounts.json"),
        "progress_file": str(tmp_path / "progress.json"),
        "lock": str(tmp_path / "run" / "dump.lock"),
    }


def test_all_schemas_are_dropped_together_and_loaded(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_load, options)
    assert (result["schemas"], result["tables"], result["rows"]) == (["lab_core", "lab_imaging", "odd`name"], 14, 150)
    text = server.loads[-1]
    drops = "DROP DATABASE IF EXISTS `lab_core`;\nDROP DATABASE IF EXISTS `lab_imaging`;\nDROP DATABASE IF EXISTS"
    assert text.index("SET FOREIGN_KEY_CHECKS=0;\n" + drops) < text.index("CREATE DATABASE")
    recorded = (pathlib.Path(options["directory"]) / "databases.sql").read_text()
    own = ("DROP DATABASE", "SET FOREIGN_KEY", "CREATE DATABASE `", IN_FRONT)
    assert [line for line in text.splitlines() if not line.startswith(own)] == [
        line for line in recorded.splitlines() if not line.startswith(("LOCK TABLES `", "UNLOCK TABLES;"))
    ]
    assert server.locked
    progress = json.loads(pathlib.Path(options["progress_file"]).read_text())
    assert progress["bytes"] == progress["total_bytes"] == len(recorded.encode())


def test_a_sequence_is_there_before_the_first_table_that_may_draw_from_it(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    run_module_main(db_load, options)
    text = server.loads[-1]
    made = (
        "CREATE DATABASE `odd``name` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;\n"
        "CREATE SEQUENCE `odd``name`.`sq`;\n"
    )
    assert text.rindex("DROP DATABASE IF EXISTS") < text.index(made) < text.index("CREATE TABLE")
    assert text.index(made) < text.index("DROP SEQUENCE IF EXISTS `sq`;")
    assert "CREATE DATABASE `lab_core`" not in text, "a schema without sequences is the dump's alone"
    run_module_main(db_load, options | {"schemas": ["lab_core"]})
    assert "CREATE SEQUENCE" not in server.loads[-1]


@pytest.mark.parametrize(
    ("charset", "collation", "said"),
    [
        ("utf8mb4", "utf8mb4_bin", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        ("latin1", "", " CHARACTER SET latin1"),
        ("", "", ""),
    ],
)
def test_a_schema_is_made_as_the_dump_has_it(charset: str, collation: str, said: str) -> None:
    assert _load._create_schema("a`b", charset, collation) == f"CREATE DATABASE `a``b`{said};"


def test_check_mode_changes_nothing_and_predicts(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_load, options | {"schemas": ["lab_core"]}, check_mode=True)
    assert (result["changed"], result["schemas"], result["tables"], result["rows"]) == (True, ["lab_core"], 4, 17)
    assert result["accounts"]["created"] == [name for name in EVERYBODY if name != "former@localhost"]
    assert (server.statements, [text.count("\n") for text in server.loads]) == ([], [1])
    assert not pathlib.Path(options["record"]).exists()


def test_only_the_chosen_schema_is_touched(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_load, options | {"schemas": ["odd`name"], "accounts": False})
    assert (result["schemas"], result["tables"], result["accounts"]["created"]) == (["odd`name"], 3, [])
    text = server.loads[-1]
    assert "DROP DATABASE IF EXISTS `odd``name`;" in text
    assert "lab_" not in text.replace("Database: lab_core\n", "")
    assert server.statements == []


def test_accounts_come_locked_one_by_one_and_those_that_are_there_stay(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_load, options)
    assert result["accounts"] == {
        "created": [name for name in EVERYBODY if name != "former@localhost"],
        "skipped": ["former@localhost", "mariadb.sys@localhost", "root@localhost"],
        "failed": [],
    }
    made = [statement for statement in server.statements if statement.startswith("CREATE USER")]
    assert len(made) == 6
    assert all(statement.endswith(" ACCOUNT LOCK;") for statement in made)
    kinds = [statement.split()[0] for statement in server.statements]
    assert kinds == sorted(kinds, key=["CREATE", "GRANT", "SET"].index)
    assert not [statement for statement in server.statements if "`former`" in statement or "`root`" in statement]
    assert server.statements[-1] == "SET DEFAULT ROLE 'lab_curator' FOR 'anna'@'%';"


def test_an_account_that_fails_is_named_and_stops_no_other(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], module_warnings: list[str]
) -> None:
    server.refused = "`lab_subject`.`subject`"
    result = run_module_main(db_load, options | {"exclude_accounts": ["zhang"]})
    (failed,) = result["accounts"]["failed"]
    assert failed["account"] == "liam.o'brien@%.lab.example"
    assert "GRANT SELECT ON `lab_subject`.`subject`" in failed["problem"]
    assert "error 1146" in failed["problem"]
    assert "hunter2" not in json.dumps(result)
    assert "zhang@10.9.9.%" in result["accounts"]["skipped"]
    assert server.statements[-1].startswith("SET DEFAULT ROLE")
    assert any("liam" in warning for warning in module_warnings)


def test_nothing_is_granted_to_an_account_that_could_not_be_made(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    """As one whose login plugin this server does not have. MariaDB makes whom something is granted to, without lock."""
    server.refused = "CREATE USER `liam.o'brien`@`%.lab.example`"
    result = run_module_main(db_load, options)
    assert [failure["account"] for failure in result["accounts"]["failed"]] == ["liam.o'brien@%.lab.example"]
    assert "making liam.o'brien@%.lab.example failed" in result["accounts"]["failed"][0]["problem"]
    others = [one for one in server.statements if not one.startswith(server.refused)]
    assert not [one for one in others if "liam.o'brien" in one]
    assert [one for one in others if "zhang" in one and one.startswith("GRANT")]


def test_accounts_that_a_killed_load_began_are_finished_and_released(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    run_module_main(db_load, options)
    first = [statement for statement in server.statements if statement.startswith("GRANT")]
    server.accounts += [["anna", "%"], ["lab_reader", ""], ["lab_curator", ""]]
    server.statements.clear()
    result = run_module_main(db_load, options)
    assert "anna@%" in result["accounts"]["created"]
    assert [statement for statement in server.statements if statement.startswith("GRANT")] == first
    assert not [statement for statement in server.statements if statement.startswith("CREATE USER `anna`")]
    server.statements.clear()
    told = run_module_main(db_load, {"state": "released", "record": options["record"]}, check_mode=True)
    assert (told["changed"], server.statements) == (True, [])
    told = run_module_main(db_load, {"state": "released", "record": options["record"]})
    assert told["unlocked"] == [
        name for name in EVERYBODY if name not in ("former@localhost", "lab_curator", "lab_reader")
    ]
    assert server.statements == ["ALTER USER 'anna'@'%' ACCOUNT UNLOCK;"]  # the others were made by nobody here
    assert run_module_main(db_load, {"state": "released", "record": options["record"]})["changed"] is False


def grant_to_everybody(directory: str) -> None:
    path, manifest = pathlib.Path(directory) / "accounts.sql", pathlib.Path(directory) / "manifest.json"
    text = path.read_text().replace("-- Dump completed", "GRANT SELECT ON `lab`.* TO PUBLIC;\n-- Dump completed")
    path.write_text(text)
    told = json.loads(manifest.read_text())
    told["files"]["accounts.sql"] = {
        "size": len(text.encode()),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    manifest.write_text(json.dumps(told))


def test_what_is_granted_to_everybody_is_granted_where_nothing_is_yet(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    grant_to_everybody(options["directory"])
    assert "PUBLIC" in run_module_main(db_load, options)["accounts"]["created"]
    assert [text for text in server.statements if "PUBLIC" in text] == ["GRANT SELECT ON `lab`.* TO PUBLIC;"]
    assert "" not in [text.strip(" ;") for text in server.statements]
    server.statements.clear()
    run_module_main(db_load, {"state": "released", "record": options["record"]})
    assert not [text for text in server.statements if "PUBLIC" in text]
    server.statements.clear()
    server.accounts.append(["PUBLIC", ""])
    assert "PUBLIC" in run_module_main(db_load, options)["accounts"]["skipped"]
    assert not [text for text in server.statements if "PUBLIC" in text]


def test_a_load_that_stops_shows_number_and_line_and_no_data(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.failure = (1, "ERROR 1062 (23000) at line 77: Duplicate entry 'hunter2' for key")
    result = run_module_main(db_load, options)
    assert result["failed"] and result["error"] == 1062
    assert "line 77" in result["msg"] and "are not whole" in result["msg"] and "begins anew" in result["msg"]
    assert "hunter2" not in json.dumps(result)
    assert server.statements == []


def test_a_client_that_ends_well_proves_nothing(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    server.extra_table = "zombie"
    assert "table lab_core.zombie is not in the dump" in run_module_main(db_load, options)["msg"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schemas": ["nosuch"]}, "has no schema nosuch"),
        ({"directory": "/nonexistent/20261123T021500Z-3fa9c1"}, "is no dump set"),
        ({"schemas": ["lab_imaging"]}, "neither chosen nor on the server"),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], change: dict[str, t.Any], message: str
) -> None:
    result = run_module_main(db_load, options | change)
    assert message in result["msg"] and "Nothing was changed" in result["msg"]
    assert (server.loads, server.statements) == ([], [])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"version": "10.6.1-MariaDB"}, "is older than the dumped one"),
        ({"version": "8.0.36"}, "the dump is of mariadb"),
        ({"variables": {"max_allowed_packet": "1024"}}, "max_allowed_packet is 1024"),
    ],
)
def test_a_server_that_cannot_take_it_is_left_alone(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], state: dict[str, t.Any], message: str
) -> None:
    vars(server).update(state)
    result = run_module_main(db_load, options)
    assert message in result["msg"] and result["refusals"]
    assert (server.loads, server.statements) == ([], [])


@pytest.mark.parametrize("name", ["databases.sql", "accounts.sql"])
@pytest.mark.parametrize("cut", [1, 300])
def test_a_dump_set_that_is_not_what_it_was_is_refused(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], name: str, cut: int
) -> None:
    path = pathlib.Path(options["directory"]) / name
    path.write_bytes(path.read_bytes()[:-cut])
    result = run_module_main(db_load, options)
    assert "is not what its manifest says" in result["msg"] and result["problems"]
    assert (server.loads, server.statements) == ([], [])


def test_a_client_without_a_sandbox_is_told_apart(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "load", lambda argv, _text, _locked: _command.Outcome(tuple(argv), 1, b"", "", 0.1))
    assert "does not understand the first line" in run_module_main(db_load, options)["msg"]
    assert server.statements == []


def test_events_that_would_run_at_once_are_told(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], module_warnings: list[str]
) -> None:
    server.variables["event_scheduler"] = "ON"
    run_module_main(db_load, options | {"schemas": ["odd`name"]})
    assert any("event scheduler is on" in warning for warning in module_warnings)


# --------------------------------------------------------------------------------------------------------- beside


class Scratch:
    """Stands for the private instance: what is loaded there goes to its own list."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.socket = f"{path}/s"

    def start(self) -> None:
        pathlib.Path(self.path).mkdir()

    def stop(self) -> None:
        shutil.rmtree(self.path)


class TwoServers(Server):
    """The server that people use, and the scratch instance with what was loaded there."""

    def __init__(self) -> None:
        super().__init__()
        self.in_scratch: list[str] = []
        self.spoil = ""
        self.drawing: list[list[str]] = []

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        scratch = any(word.endswith("/scratch/s") for word in argv)
        if argv[0].endswith("mariadb-dump"):
            keywords["on_stdout"](self.dump(list(argv)).encode())
            return _command.Outcome(tuple(argv), 0, b"", "", 0.1)
        if not scratch:
            return super().run(argv, **keywords)
        given = keywords["stdin"]
        text = (given if isinstance(given, bytes) else b"".join(given)).decode()
        self.in_scratch.append(text)
        answers: list[list[t.Any]] = []
        if "KEY_COLUMN_USAGE" in text:
            answers = [
                [table.schema, table.name, key.name, here, key.schema, key.table, there]
                for schema in parsed(self.in_scratch[0]).schemas.values()
                for table in schema.tables.values()
                for key in table.foreign_keys
                for here, there in zip(key.columns, key.references, strict=True)
            ]
        elif "COLUMN_DEFAULT" in text:
            answers = list(self.drawing)
        stdout = b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)
        return _command.Outcome(tuple(argv), 0, stdout, "", 0.1)

    def dump(self, argv: list[str]) -> str:
        if "--databases" in argv:  # what the new schema holds now
            new = argv[-1]
            whole = next(text for text in self.loads if f"USE `{new}`" in text)
            return whole.replace("DROP DATABASE IF EXISTS", "-- ").replace(self.spoil or "\0", "")
        assert "--skip-triggers" in argv and "--routines" not in argv
        schema, tables = argv[argv.index("--") + 1], argv[argv.index("--") + 2 :]
        text = self.in_scratch[0]
        begin = text.index(f"-- Current Database: `{schema}`")
        head = text[: text.index("CREATE DATABASE")]
        section = text[text.index("--\n-- Table structure", begin) :]
        section = section[: section.index("\n-- Dumping events")] if "\n-- Dumping events" in section else section
        wanted = tuple(f" for table `{name}`" for name in tables)
        kept = [part for part in section.split("--\n-- Table structure") if part.startswith(wanted)]
        return head + "".join(f"--\n-- Table structure{part}" for part in kept) + "\n-- Dump completed\n"


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, module_warnings: list[str]) -> TwoServers:
    stand_in = TwoServers()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(_engine, "Scratch", Scratch)
    return stand_in


@pytest.fixture
def beside(options: dict[str, t.Any], tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return options | {
        "beside": {"lab_imaging": "lab_imaging_restored"},
        "tables": ["lab_imaging.scan", "lab_imaging.__motion"],
        "scratch": str(tmp_path / "scratch"),
    }


def test_tables_are_copied_beside_without_keys_that_lead_out(
    run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any]
) -> None:
    result = run_module_main(db_load, beside)
    assert (result["schemas"], result["tables"], result["rows"]) == (["lab_imaging_restored"], 2, 22)
    assert result["beside"]["lab_imaging"]["name"] == "lab_imaging_restored"
    assert result["beside"]["lab_imaging"]["rows"] == 22
    assert "lab_imaging.scan.scan_ibfk_1" in result["foreign_keys_left_out"]  # to lab_core
    drops = [line for text in two.in_scratch for line in text.splitlines() if line.startswith("ALTER TABLE")]
    assert "ALTER TABLE `lab_imaging`.`scan` DROP FOREIGN KEY `scan_ibfk_1`;" in drops
    assert not any("__motion_ibfk_1`" in drop for drop in drops)  # to scan, which comes along
    text = two.loads[-1]
    assert text.startswith("/*M!999999\\- enable the sandbox mode */")
    assert "CREATE DATABASE `lab_imaging_restored` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;" in text
    assert "DROP DATABASE IF EXISTS `lab_imaging`;" not in "".join(two.loads)
    assert two.statements == []
    assert not pathlib.Path(beside["scratch"]).exists()
    assert json.loads(pathlib.Path(beside["record"]).read_text())["beside"] == ["lab_imaging_restored"]


def test_a_copy_takes_no_number_from_a_live_sequence(
    run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any]
) -> None:
    assert run_module_main(db_load, beside)["defaults_left_out"] == []
    shutil.rmtree(beside["scratch"], ignore_errors=True)
    two.in_scratch.clear()
    two.drawing = [
        ["lab_imaging", "scan", "scan", "nextval(`lab_imaging`.`seq`)"],
        ["lab_imaging", "scan", "odd`one", "(nextval(`lab_imaging`.`seq`) + 1)"],
        ["lab_imaging", "scan", "note", "'nextval(`x`)'"],
        ["lab_imaging", "__motion__frame", "frame", "nextval(`lab_imaging`.`seq`)"],  # not chosen
    ]
    result = run_module_main(db_load, beside)
    assert result["defaults_left_out"] == ["lab_imaging.scan.scan", "lab_imaging.scan.odd`one"]
    drops = [line for text in two.in_scratch for line in text.splitlines() if "DROP DEFAULT" in line]
    assert drops == [
        "ALTER TABLE `lab_imaging`.`scan` ALTER COLUMN `scan` DROP DEFAULT, ALTER COLUMN `odd``one` DROP DEFAULT;"
    ]


@pytest.mark.usefixtures("lost_and_found")
def test_a_folder_that_an_earlier_release_took_for_a_schema_is_not_loaded(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    result = run_module_main(db_load, options)
    assert (result["schemas"], result["rows"]) == (["lab_core", "lab_imaging", "odd`name"], 150)
    assert "lost+found" not in server.loads[-1]  # DROP DATABASE would remove the folder, and CREATE DATABASE fail
    refused = run_module_main(db_load, options | {"schemas": ["#mysql50#lost+found"]})
    assert "Choose from lab_core, lab_imaging, odd`name." in refused["msg"]


def test_rows_are_loaded_without_the_locks_that_a_dump_of_an_earlier_release_has(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any]
) -> None:
    assert "LOCK TABLES `subject` WRITE;" in (pathlib.Path(options["directory"]) / "databases.sql").read_text()
    run_module_main(db_load, options)
    assert "INSERT INTO `subject`" in server.loads[-1]
    assert "LOCK TABLES" not in server.loads[-1]


def test_views_of_other_schemas_are_not_made_where_those_are_not(
    run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any]
) -> None:
    change = {"beside": {"lab_core": "lab_core_restored"}, "tables": []}
    assert "Final view structure" in (pathlib.Path(beside["directory"]) / "databases.sql").read_text()
    run_module_main(db_load, beside | change)
    assert "CREATE TABLE `subject`" in two.in_scratch[0]
    assert "Final view structure" not in two.in_scratch[0]
    assert "CREATE SEQUENCE `odd``name`.`sq`;" in two.in_scratch[0], "a table may draw from what is not chosen"


def test_a_schema_without_a_collation_of_its_own_is_copied(
    run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any]
) -> None:
    path = pathlib.Path(beside["directory"]) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["schemas"]["lab_imaging"]["collation"] = ""
    path.write_text(json.dumps(manifest))
    run_module_main(db_load, beside)
    assert "CREATE DATABASE `lab_imaging_restored` CHARACTER SET utf8mb4;\n" in two.loads[-1]


def test_check_mode_copies_nothing(run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any]) -> None:
    result = run_module_main(db_load, beside, check_mode=True)
    assert (result["tables"], result["rows"], result["beside"]) == (2, 22, {})
    assert (two.in_scratch, [text.count("\n") for text in two.loads]) == ([], [1])


def test_a_copy_that_an_earlier_try_began_is_replaced_and_any_other_is_not(
    run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any]
) -> None:
    two.schemas = ["lab_imaging_restored"]
    assert "lab_imaging_restored is taken" in run_module_main(db_load, beside)["msg"]
    assert (two.loads, two.in_scratch) == ([], [])
    pathlib.Path(beside["record"]).write_text('{"schema_version": 1, "beside": ["lab_imaging_restored"]}')
    assert run_module_main(db_load, beside)["changed"] is True


def test_a_copy_with_other_rows_is_a_failure_and_the_scratch_instance_is_gone(
    run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any]
) -> None:
    text = (pathlib.Path(beside["directory"]) / "databases.sql").read_text()
    rows = text[text.index("INSERT INTO `scan` VALUES\n") + len("INSERT INTO `scan` VALUES\n") :]
    two.spoil = rows[: rows.index("\n") + 1]
    result = run_module_main(db_load, beside)
    assert "has other rows than the dump in the tables scan" in result["msg"]
    assert not pathlib.Path(beside["scratch"]).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tables": ["lab_imaging.nosuch"]}, "have no table lab_imaging.nosuch"),
        ({"beside": {"nosuch": "x"}, "tables": []}, "has no schema nosuch"),
        ({"beside": {"lab_imaging": "mysql"}}, "is taken"),
        ({"beside": {"lab_imaging": "x", "lab_core": "y"}}, "no table of schema lab_core is chosen"),
        ({"beside": {"lab_imaging": "x", "lab_core": "x"}, "tables": []}, "the schema x is taken"),
        ({"scratch": None}, "beside and scratch belong together"),
        ({"beside": {}, "scratch": None}, "a load in place replaces whole schemas"),
    ],
)
def test_a_copy_that_cannot_be_is_refused_before_anything_changes(
    run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any], change: dict[str, t.Any], message: str
) -> None:
    assert message in run_module_main(db_load, beside | change)["msg"]
    assert (two.loads, two.in_scratch) == ([], [])


def test_a_copy_needs_room_for_the_private_instance(
    run_module_main: RunModule, two: TwoServers, beside: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = os.statvfs_result((4096, 4096, 1000, 4, 4, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    result = run_module_main(db_load, beside)
    assert (result["free_bytes"], result["needed_bytes"] > 16384) == (16384, True)
    assert (two.loads[1:], two.in_scratch) == ([], [])


@pytest.mark.parametrize(("state", "option"), [("loaded", "directory"), ("released", "record")])
def test_what_a_state_needs_has_to_be_named(
    run_module_main: RunModule, server: Server, options: dict[str, t.Any], state: str, option: str
) -> None:
    given = {name: value for name, value in options.items() if name != option}
    result = run_module_main(db_load, {**given, "state": state})
    assert result["failed"] and f"state is {state} but all of the following are missing: {option}" in result["msg"]
    assert server.loads == [] and server.statements == []
