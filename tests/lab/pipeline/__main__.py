# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the pipeline: fill it, work in it, collect its garbage."""

from __future__ import annotations

import argparse
import logging

from . import settings


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    parser.add_argument("--config", required=True, help="JSON file with account and stores")
    commands = parser.add_subparsers(dest="command", required=True)
    fill = commands.add_parser("fill", help="fill once, up to these sizes; needs root")
    fill.add_argument("--sessions", type=int, default=12)
    fill.add_argument("--scan-kb", type=int, default=16, help="size of each raw recording")
    fill.add_argument("--files", type=int, default=200, help="number of small files in the raw archive")
    fill.add_argument("--account", default="labworker")
    fill.add_argument("--group", default="labdata")
    work = commands.add_parser("work", help="enter and compute sessions until SIGTERM")
    work.add_argument("--interval", type=float, default=1.0, help="seconds between sessions")
    work.add_argument("--scan-kb", type=int, default=8)
    work.add_argument("--limit", type=int, default=0, help="stop after so many sessions")
    commands.add_parser("collect", help="delete blobs that no row refers to any more")
    arguments = parser.parse_args()

    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    settings.load(arguments.config)
    if arguments.command == "fill":
        from .fill import fill as run

        done = run(arguments.sessions, arguments.scan_kb, arguments.files, arguments.account, arguments.group)
        print("filled" if done else "nothing to do")
    elif arguments.command == "work":
        from .work import work as run

        run(arguments.interval, arguments.scan_kb, arguments.limit)
    else:
        from .collect import collect

        collect()


if __name__ == "__main__":
    main()
