# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import types
import typing as t
from collections import deque

import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg, _command

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is flushed and when is tested where that matters; really to wait for a disk proves nothing here."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def pytest_configure() -> None:
    """A shell that starts tests in the background lets them ignore SIGINT, and what they start would, too."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def run_module_main(capsys: pytest.CaptureFixture[str]) -> RunModule:
    """Run a module's ``main()`` with options, as ansible-core would, and return what it reports.

    Use: ``run_module_main(borg_create, {"path": "/x"}, check_mode=True)``; a failed module returns ``failed``.
    """

    def run(module: types.ModuleType, options: dict[str, t.Any], *, check_mode: bool = False) -> dict[str, t.Any]:
        capsys.readouterr()
        warnings._global_warnings.clear()  # a module is a process of its own
        arguments = {**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))

    return run


@pytest.fixture
def rsync_version() -> bytes:
    """What ``rsync -VV`` printed on Debian 12."""
    return (pathlib.Path(__file__).parent / "fixtures" / "rsync-3.2.7.json").read_bytes()


class RecordedBorg:
    """Stands for the program: answers each call with the next of the recorded runs that a test lined up.

    ``fixtures/borg-<version>.json`` holds what Borg really did, by the name of the occasion.
    """

    def __init__(self, version: str, folder: pathlib.Path) -> None:
        self.version = version
        recorded = json.loads((pathlib.Path(__file__).parent / "fixtures" / f"borg-{version}.json").read_text())
        self.version_text: str = recorded["version"]
        self.cases: dict[str, t.Any] = recorded["cases"]
        self.calls: list[dict[str, t.Any]] = []
        self.during: t.Callable[[], None] = lambda: None
        self._lined_up: deque[str] = deque()
        passphrase_file = folder / "passphrase"
        passphrase_file.write_text("correct horse\n")
        passphrase_file.chmod(0o600)
        program = folder / "borg"
        program.write_text("")
        program.chmod(0o700)
        self.options: dict[str, t.Any] = {
            "repository": "/srv/backup/borg/tatchu/blobs",
            "passphrase_file": str(passphrase_file),
            "base_dir": str(folder / "base"),
            "executable": str(program),
        }

    def will(self, *cases: str) -> None:
        """Line up what Borg does next."""
        self._lined_up.extend(cases)

    @property
    def verbs(self) -> list[list[str]]:
        """The arguments of each call, without the program and what every call has in front."""
        front = [self.options["executable"], "--log-json", "--lock-wait", "60"]
        assert all(call["argv"][:4] == front for call in self.calls)
        assert not self._lined_up, "not every recorded run was asked for"
        return [call["argv"][4:] for call in self.calls]

    def run(self, argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        """In place of ``_command.run``."""
        if list(argv[1:]) == ["--version"]:
            return _command.Outcome(tuple(argv), 0, self.version_text.encode(), "", 0.1)
        self.calls.append({"argv": list(argv), **keywords})
        case = self.cases[self._lined_up.popleft()]
        self.during()
        for line in case["stderr"]:
            keywords["on_stderr_line"](line)
        stdout = case["stdout"].encode("utf-8", "surrogateescape")
        if keywords.get("on_stdout") is not None:
            keywords["on_stdout"](stdout)
            stdout = b""
        return _command.Outcome(tuple(argv), case["rc"], stdout, "\n".join(case["stderr"][-40:]), 0.1, case["stalled"])


@pytest.fixture(params=["1.2.4", "1.4.5"])
def recorded_borg(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> RecordedBorg:
    """Borg as it was recorded, in both versions."""
    borg = RecordedBorg(request.param, tmp_path)
    monkeypatch.setattr(_command, "run", borg.run)
    monkeypatch.setattr(_borg, "host_id", lambda: "labops-0123456789abcdef01234567")
    return borg
