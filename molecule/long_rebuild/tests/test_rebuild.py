# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/rebuild.md, done: a new LOKI knows every recovery point, restores from them, and goes on with its nights."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from restores import PROJECT

testinfra_hosts = ["ansible://loki"]
REPOSITORIES = "/srv/backup/borg"


def play(*words):
    """A playbook of the lab, as make runs it."""
    done = subprocess.run(
        [PROJECT / ".venv/bin/ansible-playbook", *words],
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def points(playbook, folder):
    """What status.yml says: state and archives by recovery point."""
    path = folder / "status.json"
    done = playbook("status", "-e", f"status_json={path}")
    assert done.returncode == 0, done.stdout + done.stderr
    (server,) = json.loads(path.read_text())["servers"]
    (source,) = server["sources"]
    return {one["point"]: (one["state"], [part["archive_id"] for part in one["datasets"]]) for one in source["points"]}


def rebuild_step(number):
    """The shell blocks of a section of docs/rebuild.md."""
    text = (PROJECT / "docs/rebuild.md").read_text()
    section = text.split(f"## {number}. ")[1].split("\n## ")[0]
    return [re.sub(r"(?m)^  ", "", block) for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


@pytest.fixture(scope="module")
def kept(night, still_night, playbook, run_local, tmp_path_factory):
    """Two nights, and what was carried away from LOKI and from the control node before both were lost.

    Nobody writes after the second one: what is newer than it and lost with the data no restore brings back.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    night()
    point = still_night()
    before = points(playbook, folder)
    assert len(before) >= 2
    run_local(f"ssh -F .lab/ssh_config loki tar -C /srv/backup -c borg >{folder}/borg.tar")
    shutil.copytree(PROJECT / ".lab/escrow", folder / "bundle")
    return {"folder": folder, "points": before, "point": point}


@pytest.fixture(scope="module")
def anew(kept, run_local, loki):
    """A bare host under LOKI's name, with a copy of the repositories, provisioned from the bundle's inventory."""
    play("molecule/long_rebuild/lose.yml")
    shutil.rmtree(PROJECT / ".lab/escrow")
    play("tests/lab/create.yml")
    assert loki.run("ls /etc/labops-backup").rc != 0
    run_local(f"ssh -F .lab/ssh_config loki 'mkdir -p /srv/backup && tar -C /srv/backup -x' <{kept['folder']}/borg.tar")
    (nonces,) = rebuild_step(1)
    loki.check_output("bash -eu -c %s", nonces)
    shutil.copytree(kept["folder"] / "bundle", PROJECT / ".lab/escrow")
    inventories = sorted((kept["folder"] / "bundle/loki/inventory").iterdir())
    play(*(word for inventory in inventories for word in ("-i", str(inventory))), "site.yml")
    return kept


def test_the_bundle_holds_what_a_new_server_is_made_from(kept, lab_secrets):
    bundle = kept["folder"] / "bundle/loki"
    document = json.loads((bundle / "bundle.json").read_text())
    assert set(document["sources"]["tatchu"]["repositories"]) == {"database", "blobs", "data", "points"}
    assert document["vault_hint"] and "there is no vault in the lab" in (bundle / "README.txt").read_text()
    assert "tatchu" in (bundle / "known_hosts").read_text()
    assert (bundle / "tatchu/passphrase").read_text().strip("\n") == lab_secrets[0]
    assert all(path.stat().st_mode & 0o077 == 0 for path in pathlib.Path(bundle).rglob("*"))


def test_every_point_is_listed_again(anew, playbook):
    assert points(playbook, anew["folder"]) == anew["points"]


def test_the_bundle_was_tried_on_the_new_server(anew, loki):
    proof = json.loads(loki.file("/var/lib/labops-backup/escrow/tatchu.json").content_string)
    assert {name: one["finding"] for name, one in proof["repositories"].items()} == dict.fromkeys(
        ("database", "blobs", "data", "points"), ""
    )
    assert loki.run("ls /run/labops-backup/escrow").rc != 0
    assert "escrow." not in loki.check_output("ls -A /srv/backup/staging")


def test_what_is_lost_comes_back_from_a_point_of_before(anew, tatchu, recover, assert_restored):
    tatchu.check_output("find /datajoint-data -type f -name '*' ! -name '.labops*' -delete")
    offer = recover(anew["point"], case="rebuild", scope="data")
    assert offer["point"] == anew["point"]["point"]
    assert_restored(anew["point"], "data")


def test_a_night_seals_a_point_in_the_old_repositories(anew, night, playbook):
    point = night()
    now = points(playbook, anew["folder"])
    assert set(anew["points"]) < set(now) and now[point["point"]][0] == "complete"


def test_without_etc_and_var_site_yml_is_enough(anew, loki, playbook, night):
    before = points(playbook, anew["folder"])
    identifier = loki.file("/srv/backup/.labops-backup-root").content_string
    loki.check_output("rm -rf /etc/labops-backup /etc/cron.d/labops-* /var/lib/labops-backup /var/log/labops-backup")
    play("-i", ".lab/inventory", "site.yml")
    assert points(playbook, anew["folder"]) == before
    assert loki.file("/srv/backup/.labops-backup-root").content_string == identifier
    point = night()
    assert set(points(playbook, anew["folder"])) == {*before, point["point"]}
