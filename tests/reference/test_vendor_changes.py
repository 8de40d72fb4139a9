"""Every change that the vendor is known to have made, as a pair of documents before and after it: found with its
kind and severity, or silent where it must be; and told as known where the list of known changes holds it.

Rows that no document shows, or not alone, are named in `SEEN_IN_EVIDENCE` with the test that shows them.
"""

import csv
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.core.known_changes import known_as
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange
from m365dq_dagster.core.vendor_diff import Comparison, compare, previous
from m365dq_dagster.core.vendor_reads import Reads, Source
from m365dq_dagster.stages.vendor_documents import reads_of
from tests.support.vendor_pages import (
    activity_page,
    code_page,
    notes_page,
    read,
    resource_page,
    schema_page,
)

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
K = ChangeKind
QUIET = ("May 2020", "New feature", "General Availability - a nicer page for branding", "Colours can be chosen now.")
OTHER_OPERATIONS = {
    "FileAccessed": "A file was opened.",
    "FileUploaded": "A file was put there.",
    "Send": "Mail was sent.",
}
SIGN_IN = {
    "appDisplayName": "The name of the application.",
    "status": "The outcome of the sign-in with its error code.",
    "conditionalAccessStatus": "Possible values: success, failure, notApplied, or unknownFutureValue.",
    "riskState": "Possible values: none, atRisk, or unknownFutureValue.",
}


def note(month: str, title: str, text: str, kind: str = "Plan for change") -> str:
    """Release notes with one post of interest among others."""
    return notes_page([(month, kind, title, text), QUIET])


QUIET_NOTES = notes_page([QUIET])


@dataclass(frozen=True)
class Golden:
    """A known change as documents: `today` is the day of the second reading; `silent` ones give no change at all or
    only wording."""

    id: str
    before: str
    after: str
    kind: ChangeKind
    severity: Severity
    old: str = ""
    new: str = ""
    effective: str = ""
    today: str = "2026-11-21"
    log_type: str | None = None
    alarms: bool = True


