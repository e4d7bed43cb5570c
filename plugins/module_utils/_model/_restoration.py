# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A restore: what was asked for, what is missing on the source, what would be done about it, and in which order."""

from __future__ import annotations

import base64
import contextlib
import json
import posixpath
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _compatibility,
    _form,
    _point,
    _restore_space,
    _run,
    _text,
)

AUTO = "auto"
STAGES = ("fence", "release", "accept")
# What may be another one than it was, if somebody says so.
OTHERS = ("other_engine", "other_file_system", "other_release")
CAUSES = ("accident", "hardware", "intrusion")
INTACT, DAMAGED, LOST, UNREADABLE = "intact", "damaged", "lost", "unreadable"
# Where the old state of a dataset waits until it is accepted that the new one is right; nights leave it out.
ASIDE = ".labops-aside-"
# Bytes a second where nothing was measured yet: one spinning disk, and the load of a dump by one client.
CLASSES = ("missing", "damaged", "metadata", "newer", "newer_damaged")
ASSUMED_RATES = {"extract": 40e6, "push": 60e6, "load": 10e6, "check": 150e6}
_JOURNALS = "/var/lib/labops-backup/journal"
# What was begun on a host, by name, until it restarts.
_OPERATIONS = "/run/labops-backup/operations"
_EXAMPLES = 5
_TEXT = (str, None)
# What a plan relies on in the source facts.
_FACTS = {
    "time": str,
    "datasets?": {str: {"mount?": str, "above?": [{"path": str, "uid": int, "gid": int, "mode": str}]}},
    "mounts?": [{"point": str}],
    "database?": (
        {"engine?": _TEXT, "version?": _TEXT, "data_bytes?": (int, None), "variables?": ({"datadir?": _TEXT}, None)},
        None,
    ),
}
_size = _text.decimal_size
_OTHER_ENGINE = (
    ". Restore to a server of the same kind; or let this one try, as statements that its rules may refuse: "
    "restore_other_engine=true"
)

Document = dict[str, t.Any]


def restoration(
    plan: t.Sequence[t.Mapping[str, t.Any]], options: t.Mapping[str, t.Any], tags: t.Sequence[str]
) -> Document:
    """What was asked for, compared with the inventory, before any host is asked.

    :param plan: of the inventory.
    :param options: the variables of C(restore.yml) by their names without C(restore_).
    :param tags: C(ansible_run_tags).
    :raises BackupError: when the request cannot be meant so.
    """
    stage = _stage(tags)
    source = _source(plan, str(options.get("source") or ""))
    names = [str(dataset["name"]) for dataset in source["datasets"]]
    incident = str(options.get("incident") or "")
    if incident:
        _run.began(incident)
    confirm = str(options.get("confirm") or "")
    if confirm and not _run.is_identifier(confirm):
        raise _refused(
            f"restore_confirm is {confirm!r}; it must be the identifier of the recovery point that the plan showed",
            "Run without restore_confirm first, read the plan, then copy the identifier from it",
        )
    cause = str(options.get("cause") or "")
    if cause and cause not in CAUSES:
        raise _refused(f"restore_cause is {cause!r}; known are {', '.join(CAUSES)}")
    scope = _words(options.get("scope") or AUTO)
    unknown = sorted(set(scope) - {AUTO, *names})
    if unknown:
        raise _refused(
            f"restore_scope names {', '.join(unknown)}; the datasets of {source['name']} are {', '.join(names)}"
        )
    target = str(options.get("target") or "")
    paths = [_path(one, names) for one in _words(options.get("paths") or [])]
    schemas = _words(options.get("schemas") or [])
    if schemas and not _database(source):
        raise _refused(f"restore_schemas was given, but {source['name']} has no dataset of kind database")
    if paths:
        if any(path["dataset"] == _database(source) for path in paths):
            raise _refused(
                "restore_paths names something in the dataset of the dumps, which come back as dump sets only",
                f"Lay all of them elsewhere with restore_scope={_database(source)} and restore_target",
            )
        of_paths = [name for name in names if any(path["dataset"] == name for path in paths)]
        if schemas or set(scope) not in ({AUTO}, set(of_paths)):
            raise _refused(
                "restore_paths goes with no restore_schemas, and with no restore_scope but the datasets of the paths",
                "Bring one after the other, each as an incident of its own",
            )
        scope = of_paths
    if schemas:
        # Other datasets that are named as well come as a whole.
        scope = [_database(source)] if scope == [AUTO] else [*scope, *{_database(source)}.difference(scope)]
    beside = _beside(options.get("beside"), schemas)
    tables = _words(options.get("tables") or [])
    if beside and (target or paths or set(scope) - {AUTO, _database(source)} or not _database(source)):
        raise _refused(
            "restore_beside lays schemas beside the live ones; it goes with no paths, no target, no other scope, and a "
            "database"
        )
    if beside:
        schemas, scope = sorted(beside), [_database(source)]
    if tables and not beside:
        raise _refused(
            "restore_tables was given without restore_beside: a schema is replaced as a whole",
            "Lay the tables beside the live ones with restore_beside=true, and copy from there what is needed",
        )
    place = _place(plan, source, str(options.get("host") or ""), target)
    if target:
        target = _target(target, place)
    without = _words(options.get("without_key_tables") or [])
    unpinned = sorted(set(without) - set(source["key_tables"] or ()))
    if unpinned:
        raise _refused(f"restore_without_key_tables names {', '.join(unpinned)}; backup_key_tables has no such table")
    return {
        "stage": stage,
        "source": source["name"],
        "server": source["server"],
        "point": str(options.get("point") or _point.LATEST),
        "scope": scope,
        "paths": paths,
        "schemas": schemas,
        "beside": beside,
        "tables": tables,
        "without_key_tables": without,
        "target": target,
        "place": {key: place[key] for key in ("host", "url", "address", "port", "pull_addresses")},
        "exact": _flag("restore_exact", options.get("exact")),
        **{name: _flag(f"restore_{name}", options.get(name)) for name in OTHERS},
        "safety_copy": _flag("restore_safety_copy", options.get("safety_copy", True)),
        "staging": _staging(str(options.get("staging") or "")),
        "confirm": confirm,
        "cause": cause,
        "incident": incident,
        "resumes": bool(incident),
        # What is laid elsewhere replaces nothing, so nobody has to be kept from writing.
        "needs_fence": not target and not beside,
        "entry": dict(source),
        "journals": f"{_JOURNALS}/{source['name']}",
    }


