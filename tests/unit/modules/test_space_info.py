# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.modules import space_info

RunModule = t.Callable[..., dict[str, t.Any]]


def test_a_path_that_is_not_there_is_judged_by_its_nearest_folder_in_check_mode_too(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    asked = {"paths": [str(tmp_path), str(tmp_path / "a" / "b")]}
    there, absent = run_module_main(space_info, asked, check_mode=True)["spaces"]
    assert there["present"] and not absent["present"]
    assert absent["existing"] == str(tmp_path) and absent["device"] == tmp_path.stat().st_dev == there["device"]
    assert (there["missing"], absent["missing"]) == ([], [str(tmp_path / "a"), str(tmp_path / "a" / "b")])
    assert tmp_path.is_relative_to(absent["mount"]) and absent["mount"] == there["mount"]
    assert 0 < absent["free_bytes"] <= absent["total_bytes"] and absent["writable"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_is_read_only_is_not_writable(run_module_main: RunModule) -> None:
    assert not run_module_main(space_info, {"paths": ["/proc/sys/kernel/random"]})["spaces"][0]["free_bytes"]
