# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rolling checks see, over real repositories. Needs borg and root."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import types
import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils import (
    _check,
    _extract,
    _recovery_points,
    _verify_content,
)
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _generation
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg
from ansible_collections.labops.backup.plugins.modules import backup_check

RunModule = t.Callable[..., dict[str, t.Any]]
POINTS = ("20261122T023000Z-77b0aa", "20261123T023000Z-77b0ab")
CONTENT = b"a blob of a night " * 400
CONTENT_NAME = hashlib.md5(CONTENT).hexdigest()
SEALED = datetime(2026, 11, 23, 3, tzinfo=UTC)


class World:
    """A mirror with a store, two nights of it in a repository, and their seals."""

    run: RunModule

    def __init__(self, root: pathlib.Path) -> None:
        self.root, self.mirror = root, root / "blobs"
        self.blob = self.mirror / "lab" / CONTENT_NAME[:2] / CONTENT_NAME[2:4] / CONTENT_NAME
        self.blob.parent.mkdir(parents=True)
        self.blob.write_bytes(CONTENT)
        (self.mirror / "raw").mkdir()
        for number in range(40):
            (self.mirror / "raw" / f"session{number:02}.npy").write_bytes(os.urandom(3000))
        passphrase = root / "passphrase"
        passphrase.write_text("correct horse\n")
        passphrase.chmod(0o600)
        (root / "ledger").mkdir()
        self.options: dict[str, t.Any] = {
            "source": "tatchu",
            "dataset": "blobs",
            "repository": str(root / "borg"),
            "points_repository": str(root / "points"),
            "passphrase_file": str(passphrase),
            "base_dir": str(root / "base"),
            "cache_dir": str(root / "cache"),
            "mirror": str(self.mirror),
            "content_manifest": f"{self.mirror}.content",
            "generation_file": f"{self.mirror}.generation.json",
            "evidence_file": str(root / "checks" / "tatchu.json"),
            "scratch_dir": str(root / "scratch"),
            "lock": str(root / "lock"),
            "ledger_dir": str(root / "ledger"),
        }
        for path in ("borg", "points"):
            self.repository(path).ensure("repokey-blake2", "0", dry_run=False)
        for number, point in enumerate(POINTS):
            (self.mirror / "raw" / f"night{number}").write_bytes(os.urandom(3000))
            self.night(point)

    def repository(self, path: str) -> _borg.Repository:
        names = ("passphrase_file", "base_dir")
        return _borg.Repository(repository=str(self.root / path), **{name: self.options[name] for name in names})

    def night(self, point: str) -> None:
        """Verify, archive and seal the mirror as it is."""
        generation_file = self.options["generation_file"]
        number = _generation.begin(generation_file, started="2026-11-23T02:30:00Z", dump_set=None, run_id=None)
        _generation.complete(generation_file, number, finished="2026-11-23T02:31:00Z", files=0, total_bytes=0)
        done = _verify_content.verify(
            _verify_content.Request(
                mirror=str(self.mirror),
                manifest_file=self.options["content_manifest"],
                generation_file=generation_file,
                generation=None,
                stores=None,
                accept=[],
                rehash_percent=0,
                lock=None,
                dry=False,
            )
        )
        archive = f"tatchu-blobs-{point}"
        repository = self.repository("borg")
        created = repository.create(archive, str(self.root), "blobs", compression="none")
        outcome = {
            "name": "blobs",
            "order": 0,
            "archive": archive,
            "generation": number,
            "repository": str(self.root / "borg"),
            "dump_set": None,
            **repository.prove(archive, created),
            "seconds": {"archive": 0.1},
        }
        _recovery_points.seal(
            lambda path: self.repository(pathlib.Path(path).name),
            str(self.root / "points"),
            point,
            datasets=[outcome],
            missing=[],
            manifest_file=None,
            cache_dir=self.options["cache_dir"],
            files={"blobs.content": {"path": self.options["content_manifest"], "sha256": done["manifest"]["sha256"]}},
            staging_dir=None,
            dry=False,
            source="tatchu",
            server="loki",
            run_id=point,
            release="0",
            sealed=SEALED,
            expected=["blobs"],
            dump_set=None,
            references=None,
            dump_expected=False,
        )

    def __call__(self, kind: str, *, check_mode: bool = False, **more: t.Any) -> dict[str, t.Any]:
        return self.run(backup_check, {**self.options, "kind": kind, **more}, check_mode=check_mode)

    @property
    def evidence(self) -> dict[str, t.Any]:
        found = json.loads(pathlib.Path(self.options["evidence_file"]).read_text())["datasets"]["blobs"]
        return t.cast("dict[str, t.Any]", found)

    def flip_a_bit(self) -> None:
        """Somewhere in what the first night archived."""
        segments = sorted((self.root / "borg" / "data" / "0").iterdir(), key=lambda path: path.stat().st_size)
        segment = segments[-1]
        raw = bytearray(segment.read_bytes())
        raw[len(raw) // 2] ^= 1
        segment.write_bytes(raw)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("made"))


