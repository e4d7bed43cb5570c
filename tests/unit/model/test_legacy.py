# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a lab's past, and what does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _legacy
from ansible_collections.labops.backup.plugins.module_utils._model._legacy import Document, Finding

KNOWN = ["loki", "tatchu", "10.98.65.8", "10.98.65.17", "fd00::17"]
OLD = "10.1.2.3"
SCRIPT = "/usr/local/sbin/backup_tatchu_data.sh"


def examine(*documents: Document, addresses: t.Sequence[str] = (), peers: t.Sequence[str] = ("loki",)) -> list[Finding]:
    return _legacy.examine(documents, _legacy.Past(addresses, KNOWN, peers))


def script(*lines: str, path: str = SCRIPT) -> Document:
    return Document(path, _legacy.SCRIPT, ("#!/bin/bash", *lines))


def carried(line: str, **keywords: t.Any) -> list[str]:
    return [finding.address for finding in examine(script("# rsync", line), **keywords)]


def told(findings: t.Sequence[Finding]) -> list[tuple[str, int, str, str]]:
    return [(finding.path, finding.line, finding.reason, finding.removal) for finding in findings]


# -------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("line", "addresses"),
    [
        (f"rsync -a root@{OLD}:/datajoint-data/ /srv/", [OLD]),
        (f"rsync -a {OLD}::data/ /srv/", [OLD]),
        (f"TATCHU='{OLD}'", [OLD]),
        (f"ssh {OLD} && scp {OLD}: 10.9.9.9:/x", [OLD, "10.9.9.9"]),
        ("rsync [fd00::99]:/a /b", ["fd00::99"]),
        ("HOST=fe80::1", []),
        ("rsync 10.98.65.17:/a [fd00::17]:/a 10.98.65.8:", []),
        ("rsync 127.0.0.1:/a [::1]:/a 0.0.0.0 255.255.255.0 224.0.0.1 169.254.1.1", []),
        ("rsync 192.0.2.5:/a 198.51.100.5:/a 203.0.113.5:/a [2001:db8::5]:/a", []),
        ("rsync 3.2.7 1.2.3.4.5 v10.1.2.3 x10.1.2.3 300.1.2.3 10.1.2.03", []),
        ("rsync tatchu::data 10:20:30 aa:bb:cc:dd:ee:ff std::string", []),
        ("allow 10.1.2.0/24 to rsync", ["10.1.2.0/24"]),
        ("allow 10.98.65.0/24 to rsync", []),
        (f"# rsync {OLD}", []),
    ],
)
def test_by_itself_any_literal_address_that_is_not_of_the_inventory_is_of_the_past(
    line: str, addresses: list[str]
) -> None:
    assert carried(line) == addresses


@pytest.mark.parametrize(
    ("line", "addresses"),
    [
        (f"rsync {OLD}:/a 10.9.9.9:/b", [OLD]),
        ("rsync 10.7.1.1:/a", ["10.7.1.1"]),
        ("rsync 10.8.1.1:/a", []),
        ("rsync old-tatchu:/a old-tatchu2:/b my-old-tatchu:/c", ["old-tatchu"]),
        ("rsync OLD-TATCHU.lab.example:/a", ["old-tatchu"]),
        ("rsync 192.0.2.5:/a", ["192.0.2.5"]),
    ],
)
def test_named_addresses_networks_and_names_are_of_the_past_and_nothing_else(line: str, addresses: list[str]) -> None:
    assert carried(line, addresses=[OLD, "10.7.0.0/16", "old-tatchu", "192.0.2.5"]) == addresses


def test_without_names_only_text_that_speaks_of_backups_or_of_the_lab_is_looked_at() -> None:
    line = f"HOST={OLD}"
    assert examine(script(line, path="/home/anna/microscope.py")) == []
    assert examine(script(line, "echo tatchu", path="/home/anna/a.py"))
    assert examine(script(line, "# my backup", path="/home/anna/b.py"))
    assert examine(script(line, "echo tatchu-ui", path="/home/anna/c.py")) == []


@pytest.mark.parametrize("word", ["tatchu", "TATCHU", "10.98.65.17", "10.98.0.0/16", "fd00::17"])
def test_what_is_in_the_inventory_cannot_be_of_the_past(word: str) -> None:
    with pytest.raises(
        BackupError, match=r"is said to be of the past, and it is in the inventory\. Nothing was changed"
    ):
        _legacy.Past([word], KNOWN, [])


