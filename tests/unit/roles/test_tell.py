# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tell: what is said, what is not said again, and that nothing in a message is obeyed."""

from __future__ import annotations

import email
import email.policy
import http.server
import importlib.util
import json
import pathlib
import threading
import time
import typing as t

import pytest

SOURCE = pathlib.Path(__file__).parents[3] / "roles/notification/files/tell.py"
RUN = "20261123T023000Z-77b0aa"
HOUR = 3600.0
START = 1_800_000_000.0
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture
def tell(tmp_path: pathlib.Path) -> t.Any:
    """The program as a module, its folders below a temporary one, and no program of the system but those put there."""
    spec = importlib.util.spec_from_file_location("labops_tell", SOURCE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("CONFIGURATION", "STATE", "LOGS", "VOLATILE", "RELEASES"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        setattr(module, name, str(folder))
    (tmp_path / "bin").mkdir()
    module.SEARCH_PATH = f"{tmp_path}/bin:/usr/bin:/bin"
    return module


def program(path: pathlib.Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    path.chmod(0o755)


def configure(tell: t.Any, **more: t.Any) -> dict[str, t.Any]:
    channels = [
        {"severity": severity, "tag": f"{severity}-1", "scheme": "json"}
        for severity in ("failure", "warning", "recovery", "info")
    ]
    pathlib.Path(tell.CONFIGURATION, "tell.json").write_text(
        json.dumps({"host": "loki", "channels": channels, "seconds": 2, **more})
    )
    return dict(tell.settings())


class Job:
    """One job whose runs follow each other, and what is said of each."""

    def __init__(self, tell: t.Any, name: str = "backup", *, quiet: bool = False) -> None:
        self.tell, self.name, self.quiet = tell, name, quiet
        self.state: dict[str, t.Any] = tell.load_state()

    def ends(self, hours: float, severity: str, cause: str = "blobs", body: str = "why") -> t.Any:
        title = f"backup {severity}: {cause}"
        message = self.tell.Message(severity, title, body, cause)
        return self.tell.decide(self.state, self.name, message, START + hours * HOUR, 24, quiet=self.quiet)


# ---------------------------------------------------------------------------------------------------------- the rule


def test_ten_failures_of_one_cause_are_told_once_and_again_after_a_day(tell: t.Any) -> None:
    job = Job(tell)
    said = [job.ends(hour, "failure") for hour in range(0, 30, 3)]
    assert [message is not None for message in said] == [True] + [False] * 7 + [True, False]
    again = said[8]
    assert again.title == "STILL backup failure: blobs"
    assert "the same cause, 9 times since 2027-01-15T08:00:00Z" in again.body
    assert "failing since 2027-01-15T08:00:00Z: 9 times in a row" in again.body


def test_another_cause_always_speaks_and_each_is_remembered_by_itself(tell: t.Any) -> None:
    job = Job(tell)
    causes = ["blobs", "data", "blobs", "data", "database"]
    said = [job.ends(hour, "failure", cause) for hour, cause in enumerate(causes)]
    assert [message is not None for message in said] == [True, True, False, False, True]


def test_the_first_good_run_is_a_recovery_and_ends_all_causes(tell: t.Any) -> None:
    job = Job(tell)
    for hour in range(3):
        job.ends(hour, "failure")
    good = job.ends(3, "info")
    assert (good.severity, good.title) == ("recovery", "RECOVERED: backup info: blobs")
    assert "It had failed 3 times since 2027-01-15T08:00:00Z." in good.body
    assert job.ends(4, "info").severity == "info"
    assert job.ends(5, "failure").title == "backup failure: blobs"


def test_a_quiet_job_is_told_only_when_it_fails_or_recovers(tell: t.Any) -> None:
    job = Job(tell, "verify", quiet=True)
    said = [job.ends(hour, how) for hour, how in enumerate(["info", "failure", "info", "info"])]
    assert [message and message.severity for message in said] == [None, "failure", "recovery", None]


def test_a_warning_is_told_once_a_day_and_ends_a_failure(tell: t.Any) -> None:
    job = Job(tell, "readiness", quiet=True)
    hows = ["failure", "warning", "warning", "failure", "info"]
    said = [job.ends(hour, how) for hour, how in enumerate(hows)]
    assert [message and message.severity for message in said] == ["failure", "warning", None, "failure", "recovery"]


def test_jobs_do_not_silence_each_other(tell: t.Any) -> None:
    backup, verify = Job(tell), Job(tell, "verify")
    verify.state = backup.state
    assert backup.ends(0, "failure") and verify.ends(0, "failure")
    assert verify.ends(1, "info").severity == "recovery"
    assert backup.ends(1, "failure") is None


def test_a_restore_is_always_told_and_its_next_step_is_no_recovery(tell: t.Any) -> None:
    job = Job(tell, "restore")
    said = [job.ends(hour, how) for hour, how in enumerate(["failure", "failure", "info", "failure"])]
    assert [message.title.split(":")[0] for message in said] == [
        f"backup {severity}" for severity in ("failure", "failure", "info", "failure")
    ]


def test_a_clock_that_was_ahead_silences_nothing(tell: t.Any) -> None:
    job = Job(tell)
    job.ends(24 * 365, "failure")
    assert job.ends(0, "failure") is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("backup FAILED: a (run 20261123T023000Z-77b0aa)", "backup FAILED: a (run 20261124T023000Z-0123ff)"),
        ("6 of 31 files would be deleted, 12.9 %", "7 of 30 files would be deleted, 23.3 %"),
        ("since 2026-11-23T02:30:00Z", "since 2026-11-24T02:30:00Z"),
        ("holds 0123456789abcdef0123456789abcdef", "holds fedcba9876543210fedcba9876543210"),
    ],
)
def test_the_same_cause(tell: t.Any, one: str, other: str) -> None:
    assert tell.cause_of(one) == tell.cause_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("backup FAILED: tatchu2/blobs", "backup FAILED: tatchu3/blobs"),
        ("backup FAILED: rig-2/blobs", "backup FAILED: rig-3/blobs"),
        ("backup FAILED: tatchu/2024", "backup FAILED: tatchu/2025"),
        ("no space left on /srv/1", "no space left on /srv/2"),
        ("connection refused", "connection timed out"),
    ],
)
def test_another_cause(tell: t.Any, one: str, other: str) -> None:
    assert tell.cause_of(one) != tell.cause_of(other)


