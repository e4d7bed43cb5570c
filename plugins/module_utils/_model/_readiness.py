# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Whether a restore would work now: one rule an item, over what was gathered before.

Nothing here looks at anything; what could not be found out is in the gathered document as a C(problem) and fails its
item. A rule that cannot understand what was gathered fails its item, too: silence is no readiness.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _channels,
    _checks,
    _job_inventory,
    _point,
    _text,
)
from ansible_collections.labops.backup.plugins.module_utils._model._inventory import Host, script_name

OK, WARN, FAIL = "ok", "warn", "fail"
STATES = (OK, WARN, FAIL)

Seen = t.Mapping[str, t.Any]
_HOUR, _DAY = 3600.0, 86400.0
_SHOWN = 3
_STATE_BYTES = 512 << 20


@dataclass(frozen=True)
class Row:
    """What one rule found.

    :param value: what was measured.
    :param limit: what it was measured by.
    :param remedy: what to do next; empty when all is well.
    """

    state: str
    value: str
    limit: str = ""
    remedy: str = ""
    dataset: str = ""


Rule = t.Callable[..., t.Iterable[Row]]


@dataclass(frozen=True)
class Item:
    """One line of the checklist.

    :param rule: takes what was seen of a server, and unless ``server``, of one of its sources.
    :param server: it is about the server, not about a source.
    """

    name: str
    rule: Rule
    server: bool = False


def judge(seen: Seen) -> dict[str, t.Any]:
    """The readiness of one server: C(at), C(verdict) and C(items), a source's items in the order of :data:`ITEMS`.

    :param seen: C(now), C(person), C(limits), C(host), and the rest that the rules below name.
    """
    items = [
        {"item": item.name, "source": source, **vars(row)}
        for item in ITEMS
        for source in ([""] if item.server else sorted(seen["sources"]))
        for row in _rows(item, seen, source)
    ]
    worst = max((STATES.index(item["state"]) for item in items), default=STATES.index(FAIL))
    return {"at": seen["now"], "server": seen["server"], "verdict": STATES[worst], "items": items}


def readiness(
    hosts: t.Mapping[str, Host],
    plan: t.Sequence[t.Mapping[str, t.Any]],
    server: str,
    now: str,
    stamp: str,
    person: bool,
) -> dict[str, t.Any]:
    """The readiness of one server, from what readiness.yml gathered about it.

    :param hosts: variables by host name: of the server C(readiness_gathered), C(readiness_points),
        C(readiness_repositories), C(readiness_notification), C(readiness_limits), C(readiness_bundle),
        C(readiness_moments); of a source that was
        asked live C(readiness_told) and C(readiness_moments).
    :param stamp: which inventory is used now.
    :param person: whether somebody runs it, so that sources are asked live and the bundle is tried.
    """
    own = hosts[server]
    gathered = (own.get("readiness_gathered") or {}).get("gathered")
    if gathered is None:
        why = str(own.get("readiness_problem") or "it gave no answer")
        row = Row(FAIL, why, "the server answers", f"Look at {server}, then run readiness.yml again")
        return {"at": now, "server": server, "verdict": FAIL, "items": [{"item": "server", "source": "", **vars(row)}]}
    seen = {
        **gathered,
        **{"server": server, "now": now, "stamp": stamp, "person": person, "limits": own.get("readiness_limits")},
        "bundle": own.get("readiness_bundle") or {"problem": "there is no bundle on this machine"},
        "jobs": _jobs(plan, server),
        "notification": _notification(own),
        "drill_host": str(own.get("drill_host") or ""),
        "sources": {
            source["name"]: {
                **gathered["sources"][source["name"]],
                **_planned(plan, source),
                **_points(own, source["name"]),
                "repositories": _repositories(own, source),
                "clock_gap": _gap(own, hosts[source["name"]]),
            }
            for source in plan
            if source["server"] == server
        },
    }
    return judge(seen)


def readiness_verdict(hosts: t.Mapping[str, Host], servers: t.Sequence[str]) -> dict[str, t.Any]:
    """What all servers came to: C(ok), a C(title), C(lines) for people, and the C(documents).

    :param hosts: variables by host name: of each server C(readiness_document), and C(readiness_unwritten) when it could
        not be left there. A server that says nothing fails.
    """
    documents, lines, states = [], [], []
    for server in servers:
        document, unwritten = hosts[server].get("readiness_document"), hosts[server].get("readiness_unwritten")
        if document is None:
            states.append(FAIL)
            lines.append(f"{_text.plain(server)}: nothing was found out")
            continue
        documents.append(document)
        states.append(FAIL if unwritten else document["verdict"])
        lines += readiness_table(document)
        lines += [f"The verdict could not be left on {server}: {_text.plain(str(unwritten))}"] if unwritten else []
    worst = max(states, key=STATES.index, default=FAIL)
    said = {OK: "a restore would work", WARN: "a restore would work, with warnings", FAIL: "NOT ready for a restore"}
    title = f"readiness of {', '.join(servers)}: {said[worst]}"
    return {"ok": worst != FAIL, "title": title, "lines": lines, "documents": documents}


