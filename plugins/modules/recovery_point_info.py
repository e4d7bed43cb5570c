#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the recovery points of a source, and find the one that is meant."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point_info
short_description: List the recovery points of a source, and find the one that is meant
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - A recovery point exists if and only if its seal, the archive C(point-ID), is in the repository. Other archives there
    are ignored.
  - What a seal says is read from the cache if that holds the document of this very archive, and from the archive
    otherwise. A damaged cache is made anew. The cache of a point that is gone is ignored.
  - A seal that cannot be read does not hide the others; it is returned in RV(unreadable), with a warning.
  - Filling the cache counts as no change. Check mode leaves the cache alone.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE, labops.backup._borg]
options:
  cache_dir:
    description: The folder of the cache. Created with mode 0700 if it is absent.
    type: path
    required: true
  select:
    description:
      - The one point that is meant; it is an error if there is none.
      - V(latest) is the newest complete point.
      - An identifier is that point, complete or partial.
      - A time, ISO 8601 with a zone, is the newest complete point whose dump began before it.
      - A point that is dated more than an hour ahead of the host's clock is chosen by its identifier only; a warning
        names those that were passed over.
    type: str
  refresh:
    description: Read every seal from its archive.
    type: bool
    default: false
seealso:
  - module: labops.backup.recovery_point
"""

EXAMPLES = r"""
- name: Find the newest state from before the accident
  labops.backup.recovery_point_info:
    repository: /srv/backup/borg/tatchu/points
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    cache_dir: /var/lib/labops-backup/recovery_points/tatchu
    select: "2026-11-23T14:00:00+01:00"
  register: before
"""

RETURN = r"""
points:
  description:
    - The points, newest first, each with what its C(point.json) says and, as C(seal), the C(archive), C(archive_id)
      and C(repository_id) of its seal.
  returned: success
  type: list
  elements: dict
selected:
  description: The point that O(select) means.
  returned: when O(select) is given
  type: dict
unreadable:
  description: The C(point), C(archive) and C(reason) of each seal that could not be read.
  returned: success
  type: list
  elements: dict
"""

import typing as t
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _arguments, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._model import _point
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_arguments.BORG,
    "cache_dir": {"type": "path", "required": True},
    "select": {"type": "str"},
    "refresh": {"type": "bool", "default": False},
}


def _list(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    listing = _recovery_points.read(
        _borg.Repository.of(options), options["cache_dir"], refresh=options["refresh"], keep=not module.check_mode
    )
    for warning in listing.warnings:
        module.warn(warning)
    if listing.lost:
        module.warn(_recovery_points.loss(listing.lost, options["repository"], options["cache_dir"]))
    for entry in listing.unreadable:
        module.warn(f"The seal {entry['archive']} in {options['repository']} cannot be read: {entry['reason']}")
    result: dict[str, t.Any] = {"points": listing.points, "unreadable": listing.unreadable}
    if options["select"] is not None:
        now = datetime.now(UTC)
        result["selected"] = _recovery_points.select(listing, options["select"], now)
        late = _point.passed_over(listing.points, options["select"], now)
        if late:
            module.warn(
                f"{result['selected']['point']} is chosen, because by the clock of this host these recovery points are "
                f"dated in the future: {', '.join(late)}. {_point.AHEAD_REMEDY}."
            )
    return result


def main() -> None:
    run_module(ARGUMENT_SPEC, _list)


if __name__ == "__main__":
    main()
