"""Alerts of a case: into the outbox once each, out by mail once each. Which alerts there are, and their words, is
`core.alerts`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from m365dq_dagster.adapters.registry import AlertRecord, Registry
from m365dq_dagster.adapters.rule_pack import load_operations_policy
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.core.alerts import (
    Alert,
    AlertState,
    OperationsPolicy,
    alerts_for,
    alerts_for_pages,
    mail_body,
    mail_subject,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.schema_changes import SchemaChange

if TYPE_CHECKING:
    from m365dq_dagster.adapters.mail import Mail

ROUND_SECONDS = 300
"""A round of deliveries ends after this time, well before another deliverer may take over its claims."""


class Sends(Protocol):
    """Whatever takes a mail; returns the recipients that were refused, raises `MailFailed` where none was served."""

    def send(self, mail: Mail) -> tuple[str, ...]:
        """Hand over the mail."""
        ...


def raise_for_document(
    registry: Registry, document: Mapping[str, Any], now: datetime, policy: OperationsPolicy | None = None
) -> list[dict[str, Any]]:
    """Put the alerts that a case document raises into the outbox; returns them all, new or raised before.

    The same document raised again adds nothing. Nothing is sent here.
    """
    policy = policy or load_operations_policy()
    found = alerts_for(document, policy)
    _raise(registry, found, now, policy)
    keys = [alert.key for alert in found]
    return _in_order(registry, str(document["case"]), keys)


def raise_for_pages(
    registry: Registry, changes: Iterable[SchemaChange], now: datetime, policy: OperationsPolicy | None = None
) -> int:
    """Put the alerts that changes on the vendor's pages raise into the outbox, each once; returns how many."""
    policy = policy or load_operations_policy()
    found = alerts_for_pages(changes, policy)
    _raise(registry, found, now, policy)
    return len(found)


def _raise(registry: Registry, found: Iterable[Alert], now: datetime, policy: OperationsPolicy) -> None:
    for alert in found:
        registry.raise_alert(
            alert.rule,
            alert.case_id,
            alert.subject,
            alert.severity,
            alert.message,
            alert.recipients,
            now,
            policy.dedup_window,
        )


def alerts_of(registry: Registry, case_id: str) -> list[dict[str, Any]]:
    """The alerts of a case as the case document shows them, oldest first, with whether they were delivered by now."""
    return [alert_mapping(alert) for alert in reversed(registry.alerts(case_id=case_id))]


def list_alerts(registry: Registry, state: str | None = None) -> list[dict[str, Any]]:
    """All alerts, newest first; only those of one state where given."""
    return [alert_mapping(alert) for alert in registry.alerts(state)]


def deliver(
    registry: Registry, mailer: Sends | None, now: datetime, policy: OperationsPolicy | None = None
) -> list[dict[str, Any]]:
    """Send what waits, each alert by whoever claims it first; returns those that were tried, as they stand after it.

    Without a mailer nothing is claimed and alerts stay RECORDED. A server that does not answer ends the round: what is
    left waits for the next one.
    """
    if mailer is None:
        return []
    policy = policy or load_operations_policy()
    tried: list[int] = []
    ends = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < ends and (claimed := registry.claim_undelivered(now, 1)):
        tried.append(claimed[0].id)
        if not _deliver_one(registry, mailer, claimed[0], now, policy):
            break
    by_id = {alert.id: alert for alert in registry.alerts(ids=tried)} if tried else {}
    return [alert_mapping(by_id[alert_id]) for alert_id in tried]


def _deliver_one(
    registry: Registry, mailer: Sends, alert: AlertRecord, now: datetime, policy: OperationsPolicy
) -> bool:
    """Send one claimed alert; False where the server is down."""
    from m365dq_dagster.adapters.mail import MailFailed

    try:
        refused = mailer.send(_mail(alert, now, policy))
    except MailFailed as fault:
        registry.mark_failed(alert.id, now, str(fault))
        return not fault.server_down
    registry.mark_delivered(alert.id, now, f"refused for {', '.join(refused)}" if refused else None)
    return True


def send_test(settings: Settings, now: datetime, policy: OperationsPolicy | None = None) -> dict[str, Any]:
    """Mail every configured recipient a test; returns the server and recipients.

    Raises `BadInput` where no mail server is configured, `MailFailed` where it does not take the mail.
    """
    from m365dq_dagster.adapters.mail import Mail, Mailer

    mailer = Mailer.from_settings(settings)
    if mailer is None:
        raise BadInput("No mail server is configured; set M365DQ_SMTP_HOST (and M365DQ_SMTP_PORT), then test again.")
    policy = policy or load_operations_policy()
    recipients = tuple(sorted({address for rule in policy.rules.values() for address in rule.recipients}))
    text = "This is a test of the alerts of m365dq. Nothing has happened; there is nothing to do."
    subject = mail_subject(Severity.INFO, "test of alert delivery")
    refused = mailer.send(Mail(recipients, subject, text + "\n", f"test-{now:%Y%m%dT%H%M%S%f}", now))
    return {"server": mailer.place, "recipients": list(recipients), "refused": list(refused)}


def alert_mapping(alert: AlertRecord) -> dict[str, Any]:
    """For JSON, in lists and in the case document."""
    return {
        "id": alert.id,
        "rule": alert.rule,
        "severity": alert.severity.value,
        "message": alert.message,
        "recipients": list(alert.recipients),
        "case": alert.case_id,
        "subject": alert.subject,
        "state": alert.state,
        "raised_at": alert.raised_at.isoformat(),
        "delivered_at": alert.delivered_at.isoformat() if alert.delivered_at else None,
        "delivered": alert.state == AlertState.DELIVERED or alert.delivered_at is not None,
        "times_raised": alert.times_raised,
        "last_error": alert.last_error,
    }


def _mail(alert: AlertRecord, now: datetime, policy: OperationsPolicy) -> Mail:
    from m365dq_dagster.adapters.mail import Mail

    words = Alert(alert.rule, alert.case_id, alert.subject, alert.severity, alert.message, alert.recipients)
    body = mail_body(words, policy, f"{alert.raised_at:%Y-%m-%d %H:%M:%S} UTC")
    key = "\0".join((*words.key, str(alert.episode)))
    reference = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Mail(alert.recipients, mail_subject(alert.severity, alert.message), body, reference, now)


def _in_order(registry: Registry, case_id: str, keys: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    newest: dict[tuple[str, str, str], AlertRecord] = {}
    for alert in registry.alerts(case_id=case_id):
        newest.setdefault((alert.rule, alert.case_id, alert.subject), alert)
    return [alert_mapping(newest[key]) for key in keys]
