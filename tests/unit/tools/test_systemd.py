# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _systemd

FRONT = ["/usr/bin/systemctl", "--no-ask-password", "--no-pager"]
# systemctl 252 about a unit of a site's own with a drop-in, and about one that nobody installed
WORKER = """Type=simple
LoadState=loaded
ActiveState=activating
DropInPaths=/etc/systemd/system/datajoint-worker.service.d/zz-labops-fence.conf
UnitFileState=enabled
"""
# the same of datajoint@lab\x2dephys.service, which systemd quotes (shell_maybe_quote in its src/basic/escape.c)
ESCAPED = r"""LoadState=loaded
ActiveState=inactive
DropInPaths="/etc/systemd/system/datajoint@lab\\x2dephys.service.d/zz-labops-fence.conf" /run/a.conf "/run/b c.conf"
"""
NOBODY = "LoadState=not-found\nActiveState=inactive\n"


class Systemctl:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.answers: list[tuple[int, str]] = []

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        assert keywords["env"]["PATH"] == _command.SEARCH_PATH
        assert list(argv[:3]) == FRONT
        self.calls.append(list(argv[3:]))
        rc, stdout = self.answers.pop(0)
        return _command.Outcome(tuple(argv), rc, stdout.encode(), "no", 0.1)


@pytest.fixture
def systemctl(monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    stand_in = Systemctl()
    monkeypatch.setattr(_command, "run", stand_in.run)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    return stand_in


def test_a_unit_is_what_systemd_says(systemctl: Systemctl) -> None:
    systemctl.answers = [(0, WORKER), (0, NOBODY)]
    worker = _systemd.look("datajoint-worker.service")
    assert (worker.found, worker.loaded, worker.running, worker.once, worker.enabled) == (
        True,
        True,
        True,
        False,
        "enabled",
    )
    assert worker.drop_ins == ("/etc/systemd/system/datajoint-worker.service.d/zz-labops-fence.conf",)
    nobody = _systemd.look("nosuch.service")
    assert (nobody.found, nobody.loaded, nobody.running, nobody.drop_ins) == (False, False, False, ())
    assert systemctl.calls[1] == [
        "show",
        *(f"--property={name}" for name in ("LoadState", "ActiveState", "UnitFileState", "Type", "DropInPaths")),
        "--",
        "nosuch.service",
    ]


def test_a_unit_with_a_backslash_in_its_name_has_its_drop_ins(systemctl: Systemctl) -> None:
    systemctl.answers = [(0, ESCAPED)]
    assert _systemd.look(r"datajoint@lab\x2dephys.service").drop_ins == (
        r"/etc/systemd/system/datajoint@lab\x2dephys.service.d/zz-labops-fence.conf",
        "/run/a.conf",
        "/run/b c.conf",
    )


@pytest.mark.parametrize("odd", ['"/etc/a.conf', "/etc/a.conf'", "/etc/a.conf\\"])
def test_a_quoting_that_nobody_knows_is_no_error(systemctl: Systemctl, odd: str) -> None:
    systemctl.answers = [(0, f"LoadState=loaded\nDropInPaths=/etc/b.conf {odd}\n")]
    assert _systemd.look("a.service").drop_ins == ("/etc/b.conf", odd)


def test_units_are_stopped_side_by_side_and_what_stays_is_killed(systemctl: Systemctl) -> None:
    systemctl.answers = [(0, ""), (0, WORKER), (0, NOBODY), (0, ""), (0, NOBODY)]
    assert _systemd.stop(["a.service", "b.service"], patience=0, kill=True) == []
    assert [call for call in systemctl.calls if call[0] != "show"] == [
        ["stop", "--no-block", "--", "a.service", "b.service"],
        ["kill", "--signal=SIGKILL", "--", "a.service"],
    ]
    assert _systemd.stop([], patience=0, kill=True) == []


def test_start_restart_and_reload(systemctl: Systemctl) -> None:
    systemctl.answers = [(1, ""), (0, ""), (0, ""), (0, ""), (1, "")]
    assert _systemd.start("a.service").rc == 1
    _systemd.restart("a.service")
    _systemd.forgive("a.service")
    _systemd.reload()
    with pytest.raises(BackupError, match="could not be restarted"):
        _systemd.restart("a.service")
    assert systemctl.calls[:4] == [
        ["start", "--", "a.service"],
        ["restart", "--", "a.service"],
        ["reset-failed", "--", "a.service"],
        ["daemon-reload"],
    ]


@pytest.mark.parametrize("name", ["", "worker", "a b.service", "--now.service/", "a.service\n", "x.conf"])
def test_what_is_no_unit_is_refused(name: str) -> None:
    with pytest.raises(BackupError, match="is no name of a systemd unit"):
        _systemd.check_name(name)


def test_units_that_cannot_be_listed_are_not_taken_for_none(systemctl: Systemctl) -> None:
    systemctl.answers = [(0, "a-1.service loaded active running A\n\n"), (1, "")]
    assert _systemd.matching("a-*.service") == ["a-1.service"]
    with pytest.raises(BackupError, match=r"could not list a-\*\.service"):
        _systemd.matching("a-*.service")
