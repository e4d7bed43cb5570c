# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint, _dump_text

RECORDED = pathlib.Path(__file__).parent.parent / "fixtures" / "mariadb-10.11.19.databases.sql"
RECORDED_MYSQL = RECORDED.with_name("mysql-9.7.4.databases.sql")
COUNTS = {
    "lab_core": {"#species": 2, "subject": 6, "~external_notes": 6, "~log": 3},
    "lab_imaging": {
        "__motion": 10,
        "__motion__frame": 30,
        "scan": 12,
        "~external_ephys": 12,
        "~external_imaging": 48,
        "~external_raw": 12,
        "~log": 6,
    },
    "odd`name": {"empty": 0, "mi": 0, "we`ird ) VALUES": 3},
}
HEAD = (
    b"-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n"
    b"-- Server version\t8.0.36\n"
    b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `s` /*!40100 DEFAULT CHARACTER SET utf8mb4"
    b" COLLATE utf8mb4_0900_ai_ci */;\n"
    b"USE `s`;\n"
    b"CREATE TABLE `t` (\n  `a` int NOT NULL,\n  `b` longblob,\n  `c` varchar(9)\n) ENGINE=InnoDB;\n"
)
TAIL = b"\n-- Dump completed\n"


def read(
    text: bytes, step: int = 1 << 16, wanted: t.Sequence[str] = ()
) -> tuple[_dump_text.Reader, list[_dump_text.Row]]:
    rows: list[_dump_text.Row] = []
    reader = _dump_text.Reader(
        lambda table: [name for name in wanted if name in {column.name for column in table.columns}],
        lambda _table, row: rows.append(row),
    )
    for start in range(0, len(text), step):
        reader.feed(text[start : start + step])
    return reader, rows


def counts(reader: _dump_text.Reader) -> dict[str, dict[str, int]]:
    return {
        name: {table.name: table.rows for table in schema.tables.values()} for name, schema in reader.schemas.items()
    }


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 16])
def test_a_recorded_dump_is_counted_whatever_the_size_of_the_chunks(step: int) -> None:
    reader, _rows = read(RECORDED.read_bytes(), step)
    assert reader.problems() == []
    assert counts(reader) == COUNTS
    assert reader.rows == 150
    assert (reader.tool, reader.engine) == ("mariadb-dump", "mariadb")
    assert reader.server_version == "10.11.19-MariaDB-0+deb12u1"
    assert [schema.views for schema in reader.schemas.values()] == [["vdef", "vinv"], [], ["v"]]


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
@pytest.mark.parametrize("wanted", [(), ("hash", "note")])
def test_a_recorded_dump_of_mysql_is_counted_too(step: int, wanted: tuple[str, ...]) -> None:
    reader, rows = read(RECORDED_MYSQL.read_bytes(), step, wanted)
    assert reader.problems() == []
    assert (reader.rows, reader.engine, reader.server_version) == (102, "mysql", "9.7.4-2")
    assert counts(reader)["lab_core"] == {"#species": 2, "subject": 4, "~external_notes": 4, "~log": 3}
    assert counts(reader)["odd`name"] == {"empty": 0, "mi": 0, "we`ird ) VALUES": 3}
    assert len({row[0] for row in rows}) == (56 if wanted else 0)


@pytest.mark.parametrize("step", [3, 1 << 16])
def test_decoding_counts_the_same_and_gives_the_values(step: int) -> None:
    reader, rows = read(RECORDED.read_bytes(), step, ["b", "c(,)", "a`b"])
    assert counts(reader) == COUNTS
    assert rows == [(b"\x00\xff", b"),('\\", b"1"), (None, b";\n", b"2"), (b"", b"", b"3")]


def test_columns_comments_and_foreign_keys_are_read_from_the_text() -> None:
    reader, _rows = read(RECORDED.read_bytes())
    subject = reader.schemas["lab_core"].tables["subject"]
    assert [(column.name, column.type, column.comment) for column in subject.columns][3] == (
        "sheet",
        "binary(16)",
        ":attach@notes:",
    )
    assert subject.foreign_keys[1] == _dump_text.ForeignKey(
        "subject_ibfk_2", ("sheet",), "lab_core", "~external_notes", ("hash",)
    )
    frame = reader.schemas["lab_imaging"].tables["__motion__frame"]
    assert frame.foreign_keys[0].columns == ("subject_id", "scan")
    assert reader.schemas["lab_imaging"].tables["scan"].foreign_keys[0].schema == "lab_core"
    assert reader.schemas["odd`name"].tables["we`ird ) VALUES"].columns[1].comment == "it's :<x>: \n x"
    assert reader.schemas["odd`name"].tables["mi"].engine == "MyISAM"


