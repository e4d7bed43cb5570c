# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""How the dumps went, for people."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _text

Document = t.Mapping[str, t.Any]


class Host(t.Protocol):
    """Variables of one host, as ``hostvars[name]``."""

    def get(self, name: str, default: t.Any = None) -> t.Any:
        """The value of a variable."""


def dump_verdict(hosts: t.Mapping[str, Host], plan: t.Sequence[Document], run_id: str) -> dict[str, t.Any]:
    """How the dumps of all sources that should have one went.

    :param hosts: variables by host name; each source's ``database_dump_outcome`` counts.
    :return: ``ok``, ``title`` (one line), ``lines``.
    """
    expected = [source["name"] for source in plan if source["dump_directory"] is not None]
    failures: list[str] = []
    lines: list[str] = []
    for name in expected:
        outcome = hosts[name].get("database_dump_outcome") or {
            "ok": False,
            "step": "Reach the host",
            "message": "it did not answer or its part ended without a word; older dump sets are untouched",
        }
        lines.extend(_lines(name, outcome))
        problem = hosts[name].get("database_dump_ledger_problem")
        if problem:
            lines.append(f"  the ledger could not be written: {_text.plain(str(problem))}")
        if problem or not outcome["ok"]:
            failures.append(name)
    if not expected:
        lines.append("No source of the inventory has a dataset of the kind database.")
    if failures or not expected:
        title = f"dump FAILED: {', '.join(failures) or 'no source'}"
    else:
        title = f"dump good: {', '.join(expected)}"
    return {"ok": not failures and bool(expected), "title": f"{title} (run {run_id})", "lines": lines}


def _lines(name: str, outcome: Document) -> list[str]:
    if not outcome["ok"]:
        return [f"{name}: FAILED in step {outcome['step']!r}: {_text.plain(str(outcome['message']))}"]
    manifest, references = outcome["manifest"], outcome["manifest"].get("references", {})
    if outcome["dump_set"] is None:
        return [f"{name}: would dump {len(manifest['schemas'])} schemas (check mode)"]
    lines = [
        f"{name}: dump set {outcome['dump_set']}",
        f"  {len(manifest['schemas'])} schemas, {manifest['tables']} tables, {manifest['rows']} rows, "
        f"{_text.size(manifest['bytes'])} in {_text.duration(manifest['seconds'])}, begun {manifest['started']}",
        f"  {references['files']} external files, {_text.size(references['bytes'])}; "
        f"{references['unresolved']} references lead to no known place",
        f"  server: {manifest['engine']} {manifest['version']}",
    ]
    if outcome["removed"]:
        lines.append(f"  removed older dump sets: {', '.join(outcome['removed'])}")
    return lines + [f"  warning: {_text.plain(str(warning))}" for warning in outcome["warnings_found"]]
