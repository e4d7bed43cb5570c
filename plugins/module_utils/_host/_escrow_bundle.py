# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The escrow bundle of a server, on the machine that keeps it: what it holds, and whether it is whole.

The role C(borg) lays keys, passphrases and C(repositories.json) of each source into it; the rest comes from here. The
manifest C(bundle.json) is written last. What Ansible kept of former versions (names that end in C(~)) is no part of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _form

MANIFEST = "bundle.json"
_INVENTORY = "inventory"
_REPOSITORIES = "repositories.json"
_FORMER = "~"
_SKIPPED = {".git"}
_VARIABLES = ("group_vars", "host_vars")
_UNTOUCHED = "Nothing was changed"


def write(
    directory: str,
    *,
    server: str,
    stamp: str,
    inventories: t.Sequence[str],
    files: t.Mapping[str, str],
    vault_hint: str,
    apply: bool,
) -> tuple[dict[str, t.Any], bool]:
    """Complete the bundle; what it says about itself with its C(digest), and whether that changed it.

    :param directory: holds a folder a source already.
    :param stamp: which inventory that is.
    :param inventories: files and folders of the inventory, copied as they are: what a vault encrypts stays so. With a
        file come C(group_vars) and C(host_vars) beside it, which Ansible reads with it.
    :param files: further files, by their paths in the bundle.
    :param apply: False only predicts.
    :raises BackupError: when a source's folder is not whole, or no file of an inventory is there.
    """
    wanted = {name: text.encode("utf-8", "surrogateescape") for name, text in files.items()} | _read(inventories)
    changed = _keep(directory, wanted, apply=apply)
    there = {**_hashes(directory), **{name: hashlib.sha256(content).hexdigest() for name, content in wanted.items()}}
    document = {
        "server": server,
        "inventory": stamp,
        "vault_hint": bool(vault_hint.strip()),
        "known_hosts_sha256": there.get("known_hosts", ""),
        "sources": _sources(directory, there),
        "files": {
            name: there[name] for name in sorted(there) if not name.startswith(f"{_INVENTORY}/") or name in wanted
        },
    }
    path = os.path.join(directory, MANIFEST)
    content = _document.encode(document)
    if _content(path) != content:
        changed = True
        if apply:
            _document.write(path, document)
    return {**document, "digest": hashlib.sha256(content).hexdigest()}, changed


def check(directory: str, server: str) -> dict[str, t.Any]:
    """What a whole bundle says about itself, with its C(digest).

    :raises BackupError: when there is none, it is of another server, or a file of it is missing or another one.
    """
    path = os.path.join(directory, MANIFEST)
    try:
        document = _document.read(path, untouched=_UNTOUCHED)
    except FileNotFoundError:
        raise BackupError(f"there is no bundle in {directory} on this machine", untouched=_UNTOUCHED) from None
    if document.get("server") != server:
        raise BackupError(f"{path} is the bundle of {document.get('server')!r}", untouched=_UNTOUCHED)
    wrong = _form.wrong(document, {"files": {str: str}})
    if wrong:
        raise BackupError(f"{path} is no manifest of a bundle: {wrong}", untouched=_UNTOUCHED)
    there = _hashes(directory)
    other = sorted(name for name, digest in document["files"].items() if there.get(name) != digest)
    if other:
        told = ", ".join(f"{name} {'is another one' if name in there else 'is missing'}" for name in other[:5])
        raise BackupError(f"the bundle in {directory} is not whole: {told}", untouched=_UNTOUCHED)
    content = _content(path) or b""
    del document["schema_version"]
    return {**document, "digest": hashlib.sha256(content).hexdigest()}


def _read(inventories: t.Sequence[str]) -> dict[str, bytes]:
    """The files of each inventory, in a folder that has the name of theirs; another one of that name gets a number."""
    found: dict[str, bytes] = {}
    names: dict[str, str] = {}
    for place in map(os.path.abspath, inventories):
        folder = place if os.path.isdir(place) else os.path.dirname(place)
        if folder not in names:
            name = os.path.basename(folder)
            alike = sum(1 for other in names if os.path.basename(other) == name)
            names[folder] = f"{name}-{alike + 1}" if alike else name
        for path in _files(place):
            with open(path, "rb") as stream:
                found[os.path.join(_INVENTORY, names[folder], os.path.relpath(path, folder))] = stream.read()
    if not found:
        raise BackupError(
            f"no file of the inventory was found in {', '.join(inventories) or 'nothing'}",
            untouched="The escrow bundle was not changed",
            remedy="Give the inventory as a file or a folder",
        )
    return found


def _files(place: str) -> t.Iterator[str]:
    """What Ansible reads of an inventory; of a file also the variables that lie beside it."""
    folders = [place]
    if os.path.isfile(place):
        yield place
        folders = [os.path.join(os.path.dirname(place), name) for name in _VARIABLES]
    for folder, inside, names in (found for top in folders for found in os.walk(top)):
        inside[:] = [name for name in inside if name not in _SKIPPED]
        paths = [os.path.join(folder, name) for name in names]
        yield from filter(os.path.isfile, paths)


def _keep(directory: str, wanted: t.Mapping[str, bytes], *, apply: bool) -> bool:
    """Have exactly these files, and nothing else below the copy of the inventory; whether that is a change."""
    there = _hashes(directory)
    gone = [name for name in there if name.startswith(f"{_INVENTORY}/") and name not in wanted]
    new = [name for name, content in wanted.items() if there.get(name) != hashlib.sha256(content).hexdigest()]
    if apply:
        for name in gone:
            os.unlink(os.path.join(directory, name))
        for name in new:
            path = os.path.join(directory, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _document.write_bytes(path, wanted[name])
    return bool(gone or new)


def _hashes(directory: str) -> dict[str, str]:
    """Every file of the bundle but its manifest, by its path in it."""
    found = {}
    for folder, _folders, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            short = os.path.relpath(path, directory)
            if short != MANIFEST and not name.endswith(_FORMER) and os.path.isfile(path):
                found[short] = hashlib.sha256(_content(path) or b"").hexdigest()
    return found


def _sources(directory: str, there: t.Mapping[str, str]) -> dict[str, t.Any]:
    found = {}
    for source in sorted(os.path.dirname(name) for name in there if os.path.basename(name) == _REPOSITORIES):
        path = os.path.join(directory, source, _REPOSITORIES)
        untouched = "The manifest of the escrow bundle was not written"
        remedy = "Remove that file and run site.yml, which writes it again"
        document = _document.read(path, untouched=untouched, remedy=remedy)
        wrong = _form.wrong(document, {"repositories": [{"name": str, "id": str, "key": str}]})
        if wrong:
            raise BackupError(
                f"{path} does not list repositories: {wrong}",
                untouched=untouched,
                remedy=remedy,
            )
        listed = document["repositories"]
        absent = [entry["key"] for entry in listed if f"{source}/{entry['key']}" not in there]
        if absent or f"{source}/passphrase" not in there:
            raise BackupError(
                f"the escrow bundle lacks {', '.join(absent) or 'the passphrase'} of {source}",
                untouched="Its manifest was not written",
                remedy="Run site.yml with all of its roles",
            )
        found[source] = {
            "repositories": {
                entry["name"]: {"id": entry["id"], "key_sha256": there[f"{source}/{entry['key']}"]} for entry in listed
            }
        }
    return found


def _content(path: str) -> bytes | None:
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as stream:
        return stream.read()
    return None
