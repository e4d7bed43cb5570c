# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What a restore replaces: moved aside within its dataset, later removed or put back.

Everything is a rename within one file system, so that nothing is copied, hard links stay, and an interruption leaves
each file in one of its two places. No link is followed below the dataset, because its owners can make some that lead
out of it. Folders keep their times when something is taken out of them or put back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import typing as t
from dataclasses import dataclass, field

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _path_list, _tree
from ansible_collections.labops.backup.plugins.module_utils._model import _aside, _content

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_EXAMPLES = 20


@dataclass
class Moved:
    """What was moved, or would be.

    :param files: entries but folders.
    :param size: in bytes; what a file of several names holds counts once.
    :param already: listed paths that are aside already.
    :param absent: listed paths that are in neither place.
    :param replaced: files that were put in the place meanwhile and had to give way.
    :param conflicts: what could not be put back.
    """

    paths: int = 0
    files: int = 0
    size: int = 0
    already: int = 0
    absent: int = 0
    replaced: int = 0
    conflicts: list[str] = field(default_factory=list)
    _linked: set[tuple[int, int]] = field(default_factory=set, repr=False)

    def count(self, place: bytes, status: os.stat_result) -> None:
        """Count what lies at a place."""
        self.paths += 1
        if stat.S_ISDIR(status.st_mode):
            files, size = _tree.measure(os.fsdecode(place))
            self.files += files
            self.size += size
            return
        self.files += 1
        if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in self._linked:
            self.size += status.st_size
            if status.st_nlink > 1:
                self._linked.add((status.st_dev, status.st_ino))


