"""Which alerts there are, whom they reach and in which words. Keeping them is the registry's job, sending them the
mailer's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from m365dq_dagster.core.document_policy import DocumentPolicy
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import CaseVerdict, Severity
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange, matters
from m365dq_dagster.core.sightings import REST

SRE = "sre@maia.local"
IR_TEAM = "ir-team@maia.local"
MAX_RETRY_MINUTES = 60
FOREIGN_RATE_LIMIT = 0.8
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class AlertState(StrEnum):
    """RECORDED: waits. SENDING: a deliverer has it. FAILED: will be tried again. ACKNOWLEDGED: somebody took charge."""

    RECORDED = "RECORDED"
    SENDING = "SENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    ACKNOWLEDGED = "ACKNOWLEDGED"


@dataclass(frozen=True)
class AlertRule:
    """One kind of alert: raised when its trigger was counted `threshold` times or more in a case.

    `message` is the sentence with its blanks; `runbook` says what to do, as a path in the documentation.
    """

    name: str
    severity: Severity
    message: str
    recipients: tuple[str, ...]
    runbook: str
    threshold: int = 1


UNKNOWN_STATUS_CODE = "unknown_status_code"
QUALITY_CHECK_FAILURE = "quality_check_failure"
BREACH_INDICATOR = "breach_indicator"
SCHEMA_CHANGE = "schema_change"

ALERT_RULES: Mapping[str, AlertRule] = MappingProxyType(
    {
        UNKNOWN_STATUS_CODE: AlertRule(
            UNKNOWN_STATUS_CODE,
            Severity.WARNING,
            "Unknown status code detected in {log_type}: {code_value}",
            (SRE,),
            "docs/runbooks/unknown-status-code.md",
        ),
        QUALITY_CHECK_FAILURE: AlertRule(
            QUALITY_CHECK_FAILURE,
            Severity.CRITICAL,
            "Data quality check failed for {case_id}: {failure_reason}",
            (SRE, IR_TEAM),
            "docs/runbooks/quality-check-failure.md",
        ),
        BREACH_INDICATOR: AlertRule(
            BREACH_INDICATOR,
            Severity.CRITICAL,
            "Breach indicator detected: {indicator_type} in {case_id}",
            (IR_TEAM,),
            "docs/runbooks/breach-indicator.md",
        ),
        SCHEMA_CHANGE: AlertRule(
            SCHEMA_CHANGE,
            Severity.WARNING,
            "Schema change in {log_type}: {detail}",
            (SRE,),
            "docs/runbooks/schema-change.md",
        ),
    }
)
"""The specification's three rules, with its texts, severities, thresholds and recipients, and the one on schema
changes."""

NO_CASE = ""
"""The case of an alert that belongs to none."""

TOLD_AS_CODES = frozenset({ChangeKind.ENUM_VALUE_NEW, ChangeKind.CODE_NEW})
"""Changes that the alert on unknown codes tells of, once each, with the runbook that closes them."""


@dataclass(frozen=True)
class OperationsPolicy:
    """Who is told and when, not what is true: it never changes a verdict and is no part of the rule pack's hash.

    `dedup_window` None means that an alert of one rule, case and subject is raised once for ever; otherwise again after
    it. `max_code_alerts` bounds how many unknown codes of one log type are told one by one in a case. The day counts of
    the quarterly maintenance: how far back unknown codes are looked for, and when a code wants validating again.
    """

    rules: Mapping[str, AlertRule] = field(default_factory=lambda: ALERT_RULES)
    owner: str = SRE
    dashboard_days: int = 30
    dedup_window: timedelta | None = None
    max_code_alerts: int = 20
    sighting_days: int = 90
    revalidate_days: int = 365
    documents: DocumentPolicy = field(default_factory=DocumentPolicy)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> OperationsPolicy:
        """Read `operations.toml`; what is not named keeps its default. Raises `BadInput` naming the key."""
        _only(data, {"owner", "dashboard", "alerts", "maintenance"}, "")
        alerts = _table(data, "alerts", {"dedup_window_hours", "max_code_alerts", "rules"})
        dashboard = _table(data, "dashboard", {"days"})
        maintenance = _table(data, "maintenance", {"sighting_days", "revalidate_days", "documents"})
        hours = _count(alerts, "dedup_window_hours", 0, least=0)
        return cls(
            rules=_rules(alerts.get("rules", {})),
            owner=_address(data.get("owner", SRE), "owner"),
            dashboard_days=_count(dashboard, "days", 30),
            dedup_window=timedelta(hours=hours) if hours else None,
            max_code_alerts=_count(alerts, "max_code_alerts", 20),
            sighting_days=_count(maintenance, "sighting_days", 90),
            revalidate_days=_count(maintenance, "revalidate_days", 365),
            documents=DocumentPolicy.from_mapping(maintenance.get("documents", {})),
        )


@dataclass(frozen=True)
class Alert:
    """Something that somebody must know. Two alerts of one rule, case and subject are the same alert."""

    rule: str
    case_id: str
    subject: str
    severity: Severity
    message: str
    recipients: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same alert: rule, case, subject."""
        return (self.rule, self.case_id, self.subject)


