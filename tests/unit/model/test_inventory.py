# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _inventory
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEFAULTS = yaml.safe_load((ROOT / "roles" / "_common" / "defaults" / "main.yml").read_text())
Variables = dict[str, t.Any]

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOnRUTOUeXXH08rmMrvruyyUW7SPxGBKfgmoh5r53otb"


def plan(
    source: Variables | None = None,
    server: Variables | None = None,
    *,
    more: dict[str, Variables] | None = None,
    groups: dict[str, list[str]] | None = None,
    name: str = "tatchu",
) -> list[dict[str, t.Any]]:
    hosts = {
        "loki": {"ansible_host": "192.0.2.8", **(server or {})},
        name: {"ansible_host": "192.0.2.9", "backup_server": "loki", **(source or {})},
        **(more or {}),
    }
    members = {"backup_servers": ["loki"], "backup_sources": [name], **(groups or {})}
    return _inventory.plan(hosts, members, DEFAULTS)


def with_datasets(*entries: t.Any) -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", plan({"backup_datasets": list(entries)})[0]["datasets"])


def refusal(*words: t.Any, **keywords: t.Any) -> str:
    with pytest.raises(BackupError) as caught:
        plan(*words, **keywords)
    message = caught.value.message
    ending = ". Nothing was changed. Mend the inventory."
    assert message.endswith(ending)
    return message.removesuffix(ending)


def dataset_refusal(*entries: t.Any) -> str:
    return refusal({"backup_datasets": list(entries)})


# ------------------------------------------------------------------------------------------- the documented default


def test_every_path_of_the_documented_default() -> None:
    (source,) = plan()
    datasets = source.pop("datasets")
    assert source == {
        "name": "tatchu",
        "script_name": "tatchu",
        "night": "tatchu.points",
        "server": "loki",
        "address": "192.0.2.9",
        "port": 22,
        "account": "labops-pull",
        "pull_addresses": ["192.0.2.8"],
        "host_keys": [],
        "root": "/srv/backup",
        "root_guard": {
            "path": "/srv/backup",
            "document": "/etc/labops-backup/backup-root.json",
            "reserve_bytes": 2 << 30,
            "reserve_percent": 2.0,
        },
        "borg": {
            "passphrase_file": "/etc/labops-backup/borg/tatchu.passphrase",
            "base_dir": "/var/lib/labops-backup/borg",
            "executable": "/usr/bin/borg",
        },
        "rsync": {
            "identity_file": "/etc/labops-backup/ssh/tatchu",
            "known_hosts_file": "/etc/labops-backup/ssh/known_hosts",
        },
        "points_repository": "/srv/backup/borg/tatchu/points",
        "repositories": [f"/srv/backup/borg/tatchu/{name}" for name in ("database", "blobs", "data", "points")],
        "points_cache": "/var/lib/labops-backup/recovery_points/tatchu",
        "dump_max_age_hours": 36.0,
        "retention": {
            "keep_daily": 14,
            "keep_weekly": 8,
            "keep_monthly": 24,
            "keep_complete": 3,
            "keep_partial_days": 30,
        },
        "retention_journal": "/var/lib/labops-backup/retention/tatchu.json",
        "ledger": "/var/lib/labops-backup/ledger",
        "checks": {
            "evidence": "/var/lib/labops-backup/checks/tatchu.json",
            "lock": "/run/labops-backup/checks/tatchu.lock",
            "scratch": "/srv/backup/staging/.check/tatchu",
        },
        "drills": {
            "evidence": "/var/lib/labops-backup/drills/tatchu.json",
            "scratch": "/srv/backup/staging/.drill/tatchu",
        },
        "staging": "/srv/backup/staging/tatchu",
        "hold": "/var/lib/labops-backup/hold/tatchu.json",
        "incident": {
            "directory": "/var/lib/labops-backup/incident",
            "hold": "/var/lib/labops-backup/incident/hold.json",
            "writers": "/var/lib/labops-backup/incident/writers.json",
            "database": "/var/lib/labops-backup/incident/database.json",
        },
        "writers": {"units": [], "timers": [], "crontabs": [], "containers": [], "accounts": []},
        "key_tables": None,
        "datajoint_stores": {},
        "accept_content": [],
        "accept_missing": [],
        "dump_directory": "/datajoint-db/dumps",
    }
    assert [dataset["name"] for dataset in datasets] == ["database", "blobs", "data"]
    assert datasets[0] == {
        "name": "database",
        "order": 0,
        "kind": "database",
        "path": "/datajoint-db/dumps",
        "allow_empty": False,
        "adopt_from": "",
        "compression": "zstd,22",
        "chunker_params": "buzhash,16,20,18,4095",
        "limits": {
            **{"deleted_files": 1000, "deleted_percent": 10.0},
            **{"changed_files": 100000, "changed_percent": 50.0},
        },
        "quarantine": {},
        "quarantine_days": 10,
        "checksum_every_days": 0.0,
        "skip_attributes": [],
        "marker": {"source": "tatchu", "dataset": "database"},
        "source": "tatchu",
        "server": "loki",
        "pipeline": "tatchu.database",
        "pull_unit": "labops-backup-pull-tatchu_database.service",
        "url": "labops-pull@192.0.2.9::database/",
        "mirror": "/srv/backup/mirror/tatchu/database",
        "generation_file": "/srv/backup/mirror/tatchu/database.generation.json",
        "content_manifest": "/srv/backup/mirror/tatchu/database.content",
        "content_stores": None,
        "accept_content": [],
        "rehash_percent": 0.0,
        "stall_seconds": 3600,
        "repository": "/srv/backup/borg/tatchu/database",
        "lock": "/run/labops-backup/tatchu.database.lock",
        "expected_file": "/var/lib/labops-backup/expected/tatchu.database.json",
        "progress_file": "/run/labops-backup/progress/tatchu.database.json",
        "hold": "/var/lib/labops-backup/hold/tatchu.json",
    }
    assert (datasets[1]["marker"], datasets[1]["quarantine"]) == (
        {"source": "tatchu", "dataset": "blobs"},
        {"directory": "/srv/backup/quarantine/tatchu/blobs", "max_percent": 50.0},
    )
    assert [(entry["kind"], entry["path"], entry["chunker_params"]) for entry in datasets[1:]] == [
        ("files", "/datajoint-db/blobs", ""),
        ("files", "/datajoint-data", ""),
    ]


