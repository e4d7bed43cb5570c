# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _path_list
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.modules import drill_record, drill_sample

RunModule = t.Callable[..., dict[str, t.Any]]
POINT = "20261123T023000Z-77b0aa"


class Drawer:
    """Two manifests, references into them, and the two modules of a drill."""

    def __init__(self, run: RunModule, root: pathlib.Path) -> None:
        self.run, self.root = run, root
        self.manifests = {name: str(root / f"{name}.content") for name in ("blobs", "data")}
        tree = root / "tree"
        (tree / "odd\nfolder").mkdir(parents=True)
        for number in range(20):
            (tree / "odd\nfolder" / f"{number:02}").write_bytes(b"x" * number)
        os.symlink("nowhere", tree / "odd\nfolder" / "link")
        self.write("blobs", tree, tree / "odd\nfolder")
        self.write("data", tree)
        self.references = root / "references.jsonl"
        self.refer(*(("blobs", f"odd\nfolder/{number:02}", number) for number in range(20)))

    def write(self, name: str, *folders: pathlib.Path) -> None:
        with _content_manifest.replacing(self.manifests[name], 1, dry=False) as writer:
            for folder in folders:
                path = os.fsencode(folder.relative_to(folders[0])) if folder != folders[0] else b""
                lines = [_content.folder_line(path)]
                for entry in sorted(folder.iterdir()):
                    raw = os.fsencode(entry.name)
                    lines.append(_content.line(b"a" * 64, b".", _content.tail(entry.lstat(), raw)))
                writer.add(lines)
            writer.finish({"files": 0})

    def refer(self, *references: tuple[str, str, int], used: bool = True) -> None:
        lines: list[dict[str, t.Any]] = [{"schema_version": 1, "stores": {}}]
        lines += [{"dataset": name, "path": path, "size": size, "used": used} for name, path, size in references]
        self.references.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def draw(self, *, check_mode: bool = False, **changes: t.Any) -> dict[str, t.Any]:
        options = {
            "manifests": self.manifests,
            "references_file": str(self.references),
            "seed": "march",
            "limit_bytes": 10**9,
            "proven_dir": str(self.root / "proven"),
            "directory": str(self.root),
        }
        return self.run(drill_sample, {**options, **changes}, check_mode=check_mode)

    def record(self, drawn: dict[str, t.Any], *, ok: bool = True, check_mode: bool = False) -> dict[str, t.Any]:
        samples = {
            name: {"manifest": self.manifests[name], "paths_file": one["paths_file"]}
            for name, one in drawn["datasets"].items()
        }
        options = {
            "evidence_file": str(self.root / "drills" / "tatchu.json"),
            "source": "tatchu",
            "drill": {"point": POINT, "ok": ok},
            "points": [{"point": POINT, "state": "complete", "datasets": [], "marks": []}],
            "samples": samples,
            "proven_dir": str(self.root / "proven"),
        }
        return self.run(drill_record, options, check_mode=check_mode)


@pytest.fixture
def drawer(run_module_main: RunModule, tmp_path: pathlib.Path) -> Drawer:
    return Drawer(run_module_main, tmp_path)


def test_check_mode_writes_nothing(drawer: Drawer) -> None:
    predicted = drawer.draw(check_mode=True)
    assert not list(drawer.root.glob("*.paths"))
    assert drawer.draw() == predicted
    assert drawer.record(predicted, check_mode=True)["coverage"]["points_proven"] == 1
    assert not (drawer.root / "drills").exists() and not (drawer.root / "proven").exists()


def test_everything_is_drawn_when_nothing_limits_it(drawer: Drawer) -> None:
    drawn = drawer.draw()
    blobs = drawn["datasets"]["blobs"]
    assert (blobs["files"], blobs["files_total"], blobs["bytes"]) == (20, 20, sum(range(20)))
    assert drawn["datasets"]["data"]["files"] == 0
    assert _path_list.read([blobs["paths_file"]])[0] == b"odd\nfolder/00"
    assert (drawn["references"], drawn["references_drawn"], drawn["references_missing"]) == (20, 20, 0)
    assert len(pathlib.Path(drawn["references_file"]).read_text().splitlines()) == 21


