#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what an incident has destroyed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: loss_scope_info
short_description: Tell what an incident has destroyed
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Compares what lives on a source with what a recovery point holds, so that a restore brings what is lost and leaves
    what is newer.
  - A tree that is gone, or whose file system is not mounted, is lost; that is a result and no failure.
  - The tree may be in use. What changes meanwhile is judged as it was found, see RV(files[].unsettled).
  - Owner, mode, time, size, kind, content, the target of symbolic links and the names of hard links are compared. ACLs,
    extended attributes and the numbers of devices are not, since content manifests do not hold them.
  - The time of a folder makes no difference, it changes with every file that comes or goes.
  - Of what is newer than the point only files are judged whose name tells their content, as DataJoint names them. Such
    a file that holds something else would stay for good, since DataJoint does not write a file anew whose name is
    there.
  - The database is read by its dump tool, as M(labops.backup.db_dump) does, and nothing is written. A server that does
    not answer has lost everything; that, too, is a result.
  - What lies below C(.labops-aside-*) at the root of a tree was put there by a restore and never counts. Sockets never
    count, no archive has them.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE, labops.backup._operation]
attributes:
  check_mode:
    details: Writes no lists and no progress then, and nothing else ever.
options:
  files:
    description: The trees to be compared, one after the other.
    type: list
    elements: dict
    default: []
    suboptions:
      dataset:
        description: The name of the dataset; letters, digits, C(_) and C(-).
        type: str
        required: true
      manifest:
        description:
          - The content manifest of the dataset from the seal of the recovery point, C(DATASET.content) there.
          - One that is cut off or altered is refused before anything is compared.
        type: path
        required: true
      path:
        description: The live tree of the dataset, an absolute path.
        type: path
        required: true
      depth:
        description:
          - V(content) reads every file whose size is that of the point. Only that finds what was changed with its time
            set back.
          - V(metadata) reads only files that have the size of the point and another time.
        type: str
        choices: [content, metadata]
        default: content
      only:
        description:
          - These paths, relative to the tree, and what is below them; nothing else counts. Without any, the whole tree.
        type: list
        elements: str
        default: []
      stores:
        description: As O(ignore:stores) of M(labops.backup.content_verify); only there newer files are judged.
        type: list
        elements: str
      accept:
        description: As O(ignore:accept) of M(labops.backup.content_verify); such newer files count as C(newer).
        type: list
        elements: str
        default: []
  database:
    description: The database to be compared.
    type: dict
    suboptions:
      manifest:
        description:
          - The C(manifest.json) of the point's dump set, as it is in the seal.
          - Without digests in it, or when the server is of another engine or series, numbers of rows are compared and
            not what is in them.
        type: path
        required: true
      defaults_file:
        description: As O(ignore:defaults_file) of M(labops.backup.db_dump).
        type: path
      socket:
        description: As O(ignore:socket) of M(labops.backup.db_dump).
        type: path
  lists_dir:
    description:
      - A folder for lists of paths relative to the tree, as raw bytes with NUL after each, mode 0600. Created with mode
        0700 if it is absent.
      - C(DATASET.missing), C(DATASET.damaged), C(DATASET.metadata), C(DATASET.newer) and C(DATASET.newer_damaged) hold
        the classes of RV(files), folders before what is in them.
      - C(DATASET.restore) holds everything that has to be brought; C(missing), C(damaged) and C(metadata), the folders
        above them with the tree itself as C(.), all names of a file that has several, and folders whose time differs
        although nothing stays in them that is newer.
      - Each list takes its name only when it is complete.
    type: path
  progress_file:
    description: A document (JSON) that is replaced every other second while trees are compared.
    type: path
notes:
  - Memory does not grow with the number of files, but for those that have several names, those that are newer and
    damaged, and the names in one folder.
seealso:
  - module: labops.backup.content_verify
  - module: labops.backup.recovery_point_info
"""

EXAMPLES = r"""
- name: See what is lost of the blobs
  labops.backup.loss_scope_info:
    files:
      - dataset: blobs
        manifest: /var/lib/labops-backup/incident/blobs.content
        path: /datajoint-db/blobs
    lists_dir: /var/lib/labops-backup/incident/lists
  register: scope

- name: Show what is missing
  ansible.builtin.debug:
    msg: "{{ scope.files[0].state }}: {{ scope.files[0].missing.files }} files are missing"
