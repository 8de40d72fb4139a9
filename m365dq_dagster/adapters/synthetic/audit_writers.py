"""The unified audit log and the legacy authentication log as their exports lay them out.

Rows are streamed. The record type stands as a name in the outer column of a Search-UnifiedAuditLog export and as a
number in the payload; the compliance portal writes the number in both places.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from .events import AuditRecord, LegacyAttempt
from .tenant import TENANT_ID
from .text_dates import american, seven_decimals
from .vocabulary import WORDING, Shape

UAL_COLUMNS = (
    "CreationDate",
    "RecordType",
    "UserIds",
    "Operations",
    "AuditData",
    "ResultIndex",
    "ResultCount",
    "Identity",
    "IsValid",
    "ObjectState",
)
PURVIEW_COLUMNS = (
    "RecordId",
    "CreationDate",
    "RecordType",
    "Operation",
    "UserId",
    "AuditData",
    "AssociatedAdminUnits",
    "AssociatedAdminUnitsNames",
)
LEGACY_COLUMNS = (
    "CreatedDateTime",
    "UserPrincipalName",
    "UserDisplayName",
    "ClientAppUsed",
    "AppDisplayName",
    "IPAddress",
    "City",
    "Country",
    "Status",
    "FailureReason",
    "ConditionalAccessStatus",
)
RECORD_TYPE_NAMES = {
    1: "ExchangeAdmin",
    2: "ExchangeItem",
    3: "ExchangeItemGroup",
    4: "SharePoint",
    6: "SharePointFileOperation",
    8: "AzureActiveDirectory",
    15: "AzureActiveDirectoryStsLogon",
    25: "MicrosoftTeams",
    50: "ExchangeItemAggregated",
}
SESSION_ROWS = 40_000
"""Rows of one search session; a session returns fewer than 50,000 and numbers its rows from 1."""


def write_audit_log(path: Path, records: Iterable[AuditRecord], count: int, shape: Shape) -> None:
    """Writes ``count`` records. ``count`` is needed beforehand: each row states how many rows its session returned."""
    if shape is Shape.UAL_CSV:
        _write(path, UAL_COLUMNS, _search_rows(records, count))
    else:
        _write(path, PURVIEW_COLUMNS, (_purview_row(record) for record in records))


def write_legacy_log(path: Path, attempts: Iterable[LegacyAttempt]) -> None:
    """Writes legacy attempts; the policy column exists and is blank, as it is by design for these protocols."""
    _write(path, LEGACY_COLUMNS, (_legacy_row(attempt) for attempt in attempts))


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(columns)
        writer.writerows(rows)


def payload(record: AuditRecord) -> str:
    """The AuditData cell: the common keys, then those of the record type, as compact JSON."""
    common: dict[str, object] = {
        "CreationTime": record.time.isoformat(),
        "Id": record.record_id,
        "Operation": record.operation,
        "OrganizationId": TENANT_ID,
        "RecordType": record.record_type,
        "UserKey": record.user_key,
        "UserType": record.user_type,
        "Version": 1,
        "Workload": record.workload,
        "UserId": record.account,
    }
    return json.dumps({**common, **record.details}, separators=(",", ":"), ensure_ascii=False)


def _search_rows(records: Iterable[AuditRecord], count: int) -> Iterator[tuple[object, ...]]:
    for number, record in enumerate(records):
        session, index = divmod(number, SESSION_ROWS)
        yield (
            american(record.time),
            RECORD_TYPE_NAMES[record.record_type],
            record.account,
            record.operation,
            payload(record),
            index + 1,
            min(SESSION_ROWS, count - session * SESSION_ROWS),
            record.record_id,
            "True",
            "Unchanged",
        )


def _purview_row(record: AuditRecord) -> tuple[object, ...]:
    return (
        record.record_id,
        seven_decimals(record.time),
        record.record_type,
        record.operation,
        record.account,
        payload(record),
        "",
        "",
    )


def _legacy_row(attempt: LegacyAttempt) -> tuple[object, ...]:
    words = WORDING[attempt.deed]
    return (
        american(attempt.time),
        attempt.account,
        attempt.name,
        attempt.client,
        "Office 365 Exchange Online",
        attempt.address,
        attempt.place.city,
        attempt.place.country,
        words.code,
        words.reason,
        "",
    )
