# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The fence around those who write: units that cannot be started, crontabs that are away, containers that stand."""

from __future__ import annotations

import hashlib
import os
import typing as t
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _crontab, _document, _fence_record
from ansible_collections.labops.backup.plugins.module_utils._model import _run
from ansible_collections.labops.backup.plugins.module_utils._tools import _container, _systemd

_UNITS = "/etc/systemd/system"
_FILE = "zz-labops-fence.conf"
_DROP_IN = b"""\
# Written by labops.backup: this unit writes to what is being restored, so it cannot be started. Run restore.yml with
# the tag release when the restore is done; do not remove this file.
[Unit]
AssertPathExists=/nonexistent/labops-backup-fence
"""
# It starts, after a restart of the host, what Podman had running.
_PODMAN_RESTART = "podman-restart.service"


@dataclass(frozen=True)
class Request:
    """What :func:`fence` and :func:`release` are asked to do; see the options of the module ``writer_fence``."""

    record: str
    timers: t.Sequence[str]
    units: t.Sequence[str]
    crontabs: t.Sequence[str]
    containers: t.Sequence[str]
    stop_seconds: float

    @property
    def all_units(self) -> list[str]:
        """What starts others comes first."""
        return list(dict.fromkeys([*self.timers, *self.units]))


def request(options: t.Mapping[str, t.Any]) -> Request:
    """The request that a module's options make; a name that cannot be one is refused."""
    return Request(
        record=options["record"],
        timers=[_systemd.check_name(name) for name in options["timers"]],
        units=[_systemd.check_name(name) for name in options["units"]],
        crontabs=list(dict.fromkeys(_crontab.path_of(name) for name in options["crontabs"])),
        containers=[_container.check_name(name) for name in options["containers"]],
        stop_seconds=options["stop_seconds"],
    )


@dataclass(frozen=True)
class _Seen:
    """How it is at this moment.

    :param unknown: by container why nobody can say how it is; an engine that comes back may start it.
    """

    units: list[_systemd.Unit]
    crontabs: list[dict[str, t.Any]]
    containers: list[_container.Container]
    unknown: dict[str, str]

    def problems(self) -> list[str]:
        """Why the fence does not hold."""
        return [
            *(f"{unit.name} can be started" for unit in self.units if not _is_shut(unit)),
            *(f"{unit.name} runs" for unit in self.units if unit.running),
            *(f"the crontab {saved['path']} is in its place" for saved in self.crontabs),
            *(f"the container {one.name} runs" for one in self.containers if one.running),
            *(
                f"Docker may start the container {one.name}"
                for one in self.containers
                if one.engine == "docker" and one.restart != "no"
            ),
            *self.unknown.values(),
        ]


def _look(units: t.Iterable[str], crontabs: t.Iterable[str], containers: t.Iterable[str]) -> _Seen:
    there, unknown = [], {}
    for name in containers:
        try:
            there.append(_container.look(name))
        except BackupError as error:
            unknown[name] = error.what
    return _Seen(
        [_systemd.look(name) for name in units],
        [saved for saved in map(_crontab.save, crontabs) if saved is not None],
        [one for one in there if one is not None],
        unknown,
    )


