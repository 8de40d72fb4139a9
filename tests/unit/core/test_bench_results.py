import json
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.bench_results import (
    PARTS,
    PIPELINE,
    STEPS,
    Measured,
    Result,
    Spread,
    percentile,
    read_measured,
    together,
)
from m365dq_dagster.core.errors import BadInput
from tests.support.benchmarks import plain, prompt, result, runs
from tests.support.drawn_benchmarks import MEASURED, RESULTS, TIMES


@given(st.lists(TIMES, min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_percentile_is_the_smallest_value_that_enough_values_keep_within(values: list[float], part: float) -> None:
    found = percentile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values)
    assert all(sum(value <= one for value in values) < part * len(values) for one in values if one < found)


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


@given(MEASURED)
def test_what_was_measured_is_read_again_as_it_was_written(found: Measured) -> None:
    document = json.loads(json.dumps(written(found)))
    again = read_measured(document, "file")
    assert again.prompt == found.prompt
    pairs = zip(again.results, found.results, strict=True)
    assert all(replace(one, start_seconds=other.start_seconds) == other for one, other in pairs)


def written(found: Measured) -> dict[str, object]:
    prompted = found.prompt.as_mapping() if found.prompt else None
    return {"results": [one.as_mapping() for one in found.results], "prompt": prompted}


@given(RESULTS)
def test_a_results_ratios_are_each_rounds_own(found: Result) -> None:
    told = found.as_mapping()
    assert told["rounds"] == len(found.rounds)
    assert found.ratio(PIPELINE).median == median(one.whole / one.scan for one in found.rounds)
    assert set(told["ratio"]) == {PIPELINE, *STEPS, *PARTS}
    assert set(told["seconds"]) == {"scan", PIPELINE, *STEPS, *PARTS}
    assert 0 <= found.intake_share <= 1


def test_a_run_is_held_against_the_scan_without_the_start_of_its_interpreter() -> None:
    found = runs(3.0)
    assert found.ratio.median == 3.0
    assert [found.seconds(name).median for name in ("whole", "start", "own")] == [3.25, 0.25, 3.0]


def test_the_plain_way_says_how_many_pipelines_fit_into_it() -> None:
    assert replace(result(2.0), plain=plain(60.0)).times_as_fast == 30.0
    assert result().times_as_fast is None


def test_a_row_costs_what_the_pipeline_took_by_its_rows() -> None:
    assert result(2.0, rows=10_000).microseconds_per_row == 200.0


def test_a_second_run_is_what_it_takes_above_the_bare_start() -> None:
    assert prompt(second=0.625, start=0.25).seconds("above") == Spread(0.375, 0.0)


def test_processor_seconds_are_told_where_every_round_has_them() -> None:
    assert prompt().processor_seconds("first") == 7.0
    (round_, *_) = prompt().rounds
    assert replace(prompt(), rounds=(round_, replace(round_, processor={}))).processor_seconds("first") is None


def test_a_file_of_a_version_that_did_not_know_the_parts_is_read_without_them() -> None:
    old = result().as_mapping()
    for one in old["measured"]:
        del one["parts"]
    for name in ("runs", "plain"):
        del old[name]
    (again,) = read_measured({"results": [old]}, "file").results
    assert again.parts == ()
    assert again.rounds[0].steps == result().rounds[0].steps


def test_of_several_benchmarks_the_later_figures_count_and_sizes_rise() -> None:
    first = Measured((result(2.0), result(2.0, shape="ual-csv")), prompt())
    second = Measured((result(4.0), result(5.0, rows=10_000)))
    found = together([first, second])
    assert [(one.rows, one.shape) for one in found.results] == [
        (10_000, "portal-csv"),
        (1_000_000, "portal-csv"),
        (1_000_000, "ual-csv"),
    ]
    assert found.results[1].ratio(PIPELINE).median == 4.0
    assert found.prompt == prompt()


WRITTEN = result().as_mapping()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"results": 3},
        {"results": [3]},
        {"results": [{}]},
        {"results": [{**WRITTEN, "measured": []}]},
        {"results": [{**WRITTEN, "measured": [{"scan": 0, "whole": 1, "steps": dict.fromkeys(STEPS, 1)}]}]},
        {"results": [{**WRITTEN, "rows": "many"}]},
        {"results": [{**WRITTEN, "runs": {"measured": [], "peak_bytes": 1}}]},
        {"results": [], "prompt": 3},
    ],
)
def test_a_document_of_something_else_is_refused_in_one_sentence(document: object) -> None:
    with pytest.raises(BadInput, match=r"file\.json is no result of `m365dq bench`; give a file that `--out` wrote\."):
        read_measured(document, "file.json")
