# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Borg 1.2 and 1.4: the only file that knows its command line, environment, exit codes and output.

Seen with Borg 1.2.4 (Debian 12) and 1.4.5: 1.2 ends with 0, 1 or 2 whatever went wrong and ignores
``BORG_EXIT_CODES``; 1.4 has one code a cause. Both name the cause of an error in the ``msgid`` of
``--log-json``, so that comes first and the exit code second.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import json
import os
import re
import shlex
import stat
import time
import typing as t
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError, ToolError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command

MINIMUM_VERSION = (1, 2)
BEYOND_VERSION = (2,)
ENCRYPTIONS = ("repokey-blake2", "repokey")
ARCHIVE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")
# The kind of an error when Borg was ended in favour of something else.
GAVE_WAY = "gave_way"
CHECKS = {"repository": "--repository-only", "archives": "--archives-only", "data": "--verify-data"}

_CHECKPOINT = re.compile(r"\.checkpoint(\.\d+)?\Z")
_PATTERN = re.compile(r"(fm|sh|re|pp|pf):.", re.DOTALL)
_SIZE = re.compile(r"(\d+)(?:\.(\d{1,3}))?([KMGTP]?)\Z")
_SETTINGS = {
    "BORG_EXIT_CODES": "modern",
    "BORG_RELOCATED_REPO_ACCESS_IS_OK": "no",
    "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no",
    "BORG_DISPLAY_PASSPHRASE": "no",
}
_MACHINE_ID = "/etc/machine-id"
# Below BORG_BASE_DIR, a folder for each repository that was ever opened from here (docs/internals/security.rst); its
# file "location" holds the path (seen with 1.2.4 and in the source of 1.4: borg/cache.py, SecurityManager).
_MEMORY = ".config/borg/security"
# Beside it, in a folder of the same name, what Borg builds anew when it is gone (borg/cache.py, LocalCache).
_CACHE = ".cache/borg"
SMALLEST_RESERVE = 10_000_000
_SECRET_BYTES = 4096
_LOCK = "lock."
_NAMES_AT_ONCE = 200
_PRUNED = re.compile(r"Would prune:.* \[([0-9a-f]{64})\]\Z")
# What was reached, by the msgid of progress records (docs/internals/frontends.rst, "Operations").
_REACHES = {"repository.check": "segments", "check.verify_data": "chunks", "check.rebuild_refcounts": "archives"}
_MESSAGES_KEPT = 20
# Borg 1.2.4 dies of a segment that is not there, and of a disk that gives an error.
_UNREADABLE = re.compile(r"FileNotFoundError: \[Errno 2\].*/data/\d+/\d+'|OSError: \[Errno 5\]")
# Where an error of Borg's happened, and which of its functions read what lies below BORG_BASE_DIR (borg/cache.py and
# borg/crypto/nonces.py of 1.2.4).
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'File "[^"\n]*/borg/(cache|repository|crypto/nonces)\.py", line \d+, in (\w+)')
_PLACES = {"cache": "cache", "repository": "repository", "crypto/nonces": "memory"}
_READS = {
    "load": "cache",
    "_check_upgrade": "cache",
    "_do_open": "cache",
    "key_matches": "memory",
    "assert_location_matches": "memory",
    "assert_no_manifest_replay": "memory",
    "get_local_free_nonce": "memory",
}
# Borg 1.4.5 has words for a damaged nonce, and no path (seen).
_DAMAGED_NONCE = "Local security dir has an invalid "
# Refusals that are no damage: of permission, of space, of a read-only file system; but a file that is not there, cannot
# be read, or is of another kind, is.
_REFUSED = re.compile(r"\[Errno (?!(2|5|17|20|21)\])|MemoryError")
# 2038-01-17T03:14:07Z, two days before 32 bits end (borg/helpers/time.py, MAX_NS).
_LATEST_TIME = (2**31 - 1 - 48 * 3600) * 10**9
_NEVER_MATCHED = "never matched"
_INCLUDE, _NOTHING_ELSE = b"+pf:", b"-re:^\n"
_ARGUMENT_BYTES = 1_000_000
_ARGUMENT_OVERHEAD = 32

Kind = t.Literal["success", "warning", "error", "signal"]


class Cause(t.NamedTuple):
    """What an error of Borg means here.

    :param remedy: may name ``{repository}``, ``{base_dir}``, ``{borg}`` (the program), and ``{cache}`` and ``{memory}``
        (the folders below ``base_dir`` that belong to this repository).
    """

    name: str
    remedy: str


