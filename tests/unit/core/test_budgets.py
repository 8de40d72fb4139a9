import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from m365dq_dagster.core import budgets
from m365dq_dagster.core.bench_request import SHAPES, Figure, Order, size_words
from m365dq_dagster.core.bench_results import PARTS, STEPS, Measured, Result, Round, Runs, Spread
from m365dq_dagster.core.budgets import (
    BUDGETS,
    GROWTH,
    MEMORY,
    RATIO,
    RUN_MEMORY,
    SECONDS,
    Budget,
    BudgetVerdict,
    Change,
    Trend,
    noise,
)
from tests.support.benchmarks import prompt, result, runs
from tests.support.drawn_benchmarks import RESULTS


def judge(results: list[Result], *given: object) -> tuple[BudgetVerdict, ...]:
    return budgets.judge(Measured(tuple(results)), *given)  # type: ignore[arg-type]


def compare(before: list[Result], after: list[Result]) -> tuple[Change, ...]:
    return budgets.compare(Measured(tuple(before)), Measured(tuple(after)))


def uncompared(before: list[Result], after: list[Result]) -> tuple[str, ...]:
    return budgets.uncompared(Measured(tuple(before)), Measured(tuple(after)))


def test_a_broken_ratio_is_found_and_a_kept_one_is_not() -> None:
    verdicts = judge([result(7.0), result(3.1, shape="ual-csv")])
    assert [(one.shape, one.what, one.seen) for one in budgets.broken(verdicts)] == [("ual-csv", RATIO, 3.1)]


def test_seconds_above_their_budget_break_nothing_since_machines_differ() -> None:
    verdicts = judge([result(2.0, scan=100.0)])
    (seconds,) = [one for one in verdicts if one.what == SECONDS]
    assert (seconds.kept, seconds.decides) == (False, False)
    assert budgets.broken(verdicts) == ()


def test_too_much_memory_breaks_the_budget() -> None:
    (one,) = budgets.broken(judge([replace(result(), peak_bytes=1_600_000_000)]))
    assert (one.what, one.allowed) == (MEMORY, 1_500_000_000)
    assert one.as_mapping()["kept"] is False


def test_a_size_without_a_budget_gets_no_verdict() -> None:
    assert judge([result(rows=200)]) == ()
    stages = (Figure.STAGES,)
    assert not budgets.has_deciding_budget(Order(SHAPES, (200,), figures=stages))
    assert not budgets.has_deciding_budget(Order(("ual-csv",), (10_000,), figures=stages))
    assert budgets.has_deciding_budget(Order(SHAPES, (200, 10_000), figures=stages))


def test_a_check_of_the_prompt_alone_can_fail() -> None:
    assert budgets.has_deciding_budget(Order((), (), figures=(Figure.PROMPT,)))
    assert not budgets.has_deciding_budget(Order(SHAPES, (10_000,), figures=()))


def test_a_run_of_the_program_has_to_keep_within_the_same_memory() -> None:
    found = replace(result(), runs=runs(2.0, peak_bytes=1_500_000_001))
    assert [one.what for one in budgets.broken(judge([found]))] == [RUN_MEMORY]
    assert budgets.broken(judge([replace(result(), runs=runs(2.0))])) == ()


@pytest.mark.parametrize(("growth", "kept"), [(1.0, True), (1.25, True), (1.5, False)])
def test_a_row_may_cost_hardly_more_among_many(growth: float, kept: bool) -> None:
    few, many = result(2.0, rows=100_000), result(2.0 * growth, scan=100.0, rows=10_000_000)
    (found,) = [one for one in judge([few, many]) if one.what == GROWTH]
    assert (found.rows, found.seen, found.kept, found.decides) == (10_000_000, growth, kept, True)


def test_growth_is_told_of_one_export_only_and_of_the_sizes_it_is_promised_for() -> None:
    results = [result(rows=100_000), result(rows=500_000), result(shape="ual-csv", rows=1_000_000)]
    assert [one for one in judge(results) if one.what == GROWTH] == []


def test_what_people_wait_for_decides() -> None:
    kept = budgets.judge(Measured((), prompt()))
    assert {one.what: one.seen for one in kept} == {
        "prompt to verdict, first run": 7.0,
        "second run above the bare start": 0.375,
        "m365dq --help": 0.125,
    }
    assert budgets.broken(kept) == ()
    slow = budgets.judge(Measured((), prompt(first=10.5, second=0.875, help=0.375)))
    assert [one.as_mapping()["unit"] for one in budgets.broken(slow)] == ["s", "s", "s"]


@given(st.floats(min_value=0.1, max_value=100), st.floats(min_value=0.1, max_value=100))
def test_a_budget_is_broken_exactly_where_more_is_seen_than_allowed(seen: float, allowed: float) -> None:
    found = judge([result(seen)], {("portal-csv", 1_000_000): Budget(allowed, None, None)})
    assert bool(budgets.broken(found)) is (found[0].seen > allowed)


