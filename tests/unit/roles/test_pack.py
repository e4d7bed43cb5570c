# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role C(runner) brings to a host: the same bytes from wherever they come."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tarfile

import pytest

PACK = pathlib.Path(__file__).parents[3] / "roles/runner/files/pack.py"


def run(*arguments: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PACK, *arguments], text=True, capture_output=True)


def collection(root: pathlib.Path, *, installed: bool) -> pathlib.Path:
    files = {
        "plugins/modules/x.py": "x",
        "roles/a/tasks/main.yml": "---",
        "playbooks/p.yml": "p",
        "meta/runtime.yml": "m",
    }
    ignored = {"plugins/modules/__pycache__/x.cpython-311.pyc": "!", "plugins/.x.swp": "!", "tests/unit/t.py": "!"}
    if installed:
        files["MANIFEST.json"] = json.dumps({"collection_info": {"version": "1.2.3", "authors": ["somebody"]}})
    else:
        files.update({"galaxy.yml": "namespace: labops\nversion: 1.2.3\n", **ignored})
    for name in sorted(files, reverse=installed):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(files[name])
        os.utime(root / name, (1 if installed else 2, 3))
    return root


def test_a_checkout_and_an_installed_collection_pack_the_same(tmp_path: pathlib.Path) -> None:
    answers, digests = [], []
    for installed in (False, True):
        archive = tmp_path / f"{installed}.tar"
        done = run("collection", collection(tmp_path / str(installed), installed=installed), archive)
        answers.append(json.loads(done.stdout))
        digests.append(hashlib.sha256(archive.read_bytes()).hexdigest())
    assert answers[0] == answers[1]
    assert digests[0] == digests[1]
    assert answers[0]["version"] == "1.2.3"
    with tarfile.open(tmp_path / "True.tar") as tar:
        assert tar.getnames() == [
            "MANIFEST.json",
            "meta/runtime.yml",
            "playbooks/p.yml",
            "plugins/modules/x.py",
            "roles/a/tasks/main.yml",
        ]
        manifest = tar.extractfile("MANIFEST.json")
        assert manifest is not None
        assert json.load(manifest)["collection_info"] == {"name": "backup", "namespace": "labops", "version": "1.2.3"}


def test_another_content_has_another_hash(tmp_path: pathlib.Path) -> None:
    root = collection(tmp_path / "c", installed=False)
    before = json.loads(run("collection", root, tmp_path / "a.tar").stdout)["sha256"]
    (root / "plugins/modules/x.py").write_text("y")
    assert json.loads(run("collection", root, tmp_path / "a.tar").stdout)["sha256"] != before


def test_wheels_and_nothing_else(tmp_path: pathlib.Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w/a-1-py3-none-any.whl").write_text("a")
    (tmp_path / "w/notes.txt").write_text("n")
    run("wheels", tmp_path / "w", tmp_path / "w.tar")
    with tarfile.open(tmp_path / "w.tar") as tar:
        assert tar.getnames() == ["a-1-py3-none-any.whl"]


@pytest.mark.parametrize(("kind", "complaint"), [("wheels", "there is no wheel"), ("collection", "names no version")])
def test_nothing_to_pack_is_said(tmp_path: pathlib.Path, kind: str, complaint: str) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "e/galaxy.yml").write_text("name: backup\n")
    done = run(kind, tmp_path / "e", tmp_path / "e.tar")
    assert done.returncode == 1
    assert complaint in done.stderr
