"""Does the evidence look as evidence should? The suites of the rule pack, asked of what was read; one check a log type.

Nothing here blocks: what stops a case is decided by the gates of intake and quality.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from m365dq_dagster.adapters import gx
from m365dq_dagster.core.checks import CheckResult, not_asked
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.known_checks import SUITE
from m365dq_dagster.core.outcome import LogType, Severity
from m365dq_dagster.stages.case_run import CaseRun

STAGE = "expectations"
RUNBOOK = "docs/runbooks/quality-check-failure.md"
BROKEN, UNMET = "EXPECTATION_BROKEN", "EXPECTATION_UNMET"
SHOWN = 20


@dataclass(frozen=True)
class ExpectationReport:
    """Each log type's suite, judged."""

    checks: tuple[CheckResult, ...]


def check_name(log_type: LogType) -> str:
    """The check that stands for a log type's suite."""
    return SUITE.format(log_type)


def run(run: CaseRun, log_types: Iterable[LogType] = tuple(LogType)) -> ExpectationReport:
    """Ask the suites of the evidence and keep the answers in the registry; log types without a suite are left out.

    A suite that the policy has switched off is not asked, and that is its answer.
    """
    suites, checks = [], []
    for log_type in log_types:
        if not run.pack.policy.checks.is_on(check_name(log_type)):
            checks.append(not_asked(run.case_id, check_name(log_type), STAGE, RUNBOOK))
            continue
        try:
            content = run.pack.suite(log_type)
            suite = None if content is None else gx.load_suite(content, log_type)
        except BadInput as error:
            checks.append(_unusable(run.case_id, log_type, str(error)))
        else:
            suites += [suite] if suite else []
    checks += [as_check(run.case_id, result) for result in gx.judge(run.con, suites)]
    run.registry.record_checks(run.case_id, run.run_id, checks, run.clock.now())
    return ExpectationReport(tuple(checks))


def _unusable(case_id: str, log_type: LogType, why: str) -> CheckResult:
    told = f"Case {case_id}: the suite of {log_type} could not be asked, the evidence is not to blame. {why}"
    return CheckResult(check_name(log_type), STAGE, False, False, Severity.WARNING, told, RUNBOOK, (), BROKEN)


def as_check(case_id: str, result: gx.SuiteResult) -> CheckResult:
    """One suite as one check. A question that could not be asked fails it, and is told apart from bad evidence."""
    bad = result.broken or result.unmet
    worst = Severity.CRITICAL if any(item.severity is Severity.CRITICAL for item in bad) else Severity.WARNING
    return CheckResult(
        name=check_name(result.log_type),
        stage=STAGE,
        passed=result.passed,
        blocking=False,
        severity=worst if bad else Severity.INFO,
        headline=f"Case {case_id}: {_sentence(result)}",
        runbook=bad[0].runbook if bad else RUNBOOK,
        table=tuple(_line(item) for item in (*result.broken, *result.unmet)[:SHOWN]),
        reason=BROKEN if result.broken else UNMET if result.unmet else "",
    )


def _sentence(result: gx.SuiteResult) -> str:
    asked = len(result.judged)
    if not result.rows:
        return f"{result.log_type} holds no rows, so nothing was asked of it."
    if result.broken:
        return (
            f"{len(result.broken)} of {asked} expectations about {result.log_type} could not be asked; the suite "
            f"{result.log_type}.json needs mending, the evidence is not to blame."
        )
    if result.unmet:
        first = max(result.unmet, key=lambda item: (item.severity is Severity.CRITICAL, item.percent))
        return (
            f"{len(result.unmet)} of {asked} expectations about {result.log_type} are not met; the worst concerns "
            f"{first.unexpected:,} of {result.rows:,} rows. {first.reason}"
        )
    return f"{result.log_type} looks as expected: {asked} expectations hold over {result.rows:,} rows."


def _line(item: gx.Judged) -> dict[str, object]:
    return {
        "expectation": item.expectation,
        "column": item.column or "",
        "rows": "not asked" if item.broken else item.unexpected,
        "percent": item.percent,
        "why": item.reason,
    }
