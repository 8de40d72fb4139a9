"""What never was there to be exported: logs and sign-in types that nobody collected, mail reads that were throttled or
not licensed, events past their retention, losses at the vendor. The vocabulary of leads stands in `completeness`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from m365dq_dagster.core.completeness import (
    A_DAY,
    FAULT,
    LICENCE,
    LOSS,
    SETTLED_EVENTS,
    WHAT_TO_DO,
    CompletenessKind,
    Missing,
    Retention,
    Rhythm,
    VendorChange,
    at,
    midnight,
)
from m365dq_dagster.core.narrative import plural, some
from m365dq_dagster.core.outcome import LogType

THROTTLED_FOR = timedelta(hours=24)
FAR = 3
"""A silence this many times as long as a known loss is not laid to it."""

# Logs and sign-in types that are absent, throttling


NAMES = {
    LogType.SIGN_IN: "sign-in logs",
    LogType.UAL: "unified audit log",
    LogType.ENTRA_AUDIT: "Entra directory audit log",
}
SIGN_IN_TYPES = {
    "interactive": "sign-ins with a password",
    "non-interactive": "token replay",
    "service principal": "what applications did",
    "managed identity": "what managed identities did",
}
"""The types of sign-ins, and what cannot be seen where one is absent."""


def absent_logs(rows: Mapping[str, int], unread: Sequence[str] = ()) -> list[Missing]:
    """Logs of which no row was taken in. `rows` counts the events of each log the program knows; `unread` are files
    that were not read and may hold them.

    The directory audit log is missed only where the unified audit log, which tells of the same changes, is missing
    as well."""
    wanted = [LogType.SIGN_IN, LogType.UAL]
    if LogType.ENTRA_AUDIT in rows and not rows.get(LogType.UAL):
        wanted.append(LogType.ENTRA_AUDIT)
    were = "was" if len(unread) == 1 else "were"
    end = f" ({plural(len(unread), 'file')} {were} not taken in: {some(list(unread), 3)})" if unread else ""
    return [
        Missing(
            CompletenessKind.MISSING_LOG_TYPE,
            log_type,
            None,
            None,
            f"the folder holds no {NAMES[log_type]}{end}, and nothing can be said about what would stand there; "
            f"{WHAT_TO_DO[CompletenessKind.MISSING_LOG_TYPE]}",
        )
        for log_type in wanted
        if not rows.get(log_type)
    ]


def absent_sign_in_types(counts: Mapping[str, int], typed: int, rows: int) -> list[Missing]:
    """Sign-in types without a row. `counts` by the words of `SIGN_IN_TYPES`; `typed` rows say their type."""
    if not rows:
        return []
    absent = [name for name in SIGN_IN_TYPES if not counts.get(name)]
    if not typed:
        detail = (
            "no file says whether its sign-ins are interactive; absent sign-in types cannot be told; look which "
            "were exported, or export them as JSON, which names them"
        )
    elif absent:
        unseen = " and ".join(SIGN_IN_TYPES[name] for name in absent)
        detail = (
            f"{_none_of(', '.join(absent), rows - typed)}, so {unseen} cannot be seen; "
            f"{WHAT_TO_DO[CompletenessKind.MISSING_LOG_TYPE]}"
        )
    else:
        return []
    return [Missing(CompletenessKind.MISSING_LOG_TYPE, LogType.SIGN_IN, None, None, detail)]


def _none_of(types: str, silent: int) -> str:
    """That sign-ins of some types are absent, or, where rows name no type, that none is known to be one."""
    if not silent:
        return f"no {types} sign-ins in the folder"
    which = "1 row names" if silent == 1 else f"{silent:,} rows name"
    return f"{types} sign-ins: none that says so, and {which} no type"


@dataclass(frozen=True)
class Throttled:
    """A mailbox whose reads were too many to be logged: when (None where no row has a time) and by how many rows."""

    log_type: str
    account: str | None
    moment: datetime | None
    rows: int


def throttled(marks: Iterable[Throttled]) -> list[Missing]:
    """Mailbox hours in which reads were not logged: up to 24 h from each mark, what touches is one stretch."""
    found: list[Missing] = []
    ordered = sorted(marks, key=lambda m: (m.account or "", m.moment is None, m.moment or datetime.min, m.log_type))
    for account, group in groupby(ordered, key=lambda mark: mark.account or ""):
        items = list(group)
        for stretch in _stretches([mark for mark in items if mark.moment]) or [items]:
            untimed = [mark for mark in items if not mark.moment]
            found.append(_throttled(account, stretch if stretch is items else stretch + untimed))
    return found


def _stretches(marks: Sequence[Throttled]) -> list[list[Throttled]]:
    found: list[list[Throttled]] = []
    for mark in marks:
        before = found[-1][-1].moment if found else None
        if before and mark.moment and mark.moment - before <= THROTTLED_FOR:
            found[-1].append(mark)
        else:
            found.append([mark])
    return found


def _throttled(account: str, marks: Sequence[Throttled]) -> Missing:
    moments = [mark.moment for mark in marks if mark.moment]
    rows = max(
        sum(mark.rows for mark in marks if mark.log_type == log_type) for log_type in {m.log_type for m in marks}
    )
    detail = (
        f"{account or 'an unnamed mailbox'}: {rows:,} MailItemsAccessed rows say IsThrottled; up to 24 h of mail "
        f"reads were not logged, {WHAT_TO_DO[CompletenessKind.THROTTLED]}"
    )
    ends = max(moments) + THROTTLED_FOR if moments else None
    return Missing(CompletenessKind.THROTTLED, marks[0].log_type, min(moments, default=None), ends, detail)


# Retention, and what the vendor lost or did not log


@dataclass(frozen=True)
class Span:
    """First and last event of a log, and when it was collected, where that is known."""

    log_type: str
    begins: datetime
    ends: datetime
    events: int
    collected: datetime | None = None


@dataclass(frozen=True)
class Incident:
    """What the responder says beforehand: the window to look at (None where open) and the tenant's licence."""

    begins: datetime | None = None
    ends: datetime | None = None
    licence: str | None = None


