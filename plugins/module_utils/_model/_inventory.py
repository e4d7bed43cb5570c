# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The inventory, merged with its defaults and validated: the only place that computes a path or a name from it."""

from __future__ import annotations

import math
import posixpath
import re
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _retention

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
# A source's name becomes part of paths, of names of archives and of words in rsync's --rsh.
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
# Characters that would need quoting in rsync's --rsh, in a host:path word or in sshd's from= list.
_ADDRESS = re.compile(r"[A-Za-z0-9_.:%-]+\Z")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
_DATASET_FIELDS = {
    "name",
    "path",
    "kind",
    "allow_empty",
    "compression",
    "limit_deleted_files",
    "limit_deleted_percent",
    "limit_changed_percent",
}
_LIMITS = ("deleted_files", "deleted_percent", "changed_percent")
_RESERVED_NAMES = {"points"}
# Dumps change in small scattered places: smaller chunks add 0.2 to 0.4 times as much to the repository
# (measured with Borg 1.4.5 on an appended 365 MB dump); other trees keep Borg's default.
_DATABASE_CHUNKER = "buzhash,16,20,18,4095"
_CONFIGURATION = "/etc/labops-backup"
_STATE = "/var/lib/labops-backup"
_LOCKS = "/run/labops-backup"


class Host(t.Protocol):
    """Variables of one host, as ``hostvars[name]``."""

    def get(self, name: str, default: t.Any = None) -> t.Any:
        """The value of a variable."""


def plan(
    hosts: t.Mapping[str, Host], groups: t.Mapping[str, t.Sequence[str]], defaults: t.Mapping[str, t.Any]
) -> list[dict[str, t.Any]]:
    """One entry a source, in the order of the inventory group, with everything that a playbook needs to know.

    :param hosts: variables by host name.
    :param groups: host names by group; ``backup_servers`` and ``backup_sources`` count.
    :param defaults: what holds where a host does not say.
    :raises BackupError: on the first thing in the inventory that cannot be right.
    """
    servers = list(groups.get("backup_servers", ()))
    sources = list(groups.get("backup_sources", ()))
    for group, members in (("backup_servers", servers), ("backup_sources", sources)):
        if not members:
            raise _bad(f"the inventory has no host in the group {group}")
    plans = [_source(name, hosts, servers, defaults) for name in sources]
    idle = set(servers) - {entry["server"] for entry in plans}
    if idle:
        raise _bad(f"no source names {', '.join(sorted(idle))} as its backup_server")
    scripts = [entry["script_name"] for entry in plans]
    for name in scripts:
        if scripts.count(name) > 1:
            raise _bad(f"two sources would share the script name {name!r}; rename one")
    return plans