class Dataset:
    """The folder of a dataset, and what an incident has put aside in it."""

    def __init__(self, path: str, incident: str) -> None:
        self._incident = incident
        self.aside = os.fsencode(_aside.folder(incident))
        self._partial = os.fsencode(_aside.partial(incident))
        self.path = path
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise BackupError(
                f"{path} cannot be opened as a folder: {error.strerror}",
                untouched="Nothing was changed",
                remedy="See that its file system is mounted",
            ) from error
        self._device = os.fstat(self._root).st_dev

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._root)

    @property
    def others(self) -> list[str]:
        """Other incidents that have something aside here."""
        return _aside.others(os.listdir(self.path), self._incident)

    def put_aside(self, lists: t.Sequence[str], *, dry_run: bool) -> Moved:
        """Move each listed path into the folder of this incident, with the same path there.

        :raises BackupError: when one of them cannot be meant or lies on another file system; then nothing is moved.
        """
        paths = _path_list.read(lists)
        for path in paths:
            if path == _path_list.ROOT or _aside.is_ours(path):
                raise BackupError(
                    f"{_content.shown(path)} is listed, which cannot be put aside",
                    untouched="Nothing was moved",
                    remedy="Make the list again with loss_scope_info",
                )
        found = self._survey(paths)
        if dry_run or not found.paths:
            return found
        with _same_times(self._root), contextlib.suppress(FileExistsError):
            os.mkdir(self.aside, 0o700, dir_fd=self._root)
        for folder, names in _by_folder(paths):
            self._move(folder, names)
        return found

    def _survey(self, paths: t.Sequence[bytes]) -> Moved:
        """What is where, before anything is moved."""
        found = Moved()
        moved: set[bytes] = set()
        mounts = _tree.mounts_below(self.path)
        for folder, names in _by_folder(paths):
            if moved & set(_with_parents(folder)):
                continue  # goes with its folder
            with self._opened(folder) as live, self._opened(os.path.join(self.aside, folder).rstrip(b"/")) as aside:
                for name in names:
                    path = os.path.join(folder, name)
                    status = _look(live, name)
                    there = _look(aside, name)
                    if status is None:
                        found.already += there is not None
                        found.absent += there is None
                        continue
                    self._refuse_other_file_systems(path, status, mounts)
                    is_folder = stat.S_ISDIR(status.st_mode)
                    if there is not None and not (is_folder and stat.S_ISDIR(there.st_mode)):
                        found.already += 1
                        continue
                    if is_folder:
                        moved.add(path)
                    found.count(os.path.join(os.fsencode(self.path), path), status)
        return found

    def _refuse_other_file_systems(self, path: bytes, status: os.stat_result, mounts: t.Sequence[bytes]) -> None:
        """No rename leads from one to another, and a folder would take along what is mounted in it."""
        on = next((one for one in reversed(mounts) if _is_in(path, one)), None)
        if on is not None or status.st_dev != self._device:
            where = f", mounted at {self._shown(on)}" if on is not None else ""
            raise BackupError(
                f"{_content.shown(path)} in {self.path} lies on another file system{where}",
                untouched="Nothing was moved",
                remedy="Move it away by hand, so that it is missing and is brought, or leave it out of the restore",
            )
        inside = next((one for one in mounts if _is_in(one, path)), None)
        if inside is not None:
            raise BackupError(
                f"{_content.shown(path)} in {self.path} has another file system in it, mounted at "
                f"{self._shown(inside)}",
                untouched="Nothing was moved",
                remedy="Unmount that, or leave the folder out of the restore",
            )

    def _shown(self, path: bytes) -> str:
        return os.path.join(self.path, _content.shown(path))

    def _move(self, folder: bytes, names: t.Sequence[bytes]) -> None:
        with self._opened(folder) as live:
            if live is None:
                return
            present = [name for name in names if _look(live, name) is not None]
            if not present:
                return
            aside = self._made(folder)
            try:
                with _same_times(live):
                    for name in present:
                        _put(name, live, aside)
            finally:
                os.close(aside)

    def _made(self, folder: bytes) -> int:
        """The folder of that path in the aside tree, made with owner, mode and attributes of the live ones."""
        aside = os.open(self.aside, _FOLDER, dir_fd=self._root)
        live = os.dup(self._root)
        try:
            for name in folder.split(b"/") if folder else ():
                below = os.open(name, _FOLDER, dir_fd=live)
                os.close(live)
                live = below
                made = True
                try:
                    os.mkdir(name, 0o700, dir_fd=aside)
                except FileExistsError:
                    made = False
                below = os.open(name, _FOLDER, dir_fd=aside)
                os.close(aside)
                aside = below
                if made:
                    _copy_attributes(live, aside)
        except BaseException:
            os.close(aside)
            raise
        finally:
            os.close(live)
        return aside

    @contextlib.contextmanager
    def _opened(self, folder: bytes) -> t.Iterator[int | None]:
        """The folder below the dataset, None when it is not there or a link is on the way."""
        descriptor = os.dup(self._root)
        try:
            for name in folder.split(b"/") if folder else ():
                try:
                    below = os.open(name, _FOLDER, dir_fd=descriptor)
                except OSError as error:
                    if error.errno not in _NOT_THERE:
                        raise
                    yield None
                    return
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def give_back(self, *, dry_run: bool) -> Moved:
        """Put everything back into its place; a file that was put there meanwhile gives way."""
        found = Moved()
        with self._opened(self.aside) as aside:
            if aside is None:
                return found
            root = os.path.join(os.fsencode(self.path), self.aside)
            self._give_back(aside, self._root, b"", root, found, dry_run)
        if not dry_run and not found.conflicts:
            self._remove()
        return found

    def _give_back(self, aside: int, live: int | None, path: bytes, place: bytes, found: Moved, dry_run: bool) -> None:
        with contextlib.nullcontext() if live is None or dry_run else _same_times(live):
            for name in sorted(map(os.fsencode, os.listdir(aside))):
                waiting = os.stat(name, dir_fd=aside, follow_symlinks=False)
                present = _look(live, name)
                below = os.path.join(path, name)
                if stat.S_ISDIR(waiting.st_mode) and present is not None and stat.S_ISDIR(present.st_mode):
                    with _entered(aside, name) as from_folder, _entered(live, name) as to_folder:
                        self._give_back(from_folder, to_folder, below, os.path.join(place, name), found, dry_run)
                    if not dry_run:
                        with contextlib.suppress(OSError):  # what is left in it is a conflict, and told as one
                            os.rmdir(name, dir_fd=aside)
                    continue
                if present is not None and stat.S_ISDIR(present.st_mode) and not _is_empty(live, name):
                    if len(found.conflicts) < _EXAMPLES:
                        found.conflicts.append(_content.shown(below))
                    continue
                found.count(os.path.join(place, name), waiting)
                found.replaced += present is not None
                if not dry_run:
                    _give_way(live, name, present)
                    os.rename(name, name, src_dir_fd=aside, dst_dir_fd=live)

    def remove(self, *, dry_run: bool) -> Moved:
        """Remove everything that this incident has put aside.

        :raises BackupError: when a file system was mounted in it, whose files are not meant.
        """
        found = Moved()
        root = os.fsencode(self.path)
        for mount in _tree.mounts_below(self.path):
            if mount.split(b"/")[0] in (self.aside, self._partial):
                raise BackupError(
                    f"a file system is mounted at {self._shown(mount)}",
                    untouched="Nothing was removed",
                    remedy="Unmount it and run again",
                )
        for name in (self.aside, self._partial):
            with self._opened(name) as folder:
                if folder is not None:
                    found.count(os.path.join(root, name), os.fstat(folder))
        if found.paths and not dry_run:
            self._remove()
        return found

    def _remove(self) -> None:
        with _same_times(self._root):
            for name in (self.aside, self._partial):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(name, dir_fd=self._root)


