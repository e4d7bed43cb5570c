# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories that are damaged and put back, and recovery points that are forged."""

import json
import shlex

import pytest

STATE = "/var/lib/labops-backup"
BORG = "/srv/backup/borg/tatchu"
KEPT = "/root/kept"
PLACES = ["/srv/backup/borg/tatchu", "/srv/backup/mirror/tatchu", *(f"{STATE}/{name}" for name in ("borg", "checks"))]
PLACES += [f"{STATE}/drills", f"{STATE}/recovery_points"]


@pytest.fixture(scope="session", autouse=True)
def nights(loki, tatchu):
    """Three points of a lab in which nobody writes."""
    tatchu.check_output("systemctl stop datajoint-worker")
    # An object as DataJoint 2.x keeps it, of which it knows no digest.
    tatchu.check_output(
        "install -d /datajoint-data/prove && head -c 4096 /dev/urandom >/datajoint-data/prove/spikes.npy"
    )
    loki.check_output(f"rm -rf {STATE}/checks {STATE}/drills")
    for _ in range(3):
        tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
        loki.check_output("/usr/local/sbin/backup_and_notify_on_loki.sh")
    yield
    tatchu.check_output("systemctl start datajoint-worker")


@pytest.fixture
def whole(loki, nights):
    """Whatever a test damages is as it was afterwards."""
    loki.check_output(f"rm -rf {KEPT}; mkdir -p {KEPT} {' '.join(PLACES)}")
    for number, place in enumerate(PLACES):
        loki.check_output(f"cp -a {place} {KEPT}/{number}")
    yield
    for number, place in enumerate(PLACES):
        loki.check_output(f"rm -rf {place} && cp -a {KEPT}/{number} {place}")
    loki.check_output("rm -rf /root/plain-borg")  # it remembers the repositories as they were in between


@pytest.fixture(scope="session")
def points(loki):
    """The identifiers of the recovery points, oldest first."""
    return lambda: sorted(loki.check_output(f"ls {STATE}/recovery_points/tatchu | grep -o '^2.*Z-[0-9a-f]*'").split())


@pytest.fixture(scope="session")
def run(playbook):
    """verify.yml or drill.yml; gives what it said."""

    def play(name, good=True, **variables):
        done = playbook(name, "-e", json.dumps(variables))
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        assert (done.returncode == 0) is good, said
        return " ".join(said.split())

    return play


@pytest.fixture(scope="session")
def drills(loki):
    return lambda: json.loads(loki.file(f"{STATE}/drills/tatchu.json").content_string)


CRAFT = """
import json, os, pathlib, shutil, subprocess, sys
sys.path.insert(0, "/opt/labops-backup/current/collections")
from ansible_collections.labops.backup.plugins.module_utils import _verify_content
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _generation
dataset, source, made, tamper = sys.argv[1:]
root = pathlib.Path("/root/craft")
shutil.rmtree(root, ignore_errors=True)
root.mkdir()
env = dict(os.environ, BORG_PASSCOMMAND="cat /etc/labops-backup/borg/tatchu.passphrase", TZ="UTC", LC_ALL="C.UTF-8",
           BORG_BASE_DIR="/var/lib/labops-backup/borg")
def borg(*words, cwd=root):
    return subprocess.run(["borg", *words], cwd=cwd, env=env, check=True, capture_output=True, text=True).stdout
where = "/srv/backup/borg/tatchu/"
borg("extract", "--numeric-ids", f"{where}{dataset}::tatchu-{dataset}-{source}")
seal = root / "seal"
seal.mkdir()
borg("extract", f"{where}points::point-{source}", cwd=seal)
point = json.loads((seal / "point.json").read_text())
tree = root / dataset
exec(compile(tamper, "tamper", "exec"))
if dataset != "database":
    generation = str(root / "generation.json")
    number = _generation.begin(generation, started="2026-11-23T02:30:00Z", dump_set=None, run_id=None)
    _generation.complete(generation, number, finished="2026-11-23T02:31:00Z", files=0, total_bytes=0)
    file = seal / f"{dataset}.content"
    file.unlink()
    _verify_content.verify(_verify_content.Request(
        mirror=str(tree), manifest_file=str(file), generation_file=generation, generation=None, stores=[], accept=[],
        rehash_percent=0, lock=None, dry=False))
    point["files"][file.name] = {"sha256": _content_manifest.sha256(str(file)), "bytes": file.stat().st_size}
archive = f"tatchu-{dataset}-{made}"
borg("create", "--numeric-ids", "--compression", "lz4", f"{where}{dataset}::{archive}", dataset)
identifier = json.loads(borg("info", "--json", f"{where}{dataset}::{archive}"))["archives"][0]["id"]
for one in point["datasets"]:
    if one["name"] == dataset:
        one.update(archive=archive, archive_id=identifier)
point.update(point=made, run_id=made)
(seal / "point.json").write_text(json.dumps(point))
borg("create", f"{where}points::point-{made}", *sorted(os.listdir(seal)), cwd=seal)
"""


@pytest.fixture
def forge(loki, whole, points):
    """A further point, like the newest but for one dataset, whose tree is changed by some lines of Python."""

    def make(dataset, tamper):
        newest = points()[-1]
        made = newest[:-6] + "ffffff"
        loki.check_output(f"printf %s {shlex.quote(CRAFT)} > /root/craft.py")
        python = "/opt/labops-backup/current/bin/python"
        loki.check_output(f"{python} /root/craft.py {dataset} {newest} {made} {shlex.quote(tamper)}")
        return made

    return make
