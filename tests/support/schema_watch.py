"""Small exports of a few kinds, and one registry that several cases are taken in with, one a day."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from m365dq_dagster.adapters.registry import Registry, SchemaChangeRecord
from tests.support.case_runs import shipped_pack
from tests.support.intake_case import NOW, Taken, take_in

Record = dict[str, Any]
START = datetime(2026, 1, 5, 8)
CODES = (0, 0, 0, 0, 50126, 50053, 50074, 50140)
ENDINGS = {0: "Success", 50126: "Failure", 50053: "Failure", 50074: "Interrupted", 50140: "Interrupted"}
POLICIES = ("success", "notApplied", "failure", "success")


def at(number: int) -> str:
    return f"{(START + timedelta(minutes=37 * number)).isoformat()}Z"


def guid(number: int, kind: int = 0) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def graph(number: int) -> Record:
    """A sign-in as the beta interface writes it."""
    return {
        "id": guid(number, 1),
        "createdDateTime": at(number),
        "userPrincipalName": f"user{number % 30}@contoso.example",
        "userDisplayName": f"User {number % 30}",
        "userId": guid(number % 30, 2),
        "appDisplayName": "Office",
        "appId": guid(3, 3),
        "ipAddress": f"203.0.113.{number % 200}",
        "clientAppUsed": "Browser",
        "conditionalAccessStatus": POLICIES[number % 4],
        "correlationId": guid(number, 4),
        "isInteractive": True,
        "userAgent": "Mozilla/5.0",
        "riskEventTypes": [["unfamiliarFeatures"], ["anonymizedIPAddress"], []][number % 3],
        "mfaDetail": {"authMethod": "PhoneAppNotification", "authDetail": None},
        "authenticationDetails": [{"authenticationMethod": "Password", "succeeded": True}],
        "status": {"errorCode": CODES[number % 8], "failureReason": "Other.", "additionalDetails": None},
        "location": {"city": "Sydney", "countryOrRegion": "AU"},
    }


def portal(number: int) -> Record:
    """A sign-in as the portal writes it."""
    code = CODES[number % 8]
    return {
        "Date (UTC)": at(number),
        "Request ID": guid(number, 1),
        "Correlation ID": guid(number, 4),
        "User ID": guid(number % 30, 2),
        "User": f"User {number % 30}",
        "Username": f"user{number % 30}@contoso.example",
        "Application": "Office",
        "Application ID ": guid(3, 3),
        "IP address": f"203.0.113.{number % 200}",
        "Location": "Sydney, New South Wales, AU",
        "Status": ENDINGS[code],
        "Sign-in error code": code,
        "Failure reason": "Other.",
        "Client app": "Browser",
        "Conditional Access": ("Success", "Not Applied", "Failure", "Success")[number % 4],
        "Authentication requirement": "Single-factor authentication",
        "Token issuer type": "Azure AD",
        "Flagged for review": "No",
    }


def logon(number: int, record_type: int = 15) -> Record:
    """A logon of the unified audit log."""
    code = CODES[number % 8]
    return {
        "CreationTime": at(number).rstrip("Z"),
        "Id": guid(number, 5),
        "Operation": "UserLoginFailed" if code else "UserLoggedIn",
        "OrganizationId": guid(1, 9),
        "RecordType": record_type,
        "ResultStatus": "Success",
        "UserKey": guid(number % 30, 2),
        "UserType": 0,
        "Workload": "AzureActiveDirectory",
        "ClientIP": f"203.0.113.{number % 200}",
        "UserId": f"user{number % 30}@contoso.example",
        "ErrorNumber": str(code),
        "LogonError": "InvalidUserNameOrPassword" if code else "",
    }


def admin(number: int) -> Record:
    """A cmdlet of the compliance centre."""
    return {
        "CreationTime": at(number).rstrip("Z"),
        "Id": guid(number, 6),
        "Operation": "Set-Mailbox",
        "OrganizationId": guid(1, 9),
        "RecordType": 18,
        "ResultStatus": "Success",
        "UserType": 2,
        "Workload": "SecurityComplianceCenter",
        "UserId": "admin@contoso.example",
        "ClientIP": "203.0.113.1",
        "EffectiveOrganization": "contoso.example",
        "NonPiiParameters": '-Identity "1"',
    }


def of_file(number: int, operation: str = "FileAccessed", tenant: int = 1) -> Record:
    """What somebody did to a file."""
    return {
        "CreationTime": at(number).rstrip("Z"),
        "Id": guid(number, 7),
        "Operation": operation,
        "OrganizationId": guid(tenant, 9),
        "RecordType": 6,
        "UserType": 0,
        "Workload": "SharePoint",
        "ClientIP": "203.0.113.1",
        "UserId": f"user{number % 30}@contoso.example",
        "ObjectId": f"https://contoso.example/{number}",
    }


def risk(number: int) -> Record:
    """A risk detection as Microsoft Graph gives it."""
    kinds = ("unfamiliarFeatures", "impossibleTravel", "anonymizedIPAddress", "unfamiliarFeatures")
    return {
        "id": guid(number, 8),
        "requestId": guid(number, 1),
        "correlationId": guid(number, 4),
        "riskEventType": kinds[number % 4],
        "riskState": "atRisk",
        "riskLevel": "low",
        "source": "IdentityProtection",
        "detectionTimingType": "realtime",
        "activity": "signin",
        "ipAddress": f"203.0.113.{number % 200}",
        "activityDateTime": at(number),
        "detectedDateTime": at(number),
        "lastUpdatedDateTime": at(number),
        "userId": guid(number % 30, 2),
        "userDisplayName": f"User {number % 30}",
        "userPrincipalName": f"user{number % 30}@contoso.example",
    }


def trace(number: int) -> Record:
    """A message as Get-MessageTrace returns it."""
    return {
        "PSComputerName": "outlook.office365.com",
        "RunspaceId": guid(1, 1),
        "PSShowComputerName": "False",
        "Organization": "contoso.example",
        "MessageId": f"<{number}@contoso.example>",
        "Received": at(number),
        "SenderAddress": f"user{number % 30}@contoso.example",
        "RecipientAddress": "bob@contoso.example",
        "Subject": f"Minutes {number}",
        "Status": "Delivered",
        "ToIP": "203.0.113.9",
        "FromIP": "203.0.113.8",
        "Size": 1000 + number,
        "MessageTraceId": guid(number, 2),
        "StartDate": at(0),
        "EndDate": at(0),
        "Index": number,
    }


def rows(make: Callable[[int], Record], count: int = 60) -> list[Record]:
    return [make(number) for number in range(count)]


def changed(records: Iterable[Record], change: Callable[[Record], object]) -> list[Record]:
    """The records after something was done to each of them."""
    found = [json.loads(json.dumps(one)) for one in records]
    for one in found:
        change(one)
    return found


def drop(*path: str) -> Callable[[Record], object]:
    """Take a name out."""
    return lambda record: _holder(record, path).pop(path[-1], None)


def rename(old: str, new: str, *above: str) -> Callable[[Record], None]:
    """Call a name otherwise; it keeps its place, as columns do."""

    def act(record: Record) -> None:
        holder = _holder(record, (*above, old))
        items = [(new if name == old else name, value) for name, value in holder.items()]
        holder.clear()
        holder.update(items)

    return act


def _holder(record: Record, path: Sequence[str]) -> Record:
    for name in path[:-1]:
        record = record[name]
    return record


def as_json(records: Iterable[Record]) -> str:
    return json.dumps(list(records))


def as_lines(records: Iterable[Record]) -> str:
    return "\n".join(map(json.dumps, records)) + "\n"


def as_csv(records: Iterable[Record]) -> str:
    found = list(records)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()


def as_audit_csv(records: Iterable[Record]) -> str:
    """The records as Search-UnifiedAuditLog writes them."""
    found = list(records)
    return as_csv(
        {
            "RecordType": one["RecordType"],
            "CreationDate": one["CreationTime"],
            "UserIds": one["UserId"],
            "Operations": one["Operation"],
            "AuditData": json.dumps(one),
            "ResultIndex": number,
            "ResultCount": len(found),
            "Identity": one["Id"],
            "IsValid": True,
            "ObjectState": "Unchanged",
        }
        for number, one in enumerate(found, 1)
    )


@dataclass
class Watch:
    """Cases that are taken in one after another, a day apart, with one registry."""

    registry: Registry
    folder: Path
    days: int = 0
    told: list[SchemaChangeRecord] = field(default_factory=list)

    def take(self, files: Mapping[str, str], case_id: str | None = None) -> Taken:
        """Take files in as a case; what is new among the changes is then in `told`."""
        self.days += 1
        name = case_id or f"case-{self.days}"
        place = self.folder / f"{name}-{self.days}"
        for path, text in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text, encoding="utf-8")
        return self.take_folder(place, name)

    def take_folder(self, place: Path, name: str) -> Taken:
        now = NOW + timedelta(days=self.days)
        before = {one.change_id for one in self.registry.schema_changes()}
        self.registry.register_case(name, str(place), {}, now)
        taken = take_in(place, registry=self.registry, case_id=name, pack=shipped_pack(), now=now)
        self.told = [one for one in reversed(self.registry.schema_changes()) if one.change_id not in before]
        return taken

    @property
    def kinds(self) -> set[tuple[str, str, str, str]]:
        """Kind, severity and both names of what the last case showed."""
        return {(str(one.kind), str(one.severity), one.before, one.after) for one in self.told}

    @property
    def alarms(self) -> list[SchemaChangeRecord]:
        """What of all changes would be mailed."""
        return [one for one in self.registry.schema_changes() if one.severity != "INFO"]
