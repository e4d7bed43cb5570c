# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every guard speaks once, in a night that goes on for all others; then it is accepted, or its cause mended."""

import json
import re
import secrets

import pytest

testinfra_hosts = ["ansible://loki"]
# An identifier that this lab has never seen, whatever ran in it before.
NEW = secrets.token_hex(16)
MIRRORS = "/srv/backup/mirror/tatchu"
MARKER = ".labops-backup-dataset"
# What happens on the source before the night, by dataset.
EVENTS = {
    "unmarked": f"mv {MARKER} ../unmarked.marker",
    "misplaced": f"cp -p {MARKER} ../misplaced.marker; cp ../thinned/{MARKER} {MARKER}",
    "replaced": f"""sed -Ei 's/"id": "[0-9a-f]+"/"id": "{NEW}"/' {MARKER}; echo other >f01""",
    "swapped": f"cp -p {MARKER} ../swapped.marker; echo more >f01",
    "emptied": "rm f*",
    "thinned": "rm f00 f01 f02 f03 f04 f05",
    "shrunk": "rm f00 f01 f02 f03",
    "overwritten": "for n in 0{0..5}; do echo encrypted >f$n; done",
    "rewritten": "for n in 0{0..9} 1{0..5}; do echo encrypted >f$n; done",
    "crammed": "for n in 00 01 02; do echo more >>f$n; done",
    "shrinking": "echo new >late",
    "recounted": "echo new >late",
    "store": "cd lab_guarded; f=$(find . -type f | sort | head -n 1); echo encrypted >$f",
}
# What a message says between what was seen and what to do.
UNTOUCHED = re.compile(
    r"\. (The mirror was not changed(?: any further)?(?: and (?:no archive was made of it|must not be archived))?"
    r"|Nothing was changed|The mirror is marked as being written; it is not archived)\. "
)
OFFERED = re.compile(r" with -e '(\{.*\})'\.")


def split(message):
    """What a message says was seen, what was left as it was, and what to do."""
    seen, untouched, remedy = UNTOUCHED.split(message, maxsplit=1)
    return seen, untouched, remedy


def acceptance(outcome):
    """The words that the message offers, for the key of its dataset."""
    ((key, given),) = json.loads(OFFERED.search(outcome["message"])[1])["backup_accept"].items()
    assert key == f"tatchu/{outcome['dataset']}"
    return given


def plain(text):
    """Without what another lab or another run would say otherwise."""
    text = re.sub(r"; to be (deleted|overwritten), for example: .*", "", text)
    text = re.sub(r"^the pull of \S+ into \S+ was stopped: ", "", text)
    text = text.replace("/srv/backup/mirror/", "").rstrip(".")
    text = re.sub(r"labops-pull@[0-9.]+::([a-z]+)/", r"tatchu::\1", text)
    text = re.sub(r"\b[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}\b", "SET", text)
    text = re.sub(r"(SET: [^;()]+)(; \1)+", r"\1", text)  # how many there are depends on what ran before
    text = re.sub(r"\b[0-9a-f]{64}\b", "SHA256", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "IDENTIFIER", text)
    return re.sub(r"\b[0-9]{5,}\b", "N", text)


def words(given):
    """An acceptance as the table says it."""
    known = {name: value for name, value in given.items() if name != "reason"}
    shown = {name: "N" if type(value) is int else plain(json.dumps(value)).strip('"') for name, value in known.items()}
    return ", ".join(f"`{name}: {value}`" for name, value in shown.items())


def consequence(night, dataset):
    """What became of a dataset, as far as it can be seen from outside."""
    assert not night.outcome(dataset)["ok"]
    stayed = [what for what in ("mirror", "generation", "archives") if night.stayed(dataset, what)]
    if stayed == ["mirror", "generation", "archives"]:
        text = "mirror, generation and last archive stay as they were"
    else:
        assert "archives" in stayed
        document = night.documents[dataset]
        text = f"pulled, the mirror is `{document['state']}`; no archive, the last one stays as it was"
    if not night.run["points"]:  # only some of the datasets were asked for
        return text
    return f"{text}; " + (f"the point is `{night.point}`" if night.point else "there is no point")


