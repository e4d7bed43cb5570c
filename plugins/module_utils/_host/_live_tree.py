# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A live tree against the content manifest of a recovery point.

Both have the same order and are gone through side by side, as ``content_verify`` does with a mirror. What the mirror's
ctime and inodes say is of no use here, so an untouched file is told by size and time, or by its content.

The tree may be in use. What vanishes or changes meanwhile is judged as it was found.
"""

from __future__ import annotations

import hashlib
import os
import stat
import typing as t
from dataclasses import dataclass, field

from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _file_content
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _loss, _marker

EXAMPLES = 20
ROOT = b"."
"""What stands for the tree itself in a list of paths."""

_OPEN_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
# Inodes that were seen once are marks in a map of so many bits; those seen again are remembered.
_MARKS = 1 << 26
_NEWS_EVERY = 1000
_MARKER = os.fsencode(_marker.NAME)

Take = t.Callable[[str, bytes], None]


@dataclass
class Class:
    """What was found of one class; the size is that of the files."""

    files: int = 0
    folders: int = 0
    size: int = 0
    examples: list[bytes] = field(default_factory=list)

    def add(self, path: bytes, size: int, *, folder: bool) -> None:
        """Count one path."""
        if folder:
            self.folders += 1
        else:
            self.files += 1
            self.size += size
        if len(self.examples) < EXAMPLES:
            self.examples.append(path)


@dataclass
class Found:
    """The loss of one tree.

    :param gone: why nothing of it could be looked at; empty when it was there.
    :param expected: entries of the point, folders and sockets not counted.
    :param changed_since: damaged files with a later time than in the point.
    :param unreadable: names that could not be read.
    :param unsettled: files that vanished or were written to while they were read.
    :param relinked: names that are no longer the same file as the point's other names of it.
    :param folder_times: folders whose time differs although nothing stays in them that is newer than the point.
    :param marker: the class of the dataset's marker, C(intact) if it is in none.
    :param transfer_bytes: size of the files that are missing or damaged, each once however many names it has.
    """

    gone: str = ""
    expected: int = 0
    expected_bytes: int = 0
    changed_since: int = 0
    unreadable: int = 0
    unsettled: int = 0
    relinked: int = 0
    folder_times: int = 0
    transfer_bytes: int = 0
    hashed_files: int = 0
    hashed_bytes: int = 0
    classes: dict[str, Class] = field(default_factory=lambda: {kind: Class() for kind in _loss.KINDS})
    marker: str = _loss.INTACT

    @property
    def state(self) -> str:
        """The verdict."""
        missing, *differing = (self.classes[kind] for kind in _loss.KINDS if kind != _loss.NEWER)
        if self.gone:
            return _loss.LOST
        return _loss.state(
            expected=self.expected,
            missing=missing.files,
            differing=missing.folders + sum(one.files + one.folders for one in differing),
        )


@dataclass
class Link:
    """A file that has several names in the point.

    :param live: device and inode of the first of them that was found intact.
    :param needed: one of its names has to be brought, so all have to.
    :param counted: its size is in the sum of what has to be brought.
    """

    live: tuple[int, int] | None = None
    needed: bool = False
    counted: bool = False


Links = dict[bytes, Link]


def linked(manifest: _content_manifest.Reader) -> Links:
    """The files that have several names in a manifest, by their inode as it stands there.

    A file of a single name is among them now and then, which does no harm.
    """
    marks = bytearray(_MARKS >> 3)
    links: Links = {}
    while line := manifest.line():
        if not _content.is_entry(line):
            continue
        fields = line.split(b" ", 9)
        if _is_folder(fields[2]):
            continue
        place = int(fields[8]) % _MARKS
        byte, bit = place >> 3, 1 << (place & 7)
        if marks[byte] & bit:
            links.setdefault(fields[8], Link())
        else:
            marks[byte] |= bit
    return links


def _is_folder(mode: bytes) -> bool:
    """Whether these octal digits are the mode of a folder."""
    return len(mode) == 5 and mode.startswith(b"4")


class Comparison:
    """One walk over a live tree, side by side with the manifest of the point.

    :param everything: read every file whose size is that of the point, and not only those with another time.
    :param only: these paths and what is below them; everything else does not count. Empty for the whole tree.
    :param links: see :func:`linked`.
    :param stores: where the name of a newer file tells its content, so that it is read and judged.
    :param accept: SHA-256 and shown path of such files that are taken as they are.
    :param take: gets each path with its class, one of ``_loss.KINDS``, in the order of the walk.
    :param needs: gets what has to be brought, in the order of the manifest: folders as ``(True, path)`` where their
        entries begin, everything else as ``(False, path)``.
    :param news: is called now and then with what was found so far.
    """

    def __init__(
        self,
        root: str,
        manifest: _content_manifest.Reader,
        *,
        everything: bool,
        only: t.Sequence[bytes] = (),
        links: Links,
        stores: _content.Stores,
        accept: t.Container[tuple[str, str] | None] = (),
        take: Take,
        needs: t.Callable[[bool, bytes], None],
        news: t.Callable[[Found], None],
    ) -> None:
        self.found = Found()
        self._root = root
        self._manifest = manifest
        self._everything = everything
        self._only = tuple(only)
        self._below = tuple(path + b"/" for path in only)
        self._links = links
        self._stores = stores
        self._accept = accept
        self._take = take
        self._needs = needs
        self._news = news
        self._contents = _file_content.Contents()
        self._until_news = _NEWS_EVERY
        # The manifest's next line; its fields and the name, if it is an entry of the folder that the walk is in.
        self._line = b""
        self._fields: list[bytes] = []
        self._name = b""

    def run(self) -> Found:
        """Go through the tree."""
        self._advance()
        try:
            root = os.open(self._root, _OPEN_FOLDER)
        except OSError as error:
            self.found.gone = f"{self._root} cannot be opened: {error.strerror}"
        else:
            try:
                waiting: list[tuple[bytes, _Folder]] = [(b"", _Folder())]
                while waiting:
                    path, folder = waiting.pop()
                    waiting.extend(reversed(self._folder(root, path, folder)))
            finally:
                os.close(root)
        self._pass_over(None)
        self.found.hashed_files, self.found.hashed_bytes = self._contents.files, self._contents.bytes
        return self.found

    def _is_meant(self, path: bytes) -> bool:
        return not self._only or path in self._only or path.startswith(self._below)

    def _need(self, is_folder: bool, path: bytes) -> None:
        if self._is_meant(path):
            self._needs(is_folder, path)

    def _advance(self) -> None:
        self._line = line = self._manifest.line()
        if _content.is_entry(line):
            self._fields = line.split(b" ", 9)
            self._name = _content.unescape(self._fields[9][:-1])
        else:
            self._fields = []

    def _pass_over(self, path: bytes | None) -> None:
        """Go on in the manifest to the folder ``path``, or to the end; what lies between is missing."""
        place = None if path is None else _content.order(path)
        while self._line.startswith(b"/"):
            folder = _content.folder_in(self._line)
            if place is not None and _content.order(folder) >= place:
                break
            if folder:
                self._need(True, folder)
            self._advance()
            while self._fields:
                self._missing(folder + b"/" if folder else b"")

    def _folder(self, root: int, path: bytes, known: _Folder) -> list[tuple[bytes, _Folder]]:
        """Judge the entries of a folder; returns the folders in it."""
        try:
            descriptor = os.open(path or b".", _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=root)
        except OSError as error:
            self._unopened(path, known, error)
            return []
        try:
            try:
                with os.scandir(descriptor) as entries:
                    names = sorted(os.fsencode(entry.name) for entry in entries)
            except OSError as error:
                self._unopened(path, known, error)
                return []
            self._pass_over(path)
            if self._line == _content.folder_line(path):
                self._advance()
            return self._entries(descriptor, path, names, known)
        finally:
            os.close(descriptor)

    def _unopened(self, path: bytes, known: _Folder, error: OSError) -> None:
        """A folder that cannot be looked at; everything in it then counts as missing."""
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            self.found.unsettled += 1
            return
        self.found.unreadable += 1
        if known.entry is not None:
            self._add(_loss.DAMAGED, path, 0, folder=True)

    def _entries(self, descriptor: int, path: bytes, names: list[bytes], known: _Folder) -> list[tuple[bytes, _Folder]]:
        prefix = path + b"/" if path else b""
        newer = False
        below: list[tuple[bytes, _Folder]] = []
        for name in names:
            while self._fields and self._name < name:
                self._missing(prefix)
            if not path and name.startswith(_loss.ASIDE):
                continue
            line, fields = self._line, self._fields
            is_known = bool(fields) and self._name == name
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                self.found.unsettled += 1
                continue  # its entry, if there is one, is passed over as missing
            except OSError:
                self.found.unreadable += 1
                if is_known:
                    self._damaged(prefix + name, _content.decode(line))
                    self._advance()
                continue
            kind = status.st_mode & 0o170000
            if not is_known:
                if kind != stat.S_IFSOCK:
                    newer |= self._newer(descriptor, prefix + name, status, below)
                continue
            self._advance()
            if kind != stat.S_IFDIR and not self._is_meant(prefix + name):
                continue
            same = line.startswith(
                b"%o %d %d %d %d " % (status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns),
                _content.TAIL,
            )
            if same and kind == stat.S_IFREG and not self._everything:
                self._expect(status.st_size)
                if fields[8] in self._links:
                    self._check_link(prefix + name, fields[8], status)
            else:
                self._judge(descriptor, prefix + name, status, _content.decode(line), below)
        while self._fields:
            self._missing(prefix)
        if known.entry is not None:
            only_time = not known.differs and not newer and known.mtime_ns != known.entry.mtime_ns
            self.found.folder_times += only_time
            if known.differs or only_time:
                self._need(True, path)
        return below

    def _judge(
        self,
        descriptor: int,
        path: bytes,
        status: os.stat_result,
        entry: _content.Entry,
        below: list[tuple[bytes, _Folder]],
    ) -> None:
        """Judge a name that the point knows."""
        if not _loss.counts(entry.mode):
            if _loss.counts(status.st_mode):
                self._newer(descriptor, path, status, below)
            return
        if entry.is_folder and stat.S_ISDIR(status.st_mode):
            verdict = _loss.judge(entry, status, None)
            if verdict is not None:
                self._add(verdict, path, 0, folder=True)
            below.append((path, _Folder(entry, verdict is not None, status.st_mtime_ns)))
            return
        sha256 = None
        try:
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(entry.name, dir_fd=descriptor)
                sha256 = hashlib.sha256(target).hexdigest().encode()
            elif _loss.must_read(entry, status, everything=self._everything):
                sha256, _md5 = self._contents.digests(descriptor, entry.name, status)
                self._tell()
        except (FileNotFoundError, _file_content.ChangedWhileReadError):
            self.found.unsettled += 1
            self._damaged(path, entry, status)
            return
        except OSError:
            self.found.unreadable += 1
            self._damaged(path, entry, status)
            return
        verdict = _loss.judge(entry, status, sha256)
        if verdict == _loss.DAMAGED:
            self._damaged(path, entry, status)
            return
        self._expect(entry.size if entry.is_file else 0)
        inode = b"%d" % entry.inode
        if verdict is not None:
            self._differs(path, entry.size if entry.is_file else 0, self._links.get(inode))
        elif inode in self._links:
            self._check_link(path, inode, status)

    def _newer(self, descriptor: int, path: bytes, status: os.stat_result, below: list[tuple[bytes, _Folder]]) -> bool:
        """Count what the point does not have; returns whether it stays."""
        is_folder = stat.S_ISDIR(status.st_mode)
        stays = not stat.S_ISREG(status.st_mode) or self._holds_what_it_should(descriptor, path, status)
        self._add(_loss.NEWER if stays else _loss.NEWER_DAMAGED, path, status.st_size, folder=is_folder)
        if is_folder:
            below.append((path, _Folder()))
        return stays

    def _holds_what_it_should(self, descriptor: int, path: bytes, status: os.stat_result) -> bool:
        """Judge a newer file by what its name tells of its content; one whose name tells nothing is not read."""
        folder, name = os.path.split(path)
        meaning = self._stores.folder(folder)
        claim = meaning.claim(name) if meaning is not None else None
        if claim is None or not self._is_meant(path):
            return True
        try:
            sha256, md5 = self._contents.digests(descriptor, name, status, claim.salt)
        except (FileNotFoundError, _file_content.ChangedWhileReadError):
            self.found.unsettled += 1
            return True
        except OSError:
            self.found.unreadable += 1
            return False
        self._tell()
        finding = _content.judge(path, claim, md5, None, _content.entry(sha256, _content.GOOD, status, name))
        return finding is None or (finding.sha256, _content.shown(path)) in self._accept

    def _check_link(self, path: bytes, inode: bytes, status: os.stat_result) -> None:
        """See that an intact name is the same file as the point's other names of it."""
        link, live = self._links[inode], (status.st_dev, status.st_ino)
        if link.live is None:
            link.live = live
        if link.live != live:
            self.found.relinked += 1
            self._differs(path, status.st_size, link)

    def _differs(self, path: bytes, size: int, link: Link | None) -> None:
        """Count a name whose content is what it was and nothing else is."""
        if link is not None:
            link.needed = True
        self._add(_loss.METADATA, path, size, folder=False)
        self._need(False, path)

    def _damaged(self, path: bytes, entry: _content.Entry, status: os.stat_result | None = None) -> None:
        """Count what is there and is not what it was."""
        if status is not None and status.st_mtime_ns > entry.mtime_ns:
            self.found.changed_since += 1
        self._bring(_loss.DAMAGED, path, entry)

    def _missing(self, prefix: bytes) -> None:
        """Count the manifest's next entry as missing and go on."""
        entry = _content.decode(self._line)
        self._advance()
        if _loss.counts(entry.mode):
            self._bring(_loss.MISSING, prefix + entry.name, entry)

    def _bring(self, kind: str, path: bytes, entry: _content.Entry) -> None:
        """Count what is missing or damaged; that a folder is needed is told where its own entries begin."""
        if not self._is_meant(path):
            return
        size = entry.size if entry.is_file else 0
        self._add(kind, path, size, folder=entry.is_folder)
        if entry.is_folder:
            return
        self._expect(size)
        link = self._links.get(b"%d" % entry.inode)
        if link is None or not link.counted:
            self.found.transfer_bytes += size
        if link is not None:
            link.needed = link.counted = True
        self._need(False, path)

    def _expect(self, size: int) -> None:
        """Count an entry of the point that is not a folder."""
        self.found.expected += 1
        self.found.expected_bytes += size
        self._until_news -= 1
        if not self._until_news:
            self._until_news = _NEWS_EVERY
            self._tell()

    def _tell(self) -> None:
        self.found.hashed_files, self.found.hashed_bytes = self._contents.files, self._contents.bytes
        self._news(self.found)

    def _add(self, kind: str, path: bytes, size: int, *, folder: bool) -> None:
        if not self._is_meant(path):
            return
        self.found.classes[kind].add(path, size, folder=folder)
        if path == _MARKER:
            self.found.marker = kind
        self._take(kind, path)


