# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands still is ended by the limit for lack of progress; what is stopped leaves nothing behind.

These runs take one dataset, in the unit that a night has.
"""

import datetime
import json
import shlex

import pytest

testinfra_hosts = ["ansible://loki"]
UNIT = "labops-backup-backup-*"
PULL = r"rsync -aHAX(?!.* --dry-run).*::data/"
CREATE = r"borg .* create .*/data::"
SSH = "-p tcp --{end} 22 -j DROP"


def run_job(job, **variables):
    """The command of a run."""
    run_id = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-0000da"
    words = ["/usr/local/libexec/labops-backup/run-job", run_id, job, f"{job}.yml", json.dumps(variables), run_id]
    return shlex.join(words)


def only_data(**variables):
    """The command of a run that pulls and archives the dataset data."""
    return run_job("backup", backup_only_datasets=["data"], backup_stages=["pull", "archive"], **variables)


def data_of(run):
    return next(entry for entry in run["outcomes"] if entry["dataset"] == "data")


@pytest.mark.long
@pytest.mark.parametrize(
    ("pattern", "step", "said"),
    [
        pytest.param(PULL, "Pull", "rsync stood still", id="rsync"),
        pytest.param(CREATE, "Archive", "it stood still", id="borg"),
    ],
)
def test_a_stopped_program_is_ended(loki, start, strike, grow, last, nothing_left, pattern, step, said):
    grow(20)
    run = start(loki, only_data(backup_stall_seconds=8))
    strike(loki, pattern, "stop")
    assert run.wait() == 2
    outcome = data_of(last())
    assert (outcome["ok"], outcome["step"]) == (False, step)
    assert said in outcome["message"] and "no sign of progress for 8 s" in outcome["message"]
    nothing_left()


@pytest.mark.long
def test_a_dump_behind_a_lock_is_ended(tatchu, start, last):
    """The tool itself would wait for a day. The next dump is as good as any."""
    before = tatchu.check_output("ls -A /datajoint-db/dumps")
    asleep = "DO SLEEP(1); " * 90  # a client that is gone is noticed between two statements
    tatchu.check_output(
        "systemd-run -q --unit=lab-lock -- mysql lab_session -e %s", f"LOCK TABLES session WRITE; {asleep}"
    )
    dump = start(tatchu, run_job("dump", backup_stall_seconds=8))
    assert dump.wait() == 2, dump.said
    run = last(host=tatchu, job="dump")
    assert run["state"] == "failure"
    assert "no sign of progress for 8 s" in run["outcomes"][0]["message"]
    assert "Look for what holds a lock" in run["outcomes"][0]["message"]
    tatchu.check_output("systemctl stop lab-lock")
    assert tatchu.run("pgrep -af '(mariadb|mysql)-?dump '").stdout == ""
    assert tatchu.check_output("ls -A /datajoint-db/dumps") == before, "nothing is left of it"
    assert tatchu.run("/usr/local/sbin/backup_and_notify_on_tatchu.sh").rc == 0


@pytest.mark.long
@pytest.mark.parametrize("how", ["systemctl stop", "RuntimeMaxSec"])
@pytest.mark.parametrize("pattern", [PULL, CREATE], ids=["pull", "create"])
def test_a_unit_that_is_stopped_leaves_nothing(loki, start, strike, grow, nothing_left, pattern, how):
    """Also what was stopped itself, and cannot end by itself."""
    grow(20)
    job = only_data()
    if how == "RuntimeMaxSec":
        loki.check_output(
            "sed 's/RuntimeMaxSec=infinity/RuntimeMaxSec=40/' /usr/local/libexec/labops-backup/run-job"
            " >/root/nights/run-job && chmod 0755 /root/nights/run-job"
        )
        job = job.replace("/usr/local/libexec/labops-backup/run-job", "/root/nights/run-job")
    run = start(loki, job)
    strike(loki, pattern, "stop")
    if how == "systemctl stop":
        loki.check_output(f"systemctl stop '{UNIT}'")
    assert run.wait() == 70
    assert "was stopped, or died, before it could say how it went" in run.said
    nothing_left()


@pytest.mark.long
def test_a_cut_line_is_noticed_and_the_transfer_resumes(
    loki, tatchu, start, strike, grow, last, nothing_left, recovered, borg
):
    """What had come of a large file waits outside the mirror, is used by the next pull and never archived."""
    loki.check_output("command -v iptables || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq iptables")
    path = grow(1)
    tatchu.check_output(f"head -c 400M /dev/urandom >{path}")
    mirror = "/srv/backup/mirror/tatchu/data"
    rules = [f"INPUT {SSH.format(end='sport')}", f"OUTPUT {SSH.format(end='dport')}"]
    run = start(loki, only_data(backup_stall_seconds=20))
    strike(loki, PULL, "stop")
    loki.check_output(
        "pkill -CONT -x rsync; for try in $(seq 500); do"
        f' [ -z "$(find {mirror}.temporary -size +20M)" ] || break; sleep 0.02; done;'
        f" iptables -I {rules[0]}; iptables -I {rules[1]}"
    )
    try:
        assert run.wait() == 2
    finally:
        loki.check_output(f"iptables -D {rules[0]}; iptables -D {rules[1]}")
    assert data_of(last())["step"] in ("Pull", "Report")
    nothing_left()
    kept = int(
        loki.check_output(f"find {mirror}.partial {mirror}.temporary -type f -printf '%s\\n' | sort -n | tail -n 1")
    )
    assert kept > 20 << 20
    assert loki.run(f"find {mirror}/nights -name '{path.rpartition('/')[2]}*'").stdout == ""
    received = "cat /sys/class/net/eth0/statistics/rx_bytes"
    before = int(loki.check_output(received))
    night = recovered()
    came = int(loki.check_output(received)) - before
    assert data_of(night)["transferred_bytes"] >= 400 << 20
    assert came < (400 << 20) - kept // 2, f"{came} bytes came although {kept} were there"
    assert loki.check_output(f"find {mirror}.partial {mirror}.temporary {mirror}.resume 2>/dev/null || :") == ""
    names = borg("list --short", f"data::tatchu-data-{night['run_id']}").stdout
    assert "partial" not in names and "temporary" not in names
    tatchu.check_output(f"rm {path}")