def escrow_proof(trials: t.Sequence[t.Mapping[str, t.Any]], bundle: Seen, now: str) -> dict[str, t.Any]:
    """What came of trying the bundle on the repositories of one source.

    :param trials: results of C(borg_escrow_info), the datasets as C(item).
    """
    repositories = {}
    for trial in trials:
        opened = "repository_id" in trial
        finding = "" if opened else str(trial.get("msg") or "no answer")
        repositories[trial["item"]["name"]] = {"finding": finding, "archives": trial.get("archives", 0)}
    return {"at": now, "digest": bundle["digest"], "repositories": repositories}


def readiness_table(document: t.Mapping[str, t.Any]) -> list[str]:
    """A verdict as lines for people: what fails first, then warnings, then what is well."""
    items = sorted(document["items"], key=lambda one: -STATES.index(one["state"]))
    counts = ", ".join(f"{sum(one['state'] == state for one in items)} {state}" for state in reversed(STATES))
    text = [f"Readiness of {_text.plain(document['server'])}: {document['verdict']} ({counts})", ""]
    for one in items:
        where = "/".join(part for part in (one["source"], one["dataset"]) if part)
        name = one["item"] + (f" ({_text.plain(where)})" if where else "")
        text.append(f"{one['state'].upper():<5} {name}: {_text.plain(one['value'])}")
        if one["state"] != OK:
            text += [f"      limit: {_text.plain(one['limit'])}"] if one["limit"] else []
            text.append(f"      to do: {_text.plain(one['remedy'])}")
    return text


def _jobs(plan: t.Sequence[t.Mapping[str, t.Any]], host: str) -> dict[str, str]:
    """The jobs of a host that cron starts, and their scripts."""
    return {one["job"]: one["name"] for one in _job_inventory.job_scripts(plan, host) if one["tells"]}


def _planned(plan: t.Sequence[t.Mapping[str, t.Any]], source: Seen) -> dict[str, t.Any]:
    jobs, own = _jobs(plan, source["server"]), _jobs(plan, source["name"])
    database = [dataset["name"] for dataset in source["datasets"] if dataset["kind"] == "database"]
    return {
        "name": source["name"],
        "script_name": source["script_name"],
        "datasets": [
            {"name": one["name"], "kind": one["kind"], "path": one["path"], "script_name": script_name(one["name"])}
            for one in source["datasets"]
        ],
        "has_database": bool(database),
        "database": next(iter(database), ""),
        "night_script": jobs["backup"],
        "verify_script": jobs["verify"],
        "drill_script": jobs["drill"],
        "dump_script": own.get("dump", ""),
        "jobs": own,
    }


def _points(own: Host, source: str) -> dict[str, t.Any]:
    results = (own.get("readiness_points") or {}).get("results") or []
    found: Seen = next((one for one in results if one["item"]["name"] == source), {})
    problem = "" if "points" in found else f"the seals could not be read: {found.get('msg') or 'no answer'}"
    return {
        "points": found.get("points") or [],
        "unreadable": found.get("unreadable") or [],
        "points_problem": problem,
    }


def _notification(own: Host) -> Seen:
    found: Seen = own.get("readiness_notification") or {}
    return found if "channels" in found else {"problem": str(found.get("msg") or "no answer")}


def _repositories(own: Host, source: Seen) -> dict[str, dict[str, t.Any]]:
    results = (own.get("readiness_repositories") or {}).get("results") or []
    answers = {one["item"][1]: one for one in results}
    paths = {dataset["name"]: dataset["repository"] for dataset in source["datasets"]}
    paths[_checks.POINTS] = source["points_repository"]
    return {name: _repository(answers.get(path) or {}, path) for name, path in paths.items()}


def _repository(answer: Seen, path: str) -> dict[str, t.Any]:
    if answer.get("exists"):
        kept = {"id": answer["repository_id"], "key_sha256": answer["key_sha256"]}
        return {**kept, "archives": len(answer["archives"])}
    busy = answer.get("msgid") == "LockTimeout"
    return {"busy": busy, "problem": answer.get("msg") or f"there is no repository at {path}"}


def _gap(own: Host, source: Host) -> float | None:
    """How far two clocks are apart at least, when both were asked within moments that this machine noted."""
    offsets = []
    for host in (own, source):
        moments = host.get("readiness_moments")
        if not moments:
            return None
        middle = (moments["before"] + moments["after"]) / 2
        offsets.append((moments["host"] - middle, (moments["after"] - moments["before"]) / 2))
    (one, unsure), (other, unsure_too) = offsets
    return max(0.0, abs(one - other) - unsure - unsure_too)


def _rows(item: Item, seen: Seen, source: str) -> list[Row]:
    try:
        return list(item.rule(seen) if item.server else item.rule(seen, seen["sources"][source]))
    except (KeyError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, BackupError) as error:
        remedy = "Run site.yml, then the job that leaves what is judged here, so that all is of one release"
        return [Row(FAIL, f"could not be judged: {type(error).__name__}: {error}", remedy=remedy)]