def alerts_for(document: Mapping[str, Any], policy: OperationsPolicy) -> tuple[Alert, ...]:
    """The alerts that a case document raises, most severe first.

    A breach: one, where the case says BREACH_INDICATED. A failed blocking check: one each, overridden or not.
    An unknown code, then an unknown word of a witness: one each, the commonest first, up to the policy's bound; the
    rest of a log type in one more.
    A schema change in what is read: one each, by the case that showed it first, and none in any other case.
    """
    told = (_breach, _failed_checks, _unknown_codes, _schema_changes)
    return tuple(alert for kind in told for alert in kind(document, policy))


def _breach(document: Mapping[str, Any], policy: OperationsPolicy) -> Iterable[Alert]:
    rule = policy.rules[BREACH_INDICATOR]
    accounts = [a for a in document.get("accounts", ()) if a.get("verdict") == "COMPROMISE_INDICATED"]
    if document.get("status") != CaseVerdict.BREACH_INDICATED or max(1, len(accounts)) < rule.threshold:
        return
    rate = document.get("sign_ins", {}).get("foreign_attempt_success_rate")
    kind = "foreign_success_rate" if rate is not None and rate > FOREIGN_RATE_LIMIT else "account_compromise"
    yield _alert(rule, document, kind, indicator_type=kind)


def _failed_checks(document: Mapping[str, Any], policy: OperationsPolicy) -> Iterable[Alert]:
    rule = policy.rules[QUALITY_CHECK_FAILURE]
    quality = document.get("quality", {})
    stopped = quality.get("status") != "PASS"
    failed = [check for check in quality.get("failed_checks", ()) if check.get("blocking", stopped)]
    if len(failed) >= rule.threshold:
        for check in failed:
            yield _alert(rule, document, str(check["check"]), failure_reason=str(check["reason"]))


def _unknown_codes(document: Mapping[str, Any], policy: OperationsPolicy) -> Iterable[Alert]:
    rule = policy.rules[UNKNOWN_STATUS_CODE]
    words = [row for row in document.get("unknown_values", ()) if row.get("alerts")]
    codes = document.get("unknown_codes", ())
    for log_type in sorted({str(row["log_type"]) for row in (*codes, *words)}):
        told = dict.fromkeys(value for rows in (codes, words) for value in _commonest(rows, log_type, rule.threshold))
        behind = _folded_away((*codes, *words), log_type) if REST in told else 0
        told.pop(REST, None)
        single = list(told)[: policy.max_code_alerts]
        for value in single:
            yield _alert(rule, document, f"{log_type}:{value}", log_type=log_type, code_value=value)
        left = len(told) - len(single) + behind
        if left:
            yield _alert(rule, document, f"{log_type}:more", log_type=log_type, code_value=f"{left} more codes")


