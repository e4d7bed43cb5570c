# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import shutil
import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _ledger

SSHD = "0::/system.slice/ssh.service\n"
LOGIN = "0::/user.slice/user-0.slice/session-7.scope\n"
NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)


def run_id(day: int) -> str:
    return f"202611{day:02}T023000Z-77b0aa"


def begin(folder: pathlib.Path, day: int, job: str = "backup") -> _ledger.Change:
    change = _ledger.begin(str(folder), run_id(day), job=job, sources=["tatchu"], release="0.1.0")
    _ledger.write(str(folder), change)
    return change


def end(folder: pathlib.Path, day: int, state: str = "success", job: str = "backup") -> _ledger.Change:
    change = _ledger.end(
        str(folder),
        run_id(day),
        state,
        job=job,
        sources=[],
        release="",
        now=NOW,
        outcomes=[],
        points=[],
        message="",
    )
    _ledger.write(str(folder), change)
    return change


def states(folder: pathlib.Path, count: int = 10, jobs: t.Container[str] = ("backup", "dump")) -> dict[str, str]:
    runs, _unreadable = _ledger.newest(str(folder), count, jobs=jobs, boot_id=_ledger.here()["boot_id"])
    return {run["run_id"]: run["state"] for run in runs}


def test_a_run_is_opened_and_closed(tmp_path: pathlib.Path) -> None:
    begin(tmp_path, 23)
    assert states(tmp_path) == {run_id(23): "running"}
    end(tmp_path, 23)
    assert states(tmp_path) == {run_id(23): "success"}
    path = tmp_path / f"{run_id(23)}.json"
    assert (json.loads(path.read_bytes())["sources"], path.stat().st_mode & 0o777) == (["tatchu"], 0o600)
    assert os.listdir(tmp_path) == [path.name]


