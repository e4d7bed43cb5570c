# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import stat
import typing as t
from collections import Counter

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _drill

POINTS = [f"202611{day:02}T023000Z-77b0aa" for day in range(10, 24)]
NOW = "2026-11-23T12:00:00Z"


def point(identifier: str, state: str = "complete", **more: t.Any) -> dict[str, t.Any]:
    datasets = [{"name": "blobs", "archive_id": f"blobs {identifier}"}]
    return {"point": identifier, "state": state, "datasets": datasets, "marks": [], **more}


def read(*drills: dict[str, t.Any]) -> dict[str, t.Any]:
    text = json.dumps({"schema_version": 1, "source": "tatchu", "drills": drills, "coverage": {}})
    return {"content": base64.b64encode(text.encode()).decode(), "source": "/drills"}


def choose(points: list[dict[str, t.Any]], *drills: dict[str, t.Any], seed: str = "s", wanted: str = "") -> t.Any:
    return _drill.drill_choice(points, read(*drills), seed, wanted, 48, NOW)


def test_the_same_seed_gives_the_same_point_and_old_ones_come_more_often() -> None:
    points = [point(one) for one in POINTS]
    assert choose(points)["point"] == choose(list(reversed(points)))["point"]
    chosen = Counter(choose(points, seed=f"seed{n}")["point"]["point"] for n in range(600))
    assert len(chosen) == len(POINTS)
    assert chosen[POINTS[0]] > 3 * chosen[POINTS[-1]]


def test_what_was_proven_least_often_comes_first() -> None:
    points = [point(one) for one in POINTS[:3]]
    drills = [{"point": POINTS[0], "ok": True}, {"point": POINTS[1], "ok": False}, {"point": POINTS[2], "ok": True}]
    assert {choose(points, *drills, seed=f"{n}")["point"]["point"] for n in range(20)} == {POINTS[1]}


def test_a_suspect_point_is_taken_by_name_only_and_that_is_said() -> None:
    points = [point(POINTS[0], "suspect"), point(POINTS[-1])]
    assert {choose(points, seed=f"{n}")["point"]["point"] for n in range(20)} == {POINTS[-1]}
    named = choose(points, wanted=POINTS[0])
    assert named["point"]["point"] == POINTS[0] and "is suspect" in named["notes"][0] and named["finding"] == ""
    alone = choose(points[:1], wanted=POINTS[0])
    assert alone["finding"] == "there is no complete recovery point that is not suspect"
    with pytest.raises(BackupError, match="there is no recovery point nosuch"):
        choose(points, wanted="nosuch")
    with pytest.raises(BackupError, match="no complete recovery point"):
        choose(points[:1])
    with pytest.raises(BackupError, match="drill_seed is 'a b'"):
        choose(points, seed="a b")


def test_a_newest_point_that_is_too_old_is_a_finding() -> None:
    assert choose([point(POINTS[-1])])["finding"] == ""
    assert "is 82 h old" in choose([point(POINTS[-4]), point(POINTS[-1], "suspect")])["finding"]


def test_a_proof_whose_record_was_lost_with_the_server_still_counts() -> None:
    """Of a point its mark says so, which lies in the repository."""
    proven = {**point(POINTS[0]), "marks": [{"mark": "proven"}]}
    other = {**point(POINTS[-1]), "marks": [{"mark": "checked"}]}
    for seed in "abcdefgh":
        assert _drill.drill_choice([proven, other], read(), seed, "", 10**6, NOW)["point"]["point"] == POINTS[-1]


def test_a_point_from_the_future_is_not_chosen_and_hides_no_old_one() -> None:
    late = point("29991123T023000Z-77b0aa")
    found = choose([point(POINTS[0]), late])
    assert found["point"]["point"] == POINTS[0] and f"{POINTS[0]}, is " in found["finding"]
    assert choose([point(POINTS[0]), late], wanted=late["point"])["point"] == late
    with pytest.raises(BackupError, match="not suspect or dated in the future"):
        choose([late])


def test_a_point_from_before_a_key_table_is_rehearsed_with_those_it_has() -> None:
    points = [point(POINTS[0]), point(POINTS[-1])]
    history = [
        {"point": POINTS[-1], "missing_key_tables": []},
        {"point": POINTS[0], "missing_key_tables": ["lab_ephys.rig"]},
    ]
    chosen = _drill.drill_choice(points, read(), "s", POINTS[0], 48, NOW, history)
    assert chosen["missing_key_tables"] == ["lab_ephys.rig"] and chosen["finding"] == ""
    assert chosen["notes"] == [f"backup_key_tables names lab_ephys.rig, which {POINTS[0]} does not have"]