def kept(span: Span, rules: Iterable[Retention], licence: str | None) -> tuple[Retention, ...]:
    """The retentions that may apply to a log: those of the licence where it is known to the table, else all."""
    known = [rule for rule in rules if rule.log_type == span.log_type and rule.holds(span.ends)]
    named = [rule for rule in known if licence and any(_named_in(word, licence) for word in rule.licences)]
    return tuple(sorted(named or known, key=lambda rule: rule.days))


def _named_in(word: str, licence: str) -> bool:
    return re.search(rf"(?<![a-z0-9]){re.escape(word.casefold())}(?![a-z0-9])", licence.casefold()) is not None


def at_edge(span: Span, rules: Iterable[Retention], licence: str | None) -> Retention | None:
    """The retention at whose edge a log begins: as many days back from its end, or from its collection, give or take
    one."""
    if span.events < SETTLED_EVENTS:
        return None
    ends = [span.ends] + ([span.collected] if span.collected and span.collected > span.ends else [])
    for rule in kept(span, rules, licence):
        if any(abs((end - span.begins) - timedelta(days=rule.days)) <= A_DAY for end in ends):
            return rule
    return None


def retention(spans: Iterable[Span], rules: Sequence[Retention], incident: Incident) -> list[Missing]:
    """Logs that begin where their retention ends, or after the incident did: what lies before may have expired and is
    no hole."""
    found = []
    for span in spans:
        edge = at_edge(span, rules, incident.licence)
        late = incident.begins is not None and span.begins - incident.begins > A_DAY
        if edge or late:
            found.append(_expired(span, edge, kept(span, rules, incident.licence), incident.begins if late else None))
    return found


def _expired(span: Span, edge: Retention | None, rules: Sequence[Retention], asked: datetime | None) -> Missing:
    late = f"the incident window begins at {at(asked)} and the first event is of {at(span.begins)}" if asked else ""
    if edge:
        back = f"the first event lies {edge.days} days back, which is how long this log is kept ({edge.tier})"
        why = f"{late}; {back}" if late else back
    else:
        lengths = ", ".join(f"{rule.days} days with {rule.tier}" for rule in rules)
        why = f"{late}; this log is kept {lengths}" if lengths else late
    detail = (
        f"{why}: earlier events may simply have expired or were not asked for, which is no hole; "
        f"{WHAT_TO_DO[CompletenessKind.RETENTION]}"
    )
    return Missing(CompletenessKind.RETENTION, span.log_type, asked, span.begins, detail)


def ends_early(spans: Iterable[Span], rhythms: Mapping[str, Rhythm], incident: Incident) -> list[Missing]:
    """Logs that stop before the incident window does."""
    found = []
    for span in spans:
        rhythm = rhythms.get(span.log_type)
        if incident.ends and rhythm and rhythm.is_settled and incident.ends - span.ends > max(rhythm.threshold, A_DAY):
            detail = (
                f"the incident window ends at {at(incident.ends)} and the last event is of {at(span.ends)}; "
                "export the rest as well"
            )
            found.append(Missing(CompletenessKind.WINDOW, span.log_type, span.ends, incident.ends, detail))
    return found


