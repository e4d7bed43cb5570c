# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every item of the checklist: well on a healthy server, and made to fail, each way that it can."""

from __future__ import annotations

import copy
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _checks, _readiness

Seen = dict[str, t.Any]
Change = t.Callable[[Seen], None]

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
GIB = 1 << 30
CRON = "/etc/cron.d/labops-backup-"


def ago(**delta: float) -> str:
    return (NOW - timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def place(path: str, device: int = 1, total: int = 1000 * GIB, free: int = 800 * GIB) -> Seen:
    return {
        **{"path": path, "present": True, "device": device, "writable": True},
        **{"total_bytes": total, "free_bytes": free},
    }


def host(name: str, jobs: t.Sequence[str], datasets: Seen) -> Seen:
    return {
        "time": ago(hours=4),
        "datasets": datasets,
        "clock_synchronised": True,
        "deployed": {f"/etc/{name}": "a" * 64, **{CRON + job: "b" * 64 for job in jobs}},
        "cron": {
            **{"running": True, "enabled": True},
            "entries": {CRON + job: [f"30 2 * * * root /usr/local/sbin/{job}.sh"] for job in jobs},
        },
        "legacy": {"named": True, "found": 0, "first": [], "not_looked_at": 0},
    }


def point(identifier: str, sealed: str, size: int = 100 * GIB, added: int = GIB) -> Seen:
    datasets = [
        {"name": name, "bytes": size, "deduplicated_size": added, "order": order}
        for order, name in enumerate(("database", "blobs", "data"))
    ]
    return {
        **{"point": identifier, "state": "complete", "sealed": sealed, "problems": [], "datasets": datasets},
        "dump_set": {"id": identifier, "started": sealed},
        "references": {"ok": True, "checked": 7, "missing": 0, "wrong_size": 0, "unresolved": 0},
    }


def check() -> Seen:
    return {
        **{"at": ago(hours=10), "share": 0.4, "cycle_started": ago(days=3), "complete_at": ago(days=3)},
        **{"ok": True, "finding": ""},
    }


@pytest.fixture
def seen() -> Seen:
    """A server and a source on which all is well, run by a person."""
    names = ["database", "blobs", "data"]
    repositories = {
        name: {"id": f"{number:064x}", "key_sha256": f"{number:064x}", "archives": 3}
        for number, name in enumerate([*names, "points"])
    }
    server_jobs, source_jobs = ["backup", "verify", "drill", "readiness"], ["dump"]
    loki = host("loki", server_jobs, {"backup_root": place("/srv/backup"), "state": place("/var/lib")})
    tatchu = host("tatchu", source_jobs, {name: place(f"/{name}", device) for device, name in enumerate(names)})
    kinds = dict(zip(names, ("database", "files", "files"), strict=True))
    checks = {name: {kind: check() for kind in _checks.kinds(kinds[name])} for name in names}
    source = {
        "name": "tatchu",
        "script_name": "tatchu",
        "datasets": [{"name": name, "kind": kinds[name], "path": f"/{name}", "script_name": name} for name in names],
        **{"has_database": True, "database": "database", "jobs": {"dump": "dump.sh"}},
        **{"night_script": "backup.sh", "verify_script": "verify.sh", "drill_script": "drill.sh"},
        "dump_script": "dump.sh",
        "generations": {
            name: {"state": "complete", "started": ago(hours=3.5), "finished": ago(hours=3)} for name in names
        },
        "points": [
            point("20261123T023000Z-000002", ago(hours=3)),
            point("20261122T023000Z-000001", ago(hours=27)),
        ],
        **{"points_problem": "", "unreadable": []},
        "checks": {"datasets": {**checks, "points": {kind: check() for kind in _checks.kinds("points")}}},
        "drills": {"drills": [{"ok": True, "finished": ago(days=9), "point": "20261114T023000Z-000000"}]},
        "repositories": repositories,
        "escrow_proof": {
            **{"at": ago(days=1), "digest": "d" * 64},
            "repositories": {name: {"finding": "", "archives": 3} for name in repositories},
        },
        **{"facts": tatchu, "facts_from": "asked just now", "facts_problem": "", "clock_gap": 0.4},
        **{"findings": [], "findings_problem": "", "engine_findings": []},
        "target": {"engine": "mariadb", "version": "10.11.19"},
        "hold": {},
    }
    return {
        **{"server": "loki", "now": ago(), "person": True, "stamp": "labops.backup 0.1.0 from inventory aaa"},
        "limits": {
            **{"pull_max_age_hours": 36, "point_max_age_hours": 36, "facts_max_age_hours": 36},
            **{"check_max_age_days": 45, "check_idle_hours": 72, "drill_max_age_days": 40},
            **{"escrow_max_age_days": 100, "clock_max_seconds": 60, "nights": 7},
        },
        "host": loki,
        "root": {"path": "/srv/backup", "reserve_bytes": 2 * GIB, "reserve_percent": 2, "problem": ""},
        "engine": {"engine": "mariadb", "version": "10.11.19"},
        "deployed_at": ago(hours=5),
        "deployed": {
            "inventory": "labops.backup 0.1.0 from inventory aaa",
            "hosts": {"loki": dict(loki["deployed"]), "tatchu": dict(tatchu["deployed"])},
        },
        "escrow": {
            **{"digest": "d" * 64, "inventory": "labops.backup 0.1.0 from inventory aaa"},
            "known_hosts_sha256": "e" * 64,
            "sources": {"tatchu": {"repositories": copy.deepcopy(repositories)}},
        },
        "known_hosts_sha256": "e" * 64,
        "bundle": {"digest": "d" * 64, "vault_hint": True, "files": 9},
        "jobs": {job: f"{job}.sh" for job in server_jobs},
        "notification": {
            **{"apprise": True, "ping": True, "ping_problem": "", "mail": True, "untold": []},
            "channels": [
                {
                    **{"tag": f"{severity}-{number}", "severity": severity, "scheme": "json", "understood": True},
                    **{"problem": "", "last_success": None, "last_failure": None, "why": "", "reached": reached},
                }
                for severity in ("failure", "warning", "recovery")
                for number, reached in ((1, True), (2, None))
            ],
        },
        "drill_host": "",
        "sources": {"tatchu": source},
    }


def put(path: str, value: t.Any) -> Change:
    """Set what lies at a path of keys, separated by blanks."""

    def change(seen: Seen) -> None:
        *keys, last = path.split()
        for key in keys:
            seen = seen[int(key) if isinstance(seen, list) else key]
        seen[last] = value

    return change


def both(*changes: Change) -> Change:
    def change(seen: Seen) -> None:
        for one in changes:
            one(seen)

    return change


def drop(path: str) -> Change:
    def change(seen: Seen) -> None:
        *keys, last = path.split()
        for key in keys:
            seen = seen[key]
        del seen[last]

    return change


T = "sources tatchu "
FACTS = f"{T}facts "
OLD, WRITING = {"state": "complete", "finished": ago(hours=37)}, {"state": "writing", "started": ago(hours=1)}
NO_REFERENCES = {"ok": False, "checked": 7, "missing": 2, "wrong_size": 0, "unresolved": 1}
REFUSED = {"rule": "older", "refuses": True, "text": "the server 10.6.1 is older"}
NOTED = {"rule": "definer", "refuses": False, "text": "nobody"}

CHANNELS = "notification channels "


def away(number: int) -> Change:
    """Nobody answers where a channel leads."""
    here = f"{CHANNELS}{number} "
    return both(put(f"{here}reached", False), put(f"{here}why", "the connection is refused"))


# item, what is wrong, dataset, state, part of the value, part of the remedy
CASES: list[tuple[str, Change, str, str, str, str]] = [
    ("disk", put("root problem", "not mounted"), "", "fail", "not mounted", "Mount the disk"),
    (
        *("nights_space", put("host datasets backup_root free_bytes", 2 * GIB), "backup_root"),
        *("fail", "2.0 GiB free", "Free space on the file system of /srv/backup"),
    ),
    (
        *("nights_space", put("host datasets backup_root free_bytes", 30 * GIB), "backup_root"),
        *("warn", "a night added 3.0 GiB", "Free space on the file system of /srv/backup"),
    ),
    (
        "nights_space",
        both(put(f"{T}points 0 datasets 2 bytes", 150 * GIB), put("host datasets backup_root free_bytes", 60 * GIB)),
        *("backup_root", "fail", "a night added 53.0 GiB", "Free space on the file system of /srv/backup"),
    ),
    (
        *("nights_space", put("host datasets state free_bytes", 500 << 20), "state"),
        *("fail", "500.0 MiB free", "Borg's cache"),
    ),
    ("server_clock", put("host clock_synchronised", False), "", "warn", "not synchronised", "clock of loki"),
    ("server_clock", put("host clock_synchronised", None), "", "warn", "nobody can tell", "clock of loki"),
    ("server_cron", put("host cron running", False), "", "fail", "does not run", "systemctl enable --now cron"),
    ("server_cron", put("host cron enabled", False), "", "fail", "does not begin with", "systemctl enable --now"),
    ("server_cron", drop(f"host cron entries {CRON}verify"), "verify", "fail", "nothing starts verify.sh", "site.yml"),
    ("server_cron", put(f"host cron entries {CRON}verify", []), "verify", "fail", "nothing starts", "switched off"),
    (
        *("server_cron", put(f"host cron entries {CRON}verify", ["0 4 * * * root /root/mine.sh"]), "verify"),
        *("fail", "nothing starts verify.sh", "site.yml"),
    ),
    (
        "server_cron",
        both(drop(f"host cron entries {CRON}verify"), drop(f"deployed hosts loki {CRON}verify")),
        *("verify", "warn", "has no schedule", "cron_verify_schedule"),
    ),
    ("server_deployed", put("host deployed /etc/loki", "c"), "", "fail", "/etc/loki differs", "Look who changed it"),
    ("server_deployed", drop("host deployed /etc/loki"), "", "fail", "/etc/loki is missing", "run site.yml for loki"),
    ("server_deployed", put("deployed", {"problem": "not JSON"}), "", "fail", "not JSON", "Run site.yml"),
    ("server_deployed", put("deployed hosts", {}), "", "fail", "nobody noted", "Run site.yml for loki"),
    ("server_deployed", put("deployed inventory", "b"), "", "fail", "another inventory", "Run site.yml for loki"),
    (
        *("server_legacy", put("host legacy", {"named": True, "found": 1, "first": ["/root/x:3"]}), ""),
        *("fail", "1 places: /root/x:3", "Run legacy.yml for loki"),
    ),
    (
        *("server_legacy", put("host legacy", {"named": False, "found": 1, "first": ["/root/x:3"]}), ""),
        *("warn", "1 places: /root/x:3", "legacy_cleanup_known"),
    ),
    ("server_legacy", put("host legacy", None), "", "warn", "nobody looked", "Run legacy.yml for loki"),
    ("notifications", put("notification", {"problem": "no tell"}), "", "fail", "no tell", "Run site.yml for loki"),
    ("notifications", put("notification apprise", False), "", "fail", "no Apprise works", "Run site.yml for loki"),
    ("notifications", put("notification channels", []), "", "warn", "nobody is told", "Set notification_urls"),
    (
        "notifications",
        both(
            put(f"{CHANNELS}0 understood", False), put(f"{CHANNELS}0 problem", "Apprise does not understand this URL")
        ),
        *("", "fail", "failure-1 (json): Apprise does not understand this URL", "apprise --dry-run shows"),
    ),
    ("notifications", away(0), "", "warn", "failure-1 (json): the connection is refused", "see why from loki"),
    (
        *("notifications", both(away(0), away(1)), ""),
        *("fail", "refused; nobody would hear of a failure", "the service, the name, a firewall"),
    ),
    ("notifications", both(*map(away, range(4))), "", "fail", "and 1 more; nobody would hear of a failure or a", "see"),
    (
        *("notifications", put(f"{CHANNELS}0 last_failure", "2026-11-23T02:30:00Z"), ""),
        *("warn", "it did not take the last message", "notify_test"),
    ),
    (
        "notifications",
        put("notification ping_problem", "no answer"),
        "",
        "warn",
        "dead-man's switch: no",
        "notify_test",
    ),
    (
        "notifications",
        put("notification untold", [{"title": "x"}]),
        "",
        "warn",
        "1 messages that nobody",
        "notify_test",
    ),
    ("escrow_bundle", put("bundle", {"problem": "there is no bundle"}), "", "fail", "no bundle", "from this machine"),
    ("escrow_bundle", put("bundle digest", "f"), "", "fail", "stale", "Fetch the newest copy"),
    ("escrow_bundle", put("bundle vault_hint", False), "", "warn", "vault's password", "backup_escrow_vault_hint"),
    ("hold", put(f"{T}hold", {"incident": "20261123"}), "", "warn", "the incident 20261123", "tag release"),
    ("hold", put(f"{T}hold", {"problem": "not JSON"}), "", "fail", "not JSON", "Find out on the server"),
    ("pull", put(f"{T}generations blobs", OLD), "blobs", "fail", "37 h ago", "backup_tatchu_blobs.sh"),
    (
        "pull",
        put(f"{T}generations data", {"problem": "never pulled"}),
        "data",
        "fail",
        "never",
        "backup_tatchu_data.sh",
    ),
    ("pull", put(f"{T}generations blobs", WRITING), "blobs", "warn", "being written", "backup_tatchu_blobs.sh"),
    (
        *("pull", put(f"{T}generations blobs", {**WRITING, "started": ago(hours=37)}), "blobs"),
        *("fail", "being written", "backup_tatchu_blobs.sh"),
    ),
    (
        *("pull", put(f"{T}generations blobs finished", ago(hours=-1)), "blobs"),
        *("fail", "in the future", "Set the clocks of both hosts right"),
    ),
    (
        "complete_point",
        both(put(f"{T}points 0 sealed", ago(hours=38)), put(f"{T}points 1 sealed", ago(hours=62))),
        *("blobs", "fail", "38 h ago", "run backup.sh"),
    ),
    (
        # It is suspect, so that the one before it would be taken.
        "complete_point",
        both(put(f"{T}points 0 state", "suspect"), put(f"{T}points 1 sealed", ago(hours=38))),
        *("blobs", "fail", "000001, 38 h ago", "run backup.sh"),
    ),
    (
        "complete_point",
        both(put(f"{T}points 0 datasets", [{"name": "data"}]), put(f"{T}points 1 sealed", ago(hours=38))),
        *("blobs", "fail", "000001, 38 h ago", "run backup.sh"),
    ),
    ("complete_point", put(f"{T}points", []), "data", "fail", "no complete recovery point", "run backup.sh"),
    ("complete_point", put(f"{T}points_problem", "no answer"), "", "fail", "no answer", "run backup.sh"),
    (
        # Dated by a clock that was ahead: the nights since are what counts.
        "complete_point",
        both(put(f"{T}points 0 point", "20271122T023000Z-000003"), put(f"{T}points 1 sealed", ago(hours=38))),
        *("blobs", "fail", "000001, 38 h ago", "run backup.sh"),
    ),
    (
        *("newest_point", put(f"{T}points 0 point", "20271122T023000Z-000003"), ""),
        *("warn", "20271122T023000Z-000003 is dated in the future", "recovery_point_mark"),
    ),
    ("newest_point", put(f"{T}points", []), "", "fail", "there is no recovery point", "Run backup.sh"),
    ("newest_point", put(f"{T}points 0 state", "partial"), "", "warn", "is partial", "Read its problems"),
    ("newest_point", put(f"{T}points 0 state", "suspect"), "", "fail", "is suspect", "marks"),
    ("newest_point", put(f"{T}unreadable", [{"point": "x"}]), "", "fail", "seals of x", "verify_full=true"),
    ("references", put(f"{T}points 0 references", NO_REFERENCES), "", "fail", "2 missing, 1 unresolved", "quarantine"),
    ("references", put(f"{T}points 0 references", None), "", "fail", "were looked up", "Run backup.sh"),
    ("references", put(f"{T}points", []), "", "fail", "were looked up", "Run backup.sh"),
    ("checks", put(f"{T}checks", {"problem": "never"}), "", "fail", "never", "Run verify.sh"),
    *(
        ("checks", drop(f"{T}checks datasets {dataset} {kind}"), dataset, "fail", f"{kind}: never checked", "verify.sh")
        for dataset, kinds in (("blobs", _checks.kinds("files")), ("points", _checks.kinds("points")))
        for kind in kinds
    ),
    ("checks", put(f"{T}checks datasets blobs data at", None), "blobs", "fail", "never checked", "Run verify.sh"),
    (
        *("checks", put(f"{T}checks datasets blobs data complete_at", ago(days=46)), "blobs"),
        *("fail", "the whole 46 d ago", "Run verify.sh"),
    ),
    (
        *("checks", put(f"{T}checks datasets blobs data at", ago(hours=73)), "blobs"),
        *("fail", "last 3 d 1 h ago", "Run verify.sh"),
    ),
    (
        *("checks", put(f"{T}checks datasets blobs data complete_at", None), "blobs"),
        *("warn", "data: 40 % of this round", "Run verify.sh"),
    ),
    (
        "checks",
        both(
            put(f"{T}checks datasets blobs data complete_at", None),
            put(f"{T}checks datasets blobs data cycle_started", ago(days=46)),
        ),
        *("blobs", "fail", "data: 40 %", "Run verify.sh"),
    ),
    (
        "checks",
        both(
            put(f"{T}checks datasets blobs data ok", False),
            put(f"{T}checks datasets blobs data finding", "segment 3"),
        ),
        *("blobs", "fail", "data: segment 3", "Do not repair anything"),
    ),
    (
        *("checks", put(f"{T}checks datasets blobs names", {**check(), "ok": False, "finding": "x"}), "blobs"),
        *("fail", "names: x", "Do not repair anything"),
    ),
    ("repository", put(f"{T}repositories blobs", {"problem": "wrong"}), "blobs", "fail", "wrong", "escrow bundle"),
    ("repository", put(f"{T}repositories points busy", True), "points", "warn", "another Borg", "when that ended"),
    (
        "escrow_current",
        put("escrow", {"problem": "no bundle"}),
        "",
        "fail",
        "no bundle",
        "Run site.yml from the control",
    ),
    ("escrow_current", drop("escrow sources tatchu repositories data"), "", "fail", "no key of data", "carry the new"),
    ("escrow_current", put("escrow sources tatchu repositories data id", "f"), "", "fail", "another repos", "carry"),
    (
        *("escrow_current", put("escrow sources tatchu repositories data key_sha256", "f"), ""),
        *("fail", "its key of data is another one", "carry the new one"),
    ),
    ("escrow_current", put("escrow inventory", "b"), "", "fail", "its inventory is another", "carry the new one"),
    ("escrow_current", put("known_hosts_sha256", "f"), "", "fail", "its host keys are other", "carry the new one"),
    ("escrow_current", put("escrow sources", {}), "", "fail", "no key of blobs", "carry the new one"),
    (
        "escrow_opens",
        put(f"{T}escrow_proof", {"problem": "never tried"}),
        "",
        "fail",
        "never tried",
        "readiness.yml on",
    ),
    ("escrow_opens", drop(f"{T}escrow_proof repositories data"), "data", "fail", "never tried", "readiness.yml on"),
    (
        *("escrow_opens", put(f"{T}escrow_proof repositories data finding", "wrong"), "data"),
        *("fail", "did not open: wrong", "Fetch the right bundle"),
    ),
    ("escrow_opens", put(f"{T}escrow_proof digest", "f"), "data", "fail", "another bundle", "readiness.yml on"),
    ("escrow_opens", put(f"{T}escrow_proof at", ago(days=101)), "data", "warn", "101 d ago", "readiness.yml on"),
    ("drill", put(f"{T}drills", {"problem": "never"}), "", "fail", "never", "Run drill.sh"),
    ("drill", put(f"{T}drills drills", []), "", "fail", "never rehearsed", "Run drill.sh"),
    ("drill", put(f"{T}drills drills 0 finished", ago(days=41)), "", "fail", "41 d ago", "Run drill.sh"),
    (
        *("drill", both(put(f"{T}drills drills 0 ok", False), put(f"{T}drills drills 0 finding", "4 rows")), ""),
        *("fail", "the last drill failed: 4 rows", "Read what it found"),
    ),
    ("drill_engine", put("engine", {"problem": "no program"}), "", "fail", "no program", "Install such a database"),
    ("drill_engine", put("drill_host", "thor"), "", "warn", "drills run on thor", "See that thor has one"),
    ("drill_engine", put(f"{T}engine_findings", [REFUSED]), "", "fail", "older: the server", "Install such a database"),
    ("source_facts", put(f"{FACTS}time", ago(hours=37)), "", "fail", "37 h ago", "dump job of tatchu"),
    (
        "source_facts",
        put(f"{T}facts_problem", "no dump"),
        "",
        "fail",
        "no dump",
        "Run dump.sh on tatchu, then backup.sh",
    ),
    (
        *("source_facts", both(put(f"{T}facts_problem", "none"), put(f"{T}has_database", False)), ""),
        *("warn", "none", "Run readiness.yml yourself"),
    ),
    ("compatibility", put(f"{T}findings", [REFUSED]), "", "fail", "older: the server", "Mend the server's config"),
    ("compatibility", put(f"{T}findings", [NOTED]), "", "warn", "definer: nobody", "Mend the server's configuration"),
    ("compatibility", put(f"{T}findings_problem", "no dump"), "", "fail", "no dump", "Run dump.sh on tatchu"),
    (
        *("restore_space", put(f"{FACTS}datasets data", place("/data", 9, 90 * GIB, 90 * GIB)), "data"),
        *("fail", "90.0 GiB of 90.0 GiB free", "Enlarge the file system of /data on tatchu"),
    ),
    (
        *("restore_space", put(f"{FACTS}datasets data free_bytes", 99 * GIB), "data"),
        *("warn", "99.0 GiB of 1000.0 GiB free", "Free or add space on the file system of /data"),
    ),
    (
        "restore_space",
        both(
            put(f"{FACTS}datasets blobs", place("/blobs", 9, 150 * GIB, 150 * GIB)),
            put(f"{FACTS}datasets data", place("/data", 9, 150 * GIB, 150 * GIB)),
        ),
        *("blobs,data", "fail", "150.0 GiB of 150.0 GiB free", "Enlarge the file system of /blobs"),
    ),
    ("restore_place", put(f"{FACTS}datasets data writable", False), "data", "fail", "took no file", "lsattr"),
    ("restore_place", put(f"{FACTS}datasets data present", False), "data", "fail", "is not there", "Mount /data"),
    ("restore_place", drop(f"{FACTS}datasets data"), "data", "fail", "is not there", "Mount /data on tatchu"),
    ("clock", put(f"{T}clock_gap", 61.0), "", "fail", "1 min apart, measured live", "Set the clock of tatchu right"),
    (
        *("clock", both(put(f"{T}clock_gap", None), put(f"{FACTS}time", ago(hours=3.4))), ""),
        *("fail", "at least 6 min ahead", "Set the clock of tatchu right"),
    ),
    ("clock", put(f"{FACTS}clock_synchronised", False), "", "warn", "not synchronised", "the clock of tatchu"),
    ("cron", put(f"{FACTS}cron running", False), "", "fail", "does not run", "On tatchu: systemctl enable"),
    ("cron", put(f"{FACTS}cron entries", {}), "dump", "fail", "nothing starts dump.sh", "Run site.yml for tatchu"),
    (
        "deployed",
        put(f"{FACTS}deployed /etc/tatchu", "c"),
        "",
        "fail",
        "/etc/tatchu differs",
        "run site.yml for tatchu",
    ),
    (
        *("deployed", both(put(f"{FACTS}deployed /etc/tatchu", "c"), put("deployed_at", ago(hours=3))), ""),
        *("warn", "told before site.yml ran last: /etc/tatchu differs", "Run the dump job of tatchu"),
    ),
    (
        *("legacy", put(f"{FACTS}legacy", {"named": True, "found": 2, "first": ["/root/x:3"]}), ""),
        *("fail", "2 places", "Run legacy.yml for tatchu"),
    ),
]


def rows(seen: Seen, item: str, dataset: str) -> list[Seen]:
    document = _readiness.judge(seen)
    return [one for one in document["items"] if (one["item"], one["dataset"]) == (item, dataset)]


def test_all_is_well(seen: Seen) -> None:
    document = _readiness.judge(seen)
    assert {one["item"]: one["value"] for one in document["items"] if one["state"] != "ok"} == {}
    assert document["verdict"] == "ok"
    assert {one["item"] for one in document["items"]} == {item.name for item in _readiness.ITEMS}
    assert all(one["remedy"] == "" for one in document["items"])


def test_room_for_nights_is_told_when_there_is_enough(seen: Seen) -> None:
    (row,) = rows(seen, "nights_space", "backup_root")
    assert row["value"] == "800.0 GiB free, a night added 3.0 GiB on average"
    seen["limits"]["nights"] = 0
    (row,) = rows(seen, "nights_space", "backup_root")
    assert row["state"] == "ok" and row["limit"].endswith("reserve and 0 nights")


def test_references_are_those_of_the_newest_point_with_a_dump(seen: Seen) -> None:
    seen["sources"]["tatchu"]["points"][0].update(dump_set=None, references=None)
    (row,) = rows(seen, "references", "")
    assert row["value"] == "20261122T023000Z-000001: 7 looked up, none is missing"


def test_a_scheduler_that_is_on_is_no_warning_because_a_fence_turns_it_off(seen: Seen) -> None:
    put(f"{T}findings", [{"rule": "events", "refuses": False, "text": "the event scheduler is on"}])(seen)
    assert [row["state"] for row in rows(seen, "compatibility", "")] == ["ok"]
    put(f"{T}findings", [{"rule": "events", "refuses": True, "text": "event_scheduler is DISABLED"}])(seen)
    assert [row["state"] for row in rows(seen, "compatibility", "")] == ["fail"]


@pytest.mark.parametrize(
    ("item", "change", "dataset", "state", "value", "remedy"), CASES, ids=[f"{c[0]}-{c[3]}-{c[4][:30]}" for c in CASES]
)
def test_an_item_is_seen_to_fail(
    seen: Seen, item: str, change: Change, dataset: str, state: str, value: str, remedy: str
) -> None:
    change(seen)
    document = _readiness.judge(seen)
    found = [one for one in document["items"] if (one["item"], one["dataset"], one["state"]) == (item, dataset, state)]
    assert any(value in one["value"] and remedy in one["remedy"] for one in found), found or rows(seen, item, dataset)
    assert document["verdict"] in (state, "fail")


def test_every_item_has_been_made_to_fail() -> None:
    """So that a rule that leaves the table makes a test fail, and so does one that comes without a test."""
    assert {case[0] for case in CASES} == {item.name for item in _readiness.ITEMS}


def test_what_was_looked_at_of_the_notifications_is_told_when_all_is_well(seen: Seen) -> None:
    (row,) = rows(seen, "notifications", "")
    assert row["value"] == (
        "6 channels understood, 3 answer, 3 could be judged by their form only, the dead-man's switch answers"
    )


def test_a_channel_that_is_not_the_only_one_leaves_nobody_without_word(seen: Seen) -> None:
    away(0)(seen)
    assert rows(seen, "notifications", "")[0]["value"].endswith("the connection is refused")


def test_what_cannot_be_understood_fails_its_item_and_hides_no_other(seen: Seen) -> None:
    seen["sources"]["tatchu"]["checks"] = {"datasets": {"blobs": {"data": {"at": "yesterday"}}}}
    document = _readiness.judge(seen)
    (row,) = [one for one in document["items"] if one["item"] == "checks" and "judged" in one["value"]]
    assert row["state"] == "fail" and "site.yml" in row["remedy"]
    assert {one["item"] for one in document["items"]} == {item.name for item in _readiness.ITEMS}


def test_the_job_does_not_ask_for_a_bundle_that_is_elsewhere(seen: Seen) -> None:
    seen.update(person=False, bundle={"problem": "there is no bundle on this machine"})
    assert rows(seen, "escrow_bundle", "") == []
    assert _readiness.judge(seen)["verdict"] == "ok"


def test_the_limit_itself_is_still_good(seen: Seen) -> None:
    seen["sources"]["tatchu"]["generations"]["blobs"]["finished"] = ago(hours=36)
    assert rows(seen, "pull", "blobs")[0]["state"] == "ok"
    seen["sources"]["tatchu"]["generations"]["blobs"]["finished"] = ago(hours=36, seconds=1)
    assert rows(seen, "pull", "blobs")[0]["state"] == "fail"


@pytest.mark.parametrize("gone", [put(f"{FACTS}datasets data present", False), drop(f"{FACTS}datasets data")])
def test_room_for_what_is_not_there_is_not_asked_for(seen: Seen, gone: Change) -> None:
    gone(seen)
    asked = {one["dataset"] for one in _readiness.judge(seen)["items"] if one["item"] == "restore_space"}
    assert asked == {"database", "blobs"}


def test_a_source_that_told_nothing_fails_once_and_is_judged_no_further(seen: Seen) -> None:
    seen["sources"]["tatchu"].update(facts=None, facts_problem="no dump", findings_problem="no dump")
    document = _readiness.judge(seen)
    silent = {"restore_space", "restore_place", "clock", "cron", "deployed", "legacy"}
    assert {one["item"] for one in document["items"]} == {item.name for item in _readiness.ITEMS} - silent
    assert {one["item"] for one in document["items"] if one["state"] == "fail"} == {"source_facts", "compatibility"}


def test_a_source_without_a_database_needs_no_dump_and_no_engine(seen: Seen) -> None:
    seen["engine"] = {"problem": "no program"}
    seen["sources"]["tatchu"].update(has_database=False, findings_problem="no dump", jobs={})
    seen["sources"]["tatchu"]["facts"]["cron"] = {"running": False, "enabled": False, "entries": {}}
    document = _readiness.judge(seen)
    asked = {"references", "drill_engine", "compatibility", "cron"}
    assert {one["item"] for one in document["items"]} == {item.name for item in _readiness.ITEMS} - asked
    assert document["verdict"] == "ok"


def test_a_repository_that_did_not_open_says_nothing_about_the_bundle(seen: Seen) -> None:
    seen["sources"]["tatchu"]["repositories"]["data"] = {"problem": "wrong passphrase"}
    assert rows(seen, "escrow_current", "")[0]["state"] == "ok"
