# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TATCHU is dead. Bare hardware takes its name, as docs/incident.md says, and the lab goes on where it was."""

import os

import pytest

testinfra_hosts = ["ansible://loki"]
SCHEMAS = ("lab_ephys", "lab_imaging", "lab_session", "lab_subject")
PEOPLE = ("labworker", "anna")
FILLED = "/var/lib/lab-pipeline/filled.json"
CONTAINER = "podman ps --all --quiet --filter label=labops.backup.checkout=$PWD --filter name=^tatchu"


@pytest.fixture(scope="module")
def console(run_local):
    """A command on the console of the new hardware: what no network and no key is needed for."""

    def run(command):
        return run_local(f'podman exec "$({CONTAINER})" {command}').strip()

    return run


@pytest.fixture(scope="module")
def point(still_night):
    return still_night()


@pytest.fixture(scope="module")
def before(point, tatchu, digests):
    return {
        "rows": {schema: digests(schema) for schema in SCHEMAS},
        "people": {name: (tatchu.user(name).uid, tatchu.user(name).gid) for name in PEOPLE},
        "filled": tatchu.file(FILLED).content_string,
        "folders": tatchu.check_output("stat -c '%n %u %g %a' /datajoint-data /datajoint-db/blobs"),
    }


@pytest.fixture(scope="module")
def bare(before, run_local):
    """Another machine under the same name: nothing of the old one, and another host key."""
    os.environ["CONTAINERS_CONF"] = os.path.abspath("../../tests/lab/files/containers.conf")
    run_local(f'podman rm --force --time 10 --volumes "$({CONTAINER})" && rm .lab/keys/tatchu .lab/keys/tatchu.pub')
    run_local(".venv/bin/ansible-playbook tests/lab/create.yml")


@pytest.fixture(scope="module")
def made(bare, playbook, tatchu):
    """What docs/incident.md asks of a person, in its order; the engine is Debian's own, configured as before."""
    looked = playbook("replacement", "--check")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert not tatchu.file("/datajoint-data").exists and not tatchu.user("anna").exists
    done = playbook("replacement")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_people_numbers_and_folders_are_as_they_were(made, before, tatchu):
    assert {name: (tatchu.user(name).uid, tatchu.user(name).gid) for name in PEOPLE} == before["people"]
    assert tatchu.check_output("stat -c '%n %u %g %a' /datajoint-data /datajoint-db/blobs") == before["folders"]


def test_a_person_is_told_what_is_left_to_do(made):
    assert "Its database server was mariadb" in made
    assert "datajoint-worker.service" in made and "/etc/cron.d/lab-pipeline" in made
    assert "dj.config" in made and "site.yml" in made


def test_a_second_run_changes_nothing(made, playbook):
    assert "changed=0" in playbook("replacement").stdout.rpartition("PLAY RECAP")[2].partition("tatchu.replacement")[2]


@pytest.fixture(scope="module")
def engine(made, tatchu, run_local):
    tatchu.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mariadb-server")
    run_local(
        "ssh -F .lab/ssh_config tatchu 'cat >/etc/mysql/mariadb.conf.d/60-lab.cnf && systemctl restart mariadb'"
        " <tests/lab/templates/server.cnf.j2"
    )


@pytest.fixture(scope="module")
def distrusted(engine, playbook):
    return playbook("site")


def test_its_new_host_key_is_believed_by_nobody(distrusted, console):
    print_ = console("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    said = distrusted.stdout + distrusted.stderr
    assert distrusted.returncode != 0
    assert "another ssh host key than the pinned one" in said and print_ in said


@pytest.fixture(scope="module")
def provisioned(distrusted, playbook, console):
    """The fingerprint is read on the console, and named."""
    print_ = console("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    done = playbook("site", "-e", f"rsync_server_accept_host_key={print_}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def restored(provisioned, recover, point):
    return recover(point, case="j", release=False, scope="database,blobs,data")


def test_the_plan_says_that_everything_is_lost(restored):
    assert restored["order"] == ["database", "blobs", "data"]
    steps = {step["dataset"]: step for step in restored["steps"]}
    assert steps["database"]["state"] == "lost"
    for dataset in ("blobs", "data"):
        counts = {kind: count["files"] for kind, count in steps[dataset]["counts"].items()}
        marker = counts.pop("damaged") + counts.pop("metadata")  # site.yml has just made it anew
        assert marker <= 1 and counts.pop("missing") > 100 and not any(counts.values())


def test_everything_is_there_again(restored, before, point, digests, assert_restored):
    assert {schema: digests(schema) for schema in SCHEMAS} == before["rows"]
    for dataset in ("blobs", "data"):
        assert assert_restored(point, dataset) == set()


@pytest.fixture(scope="module")
def serving(restored, restore, run_local, before, tatchu):
    """Released; then the lab installs its pipeline and its worker by its own means, as on any server of its own."""
    restore(stage="release")
    # Which of its sample data the lab has entered is no part of the backup, and it must not be made anew over the rest.
    tatchu.check_output("mkdir -p $(dirname %s) && printf %%s %s >%s", FILLED, before["filled"], FILLED)
    run_local(".venv/bin/ansible-playbook -i .lab/inventory tests/lab/prepare.yml")


def test_the_lab_goes_on(serving, fetch_all, worker_goes_on):
    assert sum(fetch_all()["rows"].values()) > 100
    worker_goes_on()


def test_the_accounts_of_the_database_are_open_again(serving, tatchu):
    locked = tatchu.check_output(
        "mariadb -NBe %s",
        "SELECT User FROM mysql.global_priv WHERE JSON_VALUE(Priv, '$.account_locked') = 1 AND User LIKE 'lab%'",
    )
    assert locked == ""


def test_the_next_night_is_complete(serving, night, restore, journal):
    assert night()["state"] == "complete"
    restore(stage="accept", incident=journal()["incident"])
