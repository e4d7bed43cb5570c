# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Read what is new in a mirror, compare it with what should be there, and write the content manifest.

The walk and the former manifest have the same order, so both are gone through side by side: a file that nobody has
touched costs one lstat and the comparison of one line, and memory holds the names of one folder.

Untouched means the same size, mtime, ctime and inode. ctime tells of every write, even of one that sets mtime back.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
import typing as t
import zlib
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _content_manifest,
    _file_content,
    _generation,
    _lock,
    _progress,
)
from ansible_collections.labops.backup.plugins.module_utils._model import _content

_FINDINGS = 20
_BATCH = 4096
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class Request:
    """What :func:`verify` is asked to do; see the options of the module ``content_verify``."""

    mirror: str
    manifest_file: str
    generation_file: str
    generation: int | None
    stores: t.Sequence[str] | None
    accept: t.Sequence[str]
    rehash_percent: float
    lock: str | None
    dry: bool
    lock_keep: int = 0
    run_id: str | None = None
    progress_file: str | None = None


@dataclass
class _Counts:
    files: int = 0
    bytes: int = 0
    others: int = 0
    hashed_files: int = 0
    hashed_bytes: int = 0
    added: int = 0
    removed: int = 0
    changed_files: int = 0
    metadata: int = 0
    rewritten: int = 0
    accepted: int = 0
    finding_count: int = 0


def verify(request: Request) -> dict[str, t.Any]:
    """Bring the content manifest to the mirror's generation; returns the result of the module ``content_verify``.

    :raises BackupError: when the mirror is not fit to be verified, or is written to meanwhile.
    """
    started = time.monotonic()
    _check(request)
    with contextlib.ExitStack() as held:
        if request.lock is not None and not request.dry:
            purpose = f"the verification of {request.mirror}"
            held.enter_context(_lock.hold(request.lock, purpose, run_id=request.run_id, keep=request.lock_keep))
        generation = _complete(request)
        before, lost = held.enter_context(_former(request.manifest_file, generation))
        with _content_manifest.replacing(request.manifest_file, generation["generation"], dry=request.dry) as writer:
            work = _Work(request, generation["generation"], before, writer)
            size, files = generation.get("bytes", 0), generation.get("files")
            what = f"content of {request.mirror}"
            told = None if request.dry else request.progress_file
            with _progress.Progress(told, what, size, total_files=files) as shown:
                work.walk(shown)
            if _generation.read(request.generation_file) != generation:
                raise _written_to(request.mirror, "its generation is another one now")
            digest = writer.finish(
                {"files": work.counts.files, "bytes": work.counts.bytes, "others": work.counts.others}
            )
        if not request.dry:
            _generation.verified(request.generation_file)
    message = _content.verdict(
        request.mirror, work.findings, work.counts.finding_count, by_layout=request.stores is None
    )
    return {
        "changed": digest != before.sha256,
        **vars(work.counts),
        "unchanged": work.unchanged,
        "findings": [finding.as_result() for finding in work.findings],
        "ok": not work.counts.finding_count,
        "message": " ".join(filter(None, (message, lost))),
        "lost": lost,
        "generation": generation["generation"],
        "manifest": {"sha256": digest, "files": work.counts.files, "bytes": work.counts.bytes},
        "seconds": round(time.monotonic() - started, 3),
        "warnings": [lost] if lost else [],
    }


def _check(request: Request) -> None:
    """Refuse options that cannot be meant."""

    def refuse(what: str, remedy: str) -> t.NoReturn:
        raise BackupError(what, untouched="No content was verified", remedy=remedy)

    if not 0 <= request.rehash_percent <= 100:
        refuse(f"rehash_percent is {request.rehash_percent:g}", "Give a share between 0 and 100")
    if request.manifest_file.startswith(request.mirror.rstrip("/") + "/"):
        refuse(f"the content manifest {request.manifest_file} would lie in the mirror", "Keep it beside the mirror")
    for store in request.stores or ():
        if not _content.is_inside(store):
            refuse(f"the store {store!r} is no path below the mirror", "Name it relative to the mirror")


