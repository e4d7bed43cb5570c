# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Everything that is known about rsync: its arguments, its exit codes, what it prints.

Why these flags (rsync 3.2.7 and 3.5.0, ``man rsync``):

* ``-aHAXS --numeric-ids``: hard links, ACLs, extended attributes, holes, owners by number. ``-a`` takes FIFOs,
  devices and sockets along. Borg skips sockets, so a mirror may hold sockets that its archive does not.
* ``--modify-window=-1``: compare times to the nanosecond. By default rsync ignores the fraction, and a file
  rewritten with the same size within the same second would be missed.
* ``--delete-delay``: what is gone is deleted last, after everything was transferred. ``--max-delete`` is what
  the census counted, so a source that is emptied between census and pull stops the pull.
* ``--checksum`` only where it is asked for: both sides then read every file whose sizes are equal, the source while it
  lists its files, without a word. So the timeout is longer than reading one large file takes.
* ``--partial-dir`` is absolute and beside the mirror. A relative one lies in the mirror, can stay there when its
  file is gone from the source, and makes rsync skip a source directory of that name. ``--temp-dir`` lies beside
  it: a killed rsync would leave its temporary file in the mirror, and the next pull would move it to the quarantine.
* ``--copy-dest`` where something of a file has come already, so that it is continued. ``--partial-dir`` only keeps what
  is cut off and is empty when rsync starts: 3.2.7 as Debian 12 patched it (3.2.7-1+deb12u6) cannot go on from an
  absolute one, its receiver dies (12), or without ``-S`` gives up with 23, each time again (seen). The file waits in a
  tree of its own, below the path at which the census misses it. rsync itemises it then as changed, and so its folder.
* ``--backup --backup-dir`` for each try of a pull, where it is asked for: what is deleted or overwritten, of whatever
  kind, is moved there with all its attributes (a hard link or rename within one file system). A second try with the
  same directory would overwrite the versions of the first. Directories appear there only around files; a change of
  attributes alone leaves nothing there.
* no ``--fsync``: it waits for the disk once a file. The caller flushes the whole file system once, at the end.
* ``-8`` with ``LC_ALL=C.UTF-8``: names come out as their own bytes, only control characters as ``\\#ooo``.
* it has to be 3.2.7 (Debian 12) or later: from then on it tells what it was built with as JSON (``-VV``).
* no ``--ignore-errors``, no ``--inplace``: a read error on the source stops deletions, a cut line leaves whole files.

And for a push, which brings listed paths back to the source:

* ``--from0 --files-from``, each name with ``./`` in front: rsync leaves out without a word what begins with ``#`` or
  ``;`` (seen with 3.5.0; ``read_line`` in ``io.c``). Folders in the list get their own attributes and nothing below.
* ``--no-implied-dirs``: a folder that is not in the list keeps the attributes that it has. In a tree that holds
  a part of an archive only, those of other folders are made up.
* ``--ignore-times`` where the other side may hold something else under the same size and time. ``--checksum`` would do
  it too, but reads every listed file before it sends the first byte, in silence.
* ``--partial-dir`` relative, so beside each file that is cut off, under a name that no pull brings; rsync removes it
  when the file is whole. An absolute one is not used: rsync 3.2.7 as Debian 12 patched it (3.2.7-1+deb12u6) cannot go
  on from there, its receiver dies or gives up with 23, each time again.
* nothing deletes. The endpoint refuses it as well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import typing as t
from collections import deque
from dataclasses import dataclass, field

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command

EXAMPLES = 20
_CONNECT_SECONDS = 30
_CHECKSUM_TIMEOUT = 3600
_LAST_LINES = 8
_ITEM = "|%i|%l|%n"
MINIMUM_VERSION = (3, 2, 7)
# What the flags of a pull need, as ``rsync -VV`` names it; builds can leave these out.
_NEEDED = {"ACLs": "ACLs", "xattrs": "extended attributes", "hardlinks": "hard links", "symlinks": "symbolic links"}

_REMOTE = re.compile(
    r"(?P<account>[a-z_][a-z0-9_-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\])"
    r"::(?P<module>[A-Za-z0-9_][A-Za-z0-9_-]*)/?"
)
# A push may be meant for one folder of a module.
_REMOTE_FOLDER = re.compile(_REMOTE.pattern.removesuffix("/?") + r"(?:/[A-Za-z0-9_][A-Za-z0-9_-]*)?/?")
_ONE_WORD = re.compile(r"/[A-Za-z0-9_./@%+,:=-]*")
_FILTER = re.compile(r"[+-] [^\0\n\r]+")
ATTRIBUTE = re.compile(r"[a-z0-9]+\.[A-Za-z0-9_.*-]+")
_ITEMISED = re.compile(rb"\|([^|]*)\|(\d+)\|([^\0]+)", re.DOTALL)
_ESCAPED = re.compile(rb"\\#([0-7]{3})")
_VANISHED = re.compile(r'file has vanished: "(.*)"')
_SKIPPED = re.compile(r"Deletions stopped due to --max-delete limit \((\d+) skipped\)")
_STATISTIC = re.compile(rb"(Number of files|Total file size|Total transferred file size|Literal data): (\d+)([^\n]*)")
_ABSENT = re.compile(r'link_stat ".*" (\(in .*\) )?failed: No such file or directory')
_FETCH_BYTES = 1 << 16
_KINDS = re.compile(rb"(reg|dir|link|dev|special): (\d+)")

