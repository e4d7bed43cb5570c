# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._host import _references
from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Column, Row, Table

USER = Table("lab", "scan", "InnoDB", (Column("movie", "binary(16)", ":blob@imaging:"),), ())
NEW = Table("lab2", "scan", "InnoDB", (Column("a", "json", ":<npy@deep>:"),), ())


def tracking(store: str, schema: str = "lab") -> Table:
    columns = tuple(Column(name, "x", "") for name in _datajoint.TRACKING_COLUMNS)
    return Table(schema, f"~external_{store}", "InnoDB", columns, ())


def collect(
    folder: pathlib.Path,
    rows: t.Sequence[tuple[Table, Row]],
    stores: dict[str, str] | None = None,
    **datasets: pathlib.Path,
) -> tuple[dict[str, t.Any], dict[str, t.Any], list[dict[str, t.Any]]]:
    file = folder / "references.jsonl"
    references = _references.References(str(folder))
    with contextlib.closing(references):
        for table, row in rows:
            references.take_row(table, row)
        totals = references.write(str(file), stores or {}, {name: str(path) for name, path in datasets.items()})
    assert [entry.name for entry in folder.iterdir() if entry.name.startswith(".")] == []
    header, *lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    return totals, header["stores"], lines


def put(path: pathlib.Path, content: bytes) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.md5(content).digest()


def blob(top: pathlib.Path, content: bytes, *lengths: int) -> bytes:
    digest = hashlib.md5(content).digest()
    name, folders, start = digest.hex(), [], 0
    for length in lengths:
        folders.append(name[start : start + length])
        start += length
    return put(top.joinpath("lab", *folders, name), content)


def test_stores_and_their_layout_are_found_where_their_files_lie(tmp_path: pathlib.Path) -> None:
    top = tmp_path / "blobs"
    digests = [blob(top / "cache" / "imaging_files", b"x" * number, 1, 3) for number in (1, 2, 3)]
    rows: list[tuple[Table, Row]] = [
        (tracking("imaging"), (digest, b"%d" % size, None, None, None)) for size, digest in enumerate(digests, 1)
    ]
    rows.append((USER, (digests[0],)))
    work = tmp_path / "work"
    work.mkdir()
    totals, stores, lines = collect(work, rows, blobs=top, data=tmp_path / "data")
    assert stores["imaging"]["how"] == "probed"
    assert stores["imaging"]["relative_root"] == "cache/imaging_files"
    assert stores["imaging"]["subfolding"] == {"lab": [[1, 3]]}
    assert {(top / line["path"]).stat().st_size for line in lines} == {1, 2, 3}
    assert [line["used"] for line in lines].count(True) == 1
    assert (totals["files"], totals["bytes"], totals["used"], totals["unresolved"]) == (3, 6, 1, 0)


def test_a_store_that_changed_its_layout_has_both(tmp_path: pathlib.Path) -> None:
    top = tmp_path / "blobs"
    rows: list[tuple[Table, Row]] = []
    for size, lengths in ((1, (2, 2)), (2, ()), (3, (2, 2))):
        digest = blob(top, b"y" * size, *lengths)
        rows.append((tracking("imaging"), (digest, b"%d" % size, None, None, None)))
    work = tmp_path / "work"
    work.mkdir()
    _totals, stores, lines = collect(work, rows, {"imaging": str(top)}, blobs=top)
    assert (stores["imaging"]["how"], stores["imaging"]["subfolding"]["lab"]) == ("inventory", [[2, 2], []])
    assert all((top / line["path"]).is_file() for line in lines)


def test_attachments_and_files_of_two_schemas(tmp_path: pathlib.Path) -> None:
    top = tmp_path / "data"
    put(top / "sub é" / "a.npy", b"raw")
    key = hashlib.md5("sub é/a.npy".encode()).digest()
    row: Row = (key, b"3", None, "sub é/a.npy".encode(), b"\1" * 16)
    work = tmp_path / "work"
    work.mkdir()
    _totals, stores, lines = collect(work, [(tracking("raw"), row), (tracking("raw", "lab2"), row)], data=top)
    assert stores["raw"]["relative_root"] == ""
    (line,) = lines
    assert (line["kind"], line["path"], line["size"], line["dataset"]) == ("filepath", "sub é/a.npy", 3, "data")
    assert line["contents_hash"] == "01" * 16


def test_what_cannot_be_found_is_unresolved(tmp_path: pathlib.Path) -> None:
    outside = tmp_path / "outside"
    digest = blob(outside, b"z", 2, 2)
    rows: list[tuple[Table, Row]] = [
        (tracking("lost"), (b"\2" * 16, b"5", None, None, None)),
        (tracking("elsewhere"), (digest, b"1", None, None, None)),
        (tracking("raw"), (b"\3" * 16, b"5", None, b"../../etc/passwd", None)),
        (USER, (b"\4" * 16,)),
        (NEW, (b"not json",)),
    ]
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "data").mkdir()
    given = {"elsewhere": str(outside), "raw": str(tmp_path / "data")}
    totals, stores, lines = collect(work, rows, given, data=tmp_path / "data")
    assert (stores["lost"]["how"], stores["lost"]["location"]) == ("unknown", None)
    assert stores["elsewhere"]["dataset"] is None
    assert all("dataset" not in line for line in lines)
    assert [line["kind"] for line in lines] == ["blob", "blob", "filepath", "dangling"]
    assert (totals["unresolved"], totals["unreadable"]) == (1, 1)


def test_references_in_json_columns(tmp_path: pathlib.Path) -> None:
    top = tmp_path / "blobs"
    put(top / "deep" / "_schema" / "a.npy", b"1234")
    described = json.dumps({"path": "_schema/a.npy", "store": "deep", "dtype": "f8"}).encode()
    work = tmp_path / "work"
    work.mkdir()
    totals, stores, lines = collect(work, [(NEW, (described,)), (NEW, (described,)), (NEW, (None,))], blobs=top)
    assert (stores["deep"]["how"], stores["deep"]["layouts"]) == ("probed", ["2.x"])
    (line,) = lines
    assert (line["path"], line["kind"], line["used"], "size" in line) == ("deep/_schema/a.npy", "npy", True, False)
    assert totals["unresolved"] == 0
