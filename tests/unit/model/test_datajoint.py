# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Column, ForeignKey, Table


def table(name: str, *columns: Column, keys: tuple[ForeignKey, ...] = ()) -> Table:
    return Table("lab", name, "InnoDB", columns, keys)


TRACKING = table(
    "~external_raw", *(Column(name, "binary(16)", "") for name in (*_datajoint.TRACKING_COLUMNS, "timestamp"))
)


def test_store_columns_are_found_by_comment_and_by_foreign_key() -> None:
    mixed = table(
        "scan",
        Column("id", "int", ":blob@no: not a hash"),
        Column("movie", "binary(16)", ":blob@imaging:the movie"),
        Column("adapted", "binary(16)", ":graph:"),
        Column("new", "longtext", ":<npy@store2>:"),
        Column("newer", "json", ":<blob@>:"),
        keys=(ForeignKey("k", ("adapted",), "lab", "~external_ephys", ("hash",)),),
    )
    assert _datajoint.uses(mixed) == [
        _datajoint.TrackedUse("movie", "lab", "imaging"),
        _datajoint.DirectUse("new", "npy", "store2"),
        _datajoint.DirectUse("newer", "blob", ""),
        _datajoint.TrackedUse("adapted", "lab", "ephys"),
    ]
    assert _datajoint.wanted_columns(mixed) == ("movie", "new", "newer", "adapted")
    assert _datajoint.tracking_store(TRACKING) == "raw"
    assert _datajoint.wanted_columns(TRACKING) == _datajoint.TRACKING_COLUMNS
    assert _datajoint.wanted_columns(table("~log", Column("id", "int", ""))) == ()


def test_rows_tell_which_schemas_refer_to_files_named_by_their_content() -> None:
    digits, hashed = "a44c59492b3a2e6e94648e4d1f5d822e", "a" * 26
    blob, attachment = f"ephys/lab/a4/4c/{digits}", f"lab/{digits}.notes 0.tar.gz"
    files = [("blobs", path.encode()) for path in (blob, attachment, f"x/_hash/lab/{hashed}", f"other/{digits}")]
    looked_up = _datajoint.Referrers(files)
    user = Table(
        "new",
        "scan",
        "InnoDB",
        (Column("movie", "binary(16)", ""), Column("wave", "json", ":<blob@>:")),
        (ForeignKey("k", ("movie",), "lab", "~external_ephys", ("hash",)),),
    )
    assert looked_up.wanted(user) == ("wave", "movie")
    assert looked_up.wanted(TRACKING) == (), "a row that only tracks a file does not use it"
    looked_up.take_row(user, (b'{"path": "_hash/lab/' + hashed.encode() + b'"}', bytes.fromhex(digits)))
    looked_up.take_row(user, (b"no json", None))
    looked_up.take_row(user, (b'{"path": "_hash/elsewhere/' + hashed.encode() + b'"}', b"\0" * 16))
    assert looked_up.by_schema == {"new": {*files[:3]}}


def test_paths_follow_kind_and_subfolding() -> None:
    digest = bytes.fromhex("a44c59492b3a2e6e94648e4d1f5d822e")
    blob = _datajoint.tracked_file((digest, b"9", None, None, None))
    assert (blob.kind, blob.path("lab", (2, 2))) == ("blob", b"lab/a4/4c/a44c59492b3a2e6e94648e4d1f5d822e")
    assert blob.path("lab", (1, 3)) == b"lab/a/44c/a44c59492b3a2e6e94648e4d1f5d822e"
    assert blob.path("lab", ()) == b"lab/a44c59492b3a2e6e94648e4d1f5d822e"
    attachment = _datajoint.tracked_file((digest, b"9", b"notes 0.tar.gz", None, None))
    assert attachment.path("lab", (2,)) == b"lab/a4/a44c59492b3a2e6e94648e4d1f5d822e.notes 0.tar.gz"
    file = _datajoint.tracked_file((digest, b"9", None, "sub/é.npy".encode(), None))
    assert (file.kind, file.path("lab", (2, 2))) == ("filepath", "sub/é.npy".encode())


def test_what_json_says_about_a_file() -> None:
    use = _datajoint.DirectUse("a", "object", "")
    value = json.dumps({"path": "_schema/x", "store": None, "size": 5, "is_dir": True})
    assert _datajoint.direct_file(use, value.encode()) == _datajoint.DirectFile(
        "", b"_schema/x", 5, "object", None, True
    )
    assert _datajoint.direct_file(use, b"{") is None
    assert _datajoint.direct_file(use, b'{"store": "s"}') is None


@pytest.mark.parametrize(
    "value",
    [
        b'{"path": "a\\ud800"}',
        b'{"path": "a", "store": "\\ud800"}',
        b'{"path": "a", "hash": "\\udc80"}',
        b'{"path": "a", "size": 9223372036854775808}',
        b'{"path": "a", "size": -1}',
        b'{"path": "a", "size": ' + b"9" * 5000 + b"}",
        b'{"path": ' + b"[" * 200_000,
        b"\xff",
    ],
)
def test_odd_json_describes_no_file(value: bytes) -> None:
    assert _datajoint.direct_file(_datajoint.DirectUse("a", "object", "raw"), value) is None


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/data", ("data", "")),
        ("/data/", ("data", "")),
        ("/data/a/b", ("data", "a/b")),
        ("/data/blobs/x", ("blobs", "x")),
        ("/database", None),
        ("/", None),
    ],
)
def test_a_location_belongs_to_the_innermost_dataset(location: str, expected: tuple[str, str] | None) -> None:
    assert _datajoint.place(location, {"data": "/data", "blobs": "/data/blobs/"}) == expected


