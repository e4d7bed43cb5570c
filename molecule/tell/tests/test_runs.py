# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run ended reaches people: once, with what they need, whatever became of it."""

import base64
import re

import pytest

testinfra_hosts = ["ansible://loki"]
DUMP = "/usr/local/sbin/backup_and_notify_on_tatchu.sh"
NIGHT = "/usr/local/sbin/backup_and_notify_on_loki.sh"


def dumps(tatchu, ledger):
    return [run["run_id"] for run in ledger(tatchu) if run["job"] == "dump"]


def test_a_good_run_is_told_by_request_and_by_mail(tatchu, heard, ledger):
    assert tatchu.run(DUMP).rc == 0
    run = dumps(tatchu, ledger)[-1]
    ((severity, title, body),) = heard(tatchu).messages
    assert severity == "success"
    assert title.startswith("dump good: tatchu") and run in title
    assert "last good dump set: 2" in body
    assert f"look further, on tatchu: less /var/log/labops-backup/dump/{run}/stdout" in body
    (mail,) = heard(tatchu).mails
    assert mail["subject"] == title
    assert mail["to"] == ["<people@lab.test>"]


def test_ten_failures_of_one_cause_are_one_message_and_then_it_recovers(tatchu, heard, put):
    """Ansible does not even start: the inventory of the jobs is no inventory."""
    inventory = "/etc/labops-backup/inventory.json"
    tatchu.check_output(f"cp -p {inventory} /root/inventory.json && echo '[' >{inventory}")
    try:
        ended = [tatchu.run(DUMP).rc for _ in range(10)]
    finally:
        tatchu.check_output(f"mv /root/inventory.json {inventory}")
    assert 0 not in ended
    ((severity, title, body),) = heard(tatchu).messages
    assert severity == "failure"
    assert title == f"tatchu: the job dump ended with code {ended[0]} without a verdict"
    assert "The last lines of its log:" in body
    assert tatchu.run(DUMP).rc == 0
    recovery = [one for one in heard(tatchu).messages if one[0] == "recovery"]
    ((_severity, title, body),) = recovery
    assert title.startswith("RECOVERED: dump good")
    assert "It had failed 10 times since 2" in body


def test_another_cause_speaks_at_once(tatchu, heard, away):
    inventory = "/etc/labops-backup/inventory.json"
    away(tatchu, "/etc/labops-backup/database.cnf")
    assert [tatchu.run(DUMP).rc for _ in range(2)] == [2, 2]
    tatchu.check_output(f"mv {inventory} {inventory}.gone")
    try:
        assert tatchu.run(DUMP).rc not in (0, 2)
    finally:
        tatchu.check_output(f"mv {inventory}.gone {inventory}")
    titles = heard(tatchu).titles
    assert [severity for severity, _title in titles] == ["failure", "failure"]
    assert titles[0][1].startswith("dump FAILED: tatchu")
    assert "without a verdict" in titles[1][1]


def test_a_job_that_still_runs_is_told(tatchu, heard, background, until):
    running = "systemctl is-active labops-backup-dump.service"
    background(tatchu, DUMP)
    until(lambda: tatchu.run(running).rc == 0)
    assert tatchu.run(DUMP).rc == 75
    assert ("failure", "tatchu: the job dump ended with code 75 without a verdict") in heard(tatchu).titles
    until(lambda: tatchu.run(running).rc != 0)
    until(lambda: len(heard(tatchu).titles) == 3)


def test_a_job_that_is_stopped_is_told(tatchu, heard, background, until, ledger):
    before = set(dumps(tatchu, ledger))
    background(tatchu, DUMP)
    until(lambda: set(dumps(tatchu, ledger)) - before)
    tatchu.check_output("systemctl stop labops-backup-dump.service")
    until(lambda: heard(tatchu).titles)
    ((severity, title, body),) = heard(tatchu).messages
    assert (severity, title) == ("failure", "tatchu: the job dump ended with code 70 without a verdict")
    assert "It was stopped, or died" in body


@pytest.mark.long
def test_a_job_that_exceeds_its_time_is_told(tatchu, heard):
    helper = "/usr/local/libexec/labops-backup/run-job"
    tatchu.check_output(f"cp -p {helper} /root/run-job && sed -i 's/RuntimeMaxSec=infinity/RuntimeMaxSec=2/' {helper}")
    try:
        assert tatchu.run(DUMP).rc == 70
    finally:
        tatchu.check_output(f"mv /root/run-job {helper}")
    assert heard(tatchu).titles == [("failure", "tatchu: the job dump ended with code 70 without a verdict")]


def test_without_its_environment_it_speaks_by_the_log_and_the_other_watch_speaks_for_it(
    loki, tatchu, heard, away, watch
):
    away(tatchu, "/opt/labops-backup")
    ended = tatchu.run(DUMP)
    assert ended.rc == 69
    assert "nobody could be told" in ended.stderr
    assert heard(tatchu).messages == []
    logged = tatchu.check_output("journalctl -t labops-backup --since=-2min --no-pager")
    assert "nobody could be told: tatchu: the job dump ended with code 69 without a verdict" in logged
    assert watch(tatchu) != 0
    watch(loki)
    ((severity, _title, body),) = heard(loki).messages
    assert severity == "failure"
    assert "tatchu could tell nobody: tatchu: the job dump ended with code 69" in body


