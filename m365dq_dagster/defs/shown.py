"""How reports and checks look on Dagster's pages: sentences, short tables, counts. Nothing is judged here.

Evidence is hostile: every text is made one visible, bounded line, and tables stay short.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from m365dq_dagster.core.checks import CheckResult, failed_blocking
from m365dq_dagster.core.known_checks import compensation
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.overrides import Override
from m365dq_dagster.core.plain_text import one_line

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
    failed = failed_blocking(gates)
    off = [check for check in gates if check.switched_off]
    stops = failed and not override
    return dg.AssetCheckResult(
        check_name=name,
        passed=not failed and not off,
        severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
        description=sentence(_gate_sentence(case_id, gates, failed, off, override)),
        metadata=_proof(failed[0].runbook if failed else None, _overview(gates)) | _passed_over(failed, off, override),
    )


def _passed_over(
    failed: Sequence[CheckResult], off: Sequence[CheckResult], override: Override | None
) -> dict[str, Any]:
    """What was disabled, by whom and until when, and what stands in for it; nothing where the gate stands whole."""
    disabled = [*(failed if override else ()), *off]
    told: dict[str, Any] = {}
    if override:
        told = {"overridden by": _by(override), "override ends": override.ends.isoformat()}
    if disabled:
        rows = ({"check": check.name, "compensated by": compensation(check.name)} for check in disabled)
        told["disabled"] = table(rows)
    return told


def _by(override: Override) -> str:
    return sentence(override.actor + (f" (recorded by {override.recorded_by})" if override.recorded_by else ""))


def notes_result(name: str, case_id: str, checks: Sequence[CheckResult]) -> dg.AssetCheckResult:
    """All other checks of a stage as one list of notes that stops nothing."""
    notes = [check for check in checks if not check.blocking]
    failed = sorted((check for check in notes if not check.passed), key=lambda check: check.switched_off)
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
    case_id: str,
    gates: Sequence[CheckResult],
    failed: Sequence[CheckResult],
    off: Sequence[CheckResult],
    override: Override | None,
) -> str:
    """The failure that stops the case, else that the gate is open; then what was switched off, and the override."""
    held = len(gates) - len(failed) - len(off)
    told = f"Case {case_id}: the gate is open; {held} of {len(gates)} checks hold."
    if failed:
        told = _naming(case_id, failed[0].headline)
    if off:
        told += f" Switched off by policy: {', '.join(check.name for check in off)}."
    if override:
        told += f" Overridden by {override.actor} until {override.expires}: {override.reason}"
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