@pytest.mark.parametrize(
    ("stores", "blobs", "data"),
    [
        ({}, None, None),
        ({"external": "/datajoint-db/blobs"}, ["."], []),
        ({"external": "/datajoint-db/blobs/external/", "raw": "/datajoint-data"}, ["external"], ["."]),
        ({"all": "/datajoint-data/a", "more": "/datajoint-data/b"}, [], ["a", "b"]),
        ({"above": "/datajoint-db"}, None, []),
    ],
)
def test_the_stores_of_each_dataset(stores: dict[str, str], blobs: t.Any, data: t.Any) -> None:
    (source,) = plan({"backup_datajoint_stores": stores})
    assert [dataset["content_stores"] for dataset in source["datasets"][1:]] == [blobs, data]


def test_how_content_is_verified() -> None:
    accepted = "ab" * 32 + "  lab/with space"
    (source,) = plan({"backup_rehash_percent": "2.5", "backup_accept_content": [accepted]})
    assert {(entry["rehash_percent"], *entry["accept_content"]) for entry in source["datasets"]} == {(2.5, accepted)}
    for wrong in (-1, 101, "x", "nan", [1]):
        assert "backup_rehash_percent" in refusal({"backup_rehash_percent": wrong})
    assert "'x' in backup_accept_content is not SHA-256 and path" in refusal({"backup_accept_content": ["x"]})
    assert "backup_accept_content is not a list" in refusal({"backup_accept_content": accepted})
    assert source["accept_content"] == [accepted]


def test_files_that_are_gone_for_good_are_named_with_their_dataset() -> None:
    (source,) = plan({"backup_accept_missing": ["blobs/lab/a b"]})
    assert source["accept_missing"] == ["blobs/lab/a b"]
    for wrong in ("x", "blobs/", "blobs/../x", "raw/x", "/x"):
        told = refusal({"backup_accept_missing": [wrong]})
        assert f"{wrong!r} in backup_accept_missing is not a dataset of tatchu, a slash, and a path" in told
    assert "backup_accept_missing is not a list" in refusal({"backup_accept_missing": "blobs/x"})


def test_what_a_host_says_goes_before_the_defaults() -> None:
    (source,) = plan(
        {
            "backup_source_port": "2222",
            "backup_pull_account": "puller",
            "backup_pull_addresses": ["192.0.2.80", "2001:db8::8"],
            "backup_source_host_keys": [HOST_KEY],
            "backup_compression": "lz4",
            "backup_limit_deleted_files": 5,
            "backup_limit_changed_percent": None,
            "backup_datajoint_stores": {"raw": "/datajoint-data/"},
            "backup_datasets": [
                {"name": "data", "path": "/d/", "limit_deleted_files": 0, "limit_deleted_percent": "2.5"},
                {"name": "more", "path": "/m", "compression": "none", "allow_empty": True},
            ],
        },
        {"backup_root": "/tank/backup/", "borg_version": "1.4.5", "borg_base_dir": "/tank/borg"},
    )
    assert (source["port"], source["account"], source["root"]) == (2222, "puller", "/tank/backup")
    assert source["pull_addresses"] == ["192.0.2.80", "2001:db8::8"]
    assert source["host_keys"] == [HOST_KEY]
    assert source["datajoint_stores"] == {"raw": "/datajoint-data/"}
    assert source["borg"]["executable"] == "/opt/labops-backup/borg/1.4.5/bin/borg"
    assert source["borg"]["base_dir"] == "/tank/borg"
    assert source["dump_directory"] is None
    data, more = source["datasets"]
    assert data["url"] == "puller@192.0.2.9::data/"
    assert data["repository"] == "/tank/backup/borg/tatchu/data"
    assert data["path"] == "/d"
    assert data["limits"] == {
        **{"deleted_files": 0, "deleted_percent": 2.5},
        **{"changed_files": 100000, "changed_percent": 50.0},
    }
    assert (data["compression"], data["allow_empty"]) == ("lz4", False)
    assert more["limits"]["deleted_files"] == 5
    assert (more["compression"], more["allow_empty"], more["order"]) == ("none", True, 1)


