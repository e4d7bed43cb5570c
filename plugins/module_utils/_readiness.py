# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Gather on a server what readiness is judged by, but for what Borg has to be asked."""

from __future__ import annotations

import os
import typing as t
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _content_manifest,
    _document,
    _dump_set,
    _facts,
    _generation,
    _root,
)
from ansible_collections.labops.backup.plugins.module_utils._model import _compatibility, _dump_manifest, _run
from ansible_collections.labops.backup.plugins.module_utils._tools import _engine

_SANDBOX = (b"/*M!999999", b"/*!999999")
_SHOWN = 3

Document = dict[str, t.Any]


@dataclass(frozen=True)
class Request:
    """What :func:`gather` is asked to look at.

    :param sources: entries of the plan.
    :param live: what sources told just now, by name; the others are known by the facts beside their dump.
    :param past: see ``_facts.gather``.
    :param configuration: the server's folder of configuration.
    :param state: its folder of state.
    """

    sources: t.Sequence[t.Mapping[str, t.Any]]
    live: t.Mapping[str, t.Any]
    past: t.Mapping[str, t.Sequence[str]]
    configuration: str
    state: str


def gather(request: Request) -> Document:
    """Everything that ``_model/_readiness`` judges and that lies on this server."""
    guard = request.sources[0]["root_guard"]
    known_hosts = os.path.join(request.configuration, "ssh", "known_hosts")
    deployed = os.path.join(request.configuration, "deployed.json")
    engine = _engine.installed()
    return {
        "host": _facts.gather({"backup_root": guard["path"], "state": request.state}, _now(), request.past),
        "deployed": _read(deployed, "nobody noted what was deployed"),
        # It is written anew when something in it changes, and only then.
        "deployed_at": _utc(os.path.getmtime(deployed)) if os.path.exists(deployed) else "",
        "escrow": _read(os.path.join(request.configuration, "escrow.json"), "there is no escrow bundle"),
        "known_hosts_sha256": _content_manifest.sha256(known_hosts) if os.path.isfile(known_hosts) else "",
        "root": {**guard, "problem": _problem_of_root(guard)},
        "engine": dict(zip(("engine", "version"), engine, strict=True)) if engine else _no_engine(request.sources),
        "sources": {source["name"]: _source(request, source, engine) for source in request.sources},
    }


def _no_engine(sources: t.Sequence[t.Mapping[str, t.Any]]) -> Document:
    return {"problem": "no database server's program is installed here", "needed_by": [one["name"] for one in sources]}


def _problem_of_root(guard: t.Mapping[str, t.Any]) -> str:
    try:
        _root.check(_root.Root(**guard))
    except BackupError as error:
        return error.what
    return ""


def _read(path: str, absent: str) -> Document:
    """A document, or the problem with it: one that cannot be read must not hide the others."""
    try:
        return _document.read(path)
    except FileNotFoundError:
        return {"problem": f"{absent}: {path} does not exist"}
    except (BackupError, OSError) as error:
        return {"problem": str(error)}


def _source(request: Request, source: t.Mapping[str, t.Any], engine: tuple[str, str] | None) -> Document:
    name = source["name"]

    def own(folder: str, absent: str) -> Document:
        return _read(os.path.join(request.state, folder, f"{name}.json"), absent)

    held = os.path.exists(os.path.join(request.state, "hold", f"{name}.json"))
    return {
        "generations": {dataset["name"]: _generation_of(dataset) for dataset in source["datasets"]},
        "checks": own("checks", "nothing was ever checked"),
        "drills": own("drills", "no restore was ever rehearsed"),
        "escrow_proof": own("escrow", "the bundle was never tried"),
        "hold": own("hold", "") if held else {},
        **_dumped(source, request.live.get(name), engine),
    }


def _generation_of(dataset: t.Mapping[str, t.Any]) -> Document:
    try:
        return _generation.read(dataset["generation_file"]) or {"problem": "never pulled"}
    except (BackupError, OSError) as error:
        return {"problem": str(error)}


def _dumped(source: t.Mapping[str, t.Any], live: Document | None, engine: tuple[str, str] | None) -> Document:
    """The source's facts, and whether what runs there now, and the engine here, can take its newest dump."""
    found: Document = {"facts": live, "facts_from": "asked just now", "facts_problem": ""}
    found |= {"target": {}, "findings": [], "findings_problem": "", "engine_findings": []}
    mirror = next((dataset["mirror"] for dataset in source["datasets"] if dataset["kind"] == "database"), None)
    if mirror is None:
        if live is None:
            found["facts_problem"] = "it has no database, and so publishes no facts"
        return found
    try:
        sets = _dump_set.find(mirror)[0] if os.path.isdir(mirror) else []
        if not sets:
            raise BackupError(f"{mirror} holds no finished dump set")
        newest = sets[0]
        if live is None:
            found |= {"facts": _document.read(os.path.join(newest.path, _dump_manifest.FACTS))}
            found["facts_from"] = f"told beside the dump set {newest.id}"
        reader = _dump_set.verify(newest)
        if newest.problems:
            problems = "; ".join(newest.problems[:_SHOWN])
            raise BackupError(f"the dump set {newest.id} is not what its manifest says: {problems}")
        target = found["facts"].get("database")
        if not target:
            raise BackupError("the source's facts are of an older release and do not describe its database server")
        with open(os.path.join(newest.path, _dump_manifest.DATABASES), "rb") as stream:
            sandboxed = stream.read(len(_SANDBOX[0])).startswith(_SANDBOX)
        findings = _compatibility.judge_from_afar(reader, newest.manifest, target, sandboxed=sandboxed)
        found |= {"target": target, "findings": [asdict(finding) for finding in findings]}
        if engine:
            findings = list(_compatibility.engines(newest.manifest["engine"], newest.manifest["version"], *engine))
            found["engine_findings"] = [asdict(finding) for finding in findings]
    except (BackupError, OSError) as error:
        problem = error.what if isinstance(error, BackupError) else str(error)
        found["findings_problem"] = problem
        found["facts_problem"] = "" if found["facts"] else problem
    return found


def _now() -> str:
    return _run.utc(datetime.now(UTC))


def _utc(seconds: float) -> str:
    return _run.utc(datetime.fromtimestamp(seconds, UTC))
