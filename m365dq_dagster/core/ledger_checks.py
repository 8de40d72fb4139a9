"""The four checks on what came in, from the ledger's numbers. The numbers are counted in `stages.intake`; what a row or
file is, `ledger` says."""

from __future__ import annotations

from m365dq_dagster.core.checks import CheckResult, remark
from m365dq_dagster.core.ledger import FileCounts, quarantine_share
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.outcome import Severity

STAGE = "intake"
RUNBOOK = "docs/runbooks/quality-check-failure.md"


def checks(
    counts: tuple[FileCounts, ...],
    found: int,
    reasons: tuple[dict[str, object], ...],
    leads: tuple[dict[str, object], ...],
    share_allowed: float,
) -> tuple[CheckResult, ...]:
    """The four checks on what came in, from the ledger's numbers; `share_allowed` is the policy's share of
    quarantined rows."""
    return (
        _balance(counts),
        _recognised(counts, found),
        _quarantined(counts, reasons, share_allowed),
        _leads(leads),
    )


def _balance(counts: tuple[FileCounts, ...]) -> CheckResult:
    wrong = [file for file in counts if not file.balances]
    rows = sum(file.read for file in counts)
    headline = (
        f"{wrong[0].path}: {wrong[0].read:,} rows read are not {wrong[0].imported:,} imported + "
        f"{wrong[0].duplicate:,} duplicate +"
        f" {wrong[0].quarantined:,} quarantined; this is a fault of the program, report it and do not use the verdict."
        if wrong
        else f"Every one of {rows:,} rows of {len(counts)} files is imported, a duplicate or in quarantine."
    )
    table = tuple(_counts(file) for file in wrong[:20])
    return CheckResult(
        "ledger_balances",
        STAGE,
        not wrong,
        True,
        Severity.CRITICAL if wrong else Severity.INFO,
        headline,
        RUNBOOK,
        table,
        "LEDGER_BROKEN" if wrong else "",
    )


def _counts(file: FileCounts) -> dict[str, object]:
    return {
        "file": file.path,
        "read": file.read,
        "imported": file.imported,
        "duplicate": file.duplicate,
        "quarantined": file.quarantined,
    }


def _recognised(counts: tuple[FileCounts, ...], found: int) -> CheckResult:
    passed = any(file.imported for file in counts)
    headline = (
        f"{len(counts)} of {found} files hold known logs, {sum(file.imported for file in counts):,} events."
        if passed
        else f"No file of the folder holds a row of a known log ({plural(found, 'file')} looked at); see why with "
        "each file, and export the logs as CSV or JSON."
    )
    return CheckResult(
        "recognised_evidence",
        STAGE,
        passed,
        True,
        Severity.INFO if passed else Severity.CRITICAL,
        headline,
        RUNBOOK,
        (),
        "" if passed else "NO_RECOGNISED_EVIDENCE",
    )


def _quarantined(counts: tuple[FileCounts, ...], reasons: tuple[dict[str, object], ...], allowed: float) -> CheckResult:
    share = quarantine_share(counts)
    rows = sum(file.quarantined for file in counts)
    passed = share <= allowed
    headline = (
        f"{rows:,} rows ({share:.1%}) could not be read; at most {allowed:.0%} may be."
        if rows
        else "Every row could be read."
    )
    if not passed:
        headline += " Export the named files again, then run the case again."
    return CheckResult(
        "quarantine_share",
        STAGE,
        passed,
        True,
        Severity.CRITICAL if not passed else Severity.WARNING if rows else Severity.INFO,
        headline,
        RUNBOOK,
        reasons,
        "" if passed else "TOO_MUCH_QUARANTINED",
    )


def _leads(leads: tuple[dict[str, object], ...]) -> CheckResult:
    headline = (
        f"{plural(len(leads), 'lead')} that something is missing from the evidence: {leads[0]['detail']}."
        if leads
        else "Nothing speaks for missing evidence."
    )
    return remark("completeness_leads", STAGE, headline, RUNBOOK, "INCOMPLETE" if leads else "", leads[:20])
