#!/usr/bin/python3 -IB
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S310 - the role refuses a ping URL that is not http(s)
"""Tell people how a run ended, or what the watch found, by whatever still works.

Uses the system's Python and nothing beside its standard library, so that it speaks when the job environment is
broken. Private to the scripts in /usr/local/sbin, the watch and the role notification.

usage: tell RUN JOB CODE        how a run ended, in the play's own words if it left some
       tell --start RUN JOB     a run begins: the dead-man's switch hears of it
       tell --watch             what the watch found, as JSON on standard input
       tell --check             which channels can be used, as JSON; nothing is sent
       tell --understands FILE  whether Apprise understands every URL of a new list; 1 and their places if not
       tell --test              a message over every channel; which arrived, as JSON

Exit code: 0 somebody was told, or nothing had to be said; 3 no channel took it, so the local mail, the system's log and
the list of what is untold have it; 64 unknown arguments.

What is said again, and what is not (docs/monitoring.md says it for people): a failure with a cause that was told less
than repeat_hours ago is counted and not told; after that it is told again with the count; another cause is always told;
the first good run afterwards is told as a recovery and ends all causes. A restore is always told.
"""

from __future__ import annotations

import contextlib
import datetime
import email.message
import email.policy
import fcntl
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import typing as t
import unicodedata
import urllib.parse
import urllib.request

CONFIGURATION = "/etc/labops-backup"
STATE = "/var/lib/labops-backup"
LOGS = "/var/log/labops-backup"
VOLATILE = "/run/labops-backup"
RELEASES = "/opt/labops-backup"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

Document = dict[str, t.Any]
INFO, WARNING, FAILURE, RECOVERY = "info", "warning", "failure", "recovery"
# Apprise's own kinds of a message.
KINDS = {INFO: "success", WARNING: "warning", FAILURE: "failure", RECOVERY: "success"}
DEFAULTS: Document = {
    "host": os.uname().nodename,
    "sources": [],
    "dump_directory": "",
    "channels": [],
    "ping_url": "",
    "quiet_jobs": [],
    "repeat_hours": 20,
    "seconds": 60,
    "mail_to": "root",
}
# A person who restores waits for each word; one step after another is no recovery.
ALWAYS = ("restore",)
BODY_CHARACTERS = 20000
LINE_CHARACTERS = 1000
LOG_LINES = 15
KNOWN_RUNS = 200
# A point that is dated so far ahead was dated by a clock that was wrong; clocks are never quite alike.
AHEAD_SECONDS = 3600
KNOWN_UNTOLD = 20
KNOWN_CAUSES = 100
PING_SECONDS = 15
LOCAL_SECONDS = 20
# Control, format, surrogate, private, unassigned; line and paragraph separator: what a reader's program obeys.
OBEYED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# Lines of a message that say what is wrong, among those that say what is well.
_TELLS_OF_FAILURE = re.compile(r"FAIL|FOUND|BUSY|OLDER|fail|could not|problem|missing|damaged|suspect|refused|warn")


class Message(t.NamedTuple):
    """What is to be said: the severity, one line, the lines after it, and what is the same when it happens again."""

    severity: str
    title: str
    body: str
    cause: str


class Delivery(t.NamedTuple):
    """What became of a message on one channel."""

    channel: Document
    ok: bool
    why: str
    seconds: float


# ------------------------------------------------------------------------------------------------------------- text


def visible(text: str) -> str:
    r"""``text`` with nothing in it that a reader would obey rather than show; line ends stay."""
    return "".join(
        one if one == "\n" or unicodedata.category(one) not in OBEYED else _escaped(ord(one)) for one in text
    )


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # one undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """A title: visible, on one line, of a length that a subject may have."""
    line = visible(text.replace("\n", " ")).strip()
    return line if len(line) <= 250 else line[:247] + "..."


