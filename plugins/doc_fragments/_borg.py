# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Options of every module that opens a Borg repository; the specification is C(BORG) in module_utils/_arguments.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Which repository, with which passphrase, by which Borg."""

    DOCUMENTATION = r"""
options:
  repository:
    description:
      - Absolute path of the repository on this host.
      - Other kinds of address are refused, and so are paths that hold C(::), C({) or C(}), which Borg would interpret.
    type: path
    required: true
  passphrase_file:
    description:
      - Absolute path of the file that holds the passphrase on one line. One newline at its end does not belong to it.
      - It must belong to root or to the user who runs the module, and be readable by nobody else.
      - Borg gets the passphrase through a descriptor, so that it shows in no argument list and no environment.
    type: path
    required: true
  base_dir:
    description:
      - Absolute path of C(BORG_BASE_DIR), where Borg keeps its caches and remembers which repository was seen where.
        Created with mode 0700 if it is absent.
      - Use one folder for everybody who works with a repository on this host. With another one Borg reads every file of
        the next archive again.
    type: path
    required: true
  executable:
    description:
      - Borg itself, by an absolute path, or by a name that is looked up in the system's folders for programs.
      - Borg 1.2 (at least 1.2.0) and 1.4 are supported, anything else is refused.
    type: str
    default: borg
  lock_wait:
    description: How many seconds to wait until another Borg frees the repository.
    type: int
    default: 60
requirements:
  - Borg 1.2 or 1.4
  - a systemd machine id (C(/etc/machine-id)), from which the host's name in Borg's locks is derived
notes:
  - Borg runs with a fixed environment (UTC, UTF-8, C(BORG_EXIT_CODES=modern), no access to a repository that has moved
    or is unexpectedly unencrypted). Nothing is inherited from the caller.
  - A repository that was last seen at another path is refused; open it once by hand to accept the move.
"""
