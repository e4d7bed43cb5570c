# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A long step under the real ansible-playbook, on a terminal and without one."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import pty
import subprocess
import sys
import threading
import typing as t

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TOTAL = 80


class AtWork:
    """An operation that goes on until ``over`` is set, and tells how far it is; and the command that waits for it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._operation = folder / "x"
        self.begun, self.over = threading.Event(), threading.Event()
        task = {"name": "Wait for it", "labops.backup.operation_info": {"operations": str(self._operation)}}
        (folder / "play.yml").write_text(json.dumps([{"hosts": "loki", "gather_facts": False, "tasks": [task]}]))
        host = f"loki ansible_connection=local ansible_python_interpreter={sys.executable}"
        (folder / "inventory").write_text(host + "\n")
        self.command = [
            *("timeout", "120", str(ROOT / ".venv" / "bin" / "ansible-playbook")),
            *("-i", str(folder / "inventory"), str(folder / "play.yml")),
        ]

    def go_on(self) -> None:
        lock = os.open(f"{self._operation}.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        for count in range(1000):
            told = {"schema_version": 1, "what": "push", "bytes": min(count, TOTAL), "total_bytes": TOTAL}
            new = self._operation.with_name("new")
            new.write_text(json.dumps(told))
            new.rename(f"{self._operation}.progress")
            self.begun.set()
            if self.over.wait(0.1):
                break
        os.close(lock)


@pytest.fixture
def at_work(tmp_path: pathlib.Path) -> t.Iterator[AtWork]:
    work = AtWork(tmp_path)
    worker = threading.Thread(target=work.go_on)
    worker.start()
    work.begun.wait()
    yield work
    work.over.set()
    worker.join()


ENVIRONMENT = {
    **os.environ,
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
    "ANSIBLE_NOCOLOR": "1",
}


def test_a_terminal_has_a_bar_that_moves_in_one_line_and_goes_away(at_work: AtWork) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(at_work.command, stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRONMENT, cwd=ROOT)
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # the terminal is closed
            break
        if seen.count(b"Wait for it: [") >= 3:
            at_work.over.set()
    os.close(ours)
    assert process.wait() == 0, seen.decode()
    lines = [line for line in seen.decode().split("\n") if "Wait for it: [" in line]
    assert len(lines) == 1, seen.decode()
    drawn = [part for part in lines[0].split("\r") if "Wait for it: [" in part]
    assert len(drawn) >= 3 and all("% of 80 B" in part for part in drawn)
    assert lines[0].split("\r")[-2].startswith("ok: [loki]")


def test_without_a_terminal_there_are_plain_lines(at_work: AtWork) -> None:
    process = subprocess.Popen(at_work.command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=ROOT)
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "Wait for it:" in line:
            at_work.over.set()
    assert process.wait() == 0, seen
    lines = [line for line in seen if "Wait for it:" in line]
    assert len(lines) == 1 and "% of 80 B" in lines[0]
    assert not any("\r" in line or "[#" in line for line in seen)
