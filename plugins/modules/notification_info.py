#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether a host could speak to people."""

from __future__ import annotations

DOCUMENTATION = r"""
module: notification_info
short_description: Tell whether a host could speak to people
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Has Apprise read every URL that the role C(notification) wrote down, and tells how each went when it was last used.
    Nothing is sent.
  - With O(reach=true) it also connects to where they lead, and says nothing over that connection. What a service makes
    of a message, C(site.yml --tags notify_test) finds out.
  - The URLs themselves are not returned, nor the hosts in them, because they hold credentials.
extends_documentation_fragment: [labops.backup._attributes.INFO_MODULE]
options:
  program:
    description: The program by which the host speaks to people.
    type: path
    default: /usr/local/libexec/labops-backup/tell
  configuration:
    description: The folder of its lists, for O(reach).
    type: path
    default: /etc/labops-backup
  reach:
    description:
      - Connect to the host and port of each URL, by TLS where it begins with that, twice at most, with 10 seconds each.
      - For most services what stands in the place of a host is a secret. Where Apprise does not plainly say which host
        a URL leads to, only its form is judged.
      - Needs a Python that has Apprise, that of the job environment.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look whether an alarm would be heard
  labops.backup.notification_info:
  register: told

- name: Show what is wrong
  ansible.builtin.debug:
    var: told.problems

- name: Look also whether their services can be reached
  labops.backup.notification_info:
    reach: true
  vars:
    ansible_python_interpreter: /opt/labops-backup/current/bin/python
"""

RETURN = r"""
problems:
  description: One line for each thing that is wrong; empty when all is well.
  returned: success
  type: list
  elements: str
  sample: ["failure-2 (jsn): Apprise does not understand this URL"]
channels:
  description:
    - One entry a severity and URL, with its C(tag), C(severity), C(scheme), whether it is C(understood), the
      C(problem), and when it last took a message and failed to, C(last_success) and C(last_failure), in UTC or none.
    - With O(reach=true) also C(reached), none where only a message could tell, and C(why) not.
  returned: success
  type: list
  elements: dict
apprise:
  description: Whether an Apprise works on the host.
  returned: success
  type: bool
mail:
  description: Whether local mail is there for the case that no channel works.
  returned: success
  type: bool
ping:
  description: Whether a dead-man's switch is fed.
  returned: success
  type: bool
ping_problem:
  description: Why the dead-man's switch cannot be reached; empty when it can, or when there is none.
  returned: with O(reach=true)
  type: str
untold:
  description: What nobody could be told yet, each with C(at) and C(title).
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _notification
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "program": {"type": "path", "default": "/usr/local/libexec/labops-backup/tell"},
    "configuration": {"type": "path", "default": "/etc/labops-backup"},
    "reach": {"type": "bool", "default": False},
}


def _look(module: AnsibleModule) -> dict[str, t.Any]:
    return _notification.look(**module.params)


def main() -> None:
    run_module(ARGUMENT_SPEC, _look)


if __name__ == "__main__":
    main()
