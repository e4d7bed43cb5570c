# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Durable JSON documents: written aside, flushed to disk, renamed; each says which schema it follows."""

from __future__ import annotations

import json
import os
import tempfile
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

SCHEMA_VERSION = 1


def encode(document: t.Mapping[str, t.Any]) -> bytes:
    """The document as bytes, the same bytes for the same content."""
    body = {"schema_version": SCHEMA_VERSION, **document}
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"


def write(path: str, document: t.Mapping[str, t.Any], *, mode: int = 0o600) -> None:
    """Replace ``path`` by the document, wholly or not at all, and survive a power cut."""
    write_bytes(path, encode(document), mode=mode)


def write_bytes(path: str, content: bytes, *, mode: int = 0o600) -> None:
    """Replace ``path`` by ``content`` through a flushed temporary file in the same folder."""
    folder = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Make a rename in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str, *, untouched: str = "", remedy: str = "") -> dict[str, t.Any]:
    """Read a document.

    :param untouched: what is left as it is when the document is damaged, as :class:`BackupError` has it.
    :param remedy: what to do about a damaged one, likewise; another release has a remedy of its own.
    :raises FileNotFoundError: when there is none.
    :raises BackupError: when it is not JSON, not an object, or of another schema version.
    """
    with open(path, "rb") as stream:
        return decode(stream.read(), path, untouched=untouched, remedy=remedy)


def decode(content: bytes, name: str, *, untouched: str = "", remedy: str = "") -> dict[str, t.Any]:
    """The document in ``content``; ``name`` says where it came from, for messages; the others as in :func:`read`."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BackupError(f"{name} is not a JSON document: {error}", untouched=untouched, remedy=remedy) from error
    if not isinstance(document, dict):
        raise BackupError(f"{name} is JSON but not an object", untouched=untouched, remedy=remedy)
    version = document.get("schema_version")
    if type(version) is not int:  # every release writes a number
        raise BackupError(f"{name} is damaged: it has no schema_version", untouched=untouched, remedy=remedy)
    if version != SCHEMA_VERSION:
        raise BackupError(
            f"{name} follows schema version {version}; this release reads version {SCHEMA_VERSION}",
            untouched=untouched,
            remedy="Run site.yml so that both hosts have the same release",
        )
    return document
