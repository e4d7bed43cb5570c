# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/break-glass.md, block by block, on a copy of the repositories and with nothing but the escrow bundle."""

import pathlib
import re

import pytest

pytestmark = pytest.mark.long
testinfra_hosts = ["ansible://tatchu"]
PROJECT = pathlib.Path(__file__).resolve().parents[3]
PAGE = PROJECT / "docs/break-glass.md"
SCHEMAS = ("lab_ephys", "lab_imaging", "lab_session", "lab_subject")


@pytest.fixture(scope="module")
def point(fresh):
    return fresh()


def test_the_page_restores_everything(point, loki, tatchu, assert_restored, fetch_all, run_local):
    tatchu.check_output("systemctl stop datajoint-worker")
    # Another machine, another place, no state of LOKI: tatchu itself with Debian's borg.
    tatchu.check_output("command -v borg >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q borgbackup")
    escrow = next((PROJECT / ".lab/escrow").rglob("passphrase")).parent
    run_local("ssh -F .lab/ssh_config tatchu 'rm -rf /root/glass && mkdir -p /root/glass/escrow'")
    run_local(f"tar -C {escrow} -c . | ssh -F .lab/ssh_config tatchu tar -C /root/glass/escrow -x")
    run_local(
        "ssh -F .lab/ssh_config loki tar -C /srv/backup/borg -c tatchu"
        " | ssh -F .lab/ssh_config tatchu tar -C /root/glass -x"
    )
    for schema in SCHEMAS:
        tatchu.check_output(f"mariadb -e 'SET foreign_key_checks=0; DROP DATABASE {schema}'")
    tatchu.check_output("find /datajoint-db/blobs /datajoint-data -mindepth 1 -delete")
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 8
    before = "REPOSITORIES=/root/glass/tatchu ESCROW=/root/glass/escrow WORK=/root/glass/work\nset -e\n"
    done = tatchu.run("bash -c %s", before + "\n".join(blocks))
    assert done.rc == 0, done.stdout + done.stderr
    assert "the dump set is whole" in done.stdout and "tables that differ: 0" in done.stdout
    for dataset in ("blobs", "data"):
        assert assert_restored(point, dataset) == set()
    assert sum(fetch_all()["rows"].values()) > 100
    tatchu.check_output("rm -rf /root/glass")
    tatchu.check_output("systemctl start datajoint-worker")
