"""How a story of a small tenant is put together, and the stories in which nobody attacks.

Here belong days that look bad and are not, and cases of a few rows or none. Attacks belong to ``attack_stories``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from .auditing import everyday_records, logons
from .company import DATA_CENTRES, Company, company, service_account, service_principal
from .draws import Draws
from .events import AuditRecord, LegacyAttempt, SignIn
from .office_days import attempt, office_days, service_runs
from .story import Setting, Story, in_order
from .tenant import BROWSER_APPS, OFFICE, OUTLOOK, Person
from .vocabulary import ConditionalAccess, Deed

EVERYDAY_RECORDS = (60, 240)
MOST_TINY_ROWS = 12
LAST_DAY_OF_TWO_READINGS = 12
"""A date up to here may be read day first or month first; a case of a few rows is told on later days."""


def tale(
    draws: Draws,
    business: Company,
    rows: Iterable[SignIn],
    why: str,
    *,
    telling: Sequence[AuditRecord] = (),
    legacy: Iterable[LegacyAttempt] = (),
    home_countries: tuple[str, ...] = (),
) -> Story:
    """The story of a tenant from its sign-ins: an audit log is added that holds their logons and everyday work.

    Rows outside the window are left out. ``telling`` are further audit records; ``home_countries`` are the company's
    own where none are given. Nothing but the truth is claimed.
    """
    sign_ins = in_order(rows, business.calendar)
    count = EVERYDAY_RECORDS[0] + draws.below(EVERYDAY_RECORDS[1] - EVERYDAY_RECORDS[0])
    ordinary = everyday_records(draws, business.people, count, calendar=business.calendar, domain=business.domain)
    return Story(
        sign_ins,
        None,
        why,
        in_order([*logons(draws, sign_ins), *telling, *ordinary], business.calendar),
        in_order(legacy, business.calendar),
        calendar=business.calendar,
        home_countries=home_countries or (business.land.code,),
    )


def office_life(setting: Setting) -> Story:
    """A small company at work, nothing else."""
    draws = setting.draws
    business = company(draws)
    return tale(
        draws,
        business,
        office_days(draws, business),
        f"{len(business.people)} people at work in {business.land.code}; typing errors, prompts, sometimes a lock.",
    )


def forgotten_password(setting: Setting) -> Story:
    """Somebody changed the password and the phone goes on with the old one for days: many failures, all the owner's."""
    draws = setting.draws
    business = company(draws)
    forgetful = draws.some(business.people, 1 + draws.below(2))
    rows = office_days(draws, business)
    for person in forgetful:
        rows += _old_password(draws, business, person)
    return tale(
        draws,
        business,
        rows,
        f"{len(forgetful)} of {len(business.people)} people changed the password; their phones kept trying the old one "
        "from home until somebody typed the new one in.",
    )


def _old_password(draws: Draws, business: Company, person: Person) -> list[SignIn]:
    changed = business.calendar.local(draws.one(business.calendar.working_days()[2:-2]), 560 + draws.below(300))
    rows = attempt(draws, business, changed, person, OUTLOOK, steps=(Deed.PASSWORD_EXPIRED,))
    moment = changed
    for number in range(25 + draws.below(90)):
        moment += timedelta(minutes=6 + draws.below(30), seconds=draws.below(60))
        deed = Deed.TOKEN_REVOKED if number < 2 else draws.one((Deed.MISTYPED_PASSWORD,) * 5 + (Deed.LOCKED_OUT,))
        rows += attempt(
            draws,
            business,
            moment,
            person,
            OFFICE,
            deed=deed,
            interactive=False,
            device=person.phone,
            address=person.mobile_address,
        )
    return rows


def services_abroad(setting: Setting) -> Story:
    """Programs of the company run in data centres abroad and sign in there every day, some as service accounts and some
    as themselves; two of them have an old secret for a day."""
    draws = setting.draws
    business = company(draws)
    places = draws.some(business.abroad(DATA_CENTRES), 3 + draws.below(2))
    names = draws.some(("backup", "sync", "reports", "crm", "tickets", "payroll"), len(places))
    services = [
        (service_principal if number % 2 else service_account)(draws, business, name, place)
        for number, (name, place) in enumerate(zip(names, places, strict=True))
    ]
    runs = in_order(service_runs(draws, business, services), business.calendar)
    for program in services[:2]:
        runs = _with_an_old_secret(draws, runs, program)
    return tale(
        draws,
        business,
        office_days(draws, business) + runs,
        f"{len(services)} programs sign in from data centres in "
        f"{', '.join(sorted({place.country for place in places}))} throughout the window; that is where they run.",
    )


def _with_an_old_secret(draws: Draws, runs: Sequence[SignIn], program: Person) -> list[SignIn]:
    """The same runs, but on one day those of the program are refused."""
    day = draws.one([run.time.date() for run in runs if run.person == program])
    return [_refused(run) if run.person == program and run.time.date() == day else run for run in runs]


def _refused(run: SignIn) -> SignIn:
    deed = Deed.MISTYPED_PASSWORD if run.person.account else Deed.WRONG_SECRET
    return run._replace(deed=deed, policies=ConditionalAccess.NOT_APPLIED)


def tiny_clean(setting: Setting) -> Story:
    """A few clean sign-ins of one person at home; in one case of three just one."""
    draws = setting.draws
    business = company(draws)
    count = draws.one((1, 2 + draws.below(3), 5 + draws.below(MOST_TINY_ROWS - 4)))
    rows = [row for moment in few_moments(draws, business, count) for row in _clean(draws, business, moment)]
    return few(business, rows, f"{count} clean sign-ins of one person at home.")


def _clean(draws: Draws, business: Company, moment: datetime) -> list[SignIn]:
    return attempt(draws, business, moment, business.people[0], draws.one(BROWSER_APPS))


def tiny_failures(setting: Setting) -> Story:
    """A few failures of owners at home and no success at all."""
    draws = setting.draws
    business = company(draws)
    count = 1 + draws.below(MOST_TINY_ROWS)
    rows: list[SignIn] = []
    for number, moment in enumerate(few_moments(draws, business, count)):
        deed = draws.one((Deed.MISTYPED_PASSWORD, Deed.MISTYPED_PASSWORD, Deed.LOCKED_OUT, Deed.PASSWORD_EXPIRED))
        rows += attempt(draws, business, moment, business.people[number % 2], OUTLOOK, deed=deed)
    return few(business, rows, f"{count} failures of owners who mistyped or were locked, no success.")


def no_rows(setting: Setting) -> Story:
    """An export that holds nothing but its header."""
    return few(company(setting.draws), [], "The export holds no row.")


def few(business: Company, rows: Iterable[SignIn], why: str) -> Story:
    """A story of sign-ins alone."""
    return Story(
        in_order(rows, business.calendar),
        None,
        why,
        calendar=business.calendar,
        home_countries=(business.land.code,),
    )


def few_moments(draws: Draws, business: Company, count: int) -> list[datetime]:
    """``count`` moments of working hours, on days that no reading takes for a month where there are any."""
    days = [day for day in business.calendar.working_days() if day]
    noons = [business.calendar.local(day, 720) for day in days]
    clear = [noon for noon in noons if noon.day > LAST_DAY_OF_TWO_READINGS + 1]
    return [draws.one(clear or noons) + timedelta(seconds=draws.below(14_400) - 7_200) for _ in range(count)]
