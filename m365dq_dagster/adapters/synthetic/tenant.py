"""The tenant of the stories: people, places, devices, applications.

Here belongs who exists and what they use. What they do belongs to the stories. Every name is invented; domains end in
``.example`` and addresses come from the ranges set aside for documentation and for benchmarks.
"""

from __future__ import annotations

from typing import NamedTuple

from .draws import Draws

DOMAIN = "contoso.example"
TENANT_ID = "5d3f9a10-7c1e-4a52-a0b4-0c0ffee0a001"
HOME_COUNTRY = "AU"
CIRCUIT = 131_072
"""How many IPv4 addresses the benchmark range 198.18.0.0/15 holds."""


class Place(NamedTuple):
    """A place as a sign-in log names it."""

    city: str
    state: str
    country: str
    latitude: float
    longitude: float


class Device(NamedTuple):
    """What a sign-in log tells of a device; an unmanaged one has neither name nor id."""

    name: str
    device_id: str
    browser: str
    system: str
    agent: str
    join_type: str


PASSWORD_CLIENTS = ("IMAP4", "POP3", "Authenticated SMTP", "Exchange ActiveSync", "Other clients")


class App(NamedTuple):
    """The application signed in to and the resource behind it."""

    name: str
    app_id: str
    resource: str
    resource_id: str
    client: str
    protocol: str = "none"

    @property
    def password_only(self) -> bool:
        """Whether name and password are all that can be given: old mail protocols and password grants."""
        return self.client in PASSWORD_CLIENTS or self.protocol == "ropc"


class Person(NamedTuple):
    """Someone, or a service account, with a home, an address there and the devices they own.

    A service principal signs in as itself and has no account: its name is blank.
    """

    account: str
    name: str
    user_id: str
    place: Place
    address: str
    mobile_address: str
    desktop: Device
    phone: Device


SYDNEY = Place("Sydney", "New South Wales", "AU", -33.8688, 151.2093)
MELBOURNE = Place("Melbourne", "Victoria", "AU", -37.8136, 144.9631)
BRISBANE = Place("Brisbane", "Queensland", "AU", -27.4698, 153.0251)
PERTH = Place("Perth", "Western Australia", "AU", -31.9523, 115.8613)
SINGAPORE = Place("Singapore", "", "SG", 1.3521, 103.8198)
ASHBURN = Place("Ashburn", "Virginia", "US", 39.0438, -77.4874)
AMSTERDAM = Place("Amsterdam", "North Holland", "NL", 52.3676, 4.9041)
BUCHAREST = Place("Bucharest", "Bucuresti", "RO", 44.4268, 26.1025)
LAGOS = Place("Lagos", "Lagos", "NG", 6.5244, 3.3792)
HOME_CITIES = (SYDNEY, SYDNEY, MELBOURNE, MELBOURNE, BRISBANE, PERTH)

OUTLOOK = App(
    "Office 365 Exchange Online",
    "00000002-0000-0ff1-ce00-000000000000",
    "Office 365 Exchange Online",
    "00000002-0000-0ff1-ce00-000000000000",
    "Browser",
)
PORTAL = App(
    "OfficeHome",
    "4765445b-32c6-49b0-83e6-1d93765276ca",
    "OfficeHome",
    "4765445b-32c6-49b0-83e6-1d93765276ca",
    "Browser",
)
SHAREPOINT = App(
    "Office 365 SharePoint Online",
    "00000003-0000-0ff1-ce00-000000000000",
    "Office 365 SharePoint Online",
    "00000003-0000-0ff1-ce00-000000000000",
    "Browser",
)
TEAMS = App(
    "Microsoft Teams",
    "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
    "Microsoft Teams Services",
    "cc15fd57-2c6c-4117-a88c-83b1d56b4bbe",
    "Mobile Apps and Desktop clients",
)
OFFICE = App(
    "Microsoft Office",
    "d3590ed6-52b3-4102-aeff-aad2292ab01c",
    "Microsoft Graph",
    "00000003-0000-0000-c000-000000000000",
    "Mobile Apps and Desktop clients",
)
ENROLLMENT = App(
    "Microsoft Intune Enrollment",
    "d4ebce55-015a-49b5-a083-c84d1797ae8c",
    "Microsoft Intune",
    "0000000a-0000-0000-c000-000000000000",
    "Mobile Apps and Desktop clients",
)
PEOPLE_APPS = (OUTLOOK, OUTLOOK, PORTAL, SHAREPOINT, TEAMS, OFFICE)
BROWSER_APPS = (OUTLOOK, OUTLOOK, PORTAL, SHAREPOINT)

