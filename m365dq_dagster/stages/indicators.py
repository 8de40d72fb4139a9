"""Verifiers: one for every log type, each telling what its log points to beside sign-in outcomes. What an operation
means is judged in `core.indicators`, the verdicts that rest on it in `verification`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from m365dq_dagster.adapters import indicators as measured
from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.indicators import ActKind, KindReading, KnownName, Reach
from m365dq_dagster.adapters.rule_pack import OperationRow
from m365dq_dagster.core import indicators as core
from m365dq_dagster.core.detections import Numbers, judge_alert, judge_forwarding, judge_risk, word_of
from m365dq_dagster.core.indicators import FAMILIES, RANK, Act, Actor, Known, Reading
from m365dq_dagster.core.outcome import LogType, Outcome, Severity
from m365dq_dagster.core.parameters import read_parameters
from m365dq_dagster.core.policy import IndicatorPolicy
from m365dq_dagster.stages.case_run import CaseRun

Indicator = dict[str, Any]

VERIFIERS_RAN = "verifiers_ran"
"""Under which word a generation keeps how many verifiers ran."""

ACCOUNTS, ADDRESSES = 100, 20
"""How many of them an indicator names."""

BULK = frozenset(
    {"mailitemsaccessed", "send", "sendas", "sendonbehalf", "filedownloaded", "filesyncdownloadedfull", "harddelete"}
)
"""Operations that tell by their number, whatever their severity."""

CORE_LOGS = (LogType.SIGN_IN, LogType.UAL, LogType.LEGACY)
"""Logs whose verifiers run in every case: that a log is not in the evidence is something they find."""

FORWARDING, MASS_DOWNLOAD, MAIL_BURST = "external forwarding", "mass download", "outbound mail burst"
COUNTED = {
    FORWARDING: Known("exfiltration", Severity.CRITICAL, Severity.WARNING, "T1114.003"),
    MASS_DOWNLOAD: Known("exfiltration", Severity.CRITICAL, Severity.WARNING, "T1530"),
    MAIL_BURST: Known("abuse", Severity.WARNING, Severity.WARNING, "T1566"),
}
"""What is no single operation and is counted from many rows."""

UNLISTED = Known("alert", Severity.WARNING, Severity.WARNING, "")
RISKS, ALERTS = ("risk_detections", "risky_users"), "security_alerts"
TRACE, MAILBOX, FACTORS = "message_trace", "mailbox_audit", "mfa_changes"
IN_FORCE = ("inbox_rules", "transport_rules", "oauth_consents", "mailbox_delegations")
"""Lists of what stood when it was asked for, read like the operations that make it."""

Gather = Callable[[CaseRun, Mapping[str, Known], frozenset[str]], None]


@dataclass(frozen=True)
class Verifier:
    """What verifies one log type: `gather` finds its acts before accounts are judged, `verify` tells its indicators."""

    log_type: str
    verify: Callable[[CaseRun], Iterable[Indicator]]
    gather: Gather | None = None


def read_acts(run: CaseRun) -> None:
    """Gather what was done in every log and judge each distinct way once; before accounts are judged."""
    con, policy = run.con, run.pack.policy
    measured.start(con)
    known = known_in(run.pack.operations)
    domains = measured.own_domains(con, policy.indicators.domain_share)
    filled = measured.filled(con, (one.log_type for one in VERIFIERS))
    for one in VERIFIERS:
        if one.gather and one.log_type in filled:
            measured.open_log(con, one.log_type)
            one.gather(run, known, domains)
    families = {word_of(row.value): row.normalised for row in run.pack.values if row.field == "risk_event_type"}
    judge = Judge(known, domains, policy.indicators, families)
    readings = [judge.reading(kind) for kind in measured.act_kinds(con)]
    measured.keep_readings(con, readings, policy.breach.habit_days)


@dataclass(frozen=True)
class Judge:
    """What acts are judged by: the reference, the tenant's mail domains, the policy, the families of detections."""

    known: Mapping[str, Known]
    domains: frozenset[str]
    policy: IndicatorPolicy
    families: Mapping[str, str]

    def reading(self, kind: ActKind) -> KindReading:
        """What a kind of act comes to, with the type and technique of its operation where it has none of its own."""
        known = self.known.get(kind.name) or COUNTED.get(kind.name) or UNLISTED
        found = self._judged(kind, known)
        return KindReading(
            kind.kind,
            found.label,
            str(found.severity),
            str(found.after_foreign),
            found.indicator or known.indicator,
            known.mitre if found.mitre is None else found.mitre,
        )

    def _judged(self, kind: ActKind, known: Known) -> Reading:
        if kind.log_type in RISKS:
            name = kind.name.removeprefix("risk: ")
            family = self.families.get(word_of(name), "")
            return judge_risk(name, kind.result, kind.parameters, latest=kind.more is not None, family=family)
        if kind.log_type == ALERTS:
            return judge_alert(kind.result, kind.parameters, kind.more, kind.target)
        if kind.name == FORWARDING:
            return judge_forwarding(Numbers.of(kind.parameters), self.policy)
        if kind.name in COUNTED:
            return Reading(kind.more or "messages", known.ordinary, known.severity)
        parameters = read_parameters(kind.parameters, kind.more)
        lost = core.failed(kind.result)
        act = Act(kind.name, parameters, Actor(kind.actor), kind.account, kind.target, lost, self.domains)
        return core.judge_act(act, known)