def test_without_an_address_the_name_is_the_address() -> None:
    source = plan({"ansible_host": None}, {"ansible_host": ""})[0]
    assert (source["address"], source["pull_addresses"]) == ("tatchu", ["loki"])


def test_an_ipv6_address_is_bracketed_in_the_url_only() -> None:
    source = plan({"ansible_host": "2001:db8::9"})[0]
    assert source["address"] == "2001:db8::9"
    assert source["datasets"][0]["url"] == "labops-pull@[2001:db8::9]::database/"


def test_two_sources_share_a_server_and_nothing_else() -> None:
    more = {"odin": {"backup_server": "loki", "backup_datasets": [{"name": "data", "path": "/data"}]}}
    plans = plan(more=more, groups={"backup_sources": ["odin", "tatchu"]})
    assert [source["name"] for source in plans] == ["odin", "tatchu"]
    places = [
        [dataset[key] for key in ("mirror", "generation_file", "repository", "lock", "pipeline")]
        for dataset in _inventory.datasets(plans)
    ]
    assert len(places) == 4
    assert len({place for row in places for place in row}) == 20


def test_datasets_come_source_by_source_in_restore_order() -> None:
    more = {"odin": {"backup_server": "loki", "backup_datasets": [{"name": "data", "path": "/data"}]}}
    listed = _inventory.datasets(plan(more=more, groups={"backup_sources": ["tatchu", "odin"]}))
    assert [entry["pipeline"] for entry in listed] == ["tatchu.database", "tatchu.blobs", "tatchu.data", "odin.data"]


@pytest.mark.parametrize(
    ("host", "name"),
    [("tatchu", "tatchu"), ("TATCHU", "tatchu"), ("db-1.lab.example", "db_1_lab_example"), ("a b;c", "a_b_c")],
)
def test_the_names_of_scripts(host: str, name: str) -> None:
    assert _inventory.script_name(host) == name


def test_borg_is_debians_unless_a_version_is_asked_for() -> None:
    assert _inventory.borg_executable("") == "/usr/bin/borg"
    assert _inventory.borg_executable("1.4.5") == "/opt/labops-backup/borg/1.4.5/bin/borg"


# ---------------------------------------------------------------------------------------------------- refused hosts


@pytest.mark.parametrize("group", ["backup_servers", "backup_sources"])
def test_an_empty_group_is_refused(group: str) -> None:
    assert refusal(groups={group: []}) == f"the inventory has no host in the group {group}"


def test_an_absent_group_is_refused() -> None:
    with pytest.raises(BackupError, match="no host in the group backup_servers"):
        _inventory.plan({}, {}, DEFAULTS)


def test_windows_that_keep_nothing_are_refused() -> None:
    zero = {"backup_keep_daily": 0, "backup_keep_weekly": 0, "backup_keep_monthly": 0}
    assert refusal(zero) == (
        "tatchu: backup_keep_daily, backup_keep_weekly, backup_keep_monthly are all 0, so that no recovery point would "
        "last; at least one must be above 0"
    )


def test_a_retention_that_cannot_be_meant_is_refused() -> None:
    assert refusal({"backup_keep_daily": -1}) == "tatchu: backup_keep_daily is -1; at least 0 is needed"
    assert refusal({"backup_keep_complete": 0}) == "tatchu: backup_keep_complete is 0; at least 1 is needed"
    assert refusal({"backup_keep_partial_days": 10**9}) == (
        "tatchu: backup_keep_partial_days is 1000000000; at most 99999 can be meant"
    )
    for value in ("many", True, 7.5, "7.5", ""):
        assert refusal({"backup_keep_daily": value}).endswith(f"is {value!r}; a whole number is needed")
    assert refusal({"backup_keep_weekly": "many"}) == ("tatchu: backup_keep_weekly is 'many'; a whole number is needed")


@pytest.mark.parametrize("server", ["", "tatchu", "nobody"])
def test_a_source_must_name_a_server(server: str) -> None:
    expected = f"tatchu: backup_server is {server!r}, which is not in the group backup_servers"
    assert refusal({"backup_server": server}) == expected


def test_a_source_without_a_server_is_refused() -> None:
    expected = "tatchu: backup_server is '', which is not in the group backup_servers"
    assert refusal({"backup_server": None}) == expected


def test_a_server_that_nobody_names_is_refused() -> None:
    assert refusal(more={"thor": {}, "idle": {}}, groups={"backup_servers": ["thor", "loki", "idle"]}) == (
        "no source names idle, thor as its backup_server"
    )


def test_sources_whose_scripts_would_share_a_name_are_refused() -> None:
    more = {name: {"backup_server": "loki"} for name in ("db-1", "db_1")}
    assert refusal(more=more, groups={"backup_sources": ["db-1", "db_1"]}) == (
        "two sources would share the script name 'db_1'; rename one"
    )