Kind = t.Literal["ok", "vanished", "delete_limit", "partial", "connection", "stalled", "failed"]

# Exit codes that a second try may mend (man rsync, EXIT VALUES). A daemon behind ssh that cannot be reached
# gives 5, like a refusal of the daemon itself: only the text tells them apart.
_CONNECTION_CODES = frozenset({10, 12, 30, 35, 255})
_NO_GREETING = "did not see server greeting"

_PROGRESS = re.compile(rb" +(\d+) +\d+% ")
_AT_THE_ENDPOINT = "Close and open the write endpoint of the restore, then run again"

# What a second try cannot mend: pattern in the messages, what to do. The first match wins.
_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known",
        "The source's ssh host key is not the pinned one. Find out why; then run site.yml for this server, which "
        "shows both fingerprints and says how to accept a new one",
    ),
    (
        r"Permission denied \([a-z]|Too many authentication failures|Identity file .* not accessible",
        "The source does not accept the pull identity of this server (key, or the address it comes from). "
        "Run site.yml for the source and this server",
    ),
    (
        r"sudo: ",
        "The source's sudo does not allow the endpoint's command. Run site.yml for the source",
    ),
    (
        r"(ACLs|extended attributes|hard links) are not supported on this (client|server)",
        "The rsync of the source was built without what a mirror needs. Install Debian's rsync there",
    ),
    (
        r"@ERROR: Unknown module",
        "The source's endpoint does not offer this dataset. Run site.yml for the source",
    ),
    (
        r"@ERROR: (chroot|chdir) failed",
        "On the source the dataset's directory does not exist, or its file system is not mounted. Mend that there",
    ),
    (
        r"The server is configured to refuse|module is read only",
        "The source's endpoint refuses this. It is read-only by design; compare the release on both hosts",
    ),
    (
        r"rather than greeting|protocol version mismatch|is your shell clean",
        "Something else than the endpoint answered. Look at the account on the source, then run site.yml for it",
    ),
    (
        r"xattr\(.* failed: Operation not supported",
        "The mirror's file system does not take this extended attribute of the source's. If it means nothing anywhere "
        "else (btrfs.compression, security.selinux), name it in skip_attributes of the dataset; otherwise put the "
        "mirrors on a file system that takes it",
    ),
    (
        r"No space left on device|Disk quota exceeded",
        "Free space on the mirror's file system; the next pull resumes",
    ),
    (
        r"Read-only file system",
        "The mirror's file system is read-only: look at the kernel log before anything else",
    ),
)
# The same for a push, where the other side is the one that is written to.
_PUSH_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known",
        "The source's ssh host key is not the pinned one. Find out why before anything is sent there",
    ),
    (
        r"Permission denied \([a-z]|Too many authentication failures|Identity file .* not accessible",
        "The write endpoint does not accept the key: it has expired, or was closed. Open it again, then run again",
    ),
    (r"sudo: |@ERROR: Unknown module|module is read only", _AT_THE_ENDPOINT),
    (
        r"@ERROR: (chroot|chdir) failed",
        "On the source the dataset's directory does not exist, or its file system is not mounted. Mend that there",
    ),
    (
        r"No space left on device|Disk quota exceeded",
        "Free space on the source's file system, then run again; what is there already is not sent again",
    ),
    (
        r"Read-only file system",
        "The source's file system is read-only: look at the kernel log there before anything else",
    ),
)
# A source's rsync before 3.2 does not say in brackets which side speaks.
_SERIOUS = re.compile(
    r"rsync: (\[|.* failed: |.*failed to |read errors )|IO error encountered|could not make way|cannot delete|ERROR: "
)


