# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the accepted night took away waits: it is listed, comes back as it was, and leaves only behind an archive.

Runs after the nights of test_guards.py.
"""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
PLACE = "/srv/backup/quarantine/tatchu"


@pytest.fixture(scope="module")
def night(loki, ledger):
    """The newest night that sealed a complete point: the one in which everything was accepted."""
    runs = [run for run in ledger(loki) if run["points"] and run["points"][0].get("state") == "complete"]
    return runs[-1]["run_id"]


def test_status_lists_it(playbook, guards_inventory, tmp_path, night):
    listed = playbook("status", "-i", guards_inventory, "--extra-vars", f"status_json={tmp_path}/status.json")
    assert listed.returncode == 0, listed.stdout
    (server,) = json.loads((tmp_path / "status.json").read_text())["servers"]
    (source,) = server["sources"]
    found = {entry["dataset"]: entry for entry in source["quarantines"]}
    assert found["thinned"]["files"] == 6
    assert found["thinned"]["oldest"] == night and not found["thinned"]["unproven"]
    assert found["recounted"]["unproven"] == [night], "its mirror was never archived as it was before that night"
    assert "Quarantine of tatchu/thinned: 6 files" in listed.stdout
    assert f"no archive is known to hold what {night} took away" in listed.stdout


def test_a_file_comes_back_as_it_was(loki, tree, module, night):
    loki.check_output("rm -rf /root/back && mkdir /root/back")
    place = {"directory": f"{PLACE}/thinned", "run_id": night, "path": "f03", "destination": "/root/back/f03"}
    assert module("quarantine_restore", **place)["changed"]
    back = tree(loki, "/root/back")["./f03"]
    kept = tree(loki, f"{PLACE}/thinned/{night}")["./1/f03"]
    assert {**kept, "path": ""} == {**back, "path": ""}
    assert loki.file("/root/back/f03").content_string.startswith("file 03 of thinned\n")
    again = module("quarantine_restore", **place)
    assert "/root/back/f03 exists, and nothing is overwritten" in again["msg"]


def test_it_leaves_only_behind_a_verified_archive(loki, module, borg, night):
    """With no days left to wait, what an archive holds goes; what no archive is known to hold stays."""
    gone, kept = (
        module(
            "quarantine_expire",
            days=0,
            directory=f"{PLACE}/{name}",
            lock=f"/run/labops-backup/tatchu.{name}.lock",
            archives=borg("list --short", name).stdout.split(),
        )
        for name in ("rewritten", "recounted")
    )
    assert (gone["removed"], gone["files"]) == ([night], 16)
    assert not loki.file(f"{PLACE}/rewritten/{night}").exists
    assert kept["removed"] == []
    assert {"run_id": night, "reason": "no verified archive is known to hold what waits there"} in kept["kept"]
    assert loki.file(f"{PLACE}/recounted/{night}").exists


def test_somebody_may_give_up_what_no_archive_holds(loki, module, night):
    words = {"directory": f"{PLACE}/recounted", "run_ids": [night], "lock": "/run/labops-backup/tatchu.recounted.lock"}
    assert module("quarantine_expire", **words)["removed"] == [night]
    assert not loki.file(f"{PLACE}/recounted/{night}").exists
