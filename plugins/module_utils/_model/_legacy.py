# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What a lab's earlier backups left behind: lines of text that still carry addresses which are not in the inventory.

Lines that are commented out do nothing and do not count.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _text

SCRIPT = "script"
CRONTAB = "crontab"
UNIT = "unit"
SSH_CONFIG = "ssh configuration"
SSHD_CONFIG = "sshd configuration"
KNOWN_HOSTS = "known_hosts"
AUTHORIZED_KEYS = "authorized_keys"
OTHER = "configuration"

# What a removal does with a finding.
MOVE = "move"
COMMENT = "comment"
STOP = "stop"
BY_HAND = "by hand"

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_RUN = (SCRIPT, CRONTAB, UNIT)
_COMMENTS = {UNIT: ("#", ";"), OTHER: ("#", ";")}
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2}(?![\w/.]))?(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/\d{1,3}(?![\w/.]))?(?![\w:])")
_MENTIONS = r"rsync|borg|backup"
_TOOL = re.compile(r"\b(ssh|scp|sftp|rsync|borg)\b")
_PORT = re.compile(r"(?:-p\s*|\bPort[\s=]+|ssh://[^\s/]*:)(\d{1,5})\b", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"""\s*["']?\w+["']?\s*=""")
_SYSTEM_UNIT = re.compile(r"/(etc|usr/local/lib)/systemd/system/[^/]+[^@/]\.(service|timer|path|socket)\Z")
_KEY_TYPE = re.compile(r"(?:^|\s)((?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+) ([A-Za-z0-9+/]+={0,3})(?:\s+(.*))?$")
_FROM = re.compile(r'\bfrom="([^"]*)"', re.IGNORECASE)
_COMMAND = re.compile(r'\bcommand="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
# Hashed entries of known_hosts are found by trying; a network larger than this is not tried address by address.
_LARGEST_NETWORK = 1 << 16
# With these ports too, unless that would be too many.
_USUAL_PORTS = {"222", "2022", "2222", "10022", "22022", "22222"}
_FEW = 1 << 10
_SHOWN = 200
_MASK = "***"
_SECRETS = (
    re.compile(
        r"(?i)(\w*(?:pass(?:word|phrase|wd)?|secret|token|api_?key|credential)\w*[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|\S+)"
    ),
    re.compile(r"(?i)(--(?:\w+-)?(?:pass(?:word|phrase)?|token|secret)\s+)(\"[^\"]*\"|'[^']*'|\S+)"),
    re.compile(r"(\b(?:mysql|mariadb)\S*\s(?:.*\s)?-p)(\"[^\"]*\"|'[^']*'|[^\s-]\S*)"),
    re.compile(r"(\bsshpass\s+-p\s*)(\"[^\"]*\"|'[^']*'|\S+)"),
    re.compile(r"(\bcurl\s.*?(?:-u|--user)\s+)(\"[^\"]*\"|'[^']*'|\S+)"),
    re.compile(r"(?i)(\bauthorization:\s*\w+\s+)(\S+?)(?=[\"'\s]|$)"),
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)([^/\s@]*:[^/\s@]*)(?=@)"),
    re.compile(r"(?i)(\b(?!https?:|ssh:|rsync:|file:|ftp:)[a-z][a-z0-9+.-]*://)([^\s\"']+)"),
    re.compile(r"(?i)(\bhttps?://[^/\s]*(?:hook|slack|discord|telegram|hc-ping)[^/\s]*/)([^\s\"']+)"),
)


@dataclass(frozen=True)
class Document:
    """One text file, or a link to one (``target``, with no lines of its own)."""

    path: str
    kind: str
    lines: tuple[str, ...] = ()
    target: str = ""


@dataclass(frozen=True)
class Finding:
    """One line that belongs to the past.

    :param line: number of the line, from 1; 0 for the file as such.
    :param last_line: the last line that a removal by comment takes with it.
    """

    kind: str
    path: str
    line: int
    text: str
    address: str
    reason: str
    removal: str
    last_line: int = 0

    def plain(self) -> dict[str, t.Any]:
        """As a document, with its secrets masked."""
        return {
            "kind": self.kind,
            "path": _text.plain(self.path),
            "line": self.line,
            "text": mask(self.text),
            "address": self.address,
            "reason": _text.plain(self.reason),
            "removal": self.removal,
        }


