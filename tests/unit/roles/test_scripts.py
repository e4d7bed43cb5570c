# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered shell scripts: clean, and honest about how a job ended.

Only systemd-run, systemctl, logger, sendmail and Apprise are replaced; folders of the system are moved below a
temporary one.
"""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import subprocess
import typing as t

import jinja2
import pytest
import yaml
from ansible.plugins.filter.core import FilterModule
from ansible_collections.labops.backup.plugins.module_utils._model import _inventory, _job_inventory

REPOSITORY = pathlib.Path(__file__).parents[3]
ROLE = REPOSITORY / "roles" / "runner"
TELL = REPOSITORY / "roles/notification/files/tell.py"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FOLDERS = (
    *("/opt/labops-backup", "/etc/labops-backup", "/run/labops-backup"),
    *("/var/log/labops-backup", "/var/lib/labops-backup", "/usr/local/libexec"),
)
STAMP = "labops.backup 0.1.0 from inventory 0123456789ab"
RUN = "20261123T023000Z-77b0aa"


def plan() -> list[dict[str, t.Any]]:
    defaults = yaml.safe_load((REPOSITORY / "roles/_common/defaults/main.yml").read_text())
    hosts: dict[str, dict[str, t.Any]] = {"loki": {}, "Tatchu-2.lab": {"backup_server": "loki"}}
    return _inventory.plan(hosts, {"backup_servers": ["loki"], "backup_sources": ["Tatchu-2.lab"]}, defaults)


def render(template: str, search_path: str = "/usr/sbin:/usr/bin:/sbin:/bin", **variables: t.Any) -> str:
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(FilterModule().filters())
    values = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    values.update(_runner_path=search_path, inventory_hostname="loki", backup_stamp=STAMP, **variables)
    return environment.from_string((ROLE / "templates" / template).read_text()).render(values)


def scripts() -> list[dict[str, t.Any]]:
    return [script for host in ("loki", "Tatchu-2.lab") for script in _job_inventory.job_scripts(plan(), host)]


RENDERED = {
    "run-job": render("run-job.j2"),
    **{script["name"]: render("script.sh.j2", item=script) for script in scripts()},
}


@pytest.mark.parametrize("name", RENDERED)
def test_every_rendered_script_passes_shellcheck(name: str) -> None:
    done = subprocess.run(
        ["shellcheck", "--shell=dash", "--severity=style", "-"], input=RENDERED[name], text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout


def test_names_follow_the_documented_table() -> None:
    assert sorted(script["name"] for script in scripts()) == [
        "backup_and_notify_on_loki.sh",
        "backup_and_notify_on_tatchu_2_lab.sh",
        "backup_tatchu_2_lab_blobs.sh",
        "backup_tatchu_2_lab_data.sh",
        "backup_tatchu_2_lab_database.sh",
        "borg_backup_on_loki.sh",
        "drill_and_notify_on_loki.sh",
        "readiness_and_notify_on_loki.sh",
        "verify_and_notify_on_loki.sh",
    ]


class Machine:
    """The scripts of one host below a temporary folder, with replaced system programs."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        release = root / "opt/labops-backup/releases/0.1.0"
        (release / "bin").mkdir(parents=True)
        (root / "opt/labops-backup/current").symlink_to("releases/0.1.0")
        self.program(release / "bin/ansible-runner", "exit 0")
        self.program(
            release / "bin/apprise",
            '[ "$1" != --version ] || exit 0',
            f'printf "%s\\n" "$@" >{root}/arguments; cat >{root}/body',
            f"exit $(cat {root}/apprise_ends 2>/dev/null || echo 0)",
        )
        self.program(self.bin / "logger", f'printf "%s\\n" "$*" >>{root}/logged')
        self.program(self.bin / "sendmail", f"cat >>{root}/mailed")
        self.program(self.bin / "id", "echo 0")
        self.program(self.bin / "systemctl", f'[ "$1" = show ] && cat {root}/active 2>/dev/null; exit 0')
        self.unit("exit 1")
        helpers = root / "usr/local/libexec/labops-backup"
        helpers.mkdir(parents=True)
        self.install("run-job", helpers / "run-job", "run-job.j2")
        self.write(helpers / "tell", TELL.read_text().replace(SEARCH_PATH, f"{self.bin}:/usr/bin:/bin"))
        self.channels("failure", "recovery", "info")
        self.script = root / "backup.sh"
        (night,) = [script for script in _job_inventory.job_scripts(plan(), "loki") if script["job"] == "backup"]
        self.install("night", self.script, "script.sh.j2", item=night)
        (dump,) = [script for script in _job_inventory.job_scripts(plan(), "Tatchu-2.lab") if script["tells"]]
        self.dump = root / "dump.sh"
        self.install("dump", self.dump, "script.sh.j2", item=dump)

    def program(self, path: pathlib.Path, *lines: str) -> None:
        path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
        path.chmod(0o755)

    def install(self, name: str, path: pathlib.Path, template: str, **variables: t.Any) -> None:
        self.write(path, render(template, f"{self.bin}:/usr/bin:/bin", **variables))

    def write(self, path: pathlib.Path, text: str) -> None:
        for folder in FOLDERS:
            text = text.replace(folder, f"{self.root}{folder}")
        path.write_text(text)
        path.chmod(0o755)

    def inside(self, *before: str) -> str:
        """The part of a job of backup inside its unit, behind these words; what it wrote to stderr."""
        run_job = self.root / "usr/local/libexec/labops-backup/run-job"
        release = self.root / "opt/labops-backup/releases/0.1.0"
        words = [*before, run_job, "--inside", RUN, "backup", "backup.yml", "{}", release]
        return subprocess.run(words, check=True, stderr=subprocess.PIPE, text=True).stderr

    def channels(self, *severities: str) -> None:
        """Who is told: one channel for each of these."""
        known = [{"severity": severity, "tag": f"{severity}-1", "scheme": "json"} for severity in severities]
        settings = self.root / "etc/labops-backup/tell.json"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps({"host": "loki", "channels": known, "seconds": 5}))

    def unit(self, *lines: str) -> None:
        """What happens instead of the unit; ``$log`` is the folder of the run."""
        find = 'while [ "$1" != --inside ]; do case $1 in --unit=*) unit=$1;; esac; shift; done; run=$2'
        self.program(self.bin / "systemd-run", find, f"log={self.root}/var/log/labops-backup/backup/$run", *lines)

    def night(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(self.script)], text=True, capture_output=True, env={"PATH": os.environ["PATH"]})

    @property
    def told(self) -> tuple[str, str, str]:
        """Tag, title and body that Apprise got."""
        words = (self.root / "arguments").read_text().splitlines()
        given = dict(word.split("=", 1) for word in words if "=" in word)
        return given["--tag"].removesuffix("-1"), given["--title"], (self.root / "body").read_text()


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


