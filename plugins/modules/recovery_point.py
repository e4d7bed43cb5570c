#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seal a recovery point."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point
short_description: Seal a recovery point
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Binds the archives of the datasets of one source and one pinned dump set together. The seal is itself an archive,
    C(point-ID) in a repository of its own, with C(point.json) and the C(manifest.json) of the dump set. A recovery
    point exists if and only if that archive does.
  - Looks up every archive in its repository first. One that is not there under its name and id is not promised; its
    dataset counts as missing.
  - The point is V(complete) if every expected dataset has an archive, all stem from the pinned dump set, and every
    reference of the dump was found. Otherwise it is V(partial), with the reasons in C(problems).
  - Reads the seal back from the repository and compares every byte.
  - Refuses to seal a point twice, and a point without any archive.
extends_documentation_fragment: [labops.backup._attributes, labops.backup._borg]
attributes:
  check_mode:
    support: full
    details: Looks up the archives and predicts the state.
  diff_mode:
    support: full
  idempotent:
    support: none
    details: A point is sealed once; doing it again is refused.
options:
  point:
    description: The identifier of the point, its run's start in UTC and six hexadecimal digits.
    type: str
    required: true
  source:
    description: The source whose datasets these are.
    type: str
    required: true
  server:
    description: The server that holds them.
    type: str
    required: true
  run_id:
    description: The run that made the archives.
    type: str
    required: true
  release:
    description: The version of the collection that seals.
    type: str
    default: ""
  expected:
    description:
      - The names of all datasets of the source. One that is neither in O(datasets) nor in O(missing) counts as missing.
    type: list
    elements: str
    required: true
  datasets:
    description:
      - The outcome of each archived dataset.
      - Each has C(name), C(order) (in a restore), C(archive), C(archive_id), C(repository) (its path),
        C(repository_id), C(generation) (of the mirror) and C(dump_set) (the id of the one that was pinned when it was
        pulled, or empty).
      - C(files) and C(bytes) (of the mirror), C(nfiles), C(original_size), C(compressed_size), C(deduplicated_size) (of
        the archive, in bytes), C(content) (C(sha256), C(files) and C(bytes) of the content manifest) and C(seconds) (by
        stage) go into the seal when they are given; anything else does not.
    type: list
    elements: dict
    required: true
  missing:
    description: The outcome of each dataset without an archive, with C(dataset), C(message) and perhaps C(step).
    type: list
    elements: dict
    default: []
  dump_set:
    description:
      - The pinned dump set with C(id), C(started), C(finished), C(engine), C(version) and C(rows), as
        M(labops.backup.db_dump_info) returns it. Empty when none was pinned.
    type: dict
    default: {}
  dump_expected:
    description: Whether the source has a database. Without one a point needs no dump set to be V(complete).
    type: bool
    default: true
  manifest_file:
    description: The path of its C(manifest.json) on this host. Needed with O(dump_set).
    type: path
  references:
    description:
      - The verdict of M(labops.backup.datajoint_verify_info) with C(checked), C(missing), C(wrong_size), C(unresolved)
        and C(ok). Empty when nothing was looked up.
    type: dict
    default: {}
  files:
    description:
      - What else is to be sealed, as a dictionary by the name it gets in the seal. Each entry has C(path), and perhaps
        C(sha256). C(files) in the sealed document tells C(sha256) and C(bytes) of each.
      - A file that is not there, or has another SHA-256, is left out with a warning.
      - Meant for the content manifests of the datasets, see P(labops.backup.content_manifests#filter).
    type: dict
    default: {}
  staging_dir:
    description:
      - The folder in which the seal is put together, created with mode 0700 if it is absent; the system's folder for
        temporary files if it is not given. On the file system of O(files) nothing has to be copied.
    type: path
  cache_dir:
    description:
      - The folder that takes a copy of the seal's document for quick listings. Created with mode 0700 if it is absent.
      - A cache that cannot be written is a warning.
    type: path
    required: true
  hold:
    description: The document of a hold, see M(labops.backup.backup_hold). While it exists the module refuses to work.
    type: path
seealso:
  - module: labops.backup.recovery_point_info
"""

EXAMPLES = r"""
- name: Seal last night's recovery point
  labops.backup.recovery_point:
    repository: /srv/backup/borg/tatchu/points
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    cache_dir: /var/lib/labops-backup/recovery_points/tatchu
    point: 20261123T023000Z-77b0aa
    run_id: 20261123T023000Z-77b0aa
    source: tatchu
    server: loki
    expected: [database, blobs]
    dump_set:
      id: 20261123T021500Z-3fa9c1
      started: "2026-11-23T02:15:00Z"
      finished: "2026-11-23T02:16:10Z"
      engine: mariadb
      version: 10.11.19
      rows: 1234
    manifest_file: /srv/backup/mirror/tatchu/database/20261123T021500Z-3fa9c1/manifest.json
    references: {checked: 812, missing: 0, wrong_size: 0, unresolved: 0, ok: true}
    datasets:
      - name: database
        order: 0
        archive: tatchu-database-20261123T023000Z-77b0aa
        archive_id: 2b8f1e6d0c...
        repository: /srv/backup/borg/tatchu/database
        repository_id: 91c4ab3370...
        generation: 41
        dump_set: 20261123T021500Z-3fa9c1
    files:
      blobs.content: {path: /srv/backup/mirror/tatchu/blobs.content}
    missing:
      - {dataset: blobs, step: Pull, message: the connection was closed}
"""

RETURN = r"""
point:
  description: The identifier of the point.
  returned: success
  type: str
state:
  description: V(complete) or V(partial).
  returned: success
  type: str
problems:
  description: Why it is partial; empty when it is complete.
  returned: success
  type: list
  elements: str
document:
  description: What C(point.json) in the seal says.
  returned: success
  type: dict
seal:
  description: C(archive), C(archive_id) and C(repository_id) of the seal. The ids are empty in check mode.
  returned: success
  type: dict
cache_file:
  description: Where the copy of the document lies.
  returned: success
  type: str
"""

import typing as t
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._host import _hold
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_arguments.BORG,
    "point": {"type": "str", "required": True},
    "source": {"type": "str", "required": True},
    "server": {"type": "str", "required": True},
    "run_id": {"type": "str", "required": True},
    "release": {"type": "str", "default": ""},
    "expected": {"type": "list", "elements": "str", "required": True},
    "datasets": {"type": "list", "elements": "dict", "required": True},
    "missing": {"type": "list", "elements": "dict", "default": []},
    "dump_set": {"type": "dict", "default": {}},
    "dump_expected": {"type": "bool", "default": True},
    "manifest_file": {"type": "path"},
    "references": {"type": "dict", "default": {}},
    "files": {"type": "dict", "default": {}},
    "staging_dir": {"type": "path"},
    "cache_dir": {"type": "path", "required": True},
    "hold": {"type": "path"},
}
_PASSED_ON = (
    *("repository", "point", "source", "server", "run_id", "release", "expected", "datasets", "missing"),
    *("dump_set", "dump_expected", "manifest_file", "references", "files", "staging_dir", "cache_dir"),
)


def _seal(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params

    def open_repository(path: str) -> _borg.Repository:
        return _borg.Repository.of({**options, "repository": path})

    sealed = _recovery_points.seal(
        open_repository,
        sealed=datetime.now(UTC),
        dry=module.check_mode,
        **{name: options[name] for name in _PASSED_ON},
    )
    for warning in sealed.warnings:
        module.warn(warning)
    document = sealed.document
    return {
        "changed": True,
        "point": document["point"],
        "state": document["state"],
        "problems": document["problems"],
        "document": document,
        "seal": sealed.seal,
        "cache_file": sealed.cache,
        "diff": {"before": {}, "after": document},
    }


def main() -> None:
    run_module(ARGUMENT_SPEC, _hold.respecting(_seal))


if __name__ == "__main__":
    main()