def collected_early(spans: Iterable[Span]) -> list[Missing]:
    """Logs that were collected within a day of their last event, as far as the collector's clock tells: records arrive
    late and in no order, so the last hours may lack some."""
    found = []
    for span in spans:
        if span.collected and abs(span.collected - span.ends) <= A_DAY:
            detail = (
                f"collected at {at(span.collected)} by the collector's clock, and the last event is of {at(span.ends)}:"
                " records arrive in no order and 60 to 90 minutes late as a rule, of some services later, so the last "
                "hours may lack some; export that day again"
            )
            found.append(Missing(CompletenessKind.WINDOW, span.log_type, span.ends - A_DAY, span.ends, detail))
    return found


def vendor_losses(
    spans: Iterable[Span], rhythms: Mapping[str, Rhythm], changes: Iterable[VendorChange], incident: Incident
) -> list[Missing]:
    """Times in the evidence, or in the incident window, in which Microsoft is known to have lost or spoilt events."""
    found = []
    known = [change for change in changes if change.kind in (LOSS, FAULT)]
    for span in spans:
        for change in known:
            asked = change.kind == LOSS and change.touches(incident.begins, incident.ends)
            seen = change.touches(span.begins, span.ends) and not _far_from(change, rhythms[span.log_type])
            if span.log_type in change.log_types and (seen or asked):
                found.append(_vendor_loss(span, change))
    return found


def _far_from(change: VendorChange, rhythm: Rhythm) -> bool:
    """True where the evidence is silent all those days, and around a loss for long: files of other times lie on both
    sides."""
    assert change.begins
    assert change.ends
    begins, ends = midnight(change.begins), midnight(change.ends) + A_DAY
    least = FAR * (ends - begins) if change.kind == LOSS else timedelta(0)
    return any(gap.begins <= begins and ends <= gap.ends and gap.length >= least for gap in rhythm.gaps)


def _vendor_loss(span: Span, change: VendorChange) -> Missing:
    assert change.begins
    assert change.ends
    days = f"{change.begins}" if change.begins == change.ends else f"{change.begins} to {change.ends}"
    todo = (
        WHAT_TO_DO[CompletenessKind.VENDOR_LOG_LOSS]
        if change.kind == LOSS
        else "do not judge by that value in that time"
    )
    detail = f"{days}: known fault at Microsoft ({change.surface}): {change.effect}; {todo} ({change.source})"
    ends = midnight(change.ends) + A_DAY
    return Missing(CompletenessKind.VENDOR_LOG_LOSS, span.log_type, midnight(change.begins), ends, detail)


@dataclass(frozen=True)
class MailboxRows:
    """The mailbox rows of the audit log: how many, from when, and how many of each licensed operation."""

    rows: int
    begins: datetime | None = None
    operations: Mapping[str, int] = field(default_factory=dict)


MAIL_READ = "MailItemsAccessed"
FEW_MAILBOX_ROWS = 20


def unlogged_operations(mail: MailboxRows, changes: Iterable[VendorChange]) -> list[Missing]:
    """Mail reads that nobody logged: mailbox rows and not one `MailItemsAccessed`. Its absence proves nothing."""
    if mail.rows < FEW_MAILBOX_ROWS or mail.operations.get(MAIL_READ):
        return []
    rule = next((c for c in changes if c.kind == LICENCE and MAIL_READ in c.operations and c.begins), None)
    early = rule and rule.begins and mail.begins and mail.begins < midnight(rule.begins)
    since = f"; before {rule.begins:%B %Y} they were logged with {rule.before} alone" if rule and early else ""
    detail = (
        f"{mail.rows:,} mailbox rows and no {MAIL_READ} among them: that mail was read cannot be ruled out{since}; "
        "look at the licence and the audit settings of the mailboxes"
    )
    return [Missing(CompletenessKind.MISSING_LOG_TYPE, LogType.UAL, None, None, detail)]


def full_targets(rows: int, begins: datetime | None, ends: datetime | None) -> list[Missing]:
    """Rows of the portal's directory audit that hold as many targets (3) or properties (5) as its exporter keeps."""
    if not rows:
        return []
    detail = (
        f"{plural(rows, 'row')} of the portal's audit export fill{'s' if rows == 1 else ''} all 3 targets or all 5 "
        "properties that it has columns for; further ones are dropped without a word, export as JSON to see them"
    )
    return [Missing(CompletenessKind.CAP, LogType.ENTRA_AUDIT, begins, ends, detail)]