"""

RETURN = r"""
files:
  description: What was found of each tree, in the order of O(files).
  returned: success
  type: list
  elements: dict
  contains:
    dataset:
      description: Its name.
      type: str
      sample: blobs
    path:
      description: The live tree.
      type: str
      sample: /datajoint-db/blobs
    depth:
      description: Which files were read.
      type: str
      sample: content
    state:
      description:
        - V(lost) if nothing of what the point holds is there, V(intact) if everything is as it was and nothing is
          C(newer_damaged), otherwise V(damaged). What else is newer than the point makes no difference.
      type: str
      sample: damaged
    reason:
      description: Why it is not intact, for people; empty if it is.
      type: str
      sample: 7 missing, 2 damaged
    marker:
      description:
        - The class of the dataset's marker. V(intact), V(missing), V(damaged) if it is another one, so that another
          tree may lie there, V(metadata), or V(newer) if the point has none.
      type: str
      sample: intact
    expected:
      description: C(files) and C(bytes) that the point holds; files are all entries but folders and sockets.
      type: dict
      sample: {"files": 1042, "bytes": 73400320}
    unknown:
      description: The paths of O(files[].only) that the point does not have.
      type: list
      elements: str
    missing:
      description:
        - What the point has and the tree has not. C(files), C(folders), C(bytes) of the files, and at most 20
          C(examples), fit for a terminal. The other classes say the same.
      type: dict
      sample: {"files": 7, "folders": 0, "bytes": 458752, "examples": ["lab/ab/cd/abcd0123456789abcdef0123456789ab"]}
    damaged:
      description: What is of another kind, size or content than in the point, or cannot be read; C(bytes) of the point.
      type: dict
      sample: {"files": 2, "folders": 0, "bytes": 131072, "examples": ["subject7/session.dat", "subject7/notes.txt"]}
    metadata:
      description: What differs in owner, mode or time only, or is no longer one file with its other names.
      type: dict
      sample: {"files": 0, "folders": 0, "bytes": 0, "examples": []}
    newer:
      description: What the point does not have and C(newer_damaged) does not count; C(bytes) of the tree.
      type: dict
      sample: {"files": 3, "folders": 1, "bytes": 196608, "examples": ["subject8", "subject8/session.dat"]}
    newer_damaged:
      description:
        - What the point does not have and whose name tells another content, or that cannot be read where a name tells
          it; C(bytes) of the tree. To be moved aside, so that DataJoint writes it anew.
      type: dict
      sample: {"files": 1, "folders": 0, "bytes": 65536, "examples": ["lab/ab/cd/abcd0123456789abcdef0123456789ab"]}
    changed_since:
      description: How much of C(damaged) has a later time than in the point; somebody may have meant the change.
      type: int
      sample: 1
    unreadable:
      description:
        - Names that could not be read; they count as damaged, newer ones as C(newer_damaged), and what is in an
          unreadable folder as missing.
      type: int
      sample: 0
    unsettled:
      description: Names that vanished or were written to while they were looked at; somebody uses the tree.
      type: int
      sample: 0
    relinked:
      description: Names among C(metadata) that are no longer one file with their other names.
      type: int
      sample: 0
    folder_times:
      description: Folders whose time differs although nothing stays in them that is newer.
      type: int
      sample: 0
    transfer_bytes:
      description: Size of what is missing or damaged, in bytes, each file of several names once.
      type: int
      sample: 589824
    restore:
      description: C(entries) in C(DATASET.restore), and the C(bytes) of the files among them, each once.
      returned: with O(lists_dir), not in check mode
      type: dict
      sample: {"entries": 15, "bytes": 589824}
    lists:
      description: The paths of the lists, by the ends of their names.
      returned: with O(lists_dir), not in check mode
      type: dict
      sample: {"missing": "/var/lib/labops-backup/incident/lists/blobs.missing"}
    file_system:
      description:
        - The C(mount_point) of the file system that the tree lies or would lie on, its C(free_bytes) and C(free_files).
      type: dict
      sample: {"mount_point": "/datajoint-db", "free_bytes": 1099511627776, "free_files": 12000000}
    hashed_files:
      description: How many files were read.
      type: int
      sample: 1033
    hashed_bytes:
      description: How much was read of them.
      type: int
      sample: 72941568
    seconds:
      description: How long it took, in seconds.
      type: float
      sample: 0.412
    rate:
      description: Bytes a second that were read.
      type: int
      sample: 177042641