# By msgid, which is the name of the exception in Borg's source (docs/internals/frontends.rst, "Message IDs").
_ESCROW = "Fetch the right one from the escrow bundle"
_DAMAGED = Cause(
    "the repository is damaged",
    "Stop its backups, copy the repository as it is, then run borg check on it and look at the disk below it",
)
_SPOOFED = Cause(
    "the repository holds something that its key did not sign",
    "Stop its backups and find out who wrote to the repository; after a Borg upgrade read borg upgrade --help first",
)
_FREE_LOCK = (
    "Wait for it to end; only if no Borg runs anywhere, let BORG_BASE_DIR={base_dir} {borg} break-lock {repository} "
    "remove the lock"
)
_NO_SPACE = Cause(
    "the file system of the repository is full",
    "Free space or enlarge it; removing archives needs free space too, then run borg compact",
)
CAUSES: dict[str, Cause] = {
    "PassphraseWrong": Cause("the passphrase does not open the repository", _ESCROW),
    "NoPassphraseFailure": Cause("Borg got no passphrase", _ESCROW),
    "RepoKeyNotFoundError": Cause(
        "the repository has lost its key", "Bring the exported key back with borg key import from the escrow bundle"
    ),
    "KeyfileNotFoundError": Cause(
        "the key file of the repository is missing", "Bring it back with borg key import from the escrow bundle"
    ),
    "LockTimeout": Cause("another Borg holds the repository's lock", _FREE_LOCK),
    "LockFailed": Cause(
        "the repository's lock could not be created",
        "See that root may write to the repository and its file system is not read-only",
    ),
    "Repository.DoesNotExist": Cause(
        "there is no repository", "See that its file system is mounted; if it was never created, run site.yml"
    ),
    "Repository.InvalidRepository": Cause(
        "something that is not a Borg repository lies there", "Move it away or name another path"
    ),
    "Repository.InvalidRepositoryConfig": Cause(
        "the repository's config file is damaged",
        "Bring config back from a copy of the repository; its key is in the escrow bundle",
    ),
    "Repository.AlreadyExists": Cause("a repository exists already", "Run again"),
    "Repository.PathAlreadyExists": Cause("something else lies there", "Move it away or name another path"),
    "Repository.ParentPathDoesNotExist": Cause(
        "the folder above it does not exist", "See that its file system is mounted, then run site.yml"
    ),
    "Repository.PathPermissionDenied": Cause("the repository may not be opened", "Run as root"),
    "Repository.InsufficientFreeSpaceError": Cause(
        "less space is free than the repository keeps in reserve (additional_free_space)", _NO_SPACE.remedy
    ),
    "Repository.StorageQuotaExceeded": Cause("the repository's quota is used up", "Raise its storage_quota"),
    "NoSpace": _NO_SPACE,
    "Archive.AlreadyExists": Cause(
        "an archive of that name exists already", "Use a new name; an archive is never overwritten"
    ),
    "Archive.DoesNotExist": Cause("there is no archive of that name", "List the archives and use a name from there"),
    "Cache.CacheInitAbortedError": Cause(
        "the repository is not encrypted and was never opened from here",
        "See that nobody put another repository in its place",
    ),
    "Cache.EncryptionMethodMismatch": Cause(
        "the repository's encryption is not what Borg remembers",
        "See that nobody put another repository in its place; if it is the one that was always there, remove {memory} "
        "and {cache}, of which one is damaged then, and Borg makes them anew",
    ),
    "Cache.RepositoryAccessAborted": Cause(
        "the repository was known at another path",
        "If it was moved on purpose, open it once by hand with BORG_RELOCATED_REPO_ACCESS_IS_OK=yes and this base_dir",
    ),
    "Cache.RepositoryReplay": Cause(
        "the repository is older than what was seen last: an old copy was put in its place",
        "If that was on purpose, follow the FAQ of Borg on restored repositories; otherwise stop its backups",
    ),
    "Cache.RepositoryIDNotUnique": Cause(
        "two repositories have one id", "Keep one of them; a repository must never be copied and used twice"
    ),
    "MandatoryFeatureUnsupported": Cause(
        "a newer Borg wrote to the repository", "Use the newer version here (borg_version)"
    ),
    # No words of Borg's, see _READS.
    "CacheDamaged": Cause(
        "Borg's cache is damaged, and that is no fault of the repository", "Remove {cache}; Borg builds it anew"
    ),
    "MemoryDamaged": Cause(
        "what Borg remembers of the repository is damaged, and that is no fault of the repository",
        "See that it is the one that was always there, then remove {memory}; Borg makes it anew",
    ),
    # No word of Borg's, see _UNREADABLE.
    "UnreadableSegment": Cause("a segment of the repository is gone or cannot be read", _DAMAGED.remedy),
    "Repository.CheckNeeded": _DAMAGED,
    "Repository.ObjectNotFound": _DAMAGED,
    "IntegrityError": _DAMAGED,
    "FileIntegrityError": _DAMAGED,
    "DecompressionError": _DAMAGED,
    "NoManifestError": _DAMAGED,
    "TAMRequiredError": _SPOOFED,
    "ArchiveTAMRequiredError": _SPOOFED,
    "TAMInvalid": _SPOOFED,
    "ArchiveTAMInvalid": _SPOOFED,
    "TAMUnsupportedSuiteError": _SPOOFED,
}

# What is meant when Borg speaks of its own files below BORG_BASE_DIR.
_OF_ITS_OWN: dict[str, Cause] = {
    "LockTimeout": Cause("another Borg holds the lock of Borg's cache", _FREE_LOCK),
    "LockFailed": Cause(
        "the lock of Borg's cache could not be created",
        "See that root may write to {base_dir} and its file system is not read-only",
    ),
}

# Errors that tell of the repository's content; the others tell that nobody could look at it.
DAMAGE = frozenset(
    {
        "Archive.DoesNotExist",
        "UnreadableSegment",
        *(msgid for msgid, cause in CAUSES.items() if cause in (_DAMAGED, _SPOOFED)),
    }
)

_STALLED = Cause(
    "it stood still",
    "Look at the disks of the repository and of what is archived (a hanging mount, a dying disk), then run again",
)
_GAVE_WAY = Cause("it gave way to something that must not wait", "Run again later")
# What Borg says that was told to end and had the time to; its exit code is that of any error then (archiver.py).
_INTERRUPTED = re.compile(r"\A(Error: )?(Got Ctrl-C / SIGINT|Keyboard interrupt|Received SIG(TERM|HUP))\b")
_ENDED = Cause("a signal ended it", "Run again; create reuses what it had stored by its last checkpoint")
_WARNED = Cause(
    "it warned, and over a quiet folder there is nothing to warn of",
    "Mend what the warning names, then archive again under a new name",
)
_FOUND = Cause(
    "it found damage",
    "Start no backup into it and remove nothing from it; copy the repository as it is, look at the disk below it, then "
    "read the chapter on borg check in Borg's manual",
)
_NOT_EVERYTHING = Cause(
    "not everything could be written as it is in the archive",
    "Mend what the warning names (space, the file system's attributes), then extract into a fresh folder",
)
_NO_SUCH_PATH = Cause("the archive does not hold that path", "List the archive and use a path from there")

# Modern codes of 1.4 (docs/usage/general/return-codes.rst.inc), for an end without a message.
_CODES = {
    10: "Repository.AlreadyExists",
    12: "Repository.CheckNeeded",
    13: "Repository.DoesNotExist",
    14: "Repository.InsufficientFreeSpaceError",
    15: "Repository.InvalidRepository",
    16: "Repository.InvalidRepositoryConfig",
    17: "Repository.ObjectNotFound",
    18: "Repository.ParentPathDoesNotExist",
    19: "Repository.PathAlreadyExists",
    20: "Repository.StorageQuotaExceeded",
    21: "Repository.PathPermissionDenied",
    25: "MandatoryFeatureUnsupported",
    26: "NoManifestError",
    30: "Archive.AlreadyExists",
    31: "Archive.DoesNotExist",
    42: "KeyfileNotFoundError",
    44: "RepoKeyNotFoundError",
    50: "NoPassphraseFailure",
    52: "PassphraseWrong",
    60: "Cache.CacheInitAbortedError",
    61: "Cache.EncryptionMethodMismatch",
    62: "Cache.RepositoryAccessAborted",
    63: "Cache.RepositoryIDNotUnique",
    64: "Cache.RepositoryReplay",
    72: "LockFailed",
    73: "LockTimeout",
    90: "IntegrityError",
    91: "FileIntegrityError",
    92: "DecompressionError",
    95: "ArchiveTAMInvalid",
    96: "TAMRequiredError",
    97: "TAMInvalid",
    98: "ArchiveTAMRequiredError",
    99: "TAMUnsupportedSuiteError",
}


_UNTOUCHED = {
    "check": "The repository was not changed",
    "compact": "No archive was removed",
    "create": "This run wrote no archive",
    "delete": "Archives that it had not come to are still there",
    "extract": "The repository was not changed",
    "info": "The repository was not changed",
    "list": "The repository was not changed",
    "prune": "Archives that it had not come to are still there",
}


