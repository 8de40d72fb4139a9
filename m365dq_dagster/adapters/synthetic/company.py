"""Small tenants anywhere in the world: where they work, who works there and with what, and what their policies cover.

Here belongs who exists. Their days belong to ``office_days``, their attackers to ``intrusion``. Names end in
``.example`` and every address comes from the ranges set aside for documentation and for benchmarks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from .calendars import Calendar
from .draws import Draws
from .tenant import (
    ENROLLMENT,
    FIRST_NAMES,
    LAST_NAMES,
    OFFICE,
    SHAREPOINT,
    TEAMS,
    App,
    Device,
    Person,
    Place,
)
from .vocabulary import WORDING, ConditionalAccess, Deed


class Land(NamedTuple):
    """A country with the hours that its clocks are ahead of UTC and the cities that the stories use."""

    code: str
    hours: float
    cities: tuple[Place, ...]


def _land(code: str, hours: float, *cities: tuple[str, str, float, float]) -> Land:
    return Land(code, hours, tuple(Place(city, state, code, north, east) for city, state, north, east in cities))


LANDS = (
    _land("AU", 10, ("Sydney", "New South Wales", -33.87, 151.21), ("Melbourne", "Victoria", -37.81, 144.96)),
    _land("DE", 1, ("Berlin", "Berlin", 52.52, 13.41), ("Munich", "Bayern", 48.14, 11.58)),
    _land("US", -5, ("New York", "New York", 40.71, -74.01), ("Boston", "Massachusetts", 42.36, -71.06)),
    _land("GB", 0, ("London", "London, City of", 51.51, -0.13), ("Leeds", "Leeds", 53.8, -1.55)),
    _land("NL", 1, ("Utrecht", "Utrecht", 52.09, 5.12), ("Rotterdam", "Zuid-Holland", 51.92, 4.48)),
    _land("CA", -5, ("Toronto", "Ontario", 43.65, -79.38), ("Montreal", "Quebec", 45.5, -73.57)),
    _land("FR", 1, ("Lyon", "Rhone", 45.76, 4.84), ("Paris", "Paris", 48.86, 2.35)),
    _land("SG", 8, ("Singapore", "", 1.35, 103.82)),
    _land("JP", 9, ("Tokyo", "Tokyo", 35.68, 139.69), ("Osaka", "Osaka", 34.69, 135.5)),
    _land("BR", -3, ("Sao Paulo", "Sao Paulo", -23.55, -46.63), ("Curitiba", "Parana", -25.43, -49.27)),
    _land("IN", 5.5, ("Pune", "Maharashtra", 18.52, 73.86), ("Bengaluru", "Karnataka", 12.97, 77.59)),
    _land("ZA", 2, ("Cape Town", "Western Cape", -33.92, 18.42), ("Durban", "KwaZulu-Natal", -29.86, 31.02)),
    _land("NA", 2, ("Windhoek", "Khomas", -22.56, 17.08), ("Swakopmund", "Erongo", -22.68, 14.53)),
    _land("SE", 1, ("Stockholm", "Stockholms Lan", 59.33, 18.07), ("Malmo", "Skane Lan", 55.6, 13.0)),
    _land("NZ", 12, ("Auckland", "Auckland", -36.85, 174.76), ("Wellington", "Wellington", -41.29, 174.78)),
    _land("PL", 1, ("Krakow", "Malopolskie", 50.06, 19.94), ("Gdansk", "Pomorskie", 54.35, 18.65)),
)
RENTED_PLACES = (
    Place("Bucharest", "Bucuresti", "RO", 44.43, 26.10),
    Place("Lagos", "Lagos", "NG", 6.52, 3.38),
    Place("Moscow", "Moskva", "RU", 55.76, 37.62),
    Place("Hong Kong", "", "HK", 22.32, 114.17),
    Place("Sofia", "Sofia-Grad", "BG", 42.70, 23.32),
    Place("Ho Chi Minh City", "Ho Chi Minh", "VN", 10.82, 106.63),
    Place("Ashburn", "Virginia", "US", 39.04, -77.49),
    Place("Amsterdam", "Noord-Holland", "NL", 52.37, 4.90),
    Place("Frankfurt Am Main", "Hessen", "DE", 50.11, 8.68),
    Place("Istanbul", "Istanbul", "TR", 41.01, 28.98),
)
"""Where computing power is rented: data centres, and cheap hosts that attackers like."""
DATA_CENTRES = (
    Place("Boydton", "Virginia", "US", 36.67, -78.39),
    Place("Dublin", "Dublin", "IE", 53.35, -6.26),
    Place("Amsterdam", "Noord-Holland", "NL", 52.37, 4.90),
    Place("Singapore", "", "SG", 1.35, 103.82),
    Place("Frankfurt Am Main", "Hessen", "DE", 50.11, 8.68),
)
COMPANIES = ("contoso", "fabrikam", "northwind", "tailspin", "wingtip", "adatum", "litware", "proseware", "woodgrove")

FIRST_DAYS = tuple(datetime(2025, month, 1) for month in range(3, 13))
LATEST_START = 24
"""Windows begin on the 1st to the 24th, so that each of them holds days that no reading can take for a month."""
WINDOW_LENGTHS = (14, 21, 21, 28, 28, 35)
PERSON_DAYS = (110, 300)
"""Working days of all people together: what decides how long the logs become."""
HEADCOUNTS = (4, 18)
OUTSIDE = ((), (), (), (ENROLLMENT,), (TEAMS,), (SHAREPOINT, TEAMS), (OFFICE,))
"""Applications that no policy covers, as tenants leave them out."""
POLICED_SHARE = 0.9


class Circuit:
    """Hands out addresses, none of them twice."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._taken: set[str] = set()

    def office(self) -> str:
        """The address that an office shows to the world."""
        return self._fresh("203.0.113.", 250)

    def rented(self) -> str:
        """An address of a rented machine."""
        return self._fresh(self._draws.one(("198.51.100.", "192.0.2.")), 250)

    def household(self) -> str:
        """The address of somebody's home."""
        return self._fresh(f"198.{18 + self._draws.below(2)}.{self._draws.below(256)}.", 254)

    def mobile(self) -> str:
        """The address of a phone: IPv6."""
        return self._fresh(f"2001:db8:{1 + self._draws.below(60_000):x}::", 4_000, hexadecimal=True)

    def _fresh(self, network: str, most: int, *, hexadecimal: bool = False) -> str:
        while True:
            host = 1 + self._draws.below(most)
            address = f"{network}{host:x}" if hexadecimal else f"{network}{host}"
            if address not in self._taken:
                self._taken.add(address)
                return address