def test_the_longest_names_still_make_the_name_of_an_archive() -> None:
    name, dataset = "t" * 112, "d" * 63
    (source,) = plan({"backup_datasets": [{"name": dataset, "path": "/d"}]}, name=name)
    archive = f"{source['name']}-{source['datasets'][0]['name']}-20261123T023000Z-77b0aa"
    assert _borg.ARCHIVE_NAME.match(archive) and len(archive) == 200


@pytest.mark.parametrize("name", ["..", "a/b", "a b", "-rf", "a\nb", ".hidden", "tätchu", "t" * 113])
def test_a_name_that_cannot_be_part_of_a_path_is_refused(name: str) -> None:
    assert refusal(name=name) == (
        f"{name!r} cannot name a source (letters, digits, dots, - and _, beginning with a letter or a digit, "
        "at most 112 characters)"
    )


@pytest.mark.parametrize("address", ["a b", "-oProxyCommand=x", "-x", "host;id", "host/module", "192.0.2.9\n", "[::1]"])
def test_what_is_no_address_is_refused(address: str) -> None:
    assert refusal({"ansible_host": address}) == f"tatchu: ansible_host {address!r} is not an address"


def test_the_placeholder_is_refused() -> None:
    assert refusal({"ansible_host": "tatchu-address.invalid"}) == (
        "tatchu: its address is still the placeholder 'tatchu-address.invalid'; set ansible_host"
    )


def test_the_production_inventory_still_holds_the_placeholder() -> None:
    inventory = yaml.safe_load((ROOT / "inventory" / "production" / "hosts.yml").read_text())
    groups = {name: dict(group["hosts"]) for name, group in inventory["all"]["children"].items()}
    hosts = {host: variables for members in groups.values() for host, variables in members.items()}
    with pytest.raises(BackupError, match="its address is still the placeholder"):
        _inventory.plan(hosts, {name: list(members) for name, members in groups.items()}, DEFAULTS)


@pytest.mark.parametrize("account", ["", "Root", "a b", "0day", "x" * 33, "a;b"])
def test_what_is_no_account_is_refused(account: str) -> None:
    assert refusal({"backup_pull_account": account}) == (
        f"tatchu: backup_pull_account {account!r} is not an account name"
    )


@pytest.mark.parametrize("port", ["ssh", "", 0, -1, 65536, [22], float("inf"), 22.7, True])
def test_what_is_no_port_is_refused(port: t.Any) -> None:
    for variable in ("backup_source_port", "ansible_port"):
        assert refusal({variable: port}) == f"tatchu: {variable} {port!r} is not a port"


@pytest.mark.parametrize(
    ("said", "port"),
    [
        ({"ansible_port": 2222}, 2222),
        ({"ansible_port": "2222"}, 2222),
        ({"ansible_port": 2222, "backup_source_port": None}, 2222),
        ({"ansible_port": 2222, "backup_source_port": 22}, 22),
        ({"ansible_port": None}, 22),
        ({}, 22),
    ],
)
def test_the_server_finds_the_source_where_ansible_does(said: Variables, port: int) -> None:
    assert plan(said)[0]["port"] == port
    assert plan(server={"ansible_port": 2022})[0]["port"] == 22


@pytest.mark.parametrize("variable", ["backup_pull_addresses", "backup_source_host_keys"])
def test_a_word_where_a_list_is_due_is_refused(variable: str) -> None:
    assert refusal({variable: "192.0.2.8"}) == f"tatchu: {variable} is not a list"


def test_what_is_no_pull_address_is_refused() -> None:
    assert refusal({"backup_pull_addresses": ["192.0.2.8", "a,b"]}) == (
        "tatchu: 'a,b' in backup_pull_addresses is not an address"
    )


@pytest.mark.parametrize("stores", ["raw", ["raw"], {"raw"}])
def test_stores_that_are_no_mapping_are_refused(stores: t.Any) -> None:
    assert refusal({"backup_datajoint_stores": stores}) == "tatchu: backup_datajoint_stores is not a mapping"


def test_a_store_at_no_absolute_path_is_refused() -> None:
    assert refusal({"backup_datajoint_stores": {"raw": "data"}}) == (
        "tatchu: the DataJoint store 'raw': 'data' is not an absolute path"
    )


@pytest.mark.parametrize("root", ["", "srv", "/srv/../etc", "/a\nb"])
def test_a_backup_root_that_is_no_absolute_path_is_refused(root: str) -> None:
    assert refusal(server={"backup_root": root}) == f"loki: backup_root: {root!r} is not an absolute path"


@pytest.mark.parametrize("root", ["/srv/{now}", "/srv/a::b", "/srv/}"])
def test_a_backup_root_that_borg_would_read_otherwise_is_refused(root: str) -> None:
    assert refusal(server={"backup_root": root}) == (
        f"loki: backup_root: Borg would misread {root!r}; take a path without '::', '{{' and '}}'"
    )


def test_the_account_of_the_pull_is_one_of_its_own() -> None:
    assert refusal({"backup_pull_account": "root"}) == (
        "tatchu: backup_pull_account is root, whose keys and shell are not ours; name an account of its own"
    )