@dataclass(frozen=True)
class Transfer:
    """One tree to be mirrored.

    :param source: ``account@host::module/`` or an absolute directory of this host.
    :param destination: the mirror, an absolute directory.
    :param identity_file: private key of the pull; only for a remote source, like the next two.
    :param known_hosts_file: the pinned host keys.
    :param port: the source's ssh port.
    :param filters: rsync filter rules, in order.
    :param hidden: rules before those, for what belongs neither to the source nor to the mirror.
    :param delete_excluded: what the filters exclude is deleted from the mirror, too.
    :param prune_empty_dirs: leave directories out that hold no file.
    :param timeout: seconds without any sign of the other side after which rsync gives up.
    :param checksum: compare the content of every file, not only size and time.
    :param stall_seconds: seconds without any work of rsync and ssh here after which they are ended.
    :param skip_attributes: patterns of extended attributes that are not mirrored.
    """

    source: str
    destination: str
    identity_file: str | None = None
    known_hosts_file: str | None = None
    port: int = 22
    filters: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    delete_excluded: bool = False
    prune_empty_dirs: bool = False
    timeout: int = 600
    checksum: bool = False
    stall_seconds: int = 3600
    skip_attributes: tuple[str, ...] = ()

    @property
    def remote(self) -> bool:
        """True when the source is reached through ssh."""
        return not self.source.startswith("/")

    @property
    def partial_dir(self) -> str:
        """Where files that were cut off wait for the next try, outside the mirror."""
        return self.destination + ".partial"

    @property
    def temporary_dir(self) -> str:
        """Where files grow while they come, outside the mirror."""
        return self.destination + ".temporary"

    @property
    def resume_dir(self) -> str:
        """Where files that were cut off lie below their paths while a pull goes on from them, outside the mirror."""
        return self.destination + ".resume"


@dataclass(frozen=True)
class Push:
    """Paths to be brought from a tree of this host to another place.

    :param source: an absolute directory of this host.
    :param destination: ``account@host::module/`` or an absolute directory of this host.
    :param files_from: the file that names what is sent, each with ``./`` in front and a NUL after it, paths relative to
        the source; None for everything.
    :param partial_dir: the name of folders in which files that were cut off wait for the next try, beside their place.
    :param rewrite: send also what has the same size and time there already.
    :param identity_file, known_hosts_file, port, timeout: as of a :class:`Transfer`.
    :param skip_attributes: patterns of extended attributes that stay at the destination as they are.
    """

    source: str
    destination: str
    files_from: str | None
    partial_dir: str
    rewrite: bool
    identity_file: str | None = None
    known_hosts_file: str | None = None
    port: int = 22
    timeout: int = 600
    skip_attributes: tuple[str, ...] = ()

    @property
    def remote(self) -> bool:
        """True when the destination is reached through ssh."""
        return not self.destination.startswith("/")


@dataclass
class Items:
    """What rsync itemised, counted. Files are all entries but directories.

    :param mirror: when given, what rsync calls new is looked up there: rsync says ``cL+++++++++`` also for a
        symbolic link that takes the place of a file, which is a loss and not a creation.
    :param leaving_files: with ``mirror``, the files in it that would be deleted or overwritten.
    :param leaving_bytes: their size, each file of several names once; what a quarantine would take.
    :param old_bytes: their size, each name by itself, as ``total_bytes`` counts.
    :param new_bytes: the size of what is created or takes the place of something else.
    :param by_content: files that rsync would judge otherwise by size and time alone.
    :param cut_off: names of files that came in part, and how much of each.
    :param resumable: the paths at which they are missing. Of several of one name it is the first, because rsync brings
        files in the order in which it counts them.
    :param known_new: entries that are new whatever rsync calls them.
    """

    mirror: bytes | None = None
    created: int = 0
    created_directories: int = 0
    changed: int = 0
    metadata: int = 0
    deleted: int = 0
    deleted_files: int = 0
    files_to_directories: int = 0
    examples_deleted: list[str] = field(default_factory=list)
    examples_changed: list[str] = field(default_factory=list)
    leaving_files: int = 0
    leaving_bytes: int = 0
    old_bytes: int = 0
    new_bytes: int = 0
    by_content: int = 0
    cut_off: t.Mapping[bytes, int] = field(default_factory=dict)
    resumable: dict[bytes, bytes] = field(default_factory=dict)
    known_new: frozenset[bytes] = frozenset()
    _linked: set[tuple[int, int]] = field(default_factory=set, repr=False)

    def take(self, line: bytes) -> None:
        """Count one line of ``--out-format='|%i|%l|%n'``.

        :raises BackupError: when it is none: what was not counted must not be deleted.
        """
        match = _ITEMISED.fullmatch(line)
        if match is None:
            raise BackupError(f"rsync itemised something that is not understood: {printable(line[:200])}")
        what, length, escaped = match.groups()
        if self.known_new and unescape(escaped) in self.known_new:
            what = what[:2] + b"+" * 9
        if what.startswith(b"*deleting"):
            self.deleted += 1
            if not escaped.endswith(b"/"):
                self.deleted_files += 1
                self._leaves(self._look(escaped))
                _keep(self.examples_deleted, escaped)
            return
        # "YXcst": c alone says that only the content differs, t of a file that is not transferred that it does not.
        if what[1:2] == b"f" and (what[2:5] == b"c.." or (what[:1] == b"." and what[4:5] == b"t")):
            self.by_content += 1
        if what[:1] == b"." and what[2:3] != b"+":
            self.metadata += 1
            return
        if what[1:2] in (b"f", b"L"):
            self.new_bytes += int(length)
        if what[1:3] == b"f+" and self.cut_off:
            path = unescape(escaped)
            name = os.path.basename(path)
            if name in self.cut_off and self.cut_off[name] <= int(length):
                self.resumable.setdefault(name, path)
        if what[2:3] == b"+":
            self._take_new(what[1:2] == b"d", escaped)
        else:
            self.changed += 1
            self._leaves(self._look(escaped))
            _keep(self.examples_changed, escaped)

    def _take_new(self, directory: bool, escaped: bytes) -> None:
        replaced = self._look(escaped)
        if replaced is not None and not stat.S_ISDIR(replaced.st_mode):
            self.changed += 1
            self.files_to_directories += directory
            self._leaves(replaced)
            _keep(self.examples_changed, escaped)
        elif directory:
            self.created_directories += 1
        else:
            self.created += 1

    def _look(self, escaped: bytes) -> os.stat_result | None:
        if self.mirror is None:
            return None
        try:
            return os.lstat(os.path.join(self.mirror, unescape(escaped).rstrip(b"/")))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # a name cannot hold the byte 0
            return None

    def _leaves(self, found: os.stat_result | None) -> None:
        if found is None:
            return
        size = found.st_size if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode) else 0
        self.leaving_files += 1
        self.old_bytes += size
        if found.st_nlink > 1:
            if (found.st_dev, found.st_ino) in self._linked:
                return
            self._linked.add((found.st_dev, found.st_ino))
        self.leaving_bytes += size


