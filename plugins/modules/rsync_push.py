#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring files from this server back to their source."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rsync_push
short_description: Bring files from this server back to their source
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Sends what a list names, from a mirror or from an extracted archive, to a write endpoint of the source or to another
    directory of this host. With owners by number, modes, times to the nanosecond, ACLs, extended attributes, hard links
    and holes.
  - Nothing is ever deleted at the destination, and what is not listed stays as it is. A file that is replaced is
    written beside the old one and takes its place when it is whole.
  - When the line is cut, it is tried again; what has arrived by then is not sent again with O(compare=size_and_time).
extends_documentation_fragment: [labops.backup._attributes, labops.backup._operation]
attributes:
  check_mode:
    support: full
    details: Speaks to the destination and reads there, and counts what would be sent.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: With O(compare=size_and_time) a second push sends nothing; with V(nothing) it writes every file again.
options:
  source:
    description: The tree to send from, an absolute directory of this host.
    type: path
    required: true
  destination:
    description:
      - Where to, C(account@host::module/) or one folder of it, C(account@host::module/folder/), for a write endpoint
        that the role P(labops.backup._restore_endpoint#role) has opened, or an absolute directory of this host. The
        folder of an endpoint is made.
    type: str
    required: true
  files_from:
    description:
      - The file that lists what is sent, paths as raw bytes relative to O(source), a NUL after each. C(.) is the folder
        itself.
      - A folder that is listed gets its owner, mode and times, and nothing of what is below it. A folder that has to be
        there and is not listed is made for root alone.
      - List all names of a file with several names, or the link between them is lost.
      - If it is not given, everything in the tree is sent.
    type: path
  incident:
    description:
      - The incident that this belongs to. A file that was cut off waits for the next try in a folder
        C(.labops-aside-INCIDENT.partial) beside its place, which no pull takes along. It goes when the file is whole.
    type: str
    required: true
  compare:
    description:
      - What tells that a listed file is there already.
      - V(nothing) sends every listed file, also one that has the same size and time there. Only what differs goes over
        the line, but each file is read and written on both sides. Take it when damaged files are in the place.
      - V(size_and_time) leaves out what has the same size and the same time to the nanosecond. It is right when what is
        damaged was moved aside before, or nothing is there.
    type: str
    choices: [nothing, size_and_time]
    default: nothing
  manifest:
    description:
      - A content manifest. Before anything is sent, each listed file is read and must have the size and SHA-256, each
        symbolic link the target, that stand there.
      - Give it for a mirror, whose files may have rotted since they were verified.
    type: path
  identity_file:
    description: The private ssh key, needed for a remote destination. No character that a shell would have to quote.
    type: path
  known_hosts_file:
    description: The pinned ssh host keys, needed for a remote destination. A host that is not in it is refused.
    type: path
  port:
    description: The port of the destination's ssh server.
    type: int
    default: 22
  skip_attributes:
    description: Extended attributes that stay at the destination as they are, such as C(btrfs.compression).
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds without any sign of the other side after which rsync gives up; V(0) waits for ever.
    type: int
    default: 600
  stall_seconds:
    description: End rsync when it has told of no progress for so many seconds; V(0) for never.
    type: int
    default: 3600
  retries:
    description: How often to try again when the line is cut.
    type: int
    default: 3
  retry_wait:
    description: Seconds to wait before each.
    type: float
    default: 30.0
  lock:
    description:
      - A lock file that is held by the module, and by rsync as long as it lives. When another process holds it, the
        module fails at once.
    type: path
  progress_file:
    description:
      - A JSON document that tells once a second how far it has come, with C(bytes), C(total_bytes) and C(seconds_left).
    type: path
notes:
  - Needs rsync 3.2.7 or later and root on both sides; seen to work with 3.2.7 of Debian 12 and with 3.5.0.
  - rsync leaves out without a word what begins with C(#) or C(;) in a list. This module sends it.
seealso:
  - module: labops.backup.borg_extract
  - module: labops.backup.file_aside
  - module: labops.backup.rsync_pull
"""

EXAMPLES = r"""
- name: Send what was lost of the blobs
  labops.backup.rsync_push:
    source: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10/blobs
    destination: labops-restore@tatchu.example.org::blobs/
    files_from: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10/blobs.restore
    incident: 20261124T081500Z-4d2a10
    compare: size_and_time
    identity_file: /run/labops-backup/restore/20261124T081500Z-4d2a10/key
    known_hosts_file: /etc/labops-backup/ssh/known_hosts
"""

RETURN = r"""
files:
  description: Files that are listed. Files are all entries but directories.
  returned: success
  type: int
  sample: 1200
bytes:
  description: Size in bytes of the listed regular files; of several names of one file the first counts.
  returned: success
  type: int
  sample: 734003200
created:
  description: Entries that the destination did not have, directories included. In check mode what would be created.
  returned: success
  type: int
  sample: 1180
changed_files:
  description: Files that were written again, or linked to another name of theirs.
  returned: success
  type: int
  sample: 12
metadata:
  description: Entries of which only the metadata was mended.
  returned: success
  type: int
  sample: 8
sent_bytes:
  description: Size in bytes of the regular files that were sent.
  returned: success
  type: int
  sample: 734003200
literal_bytes:
  description: What of it went over the line, because the destination did not have it.
  returned: success
  type: int
  sample: 734003200
retries:
  description: How often it was tried again.
  returned: success
  type: int
  sample: 0
seconds:
  description: How long it took, retries included, in seconds.
  returned: success
  type: float
  sample: 12.8
warnings:
  description: Tries that failed.
  returned: success
  type: list
  elements: str
  sample: []
kind:
  description: The class of the failure, V(partial), V(vanished), V(connection) or V(failed).
  returned: when rsync failed
  type: str
  sample: connection
rc:
  description: The exit code of rsync.
  returned: when rsync failed
  type: int
  sample: 12
problems:
  description: The first 20 listed files that do not hold what O(manifest) says.
  returned: when there are any
  type: list
  elements: str
problem_count:
  description: All of them.
  returned: when there are any
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _push
from ansible_collections.labops.backup.plugins.module_utils._arguments import OPERATION
from ansible_collections.labops.backup.plugins.module_utils._model import _aside
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _rsync

ARGUMENT_SPEC: dict[str, t.Any] = {
    **OPERATION,
    "source": {"type": "path", "required": True},
    "destination": {"type": "str", "required": True},
    "files_from": {"type": "path"},
    "incident": {"type": "str", "required": True},
    "compare": {"type": "str", "choices": ["nothing", "size_and_time"], "default": "nothing"},
    "manifest": {"type": "path"},
    "identity_file": {"type": "path"},
    "known_hosts_file": {"type": "path"},
    "port": {"type": "int", "default": 22},
    "timeout": {"type": "int", "default": 600},
    "skip_attributes": {"type": "list", "elements": "str", "default": []},
    "stall_seconds": {"type": "int", "default": 3600},
    "retries": {"type": "int", "default": 3},
    "retry_wait": {"type": "float", "default": 30.0},
    "lock": {"type": "path"},
    "progress_file": {"type": "path"},
}


_OF_RSYNC = ("source", "destination", "files_from", "identity_file", "known_hosts_file", "port", "timeout")
_OF_THE_REQUEST = ("manifest", "lock", "progress_file", "stall_seconds", "retries", "retry_wait")


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    push = _rsync.Push(
        **{name: options[name] for name in _OF_RSYNC},
        partial_dir=_aside.partial(options["incident"]),
        rewrite=options["compare"] == "nothing",
        skip_attributes=tuple(options["skip_attributes"]),
    )
    request = _push.Request(push=push, **{name: options[name] for name in _OF_THE_REQUEST})
    return _push.push(request, dry_run=module.check_mode)


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
