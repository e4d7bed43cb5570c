# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A pull: lock, census, limits, generation, transfer, and again if that can help."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import typing as t
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _generation, _lock
from ansible_collections.labops.backup.plugins.module_utils._model import _guard
from ansible_collections.labops.backup.plugins.module_utils._tools import _rsync

TRANSFER_ARGUMENTS: dict[str, t.Any] = {
    "source": {"type": "str", "required": True},
    "destination": {"type": "path", "required": True},
    "identity_file": {"type": "path"},
    "known_hosts_file": {"type": "path"},
    "port": {"type": "int", "default": 22},
    "filters": {"type": "list", "elements": "str", "default": []},
    "delete_excluded": {"type": "bool", "default": False},
    "prune_empty_dirs": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 600},
}


@dataclass(frozen=True)
class Request:
    """What :func:`pull` is asked to do; see the options of the module ``rsync_pull``."""

    transfer: _rsync.Transfer
    limits: _guard.Limits
    lock: str | None
    generation_file: str | None
    dump_set: str | None
    run_id: str | None
    retries: int
    retry_wait: float


@dataclass
class _Progress:
    """What the attempts of one pull did together."""

    first_census: dict[str, t.Any] = field(default_factory=dict)
    generation: int | None = None
    created: int = 0
    created_directories: int = 0
    changed: int = 0
    metadata: int = 0
    deleted: int = 0
    deleted_files: int = 0
    transferred_bytes: int = 0
    literal_bytes: int = 0
    retries: int = 0
    vanished_before: bool = False
    warnings: list[str] = field(default_factory=list)

    def add(self, run: _rsync.Run) -> None:
        self.created += run.items.created
        self.created_directories += run.items.created_directories
        self.changed += run.items.changed
        self.metadata += run.items.metadata
        self.deleted += run.items.deleted
        self.deleted_files += run.items.deleted_files
        self.transferred_bytes += run.statistics.transferred_bytes
        self.literal_bytes += run.statistics.literal_bytes


def transfer_from(parameters: t.Mapping[str, t.Any]) -> _rsync.Transfer:
    """The transfer that a module's parameters describe, checked."""
    values = {name: parameters[name] for name in TRANSFER_ARGUMENTS}
    transfer = _rsync.Transfer(**{**values, "filters": tuple(values["filters"])})
    _rsync.check(transfer)
    return transfer


def take_census(transfer: _rsync.Transfer) -> dict[str, t.Any]:
    """What a pull would do now.

    :raises BackupError: when it cannot be counted.
    """
    run = _rsync.census(transfer)
    if run.kind not in ("ok", "vanished"):
        raise run.error(
            f"the census of {transfer.source} failed", untouched=f"The mirror {transfer.destination} was not changed"
        )
    return _describe(run)


def preview(request: Request) -> dict[str, t.Any]:
    """Check mode: the census, judged."""
    census = take_census(request.transfer)
    _judge(request, census, deleted_before=0)
    result = {
        "changed": any(
            census[name] for name in ("created", "created_directories", "changed_files", "metadata", "deleted")
        ),
        "census": census,
        "warnings": [],
    }
    if request.generation_file:
        result["generation"] = _generation.following(request.generation_file)
    return result


def pull(request: Request) -> dict[str, t.Any]:
    """Bring the mirror to the source's state.

    :raises BackupError: when the limits forbid it, or it could not be done within the retries.
    """
    started = time.monotonic()
    progress = _Progress()
    with contextlib.ExitStack() as held:
        pass_fds: tuple[int, ...] = ()
        if request.lock:
            purpose = f"rsync_pull into {request.transfer.destination}"
            if request.run_id:
                purpose += f" of run {request.run_id}"
            pass_fds = (held.enter_context(_lock.hold(request.lock, purpose)),)
        run = _until_done(request, progress, pass_fds)
        shutil.rmtree(request.transfer.partial_dir, ignore_errors=True)
        if request.generation_file and progress.generation is not None:
            _rsync.flush(request.transfer.destination)
            _generation.complete(
                request.generation_file,
                progress.generation,
                finished=_now(),
                files=run.statistics.regular_files,
                total_bytes=run.statistics.total_bytes,
            )
    return {
        "changed": any(
            (
                progress.created,
                progress.created_directories,
                progress.changed,
                progress.metadata,
                progress.deleted,
            )
        ),
        "generation": progress.generation,
        "dump_set": request.dump_set,
        "files": run.statistics.regular_files,
        "bytes": run.statistics.total_bytes,
        "created": progress.created,
        "created_directories": progress.created_directories,
        "changed_files": progress.changed,
        "metadata": progress.metadata,
        "deleted": progress.deleted,
        "deleted_files": progress.deleted_files,
        "transferred_bytes": progress.transferred_bytes,
        "literal_bytes": progress.literal_bytes,
        "seconds": round(time.monotonic() - started, 3),
        "retries": progress.retries,
        "warnings": progress.warnings,
        "census": progress.first_census,
    }


