# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check that is a task: it lets pass what is well, and ends the work on what is not."""

from __future__ import annotations

import functools
import pathlib
import typing as t

import jinja2
import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.plugins.filter import core as _core
from ansible.plugins.filter import mathstuff as _mathstuff
from ansible.plugins.test import core as _tests
from ansible_collections.labops.backup.plugins.filter import prove as _prove
from ansible_collections.labops.backup.plugins.module_utils._model import _drill

ROOT = pathlib.Path(__file__).resolve().parents[3]
PLACES = ("roles/_drill", "roles/_verify", "roles/readiness", "roles/_restore")
PLAYBOOKS = ("verify", "drill", "readiness", "restore")
FILES = [path for place in PLACES for path in sorted((ROOT / place / "tasks").glob("*.yml"))]
FILES += [ROOT / "playbooks" / f"{name}.yml" for name in PLAYBOOKS]
ASSERT = "ansible.builtin.assert"
ID, OTHER = "20261123T021500Z-3fa9c1", "20261122T021500Z-3fa9c1"


def as_list(one: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Ansible's own templates make lists of what Jinja gives as generators."""

    @functools.wraps(one)
    def filtered(*arguments: t.Any, **keywords: t.Any) -> list[t.Any]:
        return list(one(*arguments, **keywords))

    return filtered


ENVIRONMENT = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)
ENVIRONMENT.filters = {
    **{**_core.FilterModule().filters(), **_mathstuff.FilterModule().filters(), **ENVIRONMENT.filters},
    **{name: as_list(ENVIRONMENT.filters[name]) for name in ("map", "select", "reject", "selectattr", "rejectattr")},
    **{f"labops.backup.{name}": one for name, one in _prove.FilterModule().filters().items()},
}
ENVIRONMENT.tests.update(_tests.TestModule().tests())


def tasks(entries: t.Any) -> t.Iterator[dict[str, t.Any]]:
    for entry in entries:
        yield entry
        for part in ("pre_tasks", "tasks", "block", "rescue", "always"):
            yield from tasks(entry.get(part) or ())


def named(file: str, name: str) -> dict[str, t.Any]:
    found = [task for task in tasks(yaml.safe_load((ROOT / file).read_text())) if task.get("name") == name]
    assert len(found) == 1, f"{file} has {len(found)} tasks {name!r}"
    return found[0]


def value(expression: str, variables: dict[str, t.Any]) -> t.Any:
    return ENVIRONMENT.compile_expression(expression, undefined_to_none=False)(**variables)


def template(text: str) -> str:
    return text.strip().removeprefix("{{").removesuffix("}}").strip()


def passes(file: str, name: str, variables: dict[str, t.Any]) -> bool:
    task = named(file, name)
    known = dict(variables)
    for variable, text in (task.get("vars") or {}).items():
        if variable not in known:
            known[variable] = value(template(text), known)
    conditions = task[ASSERT]["that"]
    return all(value(one, known) for one in ([conditions] if isinstance(conditions, str) else conditions))


def dump_sets(*sets: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"dump_sets": list(sets)}


Variables = dict[str, t.Any]
CHOICE = {"drill_choice": {"point": {"dump_set": {"id": ID}}}}
POINT = {"restore_point_document": {"dump_set": {"id": ID}}}
RUNS = {"drill_run_id": ID}
DRILL = {"run_id": OTHER, "state": "running"}
ALL = {"ansible_run_tags": ["all"], "ansible_skip_tags": [], "ansible_check_mode": False}
HIDING: list[Variables] = [
    {**ALL, "ansible_limit": "loki"},
    {**ALL, "ansible_run_tags": ["x"]},
    {**ALL, "ansible_skip_tags": ["x"]},
    {**ALL, "ansible_check_mode": True},
]
NO_HIDING = "A limit, tags or check mode would make nothing look like success"
CONFIRMED = {"point": "a"}


def journal(state: str, confirmed: t.Any = None) -> Variables:
    selected = {"state": state, "confirmed": confirmed}
    return {"_restore_journal": {"selected": selected}, "restore_abandon": False, "_restore_traces": {"results": []}}


