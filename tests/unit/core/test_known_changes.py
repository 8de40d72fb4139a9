from datetime import date

import pytest

from m365dq_dagster.core.completeness import VendorChange
from m365dq_dagster.core.known_changes import as_known, known_as
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange

ROWS = (
    VendorChange(
        "C1",
        date(2024, 9, 15),
        None,
        "cmdlet_retired",
        "Exchange Online",
        "Search-AdminAuditLog",
        "Other",
        "",
        "",
        (),
        (),
        "",
    ),
    VendorChange(
        "C2",
        None,
        None,
        "property_moved",
        "audit log",
        "Extended.TargetProperties",
        "ModifiedProperties",
        "",
        "",
        (),
        (),
        "",
    ),
    VendorChange(
        "C3",
        date(2024, 9, 2),
        date(2024, 9, 19),
        "vendor_log_gap",
        "Entra",
        "complete",
        "partly missing",
        "",
        "",
        (),
        (),
        "",
    ),
    VendorChange(
        "C4",
        None,
        None,
        "vendor_log_gap",
        "sign-in log",
        "four published ways around logging until 2025",
        "fixed",
        "",
        "",
        (),
        (),
        "",
    ),
    VendorChange("C5", date(2023, 10, 17), None, "retention", "Purview", "90 days", "180 days", "", "", (), (), ""),
    VendorChange("C6", None, None, "rename", "product", "Azure", "Entra", "", "", (), (), ""),
)


def change(kind: ChangeKind, before: str, after: str = "", day: date | None = None, detail: str = "") -> SchemaChange:
    return SchemaChange(kind, Severity.WARNING, "", "a page", before, after, day, detail, "page")


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (change(ChangeKind.RETIREMENT, "Search-AdminAuditLog, New-Thing", day=date(2024, 9, 1)), "C1"),
        (change(ChangeKind.RETIREMENT, "Search-AdminAuditLog"), "C1"),
        (change(ChangeKind.RETIREMENT, "Search-AdminAuditLog", day=date(2025, 9, 1)), None),
        (change(ChangeKind.SEMANTICS, "Search-AdminAuditLog"), None),
        (change(ChangeKind.RETIREMENT, "Search-Other"), None),
        (change(ChangeKind.FIELD_MOVED, "TargetProperties", "ModifiedProperties"), "C2"),
        (change(ChangeKind.FIELD_MOVED, "TargetProperties", "ElsewhereStored"), None),
        (change(ChangeKind.FIELD_MOVED, "ModifiedProperties", ""), None),
        (change(ChangeKind.FIELD_GONE, "", "11"), None),
        (change(ChangeKind.FIELD_GONE, "", "ModifiedProperties"), "C2"),
        (change(ChangeKind.LOG_GAP, "log", day=date(2024, 10, 1)), "C3"),
        (change(ChangeKind.LOG_GAP, "log", day=date(2025, 10, 1)), None),
        (change(ChangeKind.LOG_GAP, "log", detail="Four published ways around logging until 2025"), "C4"),
        (change(ChangeKind.LOG_GAP, "log", detail="Another way around the log"), None),
        (change(ChangeKind.RETENTION, "90 days", "180 days"), "C5"),
        (change(ChangeKind.RETENTION, "", "180 days"), "C5"),
        (change(ChangeKind.RETENTION, "180 days", "365 days"), None),
        (change(ChangeKind.TEXT_ONLY, "Azure", "Entra"), None),
    ],
)
def test_a_change_is_known_by_its_kind_its_names_and_its_day(found: SchemaChange, known: str | None) -> None:
    assert known_as(found, ROWS) == known


def test_a_known_change_says_so_and_no_longer_alarms() -> None:
    found = change(ChangeKind.RETIREMENT, "Search-AdminAuditLog", detail="It ends.")
    told = as_known(found, ROWS)

    assert told.severity is Severity.INFO
    assert told.detail == "It ends. Known as C1."
    assert not told.is_told
    assert as_known(found, ()) == found
