# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _variables

GROUPS = {
    "all": ["loki", "tatchu", "meg", "web"],
    "ungrouped": [],
    "backup_servers": ["loki"],
    "backup_sources": ["tatchu", "meg"],
    "web": ["web"],
}
KNOWN = ["backup_keep_daily", "backup_server", "notification_watch_point_hours", "drill_host", "cron_drill_schedule"]


def unknown(**given: list[str]) -> list[str]:
    return _variables.unknown({"loki": [], "tatchu": [], "meg": [], "web": [], **given}, GROUPS, KNOWN)


def test_a_misspelt_variable_is_named_with_what_is_meant_and_where_it_stands() -> None:
    assert unknown(tatchu=["backup_server", "backup_keep_dayly"]) == [
        "backup_keep_dayly (of tatchu: host_vars/tatchu), perhaps backup_keep_daily is meant"
    ]


@pytest.mark.parametrize(
    ("hosts", "where"),
    [
        (["loki"], "of loki: host_vars/loki or group_vars/backup_servers"),
        (["meg", "tatchu"], "of meg, tatchu: host_vars/meg or host_vars/tatchu or group_vars/backup_sources"),
        (["loki", "meg", "tatchu"], "of loki, meg, tatchu: group_vars/all or --extra-vars"),
    ],
)
def test_the_places_are_those_where_a_variable_of_these_hosts_can_stand(hosts: list[str], where: str) -> None:
    assert unknown(**{host: ["backup_zzz"] for host in hosts}) == [f"backup_zzz ({where})"]


def test_a_name_that_is_like_none_is_refused_all_the_same() -> None:
    assert len(unknown(loki=["backup_qqqqqqqq"])) == 1


@pytest.mark.parametrize("name", ["notification_watch_pont_hours", "cron_dril_schedule", "cron_drill_schedules"])
def test_variables_of_other_roles_are_refused_when_they_differ_by_a_letter(name: str) -> None:
    (line,) = unknown(loki=[name])
    assert name in line and "is meant" in line


@pytest.mark.parametrize(
    "name",
    [
        *("drill_hosts", "drill_bits", "cron_jobs", "notification_url", "notification_watchers", "cron_mail_server"),
        *("ansible_host", "backups_of_mine", "backup", "_backup_keep_dayly", "inventory_hostname", "my_drill_schedule"),
    ],
)
def test_variables_of_the_lab_are_its_own(name: str) -> None:
    assert unknown(loki=[name]) == []


def test_hosts_that_are_neither_server_nor_source_are_not_asked() -> None:
    assert unknown(web=["backup_keep_dayly"]) == []


def test_what_playbooks_set_is_known() -> None:
    assert unknown(loki=sorted(_variables.OURS)) == []


def test_an_option_is_misspelt_when_it_is_like_one_of_the_known() -> None:
    known = ["restore_schemas", "restore_scope", "restore_paths"]
    given = ["restore_shcemas", "restore_scope", "restore_contact_person", "restore_path"]
    assert _variables.misspelt_options(given, known, "restore_") == [
        "restore_path, perhaps restore_paths is meant",
        "restore_shcemas, perhaps restore_schemas is meant",
    ]
