# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What a source tells about itself beside its dump, for those who can only read: never a secret.

Files are told by path and sha256, not by content: crontabs and units may hold passwords.
"""

from __future__ import annotations

import glob
import grp
import hashlib
import os
import pwd
import tempfile
import typing as t

_UNIT_FOLDERS = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")
_CRON = ("/etc/crontab", "/etc/cron.d/*", "/etc/cron.*ly/*", "/var/spool/cron/crontabs/*")
_DEPLOYED = (
    "/etc/labops-backup/*",
    "/etc/cron.d/labops-*",
    "/usr/local/sbin/backup_and_notify*",
)
_SECRET = ("database.cnf", "notify.yml")  # a hash of a short secret can be guessed
_PSEUDO = (
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "devpts",
    "mqueue",
    "debugfs",
    "tracefs",
    "securityfs",
    "bpf",
    "pstore",
)


def gather(datasets: t.Mapping[str, str], now: str) -> dict[str, t.Any]:
    """Everything that this host says about itself.

    :param datasets: name -> path.
    :param now: UTC time, of the caller's clock.
    """
    system = os.uname()
    return {
        "time": now,
        "hostname": system.nodename,
        "kernel": system.release,
        "machine": system.machine,
        "os": _os_release(),
        "datasets": {name: _dataset(path) for name, path in sorted(datasets.items())},
        "mounts": _mounts(),
        "users": {entry.pw_name: [entry.pw_uid, entry.pw_gid] for entry in sorted(pwd.getpwall())},
        "groups": {entry.gr_name: entry.gr_gid for entry in sorted(grp.getgrall())},
        "units": _enabled_units(),
        "crontabs": _hashes(_CRON),
        "deployed": _hashes(_DEPLOYED),
    }


def _os_release() -> dict[str, str]:
    wanted = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as stream:
            for line in stream:
                name, _equals, value = line.strip().partition("=")
                if name in ("ID", "VERSION_ID", "VERSION_CODENAME"):
                    wanted[name.lower()] = value.strip('"')
    except OSError:
        pass
    return wanted


def _dataset(path: str) -> dict[str, t.Any]:
    if not os.path.isdir(path):
        return {"path": path, "present": False}
    status = os.statvfs(path)
    owner = os.stat(path)
    return {
        "path": path,
        "present": True,
        "device": owner.st_dev,
        "uid": owner.st_uid,
        "gid": owner.st_gid,
        "mode": f"{owner.st_mode & 0o7777:04o}",
        "total_bytes": status.f_blocks * status.f_frsize,
        "free_bytes": status.f_bavail * status.f_frsize,
        "free_inodes": status.f_favail,
        "writable": _is_writable(path),
    }


def _is_writable(path: str) -> bool:
    """Whether a file can really be made there; it exists for a moment and has no name where the system allows."""
    try:
        with tempfile.TemporaryFile(prefix=".labops-probe-", dir=path) as stream:
            stream.write(b"x")
            stream.flush()
    except OSError:
        return False
    return True


def _mounts() -> list[dict[str, str]]:
    found = []
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            device, point, kind, options = line.split(" ")[:4]
            if kind not in _PSEUDO:
                # What network file systems put into their options can hold credentials.
                flags = ",".join(option for option in options.split(",") if option in ("ro", "rw"))
                found.append({"device": device, "point": point, "type": kind, "access": flags})
    return found


def _enabled_units() -> list[str]:
    """Names of units that something wants: enabled services, timers, sockets and mounts."""
    found = set()
    for folder in _UNIT_FOLDERS:
        for link in glob.glob(os.path.join(glob.escape(folder), "*.wants", "*")):
            found.add(os.path.basename(link))
    return sorted(found)


def _hashes(patterns: t.Sequence[str]) -> dict[str, str]:
    found = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            if os.path.isfile(path) and os.path.basename(path) not in _SECRET:
                with open(path, "rb") as stream:
                    found[path] = hashlib.sha256(stream.read()).hexdigest()
    return found
