# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's command line, environment, exit codes and output, against runs of 1.2.4 and 1.4.5 that were recorded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import types
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg, _command

PATH = "/srv/backup/borg/tatchu/blobs"
FIRST = "tatchu-blobs-20261123T023000Z-77b0aa"
SECOND = "tatchu-blobs-20261124T023000Z-0c41d2"


@pytest.fixture
def repository(recorded_borg: t.Any) -> _borg.Repository:
    return _borg.Repository(**recorded_borg.options)


# ------------------------------------------------------------------------------------------------------- pure parts


@pytest.mark.parametrize(
    ("rc", "kind"),
    [
        (0, "success"),
        (1, "warning"),
        (100, "warning"),
        (107, "warning"),
        (127, "warning"),
        (2, "error"),
        (13, "error"),
        (99, "error"),
        (128, "signal"),
        (143, "signal"),
        (-9, "signal"),
    ],
)
def test_exit_codes(rc: int, kind: str) -> None:
    assert _borg.kind(rc) == kind


@pytest.mark.parametrize(
    ("text", "version"), [("borg 1.2.4\n", (1, 2, 4)), ("borg 1.4.5", (1, 4, 5)), ("borg 1.2.0rc1", (1, 2, 0))]
)
def test_supported_versions(text: str, version: tuple[int, ...]) -> None:
    assert _borg.parse_version(text) == version


@pytest.mark.parametrize("text", ["borg 2.0.0b25", "borg 1.1.18", "borg 3.0.0"])
def test_other_versions_are_refused(text: str) -> None:
    with pytest.raises(BackupError, match="this collection works with") as caught:
        _borg.parse_version(text)
    assert text.split()[1] in caught.value.what


def test_what_is_not_borg_is_refused() -> None:
    with pytest.raises(BackupError, match="not Borg: it calls itself 'GNU bash'"):
        _borg.parse_version("GNU bash")


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("2G", 2_000_000_000), ("2g", 2_000_000_000), ("500M", 500_000_000), ("1.5K", 1500), ("12", 12)],
)
def test_sizes(text: str, size: int) -> None:
    assert _borg.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "2GB", "-1", "2 G", "G", "1.2345M"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(BackupError, match="is not a size"):
        _borg.parse_size(text)


def test_times_get_their_zone() -> None:
    assert _borg.parse_time("2026-11-23T05:14:25.000000") == "2026-11-23T05:14:25Z"
    with pytest.raises(BackupError, match="with a zone"):
        _borg.parse_time("2026-11-23T05:14:25+01:00")


@pytest.mark.parametrize("name", ["", "-a", "a b", "a::b", "{now}", "a/b", "a.checkpoint", "a.checkpoint.1", "a\n"])
def test_names_that_no_archive_gets(name: str) -> None:
    with pytest.raises(BackupError, match="cannot name an archive"):
        _borg.check_archive_name(name)


def test_a_name_that_an_archive_gets() -> None:
    assert _borg.check_archive_name(FIRST) == FIRST


# ------------------------------------------------------------------------------------------------------- passphrase


def secret_file(folder: pathlib.Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"correct horse\n", b"correct horse"),
        (b"no newline", b"no newline"),
        (b" spaces \n", b" spaces "),
        (b"x", b"x"),
    ],
)
def test_exactly_one_newline_is_left_out(tmp_path: pathlib.Path, content: bytes, secret: bytes) -> None:
    assert _borg.read_passphrase(secret_file(tmp_path, content)) == secret


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "more than one line"),
        (b"one\n\n", "more than one line"),
        (b"a\0b", "more than one line"),
        (b"\xff", "is not UTF-8"),
        (b"x" * 4097, "is longer than 4096 bytes"),
    ],
)
def test_passphrases_that_borg_would_read_otherwise(tmp_path: pathlib.Path, content: bytes, problem: str) -> None:
    with pytest.raises(BackupError, match=problem):
        _borg.read_passphrase(secret_file(tmp_path, content))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o660, 0o644])
def test_a_passphrase_that_others_can_read_is_refused(tmp_path: pathlib.Path, mode: int) -> None:
    path = secret_file(tmp_path, b"x", mode)
    with pytest.raises(BackupError, match=f"has mode {mode:04o}") as caught:
        _borg.read_passphrase(path)
    assert caught.value.remedy == f"chmod 0600 {path}"


def test_a_passphrase_of_somebody_else_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = secret_file(tmp_path, b"x")
    real = os.fstat

    def of_another(descriptor: int) -> os.stat_result:
        values = list(real(descriptor))
        values[4] = 4711
        return os.stat_result(values)

    monkeypatch.setattr(os, "fstat", of_another)
    with pytest.raises(BackupError, match="belongs to user 4711"):
        _borg.read_passphrase(path)


def test_a_passphrase_that_is_missing_or_no_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BackupError, match="does not exist"):
        _borg.read_passphrase(str(tmp_path / "nothing"))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(BackupError, match="is not a regular file"):
        _borg.read_passphrase(str(fifo))
    with pytest.raises(BackupError, match="is not a regular file"):
        _borg.read_passphrase(str(tmp_path))


# ------------------------------------------------------------------------------------------- environment, arguments


