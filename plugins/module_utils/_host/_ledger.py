# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The ledger: one JSON document a run, in one folder of the host that ran it."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _run

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_PROCESSES = "/proc"
_SESSION = re.compile(r"/session-[^/]+\.scope\Z")
_SUFFIX = ".json"
_ASIDE = ".unreadable"


def here() -> dict[str, str]:
    """Where this process runs: host, boot, control group, that one's last name (the unit of a job), and playbook."""
    group = _control_group("self")
    return {
        "host": os.uname().nodename,
        "boot_id": _first_line(_BOOT_ID),
        "unit": group.rpartition("/")[2],
        "control_group": group,
        "playbook": _playbook(),
    }


def path_of(folder: str, run_id: str) -> str:
    """The path of a run's document.

    :raises BackupError: when ``run_id`` is not an identifier.
    """
    _run.began(run_id)
    return os.path.join(folder, run_id + _SUFFIX)


@dataclass(frozen=True)
class Change:
    """What recording a run does to the ledger.

    :param before: the run's document until now, None when there was none.
    :param after: its document from now on.
    :param died: documents of earlier runs of the same job that ended without a word.
    """

    before: dict[str, t.Any] | None
    after: dict[str, t.Any]
    died: list[dict[str, t.Any]]


def begin(folder: str, run_id: str, *, job: str, sources: t.Sequence[str], release: str) -> Change:
    """What is to be written when a run begins: itself, and which earlier runs of the same job are found dead.

    :raises BackupError: when the ledger has that run already.
    """
    before = load(folder, run_id)
    if before is not None:
        raise BackupError(
            f"the ledger {folder} has run {run_id} already, as {before['state']}",
            untouched="The ledger was not changed",
            remedy="Give every run an identifier of its own",
        )
    where = here()
    after = _run.start(run_id, job=job, sources=sources, release=release, where=where)
    why = f"still counted as running when run {run_id} of the same job began"
    over = (run for run in _left_running(folder, job, run_id) if not _alive(run, where))
    return Change(None, after, [_run.died(run, why) for run in over])


def end(
    folder: str,
    run_id: str,
    state: str,
    *,
    job: str,
    sources: t.Sequence[str],
    release: str,
    now: datetime,
    outcomes: t.Sequence[t.Mapping[str, t.Any]],
    points: t.Sequence[t.Mapping[str, t.Any]],
    message: str,
) -> Change:
    """What is to be written when a run ends. A run whose beginning nobody recorded is recorded all the same.

    :raises BackupError: when the run is finished already, or belongs to another job.
    """
    before = load(folder, run_id)
    if before is not None and before["job"] != job:
        raise BackupError(
            f"run {run_id} in the ledger {folder} is one of the job {before['job']!r}, not {job!r}",
            untouched="The ledger was not changed",
        )
    run = before or _run.start(run_id, job=job, sources=sources, release=release, where=here())
    after = _run.finish(run, state, now=now, outcomes=outcomes, points=points, message=message)
    return Change(before, after, [])


def write(folder: str, change: Change) -> None:
    """Write what :func:`begin` or :func:`end` decided, durably."""
    for run in (change.after, *change.died):
        _document.write(path_of(folder, str(run["run_id"])), run)


def load(folder: str, run_id: str) -> dict[str, t.Any] | None:
    """The document of one run; None when there is none.

    :raises BackupError: when it cannot be understood.
    """
    try:
        run = _document.read(path_of(folder, run_id))
    except FileNotFoundError:
        return None
    _run.check(run, run_id)
    return run


def newest(
    folder: str, count: int, *, jobs: t.Container[str], boot_id: str
) -> tuple[list[dict[str, t.Any]], list[dict[str, str]]]:
    """The newest ``count`` runs of these jobs, newest first, and the files that could not be understood.

    A run that still counts as running is shown as died when nothing of it is left on this host.
    """
    where = {"boot_id": boot_id, "control_group": ""}
    runs: list[dict[str, t.Any]] = []
    unreadable: list[dict[str, str]] = []
    for run_id in _identifiers(folder):
        if len(runs) == count:
            break
        try:
            run = load(folder, run_id)
        except (BackupError, OSError) as error:
            unreadable.append({"path": path_of(folder, run_id), "reason": str(error)})
            continue
        if run is None or run["job"] not in jobs:
            continue
        if run["state"] == _run.RUNNING and not _alive(run, where):
            anew = run.get("boot_id") != boot_id
            run = _run.died(run, "the host has started anew since" if anew else "none of its processes is left")
        runs.append(run)
    return runs, unreadable


@dataclass(frozen=True)
class Pruned:
    """What :func:`prune` does to the ledger.

    :param removed: identifiers of the runs that go.
    :param aside: C(path) and C(reason) of the documents that get another name, because nobody can understand them.
    :param unreadable: the same of those that the system did not let be read; they stay as they are.
    """

    removed: list[str]
    aside: list[dict[str, str]]
    unreadable: list[dict[str, str]]