def test_what_nobody_heard_is_told_as_soon_as_somebody_hears(tatchu, heard, watch):
    tatchu.check_output("mv /opt/labops-backup /opt/labops-backup.away")
    try:
        assert tatchu.run(DUMP).rc == 69
    finally:
        tatchu.check_output("mv /opt/labops-backup.away /opt/labops-backup")
    assert watch(tatchu) == 0
    ((severity, title, body),) = heard(tatchu).messages
    assert (severity, title) == ("failure", "nobody could be told of what happened before")
    assert "tatchu: the job dump ended with code 69 without a verdict" in body
    assert watch(tatchu) == 0
    assert len(heard(tatchu).messages) == 1


def test_a_wrapper_that_is_killed_is_noticed_by_the_watch(tatchu, heard, background, until, watch, ledger):
    before = set(dumps(tatchu, ledger))
    background(tatchu, DUMP)
    until(lambda: set(dumps(tatchu, ledger)) - before)
    tatchu.check_output("pkill -KILL -f '^/bin/sh /usr/local/sbin/backup_and_notify_on_tatchu.sh'")
    (run,) = set(dumps(tatchu, ledger)) - before
    until(lambda: tatchu.run(f"pgrep -f [{run[0]}]{run[1:]}").rc != 0)
    assert heard(tatchu).messages == []
    watch(tatchu)
    ((severity, title, _body),) = heard(tatchu).messages
    assert severity == "failure"
    assert title.startswith(f"watch: the dump run {run} ended as success and its wrapper told nobody")
    watch(tatchu)
    assert len(heard(tatchu).messages) == 1


@pytest.mark.long
def test_a_run_that_dies_with_its_wrapper_is_told_as_died(tatchu, heard, background, until, watch, ledger):
    before = set(dumps(tatchu, ledger))
    background(tatchu, DUMP)
    until(lambda: set(dumps(tatchu, ledger)) - before)
    tatchu.check_output(
        "pkill -KILL -f '^/bin/sh /usr/local/(sbin/backup_and_notify_on|libexec/labops-backup/run-job)'"
    )
    tatchu.check_output("systemctl kill --signal=KILL labops-backup-dump.service")
    (run,) = set(dumps(tatchu, ledger)) - before
    until(lambda: tatchu.run(f"pgrep -f [{run[0]}]{run[1:]}").rc != 0)
    watch(tatchu)
    assert heard(tatchu).titles[0][1].startswith(f"watch: the dump run {run} died and its wrapper told nobody")


def test_a_full_disk_silences_nothing_and_repeats_nothing(tatchu, heard, full, watch):
    full(tatchu, "/var/lib/labops-backup")
    assert 0 not in [tatchu.run(DUMP).rc for _ in range(2)]
    assert [severity for severity, _title in heard(tatchu).titles] == ["failure"]
    full(tatchu, "/var/lib/labops-backup")
    watch(tatchu)
    severity, _title, body = heard(tatchu).messages[-1]
    assert severity == "failure"
    assert "nothing can be written below /var/lib/labops-backup/watch: No space left on device" in body


@pytest.mark.long
def test_a_channel_that_hangs_fails_nothing_and_delays_to_its_limit(tatchu, heard, put, background):
    """Its server takes the request and never answers; Apprise gives up by itself, or is ended."""
    hang = 'import socket,time; s=socket.create_server(("127.0.0.1",8099)); c=s.accept(); time.sleep(300)'
    tatchu.check_output(f"systemd-run --collect --unit=lab-hang /usr/bin/python3 -c '{hang}'")
    notify = "/etc/labops-backup/notify.yml"
    tatchu.check_output(f"cp -p {notify} /root/notify.yml")
    tatchu.check_output(f"printf -- '- json://127.0.0.1:8099/x:\\n  - tag: [info, info-9]\\n' >>{notify}")
    hanging = {"severity": "info", "tag": "info-9", "scheme": "json"}
    put(
        tatchu,
        "/etc/labops-backup/tell.json",
        lambda told: told.update(channels=[hanging, *told["channels"]], seconds=20),
    )
    try:
        ended = tatchu.run(f"time -p {DUMP}")
    finally:
        tatchu.check_output(f"mv /root/notify.yml {notify}; systemctl stop lab-hang")
    assert ended.rc == 0
    assert re.fullmatch(r"labops-backup: not told over info-9 \(json\): .*\nreal [0-9.]+\n(.*\n)*", ended.stderr)
    assert float(re.search(r"^real ([0-9.]+)$", ended.stderr, re.MULTILINE)[1]) < 60
    assert [severity for severity, _title in heard(tatchu).titles] == ["success"]


