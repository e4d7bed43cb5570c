# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A list of what is to be restored, split so that each part fits where it has to wait for a while."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _listed, _path_list, _space
from ansible_collections.labops.backup.plugins.module_utils._model import _content

# What a file takes beside its content.
_ENTRY_BYTES = 4096


def split(
    list_file: str, manifest: str, *, room: str, directory: str, limit: int | None, dry_run: bool
) -> list[dict[str, t.Any]]:
    """Write the lists of the parts into ``directory``; returns RV(batches) of the module ``restore_batches``.

    All names of one file stay together. A part has the listed folders above its files, and where there are several
    parts, all listed folders come last once more, because what is laid into a folder changes its time.

    :param room: the folder where a part waits.
    :param limit: bytes of one part; half of what is free in ``room`` if it is not given.
    :raises BackupError: when something alone is larger than what is free.
    """
    paths = _path_list.read([list_file])
    free = int(_space.look(room)["free_bytes"])
    most = free // 2 if limit is None else limit
    folders = {_path_list.ROOT} & set(paths)
    parts: list[list[bytes]] = [[]]
    sizes = [0]
    part_of: dict[int, int] = {}
    for path, entry in _listed.selected(manifest, [path for path in paths if path != _path_list.ROOT]):
        if entry is None:
            raise BackupError(
                f"the manifest {manifest} does not know {_content.shown(path)!r}, which {list_file} names",
                untouched="Nothing was changed",
                remedy="Make the list with the manifest of the same recovery point",
            )
        if entry.is_folder:
            folders.add(path)
            continue
        known = part_of.get(entry.inode) if entry.is_file else None
        if known is not None:
            parts[known].append(path)
            continue
        size = (entry.size if entry.is_file else 0) + _ENTRY_BYTES
        if size > free:
            raise BackupError(
                f"{_content.shown(path)!r} has {entry.size} bytes, and {room} has {free} bytes free",
                untouched="Nothing was changed",
                remedy="Make room there, or name a folder on another file system as restore_staging",
                needed=size,
                free=free,
            )
        if parts[-1] and sizes[-1] + size > most:
            parts.append([])
            sizes.append(0)
        parts[-1].append(path)
        sizes[-1] += size
        if entry.is_file:
            part_of[entry.inode] = len(parts) - 1
    counts = [len(part) for part in parts]
    lists = [sorted([*part, *_above(part, folders)], key=_content.place) for part in parts]
    if len(parts) == 1:
        lists = [paths]
    else:
        lists.append(sorted(folders, key=_content.place))
        counts.append(0)
        sizes.append(0)
    if not dry_run:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    batches = []
    for number, (one, count, size) in enumerate(zip(lists, counts, sizes, strict=True)):
        file = os.path.join(directory, f"{os.path.basename(list_file)}.{number}")
        if not dry_run:
            _path_list.write(file, one)
        batches.append({"number": number, "paths_file": file, "files": count, "bytes": size})
    return batches


def _above(part: t.Iterable[bytes], folders: set[bytes]) -> set[bytes]:
    """The listed folders above these paths."""
    found = {_path_list.ROOT} & folders
    for path in part:
        above = os.path.dirname(path)
        while above and above not in found:
            if above in folders:
                found.add(above)
            above = os.path.dirname(above)
    return found
