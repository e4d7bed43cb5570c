# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack folders of the control node into one archive that is the same wherever and whenever it is made.

usage: pack.py collection ROOT ARCHIVE    what a collection ships, from a checkout or an installed collection
       pack.py wheels ROOT ARCHIVE        the wheels of a folder

Prints {"sha256": of the content, "version": of the collection or ""}. Runs on the control node, so that it uses
nothing but Python's standard library, and no tar whose options differ between systems.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import tarfile

SHIPPED = ("meta", "playbooks", "plugins", "roles")


def version_of(root: str) -> str:
    """The version of the collection: an installed one has MANIFEST.json, a checkout has galaxy.yml."""
    manifest = os.path.join(root, "MANIFEST.json")
    if os.path.exists(manifest):
        with open(manifest, encoding="utf-8") as stream:
            return str(json.load(stream)["collection_info"]["version"])
    with open(os.path.join(root, "galaxy.yml"), encoding="utf-8") as stream:
        found = re.search(r"^version: *['\"]?([^\s'\"]+)", stream.read(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{root}/galaxy.yml names no version")
    return found.group(1)


def collection_files(root: str) -> dict[str, bytes]:
    """Content by relative path: what ships, and a manifest with the version alone."""
    files = {}
    for folder in SHIPPED:
        for place, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
            for name in names:
                if not name.startswith(".") and not name.endswith((".pyc", "~")):
                    path = os.path.join(place, name)
                    with open(path, "rb") as stream:
                        files[os.path.relpath(path, root)] = stream.read()
    info = {"namespace": "labops", "name": "backup", "version": version_of(root)}
    files["MANIFEST.json"] = json.dumps({"collection_info": info, "format": 1}, sort_keys=True).encode()
    return files


def wheel_files(root: str) -> dict[str, bytes]:
    """Content by name of every wheel directly in the folder."""
    files = {}
    for name in os.listdir(root):
        if name.endswith(".whl"):
            with open(os.path.join(root, name), "rb") as stream:
                files[name] = stream.read()
    if not files:
        raise SystemExit(f"there is no wheel in {root}")
    return files


def pack(files: dict[str, bytes], archive: str) -> str:
    """Write the archive and give the hash of its content."""
    digest = hashlib.sha256()
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            content = files[name]
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return digest.hexdigest()


def main() -> None:
    """Pack what the command line says."""
    kind, root, archive = sys.argv[1:]
    files = collection_files(root) if kind == "collection" else wheel_files(root)
    version = version_of(root) if kind == "collection" else ""
    json.dump({"sha256": pack(files, archive), "version": version}, sys.stdout)


if __name__ == "__main__":
    main()
