# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios' tests share: the two hosts, the lab's secrets, the project's own playbooks."""

import contextlib
import json
import os
import pathlib
import shlex
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
def engine(tatchu):
    """The lab's database server, by the name of its packages and its unit: mariadb or mysql."""
    return "mariadb" if tatchu.exists("mariadbd") else "mysql"


@pytest.fixture(scope="session")
def lab_variables():
    return yaml.safe_load((PROJECT / ".lab/inventory/group_vars/all.yml").read_text())


@pytest.fixture(scope="session")
def lab_secrets(lab_variables):
    """Each secret whole, and the part of it that no quoting changes."""
    values = [lab_variables["backup_borg_passphrase"], lab_variables["database_dump_password"]]
    return values + [value.split(" ")[0] for value in values]


@pytest.fixture(scope="session")
def ledger():
    """All runs in the ledger of a host, oldest first."""

    def read(host):
        names = host.check_output("ls /var/lib/labops-backup/ledger").split()
        texts = [host.file(f"/var/lib/labops-backup/ledger/{name}").content_string for name in sorted(names)]
        return [json.loads(text) for text in texts]

    return read


@pytest.fixture(scope="session")
def borg(loki):
    """Run plain borg on loki, with nothing of ours but the passphrase: borg("list", "blobs")."""

    def run(verb, place, *words, folder="/root"):
        return loki.run(
            f"cd {folder} && env BORG_PASSCOMMAND='cat /etc/labops-backup/borg/tatchu.passphrase'"
            " BORG_BASE_DIR=/root/plain-borg"
            " BORG_RELOCATED_REPO_ACCESS_IS_OK=yes LC_ALL=C.UTF-8"
            f" borg {verb} /srv/backup/borg/tatchu/{place} {' '.join(words)}"
        )

    return run


@pytest.fixture(scope="session")
def extract(loki, borg):
    """Extract an archive with plain borg into a fresh folder of loki; gives the tree in it."""

    def run(dataset, archive):
        folder = f"/root/extract/{dataset}"
        loki.check_output(f"rm -rf {folder} && mkdir -p {folder}")
        done = borg("extract --numeric-ids --sparse", f"{dataset}::{archive}", folder=folder)
        assert done.rc == 0, done.stderr
        return f"{folder}/{dataset}"

    return run


@pytest.fixture(scope="session")
def program():
    """Run a program of tests/lab on a host, without leaving it there; gives what it prints."""

    def run(host, name, *words):
        command = shlex.join(["python3", "-", *words])
        with open(PROJECT / "tests/lab" / name, "rb") as text:
            ssh = ["ssh", "-F", PROJECT / ".lab/ssh_config", host.backend.host, command]
            done = subprocess.run(ssh, stdin=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def told_each_time(loki, tatchu):
    """What fails again is told again at once, whatever was told before."""
    settings = "/etc/labops-backup/tell.json"
    for host in (loki, tatchu):
        host.check_output(
            rf"cp -p {settings} /root/tell.json && sed -Ei 's/(\"repeat_hours\": ?)[0-9.]+/\10/' {settings}"
        )
    yield
    for host in (loki, tatchu):
        host.check_output(f"mv /root/tell.json {settings}")


@pytest.fixture(scope="session")
def strike(program):
    """Hit a process by its argument list as soon as it appears; gives its number."""

    def hit(host, pattern, action, seconds=900):
        return int(program(host, "strike.py", pattern, str(seconds), action).split()[0])

    return hit


@pytest.fixture(scope="session")
def tree(program):
    """A folder of a host as tests/lab/tree.py describes it: path to entry."""

    def read(host, folder):
        return {entry["path"]: entry for entry in map(json.loads, program(host, "tree.py", folder).splitlines())}

    return read


@pytest.fixture(scope="session")
def kept_by_borg():
    """What Borg 1.x can keep of a tree: no sockets, no time before 1970 or after 2038-01-18.

    Seen with 1.2.4 (helpers/time.py: SUPPORT_32BIT_PLATFORMS); docs/operate.md says so.
    """
    last = (2**31 - 1 - 172800) * 10**9

    def kept(entries):
        return {
            path: {**entry, "mtime_ns": max(0, min(entry["mtime_ns"], last))}
            for path, entry in entries.items()
            if entry["kind"] != "socket"
        }

    return kept


@pytest.fixture(scope="session")
def begin_playbook():
    """Start a playbook of the project against the lab as a person would; gives the process, a group of its own."""

    def start(name, *words, inventory=PROJECT / ".lab/inventory"):
        return subprocess.Popen(
            [PROJECT / ".venv/bin/ansible-playbook", "-i", inventory, f"playbooks/{name}.yml", *words],
            cwd=PROJECT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.environ["HOME"],
                "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    return start


@pytest.fixture(scope="session")
def playbook(begin_playbook):
    """Run a playbook to its end; gives the finished process."""

    def run(name, *words, **keywords):
        process = begin_playbook(name, *words, **keywords)
        stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run


@pytest.fixture
def dead():
    """A host of the lab whose processes all stand still: dead("loki")."""
    with contextlib.ExitStack() as paused:

        def pause(name):
            which = ["--filter", f"label=labops.backup.checkout={PROJECT}", "--filter", f"name=^{name}", "--quiet"]
            (container,) = subprocess.check_output(["podman", "ps", *which], text=True).split()
            done = subprocess.run(["podman", "pause", container], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            paused.callback(subprocess.run, ["podman", "unpause", container], check=True, capture_output=True)

        yield pause
