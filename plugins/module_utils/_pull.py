# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A pull: marker, lock, census, limits, generation, quarantine, transfer, recount, and again if that can help."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
import typing as t
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _document,
    _generation,
    _lock,
    _progress,
    _quarantine,
    _root,
    _tree,
)
from ansible_collections.labops.backup.plugins.module_utils._model import _aside, _checksum, _guard, _marker, _run
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
    "stall_seconds": {"type": "int", "default": 3600},
    "skip_attributes": {"type": "list", "elements": "str", "default": []},
}

MARKER_ARGUMENT: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "name": {"type": "str", "default": _marker.NAME},
        "source": {"type": "str", "required": True},
        "dataset": {"type": "str", "required": True},
    },
}

_WRITING = "The mirror is marked as being written; it is not archived"

Phase = t.Literal["look at the marker", "census", "pull"]


@dataclass(frozen=True)
class Quarantine:
    """Where the pull puts what it would delete or overwrite.

    :param directory: the quarantine of the dataset.
    :param cap: how much may wait there.
    """

    directory: str
    cap: _guard.Cap


@dataclass(frozen=True)
class Request:
    """What :func:`pull` is asked to do; see the options of the module ``rsync_pull``."""

    transfer: _rsync.Transfer
    limits: _guard.Limits
    acceptance: _guard.Acceptance
    marker: _marker.Expected | None
    root: _root.Root | None
    quarantine: Quarantine | None
    lock: str | None
    lock_keep: int
    generation_file: str | None
    dump_set: str | None
    run_id: str | None
    retries: int
    retry_wait: float
    checksum_every_days: float
    progress_file: str | None = None

    @property
    def key(self) -> str | None:
        """``source/dataset`` when it is known."""
        return self.marker.key if self.marker else None


@dataclass
class _Progress:
    """What the attempts of one pull did together.

    :param begun: when the first of them began.
    :param empty: the mirror held nothing then, so that everything in it will be what this pull transferred.
    :param compare: the next attempt is to compare the content of every file; one that came to its end ``compared``.
    """

    begun: str
    empty: bool
    first_census: dict[str, t.Any] = field(default_factory=dict)
    generation: int | None = None
    marker: str | None = None
    compare: bool = False
    compared: bool = False
    intake: _quarantine.Intake | None = None
    accepted: dict[str, t.Any] = field(default_factory=dict)
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

    @property
    def touched(self) -> bool:
        """Whether any attempt changed something in the mirror."""
        return any((self.created, self.created_directories, self.changed, self.metadata, self.deleted))

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
    """The transfer that a module's parameters describe."""
    values = {name: parameters[name] for name in TRANSFER_ARGUMENTS}
    rules = {name: tuple(values[name]) for name in ("filters", "skip_attributes")}
    return _rsync.Transfer(**{**values, **rules, "hidden": _aside.FILTERS})


def marker_from(parameters: t.Mapping[str, t.Any]) -> _marker.Expected | None:
    """The marker that a module's parameters expect, checked."""
    given = parameters["marker"]
    if given is None:
        return None
    _marker.check_name(given["name"])
    return _marker.Expected(**given)


def take_census(transfer: _rsync.Transfer, marker: _marker.Expected | None = None) -> dict[str, t.Any]:
    """What a pull would do now.

    :raises BackupError: when it cannot be counted, or the marker is not the expected one.
    """
    _rsync.require()
    _rsync.check(transfer)
    identifier = None
    untouched = f"The mirror {transfer.destination} was not changed"
    if marker is not None:
        run, identifier = _look_at_marker(transfer, marker)
        if identifier is None:
            raise run.error(f"the marker of {transfer.source} could not be read", untouched=untouched)
    run = _rsync.census(transfer)
    if run.kind not in ("ok", "vanished"):
        raise run.error(f"the census of {transfer.source} failed", untouched=untouched)
    return {**_describe(run, marker), "marker": identifier}


