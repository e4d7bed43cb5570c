#!/usr/bin/python3 -IB
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look from outside the jobs whether the backup of this host is fresh, and have people told when it is not.

A timer of systemd starts it, so that it sees a cron that is dead. Uses the system's Python and nothing beside its
standard library. It looks at documents that the jobs leave, at disks, at cron and at the job environment. The watch of
a server reads what the watch of each source left there, through the endpoint; the watch of a source finds in the
endpoint's log that the server pulled, and that the server's watch looked in. A server's watch that cannot tell people
does not look in, so that the source's watch speaks for it.

usage: watch [--print]   --print shows what it finds as JSON and tells nobody
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import threading
import time
import typing as t

CONFIGURATION = "/etc/labops-backup/watch.json"
STATE = "/var/lib/labops-backup"
VOLATILE = "/run/labops-backup"
HELPERS = "/usr/local/libexec/labops-backup/"
TELL = f"{HELPERS}tell"
RELEASE = "/opt/labops-backup/current"
SCHEDULES = "/etc/cron.d/labops-backup-*"
ENDPOINT_LOG = "/var/log/labops-backup/rsyncd.log"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

Document = dict[str, t.Any]
FAILURE = "failure"
WARNING = "warning"
# A look that does not come back within this time is a finding: a dead disk lets nobody go.
LOOK_SECONDS = 60
TELL_SECONDS = 240
# What is dated so far ahead was dated by a clock that was wrong; clocks are never quite alike.
AHEAD_SECONDS = 3600
# Between the end of a job and the moment when its wrapper begins to tell.
TELLING_SECONDS = 5
# The last one that a document can write: 9999-12-31T23:59:59Z.
LAST_MOMENT = 253402300799
_END_OF_TRANSFER = re.compile(r"sent \d+ bytes\s+received \d+ bytes\s+total size \d+")


class Watch:
    """What was found. ``since`` is when this watch first asked for something that has never been there."""

    def __init__(self, configuration: Document, since: dict[str, float], now: float) -> None:
        """Find nothing yet."""
        self.configuration = configuration
        self.limits: Document = configuration.get("limits", {})
        self.since = since
        self.asked: set[str] = set()
        self.now = now
        self.findings: list[Document] = []

    def find(self, key: str, text: str, **more: str) -> None:
        """Something is wrong."""
        self.findings.append({"key": key, "severity": FAILURE, "text": text, **more})

    def age(self, limit: str, key: str, what: str, at: float | None, remedy: str) -> None:
        """Something that has to happen again and again did not happen lately.

        :param limit: the name of its limit, in hours; 0 is not watched.
        :param at: when it happened last, None for never.
        """
        hours = float(self.limits.get(limit, 0))
        if hours <= 0:
            return
        self.asked.add(key)
        begin = at
        if begin is None:
            begin = self.since.setdefault(key, self.now)
        if begin > self.now + AHEAD_SECONDS:
            self.find(key, f"{what}: {utc(begin)} lies in the future; see which clock is wrong")
        elif self.now - begin > hours * 3600:
            when = f"last {utc(begin)}, {span(self.now - begin)} ago" if at is not None else f"never since {utc(begin)}"
            self.find(key, f"{what}: {when} (limit {hours:g} h). {remedy}")

    def look(self, name: str, function: t.Callable[[], None]) -> None:
        """Look at one thing. Whatever happens there, the others are looked at as well."""

        def guarded() -> None:
            try:
                function()
            except Exception as error:
                self.find(f"look {name}", f"the watch could not look at {name}: {type(error).__name__}: {error}")

        looking = threading.Thread(target=guarded, daemon=True)
        looking.start()
        looking.join(LOOK_SECONDS)
        if looking.is_alive():
            self.find(f"look {name}", f"looking at {name} does not come back within {LOOK_SECONDS} s: a dead disk?")


# ------------------------------------------------------------------------------------------------------------ helpers