@dataclass
class Statistics:
    """What ``--stats`` says. ``files`` are all entries of the source but directories; sizes in bytes."""

    entries: dict[str, int] = field(default_factory=dict)
    regular_files: int = 0
    files: int = 0
    total_bytes: int = 0
    transferred_bytes: int = 0
    literal_bytes: int = 0

    def take(self, line: bytes) -> None:
        """Read one line; lines about other things are passed over."""
        found = _STATISTIC.match(line)
        if found is None:
            return
        name, number = found[1], int(found[2])
        if name == b"Number of files":
            self.entries = {kind.decode(): int(count) for kind, count in _KINDS.findall(found[3])}
            self.regular_files = self.entries.get("reg", 0)
            self.files = number - self.entries.get("dir", 0)
        elif name == b"Total file size":
            self.total_bytes = number
        elif name == b"Total transferred file size":
            self.transferred_bytes = number
        else:
            self.literal_bytes = number


@dataclass
class Messages:
    """What rsync, ssh and the other side said on standard error, sorted as it came."""

    vanished: int = 0
    vanished_examples: list[str] = field(default_factory=list)
    skipped_deletions: int = 0
    serious: list[str] = field(default_factory=list)
    others: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))

    def take(self, line: str) -> None:
        """Sort one line."""
        vanished = _VANISHED.match(line)
        skipped = _SKIPPED.search(line)
        if vanished:
            self.vanished += 1
            _keep(self.vanished_examples, os.fsencode(vanished[1]))
        elif skipped:
            self.skipped_deletions += int(skipped[1])
        elif _SERIOUS.match(line):
            if len(self.serious) < EXAMPLES:
                self.serious.append(printable(os.fsencode(line)))
        elif line.strip("@"):  # ssh frames its warning about a changed host key with them
            self.others.append(printable(os.fsencode(line)))

    @property
    def text(self) -> str:
        """The lines that tell an operator why it failed: the first serious ones, and the last of the others."""
        return "; ".join([*self.serious[:5], *self.others])


@dataclass(frozen=True)
class Run:
    """One rsync run that ended."""

    kind: Kind
    rc: int
    items: Items
    statistics: Statistics
    messages: Messages
    notes: tuple[str, ...]
    seconds: float

    def error(self, what: str, *, untouched: str) -> BackupError:
        """What to tell the operator about this run."""
        text = self.messages.text
        return BackupError(
            f"{what}: {_EXPLANATIONS[self.kind]} (rsync exit code {self.rc})" + (f": {text}" if text else ""),
            untouched=untouched,
            remedy=remedy(self.kind, text),
            rc=self.rc,
            kind=self.kind,
        )

    def push_error(self, what: str, *, untouched: str) -> BackupError:
        """The same about a push."""
        text = self.messages.text
        advice = next((advice for pattern, advice in _PUSH_REMEDIES if re.search(pattern, text)), "")
        explanation = _PUSH_EXPLANATIONS.get(self.kind, _EXPLANATIONS[self.kind])
        return BackupError(
            f"{what}: {explanation} (rsync exit code {self.rc})" + (f": {text}" if text else ""),
            untouched=untouched,
            remedy=advice or _PUSH_ADVICE.get(self.kind, "Mend what the messages name, then run again"),
            rc=self.rc,
            kind=self.kind,
        )