def test_paths_survive_the_reference_file_whatever_their_bytes() -> None:
    for path in ("é x".encode(), b"\xff\xfe", b"a\nb"):
        assert _datajoint.reference_path(json.loads(_datajoint.encode_reference(path, size=1))) == path
    assert _datajoint.reference_path(json.loads(_datajoint.encode_reference(None, size=1))) is None


def test_paths_that_leave_their_store_are_not_inside() -> None:
    assert _datajoint.inside(b"a/..b")
    assert not any(_datajoint.inside(path) for path in (b"", b"/etc/passwd", b"../x", b"a/../../x", b"a\0"))


def test_schemas_of_datajoint_are_recognised() -> None:
    assert _datajoint.is_datajoint([TRACKING])
    assert _datajoint.is_datajoint([table("~~scan")])
    assert _datajoint.is_datajoint([table("x", Column("a", "json", ":<blob@>:"))])
    assert not _datajoint.is_datajoint([table("x", Column("a", "int", "a: b"))])


def manifest(datajoint: bool, keys: list[tuple[str, str]]) -> dict[str, t.Any]:
    tables = ["#species", "#unused", "subject", "subject__allele", "_scan", "__motion", "~log", "~external_x"]
    return {
        "schemas": {"lab": {"datajoint": datajoint}, "web": {"datajoint": False}},
        "tables": {"lab": dict.fromkeys(tables, 1), "web": {"page": 1, "site": 1}},
        "foreign_keys": [
            {"schema": "lab", "table": child, "references": {"schema": "lab", "table": parent}}
            for child, parent in keys
        ],
    }


KEYS = [("subject", "#species"), ("subject__allele", "subject"), ("_scan", "subject"), ("__motion", "_scan")]


def test_key_tables_are_those_that_nothing_computes_again_the_most_needed_first() -> None:
    assert _datajoint.key_tables(manifest(True, [*KEYS, ("subject", "subject"), ("_scan", "~external_x")])) == [
        "lab.#species",
        "lab.subject",
        "lab.subject__allele",
    ]


def test_key_tables_without_datajoint_are_those_that_others_need_or_all() -> None:
    assert _datajoint.key_tables(manifest(False, KEYS)) == ["lab.#species", "lab.subject", "lab._scan"]
    assert len(_datajoint.key_tables(manifest(False, []))) == 10


HASH = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("reference", "path", "expected"),
    [
        ({"kind": "blob"}, f"s/01/23/{HASH}", (b"", bytes.fromhex(HASH))),
        ({"kind": "attach"}, f"s/{HASH}.a b.tar.gz", (b"a b.tar.gz\0", bytes.fromhex(HASH))),
        ({"kind": "blob"}, "explicit/place", None),
        ({"kind": "filepath"}, f"raw/{HASH}", None),
        ({"kind": "filepath", "contents_hash": HASH}, "raw/a", (b"", bytes.fromhex(HASH))),
        ({"kind": "hash", "contents_hash": "aerukz4jvpg66ajdivtytk6n54"}, "_hash/x", (b"", bytes.fromhex(HASH))),
        ({"kind": "hash", "contents_hash": "not a hash"}, "_hash/x", None),
        ({"kind": "npy"}, "_schema/x.npy", None),
    ],
)
def test_what_tells_the_content_of_a_file(
    reference: dict[str, str], path: str, expected: tuple[bytes, bytes] | None
) -> None:
    assert _datajoint.expected_content(reference, path.encode()) == expected


def test_a_table_that_only_looks_like_tracking_is_none() -> None:
    columns = [Column(name, "binary(16)", "") for name in _datajoint.TRACKING_COLUMNS]
    assert _datajoint.tracking_store(table("~external_raw", *columns)) == "raw"
    assert _datajoint.tracking_store(table("~external_raw", *columns[1:])) is None
    assert _datajoint.tracking_store(table("external_raw", *columns)) is None


@pytest.mark.parametrize(
    "changed",
    [{"used": "yes"}, {"size": "7"}, {"path": 7}, {"dataset": []}, {"is_folder": 1}, {"kind": {}}, {"path_b64": 7}],
)
def test_a_reference_with_a_field_of_another_kind_is_refused(changed: dict[str, t.Any]) -> None:
    good = {"used": True, "dataset": "blobs", "path": "lab/x", "size": 7, "is_folder": False, "kind": "blob"}
    assert _datajoint.decode_reference(json.dumps(good).encode(), "line 2") == good
    with pytest.raises(BackupError, match="line 2 is no reference"):
        _datajoint.decode_reference(json.dumps({**good, **changed}).encode(), "line 2")