def read(path: str) -> Document:
    """A JSON object; empty when there is none that can be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            found = json.load(stream)
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def utc(moment: float) -> str:
    """The moment as all documents of this collection write it."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: t.Any) -> float | None:
    """The moment that a document writes; None when it writes none."""
    try:
        moment = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def began(identifier: str) -> float | None:
    """When a run, point or dump set began, from its identifier."""
    found = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{6}", identifier)
    return moment_of("{}-{}-{}T{}:{}:{}Z".format(*found.groups())) if found else None


def span(seconds: float) -> str:
    """A time span by its two largest units."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def is_good(point: Document) -> bool:
    """Whether a recovery point is complete and nothing that was found since stands against it."""
    return (point.get("marked") or point.get("state")) in ("complete", "checked", "proven")


def identifiers(folder: str) -> list[str]:
    """The identifiers that the names in a folder are, newest first."""
    try:
        names = [name.removesuffix(".json") for name in os.listdir(folder)]
    except FileNotFoundError:
        return []
    return sorted((name for name in names if began(name) is not None), reverse=True)


def run(argv: t.Sequence[str], seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a program of the system with a limit of time and an environment of its own."""
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    return subprocess.run(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
    )


def active(unit: str) -> bool:
    """Whether systemd says that a unit is at work."""
    return run(["systemctl", "is-active", "--", unit]).stdout.strip() in ("active", "activating", "deactivating")


# ------------------------------------------------------------------------------------------------------- what to see


def cron(watch: Watch) -> None:
    """Whether anything starts the jobs."""
    if glob.glob(SCHEDULES) and not active("cron.service"):
        watch.find("cron", "cron does not run, so no job starts by itself. Mend it: systemctl restart cron")


def environment(watch: Watch) -> None:
    """Whether the job environment can work at all."""
    try:
        done = run([f"{RELEASE}/bin/python", "-c", "import ansible, ansible_runner, apprise"], 50)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode != 0:
        watch.find("environment", f"the job environment {RELEASE} is missing or damaged. Run site.yml for this host.")


def disk(watch: Watch, path: str) -> None:
    """Whether a file system is there, can be written and has room."""
    status = os.statvfs(path)
    if status.f_flag & os.ST_RDONLY:
        watch.find(f"disk {path}", f"the file system of {path} is mounted read-only: a failing disk? See: dmesg")
    percent = float(watch.limits.get("free_percent", 0))
    free = 100 * status.f_bavail / status.f_blocks if status.f_blocks else 100.0
    inodes = 100 * status.f_favail / status.f_files if status.f_files else 100.0
    if min(free, inodes) < percent:
        what = "bytes" if free <= inodes else "inodes"
        watch.find(
            f"room {path}",
            f"{min(free, inodes):.1f} % of the {what} of {path} are free (limit {percent:g} %)",
            severity=WARNING,
        )


def writable(watch: Watch, folder: str) -> None:
    """Whether something written there is there."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = f"{folder}/.probe"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, b"\0" * 65536)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            os.unlink(path)
    except OSError as error:
        watch.find(f"write {folder}", f"nothing can be written below {folder}: {error.strerror}")


def root(watch: Watch, path: str) -> None:
    """Whether the disk of the mirrors and archives is mounted."""
    if not os.path.isfile(f"{path}/.labops-backup-root"):
        watch.find("root", f"{path} is not the disk that was provisioned: is it mounted?")


def runs(watch: Watch) -> None:
    """Runs of the jobs that ended without anybody being told: their wrapper was killed."""
    silent = _silent(watch)
    if silent:
        time.sleep(TELLING_SECONDS)
        silent = _silent(watch)
    for identifier, record in silent.items():
        how = "died" if record["state"] == "running" else f"ended as {record['state']}"
        watch.find(
            f"run {identifier}",
            f"the {record.get('job')} run {identifier} {how} and its wrapper told nobody. "
            f"See /var/log/labops-backup/{record.get('job')}/{identifier}/stdout",
            run=identifier,
        )


def _silent(watch: Watch) -> dict[str, Document]:
    told = _told("runs") or {}
    with open(BOOT_ID, encoding="ascii") as stream:
        boot = stream.read().strip()
    found = {}
    for identifier in identifiers(f"{STATE}/ledger")[:50]:
        record = read(f"{STATE}/ledger/{identifier}.json")
        unit = str(record.get("unit", ""))
        # A person who started it sees how it ends. What began before this watch did is the past.
        if not unit.startswith(f"labops-backup-{record.get('job')}") or identifier in told:
            continue
        if (began(identifier) or 0) < watch.since.setdefault("watch", watch.now):
            continue
        if record.get("state") == "running" and record.get("boot_id") == boot and active(unit):
            continue
        if not _somebody_is_at(identifier):
            found[identifier] = record
    return found


def _somebody_is_at(identifier: str) -> bool:
    """Whether a helper of the wrapper is at work on this run, as they are until it is told."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, "rb") as stream:
            words = stream.read().decode("utf-8", "replace").split("\0")
            if identifier in words and any(word.startswith(HELPERS) for word in words):
                return True
    return False


