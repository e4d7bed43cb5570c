# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The report of an incident as one page that needs nothing else: what happened, what came back, what is left to do."""

from __future__ import annotations

import html
import json
import typing as t

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #1a7f37; --bad: #b3261e; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { font-size: 1.3rem; font-weight: 600; }
pre { overflow-x: auto; background: #8881; padding: .6rem; }
@media (prefers-color-scheme: dark) { :root { --good: #57d273; --bad: #ff8a80; } }
.good { color: var(--good); } .bad { color: var(--bad); }
@media (max-width: 40rem) { th, td { padding: .3rem; font-size: .9rem; } .wide { overflow-x: auto; } }
"""
_VERDICTS = {
    "open": ("bad", "Not finished: the source is fenced and the checks have not passed"),
    "restored": ("good", "Restored and checked; the fence is still up"),
    "released": ("good", "Restored, checked and back in service"),
    "accepted": ("good", "Restored, checked, in service, and accepted by the lab"),
}
_NEXT = {
    "open": "Look at the last event. Run the confirmed command again with restore_incident.",
    "restored": "Let the lab write again: restore.yml --tags release.",
    "released": "When the lab has looked at its data: restore.yml --tags accept.",
    "accepted": "Nothing.",
}


def incident_report(journal: t.Mapping[str, t.Any]) -> str:
    """The journal of an incident as HTML. Whatever a host or a file is called is shown and never run."""
    kind, verdict = _VERDICTS[journal["state"]]
    confirmed, checks = journal["confirmed"], journal["steps"].get("checks", {})
    if journal["state"] == "released" and confirmed is None:
        verdict = "Released without a restore"
    elif journal["state"] in ("released", "accepted") and checks.get("state") != "finished":
        if confirmed and (confirmed.get("target") or confirmed.get("beside")):
            verdict = "Brought to another place; nothing that lives was replaced"
        else:
            kind, verdict = "bad", "Given up: released without passing its checks"
    title = f"Incident {journal['incident']}: {journal['source']}"
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><main>",
        f'<h1>{_text(title)}</h1><p class="verdict {kind}">{_text(verdict)}</p>',
        f"<p>Next: {_text(_NEXT[journal['state']])}</p>",
        *_plan(journal.get("plan")),
        *_steps(journal["steps"]),
        *_checks(journal["steps"]),
        "<h2>Timeline</h2>",
        _table(
            ("time (UTC)", "what"),
            [
                (event["time"], event["what"])
                for event in [{"time": journal["began"], "what": "began"}, *journal["events"]]
            ],
        ),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _plan(plan: t.Mapping[str, t.Any] | None) -> list[str]:
    if not plan:
        return []
    rows = [
        (
            step["dataset"],
            step["state"],
            # A journal that an earlier release began has not all of them.
            *(step["counts"].get(key, {}).get("files", 0) for key in _CLASSES),
            step["bytes"] if step["taken"] else "",
            step["replaces"] if step["taken"] else "left as it was",
        )
        for step in plan["steps"]
    ]
    dump = (plan.get("dump_set") or {}).get("started", "")
    return [
        "<h2>What was lost</h2>",
        f"<p>Recovery point {_text(plan['point'])} ({_text(plan['point_state'])})"
        + (f", its dump began {_text(dump)}" if dump else "")
        + "</p>",
        _table(("dataset", "state", *_CLASSES.values(), "bytes to bring", "what was done about it"), rows),
        *(f"<p>{_text(note)}</p>" for note in plan["notes"]),
        *(f"<p>Remaining: {_text(text)}</p>" for text in plan.get("remaining", ())),
    ]


_CLASSES = {key: key for key in ("missing", "damaged", "metadata", "newer")} | {"newer_damaged": "newer, damaged"}


def _steps(steps: t.Mapping[str, t.Any]) -> list[str]:
    rows = [
        (
            name,
            step["state"],
            step.get("started", ""),
            step.get("ended", ""),
            step.get("attempts", ""),
            (step.get("result") or {}).get("bytes", ""),
            (step.get("result") or {}).get("seconds", ""),
        )
        for name, step in steps.items()
    ]
    if not rows:
        return []
    return ["<h2>Steps</h2>", _table(("step", "state", "began", "ended", "attempts", "bytes", "seconds"), rows)]


def _checks(steps: t.Mapping[str, t.Any]) -> list[str]:
    result = (steps.get("checks") or {}).get("result")
    if not result:
        return []
    return ["<h2>What was checked</h2>", f"<pre>{_text(json.dumps(result, indent=1, sort_keys=True))}</pre>"]


def _table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[object]]) -> str:
    lines = ['<div class="wide"><table><thead><tr>']
    lines += [f'<th scope="col">{_text(name)}</th>' for name in head]
    lines.append("</tr></thead><tbody>")
    for row in rows:
        cells = "".join(
            f'<td class="number">{_text(value)}</td>' if isinstance(value, (int, float)) else f"<td>{_text(value)}</td>"
            for value in row
        )
        lines.append(f"<tr>{cells}</tr>")
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


def _text(value: object) -> str:
    """Text in HTML; what would move a terminal or a page is shown as a question mark."""
    plain = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in str(value))
    return html.escape(plain.encode("utf-8", "replace").decode())
