"""Ordinary weeks of tenants anywhere: who works where, how they sign in, what goes wrong, and who knocks from outside.

Here belongs what every tenant sees in any weeks. Journeys, detours and intruders are told elsewhere as changes to
these rows. Nobody here signs in from a place where they are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .auditing import logons, plunder, routine
from .calendars import Calendar
from .draws import Draws
from .events import AuditRecord, SignIn, sign_in
from .geography import HEADQUARTERS, LANDS, RENTED, Land, elsewhere
from .networks import Network, Numbering, Spot, system_number
from .story import Story, in_order
from .tenant import (
    BROWSER_APPS,
    DOMAIN,
    FIREFOX_AGENT,
    FIRST_NAMES,
    LAST_NAMES,
    MAC_AGENT,
    OFFICE,
    OUTLOOK,
    PHONE_AGENT,
    SHAREPOINT,
    TEAMS,
    WINDOWS_AGENT,
    Device,
    Person,
)
from .vocabulary import ConditionalAccess, Deed

EARLIEST = datetime(2025, 2, 3)
QUIET_APPS = (OFFICE, OFFICE, OUTLOOK, TEAMS, SHAREPOINT)
RICH_CLIENT = "Rich Client 5.2.8.0"
RICH_AGENT = "Windows-AzureAD-Authentication-Provider/1.0"
OLD_RELEASE = "119.0.0"
"""The release that the shared agents name; each story replaces it by one of its own time."""
ANDROID_AGENT = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile Safari/537.36"
)
KNOCKING_DEVICES = (
    Device("", "", "Chrome 119.0.0", "Windows10", WINDOWS_AGENT, ""),
    Device("", "", "Firefox 115.0", "Linux", FIREFOX_AGENT, ""),
    Device("", "", "", "", "python-requests/2.31.0", ""),
    Device("", "", "", "", "Go-http-client/1.1", ""),
)
ROLE_NAMES = ("admin", "info", "office", "scanner", "reception", "sales", "invoice", "hr")

HITCHES: tuple[tuple[float, tuple[Deed, ...]], ...] = (
    (0.050, (Deed.MISTYPED_PASSWORD,)),
    (0.062, (Deed.MISTYPED_PASSWORD, Deed.MISTYPED_PASSWORD)),
    (0.105, (Deed.ASKED_TO_STAY_SIGNED_IN,)),
    (0.155, (Deed.ASKED_FOR_MFA,)),
    (0.172, (Deed.NO_SILENT_SESSION,)),
    (0.178, (Deed.ASKED_TO_REGISTER_RESET,)),
    (0.186, (Deed.ASKED_FOR_MFA, Deed.MFA_DENIED, Deed.ASKED_FOR_MFA)),
)
"""Shares of interactive attempts, added up, that need these steps before they succeed."""
SURRENDERS: tuple[tuple[float, tuple[Deed, ...]], ...] = (
    (0.012, (Deed.MISTYPED_PASSWORD,)),
    (0.016, (Deed.MISTYPED_PASSWORD, Deed.MISTYPED_PASSWORD, Deed.LOCKED_OUT)),
    (0.019, (Deed.ASKED_FOR_MFA,)),
)
"""Shares of interactive attempts, added up, that are given up after these steps."""
KNOCKS: tuple[tuple[float, Deed], ...] = (
    (0.70, Deed.MISTYPED_PASSWORD),
    (0.90, Deed.LOCKED_OUT),
    (1.00, Deed.UNKNOWN_ACCOUNT),
)
"""What comes of attempts by strangers, as shares added up."""


@dataclass(frozen=True)
class Branch:
    """People of one country with the networks that they use: an office, providers at home, a mobile carrier."""

    land: Land
    office: Network
    providers: tuple[Network, ...]
    carrier: Network
    people: tuple[Person, ...]


class Register:
    """Hands out people of one tenant; no two have a name in common."""

    def __init__(self, draws: Draws, release: int) -> None:
        count = len(FIRST_NAMES) * len(LAST_NAMES)
        self._draws = draws
        self._numbers: Iterator[int] = iter(draws.some(range(count), count))
        self._form = draws.one(("{0}.{1}", "{0}_{1}", "{2}{1}", "{0}{1}"))
        self._release = release
        self._taken: set[str] = set()

    def person(self, home: Network, carrier: Network) -> Person:
        """Somebody new, at home in one network and under way in another, with a computer and a phone."""
        number = next(self._numbers)
        first, last = FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[number // len(FIRST_NAMES)]
        spot = home.spot(self._draws)
        return Person(
            account=f"{self._account(first.lower(), last.lower(), number)}@{DOMAIN}",
            name=f"{first} {last}",
            user_id=self._draws.guid(),
            place=spot.place,
            address=spot.address,
            mobile_address=carrier.spot(self._draws).address,
            desktop=self.desktop(),
            phone=self._phone(),
        )

    def _account(self, first: str, last: str, number: int) -> str:
        account = self._form.format(first, last, first[0])
        if account in self._taken:
            account = f"{account}{number}"
        self._taken.add(account)
        return account

    def desktop(self) -> Device:
        """A computer: most are managed and have an id, some are people's own."""
        draws, share = self._draws, self._draws.share()
        name, release = f"PC-{draws.guid()[:6].upper()}", f"{self._release}.0.0"
        agent = WINDOWS_AGENT.replace(OLD_RELEASE, release)
        if share < 0.5:
            return Device(name, draws.guid(), f"Edge {release}", "Windows10", f"{agent} Edg/{release}.0", _join(draws))
        if share < 0.75:
            return Device(name, draws.guid(), f"Chrome {release}", "Windows10", agent, _join(draws))
        if share < 0.9:
            return Device(name, draws.guid(), "Safari 17.1", "MacOs", MAC_AGENT, "Azure AD registered")
        return Device("", "", f"Chrome {release}", "Windows10", agent, "")

    def _phone(self) -> Device:
        draws = self._draws
        known = draws.share() < 0.4
        name, number, join = ("Phone", draws.guid(), "Azure AD registered") if known else ("", "", "")
        if draws.share() < 0.6:
            system = f"iOS 17.{1 + draws.below(4)}"
            return Device(name, number, "Mobile Safari 17.1", system, PHONE_AGENT, join)
        release = f"{self._release}.0.0"
        agent = ANDROID_AGENT.replace(OLD_RELEASE, release)
        return Device(name, number, f"Chrome Mobile {release}", f"Android {12 + draws.below(3)}", agent, join)


