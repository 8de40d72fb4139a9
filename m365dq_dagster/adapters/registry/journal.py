"""Decisions of people and what was done, for the record: overrides, corrections, approvals, the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from m365dq_dagster.adapters.registry.part import RegistryPart
from m365dq_dagster.adapters.registry.records import AuditEntry, CorrectionRecord, OverrideRecord
from m365dq_dagster.adapters.registry.tables import approvals, audit_log, corrections, overrides
from m365dq_dagster.core.errors import BadInput


class Journal(RegistryPart):
    """Recording and reading decisions."""

    def add_override(self, case_id: str, reason: str, actor: str, expires: date | str, now: datetime) -> None:
        """Keep a decision to skip the quality gate, up to and including the day `expires` (a date, or its ISO text).

        Raises `BadInput` without reason or actor, or where the day is unreadable or past.
        """
        day = _day(expires)
        if not reason.strip() or not actor.strip():
            raise BadInput("An override needs a reason and a name; give --reason and --actor.")
        if day < now.astimezone(UTC).date():
            raise BadInput(f"The override would have ended on {day.isoformat()}; give --expires a day that is to come.")
        row = {"case_id": case_id, "reason": reason, "actor": actor, "expires": day, "created_at": now}
        with self._writing() as connection:
            connection.execute(sa.insert(overrides).values(row))
            connection.execute(_audit(actor, "override", {"case": case_id, "reason": reason, "expires": str(day)}, now))

    def active_override(self, case_id: str, now: datetime) -> OverrideRecord | None:
        """The newest override of the case that is still in force today (UTC), or None."""
        query = sa.select(overrides).where(overrides.c.case_id == case_id)
        query = query.where(overrides.c.expires >= now.astimezone(UTC).date()).order_by(overrides.c.override_id.desc())
        with self._reading() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
        return None if row is None else OverrideRecord(row.case_id, row.reason, row.actor, row.expires, row.created_at)

    def record_correction(
        self, case_id: str, finding: str, verdict: str, reason: str, actor: str, now: datetime
    ) -> None:
        """Keep that a conclusion was corrected; it counts into the forensic error rate."""
        row = {"case_id": case_id, "finding": finding, "verdict": verdict, "reason": reason, "actor": actor}
        with self._writing() as connection:
            connection.execute(sa.insert(corrections).values(**row, corrected_at=now))
            connection.execute(_audit(actor, "correct", {"case": case_id, "finding": finding, "verdict": verdict}, now))

    def corrections_until(self, end: datetime) -> list[CorrectionRecord]:
        """The corrections recorded up to and including `end`, oldest first."""
        query = sa.select(corrections).where(corrections.c.corrected_at <= end).order_by(corrections.c.correction_id)
        with self._reading() as connection:
            return [CorrectionRecord(*tuple(row)[1:]) for row in connection.execute(query)]

    def record_approval(self, subject: str, decision: str, actor: str, reason: str | None, now: datetime) -> None:
        """Keep a decision, APPROVED or REJECTED, on a proposed change."""
        row = {"subject": subject, "decision": decision, "actor": actor, "reason": reason, "decided_at": now}
        with self._writing() as connection:
            connection.execute(sa.insert(approvals).values(row))
            connection.execute(_audit(actor, decision.lower(), {"subject": subject}, now))

    def audit(self, actor: str, action: str, detail: Mapping[str, Any], now: datetime) -> None:
        """Append to the audit log, which can be neither changed nor shortened."""
        with self._writing() as connection:
            connection.execute(_audit(actor, action, detail, now))

    def audit_entries(self) -> list[AuditEntry]:
        """The audit log, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(audit_log).order_by(audit_log.c.audit_id)).all()
        return [AuditEntry(row.actor, row.action, row.detail, row.logged_at) for row in rows]


def _audit(actor: str, action: str, detail: Mapping[str, Any], now: datetime) -> sa.Insert:
    return sa.insert(audit_log).values(actor=actor, action=action, detail=dict(detail), logged_at=now)


def _day(value: date | str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BadInput(f"The override's last day {value[:40]!r} is no date; write --expires 2026-12-31.") from None
