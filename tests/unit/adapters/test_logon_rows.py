"""The narrow rows that verdicts are counted on: the views over them, and the groupings that are spared."""

from collections.abc import Sequence
from datetime import timedelta

import duckdb
import pytest

from m365dq_dagster.adapters import measure, sql
from m365dq_dagster.stages import quality
from tests.support.case_runs import Bench, judged, shipped_pack
from tests.support.evidence import START, Row, legacy, sign_in

UNIQUE = [sign_in(when=START + timedelta(hours=n), correlation_id=f"c{n}", session_id=f"s{n // 2}") for n in range(4)]


def may_repeat(rows: list[Row], field: str, *, lean: bool = False) -> bool:
    with Bench().run(rows, pack=None if lean else shipped_pack()) as run:
        quality.run(run)
        return measure.may_repeat(run.con, field)


def test_ids_that_never_repeat_are_known_from_what_was_counted_of_their_column() -> None:
    assert not may_repeat(UNIQUE, "correlation_id")
    assert may_repeat(UNIQUE, "session_id")


def test_an_id_of_one_log_may_stand_in_another() -> None:
    assert may_repeat([*UNIQUE, legacy(correlation_id="c9")], "correlation_id")


def test_an_id_whose_column_was_not_counted_may_repeat() -> None:
    assert may_repeat(UNIQUE, "correlation_id", lean=True)


@pytest.mark.parametrize(("second", "flows"), [("c1", 1), ("c2", 2)])
def test_rows_are_folded_alike_whether_ids_repeat_or_not(second: str, flows: int) -> None:
    rows = [
        sign_in(code="50074", correlation_id="c1"),
        sign_in(when=START + timedelta(minutes=1), correlation_id=second),
    ]
    found = Bench().judge(rows, pack=shipped_pack())
    assert (found["sign_ins"]["events"], found["sign_ins"]["flows"]) == (2, flows)


def test_tables_of_an_earlier_version_make_way_for_views_of_their_name() -> None:
    with Bench().run(UNIQUE) as run:
        for name in ("logons", "decisions", "events", "flows"):
            run.con.execute(f"CREATE TABLE {name} AS SELECT 'old' AS row_no")
        judged(run)
        assert run.con.execute("SELECT row_no, outcome FROM events ORDER BY row_no").fetchall() == [
            (number, "SUCCESS") for number in (1, 2, 3, 4)
        ]
        assert measure.has_table(run.con, "flows")
        assert {"events", "flows", "decisions"}.isdisjoint(name for (name,) in measure.run_named(run.con, "outgrown"))


JOINED = """SELECT m.a, coalesce(n.b, 'none') AS b, n.c IS NULL AS lonely
FROM (VALUES (1), (2)) AS m (a)
LEFT JOIN narrow AS n ON n.a = m.a
    AND n.c > 0
LEFT JOIN narrower AS w ON w.a = m.a
ORDER BY m.a"""


def test_a_join_with_an_empty_table_is_left_out_and_finds_nothing_all_the_same(
    duckdb_con: duckdb.DuckDBPyConnection,
) -> None:
    for table in ("narrow", "narrower"):
        duckdb_con.execute(f"CREATE TABLE {table} (a INTEGER, b VARCHAR, c INTEGER)")
    short = sql.without_joins(JOINED, ["narrow"])
    assert "narrow " not in short
    assert "narrower" in short
    assert duckdb_con.execute(short).fetchall() == duckdb_con.execute(JOINED).fetchall()
    assert sql.without_joins(JOINED, []) == JOINED


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("counted_logons", ["copies"]),
        ("placed", ["address_places", "unplaced"]),
        ("adjudicated", measure.RARE),
        ("logons", ["row_parts"]),
    ],
)
def test_every_join_that_may_be_left_out_is_found_in_its_statement(name: str, tables: Sequence[str]) -> None:
    text = sql.named_statements("judge")[name]
    short = sql.without_joins(text, tables)
    assert text.count("LEFT JOIN") - short.count("LEFT JOIN") == len(tables)