GOLDEN = (
    Golden(
        "C01",
        activity_page({"MessageBind": "A message was opened.", **OTHER_OPERATIONS}),
        activity_page({"MailItemsAccessed": "Mail was read.", **OTHER_OPERATIONS}),
        K.OPERATION_VANISHED,
        WARNING,
        "MessageBind",
        log_type="unified_audit_log",
    ),
    Golden(
        "C02",
        resource_page("signIn", {**SIGN_IN, "riskEventTypes": "Kinds of risk."}, beta=True),
        resource_page("signIn", {**SIGN_IN, "riskEventTypes_v2": "Kinds of risk."}, beta=True),
        K.FIELD_RENAMED,
        WARNING,
        "riskEventTypes",
        "riskEventTypes_v2",
    ),
    Golden(
        "C03",
        QUIET_NOTES,
        note(
            "June 2020",
            "The property riskEventTypes will be retired on June 11, 2022",
            "The property riskEventTypes is replaced by riskEventTypes_v2 in the production interface.",
        ),
        K.FIELD_RENAMED,
        WARNING,
        "riskEventTypes",
        "riskEventTypes_v2",
        "2022-06-11",
        today="2022-05-01",
    ),
    Golden(
        "C04",
        schema_page(schemas={"STS logon schema": {"LogonError": "Why a logon failed.", "ErrorNumber": "The code."}}),
        schema_page(
            schemas={
                "STS logon schema": {
                    "LogonError": "Why a logon failed. Since November 2020 UserAccountNotFound is no longer filled in.",
                    "ErrorNumber": "The code.",
                }
            }
        ),
        K.SEMANTICS,
        WARNING,
        "LogonError",
        log_type="unified_audit_log",
    ),
    Golden(
        "C05",
        QUIET_NOTES,
        note(
            "January 2021",
            "Logon records of the unified audit log: ErrorCode gets another numbering on February 1, 2021",
            "From February 1, 2021 the field ErrorCode follows the numbering of AADSTS; the different numbering used "
            "until now will not be returned any more.",
        ),
        K.SEMANTICS,
        CRITICAL,
        "ErrorCode",
        effective="2021-02-01",
        today="2021-01-20",
        log_type="unified_audit_log",
    ),
    Golden(
        "C06",
        schema_page(schemas={"Directory schema": {"ExtendedProperties": "More properties.", "Actor": "Who did it."}}),
        schema_page(
            schemas={
                "Directory schema": {
                    "ExtendedProperties": "More properties. TargetUpdatedProperties has moved to ModifiedProperties.",
                    "Actor": "Who did it.",
                }
            }
        ),
        K.FIELD_MOVED,
        WARNING,
        "ExtendedProperties",
        log_type="unified_audit_log",
    ),
    Golden(
        "C07",
        QUIET_NOTES,
        note(
            "May 2022",
            "Basic authentication in Exchange Online will be turned off starting October 1, 2022",
            "IMAP, POP, EWS, ActiveSync, MAPI, RPC and PowerShell will need modern authentication.",
        ),
        K.RETIREMENT,
        WARNING,
        "basic authentication",
        "2022-10-01",
        "2022-10-01",
        "2022-05-02",
        "sign_in_logs",
    ),
    Golden(
        "C08",
        activity_page({"FileDeleted": "A file went to the recycle bin.", **OTHER_OPERATIONS}),
        activity_page({"FileRecycled": "A file went to the recycle bin.", **OTHER_OPERATIONS}),
        K.OPERATION_RENAMED,
        CRITICAL,
        "FileDeleted",
        "FileRecycled",
        log_type="unified_audit_log",
    ),
    Golden(
        "C09",
        QUIET_NOTES,
        note(
            "July 2023",
            "Changes to the number of rows that Search-UnifiedAuditLog returns",
            "From July 2023 a call returns about 120 rows unless a session command is given.",
            "Changed feature",
        ),
        K.SEMANTICS,
        WARNING,
        "Search-UnifiedAuditLog",
        effective="2023-07-01",
        log_type="unified_audit_log",
    ),
    Golden(
        "C10",
        "# Purview Audit\n\nAudit (Standard) rows are retained for 90 days. Audit (Premium) keeps one year.\n",
        "# Purview Audit\n\nAudit (Standard) rows are retained for 180 days. Audit (Premium) keeps one year.\n",
        K.RETENTION,
        WARNING,
        "90 days",
        "180 days",
        log_type="unified_audit_log",
    ),
    Golden(
        "C11",
        QUIET_NOTES,
        note(
            "March 2024",
            "MC736435 - A new switch for Search-UnifiedAuditLog",
            "On March 13, 2024 a new switch asks for high completeness instead of speed; great searches will "
            "return more rows with it.",
            "Stay informed",
        ),
        K.SEMANTICS,
        WARNING,
        "Search-UnifiedAuditLog",
        effective="2024-03-13",
        log_type="unified_audit_log",
    ),
    Golden(
        "C12",
        QUIET_NOTES,
        note(
            "May 2024",
            "More records for customers with E3 licences",
            "Starting June 2024 MailItemsAccessed, Send, SearchQueryInitiatedExchange and "
            "SearchQueryInitiatedSharePoint become available with an E3 license.",
            "Changed feature",
        ),
        K.LICENCE,
        WARNING,
        "MailItemsAccessed",
        effective="2024-06-01",
        log_type="unified_audit_log",
    ),
    Golden(
        "C13",
        QUIET_NOTES,
        note(
            "June 2024",
            "Retirement of Search-AdminAuditLog and New-AdminAuditLogSearch",
            "Both commands will be removed on September 15, 2024. Use Search-UnifiedAuditLog instead.",
        ),
        K.RETIREMENT,
        WARNING,
        "Search-AdminAuditLog, New-AdminAuditLogSearch",
        "2024-09-15",
        "2024-09-15",
        "2024-06-10",
        "unified_audit_log",
    ),
    Golden(
        "C14",
        QUIET_NOTES,
        note(
            "November 2024",
            "Search-MailboxAuditLog and New-MailboxAuditLogSearch will retire",
            "From March 1, 2025 the commands no longer work and mailbox audit logs get no rows.",
        ),
        K.RETIREMENT,
        WARNING,
        "Search-MailboxAuditLog, New-MailboxAuditLogSearch",
        "2025-03-01",
        "2025-03-01",
        "2024-11-20",
        "unified_audit_log",
    ),
    Golden(
        "C15",
        QUIET_NOTES,
        note(
            "June 2024",
            "Azure AD Graph retirement, first phase",
            "Starting September 1, 2024 Azure AD Graph is closed to new applications.",
            "Deprecated",
        ),
        K.RETIREMENT,
        WARNING,
        "Azure AD Graph",
        "2024-09-01",
        "2024-09-01",
        "2024-06-10",
    ),
    Golden(
        "C16",
        QUIET_NOTES,
        note(
            "January 2025",
            "Deprecated - Action required by February 1, 2025: Azure AD Graph retirement",
            "Applications that exist will be blocked unless an extension is configured.",
            "Deprecated",
        ),
        K.RETIREMENT,
        WARNING,
        "Azure AD Graph",
        "2025-02-01",
        "2025-02-01",
        "2025-01-10",
    ),
    Golden(
        "C17",
        QUIET_NOTES,
        note(
            "May 2025",
            "Azure AD Graph is retired for all on July 1, 2025",
            "Extensions end on that day.",
            "Deprecated",
        ),
        K.RETIREMENT,
        WARNING,
        "Azure AD Graph",
        "2025-07-01",
        "2025-07-01",
        "2025-05-10",
    ),
    Golden(
        "C18",
        QUIET_NOTES,
        note(
            "June 2025",
            "Retirement of Get-MessageTrace and Get-MessageTraceDetail",
            "They end on September 1, 2025. Use Get-MessageTraceV2 and Get-MessageTraceDetailV2; these reach 90 days.",
        ),
        K.RETIREMENT,
        WARNING,
        "Get-MessageTrace, Get-MessageTraceDetail",
        "2025-09-01",
        "2025-09-01",
        "2025-06-20",
        "message_trace",
    ),
    Golden(
        "C19",
        note(
            "April 2025",
            "MC786329 - Retirement of basic authentication for SMTP AUTH",
            "SMTP AUTH will reject basic authentication from March 1, 2026.",
        ),
        note(
            "January 2026",
            "MC786329 - (Updated) Retirement of basic authentication for SMTP AUTH",
            "Updated January 27, 2026: the day has moved. SMTP AUTH will be off by default from December 1, 2026.",
        ),
        K.RETIREMENT,
        WARNING,
        "SMTP AUTH with basic authentication",
        "2026-12-01",
        "2026-12-01",
        "2026-02-01",
        "sign_in_logs",
    ),
    Golden(
        "C20",
        resource_page("signIn", {**SIGN_IN, "mfaDetail": "How the second factor went."}, beta=True),
        resource_page(
            "signIn",
            {
                **SIGN_IN,
                "mfaDetail": "How the second factor went. This property is deprecated, use authenticationDetails.",
            },
            beta=True,
        ),
        K.FIELD_RENAMED,
        WARNING,
        "mfaDetail",
        "authenticationDetails",
    ),
    Golden(
        "C21",
        activity_page({"FileFetched": "A file was read.", "FileViewed": "A file was shown.", **OTHER_OPERATIONS}),
        activity_page(
            {
                "FileFetched": "Deprecated; use FileAccessed instead.",
                "FileViewed": "Deprecated; use FileAccessed instead.",
                **OTHER_OPERATIONS,
            }
        ),
        K.OPERATION_RENAMED,
        WARNING,
        "FileFetched",
        "FileAccessed",
        log_type="unified_audit_log",
    ),
    Golden(
        "C22",
        activity_page({"FileSyncDownloadedPartial": "Part of a file.", "FileSyncUploadedPartial": "Part of a file."}),
        activity_page(
            {
                "FileSyncDownloadedPartial": "This event is deprecated. See FileSyncDownloadedFull.",
                "FileSyncUploadedPartial": "This event is deprecated. See FileSyncUploadedFull.",
            }
        ),
        K.OPERATION_RENAMED,
        WARNING,
        "FileSyncDownloadedPartial",
        "FileSyncDownloadedFull",
        log_type="unified_audit_log",
    ),
    Golden(
        "C23",
        schema_page(
            {"9": ("AzureActiveDirectoryAccountLogon", "Logons."), "15": ("AzureActiveDirectoryStsLogon", "STS.")}
        ),
        schema_page(
            {
                "9": ("AzureActiveDirectoryAccountLogon", "Deprecated, use AzureActiveDirectoryStsLogon."),
                "15": ("AzureActiveDirectoryStsLogon", "STS."),
            }
        ),
        K.RECORD_TYPE_CHANGED,
        WARNING,
        "9 AzureActiveDirectoryAccountLogon",
        "AzureActiveDirectoryStsLogon",
        log_type="unified_audit_log",
    ),
    Golden(
        "C24",
        schema_page(
            schemas={"Compliance schema": {"NonPiiParameters": "Some.", "Parameters": "All.", "UserId": "Who."}}
        ),
        schema_page(
            schemas={
                "Compliance schema": {
                    "NonPiiParameters": "Some. Deprecated, use Parameters.",
                    "Parameters": "All.",
                    "UserId": "Who.",
                }
            }
        ),
        K.FIELD_RENAMED,
        WARNING,
        "NonPiiParameters",
        "Parameters",
        log_type="unified_audit_log",
    ),
    Golden(
        "C25",
        resource_page("riskDetection", {"riskState": "State."}, {"riskEventType": ["impossibleTravel", "newCountry"]}),
        resource_page(
            "riskDetection", {"riskState": "State."}, {"riskEventType": ["mcasImpossibleTravel", "newCountry"]}
        ),
        K.ENUM_VALUE_RENAMED,
        WARNING,
        "impossibleTravel",
        "mcasImpossibleTravel",
        log_type="risk_detections",
    ),
    Golden(
        "C26",
        schema_page(
            {"8": ("AzureActiveDirectory", "Azure Active Directory events."), "1": ("ExchangeAdmin", "Admin.")}
        ),
        schema_page({"8": ("AzureActiveDirectory", "Microsoft Entra ID events."), "1": ("ExchangeAdmin", "Admin.")}),
        K.TEXT_ONLY,
        INFO,
        "8 AzureActiveDirectory",
        alarms=False,
    ),
    Golden(
        "C27",
        code_page(
            {"530032": "Blocked by a policy of the tenant.", "50126": "Wrong password.", "50034": "No such user."}
        ),
        code_page(
            {"530032": "Blocked for risk in the home tenant.", "50126": "Wrong password.", "50034": "No such user."}
        ),
        K.TEXT_ONLY,
        INFO,
        "530032",
        alarms=False,
    ),
    Golden(
        "C28",
        schema_page(schemas={"STS logon schema": {"ErrorCode": "The code of a logon.", "LogonError": "Why."}}),
        schema_page(schemas={"STS logon schema": {"ErrorNumber": "The code of a logon.", "LogonError": "Why."}}),
        K.FIELD_RENAMED,
        INFO,
        "ErrorCode",
        "ErrorNumber",
        log_type="unified_audit_log",
        alarms=False,
    ),
    Golden(
        "C29",
        QUIET_NOTES,
        note(
            "March 2026",
            "Fixed: sign-ins that left no row in the Entra sign-in log",
            "Four published ways to sign in without a row in the sign-in log, reported 2023 to 2025, were fixed.",
            "Fixed",
        ),
        K.LOG_GAP,
        WARNING,
        "sign-in log",
        log_type="sign_in_logs",
    ),
    Golden(
        "C30",
        QUIET_NOTES,
        note(
            "October 2024",
            "Preliminary review of an incident: logs partly missing",
            "Between September 2, 2024 and September 19, 2024 an agent failed to send log data: Entra sign-in logs, "
            "Sentinel, Purview and Defender for Cloud are incomplete.",
            "Incident",
        ),
        K.LOG_GAP,
        WARNING,
        "sign-in log",
        effective="2024-09-02",
        log_type="sign_in_logs",
    ),
    Golden(
        "C31",
        QUIET_NOTES,
        note(
            "March 2023",
            "MO531859: wrong countries in the sign-in log",
            "On March 23, 2023 users around the world were shown with an incorrect location in Uzbekistan.",
            "Incident",
        ),
        K.DATA_ERROR,
        WARNING,
        "sign-in log",
        effective="2023-03-23",
        log_type="sign_in_logs",
    ),
)

