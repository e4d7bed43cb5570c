# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _status


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


def server(points: t.Sequence[t.Any] = (), runs: t.Sequence[t.Any] = (), **more: t.Any) -> dict[str, t.Any]:
    source = {
        "source": "tatchu",
        "problem": more.pop("source_problem", ""),
        "points": list(points),
        "unreadable": more.pop("unreadable", []),
        "quarantines": more.pop("quarantines", []),
    }
    rest = {
        "working": [],
        "working_problem": "",
        "holds": [],
        "holds_problem": "",
        "runs": list(runs),
        "unreadable_runs": [],
    }
    return {"server": "loki", "problem": "", "sources": [source], **rest, **more}


def lines(*arguments: t.Any, **more: t.Any) -> list[str]:
    return _status.lines({"generated": "2026-11-23T08:00:00Z", "servers": [server(*arguments, **more)]})


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
        "  RECOVERY POINT           STATE    SEALED (UTC)       AGE  DATASET     FILES     SIZE  ADDED  DUMP ROWS",
        "  20261123T023000Z-77b0aa  sealed   2026-11-23 03:00   5 h  database       12  1.5 KiB  300 B       1234",
        "                                                            blobs      100000  5.0 GiB  300 B",
        "  20261122T023000Z-000000  partial  2026-11-22 03:00  29 h  blobs           9  1.5 KiB  300 B",
        "                                                            database  missing",
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
        "No run is recorded on loki yet.",
    ]


def test_partial_points_alone_are_no_comfort() -> None:
    assert "none is complete" in lines([point(state="partial")])[0]


def test_dumps_that_nobody_proved_are_told_with_the_point_that_holds_them() -> None:
    text = lines([point(datasets=[dataset("database", unproven=["2019.sql.gz", "old"]), dataset("blobs")])])
    assert "20261123T023000Z-77b0aa: database holds unproven 2019.sql.gz, old." in text


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
            unreadable_runs=[{"path": "/l/x.json", "reason": "/l/\x9b.json is broken"}],
        )
    )
    assert not [character for character in text if ord(character) < 32 and character != "\n"]
    for escaped in ("a\\x1b[2Jb", "bad\\u202ename \\xff", "two\\x0alines", "Unreadable: x: \\x07", "/l/\\x9b.json"):
        assert escaped in text


def test_no_line_ends_in_blanks() -> None:
    assert [line for line in lines([point()], [run(message="")]) if line != line.rstrip()] == []


def test_a_seal_from_the_future_says_so() -> None:
    assert "in the future" in lines([point(sealed="2026-11-24T00:00:00Z")])[2]


def test_a_point_that_is_dated_in_the_future_is_not_the_newest_good_one() -> None:
    late = point("20271122T023000Z-000000", sealed="2027-11-22T03:00:00Z")
    text = lines([point(), late])
    assert "the newest complete one is" in text[0] and "future" not in text[0]
    (told,) = [line for line in text if line.startswith(late["point"])]
    assert "dated in the future" in told and "recovery_point_mark" in told
    assert "those that are complete are dated in the future" in lines([late])[0]


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(BackupError, match="'2026-11-23T03:00:00' is not a time with a zone"):
        lines([point(sealed="2026-11-23T03:00:00")])


def test_what_could_not_be_read_is_said_where_it_would_stand() -> None:
    assert lines(source_problem="there is no repository.")[0] == (
        "Recovery points of tatchu on loki: they could not be read: there is no repository."
    )
    unreachable = server(problem="Connection timed out")
    status = {"generated": "2026-11-23T08:00:00Z", "servers": [unreachable, server(runs=[run()])]}
    assert _status.lines(status)[:2] == ["loki could not be asked: Connection timed out", ""]
    assert len(_status.lines(status)) == 7


PLAN = [
    {"name": "tatchu", "server": "loki"},
    {"name": "other", "server": "loki"},
    {"name": "far", "server": "thor"},
]


def variables(**change: t.Any) -> dict[str, t.Any]:
    return {
        "backup_plan": PLAN,
        "status_runs": {"runs": [run()], "unreadable": []},
        "status_points": {
            "results": [
                {"item": PLAN[0], "points": [point()], "unreadable": []},
                {"item": PLAN[1], "points": [], "unreadable": []},
            ]
        },
        "status_holds": {"holds": []},
        **change,
    }


def test_the_document_holds_each_server_with_its_own_sources() -> None:
    status = _status.document({"loki": variables()}, ["loki"], "2026-11-23T08:00:00Z")
    assert (status["schema_version"], status["ok"], status["problems"]) == (1, True, [])
    (loki,) = status["servers"]
    assert [source["source"] for source in loki["sources"]] == ["tatchu", "other"]
    assert (loki["sources"][0]["points"], loki["runs"]) == ([point()], [run()])
    assert len(_status.lines(status)) > 5


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"status_runs": {"unreachable": True, "msg": "no route"}, "status_points": {}}, "loki: no route"),
        ({"status_runs": {"unreachable": True, "msg": ""}, "status_points": {}}, "loki: it gave no answer"),
        (
            {"status_runs": {"runs": [], "unreadable": [{"path": "/l/x.json", "reason": "/l/x.json is broken"}]}},
            "loki: /l/x.json is broken",
        ),
        (
            {
                "status_points": {
                    "results": [{"item": PLAN[0], "msg": "locked"}, {"item": PLAN[1], "points": [], "unreadable": []}]
                }
            },
            "recovery points of tatchu on loki: locked",
        ),
        (
            {
                "status_points": {
                    "results": [
                        {"item": PLAN[0], "points": [], "unreadable": [{"point": "p", "reason": "damaged"}]},
                        {"item": PLAN[1], "points": [], "unreadable": []},
                    ]
                }
            },
            "recovery points of tatchu on loki: p: damaged",
        ),
        ({"status_holds": {"msg": "/h/tatchu.json is broken"}}, "holds on loki: /h/tatchu.json is broken"),
    ],
)
def test_a_status_that_lacks_something_is_not_ok(change: dict[str, t.Any], problem: str) -> None:
    status = _status.document({"loki": variables(**change)}, ["loki"], "2026-11-23T08:00:00Z")
    assert (status["ok"], status["problems"]) == (False, [problem])
    assert _status.lines(status)


