# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real Borg remembers of a repository, and what that is good for."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

pytestmark = pytest.mark.long


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "passphrase").chmod(0o600)
    return {
        "repository": str(tmp_path / "blobs"),
        "passphrase_file": str(tmp_path / "passphrase"),
        "base_dir": str(tmp_path / "base"),
    }


def made(options: dict[str, t.Any]) -> str:
    repository = _borg.Repository(**options)
    repository.ensure("repokey", "0", dry_run=False)
    return t.cast("str", repository.describe()["repository_id"])


def test_another_repository_in_the_place_of_a_known_one_is_refused_with_the_same_passphrase_too(
    options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    known = made(options)
    other = made({**options, "repository": str(tmp_path / "other"), "base_dir": str(tmp_path / "other base")})
    shutil.move(tmp_path / "blobs", tmp_path / "away")
    shutil.move(tmp_path / "other", tmp_path / "blobs")
    with pytest.raises(BackupError) as raised:
        _borg.Repository(**options)
    said = raised.value.message
    assert f"another repository lies at {tmp_path}/blobs: it has the id {other}; known there is {known}." in said
    assert "Nothing was changed." in said

    shutil.rmtree(tmp_path / "base/.config/borg/security" / known)
    assert made(options) == other


def test_a_repository_of_another_dataset_is_named_by_its_path(
    options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    made(options)
    made({**options, "repository": str(tmp_path / "data")})
    shutil.rmtree(tmp_path / "blobs")
    shutil.move(tmp_path / "data", tmp_path / "blobs")
    with pytest.raises(BackupError, match=f"known at {tmp_path}/data; known there is"):
        _borg.Repository(**options)


def test_a_repository_that_was_made_anew_is_known_at_once(options: dict[str, t.Any], tmp_path: pathlib.Path) -> None:
    made(options)
    shutil.rmtree(tmp_path / "blobs")
    again = made(options)
    assert _borg.Repository(**options).describe()["repository_id"] == again
