"""What the expressions that bring a row in make of its texts; whole files are tried in the tests of intake."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from m365dq_dagster.adapters.sql import intake, landing
from m365dq_dagster.core.outcome import DateOrder

PLAIN = "2025-03-14T07:22:01.1234567"
READ = f"SELECT {landing._time('t.cell', DateOrder.MDY)}, intake_iso(t.cell) FROM (SELECT $cell AS cell) AS t"


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    found = duckdb.connect(config={"threads": 1})
    found.execute(intake.statement("macros"))
    return found


@st.composite
def times(draw: st.DrawFn) -> str:
    text = list(PLAIN[: draw(st.integers(16, len(PLAIN)))])
    for at in draw(st.lists(st.integers(10, len(text) - 1), max_size=3)):
        text[at] = draw(st.sampled_from("0123456789TZ:.,+- x"))
    return "".join(text) + draw(st.sampled_from(["", "Z", " ", "+02:00", "-05", ",5", " UTC"]))


@example(text="2025-03-14T07:22:01. Z")
@given(text=times())
def test_a_time_that_is_plain_at_a_glance_is_read_as_every_other(con: duckdb.DuckDBPyConnection, text: str) -> None:
    read, at_length = con.execute(READ, {"cell": text}).fetchall()[0]

    assert read == at_length


@pytest.mark.parametrize("text", ["2025-03-14T07:22:01", "2025-03-14T07:22:01.5", "2025-03-14T07:22:01Z"])
def test_plain_times_have_a_value(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert con.execute(READ, {"cell": text}).fetchall()[0][0] is not None