# ------------------------------------------------------------------------------------------------- pulls and points


def _pull(seen: Seen, source: Seen) -> t.Iterator[Row]:
    limit = seen["limits"]["pull_max_age_hours"] * _HOUR
    for dataset in source["datasets"]:
        name, generation = dataset["name"], source["generations"][dataset["name"]]
        remedy = (
            "Look at the last nights with status.yml, mend what stopped them, and pull with "
            f"backup_{source['script_name']}_{dataset['script_name']}.sh"
        )
        if generation.get("problem"):
            yield Row(FAIL, generation["problem"], _within(limit), remedy, name)
        elif generation["state"] == "complete":
            yield _aged(seen, generation["finished"], limit, remedy, name)
        else:
            age = _age(seen, generation["started"])
            value = f"being written for {_text.duration(age)}"
            yield Row(WARN if age <= limit else FAIL, value, _within(limit), remedy, name)


def _complete_point(seen: Seen, source: Seen) -> t.Iterator[Row]:
    limit = seen["limits"]["point_max_age_hours"] * _HOUR
    remedy = (
        f"Look at the last nights with status.yml, mend what kept them from sealing, and run {source['night_script']}"
    )
    if source["points_problem"]:
        yield Row(FAIL, source["points_problem"], _within(limit), remedy)
        return
    good = _good(seen, source)
    for dataset in source["datasets"]:
        name = dataset["name"]
        newest = next((one for one in good if name in (part["name"] for part in one["datasets"])), None)
        if newest is None:
            yield Row(FAIL, "no complete recovery point holds it", _within(limit), remedy, name)
        else:
            yield _aged(seen, newest["sealed"], limit, remedy, name, f"{newest['point']}, ")


def _newest_point(seen: Seen, source: Seen) -> t.Iterator[Row]:
    points = _past(seen, source)
    limit = "complete, checked or proven"
    remedy = "Read its problems with status.yml and mend them; a suspect point is explained by its marks"
    if source["unreadable"]:
        names = ", ".join(one["point"] for one in source["unreadable"])
        yield Row(FAIL, f"the seals of {names} cannot be read", limit, "Run verify.yml with verify_full=true")
    for late in _point.ahead(source["points"], _now(seen)):
        value = f"{late['point']} is dated in the future; a restore takes it by its name only"
        yield Row(WARN, value, limit, _point.AHEAD_REMEDY)
    if not points:
        yield Row(FAIL, "there is no recovery point", limit, f"Run {source['night_script']}")
    elif points[0]["state"] in _point.GOOD:
        yield Row(OK, f"{points[0]['point']} is {points[0]['state']}", limit)
    else:
        why = "; ".join(points[0]["problems"][:_SHOWN])
        state = FAIL if points[0]["state"] == _point.SUSPECT else WARN
        yield Row(state, f"{points[0]['point']} is {points[0]['state']}" + (f": {why}" if why else ""), limit, remedy)


def _references(seen: Seen, source: Seen) -> t.Iterator[Row]:
    if not source["has_database"]:
        return
    limit = "every file that the database refers to is in the point"
    newest = next((one for one in _past(seen, source) if one["dump_set"]), None)
    found = newest and newest["references"]
    if newest is None or not found:
        remedy = f"Run {source['night_script']}, which looks them up"
        yield Row(FAIL, "the references of no dump were looked up", limit, remedy)
        return
    if found["ok"] is True:
        yield Row(OK, f"{newest['point']}: {found['checked']} looked up, none is missing", limit)
        return
    counts = [f"{found[key]} {key.replace('_', ' ')}" for key in ("missing", "wrong_size", "unresolved") if found[key]]
    remedy = (
        "Find out what removed the files (garbage collection during the night?), bring them back with "
        "quarantine_restore or from an older point, then run another night"
    )
    yield Row(FAIL, f"{newest['point']}: {', '.join(counts) or 'they did not pass'}", limit, remedy)


# ---------------------------------------------------------------------------------------------------- repositories


def _checked(seen: Seen, source: Seen) -> t.Iterator[Row]:
    evidence = source["checks"]
    cycle = seen["limits"]["check_max_age_days"] * _DAY
    idle = seen["limits"]["check_idle_hours"] * _HOUR
    remedy = f"Run {source['verify_script']}, or verify.yml with verify_full=true"
    if evidence.get("problem"):
        yield Row(FAIL, evidence["problem"], _within(cycle), remedy)
        return
    wanted = {dataset["name"]: _checks.kinds(dataset["kind"]) for dataset in source["datasets"]}
    wanted[_checks.POINTS] = _checks.kinds(_checks.POINTS)
    for dataset, kinds in wanted.items():
        found = evidence["datasets"].get(dataset) or {}
        for kind in kinds:
            yield _check(seen, dataset, kind, found.get(kind), cycle, idle, remedy)


