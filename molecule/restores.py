# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of restores share; a conftest.py of a scenario takes all of it."""

import json
import os
import pathlib
import posixpath
import shlex
import subprocess
import time

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[1]
DAMAGE = r"""
import os, sys
root = sys.argv[1]
files = sorted(
    os.path.join(folder, name)
    for folder, _folders, names in os.walk(root)
    for name in names
    if not os.path.islink(os.path.join(folder, name)) and os.path.getsize(os.path.join(folder, name))
    and not name.startswith(".labops")
)
for number, path in enumerate(files):
    if sys.argv[2] == "half" and number % 2:
        os.unlink(path)
    elif sys.argv[2] == "half" and number % 10 == 0 or sys.argv[2] == "garbage" and number % 3 == 0:
        status = os.stat(path)
        with open(path, "r+b") as stream:
            stream.seek(status.st_size // 2)
            byte = stream.read(1)
            stream.seek(status.st_size // 2)
            stream.write(bytes([byte[0] ^ 1]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
print(len(files))
"""
DATASETS = {"blobs": "/datajoint-db/blobs", "data": "/datajoint-data"}


@pytest.fixture(scope="session")
def newest(loki):
    """The newest recovery point, as its seal says."""

    def read():
        folder = "/var/lib/labops-backup/recovery_points/tatchu"
        name = loki.check_output(f"ls {folder} | grep json | sort | tail -n 1")
        return json.loads(loki.file(f"{folder}/{name}").content_string)

    return read


@pytest.fixture(scope="session")
def sealed():
    """The points that this session has sealed since its last restore, oldest first."""
    return []


@pytest.fixture(scope="session")
def night(loki, tatchu, newest, sealed):
    """A dump and a night, with the worker going on; gives the sealed point."""

    def run():
        tatchu.check_output("systemctl start datajoint-worker")
        tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
        loki.check_output("/usr/local/sbin/backup_and_notify_on_loki.sh")
        point = newest()
        assert point["state"] == "complete", point["problems"]
        sealed.append(point)
        return point

    return run


@pytest.fixture(scope="session")
def fresh(night, sealed):
    """The point that the session has just sealed, or that of another night."""
    return lambda: sealed[-1] if sealed else night()


@pytest.fixture(scope="session")
def still_night(loki, tatchu, newest):
    """A dump and a night of a lab in which nobody writes before somebody starts the worker; gives the sealed point."""

    def run():
        tatchu.check_output("systemctl stop datajoint-worker")
        tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
        loki.check_output("/usr/local/sbin/backup_and_notify_on_loki.sh")
        point = newest()
        assert point["state"] == "complete", point["problems"]
        return point

    return run


@pytest.fixture(scope="session")
def restore(playbook, sealed):
    """restore.yml with variables, as an operator types it; gives the finished process."""

    def run(*words, stage="", good=True, **variables):
        if "confirm" in variables and good:
            sealed.clear()
        given = {f"restore_{name}": value for name, value in variables.items()}
        done = playbook("restore", *(["--tags", stage] if stage else []), "-e", json.dumps(given), *words)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        assert (done.returncode == 0) is good, said
        return said

    return run


@pytest.fixture(scope="session")
def begin(begin_playbook):
    """restore.yml with variables, going on in the background; gives the process."""

    def start(*words, **variables):
        given = {f"restore_{name}": value for name, value in variables.items()}
        return begin_playbook("restore", "-e", json.dumps(given), *words)

    return start


@pytest.fixture(scope="session")
def journal(loki):
    """The journal of an incident, or of the newest one."""

    def read(incident=""):
        folder = "/var/lib/labops-backup/journal/tatchu"
        name = f"{incident}.json" if incident else loki.check_output(f"ls {folder} | grep json$ | sort | tail -n 1")
        return json.loads(loki.file(f"{folder}/{name}").content_string)

    return read


@pytest.fixture(scope="session")
def plan(restore, tmp_path_factory):
    """The plan as JSON, and what was shown."""

    def run(**variables):
        path = tmp_path_factory.mktemp("plan") / "plan.json"
        said = restore(plan_file=str(path), **variables)
        return {**json.loads(path.read_text()), "said": said}

    return run


