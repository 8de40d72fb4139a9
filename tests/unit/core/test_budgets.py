import json
import math
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from m365dq_dagster.core import budgets
from m365dq_dagster.core.budgets import (
    BUDGETS,
    MEMORY,
    PIPELINE,
    RATIO,
    SECONDS,
    SHAPES,
    STEPS,
    Budget,
    Change,
    Layers,
    Result,
    Round,
    Spread,
    Trend,
    compare,
    judge,
    noise,
    parse_shapes,
    parse_sizes,
    percentile,
    read_results,
    rounds_for,
    size_words,
    uncompared,
)
from m365dq_dagster.core.errors import BadInput

TIMES = st.floats(min_value=1e-4, max_value=1e3)
ROUNDS = st.builds(
    lambda scan, parts: Round(scan, sum(parts), dict(zip(STEPS, parts, strict=True))),
    TIMES,
    st.lists(TIMES, min_size=len(STEPS), max_size=len(STEPS)),
)
RESULTS = st.builds(
    Result,
    st.sampled_from(SHAPES),
    st.sampled_from([200, 10_000, 1_000_000]),
    st.lists(ROUNDS, min_size=1, max_size=6).map(tuple),
    st.integers(1, 10**10),
    st.integers(1, 10**10),
    st.integers(1, 10**10),
    TIMES,
    st.just("NO_BREACH_INDICATED"),
    st.one_of(
        st.none(),
        st.builds(
            Layers,
            st.dictionaries(st.sampled_from(["by day", "by user"]), TIMES),
            st.dictionaries(st.sampled_from(["by day", "by user"]), TIMES),
            TIMES,
            st.integers(0, 10**10),
        ),
    ),
)


@given(st.lists(TIMES, min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_percentile_is_the_smallest_value_that_enough_values_keep_within(values: list[float], part: float) -> None:
    found = percentile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values)
    assert all(sum(value <= one for value in values) < part * len(values) for one in values if one < found)


def result(ratio: float = 2.0, *, scan: float = 1.0, shape: str = "portal-csv", rows: int = 1_000_000) -> Result:
    """A run that took ``ratio`` scans, each of its parts the same."""
    whole = ratio * scan
    steps = dict.fromkeys(STEPS, whole / len(STEPS))
    return Result(shape, rows, (Round(scan, whole, steps),) * 3, 10**9, 10**9, 10**8, 1.0)


def test_the_spread_of_one_value_is_that_value_without_deviation() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 0.0)


@given(st.lists(TIMES, min_size=1))
def test_a_spread_stays_within_what_was_measured(values: list[float]) -> None:
    found = Spread.of(values)
    assert min(values) <= found.median <= max(values)
    assert 0 <= found.deviation <= max(values) - min(values)


@given(st.lists(TIMES, min_size=3), st.floats(min_value=1e4, max_value=1e9))
def test_one_disturbed_round_of_many_moves_the_median_no_further_than_its_neighbours(
    values: list[float], outlier: float
) -> None:
    assert Spread.of([*values, outlier]).median <= max(values)


@given(RESULTS)
def test_a_result_is_read_again_as_it_was_written(found: Result) -> None:
    document = json.loads(json.dumps({"results": [found.as_mapping()]}))
    (again,) = read_results(document, "file")
    assert again.rounds == found.rounds
    assert replace(again, start_seconds=found.start_seconds) == found


@given(RESULTS)
def test_a_results_ratios_are_each_rounds_own(found: Result) -> None:
    written = found.as_mapping()
    assert written["rounds"] == len(found.rounds)
    assert found.ratio(PIPELINE).median == median(one.whole / one.scan for one in found.rounds)
    assert set(written["ratio"]) == {PIPELINE, *STEPS}
    assert set(written["seconds"]) == {"scan", PIPELINE, *STEPS}
    assert 0 <= found.intake_share <= 1


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"results": 3},
        {"results": [3]},
        {"results": [{}]},
        {"results": [{**result().as_mapping(), "measured": []}]},
        {
            "results": [
                {**result().as_mapping(), "measured": [{"scan": 0, "whole": 1, "steps": dict.fromkeys(STEPS, 1)}]}
            ]
        },
        {"results": [{**result().as_mapping(), "rows": "many"}]},
    ],
)
def test_a_document_of_something_else_is_refused_in_one_sentence(document: object) -> None:
    with pytest.raises(BadInput, match=r"file\.json is no result of `m365dq bench`; give a file that `--out` wrote\."):
        read_results(document, "file.json")


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
    assert not budgets.has_deciding_budget(SHAPES, [200])
    assert not budgets.has_deciding_budget(["ual-csv"], [10_000])
    assert budgets.has_deciding_budget(SHAPES, [200, 10_000])


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
    assert len(changes) == len(STEPS) + 3
    assert uncompared([found], [found]) == ()