class BorgError(ToolError):
    """Borg ended badly.

    :param msgid: the cause in Borg's words, a key of :data:`CAUSES` if it is known.
    :param found: whether it tells of the repository's content, and not that nobody could look at it.
    """

    def __init__(self, what: str, *, msgid: str, found: bool = False, **keywords: t.Any) -> None:
        self.msgid = msgid
        self.found = found
        super().__init__(what, msgid=msgid, found=found, **keywords)


def kind(rc: int) -> Kind:
    """What an exit code says, in the numbers of 1.2 and of 1.4.

    No caller of this file takes a warning for success: ``create`` runs over a mirror that nobody else writes
    to, ``extract`` warns (1, or 101) when a path is not in the archive at all, and the others have nothing to
    warn about.
    """
    if rc < 0 or rc >= 128:
        return "signal"
    if rc == 0:
        return "success"
    return "warning" if rc == 1 or rc >= 100 else "error"


def parse_version(text: str) -> tuple[int, ...]:
    """``borg 1.2.4`` as numbers.

    :raises BackupError: when it is not Borg, older than 1.2, or Borg 2.
    """
    match = re.match(r"borg (\d+)\.(\d+)\.?(\d+)?", text)
    if match is None:
        raise BackupError(
            f"this is not Borg: it calls itself {text.strip()[:80]!r}",
            untouched="Nothing was changed",
            remedy="Mend borg_version or executable",
        )
    version = tuple(int(part or 0) for part in match.groups())
    if version >= BEYOND_VERSION or version < MINIMUM_VERSION:
        raise BackupError(
            f"Borg {text.split()[1]} is not supported: this collection works with Borg 1.2 and 1.4",
            untouched="Nothing was changed",
            remedy="Install a supported version (borg_version) and name it as executable",
        )
    return version


def parse_size(text: str) -> int:
    """Bytes in ``2G``, ``500M``, ``0``: Borg's own notation, decimal multiples."""
    match = _SIZE.match(text.strip().upper())
    if match is None:
        raise BackupError(f"{text!r} is not a size such as 2G or 500M")
    whole, fraction, unit = match.groups()
    factor = 1000 ** " KMGTP".index(unit or " ")
    return int(whole) * factor + int((fraction or "0").ljust(3, "0")) * factor // 1000


def parse_time(text: str) -> str:
    """A time of ``--json`` as UTC with a ``Z``; Borg prints local time without a zone, and it runs with TZ=UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise BackupError(f"Borg printed {text!r} where a time was expected") from None
    if moment.tzinfo is not None:
        raise BackupError(f"Borg printed the time {text!r} with a zone; only times without one are understood")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def keeps_time(nanoseconds: int) -> bool:
    """Whether Borg 1.x stores this modification time as it is, and not as the nearest one that it knows."""
    return 0 <= nanoseconds <= _LATEST_TIME


def check_archive_name(name: str) -> str:
    """The name itself, when it may name an archive of ours.

    :raises BackupError: when Borg would read something else out of it, or it is a checkpoint's.
    """
    if not ARCHIVE_NAME.match(name) or _CHECKPOINT.search(name):
        raise BackupError(
            f"{name!r} cannot name an archive",
            untouched="Nothing was changed",
            remedy="Use letters, digits, '.', '_' and '-', not ending in .checkpoint",
        )
    return name


def escape_placeholders(text: str) -> str:
    """``text`` so that Borg takes it literally where it would expand ``{now}`` and the like."""
    return text.replace("{", "{{").replace("}", "}}")


def read_passphrase(path: str) -> bytes:
    """The passphrase in a file that only its owner, root or us, can read; one newline at its end is not part of it.

    :raises BackupError: when the file is missing, empty, readable by others or not one line of UTF-8.
    """

    def refuse(what: str, remedy: str) -> BackupError:
        return BackupError(f"the passphrase file {path} {what}", untouched="Nothing was changed", remedy=remedy)

    fetch = f"{_ESCROW}, or run site.yml"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise refuse("does not exist", fetch) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise refuse("is not a regular file", fetch)
    with os.fdopen(descriptor, "rb") as stream:
        if status.st_uid not in (0, os.geteuid()):
            raise refuse(f"belongs to user {status.st_uid}", f"chown root {path}")
        if status.st_mode & 0o077:
            raise refuse(f"has mode {stat.S_IMODE(status.st_mode):04o}", f"chmod 0600 {path}")
        content = stream.read(_SECRET_BYTES + 2)
    secret = content.removesuffix(b"\n")
    if not secret:
        raise refuse("is empty", fetch)
    if len(secret) > _SECRET_BYTES:
        raise refuse(f"is longer than {_SECRET_BYTES} bytes", fetch)
    if b"\n" in secret or b"\0" in secret:
        raise refuse("holds more than one line", fetch)
    try:
        secret.decode("utf-8")
    except UnicodeDecodeError:
        raise refuse("is not UTF-8", fetch) from None
    return secret


def host_id(machine_id_file: str = _MACHINE_ID) -> str:
    """This machine's name in Borg's locks: it stays when address or name change, and tells nothing else.

    Borg removes a lock by itself when the process that held it is gone, but only under the same host id.
    """
    try:
        with open(machine_id_file, "rb") as stream:
            machine_id = stream.read().strip()
    except FileNotFoundError:
        machine_id = b""
    if not machine_id:
        raise BackupError(
            f"{machine_id_file} is missing or empty, so that Borg's locks cannot be told apart from another machine's",
            untouched="Nothing was changed",
            remedy="Run systemd-machine-id-setup",
        )
    return "labops-" + hashlib.sha256(b"labops.backup borg " + machine_id).hexdigest()[:24]


class Log:
    """What Borg said on standard error under ``--log-json``, in the parts that somebody needs."""

    def __init__(self, on_progress: t.Callable[[dict[str, t.Any]], None] | None = None) -> None:
        self.msgid = ""
        self.errors: deque[str] = deque(maxlen=_MESSAGES_KEPT)
        self.warnings: deque[str] = deque(maxlen=_MESSAGES_KEPT)
        self.progress: dict[str, t.Any] = {}
        self.reached: dict[str, dict[str, int]] = {}
        self.listed: list[str] = []
        # Whose file it was when Borg failed with a traceback, cache, memory or repository, and whether it only read it.
        self.place = ""
        self.reading = False
        self._on_progress = on_progress

    def take(self, line: str) -> None:
        """Take one line; what is not a record (an argument error, a crash at start) counts as an error.

        Of argparse's usage and of a traceback only the lines that say what happened are kept.
        """
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            if not line.startswith((" ", "usage:", "Traceback")):
                self.errors.append(line.strip())
            return
        if record.get("type") == "log_message":
            self._take_message(record)
        elif record.get("type") == "archive_progress" and not record.get("finished"):
            self.progress = {name: record[name] for name in ("nfiles", "original_size", "path") if name in record}
            if self._on_progress is not None:
                self._on_progress(record)
        elif record.get("type") == "progress_percent" and "current" in record and "total" in record:
            name = _REACHES.get(str(record.get("msgid")))
            if record.get("msgid") == "extract":
                self.progress = {"extracted": record["current"], "total": record["total"]}
                if self._on_progress is not None:
                    self._on_progress(record)
            elif name is not None:
                self.reached[name] = {"reached": record["current"], "total": record["total"]}

    def _take_message(self, record: dict[str, t.Any]) -> None:
        text = str(record.get("message", "")).strip()
        if record.get("name") == "borg.output.list":
            self.listed.append(text)
        elif record.get("levelname") == "WARNING":
            self.warnings.append(text)
        elif record.get("levelname") in ("ERROR", "CRITICAL"):
            self.msgid = str(record.get("msgid") or self.msgid)
            if _TRACEBACK in text:
                text = self._take_traceback(text)
            self.errors.append(text)

    def _take_traceback(self, text: str) -> str:
        """The exception itself, the last one where several are told; note where it came from.

        Borg appends a description of the system after an empty line.
        """
        text = text.rpartition(_TRACEBACK)[2].split("\n\nPlatform:")[0].strip("\n")
        frames = _FRAME.findall(text)
        if frames:
            module, function = frames[-1]
            self.reading = module != "repository" and function in _READS
            self.place = _READS[function] if self.reading else _PLACES[module]
        lines = text.split("\n")
        # A parser names the file in the first line and its lines in the next ones.
        said = [line.strip() for line in lines if line.strip() and not line.startswith("  ")]
        return " ".join(said[:2] or lines[-1:])

    def cause(self, rc: int) -> str:
        """The key of :data:`CAUSES` for this end, or Borg's own word, or nothing."""
        if self.msgid in CAUSES and self.msgid != "LockFailed":
            return self.msgid
        if any("[Errno 28]" in text for text in (*self.errors, *self.warnings)):
            return "NoSpace"
        return _CODES.get(rc, self.msgid)