# ------------------------------------------------------------------------------------------------- refused datasets


@pytest.mark.parametrize("given", [[], {}, "blobs", {"name": "blobs", "path": "/b"}])
def test_there_must_be_a_list_of_datasets(given: t.Any) -> None:
    assert refusal({"backup_datasets": given}) == "tatchu: backup_datasets is empty or not a list"


def test_an_entry_that_is_no_mapping_is_refused() -> None:
    assert dataset_refusal({"name": "a", "path": "/a"}, "b") == "tatchu: entry 2 of backup_datasets is not a mapping"


@pytest.mark.parametrize("field", ["pth", 7])
def test_an_unknown_field_is_refused(field: t.Any) -> None:
    assert dataset_refusal({"name": "a", "path": "/a", field: 1, "zzz": 2}) == (
        f"tatchu: dataset a has the unknown field '{field}'; known are adopt_from, allow_empty, checksum_every_days, "
        "compression, kind, limit_changed_files, limit_changed_percent, limit_deleted_files, limit_deleted_percent, "
        "name, path, "
        "quarantine_bytes, quarantine_days, quarantine_files, quarantine_percent, skip_attributes"
    )


def test_the_quarantine_of_a_dataset_goes_before_the_one_of_its_source() -> None:
    (source,) = plan(
        {
            "backup_quarantine_files": 7,
            "backup_quarantine_bytes": "1000",
            "backup_datasets": [
                {"name": "a", "path": "/a", "quarantine_percent": 0, "quarantine_days": 3},
                {"name": "b", "path": "/b", "quarantine_files": 0, "quarantine_percent": 12.5},
            ],
        },
        {"backup_reserve_bytes": 5, "backup_reserve_percent": "7.5"},
    )
    one, other = source["datasets"]
    assert (one["quarantine_days"], other["quarantine_days"]) == (3, 10)
    assert {**one["quarantine"], "directory": ""} == {"directory": "", "max_files": 7, "max_bytes": 1000}
    assert {**other["quarantine"], "directory": ""} == {"directory": "", "max_bytes": 1000, "max_percent": 12.5}
    assert (source["root_guard"]["reserve_bytes"], source["root_guard"]["reserve_percent"]) == (5, 7.5)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("quarantine_days", 0, "quarantine_days is less than 1"),
        ("quarantine_files", -1, "quarantine_files is negative"),
        ("checksum_every_days", -1, "checksum_every_days is negative"),
        ("quarantine_percent", "much", "quarantine_percent 'much' is not a number"),
    ],
)
def test_a_quarantine_that_cannot_be_is_refused(field: str, value: t.Any, reason: str) -> None:
    assert dataset_refusal({"name": "a", "path": "/a", field: value}) == f"tatchu: dataset a: {reason}"


def test_content_is_compared_every_month_unless_the_inventory_says_otherwise() -> None:
    fields: list[dict[str, t.Any]] = [{"name": "dumps", "path": "/d", "kind": "database", "checksum_every_days": 7}]
    fields += [{"name": "a", "path": "/a"}, {"name": "b", "path": "/b", "checksum_every_days": "0"}]
    (source,) = plan({"backup_datasets": fields})
    assert [dataset["checksum_every_days"] for dataset in source["datasets"]] == [0, 30, 0]
    (source,) = plan({"backup_datasets": fields, "backup_checksum_every_days": 90})
    assert [dataset["checksum_every_days"] for dataset in source["datasets"]] == [0, 90, 0]


def test_a_reserve_that_is_no_number_is_refused() -> None:
    assert refusal({}, {"backup_reserve_bytes": "2G"}) == "loki: backup_reserve_bytes '2G' is not a number"


def test_a_missing_field_is_refused() -> None:
    assert dataset_refusal({"name": "a"}) == "tatchu: dataset a lacks the field 'path'"
    assert dataset_refusal({"path": "/a"}) == "tatchu: dataset number 1 lacks the field 'name'"


@pytest.mark.parametrize(
    "name",
    [
        *("points", "auto", "global", "", "Blobs", "1st", "a.b", "a/b", "..", "a b", "x" * 64, "ä", "a\n", "d\u0430ta"),
        *(True, None, 1.0, 5, ["a"], {"a": 1}),
    ],
)
def test_a_name_that_cannot_name_a_dataset_is_refused(name: t.Any) -> None:
    assert dataset_refusal({"name": name, "path": "/a"}) == (
        f"tatchu: {str(name)!r} cannot name a dataset (lower case letters, digits, - and _, beginning with a letter; "
        "not auto, global, points, which mean something else)"
    )