def _join(draws: Draws) -> str:
    return draws.one(("Hybrid Azure AD joined", "Azure AD joined"))


@dataclass(frozen=True)
class Workplace:
    """A tenant with its weeks: ``events`` is roughly how many sign-ins its people make, ``coverage`` the share of
    successes that some policy speaks on, ``release`` the browser's release at the beginning and ``update`` the day on
    which the next one comes."""

    draws: Draws
    calendar: Calendar
    numbering: Numbering
    register: Register
    main: Branch
    events: int
    coverage: float
    release: int
    update: int

    @property
    def land(self) -> Land:
        """The country of the tenant."""
        return self.main.land

    @property
    def people(self) -> tuple[Person, ...]:
        """The people at home in it."""
        return self.main.people

    def day_of(self, row: SignIn) -> int:
        """The local day of a row, counted from the first of the window."""
        return (row.time + self.calendar.offset - self.calendar.start).days

    def minute_at(self, land: Land, day: int, minute: int) -> datetime:
        """UTC time of a minute of the day as the clocks of ``land`` count it, with some seconds."""
        return self.calendar._replace(offset=land.clock).local(day, minute, self.draws.below(60))

    def policies(self) -> ConditionalAccess:
        """What the policies say on a success: nothing at all on a few."""
        if self.draws.share() < self.coverage:
            return ConditionalAccess.SUCCESS
        return ConditionalAccess.NOT_APPLIED

    def middle(self) -> int:
        """A day in the middle third of the window."""
        third = self.calendar.days // 3
        return third + self.draws.below(third)


