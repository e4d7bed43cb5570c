# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What a host is asked to tell about itself; the specification is C(FACTS) in _arguments.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The trees that matter, and what is of the past."""

    DOCUMENTATION = r"""
options:
  datasets:
    description:
      - The protected trees of this host, to tell whether each is there, has room, and takes a file, which is tried.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the dataset.
        type: str
        required: true
      path:
        description: Its absolute path on this host.
        type: path
        required: true
  past:
    description:
      - The lists C(addresses), C(known) and C(peers), as M(labops.backup.legacy_info) takes them, to tell how much of
        earlier backups is left on this host. Without C(known) nobody looks.
    type: dict
    default: {}
"""