@pytest.fixture(scope="module")
def baseline(loki, tatchu, datasets, by_hand, shell):
    """An archive of every dataset, whatever an earlier run of this scenario left."""
    anything = {"deleted_files": 10**6, "changed_files": 10**6, "quarantine_files": 10**6, "quarantine_bytes": 10**12}
    accept = {}
    for name in datasets:
        marker = json.loads(tatchu.file(f"/srv/guarded/{name}/{MARKER}").content_string)["id"]
        accept[f"tatchu/{name}"] = {**anything, "empty": True, "marker": marker, "reason": "a lab begins anew"}
    tatchu.check_output("/usr/local/sbin/backup_and_notify_on_tatchu.sh")
    night = by_hand(backup_only_datasets=["database", *datasets], backup_accept=accept)
    assert night.code == 0, night.run
    shell(loki, f"cd /srv/backup/quarantine/tatchu; rm -rf $(printf '%s/2* ' {' '.join(datasets)})")
    return night


@pytest.fixture(scope="module")
def overmounted(loki, tatchu, shell):
    """Something else lies at backup_root, as when its disk is not mounted; nothing may come there."""

    def go(night, content="true"):
        shell(loki, f"mount -t tmpfs -o size=16m lab /srv/backup; cd /srv/backup; {content}")
        asked = tatchu.check_output("wc -l </var/log/labops-backup/rsyncd.log")
        try:
            seen = night()
        finally:
            shell(loki, "umount /srv/backup")
        seen.asked = tatchu.check_output("wc -l </var/log/labops-backup/rsyncd.log") != asked
        return seen

    return go


@pytest.fixture(scope="module")
def unmounted(baseline, overmounted, by_cron):
    return overmounted(by_cron)


@pytest.fixture(scope="module")
def foreign(baseline, overmounted, by_hand):
    """Another disk that was provisioned as well."""
    content = f"""mkdir -p staging mirror/tatchu; echo '{{"schema_version": 1, "id": "{NEW}"}}' >.labops-backup-root"""
    return overmounted(lambda: by_hand(backup_only_datasets=["database", "thinned"]), content)


@pytest.fixture(scope="module")
def loud(loki, tatchu, baseline, by_cron, shell, turns):
    """The night in which nearly every guard speaks."""
    for name, text in EVENTS.items():
        shell(tatchu, f"cd /srv/guarded/{name}; {text}")
    free = int(loki.check_output("stat -f -c '%a * %S' /srv/backup | { read a; echo $(($a)); }"))
    tatchu.check_output(f"truncate -s {free} /srv/guarded/huge/recording")
    shell(loki, f"cd {MIRRORS}/rotten; cp -p f07 /root/f07; sed -i 's/file/FILE/' f07; touch -r /root/f07 f07")
    shell(tatchu, "cd /datajoint-db/dumps; sed -i '$d' $(ls -d 2*Z-* | tail -n 1)/databases.sql")
    turns(
        "swapped",
        at_4=f"""sed -Ei 's/"id": "[0-9a-f]+"/"id": "{NEW}"/' /srv/guarded/swapped/{MARKER}""",
    )
    turns("shrinking", at_3="cd /srv/guarded/shrinking; rm f00 f01 f02 f03")
    turns("recounted", at_4="sleep 2")
    place = f"{MIRRORS}/recounted"
    loki.check_output(
        f"systemd-run --collect /bin/sh -c 'until [ -e {place}/late ]; do sleep 0.05; done; echo x >{place}/intruder'"
    )
    night = by_cron()
    night.documents = {
        name: json.loads(loki.file(f"{MIRRORS}/{name}.generation.json").content_string)
        for name in [*EVENTS, "rotten", "database"]
    }
    return night


@pytest.fixture(scope="module")
def mean(loud, by_hand):
    """Acceptances of too little, or of something else than what the guard said."""
    offered = {
        name: acceptance(loud.outcome(name)) for name in ("thinned", "shrunk", "overwritten", "rewritten", "crammed")
    }
    given = {
        "thinned": {"deleted_files": offered["thinned"]["deleted_files"] - 1},
        "shrunk": {"changed_files": 1000, "empty": True},
        "overwritten": {"changed_files": offered["overwritten"]["changed_files"] - 1},
        "rewritten": {"deleted_files": 1000},
        "crammed": {"quarantine_files": offered["crammed"]["quarantine_files"]},
    }
    return by_hand(
        backup_only_datasets=list(given),
        backup_accept={f"tatchu/{name}": {**entry, "reason": "not enough"} for name, entry in given.items()},
    )