def found(draws: Draws, homes: Sequence[str] = HEADQUARTERS, *, least_days: int = 14) -> Workplace:
    """A tenant in one of the countries ``homes``: 8 to 40 people, a window of two to five weeks."""
    land = LANDS[draws.one(homes)]
    days = least_days + draws.below(36 - least_days)
    calendar = Calendar(EARLIEST + timedelta(days=draws.below(280)), days, land.clock)
    release = 118 + draws.below(20)
    numbering, register = Numbering(draws), Register(draws, release)
    main = settle(draws, numbering, register, land, 8 + draws.below(33))
    events, coverage = 380 + draws.below(720), draws.one((0.995, 0.98, 0.96, 0.9))
    return Workplace(draws, calendar, numbering, register, main, events, coverage, release, draws.below(days))


def settle(draws: Draws, numbering: Numbering, register: Register, land: Land, count: int) -> Branch:
    """``count`` people of one country, at home with its providers and near one of its offices."""
    city = draws.one(land.cities)
    providers = (numbering.network(city), numbering.network(draws.one(land.cities)))
    carrier = numbering.network(city, wide=draws.share() < 0.6)
    people = tuple(register.person(draws.one(providers), carrier) for _ in range(count))
    return Branch(land, numbering.network(city), providers, carrier, people)


def branch(work: Workplace, land: Land, count: int) -> Branch:
    """Some more people of the same tenant, in another country or in the same."""
    return settle(work.draws, work.numbering, work.register, land, count)


def weeks(work: Workplace, *branches: Branch) -> list[SignIn]:
    """The sign-ins of the branches (of the main one unless told) over the whole window, each at its own home."""
    told = branches or (work.main,)
    days = max(1, len(work.calendar.working_days()))
    rate = work.events / (days * max(len(work.people), sum(len(one.people) for one in told)))
    return [row for one in told for person in one.people for row in _person_weeks(work, one, person, rate)]


def _person_weeks(work: Workplace, home: Branch, person: Person, rate: float) -> list[SignIn]:
    draws = work.draws
    desk, handset = draws.below(2), 0.1 + 0.3 * draws.share()
    start, at_office = 405 + draws.below(150), draws.one((0.0, 0.4, 0.6, 0.9))
    house, air = Spot(person.address, person.place), Spot(person.mobile_address, home.carrier.place)
    rows: list[SignIn] = []
    for day in range(work.calendar.days):
        house, air = _renewed(draws, home, house, air)
        weekend = (work.calendar.start + timedelta(days=day)).weekday() >= 5
        office = Spot(_office_address(home, desk), home.office.place)
        spot = office if draws.share() < at_office and not weekend else house
        session, phone_session = draws.guid(), draws.guid()
        for _ in range(_how_many(draws, rate * (0.08 if weekend else 1.0))):
            if draws.share() < (0.8 if weekend else handset):
                where = house if draws.share() < 0.4 else air
                rows += _on_phone(work, home, person, day, start, where, phone_session)
            else:
                rows += _at_desk(work, home, person, day, start, spot, session)
    return rows


def _renewed(draws: Draws, home: Branch, house: Spot, air: Spot) -> tuple[Spot, Spot]:
    """Providers at home give another address now and then, carriers on every other day."""
    if draws.share() < 0.03:
        house = next(one for one in home.providers if one.owns(house.address)).spot(draws)
    return house, home.carrier.spot(draws) if draws.share() < 0.5 else air


def _office_address(home: Branch, desk: int) -> str:
    """An office has two addresses to the outside; who sits where leaves always by the same."""
    prefix, _, _ = home.office.spot(Draws(home.office.number, "office")).address.rpartition(".")
    return f"{prefix}.{10 + desk}"


def _how_many(draws: Draws, rate: float) -> int:
    wanted = rate * (0.4 + 1.2 * draws.share())
    return int(wanted) + (draws.share() < wanted % 1)


def _on_phone(
    work: Workplace, home: Branch, person: Person, day: int, start: int, spot: Spot, session: str
) -> list[SignIn]:
    draws = work.draws
    time = work.minute_at(home.land, day, start - 60 + draws.below(840))
    device = updated(work, person.phone, day)
    return attempt(work, person, time, spot, device, interactive=draws.share() < 0.2, session=session)


