#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what a backup server knows about itself as metrics and as a page."""

from __future__ import annotations

DOCUMENTATION = r"""
module: monitoring_publish
short_description: Write what a backup server knows about itself as metrics and as a page
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Reads the ledger, the recovery points, the quarantines, the journals of incidents, and what checks, drills and
    readiness left behind. Contacts no other host.
  - Writes the metrics as a file for the textfile collector of Prometheus' node exporter, and the report as one HTML
    page that needs nothing else. Each replaces the one before wholly.
  - What cannot be read is named in RV(problems), in the report and in the metrics, and hides nothing else. When one of
    the two files cannot be written, the other one is.
  - Also keeps a figure a day of the room on the disk, in C(STATE_DIR/disk.json), for the forecast.
extends_documentation_fragment: [labops.backup._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Each run writes ages anew.
  idempotent:
    support: none
    details: Each run writes ages anew.
options:
  server:
    description: The name of this server in the inventory.
    type: str
    required: true
  release:
    description: The version of the collection.
    type: str
    default: ""
  sources:
    description: The entries of P(labops.backup.plan#filter) that this server keeps.
    type: list
    elements: dict
    required: true
  state_dir:
    description: The folder with the ledger, the journals and the evidence.
    type: path
    default: /var/lib/labops-backup
  metrics_file:
    description: Where the metrics go. The node exporter's textfile collector takes names that end in C(.prom).
    type: path
    required: true
  report_file:
    description: Where the report goes.
    type: path
    required: true
  template:
    description: The Jinja2 template of the report, on this host. The job environment brings it.
    type: path
    required: true
  point_max_age_hours:
    description: From how many hours on the newest complete recovery point, and a pull, are too old in the report.
    type: float
    default: 36
  check_max_age_days:
    description: From how many days on the last whole check of a dataset is too old in the report.
    type: float
    default: 35
  drill_max_age_days:
    description: From how many days on the last drill is too old in the report.
    type: float
    default: 40
  readiness_max_age_hours:
    description: From how many hours on the last verdict on readiness is too old in the report.
    type: float
    default: 50
requirements:
  - prometheus_client
  - pygal
  - Jinja2
seealso:
  - module: labops.backup.run_record_info
  - module: labops.backup.recovery_point_info
"""

EXAMPLES = r"""
- name: Publish
  labops.backup.monitoring_publish:
    server: loki
    sources: "{{ backup_plan | selectattr('server', 'eq', 'loki') }}"
    metrics_file: /var/lib/labops-backup/metrics/labops_backup.prom
    report_file: /var/lib/labops-backup/report/index.html
    template: /root/report.html.j2
  vars:
    ansible_python_interpreter: /opt/labops-backup/current/bin/python
"""

RETURN = r"""
problems:
  description: What could not be read or written.
  returned: success
  type: list
  elements: str
  sample: ["recovery points of tatchu: the repository is locked"]
unreadable:
  description: C(path) and C(reason) of each document that could not be understood.
  returned: success
  type: list
  elements: dict
verdict:
  description: What the report says first, C(kind) (V(ok), V(warn), V(fail) or V(none)), C(word) and C(sentence).
  returned: when the report could be made
  type: dict
"""

import typing as t
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _publish, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

# Another Borg at work must not keep a job from its end.
_LOCK_WAIT_SECONDS = 10

ARGUMENT_SPEC: dict[str, t.Any] = {
    "server": {"type": "str", "required": True},
    "release": {"type": "str", "default": ""},
    "sources": {"type": "list", "elements": "dict", "required": True},
    "state_dir": {"type": "path", "default": "/var/lib/labops-backup"},
    "metrics_file": {"type": "path", "required": True},
    "report_file": {"type": "path", "required": True},
    "template": {"type": "path", "required": True},
    "point_max_age_hours": {"type": "float", "default": 36},
    "check_max_age_days": {"type": "float", "default": 35},
    "drill_max_age_days": {"type": "float", "default": 40},
    "readiness_max_age_hours": {"type": "float", "default": 50},
}


def _points(source: t.Mapping[str, t.Any]) -> _recovery_points.Known:
    def opened(path: str) -> _borg.Repository:
        return _borg.Repository.of({"repository": path, "lock_wait": _LOCK_WAIT_SECONDS, **source["borg"]})

    return _recovery_points.known(opened, source["points_repository"], source["points_cache"])


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    facts = _publish.collect(
        server=options["server"],
        release=options["release"],
        now=datetime.now(UTC),
        state_dir=options["state_dir"],
        sources=options["sources"],
        points={source["name"]: _points(source) for source in options["sources"]},
        limits={
            "point_hours": options["point_max_age_hours"],
            "check_days": options["check_max_age_days"],
            "drill_days": options["drill_max_age_days"],
            "readiness_hours": options["readiness_max_age_hours"],
        },
    )
    return _publish.publish(
        facts,
        metrics_file=options["metrics_file"],
        report_file=options["report_file"],
        template=options["template"],
        state_dir=options["state_dir"],
        dry=module.check_mode,
    )


def main() -> None:
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()
