"""Ordinary days in a tenant: people at work from home addresses, services at all hours, the usual interruptions.

Nobody travels here and nobody attacks; those belong to the incident. Every person signs in interactively on every
working day of the window, so that a home can be learned from the log alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .calendars import USUAL
from .draws import Draws
from .events import WINDOW_DAYS, SignIn, sign_in
from .tenant import BROWSER_APPS, ENROLLMENT, OFFICE, PEOPLE_APPS, Person
from .vocabulary import ConditionalAccess, Deed


@dataclass(frozen=True)
class Interruptions:
    """How many rows of each everyday trouble precede a successful sign-in, in the same flow."""

    mistyped: int = 0
    stay_signed_in: int = 0
    mfa: int = 0
    reset_registration: int = 0
    silent: int = 0
    locked: int = 0

    def deeds(self) -> list[Deed]:
        """The interruptions as a list of deeds, one for each row to come."""
        return (
            [Deed.MISTYPED_PASSWORD] * self.mistyped
            + [Deed.ASKED_TO_STAY_SIGNED_IN] * self.stay_signed_in
            + [Deed.ASKED_FOR_MFA] * self.mfa
            + [Deed.ASKED_TO_REGISTER_RESET] * self.reset_registration
            + [Deed.NO_SILENT_SESSION] * self.silent
            + [Deed.LOCKED_OUT] * self.locked
        )


def local(day: int, minute: int, second: int = 0) -> datetime:
    """UTC time of a local minute of the day in the usual window, ``day`` counted from its first."""
    return USUAL.local(day, minute, second)


def working_days() -> list[int]:
    """Days of the usual window, counted from 0, that are Monday to Friday in local time."""
    return USUAL.working_days()


def ordinary_life(
    draws: Draws,
    people: Sequence[Person],
    services: Sequence[Person],
    *,
    rows: int,
    interruptions: Interruptions,
    outside_policies: int,
) -> list[SignIn]:
    """Exactly ``rows`` sign-ins at home, interruptions among them; ``outside_policies`` successes meet no policy."""
    steps = interruptions.deeds()
    certain = _mornings(draws, people) + _service_runs(draws, services)
    extra = [_through_the_day(draws, draws.one(people)) for _ in range(rows - len(certain) - len(steps))]
    extra[:outside_policies] = [_outside(draws, event) for event in extra[:outside_policies]]
    return certain + extra + _interrupted(draws, certain[: len(people) * len(working_days())], steps)


def _mornings(draws: Draws, people: Sequence[Person]) -> list[SignIn]:
    return [
        sign_in(draws, local(day, 525 + draws.below(30), draws.below(60)), person, draws.one(BROWSER_APPS))
        for day in working_days()
        for person in people
    ]


def _service_runs(draws: Draws, services: Sequence[Person]) -> list[SignIn]:
    return [
        sign_in(draws, local(day + 1, 17 + 360 * turn, draws.below(60)), person, OFFICE, interactive=False)
        for person in services
        for day in range(WINDOW_DAYS - 1)
        for turn in range(4)
    ]


def _through_the_day(draws: Draws, person: Person) -> SignIn:
    mobile = draws.share() < 0.2
    time = local(draws.one(working_days()), 560 + draws.below(500), draws.below(60))
    return sign_in(
        draws,
        time,
        person,
        draws.one(PEOPLE_APPS),
        interactive=draws.share() < 0.35,
        device=person.phone if mobile else person.desktop,
        address=person.mobile_address if mobile else person.address,
    )


def _outside(draws: Draws, event: SignIn) -> SignIn:
    return event._replace(app=ENROLLMENT, interactive=False, policies=ConditionalAccess.NOT_APPLIED)


def _interrupted(draws: Draws, successes: Sequence[SignIn], steps: Sequence[Deed]) -> list[SignIn]:
    chosen = draws.some(successes, len(steps))
    return [
        sign_in(
            draws,
            after.time - timedelta(seconds=8 + draws.below(40)),
            after.person,
            after.app,
            deed=deed,
            correlation=after.correlation,
            session=after.session,
        )
        for after, deed in zip(chosen, steps, strict=True)
    ]