database:
  description: What was found of the database.
  returned: when O(database) is given
  type: dict
  contains:
    dump_set:
      description: The dump set that it was compared with.
      type: str
      sample: 20261123T021500Z-3fa9c1
    state:
      description:
        - V(lost) if the server does not answer or has none of the schemas, V(intact) if nothing is missing or other,
          otherwise V(damaged). Tables with more rows than in the point are no damage.
      type: str
      sample: damaged
    reason:
      description: Why it is not intact, for people; empty if it is.
      type: str
      sample: "lab_subject: 1 table with fewer rows"
    server:
      description: V(up) or V(down); down is also one that lets nobody in.
      type: str
      sample: up
    compared:
      description: V(digests), V(counts), or V(nothing) if the server is down.
      type: str
      sample: digests
    damaged_schemas:
      description: The schemas that are not intact.
      type: list
      elements: str
      sample: [lab_subject]
    engine:
      description: Whose server it is, V(mariadb) or V(mysql); null if it is down.
      type: str
      sample: mariadb
    version:
      description: Its version, null if it is down.
      type: str
      sample: 10.11.14-MariaDB
    live_bytes:
      description: What all its schemas take, by its own estimate, in bytes; null if it is down.
      type: int
      sample: 5242880
    point_bytes:
      description: The same of the point when it was dumped; null where the dump set does not say.
      type: int
      sample: 5242880
    dump_bytes:
      description: Size of the dump set, in bytes.
      type: int
      sample: 1048576
    newer_schemas:
      description: Schemas that the point does not have.
      type: list
      elements: str
      sample: []
    refers:
      description:
        - By schema, also those that the point does not have, how many C(files) among C(newer_damaged) of RV(files) its
          rows refer to, with the first 20 as C(examples), dataset and path. C(files) is null for a schema that cannot
          be read.
        - The point does not hold these files, so nothing but computing them again heals such rows.
        - Schemas that refer to none are left out, and all of them if the server is down.
      type: dict
      sample: {"lab_ephys": {"files": 1, "examples": ["blobs/lab_ephys/ab/cd/abcd0123456789abcdef0123456789ab"]}}
    schemas:
      description:
        - By name, for each schema of the point, its C(state) (V(intact), V(damaged), V(lost), V(unreadable)) and
          C(reason), C(expected) with numbers of C(tables) and C(rows), and the C(rows) that it has.
        - C(missing) and C(newer) are names of tables, C(fewer) and C(more) those with another number of rows, each with
          C(table), C(rows) and C(expected); of one with more rows nobody knows whether it lost some, too. C(content)
          are tables with as many rows and other ones, C(structure) those declared otherwise, C(objects) views,
          sequences, triggers, routines and events that are missing, C(sequences) those that would give out a number
          again or are declared otherwise, and C(code) says whether the text of a view, trigger, routine or event is
          another.
        - Rows of DataJoint's log and jobs (C(~log), C(~jobs), C(~~*)) are not compared.
      type: dict
      sample: {}
    seconds:
      description: How long it took, in seconds.
      type: float
      sample: 1.207
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments, _loss_scope
from ansible_collections.labops.backup.plugins.module_utils._arguments import OPERATION
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _database

ARGUMENT_SPEC: dict[str, t.Any] = {
    **OPERATION,
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "dataset": {"type": "str", "required": True},
            "manifest": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "depth": {"type": "str", "choices": ["content", "metadata"], "default": "content"},
            "only": {"type": "list", "elements": "str", "default": []},
            "stores": {"type": "list", "elements": "str"},
            "accept": {"type": "list", "elements": "str", "default": []},
        },
    },
    "database": {"type": "dict", "options": {"manifest": {"type": "path", "required": True}, **_arguments.DATABASE}},
    "lists_dir": {"type": "path"},
    "progress_file": {"type": "path"},
}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    trees = [_loss_scope.Tree.of(entry) for entry in options["files"]]
    dry = module.check_mode
    database = options["database"]
    manifest = None if database is None else _loss_scope.dump_manifest(database["manifest"])
    newer_damaged: list[_loss_scope.File] = []
    files = _loss_scope.compare(
        trees,
        lists_dir=None if dry else options["lists_dir"],
        progress_file=None if dry else options["progress_file"],
        newer_damaged=None if manifest is None else newer_damaged,
    )
    if manifest is None:
        return {"files": files}
    connection = _database.administrator(database["defaults_file"], database["socket"])
    return {"files": files, "database": _loss_scope.compare_database(manifest, connection, newer_damaged)}


def main() -> None:
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
