# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import importlib
import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _restoration
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import backup_hold, backup_hold_info

RunModule = t.Callable[..., dict[str, t.Any]]
INCIDENT = "20261123T091500Z-5be1d0"


class Systemd:
    """Stands for systemctl: units that run, and how many looks they take to end."""

    def __init__(self, hold: pathlib.Path) -> None:
        self.hold = hold
        self.running: dict[str, int] = {}
        self.calls: list[list[str]] = []

    def run(self, argv: t.Sequence[str], **_keywords: t.Any) -> _command.Outcome:
        words = list(argv[3:])
        self.calls.append(words)
        if words[0] == "stop":
            assert self.hold.exists(), "the hold has to be there before anything is stopped"
            for name in words[words.index("--") + 1 :]:
                self.running[name] -= 1
        elif words[-1] in self.running and 0 <= self.running[words[-1]] < 3:
            self.running[words[-1]] -= 1
        state = "active" if self.running.get(words[-1], -1) >= 0 else "inactive"
        return _command.Outcome(tuple(argv), 0, f"LoadState=loaded\nActiveState={state}\n".encode(), "", 0.1)


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Systemd:
    stand_in = Systemd(tmp_path / "hold" / "tatchu.json")
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        "path": str(tmp_path / "hold" / "tatchu.json"),
        "source": "tatchu",
        "incident": INCIDENT,
        "reason": "blobs gone",
        "wait_seconds": 1,
    }


def test_a_hold_is_put_up_once_and_lifted(run_module_main: RunModule, systemd: Systemd, options: t.Any) -> None:
    put_up = run_module_main(backup_hold, options)
    assert (put_up["changed"], put_up["incident"], put_up["stopped"]) == (True, INCIDENT, [])
    document = json.loads(systemd.hold.read_text())
    assert {name: document[name] for name in ("source", "incident", "reason", "since")} == {
        "source": "tatchu",
        "incident": INCIDENT,
        "reason": "blobs gone",
        "since": put_up["since"],
    }
    again = run_module_main(backup_hold, options | {"reason": "other"})
    assert (again["changed"], again["since"]) == (False, put_up["since"])
    lifted = run_module_main(backup_hold, options | {"state": "absent"})
    assert (lifted["changed"], lifted["incident"], systemd.hold.exists()) == (True, INCIDENT, False)
    assert run_module_main(backup_hold, options | {"state": "absent"})["changed"] is False


@pytest.mark.parametrize("content", ["", '{"source": "tat', "[]", "{}", '{"schema_version": 1, "source": "tatchu"}'])
def test_a_damaged_hold_blocks_until_it_is_moved_away_and_is_put_up_again_for_the_same_incident(
    run_module_main: RunModule, systemd: Systemd, options: t.Any, content: str
) -> None:
    systemd.hold.parent.mkdir()
    systemd.hold.write_text(content)
    for state in ("present", "absent"):
        refused = run_module_main(backup_hold, options | {"state": state})
        assert str(systemd.hold) in refused["msg"] and "Nothing was changed. Find out whether an" in refused["msg"]
        assert "run restore.yml with the tag fence and its restore_incident at once" in refused["msg"]
    assert systemd.hold.read_text() == content
    systemd.hold.rename(systemd.hold.with_suffix(".damaged"))
    # The other host's hold, or restore_incident, says which incident it is.
    asked: list[dict[str, t.Any]] = [
        {"item": {"host": "tatchu"}, "holds": [{"incident": INCIDENT}]},
        {"item": {"host": "loki"}, "holds": []},
    ]
    wanted = {
        **{"source": "tatchu", "server": "loki", "stage": "fence", "incident": "", "needs_fence": True},
        **{"journals": "/j", "staging": "/s", "entry": {}},
    }
    incident = _restoration.incident(wanted, asked, "20261124T000000Z-000000")["incident"]
    assert run_module_main(backup_hold, options | {"incident": incident})["changed"] is True
    assert run_module_main(backup_hold_info, {"paths": [str(systemd.hold)]})["holds"][0]["incident"] == INCIDENT
    assert run_module_main(backup_hold, options | {"state": "absent"})["changed"] is True


def test_check_mode_predicts_and_changes_nothing(
    run_module_main: RunModule, systemd: Systemd, options: t.Any, tmp_path: pathlib.Path
) -> None:
    systemd.running = {"labops-backup-backup.service": 5}
    units = options | {"stop_units": ["labops-backup-backup.service"]}
    predicted = run_module_main(backup_hold, units, check_mode=True)
    assert (predicted["changed"], predicted["stopped"]) == (True, ["labops-backup-backup.service"])
    assert list(tmp_path.iterdir()) == []
    assert all(call[0] == "show" for call in systemd.calls)
    run_module_main(backup_hold, options)
    assert run_module_main(backup_hold, options | {"state": "absent"}, check_mode=True)["changed"] is True
    assert systemd.hold.exists()


