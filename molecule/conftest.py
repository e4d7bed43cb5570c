# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios' tests share: the two hosts, the lab's secrets, the project's own playbooks."""

import os
import pathlib
import subprocess

import pytest
import testinfra
import yaml

PROJECT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def hosts(request):
    """Host by name, whatever host the test itself runs for."""
    inventory = request.config.option.ansible_inventory
    return lambda name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory)


@pytest.fixture(scope="session")
def loki(hosts):
    return hosts("loki")


@pytest.fixture(scope="session")
def tatchu(hosts):
    return hosts("tatchu")


@pytest.fixture(scope="session")
def lab_variables():
    return yaml.safe_load((PROJECT / ".lab/inventory/group_vars/all.yml").read_text())


@pytest.fixture(scope="session")
def lab_secrets(lab_variables):
    """Each secret whole, and the part of it that no quoting changes."""
    values = [lab_variables["backup_borg_passphrase"], lab_variables["database_dump_password"]]
    return values + [value.split(" ")[0] for value in values]


@pytest.fixture(scope="session")
def playbook():
    """Run a playbook of the project against the lab as a person would; gives the finished process."""

    def run(name, *words, inventory=PROJECT / ".lab/inventory"):
        return subprocess.run(
            [PROJECT / ".venv/bin/ansible-playbook", "-i", inventory, f"playbooks/{name}.yml", *words],
            cwd=PROJECT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.environ["HOME"],
                "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run
