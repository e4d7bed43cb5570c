# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that another host wrote, or that were half written: whatever stands in them, nothing but an error comes.

Each document has every node, inner ones too, replaced by values of every kind, and every name left out.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import pathlib
import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.labops.backup.plugins.module_utils import (
    _load,
    _recovery_history,
    _recovery_points,
    _verify_references,
)
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _content_manifest,
    _document,
    _dump_set,
    _escrow_bundle,
    _fence_record,
    _generation,
    _hold,
    _journal,
    _ledger,
    _operation,
    _progress,
    _quarantine,
    _root,
)
from ansible_collections.labops.backup.plugins.module_utils._model import (
    _checks,
    _compatibility,
    _content,
    _datajoint,
    _drill,
    _dump_manifest,
    _evidence,
    _history,
    _incident_report,
    _loss,
    _marker,
    _point,
    _run,
    _status,
)
from ansible_collections.labops.backup.plugins.module_utils._model import _journal as _journal_model
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader

Document = dict[str, t.Any]
Path = tuple[t.Any, ...]

ID = "20261123T023000Z-77b0aa"
DUMP = "20261123T021500Z-3fa9c1"
TIME = "2026-11-23T02:30:00Z"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SHA = "0" * 64
VALUES: tuple[t.Any, ...] = (None, 5, -1, 1.5, True, "x", "", [], {}, [5], [None], {"x": 5}, [[]])

