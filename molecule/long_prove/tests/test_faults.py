# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with what lies there, and who notices."""

import json

import pytest

STATE = "/var/lib/labops-backup"
BORG = "/srv/backup/borg/tatchu"
MIRROR = "/srv/backup/mirror/tatchu"
# The dump of a table loses its last rows, or a foreign key; what the manifest says of the file is made to fit.
DUMP = """
import hashlib, re
folder = next(one for one in tree.iterdir() if one.name[:1] == "2")
text = (folder / "databases.sql").read_bytes()
{change}
(folder / "databases.sql").write_bytes(text)
manifest = json.loads((folder / "manifest.json").read_text())
manifest["files"]["databases.sql"] = {{"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}}
(folder / "manifest.json").write_text(json.dumps(manifest))
(seal / "manifest.json").write_text(json.dumps(manifest))
"""
FEWER_ROWS = r"""
found = re.search(rb"^INSERT INTO .*?;\n", text, re.M | re.S)
text = text[: found.start()] + text[found.end() :]
"""
NO_FOREIGN_KEY = r"""
text, count = re.subn(rb",\n  CONSTRAINT [^\n]*FOREIGN KEY[^\n]*(?=\n\))", b"", text, count=1)
assert count == 1
"""


def state_of(loki, point):
    marks = loki.check_output(
        "env BORG_PASSCOMMAND='cat /etc/labops-backup/borg/tatchu.passphrase' BORG_BASE_DIR=/root/plain-borg"
        f" BORG_RELOCATED_REPO_ACCESS_IS_OK=yes borg list --short {BORG}/points"
    ).split()
    return {name.split("-")[1] for name in marks if name.startswith("mark-") and point in name}


def evidence(loki, dataset, kind):
    return json.loads(loki.file(f"{STATE}/checks/tatchu.json").content_string)["datasets"][dataset][kind]


def largest_segment(loki, dataset):
    return loki.check_output(f"find {BORG}/{dataset}/data -type f -printf '%s %p\\n' | sort -n | tail -n 1").split()[1]


def flip(loki, path, at=None):
    """One bit, with size and time as they were."""
    program = (
        "import os, sys; path = sys.argv[1]; s = os.stat(path); f = open(path, 'r+b');"
        " at = int(sys.argv[2]) if len(sys.argv) > 2 else s.st_size // 2; f.seek(at); b = f.read(1)[0];"
        " f.seek(at); f.write(bytes([b ^ 1])); f.close(); os.utime(path, ns=(s.st_atime_ns, s.st_mtime_ns))"
    )
    loki.check_output(f'python3 -c "{program}" {path} {at if at is not None else ""}')


def test_three_drills_in_a_row_cover_more_and_more(run, drills, points):
    seen = []
    for seed in ("one", "two", "three"):
        run("drill", drill_seed=seed, drill_sample_files=100)
        seen.append((drills()["coverage"]["points_proven"], drills()["drills"][0]["datasets"]["data"]["files_proven"]))
    assert [proven for proven, _ in seen] == [1, 2, 3]
    assert seen[0][1] < seen[1][1] < seen[2][1]
    drilled = {drill["point"] for drill in drills()["drills"][:3]}
    assert len(drilled) == 3 and drilled <= set(points())


def test_a_flipped_byte_in_a_segment(loki, run, points, whole):
    flip(loki, largest_segment(loki, "data"))
    said = run("verify", good=False, verify_full=True)
    assert "tatchu/data repository" in said and "do not run borg check --repair" in said
    assert not evidence(loki, "data", "repository")["ok"]
    touched = [point for point in points() if "suspect" in state_of(loki, point)]
    assert touched and all(point in said for point in touched[:5])
    night = loki.run("/usr/local/sbin/backup_and_notify_on_loki.sh")
    told = loki.check_output("cat $(ls -t /var/log/labops-backup/backup/*/message | head -n 1)")
    assert "nothing was removed" in told, (night.stdout, told)


def test_a_deleted_segment(loki, run, whole):
    loki.check_output(f"rm {largest_segment(loki, 'data')}")
    said = run("verify", good=False, verify_full=True)
    assert "tatchu/data" in said and "suspect from now on" in said


def test_a_blob_that_does_not_match_its_name(loki, run, whole):
    named = "'.*/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{32}'"
    blob = loki.check_output(f"find {MIRROR}/blobs -regextype egrep -type f -regex {named} | head -n 1")
    flip(loki, blob, 0)
    said = run("verify", good=False, verify_full=True)
    assert "tatchu/blobs mirror" in said and blob.rpartition("/")[2] in said
    assert not evidence(loki, "blobs", "names")["ok"] and not evidence(loki, "blobs", "mirror")["ok"]


def test_a_changed_npy_file_of_which_datajoint_keeps_no_hash(loki, run, whole):
    found = loki.check_output(f"find {MIRROR} -type f -name '*.npy' | head -n 1")
    assert found
    flip(loki, found)
    said = run("verify", good=False, verify_full=True)
    assert found.rpartition("/")[2] in said and "The archives are not touched by that" in said


