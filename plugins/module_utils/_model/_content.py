# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
r"""The content manifest of a mirror: its lines, what differs between two of them, and names that tell the content.

A manifest is text that holds any bytes. After a header (JSON) every folder has a line ``/<path>`` followed by one
line an entry, in the order of the names' bytes; the folders below follow after all entries of their parent. At the
end stands a trailer (JSON). An entry is ::

    <sha256> <flag> <mode> <uid> <gid> <size> <mtime> <ctime> <inode> <name>

with the mode in octal digits (its first ones are the kind) and times in nanoseconds. The sha256 of a symbolic link
is that of its target; what has no content has dashes. In names and paths a backslash is ``\\``, a newline ``\n``.
"""

from __future__ import annotations

import base64
import posixpath
import re
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _text

GOOD, BAD, ACCEPTED = b".", b"!", b"~"
NO_CONTENT = b"-" * 64
# Where an entry's line goes on after sha256 and flag.
TAIL = 67
FLAG_AT = 65
_TAIL_FIELDS = b"%o %d %d %d %d %d %d %b\n"
_SHOWN = 5

_TEMPORARY = (b".saving", b".copying")
_NAME_0 = re.compile(rb"([0-9a-f]{32})(?:\.(.+))?", re.DOTALL)
_FOLDER_0 = re.compile(rb"[0-9a-f]{1,32}")
_NAME_2 = re.compile(rb"[a-z2-7]{26}")
_FOLDER_2 = re.compile(rb"[a-z2-7]{1,26}")
_HASHED_2 = b"_hash"
# What stands for a store when the inventory names none: raw data and caches, too, have folders and names of digits.
_SCHEMA = re.compile(rb"[a-z][a-z0-9_]*")
# Who names a schema otherwise does it with a letter that is no digit of a number, date or digest, and hides it not.
_NO_SCHEMA = re.compile(rb"[0-9A-Fa-f_.-]*|\..*", re.DOTALL)
_PREFIX_0 = re.compile(rb"[0-9a-f]{2}")
_DIGEST_0 = re.compile(rb"[0-9a-f]{32}")


class Status(t.Protocol):
    """Those fields of C(os.stat_result) that go into a manifest."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_uid(self) -> int: ...
    @property
    def st_gid(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_ctime_ns(self) -> int: ...
    @property
    def st_ino(self) -> int: ...


class Entry(t.NamedTuple):
    """One name in a mirror.

    :param flag: ``.``, or ``!`` for a file that does not hold what it should, or ``~`` for one that does not and was
        accepted as it is. The sha256 of a file with ``!`` that changed under the same size and time is the one it
        should have.
    """

    sha256: bytes
    flag: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    name: bytes

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)


def escape(name: bytes) -> bytes:
    """A name or path as it stands in a line."""
    if b"\\" in name or b"\n" in name:
        return name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    return name


def unescape(text: bytes) -> bytes:
    """The name or path that stands in a line."""
    if b"\\" in text:
        return re.sub(rb"\\(.)", lambda match: b"\n" if match[1] == b"n" else match[1], text)
    return text


def tail(status: Status, name: bytes) -> bytes:
    """An entry's line after the sha256 and the flag. The same tail means: nobody has touched it."""
    return _TAIL_FIELDS % (
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        escape(name),
    )


def line(sha256: bytes, flag: bytes, rest: bytes) -> bytes:
    """An entry's whole line."""
    return b"%b %b %b" % (sha256, flag, rest)


def name_in(text: bytes) -> bytes:
    """The name in an entry's line."""
    return unescape(text[TAIL:-1].split(b" ", 7)[7])


def decode(text: bytes) -> Entry:
    """The entry in a line.

    :raises ValueError: when the line is none of an entry.
    """
    mode, *numbers, name = text[TAIL:-1].split(b" ", 7)
    uid, gid, size, mtime_ns, ctime_ns, inode = map(int, numbers)
    return Entry(
        text[: len(NO_CONTENT)],
        text[FLAG_AT : FLAG_AT + 1],
        int(mode, 8),
        uid,
        gid,
        size,
        mtime_ns,
        ctime_ns,
        inode,
        unescape(name),
    )


def entry(sha256: bytes, flag: bytes, status: Status, name: bytes) -> Entry:
    """The entry of a name, as it will be read back."""
    return Entry(
        *(sha256, flag, status.st_mode, status.st_uid, status.st_gid, status.st_size),
        *(status.st_mtime_ns, status.st_ctime_ns, status.st_ino, name),
    )


