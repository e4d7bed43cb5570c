# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _fence_writers
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _crontab
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import writer_fence

RunModule = t.Callable[..., dict[str, t.Any]]
CRONTAB = b"# anna\xff\n5 5 * * * true\n"


def quoted(word: str) -> str:
    """As systemd prints a word of a list (shell_maybe_quote in its src/basic/escape.c)."""
    return '"' + word.replace("\\", "\\\\") + '"' if "\\" in word or " " in word else word


class Host:
    """Stands for systemd and Podman: units with their state, and what systemd has read of their drop-ins."""

    def __init__(self, etc: pathlib.Path) -> None:
        self.etc = etc
        self.units = {
            "worker.service": "active",
            "idle.service": "inactive",
            "once.service": "activating",
            "clean.timer": "active",
            "off.timer": "inactive",
        }
        self.containers: dict[str, tuple[bool, str]] = {}
        self.engine_is_down = False
        self.docker = False
        self.read: dict[str, list[str]] = {}
        self.stubborn: set[str] = set()
        self.calls: list[list[str]] = []
        self.left = -1

    def state(self) -> tuple[t.Any, ...]:
        files = sorted(str(path) for path in self.etc.rglob("*"))
        return dict(self.units), dict(self.containers), dict(self.read), files

    def find(self, program: str) -> str:
        if program == "docker" and not self.docker:
            raise BackupError("no docker")
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_keywords: t.Any) -> _command.Outcome:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.calls.append([argv[0].rpartition("/")[2], *argv[1:]])
        words = list(argv[3:]) if argv[0].endswith("systemctl") else list(argv[1:])
        rc, out, err = self.systemctl(words) if argv[0].endswith("systemctl") else self.engine(words)
        return _command.Outcome(tuple(argv), rc, out.encode(), err, 0.1)

    def systemctl(self, words: list[str]) -> tuple[int, str, str]:
        verb, name = words[0], words[-1]
        if verb == "show":
            load = "loaded" if name in self.units else "not-found"
            kind = "oneshot" if name == "once.service" else "simple"
            drop_ins = " ".join(map(quoted, self.read.get(name, [])))
            state = self.units.get(name, "inactive")
            return 0, f"LoadState={load}\nActiveState={state}\nType={kind}\nDropInPaths={drop_ins}\n", ""
        if verb == "daemon-reload":
            found = [(path.parent.name.removesuffix(".d"), str(path)) for path in self.etc.glob("*.d/*.conf")]
            self.read = {name: [path] for name, path in found}
        elif verb == "stop":
            for unit in words[words.index("--") + 1 :]:
                if unit not in self.stubborn:
                    self.units[unit] = "inactive"
        elif verb == "kill":
            self.units.update(dict.fromkeys(words[words.index("--") + 1 :], "inactive"))
        elif verb == "start":
            if name in self.read or self.units[name] == "broken":
                return 1, "", f"Assertion failed on job for {name}."
            self.units[name] = "active"
        return 0, "", ""

    def engine(self, words: list[str]) -> tuple[int, str, str]:
        name = words[-1]
        if name in self.stubborn and words[1] != "inspect":
            return 125, "", "Error: container state improper"
        if self.engine_is_down:
            return 1, "", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
        if name not in self.containers:
            return 1, "[]", f"Error: inspecting object: no such container {name}"
        running, policy = self.containers[name]
        if words[1] == "inspect":
            facts = {"State": {"Running": running}, "HostConfig": {"RestartPolicy": {"Name": policy}}}
            return 0, json.dumps([facts]), ""
        if words[0] == "update":
            policy = words[1].removeprefix("--restart=")
        else:
            running = words[0] == "start"
        self.containers[name] = (running, policy)
        return 0, "", ""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Host:
    etc = tmp_path / "system"
    etc.mkdir()
    spool = tmp_path / "crontabs"
    spool.mkdir()
    (spool / "anna").write_bytes(CRONTAB)
    (spool / "anna").chmod(0o640)
    os.utime(spool / "anna", ns=(1, 1_700_000_000_123_456_789))
    (tmp_path / "cron-link").symlink_to("elsewhere")
    stand_in = Host(etc)
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", stand_in.find)
    monkeypatch.setattr(_fence_writers, "_UNITS", str(etc))
    monkeypatch.setattr(_crontab, "_SPOOLS", (str(spool),))
    return stand_in


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        "record": str(tmp_path / "incident" / "writers.json"),
        "units": ["worker.service", "idle.service", "once.service", "nosuch.service"],
        "timers": ["clean.timer", "off.timer"],
        "crontabs": ["anna", str(tmp_path / "cron-link"), "nobody"],
        "stop_seconds": 0,
    }


def crontab(tmp_path: pathlib.Path) -> tuple[t.Any, ...]:
    path = tmp_path / "crontabs" / "anna"
    status = path.stat()
    link = os.readlink(tmp_path / "cron-link")
    return path.read_bytes(), status.st_mode, status.st_uid, status.st_mtime_ns, link