def incident(wanted: t.Mapping[str, t.Any], asked: t.Sequence[t.Mapping[str, t.Any]], fresh: str) -> Document:
    """Which incident this is: the one that holds the hosts, or a new one.

    :param asked: the results of C(backup_hold_info), with the host in C(item.host); one that did not answer is
        C(unreachable).
    :param fresh: an identifier for a new incident.
    :raises BackupError: when the hosts disagree, or another incident than the named one is under way.
    """
    silent = sorted(str(one["item"]["host"]) for one in asked if one.get("unreachable"))
    there = {str(one["item"]["host"]): str(one["holds"][0]["incident"]) for one in asked if one.get("holds")}
    if len(set(there.values())) > 1:
        told = ", ".join(f"{name} on {host}" for host, name in sorted(there.items()))
        raise _refused(
            f"the hosts are held by different incidents: {told}",
            "Find out which restore is under way; release the other one with its restore_incident",
        )
    held = next(iter(there.values()), "")
    # What replaces nothing may go on beside an incident, and is none of its steps.
    aside = wanted["stage"] == "restore" and not wanted["needs_fence"]
    if wanted["incident"] and held and wanted["incident"] != held and not aside:
        raise _refused(
            f"restore_incident is {wanted['incident']}, but {wanted['source']} is held by the incident {held}; "
            "a second restore beside the first would undo its work",
            f"Go on with restore_incident={held}, or release that one first",
        )
    if wanted["stage"] in ("release", "accept") and not (held or wanted["incident"]):
        raise _refused(
            f"no incident holds {wanted['source']}, so there is nothing to {wanted['stage']}",
            "Name one with restore_incident; the journals lie on the server in " + str(wanted["journals"]),
        )
    name = wanted["incident"] or ("" if aside else held) or fresh
    return {
        **wanted,
        "incident": name,
        "held": held,
        "held_on": sorted(there),
        "silent": silent,
        "journal": f"{wanted['journals']}/{name}.json",
        "work": f"{wanted['staging'] or wanted['entry']['staging'] + '/restore'}/{name}",
        "operations": f"{_OPERATIONS}/{name}",
        "aside": ASIDE + name,
    }


def restore_datasets(wanted: t.Mapping[str, t.Any], point: t.Mapping[str, t.Any]) -> list[Document]:
    """What the point holds of each dataset, in the order of a restore, and whether the request speaks of it.

    :param wanted: of :func:`incident`.
    :param point: its seal.
    :raises BackupError: when the point lacks one of them.
    """
    entry = wanted["entry"]
    sealed = {one["name"]: one for one in point["datasets"]}
    named = [one["name"] for one in entry["datasets"]]
    chosen = [name for name in named if AUTO in wanted["scope"] or name in wanted["scope"]]
    absent = [name for name in chosen if name not in sealed]
    if absent and AUTO not in wanted["scope"]:
        reasons = "; ".join(f"{one['dataset']}: {one['reason']}" for one in point["missing"])
        raise _refused(
            f"the recovery point {point['point']} does not hold {', '.join(absent)} ({reasons or 'no reason given'})",
            "Choose another point, or leave that dataset out of restore_scope",
        )
    found = []
    for dataset in entry["datasets"]:
        name = dataset["name"]
        if name not in sealed or (not wanted["needs_fence"] and name not in chosen):
            continue
        there = sealed[name]
        destination = posixpath.join(wanted["target"], name) if wanted["target"] else dataset["path"]
        found.append(
            {
                "name": name,
                "chosen": name in chosen,
                "kind": dataset["kind"],
                "order": dataset["order"],
                "destination": destination,
                "mirror": dataset["mirror"],
                # Empty on the server itself, which needs no way to it.
                "url": f"{wanted['place']['url']}::{name}/" if wanted["place"]["url"] else "",
                "skip_attributes": dataset["skip_attributes"],
                "generation_file": dataset["generation_file"],
                "generation": there["generation"],
                "lock": dataset["lock"],
                "repository": there["repository"],
                "archive": there["archive"],
                "archive_id": there["archive_id"],
                "files": there.get("files"),
                # An archive that was made without a pull tells its own sum only.
                "bytes": there.get("bytes", there.get("original_size")),
                "manifest": f"{name}.content" if f"{name}.content" in point.get("files", {}) else "",
                "paths": [path["path"] for path in wanted["paths"] if path["dataset"] == name],
                "stores": dataset["content_stores"],
                "accept": dataset["accept_content"],
            }
        )
    return sorted(found, key=lambda one: one["order"])


def restore_sources(
    parts: t.Sequence[t.Mapping[str, t.Any]], read: t.Sequence[t.Mapping[str, t.Any]]
) -> list[Document]:
    """Say of each dataset whether its mirror still holds what the point archived.

    :param parts: of :func:`restore_datasets`.
    :param read: the results of C(slurp) of their generation files, in the same order.
    """
    return [{**part, "from_mirror": _holds(part, one.get("content"))} for part, one in zip(parts, read, strict=True)]


def _holds(part: t.Mapping[str, t.Any], content: object) -> bool:
    if not isinstance(content, str):
        return False
    try:
        document = json.loads(base64.b64decode(content))
    except ValueError:
        return False
    return (
        isinstance(document, dict)
        and document.get("state") == "complete"
        and document.get("generation") == part["generation"]
    )


