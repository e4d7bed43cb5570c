# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs that lead nowhere are found when somebody asks, and never stop a job."""

import json
import shlex

import pytest

testinfra_hosts = ["ansible://loki"]
TELL = "/usr/local/libexec/labops-backup/tell"


@pytest.fixture
def channel(put):
    """Give a host one more channel for failures, past the role, as if it had gone bad since."""
    kept = []

    def add(host, url):
        notify = "/etc/labops-backup/notify.yml"
        host.check_output(f"cp -p {notify} /root/notify.yml")
        kept.append((host, notify))
        entry = f"- {json.dumps(url)}:\n  - tag: [failure, failure-9]\n"
        host.check_output(f"printf %s {shlex.quote(entry)} >>{notify}")
        more = {"severity": "failure", "tag": "failure-9", "scheme": url.split(":")[0]}
        put(host, "/etc/labops-backup/tell.json", lambda told: told["channels"].append(more))

    yield add
    for host, notify in kept:
        host.check_output(f"mv /root/notify.yml {notify}")


def test_a_test_message_goes_over_every_url(loki, tatchu, heard, playbook):
    done = playbook("site", "--tags", "notify_test")
    assert done.returncode == 0, done.stdout
    for host, name in ((loki, "loki"), (tatchu, "tatchu")):
        assert sorted(heard(host).titles) == sorted(
            (path, f"{name}: this is a test of the backup's messages ({severity})")
            for severity, path in (
                ("failure", "failure"),
                ("warning", "warning"),
                ("recovery", "recovery"),
                ("recovery", "success"),
                ("info", "success"),
            )
        )
        assert len(heard(host).mails) == 3
    assert [path for path, _body in heard(loki).pings] == ["/log"]
    assert heard(tatchu).pings == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("json://127.0.0.1:9/token-of-ours", "it was not delivered"),
        ("nosuchservice://token-of-ours@127.0.0.1", "Apprise does not understand this URL"),
    ],
)
def test_the_url_that_fails_is_named_and_not_shown_and_the_others_still_speak(
    loki, heard, channel, playbook, ledger, url, why
):
    channel(loki, url)
    done = playbook("site", "--tags", "notify_test")
    assert done.returncode == 2
    assert "From loki these did not take the test message: failure-9" in " ".join(done.stdout.split())
    assert why in " ".join(done.stdout.split())
    assert "token-of-ours" not in done.stdout + done.stderr
    run = "20261123T023000Z-0badca"
    assert loki.run(f"{TELL} {run} restore 2").rc == 0
    assert heard(loki).titles[-1][0] == "failure"


def test_what_is_malformed_is_known_without_sending(loki, heard, channel):
    channel(loki, "nosuchservice://token-of-ours@127.0.0.1")
    found = json.loads(loki.check_output(f"{TELL} --check"))
    strange = [one for one in found["channels"] if not one["understood"]]
    assert [(one["tag"], one["problem"]) for one in strange] == [
        ("failure-9", "Apprise does not understand this URL"),
    ]
    assert heard(loki).messages == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "notification_urls",
            {"failure": ["nosuchservice://x"]},
            # The list of failures speaks for warnings and recoveries, too.
            "Apprise on loki does not understand failure-1, warning-1, recovery-1 (the list in notification_urls",
        ),
        ("notification_urls", {"failure": ["not a url"]}, "every entry is a URL"),
        ("notification_urls", {"failure": ["json://x"], "sucess": []}, "warning, recovery and success"),
        ("notification_ping_url", "file:///etc/shadow", "notification_ping_url is neither empty nor a URL"),
        ("notification_mail_to", "-oQ/tmp root", "one address"),
    ],
)
def test_what_cannot_be_right_is_refused_by_site_yml_and_changes_nothing(loki, playbook, variable, value, said):
    before = loki.check_output("sha256sum /etc/labops-backup/notify.yml /etc/labops-backup/tell.json")
    done = playbook("site", "--tags", "notification", "--limit", "loki", "-e", json.dumps({variable: value}))
    assert done.returncode == 2
    assert said in " ".join(done.stdout.split())
    assert loki.check_output("sha256sum /etc/labops-backup/notify.yml /etc/labops-backup/tell.json") == before
