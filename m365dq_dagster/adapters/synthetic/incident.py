"""The incident of the Oculus family: one attacker, eight accounts, 188 successful foreign sign-ins.

Here belongs what is out of the ordinary: the attack, its spray over legacy protocols, and the travel of staff that a
policy stops. Ordinary days belong to ``homelife``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from .draws import Draws
from .events import LegacyAttempt, SignIn, sign_in
from .homelife import local, working_days
from .tenant import (
    AMSTERDAM,
    ASHBURN,
    ATTACK_BROWSERS,
    ATTACK_SCRIPT,
    BROWSER_APPS,
    BUCHAREST,
    DOMAIN,
    HOME_CITIES,
    LAGOS,
    OFFICE,
    OUTLOOK,
    SINGAPORE,
    Device,
    Person,
    Place,
)
from .vocabulary import Deed

FOREIGN_SUCCESSES = (24, 24, 24, 24, 23, 23, 23, 23)
"""Successful foreign sign-ins of each victim; 188 in all."""
ATTACK_DAYS = (17, 18, 19)
"""Days of the window, counted from 0: Tuesday to Thursday of its third week."""
TRAVEL_DAYS = (21, 22)
MIMICKED = 2
"""Sign-ins of each victim for which the attacker copied the owner's browser and system."""
LAST_MIMICKED = 22
"""Number of the last such sign-in, counted from 0."""
MFA_STEPS = 2
"""Prompts of each victim, on the first sign-in of the first two days."""
LEGACY_WRONG_PASSWORDS = 232
LEGACY_LOCKED_OUT = 122
DISABLED_ACCOUNT_ATTEMPTS = 37
LEGACY_CLIENTS = ("Authenticated SMTP", "Authenticated SMTP", "Authenticated SMTP", "IMAP4", "POP3")
DISABLED_ACCOUNT = f"former.employee@{DOMAIN}"


class Foothold(NamedTuple):
    """An address that the attacker rents, and where the log places it."""

    address: str
    place: Place


FOOTHOLDS = tuple(
    Foothold(f"198.51.100.{number}", place)
    for number, place in ((11, ASHBURN), (12, ASHBURN), (37, AMSTERDAM), (38, AMSTERDAM), (84, BUCHAREST), (121, LAGOS))
)


def attack(draws: Draws, victims: Sequence[Person], *, mfa_steps: bool) -> list[SignIn]:
    """188 successes over the victims, a few wrong passwords and, if wanted, MFA prompts that the owners approved."""
    rows: list[SignIn] = []
    for index, (victim, quota) in enumerate(zip(victims, FOREIGN_SUCCESSES, strict=True)):
        successes = _takeover(draws, victim, quota, index)
        rows += successes + _owner_at_work(draws, victim)
        if index % 2 == 0:
            rows.append(_first_guess(draws, successes[0]))
        if mfa_steps:
            rows += [_prompt(draws, successes[turn * 8]) for turn in range(MFA_STEPS)]
    return rows


def _takeover(draws: Draws, victim: Person, quota: int, index: int) -> list[SignIn]:
    """Eight sign-ins a day: four in the morning and four after lunch, each time soon after the owner's own."""
    rows: list[SignIn] = []
    for number in range(quota):
        day, turn = divmod(number, 8)
        start = 570 if turn < 4 else 790
        interactive = turn % 4 < 2
        foothold = FOOTHOLDS[(index + 2 * day) % len(FOOTHOLDS)]
        rows.append(
            sign_in(
                draws,
                local(ATTACK_DAYS[day], start + 12 * (turn % 4) + draws.below(10), draws.below(60)),
                victim,
                draws.one(BROWSER_APPS) if interactive else OFFICE,
                interactive=interactive,
                device=_attack_device(draws, victim, number, interactive=interactive),
                address=foothold.address,
                place=foothold.place,
                intruder=True,
            )
        )
    return rows


