# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rolling checks call a finding, what they call nobody's chance to look, over archives that are folders."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import (
    _check,
    _extract,
    _recovery_points,
    _verify_content,
)
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _content_manifest,
    _document,
    _file_content,
    _generation,
    _path_list,
)
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

DUMP = "20261123T021500Z-3fa9c1"
NEW, OLD = "20261123T023000Z-77b0ab", "20261122T023000Z-77b0aa"
CONTENT = b"a blob of a night " * 40
CONTENT_NAME = hashlib.md5(CONTENT).hexdigest()
BLOB = f"lab/{CONTENT_NAME[:2]}/{CONTENT_NAME[2:4]}/{CONTENT_NAME}"
DAMAGE = BackupError("the segment 7 is damaged")


class World:
    """A source with two sealed nights; it stands for Borg, too.

    :ivar errors: what Borg says to a kind of check, or when it touches an archive.
    :ivar folders: what comes out of an archive.
    :ivar limits: how long Borg was given for a look at a repository.
    :ivar taken: the archives that something was taken out of, once a slice.
    :ivar listed: the paths that were asked for.
    :ivar left: what of another archive lay there when one was taken out.
    """

    path = "/borg"

    def __init__(self, root: pathlib.Path) -> None:
        self.root, self.mirror = root, root / "mirror"
        self.mirror.mkdir()
        self.ids = {"night-new": "id-new", "night-old": "id-old"}
        self.errors: dict[str, BackupError] = {}
        self.folders: dict[str, pathlib.Path] = {}
        self.reasons: list[str] = []
        self.whole: list[str] = []
        self.limits: list[int | None] = []
        self.taken: list[str] = []
        self.listed: list[bytes] = []
        self.left: list[str] = []
        self.size, self.reached = 10, 3
        self.points = [self._point(NEW, "new"), self._point(OLD, "old")]
        self.unreadable: list[dict[str, str]] = []
        self.asked: dict[str, t.Any] = {
            **{"source": "tatchu", "dataset": "blobs", "seconds": 0, "database": False, "stores": None},
            **{"points_repository": "/points", "cache_dir": "/cache", "stall_seconds": 0},
            "mirror": str(self.mirror),
            "content_manifest": str(root / "mirror.content"),
            "generation_file": str(root / "generation.json"),
            "evidence_file": str(root / "checks" / "tatchu.json"),
            "scratch_dir": str(root / "scratch"),
            "lock": str(root / "lock"),
        }

    @staticmethod
    def _point(point: str, night: str) -> dict[str, t.Any]:
        archive = {"name": "blobs", "archive": f"night-{night}", "archive_id": f"id-{night}", "original_size": 10}
        other = {"name": "data", "archive": f"night-{night}-data", "archive_id": f"id-{night}-data"}
        return {"point": point, "dump_set": {"id": DUMP}, "datasets": [archive, other], "files": {"blobs.content": {}}}

    def __call__(self, kind: str, **more: t.Any) -> dict[str, t.Any]:
        request = _check.Request(kind=kind, **{**self.asked, **more})
        return _check.check(lambda _path: t.cast("t.Any", self), "/borg", request, t.cast("t.Any", self), dry=False)

    def state(self, kind: str, dataset: str = "blobs") -> dict[str, t.Any]:
        found = _document.read(self.asked["evidence_file"])["datasets"][dataset][kind]
        return t.cast("dict[str, t.Any]", found)

    # -- as the priority and as Borg

    def reason(self) -> str:
        return self.reasons.pop(0) if self.reasons else ""

    def describe(self) -> dict[str, t.Any]:
        return {"archives": [{"name": name, "id": identifier} for name, identifier in self.ids.items()]}

    def bytes_on_disk(self) -> int:
        return self.size

    def check(self, kind: str, *, glob: str | None = None, **keywords: t.Any) -> dict[str, t.Any]:
        self._see(glob or kind)
        self.whole += [] if glob else [kind]
        if kind == "repository":
            self.limits.append(keywords["max_duration"])
        return {"segments": {"reached": self.reached, "total": 4}} if kind == "repository" else {}

    def read(self, name: str, **_keywords: t.Any) -> None:
        self._see(name)

    def file_digest(self, name: str, *paths: str) -> str:
        return hashlib.sha256((self.folders[name] / paths[0].removeprefix("blobs/")).read_bytes()).hexdigest()

    def _see(self, what: str) -> None:
        if what in self.errors:
            raise self.errors[what]

    def extract(self, _repository: t.Any, request: _extract.Request, *, dry_run: bool) -> None:
        """In place of ``_extract.extract``, which compares what comes out with the content manifest."""
        self._see(request.archive)
        self.taken.append(request.archive)
        if request.paths_file is not None:
            self.listed += _path_list.read([request.paths_file])
        self.left += [name for name in os.listdir(os.path.dirname(request.destination)) if name in self.ids]
        shutil.copytree(self.folders.get(request.archive, self.mirror), request.destination)

    # -- a mirror of files

    def fill(self) -> None:
        """A store, a folder and their content manifest, sealed in the newest point."""
        for name in (BLOB, "raw/a.npy", "raw/b.npy"):
            (self.mirror / name).parent.mkdir(parents=True, exist_ok=True)
            (self.mirror / name).write_bytes(CONTENT)
        self.pull()
        self.verify()

    def pull(self) -> None:
        path = self.asked["generation_file"]
        number = _generation.begin(path, started="2026-11-23T02:30:00Z", dump_set=None, run_id=None)
        _generation.complete(path, number, finished="2026-11-23T02:31:00Z", files=0, total_bytes=0)

    def verify(self, accept: t.Sequence[str] = ()) -> None:
        done = _verify_content.verify(
            _verify_content.Request(
                **{name: self.asked[name] for name in ("mirror", "generation_file", "stores")},
                **{"manifest_file": self.asked["content_manifest"], "generation": None, "accept": accept},
                **{"rehash_percent": 0, "lock": None, "dry": False},
            )
        )
        self.points[0]["files"]["blobs.content"] = {"sha256": done["manifest"]["sha256"]}