def datasets(sources: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The datasets of all given sources in one list."""
    return [dataset for source in sources for dataset in source["datasets"]]


def script_name(host: str) -> str:
    """The form of a host's name in the names of scripts: lower case, anything odd becomes an underscore."""
    return re.sub(r"[^a-z0-9_]", "_", host.lower())


def borg_executable(version: str) -> str:
    """Where the Borg of that version lies: Debian's own package, or a build of one version beside it."""
    return f"/opt/labops-backup/borg/{version}/bin/borg" if version else "/usr/bin/borg"


def _bad(what: str) -> BackupError:
    return BackupError(what, untouched="Nothing was changed", remedy="Mend the inventory")


def _source(
    name: str, hosts: t.Mapping[str, Host], servers: t.Sequence[str], defaults: t.Mapping[str, t.Any]
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
            f"{name!r} cannot name a source (letters, digits, dots, - and _, beginning with a letter or a digit)"
        )
    server = of(name, "backup_server")
    if server not in servers:
        raise _bad(f"{name}: backup_server is {server!r}, which is not in the group backup_servers")
    address = str(hosts[name].get("ansible_host") or name)
    if not _ADDRESS.match(address) or address.startswith("-"):
        raise _bad(f"{name}: ansible_host {address!r} is not an address")
    if address.endswith(".invalid"):
        raise _bad(f"{name}: its address is still the placeholder {address!r}; set ansible_host")
    account = str(of(name, "backup_pull_account"))
    if not _ACCOUNT.match(account):
        raise _bad(f"{name}: backup_pull_account {account!r} is not an account name")
    root = _absolute(f"{server}: backup_root", of(server, "backup_root"))
    base = f"{root}/borg/{name}"
    borg = {
        "passphrase_file": f"{_CONFIGURATION}/borg/{name}.passphrase",
        "base_dir": of(server, "borg_base_dir"),
        "executable": borg_executable(str(of(server, "borg_version"))),
    }
    rsync = {
        "identity_file": f"{_CONFIGURATION}/ssh/{name}",
        "known_hosts_file": f"{_CONFIGURATION}/ssh/known_hosts",
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
        "port": _port(name, of(name, "backup_source_port")),
        "account": account,
        "pull_addresses": listed("backup_pull_addresses") or [str(hosts[server].get("ansible_host") or server)],
        "host_keys": listed("backup_source_host_keys"),
        "root": root,
        "borg": borg,
        "rsync": rsync,
        "points_repository": f"{base}/points",
        "points_cache": f"{_STATE}/recovery_points/{name}",
        "retention": _rules(name, {rule: of(name, f"backup_{rule}") for rule in _retention.RULES}),
        "retention_journal": f"{_STATE}/retention/{name}.json",
        "ledger": f"{_STATE}/ledger",
        "staging": f"{root}/staging/{name}",
        "datajoint_stores": dict(stores),
    }
    for address_from in source["pull_addresses"]:
        if not _ADDRESS.match(str(address_from)):
            raise _bad(f"{name}: {address_from!r} in backup_pull_addresses is not an address")
    for store, location in source["datajoint_stores"].items():
        _absolute(f"{name}: the DataJoint store {store!r}", location)
    raw = of(name, "backup_datasets")
    if not isinstance(raw, (list, tuple)) or not raw:
        raise _bad(f"{name}: backup_datasets is empty or not a list")
    source["datasets"] = [_dataset(name, number, entry, of) for number, entry in enumerate(raw)]
    _check_together(name, source["datasets"])
    for dataset in source["datasets"]:
        dataset.update(
            source=name,
            server=server,
            pipeline=f"{name}.{dataset['name']}",
            url=f"{account}@{_bracketed(address)}::{dataset['name']}/",
            mirror=f"{root}/mirror/{name}/{dataset['name']}",
            generation_file=f"{root}/mirror/{name}/{dataset['name']}.generation.json",
            repository=f"{base}/{dataset['name']}",
            lock=f"{_LOCKS}/{name}.{dataset['name']}.lock",
        )
    source["dump_directory"] = next((d["path"] for d in source["datasets"] if d["kind"] == "database"), None)
    return source


def _rules(source: str, values: t.Mapping[str, t.Any]) -> dict[str, int]:
    try:
        return _retention.rules(values, "backup_")
    except BackupError as error:
        raise _bad(f"{source}: {error.what}") from None


def _port(source: str, value: t.Any) -> int:
    try:
        port = int(value)
    except (TypeError, ValueError):
        port = 0
    if not 0 < port < 65536:
        raise _bad(f"{source}: backup_source_port {value!r} is not a port")
    return port


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _dataset(source: str, order: int, entry: t.Any, of: t.Callable[[str, str], t.Any]) -> dict[str, t.Any]:
    if not isinstance(entry, t.Mapping):
        raise _bad(f"{source}: entry {order + 1} of backup_datasets is not a mapping")
    unknown = sorted(str(field) for field in set(entry) - _DATASET_FIELDS)
    missing = sorted({"name", "path"} - set(entry))
    name = str(entry.get("name", f"number {order + 1}"))
    where = f"{source}: dataset {name}"
    if unknown:
        raise _bad(f"{where} has the unknown field {unknown[0]!r}; known are {', '.join(sorted(_DATASET_FIELDS))}")
    if missing:
        raise _bad(f"{where} lacks the field {missing[0]!r}")
    if not NAME.match(name) or name in _RESERVED_NAMES:
        raise _bad(f"{source}: {name!r} cannot name a dataset (lower case letters, digits, - and _; not 'points')")
    kind = entry.get("kind", "files")
    if kind not in ("files", "database"):
        raise _bad(f"{where} has the kind {kind!r}; known are database and files")
    allow_empty = entry.get("allow_empty", False)
    if not isinstance(allow_empty, bool):
        raise _bad(f"{where}: allow_empty is {allow_empty!r}; true or false are meant")
    limits: dict[str, float] = {}
    for limit in _LIMITS:
        value = entry.get(f"limit_{limit}")
        value = of(source, f"backup_limit_{limit}") if value is None else value
        try:
            limits[limit] = int(value) if limit.endswith("_files") else float(value)
        except (TypeError, ValueError, OverflowError):
            limits[limit] = math.nan
        if not math.isfinite(limits[limit]):
            raise _bad(f"{where}: limit_{limit} {value!r} is not a number")
        if limits[limit] < 0:
            raise _bad(f"{where}: limit_{limit} is negative")
    return {
        "name": name,
        "order": order,
        "kind": kind,
        "path": _absolute(where, entry["path"]),
        "allow_empty": allow_empty,
        "compression": str(entry.get("compression") or of(source, "backup_compression")),
        "chunker_params": _DATABASE_CHUNKER if kind == "database" else "",
        "limits": limits,
    }


def _absolute(where: str, path: t.Any) -> str:
    text = str(path)
    plain = "/" + posixpath.normpath(text).lstrip("/")  # normpath keeps two leading slashes
    if not text.startswith("/") or ".." in text.split("/") or "\n" in text or "\0" in text:
        raise _bad(f"{where}: {text!r} is not an absolute path")
    if plain == "/":
        raise _bad(f"{where}: the whole file system cannot be meant")
    return plain


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
            if one is not other and f"{other['path']}/".startswith(f"{one['path']}/"):
                raise _bad(
                    f"{source}: the paths of the datasets {one['name']} and {other['name']} overlap "
                    f"({one['path']} and {other['path']})"
                )