def test_an_archive_of_the_wrong_dataset(loki, borg, run, points, whole):
    name = f"tatchu-data-{points()[-1]}"
    assert borg("delete", f"data::{name}").rc == 0
    created = borg("create --numeric-ids", f"data::{name}", "blobs", folder=MIRROR)
    assert created.rc == 0, created.stderr
    said = run("verify", good=False, verify_full=True)
    assert f"the archive {name}, sealed with the id" in said and "suspect" in state_of(loki, points()[-1])


def test_a_key_that_does_not_open(loki, run, whole):
    file = "/etc/labops-backup/borg/tatchu.passphrase"
    loki.check_output(f"cp -a {file} /root/passphrase && echo another >{file}")
    try:
        said = run("verify", good=False, verify_full=True)
        drilled = run("drill", good=False)
    finally:
        loki.check_output(f"cp -a /root/passphrase {file}")
    assert "could not look" in said and "the passphrase does not open the repository" in said
    assert "could not be held" in drilled and "the passphrase does not open the repository" in drilled


@pytest.mark.parametrize(
    ("change", "message"),
    [(FEWER_ROWS, "rows in databases.sql"), (NO_FOREIGN_KEY, "declares it otherwise than the manifest says")],
    ids=["fewer rows", "no foreign key"],
)
def test_a_dump_that_is_not_what_its_manifest_says(loki, run, forge, change, message):
    point = forge("database", DUMP.format(change=change))
    said = run("drill", good=False, drill_point=point, drill_sample_files=20)
    assert "FAILED: See that it is the dump set that was sealed, whole: " in said and message in said
    assert "suspect" in state_of(loki, point)


def test_an_attachment_that_is_missing(loki, run, forge):
    remove = """
lost = sorted(one for one in tree.rglob("*") if one.is_file() and len(one.name) > 33 and one.name[32] == ".")[0]
lost.unlink()
"""
    point = forge("blobs", remove)
    said = run("drill", good=False, drill_point=point)
    assert "See that every reference has its file in the archives" in said and "is in no archive" in said
    assert "suspect" in state_of(loki, point)


def test_a_suspect_point_is_rehearsed_when_it_is_named(loki, borg, run, points, whole):
    point = points()[-1]
    # Later than every proof of it, or that would count.
    made = loki.check_output("date -u +%Y%m%dT%H%M%SZ") + "-000001"
    loki.check_output('install -d /root/mark && echo \'{"schema_version": 1, "evidence": {}}\' >/root/mark/mark.json')
    assert borg("create", f"points::mark-suspect-{point}-{made}", "mark.json", folder="/root/mark").rc == 0
    said = run("drill", drill_point=point, drill_sample_files=50)
    assert f"{point} is suspect; it is restored because it was named" in said
    assert state_of(loki, point) == {"suspect", "proven"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"drill_sample_files": 1000000}, "no archive of this point holds more than"),
        ({"drill_point": "20200101T000000Z-000000"}, "there is no recovery point 20200101T000000Z-000000"),
        ({"drill_seed": "a b"}, "drill_seed is"),
        ({"drill_max_age_hours": 0}, "h old (drill_max_age_hours: 0)"),
    ],
)
def test_what_is_refused(run, whole, variables, message):
    assert message in run("drill", good=False, **variables)


def test_a_drill_beside_another_one_touches_nothing_of_it(loki, run, drills, whole):
    began = loki.check_output("date -u +%Y%m%dT%H%M%SZ")
    loki.check_output("systemd-run --unit=first-drill /usr/local/sbin/drill_and_notify_on_loki.sh")
    instance = "/srv/backup/staging/.drill/tatchu/instance"
    loki.check_output(f"timeout 300 sh -c 'until test -d {instance}; do sleep 0.1; done'")
    said = run("drill", good=False)
    assert "the drill " in said and " is at work on loki. Nothing was restored" in said
    loki.check_output("timeout 300 sh -c 'while systemctl is-active --quiet first-drill; do sleep 0.2; done'")
    assert loki.run("systemctl is-failed first-drill").rc != 0
    newest = drills()["drills"][0]
    assert newest["ok"] and newest["run_id"] > began
    assert loki.run(f"test -e {instance}").rc != 0


def test_an_engine_that_is_not_there(loki, run, whole):
    loki.check_output("mv /usr/sbin/mariadbd /usr/sbin/mariadbd.away")
    try:
        said = run("drill", good=False)
    finally:
        loki.check_output("mv /usr/sbin/mariadbd.away /usr/sbin/mariadbd")
    assert "no MariaDB server program on loki" in said and "mariadb-server-core" in said


def test_no_room(loki, run, whole):
    scratch = "/srv/backup/staging/.drill"
    loki.check_output(f"mkdir -p {scratch} && mount -t tmpfs -o size=200k tmpfs {scratch}")
    try:
        said = run("drill", good=False)
    finally:
        loki.check_output(f"umount {scratch}")
    assert "free, and the drill needs" in said and "Nothing was restored" in said