@dataclass(frozen=True)
class Company:
    """A tenant at home in one country, each of its people in one city, with an office address in every city.

    ``names_from`` is where the list of names begins. ``policed``: Conditional Access is in use at all; then it covers
    every application but those ``outside``.
    """

    domain: str
    land: Land
    calendar: Calendar
    people: tuple[Person, ...]
    offices: dict[str, str]
    circuit: Circuit
    names_from: int
    policed: bool
    outside: tuple[App, ...]

    def policies(self, app: App, deed: Deed) -> ConditionalAccess:
        """What Conditional Access says of a deed at that application; a prompt without policies is the user's own."""
        usual = WORDING[deed].policies
        if not self.policed:
            return ConditionalAccess.NOT_APPLIED
        if usual is ConditionalAccess.SUCCESS and app in self.outside:
            return ConditionalAccess.NOT_APPLIED
        return usual

    def abroad(self, places: Iterable[Place]) -> tuple[Place, ...]:
        """The places that lie in another country."""
        return tuple(place for place in places if place.country != self.land.code)


def company(draws: Draws, *, land: Land | None = None) -> Company:
    """A tenant drawn from chance: country, window, headcount (about 110 to 300 person-days), policies."""
    home = land or draws.one(LANDS)
    calendar = _calendar(draws, home)
    domain = f"{draws.one(COMPANIES)}.example"
    circuit = Circuit(draws)
    business = Company(
        domain,
        home,
        calendar,
        (),
        {place.city: circuit.office() for place in home.cities},
        circuit,
        names_from=draws.below(len(FIRST_NAMES)),
        policed=draws.share() < POLICED_SHARE,
        outside=draws.one(OUTSIDE),
    )
    return replace(business, people=hired(draws, business, _headcount(draws, calendar)))


