"""Claims about what the stage `schema` tells of exports in two states: before a change, and after it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages import alerts, schema
from tests.support.case_runs import run_folder
from tests.support.intake_case import NOW, shipped_formats
from tests.support.schema_watch import (
    Record,
    Watch,
    admin,
    as_audit_csv,
    as_csv,
    as_json,
    as_lines,
    changed,
    drop,
    graph,
    logon,
    of_file,
    portal,
    rename,
    risk,
    rows,
    trace,
)

Writer = Callable[[Iterable[Record]], str]
Change = Callable[[Record], object]


@pytest.fixture
def watch(registry: Registry, tmp_path: Path) -> Watch:
    return Watch(registry, tmp_path)


def move(record: Record) -> None:
    record["result"] = {"errorCode": record["status"].pop("errorCode")}


def put(name: str, value: object) -> Change:
    return lambda record: record.update({name: value})


def new_word(record: Record) -> None:
    if record["riskEventType"] == "impossibleTravel":
        record["riskEventType"] = "mcasImpossibleTravel"


def strange_word(record: Record) -> None:
    if record["conditionalAccessStatus"] == "success":
        record["conditionalAccessStatus"] = "succeeded"


def to_parameters(record: Record) -> None:
    record["Parameters"] = [{"Name": "Identity", "Value": record.pop("NonPiiParameters")}]
    del record["EffectiveOrganization"]


def to_version_2(record: Record) -> None:
    for name in ("PSComputerName", "RunspaceId", "PSShowComputerName", "StartDate", "EndDate", "Index"):
        del record[name]


MUTATIONS: dict[str, tuple[Callable[[int], Record], Writer, Change, set[tuple[str, str, str, str]]]] = {
    "a witness column is dropped": (
        portal,
        as_csv,
        drop("Sign-in error code"),
        {("FIELD_GONE", "CRITICAL", "Sign-in error code", "")},
    ),
    "a second witness column is dropped": (
        portal,
        as_csv,
        drop("Conditional Access"),
        {("FIELD_GONE", "CRITICAL", "Conditional Access", "")},
    ),
    "a column that is read is dropped": (
        portal,
        as_csv,
        drop("Client app"),
        {("FIELD_GONE", "WARNING", "Client app", "")},
    ),
    "a column that nobody reads is dropped": (
        portal,
        as_csv,
        drop("Flagged for review"),
        {("FIELD_GONE", "INFO", "Flagged for review", "")},
    ),
    "a rendering is dropped": (portal, as_csv, drop("Failure reason"), {("FIELD_GONE", "INFO", "Failure reason", "")}),
    "a witness column is renamed": (
        portal,
        as_csv,
        rename("Sign-in error code", "Sign-in error number"),
        {("FIELD_RENAMED", "CRITICAL", "Sign-in error code", "Sign-in error number")},
    ),
    "a column of addresses is renamed": (
        portal,
        as_csv,
        rename("IP address", "IP address of user"),
        {("FIELD_RENAMED", "WARNING", "IP address", "IP address of user")},
    ),
    "a column of free text is renamed": (
        portal,
        as_csv,
        rename("User", "Users"),
        {("FIELD_GONE", "WARNING", "User", ""), ("FIELD_NEW", "INFO", "", "Users")},
    ),
    "a name stays and another column takes a like name with other values": (
        portal,
        as_csv,
        lambda record: (drop("Client app")(record), put("Client apps", "203.0.113.1")(record)),
        {("FIELD_GONE", "WARNING", "Client app", ""), ("FIELD_NEW", "INFO", "", "Client apps")},
    ),
    "a column is added": (portal, as_csv, put("Home tenant", "x"), {("FIELD_NEW", "INFO", "", "Home tenant")}),
    "a header is written in another case": (
        portal,
        as_csv,
        rename("Status", "STATUS"),
        {("TEXT_ONLY", "INFO", "Status", "STATUS")},
    ),
    "a header has another blank": (
        portal,
        as_csv,
        rename("Application ID ", "Application ID"),
        {("TEXT_ONLY", "INFO", "Application ID", "Application ID")},
    ),
    "a key that is a witness is dropped": (
        graph,
        as_json,
        drop("conditionalAccessStatus"),
        {("FIELD_GONE", "CRITICAL", "conditionalAccessStatus", "")},
    ),
    "a nested witness is dropped": (
        graph,
        as_lines,
        drop("status", "errorCode"),
        {("FIELD_GONE", "CRITICAL", "status.errorCode", "")},
    ),
    "a nested witness is renamed": (
        graph,
        as_lines,
        rename("errorCode", "errorNumber", "status"),
        {("FIELD_RENAMED", "CRITICAL", "status.errorCode", "status.errorNumber")},
    ),
    "a nested witness has moved": (
        graph,
        as_json,
        move,
        {("FIELD_MOVED", "CRITICAL", "status.errorCode", "result.errorCode")},
    ),
    "an object is renamed with all that is in it": (
        graph,
        as_json,
        rename("location", "locations"),
        {("FIELD_RENAMED", "WARNING", "location", "locations")},
    ),
    "an object is not written out": (graph, as_json, put("status", "Some.Type.Name"), set()),
    "the error number of logons is dropped": (
        logon,
        as_audit_csv,
        drop("ErrorNumber"),
        {("FIELD_GONE", "CRITICAL", "AuditData.ErrorNumber", "")},
    ),
    "an outcome word gave way to one that no table knows": (
        graph,
        as_json,
        strange_word,
        {("ENUM_VALUE_RENAMED", "CRITICAL", "conditionalaccessstatus=success", "conditionalaccessstatus=succeeded")},
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_change_is_told_with_its_kind_and_severity(watch: Watch, name: str) -> None:
    make, write, change, expected = MUTATIONS[name]
    path = "a.csv" if write in (as_csv, as_audit_csv) else "a.json"
    watch.take({path: write(rows(make))})
    assert watch.told == []
    taken = watch.take({path: write(changed(rows(make), change))})
    assert watch.kinds == expected
    grave = [one for one in watch.told if one.severity != "INFO"]
    assert taken.passed("schema_as_known") is not bool(grave)


GOLDEN: dict[str, tuple[Callable[[int], Record], Writer, Change, set[tuple[str, str, str, str]]]] = {
    "C02 and C03: riskEventTypes": (
        graph,
        as_json,
        rename("riskEventTypes", "riskEventTypes_v2"),
        {("FIELD_RENAMED", "INFO", "riskEventTypes", "riskEventTypes_v2")},
    ),
    "C18: Get-MessageTraceV2": (
        trace,
        as_csv,
        to_version_2,
        {
            ("FIELD_GONE", "INFO", name, "")
            for name in ("PSComputerName", "RunspaceId", "PSShowComputerName", "StartDate", "EndDate", "Index")
        },
    ),
    "C20: mfaDetail": (graph, as_json, drop("mfaDetail"), {("FIELD_GONE", "INFO", "mfaDetail", "")}),
    "C24: EffectiveOrganization, NonPiiParameters": (
        admin,
        as_audit_csv,
        to_parameters,
        {
            ("FIELD_GONE", "INFO", "AuditData.EffectiveOrganization", ""),
            ("FIELD_GONE", "INFO", "AuditData.NonPiiParameters", ""),
        },
    ),
    "C25: impossibleTravel": (
        risk,
        as_json,
        new_word,
        {("ENUM_VALUE_RENAMED", "INFO", "riskeventtype=impossibleTravel", "riskeventtype=mcasImpossibleTravel")},
    ),
    "C28: ErrorCode": (
        logon,
        as_audit_csv,
        rename("ErrorNumber", "ErrorCode"),
        {("FIELD_RENAMED", "INFO", "AuditData.ErrorNumber", "AuditData.ErrorCode")},
    ),
    "C26: the product's name": (portal, as_csv, put("Token issuer type", "Microsoft Entra ID"), set()),
    "C27: the wording of a code": (portal, as_csv, put("Failure reason", "The home tenant reported a risk."), set()),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_what_the_vendor_is_known_to_have_changed_is_seen_in_evidence(watch: Watch, name: str) -> None:
    make, write, change, expected = GOLDEN[name]
    path = "a.csv" if write in (as_csv, as_audit_csv) else "a.json"
    watch.take({path: write(rows(make))})
    watch.take({path: write(changed(rows(make), change))})
    assert watch.kinds == expected


def files_of(deleted: str, tenant: int = 1) -> str:
    return as_audit_csv(
        [
            *(of_file(n, "FileAccessed", tenant) for n in range(60)),
            *(of_file(n, deleted, tenant) for n in range(60, 80)),
        ]
    )


def test_the_deletion_that_was_renamed_is_seen_within_one_tenant(watch: Watch) -> None:
    watch.take({"a.csv": files_of("FileDeleted")})
    watch.take({"a.csv": files_of("FileRecycled")})
    assert watch.kinds == {("OPERATION_RENAMED", "WARNING", "FileDeleted", "FileRecycled")}


def test_the_deletion_that_was_renamed_is_seen_across_three_tenants_and_not_before(watch: Watch) -> None:
    for tenant in (2, 3):
        watch.take({"a.csv": files_of("FileDeleted", tenant)})
    watch.take({"a.csv": files_of("FileRecycled", 4)})
    assert watch.told == []


def test_three_tenants_that_agree_speak_for_a_fourth(watch: Watch) -> None:
    for tenant in (2, 3, 5):
        watch.take({"a.csv": files_of("FileDeleted", tenant)})
    watch.take({"a.csv": files_of("FileRecycled", 4)})
    assert watch.kinds == {("OPERATION_RENAMED", "WARNING", "FileDeleted", "FileRecycled")}


def test_logons_that_come_under_another_record_type_are_told(watch: Watch) -> None:
    watch.take({"a.csv": as_audit_csv(logon(n, 9) for n in range(80))})
    watch.take({"a.csv": as_audit_csv(logon(n, 15) for n in range(80))})
    assert ("RECORD_TYPE_CHANGED", "WARNING", "9 UserLoggedIn", "15") in watch.kinds


def test_logons_that_leave_the_record_type_that_is_judged_are_grave(watch: Watch) -> None:
    watch.take({"a.csv": as_audit_csv(logon(n, 15) for n in range(80))})
    watch.take({"a.csv": as_audit_csv(logon(n, 9) for n in range(80))})
    assert ("RECORD_TYPE_CHANGED", "CRITICAL", "15 UserLoggedIn", "9") in watch.kinds


# What must not alarm


def test_columns_in_another_order_are_the_same_version(watch: Watch) -> None:
    watch.take({"a.csv": as_csv(rows(portal))})

    def shuffle(record: Record) -> None:
        items = list(record.items())
        random.Random(7).shuffle(items)
        record.clear()
        record.update(items)

    watch.take({"a.csv": as_csv(changed(rows(portal), shuffle))})
    assert watch.told == []
    assert len(watch.registry.schema_versions()) == 1


def test_keys_that_few_records_lack_say_nothing(watch: Watch) -> None:
    watch.take({"a.json": as_json(rows(graph))})
    watch.take({"a.json": as_json(changed(rows(graph, 12), drop("conditionalAccessStatus")))})
    assert watch.told == []


def test_an_optional_key_says_nothing_however_many_records_lack_it(watch: Watch) -> None:
    some = [one if n % 5 else changed([one], drop("isInteractive"))[0] for n, one in enumerate(rows(graph))]
    watch.take({"a.json": as_json(some)})
    watch.take({"a.json": as_json(changed(rows(graph), drop("isInteractive")))})
    assert watch.told == []


def test_a_key_that_a_small_file_lacked_is_asked_of_the_version_that_knew_it(watch: Watch) -> None:
    without = drop("conditionalAccessStatus")
    watch.take({"a.json": as_json(rows(graph))})
    watch.take({"a.json": as_json(changed(rows(graph, 3), without))})
    watch.take({"a.json": as_json(changed(rows(graph), without))})
    assert watch.kinds == {("FIELD_GONE", "CRITICAL", "conditionalAccessStatus", "")}


def test_an_older_export_is_no_change_forward(watch: Watch) -> None:
    def earlier(record: Record) -> None:
        record["createdDateTime"] = record["createdDateTime"].replace("2026", "2021")
        del record["conditionalAccessStatus"]

    watch.take({"a.json": as_json(rows(graph))})
    watch.take({"a.json": as_json(changed(rows(graph), earlier))})
    assert watch.told == []


def test_somebody_who_cuts_columns_is_not_the_vendor(watch: Watch) -> None:
    def cut(record: Record) -> None:
        for name in ("Sign-in error code", "Client app", "Location", "Failure reason", "Authentication requirement"):
            del record[name]

    watch.take({"a.csv": as_csv(rows(portal))})
    watch.take({"a.csv": as_csv(changed(rows(portal), cut))})
    assert watch.alarms == []
    assert ("FIELD_GONE", "INFO", "Sign-in error code", "") in watch.kinds


def test_a_query_chooses_its_columns(watch: Watch) -> None:
    def query(number: int) -> Record:
        one = graph(number)
        return {
            "TimeGenerated": one["createdDateTime"],
            "CreatedDateTime": one["createdDateTime"],
            "Id": one["id"],
            "ResultType": one["status"]["errorCode"],
            "ConditionalAccessStatus": one["conditionalAccessStatus"],
            "UserPrincipalName": one["userPrincipalName"],
            "IPAddress": one["ipAddress"],
            "AppDisplayName": "Office",
            "LocationDetails": '{"city":"Sydney","countryOrRegion":"AU"}',
        }

    watch.take({"a.csv": as_csv(rows(query))})
    watch.take({"a.csv": as_csv(changed(rows(query), drop("ConditionalAccessStatus")))})
    assert watch.kinds == {("FIELD_GONE", "INFO", "ConditionalAccessStatus", "")}


def test_a_localised_header_is_text_only(watch: Watch) -> None:
    spoken = next(data["map"] for data in shipped_formats() if data.get("container") == "translation")
    local = {english: name for name, english in spoken.items() if english in portal(1)}
    assert len(local) > 5

    def translate(record: Record) -> None:
        for old, new in local.items():
            rename(old, new)(record)

    watch.take({"a.csv": as_csv(rows(portal))})
    watch.take({"a.csv": as_csv(changed(rows(portal), translate))})
    assert watch.alarms == []


def test_a_mark_of_byte_order_and_a_header_that_comes_twice_are_no_change(watch: Watch) -> None:
    def twice(text: str) -> str:
        return "\n".join(line + "," + line.rsplit(",", 1)[1] for line in text.splitlines()) + "\n"

    watch.take({"a.csv": twice(as_csv(rows(portal)))})
    watch.take({"a.csv": "\ufeff" + twice(as_csv(rows(portal)))})
    assert watch.alarms == []


def test_another_tenants_operations_say_nothing(watch: Watch) -> None:
    watch.take({"a.csv": files_of("FileDeleted", 2)})
    watch.take({"a.csv": files_of("FileSyncUploadedFull", 3)})
    assert watch.told == []


# What a case shows


def test_a_later_case_of_the_changed_version_shows_it_and_does_not_raise_it(watch: Watch) -> None:
    watch.take({"a.csv": as_csv(rows(portal))})
    without = as_csv(changed(rows(portal), drop("Client app")))
    first = measure.read_json(watch.take({"a.csv": without}).con, schema.CHANGES)
    taken = watch.take({"a.csv": without})
    second = measure.read_json(taken.con, schema.CHANGES)
    assert [(one["before"], one["first"]) for one in first + second] == [("Client app", True), ("Client app", False)]
    assert not taken.passed("schema_as_known")


def test_what_was_closed_is_shown_no_more_in_later_cases(watch: Watch) -> None:
    watch.take({"a.csv": as_csv(rows(portal))})
    without = as_csv(changed(rows(portal), drop("Client app")))
    watch.take({"a.csv": without})
    watch.registry.close_schema_change(watch.told[0].change_id, Person("ann"), "known", NOW)
    taken = watch.take({"a.csv": without})
    assert measure.read_json(taken.con, schema.CHANGES) == []
    assert taken.passed("schema_as_known")


def test_the_same_case_taken_in_again_tells_the_same(watch: Watch) -> None:
    watch.take({"a.csv": as_csv(rows(portal))})
    without = as_csv(changed(rows(portal), drop("Client app")))
    first = measure.read_json(watch.take({"a.csv": without}, "one").con, schema.CHANGES)
    again = measure.read_json(watch.take({"a.csv": without}, "one").con, schema.CHANGES)
    assert again == first
    assert len(watch.registry.schema_versions()) == 2


def test_three_logs_that_reach_further_back_than_they_are_kept_are_a_lead(watch: Watch) -> None:
    def long(number: int) -> Record:
        return {**graph(number), "createdDateTime": f"2026-{1 + number % 3:02}-{1 + number % 28:02}T08:00:00Z"}

    for _ in range(3):
        watch.take({"a.json": as_json(rows(long, 80))})
    assert [(str(one.kind), str(one.severity)) for one in watch.told] == [("RETENTION", "INFO")]


@pytest.mark.parametrize("name", ["Request ID", "Date (UTC)"])
def test_a_header_that_is_not_recognised_any_more_is_told_by_what_it_lacks(watch: Watch, name: str) -> None:
    watch.take({"a.csv": as_csv(rows(portal))})
    taken = watch.take({"a.csv": as_csv(changed(rows(portal), drop(name)))})
    assert taken.file("a.csv")["status"] == "UNRECOGNISED"
    assert watch.kinds == {("FIELD_GONE", "WARNING", name, "")}
    assert not taken.passed("schema_as_known")


def test_a_table_of_another_kind_is_no_change(watch: Watch) -> None:
    watch.take({"a.csv": as_csv(rows(portal))})
    watch.take(
        {"a.csv": as_csv(rows(portal)), "b.csv": "Invoice,Amount,Currency,Date,Customer,Paid,Note\n1,2,3,4,5,6,7\n"}
    )
    assert watch.told == []


# From the case document to the mail


def judged(folder: Path, registry: Registry, name: str, records: Iterable[Record]) -> list[str]:
    """The schema alerts of a case that was run through every stage."""
    (folder / name).mkdir()
    (folder / name / "a.csv").write_text(as_csv(records), encoding="utf-8")
    found = run_folder(folder / name, registry)
    raised = alerts.raise_for_document(registry, found.document, NOW)
    return [alert["message"] for alert in raised if alert["rule"] == "schema_change"]


def test_a_change_is_mailed_once_whatever_cases_show_it(registry: Registry, tmp_path: Path) -> None:
    def strange(record: Record) -> None:
        drop("Client app")(record)
        record["Status"] = "Sucess" if record["Request ID"] == rows(portal)[1]["Request ID"] else record["Status"]

    assert judged(tmp_path, registry, "one", rows(portal)) == []
    (message,) = judged(tmp_path, registry, "two", changed(rows(portal), strange))
    assert message.startswith("Schema change in sign_in_logs: 'Client app' of portal_signin_csv (v1.0) is gone")
    assert judged(tmp_path, registry, "three", changed(rows(portal), strange)) == []
    words = [one for one in registry.schema_changes() if one.kind == "ENUM_VALUE_NEW"]
    assert [(one.before, one.after, str(one.severity)) for one in words] == [("status", "Sucess", "WARNING")]
