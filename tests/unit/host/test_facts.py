# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os
import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._host import _facts, _legacy, _tree
from ansible_collections.labops.backup.plugins.module_utils._model import _legacy as _past


def test_facts_are_plain_and_leave_no_trace(tmp_path: pathlib.Path) -> None:
    facts = _facts.gather({"data": str(tmp_path), "gone": str(tmp_path / "gone")}, "2026-11-23T02:15:00Z")
    json.dumps(facts)
    assert facts["datasets"]["data"]["writable"] is True
    assert facts["datasets"]["data"]["free_bytes"] > 0
    assert tmp_path.is_relative_to(facts["datasets"]["data"]["mount"])
    above = facts["datasets"]["data"]["above"]
    assert [one["path"] for one in above] == [str(path) for path in list(tmp_path.parents)[-2::-1]]
    assert facts["datasets"]["gone"]["present"] is False
    assert facts["users"]["root"] == [0, 0]
    assert any(mount["point"] == "/" for mount in facts["mounts"])
    assert os.listdir(tmp_path) == []


def test_files_are_told_by_hash_and_secrets_not_at_all(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crontab").write_text("PASSWORD=hunter2")
    (tmp_path / "database.cnf").write_text("password=hunter2")
    (tmp_path / "database.cnf").chmod(0o640)
    monkeypatch.setattr(_facts, "_CRON", (str(tmp_path / "*"),))
    monkeypatch.setattr(_facts, "_DEPLOYED", (str(tmp_path / "*"),))
    facts = _facts.gather({}, "2026-11-23T02:15:00Z")
    assert facts["deployed"] == {
        str(tmp_path / "crontab"): hashlib.sha256(b"PASSWORD=hunter2").hexdigest(),
        str(tmp_path / "database.cnf"): "mode 0640 owner 0",
    }
    assert "hunter2" not in json.dumps(facts)


def test_only_scripts_of_ours_were_deployed_by_us(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ssh/tatchu", "ssh/tatchu.pub", "ssh/known_hosts", "borg/tatchu.passphrase", "deployed.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("content")
    monkeypatch.setattr(_facts, "_DEPLOYED", (str(tmp_path / "*"), str(tmp_path / "*" / "*")))
    found = {path.removeprefix(f"{tmp_path}/"): what for path, what in _facts.deployed().items()}
    digest = hashlib.sha256(b"content").hexdigest()
    assert sorted(name for name, what in found.items() if what == digest) == ["ssh/known_hosts", "ssh/tatchu.pub"]
    assert sorted(name for name, what in found.items() if what.startswith("mode ")) == [
        "borg/tatchu.passphrase",
        "ssh/tatchu",
    ]


def test_cron_tells_lines_that_are_in_force_and_no_file_that_it_ignores(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_facts, "_CRON_JOBS", str(tmp_path / "labops-backup-*"))
    good, off, open_to_others = (tmp_path / f"labops-backup-{name}" for name in ("backup", "dump", "verify"))
    line = "30 2 * * * root /usr/local/sbin/backup_and_notify_on_loki.sh"
    for path, text in ((good, line), (off, f"# {line}"), (open_to_others, line)):
        path.write_text(f"# Generated\nMAILTO=root\n{text}\n")
        path.chmod(0o644)
    open_to_others.chmod(0o666)
    assert _facts.cron()["entries"] == {str(good): [line], str(off): [], str(open_to_others): []}


def test_a_clock_says_whether_something_keeps_it() -> None:
    assert _facts.clock_synchronised() in (True, False)


def test_what_is_left_of_the_past_is_counted_only_for_those_who_say_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = _past.Document("/usr/local/bin/old.sh", _past.SCRIPT, ("rsync -a 192.0.2.7:/data /backup",))
    monkeypatch.setattr(_legacy, "collect", lambda: ([script], ["/home/x could not be read"]))
    assert _facts.gather({}, "2026-11-23T02:15:00Z")["legacy"] is None
    past = {"addresses": ["192.0.2.7"], "known": ["tatchu"], "peers": []}
    found = _facts.gather({}, "2026-11-23T02:15:00Z", past)["legacy"]
    assert (found["found"], found["named"], found["not_looked_at"]) == (1, True, 1)
    assert found["first"][0].startswith("/usr/local/bin/old.sh:1 ")


def test_the_innermost_mount_counts_and_links_are_followed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, inner = str(tmp_path / "disk"), str(tmp_path / "disk" / "inner")
    os.makedirs(inner + "-beside")
    os.symlink(disk, tmp_path / "data")
    monkeypatch.setattr(_facts, "_mounts", lambda: [{"point": point} for point in ("/", disk, inner)])
    assert _facts.mount_of(str(tmp_path / "data" / "inner" / "x")) == inner
    assert _facts.mount_of(str(tmp_path / "data" / "inner-beside")) == disk
    assert _facts.mount_of(str(tmp_path)) == "/"


@pytest.mark.parametrize(("name", "told"), [("lab data", "lab\\040data"), ("a\tb\\c", "a\\011b\\134c")])
def test_a_mount_with_an_odd_name_is_known_by_that_name(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    disk = tmp_path / name
    (disk / "blobs").mkdir(parents=True)
    table = tmp_path / "mounts"
    table.write_text(f"/dev/a / ext4 rw 0 0\n//nas/my\\040share {tmp_path}/{told} cifs rw,user=anna 0 0\n")
    monkeypatch.setattr(_tree, "_MOUNTS", str(table))
    facts = _facts.gather({"blobs": str(disk / "blobs")}, "2026-11-23T02:15:00Z")
    assert facts["datasets"]["blobs"]["mount"] == str(disk)
    assert facts["mounts"][1] == {"device": "//nas/my share", "point": str(disk), "type": "cifs", "access": "rw"}
