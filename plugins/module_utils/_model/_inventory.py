# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The inventory, merged with its defaults and validated: the only place that computes a path or a name from it."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import posixpath
import re
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _datajoint, _retention, _text

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
# A source's name becomes part of paths, of names of archives and of words in rsync's --rsh. The name of an archive,
# SOURCE-DATASET-RUN, has 200 characters at most; a run takes 23, a dataset up to 63.
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,111}\Z")
# Characters that would need quoting in rsync's --rsh, in a host:path word or in sshd's from= list.
_ADDRESS = re.compile(r"[A-Za-z0-9_.:%-]+\Z")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
_HOST_KEY = re.compile(r"(ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( .*)?\Z")
# What borg help compression describes, as Borg's own parser takes it.
_COMPRESSION = re.compile(
    r"(obfuscate,([1-6]|11[0-9]|12[0-3]),)?"
    r"((auto,)?(none|lz4|zstd(,([1-9]|1[0-9]|2[0-2]))?|zlib(,[0-9])?|lzma(,[0-9])?))\Z"
)
# Neither a line of a configuration nor somebody's terminal takes these.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BORG_VERSION = re.compile(r"1\.[24]\.[0-9]+\Z")
_DATASET_FIELDS = {
    "name",
    "path",
    "kind",
    "adopt_from",
    "allow_empty",
    "compression",
    "limit_deleted_files",
    "limit_deleted_percent",
    "limit_changed_files",
    "limit_changed_percent",
    "quarantine_days",
    "quarantine_files",
    "quarantine_bytes",
    "quarantine_percent",
    "checksum_every_days",
    "skip_attributes",
}
_LIMITS = ("deleted_files", "deleted_percent", "changed_files", "changed_percent")
# The repository of the seals; what rsyncd.conf does not take as a module; what restore_scope understands otherwise.
_RESERVED_NAMES = ("auto", "global", "points")
# What else lies in the folder of a server's escrow bundle, or in that of the pull identities.
_RESERVED_SOURCES = ("bundle.json", "inventory", "known_hosts")
# Dumps change in small scattered places: smaller chunks add 0.2 to 0.4 times as much to the repository
# (measured with Borg 1.4.5 on an appended 365 MB dump); other trees keep Borg's default.
_DATABASE_CHUNKER = "buzhash,16,20,18,4095"
_QUARANTINE = {"max_files": "files", "max_bytes": "bytes", "max_percent": "percent"}
_WRITERS = ("units", "timers", "crontabs", "containers", "accounts")
# What systemd takes as the name of a unit with its kind, what a user and a container may be called.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(service|timer|socket|path|target|mount|automount|scope|slice)\Z")
_CRON_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?\Z")
_ATTRIBUTE = re.compile(r"[a-z0-9]+\.[A-Za-z0-9_.*-]+\Z")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_SSH_PORT = 22
_CONFIGURATION = "/etc/labops-backup"
_STATE = "/var/lib/labops-backup"
_LOCKS = "/run/labops-backup"


class Host(t.Protocol):
    """Variables of one host, as ``hostvars[name]``."""

    def get(self, name: str, default: t.Any = None) -> t.Any:
        """The value of a variable."""


def plan(
    hosts: t.Mapping[str, Host],
    groups: t.Mapping[str, t.Sequence[str]],
    defaults: t.Mapping[str, t.Any],
    draft: bool = False,
) -> list[dict[str, t.Any]]:
    """One entry a source, in the order of the inventory group, with everything that a playbook needs to know.

    :param hosts: variables by host name.
    :param groups: host names by group; ``backup_servers`` and ``backup_sources`` count.
    :param defaults: what holds where a host does not say.
    :param draft: accept addresses that are still placeholders. For documents about the inventory only.
    :raises BackupError: on the first thing in the inventory that cannot be right.
    """
    servers = list(groups.get("backup_servers", ()))
    sources = list(groups.get("backup_sources", ()))
    for group, members in (("backup_servers", servers), ("backup_sources", sources)):
        if not members:
            raise _bad(f"the inventory has no host in the group {group}")
    both = sorted({*servers} & {*sources})
    if both:
        raise _bad(f"{both[0]} is in both groups; one host cannot be a server and a source")
    plans = [_source(name, hosts, servers, defaults, draft) for name in sources]
    idle = set(servers) - {entry["server"] for entry in plans}
    if idle:
        raise _bad(f"no source names {', '.join(sorted(idle))} as its backup_server")
    scripts = [entry["script_name"] for entry in plans]
    for name in scripts:
        if scripts.count(name) > 1:
            raise _bad(f"two sources would share the script name {name!r}; rename one")
    _check_apart(plans, servers)
    return plans