def test_a_good_night_is_told_in_the_words_of_the_play_and_says_nothing_else(machine: Machine) -> None:
    machine.unit('mkdir -p "$log"; echo 0 >"$log/rc"; printf "all good\\nline\\n" >"$log/message"')
    done = machine.night()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    tag, title, body = machine.told
    assert (tag, title) == ("info", "all good")
    assert body.startswith("line\n")


def test_a_failed_night_is_told_in_the_words_of_the_play(machine: Machine) -> None:
    machine.unit('mkdir -p "$log"; echo 2 >"$log/rc"; printf "blobs failed\\nwhy\\n" >"$log/message"; exit 2')
    done = machine.night()
    assert done.returncode == 2
    assert "blobs failed" in done.stderr
    assert machine.told[:2] == ("failure", "blobs failed")


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(
            'mkdir -p "$log"; echo None >"$log/rc"; echo fine >"$log/message"', id="play killed, runner says 0"
        ),
        pytest.param('mkdir -p "$log"; echo 0 >"$log/rc"', id="no verdict"),
        pytest.param('mkdir -p "$log"; exit 1', id="unit killed"),
        pytest.param('mkdir -p "$log"; echo 254 >"$log/rc"; exit 254', id="told to stop"),
        pytest.param("exit 1", id="not started"),
    ],
)
def test_a_night_without_a_verdict_is_never_a_success_and_always_told(machine: Machine, unit: str) -> None:
    machine.unit(unit)
    assert machine.night().returncode == 70
    tag, title, _body = machine.told
    assert (tag, title) == ("failure", "loki: the job backup ended with code 70 without a verdict")