def _told(name: str) -> t.Any:
    """What ``tell`` keeps of what it told; None when it keeps none."""
    found = [read(f"{folder}/tell/state.json") for folder in (STATE, VOLATILE)]
    newest = max(found, key=lambda state: str(state.get("at", "")))
    return newest.get(name)


def held(watch: Watch, source: str, path: str) -> bool:
    """Whether an incident holds this source; its jobs rest then, but not for ever."""
    if not os.path.exists(path):
        return False
    since = moment_of(read(path).get("since")) or os.stat(path).st_mtime
    remedy = "Nothing is backed up meanwhile. End it: restore.yml --tags release"
    watch.age("hold_hours", f"hold {source}", f"{source} is held by an incident", since, remedy)
    return True


# ------------------------------------------------------------------------------------------------------- on a server


def source_on_server(watch: Watch, source: Document) -> None:
    """Points, pulls, checks and drills of one source, from what the jobs left on this server."""
    name = source["name"]
    if held(watch, name, source["hold"]):
        return
    night = "Look at the last night: status.yml"
    points = source["points"]
    complete, late = None, []
    for point in identifiers(points):
        if not is_good(read(f"{points}/{point}.json")):
            continue
        if (began(point) or 0) <= watch.now + AHEAD_SECONDS:
            complete = point
            break
        late.append(point)
    sealed = began(complete) if complete else None
    if late:
        watch.find(
            f"future {name}",
            f"the recovery point {', '.join(late)} of {name} is dated in the future; a restore takes it by name only. "
            "See which clock was wrong; if it was the one that dated the point, mark it suspect (recovery_point_mark, "
            "as in docs/incident.md), which ends this message.",
        )
    watch.age("point_hours", f"point {name}", f"the newest complete recovery point of {name}", sealed, night)
    for dataset in source["datasets"]:
        generation = read(dataset["generation_file"])
        at = moment_of(generation.get("finished")) if generation.get("state") == "complete" else None
        key = f"{name}/{dataset['name']}"
        if at is None:  # being written: the last one that ended is not known any more, its beginning is
            at = moment_of(generation.get("started"))
        watch.age("pull_hours", f"pull {key}", f"the last pull of {key}", at, night)
    checks = read(source["checks"]).get("datasets")
    pieces = [
        piece
        for dataset in (checks.values() if isinstance(checks, dict) else ())
        if isinstance(dataset, dict)
        for piece in dataset.values()
        if isinstance(piece, dict)
    ]
    newest = max((at for piece in pieces if (at := moment_of(piece.get("at"))) is not None), default=None)
    watch.age("check_hours", f"check {name}", f"the last check of {name}", newest, "Look at the job verify: status.yml")
    drills = read(source["drills"]).get("drills")
    good = [
        drill for drill in (drills if isinstance(drills, list) else ()) if isinstance(drill, dict) and drill.get("ok")
    ]
    last = max((at for drill in good if (at := moment_of(drill.get("finished"))) is not None), default=None)
    watch.age(
        "drill_hours", f"drill {name}", f"the last good drill of {name}", last, "Look at the job drill: status.yml"
    )