@pytest.fixture
def world(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    seconds = itertools.count()
    # Cycles of these runs would begin and end within one second.
    monkeypatch.setattr(_check._Piece, "_now", lambda _piece: f"2026-11-23T04:{next(seconds):04}Z")
    monkeypatch.setattr(_extract, "extract", made.extract)
    monkeypatch.setattr(
        _recovery_points, "read", lambda *_, **__: _recovery_points.Listing(made.points, made.unreadable, [], [])
    )
    sealed = ({"blobs.content": made.asked["content_manifest"]}, True)
    monkeypatch.setattr(_recovery_points, "unpack", lambda *_, **__: sealed)
    return made


@pytest.fixture
def dumps(world: World, recorded_dump_set: pathlib.Path) -> World:
    """A dataset of kind database, whose mirror and archives hold the recorded dump set."""
    shutil.copytree(recorded_dump_set, world.mirror / DUMP)
    world.pull()
    world.asked.update(database=True)
    return world


def keep_times(path: pathlib.Path, content: bytes) -> None:
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


# ----------------------------------------------------------------------------------------------------- dump sets


def test_a_dump_set_comes_out_of_every_archive_as_it_was_sealed(dumps: World) -> None:
    done = dumps("manifest")
    assert (done["ok"], done["finding"], done["share"], done["touched"]) == (True, "", 1.0, [])
    assert set(dumps.state("manifest")["passed"]) == {"id-new", "id-old"}
    assert dumps.left == [] and not (dumps.root / "scratch" / "blobs").exists()


def test_a_dump_set_that_comes_out_otherwise_touches_the_points_of_its_archive_only(
    dumps: World, tmp_path: pathlib.Path
) -> None:
    dumps.folders["night-old"] = tmp_path / "other"
    shutil.copytree(dumps.mirror, dumps.folders["night-old"])
    keep_times(dumps.folders["night-old"] / DUMP / "accounts.sql", b"-- nobody")
    done = dumps("manifest")
    assert "the archive night-old does not hold the dump set that was sealed" in done["finding"]
    assert "accounts.sql has 9 bytes" in done["finding"] and done["touched"] == [OLD]
    assert list(dumps.state("manifest")["passed"]) == ["id-new"]


def test_an_archive_without_the_dump_set_that_its_point_was_sealed_with(dumps: World) -> None:
    dumps.points[0]["dump_set"] = {"id": "20261124T021500Z-000000"}
    done = dumps("manifest")
    assert "it does not hold 20261124T021500Z-000000" in done["finding"] and done["touched"] == [NEW]
    dumps.points[0]["dump_set"] = None
    assert dumps("manifest")["ok"]


def test_a_dump_set_in_the_mirror_that_is_not_what_its_manifest_says(dumps: World) -> None:
    assert dumps("mirror")["ok"]
    keep_times(dumps.mirror / DUMP / "source_facts.json", b"[]")
    done = dumps("mirror")
    assert "source_facts.json has other content than when it was written" in done["finding"]
    assert done["touched"] == []


def test_dump_sets_in_a_mirror_that_is_being_written_are_not_judged(dumps: World) -> None:
    _generation.begin(dumps.asked["generation_file"], started="2026-11-24T02:30:00Z", dump_set=None, run_id=None)
    (dumps.mirror / DUMP / "accounts.sql").write_bytes(b"half")
    done = dumps("mirror")
    assert (done["skipped"], done["ok"]) == ("the mirror is being written, or was never finished", True)


def test_a_mirror_without_any_dump_set(dumps: World) -> None:
    shutil.rmtree(dumps.mirror / DUMP)
    assert "there is no dump set" in dumps("mirror")["finding"]


# ------------------------------------------------------------------------------------------------------- archives


def test_what_is_not_in_the_repository_as_it_was_sealed(world: World) -> None:
    world.fill()
    world.ids = {"night-new": "id-other"}
    done = world("manifest")
    assert done["finding"].startswith("the archive night-new, sealed with the id id-new, has the id id-other")
    assert done["touched"] == [OLD, NEW]
    del world.ids["night-new"]
    assert "sealed with the id id-new, is not there" in world("manifest")["finding"]


def test_a_seal_that_cannot_be_read_hides_no_archive(dumps: World) -> None:
    dumps.unreadable = [{"point": "20261121T023000Z-77b0aa", "archive": "point-x", "reason": "it is no JSON"}]
    done = dumps("manifest")
    assert not done["ok"] and done["touched"] == []
    assert done["finding"].startswith(
        "the seal of 20261121T023000Z-77b0aa cannot be read, so nobody can compare its archive: it is no JSON. "
    )
    assert set(dumps.state("manifest")["passed"]) == {"id-new", "id-old"}
    dumps.unreadable = []
    assert dumps("manifest")["ok"]


def test_without_a_recovery_point_nothing_was_read_back(world: World) -> None:
    world.points.clear()
    assert world("manifest")["skipped"] == "no recovery point has an archive of it yet"
    assert not pathlib.Path(world.asked["evidence_file"]).exists()


def test_an_archive_whose_seal_has_no_content_manifest_cannot_be_compared(world: World) -> None:
    world.fill()
    del world.points[0]["files"]["blobs.content"]
    done = world("manifest")
    assert "the seal of the archive night-new has no content manifest" in done["finding"]
    assert done["touched"] == [NEW]


def test_what_comes_out_otherwise_is_a_finding_and_no_room_is_none(world: World) -> None:
    world.fill()
    world.errors["night-new"] = BackupError("raw/a.npy is other than the manifest says")
    done = world("manifest")
    assert done["finding"].startswith("raw/a.npy is other") and done["touched"] == [NEW]
    world.errors["night-new"] = BackupError("there is no room", needed=7)
    with pytest.raises(BackupError, match="there is no room"):
        world("manifest")


def test_a_file_too_large_for_a_slice_is_compared_on_its_way_by(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill()
    monkeypatch.setattr(_check, "_SLICE_BYTES", 100)
    for night in ("night-new", "night-old"):
        world.folders[night] = world.root / night
        shutil.copytree(world.mirror, world.folders[night])
    assert world("manifest")["ok"]
    (world.folders["night-new"] / "raw" / "a.npy").write_bytes(b"?")
    done = world("manifest")
    assert done["finding"].startswith("raw/a.npy in the archive night-new holds") and done["touched"] == [NEW]
    # Nor is it taken out as well: it may be larger than the room there is.
    assert b"raw/a.npy" not in world.listed and b"raw" in world.listed


def test_an_archive_that_lacks_something_touches_its_points(world: World) -> None:
    assert world("archives")["ok"]
    world.errors["night-old"] = DAMAGE
    done = world("archives")
    assert "the segment 7 is damaged" in done["finding"] and done["touched"] == [OLD]
    assert list(world.state("archives")["passed"]) == ["id-new"]


@pytest.mark.parametrize("kind", ["repository", "data"])
def test_of_damage_nobody_knows_the_place_of_those_are_touched_that_cannot_be_read(world: World, kind: str) -> None:
    # What lies in the repository of another dataset is not read here.
    world.errors = {kind: DAMAGE, "night-old": DAMAGE, "night-new-data": DAMAGE}
    done = world(kind)
    assert done["finding"] == DAMAGE.message and done["touched"] == [OLD]
    assert not world.state(kind)["ok"]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system of the evidence has no room."""

    def write(path: str, _document: t.Any) -> t.NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(_document, "write", write)


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("errors", "kind", "touched"),
    [
        ({"repository": DAMAGE, "night-old": DAMAGE}, "repository", [OLD]),
        ({"data": DAMAGE, "night-old": DAMAGE}, "data", [OLD]),
    ],
)
def test_a_full_disk_hides_no_finding(
    world: World, errors: dict[str, BackupError], kind: str, touched: list[str]
) -> None:
    world.errors = errors
    done = world(kind)
    assert (done["ok"], done["finding"], done["touched"]) == (False, DAMAGE.message, touched)
    assert "could not be written down in" in done["problem"] and "No space left on device" in done["problem"]


def test_a_disk_that_is_full_from_some_moment_on_hides_no_finding(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that passes is noted, then one is damaged, and no further one can be noted."""
    world.errors["night-old"] = DAMAGE
    world.ids["night-older"] = "id-older"
    really, written = _document.write, itertools.count()

    def write(path: str, document: dict[str, t.Any]) -> None:
        if next(written) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        really(path, document)

    monkeypatch.setattr(_document, "write", write)
    done = world("archives")
    assert (done["ok"], done["finding"], done["touched"]) == (False, DAMAGE.message, [OLD])
    assert "No space left on device" in done["problem"]


@pytest.mark.usefixtures("full")
def test_a_full_disk_fails_a_check_that_found_nothing(world: World) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        world("repository")


@pytest.mark.parametrize("kind", ["repository", "archives"])
def test_what_was_found_is_told_though_nobody_can_say_which_points_it_touches(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def read(*_arguments: t.Any, **_keywords: t.Any) -> t.NoReturn:
        raise BackupError("the seals cannot be read")

    monkeypatch.setattr(_recovery_points, "read", read)
    world.errors = {"repository": DAMAGE, "night-new": DAMAGE}
    done = world(kind)
    assert (done["ok"], done["finding"], done["touched"]) == (False, DAMAGE.message, [])
    assert done["problem"] == "the seals cannot be read."


def test_which_points_are_touched_is_kept_until_the_finding_is_cleared(world: World) -> None:
    world.errors["night-old"] = DAMAGE
    world("archives")
    (since,) = world.state("archives")["touched"].items()
    assert since[0] == OLD and since[1].startswith("2026-11-23T04")
    world.errors = {"data": DAMAGE, "night-old": DAMAGE}
    world("data")
    assert list(world.state("data")["touched"]) == [OLD]
    world.errors.clear()
    assert world("archives")["ok"] and world.state("archives")["touched"] == {}


def test_a_run_that_is_killed_while_it_looks_what_is_touched_leaves_all_that_may_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.errors = {"repository": DAMAGE}

    def read(_world: World, _name: str, **_keywords: t.Any) -> t.NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(World, "read", read)
    with pytest.raises(KeyboardInterrupt):
        world("repository")
    assert not world.state("repository")["ok"] and set(world.state("repository")["touched"]) == {NEW, OLD}


def test_what_there_is_no_time_to_read_counts_as_touched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.errors = {"data": DAMAGE}
    monkeypatch.setattr(_check._Piece, "_is_over", lambda _piece: True)
    assert world("data")["touched"] == [OLD, NEW]


def test_damage_to_the_seals_touches_no_archive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_arguments: t.Any, **_keywords: t.Any) -> t.NoReturn:
        raise BackupError("they cannot be read")

    monkeypatch.setattr(_recovery_points, "read", read)
    world.errors = dict.fromkeys(("repository", "archives", "data"), DAMAGE)
    for kind in world.errors:
        done = world(kind, dataset="points")
        assert done["finding"] == DAMAGE.message and done["touched"] == []


def test_a_repository_is_checked_piece_by_piece_and_the_seals_at_once(world: World) -> None:
    done = world("repository", seconds=5)
    assert (done["share"], done["complete_at"]) == (0.75, "") and world.limits.pop() in range(1, 6)
    world.reached = 4
    assert world("repository", seconds=5)["complete_at"] and world.limits.pop()
    done = world("archives", dataset="points")
    assert done["share"] == 1.0 and done["complete_at"].startswith("2026-11-23T04")
    assert world.whole == ["repository", "repository", "archives"]
    world("repository")
    assert world.limits == [None]


def test_what_was_found_stands_until_a_whole_look_finds_nothing(world: World) -> None:
    world.errors["repository"] = DAMAGE
    done = world("repository", seconds=5)
    assert (done["finding"], done["standing"]) == (DAMAGE.message, "")
    del world.errors["repository"]
    done = world("repository", seconds=5)
    assert (done["finding"], done["standing"], done["ok"]) == ("", DAMAGE.message, False)
    done = world("repository")
    assert (done["standing"], done["ok"]) == ("", True)


AHEAD = "2027-11-23T04:00:00Z"


def claim(world: World, kind: str, **changes: t.Any) -> None:
    """Let the evidence say something else."""
    path = world.asked["evidence_file"]
    document = _document.read(path)
    document["datasets"]["blobs"][kind] |= changes
    _document.write(path, document)


def test_what_a_clock_that_was_ahead_wrote_down_clears_no_finding(world: World) -> None:
    world.errors["night-old"] = DAMAGE
    world("archives")
    passed = {"id-new": AHEAD, "id-old": AHEAD}
    claim(world, "archives", cycle_started=AHEAD, complete_at=AHEAD, clean=True, passed=passed)
    done = world("archives")
    assert (done["ok"], done["finding"], done["touched"]) == (False, DAMAGE.message, [OLD])
    del world.errors["night-old"]
    assert world("archives")["ok"]
    assert max(world.state("archives")["passed"].values()) < AHEAD


def test_data_is_not_told_by_what_a_clock_that_was_ahead_wrote_down(world: World) -> None:
    world.fill()
    world("manifest")
    claim(world, "manifest", complete_at=AHEAD)
    world.size = 10**12
    assert world("data", seconds=5)["complete_at"] == ""


@pytest.mark.parametrize(("name", "most"), [("_SLICE_FILES", 1), ("_SLICE_BYTES", len(CONTENT))])
def test_what_is_read_back_comes_in_slices(world: World, monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    world.fill()
    assert world("manifest")["ok"]
    at_once, whole = world.taken.count("night-new"), list(world.listed)
    assert {BLOB.encode(), b"raw", b"raw/a.npy", b"raw/b.npy"} <= set(whole)
    monkeypatch.setattr(_check, name, most)
    assert world("manifest")["ok"]
    assert at_once == 1 and world.taken.count("night-new") - at_once >= 3
    assert world.listed == [*whole, *whole]


def test_data_that_one_run_cannot_read_is_told_by_what_is_read_back(world: World) -> None:
    world.fill()
    world("manifest")
    world.size = 10**12
    done = world("data", seconds=5)
    assert done["skipped"].startswith("too much to be read at once") and "100 % of this cycle" in done["skipped"]
    assert world.state("data")["complete_at"] == world.state("manifest")["complete_at"] and world.whole == []
    world("data")
    world("data", seconds=5, dataset="points")
    world.size = 10
    world("data", seconds=5)
    assert world.whole == ["data", "data", "data"]


def test_how_much_one_run_can_read_is_told_by_the_one_before(world: World) -> None:
    world.size = 10**9
    assert "too much" in world("data", seconds=5)["skipped"]
    assert world("data")["skipped"] == world("data", seconds=5)["skipped"] == ""


def test_when_nobody_could_look_nothing_was_found(world: World) -> None:
    world.errors["repository"] = _borg.BorgError("the lock is held", msgid="LockTimeout", rc=2, stderr="")
    with pytest.raises(BackupError, match="the lock is held"):
        world("repository")
    assert not pathlib.Path(world.asked["evidence_file"]).exists()
    # Somebody who must not wait has got that lock meanwhile.
    world.reasons = ["", "the backup run x is at work"]
    done = world("repository")
    assert (done["gave_way"], done["ok"], done["finding"]) == ("the backup run x is at work", True, "")


def test_what_was_ended_for_somebody_else_is_no_finding(world: World) -> None:
    world.errors["night-new"] = BackupError("it gave way", kind=_borg.GAVE_WAY)
    done = world("archives")
    assert (done["gave_way"], done["ok"], done["touched"]) == ("it gave way.", True, [])
    del world.errors["night-new"]
    world.reasons = ["", "the backup run x is at work"]
    assert world("archives")["gave_way"] == "the backup run x is at work"


def test_a_run_that_is_over_leaves_the_rest_for_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One archive at least is looked at, or a short time would never lead anywhere."""
    assert world("archives", seconds=600)["share"] == 1.0
    monkeypatch.setattr(_check._Piece, "_left", lambda _piece: 1.0)
    monkeypatch.setattr(_check.time, "monotonic", iter(range(0, 10_000, 10)).__next__)
    assert world("archives", seconds=5)["share"] == 0.5
    assert world("archives", seconds=5)["share"] == 1.0


def test_reading_back_goes_on_behind_the_last_slice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill()
    monkeypatch.setattr(_check, "_SLICE_FILES", 1)
    monkeypatch.setattr(_check.time, "monotonic", iter(range(0, 10_000, 10)).__next__)
    reached = []
    for number in range(1, 4):
        assert world("manifest", seconds=5)["share"] == 0.0
        assert world.taken == ["night-new"] * number
        reached.append(world.state("manifest")["cursor"]["path"])
    assert len(set(reached)) == 3


def test_an_archive_that_was_begun_is_read_to_its_end_though_each_night_brings_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill()
    monkeypatch.setattr(_check, "_SLICE_FILES", 1)
    monkeypatch.setattr(_check.time, "monotonic", iter(range(0, 10_000, 10)).__next__)
    for day in range(1, 30):
        world("manifest", seconds=5)
        if "id-new" in world.state("manifest")["passed"]:
            break
        world.points.insert(0, world._point(f"202612{day:02}T023000Z-77b0ab", f"of-{day}"))
        world.ids[f"night-of-{day}"] = f"id-of-{day}"
    assert "id-new" in world.state("manifest")["passed"]
    assert world.taken[:3] == ["night-new"] * 3


def test_what_is_no_evidence_is_refused(world: World) -> None:
    pathlib.Path(world.asked["evidence_file"]).parent.mkdir()
    _document.write(world.asked["evidence_file"], {"datasets": {"blobs": []}})
    with pytest.raises(BackupError, match="does not hold the evidence of checks"):
        world("archives")


# -------------------------------------------------------------------------------------------------------- mirrors


def other_content(world: World) -> None:
    keep_times(world.mirror / "raw" / "a.npy", CONTENT[:-1] + b"?")


def other_kind(world: World) -> None:
    (world.mirror / "raw" / "a.npy").unlink()
    (world.mirror / "raw" / "a.npy").mkdir()


def missing(world: World) -> None:
    (world.mirror / "raw" / "a.npy").unlink()


def folder_is_file(world: World) -> None:
    shutil.rmtree(world.mirror / "raw")
    (world.mirror / "raw").touch()


def strange_name(world: World) -> None:
    (world.mirror / "raw" / "strange").touch()


def strange_at_the_beginning(world: World) -> None:
    (world.mirror / "lab" / "strange").touch()


def strange_at_the_end(world: World) -> None:
    """In the folder that the walk looks at last."""
    (world.mirror / "raw" / "zz").touch()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_content, "raw/a.npy holds"),
        (other_kind, "raw/a.npy is of another kind"),
        (missing, "raw/a.npy is missing"),
        (folder_is_file, "raw/b.npy is missing"),
        (strange_name, "raw/strange is not in the manifest"),
        (strange_at_the_beginning, "lab/strange is not in the manifest"),
        (strange_at_the_end, "raw/zz is not in the manifest"),
    ],
)
def test_what_a_mirror_does_not_hold_any_more(world: World, change: t.Callable[[World], None], said: str) -> None:
    world.fill()
    assert world("mirror")["ok"]
    change(world)
    done = world("mirror")
    assert said in done["finding"] and done["touched"] == [] and not world.state("mirror")["ok"]
    assert world.state("names")["ok"]


def test_a_mirror_is_looked_at_to_its_end_while_there_is_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill()
    monkeypatch.setattr(_check, "_LOOK_SECONDS", 0)
    assert world("mirror", seconds=600)["share"] == 1.0


@pytest.mark.parametrize("night", [False, True])
def test_a_look_at_a_mirror_goes_on_within_a_folder(world: World, monkeypatch: pytest.MonkeyPatch, night: bool) -> None:
    """What was seen in the piece before is in the manifest, also in that of another night."""
    world.fill()
    monkeypatch.setattr(_check._Piece, "_is_over", lambda piece: piece._moved)
    monkeypatch.setattr(_check, "_LOOK_SECONDS", 0)
    read: list[bytes] = []
    real = _check._Mirror.look

    def look(walk: t.Any, path: bytes, entry: t.Any) -> None:
        read.append(path)
        real(walk, path, entry)

    monkeypatch.setattr(_check._Mirror, "look", look)
    done = world("mirror")
    assert (done["ok"], done["finding"], done["share"] < 1) == (True, "", True)
    if night:
        world.pull()
        world.verify()
    monkeypatch.setattr(_check, "_LOOK_SECONDS", 1000)
    done = world("mirror")
    assert (done["ok"], done["finding"], done["share"]) == (True, "", 1.0)
    assert len(read) == len(set(read)), "nothing was read twice"


def test_a_look_at_a_mirror_that_gives_way_has_come_as_far_as_it_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill()
    monkeypatch.setattr(_check, "_LOOK_SECONDS", 0)
    world.reasons = ["", "", "", "", "a night began"]
    done = world("mirror")
    assert done["gave_way"] == "a night began" and done["share"] == 0.0
    assert world.state("mirror")["cursor"]["path"]


def test_a_finding_is_told_also_by_a_piece_that_gives_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill()
    other_content(world)
    monkeypatch.setattr(_check, "_LOOK_SECONDS", 0)
    found = []
    for looks in range(2, 12):
        world.reasons = [*[""] * looks, "a night began"]
        done = world("mirror")
        found += [done["gave_way"]] if "raw/a.npy holds" in done["finding"] else []
        if not done["gave_way"]:
            break
    assert found[0] == "a night began" and not world.state("mirror")["ok"]


def test_what_was_seen_while_somebody_wrote_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill()
    other_content(world)
    monkeypatch.setattr(_check, "_LOOK_SECONDS", 0)
    real = _check._Mirror.look

    def look(walk: t.Any, path: bytes, entry: t.Any) -> None:
        real(walk, path, entry)
        if path == b"raw/a.npy":
            world.pull()

    monkeypatch.setattr(_check._Mirror, "look", look)
    done = world("mirror")
    assert (done["gave_way"], done["finding"], world.asked["dataset"]) == ("a pull began", "", "blobs")


def test_a_large_file_does_not_keep_a_night_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill()
    monkeypatch.setattr(_check, "_LOOK_SECONDS", 0)
    looks: list[str] = []
    real = _check._Piece._yield_soon

    def give_way(piece: t.Any) -> None:
        looks.append("")
        world.reasons = ["a night began"]
        real(piece)

    monkeypatch.setattr(_check._Piece, "_yield_soon", give_way)
    assert world("mirror")["gave_way"] == "a night began"
    assert len(looks) == 1, "within the first file"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (_file_content.ChangedWhileReadError(), "is being written to"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
    ],
)
def test_what_cannot_be_read_in_a_mirror(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    world.fill()

    def digests(*_arguments: t.Any) -> t.NoReturn:
        raise error

    monkeypatch.setattr(_file_content.Contents, "digests", digests)
    assert f"raw/a.npy {said}" in world("mirror")["finding"]


def test_a_mirror_that_cannot_be_looked_at_is_no_finding(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill()

    def look(*_arguments: t.Any) -> t.NoReturn:
        raise BackupError("the disk is gone")

    monkeypatch.setattr(_check._Mirror, "look", look)
    with pytest.raises(BackupError, match="the disk is gone"):
        world("mirror")
    assert not pathlib.Path(world.asked["evidence_file"]).exists()


def test_a_blob_that_was_archived_under_a_name_that_it_does_not_have_touches_that_point(world: World) -> None:
    world.fill()
    keep_times(world.mirror / BLOB, CONTENT[:-1] + b"?")
    done = world("mirror")
    assert CONTENT_NAME in world.state("names")["finding"] and done["touched"] == []
    # A store that the inventory did not know when it was archived.
    world.pull()
    world.asked["stores"] = []
    shutil.rmtree(world.mirror / "raw")
    (world.root / "mirror.content").unlink()
    world.verify()
    world.asked["stores"] = None
    done = world("mirror")
    assert done["touched"] == [NEW] and world.state("mirror")["ok"]
    assert not done["ok"], "a run that found something is not called good"


def test_content_that_was_accepted_under_its_name_is_no_finding(world: World) -> None:
    world.fill()
    (world.mirror / BLOB).write_bytes(b"accepted")
    world.pull()
    world.verify([f"{hashlib.sha256(b'accepted').hexdigest()} {BLOB}"])
    assert world("mirror")["ok"] and world.state("names")["ok"]


def test_what_was_found_before_it_was_archived_is_not_found_again(world: World) -> None:
    world.fill()
    (world.mirror / BLOB).write_bytes(b"something else")
    world.pull()
    world.verify()
    assert world("mirror")["ok"] and world.state("names")["ok"]


def test_a_mirror_that_was_not_verified_since_its_pull_is_not_judged(world: World) -> None:
    world.fill()
    world.pull()
    other_content(world)
    done = world("mirror")
    assert (done["skipped"], done["ok"]) == ("the mirror was not verified since its last pull", True)


def test_a_mirror_that_has_moved_on_is_compared_but_proves_nothing_of_the_point(world: World) -> None:
    world.fill()
    world.points[0]["files"]["blobs.content"]["sha256"] = "0" * 64
    done = world("mirror")
    assert "has moved on since the newest recovery point" in done["skipped"] and done["share"] == 0.0
    assert world.state("mirror")["complete_at"] is None and world.state("names")["share"] == 1.0
    other_content(world)
    assert "raw/a.npy holds" in world("mirror")["finding"]


def test_a_mirror_that_is_being_written_or_never_was_is_not_judged(world: World) -> None:
    assert world("mirror")["skipped"] == "there is no mirror yet"
    world.fill()
    _generation.begin(world.asked["generation_file"], started="2026-11-24T02:30:00Z", dump_set=None, run_id=None)
    assert world("mirror")["skipped"] == "the mirror is being written, or was never finished"


@pytest.mark.parametrize("vanishes", [False, True])
def test_a_pull_that_begins_meanwhile_makes_what_was_seen_tell_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, vanishes: bool
) -> None:
    world.fill()
    other_content(world)

    def close_folder(walk: _check._Mirror) -> None:
        _generation.begin(world.asked["generation_file"], started="2026-11-24T02:30:00Z", dump_set=None, run_id=None)
        if vanishes:
            raise FileNotFoundError

    monkeypatch.setattr(_check._Mirror, "close_folder", close_folder)
    done = world("mirror")
    assert (done["gave_way"], done["ok"], done["finding"]) == ("a pull began", True, "")


def test_of_an_archive_all_is_read_back_that_the_one_next_to_it_does_not_hold(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill()
    manifests = {NEW: world.asked["content_manifest"], OLD: str(world.root / "old.content")}
    shutil.copyfile(manifests[NEW], manifests[OLD])
    (world.mirror / "raw" / "a.npy").write_bytes(b"another night")
    (world.mirror / "raw" / "b.npy").unlink()
    world.pull()
    world.verify()
    monkeypatch.setattr(
        _recovery_points,
        "unpack",
        lambda _points, point, *_, **__: ({"blobs.content": manifests[point["point"]]}, True),
    )
    world.points[1]["files"] = world.points[0]["files"]
    assert world("manifest")["ok"] and world.taken == ["night-new", "night-old"]
    of_new = [path for path, _entry in _content_manifest.entries(manifests[NEW])]
    assert world.listed[: len(of_new)] == of_new
    of_old = set(world.listed[len(of_new) :])
    assert {b"raw/a.npy", b"raw/b.npy"} <= of_old and BLOB.encode() not in of_old