def cut_after(text: bytes, mark: bytes, start: bytes) -> bytes:
    return text[: text.index(mark, text.index(start)) + len(mark)]


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        (b"),\n(1,", "the text ends inside the rows of lab_imaging.__motion__frame"),
        (b")", "the text ends inside the rows of lab_imaging.__motion__frame"),
        (b";\n", "the last line is not '-- Dump completed'"),
    ],
    ids=["within a statement", "after a row", "after a statement"],
)
def test_each_way_to_cut_a_dump_is_recognised(mark: bytes, problem: str) -> None:
    reader, _rows = read(cut_after(RECORDED.read_bytes(), mark, b"INSERT INTO `__motion__frame` VALUES\n"))
    assert problem in reader.problems()


def test_a_dump_without_its_last_byte_or_trailer_is_not_whole() -> None:
    text = RECORDED.read_bytes()
    assert read(text[:-1])[0].problems()
    assert read(text.removesuffix(b"-- Dump completed\n"))[0].problems() == ["the last line is not '-- Dump completed'"]
    assert read(b"")[0].problems()


def test_text_in_the_body_of_a_trigger_is_no_row() -> None:
    body = b"DELIMITER ;;\nCREATE TRIGGER x BEGIN\nINSERT INTO `t` VALUES\n(1),\n(2);\n-- Dump completed\nEND ;;\n"
    reader, _rows = read(HEAD + body + b"DELIMITER ;\n" + TAIL)
    assert (counts(reader), reader.problems()) == ({"s": {"t": 0}}, [])
    assert read(HEAD + body)[0].problems()


def test_a_change_of_delimiter_in_a_string_of_a_body_is_no_end_of_it() -> None:
    body = (
        b"DELIMITER ;;\nCREATE TRIGGER x BEGIN\nSET @a = '\nDELIMITER ;\nINSERT INTO `t` VALUES\n(1);\n';\nEND ;;\n"
        b"DELIMITER //\nCREATE EVENT y DO SELECT ';;' //\n\n"
    )
    reader, _rows = read(HEAD + body + b"DELIMITER ;\n" + TAIL)
    assert (counts(reader), reader.problems()) == ({"s": {"t": 0}}, [])
    reader, _rows = read(HEAD + b"DELIMITER ;;\nDELIMITER ;\nINSERT INTO `t` VALUES\n(1,NULL,'');\n" + TAIL)
    assert (counts(reader), reader.problems()) == ({"s": {"t": 1}}, [])


def test_a_comment_before_the_check_that_mariadb_adds_to_json_is_read() -> None:
    head = HEAD.replace(
        b"  `c` varchar(9)\n",
        b"  `f` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT ':<blob@ext>:'"
        b" CHECK (json_valid(`f`)),\n"
        b"  `g` longtext COMMENT ':<object@raw>:it''s' CHECK (json_valid(`g`))\n",
    )
    rows: list[_dump_text.Row] = []
    reader = _dump_text.Reader(_datajoint.wanted_columns, lambda _table, row: rows.append(row))
    reader.feed(head + b'INSERT INTO `t` VALUES\n(1,0x00,\'{\\"path\\": \\"s/x\\", \\"size\\": 5}\',NULL);\n' + TAIL)
    table = reader.schemas["s"].tables["t"]
    assert [column.comment for column in table.columns] == ["", "", ":<blob@ext>:", ":<object@raw>:it's"]
    assert _datajoint.is_datajoint([table])
    assert _datajoint.wanted_columns(table) == ("f", "g")
    use = _datajoint.uses(table)[0]
    assert isinstance(use, _datajoint.DirectUse)
    assert rows[0][0] is not None
    assert rows[0][1] is None
    assert _datajoint.direct_file(use, rows[0][0]) == _datajoint.DirectFile("ext", b"s/x", 5, "blob", None, False)


