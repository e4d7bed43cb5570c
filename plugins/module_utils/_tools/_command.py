# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Run one program: an argument list, a clean environment, no shell, secrets through descriptors only.

Nothing of the caller's environment is inherited, so that cron, a person, AWX and a drill all run the same
command. Standard input is closed unless given. Both output streams are read at the same time, so that a
program which writes much to one of them cannot block on the other.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
import typing as t
from collections import deque
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError, ToolError

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_READ_BYTES = 1 << 18
_STDERR_LINES = 40
_STDERR_LINE_CHARACTERS = 2000
_PIPE_BYTES = 4096
_PROCESSES = "/proc"
_ASK_SECONDS = 2.0
# What the last line of a program says that was ended in its standstill.
NO_PROGRESS = "ended: no sign of progress"
# How a program is ended, each signal with the seconds it gets. SIGINT first: Borg then writes a checkpoint and frees
# its lock; SIGKILL is the last word.
ENDING = ((signal.SIGINT, 30.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, None))


@dataclass(frozen=True)
class Outcome:
    """What a program did.

    :param argv: its argument list; holds no secret by construction.
    :param rc: exit code, or minus the number of the signal that ended it.
    :param stdout: everything it wrote there, empty when a consumer took it.
    :param stderr: its last lines (at most 40).
    :param seconds: wall time.
    :param stalled: it was ended because it showed no progress; the last line of ``stderr`` says so too.
    :param gave_way: why it was ended in favour of something else, if it was.
    """

    argv: tuple[str, ...]
    rc: int
    stdout: bytes
    stderr: str
    seconds: float
    stalled: bool = False
    gave_way: str = ""

    @property
    def program(self) -> str:
        """The program's own name, for messages."""
        return os.path.basename(self.argv[0])

    def error(self, what: str, **keywords: t.Any) -> ToolError:
        """A :class:`ToolError` about this run."""
        return ToolError(what, rc=self.rc, stderr=self.stderr, **keywords)


def find(program: str) -> str:
    """The absolute path of ``program``, looked up in the fixed search path only.

    :raises BackupError: when it is not installed.
    """
    path = shutil.which(program, path=SEARCH_PATH)
    if path is None:
        raise BackupError(
            f"the program {program!r} is not installed on {os.uname().nodename} (looked in {SEARCH_PATH})",
            untouched="Nothing was changed",
            remedy="Run site.yml for this host",
        )
    return path


def environment(**extra: str) -> dict[str, str]:
    """The environment every program gets: fixed path, UTF-8, UTC, and what the tool's own file adds."""
    return {"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent", **extra}


def run(
    argv: t.Sequence[str | bytes],
    *,
    env: t.Mapping[str, str],
    stdin: bytes | t.Iterator[bytes] | None = None,
    on_stdout: t.Callable[[bytes], None] | None = None,
    on_stderr_line: t.Callable[[str], None] | None = None,
    secrets: t.Mapping[str, bytes] | None = None,
    pass_fds: t.Sequence[int] = (),
    cwd: str = "/",
    stall_seconds: float | None = None,
    stall_by: t.Literal["output", "work"] = "output",
    give_way: t.Callable[[], str] | None = None,
) -> Outcome:
    """Run ``argv`` to its end.

    :param env: the whole environment, from :func:`environment`.
    :param stdin: bytes for standard input, or an iterator that is asked for the next piece when the program has read
        the one before. When it raises, the program is ended.
    :param on_stdout: takes chunks of standard output as they come; otherwise they are collected.
    :param on_stderr_line: takes each line of standard error (carriage returns count as line ends).
    :param secrets: ``{"BORG_PASSPHRASE_FD": b"..."}``: each value goes into a pipe of its own, the variable is
        set to the number of its descriptor. At most 4096 bytes each.
    :param pass_fds: descriptors that the program inherits (a lock stays held as long as the program lives).
    :param stall_seconds: end the program when neither stream has said anything for so long. This measures lack
        of progress, so it suits only programs that report progress. A program ended so never counts as good.
    :param stall_by: ``work`` suits programs that report no progress: in such a silence they are ended only when
        :func:`work_done` was the same at both of its ends.
    :param give_way: asked every other second; what it answers is why the program is to be ended at once. A program
        ended so never counts as good.
    :raises BackupError: when the program cannot be started.
    """
    whole_env = dict(env)
    inherited = list(pass_fds)
    ours: list[int] = []
    for name, value in (secrets or {}).items():
        if len(value) > _PIPE_BYTES:
            raise BackupError(f"the secret for {name} is longer than {_PIPE_BYTES} bytes")
    for name, value in (secrets or {}).items():
        read_end, write_end = os.pipe()
        os.write(write_end, value)
        os.close(write_end)
        ours.append(read_end)
        whole_env[name] = str(read_end)
    inherited.extend(ours)

    words = tuple(word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else word for word in argv)
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            env=whole_env,
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=inherited,
            process_group=0,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        where = "" if cwd == "/" else f" in {cwd}"
        raise BackupError(f"{words[0]} could not be started{where}: {reason}") from error
    finally:
        for descriptor in ours:
            os.close(descriptor)

    collected: list[bytes] = []
    tail: deque[str] = deque(maxlen=_STDERR_LINES)

    def take_line(raw: bytes) -> None:
        line = raw.decode("utf-8", "surrogateescape")
        if not line.strip():
            return
        tail.append(line[:_STDERR_LINE_CHARACTERS])
        if on_stderr_line is not None:
            on_stderr_line(line)

    try:
        pump = _Pump(process, stall_seconds, stall_by == "work", give_way)
        pump.move(stdin, on_stdout or collected.append, take_line)
        rc = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    if pump.stalled:
        tail.append(f"{NO_PROGRESS} for {stall_seconds:g} s")
    if pump.gave_way:
        tail.append(f"ended: {pump.gave_way}")
    if pump.stalled or pump.gave_way:
        rc = rc or -signal.SIGINT
    seconds = time.monotonic() - started
    return Outcome(words, rc, b"".join(collected), "\n".join(tail), seconds, pump.stalled, pump.gave_way)


