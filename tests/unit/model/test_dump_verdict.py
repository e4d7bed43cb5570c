# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model._dump_verdict import dump_verdict

RUN = "20261123T013000Z-77b0aa"
GOOD: dict[str, t.Any] = {
    "ok": True,
    "dump_set": "20261123T013001Z-3fa9c1",
    "manifest": {
        "engine": "mariadb",
        "version": "10.11.19",
        "started": "2026-11-23T01:30:01Z",
        "seconds": 4.2,
        "schemas": ["lab"],
        "tables": 3,
        "rows": 8731,
        "bytes": 3 << 20,
        "references": {"files": 10, "bytes": 2048, "unresolved": 0},
    },
    "removed": ["20261121T013001Z-000000"],
    "warnings_found": ["table x\x1b[31m is not transactional"],
}


def plan(**directories: str | None) -> list[dict[str, t.Any]]:
    return [{"name": name, "dump_directory": directory} for name, directory in directories.items()]


def test_a_good_dump_tells_what_it_holds() -> None:
    verdict = dump_verdict({"tatchu": {"database_dump_outcome": GOOD}}, plan(tatchu="/d"), RUN)
    assert (verdict["ok"], verdict["title"]) == (True, f"dump good: tatchu (run {RUN})")
    text = "\n".join(verdict["lines"])
    assert "8731 rows, 3.0 MiB in 4.2 s" in text
    assert "20261121T013001Z-000000" in text
    assert "\x1b" not in text


def test_silence_is_a_failure() -> None:
    verdict = dump_verdict({"a": {"database_dump_outcome": GOOD}, "b": {}}, plan(a="/d", b="/d"), RUN)
    assert (verdict["ok"], verdict["title"]) == (False, f"dump FAILED: b (run {RUN})")


def test_a_failure_a_broken_ledger_and_nothing_to_do_are_failures() -> None:
    failed = {"ok": False, "step": "Make the dump set", "message": "no space"}
    verdict = dump_verdict({"a": {"database_dump_outcome": failed}}, plan(a="/d"), RUN)
    assert not verdict["ok"] and "FAILED in step 'Make the dump set': no space" in verdict["lines"][0]
    broken = {"a": {"database_dump_outcome": GOOD, "database_dump_ledger_problem": "read-only"}}
    verdict = dump_verdict(broken, plan(a="/d"), RUN)
    assert not verdict["ok"] and verdict["lines"][-1] == "  the ledger could not be written: read-only"
    nothing = dump_verdict({}, plan(a=None), RUN)
    assert (nothing["ok"], nothing["title"]) == (False, f"dump FAILED: no source (run {RUN})")
    assert nothing["lines"] == ["No source of the inventory has a dataset of the kind database."]