def preview(request: Request) -> dict[str, t.Any]:
    """Check mode: the census, judged."""
    _check(request)
    progress = _look_at_mirror(request)
    transfer = dataclasses.replace(request.transfer, checksum=progress.compare)
    census = take_census(transfer, request.marker)
    progress.marker = census["marker"]
    _judge(request, progress, census)
    result = {
        "changed": any(
            census[name] for name in ("created", "created_directories", "changed_files", "metadata", "deleted")
        ),
        "census": census,
        "accepted": progress.accepted,
        "compared": progress.compare,
        "warnings": [],
    }
    if request.generation_file:
        result["generation"] = _generation.following(request.generation_file)
    return result


def pull(request: Request) -> dict[str, t.Any]:
    """Bring the mirror to the source's state.

    :raises BackupError: when a guard forbids it, or it could not be done within the retries.
    """
    started = time.monotonic()
    quarantined = (0, 0)
    _check(request)
    with contextlib.ExitStack() as held:
        pass_fds: tuple[int, ...] = ()
        if request.lock:
            purpose = f"rsync_pull into {request.transfer.destination}"
            if request.run_id:
                purpose += f" of run {request.run_id}"
            keeping = _lock.hold(request.lock, purpose, run_id=request.run_id, keep=request.lock_keep)
            pass_fds = (held.enter_context(keeping),)
        progress = _look_at_mirror(request)
        run = _until_done(request, progress, pass_fds)
        _rsync.forget_partials(request.transfer)
        if request.generation_file and progress.generation is not None:
            _recount(request, run)
            _rsync.flush(request.transfer.destination)
            if progress.intake:
                quarantined = progress.intake.complete(finished=_now(), introduced=progress.created + progress.changed)
            _generation.complete(
                request.generation_file,
                progress.generation,
                finished=_now(),
                files=run.statistics.regular_files,
                total_bytes=run.statistics.total_bytes,
                checksummed=progress.begun if progress.compared else None,
            )
    return {
        "changed": progress.touched,
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
        "quarantined_files": quarantined[0],
        "quarantined_bytes": quarantined[1],
        "transferred_bytes": progress.transferred_bytes,
        "literal_bytes": progress.literal_bytes,
        "seconds": round(time.monotonic() - started, 3),
        "retries": progress.retries,
        "compared": progress.compared,
        "warnings": progress.warnings,
        "accepted": progress.accepted,
        "census": progress.first_census,
    }


def _check(request: Request) -> None:
    """Refuse what cannot go together, and a server whose disk is not there."""
    if request.root:
        _root.check(request.root)
    _rsync.require()
    _rsync.check(request.transfer)
    if request.quarantine and not (request.generation_file and _run.is_identifier(request.run_id or "")):
        raise BackupError(
            "a quarantine needs generation_file and a run_id like 20261123T023000Z-77b0aa",
            untouched="Nothing was changed",
            remedy="Give both",
        )
    if request.quarantine:
        _quarantine.check(request.quarantine.directory, request.transfer.destination)


def _look_at_mirror(request: Request) -> _Progress:
    """What the pull begins with: whether its mirror is empty, and whether it is to compare content."""
    mirror = request.transfer.destination
    progress = _Progress(begun=_now(), empty=not (os.path.isdir(mirror) and os.listdir(mirror)))
    if request.generation_file and not progress.empty:
        last = (_generation.read(request.generation_file) or {}).get("checksummed")
        progress.compare = _checksum.is_due(request.checksum_every_days, last, datetime.now(UTC))
    return progress


def _look_at_marker(transfer: _rsync.Transfer, expected: _marker.Expected) -> tuple[_rsync.Run, str | None]:
    """The identifier of the tree on the source; None when the look failed in a way that a retry may mend."""
    with tempfile.TemporaryDirectory(prefix="labops-backup-") as folder:
        target = os.path.join(folder, "marker")
        run, absent = _rsync.fetch(transfer, expected.name, target)
        if absent or (run.kind == "ok" and not os.path.exists(target)):
            raise _marker.missing(expected, transfer.source)
        if run.kind != "ok":
            return run, None
        with open(target, "rb") as stream:
            content = stream.read()
    document = _document.decode(content, f"the marker {expected.name} of {transfer.source}")
    return run, _marker.identify(document, expected, transfer.source)