@pytest.mark.parametrize("word", ["", "a b", "-x", "10.1.2.3;"])
def test_what_is_no_address_is_refused(word: str) -> None:
    with pytest.raises(BackupError, match="is neither an address nor a network nor a host name"):
        _legacy.Past([word], KNOWN, [])


# ------------------------------------------------------------------------------------------------- what follows from it


def test_an_address_of_an_old_script_is_found_in_what_speaks_of_no_backup() -> None:
    findings = examine(
        script(f"rsync {OLD}:/a /b"),
        script(f"ping {OLD} 10.9.9.9", path="/home/anna/ping.sh"),
        Document("/root/.ssh/config", _legacy.SSH_CONFIG, ("Host x", f"  HostName {OLD}")),
    )
    assert told(findings)[:2] == [
        ("/home/anna/ping.sh", 2, f"carries {OLD}", "by hand"),
        ("/root/.ssh/config", 2, f"carries {OLD}", "comment"),
    ]


def test_what_starts_an_old_script_is_found_to_the_end() -> None:
    findings = examine(
        script(f"rsync {OLD}:/a /b"),
        script("cd /usr/local/sbin; ./backup_tatchu_data.sh", path="/usr/local/sbin/backup_and_notify_on_loki.sh"),
        script("/opt/new/backup_tatchu_data.sh", path="/opt/new/other"),
        Document(
            "/var/spool/cron/crontabs/root",
            _legacy.CRONTAB,
            ("MAILTO=x", "1 2 * * * /usr/local/sbin/backup_and_notify_on_loki.sh", "#1 2 * * * backup_tatchu_data.sh"),
        ),
        Document("/etc/systemd/system/night.service", _legacy.UNIT, ("[Service]", f"ExecStart={SCRIPT} --all")),
        Document("/etc/systemd/system/night.timer", _legacy.UNIT, ("[Timer]", "OnCalendar=daily")),
        Document("/etc/systemd/system/evening.timer", _legacy.UNIT, ("[Timer]", "Unit=night.service")),
        Document("/etc/systemd/system/day.timer", _legacy.UNIT, ("[Timer]", "Unit=day.service")),
        Document("/etc/cron.daily/night", _legacy.SCRIPT, target=SCRIPT),
    )
    wrapper = "/usr/local/sbin/backup_and_notify_on_loki.sh"
    service = "/etc/systemd/system/night.service"
    assert told(findings) == [
        ("/etc/cron.daily/night", 0, f"links to {SCRIPT}", "move"),
        ("/etc/systemd/system/evening.timer", 2, f"runs {service}", "stop"),
        (service, 2, f"runs {SCRIPT}", "stop"),
        ("/etc/systemd/system/night.timer", 0, f"starts {service}", "stop"),
        (wrapper, 2, f"runs {SCRIPT}", "move"),
        (SCRIPT, 2, f"carries {OLD}", "move"),
        ("/var/spool/cron/crontabs/root", 2, f"runs {wrapper}", "comment"),
    ]


def test_an_alias_of_an_old_address_leads_to_what_uses_it() -> None:
    findings = examine(
        Document(
            "/root/.ssh/config",
            _legacy.SSH_CONFIG,
            ("Host oldt tatchu", f"  HostName {OLD}", "# rsync", "Host x", "  HostName 10.98.65.17"),
        ),
        Document("/etc/hosts", _legacy.OTHER, ("127.0.0.1 localhost", f"{OLD} elder tatchu # loki's")),
        script("rsync -a oldt:/a /b", "ssh elder", "ssh x", "echo oldt", "cp /oldt/rsync .", path="/root/pull.sh"),
    )
    assert told(findings) == [
        ("/etc/hosts", 2, f"carries {OLD}", "by hand"),
        ("/root/.ssh/config", 2, f"carries {OLD}", "comment"),
        ("/root/pull.sh", 2, f"reaches {OLD} as oldt", "move"),
        ("/root/pull.sh", 3, f"reaches {OLD} as elder", "move"),
    ]