@pytest.mark.parametrize("step", [1, 2, 5, 1 << 16])
@pytest.mark.parametrize("wanted", [(), ("a", "c")])
def test_rows_on_one_line_are_counted_with_anything_in_their_strings(step: int, wanted: tuple[str, ...]) -> None:
    rows = rb"(1,0x00FF,'),(\\'),(2,NULL,'it\'s (\\'),(3,_binary '(',';)'),(4,'','x')"
    reader, decoded = read(HEAD + b"INSERT INTO `t` VALUES " + rows + b";\n" + TAIL, step, wanted)
    assert (reader.rows, reader.problems(), reader.engine) == (4, [], "mysql")
    if wanted:
        assert [row[0] for row in decoded] == [b"1", b"2", b"3", b"4"]
        assert [row[1] for row in decoded] == [b"),(\\", b"it's (\\", b";)", b"x"]


def test_an_insert_that_names_its_columns_is_decoded_by_name() -> None:
    text = HEAD + b"INSERT INTO `t` (`c`, `a`) VALUES\n('x',1),\n('y',2);\n" + TAIL
    assert read(text, wanted=["a"])[1] == [(b"1",), (b"2",)]


def test_a_row_larger_than_memory_should_be_is_decoded_without_keeping_it() -> None:
    long = b"AB" * 3_000_000
    text = b"x(\\'),\\n" * 400_000
    rows = b"(1,0x" + long + b",'e'),\n(2,'" + text + b"','f');\n"
    reader, decoded = read(HEAD + b"INSERT INTO `t` VALUES\n" + rows + TAIL, wanted=["a", "c"])
    assert decoded == [(b"1", b"e"), (b"2", b"f")]
    assert reader.problems() == []
    assert reader.largest_statement > len(long) + len(text)


def test_rows_that_are_laid_out_otherwise_are_an_error() -> None:
    with pytest.raises(BackupError, match=r"s\.t in the dump are not laid out as expected"):
        read(HEAD + b"INSERT INTO `t` VALUES\n(1,'a\nb','c');\n" + TAIL)
    with pytest.raises(BackupError, match="does not declare"):
        read(HEAD + b"INSERT INTO `u` VALUES\n(1);\n" + TAIL)


def digests(text: bytes, step: int = 1 << 16, wanted: t.Sequence[str] = ()) -> tuple[str, str, str]:
    """Of the rows of C(s.t), of its declaration, and of the code of C(s)."""
    reader, _rows = read(text, step, wanted)
    assert reader.problems() == []
    schema = reader.schemas["s"]
    return schema.tables["t"].digest, schema.tables["t"].structure, schema.code


def inserts(*statements: bytes, between: bytes = b"\n") -> bytes:
    return b"".join(b"INSERT INTO `t` VALUES" + between + rows + b";\n" for rows in statements)


@pytest.mark.parametrize("between", [b"\n", b" "])
@pytest.mark.parametrize("wanted", [(), ("a",)])
def test_a_digest_is_of_the_rows_however_they_are_cut_into_statements_and_chunks(
    between: bytes, wanted: tuple[str, ...]
) -> None:
    joint = b",\n" if between == b"\n" else b","
    one = HEAD + inserts(b"(1,0x00,'a')" + joint + b"(2,NULL,'b;')", between=between) + TAIL
    two = HEAD + inserts(b"(1,0x00,'a')", b"(2,NULL,'b;')", between=between) + TAIL
    rows = hashlib.sha256(b"(1,0x00,'a')" + joint + b"(2,NULL,'b;')").hexdigest()
    for step in (1, 5, 1 << 16):
        assert digests(one, step, wanted)[0] == digests(two, step, wanted)[0] == rows


def test_a_digest_changes_with_a_value_an_order_and_a_row() -> None:
    rows = (b"(1,0x00,'a'),\n(2,NULL,'b')", b"(1,0x01,'a'),\n(2,NULL,'b')", b"(2,NULL,'b'),\n(1,0x00,'a')", b"(1,1,'')")
    found = {digests(HEAD + inserts(text) + TAIL)[0] for text in rows} | {digests(HEAD + TAIL)[0]}
    assert len(found) == 5


def test_a_declaration_differs_by_more_than_its_next_number() -> None:
    numbered = HEAD.replace(b"ENGINE=InnoDB;", b"ENGINE=InnoDB AUTO_INCREMENT=77 COMMENT='AUTO_INCREMENT=1';")
    again = numbered.replace(b"=77", b"=8")
    commented = again.replace(b"longblob", b"longblob COMMENT ':x:'")
    assert digests(numbered + TAIL)[1] == digests(again + TAIL)[1]
    assert len({digests(text + TAIL)[1] for text in (HEAD, again, commented)}) == 3