# --------------------------------------------------------------------------------------------------------- the watch


def watched(tell: t.Any, state: dict[str, t.Any], hours: float, *keys: str, **more: str) -> t.Any:
    found = [{"key": key, "severity": "failure", "text": f"{key} is wrong", **more} for key in keys]
    return tell.decide_watch(state, found, START + hours * HOUR, 24)


def test_what_the_watch_finds_is_told_once_then_after_a_day_and_its_end_is_told(tell: t.Any) -> None:
    state = tell.load_state()
    first = watched(tell, state, 0, "cron")
    assert (first.severity, first.title, first.body) == ("failure", "watch: cron is wrong", "cron is wrong")
    assert watched(tell, state, 1, "cron") is None
    more = watched(tell, state, 2, "cron", "disk")
    assert more.title == "watch: disk is wrong"
    assert more.body == "disk is wrong\nstill, since 2027-01-15T08:00:00Z: cron is wrong"
    assert watched(tell, state, 3, "disk") is None
    assert watched(tell, state, 27, "disk").body.startswith("still, since 2027-01-15T10:00:00Z: disk")
    over = watched(tell, state, 28)
    assert over.severity == "recovery" and "no longer: disk is wrong" in over.body
    assert watched(tell, state, 29) is None


def test_a_run_that_ended_unheard_is_told_once_and_nothing_recovers_from_it(tell: t.Any) -> None:
    state = tell.load_state()
    assert watched(tell, state, 0, "run", run=RUN).title == "watch: run is wrong"
    assert state["findings"] == {}
    assert watched(tell, state, 1) is None


# ---------------------------------------------------------------------------------------------------------- messages


def log_of(tell: t.Any, job: str = "backup", **files: str) -> None:
    folder = pathlib.Path(tell.LOGS, job, RUN)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("code", "words", "severity"),
    [
        (0, "backup good: tatchu", "info"),
        (0, "readiness WARNING: tatchu", "warning"),
        (2, "backup FAILED: tatchu", "failure"),
        (2, "readiness WARNING: tatchu", "failure"),
    ],
)
def test_the_severity_of_a_run(tell: t.Any, code: int, words: str, severity: str) -> None:
    log_of(tell, message=f"{words}\nline\n")
    message = tell.about_run(configure(tell), RUN, "backup", code)
    assert (message.severity, message.title, message.body) == (severity, words, "line")


