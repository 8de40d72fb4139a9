"""Days joined, days filled and dark, days of one value: and when that is more than chance."""

from collections.abc import ItemsView, Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.stretches import (
    DayCount,
    Stretch,
    buckets,
    constant_runs,
    filled_runs,
    merged,
)
from tests.support.judgement import policy

POLICY = policy().stretches
START = date(2025, 11, 3)


def day(number: int, rows: int = 20, filled: int | None = None, **values: int) -> DayCount:
    held = {said.lstrip("v"): count for said, count in values.items()} or {"0": rows}
    return DayCount(START + timedelta(days=number), rows, rows if filled is None else filled, held)


def series(days: list[DayCount]) -> list[Stretch]:
    return buckets(days, POLICY.day_rows)


def usable(said: str) -> bool:
    return said != "blank"


def dates(found: list[tuple[bool, Stretch]]) -> list[tuple[bool, int, int]]:
    return [(state, (one.begins - START).days, (one.ends - START).days) for state, one in found]


def test_small_days_are_joined_with_the_next_ones() -> None:
    found = series([day(0, 3), day(1, 3), day(2, 9), day(5, 2)])
    assert [(one.begins, one.ends, one.days, one.rows) for one in found] == [
        (START, START + timedelta(days=1), 2, 6),
        (START + timedelta(days=2), START + timedelta(days=5), 2, 11),
    ]
    assert series([]) == []
    assert [one.rows for one in series([day(0, 2)])] == [2]


def test_a_field_that_goes_dark_and_comes_back_makes_three_runs() -> None:
    days = [day(n, 20, 0 if 5 <= n < 9 else 20) for n in range(14)]
    assert dates(filled_runs(series(days), POLICY)) == [(True, 0, 4), (False, 5, 8), (True, 9, 13)]


@pytest.mark.parametrize(("filled", "runs"), [(1, 2), (2, 1), (10, 1), (11, 1)])
def test_dark_is_at_most_five_percent_and_filled_more_than_half(filled: int, runs: int) -> None:
    days = [*(day(n) for n in range(5)), *(day(n, 20, filled) for n in range(5, 10))]
    assert len(filled_runs(series(days), POLICY)) == runs


@pytest.mark.parametrize(("rows", "runs"), [(29, 1), (30, 2)])
def test_fewer_than_thirty_dark_rows_are_no_run(rows: int, runs: int) -> None:
    assert len(filled_runs(series([day(0, 50), day(1, 50), day(2, rows, 0)]), POLICY)) == runs


def test_a_quiet_empty_weekend_is_no_darkness() -> None:
    days = [day(n, 2 if n % 7 > 4 else 40, 0 if n % 7 > 4 else 40) for n in range(28)]
    assert dates(filled_runs(series(days), POLICY)) == [(True, 0, 27)]


def varied(number: int, rows: int = 20, failures: int = 4) -> DayCount:
    return day(number, rows, v0=rows - failures, v50126=failures)


def test_a_run_of_one_value_beside_days_that_vary_is_found_with_its_chance() -> None:
    days = [*(varied(n) for n in range(10)), *(day(n) for n in range(10, 20))]
    (run,) = constant_runs(series(days), usable, POLICY)
    assert (run.value, run.stretch.begins, run.to_the_end, len(run.before)) == (
        "0",
        START + timedelta(days=10),
        True,
        10,
    )
    assert run.chance == pytest.approx(0.8**200)
    assert run.is_abrupt(POLICY)


def test_an_attack_of_two_days_that_ends_is_not_abrupt() -> None:
    days = [*(varied(n) if n in (3, 4) else day(n) for n in range(10)), *(day(n) for n in range(10, 20))]
    assert not any(run.is_abrupt(POLICY) for run in constant_runs(series(days), usable, POLICY))


@pytest.mark.parametrize(("before", "after", "abrupt"), [(4, 10, False), (5, 10, True), (10, 4, False), (10, 5, True)])
def test_an_abrupt_end_needs_five_days_on_either_side(before: int, after: int, abrupt: bool) -> None:
    days = [*(varied(n) for n in range(before)), *(day(n) for n in range(before, before + after))]
    assert any(run.is_abrupt(POLICY) for run in constant_runs(series(days), usable, POLICY)) is abrupt


def test_days_of_one_value_that_chance_explains_are_no_run() -> None:
    days = [*(varied(n, 40, 1) for n in range(10)), *(day(n, 10) for n in range(10, 14))]
    assert constant_runs(series(days), usable, POLICY) == []


def test_a_field_of_one_value_throughout_is_no_stretch_but_uniform() -> None:
    assert constant_runs(series([day(n) for n in range(20)]), usable, POLICY) == []


def test_blank_days_are_dark_and_not_constant() -> None:
    days = [*(varied(n) for n in range(10)), *(day(n, 20, 0, vblank=20) for n in range(10, 20))]
    assert constant_runs(series(days), usable, POLICY) == []


def test_one_constant_run_is_not_joined_with_another_value() -> None:
    days = [*(day(n) for n in range(5)), *(day(n, 20, v50126=20) for n in range(5, 10))]
    found = constant_runs(series(days), usable, POLICY)
    assert [(run.value, run.to_the_end) for run in found] == [("0", False), ("50126", True)]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=30), st.randoms())
def test_joining_days_loses_no_row_and_keeps_the_order(days: list[tuple[int, int]], chance: st.randoms) -> None:  # type: ignore[valid-type]
    made = [day(n, rows, min(rows, filled)) for n, (rows, filled) in enumerate(days)]
    mixed = list(made)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    found = series(mixed)
    assert found == series(made)
    assert sum(one.rows for one in found) == sum(one.rows for one in made)
    assert merged(found).in_domain == sum(one.in_domain for one in made)
    assert all(one.ends < following.begins for one, following in pairwise(found))
    assert all(one.covers(one.begins) and not one.covers(None) for one in found)


class Heard(dict[str, int]):
    """Values of a day that hear how often they are read through."""

    times = 0

    def __iter__(self) -> Iterator[str]:
        Heard.times += 1
        return super().__iter__()

    def items(self) -> ItemsView[str, int]:
        Heard.times += 1
        return super().items()


def test_however_many_runs_there_are_each_day_is_looked_at_a_few_times() -> None:
    block = POLICY.rows // 20 + POLICY.stuck_days
    days = [day(n, v0=10, v1=10) if n % (block + 1) == block else day(n, v0=20) for n in range(40 * (block + 1))]
    heard = [replace(one, values=Heard(one.values)) for one in series(days)]
    constant_runs(heard, usable, POLICY)
    assert Heard.times <= 6 * len(heard)
