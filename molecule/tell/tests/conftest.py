# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people heard: the lab's catcher takes requests and mails; each test sees those since it began."""

import json
import shlex
import time

import pytest

DUMP = "/usr/local/sbin/backup_and_notify_on_tatchu.sh"
NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"
STATE = "/var/lib/labops-backup"


class Heard:
    """What reached people from one host since the test began."""

    def __init__(self, host):
        self.host = host
        self.before = {name: len(self._lines(name)) for name in ("lab-catcher", "lab-mail", "lab-pings")}

    def _lines(self, name):
        return self.host.run(f"cat /var/log/{name}.jsonl").stdout.splitlines()

    def _since(self, name):
        return [json.loads(line) for line in self._lines(name)[self.before[name] :]]

    @property
    def messages(self):
        """Severity, title and body of each request."""
        return [(one["path"][1:], one["body"]["title"], one["body"]["message"]) for one in self._since("lab-catcher")]

    @property
    def titles(self):
        return [(severity, title) for severity, title, _body in self.messages]

    @property
    def mails(self):
        return self._since("lab-mail")

    @property
    def pings(self):
        return [(one["path"].removeprefix("/ping/9f1c"), one["body"]) for one in self._since("lab-pings")]


@pytest.fixture
def heard(loki, tatchu):
    """Nothing was told yet, and the runs until now are the past; heard(loki) is what people hear from now on."""
    listeners = {}
    told = f"{STATE}/tell /run/labops-backup/tell"
    past = f'printf \'{{"since": {{"watch": %s}}}}\' "$(date +%s)" >{STATE}/watch/since.json'
    for host in (loki, tatchu):
        host.check_output(f"systemctl stop labops-backup-watch.timer; mkdir -p {STATE}/watch; rm -rf {told}; {past}")
        listeners[host.backend.host] = Heard(host)
    yield lambda host: listeners[host.backend.host]
    for host in (loki, tatchu):
        host.check_output("systemctl start labops-backup-watch.timer")


@pytest.fixture
def put():
    """Change a JSON document of a host; put(host, path, change) with change(document). It is as before afterwards."""
    kept = []

    def change(host, path, change):
        text = host.file(path).content_string
        kept.append((host, path, text))
        document = json.loads(text)
        change(document)
        _write(host, path, json.dumps(document))

    yield change
    for host, path, text in reversed(kept):
        _write(host, path, text)


def _write(host, path, text):
    host.check_output(f"printf %s {shlex.quote(text)} >{path}")


@pytest.fixture
def away():
    """Move something of a host away for the rest of the test."""
    moved = []

    def move(host, *paths):
        for path in paths:
            host.check_output(f"mv {path} {path}.away")
            moved.append((host, path))

    yield move
    for host, path in moved:
        host.check_output(f"mv {path}.away {path}")


@pytest.fixture
def watch():
    """Let the watch of a host look now, as its timer would; gives its exit code."""

    def look(host):
        return host.run("systemctl start labops-backup-watch.service").rc

    return look


@pytest.fixture
def full():
    """A full file system over a folder of a host, with what was there; called again it fills it again."""
    mounted = []

    def fill(host, folder):
        if (host, folder) in mounted:
            again(host, folder)
            return
        host.check_output(
            f"cp -a {folder} /run/full && mount -t tmpfs -o size=32m,mode=0700 lab-full {folder}"
            f" && cp -a /run/full/. {folder}/ && rm -rf /run/full"
        )
        mounted.append((host, folder))
        again(host, folder)

    def again(host, folder):
        host.run(f"cat /dev/zero >>{folder}/.filler")
        assert host.run(f"echo more >{folder}/.more && cat {folder}/.more").stdout == ""

    yield fill
    for host, folder in mounted:
        host.check_output(f"umount -l {folder}")


@pytest.fixture
def background():
    """Start a command of a host in the background."""

    def start(host, command):
        host.check_output(f"nohup setsid {command} >/dev/null 2>&1 </dev/null &")

    return start


@pytest.fixture
def until():
    """Wait until something is so."""

    def wait(condition, seconds=200):
        for _ in range(seconds * 2):
            if condition():
                return
            time.sleep(0.5)
        raise AssertionError(f"not so after {seconds} s")

    return wait
