# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The one way in which a module of this collection calls its logic and reports failure."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError


def run_module(
    argument_spec: dict[str, t.Any],
    work: t.Callable[[AnsibleModule], dict[str, t.Any]],
    *,
    supports_check_mode: bool = True,
    **keywords: t.Any,
) -> None:
    """Build the module, call ``work(module)`` and leave through its result; its ``warnings`` become Ansible's own.

    A :class:`BackupError` and an :class:`OSError` become a failure with a message that an operator can act
    on; anything else is a bug and keeps its traceback for ansible-core to report.
    """
    os.umask(0o077)
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=supports_check_mode, **keywords)
    try:
        result = work(module)
    except BackupError as error:
        module.fail_json(msg=error.message, **error.facts)
    except OSError as error:
        where = f" {error.filename!r}" if error.filename else ""
        module.fail_json(
            msg=f"{module._name}: the system refused{where}: {error.strerror or error}. Mend that and run again.",
            errno=error.errno,
        )
    result.setdefault("changed", False)
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**result)
