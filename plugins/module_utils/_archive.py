# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""An archive of a mirror: lock, generation, Borg, proof."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _generation, _lock, _progress
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg


@dataclass(frozen=True)
class Mirror:
    """A folder that may be archived while nobody writes to it.

    :param path: the folder.
    :param generation_file: where its generation is kept; None for a folder that is not a mirror.
    :param expected: the generation it must have; None for whichever is complete.
    """

    path: str
    generation_file: str | None
    expected: int | None

    def generation(self) -> dict[str, t.Any]:
        """Its generation document, empty for a folder that is not a mirror.

        :raises BackupError: when the generation is not complete, or not the expected one.
        """
        if not os.path.isdir(self.path):
            raise BackupError(
                f"{self.path} is not a folder", untouched="Nothing was archived", remedy="See that it is mounted"
            )
        if self.generation_file is None:
            return {}
        document = _generation.read(self.generation_file)
        if document is None:
            raise BackupError(
                f"the mirror {self.path} has no generation: {self.generation_file} does not exist",
                untouched="Nothing was archived",
                remedy="Pull first",
            )
        number, state = document["generation"], document["state"]
        if state != _generation.COMPLETE or self.expected not in (None, number):
            wanted = "one that is complete" if self.expected is None else f"generation {self.expected}, complete"
            raise BackupError(
                f"the mirror {self.path} is at generation {number}, {state}; archived can be {wanted}",
                untouched="Nothing was archived",
                remedy="Pull again, then archive what that pull finished",
            )
        return document


def archive(
    repository: _borg.Repository,
    name: str,
    mirror: Mirror,
    *,
    lock: str | None,
    run_id: str | None,
    dry_run: bool,
    progress_file: str | None = None,
    **options: t.Any,
) -> dict[str, t.Any]:
    """Archive a mirror under a new name and prove the archive.

    :param options: of :meth:`_borg.Repository.create`.
    :raises BackupError: when the mirror is not fit to be archived, or was written to meanwhile, or Borg did not end
        well, or the archive is not there as Borg said.
    """
    _borg.check_archive_name(name)
    if _contains(mirror.path, repository.path):
        raise BackupError(
            f"the repository {repository.path} lies in {mirror.path}",
            untouched="Nothing was archived",
            remedy="Keep repositories outside of what is archived",
        )
    with contextlib.ExitStack() as held:
        descriptors = []
        if lock is not None and not dry_run:
            descriptors = [held.enter_context(_lock.hold(lock, f"the archive {name}", run_id=run_id))]
        before = mirror.generation()
        facts = {
            "archive": name,
            "generation": before.get("generation"),
            "dump_set": before.get("dump_set"),
            "borg_version": repository.version,
        }
        if dry_run:
            return {**facts, "repository_id": repository.expect_no_archive(name)}
        size = before.get("bytes", 0)
        with _progress.Progress(progress_file, f"archive {name}", size, total_files=before.get("files")) as shown:
            created = repository.create(
                name,
                *os.path.split(os.path.realpath(mirror.path)),
                pass_fds=descriptors,
                on_progress=lambda record: shown.reached(record.get("original_size", 0), record.get("nfiles")),
                **options,
            )
        if mirror.generation_file is not None and _generation.read(mirror.generation_file) != before:
            raise BackupError(
                f"the mirror {mirror.path} was written to while it was archived as {name}",
                untouched="The archive exists and is not to be trusted",
                remedy="Find out who wrote to the mirror, then pull and archive again",
            )
        return {**facts, **repository.prove(name, created)}


def _contains(folder: str, path: str) -> bool:
    folder, path = os.path.realpath(folder), os.path.realpath(path)
    return os.path.commonpath([folder, path]) == folder
