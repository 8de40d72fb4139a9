"""Looking up every value of the watched fields in a generation."""

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pytest

from m365dq_dagster.adapters import measure, sightings
from m365dq_dagster.core.sightings import BY_KEY, CUT, REST, Fold, OpenValues, Reference, Sighted, fold
from tests.support.case_runs import shipped_pack
from tests.support.evidence import START, Row, at, directory, legacy, load, logon, mail, operation, sign_in

REFERENCE = shipped_pack().watched_values
CODE, AUDIT = "status_error_code", "unified_audit_log"
DECIDED = "CREATE TABLE decided (open_field VARCHAR)"
EVENTS = (
    "CREATE TABLE events (account VARCHAR, log_type VARCHAR, counted BOOLEAN, open_field VARCHAR, open_value VARCHAR)"
)


@pytest.fixture
def con(duckdb_con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    measure.load_pack_tables(duckdb_con, shipped_pack())
    return duckdb_con


def seen(con: duckdb.DuckDBPyConnection, rows: Sequence[Row], *, known: bool = False, most: int = 50) -> list[Sighted]:
    load(con, rows)
    measure.build_logons(con)
    sightings.look_up(con, REFERENCE, most)
    return list(sightings.sighted(con, REFERENCE, known=known))


def told(found: Sequence[Sighted]) -> set[tuple[str, str, str, int]]:
    return {(one.log_type, one.field, one.value, one.rows) for one in found}


def test_nothing_is_sighted_where_nothing_was_looked_up(con: duckdb.DuckDBPyConnection) -> None:
    assert sightings.sighted(con, REFERENCE) == ()


def test_codes_come_with_their_rows_and_moments(con: duckdb.DuckDBPyConnection) -> None:
    rows = [
        sign_in(),
        sign_in(when=at(2)),
        sign_in(when=None, code="512345"),
        logon(number="512345"),
        sign_in(code="1"),
    ]
    found = [one for one in seen(con, rows, known=True) if one.watched.is_code]
    assert {(one.log_type, one.value, one.rows, one.known, one.first, one.last) for one in found} == {
        ("sign_in_logs", "0", 2, True, START, at(2)),
        ("sign_in_logs", "512345", 1, False, None, None),
        (AUDIT, "512345", 1, False, START, START),
        ("sign_in_logs", "1", 1, False, START, START),
    }
    assert {one.value for one in found if one.is_unknown_code} == {"512345"}


def test_a_pending_code_is_unknown_and_marked_as_a_proposal(con: duckdb.DuckDBPyConnection) -> None:
    found = seen(con, [sign_in(code="530031"), sign_in(code="512345")])
    assert {one.value: one.proposed for one in found} == {"530031": True, "512345": False}


def test_every_kind_of_field_is_looked_up_and_only_strange_values_are_unknown(con: duckdb.DuckDBPyConnection) -> None:
    rows = [
        sign_in(status="Odd", access="perhaps", client_app_used="Telnet", risk_state="Very much", user_type="robot"),
        sign_in(status="Success", access="notApplied", risk_state="At risk", user_type="Member"),
        legacy(client_app_used="IMAP9"),
        logon(operation="UserLoggedOut"),
        operation("PageViewed", record_type="4", user_type="Regular"),
        operation("send", record_type="999"),
        directory("Consent to application."),
        directory("Do something new", result="perhaps"),
        mail("a@x.example", "b@y.example", status="Lost"),
    ]
    assert told(seen(con, rows)) == {
        ("sign_in_logs", "status", "Odd", 1),
        ("sign_in_logs", "conditional_access_status", "perhaps", 1),
        ("sign_in_logs", "client_app_used", "Telnet", 1),
        ("sign_in_logs", "risk_state", "Very much", 1),
        ("sign_in_logs", "user_type", "robot", 1),
        ("legacy_auth_logs", "client_app_used", "IMAP9", 1),
        (AUDIT, "operation_login", "UserLoggedOut", 1),
        (AUDIT, "operation", "PageViewed", 1),
        (AUDIT, "record_type", "999", 1),
        ("entra_audit_logs", "activity", "Do something new", 1),
        ("entra_audit_logs", "result", "perhaps", 1),
        ("message_trace", "status", "Lost", 1),
    }


def test_known_values_are_kept_under_the_references_spelling_however_they_are_written(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = [sign_in(client_app_used=name) for name in ("browser", " BROWSER ", "Browser")]
    found = {(one.field, one.value, one.rows) for one in seen(con, rows, known=True)}
    assert ("client_app_used", "Browser", 3) in found


def test_a_flood_of_values_is_bounded_and_no_row_is_lost(con: duckdb.DuckDBPyConnection) -> None:
    rows = [sign_in(client_app_used=f"client {number}") for number in range(30)]
    rows += [sign_in(client_app_used="often")] * 3 + [sign_in(client_app_used=REST)] * 9
    found = seen(con, rows, most=5)
    assert sum(one.rows for one in found) == 42
    assert len(found) == 6
    assert found[0].value == REST
    assert (found[0].values, found[0].rows) == (27, 35)
    assert found[1].value == "often"


def test_long_values_are_cut_and_blank_ones_are_none(con: duckdb.DuckDBPyConnection) -> None:
    found = seen(con, [sign_in(client_app_used="x" * 5000), sign_in(client_app_used="x" * 6000), sign_in(status="  ")])
    assert told(found) == {("sign_in_logs", "client_app_used", "x" * CUT, 2)}


def test_malformed_and_well_formed_codes_are_counted_apart(con: duckdb.DuckDBPyConnection) -> None:
    rows = [sign_in(code=str(510_000 + number)) for number in range(4)] + [sign_in(code=f"x{n}") for n in range(4)]
    found = [one for one in seen(con, rows, most=2) if one.value == REST]
    assert {(one.is_unknown_code, one.values) for one in found} == {(True, 2), (False, 2)}


def test_no_moment_is_told_of_a_file_whose_dates_are_ambiguous(con: duckdb.DuckDBPyConnection) -> None:
    load(con, [operation("PageViewed")])
    con.execute("UPDATE files SET date_order = 'AMBIGUOUS'")
    measure.build_logons(con)
    sightings.look_up(con, REFERENCE)
    (found,) = sightings.sighted(con, REFERENCE)
    assert (found.first, found.last) == (None, None)


def test_a_value_names_the_columns_of_the_files_that_hold_it(con: duckdb.DuckDBPyConnection) -> None:
    load(con, [sign_in(status="Odd"), legacy(status="Odd")])
    con.execute("INSERT INTO field_provenance VALUES (1, 'sign_in_logs', 'status', 'source:Result')")
    con.execute("INSERT INTO field_provenance VALUES (9, 'sign_in_logs', 'status', 'source:Elsewhere')")
    con.execute("INSERT INTO field_provenance VALUES (3, 'legacy_auth_logs', 'status', 'derived:rule')")
    measure.build_logons(con)
    sightings.look_up(con, REFERENCE)
    found = {one.log_type: one.columns for one in sightings.sighted(con, REFERENCE)}
    assert found == {"sign_in_logs": ("Result",), "legacy_auth_logs": ()}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_app_used", "  Exchange ActiveSync "),
        ("authentication_requirement", "Single-factor authentication"),
        ("sign_in_event_type", '["nonInteractiveUser"]'),
        ("operation", "New–InboxRule .\n"),
        ("operation", "  add   member to role. "),
    ],
)
def test_the_engine_folds_a_spelling_as_the_reference_does(
    con: duckdb.DuckDBPyConnection, field: str, value: str
) -> None:
    table = AUDIT if field == "operation" else "sign_in_logs"
    row = operation(value) if table == AUDIT else sign_in(**{field: value})  # type: ignore[arg-type]
    watched = BY_KEY[table, field]
    one = Reference({watched.key: {fold(value, watched.fold): "here"}})
    load(con, [row])
    measure.build_logons(con)
    sightings.look_up(con, one)
    assert "here" in {found.value for found in sightings.sighted(con, one, known=True) if found.field == field}
    assert watched.fold in set(Fold)


