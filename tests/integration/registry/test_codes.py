from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry, StatusCode
from m365dq_dagster.core.outcome import Severity

CODE = StatusCode(
    "sign_in_logs",
    "status_error_code",
    "50126",
    "wrong password",
    Severity.WARNING,
    category="bad_credentials",
    outcome="failure",
    first_factor="rejected",
    portal_status="Failure",
    provenance="documented",
    method="listed",
)


def test_a_code_is_read_back_with_both_halves(store: Registry, now: datetime) -> None:
    assert store.load_status_codes([CODE], now) == 1
    today = date(2026, 3, 2)
    assert store.status_codes() == [replace(CODE, first_seen=today, last_validated=today)]
    assert store.status_codes("50126") == store.status_codes()
    assert store.status_codes("1") == []


def test_loading_twice_changes_nothing(store: Registry, now: datetime) -> None:
    rows = [replace(CODE, value=str(number)) for number in range(700)]
    assert store.load_status_codes(rows, now) == 700
    held = store.status_codes()
    assert store.load_status_codes(rows, now + timedelta(days=9)) == 0
    assert store.status_codes() == held
    assert store.load_status_codes([], now) == 0


def test_a_changed_code_keeps_the_day_it_was_first_seen(store: Registry, now: datetime) -> None:
    store.load_status_codes([CODE], now)
    later = now + timedelta(days=400)
    assert store.load_status_codes([replace(CODE, meaning="bad password", deprecated=True)], later) == 1
    (held,) = store.status_codes()
    assert (held.meaning, held.deprecated, held.first_seen) == ("bad password", True, date(2026, 3, 2))
    assert held.last_validated == later.date()


def test_a_named_day_of_validation_is_kept(store: Registry, now: datetime) -> None:
    store.load_status_codes([CODE], now)
    assert store.load_status_codes([replace(CODE, last_validated=date(2025, 1, 1))], now) == 1
    assert store.status_codes()[0].last_validated == date(2025, 1, 1)
    assert store.load_status_codes([replace(CODE, last_validated=date(2025, 1, 1))], now) == 0


def test_the_reference_has_the_columns_of_the_specification(store: Registry) -> None:
    columns = {column["name"]: column for column in sa.inspect(store.engine).get_columns("status_code_reference")}
    assert list(columns) == [
        "code_id",
        "log_type",
        "field_name",
        "code_value",
        "meaning",
        "severity",
        "first_seen",
        "last_validated",
        "deprecated",
    ]
    assert not any(column["nullable"] for column in columns.values())
    assert isinstance(columns["first_seen"]["type"], sa.Date)
    assert isinstance(columns["deprecated"]["type"], sa.Boolean)
    versions = [column["name"] for column in sa.inspect(store.engine).get_columns("schema_versions")]
    assert versions == ["version_id", "log_type", "api_version", "schema_hash", "detected_date", "notes"]


ROW = (
    "INSERT INTO status_code_reference "
    "(log_type, field_name, code_value, meaning, severity, first_seen, last_validated) "
    "VALUES ('l', 'f', '{value}', 'm', '{severity}', '2026-01-01', '2026-01-01')"
)


def test_the_reference_defaults_to_not_deprecated(store: Registry) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text(ROW.format(value="1", severity="INFO")))
        assert not connection.scalar(sa.text("SELECT deprecated FROM status_code_reference"))
    assert store.status_codes()[0].state == "ACTIVE"


@pytest.mark.parametrize(("value", "severity"), [("1", "INFO"), ("2", "FATAL"), ("2", "info")])
def test_the_reference_refuses_a_second_row_of_a_code_and_an_unknown_severity(
    store: Registry, value: str, severity: str
) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text(ROW.format(value="1", severity="INFO")))
    with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
        connection.execute(sa.text(ROW.format(value=value, severity=severity)))


def test_no_column_of_the_reference_takes_null(store: Registry) -> None:
    with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
        connection.execute(sa.text(ROW.format(value="1", severity="INFO").replace("'m'", "NULL")))