def _complete(request: Request) -> dict[str, t.Any]:
    """The generation that is to be verified."""
    refused = "No content was verified"
    if not os.path.isdir(request.mirror):
        raise BackupError(f"{request.mirror} is not a folder", untouched=refused, remedy="See that it is mounted")
    document = _generation.read(request.generation_file)
    if document is None:
        raise BackupError(
            f"the mirror {request.mirror} has no generation: {request.generation_file} does not exist",
            untouched=refused,
            remedy="Pull first",
        )
    number, state = document["generation"], document["state"]
    if state != _generation.COMPLETE or request.generation not in (None, number):
        wanted = "one that is complete" if request.generation is None else f"generation {request.generation}, complete"
        raise BackupError(
            f"the mirror {request.mirror} is at generation {number}, {state}; verified can be {wanted}",
            untouched=refused,
            remedy="Pull again",
        )
    return document


def _written_to(mirror: str, how: str) -> BackupError:
    return BackupError(
        f"the mirror {mirror} was written to while its content was verified: {how}",
        untouched="The former content manifest was kept",
        remedy="Find out who writes to the mirror, then pull and verify again",
    )


@contextlib.contextmanager
def _former(path: str, generation: t.Mapping[str, t.Any]) -> t.Iterator[tuple[_content_manifest.Reader, str]]:
    """The manifest of an earlier generation, and what it means that there should be one and none can be used.

    Then everything is read again. Of a mirror that was never verified there is none.
    """
    lost = ""
    with contextlib.ExitStack() as opened:
        try:
            reader = opened.enter_context(_content_manifest.opened(path))
        except FileNotFoundError:
            if generation.get("verified"):
                lost = _content.lost(f"the content manifest {path} is gone.")
            reader = opened.enter_context(_content_manifest.absent())
        except BackupError as error:
            lost = _content.lost(error.message)
            reader = opened.enter_context(_content_manifest.absent())
        yield reader, lost