def known_in(operations: Iterable[OperationRow]) -> dict[str, Known]:
    """The operations of a rule pack by folded name."""
    return {
        core.folded(one.operation): Known(
            FAMILIES.get(one.indicator, one.indicator),
            Severity(one.severity),
            Severity(one.ordinary or one.severity),
            one.mitre,
        )
        for one in operations
    }


def _known_names(log_type: str, names: Iterable[str], known: Mapping[str, Known]) -> Iterator[KnownName]:
    for operation in names:
        name = core.folded(operation)
        one = known.get(name)
        if one is not None:
            yield KnownName(
                log_type,
                operation,
                name,
                one.indicator,
                str(one.severity),
                one.mitre,
                _is_act(log_type, name, one),
                name in core.TARGETED,
                name in core.READERS,
            )


def _is_act(log_type: str, name: str, known: Known) -> bool:
    if log_type in (LogType.ENTRA_AUDIT, FACTORS):
        return known.severity is not Severity.INFO
    return (
        log_type == LogType.UAL and name not in BULK and (name in core.READERS or known.severity is Severity.CRITICAL)
    )


def verify_all(run: CaseRun) -> list[Indicator]:
    """What every verifier tells, the gravest first; keeps how many ran. `read_acts` and the accounts come before."""
    filled = measured.filled(run.con, (one.log_type for one in VERIFIERS))
    ran = [one for one in VERIFIERS if one.log_type in CORE_LOGS or one.log_type in filled]
    found = [indicator for one in ran if one.log_type in filled for indicator in one.verify(run)]
    measure.note(run.con, VERIFIERS_RAN, str(len(ran)))
    return sorted(found, key=_order)


def verifiers_ran(con: duckdb.DuckDBPyConnection) -> int:
    """How many verifiers ran for this generation; none where the run ended before them."""
    return int(measure.noted(con, VERIFIERS_RAN) or 0)


def _order(one: Indicator) -> tuple[int, int, str, str]:
    return -RANK[Severity(one["severity"])], -one["rows"], one["operation"], one["log_type"]


