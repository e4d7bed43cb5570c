# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What the modules about earlier backups share."""

from __future__ import annotations


class ModuleDocFragment:
    """What is of the past, and what is not."""

    DOCUMENTATION = r"""
options:
  addresses:
    description:
      - Addresses, networks and host names that are known to be of the past.
      - Without them, any literal address counts that is not in O(known), in text that speaks of rsync, of Borg, of
        backups or of a host in O(known). Addresses of loopback, links, multicast and documentation never count then.
    type: list
    elements: str
    default: []
  known:
    description: Addresses, networks and names that are of the present, those of the inventory above all.
    type: list
    elements: str
    required: true
  peers:
    description: Names of the other hosts of the inventory. A key that bears one may be one of earlier backups.
    type: list
    elements: str
    default: []
  paths:
    description: Absolute paths of further files and folders to look at.
    type: list
    elements: path
    default: []
"""