def folder_line(path: bytes) -> bytes:
    """The line before the entries of a folder; the path is relative to the mirror, empty for its top."""
    return b"/" + escape(path) + b"\n"


def folder_in(text: bytes) -> bytes:
    """The path in the line of a folder."""
    return unescape(text[1:-1])


def is_entry(text: bytes) -> bool:
    """Whether a line is that of an entry, not of a folder, header or trailer."""
    return text[:1] not in (b"/", b"{", b"")


def order(folder: bytes) -> bytes:
    """What the folders of a manifest are sorted by: each before those below it, those below before the next one."""
    return folder.replace(b"/", b"\0")


# ------------------------------------------------------------------------------------------------- what has changed

ADDED, REMOVED, CONTENT, METADATA = "added", "removed", "content", "metadata"


def compare(before: Entry | None, after: Entry | None) -> str | None:
    """What became of one path, folders not counted: nothing is said of them but that a file takes their place.

    :return: ADDED, REMOVED, CONTENT (kind, size or bytes), METADATA (mode, owner or time), or None.
    """
    was = before if before is not None and not before.is_folder else None
    now = after if after is not None and not after.is_folder else None
    if was is None or now is None:
        return ADDED if now is not None else REMOVED if was is not None else None
    if (was.sha256, stat.S_IFMT(was.mode)) != (now.sha256, stat.S_IFMT(now.mode)):
        return CONTENT
    if (was.mode, was.uid, was.gid, was.mtime_ns) != (now.mode, now.uid, now.gid, now.mtime_ns):
        return METADATA
    return None


Entries = t.Iterable[tuple[bytes, Entry]]


class Change(t.NamedTuple):
    """A path that differs between two manifests."""

    kind: str
    path: bytes
    before: Entry | None
    after: Entry | None


def diff(before: Entries, after: Entries) -> t.Iterator[Change]:
    """What differs between two manifests, in their order; both are read once, side by side.

    :param before: path and entry, in the order of a manifest; as ``_content_manifest.entries`` gives them.
    """
    old, new = iter(before), iter(after)
    was, now = next(old, None), next(new, None)
    while was is not None or now is not None:
        path = min((entry[0] for entry in (was, now) if entry is not None), key=place)
        first = was[1] if was is not None and was[0] == path else None
        second = now[1] if now is not None and now[0] == path else None
        kind = compare(first, second)
        if kind is not None:
            yield Change(kind, path, first, second)
        if first is not None:
            was = next(old, None)
        if second is not None:
            now = next(new, None)


def place(path: bytes) -> tuple[bytes, bytes]:
    """What the entries of a manifest are sorted by."""
    folder, name = posixpath.split(path)
    return order(folder), name


# -------------------------------------------------------------------------------------- names that tell the content


@dataclass(frozen=True)
class Claim:
    """What the name of a file says about its content.

    :param expected: the digest in the name.
    :param salt: what was fed to MD5 before the content.
    """

    expected: str
    salt: bytes
    base32: bool = False

    def of(self, md5: bytes) -> str:
        """A digest, written as this name writes it."""
        return base64.b32encode(md5).decode().rstrip("=").lower() if self.base32 else md5.hex()


@dataclass(frozen=True)
class Folder:
    """A folder of a content-addressed store: what the names of its files may begin with.

    :param attachments_0: names with something behind the digits may be those of attachments.
    """

    digits_0: tuple[bytes, ...]
    digits_2: tuple[bytes, ...]
    attachments_0: bool = True

    def claim(self, name: bytes) -> Claim | None:
        """What a name in this folder says; None for temporaries and names that say nothing."""
        if name.endswith(_TEMPORARY):
            return None
        match = _NAME_0.fullmatch(name)
        if match is not None and name.startswith(self.digits_0 or (b"/",)):
            if match[2] is not None and not self.attachments_0:
                return None
            salt = b"" if match[2] is None else match[2] + b"\0"
            return Claim(match[1].decode(), salt)
        if _NAME_2.fullmatch(name) and name.startswith(self.digits_2 or (b"/",)):
            return Claim(name.decode(), b"", base32=True)
        return None