@pytest.fixture(autouse=True)
def outside_of_a_session(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine on which the tests run may have any control groups."""
    processes(tmp_path_factory.mktemp("host"), monkeypatch, self=SSHD, _1=SSHD)


def test_an_earlier_run_of_the_same_job_that_never_ended_has_died(tmp_path: pathlib.Path) -> None:
    begin(tmp_path, 20)
    begin(tmp_path, 21, "dump")
    change = begin(tmp_path, 22)
    assert [run["run_id"] for run in change.died] == [run_id(20)]
    end(tmp_path, 22, "failure")
    assert begin(tmp_path, 23).died == []
    assert states(tmp_path) == {
        run_id(23): "running",
        run_id(22): "failure",
        run_id(21): "running",
        run_id(20): "died",
    }


def test_a_run_is_opened_once(tmp_path: pathlib.Path) -> None:
    begin(tmp_path, 23)
    with pytest.raises(BackupError, match=r"has run .* already, as running"):
        begin(tmp_path, 23)


def test_a_finished_run_stays_as_it_is(tmp_path: pathlib.Path) -> None:
    begin(tmp_path, 23)
    end(tmp_path, 23, "failure")
    before = (tmp_path / f"{run_id(23)}.json").read_bytes()
    with pytest.raises(BackupError, match="is recorded as failure"):
        end(tmp_path, 23, "success")
    assert (tmp_path / f"{run_id(23)}.json").read_bytes() == before


def test_the_end_of_a_run_that_nobody_opened_is_recorded(tmp_path: pathlib.Path) -> None:
    end(tmp_path, 23, "failure")
    assert states(tmp_path) == {run_id(23): "failure"}


def test_the_end_belongs_to_the_job_that_began(tmp_path: pathlib.Path) -> None:
    begin(tmp_path, 23)
    with pytest.raises(BackupError, match="one of the job 'backup', not 'dump'"):
        end(tmp_path, 23, job="dump")


def test_a_run_from_before_the_last_boot_is_shown_as_died_and_left_alone(tmp_path: pathlib.Path) -> None:
    begin(tmp_path, 23)
    runs, _unreadable = _ledger.newest(str(tmp_path), 1, jobs=["backup"], boot_id="another")
    assert [(run["state"], run["message"]) for run in runs] == [("died", "the host has started anew since")]
    assert states(tmp_path) == {run_id(23): "running"}


def test_the_newest_runs_of_a_job_are_listed_first(tmp_path: pathlib.Path) -> None:
    for day in (21, 23, 22):
        begin(tmp_path, day, "dump" if day == 22 else "backup")
    assert list(states(tmp_path, 2)) == [run_id(23), run_id(22)]
    assert list(states(tmp_path, 2, ["backup"])) == [run_id(23), run_id(21)]


def test_unreadable_documents_are_named_and_stop_nothing(tmp_path: pathlib.Path) -> None:
    begin(tmp_path, 21)
    (tmp_path / f"{run_id(22)}.json").write_bytes(b'{"schema_version": 1')
    (tmp_path / f"{run_id(20)}.json").write_bytes(b'{"schema_version": 9}')
    (tmp_path / "notes.json").write_bytes(b"not ours")
    runs, unreadable = _ledger.newest(str(tmp_path), 9, jobs=["backup"], boot_id="")
    assert [run["run_id"] for run in runs] == [run_id(21)]
    assert [entry["path"] for entry in unreadable] == [str(tmp_path / f"{run_id(day)}.json") for day in (22, 20)]
    assert "not a JSON document" in unreadable[0]["reason"]
    assert "schema version 9" in unreadable[1]["reason"]
    assert [run["run_id"] for run in begin(tmp_path, 23).died] == [run_id(21)]


def test_a_run_id_cannot_lead_out_of_the_folder(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BackupError, match="is not an identifier"):
        _ledger.load(str(tmp_path), "../other")


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("0::/system.slice/labops-backup-dump.service\n", "/system.slice/labops-backup-dump.service"),
        ("12:pids:/x\n1:name=systemd:/user.slice/session-1.scope\n0::/\n", "/user.slice/session-1.scope"),
    ],
)
def test_the_control_group_in_either_layout(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str, group: str
) -> None:
    processes(tmp_path, monkeypatch, self=text)
    assert _ledger.here()["control_group"] == group
    assert _ledger.here()["unit"] == group.rpartition("/")[2]


def processes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, **groups: str) -> None:
    folder = tmp_path / "proc"
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in groups.items():
        (folder / name.lstrip("_")).mkdir(parents=True)
        (folder / name.lstrip("_") / "cgroup").write_text(text)
    monkeypatch.setattr(_ledger, "_PROCESSES", str(folder))


def test_runs_side_by_side_leave_each_other_alone_and_a_dead_one_is_found_at_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a run that a person started: its login is over."""
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    units = {day: f"0::/system.slice/labops-backup-backup-{day}.service\n" for day in (20, 21, 22)}
    for day in (20, 21):
        processes(tmp_path, monkeypatch, self=units[day], _1=units[20], _2=units[21])
        assert begin(ledger, day).died == []
    assert states(ledger) == {run_id(21): "running", run_id(20): "running"}
    processes(tmp_path, monkeypatch, self=units[22], _1=units[20], _3=units[22])
    assert states(ledger) == {run_id(21): "died", run_id(20): "running"}
    assert [run["run_id"] for run in begin(ledger, 22).died] == [run_id(21)]


def process(tmp_path: pathlib.Path, pid: int, parent: int, *words: str, started: int | None = None) -> None:
    """A process of the login, named by its own number unless that is another one's."""
    folder = tmp_path / "proc" / str(pid)
    folder.mkdir()
    (folder / "cgroup").write_text(LOGIN)
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    counters = " ".join(["0"] * 17)
    (folder / "stat").write_text(f"{pid} (odd ) name) S {parent} {counters} {started or pid} 0\n")


def acts_as(tmp_path: pathlib.Path, pid: int) -> None:
    link = tmp_path / "proc" / "self"
    link.unlink(missing_ok=True)
    link.symlink_to(str(pid))


def test_nights_that_one_login_started_here_are_told_apart_by_their_playbook(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    processes(tmp_path, monkeypatch, _1=SSHD)
    process(tmp_path, 10, 1, "-bash")
    for playbook in (20, 21, 22):
        process(tmp_path, playbook, 10, "python3", "/opt/venv/bin/ansible-playbook", "backup.yml")
        process(tmp_path, playbook + 100, playbook, "python3", "/opt/venv/bin/ansible-playbook", "backup.yml")
        process(tmp_path, playbook + 200, playbook + 100, "python3")
    for day in (20, 21):
        acts_as(tmp_path, day + 200)
        assert begin(ledger, day).died == []
    assert states(ledger) == {run_id(21): "running", run_id(20): "running"}
    for pid in (20, 120, 220):
        shutil.rmtree(tmp_path / "proc" / str(pid))
    process(tmp_path, 20, 1, "ansible-playbook", started=999)  # another one of that number
    assert states(ledger) == {run_id(21): "running", run_id(20): "died"}
    acts_as(tmp_path, 222)
    assert [run["run_id"] for run in begin(ledger, 22).died] == [run_id(20)]


@pytest.mark.parametrize(("group", "died"), [(LOGIN, []), (SSHD, [run_id(20)])])
def test_nights_over_one_ssh_session_live_as_long_as_that(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, group: str, died: list[str]
) -> None:
    """A host without sessions has but the group of sshd, which tells nothing."""
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    processes(tmp_path, monkeypatch, self=group, _1=group)
    begin(ledger, 20)
    assert [run["run_id"] for run in begin(ledger, 21).died] == died