def _check(seen: Seen, dataset: str, kind: str, found: Seen | None, cycle: float, idle: float, remedy: str) -> Row:
    limit = f"the whole within {_text.duration(cycle)}, a piece within {_text.duration(idle)}"
    if not found or not found["at"]:
        return Row(FAIL, f"{kind}: never checked", limit, remedy, dataset)
    last = _age(seen, found["at"])
    value = f"{kind}: {100 * found['share']:.0f} % of this round, last {_text.duration(last)} ago"
    if found["complete_at"]:
        value += f", the whole {_text.duration(_age(seen, found['complete_at']))} ago"
    if found["ok"] is not True:
        look = "Do not repair anything: read the finding, restore from a point that is not suspect, look at the disks"
        return Row(FAIL, f"{kind}: {found['finding'] or 'it found damage'}", limit, look, dataset)
    since = _age(seen, found["complete_at"] or found["cycle_started"])
    if since > cycle or last > idle:
        return Row(FAIL, value, limit, remedy, dataset)
    # Terabytes take their days: the first round is on its way.
    return Row(OK if found["complete_at"] else WARN, value, limit, "" if found["complete_at"] else remedy, dataset)


def _opens(_seen: Seen, source: Seen) -> t.Iterator[Row]:
    limit = "opens, and is the repository that was made here"
    for name, repository in sorted(source["repositories"].items()):
        if repository.get("busy"):
            remedy = "Run it again when that ended"
            yield Row(WARN, "another Borg works on it, so it was not tried", limit, remedy, name)
        elif repository.get("problem"):
            remedy = "Mend what the message names; the key and the passphrase are in the escrow bundle"
            yield Row(FAIL, repository["problem"], limit, remedy, name)
        else:
            yield Row(OK, f"{repository['archives']} archives", limit, dataset=name)


# ---------------------------------------------------------------------------------------------------------- escrow


def _escrow_current(seen: Seen, source: Seen) -> t.Iterator[Row]:
    limit = "the bundle holds the key of every repository, the host keys and the inventory of now"
    remedy = "Run site.yml from the control node, which renews the bundle, and carry the new one to where it is kept"
    left = seen["escrow"]
    if left.get("problem"):
        yield Row(FAIL, left["problem"], limit, remedy)
        return
    stale = []
    known = (left["sources"].get(source["name"]) or {}).get("repositories", {})
    for name, repository in sorted(source["repositories"].items()):
        if repository.get("problem"):
            continue
        bundled = known.get(name)
        if bundled is None:
            stale.append(f"it has no key of {name}")
        elif bundled["id"] != repository["id"]:
            stale.append(f"its {name} is another repository, {bundled['id'][:12]}")
        elif bundled["key_sha256"] != repository["key_sha256"]:
            stale.append(f"its key of {name} is another one")
    if left["inventory"] != seen["stamp"]:
        stale.append("its inventory is another one")
    if left["known_hosts_sha256"] != seen["known_hosts_sha256"]:
        stale.append("its host keys are other ones")
    if stale:
        yield Row(FAIL, f"stale: {'; '.join(stale)}", limit, remedy)
    else:
        yield Row(OK, f"as LOKI is now, {len(known)} repositories".replace("LOKI", seen["server"]), limit)


def _escrow_opens(seen: Seen, source: Seen) -> t.Iterator[Row]:
    limit_days = seen["limits"]["escrow_max_age_days"]
    limit = f"the bundle alone opened every repository within {limit_days:g} days"
    remedy = "Run readiness.yml on the control node, where the bundle lies"
    proof = source["escrow_proof"]
    if proof.get("problem"):
        yield Row(FAIL, proof["problem"], limit, remedy)
        return
    for name in sorted(source["repositories"]):
        tried = proof["repositories"].get(name)
        if tried is None:
            yield Row(FAIL, "never tried", limit, remedy, name)
        elif tried["finding"]:
            mend = "Fetch the right bundle, or run site.yml, which makes it anew; then run readiness.yml again"
            yield Row(FAIL, f"did not open: {tried['finding']}", limit, mend, name)
        elif proof["digest"] != seen["escrow"].get("digest"):
            yield Row(FAIL, "another bundle than the present one was tried", limit, remedy, name)
        else:
            age = _age(seen, proof["at"])
            late = age > limit_days * _DAY
            value = f"opened {_text.duration(age)} ago"
            yield Row(WARN if late else OK, value, limit, remedy if late else "", name)


def _escrow_bundle(seen: Seen) -> t.Iterator[Row]:
    bundle = seen["bundle"]
    if not seen["person"]:  # where the bundle lies, nobody is who could look
        return
    limit = "whole, the one that belongs to this server, with a hint where the vault's password is"
    if bundle.get("problem"):
        remedy = "Run site.yml from this machine, or readiness.yml where the bundle lies (backup_escrow_directory)"
        yield Row(FAIL, bundle["problem"], limit, remedy)
    elif bundle["digest"] != seen["escrow"].get("digest"):
        remedy = "Fetch the newest copy of the bundle, or run site.yml from this machine, which makes it anew"
        yield Row(FAIL, "stale: site.yml has made another bundle since", limit, remedy)
    elif not bundle["vault_hint"]:
        remedy = "Say in backup_escrow_vault_hint where the vault's password is kept, and run site.yml"
        yield Row(WARN, "nothing says where the vault's password is kept", limit, remedy)
    else:
        yield Row(OK, f"{bundle['files']} files", limit)


