"""A check: a statement about evidence with its verdict. How checks are shown or stored belongs elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from m365dq_dagster.core.outcome import Severity


@dataclass(frozen=True)
class CheckResult:
    """One statement about the evidence of a case, judged.

    `headline` is the sentence that on-call reads; `reason` is a stable code for metrics; `blocking` says that nothing
    downstream may run while it fails; `table` holds a few short rows that show why. A check that is `switched_off`
    never passes and holds nothing back; `unheard` is then the stable code it would have failed with, empty where it
    would have held.
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
    switched_off: bool = False
    unheard: str = ""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> CheckResult:
        """A check as it was kept in JSON."""
        return cls(**{**kept, "severity": Severity(kept["severity"]), "table": tuple(kept["table"])})


def remark(
    name: str,
    stage: str,
    headline: str,
    runbook: str,
    reason: str,
    table: Iterable[Mapping[str, object]] = (),
) -> CheckResult:
    """A check that never blocks: a WARNING with the stable code `reason`, or passed and INFO where that is empty."""
    severity = Severity.WARNING if reason else Severity.INFO
    return CheckResult(name, stage, not reason, False, severity, headline, runbook, tuple(map(dict, table)), reason)


SWITCHED_OFF = "SWITCHED_OFF"
"""The stable code of a check that the policy has switched off, whatever it would have said."""


def switched_off(case_id: str, check: CheckResult) -> CheckResult:
    """A check that was asked although the policy has it switched off: it holds nothing back, and that is said."""
    told = check.headline.removeprefix(f"Case {case_id}: ")
    would = f"It would have {'held' if check.passed else 'failed'}: {told}"
    headline = f"Case {case_id}: {check.name} is switched off by policy. {would}"
    return replace(
        check,
        passed=False,
        severity=Severity.WARNING,
        headline=headline,
        reason=SWITCHED_OFF,
        switched_off=True,
        unheard=check.reason,
    )


def switched_on(case_id: str, check: CheckResult) -> CheckResult:
    """A check that was switched off when it was asked, as it is heard where it is on: failed, as it would have been."""
    told = check.headline.partition("It would have failed: ")[2]
    headline = f"Case {case_id}: {told}"
    return replace(
        check, severity=Severity.CRITICAL, headline=headline, reason=check.unheard, switched_off=False, unheard=""
    )


def not_asked(case_id: str, name: str, stage: str, runbook: str) -> CheckResult:
    """A check that never blocks and that was not asked, because the policy has it switched off."""
    headline = f"Case {case_id}: {name} is switched off by policy, so nothing was asked."
    return CheckResult(
        name, stage, False, False, Severity.WARNING, headline, runbook, reason=SWITCHED_OFF, switched_off=True
    )


def failed_blocking(checks: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """The checks that stop what lies downstream, in the order given."""
    return tuple(check for check in checks if check.blocking and not check.passed and not check.switched_off)