class _Work:
    """One walk over a mirror, side by side with its former manifest."""

    def __init__(
        self,
        request: Request,
        generation: int,
        former: _content_manifest.Reader,
        writer: _content_manifest.Writer,
    ) -> None:
        self.counts = _Counts()
        self.findings: list[_content.Finding] = []
        self._mirror = request.mirror
        self._accepted = _content.Accepted(request.accept)
        self._stores = _content.Stores(None if request.stores is None else [os.fsencode(one) for one in request.stores])
        self._period, self._turn = _content.due(generation, request.rehash_percent)
        self._writer = writer
        self._former = former
        # The former manifest's next line, and the same if it is an entry of the folder that the walk is in.
        self._line = self._entry = b""
        self._contents = _file_content.Contents()
        self._advance()

    @property
    def unchanged(self) -> int:
        """Entries, folders not counted, that are as they were."""
        counts = self.counts
        return counts.files + counts.others - counts.added - counts.changed_files - counts.metadata

    def walk(self, shown: _progress.Progress) -> None:
        """Go through every folder."""
        root = os.open(self._mirror, _OPEN | os.O_DIRECTORY)
        try:
            waiting = [b""]
            while waiting:
                path = waiting.pop()
                waiting.extend(reversed(self._folder(root, path)))
                shown.reached(self.counts.bytes, self.counts.files)
        finally:
            os.close(root)
        self._pass_over(None)
        self.counts.hashed_files, self.counts.hashed_bytes = self._contents.files, self._contents.bytes

    def _folder(self, root: int, path: bytes) -> list[bytes]:
        """Take the entries of a folder; returns the paths of the folders in it."""
        try:
            folder = os.open(path or b".", _OPEN | os.O_DIRECTORY, dir_fd=root)
        except OSError as error:
            raise self._refused(path, error) from error
        try:
            return self._entries(folder, path)
        finally:
            os.close(folder)

    def _entries(self, folder: int, path: bytes) -> list[bytes]:
        with os.scandir(folder) as found:
            names = sorted(os.fsencode(entry.name) for entry in found)
        self._pass_over(path)
        meaning = self._stores.folder(path)
        prefix = path + b"/" if path else b""
        number = zlib.crc32(prefix)
        period, turn, tail_of, flag, bad = self._period, self._turn, _content.tail, _content.FLAG_AT, _content.BAD[0]
        below: list[bytes] = []
        files = total = others = 0
        lines = [_content.folder_line(path)]
        for name in names:
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                raise self._refused(prefix + name, error) from error
            tail = tail_of(status, name)
            kind = status.st_mode & 0o170000
            if kind == stat.S_IFREG:
                files += 1
                total += status.st_size
            elif kind == stat.S_IFDIR:
                below.append(prefix + name)
            else:
                others += 1
            line = self._entry
            if (
                line[_content.TAIL :] == tail
                and line[flag] != bad
                and not (period and kind == stat.S_IFREG and zlib.crc32(name, number) % period == turn)
            ):
                self._advance()
            else:
                line = self._touched(folder, prefix + name, name, status, tail, meaning)
            lines.append(line)
            if len(lines) >= _BATCH:
                self._writer.add(lines)
                lines.clear()
        self._writer.add(lines)
        while self._entry:
            self._count_removed()
        self.counts.files += files
        self.counts.bytes += total
        self.counts.others += others
        return below

    def _advance(self) -> None:
        self._line = line = self._former.line()
        self._entry = line if _content.is_entry(line) else b""

    def _pass_over(self, path: bytes | None) -> None:
        """Go on in the former manifest to the folder ``path`` if it knows that one; to its end without a path."""
        place = None if path is None else _content.order(path)
        while self._line.startswith(b"/") and (place is None or _content.order(_content.folder_in(self._line)) < place):
            self._advance()
            while self._entry:
                self._count_removed()
        if path is not None and self._line == _content.folder_line(path):
            self._advance()

    def _count_removed(self) -> None:
        self._count(_content.compare(_content.decode(self._entry), None))
        self._advance()

    def _count(self, change: str | None) -> None:
        counts = self.counts
        counts.added += change == _content.ADDED
        counts.removed += change == _content.REMOVED
        counts.changed_files += change == _content.CONTENT
        counts.metadata += change == _content.METADATA

    def _was(self, name: bytes) -> _content.Entry | None:
        """What the former manifest says about a name in this folder."""
        while self._entry:
            entry = _content.decode(self._entry)
            if entry.name > name:
                break
            if entry.name == name:
                self._advance()
                return entry
            self._count_removed()
        return None

    def _touched(
        self,
        folder: int,
        path: bytes,
        name: bytes,
        status: os.stat_result,
        tail: bytes,
        meaning: _content.Folder | None,
    ) -> bytes:
        """The line of an entry that is new, or another one, or to be read again."""
        before = self._was(name)
        finding = None
        sha256, flag = _content.NO_CONTENT, _content.GOOD
        if stat.S_ISREG(status.st_mode):
            claim = meaning.claim(name) if meaning is not None else None
            try:
                sha256, md5 = self._read(folder, name, status, claim)
            except FileNotFoundError as error:
                raise self._refused(path, error) from error
            except OSError as error:
                if before is not None and before.is_file:
                    sha256 = before.sha256
                why = error.strerror or str(error)
                finding = _content.Finding(path, _content.UNREADABLE, sha256.decode().strip("-"), why, "")
            else:
                finding = _content.judge(path, claim, md5, before, _content.entry(sha256, flag, status, name))
                if finding is None and claim is not None and before is not None and before.is_file:
                    self.counts.rewritten += (before.size, before.mtime_ns) != (status.st_size, status.st_mtime_ns)
        elif stat.S_ISLNK(status.st_mode):
            sha256 = hashlib.sha256(os.readlink(name, dir_fd=folder)).hexdigest().encode()
        self._count(_content.compare(before, _content.entry(sha256, flag, status, name)))
        if finding is not None and self._accepted.content(path, finding.sha256):
            self.counts.accepted += 1
            flag = _content.ACCEPTED
        elif finding is not None:
            self.counts.finding_count += 1
            if len(self.findings) < _FINDINGS:
                self.findings.append(finding)
            flag = _content.BAD
            if finding.kind == _content.SILENT:
                sha256 = finding.expected.encode()
        elif before is not None and before.flag == _content.ACCEPTED and before.sha256 == sha256:
            flag = _content.ACCEPTED
        return _content.line(sha256, flag, tail)

    def _read(
        self, folder: int, name: bytes, status: os.stat_result, claim: _content.Claim | None
    ) -> tuple[bytes, bytes]:
        """sha256 (digits) and where a name claims something MD5 of a file; further names of it are not read again."""
        try:
            return self._contents.digests(folder, name, status, None if claim is None else claim.salt)
        except _file_content.ChangedWhileReadError:
            raise _written_to(self._mirror, f"{_content.shown(name)} changed while it was read") from None

    def _refused(self, path: bytes, error: OSError) -> BackupError:
        where = _content.shown(path) or "its top"
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return _written_to(self._mirror, f"{where} vanished")
        return BackupError(
            f"{where} in the mirror {self._mirror} cannot be looked at: {error.strerror}",
            untouched="The former content manifest was kept",
            remedy="Check the disk and the file system of the mirror",
        )