class Past:
    """What belongs to the past, and what to the present.

    :param addresses: addresses, networks and host names that are known to be of the past; empty: any literal address
        that is not of the inventory, in text that speaks of backups or of the lab's hosts.
    :param known: addresses and names of the inventory, and whatever else is meant to stay.
    :param peers: names of the other hosts of the inventory.
    :raises BackupError: when an entry cannot be understood, or is of the past and of the present.
    """

    def __init__(self, addresses: t.Iterable[str], known: t.Iterable[str], peers: t.Iterable[str]) -> None:
        self.known_addresses: set[_Address] = set()
        self._known_networks: list[_Network] = []
        self.known_names: set[str] = set()
        for word in known:
            network = _network(word)
            if network is None:
                self.known_names.add(word.lower())
            elif network.num_addresses == 1:
                self.known_addresses.add(network.network_address)
            else:
                self._known_networks.append(network)
        self.named = False
        self._networks: list[_Network] = []
        self.names: set[str] = set()
        for word in addresses:
            self.named = True
            network = _network(word)
            if network is None:
                if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", word):
                    raise _bad(f"{word!r} is neither an address nor a network nor a host name")
                self.names.add(word.lower())
            else:
                self._networks.append(network)
        both = sorted(self.names & self.known_names) + [
            str(address)
            for address in sorted(self.known_addresses, key=str)
            if any(address in n for n in self._networks)
        ]
        if both:
            raise _bad(f"{both[0]} is said to be of the past, and it is in the inventory")
        self.peers = {name.lower() for name in peers}
        names = "|".join(sorted(re.escape(name) for name in self.known_names if len(name) > 2))
        self._speaks = re.compile(_MENTIONS + (rf"|(?<![\w.-])(?:{names})(?![\w-])" if names else ""), re.IGNORECASE)
        self.suspects: set[_Address] = set()

    def speaks(self, text: str) -> bool:
        """Whether a text speaks of backups or of the lab's hosts."""
        return bool(self._speaks.search(text))

    def holds(self, network: _Network) -> bool:
        """Whether an address, or a network written down somewhere, is of the past."""
        if self.named:
            return any(network.version == ours.version and network.subnet_of(ours) for ours in self._networks)  # type: ignore[arg-type]
        if any(address in network for address in self.known_addresses):
            return False
        if any(network.version == kept.version and network.subnet_of(kept) for kept in self._known_networks):  # type: ignore[arg-type]
            return False
        return not _is_special(network)

    def in_line(self, line: str) -> list[str]:
        """The addresses and listed names of the past that a line carries, each once, in their order."""
        found = [str(word) for word, network in _networks_in(line) if self.holds(network)]
        for name in sorted(self.names):
            if _word(name).search(line):
                found.append(name)
        return list(dict.fromkeys(found))

    def candidates(self) -> t.Iterator[str]:
        """What a hashed entry of known_hosts may stand for."""
        yield from sorted(self.names)
        yield from sorted(map(str, self.suspects))
        for network in self._networks:
            if network.num_addresses <= _LARGEST_NETWORK:
                yield from map(str, network)


def examine(documents: t.Sequence[Document], past: Past) -> list[Finding]:
    """All that belongs to the past, by path and line."""
    findings: dict[tuple[str, int, str], Finding] = {}

    def add(finding: Finding) -> None:
        findings.setdefault((finding.path, finding.line, finding.address), finding)

    ports = {"22"}
    for document in documents:
        if document.kind in (*_RUN, SSH_CONFIG, SSHD_CONFIG) and (past.named or past.speaks("\n".join(document.lines))):
            for number, line in _active(document):
                for address in past.in_line(line):
                    add(_by_address(document, number, line, address, past))
            ports.update(port for _, line in _active(document) for port in _PORT.findall(line))
    past.suspects.update(
        network.network_address
        for finding in findings.values()
        if (network := _network(finding.address)) is not None and network.num_addresses == 1
    )
    for document in documents:
        for finding in _LINEWISE.get(document.kind, _by_suspicion)(document, past, ports):
            add(finding)
    for finding in _aliased(documents, past, list(findings.values())):
        add(finding)
    for finding in _running(documents, list(findings.values())):
        add(finding)
    return sorted(findings.values(), key=lambda finding: (finding.path, finding.line, finding.address))


