"""What evidence cannot show although it seems to: rows that stand for something else than they say, that come late,
that are withheld, or that are lacking where another log is busy. Sentences for the analyst, from measured facts.

What no evidence of a kind can show at all stands in `verdict.not_tested`; missing files and hours in `completeness`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from m365dq_dagster.core.narrative import elided, plural, some

CHANGES = {"add": "made", "update": "changed", "delete": "removed", "remove": "removed"}
MOST = 5


@dataclass(frozen=True)
class PolicyChange:
    """A Conditional Access policy that was made, changed or removed; `what` is the log's verb, `by` the account."""

    moment: datetime
    name: str
    what: str
    by: str | None = None


@dataclass(frozen=True)
class Unseen:
    """A person at work in the audit log whom the sign-in log never let in. `rows` counts what was done, `from_refused`
    those from an address at which the person's sign-ins were refused; `tried` says that there are such sign-ins,
    `known_domain` that the sign-in log holds any of the person's domain."""

    account: str
    rows: int
    from_refused: int = 0
    tried: bool = False
    known_domain: bool = True
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What was measured. `begins` and `ends` are the first and last sign-in; `refreshes` counts non-interactive
    sign-ins, `factor_rows` authentication details, `synced` downloads of whole mail folders, `risk_rows` sign-ins of
    exports with risk columns and `withheld_risk` those of them without a value, `stopped_later` sign-ins that were
    stopped after the first factor; `policies_dated` says that a log or list tells when policies were made."""

    begins: datetime | None = None
    ends: datetime | None = None
    refreshes: int = 0
    factor_rows: int = 0
    factor_newest: datetime | None = None
    audit_newest: datetime | None = None
    synced: int = 0
    synced_by: tuple[str, ...] = ()
    risk_rows: int = 0
    withheld_risk: int = 0
    policies: tuple[PolicyChange, ...] = ()
    policies_dated: bool = False
    stopped_later: int = 0
    unseen: tuple[Unseen, ...] = ()

    @property
    def contradicting(self) -> tuple[Unseen, ...]:
        """Those whose activity contradicts the sign-in log: it refused them, or it has the sign-ins by token of their
        domain, among which they would have to stand."""
        return tuple(one for one in self.unseen if one.tried or (self.refreshes and one.known_domain))


def sentences(limits: Limits) -> tuple[str, ...]:
    """One sentence for each limit that the evidence meets."""
    return tuple(_sentences(limits))


def _sentences(limits: Limits) -> Iterator[str]:
    if limits.refreshes:
        yield (
            f"Where refreshed tokens are used: {plural(limits.refreshes, 'non-interactive sign-in')} may show the "
            "address at which the token was first issued, as a web application that refreshes it on its own server "
            "does; an attacker's address need not appear."
        )
    if limits.factor_rows:
        newest = f"; the newest is of {_at(limits.factor_newest)}" if limits.factor_newest else ""
        yield (
            f"Which factors were given: {plural(limits.factor_rows, 'row')} of authentication details can be wrong or "
            f"lack steps that are filled in later by the service{newest}, so nothing is judged by them. Export them "
            "again a day later."
        )
    if limits.audit_newest:
        yield (
            "What had not arrived yet: records of the audit log arrive late and in no order, 60 to 90 minutes as a "
            f"rule and longer for some services. The newest is of {_at(limits.audit_newest)}; export the day before "
            "that and the time since again."
        )
    if limits.synced:
        by = f" by {some(list(limits.synced_by), MOST)}" if limits.synced_by else ""
        yield (
            f"Which mails were read: {plural(limits.synced, 'MailItemsAccessed row')} of type Sync{by} stand"
            f"{'s' if limits.synced == 1 else ''} for whole folders; take every mail in them as exposed."
        )
    if limits.withheld_risk:
        yield (
            f"Risk: {limits.withheld_risk:,} of {plural(limits.risk_rows, 'sign-in')} carry no value of risk, as where "
            "the licence is missing and the word is 'hidden'. A value that is withheld is not 'none'."
        )
    yield from _policies(limits)
    silent = [one.account for one in limits.unseen if one not in limits.contradicting]
    if silent:
        why = "knows nobody of that domain" if limits.refreshes else "holds no sign-ins by token"
        yield (
            f"How {plural(len(silent), 'account')} got in: {some(silent, MOST)} "
            f"{'is' if len(silent) == 1 else 'are'} at work in the audit log and absent from the sign-in log, which "
            f"{why}; an older token explains that as well as a sign-in without a row."
        )


def _policies(limits: Limits) -> Iterator[str]:
    changes = sorted(set(limits.policies), key=lambda one: (one.moment, one.name, one.what))
    if limits.stopped_later and not limits.policies_dated:
        yield _undated(limits.stopped_later)
    if not changes:
        return
    named = [
        f"'{elided(one.name, 60)}' {CHANGES.get(one.what, 'changed')} {_at(one.moment)}"
        + (f" by {one.by}" if one.by else "")
        for one in changes
    ]
    were, them = ("was", "it") if len(changes) == 1 else ("were", "them")
    made = f"{plural(len(changes), 'policy', 'policies')} {were} made or changed after the first sign-in"
    yield (
        f"What Conditional Access would have stopped: {made} ({some(named, MOST)}). Earlier sign-ins were not under "
        f"{them}; read no outcome from a policy that stands today."
    )


def _undated(stopped: int) -> str:
    were = "was" if stopped == 1 else "were"
    return (
        f"Since when policies stop sign-ins: {plural(stopped, 'sign-in')} {were} stopped after the first factor, and "
        "nothing in the evidence dates the policies. Ask when each was made before relying on it for earlier times."
    )


def activity_detail(unseen: Sequence[Unseen]) -> str:
    """The sentence of a contradiction between the audit log and the sign-in log."""
    named = [f"{one.account} ({_counted(one)})" for one in unseen]
    return (
        f"The audit log shows {plural(len(unseen), 'account')} at work while the sign-in log was being written, which "
        f"holds no sign-in that could have let {'it' if len(unseen) == 1 else 'them'} in: {some(named, MOST)}. A token "
        "may have been issued without a row, or rows are missing: revoke the sessions and compare with another copy of "
        "the sign-in log."
    )


def _counted(one: Unseen) -> str:
    told = plural(one.rows, "row")
    return f"{told}, {one.from_refused:,} from addresses that were refused" if one.from_refused else told


def one_change_each(changes: Iterable[PolicyChange]) -> tuple[PolicyChange, ...]:
    """Changes told by several logs once, to the minute; the telling that names who did it is kept."""
    found: dict[tuple[str, str, datetime], PolicyChange] = {}
    for one in changes:
        key = (one.name, CHANGES.get(one.what, one.what), one.moment.replace(second=0, microsecond=0))
        if key not in found or (one.by and not found[key].by):
            found[key] = one
    return tuple(found.values())


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "an unknown time"