MANIFEST: Document = {
    "id": DUMP,
    "started": TIME,
    "finished": TIME,
    "engine": "mariadb",
    "version": "10.11.19-MariaDB",
    "schemas": {
        "lab": {
            "charset": "utf8mb4",
            "collation": "utf8mb4_general_ci",
            "code": SHA,
            "datajoint": True,
            "views": ["v"],
            "triggers": [],
            "routines": ["r"],
            "events": ["e"],
            "sequences": {"z": {"structure": SHA, "next": 7}},
        }
    },
    "tables": {"lab": {"scan": 3, "log": 4}},
    "digests": {"lab": {"scan": SHA, "log": SHA}},
    "structures": {"lab": {"scan": SHA, "log": SHA}},
    "rows": 7,
    "foreign_keys": [
        {
            "schema": "lab",
            "table": "scan",
            "name": "scan_ibfk_1",
            "columns": ["a"],
            "references": {"schema": "lab", "table": "log", "columns": ["a"]},
        }
    ],
    "options": ["--dump-history"],
    "definers": ["a@b"],
    "accounts": ["a@b"],
    "variables": {"lower_case_table_names": "0"},
    "data_bytes": 5,
    "references": {"files": 0},
    "files": {name: {"size": 1, "sha256": SHA} for name in _dump_manifest.FILES},
}
POINT: Document = {
    "point": ID,
    "source": "tatchu",
    "server": "loki",
    "run_id": ID,
    "state": "complete",
    "problems": ["why"],
    "sealed": TIME,
    "release": "0.1.0",
    "dump_set": {
        **{"id": DUMP, "started": TIME, "finished": TIME, "engine": "mariadb", "version": "10.11.19", "rows": 1},
    },
    "datasets": [
        {
            **{"name": "data", "order": 2, "archive": f"tatchu-data-{ID}", "archive_id": SHA, "repository": "/srv/x"},
            **{"repository_id": SHA, "generation": 3, "dump_set": DUMP, "files": 3, "bytes": 5, "nfiles": 3},
            **{
                "original_size": 5,
                "compressed_size": 5,
                "deduplicated_size": 5,
                "seconds": {"pull": 1.5, "archive": None},
                "unproven": ["old"],
            },
        }
    ],
    "missing": [{"dataset": "blobs", "reason": "busy"}],
    "references": {"checked": 3, "missing": 0, "ok": True},
    "files": {"data.content": {"sha256": SHA, "bytes": 5}},
}
RUN: Document = {
    **{"host": "loki", "boot_id": "b", "unit": "u", "control_group": "/u", "playbook": "1 5", "run_id": ID},
    **{"job": "backup", "sources": ["tatchu"], "state": "running", "started": TIME, "finished": None, "seconds": None},
    **{"release": "0.1.0", "outcomes": [{"source": "tatchu", "ok": True}], "message": ""},
    "points": [{"source": "tatchu", "point": ID, "state": "complete"}],
}
STEP = {"dataset": "data", "kind": "files", "state": "lost", "taken": True, "replaces": "all", "bytes": 5}
JOURNAL: Document = {
    **{"incident": ID, "source": "tatchu", "server": "loki", "began": TIME, "state": "open"},
    "confirmed": {"point": ID},
    "plan": {
        **{"point": ID, "point_state": "complete", "dump_set": {"started": TIME}, "notes": ["n"], "remaining": ["r"]},
        "steps": [{**STEP, "counts": {"missing": {"files": 3}}}],
    },
    "steps": {
        "data.push": {
            **{"state": "finished", "started": TIME, "ended": TIME, "attempts": 1},
            "result": {"bytes": 5, "seconds": 2.0},
        }
    },
    "events": [{"time": TIME, "what": "began"}],
}
CHECKS: Document = {
    "source": "tatchu",
    "datasets": {
        "data": {
            "archives": {
                **_checks.fresh(),
                **{"at": TIME, "share": 0.5, "cycle_started": TIME, "complete_at": TIME, "found_at": TIME, "rate": 5.0},
                "cursor": {"archive": SHA, "path": "a/b"},
                "passed": {SHA: TIME},
            }
        }
    },
}
DRILLS: Document = {
    "source": "tatchu",
    "drills": [{"run_id": ID, "point": ID, "ok": True, "rates": {"load": 5.0}, "started": TIME, "datasets": {}}],
    "coverage": {"points_total": 1},
}
FENCE_DATABASE: Document = {
    **{"kind": _fence_record.DATABASE, "since": TIME, "drop_in": "/etc/x", "skip_networking": False},
    **{"engine": "mariadb", "version": "10.11", "variables": {"read_only": "OFF"}},
    "accounts": [{"user": "u", "host": "h", "locked": False}],
}
FENCE_WRITERS: Document = {
    **{"kind": _fence_record.WRITERS, "since": TIME},
    "units": [{"name": "w.service", "active": "active", "enabled": "enabled", "start": True, "folder": False}],
    "crontabs": [{"path": "/c", "uid": 0, "gid": 0, "mode": 384, "mtime_ns": 5, "content": ""}],
    "containers": [{"name": "c", "engine": "docker", "running": True, "restart": "no"}],
}
CAPABILITY: Document = {
    **{"engine": "mariadb", "version": "10.11.19-MariaDB", "collations": ["utf8mb4_general_ci"], "schemas": ["lab"]},
    **{"accounts": ["a@b"], "data_bytes": 5, "free_bytes": 5, "client": "mariadb 15", "sandbox": True},
    "variables": {"max_allowed_packet": "1024", "event_scheduler": "OFF"},
}
REFERENCE: Document = {
    **{"used": True, "dataset": "data", "path": "a/b", "size": 5, "is_folder": False, "kind": "blob"},
    **{"contents_hash": "0" * 32, "schema": "lab", "store": "s", "hash": "00"},
}
HEADER: Document = {
    "unreadable": 0,
    "stores": {
        "s": {
            **{"location": "/l", "dataset": "data", "relative_root": "r", "how": "probed", "layouts": ["2.x"]},
            "subfolding": {"lab": [2, 2]},
        }
    },
}
# What status.yml read on a server where nothing ever happened.
SERVER: Document = {
    "backup_plan": [{"name": "tatchu", "server": "loki"}],
    "status_runs": {"runs": [], "unreadable": []},
}