def test_nothing_in_a_message_is_obeyed(loki, heard):
    """What a host or a file may be called, as a play could leave it in its message."""
    run = "20261123T023000Z-0badca"
    folder = f"/var/log/labops-backup/restore/{run}"
    title = "backup FAILED: <img src=x onerror=alert(1)>\x1b[31m\rBcc: eve@example.org"
    text = f"{title}\n<script>alert(1)</script> \x1b]0;owned\x07 &amp; \u202egnp.exe\n"
    encoded = base64.b64encode(text.encode()).decode()
    loki.check_output(f"mkdir -p {folder} && echo {encoded} | base64 -d >{folder}/message")
    assert loki.run(f"/usr/local/libexec/labops-backup/tell {run} restore 2").rc == 0
    ((_severity, told, body),) = heard(loki).messages
    assert told == r"backup FAILED: <img src=x onerror=alert(1)>\x1b[31m\x0dBcc: eve@example.org"
    assert r"<script>alert(1)</script> \x1b]0;owned\x07 &amp; \u202egnp.exe" in body
    (mail,) = heard(loki).mails
    assert mail["subject"] == told
    assert "Bcc" not in mail["headers"]
    assert mail["to"] == ["<people@lab.test>"]
    page = mail["bodies"].get("text/html", "")
    assert "<script" not in page and "<img" not in page
    assert any("alert(1)" in text for text in mail["bodies"].values())
    loki.check_output(f"rm -rf {folder}")


def test_a_failing_night_is_told_and_the_switch_hears_it_and_the_next_recovers(loki, tatchu, heard, ledger):
    tatchu.check_output("systemctl stop datajoint-worker && mv /datajoint-db/blobs /datajoint-db/blobs.away")
    try:
        assert loki.run(NIGHT).rc == 2
    finally:
        tatchu.check_output("mv /datajoint-db/blobs.away /datajoint-db/blobs && systemctl start datajoint-worker")
    run = [one["run_id"] for one in ledger(loki) if one["job"] == "backup"][-1]
    ((severity, title, body),) = heard(loki).messages
    assert severity == "failure"
    assert title == f"backup FAILED: tatchu/blobs, tatchu: point partial (run {run})"
    assert "last good point of tatchu: " in body
    (start, started), (fail, failed) = heard(loki).pings
    assert (start, started, fail) == ("/start", "", "/fail")
    assert title in failed
    assert loki.run(NIGHT).rc == 0
    assert heard(loki).pings[2][0] == "/start"
    assert heard(loki).pings[3][0] == ""
    recovery = [one for one in heard(loki).messages if one[0] == "recovery"]
    ((_severity, title, body),) = recovery
    assert title.startswith("RECOVERED: backup good: recovery point of tatchu")
    assert "It had failed once since 2" in body
    # Those of one run are sent side by side, and come in any order.
    first, *others = [path for path, *_rest in heard(loki).messages]
    assert (first, sorted(others)) == ("failure", ["recovery", "success"])


@pytest.fixture
def sendmail(tatchu):
    """A real mail transport, which hands local mail to the catcher; gone after the test."""
    settings = "account default\\nhost 127.0.0.1\\nport 8026\\nfrom backup@lab.test\\n"
    tatchu.check_output("apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq msmtp-mta")
    tatchu.check_output(f"printf '{settings}' >/etc/msmtprc")
    yield
    tatchu.check_output("DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq msmtp-mta msmtp; rm -f /etc/msmtprc")


@pytest.mark.long
@pytest.mark.usefixtures("sendmail")
def test_local_mail_goes_out_when_no_channel_works_and_when_not_even_tell_does(tatchu, heard, away):
    away(tatchu, "/opt/labops-backup")
    assert tatchu.run(DUMP).rc == 69
    (mail,) = heard(tatchu).mails
    assert mail["to"] == ["<root>"]
    assert mail["subject"].strip() == "[labops-backup] tatchu: the job dump ended with code 69 without a verdict"
    assert "Run site.yml for this host." in mail["bodies"]["text/plain"]
    away(tatchu, "/usr/local/libexec/labops-backup/tell")
    assert tatchu.run(DUMP).rc == 69
    mail = heard(tatchu).mails[-1]
    assert mail["subject"].startswith("[labops-backup] backup_and_notify_on_tatchu.sh: run 2")
    assert mail["subject"].endswith("ended with code 69, and nobody could be told (tell: 127)")


@pytest.mark.long
@pytest.mark.parametrize("job", ["verify", "drill"])
def test_a_check_that_cannot_read_a_repository_is_told_as_every_job_is(loki, heard, away, job):
    away(loki, "/etc/labops-backup/borg/tatchu.passphrase")
    ended = loki.run(f"/usr/local/sbin/{job}_and_notify_on_loki.sh")
    assert ended.rc != 0
    ((severity, title, body),) = heard(loki).messages
    assert severity == "failure"
    assert job in title
    assert f"host loki, job {job}, run 2" in body
    assert heard(loki).pings == []
