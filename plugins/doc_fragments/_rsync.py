# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The options that describe a transfer from a source to its mirror."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that reads a source with rsync."""

    DOCUMENTATION = r"""
options:
  source:
    description:
      - What to read, C(account@host::module/) for the read-only endpoint of a source, spoken to through ssh, or an
        absolute directory of this host.
      - The directory's content is meant, and its own owner, mode and times.
    type: str
    required: true
  destination:
    description:
      - The mirror, an absolute directory. When it does not exist, the pull makes it; the directory that holds it must
        exist, and should be closed to everybody but root, because the mirror takes over owners and modes of the source.
      - A file that was cut off waits in O(destination) with C(.partial) added to its name, outside the mirror, one that
        is coming grows in the same with C(.temporary), and one that the pull goes on with lies in C(.resume). These
        directories are removed when the pull is complete. Only a file that the mirror lacks is gone on with; one that
        replaces an older version is sent as its difference to that version.
    type: path
    required: true
  identity_file:
    description: The private ssh key, needed for a remote source. No character that a shell would have to quote.
    type: path
  known_hosts_file:
    description: The pinned ssh host keys, needed for a remote source. A host that is not in it is refused.
    type: path
  port:
    description: The port of the source's ssh server.
    type: int
    default: 22
  filters:
    description:
      - Rules C(+ PATTERN) and C(- PATTERN), the first match wins; see FILTER RULES in C(man rsync).
    type: list
    elements: str
    default: []
  marker:
    description:
      - Refuse when the root of the source does not hold the marker of this dataset, as the role
        P(labops.backup.rsync_source#role) writes it. Then its file system is probably not mounted, or another one is.
      - The identifier in the first marker that a mirror sees is written into its generation document, and another one
        is refused from then on.
      - The marker is a file of the source like any other. O(filters) must not leave it out.
    type: dict
    suboptions:
      name:
        description: Its name at the root of the source.
        type: str
        default: .labops-backup-dataset
      source:
        description: The source that it must name.
        type: str
        required: true
      dataset:
        description: The dataset that it must name.
        type: str
        required: true
  skip_attributes:
    description:
      - Extended attributes that are not mirrored, such as C(btrfs.compression) or C(btrfs.*), because the mirror's file
        system refuses them. Those in C(system.*) never are; ACLs are mirrored as such.
    type: list
    elements: str
    default: []
  delete_excluded:
    description: Delete from the mirror what the filters exclude. Otherwise it stays there.
    type: bool
    default: false
  prune_empty_dirs:
    description: Leave out directories in which no file is left after the filters.
    type: bool
    default: false
  timeout:
    description:
      - Seconds without any sign of the other side after which rsync gives up. It measures lack of progress, not
        duration; zero waits for ever.
    type: int
    default: 600
  stall_seconds:
    description:
      - End rsync and its ssh when none of their processes has used processor time, read or written anything for so many
        seconds, for instance because a disk hangs or one of them was stopped. It measures lack of progress, not
        duration; zero waits for ever.
      - The standstill ends after at most twice that time.
    type: int
    default: 3600
notes:
  - Needs rsync 3.2.7 or later and root on both sides; seen to work with 3.5.0.
  - Hard links, ACLs, extended attributes, holes, numeric owners, modes and times to the nanosecond are mirrored, and so
    are FIFOs, devices and sockets. Borg skips sockets without a word, so an archive may lack sockets of its mirror.
  - Without O(filters) no name is left out, but for what a restore has put aside, C(.labops-aside-*) at the root, or was
    cut off in, C(.labops-aside-*.partial).
  - rsync compares sizes and times, not content. A file that changed without either is not noticed.
"""
