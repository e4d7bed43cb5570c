# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import os
import pathlib
import signal
import sys
import time
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError, ToolError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command

ENV = _command.environment()
MEBIBYTE = 1 << 20


def sh(script: str, *words: str, **keywords: t.Any) -> _command.Outcome:
    return _command.run(["/bin/sh", "-c", script, "sh", *words], env=keywords.pop("env", ENV), **keywords)


def python(script: str, *words: str, **keywords: t.Any) -> _command.Outcome:
    return _command.run([sys.executable, "-I", "-S", "-c", script, *words], env=ENV, **keywords)


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> t.Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def test_an_outcome_tells_what_ran_and_what_it_wrote() -> None:
    outcome = sh('printf out; printf "one\\ntwo\\n" >&2; exit 3')
    assert (outcome.rc, outcome.stdout, outcome.stderr) == (3, b"out", "one\ntwo")
    assert outcome.program == "sh"
    assert outcome.argv[:2] == ("/bin/sh", "-c")
    assert 0 < outcome.seconds < 30


def test_an_error_carries_exit_code_and_last_words() -> None:
    error = sh("echo broken >&2; exit 2").error("borg create failed", untouched="The mirror was not changed", path="/x")
    assert isinstance(error, ToolError)
    assert error.message == "borg create failed (exit code 2): broken. The mirror was not changed."
    assert error.facts == {"rc": 2, "path": "/x"}


def test_death_by_signal_is_a_negative_exit_code() -> None:
    assert sh("kill -KILL $$").rc == -signal.SIGKILL


def test_words_are_never_seen_by_a_shell() -> None:
    word = "$(id) ; `id` * 'x' \"y\" \n z"
    assert _command.run(["/usr/bin/printf", "%s", word], env=ENV).stdout == word.encode()


def test_words_may_hold_any_bytes(tmp_path: pathlib.Path) -> None:
    raw = b"caf\xe9\xff"
    for word in (raw, os.fsdecode(raw)):
        outcome = _command.run(["/usr/bin/printf", "%s", word], env=ENV)
        assert outcome.stdout == raw
        assert os.fsencode(outcome.argv[2]) == raw


def test_the_environment_is_exactly_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORG_REPO", "inherited")
    outcome = _command.run(["/usr/bin/env", "-0"], env=_command.environment(BORG_BASE_DIR="/x"))
    variables = dict(entry.split("=", 1) for entry in outcome.stdout.decode().split("\0") if entry)
    assert variables == {
        "PATH": _command.SEARCH_PATH,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/nonexistent",
        "BORG_BASE_DIR": "/x",
    }


def test_standard_input_is_empty_unless_given() -> None:
    assert _command.run(["/bin/cat"], env=ENV).stdout == b""
    assert _command.run(["/bin/cat"], env=ENV, stdin=b"").stdout == b""
    assert _command.run(["/bin/cat"], env=ENV, stdin=b"some").stdout == b"some"


def test_input_larger_than_a_pipe_arrives_whole() -> None:
    given = os.urandom(3 * MEBIBYTE)
    assert _command.run(["/bin/cat"], env=ENV, stdin=given).stdout == given


def test_a_program_that_does_not_read_its_input_still_tells_its_exit_code() -> None:
    assert sh("exit 4", stdin=b"x" * MEBIBYTE).rc == 4


def test_standard_input_is_asked_for_as_it_is_read() -> None:
    pieces = [b"a" * MEBIBYTE, b"", b"b", b"c" * MEBIBYTE]
    assert _command.run(["/bin/cat"], env=ENV, stdin=iter(pieces)).stdout == b"".join(pieces)
    asked: list[int] = []

    def endless() -> t.Iterator[bytes]:
        while True:
            asked.append(1)
            yield b"x" * MEBIBYTE

    assert sh("exit 3", stdin=endless()).rc == 3
    assert len(asked) <= 2


def test_a_program_whose_input_cannot_be_made_is_ended() -> None:
    def broken() -> t.Iterator[bytes]:
        yield b"first"
        raise BackupError("the file is not what it was")

    with pytest.raises(BackupError, match="not what it was"):
        sh("cat > /dev/null; sleep 60", stdin=broken())


