# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The windows of retention against ``borg prune`` itself. Needs Borg."""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _retention

DAY = timedelta(days=1)
LINE = re.compile(r"(Keeping archive \(rule: (?P<rule>[^)]*)\)|Would prune): +(?P<name>\S+)")


class Borg:
    """The program that is installed, or the one in ``RETENTION_BORG``, on an unencrypted repository."""

    def __init__(self, folder: pathlib.Path) -> None:
        program = os.environ.get("RETENTION_BORG") or shutil.which("borg")
        assert program is not None, "borg is not installed; make packages"
        self.program, self.repository, self.folder = program, str(folder / "r"), folder
        self.environment = {"BORG_BASE_DIR": str(folder), "TZ": "UTC", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        self.environment["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes"
        self._run([program, "init", "--encryption", "none", self.repository])
        (folder / "tree").mkdir()

    def _run(self, words: list[str], text: str = "") -> str:
        done = subprocess.run(
            words, input=text, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def archive(self, moments: t.Mapping[str, datetime]) -> None:
        interpreter = pathlib.Path(self.program).read_text().splitlines()[0].removeprefix("#!").strip()
        script = str(pathlib.Path(__file__).with_name("borg_series.py"))
        times = {name: moment.strftime("%Y-%m-%dT%H:%M:%S") for name, moment in moments.items()}
        self._run([interpreter, "-I", script, self.repository, str(self.folder / "tree")], json.dumps(times))

    def prune(self, series: str, counts: t.Mapping[str, int]) -> dict[str, str]:
        """What it keeps of one series, with the rule in our words."""
        words = [f"--{name.replace('_', '-')}={count}" for name, count in counts.items() if count]
        said = self._run(
            [self.program, "prune", "--dry-run", "--list", "--glob-archives", f"{series}-*", *words, self.repository]
        )
        found = [match for line in said.splitlines() if (match := LINE.match(line))]
        return {
            match["name"]: re.sub(r"(\w+)\[oldest\] (#\d+)", r"\1 \2, the oldest", match["rule"])
            for match in found
            if match["rule"]
        }


@pytest.fixture(scope="module")
def borg(tmp_path_factory: pytest.TempPathFactory) -> Borg:
    return Borg(tmp_path_factory.mktemp("borg"))


def gapless(_chance: random.Random, first: datetime, count: int) -> list[datetime]:
    return [first + DAY * number for number in range(count)]


def with_gaps(chance: random.Random, first: datetime, count: int) -> list[datetime]:
    """Nights that are missing, days with several runs, outages of weeks and months."""
    moments, moment = [], first
    for _ in range(count):
        step = chance.choices(
            [timedelta(hours=chance.randint(1, 9)), DAY, DAY * chance.randint(2, 9), DAY * chance.randint(20, 80)],
            [2, 10, 3, 1],
        )[0]
        moment += step + timedelta(seconds=chance.randint(-1800, 1800))
        moments.append(moment)
    return moments


def random_counts(chance: random.Random) -> dict[str, int]:
    while True:
        numbers = [chance.choice([0, 0, 1, 2, 3, chance.randint(0, most)]) for most in (20, 12, 8)]
        if any(numbers):
            return dict(zip(("keep_daily", "keep_weekly", "keep_monthly"), numbers, strict=True))


@pytest.mark.parametrize(
    ("series", "make", "first", "count", "trials"),
    [
        pytest.param("few", gapless, datetime(2026, 12, 30, 2, 30, tzinfo=UTC), 3, 4, marks=pytest.mark.long),
        ("gaps", with_gaps, datetime(2023, 12, 20, 23, 40, tzinfo=UTC), 10, 1),
        # the first goes over a year's end in week 53
        pytest.param("year", gapless, datetime(2026, 11, 20, 2, 30, tzinfo=UTC), 300, 24, marks=pytest.mark.long),
        pytest.param("outages", with_gaps, datetime(2023, 12, 20, 23, 40, tzinfo=UTC), 240, 30, marks=pytest.mark.long),
        pytest.param("midnight", with_gaps, datetime(2020, 12, 25, 23, 59, tzinfo=UTC), 72, 12, marks=pytest.mark.long),
    ],
)
def test_the_windows_are_those_of_borg(
    borg: Borg,
    series: str,
    make: t.Callable[[random.Random, datetime, int], list[datetime]],
    first: datetime,
    count: int,
    trials: int,
) -> None:
    chance = random.Random(f"{series} 20261123")
    moments = {f"{series}-{number}": moment for number, moment in enumerate(make(chance, first, count))}
    borg.archive(moments)
    for counts in (
        {"keep_daily": 14, "keep_weekly": 8, "keep_monthly": 24},
        *(random_counts(chance) for _ in range(trials)),
    ):
        kept = borg.prune(series, counts)
        assert kept == _retention.windows(moments, counts), counts
        assert kept
