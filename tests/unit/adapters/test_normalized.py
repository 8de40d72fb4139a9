"""The normalized statuses: what the view holds of each log, that its copy holds the same, and what both are asked."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m365dq_dagster.adapters import bench, measure
from m365dq_dagster.adapters.sql import normalized
from m365dq_dagster.core.outcome import Outcome
from m365dq_dagster.core.outcome import normalized as folded
from tests.support.case_runs import Bench, judged
from tests.support.counting import close_generation
from tests.support.counting import judged as counted
from tests.support.drawn_cases import operations, sign_ins
from tests.support.evidence import ANN, Row, at, legacy, logon, operation, sign_in

COLUMNS = ["log_id", "log_type", "event_type", "normalized_status", "timestamp", "user_id", "location_country"]
FEW = settings(max_examples=max(1, settings.default.max_examples // 5))


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """Nothing of the engine outlives these tests."""
    yield
    close_generation()


def view(con: duckdb.DuckDBPyConnection, log_type: str) -> list[tuple[object, ...]]:
    return con.execute(
        f"SELECT * FROM {normalized.VIEW} WHERE log_type = ? ORDER BY timestamp, log_id", [log_type]
    ).fetchall()


def test_the_view_has_the_columns_of_the_specification_and_runs_leave_no_copy() -> None:
    with counted([sign_in()]) as con:
        assert [row[0] for row in con.execute(f"DESCRIBE {normalized.VIEW}").fetchall()] == COLUMNS
        assert not measure.has_table(con, normalized.TABLE)


def test_sign_ins_stand_in_the_view_with_the_outcome_of_all_their_witnesses() -> None:
    rows = [
        sign_in(when=at(0), sign_in_event_type="interactiveUser"),
        sign_in(when=at(1), code="50126", country="RU", is_interactive=False),
        sign_in(when=at(2), code=None, access="notApplied", is_interactive=None),
        sign_in(when=at(3), code="0", status="Failure"),
        sign_in(when=at(4), code="50140", client_app_used="IMAP4"),
    ]
    with counted(rows) as con:
        found = view(con, "sign_in_logs")
    assert [row[0] for row in found] == [f"sign_in_logs:1:{n}" for n in range(1, 6)]
    assert [row[2] for row in found] == [
        "interactiveuser",
        "noninteractiveuser",
        "sign_in",
        "interactiveuser",
        "legacy_sign_in",
    ]
    assert [row[3] for row in found] == ["SUCCESS", "FAILURE", "UNKNOWN", "UNKNOWN", "UNKNOWN"]
    assert found[1][4:] == (at(1), ANN, "RU")


def test_legacy_sign_ins_stand_in_the_view_also_where_they_are_copies() -> None:
    with counted([legacy(when=at(0)), legacy(when=at(1), code="50126"), sign_in(when=at(0))]) as con:
        found = view(con, "legacy_auth_logs")
    assert [(row[0], row[2], row[3]) for row in found] == [
        ("legacy_auth_logs:3:1", "legacy_sign_in", "SUCCESS"),
        ("legacy_auth_logs:3:2", "legacy_sign_in", "FAILURE"),
    ]


def test_logons_of_the_audit_log_stand_in_the_view_by_operation_and_number_and_nothing_else_does() -> None:
    rows = [
        logon(when=at(0), result_status="Success"),
        logon(when=at(1), number="50126", result_status="Success"),
        logon(when=at(2), number="512345"),
        operation("FileAccessed", when=at(3), result_status="Succeeded"),
    ]
    with counted(rows) as con:
        found = view(con, "unified_audit_log")
    assert [(row[2], row[3]) for row in found] == [("logon", "SUCCESS"), ("logon", "FAILURE"), ("logon", "UNKNOWN")]


def test_every_outcome_is_folded_in_sql_as_in_the_judge() -> None:
    with counted([sign_in(when=at(n)) for n, _ in enumerate(Outcome)]) as con:
        con.execute("DELETE FROM decided")
        con.executemany("INSERT INTO decided (decision, outcome) VALUES (?, ?)", [*enumerate(map(str, Outcome))])
        con.execute("UPDATE adjudicated SET decision = row_no - 1")
        found = dict(con.execute("SELECT outcome, normalized_status FROM events").fetchall())
    assert found == {str(outcome): str(folded(outcome)) for outcome in Outcome}


@FEW
@given(st.lists(sign_ins(), max_size=20), st.lists(operations(), max_size=4))
def test_the_copy_holds_what_the_view_holds_and_answers_alike(rows: list[Row], done: list[Row]) -> None:
    with counted([*rows, *done, logon(), legacy()]) as con:
        measure.materialize_normalized(con)
        in_view, in_copy = (
            con.execute(f"SELECT * FROM {name} ORDER BY log_id").fetchall()
            for name in (normalized.VIEW, normalized.TABLE)
        )
        assert in_copy == in_view
        for question in normalized.QUERIES:
            said = [sorted(con.execute(normalized.ask(question, one)).fetchall(), key=str) for one in LAYERS]
            assert said[0] == said[1]
        con.execute(f"DROP TABLE {normalized.TABLE}")


LAYERS = (normalized.VIEW, normalized.TABLE)


def test_the_copy_is_indexed_by_status_and_time_and_can_be_made_again() -> None:
    with counted([sign_in()]) as con:
        for _ in range(2):
            measure.materialize_normalized(con)
        ((table, columns),) = con.execute("SELECT table_name, expressions FROM duckdb_indexes()").fetchall()
        con.execute(f"DROP TABLE {normalized.TABLE}")
    assert (table, columns.translate(str.maketrans("", "", "'\""))) == (
        normalized.TABLE,
        "[normalized_status, timestamp]",
    )


def test_both_layers_are_asked_and_what_the_copy_costs_is_told(tmp_path: Path) -> None:
    path = tmp_path / "generation.duckdb"
    with Bench().run([sign_in(when=at(n)) for n in range(20)]) as run:
        judged(run)
        run.con.execute(f"ATTACH '{path}' AS kept")
        for name in ("judged", "flows"):
            run.con.execute(f"CREATE TABLE kept.{name} AS FROM {name}")
        run.con.execute("DETACH kept")
    with duckdb.connect(str(path)) as con:
        measure.run_named(con, "normalized_view")
    found = bench.normalized_layers(path, 2)
    assert set(found["view"]) == set(found["table"]) == set(normalized.QUERIES)
    assert all(ms > 0 for layer in ("view", "table") for ms in found[layer].values())
    assert found["build_seconds"] > 0
    assert found["table_bytes"] >= 0