_PUSH_EXPLANATIONS: dict[Kind, str] = {
    "vanished": "files vanished from the tree that is sent",
}
_PUSH_ADVICE: dict[Kind, str] = {
    "vanished": "Find out who else works on that tree, make it whole again, then run again",
    "connection": "Check that the source is up and that this server reaches its ssh port, then run again",
}
_EXPLANATIONS: dict[Kind, str] = {
    "ok": "it ended well",
    "vanished": "files vanished on the source while they were read",
    "delete_limit": "more had to be deleted than the census counted, so rsync stopped deleting",
    "partial": "some files or attributes could not be transferred",
    "connection": "the source could not be reached, or the line was cut",
    "stalled": "rsync stood still and was ended",
    "failed": "rsync failed",
}


def classify(rc: int, messages: Messages) -> Kind:
    """What an exit code means, together with what was said.

    rsync sets its final code in the order 25, 24, 23, and the later ones hide the earlier (``cleanup.c``; seen
    with 3.5.0: a pull that hit ``--max-delete`` and saw a vanished file exits 24). So the text is asked first.
    """
    if rc == 25 or messages.skipped_deletions:
        return "delete_limit"
    if rc == 0:
        return "ok"
    if rc == 24:
        return "partial" if messages.serious else "vanished"
    if rc == 23:
        return "partial"
    text = messages.text
    if any(re.search(pattern, text) for pattern, _remedy in _REMEDIES):
        return "failed"
    if rc in _CONNECTION_CODES or (rc == 5 and _NO_GREETING in text):
        return "connection"
    return "failed"


def remedy(kind: Kind, text: str) -> str:
    """What to do about it, as one imperative sentence."""
    for pattern, advice in _REMEDIES:
        if re.search(pattern, text):
            return advice
    if kind == "delete_limit":
        return "The source loses files while it is read: look at what deletes there, then run again"
    if kind == "partial":
        return "Mend what the messages name on the source or the mirror, then run again"
    if kind == "stalled":
        return "Look at the disks of the mirror (a hanging mount, a dying disk), then run again; the pull resumes"
    if kind == "connection":
        return "Check that the source is up and that this server reaches its ssh port, then run again"
    return "Mend what the messages name, then run again"


def check(transfer: Transfer) -> None:
    """Refuse what could be misunderstood, before anything runs.

    :raises BackupError: naming the value.
    """

    def refuse(what: str, advice: str) -> t.NoReturn:
        raise BackupError(what, untouched="Nothing was changed", remedy=advice)

    destination = transfer.destination
    if not destination.startswith("/") or os.path.normpath(destination) != destination or destination == "/":
        refuse(
            f"the destination {destination!r} is not a plain absolute path",
            "Give it without '..', '//' and a final '/'",
        )
    if os.path.islink(destination) or (os.path.lexists(destination) and not os.path.isdir(destination)):
        refuse(f"the destination {destination} is not a directory of its own", "Give the directory itself")
    if not os.path.isdir(os.path.dirname(destination)):
        refuse(
            f"the directory {os.path.dirname(destination)} for the mirror does not exist",
            "Run site.yml for this server",
        )
    check_attributes(transfer.skip_attributes)
    for rule in transfer.filters:
        if not _FILTER.fullmatch(rule):
            refuse(f"the filter rule {rule!r} is neither '+ PATTERN' nor '- PATTERN'", "Write it so")
    if not transfer.remote:
        if not os.path.isdir(transfer.source):
            refuse(f"the source {transfer.source} is not a directory", "Mount or make it, or mend its path")
        return
    _check_remote(transfer, "source", transfer.source, "Run site.yml for this server")


def check_push(push: Push) -> None:
    """Refuse what could be misunderstood, before anything runs.

    :raises BackupError: naming the value.
    """
    check_attributes(push.skip_attributes)
    for what, path in (("source", push.source), ("destination", push.destination)):
        if what == "destination" and push.remote:
            continue
        if not os.path.isabs(path) or os.path.normpath(path) != path or path == "/" or not os.path.isdir(path):
            raise BackupError(
                f"the {what} {path!r} is not a directory, named by a plain absolute path",
                untouched="Nothing was changed",
                remedy="Mount or make it, or mend its path",
            )
    if push.remote:
        _check_remote(push, "destination", push.destination, "Open the write endpoint of the restore")