def test_a_key_table_that_the_newest_point_lacks_is_a_finding() -> None:
    history = [{"point": POINTS[-1], "missing_key_tables": ["lab_ephys.rgi"]}]
    chosen = _drill.drill_choice([point(POINTS[-1])], read(), "s", "", 48, NOW, history)
    assert f"{POINTS[-1]}, has no table lab_ephys.rgi, which backup_key_tables names" in chosen["finding"]
    bare = [{"point": POINTS[-1], "missing_key_tables": None}]
    assert _drill.drill_choice([point(POINTS[-1])], read(), "s", "", 48, NOW, bare)["finding"] == ""


@pytest.mark.parametrize(
    ("said", "dump", "message"),
    [
        ("", {"engine": "mariadb", "version": "10.11.19"}, "no MariaDB server program on loki"),
        (
            "mariadbd  Ver 10.6.2-MariaDB for debian",
            {"engine": "mariadb", "version": "10.11.19"},
            "older than the 10.11",
        ),
        ("mysqld  Ver 10.11.6-MariaDB-0+deb12u1", {"engine": "mysql", "version": "9.7.4"}, "no MySQL server program"),
        ("mariadbd  Ver 8.0.36 for Linux", {"engine": "mariadb", "version": "10.11.6"}, "no MariaDB server program"),
        (
            "mysqld  Ver 8.0.36-28 for Linux",
            {"engine": "mysql", "version": "8.4.1"},
            "MySQL 8.0, which is older than the",
        ),
    ],
)
def test_an_engine_that_cannot_take_the_dump(said: str, dump: dict[str, str], message: str) -> None:
    with pytest.raises(BackupError, match=message) as caught:
        _drill.drill_engine(dump, said, "loki")
    assert caught.value.remedy and "Nothing was restored" in caught.value.message


def test_an_engine_that_can() -> None:
    said = "mariadbd  Ver 11.8.3-MariaDB-1 for debian-linux-gnu on x86_64 (Debian)"
    assert _drill.drill_engine({"engine": "mariadb", "version": "10.11.19-MariaDB"}, said, "loki") == "MariaDB 11.8"
    said = "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"
    assert _drill.drill_engine({"engine": "mysql", "version": "8.0.36-28"}, said, "loki") == "MySQL 9.7"
    assert _drill.drill_engine(None, "", "loki") == ""


def test_too_little_room_is_refused() -> None:
    dump = {"datasets": [{"name": "database", "original_size": 100}, {"name": "blobs", "original_size": 7000}]}
    space = {"path": "/scratch", "free_bytes": 310}
    assert _drill.drill_room(dump, "database", 10, space) == 310
    with pytest.raises(BackupError, match=r"/scratch has 310 .* free, and the drill needs"):
        _drill.drill_room(dump, "database", 11, space)


def entry(name: str, size: int = 10, age_years: int = 0) -> tuple[bytes, _content.Entry]:
    mtime = 2_000_000_000_000_000_000 - age_years * 366 * 86400 * 10**9
    path = name.encode()
    return path, _content.Entry(b"0" * 64, b".", stat.S_IFREG | 0o644, 0, 0, size, mtime, 0, 0, path.split(b"/")[-1])


def draw(
    entries: list[tuple[bytes, _content.Entry]], limit: int, seed: str = "s", proven: t.Container[bytes] = ()
) -> list[bytes]:
    sample = _drill.Draw(seed, limit, 2_000_000_000_000_000_000)
    for path, one in entries:
        sample.count(path, one, proven=path in proven)
    for path, one in entries:
        sample.offer(path, one, proven=path in proven)
    return sample.drawn(10**12)[0]


def test_a_sample_takes_from_every_stratum() -> None:
    entries = [entry(f"raw/day{n // 100}/file{n:04}.dat") for n in range(1000)]
    entries += [entry("raw/day1/notes.txt"), entry("odd/one.dat"), entry("raw/day1/big.dat", 10**9)]
    entries += [entry("raw/day1/ancient.dat", age_years=5)]
    drawn = draw(entries, 30)
    assert len(drawn) == 30 and drawn == sorted(drawn, key=_content.place)
    assert {b"raw/day1/notes.txt", b"odd/one.dat", b"raw/day1/big.dat", b"raw/day1/ancient.dat"} <= set(drawn)
    assert all(any(path.startswith(b"raw/day%d/" % day) for path in drawn) for day in range(10))
    assert draw(entries, 30) == drawn and draw(entries, 30, "other") != drawn


def test_a_sample_takes_what_was_never_proven_first_until_all_is() -> None:
    entries = [entry(f"raw/a/file{n:02}.dat") for n in range(30)]
    proven: set[bytes] = set()
    for turn in range(3):
        drawn = set(draw(entries, 10, f"turn {turn}", proven))
        assert len(drawn) == 10 and not drawn & proven
        proven |= drawn
    assert len(proven) == 30


