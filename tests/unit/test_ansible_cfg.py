# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible does with an inventory under the project's own ansible.cfg."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ONCE = """
all:
  children:
    backup_servers: {hosts: {loki: {}}}
    backup_sources: {hosts: {tatchu: {}}}
"""


def read(folder: pathlib.Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "hosts.yml").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "ansible", "inventory", "-i", folder / "hosts.yml", "--list"],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_inventory_that_names_a_group_twice_is_refused(tmp_path: pathlib.Path) -> None:
    """Ansible would warn and keep the last one: the first one's sources would go without backup."""
    assert read(tmp_path, ONCE).returncode == 0
    done = read(tmp_path, ONCE + "    backup_sources: {hosts: {meg: {}}}\n")
    assert done.returncode != 0
    assert "Found duplicate mapping key 'backup_sources'" in done.stderr