def _until_done(request: Request, progress: _Progress, pass_fds: t.Sequence[int]) -> _rsync.Run:
    while True:
        run, phase = _attempt(request, progress, pass_fds)
        if phase == "pull" and run.kind == "ok":
            return run
        if phase == "pull" and run.kind == "vanished":
            if progress.vanished_before:
                return run
            progress.vanished_before = True
            continue
        if run.kind not in ("connection", "delete_limit") or progress.retries >= request.retries:
            raise _failure(request, progress, run, phase)
        progress.retries += 1
        progress.warnings.append(
            f"try {progress.retries}: {phase} ended with rsync exit code {run.rc} ({run.kind}): {run.messages.text}"
        )
        time.sleep(request.retry_wait)


def _attempt(
    request: Request, progress: _Progress, pass_fds: t.Sequence[int]
) -> tuple[_rsync.Run, t.Literal["census", "pull"]]:
    """A census, the verdict, and the pull that carries its own census as limit of deletions."""
    transfer = request.transfer
    counted = _rsync.census(transfer)
    if counted.kind not in ("ok", "vanished"):
        return counted, "census"
    census = _describe(counted)
    progress.first_census = progress.first_census or census
    _judge(request, census, deleted_before=progress.deleted_files)
    if request.generation_file and progress.generation is None:
        progress.generation = _generation.begin(
            request.generation_file, started=_now(), dump_set=request.dump_set, run_id=request.run_id
        )
    with contextlib.suppress(FileExistsError):
        os.mkdir(transfer.destination, 0o700)
    run = _rsync.pull(transfer, max_delete=census["deleted"], pass_fds=pass_fds)
    progress.add(run)
    progress.warnings.extend(run.notes)
    if run.kind == "vanished":
        names = ", ".join(run.messages.vanished_examples)
        progress.warnings.append(f"{run.messages.vanished} files vanished on the source while it was read: {names}")
    return run, "pull"


def _judge(request: Request, census: dict[str, t.Any], *, deleted_before: int) -> None:
    """Stop here when the census breaks a limit.

    :param deleted_before: what earlier attempts of this pull deleted; it counts, so that retries cannot sum up to
        more than a limit allows.
    """
    reasons = _guard.breaches(
        request.limits,
        source_files=census["files_on_source"],
        mirror_files=census["mirror_files"] + deleted_before,
        deleted=census["deleted_files"] + deleted_before,
        changed=census["changed_files"],
    )
    if not reasons:
        return
    transfer = request.transfer
    examples = ""
    for title, names in (
        ("to be deleted", census["examples_deleted"]),
        ("to be overwritten", census["examples_changed"]),
    ):
        if names:
            examples += f"; {title}, for example: {', '.join(names[:5])}"
    what = f"the pull of {transfer.source} into {transfer.destination} was stopped: {'; '.join(reasons)}{examples}"
    untouched = "The mirror was not changed" if not deleted_before else "The mirror was not changed any further"
    raise BackupError(
        what,
        untouched=f"{untouched} and no archive was made of it",
        remedy="Look at the source: is everything mounted, did somebody delete or encrypt files? "
        "If all of this is wanted, raise that limit for one run",
        census=census,
        breaches=reasons,
        kind="limits",
    )


def _failure(request: Request, progress: _Progress, run: _rsync.Run, phase: str) -> BackupError:
    transfer = request.transfer
    tries = f" after {progress.retries} retries" if progress.retries else ""
    if progress.generation is not None:
        state = (
            f"The mirror holds a part of generation {progress.generation}, marked as being written; it is not archived"
        )
    elif phase == "pull":
        state = "The mirror may hold a part of what was to come"
    else:
        state = f"The mirror {transfer.destination} was not changed"
    return run.error(f"the {phase} of {transfer.source} into {transfer.destination} failed{tries}", untouched=state)


def _describe(run: _rsync.Run) -> dict[str, t.Any]:
    """A census as a result."""
    items, statistics = run.items, run.statistics
    return {
        "created": items.created,
        "created_directories": items.created_directories,
        "changed_files": items.changed,
        "metadata": items.metadata,
        "deleted": items.deleted,
        "deleted_files": items.deleted_files,
        "files_on_source": statistics.files,
        "bytes_on_source": statistics.total_bytes,
        "entries_on_source": statistics.entries,
        "transfer_bytes": statistics.transferred_bytes,
        "mirror_files": statistics.files - items.created + items.deleted_files + items.files_to_directories,
        "empty_source": statistics.files == 0,
        "examples_deleted": items.examples_deleted,
        "examples_changed": items.examples_changed,
        "seconds": round(run.seconds, 3),
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
