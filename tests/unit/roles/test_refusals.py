# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every refusal of what is provisioned, dumped, pulled and sealed: each of its conditions refuses what no other does.

Those of verify, drill, readiness and restore are in test_step_checks.py.
"""

from __future__ import annotations

import base64
import pathlib
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = pathlib.Path(__file__).resolve().parents[3]
# What Ansible itself does with a backslash in a condition.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
ASSERT = "ansible.builtin.assert"
ELSEWHERE = ("roles/_drill/", "roles/_verify/", "roles/readiness/", "roles/_restore/")
ELSEWHERE += tuple(f"playbooks/{name}.yml" for name in ("verify", "drill", "readiness", "restore"))

Variables = dict[str, t.Any]
Cases = tuple[list[Variables], list[Variables]]


class Check(t.NamedTuple):
    """A task that refuses; variables with which it lets pass, and those with which it does not."""

    file: str
    name: str
    good: list[Variables]
    bad: list[Variables]

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


def check(file: str, name: str, cases: Cases, **always: t.Any) -> Check:
    good, bad = ([always | one for one in some] for some in cases)
    return Check(file if file.startswith("playbooks/") else f"roles/{file.replace('/', '/tasks/')}", name, good, bad)


def values(variable: str, good: list[t.Any], bad: list[t.Any]) -> Cases:
    return [{variable: one} for one in good], [{variable: one} for one in bad]


def unlike(good: Variables, *others: Variables) -> Cases:
    """What differs from what is good in one thing each."""
    return [good], [good | other for other in others]


def answers(file: str, name: str, variable: str) -> Check:
    return check(file, name, values(variable, [{}, {"unreachable": False}], [{"unreachable": True, "msg": "no route"}]))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def stats(*checksums: str | None) -> dict[str, t.Any]:
    """What was found of documents, by their content; none is not there."""
    found = [{"exists": one is not None, **({"checksum": one} if one else {})} for one in checksums]
    return {"results": [{"item": f"/{number}", "stat": stat} for number, stat in enumerate(found)]}


INCIDENT, OTHER = "20261124T081500Z-4d2a10", "20261125T081500Z-4d2a10"
SET, ANOTHER = "20261123T021500Z-3fa9c1", "20261122T021500Z-3fa9c1"
ALL: Variables = {"ansible_run_tags": ["all"], "ansible_skip_tags": [], "ansible_check_mode": False}
NO_HIDING = "A limit, tags or check mode would make nothing look like success"
SECRETS = "See that every secret, the escrow folder and who is told are given"
HIDING = unlike(
    ALL,
    {"ansible_limit": "loki"},
    {"ansible_run_tags": ["x"]},
    {"ansible_skip_tags": ["x"]},
    {"ansible_check_mode": True},
)
FOLDER = values(
    "item",
    [{"item": "/a", "stat": {"exists": False}}, {"item": "/a", "stat": {"exists": True, "isdir": True}}],
    [{"item": "/a", "stat": {"exists": True, "isdir": False}}],
)
NAMES = values("item", [{"name": name, "path": "/a b/.c"} for name in ("blobs", "my-data_2")], [])
WRITABLE: Cases = (
    NAMES[0],
    [
        *({"item": {"name": name, "path": "/a"}} for name in ("Blobs", "1a", "a]", "")),
        *({"item": {"name": "a", "path": path}} for path in ("a", "/", "/a\nb", "/a%b", "/a\n", "/a\\", "/a ")),
        *({"item": {"name": "a", "path": path}} for path in ("/a/./b", "/a/.")),
    ],
)
ADDRESSES = ["192.0.2.8", "2001:db8::8", "192.0.2.0/24"]
NO_ADDRESSES: list[t.Any] = [[], ["loki"], ["192.0.2.8", "192.0.2"], ["192.0.2.8,*"]]
PINNED = {"valid": True, "id": SET, "problems": []}
RELEASE = '{"schema_version": 1, "version": "0.1.0"}'
ENDPOINT: Variables = {
    "restore_endpoint_incident": INCIDENT,
    "restore_endpoint_hours": 0.5,
    "restore_endpoint_from": ADDRESSES,
    "restore_endpoint_datasets": [{"name": "blobs", "path": "/a"}],
}
SOURCE = {"name": "tatchu", "address": "2001:db8::8", "port": 22, "root": "/srv/backup"}
SSHD = [
    "pubkeyauthentication yes",
    "forcecommand none",
    "authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2",
]
MARKER = '{"schema_version": 1, "source": "tatchu", "dataset": "blobs", "id": "0123456789abcdef0123456789abcdef"}'
LIMITS = {"look_hours": 1, "free_percent": 5}
NOTIFICATION: Variables = {
    "notification_seconds": 60,
    "notification_repeat_hours": 24,
    "notification_mail_to": "root",
    "notification_watch_free_percent": 5,
    "_notification_watch": {"limits": LIMITS},
    "notification_quiet_jobs": ["verify"],
}
RUNNER = {"runner_nice": 19, "runner_stop_timeout": 1, "runner_keep_runs": 1, "runner_keep_megabytes": 1}
DUMP_ACCOUNT = {"database_dump_password": "a b", "database_dump_account": "labops-dump"}
DEBIAN = {"distribution": "Debian", "distribution_major_version": "12", "service_mgr": "systemd"}
PRINTS = [{"stdout": "256 SHA256:old no comment (ED25519)"}, {"stdout": "256 SHA256:new no comment (ED25519)"}]


def passphrases(*given: t.Any) -> list[Variables]:
    return [{"hostvars": {"tatchu": {"backup_borg_passphrase": one} if one is not None else {}}} for one in given]


def sshd(*lines: str) -> Variables:
    return {"_rsync_source_sshd": {"stdout_lines": list(lines)}}


def without(start: str, *instead: str) -> Variables:
    return sshd(*(line for line in SSHD if not line.startswith(start)), *instead)


CHECKS: list[Check] = [
    check(
        "playbooks/assumptions.yml",
        "See that a place is named",
        ([{"assumptions_file": "/a"}], [{}, {"assumptions_file": "a"}]),
    ),
    *(check(f"playbooks/{name}.yml", NO_HIDING, HIDING) for name in ("backup", "dump")),
    answers("playbooks/backup.yml", "Stop this server when it did not answer", "backup_opened"),
    answers("playbooks/backup.yml", "See that it was written", "backup_closed"),
    *(
        check(
            f"playbooks/{file}.yml",
            name,
            values(variable, [{"ok": True}], [{"ok": False, "title": "x", "problems": ["x"]}]),
        )
        for file, name, variable in (
            ("backup", "Fail unless all that was asked for was done", "backup_verdict"),
            ("dump", "Fail unless every source has a new dump set", "dump_verdict"),
            ("status", "Fail unless everything could be read", "status"),
        )
    ),
    check(
        "playbooks/site.yml", "See that no variable is misspelt", values("site_misspelt", [[]], [["backup_kep_daily"]])
    ),
    check(
        *("playbooks/site.yml", SECRETS),
        values("looked_up", ["x", {"failure": []}], [""]),
    ),
    check(
        *("playbooks/site.yml", "See that it is a Debian with systemd"),
        values(
            "ansible_facts",
            [DEBIAN, {**DEBIAN, "distribution_major_version": "13"}],
            [
                {**DEBIAN, "distribution": "Ubuntu", "distribution_major_version": "24"},
                {**DEBIAN, "distribution_major_version": "9"},
                {**DEBIAN, "service_mgr": "sysvinit"},
            ],
        ),
    ),
    check(
        *("playbooks/status.yml", "Compare the inventory with the limit"),
        values("groups", [{"backup_servers": ["loki", "x"]}], [{}, {"backup_servers": ["x"]}]),
        ansible_play_hosts_all=["loki", "localhost"],
    ),
    # A night
    check(
        *("_backup_dataset/main.yml", "See that the server takes part"),
        values("hostvars", [{"loki": {}}], [{"loki": {"backup_problem": "x"}}]),
        backup_dataset={"server": "loki"},
    ),
    check(
        *("_backup_dataset/main.yml", "See that a dump set is pinned"),
        values("_backup_dataset_pin", [{"id": SET}], [{}, {"problem": "x"}]),
    ),
    check(
        *("_backup_dataset/main.yml", "See that there is a repository"),
        # One that is busy could not be asked.
        values("_backup_dataset_repository", [{"exists": True}, {"msgid": "LockTimeout"}], [{"exists": False}]),
    ),
    check(
        *("_backup_dataset/main.yml", "See that the dump set is proven"),
        (
            [
                {"_backup_dataset_dump": {"dump_sets": [PINNED]}, "_backup_dataset_pin": pin}
                for pin in ({"id": SET}, {})  # Only the archive was asked for.
            ],
            [
                {"_backup_dataset_dump": {"dump_sets": found}, "_backup_dataset_pin": {"id": SET}}
                for found in ([], [PINNED, PINNED], [{**PINNED, "valid": False}], [{**PINNED, "id": ANOTHER}])
            ],
        ),
    ),
    check(
        *("_backup_dataset/main.yml", "See that the content is what it should be"),
        values("_backup_dataset_content", [{"ok": True}], [{"ok": False}, {}]),
    ),
    check(
        *("_seal_point/pin.yml", "See that the server takes part"),
        values("hostvars", [{"loki": {}}], [{"loki": {"backup_problem": "x"}}]),
        backup_source={"server": "loki"},
    ),
    check("_seal_point/seal.yml", "See that there is something to seal", values("_seal_point_taken", [[{}]], [[]])),
    # A dump
    answers("database_dump/dump.yml", "See that the host answers", "_database_dump_opened"),
    answers("database_dump/dump.yml", "See that the host answered", "_database_dump_result"),
    answers("database_dump/dump.yml", "See that it was written", "_database_dump_closed"),
    # Releases
    check(
        *("_common/release.yml", "See that the host has one"),
        values(
            "_common_release",
            [{"content": encoded(RELEASE)}, {"content": encoded(RELEASE + "\n"), "unreachable": False}],
            [
                {"content": encoded(RELEASE), "unreachable": True},
                {"msg": "file not found"},
                {"content": encoded(RELEASE[:-1] + ",")},
                {"content": encoded('{"version": "0.1.0"}')},
                {"content": encoded('{"schema_version": 1}')},
            ],
        ),
    ),
    check(
        *("_common/release.yml", "See that both sides are of one release"),
        values(
            "_common_release",
            [{"content": encoded(RELEASE)}],
            [{"content": encoded(RELEASE.replace(*other))} for other in (("0.1.0", "0.1.1"), (" 1", " 2"))],
        ),
        _common_version="0.1.0",
    ),
    *(
        check(
            f"runner/{file}.yml",
            "Stop when a job uses it",
            values("_runner_cleared", [{}, {"rc": 0}], [{"rc": 75}, {"rc": 1}]),
        )
        for file in ("build", "environment")
    ),
    check("runner/environment.yml", "See that pip could", values("_runner_installed", [{"rc": 0}], [{"rc": 1}])),
    # What is provisioned
    check(
        *("runner/preflight.yml", "See that the certificate authorities are there"),
        values("runner_ca_bundle", [str(ROOT / "LICENSE")], [str(ROOT), str(ROOT / "x")]),
    ),
    check(
        *("runner/preflight.yml", "See that the wheels are there"),
        values("runner_wheelhouse", [str(ROOT)], [str(ROOT / "LICENSE"), str(ROOT / "x")]),
    ),
    check(
        *("runner/preflight.yml", "See that the numbers can be right"),
        unlike(
            RUNNER, {"runner_nice": -21}, {"runner_nice": 20}, *({name: 0} for name in RUNNER if "nice" not in name)
        ),
    ),
    check("rsync_source/preflight.yml", "See that every dataset can be written down", WRITABLE),
    check("rsync_source/preflight.yml", "See that what exists is a directory", FOLDER),
    check(
        *("rsync_source/preflight.yml", "See that the account can be made"),
        values("rsync_source_account", ["labops-pull", "_a"], ["root", "Lab", "1a", "a b", "", "a" * 33]),
    ),
    check(
        *("rsync_source/preflight.yml", "See that the server's addresses are numbers"),
        values("rsync_source_from", [ADDRESSES], NO_ADDRESSES),
    ),
    check(
        *("rsync_source/main.yml", "See that the key is one"),
        values(
            "rsync_source_public_key",
            ["ssh-ed25519 AAAA loki", "ssh-ed25519 AAAA"],
            ["ssh-ed25519 AAAA x\nssh-ed25519 BBBB", "", "AAAA", "ssh-ed25519", 'command="x" ssh-ed25519 AAAA'],
        ),
    ),
    check(
        *("rsync_source/sshd.yml", "See that it could tell"),
        values("_rsync_source_sshd", [{"rc": 0}], [{"rc": 255, "stderr": "no"}, {"msg": "there is no sshd"}]),
    ),
    check(
        *("rsync_source/sshd.yml", "See that it is not kept out"),
        (
            [
                sshd(*SSHD),
                sshd(*SSHD, "allowusers anna", "allowusers labops-pull", "denyusers anna"),
                sshd(*SSHD, "allowusers anna labops-pull@192.0.2.8", "allowgroups *"),
                without("authorizedkeysfile", "authorizedkeysfile /etc/keys/%u %h/.ssh/authorized_keys"),
            ],
            [
                without("pubkeyauthentication", "pubkeyauthentication no"),
                without("forcecommand", "forcecommand /bin/false"),
                without("authorizedkeysfile", "authorizedkeysfile /etc/keys/%u"),
                sshd(*SSHD, "allowusers anna"),
                sshd(*SSHD, "allowgroups staff"),
                sshd(*SSHD, "denyusers anna labops-pull"),
                sshd(*SSHD, "denygroups labops-pull"),
            ],
        ),
        rsync_source_account="labops-pull",
    ),
    check(
        *("rsync_source/marker.yml", "See that it is a file"),
        values(
            "_rsync_source_found",
            [{"stat": {"exists": False}}, {"stat": {"exists": True, "isreg": True}}],
            [{"stat": {"exists": True, "isreg": False}}],
        ),
    ),
    check(
        *("rsync_source/marker.yml", "See that it is the marker of this dataset"),
        values(
            "_rsync_source_read",
            [{"content": encoded(MARKER)}],
            [
                {"content": encoded(MARKER.replace(*other))}
                for other in (("tatchu", "tatch"), ("blobs", "data"), ("cdef", ""))
            ],
        ),
        _rsync_source_dataset={"name": "blobs", "source": "tatchu"},
    ),
    check(
        *("rsync_server/preflight.yml", "See that every source can be written down"),
        values(
            "item",
            [SOURCE],
            [
                *({**SOURCE, "name": name} for name in ("known_hosts", "-x", "a/b", "")),
                *({**SOURCE, "address": address} for address in ("-oProxyCommand=x", "a b", "", "*")),
                *({**SOURCE, "port": port} for port in (0, 65536, "ssh")),
                *({**SOURCE, "root": root} for root in ("srv", "//srv", "/")),
            ],
        ),
    ),
    check(
        *("rsync_server/preflight.yml", "See that all sources share one root"),
        values("rsync_server_sources", [[SOURCE, SOURCE]], [[SOURCE, {**SOURCE, "root": "/srv/other"}]]),
    ),
    check(
        "rsync_server/host_keys.yml", "See that there is one", values("_rsync_server_new", [["ssh-ed25519 AAAA"]], [[]])
    ),
    check(
        *("rsync_server/host_keys.yml", "See that the new key is the one that was named"),
        values("rsync_server_accept_host_key", ["SHA256:new"], ["", "SHA256:old", "new"]),
        _rsync_server_fingerprints={"results": PRINTS},
    ),
    check(
        *("rsync_server/root.yml", "See that the file system is the one that was provisioned"),
        (
            [
                *({"_rsync_server_root_found": stats(*one)} for one in (("a", "a"), ("a", None), (None, None))),
                {"_rsync_server_root_found": stats("b", "a"), "rsync_server_accept_root": "true"},
            ],
            [{"_rsync_server_root_found": stats(*one)} for one in (("b", "a"), (None, "a"))],
        ),
    ),
    check(
        *("borg/root.yml", "See that the disk of the repositories is there"),
        (
            [
                {"_borg_root_found": stats("a", "a"), "ansible_check_mode": False},
                *({"_borg_root_found": stats(*one), "ansible_check_mode": True} for one in ((None, None), ("a", None))),
                {
                    "_borg_root_found": stats("b", "a"),
                    "ansible_check_mode": True,
                    "rsync_server_accept_root": True,
                },
            ],
            [
                *(
                    {"_borg_root_found": stats(*one), "ansible_check_mode": False, "rsync_server_accept_root": True}
                    for one in (("b", "a"), (None, "a"), ("a", None), (None, None))
                ),
                *({"_borg_root_found": stats(*one), "ansible_check_mode": True} for one in (("b", "a"), (None, "a"))),
            ],
        ),
    ),
    check(
        *("borg/preflight.yml", "See that the version can be built"),
        values("borg_version", ["", "1.2.8", "1.4.5"], ["2.0.0", "1.1.18", "1.4", "1.4.5b1", "x1.4.5"]),
    ),
    check(
        *("borg/preflight.yml", "See that the reserve is a size"),
        values("borg_free_space_reserve", ["0", "2G", "2.5g", "10000000"], ["", "2", "2 G", "9999999", "-2G", "2GB"]),
    ),
    check(
        *("borg/preflight.yml", "See that the escrow folder is somewhere else"),
        values(
            "backup_escrow_directory",
            ["/home/anna/escrow", "/srv/backup-escrow"],
            ["escrow", "//srv", "/", "/home/../srv/backup", "/home/..", "/srv/backup", "/srv/backup/escrow"],
        ),
        item={"name": "tatchu", "root": "/srv/backup"},
    ),
    check(
        *("borg/preflight.yml", "See that every source has a passphrase"),
        (passphrases("a b"), passphrases(None, 123456, "", "a\nb", "a\0b")),
        item={"name": "tatchu"},
    ),
    check("borg/preflight.yml", "See that it can be a folder", FOLDER),
    check(
        *("borg/source.yml", "See that nothing stays closed"),
        values(
            "_borg_trial",
            [{"results": [{"exists": True}]}],
            [{"results": [{"exists": True}, {"item": "/x", "msg": "x"}]}],
        ),
    ),
    check(
        *("database_dump/preflight.yml", "See that the credentials can be written down"),
        unlike(
            DUMP_ACCOUNT,
            *({"database_dump_password": one} for one in ("", "a\nb", "a\0")),
            *({"database_dump_account": one} for one in ("", "a b", "a'", "-a", "a" * 33)),
        ),
    ),
    check(
        *("database_dump/preflight.yml", "See that the dump directory has a place"),
        values(
            "_database_dump_parent",
            [{"stat": {"isdir": True}}],
            [{"stat": {"exists": False}}, {"stat": {"isdir": False}}],
        ),
    ),
    check(
        *("database_dump/preflight.yml", "See that the database server is here and runs"),
        values(
            "ansible_facts",
            [{"services": {f"{name}.service": {"state": "running"}}} for name in ("mariadb", "mysql", "mysqld")],
            [
                {"services": {}},
                {"services": {"mariadb.service": {"state": "stopped"}, "cron.service": {"state": "running"}}},
            ],
        ),
    ),
    check(
        *("cron/preflight.yml", "See that each schedule has five fields"),
        values(
            "item",
            [{"key": "dump", "value": value} for value in ("", "30 2 * * *", "*/15 1-5,7 1 jan sun")],
            [
                {"key": "dump", "value": value}
                for value in ("30 2 * *", "30 2 * * * *", "@daily", "30 2 * * %", "30 2 * * -")
            ],
        ),
    ),
    check(
        *("cron/preflight.yml", "See that the address for mail is one word"),
        values("cron_mail_to", ["", "root", "anna@example.org"], ["a b", 'a"', "a\nb"]),
    ),
    check(
        *("notification/preflight.yml", "See that somebody hears an alarm"),
        values(
            "notification_urls",
            [{"failure": ["json://lab.test"], "warning": [], "recovery": [], "success": ["mailtos://a:b@example.org"]}],
            [
                {"failure": []},
                {"failure": ["lab.test"]},
                {"failure": ["json://lab.test"], "success": ["json://lab.test two"]},
                {"failure": ["json://lab.test"], "alarm": ["json://lab.test"]},
            ],
        ),
    ),
    check(
        *("notification/preflight.yml", "See that the dead-man's switch can be reached by its URL"),
        values(
            "notification_ping_url",
            ["", "https://ping.example.org/x"],
            ["ping.example.org/x", "https:///x", "https://a b", "ftp://a"],
        ),
    ),
    check(
        *("notification/preflight.yml", "See that limits and names can be right"),
        unlike(
            NOTIFICATION,
            *({"notification_seconds": one} for one in (0, 121)),
            {"notification_repeat_hours": 0},
            *({"notification_mail_to": one} for one in ("a b", "-a", "a,b")),
            *({"notification_watch_free_percent": one} for one in (-1, 100)),
            {"_notification_watch": {"limits": {**LIMITS, "look_hours": -1}}},
            {"notification_quiet_jobs": ["backup"]},
        ),
    ),
    check(
        "notification/test.yml",
        "See that it is there",
        values("_notification_program", [{"stat": {"exists": True}}], [{"stat": {"exists": False}}]),
    ),
    check(
        *("notification/test.yml", "See that all of them arrived"),
        (
            [{"_notification_result": {"channels": [{"ok": True}], "ping": ping}} for ping in (True, None)],
            [
                {"_notification_result": {"channels": [{"ok": True}, {"ok": False}], "ping": True}},
                {"_notification_result": {"channels": [{"ok": True}], "ping": False}},
            ],
        ),
    ),
    check(
        *("legacy_cleanup/main.yml", "See that a removal knows what it is after"),
        (
            [
                {"legacy_cleanup_remove": False, "legacy_cleanup_addresses": []},
                {"legacy_cleanup_remove": True, "legacy_cleanup_addresses": ["10.1.2.3"]},
            ],
            [{"legacy_cleanup_remove": True, "legacy_cleanup_addresses": []}],
        ),
    ),
    # A restore's way in, and new hardware
    check(
        *("_restore_endpoint/preflight.yml", "See that the request can be meant"),
        unlike(
            ENDPOINT,
            *({"restore_endpoint_incident": one} for one in ("", "x", f"{INCIDENT}/..")),
            *({"restore_endpoint_hours": one} for one in (0, -1, "x")),
            *({"restore_endpoint_from": one} for one in NO_ADDRESSES),
            {"restore_endpoint_datasets": []},
        ),
    ),
    check("_restore_endpoint/preflight.yml", "See that every dataset can be written down", WRITABLE),
    check(
        *("_restore_endpoint/preflight.yml", "See that each is a directory"),
        values(
            "item",
            [{"stat": {"exists": True, "isdir": True}}],
            [{"stat": {"exists": False}}, {"stat": {"exists": True, "isdir": False}}],
        ),
    ),
    check(
        *("_restore_endpoint/preflight.yml", "See that it is no other incident"),
        values("_restore_endpoint_opened", [{}, {"content": encoded(f"{INCIDENT}\n")}], [{"content": encoded(OTHER)}]),
        restore_endpoint_incident=INCIDENT,
    ),
    check(
        *("_replacement/main.yml", "See that the source tells about itself"),
        values("_replacement_entry", [{"dump_directory": "/d"}], [{"dump_directory": None}]),
    ),
    check(
        *("_replacement/main.yml", "See that no number means somebody else"),
        values("_replacement", [{"conflicts": []}], [{"conflicts": ["1000 is anna"]}]),
    ),
]


def tasks(entries: t.Any) -> t.Iterator[dict[str, t.Any]]:
    for entry in entries or ():
        yield entry
        for part in ("pre_tasks", "tasks", "block", "rescue", "always"):
            yield from tasks(entry.get(part))


def loaded(path: pathlib.Path) -> t.Any:
    return DataLoader().load_from_file(str(path), trusted_as_template=True) if path.exists() else {}


def conditions(one: Check) -> list[str]:
    (task,) = [task for task in tasks(loaded(ROOT / one.file)) if task.get("name") == one.name and ASSERT in task]
    that = task[ASSERT]["that"]
    if one.name == SECRETS:  # Outside of a playbook Ansible has no lookups.
        that = trust_as_template(that.replace("lookup('ansible.builtin.vars', item, default='')", "looked_up"))
    return [that] if isinstance(that, str) else list(that)


def known(one: Check, given: Variables) -> Variables:
    """What the task sees: the role's variables, its own, and before both what a case gives."""
    role = ROOT.joinpath(*one.file.split("/")[:2])
    (task,) = [task for task in tasks(loaded(ROOT / one.file)) if task.get("name") == one.name and ASSERT in task]
    found = [loaded(role / part / "main.yml") for part in ("defaults", "vars")] if role.is_dir() else []
    return {key: value for part in (*found, task.get("vars") or {}, given) for key, value in part.items()}