def test_a_fence_stops_everything_and_nobody_can_start_it(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    fenced = run_module_main(writer_fence, options)
    assert (fenced["changed"], fenced["holds"], fenced["problems"]) == (True, True, [])
    assert fenced["stopped"] == ["clean.timer", "worker.service", "once.service"]
    assert fenced["missing"] == ["nosuch.service", str(tmp_path / "crontabs" / "nobody")]
    assert set(host.units.values()) == {"inactive"}
    assert sorted(host.read) == [*sorted(options["timers"] + options["units"])]
    assert host.systemctl(["start", "--", "worker.service"])[0] == 1
    assert list((tmp_path / "crontabs").iterdir()) == []
    verbs = [call[3] for call in host.calls if call[3] in ("daemon-reload", "stop")]
    assert verbs == ["daemon-reload", "stop"]  # the doors are shut before anybody is sent out


def test_the_second_time_nothing_changes(run_module_main: RunModule, host: Host, options: dict[str, t.Any]) -> None:
    run_module_main(writer_fence, options)
    again = run_module_main(writer_fence, options)
    assert (again["changed"], again["holds"], again["stopped"]) == (False, True, [])


def test_a_unit_with_a_backslash_in_its_name_is_fenced(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    name = r"datajoint@lab\x2dephys.service"
    host.units[name] = "active"
    fenced = run_module_main(writer_fence, options | {"units": [name]})
    assert (fenced["holds"], fenced["problems"], host.units[name]) == (True, [], "inactive")
    assert run_module_main(writer_fence, options | {"units": [name]})["changed"] is False


def test_check_mode_tells_whether_it_holds_and_changes_nothing(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    former = (host.state(), crontab(tmp_path))
    predicted = run_module_main(writer_fence, options, check_mode=True)
    assert (predicted["changed"], predicted["holds"], predicted["since"]) == (True, False, None)
    assert ((host.state(), crontab(tmp_path)), (tmp_path / "incident").exists()) == (former, False)
    run_module_main(writer_fence, options)
    assert run_module_main(writer_fence, options, check_mode=True)["holds"] is True
    fenced = host.state()
    predicted = run_module_main(writer_fence, options | {"state": "released"}, check_mode=True)
    assert (predicted["started"], host.state()) == (["worker.service", "clean.timer"], fenced)
    host.units["worker.service"] = "active"
    reopened = run_module_main(writer_fence, options, check_mode=True)
    assert (reopened["holds"], reopened["problems"]) == (False, ["worker.service runs"])


def test_a_release_brings_exactly_the_former_state_back(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    host.units["once.service"] = "inactive"
    (host.etc / "idle.service.d").mkdir()  # was there before, and stays
    former = (host.state(), crontab(tmp_path))
    run_module_main(writer_fence, options)
    released = run_module_main(writer_fence, {"record": options["record"], "state": "released"})
    assert (released["changed"], released["started"]) == (True, ["worker.service", "clean.timer"])
    assert ((host.state(), crontab(tmp_path)), os.listdir(tmp_path / "incident")) == (former, [])
    assert run_module_main(writer_fence, options | {"state": "released"})["changed"] is False


@pytest.mark.parametrize("state", ["fenced", "released"])
def test_a_run_killed_anywhere_is_finished_by_the_next(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], tmp_path: pathlib.Path, state: str
) -> None:
    host.units["once.service"] = "inactive"
    former = (host.state(), crontab(tmp_path))
    for last in range(0, 24):
        if state == "released":
            run_module_main(writer_fence, options)
        host.left = last
        with contextlib.suppress(KeyboardInterrupt):
            run_module_main(writer_fence, options | {"state": state})
        host.left = -1
        finished = run_module_main(writer_fence, options | {"state": state})
        assert finished["holds"] is (state == "fenced"), last
        run_module_main(writer_fence, options | {"state": "released"})
        assert ((host.state(), crontab(tmp_path)), os.listdir(tmp_path / "incident")) == (former, [])


def test_what_does_not_stop_is_killed(run_module_main: RunModule, host: Host, options: dict[str, t.Any]) -> None:
    host.stubborn = {"worker.service"}
    assert run_module_main(writer_fence, options)["holds"] is True
    assert [call[3:] for call in host.calls if call[3] == "kill"] == [
        ["kill", "--signal=SIGKILL", "--", "worker.service"]
    ]


def test_a_crontab_written_anew_is_put_aside_and_the_former_one_comes_back(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    former = crontab(tmp_path)
    run_module_main(writer_fence, options)
    (tmp_path / "crontabs" / "anna").write_text("new\n")
    again = run_module_main(writer_fence, options)
    assert (again["changed"], again["holds"]) == (True, True)
    (aside,) = (path for path in (tmp_path / "incident").iterdir() if path.name.startswith("crontab-anna-"))
    assert json.loads(aside.read_text())["content"] == "bmV3Cg=="
    run_module_main(writer_fence, options | {"state": "released"})
    assert crontab(tmp_path) == former


def test_what_left_the_inventory_stays_fenced_and_what_came_is_added(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    run_module_main(writer_fence, options | {"units": ["worker.service"]})
    host.units["late.service"] = "active"
    fenced = run_module_main(writer_fence, options | {"units": ["late.service"], "timers": []})
    assert {"worker.service", "clean.timer", "late.service"} <= set(fenced["units"])
    released = run_module_main(writer_fence, options | {"state": "released"})
    assert released["started"] == ["worker.service", "late.service", "clean.timer"]


def test_a_unit_that_does_not_start_keeps_the_record(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    run_module_main(writer_fence, options)
    host.units["worker.service"] = "broken"
    failed = run_module_main(writer_fence, options | {"state": "released"})
    assert failed["failed"] is True
    assert failed["msg"].startswith("not everything that ran before runs again: worker.service: Assertion failed")
    assert host.units["clean.timer"] == "active"
    assert crontab(tmp_path)[0] == CRONTAB
    host.units["worker.service"] = "inactive"
    assert run_module_main(writer_fence, options | {"state": "released"})["changed"] is True
    assert not pathlib.Path(options["record"]).exists()


@pytest.mark.parametrize("docker", [False, True])
def test_containers_stand_and_come_back(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], docker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.docker = docker
    if docker:
        find = host.find
        monkeypatch.setattr(_command, "find", lambda program: find("nothing" if program == "podman" else program))
        monkeypatch.setattr(_fence_writers._container, "_ENGINES", ("docker",))
    host.containers = {"ingest": (True, "always"), "old": (False, "on-failure")}
    former = host.state()
    named = options | {"containers": ["ingest", "old", "gone"], "units": [], "timers": []}
    fenced = run_module_main(writer_fence, named)
    assert (fenced["holds"], fenced["containers"], fenced["missing"][0]) == (True, ["ingest", "old"], "gone")
    policy = "no" if docker else "always"
    assert host.containers["ingest"] == (False, policy)
    assert ("podman-restart.service" in fenced["units"]) is not docker
    released = run_module_main(writer_fence, named | {"state": "released"})
    assert (released["containers"], host.state()) == (["ingest"], former)


def test_an_engine_that_is_down_keeps_nothing_else_open(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    host.containers = {"ingest": (True, "always")}
    host.engine_is_down = True
    given = options | {"containers": ["ingest"]}
    fenced = run_module_main(writer_fence, given)
    assert "failed" not in fenced and fenced["holds"] is False
    (problem,) = fenced["problems"]
    assert problem.startswith("podman could not say what the container ingest is") and "Docker daemon" in problem
    assert host.units["worker.service"] == "inactive" and "ingest" not in fenced["missing"]
    released = run_module_main(writer_fence, {"record": options["record"], "state": "released"})
    assert "failed" not in released, "no container was noted"
    host.engine_is_down = False
    assert run_module_main(writer_fence, given)["holds"] is True
    host.engine_is_down = True
    refused = run_module_main(writer_fence, {"record": options["record"], "state": "released"})
    assert "could not say what the container ingest is" in refused["msg"] and "Everything else does" in refused["msg"]
    assert host.units["worker.service"] == "active" and pathlib.Path(options["record"]).exists()


def test_a_container_that_cannot_be_stopped_keeps_no_other_one_open(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any]
) -> None:
    host.containers = {"ingest": (True, "always"), "gc": (True, "always")}
    host.stubborn = {"ingest"}
    fenced = run_module_main(writer_fence, options | {"containers": ["ingest", "gc"]})
    assert fenced["holds"] is False and host.containers["gc"][0] is False
    assert fenced["problems"][0] == "the container ingest runs"
    assert "the container ingest could not be stopped" in fenced["problems"][1]
    assert "gc" in fenced["stopped"] and "ingest" not in fenced["stopped"]


def test_a_bar_without_a_record_is_told(run_module_main: RunModule, host: Host, options: dict[str, t.Any]) -> None:
    run_module_main(writer_fence, options)
    pathlib.Path(options["record"]).unlink()
    refused = run_module_main(writer_fence, options | {"state": "released"})
    assert "so nobody knows what ran. Nothing was changed." in refused["msg"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"units": ["worker"]}, "'worker' is no name of a systemd unit"),
        ({"crontabs": ["../x"]}, "'../x' is neither a user nor an absolute path"),
        ({"containers": ["--all"]}, "'--all' is no name of a container"),
    ],
)
def test_bad_names_are_refused(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], change: dict[str, t.Any], why: str
) -> None:
    assert why in run_module_main(writer_fence, options | change)["msg"]
    assert host.calls == []


def test_what_went_away_meanwhile_is_told_and_the_record_stays(
    run_module_main: RunModule, host: Host, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    host.containers["gc"] = (True, "always")
    given = {**options, "containers": ["gc"]}
    run_module_main(writer_fence, {**given, "state": "fenced"})
    del host.units["worker.service"], host.containers["gc"]
    (tmp_path / "crontabs").rename(tmp_path / "away")
    result = run_module_main(writer_fence, {"record": options["record"], "state": "released"})
    assert result["failed"]
    for what in (
        "worker.service does not exist any more",
        "the container gc does not exist any more",
        f"the folder of {tmp_path}/crontabs/anna does not exist any more",
    ):
        assert what in result["msg"]
    assert pathlib.Path(options["record"]).exists()
