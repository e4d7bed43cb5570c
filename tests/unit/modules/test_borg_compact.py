# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import borg_compact

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def options(recorded_borg: t.Any, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    (tmp_path / "r" / "data" / "0").mkdir(parents=True)
    (tmp_path / "r" / "data" / "0" / "1").write_bytes(bytes(5000))
    (tmp_path / "r" / "data" / "0" / "2").write_bytes(bytes(700))
    return {**recorded_borg.options, "repository": str(tmp_path / "r"), "lock": str(tmp_path / "lock")}


def test_what_was_freed_is_measured(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    recorded_borg.during = (tmp_path / "r" / "data" / "0" / "1").unlink
    recorded_borg.will("compact")
    result = run_module_main(borg_compact, options)
    assert (result["changed"], result["bytes_before"], result["bytes_after"]) == (True, 5700, 700)
    assert result["freed_bytes"] == 5000
    assert recorded_borg.verbs == [["--progress", "compact", options["repository"]]]
    assert len(recorded_borg.calls[0]["pass_fds"]) == 1 and recorded_borg.calls[0]["stall_seconds"] == 3600


def test_nothing_to_free_is_no_change(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    recorded_borg.during = lambda: (tmp_path / "r" / "hints").write_bytes(b"more")  # type: ignore[func-returns-value]
    recorded_borg.will("compact")
    result = run_module_main(borg_compact, options)
    assert (result["changed"], result["freed_bytes"]) == (False, 0)


def test_check_mode_opens_the_repository_only(
    recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    recorded_borg.will("list")
    assert run_module_main(borg_compact, options, check_mode=True)["changed"]
    assert [words[0] for words in recorded_borg.verbs] == ["list"]
    assert not (tmp_path / "lock").exists()


def test_a_failure(recorded_borg: t.Any, run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    recorded_borg.will("locked")
    result = run_module_main(borg_compact, options)
    assert (result["failed"], result["msgid"]) == (True, "LockTimeout") and "No archive was removed" in result["msg"]