@dataclass(frozen=True)
class Created:
    """What ``create`` reported about the archive that it wrote."""

    archive_id: str
    nfiles: int
    seconds: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """Paths that one call of ``extract`` takes.

    :param file: a file of patterns, which ends by leaving everything else out.
    :param paths: what such a file cannot hold.
    """

    file: str
    paths: tuple[bytes, ...]


def selections(paths: t.Iterable[bytes], folder: str, *, top: bytes) -> list[Selection]:
    """Write pattern files for exactly these paths of an archive into ``folder``; one call of ``extract`` each.

    A pattern file is text: a line is cut at its ends, and what is not UTF-8 cannot be read (Borg 1.2.4 and 1.4.5). Such
    names go as arguments, as many at once as the system takes.

    :param top: a path that every call takes along, so that the last one gives it its time.
    """
    odd: list[bytes] = []
    first, further = os.path.join(folder, "first"), os.path.join(folder, "further")
    with open(first, "wb", buffering=1 << 18) as stream:
        stream.write(_INCLUDE + top + b"\n")
        for path in paths:
            if _fits_a_line(path):
                stream.write(_INCLUDE + path + b"\n")
            else:
                odd.append(path)
        stream.write(_NOTHING_ELSE)
    with open(further, "wb") as stream:
        stream.write(_INCLUDE + top + b"\n" + _NOTHING_ELSE)
    groups: list[list[bytes]] = [[]]
    left = _ARGUMENT_BYTES
    for path in odd:
        size = len(path) + _ARGUMENT_OVERHEAD
        if size > left and groups[-1]:
            groups.append([])
            left = _ARGUMENT_BYTES
        groups[-1].append(path)
        left -= size
    return [Selection(first if number == 0 else further, tuple(group)) for number, group in enumerate(groups)]


def _fits_a_line(path: bytes) -> bool:
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return False
    return text.isprintable() and text == text.strip()


def shadow(repository: str, place: str) -> None:
    """Make a repository at ``place`` that has the segments of another one, as further names, and no key.

    Borg never writes into a segment that exists, and what it removes loses one name of two. So whatever is done with
    the copy, the other one stays as it is, and a copy of terabytes costs a name a segment.

    :param place: does not exist, and lies on the file system of ``repository``.
    """
    os.mkdir(place, 0o700)
    for folder, folders, names in os.walk(repository):
        inside = os.path.join(place, os.path.relpath(folder, repository))
        for name in folders:
            if not name.startswith(_LOCK):
                os.mkdir(os.path.join(inside, name), 0o700)
        folders[:] = [name for name in folders if not name.startswith(_LOCK)]
        for name in names:
            if not name.startswith((_LOCK, "config")):
                os.link(os.path.join(folder, name), os.path.join(inside, name))
    config = configparser.ConfigParser(interpolation=None)
    config.read(os.path.join(repository, "config"))
    config.remove_option("repository", "key")
    with open(os.path.join(place, "config"), "w", encoding="utf-8") as stream:
        config.write(stream)