def test_the_host_id_is_stable_and_tells_nothing(tmp_path: pathlib.Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    other.write_text("3d1219c7c4c5404aaa1f6d2a48adfda5\n")
    assert _borg.host_id(str(one)) == _borg.host_id(str(one)) != _borg.host_id(str(other))
    assert "3d1219c7" not in _borg.host_id(str(one))
    with pytest.raises(BackupError, match="is missing or empty"):
        _borg.host_id(str(tmp_path / "nothing"))


def test_the_environment_is_pinned_and_the_passphrase_is_not_in_it(
    recorded_borg: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BORG_REPO", "/elsewhere")
    monkeypatch.setenv("BORG_PASSPHRASE", "inherited")
    recorded_borg.will("list")
    _borg.Repository(**recorded_borg.options).describe()
    (call,) = recorded_borg.calls
    environment = call["env"]
    assert {name: value for name, value in environment.items() if name not in ("PATH", "HOME")} == {
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "BORG_BASE_DIR": recorded_borg.options["base_dir"],
        "BORG_HOST_ID": "labops-0123456789abcdef01234567",
        "BORG_EXIT_CODES": "modern",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "no",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no",
        "BORG_DISPLAY_PASSPHRASE": "no",
    }
    assert call["secrets"] == {"BORG_PASSPHRASE_FD": b"correct horse"}
    assert not any("correct horse" in word for word in (*call["argv"], *environment.values()))


def test_the_arguments_of_create(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("create")
    repository.create(
        FIRST,
        "/srv/backup/mirror/tatchu",
        "blobs",
        compression="zstd,22",
        exclude=["sh:**/.rsync-partial", "pp:lost+found"],
        comment="of {now}",
        checkpoint_interval=600,
        chunker_params="buzhash,16,20,18,4095",
        stall_seconds=3600,
        pass_fds=[7],
    )
    words = ["--progress", "create", "--json", "--numeric-ids", "--compression", "zstd,22", "--comment", "of {{now}}"]
    words += ["--checkpoint-interval", "600", "--chunker-params", "buzhash,16,20,18,4095"]
    words += ["--exclude", "sh:**/.rsync-partial", "--exclude", "pp:lost+found", "--", f"{PATH}::{FIRST}", "blobs"]
    assert recorded_borg.verbs == [words]
    (call,) = recorded_borg.calls
    assert (call["cwd"], call["stall_seconds"], call["pass_fds"]) == ("/srv/backup/mirror/tatchu", 3600, [7])


def test_the_shortest_create(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("create")
    repository.create(FIRST, "/mirror", compression="zstd,3")
    words = ["--progress", "create", "--json", "--numeric-ids", "--compression", "zstd,3"]
    words += ["--", f"{PATH}::{FIRST}", "."]
    assert recorded_borg.verbs == [words]


def test_a_pattern_without_its_style_is_refused(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    with pytest.raises(BackupError, match="does not say its style"):
        repository.create(FIRST, "/mirror", compression="zstd,3", exclude=["*.tmp"])
    assert recorded_borg.calls == []


def test_the_other_verbs(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("list", "info_repository", "config_get", "extract_file", "extract_file", "info_archive")
    repository.describe()
    repository.statistics()
    assert repository.free_space_reserve() == "20M"
    repository.read_file(FIRST, "point.json")
    repository.export_key()
    repository.archives(name=FIRST)
    assert recorded_borg.verbs == [
        ["list", "--json", PATH],
        ["info", "--json", PATH],
        ["config", PATH, "additional_free_space"],
        ["extract", "--stdout", f"{PATH}::{FIRST}", "pp:point.json"],
        ["key", "export", PATH, "-"],
        ["info", "--json", f"{PATH}::{FIRST}"],
    ]


def test_each_archive_is_opened(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("list_opened")
    repository.open_archives()
    assert recorded_borg.verbs == [["list", "--format", "{comment}{NL}", "--glob-archives", "*", PATH]]


@pytest.mark.parametrize("recorded_borg", ["1.4.5"], indirect=True)
def test_an_archive_that_a_new_borg_lists_and_does_not_open_is_named(
    recorded_borg: t.Any, repository: _borg.Repository
) -> None:
    """Recorded with an archive that Borg 1.2.4 had renamed."""
    recorded_borg.will("list_renamed", "list", "list_renamed", "list_opened")
    with pytest.raises(BackupError) as caught:
        repository.open_archives()
    assert caught.value.message == (
        f"Borg 1.4.5 does not open {SECOND} in {PATH} (ArchiveTAMInvalid). The repository was not changed. Put the"
        " former borg_version back and run site.yml again. If these archives are yours, borg upgrade --help of the new"
        " version says under --archives-tam how to sign them; never run borg check --repair before that."
    )
    assert [words[-2] for words in recorded_borg.verbs] == ["*", "--json", SECOND, FIRST]


def test_a_repository_that_does_not_open_at_all_is_told_as_such(
    recorded_borg: t.Any, repository: _borg.Repository
) -> None:
    recorded_borg.will("wrong_passphrase", "wrong_passphrase")
    with pytest.raises(_borg.BorgError) as caught:
        repository.open_archives()
    assert caught.value.msgid == "PassphraseWrong"


@pytest.mark.parametrize("path", ["relative", "ssh://host/./repo", "/a::b", "/a{now}", "/a}b"])
def test_repositories_that_borg_would_misread(recorded_borg: t.Any, path: str) -> None:
    with pytest.raises(BackupError, match=r"absolute path is needed|would misread"):
        _borg.Repository(**{**recorded_borg.options, "repository": path})


def test_a_program_that_is_not_there(recorded_borg: t.Any) -> None:
    with pytest.raises(BackupError, match="there is no program /opt/nothing/borg"):
        _borg.Repository(**{**recorded_borg.options, "executable": "/opt/nothing/borg"})


def test_borg_2_is_refused_before_it_touches_anything(recorded_borg: t.Any) -> None:
    recorded_borg.version_text = "borg 2.0.0b25\n"
    with pytest.raises(BackupError, match="is not supported"):
        _borg.Repository(**recorded_borg.options)
    assert not os.path.exists(recorded_borg.options["base_dir"])


# ---------------------------------------------------------------------------------------------------------- results


def test_archives_come_newest_first_and_without_checkpoints(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("list")
    found = repository.describe()
    assert [archive["name"] for archive in found["archives"]] == [SECOND, FIRST]
    assert found["encryption"] == "repokey-blake2" and len(found["repository_id"]) == 64
    assert all(archive["start"].endswith("Z") for archive in found["archives"])


def test_info_shows_checkpoints_that_are_left_out(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("info_glob")
    assert "9e07f3.checkpoint" in recorded_borg.cases["info_glob"]["stdout"]
    assert [archive["name"] for archive in repository.archives(glob="tatchu-*")["archives"]] == [SECOND, FIRST]
    assert recorded_borg.verbs == [["info", "--json", "--glob-archives", "tatchu-*", PATH]]


@pytest.mark.parametrize(("last", "reach"), [(1, 2), (2, 3), (9, 3)])
def test_the_newest_reach_past_checkpoints(
    recorded_borg: t.Any, repository: _borg.Repository, last: int, reach: int
) -> None:
    recorded_borg.will("list_with_checkpoints", "info_glob")
    repository.archives(last=last)
    listed, asked = recorded_borg.verbs
    assert listed == ["list", "--json", "--consider-checkpoints", "--glob-archives", "*", PATH]
    assert asked == ["info", "--json", "--glob-archives", "*", "--last", str(reach), PATH]


def test_the_newest_of_none(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("list_empty", "info_glob")
    repository.archives(glob="nothing*", last=3)
    assert recorded_borg.verbs[1][-3:] == ["--last", "1", PATH]


def test_what_an_archive_holds(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("info_archive")
    (archive,) = repository.archives(name=FIRST)["archives"]
    assert (archive["name"], archive["comment"], archive["nfiles"]) == (FIRST, "first {now}", 3)
    assert archive["chunker_params"] == "buzhash,19,23,21,4095"
    assert archive["start"] <= archive["end"]
    assert archive["original_size"] == len("alpha") + 3000 + len("x")


def test_what_was_created_is_proven(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("create", "info_archive")
    seen: list[dict[str, t.Any]] = []
    created = repository.create(FIRST, "/mirror", compression="zstd,22", on_progress=seen.append)
    assert (created.nfiles, created.warnings) == (3, ())
    assert [record["path"] for record in seen][:1] == ["."]
    proof = repository.prove(FIRST, created)
    assert (proof["archive_id"], proof["nfiles"], proof["seconds"]) == (created.archive_id, 3, created.seconds)
    assert proof["original_size"] == 3006


def test_another_archive_is_no_proof(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("info_archive", "info_archive")
    archive_id = repository.archives(name=FIRST)["archives"][0]["id"]
    with pytest.raises(BackupError, match="is not the one that was written"):
        repository.prove(FIRST, _borg.Created(archive_id, 4, 1.0, ()))


def test_the_lock_of_a_dead_borg_is_a_warning_of_success(recorded_borg: t.Any) -> None:
    log = _borg.Log()
    for line in recorded_borg.cases["list_after_kill"]["stderr"]:
        log.take(line)
    assert any("Killed stale lock" in text for text in log.warnings)
    assert not log.errors


# ----------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("case", "msgid", "rc", "says"),
    [
        ("wrong_passphrase", "PassphraseWrong", 52, "the passphrase does not open the repository"),
        ("missing", "Repository.DoesNotExist", 13, "there is no repository"),
        ("foreign", "Repository.InvalidRepository", 15, "not a Borg repository"),
        ("damaged_config", "Repository.InvalidRepositoryConfig", 16, "config file is damaged"),
        ("lost_key", "RepoKeyNotFoundError", 44, "lost its key"),
        ("locked", "LockTimeout", 73, "another Borg holds the repository's lock"),
        ("relocated", "Cache.RepositoryAccessAborted", 62, "was known at another path"),
        ("info_no_archive", "Archive.DoesNotExist", 31, "no archive of that name"),
        ("create_exists", "Archive.AlreadyExists", 30, "an archive of that name exists already"),
        ("init_on_foreign", "Repository.PathAlreadyExists", 19, "something else lies there"),
        ("reserve_reached", "Repository.InsufficientFreeSpaceError", 14, "keeps in reserve"),
        ("disk_full", "NoSpace", 2, "the file system of the repository is full"),
    ],
)
def test_causes_have_names_and_remedies(
    recorded_borg: t.Any, repository: _borg.Repository, case: str, msgid: str, rc: int, says: str
) -> None:
    recorded_borg.will(case)
    with pytest.raises(_borg.BorgError) as caught:
        repository.describe()
    error = caught.value
    assert (error.msgid, error.rc) == (msgid, 2 if recorded_borg.version == "1.2.4" else rc)
    assert says in error.what and error.remedy
    assert "Traceback" not in error.message and "correct horse" not in error.message


def failed(recorded_borg: t.Any, text: str, *, msgid: str, rc: int = 2) -> _borg.BorgError:
    """What becomes of an error that Borg words so."""
    record = {"type": "log_message", "levelname": "ERROR", "name": "borg.archiver", "msgid": msgid, "message": text}
    recorded_borg.cases["made up"] = {"rc": rc, "stalled": False, "stderr": [json.dumps(record)], "stdout": ""}
    recorded_borg.will("made up")
    with pytest.raises(_borg.BorgError) as caught:
        _borg.Repository(**recorded_borg.options).describe()
    return caught.value


def test_a_file_that_failed_its_integrity_check_is_the_repositorys_or_the_caches(recorded_borg: t.Any) -> None:
    base = recorded_borg.options["base_dir"]
    said = "File failed integrity check: {}"
    error = failed(recorded_borg, said.format(f"{PATH}/index.9"), msgid="FileIntegrityError")
    assert (error.msgid, error.found) == ("FileIntegrityError", True)
    assert "the repository is damaged" in error.what and error.remedy.startswith("Stop its backups")

    error = failed(recorded_borg, said.format(f"{base}/.cache/borg/ff/chunks"), msgid="FileIntegrityError")
    assert (error.msgid, error.found) == ("CacheDamaged", False)
    assert "Borg's cache is damaged, and that is no fault of the repository" in error.what


def test_a_damaged_nonce_is_known_by_the_words_of_newer_releases(recorded_borg: t.Any) -> None:
    text = "Error: Local security dir has an invalid nonce file: Expected 8 bytes (16 hex digits), got 0 bytes"
    error = failed(recorded_borg, text, msgid="Error")
    assert (error.msgid, error.found) == ("MemoryDamaged", False)
    assert "what Borg remembers of the repository is damaged" in error.what
    assert f"then remove {recorded_borg.options['base_dir']}/.config/borg/security" in error.remedy


@pytest.mark.parametrize(
    ("error", "msgid"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: '{}/txn.active/config'", "CacheDamaged"),
        ("OSError: [Errno 5] Input/output error: '{}/chunks'", "CacheDamaged"),
        ("PermissionError: [Errno 13] Permission denied: '{}/chunks'", "Exception"),
        ("OSError: [Errno 30] Read-only file system: '{}/txn.tmp'", "Exception"),
    ],
)
def test_a_refusal_is_no_damage_of_the_cache(recorded_borg: t.Any, error: str, msgid: str) -> None:
    text = error.format(f"{recorded_borg.options['base_dir']}/.cache/borg/ff")
    caught = failed(recorded_borg, text, msgid="Exception")
    assert (caught.msgid, caught.found) == (msgid, False)


def test_a_lock_that_cannot_be_made_is_the_repositorys_or_the_caches(recorded_borg: t.Any) -> None:
    base = recorded_borg.options["base_dir"]
    said = "Failed to create/acquire the lock {} ({})."
    refused = "[Errno 30] Read-only file system"
    error = failed(recorded_borg, said.format(f"{PATH}/lock", refused), msgid="LockFailed")
    assert "the repository's lock could not be created" in error.what
    error = failed(recorded_borg, said.format(f"{base}/.cache/borg/ff/lock", refused), msgid="LockFailed")
    assert "the lock of Borg's cache could not be created" in error.what and f"write to {base} " in error.remedy
    full = "[Errno 28] No space left on device"
    error = failed(recorded_borg, said.format(f"{base}/.cache/borg/ff/lock", full), msgid="LockFailed")
    assert (error.msgid, error.remedy) == ("NoSpace", f"Free space where {base} lies, or enlarge it")


@pytest.mark.parametrize("recorded_borg", ["1.2.4"], indirect=True)
def test_a_full_disk_of_the_cache_is_not_called_the_repositorys(
    recorded_borg: t.Any, repository: _borg.Repository
) -> None:
    """Recorded with a small file system for BORG_BASE_DIR alone."""
    recorded_borg.will("cache_full")
    with pytest.raises(_borg.BorgError) as caught:
        repository.create(FIRST, "/mirror", compression="zstd,22")
    assert caught.value.message == (
        f"borg create on {PATH} failed: the file system of Borg's cache is full (exit code 2): Local Exception |"
        " OSError: [Errno 28] No space left on device. This run wrote no archive. Free space where"
        f" {recorded_borg.options['base_dir']} lies, or enlarge it."
    )


def test_a_file_system_that_repository_and_cache_share_is_named_for_both(
    recorded_borg: t.Any, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "repository").mkdir()
    repository = _borg.Repository(**{**recorded_borg.options, "repository": str(tmp_path / "repository")})
    recorded_borg.will("disk_full")
    with pytest.raises(
        _borg.BorgError, match="the file system of the repository and of Borg's cache is full"
    ) as caught:
        repository.describe()
    assert caught.value.remedy.endswith("then run borg compact")


@pytest.mark.parametrize(
    ("full", "says"),
    [
        (("repository",), "the file system of the repository is full"),
        (("base",), "the file system of Borg's cache is full"),
        (("repository", "base"), "the file system of the repository and of Borg's cache is full"),
        ((), "a file system is full"),
    ],
)
def test_where_borg_does_not_say_what_is_full_the_file_systems_are_asked(
    recorded_borg: t.Any, monkeypatch: pytest.MonkeyPatch, full: tuple[str, ...], says: str
) -> None:
    paths = {"repository": PATH, "base": recorded_borg.options["base_dir"]}

    def room(path: str) -> t.Any:
        used_up = path in [paths[one] for one in full]
        # As btrfs says it, which counts no files.
        return types.SimpleNamespace(f_bavail=0 if used_up else 9, f_files=0, f_favail=0)

    monkeypatch.setattr(os, "statvfs", room)
    error = failed(recorded_borg, "OSError: [Errno 28] No space left on device", msgid="Exception")
    assert error.msgid == "NoSpace" and f"failed: {says} (" in error.what
    assert "Traceback" not in error.message


@pytest.mark.parametrize(("rc", "msgid"), [(52, "PassphraseWrong"), (73, "LockTimeout"), (90, "IntegrityError")])
def test_a_modern_code_names_the_cause_without_a_message(rc: int, msgid: str) -> None:
    assert _borg.Log().cause(rc) == msgid


def test_every_code_and_cause_is_known() -> None:
    assert {_borg._CODES[rc] for rc in _borg._CODES} <= set(_borg.CAUSES)


def test_a_wrong_passphrase_says_which_file(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("wrong_passphrase")
    with pytest.raises(_borg.BorgError) as caught:
        repository.describe()
    assert caught.value.remedy.endswith(f"into {recorded_borg.options['passphrase_file']}")


def test_a_warning_of_create_is_a_failure_that_left_an_archive(
    recorded_borg: t.Any, repository: _borg.Repository
) -> None:
    recorded_borg.will("create_warning")
    with pytest.raises(_borg.BorgError, match="zz: file changed while we backed it up") as caught:
        repository.create(FIRST, "/mirror", compression="zstd,22")
    assert caught.value.rc == (1 if recorded_borg.version == "1.2.4" else 100)
    assert caught.value.untouched == "The archive was written in spite of that and is not to be trusted"
    assert caught.value.facts["progress"]["path"] == "zz"


def test_a_seal_is_taken_out_into_a_folder(repository: _borg.Repository, recorded_borg: t.Any) -> None:
    recorded_borg.will("extract_file")
    repository.unpack(FIRST, "/srv/backup/staging/seal")
    assert recorded_borg.verbs == [["extract", f"{PATH}::{FIRST}"]]
    assert recorded_borg.calls[0]["cwd"] == "/srv/backup/staging/seal"


def test_a_path_that_is_not_in_the_archive_is_a_failure(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("extract_no_path")
    with pytest.raises(_borg.BorgError, match="does not hold that path"):
        repository.read_file(FIRST, "nosuch")


def test_the_digest_of_a_file(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("extract_file", "extract_file")
    content = repository.read_file(FIRST, "point.json")
    assert repository.file_digest(FIRST, "point.json") == hashlib.sha256(content).hexdigest()
    assert recorded_borg.verbs[1] == recorded_borg.verbs[0]


def test_a_killed_borg(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("create_killed")
    with pytest.raises(
        _borg.BorgError, match=r"a signal ended it \(exit code -9\)\. This run wrote no archive"
    ) as caught:
        repository.create(FIRST, "/mirror", compression="zstd,22")
    assert "archive_progress" not in caught.value.message


def test_an_interrupted_borg(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    """It ends with a code of its own when it has time to write a checkpoint; nothing is there to mend."""
    recorded_borg.will("create_interrupted")
    with pytest.raises(_borg.BorgError, match=r"a signal ended it \(exit code 2\).*Got Ctrl-C") as caught:
        repository.create(FIRST, "/mirror", compression="zstd,22")
    assert "Run again; create reuses what it had stored" in caught.value.message


def test_a_borg_that_stood_still(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    note = "ended: no sign of progress for 3600 s"
    recorded_borg.cases["stalled"] = {
        **recorded_borg.cases["create_interrupted"],
        "stalled": True,
        "stderr": [*recorded_borg.cases["create_interrupted"]["stderr"], note],
    }
    recorded_borg.will("stalled")
    with pytest.raises(_borg.BorgError, match=f"it stood still .*: {note}"):
        repository.create(FIRST, "/mirror", compression="zstd,22")


def test_wrong_arguments_show_one_line_of_the_usage(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("usage_error")
    with pytest.raises(_borg.BorgError) as caught:
        repository.create(FIRST, "/mirror", compression="nonsense")
    assert caught.value.stderr.startswith("borg create: error: argument -C/--compression: ")
    assert "usage" not in caught.value.message


def test_a_crash_at_start_shows_its_last_line() -> None:
    log = _borg.Log()
    for line in ("Traceback (most recent call last):", '  File "/usr/bin/borg", line 33', "ImportError: no liblz4"):
        log.take(line)
    assert list(log.errors) == ["ImportError: no liblz4"]


# --------------------------------------------------------------------------------------- removing, compacting, checking

ALL = [
    "tatchu-blobs-20261121T023000Z-1f3a01",
    "tatchu-blobs-20261122T023000Z-9be210",
    "tatchu-blobs-20261122T123000Z-dead00.checkpoint",
    "tatchu-blobs-20261123T023000Z-77b0aa",
    "tatchu-blobs-20261124T023000Z-0c41d2",
]
OLD = ALL[:3]
LISTING = ["list", "--json", "--consider-checkpoints", "--glob-archives", "*", PATH]


def test_contents_tell_archives_from_checkpoints(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("contents_before")
    found = repository.contents("tatchu-*")
    assert [entry["name"] for entry in found["archives"]] == [ALL[4], ALL[3], ALL[1], ALL[0]]
    assert [entry["name"] for entry in found["checkpoints"]] == [ALL[2]]
    assert recorded_borg.verbs == [[*LISTING[:4], "tatchu-*", PATH]]


def test_archives_go_by_name_and_are_looked_up_again(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("contents_before", "delete", "contents_after")
    repository.remove([*OLD, "unknown"], stall_seconds=60, pass_fds=[7])
    assert recorded_borg.verbs == [LISTING, ["--progress", "delete", f"{PATH}::{ALL[0]}", *ALL[1:3]], LISTING]
    call = recorded_borg.calls[1]
    assert (call["stall_seconds"], call["pass_fds"]) == (60, [7])


def test_without_a_name_borg_is_not_asked_to_delete(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    for names in ([], ["unknown"]):
        recorded_borg.will("contents_before")
        repository.remove(names, stall_seconds=None)
    assert recorded_borg.verbs == [LISTING, LISTING]


def test_what_is_still_there_afterwards_is_a_failure(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("contents_before", "delete", "contents_before")
    with pytest.raises(BackupError, match=f"ended well, but {ALL[0]} is still there"):
        repository.remove(ALL[:1], stall_seconds=None)


def test_what_is_gone_besides_is_a_failure(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("contents_before", "delete", "contents_after")
    with pytest.raises(BackupError, match=f"{ALL[1]}, {ALL[2]} is gone too"):
        repository.remove(ALL[:1], stall_seconds=None)


def test_a_repository_is_not_emptied(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("contents_before")
    with pytest.raises(BackupError, match="would remove everything"):
        repository.remove(ALL, stall_seconds=None)
    assert recorded_borg.verbs == [LISTING]


def test_a_delete_that_fails_says_what_is_left(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("contents_before", "locked")
    with pytest.raises(_borg.BorgError, match=r"borg delete on .*Archives that it had not come to are still there"):
        repository.remove(OLD, stall_seconds=None)


def test_prune_removes_what_it_said_before(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("contents_before", "prune_dry_run", "prune", "contents_pruned")
    windows = {"daily": 2, "weekly": 0, "monthly": 0}
    result = repository.prune("tatchu-blobs-*", windows, dry_run=False, stall_seconds=60, pass_fds=[7])
    assert (sorted(result["removed"]), result["kept"]) == (OLD, [ALL[4], ALL[3]])
    rules = ["--glob-archives", "tatchu-blobs-*", "--keep-daily", "2", PATH]
    assert recorded_borg.verbs[1:3] == [["prune", "--dry-run", "--list", *rules], ["--progress", "prune", *rules]]


def test_prune_that_removed_something_else_is_a_failure(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("contents_before", "prune_dry_run", "prune", "contents_before")
    with pytest.raises(BackupError, match=r"said it would remove .* and removed nothing"):
        repository.prune("*", {"daily": 2}, dry_run=False, stall_seconds=None)


@pytest.mark.parametrize("windows", [{"daily": 0, "weekly": 0}, {"daily": 3, "weekly": -1}, {}])
def test_prune_without_a_window_is_refused(
    recorded_borg: t.Any, repository: _borg.Repository, windows: dict[str, int]
) -> None:
    with pytest.raises(BackupError, match="says nothing about what is kept"):
        repository.prune("*", windows, dry_run=True, stall_seconds=None)
    assert recorded_borg.calls == []


def test_check_reaches(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("check_repository", "check_archives", "check_data")
    assert list(repository.check("repository", max_duration=60)) == ["segments"]
    assert repository.check("archives", glob="tatchu-*", last=1) == {"archives": {"reached": 1, "total": 1}}
    reach = repository.check("data")
    assert list(reach) == ["segments", "chunks", "archives"]
    assert all(one["reached"] == one["total"] > 0 for one in reach.values())
    front = ["--progress", "--info", "check"]
    assert recorded_borg.verbs == [
        [*front, "--repository-only", "--max-duration", "60", PATH],
        [*front, "--archives-only", "--glob-archives", "tatchu-*", "--last", "1", PATH],
        [*front, "--verify-data", PATH],
    ]


@pytest.mark.parametrize("case", ["check_damaged", "check_data_damaged"])
def test_a_warning_of_check_is_damage(recorded_borg: t.Any, repository: _borg.Repository, case: str) -> None:
    recorded_borg.will(case)
    with pytest.raises(_borg.BorgError, match=r"it found damage .*errors found") as caught:
        repository.check("data")
    assert caught.value.rc == 1
    assert "remove nothing from it" in caught.value.remedy


# ---------------------------------------------------------------------------------------------------------- extract


def test_the_arguments_of_an_extract(
    recorded_borg: t.Any, repository: _borg.Repository, tmp_path: pathlib.Path
) -> None:
    paths = [b"blobs/a", b"blobs/new\nline", b"blobs/\xff", b"blobs/blank ", "blobs/ü {now}".encode()]
    (selection,) = _borg.selections(paths, str(tmp_path), top=b"blobs")
    recorded_borg.will("extract_tree", "extract_tree")
    reached: list[int] = []
    repository.extract(
        FIRST,
        "/out",
        selection=selection,
        stall_seconds=60,
        pass_fds=(9,),
        on_progress=lambda record: reached.append(record["current"]),
    )
    repository.extract(FIRST, "/out", selection=None, stall_seconds=None)
    front = ["--progress", "extract", "--numeric-ids", "--sparse"]
    assert recorded_borg.verbs == [
        [
            *front,
            *("--pattern=+pf:blobs/new\nline", "--pattern=+pf:blobs/\udcff", "--pattern=+pf:blobs/blank "),
            *("--patterns-from", str(tmp_path / "first"), f"{PATH}::{FIRST}"),
        ],
        [*front, f"{PATH}::{FIRST}"],
    ]
    assert (tmp_path / "first").read_text() == "+pf:blobs\n+pf:blobs/a\n+pf:blobs/ü {now}\n-re:^\n"
    call = recorded_borg.calls[0]
    assert (call["cwd"], call["stall_seconds"], call["pass_fds"]) == ("/out", 60, (9,))
    assert reached == [0, 100, 105]


def test_a_selection_of_many_odd_names_is_cut(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_borg, "_ARGUMENT_BYTES", 100)
    odd = [b"blobs/%d\n" % number for number in range(5)]
    found = _borg.selections([b"blobs/even", *odd], str(tmp_path), top=b"blobs")
    assert [selection.paths for selection in found] == [tuple(odd[:2]), tuple(odd[2:4]), tuple(odd[4:])]
    assert [pathlib.Path(selection.file).read_bytes() for selection in found] == [
        b"+pf:blobs\n+pf:blobs/even\n-re:^\n",
        b"+pf:blobs\n-re:^\n",
        b"+pf:blobs\n-re:^\n",
    ]


def test_a_warning_of_an_extract_is_a_failure(recorded_borg: t.Any, repository: _borg.Repository) -> None:
    recorded_borg.will("create_warning")
    with pytest.raises(_borg.BorgError, match="not everything could be written as it is in the archive"):
        repository.extract(FIRST, "/out", selection=None, stall_seconds=None)


@pytest.mark.parametrize(
    ("time", "kept"), [(-1, False), (0, True), (2147310847 * 10**9, True), (2147310847 * 10**9 + 1, False)]
)
def test_times_that_borg_keeps(time: int, kept: bool) -> None:
    assert _borg.keeps_time(time) is kept


# ----------------------------------------------------------------------------------- which repository is known where


def lies(options: dict[str, t.Any], folder: pathlib.Path, config: str, known: dict[str, str]) -> dict[str, t.Any]:
    """Options for a repository with that configuration, where Borg remembers these ids and paths."""
    (folder / "repository").mkdir()
    (folder / "repository/config").write_bytes(config.encode("latin-1"))
    for identifier, path in known.items():
        place = folder / "base/.config/borg/security" / identifier
        place.mkdir(parents=True)
        (place / "location").write_text(path.format(folder=folder))
    return {**options, "repository": str(folder / "repository")}


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"aa": "{folder}/repository"}, "it has the id ff; known there is aa"),
        ({"aa": "{folder}/repository", "ff": "/srv/other"}, "the id ff, known at /srv/other; known there is aa"),
    ],
)
def test_another_repository_at_a_known_path_is_refused(
    recorded_borg: t.Any, tmp_path: pathlib.Path, known: dict[str, str], said: str
) -> None:
    options = lies(recorded_borg.options, tmp_path, "[repository]\nid = ff\n", known)
    with pytest.raises(BackupError) as raised:
        _borg.Repository(**options)
    assert said in raised.value.message and "Nothing was changed." in raised.value.message
    assert f"remove {tmp_path}/base/.config/borg/security/aa." in raised.value.message
    assert recorded_borg.calls == []


@pytest.mark.parametrize(
    "known",
    [{}, {"ff": "{folder}/repository"}, {"aa": "{folder}/repository", "ff": "{folder}/repository"}, {"aa": "/else"}],
)
def test_a_repository_that_is_known_or_new_is_not(
    recorded_borg: t.Any, tmp_path: pathlib.Path, known: dict[str, str]
) -> None:
    _borg.Repository(**lies(recorded_borg.options, tmp_path, "[repository]\nid = ff\n", known))


def test_what_borg_remembers_of_others_may_be_garbage(recorded_borg: t.Any, tmp_path: pathlib.Path) -> None:
    options = lies(recorded_borg.options, tmp_path, "[repository]\nid = ff\n", {"aa": "", "bb": "{folder}/repository"})
    (tmp_path / "base/.config/borg/security/aa/location").write_bytes(b"\xff\xfe\x00garbage")
    with pytest.raises(BackupError, match="known there is bb"):
        _borg.Repository(**options)
    (tmp_path / "base/.config/borg/security/bb/location").write_bytes(b"\xff")
    _borg.Repository(**options)


@pytest.mark.parametrize("config", ["", "odd", "[repository]\n", "\xff"])
def test_what_is_no_repository_is_for_borg_to_judge(recorded_borg: t.Any, tmp_path: pathlib.Path, config: str) -> None:
    _borg.Repository(**lies(recorded_borg.options, tmp_path, config, {"aa": "{folder}/repository"}))


# ---------------------------------------------------------------------------------------------------------- findings


def fails_with(recorded_borg: t.Any, **record: t.Any) -> None:
    """Let Borg end with an error of its own."""
    told = json.dumps({"type": "log_message", "levelname": "ERROR", "name": "borg.archiver", "message": "x", **record})
    recorded_borg.cases["error"] = {"rc": 2, "stdout": "", "stderr": [told], "stalled": False}
    recorded_borg.will("error")


def found(repository: _borg.Repository) -> _borg.BorgError:
    with pytest.raises(_borg.BorgError) as caught:
        repository.describe()
    return caught.value


@pytest.mark.parametrize(
    "msgid",
    [
        *("Archive.DoesNotExist", "UnreadableSegment", "Repository.CheckNeeded", "Repository.ObjectNotFound"),
        *("IntegrityError", "FileIntegrityError", "DecompressionError", "NoManifestError", "TAMInvalid"),
        *("TAMRequiredError", "ArchiveTAMRequiredError", "ArchiveTAMInvalid", "TAMUnsupportedSuiteError"),
    ],
)
def test_what_tells_of_the_content_is_a_finding(recorded_borg: t.Any, repository: _borg.Repository, msgid: str) -> None:
    fails_with(recorded_borg, msgid=msgid)
    error = found(repository)
    assert (error.msgid, error.found) == (msgid, True)
    assert msgid in _borg.DAMAGE


@pytest.mark.parametrize("msgid", ["LockTimeout", "PassphraseWrong", "Repository.DoesNotExist", "NoSpace", "Unheard"])
def test_what_keeps_anybody_from_looking_is_no_finding(
    recorded_borg: t.Any, repository: _borg.Repository, msgid: str
) -> None:
    fails_with(recorded_borg, msgid=msgid)
    assert not found(repository).found


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        (f"FileNotFoundError: [Errno 2] No such file or directory: '{PATH}/data/0/12'", True),
        ("OSError: [Errno 5] Input/output error", True),
        (f"FileNotFoundError: [Errno 2] No such file or directory: '{PATH}/config'", False),
        ("OSError: [Errno 13] Permission denied", False),
    ],
)
def test_a_segment_that_cannot_be_read_is_a_finding_although_borg_has_no_word_for_it(
    recorded_borg: t.Any, repository: _borg.Repository, text: str, is_found: bool
) -> None:
    fails_with(recorded_borg, message=text)
    error = found(repository)
    assert (error.found, error.msgid) == (is_found, "UnreadableSegment" if is_found else "")


def test_who_gave_way_has_found_nothing_and_says_to_whom(
    recorded_borg: t.Any, repository: _borg.Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_with(recorded_borg, message="Got Ctrl-C / SIGINT.")
    why = "the backup run x is at work"
    monkeypatch.setattr(
        _command, "run", lambda *words, **more: dataclasses.replace(recorded_borg.run(*words, **more), gave_way=why)
    )
    error = found(repository)
    assert (error.facts["kind"], error.found, error.stderr) == (_borg.GAVE_WAY, False, why)


def test_a_disk_that_is_full_is_named_by_a_warning_too() -> None:
    log = _borg.Log()
    log.take(json.dumps({"type": "log_message", "levelname": "WARNING", "message": "/x: write: [Errno 28] No space"}))
    assert log.cause(1) == "NoSpace"


def test_archives_that_open_one_by_one_hide_no_failure_of_all(
    recorded_borg: t.Any, repository: _borg.Repository
) -> None:
    recorded_borg.will("locked", "list", *["list_opened"] * 2)
    with pytest.raises(_borg.BorgError) as caught:
        repository.open_archives()
    assert caught.value.msgid == "LockTimeout"


def test_a_program_that_fails_at_its_version_is_not_used(recorded_borg: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _command, "run", lambda *words, **more: dataclasses.replace(recorded_borg.run(*words, **more), rc=1)
    )
    with pytest.raises(BackupError, match=r"--version failed.*Nothing was changed"):
        _borg.Repository(**recorded_borg.options)


@pytest.mark.parametrize("option", ["repository", "base_dir", "passphrase_file"])
def test_a_path_that_depends_on_where_one_stands_is_refused(recorded_borg: t.Any, option: str) -> None:
    path = recorded_borg.options[option].lstrip("/")
    with pytest.raises(BackupError, match=f"{option} is .*; an absolute path is needed"):
        _borg.Repository(**{**recorded_borg.options, option: path})