def refuses(wanted: list[str], variables: Variables) -> bool:
    """Whether one of the conditions does not hold; an error before that is no refusal that anybody understands."""
    templar = Templar(loader=DataLoader(), variables=variables)
    return not all(templar.evaluate_conditional(one) for one in wanted)


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.id)
def test_what_is_well_passes_and_what_is_not_is_refused(one: Check) -> None:
    wanted = conditions(one)
    assert [given for given in one.good if refuses(wanted, known(one, given))] == []
    assert [given for given in one.bad if not refuses(wanted, known(one, given))] == []


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.id)
def test_each_condition_refuses_what_no_other_one_does(one: Check) -> None:
    """Else one could go without a test that fails."""
    wanted = conditions(one)
    for number, condition in enumerate(wanted):
        others = wanted[:number] + wanted[number + 1 :]

        def still(given: Variables, others: list[str] = others) -> bool:
            try:
                return refuses(others, known(one, given))
            except Exception:
                return False

        assert not all(still(given) for given in one.bad), condition


def test_no_refusal_comes_without_a_test() -> None:
    files = sorted((*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/*.yml")))
    names = [str(path.relative_to(ROOT)) for path in files]
    found = {
        (name, str(task.get("name")))
        for name in names
        if not name.startswith(ELSEWHERE)
        for task in tasks(loaded(ROOT / name))
        if ASSERT in task
    }
    assert found == {(one.file, one.name) for one in CHECKS}
    assert len(CHECKS) == len(found)


# What makes a step of a night a guard, and of a retention one that removes only what may go: option, and what it says.
NIGHT: list[tuple[str, str, str, dict[str, str]]] = [
    (
        *("_backup_dataset/main.yml", "See that its repository opens", "borg_repository_info"),
        {"repository": "backup_dataset.repository", "root": "root_guard.document"},
    ),
    (
        *("_backup_dataset/main.yml", "Pull", "rsync_pull"),
        {
            "limits": "backup_dataset.limits",
            "allow_empty": "backup_dataset.allow_empty",
            "marker": "backup_dataset.marker",
            "root": "_backup_dataset_source.root_guard",
            "quarantine": "backup_dataset.quarantine",
            "accept": "backup_dataset.accept",
            "checksum_every_days": "backup_dataset.checksum_every_days",
            "known_hosts_file": "rsync.known_hosts_file",
            "lock": "backup_dataset.lock",
            "lock_keep": "_backup_dataset_lock_keep",
            "hold": "backup_dataset.hold",
            "stall_seconds": "backup_dataset.stall_seconds",
            "generation_file": "backup_dataset.generation_file",
        },
    ),
    (
        *("_backup_dataset/main.yml", "Verify the dump set", "db_dump_info"),
        {"directory": "backup_dataset.mirror", "verify": "full"},
    ),
    (
        *("_backup_dataset/main.yml", "Verify the content", "content_verify"),
        {
            "mirror": "backup_dataset.mirror",
            "generation": "_backup_dataset_pull.generation",
            "stores": "backup_dataset.content_stores",
            "accept": "backup_dataset.accept_content",
            "rehash_percent": "backup_dataset.rehash_percent",
        },
    ),
    (
        *("_backup_dataset/main.yml", "Archive", "borg_create"),
        {
            "expected_generation": "_backup_dataset_pull.generation",
            "generation_file": "backup_dataset.generation_file",
            "lock": "backup_dataset.lock",
            "hold": "backup_dataset.hold",
            "stall_seconds": "backup_dataset.stall_seconds",
        },
    ),
    ("_backup_dataset/main.yml", "Verify the archive", "borg_archive_info", {"archive": "_archive.archive"}),
    (
        *("_backup_dataset/quarantine.yml", "Give up what is old and inside a verified archive", "quarantine_expire"),
        {
            "days": "backup_dataset.quarantine_days",
            "archived_generation": "_backup_dataset_archive.generation",
            "archive": "_backup_dataset_archive.archive",
            "archives": "_backup_dataset_repository.archives",
            "lock": "backup_dataset.lock",
            "hold": "backup_dataset.hold",
        },
    ),
    ("_seal_point/pin.yml", "Fetch the manifests of the dump sets", "rsync_pull", {"hold": "backup_source.hold"}),
    ("_seal_point/pin.yml", "Read the manifests", "db_dump_info", {"verify": "manifest"}),
    (
        *("_seal_point/seal.yml", "Look up every reference of the dump set", "datajoint_verify_info"),
        {"references_file": "references.jsonl", "roots": "mirror_roots(_seal_point_outcomes"},
    ),
    (
        *("_seal_point/seal.yml", "Seal", "recovery_point"),
        {
            "expected": "backup_source.datasets | map(attribute='name')",
            "datasets": "_seal_point_taken",
            "missing": "rejectattr('ok')",
            "dump_expected": "backup_source.dump_directory",
            "references": "_seal_point_references",
            "hold": "backup_source.hold",
        },
    ),
    (
        *("_retain/main.yml", "Remove recovery points", "recovery_point_prune"),
        {
            "journal": "backup_source.retention_journal",
            "hold": "backup_source.hold",
            "point": "backup_run.id",
            "datasets": "backup_source.datasets",
            **{f"keep_{one}": f"keep_{one}" for one in ("daily", "weekly", "monthly", "complete", "partial_days")},
        },
    ),
    ("_retain/main.yml", "Give the space back", "borg_compact", {"lock": "item.lock", "hold": "backup_source.hold"}),
    ("database_dump/dump.yml", "Make the dump set", "db_dump", {"hold": "database_dump_source.incident.hold"}),
]


@pytest.mark.parametrize(("file", "name", "module", "options"), NIGHT, ids=[f"{one[0]}: {one[1]}" for one in NIGHT])
def test_a_step_of_a_night_is_given_what_it_guards_with(
    file: str, name: str, module: str, options: dict[str, str]
) -> None:
    (task,) = [
        task for task in tasks(loaded(ROOT / "roles" / file.replace("/", "/tasks/"))) if task.get("name") == name
    ]
    given = {option: str(value) for option, value in task[f"labops.backup.{module}"].items()}
    assert {option: text for option, text in options.items() if text not in given.get(option, "")} == {}


@pytest.mark.parametrize("name", ["Remove recovery points", "Give the space back"])
@pytest.mark.parametrize(("stop", "done"), [([], True), (["tatchu.blobs: a bad chunk"], False)])
def test_nothing_is_removed_while_something_stands_against_it(name: str, stop: list[str], done: bool) -> None:
    (task,) = [task for task in tasks(loaded(ROOT / "roles/_retain/tasks/main.yml")) if task.get("name") == name]
    templar = Templar(loader=DataLoader(), variables={"backup_retention_stop": stop})
    assert templar.evaluate_conditional(task["when"]) is done


@pytest.mark.parametrize(
    ("failed", "msgid", "stops"), [(True, "PassphraseWrong", True), (True, "LockTimeout", False), (False, "", False)]
)
def test_a_repository_that_does_not_open_ends_a_dataset_unless_it_is_busy(
    failed: bool, msgid: str, stops: bool
) -> None:
    file = loaded(ROOT / "roles/_backup_dataset/tasks/main.yml")
    (task,) = [task for task in tasks(file) if task.get("name") == "See that its repository opens"]
    variables = {"_backup_dataset_repository": {"failed": failed, **({"msgid": msgid} if msgid else {})}}
    assert Templar(loader=DataLoader(), variables=variables).evaluate_conditional(task["failed_when"]) is stops


PREFLIGHTS = sorted(path.parents[1].name for path in ROOT.glob("roles/[a-z]*/tasks/preflight.yml"))


@pytest.mark.parametrize("role", PREFLIGHTS)
def test_a_role_looks_before_it_changes_anything_and_site_before_all_of_them(role: str) -> None:
    first = loaded(ROOT / f"roles/{role}/tasks/main.yml")[0]
    assert first["ansible.builtin.include_tasks"] == "preflight.yml" and "when" not in first
    imports = [task.get("ansible.builtin.import_role", {}) for task in tasks(loaded(ROOT / "playbooks/site.yml"))]
    assert {"name": f"labops.backup.{role}", "tasks_from": "preflight"} in imports


@pytest.mark.parametrize("file", ["backup.yml", "verify.yml", "drill.yml", "readiness.yml"])
def test_a_job_compares_releases_before_it_writes_anything(file: str) -> None:
    found = [task for task in tasks(loaded(ROOT / "playbooks" / file)) if {"ansible.builtin.include_role"} & set(task)]
    roles = [task["ansible.builtin.include_role"] for task in found]
    assert {"name": "labops.backup._common", "tasks_from": "release"} in roles


def test_a_dump_compares_releases_before_it_is_made() -> None:
    names = [task["name"] for task in tasks(loaded(ROOT / "roles/database_dump/tasks/dump.yml"))]
    assert names.index("See that the host answers") < names.index("Compare releases") < names.index("Make the dump set")
