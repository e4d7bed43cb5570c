# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source that changes during the night: what the dump refers to goes away, and a recording grows all the time."""

import json

import pytest

testinfra_hosts = ["ansible://loki"]
BLOBS = "/datajoint-db/blobs"
RECORDING = "/datajoint-data/nights/recording.bin"


@pytest.fixture
def referenced(tatchu):
    """The path of a blob that the newest dump set refers to; it is there again after the test."""
    lines = tatchu.check_output("cat $(ls -d /datajoint-db/dumps/2*Z-* | tail -n 1)/references.jsonl").splitlines()
    entries = map(json.loads, lines[1:])
    path = next(entry["path"] for entry in entries if entry["kind"] == "blob" and entry["used"])
    yield path
    tatchu.check_output(f"[ -e {BLOBS}/{path} ] || mv /root/referenced {BLOBS}/{path}")


@pytest.mark.long
def test_a_blob_that_a_row_uses_is_gone(loki, tatchu, start, strike, referenced, last, failures, borg, recovered):
    """As garbage collection between dump and pull would do it: the point is partial, people are told."""
    night = start(loki)
    pinned = strike(loki, r"rsync -aHAX.* --dry-run .*::blobs/", "stop")
    tatchu.check_output(f"mv {BLOBS}/{referenced} /root/referenced")
    loki.check_output(f"kill -CONT {pinned}")
    assert night.wait() == 2, night.said
    run = last()
    assert [entry["dataset"] for entry in run["outcomes"] if not entry["ok"]] == []
    (point,) = run["points"]
    assert point["state"] == "partial"
    assert "retention" not in point or "stopped" in point["retention"]
    (message,) = failures()
    assert "partial" in message and "references" in message
    # Restorable by its name only, with the reason in the seal.
    seal = json.loads(borg("extract --stdout", f"points::point-{run['run_id']}", "point.json").stdout)
    assert seal["state"] == "partial"
    assert any(problem.startswith("the references of the dump did not pass: 1 ") for problem in seal["problems"])
    tatchu.check_output(f"mv /root/referenced {BLOBS}/{referenced}")
    recovered(("blobs",))


@pytest.mark.long
def test_a_recording_that_grows_all_the_time(loki, tatchu, last, extract, recovered):
    """Each archive holds its beginning, byte for byte; nothing is a finding, and nothing of it is archived torn."""
    tatchu.check_output(
        f"mkdir -p $(dirname {RECORDING}); : >{RECORDING}; systemd-run --collect --unit=lab-recorder"
        f" sh -c 'while :; do head -c 65536 /dev/urandom >>{RECORDING}; sleep 0.2; done'"
    )
    lengths = []
    try:
        for _night in range(2):
            ended = loki.run("/usr/local/sbin/backup_and_notify_on_loki.sh")
            assert ended.rc == 0, ended.stdout + ended.stderr
            run = last()
            assert run["points"][0]["state"] == "complete"
            here = extract("data", f"tatchu-data-{run['run_id']}") + "/nights/recording.bin"
            length = loki.file(here).size
            digest = tatchu.check_output(f"head -c {length} {RECORDING} | sha256sum").split()[0]
            assert loki.file(here).sha256sum == digest
            lengths.append(length)
    finally:
        tatchu.check_output(
            "systemctl stop lab-recorder"
        )  # at 300 kB/s, so that the quarantine takes what it was before
    assert 0 < lengths[0] < lengths[1] < tatchu.file(RECORDING).size
    recovered()