NO_JOURNAL: tuple[Variables, ...] = ({"selected": {}}, {"unreachable": True})
WITHOUT_JOURNAL: Variables = {"restore_abandon": False, "_restore_traces": {"results": [{"stat": {"exists": False}}]}}
TRACES: Variables = {"_restore_traces": {"results": [{"item": "/x/accounts.json", "stat": {"exists": True}}]}}


# file, task, variables with which it passes, variables with which it does not
CHECKS: list[tuple[str, str, list[Variables], list[Variables]]] = [
    (
        *("roles/_drill/tasks/source.yml", "Refuse to work beside another drill"),
        [
            {**RUNS, "_drill_runs": {"runs": [{**DRILL, "run_id": ID}, {**DRILL, "state": "success"}]}},
            {**RUNS, "_drill_runs": {"runs": []}},
        ],
        [{**RUNS, "_drill_runs": {"runs": [DRILL]}}],
    ),
    (
        *("roles/_drill/tasks/source.yml", "See that there is none"),
        [{"_drill_holds": {"holds": []}}],
        [{"_drill_holds": {"holds": [{"incident": ID}]}}],
    ),
    (
        *("roles/_drill/tasks/source.yml", "See that it is the dump set that was sealed, whole"),
        [{**CHOICE, "_drill_dumps": dump_sets({"id": ID, "problems": []}, {"id": OTHER, "problems": ["x"]})}],
        [
            {**CHOICE, "_drill_dumps": dump_sets({"id": ID, "problems": ["cut"]})},
            {**CHOICE, "_drill_dumps": dump_sets({"id": OTHER, "problems": []})},
            {**CHOICE, "_drill_dumps": dump_sets()},
        ],
    ),
    (
        *("roles/_drill/tasks/source.yml", "See that every reference has its file in the archives"),
        [{"_drill_sample": {}}, {"_drill_sample": {"references_missing": 0}}],
        [{"_drill_sample": {"references_missing": 1}}],
    ),
    (
        *("roles/_drill/tasks/database.yml", "See that the database is what was dumped"),
        [{"_drill_verified": {"ok": True}}],
        [{"_drill_verified": {"ok": False}}],
    ),
    (
        *("roles/_drill/tasks/references.yml", "See that the restored files are what the database says"),
        [{"_drill_references": {"ok": True}}],
        [{"_drill_references": {"ok": False}}],
    ),
    (
        *("roles/readiness/tasks/gather.yml", "See that it answered"),
        [{"readiness_gathered": {"gathered": {}}}],
        [{"readiness_gathered": {"unreachable": True}}],
    ),
    (
        *("roles/readiness/tasks/live.yml", "See that it answered"),
        [{"_readiness_answer": {"facts": {}}}],
        [{"_readiness_answer": {"unreachable": True}}],
    ),
    (
        *("roles/_restore/tasks/accept.yml", "See that it is released"),
        [journal("released"), journal("accepted")],
        [journal("open"), journal("restored"), {"_restore_journal": {"selected": {}}}],
    ),
    (
        *("roles/_restore/tasks/begin.yml", "See that the restore may begin"),
        [{"_restore_reason": ""}],
        [{"_restore_reason": "the fence does not hold"}],
    ),
    (
        *("roles/_restore/tasks/check.yml", "See that everything is consistent"),
        [{"_restore_verdict": {"problems": []}, "_restore_examples": ""}],
        [{"_restore_verdict": {"problems": ["a table differs"]}, "_restore_examples": ""}],
    ),
    (
        *("roles/_restore/tasks/dataset.yml", "Fail unless it is the mirror that is damaged"),
        [{"_restore_push": {"kind": "content"}}],
        [{"_restore_push": {"kind": "busy"}}, {"_restore_push": {"msg": "no route"}}],
    ),
    (
        *("roles/_restore/tasks/dataset.yml", "See that nothing is missing any more"),
        [{"_restore_again": {"files": [{"state": "intact"}]}}],
        [{"_restore_again": {"files": [{"state": state}]}} for state in ("damaged", "lost", "unreadable")],
    ),
    (
        *("roles/_restore/tasks/dump_set.yml", "See that it fits"),
        [{"restore_part": {"bytes": 7}, "_restore_room": {"spaces": [{"free_bytes": 8}]}}],
        [{"restore_part": {"bytes": 8}, "_restore_room": {"spaces": [{"free_bytes": 8}]}}],
    ),
    (
        *("roles/_restore/tasks/dump_set.yml", "See that it is proven"),
        [{**POINT, "_restore_dump_sets_again": dump_sets({"id": ID, "valid": True, "problems": []})}],
        [
            {**POINT, "_restore_dump_sets_again": dump_sets({"id": ID, "valid": False, "problems": ["cut"]})},
            {**POINT, "_restore_dump_sets_again": dump_sets({"id": OTHER, "valid": True, "problems": []})},
        ],
    ),
    (
        *("roles/_restore/tasks/fence.yml", "Fail unless the source is still"),
        # A server that is away keeps nobody from stopping who writes on the source.
        [{"restore_fence": {"reasons": reasons}} for reasons in ([], ["the backup jobs on loki are not held"])],
        [{"restore_fence": {"reasons": ["the database takes writes"]}}],
    ),
    (
        *("roles/_restore/tasks/release.yml", "See that the checks passed"),
        [
            *(journal(state, CONFIRMED) for state in ("restored", "released", "accepted")),
            journal("open"),
            {**journal("open", CONFIRMED), "restore_abandon": True},
            # Nobody knows what was confirmed, and nothing was restored.
            *({**WITHOUT_JOURNAL, "_restore_journal": told} for told in NO_JOURNAL),
            *({**WITHOUT_JOURNAL, **TRACES, "_restore_journal": told, "restore_abandon": True} for told in NO_JOURNAL),
        ],
        [
            journal("open", CONFIRMED),
            *({**WITHOUT_JOURNAL, **TRACES, "_restore_journal": told} for told in NO_JOURNAL),
        ],
    ),
    *((f"playbooks/{name}.yml", NO_HIDING, [ALL], HIDING) for name in ("verify", "drill", "readiness")),
    *(
        (
            *(f"playbooks/{name}.yml", "Stop this server when it did not answer"),
            *([{f"{name}_opened": {"run": {}}}], [{f"{name}_opened": {"unreachable": True}}]),
        )
        for name in ("verify", "drill")
    ),
    *(
        (
            *(f"playbooks/{name}.yml", task),
            *([{verdict: {"ok": True, "title": ""}}], [{verdict: {"ok": False, "title": ""}}]),
        )
        for name, task, verdict in (
            ("verify", "Fail unless nothing stands against anything", "verify_verdict"),
            ("drill", "Fail unless all of them passed", "drill_verdict"),
            ("readiness", "Fail unless a restore would work", "readiness_said"),
        )
    ),
    (
        *("playbooks/readiness.yml", "See that the server answered"),
        [{"_readiness_written": {}, "_readiness_closed": {}}],
        [
            {"_readiness_written": {"unreachable": True}, "_readiness_closed": {}},
            {"_readiness_written": {}, "_readiness_closed": {"unreachable": True}},
        ],
    ),
    (
        *("playbooks/restore.yml", "A limit, skipped tags or check mode would hide half of it"),
        *([ALL, {**ALL, "ansible_run_tags": ["fence"]}], [HIDING[0], HIDING[2], HIDING[3]]),
    ),
    (
        *("playbooks/restore.yml", "See that no option is misspelt"),
        [{"options_known": [], "options_misspelt": []}],
        [{"options_known": [], "options_misspelt": ["restore_pont"]}],
    ),
]