def test_jobs_are_stopped_after_the_hold_is_there(run_module_main: RunModule, systemd: Systemd, options: t.Any) -> None:
    systemd.running = {"labops-backup-backup.service": 3}
    units = ["labops-backup-backup.service", "labops-backup-dump.service"]
    put_up = run_module_main(backup_hold, options | {"stop_units": units, "wait_seconds": 10})
    assert (put_up["changed"], put_up["stopped"]) == (True, units[:1])
    assert [call for call in systemd.calls if call[0] not in ("show",)] == [["stop", "--no-block", "--", units[0]]]


def test_a_job_that_does_not_end_is_told_and_not_killed(
    run_module_main: RunModule, systemd: Systemd, options: t.Any
) -> None:
    systemd.running = {"labops-backup-backup.service": 99}
    refused = run_module_main(
        backup_hold, options | {"stop_units": ["labops-backup-backup.service"], "wait_seconds": 0}
    )
    assert "was told to stop and still runs after 0 s. The hold is in place" in refused["msg"]
    assert systemd.hold.exists()
    assert not any(call[0] == "kill" for call in systemd.calls)


def test_a_lock_that_is_held_is_waited_for(
    run_module_main: RunModule, systemd: Systemd, options: t.Any, tmp_path: pathlib.Path
) -> None:
    lock = tmp_path / "tatchu.blobs.lock"
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write("a pull of blobs, process 4711\n")
        stream.flush()
        refused = run_module_main(backup_hold, options | {"locks": [str(lock)], "wait_seconds": 0})
    assert f"a job is still at work after 0 s: {lock} is held by a pull of blobs, process 4711" in refused["msg"]
    assert run_module_main(backup_hold, options | {"locks": [str(lock)]})["changed"] is False


@pytest.mark.parametrize("state", ["present", "absent"])
def test_the_hold_of_another_incident_is_not_touched(
    run_module_main: RunModule, systemd: Systemd, options: t.Any, state: str
) -> None:
    run_module_main(backup_hold, options)
    before = systemd.hold.read_bytes()
    refused = run_module_main(backup_hold, options | {"incident": "20261124T000000Z-000000", "state": state})
    assert f"tatchu is held by incident {INCIDENT} since" in refused["msg"]
    assert f"restore_incident={INCIDENT}" in refused["msg"]
    assert systemd.hold.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"incident": None}, "a hold needs incident"),
        ({"source": None}, "a hold needs source"),
        ({"stop_units": ["backup"]}, "'backup' is no name of a systemd unit"),
    ],
)
def test_bad_input_is_refused(
    run_module_main: RunModule, systemd: Systemd, options: t.Any, change: dict[str, t.Any], why: str
) -> None:
    assert why in run_module_main(backup_hold, options | change)["msg"]
    assert not systemd.hold.exists()


# --------------------------------------------------------------------------------------------- who respects a hold

BORG = {"repository": "/r", "passphrase_file": "/p", "base_dir": "/b"}
RESPECTING: dict[str, dict[str, t.Any]] = {
    "rsync_pull": {"source": "/nonexistent/", "destination": "/nonexistent"},
    "borg_create": BORG | {"archive": "a", "path": "/nonexistent"},
    "borg_check": BORG,
    "borg_compact": BORG,
    "borg_prune": BORG | {"glob": "a*", "keep_daily": 1},
    "recovery_point": BORG
    | {"point": "p", "source": "s", "server": "l", "run_id": "p", "expected": [], "datasets": [], "cache_dir": "/c"},
    "recovery_point_prune": BORG | {"source": "s", "point": "p", "cache_dir": "/c", "datasets": [], "journal": "/j"},
    "db_dump": {"directory": "/nonexistent"},
    "quarantine_expire": {"directory": "/nonexistent"},
}
# What proves backups gives way to whatever is more urgent, an incident among it; their own tests look at that.
GIVING_WAY = {"backup_check", "borg_extract"}


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("name", list(RESPECTING))
def test_every_step_of_a_job_refuses_while_a_hold_is_there(
    run_module_main: RunModule, systemd: Systemd, options: t.Any, name: str, check_mode: bool
) -> None:
    run_module_main(backup_hold, options)
    module = importlib.import_module(f"ansible_collections.labops.backup.plugins.modules.{name}")
    systemd.calls = []
    refused = run_module_main(module, RESPECTING[name] | {"hold": options["path"]}, check_mode=check_mode)
    assert refused["msg"].startswith(f"tatchu is held by incident {INCIDENT} since ")
    assert (refused["incident"], systemd.calls) == (INCIDENT, [])


def test_every_module_with_the_option_is_among_them() -> None:
    folder = pathlib.Path(str(backup_hold.__file__)).parent
    having = {path.stem for path in folder.glob("*.py") if '\n    "hold": {"type": "path"},\n' in path.read_text()}
    assert having == set(RESPECTING) | GIVING_WAY
