"""Two readings of one document against each other."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange
from m365dq_dagster.core.vendor_diff import Comparison, compare, previous
from m365dq_dagster.core.vendor_pages import DocumentReason, PageKind, Snapshot
from m365dq_dagster.core.vendor_reads import Reads, Source, Touch, severity_of
from m365dq_dagster.stages.vendor_documents import reads_of
from tests.support.vendor_pages import (
    activity_page,
    code_page,
    notes_page,
    read,
    resource_page,
    retention_page,
    schema_page,
    table,
)

K, INFO, WARNING, CRITICAL = ChangeKind, Severity.INFO, Severity.WARNING, Severity.CRITICAL
TODAY = date(2026, 11, 21)
SOURCE = Source("page.md", TODAY)


@pytest.fixture(scope="module")
def reads() -> Reads:
    return reads_of(load_rule_pack())


def against(before: str, after: str, reads: Reads) -> Comparison:
    old, new = read(before), read(after)
    return compare(new, previous(new, [old]), reads, SOURCE)


def told(comparison: Comparison) -> list[tuple[ChangeKind, Severity, str, str]]:
    return [(c.kind, c.severity, c.before, c.after) for c in comparison.changes]


# Severity


@pytest.mark.parametrize(
    ("kind", "touch", "day", "in_force", "severity"),
    [
        (K.FIELD_GONE, Touch.DECIDES, None, True, CRITICAL),
        (K.FIELD_GONE, Touch.DECIDES, None, False, WARNING),
        (K.FIELD_GONE, Touch.DECIDES, date(2020, 1, 1), False, CRITICAL),
        (K.FIELD_GONE, Touch.DECIDES, date(2027, 2, 19), False, CRITICAL),
        (K.FIELD_GONE, Touch.DECIDES, date(2027, 2, 20), False, WARNING),
        (K.FIELD_GONE, Touch.READ, None, True, WARNING),
        (K.FIELD_GONE, Touch.NONE, None, True, INFO),
        (K.CODE_NEW, Touch.DECIDES, None, True, WARNING),
        (K.TEXT_ONLY, Touch.DECIDES, None, True, INFO),
    ],
)
def test_what_decides_and_breaks_within_ninety_days_is_critical(
    kind: ChangeKind, touch: Touch, day: date | None, in_force: bool, severity: Severity
) -> None:
    assert severity_of(kind, touch, day, in_force, TODAY) is severity


def test_names_are_near_as_they_are_read(reads: Reads) -> None:
    assert reads.of_field("conditionalAccessStatus") is Touch.DECIDES
    assert reads.of_field("ErrorNumber") is Touch.DECIDES
    assert reads.of_field("riskState") is Touch.READ
    assert reads.of_field("mfaDetail") is Touch.READ
    assert reads.of_field("neverHeardOf") is Touch.NONE
    assert reads.of_field("riskState", frozenset({"message_trace"})) is Touch.NONE
    assert reads.of_operation("New-InboxRule") is Touch.DECIDES
    assert reads.of_operation("NeverHeardOf") is Touch.NONE
    assert reads.of_value("unlikelyTravel") is Touch.READ
    assert reads.of_record_type("15") is Touch.DECIDES
    assert reads.of_record_type("2") is Touch.READ
    assert reads.of_record_type("299") is Touch.NONE


# Codes


def test_codes_that_went_or_are_marked_as_unused_are_gone_and_unknown_ones_matter_less(reads: Reads) -> None:
    before = code_page({"50126": "Wrong.", "50034": "None.", "50053": "Locked.", "599999": "Odd.", "599998": "Odd."})
    after = code_page({"50034": "None.", "50053": "No longer used.", "599999": "Odd."})
    found = against(before, after, reads)

    gone = [item for item in told(found) if item[0] is K.CODE_GONE]
    assert gone == [
        (K.CODE_GONE, WARNING, "50126", ""),
        (K.CODE_GONE, INFO, "599998", ""),
        (K.CODE_GONE, WARNING, "50053", ""),
    ]
    assert not any(c.after == "50034" for c in found.changes)


def test_a_code_that_stands_twice_gives_an_issue_and_is_read_all_the_same(reads: Reads) -> None:
    rows = [[f"AADSTS{code}", text] for code in (70001, 70002, 70003, 70004) for text in ("One.", "Two.")]
    new = read("# Sign-in error codes\n\n" + table(["Error", "Description"], rows))
    (problem,) = compare(new, None, reads, SOURCE).issues

    assert (problem.reason, problem.severity) == (DocumentReason.CODE_TWICE, INFO)
    assert "70001, 70002, 70003 and 1 more" in problem.sentence


def test_codes_in_the_text_of_whom_nothing_speaks_are_proposed_as_unknown(reads: Reads) -> None:
    found = compare(read(code_page({"599991": "Odd.", "50126": "x", "50034": "y"})), None, reads, SOURCE)
    assert "Proposed category unknown (method topic_rule" in found.changes[0].detail


# Resources


def test_what_changes_of_a_resource_is_weighed_by_who_reads_it(reads: Reads) -> None:
    base = {
        "id": "Id.",
        "appId": "App.",
        "odd": "x",
        "conditionalAccessStatus": "Possible values: success, failure.",
        "riskState": "State.",
    }
    after = {
        "appId": "Application.",
        "conditionalAccessStatus": "Possible values: success, failed, skipped.",
        "riskState": "State. It is no longer populated for free tenants.",
        "brandNewThing": "Something.",
    }
    found = against(resource_page("signIn", base), resource_page("signIn", after), reads)
    severities = {(kind, before or after): severity for kind, severity, before, after in told(found)}

    assert severities == {
        (K.FIELD_GONE, "id"): WARNING,
        (K.FIELD_GONE, "odd"): INFO,
        (K.FIELD_NEW, "brandNewThing"): INFO,
        (K.TEXT_ONLY, "appId"): INFO,
        (K.TEXT_ONLY, "conditionalAccessStatus"): INFO,
        (K.SEMANTICS, "riskState"): WARNING,
        (K.ENUM_VALUE_RENAMED, "failure"): CRITICAL,
        (K.ENUM_VALUE_NEW, "skipped"): WARNING,
    }


def test_a_witness_that_goes_is_critical_and_one_that_is_only_deprecated_is_a_warning(reads: Reads) -> None:
    base = {"id": "Id.", "status": "Outcome.", "appId": "App."}
    gone = against(resource_page("signIn", base), resource_page("signIn", {"id": "Id.", "appId": "App."}), reads)
    marked = against(
        resource_page("signIn", base), resource_page("signIn", base | {"status": "Outcome. Deprecated."}), reads
    )

    assert told(gone) == [(K.FIELD_GONE, CRITICAL, "status", "")]
    assert told(marked) == [(K.FIELD_GONE, WARNING, "status", "")]


def test_a_resource_that_nobody_imports_is_told_quietly(reads: Reads) -> None:
    found = against(resource_page("printer", {"aB1": "x", "bC2": "y"}), resource_page("printer", {"aB1": "x"}), reads)
    assert told(found) == [(K.FIELD_GONE, INFO, "bC2", "")]


def test_a_first_reading_of_anything_but_codes_and_announcements_says_nothing(reads: Reads) -> None:
    for text in (
        resource_page("signIn", {"id": "x"}),
        activity_page({"Send": "x"}),
        schema_page(),
        retention_page({"Sign-ins": ["7 days", "30 days", "30 days"]}),
    ):
        assert compare(read(text), None, reads, SOURCE) == Comparison(())


# The audit log


def test_operations_that_go_and_come_are_weighed_by_the_reference(reads: Reads) -> None:
    before = activity_page({"Send": "Mail.", "OddThingDone": "x", "New-InboxRule": "Rule.", "Move": "y"})
    after = activity_page({"Send": "Mail.", "Completely Else": "z", "Move": "y"})
    found = against(before, after, reads)

    assert sorted(told(found)) == [
        (K.OPERATION_NEW, INFO, "", "Completely Else"),
        (K.OPERATION_VANISHED, CRITICAL, "New-InboxRule", ""),
        (K.OPERATION_VANISHED, INFO, "OddThingDone", ""),
    ]


def test_record_types_that_go_come_or_change_their_name(reads: Reads) -> None:
    before = {
        "15": ("AzureActiveDirectoryStsLogon", "S"),
        "2": ("ExchangeItem", "E"),
        "300": ("Odd", "O"),
        "301": ("Same", "S"),
    }
    after = {"15": ("EntraStsLogon", "S"), "300": ("Odd", "Other words."), "301": ("Same", "S"), "302": ("Fresh", "F")}
    found = against(schema_page(before), schema_page(after), reads)

    assert set(told(found)) == {
        (K.RECORD_TYPE_CHANGED, CRITICAL, "15 AzureActiveDirectoryStsLogon", "EntraStsLogon"),
        (K.RECORD_TYPE_CHANGED, INFO, "", "302 Fresh"),
        (K.RECORD_TYPE_CHANGED, WARNING, "2 ExchangeItem", ""),
        (K.TEXT_ONLY, INFO, "300 Odd", ""),
    }


def test_one_name_in_two_schemas_is_two_fields(reads: Reads) -> None:
    before = schema_page(
        schemas={"Common schema": {"UserId": "a", "ClientIP": "b"}, "Other schema": {"UserId": "c", "X1y": "d"}}
    )
    after = schema_page(schemas={"Common schema": {"ClientIP": "b"}, "Other schema": {"UserId": "c", "X1y": "d"}})
    (change,) = against(before, after, reads).changes

    assert (change.kind, change.severity, change.surface) == (K.FIELD_GONE, WARNING, "Common schema")


def test_a_schema_with_another_heading_is_the_same_schema(reads: Reads) -> None:
    fields = dict.fromkeys(("ApplicationId", "Client", "ErrorNumber", "LogonError", "DeviceProperties"), "x")
    before = schema_page(schemas={"Azure Active Directory STS logon schema": fields, "Other schema": {"UserId": "a"}})
    renamed = {"Microsoft Entra STS logon schema": fields, "Other schema": {"UserId": "a"}}

    assert against(before, schema_page(schemas=renamed), reads) == Comparison(())
    fewer = renamed | {"Microsoft Entra STS logon schema": {n: t for n, t in fields.items() if n != "ErrorNumber"}}
    assert told(against(before, schema_page(schemas=fewer), reads)) == [(K.FIELD_GONE, CRITICAL, "ErrorNumber", "")]


def test_a_schema_that_goes_takes_the_fields_that_stand_in_no_other_with_it(reads: Reads) -> None:
    before = schema_page(schemas={"One schema": {"ErrorNumber": "x", "UserId": "y"}, "Two schema": {"UserId": "y"}})
    found = against(before, schema_page(schemas={"Two schema": {"UserId": "y"}}), reads)
    assert told(found) == [(K.FIELD_GONE, CRITICAL, "ErrorNumber", "")]


def test_values_of_enumerations_of_the_audit_log_are_compared(reads: Reads) -> None:
    def page(*values: str) -> str:
        return (
            schema_page() + "\n### Enum: UserType\n\n" + table(["Value", "Member name"], [[v, f"N{v}"] for v in values])
        )

    (change,) = against(page("0", "2"), page("0", "2", "11"), reads).changes
    assert (change.kind, change.after, change.severity) == (K.ENUM_VALUE_NEW, "11", WARNING)


def test_the_name_that_takes_the_place_is_the_one_that_was_announced_before(reads: Reads) -> None:
    before = activity_page(
        {"OddThingDone": "Deprecated; use Completely.", "Send": "Mail.", "Old1Thing": "Deprecated; use Send."}
    )
    after = activity_page({"Completely": "x", "OddThingDoneNot": "y", "Send": "Mail."})
    found = against(before, after, reads)

    assert (K.OPERATION_RENAMED, INFO, "OddThingDone", "Completely") in told(found)
    assert (K.OPERATION_RENAMED, WARNING, "Old1Thing", "Send") in told(found)


@pytest.mark.parametrize(
    ("gone", "come", "renamed"),
    [
        ("Send", "SendMail", True),
        ("Move", "RemovedThing", False),
        ("FileDeleted", "FileRecycled", True),
        ("MessageBind", "MailItemsAccessed", False),
    ],
)
def test_names_are_one_renamed_where_they_are_alike_enough(gone: str, come: str, renamed: bool, reads: Reads) -> None:
    found = against(activity_page({gone: "x", "Create": "y"}), activity_page({come: "x", "Create": "y"}), reads)
    assert (found.changes[0].kind is K.OPERATION_RENAMED) is renamed
    if renamed:
        assert f"{come} is new there and may take its place" in found.changes[0].detail


def test_a_page_that_was_rewritten_is_not_held_against_itself_name_by_name(reads: Reads) -> None:
    old, new = (
        Snapshot(PageKind.AUDIT, "a", {f"operation:{p}Name{n}": {} for n in range(200)}) for p in ("Old", "New")
    )
    found = compare(new, old, reads, SOURCE, believed=True)
    assert {c.kind for c in found.changes} == {K.OPERATION_VANISHED, K.OPERATION_NEW}


# Retention


def test_another_length_of_retention_is_told_by_its_log(reads: Reads) -> None:
    before = retention_page(
        {"Sign-ins": ["7 days", "30 days", "30 days"], "Risky sign-ins": ["7 days", "30 days", "90 days"]}
    )
    after = retention_page(
        {"Sign-ins": ["7 days", "90 days", "30 days"], "Risky sign-ins": ["7 days", "30 days", "60 days"]}
    )
    found = against(before, after, reads)

    assert set(told(found)) == {
        (K.RETENTION, WARNING, "30 days", "90 days"),
        (K.RETENTION, INFO, "90 days", "60 days"),
    }


# Announcements


def notes(title: str, text: str = "", kind: str = "Plan for change") -> str:
    return notes_page([("May 2026", kind, title, text)])


def announced(title: str, text: str, reads: Reads, kind: str = "Plan for change") -> tuple[SchemaChange, ...]:
    return compare(read(notes(title, text, kind)), None, reads, SOURCE).changes


def test_an_announcement_of_what_nobody_reads_is_quiet_or_nothing(reads: Reads) -> None:
    (retired,) = announced("The printer wizard retires on May 31, 2026", "", reads)
    assert (retired.severity, retired.log_type) == (INFO, "")
    assert announced("PrinterShared is renamed to PrinterPassed", "", reads) == ()


def test_a_rename_of_an_operation_of_ours_is_critical_from_ninety_days_before(reads: Reads) -> None:
    (soon,) = announced("The operation HardDelete is renamed to ItemErased on January 15, 2027", "", reads)
    (later,) = announced("The operation HardDelete is renamed to ItemErased on June 15, 2027", "", reads)

    assert (soon.kind, soon.severity, soon.log_type) == (K.OPERATION_RENAMED, CRITICAL, "unified_audit_log")
    assert later.severity is WARNING


def test_the_log_type_of_an_announcement_comes_from_its_names(reads: Reads) -> None:
    (field,) = announced("The property conditionalAccessStatus is renamed to policyStatus", "", reads)
    assert field.log_type in ("sign_in_logs", "legacy_auth_logs")
    (lost,) = announced("Audit data was lost", "Some log rows are missing for a week.", reads, "Incident")
    assert (lost.kind, lost.log_type) == (K.LOG_GAP, "sign_in_logs")


def test_a_retention_that_is_announced_names_both_lengths(reads: Reads) -> None:
    (change,) = announced("Unified audit log: retention grows from 180 days to 400 days", "", reads)
    assert (change.kind, change.before, change.after, change.severity) == (K.RETENTION, "180 days", "400 days", WARNING)


def test_an_announcement_that_stays_or_only_loses_its_day_is_not_told_again(reads: Reads) -> None:
    first = notes("The Management Activity API retires", "It ends on March 1, 2027.")
    assert (
        against(first, notes("The Management Activity API retires", "It ends on March 1, 2027. Really."), reads).changes
        == ()
    )
    assert against(first, notes("The Management Activity API retires", "It ends one day."), reads).changes == ()


def test_an_announcement_that_becomes_another_is_told(reads: Reads) -> None:
    before = notes("About the Management Activity API", "It now returns more rows.")
    (change,) = against(
        before, notes("About the Management Activity API", "It will be removed on March 1, 2027."), reads
    ).changes
    assert change.kind is K.RETIREMENT


# Which reading is the last of the same document


def snapshot(kind: PageKind, subject: str, *keys: str) -> Snapshot:
    return Snapshot(kind, subject, {key: {} for key in keys})


def test_the_last_reading_is_the_one_under_the_same_name_else_the_one_most_alike() -> None:
    held = [
        snapshot(PageKind.AUDIT, "a", "1", "2", "3"),
        snapshot(PageKind.AUDIT, "b", "3", "4"),
        snapshot(PageKind.RESOURCE, "signIn", "x"),
    ]
    assert previous(snapshot(PageKind.AUDIT, "a", "9"), held, own=held[0]) == held[0]
    assert previous(snapshot(PageKind.AUDIT, "b", "3", "4"), held, own=held[0]) == held[1]
    assert previous(snapshot(PageKind.AUDIT, "new title", "1", "2", "7"), held) == held[0]
    assert previous(snapshot(PageKind.AUDIT, "new title", "3", "4", "7", "8"), held) == held[1]
    assert previous(snapshot(PageKind.AUDIT, "a", "7", "8", "9"), held) == held[0]
    assert previous(snapshot(PageKind.AUDIT, "c", "7", "8", "9"), held) is None
    assert previous(snapshot(PageKind.CODES, "a", "7"), [snapshot(PageKind.CODES, "a", "8")]) is None
    assert previous(snapshot(PageKind.AUDIT, "other", "7"), []) is None
    assert previous(snapshot(PageKind.RESOURCE, "signIn beta", "x"), held) is None
    assert previous(snapshot(PageKind.RESOURCE, "signIn", "x", "y"), held) == held[2]
    assert previous(snapshot(PageKind.NOTES, "n", "x"), held) is None


def test_all_pages_of_announcements_count_as_one() -> None:
    held = [snapshot(PageKind.NOTES, "a", "1"), snapshot(PageKind.NOTES, "b", "2")]
    found = previous(snapshot(PageKind.NOTES, "c", "3"), held)
    assert found is not None
    assert set(found.entries) == {"1", "2"}


# What is not believed


def test_a_page_that_lost_too_much_at_once_is_believed_only_when_somebody_says_so(reads: Reads) -> None:
    old = read(activity_page({f"Name{n}Xyz": "x" for n in range(40)}))
    new = read(activity_page({f"Name{n}Xyz": "x" for n in range(35)}))

    doubted = compare(new, old, reads, SOURCE)
    assert (doubted.changes, doubted.believed) == ((), False)
    assert "lacks 5 of the 40 entries" in doubted.issues[0].sentence
    assert len(compare(new, old, reads, SOURCE, believed=True).changes) == 5


@given(
    st.dictionaries(st.sampled_from([f"5{n:04d}" for n in range(60)]), st.sampled_from(["a", "b"]), min_size=3),
    st.dictionaries(st.sampled_from([f"5{n:04d}" for n in range(60)]), st.sampled_from(["a", "b"]), min_size=3),
)
def test_nothing_is_ever_said_of_a_code_that_did_not_change(before: dict[str, str], after: dict[str, str]) -> None:
    found = against(code_page(before), code_page(after), Reads())
    changed = {code for code in before.keys() | after.keys() if before.get(code) != after.get(code)}
    assert {c.before for c in found.changes if c.before} <= changed