@pytest.mark.parametrize(("file", "name", "good", "bad"), CHECKS, ids=[f"{one[0]}: {one[1]}" for one in CHECKS])
def test_a_check_ends_the_work_on_what_is_not_well(
    file: str, name: str, good: list[Variables], bad: list[Variables]
) -> None:
    assert [passes(file, name, variables) for variables in good] == [True] * len(good)
    assert [passes(file, name, variables) for variables in bad] == [False] * len(bad)


def test_no_check_comes_without_a_test() -> None:
    found = {
        (str(path.relative_to(ROOT)), str(task.get("name")))
        for path in FILES
        for task in tasks(yaml.safe_load(path.read_text()) or ())
        if ASSERT in task
    }
    assert found == {(file, name) for file, name, _good, _bad in CHECKS}


def test_what_a_drill_takes_for_a_finding_are_steps_of_it() -> None:
    """A step that goes, or gets another name, would leave its points unmarked."""
    looks = {ASSERT, *(f"labops.backup.{module}" for module in ("borg_extract", "drill_sample", "db_load"))}
    names = {
        str(task["name"])
        for path in sorted((ROOT / "roles/_drill/tasks").glob("*.yml"))
        for task in tasks(yaml.safe_load(path.read_text()))
        if looks & set(task)
    }
    # These keep a drill from being held, and say nothing about the point.
    assert names - {"Refuse to work beside another drill", "See that there is none"} == set(_drill.FINDINGS)


