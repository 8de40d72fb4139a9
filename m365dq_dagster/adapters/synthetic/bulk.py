"""Single logs of any length, streamed: ordinary sign-ins, audit records or legacy attempts of a large honest tenant.

Rows come in order of time and are made as they are asked for, so that a million of them need no memory. Whole cases
belong to ``stories``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from .auditing import housekeeping, logon, routine
from .draws import Draws
from .events import WINDOW_DAYS, WINDOW_START, AuditRecord, LegacyAttempt, SignIn, sign_in
from .incident import LEGACY_CLIENTS
from .tenant import HOME_CITIES, OFFICE, PEOPLE_APPS, Person, crowd
from .vocabulary import ConditionalAccess, Deed

T = TypeVar("T")

ROWS_EACH = 100
"""Rows of one person, roughly."""
PEOPLE_LIMITS = (5, 20_000)
WINDOW_SECONDS = WINDOW_DAYS * 86_400

CUMULATED: tuple[tuple[float, Deed], ...] = (
    (0.970, Deed.SIGNED_IN),
    (0.980, Deed.MISTYPED_PASSWORD),
    (0.988, Deed.ASKED_TO_STAY_SIGNED_IN),
    (0.995, Deed.ASKED_FOR_MFA),
    (0.997, Deed.NO_SILENT_SESSION),
    (0.998, Deed.ASKED_TO_REGISTER_RESET),
    (0.999, Deed.LOCKED_OUT),
    (1.000, Deed.BLOCKED_BY_POLICY),
)
"""Shares of the deeds, added up."""


def _people(draws: Draws, rows: int) -> tuple[Person, ...]:
    fewest, most = PEOPLE_LIMITS
    return crowd(draws, min(most, max(fewest, rows // ROWS_EACH)))


def _moments(draws: Draws, rows: int) -> Iterator[datetime]:
    """Evenly spread over the window with a little jitter, never going back."""
    step = WINDOW_SECONDS / rows
    for number in range(rows):
        yield WINDOW_START + timedelta(seconds=int((number + draws.share()) * step))


def _deed(share: float) -> Deed:
    return next(deed for limit, deed in CUMULATED if share < limit)


def _sign_in(draws: Draws, moment: datetime, people: Sequence[Person]) -> SignIn:
    person = draws.one(people)
    deed = _deed(draws.share())
    quiet = deed is Deed.SIGNED_IN and draws.share() < 0.6
    uncovered = deed is Deed.SIGNED_IN and draws.share() < 0.01
    return sign_in(
        draws,
        moment,
        person,
        OFFICE if quiet else draws.one(PEOPLE_APPS),
        interactive=not quiet,
        deed=deed,
        policies=ConditionalAccess.NOT_APPLIED if uncovered else None,
    )


def many_sign_ins(seed: int, rows: int) -> Iterator[SignIn]:
    """``rows`` sign-ins at home, 97 % successful, none foreign."""
    draws = Draws(seed, "signins")
    people = _people(draws, rows)
    return (_sign_in(draws, moment, people) for moment in _moments(draws, rows))


def many_audit_records(seed: int, rows: int) -> Iterator[AuditRecord]:
    """``rows`` audit records: three in ten are logons, the rest ordinary work and the system's housekeeping."""
    draws = Draws(seed, "ual")
    people = _people(draws, rows)
    return (_audit_record(draws, moment, people) for moment in _moments(draws, rows))


def _audit_record(draws: Draws, moment: datetime, people: Sequence[Person]) -> AuditRecord:
    kind = draws.share()
    if kind < 0.3:
        return logon(draws, _sign_in(draws, moment, people))
    if kind < 0.32:
        return housekeeping(draws, draws.below(WINDOW_DAYS))._replace(time=moment)
    return routine(draws, moment, draws.one(people))


def many_legacy_attempts(seed: int, rows: int) -> Iterator[LegacyAttempt]:
    """``rows`` attempts over old protocols, two thirds wrong passwords and one third lockouts; none succeeds."""
    draws = Draws(seed, "legacy")
    people = _people(draws, rows)
    return (_legacy_attempt(draws, moment, people) for moment in _moments(draws, rows))


def _legacy_attempt(draws: Draws, moment: datetime, people: Sequence[Person]) -> LegacyAttempt:
    person = draws.one(people)
    proxy = draws.below(200)
    return LegacyAttempt(
        moment,
        person.account,
        person.name,
        draws.one(LEGACY_CLIENTS),
        f"192.0.2.{1 + proxy}",
        HOME_CITIES[proxy % len(HOME_CITIES)],
        Deed.MISTYPED_PASSWORD if draws.share() < 0.66 else Deed.LOCKED_OUT,
    )


def counted(rows: Iterator[T], count: Callable[[T], None]) -> Iterator[T]:
    """The same rows, each shown to ``count`` on its way."""
    for row in rows:
        count(row)
        yield row
