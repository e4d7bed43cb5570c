# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovery points over repositories that are kept in memory."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import typing as t

import pytest
from ansible.module_utils import basic
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _legacy
from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint, _dump_manifest
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

POINT = "20261123T023000Z-77b0aa"
DUMP = "20261123T021500Z-3fa9c1"


class Repositories:
    """Stands for Borg: repositories by path, each with archives by name, each with files."""

    def __init__(self) -> None:
        self.archives: dict[str, dict[str, dict[str, bytes]]] = {}
        self.comments: list[str] = []
        self.reads: list[str] = []
        self.damage = b""
        self.removals: list[tuple[str, list[str]]] = []
        self.removals_until_crash = 1000

    def of(self, options: dict[str, t.Any]) -> Repository:
        return Repository(self, options["repository"])


class Repository:
    def __init__(self, all_of_them: Repositories, path: str) -> None:
        self.all, self.path = all_of_them, path

    def _archives(self) -> dict[str, dict[str, bytes]]:
        if self.path not in self.all.archives:
            raise BackupError(f"there is no repository {self.path}")
        return self.all.archives[self.path]

    def describe(self) -> dict[str, t.Any]:
        archives = [{"name": name, "id": f"id of {name}"} for name in reversed(self._archives())]
        return {"repository_id": f"id of {self.path}", "archives": archives}

    def contents(self) -> dict[str, t.Any]:
        found = self.describe()
        entries = [{**entry, "start": _start(entry["name"])} for entry in found["archives"]]
        return {
            "repository_id": found["repository_id"],
            "archives": [entry for entry in entries if ".checkpoint" not in entry["name"]],
            "checkpoints": [entry for entry in entries if ".checkpoint" in entry["name"]],
        }

    def remove(self, names: t.Sequence[str], *, stall_seconds: float | None, pass_fds: t.Sequence[int]) -> None:
        self.all.removals.append((self.path, list(names)))
        if len(self.all.removals) > self.all.removals_until_crash:
            raise BackupError("the power went")
        for name in names:
            del self._archives()[name]

    def create(self, name: str, path: str, *, compression: str, comment: str) -> _borg.Created:
        files = {entry: pathlib.Path(path, entry).read_bytes() for entry in os.listdir(path)}
        self._archives()[name] = files
        self.all.comments.append(comment)
        return _borg.Created(archive_id=f"id of {name}", nfiles=len(files), seconds=0.1, warnings=())

    def read_file(self, archive: str, path: str) -> bytes:
        self.all.reads.append(archive)
        try:
            return self._archives()[archive][path] + self.all.damage
        except KeyError:
            raise BackupError(f"{path} is not in {archive}") from None

    def unpack(self, archive: str, folder: str) -> None:
        self.all.reads.append(archive)
        for name, content in self._archives()[archive].items():
            pathlib.Path(folder, name).write_bytes(content + self.all.damage)

    def file_digest(self, archive: str, path: str) -> str:
        return hashlib.sha256(self.read_file(archive, path)).hexdigest()


@pytest.fixture
def borg_in_memory(monkeypatch: pytest.MonkeyPatch) -> Repositories:
    """The repositories of tatchu, with an archive of each dataset and no seal."""
    repositories = Repositories()
    monkeypatch.setattr(_borg.Repository, "of", repositories.of)
    for name in ("database", "blobs"):
        repositories.archives[f"/borg/{name}"] = {f"tatchu-{name}": {}}
    repositories.archives["/borg/points"] = {}
    return repositories