# ---------------------------------------------------------------------------------------------------------- drills


def _drill(seen: Seen, source: Seen) -> t.Iterator[Row]:
    limit = seen["limits"]["drill_max_age_days"] * _DAY
    remedy = f"Run {source['drill_script']}, or drill.yml"
    if source["drills"].get("problem"):
        yield Row(FAIL, source["drills"]["problem"], _within(limit), remedy)
        return
    drills = source["drills"]["drills"]
    if not drills:
        yield Row(FAIL, "never rehearsed", _within(limit), remedy)
    elif drills[0]["ok"] is not True:
        look = "Read what it found; a restore of that point would find the same. Mend it, then run drill.yml again"
        yield Row(FAIL, f"the last drill failed: {drills[0]['finding']}", _within(limit), look)
    else:
        yield _aged(seen, drills[0]["finished"], limit, remedy, "", f"{drills[0]['point']} rehearsed, ")


def _engine(seen: Seen, source: Seen) -> t.Iterator[Row]:
    if not source["has_database"]:
        return
    limit = "an engine of the kind of the dump, of its version or a newer one"
    engine = seen["engine"]
    if seen["drill_host"] not in ("", seen["server"]):
        look = f"See that {seen['drill_host']} has one, and run drill.yml yourself; the job here reaches no other host"
        yield Row(WARN, f"drills run on {seen['drill_host']}, which was not asked", limit, look)
        return
    remedy = "Install such a database server here (drill.yml says which package), then run site.yml"
    if engine.get("problem"):
        yield Row(FAIL, engine["problem"], limit, remedy)
        return
    value = f"{engine['engine']} {engine['version']}"
    yield from _found(source["engine_findings"], value, limit, remedy)


# --------------------------------------------------------------------------------------------------- where it goes


def _facts(seen: Seen, source: Seen) -> t.Iterator[Row]:
    limit = seen["limits"]["facts_max_age_hours"] * _HOUR
    if source["facts_problem"]:
        remedy = f"Run {source['dump_script']} on {source['name']}, then {source['night_script']}"
        if not source["has_database"]:
            remedy = "Run readiness.yml yourself, with your own ssh: a source without a database publishes no facts"
        yield Row(FAIL if source["has_database"] else WARN, source["facts_problem"], _within(limit), remedy)
    else:
        remedy = f"Look at the dump job of {source['name']}, or run readiness.yml yourself, which asks it live"
        yield _aged(seen, source["facts"]["time"], limit, remedy, "", f"{source['facts_from']}, ")


def _restore_space(seen: Seen, source: Seen) -> t.Iterator[Row]:
    """A restore of everything has room where all of it was lost; beside what is damaged, it would be better."""
    facts, good = source["facts"], _good(seen, source)
    if not facts or not good:
        return
    sizes = {part["name"]: part.get("bytes", part.get("original_size", 0)) for part in good[0]["datasets"]}
    by_device: dict[t.Any, list[tuple[str, Seen]]] = {}
    for dataset in source["datasets"]:
        there = facts["datasets"].get(dataset["name"])
        if there and there["present"]:
            by_device.setdefault(there["device"], []).append((dataset["name"], there))
    for entries in by_device.values():
        names, first = [name for name, _there in entries], entries[0][1]
        needed = sum(sizes.get(name, 0) for name in names)
        used = first["total_bytes"] - first["free_bytes"]
        room = first["free_bytes"] + min(used, needed)
        value = f"{_text.size(first['free_bytes'])} of {_text.size(first['total_bytes'])} free"
        limit = f"{_text.size(needed)} for a restore of {', '.join(names)}"
        where = f"the file system of {first['path']} on {source['name']}"
        label = ",".join(names)
        if needed > min(room, first["total_bytes"]):
            yield Row(FAIL, value, limit, f"Enlarge {where}, or free what does not belong there", label)
        elif needed > first["free_bytes"]:
            remedy = (
                f"Free or add space on {where}: damaged files could not all be moved aside before they are replaced"
            )
            yield Row(WARN, value, limit, remedy, label)
        else:
            yield Row(OK, value, limit, dataset=label)


def _restore_place(_seen: Seen, source: Seen) -> t.Iterator[Row]:
    if not source["facts"]:
        return
    limit = "there, and takes a file"
    for dataset in source["datasets"]:
        there = source["facts"]["datasets"].get(dataset["name"])
        if not there or not there["present"]:
            remedy = f"Mount {dataset['path']} on {source['name']}, or make the directory with its owner and mode"
            yield Row(FAIL, f"{dataset['path']} is not there", limit, remedy, dataset["name"])
        elif there["writable"] is not True:
            remedy = (
                f"Find out on {source['name']} why root cannot write to {there['path']}: mounted read-only, full, "
                "immutable (lsattr), or a failing disk"
            )
            yield Row(FAIL, f"{there['path']} took no file", limit, remedy, dataset["name"])
        else:
            yield Row(OK, f"{there['path']} takes files", limit, dataset=dataset["name"])


