# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _container


class Engine:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.answers: list[tuple[int, str, str]] = []

    def run(self, argv: t.Sequence[str], **_keywords: t.Any) -> _command.Outcome:
        self.calls.append(list(argv))
        rc, stdout, stderr = self.answers.pop(0)
        return _command.Outcome(tuple(argv), rc, stdout.encode(), stderr, 0.1)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    stand_in = Engine()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


def inspected(running: bool, policy: dict[str, t.Any]) -> str:
    return json.dumps([{"State": {"Running": running}, "HostConfig": {"RestartPolicy": policy}}])


def test_podman_is_asked_first_and_docker_when_it_has_none(engine: Engine) -> None:
    gone = (125, "[]\n", "Error: inspecting object: no such container ingest")
    engine.answers = [gone, (0, inspected(True, {"Name": "on-failure", "MaximumRetryCount": 3}), "")]
    assert _container.look("ingest") == _container.Container("ingest", "docker", True, "on-failure:3")
    assert engine.calls == [
        ["/usr/bin/podman", "container", "inspect", "ingest"],
        ["/usr/bin/docker", "container", "inspect", "ingest"],
    ]
    engine.answers = [gone, (1, "[]", "Error response from daemon: No such container: ingest")]
    assert _container.look("ingest") is None


def test_an_engine_that_does_not_work_is_told(engine: Engine) -> None:
    engine.answers = [(125, "", "Error: cannot connect to Podman")]
    with pytest.raises(BackupError, match="could not say what the container ingest is"):
        _container.look("ingest")


def test_docker_forgets_its_policy_before_the_stop_and_gets_it_back(engine: Engine) -> None:
    one = _container.Container("ingest", "docker", True, "always")
    engine.answers = [(0, "", "")] * 4
    _container.stop(one, 0)
    _container.start(one)
    assert [call[1:] for call in engine.calls] == [
        ["update", "--restart=no", "ingest"],
        ["stop", "--time=1", "ingest"],
        ["update", "--restart=always", "ingest"],
        ["start", "ingest"],
    ]


def test_podman_only_stops_and_starts(engine: Engine) -> None:
    one = _container.Container("ingest", "podman", True, "always")
    engine.answers = [(0, "", "")] * 2 + [(125, "", "boom")]
    _container.stop(one, 30)
    _container.start(one)
    assert [call[1:] for call in engine.calls] == [["stop", "--time=30", "ingest"], ["start", "ingest"]]
    with pytest.raises(BackupError, match="the container ingest could not be started"):
        _container.start(one)
