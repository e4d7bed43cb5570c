# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed in any stage: people hear of it, and the next night recovers alone."""

import pytest

testinfra_hosts = ["ansible://loki"]
DATASETS = ("database", "blobs", "data")
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


# A run that is killed between two of its steps keeps its datasets for at most 120 s more; nights are a day apart.
KEPT = r"""
while grep -hoE 'until second [0-9]+' /run/labops-backup/tatchu.*.lock |
  awk -v now="$(cut -d. -f1 /proc/uptime)" '$3 >= now {kept = 1} END {exit !kept}'; do sleep 2; done
"""


def killed(loki, start, strike, last, failures, nothing_left, stage, action):
    """One night that is killed in this stage; its run."""
    loki.check_output(KEPT)
    before = len(failures())
    night = start(loki)
    strike(loki, STAGES[stage], action)
    assert night.wait() not in (0, 75)
    (message,) = failures()[before:]
    run = last()
    nothing_left()
    if action == UNIT:
        assert run["state"] == "running"  # nobody was left to write anything else
        assert "without a verdict" in message
    else:
        assert run["state"] == "failure"
    return run["run_id"]


@pytest.mark.long
def test_killed_while_pulling(loki, start, strike, grow, last, failures, recovered, nothing_left):
    grow(30)
    run_id = killed(loki, start, strike, last, failures, nothing_left, "pull", UNIT)
    loki.check_output(KEPT)
    recovered(DATASETS)
    assert {run["run_id"]: run["state"] for run in last(5)}[run_id] == "died"


@pytest.mark.long
@pytest.mark.parametrize("action", [UNIT, "process"], ids=["unit", "process"])
def test_killed_in_one_stage_after_the_other(
    loki, start, strike, grow, last, failures, recovered, nothing_left, action
):
    """Each night gets as far as the stage in which it is killed, over what the one before left."""
    dead = []
    for stage in STAGES:
        grow(10)
        dead.append(killed(loki, start, strike, last, failures, nothing_left, stage, action))
    loki.check_output(KEPT)
    recovered(DATASETS)
    states = {run["run_id"]: run["state"] for run in last(20)}
    assert {states[run_id] for run_id in dead} == {"died" if action == UNIT else "failure"}


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


@pytest.mark.long
def test_the_checkpoint_of_an_interrupted_archive_goes(
    loki, tatchu, start, strike, grow, last, borg, recovered, nothing_left
):
    """What Borg left when it was interrupted is of use for the next archive, and is gone behind it."""
    tatchu.check_output(f"head -c 100M /dev/urandom >{grow(1)}")
    night = start(loki)
    archiving = strike(loki, STAGES["create"], "stop")
    has_read = f"$(sed -n 's/rchar: //p' /proc/{archiving}/io)"
    loki.check_output(
        f"kill -CONT {archiving}; until [ {has_read} -gt 50000000 ]; do sleep 0.05; done; kill -INT {archiving}"
    )
    assert night.wait() == 2, night.said
    (outcome,) = [entry for entry in last()["outcomes"] if not entry["ok"]]
    assert (outcome["dataset"], outcome["step"]) == ("data", "Archive")
    assert "a signal ended it" in outcome["message"]
    nothing_left()
    names = borg("list --short --consider-checkpoints", "data").stdout.split()
    assert [name for name in names if name.startswith(f"tatchu-data-{last()['run_id']}.checkpoint")]
    recovered()
