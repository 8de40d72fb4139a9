"""Measures what evidence cannot show although it seems to, for the verdicts and for `not_tested`. The sentences are
those of `core.limits`.
"""

from __future__ import annotations

from datetime import datetime

from m365dq_dagster.adapters import measure
from m365dq_dagster.core.limits import Limits, PolicyChange, Unseen, one_change_each
from m365dq_dagster.core.outcome import LogType
from m365dq_dagster.stages.case_run import CaseRun

POLICIES = {
    "policies_audited": "entra_audit_logs",
    "policies_logged": "unified_audit_log",
    "policies_listed": "ca_policies",
}
"""Where changes of policies are told, and the table that each asks."""

DATED = ("entra_audit_logs", "ca_policies")
"""Tables that date every policy of the time they tell of; the unified audit log may lack them."""


def measured(run: CaseRun) -> Limits:
    """Count it. Asks for the adjudicated events."""
    con, tables = run.con, measure.table_names(run.con)
    begins, ends, refreshes, stopped_later = measure.run_named(con, "span", file="limits")[0]
    measure.run_named(con, "unseen_table", file="limits")
    if measure.holds(con, LogType.UAL):
        measure.run_named(con, "unseen_activity", file="limits")
    factors, newest = (0, None)
    if "authentication_details" in tables:
        factors, newest = measure.run_named(con, "factors", file="limits")[0]
    risky, withheld = measure.run_named(con, "withheld_risk", file="limits")[0]
    synced, by = measure.run_named(con, "synced", file="limits")[0]
    return Limits(
        begins=begins,
        ends=ends,
        refreshes=int(refreshes),
        factor_rows=int(factors),
        factor_newest=newest,
        audit_newest=measure.run_named(con, "audit_newest", file="limits")[0][0],
        synced=int(synced),
        synced_by=tuple(by or ()),
        risk_rows=int(risky),
        withheld_risk=int(withheld),
        policies=_policies(run, tables, begins),
        policies_dated=not tables.isdisjoint(DATED),
        stopped_later=int(stopped_later),
        unseen=tuple(
            Unseen(account, int(rows), int(refused), tried, known, tuple(examples))
            for account, rows, refused, tried, known, examples in measure.run_named(con, "unseen", file="limits")
        ),
    )


def _policies(run: CaseRun, tables: frozenset[str], begins: datetime | None) -> tuple[PolicyChange, ...]:
    rows = [
        row
        for name, table in POLICIES.items()
        if begins is not None and table in tables
        for row in measure.run_named(run.con, name, {"begins": begins}, file="limits")
    ]
    return one_change_each(PolicyChange(moment, name or "a policy", what, by) for moment, name, what, by in rows)
