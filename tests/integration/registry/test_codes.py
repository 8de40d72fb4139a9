from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry, StatusCode
from m365dq_dagster.core.code_changes import (
    CODE_FIELDS,
    ChangeAction,
    ChangeState,
    Proposal,
    ReferenceRow,
    Settlement,
)
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.people import Person

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


def packed(*values: str, **said: object) -> list[StatusCode]:
    return [replace(CODE, value=value, origin="PACK", **said) for value in values]  # type: ignore[arg-type]


def test_what_a_first_pack_holds_is_no_change_and_what_a_second_one_changes_is_history(
    store: Registry, now: datetime
) -> None:
    store.load_status_codes(packed("1", "2"), now, "sha256:a")
    assert store.code_history("1") == []
    later = now + timedelta(days=1)
    assert store.load_status_codes(packed("1") + packed("2", meaning="other"), later, "sha256:b") == 1
    (change,) = store.code_history("2")
    assert (change.origin, change.actor, change.pack_hash, change.changed_at) == (
        "PACK",
        "rule pack",
        "sha256:b",
        later,
    )
    assert change.before
    assert change.after
    assert (change.before["meaning"], change.after["meaning"]) == ("wrong password", "other")
    assert store.loaded_pack() == "sha256:b"


def test_a_code_that_left_the_pack_is_kept_and_marked_once(store: Registry, now: datetime) -> None:
    store.load_status_codes(packed("1", "2"), now, "sha256:a")
    store.load_status_codes([replace(CODE, value="by hand")], now)
    assert store.load_status_codes(packed("1"), now + timedelta(days=1), "sha256:b") == 1
    assert {code.value: code.deprecated for code in store.status_codes()} == {"1": False, "2": True, "by hand": False}
    (change,) = store.code_history("2")
    assert change.after
    assert change.after["deprecated"]
    assert store.load_status_codes(packed("1"), now + timedelta(days=2), "sha256:c") == 0
    assert len(store.code_history("2")) == 1


def test_a_code_that_comes_back_is_no_longer_deprecated(store: Registry, now: datetime) -> None:
    for day, values in enumerate((("1", "2"), ("1",), ("1", "2"))):
        store.load_status_codes(packed(*values), now + timedelta(days=day), f"sha256:{day}")
    assert [code.deprecated for code in store.status_codes()] == [False, False]
    assert len(store.code_history("2")) == 2


def test_the_pack_that_was_loaded_last_is_remembered_though_it_was_loaded_before(
    store: Registry, now: datetime
) -> None:
    assert store.loaded_pack() is None
    for day, pack in enumerate(("a", "b", "a")):
        store.load_status_codes(packed("1"), now + timedelta(days=day), pack)
    assert store.loaded_pack() == "a"


def test_a_row_that_only_comes_from_another_layer_has_no_history(store: Registry, now: datetime) -> None:
    store.load_status_codes(packed("1"), now, "sha256:a")
    assert store.load_status_codes([replace(CODE, value="1", origin="LOCAL")], now, "sha256:b") == 1
    assert store.code_history("1") == []
    assert [code.origin for code in store.status_codes()] == ["LOCAL"]


def test_what_an_approved_change_wrote_is_what_the_pack_with_it_holds(store: Registry, now: datetime) -> None:
    store.load_status_codes(packed("50126"), now, "sha256:a")
    after = ReferenceRow(
        "sign_in_logs", "status_error_code", "50999", "new", "INFO", category="unknown", outcome="failure",
        first_factor="unknown", provenance="unverified", method="hand",
    )  # fmt: skip
    proposal = Proposal(ChangeAction.ADD, None, after, Person("ann"))
    store.settle_codes([Settlement(proposal, ChangeState.APPROVED)], Person("bob"), now)
    (held,) = [code for code in store.status_codes("50999") if code.log_type == "sign_in_logs"]
    rows = [replace(held, first_seen=None, last_validated=None, log_type=log_type, field=field)
            for log_type, field in CODE_FIELDS]  # fmt: skip
    assert store.load_status_codes([*packed("50126"), *rows], now, "sha256:b") == 0
    assert {change.origin for change in store.code_history("50999")} == {"CHANGE"}
