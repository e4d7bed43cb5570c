# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Items of the checklist on real hosts; each way in which each can fail: tests/unit/model/test_readiness.py."""

import json
import shutil

import pytest

testinfra_hosts = ["ansible://loki"]

STATE = "/var/lib/labops-backup"
REPOSITORIES = "/srv/backup/borg/tatchu"
# What only a verify job and a drill can make well; the test at the end lets them.
UNPROVEN = {"checks", "drill", "drill_engine"}
# The kernel of a container is the machine's, and so is what keeps its clock.
CLOCKS = {"server_clock", "clock"}


class Checklist:
    """A verdict, to be asked by item and dataset."""

    def __init__(self, document):
        self.document = document
        self.items = document["items"]

    def states(self, item, dataset=None):
        return {one["state"] for one in self.items if one["item"] == item and dataset in (None, one["dataset"])}

    def assert_seen(self, item, state, value, remedy, dataset=""):
        found = [one for one in self.items if (one["item"], one["dataset"]) == (item, dataset)]
        seen = [one for one in found if one["state"] == state and value in one["value"] and remedy in one["remedy"]]
        assert seen, f"{item} of {dataset}: {found}"


@pytest.fixture(scope="module")
def ready(loki, tatchu):
    """A dump and a night, so that there is something to restore."""
    tatchu.check_output("systemctl start datajoint-worker")
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    loki.check_output("/usr/local/sbin/backup_and_notify_on_loki.sh")


@pytest.fixture(scope="module")
def by_job(loki):
    """The job, as cron starts it; its exit code and what it left."""

    def run():
        done = loki.run("/usr/local/sbin/readiness_and_notify_on_loki.sh")
        assert done.rc in (0, 2), done.stderr
        return done.rc, Checklist(json.loads(loki.file(f"{STATE}/readiness.json").content_string))

    return run


@pytest.fixture(scope="module")
def by_person(playbook, tmp_path_factory):
    """readiness.yml from the control node; the finished process and what it wrote as JSON."""

    def run(**variables):
        path = tmp_path_factory.mktemp("readiness") / "readiness.json"
        done = playbook("readiness", "-e", json.dumps({"readiness_json": str(path), **variables}))
        assert done.returncode in (0, 2), done.stdout + done.stderr
        (document,) = json.loads(path.read_text())["servers"]
        return done, Checklist(document)

    return run


@pytest.fixture
def broken():
    """Break something on a host with one line, and mend it with another when the test is over."""
    mending = []

    def run(host, line, mend):
        mending.insert(0, (host, mend))
        host.check_output("bash -eu -c %s", line)

    yield run
    for host, mend in mending:
        host.check_output("bash -eu -c %s", mend)


@pytest.fixture(scope="module")
def bundle(lab_variables):
    return f"{lab_variables['backup_escrow_directory']}/loki"


def listing(host, *places):
    return host.check_output(f"find {' '.join(places)} -xdev | sort")


def test_a_person_sees_the_whole_list_and_nothing_is_left_behind(ready, by_person, loki, tatchu):
    places = ("/srv/backup/borg", "/srv/backup/staging", "/etc/labops-backup", "/usr/local/sbin")
    before = listing(loki, *places), listing(tatchu, "/etc/labops-backup", "/usr/local/sbin", "/var/lib/labops-backup")
    done, seen = by_person()
    bad = {one["item"]: one["value"] for one in seen.items if one["state"] != "ok"}
    assert set(bad) <= UNPROVEN | CLOCKS, bad
    assert done.returncode == (2 if "fail" in {one["state"] for one in seen.items} else 0)
    for one in seen.items:
        assert set(one) == {"item", "source", "dataset", "state", "value", "limit", "remedy"}
        assert bool(one["remedy"]) == (one["state"] != "ok"), one
    for dataset in ("database", "blobs", "data"):
        assert seen.states("pull", dataset) == seen.states("complete_point", dataset) == {"ok"}
        assert seen.states("restore_place", dataset) == {"ok"}
    for repository in ("database", "blobs", "data", "points"):
        assert seen.states("repository", repository) == seen.states("escrow_opens", repository) == {"ok"}
    assert "asked just now" in next(one["value"] for one in seen.items if one["item"] == "source_facts")
    assert "measured live" in next(one["value"] for one in seen.items if one["item"] == "clock")
    after = listing(loki, *places), listing(tatchu, "/etc/labops-backup", "/usr/local/sbin", "/var/lib/labops-backup")
    assert after == before
    assert loki.run("ls /run/labops-backup/escrow").rc != 0


def test_the_job_judges_the_source_by_what_it_told(ready, by_job, loki, ledger, lab_secrets):
    code, seen = by_job()
    facts = next(one["value"] for one in seen.items if one["item"] == "source_facts")
    assert "told beside the dump set" in facts
    bad = {one["item"]: one["value"] for one in seen.items if one["state"] != "ok"}
    assert set(bad) <= UNPROVEN | CLOCKS, bad
    assert seen.states("escrow_bundle") == set()
    run = next(run for run in reversed(ledger(loki)) if run["job"] == "readiness")
    assert run["state"] == ("success" if code == 0 else "failure")
    assert loki.file(f"{STATE}/readiness.json").mode == 0o600
    text = (
        loki.file(f"{STATE}/readiness.json").content_string + loki.file("/etc/labops-backup/escrow.json").content_string
    )
    assert not any(secret in text for secret in lab_secrets)