@pytest.fixture(scope="session")
def recover(restore, plan, noted):
    """The whole way: fence, plan, confirm, release; gives the plan that was confirmed.

    :param case: under this name the case is noted, with what it took.
    :param fence: false where the test has raised it.
    """

    def run(point, *, case, fence=True, release=True, **variables):
        seconds = {}

        def timed(name, call, *words, **given):
            began = time.monotonic()
            result = call(*words, **given)
            seconds[name] = round(time.monotonic() - began, 1)
            return result

        if fence:
            timed("fence", restore, stage="fence")
        offer = timed("plan", plan, point=point["point"], **variables)
        assert not offer["moving"], offer["said"]
        timed("restore", restore, point=point["point"], confirm=point["point"], **variables)
        if release:
            timed("release", restore, stage="release")
        steps = [step for step in offer["steps"] if step["taken"]]
        noted(
            case,
            seconds=seconds,
            order=offer["order"],
            states={step["dataset"]: step["state"] for step in steps},
            sources={step["dataset"]: step["from"] for step in steps},
            bytes=offer["bytes"],
            files={
                step["dataset"]: {name: one.get("files", 0) for name, one in step["counts"].items()} for step in steps
            },
        )
        return offer

    return run


@pytest.fixture(scope="session")
def noted():
    """Note about a case what the table in docs/incident.md tells; the files wait in .cache/incidents."""

    def note(case, **facts):
        folder = PROJECT / ".cache/incidents"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{case}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | {"case": case} | facts, indent=2) + "\n")

    return note


@pytest.fixture(scope="session")
def archived(point_archives, loki, extract, tree):
    """What a point holds of a dataset, by plain borg and nothing of ours."""

    def read(point, dataset):
        return tree(loki, extract(dataset, point_archives(point)[dataset]))

    return read


@pytest.fixture(scope="session")
def point_archives():
    return lambda point: {one["name"]: one["archive"] for one in point["datasets"]}


@pytest.fixture(scope="session")
def assert_restored(tatchu, archived, tree, kept_by_borg):
    """Everything that the point holds is on tatchu, equal in all that rsync carries; gives what is there beside it."""

    def check(point, dataset, *, where=None):
        wanted = archived(point, dataset)
        found = kept_by_borg(tree(tatchu, where or DATASETS[dataset]))
        aside = {path for path in found if path.startswith("./.labops-aside-")}
        extras = set(found) - set(wanted)
        # A folder in which something was made since has another time, and so it should.
        touched = {posixpath.dirname(path) or "." for path in extras}
        for path, entry in wanted.items():
            there = found.get(path)
            if path in touched and there:
                entry, there = ({**one, "mtime_ns": 0} for one in (entry, there))
            assert there == entry, path
        return extras - aside

    return check


@pytest.fixture(scope="session")
def assert_extras():
    """What is there beside the point is exactly what the plan listed as newer."""

    def check(offer, dataset, extras, found):
        newer = next(step for step in offer["steps"] if step["dataset"] == dataset)["counts"]["newer"]
        folders = {path for path in extras if found[path]["kind"] == "dir"}
        assert (len(extras - folders), len(folders)) == (newer["files"], newer["folders"]), sorted(extras)[:20]
        assert {f"./{path}" for path in newer["examples"]} <= extras

    return check


@pytest.fixture(scope="session")
def database_rows(tatchu):
    """Rows by table, counted by the engine itself."""

    def count(pattern="lab\\_%"):
        tables = tatchu.check_output(
            "mysql -NBe %s",
            "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables"
            f" WHERE table_type = 'BASE TABLE' AND table_schema LIKE '{pattern}'",
        ).split("\n")
        tables = [table for table in tables if table]
        if not tables:
            return {}
        union = " UNION ALL ".join(
            "SELECT '{0}.{1}', COUNT(*) FROM `{0}`.`{1}`".format(*table.split(".", 1)) for table in tables
        )
        lines = tatchu.check_output("mysql -NBe %s", union).split("\n")
        return {name: int(rows) for name, rows in (line.split("\t") for line in lines)}

    return count


@pytest.fixture(scope="session")
def digests(tatchu):
    """What each table of a schema holds, by the plain client and in no order; without DataJoint's own notes, and
    without the table that an event of the server fills all the time."""

    def read(schema):
        names = tatchu.check_output(
            "mysql -NBe %s",
            "SELECT table_name FROM information_schema.tables"
            f" WHERE table_schema = '{schema}' AND table_type = 'BASE TABLE'",
        ).split("\n")
        lines = "".join(
            f"mysql -NB --default-character-set=binary -e 'SELECT * FROM `{schema}`.`{name}`' | sort | sha256sum\n"
            for name in sorted(names)
        )
        sums = [line.split()[0] for line in tatchu.check_output("export LC_ALL=C\n" + lines).splitlines()]
        found = dict(zip(sorted(names), sums, strict=True))
        return {name: digest for name, digest in found.items() if name not in ("~log", "~jobs", "tick")}

    return read


