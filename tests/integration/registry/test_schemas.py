"""Claims about field lists, their changes and the operations of audit logs in the registry, on every engine."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.registry.schemas import CASES_ASKED, DOCUMENT, IMPORT
from m365dq_dagster.adapters.registry.tables import schema_versions
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.field_lists import FieldList, FieldSeen, schema_hash
from m365dq_dagster.core.log_shapes import OperationRows, Span
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange

SEEN = FieldList(
    "graph_signin_v1",
    "sign_in_logs",
    "v1.0",
    {"": 50},
    {
        "id": FieldSeen("id", False, {"": 50}, "guid"),
        "status": FieldSeen("Status\u0000\ud800", False, {"": 49}, "object", {"errorcode": 49}),
    },
    datetime(2026, 3, 1, 9),
    datetime(2026, 3, 1, 10),
)
GONE = SchemaChange(
    ChangeKind.FIELD_GONE, Severity.CRITICAL, "sign_in_logs", "x v1.0", "status", "", None, "it went", "a.json"
)
ANN = Person("ann")


def naming(*names: str) -> FieldList:
    return FieldList(
        "f", "sign_in_logs", "v1.0", {"": 1}, {name: FieldSeen(name, True, {"": 1}, "text") for name in names}
    )


def test_a_schema_is_new_once_whatever_the_order_of_its_fields(store: Registry, now: datetime) -> None:
    first, is_new = store.keep_field_list(naming("b", "a"), "one", now)
    assert is_new
    assert store.keep_field_list(naming("a", "b"), "two", now) == (first, False)
    assert store.keep_field_list(replace(naming("a", "b"), api_version="beta"), "two", now)[1]
    assert store.keep_field_list(naming("a", "c"), "two", now)[1]
    with store.engine.connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM schema_versions ORDER BY version_id")).mappings().first()
    assert row is not None
    assert (row["schema_hash"], row["notes"]) == (schema_hash(["a", "b"]), "a, b")


def test_the_hash_is_that_of_the_sorted_names() -> None:
    assert schema_hash(["b", "a"]) == schema_hash(["a", "b", "a"])
    assert schema_hash(["a"]) != schema_hash(["b"])
    assert len(schema_hash([])) == 64


def test_a_field_list_is_kept_with_format_case_and_rows_and_comes_back_whole(store: Registry, now: datetime) -> None:
    seen = replace(SEEN, fields={"id": SEEN.fields["id"]})
    version_id, is_new = store.keep_field_list(seen, "one", now)
    assert is_new
    assert store.keep_field_list(seen, "one", now + timedelta(hours=1)) == (version_id, True)
    assert store.keep_field_list(seen, "two", now + timedelta(days=1)) == (version_id, False)
    assert store.field_lists("sign_in_logs", "v1.0", "graph_signin_v1") == [(version_id, seen)]
    assert store.field_lists("sign_in_logs", "beta", "graph_signin_v1") == []
    (version,) = store.schema_versions()
    assert (version.format_name, version.case_id, version.names, version.rows) == (
        "graph_signin_v1",
        "one",
        ("id",),
        50,
    )
    assert version.last_seen_at == now + timedelta(days=1)


def test_the_version_seen_last_comes_first(store: Registry, now: datetime) -> None:
    first, _ = store.keep_field_list(SEEN_PLAIN, "one", now)
    second, _ = store.keep_field_list(replace(SEEN_PLAIN, fields={}), "two", now)
    assert [one for one, _ in store.field_lists("sign_in_logs", "v1.0", "graph_signin_v1")] == [second, first]
    store.keep_field_list(SEEN_PLAIN, "three", now + timedelta(days=1))
    assert [one for one, _ in store.field_lists("sign_in_logs", "v1.0", "graph_signin_v1")] == [first, second]


def test_a_version_of_which_only_the_hash_is_known_is_listed_without_names(store: Registry, now: datetime) -> None:
    row = {"log_type": "l", "api_version": "v1.0", "schema_hash": schema_hash(["a"]), "detected_date": now.date()}
    with store.engine.begin() as connection:
        connection.execute(sa.insert(schema_versions), [row])
    (version,) = store.schema_versions()
    assert (version.format_name, version.names, version.rows) == (None, (), None)


def test_a_change_is_kept_once_for_ever_and_the_first_case_stands(store: Registry, now: datetime) -> None:
    (first,) = store.record_schema_changes([GONE], "v1.0", IMPORT, now, case_id="one", version_id=7)
    assert (first.case_id, first.version_id, first.state, first.before) == ("one", 7, "OPEN", "status")
    again = replace(GONE, detail="in other words")
    assert store.record_schema_changes([again], "v1.0", IMPORT, now, case_id="two") == []
    documented = replace(GONE, effective=date(2026, 6, 1), source="page.html")
    assert len(store.record_schema_changes([documented], "v1.0", DOCUMENT, now)) == 1
    assert [one.origin for one in store.schema_changes(origin=DOCUMENT)] == [DOCUMENT]
    assert {one.detail for one in store.schema_changes()} == {"it went"}


def test_closing_a_change_needs_a_reason_and_is_in_the_audit_log_once(store: Registry, now: datetime) -> None:
    (change,) = store.record_schema_changes([GONE], "v1.0", IMPORT, now)
    with pytest.raises(BadInput, match="needs a reason"):
        store.close_schema_change(change.change_id, ANN, "  ", now)
    with pytest.raises(BadInput, match="no schema change 99"):
        store.close_schema_change(99, ANN, "why", now)
    closed = store.close_schema_change(change.change_id, Person("ann", "Bob"), "format file added", now)
    assert (closed.state, closed.closed_by, closed.close_reason) == ("CLOSED", "ann (as Bob)", "format file added")
    assert store.close_schema_change(change.change_id, ANN, "again", now) == closed
    (entry,) = store.audit_entries()
    assert (entry.actor, entry.action, entry.detail["change"]) == ("ann (as Bob)", "close_schema_change", 1)
    assert store.schema_changes("OPEN") == []
    assert store.record_schema_changes([GONE], "v1.0", IMPORT, now) == []


def test_operations_of_a_case_are_replaced_and_those_of_others_stay(store: Registry, now: datetime) -> None:
    rows = [OperationRows("one", "6", "FileDeleted", 12, "t", datetime(2026, 1, 1), datetime(2026, 2, 1))]
    store.record_operations(rows, "unified_audit_log", now)
    store.record_operations([OperationRows("two", "6", "FileDeleted", 3)], "unified_audit_log", now + timedelta(1))
    store.record_operations([replace(rows[0], rows=20)], "unified_audit_log", now + timedelta(2))
    found = store.operations_of_cases("unified_audit_log")
    assert [(one.case_id, one.rows) for one in found] == [("two", 3), ("one", 20)]
    assert found[1] == replace(rows[0], rows=20)


def test_the_latest_cases_speak_and_the_latest_of_the_same_tenant(store: Registry, now: datetime) -> None:
    for number in range(CASES_ASKED + 2):
        row = OperationRows(f"c{number:03}", "6", "FileDeleted", 3, "ours" if number == 0 else f"t{number}")
        store.record_operations([row], "unified_audit_log", now + timedelta(days=number))
    latest = {one.case_id for one in store.operations_of_cases("unified_audit_log")}
    assert len(latest) == CASES_ASKED
    assert not latest & {"c000", "c001"}
    assert {one.case_id for one in store.operations_of_cases("unified_audit_log", {"ours"})} == {*latest, "c000"}


def test_of_one_tenant_with_many_cases_the_latest_speak(store: Registry, now: datetime) -> None:
    rows = [OperationRows(f"c{number:03}", "6", "FileDeleted", 3, "ours") for number in range(CASES_ASKED + 3)]
    for number, row in enumerate(rows):
        store.record_operations([row], "unified_audit_log", now + timedelta(days=number))
    others = [OperationRows(f"d{number:03}", "6", "FileDeleted", 3, "else") for number in range(CASES_ASKED)]
    store.record_operations(others, "unified_audit_log", now + timedelta(days=99))
    found = store.operations_of_cases("unified_audit_log", {"ours"})
    assert [one.case_id for one in found if one.tenant == "ours"] == [one.case_id for one in rows[3:]]
    assert len(found) == 2 * CASES_ASKED


def test_a_case_has_the_changes_it_showed_and_the_open_ones_of_its_versions(store: Registry, now: datetime) -> None:
    for name, case_id, version_id in (("a", "one", 1), ("b", "two", 2), ("c", "two", 1)):
        change = replace(GONE, before=name)
        store.record_schema_changes([change], "v1.0", IMPORT, now, case_id=case_id, version_id=version_id)
    store.record_schema_changes([replace(GONE, before="d")], "v1.0", DOCUMENT, now)
    assert [one.before for one in store.schema_changes_of_case("one", {1})] == ["a", "c"]
    store.close_schema_change(1, ANN, "done", now)
    store.close_schema_change(3, ANN, "done", now)
    assert [one.before for one in store.schema_changes_of_case("one", {1})] == ["a"]
    assert [one.before for one in store.schema_changes_of_case("three", ())] == []


def test_how_far_a_log_reaches_is_kept_a_case(store: Registry, now: datetime) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    store.record_span("one", "sign_in_logs", start, start + timedelta(days=31), now)
    store.record_span("one", "sign_in_logs", start, start + timedelta(days=36), now)
    assert store.spans("sign_in_logs") == [Span("one", "sign_in_logs", 36.0)]
    assert store.spans("unified_audit_log") == []


def test_writers_side_by_side_keep_one_version_and_one_change(store: Registry, now: datetime) -> None:
    new: list[int] = []

    def work(number: int) -> None:
        _, is_new = store.keep_field_list(SEEN_PLAIN, f"case-{number}", now)
        new.extend([1] * is_new + [10] * len(store.record_schema_changes([GONE], "v1.0", IMPORT, now)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(new) == [1, 10]
    assert len(store.schema_versions()) == 1


SEEN_PLAIN = replace(SEEN, fields={"id": SEEN.fields["id"]})