def test_a_sample_keeps_to_its_bytes() -> None:
    sample = _drill.Draw("s", 50, 0)
    entries = [entry(f"raw/a/file{n:02}.dat", 100) for n in range(50)]
    for path, one in entries:
        sample.count(path, one, proven=False)
    for path, one in entries:
        sample.offer(path, one, proven=False)
    paths, size = sample.drawn(950)
    assert (len(paths), size, sample.files, sample.bytes) == (9, 900, 50, 5000)


def test_coverage_counts_what_was_ever_proven() -> None:
    points = [point(one) for one in POINTS[:3]]
    points[1]["marks"] = [{"mark": "proven"}]
    points.append(point(POINTS[3], "partial"))
    evidence = _drill.with_drill({}, "tatchu", {"point": POINTS[2], "ok": True}, points)
    assert evidence["coverage"] == {
        "points_total": 3,
        "points_proven": 2,
        "archives_total": 3,
        "archives_proven": 2,
        "oldest_unproven_point": POINTS[0],
    }
    evidence = _drill.with_drill(evidence, "tatchu", {"point": POINTS[0], "ok": False}, points)
    assert evidence["coverage"]["points_proven"] == 2 and [one["ok"] for one in evidence["drills"]] == [False, True]


def looped(*turns: dict[str, t.Any]) -> dict[str, t.Any]:
    """What Ansible keeps of a task in a loop that failed."""
    return {"msg": "One or more items failed", "failed": True, "results": list(turns)}


def test_what_is_found_is_told_from_what_stood_in_the_way() -> None:
    drill = {"source": "tatchu", "finding": ""}
    good = _drill.drill_result(drill, "", {})
    assert (good["ok"], good["finding"], good["problem"], good["touches_point"]) == (True, "", "", False)
    found = _drill.drill_result(drill, "Take the sample out of its archive", {"msg": "other bytes", "problems": []})
    assert found["touches_point"] and found["finding"].endswith("other bytes") and not found["problem"]
    damaged = {"msg": "other bytes", "msgid": "IntegrityError", "found": True}
    assert _drill.drill_result(drill, "Take the sample out of its archive", damaged)["touches_point"]
    words = ("LockTimeout", "LockFailed", "NoSpace", "PassphraseWrong", "NoPassphraseFailure")
    others = ({"kind": "gave_way"}, {"needed": 5}, {"refusals": []}, {"errno": 28}, {"unreachable": True})
    # Borg that was killed by the kernel, or came to a disk that is gone.
    others = (*others, {"msgid": "", "rc": -9, "found": False}, {"msgid": "Repository.DoesNotExist", "found": False})
    for result in (*({"msgid": word} for word in words), *others):
        alone = {"msg": "no", **result}
        for told in (alone, looped({"msg": "well"}, {"failed": True, **alone})):
            stood = _drill.drill_result(drill, "Take the sample out of its archive", told)
            assert not stood["touches_point"] and not stood["finding"]
            assert stood["problem"] == "Take the sample out of its archive: no"
    turn = _drill.drill_result(
        drill, "Take the sample out of its archive", looped({"failed": True, "msg": "other bytes"})
    )
    assert turn["touches_point"] and turn["finding"].endswith("other bytes")
    old = _drill.drill_result({**drill, "finding": "too old"}, "", {})
    assert not old["ok"] and not old["touches_point"] and old["finding"] == "too old"


def test_a_task_that_says_nothing_about_the_point_is_no_finding() -> None:
    stood = _drill.drill_result({"source": "tatchu"}, "Start the throwaway instance", {})
    assert stood["problem"] == "Start the throwaway instance: it failed without a message"
    assert (stood["ok"], stood["finding"], stood["touches_point"]) == (False, "", False)


@pytest.mark.parametrize("drills", [7, [7], [{}]])
def test_evidence_that_is_none_is_refused(drills: t.Any) -> None:
    text = json.dumps({"schema_version": 1, "drills": drills})
    with pytest.raises(BackupError, match="/drills does not hold the evidence of drills"):
        _drill.drills_of({"content": base64.b64encode(text.encode()).decode(), "source": "/drills"})


def test_evidence_of_another_release_is_refused() -> None:
    for text in ('{"schema_version": 7, "drills": []}', "[]", "{"):
        with pytest.raises(BackupError, match="does not hold the evidence of drills"):
            _drill.drills_of({"content": base64.b64encode(text.encode()).decode()})


