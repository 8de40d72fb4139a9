import json

import duckdb
import pytest

from m365dq_dagster.adapters import table_guards
from m365dq_dagster.adapters.table_guards import GUARDS, Column, Fault, Guard, Kind, guard

NUMBERS = Guard(
    "numbers",
    {
        "n": Column(Kind.INT64, required=True, low=0, high=3),
        "word": Column(Kind.TEXT, words=("a", "b")),
        "share": Column(Kind.FLOAT, low=0.0, high=1.0),
        "truth": Column(Kind.TRUTH),
        "moment": Column(Kind.MOMENT),
        "small": Column(Kind.INT32),
    },
)


@pytest.fixture
def con(duckdb_con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    duckdb_con.execute(
        "CREATE TABLE numbers (n BIGINT, word VARCHAR, share DOUBLE, truth BOOLEAN, moment TIMESTAMP, small INTEGER)"
    )
    duckdb_con.execute("INSERT INTO numbers VALUES (1, 'a', 0.5, true, TIMESTAMP '2026-01-01', 1)")
    return duckdb_con


def faults(con: duckdb.DuckDBPyConnection) -> list[Fault]:
    (guarded,) = guard(con, [NUMBERS])
    assert guarded.passed == (not guarded.faults)
    return list(guarded.faults)


def test_a_sound_table_has_no_faults_and_what_is_missing_is_allowed_where_it_is_not_required(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("INSERT INTO numbers (n) VALUES (2)")
    assert faults(con) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("INSERT INTO numbers (n) VALUES (NULL)", Fault("n", "required")),
        ("INSERT INTO numbers (n) VALUES (-1)", Fault("n", "at least 0")),
        ("INSERT INTO numbers (n) VALUES (4)", Fault("n", "at most 3")),
        ("INSERT INTO numbers (n, word) VALUES (1, 'secret')", Fault("word", "one of our words")),
        ("INSERT INTO numbers (n, share) VALUES (1, 1.01)", Fault("share", "at most 1")),
        ("ALTER TABLE numbers DROP COLUMN truth", Fault("truth", "is missing")),
        ("ALTER TABLE numbers ALTER moment TYPE VARCHAR", Fault("moment", "dtype('timestamp(6)')")),
    ],
)
def test_a_broken_rule_is_named_by_column_and_rule_and_quotes_nothing(
    con: duckdb.DuckDBPyConnection, change: str, fault: Fault
) -> None:
    con.execute(change)
    assert faults(con) == [fault]


def test_several_broken_rules_are_all_named(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("INSERT INTO numbers (n, share) VALUES (-1, -1), (9, 2)")
    assert set(faults(con)) == {
        Fault("n", "at least 0"),
        Fault("n", "at most 3"),
        Fault("share", "at least 0"),
        Fault("share", "at most 1"),
    }


def test_a_table_without_rows_is_asked_for_its_types_alone(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("DELETE FROM numbers")
    assert faults(con) == []
    con.execute("ALTER TABLE numbers ALTER n TYPE VARCHAR")
    assert [fault.column for fault in faults(con)] == ["n"]


def test_tables_that_keep_json_are_guarded_by_what_stands_in_it(duckdb_con: duckdb.DuckDBPyConnection) -> None:
    duckdb_con.execute("CREATE TABLE recommendations (position INTEGER, body VARCHAR)")
    rows = [
        {"log_type": "sign_in_logs", "field": "status", "score": 0.5, "confidence": "LOW"},
        {"log_type": "sign_in_logs", "field": "status", "score": 1.5, "confidence": "SURE"},
    ]
    (recommendations,) = [one for one in GUARDS["reliability"] if one.table == "recommendations"]
    duckdb_con.execute("INSERT INTO recommendations VALUES (0, $1)", [json.dumps(rows[0])])
    assert guard(duckdb_con, [recommendations])[0].passed
    duckdb_con.execute("INSERT INTO recommendations VALUES (1, $1)", [json.dumps(rows[1])])
    assert guard(duckdb_con, [recommendations])[0].faults == (
        Fault("score", "at most 1"),
        Fault("confidence", "one of our words"),
    )


def test_the_tables_of_a_new_generation_are_sound_where_the_engine_is_locked_down(
    duckdb_con: duckdb.DuckDBPyConnection,
) -> None:
    duckdb_con.execute("SET enable_external_access = false")
    duckdb_con.execute("SET lock_configuration = true")
    assert all(guarded.passed for guarded in guard(duckdb_con, GUARDS["evidence"]))


def test_the_connection_that_was_handed_in_stays_open(con: duckdb.DuckDBPyConnection) -> None:
    table_guards.warm_up()
    faults(con)
    assert con.execute("SELECT count(*) FROM numbers").fetchall() == [(1,)]