@pytest.fixture
def module_warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What modules warn of; in the process of the tests ansible-core would print it."""
    found: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _self, warning: found.append(warning))
    return found


@pytest.fixture
def point_connection(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    return {
        "repository": "/borg/points",
        "passphrase_file": "/passphrase",
        "base_dir": "/base",
        "cache_dir": str(tmp_path / "cache"),
    }


@pytest.fixture
def point_options(point_connection: dict[str, t.Any], tmp_path: pathlib.Path) -> dict[str, t.Any]:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"schema_version": 1, "id": DUMP}))
    return {
        **point_connection,
        "point": POINT,
        "run_id": POINT,
        "source": "tatchu",
        "server": "loki",
        "expected": ["database", "blobs"],
        "datasets": [outcome("database", 0), outcome("blobs", 1)],
        "dump_set": {"id": DUMP, "started": "2026-11-23T02:15:00Z", "rows": 12},
        "manifest_file": str(manifest),
        "references": {"checked": 1, "missing": 0, "wrong_size": 0, "unresolved": 0, "ok": True},
    }


def _start(archive: str) -> str:
    """When an archive was begun, from the identifier in its name."""
    moment = re.search(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", archive)
    return "{}-{}-{}T{}:{}:{}Z".format(*moment.groups()) if moment else "2026-01-01T00:00:00Z"


def outcome(name: str, order: int) -> dict[str, t.Any]:
    return {
        "name": name,
        "order": order,
        "archive": f"tatchu-{name}",
        "archive_id": f"id of tatchu-{name}",
        "repository": f"/borg/{name}",
        "repository_id": f"id of /borg/{name}",
        "generation": 3,
        "dump_set": DUMP,
    }


@pytest.fixture
def legacy_host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A host with a past, below a temporary folder."""
    old, script = "10.1.2.3", f"{tmp_path}/opt/scripts/backup_tatchu_data.sh"
    wrapper = f"{tmp_path}/usr/local/sbin/backup_and_notify_on_loki.sh"
    files = {
        "etc/cron.d/lab": f"# rsync {old}\n5 * * * * root rsync {old}:/x /y\n",
        "etc/hosts": f"127.0.0.1 localhost\n{old} tatchu\n",
        "etc/ssh/sshd_config": f"Port 22\nAllowUsers backup@{old}\n",
        "etc/systemd/system/night.service": f"[Service]\nExecStart={script}\n",
        "etc/systemd/system/night.timer": "[Timer]\nOnCalendar=daily\n",
        "home/anna/.config/systemd/user/mine.service": f"[Service]\nExecStart={script}\n",
        "home/anna/.ssh/known_hosts": f"{old} ssh-ed25519 AAAA\ntatchu ssh-ed25519 BBBB\n",
        "home/anna/bin/pull": f"#!/bin/sh\nRSYNC_PASSWORD=hunter2 rsync {old}::data /b\udcff\n",
        "opt/scripts/backup_tatchu_data.sh": f"#!/bin/sh\nrsync -a root@{old}:/datajoint-data/ /srv/old/\n",
        "root/.ssh/authorized_keys": f'from="{old}" ssh-ed25519 AAAA backup\nssh-ed25519 BBBB anna\n',
        "root/.ssh/config": f"# backup\nHost past\n  HostName {old}\n",
        "usr/local/sbin/backup_and_notify_on_loki.sh": f"#!/bin/sh\n{script}\n",
        "var/spool/cron/crontabs/root": f"MAILTO=root\n0 1 * * * {wrapper}\n0 2 * * * /bin/true\n",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(content))
        path.chmod(0o700 if "/bin/" in name or "sbin" in name else 0o600)
    (tmp_path / "etc/cron.daily").mkdir()
    (tmp_path / "etc/cron.daily/night").symlink_to(script)
    (tmp_path / "usr/local/bin").mkdir()
    (tmp_path / "usr/local/bin/linked").symlink_to(script)
    monkeypatch.setattr(_legacy, "_TREES", tuple(f"{tmp_path}{tree}" for tree in _legacy._TREES))
    monkeypatch.setattr(_legacy, "_OURS", tuple(f"{tmp_path}{path}" for path in _legacy._OURS))
    places = tuple((kind, tuple(f"{tmp_path}{pattern}" for pattern in patterns)) for kind, patterns in _legacy._FILES)
    monkeypatch.setattr(_legacy, "_FILES", places)
    monkeypatch.setattr(_legacy, "_homes", lambda: [f"{tmp_path}/root", f"{tmp_path}/home/anna"])
    return tmp_path


FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"


@pytest.fixture
def recorded_dump_set(tmp_path: pathlib.Path) -> pathlib.Path:
    """The recorded dump of MariaDB as a dump set."""
    folder = tmp_path / DUMP
    folder.mkdir()
    text = (FIXTURES / "mariadb-10.11.19.databases.sql").read_bytes()
    accounts = (FIXTURES / "mariadb-10.11.19.accounts.sql").read_bytes()
    references = _datajoint.encode_reference(None, schema_version=_document.SCHEMA_VERSION)
    files = {
        "databases.sql": text,
        "accounts.sql": accounts,
        "references.jsonl": references,
        "source_facts.json": b"{}",
    }
    reader = Reader()
    reader.feed(text)
    objects: dict[str, dict[str, list[str]]] = {
        name: {"views": schema.views, "sequences": [*schema.sequences], "triggers": [], "routines": [], "events": []}
        for name, schema in reader.schemas.items()
    }
    objects["odd`name"].update(triggers=["tr"], routines=["p"], events=["e"])
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "id": DUMP,
        "started": "2026-11-23T02:15:00Z",
        "finished": "2026-11-23T02:15:07Z",
        **_dump_manifest.describe(reader, objects),
        "references": {},
        "data_bytes": 500_000,
        "variables": {"lower_case_table_names": "0"},
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    _document.write(str(folder / "manifest.json"), manifest)
    return folder


@pytest.fixture
def lost_and_found(recorded_dump_set: pathlib.Path) -> pathlib.Path:
    """The same as an earlier release made it of a server whose disk has a lost+found, which it took for a schema."""
    path = recorded_dump_set / "databases.sql"
    name = b"`#mysql50#lost+found`"
    section = b"--\n-- Current Database: " + name + b"\n--\n\nCREATE DATABASE " + name + b";\n\n"
    text = path.read_bytes().replace(b"--\n-- Current Database", section + b"--\n-- Current Database", 1)
    path.write_bytes(text)
    reader = Reader()
    reader.feed(text)
    manifest = _document.read(str(recorded_dump_set / "manifest.json"))
    nothing: dict[str, list[str]] = {kind: [] for kind in ("views", "sequences", "triggers", "routines", "events")}
    there = {schema: {**nothing, **manifest["schemas"].get(schema, {})} for schema in reader.schemas}
    manifest |= _dump_manifest.describe(reader, there)
    manifest["files"]["databases.sql"] = {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    assert "#mysql50#lost+found" in manifest["schemas"]
    _document.write(str(recorded_dump_set / "manifest.json"), manifest)
    return recorded_dump_set
