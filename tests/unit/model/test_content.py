# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import stat

import pytest
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.module_utils._model._content import Entry

MD5 = "abcd0123456789abcdef0123456789ef"
BASE32 = base64.b32encode(hashlib.md5(b"x").digest()).decode().rstrip("=").lower()
FILE, FOLDER, LINK = stat.S_IFREG | 0o640, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777


def entry(name: bytes = b"a", content: bytes = b"1", mode: int = FILE, mtime_ns: int = 5, **fields: int) -> Entry:
    digest = _content.NO_CONTENT if stat.S_ISDIR(mode) else hashlib.sha256(content).hexdigest().encode()
    numbers = {"uid": 0, "gid": 0, "size": len(content), "ctime_ns": 6, "inode": 7, **fields}
    return Entry(sha256=digest, flag=_content.GOOD, mode=mode, mtime_ns=mtime_ns, name=name, **numbers)


# ------------------------------------------------------------------------------------------------------------ lines


class Status:
    st_mode, st_uid, st_gid, st_size = FILE, 1000, 100, 12
    st_mtime_ns, st_ctime_ns, st_ino = -1_000_000_001, 1_795_400_000_123_456_789, 42


@pytest.mark.parametrize(
    "name",
    [b"plain", b"with space", b" ", b"-n", b"/", b"{", b"new\nline", b"back\\slash", b"\\n", b"\xff\xfe", b"x" * 255],
)
def test_a_line_gives_back_any_name(name: bytes) -> None:
    line = _content.line(b"f" * 64, _content.BAD, _content.tail(Status(), name))
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert _content.is_entry(line) and _content.name_in(line) == name
    assert _content.decode(line) == _content.entry(b"f" * 64, _content.BAD, Status(), name)
    assert _content.folder_in(_content.folder_line(name)) == name
    assert not _content.is_entry(_content.folder_line(name))


def test_how_a_line_reads() -> None:
    line = _content.line(b"f" * 64, _content.GOOD, _content.tail(Status(), b"a\nb"))
    assert line == b"f" * 64 + b" . 100640 1000 100 12 -1000000001 1795400000123456789 42 a\\nb\n"
    assert line[_content.TAIL :] == _content.tail(Status(), b"a\nb")


def test_folders_come_before_those_below_them_and_those_before_their_neighbours() -> None:
    folders = [b"", b"a", b"a/b", b"a/b/c", b"a-b", b"a.b", b"ab", b"b"]
    assert [sorted(order, key=_content.order) for order in (folders, folders[::-1])] == [folders, folders]


# ----------------------------------------------------------------------------------------------------------- change


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (None, entry(), "added"),
        (entry(), None, "removed"),
        (entry(), entry(), None),
        (entry(), entry(inode=8, ctime_ns=9), None),
        (entry(), entry(content=b"2"), "content"),
        (entry(), entry(mtime_ns=6), "metadata"),
        (entry(), entry(mode=FILE | stat.S_ISGID), "metadata"),
        (entry(), entry(uid=5), "metadata"),
        (entry(), entry(mode=LINK), "content"),
        (entry(), entry(mode=FOLDER), "removed"),
        (entry(mode=FOLDER), entry(), "added"),
        (entry(mode=FOLDER), entry(mode=FOLDER, mtime_ns=9), None),
        (entry(mode=FOLDER), None, None),
    ],
)
def test_what_became_of_a_path(before: Entry | None, after: Entry | None, change: str | None) -> None:
    assert _content.compare(before, after) == change


def test_the_difference_of_two_manifests() -> None:
    same = entry(b"same")
    folder = entry(b"a", mode=FOLDER)
    before = [(b"a", folder), (b"gone", entry()), (b"same", same), (b"a/z", entry()), (b"a/sub/deep", entry())]
    after = [(b"a", folder), (b"same", same), (b"z", entry()), (b"a/z", entry(content=b"22")), (b"a-b/x", entry())]
    found = [(change.kind, change.path) for change in _content.diff(before, after)]
    assert found == [
        ("removed", b"gone"),
        ("added", b"z"),
        ("content", b"a/z"),
        ("removed", b"a/sub/deep"),
        ("added", b"a-b/x"),
    ]
    assert list(_content.diff(before, before)) == []
    assert {change.kind for change in _content.diff([], after)} == {"added"}
    assert {change.kind for change in _content.diff(after, [])} == {"removed"}


# ----------------------------------------------------------------------------------- names that tell the content


def claimed(path: str, stores: list[str] | None) -> _content.Claim | None:
    folder, _slash, name = path.rpartition("/")
    found = _content.Stores(None if stores is None else [one.encode() for one in stores]).folder(folder.encode())
    return None if found is None else found.claim(name.encode())


