#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop those who write to the protected trees, and keep them from starting again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: writer_fence
short_description: Stop those who write to the protected trees, and keep them from starting again
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Stops units, timers and containers and takes crontabs away, or brings everything back as it was.
  - A unit gets a drop-in C(/etc/systemd/system/UNIT.d/zz-labops-fence.conf) with an assertion that never holds, so that
    whoever starts it is refused, also at the start of the host. C(systemctl mask) would not do, since it refuses units
    whose file lies in C(/etc/systemd/system), where a site's own ones lie (systemd 252). Whether a unit is enabled is
    not touched. A unit that does not exist yet is kept from being started when it comes.
  - A crontab is kept in O(record) byte by byte, with owner, mode and time, and removed from its place. One that is
    written anew meanwhile is put beside the record, and a warning names it. A job that cron had started before goes
    on; M(labops.backup.write_activity_info) finds it.
  - A container is stopped. With Docker its restart policy is C(no) meanwhile. With Podman C(podman-restart.service) is
    kept from being started. Containers that a user runs without root are not seen; name the unit that runs them.
  - How everything was is written into O(record), durably, before anything is changed, and is never overwritten; what
    is named later is added. An interrupted run is finished by running the module again, in either direction.
extends_documentation_fragment:
  - labops.backup._attributes
attributes:
  check_mode:
    support: full
    details: RV(holds) then says whether the fence holds at this moment.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - Whether the fence is to be up. At the release everything that is in the record is brought back, whatever the
        other options name.
    type: str
    choices: [fenced, released]
    default: fenced
  record:
    description: Where it is written down how everything was before; the folder is made. It exists as long as the fence.
    type: path
    required: true
  units:
    description: Units with their kind, such as C(datajoint-worker.service), in the order in which they are started.
    type: list
    elements: str
    default: []
  timers:
    description: Units of timers. They are stopped before, and started after O(units).
    type: list
    elements: str
    default: []
  crontabs:
    description: Users whose crontab, and absolute paths of files, such as one in C(/etc/cron.d), which are taken away.
    type: list
    elements: str
    default: []
  containers:
    description: Names of containers of the system's Podman or Docker.
    type: list
    elements: str
    default: []
  stop_seconds:
    description: How long a unit or a container may take to stop before it is killed.
    type: float
    default: 30
seealso:
  - module: labops.backup.db_fence
  - module: labops.backup.write_activity_info
"""

EXAMPLES = r"""
- name: Stop who writes
  labops.backup.writer_fence:
    record: /var/lib/labops-backup/incident/writers.json
    units: [datajoint-worker.service]
    crontabs: [anna, /etc/cron.d/lab-pipeline]

- name: Let them write again
  labops.backup.writer_fence:
    state: released
    record: /var/lib/labops-backup/incident/writers.json
"""

RETURN = r"""
holds:
  description: Whether the fence is up with nothing in RV(problems).
  returned: success
  type: bool
since:
  description: When the fence was put up, null when it is not (check mode).
  returned: O(state=fenced)
  type: str
units:
  description: All units and timers that are kept from being started, or would be.
  returned: O(state=fenced)
  type: list
  elements: str
crontabs:
  description: Paths of the crontabs that are away, or that were brought back, or would be.
  returned: success
  type: list
  elements: str
containers:
  description: The containers that are stopped; at the release those that were started, or would be.
  returned: success
  type: list
  elements: str
stopped:
  description: Units and containers that this run stopped.
  returned: O(state=fenced)
  type: list
  elements: str
missing:
  description: What was named and does not exist on this host.
  returned: O(state=fenced)
  type: list
  elements: str
problems:
  description: Why the fence does not hold.
  returned: O(state=fenced)
  type: list
  elements: str
started:
  description: Units that ran before the fence and run again, or would.
  returned: O(state=released)
  type: list
  elements: str
failed:
  description: What does not run again although it did before.
  returned: failure of O(state=released)
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _fence_writers
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["fenced", "released"], "default": "fenced"},
    "record": {"type": "path", "required": True},
    "units": {"type": "list", "elements": "str", "default": []},
    "timers": {"type": "list", "elements": "str", "default": []},
    "crontabs": {"type": "list", "elements": "str", "default": []},
    "containers": {"type": "list", "elements": "str", "default": []},
    "stop_seconds": {"type": "float", "default": 30},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    request = _fence_writers.request(module.params)
    work = _fence_writers.fence if module.params["state"] == "fenced" else _fence_writers.release
    return work(request, dry_run=module.check_mode)


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