@pytest.mark.parametrize(
    ("name", "free", "fits"),
    [
        ("See that there is room for the dump set", 29, False),
        ("See that there is room for the dump set", 30, True),
        ("See that there is room for the sample as well", 36, False),
        ("See that there is room for the sample as well", 37, True),
    ],
)
def test_a_drill_restores_nothing_for_which_there_is_no_room(name: str, free: int, fits: bool) -> None:
    (text,) = named("roles/_drill/tasks/source.yml", name)["ansible.builtin.set_fact"].values()
    variables = {
        "drill_choice": {"point": {"datasets": [{"name": "database", "original_size": 10}]}},
        **{"_drill_dataset": "database", "_drill_sample": {"bytes": 7}},
        "_drill_space": {"spaces": [{"path": "/scratch", "free_bytes": free}]},
    }
    if fits:
        assert value(template(text), variables) == free
    else:
        with pytest.raises(AnsibleFilterError, match=r"/scratch has .* free, and the drill needs"):
            value(template(text), variables)


DUMPED: Variables = {"drill_choice": {"point": {"dump_set": {"id": ID}}}}
UNDUMPED: Variables = {"drill_choice": {"point": {"dump_set": None}}}


@pytest.mark.parametrize(
    ("name", "done", "left_out"),
    [
        ("See that it is the dump set that was sealed, whole", DUMPED, UNDUMPED),
        ("Restore the database", DUMPED, UNDUMPED),
        (
            "See that the restored files are what the database says",
            {"_drill_sample": {"references_drawn": 1}},
            {"_drill_sample": {}},
        ),
    ],
)
def test_a_drill_leaves_a_check_out_only_where_there_is_nothing_to_check(
    name: str, done: Variables, left_out: Variables
) -> None:
    condition = named("roles/_drill/tasks/source.yml", name)["when"]
    assert value(condition, done) and not value(condition, left_out)


# What makes a step a check: without it, it would look at less.
OPTIONS: list[tuple[str, str, str, dict[str, t.Any]]] = [
    ("_drill/tasks/source.yml", "Read the dump set", "db_dump_info", {"verify": "full"}),
    (
        *("_drill/tasks/source.yml", "Take the dump set out of its archive", "borg_extract"),
        {"archive_id": "{{ item.archive_id }}"},
    ),
    (
        *("_drill/tasks/source.yml", "Take the sample out of its archive", "borg_extract"),
        {"archive_id": "{{ item.archive_id }}", "manifest": "{{ _drill_seal.files[item.name ~ '.content'] }}"},
    ),
    ("_drill/tasks/references.yml", "Look into the restored files", "datajoint_verify_info", {"depth": "content"}),
    ("_drill/tasks/database.yml", "Load the dump set", "db_load", {"directory": "{{ _drill_dump }}"}),
    (
        *("_drill/tasks/database.yml", "Compare the database with the dump set", "db_verify_info"),
        {"directory": "{{ _drill_dump }}"},
    ),
    ("_verify/tasks/piece.yml", "Look", "backup_check", {"hold": "{{ _verify_source.hold }}"}),
    ("_restore/tasks/dump_set.yml", "Look at it again", "db_dump_info", {"verify": "full"}),
    ("_restore/tasks/dump_set.yml", "Look whether the dump set is on the source", "db_dump_info", {"verify": "full"}),
    ("_restore/tasks/dump_set.yml", "Look whether the mirror has it whole", "db_dump_info", {"verify": "full"}),
    (
        *("_restore/tasks/dump_set.yml", "Take it out of the archive", "borg_extract"),
        {"archive_id": "{{ restore_part.archive_id }}"},
    ),
]


