# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said to rsync, and what is understood of its answers. Recorded with rsync 3.2.7 and 3.5.0."""

from __future__ import annotations

import dataclasses
import re
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command, _rsync

STATISTICS_DRY = rb"""
Number of files: 23 (reg: 14, dir: 5, link: 2, special: 2)
Number of created files: 22 (reg: 14, dir: 4, link: 2, special: 2)
Number of deleted files: 0
Number of regular files transferred: 13
Total file size: 10000040 bytes
Total transferred file size: 10000018 bytes
Literal data: 0 bytes
Matched data: 0 bytes
File list size: 631
File list generation time: 0.001 seconds
File list transfer time: 0.000 seconds
Total bytes sent: 105
Total bytes received: 728

sent 105 bytes  received 728 bytes  1666.00 bytes/sec
total size is 10000040  speedup is 12004.85 (DRY RUN)
"""

# A directory became a file, a file a directory, a file a symbolic link, two files changed, one only its owner.
ITEMS = rb"""|*deleting  |0|d/e/1
|*deleting  |0|d/e/
|*deleting  |0|bad\#033[31m
|.d..t......|4096|./
|>f+++++++++|9|d
|cd+++++++++|4096|f/
|>f+++++++++|2|f/1
|cL+++++++++|1|a
|>f.st......|3|new\#012line
|hf.st......|3|hl|2
|.f...p.....|3|lit\#134#012x
"""

MASKED_25 = """file has vanished: "/q\\#012x" (in s4)
file has vanished: "/z" (in s4)
Deletions stopped due to --max-delete limit (2 skipped)
rsync warning: some files vanished before they could be transferred (code 24) at main.c(1956) [generator=3.5.0]"""

