# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a lost host was: out of the mirror, or out of the archive, and only if it is what was sealed."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.modules import recovery_point_facts_info

RunModule = t.Callable[..., dict[str, t.Any]]
SET = "20261123T021500Z-3fa9c1"
FACTS = json.dumps({"schema_version": 1, "hostname": "tatchu"}).encode()


@pytest.fixture
def options(recorded_borg: t.Any, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    sealed = {"source_facts.json": {"sha256": hashlib.sha256(FACTS).hexdigest()}}
    (tmp_path / "manifest.json").write_text(json.dumps({"schema_version": 1, "id": SET, "files": sealed}))
    (tmp_path / "mirror" / SET).mkdir(parents=True)
    return {
        **recorded_borg.options,
        "archive": "tatchu-database-20261123T023000Z-77b0aa",
        "dataset": "database",
        "manifest": str(tmp_path / "manifest.json"),
        "mirror": str(tmp_path / "mirror"),
    }


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_mirror_is_asked_first_in_check_mode_too(
    run_module_main: RunModule,
    recorded_borg: t.Any,
    options: dict[str, t.Any],
    tmp_path: pathlib.Path,
    check_mode: bool,
) -> None:
    (tmp_path / "mirror" / SET / "source_facts.json").write_bytes(FACTS)
    result = run_module_main(recovery_point_facts_info, options, check_mode=check_mode)
    assert (result["facts"]["hostname"], result["owners"]) == ("tatchu", {"uids": [], "gids": []})
    assert recorded_borg.calls == []


def archive(recorded_borg: t.Any, content: bytes) -> None:
    """Let the next extract bring this file."""

    def write() -> None:
        folder = pathlib.Path(recorded_borg.calls[-1]["cwd"]) / "database" / SET
        folder.mkdir(parents=True)
        (folder / "source_facts.json").write_bytes(content)

    recorded_borg.will("extract_tree")
    recorded_borg.during = write


def test_a_mirror_that_has_gone_on_is_passed_over(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mirror" / SET / "source_facts.json").write_bytes(b"{}")
    archive(recorded_borg, FACTS)
    assert run_module_main(recovery_point_facts_info, options)["facts"]["hostname"] == "tatchu"
    assert recorded_borg.verbs[0][-3].endswith(options["archive"]) or options["archive"] in str(recorded_borg.verbs[0])


def test_what_was_not_sealed_is_refused(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any]
) -> None:
    archive(recorded_borg, b'{"schema_version": 1, "hostname": "another"}')
    result = run_module_main(recovery_point_facts_info, options)
    assert result["failed"] and f"does not hold {SET}/source_facts.json" in result["msg"]


def test_owners_are_counted_from_the_manifests(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mirror" / SET / "source_facts.json").write_bytes(FACTS)
    (tmp_path / "a").touch()
    owner = os.lstat(tmp_path / "a")
    with _content_manifest.replacing(str(tmp_path / "blobs.content"), 1, dry=False) as writer:
        line = _content.line(_content.NO_CONTENT, _content.GOOD, _content.tail(owner, b"a"))
        writer.add([_content.folder_line(b""), line])
        writer.finish({"files": 1, "bytes": 0, "others": 0})
    result = run_module_main(
        recovery_point_facts_info, {**options, "content_manifests": [str(tmp_path / "blobs.content")]}
    )
    assert result["owners"] == {"uids": [owner.st_uid], "gids": [owner.st_gid]}


def test_a_manifest_whose_identifier_leads_elsewhere_is_refused(
    run_module_main: RunModule, recorded_borg: t.Any, options: dict[str, t.Any]
) -> None:
    path = pathlib.Path(options["manifest"])
    path.write_text(path.read_text().replace(SET, "../etc"))
    result = run_module_main(recovery_point_facts_info, options)
    assert result["failed"] and "is a false manifest: id is no identifier" in result["msg"]
    assert recorded_borg.calls == []