def test_what_is_broken_on_the_server_is_seen_by_its_job(ready, by_job, loki, broken):
    key = f"{REPOSITORIES}/data/config"
    passphrase = "cat /etc/labops-backup/borg/tatchu.passphrase"
    environment = f"BORG_PASSCOMMAND='{passphrase}' BORG_BASE_DIR={STATE}/borg"
    # A new salt: the same passphrase, another key file than the one in the bundle.
    broken(
        loki,
        f'cp -a {key} /root/config; export {environment} BORG_NEW_PASSPHRASE="$({passphrase})";'
        f" borg key change-passphrase {REPOSITORIES}/data",
        f"cat /root/config >{key}; rm /root/config",
    )
    broken(loki, f"mv {REPOSITORIES}/blobs /root/blobs", f"mv /root/blobs {REPOSITORIES}/blobs")
    generation = "/srv/backup/mirror/tatchu/blobs.generation.json"
    broken(loki, f"mv {generation} /root/generation", f"mv /root/generation {generation}")
    root = "/srv/backup/.labops-backup-root"
    broken(loki, f"mv {root} /root/root", f"mv /root/root {root}")
    cron = "/etc/cron.d/labops-backup-verify"
    broken(loki, f"cp -a {cron} /root/cron; sed -i 's/^[0-9*]/# &/' {cron}", f"cp -a /root/cron {cron}; rm /root/cron")
    broken(loki, "systemctl disable cron", "systemctl enable cron")
    script = "/usr/local/sbin/borg_backup_on_loki.sh"
    broken(
        loki, f"cp -a {script} /root/script; echo '# mine' >>{script}", f"cp -a /root/script {script}; rm /root/script"
    )
    old = "/usr/local/bin/old_backup.sh"
    broken(loki, f"echo 'rsync -a 10.77.0.9:/data /srv/old' >{old}; chmod 0755 {old}", f"rm {old}")
    broken(loki, f"echo '{{' >{STATE}/hold/tatchu.json", f"rm {STATE}/hold/tatchu.json")
    known = "/etc/labops-backup/ssh/known_hosts"
    broken(loki, f"cp -a {known} /root/known; echo '# mine' >>{known}", f"cp -a /root/known {known}; rm /root/known")
    code, seen = by_job()
    assert code == 2
    seen.assert_seen("disk", "fail", "is not mounted", "Mount the disk")
    seen.assert_seen("repository", "fail", "there is no repository", "escrow bundle", "blobs")
    seen.assert_seen("pull", "fail", "never pulled", "backup_tatchu_blobs.sh", "blobs")
    seen.assert_seen("server_cron", "fail", "nothing starts verify_and_notify_on_loki.sh", "site.yml", "verify")
    seen.assert_seen("server_cron", "fail", "does not begin with the host", "systemctl enable --now cron")
    seen.assert_seen("server_deployed", "fail", f"{script} differs", "Look who changed it")
    seen.assert_seen("server_legacy", "warn", "old_backup.sh:1", "Run legacy.yml for loki")
    seen.assert_seen("hold", "fail", "is not a JSON document", "Find out on the server")
    seen.assert_seen("escrow_current", "fail", "its key of data is another one", "carry the new one")
    seen.assert_seen("escrow_current", "fail", "its host keys are other ones", "carry the new one")


@pytest.fixture
def channel(loki, broken):
    """Give loki one more channel, past the role, as if it had gone bad since: channel("failure-8", url)."""
    notify, tell = "/etc/labops-backup/notify.yml", "/etc/labops-backup/tell.json"
    broken(loki, f"cp -p {notify} {tell} /root/", "mv /root/notify.yml /root/tell.json /etc/labops-backup/")

    def add(tag, url):
        severity = tag.split("-")[0]
        told = json.loads(loki.file(tell).content_string)
        told["channels"].append({"severity": severity, "tag": tag, "scheme": url.split(":")[0]})
        entry = f"- {json.dumps(url)}:\n  - tag: [{severity}, {tag}]\n"
        loki.check_output("printf %%s %s >>%s", entry, notify)
        loki.check_output("printf %%s %s >%s", json.dumps(told), tell)

    return add


def test_urls_that_are_malformed_or_lead_to_nobody_are_seen_and_not_shown(ready, by_person, by_job, channel):
    find, refused = "Find each entry of notification_urls by its list and its place", "the connection is refused"
    channel("failure-8", "json://127.0.0.1:9/token-of-ours")
    done, seen = by_person()
    seen.assert_seen("notifications", "warn", f"failure-8 (json): {refused}", find)
    assert "WARN  notifications: failure-8 (json)" in done.stdout
    assert "token-of-ours" not in done.stdout + json.dumps(seen.document)
    channel("failure-9", "nosuchservice://token-of-ours@127.0.0.1")
    code, seen = by_job()
    assert code == 2
    seen.assert_seen("notifications", "fail", f"failure-8 (json): {refused}", find)
    seen.assert_seen("notifications", "fail", "failure-9 (nosuchservice): Apprise does not understand this URL", find)
    assert "token-of-ours" not in json.dumps(seen.document)