WINDOWS_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36"
)
MAC_AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Safari/605.1.15"
)
PHONE_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Mobile/15E148 Safari/604.1"
)
LINUX_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.0.0 Safari/537.36"
FIREFOX_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"
EDGE_AGENT = f"{WINDOWS_AGENT} Edg/119.0.0.0"

ATTACK_BROWSERS = (
    Device("", "", "Chrome 118.0.0", "Linux", LINUX_AGENT, ""),
    Device("", "", "Firefox 115.0", "Linux", FIREFOX_AGENT, ""),
)
ATTACK_SCRIPT = Device("", "", "Python Requests 2.31", "", "python-requests/2.31.0", "")
"""What the attacker signs in with: nothing that anybody in the tenant owns."""

FIRST_NAMES = tuple(
    "Ada Amir Anh Bea Ben Carla Chen Dana David Elif Emma Farid Finn Grace Hana Hugo Ines Ivan Jack Jana Kai Kim Lena "
    "Liam Mara Mei Nadia Noah Olga Omar Petra Quinn Rosa Sam Tara".split()
)
LAST_NAMES = tuple(
    "Abbott Baker Castro Dixon Ekberg Farrow Gupta Hansen Ibrahim Jensen Kelly Lopez Moreau Nguyen Olsen Park Quist "
    "Reid Sato Taylor Ueda Varga Walsh Xu Young Zhang".split()
)


def staff(draws: Draws, count: int) -> tuple[Person, ...]:
    """``count`` people (at most 910) at home in the tenant's country, with a desktop and a phone each."""
    return tuple(_person(draws, index) for index in range(count))


def _person(draws: Draws, index: int) -> Person:
    first = FIRST_NAMES[index % len(FIRST_NAMES)]
    last = LAST_NAMES[(index + index // len(FIRST_NAMES)) % len(LAST_NAMES)]
    return Person(
        account=f"{first}.{last}@{DOMAIN}".lower(),
        name=f"{first} {last}",
        user_id=draws.guid(),
        place=draws.one(HOME_CITIES),
        address=f"203.0.113.{1 + index % 250}",
        mobile_address=f"2001:db8:{index + 1:x}::{1 + draws.below(200):x}",
        desktop=_desktop(draws, index),
        phone=Device("", "", "Mobile Safari 17.1", "iOS 17.1", PHONE_AGENT, ""),
    )


def _desktop(draws: Draws, index: int) -> Device:
    kind = draws.below(10)
    if kind < 6:
        return Device(
            f"LT-{index:04d}", draws.guid(), "Edge 119.0.0", "Windows10", EDGE_AGENT, "Hybrid Azure AD joined"
        )
    if kind < 9:
        return Device(f"LT-{index:04d}", draws.guid(), "Chrome 119.0.0", "Windows10", WINDOWS_AGENT, "Azure AD joined")
    return Device(f"MAC-{index:04d}", draws.guid(), "Safari 17.1", "MacOs", MAC_AGENT, "Azure AD registered")


def service(draws: Draws, name: str, number: int) -> Person:
    """A service account that signs in from one address of the data centre, at all hours."""
    device = Device("", "", "", "", f"{name}/4.2", "")
    return Person(
        account=f"svc-{name}@{DOMAIN}",
        name=f"svc-{name}",
        user_id=draws.guid(),
        place=SYDNEY,
        address=f"192.0.2.{240 + number}",
        mobile_address=f"192.0.2.{240 + number}",
        desktop=device,
        phone=device,
    )


def crowd(draws: Draws, count: int) -> tuple[Person, ...]:
    """``count`` people of a large tenant, each with an address of the benchmark range."""
    return tuple(_member(draws, index) for index in range(count))


def _member(draws: Draws, index: int) -> Person:
    place = index % CIRCUIT
    return Person(
        account=f"user{index:06d}@{DOMAIN}",
        name=f"User {index:06d}",
        user_id=draws.guid(),
        place=draws.one(HOME_CITIES),
        address=f"198.{18 + place // 65536}.{place // 256 % 256}.{place % 256}",
        mobile_address=f"2001:db8:{1 + index // 65536:x}:{index % 65536:x}::1",
        desktop=_desktop(draws, index),
        phone=Device("", "", "Mobile Safari 17.1", "iOS 17.1", PHONE_AGENT, ""),
    )
