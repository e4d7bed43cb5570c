# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.modules import incident_journal, incident_journal_info

RunModule = t.Callable[..., dict[str, t.Any]]
INCIDENT = "20261123T140000Z-3fa9c1"


def options(folder: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
    path = str(folder / "journal" / "tatchu" / f"{INCIDENT}.json")
    return {"path": path, "incident": INCIDENT, "source": "tatchu", "server": "loki", **more}


def test_entries_are_kept_but_not_in_check_mode(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    begin = options(tmp_path, event="fenced")
    predicted = run_module_main(incident_journal, begin, check_mode=True)
    assert predicted["changed"] and not (tmp_path / "journal").exists()
    run_module_main(incident_journal, begin)
    done = run_module_main(
        incident_journal,
        options(tmp_path, step="blobs.push", step_state="finished", result={"bytes": 50, "seconds": 5}),
    )
    assert done["finished"] == ["blobs.push"]
    assert pathlib.Path(begin["path"]).stat().st_mode & 0o777 == 0o600
    read = run_module_main(
        incident_journal_info, {"directory": str(pathlib.Path(begin["path"]).parent), "incident": INCIDENT}
    )
    assert read["selected"] == done["journal"]
    assert read["finished"] == ["blobs.push"] and read["rates"] == {"push": 10}
    assert [event["what"] for event in read["selected"]["events"]] == ["fenced", "blobs.push finished"]


def test_a_journal_that_cannot_be_read_is_left_alone(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    path = pathlib.Path(options(tmp_path)["path"])
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    refused = run_module_main(incident_journal, options(tmp_path, event="fenced"))
    assert "it has no schema_version. Nothing was changed. Move it away, and give the same" in refused["msg"]
    assert path.read_text() == "{}"


def test_settings_other_than_the_confirmed_ones_are_refused(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    run_module_main(incident_journal, options(tmp_path, confirmed={"point": "a"}))
    refused = run_module_main(incident_journal, options(tmp_path, confirmed={"point": "b"}))
    assert refused["failed"] and "Nothing was changed" in refused["msg"]
