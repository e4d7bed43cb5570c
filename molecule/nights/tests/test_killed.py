# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed in any stage: people hear of it, and the next night recovers alone."""

import pytest

testinfra_hosts = ["ansible://loki"]
UNIT = "labops-backup-backup-*"
STAGES = {
    "census": r"rsync -aHAX.* --dry-run .*::data/",
    "pull": r"rsync -aHAX(?!.* --dry-run).*::data/",
    "content": r"^\S*python\S* \S*AnsiballZ_content_verify",
    "create": r"borg .* create .*/data::",
    "proof": r"borg .* info .*/data::",
    "seal": r"borg .* create .*/points::",
    "retention": r"^\S*python\S* \S*AnsiballZ_recovery_point_prune",
    "compact": r"borg .* compact ",
}
QUICK = [("pull", UNIT), ("create", "process")]


def cases():
    for stage in STAGES:
        for action in ("process", UNIT):
            quick = (stage, action) in QUICK
            name = f"{stage}-{'unit' if action == UNIT else 'process'}"
            yield pytest.param(stage, action, id=name, marks=[] if quick else [pytest.mark.long])


@pytest.mark.parametrize(("stage", "action"), cases())
def test_killed(loki, start, strike, grow, last, failures, recovered, nothing_left, stage, action):
    grow(60)
    night = start(loki)
    strike(loki, STAGES[stage], action)
    assert night.wait() not in (0, 75)
    (message,) = failures()
    died = last()
    if action == UNIT:
        assert died["state"] == "running"  # nobody was left to write anything else
        assert "without a verdict" in message
    else:
        assert died["state"] == "failure"
    nothing_left()
    run = recovered()
    states = {entry["run_id"]: entry["state"] for entry in last(2)}
    assert states == {died["run_id"]: "died" if action == UNIT else "failure", run["run_id"]: "success"}


@pytest.mark.long
@pytest.mark.parametrize("action", ["process", "labops-backup-dump.service"])
def test_killed_while_dumping(tatchu, start, strike, last, failures, recovered, action):
    before = tatchu.check_output("ls /datajoint-db/dumps").split()
    dump = start(tatchu, "/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    strike(tatchu, r"(mariadb|mysql)-?dump ", action)
    assert dump.wait() not in (0, 75)
    assert len(failures(tatchu)) == 1
    assert tatchu.check_output("ls /datajoint-db/dumps").split() == before, "no set that is not proven shows"
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    assert last(host=tatchu, job="dump")["state"] == "success"
    assert tatchu.run("find /datajoint-db/dumps -maxdepth 1 -name '.*.partial'").stdout == ""
    recovered()
