# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import loss_scope_info

RunModule = t.Callable[..., dict[str, t.Any]]
DOWN = "ERROR 2002 (HY000): Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)"


class Server:
    """Stands for a MariaDB server that holds what a dump's text says."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.objects = {"triggers": ["tr"], "routines": ["p"], "events": ["e"]}
        self.down = False
        self.broken: set[str] = set()
        self.further: list[str] = []
        self.gone: set[str] = set()
        self.dumps: list[list[str]] = []

    def change(self, old: str, new: str) -> None:
        assert self.text.count(old) == 1
        self.text = self.text.replace(old, new)

    def schemas(self, names: t.Container[str]) -> str:
        """The text of a dump of these schemas only."""
        head, *parts = self.text.split("\n--\n-- Current Database: ")
        chosen = [part for part in parts if part.partition("\n")[0].strip("`").replace("``", "`") in names]
        tail = self.text[self.text.rindex("\n-- Dump completed") :]
        text = "\n--\n-- Current Database: ".join([head, *chosen])
        return text if text.rstrip().endswith("-- Dump completed") else text + tail

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        stdout, stderr, rc = b"", "", 0
        if self.down:
            return _command.Outcome(tuple(argv), 1, b"", DOWN, 0.1)
        if "--databases" in argv:
            names = list(argv[argv.index("--") + 1 :])
            self.dumps.append(names)
            if self.broken & set(names):
                return _command.Outcome(tuple(argv), 2, b"", "mariadb-dump: Error 1932: Table is corrupt", 0.1)
            keywords["on_stdout"](self.schemas(names).encode())
        elif "--force" not in argv:
            lines = [line for line in keywords["stdin"].decode().splitlines() if line.startswith("SELECT")]
            stdout = b"".join(json.dumps(answer).encode() + b"\n" for line in lines for answer in self.answer(line))
        return _command.Outcome(tuple(argv), rc, stdout, stderr, 0.1)

    def answer(self, sql: str) -> list[list[t.Any]]:
        reader = Reader()
        reader.feed(self.text.encode())
        here = [schema for schema in reader.schemas.values() if schema.name not in self.gone]
        asked = [schema for schema in here if f"'{schema.name}'" in sql]
        for kind, names in self.objects.items():
            if f"'{kind}'" in sql:
                return [[kind, "odd`name", name] for name in names if "odd`name" in sql]
        answers: dict[str, list[list[t.Any]]] = {
            "EVENT_DEFINITION": [],
            "DATA_LENGTH": [[schema.name, 1000] for schema in here],
            "VERSION()": [[reader.server_version]],
            "VARIABLE_VALUE": [["version", reader.server_version]],
            "SCHEMATA": [*([schema.name] for schema in here), *([name] for name in self.further)],
            "'tables'": [["tables", schema.name, name] for schema in asked for name in schema.tables]
            + [["views", schema.name, name] for schema in asked for name in schema.views]
            + [["sequences", schema.name, name] for schema in asked for name in schema.sequences],
        }
        return next(answer for part, answer in answers.items() if part in sql)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, recorded_dump_set: pathlib.Path) -> Server:
    stand_in = Server((recorded_dump_set / "databases.sql").read_text())
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


@pytest.fixture
def look(
    run_module_main: RunModule, server: Server, recorded_dump_set: pathlib.Path
) -> t.Callable[..., dict[str, t.Any]]:
    def run(*, check_mode: bool = False) -> dict[str, t.Any]:
        options = {"database": {"manifest": str(recorded_dump_set / "manifest.json")}}
        result = run_module_main(loss_scope_info, options, check_mode=check_mode)
        assert (result["changed"], result["files"]) == (False, [])
        return t.cast("dict[str, t.Any]", result["database"])

    return run


Look = t.Callable[..., dict[str, t.Any]]


def test_a_server_that_holds_what_was_dumped_is_intact(
    look: Look, server: Server, recorded_dump_set: pathlib.Path
) -> None:
    found = look()
    assert (found["state"], found["reason"], found["server"], found["compared"]) == ("intact", "", "up", "digests")
    assert (found["damaged_schemas"], found["newer_schemas"]) == ([], [])
    core = found["schemas"]["lab_core"]
    assert (core["state"], core["rows"], core["expected"]) == ("intact", 17, {"tables": 4, "rows": 17})
    assert server.dumps == [["lab_core", "lab_imaging", "odd`name"]]
    assert look(check_mode=True)["state"] == "intact"
    manifest = json.loads((recorded_dump_set / "manifest.json").read_text())
    assert (found["engine"], found["version"]) == (manifest["engine"], manifest["version"])
    assert (found["live_bytes"], found["point_bytes"]) == (3000, manifest.get("data_bytes"))
    assert found["dump_bytes"] == sum(one["size"] for one in manifest["files"].values())


def test_a_folder_in_the_data_directory_is_neither_lost_nor_newer(
    look: Look, server: Server, lost_and_found: pathlib.Path
) -> None:
    server.further = ["#mysql50#aquota.user"]
    found = look()
    assert (found["state"], found["newer_schemas"]) == ("intact", [])
    assert "lost+found" in (lost_and_found / "manifest.json").read_text()
    server.down = True
    assert sorted(look()["schemas"]) == ["lab_core", "lab_imaging", "odd`name"]


def test_missing_fewer_and_other_rows_are_told_apart(look: Look, server: Server) -> None:
    before = Reader()
    before.feed(server.text.encode())
    rows = before.schemas["lab_imaging"].tables
    lines = server.text.splitlines(keepends=True)
    start = lines.index("INSERT INTO `scan` VALUES\n")
    del lines[start + 1]
    motion = lines.index("INSERT INTO `__motion` VALUES\n")
    lines[motion + 1] = lines[motion + 1].replace("(0,0,", "(0,9,")
    log = lines.index("INSERT INTO `~log` VALUES\n")
    del lines[log + 1]
    server.text = "".join(lines)
    server.change("CREATE TABLE `~external_raw` (", "CREATE TABLE `~external_other` (")
    server.change("INSERT INTO `~external_raw` VALUES", "INSERT INTO `~external_other` VALUES")
    found = look()
    imaging = found["schemas"]["lab_imaging"]
    assert imaging["state"] == "damaged"
    assert imaging["fewer"] == [{"table": "scan", "rows": rows["scan"].rows - 1, "expected": rows["scan"].rows}]
    assert (imaging["missing"], imaging["newer"]) == (["~external_raw"], ["~external_other"])
    assert imaging["content"] == ["__motion"]
    assert imaging["reason"] == "1 table missing, 1 table with fewer rows, 1 table with other content"
    assert found["damaged_schemas"] == ["lab_imaging"]  # the log of lab_core lost a row, and that is nothing
    assert found["reason"] == f"lab_imaging: {imaging['reason']}"
    assert found["state"] == "damaged"


def test_more_rows_and_newer_schemas_are_no_damage(look: Look, server: Server) -> None:
    lines = server.text.splitlines(keepends=True)
    start = lines.index("INSERT INTO `scan` VALUES\n")
    lines.insert(start + 1, lines[start + 1])
    server.text = "".join(lines)
    server.further = ["brand_new"]
    found = look()
    assert (found["state"], found["newer_schemas"]) == ("intact", ["brand_new"])
    assert [entry["table"] for entry in found["schemas"]["lab_imaging"]["more"]] == ["scan"]
    assert server.dumps == [["lab_core", "lab_imaging", "odd`name"]]


def test_another_structure_and_missing_objects_are_damage(look: Look, server: Server) -> None:
    server.objects["triggers"] = []
    lines = server.text.splitlines(keepends=True)
    start = lines.index("CREATE TABLE `scan` (\n")
    lines[start + 1] = lines[start + 1].rstrip().removesuffix(",") + " COMMENT 'other',\n"
    server.text = "".join(lines)
    found = look()
    assert found["schemas"]["lab_imaging"]["structure"] == ["scan"]
    assert found["schemas"]["odd`name"]["objects"] == ["triggers: tr"]
    assert found["schemas"]["odd`name"]["reason"] == "1 views, sequences, triggers, routines or events missing"
    assert found["damaged_schemas"] == ["lab_imaging", "odd`name"]


def test_a_server_that_is_down_has_lost_everything_and_that_is_no_failure(look: Look, server: Server) -> None:
    server.down = True
    found = look()
    assert (found["state"], found["server"], found["compared"]) == ("lost", "down", "nothing")
    assert (found["engine"], found["live_bytes"]) == (None, None)
    assert "ERROR 2002" in found["reason"]
    assert {name: schema["state"] for name, schema in found["schemas"].items()} == dict.fromkeys(
        ("lab_core", "lab_imaging", "odd`name"), "lost"
    )
    assert found["schemas"]["lab_core"]["expected"] == {"tables": 4, "rows": 17}


def test_no_client_is_a_server_that_is_gone(look: Look, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(_command, "SEARCH_PATH", "/nowhere")
    assert "is not installed" in look()["reason"]


def test_a_dropped_schema_is_lost_and_the_others_are_compared(look: Look, server: Server) -> None:
    server.gone = {"lab_core"}
    found = look()
    assert found["schemas"]["lab_core"]["state"] == "lost"
    assert found["schemas"]["lab_imaging"]["state"] == "intact"
    assert (found["state"], found["reason"]) == ("damaged", "lab_core: lost")
    server.gone = {"lab_core", "lab_imaging", "odd`name"}
    server.dumps.clear()
    assert look()["state"] == "lost" and server.dumps == []


def test_a_schema_that_cannot_be_read_does_not_hide_the_others(look: Look, server: Server) -> None:
    server.broken = {"lab_core"}
    found = look()
    assert {name: schema["state"] for name, schema in found["schemas"].items()} == {
        "lab_core": "unreadable",
        "lab_imaging": "intact",
        "odd`name": "intact",
    }
    assert "Error 1932" in found["schemas"]["lab_core"]["reason"]
    assert found["damaged_schemas"] == ["lab_core"]


def test_without_digests_counts_decide_and_that_is_said(
    look: Look, server: Server, recorded_dump_set: pathlib.Path
) -> None:
    path = recorded_dump_set / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["digests"], manifest["structures"]
    path.write_text(json.dumps(manifest))
    lines = server.text.splitlines(keepends=True)
    motion = lines.index("INSERT INTO `__motion` VALUES\n")
    lines[motion + 1] = lines[motion + 1].replace("(0,0,", "(0,9,")
    server.text = "".join(lines)
    found = look()
    assert (found["state"], found["compared"]) == ("intact", "counts")


# ----------------------------------------------------------------------------- who refers to what is newer and damaged

TRACE = "B9491CD8EF3569858777C634D8D6CAD9"  # of a row of lab_imaging.__motion
PATH = f"lab_imaging/b9/49/{TRACE.lower()}"


@pytest.fixture
def look_at_both(
    run_module_main: RunModule, server: Server, recorded_dump_set: pathlib.Path, tmp_path: pathlib.Path
) -> t.Callable[..., dict[str, t.Any]]:
    """The database and a store that the point has nothing of; both blobs in it hold something else."""
    tree = tmp_path / "blobs"
    for path in (PATH, f"lab_imaging/00/00/{'0' * 32}"):
        (tree / path).parent.mkdir(parents=True)
        (tree / path).write_bytes(b"not that")
    manifest = tmp_path / "blobs.content"
    with _content_manifest.replacing(str(manifest), 1, dry=False) as writer:
        writer.add([_content.folder_line(b"")])
        writer.finish({"files": 0, "bytes": 0, "others": 0})
    entry = {"dataset": "blobs", "manifest": str(manifest), "path": str(tree)}

    def run(*, check_mode: bool = False, **changes: t.Any) -> dict[str, t.Any]:
        options = {"database": {"manifest": str(recorded_dump_set / "manifest.json")}, "files": [{**entry, **changes}]}
        result = run_module_main(loss_scope_info, options, check_mode=check_mode)
        assert not result.get("failed"), result
        return t.cast("dict[str, t.Any]", result["database"])

    return run


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_the_live_database_refers_to_of_it_is_told_by_schema(look_at_both: Look, check_mode: bool) -> None:
    found = look_at_both(check_mode=check_mode)
    assert found["refers"] == {"lab_imaging": {"files": 1, "examples": [f"blobs/{PATH}"]}}
    assert found["state"] == "intact"


def test_schemas_that_the_point_does_not_have_are_asked_too(look_at_both: Look, server: Server) -> None:
    lines = [
        *("", "--", "-- Current Database: `brand_new`", "--", ""),
        "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `brand_new` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;",
        *("", "USE `brand_new`;", "CREATE TABLE `use` ("),
        "  `id` int(11) NOT NULL,",
        "  `trace` binary(16) NOT NULL COMMENT ':blob@imaging:',",
        "  CONSTRAINT `k` FOREIGN KEY (`trace`) REFERENCES `lab_imaging`.`~external_imaging` (`hash`)",
        ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;",
        *("INSERT INTO `use` VALUES", f"(1,0x{TRACE});", "", "-- Dump completed"),
    ]
    server.text = server.text.replace("\n-- Dump completed", "\n".join(lines))
    found = look_at_both()
    assert server.dumps == [["lab_core", "lab_imaging", "odd`name", "brand_new"]]
    assert {name: one["files"] for name, one in found["refers"].items()} == {"lab_imaging": 1, "brand_new": 1}
    assert (sorted(found["schemas"]), found["newer_schemas"]) == (
        ["lab_core", "lab_imaging", "odd`name"],
        ["brand_new"],
    )


def test_a_schema_that_cannot_be_read_may_refer_to_it(look_at_both: Look, server: Server) -> None:
    server.broken, server.further = {"lab_imaging"}, ["broken"]
    server.broken |= {"broken"}
    found = look_at_both()
    assert found["refers"] == {name: {"files": None, "examples": []} for name in ("lab_imaging", "broken")}
    assert found["damaged_schemas"] == ["lab_imaging"]


def test_rows_are_not_read_for_it_when_nothing_newer_is_damaged(look_at_both: Look, server: Server) -> None:
    server.further = ["brand_new"]
    assert look_at_both(stores=[])["refers"] == {}
    assert server.dumps == [["lab_core", "lab_imaging", "odd`name"]]


def test_a_server_that_is_down_says_nothing_of_it(look_at_both: Look, server: Server) -> None:
    server.down = True
    assert look_at_both()["refers"] == {}


def test_a_manifest_that_cannot_be_believed_is_refused(
    run_module_main: RunModule, server: Server, recorded_dump_set: pathlib.Path
) -> None:
    path = recorded_dump_set / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rows": 1}))
    result = run_module_main(loss_scope_info, {"database": {"manifest": str(path)}})
    assert result["failed"] and "cannot be believed" in result["msg"]
    result = run_module_main(loss_scope_info, {"database": {"manifest": str(path) + "x"}})
    assert result["failed"] and "there is no manifest" in result["msg"]


def test_what_the_dump_tool_cuts_off_is_not_taken_for_what_is_there(look: Look, server: Server) -> None:
    """It ends well now and then although its text does not."""
    server.text = server.text.replace("-- Server version", "-- Server")
    found = look()
    assert found["state"] != "intact"
    assert all("no whole dump" in schema["reason"] for schema in found["schemas"].values())


def test_a_trigger_that_is_another_one_is_damage(look: Look, server: Server) -> None:
    server.change(
        "TRIGGER tr BEFORE INSERT ON mi FOR EACH ROW BEGIN", "TRIGGER tr AFTER INSERT ON mi FOR EACH ROW BEGIN"
    )
    found = look()
    assert found["damaged_schemas"] == ["odd`name"]
    assert found["schemas"]["odd`name"]["reason"] == "a view, trigger, routine or event is another one"
