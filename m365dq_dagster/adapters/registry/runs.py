"""What runs leave behind in the registry: imports, check results, scores, sighted codes. Judging them
happens elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, upsert
from m365dq_dagster.adapters.registry.records import CodeSighting, ImportRecord, ScoreRecord, ScoreRow
from m365dq_dagster.adapters.registry.tables import (
    cases,
    code_sightings,
    data_quality_checks,
    field_reliability_scores,
    imports,
    quality_check_results,
    status_code_details,
    status_code_reference,
)
from m365dq_dagster.core.sightings import held_as

if TYPE_CHECKING:
    from m365dq_dagster.core.checks import CheckResult

Sighting = tuple[str, str, str, int, datetime | None, datetime | None]


class Runs(RegistryPart):
    """Recording what a run did and found."""

    def record_import(
        self,
        case_id: str,
        run_id: str,
        started_at: datetime,
        seconds: float,
        rows: int,
        status: str,
        reason: str | None,
        verifications: int,
        now: datetime,
    ) -> None:
        """One row an import: `status` is PASS, FAIL or OVERRIDDEN; the same run recorded again replaces its row."""
        row = {
            "case_id": case_id,
            "run_id": run_id,
            "started_at": started_at,
            "seconds": seconds,
            "rows": rows,
            "status": str(status),
            "reason": reason,
            "verifications": verifications,
            "recorded_at": now,
        }
        with self._writing() as connection:
            upsert(connection, imports, [row], ["case_id", "run_id"], [name for name in row if name[-3:] != "_id"])
            connection.execute(cases.update().where(cases.c.case_id == case_id).values(last_run_at=now))

    def imports_between(self, start: datetime, end: datetime) -> list[ImportRecord]:
        """The imports recorded from `start` to `end`, both included, oldest first."""
        query = sa.select(imports).where(imports.c.recorded_at.between(start, end))
        with self._reading() as connection:
            found = connection.execute(query.order_by(imports.c.recorded_at, imports.c.import_id))
            return [ImportRecord(**_without(row, "import_id")) for row in found]

    def record_checks(self, case_id: str, run_id: str, results: Iterable[CheckResult], now: datetime) -> None:
        """Append one row a check of this run; a check that this run recorded already keeps its first row."""
        found = list(results)
        with self._writing() as connection:
            upsert(connection, data_quality_checks, [_check_row(check, now) for check in found], ["check_name"])
            rows = [_result_row(case_id, run_id, check, now) for check in found]
            upsert(connection, quality_check_results, rows, ["case_id", "run_id", "check_name"])

    def record_scores(self, case_id: str, rows: Iterable[ScoreRow], now: datetime) -> None:
        """Append the scores of one computation; earlier ones stay as history."""
        values = [
            {
                "case_id": case_id,
                "table_name": row.table,
                "field_name": row.field,
                "base_score": row.base,
                "adjusted_score": row.adjusted,
                "rules_applied": list(row.rules),
                "computed_at": now,
            }
            for row in rows
        ]
        with self._writing() as connection:
            if values:
                connection.execute(sa.insert(field_reliability_scores), values)

    def scores_between(
        self, start: datetime, end: datetime, fields: Collection[tuple[str, str]] | None = None
    ) -> list[ScoreRecord]:
        """The scores computed from `start` to `end`, both included, oldest first; only those of some (log type, field)
        where given.
        """
        table = field_reliability_scores
        query = sa.select(table).where(table.c.computed_at.between(start, end))
        if fields is not None:
            query = query.where(sa.tuple_(table.c.table_name, table.c.field_name).in_(sorted(fields)))
        query = query.order_by(table.c.computed_at, table.c.score_id)
        with self._reading() as connection:
            return [_score(row) for row in connection.execute(query)]

    def cases_that_heard(self) -> dict[tuple[str, str], frozenset[str]]:
        """The cases in which each (log type, field) had a score above 0, and so a say."""
        table = field_reliability_scores
        query = sa.select(table.c.table_name, table.c.field_name, table.c.case_id).where(table.c.adjusted_score > 0)
        found: dict[tuple[str, str], set[str]] = {}
        with self._reading() as connection:
            for row in connection.execute(query.distinct()):
                found.setdefault((row.table_name, row.field_name), set()).add(row.case_id)
        return {key: frozenset(cases) for key, cases in found.items()}

    def record_sightings(
        self,
        case_id: str,
        sightings: Iterable[Sighting],
        now: datetime,
        unknown: Collection[tuple[str, str, str]] | None = None,
    ) -> None:
        """Keep which values a case holds: (log type, field, value, rows, first event, last event).

        Those among `unknown` are flagged, and stay so in the history; where it is not given, those that the reference
        does not hold in force at this moment.
        """
        found = {sighting[:3]: sighting for sighting in sightings}
        with self._writing() as connection:
            if unknown is None:
                known = _known(connection, {key[:2] for key in found})
                unknown = {key for key in found if held_as(*key) not in known}
            values = [_sighting_row(case_id, sighting, key in unknown, now) for key, sighting in found.items()]
            upsert(
                connection,
                code_sightings,
                values,
                ["case_id", "log_type", "field_name", "code_value"],
                ["rows", "first_event", "last_event", "last_sighted_at"],
            )

    def sightings(self, since: datetime | None = None, unknown: bool = False) -> list[CodeSighting]:
        """The sightings at or after `since`; with `unknown` only those of values that the reference still lacks."""
        table = code_sightings
        query = sa.select(table).order_by(table.c.log_type, table.c.field_name, table.c.code_value, table.c.case_id)
        if since is not None:
            query = query.where(table.c.last_sighted_at >= since)
        with self._reading() as connection:
            found = [_sighting(row) for row in connection.execute(query)]
            known = _known(connection, {(s.log_type, s.field) for s in found}) if unknown else set()
        return [s for s in found if held_as(s.log_type, s.field, s.value) not in known]

    def flags_between(self, start: datetime, end: datetime) -> list[CodeSighting]:
        """The codes first sighted in a case from `start` to `end`, both included, that were unknown at that moment."""
        table = code_sightings
        query = sa.select(table).where(table.c.flagged, table.c.first_sighted_at.between(start, end))
        with self._reading() as connection:
            found = connection.execute(query.order_by(table.c.first_sighted_at, table.c.case_id, table.c.code_value))
            return [_sighting(row) for row in found]


def _known(connection: Connection, fields: set[tuple[str, str]]) -> set[tuple[str, str, str]]:
    """The values in force of the given fields, as (log type, field, folded value)."""
    table, details = status_code_reference, status_code_details
    query = sa.select(table.c.log_type, table.c.field_name, table.c.code_value).select_from(table.outerjoin(details))
    query = query.where(sa.func.coalesce(details.c.state, "ACTIVE") == "ACTIVE")
    known: set[tuple[str, str, str]] = set()
    for log_type, field in sorted(fields):
        rows = connection.execute(query.where(table.c.log_type == log_type, table.c.field_name == field))
        known.update(held_as(row[0], row[1], row[2]) for row in rows)
    return known


def _check_row(check: CheckResult, now: datetime) -> dict[str, Any]:
    return {
        "check_name": check.name,
        "stage": check.stage,
        "blocking": check.blocking,
        "severity": check.severity.value,
        "runbook": check.runbook,
        "first_run_at": now,
    }


def _result_row(case_id: str, run_id: str, check: CheckResult, now: datetime) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "run_id": run_id,
        "check_name": check.name,
        "passed": check.passed,
        "blocking": check.blocking,
        "severity": check.severity.value,
        "reason": check.reason,
        "headline": check.headline,
        "checked_at": now,
    }


def _without(row: AnyRow, name: str) -> dict[str, Any]:
    return {key: value for key, value in row._mapping.items() if key != name}


def _score(row: AnyRow) -> ScoreRecord:
    score = ScoreRow(row.table_name, row.field_name, row.base_score, row.adjusted_score, tuple(row.rules_applied))
    return ScoreRecord(row.case_id, score, row.computed_at)


def _sighting_row(case_id: str, sighting: Sighting, flagged: bool, now: datetime) -> dict[str, Any]:
    log_type, field, value, rows, first, last = sighting
    return {
        "case_id": case_id,
        "log_type": log_type,
        "field_name": field,
        "code_value": value,
        "rows": rows,
        "first_event": _aware(first),
        "last_event": _aware(last),
        "flagged": flagged,
        "first_sighted_at": now,
        "last_sighted_at": now,
    }


def _sighting(row: AnyRow) -> CodeSighting:
    return CodeSighting(
        row.case_id,
        row.log_type,
        row.field_name,
        row.code_value,
        row.rows,
        row.first_event,
        row.last_event,
        row.flagged,
        row.first_sighted_at,
        row.last_sighted_at,
    )


def _aware(moment: datetime | None) -> datetime | None:
    """Event times of the evidence are UTC without offset."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