def mask(line: str) -> str:
    """The line without its secrets, without anything that a terminal would obey, and not too long."""
    for secret in _SECRETS:
        line = secret.sub(rf"\g<1>{_MASK}", line)
    line = _text.plain(line.strip().replace("\t", " "))
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."


def commented(lines: t.Sequence[str], findings: t.Iterable[Finding]) -> list[str]:
    """The lines of a document with those of the findings commented out."""
    numbers = {
        number
        for finding in findings
        if finding.removal == COMMENT
        for number in range(finding.line, max(finding.line, finding.last_line) + 1)
    }
    return [
        f"# legacy: {line}" if number in numbers and line.strip() and not line.lstrip().startswith("#") else line
        for number, line in enumerate(lines, 1)
    ]


def legacy_table(findings: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Findings as the lines of a table for people."""
    head = ("where", "what", "removal", "line")
    rows = [
        (
            f"{finding['path']}:{finding['line']}" if finding["line"] else str(finding["path"]),
            str(finding["reason"]),
            str(finding["removal"]),
            str(finding["text"]),
        )
        for finding in findings
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(3)]
    return [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in (head, *rows)
    ]


# -------------------------------------------------------------------------------------------------- kinds of documents


def _active(document: Document) -> t.Iterator[tuple[int, str]]:
    comments = _COMMENTS.get(document.kind, ("#",))
    for number, line in enumerate(document.lines, 1):
        if line.strip() and not line.lstrip().startswith(comments):
            yield number, line


def _by_address(document: Document, number: int, line: str, address: str, past: Past) -> Finding:
    removal, last = _removal(document, line), number
    if document.kind == SSH_CONFIG:
        words = line.split()
        if words[0].lower() in ("host", "match"):
            only = words[0].lower() == "host" and all(past.in_line(word) for word in words[1:])
            removal, last = (COMMENT, _end_of_block(document, number)) if only else (BY_HAND, number)
    return Finding(document.kind, document.path, number, line, address, f"carries {address}", removal, last)


def _removal(document: Document, line: str, *, starts_old: bool = False) -> str:
    """What a removal may do: only what speaks of backups, or starts what does, is put aside.

    :param starts_old: it starts something that is put aside.
    """
    if document.kind == SSH_CONFIG:
        return COMMENT
    told = line if document.kind == CRONTAB else "\n".join((document.path, *document.lines))
    if not (starts_old or re.search(_MENTIONS, told, re.IGNORECASE)):
        return BY_HAND
    if document.kind == UNIT:
        return STOP if _SYSTEM_UNIT.search(document.path) else BY_HAND
    if document.kind == CRONTAB:
        return BY_HAND if _ASSIGNMENT.match(line) else COMMENT
    return MOVE if document.kind == SCRIPT else BY_HAND


def _end_of_block(document: Document, start: int) -> int:
    last = start
    for number, line in _active(document):
        if number > start:
            if re.match(r"\s*(host|match)\b", line, re.IGNORECASE):
                break
            last = number
    return last


def _in_known_hosts(document: Document, past: Past, ports: t.Iterable[str]) -> t.Iterator[Finding]:
    entries = []
    for number, line in _active(document):
        words = line.split()
        if words[0].startswith("@"):
            del words[0]
        if len(words) >= 3:
            entries.append((number, line, words[0], words[2]))
    known = [_form(name, port) for name in sorted(past.known_names) for port in ports]
    known += [_form(str(address), port) for address in sorted(past.known_addresses, key=str) for port in ports]
    ours = {key for _, _, hosts, key in entries if any(_stands_for(hosts, name) for name in known)}
    possible = list(past.candidates())
    tried = sorted({*ports, *(_USUAL_PORTS if len(possible) <= _FEW else ())})
    candidates = [(name, _form(name, port)) for name in possible for port in tried]
    for number, line, hosts, key in entries:
        names = hosts.split(",")
        addresses = [name for name, form in candidates if hosts.startswith("|") and _stands_for(hosts, form)][:1]
        mixed = any(_stands_for(hosts, name) for name in known)
        for name in names if not hosts.startswith("|") else ():
            bare = re.sub(r"\A\[(.*)\]:\d+\Z", r"\1", name)
            network = _network(bare)
            if bare.lower() in past.names or (
                network is not None
                and past.holds(network)
                and (past.named or mixed or key in ours or network.network_address in past.suspects)
            ):
                addresses.append(bare)
        for address in addresses:
            how = " (hashed)" if hosts.startswith("|") else ""
            removal = BY_HAND if mixed or len(addresses) < len(names) else COMMENT
            yield Finding(KNOWN_HOSTS, document.path, number, line, address, f"carries {address}{how}", removal)


def _form(name: str, port: str) -> str:
    return name if port == "22" else f"[{name}]:{port}"


def _stands_for(hosts: str, form: str) -> bool:
    """Whether the first field of an entry of known_hosts names that host, openly or hashed (sshd(8))."""
    if not hosts.startswith("|1|"):
        return form.lower() in hosts.lower().split(",")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hosts.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    return hmac.new(salt, form.lower().encode(), hashlib.sha1).digest() == digest


def _in_authorized_keys(document: Document, past: Past, _ports: t.Iterable[str]) -> t.Iterator[Finding]:
    for number, line in _active(document):
        key = _KEY_TYPE.search(line)
        options, comment = (line[: key.start(1)], key[3] or "") if key else (line, "")
        origin, command = _FROM.search(options), _COMMAND.search(options)
        patterns = [word.strip() for word in origin[1].split(",")] if origin else []
        settled = False
        if past.named or past.speaks(line) or any(n.network_address in past.suspects for _, n in _networks_in(line)):
            old = [word for word in patterns if past.in_line(word.lstrip("!"))]
            for address in past.in_line(f"{origin[1] if origin else ''} {comment}"):
                settled = bool(old) and len(old) == len(patterns)
                removal = COMMENT if settled else BY_HAND
                yield Finding(AUTHORIZED_KEYS, document.path, number, line, address, f"carries {address}", removal)
        if command and re.search(_MENTIONS, command[1], re.IGNORECASE):
            yield Finding(
                AUTHORIZED_KEYS, document.path, number, line, "", "a key for a script of earlier backups", COMMENT
            )
        elif not settled and (
            re.search(_MENTIONS, comment, re.IGNORECASE) or any(_word(name).search(comment) for name in past.peers)
        ):
            # It may be how somebody gets in, so nobody but a person takes it out.
            reason = f"looks like a key of earlier backups ({comment})"
            yield Finding(AUTHORIZED_KEYS, document.path, number, line, "", reason, BY_HAND)


def _in_others(document: Document, past: Past, _ports: t.Iterable[str]) -> t.Iterator[Finding]:
    for number, line in _active(document):
        if past.named or past.speaks(line) or any(n.network_address in past.suspects for _, n in _networks_in(line)):
            for address in past.in_line(line):
                yield Finding(OTHER, document.path, number, line, address, f"carries {address}", BY_HAND)


def _by_suspicion(document: Document, past: Past, _ports: t.Iterable[str]) -> t.Iterator[Finding]:
    """What speaks of no backup, and carries an address of something that does."""
    for number, line in _active(document):
        for word, network in _networks_in(line):
            if network.num_addresses == 1 and network.network_address in past.suspects:
                yield _by_address(document, number, line, word, past)


_LINEWISE: dict[str, t.Callable[[Document, Past, t.Iterable[str]], t.Iterator[Finding]]] = {
    KNOWN_HOSTS: _in_known_hosts,
    AUTHORIZED_KEYS: _in_authorized_keys,
    OTHER: _in_others,
}


# ------------------------------------------------------------------------------------------------- what follows from it


def _aliased(documents: t.Sequence[Document], past: Past, found: t.Sequence[Finding]) -> t.Iterator[Finding]:
    """Commands that reach an address of the past through a name for it in ssh's configuration or in a hosts file."""
    by_path = {document.path: document for document in documents}
    aliases: dict[str, str] = {}
    for finding in found:
        names: list[str] = []
        document = by_path[finding.path]
        if finding.kind == OTHER and document.path.endswith("/hosts"):
            names = finding.text.split("#")[0].split()[1:]
        elif finding.kind == SSH_CONFIG and finding.text.split()[0].lower().startswith("hostname"):
            heads = [line for number, line in _active(document) if number < finding.line]
            heads = [line for line in heads if re.match(r"\s*(host|match)\s", line, re.IGNORECASE)]
            names = heads[-1].split()[1:] if heads and heads[-1].split()[0].lower() == "host" else []
        for name in names:
            if re.fullmatch(r"[A-Za-z][\w.-]*", name) and name.lower() not in past.known_names and len(name) > 2:
                aliases.setdefault(name.lower(), finding.address)
    for document in documents:
        if document.kind in _RUN:
            for number, line in _active(document):
                for alias, address in aliases.items():
                    if _TOOL.search(line) and re.search(rf"(?i)(?<![\w./-]){re.escape(alias)}(?![\w/-])", line):
                        reason = f"reaches {address} as {alias}"
                        yield Finding(
                            document.kind, document.path, number, line, address, reason, _removal(document, line)
                        )


def _running(documents: t.Sequence[Document], found: t.Sequence[Finding]) -> t.Iterator[Finding]:
    """What starts a script or a unit that was found, and what starts that, to the end."""
    old: dict[str, bool] = {}  # path -> whether it is put aside
    for finding in found:
        if finding.kind in (SCRIPT, UNIT):
            old[finding.path] = old.get(finding.path, False) or finding.removal in (MOVE, STOP)
    fresh = dict(old)
    while fresh:
        started = [(path, aside, _mention(path)) for path, aside in sorted(fresh.items())]
        fresh = {}
        for document in documents:
            if document.path in old or document.kind not in _RUN:
                continue
            new = [finding for start in started for finding in _starts(document, *start)]
            yield from new
            if new and document.kind in (SCRIPT, UNIT):
                fresh[document.path] = any(finding.removal in (MOVE, STOP) for finding in new)
        old.update(fresh)


def _starts(document: Document, path: str, aside: bool, mention: re.Pattern[str]) -> t.Iterator[Finding]:
    """How a document starts the script or the unit at ``path``."""

    def finding(number: int, line: str, how: str) -> Finding:
        removal = _removal(document, line, starts_old=True) if aside else BY_HAND
        return Finding(document.kind, document.path, number, line, "", f"{how} {path}", removal)

    if document.target:
        if document.target == path:
            yield finding(0, f"-> {path}", "links to")
        return
    for number, line in _active(document):
        if mention.search(line):
            yield finding(number, line, "runs")
    if document.kind == UNIT and document.path.endswith(".timer"):
        units = [line.split("=", 1)[1].strip() for _, line in _active(document) if re.match(r"\s*Unit\s*=", line)]
        name = document.path.rsplit("/", 1)[1].removesuffix(".timer")
        if not units and path.rsplit("/", 1)[1] == f"{name}.service":
            yield finding(0, "", "starts")


def _mention(path: str) -> re.Pattern[str]:
    """The path itself, or its last part as a command of the working folder or the search path."""
    name = path.rsplit("/", 1)[1]
    short = rf"|(?<![\w./-])(?:\./)?{re.escape(name)}(?![\w./-])" if re.search(r"[._-]", name) else ""
    return re.compile(rf"(?<![\w.-]){re.escape(path)}(?![\w./-]){short}")


# ------------------------------------------------------------------------------------------------------------ addresses


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", re.IGNORECASE)


def _network(word: str) -> _Network | None:
    try:
        return ipaddress.ip_network(word.strip("[]").split("%")[0], strict=False)
    except ValueError:
        return None


def _networks_in(line: str) -> t.Iterator[tuple[str, _Network]]:
    for match in sorted((*_IPV4.finditer(line), *_IPV6.finditer(line)), key=lambda match: match.start()):
        word = match[0].rstrip(".")
        network = _network(word)
        if network is not None:
            yield word, network


# RFC 5737 and RFC 3849: addresses for examples.
_DOCUMENTATION: tuple[_Network, ...] = (
    *(ipaddress.IPv4Network((number, 24)) for number in (0xC0000200, 0xC6336400, 0xCB007100)),
    ipaddress.IPv6Network((0x20010DB8 << 96, 32)),
)


def _is_special(network: _Network) -> bool:
    address = network.network_address
    return (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_link_local
        or address.is_reserved
        or (address.version == 4 and address.packed[0] in (0, 255))
        or any(address in documentation for documentation in _DOCUMENTATION)
    )


def _bad(what: str) -> BackupError:
    return BackupError(what, untouched="Nothing was changed", remedy="Correct legacy_cleanup_addresses")
