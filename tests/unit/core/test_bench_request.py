import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.bench_request import (
    MOST_ROWS,
    Figure,
    Order,
    parse_figures,
    parse_shapes,
    parse_sizes,
    rounds_for,
    size_words,
)
from m365dq_dagster.core.errors import BadInput


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
    if max(rows) <= MOST_ROWS:
        assert parse_sizes(text) == tuple(sorted(rows))
    else:
        with pytest.raises(BadInput):
            parse_sizes(text)


def test_exports_are_read_by_name_each_once() -> None:
    assert parse_shapes("ual-csv, portal-csv,ual-csv") == ("ual-csv", "portal-csv")
    with pytest.raises(BadInput, match="'xml' is no export that is measured; choose from: portal-csv, graph-jsonl"):
        parse_shapes("ual-csv,xml")


def test_every_size_is_measured_five_times_but_the_largest_three_unless_more_is_asked_for() -> None:
    assert [rounds_for(rows) for rows in (200, 1_000_000, 9_999_999, 10_000_000)] == [5, 5, 5, 3]
    assert [rounds_for(rows, 4) for rows in (200, 10_000_000)] == [5, 4]
    assert Order((), (), at_least=7).rounds_of(200) == 7
    assert Order((), (), at_least=7, rounds=1).rounds_of(200) == 1


def test_what_is_held_against_the_stages_brings_them_along() -> None:
    assert parse_figures("prompt") == (Figure.PROMPT,)
    assert parse_figures("plain") == (Figure.STAGES, Figure.PLAIN)
    assert parse_figures("prompt, runs,runs") == (Figure.STAGES, Figure.RUNS, Figure.PROMPT)
    assert parse_figures(",".join(Figure)) == tuple(Figure)
    with pytest.raises(BadInput, match="'lunch' is nothing that is measured; choose from: stages, runs, prompt, plain"):
        parse_figures("lunch")


def test_sizes_are_said_in_words_only_where_they_are_round() -> None:
    assert [size_words(rows) for rows in (1_000_000, 10_000, 1_500, 200, 1_234_000)] == [
        "1M",
        "10K",
        "1,500",
        "200",
        "1234K",
    ]
    assert size_words(0) == ""