def test_the_end_of_the_log_is_told_when_the_play_did_not_speak(machine: Machine) -> None:
    machine.unit(
        'mkdir -p "$log"; echo 4 >"$log/rc"; printf "TASK x\\r\\n\\nERROR! no inventory\\n" >"$log/stdout"; exit 4'
    )
    assert machine.night().returncode == 4
    assert "TASK x\nERROR! no inventory\n" in machine.told[2]


def test_a_second_start_of_a_job_that_does_not_overlap_itself_is_refused_and_told(machine: Machine) -> None:
    (machine.root / "active").write_text("Mon 2026-11-23 02:30:00 UTC\n")
    done = subprocess.run([str(machine.dump)], text=True, capture_output=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 75
    assert "running already, since Mon 2026-11-23" in done.stderr
    assert "still running" in machine.told[2]


def test_each_night_has_a_unit_of_its_own_so_that_a_long_one_stops_no_other(machine: Machine) -> None:
    machine.unit('mkdir -p "$log"; echo 0 >"$log/rc"; echo fine >"$log/message"; echo "$unit $run" >>$log/../units')
    assert [machine.night().returncode for _ in range(2)] == [0, 0]
    units = (machine.root / "var/log/labops-backup/backup/units").read_text().splitlines()
    assert units[0] != units[1]
    for unit, run in map(str.split, units):
        assert unit == f"--unit=labops-backup-backup-{run}.service"


def test_the_folders_of_a_run_that_goes_on_stay(machine: Machine) -> None:
    logs, homes = machine.root / "var/log/labops-backup/backup", machine.root / "var/lib/labops-backup/jobs/backup"
    runs = [f"202611{day}T023000Z-000000" for day in (20, 21)]
    for run in runs:
        (logs / run).mkdir(parents=True)
        (homes / run).mkdir(parents=True)
        with (logs / run / "stdout").open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, 501 << 20)
        for folder in (logs / run, homes / run):
            os.utime(folder, (0, 0))
    going_on = os.open(logs / runs[0], os.O_RDONLY)
    fcntl.flock(going_on, fcntl.LOCK_EX)
    machine.inside()
    os.close(going_on)
    assert sorted(path.name for path in logs.iterdir()) == [runs[0], RUN]
    assert sorted(path.name for path in homes.iterdir()) == [runs[0], RUN]


def test_a_missing_environment_is_told_by_another_release(machine: Machine) -> None:
    (machine.root / "opt/labops-backup/current").unlink()
    assert machine.night().returncode == 69
    assert "missing or damaged" in machine.told[2]


def test_a_good_night_of_which_nobody_hears_is_not_good(machine: Machine) -> None:
    machine.unit('mkdir -p "$log"; echo 0 >"$log/rc"; echo fine >"$log/message"')
    (machine.root / "apprise_ends").write_text("1")
    done = machine.night()
    assert done.returncode == 3
    assert "nobody could be told" in done.stderr
    assert "nobody could be told" in (machine.root / "logged").read_text()


def test_no_address_for_success_is_a_choice(machine: Machine) -> None:
    machine.unit('mkdir -p "$log"; echo 0 >"$log/rc"; echo fine >"$log/message"')
    machine.channels("failure")
    assert machine.night().returncode == 0
    assert not (machine.root / "arguments").exists()


def test_a_failure_keeps_its_code_when_nobody_hears_and_nothing_is_left_to_tell_with(machine: Machine) -> None:
    (machine.root / "usr/local/libexec/labops-backup/tell").unlink()
    (machine.root / "usr/local/libexec/labops-backup/run-job").unlink()
    done = machine.night()
    assert done.returncode == 127
    assert "code 127" in (machine.root / "logged").read_text()
    assert "Subject: [labops-backup] backup_and_notify_on_loki.sh: run " in (machine.root / "mailed").read_text()


def test_what_no_channel_takes_goes_to_the_local_mail_and_to_the_log_once(machine: Machine) -> None:
    machine.unit('mkdir -p "$log"; echo 2 >"$log/rc"; printf "blobs failed\\nwhy\\n" >"$log/message"; exit 2')
    (machine.root / "apprise_ends").write_text("1")
    assert machine.night().returncode == 2
    assert (machine.root / "mailed").read_text().count("Subject: [labops-backup] blobs failed") == 1
    assert (machine.root / "logged").read_text().count("nobody could be told: blobs failed | why") == 1