class Stores:
    """Where in a dataset DataJoint keeps files whose names are digests of their content.

    * 0.x: ``<schema>/<2 digits>/<2 digits>/<32 digits>`` for blobs, and the same with ``.<name>`` for attachments,
      whose digest is over name, NUL and content; the folders are whatever the subfolding says, at least one. By
      the layout only the default of two folders with two digits each is recognised, and below a folder that is not
      called like most schemas, with capitals, blanks or dashes, only blobs: caches have images named like that.
    * 2.x: ``_hash/<schema>/<26 base32 digits>``, with or without such folders.

    :param roots: the stores' folders, relative to the dataset; None when nobody knows and the layout has to tell.
    """

    def __init__(self, roots: t.Sequence[bytes] | None) -> None:
        self._roots = None if roots is None else [b"" if root == b"." else root.strip(b"/") for root in roots]

    def folder(self, path: bytes) -> Folder | None:
        """What the names in a folder may mean; None for one that is in no such store."""
        if self._roots is None:
            parts = path.split(b"/")
            old = _default_0(parts)
            attachments = bool(old) and _SCHEMA.fullmatch(parts[-3]) is not None
            new = _after_hashed(parts[parts.index(_HASHED_2) :]) if _HASHED_2 in parts else None
        else:
            found_0, found_2 = [], []
            for root in self._roots:
                if root and not path.startswith(root + b"/"):
                    continue
                parts = path[len(root) :].strip(b"/").split(b"/")
                if len(parts) > 1 and all(_FOLDER_0.fullmatch(part) for part in parts[1:]):
                    found_0.append(b"".join(parts[1:]))
                hashed = _after_hashed(parts)
                if hashed is not None:
                    found_2.append(hashed)
            return Folder(tuple(found_0), tuple(found_2)) if found_0 or found_2 else None
        return Folder(old, () if new is None else (new,), attachments) if old or new is not None else None


def _default_0(parts: t.Sequence[bytes]) -> tuple[bytes, ...]:
    """The digits in the last two folders when they can be those of DataJoint's default layout, below a schema's."""
    if len(parts) < 3 or not all(_PREFIX_0.fullmatch(part) for part in parts[-2:]):
        return ()
    if not _SCHEMA.fullmatch(parts[-3]) and _NO_SCHEMA.fullmatch(parts[-3]):
        return ()
    if any(_DIGEST_0.fullmatch(part) for part in parts[:-2]):
        return ()
    return (b"".join(parts[-2:]),)


def _after_hashed(parts: t.Sequence[bytes]) -> bytes | None:
    """The digits in the folders below ``_hash/<schema>``."""
    if len(parts) < 2 or parts[0] != _HASHED_2 or not all(_FOLDER_2.fullmatch(part) for part in parts[2:]):
        return None
    return b"".join(parts[2:])


# ------------------------------------------------------------------------------------------------------ the verdict

NAME, SILENT, UNREADABLE = "name", "silent", "unreadable"


@dataclass(frozen=True)
class Finding:
    """A file that does not hold what it should.

    :param kind: NAME (its name says another content), SILENT (another content under the same size and time),
        UNREADABLE.
    :param got: what it holds instead, or why that cannot be told.
    :param sha256: its content; empty when it cannot be read.
    """

    path: bytes
    kind: str
    expected: str
    got: str
    sha256: str

    def as_result(self) -> dict[str, str]:
        """For the result of a module, fit for a terminal."""
        return {
            "path": shown(self.path),
            "kind": self.kind,
            "expected": self.expected,
            "got": self.got,
            "sha256": self.sha256,
        }

    def sentence(self) -> str:
        """For people."""
        name = shown(self.path)
        if self.kind == UNREADABLE:
            return f"{name} cannot be read: {self.got}"
        if self.kind == NAME:
            return f"{name} holds {self.got} (sha256 {self.sha256})"
        return f"{name} held {self.expected} and now {self.got}, at the same size and time"


def judge(path: bytes, claim: Claim | None, md5: bytes, before: Entry | None, after: Entry) -> Finding | None:
    """Whether a file holds what it should.

    A name that tells the content decides alone: DataJoint writes a deleted file again, with the same content, under
    the same name, at another time.
    """
    if before is not None and before.flag == ACCEPTED and before.sha256 == after.sha256:
        return None
    if claim is not None:
        got = claim.of(md5)
        if got == claim.expected:
            return None
        return Finding(path, NAME, claim.expected, got, after.sha256.decode())
    if before is None or not before.is_file or before.sha256 in (NO_CONTENT, after.sha256):
        return None
    if (before.size, before.mtime_ns) != (after.size, after.mtime_ns):
        return None
    return Finding(path, SILENT, before.sha256.decode(), after.sha256.decode(), after.sha256.decode())