def test_what_is_broken_on_the_source_is_seen_live(ready, by_person, tatchu, broken):
    broken(tatchu, "systemctl stop datajoint-worker cron", "systemctl start cron datajoint-worker")
    broken(tatchu, "mount -t tmpfs -o size=64k tmpfs /datajoint-data", "umount /datajoint-data")
    broken(tatchu, "mount -t tmpfs -o ro tmpfs /datajoint-db/blobs", "umount /datajoint-db/blobs")
    broken(
        tatchu,
        "mariadb -e 'SET GLOBAL max_allowed_packet = 4096'",
        "mariadb -e 'SET GLOBAL max_allowed_packet = 67108864'; systemctl restart mariadb",
    )
    configuration = "/etc/labops-backup/rsyncd.conf"
    broken(
        tatchu,
        f"cp -a {configuration} /root/rsyncd; echo '# mine' >>{configuration}",
        f"cp -a /root/rsyncd {configuration}; rm /root/rsyncd",
    )
    old = "/usr/local/bin/old_backup.sh"
    broken(tatchu, f"echo 'rsync -a 10.77.0.9:/data /srv/old' >{old}; chmod 0755 {old}", f"rm {old}")
    done, seen = by_person(legacy_cleanup_addresses=["10.77.0.9"])
    assert done.returncode == 2
    seen.assert_seen("restore_space", "fail", "64.0 KiB of 64.0 KiB free", "Enlarge the file system", "data")
    seen.assert_seen("restore_place", "fail", "took no file", "lsattr", "blobs")
    seen.assert_seen("cron", "fail", "does not run", "On tatchu: systemctl enable --now cron")
    seen.assert_seen("compatibility", "fail", "packet: a statement of", "Mend the server's configuration")
    seen.assert_seen("deployed", "fail", f"{configuration} differs", "Look who changed it")
    seen.assert_seen("legacy", "fail", "old_backup.sh:1", "Run legacy.yml for tatchu")
    assert "FAIL  restore_space" in done.stdout


def test_a_bundle_that_does_not_open_or_is_stale_and_what_is_too_old_is_seen(ready, by_person, loki, bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "bundle")
    try:
        shutil.copy(f"{bundle}/tatchu/blobs.key", f"{bundle}/tatchu/data.key")
        _done, seen = by_person()
        seen.assert_seen("escrow_bundle", "fail", "tatchu/data.key is another one", "Run site.yml from this machine")
        with open(f"{bundle}/bundle.json", encoding="utf-8") as stream:
            manifest = json.load(stream)
        manifest["files"]["tatchu/data.key"] = manifest["files"]["tatchu/blobs.key"]
        with open(f"{bundle}/bundle.json", "w", encoding="utf-8") as stream:
            json.dump(manifest, stream)
        ages = ("pull_max_age_hours", "point_max_age_hours", "facts_max_age_hours")
        limits = {f"readiness_{limit}": 0 for limit in ages}
        room = {"backup_reserve_bytes": 1 << 60}
        _done, seen = by_person(**limits, **room)
    finally:
        shutil.rmtree(bundle)
        shutil.copytree(tmp_path / "bundle", bundle)
    seen.assert_seen("escrow_bundle", "fail", "stale", "Fetch the newest copy")
    seen.assert_seen("escrow_opens", "fail", "did not open", "Fetch the right bundle", "data")
    seen.assert_seen("pull", "fail", " ago", "backup_tatchu_data.sh", "data")
    seen.assert_seen("complete_point", "fail", " ago", "backup_and_notify_on_loki.sh", "data")
    seen.assert_seen("nights_space", "fail", " free, a night added ", "Free space on", "backup_root")
    seen.assert_seen("server_deployed", "fail", "deployed from another inventory", "Run site.yml for loki")


def test_it_refuses_what_would_hide_items(playbook):
    for words in (["--limit", "loki"], ["--tags", "x"], ["--check"]):
        done = playbook("readiness", *words)
        assert done.returncode != 0 and "hide work from the verdict" in done.stdout + done.stderr


@pytest.mark.long
def test_after_checks_and_a_drill_all_of_it_is_well(ready, by_person, by_job, playbook, loki):
    assert playbook("verify", "-e", "verify_full=true").returncode == 0
    assert playbook("drill").returncode == 0
    done, seen = by_person()
    assert {one["item"] for one in seen.items if one["state"] != "ok"} <= CLOCKS
    assert done.returncode == 0
    code, seen = by_job()
    assert code == 0 and {one["item"] for one in seen.items if one["state"] != "ok"} <= CLOCKS