def _commonest(rows: Iterable[Mapping[str, Any]], log_type: str, threshold: int) -> list[str]:
    """The values of a log type that stand on enough rows, the commonest first."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["log_type"] == log_type:
            counts[str(row["value"])] += int(row["rows"])
    return sorted((v for v, count in counts.items() if count >= threshold), key=lambda value: (-counts[value], value))


def _folded_away(rows: Iterable[Mapping[str, Any]], log_type: str) -> int:
    """How many values stand behind those rows of a log type that count several as one."""
    return sum(int(row.get("values", 1)) for row in rows if row["log_type"] == log_type and row["value"] == REST)


def _schema_changes(document: Mapping[str, Any], policy: OperationsPolicy) -> Iterable[Alert]:
    rule = policy.rules[SCHEMA_CHANGE]
    grave = [one for one in document.get("schema_changes", ()) if one.get("first") and matters(one)]
    told = [one for one in grave if one["kind"] not in TOLD_AS_CODES]
    if len(told) >= rule.threshold:
        for one in told:
            subject = f"{one['log_type']}:{one['kind']}:{one['before']}>{one['after']}"
            yield _alert(rule, document, subject, log_type=str(one["log_type"]), detail=str(one["detail"]))


def alerts_for_pages(changes: Iterable[SchemaChange], policy: OperationsPolicy) -> tuple[Alert, ...]:
    """The alerts that pages of the vendor raise, which belong to no case: one for each change that touches what is
    read, up to the policy's bound; the rest in one more.
    """
    rule = policy.rules[SCHEMA_CHANGE]
    told = [one for one in changes if one.is_told]
    if len(told) < rule.threshold:
        return ()
    most = policy.max_code_alerts
    single = [
        (f"{one.log_type}:{one.kind}:{one.before}>{one.after}", one.log_type or one.surface, one.detail)
        for one in told[:most]
    ]
    rest = f"{len(told) - most} more changes that the vendor's pages tell of"
    more = [("pages:more", "the vendor's pages", rest)] if len(told) > most else []
    return tuple(
        Alert(
            rule.name,
            NO_CASE,
            one_line(subject),
            rule.severity,
            render(rule, log_type=where, detail=detail),
            rule.recipients,
        )
        for subject, where, detail in (*single, *more)
    )


def _alert(rule: AlertRule, document: Mapping[str, Any], subject: str, **blanks: str) -> Alert:
    case_id = str(document["case"])
    message = render(rule, case_id=case_id, **blanks)
    return Alert(rule.name, case_id, one_line(subject), rule.severity, message, rule.recipients)


def render(rule: AlertRule, **blanks: str) -> str:
    """The rule's sentence, its blanks filled; values come from evidence, so each is made one short, visible line."""
    return rule.message.format_map({name: one_line(value) for name, value in blanks.items()})


def retry_after(attempts: int) -> timedelta:
    """The pause before the next delivery: 1, 2, 4 ... minutes, at most an hour."""
    return timedelta(minutes=min(MAX_RETRY_MINUTES, 2 ** min(attempts - 1, 10)))


def mail_subject(severity: Severity, message: str) -> str:
    """The subject line: severity, product, sentence; one line."""
    return one_line(f"[m365dq] {severity.value}: {message}", 240)


def mail_body(alert: Alert, policy: OperationsPolicy, raised_at: str) -> str:
    """The body: the sentence, the case, when it was raised, what to do and who answers for it."""
    rule = policy.rules.get(alert.rule)
    lines = [
        alert.message,
        "",
        *([f"Case: {alert.case_id}"] if alert.case_id else []),
        f"Severity: {alert.severity.value}",
        f"Rule: {alert.rule}",
        f"Raised: {raised_at}",
        "",
        f"See it: m365dq show {alert.case_id}" if alert.case_id else "See it: m365dq schema changes",
        *([f"Runbook: {rule.runbook}"] if rule else []),
        f"Owner: {policy.owner}",
        "",
        "A conclusion rests on the evidence that was given; m365dq report says what was not tested.",
    ]
    return "\n".join(lines) + "\n"


def _rules(data: object) -> Mapping[str, AlertRule]:
    if not isinstance(data, Mapping):
        raise BadInput("operations.toml: alerts.rules must be a table of rules.")
    _only(data, set(ALERT_RULES), "alerts.rules")
    return MappingProxyType({name: _rule(ALERT_RULES[name], data.get(name, {})) for name in ALERT_RULES})


def _rule(default: AlertRule, data: object) -> AlertRule:
    where = f"alerts.rules.{default.name}"
    if not isinstance(data, Mapping):
        raise BadInput(f"operations.toml: {where} must be a table with recipients and threshold.")
    _only(data, {"recipients", "threshold"}, where)
    recipients = data.get("recipients", default.recipients)
    if isinstance(recipients, str) or not isinstance(recipients, Sequence) or not recipients:
        raise BadInput(f"operations.toml: {where}.recipients must be a list of at least one mail address.")
    addresses = tuple(dict.fromkeys(_address(item, f"{where}.recipients") for item in recipients))
    threshold = _count(data, "threshold", default.threshold)
    return AlertRule(default.name, default.severity, default.message, addresses, default.runbook, threshold)


def _only(data: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in data:
        if key not in known:
            place = f"{where}.{key}" if where else key
            raise BadInput(f"operations.toml: {place} is not known; the keys here are {', '.join(sorted(known))}.")


def _table(data: Mapping[str, Any], key: str, known: set[str]) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise BadInput(f"operations.toml: {key} must be a table.")
    _only(value, known, key)
    return value


def _count(data: Mapping[str, Any], key: str, default: int, least: int = 1) -> int:
    value = data.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 100_000:
        raise BadInput(f"operations.toml: {key} must be a whole number from {least} to 100000.")
    return value


def _address(value: object, where: str) -> str:
    if not isinstance(value, str) or not ADDRESS.fullmatch(value):
        raise BadInput(f"operations.toml: {where} holds {str(value)[:60]!r}, which is no mail address.")
    return value
