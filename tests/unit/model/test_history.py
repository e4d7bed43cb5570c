# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import hashlib
import random
import stat
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _history

LIMITS = _history.Limits(5.0, 20)
FILE, FOLDER, SOCKET = stat.S_IFREG | 0o640, stat.S_IFDIR | 0o755, stat.S_IFSOCK | 0o700
Tree = dict[bytes, tuple[int, bytes]]


class Status(t.NamedTuple):
    st_mode: int
    st_size: int
    st_uid: int = 0
    st_gid: int = 0
    st_mtime_ns: int = 5
    st_ctime_ns: int = 6
    st_ino: int = 7


def lines(tree: Tree, **touched: int) -> list[bytes]:
    """A content manifest without its header: folders and files by path, each with mode and content."""
    whole = {b"": (FOLDER, b""), **tree}
    for path in tree:
        for end in range(len(path)):
            if path[end : end + 1] == b"/":
                whole.setdefault(path[:end], (FOLDER, b""))
    found = []
    for folder in sorted((path for path, (mode, _) in whole.items() if stat.S_ISDIR(mode)), key=_content.order):
        found.append(_content.folder_line(folder))
        for path in sorted(whole):
            above, _, name = path.rpartition(b"/")
            if path and above == folder:
                mode, content = whole[path]
                digest = hashlib.sha256(content).hexdigest().encode() if stat.S_ISREG(mode) else _content.NO_CONTENT
                status = Status(mode, len(content))._replace(**touched)
                found.append(_content.line(digest, _content.GOOD, _content.tail(status, name)))
    return [*found, b'{"files": 1}\n']


def reader(text: list[bytes]) -> _history.Line:
    left = iter(text)
    return lambda: next(left, b"")


def step(before: Tree, after: Tree, **touched: int) -> _history.Step:
    return _history.step(reader(lines(before)), reader(lines(after, **touched)), {"files": len(before)})


def files(*names: str, content: bytes = b"12345") -> Tree:
    return {name.encode(): (FILE, content) for name in names}


def test_a_step_counts_what_came_went_and_changed() -> None:
    before = files("a", "b", "sub/c", "sub/deep/d", "z/e") | {b"pipe": (stat.S_IFIFO | 0o600, b"")}
    after = files("a", "sub/c", "new/f", "z/e") | files("sub/deep/d", content=b"other")
    found = step(before, after)
    assert dataclasses.asdict(found) == {
        "files": 6,
        "bytes": 0,
        "added": 1,
        "added_bytes": 5,
        "removed": 2,
        "removed_bytes": 5,
        "moved": 1,
        "changed": 1,
        "metadata": 0,
    }


def test_a_folder_that_was_moved_is_no_loss() -> None:
    def numbered(folder: str, count: int) -> Tree:
        return {f"{folder}/{number}".encode(): (FILE, b"%d" % number) for number in range(count)}

    found = step(numbered("old", 60), numbered("new", 50))
    assert (found.removed, found.added, found.moved) == (60, 50, 50)
    assert _history.suspicions(found, LIMITS) == []
    assert _history.suspicions(step(numbered("old", 60), numbered("new", 40)), LIMITS) == [
        "20 of 60 files removed (33.3 %)"
    ]


def test_what_the_mirror_alone_knows_is_no_change() -> None:
    tree = files("a", "sub/b")
    assert step(tree, tree, st_ctime_ns=99, st_ino=98) == _history.Step(files=2)
    assert step(tree, tree, st_mtime_ns=99) == _history.Step(files=2, metadata=2)


def test_a_step_finds_what_the_diff_of_all_entries_finds() -> None:
    """The fast comparison against the plain one, over random trees with names that sort badly."""
    chance = random.Random(7)
    names = [b"a", b"a-b", b"a.b", b"a b", b"ab", b"a\nb", b"a\\b", b"\xff", b"A", b"~"]
    for _round in range(150):
        trees = []
        for _side in range(2):
            tree: Tree = {}
            for _entry in range(chance.randrange(12)):
                path = b"/".join(chance.choices(names, k=chance.randrange(1, 4)))
                taken = any(path.startswith(one + b"/") or one.startswith(path + b"/") or one == path for one in tree)
                if not taken:
                    tree[path] = (chance.choice([FILE, FILE, FOLDER]), chance.choice([b"1", b"2"]))
            trees.append(tree)
        expected = {"added": 0, "removed": 0, "content": 0, "metadata": 0}
        for change in _content.diff(*(entries(lines(tree)) for tree in trees)):
            expected[change.kind] += 1
        found = step(*trees)
        assert {
            "added": found.added,
            "removed": found.removed,
            "content": found.changed,
            "metadata": found.metadata,
        } == expected


