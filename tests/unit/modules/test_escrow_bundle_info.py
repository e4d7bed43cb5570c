# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _escrow_bundle
from ansible_collections.labops.backup.plugins.modules import escrow_bundle_info

RunModule = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def bundle(tmp_path: pathlib.Path) -> pathlib.Path:
    inventory = tmp_path / "production"
    inventory.mkdir()
    (inventory / "hosts.yml").write_text("all: {}\n")
    folder = tmp_path / "loki"
    folder.mkdir()
    how = {"server": "loki", "stamp": "a", "inventories": [str(inventory / "hosts.yml")], "files": {"known_hosts": "k"}}
    _escrow_bundle.write(str(folder), **how, vault_hint="", apply=True)
    return folder


def test_a_whole_bundle_is_told_and_left_alone_in_check_mode_too(
    run_module_main: RunModule, bundle: pathlib.Path
) -> None:
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    for check_mode in (True, False):
        result = run_module_main(
            escrow_bundle_info, {"directory": str(bundle), "server": "loki"}, check_mode=check_mode
        )
        assert (result["changed"], result["files"], result["bundle"]["vault_hint"]) == (False, 2, False)
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda bundle: (bundle / "known_hosts").unlink(), "known_hosts is missing"),
        (lambda bundle: (bundle / "inventory/production/hosts.yml").write_text("x"), "hosts.yml is another one"),
        (lambda bundle: (bundle / "bundle.json").unlink(), "there is no bundle in"),
        (lambda bundle: (bundle / "bundle.json").write_text("{"), "is not a JSON document"),
    ],
)
def test_a_bundle_that_is_not_whole_fails(
    run_module_main: RunModule, bundle: pathlib.Path, break_it: t.Callable[[pathlib.Path], t.Any], message: str
) -> None:
    break_it(bundle)
    result = run_module_main(escrow_bundle_info, {"directory": str(bundle), "server": "loki"})
    assert result["failed"] and message in result["msg"]


def test_the_bundle_of_another_server_fails(run_module_main: RunModule, bundle: pathlib.Path) -> None:
    result = run_module_main(escrow_bundle_info, {"directory": str(bundle), "server": "thor"})
    assert result["failed"] and "is the bundle of 'loki'" in result["msg"]