def test_only_what_speaks_of_backups_is_put_aside() -> None:
    findings = examine(
        script(f"connect('{OLD}')", path="/home/anna/analysis.py"),
        script("python /home/anna/analysis.py", path="/home/anna/all.sh"),
        Document("/etc/systemd/system/worker.service", _legacy.UNIT, (f"Environment=DB={OLD}",)),
        Document(
            "/etc/cron.d/lab",
            _legacy.CRONTAB,
            (f"H={OLD}", f"1 * * * * root curl {OLD}", f"2 * * * * root rsync {OLD}:"),
        ),
        Document("/home/anna/.config/systemd/user/backup.service", _legacy.UNIT, (f"ExecStart=rsync {OLD}:",)),
        addresses=[OLD],
    )
    assert [(finding.path, finding.line, finding.removal) for finding in findings] == [
        ("/etc/cron.d/lab", 1, "by hand"),
        ("/etc/cron.d/lab", 2, "by hand"),
        ("/etc/cron.d/lab", 3, "comment"),
        ("/etc/systemd/system/worker.service", 1, "by hand"),
        ("/home/anna/.config/systemd/user/backup.service", 1, "by hand"),
        ("/home/anna/all.sh", 2, "by hand"),
        ("/home/anna/analysis.py", 2, "by hand"),
    ]


# --------------------------------------------------------------------------------------------------------------- ssh


def test_a_block_of_the_ssh_configuration_goes_whole_or_stays() -> None:
    document = Document(
        "/root/.ssh/config",
        _legacy.SSH_CONFIG,
        (f"Host {OLD}", "  User root", "", "  Port 2222", f"Host tatchu {OLD}", "  User root", "Host other"),
    )
    findings = examine(document, addresses=[OLD])
    assert [(finding.line, finding.removal) for finding in findings] == [(1, "comment"), (5, "by hand")]
    assert _legacy.commented(document.lines, findings) == [
        f"# legacy: Host {OLD}",
        "# legacy:   User root",
        "",
        "# legacy:   Port 2222",
        *document.lines[4:],
    ]


def hashed(name: str) -> str:
    salt = hashlib.sha1(name.encode()).digest()
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


HOSTS = (
    f"{OLD} ssh-ed25519 AAAA",
    f"tatchu,{OLD} ssh-ed25519 BBBB",
    "10.9.9.9 ssh-ed25519 BBBB",
    "10.5.5.5 ssh-ed25519 CCCC",
    f"{hashed(OLD)} ssh-ed25519 DDDD",
    f"{hashed(f'[{OLD}]:2222')} ssh-ed25519 EEEE",
    f"{hashed('10.98.65.17')} ssh-ed25519 FFFF",
    f"{hashed('old-tatchu')} ssh-ed25519 GGGG",
    "@cert-authority 10.5.5.6 ssh-ed25519 HHHH",
    "|1|???|x ssh-ed25519 IIII",
    "broken",
)


def in_known_hosts(*others: Document, addresses: t.Sequence[str] = ()) -> list[tuple[int, str, str]]:
    document = Document("/root/.ssh/known_hosts", _legacy.KNOWN_HOSTS, HOSTS)
    found = examine(document, *others, addresses=addresses)
    return [(finding.line, finding.reason, finding.removal) for finding in found if finding.path == document.path]


def test_known_hosts_by_what_the_scripts_carry_and_by_the_keys_of_the_inventorys_hosts() -> None:
    assert in_known_hosts(script(f"rsync -e 'ssh -p 2222' {OLD}:/a /b")) == [
        (1, f"carries {OLD}", "comment"),
        (2, f"carries {OLD}", "by hand"),
        (3, "carries 10.9.9.9", "comment"),
        (5, f"carries {OLD} (hashed)", "comment"),
        (6, f"carries {OLD} (hashed)", "comment"),
    ]
    assert in_known_hosts(script(f"rsync {OLD}:/a /b"))[4] == (6, f"carries {OLD} (hashed)", "comment")
    assert in_known_hosts() == [(2, f"carries {OLD}", "by hand"), (3, "carries 10.9.9.9", "comment")]