def test_a_failure_in_another_line_is_another_cause_and_what_went_well_is_none(tell: t.Any) -> None:
    configuration = configure(tell)
    log_of(tell, message="")
    words = pathlib.Path(tell.LOGS, "backup", RUN, "message")

    def cause(*lines: str) -> t.Any:
        words.write_text("\n".join(["verify FAILED: tatchu/blobs archives", *lines]))
        return tell.about_run(configuration, RUN, "backup", 2).cause

    found = cause("blobs archives FOUND: chunk of tatchu-blobs-20261123T023000Z-77b0aa is gone", "data good, 3 s")
    assert found == cause(
        "blobs archives FOUND: chunk of tatchu-blobs-20261123T023000Z-77b0aa is gone", "data good, 1 min"
    )
    assert found != cause("blobs archives FOUND: the segment data/0/17 is gone", "data good, 3 s")
    assert found != cause("blobs archives could not look: connection refused", "data good, 3 s")


def test_a_title_says_nothing_that_a_reader_would_obey(tell: t.Any) -> None:
    log_of(tell, message="a\x1b[31mb\r\u202ec\u2028Bcc: x\udcff <b>&amp;\nbody\n")
    title = tell.about_run(configure(tell), RUN, "backup", 2).title
    assert title == r"a\x1b[31mb\x0d\u202ec\u2028Bcc: x\xff <b>&amp;"


def test_of_a_long_message_the_beginning_is_told_and_of_a_long_log_the_end(tell: t.Any) -> None:
    log_of(tell, message="title\n" + "x\n" * 50_000, stdout="x\n" * 50_000 + "the end\n")
    assert tell.about_run(configure(tell), RUN, "backup", 2).title == "title"
    assert tell.about_run(configure(tell), RUN, "backup", 4).body.endswith("\nthe end")


def test_a_message_ends_with_the_last_good_point_and_where_to_look(tell: t.Any) -> None:
    folder = pathlib.Path(tell.STATE, "recovery_points/tatchu")
    folder.mkdir(parents=True)
    for point, facts in (
        ("20261121T023000Z-000001", {"state": "complete", "marked": "proven"}),
        ("20261122T023000Z-000002", {"state": "partial"}),
        ("20261122T033000Z-000002", {"state": "complete", "marked": "suspect"}),
    ):
        (folder / f"{point}.json").write_text(json.dumps(facts))
    (folder / "20261123T023000Z-000003.json").write_text("{ damaged")
    configuration = configure(tell, sources=["tatchu", "meg"])
    now = tell.began("20261122T033000Z-000000")
    message = tell.Message("failure", "t", "b", "c")
    lines = tell.footer(configuration, tell.load_state(), message, RUN, "backup", now)
    assert lines == [
        "last good point of tatchu: 20261121T023000Z-000001, begun 25 h 0 min ago",
        "last good point of meg: none",
        f"host loki, job backup, run {RUN}",
        f"look further, on loki: less {tell.LOGS}/backup/{RUN}/stdout",
    ]


def test_a_point_from_the_future_is_not_the_last_good_one(tell: t.Any) -> None:
    folder = pathlib.Path(tell.STATE, "recovery_points/tatchu")
    folder.mkdir(parents=True)
    for point in ("20261121T023000Z-000001", "20271122T023000Z-000002"):
        (folder / f"{point}.json").write_text(json.dumps({"state": "complete"}))
    now = tell.began("20261122T033000Z-000000")
    assert tell.last_good(configure(tell, sources=["tatchu"]), now) == [
        "last good point of tatchu: 20261121T023000Z-000001, begun 25 h 0 min ago",
        "dated in the future, taken by name only: 20271122T023000Z-000002",
    ]
    # Clocks are never quite alike.
    assert tell.last_good(configure(tell, sources=["tatchu"]), tell.began("20271122T020000Z-000000")) == [
        "last good point of tatchu: 20271122T023000Z-000002, begun 0 min ago"
    ]


def test_the_digest_of_a_good_night_says_how_the_other_jobs_are(tell: t.Any) -> None:
    state = tell.load_state()
    state["jobs"] = {
        "backup": {"good": "2027-01-15T08:00:00Z", "failures": 0},
        "verify": {"good": "2027-01-15T08:00:00Z", "failures": 0},
        "drill": {"failures": 2, "since": "2027-01-01T08:00:00Z"},
    }
    state["findings"] = {"cron": {"text": "cron does not run"}}
    message = tell.Message("info", "t", "b", "c")
    lines = tell.footer(configure(tell), state, message, RUN, "backup", START + 3 * HOUR)
    assert lines[:3] == [
        "drill: FAILING since 2027-01-01T08:00:00Z (2 runs)",
        "verify: good 3 h 0 min ago",
        "watch: cron does not run",
    ]