def _by_folder(paths: t.Sequence[bytes]) -> t.Iterator[tuple[bytes, list[bytes]]]:
    """Folders with the listed names in them; paths come sorted, so each folder comes once."""
    folder: bytes | None = None
    names: list[bytes] = []
    for path in paths:
        head, name = os.path.split(path)
        if head != folder and folder is not None:
            yield folder, names
            names = []
        folder = head
        names.append(name)
    if folder is not None:
        yield folder, names


def _is_in(path: bytes, folder: bytes) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder + b"/")


def _with_parents(folder: bytes) -> t.Iterator[bytes]:
    while folder:
        yield folder
        folder = os.path.dirname(folder)


def _look(folder: int | None, name: bytes) -> os.stat_result | None:
    if folder is None:
        return None
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _put(name: bytes, live: int, aside: int) -> None:
    """Rename an entry; a folder that has its place there already is emptied into it, and of a file the first stays."""
    there = _look(aside, name)
    if there is None:
        os.rename(name, name, src_dir_fd=live, dst_dir_fd=aside)
        return
    status = _look(live, name)
    if status is None or not (stat.S_ISDIR(status.st_mode) and stat.S_ISDIR(there.st_mode)):
        return
    with _entered(live, name) as from_folder, _entered(aside, name) as to_folder:
        for below in sorted(map(os.fsencode, os.listdir(from_folder))):
            _put(below, from_folder, to_folder)
    with contextlib.suppress(OSError):  # what is left in it was put there after its namesake had been moved
        os.rmdir(name, dir_fd=live)


def _give_way(live: int | None, name: bytes, present: os.stat_result | None) -> None:
    if present is not None and stat.S_ISDIR(present.st_mode):
        os.rmdir(name, dir_fd=live)
    elif present is not None:
        os.unlink(name, dir_fd=live)


def _is_empty(folder: int | None, name: bytes) -> bool:
    with _entered(folder, name) as entered:
        return not os.listdir(entered)


@contextlib.contextmanager
def _entered(folder: int | None, name: bytes) -> t.Iterator[int]:
    descriptor = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _same_times(folder: int) -> t.Iterator[None]:
    """Give a folder its times back after its content was changed."""
    before = os.fstat(folder)
    try:
        yield
    finally:
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def _copy_attributes(of: int, to: int) -> None:
    status = os.fstat(of)
    os.fchown(to, status.st_uid, status.st_gid)
    os.fchmod(to, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(of):
        os.setxattr(to, name, os.getxattr(of, name))