def _at_desk(
    work: Workplace, home: Branch, person: Person, day: int, start: int, spot: Spot, session: str
) -> list[SignIn]:
    draws = work.draws
    time = work.minute_at(home.land, day, start + draws.below(540))
    device = updated(work, person.desktop, day)
    return attempt(work, person, time, spot, device, interactive=draws.share() < 0.45, session=session)


def updated(work: Workplace, device: Device, day: int) -> Device:
    """The device as it is on that day: browsers update themselves."""
    if day < work.update:
        return device
    old, new = f"{work.release}.0.0", f"{work.release + 1}.0.0"
    return device._replace(browser=device.browser.replace(old, new), agent=device.agent.replace(old, new))


def attempt(
    work: Workplace,
    person: Person,
    time: datetime,
    spot: Spot,
    device: Device,
    *,
    interactive: bool,
    session: str,
) -> list[SignIn]:
    """One attempt of an owner: what went wrong on the way, if anything, and mostly the success, in one flow."""
    draws = work.draws
    if not interactive:
        return [_quiet(work, person, time, spot, device, session)]
    app = draws.one(BROWSER_APPS)
    last = sign_in(
        draws,
        time,
        person,
        app,
        device=device,
        address=spot.address,
        place=spot.place,
        policies=work.policies(),
        session=session,
    )
    surrender = _drawn(draws.share(), SURRENDERS)
    if surrender:
        return steps_before(draws, last, surrender)
    return [*steps_before(draws, last, _drawn(draws.share(), HITCHES)), last]


def _quiet(work: Workplace, person: Person, time: datetime, spot: Spot, device: Device, session: str) -> SignIn:
    draws = work.draws
    if device.system == "Windows10" and draws.share() < 0.6:
        device = device._replace(browser=RICH_CLIENT, agent=RICH_AGENT)
    stale = draws.share() < 0.01
    return sign_in(
        draws,
        time,
        person,
        draws.one(QUIET_APPS),
        interactive=False,
        deed=Deed.NO_SILENT_SESSION if stale else Deed.SIGNED_IN,
        device=device,
        address=spot.address,
        place=spot.place,
        policies=None if stale else work.policies(),
        session=session,
    )


def _drawn(share: float, table: tuple[tuple[float, tuple[Deed, ...]], ...]) -> tuple[Deed, ...]:
    return next((deeds for limit, deeds in table if share < limit), ())


def steps_before(draws: Draws, last: SignIn, deeds: Iterable[Deed]) -> list[SignIn]:
    """Rows of the same flow that precede ``last``, some seconds apart, in the order of ``deeds``."""
    told = list(deeds)
    time, rows = last.time, []
    for deed in reversed(told):
        time -= timedelta(seconds=7 + draws.below(35))
        rows.append(
            sign_in(
                draws,
                time,
                last.person,
                last.app,
                deed=deed,
                device=last.device,
                address=last.address,
                place=last.place,
                correlation=last.correlation,
                session=last.session,
                intruder=last.intruder,
            )
        )
    return rows[::-1]


def on_phone(row: SignIn) -> bool:
    """Whether the owner's phone made the row."""
    return row.device.system == row.person.phone.system


def on_carrier(row: SignIn) -> bool:
    """Whether the owner's phone made the row through its carrier at home."""
    return on_phone(row) and system_number(row.address) == system_number(row.person.mobile_address)


def came_in(row: SignIn) -> bool:
    """Whether the row is a success."""
    return row.deed is Deed.SIGNED_IN


def robots(work: Workplace) -> list[SignIn]:
    """Up to two service accounts that sign in from a data centre at home, at the same minutes every day."""
    draws = work.draws
    rows: list[SignIn] = []
    for name in draws.some(("backup", "reports", "payroll"), draws.below(3)):
        spot = work.numbering.network(work.land.cities[0]).spot(draws)
        robot = robot_account(draws, name, spot)
        minute = draws.below(1440)
        for day in range(work.calendar.days):
            time = work.minute_at(work.land, day, minute)
            rows.append(sign_in(draws, time, robot, OFFICE, interactive=False, policies=work.policies()))
    return rows


def robot_account(draws: Draws, name: str, spot: Spot) -> Person:
    """An account that a program uses."""
    device = Device("", "", "", "", f"{name}-service/4.2", "")
    account = f"svc-{name}@{DOMAIN}"
    return Person(account, f"svc-{name}", draws.guid(), spot.place, spot.address, spot.address, device, device)