def _attack_device(draws: Draws, victim: Person, number: int, *, interactive: bool) -> Device:
    """A browser where somebody types, else a script; two sign-ins look like the owner's, without its name or id."""
    if LAST_MIMICKED - MIMICKED < number <= LAST_MIMICKED:
        return victim.desktop._replace(name="", device_id="", join_type="")
    return draws.one(ATTACK_BROWSERS) if interactive else ATTACK_SCRIPT


def _owner_at_work(draws: Draws, victim: Person) -> list[SignIn]:
    return [sign_in(draws, local(day, 770 + draws.below(15)), victim, OUTLOOK) for day in ATTACK_DAYS]


def _first_guess(draws: Draws, success: SignIn) -> SignIn:
    return sign_in(
        draws,
        success.time - timedelta(minutes=3, seconds=draws.below(60)),
        success.person,
        success.app,
        deed=Deed.MISTYPED_PASSWORD,
        device=success.device,
        address=success.address,
        place=success.place,
        intruder=True,
    )


def _prompt(draws: Draws, success: SignIn) -> SignIn:
    """The second factor is asked for seconds before the success of the same flow."""
    return sign_in(
        draws,
        success.time - timedelta(seconds=12 + draws.below(25)),
        success.person,
        success.app,
        deed=Deed.ASKED_FOR_MFA,
        device=success.device,
        address=success.address,
        place=success.place,
        correlation=success.correlation,
        session=success.session,
        intruder=True,
    )


def spray(draws: Draws, targets: Sequence[Person]) -> list[SignIn]:
    """One wrong password on each target, from the attacker's first address."""
    foothold = FOOTHOLDS[0]
    return [
        sign_in(
            draws,
            local(ATTACK_DAYS[0] - 1, 600 + 7 * index, draws.below(60)),
            target,
            OUTLOOK,
            deed=Deed.MISTYPED_PASSWORD,
            device=ATTACK_SCRIPT,
            address=foothold.address,
            place=foothold.place,
            intruder=True,
        )
        for index, target in enumerate(targets)
    ]


def travel(draws: Draws, travellers: Sequence[Person]) -> list[SignIn]:
    """Staff abroad on a weekend with their own device: a location policy blocks every try after the right password."""
    return [
        sign_in(
            draws,
            local(day, 660 + 95 * turn + draws.below(30), draws.below(60)),
            traveller,
            OUTLOOK,
            deed=Deed.BLOCKED_BY_POLICY,
            address=f"203.0.113.{252 + index}",
            place=SINGAPORE,
        )
        for index, traveller in enumerate(travellers)
        for day in TRAVEL_DAYS
        for turn in range(2)
    ]


def legacy_spray(draws: Draws, targets: Sequence[Person]) -> list[LegacyAttempt]:
    """354 attempts over old protocols through rented addresses in the home country; none succeeds.

    37 of the wrong passwords are tried over SMTP on the account of somebody who has left.
    """
    deeds = [Deed.MISTYPED_PASSWORD] * LEGACY_WRONG_PASSWORDS + [Deed.LOCKED_OUT] * LEGACY_LOCKED_OUT
    return [_legacy_attempt(draws, targets, number, deed) for number, deed in enumerate(deeds)]


def _legacy_attempt(draws: Draws, targets: Sequence[Person], number: int, deed: Deed) -> LegacyAttempt:
    disabled = number < DISABLED_ACCOUNT_ATTEMPTS
    target = draws.one(targets)
    proxy = draws.below(60)
    return LegacyAttempt(
        local(draws.one(working_days()[6:]), draws.below(1440), draws.below(60)),
        DISABLED_ACCOUNT if disabled else target.account,
        "Former Employee" if disabled else target.name,
        LEGACY_CLIENTS[0] if disabled else draws.one(LEGACY_CLIENTS),
        f"192.0.2.{1 + proxy}",
        HOME_CITIES[proxy % len(HOME_CITIES)],
        deed,
        intruder=True,
    )
