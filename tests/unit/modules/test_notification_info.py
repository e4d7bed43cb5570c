# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import socket
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


def channel(tag: str, understood: bool = True) -> dict[str, t.Any]:
    usual = {"severity": tag.split("-")[0], "scheme": "json", "last_success": None, "last_failure": None}
    return {**usual, "tag": tag, "understood": understood, "problem": "" if understood else "not understood"}


@pytest.mark.parametrize("check_mode", [False, True])
def test_it_connects_to_where_urls_lead_and_shows_none_of_them_in_check_mode_too(
    run_module_main: RunModule, tmp_path: pathlib.Path, check_mode: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    tags = ["failure-1", "failure-2", "warning-1", "recovery-1"]
    answer = {**ANSWER, "channels": [*map(channel, tags), channel("failure-3", understood=False)]}
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        urls = {
            "failure-1": f"json://127.0.0.1:{somebody.getsockname()[1]}/secret-of-ours",
            "failure-2": f"json://127.0.0.1:{nobody}/secret-of-ours",
            "failure-3": "nosuch://secret-of-ours",
            "warning-1": "rsyslog://127.0.0.1",
            "recovery-1": f"json://127.0.0.1:{nobody}/secret-of-ours-too",
        }
        lines = [f"- {url}:\n  - tag: [{tag.split('-')[0]}, {tag}]\n" for tag, url in urls.items()]
        (tmp_path / "notify.yml").write_text("version: 1\nurls:\n" + "".join(lines))
        told = {"schema_version": 1, "ping_url": f"http://127.0.0.1:{nobody}/secret-of-ours"}
        (tmp_path / "tell.json").write_text(json.dumps(told))
        asked = {"program": program(tmp_path, json.dumps(answer)), "configuration": str(tmp_path), "reach": True}
        found = run_module_main(notification_info, asked, check_mode=check_mode)
    assert not found["changed"]
    assert {one["tag"]: one["reached"] for one in found["channels"]} == {
        **{"failure-1": True, "failure-2": False, "failure-3": None, "warning-1": None, "recovery-1": False}
    }
    assert found["problems"] == [
        "failure-2 (json): the connection is refused",
        "recovery-1 (json): the connection is refused",
        "failure-3 (json): not understood",
        "the dead-man's switch: the connection is refused",
    ]
    assert "secret" not in json.dumps(found) and "127.0.0.1" not in json.dumps({**found, "invocation": None})