class _Pump:
    """Moves the bytes of a program, and ends it when it stands still or has to give way."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stall_seconds: float | None,
        by_work: bool,
        give_way: t.Callable[[], str] | None,
    ) -> None:
        self.stalled = False
        self.gave_way = ""
        self._process = process
        self._stall_seconds = stall_seconds
        self._give_way = give_way
        self._asked = self._heard = time.monotonic()
        self._by_work = by_work
        self._done = work_done(process.pid) if by_work and stall_seconds else ()

    def move(
        self,
        stdin: bytes | t.Iterator[bytes] | None,
        take_stdout: t.Callable[[bytes], None],
        take_line: t.Callable[[bytes], None],
    ) -> None:
        """Move bytes until both streams end."""
        process = self._process
        assert process.stdout is not None and process.stderr is not None
        rest = b""
        pieces = iter((stdin or b"",)) if stdin is None or isinstance(stdin, bytes) else stdin
        to_write = memoryview(b"")
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            if process.stdin is not None:
                os.set_blocking(process.stdin.fileno(), False)
                selector.register(process.stdin, selectors.EVENT_WRITE)
            while selector.get_map():
                ended = self.stalled or bool(self.gave_way)
                events = selector.select(0 if ended else self._patience())
                if not events and ended:  # its last words are read; somebody else holds the stream open
                    break
                if events:
                    self._heard = time.monotonic()
                if not ended:
                    self._look(silent=not events)
                for key, _mask in events:
                    if key.fileobj is process.stdin:
                        left = _feed(process, to_write, pieces)
                        to_write = left or memoryview(b"")
                        if left is None:
                            selector.unregister(process.stdin)
                            process.stdin.close()
                        continue
                    chunk = os.read(key.fd, _READ_BYTES)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stdout:
                        take_stdout(chunk)
                    else:
                        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
                        for line in lines:
                            take_line(line)
        take_line(rest)

    def _patience(self) -> float | None:
        """How long to wait for a byte until the next look."""
        now = time.monotonic()
        waits = [self._heard + self._stall_seconds - now] if self._stall_seconds else []
        waits += [self._asked + _ASK_SECONDS - now] if self._give_way else []
        return max(0.0, min(waits)) if waits else None

    def _look(self, *, silent: bool) -> None:
        now = time.monotonic()
        if self._give_way is not None and now - self._asked >= _ASK_SECONDS:
            self._asked = now
            self.gave_way = self._give_way()
        if silent and self._stall_seconds and now - self._heard >= self._stall_seconds:
            before, self._done = self._done, work_done(self._process.pid) if self._by_work else ()
            self._heard = now
            self.stalled = before == self._done
        if self.stalled or self.gave_way:
            _end(self._process)


def _feed(process: subprocess.Popen[bytes], to_write: memoryview, pieces: t.Iterator[bytes]) -> memoryview | None:
    """Write what is left of a piece, or the next one; None when there is no more, or nobody reads it."""
    assert process.stdin is not None
    while not to_write:
        piece = next(pieces, None)
        if piece is None:
            return None
        to_write = memoryview(piece)
    try:
        return to_write[os.write(process.stdin.fileno(), to_write[:_READ_BYTES]) :]
    except BrokenPipeError:  # it ended early; its exit code tells why
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started, also what is stopped: that would hold a lock for ever."""
    for number, patience in ENDING:
        if process.poll() is not None:
            break
        _signal(process, number)
        _signal(process, signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def work_done(pid: int) -> tuple[tuple[int, ...], ...]:
    """What a process and its descendants have done until now: processor time, and bytes read by each.

    It stays the same while all of them are stopped, or wait for a disk or a line that gives nothing (proc(5)). What is
    written does not count, nor what ssh does: rsync's generator sends an empty message each half of its timeout, which
    ssh encrypts and the kernel takes, also when the line is cut (rsync's io.c, maybe_send_keepalive; seen with 3.2.7).
    """
    parents: dict[int, int] = {}
    times: dict[int, tuple[int, int]] = {}
    for name in os.listdir(_PROCESSES):
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"{_PROCESSES}/{name}/stat", "rb") as stream:
                # The name of the program may hold anything; what counts stands behind its last parenthesis.
                program, _, rest = stream.read().rpartition(b")")
                fields = rest.split()
                if not program.endswith(b"(ssh"):
                    parents[int(name)] = int(fields[1])
                    times[int(name)] = (int(fields[11]), int(fields[12]))
    family, young = {pid}, {pid}
    while young:
        young = {child for child, parent in parents.items() if parent in young} - family
        family |= young
    return tuple((one, *times.get(one, ()), *_bytes(one)) for one in sorted(family))


def _bytes(pid: int) -> tuple[int, ...]:
    with contextlib.suppress(OSError), open(f"{_PROCESSES}/{pid}/io", "rb") as stream:
        return tuple(int(line.split()[1]) for line in stream if line.startswith(b"rchar"))
    return ()