def scope_files(parts: t.Sequence[t.Mapping[str, t.Any]], folder: str, depth: str) -> list[Document]:
    """What C(loss_scope_info) is to compare.

    :param parts: of :func:`restore_sources`; those that are not chosen or have no content manifest are left out.
    :param folder: where the manifests lie on the source.
    :param depth: C(content) or C(metadata).
    """
    return [
        {
            "dataset": part["name"],
            "manifest": posixpath.join(folder, part["manifest"]),
            "path": part["destination"],
            "depth": depth,
            "accept": part["accept"],
            **({"only": part["paths"]} if part["paths"] else {}),
            **({"stores": part["stores"]} if part["stores"] is not None else {}),
        }
        for part in parts
        if part["chosen"] and part["manifest"]
    ]


def releases(read: t.Sequence[t.Mapping[str, t.Any]], expected: str) -> list[dict[str, str]]:
    """Which release of the collection each host says that it has.

    :param read: the results of C(slurp) of C(release.json), with the host in C(item).
    :param expected: that of this machine.
    :return: C(host), C(version) (empty when it does not say), C(expected).
    """
    found = []
    for one in read:
        document: t.Any = None
        if isinstance(one.get("content"), str):
            with contextlib.suppress(ValueError):
                document = json.loads(base64.b64decode(one["content"]))
        version = document.get("version") if isinstance(document, dict) else ""
        found.append({"host": str(one["item"]), "version": str(version or ""), "expected": expected})
    return found


def source_facts(read: t.Mapping[str, t.Any]) -> Document:
    """What the source last told about itself, as far as the plan of a restore goes by it; nothing when it told nothing.

    :param read: the result of C(slurp) of C(source_facts.json); a skipped one is none.
    :return: the facts; or C(problem) alone, for a plan has to be had without them, too.
    """
    name = str(read.get("source") or "the source facts")
    if not isinstance(read.get("content"), str):
        why = "" if read.get("skipped") else str(read.get("msg") or "")
        return {"problem": f"they cannot be read: {why}"} if why else {}
    try:
        document = json.loads(base64.b64decode(read["content"]))
    except (ValueError, RecursionError) as error:
        return {"problem": f"{name} is not a JSON document: {error}"}
    wrong = _form.wrong(document, _FACTS)
    return {"problem": f"{name} cannot be understood: {wrong}"} if wrong else dict(document)


