# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pull, with rsync replaced by a script of answers."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _pull
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _lock, _root, _tree
from ansible_collections.labops.backup.plugins.module_utils._tools import _command
from ansible_collections.labops.backup.plugins.modules import rsync_pull

RunModule = t.Callable[..., dict[str, t.Any]]

NEW = b"|cd+++++++++|4096|sub/\n|>f+++++++++|5|sub/a\n"
GONE = b"|*deleting  |0|old\n"
VANISHED = 'file has vanished: "/z" (in blobs)\nrsync warning: some files vanished (code 24)'
SKIPPED = "Deletions stopped due to --max-delete limit (3 skipped)"
CUT = "rsync: connection unexpectedly closed (2181 bytes received so far) [receiver]"


def answer(items: bytes = b"", *, rc: int = 0, stderr: str = "", files: int = 30) -> dict[str, t.Any]:
    statistics = (
        b"Number of files: %d (reg: %d, dir: 2)\n" % (files + 2, files) if files else b"Number of files: 1 (dir: 1)\n"
    )
    return {"stdout": items + statistics + b"Total file size: 150 bytes\n", "rc": rc, "stderr": stderr, "files": files}


class Rsync:
    """Answers as it was told to, and keeps what it was asked and what the host looked like then."""

    def __init__(self, root: pathlib.Path, version: bytes) -> None:
        self.root = root
        self.version = version
        self.answers: list[dict[str, t.Any]] = []
        self.calls: list[dict[str, t.Any]] = []
        self.files = 0

    def __call__(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        if os.path.basename(argv[0]) == "sync":
            self.calls.append({"sync": argv[-1], "state": self.generation()["state"]})
            return _command.Outcome(tuple(argv), 0, b"", "", 0.0)
        if argv[1:] == ["-VV"]:
            return _command.Outcome(tuple(argv), 0, self.version, "", 0.0)
        given = self.answers.pop(0)
        self.files = given["files"]
        self.calls.append(
            {
                "dry_run": "--dry-run" in argv,
                "max_delete": next((word for word in argv if word.startswith("--max-delete=")), None),
                "mirror": (self.root / "mirror").is_dir(),
                "state": self.generation().get("state"),
                "locked": len(keywords["pass_fds"]) == 1,
            }
        )
        keywords["on_stdout"](given["stdout"])
        for line in given["stderr"].splitlines():
            keywords["on_stderr_line"](line)
        return _command.Outcome(tuple(argv), given["rc"], b"", given["stderr"], 0.1)

    def generation(self) -> dict[str, t.Any]:
        path = self.root / "mirror.generation.json"
        return t.cast("dict[str, t.Any]", json.loads(path.read_bytes())) if path.exists() else {}


@pytest.fixture
def rsync(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, rsync_version: bytes) -> Rsync:
    fake = Rsync(tmp_path, rsync_version)
    monkeypatch.setattr(_command, "run", fake)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(_tree, "count", lambda _directory: fake.files)
    return fake


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(_pull.time, "sleep", slept.append)
    return slept


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module warned of; ansible-core itself shows a text only once a process."""
    said: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: said.append(text))
    return said


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    (tmp_path / "source").mkdir()
    return {
        "source": str(tmp_path / "source"),
        "destination": str(tmp_path / "mirror"),
        "lock": str(tmp_path / "lock"),
        "generation_file": str(tmp_path / "mirror.generation.json"),
        "dump_set": "set",
        "run_id": "run",
        "limits": {"deleted_files": 10, "deleted_percent": 10, "changed_percent": 50},
        "retries": 2,
        "retry_wait": 7,
    }


def test_a_pull(run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any]) -> None:
    rsync.answers = [answer(NEW + GONE), answer(NEW + GONE)]
    result = run_module_main(rsync_pull, options)
    assert rsync.calls == [
        {"dry_run": True, "max_delete": None, "mirror": False, "state": None, "locked": False},
        {"dry_run": False, "max_delete": "--max-delete=1", "mirror": True, "state": "writing", "locked": True},
        {"sync": options["destination"], "state": "writing"},
    ]
    expected = {
        "changed": True,
        "generation": 1,
        "dump_set": "set",
        "files": 30,
        "bytes": 150,
        "created": 1,
        "created_directories": 1,
        "changed_files": 0,
        "deleted": 1,
        "deleted_files": 1,
        "retries": 0,
    }
    assert {name: result[name] for name in expected} == expected
    assert (result["census"]["mirror_files"], result["census"]["empty_source"]) == (30, False)
    document = rsync.generation()
    assert (document["state"], document["dump_set"], document["run_id"]) == ("complete", "set", "run")
    assert (document["files"], document["bytes"]) == (30, 150)


def test_check_mode_counts_and_writes_nothing(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    rsync.answers = [answer(NEW)]
    result = run_module_main(rsync_pull, options, check_mode=True)
    assert (result["changed"], result["generation"], result["census"]["created"]) == (True, 1, 1)
    assert [call["dry_run"] for call in rsync.calls] == [True]
    assert os.listdir(tmp_path) == ["source"]


def test_check_mode_refuses_what_the_real_run_would_refuse(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any]
) -> None:
    rsync.answers = [answer(GONE * 11)]
    result = run_module_main(rsync_pull, options, check_mode=True)
    assert (result["failed"], result["kind"]) == (True, "limits")


def test_a_second_pull_changes_nothing_and_is_a_generation_of_its_own(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any]
) -> None:
    rsync.answers = [answer(NEW), answer(NEW), answer(), answer()]
    run_module_main(rsync_pull, options)
    result = run_module_main(rsync_pull, options)
    assert (result["changed"], result["generation"]) == (False, 2)


@pytest.mark.parametrize(
    ("census", "reason"),
    [
        (
            answer(GONE * 11, files=1000),
            "11 of 1011 files would be deleted (limit deleted_files: 10); to be deleted, for example: old, old",
        ),
        (answer(GONE * 5, files=30), "5 of 35 files would be deleted, 14.3 % (limit deleted_percent: 10 %)"),
        (
            answer(b"|>f.st......|5|x\n" * 16),
            "16 of 30 files would be overwritten, 53.3 % (limit changed_percent: 50 %)",
        ),
        (answer(GONE, files=0), "the source holds no file at all"),
    ],
)
def test_a_limit_stops_it_before_anything_is_written(
    run_module_main: RunModule,
    rsync: Rsync,
    options: dict[str, t.Any],
    tmp_path: pathlib.Path,
    census: dict[str, t.Any],
    reason: str,
) -> None:
    rsync.answers = [census]
    result = run_module_main(rsync_pull, options)
    assert result["failed"]
    assert reason in result["msg"]
    for part in ("The mirror was not changed", "Look at the source", "accept it for one run with the option accept="):
        assert part in result["msg"]
    assert (result["kind"], len(result["breaches"]), len(rsync.calls)) == ("limits", 1, 1)
    assert sorted(os.listdir(tmp_path)) == ["lock", "source"]


def test_a_mirror_with_other_files_than_the_source_is_not_complete(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tree, "count", lambda _directory: 31)
    rsync.answers = [answer(NEW), answer(NEW)]
    result = run_module_main(rsync_pull, options)
    assert (result["failed"], result["kind"], rsync.generation()["state"]) == (True, "recount", "writing")
    assert "holds 31 files after the pull" in result["msg"]


def test_the_refusal_says_how_to_accept_it_and_the_acceptance_is_returned(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any]
) -> None:
    rsync.answers = [answer(GONE * 11, files=1000)]
    assert run_module_main(rsync_pull, options)["acceptance"] == {"deleted_files": 11}
    rsync.answers = [answer(GONE * 11, files=1000), answer(GONE * 11, files=1000)]
    accept = {"deleted_files": 11, "reason": "old sessions moved"}
    assert run_module_main(rsync_pull, {**options, "accept": accept})["accepted"] == accept
    assert rsync.calls[-2]["max_delete"] == "--max-delete=11"


def test_an_acceptance_is_bound_by_its_number_over_all_tries(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], waits: list[float]
) -> None:
    rsync.answers = [
        answer(GONE * 11, files=1000),
        answer(GONE * 6, rc=25, stderr=SKIPPED, files=1000),
        answer(GONE * 6, files=1000),
    ]
    result = run_module_main(rsync_pull, {**options, "accept": {"deleted_files": 11, "reason": "moved"}})
    assert (result["failed"], result["acceptance"]) == (True, {"deleted_files": 12})


def test_overwritten_files_add_up_over_all_tries(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], waits: list[float]
) -> None:
    rewritten = b"|>f.st......|5|x\n"
    rsync.answers = [answer(rewritten * 15), answer(rewritten * 8, rc=12, stderr=CUT), answer(rewritten * 8)]
    result = run_module_main(rsync_pull, options)
    assert (result["failed"], result["kind"], waits) == (True, "limits", [7])
    assert "16 of 30 files would be overwritten, 53.3 %" in result["msg"]
    assert "The mirror was not changed any further" in result["msg"]


def test_a_try_that_only_brought_something_touched_the_mirror_as_well(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], waits: list[float]
) -> None:
    rsync.answers = [answer(NEW), answer(NEW, rc=25, stderr=SKIPPED), answer(GONE * 11, files=1000)]
    result = run_module_main(rsync_pull, options)
    assert (result["failed"], result["kind"]) == (True, "limits")
    assert "The mirror was not changed any further and no archive was made of it" in result["msg"]


def test_a_disk_that_fills_up_between_two_tries_finds_a_touched_mirror(
    run_module_main: RunModule,
    rsync: Rsync,
    options: dict[str, t.Any],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_words: t.Any, **_keywords: t.Any) -> None:
        if len(rsync.calls) > 2:
            raise BackupError("full", untouched="The mirror was not changed", remedy="Free space", kind="space")

    monkeypatch.setattr(_root, "check", lambda _root: None)
    monkeypatch.setattr(_root, "require_space", full)
    root = {"path": "/srv/backup", "document": "/etc/root.json"}
    rsync.answers = [answer(NEW), answer(NEW, rc=12, stderr=CUT), answer(NEW)]
    result = run_module_main(rsync_pull, {**options, "root": root})
    assert result["kind"] == "space"
    assert result["msg"] == "full. The mirror is marked as being written; it is not archived. Free space."


def test_an_acceptance_that_was_not_needed_is_not_returned(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any]
) -> None:
    rsync.answers = [answer(), answer()]
    assert run_module_main(rsync_pull, {**options, "accept": {"empty": True, "reason": "moved"}})["accepted"] == {}


def test_a_quarantine_needs_a_run_and_a_generation(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    result = run_module_main(rsync_pull, {**options, "quarantine": {"directory": str(tmp_path / "q")}})
    assert "a quarantine needs generation_file and a run_id" in result["msg"]
    assert (rsync.calls, sorted(os.listdir(tmp_path))) == ([], ["source"])


def test_an_empty_source_is_believed_on_demand(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any]
) -> None:
    rsync.answers = [answer(files=0), answer(files=0)]
    assert run_module_main(rsync_pull, {**options, "allow_empty": True})["files"] == 0


def test_vanished_files_are_a_warning_after_a_second_look(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], waits: list[float], warnings: list[str]
) -> None:
    rsync.answers = [
        answer(NEW),
        answer(NEW, rc=24, stderr=VANISHED),
        answer(),
        answer(rc=24, stderr=VANISHED + "\n" + VANISHED),
    ]
    result = run_module_main(rsync_pull, options)
    assert (result["generation"], result["retries"], result["created"], waits) == (1, 0, 1, [])
    assert warnings == [
        "1 files vanished on the source while it was read: /z",
        "2 files vanished on the source while it was read: /z, /z",
    ]
    assert rsync.generation()["state"] == "complete"


def test_a_vanished_file_does_not_hide_that_deletions_stopped(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], waits: list[float]
) -> None:
    rsync.answers = [answer(), answer(rc=24, stderr=f"{VANISHED}\n{SKIPPED}")] * 3
    result = run_module_main(rsync_pull, options)
    assert (result["failed"], result["kind"], result["rc"], waits) == (True, "delete_limit", 24, [7, 7])
    assert "more had to be deleted than the census counted" in result["msg"]
    assert "marked as being written; it is not archived" in result["msg"]
    assert rsync.generation()["state"] == "writing"


def test_tries_cannot_delete_more_together_than_one_may(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], waits: list[float]
) -> None:
    rsync.answers = [
        answer(GONE * 6, files=500),
        answer(GONE * 6, rc=25, stderr=SKIPPED, files=500),
        answer(GONE * 5, files=500),
    ]
    result = run_module_main(rsync_pull, options)
    assert (result["failed"], result["breaches"]) == (
        True,
        ["11 of 511 files would be deleted (limit deleted_files: 10)"],
    )
    assert "The mirror was not changed any further" in result["msg"]


@pytest.mark.parametrize("phase", ["census", "pull"])
def test_a_cut_line_is_tried_again(
    run_module_main: RunModule,
    rsync: Rsync,
    options: dict[str, t.Any],
    waits: list[float],
    warnings: list[str],
    phase: str,
) -> None:
    before = [] if phase == "census" else [answer(NEW)]
    rsync.answers = [*before, answer(rc=12, stderr=CUT), answer(NEW), answer(NEW)]
    result = run_module_main(rsync_pull, options)
    assert (result["retries"], waits, result["generation"], rsync.generation()["state"]) == (1, [7], 1, "complete")
    assert warnings == [f"try 1: {phase} ended with rsync exit code 12 (connection): {CUT}"]


def test_a_source_that_stays_away_fails(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], waits: list[float], tmp_path: pathlib.Path
) -> None:
    rsync.answers = [answer(rc=12, stderr=CUT)] * 3
    result = run_module_main(rsync_pull, options)
    assert (result["failed"], result["kind"], waits) == (True, "connection", [7, 7])
    assert "failed after 2 retries" in result["msg"]
    assert f"The mirror {options['destination']} was not changed" in result["msg"]
    assert sorted(os.listdir(tmp_path)) == ["lock", "source"]


@pytest.mark.parametrize(("rc", "kind"), [(23, "partial"), (11, "failed"), (20, "failed")])
def test_other_failures_are_not_tried_again(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], waits: list[float], rc: int, kind: str
) -> None:
    rsync.answers = [answer(NEW), answer(NEW, rc=rc, stderr="rsync: [receiver] something")]
    result = run_module_main(rsync_pull, options)
    assert (result["failed"], result["kind"], result["rc"], waits) == (True, kind, rc, [])
    assert rsync.generation()["state"] == "writing"


def test_a_held_lock_stops_it(run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any]) -> None:
    with _lock.hold(options["lock"], "borg_create of run other"):
        result = run_module_main(rsync_pull, options)
    assert (result["failed"], rsync.calls) == (True, [])
    assert "is held by borg_create of run other" in result["msg"]


def test_without_generation_and_lock_it_is_a_plain_copy(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    rsync.answers = [answer(NEW), answer(NEW)]
    result = run_module_main(rsync_pull, {name: options[name] for name in ("source", "destination")})
    assert (result["changed"], result["generation"]) == (True, None)
    assert [call.get("locked") for call in rsync.calls] == [False, False]
    assert sorted(os.listdir(tmp_path)) == ["mirror", "source"]


def test_what_was_cut_off_before_is_forgotten_once_it_is_complete(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mirror.partial").mkdir()
    (tmp_path / "mirror.partial" / "a").write_text("ha")
    rsync.answers = [answer(NEW), answer(rc=23), answer(NEW), answer(NEW)]
    run_module_main(rsync_pull, options)
    assert os.listdir(tmp_path / "mirror.partial") == []
    assert (tmp_path / "mirror.resume/sub/a").read_text() == "ha"
    run_module_main(rsync_pull, options)
    assert sorted(name for name in os.listdir(tmp_path) if name.startswith("mirror.")) == ["mirror.generation.json"]


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_rsync_that_is_too_old_is_refused_before_anything_changes(
    run_module_main: RunModule, rsync: Rsync, options: dict[str, t.Any], tmp_path: pathlib.Path, check_mode: bool
) -> None:
    rsync.version = b"rsync  version 3.1.3  protocol version 31\n"
    result = run_module_main(rsync_pull, options, check_mode=check_mode)
    assert result["failed"] and "'rsync  version 3.1.3  protocol version 31'; 3.2.7" in result["msg"]
    assert rsync.calls == [] and not (tmp_path / "mirror").exists()
    assert not (tmp_path / "mirror.generation.json").exists()