def _until_done(request: Request, progress: _Progress, pass_fds: t.Sequence[int]) -> _rsync.Run:
    while True:
        try:
            run, phase = _attempt(request, progress, pass_fds)
        except BackupError as error:
            # The guards look before the first change; once there was one, that holds no longer.
            if progress.generation is not None and error.facts.get("kind") in ("marker", "space"):
                error.untouched = _WRITING
            raise
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


def _attempt(request: Request, progress: _Progress, pass_fds: t.Sequence[int]) -> tuple[_rsync.Run, Phase]:
    """Marker, census, verdict, and the pull that carries its own census as limit of deletions; marker again."""
    transfer = dataclasses.replace(request.transfer, checksum=progress.compare)
    failed = _same_tree(request, progress)
    if failed:
        return failed, "look at the marker"
    _rsync.keep_partials(transfer)
    what = request.key or transfer.source
    with _progress.Progress(request.progress_file, f"census of {what}", 0):
        counted = _rsync.census(transfer)
    if counted.kind not in ("ok", "vanished"):
        return counted, "census"
    census = {**_describe(counted, request.marker), "marker": progress.marker}
    progress.first_census = progress.first_census or census
    _judge(request, progress, census)
    tree = _begin(request, progress)
    with contextlib.suppress(FileExistsError):
        os.mkdir(transfer.destination, 0o700)
    if not counted.items.by_content:  # size and time tell the same: nothing has to be read twice
        transfer = request.transfer
    files = counted.items.created + counted.items.changed
    with _progress.Progress(
        request.progress_file, f"pull of {what}", counted.items.new_bytes, total_files=files
    ) as shown:
        run = _rsync.pull(
            transfer,
            max_delete=census["deleted"],
            backup_dir=tree,
            pass_fds=pass_fds,
            resumable=counted.items.resumable,
            on_item=lambda items: shown.reached(items.new_bytes, items.created + items.changed),
        )
    progress.add(run)
    progress.warnings.extend(run.notes)
    if run.kind == "vanished":
        names = ", ".join(run.messages.vanished_examples)
        progress.warnings.append(f"{run.messages.vanished} files vanished on the source while it was read: {names}")
    if run.kind in ("ok", "vanished"):
        failed = _same_tree(request, progress)
        if failed:
            return failed, "look at the marker"
        progress.compare, progress.compared = False, progress.compared or progress.compare
    return run, "pull"


def _same_tree(request: Request, progress: _Progress) -> _rsync.Run | None:
    """See that the tree is still the one that the pull began with; the run of a look that failed, otherwise None.

    :raises BackupError: when it is another tree.
    """
    if request.marker is None:
        return None
    run, identifier = _look_at_marker(request.transfer, request.marker)
    if identifier is None:
        return run
    if progress.marker is not None and identifier != progress.marker:
        raise BackupError(
            f"the marker of {request.transfer.source} changed from {progress.marker} to {identifier} during the pull: "
            "another tree was mounted there",
            untouched=_WRITING,
            remedy="Find out what was mounted when, then run again",
            kind="marker",
        )
    progress.marker = identifier
    return None


def _begin(request: Request, progress: _Progress) -> str | None:
    """Make generation and quarantine durable before the mirror is touched; where this try quarantines, if it does."""
    if not request.generation_file:
        return None
    if progress.generation is None:
        before = _generation.read(request.generation_file)
        progress.generation = _generation.begin(
            request.generation_file,
            started=_now(),
            dump_set=request.dump_set,
            run_id=request.run_id,
            marker=progress.marker,
            checksummed=progress.begun if progress.empty else None,
        )
        if request.quarantine and request.run_id:
            progress.intake = _quarantine.Intake(request.quarantine.directory, request.run_id)
            progress.intake.begin(started=_now(), generation=progress.generation, replaces=before)
    return progress.intake.next_tree() if progress.intake else None


