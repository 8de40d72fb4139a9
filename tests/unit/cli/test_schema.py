"""`schema` lists field lists and changes, and closes a change in the name of this machine's user."""

from __future__ import annotations

from datetime import datetime

import pytest

from m365dq_dagster.adapters.operating_user import operating_person
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.registry.schemas import IMPORT
from m365dq_dagster.core.field_lists import FieldList, FieldSeen
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange
from tests.support.handed_workbench import HandedWorkbench
from tests.support.program import call, call_json

GONE = SchemaChange(
    ChangeKind.FIELD_GONE,
    Severity.CRITICAL,
    "sign_in_logs",
    "portal_signin_csv v1.0",
    "Sta\x1b[31mtus",
    "",
    None,
    "'Status' is gone; status is a witness of outcomes and was read there",
    "a.csv",
)


@pytest.fixture
def told(registry: Registry, now: datetime) -> Registry:
    fields = {"status": FieldSeen("Status", True, {})}
    registry.keep_field_list(FieldList("portal_signin_csv", "sign_in_logs", "v1.0", {}, fields), "one", now)
    registry.record_schema_changes([GONE], "v1.0", IMPORT, now, case_id="one")
    return registry


def test_lists_and_changes_are_shown(told: Registry) -> None:
    assert "portal_signin_csv" in call("schema", "list", columns=200).stdout
    shown = call("schema", "changes", columns=200).stdout
    assert "'Status' is gone" in shown
    assert "\x1b" not in shown


def test_programs_get_the_names_too(told: Registry) -> None:
    (version,) = call_json("schema", "list")
    assert (version["format_name"], version["names"], version["fields"]) == ("portal_signin_csv", ["Status"], 1)
    (change,) = call_json("schema", "changes")
    assert (change["kind"], change["severity"], change["case"], change["state"]) == (
        "FIELD_GONE",
        "CRITICAL",
        "one",
        "OPEN",
    )


def test_a_change_is_closed_with_a_reason_by_the_user_of_the_machine(told: Registry) -> None:
    said = call("schema", "close", "1", "--reason", "format file corrected", "--actor", "Bob")
    assert said.exit_code == 0
    person = operating_person("Bob").told
    assert f"Schema change 1 is closed by {person}" in " ".join(said.stdout.split())
    assert call("schema", "changes").stdout.strip() == "There are no open schema changes."
    (closed,) = call_json("schema", "changes", "--all")
    assert (closed["state"], closed["close_reason"]) == ("CLOSED", "format file corrected")
    assert [entry.actor for entry in told.audit_entries()] == [person]


def test_closing_asks_for_a_reason_and_for_a_change_that_there_is(told: Registry) -> None:
    assert call("schema", "close", "1").exit_code == 2
    assert call("schema", "close", "1", "--reason", " ").exit_code == 2
    assert call("schema", "close", "9", "--reason", "x").exit_code == 2
    assert call_json("schema", "close", "1", "--reason", "x")["state"] == "CLOSED"


def test_nothing_is_said_of_nothing(home: object) -> None:
    assert call("schema", "changes", "--all").stdout.strip() == "There are no schema changes."


def test_a_case_without_a_difference_says_so() -> None:
    document = {
        "case": "c",
        "schema_versions": [{"format": "f", "file": "a.csv", "is_new": True}],
        "schema_changes": [],
    }
    shown = call("show", "c", "schema", bench=HandedWorkbench(document)).stdout
    assert "Nothing differs from earlier imports of these formats." in shown