def entries(text: list[bytes]) -> t.Iterator[tuple[bytes, _content.Entry]]:
    folder = b""
    for line in text:
        if line.startswith(b"/"):
            folder = _content.folder_in(line)
        elif _content.is_entry(line):
            entry = _content.decode(line)
            yield (folder + b"/" + entry.name if folder else entry.name), entry


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        (_history.Step(files=1000, removed=51), ["51 of 1000 files removed (5.1 %)"]),
        (_history.Step(files=1000, removed=50, changed=50), []),
        (_history.Step(files=100, removed=19, changed=20), ["20 of 100 files changed (20.0 %)"]),
        (_history.Step(files=19, removed=19), []),
        (_history.Step(files=0, added=1000), []),
        (_history.Step(files=1000, metadata=1000, added=5000), []),
    ],
)
def test_many_removed_or_changed_files_are_suspicious(found: _history.Step, reasons: list[str]) -> None:
    assert _history.suspicions(found, LIMITS) == reasons


# ---------------------------------------------------------------------------------------------------------- tables


def test_a_table_that_is_gone_and_fewer_rows_of_a_key_table_are_suspicious() -> None:
    before = {"lab.subject": 5, "lab._scan": 5, "lab.gone": 7, "lab.~log": 9, "lab.~~scan": 1, "lab.~external_x": 1}
    after = {"lab.subject": 3, "lab._scan": 4, "lab.new": 1, "lab.~log": 2}
    found, reasons = _history.table_step(before, after, {"lab.subject"})
    assert found == {
        "rows": 28,
        "rows_after": 10,
        "new": ["lab.new"],
        "vanished": ["lab.gone", "lab.~external_x"],
        "fewer": [
            {"table": "lab._scan", "before": 5, "after": 4},
            {"table": "lab.subject", "before": 5, "after": 3},
        ],
    }
    assert reasons == [
        {"table": "lab.gone", "reason": "the table is gone; it had 7 rows"},
        {"table": "lab.~external_x", "reason": "the table is gone; it had 1 rows"},
        {"table": "lab.subject", "reason": "2 of 5 rows are gone"},
    ]


# ------------------------------------------------------------------------------------------------------ the history


def point(number: int, state: str = "complete") -> dict[str, t.Any]:
    return {"point": f"2026112{number}T023000Z-000000", "state": state}


def facts(tables: dict[str, int] | None, *datasets: str) -> dict[str, t.Any]:
    return {
        "datasets": {name: {"files": 100, "bytes": 1} for name in datasets},
        "database": "database" if "database" in datasets else None,
        "tables": tables,
        "key_tables": ["lab.subject"],
    }


def tell(
    points: list[dict[str, t.Any]],
    found: list[dict[str, t.Any]],
    steps: dict[int, dict[str, _history.Step]],
    key_tables: t.Sequence[str] = (),
) -> dict[str, t.Any]:
    names = [one["point"] for one in points]
    between = {
        names[at]: {dataset: (names[at - 1], one) for dataset, one in by_dataset.items()}
        for at, by_dataset in steps.items()
    }
    by_point = dict(zip(names, found, strict=True))
    return _history.tell(points, by_point, between, key_tables=key_tables, limits=LIMITS)


def test_the_newest_intact_point_is_the_one_before_the_latest_suspicious_step() -> None:
    points = [point(1), point(2), point(3, "partial"), point(4), point(5)]
    loss, calm = _history.Step(files=100, removed=40), _history.Step(files=100)
    told = tell(
        points,
        [facts(None, "blobs", "data")] * 5,
        {1: {"blobs": loss, "data": calm}, 2: {"blobs": calm}, 3: {"blobs": loss, "data": calm}, 4: {"blobs": calm}},
    )
    assert told["newest_intact"] == {"blobs": points[1]["point"], "data": points[4]["point"]}
    assert [(alarm["before"], alarm["after"]) for alarm in told["suspicious"]] == [
        (points[2]["point"], points[3]["point"]),
        (points[0]["point"], points[1]["point"]),
    ]
    assert [entry["point"] for entry in told["points"]] == [one["point"] for one in reversed(points)]
    assert [len(entry["suspicious"]) for entry in told["steps"] if entry["dataset"] == "blobs"] == [0, 1, 0, 1]


def test_a_dataset_of_which_no_complete_point_was_before_the_loss_has_none_intact() -> None:
    points = [point(1, "partial"), point(2)]
    told = tell(points, [facts(None, "blobs")] * 2, {1: {"blobs": _history.Step(files=100, removed=100)}})
    assert told["newest_intact"] == {"blobs": None}