def verdict(mirror: str, findings: t.Sequence[Finding], count: int, *, by_layout: bool = False) -> str:
    """One message about all findings; empty when there is none.

    :param by_layout: nobody named the stores, so that a name may look like a digest and be none.
    """
    if not count:
        return ""
    files = "1 file" if count == 1 else f"{count} files"
    named = "; ".join(finding.sentence() for finding in findings[:_SHOWN])
    more = f"; and {count - _SHOWN} more" if count > _SHOWN else ""
    mistaken = by_layout and any(finding.kind == NAME for finding in findings)
    cure = (
        " Stores were told by their layout alone; if these files are in none, name the stores in "
        "backup_datajoint_stores."
    )
    rotten = any(finding.kind == SILENT for finding in findings)
    again = (
        " What changed at the same size and time may have done so here alone, and no pull brings it then. If the "
        "source's own file is sound, remove that in the mirror, and the next pull brings it again."
    )
    return (
        f"{files} in {mirror} {'does' if count == 1 else 'do'} not hold what {'it' if count == 1 else 'they'} should: "
        f"{named}{more}. The mirror was not changed and must not be archived. Look at these files on the source: "
        "a failing disk, an interrupted write, or somebody who encrypts? Bring them back from an older archive; what "
        "is lost for good can be accepted as it is, by 'SHA256 PATH' in backup_accept_content."
        + (again if rotten else "")
        + (cure if mistaken else "")
    )


def lost(how: str) -> str:
    """What it means, for people, that a mirror's former manifest cannot be used.

    :param how: a sentence about the manifest.
    """
    return (
        f"{how} Every file was read again, and later nights compare with what was found now: what had changed at the "
        "same size and time cannot be told this time, and findings of that which were still open are forgotten. "
        "Nothing of this source is removed in this run. See whether the messages of the last nights name such a file, "
        "and compare with a recovery point from before: restore.yml without restore_confirm tells by content what "
        "differs on the source. Look at the disk where that manifest lies, too."
    )


def acceptance(text: str) -> tuple[str, str] | None:
    """sha256 and path (as it is shown) of a file that is taken as it is; None when the text says something else."""
    match = re.fullmatch(r"([0-9a-f]{64}) +(\S.*)", text)
    return (match[1], match[2]) if match is not None else None


class Accepted:
    """What the operator takes as it is, because nobody can bring it back.

    :param contents: each SHA-256 and path, see :func:`acceptance`.
    :param missing: each the name of a dataset, a slash, and the path (as it is shown) of a file that is gone for good.
    :raises BackupError: when one of them says something else.
    """

    def __init__(self, contents: t.Iterable[str] = (), missing: t.Iterable[str] = ()) -> None:
        self._contents: dict[str, set[str]] = {}
        for text in contents:
            accepted = acceptance(text)
            if accepted is None:
                raise BackupError(
                    f"{text!r} is not SHA-256 and path",
                    untouched="No content was verified",
                    remedy="Copy both from the message about the finding",
                )
            self._contents.setdefault(accepted[1], set()).add(accepted[0])
        self._missing = frozenset(missing)
        for text in self._missing:
            if not is_missing_acceptance(text):
                raise BackupError(
                    f"{text!r} is not the name of a dataset, a slash, and a path",
                    untouched="No content was verified",
                    remedy="Copy both from the examples of the finding",
                )

    def names(self, path: bytes) -> bool:
        """Whether some content is accepted at this path; ask before it is read."""
        return bool(self._contents) and shown(path) in self._contents

    def content(self, path: bytes, sha256: str) -> bool:
        """Whether this content is accepted at this path."""
        return sha256 in self._contents.get(shown(path), ())

    def missing(self, dataset: str, path: bytes) -> bool:
        """Whether it is accepted that this file is gone."""
        return bool(self._missing) and f"{dataset}/{shown(path)}" in self._missing


def is_missing_acceptance(text: str) -> bool:
    """Whether a text is the name of a dataset, a slash, and a path below it."""
    dataset, _slash, path = text.partition("/")
    return bool(dataset and path) and is_inside(path)


def is_inside(store: str) -> bool:
    """Whether a store's path stays below its dataset."""
    return bool(store) and not store.startswith("/") and ".." not in store.split("/")


def shown(path: bytes) -> str:
    """A path as a person may read it."""
    return _text.plain(path.decode("utf-8", "surrogateescape"))


def due(generation: int, percent: float) -> tuple[int, int]:
    """Which unchanged files are read again: those whose number modulo the first of these is the second.

    With 5 percent every file is read once in 20 generations.
    """
    if percent <= 0:
        return 0, 0
    period = max(1, int(100 / percent))
    return period, generation % period
