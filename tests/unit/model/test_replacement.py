# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What new hardware needs to be what a dead source was."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _replacement

FACTS: dict[str, t.Any] = {
    "os": {"id": "debian", "version_id": "12"},
    "database": {"engine": "mariadb", "version": "10.11.6-MariaDB", "variables": {"sql_mode": "STRICT_TRANS_TABLES"}},
    "users": {
        "root": [0, 0],
        "mysql": [105, 112],
        "rig": [900, 900],
        "anna": [3002, 3000],
        "old": [3003, 3000],
        "nobody": [65534, 65534],
    },
    "groups": {"root": 0, "mysql": 112, "rig": 900, "labdata": 3000, "readers": 3100, "nogroup": 65534},
    "logins": {"anna": {"home": "/home/anna", "shell": "/bin/bash"}},
    "members": {"readers": ["anna"], "adm": ["anna"]},
    "datasets": {
        "blobs": {"path": "/datajoint-db/blobs", "present": True, "uid": 900, "gid": 3000, "mode": "2770"},
        "data": {"path": "/datajoint-data", "present": False},
    },
    "mounts": [{"point": "/"}, {"point": "/datajoint-db"}, {"point": "/datajoint-data/raw"}, {"point": "/boot"}],
    "units": ["datajoint-worker.service", "ssh.service"],
    "crontabs": {"/etc/cron.d/lab-pipeline": "0" * 64},
}
OWNERS = {"uids": [0, 900, 3002], "gids": [0, 900, 3000]}
PASSWD = {"root": ["x", "0", "0", "", "/root", "/bin/sh"], "mysql": ["x", "101", "105", "", "", ""]}
GROUP = {"root": ["x", "0", ""], "mysql": ["x", "105", ""]}
PRESENT: dict[str, list[str]] = {"mounts": ["/"], "units": ["ssh.service"], "crontabs": []}


def new(**changes: t.Any) -> dict[str, t.Any]:
    given = {"facts": FACTS, "owners": OWNERS, "passwd": PASSWD, "group": GROUP, "present": PRESENT, **changes}
    return _replacement.replacement(**given)


def test_people_and_who_owns_files_are_made_and_nobody_else() -> None:
    found = new()
    assert [(one["name"], one["uid"], one["group"]) for one in found["users"]] == [
        ("anna", 3002, "labdata"),
        ("old", 3003, "labdata"),
        ("rig", 900, "rig"),
    ]
    assert found["groups"] == [
        {"name": "labdata", "gid": 3000},
        {"name": "readers", "gid": 3100},
        {"name": "rig", "gid": 900},
    ]
    assert found["conflicts"] == []


def test_a_user_is_as_before_where_that_is_known() -> None:
    users = {one["name"]: one for one in new()["users"]}
    assert (users["anna"]["home"], users["anna"]["shell"], users["anna"]["groups"]) == (
        "/home/anna",
        "/bin/bash",
        ["readers"],
    )
    assert (users["old"]["home"], users["old"]["shell"]) == ("/home/old", "/usr/sbin/nologin")


def test_folders_are_made_as_they_were() -> None:
    assert new()["folders"] == [{"path": "/datajoint-db/blobs", "owner": "900", "group": "3000", "mode": "2770"}]


def test_folders_that_lead_to_a_dataset_are_nobody_elses() -> None:
    """Made by the way they would belong to whom the first dataset belongs to."""
    above = [{"path": "/datajoint-db", "uid": 0, "gid": 3000, "mode": "0751"}]
    dumps = {"path": "/datajoint-db/dumps", "present": True, "uid": 0, "gid": 0, "mode": "0700", "above": above}
    blobs = {**FACTS["datasets"]["blobs"], "above": above}
    # One dataset in another: its folder leads to the other, and has its own owner.
    inner = {"path": "/datajoint-db/blobs/x", "present": True, "uid": 1, "gid": 1, "mode": "0700"}
    inner["above"] = [*above, {"path": "/datajoint-db/blobs", "uid": 7, "gid": 7, "mode": "0777"}]
    found = new(facts={**FACTS, "datasets": {"database": dumps, "blobs": blobs, "inner": inner}})["folders"]
    assert [(one["path"], one["owner"], one["group"], one["mode"]) for one in found] == [
        ("/datajoint-db", "0", "3000", "0751"),
        ("/datajoint-db/blobs", "900", "3000", "2770"),
        ("/datajoint-db/blobs/x", "1", "1", "0700"),
        ("/datajoint-db/dumps", "0", "0", "0700"),
    ]


def test_who_is_there_already_is_left_alone() -> None:
    passwd = {**PASSWD, "anna": ["x", "3002", "3000", "", "", ""]}
    assert "anna" not in [one["name"] for one in new(passwd=passwd)["users"]]


def test_a_number_that_means_somebody_else_here_stands_against_it() -> None:
    passwd = {**PASSWD, "anna": ["x", "1001", "3000", "", "", ""], "eve": ["x", "900", "900", "", "", ""]}
    group = {**GROUP, "labdata": ["x", "1000", ""]}
    assert new(passwd=passwd, group=group)["conflicts"] == [
        "the user anna has the number 1001 here and had 3002, which owns files",
        "the number 900 of the user rig belongs to eve here",
        "the group labdata has the number 1000 here and had 3000, which owns files",
    ]


def test_a_mount_with_a_blank_in_its_name_is_known_again() -> None:
    datasets = {"data": {"path": "/lab data/raw", "present": True, "uid": 0, "gid": 0, "mode": "0755"}}
    facts = {**FACTS, "datasets": datasets, "mounts": [{"point": "/"}, {"point": "/lab data"}]}
    assert "mounted at /lab data;" in "\n".join(new(facts=facts)["checklist"])
    there = new(facts=facts, present={**PRESENT, "mounts": ["/", "/lab\\040data"]})
    assert "file systems of their own" not in "\n".join(there["checklist"])


def test_what_a_person_has_to_see_to_is_told() -> None:
    said = "\n".join(new()["checklist"])
    assert "It ran debian 12." in said and "Its database server was mariadb 10.11.6-MariaDB." in said
    assert "mounted at /datajoint-data/raw, /datajoint-db" in said and "/boot" not in said
    assert "units were there and are not here: datajoint-worker.service." in said
    assert "crontabs were there and are not here: /etc/cron.d/lab-pipeline." in said
    assert "not known of old, rig" in said and "dj.config['database.host']" in said


def test_facts_of_an_older_release_will_do() -> None:
    facts = {key: value for key, value in FACTS.items() if key not in ("logins", "members", "units", "mounts")}
    assert [one["name"] for one in new(facts=facts)["users"]] == ["anna", "old", "rig"]


def test_getent_is_read_by_name() -> None:
    lines = ["root:x:0:0:root:/root:/bin/bash", "+::::::", ""]
    assert _replacement.names(lines)["root"] == ["x", "0", "0", "root", "/root", "/bin/bash"]