def cause_of(text: str) -> str:
    """What two messages about the same thing have in common: identifiers, times and counts are taken out.

    A number that is part of a name stays, since tatchu2 is not tatchu3.
    """
    text = re.sub(r"\d{8}T\d{6}Z(-[0-9a-f]{6})?", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{12,}\b", "ID", text)
    return re.sub(r"(?<![\w./-])\d+(?:[.,]\d+)*(?![\w/-])", "N", text)


def span(seconds: float) -> str:
    """A time span by its two largest units."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def utc(moment: float) -> str:
    """The moment as all documents of this collection write it."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: t.Any) -> float | None:
    """The moment that a document writes; None when it writes none."""
    try:
        moment = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


# -------------------------------------------------------------------------------------------------------- documents


def read(path: str) -> Document:
    """A JSON object; empty when there is none that can be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            found = json.load(stream)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def settings() -> Document:
    """What the role wrote; a default for whatever of it cannot be used, since silence would be worse."""
    found = read(f"{CONFIGURATION}/tell.json")
    used = {
        name: found[name] if isinstance(found.get(name), type(default)) else default
        for name, default in DEFAULTS.items()
    }
    return used | {"channels": [channel for channel in used["channels"] if _is_channel(channel)]}


def _is_channel(channel: t.Any) -> bool:
    return isinstance(channel, dict) and isinstance(channel.get("tag"), str) and channel.get("severity") in KINDS


def load_state() -> Document:
    """What was told until now: the newer one of the durable document and of the one that a full disk left in /run."""
    found = [read(f"{folder}/tell/state.json") for folder in (STATE, VOLATILE)]
    return clean(max(found, key=lambda state: str(state.get("at", ""))))


def clean(state: Document) -> Document:
    """What of a state can be used; the rest counts as never told, so that it speaks again and the next one is whole."""
    return {
        "jobs": {name: _job(job) for name, job in _objects(state, "jobs").items()},
        "runs": {run: at for run, at in _object(state, "runs").items() if isinstance(at, str)},
        "channels": {tag: _texts(used, "success", "failure") for tag, used in _objects(state, "channels").items()},
        "untold": [entry for entry in _list(state, "untold") if isinstance(entry, dict)],
        "findings": {
            key: _texts(entry, "first", "told", "text", "severity")
            for key, entry in _objects(state, "findings", "first", "text", "severity").items()
        },
    }


def _job(job: Document) -> Document:
    causes = {
        key: _texts(cause, "severity", "first", "told") | {"count": _count(cause, "count")}
        for key, cause in _objects(job, "causes", "severity", "first").items()
    }
    return _texts(job, "since", "good") | {"failures": _count(job, "failures"), "causes": causes}


def _object(document: Document, name: str) -> Document:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _objects(document: Document, name: str, *texts: str) -> Document:
    """The objects in an object that have all of these texts."""
    return {
        key: value
        for key, value in _object(document, name).items()
        if isinstance(value, dict) and all(isinstance(value.get(text), str) for text in texts)
    }


def _list(document: Document, name: str) -> list[t.Any]:
    found = document.get(name)
    return found if isinstance(found, list) else []


def _texts(document: Document, *names: str) -> Document:
    return {name: document[name] if isinstance(document.get(name), str) else None for name in names}


def _count(document: Document, name: str) -> int:
    found = document.get(name)
    return found if isinstance(found, int) else 0


def save_state(state: Document, now: float) -> None:
    """Keep what was told, durably; in /run when the disk does not take it. Whoever cannot keep it speaks again."""
    state["runs"] = dict(sorted(state["runs"].items())[-KNOWN_RUNS:])
    state["untold"] = state["untold"][-KNOWN_UNTOLD:]
    body = json.dumps({"schema_version": 1, "at": _stamp(now), **state}, indent=1, sort_keys=True).encode()
    for folder in (f"{STATE}/tell", f"{VOLATILE}/tell"):
        with contextlib.suppress(OSError):
            _replace(f"{folder}/state.json", body)
            return


def _stamp(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(timespec="microseconds")


def _replace(path: str, body: bytes) -> None:
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    temporary = f"{folder}/.{os.path.basename(path)}.{os.getpid()}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def alone(seconds: float = 10) -> t.Iterator[None]:
    """Nobody else decides meanwhile; who waits too long goes on all the same."""
    try:
        os.makedirs(VOLATILE, mode=0o700, exist_ok=True)
        handle = os.open(f"{VOLATILE}/tell.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield
    finally:
        os.close(handle)


# --------------------------------------------------------------------------------------------------------- messages


def about_run(configuration: Document, run: str, job: str, code: int) -> Message:
    """How a run ended, in the play's own words, or in words of its own when the play left none."""
    log = f"{LOGS}/{job}/{run}"
    words = _text(f"{log}/message")
    if words.strip() and code in (0, 2):
        title, _end, body = words.strip().partition("\n")
        cause = "\n".join([title, *filter(_TELLS_OF_FAILURE.search, body.splitlines())])
    else:
        title = f"{configuration['host']}: the job {job} ended with code {code} without a verdict"
        body = cause = _reason(job, code, os.path.isdir(log))
        tail = log_tail(job, run)
        if tail:
            body += f"\n\nThe last lines of its log:\n{tail}"
            cause += "\n".join(line for line in tail.splitlines() if re.match(r"(\[?ERROR|fatal:)", line))
        cause = f"{title}\n{cause}"
    severity = FAILURE if code else WARNING if re.match(r"\S+ WARNING\b", title) else INFO
    return Message(severity, one_line(title), body, cause_of(cause))


def _reason(job: str, code: int, began: bool) -> str:
    if code == 69:
        return (
            f"The job environment {RELEASES}/current is missing or damaged. Nothing was started. "
            "Run site.yml for this host."
        )
    if code == 75:
        return f"The same job is still running, so nothing was started. See: systemctl status labops-backup-{job}"
    if began:
        return "It was stopped, or died, or came to its end without saying how it went."
    return f"It could not be started. See: journalctl -u 'labops-backup-{job}*'"


def log_tail(job: str, run: str) -> str:
    """The last lines of a run's log, without empty ones."""
    text = _text(f"{LOGS}/{job}/{run}/stdout", end=True).replace("\r", "")
    return "\n".join([line[:500] for line in text.splitlines() if line.strip()][-LOG_LINES:])


def _text(path: str, *, end: bool = False) -> str:
    """The beginning or the end of a file, as much as a message may have."""
    try:
        with open(path, "rb") as stream:
            if end:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - BODY_CHARACTERS))
            return stream.read(BODY_CHARACTERS).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def footer(configuration: Document, state: Document, message: Message, run: str, job: str, now: float) -> list[str]:
    """What every message ends with: the state of the other jobs, the last good point, and where to look further."""
    lines = []
    if message.severity == INFO:
        for name, other in sorted(state["jobs"].items()):
            if name != job and other.get("failures"):
                lines.append(f"{name}: FAILING since {other['since']} ({other['failures']} runs)")
            elif name != job and other.get("good"):
                lines.append(f"{name}: good {span(now - (moment_of(other['good']) or now))} ago")
        for finding in state["findings"].values():
            lines.append(f"watch: {finding.get('text')}")
    lines.extend(last_good(configuration, now))
    lines.append(f"host {configuration['host']}, job {job}, run {run}")
    lines.append(f"look further, on {configuration['host']}: less {LOGS}/{job}/{run}/stdout")
    return lines