def test_nothing_of_a_dataset_bears_the_name_of_something_else() -> None:
    """Whatever a dataset is called: jobs, locks, documents, folders and hosts in memory."""
    words = ("check", "checks", "drill", "drills", "restore", "replacement", "night", "hold", "verify", "dump", "seal")
    words += ("staging", "quarantine", "passphrase", "borg", "escrow", "operations", "progress", "data")
    names = ("tatchu", "dump", "check", "checks", "drills", "tatchu.lab")
    entries = [{"name": word, "path": f"/{word}"} for word in words]
    hosts: dict[str, Variables] = {
        name: {"ansible_host": f"192.0.2.{20 + number}", "backup_server": "loki", "backup_datasets": entries}
        for number, name in enumerate(names)
    }
    sources = plan(more=hosts, groups={"backup_sources": list(names)})
    seen: dict[str, str] = {"/run/labops-backup/dump.lock": "the dump"}
    for source in sources:
        lasting = {key: source[key] for key in ("points_repository", "points_cache", "retention_journal", "staging")}
        lasting |= {f"{of} {key}": source[of][key] for of in ("checks", "drills") for key in source[of]}
        lasting |= {"hold": source["hold"], "identity": source["rsync"]["identity_file"], "night": source["night"]}
        lasting["drill's lock"] = f"/run/labops-backup/drills/{source['name']}.lock"
        for dataset in source["datasets"]:
            keys = ("mirror", "generation_file", "content_manifest", "repository", "lock", "progress_file", "pipeline")
            lasting |= {f"{dataset['name']} {key}": dataset[key] for key in (*keys, "expected_file")}
        for what, place in lasting.items():
            assert seen.setdefault(place, f"{source['name']} {what}") == f"{source['name']} {what}", place


def test_scripts_that_would_share_a_name_are_refused() -> None:
    assert dataset_refusal({"name": "a-b", "path": "/a"}, {"name": "a_b", "path": "/b"}) == (
        "the script of tatchu.a_b would bear the name of that of tatchu.a-b, backup_tatchu_a_b.sh; rename one"
    )
    night = {"backup_datasets": [{"name": "notify_on_loki", "path": "/a"}]}
    assert refusal(night, name="and") == (
        "the script of and.notify_on_loki would bear the name of that of the whole night, "
        "backup_and_notify_on_loki.sh; rename one"
    )


def test_an_unknown_kind_is_refused() -> None:
    assert dataset_refusal({"name": "a", "path": "/a", "kind": "db"}) == (
        "tatchu: dataset a has the kind 'db'; known are database and files"
    )


@pytest.mark.parametrize("path", ["a", "", None, "/a/../b", "./a", "/a\0b", "/a\nb", "/a\x1b[31m", "~/a"])
def test_a_path_that_is_not_absolute_is_refused(path: t.Any) -> None:
    assert dataset_refusal({"name": "a", "path": path}) == f"tatchu: dataset a: {str(path)!r} is not an absolute path"


def test_attributes_of_one_file_system_can_be_left_out() -> None:
    (one,) = with_datasets({"name": "a", "path": "/a", "skip_attributes": ["btrfs.*", "security.selinux"]})
    assert one["skip_attributes"] == ["btrfs.*", "security.selinux"]
    for wrong in ("*", "selinux", "btrfs.a b", "user.x\n", None):
        assert dataset_refusal({"name": "a", "path": "/a", "skip_attributes": [wrong]}) == (
            f"tatchu: dataset a: {str(wrong)!r} in skip_attributes is no name of an extended attribute such as "
            "btrfs.compression or btrfs.*"
        )
    refused = dataset_refusal({"name": "a", "path": "/a", "skip_attributes": "btrfs.*"})
    assert refused == "tatchu: dataset a: skip_attributes is not a list"


def test_a_path_with_a_character_that_nobody_sees_is_refused() -> None:
    for path in ("/a\u200b", "/\ufeffa", "/a\u202eb"):
        assert dataset_refusal({"name": "a", "path": path}) == (
            f"tatchu: dataset a: {path!r} holds a character that nobody sees, perhaps copied with it"
        )


@pytest.mark.parametrize("path", ["/", "//", "/./"])
def test_the_whole_file_system_is_refused(path: str) -> None:
    assert dataset_refusal({"name": "a", "path": path}) == "tatchu: dataset a: the whole file system cannot be meant"


def test_two_datasets_of_one_name_are_refused() -> None:
    assert dataset_refusal({"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}) == (
        "tatchu: two datasets are named 'a'"
    )


def test_two_databases_are_refused() -> None:
    entries = [{"name": name, "path": f"/{name}", "kind": "database"} for name in ("a", "b")]
    assert dataset_refusal(*entries) == "tatchu: more than one dataset is of kind database"


def test_a_database_that_does_not_come_first_is_refused() -> None:
    assert dataset_refusal({"name": "a", "path": "/a"}, {"name": "b", "path": "/b", "kind": "database"}) == (
        "tatchu: the dataset of kind database must come first, as it does in a restore"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("/a", "/a"), ("/a", "/a/b"), ("/a/b/c", "/a"), ("/a/", "/a/./b"), ("/a", "//a/b"), ("//a", "/a")],
)
def test_paths_that_overlap_are_refused(one: str, other: str) -> None:
    message = dataset_refusal({"name": "one", "path": one}, {"name": "other", "path": other})
    assert message.startswith("tatchu: the paths of the datasets o") and " overlap (" in message
    assert "one" in message and "other" in message


def test_paths_that_only_begin_alike_are_no_overlap() -> None:
    assert len(with_datasets({"name": "a", "path": "/data"}, {"name": "b", "path": "/data2"})) == 2