SEEN_IN_EVIDENCE = {
    "C28": "the name in rows: tests/unit/stages/test_schema.py",
    "C29": "nothing at all: a row that was never written leaves no trace",
    "C31": "the places in rows: tests/unit/core/test_causes.py",
}
"""Rows of which the evidence shows more than any document."""


@pytest.fixture(scope="module")
def reads() -> Reads:
    return reads_of(load_rule_pack())


def compared(golden: Golden, reads: Reads) -> Comparison:
    old = read(golden.before)
    new = read(golden.after)
    return compare(new, previous(new, [old]), reads, Source("saved.html", date.fromisoformat(golden.today)))


def the_one(golden: Golden, comparison: Comparison) -> SchemaChange:
    found = [c for c in comparison.changes if c.kind is golden.kind and golden.old in c.before]
    assert found, comparison
    return found[0]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.id)
def test_a_known_change_is_found_in_the_vendors_documents_with_its_kind_and_severity(
    golden: Golden, reads: Reads
) -> None:
    comparison = compared(golden, replace(reads, known=()))
    change = the_one(golden, comparison)

    assert (change.kind, change.severity) == (golden.kind, golden.severity), change
    assert change.before.startswith(golden.old)
    assert golden.new in change.after
    if golden.effective:
        assert change.effective == date.fromisoformat(golden.effective)
    if golden.log_type is not None:
        assert change.log_type == golden.log_type
    assert change.is_told is golden.alarms
    told = [c for c in comparison.changes if c.is_told]
    assert len(told) <= 2, told
    assert not comparison.issues


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.id)
def test_a_change_that_the_pack_knows_is_told_under_its_id_and_raises_no_alarm(golden: Golden, reads: Reads) -> None:
    comparison = compared(golden, reads)
    change = the_one(golden, comparison)

    assert not any(c.is_told for c in comparison.changes), comparison.changes
    if golden.alarms:
        assert f"Known as {golden.id}." in change.detail


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.id)
def test_a_document_that_did_not_change_says_nothing(golden: Golden, reads: Reads) -> None:
    same = replace(golden, before=golden.after)
    assert compared(same, replace(reads, known=())).changes == ()


