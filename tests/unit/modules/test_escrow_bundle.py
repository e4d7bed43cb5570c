# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import escrow_bundle, escrow_bundle_info

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """What the role borg has laid there, and an inventory."""
    source = tmp_path / "escrow" / "loki" / "tatchu"
    source.mkdir(parents=True)
    repositories = [{"name": name, "id": name * 8, "key": f"{name}.key"} for name in ("blobs", "points")]
    (source / "repositories.json").write_text(json.dumps({"schema_version": 1, "repositories": repositories}))
    for name in ("blobs.key", "points.key", "passphrase", "passphrase.4711.2026-11-23@06:00:00~"):
        (source / name).write_text(name)
    inventory = tmp_path / "production"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text("all: {}\n")
    (inventory / "group_vars" / "vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n3039\n")
    return {
        "directory": str(tmp_path / "escrow" / "loki"),
        "server": "loki",
        "stamp": "labops.backup 0.1.0 from inventory aaa",
        "inventories": [str(inventory)],
        "files": {"known_hosts": "tatchu ssh-ed25519 AAAA\n", "README.txt": "how\n"},
        "vault_hint": "in the safe",
    }


def asked(options: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"directory": options["directory"], "server": "loki"}


def test_the_bundle_is_whole_says_what_it_holds_and_a_second_run_changes_nothing(
    run_module_main: RunModule, options: dict[str, t.Any]
) -> None:
    result = run_module_main(escrow_bundle, options)
    assert result["changed"] is True
    bundle = result["bundle"]
    assert bundle["sources"]["tatchu"]["repositories"]["blobs"] == {
        "id": "blobs" * 8,
        "key_sha256": hashlib.sha256(b"blobs.key").hexdigest(),
    }
    assert (bundle["inventory"], bundle["vault_hint"]) == (options["stamp"], True)
    assert bundle["known_hosts_sha256"] == hashlib.sha256(b"tatchu ssh-ed25519 AAAA\n").hexdigest()
    folder = pathlib.Path(options["directory"])
    files = json.loads((folder / "bundle.json").read_bytes())["files"]
    assert sorted(files) == [
        "README.txt",
        "inventory/production/group_vars/vault.yml",
        "inventory/production/hosts.yml",
        "known_hosts",
        *(f"tatchu/{name}" for name in ("blobs.key", "passphrase", "points.key", "repositories.json")),
    ]
    assert (folder / "inventory/production/group_vars/vault.yml").read_text().startswith("$ANSIBLE_VAULT;")
    assert (folder / "bundle.json").stat().st_mode & 0o777 == 0o600
    again = run_module_main(escrow_bundle, options)
    assert (again["changed"], again["bundle"]) == (False, bundle)
    assert run_module_main(escrow_bundle_info, asked(options))["bundle"] == bundle


def test_what_left_the_inventory_leaves_the_bundle(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    before = run_module_main(escrow_bundle, options)["bundle"]["digest"]
    (tmp_path / "production" / "group_vars" / "vault.yml").unlink()
    result = run_module_main(escrow_bundle, options)
    assert result["changed"] and result["bundle"]["digest"] != before
    assert not os.path.exists(f"{options['directory']}/inventory/production/group_vars/vault.yml")
    assert "failed" not in run_module_main(escrow_bundle_info, asked(options))


def test_with_a_file_come_the_variables_beside_it(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    """Ansible reads them with it; without them nobody could run site.yml from the bundle."""
    beside = tmp_path / "production"
    (beside / "host_vars" / "loki").mkdir(parents=True)
    (beside / "host_vars" / "loki" / "disk.yml").write_text("backup_root: /mnt\n")
    (beside / "notes.txt").write_text("no part of it\n")
    run_module_main(escrow_bundle, {**options, "inventories": [str(beside / "hosts.yml")]})
    kept = pathlib.Path(options["directory"]) / "inventory"
    assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()) == [
        "production/group_vars/vault.yml",
        "production/host_vars/loki/disk.yml",
        "production/hosts.yml",
    ]


def test_inventories_of_one_name_do_not_replace_each_other(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    other = tmp_path / "second" / "production"
    other.mkdir(parents=True)
    (other / "hosts.yml").write_text("others: {}\n")
    (other / "more.yml").write_text("more: {}\n")
    places = [tmp_path / "production", other / "hosts.yml", other / "more.yml"]
    run_module_main(escrow_bundle, {**options, "inventories": [str(place) for place in places]})
    kept = pathlib.Path(options["directory"]) / "inventory"
    assert {
        str(path.relative_to(kept)): path.read_text() for path in kept.rglob("*.yml") if "vars" not in str(path)
    } == {
        "production/hosts.yml": "all: {}\n",
        "production-2/hosts.yml": "others: {}\n",
        "production-2/more.yml": "more: {}\n",
    }


def test_check_mode_predicts_and_writes_nothing(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    assert run_module_main(escrow_bundle, options, check_mode=True)["changed"] is True
    assert os.listdir(options["directory"]) == ["tatchu"]


def test_a_source_without_its_passphrase_is_no_bundle(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    os.unlink(f"{options['directory']}/tatchu/passphrase")
    result = run_module_main(escrow_bundle, options)
    assert result["failed"] and "lacks the passphrase of tatchu" in result["msg"]
    assert not os.path.exists(f"{options['directory']}/bundle.json")


def test_an_inventory_that_is_not_there_is_refused(run_module_main: RunModule, options: dict[str, t.Any]) -> None:
    result = run_module_main(escrow_bundle, {**options, "inventories": ["/nonexistent"]})
    assert result["failed"] and "no file of the inventory" in result["msg"]
