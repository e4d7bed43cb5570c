# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch: what counts as fresh, what it finds, and that nothing keeps it from speaking of the rest."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest

SOURCE = pathlib.Path(__file__).parents[3] / "roles/notification/files/watch.py"
NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
HOUR = 3600.0
WATCHED = ("point", "pull", "dump", "check", "drill", "readiness", "look", "hold")
LIMITS = {f"{what}_hours": 36 for what in WATCHED}


@pytest.fixture
def program(tmp_path: pathlib.Path) -> t.Any:
    """The program as a module with its folders below a temporary one."""
    spec = importlib.util.spec_from_file_location("labops_watch", SOURCE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("STATE", "VOLATILE"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        setattr(module, name, str(folder))
    module.TELLING_SECONDS = 0
    return module


def watch(program: t.Any, **configuration: t.Any) -> t.Any:
    return program.Watch({"limits": LIMITS, "host": "tatchu", **configuration}, {}, NOW)


def keys(watch: t.Any) -> list[str]:
    return [finding["key"] for finding in watch.findings]


def identifier(hours_ago: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(NOW - hours_ago * HOUR)) + "-77b0aa"


def utc(hours_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - hours_ago * HOUR))


def write(path: pathlib.Path, document: t.Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


# ---------------------------------------------------------------------------------------------------------- freshness


@pytest.fixture
def source(program: t.Any, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """A source of which all is fresh, as its server knows it."""
    points = tmp_path / "points"
    write(points / f"{identifier(10)}.json", {"state": "complete", "marked": "proven"})
    write(points / f"{identifier(9)}.json", {"state": "complete", "marked": "suspect"})
    write(points / f"{identifier(1)}.json", {"state": "partial"})
    generation = {"state": "complete", "started": utc(11), "finished": utc(10)}
    drills = [{"ok": False, "finished": utc(1)}, {"ok": True, "finished": utc(30)}]
    return {
        "name": "tatchu",
        "hold": str(tmp_path / "hold.json"),
        "points": str(points),
        "datasets": [{"name": "blobs", "generation_file": write(tmp_path / "blobs.json", generation)}],
        "checks": write(
            tmp_path / "checks.json", {"datasets": {"blobs": {"data": {"at": utc(30)}, "names": {"at": None}}}}
        ),
        "drills": write(tmp_path / "drills.json", {"drills": drills}),
    }


def test_what_is_fresh_is_no_finding(program: t.Any, source: dict[str, t.Any]) -> None:
    looking = watch(program)
    program.source_on_server(looking, source)
    assert looking.findings == []


def test_what_is_old_is_found_each_by_itself(program: t.Any, source: dict[str, t.Any]) -> None:
    looking = watch(program)
    looking.now = NOW + 30 * HOUR
    program.source_on_server(looking, source)
    assert keys(looking) == ["point tatchu", "pull tatchu/blobs", "check tatchu", "drill tatchu"]
    point = looking.findings[0]["text"]
    assert point.startswith("the newest complete recovery point of tatchu: last 2027-01-14T22:00:00Z, 40 h 0 min ago")
    assert "(limit 36 h)" in point


@pytest.mark.parametrize("gone", ["points", "checks", "drills"])
def test_what_has_never_been_there_is_old_when_it_was_asked_for_long_enough(
    program: t.Any, source: dict[str, t.Any], gone: str, tmp_path: pathlib.Path
) -> None:
    looking = watch(program)
    source[gone] = str(tmp_path / "nowhere")
    program.source_on_server(looking, source)
    assert looking.findings == []
    later = watch(program)
    later.since, later.now = looking.since, NOW + 37 * HOUR
    program.source_on_server(later, source)
    (found,) = [finding for finding in later.findings if finding["key"].startswith(gone.removesuffix("s"))]
    assert "never since 2027-01-15T08:00:00Z" in found["text"]


@pytest.mark.parametrize("damage", ["{ no JSON", "[]", '{"datasets": 3, "drills": "x", "state": 7}', ""])
def test_a_damaged_document_counts_as_none(program: t.Any, source: dict[str, t.Any], damage: str) -> None:
    for name in ("checks", "drills"):
        pathlib.Path(source[name]).write_text(damage)
    pathlib.Path(source["datasets"][0]["generation_file"]).write_text(damage)
    looking = watch(program)
    program.source_on_server(looking, source)
    assert looking.findings == []
    assert set(looking.since) == {"check tatchu", "drill tatchu", "pull tatchu/blobs"}


def test_a_limit_of_0_is_not_watched_and_a_time_to_come_is_found(program: t.Any) -> None:
    looking = watch(program, limits={"point_hours": 0})
    looking.age("point_hours", "point", "the point", NOW - 1000 * HOUR, "")
    assert looking.findings == []
    looking = watch(program)
    looking.age("point_hours", "point", "the point", NOW + 2 * HOUR, "")
    assert "lies in the future" in looking.findings[0]["text"]


def test_a_point_from_the_future_hides_no_night_and_is_told_with_what_to_do(
    program: t.Any, source: dict[str, t.Any]
) -> None:
    folder = pathlib.Path(source["points"])
    late = folder / f"{identifier(-365 * 24)}.json"
    write(late, {"state": "complete"})
    write(folder / f"{identifier(-366 * 24)}.json", {"state": "partial"})
    looking = watch(program)
    program.source_on_server(looking, source)
    (found,) = looking.findings
    assert found["key"] == "future tatchu"
    assert f"{late.stem} of tatchu is dated in the future" in found["text"]
    assert "mark it suspect (recovery_point_mark" in found["text"]
    # The nights since are judged by themselves.
    looking = watch(program)
    looking.now = NOW + 30 * HOUR
    program.source_on_server(looking, source)
    assert keys(looking)[:2] == ["future tatchu", "point tatchu"]
    assert "40 h 0 min ago" in looking.findings[1]["text"]
    write(late, {"state": "complete", "marked": "suspect"})
    looking = watch(program)
    program.source_on_server(looking, source)
    assert looking.findings == []


def test_an_incident_silences_its_source_but_not_for_ever(program: t.Any, source: dict[str, t.Any]) -> None:
    write(pathlib.Path(source["hold"]), {"since": utc(0)})
    looking = watch(program)
    looking.now = NOW + 35 * HOUR
    program.source_on_server(looking, source)
    assert looking.findings == []
    looking.now = NOW + 37 * HOUR
    program.source_on_server(looking, source)
    assert keys(looking) == ["hold tatchu"]


# --------------------------------------------------------------------------------------------------- the endpoint's log

LOG = """\
{day} 01:00:00 [100] connect from UNKNOWN (0.0.0.0)
{day} 01:00:00 [100] rsync on blobs/ from UNKNOWN (0.0.0.0)
{day} 01:00:01 [100] building file list
{day} 01:00:02 [101] rsync on data/ from UNKNOWN (0.0.0.0)
{day} 01:00:03 [100] send blobs 12 sent 5 bytes received 6 bytes total size 7
{day} 01:00:05 [100] sent 1234 bytes  received 56 bytes  total size 999
{day} 01:00:06 [101] rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20)
{day} 01:00:07 [102] rsync on .watch/seen.json from UNKNOWN (0.0.0.0)
{day} 01:00:08 [102] sent 99 bytes  received 9 bytes  total size 9
torn \xff line
"""


def moment(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y/%m/%d %H:%M:%S"))


def test_a_transfer_counts_when_it_came_to_its_end(program: t.Any, tmp_path: pathlib.Path) -> None:
    log = tmp_path / "rsyncd.log"
    log.write_bytes(LOG.format(day="2027/01/15").encode("latin-1"))
    seen = program.last_transfers(str(log), {"blobs", "data", ".watch"})
    assert seen == {"blobs": moment("2027/01/15 01:00:05"), ".watch": moment("2027/01/15 01:00:08")}


def test_rotated_logs_are_read_too(program: t.Any, tmp_path: pathlib.Path) -> None:
    log = tmp_path / "rsyncd.log"
    log.write_text("")
    pathlib.Path(f"{log}.1").write_bytes(LOG.format(day="2027/01/14").encode("latin-1"))
    with gzip.open(f"{log}.2.gz", "wb") as stream:
        stream.write(LOG.replace("blobs/", "data/").format(day="2027/01/07").encode("latin-1"))
    seen = program.last_transfers(str(log), {"blobs", "data"})
    assert seen == {"blobs": moment("2027/01/14 01:00:05"), "data": moment("2027/01/07 01:00:05")}
    assert program.last_transfers(str(tmp_path / "none"), {"blobs"}) == {}


def test_a_server_that_neither_pulls_nor_looks_in_is_found_on_the_source(
    program: t.Any, tmp_path: pathlib.Path
) -> None:
    log = write(tmp_path / "rsyncd.log", LOG.encode("latin-1").decode("latin-1").format(day="2027/01/10"))
    looking = watch(
        program,
        log=log,
        server="loki",
        datasets=["blobs"],
        module=".watch",
        hold=str(tmp_path / "hold"),
        dump_directory=str(tmp_path / "dumps"),
    )
    write(tmp_path / "dumps" / identifier(40) / "manifest.json", {})
    (tmp_path / "dumps" / identifier(1)).mkdir()
    program.source(looking)
    assert keys(looking) == ["server", "pull blobs", "dump"]
    assert "Look at loki" in looking.findings[0]["text"]


# --------------------------------------------------------------------------------------------------------------- runs


def entry(program: t.Any, hours_ago: float, state: str, **more: t.Any) -> str:
    run = identifier(hours_ago)
    unit = f"labops-backup-backup-{run}.service"
    record = {"run_id": run, "job": "backup", "state": state, "unit": unit, "boot_id": "another boot", **more}
    write(pathlib.Path(program.STATE, "ledger", f"{run}.json"), record)
    return run


def test_a_run_that_ended_with_nobody_told_is_found_once_told_it_is_not(program: t.Any) -> None:
    died = entry(program, 2, "running")
    failed = entry(program, 3, "failure")
    told = entry(program, 4, "failure")
    entry(program, 5, "failure", unit="session-3.scope")
    entry(program, 100, "failure")
    write(pathlib.Path(program.STATE, "tell/state.json"), {"at": "2027", "runs": {told: utc(4)}})
    looking = watch(program)
    looking.since["watch"] = NOW - 50 * HOUR
    program.runs(looking)
    assert [(finding["run"], finding["text"].split(" and ")[0]) for finding in looking.findings] == [
        (died, f"the backup run {died} died"),
        (failed, f"the backup run {failed} ended as failure"),
    ]


def test_a_run_of_which_somebody_is_just_telling_is_left_alone(program: t.Any) -> None:
    run = entry(program, 2, "failure")
    looking = watch(program)
    looking.since["watch"] = NOW - 50 * HOUR
    wrapper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", program.TELL, run])
    try:
        program.runs(looking)
        assert looking.findings == []
    finally:
        wrapper.kill()
        wrapper.wait()
    program.runs(looking)
    assert keys(looking) == [f"run {run}"]


@pytest.mark.parametrize("wrong", ["null", '"x"', "[]", "{}", "NaN", "1e999", "1" + "0" * 400, "-1", "1e300"])
def test_a_time_that_is_none_blinds_the_watch_to_nothing(program: t.Any, tmp_path: pathlib.Path, wrong: str) -> None:
    write(pathlib.Path(program.STATE) / "watch/since.json", f'{{"since": {{"a": {wrong}, "pull blobs": 1800000000}}}}')
    program.CONFIGURATION = str(tmp_path / "missing.json")
    program.LOOK_SECONDS = 5
    program.run = lambda argv, seconds=30: subprocess.CompletedProcess(argv, 0, "active", "")
    looked = program.look_around()
    assert looked.since["pull blobs"] == 1_800_000_000.0 and "a" not in looked.since
    assert "configuration" in keys(looked)


# -------------------------------------------------------------------------------------------------------------- disks


def test_a_disk_with_little_room_is_a_warning(program: t.Any, tmp_path: pathlib.Path) -> None:
    looking = watch(program, limits={"free_percent": 100})
    program.disk(looking, str(tmp_path))
    (found,) = looking.findings
    assert found["severity"] == "warning" and "(limit 100 %)" in found["text"]


def test_a_disk_that_takes_nothing_is_found(program: t.Any) -> None:
    pathlib.Path(program.STATE).rmdir()
    pathlib.Path(program.STATE).write_text("")
    looking = watch(program)
    looking.look("state", lambda: program.writable(looking, f"{program.STATE}/watch"))
    assert keys(looking) == ["look state"]


def test_a_look_that_hangs_or_breaks_keeps_no_other(program: t.Any) -> None:
    program.LOOK_SECONDS = 0.05
    looking = watch(program)
    looking.look("a disk", lambda: time.sleep(5))
    looking.look("a document", lambda: {}["missing"])
    looking.look("cron", lambda: looking.find("cron", "cron does not run"))
    assert keys(looking) == ["look a disk", "look a document", "cron"]
    assert "does not come back" in looking.findings[0]["text"]


def test_a_disk_that_is_not_mounted_is_found(program: t.Any, tmp_path: pathlib.Path) -> None:
    looking = watch(program)
    program.root(looking, str(tmp_path))
    assert keys(looking) == ["root"]
    (tmp_path / ".labops-backup-root").touch()
    looking = watch(program)
    program.root(looking, str(tmp_path))
    assert looking.findings == []


# ------------------------------------------------------------------------------------------------------ the two watches


def other(program: t.Any, tmp_path: pathlib.Path, document: t.Any, hours: float = 0, **since: float) -> t.Any:
    """What the watch of a server makes of what it reads on a source; None does not answer."""
    path = tmp_path / "seen.json"
    if document is not None:
        write(path, document)
    looking = watch(program)
    looking.now = NOW + hours * HOUR
    looking.since.update({name.replace("_", " "): at for name, at in since.items()})
    program.other_watch(looking, {"name": "tatchu", "read": ["/bin/cp", str(path)]})
    return looking


def test_the_other_watch_is_well(program: t.Any, tmp_path: pathlib.Path) -> None:
    looking = other(program, tmp_path, {"at": utc(1), "untold": []})
    assert looking.findings == []
    assert looking.since["answer tatchu"] == NOW


def test_a_source_that_does_not_answer_is_found_after_its_limit(program: t.Any, tmp_path: pathlib.Path) -> None:
    assert other(program, tmp_path, None, hours=1, answer_tatchu=NOW).findings == []
    looking = other(program, tmp_path, None, hours=37, answer_tatchu=NOW)
    assert keys(looking) == ["silent tatchu"]
    assert "does not answer" in looking.findings[0]["text"]


def test_a_watch_that_stopped_is_found_and_what_it_could_not_tell_is_told_for_it(
    program: t.Any, tmp_path: pathlib.Path
) -> None:
    untold = [{"at": utc(50), "title": title} for title in ("dump FAILED", "watch: cron")]  # in the same second
    looking = other(program, tmp_path, {"at": utc(50), "untold": untold})
    assert keys(looking) == [
        "watch tatchu",
        f"untold tatchu {utc(50)} dump FAILED",
        f"untold tatchu {utc(50)} watch: cron",
    ]
    assert looking.findings[1]["text"] == "tatchu could tell nobody: dump FAILED"


def test_a_server_that_can_tell_nobody_does_not_look_in(program: t.Any, tmp_path: pathlib.Path) -> None:
    write(pathlib.Path(program.STATE, "tell/state.json"), {"at": "2027", "untold": [{"at": "x", "title": "y"}]})
    source = {"name": "tatchu", "read": ["/bin/touch"], "hold": "/none", "points": "/none", "datasets": []}
    looking = watch(program, root=str(tmp_path), readiness="/none", sources=[{**source, "checks": "", "drills": ""}])
    program.server(looking)
    assert not os.path.exists(f"{program.VOLATILE}/watch/tatchu.json")
