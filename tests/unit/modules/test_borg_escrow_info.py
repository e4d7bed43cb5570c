# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _lock
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg
from ansible_collections.labops.backup.plugins.modules import borg_escrow_info

RunModule = t.Callable[..., dict[str, t.Any]]


def secret(path: pathlib.Path, content: bytes) -> str:
    path.write_bytes(content)
    path.chmod(0o600)
    return str(path)


def tree(folder: pathlib.Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_nlink)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        "repository": str(tmp_path / "blobs"),
        "passphrase_file": secret(tmp_path / "passphrase", b"correct horse\n"),
        "base_dir": str(tmp_path / "escrow.blobs"),
        "key_file": str(tmp_path / "blobs.key"),
    }


@pytest.fixture
def made(options: dict[str, t.Any], tmp_path: pathlib.Path) -> str:
    """A repository with an archive, and its key in the bundle; its id."""
    own = {**options, "base_dir": str(tmp_path / "base")}
    del own["key_file"]
    repository = _borg.Repository(**own)
    repository.ensure("repokey-blake2", "0", dry_run=False)
    repository.create("one", str(tmp_path), "passphrase", compression="none")
    secret(tmp_path / "blobs.key", repository.export_key())
    return t.cast("str", repository.describe()["repository_id"])


@pytest.mark.long
def test_the_bundle_opens_a_repository_that_has_lost_its_key_and_nothing_is_left_behind(
    run_module_main: RunModule, options: dict[str, t.Any], made: str, tmp_path: pathlib.Path
) -> None:
    before = tree(tmp_path / "blobs")
    result = run_module_main(borg_escrow_info, options)
    assert (result["repository_id"], result["archives"], result["changed"]) == (made, 1, False)
    assert tree(tmp_path / "blobs") == before
    assert sorted(os.listdir(tmp_path)) == ["base", "blobs", "blobs.key", "passphrase"]


@pytest.mark.long
def test_another_passphrase_another_key_and_a_damaged_one_do_not_open_it(
    run_module_main: RunModule, options: dict[str, t.Any], made: str, tmp_path: pathlib.Path
) -> None:
    before = tree(tmp_path / "blobs")
    wrong = secret(tmp_path / "wrong", b"battery staple\n")
    result = run_module_main(borg_escrow_info, {**options, "passphrase_file": wrong})
    assert result["failed"] and result["msgid"] == "PassphraseWrong"
    key = (tmp_path / "blobs.key").read_bytes()
    for damaged in (key.replace(made.encode(), b"0" * 64), key[:200], b"nothing\n"):
        result = run_module_main(borg_escrow_info, {**options, "key_file": secret(tmp_path / "bad.key", damaged)})
        assert result["failed"], damaged[:80]
    assert tree(tmp_path / "blobs") == before
    assert not (tmp_path / "escrow.blobs").exists()


def test_a_dataset_that_somebody_works_on_is_busy(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    lock = str(tmp_path / "blobs.lock")
    with _lock.hold(lock, "an archive"):
        result = run_module_main(borg_escrow_info, {**options, "lock": lock})
    assert result["failed"] and result["kind"] == "busy"


def test_a_folder_that_is_not_its_own_stays_in_check_mode_too(
    run_module_main: RunModule, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "escrow.blobs").mkdir()
    (tmp_path / "escrow.blobs" / "precious").write_text("x")
    for check_mode in (True, False):
        result = run_module_main(borg_escrow_info, options, check_mode=check_mode)
        assert result["failed"] and "was not made by a trial" in result["msg"]
    assert (tmp_path / "escrow.blobs" / "precious").read_text() == "x"
