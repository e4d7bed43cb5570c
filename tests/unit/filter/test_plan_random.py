# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever an inventory holds, there is a plan or a message for the operator, never a traceback."""

from __future__ import annotations

import json
import pathlib
import random
import typing as t

import pytest
import yaml
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _inventory

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEFAULTS = yaml.safe_load((ROOT / "roles" / "_common" / "defaults" / "main.yml").read_text())
FIELDS = sorted(_inventory._DATASET_FIELDS)
JUNK: list[t.Any] = [
    *(None, True, False, 0, 1, -1, 7, 65536, 10**30, 1.5, float("nan"), float("inf"), -0.0),
    *("", " ", "0", "-1", "1e3", "nan", "yes", "x", "X", "a/b", "/", "//", "/a", "/a/../b", "/a\n", "/\0", "../x"),
    *("\udcff", "ü", "tatchu", "loki", "points", "a:b", "[::1]", "192.0.2.9", "%", "*", "{{ x }}", "a" * 300),
    *(
        "/srv/backup",
        "/srv/backup/mirror/tatchu/a",
        "zstd,22",
        "zstd,99",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOnRUTOUeXXH08rmMrvruyyUW7SPxGBKfgmoh5r53otb",
        "0" * 64 + " a",
        b"x",
    ),
    *([], [None], [[]], [{}], ["/a"], {}, {"a": 1}, {1: 2}, {None: None}, (), ("x",), [{"name": "a", "path": "/a"}]),
]


def some_dataset(chance: random.Random) -> t.Any:
    if chance.random() < 0.05:
        return chance.choice(JUNK)
    entry: dict[t.Any, t.Any] = {"name": chance.choice("abcdef"), "path": f"/{chance.choice('abcdef')}"}
    for _number in range(chance.choice([0, 0, 0, 1, 2])):
        field = chance.choice(FIELDS) if chance.random() < 0.95 else chance.choice([7, None, "odd", ("x",)])
        entry[field] = chance.choice(JUNK)
    return entry


def some_hosts(chance: random.Random) -> tuple[dict[t.Any, t.Any], dict[str, t.Any], dict[str, t.Any]]:
    hosts: dict[t.Any, dict[str, t.Any]] = {"loki": {}, "tatchu": {"backup_server": "loki"}}
    if chance.random() < 0.3:
        hosts[chance.choice(["odin", "tatchu.a", "Tatchu", "-x", "known_hosts", "ü", "a b"])] = {
            "backup_server": "loki"
        }
    sources = [name for name in hosts if name != "loki"]
    for name in sources:
        if chance.random() < 0.8:
            hosts[name]["backup_datasets"] = [some_dataset(chance) for _number in range(chance.randint(1, 3))]
        hosts[name]["ansible_host"] = f"192.0.2.{chance.randint(1, 20)}"
    for _number in range(chance.choice([0, 0, 1, 2])):
        variable = chance.choice([*DEFAULTS, "ansible_host", "backup_server"])
        hosts[chance.choice(list(hosts))][variable] = chance.choice(JUNK)
    groups: dict[str, t.Any] = {"backup_servers": ["loki"], "backup_sources": sources}
    if chance.random() < 0.05:
        groups[chance.choice(list(groups))] = chance.choice([[], ["loki"], ["tatchu"], ["loki", "tatchu"]])
    return hosts, groups, {**DEFAULTS}


@pytest.mark.parametrize("rounds", [800, pytest.param(60000, marks=pytest.mark.long)])
def test_a_random_inventory_gives_a_plan_or_a_refusal(rounds: int) -> None:
    chance = random.Random(20261123)
    plans = refusals = 0
    for _round in range(rounds):
        hosts, groups, defaults = some_hosts(chance)
        try:
            sources = _inventory.plan(hosts, groups, defaults)
            names = [dataset["pipeline"] for dataset in _inventory.datasets(sources)]
            assert len(names) == len(set(names)) > 0
            assert len(_inventory.inventory_hash(sources)) == 64 and json.dumps(sources)
            plans += 1
        except BackupError as error:
            assert "Nothing was changed" in error.message and error.message.isprintable(), (hosts, groups)
            refusals += 1
        except Exception as error:
            raise AssertionError(f"{error!r}: {hosts!r} {groups!r}") from error
    assert min(plans, refusals) > rounds // 10, (plans, refusals)