def test_a_character_set_that_mysql_names_only_after_a_reload_is_no_difference() -> None:
    def declared(column: bytes, version: bytes = b"9.7.4-2") -> str:
        text = HEAD.replace(b"`c` varchar(9)", b"`c` " + column).replace(b"8.0.36\n", version + b"\n")
        return digests(text + TAIL)[1]

    first = b"varchar(9) COLLATE utf8mb4_bin NOT NULL COMMENT 'a CHARACTER SET x COLLATE y'"
    again = first.replace(b"(9) COLLATE", b"(9) CHARACTER SET utf8mb4 COLLATE")
    assert declared(first) == declared(again)
    assert declared(again) != declared(again.replace(b"_bin", b"_unicode_ci"))
    assert declared(again) != declared(again.replace(b"'a CHARACTER SET x", b"'a"))
    assert declared(first, b"10.11.6-MariaDB") != declared(again, b"10.11.6-MariaDB")


def test_a_schema_that_mysql_names_in_a_view_or_not_is_no_difference() -> None:
    def code(body: bytes, version: bytes = b"9.7.4-2") -> str:
        view = b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50001 VIEW `v` AS select " + body + b" */;\n"
        return digests(HEAD.replace(b"8.0.36\n", version + b"\n") + view + TAIL)[2]

    bare = b"`s`.`species` AS `x`,'`a`.`b`.`c`' AS `y` from `lab`.`subject` `s` group by `s`.`species`"
    named = bare.replace(b"`s`.`species`", b"`lab`.`s`.`species`")
    assert code(bare) == code(named)
    assert code(bare) != code(bare.replace(b"`a`.`b`.`c`", b"`b`.`c`"))
    assert code(bare) != code(bare.replace(b"from `lab`", b"from `other`"))
    assert code(bare, b"10.11.6-MariaDB") != code(named, b"10.11.6-MariaDB")


def test_triggers_routines_events_and_views_of_a_schema_have_one_digest() -> None:
    body = b"DELIMITER ;;\nCREATE PROCEDURE p()\nBEGIN\nSELECT 1;\nEND ;;\nDELIMITER ;\n"
    view = (
        b"--\n-- Final view structure for view `v`\n--\n\n/*!50001 SET @x = @@y */;\n"
        b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n"
        b"/*!50001 VIEW `v` AS select 1 AS `x` */;\n/*!50001 SET @x = @y */;\n"
    )
    found = [
        digests(HEAD + text + TAIL)[2]
        for text in (
            b"",
            body,
            view,
            body + view,
            body.replace(b"SELECT 1", b"SELECT 2") + view,
            body + view.replace(b"select 1", b"select 2"),
            body + view.replace(b"`b` SQL", b"`c` SQL"),
        )
    ]
    assert len(set(found)) == len(found)
    assert digests(HEAD + body + view.replace(b"@@y", b"@@z") + TAIL)[2] == found[3]


@pytest.mark.parametrize("recorded", [RECORDED, RECORDED_MYSQL])
def test_the_code_of_a_schema_is_digested_without_that_of_others(recorded: pathlib.Path) -> None:
    reader, _rows = read(recorded.read_bytes(), 11)
    nothing = hashlib.sha256().hexdigest()
    codes = {name: schema.code for name, schema in reader.schemas.items()}
    assert codes["lab_imaging"] == nothing
    assert (codes["lab_core"] == nothing) == (recorded is RECORDED_MYSQL)
    assert codes["odd`name"] != nothing


# ------------------------------------------------------------------------------------------------------- sequences

# Written by mariadb-dump 10.11.19.
SEQUENCES = rb"""
--
-- Sequence structure for `c`
--

DROP SEQUENCE IF EXISTS `c`;
CREATE SEQUENCE `c` start with 9 minvalue -9 maxvalue 9 increment by -2 cache 9 cycle ENGINE=InnoDB COMMENT='a\nb''s;';
DO SETVAL(`c`, 9, 0);

--
-- Sequence structure for `s one`
--

DROP SEQUENCE IF EXISTS `s one`;
CREATE SEQUENCE `s one` start with 10 minvalue 1 maxvalue 922337203685477 increment by 5 cache 20 nocycle ENGINE=InnoDB;
DO SETVAL(`s one`, 110, 0);
"""