@pytest.fixture(scope="module")
def accepted(loki, tatchu, loud, mean, by_hand, shell, turns):
    """The night after: accepted in the words of the messages what can be, mended what cannot."""
    shell(
        tatchu,
        f"""cd /srv/guarded
mv unmarked.marker unmarked/{MARKER}
cp -p misplaced.marker misplaced/{MARKER}
cp -p swapped.marker swapped/{MARKER}
rm huge/recording
rm -r /datajoint-db/dumps/$(cd /datajoint-db/dumps; ls -d 2*Z-* | tail -n 1)
/usr/local/sbin/backup_and_notify_on_tatchu.sh""",
    )
    shell(loki, f"rm {MIRRORS}/rotten/f07")
    turns("swapped")
    turns("recounted", at_3="rm /srv/guarded/recounted/f29")
    offered = {}
    for name in ("replaced", "emptied", "thinned", "shrunk", "overwritten", "rewritten", "crammed", "shrinking"):
        offered[f"tatchu/{name}"] = {**acceptance(loud.outcome(name)), "reason": f"{name} on purpose"}
    blob = re.search(r"(\S+) holds \S+ \(sha256 ([0-9a-f]{64})\)", loud.outcome("store")["message"])
    return by_hand(backup_accept=offered, backup_accept_content=[f"{blob[2]} {blob[1]}"])


@pytest.fixture(scope="module")
def again(tatchu, accepted, by_hand, shell):
    """What was accepted once happens again; and the dump set is older than it may be."""
    shell(tatchu, "cd /srv/guarded/thinned; rm -f f10 f11 f12 f13 f14 f15")
    return by_hand(backup_only_datasets=["database", "thinned"], backup_dump_max_age_hours=0)


@pytest.fixture(scope="module")
def none_offered(tatchu, again, by_hand, shell):
    """No dump set on the source has a manifest."""
    each = "for set in /datajoint-db/dumps/2*Z-*; do mv $set/{} $set/{}; done"
    shell(tatchu, each.format("manifest.json", "kept"))
    try:
        return by_hand(backup_only_datasets=["database"])
    finally:
        shell(tatchu, each.format("kept", "manifest.json"))


@pytest.mark.parametrize(
    ("which", "name", "limit"),
    [
        ("unmounted", "disk of the mirrors is not mounted", "it is there"),
        ("foreign", "disk of the mirrors is another one", "the same identifier in both"),
    ],
)
def test_without_the_right_disk_nothing_is_written_and_nothing_asked(request, guard, baseline, which, name, limit):
    night = request.getfixturevalue(which)
    assert night.code == 2
    assert night.before == night.after
    assert not night.asked
    assert not night.point
    for entry in night.run["outcomes"]:
        assert not entry["ok"]
        seen, untouched, remedy = split(entry["message"])
        assert untouched == "Nothing was changed"
    guard(
        name,
        looked_at="`backup_root/.labops-backup-root` against `/etc/labops-backup/backup-root.json`",
        limit=limit,
        seen=plain(seen),
        happens="nothing is written, nothing is asked of the source; " + consequence(night, "thinned"),
        accept=remedy,
    )


def test_the_others_go_on(loud):
    for name in ("blobs", "data"):
        outcome = loud.outcome(name)
        assert outcome["ok"], outcome
        assert not loud.stayed(name, "archives")


def test_the_night_is_a_failure_and_the_point_partial(loud, datasets):
    assert loud.code == 2
    assert loud.run["state"] == "failure"
    assert loud.point == "partial"
    assert {entry["dataset"] for entry in loud.run["outcomes"] if not entry["ok"]} == {*datasets, "database"}


def test_people_were_told_what_was_seen_and_what_to_do(loud, datasets):
    (told,) = loud.told
    assert f"backup FAILED: tatchu/database, tatchu/{datasets[0]}, " in told["title"]
    for name in [*datasets, "database"]:
        assert loud.outcome(name)["message"] in told["message"]