def readiness(watch: Watch, path: str) -> None:
    """Whether somebody looks each day if a restore would be possible."""
    at = moment_of(read(path).get("at"))
    watch.age(
        "readiness_hours", "readiness", "the last look at the readiness", at, "Look at the job readiness: status.yml"
    )


def other_watch(watch: Watch, source: Document) -> None:
    """What the watch of a source left for this one; reading it tells that one that this host lives and can speak."""
    name = source["name"]
    folder = f"{VOLATILE}/watch"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    copy = f"{folder}/{name}.json"
    done = run([*source["read"], copy], 50)
    answered = done.returncode == 0
    found = read(copy) if answered else {}
    if answered:
        watch.since[f"answer {name}"] = watch.now
    what = (
        f"{name} does not answer ({done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else 'no word'})"
    )
    last = watch.since.setdefault(f"answer {name}", watch.now)
    watch.asked.add(f"answer {name}")
    hours = float(watch.limits.get("look_hours", 0))
    if not answered and hours and watch.now - last > hours * 3600:
        watch.find(f"silent {name}", f"{what} since {utc(last)} (limit {hours:g} h). Look whether it is up.")
    if answered:
        remedy = f"On {name}: systemctl status labops-backup-watch.timer; is a disk full there?"
        watch.age("look_hours", f"watch {name}", f"the watch of {name}", moment_of(found.get("at")), remedy)
        for untold in found.get("untold") or ():
            if isinstance(untold, dict):
                title = untold.get("title")
                watch.find(f"untold {name} {untold.get('at')} {title}", f"{name} could tell nobody: {title}")


def server(watch: Watch) -> None:
    """Everything that the watch of a server looks at."""
    configuration = watch.configuration
    watch.look("backup_root", functools.partial(root, watch, configuration["root"]))
    watch.look("readiness", functools.partial(readiness, watch, configuration["readiness"]))
    for source in configuration["sources"]:
        watch.look(source["name"], functools.partial(source_on_server, watch, source))
        if not _told("untold"):
            watch.look(f"the watch of {source['name']}", functools.partial(other_watch, watch, source))


# ------------------------------------------------------------------------------------------------------- on a source


def endpoint(watch: Watch) -> None:
    """When the server last read each dataset to its end, and when its watch last looked in: the endpoint's log."""
    configuration = watch.configuration
    seen = last_transfers(configuration["log"], {*configuration["datasets"], configuration["module"]})
    other = configuration["server"]
    at = seen.get(configuration["module"])
    remedy = f"It is down, or it can tell nobody. Look at {other}."
    watch.age("look_hours", "server", f"the watch of {other} looked in here", at, remedy)
    if held(watch, configuration["host"], configuration["hold"]):
        return
    for dataset in configuration["datasets"]:
        remedy = f"Look at {other}: is it up, does its cron run?"
        watch.age("pull_hours", f"pull {dataset}", f"{other} read the dataset {dataset}", seen.get(dataset), remedy)


def last_transfers(log: str, modules: set[str]) -> dict[str, float]:
    """When the last transfer out of each module came to its end. Rotated logs are read as long as one is missing."""
    found: dict[str, float] = {}
    for path in (log, f"{log}.1", *(f"{log}.{number}.gz" for number in range(1, 6))):
        if modules <= set(found):
            break
        for module, moment in _transfers(path).items():
            if module in modules:
                found[module] = max(moment, found.get(module, 0.0))
    return found


def _transfers(path: str) -> dict[str, float]:
    found: dict[str, float] = {}
    at_work: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        try:
            opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")  # noqa: SIM115 - left with the stack
        except FileNotFoundError:
            return found
        for raw in stack.enter_context(opened):
            line = re.match(rb"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\d+)\] (rsync on|sent) (.*)", raw)
            if line is None:
                continue
            process = line[2].decode()
            if line[3] == b"rsync on":
                at_work[process] = line[4].split(b"/")[0].decode("utf-8", "replace")
            elif process in at_work and _END_OF_TRANSFER.match("sent " + line[4].decode("utf-8", "replace")):
                moment = time.mktime(time.strptime(line[1].decode(), "%Y/%m/%d %H:%M:%S"))
                found[at_work.pop(process)] = moment
    return found