def test_both_streams_are_drained_at_the_same_time() -> None:
    seen: list[str] = []
    script = (
        "import sys\n"
        "for number in range(3000):\n"
        "    print('o' * 999); sys.stdout.flush()\n"
        "    print('e' * 999, file=sys.stderr); sys.stderr.flush()\n"
    )
    outcome = python(script, on_stderr_line=seen.append)
    assert outcome.rc == 0
    assert len(outcome.stdout) == 3_000_000
    assert seen == ["e" * 999] * 3000
    assert outcome.stderr == "\n".join(["e" * 999] * 40)


def test_one_stream_may_be_silent_while_the_other_overflows() -> None:
    outcome = python("import sys; sys.stderr.write('e\\n' * 1_000_000); sys.stdout.write('o' * 2_000_000)")
    assert (outcome.rc, len(outcome.stdout)) == (0, 2_000_000)


def test_a_consumer_takes_standard_output_as_it_comes() -> None:
    chunks: list[bytes] = []
    outcome = sh("printf abc; printf def", on_stdout=chunks.append)
    assert (b"".join(chunks), outcome.stdout) == (b"abcdef", b"")


def test_a_consumer_that_fails_ends_the_program(tmp_path: pathlib.Path) -> None:
    def refuse(_chunk: bytes) -> None:
        raise BackupError("enough")

    script = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "print('x', flush=True)\n"
        "time.sleep(60)\n"
    )
    started = time.monotonic()
    with pytest.raises(BackupError, match="enough"):
        python(script, str(tmp_path / "pid"), on_stdout=refuse)
    assert time.monotonic() - started < 20
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text()}")


def test_carriage_returns_end_lines_and_empty_lines_do_not_count() -> None:
    seen: list[str] = []
    outcome = sh(r'printf "1%%\r2%%\r\n\n  \n3%%\nlast" >&2', on_stderr_line=seen.append)
    assert seen == ["1%", "2%", "3%", "last"]
    assert outcome.stderr == "1%\n2%\n3%\nlast"


def test_a_character_cut_between_two_reads_is_put_together() -> None:
    seen: list[str] = []
    sh(r'printf "gr\303" >&2; sleep 0.1; printf "\274n \377\n" >&2', on_stderr_line=seen.append)
    assert seen == ["grün \udcff"]


def test_a_very_long_line_is_cut_in_the_outcome_only() -> None:
    seen: list[str] = []
    outcome = sh('head -c 200000 /dev/zero | tr "\\0" x >&2', on_stderr_line=seen.append)
    assert seen == ["x" * 200_000]
    assert outcome.stderr == "x" * 2000


def test_secrets_arrive_through_descriptors_and_show_nowhere(tmp_path: pathlib.Path) -> None:
    looked = tmp_path / "looked"
    script = (
        "import os, sys, time\n"
        "for name in ('FIRST_FD', 'SECOND_FD'):\n"
        "    sys.stdout.buffer.write(os.read(int(os.environ[name]), 9999) + b'|')\n"
        "    assert os.read(int(os.environ[name]), 1) == b''\n"
        "sys.stdout.flush()\n"
        f"while not os.path.exists({str(looked)!r}):\n"
        "    time.sleep(0.01)\n"
    )
    secrets = {"FIRST_FD": b"first secret \xff", "SECOND_FD": b"s" * 4096}
    received = bytearray()
    proc: list[bytes] = []

    def look(chunk: bytes) -> None:
        received.extend(chunk)
        if received.count(b"|") == 2 and not proc:
            (child,) = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            proc.extend(pathlib.Path(f"/proc/{child}/{name}").read_bytes() for name in ("environ", "cmdline"))
            looked.touch()

    outcome = python(script, secrets=secrets, on_stdout=look)
    assert outcome.rc == 0
    assert bytes(received) == b"first secret \xff|" + b"s" * 4096 + b"|"
    environ, cmdline = proc
    assert b"FIRST_FD=" in environ and b"-c" in cmdline
    assert b"first secret" not in environ + cmdline and b"sss" not in environ + cmdline
    assert "first secret" not in repr(outcome.argv)


