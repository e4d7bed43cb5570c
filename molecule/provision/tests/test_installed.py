# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection, built and installed, is the one that the checkout provisions with."""

import os
import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
BIN = PROJECT / ".venv/bin"


def test_the_installed_collection_changes_nothing_on_hosts_that_the_checkout_provisioned(tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
        "ANSIBLE_PIPELINING": "true",
    }

    def run(*words):
        ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    run(BIN / "ansible-galaxy", "collection", "build", PROJECT, "--output-path", tmp_path)
    (built,) = tmp_path.glob("labops-backup-*.tar.gz")
    run(BIN / "ansible-galaxy", "collection", "install", built, "--collections-path", tmp_path / "collections")
    # The escrow bundle holds the inventory, so it has to be the one of the converge: Molecule's own and the lab's.
    inventories = ("-i", PROJECT / ".cache/molecule/inventory", "-i", PROJECT / ".lab/inventory")
    told = run(BIN / "ansible-playbook", *inventories, "labops.backup.site")
    assert re.findall(r"^(\w+) .*changed=(\d+)", told, re.MULTILINE) == [("loki", "0"), ("tatchu", "0")]