@pytest.mark.parametrize("step", [1, 1 << 16])
def test_sequences_and_the_number_that_each_goes_on_with(step: int) -> None:
    reader, _rows = read(HEAD + SEQUENCES + TAIL, step)
    assert reader.problems() == []
    found = reader.schemas["s"].sequences
    told = {name: (one.step, one.cycles, one.next) for name, one in found.items()}
    assert told == {"c": (-2, True, 9), "s one": (5, False, 110)}
    earlier, _rows = read(HEAD + SEQUENCES.replace(b"DO SETVAL", b"SELECT SETVAL") + TAIL, step)
    assert earlier.schemas["s"].sequences == found
    others, _rows = read(HEAD + SEQUENCES.replace(b"cache 20 ", b"cache 30 ").replace(b"110", b"210") + TAIL, step)
    assert others.schemas["s"].sequences["c"] == found["c"]
    assert others.schemas["s"].sequences["s one"].structure != found["s one"].structure
    assert others.schemas["s"].sequences["s one"].next == 210
    with pytest.raises(BackupError, match="declares a sequence in an unknown way"):
        read(HEAD + b"CREATE SEQUENCE s;\n" + TAIL, step)


def test_who_would_give_out_a_number_again_is_behind() -> None:
    up, down = (_dump_text.Sequence("", step, cycles=False, next=110) for step in (5, -5))
    assert [up.is_behind(number) for number in (109, 110, 111)] == [False, False, True]
    assert [down.is_behind(number) for number in (109, 110, 111)] == [True, False, False]
    assert not _dump_text.Sequence("", 5, cycles=True, next=1).is_behind(2)
    assert not _dump_text.Sequence("", 5, cycles=False).is_behind(2)


# -------------------------------------------------------------------------------------------------------- history

HISTORY = RECORDED.with_name("mariadb-10.11.19.history.sql")  # dumped with --dump-history, loaded, dumped again: equal


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("decoded", [False, True])
def test_former_rows_of_system_versioned_tables_count_and_are_not_decoded(size: int, decoded: bool) -> None:
    taken: dict[str, list[tuple[bytes | None, ...]]] = {}
    reader = _dump_text.Reader(
        lambda _table: ("v", "id") if decoded and _table.name != "empty" else (),
        lambda table, row: taken.setdefault(table.name, []).append(row),
    )
    text = HISTORY.read_bytes()
    for start in range(0, len(text), size):
        reader.feed(text[start : start + size])
    assert reader.problems() == []
    tables = reader.schemas["history"].tables
    counted = {name: table.rows for name, table in tables.items()}
    assert counted == {"declared": 2, "empty": 0, "hidden": 5, "partitioned": 2, "plain": 2}
    assert {name for name, table in tables.items() if table.row_end} == {"declared"}
    assert not decoded or taken == {
        "declared": [(b"y", b"2")],
        "hidden": [(b"a3", b"1"), (b"b, row_start", b"2")],
        "partitioned": [(b"2", b"1")],
        "plain": [(b"a", b"1"), (b"b", b"2")],
    }


def test_rows_in_an_unknown_layout_are_never_passed_over() -> None:
    text = HISTORY.read_bytes().replace(b"row_start, row_end)", b"since, until)")
    with pytest.raises(BackupError, match=r"rows in an unknown layout.*INSERT INTO `hidden`"):
        _dump_text.Reader().feed(text)


def test_a_dump_that_does_not_say_of_which_server_it_is_proves_nothing() -> None:
    text = RECORDED.read_bytes()
    assert read(text.replace(b"-- Server version", b"-- Server"))[0].problems() == [
        "the text has no '-- Server version' line"
    ]


def test_what_comes_behind_the_trailer_is_no_whole_statement() -> None:
    assert read(RECORDED.read_bytes() + b"DROP TABLE `t`")[0].problems() == ["the text ends inside a statement"]


def test_a_string_that_does_not_end_hides_no_row() -> None:
    with pytest.raises(BackupError, match=r"s\.t in the dump are not laid out as expected"):
        read(HEAD + b"INSERT INTO `t` VALUES (1,NULL,'),(2,NULL,);\n" + TAIL)