def dumps(watch: Watch, directory: str) -> None:
    """When the newest finished dump set of this host was begun."""
    if held(watch, watch.configuration["host"], watch.configuration["hold"]):
        return
    newest = next((n for n in identifiers(directory) if os.path.exists(f"{directory}/{n}/manifest.json")), None)
    remedy = "Run the backup_and_notify script of this host and see what it says."
    at = began(newest) if newest else None
    watch.age("dump_hours", "dump", f"the newest dump set of {watch.configuration['host']}", at, remedy)


def source(watch: Watch) -> None:
    """Everything that the watch of a source looks at."""
    watch.look("the endpoint's log", functools.partial(endpoint, watch))
    directory = watch.configuration["dump_directory"]
    if directory:
        watch.look("the dump sets", functools.partial(dumps, watch, directory))


# ---------------------------------------------------------------------------------------------------------------- all


def leave(watch: Watch) -> None:
    """What the server's watch reads of this one: that it lives, and what nobody could be told."""
    untold = _told("untold") or []
    _write(f"{STATE}/watch/out/seen.json", {"at": utc(time.time()), "findings": watch.findings, "untold": untold})


def _write(path: str, document: Document) -> None:
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
        json.dump({"schema_version": 1, **document}, stream, indent=1, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def tell(findings: t.Sequence[Document]) -> int:
    """Have people told; the rule of what is said again is tell's own."""
    given = json.dumps({"findings": list(findings)}).encode()
    done = subprocess.run([TELL, "--watch"], input=given, timeout=TELL_SECONDS)
    return done.returncode


def _is_moment(at: t.Any) -> bool:
    """Whether it is a number of seconds that a clock can show."""
    return isinstance(at, int | float) and 0 <= at <= LAST_MOMENT


def look_around() -> Watch:
    """Look at everything."""
    since = read(f"{STATE}/watch/since.json").get("since")
    known = {key: float(at) for key, at in since.items() if _is_moment(at)} if isinstance(since, dict) else {}
    configuration = read(CONFIGURATION)
    watch = Watch(configuration, known, time.time())
    watch.look("cron", functools.partial(cron, watch))
    watch.look("the job environment", functools.partial(environment, watch))
    for path in configuration.get("disks", ()):
        watch.look(f"the disk of {path}", functools.partial(disk, watch, path))
    watch.look(STATE, functools.partial(writable, watch, f"{STATE}/watch"))
    watch.look("the ledger", functools.partial(runs, watch))
    kind = configuration.get("kind")
    if kind == "server":
        server(watch)
    elif kind == "source":
        source(watch)
    else:
        watch.find("configuration", f"{CONFIGURATION} is missing or damaged. Run site.yml for this host.")
    return watch


def main(words: t.Sequence[str]) -> int:
    """Look, tell, and leave a sign of life."""
    os.umask(0o077)
    if words not in ([], ["--print"]):
        print(__doc__, file=sys.stderr)
        return 64
    watch = look_around()
    if words:
        print(json.dumps(watch.findings, indent=1))
        return 0
    for finding in watch.findings:
        print(finding["text"])
    ended = tell(watch.findings)
    kept = {key: at for key, at in watch.since.items() if key in watch.asked or key == "watch"}
    with contextlib.suppress(OSError):
        _write(f"{STATE}/watch/since.json", {"since": kept})
        leave(watch)
    return ended


if __name__ == "__main__":
    try:
        ended = main(sys.argv[1:])
    except Exception as error:
        print(f"the watch failed: {type(error).__name__}: {error}", file=sys.stderr)
        text = f"the watch of this host failed: {type(error).__name__}: {error}. See: journalctl -u labops-backup-watch"
        ended = tell([{"key": "watch", "severity": FAILURE, "text": text}]) or 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)  # a thread that hangs on a dead disk keeps nobody
