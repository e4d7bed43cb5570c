#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a mirror to the state of its source, within limits."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rsync_pull
short_description: Bring a mirror to the state of its source, within limits
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Sees that the disk of the mirrors is mounted (O(root)) and that the source shows its tree (O(marker)), takes a
    census of its own, holds it against O(limits) and O(quarantine), and only then begins a new generation, makes that
    durable, and transfers. A guard that stops it leaves the mirror and its generation as they were.
  - The transfer deletes last and carries the census as C(--max-delete). When the source loses more while it is read,
    rsync stops deleting, and the next try begins with a new census; what the tries deleted together is held against
    the limits.
  - Size and time tell rsync which files to transfer, but for every O(checksum_every_days), when it compares content.
  - What it deletes or overwrites goes to the quarantine, where there is one. Each try has its own place there.
  - After the transfer the marker is read again, and the files in the mirror are counted. Their number must be the
    source's, unless O(filters) leave files in the mirror that the source is not asked for.
  - The generation is marked complete once the mirror's file system is flushed to the disk. Whatever happens before
    that, it stays C(writing), and M(labops.backup.borg_create) does not archive it.
  - Files that vanish on a live source while it is read (exit code 24) are a warning. The pull is then run once more,
    and accepted if nothing else happens.
  - A lost line (exit codes 10, 12, 30, 35, 255, or no greeting from the endpoint) is retried. Every other exit code
    fails, 23 (something could not be transferred) and 25 (C(--max-delete) was hit) also when rsync hides them behind
    another one, as 3.5.0 was seen to do; therefore its messages are read, too.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._rsync
attributes:
  check_mode:
    support: full
    details: The census is taken and judged; nothing is written, and no lock is held.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: A second pull from a source that is at rest transfers nothing. It begins a generation all the same.
options:
  lock:
    description:
      - A lock file to hold while this works. The pull fails when another process holds it, or it is kept for another
        run; C(kind) in its result is then V(busy).
    type: path
  lock_keep:
    description:
      - For how many seconds after a good end no other run gets O(lock), so that none comes between the pull and the
        archive of the run O(run_id). The next step of that run ends it.
      - A run that dies in between needs no cleaning up.
    type: int
    default: 0
  generation_file:
    description:
      - Where the generation of the mirror is written down. Without it there is no generation, and nothing is flushed to
        the disk; enough for a copy that is only looked at.
    type: path
  root:
    description:
      - Refuse when the file system that holds the mirrors is not the one that was provisioned, or too small for what
        the census found.
    type: dict
    suboptions:
      path:
        description: Where it is mounted; the C(.labops-backup-root) in it must be the one in O(root.document).
        type: path
        required: true
      document:
        description: The server's own copy of it, on another file system.
        type: path
        required: true
      reserve_bytes:
        description: How many bytes must stay free.
        type: int
        default: 0
      reserve_percent:
        description: Which share of the file system must stay free, in percent. The larger one of both counts.
        type: float
        default: 0.0
  quarantine:
    description:
      - Where files go that the pull deletes from the mirror or overwrites there, and how many may wait.
      - Needs O(generation_file) and O(run_id). Without it they are gone.
    type: dict
    suboptions:
      directory:
        description: The quarantine of this mirror alone, outside of it and on its file system.
        type: path
        required: true
      max_files:
        description: How many files may wait there, those of earlier pulls included.
        type: int
      max_bytes:
        description: How many bytes may wait there.
        type: int
      max_percent:
        description: How many bytes may wait there, in percent of the mirror. Judged like the shares in O(limits).
        type: float
  accept:
    description:
      - What is accepted once beyond O(limits), O(quarantine) and O(allow_empty), each as the refused pull named it. A
        census that shows more than that stops the pull all the same.
      - A missing marker, the marker of another dataset and a disk that is too small cannot be accepted.
    type: dict
    suboptions:
      reason:
        description: Why. It is returned, to be written down.
        type: str
        required: true
      deleted_files:
        description: So many files may be deleted.
        type: int
      changed_files:
        description: So many files may be overwritten.
        type: int
      quarantine_files:
        description: So many more files may go to the quarantine.
        type: int
      quarantine_bytes:
        description: So many more bytes may go to the quarantine.
        type: int
      empty:
        description: A source without any file is believed.
        type: bool
      marker:
        description: The identifier of the tree that the mirror follows from now on.
        type: str
  dump_set:
    description: The dump set that this pull belongs to, for the generation document.
    type: str
    default: ""
  run_id:
    description: The run that this pull belongs to, for the generation document.
    type: str
    default: ""
  limits:
    description:
      - What the pull may do. A limit that is not given is not held.
      - Files are all entries but directories. The shares are of the files that the mirror holds before the pull, and
        are judged only when it holds at least 20.
    type: dict
    suboptions:
      deleted_files:
        description: How many files it may delete.
        type: int
      deleted_percent:
        description: Which share of the files it may delete, in percent.
        type: float
      changed_files:
        description: How many files it may overwrite.
        type: int
      changed_percent:
        description: Which share of the files it may overwrite, in percent.
        type: float
  allow_empty:
    description:
      - Believe a source that holds no file at all, but for its marker. It is refused otherwise, because a file system
        that is not mounted looks like that and is no error to rsync.
    type: bool
    default: false
  checksum_every_days:
    description:
      - How many days may pass between two pulls that compare the content of every file; V(0) for never. Without that,
        another content at the same size and time is not seen, and neither are two such files that changed places.
      - When that was last stands in O(generation_file); without it there is no such pull. The first pull into an empty
        mirror counts as one. One into a mirror of unknown age compares.
      - Source and mirror are then read as a whole once, and a second time when something was found.
    type: float
    default: 0.0
  retries:
    description: How often to try again.
    type: int
    default: 3
  retry_wait:
    description: Seconds to wait before each.
    type: float
    default: 30.0
  hold:
    description: The document of a hold, see M(labops.backup.backup_hold). While it exists the module refuses to work.
    type: path
  progress_file:
    description:
      - Where to tell how far it is while it works, a small JSON document that is gone at the end. What
        cannot be written there stops no work. The playbook C(status.yml) shows it.
    type: path
