"""What attackers do to the accounts of a small tenant, deed by deed: guess, come in, stay, be stopped, wear down.

Every row made here is marked as an intruder's. Which deeds make up a case belongs to the stories; ordinary days belong
to ``office_days``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .company import RENTED_PLACES, Company
from .draws import Draws
from .events import LegacyAttempt, SignIn, sign_in
from .incident import Foothold
from .office_days import SMTP, attempt
from .tenant import (
    ATTACK_BROWSERS,
    BROWSER_APPS,
    EDGE_AGENT,
    LINUX_AGENT,
    OFFICE,
    OUTLOOK,
    WINDOWS_AGENT,
    App,
    Device,
    Person,
)
from .vocabulary import ConditionalAccess, Deed

SCRIPTS = (
    Device("", "", "Python Requests 2.31", "", "python-requests/2.31.0", ""),
    Device("", "", "", "", "axios/1.7.9", ""),
    Device("", "", "Go Http Client 2.0", "", "Go-http-client/2.0", ""),
)
BROWSERS = (
    *ATTACK_BROWSERS,
    Device("", "", "Chrome 120.0.0", "Windows10", WINDOWS_AGENT.replace("119", "120"), ""),
    Device("", "", "Edge 122.0.0", "Windows10", EDGE_AGENT.replace("119", "122"), ""),
    Device("", "", "Chrome 126.0.0", "Linux", LINUX_AGENT.replace("118", "126"), ""),
)
AZURE_CLI = App(
    "Microsoft Azure CLI",
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    "Windows Azure Service Management API",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    "Mobile Apps and Desktop clients",
    "ropc",
)
POWERSHELL = App(
    "Azure Active Directory PowerShell",
    "1b730954-1685-4b74-9bfd-dac224a7b894",
    "Windows Azure Active Directory",
    "00000002-0000-0000-c000-000000000000",
    "Mobile Apps and Desktop clients",
    "ropc",
)
MAIL_PROTOCOLS = (SMTP, *(OUTLOOK._replace(client=client) for client in ("IMAP4", "POP3", "Exchange ActiveSync")))
"""Old ways to the mailbox, which know a name and a password and nothing else."""
UNCOVERED = 0.7
"""Share of the tenants whose policies do not look at old protocols and password grants."""


@dataclass(frozen=True)
class Intruder:
    """Who attacks: machines abroad, the browsers used where somebody types, and the program used elsewhere."""

    footholds: tuple[Foothold, ...]
    browsers: tuple[Device, ...]
    script: Device


def intruder(draws: Draws, company: Company, *, countries: int | None = None) -> Intruder:
    """An attacker with one to three countries, none of them the company's, and one or two addresses in each."""
    places = draws.some(company.abroad(RENTED_PLACES), countries or 1 + draws.below(3))
    footholds = [Foothold(company.circuit.rented(), place) for place in places for _ in range(1 + draws.below(2))]
    return Intruder(tuple(footholds), tuple(draws.some(BROWSERS, 1 + draws.below(2))), draws.one(SCRIPTS))


def break_in(draws: Draws, company: Company, *, after: float = 0.4) -> datetime:
    """When an attack begins: at any hour, ``after`` that share of the window and three days before its end."""
    first = int(company.calendar.days * after)
    span = max(1, company.calendar.days - 3 - first)
    return company.calendar.start + timedelta(days=first + draws.below(span), minutes=draws.below(1440))


def guesses(
    draws: Draws,
    company: Company,
    attacker: Intruder,
    targets: Sequence[Person],
    begin: datetime,
    *,
    rounds: int,
    app: App = OUTLOOK,
) -> list[SignIn]:
    """A spray: each round one guess at every target, minutes apart; one guess in nine meets a lock."""
    rows: list[SignIn] = []
    moment = begin
    for _ in range(rounds):
        for target in targets:
            moment += timedelta(seconds=20 + draws.below(200))
            foothold = draws.one(attacker.footholds)
            rows += attempt(
                draws,
                company,
                moment,
                target,
                app,
                deed=Deed.LOCKED_OUT if draws.share() < 0.11 else Deed.MISTYPED_PASSWORD,
                device=attacker.script,
                address=foothold.address,
                place=foothold.place,
                intruder=True,
            )
        moment += timedelta(hours=3 + draws.below(20))
    return rows