def test_a_secret_that_does_not_fit_is_refused_and_leaks_nothing() -> None:
    with pytest.raises(BackupError, match="the secret for B is longer than 4096 bytes") as caught:
        sh("exit 0", secrets={"A": b"fits", "B": b"z" * 4097})
    assert "zz" not in caught.value.message


def test_only_the_named_descriptors_are_inherited(tmp_path: pathlib.Path) -> None:
    passed = os.open(tmp_path, os.O_RDONLY)
    kept = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        script = "import os, sys; print([os.path.exists(f'/proc/self/fd/{n}') for n in sys.argv[1:]])"
        assert python(script, str(passed), str(kept), pass_fds=[passed]).stdout == b"[True, False]\n"
    finally:
        os.close(passed)
        os.close(kept)


def test_a_lock_passed_on_is_held_while_the_program_lives(tmp_path: pathlib.Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    refused: list[bool] = []

    def look(_chunk: bytes) -> None:
        os.close(lock)
        other = os.open(tmp_path / "lock", os.O_RDWR)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refused.append(True)
        finally:
            os.close(other)

    sh("echo started; sleep 0.2", pass_fds=[lock], on_stdout=look)
    assert refused == [True]


def test_a_program_works_in_the_folder_it_is_told(tmp_path: pathlib.Path) -> None:
    assert sh("pwd -P").stdout == b"/\n"
    assert sh("pwd -P", cwd=str(tmp_path)).stdout == os.fsencode(tmp_path.resolve()) + b"\n"


@pytest.mark.parametrize(
    ("argv", "cwd", "message"),
    [
        (["/nonexistent/borg", "list"], "/", "/nonexistent/borg could not be started: No such file or directory."),
        (["/etc/passwd"], "/", "/etc/passwd could not be started: Permission denied."),
        (["/bin/true"], "/nonexistent/mirror", "/bin/true could not be started in /nonexistent/mirror: No such file"),
        (["/bin/true", "a\0b"], "/", "/bin/true could not be started: embedded null byte."),
    ],
)
def test_a_program_that_cannot_be_started(argv: list[str], cwd: str, message: str) -> None:
    with pytest.raises(BackupError) as caught:
        _command.run(argv, env=ENV, cwd=cwd, secrets={"A": b"secret"})
    assert caught.value.message.startswith(message)


def test_a_program_is_looked_for_in_the_fixed_path_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "our-tool").write_text("#!/bin/sh\n")
    (tmp_path / "our-tool").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert os.path.isabs(_command.find("sh"))
    with pytest.raises(BackupError, match=r"the program 'our-tool' is not installed on .*Run site.yml for this host"):
        _command.find("our-tool")


STALLS = """
import signal, sys, time
def leave(number, frame):
    sys.stderr.write("got " + signal.Signals(number).name + chr(10))
    sys.exit(int(sys.argv[1]))
signal.signal(signal.SIGINT, leave)
signal.signal(signal.SIGTERM, leave)
sys.stderr.write("working")
sys.stderr.flush()
print("started", flush=True)
time.sleep(60)
"""


def test_a_stalled_program_is_interrupted_first() -> None:
    seen: list[str] = []
    outcome = python(STALLS, "7", stall_seconds=1.0, on_stderr_line=seen.append)
    assert outcome.rc == 7
    assert outcome.stdout == b"started\n"
    assert seen == ["workinggot SIGINT"]
    assert outcome.stderr.splitlines()[-1] == "ended: no sign of progress for 1 s"


def test_a_stalled_program_is_no_success_even_if_it_says_so() -> None:
    assert python(STALLS, "0", stall_seconds=1.0).rc == -signal.SIGINT


def test_a_program_that_shows_progress_is_not_stalled() -> None:
    outcome = sh("for i in 1 2 3 4 5 6; do sleep 0.3; echo $i >&2; done", stall_seconds=1.5)
    assert (outcome.rc, outcome.stderr) == (0, "1\n2\n3\n4\n5\n6")