def restore_plan(
    wanted: t.Mapping[str, t.Any],
    point: t.Mapping[str, t.Any],
    datasets: t.Sequence[t.Mapping[str, t.Any]],
    losses: t.Mapping[str, t.Any],
    space: t.Sequence[t.Mapping[str, t.Any]],
    fence: t.Mapping[str, t.Any],
    rates: t.Mapping[str, float],
    now: str,
    facts: t.Mapping[str, t.Any],
) -> Document:
    """What would be done, what it needs, and what stands in its way. Changes and decides nothing by itself.

    :param losses: of ``loss_scope_info``: C(files) and C(database); C(history) of ``recovery_history_info``; C(load) of
        ``db_load`` in check mode; C(aside), the results of ``file_aside`` in check mode; when a restore is resumed
        C(confirmed), the datasets that it was confirmed for, and C(remaining) of the plan that was confirmed;
        C(releases) of :func:`releases`; C(dumps) of ``db_dump_info``; C(finished), the steps that are done.
    :param space: of ``space_info`` for the destinations.
    :param fence: C(holds) and C(reasons).
    :param rates: bytes a second by kind of work, as measured by earlier restores and drills.
    :param now: UTC.
    :param facts: of :func:`source_facts`, the newest that the server has.
    """
    found = {one["dataset"]: one for one in losses.get("files", ())}
    database = losses.get("database") or {}
    stuck = {one["item"]["dataset"]: str(one["msg"]) for one in losses.get("aside", ()) if one.get("msg")}
    rooms = {one["path"]: one for one in space}
    history = losses.get("history") or {}
    key_tables, lacking = _key_tables(wanted, history, str(point["point"]))
    steps: list[Document] = []
    demands: list[Document] = []
    refusals: list[str] = []
    notes: list[str] = []
    given_up: list[str] = []
    notes += [
        f"the point does not hold {one['dataset']} ({one['reason']}), so nothing of that is looked at or brought"
        for one in point["missing"]
        if AUTO in wanted["scope"]
    ]
    if not point["dump_set"] and _database(wanted["entry"]):
        notes.append("the point holds no proven dump set, so the checks cannot look up what the database refers to")
    if facts.get("problem"):
        notes.append(
            f"what the source last told about itself is not used: {facts['problem']}. So nobody noticed if a disk is "
            "only not mounted, and folders above a dataset that have to be made get usual owners"
        )
    known_schemas = database.get("schemas")
    unknown_schemas = sorted(set(wanted["schemas"]) - set(known_schemas or ()))
    if known_schemas and unknown_schemas:
        refusals.append(
            f"the point has no schema {', '.join(unknown_schemas)}; it has {', '.join(sorted(known_schemas))}"
        )
    for dataset in datasets:
        name = dataset["name"]
        is_database = dataset["kind"] == "database" and not wanted["target"]
        replaces = is_database and not wanted["beside"]
        loss = database if is_database else found.get(name, {})
        state = str(loss.get("state", "unknown" if dataset["chosen"] else "-"))
        named = name in wanted["scope"]
        taken = named or (AUTO in wanted["scope"] and state in (DAMAGED, LOST) and not is_database)
        if replaces and not named and state != INTACT:
            notes.append(
                f"{name} is {state} and is not part of this restore. Name it if it is to be replaced: "
                f"restore_scope=auto,{name}"
            )
        if dataset["chosen"] and dataset["kind"] == "files" and not dataset["manifest"]:
            refusals.append(
                f"the seal of {point['point']} has no content manifest of {name}, so nobody can tell what of it "
                f"is lost; choose another point, or leave {name} out with restore_scope"
            )
        room = rooms.get(dataset["destination"], {})
        size = int(loss.get("transfer_bytes", 0))
        if dataset["kind"] == "database":
            size = _dump_bytes(wanted, point, dataset, database, losses.get("dumps") or {})
        step = {
            "dataset": name,
            "kind": dataset["kind"],
            "state": state,
            "taken": taken,
            "destination": dataset["destination"],
            "folders": _folders(wanted, dataset, room, facts),
            "from": "mirror" if dataset.get("from_mirror") else "archive",
            "reason": str(loss.get("reason", "")),
            "counts": _database_counts(loss) if is_database else {key: loss.get(key, {}) for key in CLASSES},
            "bytes": size,
            "seconds": _seconds(size, _loaded(dataset, database) if is_database else None, rates) if taken else 0.0,
            "replaces": _replaces(wanted, dataset, is_database),
        }
        steps.append(step)
        if taken and replaces and database.get("server") == "down":
            unmounted = _restore_space.data_directory_unmounted(wanted, rooms, facts)
            refusals += [unmounted] if unmounted else []
        if taken and replaces:
            refusals += _lacking(lacking, wanted["without_key_tables"])
            given_up = [
                f"{table}: backup_key_tables names it and the point does not have it, so nothing of it is checked"
                for table in lacking
                if table in wanted["without_key_tables"]
            ]
        if taken and dataset["kind"] == "database" and not point["dump_set"]:
            refusals.append(f"{name} was archived without a proven dump set, so it cannot be loaded; leave it out")
        # Each by itself: one that is misspelt among others would be restored to nothing without a word.
        unknown = loss.get("unknown", dataset["paths"])
        if unknown:
            refusals.append(f"the point holds nothing of {', '.join(unknown)} in {name}")
        if taken and name in stuck:
            refusals.append(f"what a restore of {name} replaces cannot be moved aside: {stuck[name]}")
        if taken and room:
            if not room["writable"]:
                refusals.append(f"{dataset['destination']} on {wanted['place']['host']} cannot be written")
            other = _restore_space.other_file_system(wanted, dataset, room, facts)
            refusals += [other] if other else []
        # The dump set is brought whatever is restored, because the checks read it.
        if taken or (dataset["kind"] == "database" and point["dump_set"]):
            demands.append({"what": name, "path": dataset["destination"], "bytes": size})
        if taken and replaces:
            done = losses.get("finished") or ()
            demands += _restore_space.database_demands(wanted, dataset, database, facts, rooms, done)
            refusals += _engine(wanted, point, database, losses.get("load") or {}, facts)
    spaces = _restore_space.file_systems(demands, rooms)
    refusals += _restore_space.refusals(spaces)
    refusals += _releases(wanted, losses.get("releases", ()))
    if point["state"] not in _point.GOOD and wanted["point"] != point["point"]:
        refusals.append(
            f"{point['point']} is {point['state']}; such a point has to be named: restore_point={point['point']}"
        )
    if wanted["cause"] in ("hardware", "intrusion") and wanted["needs_fence"]:
        refusals.append(
            f"the cause is {wanted['cause']}: what failed or was entered is no place to restore to. Restore to a "
            "replacement host, or to another directory with restore_target"
        )
    if wanted["needs_fence"] and not fence.get("holds"):
        notes.append("seen on a moving target: the fence does not hold (" + "; ".join(fence.get("reasons", ())) + ")")
    notes += _unread(steps, found)
    confirmed = losses.get("confirmed")
    refusals += _unlike_confirmed(wanted, steps, confirmed)
    if confirmed is not None and wanted["confirm"] and not wanted["resumes"]:
        refusals.append(
            f"the incident {wanted['incident']} was confirmed before ({', '.join(confirmed) or 'nothing'}), so "
            "somebody may be restoring right now. If nobody is, go on with it: restore_incident="
            + str(wanted["incident"])
        )
    taken_steps = [step for step in steps if step["taken"]]
    return {
        "time": now,
        "incident": wanted["incident"],
        "source": wanted["source"],
        "host": wanted["place"]["host"],
        "point": point["point"],
        "point_state": point["state"],
        "dump_set": point["dump_set"],
        "moving": bool(wanted["needs_fence"] and not fence.get("holds")),
        "steps": steps,
        "order": [step["dataset"] for step in taken_steps],
        # What was confirmed stays meant, also where it is intact by now.
        "scope": [step["dataset"] for step in steps if step["taken"] or step["dataset"] in (confirmed or ())],
        "bytes": sum(step["bytes"] for step in taken_steps),
        "spaces": spaces,
        "seconds": round(sum(step["seconds"] for step in taken_steps), 1),
        "rates": {**ASSUMED_RATES, **rates},
        "rates_measured": sorted(rates),
        "notes": notes,
        "remaining": _remaining(steps, database, given_up, losses.get("remaining", ())),
        "refusals": refusals,
        "key_tables": key_tables,
        "history": history,
        "proposed": _proposed(history, datasets, str(point["point"])),
    }


def _dump_bytes(
    wanted: t.Mapping[str, t.Any],
    point: t.Mapping[str, t.Any],
    dataset: t.Mapping[str, t.Any],
    database: t.Mapping[str, t.Any],
    dumps: t.Mapping[str, t.Any],
) -> int:
    """What is to be brought of the dumps: the dump set of the point, or everything where there is nothing.

    :param dumps: of ``db_dump_info`` for the place where they go.
    """
    there = [str(one["id"]) for one in dumps.get("dump_sets", ())]
    if point["dump_set"] and point["dump_set"]["id"] in there:
        return 0
    whole = int(dataset["bytes"] or 0)
    alone = not wanted["target"] and bool(there or dumps.get("unproven"))
    return int(database.get("dump_bytes") or whole) if alone else whole


def _loaded(dataset: t.Mapping[str, t.Any], database: t.Mapping[str, t.Any]) -> int:
    """The size of the dump set that is loaded, as well as it is known."""
    return int(database.get("dump_bytes") or dataset["bytes"] or 0)


def _at_hand(load: t.Mapping[str, t.Any]) -> bool:
    """Whether the server was asked whether it takes the dump set, which is on the source already then."""
    return "dump_set" in load or "refusals" in load