def _judge(request: Request, progress: _Progress, census: dict[str, t.Any]) -> None:
    """Stop here when the census breaks a limit that nobody accepted, or the disk is too small.

    What earlier attempts of this pull deleted and overwrote counts, so that retries cannot sum up to more than a limit
    allows.
    """
    before = progress.deleted_files
    found = _other_tree(request, progress)
    found += _guard.breaches(
        request.limits,
        source_files=census["files_on_source"] - bool(request.marker),
        mirror_files=census["mirror_files"] + before,
        deleted=census["deleted_files"] + before,
        changed=census["changed_files"] + progress.changed,
    )
    if request.quarantine:
        waiting_files, waiting_bytes = _quarantine.waiting(request.quarantine.directory)
        found += _guard.cap_breaches(
            request.quarantine.cap,
            waiting_files=waiting_files,
            waiting_bytes=waiting_bytes,
            files=census["leaving_files"],
            size=census["leaving_bytes"],
            mirror_files=census["mirror_files"],
            mirror_bytes=census["mirror_bytes"],
        )
    left = [breach for breach in found if not request.acceptance.covers(breach)]
    if left:
        raise _refusal(request, census, left, touched=progress.touched)
    if found:
        progress.accepted = {"reason": request.acceptance.reason, **progress.accepted, **_guard.needed(found)}
    if request.root:
        _root.require_space(request.root, size=census["transfer_bytes"], files=census["created"])


def _other_tree(request: Request, progress: _Progress) -> list[_guard.Breach]:
    if progress.marker is None or not request.generation_file:
        return []
    pinned = (_generation.read(request.generation_file) or {}).get("marker")
    if pinned in (None, progress.marker):
        return []
    text = f"the marker has the identifier {progress.marker}, the mirror follows the tree {pinned}: this is another one"
    return [_guard.Breach(text, "marker", progress.marker)]


def _refusal(
    request: Request, census: dict[str, t.Any], left: t.Sequence[_guard.Breach], *, touched: bool
) -> BackupError:
    reasons = [breach.text for breach in left]
    transfer = request.transfer
    examples = ""
    for title, names in (
        ("to be deleted", census["examples_deleted"]),
        ("to be overwritten", census["examples_changed"]),
    ):
        if names:
            examples += f"; {title}, for example: {', '.join(names[:5])}"
    untouched = "The mirror was not changed any further" if touched else "The mirror was not changed"
    return BackupError(
        f"the pull of {transfer.source} into {transfer.destination} was stopped: {'; '.join(reasons)}{examples}",
        untouched=f"{untouched} and no archive was made of it",
        remedy="Look at the source: is everything mounted, did somebody delete or encrypt files? "
        + _guard.how_to_accept(left, request.key),
        census=census,
        breaches=reasons,
        acceptance=_guard.needed(left),
        kind="limits",
    )


def _recount(request: Request, run: _rsync.Run) -> None:
    """See that the mirror holds as many files as the source had; filters that keep what they exclude forbid it."""
    transfer = request.transfer
    if transfer.filters and not transfer.delete_excluded:
        return
    found, expected = _tree.count(transfer.destination), run.statistics.files
    if found != expected and not (run.kind == "vanished" and found < expected):
        raise BackupError(
            f"the mirror {transfer.destination} holds {found} files after the pull, {transfer.source} had {expected}",
            untouched=_WRITING,
            remedy="Find out what else writes into the mirror, then run again",
            kind="recount",
        )


def _failure(request: Request, progress: _Progress, run: _rsync.Run, phase: Phase) -> BackupError:
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


def _describe(run: _rsync.Run, marker: _marker.Expected | None) -> dict[str, t.Any]:
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
        "leaving_files": items.leaving_files,
        "leaving_bytes": items.leaving_bytes,
        "mirror_bytes": statistics.total_bytes - items.new_bytes + items.old_bytes,
        "mirror_files": statistics.files - items.created + items.deleted_files + items.files_to_directories,
        "empty_source": statistics.files - bool(marker) == 0,
        "examples_deleted": items.examples_deleted,
        "examples_changed": items.examples_changed,
        "seconds": round(run.seconds, 3),
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