def last_good(configuration: Document, now: float) -> list[str]:
    """The newest good recovery point of each source of a server, the newest dump set of a source."""
    lines = []
    for source in configuration["sources"]:
        folder = f"{STATE}/recovery_points/{source}"
        newest, late = None, []
        for name in _identifiers(folder):
            if not is_good(read(f"{folder}/{name}.json")):
                continue
            if (began(name) or now) <= now + AHEAD_SECONDS:
                newest = name
                break
            late.append(name)
        lines.append(f"last good point of {source}: {_named(newest, now)}")
        if late:
            lines.append(f"dated in the future, taken by name only: {', '.join(late)}")
    directory = configuration["dump_directory"]
    if directory:
        newest = next((n for n in _identifiers(directory) if os.path.exists(f"{directory}/{n}/manifest.json")), None)
        lines.append(f"last good dump set: {_named(newest, now)}")
    return lines


def is_good(point: Document) -> bool:
    """Whether a point is complete and nothing that was found since stands against it."""
    return (point.get("marked") or point.get("state")) in ("complete", "checked", "proven")


def _identifiers(folder: str) -> list[str]:
    try:
        names = [name.removesuffix(".json") for name in os.listdir(folder)]
    except OSError:
        return []
    return sorted((name for name in names if re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", name)), reverse=True)


def began(run: str) -> float | None:
    """When a run, point or dump set began, from its identifier."""
    found = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", run)
    return moment_of("{}-{}-{}T{}:{}:{}Z".format(*found.groups())) if found else None


def _named(identifier: str | None, now: float) -> str:
    if identifier is None:
        return "none"
    return f"{identifier}, begun {span(now - (began(identifier) or now))} ago"


# ---------------------------------------------------------------------------------------------------------- deciding


def decide(
    state: Document, job: str, message: Message, now: float, repeat_hours: float, *, quiet: bool
) -> Message | None:
    """What is said of a run, after all that was said before; None when nothing is. Notes it in ``state``.

    :param quiet: nobody is told when this job goes well; its state stands in the digest of another one.
    """
    if job in ALWAYS:
        return message
    known = state["jobs"].setdefault(job, {})
    causes = known.setdefault("causes", {})
    if message.severity == INFO:
        failures, since, open_causes = known.get("failures", 0), known.get("since"), bool(causes)
        known.update(failures=0, since=None, good=utc(now), causes={})
        if open_causes:
            what = f"It had failed {_times(failures)} since {since}." if failures else f"It had warned since {since}."
            return message._replace(
                severity=RECOVERY, title=f"RECOVERED: {message.title}", body=f"{what}\n\n{message.body}"
            )
        return None if quiet else message
    if message.severity == FAILURE:
        known["failures"] = known.get("failures", 0) + 1
    else:  # it did its work: what failed before is over
        known.update(failures=0, good=utc(now))
        for key in [key for key, cause in causes.items() if cause["severity"] == FAILURE]:
            del causes[key]
    if not causes or not known.get("since"):
        known["since"] = utc(now)
    new = {"severity": message.severity, "first": utc(now), "told": None, "count": 0}
    cause = causes.setdefault(f"{message.severity}: {message.cause}", new)
    cause["count"] += 1
    body = message.body
    if known.get("failures", 0) > 1:
        body += f"\n\nfailing since {known['since']}: {_times(known['failures'])} in a row"
    told = moment_of(cause["told"]) if cause["told"] else None
    if told is not None:
        if 0 <= now - told < repeat_hours * 3600:
            return None
        body += f"\nthe same cause, {_times(cause['count'])} since {cause['first']}"
        message = message._replace(title=f"STILL {message.title}")
    cause["told"] = utc(now)
    for old in sorted(causes, key=lambda key: str(causes[key]["first"]))[:-KNOWN_CAUSES]:
        del causes[old]
    return message._replace(body=body)


def decided(rule: t.Callable[[Document], Message | None]) -> tuple[Document, Message | None]:
    """The state, and what a rule says by it; whatever in a state breaks the rule, it speaks as if nothing was told."""
    state = load_state()
    try:
        return state, rule(state)
    except Exception as error:
        print(f"labops-backup: what was told until now is not used: {type(error).__name__}: {error}", file=sys.stderr)
    state = clean({})
    return state, rule(state)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def decide_watch(state: Document, found: t.Sequence[Document], now: float, repeat_hours: float) -> Message | None:
    """What is said of the watch's findings, by the same rule; each finding is a cause. Notes it in ``state``."""
    known = state["findings"]
    # A run that ended unheard is told once: it does not last, so nothing recovers from it.
    new = [{"first": utc(now), **finding} for finding in found if "run" in finding]
    present = {str(finding["key"]): finding for finding in found if "run" not in finding}
    gone = {key: known.pop(key) for key in list(known) if key not in present}
    due: list[Document] = []
    still: list[Document] = []
    for key, finding in present.items():
        entry = known.setdefault(key, {"first": utc(now), "told": None})
        entry.update(text=finding["text"], severity=finding["severity"])
        told = moment_of(entry["told"]) if entry["told"] else None
        if told is None:
            new.append(entry)
        else:
            (still if 0 <= now - told < repeat_hours * 3600 else due).append(entry)
    if not new and not due:
        told_before = [entry for entry in gone.values() if entry["told"]]
        if present or not told_before:
            return None
        lines = [f"no longer: {entry['text']} (since {entry['first']})" for entry in told_before]
        return Message(RECOVERY, "RECOVERED: the watch finds nothing wrong any more", "\n".join(lines), "")
    speaking = new + due
    for entry in speaking:
        entry["told"] = utc(now)
    lines = [str(entry["text"]) for entry in new]
    lines += [f"still, since {entry['first']}: {entry['text']}" for entry in due + still]
    lines += [f"no longer: {entry['text']}" for entry in gone.values()]
    severity = FAILURE if any(entry["severity"] == FAILURE for entry in speaking) else WARNING
    more = f" (and {len(speaking) - 1} more)" if len(speaking) > 1 else ""
    return Message(severity, f"watch: {one_line(str(speaking[0]['text']))}{more}", "\n".join(lines), "")


# ---------------------------------------------------------------------------------------------------------- speaking


def apprise() -> str | None:
    """The first Apprise that starts, wherever a release has one: the environment in use may be what is broken."""
    for candidate in (f"{RELEASES}/current/bin/apprise", *sorted(glob.glob(f"{RELEASES}/releases/*/bin/apprise"))):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run([candidate, "--version"], env=_environment(), capture_output=True, timeout=20)
            if done.returncode == 0:
                return candidate
    return None


def _environment() -> dict[str, str]:
    bundle = {"REQUESTS_CA_BUNDLE": BUNDLE} if os.access(BUNDLE, os.R_OK) else {}
    return {"PATH": SEARCH_PATH, "HOME": "/nonexistent", "LANG": "C.UTF-8", **bundle}


def deliver(configuration: Document, severity: str, title: str, body: str) -> list[Delivery]:
    """Send over every channel of a severity, side by side: one that hangs neither delays nor hides another."""
    channels = [channel for channel in configuration["channels"] if channel.get("severity") == severity]
    program = apprise() if channels else None
    if program is None:
        return [Delivery(channel, False, f"no Apprise works below {RELEASES}", 0.0) for channel in channels]
    words = [
        "--storage-mode=memory",
        "--input-format=text",
        f"--notification-type={KINDS[severity]}",
        f"--title={title}",
    ]
    return _apprise(program, channels, words, body, configuration["seconds"])


def _apprise(
    program: str, channels: t.Sequence[Document], words: t.Sequence[str], body: str, seconds: float
) -> list[Delivery]:
    started = time.monotonic()
    running = []
    for channel in channels:
        argv = [program, f"--config={CONFIGURATION}/notify.yml", f"--tag={channel['tag']}", *words]
        process = subprocess.Popen(
            argv,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        answer: list[Delivery] = []
        wait = threading.Thread(
            target=_wait, args=(process, channel, body.encode("utf-8", "replace"), seconds, answer), daemon=True
        )
        wait.start()
        running.append((channel, wait, answer))
    deliveries = []
    for channel, wait, answer in running:
        wait.join(max(0.0, started + seconds + 5 - time.monotonic()))
        deliveries.append(answer[0] if answer else Delivery(channel, False, "it does not end", seconds))
    return deliveries


def _wait(
    process: subprocess.Popen[bytes], channel: Document, body: bytes, seconds: float, answer: list[Delivery]
) -> None:
    started = time.monotonic()
    try:
        output, _none = process.communicate(body, timeout=seconds)
        why = "" if process.returncode == 0 else _why(process.returncode, output.decode("utf-8", "replace"))
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        why = f"no answer within {seconds:g} s"
    answer.append(Delivery(channel, not why, why, round(time.monotonic() - started, 1)))


def _why(code: int, output: str) -> str:
    """Why a channel failed, in words that hold nothing of its URL."""
    if code == 3:
        return "Apprise does not understand this URL"
    found = re.findall(r"error=(\d+)", output)
    if found:
        return f"the service answered {found[-1]}"
    return "it was not delivered (no connection, or refused)"


def by_other_means(configuration: Document, title: str, body: str) -> list[str]:
    """Say it by local mail and the system's log; which of them took it."""
    took = []
    mailer = shutil.which("sendmail", path=SEARCH_PATH)
    if mailer and configuration["mail_to"]:
        mail = email.message.EmailMessage(policy=email.policy.default.clone(linesep="\n"))
        mail["Subject"] = f"[labops-backup] {title}"
        mail["To"] = configuration["mail_to"]
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(body.encode("utf-8", "replace").decode())
        if _local([mailer, "-i", "--", configuration["mail_to"]], mail.as_bytes()):
            took.append("mail")
    logger = shutil.which("logger", path=SEARCH_PATH)
    first_lines = " | ".join(line for line in body.splitlines()[:3] if line.strip())
    if logger and _local(
        [logger, "-p", "daemon.crit", "-t", "labops-backup", "--", f"nobody could be told: {title} | {first_lines}"],
        b"",
    ):
        took.append("log")
    return took


def _local(argv: t.Sequence[str], given: bytes) -> bool:
    try:
        done = subprocess.run(
            argv, input=given, env=_environment(), capture_output=True, timeout=LOCAL_SECONDS, start_new_session=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def ping(url: str, end: str, body: str) -> bool:
    """Let the dead-man's switch hear of it, within a limit of time."""
    parts = urllib.parse.urlsplit(url)
    whole = urllib.parse.urlunsplit(parts._replace(path=parts.path.rstrip("/") + end))
    heard: list[bool] = []

    def send() -> None:
        with contextlib.suppress(Exception):
            request = urllib.request.Request(whole, data=body.encode("utf-8", "replace"), method="POST")
            request.add_header("Content-Type", "text/plain; charset=utf-8")
            with urllib.request.urlopen(request, timeout=PING_SECONDS) as answer:
                answer.read(1)
                heard.append(200 <= answer.status < 300)

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    sending.join(PING_SECONDS)
    return heard == [True]


def sealed(run: str) -> bool:
    """Whether the ledger says that this run sealed a complete recovery point of every source it was about."""
    record = read(f"{STATE}/ledger/{run}.json")
    points = record.get("points")
    return (
        record.get("state") == "success"
        and isinstance(points, list)
        and bool(points)
        and all(isinstance(point, dict) and point.get("state") == "complete" for point in points)
    )


# ------------------------------------------------------------------------------------------------------------ verbs


def speak(configuration: Document, message: Message, more: t.Sequence[str]) -> tuple[bool, list[Delivery]]:
    """Say it over the channels of its severity, and by other means when none of them took it."""
    state = load_state()
    lines = [message.body.rstrip(), "", *more]
    if state["untold"] and message.severity != INFO:
        lines += ["", "Until now nobody could be told:"]
        lines += [f"  {entry.get('at')} {entry.get('title')}" for entry in state["untold"] if isinstance(entry, dict)]
    whole = "\n".join(line[:LINE_CHARACTERS] for line in visible("\n".join(lines)).splitlines())
    if len(whole) > BODY_CHARACTERS:
        whole = whole[:BODY_CHARACTERS] + "\n[cut]"
    title = one_line(message.title)
    deliveries = deliver(configuration, message.severity, title, whole)
    heard = any(delivery.ok for delivery in deliveries) or (not deliveries and message.severity == INFO)
    took = [] if heard else by_other_means(configuration, title, whole)
    for delivery in deliveries:
        if not delivery.ok:
            name = f"{delivery.channel['tag']} ({delivery.channel.get('scheme')})"
            print(f"labops-backup: not told over {name}: {delivery.why}", file=sys.stderr)
    if not heard:
        print(f"labops-backup: no channel took: {title}; took it: {', '.join(took) or 'nothing'}", file=sys.stderr)
    return heard, deliveries


def note(
    deliveries: t.Sequence[Delivery], heard: bool, message: Message, now: float, runs: t.Iterable[str] = ()
) -> None:
    """Keep what became of it. What nobody heard is in the list of what is untold, and the next time speaks again."""
    with alone():
        state = load_state()
        _note_channels(state, deliveries, now)
        state["runs"].update((run, utc(now)) for run in runs)
        if heard and message.severity != INFO:
            state["untold"] = []
        elif not heard:
            state["untold"].append({"at": utc(now), "title": message.title})
            causes = [cause for job in state["jobs"].values() for cause in job.get("causes", {}).values()]
            for entry in (*causes, *state["findings"].values()):
                if entry.get("told") == utc(now):
                    entry["told"] = None
        save_state(state, time.time())


def _note_channels(state: Document, deliveries: t.Sequence[Delivery], now: float) -> None:
    for delivery in deliveries:
        entry = state["channels"].setdefault(delivery.channel["tag"], {"success": None, "failure": None})
        entry["success" if delivery.ok else "failure"] = utc(now)


def tell_run(configuration: Document, run: str, job: str, code: int) -> int:
    """How a run ended."""
    now = time.time()
    said = about_run(configuration, run, job, code)
    switch = _feed(configuration, run, job, code, said)
    with alone():
        quiet = job in configuration["quiet_jobs"]
        state, message = decided(
            lambda state: decide(state, job, said, now, configuration["repeat_hours"], quiet=quiet)
        )
        if message is None:
            state["runs"][run] = utc(now)
        save_state(state, now)
    heard = True
    if message is not None:
        heard, deliveries = speak(configuration, message, footer(configuration, state, message, run, job, now))
        note(deliveries, heard, message, now, [run])
    if switch is not None:
        switch.join(PING_SECONDS + 1)
    return 0 if heard else 3


def _feed(configuration: Document, run: str, job: str, code: int, said: Message) -> threading.Thread | None:
    """Feed the dead-man's switch beside all else: with success only when a point was sealed."""
    if job != "backup" or not configuration["ping_url"]:
        return None
    good = code == 0 and sealed(run)
    body = visible("\n".join([said.title, said.body, "", log_tail(job, run)]))[-BODY_CHARACTERS:]
    feeding = threading.Thread(
        target=ping, args=(configuration["ping_url"], "" if good else "/fail", body), daemon=True
    )
    feeding.start()
    return feeding


def tell_watch(configuration: Document, given: str) -> int:
    """What the watch found; and what could not be told until now is tried again."""
    now = time.time()
    document = json.loads(given)
    with alone():
        state, message = decided(
            lambda state: decide_watch(state, document["findings"], now, configuration["repeat_hours"])
        )
        if message is None and state["untold"]:
            message = Message(FAILURE, "nobody could be told of what happened before", "", "")
        save_state(state, now)
    if message is None:
        return 0
    more = [*last_good(configuration, now), f"host {configuration['host']}, the watch"]
    more.append(f"look further, on {configuration['host']}: journalctl -u labops-backup-watch --since -1d")
    heard, deliveries = speak(configuration, message, more)

    runs = [str(finding["run"]) for finding in document["findings"] if "run" in finding]
    note(deliveries, heard, message, now, runs)
    return 0 if heard else 3


def check(configuration: Document) -> Document:
    """Which channels Apprise understands, and when each was last used."""
    program = apprise()
    state = load_state()
    tags = [channel["tag"] for channel in configuration["channels"]]
    known = _understood(program, f"{CONFIGURATION}/notify.yml", tags) if program else set()
    problem = "Apprise does not understand this URL" if program else f"no Apprise works below {RELEASES}"
    channels = []
    for channel in configuration["channels"]:
        used = state["channels"].get(channel["tag"], {})
        understood = channel["tag"] in known
        last = {"last_success": used.get("success"), "last_failure": used.get("failure")}
        channels.append(
            {**_public(channel), "understood": understood, "problem": "" if understood else problem, **last}
        )
    return {
        "apprise": bool(program),
        "mail": bool(configuration["mail_to"] and shutil.which("sendmail", path=SEARCH_PATH)),
        "ping": bool(configuration["ping_url"]),
        "untold": state["untold"],
        "channels": channels,
    }


def _understood(program: str, path: str, tags: t.Iterable[str]) -> set[str]:
    """Those of the tags whose channel Apprise would use, as its dry run lists them."""
    argv = [program, f"--config=file://{path}?format=yaml", "--storage-mode=memory", "--dry-run", "--body=x"]
    argv += [f"--tag={tag}" for tag in tags]
    try:
        done = subprocess.run(argv, env=_environment(), capture_output=True, timeout=LOCAL_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return set()
    lines = re.findall(r"^\s*tags: (.*)$", done.stdout.decode("utf-8", "replace"), re.MULTILINE)
    return {tag.strip() for line in lines for tag in line.split(",")}


def strange(path: str) -> list[str]:
    """The tags in a new list of channels that Apprise would not use, as the role writes them."""
    with open(path, encoding="utf-8") as stream:
        tags = re.findall(r"^ *- ((?:failure|warning|recovery|success)-\d+)$", stream.read(), re.MULTILINE)
    program = apprise()
    known = _understood(program, path, tags) if program else set()
    return [tag for tag in tags if tag not in known]


def _public(channel: Document) -> Document:
    return {name: channel.get(name) for name in ("tag", "severity", "scheme")}


def test(configuration: Document) -> Document:
    """A message over every channel."""
    now = time.time()
    title = f"{configuration['host']}: this is a test of the backup's messages"
    body = "Nothing happened. Somebody ran: ansible-playbook site.yml --tags notify_test"
    deliveries = [
        delivery for severity in KINDS for delivery in deliver(configuration, severity, f"{title} ({severity})", body)
    ]
    with alone():
        state = load_state()
        _note_channels(state, deliveries, now)
        save_state(state, now)
    url = configuration["ping_url"]
    return {
        "channels": [
            {**_public(one.channel), "ok": one.ok, "why": one.why, "seconds": one.seconds} for one in deliveries
        ],
        "ping": ping(url, "/log", body) if url else None,
    }


def main(words: t.Sequence[str]) -> int:
    """Do what the command line says."""
    os.umask(0o077)
    configuration = settings()
    match words:
        case ["--start", _run, job]:
            if job == "backup" and configuration["ping_url"]:
                ping(configuration["ping_url"], "/start", "")
            return 0
        case ["--watch"]:
            return tell_watch(configuration, sys.stdin.read())
        case ["--check"]:
            print(json.dumps(check(configuration)))
            return 0
        case ["--understands", path]:
            unknown = strange(path)
            print(", ".join(unknown), file=sys.stderr)
            return 1 if unknown else 0
        case ["--test"]:
            print(json.dumps(test(configuration)))
            return 0
        case [run, job, code] if code.isdecimal() and not run.startswith("-"):
            return tell_run(configuration, run, job, int(code))
    print(__doc__, file=sys.stderr)
    return 64


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)  # a thread that hangs on a dead service keeps nobody
