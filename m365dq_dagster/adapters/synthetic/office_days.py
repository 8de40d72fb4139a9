"""Ordinary days in a small tenant: attempts with their pages and mistakes in between, refreshes, phones, programs.

One attempt is several rows that share a correlation id and end in what it came to. Nobody attacks here; attackers
belong to ``intrusion``, and use ``attempt`` as everybody does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from .company import Company, updated
from .draws import Draws
from .events import SignIn, sign_in
from .tenant import BROWSER_APPS, ENROLLMENT, OFFICE, OUTLOOK, PEOPLE_APPS, TEAMS, App, Device, Person, Place
from .vocabulary import ConditionalAccess, Deed

LONGEST_STEP = 40
"""Seconds that one page of an attempt takes at most."""
SHORTEST_STEP = 4
SMTP = OUTLOOK._replace(client="Authenticated SMTP")
GRAPH_CLIENT = App("", "", "Microsoft Graph", "00000003-0000-0000-c000-000000000000", "")
NOT_APPLIED = ConditionalAccess.NOT_APPLIED
LOCKED_FOR = timedelta(minutes=11)

PAGES: tuple[tuple[float, tuple[Deed, ...]], ...] = (
    (0.76, ()),
    (0.06, (Deed.NO_SILENT_SESSION,)),
    (0.05, (Deed.ASKED_FOR_MFA,)),
    (0.03, (Deed.ASKED_TO_STAY_SIGNED_IN,)),
    (0.04, (Deed.MISTYPED_PASSWORD,)),
    (0.02, (Deed.ASKED_FOR_MFA_BY_POLICY,)),
    (0.01, (Deed.MISTYPED_PASSWORD, Deed.MISTYPED_PASSWORD)),
    (0.01, (Deed.ASKED_FOR_MFA, Deed.ASKED_TO_STAY_SIGNED_IN)),
    (0.01, (Deed.MISTYPED_PASSWORD, Deed.ASKED_FOR_MFA)),
    (0.005, (Deed.ASKED_TO_REGISTER_RESET,)),
    (0.005, (Deed.ASKED_FOR_MFA, Deed.MFA_DENIED)),
)
"""What stands between the click and the success of an attempt, with its share; the shares sum to 1."""


@dataclass(frozen=True)
class Habits:
    """How one person works: shares are of days, minutes are of the local day."""

    present: float
    in_office: float
    starts: int
    phone: float
    refreshes: int
    updates_on: int


def habits(draws: Draws, company: Company) -> Habits:
    """The habits of somebody in that company."""
    return Habits(
        present=0.85 + 0.14 * draws.share(),
        in_office=draws.one((0.2, 0.5, 0.8, 1.0)),
        starts=450 + draws.below(120),
        phone=draws.one((0.0, 0.3, 0.6)),
        refreshes=1 + draws.below(5),
        updates_on=draws.below(company.calendar.days),
    )


def attempt(
    draws: Draws,
    company: Company,
    end: datetime,
    person: Person,
    app: App,
    *,
    steps: Sequence[Deed] = (),
    deed: Deed = Deed.SIGNED_IN,
    interactive: bool = True,
    device: Device | None = None,
    address: str | None = None,
    place: Place | None = None,
    intruder: bool = False,
) -> list[SignIn]:
    """One attempt that comes to ``deed`` at ``end``, after ``steps``: its rows share correlation id and session.

    What is not given is the person's own at home. Policies say what the company's policies say of each deed.
    """
    correlation, session = draws.guid(), draws.guid()
    rows: list[SignIn] = []
    moment = end
    for one in (deed, *reversed(steps)):
        rows.append(
            sign_in(
                draws,
                moment,
                person,
                app,
                interactive=interactive,
                deed=one,
                device=device,
                address=address,
                place=place,
                policies=company.policies(app, one),
                correlation=correlation,
                session=session,
                intruder=intruder,
            )
        )
        moment -= timedelta(seconds=SHORTEST_STEP + draws.below(LONGEST_STEP - SHORTEST_STEP))
    return rows[::-1]


def pages(draws: Draws) -> tuple[Deed, ...]:
    """The pages and mistakes of one everyday attempt; mostly none."""
    share = draws.share()
    for weight, steps in PAGES[1:]:
        share -= weight
        if share < 0:
            return steps
    return PAGES[0][1]


@dataclass(frozen=True)
class Employment:
    """From which day of the window on somebody works, and to which, the last one left out."""

    first: int = 0
    last: int = 10_000


ALWAYS: Mapping[str, Employment] = MappingProxyType({})


def office_days(
    draws: Draws,
    company: Company,
    people: Sequence[Person] | None = None,
    *,
    employed: Mapping[str, Employment] = ALWAYS,
) -> list[SignIn]:
    """The ordinary sign-ins of the people over the window; ``employed`` limits the days of an account."""
    rows: list[SignIn] = []
    for person in people or company.people:
        way, term = habits(draws, company), employed.get(person.account, Employment())
        working = set(company.calendar.working_days())
        for day in range(max(0, term.first), min(company.calendar.days, term.last)):
            if day in working and draws.share() < way.present:
                rows += workday(draws, company, person, way, day)
            elif draws.share() < way.phone / 3:
                rows += _on_the_phone(draws, company, person, company.calendar.local(day, 600 + draws.below(600)))
    return rows


def workday(draws: Draws, company: Company, person: Person, way: Habits, day: int) -> list[SignIn]:
    """One day of one person: the morning attempt, refreshes through the day, perhaps another, perhaps the phone."""
    at_office = draws.share() < way.in_office
    address = company.offices.get(person.place.city, person.address) if at_office else person.address
    device = updated(person.desktop) if day >= way.updates_on else person.desktop
    morning = company.calendar.local(day, way.starts + draws.below(25), draws.below(60))
    rows = _morning(draws, company, morning, person, device, address)
    for turn in range(draws.below(way.refreshes + 1)):
        later = morning + timedelta(minutes=65 * (turn + 1) + draws.below(50), seconds=draws.below(60))
        app = draws.one((OFFICE, OFFICE, TEAMS))
        rows += attempt(draws, company, later, person, app, interactive=False, device=device, address=address)
    if draws.share() < 0.3:
        later = morning + timedelta(minutes=200 + draws.below(200), seconds=draws.below(60))
        app = draws.one(PEOPLE_APPS)
        rows += attempt(draws, company, later, person, app, steps=pages(draws), device=device, address=address)
    if draws.share() < way.phone:
        rows += _on_the_phone(draws, company, person, morning + timedelta(minutes=draws.below(600)))
    return rows


def _morning(
    draws: Draws, company: Company, moment: datetime, person: Person, device: Device, address: str
) -> list[SignIn]:
    """The first attempt of the day; one in two hundred locks the account and succeeds after the lock is over."""
    app = draws.one(BROWSER_APPS)
    if draws.share() >= 0.005:
        return attempt(draws, company, moment, person, app, steps=pages(draws), device=device, address=address)
    typos = [Deed.MISTYPED_PASSWORD] * (4 + draws.below(4))
    locked = attempt(
        draws, company, moment, person, app, steps=typos, deed=Deed.LOCKED_OUT, device=device, address=address
    )
    later = moment + LOCKED_FOR + timedelta(seconds=draws.below(400))
    return locked + attempt(draws, company, later, person, app, device=device, address=address)


def _on_the_phone(draws: Draws, company: Company, person: Person, moment: datetime) -> list[SignIn]:
    interactive = draws.share() < 0.15
    app = draws.one((OUTLOOK, TEAMS)) if interactive else draws.one((OFFICE, TEAMS, ENROLLMENT))
    return attempt(
        draws,
        company,
        moment,
        person,
        app,
        interactive=interactive,
        device=person.phone,
        address=person.mobile_address,
    )


def service_runs(draws: Draws, company: Company, services: Sequence[Person]) -> list[SignIn]:
    """Programs that sign in at the same minute, one to six times a day, without anybody typing.

    Those without an account are applications: the policies for people do not look at them.
    """
    rows: list[SignIn] = []
    for program in services:
        times, minute = 1 + draws.below(6), draws.below(60)
        app = OFFICE if program.account else GRAPH_CLIENT._replace(name=program.name, app_id=draws.guid())
        for day in range(company.calendar.days):
            for turn in range(times):
                moment = company.calendar.local(day, minute + turn * (1440 // times), draws.below(20))
                runs = attempt(draws, company, moment, program, app, interactive=False)
                rows += runs if program.account else [run._replace(policies=NOT_APPLIED) for run in runs]
    return rows


def scans(draws: Draws, company: Company, scanner: Person) -> list[SignIn]:
    """A scanner in the office mails what it scanned over an old protocol, a few times on every working day."""
    rows: list[SignIn] = []
    for day in company.calendar.working_days():
        for _ in range(1 + draws.below(3)):
            moment = company.calendar.local(day, 500 + draws.below(540), draws.below(60))
            rows += attempt(draws, company, moment, scanner, SMTP, interactive=False)
    return rows