def test_the_budgets_of_the_design_stand() -> None:
    ratios = {(shape, size_words(rows)): one.ratio for (shape, rows), one in BUDGETS.items() if one.ratio}
    assert ratios == {
        ("portal-csv", "10K"): 15,
        ("portal-csv", "100K"): 12,
        ("portal-csv", "1M"): 7,
        ("graph-jsonl", "1M"): 3,
        ("ual-csv", "1M"): 3,
    }
    assert {one.seconds for (_, rows), one in BUDGETS.items() if rows == 1_000_000} == {6.0}
    assert {one.peak_bytes for (_, rows), one in BUDGETS.items() if rows == 1_000_000} == {1_500_000_000}


@given(RESULTS)
def test_nothing_has_changed_against_itself(found: Result) -> None:
    changes = compare([found], [found])
    assert {change.trend for change in changes} == {Trend.SAME}
    assert len(changes) == len(STEPS) + len(PARTS) + 3 + (2 if found.runs else 0)
    assert uncompared([found], [found]) == ()


def times(numbers: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: value * factor for name, value in numbers.items()}


@given(RESULTS, st.floats(min_value=0.01, max_value=100))
def test_a_machine_that_is_slower_at_everything_has_changed_nothing(found: Result, factor: float) -> None:
    slower = [
        Round(one.scan * factor, one.whole * factor, *(times(part, factor) for part in (one.steps, one.parts)))
        for one in found.rounds
    ]
    slow_runs = found.runs and Runs(
        tuple(replace(one, **times(vars(one), factor)) for one in found.runs.rounds), found.runs.peak_bytes
    )
    changes = compare([found], [replace(found, rounds=tuple(slower), runs=slow_runs)])
    assert {change.trend for change in changes} == {Trend.SAME}


@given(RESULTS, RESULTS)
def test_what_is_worse_one_way_is_never_worse_the_other_way(one: Result, other: Result) -> None:
    other = replace(other, shape=one.shape, rows=one.rows)
    there, back = compare([one], [other]), compare([other], [one])
    for forth, again in zip(there, back, strict=True):
        assert not forth.trend == again.trend == Trend.WORSE
        assert not forth.trend == again.trend == Trend.BETTER


@given(
    st.floats(min_value=1, max_value=100),
    st.floats(min_value=0, max_value=10),
    st.floats(min_value=0, max_value=10),
    st.floats(min_value=0, max_value=1000),
)
def test_only_what_exceeds_the_noise_is_called_a_change(before: float, own: float, other: float, more: float) -> None:
    allowed = noise(Spread(before, own), Spread(before + more, other))
    assert allowed >= max(before / 10, 3 * own, 3 * other)
    assume(not math.isclose(more, allowed, rel_tol=1e-6))
    change = Change("portal-csv", 1, RATIO, before, before + more, allowed)
    assert change.trend is (Trend.WORSE if more > allowed else Trend.SAME)


def test_a_stage_that_takes_twice_its_time_is_named() -> None:
    before, once = result(7.0), result(7.0).rounds[0]
    steps = {**once.steps, "quality": 2 * once.steps["quality"]}
    slow = Round(once.scan, once.whole + once.steps["quality"], steps, once.parts)
    worse = [one.what for one in compare([before], [replace(before, rounds=(slow,) * 3)]) if one.trend is Trend.WORSE]
    assert worse == ["pipeline / scan", "quality / scan"]


def test_a_part_that_takes_twice_its_time_is_named_and_one_that_was_not_measured_before_is_not() -> None:
    once = result().rounds[0]
    slow = replace(once, parts={**once.parts, "profile": 2 * once.parts["profile"]})
    unknown = replace(once, parts={})
    now = replace(result(), rounds=(slow,))
    assert [one.what for one in compare([result()], [now]) if one.trend is Trend.WORSE] == ["profile / scan"]
    whats = {one.what for one in compare([replace(result(), rounds=(unknown,))], [now])}
    assert not whats & {f"{name} / scan" for name in PARTS}


def test_a_slower_run_and_a_slower_prompt_are_named() -> None:
    before = Measured((replace(result(), runs=runs(2.0)),), prompt())
    after = Measured((replace(result(), runs=runs(3.0)),), prompt(first=9.0))
    worse = [one.as_mapping()["what"] for one in budgets.compare(before, after) if one.trend is Trend.WORSE]
    assert worse == ["m365dq run / scan", "prompt to verdict, first run / python"]
    assert {one.trend for one in budgets.compare(before, before)} == {Trend.SAME}
    assert len(budgets.compare(before, Measured(after.results))) == len(budgets.compare(before, after)) - 4


def test_less_memory_is_better_and_more_on_disk_is_worse() -> None:
    now = replace(result(), peak_bytes=5 * 10**8, case_bytes=2 * 10**8)
    trends = {one.what: one.as_mapping()["trend"] for one in compare([result()], [now])}
    assert (trends["peak memory"], trends["case on disk"], trends[RATIO]) == ("BETTER", "WORSE", "SAME")


def test_what_the_earlier_results_lack_is_named_and_not_compared() -> None:
    now = [result(rows=10_000), result()]
    assert uncompared([result()], now) == ("portal-csv 10K",)
    assert {change.rows for change in compare([result()], now)} == {1_000_000}