BEFORE_THE_PULL = {
    "huge": (
        "room",
        "free bytes and inodes of `backup_root`",
        "what the pull needs, and the larger of `backup_reserve_bytes` ({backup_reserve_bytes}) and "
        "`backup_reserve_percent` ({backup_reserve_percent} %)",
    ),
    "unmarked": ("marker is there", "`.labops-backup-dataset` at the root of the dataset", "a regular file"),
    "misplaced": ("marker is ours", "the source and the dataset that the marker names", "this one"),
    "replaced": ("same tree", "the marker's identifier against the one of the mirror's first pull", "equal"),
    "emptied": ("empty source", "files on the source but for the marker", "`allow_empty: false`"),
    "thinned": (
        "deletions, number",
        "files that would be deleted, all tries together",
        "`backup_limit_deleted_files` ({backup_limit_deleted_files})",
    ),
    "shrunk": (
        "deletions, share",
        "their share of the mirror's files",
        "`backup_limit_deleted_percent` ({backup_limit_deleted_percent} %, from 20 files on)",
    ),
    "overwritten": (
        "overwriting, number",
        "files that would be overwritten, all tries together",
        "`backup_limit_changed_files` ({backup_limit_changed_files})",
    ),
    "rewritten": (
        "overwriting, share",
        "their share of the mirror's files",
        "`backup_limit_changed_percent` ({backup_limit_changed_percent} %, from 20 files on)",
    ),
    "crammed": (
        "quarantine",
        "what waits there and what would come",
        "`backup_quarantine_files` and `backup_quarantine_bytes` (none), `backup_quarantine_percent` "
        "({backup_quarantine_percent} % of the mirror, from 20 files on)",
    ),
}


@pytest.mark.parametrize("dataset", BEFORE_THE_PULL)
def test_a_guard_before_the_pull(loud, guard, defaults, dataset):
    outcome = loud.outcome(dataset)
    assert outcome["step"] == "Pull"
    seen, untouched, remedy = split(outcome["message"])
    assert untouched.startswith("The mirror was not changed")
    assert loud.stayed(dataset, "quarantine")
    happens = consequence(loud, dataset)
    assert "stay as they were" in happens
    name, looked_at, limit = BEFORE_THE_PULL[dataset]
    offered = "backup_accept" in remedy
    guard(
        name,
        looked_at=looked_at,
        limit=limit.format(**defaults),
        seen=plain(seen),
        happens=happens,
        accept=words(acceptance(outcome)) if offered else remedy,
    )


def test_the_source_shrinks_during_the_pull(loud, guard):
    """rsync deletes nothing that was not counted; the second census is judged with the first one's limits."""
    outcome = loud.outcome("shrinking")
    seen, untouched, _remedy = split(outcome["message"])
    assert untouched == "The mirror was not changed any further and no archive was made of it"
    mirror = {path for path in loud.after if path.startswith("./mirror/tatchu/shrinking/")}
    assert {f"./mirror/tatchu/shrinking/f{number:02}" for number in range(30)} < mirror
    assert "./mirror/tatchu/shrinking/late" in mirror
    guard(
        "source shrinks during the pull",
        looked_at="rsync's `--max-delete` is the census",
        limit="what was counted",
        seen=plain(seen),
        happens="rsync stops deleting; a new census, judged anew, up to 3 times; " + consequence(loud, "shrinking"),
        accept=words(acceptance(outcome)),
    )


@pytest.mark.parametrize(
    ("dataset", "name", "looked_at", "limit"),
    [
        ("swapped", "marker changes", "the marker once more, after the transfer", "the identifier of before"),
        ("recounted", "recount", "files in the mirror after the pull", "those of the source"),
    ],
)
def test_a_guard_after_the_pull(loud, guard, dataset, name, looked_at, limit):
    outcome = loud.outcome(dataset)
    assert outcome["step"] == "Pull"
    seen, _untouched, remedy = split(outcome["message"])
    assert loud.documents[dataset]["state"] == "writing"
    guard(
        name,
        looked_at=looked_at,
        limit=limit,
        seen=plain(seen),
        happens=consequence(loud, dataset),
        accept=remedy,
    )


@pytest.mark.parametrize(
    ("dataset", "name", "looked_at", "limit"),
    [
        (
            "store",
            "content of a store",
            "new and touched files in DataJoint stores against the digest in their names",
            "equal",
        ),
        (
            "rotten",
            "content of a file",
            "touched files, and `backup_rehash_percent` of the others, against the night before",
            "another content has another size or mtime",
        ),
    ],
)
def test_a_guard_of_the_content(loud, guard, dataset, name, looked_at, limit):
    outcome = loud.outcome(dataset)
    assert outcome["step"] == "See that the content is what it should be"
    seen, _untouched, remedy = split(outcome["message"])
    reasons = loud.run["points"][0]["retention"]["stopped"]
    assert any(reason.startswith(f"{dataset}: ") for reason in reasons)
    guard(
        name,
        looked_at=looked_at,
        limit=limit,
        seen=plain(seen),
        happens=consequence(loud, dataset) + "; nothing of the source is removed",
        accept=remedy,
    )