@pytest.mark.parametrize(
    ("path", "salt"),
    [
        (f"lab/ab/cd/{MD5}", b""),
        (f"deep/down/lab_ephys/ab/cd/{MD5}", b""),
        (f"lab/ab/cd/{MD5}.notes m000 0.tar.gz", b"notes m000 0.tar.gz\0"),
        (f"lab/ab/cd/{MD5}.new\nline", b"new\nline\0"),
        (f"abc/ab/cd/{MD5}", b""),
        (f"ab/ab/cd/{MD5}", b""),
    ],
)
def test_blobs_and_attachments_of_0_x(path: str, salt: bytes) -> None:
    for stores in (None, ["."] if not path.startswith("deep") else ["deep/down/"]):
        assert claimed(path, stores) == _content.Claim(MD5, salt)


@pytest.mark.parametrize(
    "schema", ["lab-mice", "Lab_mice", "2024_ephys", "u.lab", "_lab", "lab mice", "ümlab", "Lab-2", "x" * 64, "lab\n"]
)
def test_blobs_of_a_schema_with_any_name(schema: str) -> None:
    for at in ("", "deep/down/"):
        assert claimed(f"{at}{schema}/ab/cd/{MD5}", None) == _content.Claim(MD5, b"")
    assert claimed(f"_hash/{schema}/{BASE32}", None) == _content.Claim(BASE32, b"", base32=True)
    attachment = f"{schema}/ab/cd/{MD5}.notes.txt"
    assert claimed(attachment, ["."]) == _content.Claim(MD5, b"notes.txt\0")
    assert (claimed(attachment, None) is None) == (schema != "x" * 64)


@pytest.mark.parametrize("path", [f"lab/ab/{MD5}", f"lab/abcd/01/2/{MD5}"])
def test_other_subfoldings_are_known_only_where_a_store_is_named(path: str) -> None:
    assert claimed(path, ["."]) == _content.Claim(MD5, b"")
    assert claimed(path, None) is None


@pytest.mark.parametrize(
    "path",
    [
        f"lab/{MD5}",
        f"cache/a/{MD5}.tif",
        f"raw/s1/{MD5}/{MD5}.tif",
        f"2023/ab/{MD5}",
        f"2023/ab/cd/{MD5}",
        f"2023-11-05/ab/cd/{MD5}",
        f"2a/ab/cd/{MD5}",
        f"550e8400-e29b-41d4-a716-446655440000/ab/cd/{MD5}",
        f"Cache/ab/cd/{MD5}.tif",
        f"Lab-2/ab/cd/{MD5}.tif",
        f"Lab-2/ef/cd/{MD5}",
        f".cache/ab/cd/{MD5}",
        f"{'a' * 32}/ab/cd/{MD5}",
        f"raw/{MD5}/lab/ab/cd/{MD5}",
        f"ab/cd/{MD5}".replace("ab/", "", 1),
        f"{MD5}",
        f"lab/ef/{MD5}",
        f"lab/ab/ef/{MD5}",
        f"lab/ab/cd/{MD5.upper()}",
        f"lab/ab/cd/{MD5}0",
        f"lab/ab/cd/{MD5}.saving",
        f"lab/ab/cd/{MD5}.x.copying",
        f"lab/ab/cd/{MD5}.",
        f"lab/ab/x/{MD5}",
        f".cache/ab/cd/{MD5}.png",
        f"tex.cache/ab/cd/{MD5}.png",
        f"lab/ab/cd/{BASE32}",
        f"hash/lab/{BASE32}",
        f"_hash/{BASE32}",
        f"_hash/lab/zz/{BASE32}",
        f"_schema/lab/table/{BASE32}",
    ],
)
def test_other_names_say_nothing(path: str) -> None:
    assert claimed(path, None) is None


@pytest.mark.parametrize("path", [f"_hash/lab/{BASE32}", f"_hash/lab/{BASE32[:2]}/{BASE32[2:4]}/{BASE32}"])
def test_files_of_2_x(path: str) -> None:
    for at, stores in ((path, None), (path, ["."]), ("s/t/" + path, None), ("s/t/" + path, ["x", "s/t"])):
        claim = claimed(at, stores)
        assert claim == _content.Claim(BASE32, b"", base32=True)
        assert claim is not None and claim.of(hashlib.md5(b"x").digest()) == BASE32


def test_known_stores_are_the_only_ones() -> None:
    path = f"external/lab/ab/cd/{MD5}"
    assert claimed(path, ["external"]) == claimed(path, ["raw", "external"]) == _content.Claim(MD5, b"")
    assert claimed(path, []) is None
    assert claimed(path, ["raw"]) is None
    assert claimed(path, ["extern"]) is None
    assert claimed(path, ["."]) is None  # the folder of the schema stands at the top of a store
    assert claimed(f"external/.lab/ab/cd/{MD5}", ["external"]) == _content.Claim(MD5, b"")


# ---------------------------------------------------------------------------------------------------------- verdict

CLAIM = _content.Claim(hashlib.md5(b"1").hexdigest(), b"")