def role_account(draws: Draws, name: str, spot: Spot) -> Person:
    """A name that strangers guess; it may belong to nobody."""
    nothing = Device("", "", "", "", "", "")
    return Person(f"{name}@{DOMAIN}", name, draws.guid(), spot.place, spot.address, spot.address, nothing, nothing)


def knocking(work: Workplace, count: int, *, doors: Sequence[Person] | None = None) -> list[SignIn]:
    """``count`` attempts by strangers from rented servers in several countries, at all hours; none gets in."""
    draws = work.draws
    lands = elsewhere(draws, RENTED, 2 + draws.below(6), work.land.code)
    networks = [work.numbering.network(draws.one(land.cities)) for land in lands for _ in range(2)]
    home = Spot(work.people[0].address, work.people[0].place)
    guessed = [role_account(draws, name, home) for name in draws.some(ROLE_NAMES, 3)]
    return [_knock(work, draws.one(networks).spot(draws), doors or work.people, guessed) for _ in range(count)]


def _knock(work: Workplace, spot: Spot, doors: Sequence[Person], guessed: Sequence[Person]) -> SignIn:
    draws = work.draws
    share = draws.share()
    deed = next(deed for limit, deed in KNOCKS if share < limit)
    return sign_in(
        draws,
        work.minute_at(work.land, draws.below(work.calendar.days), draws.below(1440)),
        draws.one(guessed if deed is Deed.UNKNOWN_ACCOUNT else doors),
        draws.one((OUTLOOK, OFFICE)),
        deed=deed,
        device=draws.one(KNOCKING_DEVICES),
        address=spot.address,
        place=spot.place,
        intruder=True,
    )


def ordinary_records(work: Workplace, rows: Sequence[SignIn], count: int) -> list[AuditRecord]:
    """The audit log of these sign-ins: everybody's logons, and ``count`` pieces of ordinary work in office hours."""
    draws, days = work.draws, work.calendar.working_days()
    done = [
        routine(draws, work.minute_at(work.land, draws.one(days), 510 + draws.below(540)), draws.one(work.people))
        for _ in range(count)
    ]
    return logons(draws, rows) + done


def _audit_of_any(work: Workplace, rows: Sequence[SignIn]) -> list[AuditRecord]:
    """The audit log that two exports of five hold: ordinary records, and the mail that intruders read."""
    draws = work.draws
    if draws.share() >= 0.4:
        return []
    taken = [row for row in rows if row.intruder and came_in(row)]
    return ordinary_records(work, rows, 80 + draws.below(160)) + plunder(draws, taken, draws.below(30))


def concluded(
    work: Workplace,
    rows: Iterable[SignIn],
    why: str,
    *,
    audit: Iterable[AuditRecord] | None = None,
    entered: tuple[str, ...] = (),
    also_home: tuple[str, ...] = (),
    visible: bool = True,
    quiet: bool = False,
) -> Story:
    """The story of these rows, with service accounts and, in two tenants of five, strangers who knock in vain.

    The verdict is counted from the rows. Where no ``audit`` is given, two exports of five hold an ordinary one.
    ``quiet`` leaves services, strangers and the ordinary audit log out. ``also_home`` are further home countries.
    """
    draws = work.draws
    usual = [] if quiet else robots(work) + knocking(work, draws.below(50) if draws.share() < 0.4 else 0)
    sign_ins = in_order([*rows, *usual], work.calendar)
    if audit is None:
        audit = [] if quiet else _audit_of_any(work, sign_ins)
    return Story(
        sign_ins,
        _verdict(sign_ins, entered),
        why,
        audit=in_order(audit, work.calendar),
        calendar=work.calendar,
        home_countries=(work.land.code, *also_home),
        entered=entered,
        visible=visible,
    )


def _verdict(sign_ins: Sequence[SignIn], entered: Sequence[str]) -> str:
    successes = [row for row in sign_ins if came_in(row)]
    if entered or any(row.intruder for row in successes):
        return "BREACH_INDICATED"
    return "NO_BREACH_INDICATED" if successes else "ALL_BLOCKED"
