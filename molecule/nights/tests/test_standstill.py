# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands still is ended by the limit for lack of progress; what is stopped leaves nothing behind."""

import json
import shlex

import pytest

testinfra_hosts = ["ansible://loki"]
INVENTORY = "/etc/labops-backup/inventory.json"
UNIT = "labops-backup-backup-*"
PULL = r"rsync -aHAX(?!.* --dry-run).*::data/"
CREATE = r"borg .* create .*/data::"


@pytest.fixture(scope="module")
def impatient(loki):
    """Eight seconds without progress are too much."""
    before = loki.file(INVENTORY).content_string
    inventory = json.loads(before)

    def shorten(part):
        if isinstance(part, dict):
            for name, value in part.items():
                if name == "backup_server":
                    part["backup_stall_seconds"] = 8
                    return
                shorten(value)

    shorten(inventory)
    text = json.dumps(inventory)
    assert "backup_stall_seconds" in text
    loki.check_output(f"cp -p {INVENTORY} /root/inventory.json")
    loki.check_output(f"printf %s {shlex.quote(text)} >{INVENTORY}")
    yield
    loki.check_output(f"cp -p /root/inventory.json {INVENTORY}")


def data_of(run):
    return next(entry for entry in run["outcomes"] if entry["dataset"] == "data")


@pytest.mark.parametrize(
    ("pattern", "step", "said"),
    [
        pytest.param(PULL, "Pull", "rsync stood still", id="rsync", marks=pytest.mark.long),
        pytest.param(CREATE, "Archive", "it stood still", id="borg", marks=pytest.mark.long),
    ],
)
def test_a_stopped_program_is_ended(loki, start, strike, grow, last, impatient, nothing_left, pattern, step, said):
    grow(40)
    night = start(loki)
    strike(loki, pattern, "stop")
    assert night.wait(300) == 2
    outcome = data_of(last())
    assert (outcome["ok"], outcome["step"]) == (False, step)
    assert said in outcome["message"] and "no sign of progress for 8 s" in outcome["message"]
    assert last()["points"][0]["state"] == "partial"
    nothing_left()


@pytest.mark.long
def test_a_cut_line_is_noticed_and_the_transfer_resumes(
    loki, tatchu, start, strike, grow, last, impatient, nothing_left, recovered, borg
):
    """What had come of a large file waits outside the mirror, is used by the next pull and never archived."""
    loki.check_output("command -v iptables || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq iptables")
    path = grow(400)
    partial = "/srv/backup/mirror/tatchu/data.partial"
    night = start(loki)
    strike(loki, PULL, "stop")
    loki.check_output(
        "pkill -CONT -x rsync; for i in $(seq 100); do"
        " [ $(find /srv/backup/mirror/tatchu/data -name '.*.bin.??????' -size +20M | wc -l) -gt 0 ]"
        " && break; sleep 0.05; done"
    )
    loki.check_output("iptables -I INPUT -p tcp --sport 22 -j DROP; iptables -I OUTPUT -p tcp --dport 22 -j DROP")
    try:
        assert night.wait(400) == 2
    finally:
        loki.check_output("iptables -D INPUT -p tcp --sport 22 -j DROP; iptables -D OUTPUT -p tcp --dport 22 -j DROP")
    outcome = data_of(last())
    assert outcome["step"] == "Pull" and "timeout" in outcome["message"]
    nothing_left()
    kept = loki.check_output(f"stat -c %s {partial}/*.bin")
    assert int(kept) > 20 << 20
    run = recovered()
    assert data_of(run)["transferred_bytes"] >= 400 << 20
    assert not loki.file(partial).exists
    names = borg("list --short", f"data::tatchu-data-{run['run_id']}").stdout
    assert "partial" not in names and ".bin." not in names
    tatchu.check_output(f"rm {path}")


@pytest.mark.long
@pytest.mark.parametrize("pattern", [PULL, CREATE], ids=["pull", "create"])
@pytest.mark.parametrize("how", ["stop", "limit"])
def test_a_stopped_unit_leaves_nothing(loki, start, strike, grow, last, failures, nothing_left, pattern, how):
    grow(200)
    night = start(loki)
    working = strike(loki, pattern, "stop")
    loki.check_output(f"kill -CONT {working}")
    if how == "stop":
        loki.check_output(f"systemctl stop '{UNIT}'")
    else:
        unit = loki.check_output(f"systemctl list-units --plain --no-legend '{UNIT}'").split()[0]
        loki.check_output(f"systemctl set-property --runtime {unit} RuntimeMaxSec=1 || systemctl kill -s INT {unit}")
    assert night.wait(200) == 70
    nothing_left()
    (message,) = failures()
    assert "without a verdict" in message


@pytest.mark.long
def test_the_night_after_all_that_is_good(recovered):
    recovered()