def _compatibility(_seen: Seen, source: Seen) -> t.Iterator[Row]:
    if not source["has_database"]:
        return
    limit = "the server of now takes the dump: engine, version, collations, definers, packet, client, space"
    remedy = "Mend the server's configuration, or prepare a server of the dump's engine and version for a restore"
    if source["findings_problem"]:
        look = f"Run {source['dump_script']} on {source['name']}, then {source['night_script']}"
        yield Row(FAIL, source["findings_problem"], limit, look)
        return
    target = source["target"]
    # A restore's fence keeps events from running, so that a scheduler that is on, as it is on most days, is no warning.
    findings = [one for one in source["findings"] if one["refuses"] or one["rule"] != "events"]
    yield from _found(findings, f"{target['engine']} {target['version']}", limit, remedy)


def _found(findings: t.Sequence[Seen], value: str, limit: str, remedy: str) -> t.Iterator[Row]:
    """Findings of the rules of compatibility, as rows."""
    if not findings:
        yield Row(OK, value, limit)
    for finding in findings:
        state = FAIL if finding["refuses"] else WARN
        yield Row(state, f"{finding['rule']}: {finding['text']}", limit, remedy)


def _nights_space(seen: Seen) -> t.Iterator[Row]:
    """Room for the next nights, by what the nights so far added to repositories and mirrors."""
    nights = seen["limits"]["nights"]
    root, state = seen["host"]["datasets"]["backup_root"], seen["host"]["datasets"]["state"]
    reserve = max(seen["root"]["reserve_bytes"], int(root["total_bytes"] * seen["root"]["reserve_percent"] / 100))
    grown = [_growth(source) for source in seen["sources"].values()]
    one, several = sum(max(each, default=0) for each in grown), 0.0
    several = nights * sum(sum(each) / len(each) for each in grown if each)
    average = several / nights if nights else one
    value = f"{_text.size(root['free_bytes'])} free, a night added {_text.size(average)} on average"
    limit = f"{_text.size(reserve)} reserve and {nights:g} nights"
    remedy = f"Free space on the file system of {root['path']} or enlarge it (docs/operate.md: Space is short)"
    if root["free_bytes"] < reserve + one:
        yield Row(FAIL, value, limit, remedy, "backup_root")
    elif root["free_bytes"] < reserve + several:
        yield Row(WARN, value, limit, remedy, "backup_root")
    else:
        yield Row(OK, value, limit, dataset="backup_root")
    low = state["free_bytes"] < _STATE_BYTES
    about = f"Free space on the file system of {state['path']}: ledger, seals' cache and Borg's cache lie there"
    value = f"{_text.size(state['free_bytes'])} free"
    yield Row(FAIL if low else OK, value, _text.size(_STATE_BYTES), about if low else "", "state")


def _growth(source: Seen) -> list[float]:
    """What each of the nights that are still known added; the first one of all is no measure for the next."""
    points = _point.newest_first(source["points"])
    added = []
    for newer, older in itertools.pairwise(points):
        before = {part["name"]: _bytes(part) for part in older["datasets"]}
        total = 0.0
        for part in newer["datasets"]:
            total += part.get("deduplicated_size", 0)
            total += max(0, _bytes(part) - before.get(part["name"], _bytes(part)))
        added.append(total)
    return added


def _bytes(part: Seen) -> float:
    """The size of a dataset in a point; of one that was archived without a pull Borg's own sum."""
    return float(part.get("bytes", part.get("original_size", 0)))


# ------------------------------------------------------------------------------------------------------- the hosts


def _root(seen: Seen) -> t.Iterator[Row]:
    limit = "the disk that was provisioned"
    if seen["root"]["problem"]:
        remedy = "Mount the disk that belongs there; docs/operate.md (Guards) says how to accept another one"
        yield Row(FAIL, seen["root"]["problem"], limit, remedy)
    else:
        yield Row(OK, f"{seen['root']['path']} is mounted", limit)


def _server_clock(seen: Seen) -> t.Iterator[Row]:
    yield _kept_clock(seen["host"], seen["server"])


def _clock(seen: Seen, source: Seen) -> t.Iterator[Row]:
    facts, allowed = source["facts"], seen["limits"]["clock_max_seconds"]
    if not facts:
        return
    limit = f"within {_text.duration(allowed)} of {seen['server']}"
    remedy = f"Set the clock of {source['name']} right (timedatectl, chrony); dump sets and points sort by time"
    gap = source["clock_gap"]
    if gap is not None:
        value, off = f"{_text.duration(gap)} apart, measured live", gap
    else:
        pulled = source["generations"].get(source["database"], {}).get("started")
        off = max(0.0, _seconds(facts["time"]) - _seconds(pulled or seen["now"]))
        value = f"at least {_text.duration(off)} ahead" if off else "not ahead, as far as its facts tell"
    if off > allowed:
        yield Row(FAIL, value, limit, remedy)
    else:
        yield Row(OK, value, limit)
    yield _kept_clock(facts, source["name"])