# ---------------------------------------------------------------------------------------------------------- speaking


def apprise(tell: t.Any, *lines: str) -> None:
    start = ['[ "$1" != --version ] || exit 0', "for word; do case $word in --tag=*) tag=${word#--tag=};; esac; done"]
    program(pathlib.Path(tell.RELEASES, "releases/0.1.0/bin/apprise"), *start, *lines)


def test_a_channel_that_hangs_delays_to_its_limit_and_hides_no_other(tell: t.Any, tmp_path: pathlib.Path) -> None:
    """As real processes: one sleeps, and so does its child, which keeps the pipe open."""
    channels = [{"severity": "failure", "tag": f"failure-{number}", "scheme": "json"} for number in (1, 2)]
    configuration = configure(tell, channels=channels, seconds=1)
    apprise(tell, '[ "$tag" = failure-2 ] || { sleep 60 & sleep 60; }', f"cat >{tmp_path}/$tag")
    log_of(tell, message="blobs failed\nwhy\n")
    began = time.monotonic()
    assert tell.tell_run(configuration, RUN, "backup", 2) == 0
    assert time.monotonic() - began < 8
    assert "why" in (tmp_path / "failure-2").read_text()
    kept = tell.load_state()["channels"]
    assert kept["failure-1"]["failure"] and kept["failure-2"]["success"]


def test_what_nobody_heard_goes_other_ways_is_listed_and_speaks_again(tell: t.Any, tmp_path: pathlib.Path) -> None:
    configuration = configure(tell)
    program(tmp_path / "bin/sendmail", f"cat >{tmp_path}/mail")
    program(tmp_path / "bin/logger", f'printf "%s\\n" "$*" >>{tmp_path}/log')
    log_of(tell, message="blobs failed: <script>\x1b[1m\nname with é\n")
    assert tell.tell_run(configuration, RUN, "backup", 2) == 3
    mail = email.message_from_bytes((tmp_path / "mail").read_bytes(), policy=email.policy.default)
    assert mail["Subject"] == r"[labops-backup] blobs failed: <script>\x1b[1m"
    assert mail.get_content_type() == "text/plain" and "name with é" in mail.get_content()
    assert "nobody could be told: blobs failed" in (tmp_path / "log").read_text()
    assert [entry["title"] for entry in tell.load_state()["untold"]] == [r"blobs failed: <script>\x1b[1m"]
    apprise(tell, f"cat >{tmp_path}/heard")
    assert tell.tell_run(configuration, RUN, "backup", 2) == 0
    assert "Until now nobody could be told:" in (tmp_path / "heard").read_text()
    assert tell.load_state()["untold"] == []


def test_the_watch_tries_again_what_nobody_heard(tell: t.Any, tmp_path: pathlib.Path) -> None:
    configuration = configure(tell)
    log_of(tell, message="blobs failed\n")
    assert tell.tell_run(configuration, RUN, "backup", 2) == 3
    assert tell.tell_watch(configuration, '{"findings": []}') == 3
    apprise(tell, f"cat >{tmp_path}/heard")
    assert tell.tell_watch(configuration, '{"findings": []}') == 0
    assert "blobs failed" in (tmp_path / "heard").read_text()
    (tmp_path / "heard").unlink()
    assert tell.tell_watch(configuration, '{"findings": []}') == 0
    assert not (tmp_path / "heard").exists()


def test_without_configuration_it_still_speaks(tell: t.Any, tmp_path: pathlib.Path) -> None:
    pathlib.Path(tell.CONFIGURATION, "tell.json").write_text('{"channels": "none", "repeat_hours": null')
    program(tmp_path / "bin/logger", f'printf "%s\\n" "$*" >>{tmp_path}/log')
    log_of(tell, message="blobs failed\n")
    assert tell.tell_run(tell.settings(), RUN, "backup", 2) == 3
    assert "blobs failed" in (tmp_path / "log").read_text()


def test_what_was_told_is_kept_in_run_when_the_disk_takes_nothing(tell: t.Any, tmp_path: pathlib.Path) -> None:
    pathlib.Path(tell.STATE).rmdir()
    pathlib.Path(tell.STATE).write_text("not a folder: nothing can be made in it")
    apprise(tell, f"echo >>{tmp_path}/heard")
    configuration = configure(tell)
    log_of(tell, message="blobs failed\n")
    for _ in range(3):
        assert tell.tell_run(configuration, RUN, "backup", 2) == 0
    assert (tmp_path / "heard").read_text() == "\n"


