"""Verifiers: one for every log type, each telling what its log points to beside sign-in outcomes. What an operation
means is judged in `core.indicators`, the verdicts that rest on it in `verification`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from m365dq_dagster.adapters import indicators as measured
from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.indicators import ActKind, KindReading, KnownName, Reach
from m365dq_dagster.adapters.rule_pack import OperationRow
from m365dq_dagster.core import indicators as core
from m365dq_dagster.core.indicators import FAMILIES, RANK, Act, Actor, Known
from m365dq_dagster.core.outcome import LogType, Severity
from m365dq_dagster.core.parameters import read_parameters
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

ACT_LOGS = (LogType.UAL, LogType.ENTRA_AUDIT)
"""Logs of administrative operations, which are read by their parameters."""


@dataclass(frozen=True)
class Verifier:
    """What verifies one log type."""

    log_type: str
    verify: Callable[[CaseRun], Iterable[Indicator]]


def read_acts(run: CaseRun) -> None:
    """Gather what was done in the logs of operations and judge each distinct way once; before accounts are judged."""
    con, policy = run.con, run.pack.policy
    measured.start(con)
    known = known_in(run.pack.operations)
    for log_type in ACT_LOGS:
        if measured.has_rows(con, log_type):
            names = measured.operation_names(con, log_type)
            measured.gather_acts(con, log_type, [*_known_names(log_type, names, known)])
    domains = measured.own_domains(con, policy.indicators.domain_share)
    readings = [_reading(kind, known[kind.name], domains) for kind in measured.act_kinds(con)]
    measured.keep_readings(con, readings, policy.breach.habit_days)


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
            )


def _is_act(log_type: str, name: str, known: Known) -> bool:
    if log_type == LogType.ENTRA_AUDIT:
        return known.severity is not Severity.INFO
    return name not in BULK and (name in core.READERS or known.severity is Severity.CRITICAL)


def _reading(kind: ActKind, known: Known, domains: frozenset[str]) -> KindReading:
    parameters = read_parameters(kind.parameters, kind.more)
    act = Act(kind.name, parameters, Actor(kind.actor), kind.account, kind.target, core.failed(kind.result), domains)
    found = core.judge_act(act, known)
    return KindReading(
        kind.kind,
        found.label,
        str(found.severity),
        str(found.after_foreign),
        found.indicator or known.indicator,
        found.mitre or known.mitre,
    )


def verify_all(run: CaseRun) -> list[Indicator]:
    """What every verifier tells, the gravest first; keeps how many ran. `read_acts` and the accounts come before."""
    ran = [one for one in VERIFIERS if one.log_type in CORE_LOGS or measured.has_rows(run.con, one.log_type)]
    found = [indicator for one in ran for indicator in one.verify(run)]
    measure.note(run.con, VERIFIERS_RAN, str(len(ran)))
    return sorted(found, key=_order)


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
) -> Indicator:
    """An indicator as the document shows it."""
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
        )


AFTER_FOREIGN = "after a foreign success"


def _details(rows: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    told = _sums((row[0], row[-1]) for row in rows)
    followed = sum(row[-1] for row in rows if row[5])
    return {**told, **({AFTER_FOREIGN: followed} if followed else {})}


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word, count in pairs:
        found[word] = found.get(word, 0) + count
    return found


def _bulk(run: CaseRun) -> Iterator[Indicator]:
    for known, rows, by_persons, not_named, reach in measured.bulk_operations(run.con):
        others = rows - by_persons - not_named
        severity = Severity(known.severity) if by_persons or not_named else Severity.INFO
        actors = {"person": by_persons, "not named": not_named, "system": others}
        detail = measured.mail_access(run.con) if known.operation == "MailItemsAccessed" else {}
        yield indicator(
            LogType.UAL,
            known.indicator,
            known.operation,
            severity,
            rows,
            reach,
            detail,
            known.mitre,
            {word: count for word, count in actors.items() if count},
        )


def _unified_audit_log(run: CaseRun) -> Iterator[Indicator]:
    yield from _acts(run, LogType.UAL)
    yield from _bulk(run)


def _directory_audit(run: CaseRun) -> Iterator[Indicator]:
    yield from _acts(run, LogType.ENTRA_AUDIT)


def _nothing_yet(run: CaseRun) -> Iterator[Indicator]:
    """Sign-ins are verified by their outcomes: the verdicts tell them."""
    yield from ()


VERIFIERS: tuple[Verifier, ...] = (
    Verifier(LogType.SIGN_IN, _nothing_yet),
    Verifier(LogType.UAL, _unified_audit_log),
    Verifier(LogType.LEGACY, _nothing_yet),
    Verifier(LogType.ENTRA_AUDIT, _directory_audit),
)
"""Every verifier, by the log it reads."""
