# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times whole nights on the lab against plain scripts and borgmatic, in turn, and writes docs/performance.md.

Run by `make bench` on a lab that site.yml has provisioned. Every contender has mirrors and repositories of its own on
LOKI and reads the same source through the same endpoint. Only the ratios within one run mean something: the machine is
shared, its page cache is warm, and the link is a bridge.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent
PAGE = PROJECT / "docs/performance.md"
BEGIN, END = "<!-- Written by `make bench`. -->", "<!-- End of what `make bench` wrote. -->"
BASE = "/srv/backup/bench"
BORGMATIC = "2.1.10"
OURS = "labops.backup"
CASES = {
    "first": "everything is new",
    "grown": "blobs and recordings of one day came",
    "quiet": "nothing changed but the dump",
}
Figures = dict[str, dict[str, list[float]]]


def on(host: str, *words: str, feed: bytes = b"") -> str:
    """What a program on a host of the lab prints; its failure ends the run."""
    command = ["ssh", "-F", str(PROJECT / ".lab/ssh_config"), host, shlex.join(words)]
    done = subprocess.run(command, input=feed, capture_output=True, check=False)
    if done.returncode:
        sys.exit(
            f"{host}: {shlex.join(words)} ended with {done.returncode}\n{(done.stdout + done.stderr).decode()[-2000:]}"
        )
    return done.stdout.decode()


def address() -> str:
    """Where LOKI reaches TATCHU."""
    words = [str(PROJECT / ".venv/bin/ansible-inventory"), "-i", str(PROJECT / ".lab/inventory"), "--host", "tatchu"]
    return str(json.loads(subprocess.run(words, capture_output=True, check=True).stdout)["ansible_host"])


def prepare() -> dict[str, list[str]]:
    """The command of each contender on LOKI."""
    source = address()
    on("loki", "rm", "-rf", BASE)
    for name in ("plain", "borgmatic"):
        on("loki", "mkdir", "-p", f"{BASE}/{name}/borg")
    wheels = PROJECT / ".cache/bench-wheels"
    if not wheels.is_dir():
        pip = [str(PROJECT / ".venv/bin/pip"), "download", "--quiet", "--dest", str(wheels), f"borgmatic=={BORGMATIC}"]
        subprocess.run(pip, check=True)
    packed = subprocess.run(["tar", "-C", str(wheels), "-cf", "-", "."], capture_output=True, check=True).stdout
    on("loki", "mkdir", f"{BASE}/wheels")
    on("loki", "tar", "-C", f"{BASE}/wheels", "-xf", "-", feed=packed)
    on("loki", "python3", "-m", "venv", f"{BASE}/venv")
    pip_offline = ("install", "--quiet", "--no-index", "--find-links", f"{BASE}/wheels")
    on("loki", f"{BASE}/venv/bin/pip", *pip_offline, f"borgmatic=={BORGMATIC}")
    for name, mode in (("plain.sh", "700"), ("pull.sh", "700"), ("borgmatic.yaml", "600")):
        text = (HERE / name).read_text(encoding="utf-8")
        if name != "plain.sh":
            text = text.replace("BASE", f"{BASE}/borgmatic").replace("ADDRESS", source)
        path = f"{BASE}/borgmatic/{name}" if name != "plain.sh" else f"{BASE}/{name}"
        on("loki", "tee", path, feed=text.encode())
        on("loki", "chmod", mode, path)
    program = [f"{BASE}/venv/bin/borgmatic", "--config", f"{BASE}/borgmatic/borgmatic.yaml"]
    on("loki", *program, "repo-create", "--encryption", "repokey-blake2")
    return {
        OURS: ["/usr/local/sbin/backup_and_notify_on_loki.sh"],
        "plain scripts": [f"{BASE}/plain.sh", f"{BASE}/plain", source],
        "borgmatic": [*program, "create", "prune", "compact"],
    }


def seconds(command: list[str]) -> float:
    """How long a command takes on LOKI, by LOKI's clock, the connection left out."""
    errors = "/run/bench.errors"
    timed = f"TIMEFORMAT=%R; time {shlex.join(command)} >/dev/null 2>{errors} || {{ cat {errors}; exit 1; }}"
    return float(on("loki", "bash", "-c", f"{{ {timed}; }} 2>&1").split()[-1])


def night(figures: Figures, case: str, commands: dict[str, list[str]], turn: int) -> None:
    names = list(commands)
    for name in names[turn % len(names) :] + names[: turn % len(names)]:
        took = seconds(commands[name])
        figures[case][name].append(took)
        print(f"{case:<6} {name:<14} {took:8.1f} s", flush=True)


def table(figures: Figures, about: str) -> str:
    """The page's part: ratios of ours to the others, pair by pair."""
    lines = [about, "", f"| night | n | {OURS} | to plain scripts | to borgmatic |", "|---|---|---|---|---|"]
    for case, meaning in CASES.items():
        ours = figures[case][OURS]
        if not ours:
            continue
        cells = [f"{case}: {meaning}", str(len(ours)), spread(ours, " s")]
        for other in ("plain scripts", "borgmatic"):
            cells.append(spread([mine / theirs for mine, theirs in zip(ours, figures[case][other], strict=True)], "x"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values: list[float], unit: str) -> str:
    """Minimum, median, maximum."""
    if len(values) == 1:
        return f"{values[0]:.2f}{unit}"
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}{unit}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--blobs", type=int, default=20_000, help="files of 0.5 to 6 kB before the first night")
    parser.add_argument("--recordings", type=int, default=40, help="files of 0.5 MB before the first night")
    chosen = parser.parse_args()
    on("tatchu", "systemctl", "stop", "datajoint-worker.service")
    commands = prepare()
    figures: Figures = {case: {name: [] for name in commands} for case in CASES}
    grow = (HERE / "grow.py").read_bytes()
    on("tatchu", "python3", "-", "0", str(chosen.blobs), str(chosen.recordings), feed=grow)
    on("tatchu", "/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    night(figures, "first", commands, 0)
    for turn in range(1, chosen.rounds + 1):
        day = (str(turn), str(chosen.blobs // 100), str(chosen.recordings // 10))
        on("tatchu", "python3", "-", *day, feed=grow)
        on("tatchu", "/usr/local/sbin/backup_and_notify_on_tatchu.sh")
        night(figures, "grown", commands, turn)
        night(figures, "quiet", commands, turn)
    borg = on("loki", "borg", "--version").strip()
    about = (
        f"{chosen.blobs} blobs and {chosen.recordings} recordings at first, one per cent more each day; {borg}, "
        f"borgmatic {BORGMATIC}. Whole commands by LOKI's clock: least / median / most; ratios pair by pair, below "
        "1 is faster."
    )
    written = table(figures, about)
    print(written)
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{written}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
