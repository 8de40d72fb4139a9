"""The outbox of alerts: each raised once, claimed by one deliverer, delivered or tried again. Which alerts there are is
in `core.alerts`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from m365dq_dagster.adapters.registry.audit import audited
from m365dq_dagster.adapters.registry.part import AnyRow, RegistryPart, insert_new
from m365dq_dagster.adapters.registry.records import AlertRecord
from m365dq_dagster.adapters.registry.tables import alerts
from m365dq_dagster.core.alerts import AlertState, retry_after
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity

CLAIM_LEASE = timedelta(minutes=15)
"""A claim older than this belongs to a deliverer that died; sending one alert is bounded well below it."""


class Outbox(RegistryPart):
    """Raising, claiming, delivering and acknowledging alerts."""

    def raise_alert(
        self,
        rule: str,
        case_id: str,
        subject: str,
        severity: Severity,
        message: str,
        recipients: Sequence[str],
        now: datetime,
        window: timedelta | None = None,
    ) -> bool:
        """Put an alert in the outbox; True where it is new.

        One alert a rule, case and subject: raising it again only counts. With `window`, one that was raised longer ago
        than that is raised anew.
        """
        with self._writing() as connection:
            latest = _latest(connection, rule, case_id, subject)
            if latest is None or (window is not None and now - latest.raised_at >= window):
                row = _new_row(rule, case_id, subject, severity, message, recipients, now)
                row["episode"] = 0 if latest is None else latest.episode + 1
                if insert_new(connection, alerts, row, ["rule", "case_id", "subject", "episode"]):
                    return True
            _count_again(connection, _latest(connection, rule, case_id, subject), now)
            return False

    def alerts(
        self, state: str | None = None, case_id: str | None = None, ids: Collection[int] | None = None
    ) -> list[AlertRecord]:
        """The alerts, newest first; only those of one state or case, or with some ids, where given."""
        query = sa.select(alerts).order_by(alerts.c.raised_at.desc(), alerts.c.alert_id.desc())
        if state is not None:
            query = query.where(alerts.c.state == str(state))
        if case_id is not None:
            query = query.where(alerts.c.case_id == case_id)
        if ids is not None:
            query = query.where(alerts.c.alert_id.in_(list(ids)))
        with self._reading() as connection:
            return [_alert(row) for row in connection.execute(query)]

    def claim_undelivered(self, now: datetime, limit: int) -> list[AlertRecord]:
        """Take up to `limit` alerts to deliver, oldest first; nobody else gets them while the claim holds."""
        due = sa.or_(alerts.c.next_attempt_at.is_(None), alerts.c.next_attempt_at <= now)
        waiting = sa.and_(alerts.c.state.in_([AlertState.RECORDED.value, AlertState.FAILED.value]), due)
        abandoned = sa.and_(alerts.c.state == AlertState.SENDING.value, alerts.c.claimed_at <= now - CLAIM_LEASE)
        query = sa.select(alerts).where(sa.or_(waiting, abandoned)).order_by(alerts.c.raised_at, alerts.c.alert_id)
        with self._writing() as connection:
            found = connection.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
            taken = [row.alert_id for row in found]
            change = alerts.update().where(alerts.c.alert_id.in_(taken))
            connection.execute(change.values(state=AlertState.SENDING.value, claimed_at=now))
        return [_alert(row) for row in found]

    def mark_delivered(self, alert_id: int, now: datetime, note: str | None = None) -> None:
        """The mail server took the alert; `note` names recipients that it refused."""
        values = {"state": AlertState.DELIVERED.value, "delivered_at": now, "last_error": note}
        with self._writing() as connection:
            _changed(connection, alert_id, {**values, "attempts": alerts.c.attempts + 1})

    def mark_failed(self, alert_id: int, now: datetime, reason: str) -> None:
        """Delivery did not work; it is tried again later, each time after a longer pause."""
        with self._writing() as connection:
            query = sa.select(alerts.c.attempts).where(alerts.c.alert_id == alert_id).with_for_update()
            attempts = (connection.scalar(query) or 0) + 1
            connection.execute(
                alerts.update()
                .where(alerts.c.alert_id == alert_id)
                .values(
                    state=AlertState.FAILED.value,
                    attempts=attempts,
                    last_error=reason,
                    next_attempt_at=now + retry_after(attempts),
                )
            )

    def ack(self, alert_id: int, actor: str, now: datetime) -> None:
        """Somebody took charge, and the audit log says who. Raises `BadInput` for an alert that does not exist."""
        values = {"state": AlertState.ACKNOWLEDGED.value, "acknowledged_at": now, "acknowledged_by": actor}
        with self._writing() as connection:
            if not _changed(connection, alert_id, values):
                raise BadInput(f"There is no alert {alert_id}; `m365dq alerts list` shows those there are.")
            connection.execute(audited(actor, "alert-ack", {"alert": alert_id}, now))


def _changed(connection: Connection, alert_id: int, values: dict[str, Any]) -> bool:
    return connection.execute(alerts.update().where(alerts.c.alert_id == alert_id).values(values)).rowcount == 1


def _latest(connection: Connection, rule: str, case_id: str, subject: str) -> AnyRow | None:
    query = sa.select(alerts.c.alert_id, alerts.c.raised_at, alerts.c.episode)
    query = query.where(alerts.c.rule == str(rule), alerts.c.case_id == case_id, alerts.c.subject == subject)
    return connection.execute(query.order_by(alerts.c.episode.desc()).limit(1)).one_or_none()


def _new_row(
    rule: str, case_id: str, subject: str, severity: Severity, message: str, recipients: Sequence[str], now: datetime
) -> dict[str, Any]:
    return {
        "rule": str(rule),
        "case_id": case_id,
        "subject": subject,
        "severity": Severity(severity).value,
        "message": message,
        "recipients": list(recipients),
        "state": AlertState.RECORDED.value,
        "raised_at": now,
        "last_raised_at": now,
        "times_raised": 1,
        "attempts": 0,
    }


def _count_again(connection: Connection, latest: AnyRow | None, now: datetime) -> None:
    change = alerts.update().where(alerts.c.alert_id == (latest.alert_id if latest else None))
    connection.execute(change.values(times_raised=alerts.c.times_raised + 1, last_raised_at=now))


def _alert(row: AnyRow) -> AlertRecord:
    return AlertRecord(
        id=row.alert_id,
        rule=row.rule,
        case_id=row.case_id,
        subject=row.subject,
        severity=Severity(row.severity),
        message=row.message,
        recipients=tuple(row.recipients),
        state=row.state,
        raised_at=row.raised_at,
        last_raised_at=row.last_raised_at,
        times_raised=row.times_raised,
        attempts=row.attempts,
        last_error=row.last_error,
        delivered_at=row.delivered_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        episode=row.episode,
    )