seealso:
  - module: labops.backup.rsync_census_info
  - module: labops.backup.borg_create
"""

EXAMPLES = r"""
- name: Pull the blobs
  labops.backup.rsync_pull:
    source: labops-pull@tatchu.example.org::blobs/
    destination: /srv/backup/mirror/tatchu/blobs
    identity_file: /etc/labops-backup/ssh/tatchu
    known_hosts_file: /etc/labops-backup/ssh/known_hosts
    lock: /run/labops-backup/tatchu.blobs.lock
    generation_file: /srv/backup/mirror/tatchu/blobs.generation.json
    dump_set: 20261123T021500Z-3fa9c1
    run_id: 20261123T023000Z-77b0aa
    marker: {source: tatchu, dataset: blobs}
    root:
      path: /srv/backup
      document: /etc/labops-backup/backup-root.json
      reserve_percent: 2
    quarantine:
      directory: /srv/backup/quarantine/tatchu/blobs
      max_percent: 50
    limits:
      deleted_files: 1000
      deleted_percent: 10
      changed_percent: 50

- name: Fetch the manifests of the dump sets only
  labops.backup.rsync_pull:
    source: labops-pull@tatchu.example.org::database/
    destination: /srv/backup/staging/tatchu
    identity_file: /etc/labops-backup/ssh/tatchu
    known_hosts_file: /etc/labops-backup/ssh/known_hosts
    filters: ["+ /*/", "+ /*/manifest.json", "- *"]
    prune_empty_dirs: true
    allow_empty: true
"""

RETURN = r"""
generation:
  description: The generation of the mirror. In check mode, the one that the pull would begin.
  returned: when O(generation_file) is given
  type: int
  sample: 17
dump_set:
  description: The dump set that this pull belongs to, null for none.
  returned: success, not in check mode
  type: str
  sample: 20261123T021500Z-3fa9c1
files:
  description: Regular files on the source and now in the mirror, after the filters.
  returned: success, not in check mode
  type: int
  sample: 1040
bytes:
  description: Size in bytes of everything on the source and now in the mirror.
  returned: success, not in check mode
  type: int
  sample: 73400320
created:
  description: Files that were created. Files are all entries but directories, unless it says otherwise.
  returned: success, not in check mode
  type: int
  sample: 42
created_directories:
  description: Directories that were created.
  returned: success, not in check mode
  type: int
  sample: 3
changed_files:
  description: Files that were overwritten.
  returned: success, not in check mode
  type: int
  sample: 1
metadata:
  description: Entries of which only the metadata was mended.
  returned: success, not in check mode
  type: int
  sample: 2
deleted:
  description: Entries that were deleted, directories included.
  returned: success, not in check mode
  type: int
  sample: 0
deleted_files:
  description: Files among them.
  returned: success, not in check mode
  type: int
  sample: 0
quarantined_files:
  description: Files that went to the quarantine.
  returned: success, not in check mode
  type: int
  sample: 1
quarantined_bytes:
  description: Their size in bytes.
  returned: success, not in check mode
  type: int
  sample: 70656
accepted:
  description: What O(accept) had to cover, with its reason; empty when nothing had to be.
  returned: success
  type: dict
  sample: {}
transferred_bytes:
  description: Size in bytes of the regular files that were read anew.
  returned: success, not in check mode
  type: int
  sample: 2097152
literal_bytes:
  description: What of it had to be sent, in bytes, because the mirror did not have it.
  returned: success, not in check mode
  type: int
  sample: 70656