@dataclass(frozen=True)
class _Folder:
    """What is known of a folder before it is entered; nothing of one that the point does not have."""

    entry: _content.Entry | None = None
    differs: bool = False
    mtime_ns: int = 0


def to_bring(
    manifest: _content_manifest.Reader,
    links: Links,
    folders: t.Iterator[bytes],
    entries: t.Iterator[bytes],
) -> t.Iterator[tuple[bytes, int]]:
    """Everything that has to be brought, in the order of the manifest: path and size.

    That is what is missing or differs, the tree itself and the folders above, so that their times come out right, and
    all names of a file that is among it, so that they are one file again.

    :param folders: what ``needs`` of :class:`Comparison` got, folders only.
    :param entries: the rest of it.
    """
    below = _below(manifest, links, folders, entries)
    for first in below:
        yield ROOT, 0
        yield first
        yield from below


def _below(
    manifest: _content_manifest.Reader,
    links: Links,
    folders: t.Iterator[bytes],
    entries: t.Iterator[bytes],
) -> t.Iterator[tuple[bytes, int]]:
    folder, entry = next(folders, None), next(entries, None)
    path = prefix = b""
    named: list[bytes] = []
    counted: set[bytes] = set()
    while line := manifest.line():
        if line.startswith(b"/"):
            path = _content.folder_in(line)
            prefix = path + b"/" if path else b""
            while named and not prefix.startswith(named[-1] + b"/"):
                named.pop()
            if path == folder:
                yield from ((parent, 0) for parent in _parents(path, named))
                folder = next(folders, None)
        elif _content.is_entry(line):
            fields = line.split(b" ", 9)
            link = links.get(fields[8])
            is_link = link is not None and link.needed and not _is_folder(fields[2])
            if not is_link and entry is None:
                continue
            name = prefix + _content.unescape(fields[9][:-1])
            if name == entry:
                entry = next(entries, None)
            elif not is_link:
                continue
            if path:
                yield from ((parent, 0) for parent in _parents(path, named))
            size = int(fields[5]) if fields[2].startswith(b"100") else 0
            if is_link and fields[8] in counted:
                size = 0
            elif is_link:
                counted.add(fields[8])
            yield name, size


def _parents(path: bytes, named: list[bytes]) -> list[bytes]:
    """Those of a folder and the folders above it that were not named yet; they are from now on."""
    known = len(named[-1]) if named else 0
    parts = path[known:].strip(b"/").split(b"/") if len(path) > known else []
    found = []
    for part in parts:
        above = named[-1] + b"/" if named else b""
        named.append(above + part)
        found.append(named[-1])
    return found
