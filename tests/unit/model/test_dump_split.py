# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _dump_split, _dump_text

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
RECORDED = (FIXTURES / "mariadb-10.11.19.databases.sql").read_bytes()
RECORDED_MYSQL = (FIXTURES / "mysql-9.7.4.databases.sql").read_bytes()
ALL = ("lab_core", "lab_imaging", "odd`name")
LOCKS = re.compile(rb"^(?:LOCK TABLES `.*` WRITE|UNLOCK TABLES);\n", re.MULTILINE)


def split(text: bytes, chosen: t.Collection[str], step: int = 1 << 16, before: bytes = b"") -> bytes:
    splitter = _dump_split.Splitter(chosen, before)
    pieces = [splitter.feed(text[start : start + step]) for start in range(0, len(text), step)]
    return b"".join([*pieces, splitter.finish()])


def read(text: bytes) -> _dump_text.Reader:
    reader = _dump_text.Reader()
    reader.feed(text)
    assert reader.problems() == []
    return reader


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 16])
@pytest.mark.parametrize("recorded", [RECORDED, RECORDED_MYSQL])
def test_all_schemas_together_are_the_whole_text(recorded: bytes, step: int) -> None:
    assert len(LOCKS.findall(recorded)) > 20
    assert split(recorded, ALL, step) == LOCKS.sub(b"", recorded)


def test_what_looks_like_a_lock_in_rows_and_bodies_stays() -> None:
    body = b"DELIMITER ;;\nCREATE PROCEDURE p()\nBEGIN\nLOCK TABLES `t` WRITE;\nUNLOCK TABLES;\nEND ;;\nDELIMITER ;\n"
    rows = b"INSERT INTO `t` VALUES\n(1,'\\nLOCK TABLES `t` WRITE;\\n'),\n(2,'UNLOCK TABLES;');\n"
    head = b"-- Server version\t10.11\n-- Current Database: `s`\n--\n"
    for step in (1, 4, 1 << 16):
        locked = head + b"UNLOCK TABLES;\n" + b"LOCK TABLES `a``b` WRITE;\n" + rows + b"UNLOCK TABLES;\n" + body
        assert split(locked, ["s"], step) == head + b"UNLOCK TABLES;\n" + rows + body


@pytest.mark.parametrize("recorded", [RECORDED, RECORDED_MYSQL])
@pytest.mark.parametrize("chosen", ALL)
def test_one_schema_is_a_whole_dump_of_it_and_of_nothing_else(recorded: bytes, chosen: str) -> None:
    whole = read(recorded)
    for step in (3, 1 << 16):
        text = split(recorded, [chosen], step)
        alone = read(text)
        assert list(alone.schemas) == [chosen]
        assert alone.schemas[chosen].tables == whole.schemas[chosen].tables
        assert alone.schemas[chosen].views == whole.schemas[chosen].views
        assert alone.schemas[chosen].code == whole.schemas[chosen].code
        assert text.startswith(recorded[: recorded.index(b"-- Current Database")])
        assert text.endswith(recorded[recorded.index(b"/*!40103 SET TIME_ZONE=@OLD") :])


def test_views_at_the_end_come_along() -> None:
    text = split(RECORDED, ["lab_core"])
    assert text.count(b"VIEW `vdef` AS select") == 1
    assert text.count(b"USE `lab_core`;") == 2
    assert b"we``ird" not in text


def test_statements_come_once_behind_the_head_even_when_the_first_schema_is_not_chosen() -> None:
    text = split(RECORDED, ["odd`name"], 5, b"DROP DATABASE x;\n")
    assert text.count(b"DROP DATABASE x;\n") == 1
    assert text.index(b"FOREIGN_KEY_CHECKS=0") < text.index(b"DROP DATABASE x;") < text.index(b"CREATE DATABASE")


def test_a_mark_in_a_body_or_in_a_row_is_no_mark() -> None:
    trap = b"\n-- Current Database: `other`\n"
    body = b"DELIMITER ;;\nCREATE PROCEDURE p()\nBEGIN\nSET @a = '" + trap + b"DELIMITER ;\n';\nEND ;;\nDELIMITER ;\n"
    head = b"-- Server version\t8.0.36\n\n--\n"
    section = b"-- Current Database: `s`\n--\n"
    rows = b"INSERT INTO `t` VALUES (1,'\\n-- Current Database: `other`\\n;'),(2,'x');\n"
    other = b"-- Current Database: `other`\n--\nCREATE TABLE x\n"
    tail = b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n-- Dump completed\n"
    for step in (1, 4, 1 << 16):
        assert split(head + section + body + rows + other + tail, ["s"], step) == head + section + body + rows + tail
        assert split(head + section + body + rows + other + tail, ["other"], step) == head + other + tail


def test_what_the_text_has_is_known_and_a_missing_last_line_feed_is_kept() -> None:
    splitter = _dump_split.Splitter(["lab_core"])
    splitter.feed(RECORDED)
    assert splitter.found == set(ALL)
    assert split(RECORDED[:-1], ["lab_core"]).endswith(b"-- Dump completed")


def test_memory_is_bounded() -> None:
    with pytest.raises(BackupError, match="longer than"):
        splitter = _dump_split.Splitter(["s"])
        for _number in range(70):
            splitter.feed(b"x" * (1 << 20))