@given(RESULTS, st.floats(min_value=0.01, max_value=100))
def test_a_machine_that_is_slower_at_everything_has_changed_nothing(found: Result, factor: float) -> None:
    slower = [
        Round(one.scan * factor, one.whole * factor, {name: value * factor for name, value in one.steps.items()})
        for one in found.rounds
    ]
    changes = compare([found], [replace(found, rounds=tuple(slower))])
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
    slow = Round(once.scan, once.whole + once.steps["quality"], {**once.steps, "quality": 2 * once.steps["quality"]})
    worse = [one.what for one in compare([before], [replace(before, rounds=(slow,) * 3)]) if one.trend is Trend.WORSE]
    assert worse == ["pipeline / scan", "quality / scan"]


def test_less_memory_is_better_and_more_on_disk_is_worse() -> None:
    now = replace(result(), peak_bytes=5 * 10**8, case_bytes=2 * 10**8)
    trends = {one.what: one.as_mapping()["trend"] for one in compare([result()], [now])}
    assert (trends["peak memory"], trends["case on disk"], trends[RATIO]) == ("BETTER", "WORSE", "SAME")


def test_what_the_earlier_results_lack_is_named_and_not_compared() -> None:
    now = [result(rows=10_000), result()]
    assert uncompared([result()], now) == ("portal-csv 10K",)
    assert {change.rows for change in compare([result()], now)} == {1_000_000}


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("10k,100k,1m", (10_000, 100_000, 1_000_000)),
        ("1M, 10K,10000", (10_000, 1_000_000)),
        ("200", (200,)),
        ("20m", (20_000_000,)),
    ],
)
def test_sizes_are_read_each_once_and_in_rising_order(text: str, sizes: tuple[int, ...]) -> None:
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize("text", ["banana", "", "k", "10k,", "-5", "1.5m", "1e3", "٣", "9" * 40, "10 k"])
def test_what_is_no_number_of_rows_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadInput, match=r"is no number of rows; give numbers such as 10k,100k,1m\."):
        parse_sizes(text)


@pytest.mark.parametrize("text", ["0", "0k", "20000001", "100m"])
def test_a_number_of_rows_outside_the_range_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="rows cannot be measured; give numbers from 1 to 20,000,000"):
        parse_sizes(text)


@given(st.lists(st.tuples(st.integers(1, 20_000_000), st.sampled_from(["", "k", "m", "K", "M"])), min_size=1))
def test_sizes_within_the_range_are_read_and_all_others_refused(words: list[tuple[int, str]]) -> None:
    text = ", ".join(f"{number}{unit}" for number, unit in words)
    rows = {number * {"": 1, "k": 1_000, "m": 1_000_000}[unit.lower()] for number, unit in words}
    if max(rows) <= budgets.MOST_ROWS:
        assert parse_sizes(text) == tuple(sorted(rows))
    else:
        with pytest.raises(BadInput):
            parse_sizes(text)


def test_exports_are_read_by_name_each_once() -> None:
    assert parse_shapes("ual-csv, portal-csv,ual-csv") == ("ual-csv", "portal-csv")
    with pytest.raises(BadInput, match="'xml' is no export that is measured; choose from: portal-csv, graph-jsonl"):
        parse_shapes("ual-csv,xml")


def test_small_sizes_are_measured_five_times_and_large_ones_three_unless_more_is_asked_for() -> None:
    assert [rounds_for(rows) for rows in (200, 999_999, 1_000_000)] == [5, 5, 3]
    assert [rounds_for(rows, 4) for rows in (200, 1_000_000)] == [5, 4]


def test_sizes_are_said_in_words_only_where_they_are_round() -> None:
    assert [size_words(rows) for rows in (1_000_000, 10_000, 1_500, 200, 1_234_000)] == [
        "1M",
        "10K",
        "1,500",
        "200",
        "1234K",
    ]
