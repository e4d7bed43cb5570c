#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count what a pull would create, change and delete."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rsync_census_info
short_description: Count what a pull would create, change and delete
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - The dry run before a pull. It walks both trees, lists only differences, and writes nothing.
  - A census shows sizes and times. It proves nothing about content.
  - Files are all entries but directories, unless it says otherwise.
  - A file whose place another kind of entry takes counts as changed, although rsync itself calls the new entry created.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._attributes.INFO_MODULE
  - labops.backup._rsync
seealso:
  - module: labops.backup.rsync_pull
"""

EXAMPLES = r"""
- name: See what tonight's pull of the blobs would do
  labops.backup.rsync_census_info:
    source: labops-pull@tatchu.example.org::blobs/
    destination: /srv/backup/mirror/tatchu/blobs
    identity_file: /etc/labops-backup/ssh/tatchu
    known_hosts_file: /etc/labops-backup/ssh/known_hosts
  register: census

- name: Show files that would be deleted
  ansible.builtin.debug:
    var: census.examples_deleted
"""

RETURN = r"""
created:
  description: Files that the mirror does not have.
  returned: success
  type: int
  sample: 42
created_directories:
  description: Directories that the mirror does not have.
  returned: success
  type: int
  sample: 3
changed_files:
  description: Files in the mirror that would be overwritten by something else.
  returned: success
  type: int
  sample: 1
metadata:
  description: Entries of which only owner, mode, times, ACL or extended attributes differ.
  returned: success
  type: int
  sample: 2
deleted:
  description: Entries that would be deleted, directories included; what C(--max-delete) counts.
  returned: success
  type: int
  sample: 0
deleted_files:
  description: Files among them.
  returned: success
  type: int
  sample: 0
files_on_source:
  description: Files on the source, after the filters.
  returned: success
  type: int
  sample: 1042
bytes_on_source:
  description: Their size in bytes.
  returned: success
  type: int
  sample: 73400320
entries_on_source:
  description: Entries by kind, C(reg), C(dir), C(link), C(dev) and C(special); a kind without any is left out.
  returned: success
  type: dict
  sample: {"reg": 1040, "dir": 17, "link": 2}
transfer_bytes:
  description: Size in bytes of the regular files that would be read anew. The delta algorithm may send less.
  returned: success
  type: int
  sample: 2097152
mirror_files:
  description: Files that the mirror holds now, after the filters.
  returned: success
  type: int
  sample: 1000
leaving_files:
  description: Files in the mirror that would be deleted or overwritten; what a quarantine would take.
  returned: success
  type: int
  sample: 1
leaving_bytes:
  description: Their size in bytes, each file of several names once.
  returned: success
  type: int
  sample: 70656
mirror_bytes:
  description: Size in bytes of what the mirror holds now, after the filters.
  returned: success
  type: int
  sample: 71303168
marker:
  description: The identifier in the source's marker, null without O(marker).
  returned: success
  type: str
  sample: 6f1c2a4be0d94a3f8b27c5d1e6a90f33
empty_source:
  description: Whether the source holds no file at all, but for its marker.
  returned: success
  type: bool
  sample: false
examples_deleted:
  description: At most 20 names of files that would be deleted; bytes that are not UTF-8 or not printable are escaped.
  returned: success
  type: list
  elements: str
  sample: []
examples_changed:
  description: At most 20 names of files that would be overwritten.
  returned: success
  type: list
  elements: str
  sample: [subject7/session.dat]
seconds:
  description: How long it took, in seconds.
  returned: success
  type: float
  sample: 1.31
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._pull import (
    MARKER_ARGUMENT,
    TRANSFER_ARGUMENTS,
    marker_from,
    take_census,
    transfer_from,
)


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Take the census."""
    return take_census(transfer_from(module.params), marker_from(module.params))


def main() -> None:
    """Run the module."""
    run_module({**TRANSFER_ARGUMENTS, "marker": MARKER_ARGUMENT}, work)


if __name__ == "__main__":
    main()