def indicator(
    log_type: str,
    kind: str,
    operation: str,
    severity: Severity,
    rows: int,
    reach: Reach,
    detail: Mapping[str, int],
    mitre: str,
    actors: Mapping[str, int],
    **counts: int,
) -> Indicator:
    """An indicator as the document shows it; of further counts those that are not zero."""
    return {
        "type": kind,
        "operation": operation,
        "severity": str(severity),
        "rows": rows,
        "accounts": list(reach.accounts[:ACCOUNTS]),
        "detail": dict(detail),
        "mitre": mitre,
        "log_type": log_type,
        "actors": dict(actors),
        "first": _iso(reach.begins),
        "last": _iso(reach.ends),
        "addresses": list(reach.addresses[:ADDRESSES]),
        "evidence": list(reach.examples),
        **{name: count for name, count in counts.items() if count},
    }


def _iso(moment: datetime | None) -> str | None:
    return f"{moment.isoformat()}Z" if moment else None


# --- Operations


def _acts(run: CaseRun, log_type: str) -> Iterator[Indicator]:
    """One indicator for every operation of a log that was read row by row."""
    reach = measured.act_reach(run.con)
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for of_log, name, *row in measured.act_details(run.con):
        if of_log == log_type:
            groups.setdefault(name, []).append(tuple(row))
    for name, rows in groups.items():
        operation, where = reach[log_type, name]
        gravest = max(rows, key=lambda row: (RANK[Severity(row[1])], row[-1]))
        yield indicator(
            log_type,
            gravest[2],
            operation,
            Severity(gravest[1]),
            sum(row[-1] for row in rows),
            where,
            _details(rows),
            gravest[3],
            _sums((row[4], row[-1]) for row in rows),
            after_foreign_success=sum(row[-1] for row in rows if row[5]),
        )