def test_a_damaged_state_makes_it_speak(tell: t.Any, tmp_path: pathlib.Path) -> None:
    folder = pathlib.Path(tell.STATE, "tell")
    folder.mkdir()
    (folder / "state.json").write_text('{"at": "x", "jobs": [], "runs": 3, "findings": null')
    apprise(tell, f"echo >>{tmp_path}/heard")
    log_of(tell, message="blobs failed\n")
    assert tell.tell_run(configure(tell), RUN, "backup", 2) == 0
    assert (tmp_path / "heard").exists()


WHOLE_CAUSE = {"severity": "failure", "first": "2027-01-15T08:00:00Z", "told": None, "count": 1}
WHOLE_FINDING = {"severity": "failure", "first": "2027-01-15T08:00:00Z", "told": None, "text": "cron does not run"}
WHOLE: dict[str, t.Any] = {
    "schema_version": 1,
    "at": "2027-01-15T08:00:00.000000+00:00",
    "jobs": {
        "backup": {
            "failures": 1,
            "since": "2027-01-15T08:00:00Z",
            "good": "2027-01-14T08:00:00Z",
            "causes": {"failure: blobs failed": WHOLE_CAUSE},
        }
    },
    "runs": {RUN: "2027-01-15T08:00:00Z"},
    "channels": {"failure-1": {"success": "2027-01-15T08:00:00Z", "failure": None}},
    "untold": [{"at": "2027-01-15T08:00:00Z", "title": "nobody heard"}],
    "findings": {"cron": WHOLE_FINDING},
}