def test_nothing_is_open_where_every_value_is_known(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"{EVENTS}; {DECIDED}")
    con.execute("INSERT INTO events VALUES ('a', 'sign_in_logs', TRUE, NULL, NULL)")
    assert sightings.open_values(con, REFERENCE) == (OpenValues(), {})


def test_what_left_sign_ins_open_is_counted_by_account_and_for_all(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"{EVENTS}; {DECIDED}; INSERT INTO decided VALUES ('status_error_code')")
    rows = [("a", "sign_in_logs", True, CODE, "512345")] * 3 + [(None, "sign_in_logs", True, CODE, "530031")]
    rows += [("a", AUDIT, False, "operation", "Odd"), ("b", "legacy_auth_logs", False, CODE, "512345")]
    rows += [("c", "sign_in_logs", True, "status", f"w{number}") for number in range(12)]
    con.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
    whole, accounts = sightings.open_values(con, REFERENCE)
    assert [(one.value, one.rows, one.proposed) for one in whole.values][:1] == [("512345", 3, False)]
    assert whole.rows == 17
    assert [one.value for one in whole.values if one.proposed] == ["530031"]
    assert [(one.log_type, one.field, one.value, one.rows) for one in accounts["a"].values] == [
        ("sign_in_logs", CODE, "512345", 3),
        (AUDIT, "operation_login", "Odd", 1),
    ]
    assert sorted(accounts) == ["a", "c"]
    assert accounts["c"].rows == 12
    assert accounts["c"].values[0].value == REST


def test_moments_are_those_of_the_evidence(con: duckdb.DuckDBPyConnection) -> None:
    (found,) = seen(con, [operation("PageViewed", when=datetime(2026, 2, 3, 4, 5))])
    assert found.first == found.last == datetime(2026, 2, 3, 4, 5)