def _details(rows: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """The split of an operation's rows; nothing where all of them are of one kind without a name."""
    told = _sums((row[0], row[-1]) for row in rows)
    return {} if set(told) == {core.ROWS} else told


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word, count in pairs:
        found[word] = found.get(word, 0) + count
    return found


def _counted(run: CaseRun, log_type: str, statement: str) -> Iterator[Indicator]:
    for one in measured.counted_operations(run.con, statement):
        is_mail = log_type == LogType.UAL and one.operation == "MailItemsAccessed"
        severity, detail = Severity(one.severity), dict[str, int]()
        more: dict[str, int] = {}
        if is_mail:
            severity, detail, more = _mail_read(run)
        by_nobody = one.rows - one.by_persons - one.not_named
        actors = {"person": one.by_persons, "not named": one.not_named, "system": by_nobody}
        if by_nobody == one.rows:
            severity = Severity.INFO
        if one.by_others:
            detail = {**detail, "by others than the owner": one.by_others}
        yield indicator(
            log_type,
            FAMILIES.get(one.indicator, one.indicator),
            one.operation,
            severity,
            one.rows,
            one.reach,
            detail,
            one.mitre,
            {word: count for word, count in actors.items() if count},
            **more,
        )


def _mail_read(run: CaseRun) -> tuple[Severity, dict[str, int], dict[str, int]]:
    """Mail read: a whole folder that went to where an unexplained foreign success came from is grave. Also the split of
    its rows, and what is counted beside it.
    """
    rows, folders = measured.mail_access_after_foreign(run.con)
    severity = Severity.CRITICAL if folders else Severity.WARNING
    return severity, measured.mail_access(run.con), {"after_foreign_success": rows}


def _gather_operations(log_type: str) -> Gather:
    def gather(run: CaseRun, known: Mapping[str, Known], domains: frozenset[str]) -> None:
        names = measured.operation_names(run.con, log_type)
        measured.gather_acts(run.con, log_type, [*_known_names(log_type, names, known)])

    return gather


def _gather_audit_log(run: CaseRun, known: Mapping[str, Known], domains: frozenset[str]) -> None:
    limits = run.pack.policy.indicators
    _gather_operations(LogType.UAL)(run, known, domains)
    values = {"downloaded": limits.files_an_hour, "opened": limits.accessed_an_hour, "above": limits.above_habit}
    measured.gather(run.con, "unified_audit_log_bursts", values)


def _gather_mail(run: CaseRun, known: Mapping[str, Known], domains: frozenset[str]) -> None:
    con, limits = run.con, run.pack.policy.indicators
    measured.gather(con, "tenant_domains", {"domains": sorted(domains)})
    measured.gather(con, "trace_domains")
    measured.gather(con, "mail_flow")
    measured.gather(con, "passed_on", {"seconds": limits.forward_seconds})
    measured.gather(con, "message_trace_acts")
    values = {"mails": limits.mails_an_hour, "recipients": limits.recipients_an_hour, "above": limits.above_habit}
    measured.gather(con, "message_trace_bursts", values)


def _gather_rows(log_type: str) -> Gather:
    def gather(run: CaseRun, known: Mapping[str, Known], domains: frozenset[str]) -> None:
        measured.gather(run.con, f"{log_type}_acts")

    return gather


def _acts_of(log_type: str) -> Callable[[CaseRun], Iterable[Indicator]]:
    return lambda run: _acts(run, log_type)


def _unified_audit_log(run: CaseRun) -> Iterator[Indicator]:
    yield from _acts(run, LogType.UAL)
    yield from _counted(run, LogType.UAL, "bulk_operations")


def _mailbox_audit(run: CaseRun) -> Iterator[Indicator]:
    yield from _counted(run, MAILBOX, "mailbox_audit_operations")


# --- Sign-ins, whose outcomes the verdicts tell


def _sign_ins_of(log_type: LogType) -> Callable[[CaseRun], Iterable[Indicator]]:
    def verify(run: CaseRun) -> Iterator[Indicator]:
        yield from _sprays(run, log_type)
        yield from _legacy(run, log_type)

    return verify


def _sprays(run: CaseRun, log_type: LogType) -> Iterator[Indicator]:
    found = measured.password_sprays(run.con, log_type, run.pack.policy.indicators.spray_accounts)
    if found.rejected:
        detail = {"rejected": found.rejected, "right password, stopped": found.stopped, "succeeded": found.succeeded}
        told = {word: count for word, count in detail.items() if count}
        yield indicator(
            log_type,
            "credential",
            "password spray",
            Severity.WARNING,
            found.rejected,
            found.reach,
            told,
            "T1110.003",
            {},
        )


def _legacy(run: CaseRun, log_type: LogType) -> Iterator[Indicator]:
    found = measured.legacy_sign_ins(run.con, log_type)
    if not found:
        return
    detail = {outcome: rows for outcome, rows, _ in found}
    came_in = [reach for outcome, _, reach in found if outcome == Outcome.SUCCESS]
    reach = came_in[0] if came_in else max(found, key=lambda one: one[1])[2]
    severity = Severity.WARNING if came_in else Severity.INFO
    rows = sum(detail.values())
    yield indicator(log_type, "access", "legacy authentication", severity, rows, reach, detail, "T1078.004", {})


VERIFIERS: tuple[Verifier, ...] = (
    Verifier(LogType.SIGN_IN, _sign_ins_of(LogType.SIGN_IN)),
    Verifier(LogType.UAL, _unified_audit_log, _gather_audit_log),
    Verifier(LogType.LEGACY, _sign_ins_of(LogType.LEGACY)),
    Verifier(LogType.ENTRA_AUDIT, _acts_of(LogType.ENTRA_AUDIT), _gather_operations(LogType.ENTRA_AUDIT)),
    Verifier(TRACE, _acts_of(TRACE), _gather_mail),
    Verifier(MAILBOX, _mailbox_audit, _gather_operations(MAILBOX)),
    Verifier(FACTORS, _acts_of(FACTORS), _gather_operations(FACTORS)),
    *(Verifier(one, _acts_of(one), _gather_rows(one)) for one in (*RISKS, ALERTS, *IN_FORCE)),
)
"""Every verifier, by the log it reads."""