def names_that_nobody_has(draws: Draws, company: Company, count: int) -> list[Person]:
    """Accounts that a spray guesses and the directory does not hold."""
    names = draws.some(("admin", "info", "test", "reception", "scanner", "accounts", "it", "office", "hr"), count)
    somebody = company.people[0]
    return [somebody._replace(account=f"{name}@{company.domain}", name=name, user_id=draws.guid()) for name in names]


def knocks(
    draws: Draws, company: Company, attacker: Intruder, target: Person, begin: datetime, deeds: Sequence[Deed]
) -> list[SignIn]:
    """Attempts of the attacker at one account, minutes apart, each of them ending in one of the deeds in turn."""
    rows: list[SignIn] = []
    moment, foothold = begin, draws.one(attacker.footholds)
    for deed in deeds:
        rows += attempt(
            draws,
            company,
            moment,
            target,
            OUTLOOK,
            deed=deed,
            device=attacker.browsers[0],
            address=foothold.address,
            place=foothold.place,
            intruder=True,
        )
        moment += timedelta(minutes=1 + draws.below(7), seconds=draws.below(60))
    return rows


def visits(
    draws: Draws,
    company: Company,
    attacker: Intruder,
    victim: Person,
    begin: datetime,
    count: int,
    *,
    steps: Sequence[Deed] = (),
    hours: int = 6,
    device: Device | None = None,
) -> list[SignIn]:
    """``count`` successes of the attacker on one account, up to ``hours`` apart, the first of them after ``steps``.

    Every third is a program's that refreshes a token; ``device`` is what all of them look like where it is given.
    """
    rows: list[SignIn] = []
    moment = begin
    for number in range(count):
        quiet = number % 3 == 2
        foothold = draws.one(attacker.footholds)
        rows += attempt(
            draws,
            company,
            moment,
            victim,
            OFFICE if quiet else draws.one(BROWSER_APPS),
            steps=() if number else steps,
            interactive=not quiet,
            device=device or (attacker.script if quiet else draws.one(attacker.browsers)),
            address=foothold.address,
            place=foothold.place,
            intruder=True,
        )
        moment += timedelta(minutes=4 + draws.below(60 * hours - 4), seconds=draws.below(60))
    return rows


def password_only(
    draws: Draws,
    attacker: Intruder,
    victim: Person,
    begin: datetime,
    apps: Sequence[App],
    deeds: Sequence[Deed],
    policies: ConditionalAccess,
) -> list[SignIn]:
    """Sign-ins by name and password alone, over the given applications in turn; a success meets ``policies``."""
    rows: list[SignIn] = []
    moment = begin
    for number, deed in enumerate(deeds):
        foothold = draws.one(attacker.footholds)
        rows.append(
            sign_in(
                draws,
                moment,
                victim,
                apps[number % len(apps)],
                deed=deed,
                device=attacker.script,
                address=foothold.address,
                place=foothold.place,
                policies=policies if deed is Deed.SIGNED_IN else None,
                intruder=True,
            )
        )
        moment += timedelta(minutes=2 + draws.below(180), seconds=draws.below(60))
    return rows


def also_in_the_old_log(rows: Sequence[SignIn]) -> list[LegacyAttempt]:
    """The same sign-ins as the log of old protocols holds them."""
    return [
        LegacyAttempt(
            row.time,
            row.person.account,
            row.person.name,
            row.app.client,
            row.address,
            row.place,
            row.deed,
            row.intruder,
        )
        for row in rows
    ]