def _check_remote(transfer: Transfer | Push, what: str, place: str, where_from: str) -> None:
    """Refuse a remote side that ssh could not be led to."""

    def refuse(problem: str, advice: str) -> t.NoReturn:
        raise BackupError(problem, untouched="Nothing was changed", remedy=advice)

    if not (_REMOTE_FOLDER if isinstance(transfer, Push) else _REMOTE).fullmatch(place):
        refuse(f"the {what} {place!r} is neither account@host::module/ nor an absolute path", "Mend it")
    for name, path in (("identity_file", transfer.identity_file), ("known_hosts_file", transfer.known_hosts_file)):
        if path is None:
            refuse(f"{name} is needed for the remote {what} {place}", "Give it")
        if not _ONE_WORD.fullmatch(path):
            refuse(
                f"{name} {path!r} holds a character that ssh's command line cannot carry", "Use a plain absolute path"
            )
        if not os.path.isfile(path):
            refuse(f"{name} {path} does not exist", where_from)


def require() -> None:
    """Refuse an rsync that is too old or was built without what a mirror needs.

    :raises BackupError: naming what is missing.
    """
    program = _command.find("rsync")
    outcome = _command.run([program, "-VV"], env=_command.environment())
    try:
        told = json.loads(outcome.stdout)
        version, capabilities = str(told["version"]), dict(told["capabilities"])
    except (ValueError, KeyError, TypeError, RecursionError):  # before 3.2.7 it answers with text
        version, capabilities = printable(outcome.stdout.split(b"\n")[0]), None
    missing = [words for name, words in _NEEDED.items() if not (capabilities or {}).get(name)]
    if capabilities is None or tuple(map(int, re.findall(r"\d+", version)[:3])) < MINIMUM_VERSION:
        lacks = f"calls itself {version!r}; 3.2.7 or later is needed"
    elif missing:
        lacks = f"{version} was built without {' and '.join(missing)}, which a mirror needs"
    else:
        return
    raise BackupError(
        f"{program} on {os.uname().nodename} {lacks}",
        untouched="Nothing was changed",
        remedy="Install Debian's rsync, and remove what stands in front of it in the search path",
    )


def arguments(
    transfer: Transfer,
    *,
    dry_run: bool,
    max_delete: int | None = None,
    backup_dir: str | None = None,
    resume: bool = False,
) -> list[str]:
    """The whole command line.

    :param resume: go on from what lies in the transfer's ``resume_dir``.
    """
    words = [
        _command.find("rsync"),
        "-aHAXS",
        "--numeric-ids",
        "--modify-window=-1",
        "-8",
        "--delete-delay",
        f"--partial-dir={transfer.partial_dir}",
        f"--timeout={max(transfer.timeout, _CHECKSUM_TIMEOUT) if transfer.checksum else transfer.timeout}",
        "--stats",
        "--no-human-readable",
        f"--out-format={_ITEM}",
    ]
    if dry_run:
        words.append("--dry-run")
    else:
        words.append(f"--temp-dir={transfer.temporary_dir}")
    if resume:
        words.append(f"--copy-dest={transfer.resume_dir}")
    if transfer.checksum:
        words.append("--checksum")
    if max_delete is not None:
        words.append(f"--max-delete={max_delete}")
    if backup_dir is not None:
        words += ["--backup", f"--backup-dir={backup_dir}"]
    if transfer.delete_excluded:
        words.append("--delete-excluded")
    if transfer.prune_empty_dirs:
        words.append("--prune-empty-dirs")
    words += [f"--filter={rule}" for rule in (*transfer.hidden, *transfer.filters)]
    words += _attribute_filters(transfer.skip_attributes)
    if transfer.remote:
        words += ["-e", " ".join(_ssh(transfer))]
    return [*words, "--", transfer.source.rstrip("/") + "/", transfer.destination + "/"]


def push_arguments(push: Push, *, dry_run: bool) -> list[str]:
    """The whole command line."""
    words = [
        _command.find("rsync"),
        "-aHAXS",
        "--numeric-ids",
        "--modify-window=-1",
        "-8",
        f"--partial-dir={push.partial_dir}",
        f"--timeout={push.timeout}",
        "--stats",
        "--no-human-readable",
        "--info=progress2",
        "--outbuf=N",
        f"--out-format={_ITEM}",
    ]
    if dry_run:
        words.append("--dry-run")
    if push.rewrite:
        words.append("--ignore-times")
    if push.files_from is not None:
        words += ["--from0", f"--files-from={push.files_from}", "--no-implied-dirs"]
    words += _attribute_filters(push.skip_attributes)
    if push.remote:
        words += ["-e", " ".join(_ssh(push))]
    return [*words, "--", push.source + "/", push.destination.rstrip("/") + "/"]


