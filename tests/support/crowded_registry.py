"""A registry as years of work leave it: many cases with all that each leaves behind, written in bulk."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from m365dq_dagster.adapters.registry import Registry, tables
from m365dq_dagster.adapters.registry.engine import writing
from m365dq_dagster.core.progress import STAGE_TASKS

FIELDS = ("status_error_code", "status", "conditional_access_status", "operation", "error_number", "result_status")
CODES, CHECKS, OPERATIONS = 20, 30, 60
SCORED = 45
DAYS = 28
"""The imports are spread over so many days before the moment."""

Rows = list[dict[str, Any]]


def crowd(registry: Registry, number: int, now: datetime, first: int = 0) -> None:
    """Fill in `number` cases with import, checks, scores, sightings, tasks, alerts, decisions and shapes of their logs;
    every 10th failed its gate, every 20th was corrected, every 25th was overridden.
    """
    with writing(registry.engine) as connection:
        if not first:
            connection.execute(sa.insert(tables.data_quality_checks), [_check(name, now) for name in range(CHECKS)])
        for start in range(first, first + number, 100):
            wanted = range(start, min(start + 100, first + number))
            made: dict[sa.Table, Rows] = {}
            for case in wanted:
                _case(made, case, now - timedelta(days=case % DAYS, minutes=case))
            for table, rows in made.items():
                connection.execute(sa.insert(table), rows)


@contextmanager
def statements(registry: Registry) -> Iterator[list[str]]:
    """The statements that the registry is asked while the block runs."""
    asked: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    sa.event.listen(registry.engine, "before_cursor_execute", heard)
    try:
        yield asked
    finally:
        sa.event.remove(registry.engine, "before_cursor_execute", heard)


def _check(number: int, now: datetime) -> dict[str, Any]:
    what = {"stage": "quality", "blocking": number < 4, "severity": "INFO", "runbook": "docs/runbooks/x.md"}
    return {"check_name": f"check_{number}", **what, "first_run_at": now}


def _case(made: dict[sa.Table, Rows], number: int, at: datetime) -> None:
    case_id, run_id = f"case-{number:05d}", f"run-{number:05d}"
    failed, overridden = number % 10 == 3, number % 25 == 7

    def put(table: sa.Table, rows: Rows) -> None:
        made.setdefault(table, []).extend({"case_id": case_id, **row} for row in rows)

    put(tables.cases, [_registered(case_id, run_id, at, overridden=overridden)])
    put(tables.case_status, [{"stage": "REPORTED", "updated_at": at, "blocked_by": None}])
    tasks = [(stage, task) for stage, names in STAGE_TASKS.items() for task in names]
    put(tables.case_tasks, [_task(stage.value, task, at) for stage, task in tasks])
    put(tables.imports, [_import(run_id, at, "FAIL" if failed else "OVERRIDDEN" if overridden else "PASS")])
    put(tables.quality_check_results, [_result(run_id, check, at) for check in range(CHECKS)])
    put(tables.field_reliability_scores, [_score(field, at) for field in range(SCORED)])
    put(tables.code_sightings, [_sighting(number, code, at) for code in range(CODES)])
    put(tables.log_shapes, [_shape(operation, at) for operation in range(OPERATIONS)] + [_span(at)])
    put(tables.alerts, [_alert(subject, at) for subject in ("breach", "unknown codes")])
    if overridden:
        put(tables.overrides, [_override(at)])
    if number % 20 == 11:
        put(tables.corrections, [_correction(at)])


def _registered(case_id: str, run_id: str, at: datetime, *, overridden: bool) -> dict[str, Any]:
    override = {"reason": "known gap", "actor": "ann", "expires": (at.date() + timedelta(days=20)).isoformat()}
    judged_under = {
        "generation": run_id,
        "quality": "OVERRIDDEN" if overridden else "PASS",
        "override": {**override, "recorded_by": "ann"} if overridden else None,
    }
    context = {"home_countries": ["AU"], "travel": [], "window": {}, "options": {}}
    moments = {"registered_at": at, "updated_at": at, "last_run_at": at}
    told = {"folder": f"/evidence/{case_id}", "context": context, "verdict": "NO_BREACH_INDICATED", "identity": run_id}
    return {**told, "judged_under": judged_under, **moments}


def _task(stage: str, task: str, at: datetime) -> dict[str, Any]:
    return {"stage": stage, "task": task, "status": "COMPLETE", "updated_at": at}


def _import(run_id: str, at: datetime, status: str) -> dict[str, Any]:
    reason = "OUTCOME_CANNOT_BE_TOLD" if status == "FAIL" else None
    took = {"started_at": at, "seconds": 1.5, "rows": 10_000, "verifications": 3}
    return {"run_id": run_id, **took, "status": status, "reason": reason, "recorded_at": at}


def _result(run_id: str, number: int, at: datetime) -> dict[str, Any]:
    told = {"severity": "INFO", "reason": "", "headline": "1 of 1 files hold known logs, 10,000 events."}
    return {
        "run_id": run_id,
        "check_name": f"check_{number}",
        "passed": True,
        "blocking": number < 4,
        **told,
        "checked_at": at,
    }


def _score(number: int, at: datetime) -> dict[str, Any]:
    field = FIELDS[number] if number < len(FIELDS) else f"field_{number}"
    log_type = "sign_in_logs" if number < 3 else "unified_audit_log"
    scored = {"base_score": 0.9, "adjusted_score": 0.8, "rules_applied": ["a_rule"]}
    return {"table_name": log_type, "field_name": field, **scored, "computed_at": at}


def _sighting(case: int, number: int, at: datetime) -> dict[str, Any]:
    value = str(50_000 + number) if number < CODES - 1 else f"9{case % 40:05d}"
    seen = {"rows": 12, "first_event": at, "last_event": at, "first_sighted_at": at, "last_sighted_at": at}
    flagged = number == CODES - 1
    return {
        "log_type": "sign_in_logs",
        "field_name": "status_error_code",
        "code_value": value,
        "flagged": flagged,
        **seen,
    }


def _shape(number: int, at: datetime) -> dict[str, Any]:
    name = {"kind": "OPERATION", "name": f"Operation{number}", "within": "2", "tenant": "contoso"}
    return {"log_type": "unified_audit_log", **name, "rows": 40, "first_event": at, "last_event": at, "seen_at": at}


def _span(at: datetime) -> dict[str, Any]:
    began = at - timedelta(days=30)
    name = {"kind": "SPAN", "name": "sign_in_logs", "within": "", "tenant": None}
    return {"log_type": "sign_in_logs", **name, "rows": 0, "first_event": began, "last_event": at, "seen_at": at}


def _alert(subject: str, at: datetime) -> dict[str, Any]:
    told = {"rule": "breach_indicator", "subject": subject, "episode": 0, "severity": "CRITICAL", "message": "look"}
    raised = {"raised_at": at, "last_raised_at": at, "times_raised": 1, "attempts": 1, "delivered_at": at}
    return {**told, "recipients": ["soc@contoso.example"], "state": "DELIVERED", **raised}


def _override(at: datetime) -> dict[str, Any]:
    ends: date = at.date() + timedelta(days=20)
    return {"reason": "known gap", "actor": "ann", "expires": ends, "created_at": at, "recorded_by": "ann"}


def _correction(at: datetime) -> dict[str, Any]:
    said = {"finding": "F-001", "verdict": "NO_INDICATION", "reason": "travel", "actor": "ann", "corrected_at": at}
    return {**said, "acting_as": "ann", "subject": "a@contoso.example", "concluded": "SUSPICIOUS", "generation": "g"}