def test_a_dump_set_that_is_not_whole(loud, guard):
    outcome = loud.outcome("database")
    assert outcome["step"] == "See that the dump set is proven"
    seen, remedy = outcome["message"].split(" It was not archived. ")
    guard(
        "dump set is whole",
        looked_at="the mirrored dump set, read to its end",
        limit="sizes, SHA-256, row counts and trailer of its manifest",
        seen=plain(seen),
        happens=consequence(loud, "database"),
        accept=remedy,
    )


def test_too_little_accepted_is_not_accepted(mean, loud):
    """One file less than needed, another limit than the broken one, one of two limits: all as if nothing was said."""
    assert mean.code == 2
    for name in ("thinned", "shrunk", "overwritten", "rewritten", "crammed"):
        assert not mean.outcome(name)["ok"]
        for what in ("mirror", "generation", "archives", "quarantine"):
            assert mean.stayed(name, what), (name, what)
    for name in ("thinned", "shrunk", "overwritten", "rewritten"):
        assert acceptance(mean.outcome(name)) == acceptance(loud.outcome(name))
    assert set(acceptance(mean.outcome("crammed"))) == {"quarantine_bytes", "reason"}


def test_once_accepted_or_mended_the_night_is_complete(loki, tatchu, accepted, datasets, tree):
    assert accepted.code == 0, accepted.run
    assert accepted.point == "complete"
    there = tree(tatchu, "/srv/guarded")
    for name in datasets:
        assert accepted.outcome(name)["ok"]
        assert not accepted.stayed(name, "archives")
        source = {path: entry for path, entry in there.items() if path.startswith(f"./{name}/")}
        mirror = {
            (place := "./" + path.removeprefix("./mirror/tatchu/")): {**entry, "path": place}
            for path, entry in accepted.after.items()
            if path.startswith(f"./mirror/tatchu/{name}/")
        }
        assert mirror == source


def test_the_ledger_says_what_was_accepted_and_why(accepted, loud):
    for name in ("replaced", "emptied", "thinned", "shrunk", "overwritten", "rewritten", "crammed", "shrinking"):
        assert accepted.outcome(name)["accepted"] == {**acceptance(loud.outcome(name)), "reason": f"{name} on purpose"}
    for name in ("unmarked", "misplaced", "swapped", "huge", "recounted", "rotten", "blobs", "data"):
        assert "accepted" not in accepted.outcome(name)
    assert accepted.outcome("store")["accepted_content"] == 1


def test_a_source_that_shrinks_within_the_limits_is_counted_again(accepted):
    """A file that went between census and transfer costs a second try, and nothing else."""
    outcome = accepted.outcome("recounted")
    assert any("delete_limit" in warning for warning in outcome["warnings"]), outcome


def test_an_acceptance_holds_for_one_night(again, loud):
    assert not again.outcome("thinned")["ok"]
    assert acceptance(again.outcome("thinned")) == acceptance(loud.outcome("thinned"))
    for what in ("mirror", "generation", "archives", "quarantine"):
        assert again.stayed("thinned", what)


def test_an_old_dump_set(again, guard, defaults):
    assert again.code == 2
    assert again.outcome("database")["ok"]
    assert not again.stayed("database", "archives")
    assert "tatchu: old dump set" in again.run["message"]
    said = " ".join(again.said.split())  # a terminal's lines are broken anywhere
    seen = re.search(
        r"dump set \S+, begun .+ before this run: OLDER than 0 h, (look at the dump job on the source)", said
    )
    guard(
        "dump set is young",
        looked_at="the age of the dump set when the night began",
        limit="`backup_dump_max_age_hours` ({backup_dump_max_age_hours})".format(**defaults),
        seen="dump set ..., begun ... before this run: OLDER than N h",
        happens="it is pulled and archived; the night is a failure",
        accept=seen[1].capitalize(),
    )


def test_no_finished_dump_set(none_offered, guard):
    assert none_offered.code == 2
    outcome = none_offered.outcome("database")
    assert outcome["step"] == "See that a dump set is pinned"
    assert outcome["message"].startswith("the source offers no finished dump set ")
    seen, remedy = re.fullmatch(r"(.*?)\. (Look at .*)", outcome["message"]).groups()
    guard(
        "dump set is finished",
        looked_at="manifests of the dump sets that the source offers",
        limit="one that is valid",
        seen=plain(seen),
        happens=consequence(none_offered, "database"),
        accept=remedy,
    )