def test_the_database_is_judged_by_its_tables() -> None:
    points = [point(1), point(2), point(3), point(4)]
    other_set = _history.Step(files=100, removed=100, added=100)
    rows = [{"lab.subject": 5, "lab.x": 1}, {"lab.subject": 6, "lab.x": 1}, {"lab.subject": 2, "lab.x": 1}]
    told = tell(
        points,
        [*(facts(one, "database") for one in rows), facts({"lab.subject": 2, "lab.x": 9}, "database")],
        {at: {"database": other_set} for at in (1, 2, 3)},
    )
    assert all(not entry["suspicious"] for entry in told["steps"])
    assert told["newest_intact"] == {"database": points[1]["point"]}
    assert told["key_tables"] == {"lab.subject": {"rows": 2, "newest_intact": points[1]["point"]}}
    assert told["suspicious"] == [
        {
            "before": points[1]["point"],
            "after": points[2]["point"],
            "dataset": "database",
            "table": "lab.subject",
            "reason": "4 of 6 rows are gone",
        }
    ]


def test_a_point_without_a_dump_set_is_passed_over() -> None:
    points = [point(1), point(2, "partial"), point(3)]
    told = tell(
        points,
        [facts({"lab.a": 5}, "database"), facts(None, "blobs"), facts({}, "database")],
        {},
        ["lab.a", "lab.never"],
    )
    assert told["suspicious"][0]["before"] == points[0]["point"]
    assert told["unknown_key_tables"] == ["lab.never"]
    assert told["key_tables"]["lab.a"] == {"rows": None, "newest_intact": points[0]["point"]}
    assert [entry["tables"] for entry in told["points"]] == [{"tables": 0, "rows": 0}, None, {"tables": 1, "rows": 5}]
    lacking = [entry["missing_key_tables"] for entry in told["points"]]
    assert lacking == [["lab.a", "lab.never"], None, ["lab.never"]]


def test_without_points_there_is_no_history() -> None:
    told = tell([], [], {})
    assert told["points"] == [] and told["newest_intact"] == {} and told["suspicious"] == []


# ------------------------------------------------------------------------------------------------- which points have


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("sub", b"sub", True),
        ("sub", b"sub/a/b", True),
        ("/sub/", b"sub/a", True),
        ("sub", b"subway", False),
        ("sub/*.tif", b"sub/a.tif", True),
        ("sub/*.tif", b"sub/deep/a.tif", False),
        ("sub/**.tif", b"sub/deep/a.tif", True),
        ("*/a", b"x/a", True),
        ("a?", b"ab", True),
        ("a?", b"a/", False),
        ("[ab]", b"a", True),
        ("[!ab]", b"a", False),
        ("[!ab]", b"c/below", True),
        ("x[!a]y", b"x/y", False),
        ("[^a]", b"^", True),
        ("[]a]", b"]", True),
        ("[a-c]x", b"bx", True),
        ("a.b", b"axb", False),
        ("new*", b"new\nline", True),
        ("n\udcff", b"n\xff", True),
    ],
)
def test_patterns(pattern: str, path: bytes, meant: bool) -> None:
    assert _history.Sought(pattern).matches(path) is meant


@pytest.mark.parametrize("pattern", ["", "/", "../x", "a/../../b", "[z-a]"])
def test_what_is_no_path_in_a_dataset_is_refused(pattern: str) -> None:
    with pytest.raises(BackupError, match=r"no path in a dataset|no pattern for paths"):
        _history.Sought(pattern)


@pytest.mark.parametrize("pattern", ["sub/deep/*.x", "sub", "*", "**/d.x", "sub/deep"])
def test_what_a_point_holds_does_not_depend_on_which_folders_are_looked_into(pattern: str) -> None:
    tree = files("sub/deep/d.x", "sub/deep/e", "sub/f", "subway/g", "h")
    found = _history.holdings(reader(lines(tree)), _history.Sought(pattern))
    every = [path for path, entry in entries(lines(tree)) if _history.Sought(pattern).matches(path)]
    assert found["examples"] == [path.decode() for path in every]
    assert found["files"] + found["folders"] == len(every)


def test_the_digest_tells_other_content() -> None:
    sought = _history.Sought("sub")
    first, same, other = (
        _history.holdings(reader(lines(tree, **touched)), sought)
        for tree, touched in (
            (files("sub/a", "x"), {}),
            (files("sub/a", "y"), {"st_mtime_ns": 9}),
            (files("sub/a", content=b"12346"), {}),
        )
    )
    assert first["digest"] == same["digest"] != other["digest"]
    assert (first["files"], first["folders"], first["bytes"]) == (1, 1, 5)
