"""Are our own tables what later steps take them for? One check a group; a failure is a fault of the product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from m365dq_dagster.adapters import table_guards
from m365dq_dagster.core.checks import CheckResult, not_asked
from m365dq_dagster.core.known_checks import GUARD
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.stages.case_run import CaseRun

STAGE = "guards"
RUNBOOK = "docs/runbooks/troubleshooting.md"


@dataclass(frozen=True)
class GuardReport:
    """Each group of tables, guarded."""

    checks: tuple[CheckResult, ...]


def check_name(group: str) -> str:
    """The check that stands for a group of tables."""
    return GUARD.format(group)


def run(run: CaseRun, groups: Sequence[str] = tuple(table_guards.GUARDS)) -> GuardReport:
    """Guard the tables of the groups that were asked for and keep the answers in the registry."""
    checks = tuple(_asked(run, group) for group in groups)
    run.registry.record_checks(run.case_id, run.run_id, checks, run.clock.now())
    return GuardReport(checks)


def _asked(run: CaseRun, group: str) -> CheckResult:
    """The answer of a group's guards; where the policy has them switched off, that they were not asked."""
    if not run.pack.policy.checks.is_on(check_name(group)):
        return not_asked(run.case_id, check_name(group), STAGE, RUNBOOK)
    return as_check(run.case_id, group, table_guards.guard(run.con, table_guards.GUARDS[group]))


def as_check(case_id: str, group: str, tables: Sequence[table_guards.Guarded]) -> CheckResult:
    """One group of tables as one check."""
    faults = [(table.table, fault) for table in tables for fault in table.faults]
    rows = sum(table.rows for table in tables)
    if faults:
        table, first = faults[0]
        told = (
            f"{len(faults)} rules of our own tables are broken, first {table}.{first.column} ({first.rule}); this is a "
            "fault of the product: do not rely on this run, and report it."
        )
    else:
        told = f"{len(tables)} of our own tables are sound over {rows:,} rows."
    return CheckResult(
        name=check_name(group),
        stage=STAGE,
        passed=not faults,
        blocking=False,
        severity=Severity.CRITICAL if faults else Severity.INFO,
        headline=f"Case {case_id}: {told}",
        runbook=RUNBOOK,
        table=tuple({"table": table, "column": fault.column, "rule": fault.rule} for table, fault in faults[:20]),
        reason="TABLE_RULE_BROKEN" if faults else "",
    )
