"""One act is read the same from every export that can hold it, taken in from its own file."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from m365dq_dagster.core.context import CaseContext
from m365dq_dagster.stages import indicators
from m365dq_dagster.stages.case_run import CaseRun
from tests.support.case_runs import CASE, NOW, Listener, judged, lean_pack
from tests.support.intake_case import FixedClock, take_in

RULE = [{"Name": "Name", "Value": ".."}, {"Name": "ForwardTo", "Value": "x@example.org"}]
ROLE = [{"Name": "Role.DisplayName", "NewValue": "Global Administrator", "OldValue": ""}]
BASE = {"CreationTime": "2025-03-01T09:15:00", "OrganizationId": "o1", "UserKey": "k1", "UserId": "ann@contoso.example"}


def record(number: int, operation: str, **more: Any) -> dict[str, Any]:
    kind = 8 if "ModifiedProperties" in more else 1
    return {**BASE, "Id": f"e{number}", "Operation": operation, "RecordType": kind, "Workload": "Exchange", **more}


def rule_of(number: int) -> dict[str, Any]:
    return record(
        number, "New-InboxRule", ResultStatus="True", UserType=2, Parameters=RULE, ClientIP="203.0.113.7:4711"
    )


def quoted(cell: object) -> str:
    return '"' + str(cell).replace('"', '""') + '"'


def table(*rows: dict[str, object]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(quoted(cell) for cell in row.values()) for row in rows)])


def management(number: int) -> str:
    return json.dumps([rule_of(number)])


def purview(number: int) -> str:
    body = rule_of(number)
    return table(
        {
            "RecordId": body["Id"],
            "CreationDate": "2025-03-01T09:15:00.0000000Z ",
            "RecordType": 1,
            "Operation": body["Operation"],
            "UserId": body["UserId"],
            "AuditData": json.dumps(body),
            "AssociatedAdminUnits": "",
            "AssociatedAdminUnitsNames": "",
        }
    )


def search(number: int) -> str:
    body = rule_of(number)
    return table(
        {
            "RunspaceId": "r",
            "RecordType": "ExchangeAdmin",
            "CreationDate": "3/14/2025 9:15:00 AM",
            "UserIds": body["UserId"],
            "Operations": body["Operation"],
            "AuditData": json.dumps(body),
            "ResultIndex": 1,
            "ResultCount": 1,
            "Identity": body["Id"],
            "IsValid": "True",
            "ObjectState": "Unchanged",
        }
    )


def graph(number: int) -> str:
    body = rule_of(number)
    wrapper = {
        "id": body["Id"],
        "createdDateTime": "2025-03-01T09:15:00Z",
        "auditLogRecordType": "exchangeAdmin",
        "operation": body["Operation"],
        "organizationId": "o1",
        "userType": "Admin",
        "userId": "k1",
        "service": "Exchange",
        "objectId": "rule",
        "userPrincipalName": body["UserId"],
        "clientIp": "203.0.113.7",
        "administrativeUnits": [""],
        "auditData": body,
    }
    return json.dumps([wrapper])


def sentinel(number: int) -> str:
    return table(
        {
            "RecordType": "ExchangeAdmin",
            "TimeGenerated [UTC]": "3/14/2025, 9:15:00.000 AM",
            "Operation": "New-InboxRule",
            "OrganizationId": "o1",
            "UserType": "Admin",
            "UserKey": "k1",
            "OfficeWorkload": "Exchange",
            "ResultStatus": "TRUE",
            "OfficeObjectId": "rule",
            "UserId": BASE["UserId"],
            "ClientIP": "203.0.113.7:4711",
            "Parameters": json.dumps(RULE, indent=2),
            "OfficeId": f"e{number}",
            "SourceRecordId": f"e{number}",
            "Type": "OfficeActivity",
        }
    )


def defender(number: int) -> str:
    return json.dumps(
        {
            "Timestamp": "2025-03-14T13:32:07Z",
            "ActionType": "New-InboxRule",
            "Application": "Microsoft Exchange Online",
            "ApplicationId": 20893,
            "AccountObjectId": "b1",
            "AccountDisplayName": "Ann",
            "IPAddress": "203.0.113.7",
            "CountryCode": "AU",
            "ReportId": f"r{number}",
            "RawEventData": rule_of(number),
        }
    )


EXPORTS = {
    "management.json": management,
    "Purview.csv": purview,
    "UAL.csv": search,
    "1-case-UnifiedAuditLog.json": graph,
    "OfficeActivity.csv": sentinel,
    "CloudAppEvents.json": defender,
}


def read(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    taken = take_in(folder)
    con: duckdb.DuckDBPyConnection = taken.con
    run = CaseRun(CASE, "g1", folder, folder, CaseContext(), lean_pack(), con, Listener(), FixedClock(NOW))
    found = judged(run)
    return {(one["log_type"], one["operation"]): one for one in found["indicators"]}


def test_a_rule_that_forwards_outside_is_told_from_every_export(tmp_path: Path) -> None:
    for number, (name, write) in enumerate(EXPORTS.items()):
        (tmp_path / name).write_text(write(number), encoding="utf-8")
    one = read(tmp_path)["unified_audit_log", "New-InboxRule"]
    assert (one["rows"], one["detail"]) == (len(EXPORTS), {"forwards outside": len(EXPORTS)})
    assert (one["accounts"], one["addresses"]) == (["ann@contoso.example"], ["203.0.113.7"])
    assert {line["file"] for line in one["evidence"]} < set(EXPORTS)


def test_a_role_is_read_from_the_changed_properties_of_either_audit_log(tmp_path: Path) -> None:
    changed = [{"displayName": "Role.DisplayName", "oldValue": None, "newValue": '"Global Administrator"'}]
    target = {"id": "t1", "type": "User", "userPrincipalName": "bob@contoso.example", "modifiedProperties": changed}
    directory = {
        "id": "d1",
        "category": "RoleManagement",
        "result": "success",
        "activityDisplayName": "Add member to role",
        "activityDateTime": "2025-03-01T09:15:00Z",
        "loggedByService": "Core Directory",
        "operationType": "Assign",
        "initiatedBy": {"user": {"id": "u1", "userPrincipalName": "ann@contoso.example", "ipAddress": "203.0.113.7"}},
        "targetResources": [target],
    }
    (tmp_path / "graph.json").write_text(json.dumps({"value": [directory]}), encoding="utf-8")
    portal = {
        "Date (UTC)": "2025-03-01T09:20:00Z",
        "CorrelationId": "c1",
        "Service": "Core Directory",
        "Category": "RoleManagement",
        "Activity": "Add member to role",
        "Result": "success",
        "ActorType": "User",
        "ActorUserPrincipalName": "ann@contoso.example",
        "IPAddress": "203.0.113.7",
        "Target1Type": "User",
        "Target1UserPrincipalName": "bob@contoso.example",
        "Target1ModifiedProperty1Name": "Role.DisplayName",
        "Target1ModifiedProperty1NewValue": '"Global Administrator"',
    }
    (tmp_path / "AuditLogs.csv").write_text(table(portal), encoding="utf-8")
    unified = record(1, "Add member to role.", ModifiedProperties=ROLE, ResultStatus="Success", UserType=0)
    (tmp_path / "ual.json").write_text(json.dumps([unified]), encoding="utf-8")
    found = read(tmp_path)
    assert found["entra_audit_logs", "Add member to role"]["detail"] == {"gives a privileged role": 2}
    assert found["unified_audit_log", "Add member to role."]["detail"] == {"gives a privileged role": 1}


REAL = Path(__file__).parents[4] / "shared" / "cases"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real public evidence is not beside this checkout")
def test_the_real_office_activity_holds_rules_that_delete_and_hide(tmp_path: Path) -> None:
    found = read(REAL / "office-activity")
    rules = found["unified_audit_log", "New-InboxRule"]
    assert rules["rows"] == sum(rules["detail"].values()) == 3
    assert rules["detail"]["deletes messages"] == 1
    secrets = found["entra_audit_logs", "Update application – Certificates and secrets management"]
    assert (secrets["rows"], secrets["detail"]) == (5, {"adds a secret or certificate": 5})


def test_the_verifiers_are_named_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "indicators.md").read_text(encoding="utf-8")
    assert [one.log_type for one in indicators.VERIFIERS if f"`{one.log_type}`" not in page] == []