def fence(request: Request, *, dry_run: bool) -> dict[str, t.Any]:
    """Put the fence up, or see what that would change; returns the module's result."""
    record = _fence_record.read(request.record, _fence_record.WRITERS)
    names, crontabs, containers = _meant(request, record)
    seen = _look(names, crontabs, containers)
    if any(one.engine == "podman" for one in seen.containers) and _PODMAN_RESTART not in names:
        names = [_PODMAN_RESTART, *names]
        seen = _look(names, crontabs, containers)
    noted, replaced = _noted(record, seen)
    problems = seen.problems()
    changed = noted != record or bool(problems)
    stopped: list[str] = []
    failures: list[str] = []
    if changed and not dry_run:
        for saved in replaced:
            _keep_aside(request.record, saved)
        if noted != record:
            _fence_record.write(request.record, _fence_record.WRITERS, noted)
        stopped, failures = _close(request, seen)
        problems = _look(names, crontabs, containers).problems() + failures
    missing = [unit.name for unit in seen.units if not unit.found and unit.name != _PODMAN_RESTART]
    there = {one.name for one in seen.containers}
    missing += [name for name in containers if name not in there and name not in seen.unknown]
    saved_paths = {saved["path"] for saved in noted["crontabs"]}
    missing += [path for path in crontabs if path not in saved_paths]
    in_place = record is not None or not dry_run
    return {
        "changed": changed,
        "holds": in_place and not problems,
        "since": noted["since"] if in_place else None,
        "units": names,
        "crontabs": sorted(saved_paths),
        "containers": sorted(there),
        "stopped": stopped,
        "missing": missing,
        "problems": problems if in_place else [],
        "warnings": [f"there is no {name} on this host" for name in missing]
        + [f"{saved['path']} was written anew while it was fenced; it lies beside the record" for saved in replaced],
    }


def _meant(request: Request, record: dict[str, t.Any] | None) -> tuple[list[str], list[str], list[str]]:
    """What is asked for, and what was fenced before: nothing falls out of the fence because it left the inventory."""
    record = record or {"units": [], "crontabs": [], "containers": []}
    units = [*request.all_units, *(unit["name"] for unit in record["units"])]
    crontabs = [*request.crontabs, *(saved["path"] for saved in record["crontabs"])]
    containers = [*request.containers, *(one["name"] for one in record["containers"])]
    return list(dict.fromkeys(units)), list(dict.fromkeys(crontabs)), list(dict.fromkeys(containers))


def _noted(record: dict[str, t.Any] | None, seen: _Seen) -> tuple[dict[str, t.Any], list[dict[str, t.Any]]]:
    """The record with what is not in it yet, and the crontabs that came while theirs were away."""
    record = record or {"since": _run.utc(datetime.now(UTC)), "units": [], "crontabs": [], "containers": []}
    units = {unit["name"] for unit in record["units"]}
    crontabs = {saved["path"]: saved for saved in record["crontabs"]}
    containers = {one["name"] for one in record["containers"]}
    new_units = [
        {
            "name": unit.name,
            "active": unit.active,
            "enabled": unit.enabled,
            # A piece of work that was under way is not begun again; its timer or a person does that.
            "start": unit.running and not (unit.once and unit.active == "activating") and unit.active != "deactivating",
            "folder": os.path.isdir(_folder(unit.name)),
        }
        for unit in seen.units
        if unit.name not in units
    ]
    noted = {
        **record,
        "units": record["units"] + new_units,
        "crontabs": record["crontabs"] + [saved for saved in seen.crontabs if saved["path"] not in crontabs],
        "containers": record["containers"] + [asdict(one) for one in seen.containers if one.name not in containers],
    }
    return noted, [saved for saved in seen.crontabs if crontabs.get(saved["path"], saved) != saved]


def _keep_aside(record: str, saved: dict[str, t.Any]) -> None:
    encoded = _document.encode(saved)
    name = f"crontab-{os.path.basename(saved['path'])}-{hashlib.sha256(encoded).hexdigest()[:12]}.json"
    _fence_record.put(os.path.join(os.path.dirname(record), name), encoded)


def _close(request: Request, seen: _Seen) -> tuple[list[str], list[str]]:
    """Bar the doors first, then send out who is inside; the names of what was stopped, and what could not be."""
    open_units = [unit.name for unit in seen.units if not _is_shut(unit)]
    for name in open_units:
        _bar(name)
    if open_units:
        _systemd.reload()
    for saved in seen.crontabs:
        _crontab.remove(saved["path"])
    running = [unit.name for unit in seen.units if unit.running]
    left = _systemd.stop(running, patience=request.stop_seconds, kill=True)
    stopped, failures = [name for name in running if name not in left], []
    for container in seen.containers:
        if container.running or (container.engine == "docker" and container.restart != "no"):
            try:
                _container.stop(container, request.stop_seconds)
            except BackupError as error:  # the next one is to stand all the same
                failures.append(error.what)
            else:
                stopped += [container.name] if container.running else []
    return stopped, failures


