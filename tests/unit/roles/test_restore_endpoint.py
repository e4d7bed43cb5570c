# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the write endpoint of a restore is made of, rendered."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import jinja2
import yaml
from ansible.plugins.filter.core import FilterModule

ROLE = pathlib.Path(__file__).parents[3] / "roles" / "_restore_endpoint"
INCIDENT = "20261124T081500Z-4d2a10"


def render(name: str) -> str:
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(FilterModule().filters())
    values: dict[str, t.Any] = {
        "backup_stamp": "labops.backup 0.1.0 from inventory 0123456789ab",
        "restore_endpoint_incident": INCIDENT,
        "restore_endpoint_from": ["192.0.2.8", "2001:db8::8"],
        "restore_endpoint_datasets": [{"name": "blobs", "path": "/datajoint-db/blobs"}],
        "_restore_endpoint_end": {"stdout": "20261125081500 2026-11-25 08:15:00"},
        "_restore_endpoint_public": {"content": "c3NoLWVkMjU1MTkgQUFBQSB4Cg=="},
    }
    for variable, value in yaml.safe_load((ROLE / "vars" / "main.yml").read_text()).items():
        words = value if isinstance(value, list) else [value]
        rendered = [environment.from_string(word).render(values) for word in words]
        values[variable] = rendered if isinstance(value, list) else rendered[0]
    return environment.from_string((ROLE / "templates" / f"{name}.j2").read_text()).render(values)


def test_what_closes_it_is_clean_and_leaves_nothing() -> None:
    script = render("close")
    words = ["shellcheck", "--shell=dash", "--severity=style", "-"]
    checked = subprocess.run(words, input=script, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stdout
    steps = [line.strip() for line in script.splitlines()]
    assert [line for line in steps if line.startswith("rm ")] == [
        "rm -rf '/run/labops-restore'",
        "rm -rf '/run/labops-backup/restore'",
        "rm -f '/etc/sudoers.d/labops-backup-restore'",
        "rm -f '/etc/systemd/system/labops-backup-restore-close.timer' "
        "'/etc/systemd/system/labops-backup-restore-close.service'",
        "rm -f '/var/lib/systemd/timers/stamp-labops-backup-restore-close.timer'",
        "rm -rf '/etc/labops-backup/restore-endpoint'",
    ]


def test_the_key_opens_one_command_from_there_and_until_then() -> None:
    command = "/usr/bin/rsync --config=/run/labops-backup/restore/rsyncd.conf --server --daemon ."
    assert render("authorized_keys").splitlines()[-1] == (
        'restrict,from="192.0.2.8,2001:db8::8",expiry-time="20261125081500",'
        f'command="/usr/bin/sudo -n {command}" ssh-ed25519 AAAA x'
    )
    allowed = command.replace("=", "\\=")
    assert render("sudoers").splitlines()[-1] == f"labops-restore ALL=(root) NOPASSWD: {allowed}"


def test_a_module_can_be_written_to_and_not_read() -> None:
    lines = render("rsyncd.conf").splitlines()
    assert {"read only = no", "write only = yes", "use chroot = yes", "list = no", "numeric ids = yes"} <= set(lines)
    assert lines[-2:] == ["[blobs]", "path = /datajoint-db/blobs"]


def test_the_timer_reaches_over_a_restart() -> None:
    assert {"OnCalendar=2026-11-25 08:15:00", "Persistent=yes"} <= set(render("timer").splitlines())
    assert "ExecStart=/etc/labops-backup/restore-endpoint/close" in render("service")