@pytest.mark.parametrize("value", ["many", "", [], {}, float("nan"), float("inf"), "nan", "inf", True, False])
@pytest.mark.parametrize(
    "limit", ["limit_deleted_files", "limit_deleted_percent", "limit_changed_files", "limit_changed_percent"]
)
def test_a_limit_that_is_no_number_is_refused(limit: str, value: t.Any) -> None:
    assert dataset_refusal({"name": "a", "path": "/a", limit: value}) == (
        f"tatchu: dataset a: {limit} {value!r} is not a number"
    )


@pytest.mark.parametrize("field", ["limit_deleted_files", "quarantine_days", "quarantine_files", "quarantine_bytes"])
def test_what_is_counted_is_whole(field: str) -> None:
    assert dataset_refusal({"name": "a", "path": "/a", field: 1.5}) == (
        f"tatchu: dataset a: {field} 1.5 is not a whole number"
    )


def test_a_switch_where_a_number_is_due_is_refused() -> None:
    for variable in ("backup_stall_seconds", "backup_dump_max_age_hours", "backup_rehash_percent"):
        assert refusal({variable: False}) == f"tatchu: {variable} False is not a number"


def test_a_negative_limit_is_refused() -> None:
    assert dataset_refusal({"name": "a", "path": "/a", "limit_deleted_files": -1}) == (
        "tatchu: dataset a: limit_deleted_files is negative"
    )


@pytest.mark.parametrize("limit", ["limit_deleted_percent", "limit_changed_percent"])
def test_a_share_of_more_than_everything_is_no_limit(limit: str) -> None:
    assert dataset_refusal({"name": "a", "path": "/a", limit: 101}) == (
        f"tatchu: dataset a: {limit} 101 is no share in percent"
    )
    assert with_datasets({"name": "a", "path": "/a", limit: 100})[0]["limits"][limit.removeprefix("limit_")] == 100


def test_a_reserve_of_more_than_the_disk_is_refused() -> None:
    assert refusal(server={"backup_reserve_percent": 150}) == "loki: backup_reserve_percent 150 is no share in percent"


def test_a_bad_limit_of_the_host_is_refused_too() -> None:
    assert refusal({"backup_limit_deleted_percent": "a tenth"}) == (
        "tatchu: dataset database: limit_deleted_percent 'a tenth' is not a number"
    )


@pytest.mark.parametrize("value", ["false", "no", 0, 1, None])
def test_whether_a_tree_may_be_empty_is_said_with_yes_or_no(value: t.Any) -> None:
    assert dataset_refusal({"name": "a", "path": "/a", "allow_empty": value}) == (
        f"tatchu: dataset a: allow_empty is {value!r}; true or false are meant"
    )


def test_there_are_names_that_no_source_can_have() -> None:
    for name in ("known_hosts", "inventory", "bundle.json", "tatchu.pub"):
        told = f"{name!r} cannot name a source: its identity or its keys would lie where other files lie"
        assert refusal(name=name) == told


@pytest.mark.parametrize(
    "compression",
    ["gzip", "zstd,23", "zstd,0", "lz4,9", "auto", "zlib,10", "ZSTD", "zstd,3\n", "--list", "obfuscate,3"],
)
def test_a_compression_that_borg_does_not_have_is_refused(compression: str) -> None:
    message = dataset_refusal({"name": "a", "path": "/a", "compression": compression})
    assert message.startswith(
        f"tatchu: dataset a: Borg has no compression {compression!r}; known are none, lz4, zstd,1"
    )
    assert refusal({"backup_compression": compression}).startswith("tatchu: dataset database: Borg has no compression")


@pytest.mark.parametrize(
    "compression",
    ["none", "lz4", "zstd", "zstd,1", "zstd,22", "zlib,0", "lzma,9", "auto,zstd,10", "obfuscate,3,auto,lz4"],
)
def test_every_compression_that_borg_has_is_taken(compression: str) -> None:
    (entry,) = with_datasets({"name": "a", "path": "/a", "compression": compression})
    assert entry["compression"] == compression


@pytest.mark.parametrize("version", ["2.0.0", "1.1.18", "1.3.0", "1.4", "latest", "1.4.5b1"])
def test_a_borg_that_is_not_supported_is_refused(version: str) -> None:
    assert refusal(server={"borg_version": version}) == (
        f"loki: borg_version is {version!r}; known are 1.2 and 1.4, such as 1.4.5, or empty for Debian's"
    )


@pytest.mark.parametrize(
    "key",
    [
        "AAAA",
        "ssh-ed25519",
        "tatchu ssh-ed25519 AAAA",
        "ssh-ed25519 A A\nssh-rsa B",
        "ssh-rsa !",
        "ssh-ed25519 AAAA",
        HOST_KEY[:-8],
        HOST_KEY.replace("ssh-ed25519", "ssh-rsa"),
    ],
)
def test_what_is_no_host_key_is_refused(key: str) -> None:
    assert refusal({"backup_source_host_keys": [f"{HOST_KEY} tatchu", key]}) == (
        f"tatchu: {key!r} in backup_source_host_keys is not a whole public key of the form 'type base64'"
    )


