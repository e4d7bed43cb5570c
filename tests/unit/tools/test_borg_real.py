# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real Borg keeps of a repository outside of it, what that is good for, and how damage of it is told."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil
import subprocess
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


# ------------------------------------------------------------------------- damage of what Borg keeps below its base_dir


class Kept:
    """A repository with one archive, and Borg's own folders of it, which can be put back as they were."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        (folder / "passphrase").write_text("correct horse\n")
        (folder / "passphrase").chmod(0o600)
        (folder / "mirror/blobs").mkdir(parents=True)
        for number in range(20):
            (folder / f"mirror/blobs/{number}").write_bytes(os.urandom(20_000))
        self.options: dict[str, t.Any] = {
            "repository": str(folder / "blobs"),
            "passphrase_file": str(folder / "passphrase"),
            "base_dir": str(folder / "base"),
            "lock_wait": 1,
        }
        self.repository = folder / "blobs"
        identifier = made(self.options)
        self.archive("first")
        self.cache = folder / "base/.cache/borg" / identifier
        self.memory = folder / "base/.config/borg/security" / identifier
        for name in ("blobs", "base"):
            shutil.copytree(folder / name, folder / f"{name}.sound")

    def reset(self) -> None:
        """Everything as it was."""
        for name in ("blobs", "base"):
            shutil.rmtree(self._folder / name)
            shutil.copytree(self._folder / f"{name}.sound", self._folder / name)

    def archive(self, name: str) -> None:
        """Archive the mirror."""
        borg = _borg.Repository(**self.options)
        borg.prove(name, borg.create(name, str(self._folder / "mirror"), "blobs", compression="lz4"))

    def fails(self, work: t.Callable[[], object]) -> _borg.BorgError:
        """How Borg fails at it; always in words."""
        with pytest.raises(_borg.BorgError) as caught:
            work()
        assert "Traceback" not in caught.value.message
        return caught.value


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def kept(made_once: Kept) -> Kept:
    made_once.reset()
    return made_once


def damage(path: pathlib.Path, how: str) -> None:
    """As after a power cut or on a full disk."""
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
    # A text within a line that Borg needs: where its middle is depends on the length of paths.
    cut = content.find(b"timestamp") + 4 if b"timestamp" in content else middle
    path.write_bytes({"empty": b"", "half": content[:cut], "flipped": flipped}[how])


@pytest.mark.parametrize("how", ["empty", "half", "flipped"])
@pytest.mark.parametrize("name", ["chunks", "config"])
def test_a_damaged_cache_is_told_as_such_and_the_remedy_works(kept: Kept, name: str, how: str) -> None:
    damage(kept.cache / name, how)
    error = kept.fails(lambda: kept.archive("second"))
    assert (error.msgid, error.found) == ("CacheDamaged", False)
    assert f"borg create on {kept.repository} failed: Borg's cache is damaged" in error.what
    assert error.remedy == f"Remove {kept.cache}; Borg builds it anew"
    shutil.rmtree(kept.cache)
    kept.archive("second")


def test_a_cache_that_hinders_a_mere_list_is_told_as_such(kept: Kept) -> None:
    damage(kept.cache / "config", "flipped")
    error = kept.fails(lambda: _borg.Repository(**kept.options).describe())
    assert (error.msgid, error.found) == ("CacheDamaged", False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("location", b"\xff\xfe\x00garbage"),
        ("key-type", b"\xff"),
        ("manifest-timestamp", b"\xff"),
        ("nonce", b""),
        ("nonce", b"12345"),
    ],
)
def test_a_damaged_memory_is_told_as_such_and_the_remedy_works(kept: Kept, name: str, content: bytes) -> None:
    (kept.memory / name).write_bytes(content)
    error = kept.fails(lambda: kept.archive("second"))
    assert (error.msgid, error.found) == ("MemoryDamaged", False)
    assert (
        error.remedy == f"See that it is the one that was always there, then remove {kept.memory}; Borg makes it anew"
    )
    shutil.rmtree(kept.memory)
    kept.archive("second")


@pytest.mark.parametrize("content", [b"", b"12345"])
def test_another_encryption_may_be_a_damaged_memory(kept: Kept, content: bytes) -> None:
    (kept.memory / "key-type").write_bytes(content)
    error = kept.fails(lambda: kept.archive("second"))
    assert "the repository's encryption is not what Borg remembers" in error.what
    assert f"remove {kept.memory} and {kept.cache}, of which one is damaged then" in error.remedy
    shutil.rmtree(kept.memory)
    kept.archive("second")


def test_what_is_damaged_in_the_repository_is_not_called_the_caches(kept: Kept) -> None:
    damage(kept.repository / "nonce", "flipped")
    error = kept.fails(lambda: kept.archive("second"))
    assert (error.msgid, error.found) == ("Exception", False) and "cache" not in error.message
    kept.reset()
    (segment,) = [path for path in (kept.repository / "data/0").iterdir() if path.stat().st_size > 100_000]
    damage(segment, "flipped")
    error = kept.fails(lambda: _borg.Repository(**kept.options).read("first", stall_seconds=None))
    assert (error.msgid, error.found) == ("IntegrityError", True)


@pytest.mark.parametrize("whose", ["the repository's lock", "the lock of Borg's cache"])
def test_the_remedy_for_a_lock_removes_it(kept: Kept, whose: str) -> None:
    lock = (kept.cache if "cache" in whose else kept.repository) / "lock.exclusive"
    lock.mkdir()
    (lock / "another machine@1.4711-0").touch()
    error = kept.fails(lambda: kept.archive("second"))
    assert error.msgid == "LockTimeout" and f"another Borg holds {whose} (" in error.what
    found = re.search("let (BORG_BASE_DIR=.*) remove the lock", error.remedy)
    assert found is not None
    words = ["env", *shlex.split(found[1])]
    subprocess.run(words, check=True, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    kept.archive("second")