def _calendar(draws: Draws, land: Land) -> Calendar:
    first = draws.one(FIRST_DAYS) + timedelta(days=draws.below(LATEST_START))
    return Calendar(first, draws.one(WINDOW_LENGTHS), timedelta(hours=land.hours))


def _headcount(draws: Draws, calendar: Calendar) -> int:
    least, most = PERSON_DAYS
    fewest, highest = HEADCOUNTS
    return min(highest, max(fewest, (least + draws.below(most - least)) // len(calendar.working_days())))


def hired(draws: Draws, business: Company, count: int) -> tuple[Person, ...]:
    """``count`` people who join those of the company, with names that nobody there has (35 people at most)."""
    staff = len(business.people)
    return tuple(_hire(draws, business, staff + number) for number in range(count))


def _hire(draws: Draws, business: Company, number: int) -> Person:
    first = FIRST_NAMES[(number * 11 + business.names_from) % len(FIRST_NAMES)]
    last = LAST_NAMES[(number * 7 + business.names_from) % len(LAST_NAMES)]
    return Person(
        account=f"{first}.{last}@{business.domain}".lower(),
        name=f"{first} {last}",
        user_id=draws.guid(),
        place=draws.one(business.land.cities),
        address=business.circuit.household(),
        mobile_address=business.circuit.mobile(),
        desktop=desktop(draws, number),
        phone=phone(draws),
    )


class _Model(NamedTuple):
    browser: str
    system: str
    agent: str
    join_type: str


_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_CHROMIUM = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36"
_DESKTOPS = (
    _Model("Edge {v}.0.0", "Windows10", f"{_WINDOWS} {_CHROMIUM} Edg/{{v}}.0.0.0", "Hybrid Azure AD joined"),
    _Model("Edge {v}.0.0", "Windows10", f"{_WINDOWS} {_CHROMIUM} Edg/{{v}}.0.0.0", "Azure AD joined"),
    _Model("Chrome {v}.0.0", "Windows10", f"{_WINDOWS} {_CHROMIUM}", "Azure AD joined"),
    _Model("Chrome {v}.0.0", "MacOs", f"{_MAC} {_CHROMIUM}", "Azure AD registered"),
    _Model("Firefox {v}.0", "Windows10", f"{_WINDOWS[:-1]}; rv:{{v}}.0) Gecko/20100101 Firefox/{{v}}.0", ""),
    _Model("Chrome {v}.0.0", "Windows10", f"{_WINDOWS} {_CHROMIUM}", ""),
)
_PHONES = (
    Device(
        "",
        "",
        "Mobile Safari 17.5",
        "Ios 17.5",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
        "Mobile/15E148 Safari/604.1",
        "",
    ),
    Device(
        "",
        "",
        "Chrome Mobile 131.0.0",
        "Android 14",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile "
        "Safari/537.36",
        "",
    ),
)
VERSION = 131
"""The browser version at the start of a window; it moves on by one during it."""


def desktop(draws: Draws, number: int, *, version: int = VERSION) -> Device:
    """A work machine; two kinds in six belong to their user and have neither name nor id in the directory."""
    model = draws.one(_DESKTOPS)
    return Device(
        f"WS-{1000 + 7 * number}" if model.join_type else "",
        draws.guid() if model.join_type else "",
        model.browser.format(v=version),
        model.system,
        model.agent.format(v=version),
        model.join_type,
    )


def phone(draws: Draws) -> Device:
    """A phone as a browser on it looks."""
    return draws.one(_PHONES)


def updated(device: Device) -> Device:
    """The same machine after its browser moved on by one version."""
    old, new = str(VERSION), str(VERSION + 1)
    return device._replace(browser=device.browser.replace(old, new), agent=device.agent.replace(old, new))


def service_account(draws: Draws, company: Company, name: str, place: Place) -> Person:
    """An account that a program signs in with from one machine in a data centre, at all hours."""
    device = Device("", "", "", "", f"{name}/4.{draws.below(10)}", "")
    address = company.circuit.rented()
    return Person(f"svc-{name}@{company.domain}", f"svc-{name}", draws.guid(), place, address, address, device, device)


def service_principal(draws: Draws, company: Company, name: str, place: Place) -> Person:
    """An application that signs in as itself, from one machine in a data centre; it has no account."""
    return service_account(draws, company, name, place)._replace(account="", name=name)