def test_a_tell_that_hangs_does_not_keep_the_script(machine: Machine) -> None:
    machine.unit('mkdir -p "$log"; echo 0 >"$log/rc"; echo fine >"$log/message"')
    tell = machine.root / "usr/local/libexec/labops-backup/tell"
    machine.program(tell, "exec sleep 600")
    script = machine.script.read_text()
    assert "timeout --kill-after=5 30 " in script and "timeout --kill-after=5 300 " in script
    machine.script.write_text(script.replace(" 30 ", " 0.2 ").replace(" 300 ", " 0.2 "))
    assert machine.night().returncode == 3
    assert "(tell: 124)" in (machine.root / "logged").read_text()


def test_what_runs_inside_the_unit(machine: Machine) -> None:
    machine.program(
        machine.root / "opt/labops-backup/releases/0.1.0/bin/ansible-runner",
        f'printf "%s\\n" "$@" >{machine.root}/ran; env >{machine.root}/environment',
    )
    run_job = machine.root / "usr/local/libexec/labops-backup/run-job"
    release = machine.root / "opt/labops-backup/releases/0.1.0"
    subprocess.run(
        [run_job, "--inside", RUN, "backup", "backup.yml", '{"backup_stages": ["pull"]}', release],
        check=True,
        env={"PATH": os.environ["PATH"], "SECRET": "x"},
    )
    log = machine.root / "var/log/labops-backup/backup" / RUN
    assert json.loads((log / "variables.json").read_text()) == {"backup_stages": ["pull"]}
    assert json.loads((log / "run.json").read_text()) == {
        "backup_run_id": RUN,
        "backup_message_file": f"{log}/message",
    }
    assert (log / "variables.json").stat().st_mode & 0o777 == 0o600
    environment = dict(line.split("=", 1) for line in (machine.root / "environment").read_text().splitlines())
    assert "SECRET" not in environment
    assert environment["ANSIBLE_COLLECTIONS_PATH"] == f"{release}/collections"
    ran = (machine.root / "ran").read_text().splitlines()
    assert (
        ran[ran.index("--playbook") + 1]
        == f"{release}/collections/ansible_collections/labops/backup/playbooks/backup.yml"
    )
    assert f"--extra-vars @{log}/variables.json --extra-vars @{log}/run.json" in ran


def test_the_oldest_logs_go_when_they_fill_too_much(machine: Machine) -> None:
    logs = machine.root / "var/log/labops-backup/backup"
    for day in ("20261120", "20261121", "20261122"):
        (logs / f"{day}T023000Z-000000").mkdir(parents=True)
    with (logs / "20261121T023000Z-000000/stdout").open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, 501 << 20)
    for folder in logs.iterdir():
        os.utime(folder, (0, 0))
    machine.inside()
    assert sorted(path.name for path in logs.iterdir()) == ["20261122T023000Z-000000", RUN]


def test_old_logs_go_in_silence(machine: Machine) -> None:
    """A unit of systemd ignores SIGPIPE, so that whoever writes for a reader that is gone would say so, by mail."""
    logs = machine.root / "var/log/labops-backup/backup"
    for number in range(62):
        (logs / f"20261120T{number:06}Z-000000").mkdir(parents=True)
        os.utime(logs / f"20261120T{number:06}Z-000000", (0, 0))
    assert machine.inside("/bin/sh", "-c", "trap '' PIPE; exec \"$@\"", "sh") == ""
    assert len(list(logs.iterdir())) == 60


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["-h"], 0), (["--nonsense"], 64), (["x"], 64)])
def test_arguments(machine: Machine, arguments: list[str], code: int) -> None:
    done = subprocess.run([machine.script, *arguments], text=True, capture_output=True)
    assert done.returncode == code
    assert "usage: backup_and_notify_on_loki.sh" in done.stdout + done.stderr
    assert not (machine.root / "arguments").exists()


def test_not_root(machine: Machine) -> None:
    machine.program(machine.bin / "id", "echo 1000")
    assert machine.night().returncode == 77
