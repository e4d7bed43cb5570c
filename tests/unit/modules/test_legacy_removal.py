# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is put aside, on a host below a temporary folder."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.modules import legacy_info, legacy_removal

RunModule = t.Callable[..., dict[str, t.Any]]
OLD = "10.1.2.3"
KNOWN: dict[str, t.Any] = {"known": ["loki", "tatchu", "10.98.65.8"], "peers": ["loki"], "addresses": [OLD]}


@pytest.fixture
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    return {**KNOWN, "aside": str(tmp_path_factory.mktemp("aside") / "20261123T120000Z")}


def content(folder: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes (or target) of every file."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes(),
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_files_are_moved_and_lines_commented_out_and_nothing_is_lost(
    run_module_main: RunModule, legacy_host: pathlib.Path, options: dict[str, t.Any]
) -> None:
    before = content(legacy_host)
    result = run_module_main(legacy_removal, options)
    strip = str(legacy_host)
    assert [path.removeprefix(strip) for path in result["moved"]] == [
        "/etc/cron.daily/night",
        "/etc/systemd/system/night.service",
        "/etc/systemd/system/night.timer",
        "/home/anna/bin/pull",
        "/opt/scripts/backup_tatchu_data.sh",
        "/usr/local/bin/linked",
        "/usr/local/sbin/backup_and_notify_on_loki.sh",
    ]
    edited = [path.removeprefix(strip) for path in result["edited"]]
    assert edited == [
        "/etc/cron.d/lab",
        "/home/anna/.ssh/known_hosts",
        "/root/.ssh/authorized_keys",
        "/root/.ssh/config",
        "/var/spool/cron/crontabs/root",
    ]
    assert [entry["path"].removeprefix(strip) for entry in result["left"]] == [
        "/etc/hosts",
        "/etc/ssh/sshd_config",
        "/home/anna/.config/systemd/user/mine.service",
    ]
    after, aside = content(legacy_host), content(pathlib.Path(options["aside"] + strip))
    for path, was in before.items():
        if f"/{path}" in edited:
            assert aside[path] == was
            new = after[path][1].replace(b"# legacy: ", b"")
            assert (after[path][0], new) == was and after[path][1] != was[1]
        else:
            assert after.get(path, aside.get(path)) == was
    wrapper = f"{strip}/usr/local/sbin/backup_and_notify_on_loki.sh"
    crontab = f"MAILTO=root\n# legacy: 0 1 * * * {wrapper}\n0 2 * * * /bin/true\n"
    assert after["var/spool/cron/crontabs/root"][1] == crontab.encode()


def test_a_second_run_changes_nothing(
    run_module_main: RunModule, legacy_host: pathlib.Path, options: dict[str, t.Any]
) -> None:
    run_module_main(legacy_removal, options)
    before = content(legacy_host)
    again = run_module_main(legacy_removal, {**options, "aside": options["aside"] + "2"})
    assert again["changed"] is False and again["moved"] == again["edited"] == []
    assert content(legacy_host) == before and not os.path.exists(options["aside"] + "2")


def test_check_mode_changes_nothing_and_says_the_same(
    run_module_main: RunModule, legacy_host: pathlib.Path, options: dict[str, t.Any]
) -> None:
    before = content(legacy_host)
    predicted = run_module_main(legacy_removal, options, check_mode=True)
    assert content(legacy_host) == before and not os.path.exists(options["aside"])
    done = run_module_main(legacy_removal, options)
    for name in ("changed", "moved", "edited", "left", "diff"):
        assert predicted[name] == done[name]
    assert "hunter2" not in str(predicted)


def test_without_named_addresses_it_refuses(
    run_module_main: RunModule, legacy_host: pathlib.Path, options: dict[str, t.Any]
) -> None:
    before = content(legacy_host)
    result = run_module_main(legacy_removal, {**options, "addresses": []})
    assert result["failed"] and "a guess is not enough to remove something. Nothing was changed" in result["msg"]
    assert content(legacy_host) == before


def test_the_owner_of_an_edited_file_stays(
    run_module_main: RunModule, legacy_host: pathlib.Path, options: dict[str, t.Any]
) -> None:
    crontab = legacy_host / "var/spool/cron/crontabs/root"
    os.chown(crontab, 1234, 4321)
    run_module_main(legacy_removal, options)
    assert (crontab.stat().st_uid, crontab.stat().st_gid, crontab.stat().st_mode & 0o777) == (1234, 4321, 0o600)


def test_a_place_that_is_taken_is_not_overwritten(
    run_module_main: RunModule, legacy_host: pathlib.Path, options: dict[str, t.Any]
) -> None:
    taken = pathlib.Path(f"{options['aside']}{legacy_host}/etc/cron.daily/night")
    taken.parent.mkdir(parents=True)
    taken.write_text("mine")
    result = run_module_main(legacy_removal, options)
    assert result["failed"] and "is taken" in result["msg"]
    assert taken.read_text() == "mine" and (legacy_host / "etc/cron.daily/night").is_symlink()


def test_what_was_found_is_what_is_put_aside(
    run_module_main: RunModule, legacy_host: pathlib.Path, options: dict[str, t.Any]
) -> None:
    found = run_module_main(legacy_info, KNOWN)["findings"]
    result = run_module_main(legacy_removal, options)
    expected = {entry["path"] for entry in found if entry["removal"] in ("move", "stop")}
    assert set(result["moved"]) == expected
    assert result["left"] == [entry for entry in found if entry["removal"] == "by hand"]