def _folder(name: str) -> str:
    return os.path.join(_UNITS, f"{name}.d")


def _is_shut(unit: _systemd.Unit) -> bool:
    """Whether a unit cannot be started: the bar is there, and systemd has read it."""
    return _is_barred(unit.name) and (not unit.loaded or os.path.join(_folder(unit.name), _FILE) in unit.drop_ins)


def _is_barred(name: str) -> bool:
    try:
        with open(os.path.join(_folder(name), _FILE), "rb") as stream:
            return stream.read() == _DROP_IN
    except FileNotFoundError:
        return False


def _bar(name: str) -> None:
    os.makedirs(_folder(name), exist_ok=True)
    _document.sync_folder(_UNITS)
    _fence_record.put(os.path.join(_folder(name), _FILE), _DROP_IN, mode=0o644)


def release(request: Request, *, dry_run: bool) -> dict[str, t.Any]:
    """Take the fence down: what ran runs again, what did not does not; returns the module's result."""
    record = _fence_record.read(request.record, _fence_record.WRITERS)
    if record is None:
        left = [name for name in request.all_units if _is_barred(name)]
        if left:
            raise BackupError(
                f"{', '.join(left)} cannot be started, but {request.record} is not there, so nobody knows what ran",
                untouched="Nothing was changed",
                remedy=f"Remove {_FILE} from {_UNITS}/UNIT.d, run systemctl daemon-reload, and start what should run",
            )
        return {"changed": False, "holds": False, "started": [], "crontabs": [], "containers": [], "warnings": []}
    start = [unit["name"] for unit in record["units"] if unit["start"]]
    # In the order of the inventory, services before timers and crontabs, so that nothing is started twice.
    start.sort(key=lambda name: name.endswith(".timer"))
    warnings: list[str] = []
    result = {
        "changed": True,
        "holds": False,
        "started": start,
        "crontabs": [saved["path"] for saved in record["crontabs"]],
        "containers": [one["name"] for one in record["containers"] if one["running"]],
        "warnings": warnings,
    }
    if dry_run:
        return result
    _unbar(record["units"])
    failed = []
    for name in start:
        unit = _systemd.look(name)
        if not unit.found:
            failed.append(f"{name} does not exist any more")
        elif not unit.running:
            outcome = _systemd.start(name)
            if outcome.rc != 0:
                failed.append(f"{name}: {outcome.stderr.strip()}")
    for one in record["containers"]:
        try:
            there = _container.look(one["name"])
            if there is None:
                failed.append(f"the container {one['name']} does not exist any more")
            elif asdict(there) != one:
                _container.start(_container.Container(**one))
        except BackupError as error:
            failed.append(error.what)
    for saved in record["crontabs"]:
        if not _crontab.is_there(saved):
            present = _crontab.save(saved["path"])
            if present is not None:
                _keep_aside(request.record, present)
                warnings.append(f"{saved['path']} was written anew; it lies beside the record")
            if os.path.isdir(os.path.dirname(saved["path"])):
                _crontab.put_back(saved)
            else:
                failed.append(f"the folder of {saved['path']} does not exist any more")
    if failed:
        raise BackupError(
            f"not everything that ran before runs again: {'; '.join(failed)}",
            untouched=f"Everything else does; {request.record} still says how it was",
            remedy="Mend the cause and release again, or move the record aside when that is to stay so",
            failed=failed,
        )
    _fence_record.take_away(request.record)
    return result


def _unbar(units: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    for unit in units:
        folder = _folder(unit["name"])
        if os.path.isdir(folder):
            _fence_record.take_away(os.path.join(folder, _FILE))
            if not unit["folder"] and not os.listdir(folder):
                os.rmdir(folder)
    _systemd.reload()