@pytest.mark.parametrize(("file", "name", "module", "options"), OPTIONS, ids=[f"{one[0]}: {one[1]}" for one in OPTIONS])
def test_a_step_looks_at_all_of_it(file: str, name: str, module: str, options: dict[str, t.Any]) -> None:
    given = named(f"roles/{file}", name)[f"labops.backup.{module}"]
    assert {option: given.get(option) for option in options} == options


@pytest.mark.parametrize(("stores", "given"), [([], []), (["/a"], ["/a"]), (None, "OMIT")])
def test_names_are_judged_where_the_inventory_has_stores(stores: t.Any, given: t.Any) -> None:
    """None at all in a dataset is not the same as nothing known."""
    options = named("roles/_verify/tasks/piece.yml", "Look")["labops.backup.backup_check"]
    variables = {"_verify_dataset": {"content_stores": stores}, "omit": "OMIT"}
    assert value(template(options["stores"]), variables) == given


def test_accounts_that_were_kept_are_those_of_the_load() -> None:
    """The checks tell a number under the same name, and may stand before it."""
    task = named("roles/_restore/tasks/check.yml", "Compare the database with the dump set")
    kept = {"skipped": ["root@localhost"]}
    steps = {"checks": {"result": {"accounts": 7}}, "database.load": {"result": {"accounts": kept}}}
    variables = {"_restore_begun": {"journal": {"steps": steps}}}
    assert value(template(task["vars"]["_restore_accounts"]), variables) == kept


@pytest.mark.parametrize(
    ("server", "schemas", "excluded", "left_out", "done"),
    [
        ("up", [], [], ["cache"], True),
        ("up", [], ["cache", "lab"], ["cache"], True),  # the point is older than the exclusion
        ("up", ["lab"], [], ["cache", "gone"], True),
        ("up", ["gone"], [], ["cache", "lab"], False),
        ("down", [], ["cache"], ["cache"], True),
        ("down", [], None, [], True),
    ],
)
def test_the_copy_of_the_old_state_holds_what_is_replaced_and_nothing_that_stays(
    server: str, schemas: list[str], excluded: list[str] | None, left_out: list[str], done: bool
) -> None:
    """What the nightly dump leaves out because nobody can dump it would end a restore that does not touch it."""
    task = named("roles/_restore/tasks/database.yml", "Keep a dump of what still answers")
    there = {"lab": {"state": "damaged"}, "gone": {"state": "lost"}}
    gone = {name: {"state": "lost"} for name in there}
    losses = (
        {"server": "up", "state": "damaged", "schemas": there, "newer_schemas": ["cache"]}
        if server == "up"
        else {"server": "down", "state": "lost", "schemas": gone, "newer_schemas": []}
    )
    variables: dict[str, t.Any] = {
        "restore": {"source": "tatchu", "schemas": schemas, "safety_copy": True},
        "restore_losses": {"database": losses},
        "restore_done": [],
        "_restore_server": {"initialised": False},
        "hostvars": {"tatchu": {} if excluded is None else {"database_dump_exclude_schemas": excluded}},
    }
    variables |= {name: value(template(text), variables) for name, text in task["vars"].items()}
    assert value(template(task["labops.backup.db_dump"]["exclude_schemas"]), variables) == left_out
    assert all(value(one, variables) for one in task["when"]) is done