def judged(before: Entry | None, after: Entry, content: bytes, claim: _content.Claim | None = None) -> str | None:
    finding = _content.judge(b"p", claim, hashlib.md5(content).digest(), before, after)
    return None if finding is None else finding.kind


def test_a_name_decides_alone() -> None:
    assert judged(None, entry(), b"1", CLAIM) is None
    assert judged(entry(mtime_ns=1), entry(), b"1", CLAIM) is None
    assert judged(entry(content=b"2"), entry(), b"1", CLAIM) is None
    assert judged(None, entry(content=b"2"), b"2", CLAIM) == "name"
    assert judged(entry(), entry(content=b""), b"", CLAIM) == "name"


def test_another_content_at_the_same_size_and_time_is_a_finding() -> None:
    after = entry(content=b"2", inode=9, ctime_ns=9)
    assert judged(entry(), after, b"2") == "silent"
    assert judged(entry(), entry(content=b"2", mtime_ns=6), b"2") is None
    assert judged(entry(), entry(content=b"22"), b"22") is None
    assert judged(None, after, b"2") is None
    assert judged(entry(mode=LINK), after, b"2") is None
    assert judged(entry()._replace(sha256=_content.NO_CONTENT), after, b"2") is None


def test_what_was_accepted_stays_accepted_as_it_is() -> None:
    accepted = entry(content=b"2")._replace(flag=_content.ACCEPTED)
    assert judged(accepted, entry(content=b"2"), b"2", CLAIM) is None
    assert judged(accepted, entry(content=b"3"), b"3", CLAIM) == "name"


def test_the_message_names_files_and_no_control_characters() -> None:
    findings = [_content.Finding(b"a\x1b\xff%d" % n, "name", "e", "g", "s") for n in range(20)]
    message = _content.verdict("/mirror", findings, 31)
    assert message.startswith(r"31 files in /mirror do not hold what they should: a\x1b\xff0 holds g (sha256 s); ")
    assert "; and 26 more. The mirror was not changed" in message and message.isprintable()
    assert _content.verdict("/mirror", findings[:1], 1).startswith("1 file in /mirror does not hold what it should: ")
    assert _content.verdict("/mirror", [], 0) == ""


def test_the_message_names_the_cure_for_a_mirror_that_rots() -> None:
    """A pull brings no file again whose size and time are equal on both sides."""
    silent = _content.Finding(b"a", _content.SILENT, "e", "g", "s")
    named = _content.Finding(b"a", _content.NAME, "e", "g", "s")
    cure = "If the source's own file is sound, remove that in the mirror, and the next pull brings it again"
    assert cure in _content.verdict("/mirror", [named, silent], 2)
    assert cure not in _content.verdict("/mirror", [named], 1)


def test_the_message_names_the_cure_when_only_the_layout_told_of_a_store() -> None:
    named, silent = (_content.Finding(b"a", kind, "e", "g", "s") for kind in (_content.NAME, _content.SILENT))
    assert "backup_datajoint_stores" in _content.verdict("/mirror", [silent, named], 2, by_layout=True)
    assert "backup_datajoint_stores" not in _content.verdict("/mirror", [silent], 1, by_layout=True)
    assert "backup_datajoint_stores" not in _content.verdict("/mirror", [named], 1)


@pytest.mark.parametrize(("percent", "rounds"), [(100.0, 1), (50.0, 2), (5.0, 20), (30.0, 3), (0.1, 1000)])
def test_every_file_comes_round(percent: float, rounds: int) -> None:
    seen = {_content.due(generation, percent) for generation in range(7, 7 + rounds)}
    assert seen == {(rounds, turn) for turn in range(rounds)}
    assert _content.due(7, 0) == (0, 0)


@pytest.mark.parametrize(
    "path",
    [
        "_hash/lab/README",
        f"_hash/lab/{BASE32}x",
        f"_hash/lab/no/no!/{BASE32}",
        f"lab/ab/xy/{MD5}",
        f"lab/ab/not hex/{MD5}",
    ],
)
def test_what_a_named_store_holds_beside_its_own_says_nothing(path: str) -> None:
    assert claimed(path, ["."]) is None


def test_a_folder_beside_a_named_store_is_none_of_it() -> None:
    path = f"external/lab/ab/cd/{MD5}"
    assert claimed(path, ["external"]) is not None
    assert claimed(path, ["other"]) is None and claimed(path, ["externa"]) is None
    assert claimed(f"s/lab/ab/cd/{MD5}", ["t"]) is None


@pytest.mark.parametrize("text", ["blobs", "blobs/", "/lab/x", "blobs//x", "blobs/../x", ""])
def test_what_names_no_file_of_a_dataset_accepts_none(text: str) -> None:
    assert not _content.is_missing_acceptance(text) and _content.is_missing_acceptance("blobs/lab/x")
