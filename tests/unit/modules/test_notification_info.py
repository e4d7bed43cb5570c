# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import notification_info

RunModule = t.Callable[..., dict[str, t.Any]]

ANSWER = {
    "apprise": True,
    "mail": False,
    "ping": True,
    "untold": [],
    "channels": [
        {
            "tag": "failure-1",
            "severity": "failure",
            "scheme": "jsn",
            "understood": False,
            "problem": "Apprise does not understand this URL",
            "last_success": None,
            "last_failure": None,
        }
    ],
}


def program(folder: pathlib.Path, answer: str, code: int = 0) -> str:
    path = folder / "tell"
    path.write_text(f"#!/bin/sh\n[ \"$*\" = --check ] || exit 64\ncat <<'TEXT'\n{answer}\nTEXT\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("check_mode", [False, True])
def test_it_looks_and_sends_nothing_in_check_mode_too(
    run_module_main: RunModule, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    asked = {"program": program(tmp_path, json.dumps(ANSWER))}
    found = run_module_main(notification_info, asked, check_mode=check_mode)
    assert not found["changed"]
    assert found["problems"] == ["failure-1 (jsn): Apprise does not understand this URL"]
    assert {name: found[name] for name in ANSWER} == ANSWER


@pytest.mark.parametrize(("answer", "code"), [("no JSON", 0), ("{}", 0), ("", 1)])
def test_another_answer_than_expected_is_refused(
    run_module_main: RunModule, tmp_path: pathlib.Path, answer: str, code: int
) -> None:
    found = run_module_main(notification_info, {"program": program(tmp_path, answer, code)})
    assert found["failed"] and "site.yml" in found["msg"]


def test_a_host_without_the_program_is_told_so(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    found = run_module_main(notification_info, {"program": str(tmp_path / "tell")})
    assert found["failed"] and "tell could not be started" in found["msg"]
