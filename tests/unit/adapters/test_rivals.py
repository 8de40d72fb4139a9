"""The rivals are shown the rows as they were taken in."""

import json

import duckdb

from m365dq_dagster.adapters.rivals import columns, exports, readings
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.core.rivals import Column, Export
from tests.support.case_runs import Bench, judged
from tests.support.evidence import abroad, at_home, legacy, load, logon, operation, sign_in


def test_rows_that_say_the_same_are_shown_together_as_texts(duckdb_con: duckdb.DuckDBPyConnection) -> None:
    rows = [*[sign_in(status="Success", access="notApplied")] * 3, legacy(code="50126"), logon(number="50126")]
    load(duckdb_con, [*rows, operation("Set-Mailbox")])
    found = {one.log_type: one for one in readings(duckdb_con)}
    assert {log: one.rows for log, one in found.items()} == {LogType.SIGN_IN: 3, LogType.LEGACY: 1, LogType.UAL: 1}
    assert found[LogType.SIGN_IN].texts["status"] == "Success"
    assert found[LogType.SIGN_IN].texts["conditional_access_status"] == "notApplied"
    assert found[LogType.LEGACY].texts["status_error_code"] == "50126"
    assert found[LogType.UAL].texts["operation"] == "UserLoginFailed"
    assert found[LogType.UAL].texts["result_status"] == "Success"


def test_a_file_is_shown_with_its_columns_and_the_column_of_each_field(duckdb_con: duckdb.DuckDBPyConnection) -> None:
    load(duckdb_con, [sign_in()])
    header = ["User", "ResultType", "Status"]
    duckdb_con.execute("UPDATE files SET header = ?", [json.dumps(header)])
    origins = [
        ("status_error_code", "source:ResultType"),
        ("status", "source:Status, Result"),
        ("conditional_access_status", "absent"),
        ("country", "source:Location"),
    ]
    for field, origin in origins:
        duckdb_con.execute("INSERT INTO field_provenance VALUES (1, 'sign_in_logs', ?, ?)", [field, origin])
    sources = {"status_error_code": "ResultType", "status": "Status"}
    assert exports(duckdb_con) == [Export(1, LogType.SIGN_IN, header, sources)]


def test_a_file_without_a_header_is_shown_without_one(duckdb_con: duckdb.DuckDBPyConnection) -> None:
    load(duckdb_con, [logon()])
    duckdb_con.execute("INSERT INTO field_provenance VALUES (2, 'unified_audit_log', 'operation', 'source:Operation')")
    assert exports(duckdb_con) == [Export(2, LogType.UAL, (), {"operation": "Operation"})]


def test_outcome_fields_are_shown_as_they_were_counted() -> None:
    rows = [*at_home(access="success"), *abroad(code="50126", access="notApplied")]
    with Bench().run(rows) as run:
        profiles = judged(run)["fields"]
        found = {one.field: one for one in columns(run.con, profiles)}
    assert found["status_error_code"] == Column("status_error_code", len(rows), len(rows), 2, 20, 1.0)
    assert found["conditional_access_status"].distinct == 2
    assert found["status"].present == 0


def test_a_case_that_was_stopped_before_counting_has_no_columns(duckdb_con: duckdb.DuckDBPyConnection) -> None:
    assert columns(duckdb_con, []) == []
