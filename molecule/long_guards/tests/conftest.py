# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guards' tests share: nights that are watched from outside, and the rows of the table of guards."""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import time

import pytest
import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[3]
INVENTORY = pathlib.Path(__file__).resolve().parents[1] / "inventory.yml"
ROWS = PROJECT / ".cache/guards/rows.json"
NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"
DUMP = "/usr/local/sbin/backup_and_notify_on_tatchu.sh"
MARKER = ".labops-backup-dataset"


@pytest.fixture(scope="session")
def guards_inventory():
    """What comes on top of the lab's inventory."""
    return INVENTORY


@pytest.fixture(scope="session")
def datasets():
    """Names of the datasets that belong to this scenario."""
    given = yaml.safe_load(INVENTORY.read_text())["all"]["children"]["backup_sources"]["hosts"]["tatchu"]
    return [entry["name"] for entry in given["backup_datasets"] if entry["path"].startswith("/srv/guarded/")]


@pytest.fixture(scope="session")
def defaults():
    """What an inventory gets that says nothing."""
    return yaml.safe_load((PROJECT / "roles/_common/defaults/main.yml").read_text())


@pytest.fixture(scope="session")
def module(loki):
    """Run one of the modules on loki as docs/operate.md shows it; gives its result."""

    def run(name, **arguments):
        words = [PROJECT / ".venv/bin/ansible", "loki", "-i", PROJECT / ".lab/inventory", "-b"]
        words += ["-m", f"labops.backup.{name}", "-a", json.dumps(arguments)]
        environment = {
            "PATH": f"{PROJECT}/.venv/bin:/usr/bin:/bin",
            "HOME": str(pathlib.Path.home()),
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        }
        ended = subprocess.run(words, cwd=PROJECT, env=environment, capture_output=True, text=True)
        # Of a failure ansible tells before the result where the task stood.
        return json.loads(re.split(r"^loki \| .* => ", ended.stdout, flags=re.MULTILINE)[1])

    return run


def script(host, text):
    """Run a piece of shell on a host; any failure in it is one."""
    return host.check_output("bash -euc %s", text)


@pytest.fixture(scope="session")
def shell():
    return script


class Night:
    """One run of backup.yml, and what lay on loki before and after it."""

    def __init__(self, code, said, run, told, before, after):
        self.code = code
        self.said = said
        self.run = run
        self.told = told
        self.before = before
        self.after = after

    def outcome(self, dataset):
        return next(entry for entry in self.run["outcomes"] if entry["dataset"] == dataset)

    @property
    def point(self):
        """The state of the recovery point; empty when there is none."""
        return self.run["points"][0].get("state", "") if self.run["points"] else ""

    def stayed(self, dataset, what):
        """Whether this part of a dataset is the same in every byte and attribute."""
        place = {
            "mirror": rf"\./mirror/tatchu/{dataset}(/.*)?",
            "generation": rf"\./mirror/tatchu/{dataset}\.generation\.json",
            "archives": rf"\./borg/tatchu/{dataset}(/.*)?",
            "quarantine": rf"\./quarantine/tatchu/{dataset}(/.*)?",
        }[what]

        def part(tree):
            found = {path: dict(entry) for path, entry in tree.items() if re.fullmatch(place, path, re.DOTALL)}
            repository = found.get(f"./borg/tatchu/{dataset}", {})
            repository.pop("mtime_ns", None)  # whoever opens a repository leaves and removes Borg's lock in its folder
            return found

        return part(self.before) == part(self.after)


@pytest.fixture(scope="session")
def watched(loki, tree, ledger):
    """Watch a night: what it left, what it wrote down, whom it told."""

    def watch(start):
        def failures():
            lines = loki.run("cat /var/log/lab-catcher.jsonl").stdout.splitlines()
            return [message["body"] for message in map(json.loads, lines) if message["path"] == "/failure"]

        told, before = len(failures()), tree(loki, "/srv/backup")
        began = time.monotonic()
        code, said = start()
        print(f"night {code} took {time.monotonic() - began:.0f} s", file=sys.stderr)
        run = [run for run in ledger(loki) if run["job"] == "backup"][-1]
        return Night(code, said, run, failures()[told:], before, tree(loki, "/srv/backup"))

    return watch


@pytest.fixture(scope="session")
def by_cron(loki, watched, told_each_time):
    """A night through the script that cron starts."""

    def start():
        ended = loki.run(NIGHT)
        return ended.rc, ended.stderr

    return lambda: watched(start)


@pytest.fixture(scope="session")
def by_hand(playbook, watched):
    """A night that a person starts, with extra variables."""

    def night(**variables):
        def start():
            ended = playbook("backup", "-i", INVENTORY, "--extra-vars", json.dumps(variables))
            assert ended.returncode in (0, 2), ended.stdout + ended.stderr
            return ended.returncode, ended.stdout

        return watched(start)

    return night


@pytest.fixture(scope="session")
def turns(tatchu):
    """Let something happen on the source when the endpoint is asked for a dataset for the nth time from now on.

    A pull asks four times: marker, census, transfer, marker. The endpoint's own configuration starts what waits.
    """
    conf, hook, folder = "/etc/labops-backup/rsyncd.conf", "/usr/local/lib/lab/turn", "/run/lab-turns"
    script(
        tatchu,
        f"""cat >{hook} <<'END'
#!/bin/sh
cd {folder}/"$RSYNC_MODULE_NAME" 2>/dev/null || exit 0
turn=$(($(cat count) + 1))
echo "$turn" >count
[ ! -x "$turn" ] || "./$turn"
END
chmod 755 {hook}
cp -p {conf} {conf}.kept
sed -i '/^read only/i pre-xfer exec = {hook}' {conf}
rm -rf {folder}""",
    )

    def plan(dataset, **by_turn):
        text = f"rm -rf {folder}/{dataset}; mkdir -p {folder}/{dataset}; cd {folder}/{dataset}; echo 0 >count\n"
        for turn, action in by_turn.items():
            name = turn.removeprefix("at_")
            text += f"printf '%s\\n' '#!/bin/sh' {shlex.quote(action)} >{name}; chmod 755 {name}\n"
        script(tatchu, text)

    yield plan
    script(tatchu, f"mv {conf}.kept {conf}; rm -rf {folder} {hook}")


@pytest.fixture(scope="session")
def rows():
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    ROWS.write_text("[]\n")
    return []


@pytest.fixture(scope="session")
def guard(rows):
    """Note one row of the table: what the test knows, and what it saw.

    :param seen: what the message says that the guard saw, with what differs from run to run named and not given.
    """

    def note(name, *, looked_at, limit, seen, happens, accept):
        rows.append(
            {"guard": name, "looked_at": looked_at, "limit": limit, "happens": f"“{seen}”: {happens}", "accept": accept}
        )
        ROWS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")

    return note
