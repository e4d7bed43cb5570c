# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What a night is to do, what became of each dataset, and the verdict over all of it.

A night is judged against the inventory and not against what happened to run: a dataset that never reported counts
as failed.
"""

from __future__ import annotations

import base64
import json
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _checks, _guard, _run, _text
from ansible_collections.labops.backup.plugins.module_utils._model._inventory import Host

Document = dict[str, t.Any]
STAGES = ("pull", "archive", "seal")
# rsync patterns: every folder that looks like a dump set, and one that is still being written.
_ANY_DUMP_SET = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z-??????"
# What the source has of a dump set that is being made or deleted, and the other sets.
_NOT_PINNED = (f"/.{_ANY_DUMP_SET}.partial/", f"/.{_ANY_DUMP_SET}.removed/", f"/{_ANY_DUMP_SET}/")
_AHEAD_SECONDS = 3600  # two hosts' clocks are never quite alike
_CONTENT_FACTS = ("hashed_files", "hashed_bytes", "rewritten")
_PULL_FACTS = (
    *("files", "bytes", "created", "changed_files", "deleted", "transferred_bytes", "dump_set"),
    *("quarantined_files", "quarantined_bytes", "compared"),
)
_ARCHIVE_FACTS = (
    *("archive", "archive_id", "repository_id", "nfiles"),
    *("original_size", "compressed_size", "deduplicated_size", "dump_set"),
)


def run(
    plan: t.Sequence[Document],
    run_id: str,
    stages: t.Sequence[str],
    only_sources: t.Sequence[str],
    only_datasets: t.Sequence[str],
    release: str,
    accept: t.Mapping[str, t.Any] | None = None,
) -> Document:
    """What is to be done in this run: the plan, cut down to what was asked for.

    :param accept: what an operator accepts for this run, by ``source/dataset``; see :class:`_guard.Acceptance`.
    :raises BackupError: when something that does not exist was asked for.
    """
    only_sources, only_datasets = _names(only_sources), _names(only_datasets)
    if not _run.is_identifier(run_id):
        raise _refused(f"backup_run_id {run_id!r} does not look like 20261123T023000Z-77b0aa")
    allowed = [list(STAGES[:end]) for end in (1, 2, 3)] + [["archive"], ["archive", "seal"]]
    if list(stages) not in allowed:
        raise _refused(f"backup_stages {list(stages)} is none of {', '.join(map(str, allowed))}")
    names = [source["name"] for source in plan]
    for name in only_sources:
        if name not in names:
            raise _refused(f"there is no source {name!r}; the inventory has {', '.join(names)}")
    sources = [source for source in plan if not only_sources or source["name"] in only_sources]
    known = {dataset["name"] for source in sources for dataset in source["datasets"]}
    for name in only_datasets:
        if name not in known:
            raise _refused(f"there is no dataset {name!r}; known are {', '.join(sorted(known))}")
    chosen = []
    for source in sources:
        datasets = [entry for entry in source["datasets"] if not only_datasets or entry["name"] in only_datasets]
        if datasets:
            chosen.append({**source, "datasets": datasets})
    chosen = _accepting(chosen, accept or {}, pulls="pull" in stages)
    # Runs may overlap: what a seal is put together from is each run's own.
    chosen = [{**source, "staging": f"{source['staging']}/{run_id}"} for source in chosen]
    servers: dict[str, list[str]] = {}
    for source in chosen:
        servers.setdefault(source["server"], []).append(source["name"])
    return {
        "id": run_id,
        "release": release,
        # A part of the datasets is no recovery point.
        "stages": [stage for stage in stages if not (stage == "seal" and only_datasets)],
        "sources": chosen,
        "servers": servers,
        "ledger": chosen[0]["ledger"],
    }


def _names(given: str | t.Sequence[str]) -> list[str]:
    """Names as a list; ``-e name=value`` on a command line gives one as text."""
    return [given] if isinstance(given, str) and given else list(given)


def _accepting(sources: t.Sequence[Document], accept: t.Any, *, pulls: bool) -> list[Document]:
    """The sources with what an operator accepts beside each dataset."""
    if not isinstance(accept, t.Mapping):
        raise _refused(f"backup_accept is {accept!r}; a mapping is meant, with source/dataset as its keys")
    datasets_by_key = {
        f"{entry['source']}/{entry['name']}": entry for source in sources for entry in source["datasets"]
    }
    for key, given in accept.items():
        if key not in datasets_by_key or not pulls:
            raise _refused(f"backup_accept names {key!r}, which this run does not pull; write it as source/dataset")
        _guard.acceptance(given, f"backup_accept for {key}")

    def marked(entry: Document) -> Document:
        key = f"{entry['source']}/{entry['name']}"
        return {**entry, "accept": dict(accept[key])} if key in accept else entry

    return [{**source, "datasets": [marked(entry) for entry in source["datasets"]]} for source in sources]


def _refused(what: str) -> BackupError:
    return BackupError(what, untouched="Nothing was changed", remedy="Correct the call")


def expected(read: t.Mapping[str, t.Any]) -> Document:
    """What a restore told the next pull of a dataset to accept once.

    :param read: the result of C(slurp) of the document; one without content is none.
    :return: C(accept), empty when nothing was told; C(problem) says why what was told cannot be understood. It accepts
        nothing then, so that the limits decide, and a person.
    """
    if not isinstance(read.get("content"), str):
        return {"accept": {}, "problem": ""}
    name = str(read.get("source") or "the document of a restore")
    try:
        given = json.loads(base64.b64decode(read["content"]))
        _guard.acceptance(given, name)
    except BackupError as error:
        why = error.what
    except (ValueError, RecursionError) as error:
        why = f"{name} is not a JSON document: {error}"
    else:
        return {"accept": given, "problem": ""}
    what = "what a restore told this pull to accept cannot be understood, and nothing of it was accepted"
    return {"accept": {}, "problem": f"{what}: {why}"}


def pin(offered: t.Mapping[str, t.Any]) -> Document:
    """The newest valid dump set of those a source offers, and the rsync filters that take exactly that one.

    One that is dated in the future is not passed over: a source makes no dump set while its clock is behind the newest
    one, so that nothing it offers is newer. The verdict says what is wrong with it (:func:`_dump_line`).
    Files that are no dump set are taken along: dumps that the lab already had. When there is no such set, ``problem``
    says so; it is not raised, because a filter that raises reaches people with Ansible's own words around it.

    :param offered: the result of ``db_dump_info``.
    """
    sets = list(offered.get("dump_sets") or ())
    false = [*(entry for entry in sets if not entry["valid"]), *(offered.get("rejected") or ())]
    chosen = next((entry for entry in sets if entry["valid"]), None)
    skipped = [
        f"{entry['id']}: {', '.join(entry['problems'])}"
        for entry in sorted(false, key=lambda entry: str(entry["id"]), reverse=True)
        if chosen is None or entry["id"] > chosen["id"]
    ]
    if chosen is not None:
        name = chosen["id"]
        filters = [f"+ /{name}/", *(f"- {pattern}" for pattern in _NOT_PINNED)]
        times = {"started": chosen["started"], "finished": chosen["finished"]}
        return {"id": name, "filters": filters, "skipped": skipped, **times}
    what = "the source offers no finished dump set" + (f" ({'; '.join(skipped)})" if skipped else "")
    return {"problem": f"{what}. Look at the dump job on the source: run its backup_and_notify script there."}


def outcome(
    dataset: Document,
    pull: t.Mapping[str, t.Any],
    dump: t.Mapping[str, t.Any],
    archive: t.Mapping[str, t.Any],
    proof: t.Mapping[str, t.Any],
    content: t.Mapping[str, t.Any],
) -> Document:
    """What became of one dataset whose steps all ended well, from the results of its steps.

    :param pull: of ``rsync_pull``; as all of them, a skipped result when the step was not asked for.
    :param dump: of ``db_dump_info``.
    :param archive: of ``borg_create``.
    :param proof: of ``borg_archive_info``.
    :param content: of ``content_verify``.
    :raises BackupError: when a step did not really run.
    """
    result: Document = {
        "source": dataset["source"],
        "dataset": dataset["name"],
        "name": dataset["name"],
        "order": dataset["order"],
        "repository": dataset["repository"],
        "ok": True,
        "message": "",
        "warnings": [],
        "seconds": {},
    }
    steps = {"pull": pull, "dump": dump, "content": content, "archive": archive, "proof": proof}
    facts = {
        **{"pull": "generation", "dump": "dump_sets", "content": "manifest"},
        **{"archive": "generation", "proof": "archives"},
    }
    for name, step in steps.items():
        if not step.get("skipped") and (step.get("unreachable") or facts[name] not in step):
            raise BackupError(f"{name}: the server did not answer: {step.get('msg', 'no result')}")
    for step, name in ((pull, "pull"), (content, "content"), (archive, "archive")):
        if step.get("skipped"):
            continue
        if name == "archive" and result.get("generation", step["generation"]) != step["generation"]:
            raise BackupError(
                f"the content of generation {result['generation']} was verified, and generation {step['generation']} "
                f"is archived as {step['archive']}: another pull came in between",
                untouched="No recovery point names that archive",
                remedy="Run again",
            )
        result["seconds"][name] = step["seconds"]
        result["warnings"] += list(step.get("warnings") or ())
        result["generation"] = step["generation"]
    if not pull.get("skipped"):
        result.update({key: pull[key] for key in _PULL_FACTS})
        if pull.get("accepted"):
            result["accepted"] = pull["accepted"]
    if not content.get("skipped"):
        result["content"] = dict(content["manifest"])
        result["accepted_content"] = content["accepted"]
        result.update({key: content[key] for key in _CONTENT_FACTS})
        # Archives from before may be the only ones of a file that changed meanwhile.
        if content.get("lost"):
            result.update(stop_retention=True, message=content["lost"])
    if not archive.get("skipped"):
        result.update({key: archive[key] for key in _ARCHIVE_FACTS})
        proven = [entry for entry in proof.get("archives", ()) if entry["id"] == archive["archive_id"]]
        if not proven or proven[0]["nfiles"] != archive["nfiles"]:
            raise BackupError(f"the archive {archive['archive']} is not in {dataset['repository']} as it was written")
    if not dump.get("skipped"):
        result["dump_set_facts"] = dump["dump_sets"][0]
        if dump.get("unproven"):
            result["unproven"] = list(dump["unproven"])
    return result


def outcomes(hosts: t.Mapping[str, Host], source: Document) -> list[Document]:
    """What became of every dataset of one source, the silent ones included."""
    return [
        hosts[dataset["pipeline"]].get("backup_outcome")
        or {
            "source": source["name"],
            "dataset": dataset["name"],
            "ok": False,
            "step": "Report",
            "message": "its pipeline ended without a word",
        }
        for dataset in source["datasets"]
    ]


def retention_failure(step: str, result: t.Mapping[str, t.Any]) -> Document:
    """What became of a retention that failed; one that found a dataset busy leaves the work to a later night.

    :param step: the task that failed.
    :param result: its result; of a task with a loop, that of each turn in ``results``.
    """
    turns = [turn for turn in result.get("results") or [result] if turn.get("failed", True)]
    messages = [str(turn.get("msg") or "it failed without a message") for turn in turns]
    if all(turn.get("kind") == "busy" for turn in turns):
        return {"stopped": messages}
    return {"problem": f"{step}: {'; '.join(messages)}"}


def retention_stop(hosts: t.Mapping[str, Host], source: Document, read: t.Mapping[str, t.Any]) -> list[str]:
    """Why nothing of this source may be removed in this run; empty when something may.

    A dataset whose outcome says ``stop_retention`` stops it, also when all else is well: its content was not as it
    must be, and older archives may be the only good ones. So does what a check has found.

    :param read: the result of C(slurp) of the evidence of its checks.
    """
    point = hosts[source["night"]].get("backup_point") or {}
    reasons = [] if point.get("state") == "complete" else ["this run sealed no complete recovery point"]
    for entry in outcomes(hosts, source):
        if entry.get("stop_retention"):
            reasons.append(f"{entry['dataset']}: {entry.get('message') or 'its content did not pass'}")
    try:
        names = [dataset["name"] for dataset in source["datasets"]]
        reasons += _checks.findings(_checks.check_evidence_of(read), names)
    except BackupError as error:
        reasons.append(f"{source['checks']['evidence']}: {error.what}")
    # Only where there is none nothing was found; what cannot be read may hold a finding.
    why = str(read.get("msg") or "")
    if "content" not in read and why and not why.lower().startswith("file not found"):
        reasons.append(f"what the checks have found cannot be read: {why}")
    return reasons


def mirror_roots(datasets: t.Sequence[Document], outcomes: t.Sequence[Document], folder: str) -> Document:
    """Where the files of each dataset are to be looked for, and at which generation its archive was made.

    The database's own mirror holds no file that a row refers to.

    :param folder: where the run keeps the content manifests of what it archived; mirrors may have moved on since.
    """
    archived = {entry["dataset"]: entry["generation"] for entry in outcomes if entry["ok"] and "content" in entry}
    roots: Document = {}
    for dataset in datasets:
        name = dataset["name"]
        roots[name] = {"mirror": dataset["mirror"]}
        if name in archived:
            roots[name].update(
                generation_file=dataset["generation_file"],
                generation=archived[name],
                manifest=f"{folder}/{name}.content",
            )
        if dataset["quarantine"]:
            roots[name]["quarantine"] = dataset["quarantine"]["directory"]
    return roots


def content_manifests(outcomes: t.Sequence[Document], folder: str) -> Document:
    """The content manifests that are to be sealed with the archives of these datasets: name, then path and sha256.

    :param folder: where the run keeps them; beside the mirror there may be that of a later generation.
    """
    return {
        f"{entry['name']}.content": {"path": f"{folder}/{entry['name']}.content", "sha256": entry["content"]["sha256"]}
        for entry in outcomes
        if "content" in entry
    }


def verdict(hosts: t.Mapping[str, Host], this_run: Document, server: str = "") -> Document:
    """How the run went, for people and for the ledger.

    :param server: judge only this server's sources.
    :return: ``ok``, ``title`` (one line), ``lines``, ``outcomes``, ``points``.
    :raises BackupError: when there is nothing to judge.
    """
    sources = [source for source in this_run["sources"] if server in ("", source["server"])]
    if not sources:
        raise BackupError(f"run {this_run['id']} has nothing to do on the server {server!r}")
    all_outcomes = [entry for source in sources for entry in outcomes(hosts, source)]
    failures: list[str] = []
    lines: list[str] = []
    points: list[Document] = []
    for name in dict.fromkeys(source["server"] for source in sources):
        problem = hosts[name].get("backup_problem")
        if problem:
            failures.append(f"{name}")
            lines.append(f"{name}: {_text.plain(str(problem))}")
    for source in sources:
        lines.append(f"{source['name']}:")
        for entry in (entry for entry in all_outcomes if entry["source"] == source["name"]):
            lines.append("  " + _outcome_line(entry))
            if entry.get("accepted"):
                lines.append("    " + _accepted_line(entry["accepted"]))
            if "dump_set_facts" in entry:
                line, wrong = _dump_line(entry["dump_set_facts"], this_run["id"], source["dump_max_age_hours"])
                lines.append("    " + line)
                if wrong:
                    failures.append(f"{source['name']}: {wrong}")
            if entry.get("unproven"):
                lines.append("    " + _text.plain(f"taken along unproven: {', '.join(map(str, entry['unproven']))}"))
            lines.extend(f"    warning: {_text.plain(str(warning))}" for warning in entry.get("warnings", ()))
            if not entry["ok"]:
                failures.append(f"{source['name']}/{entry['dataset']}" + (" is busy" if entry.get("busy") else ""))
            elif entry.get("stop_retention"):
                failures.append(f"{source['name']}/{entry['dataset']}: content not compared")
        pinned = hosts[source["night"]].get("backup_pin") if source["night"] in hosts else None
        skipped = (pinned or {}).get("skipped") or ()
        lines.extend(f"  newer, but not valid: dump set {_text.plain(str(one))}" for one in skipped)
        if skipped:
            failures.append(f"{source['name']}: newest dump set")
        if "seal" in this_run["stages"]:
            point = hosts[source["night"]].get("backup_point") or {"problem": "its sealing ended without a word"}
            retention = hosts[source["night"]].get("backup_retention")
            if not retention and point.get("state") == "complete":
                retention = {"problem": "it ended without a word"}
            points.append({"source": source["name"], **point} | ({"retention": retention} if retention else {}))
            lines.append("  " + _point_line(point))
            lines.extend(f"    {_text.plain(str(problem))}" for problem in point.get("problems", ()))
            if point.get("state") != "complete":
                failures.append(f"{source['name']}: " + ("point " + point["state"] if "state" in point else "no point"))
            if retention:
                lines.append("  " + _retention_line(retention))
                lines.extend(f"    {_text.plain(str(problem))}" for problem in retention.get("problems", ()))
                if "problem" in retention or retention.get("problems"):
                    failures.append(f"{source['name']}: retention")
    what = {"seal": "recovery point", "archive": "archives", "pull": "pull"}[this_run["stages"][-1]]
    names = ", ".join(source["name"] for source in sources)
    title = f"backup FAILED: {', '.join(dict.fromkeys(failures))}" if failures else f"backup good: {what} of {names}"
    return {
        "ok": not failures,
        "title": f"{title} (run {this_run['id']})",
        "lines": lines,
        "outcomes": all_outcomes,
        "points": points,
    }


def _dump_line(dump_set: Document, run_id: str, max_hours: float) -> tuple[str, str]:
    """The dump set that a run took, and what is wrong with its age: the source's dump job may have stopped.

    One from the future is the newest for as long as its time has not come, and says nothing of how old it is.
    """
    begun = _run.began(dump_set["id"])
    seconds = (_run.began(run_id) - begun).total_seconds()
    if seconds < -_AHEAD_SECONDS:
        line = f"dump set {dump_set['id']}, begun {_text.duration(-seconds)} AFTER this run: see which clock is wrong. "
        return line + "If it was the source's, move that set out of its dump directory", "dump set from the future"
    line = f"dump set {dump_set['id']}, begun {_text.duration(max(seconds, 0))} before this run"
    if seconds <= max_hours * 3600:
        return line, ""
    return line + f": OLDER than {max_hours:g} h, look at the dump job on the source", "old dump set"


def _outcome_line(entry: Document) -> str:
    name = f"{entry['dataset']:<10} "
    if not entry["ok"]:
        if entry.get("busy"):
            return f"{name}BUSY in step {entry.get('step', '?')!r}: {_text.plain(str(entry['message']))}"
        return f"{name}FAILED in step {entry.get('step', '?')!r}: {_text.plain(str(entry['message']))}"
    words = []
    if "files" in entry:
        words.append(f"{entry['files']} files, {_text.size(entry['bytes'])}")
        words.append(
            f"{entry['created']} new, {entry['changed_files']} changed, {entry['deleted']} deleted "
            f"in {_text.duration(entry['seconds']['pull'])}"
        )
        if entry["compared"]:
            words.append("content compared with the source")
        if entry["quarantined_files"]:
            words.append(
                f"{entry['quarantined_files']} files, {_text.size(entry['quarantined_bytes'])} to the quarantine"
            )
    if "content" in entry:
        words.append(
            f"{entry['hashed_files']} new or touched files read ({_text.size(entry['hashed_bytes'])}) in "
            f"{_text.duration(entry['seconds']['content'])}"
        )
    if "archive" in entry:
        words.append(
            f"archived {_text.size(entry['original_size'])}, {_text.size(entry['deduplicated_size'])} new in the "
            f"repository, in {_text.duration(entry['seconds']['archive'])}"
        )
    return name + "; ".join(words)


def _accepted_line(accepted: Document) -> str:
    what = ", ".join(f"{name} {value}" for name, value in accepted.items() if name != "reason")
    return f"accepted by the operator: {what} ({_text.plain(str(accepted['reason']))})"


def _point_line(point: Document) -> str:
    if "state" not in point:
        return f"no recovery point: {_text.plain(str(point['problem']))}"
    line = f"recovery point {point['point']} is {point['state']}"
    references = point.get("references") or {}
    if "checked" in references:
        line += f"; {references['checked']} references checked"
        for kind in ("missing", "wrong_size", "unresolved", "in_quarantine", "changed_mirrors", "accepted"):
            count = references.get(kind) or 0
            if count:
                line += f", {count} {kind.replace('_', ' ')}"
    return line


def _retention_line(retention: Document) -> str:
    if "problem" in retention:
        return f"retention FAILED: {_text.plain(str(retention['problem']))}"
    if "stopped" in retention:
        return f"nothing was removed: {_text.plain('; '.join(map(str, retention['stopped'])))}"
    archives = sum(map(len, retention["removed_archives"].values()))
    unknown = sum(map(len, retention["unknown_archives"].values()))
    line = f"recovery points kept: {len(retention['kept'])}, removed: {len(retention['removed'])}; "
    line += f"archives removed: {archives}; freed: {_text.size(retention['freed_bytes'])}"
    return line + (f"; archives that belong to no point: {unknown}" if unknown else "")
