"""Every check there is, by name: whether it blocks, and what stands in for it while it is overridden or switched off.
What a check measures is written where it is made; whether it is asked for is said in the judgement policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from m365dq_dagster.core.outcome import LogType

OUTCOME_GATE = "{}_outcome_may_be_judged"
SUITE = "{}_as_expected"
GUARD = "{}_tables_sound"


@dataclass(frozen=True)
class KnownCheck:
    """A check: `blocking` says that nothing may be concluded while it fails, `compensated_by` what a person must do in
    its place and which evidence still stands.
    """

    name: str
    blocking: bool
    compensated_by: str


BY_HAND = {
    LogType.SIGN_IN: (
        "Ask the portal how single sign-ins ended, by request id; what the audit log shows of the same accounts "
        "afterwards still stands."
    ),
    LogType.LEGACY: "Look the same sign-ins up in the sign-in log by account and time; that log still stands.",
    LogType.UAL: "Look the same logons up in the sign-in log; what other operations of this log show still stands.",
}

GATES = (
    KnownCheck(
        "ledger_balances",
        True,
        "Nothing in the product: count the rows of every file by hand against `m365dq show CASE files`, and rely on no "
        "count that was not made again.",
    ),
    KnownCheck(
        "recognised_evidence",
        True,
        "Nothing in the product, for nothing was read: read the files by hand, or export them in a known form.",
    ),
    KnownCheck(
        "quarantine_share",
        True,
        "Read the rows that were set aside by hand (`m365dq show CASE quarantine`) before anything is called absent; "
        "the rows that could be read still stand.",
    ),
    *(KnownCheck(OUTCOME_GATE.format(log_type), True, told) for log_type, told in BY_HAND.items()),
)
"""The closed list of what blocks."""

NOTES = (
    KnownCheck(
        "completeness_leads",
        False,
        "Look for holes, caps and missing logs by hand (`m365dq show CASE completeness`); the ledger still counts "
        "every row.",
    ),
    KnownCheck(
        "outcome_fields_may_testify",
        False,
        "Look at the state of every outcome field (`m365dq show CASE fields`); a field that may not testify is still "
        "not heard.",
    ),
    KnownCheck(
        "outcome_fields_hold_throughout",
        False,
        "Look for days and files on which a field changes (`m365dq show CASE fields`); such parts are still not heard.",
    ),
    KnownCheck(
        "codes_and_values_known",
        False,
        "Look at the codes and values that are in no table (`m365dq codes unknown`); they still count as neither "
        "success nor failure.",
    ),
    KnownCheck(
        "schema_as_known",
        False,
        "Compare headers with those of earlier exports by hand (`m365dq show CASE schema`); a witness that is missing "
        "is still not heard.",
    ),
    KnownCheck(
        "country_database_fits",
        False,
        "Compare a few addresses with another source by hand; a database that disagrees with the exports still places "
        "nothing.",
    ),
    *(
        KnownCheck(
            SUITE.format(log_type),
            False,
            f"Look through rows of {log_type} by hand; ledger and field profiles still speak of every column.",
        )
        for log_type in LogType
    ),
    *(
        KnownCheck(
            GUARD.format(group),
            False,
            "Nothing in the product: compare figures of the report with the evidence.",
        )
        for group in ("evidence", "reliability", "verification")
    ),
)
"""What is only shown where it fails. The verdict is no check of the evidence and stands in no list."""

KNOWN_CHECKS: Mapping[str, KnownCheck] = MappingProxyType({one.name: one for one in (*GATES, *NOTES)})


def compensation(name: str) -> str:
    """What stands in for a check; a check of another version of the product is not known here."""
    known = KNOWN_CHECKS.get(name)
    return known.compensated_by if known else "Not known here: see the run-book of the check."


def blocks(name: str) -> bool:
    """Whether nothing may be concluded while the check of this name fails."""
    known = KNOWN_CHECKS.get(name)
    return known is not None and known.blocking