def _kept_clock(facts: Seen, host: str) -> Row:
    limit = "something keeps the clock right"
    if facts["clock_synchronised"] is True:
        return Row(OK, "synchronised", limit)
    told = "not synchronised" if facts["clock_synchronised"] is False else "nobody can tell"
    return Row(WARN, told, limit, f"Let timesyncd or chrony keep the clock of {host}: timedatectl says what is wrong")


def _server_cron(seen: Seen) -> t.Iterator[Row]:
    yield from _cron_rows(seen["host"], seen["server"], seen["jobs"], _expected(seen, seen["server"]))


def _cron(seen: Seen, source: Seen) -> t.Iterator[Row]:
    if source["facts"] and source["jobs"]:
        expected = _expected(seen, source["name"])
        yield from _cron_rows(source["facts"], source["name"], source["jobs"], expected)


def _cron_rows(facts: Seen, host: str, jobs: t.Mapping[str, str], expected: Seen) -> t.Iterator[Row]:
    cron = facts["cron"]
    limit = "cron runs, begins with the host, and starts every job"
    if not cron["running"] or not cron["enabled"]:
        told = "does not run" if not cron["running"] else "does not begin with the host"
        yield Row(FAIL, f"cron {told}", limit, f"On {host}: systemctl enable --now cron")
    for job, script in sorted(jobs.items()):
        path = f"/etc/cron.d/labops-backup-{job}"
        lines = [line for line in cron["entries"].get(path, ()) if script in line]
        if lines:
            yield Row(OK, lines[0], limit, dataset=job)
        elif path in expected:
            remedy = (
                f"Run site.yml for {host}: {path} is gone, switched off, or not a file that cron reads (owner, mode)"
            )
            yield Row(FAIL, f"nothing starts {script}", limit, remedy, job)
        else:
            remedy = f"Set cron_{job}_schedule and run site.yml, or see that something else starts {script}"
            yield Row(WARN, f"{script} has no schedule", limit, remedy, job)


def _server_deployed(seen: Seen) -> t.Iterator[Row]:
    yield from _deployed_rows(seen, seen["host"], seen["server"])


def _deployed(seen: Seen, source: Seen) -> t.Iterator[Row]:
    if source["facts"]:
        yield from _deployed_rows(seen, source["facts"], source["name"])


def _deployed_rows(seen: Seen, facts: Seen, host: str) -> t.Iterator[Row]:
    limit = "every file as site.yml rendered it, from the inventory of now"
    remedy = f"Run site.yml for {host}"
    left = seen["deployed"]
    if left.get("problem"):
        yield Row(FAIL, left["problem"], limit, remedy)
        return
    expected, there = _expected(seen, host), facts["deployed"]
    if not expected:
        yield Row(FAIL, f"nobody noted what was deployed on {host}", limit, remedy)
        return
    other = sorted(path for path, what in expected.items() if there.get(path) != what)
    if left["inventory"] != seen["stamp"]:
        yield Row(FAIL, f"deployed from another inventory: {left['inventory']}", limit, remedy)
    elif other:
        told = [f"{path} {'differs' if path in there else 'is missing'}" for path in other[:_SHOWN]]
        more = f" and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        value = ", ".join(told) + more
        if facts["time"] < seen["deployed_at"]:
            wait = f"Run the dump job of {host}, or wait for its next dump, which tells how it is now"
            yield Row(WARN, f"told before site.yml ran last: {value}", limit, wait)
        else:
            yield Row(FAIL, value, limit, f"Look who changed it; {remedy[0].lower()}{remedy[1:]}")
    else:
        yield Row(OK, f"{len(expected)} files", limit)


def _expected(seen: Seen, host: str) -> Seen:
    return t.cast("Seen", (seen["deployed"].get("hosts") or {}).get(host) or {})


def _server_legacy(seen: Seen) -> t.Iterator[Row]:
    yield _legacy_row(seen["host"]["legacy"], seen["server"])


def _legacy(_seen: Seen, source: Seen) -> t.Iterator[Row]:
    if source["facts"]:
        yield _legacy_row(source["facts"]["legacy"], source["name"])


def _legacy_row(legacy: Seen | None, host: str) -> Row:
    limit = "nothing speaks of an address that is not in the inventory"
    if legacy is None:
        return Row(WARN, "nobody looked", limit, f"Run legacy.yml for {host}")
    if not legacy["found"]:
        return Row(OK, "nothing found", limit)
    value = f"{legacy['found']} places: {'; '.join(legacy['first'][:_SHOWN])}"
    remedy = f"Run legacy.yml for {host}; what is meant to stay goes into legacy_cleanup_known"
    # Without named addresses of the past it is a guess.
    return Row(FAIL if legacy["named"] else WARN, value, limit, remedy)