def test_rates_of_drills_that_passed() -> None:
    drills = [{"point": "a", "ok": True, "rates": {"load": rate, "extract": 7}} for rate in (10, 30, 20)]
    drills.append({"point": "a", "ok": False, "rates": {"load": 1000}})
    drills.append({"point": "a", "ok": True, "rates": {"load": 0}})  # it was over before a clock could tell
    assert _drill.drill_rates(read(*drills)) == {"extract": 7, "load": 20}
    assert _drill.drill_rates({}) == _drill.drill_rates({"content": "eyJ9"}) == {}


def test_the_verdict_names_every_source() -> None:
    plan = [{"name": "tatchu", "server": "loki"}, {"name": "meg", "server": "loki"}]
    hosts = {"loki": {"drill_results": [{"source": "tatchu", "ok": True, "drill": {"point": POINTS[0], "seed": "s"}}]}}
    verdict = _drill.drill_verdict(hosts, plan, "20261203T120000Z-77b0aa")
    assert verdict["title"].startswith("drill FAILED: meg (run") and not verdict["ok"]
    assert [one["ok"] for one in verdict["outcomes"]] == [True, False]
    assert f"  recovery point {POINTS[0]}, seed s" in verdict["lines"]
    assert "  could not be held: no drill was begun" in verdict["lines"]


def test_what_was_found_is_told_beside_what_stood_in_the_way() -> None:
    plan = [{"name": "tatchu", "server": "loki"}]
    result = {"source": "tatchu", "ok": False, "finding": "line 7 is damaged", "problem": "the disk is full"}
    verdict = _drill.drill_verdict({"loki": {"drill_results": [result]}}, plan, "x")
    assert [one["message"] for one in verdict["outcomes"]] == ["line 7 is damaged; the disk is full"]


def test_each_server_is_judged_by_its_own_sources_and_may_have_failed_as_a_whole() -> None:
    plan = [{"name": "tatchu", "server": "loki"}, {"name": "meg", "server": "thor"}]
    good = [{"source": name, "ok": True, "drill": {"point": POINTS[0], "seed": "s"}} for name in ("tatchu", "meg")]
    hosts: dict[str, t.Any] = {"loki": {"drill_results": good[:1]}, "thor": {"drill_results": good[1:]}}
    verdict = _drill.drill_verdict(hosts, plan, "x")
    assert verdict["ok"] and [one["source"] for one in verdict["outcomes"]] == ["tatchu", "meg"]
    hosts["thor"]["drill_problem"] = "the releases differ"
    verdict = _drill.drill_verdict(hosts, plan, "x")
    assert not verdict["ok"] and verdict["title"] == "drill FAILED: thor (run x)"
    assert "thor: the releases differ" in verdict["lines"]
    assert _drill.drill_verdict(hosts, plan, "x", "loki")["ok"]


def test_a_dataset_without_a_content_manifest_has_no_sample() -> None:
    sealed = {"datasets": [{"name": "database"}, {"name": "blobs"}]}
    manifests = _drill.drill_manifests(sealed, {"blobs.content": "/seal/blobs.content"})
    assert manifests == {"blobs": "/seal/blobs.content"}
    samples = _drill.drill_samples(manifests, {"datasets": {"blobs": {"paths_file": "/blobs.paths"}}})
    assert samples == {"blobs": {"manifest": "/seal/blobs.content", "paths_file": "/blobs.paths"}}


def test_the_verdict_says_what_a_drill_has_found() -> None:
    failed = {
        "source": "tatchu",
        "ok": False,
        "drill": {"point": POINTS[0], "seed": "s"},
        "finding": "a row is missing",
    }
    verdict = _drill.drill_verdict({"loki": {"drill_results": [failed]}}, [{"name": "tatchu", "server": "loki"}], "x")
    assert not verdict["ok"] and "  FAILED: a row is missing" in verdict["lines"]


def test_the_verdict_says_what_a_drill_has_looked_at() -> None:
    drill = {
        **{"point": POINTS[0], "seed": "s", "tables": 7, "rows": 90, "engine": "mariadb 10.11"},
        **{"seconds": 2.0, "bytes": 4000, "rate_bytes_per_second": 2000},
        "datasets": {"blobs": {"files_sampled": 3, "files_total": 9, "share_proven": 0.5}},
    }
    text = "\n".join(_drill.drill_lines({"source": "tatchu", "drill": drill}))
    assert "database: 7 tables with 90 rows loaded into mariadb 10.11 and compared" in text
    assert "blobs: 3 of 9 files taken out and compared; 50.0 % of its files were proven" in text
    assert " in 2.0 s (" in text


def test_a_turn_that_did_not_reach_its_host_has_found_nothing() -> None:
    away = looped({"msg": "well"}, {"unreachable": True, "msg": "no route"})
    stood = _drill.drill_result({"source": "tatchu"}, "Take the sample out of its archive", away)
    assert (stood["finding"], stood["problem"]) == ("", "Take the sample out of its archive: no route")