@pytest.fixture
def world(made: World, run_module_main: RunModule) -> t.Iterator[World]:
    """As it was made, whatever a test does to it."""
    made.run = run_module_main
    kept = made.root.with_name("kept")
    shutil.copytree(made.root, kept, symlinks=True)
    yield made
    shutil.rmtree(made.root)
    kept.rename(made.root)


def keep_times(path: pathlib.Path, content: bytes) -> None:
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture
def asked(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """Options for what ends before it opens a repository."""
    (tmp_path / "ledger").mkdir()
    names = ("repository", "points_repository", "passphrase_file", "base_dir", "cache_dir", "scratch_dir", "lock")
    return {
        **{name: str(tmp_path / name) for name in names},
        "source": "tatchu",
        "dataset": "blobs",
        "kind": "manifest",
        "evidence_file": str(tmp_path / "evidence"),
        "ledger_dir": str(tmp_path / "ledger"),
    }


def test_check_mode_looks_at_nothing(
    run_module_main: RunModule, asked: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    told = run_module_main(backup_check, asked, check_mode=True)
    assert (told["changed"], told["share"], told["ok"]) == (False, 0.0, True)
    assert [path.name for path in tmp_path.iterdir()] == ["ledger"]


@pytest.mark.long
def test_everything_passes_and_says_how_far_it_came(world: World) -> None:
    for kind in ("mirror", "repository", "archives", "manifest", "data"):
        done = world(kind)
        assert (done["ok"], done["finding"], done["share"], done["touched"]) == (True, "", 1.0, []), done
    assert set(world.evidence) == {"names", "mirror", "repository", "archives", "manifest", "data"}
    assert all(state["ok"] and state["complete_at"] for state in world.evidence.values())
    assert len(world.evidence["manifest"]["passed"]) == len(world.evidence["archives"]["passed"]) == 2
    assert not any((world.root / "scratch").iterdir())


@pytest.mark.long
def test_reading_back_goes_on_where_it_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    real = _check._Piece._compare

    def compare(piece: t.Any, name: str, identifier: str, manifest: str, entries: t.Any) -> None:
        compared.append(len(entries))
        real(piece, name, identifier, manifest, entries)

    monkeypatch.setattr(_check._Piece, "_compare", compare)
    monkeypatch.setattr(_check, "_SLICE_FILES", 10)
    shares = []
    while not shares or shares[-1] < 1:
        shares.append(world("manifest", seconds=1)["share"])
        assert len(shares) < 30
    assert len(shares) > 1 and shares == sorted(shares)
    # All of the newest, and of the older one only what the newest does not have: nothing was read twice.
    assert sum(compared) == 40 + 2 + 1 + 4 + 0


@pytest.mark.long
def test_a_large_file_of_several_names_is_read_back_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Borg writes nothing for a further name of a file, and ends well."""
    for name in ("again", "raw/again", "zz"):
        (world.mirror / name).hardlink_to(world.mirror / "raw" / "session00.npy")
    world.night("20261124T023000Z-77b0ac")
    monkeypatch.setattr(_check, "_SLICE_BYTES", 1000)
    done = world("manifest")
    assert (done["ok"], done["finding"], done["share"]) == (True, "", 1.0), done


@pytest.mark.long
def test_a_lost_segment_is_found_and_the_points_it_touches(world: World) -> None:
    segments = sorted((world.root / "borg" / "data" / "0").iterdir(), key=lambda path: path.stat().st_size)
    segments[-1].unlink()
    kinds = {kind: world(kind) for kind in ("archives", "manifest", "data")}
    assert not any(found.get("failed") or found["ok"] for found in kinds.values()), kinds
    assert POINTS[0] in kinds["archives"]["touched"] and POINTS[0] in kinds["data"]["touched"]
    assert kinds["manifest"]["touched"], kinds["manifest"]


@pytest.mark.long
def test_a_flipped_bit_is_found_and_the_points_it_touches(world: World) -> None:
    world.flip_a_bit()
    found = world("repository")
    assert not found["ok"] and "it found damage" in found["finding"] and set(found["touched"]) <= set(POINTS)
    assert found["touched"]
    assert not world("data")["ok"]
    again = world("archives")
    assert again["ok"]
    assert [state["ok"] for name, state in world.evidence.items() if name in ("repository", "data")] == [False, False]


@pytest.mark.long
def test_what_the_mirror_lost_is_found_though_size_and_time_are_as_they_were(world: World) -> None:
    raw = world.mirror / "raw" / "session07.npy"
    keep_times(raw, raw.read_bytes()[:-1] + b"?")
    keep_times(world.blob, CONTENT[:-1] + b"?")
    (world.mirror / "raw" / "session08.npy").unlink()
    (world.mirror / "raw" / "strange").touch()
    found = world("mirror")
    assert not found["ok"] and found["touched"] == []
    assert "raw/session07.npy holds" in found["finding"] and "raw/session08.npy is missing" in found["finding"]
    assert "raw/strange is not in the manifest" in found["finding"]
    assert CONTENT_NAME in world.evidence["names"]["finding"] and not world.evidence["names"]["ok"]
    keep_times(world.blob, CONTENT)
    assert not world("mirror")["ok"] and world.evidence["names"]["ok"]


@pytest.mark.long
def test_an_archive_that_is_not_the_sealed_one_makes_its_points_suspect(world: World) -> None:
    repository = world.repository("borg")
    name = f"tatchu-blobs-{POINTS[0]}"
    repository.remove([name], stall_seconds=None)
    other = world.root / "other"
    other.mkdir()
    repository.create(name, str(world.root), "other", compression="none")
    found = world("manifest")
    assert not found["ok"] and found["touched"] == [POINTS[0]] and "has the id" in found["finding"]


@pytest.mark.long
def test_a_key_that_does_not_open_is_no_finding_but_a_failure(world: World) -> None:
    pathlib.Path(world.options["passphrase_file"]).write_text("another horse\n")
    failed = world("archives")
    assert failed["failed"] and "the passphrase does not open the repository" in failed["msg"]
    assert not pathlib.Path(world.options["evidence_file"]).exists()


def test_an_incident_comes_first(run_module_main: RunModule, asked: dict[str, t.Any], tmp_path: pathlib.Path) -> None:
    hold = tmp_path / "hold.json"
    told = {
        "schema_version": 1,
        "source": "tatchu",
        "incident": POINTS[0],
        "since": "2026-11-23T02:30:00Z",
        "reason": "fire",
    }
    hold.write_text(json.dumps(told))
    done = run_module_main(backup_check, {**asked, "hold": str(hold)})
    assert "held by incident" in done["gave_way"] and done["ok"] and done["share"] == 0.0 and not done["changed"]


@pytest.mark.long
def test_a_look_at_a_mirror_goes_on_within_its_top_folder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen in the piece before is in the manifest."""
    monkeypatch.setattr(_check._Piece, "_is_over", lambda piece: piece._moved)
    for look_seconds, finished in ((0, False), (1000, True)):
        monkeypatch.setattr(_check, "_LOOK_SECONDS", look_seconds)
        done = world("mirror")
        assert (done["ok"], done["finding"], done["share"] == 1) == (True, "", finished), done


def test_a_dump_that_does_not_fit_is_not_taken_out(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump has no content manifest that tells its size; the seal does."""
    archived = {"name": "database", "archive": "a", "archive_id": "ab", "original_size": 40_000}
    repository = types.SimpleNamespace(path="/borg", describe=lambda: {"archives": [{"name": "a", "id": "ab"}]})
    piece: t.Any = object.__new__(_check._Piece)
    piece.scratch, piece._repository, piece._open = str(tmp_path), "/borg", lambda _path: repository
    piece._request = types.SimpleNamespace(dataset="database", stall_seconds=0)
    points = [{"point": POINTS[0], "dump_set": None, "datasets": [archived]}]
    piece._listing = _recovery_points.Listing(points, [], [], [])
    room = os.statvfs_result((4096, 4096, 9, 9, 9, 9, 9, 9, 0, 255))
    monkeypatch.setattr(_extract.os, "statvfs", lambda _folder: room)
    with pytest.raises(BackupError, match=r"^40000 bytes are to be extracted to .*, where 36864 are free"):
        piece._dump_archive("a", "ab")
