# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a process and stop it at once, so that also what lasts for a moment only is hit; then do as told.

usage: strike.py PATTERN SECONDS {stop|process|UNIT}
  PATTERN  a regular expression for the argument list, its words separated by spaces
  stop     leave it stopped (SIGSTOP)
  process  kill it (SIGKILL)
  UNIT     kill every process of the units that match this glob (SIGKILL)
Prints its process id and its argument list.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time


def arguments(pid: str) -> str:
    """The argument list of a process; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return stream.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def main() -> None:
    """Strike once."""
    pattern, seconds, action = re.compile(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            found = arguments(pid)
            if int(pid) != os.getpid() and "strike.py" not in found and pattern.search(found):
                os.kill(int(pid), signal.SIGSTOP)
                if action == "process":
                    os.kill(int(pid), signal.SIGKILL)
                elif action != "stop":
                    subprocess.run(["systemctl", "kill", "--signal=KILL", action], check=True)
                print(pid, found)
                return
        time.sleep(0.02)
    sys.exit(f"no process with {sys.argv[1]!r} within {seconds:g} s")


main()