def _engine(
    wanted: t.Mapping[str, t.Any],
    point: t.Mapping[str, t.Any],
    database: t.Mapping[str, t.Any],
    load: t.Mapping[str, t.Any],
    facts: t.Mapping[str, t.Any],
) -> list[str]:
    """Why the database server cannot take the dump set.

    Where that is not at hand only kind and version are compared, of a server that is down as it last told them; the
    load looks at the rest before it changes anything.
    """
    found = [(str(one["rule"]), str(one["text"])) for one in load.get("refusals", ())]
    dumped, there = point["dump_set"] or {}, facts.get("database") or {}
    engine, version = (database.get(key) or there.get(key) for key in ("engine", "version"))
    if not _at_hand(load) and engine and dumped.get("engine"):
        found = [
            (one.rule, one.text)
            for one in _compatibility.engines(
                str(dumped["engine"]),
                str(dumped.get("version")),
                str(engine),
                str(version),
                allow_cross_engine=wanted["other_engine"],
            )
            if one.refuses
        ]
    return [
        f"the database server of {wanted['source']} cannot take the dump set: {text}"
        + (_OTHER_ENGINE if rule == "engine" else "")
        for rule, text in found
    ]


def _releases(wanted: t.Mapping[str, t.Any], found: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Which host has another release of the collection than this machine; what each does fits only its own."""
    if wanted["other_release"]:
        return []
    return [
        f"{one['host']} "
        f"{'has labops.backup ' + one['version'] if one['version'] else 'does not say which release it has'}, this "
        f"machine has {one['expected']}. Take the release of the hosts, or say that it is meant: "
        "restore_other_release=true"
        for one in found
        if one["version"] != one["expected"]
    ]


def _unread(steps: t.Sequence[t.Mapping[str, t.Any]], found: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """That size and time were trusted, where they were: such a plan may call intact what is not."""
    trusted = [step for step in steps if found.get(step["dataset"], {}).get("depth") == "metadata"]
    if not trusted:
        return []
    left = [step["dataset"] for step in trusted if not step["taken"]]
    return [
        f"files of {', '.join(step['dataset'] for step in trusted)} with the size and time of the point were not read "
        "and count as intact (restore_depth=metadata). What is restored is read afterwards"
        + (f"; what is left as it is, {', '.join(left)}, is not" if left else "")
    ]


def _key_tables(
    wanted: t.Mapping[str, t.Any], history: t.Mapping[str, t.Any], point: str
) -> tuple[list[str], list[str]]:
    """The key tables of the inventory that the point has, and those of what is replaced that it lacks."""
    pinned = list(wanted["entry"]["key_tables"] or ())
    found = [one["missing_key_tables"] or [] for one in history.get("points", ()) if one["point"] == point]
    missing = [name for name in pinned if found and name in found[0]]
    schemas = tuple(f"{schema}." for schema in wanted["schemas"])
    lacking = [name for name in missing if not schemas or name.startswith(schemas)]
    return [name for name in pinned if name not in missing], lacking


def _lacking(tables: t.Sequence[str], without: t.Sequence[str]) -> list[str]:
    """Why a point that lacks key tables is not restored before somebody has named them."""
    unnamed = [name for name in tables if name not in without]
    if not unnamed:
        return []
    return [
        f"the point has no table {', '.join(unnamed)}, which backup_key_tables names. If it is there, it goes with the "
        "database that is replaced, and nothing of it can be checked. Go on with "
        f"restore_without_key_tables={','.join(tables)} if it is newer than the point and that is meant; otherwise "
        "choose a newer point, or correct backup_key_tables"
    ]


def _unlike_confirmed(
    wanted: t.Mapping[str, t.Any], steps: t.Sequence[t.Mapping[str, t.Any]], confirmed: t.Sequence[str] | None
) -> list[str]:
    """Why a resumed restore would be another one than was confirmed: a person decides about each dataset.

    Behind a fence nobody writes, so what is damaged only now may be a disk that fails, and somebody has to look.

    :param confirmed: the datasets; None when nothing was confirmed yet.
    """
    if confirmed is None:
        return []
    asked = list(wanted["scope"])
    found = []
    for step in steps:
        name = step["dataset"]
        if step["taken"] and name not in (*asked, *confirmed):
            leave = f"; to leave it: restore_scope={','.join(confirmed)}" if confirmed else ""
            found.append(
                f"{name} is {step['state']} and is not among what this incident was confirmed for "
                f"({', '.join(confirmed) or 'nothing'}). Look why. To bring it, too: "
                f"restore_scope={','.join([*asked, name])}{leave}"
            )
        by_auto = AUTO in asked and step["kind"] != "database"
        if name in confirmed and name not in asked and not by_auto:
            found.append(
                f"restore_scope leaves out {name}, which this incident was confirmed for. Resume it with "
                f"restore_scope={','.join([*asked, name])}, or release it and begin another one"
            )
    return found


def _remaining(
    steps: t.Sequence[t.Mapping[str, t.Any]],
    database: t.Mapping[str, t.Any],
    given_up: t.Sequence[str],
    earlier: t.Sequence[str],
) -> list[str]:
    """What this restore cannot heal: rows that stay and refer to files that are newer and damaged.

    :param database: of ``loss_scope_info``; empty when it was not looked at.
    :param given_up: what remains besides.
    :param earlier: the same of the plan that was confirmed; its files are aside by now and nobody finds them.
    """
    files = sum(_count(step["counts"].get("newer_damaged", {})) for step in steps)
    replaced = any(step["kind"] == "database" and step["taken"] for step in steps)
    refers = {
        name: one
        for name, one in database.get("refers", {}).items()
        if not replaced or name in database["newer_schemas"]
    }
    if files and not replaced and database.get("server") == "down":
        refers = {"the database": {"files": None}}
    found = [*given_up, *(f"{name}: {_left_behind(one, files)}" for name, one in refers.items())]
    return [*earlier, *(text for text in found if text not in earlier)]


def _left_behind(refers: t.Mapping[str, t.Any], files: int) -> str:
    count = refers["files"]
    if count is None:
        return (
            f"cannot be read, so nobody knows whether its rows refer to the {_files(files, 'damaged ')} newer than the "
            "point, which the point cannot heal and which are moved aside. Look for rows without a file once it is back"
        )
    examples = _few(refers["examples"], count)
    named = f" ({examples})" if examples else ""
    return (
        f"rows refer to {_files(count, 'damaged ')} newer than the point{named}. The point cannot heal that: what is "
        "damaged is moved aside, and these rows are left without a file. Delete them and let the worker compute again"
    )


def _newer_damaged(counts: t.Mapping[str, t.Any]) -> list[str]:
    """Files that DataJoint is to write anew, as a line below their dataset."""
    count = _count(counts)
    if not count:
        return []
    return [
        f"             newer than the point and damaged: {_files(count)}, {_size(counts['bytes'])}, moved aside so "
        f"that DataJoint writes anew: {_few(counts['examples'], count)}"
    ]


def _files(count: int, kind: str = "") -> str:
    return f"{count} {kind}file" if count == 1 else f"{count} {kind}files"


def _few(examples: t.Sequence[str], count: int) -> str:
    """The first of so many paths."""
    shown = list(examples[:_EXAMPLES])
    more = f" and {count - len(shown)} more" if shown and count > len(shown) else ""
    return ", ".join(shown) + more


def _proposed(history: t.Mapping[str, t.Any], datasets: t.Sequence[t.Mapping[str, t.Any]], point: str) -> str:
    """The newest point from before anything looked like a loss in what was asked for; empty when this one is it.

    One point for all of them: database, blobs and data belong together.
    """
    chosen = {one["name"]: one for one in datasets if one["chosen"]}
    found = [known for name, known in (history.get("newest_intact") or {}).items() if name in chosen]
    if any(one["kind"] == "database" for one in chosen.values()):
        found += [one["newest_intact"] for one in (history.get("key_tables") or {}).values()]
    if not history.get("suspicious") or None in found:
        return ""
    oldest = min(map(str, found), default=point)
    return oldest if oldest < point else ""


def restore_plan_lines(plan: t.Mapping[str, t.Any]) -> list[str]:
    """The plan for people, one line a thought."""
    lines = [
        f"Restore of {plan['source']} from the recovery point {plan['point']} ({plan['point_state']}"
        + (f", its dump began {plan['dump_set']['started']})" if plan["dump_set"] else ")")
        + (f" onto {plan['host']}" if plan["host"] != plan["source"] else ""),
    ]
    if plan["moving"]:
        lines.append("SEEN ON A MOVING TARGET: somebody may still be writing. Nothing can be confirmed yet.")
    lines += [
        "First decide: is the hardware failing, or was somebody in? Then not onto this host.",
        "",
        "dataset      state       missing   damaged  metadata     newer   to bring  what",
    ]
    for step in plan["steps"]:
        counts = [_count(step["counts"][key]) for key in ("missing", "damaged", "metadata", "newer")]
        what = f"{step['replaces']} (from the {step['from']}, about {_duration(step['seconds'])})"
        lines.append(
            f"{step['dataset']:<12} {step['state']:<9} "
            + " ".join(f"{count:>9}" for count in counts)
            + f" {_size(step['bytes']) if step['taken'] else '-':>10}  {what if step['taken'] else 'left as it is'}"
        )
        if step["reason"]:
            lines.append(f"             {step['reason']}")
        lines += _newer_damaged(step["counts"].get("newer_damaged", {}))
    lines.append("")
    assumed = sorted(set(ASSUMED_RATES) - set(plan["rates_measured"]))
    if plan["order"]:
        lines.append(
            f"Order: {' -> '.join(plan['order'])} -> checks. "
            f"About {_size(plan['bytes'])}, {_duration(plan['seconds'])}"
            + (f" (assumed rates for {', '.join(assumed)})" if assumed else " (measured rates)")
        )
    else:
        lines.append("Nothing of the scope is missing or damaged; there is nothing to restore.")
    lines += _restore_space.lines(plan["spaces"])
    lines += _history_lines(plan)
    lines += [f"Note: {note}" for note in plan["notes"]]
    lines += [f"REMAINING: {text}" for text in plan["remaining"]]
    lines += [f"REFUSED: {refusal}" for refusal in plan["refusals"]]
    return lines


def restore_ready(wanted: t.Mapping[str, t.Any], plan: t.Mapping[str, t.Any], fence: t.Mapping[str, t.Any]) -> str:
    """Why a confirmed restore may not begin; empty when it may."""
    reasons = list(plan["refusals"])
    if wanted["confirm"] != plan["point"]:
        reasons.insert(
            0, f"restore_confirm is {wanted['confirm']}, but restore_point={wanted['point']} means {plan['point']}"
        )
    if wanted["needs_fence"] and not fence.get("holds"):
        reasons.append("the fence does not hold: " + "; ".join(fence.get("reasons", ()) or ["it was never raised"]))
    return "; ".join(reasons)


def restored_roots(
    wanted: t.Mapping[str, t.Any], parts: t.Sequence[t.Mapping[str, t.Any]], folder: str
) -> dict[str, Document]:
    """Where C(datajoint_verify_info) finds the files of each dataset, and what the point has of it.

    :param parts: of :func:`restore_datasets`; what is not among them the point does not have.
    :param folder: where the manifests lie on the source.
    """
    manifests = {part["name"]: part["manifest"] for part in parts}
    roots: dict[str, Document] = {}
    for dataset in wanted["entry"]["datasets"]:
        name = dataset["name"]
        roots[name] = {"mirror": dataset["path"]}
        if name not in manifests:
            roots[name]["sealed"] = None
        elif manifests[name]:
            roots[name]["sealed"] = posixpath.join(folder, manifests[name])
    return roots


def restore_verdict(
    wanted: t.Mapping[str, t.Any],
    order: t.Sequence[str],
    database: t.Mapping[str, t.Any],
    references: t.Mapping[str, t.Any],
    left: t.Sequence[str],
) -> Document:
    """What stands against the release, and what was found outside of what was to be restored.

    :param order: the datasets that were restored.
    :param database: of ``db_verify_info``; empty when the database was not restored.
    :param references: of ``datajoint_verify_info``; empty for a source without a database.
    :param left: C(remaining) of the plan, which no check against the point can find.
    """
    problems = [str(problem) for problem in database.get("problems", ())]
    remaining = [*left, *map(str, database.get("remarks", ()))]
    for dataset, counts in sorted((references.get("by_dataset") or {}).items()):
        told = ", ".join(f"{number} {finding.replace('_', ' ')}" for finding, number in counts.items() if number)
        text = f"files in {dataset or 'no dataset'} that the database refers to: {told}"
        # Of single paths each was compared with the point by itself.
        judged = AUTO in wanted["scope"] or dataset in order
        (problems if judged and not wanted["paths"] else remaining).append(text)
    for dataset, lacking in sorted((references.get("not_in_point") or {}).items()):
        remaining.append(
            f"files in {dataset} that the database refers to, and that the recovery point does not have: "
            f"{lacking['files']} ({_few(lacking['examples'], lacking['files'])})"
        )
    if references.get("accepted"):
        remaining.append(
            f"files that the database refers to and that the inventory accepts as they are: {references['accepted']}"
        )
    if references.get("changed_mirrors"):
        problems.append("somebody changed the files while they were checked")
    return {"problems": problems, "remaining": remaining}


def fence_state(
    wanted: t.Mapping[str, t.Any],
    writers: t.Mapping[str, t.Any],
    database: t.Mapping[str, t.Any],
    activity: t.Mapping[str, t.Any],
) -> Document:
    """Whether nobody but the restore can write, and if not, why.

    :param writers: of ``writer_fence`` in check mode.
    :param database: of ``db_fence`` in check mode; empty for a source without a database.
    :param activity: of ``write_activity_info``.
    """
    reasons = []
    if wanted["source"] not in wanted["held_on"]:
        reasons.append(f"no incident holds {wanted['source']}")
    if wanted["server"] not in wanted["held_on"]:
        reasons.append(f"the backup jobs on {wanted['server']} are not held")
    if not writers.get("holds"):
        reasons.append("the writers that the inventory names are not stopped")
    if database and not database.get("holds"):
        told = "; ".join(database.get("problems") or ())
        reasons.append(f"the database is not closed: {told}" if told else "the database takes writes")
    if not activity.get("quiet"):
        seen = ", ".join(
            f"{one['who'] or one['kind']} in {one['where']}" for one in activity.get("writers", ())[:_EXAMPLES]
        )
        reasons.append("somebody is writing" + (f": {seen}" if seen else ""))
    return {"holds": not reasons, "reasons": reasons}


def _stage(tags: t.Sequence[str]) -> str:
    named = [tag for tag in tags if tag != "all"]
    if not named:
        return "restore"
    if len(named) > 1 or named[0] not in STAGES:
        raise _refused(
            f"--tags {','.join(named)} is not a stage of a restore; there are {', '.join(STAGES)}, one at a time"
        )
    return named[0]


def _source(plan: t.Sequence[t.Mapping[str, t.Any]], name: str) -> t.Mapping[str, t.Any]:
    known = {entry["name"]: entry for entry in plan}
    if not name and len(known) > 1:
        raise _refused(f"the inventory has the sources {', '.join(known)}", "Name one as restore_source")
    if name and name not in known:
        raise _refused(f"restore_source is {name!r}; the inventory has {', '.join(known)}")
    return known[name] if name else plan[0]


def _database(source: t.Mapping[str, t.Any]) -> str:
    return next((str(one["name"]) for one in source["datasets"] if one["kind"] == "database"), "")


def _words(value: object) -> list[str]:
    """A list, or what somebody wrote on a command line with commas."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(value, t.Sequence):
        return [str(word) for word in value]
    raise _refused(f"{value!r} is not a list")


def _flag(name: str, value: object) -> bool:
    text = str(value or False).lower()
    if text not in ("true", "false", "yes", "no", "1", "0"):
        raise _refused(f"{name} is {value!r}; true or false are meant")
    return text in ("true", "yes", "1")


def _beside(value: object, schemas: t.Sequence[str]) -> dict[str, str]:
    """The new name of each schema that is to lie beside the live one; nothing when that is not asked for.

    :param value: true for names that end in C(_restored), or the names: a mapping, or C(schema:name) with commas.
    """
    if isinstance(value, t.Mapping):
        named = {str(schema): str(name) for schema, name in value.items()}
    elif isinstance(value, str) and ":" in value:
        pairs = [word.partition(":") for word in _words(value)]
        named = {schema.strip(): name.strip() for schema, _colon, name in pairs}
    elif _flag("restore_beside", value):
        if not schemas:
            raise _refused(
                "restore_beside says that schemas are to lie beside the live ones, but not which",
                "Name them with restore_schemas",
            )
        named = {schema: f"{schema}_restored" for schema in schemas}
    else:
        return {}
    bad = sorted(schema for schema, name in named.items() if not name or name == schema)
    left_out = sorted(set(schemas) - set(named))
    if bad or left_out:
        raise _refused(f"restore_beside gives no new name for {', '.join(bad or left_out)}")
    return named


def _path(text: str, names: t.Sequence[str]) -> dict[str, str]:
    dataset, _slash, path = text.strip("/").partition("/")
    if dataset not in names or not path or ".." in path.split("/"):
        raise _refused(
            f"restore_paths has {text!r}; a path begins with its dataset ({', '.join(names)}), "
            f"as in {names[-1]}/2024/a.tif"
        )
    return {"dataset": dataset, "path": path}


def _staging(folder: str) -> str:
    plain = posixpath.normpath(folder) if folder else ""
    if plain in ("/", ".") or (plain and not plain.startswith("/")):
        raise _refused(f"restore_staging is {folder!r}; an absolute folder of the server is meant")
    return plain


def _place(plan: t.Sequence[t.Mapping[str, t.Any]], source: t.Mapping[str, t.Any], host: str, target: str) -> Document:
    """The host that takes what is restored, how the server reaches it, and which folders there are none of a restore's.

    Without a host that is the source itself. Another one is the server, or a source that it pulls from, too: of those
    it knows the host keys.
    """
    here = {str(entry["name"]): entry for entry in plan if entry["server"] == source["server"]}
    if host and not target:
        raise _refused("restore_host was given without restore_target: on another host nothing is replaced")
    if host == source["server"]:
        nowhere = {"url": "", "address": "", "port": 0, "pull_addresses": []}
        return {"host": host, **nowhere, "taken": [("backup_root", source["root"])]}
    if host and host not in here:
        raise _refused(
            f"restore_host is {host!r}; what {source['server']} reaches is {', '.join([source['server'], *here])}",
            f"Restore to {source['server']} and copy it from there",
        )
    entry = here[host] if host else source
    return {
        "host": str(entry["name"]),
        "url": str(entry["datasets"][0]["url"]).rpartition("::")[0],
        "address": entry["address"],
        "port": entry["port"],
        "pull_addresses": entry["pull_addresses"],
        "taken": [(f"the dataset {dataset['name']}", dataset["path"]) for dataset in entry["datasets"]],
    }


def _target(target: str, place: t.Mapping[str, t.Any]) -> str:
    plain = posixpath.normpath(target)
    if not target.startswith("/") or plain == "/" or ".." in target.split("/"):
        raise _refused(f"restore_target is {target!r}; an absolute directory is meant")
    for what, path in place["taken"]:
        if f"{plain}/".startswith(f"{path}/") or f"{path}/".startswith(f"{plain}/"):
            raise _refused(
                f"restore_target {plain} overlaps with {what} in {path} on {place['host']}",
                "Choose a directory outside, or leave restore_target out to restore in place",
            )
    return plain


def _database_counts(loss: t.Mapping[str, t.Any]) -> Document:
    """Tables by class."""
    schemas = list((loss.get("schemas") or {}).values())
    changed = [
        {*_tables(one, "fewer"), *one.get("content", ()), *one.get("structure", ()), *one.get("sequences", ())}
        for one in schemas
    ]
    whole = {state: sum(_all_of(one) for one in schemas if one.get("state") == state) for state in (LOST, UNREADABLE)}
    return {
        "missing": {"files": sum(len(one.get("missing", ())) for one in schemas) + whole[LOST]},
        "damaged": {"files": sum(map(len, changed)) + whole[UNREADABLE]},
        "metadata": {"files": sum(len(one.get("objects", ())) for one in schemas)},
        "newer": {"files": sum(len(one.get("newer", ())) + len(_tables(one, "more")) for one in schemas)},
    }


def _all_of(schema: t.Mapping[str, t.Any]) -> int:
    """The tables of a schema of which nothing can be told one by one."""
    return int((schema.get("expected") or {}).get("tables", 0))


def _tables(schema: t.Mapping[str, t.Any], key: str) -> set[str]:
    return {str(one["table"]) for one in schema.get(key, ())}


def _seconds(size: int, loaded: int | None, rates: t.Mapping[str, float]) -> float:
    """How long it takes to bring so much and to check it.

    :param loaded: of a database the size of its dump, which may be there already.
    """
    known = {**ASSUMED_RATES, **rates}
    brought = sum(size / known[kind] for kind in ("extract", "push"))
    if loaded is None:
        return brought + size / known["check"]
    return brought + sum(loaded / known[kind] for kind in ("load", "check"))


def _replaces(wanted: t.Mapping[str, t.Any], dataset: t.Mapping[str, t.Any], is_database: bool) -> str:
    if wanted["beside"]:
        return "beside the live ones: " + ", ".join(f"{old} as {new}" for old, new in sorted(wanted["beside"].items()))
    if is_database:
        which = ", ".join(wanted["schemas"]) or "all schemas of the dump"
        return f"{which} replaced; tables that are not in the dump go; a dump of the old state is kept aside"
    if wanted["target"]:
        return f"laid into {dataset['destination']}"
    extra = "moved aside, too" if wanted["exact"] else "stays"
    return f"damaged files moved aside into {ASIDE}{wanted['incident']}; what is newer {extra}"


def _folders(
    wanted: t.Mapping[str, t.Any],
    dataset: t.Mapping[str, t.Any],
    room: t.Mapping[str, t.Any],
    facts: t.Mapping[str, t.Any],
) -> list[Document]:
    """The folders to make before anything can be brought, from above.

    The dataset's own gets its owner and mode with what is brought; those above have them from the source facts.
    """
    known = {} if wanted["target"] else (facts.get("datasets") or {}).get(dataset["name"], {})
    above = {one["path"]: one for one in known.get("above", ())}
    closed = {"uid": 0, "gid": 0, "mode": "0700"}
    usual = closed if wanted["target"] else {**closed, "mode": "0755"}
    return [
        {"path": path, **(closed if path == dataset["destination"] else {**usual, **above.get(path, {})})}
        for path in room.get("missing", ())
    ]


def _history_lines(plan: t.Mapping[str, t.Any]) -> list[str]:
    lines = []
    for one in plan["history"].get("suspicious", ()):
        where = " ".join(filter(None, (one["dataset"], one.get("table"))))
        lines.append(f"Suspicious: {where}, from {one['before']} to {one['after']}: {one['reason']}")
    if plan["proposed"]:
        lines.append(
            f"PROPOSED: restore_point={plan['proposed']}, the newest point from before that. If it was meant, mark the "
            "point after it as cleared (recovery_point_mark)."
        )
    return lines


def _count(counts: t.Mapping[str, t.Any]) -> int:
    """Files, or of a database tables."""
    return int(counts.get("files", 0))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _refused(what: str, remedy: str = "") -> BackupError:
    return BackupError(what, untouched="Nothing was changed", remedy=remedy)
