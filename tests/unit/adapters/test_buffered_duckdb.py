from collections.abc import Iterator

import duckdb
import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.buffered_duckdb import ADDRESS, BufferedConnection


@pytest.fixture
def engine(duckdb_con: duckdb.DuckDBPyConnection) -> Iterator[sa.Engine]:
    duckdb_con.execute(
        "CREATE TABLE t AS SELECT range AS n, 'x' || range AS word, now()::TIMESTAMP AS at FROM range(5)"
    )
    made = sa.create_engine(ADDRESS, creator=lambda: BufferedConnection(duckdb_con.cursor()))
    yield made
    made.dispose()


def test_rows_outlive_the_connection_they_came_from(duckdb_con: duckdb.DuckDBPyConnection) -> None:
    duckdb_con.execute("CREATE TABLE t AS SELECT range AS n FROM range(5)")
    connection = BufferedConnection(duckdb_con.cursor())
    cursor = connection.cursor()
    cursor.execute("SELECT n FROM t ORDER BY n")
    connection.close()
    assert cursor.fetchone() == (0,)
    assert cursor.fetchmany() == [(1,)]
    assert cursor.fetchmany(2) == [(2,), (3,)]
    assert cursor.fetchall() == [(4,)]
    assert cursor.fetchone() is None


def test_a_closed_cursor_holds_nothing(duckdb_con: duckdb.DuckDBPyConnection) -> None:
    cursor = BufferedConnection(duckdb_con.cursor()).cursor()
    cursor.execute("SELECT 1")
    cursor.close()
    assert cursor.fetchall() == []


def test_values_are_bound(engine: sa.Engine) -> None:
    with engine.connect() as con:
        found = con.execute(sa.text("SELECT word FROM t WHERE n = :n"), {"n": 3}).scalar_one()
    assert found == "x3"


def test_a_rollback_undoes_nothing_because_nothing_is_written_through_it(engine: sa.Engine) -> None:
    with engine.connect() as con:
        con.execute(sa.text("SELECT 1"))
        con.rollback()
        con.commit()
        assert con.execute(sa.text("SELECT count(*) FROM t")).scalar_one() == 5


def test_columns_are_reflected_with_their_types(engine: sa.Engine) -> None:
    found = {column["name"]: type(column["type"]) for column in sa.inspect(engine).get_columns("t")}
    assert found == {"n": sa.BigInteger, "word": sa.Text, "at": sa.DateTime}