def places(value: t.Any, path: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    """The ways to everything in a document."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield from places(below, (*path, key))


def put(document: t.Any, path: tuple[t.Any, ...], value: t.Any) -> t.Any:
    whole = json.loads(json.dumps(document))
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return whole


def keep_state(tell: t.Any, state: t.Any) -> None:
    folder = pathlib.Path(tell.STATE, "tell")
    folder.mkdir(exist_ok=True)
    (folder / "state.json").write_text(json.dumps(state))


def test_a_whole_state_is_used_as_it_is(tell: t.Any) -> None:
    keep_state(tell, WHOLE)
    assert tell.load_state() == {name: value for name, value in WHOLE.items() if name not in ("schema_version", "at")}


@pytest.mark.parametrize("wrong", [None, 3, 1e999, True, "3", [], ["x"], {}, {"x": None}])
@pytest.mark.parametrize("path", list(places(WHOLE)), ids=lambda path: ".".join(map(str, path)))
def test_whatever_stands_in_a_state_people_are_told_and_the_next_state_is_whole(
    tell: t.Any, path: tuple[t.Any, ...], wrong: t.Any
) -> None:
    """A traceback would silence every message of this host for good, since the state is written after it."""
    sent: list[str] = []
    tell.deliver = lambda configuration, severity, title, body: [
        tell.Delivery(channel, sent.append(title) is None, "", 0.0)
        for channel in configuration["channels"]
        if channel["severity"] == severity
    ]
    configuration = configure(tell)
    log_of(tell, message="blobs failed\n")
    keep_state(tell, put(WHOLE, path, wrong))
    assert tell.tell_run(configuration, RUN, "backup", 2) == 0
    assert any("blobs failed" in title for title in sent)
    keep_state(tell, put(WHOLE, path, wrong))
    assert tell.tell_watch(configuration, '{"findings": [{"key": "new", "severity": "failure", "text": "new"}]}') == 0
    assert sent[-1].startswith("watch: new")
    keep_state(tell, put(WHOLE, path, wrong))
    (pathlib.Path(tell.LOGS) / "backup" / RUN / "message").write_text("all is well\n")
    assert tell.tell_run(configuration, RUN, "backup", 0) == 0
    assert "all is well" in sent[-1]
    after = json.loads(pathlib.Path(tell.STATE, "tell/state.json").read_text())
    assert tell.clean(after) == {name: value for name, value in after.items() if name not in ("schema_version", "at")}


@pytest.mark.parametrize("channels", [["x"], [None], [{}], [{"tag": 1, "severity": "failure"}], [{"tag": "failure-1"}]])
def test_a_channel_that_cannot_be_understood_hides_no_other(
    tell: t.Any, tmp_path: pathlib.Path, channels: list[t.Any]
) -> None:
    good = {"severity": "failure", "tag": "failure-2", "scheme": "json"}
    apprise(tell, f"echo >>{tmp_path}/heard")
    log_of(tell, message="blobs failed\n")
    assert tell.tell_run(configure(tell, channels=[*channels, good]), RUN, "backup", 2) == 0
    assert (tmp_path / "heard").read_text() == "\n"


def test_a_rule_that_breaks_speaks_as_if_nothing_was_told(tell: t.Any, capsys: t.Any) -> None:
    keep_state(tell, WHOLE)

    def rule(state: dict[str, t.Any]) -> t.Any:
        return tell.Message("failure", "said", "", "") if not state["jobs"] else {}["missing"]

    state, message = tell.decided(rule)
    assert (message.title, state["untold"]) == ("said", [])
    assert "what was told until now is not used: KeyError" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------- dead-man's switch


@pytest.fixture
def switch() -> t.Iterator[tuple[str, list[tuple[str, str]]]]:
    """A real server: its URL, and the path and body of every request."""
    heard: list[tuple[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: t.Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/uuid?create=1", heard
    server.shutdown()
    server.server_close()


def ledger(tell: t.Any, **record: t.Any) -> None:
    folder = pathlib.Path(tell.STATE, "ledger")
    folder.mkdir(exist_ok=True)
    (folder / f"{RUN}.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("code", "record", "path"),
    [
        (0, {"state": "success", "points": [{"state": "complete"}]}, "/uuid?create=1"),
        (0, {"state": "success", "points": [{"state": "complete"}, {"state": "partial"}]}, "/uuid/fail?create=1"),
        (0, {"state": "success", "points": []}, "/uuid/fail?create=1"),
        (0, {"state": "running", "points": [{"state": "complete"}]}, "/uuid/fail?create=1"),
        (2, {"state": "success", "points": [{"state": "complete"}]}, "/uuid/fail?create=1"),
    ],
)
def test_only_a_sealed_point_of_every_source_feeds_the_switch(
    tell: t.Any, switch: tuple[str, list[tuple[str, str]]], code: int, record: dict[str, t.Any], path: str
) -> None:
    url, heard = switch
    log_of(tell, message="title\nbody\n", stdout="first\nlast line of the log\n")
    ledger(tell, **record)
    tell.tell_run(configure(tell, ping_url=url), RUN, "backup", code)
    ((got, body),) = heard
    assert got == path
    assert "title" in body and "last line of the log" in body


def test_the_switch_hears_of_a_start_and_of_no_other_job(
    tell: t.Any, switch: tuple[str, list[tuple[str, str]]]
) -> None:
    url, heard = switch
    configure(tell, ping_url=url)
    assert tell.main(["--start", RUN, "verify"]) == 0
    assert heard == []
    assert tell.main(["--start", RUN, "backup"]) == 0
    assert heard == [("/uuid/start?create=1", "")]


def test_a_switch_that_cannot_be_reached_changes_nothing(tell: t.Any, tmp_path: pathlib.Path) -> None:
    apprise(tell, f"cat >{tmp_path}/heard")
    log_of(tell, message="title\nbody\n")
    configuration = configure(tell, ping_url="http://127.0.0.1:9/uuid")
    assert tell.tell_run(configuration, RUN, "backup", 2) == 0
    assert (tmp_path / "heard").exists()


def test_a_new_list_is_held_against_what_apprise_lists(tell: t.Any, tmp_path: pathlib.Path, capsys: t.Any) -> None:
    listed = tmp_path / "notify.yml"
    entries = "".join(
        f"- {url}:\n  - tag:\n    - failure\n    - {tag}\n"
        for url, tag in (("json://a", "failure-1"), ("jsn://b", "failure-2"))
    )
    listed.write_text(f"urls:\n{entries}")
    apprise(tell, 'printf "   1. json://...\\n      tags: failure, failure-1\\n"')
    assert tell.main(["--understands", str(listed)]) == 1
    assert capsys.readouterr().err == "failure-2\n"
    apprise(tell, 'printf "   1. json://...\\n      tags: failure-2, failure-1\\n"')
    assert tell.main(["--understands", str(listed)]) == 0


@pytest.mark.parametrize("words", [[], ["x"], ["run", "job", "code"], ["--nonsense"], ["--start", "run", "job", "0"]])
def test_unknown_arguments(tell: t.Any, words: list[str]) -> None:
    assert tell.main(words) == 64