# ---------------------------------------------------------------------------------------------------------- adopted


def test_an_old_tree_is_named_by_its_dataset() -> None:
    (entry,) = with_datasets({"name": "a", "path": "/a", "adopt_from": "/srv/old/blobs/"})
    assert entry["adopt_from"] == "/srv/old/blobs"


@pytest.mark.parametrize(
    "old",
    [
        "/srv",
        "/srv/backup",
        "/srv/backup/mirror/tatchu/a",
        "/srv/backup/borg/x",
        "/srv/backup/mirror",
        "/srv/backup/staging",
        "/srv/backup/staging/tatchu/x",
        "/srv/backup/quarantine",
    ],
)
def test_an_old_tree_lies_apart_from_what_is_ours(old: str) -> None:
    assert dataset_refusal({"name": "a", "path": "/a", "adopt_from": old}) == (
        f"tatchu: dataset a: adopt_from {old!r} overlaps with what lies below /srv/backup already"
    )


def test_an_old_tree_may_lie_beside_ours_on_the_same_file_system() -> None:
    (entry,) = with_datasets({"name": "a", "path": "/a", "adopt_from": "/srv/backup/tatchu_blobs"})
    assert entry["adopt_from"] == "/srv/backup/tatchu_blobs"


def test_an_old_tree_must_be_an_absolute_path() -> None:
    assert dataset_refusal({"name": "a", "path": "/a", "adopt_from": "old"}) == (
        "tatchu: dataset a: adopt_from: 'old' is not an absolute path"
    )


def test_old_dumps_are_not_adopted_as_the_mirror_of_a_database() -> None:
    assert dataset_refusal({"name": "a", "path": "/a", "kind": "database", "adopt_from": "/old"}) == (
        "tatchu: dataset a: adopt_from cannot be given for a dataset of kind database, whose mirror holds one proven "
        "dump set; name old dumps as a dataset of kind files"
    )


@pytest.mark.parametrize("other", ["/old", "/old/deep", "/"])
def test_no_tree_is_adopted_twice(other: str) -> None:
    first = {"name": "a", "path": "/a", "adopt_from": "/old/deep" if other == "/" else "/old"}
    second = {"name": "b", "path": "/b", "adopt_from": "/old" if other == "/" else other}
    assert dataset_refusal(first, second) == (f"tatchu.a and tatchu.b would both adopt {second['adopt_from']}")


# ------------------------------------------------------------------------------------------------------------- hash


def test_the_hash_tells_inventories_apart_and_nothing_else() -> None:
    same = {_inventory.inventory_hash(plan()), _inventory.inventory_hash(json.loads(json.dumps(plan())))}
    assert len(same) == 1 and len(same.pop()) == 64
    assert _inventory.inventory_hash(plan({"backup_compression": "lz4"})) != _inventory.inventory_hash(plan())


# ----------------------------------------------------------------------------------------------------------- writers


def test_who_writes_is_taken_as_it_is_named() -> None:
    named = {
        "units": ["datajoint-worker@1.service", "upload.socket"],
        "timers": ["collect.timer"],
        "crontabs": ["anna", "/etc/cron.d/lab"],
        "containers": ["ingest_1"],
        "accounts": ["liam.o'brien@%.lab.example", "me@home@%"],
    }
    assert plan({"backup_writers": named})[0]["writers"] == named
    assert plan({"backup_writers": {"units": None}})[0]["writers"]["units"] == []


@pytest.mark.parametrize(
    ("writers", "why"),
    [
        (["x"], "backup_writers is not a mapping"),
        ({"services": []}, "backup_writers has the unknown field 'services'"),
        ({"units": "a.service"}, "backup_writers: units is not a list"),
        ({"units": ["worker"]}, "'worker' in units is no name of such a unit with its kind"),
        ({"units": ["a b.service"]}, "'a b.service' in units is no name"),
        ({"timers": ["worker.service"]}, "'worker.service' in timers is no name of such a unit"),
        ({"units": ["worker.timer"]}, "'worker.timer' in units is no name of such a unit"),
        ({"crontabs": ["../root"]}, "'../root' in crontabs is neither a user nor an absolute path"),
        ({"crontabs": ["/etc/../x"]}, "crontabs: '/etc/../x' is not an absolute path"),
        ({"containers": ["--all"]}, "'--all' in containers is no name of a container"),
        ({"accounts": ["lab_worker"]}, "'lab_worker' in accounts is not of the form user@host"),
    ],
)
def test_a_writer_that_cannot_be_one_is_refused(writers: t.Any, why: str) -> None:
    assert why in refusal({"backup_writers": writers})


@pytest.mark.parametrize("wrong", [[], "lab.session", ["session"], ["lab."], [".session"]])
def test_key_tables_that_cannot_be_meant_are_refused(wrong: t.Any) -> None:
    with pytest.raises(BackupError, match="backup_key_tables"):
        plan({"backup_key_tables": wrong})
    assert plan({"backup_key_tables": ["lab.session"]})[0]["key_tables"] == ["lab.session"]
