"""A check: a statement about evidence with its verdict. How checks are shown or stored belongs elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from m365dq_dagster.core.outcome import Severity


@dataclass(frozen=True)
class CheckResult:
    """One statement about the evidence of a case, judged.

    `headline` is the sentence that on-call reads; `reason` is a stable code for metrics; `blocking` says that nothing
    downstream may run while it fails; `table` holds a few short rows that show why.
    """

    name: str
    stage: str
    passed: bool
    blocking: bool
    severity: Severity
    headline: str
    runbook: str
    table: tuple[dict[str, object], ...] = ()
    reason: str = ""


def failed_blocking(checks: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """The checks that stop what lies downstream, in the order given."""
    return tuple(check for check in checks if check.blocking and not check.passed)
