# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that follows an operation: what it asks for, what it shows, and how it gets over a lost line."""

from __future__ import annotations

import typing as t
from unittest import mock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.labops.backup.plugins.plugin_utils import _long_running

Answer = dict[str, t.Any]


class Host:
    """Answers the calls of a task one after the other, or loses the line."""

    terminal = False

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Answer | Exception, **arguments: t.Any) -> None:
        self.calls: list[Answer | None] = []
        self.slept: list[float] = []
        self._answers = list(answers)
        task = mock.Mock(args=arguments, check_mode=False, async_val=0)
        task.get_name.return_value = "Push it"
        self.plugin = _long_running.ActionModule(task, mock.Mock(), mock.Mock(), None, None, None)
        self.display = mock.Mock(columns=100)
        monkeypatch.setattr(_long_running, "_terminal", lambda: self.terminal)
        monkeypatch.setattr(self.plugin, "_display", self.display)
        monkeypatch.setattr(self.plugin, "_execute_module", self._execute)
        monkeypatch.setattr(_long_running.time, "sleep", self.slept.append)
        monkeypatch.setattr(_long_running.ActionBase, "run", lambda *_words: {})

    def _execute(self, *, module_args: Answer | None = None, task_vars: t.Any = None) -> Answer:
        self.calls.append(module_args)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def reset(self) -> int:
        return int(self.plugin._connection.reset.call_count)


GOES_ON = {
    "unfinished": True,
    "begun": True,
    "progress": {"bytes": 5_000_000, "total_bytes": 10_000_000, "seconds_left": 4.0},
}
DONE = {"changed": True, "files": 3}


def test_without_an_operation_the_module_just_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, DONE, source="/a")
    assert host.plugin.run(None, {}) == DONE
    assert host.calls == [None]


def test_the_first_call_begins_and_the_others_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, GOES_ON, GOES_ON, DONE, operation="/run/x", source="/a")
    assert host.plugin.run(None, {}) == DONE
    assert [call and call["operation_begin"] for call in host.calls] == [True, False, False]
    waits = [call["operation_wait"] for call in host.calls if call]
    assert waits == sorted(waits) and waits[0] < waits[-1] <= 15
    host.display.display.assert_called_once_with("  Push it: 50% of 9.5 MiB, about 4.0 s left")


def test_one_host_on_a_terminal_has_a_bar_that_is_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "terminal", True)
    further = {**GOES_ON, "progress": {**GOES_ON["progress"], "bytes": 10_000_000, "seconds_left": None}}
    host = Host(monkeypatch, GOES_ON, further, DONE, operation="/run/x")
    host.plugin.run(None, {"ansible_play_batch": ["one"]})
    drawn = [call.args[0] for call in host.display.display.call_args_list]
    assert all(call.kwargs == {"newline": False} for call in host.display.display.call_args_list)
    first = "  Push it: [############............] 50% of 9.5 MiB, about 4.0 s left"
    second = "  Push it: [########################] 100% of 9.5 MiB"
    assert drawn == ["\r" + first, "\r" + second.ljust(len(first)), "\r" + " " * len(second) + "\r"]
    assert [call["operation_wait"] for call in host.calls if call][-1] <= 3


def test_a_bar_is_no_longer_than_the_terminal_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "terminal", True)
    host = Host(monkeypatch, GOES_ON, DONE, operation="/run/x")
    host.display.columns = 40
    host.plugin.run(None, {})
    assert len(host.display.display.call_args_list[0].args[0]) == 1 + 39


def test_several_hosts_on_a_terminal_have_a_line_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "terminal", True)
    further = {**GOES_ON, "progress": {**GOES_ON["progress"], "bytes": 7_500_000}}
    host = Host(monkeypatch, GOES_ON, GOES_ON, further, DONE, operation="/run/x")
    host.plugin.run(None, {"ansible_play_batch": ["one", "two"]})
    lines = [call.args[0] for call in host.display.display.call_args_list]
    assert [line.split()[2] for line in lines] == ["50%", "75%"]


def test_where_nobody_sits_lines_are_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [{**GOES_ON, "progress": {**GOES_ON["progress"], "bytes": count * 100_000}} for count in range(1, 41)]
    host = Host(monkeypatch, *answers, DONE, operation="/run/x")
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr(_long_running.time, "monotonic", lambda: float(next(clock)))
    host.plugin.run(None, {})
    assert 2 <= host.display.display.call_count < 20


def test_a_name_cannot_move_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = {"unfinished": True, "begun": True, "progress": {"what": "load \x1b[2Jlab"}}
    host = Host(monkeypatch, odd, DONE, operation="/run/x")
    host.plugin.run(None, {})
    host.display.display.assert_called_once_with("  Push it: load \\x1b[2Jlab")


def test_what_still_runs_from_before_is_waited_for_and_then_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = {"unfinished": True, "begun": False, "progress": {}}
    host = Host(monkeypatch, waits, GOES_ON, DONE, operation="/run/x")
    host.plugin.run(None, {})
    assert [call and call["operation_begin"] for call in host.calls] == [True, True, False]
    assert "waits for what still runs" in host.display.display.call_args_list[0].args[0]


def test_a_lost_line_is_taken_up_again_without_beginning_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = AnsibleConnectionFailure("broken pipe")
    host = Host(monkeypatch, GOES_ON, lost, lost, DONE, operation="/run/x")
    assert host.plugin.run(None, {}) == DONE
    assert [call and call["operation_begin"] for call in host.calls] == [True, False, False, False]
    assert host.reset == 2 and "What was begun there goes on" in host.display.warning.call_args.args[0]


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, AnsibleConnectionFailure("no route"), operation="/run/x")
    with pytest.raises(AnsibleConnectionFailure):
        host.plugin.run(None, {"backup_line_patience": -1})


def test_a_failure_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, {"failed": True, "msg": "no"}, operation="/run/x")
    assert host.plugin.run(None, {}) == {"failed": True, "msg": "no"}
