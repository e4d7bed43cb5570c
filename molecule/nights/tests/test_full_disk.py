# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk: the night says so, archives no mirror that is not whole, and recovers once there is room."""

import pytest

testinfra_hosts = ["ansible://loki"]
PULL = r"rsync -aHAX(?!.* --dry-run).*::data/"


@pytest.mark.long
def test_the_repository_is_full(loki, grow, last, failures, borg, nothing_left, recovered, tatchu):
    """Borg meets the end of the disk in the middle of an archive."""
    place = "/srv/backup/borg/tatchu/data"
    used = int(loki.check_output(f"du -sm {place}").split()[0])
    loki.check_output(
        f"mv {place} {place}.large && mkdir -m 0700 {place}"
        f" && mount -t tmpfs -o size={used + 60}m,mode=0700 tmpfs {place} && cp -a {place}.large/. {place}/"
    )
    path = grow(150)
    try:
        assert loki.run("/usr/local/sbin/backup_and_notify_on_loki.sh").rc == 2
        outcome = next(entry for entry in last()["outcomes"] if entry["dataset"] == "data")
        assert outcome["step"] == "Archive"
        assert "full" in outcome["message"] or "free" in outcome["message"]
        assert last()["points"][0]["state"] == "partial"
        (message,) = failures()
        assert "tatchu/data" in message
        nothing_left()
        loki.check_output(f"mount -o remount,size={used + 600}m {place}")
        recovered()
        loki.check_output(f"rm -rf {place}.large && cp -a {place} {place}.large")
    finally:
        loki.check_output(f"umount {place} && rmdir {place} && mv {place}.large {place}")
    tatchu.check_output(f"rm {path}")


@pytest.mark.long
def test_the_mirror_is_full(loki, grow, last, failures, start, strike, nothing_left, recovered, tatchu):
    """The room is gone after the census saw it."""
    place = "/srv/backup/mirror"
    used = int(loki.check_output(f"du -sm {place}").split()[0])
    path = grow(300)
    loki.check_output("ls /srv/backup/mirror/tatchu")
    loki.check_output(
        f"fallocate -l 4G /root/disk.img && mkfs.ext4 -q /root/disk.img && mkdir -p /root/disk"
        f" && mount -o loop /root/disk.img /root/disk && cp -a /srv/backup/. /root/disk/"
        f" && mount --move /root/disk /srv/backup"
    )
    assert used
    try:
        night = start(loki)
        pulling = strike(loki, PULL, "stop")
        loki.run("fallocate -l $(($(stat -f -c %a /srv/backup) * $(stat -f -c %S /srv/backup) - 30000000)) /srv/backup/filler")
        loki.check_output(f"kill -CONT {pulling}")
        assert night.wait(300) == 2
        outcome = next(entry for entry in last()["outcomes"] if entry["dataset"] == "data")
        assert outcome["step"] == "Pull" and "No space left on device" in outcome["message"]
        assert failures()
        nothing_left()
        loki.check_output("rm /srv/backup/filler")
        recovered()
    finally:
        loki.run("rm -f /srv/backup/filler")
        loki.run("umount /srv/backup || umount -l /srv/backup; rm -f /root/disk.img")
    tatchu.check_output(f"rm {path}")