class Repository:
    """One repository on this machine, and the Borg that works on it.

    :param repository: absolute path.
    :param passphrase_file: see :func:`read_passphrase`.
    :param base_dir: ``BORG_BASE_DIR``: caches, and the memory of which repository was seen where. One place for
        cron, a person and AWX, or each of them reads every file again.
    :param executable: a name, looked up in the fixed search path, or an absolute path.
    :param lock_wait: seconds to wait for Borg's own lock.
    :param give_way: asked while Borg works; what it answers is why it is ended in favour of something else. The
        error then has the kind :data:`GAVE_WAY`.
    """

    def __init__(
        self,
        *,
        repository: str,
        passphrase_file: str,
        base_dir: str,
        executable: str = "borg",
        lock_wait: int = 60,
        give_way: t.Callable[[], str] | None = None,
    ) -> None:
        for what, path in (("repository", repository), ("base_dir", base_dir), ("passphrase_file", passphrase_file)):
            if not path.startswith("/"):
                raise BackupError(f"{what} is {path!r}; an absolute path is needed", untouched="Nothing was changed")
        if "::" in repository or "{" in repository or "}" in repository:
            raise BackupError(
                f"Borg would misread the repository path {repository!r}",
                untouched="Nothing was changed",
                remedy="Use a path without '::', '{' and '}'",
            )
        self.path = repository.rstrip("/") or "/"
        self._passphrase_file = passphrase_file
        self._passphrase = read_passphrase(passphrase_file)
        self._executable = _program(executable)
        self._lock_wait = lock_wait
        self._give_way = give_way
        self._base_dir = base_dir
        self._own = {"cache": os.path.join(base_dir, _CACHE), "memory": os.path.join(base_dir, _MEMORY)}
        self._environment = _command.environment(
            BORG_BASE_DIR=base_dir,
            BORG_HOST_ID=host_id(),
            **_SETTINGS,
        )
        self.version = self._find_version()
        self._expect_the_known_one(self._own["memory"])
        os.makedirs(base_dir, mode=0o700, exist_ok=True)

    @classmethod
    def of(cls, options: t.Mapping[str, t.Any], give_way: t.Callable[[], str] | None = None) -> Repository:
        """The repository that a module's options name."""
        names = ("repository", "passphrase_file", "base_dir", "executable", "lock_wait")
        return cls(**{name: options[name] for name in names}, give_way=give_way)

    def is_absent(self) -> bool:
        """Nothing is at the path, or an empty folder; anything else is for Borg to judge."""
        try:
            with os.scandir(self.path) as entries:
                return next(entries, None) is None
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            return False

    def describe(self) -> dict[str, t.Any]:
        """The repository's id and encryption, and its archives, newest first; opens it with the passphrase."""
        found = self._json("list", "--json", self.path)
        return {
            "repository_id": found["repository"]["id"],
            "encryption": found["encryption"]["mode"],
            "archives": [
                {"name": entry["name"], "id": entry["id"], "start": parse_time(entry["start"])}
                for entry in reversed(found["archives"])
            ],
        }

    def open_archives(self) -> None:
        """See that this Borg opens each archive, which a mere list does not show.

        Borg 1.4.5 lists an archive that 1.2.4 renamed or recreated; it opens neither that one nor, where its cache has
        to be built, any other of the repository.

        :raises BackupError: that names those which do not open.
        """
        try:
            self._look_into("*")
        except BorgError as error:
            closed = [entry["name"] for entry in self.describe()["archives"] if not self._opens(entry["name"])]
            if not closed:
                raise
            raise BackupError(
                f"Borg {self.version} does not open {', '.join(closed)} in {self.path} ({error.msgid or error.what})",
                untouched="The repository was not changed",
                remedy="Put the former borg_version back and run site.yml again. If these archives are yours, borg "
                "upgrade --help of the new version says under --archives-tam how to sign them; never run borg check "
                "--repair before that",
            ) from None

    def _opens(self, archive: str) -> bool:
        try:
            self._look_into(archive)
        except BorgError:
            return False
        return True

    def _look_into(self, glob: str) -> None:
        """The comment is inside of an archive, unlike what a list tells by itself."""
        self._run("list", "--format", "{comment}{NL}", "--glob-archives", glob, self.path)

    def statistics(self) -> dict[str, t.Any]:
        """Sizes over all archives; may have to build Borg's cache first."""
        found = self._json("info", "--json", self.path)
        stats = found["cache"]["stats"]
        return {
            "last_modified": parse_time(found["repository"]["last_modified"]),
            "original_size": stats["total_size"],
            "compressed_size": stats["total_csize"],
            "deduplicated_size": stats["unique_csize"],
        }

    def ensure(
        self, encryption: str, reserve: str, *, dry_run: bool
    ) -> tuple[dict[str, str | None], dict[str, str | None]]:
        """Create the repository unless it exists, and set its free-space reserve; what was, and what is to be.

        :param reserve: Borg's ``additional_free_space``: what a transaction must leave free, so that Borg can still
            delete on a full file system.
        :raises BackupError: when something else lies there, the passphrase does not open it, or its encryption differs.
        """
        wanted = parse_size(reserve)
        if 0 < wanted < SMALLEST_RESERVE:
            raise BackupError(
                f"the free-space reserve is {reserve}; Borg takes 0 or at least 10M", untouched="Nothing was changed"
            )
        before: dict[str, str | None] = {"encryption": None, "free_space_reserve": None}
        after: dict[str, str | None] = {"encryption": encryption, "free_space_reserve": reserve}
        if self.is_absent():
            if not dry_run:
                self._run("init", "--encryption", encryption, self.path)
        else:
            before["encryption"] = self.describe()["encryption"]
            if before["encryption"] != encryption:
                raise BackupError(
                    f"the repository {self.path} has the encryption {before['encryption']}, not {encryption}, and that "
                    f"cannot be changed",
                    untouched="Nothing was changed",
                    remedy="Ask for the encryption that it has, or name another path",
                )
            is_set = self.free_space_reserve()
            before["free_space_reserve"] = reserve if parse_size(is_set) == wanted else is_set
        if not dry_run and before["free_space_reserve"] != reserve:
            self._run("config", self.path, "additional_free_space", reserve)
        return before, after

    def free_space_reserve(self) -> str:
        """``additional_free_space`` as it is set."""
        return self._run("config", self.path, "additional_free_space").decode().strip()

    def export_key(self) -> bytes:
        """The key, itself encrypted with the passphrase, as ``borg key import`` takes it."""
        return self._run("key", "export", self.path, "-")

    def import_key(self, key_file: str) -> None:
        """Give a repository that has lost its key the exported one.

        :raises BorgError: when it is not the key of this repository.
        """
        self._run("key", "import", self.path, key_file)

    def archives(self, *, name: str | None = None, glob: str = "*", last: int | None = None) -> dict[str, t.Any]:
        """The repository's id, and archives with times, counts and sizes, newest first: one by name, or what matches.

        :raises BorgError: when the named one does not exist.
        """
        if name is not None:
            found = self._json("info", "--json", f"{self.path}::{check_archive_name(name)}")
        else:
            newest = ("--last", str(self._reach(glob, last))) if last is not None else ()
            found = self._json("info", "--json", "--glob-archives", glob, *newest, self.path)
        return {
            "repository_id": found["repository"]["id"],
            "archives": [
                _archive(entry) for entry in reversed(found["archives"]) if not _CHECKPOINT.search(entry["name"])
            ],
        }

    def _reach(self, glob: str, wanted: int) -> int:
        """How far back ``--last`` of ``info`` must reach, which counts and shows checkpoints (``list`` hides them)."""
        found = self._json("list", "--json", "--consider-checkpoints", "--glob-archives", glob, self.path)
        names = [entry["name"] for entry in reversed(found["archives"])]
        places = [place for place, name in enumerate(names, 1) if not _CHECKPOINT.search(name)]
        return places[:wanted][-1] if places else 1

    def contents(self, glob: str = "*") -> dict[str, t.Any]:
        """The repository's id, and the archives and the checkpoints whose names match, newest first."""
        found = self._json("list", "--json", "--consider-checkpoints", "--glob-archives", glob, self.path)
        entries = [
            {"name": entry["name"], "id": entry["id"], "start": parse_time(entry["start"])}
            for entry in reversed(found["archives"])
        ]
        return {
            "repository_id": found["repository"]["id"],
            "archives": [entry for entry in entries if not _CHECKPOINT.search(entry["name"])],
            "checkpoints": [entry for entry in entries if _CHECKPOINT.search(entry["name"])],
        }

    def remove(self, names: t.Sequence[str], *, stall_seconds: float | None, pass_fds: t.Sequence[int] = ()) -> None:
        """Remove archives and checkpoints of exactly these names, and see that they, and no others, are gone.

        Borg 1.2 takes no offence at a name that it does not know; what is not there before is not asked for.

        :raises BorgError: when Borg ended badly.
        :raises BackupError: when one is still there afterwards, or another one is not, or nothing would be left.
        """
        before = self._names()
        doomed = [name for name in dict.fromkeys(names) if name in before]
        for name in doomed:
            check_archive_name(_CHECKPOINT.sub("", name))
        if not doomed:
            return
        if len(doomed) == len(before):
            raise BackupError(
                f"that would remove everything that {self.path} holds",
                untouched="Nothing was removed",
                remedy="Name what is to be kept; an unwanted repository is removed by hand",
            )
        for start in range(0, len(doomed), _NAMES_AT_ONCE):
            # The first name is part of the repository's word: without any name, borg delete removes the repository.
            first, *others = doomed[start : start + _NAMES_AT_ONCE]
            self._run(
                *("--progress", "delete", f"{self.path}::{first}", *others),
                stall_seconds=stall_seconds,
                pass_fds=pass_fds,
            )
        after = self._names()
        still, lost = sorted(after & set(doomed)), sorted(before - after - set(doomed))
        if still or lost:
            parts = [f"{', '.join(still)} is still there"] if still else []
            parts += [f"{', '.join(lost)} is gone too"] if lost else []
            raise BackupError(
                f"borg delete on {self.path} ended well, but {' and '.join(parts)}",
                remedy="Find out who else works on the repository, and run borg check on it",
            )

    def prune(
        self,
        glob: str,
        windows: t.Mapping[str, int],
        *,
        dry_run: bool,
        stall_seconds: float | None,
        pass_fds: t.Sequence[int] = (),
    ) -> dict[str, list[str]]:
        """What ``borg prune`` says that it would remove, and unless ``dry_run``, removes; and the archives it keeps.

        :param windows: ``daily``, ``weekly``, ``monthly`` and so on, each with how many are kept.
        :raises BackupError: when it removed something else than it said before.
        """
        if not any(windows.values()) or any(count < 0 for count in windows.values()):
            said = ", ".join(f"keep_{name} {count}" for name, count in windows.items())
            raise BackupError(
                f"borg prune with {said} says nothing about what is kept",
                untouched="Nothing was removed",
                remedy="Give at least one number above 0, and none below",
            )
        rules = [word for name, count in windows.items() if count for word in (f"--keep-{name}", str(count))]
        before = self.contents(glob)
        log = Log()
        self._run("prune", "--dry-run", "--list", "--glob-archives", glob, *rules, self.path, log=log)
        found = [_PRUNED.match(line) for line in log.listed]
        ids = {match[1] for match in found if match}
        doomed = [entry["name"] for entry in (*before["archives"], *before["checkpoints"]) if entry["id"] in ids]
        if not dry_run and doomed:
            self._run(
                *("--progress", "prune", "--glob-archives", glob, *rules, self.path),
                stall_seconds=stall_seconds,
                pass_fds=pass_fds,
            )
            after = self.contents(glob)
            there = {entry["name"] for kind in ("archives", "checkpoints") for entry in after[kind]}
            was = {entry["name"] for kind in ("archives", "checkpoints") for entry in before[kind]}
            if was - there != set(doomed):
                raise BackupError(
                    f"borg prune on {self.path} said it would remove {', '.join(doomed)} and removed "
                    f"{', '.join(sorted(was - there)) or 'nothing'}",
                    remedy="Find out who else works on the repository",
                )
        return {
            "removed": doomed,
            "kept": [entry["name"] for entry in before["archives"] if entry["name"] not in doomed],
        }

    def compact(self, *, stall_seconds: float | None, pass_fds: t.Sequence[int] = ()) -> dict[str, int]:
        """Give the space of removed archives back to the file system; bytes of the repository before and after."""
        before = self._size()
        self._run("--progress", "compact", self.path, stall_seconds=stall_seconds, pass_fds=pass_fds)
        return {"bytes_before": before, "bytes_after": self._size()}

    def check(
        self,
        what: str,
        *,
        glob: str | None = None,
        last: int | None = None,
        max_duration: int | None = None,
        stall_seconds: float | None = None,
        pass_fds: t.Sequence[int] = (),
    ) -> dict[str, dict[str, int]]:
        """Look for damage; how many segments, chunks and archives were reached, of how many.

        :param what: a key of :data:`CHECKS`.
        :param max_duration: end after so many seconds; the next one goes on from there. Borg does that for segments
            only.
        :raises BorgError: on any end but success: Borg ends with 1, a warning, when it found damage.
        """
        argv = ["--progress", "--info", "check", CHECKS[what]]
        if glob is not None:
            argv += ["--glob-archives", glob]
        if last is not None:
            argv += ["--last", str(last)]
        if max_duration is not None:
            argv += ["--max-duration", str(max_duration)]
        log = Log()
        self._run(*argv, self.path, log=log, stall_seconds=stall_seconds, pass_fds=pass_fds)
        return log.reached

    def _names(self) -> set[str]:
        found = self.contents()
        return {entry["name"] for kind in ("archives", "checkpoints") for entry in found[kind]}

    def _size(self) -> int:
        return sum(
            os.lstat(os.path.join(folder, name)).st_size
            for folder, _, names in os.walk(self.path)
            for name in names
            if os.path.lexists(os.path.join(folder, name))
        )

    def create(
        self,
        name: str,
        folder: str,
        entry: str = ".",
        *,
        compression: str,
        exclude: t.Sequence[str] = (),
        comment: str = "",
        checkpoint_interval: int | None = None,
        chunker_params: str | None = None,
        stall_seconds: float | None = None,
        pass_fds: t.Sequence[int] = (),
        on_progress: t.Callable[[dict[str, t.Any]], None] | None = None,
    ) -> Created:
        """Archive ``entry`` of ``folder`` by its name there.

        A tree is archived as an entry of the folder above it and not as ``.``: on extract, Borg sets the time of
        ``.`` before it writes what is in it (seen with 1.2.4), so that the root's own time would be lost.

        :param exclude: patterns with their style (``sh:**/.partial``), against paths relative to ``folder``.
        :param stall_seconds: end Borg when it reports no progress for so long.
        :param pass_fds: descriptors of locks that Borg shall hold as long as it lives.
        :param on_progress: takes each ``archive_progress`` record.
        :raises BorgError: on any end but success; also on a warning, which leaves an archive behind.
        """
        check_archive_name(name)
        for pattern in exclude:
            if not _PATTERN.match(pattern):
                raise BackupError(
                    f"the exclude pattern {pattern!r} does not say its style",
                    untouched="Nothing was archived",
                    remedy="Put sh:, fm:, re:, pp: or pf: before it",
                )
        argv = ["--progress", "create", "--json", "--numeric-ids", "--compression", compression]
        if comment:
            argv += ["--comment", escape_placeholders(comment)]
        if checkpoint_interval is not None:
            argv += ["--checkpoint-interval", str(checkpoint_interval)]
        if chunker_params:
            argv += ["--chunker-params", chunker_params]
        for pattern in exclude:
            argv += ["--exclude", pattern]
        argv += ["--", f"{self.path}::{name}", entry]
        log = Log(on_progress)
        started = time.monotonic()
        report = _document(self._run(*argv, log=log, cwd=folder, stall_seconds=stall_seconds, pass_fds=pass_fds))
        archive = report["archive"]
        seconds = round(time.monotonic() - started, 3)
        return Created(archive["id"], archive["stats"]["nfiles"], seconds, tuple(log.warnings))

    def prove(self, name: str, created: Created) -> dict[str, t.Any]:
        """Open the archive that was just created and tell what is in it.

        :raises BackupError: when it is not the one that ``create`` said it wrote.
        """
        found = self.archives(name=name)
        archive = found["archives"][0]
        if (archive["id"], archive["nfiles"]) != (created.archive_id, created.nfiles):
            raise BackupError(
                f"the archive {name} in {self.path} is not the one that was written: it has the id {archive['id']} and "
                f"{archive['nfiles']} files, written were {created.archive_id} with {created.nfiles} files",
                remedy="Run borg check on the repository and find out who else writes to it",
            )
        sizes = ("nfiles", "original_size", "compressed_size", "deduplicated_size")
        return {
            "repository_id": found["repository_id"],
            "archive_id": archive["id"],
            **{size: archive[size] for size in sizes},
            "started": archive["start"],
            "finished": archive["end"],
            "seconds": created.seconds,
            "warnings": list(created.warnings),
        }

    def expect_no_archive(self, name: str) -> str:
        """The repository's id, when it can be opened and holds no archive of that name."""
        found = self.describe()
        if name in (archive["name"] for archive in found["archives"]):
            cause = CAUSES["Archive.AlreadyExists"]
            raise BackupError(
                f"{self.path}: {cause.name} ({name})", untouched="Nothing was changed", remedy=cause.remedy
            )
        return t.cast("str", found["repository_id"])

    def unpack(self, archive: str, folder: str) -> None:
        """Take the few files of a seal out into an empty folder.

        :raises BorgError: when the archive does not exist.
        """
        self._run("extract", f"{self.path}::{check_archive_name(archive)}", cwd=folder)

    def read_file(self, archive: str, path: str) -> bytes:
        """The content of one file of an archive; for small files that have one name only.

        Of a further name of a hard link Borg writes nothing and ends well (seen with 1.2.4 and 1.4.5).
        Not by ``pf:``: Borg 1.2.4 finds the file, writes it out, and then ends with 1 because that kind of pattern
        never counts as matched (borg/patterns.py counts in PatternBase.match only).

        :raises BorgError: when archive or path do not exist.
        """
        return self._run("extract", "--stdout", f"{self.path}::{check_archive_name(archive)}", f"pp:{path}")

    def file_digest(self, archive: str, *names: str) -> str:
        """The sha256 of one file of an archive, of any size.

        :param names: all names that it has there: only under one of them Borg writes its content, and which one that is
            nobody can tell (see :meth:`read_file`).
        :raises BorgError: when archive or paths do not exist.
        """
        digest = hashlib.sha256()
        paths = [f"pp:{name}" for name in names]
        self._run("extract", "--stdout", f"{self.path}::{check_archive_name(archive)}", *paths, on_stdout=digest.update)
        return digest.hexdigest()

    def extract(
        self,
        archive: str,
        folder: str,
        *,
        selection: Selection | None,
        stall_seconds: float | None,
        pass_fds: t.Sequence[int] = (),
        on_progress: t.Callable[[dict[str, t.Any]], None] | None = None,
    ) -> None:
        """Write an archive, or what is selected of it, into a folder. Owners by number, holes as holes.

        A selection is made of patterns and not of paths, because Borg 1.2 warns of each ``pf:`` path that it never
        matched although it did, and because a ``pp:`` path takes along what is below it. So nobody warns of a path that
        the archive lacks: look afterwards.

        :param on_progress: takes each ``progress_percent`` record, ``current`` and ``total`` in bytes.
        :raises BorgError: on any end but success.
        """
        words = ["--progress", "extract", "--numeric-ids", "--sparse"]
        if selection is not None:
            words += [f"--pattern={os.fsdecode(_INCLUDE + path)}" for path in selection.paths]
            words += ["--patterns-from", selection.file]
        self._run(
            *(*words, f"{self.path}::{check_archive_name(archive)}"),
            log=Log(on_progress),
            cwd=folder,
            stall_seconds=stall_seconds,
            pass_fds=pass_fds,
        )

    def read(self, archive: str, *, stall_seconds: float | None, pass_fds: t.Sequence[int] = ()) -> None:
        """Read an archive to its end, so that every chunk of it is found, decrypted and authenticated; write nothing.

        :raises BorgError: when something of it is damaged or gone.
        """
        words = ("--progress", "extract", "--dry-run", f"{self.path}::{check_archive_name(archive)}")
        self._run(*words, stall_seconds=stall_seconds, pass_fds=pass_fds)

    def bytes_on_disk(self) -> int:
        """What the repository takes on its file system."""
        return self._size()

    def _expect_the_known_one(self, memory: str) -> None:
        """Refuse a repository that took the place of the one that was opened here before.

        Borg itself only notices a known repository at a new path, and not an unknown one at a known path.
        """
        found = self._identifier()
        if not found:
            return  # nothing is there, or Borg will say what is wrong with it
        known = {}
        with contextlib.suppress(FileNotFoundError):
            for identifier in os.listdir(memory):
                location = os.path.join(memory, identifier, "location")
                with contextlib.suppress(OSError), open(location, encoding="utf-8", errors="surrogateescape") as stream:
                    known[identifier] = stream.read().strip()
        former = sorted(identifier for identifier, path in known.items() if path == self.path)
        if former and found not in former:
            where = f", known at {known[found]}" if found in known else ""
            memories = " and ".join(os.path.join(memory, identifier) for identifier in former)
            raise BackupError(
                f"another repository lies at {self.path}: it has the id {found}{where}; known there is "
                f"{', '.join(former)}",
                untouched="Nothing was changed",
                remedy="Find out who put it there and bring the right one back. If it is meant to take that place, "
                f"remove {memories}",
                msgid="AnotherRepository",
            )

    def _identifier(self) -> str:
        """The repository's id as its configuration has it; empty when that cannot be read."""
        config = configparser.ConfigParser(interpolation=None)
        try:
            config.read(os.path.join(self.path, "config"))
            return config["repository"]["id"]
        except (configparser.Error, KeyError, UnicodeDecodeError, NotADirectoryError):
            return ""

    def _find_version(self) -> str:
        outcome = _command.run([self._executable, "--version"], env=self._environment)
        if outcome.rc != 0:
            raise outcome.error(
                f"{self._executable} --version failed",
                untouched="Nothing was changed",
                remedy="Run site.yml for this host, or mend borg_version or executable",
            )
        text = outcome.stdout.decode("utf-8", "replace")
        parse_version(text)
        return text.split()[1]

    def _json(self, *words: str) -> dict[str, t.Any]:
        return _document(self._run(*words))

    def _run(self, *words: str, log: Log | None = None, **keywords: t.Any) -> bytes:
        """Standard output of a verb that succeeded."""
        log = log or Log()
        outcome = _command.run(
            [self._executable, "--log-json", "--lock-wait", str(self._lock_wait), *words],
            env=self._environment,
            secrets={"BORG_PASSPHRASE_FD": self._passphrase},
            on_stderr_line=log.take,
            give_way=self._give_way,
            **keywords,
        )
        if outcome.rc != 0:
            raise self._error(outcome, log, next(word for word in words if not word.startswith("-")))
        return outcome.stdout

    def _error(self, outcome: _command.Outcome, log: Log, verb: str) -> BorgError:
        msgid, place = self._find_cause(log, outcome.rc)
        cause = CAUSES.get(msgid, Cause("", "Mend what Borg names"))
        if msgid == "NoSpace":
            cause = self._no_space(place)
        elif place in self._own:
            cause = _OF_ITS_OWN.get(msgid, cause)
        said = list(log.errors)
        untouched = _UNTOUCHED.get(verb, "")
        facts: dict[str, t.Any] = {"progress": log.progress} if log.progress else {}
        if outcome.gave_way:
            cause, said, facts = _GAVE_WAY, [outcome.gave_way], {**facts, "kind": GAVE_WAY}
        elif outcome.stalled:
            cause, said = _STALLED, [outcome.stderr.rpartition("\n")[2]]
        elif kind(outcome.rc) == "signal" or any(map(_INTERRUPTED.search, said)):
            cause = _ENDED
        elif kind(outcome.rc) == "warning":
            said += log.warnings
            if verb == "create":
                cause, untouched = _WARNED, "The archive was written in spite of that and is not to be trusted"
            elif verb == "extract":
                cause = _NO_SUCH_PATH if _NEVER_MATCHED in " ".join(log.warnings) else _NOT_EVERYTHING
            elif verb == "check":
                cause = _FOUND
        where = f" into {self._passphrase_file}" if msgid == "PassphraseWrong" else ""
        return BorgError(
            f"borg {verb} on {self.path} failed" + (f": {cause.name}" if cause.name else ""),
            msgid=msgid,
            found=msgid in DAMAGE or cause in (_FOUND, _NO_SUCH_PATH),
            rc=outcome.rc,
            stderr=" | ".join(said),
            untouched=untouched,
            remedy=self._fill(cause.remedy) + where,
            **facts,
        )

    def _find_cause(self, log: Log, rc: int) -> tuple[str, str]:
        """A key of :data:`CAUSES`, or Borg's own word; and whose file it was, if that is known (see :class:`Log`)."""
        msgid, said = log.cause(rc), " ".join(log.errors)
        named = next((place for place, folder in self._own.items() if f"{folder}/" in said), "")
        place = named or log.place
        if msgid in CAUSES and not (msgid == "FileIntegrityError" and place in self._own):
            return msgid, place
        if _DAMAGED_NONCE in said:
            return "MemoryDamaged", "memory"
        if (named or log.reading) and not _REFUSED.search(said):
            return "CacheDamaged" if place == "cache" else "MemoryDamaged", place
        if any(_UNREADABLE.search(text) for text in log.errors):
            return "UnreadableSegment", place
        return msgid, place

    def _no_space(self, place: str) -> Cause:
        """Whose file system was full: of what Borg was at, or if it did not tell that, of what has no room now."""
        paths = {"the repository": self.path, "Borg's cache": self._base_dir}
        if place:
            one = paths["Borg's cache" if place in self._own else "the repository"]
            full = [whose for whose, path in paths.items() if path == one or _share_a_file_system(path, one)]
        else:
            full = [whose for whose, path in paths.items() if _has_no_room(path)]
        if not full:
            return Cause("a file system is full", "See with df which one Borg wrote to, and free space there")
        remedy = _NO_SPACE.remedy if "the repository" in full else "Free space where {base_dir} lies, or enlarge it"
        return Cause(f"the file system of {' and of '.join(full)} is full", remedy)

    def _fill(self, remedy: str) -> str:
        folders = {place: os.path.join(folder, self._identifier()) for place, folder in self._own.items()}
        names = {"repository": self.path, "base_dir": self._base_dir, "borg": self._executable, **folders}
        return remedy.format(**{name: shlex.quote(path) for name, path in names.items()})


