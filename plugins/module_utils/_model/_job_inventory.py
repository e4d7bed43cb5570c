# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What the jobs of a host run with: their scripts, and an inventory with final values and without secrets.

The inventory is a JSON document that Ansible's own ``yaml`` inventory plugin reads. Only named variables get
into it, a secret never does, and a string that looks like a template is marked so that Ansible takes it literally
(``__ansible_unsafe``, which ansible-core's JSON reader knows).
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model._inventory import Host, script_name

_SECRET_NAME = re.compile(
    r"(\A|_)(vault|passwords?|passphrases?|passwd|pass|secrets?|tokens?|credentials?|private_key|api_key)(_|\Z)"
    r"|\Anotification_urls\Z|_index_url\Z"
)
# A path to a secret is none.
_POINTER = re.compile(r"_(file|path|directory|dir)\Z")
_KEY_MATERIAL = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\A[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", re.IGNORECASE
)
_TEMPLATE = re.compile(r"\{[{%#]")
# A secret shorter than this is compared with whole values only; as a part it would match by chance.
_SHORTEST_PART = 6
_INTERPRETER = "/usr/bin/python3"


def is_secret_name(variable: str) -> bool:
    """Whether a variable of that name holds a secret, and not the path of one."""
    name = variable.lower()
    return bool(_SECRET_NAME.search(name)) and not _POINTER.search(name)


def leaves(value: t.Any) -> list[str]:
    """All strings in a value; keys of mappings do not count."""
    if isinstance(value, str):
        return [str(value)]
    if isinstance(value, t.Mapping):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return []


def job_inventory(
    hosts: t.Mapping[str, Host],
    plan: t.Sequence[t.Mapping[str, t.Any]],
    host: str,
    names: t.Iterable[str],
    secrets: t.Mapping[str, t.Sequence[str]],
) -> dict[str, t.Any]:
    """The inventory of the jobs that run on ``host``: itself over a local connection, and its counterparts.

    :param hosts: variables by host name, resolved.
    :param plan: the sources, from :func:`_inventory.plan`.
    :param names: the variables that may get in; those that hold a secret stay out all the same.
    :param secrets: values that must appear nowhere, by what to call them in a message.
    :raises BackupError: when a secret would get in, or a value cannot be written as JSON.
    """
    sources = _sources_of(plan, host)
    groups: dict[str, t.Any] = {
        "backup_servers": sorted({source["server"] for source in sources}),
        "backup_sources": [source["name"] for source in sources],
    }
    allowed = sorted(name for name in set(names) if not is_secret_name(name))
    children: dict[str, t.Any] = {}
    for group, members in groups.items():
        children[group] = {"hosts": {member: _variables(member, hosts[member], allowed, secrets) for member in members}}
        if host in members:
            children[group]["hosts"][host].update(ansible_connection="local", ansible_python_interpreter=_INTERPRETER)
    return {"all": {"children": children}}


def job_scripts(plan: t.Sequence[t.Mapping[str, t.Any]], host: str) -> list[dict[str, t.Any]]:
    """The scripts of ``host``, one entry each.

    Fields: ``name`` of the script, ``job`` (part of its unit's and folder's names), ``playbook``, ``variables`` for
    the playbook, ``tells`` (whether people are told how it went), ``about`` (one sentence).

    :raises BackupError: when two scripts would share a name.
    """
    sources = _sources_of(plan, host)
    scripts: list[dict[str, t.Any]] = []
    here = script_name(host)
    if any(source["server"] == host for source in sources):
        for source in sources:
            for dataset in source["datasets"]:
                words = f"{source['script_name']}_{script_name(dataset['name'])}"
                scripts.append(
                    _script(
                        f"backup_{words}.sh",
                        f"pull-{words}",
                        "backup.yml",
                        f"Takes a census of the dataset {dataset['name']} of {source['name']}, pulls it into its "
                        "mirror. Archives nothing and seals no recovery point.",
                        backup_stages=["pull"],
                        backup_only_sources=[source["name"]],
                        backup_only_datasets=[dataset["name"]],
                    )
                )
        scripts.append(
            _script(
                f"borg_backup_on_{here}.sh",
                "archive",
                "backup.yml",
                "Archives the mirrors as they stand. Seals a recovery point only if all of them stem from one pinned "
                "dump set.",
                backup_stages=["archive", "seal"],
            )
        )
        scripts.append(
            _script(
                f"backup_and_notify_on_{here}.sh",
                "backup",
                "backup.yml",
                "Runs the whole night: pulls and archives every dataset of every source, seals the recovery points, "
                "and tells people how it went.",
                tells=True,
            )
        )
    if any(source["name"] == host for source in sources):
        scripts.append(
            _script(
                f"backup_and_notify_on_{here}.sh",
                "dump",
                "dump.yml",
                "Makes a dump set of the databases with the source facts beside it, and tells people how it went. "
                "Seals no recovery point; the backup server does that.",
                tells=True,
            )
        )
    for field in ("name", "job"):
        taken = [script[field] for script in scripts]
        for word in taken:
            if taken.count(word) > 1:
                raise BackupError(
                    f"{host}: two scripts would share the {field} {word!r}",
                    untouched="Nothing was changed",
                    remedy="Rename a host or a dataset in the inventory; one host cannot be a server and a source",
                )
    return scripts


def _script(
    name: str, job: str, playbook: str, about: str, *, tells: bool = False, **variables: t.Any
) -> dict[str, t.Any]:
    return {"name": name, "job": job, "playbook": playbook, "about": about, "tells": tells, "variables": variables}


def _sources_of(plan: t.Sequence[t.Mapping[str, t.Any]], host: str) -> list[t.Mapping[str, t.Any]]:
    sources = [source for source in plan if host in (source["server"], source["name"])]
    if not sources:
        raise BackupError(
            f"{host} is neither a backup server nor a source in the inventory",
            untouched="Nothing was changed",
            remedy="Put it into the group backup_servers or backup_sources",
        )
    return sources


def _variables(
    member: str, host: Host, allowed: t.Iterable[str], secrets: t.Mapping[str, t.Sequence[str]]
) -> dict[str, t.Any]:
    variables = {}
    for name in ("ansible_host", *allowed):
        value = host.get(name)
        if value is not None:
            variables[name] = _plain(value, f"{member}: {name}", secrets)
    return variables


def _plain(value: t.Any, where: str, secrets: t.Mapping[str, t.Sequence[str]]) -> t.Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, str):
        return _text(str(value), where, secrets)
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{number}]", secrets) for number, item in enumerate(value)]
    if isinstance(value, t.Mapping):
        plain = {}
        for key, item in value.items():
            if is_secret_name(str(key)):
                raise _leak(f"{where}.{key} has the name of a secret")
            plain[str(key)] = _plain(item, f"{where}.{key}", secrets)
        return plain
    raise BackupError(
        f"{where} is of a kind that JSON cannot hold ({type(value).__name__})",
        untouched="Nothing was changed",
        remedy="Quote it in the inventory",
    )


def _text(text: str, where: str, secrets: t.Mapping[str, t.Sequence[str]]) -> t.Any:
    if _KEY_MATERIAL.search(text):
        raise _leak(f"{where} holds a private key or a password in a URL")
    for origin, values in secrets.items():
        for secret in values:
            if secret and (secret == text or (len(secret) >= _SHORTEST_PART and secret in text)):
                raise _leak(f"{where} contains the value of {origin}")
    return {"__ansible_unsafe": text} if _TEMPLATE.search(text) else text


def _leak(what: str) -> BackupError:
    return BackupError(
        f"{what}; a secret must not get into the inventory of the jobs",
        untouched="The inventory of the jobs was not changed",
        remedy="Keep secrets in the variables that are meant for them; the roles put those into files of their own",
    )
