"""What each asset shows of its report: counts first, then one short table. Checks and sentences stand in `shown`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from m365dq_dagster.core import maintenance_page
from m365dq_dagster.core.outcome import AccountVerdict
from m365dq_dagster.core.profile import Witness
from m365dq_dagster.defs.shown import sentence, table

if TYPE_CHECKING:
    from m365dq_dagster.adapters.registry import StatusCode
    from m365dq_dagster.core.metrics import Dashboard
    from m365dq_dagster.stages.intake import IntakeReport
    from m365dq_dagster.stages.maintenance import Cycle
    from m365dq_dagster.stages.quality import QualityReport
    from m365dq_dagster.stages.reliability import ReliabilityReport
    from m365dq_dagster.stages.report import ReportReport
    from m365dq_dagster.stages.verification import VerificationReport

Shown = dict[str, Any]
WORST_FIRST = list(AccountVerdict)


def intake(report: "IntakeReport") -> Shown:
    """The ledger's sums, and the events of each log type."""
    files = [
        {
            "file": file.path,
            "read": file.read,
            "imported": file.imported,
            "duplicate": file.duplicate,
            "quarantined": file.quarantined,
        }
        for file in report.files
    ]
    return {
        "dagster/row_count": report.rows_imported,
        "files found": report.files_found,
        "files recognised": report.files_recognised,
        "rows read": report.rows_read,
        "events by log type": table({"log type": str(k), "events": v} for k, v in report.rows_by_log_type.items()),
        "ledger": table(files),
    }


def quality(report: "QualityReport") -> Shown:
    """The fields that could say how sign-ins ended."""
    witnesses = [one for judged in report.fields.values() for one in judged if one.spec.witness is not Witness.NONE]
    return {
        "fields judged": sum(len(judged) for judged in report.fields.values()),
        "unknown codes": report.unknown_codes,
        "unknown values": report.unknown_values,
        "witnesses": table(
            {
                "log type": one.spec.log_type,
                "field": one.spec.field,
                "state": str(one.state),
                "may testify": "yes" if one.may_testify else "no",
                "why": one.reasons[0] if one.reasons else "",
            }
            for one in witnesses
        ),
    }


def reliability(report: "ReliabilityReport") -> Shown:
    """The field to judge each log type by."""
    return {
        "dagster/row_count": sum(len(judged) for judged in report.fields.values()),
        "recommended": table(
            {
                "log type": str(one.log_type),
                "field": one.field,
                "score": round(one.score, 3),
                "confidence": str(one.confidence),
                "instead of": ", ".join(one.instead_of),
            }
            for one in report.recommended
        ),
    }


def verification(report: "VerificationReport") -> Shown:
    """The verdict and the accounts it rests on, worst first."""
    accounts = sorted(report.accounts, key=lambda one: WORST_FIRST.index(one.verdict))
    return {
        "verdict": str(report.case.verdict),
        "confidence": str(report.case.confidence),
        "sentence": sentence(report.case.headline),
        "sign-ins": report.evidence.events,
        "accounts": table(
            {
                "account": one.evidence.account,
                "verdict": str(one.verdict),
                "foreign successes": one.evidence.foreign_success,
                "confidence": str(one.confidence),
            }
            for one in accounts
        ),
    }


def report(made: "ReportReport") -> Shown:
    """Where the report lies, and the sentence it opens with."""
    return {
        "sentence": sentence(made.headline),
        "page": dg.MetadataValue.path(str(made.html)),
        "json": dg.MetadataValue.path(str(made.json)),
    }


def codes(changed: int, known: "Sequence[StatusCode]") -> Shown:
    """How many codes the reference holds."""
    return {
        "dagster/row_count": len(known),
        "rows new or changed": changed,
        "waiting for a decision": sum(code.state == "PENDING" for code in known),
    }


def dashboard(page: "Dashboard") -> Shown:
    """The specification's numbers."""
    return {
        "imports": page.imports,
        "passed": page.passed,
        "unknown codes": page.unknown_codes,
        "cases corrected": page.corrected,
        "verifications run": page.verifications,
        "average import seconds": round(page.average_seconds, 2) if page.average_seconds is not None else "none yet",
        "imports overridden": len(page.overridden),
        "overrides": table(
            {
                "case": one.case_id,
                "until": one.until.isoformat(),
                "in force": "yes" if one.in_force else "no, run again",
                "actor": one.actor,
                "reason": one.reason,
            }
            for one in page.overrides
        ),
        "checks switched off": ", ".join(page.switched_off) or "none",
        "recent failures": table(
            {"day": one.day.isoformat(), "case": one.case_id, "reason": one.reason} for one in page.failures
        ),
        "top reliable fields": table(
            {"log type": one.table, "field": one.field, "score": round(one.score, 2)} for one in page.fields
        ),
    }


def maintenance(cycle: "Cycle") -> Shown:
    """What the quarter asks for: the sentence, the checklist, and where the report is."""
    report = cycle.report
    return {
        "sentence": sentence(maintenance_page.headline(report)),
        "quarter": report.quarter,
        "owner": sentence(report.owner),
        "minutes": report.minutes,
        "checklist": table(
            {
                "step": one.number,
                "what to do": maintenance_page.told(one),
                "found": len(one.matters),
                "minutes": one.minutes,
            }
            for one in report.steps
        ),
        "page": dg.MetadataValue.path(str(cycle.folder / "report.html")),
        "decisions": dg.MetadataValue.path(str(cycle.folder / "decisions.csv")),
        "report": dg.MetadataValue.md(maintenance_page.markdown(report)),
    }