# ------------------------------------------------------------------------------------------------------ quarantines


def quarantine(**more: t.Any) -> dict[str, t.Any]:
    return {
        "dataset": "blobs",
        "problem": "",
        "runs": 0,
        "files": 0,
        "bytes": 0,
        "oldest": None,
        "unproven": [],
        **more,
    }


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (quarantine(), "empty."),
        (
            quarantine(runs=3, files=12, bytes=1536, oldest="20261113T080000Z-77b0aa"),
            "12 files, 1.5 KiB of 3 runs, the oldest 10 d old.",
        ),
        (
            quarantine(
                runs=1, files=1, bytes=1, oldest="20261123T070000Z-77b0aa", unproven=["20261123T070000Z-77b0aa"]
            ),
            "1 files, 1 B of 1 runs, the oldest 60 min old; "
            "no archive is known to hold what 20261123T070000Z-77b0aa took away.",
        ),
        (quarantine(problem="not\x07there"), "it could not be read: not\\x07there"),
    ],
)
def test_a_quarantine_is_one_line(one: dict[str, t.Any], line: str) -> None:
    line = line.replace("60 min", "1 h")
    assert lines([point()], quarantines=[one])[4] == f"Quarantine of tatchu/blobs: {line}"


def test_what_quarantine_info_said_becomes_part_of_the_status() -> None:
    waiting = {"run_id": "20261123T023000Z-77b0aa", "problem": ""}
    older = {"run_id": "20261101T023000Z-000001", "problem": "it has no quarantine.json"}
    results = [
        {"item": {"source": "tatchu", "name": "blobs"}, "runs": [waiting], "files": 2, "bytes": 3, "unproven": []},
        {"item": {"source": "tatchu", "name": "data"}, "runs": [waiting, older], "unproven": ["x"]},
        {"item": {"source": "tatchu", "name": "raw"}, "msg": "permission denied"},
    ]
    variables = {
        "backup_plan": [{"name": "tatchu", "server": "loki"}],
        "status_runs": {"runs": []},
        "status_points": {"results": [{"item": {"name": "tatchu"}, "points": []}]},
        "status_quarantines": {"results": results},
        "status_holds": {"holds": []},
    }
    document = _status.document({"loki": variables}, ["loki"], "2026-11-23T08:00:00Z")
    blobs, data, raw = document["servers"][0]["sources"][0]["quarantines"]
    assert blobs == quarantine(runs=1, files=2, bytes=3, oldest=waiting["run_id"])
    assert (data["oldest"], data["unproven"]) == (older["run_id"], ["x"])
    assert raw["problem"] == "permission denied"
    assert (document["ok"], document["problems"]) == (
        False,
        [
            "quarantine of tatchu/data on loki: it has no quarantine.json",
            "quarantine of tatchu/raw on loki: permission denied",
        ],
    )


# ------------------------------------------------------------------------------------------------------------ holds


def test_what_works_is_shown_with_how_far_it_is() -> None:
    pull = {"what": "pull of tatchu/blobs", "since": "2026-11-23T07:15:02Z", "bytes": 2**30, "total_bytes": 4 * 2**30}
    pull |= {"files": 12, "total_files": 50, "bytes_per_second": 2**20, "seconds_left": 3072.0}
    odd = {"what": "load \x1b[2J", "since": "2026-11-23T07:59:58Z", "bytes": 0, "total_bytes": 0}
    found = variables(status_working={"working": [pull, odd]})
    status = _status.document({"loki": found}, ["loki"], "2026-11-23T08:00:00Z")
    assert _status.lines(status)[:4] == [
        "At work on loki",
        "  pull of tatchu/blobs, for 45 min: 25% of 4.0 GiB, 12 of 50 files, 1.0 MiB/s, about 51 min left",
        "  load \\x1b[2J, for 2.0 s",
        "",
    ]


def test_what_could_not_be_looked_at_is_not_nothing_at_work() -> None:
    found = variables(status_working={"failed": True, "msg": "no room"})
    status = _status.document({"loki": found}, ["loki"], "2026-11-23T08:00:00Z")
    assert (status["ok"], status["problems"]) == (False, ["work on loki: no room"])


def test_a_hold_is_said_before_all_else() -> None:
    hold = {"source": "tatchu", "incident": "i\x07", "since": "2026-11-23T07:15:02Z", "reason": "blobs gone"}
    status = _status.document({"loki": variables(status_holds={"holds": [hold]})}, ["loki"], "2026-11-23T08:00:00Z")
    assert (status["ok"], status["servers"][0]["holds"]) == (True, [hold])
    assert _status.lines(status)[:2] == [
        "HOLD: no backup of tatchu since 2026-11-23 07:15 UTC, because of the incident i\\x07 (blobs gone). "
        "Run restore.yml with the tag release when it is over.",
        "",
    ]


@pytest.mark.parametrize("state", ["checked", "proven", "suspect"])
def test_what_became_of_a_point_is_shown(state: str) -> None:
    assert f"  {state}  2026" in lines([point(state=state)])[2]