def test_drills_that_pass_prove_more_and_more_files(drawer: Drawer) -> None:
    shares = []
    for number in range(4):
        drawn = drawer.draw(files=5, seed=f"drill{number}")
        assert drawn["references_drawn"] == 5
        assert not drawer.record(drawn, ok=False)["drill"]["datasets"]["blobs"]["files_proven"] > 5 * number
        shares.append(drawer.record(drawn)["drill"]["datasets"]["blobs"]["share_proven"])
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_what_was_proven_and_is_cut_off_heals_with_the_next_drill(drawer: Drawer) -> None:
    drawn = drawer.draw()
    drawer.record(drawn)
    os.truncate(drawer.root / "proven" / "blobs.proven", 7)
    assert drawer.record(drawn, ok=False)["drill"]["datasets"]["blobs"]["files_proven"] == 0
    drawer.record(drawn)
    assert drawer.record(drawn, ok=False)["drill"]["datasets"]["blobs"]["files_proven"] == 20


def test_a_reference_whose_file_is_not_archived_is_found_though_it_was_not_drawn(drawer: Drawer) -> None:
    drawer.refer(("blobs", "odd\nfolder/07", 7), ("blobs", "odd\nfolder/99", 7), ("blobs", "odd\nfolder/08", 9))
    drawn = drawer.draw(files=1)
    assert drawn["references_missing"] == 2
    assert "99 is in no archive" in drawn["references_examples"][0]
    assert "has 8 bytes and not 9" in drawn["references_examples"][1]
    drawer.refer(("blobs", "odd\nfolder/99", 7), used=False)
    assert drawer.draw()["references_missing"] == 0


def test_a_reference_to_a_folder_or_to_no_place(drawer: Drawer) -> None:
    folder = {"dataset": "blobs", "is_folder": True, "used": True, "size": 7}
    lines = [{"schema_version": 1}, {**folder, "path": "odd\nfolder"}, {**folder, "path": "odd\nfolder/07"}]
    lines += [{"dataset": "blobs", "path": f"odd\nfolder{name}", "size": None, "used": True} for name in ("", "/07")]
    lines.append({"used": True})
    drawer.references.write_text("".join(json.dumps(line) + "\n" for line in lines))
    drawn = drawer.draw()
    assert drawn["references_examples"] == [
        "blobs: odd\\x0afolder/07 is in no archive",
        "blobs: odd\\x0afolder is in no archive",
        "no dataset: ? leads to no place",
    ]
    assert drawn["references_missing"] == 3


def test_a_sample_larger_than_the_archive_is_refused(drawer: Drawer) -> None:
    refused = drawer.draw(files=21)
    assert refused["failed"] and "no archive of this point holds more than 20" in refused["msg"]


def test_what_is_larger_than_all_that_may_be_taken_keeps_nobody_waiting(drawer: Drawer) -> None:
    drawn = drawer.draw(limit_bytes=10, files=5)
    blobs = drawn["datasets"]["blobs"]
    assert (blobs["files_total"], blobs["files_too_large"], blobs["bytes"] <= 10) == (20, 9, True)


def test_what_is_accepted_as_it_is_is_not_missing_and_not_looked_at_again(drawer: Drawer) -> None:
    drawer.refer(
        ("blobs", "odd\nfolder/05", 7), ("blobs", "gone", 1), ("blobs", "odd\nfolder/06", 6), ("data", "gone", 1)
    )
    before = drawer.draw()
    assert (before["references_missing"], before["references_accepted"], before["references_drawn"]) == (3, 0, 2)
    after = drawer.draw(accept=[f"{'a' * 64} odd\\x0afolder/05"], accept_missing=["blobs/gone"])
    assert (after["references_missing"], after["references_accepted"], after["references_drawn"]) == (1, 2, 1)
    assert after["references_examples"] == ["data: gone is in no archive"]
    other = drawer.draw(accept=[f"{'b' * 64} odd\\x0afolder/05"])
    assert (other["references_missing"], other["references_accepted"]) == (3, 0)