def paths(node: t.Any, path: Path = ()) -> t.Iterator[Path]:
    """Where every node of a document is, itself not counted."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from paths(value, (*path, key))


def falsified(document: Document) -> t.Iterator[Document]:
    """The document with each node replaced, and with each name left out."""
    for path in paths(document):
        for value in (*VALUES, paths):  # the function stands for nothing at all
            false = copy.deepcopy(document)
            node: t.Any = false
            for key in path[:-1]:
                node = node[key]
            if value is not paths:
                node[path[-1]] = copy.deepcopy(value)
            else:
                del node[path[-1]]
            yield false


def survives(document: Document, use: t.Callable[[Document], object]) -> None:
    use(copy.deepcopy(document))
    for false in falsified(document):
        try:
            use(false)
        except BackupError as error:
            assert error.message
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} of {json.dumps(false)}") from error


def written(path: pathlib.Path, document: t.Any) -> str:
    path.write_text(json.dumps({"schema_version": _document.SCHEMA_VERSION, **document}))
    return str(path)


def slurped(document: Document) -> Document:
    content = base64.b64encode(_document.encode(document)).decode()
    return {"content": content, "source": "/x", "item": {"name": "tatchu"}}


def test_manifest_of_a_dump_set() -> None:
    def use(manifest: Document) -> None:
        if _dump_manifest.problems(manifest, DUMP):
            return
        _datajoint.key_tables(manifest)
        _loss.comparable(manifest, "mariadb", "10.11.19-MariaDB")
        inventory = {kind: [] for kind in ("tables", "views", "sequences", "triggers", "routines", "events")}
        _dump_manifest.object_problems(manifest, dict.fromkeys(manifest["schemas"], inventory))
        _dump_manifest.recount_problems(manifest, Reader())
        _dump_manifest.dump_options(manifest)
        for name in manifest["schemas"]:
            _loss.schema_gone(manifest, name, _loss.LOST)
        sorted({*manifest.get("definers", ())} - {*manifest.get("accounts", ())})

    survives(MANIFEST, use)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("files", "databases.sql"), 5, "the size of databases.sql is missing"),
        (("digests",), ["x"], 'digests is ["x"], not a mapping'),
        (("digests", "lab", "scan"), 5, "digests.lab.scan is 5, not a SHA-256"),
        (("structures", "lab"), None, "structures.lab is null, not a mapping"),
        (("schemas", "lab"), None, "schemas.lab is null, not a mapping"),
        (("schemas", "lab", "views"), {"v": 1}, 'schemas.lab.views is {"v": 1}, not a list'),
        (("foreign_keys", 0, "references"), [], "foreign_keys[0].references is [], not a mapping"),
        (("references", "files"), "3", 'references.files is "3", not a whole number'),
    ],
)
def test_a_false_manifest_is_told_with_its_field(tmp_path: pathlib.Path, path: Path, value: t.Any, said: str) -> None:
    false = copy.deepcopy(MANIFEST)
    node: t.Any = false
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    (tmp_path / DUMP).mkdir()
    written(tmp_path / DUMP / "manifest.json", false)
    assert _dump_set.find(str(tmp_path)) == ([], [DUMP])
    with pytest.raises(BackupError, match="is no dump set") as refused:
        _dump_set.open_set(str(tmp_path / DUMP))
    assert said in refused.value.what and DUMP in refused.value.what


def test_seal() -> None:
    def use(document: Document) -> None:
        _point.check(document, ID)
        marked = _point.with_marks(document, [{"mark": "checked", "point": ID, "made": ID, "archive": "a"}])
        for wanted in ("latest", ID, "2027-01-01T00:00:00Z"):
            _point.select([marked], wanted, NOW)
        _drill.with_drill({}, "tatchu", {"point": ID, "ok": True}, [marked])
        _drill.drill_choice([marked], {}, "seed", "", 1.0, TIME)
        _recovery_points._comment(document)
        told = {"results": [{"item": {"name": "tatchu"}, "points": [marked], "unreadable": []}]}
        _status.lines(_status.document({"loki": {**SERVER, "status_points": told}}, ["loki"], TIME))

    survives(POINT, use)


def test_history_in_the_cache(tmp_path: pathlib.Path) -> None:
    earlier = "20261122T023000Z-77b0aa"
    seal = {"archive": f"point-{ID}", "archive_id": SHA, "repository_id": SHA}
    points = [{**POINT, "point": point, "seal": seal, "marks": []} for point in (earlier, ID)]
    document = {
        "seal": seal,
        "before": {"data": SHA},
        "facts": {
            "datasets": {"data": {"files": 3, "bytes": 5}, "database": {"files": None, "bytes": None}},
            **{"database": "database", "tables": {"lab.scan": 3}, "key_tables": ["lab.scan"]},
        },
        "steps": {"data": {"before": earlier, "counts": dataclasses.asdict(_history.Step(files=30, removed=30))}},
    }
    limits = _history.Limits(percent=5.0, files=20)

    def use(false: Document) -> None:
        known = _recovery_history._cached(written(tmp_path / "h", false), points[1], {"data": points[0]})
        if known is None:
            raise BackupError("it is compared again")
        facts = dict.fromkeys((earlier, ID), known["facts"])
        steps = {dataset: (one["before"], _history.Step(**one["counts"])) for dataset, one in known["steps"].items()}
        _history.tell(points, facts, {ID: steps}, key_tables=[], limits=limits)

    survives(document, use)


def test_run_in_the_ledger(tmp_path: pathlib.Path) -> None:
    def use(document: Document) -> None:
        written(tmp_path / f"{ID}.json", document)
        runs, _unreadable = _ledger.newest(str(tmp_path), 9, jobs=_run.JOBS, boot_id="b")
        told = {"status_runs": {"runs": runs, "unreadable": []}}
        _status.lines(_status.document({"loki": {**SERVER, **told}}, ["loki"], TIME))
        _run.superfluous([(run, 5) for run in runs], keep_runs=0, keep_bytes=0)
        about: Document = {"job": "backup", "sources": [], "release": ""}
        _ledger.begin(str(tmp_path), "20261124T023000Z-77b0aa", **about)
        _ledger.end(*(str(tmp_path), ID, "failure"), now=datetime.now(UTC), outcomes=[], points=[], message="", **about)

    survives(RUN, use)


def test_generation(tmp_path: pathlib.Path) -> None:
    document = {"generation": 3, "state": "writing", "started": TIME, "dump_set": None, "run_id": ID, "marker": "m"}

    def use(false: Document) -> None:
        path = written(tmp_path / "g", {**false, "checksummed": TIME} if len(false) == len(document) else false)
        _generation.read(path)
        _generation.complete(path, 3, finished=TIME, files=1, total_bytes=1)
        _generation.begin(path, started=TIME, dump_set=None, run_id=None)

    survives(document, use)


def test_marker_hold_and_root(tmp_path: pathlib.Path) -> None:
    expected = _marker.Expected(_marker.NAME, "tatchu", "data")
    marker = {"source": "tatchu", "dataset": "data", "id": "0" * 32}
    survives(marker, lambda false: _marker.identify(false, expected, "x"))

    def hold(false: Document) -> None:
        found = _hold.read(written(tmp_path / "hold", false))
        assert found is not None
        _hold.text(found)
        held = {"status_holds": {"holds": [{"reason": "", **found}]}}
        _status.lines(_status.document({"loki": {**SERVER, **held}}, ["loki"], TIME))

    survives({"source": "tatchu", "incident": ID, "since": TIME, "reason": "why"}, hold)

    def root(false: Document) -> None:
        (tmp_path / "root").mkdir(exist_ok=True)
        written(tmp_path / "root" / _root.NAME, {"id": "i"})
        _root.check(_root.Root(str(tmp_path / "root"), written(tmp_path / "own", false), 0, 0))

    survives({"id": "i"}, root)


def test_journal(tmp_path: pathlib.Path) -> None:
    def use(false: Document) -> None:
        journal = _journal.load(written(tmp_path / "j", false))
        assert journal is not None
        _journal_model.finished(journal)
        _journal_model.rates([journal])
        _journal_model.note(journal, now=datetime.now(UTC), step="data.push", step_state="failed", event="e")
        _incident_report.incident_report(journal)

    survives(JOURNAL, use)


def test_evidence_of_checks_and_drills() -> None:
    plan = [{"name": "tatchu", "server": "loki", "datasets": [{"name": "data", "kind": "files"}]}]

    def checks(false: Document) -> None:
        _evidence.checks(false, "x")
        _checks.verify_pieces(plan, "loki", [slurped(false)])
        for kind in _checks.kinds("files"):
            state = _checks.begun(_checks.known(false, "data", kind), TIME)
            _checks.advanced(state, now=TIME, share=0.5, finished=True, finding="")
            state["cursor"].get("path"), state["passed"].get("x", ""), float(state.get("rate") or 1)

    def drills(false: Document) -> None:
        _evidence.drills(false, "x")
        _drill.drill_rates(slurped(false))
        _drill.drills_of(slurped(false))
        _drill.with_drill(false, "tatchu", {"point": ID}, [])

    survives(CHECKS, checks)
    survives(DRILLS, drills)
    verdict = {"at": TIME, "verdict": "ok", "items": [{"item": "pull", "state": "ok", "value": "v"}]}
    survives(verdict, lambda false: _evidence.readiness(false, "x"))


@pytest.mark.parametrize("record", [FENCE_DATABASE, FENCE_WRITERS], ids=["database", "writers"])
def test_records_of_fences(tmp_path: pathlib.Path, record: Document) -> None:
    def use(false: Document) -> None:
        found = _fence_record.read(written(tmp_path / "r", false), record["kind"])
        assert found is not None
        if record is FENCE_DATABASE:
            _fence_record.note_accounts(str(tmp_path / "r"), [("n", "h", True)])
        else:
            [one["start"] for one in found["units"]], {one["path"]: one for one in found["crontabs"]}

    survives(record, use)


def test_what_a_source_says_about_its_database_server() -> None:
    reader = Reader()
    survives(CAPABILITY, lambda false: _compatibility.judge_from_afar(reader, {"schemas": {}}, false, sandboxed=True))


def test_references(tmp_path: pathlib.Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    file = tmp_path / "references.jsonl"
    roots = {"data": {"mirror": str(mirror), "quarantine": None, "manifest": None}}

    def write(header: t.Any, line: t.Any) -> None:
        file.write_text(f"{json.dumps({'schema_version': 1, **header})}\n{json.dumps(line)}\n")

    def verify(_false: object) -> None:
        _verify_references.verify(str(file), roots, content=True, orphans=True)

    for value in VALUES:
        write(HEADER, value)
        with pytest.raises(BackupError, match=r"line 2 of .* is no reference"):
            verify(None)
    survives(REFERENCE, lambda false: verify(write(HEADER, false)))
    encoded = {name: value for name, value in REFERENCE.items() if name != "path"} | {"path_b64": "YQ=="}
    survives(encoded, lambda false: verify(write(HEADER, false)))
    survives(HEADER, lambda false: verify(write(false, REFERENCE)))


def test_quarantine(tmp_path: pathlib.Path) -> None:
    (tmp_path / ID / "1").mkdir(parents=True)
    document = {"run_id": ID, "state": "complete", "archive": "a", "files": 1, "bytes": 1, "generation": 2}

    def entries(false: Document) -> None:
        written(tmp_path / ID / _quarantine.DOCUMENT, false)
        entry = _quarantine._entry(str(tmp_path), ID)
        entry.archive, entry.age_days(datetime.now(UTC))

    def proof(false: Document) -> None:
        written(tmp_path / _quarantine.PROOF, false)
        _quarantine._covering(str(tmp_path), {"state": "complete", "generation": 5})

    survives(document, entries)
    survives({"generation": 5, "archive": "a", "covered": 5}, proof)


def test_documents_of_operations_loads_and_progress(tmp_path: pathlib.Path) -> None:
    def operation(false: Document) -> None:
        _operation._answered(written(tmp_path / "o", false), "i")

    def load(false: Document) -> None:
        for entry in _load._read_record(written(tmp_path / "l", false), "created").values():
            entry["locked"], entry["role"]
        _load._read_record(str(tmp_path / "l"), "beside")

    survives({"identity": "i", "answer": {"result": {}}}, operation)
    survives({"created": {"a@b": {"locked": True, "account": "a", "role": False}}, "beside": ["new"]}, load)
    process = _progress._identity(1)
    (tmp_path / "progress").mkdir()

    def progress(false: Document) -> None:
        written(tmp_path / "progress" / "tatchu.data.json", false)
        working = {"status_working": {"working": _progress.under_way(str(tmp_path))}}
        _status.lines(_status.document({"loki": {**SERVER, **working}}, ["loki"], TIME))

    survives({"process": process, "since": TIME, "what": "w", "bytes": 5, "total_bytes": 9}, progress)


def test_escrow_bundle(tmp_path: pathlib.Path) -> None:
    survives(
        {"server": "loki", "files": {}},
        lambda false: (written(tmp_path / _escrow_bundle.MANIFEST, false), _escrow_bundle.check(str(tmp_path), "loki")),
    )
    (tmp_path / "tatchu").mkdir()
    there = {f"tatchu/{_escrow_bundle._REPOSITORIES}": "", "tatchu/k": "", "tatchu/passphrase": ""}

    def repositories(false: Document) -> None:
        written(tmp_path / "tatchu" / _escrow_bundle._REPOSITORIES, false)
        _escrow_bundle._sources(str(tmp_path), there)

    survives({"repositories": [{"name": "data", "id": "i", "key": "k"}]}, repositories)


def test_content_manifest(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c"
    with _content_manifest.replacing(str(path), 3, dry=False) as writer:
        status = path.parent.stat()
        writer.add([_content.folder_line(b""), _content.line(b"0" * 64, b".", _content.tail(status, b"name"))])
        writer.finish({"files": 1})
    assert len(list(_content_manifest.entries(str(path)))) == 1
    lines = path.read_bytes().splitlines()
    for number in range(len(lines)):
        for value in (*map(json.dumps, VALUES), "/", "\\", "0" * 80, "{"):
            if value.encode() == lines[number]:
                continue
            false = [value.encode() if here == number else line for here, line in enumerate(lines)]
            with pytest.raises(BackupError):
                path.write_bytes(b"\n".join(false) + b"\n")
                list(_content_manifest.entries(str(path)))
    for value in VALUES:  # whole by its trailer, and yet not what it should be
        with _content_manifest.replacing(str(path), 3, dry=False) as writer:
            writer.add([_content.folder_line(b""), json.dumps([value]).encode() + b"\n"])
            writer.finish({"files": 1})
        with pytest.raises(BackupError, match="is no entry"):
            list(_content_manifest.entries(str(path)))