def _attribute_filters(skipped: t.Sequence[str]) -> list[str]:
    """With one such rule rsync no longer leaves system.* out by itself (man rsync, --xattrs)."""
    return [f"--filter=-x {pattern}" for pattern in ("system.*", *skipped)] if skipped else []


def check_attributes(skipped: t.Iterable[str]) -> None:
    """Refuse what is no pattern of extended attributes.

    :raises BackupError: naming it.
    """
    for pattern in skipped:
        if not ATTRIBUTE.fullmatch(pattern):
            raise BackupError(
                f"{pattern!r} in skip_attributes is no name of an extended attribute",
                untouched="Nothing was changed",
                remedy="Name it with its namespace, as in btrfs.compression; a * stands for the rest of a name",
            )


def _ssh(transfer: Transfer | Push) -> list[str]:
    """The ssh command; rsync splits it at spaces itself, so no word may hold one (see :func:`check`)."""
    options = {
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": transfer.known_hosts_file,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "BatchMode": "yes",
        "ConnectTimeout": _CONNECT_SECONDS,
    }
    words = [_command.find("ssh"), "-F", "/dev/null", "-i", str(transfer.identity_file), "-p", str(transfer.port)]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return words


def census(transfer: Transfer) -> Run:
    """Count what a pull would do, and change nothing.

    The dry run carries no ``--max-delete``: with it rsync would stop counting there.
    """
    items = Items(mirror=os.fsencode(transfer.destination), cut_off=_cut_off(transfer))
    return _run(arguments(transfer, dry_run=True), items, stall_seconds=transfer.stall_seconds)


def pull(
    transfer: Transfer,
    *,
    max_delete: int,
    backup_dir: str | None = None,
    pass_fds: t.Sequence[int] = (),
    resumable: t.Mapping[bytes, bytes] | None = None,
    on_item: t.Callable[[Items], None] | None = None,
) -> Run:
    """Bring the mirror to the source's state, deleting at most ``max_delete`` entries.

    :param backup_dir: an empty directory on the mirror's file system that takes what is deleted or overwritten.
    :param resumable: where files that were cut off belong, as the census found it. What belongs nowhere is removed.
    :param on_item: takes what was begun so far, at each entry.
    """
    known_new = _offer_partials(transfer, resumable or {})
    words = arguments(
        transfer, dry_run=False, max_delete=max_delete, backup_dir=backup_dir, resume=os.path.isdir(transfer.resume_dir)
    )
    items = Items(known_new=known_new)
    return _run(words, items, pass_fds, on_item=on_item, stall_seconds=transfer.stall_seconds)


def keep_partials(transfer: Transfer) -> None:
    """Gather what earlier pulls left of files that were cut off; of several of one name the longest.

    rsync writes to ``NAME.XXXXXX`` in the one folder, and moves that to ``NAME`` in the other when it is told to stop;
    SIGKILL does not tell it.
    """
    temporary, resume = os.fsencode(transfer.temporary_dir), os.fsencode(transfer.resume_dir)
    left = [(entry.path, entry.name[:-7]) for entry in _entries(temporary)]
    left += [(os.path.join(folder, name), name) for folder, _folders, names in os.walk(resume) for name in names]
    for path, name in left:
        found = os.lstat(path)
        target = os.path.join(os.fsencode(transfer.partial_dir), name)
        known = os.lstat(target).st_size if os.path.lexists(target) else 0
        if stat.S_ISREG(found.st_mode) and found.st_size > known:
            os.makedirs(transfer.partial_dir, mode=0o700, exist_ok=True)
            os.replace(path, target)
        else:
            os.unlink(path)
    shutil.rmtree(resume, ignore_errors=True)


def forget_partials(transfer: Transfer) -> None:
    """Remove what was kept of files that were cut off, and the folders for it."""
    for folder in (transfer.partial_dir, transfer.temporary_dir, transfer.resume_dir):
        shutil.rmtree(folder, ignore_errors=True)


def _entries(folder: bytes) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _cut_off(transfer: Transfer) -> dict[bytes, int]:
    found = _entries(os.fsencode(transfer.partial_dir))
    return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in found}


def _offer_partials(transfer: Transfer, resumable: t.Mapping[bytes, bytes]) -> frozenset[bytes]:
    """Make the folders for what comes, and put what came in part where rsync goes on from it.

    :return: what rsync will not call new because of that, although the mirror does not hold it.
    """
    for folder in (transfer.partial_dir, transfer.temporary_dir):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    mirror, resume = os.fsencode(transfer.destination), os.fsencode(transfer.resume_dir)
    new = set()
    for entry in _entries(os.fsencode(transfer.partial_dir)):
        path = resumable.get(entry.name)
        if path is None or os.path.isabs(path) or b".." in path.split(b"/"):
            os.unlink(entry.path)
            continue
        os.makedirs(os.path.join(resume, os.path.dirname(path)), mode=0o700, exist_ok=True)
        os.replace(entry.path, os.path.join(resume, path))
        new.add(path)
        while path := os.path.dirname(path):
            if not os.path.lexists(os.path.join(mirror, path)):
                new.add(path + b"/")
    return frozenset(new)


