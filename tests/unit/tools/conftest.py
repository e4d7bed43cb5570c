# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror of everything that a file system can hold, as a night leaves it, for what brings it back."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils import _verify_content
from ansible_collections.labops.backup.plugins.module_utils._host import _generation

LAB = pathlib.Path(__file__).parents[2] / "lab"


class Awkward:
    """The mirror and its content manifest."""

    def __init__(self, root: pathlib.Path) -> None:
        self.mirror = root / "blobs"
        self.manifest = f"{self.mirror}.content"
        subprocess.run([sys.executable, str(LAB / "awkward.py"), "make", str(self.mirror), "5"], check=True)
        self.write_manifest()

    def write_manifest(self) -> None:
        """Verify the mirror as it is now."""
        generation_file = f"{self.mirror}.generation.json"
        number = _generation.begin(generation_file, started="2026-11-23T02:30:00Z", dump_set=None, run_id=None)
        _generation.complete(generation_file, number, finished="2026-11-23T02:31:00Z", files=0, total_bytes=0)
        request = _verify_content.Request(
            mirror=str(self.mirror),
            manifest_file=self.manifest,
            generation_file=generation_file,
            generation=None,
            stores=[],
            accept=[],
            rehash_percent=0,
            lock=None,
            dry=False,
        )
        _verify_content.verify(request)

    @property
    def names(self) -> list[bytes]:
        """Everything in the mirror."""
        root = os.fsencode(self.mirror)
        return [
            os.path.relpath(os.path.join(where, name), root)
            for where, folders, files in os.walk(root)
            for name in [*folders, *files]
        ]

    @staticmethod
    def tree_of(folder: pathlib.Path) -> dict[str, dict[str, t.Any]]:
        """A folder as an independent program describes it, without the folder itself."""
        script = [sys.executable, str(LAB / "tree.py"), str(folder)]
        said = subprocess.run(script, check=True, capture_output=True).stdout
        entries = {entry["path"]: entry for entry in map(json.loads, said.splitlines())}
        del entries["."]
        return entries


@pytest.fixture(scope="session")
def make_awkward() -> t.Callable[[pathlib.Path], Awkward]:
    """Makes such a mirror in a folder."""
    return Awkward


@pytest.fixture
def awkward(tmp_path: pathlib.Path) -> Awkward:
    return Awkward(tmp_path)