def inventory_hash(sources: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The SHA-256 of the plan as canonical JSON: the same for the same inventory, wherever and whenever it is read."""
    text = json.dumps(list(sources), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def datasets(sources: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The datasets of all given sources in one list."""
    return [dataset for source in sources for dataset in source["datasets"]]


def pull_job(source: str, dataset: str) -> str:
    """The job that pulls one dataset alone."""
    return f"pull-{script_name(source)}_{script_name(dataset)}"


def script_name(host: str) -> str:
    """The form of a host's name in the names of scripts: lower case, anything odd becomes an underscore."""
    return re.sub(r"[^a-z0-9_]", "_", host.lower())


def borg_executable(version: str) -> str:
    """Where the Borg of that version lies: Debian's own package, or a build of one version beside it."""
    return f"/opt/labops-backup/borg/{version}/bin/borg" if version else "/usr/bin/borg"


def _bad(what: str) -> BackupError:
    return BackupError(what, untouched="Nothing was changed", remedy="Mend the inventory")


def _source(
    name: str, hosts: t.Mapping[str, Host], servers: t.Sequence[str], defaults: t.Mapping[str, t.Any], draft: bool
) -> dict[str, t.Any]:
    def of(host: str, variable: str) -> t.Any:
        value = hosts[host].get(variable)
        return defaults[variable] if value is None else value

    def listed(variable: str) -> list[t.Any]:
        value = of(name, variable)
        if not isinstance(value, (list, tuple)):
            raise _bad(f"{name}: {variable} is not a list")
        return list(value)

    if not _HOST_NAME.match(name):
        raise _bad(
            f"{name!r} cannot name a source (letters, digits, dots, - and _, beginning with a letter or a digit, "
            "at most 112 characters)"
        )
    if name in _RESERVED_SOURCES or name.endswith(".pub"):
        raise _bad(f"{name!r} cannot name a source: its identity or its keys would lie where other files lie")
    server = of(name, "backup_server")
    if server not in servers:
        raise _bad(f"{name}: backup_server is {server!r}, which is not in the group backup_servers")
    address = str(hosts[name].get("ansible_host") or name)
    if not _ADDRESS.match(address) or address.startswith("-"):
        raise _bad(f"{name}: ansible_host {address!r} is not an address")
    if address.endswith(".invalid") and not draft:
        raise _bad(f"{name}: its address is still the placeholder {address!r}; set ansible_host")
    account = str(of(name, "backup_pull_account"))
    if not _ACCOUNT.match(account):
        raise _bad(f"{name}: backup_pull_account {account!r} is not an account name")
    if account == "root":
        raise _bad(
            f"{name}: backup_pull_account is root, whose keys and shell are not ours; name an account of its own"
        )
    root = _absolute(f"{server}: backup_root", of(server, "backup_root"))
    if any(word in root for word in ("::", "{", "}")):
        raise _bad(f"{server}: backup_root: Borg would misread {root!r}; take a path without '::', '{{' and '}}'")
    version = str(of(server, "borg_version"))
    if version and not _BORG_VERSION.match(version):
        raise _bad(
            f"{server}: borg_version is {version!r}; known are 1.2 and 1.4, such as 1.4.5, or empty for Debian's"
        )
    base = f"{root}/borg/{name}"
    borg = {
        "passphrase_file": f"{_CONFIGURATION}/borg/{name}.passphrase",
        "base_dir": _absolute(f"{server}: borg_base_dir", of(server, "borg_base_dir")),
        "executable": borg_executable(version),
    }
    rsync = {
        "identity_file": f"{_CONFIGURATION}/ssh/{name}",
        "known_hosts_file": f"{_CONFIGURATION}/ssh/known_hosts",
    }
    guard = {
        "path": root,
        "document": f"{_CONFIGURATION}/backup-root.json",
        "reserve_bytes": _whole(f"{server}: backup_reserve_bytes", of(server, "backup_reserve_bytes")),
        "reserve_percent": _share(f"{server}: backup_reserve_percent", of(server, "backup_reserve_percent")),
    }
    stores = of(name, "backup_datajoint_stores")
    if not isinstance(stores, t.Mapping):
        raise _bad(f"{name}: backup_datajoint_stores is not a mapping")
    source: dict[str, t.Any] = {
        "name": name,
        "script_name": script_name(name),
        "night": f"{name}.points",
        "server": server,
        "address": address,
        "port": _port(name, of(name, "backup_source_port"), hosts[name].get("ansible_port")),
        "account": account,
        "pull_addresses": listed("backup_pull_addresses") or [str(hosts[server].get("ansible_host") or server)],
        "host_keys": listed("backup_source_host_keys"),
        "root": root,
        "root_guard": guard,
        "borg": borg,
        "rsync": rsync,
        "points_repository": f"{base}/points",
        "points_cache": f"{_STATE}/recovery_points/{name}",
        "dump_max_age_hours": _number(f"{name}: backup_dump_max_age_hours", of(name, "backup_dump_max_age_hours")),
        "retention": _rules(name, {rule: of(name, f"backup_{rule}") for rule in _retention.RULES}),
        "retention_journal": f"{_STATE}/retention/{name}.json",
        "ledger": f"{_STATE}/ledger",
        "checks": {
            "evidence": f"{_STATE}/checks/{name}.json",
            "lock": f"{_LOCKS}/checks/{name}.lock",  # apart from those of datasets, of which one may be called check
            "scratch": f"{root}/staging/.check/{name}",
        },
        "drills": {"evidence": f"{_STATE}/drills/{name}.json", "scratch": f"{root}/staging/.drill/{name}"},
        "staging": f"{root}/staging/{name}",
        "hold": f"{_STATE}/hold/{name}.json",
        "incident": {  # on the source itself
            "directory": f"{_STATE}/incident",
            "hold": f"{_STATE}/incident/hold.json",
            "writers": f"{_STATE}/incident/writers.json",
            "database": f"{_STATE}/incident/database.json",
        },
        "writers": _writers(name, of(name, "backup_writers")),
        "key_tables": _key_tables(name, of(name, "backup_key_tables")),
        "datajoint_stores": {str(store): str(location) for store, location in stores.items()},
    }
    for address_from in source["pull_addresses"]:
        if not _ADDRESS.match(str(address_from)):
            raise _bad(f"{name}: {address_from!r} in backup_pull_addresses is not an address")
    for key in source["host_keys"]:
        if not _is_public_key(str(key).strip()):
            raise _bad(
                f"{name}: {str(key)!r} in backup_source_host_keys is not a whole public key of the form 'type base64'"
            )
    for store, location in source["datajoint_stores"].items():
        _absolute(f"{name}: the DataJoint store {store!r}", location)
    accepted = [str(text) for text in listed("backup_accept_content")]
    for text in accepted:
        if _content.acceptance(text) is None:
            raise _bad(f"{name}: {text!r} in backup_accept_content is not SHA-256 and path")
    gone = [str(text) for text in listed("backup_accept_missing")]
    rehash_percent = _share(f"{name}: backup_rehash_percent", of(name, "backup_rehash_percent"))
    stall = _whole(f"{name}: backup_stall_seconds", of(name, "backup_stall_seconds"))
    raw = of(name, "backup_datasets")
    if not isinstance(raw, (list, tuple)) or not raw:
        raise _bad(f"{name}: backup_datasets is empty or not a list")
    source["datasets"] = [_dataset(name, number, entry, of) for number, entry in enumerate(raw)]
    for dataset in source["datasets"]:
        old = dataset["adopt_from"]
        if old and any(_overlap(old, f"{root}/{part}") for part in ("mirror", "borg", "staging", "quarantine")):
            raise _bad(
                f"{name}: dataset {dataset['name']}: adopt_from {old!r} overlaps with what lies below {root} already"
            )
    _check_together(name, source["datasets"])
    for text in gone:
        if not _content.is_missing_acceptance(text) or text.split("/")[0] not in {
            d["name"] for d in source["datasets"]
        }:
            raise _bad(f"{name}: {text!r} in backup_accept_missing is not a dataset of {name}, a slash, and a path")
    source.update(accept_content=accepted, accept_missing=gone)
    for dataset in source["datasets"]:
        dataset.update(
            source=name,
            server=server,
            pipeline=f"{name}.{dataset['name']}",
            pull_unit=f"labops-backup-{pull_job(name, dataset['name'])}.service",
            url=f"{account}@{_bracketed(address)}::{dataset['name']}/",
            mirror=f"{root}/mirror/{name}/{dataset['name']}",
            generation_file=f"{root}/mirror/{name}/{dataset['name']}.generation.json",
            content_manifest=f"{root}/mirror/{name}/{dataset['name']}.content",
            content_stores=_content_stores(dataset, source["datajoint_stores"]),
            accept_content=accepted,
            rehash_percent=rehash_percent,
            stall_seconds=stall,
            repository=f"{base}/{dataset['name']}",
            lock=f"{_LOCKS}/{name}.{dataset['name']}.lock",
            progress_file=f"{_LOCKS}/progress/{name}.{dataset['name']}.json",
            expected_file=f"{_STATE}/expected/{name}.{dataset['name']}.json",
            hold=source["hold"],
            marker={"source": name, "dataset": dataset["name"]},
        )
        if dataset["quarantine"]:  # the folder of dump sets changes every night by design
            dataset["quarantine"]["directory"] = f"{root}/quarantine/{name}/{dataset['name']}"
    source["repositories"] = [*(dataset["repository"] for dataset in source["datasets"]), source["points_repository"]]
    source["dump_directory"] = next((d["path"] for d in source["datasets"] if d["kind"] == "database"), None)
    return source


def _is_public_key(text: str) -> bool:
    """The data of a key is fields, each with its length before it, and the first is the type; a cut one shows."""
    if not _HOST_KEY.match(text):
        return False
    kind, code = text.split(" ")[:2]
    try:
        data = base64.b64decode(code, validate=True)
    except ValueError:
        return False
    fields = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            return False
        fields.append(data[4:end])
        data = data[end:]
    return len(fields) > 1 and fields[0] == kind.encode()


def _key_tables(source: str, value: t.Any) -> list[str] | None:
    if value is None:
        return None
    where = f"{source}: backup_key_tables"
    if not isinstance(value, (list, tuple)) or not value:
        raise _bad(f"{where} is empty or not a list; leave it out to have them derived")
    for table in value:
        schema, _dot, name = str(table).partition(".")
        if not schema or not name:
            raise _bad(f"{where}: {table!r} is not of the form schema.table")
    return [str(table) for table in value]


def _writers(source: str, value: t.Any) -> dict[str, list[str]]:
    """Who has to stop when something is restored. What is misspelt here is found out before the bad day."""
    where = f"{source}: backup_writers"
    if not isinstance(value, t.Mapping):
        raise _bad(f"{where} is not a mapping")
    unknown = sorted(str(field) for field in set(value) - set(_WRITERS))
    if unknown:
        raise _bad(f"{where} has the unknown field {unknown[0]!r}; known are {', '.join(_WRITERS)}")
    writers: dict[str, list[str]] = {}
    for field in _WRITERS:
        entries = value.get(field) or []
        if not isinstance(entries, (list, tuple)):
            raise _bad(f"{where}: {field} is not a list")
        writers[field] = [str(entry) for entry in entries]
    for field in ("units", "timers"):
        for unit in writers[field]:
            if not _UNIT.match(unit) or (field == "timers") != unit.endswith(".timer"):
                example = "cleanup.timer" if field == "timers" else "datajoint-worker.service"
                raise _bad(f"{where}: {unit!r} in {field} is no name of such a unit with its kind, as in {example}")
    for crontab in writers["crontabs"]:
        if crontab.startswith("/"):
            _absolute(f"{where}: crontabs", crontab)
        elif not _CRON_USER.match(crontab):
            raise _bad(f"{where}: {crontab!r} in crontabs is neither a user nor an absolute path")
    for container in writers["containers"]:
        if not _CONTAINER.match(container):
            raise _bad(f"{where}: {container!r} in containers is no name of a container")
    for account in writers["accounts"]:
        user, _at, host = account.rpartition("@")
        if not user or not host:
            raise _bad(f"{where}: {account!r} in accounts is not of the form user@host")
    return writers


def _content_stores(dataset: t.Mapping[str, t.Any], stores: t.Mapping[str, str]) -> list[str] | None:
    """The folders of DataJoint stores in a dataset; None when the layout has to tell."""
    found = []
    for location in stores.values():
        place = _datajoint.place(location, {dataset["name"]: dataset["path"]})
        if place is not None:
            found.append(place[1] or ".")
        elif _datajoint.place(dataset["path"], {"store": location}) is not None:
            return None
    return found if stores else None


def _share(where: str, value: t.Any) -> float:
    share = _number(where, value)
    if share > 100:
        raise _bad(f"{where} {value!r} is no share in percent")
    return share


def _number(where: str, value: t.Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # what YAML makes of yes and on is no number
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _bad(f"{where} {value!r} is not a number")
    if number < 0:
        raise _bad(f"{where} is negative")
    return number


def _whole(where: str, value: t.Any) -> int:
    number = _number(where, value)
    if not number.is_integer():
        raise _bad(f"{where} {value!r} is not a whole number")
    return int(number)


def _rules(source: str, values: t.Mapping[str, t.Any]) -> dict[str, int]:
    try:
        return _retention.rules(values, "backup_")
    except BackupError as error:
        raise _bad(f"{source}: {error.what}") from None


def _port(source: str, said: t.Any, of_ansible: t.Any) -> int:
    """Where the server finds the source's sshd: as is said, and otherwise where Ansible finds it, too."""
    variable, value = ("ansible_port", of_ansible) if said is None else ("backup_source_port", said)
    value = _SSH_PORT if value is None else value
    try:
        port = 0 if isinstance(value, (bool, float)) else int(value)
    except (TypeError, ValueError, OverflowError):
        port = 0
    if not 0 < port < 65536:
        raise _bad(f"{source}: {variable} {value!r} is not a port")
    return port


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _dataset(source: str, order: int, entry: t.Any, of: t.Callable[[str, str], t.Any]) -> dict[str, t.Any]:
    if not isinstance(entry, t.Mapping):
        raise _bad(f"{source}: entry {order + 1} of backup_datasets is not a mapping")
    unknown = sorted(str(field) for field in set(entry) - _DATASET_FIELDS)
    missing = sorted({"name", "path"} - set(entry))
    name = str(entry.get("name", f"number {order + 1}"))
    where = f"{source}: dataset {_text.plain(name)}"
    if unknown:
        raise _bad(f"{where} has the unknown field {unknown[0]!r}; known are {', '.join(sorted(_DATASET_FIELDS))}")
    if missing:
        raise _bad(f"{where} lacks the field {missing[0]!r}")
    if not NAME.match(name) or name in _RESERVED_NAMES:
        raise _bad(
            f"{source}: {name!r} cannot name a dataset (lower case letters, digits, - and _, beginning with a letter; "
            f"not {', '.join(_RESERVED_NAMES)}, which mean something else)"
        )
    kind = entry.get("kind", "files")
    if kind not in ("files", "database"):
        raise _bad(f"{where} has the kind {kind!r}; known are database and files")
    allow_empty = entry.get("allow_empty", False)
    if not isinstance(allow_empty, bool):
        raise _bad(f"{where}: allow_empty is {allow_empty!r}; true or false are meant")
    compression = str(entry.get("compression") or of(source, "backup_compression"))
    if not _COMPRESSION.match(compression):
        raise _bad(
            f"{where}: Borg has no compression {compression!r}; known are none, lz4, zstd,1 to zstd,22, zlib,0 to "
            "zlib,9, lzma,0 to lzma,9, and auto, in front of one"
        )
    adopt_from = entry.get("adopt_from") or ""
    if adopt_from and kind == "database":
        raise _bad(
            f"{where}: adopt_from cannot be given for a dataset of kind database, whose mirror holds one proven dump "
            "set; name old dumps as a dataset of kind files"
        )
    limits: dict[str, float] = {}
    for limit in _LIMITS:
        value = entry.get(f"limit_{limit}")
        value = of(source, f"backup_limit_{limit}") if value is None else value
        read = _share if limit.endswith("_percent") else _whole
        limits[limit] = read(f"{where}: limit_{limit}", value)

    def quarantined(what: str) -> float:
        value = entry.get(f"quarantine_{what}")
        value = of(source, f"backup_quarantine_{what}") if value is None else value
        return (_number if what == "percent" else _whole)(f"{where}: quarantine_{what}", value)

    skipped = entry.get("skip_attributes") or []
    if not isinstance(skipped, (list, tuple)):
        raise _bad(f"{where}: skip_attributes is not a list")
    for pattern in skipped:
        if not _ATTRIBUTE.match(str(pattern)):
            raise _bad(
                f"{where}: {str(pattern)!r} in skip_attributes is no name of an extended attribute such as "
                "btrfs.compression or btrfs.*"
            )
    every = entry.get("checksum_every_days")
    every = of(source, "backup_checksum_every_days") if every is None else every
    every = _number(f"{where}: checksum_every_days", every)
    quarantine: dict[str, t.Any] = {option: quarantined(what) for option, what in _QUARANTINE.items()}
    quarantine = {option: value for option, value in quarantine.items() if value}
    days = int(quarantined("days"))
    if days < 1:
        raise _bad(f"{where}: quarantine_days is less than 1")
    return {
        "name": name,
        "order": order,
        "kind": kind,
        "path": _absolute(where, entry["path"]),
        "allow_empty": allow_empty,
        "adopt_from": _absolute(f"{where}: adopt_from", adopt_from) if adopt_from else "",
        "compression": compression,
        "chunker_params": _DATABASE_CHUNKER if kind == "database" else "",
        "limits": limits,
        "quarantine": {"directory": "", **quarantine} if kind == "files" else {},
        "quarantine_days": days,
        # every dump set is new and has a manifest with the SHA-256 of each file
        "checksum_every_days": every if kind == "files" else 0.0,
        "skip_attributes": [str(pattern) for pattern in skipped],
    }


def _absolute(where: str, path: t.Any) -> str:
    text = str(path)
    plain = "/" + posixpath.normpath(text).lstrip("/")  # normpath keeps two leading slashes
    if not text.startswith("/") or ".." in text.split("/") or _CONTROL.search(text):
        raise _bad(f"{where}: {text!r} is not an absolute path")
    if _text.plain(text) != text:
        raise _bad(f"{where}: {text!r} holds a character that nobody sees, perhaps copied with it")
    if plain == "/":
        raise _bad(f"{where}: the whole file system cannot be meant")
    return plain


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _check_apart(plans: t.Sequence[t.Mapping[str, t.Any]], servers: t.Sequence[str]) -> None:
    """Two sources must not stand in each other's way."""
    names = {*servers, *(source["name"] for source in plans)}
    places: dict[tuple[str, int], str] = {}
    adopted: list[tuple[str, str, str]] = []
    scripts: dict[tuple[str, str], str] = {
        (server, f"and_notify_on_{script_name(server)}"): "the whole night" for server in servers
    }
    for source in plans:
        other = places.setdefault((source["address"].lower(), source["port"]), source["name"])
        if other != source["name"]:
            raise _bad(f"{other} and {source['name']} have the same address {source['address']!r} and port")
        beside = [source["night"], f"{source['name']}.restore", f"{source['name']}.replacement"]
        for pipeline in (*beside, *(dataset["pipeline"] for dataset in source["datasets"])):
            if pipeline in names:
                raise _bad(f"the host {pipeline} bears the name that a part of {source['name']} gets; rename it")
        for dataset in source["datasets"]:
            script = f"{source['script_name']}_{script_name(dataset['name'])}"
            other = scripts.setdefault((source["server"], script), dataset["pipeline"])
            if other != dataset["pipeline"]:
                raise _bad(
                    f"the script of {dataset['pipeline']} would bear the name of that of {other}, backup_{script}.sh; "
                    "rename one"
                )
            old = dataset["adopt_from"]
            if not old:
                continue
            for server, path, pipeline in adopted:
                if server == source["server"] and _overlap(path, old):
                    raise _bad(f"{pipeline} and {dataset['pipeline']} would both adopt {old}")
            adopted.append((source["server"], old, dataset["pipeline"]))


def _check_together(source: str, datasets: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    names = [dataset["name"] for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise _bad(f"{source}: two datasets are named {name!r}")
    databases = [dataset["order"] for dataset in datasets if dataset["kind"] == "database"]
    if len(databases) > 1:
        raise _bad(f"{source}: more than one dataset is of kind database")
    if databases and databases[0] != 0:
        raise _bad(f"{source}: the dataset of kind database must come first, as it does in a restore")
    for one in datasets:
        for other in datasets:
            if one is not other and _overlap(one["path"], other["path"]):
                raise _bad(
                    f"{source}: the paths of the datasets {one['name']} and {other['name']} overlap "
                    f"({one['path']} and {other['path']})"
                )
