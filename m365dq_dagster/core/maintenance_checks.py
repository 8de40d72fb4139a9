"""Whether the reference is looked after, as checks that stop nothing. They are read at night by somebody who has never
seen the report, so each says what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from m365dq_dagster.core.checks import CheckResult, remark
from m365dq_dagster.core.code_changes import CODE_FIELDS
from m365dq_dagster.core.maintenance import (
    EarlierCycle,
    MaintenanceReport,
    Matter,
    Topic,
    UnknownValue,
    quarter_of,
    quarter_start,
)
from m365dq_dagster.core.maintenance_page import RUNBOOK, documents
from m365dq_dagster.core.narrative import plural, some
from m365dq_dagster.core.plain_text import one_line

STAGE = "maintenance"
OWNER = "reference_has_an_owner"
VALIDATED = "reference_is_validated"
UNKNOWN = "no_old_unknown_code"
DOCUMENTS = "vendor_pages_were_read"
DONE = "cycle_done_this_quarter"
ABOUT = {
    OWNER: "Somebody answers for the status-code reference.",
    VALIDATED: "Every code in use was compared with the vendor's page within the year.",
    UNKNOWN: "No code has been unknown since before this quarter.",
    DOCUMENTS: "The vendor's pages were given and could be read.",
    DONE: "The quarterly cycle was gone through in this quarter.",
}
"""What each check asks, by its name."""
NAMED = 3


def checks_of(report: MaintenanceReport) -> tuple[CheckResult, ...]:
    """The checks on one cycle's report."""
    return (_owner(report), _validated(report), _unknown(report), _documents(report))


def cycle_done(cycles: Iterable[EarlierCycle], now: datetime) -> CheckResult:
    """Whether one of this quarter's cycles was gone through by now."""
    quarter, found = quarter_of(now.date()), list(cycles)
    if found:
        last = found[-1]
        words = f"The cycle of {quarter} was gone through on {last.made_at:%Y-%m-%d} by {last.actor}."
        return remark(DONE, STAGE, words, RUNBOOK, "")
    words = f"Nobody has gone through the maintenance of {quarter} yet; it takes half an hour: m365dq maintain."
    return remark(DONE, STAGE, words, RUNBOOK, "CYCLE_MISSING")


def _owner(report: MaintenanceReport) -> CheckResult:
    if report.owner.strip():
        return remark(OWNER, STAGE, f"{report.owner} answers for the status-code reference.", RUNBOOK, "")
    words = "Nobody answers for the status-code reference; name an owner in operations.toml."
    return remark(OWNER, STAGE, words, RUNBOOK, "NO_OWNER")


def _validated(report: MaintenanceReport) -> CheckResult:
    stale = report.step(Topic.NOT_VALIDATED).matters
    if not stale:
        words = f"Every code in use was validated within {report.revalidate_days} days."
        return remark(VALIDATED, STAGE, words, RUNBOOK, "")
    words = (
        f"{plural(len(stale), 'code')} in use {_verb(len(stale), 'was', 'were')} not validated for "
        f"{report.revalidate_days} days: {_named(stale)}. Compare with the vendor's page what m365dq codes lookup says."
    )
    return remark(VALIDATED, STAGE, words, RUNBOOK, "NOT_VALIDATED", map(_row, stale))


def _unknown(report: MaintenanceReport) -> CheckResult:
    begins = quarter_start(report.quarter)
    codes = [one for one in report.unknown if one.fields[0] in CODE_FIELDS]
    old = [one for one in codes if one.first_sighted.date() < begins]
    if not old:
        young = f"; {plural(len(codes), 'younger one')} waits in the report" if codes else ""
        return remark(UNKNOWN, STAGE, f"No code has been unknown since before {begins}{young}.", RUNBOOK, "")
    words = (
        f"{plural(len(old), 'code')} {_verb(len(old), 'has', 'have')} been unknown since before {begins}, first "
        f"{one_line(old[0].value, 40)} ({plural(old[0].rows, 'row')}); verdicts that lean on it stay open until "
        "somebody decides: m365dq codes unknown."
    )
    return remark(UNKNOWN, STAGE, words, RUNBOOK, "UNKNOWN_CODE", map(_seen, old))


def _documents(report: MaintenanceReport) -> CheckResult:
    found = report.documents
    if found.asked and not found.trouble:
        return remark(DOCUMENTS, STAGE, documents(report), RUNBOOK, "")
    if not found.asked:
        return remark(DOCUMENTS, STAGE, documents(report), RUNBOOK, "NO_DOCUMENTS")
    words = f"{plural(len(found.trouble), 'page')} of the vendor could not be read, first: {found.trouble[0]}"
    return remark(DOCUMENTS, STAGE, words, RUNBOOK, "UNREADABLE", ({"page": one} for one in found.trouble))


def _named(stale: tuple[Matter, ...]) -> str:
    return some([one_line(one.subject, 40) for one in stale], NAMED)


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many


def _row(matter: Matter) -> dict[str, object]:
    return {"code": matter.subject, "rows": matter.weight, "why": matter.facts[0]}


def _seen(value: UnknownValue) -> dict[str, object]:
    return {"code": value.value, "rows": value.rows, "cases": len(value.cases), "since": value.first_sighted.date()}