@pytest.fixture(scope="session")
def checksums(tatchu):
    """What CHECKSUM TABLE says of every table of these schemas, but those that change with every job."""

    def read(pattern="lab\\_%"):
        tables = tatchu.check_output(
            "mysql -NBe %s",
            "SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables"
            f" WHERE table_type = 'BASE TABLE' AND table_schema LIKE '{pattern}' AND table_name <> '~jobs'",
        )
        lines = tatchu.check_output("mysql -NBe %s", f"CHECKSUM TABLE {', '.join(tables.split())}")
        return dict(line.split("\t") for line in lines.splitlines())

    return read


@pytest.fixture(scope="session")
def dumped(loki, extract, point_archives, program):
    """The dump of a point in an engine of its own on loki, by plain borg and the client: CHECKSUM TABLE by table."""

    def read(point, pattern="lab_"):
        folder = extract("database", point_archives(point)["database"])
        stores = json.dumps({name: ["/", []] for name in ("ephys", "imaging", "notes", "raw")})
        told = json.loads(program(loki, "ask_engine.py", f"{folder}/{point['dump_set']['id']}", stores))
        found = {name: value for name, value in told["checksums"].items() if not name.endswith(".~jobs")}
        return {name: value for name, value in found.items() if name.startswith(pattern)}

    return read


@pytest.fixture(scope="session")
def fetch_all():
    """DataJoint's own client on tatchu fetches everything; rows by table."""

    def run():
        command = shlex.join(["/opt/lab-pipeline/venv/bin/python", "-"])
        with open(PROJECT / "tests/lab/fetch_all.py", "rb") as text:
            ssh = ["ssh", "-F", PROJECT / ".lab/ssh_config", "tatchu", command]
            done = subprocess.run(ssh, stdin=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def worker_goes_on(tatchu, database_rows):
    """The worker runs and enters and computes another session."""

    def check():
        assert tatchu.service("datajoint-worker").is_running
        before = database_rows()["lab_session.session"]
        for _attempt in range(60):
            if database_rows()["lab_session.session"] > before:
                return
            time.sleep(1)
        raise AssertionError(tatchu.run("journalctl -n 30 -u datajoint-worker").stdout)

    return check


@pytest.fixture(scope="session")
def run_local():
    """A shell line on the machine that runs the tests, in the checkout; gives what it prints."""

    def run(line):
        done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def ad_hoc():
    """One module of the collection on a host, as an operator runs it by hand; gives its result."""

    def run(host, module, **options):
        ansible = [PROJECT / ".venv/bin/ansible", "-i", PROJECT / ".lab/inventory", "--one-line"]
        done = subprocess.run(
            [*ansible, host, "-m", module, "-a", json.dumps(options)],
            cwd=PROJECT,
            env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        verdict, arrow, result = done.stdout.partition("=>")
        assert arrow, done.stdout + done.stderr
        return {**json.loads(result), "failed": "FAILED" in verdict}

    return run


@pytest.fixture(scope="session")
def strike_files(tatchu):
    """Lose files of a tree without a trace in size and time.

    C(half) deletes every second file and flips a bit in one of ten, C(garbage) flips one in a third of them.
    """
    return lambda root, kind: tatchu.check_output("python3 -c %s %s %s", DAMAGE, root, kind)


@pytest.fixture(scope="session")
def job_says(hosts):
    """Run the line of a job in cron.d as cron would; gives the message that people get."""

    def run(host, job):
        line = hosts(host).check_output(f"grep -v -e '^#' -e '^[A-Z]' /etc/cron.d/labops-backup-{job}")
        command = line.split(None, 6)[6]  # what stands behind the times and the user
        environment = "env -i SHELL=/bin/sh HOME=/root LOGNAME=root PATH=/usr/bin:/bin"
        assert hosts(host).run(f"{environment} /bin/sh -c %s", command).rc != 0
        folder = hosts(host).check_output(f"ls -d /var/log/labops-backup/{job}/* | tail -n 1")
        return hosts(host).file(f"{folder}/message").content_string

    return run