def prune(folder: str, *, keep_runs: int, keep_bytes: int, dry: bool) -> Pruned:
    """Keep the ledger within a number of runs and of bytes, the oldest go first; set aside what cannot be understood.

    Never removed: a run that counts as running, the newest success of each job and source, and the newest run that
    sealed a complete point of each source. The time of the last success must not go with the past.
    """
    runs: list[tuple[dict[str, t.Any], int]] = []
    done = Pruned([], [], [])
    for run_id in _identifiers(folder):
        path = path_of(folder, run_id)
        try:
            run = load(folder, run_id)
            if run is not None:
                runs.append((run, os.stat(path).st_size))
        except BackupError as error:
            done.aside.append({"path": path + _ASIDE, "reason": error.message})
            if not dry:
                os.replace(path, path + _ASIDE)
        except OSError as error:
            done.unreadable.append({"path": path, "reason": str(error)})
    for run_id in _run.superfluous(runs, keep_runs=keep_runs, keep_bytes=keep_bytes):
        done.removed.append(run_id)
        if not dry:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path_of(folder, run_id))
    if not dry and (done.removed or done.aside):
        _document.sync_folder(folder)
    return done


def set_aside(folder: str) -> t.Sequence[str]:
    """The paths of documents that :func:`prune` ever set aside, until somebody removes them."""
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(_SUFFIX + _ASIDE))


def _left_running(folder: str, job: str, run_id: str) -> list[dict[str, t.Any]]:
    found = []
    for other in _identifiers(folder):
        try:
            run = load(folder, other)
        except (BackupError, OSError):
            continue  # run_record_info names it; it must not stop tonight's run
        if run is not None and run["job"] == job and run["state"] == _run.RUNNING and other != run_id:
            found.append(run)
    return found


def _alive(run: t.Mapping[str, t.Any], where: t.Mapping[str, str]) -> bool:
    """Whether a run may still go on: same boot, and its ansible-playbook or some process of its control group is left.

    A job has a unit, and so a control group, of its own. What people start shares that of their login; there the
    ansible-playbook decides, if it runs on this host. Over ssh it does not, but the session ends a minute after the
    last task. On a host without sessions all of that is in the group of sshd, which always lives: there only the
    newest of these runs counts as alive.
    """
    group = run.get("control_group")
    if not group or run.get("boot_id") != where["boot_id"]:
        return False
    if run.get("playbook"):
        return _identity(str(run["playbook"]).partition(" ")[0]) == run["playbook"]
    if group == where["control_group"] and not _SESSION.search(str(group)):
        return False
    processes = (name for name in os.listdir(_PROCESSES) if name.isdecimal())
    return any(_control_group(process) == group for process in processes)


def _playbook() -> str:
    """The identity of the ansible-playbook on this host that this process works for; empty when there is none."""
    found, process = "", _parent("self")
    while process != "0":
        ours = _is_playbook(process)
        if found and not ours:
            break  # its workers are forks of it, so it is the last of them upwards
        found = _identity(process) if ours else found
        process = _parent(process)
    return found


def _is_playbook(process: str) -> bool:
    with contextlib.suppress(OSError), open(f"{_PROCESSES}/{process}/cmdline", "rb") as stream:
        return any(os.path.basename(word) == b"ansible-playbook" for word in stream.read().split(b"\0")[:2])
    return False


def _identity(process: str) -> str:
    """The number of a process and when it started (in ticks since boot), which no later one shares; empty when gone."""
    status = _status(process)
    return f"{process} {status[1]}" if status else ""


def _parent(process: str) -> str:
    return (_status(process) or ("0", ""))[0]


def _status(process: str) -> tuple[str, str] | None:
    """The parent of a process, and when it started."""
    with contextlib.suppress(OSError), open(f"{_PROCESSES}/{process}/stat", "rb") as stream:
        fields = stream.read().rpartition(b")")[2].split()  # its name, in brackets, may hold anything
        return fields[1].decode(), fields[19].decode()
    return None


def _control_group(process: str) -> str:
    """The control group that systemd put a process into, in either layout of cgroups(7); empty when it is gone."""
    groups = {}
    with contextlib.suppress(OSError), open(f"{_PROCESSES}/{process}/cgroup", encoding="utf-8") as stream:
        for line in stream:
            _number, controllers, path = line.rstrip("\n").split(":", 2)
            groups[controllers] = path
    return groups.get("name=systemd") or groups.get("") or ""


def _identifiers(folder: str) -> list[str]:
    names = (name.removesuffix(_SUFFIX) for name in os.listdir(folder) if name.endswith(_SUFFIX))
    return sorted((name for name in names if _run.is_identifier(name)), reverse=True)


def _first_line(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.readline().strip()
