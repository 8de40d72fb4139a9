"""What a story is: rows of the logs in order of time, and what is true of them.

Who tells which story belongs to ``stories``; files, shapes and damage belong to the writers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeVar

from .calendars import USUAL, Calendar
from .draws import Draws
from .events import AuditRecord, LegacyAttempt, SignIn
from .tenant import HOME_COUNTRY
from .vocabulary import WORDING

Row = TypeVar("Row", SignIn, AuditRecord, LegacyAttempt)


@dataclass(frozen=True)
class Story:
    """Rows of a case in order of time, with what is true of the case as a whole.

    ``verdict`` is what an intact export of it must be judged as, None where only the truth is claimed. ``calendar`` is
    the window that the logs reach over; ``home_countries`` are those that the tenant calls home in its case.toml.
    ``entered`` are accounts that somebody else used without any sign-in to them. ``visible`` is False where the logs
    hold nothing by which the breach could be told from ordinary use.
    """

    sign_ins: list[SignIn]
    verdict: str | None
    why: str
    audit: list[AuditRecord] = field(default_factory=list)
    legacy: list[LegacyAttempt] = field(default_factory=list)
    calendar: Calendar = USUAL
    home_countries: tuple[str, ...] = (HOME_COUNTRY,)
    entered: tuple[str, ...] = ()
    visible: bool = True

    @property
    def compromised(self) -> tuple[str, ...]:
        """Accounts on which somebody who is not the owner had at least one success, or which they used without one."""
        stolen = {event.person.account for event in self.sign_ins if event.intruder and _succeeded(event)}
        by_legacy = {one.account for one in self.legacy if one.intruder and _succeeded(one)}
        return tuple(sorted(stolen | by_legacy | set(self.entered)))

    @property
    def attacked(self) -> tuple[str, ...]:
        """Accounts on which somebody who is not the owner tried anything, the compromised ones among them."""
        tried = {event.person.account for event in self.sign_ins if event.intruder}
        return tuple(sorted(tried | {one.account for one in self.legacy if one.intruder} | set(self.entered)))

    @property
    def any_success(self) -> bool:
        """Whether anybody, owner or not, signed in at all."""
        logons = any(record.outcome == "SUCCESS" for record in self.audit)
        return logons or any(map(_succeeded, self.sign_ins)) or any(map(_succeeded, self.legacy))


def _succeeded(row: SignIn | LegacyAttempt) -> bool:
    return WORDING[row.deed].outcome == "SUCCESS"


def in_order(rows: Iterable[Row], calendar: Calendar) -> list[Row]:
    """The rows that the window holds, in order of time; rows of one second stay in the order given."""
    return sorted((row for row in rows if calendar.holds(row.time)), key=attrgetter("time"))


@dataclass(frozen=True)
class Setting:
    """What a teller is given: its stream of chance, and whether an attacker meets second factors."""

    draws: Draws
    mfa_steps: bool = True


Teller = Callable[[Setting], Story]
"""Makes the story of one family; the same setting gives the same story."""
