# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept, over single cases and over two years of nights; test_retention_real.py compares with Borg itself."""

from __future__ import annotations

import random
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _retention

DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, 2, 30, tzinfo=UTC)
RULES = {"keep_daily": 14, "keep_weekly": 8, "keep_monthly": 24, "keep_complete": 3, "keep_partial_days": 30}
DATASETS = ("database", "blobs", "data")


def name_at(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ-") + format(int(moment.timestamp()) // 60 % 0xFFFFFF, "06x")


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """The repositories of one source, as sealed points and archives in memory."""

    def __init__(self) -> None:
        self.points: dict[str, dict[str, t.Any]] = {}
        self.archives: dict[str, dict[str, dict[str, t.Any]]] = {name: {} for name in DATASETS}
        self.checkpoints: dict[str, list[dict[str, t.Any]]] = {name: [] for name in DATASETS}

    def night(
        self, moment: datetime, *, without: t.Collection[str] = (), state: str | None = None, seal: bool = True
    ) -> str:
        """Archive all datasets but some, and seal."""
        point = name_at(moment)
        entries = []
        for dataset in DATASETS:
            if dataset not in without:
                name = f"tatchu-{dataset}-{point}"
                self.archives[dataset][name] = {"name": name, "id": f"id of {name}", "start": text(moment)}
                entries.append(
                    {
                        "name": dataset,
                        "archive": name,
                        "archive_id": f"id of {name}",
                        "repository": f"/borg/{dataset}",
                        "repository_id": f"id of {dataset}",
                    }
                )
        if seal and entries:
            self.points[point] = {
                "point": point,
                "source": "tatchu",
                "state": state or ("partial" if without else "complete"),
                "sealed": text(moment + timedelta(minutes=20)),
                "datasets": entries,
            }
        return point

    def nights(self, first: datetime, count: int, **options: t.Any) -> list[str]:
        return [self.night(first + DAY * number, **options) for number in range(count)]

    def repositories(self) -> list[dict[str, t.Any]]:
        return [
            {
                "dataset": name,
                "repository": f"/borg/{name}",
                "repository_id": f"id of {name}",
                "archives": list(self.archives[name].values()),
                "checkpoints": self.checkpoints[name],
            }
            for name in DATASETS
        ]

    def decide(self, current: str, now: datetime, rules: dict[str, int] = RULES, **options: t.Any) -> t.Any:
        return _retention.decide(
            list(self.points.values()), self.repositories(), rules, source="tatchu", current=current, now=now, **options
        )

    def retain(self, current: str, now: datetime, rules: dict[str, int] = RULES) -> t.Any:
        """Decide and do it."""
        decision = self.decide(current, now, rules)
        for point in decision.removed:
            del self.points[point]
        for path, names in decision.archives.items():
            for name in names:
                del self.archives[path.removeprefix("/borg/")][name]
        return decision

    def states(self, state: str) -> list[str]:
        return sorted((name for name, point in self.points.items() if point["state"] == state), reverse=True)

    def check_promises(self) -> None:
        """Every archive that a point names is there."""
        for point in self.points.values():
            for entry in point["datasets"]:
                assert entry["archive"] in self.archives[entry["name"]], point["point"]


# ----------------------------------------------------------------------------------------------------------- rules


def test_rules_are_numbers() -> None:
    assert _retention.rules({**RULES, "keep_daily": "7"}) == {**RULES, "keep_daily": 7}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"keep_daily": -1}, "keep_daily is -1; at least 0 is needed"),
        ({"keep_monthly": "-3"}, "keep_monthly is -3; at least 0"),
        ({"keep_weekly": 1.5}, "keep_weekly is 1.5; a whole number"),
        ({"keep_weekly": True}, "keep_weekly is True; a whole number"),
        ({"keep_weekly": None}, "keep_weekly is None; a whole number"),
        ({"keep_complete": 0}, "keep_complete is 0; at least 1"),
        ({"keep_partial_days": 0}, "keep_partial_days is 0; at least 1"),
        ({"keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0}, "keep_daily, keep_weekly, keep_monthly are all 0"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(change: dict[str, t.Any], problem: str) -> None:
    with pytest.raises(BackupError, match=problem):
        _retention.rules({**RULES, **change})


# --------------------------------------------------------------------------------------------------------- windows


def days(*texts: str) -> dict[str, datetime]:
    return {one: datetime.fromisoformat(f"{one}T02:30:00+00:00") for one in texts}


def counts(daily: int = 0, weekly: int = 0, monthly: int = 0) -> dict[str, int]:
    return {"keep_daily": daily, "keep_weekly": weekly, "keep_monthly": monthly}


def test_windows_do_not_overlap_and_say_why() -> None:
    moments = days(*(f"2026-11-{day:02d}" for day in range(1, 24)))
    assert _retention.windows(moments, counts(daily=3, weekly=2, monthly=1)) == {
        "2026-11-23": "daily #1",
        "2026-11-22": "daily #2",
        "2026-11-21": "daily #3",
        "2026-11-15": "weekly #1",
        "2026-11-08": "weekly #2",
        "2026-11-01": "monthly #1, the oldest",
    }


def test_iso_weeks_do_not_end_with_the_year() -> None:
    # 2026-12-28 to 2027-01-03 is one week, 2026-W53.
    moments = days("2026-12-27", "2026-12-28", "2026-12-31", "2027-01-01", "2027-01-03", "2027-01-04")
    kept = _retention.windows(moments, counts(weekly=3))
    assert kept == {"2027-01-04": "weekly #1", "2027-01-03": "weekly #2", "2026-12-27": "weekly #3"}


def test_the_oldest_stays_until_its_window_is_full() -> None:
    moments = days("2026-11-01", "2026-11-02", "2026-11-03")
    assert _retention.windows(moments, counts(monthly=2)) == {
        "2026-11-03": "monthly #1",
        "2026-11-01": "monthly #2, the oldest",
    }
    full = days("2026-10-01", "2026-10-02", "2026-11-03")
    assert "2026-10-01" not in _retention.windows(full, counts(monthly=2))


def test_days_without_anything_are_not_counted() -> None:
    moments = days("2024-01-01", "2026-11-01", "2026-11-23")
    assert len(_retention.windows(moments, counts(daily=3))) == 3


# -------------------------------------------------------------------------------------------------------- decisions


def test_a_gapless_series_keeps_what_its_windows_say() -> None:
    store = Store()
    names = store.nights(FIRST, 800)
    decision = store.decide(names[-1], FIRST + DAY * 800)
    assert len(decision.kept) == 14 + 8 + 24
    assert decision.kept[names[-1]] == "daily #1"
    assert decision.removed[names[-16]] == "no window needs it"
    for dataset in DATASETS:
        assert len(decision.archives[f"/borg/{dataset}"]) == 800 - 46
        assert set(decision.archives[f"/borg/{dataset}"]) == {f"tatchu-{dataset}-{name}" for name in decision.removed}


def test_nothing_goes_without_a_complete_point_of_this_run() -> None:
    store = Store()
    names = store.nights(FIRST, 40)
    partial = store.night(FIRST + DAY * 40, without=["blobs"])
    for current, problem in ((partial, "is partial"), (name_at(FIRST + DAY * 99), "is not sealed")):
        with pytest.raises(BackupError, match=problem):
            store.decide(current, FIRST + DAY * 41)
    del store.archives["blobs"][f"tatchu-blobs-{names[-1]}"]
    with pytest.raises(BackupError, match="promises the archive tatchu-blobs-"):
        store.decide(names[-1], FIRST + DAY * 41)


def test_a_seal_of_another_source_stops_everything() -> None:
    store = Store()
    names = store.nights(FIRST, 40)
    store.points[names[0]]["source"] = "odin"
    with pytest.raises(BackupError, match="is one of odin, not of tatchu"):
        store.decide(names[-1], FIRST + DAY * 41)


def test_the_last_complete_points_stay_whatever_the_windows_say() -> None:
    store = Store()
    names = store.nights(FIRST, 10)
    rules = {**RULES, "keep_daily": 0, "keep_weekly": 1, "keep_monthly": 0}
    decision = store.decide(names[-1], FIRST + DAY * 10, rules)
    assert decision.kept == {
        names[9]: "weekly #1",
        names[8]: "complete #2 of the last 3",
        names[7]: "complete #3 of the last 3",
    }


def test_the_last_proven_points_stay() -> None:
    store = Store()
    names = store.nights(FIRST, 400)
    rules = {**RULES, "keep_daily": 2, "keep_weekly": 0, "keep_monthly": 0, "keep_complete": 2}
    for number in (3, 50, 333):
        store.points[names[number]]["state"] = "proven"
    decision = store.decide(names[-1], FIRST + DAY * 400, rules)
    assert {name: why for name, why in decision.kept.items() if "proven" in why} == {
        names[333]: "proven #1 of the last 2",
        names[50]: "proven #2 of the last 2",
    }
    assert names[3] in decision.removed


def test_partial_points_have_a_life_of_their_own() -> None:
    store = Store()
    store.night(FIRST)
    young, old = FIRST + DAY * 40, FIRST + DAY * 9
    partial = [store.night(moment, without=["data"]) for moment in (old, young)]
    current = store.night(FIRST + DAY * 50)
    decision = store.decide(current, FIRST + DAY * 50)
    assert decision.removed == {partial[0]: "partial, more than 30 days old"}
    assert decision.kept[partial[1]] == "partial, not yet 30 days old"
    assert decision.archives == {
        "/borg/database": [f"tatchu-database-{partial[0]}"],
        "/borg/blobs": [f"tatchu-blobs-{partial[0]}"],
    }


def test_a_partial_point_waits_for_a_complete_one() -> None:
    store = Store()
    current = store.night(FIRST)
    late = store.night(FIRST + timedelta(hours=1), without=["data"])
    decision = store.decide(current, FIRST + DAY * 50)
    assert decision.kept[late] == "partial, nothing complete is newer"


def test_an_archive_that_two_points_share_goes_with_the_last() -> None:
    store = Store()
    names = store.nights(FIRST, 40)
    rules = {**RULES, "keep_daily": 3, "keep_weekly": 0, "keep_monthly": 0}
    shared = store.points[names[0]]["datasets"][1]
    store.points[names[-1]]["datasets"][1] = dict(shared)
    decision = store.decide(names[-1], FIRST + DAY * 40, rules)
    assert shared["archive"] not in decision.archives["/borg/blobs"]
    assert store.points[names[0]]["datasets"][0]["archive"] in decision.archives["/borg/database"]


def test_a_point_that_lost_an_archive_takes_no_place_and_stays() -> None:
    store = Store()
    names = store.nights(FIRST, 30)
    rules = {**RULES, "keep_daily": 2, "keep_weekly": 0, "keep_monthly": 0, "keep_complete": 1}
    del store.archives["data"][f"tatchu-data-{names[-2]}"]
    decision = store.decide(names[-1], FIRST + DAY * 30, rules)
    assert list(decision.kept) == [names[-1], names[-2], names[-3]]
    assert decision.kept[names[-3]] == "daily #2"
    assert decision.kept[names[-2]].startswith("for people to judge: it promises the archive tatchu-data-")
    assert list(decision.broken) == [names[-2]]
    assert f"tatchu-blobs-{names[-2]}" not in decision.archives["/borg/blobs"]


def test_an_archive_of_the_same_name_but_another_id_is_not_the_promised_one() -> None:
    store = Store()
    names = store.nights(FIRST, 60)
    name = f"tatchu-data-{names[-20]}"
    store.archives["data"][name]["id"] = "another"
    decision = store.decide(names[-1], FIRST + DAY * 60, {**RULES, "keep_weekly": 0, "keep_monthly": 0})
    assert names[-20] in decision.broken and names[-20] in decision.kept
    assert name not in decision.archives["/borg/data"]


def test_archives_in_a_repository_that_nobody_names_any_more_are_told() -> None:
    store = Store()
    names = store.nights(FIRST, 30)
    for entry in store.points[names[3]]["datasets"][2:]:
        entry.update(repository="/old/data", repository_id="id of old data", archive="x", archive_id="y")
    decision = store.decide(names[-1], FIRST + DAY * 30, {**RULES, "keep_weekly": 0, "keep_monthly": 0})
    assert names[3] in decision.removed and decision.broken == {}
    assert decision.elsewhere == ["/old/data"]


# ------------------------------------------------------------------------------------- archives that no point knows


def test_an_archive_that_no_point_knows_goes_by_its_age() -> None:
    store = Store()
    store.nights(FIRST, 10)
    lost = store.night(FIRST + DAY * 10, seal=False)
    current = store.nights(FIRST + DAY * 11, 25)[-1]
    name = f"tatchu-blobs-{lost}"
    early = store.decide(current, FIRST + DAY * 36)
    assert early.unknown["/borg/blobs"] == [name] and name not in early.archives["/borg/blobs"]
    current = store.nights(FIRST + DAY * 36, 5)[-1]
    assert name in store.decide(current, FIRST + DAY * 41).archives["/borg/blobs"]


def test_without_a_newer_complete_point_it_stays() -> None:
    store = Store()
    current = store.nights(FIRST, 10)[-1]
    lost = store.night(FIRST + DAY * 10, seal=False)
    assert store.decide(current, FIRST + DAY * 99).unknown["/borg/data"] == [f"tatchu-data-{lost}"]


def test_lost_seals_never_cost_an_archive() -> None:
    """The points repository was made anew: every archive is unknown, and all of them are older than any point."""
    store = Store()
    store.nights(FIRST, 300)
    store.points.clear()
    for number in range(300, 345):  # longer than a partial point may become
        current = store.night(FIRST + DAY * number)
        store.retain(current, FIRST + DAY * number)
    assert len([name for name in store.archives["blobs"] if name < f"tatchu-blobs-{name_at(FIRST + DAY * 300)}"]) == 300


@pytest.mark.parametrize("name", ["before-migration", "tatchu-blobs-x", "odin-blobs-20260105T023000Z-000000"])
def test_an_archive_of_another_name_is_nobodys(name: str) -> None:
    store = Store()
    store.nights(FIRST, 5)
    store.archives["blobs"][name] = {"name": name, "id": "foreign", "start": text(FIRST + DAY * 2)}
    current = store.nights(FIRST + DAY * 5, 100)[-1]
    decision = store.decide(current, FIRST + DAY * 105)
    assert decision.unknown == {"/borg/blobs": [name]}


def test_what_an_earlier_retention_was_about_to_remove_goes() -> None:
    store = Store()
    names = store.nights(FIRST, 20)
    decision = store.decide(names[-1], FIRST + DAY * 20, {**RULES, "keep_weekly": 0, "keep_monthly": 0})
    ids = {entry["archive_id"] for name in decision.removed for entry in store.points[name]["datasets"]}
    assert decision.removed
    for name in decision.removed:  # the seals went, then the machine did
        del store.points[name]
    left = store.decide(names[-1], FIRST + DAY * 20)
    assert left.archives == {} and left.unknown
    again = store.decide(names[-1], FIRST + DAY * 20, doomed=ids)
    assert again.archives == decision.archives and again.unknown == {}
    kept = {entry["archive_id"] for entry in store.points[names[-1]]["datasets"]}
    assert store.decide(names[-1], FIRST + DAY * 20, doomed=ids | kept).archives == decision.archives


def test_checkpoints_go_behind_a_later_archive() -> None:
    store = Store()
    names = store.nights(FIRST, 3)
    dead, young = FIRST + timedelta(hours=30), FIRST + DAY * 3
    store.checkpoints["blobs"] = [
        {"name": f"tatchu-blobs-{name_at(young)}.checkpoint", "id": "c2", "start": text(young)},
        {"name": f"tatchu-blobs-{name_at(dead)}.checkpoint.1", "id": "c1", "start": text(dead)},
        {"name": "by-hand.checkpoint", "id": "c0", "start": text(FIRST)},
    ]
    decision = store.decide(names[-1], FIRST + DAY * 3)
    assert decision.archives == {"/borg/blobs": [f"tatchu-blobs-{name_at(dead)}.checkpoint.1"]}


# ----------------------------------------------------------------------------------------------- two years of nights


def simulate(
    nights: int,
    of_night: t.Callable[[int], dict[str, t.Any] | None],
    clock: t.Callable[[int], datetime] = lambda number: FIRST + DAY * number,
) -> Store:
    """Night after night; ``of_night`` says what goes wrong (None: no night at all). Checks what must always hold."""
    store = Store()
    sealed: list[str] = []  # in the order of what really happened
    for number in range(nights):
        options, now = of_night(number), clock(number)
        if options is None:
            continue
        before = set(store.states("complete"))
        current = store.night(now, **options)
        if current in store.points and store.points[current]["state"] == "complete":
            sealed.append(current)
            store.retain(current, now + timedelta(minutes=30))
        else:
            assert before <= set(store.points)
        store.check_promises()
        assert current in store.points or options.get("seal") is False
        assert sealed[-1:] == [name for name in sealed[-1:] if name in store.points]
    return store


def newest_complete(store: Store, count: int) -> list[str]:
    return store.states("complete")[:count]


def test_two_good_years() -> None:
    store = simulate(730, lambda _number: {})
    assert len(store.points) == 14 + 8 + 22 + 1  # 24 months are not over yet, so the first night is still there
    assert name_at(FIRST) in store.points
    for dataset in DATASETS:
        assert len(store.archives[dataset]) == len(store.points)


@pytest.mark.parametrize("broken", DATASETS)
@pytest.mark.parametrize("weeks", [1, 5, 30])
def test_a_dataset_that_fails_for_weeks_costs_no_complete_point(broken: str, weeks: int) -> None:
    begin, end = 120, 120 + 7 * weeks
    before = simulate(begin, lambda _number: {})
    during = simulate(end, lambda number: {"without": [broken]} if number >= begin else {})
    assert during.states("complete") == before.states("complete")
    assert len(during.states("partial")) == 7 * weeks
    after = simulate(end + 1, lambda number: {"without": [broken]} if begin <= number < end else {})
    new = name_at(FIRST + DAY * end)
    assert set(after.states("complete")) >= set(newest_complete(before, 13)) | {new}
    assert all(name >= name_at(FIRST + DAY * (end - 31)) for name in after.states("partial"))
    # Every archive that is there belongs to a point that is there.
    for dataset in DATASETS:
        promised = {e["archive"] for p in after.points.values() for e in p["datasets"] if e["name"] == dataset}
        assert set(after.archives[dataset]) == promised


def test_one_dataset_that_fails_every_night_never_leads_to_a_removal() -> None:
    store = simulate(730, lambda number: {"without": ["blobs"]} if number > 4 else {})
    assert len(store.points) == 730 and len(store.states("complete")) == 5


def test_all_partial_from_the_first_night_on() -> None:
    store = simulate(100, lambda _number: {"without": ["database"]})
    assert len(store.states("partial")) == 100


def test_nothing_works_at_all() -> None:
    assert simulate(50, lambda _number: {"without": DATASETS, "seal": False}).points == {}


def test_a_long_outage_ages_nothing() -> None:
    before = simulate(300, lambda _number: {})
    store = simulate(701, lambda number: None if 300 <= number < 700 else {})
    assert newest_complete(store, 3)[1:] == newest_complete(before, 2)
    assert set(newest_complete(store, 14)[1:]) == set(newest_complete(before, 13))
    assert len(store.states("complete")) >= 14 + 8


def test_seals_that_fail_for_weeks_cost_nothing_and_leave_nothing_for_ever() -> None:
    store = simulate(500, lambda number: {"seal": False} if 200 <= number < 235 else {})
    assert len(store.archives["blobs"]) == len(store.points)


@pytest.mark.parametrize("jump", [timedelta(days=3650), timedelta(days=40), -timedelta(days=2500), -timedelta(days=9)])
@pytest.mark.parametrize("length", [1, 40])
def test_a_clock_that_jumps_and_returns(jump: timedelta, length: int) -> None:
    def clock(number: int) -> datetime:
        moved = jump if 100 <= number < 100 + length else timedelta()
        return FIRST + DAY * number + moved + timedelta(seconds=61 * number)  # no two nights have one name

    before = simulate(100, lambda _number: {}, clock)
    store = simulate(250, lambda _number: {}, clock)
    true = [name for name in store.states("complete") if name <= name_at(clock(249))]
    # The nights behind the jump have their own windows: future points took no place in them.
    assert true[:14] == [name_at(clock(number)) for number in range(249, 235, -1)]
    # One wrong night takes the place of at most one; more of them are nights like others.
    just = simulate(100 + length + 1, lambda _number: {}, clock)
    assert length > 1 or len(set(newest_complete(before, 13)) - set(just.points)) <= 1


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.long)])
def test_random_years(rounds: int) -> None:
    """Whatever goes wrong: what a point promises is there, and the newest complete points stay."""
    chance = random.Random(20261123)
    for _round in range(rounds):
        weeks = [chance.choice(["good"] * 6 + ["dataset", "seal", "off", "clock"]) for _ in range(60)]
        broken = [chance.choice(DATASETS) for _ in weeks]
        shift = [timedelta(days=chance.randint(-400, 400)) for _ in weeks]

        def of_night(number: int, weeks: list[str] = weeks, broken: list[str] = broken) -> dict[str, t.Any] | None:
            week = weeks[number // 7]
            if week == "off":
                return None
            return {"dataset": {"without": [broken[number // 7]]}, "seal": {"seal": False}}.get(week, {})

        def clock(number: int, weeks: list[str] = weeks, shift: list[timedelta] = shift) -> datetime:
            week = number // 7
            # seconds apart, so that no two nights have one name
            moved = shift[week] if weeks[week] == "clock" else timedelta()
            return FIRST + DAY * number + moved + timedelta(seconds=61 * number)

        store = simulate(420, of_night, clock)
        good = [clock(number) for number in range(420) if weeks[number // 7] in ("good", "clock")]
        last_good = [moment for moment in good if moment <= clock(419)][-3:]
        assert {name_at(moment) for moment in last_good if moment == clock(419)} <= set(store.points)
        assert len(store.states("complete")) >= 3


def test_a_suspect_point_stays_for_people_however_old_it_is() -> None:
    store = Store()
    names = [store.night(FIRST, state="suspect"), *store.nights(FIRST + DAY, 400)]
    decision = store.decide(names[-1], FIRST + DAY * 401)
    assert decision.kept[names[0]] == "for people to judge: it is suspect"
    assert all(f"tatchu-{dataset}-{names[0]}" not in gone for dataset, gone in decision.archives.items())


def test_a_partial_point_of_the_future_says_so() -> None:
    store = Store()
    store.nights(FIRST, 3)
    future = store.night(FIRST + DAY * 50, without=["blobs"])
    current = store.night(FIRST + DAY * 3)
    assert store.decide(current, FIRST + DAY * 3).kept[future] == "dated in the future"


def test_an_archive_that_is_not_named_as_a_night_names_it_stays() -> None:
    store = Store()
    names = store.nights(FIRST, 400)
    by_hand = "tatchu-blobs-before-migration"
    store.archives["blobs"][by_hand] = {"name": by_hand, "id": "y", "start": text(FIRST + timedelta(days=3))}
    foreign = name_at(FIRST + timedelta(days=3, hours=5))
    store.archives["blobs"][foreign] = {"name": foreign, "id": "x", "start": text(FIRST + timedelta(days=3))}
    decision = store.decide(names[-1], FIRST + DAY * 400)
    assert sorted(decision.unknown["/borg/blobs"]) == [foreign, by_hand]
    assert not {foreign, by_hand} & set(decision.archives["/borg/blobs"])


def test_a_repository_that_was_made_anew_keeps_no_promise_of_the_old_one() -> None:
    store = Store()
    names = store.nights(FIRST, 400)
    for entry in store.points[names[1]]["datasets"]:
        entry |= {"repository_id": "id of the former repository", "archive_id": "its id there"}
    decision = store.decide(names[-1], FIRST + DAY * 400)
    assert f"promises the archive tatchu-{DATASETS[0]}-{names[1]}" in decision.kept[names[1]]
    # Nor does what lies there under that name go: nobody knows yet what it is.
    for dataset in DATASETS:
        assert f"tatchu-{dataset}-{names[1]}" not in decision.archives[f"/borg/{dataset}"]


def test_a_repository_at_another_path_is_known_by_its_id() -> None:
    store = Store()
    names = store.nights(FIRST, 5)
    for entry in store.points[names[1]]["datasets"]:
        entry |= {"repository": "/elsewhere", "archive_id": "another id"}
    assert "promises the archive" in store.decide(names[-1], FIRST + DAY * 5).kept[names[1]]
