"""Rows of one account and correlation id are folded into flows as a plain loop folds them, however many they are."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m365dq_dagster.adapters import sql
from m365dq_dagster.adapters.case_store import limit_memory
from tests.support import plain_reckoning as plain
from tests.support.counting import POLICY, close_generation, generation, judged
from tests.support.evidence import ANN, BOB, START, Row, sign_in
from tests.support.plain_reckoning import Event

LENGTH = POLICY.flows.minutes * 60
ROWS = 30_000


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """Nothing of the engine outlives these tests."""
    yield
    close_generation()


def told(account: str, id_: str, seconds: Sequence[int]) -> list[Row]:
    """Sign-ins so many seconds apart."""
    moment, rows = START, []
    for step in seconds:
        moment += timedelta(seconds=step)
        rows.append(sign_in(account, moment, correlation_id=id_))
    return rows


def members(con: duckdb.DuckDBPyConnection) -> list[list[int]]:
    """The rows of each flow."""
    found = con.execute("SELECT list(row_no ORDER BY row_no) FROM events GROUP BY flow_id").fetchall()
    return sorted(rows for (rows,) in found)


def event(number: int, row: Row) -> Event:
    """The row as the loop reads it."""
    columns: Mapping[str, Any] = row.columns
    return Event(number, columns["account"], columns["event_time"], "SUCCESS", correlation=columns["correlation_id"])


def expected(rows: Sequence[Row]) -> list[list[int]]:
    """The same by a plain loop."""
    events = [event(number, row) for number, row in enumerate(rows, 1)]
    return sorted([event.number for event in flow] for flow in plain.grouped_flows(events, POLICY.flows.minutes))


steps = st.lists(st.sampled_from([0, 1, 59, LENGTH // 2, LENGTH - 1, LENGTH, LENGTH + 1, 3 * LENGTH]), max_size=40)


@settings(max_examples=settings.default.max_examples // 2)
@given(ann=steps, again=steps, bob=steps)
def test_a_flow_ends_by_where_it_began_however_many_follow_each_other(
    ann: list[int], again: list[int], bob: list[int]
) -> None:
    alone = sign_in(BOB, correlation_id=None)
    rows = [*told(ANN, "c1", ann), *told(ANN, "c2", again), *told(BOB, "c1", bob), alone]
    with judged(rows) as con:
        assert members(con) == expected(rows)


def test_a_file_with_one_correlation_id_on_every_row_is_folded_within_little_memory() -> None:
    rows = told(ANN, "c1", [LENGTH // 2] * ROWS)
    limit_memory(generation(), "160MiB")
    with judged(rows) as con:
        flows = con.execute("SELECT count(*), max(row_count), min(row_count) FROM flows").fetchone()
    assert flows == (ROWS // 3, 3, 3)


@pytest.mark.parametrize("file", ["judge", "accounts", "places"])
def test_no_statement_over_events_walks_through_the_list_of_a_group(file: str) -> None:
    assert [name for name, text in sql.named_statements(file).items() if " lambda " in text] == []