def _notifications(seen: Seen) -> t.Iterator[Row]:
    """An alarm would be heard. Nothing in it names a URL or its host: both may be secrets."""
    found, server = seen["notification"], seen["server"]
    limit = "every URL is understood, and who can be asked without a message answers"
    again = "run site.yml with the tag notification"
    if found.get("problem"):
        yield Row(FAIL, f"nobody could look: {found['problem']}", limit, f"Run site.yml for {server}")
        return
    if not found["apprise"]:
        yield Row(FAIL, "no Apprise works in the job environment", limit, f"Run site.yml for {server}")
        return
    if not found["channels"]:
        remedy = f"Set notification_urls, then {again}"
        yield Row(WARN, "no URL is configured, so nobody is told of anything", limit, remedy)
        return
    problems, deaf = _channels.problems(found), _channels.deaf(found)
    if not problems:
        answered = [one["reached"] for one in found["channels"]]
        value = f"{len(answered)} channels understood, {answered.count(True)} answer"
        silent = answered.count(None)
        value += f", {silent} could be judged by their form only" if silent else ""
        yield Row(OK, value + (", the dead-man's switch answers" if found["ping"] else ""), limit)
        return
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    value = "; ".join(problems[:_SHOWN]) + more
    value += f"; nobody would hear of a {' or a '.join(deaf)}" if deaf else ""
    remedy = (
        "Find each entry of notification_urls by its list and its place there. Mend one that is not understood "
        f"(apprise --dry-run shows what a URL means) and {again}; for one that does not answer, see why from {server}: "
        "the service, the name, a firewall. Then run site.yml with the tag notify_test"
    )
    yield Row(FAIL if deaf or _channels.malformed(found) else WARN, value, limit, remedy)


def _hold(_seen: Seen, source: Seen) -> t.Iterator[Row]:
    limit = "no incident holds the source"
    if source["hold"].get("problem"):
        remedy = (
            "Find out on the server whether an incident is under way and move it away; if one is, run restore.yml with "
            "the tag fence and its restore_incident at once, which puts the hold up again"
        )
        yield Row(FAIL, source["hold"]["problem"], limit, remedy)
    elif source["hold"]:
        remedy = "Run restore.yml with the tag release when the incident is over; no backup runs until then"
        yield Row(WARN, f"held by the incident {source['hold']['incident']}", limit, remedy)
    else:
        yield Row(OK, "none", limit)


ITEMS = (
    Item("disk", _root, server=True),
    Item("nights_space", _nights_space, server=True),
    Item("server_clock", _server_clock, server=True),
    Item("server_cron", _server_cron, server=True),
    Item("server_deployed", _server_deployed, server=True),
    Item("server_legacy", _server_legacy, server=True),
    Item("notifications", _notifications, server=True),
    Item("escrow_bundle", _escrow_bundle, server=True),
    Item("hold", _hold),
    Item("pull", _pull),
    Item("complete_point", _complete_point),
    Item("newest_point", _newest_point),
    Item("references", _references),
    Item("checks", _checked),
    Item("repository", _opens),
    Item("escrow_current", _escrow_current),
    Item("escrow_opens", _escrow_opens),
    Item("drill", _drill),
    Item("drill_engine", _engine),
    Item("source_facts", _facts),
    Item("compatibility", _compatibility),
    Item("restore_space", _restore_space),
    Item("restore_place", _restore_place),
    Item("clock", _clock),
    Item("cron", _cron),
    Item("deployed", _deployed),
    Item("legacy", _legacy),
)


# ----------------------------------------------------------------------------------------------------------- times


def _good(seen: Seen, source: Seen) -> list[dict[str, t.Any]]:
    return _point.eligible(source["points"], _now(seen))


def _past(seen: Seen, source: Seen) -> list[dict[str, t.Any]]:
    """All points but those that are dated in the future, newest first."""
    return [one for one in _point.newest_first(source["points"]) if not _point.is_ahead(one, _now(seen))]


def _now(seen: Seen) -> datetime:
    return datetime.fromisoformat(seen["now"])


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _age(seen: Seen, stamp: str) -> float:
    return _seconds(seen["now"]) - _seconds(stamp)


def _within(limit: float) -> str:
    return f"not older than {_text.duration(limit)}"


def _aged(seen: Seen, stamp: str, limit: float, remedy: str, dataset: str, what: str = "") -> Row:
    """Something that is good as long as it is young; what lies in the future is not."""
    age = _age(seen, stamp)
    if age < -seen["limits"]["clock_max_seconds"]:
        mend = "Set the clocks of both hosts right; until then ages mean nothing"
        return Row(FAIL, f"{what}{_text.duration(-age)} in the future", _within(limit), mend, dataset)
    old = age > limit
    value = f"{what}{_text.duration(max(0.0, age))} ago"
    return Row(FAIL if old else OK, value, _within(limit), remedy if old else "", dataset)
