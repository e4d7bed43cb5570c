# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _status

NOW = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)


def dataset(name: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "files": 12, "bytes": 1536, "deduplicated_size": 300, **more}


def point(identifier: str = "20261123T023000Z-77b0aa", **more: t.Any) -> dict[str, t.Any]:
    return {
        "point": identifier,
        "state": "complete",
        "sealed": "2026-11-23T03:00:00Z",
        "datasets": [dataset("database"), dataset("blobs", files=100000, bytes=5 << 30)],
        "missing": [],
        "problems": [],
        "dump_set": {"rows": 1234},
        **more,
    }


def run(**more: t.Any) -> dict[str, t.Any]:
    return {
        "run_id": "20261123T023000Z-77b0aa",
        "job": "backup",
        "state": "success",
        "started": "2026-11-23T02:30:00Z",
        "seconds": 1800.0,
        "message": "backup good",
        **more,
    }


def lines(points: t.Sequence[t.Any] = (), runs: t.Sequence[t.Any] = (), **more: t.Any) -> list[str]:
    sources = [{"source": "tatchu", "points": list(points), "unreadable": more.pop("unreadable", [])}]
    return _status.lines({"server": "loki", "sources": sources, "runs": list(runs), "unreadable_runs": [], **more}, NOW)


def test_the_whole_status() -> None:
    partial = point(
        "20261122T023000Z-000000",
        state="partial",
        sealed="2026-11-22T03:00:00Z",
        datasets=[dataset("blobs", files=9)],
        missing=[{"dataset": "database", "reason": "no dump"}],
        problems=["database is missing: no dump"],
        dump_set=None,
    )
    assert lines([partial, point()], [run(), run(state="running", seconds=None, message="")]) == [
        "Recovery points of tatchu on loki: the newest complete one is 5 h old.",
        "  RECOVERY POINT           STATE     SEALED (UTC)       AGE  DATASET     FILES     SIZE  ADDED  DUMP ROWS",
        "  20261123T023000Z-77b0aa  complete  2026-11-23 03:00   5 h  database       12  1.5 KiB  300 B       1234",
        "                                                             blobs      100000  5.0 GiB  300 B",
        "  20261122T023000Z-000000  partial   2026-11-22 03:00  29 h  blobs           9  1.5 KiB  300 B",
        "                                                             database  missing",
        "20261122T023000Z-000000: database is missing: no dump.",
        "",
        "Last runs on loki",
        "  RUN                      JOB     STATE    STARTED (UTC)                  TOOK  MESSAGE",
        "  20261123T023000Z-77b0aa  backup  success  2026-11-23 02:30             30 min  backup good",
        "  20261123T023000Z-77b0aa  backup  running  2026-11-23 02:30  5 h 30 min so far",
    ]


def test_nothing_yet_is_said_plainly_with_what_to_do() -> None:
    assert lines() == [
        "Recovery points of tatchu on loki: there is none. Run the playbook labops.backup.backup, "
        "or wait for the night.",
        "",
        "Last runs on loki",
        "No run is recorded yet.",
    ]
    assert lines(sources=[])[0] == "loki protects no source: no host names it as its backup_server."


def test_partial_points_alone_are_no_comfort() -> None:
    assert "none is complete" in lines([point(state="partial")])[0]


def test_a_died_run_has_no_length() -> None:
    assert lines(runs=[run(state="died", seconds=None, message="gone")])[-1].split()[-2:] == ["-", "gone"]


def test_without_a_pull_the_archive_s_own_figures_are_shown() -> None:
    only_archived = {"name": "blobs", "nfiles": 7, "original_size": 2048}
    row = lines([point(datasets=[only_archived], dump_set={"rows": None})])[2]
    assert row.split()[-6:] == ["blobs", "7", "2.0", "KiB", "-", "-"]


def test_columns_line_up_under_wide_and_combining_characters() -> None:
    names = ["ascii", "脳波", "e\u0301te\u0301"]
    rows = lines([point(datasets=[dataset(name) for name in names])])[2:5]
    assert len({_status.width(row[: row.index(" 12 ")]) for row in rows}) == 1
    assert (_status.width("脳波"), _status.width("e\u0301")) == (4, 1)


def test_names_cannot_talk_to_the_terminal() -> None:
    text = "\n".join(
        lines(
            [point(datasets=[dataset("a\x1b[2Jb")], problems=["bad\u202ename \udcff"])],
            [run(message="two\nlines")],
            unreadable=[{"point": "x", "reason": "\x07"}],
            unreadable_runs=[{"path": "/l/\x9b.json", "reason": "broken"}],
        )
    )
    assert not [character for character in text if ord(character) < 32 and character != "\n"]
    for escaped in ("a\\x1b[2Jb", "bad\\u202ename \\xff", "two\\x0alines", "Unreadable: x: \\x07", "/l/\\x9b.json"):
        assert escaped in text


def test_no_line_ends_in_blanks() -> None:
    assert [line for line in lines([point()], [run(message="")]) if line != line.rstrip()] == []


def test_a_seal_from_the_future_says_so() -> None:
    assert "in the future" in lines([point(sealed="2026-11-24T00:00:00Z")])[2]


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(BackupError, match="'2026-11-23T03:00:00' is not a time with a zone"):
        lines([point(sealed="2026-11-23T03:00:00")])