def send(
    push: Push,
    *,
    dry_run: bool = False,
    stall_seconds: float | None = None,
    on_progress: t.Callable[[int], None] | None = None,
    pass_fds: t.Sequence[int] = (),
) -> Run:
    """Bring what is listed to the destination, or say what of it would be sent.

    :param on_progress: takes the bytes sent so far, about once a second.
    :param stall_seconds: end rsync when it has said nothing for so long.
    """
    return _run(
        push_arguments(push, dry_run=dry_run), Items(), pass_fds, on_progress=on_progress, stall_seconds=stall_seconds
    )


def fetch(transfer: Transfer, name: str, target: str) -> tuple[Run, bool]:
    """Read one small regular file at the root of the source into the new file ``target``.

    :return: how it went, and whether the source said that there is no such file. What is no regular file, or larger
        than 64 KiB, is not taken: then rsync ends well and ``target`` does not exist.
    """
    words = [_command.find("rsync"), "-8", f"--timeout={transfer.timeout}", f"--max-size={_FETCH_BYTES}"]
    if transfer.remote:
        words += ["-e", " ".join(_ssh(transfer))]
    run = _run(
        [*words, "--", f"{transfer.source.rstrip('/')}/{name}", target], Items(), stall_seconds=transfer.stall_seconds
    )
    return run, run.rc == 23 and any(_ABSENT.search(line) for line in run.messages.serious)


def copy(places: t.Sequence[str], target: str) -> Run:
    """Copy one file, or the content of directories on top of each other, within this host, with all attributes.

    Of a name that several of them hold, the first one wins. Nothing that exists is overwritten.

    :param places: absolute paths; those of directories end with a slash, and so does then ``target``.
    """
    words = ["-aHAXS", "--numeric-ids", "--modify-window=-1", "-8", "--ignore-existing", "--stats"]
    words += ["--no-human-readable", f"--out-format={_ITEM}"]
    return _run([_command.find("rsync"), *words, "--", *places, target], Items())


def flush(directory: str) -> None:
    """Wait until everything on ``directory``'s file system is on the disk.

    :raises BackupError: when the disk did not take it.
    """
    outcome = _command.run([_command.find("sync"), "--file-system", directory], env=_command.environment())
    if outcome.rc != 0:
        raise outcome.error(
            f"the file system of {directory} could not be flushed to disk",
            untouched="The mirror is not marked complete",
            remedy="Look at the kernel log for disk errors, then run again",
        )


def _run(
    argv: list[str],
    items: Items,
    pass_fds: t.Sequence[int] = (),
    *,
    on_progress: t.Callable[[int], None] | None = None,
    on_item: t.Callable[[Items], None] | None = None,
    stall_seconds: float | None = None,
) -> Run:
    statistics = Statistics()
    messages = Messages()
    notes: list[str] = []
    rest = b""

    def take_line(line: bytes) -> None:
        progress = _PROGRESS.match(line)
        if line.startswith(b"|"):
            items.take(line)
            if on_item is not None:
                on_item(items)
        elif progress is not None:
            if on_progress is not None:
                on_progress(int(progress[1]))
        elif line.startswith(b"cannot delete non-empty directory"):
            _keep(notes, line)
        else:
            statistics.take(line)

    def take_output(chunk: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            take_line(line)

    outcome = _command.run(
        argv,
        env=_command.environment(),
        on_stdout=take_output,
        on_stderr_line=messages.take,
        pass_fds=pass_fds,
        stall_seconds=stall_seconds or None,
        stall_by="work",
    )
    take_line(rest)
    kind = classify(outcome.rc, messages)
    if outcome.stalled:
        kind = "stalled"
        messages.others.append(outcome.stderr.rpartition("\n")[2])
    return Run(kind, outcome.rc, items, statistics, messages, tuple(notes), outcome.seconds)


def unescape(name: bytes) -> bytes:
    r"""The bytes of a name that rsync printed: it writes control characters as ``\#ooo`` (``man rsync``, -8)."""
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), name)


def printable(name: bytes) -> str:
    """A name as text for people: what is not UTF-8 or not printable is escaped."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def _keep(examples: list[str], escaped: bytes) -> None:
    if len(examples) < EXAMPLES:
        examples.append(printable(unescape(escaped)))
