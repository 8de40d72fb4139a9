"""How reports and checks look on Dagster's pages: sentences, short tables, counts. Nothing is judged here.

Evidence is hostile: every text is made one visible, bounded line, and tables stay short.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from m365dq_dagster.core.checks import CheckResult
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.stages.case_run import Override

ROWS_SHOWN = 20
COLUMNS_SHOWN = 5


def sentence(text: str) -> str:
    """One line of at most 500 characters."""
    return one_line(text, 500)


def table(rows: Iterable[Mapping[str, object]]) -> dg.TableMetadataValue:
    """A few rows of a few short columns, all as text so that every cell fits its column."""
    shown = [dict(list(row.items())[:COLUMNS_SHOWN]) for row, _ in zip(rows, range(ROWS_SHOWN), strict=False)]
    names = list(dict.fromkeys(name for row in shown for name in row))
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: _cell(row.get(name)) for name in names}) for row in shown],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in names]),
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return one_line(f"{value:.4g}" if isinstance(value, float) else str(value), 120)


def as_result(name: str, check: CheckResult, *, asset: str | None = None) -> dg.AssetCheckResult:
    """One check of ours as one of Dagster's, never blocking."""
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.severity is Severity.CRITICAL else dg.AssetCheckSeverity.WARN,
        description=sentence(check.headline),
        metadata=_proof(check.runbook, check.table),
    )


def gate_result(
    name: str, case_id: str, checks: Sequence[CheckResult], override: Override | None
) -> dg.AssetCheckResult:
    """All blocking checks of a stage as one gate. With an override in force it warns instead of stopping."""
    gates = [check for check in checks if check.blocking]
    failed = [check for check in gates if not check.passed]
    return dg.AssetCheckResult(
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN if override else dg.AssetCheckSeverity.ERROR,
        description=sentence(_gate_sentence(case_id, gates, failed, override)),
        metadata=_proof(failed[0].runbook if failed else None, _overview(gates)),
    )


def notes_result(name: str, case_id: str, checks: Sequence[CheckResult]) -> dg.AssetCheckResult:
    """All other checks of a stage as one list of notes that stops nothing."""
    notes = [check for check in checks if not check.blocking]
    failed = [check for check in notes if not check.passed]
    worst = any(check.severity is Severity.CRITICAL for check in failed)
    told = f"Case {case_id}: nothing to note; {len(notes)} checks hold."
    if failed:
        told = failed[0].headline + (f" And {len(failed) - 1} more." if len(failed) > 1 else "")
    return dg.AssetCheckResult(
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if worst else dg.AssetCheckSeverity.WARN,
        description=sentence(_naming(case_id, told)),
        metadata=_proof(failed[0].runbook if failed else None, _overview([*failed, *(c for c in notes if c.passed)])),
    )


def _gate_sentence(
    case_id: str, gates: Sequence[CheckResult], failed: Sequence[CheckResult], override: Override | None
) -> str:
    if not failed:
        return f"Case {case_id}: the gate is open; {len(gates)} of {len(gates)} checks hold."
    told = _naming(case_id, failed[0].headline)
    if override:
        return f"{told} Overridden by {override.actor} until {override.expires}: {override.reason}"
    return told


def _naming(case_id: str, text: str) -> str:
    """A badge shows the last run of any case, so the sentence says which."""
    return text if case_id in text else f"Case {case_id}: {text}"


def _overview(checks: Iterable[CheckResult]) -> list[dict[str, object]]:
    return [
        {"check": check.name, "holds": "yes" if check.passed else "no", "what": check.headline, "do": check.runbook}
        for check in checks
    ]


def _proof(runbook: str | None, rows: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    proof: dict[str, Any] = {"details": table(rows)} if rows else {}
    return proof | ({"runbook": dg.MetadataValue.path(runbook)} if runbook else {})