seconds:
  description: How long it took, census and retries included, in seconds.
  returned: success, not in check mode
  type: float
  sample: 12.8
retries:
  description: How often it was tried again.
  returned: success, not in check mode
  type: int
  sample: 0
compared:
  description: Whether the content of every file was compared; in check mode, whether it would be.
  returned: success
  type: bool
  sample: false
warnings:
  description: Files that vanished, tries that failed.
  returned: success
  type: list
  elements: str
  sample: []
census:
  description: The first census, as M(labops.backup.rsync_census_info) returns it.
  returned: success, and when a limit was broken
  type: dict
  sample: {"created": 42, "deleted": 0}
breaches:
  description: The limits that were broken, one sentence each.
  returned: when a limit was broken
  type: list
  elements: str
  sample: ["312 of 1000 files would be deleted, 31.2 % (limit deleted_percent: 10 %)"]
acceptance:
  description: What O(accept) would have to say for these limits, but for the reason.
  returned: when a limit was broken
  type: dict
  sample: {"deleted_files": 312}
kind:
  description:
    - The class of the failure, V(limits), V(marker), V(root), V(space), V(recount), V(delete_limit), V(partial),
      V(connection) or V(failed).
  returned: when it failed after the options were checked
  type: str
  sample: limits
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._host import _hold
from ansible_collections.labops.backup.plugins.module_utils._host._root import Root
from ansible_collections.labops.backup.plugins.module_utils._model._guard import Acceptance, Cap, Limits, acceptance
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._pull import (
    MARKER_ARGUMENT,
    TRANSFER_ARGUMENTS,
    Quarantine,
    Request,
    marker_from,
    preview,
    pull,
    transfer_from,
)

ARGUMENTS: dict[str, t.Any] = {
    **TRANSFER_ARGUMENTS,
    "marker": MARKER_ARGUMENT,
    "root": {
        "type": "dict",
        "options": {
            "path": {"type": "path", "required": True},
            "document": {"type": "path", "required": True},
            "reserve_bytes": {"type": "int", "default": 0},
            "reserve_percent": {"type": "float", "default": 0.0},
        },
    },
    "quarantine": {
        "type": "dict",
        "options": {
            "directory": {"type": "path", "required": True},
            "max_files": {"type": "int"},
            "max_bytes": {"type": "int"},
            "max_percent": {"type": "float"},
        },
    },
    "accept": {
        "type": "dict",
        "options": {
            "reason": {"type": "str", "required": True},
            "deleted_files": {"type": "int"},
            "changed_files": {"type": "int"},
            "quarantine_files": {"type": "int"},
            "quarantine_bytes": {"type": "int"},
            "empty": {"type": "bool"},
            "marker": {"type": "str"},
        },
    },
    "lock": {"type": "path"},
    "lock_keep": {"type": "int", "default": 0},
    "generation_file": {"type": "path"},
    "dump_set": {"type": "str", "default": ""},
    "run_id": {"type": "str", "default": ""},
    "limits": {
        "type": "dict",
        "options": {
            "deleted_files": {"type": "int"},
            "deleted_percent": {"type": "float"},
            "changed_files": {"type": "int"},
            "changed_percent": {"type": "float"},
        },
    },
    "allow_empty": {"type": "bool", "default": False},
    "checksum_every_days": {"type": "float", "default": 0.0},
    "retries": {"type": "int", "default": 3},
    "retry_wait": {"type": "float", "default": 30.0},
    "hold": {"type": "path"},
    "progress_file": {"type": "path"},
}


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Pull, or in check mode say what would happen."""
    options = module.params
    accept, quarantine = options["accept"], options["quarantine"]
    request = Request(
        transfer=transfer_from(options),
        limits=Limits(**(options["limits"] or {}), allow_empty=options["allow_empty"]),
        acceptance=acceptance(accept, "accept") if accept else Acceptance(),
        marker=marker_from(options),
        root=Root(**options["root"]) if options["root"] else None,
        quarantine=_quarantine(quarantine) if quarantine else None,
        lock=options["lock"],
        lock_keep=options["lock_keep"],
        generation_file=options["generation_file"],
        dump_set=options["dump_set"] or None,
        run_id=options["run_id"] or None,
        retries=options["retries"],
        retry_wait=options["retry_wait"],
        checksum_every_days=options["checksum_every_days"],
        progress_file=options["progress_file"],
    )
    return preview(request) if module.check_mode else pull(request)


def _quarantine(given: dict[str, t.Any]) -> Quarantine:
    return Quarantine(given["directory"], Cap(**{name: given[name] for name in given if name != "directory"}))


def main() -> None:
    """Run the module."""
    run_module(ARGUMENTS, _hold.respecting(work))


if __name__ == "__main__":
    main()
