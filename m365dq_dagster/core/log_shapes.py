"""What an audit log is made of, compared with earlier imports: operations that vanished, got another name or another
record type, and how far back a log reaches. Fields are compared in `schema_diff`.

Tenants differ in what they use, so an operation that one tenant lacks says nothing: it must have been regular in
earlier imports of the same tenant, or in several cases."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.schema_changes import ChangeKind, SchemaChange
from m365dq_dagster.core.schema_diff import SHARE_FACTOR, alike

CASES = 3
"""Earlier cases that must agree that an operation is regular, where none is of the same tenant."""

ENOUGH = 30
"""Rows of a record type below which nothing is said of what is missing among them."""

REGULAR_ROWS, REGULAR_SHARE = 5, 0.01
"""Rows of an operation, and its share of the rows of its record type, from which it is regular in a case."""

EXPECTED = 10
"""Rows of the operation that the new import should hold at the least share seen before: none of 10 that come one by one
has a chance of 1 in 20,000; that they come in bursts is what `CASES` is for."""

SLACK = timedelta(days=7)
"""By how much an export may reach over the retention: it may have been collected over some days."""

SURFACE = "operations of the audit log"

LOGON_TYPES = frozenset({"15", "AzureActiveDirectoryStsLogon"})
"""The record type of logons, by number and name."""


@dataclass(frozen=True)
class OperationRows:
    """Rows of one operation under one record type in one case. `tenant` is a digest, or None where no row names one."""

    case_id: str
    record_type: str
    operation: str
    rows: int
    tenant: str | None = None
    first_event: datetime | None = None
    last_event: datetime | None = None


@dataclass(frozen=True)
class Span:
    """How many days before its last event a log of one case begins."""

    case_id: str
    log_type: str
    days: float


@dataclass(frozen=True)
class Known:
    """What the product knows of operations: those that it looks for, and the record types whose rows are the logons
    that it judges."""

    operations: frozenset[str]
    logon_types: frozenset[str] = LOGON_TYPES
    log_type: str = "unified_audit_log"


Shape = Mapping[tuple[str, str], OperationRows]


def operation_changes(
    earlier: Iterable[OperationRows], seen: Iterable[OperationRows], known: Known, source: str
) -> tuple[SchemaChange, ...]:
    """Operations that were regular before and are none now: under another record type, under another name, or gone."""
    now = {(one.record_type, one.operation): one for one in seen}
    before = _by_case(earlier, now)
    if not before:
        return ()
    ever = {key for shape in before.values() for key in shape}
    found = [_judged(key, before, ever, now, known, source) for key in sorted(ever) if _missed(key, before, now)]
    return tuple(change for change in found if change)


def _by_case(earlier: Iterable[OperationRows], now: Shape) -> dict[str, Shape]:
    """The earlier imports in the order given, without what is younger than all that is seen now."""
    ends = max((one.last_event for one in now.values() if one.last_event), default=None)
    found: dict[str, dict[tuple[str, str], OperationRows]] = defaultdict(dict)
    for one in earlier:
        if not (ends and one.first_event and one.first_event > ends):
            found[one.case_id][one.record_type, one.operation] = one
    return dict(found)


def _of_type(shape: Shape, record_type: str) -> int:
    return sum(one.rows for (kind, _), one in shape.items() if kind == record_type)


def _share(shape: Shape, key: tuple[str, str]) -> float:
    one = shape.get(key)
    return one.rows / _of_type(shape, key[0]) if one else 0.0


def _missed(key: tuple[str, str], before: Mapping[str, Shape], now: Shape) -> bool:
    """Whether the operation was regular and should occur under this record type, and does not."""
    if key in now:
        return False
    shares = _regular_shares(key, before, now)
    rows = max(_of_type(now, key[0]), _elsewhere(key, now))
    return bool(shares) and rows >= ENOUGH and min(shares) * rows >= EXPECTED


def _elsewhere(key: tuple[str, str], now: Shape) -> int:
    """Rows of the record types under which the same operation stands now."""
    return sum(_of_type(now, kind) for kind, name in now if name == key[1])


def _regular_shares(key: tuple[str, str], before: Mapping[str, Shape], now: Shape) -> list[float]:
    """The shares of an operation in the imports that speak for it: those of the same tenant, or at least `CASES`."""
    tenants = {one.tenant for one in now.values() if one.tenant}
    asked = [shape for shape in before.values() if _of_type(shape, key[0]) >= ENOUGH]
    own = [shape for shape in asked if tenants & {one.tenant for one in shape.values() if one.tenant}]
    if own and all(_is_regular(shape, key) for shape in own):
        return [_share(shape, key) for shape in own]
    regular = [shape for shape in asked if _is_regular(shape, key)]
    agreed = len(regular) >= CASES and len(regular) == len(asked)
    return [_share(shape, key) for shape in regular] if agreed else []


def _is_regular(shape: Shape, key: tuple[str, str]) -> bool:
    return key in shape and shape[key].rows >= REGULAR_ROWS and _share(shape, key) >= REGULAR_SHARE


def _judged(
    key: tuple[str, str],
    before: Mapping[str, Shape],
    ever: set[tuple[str, str]],
    now: Shape,
    known: Known,
    source: str,
) -> SchemaChange | None:
    record_type, operation = key
    told = f"operation '{one_line(operation)}' of record type {one_line(record_type)}"
    moved = sorted(kind for kind, name in now if name == operation and (kind, name) not in ever)
    if moved:
        lost = record_type in known.logon_types and moved[0] not in known.logon_types
        severity = Severity.CRITICAL if lost else _severity(known, operation, key)
        detail = f"{told} is recorded under record type {one_line(moved[0])}"
        return _change(
            ChangeKind.RECORD_TYPE_CHANGED, severity, known, f"{record_type} {operation}", moved[0], detail, source
        )
    if any(name == operation for _, name in now):
        return None
    successor = _successor(key, before, ever, now)
    if successor:
        detail = f"{told} is gone, and '{one_line(successor)}' takes its place"
        severity = _severity(known, operation, key)
        return _change(ChangeKind.OPERATION_RENAMED, severity, known, operation, successor, detail, source)
    detail = f"{told} is gone, which was regular before"
    return _change(ChangeKind.OPERATION_VANISHED, Severity.INFO, known, operation, "", detail, source)


def _severity(known: Known, operation: str, key: tuple[str, str]) -> Severity:
    return Severity.WARNING if operation in known.operations or key[0] in known.logon_types else Severity.INFO


def _successor(key: tuple[str, str], before: Mapping[str, Shape], ever: set[tuple[str, str]], now: Shape) -> str | None:
    """The operation of the same record type that no earlier import has, with a name that shares a word and about the
    share of rows of the one that is gone."""
    shares = [share for shape in before.values() if (share := _share(shape, key))]
    usual = sum(shares) / len(shares)
    fresh = [name for kind, name in now if kind == key[0] and (kind, name) not in ever]
    likely = [
        name
        for name in fresh
        if _words(name) & _words(key[1]) and usual / SHARE_FACTOR <= _share(now, (key[0], name)) <= usual * SHARE_FACTOR
    ]
    return max(likely, key=lambda name: (alike(name, key[1]), name), default=None)


def _words(name: str) -> set[str]:
    return {word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)}


def _change(
    kind: ChangeKind, severity: Severity, known: Known, before: str, after: str, detail: str, source: str
) -> SchemaChange:
    return SchemaChange(kind, severity, known.log_type, SURFACE, before, after, None, detail, source)


def retention_change(
    spans: Sequence[Span], longest: Mapping[str, int], log_type: str, source: str
) -> SchemaChange | None:
    """A lead: in several cases a log begins further back than any licence is known to keep it. `longest` gives the days
    of the most generous known retention by log type. That a log begins later says nothing: windows are chosen."""
    days = longest.get(log_type)
    beyond = {one.case_id: one.days for one in spans if days and one.days > days + SLACK.days}
    if len(beyond) < CASES:
        return None
    detail = (
        f"{len(beyond)} cases begin more than {days} days before their end (up to {int(max(beyond.values()))}), the "
        "longest retention that is known"
    )
    return SchemaChange(
        ChangeKind.RETENTION,
        Severity.INFO,
        log_type,
        "reach of the log",
        f"{days} days",
        "longer",
        None,
        detail,
        source,
    )
