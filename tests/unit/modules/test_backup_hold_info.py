# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.modules import backup_hold_info

RunModule = t.Callable[..., dict[str, t.Any]]
HOLD = {"source": "tatchu", "incident": "20261123T091500Z-5be1d0", "since": "2026-11-23T09:15:02Z", "reason": ""}


@pytest.mark.parametrize("check_mode", [False, True])
def test_it_tells_the_holds_there_are_in_check_mode_or_not(
    run_module_main: RunModule, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    _document.write(str(tmp_path / "tatchu.json"), HOLD)
    paths = [str(tmp_path / "meg.json"), str(tmp_path / "tatchu.json")]
    told = run_module_main(backup_hold_info, {"paths": paths}, check_mode=check_mode)
    assert (told["changed"], told["holds"]) == (False, [HOLD])
    assert [path.name for path in tmp_path.iterdir()] == ["tatchu.json"]


def test_what_is_no_hold_is_told(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    (tmp_path / "tatchu.json").write_text("[]")
    assert (
        "is JSON but not an object"
        in run_module_main(backup_hold_info, {"paths": [str(tmp_path / "tatchu.json")]})["msg"]
    )
