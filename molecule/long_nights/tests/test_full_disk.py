# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk: the night says so, archives no mirror that is not whole, and recovers once there is room."""

import pytest

testinfra_hosts = ["ansible://loki"]
ROOT = "/srv/backup"
PULL = r"rsync -aHAX(?!.* --dry-run).*::data/"
CREATE = r"borg .* create .*/data::"


@pytest.fixture
def shrinkable(loki):
    """The whole of backup_root on a file system whose size can be changed; put back afterwards."""
    loki.check_output(
        "mkdir -p /root/small && mount -t tmpfs -o size=6g,mode=0755 tmpfs /root/small"
        f" && cp -a {ROOT}/. /root/small/ && mount --bind /root/small {ROOT}"
    )

    def resize(spare=None):
        """Leave so many megabytes free; without a number, plenty."""
        used = int(loki.check_output(f"df --output=used -BM {ROOT} | tail -n 1").strip(" M"))
        size = "6g" if spare is None else f"{used + spare}m"
        loki.check_output(f"mount -o remount,size={size} /root/small")

    yield resize
    # The repositories have moved on: what Borg knows of them must not be older than what is there.
    resize()
    loki.check_output(
        f"mkdir -p /root/large && umount {ROOT} && mount --bind {ROOT} /root/large"
        " && rsync -aHAXS --delete /root/small/ /root/large/ && umount /root/large && umount /root/small"
    )


@pytest.mark.long
@pytest.mark.parametrize(("pattern", "step"), [(PULL, "Pull"), (CREATE, "Archive")], ids=["mirror", "repository"])
def test_no_space_left(
    loki, tatchu, shrinkable, grow, start, strike, last, failures, nothing_left, borg, recovered, pattern, step
):
    """The room goes when the census has seen it already."""
    path = grow(1)
    tatchu.check_output(f"head -c 60M /dev/urandom >{path}")
    night = start(loki)
    working = strike(loki, pattern, "stop")
    shrinkable(20)
    loki.check_output(f"kill -CONT {working}")
    assert night.wait() == 2
    run = last()
    outcome = next(entry for entry in run["outcomes"] if entry["dataset"] == "data")
    assert (outcome["ok"], outcome["step"]) == (False, step)
    said = ("No space left on device", "is full", "less space is free than the repository keeps in reserve")
    assert any(text in outcome["message"] for text in said), outcome["message"]
    assert run["points"][0].get("state") != "complete"
    (message,) = failures()
    assert "tatchu/data" in message
    assert run["run_id"] not in borg("list --short", "data").stdout
    nothing_left()
    shrinkable()
    recovered()
    tatchu.check_output(f"rm {path}")