def test_every_row_of_the_known_changes_has_its_pair_of_documents(checkout: Path) -> None:
    with (checkout / "reference_data" / "vendor_changes.csv").open(encoding="utf-8", newline="") as handle:
        ids = [row["id"] for row in csv.DictReader(handle)]
    assert [golden.id for golden in GOLDEN] == ids


def test_the_tests_that_show_what_only_evidence_shows_are_there(checkout: Path) -> None:
    named = [words.rpartition(": ")[2] for words in SEEN_IN_EVIDENCE.values() if words.endswith(".py")]
    assert [path for path in named if not (checkout / path).is_file()] == []


def test_a_deadline_that_moves_again_alarms_although_the_retirement_is_known(reads: Reads) -> None:
    first = next(golden for golden in GOLDEN if golden.id == "C19")
    later = replace(
        first,
        before=first.after,
        after=note(
            "June 2026",
            "MC786329 - (Updated) Retirement of basic authentication for SMTP AUTH",
            "Updated June 3, 2026: the day has moved once more. The last day is in the second half of 2027.",
        ),
        today="2026-06-05",
    )
    (change,) = [c for c in compared(later, reads).changes if c.is_told]

    assert change.kind is K.RETIREMENT
    assert change.effective == date(2027, 7, 1)
    assert "2026-12-01" in change.detail
    assert known_as(change, reads.known) is None