def _share_a_file_system(path: str, other: str) -> bool:
    try:
        return os.stat(path).st_dev == os.stat(other).st_dev
    except OSError:
        return False


def _has_no_room(path: str) -> bool:
    try:
        found = os.statvfs(path)
    except OSError:
        return False
    # Some file systems (btrfs) do not count files and say 0 and 0.
    return found.f_bavail == 0 or (found.f_files > 0 and found.f_favail == 0)


def _document(text: bytes) -> dict[str, t.Any]:
    """What Borg printed for ``--json``."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BackupError(
            f"Borg ended well, but what it printed is not the JSON that was asked for: {text[:80]!r}",
            remedy="See whether the executable is Borg itself and whole",
        )
    return document


def _program(executable: str) -> str:
    if "/" not in executable:
        return _command.find(executable)
    if not os.path.isabs(executable) or not os.access(executable, os.X_OK):
        raise BackupError(
            f"there is no program {executable}",
            untouched="Nothing was changed",
            remedy="Run site.yml for this host, or mend borg_version or executable",
        )
    return executable


def _archive(entry: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    stats = entry["stats"]
    return {
        "name": entry["name"],
        "id": entry["id"],
        "start": parse_time(entry["start"]),
        "end": parse_time(entry["end"]),
        "seconds": entry["duration"],
        "nfiles": stats["nfiles"],
        "original_size": stats["original_size"],
        "compressed_size": stats["compressed_size"],
        "deduplicated_size": stats["deduplicated_size"],
        "comment": entry["comment"],
        "chunker_params": ",".join(str(part) for part in entry["chunker_params"]),
    }
