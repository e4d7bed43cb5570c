# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.modules import incident_journal_info

RunModule = t.Callable[..., dict[str, t.Any]]
INCIDENT = "20261123T140000Z-3fa9c1"


def test_no_folder_means_no_incident_in_check_mode_too(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    asked = {"directory": str(tmp_path / "none"), "incident": INCIDENT}
    for check_mode in (False, True):
        read = run_module_main(incident_journal_info, asked, check_mode=check_mode)
        assert (read["journals"], read["selected"], read["finished"], read["rates"]) == ([], {}, [], {})
    assert not (tmp_path / "none").exists()


def test_one_that_cannot_be_read_hides_no_other(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    (tmp_path / f"{INCIDENT}.json").write_text("nonsense")
    (tmp_path / "notes.txt").write_text("")
    read = run_module_main(incident_journal_info, {"directory": str(tmp_path)})
    assert read["journals"] == [] and read["unreadable"][0]["path"].endswith(f"{INCIDENT}.json")
    refused = run_module_main(incident_journal_info, {"directory": str(tmp_path), "incident": INCIDENT})
    assert refused["failed"] and "cannot be read" in refused["msg"]