def test_known_hosts_by_names_and_by_trying_a_whole_network() -> None:
    assert in_known_hosts(addresses=["10.1.2.0/24", "old-tatchu"]) == [
        (1, f"carries {OLD}", "comment"),
        (2, f"carries {OLD}", "by hand"),
        (5, f"carries {OLD} (hashed)", "comment"),
        (6, f"carries {OLD} (hashed)", "comment"),
        (8, "carries old-tatchu (hashed)", "comment"),
    ]


def test_keys_of_earlier_backups() -> None:
    document = Document(
        "/root/.ssh/authorized_keys",
        _legacy.AUTHORIZED_KEYS,
        (
            f'from="{OLD}",no-pty ssh-ed25519 AAAA root@somewhere',
            f'from="{OLD},10.98.65.8" ssh-ed25519 BBBB key',
            'command="/usr/bin/rrsync /data" ssh-rsa CCCC key',
            "ssh-ed25519 DDDD root@loki",
            "ssh-ed25519 EEEE anna@tatchu",
            "ssh-ed25519 FFFF lab-client",
            '# command="rsync" ssh-rsa GGGG root@loki',
            f"ssh-ed25519 HHHH root@{OLD}",
        ),
    )
    findings = examine(document, addresses=[OLD])
    assert [(finding.line, finding.reason, finding.removal) for finding in findings] == [
        (1, f"carries {OLD}", "comment"),
        (2, f"carries {OLD}", "by hand"),
        (3, "a key for a script of earlier backups", "comment"),
        (4, "looks like a key of earlier backups (root@loki)", "by hand"),
        (8, f"carries {OLD}", "by hand"),
    ]


def test_the_configuration_of_sshd_is_for_a_person() -> None:
    document = Document("/etc/ssh/sshd_config", _legacy.SSHD_CONFIG, ("Port 22", f"AllowUsers root@{OLD} # backup"))
    assert told(examine(document)) == [("/etc/ssh/sshd_config", 2, f"carries {OLD}", "by hand")]


# --------------------------------------------------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("mysqldump -u root -phunter2 --all", "mysqldump -u root -p*** --all"),
        ("mysqldump --password='hunter 2' x", "mysqldump --password=*** x"),
        ("borg --passphrase hunter2 x", "borg --passphrase *** x"),
        ('export BORG_PASSPHRASE="hunter 2"', "export BORG_PASSPHRASE=***"),
        ("MY_API_KEY: hunter2", "MY_API_KEY: ***"),
        ("sshpass -p hunter2 rsync x", "sshpass -p *** rsync x"),
        ("curl -s -u me:hunter2 x", "curl -s -u *** x"),
        ("curl -H 'Authorization: Bearer hunter2'", "curl -H 'Authorization: Bearer ***'"),
        ("rsync rsync://me:hunter2@h/x", "rsync rsync://***@h/x"),
        ("apprise tgram://hunter2/chat", "apprise tgram://***"),
        ("curl https://hooks.slack.com/services/hunter2", "curl https://hooks.slack.com/***"),
        ("rsync -a --port 873 tatchu:/a /b\t\x1b[31m", "rsync -a --port 873 tatchu:/a /b \\x1b[31m"),
        ("x" * 300, "x" * 197 + "..."),
    ],
)
def test_secrets_and_control_characters_are_not_told(line: str, shown: str) -> None:
    assert _legacy.mask(line) == shown


def test_the_table_lines_up() -> None:
    findings = [finding.plain() for finding in examine(script(f"PASSWORD=x rsync {OLD}:/a /b"))]
    assert findings == [
        {
            "kind": "script",
            "path": SCRIPT,
            "line": 2,
            "text": f"PASSWORD=*** rsync {OLD}:/a /b",
            "address": OLD,
            "reason": f"carries {OLD}",
            "removal": "move",
        }
    ]
    assert _legacy.legacy_table(findings) == [
        "where                                    what              removal  line",
        f"{SCRIPT}:2  carries {OLD}  move     PASSWORD=*** rsync {OLD}:/a /b",
    ]


def test_what_is_commented_out_is_not_found_again() -> None:
    document = Document("/etc/cron.d/lab", _legacy.CRONTAB, (f"2 * * * * root rsync {OLD}:", ""))
    again = Document(document.path, document.kind, tuple(_legacy.commented(document.lines, examine(document))))
    assert again.lines == (f"# legacy: 2 * * * * root rsync {OLD}:", "")
    assert examine(again) == []
