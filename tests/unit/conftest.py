# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share."""

from __future__ import annotations

import json
import types
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def run_module_main(capsys: pytest.CaptureFixture[str]) -> RunModule:
    """Run a module's ``main()`` with options, as ansible-core would, and return what it reports.

    Use: ``run_module_main(borg_create, {"path": "/x"}, check_mode=True)``; a failed module returns ``failed``.
    """

    def run(module: types.ModuleType, options: dict[str, t.Any], *, check_mode: bool = False) -> dict[str, t.Any]:
        capsys.readouterr()
        arguments = {**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))

    return run