def test_a_program_that_ignores_everything_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = tuple((number, patience and 0.5) for number, patience in _command.ENDING)
    monkeypatch.setattr(_command, "ENDING", quick)
    deaf = (
        "import signal, sys, time\n"
        "got = lambda number, frame: print(signal.Signals(number).name, flush=True)\n"
        "signal.signal(signal.SIGINT, got); signal.signal(signal.SIGTERM, got)\n"
        "print('deaf', flush=True)\n"
        "while True: time.sleep(60)\n"
    )
    outcome = python(deaf, stall_seconds=1.0)
    assert outcome.rc == -signal.SIGKILL
    assert outcome.stdout == b"deaf\nSIGINT\nSIGTERM\n"
    assert [number for number, _ in quick] == [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


def test_a_program_that_works_in_silence_is_not_stalled() -> None:
    busy = "import time\nend = time.monotonic() + 2.5\nwhile time.monotonic() < end: pass"
    assert python(busy, stall_seconds=0.5, stall_by="work").rc == 0


def test_a_program_whose_child_works_is_not_stalled() -> None:
    busy = "import time; end = time.monotonic() + 2; [0 for _ in iter(lambda: time.monotonic() < end, False)]"
    assert sh(f"{sys.executable} -c '{busy}'; :", stall_seconds=0.5, stall_by="work").rc == 0


def test_a_program_that_does_nothing_in_silence_is_stalled() -> None:
    outcome = sh("sleep 60", stall_seconds=0.5, stall_by="work")
    assert (outcome.stalled, outcome.rc) == (True, -signal.SIGINT)
    assert outcome.seconds < 5


def test_a_stopped_program_is_ended_with_all_that_it_started(tmp_path: pathlib.Path) -> None:
    """A child that is stopped would hold the lock for ever."""
    words = f"sleep 60 & echo $! >{tmp_path}/child; kill -STOP $!; kill -STOP $$; wait"
    outcome = sh(words, stall_seconds=0.5, stall_by="work")
    assert outcome.stalled
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        try:
            state = pathlib.Path(f"/proc/{child}/stat").read_text().split()[2]
        except FileNotFoundError:
            break
        if state == "Z":  # nobody here reaps it
            break
        time.sleep(0.1)
    else:
        raise AssertionError(f"process {child} lives on")


def test_a_program_that_has_to_give_way_is_ended_at_once_and_never_counts_as_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_command, "_ASK_SECONDS", 0.05)
    answers = iter(["", "", "a night began"])
    script = "trap 'exit 0' INT; while :; do echo busy; sleep 0.01; done"
    outcome = _command.run(
        ["/bin/sh", "-c", script], env=_command.environment(), give_way=lambda: next(answers, "a night began")
    )
    assert outcome.gave_way == "a night began" and outcome.rc != 0 and not outcome.stalled
    assert outcome.stderr.endswith("ended: a night began") and outcome.seconds < 10


def test_what_keeps_a_cut_line_alive_is_no_work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """rsync, its ssh and its receiver on a cut line, 20 s apart."""

    def processes(rsync: tuple[int, int], ssh: tuple[int, int], receiver: tuple[int, int]) -> object:
        told = ((1, 0, "rsync", *rsync), (2, 1, "ssh", *ssh), (3, 1, "rsync", *receiver))
        for number, parent, program, came, gone in told:
            folder = tmp_path / str(number)
            folder.mkdir(exist_ok=True)
            ticks = ssh[0] % 7 if program == "ssh" else 4
            (folder / "stat").write_text(f"{number} ({program}) S {parent} " + "0 " * 9 + f"{ticks} 11 0\n")
            (folder / "io").write_text(f"rchar: {came}\nwchar: {gone}\n")
        return _command.work_done(1)

    monkeypatch.setattr(_command, "_PROCESSES", str(tmp_path))
    before = processes((51755, 453), (24038506, 23986879), (23963401, 23968080))
    assert processes((51755, 461), (24038514, 23986967), (23963401, 23968080)) == before
    assert processes((51755, 461), (24038514, 23986967), (23963401 + 40, 23968080)) != before
