# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The one way in which a module of this collection calls its logic and reports failure."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _operation

Work = t.Callable[[AnsibleModule], dict[str, t.Any]]
# What does not tell one operation from another.
_FOLLOWING = ("operation", "operation_begin", "operation_wait", "progress_file")


def run_module(
    argument_spec: dict[str, t.Any],
    work: Work,
    *,
    supports_check_mode: bool = True,
    once: bool = False,
    **keywords: t.Any,
) -> None:
    """Build the module, call ``work(module)`` and leave through its result; its ``warnings`` become Ansible's own.

    A :class:`BackupError` and an :class:`OSError` become a failure with a message that an operator can act
    on; anything else is a bug and keeps its traceback for ansible-core to report.

    :param once: as an operation it is not repeated once it has ended well, for its result stays.
    """
    os.umask(0o077)
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=supports_check_mode, **keywords)
    follow = module.params.get("operation") and not module.check_mode
    # Whatever the system refuses of the following itself is told in the same way as what it refuses the work.
    answer = _answered(module, lambda: _follow(module, work, once)) if follow else _ask(module, work)
    if "failure" in answer:
        module.fail_json(**answer["failure"])
    result = answer.get("result", answer)
    result.setdefault("changed", False)
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**result)


def _ask(module: AnsibleModule, work: Work) -> dict[str, t.Any]:
    """C(result) or C(failure)."""
    return _answered(module, lambda: {"result": work(module)})


def _answered(module: AnsibleModule, call: t.Callable[[], dict[str, t.Any]]) -> dict[str, t.Any]:
    """What a call gives, or C(failure) with what an operator can act on."""
    try:
        return call()
    except BackupError as error:
        return {"failure": {"msg": error.message, **error.facts}}
    except OSError as error:
        # Of a rename the second name is the one that people know.
        name = error.filename2 or error.filename
        where = f" {name!r}" if name else ""
        what = f"{module._name}: the system refused{where}: {error.strerror or error}. Mend that and run again."
        return {"failure": {"msg": what, "errno": error.errno}}


def _follow(module: AnsibleModule, work: Work, once: bool) -> dict[str, t.Any]:
    """Begin an operation, or go on following it; C(result), C(failure) or C(unfinished)."""
    options = module.params
    path = options["operation"]
    options["progress_file"] = path + _operation.PROGRESS
    told = {name: value for name, value in options.items() if name not in _FOLLOWING}
    identity = hashlib.sha256(json.dumps([module._name, told], sort_keys=True, default=str).encode()).hexdigest()
    return _operation.attend(
        path,
        identity,
        lambda: _ask(module, work),
        begin=options["operation_begin"],
        wait=options["operation_wait"],
        locks=[options["lock"]] if options.get("lock") else [],
        reuse=once,
    )