CHANGED_HOST_KEY = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:vWCUL2WlIDp+A6jVltAl7VKIRaVucePEhb1VGn/pA/c.
Please contact your system administrator.
Add correct host key in /etc/labops-backup/ssh/known_hosts to get rid of this message.
Offending ED25519 key in /etc/labops-backup/ssh/known_hosts:1
Host key for 10.98.65.17 has changed and you have requested strict checking.
Host key verification failed.
rsync: did not see server greeting
rsync error: error starting client-server protocol (code 5) at main.c(1872) [Receiver=3.2.7]"""

REFUSED = """ssh: connect to host 127.0.0.1 port 1: Connection refused
rsync: did not see server greeting
rsync error: error starting client-server protocol (code 5) at main.c(1954) [Receiver=3.5.0]"""

WRONG_KEY = """labops-pull@10.98.65.17: Permission denied (publickey,password).
rsync: did not see server greeting
rsync error: error starting client-server protocol (code 5) at main.c(1872) [Receiver=3.2.7]"""

SUDO = """sudo: a password is required
rsync: did not see server greeting
rsync error: error starting client-server protocol (code 5) at main.c(1954) [Receiver=3.5.0]"""

GREETING = """rsync: server sent "hello-motd" rather than greeting
rsync error: error starting client-server protocol (code 5) at main.c(1954) [Receiver=3.5.0]"""

UNKNOWN_MODULE = """@ERROR: Unknown module 'nomod'
rsync error: error starting client-server protocol (code 5) at main.c(1954) [Receiver=3.5.0]
rsync error: received SIGUSR1 (code 19) at main.c(1660) [Receiver=3.5.0]"""

UNMOUNTED = """@ERROR: chroot failed
rsync error: error starting client-server protocol (code 5) at main.c(1872) [Receiver=3.2.7]"""

REFUSED_OPTION = """rsync: The server is configured to refuse --remove-source-files
rsync error: requested action not supported (code 4) at clientserver.c(1267) [sender=3.5.0]
rsync: connection unexpectedly closed (0 bytes received so far) [Receiver]
rsync error: error in rsync protocol data stream (code 12) at io.c(285) [Receiver=3.5.0]"""

READ_ONLY = """ERROR: module is read only
rsync error: syntax or usage error (code 1) at main.c(1159) [Receiver=3.2.7]"""

CUT = """rsync: connection unexpectedly closed (2181 bytes received so far) [receiver]
rsync error: error in rsync protocol data stream (code 12) at io.c(285) [receiver=3.5.0]"""

NO_ROOM = """could not make way for new regular file: d
Deletions stopped due to --max-delete limit (7 skipped)
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]"""

UNREADABLE = """rsync: [sender] send_files failed to open "/secret" (in data): Permission denied (13)
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1956) [generator=3.5.0]"""

FULL = """rsync: [receiver] write failed on "/srv/backup/mirror/tatchu/data/a": No space left on device (28)
rsync error: error in file IO (code 11) at receiver.c(380) [receiver=3.5.0]"""


def said(text: str) -> _rsync.Messages:
    messages = _rsync.Messages()
    for line in text.splitlines():
        messages.take(line)
    return messages


@pytest.fixture
def remote(tmp_path: t.Any) -> _rsync.Transfer:
    (tmp_path / "identity").touch()
    (tmp_path / "known_hosts").touch()
    return _rsync.Transfer(
        source="labops-pull@10.98.65.17::blobs/",
        destination=str(tmp_path / "blobs"),
        identity_file=str(tmp_path / "identity"),
        known_hosts_file=str(tmp_path / "known_hosts"),
        port=2222,
        filters=("+ /keep/***", "- *"),
        hidden=("- /.labops-aside-*",),
        delete_excluded=True,
        prune_empty_dirs=True,
        timeout=60,
    )


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")


def test_the_arguments_of_a_pull(remote: _rsync.Transfer) -> None:
    ssh = (
        f"/usr/bin/ssh -F /dev/null -i {remote.identity_file} -p 2222 -o IdentitiesOnly=yes -o IdentityAgent=none "
        f"-o UserKnownHostsFile={remote.known_hosts_file} -o GlobalKnownHostsFile=/dev/null "
        "-o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o BatchMode=yes -o ConnectTimeout=30"
    )
    assert _rsync.arguments(remote, dry_run=False, max_delete=7) == [
        "/usr/bin/rsync",
        "-aHAXS",
        "--numeric-ids",
        "--modify-window=-1",
        "-8",
        "--delete-delay",
        f"--partial-dir={remote.destination}.partial",
        "--timeout=60",
        "--stats",
        "--no-human-readable",
        "--out-format=|%i|%l|%n",
        f"--temp-dir={remote.destination}.temporary",
        "--max-delete=7",
        "--delete-excluded",
        "--prune-empty-dirs",
        "--filter=- /.labops-aside-*",
        "--filter=+ /keep/***",
        "--filter=- *",
        "-e",
        ssh,
        "--",
        "labops-pull@10.98.65.17::blobs/",
        f"{remote.destination}/",
    ]


def test_what_a_pull_takes_away_goes_to_the_quarantine(remote: _rsync.Transfer) -> None:
    plain = _rsync.arguments(remote, dry_run=False, max_delete=3)
    words = _rsync.arguments(remote, dry_run=False, max_delete=3, backup_dir="/q/run/1")
    assert [word for word in words if word not in plain] == ["--backup", "--backup-dir=/q/run/1"]


def test_attributes_that_are_skipped_keep_those_of_the_system_out_too(remote: _rsync.Transfer) -> None:
    plain = _rsync.arguments(remote, dry_run=True)
    words = _rsync.arguments(dataclasses.replace(remote, skip_attributes=("btrfs.*",)), dry_run=True)
    assert [word for word in words if word not in plain] == ["--filter=-x system.*", "--filter=-x btrfs.*"]
    with pytest.raises(BackupError, match="'selinux' in skip_attributes is no name of an extended attribute"):
        _rsync.check(dataclasses.replace(remote, skip_attributes=("selinux",)))


# rsync 3.5.0 into a file system without extended attributes.
REFUSED_ATTRIBUTE = """rsync: [receiver] rsync_xal_set: fsetxattr("/m/d/.f.Mp3m0z","btrfs.compression") failed: \
Operation not supported (95)
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]"""


def test_an_attribute_that_the_mirror_refuses_has_a_remedy() -> None:
    text = REFUSED_ATTRIBUTE.replace("\\\n", "")
    assert "skip_attributes of the dataset" in _rsync.remedy("partial", text)


def test_content_is_compared_where_that_is_asked_for_and_a_large_file_has_time(remote: _rsync.Transfer) -> None:
    plain = _rsync.arguments(remote, dry_run=True)
    words = _rsync.arguments(dataclasses.replace(remote, checksum=True), dry_run=True)
    assert [word for word in words if word not in plain] == ["--timeout=3600", "--checksum"]
    patient = dataclasses.replace(remote, timeout=7200, checksum=True)
    assert "--timeout=7200" in _rsync.arguments(patient, dry_run=True)


# rsync 3.5.0, a daemon and a local directory.
ABSENT = """rsync: [sender] link_stat "/.labops-backup-dataset" (in blobs) failed: No such file or directory (2)
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1956) [Receiver=3.5.0]"""
ABSENT_LOCAL = """rsync: [sender] link_stat "/data/.labops-backup-dataset" failed: No such file or directory (2)
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]"""

# Before 3.2 rsync did not say which side speaks.
ABSENT_OLD = """rsync: link_stat "/.labops-backup-dataset" (in blobs) failed: No such file or directory (2)
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1677) [Receiver=3.5.0]"""


@pytest.mark.parametrize(
    ("rc", "text", "kind", "absent"),
    [
        (0, "", "ok", False),
        (23, ABSENT, "partial", True),
        (23, ABSENT_LOCAL, "partial", True),
        (23, ABSENT_OLD, "partial", True),
        (23, UNREADABLE, "partial", False),
        (12, CUT, "connection", False),
    ],
)
def test_the_marker_is_read_alone_and_its_absence_is_no_other_failure(
    remote: _rsync.Transfer, monkeypatch: pytest.MonkeyPatch, rc: int, text: str, kind: str, absent: bool
) -> None:
    said: list[t.Sequence[str]] = []

    def answer(argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        said.append(argv)
        for line in text.splitlines():
            keywords["on_stderr_line"](line)
        return _command.Outcome(tuple(argv), rc, b"", text, 0.1)

    monkeypatch.setattr(_command, "run", answer)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    run, found_absent = _rsync.fetch(remote, ".labops-backup-dataset", "/tmp/marker")
    assert (run.kind, found_absent) == (kind, absent)
    (argv,) = said
    assert argv[:5] == ["/usr/bin/rsync", "-8", f"--timeout={remote.timeout}", "--max-size=65536", "-e"]
    assert argv[5].startswith("/usr/bin/ssh -F /dev/null -i ")
    assert argv[6:] == ["--", f"{remote.source.rstrip('/')}/.labops-backup-dataset", "/tmp/marker"]


def test_a_copy_overwrites_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[t.Sequence[str]] = []

    def answer(argv: t.Sequence[str], **_keywords: t.Any) -> _command.Outcome:
        said.append(argv)
        return _command.Outcome(tuple(argv), 0, b"", "", 0.1)

    monkeypatch.setattr(_command, "run", answer)
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    assert _rsync.copy(["/q/1/a/", "/q/2/a/"], "/out/").kind == "ok"
    assert {"-aHAXS", "--numeric-ids", "--ignore-existing"} < set(said[0])
    assert said[0][-4:] == ["--", "/q/1/a/", "/q/2/a/", "/out/"]


def test_a_census_changes_nothing_and_counts_all_deletions() -> None:
    words = _rsync.arguments(_rsync.Transfer(source="/data", destination="/mirror/data"), dry_run=True)
    assert "--dry-run" in words
    assert not [word for word in words if word.startswith(("--max-delete", "--delete-excluded", "-e"))]
    assert words[-3:] == ["--", "/data/", "/mirror/data/"]


@pytest.mark.parametrize(
    "source",
    [
        "host:/path",
        "rsync://host/module/",
        "-e sh@host::module/",
        "labops-pull@-oProxyCommand=x::module/",
        "labops-pull@host::module/../other/",
        "labops-pull@host::mod ule/",
        "labops-pull@host::module/\n",
        "relative/path",
    ],
)
def test_a_source_that_could_mean_something_else_is_refused(remote: _rsync.Transfer, source: str) -> None:
    with pytest.raises(BackupError, match="neither account@host::module/ nor an absolute path"):
        _rsync.check(_rsync.Transfer(**{**vars(remote), "source": source}))


@pytest.mark.parametrize("source", ["a@h.example.org::data", "a@[fe80::1%eth0]::data/", "labops-pull@10.0.0.1::x_y-z/"])
def test_a_plain_source_is_taken(remote: _rsync.Transfer, source: str) -> None:
    _rsync.check(_rsync.Transfer(**{**vars(remote), "source": source}))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"destination": "/"}, "not a plain absolute path"),
        ({"destination": "/srv/x/"}, "not a plain absolute path"),
        ({"destination": "/srv/../x"}, "not a plain absolute path"),
        ({"destination": "mirror"}, "not a plain absolute path"),
        ({"destination": "/nowhere/at/all"}, "directory /nowhere/at for the mirror does not exist"),
        ({"identity_file": None}, "identity_file is needed"),
        ({"identity_file": "/etc/my key"}, "cannot carry"),
        ({"known_hosts_file": "/etc/'x'"}, "cannot carry"),
        ({"known_hosts_file": "/nowhere"}, "does not exist"),
        ({"filters": ("merge /etc/passwd",)}, "neither '[+] PATTERN' nor"),
        ({"source": "/nowhere"}, "is not a directory"),
    ],
)
def test_bad_input_is_refused(remote: _rsync.Transfer, change: dict[str, t.Any], complaint: str) -> None:
    with pytest.raises(BackupError, match=complaint) as caught:
        _rsync.check(_rsync.Transfer(**{**vars(remote), **change}))
    assert "Nothing was changed" in caught.value.message


def test_a_destination_that_is_a_link_or_a_file_is_refused(remote: _rsync.Transfer, tmp_path: t.Any) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("link", "identity"):
        with pytest.raises(BackupError, match="not a directory of its own"):
            _rsync.check(_rsync.Transfer(**{**vars(remote), "destination": str(tmp_path / name)}))


def test_items_are_counted_and_named() -> None:
    items = _rsync.Items()
    for line in ITEMS.splitlines():
        items.take(line)
    assert (items.created, items.created_directories, items.changed, items.metadata) == (3, 1, 2, 2)
    assert (items.deleted, items.deleted_files) == (3, 2)
    assert items.examples_deleted == ["d/e/1", "bad\\x1b[31m"]
    assert items.examples_changed == ["new\\x0aline", "hl|2"]


def test_a_new_entry_in_the_place_of_a_file_is_a_change(tmp_path: t.Any) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "f").touch()
    (tmp_path / "d").mkdir()
    items = _rsync.Items(mirror=bytes(tmp_path))
    for line in ITEMS.splitlines():
        items.take(line)
    assert (items.created, items.created_directories, items.changed, items.files_to_directories) == (2, 0, 4, 1)
    assert items.examples_changed[:2] == ["f/", "a"]


def test_examples_are_few() -> None:
    items = _rsync.Items()
    for number in range(1000):
        items.take(b"|*deleting  |0|%d" % number)
    assert (items.deleted_files, len(items.examples_deleted)) == (1000, 20)


def test_statistics_are_read() -> None:
    statistics = _rsync.Statistics()
    for line in STATISTICS_DRY.splitlines():
        statistics.take(line)
    assert statistics == _rsync.Statistics(
        entries={"reg": 14, "dir": 5, "link": 2, "special": 2},
        regular_files=14,
        files=18,
        total_bytes=10000040,
        transferred_bytes=10000018,
        literal_bytes=0,
    )


@pytest.mark.parametrize(
    ("rc", "text", "kind"),
    [
        (0, "", "ok"),
        (24, 'file has vanished: "/z" (in s4)\nrsync warning: some files vanished (code 24)', "vanished"),
        (24, MASKED_25, "delete_limit"),
        (23, NO_ROOM, "delete_limit"),
        (25, "", "delete_limit"),
        (24, 'file has vanished: "/z"\nrsync: [sender] readlink failed: Input/output error (5)', "partial"),
        (23, UNREADABLE, "partial"),
        (5, REFUSED, "connection"),
        (12, CUT, "connection"),
        (30, "rsync error: timeout in data send/receive (code 30)", "connection"),
        (255, "", "connection"),
        (5, CHANGED_HOST_KEY, "failed"),
        (5, WRONG_KEY, "failed"),
        (5, SUDO, "failed"),
        (5, GREETING, "failed"),
        (5, UNKNOWN_MODULE, "failed"),
        (5, UNMOUNTED, "failed"),
        (12, REFUSED_OPTION, "failed"),
        (1, READ_ONLY, "failed"),
        (11, FULL, "failed"),
        (20, "", "failed"),
        (-9, "", "failed"),
    ],
)
def test_exit_codes_are_read_together_with_what_was_said(rc: int, text: str, kind: str) -> None:
    assert _rsync.classify(rc, said(text)) == kind


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (CHANGED_HOST_KEY, "not the pinned one"),
        (WRONG_KEY, "does not accept the pull identity"),
        (SUDO, "sudo does not allow"),
        (GREETING, "Something else than the endpoint answered"),
        (UNKNOWN_MODULE, "does not offer this dataset"),
        (UNMOUNTED, "not mounted"),
        (REFUSED_OPTION, "read-only by design"),
        (READ_ONLY, "read-only by design"),
        (FULL, "Free space"),
        (REFUSED, "reaches its ssh port"),
    ],
)
def test_the_message_says_what_to_do(text: str, advice: str) -> None:
    messages = said(text)
    run = _rsync.Run(
        _rsync.classify(5, messages), 5, _rsync.Items(), _rsync.Statistics(), messages, notes=(), seconds=0.1
    )
    error = run.error("the census of x failed", untouched="The mirror was not changed")
    assert advice in error.message
    assert "exit code 5" in error.message
    assert "The mirror was not changed" in error.message


def test_a_long_banner_does_not_hide_why_it_failed() -> None:
    banner = "\n".join(f"Property of the laboratory, line {number}" for number in range(40))
    assert _rsync.classify(5, said(f"{banner}\n{WRONG_KEY}")) == "failed"


def test_vanished_files_are_counted_and_named() -> None:
    messages = said(MASKED_25)
    assert (messages.vanished, messages.vanished_examples) == (2, ["/q\\x0ax", "/z"])
    assert messages.skipped_deletions == 2


def test_output_is_understood_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ITEMS + b"cannot delete non-empty directory: d/kept\n" + STATISTICS_DRY

    def fake(argv: t.Any, **keywords: t.Any) -> _command.Outcome:
        assert keywords["env"]["LC_ALL"] == "C.UTF-8"
        for start in range(0, len(whole), 7):
            keywords["on_stdout"](whole[start : start + 7])
        return _command.Outcome(tuple(argv), 0, b"", "", 0.5)

    monkeypatch.setattr(_command, "run", fake)
    run = _rsync.pull(_rsync.Transfer(source="/data", destination="/mirror/data"), max_delete=3)
    assert (run.kind, run.items.deleted, run.statistics.files, run.seconds) == ("ok", 3, 18, 0.5)
    assert run.notes == ("cannot delete non-empty directory: d/kept",)


def test_names_survive_rsyncs_escaping() -> None:
    assert _rsync.unescape(rb"a\#012b") == b"a\nb"
    assert _rsync.unescape(rb"lit\#134#012x") == rb"lit\#012x"
    assert _rsync.unescape(b"bad\xff") == b"bad\xff"


def test_names_are_made_printable() -> None:
    assert _rsync.printable("ünï".encode()) == "ünï"
    assert _rsync.printable(b"bad\xff\n\x1b[2J") == "bad\\xff\\x0a\\x1b[2J"


def test_a_disk_that_does_not_take_the_data_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fake(argv: t.Any, **_keywords: t.Any) -> _command.Outcome:
        calls.append(argv)
        return _command.Outcome(tuple(argv), len(calls) - 1, b"", "sync: error syncing '/m': Input/output error", 0.1)

    monkeypatch.setattr(_command, "run", fake)
    _rsync.flush("/m")
    assert calls == [["/usr/bin/sync", "--file-system", "/m"]]
    with pytest.raises(BackupError, match="could not be flushed to disk"):
        _rsync.flush("/m")


# ------------------------------------------------------------------------------------------------------------- push


@pytest.fixture
def push(tmp_path: t.Any) -> _rsync.Push:
    (tmp_path / "identity").touch()
    (tmp_path / "known_hosts").touch()
    return _rsync.Push(
        source=str(tmp_path),
        destination="labops-restore@10.98.65.18::blobs/",
        files_from="/tmp/paths",
        partial_dir=".labops-aside-20261124T081500Z-4d2a10.partial",
        rewrite=True,
        identity_file=str(tmp_path / "identity"),
        known_hosts_file=str(tmp_path / "known_hosts"),
        timeout=60,
    )


def test_the_arguments_of_a_push(push: _rsync.Push) -> None:
    ssh = (
        f"/usr/bin/ssh -F /dev/null -i {push.identity_file} -p 22 -o IdentitiesOnly=yes -o IdentityAgent=none "
        f"-o UserKnownHostsFile={push.known_hosts_file} -o GlobalKnownHostsFile=/dev/null "
        "-o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o BatchMode=yes -o ConnectTimeout=30"
    )
    assert _rsync.push_arguments(push, dry_run=True) == [
        "/usr/bin/rsync",
        "-aHAXS",
        "--numeric-ids",
        "--modify-window=-1",
        "-8",
        "--partial-dir=.labops-aside-20261124T081500Z-4d2a10.partial",
        "--timeout=60",
        "--stats",
        "--no-human-readable",
        "--info=progress2",
        "--outbuf=N",
        "--out-format=|%i|%l|%n",
        "--dry-run",
        "--ignore-times",
        "--from0",
        "--files-from=/tmp/paths",
        "--no-implied-dirs",
        "-e",
        ssh,
        "--",
        f"{push.source}/",
        "labops-restore@10.98.65.18::blobs/",
    ]


def test_the_arguments_of_a_push_of_everything_to_a_directory(push: _rsync.Push) -> None:
    local = dataclasses.replace(push, destination="/data", files_from=None, rewrite=False)
    words = _rsync.push_arguments(local, dry_run=False)
    assert not {"--dry-run", "--ignore-times", "--from0", "--no-implied-dirs", "-e"} & set(words)
    assert "--partial-dir=.labops-aside-20261124T081500Z-4d2a10.partial" in words
    assert words[-3:] == ["--", f"{push.source}/", "/data/"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "/nonexistent"}, "the source '/nonexistent' is not a directory"),
        ({"source": "/"}, "the source '/' is not a directory, named by a plain"),
        ({"destination": "/tmp/../etc"}, "the destination '/tmp/../etc' is not a directory, named by a plain"),
        ({"destination": "tatchu:/data"}, "is neither account@host::module/ nor an absolute path"),
        ({"identity_file": None}, "identity_file is needed for the remote destination"),
        ({"known_hosts_file": "/nonexistent"}, "known_hosts_file /nonexistent does not exist"),
    ],
)
def test_a_push_that_could_be_misunderstood_is_refused(
    push: _rsync.Push, change: dict[str, t.Any], reason: str
) -> None:
    _rsync.check_push(push)
    with pytest.raises(BackupError) as caught:
        _rsync.check_push(dataclasses.replace(push, **change))
    assert reason in caught.value.message


# Output of rsync 3.5.0 to a pipe.
SENT = (
    b"|<f+++++++++|18|\\#033[31mred\n"
    b"\r             18   0%    0.00kB/s    0:00:00  "
    b"\r             18   0%    0.00kB/s    0:00:00 (xfr#1, to-chk=143/144)\n"
    b"|cd+++++++++|4096|at/\n"
    b"|.f...p.....|3|kept\n"
    b"\r       31618202  99%  317.40MB/s    0:00:00 (xfr#57, to-chk=0/190)\n\n"
    b"Number of files: 190 (reg: 82, dir: 102, link: 4, special: 2)\n"
    b"Total transferred file size: 31618202 bytes\n"
    b"Literal data: 31618184 bytes\n"
)


def test_what_a_push_says(push: _rsync.Push, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        for start in range(0, len(SENT), 7):  # chunks end anywhere
            keywords["on_stdout"](SENT[start : start + 7])
        assert (keywords["stall_seconds"], keywords["pass_fds"]) == (60, (9,))
        return _command.Outcome(tuple(argv), 0, b"", "", 0.1)

    monkeypatch.setattr(_command, "run", answer)
    reached: list[int] = []
    run = _rsync.send(push, stall_seconds=60, on_progress=reached.append, pass_fds=(9,))
    assert (run.kind, run.items.created, run.items.created_directories, run.items.metadata) == ("ok", 1, 1, 1)
    assert (run.statistics.transferred_bytes, run.statistics.literal_bytes) == (31618202, 31618184)
    assert reached == [18, 18, 31618202]


# rsync 3.5.0 against a daemon behind ssh, the daemon's side being written to.
REMOTE_FULL = """rsync: [receiver] write failed on "/big" (in blobs): No space left on device (28)
rsync error: error in file IO (code 11) at receiver.c(380) [receiver=3.5.0]"""


@pytest.mark.parametrize(
    ("rc", "text", "kind", "advice"),
    [
        (11, REMOTE_FULL, "failed", "Free space on the source's file system"),
        (5, WRONG_KEY, "failed", "it has expired, or was closed. Open it again"),
        (5, UNKNOWN_MODULE, "failed", "Close and open the write endpoint"),
        (5, SUDO, "failed", "Close and open the write endpoint"),
        (12, CUT, "connection", "Check that the source is up"),
        (5, REFUSED, "connection", "Check that the source is up"),
        (23, UNREADABLE, "partial", "Mend what the messages name"),
        (24, 'file has vanished: "/srv/x"', "vanished", "Find out who else works on that tree"),
    ],
)
def test_what_to_do_about_a_push_that_failed(
    push: _rsync.Push, monkeypatch: pytest.MonkeyPatch, rc: int, text: str, kind: str, advice: str
) -> None:
    def answer(argv: t.Sequence[str], **keywords: t.Any) -> _command.Outcome:
        for line in text.splitlines():
            keywords["on_stderr_line"](line)
        return _command.Outcome(tuple(argv), rc, b"", text, 0.1)

    monkeypatch.setattr(_command, "run", answer)
    run = _rsync.send(push)
    error = run.push_error("the push failed", untouched="")
    assert (run.kind, error.facts) == (kind, {"rc": rc, "kind": kind})
    assert advice in error.message
    assert "mirror" not in error.message


def test_a_push_that_stands_still_says_so(push: _rsync.Push, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(argv: t.Sequence[str], **_keywords: t.Any) -> _command.Outcome:
        return _command.Outcome(tuple(argv), 20, b"", "ended: no sign of progress for 60 s", 60.1, stalled=True)

    monkeypatch.setattr(_command, "run", answer)
    run = _rsync.send(push, stall_seconds=60)
    assert (run.kind, run.messages.text) == ("stalled", "ended: no sign of progress for 60 s")


def says(monkeypatch: pytest.MonkeyPatch, stdout: bytes) -> None:
    monkeypatch.setattr(_command, "find", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(_command, "run", lambda argv, **_keywords: _command.Outcome(tuple(argv), 0, stdout, "", 0.0))


def test_the_rsync_of_debian_12_does(monkeypatch: pytest.MonkeyPatch, rsync_version: bytes) -> None:
    says(monkeypatch, rsync_version)
    _rsync.require()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"version": "3.2.7"', b'"version": "3.2.6"', "'3.2.6'; 3.2.7 or later is needed"),
        (b'"version": "3.2.7"', b'"version": "odd"', "'odd'; 3.2.7 or later is needed"),
        (b'"xattrs": true', b'"xattrs": false', "3.2.7 was built without extended attributes, which"),
        (b'"xattrs": true', b'"xattr": true', "3.2.7 was built without extended attributes, which"),
    ],
)
def test_another_rsync_is_refused(
    monkeypatch: pytest.MonkeyPatch, rsync_version: bytes, old: bytes, new: bytes, said: str
) -> None:
    assert old in rsync_version
    says(monkeypatch, rsync_version.replace(old, new))
    with pytest.raises(BackupError) as raised:
        _rsync.require()
    assert said in raised.value.message and "/usr/bin/rsync on " in raised.value.message
    assert "Nothing was changed." in raised.value.message and raised.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"openrsync: protocol version 29\nrsync version 2.6.9 compatible\n", b"[]", b"rsync  version 3.1.3\n"),
        *(
            b'{"version": "3.2.7", "capabilities": ["ACLs"]}',
            b'{"version": "3.2.7", "capabilities": null}',
            b"[" * 99999,
        ),
    ],
)
def test_what_does_not_tell_what_it_was_built_with_is_refused(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    says(monkeypatch, text)
    with pytest.raises(BackupError, match=r"3\.2\.7 or later is needed"):
        _rsync.require()


def test_a_source_whose_rsync_cannot_keep_everything_is_told() -> None:
    messages = _rsync.Messages()
    messages.take("rsync: ACLs are not supported on this server")
    assert _rsync.classify(4, messages) == "failed"
    assert "of the source was built without" in _rsync.remedy("failed", messages.text)


@pytest.mark.parametrize(
    ("text", "pulled", "pushed"),
    [
        ("Host key verification failed.", "host key is not the pinned one", "host key is not the pinned one"),
        ("Permission denied (publickey).", "does not accept the pull identity", "it has expired, or was closed"),
        ("sudo: a password is required", "does not allow the endpoint's command", ""),
        ("@ERROR: Unknown module 'blobs'", "does not offer this dataset", ""),
        ("@ERROR: chroot failed", "does not exist, or its file system is not mounted", "is not mounted"),
        ("ERROR: module is read only", "read-only by design", ""),
        ("protocol version mismatch -- is your shell clean?", "Something else than the endpoint answered", ""),
        ("write failed: No space left on device (28)", "the mirror's file system", "Free space on the source's"),
        ("mkstemp: Read-only file system (30)", "look at the kernel log before", "look at the kernel log there"),
    ],
)
def test_what_rsync_says_has_a_remedy_on_the_side_that_speaks(text: str, pulled: str, pushed: str) -> None:
    assert pulled in _rsync.remedy("failed", text)
    said = next(advice for pattern, advice in _rsync._PUSH_REMEDIES if re.search(pattern, text)) if pushed else ""
    assert pushed in said


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("delete_limit", "look at what deletes there"),
        ("partial", "Mend what the messages name on the source or the mirror"),
        ("stalled", "a hanging mount, a dying disk"),
        ("connection", "this server reaches its ssh port"),
        ("failed", "Mend what the messages name, then run again"),
    ],
)
def test_every_kind_of_failure_has_a_remedy(kind: t.Any, advice: str) -> None:
    assert advice in _rsync.remedy(kind, "nothing that is known")
