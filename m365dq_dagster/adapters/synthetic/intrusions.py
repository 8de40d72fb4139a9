"""Accounts in the hands of somebody else, as their sign-ins tell it: phishing, stolen sessions, guessed passwords.

Every row of an intruder says so. The owners go on with their ordinary weeks, and so do their colleagues with whatever
makes their own traffic odd. What an intruder leaves in the audit log belongs to ``deceptions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .detours import gateway, relayed, scattered_phones, through_gateway
from .events import SignIn, sign_in
from .geography import DESTINATIONS, RENTED, elsewhere
from .journeys import Handset, asked_abroad, stays, travelled, trips
from .networks import Network, Spot
from .story import Setting, Story
from .tenant import (
    FIREFOX_AGENT,
    LINUX_AGENT,
    OFFICE,
    OUTLOOK,
    PORTAL,
    SHAREPOINT,
    TEAMS,
    WINDOWS_AGENT,
    App,
    Device,
    Person,
)
from .vocabulary import WORDING, Deed
from .workplaces import QUIET_APPS, Workplace, branch, came_in, concluded, found, steps_before, updated, weeks

MY_SIGN_INS = App(
    "My Signins",
    "19db86c3-b2b9-44cc-b339-36da233a3be2",
    "Microsoft Graph",
    "00000003-0000-0000-c000-000000000000",
    "Browser",
)
COMMAND_LINE = App(
    "Microsoft Azure CLI",
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    "Microsoft Graph",
    "00000003-0000-0000-c000-000000000000",
    "Mobile Apps and Desktop clients",
)
ENTRY_APPS = (PORTAL, PORTAL, OUTLOOK, OUTLOOK, MY_SIGN_INS)
LOOT_APPS = (OUTLOOK, OUTLOOK, OFFICE, SHAREPOINT, TEAMS, COMMAND_LINE)
BROWSERS = (
    Device("", "", "Chrome 118.0.0", "Linux", LINUX_AGENT, ""),
    Device("", "", "Firefox 115.0", "Linux", FIREFOX_AGENT, ""),
    Device("", "", "Chrome 119.0.0", "Windows10", WINDOWS_AGENT, ""),
    Device("", "", "Edge 118.0.0", "Windows10", f"{WINDOWS_AGENT} Edg/118.0.0.0", ""),
)
SCRIPTS = (
    Device("", "", "", "", "axios/1.7.2", ""),
    Device("", "", "Python Requests 2.31", "", "python-requests/2.31.0", ""),
    Device("", "", "", "", "node-fetch/1.0", ""),
)


@dataclass(frozen=True)
class Crew:
    """Intruders: the networks they rent, the browser they type in, and the program that uses what they took."""

    networks: tuple[Network, ...]
    browser: Device
    script: Device
    second_factor: bool
    """Whether prompts for a second factor are met, and approved by the owner or by the stolen session."""

    @property
    def named(self) -> str:
        """Where the log places them."""
        return ", ".join(sorted({network.place.country for network in self.networks}))


def crew(work: Workplace, setting: Setting, count: int, *known: str) -> Crew:
    """Intruders with one network in each of ``count`` countries, none of them the tenant's nor ``known``."""
    draws = work.draws
    lands = elsewhere(draws, RENTED, count, work.land.code, *known)
    networks = tuple(work.numbering.network(draws.one(land.cities)) for land in lands)
    browser = draws.one(BROWSERS)
    script = draws.one((browser, *SCRIPTS))
    return Crew(networks, browser, script, setting.mfa_steps and draws.share() < 0.6)


def visit(
    work: Workplace, victim: Person, crew_: Crew, time: datetime, spot: Spot, *, guesses: int = 0, takes: int = 3
) -> list[SignIn]:
    """One entry by the password, after ``guesses`` wrong ones, and ``takes`` quiet uses of the session within hours."""
    draws = work.draws
    entry = sign_in(
        draws,
        time,
        victim,
        draws.one(ENTRY_APPS),
        device=crew_.browser,
        address=spot.address,
        place=spot.place,
        policies=work.policies(),
        intruder=True,
    )
    deeds = [Deed.MISTYPED_PASSWORD] * guesses
    deeds += [Deed.ASKED_FOR_MFA] if crew_.second_factor and draws.share() < 0.7 else []
    return [*steps_before(draws, entry, deeds), entry, *uses(work, entry, crew_.script, takes)]


def uses(work: Workplace, entry: SignIn, device: Device, count: int) -> list[SignIn]:
    """Tokens drawn from an open session, without anybody typing anything, in the hours after it was opened."""
    draws = work.draws
    minutes = sorted(1 + draws.below(200) for _ in range(count))
    return [
        entry._replace(
            time=entry.time + timedelta(minutes=minute, seconds=draws.below(60)),
            device=device,
            app=draws.one(LOOT_APPS),
            interactive=False,
            deed=Deed.SIGNED_IN,
            policies=work.policies(),
            request=draws.guid(),
            correlation=draws.guid(),
        )
        for minute in minutes
    ]


def campaign(
    work: Workplace, victim: Person, crew_: Crew, *, first: int, days: int, a_day: int, at_work: bool = False
) -> list[SignIn]:
    """Up to ``a_day`` visits on each of some days; ``at_work``: in the owner's office hours, else at any hour.

    Afterwards, in two cases of five, sessions are revoked and the password is changed, and the intruder runs into it.
    """
    draws = work.draws
    last = min(first + days, work.calendar.days - 1)
    spots = {network: [network.spot(draws) for _ in range(1 + draws.below(3))] for network in crew_.networks}
    rows: list[SignIn] = []
    for day in range(first, last):
        for _ in range(1 + draws.below(a_day)):
            minute = 540 + draws.below(420) if at_work else draws.below(1440)
            spot = draws.one(spots[draws.one(crew_.networks)])
            guesses = draws.below(3) if not rows and draws.share() < 0.4 else 0
            time = work.minute_at(work.land, day, minute)
            rows += visit(work, victim, crew_, time, spot, guesses=guesses, takes=1 + draws.below(5))
    return rows + (thrown_out(work, rows) if draws.share() < 0.4 else [])


def thrown_out(work: Workplace, rows: Sequence[SignIn]) -> list[SignIn]:
    """What the intruder still tries once the sessions are revoked and the password is another."""
    draws = work.draws
    last = max(rows, key=lambda row: row.time)
    deeds = [Deed.TOKEN_REVOKED] * (1 + draws.below(4)) + [Deed.MISTYPED_PASSWORD] * draws.below(4)
    return [
        last._replace(
            time=last.time + timedelta(hours=3 + 5 * number, minutes=draws.below(60)),
            interactive=deed is Deed.MISTYPED_PASSWORD,
            deed=deed,
            policies=WORDING[deed].policies,
            request=draws.guid(),
            correlation=draws.guid(),
        )
        for number, deed in enumerate(deeds)
    ]


def owner_at_work(work: Workplace, victim: Person, stolen: Sequence[SignIn]) -> list[SignIn]:
    """The owner's own entries at home, morning and afternoon, on the working days on which somebody else is in."""
    draws = work.draws
    days = sorted({work.day_of(row) for row in stolen} & set(work.calendar.working_days()))
    return [
        sign_in(
            draws,
            work.minute_at(work.land, day, minute + draws.below(150)),
            victim,
            draws.one((OUTLOOK, SHAREPOINT)),
            device=updated(work, victim.desktop, day),
            policies=work.policies(),
        )
        for day in days
        for minute in (500, 780)
    ]


def surroundings(work: Workplace, victims: Sequence[Person]) -> list[SignIn]:
    """Everybody's ordinary weeks; in seven tenants of ten, something honest makes the traffic of others odd too."""
    rows, kind = weeks(work), work.draws.below(10)
    spared = [victim.account for victim in victims]
    if kind < 2:
        return trips(work, rows, 1 + work.draws.below(3), *spared)[1]
    if kind < 3:
        return through_gateway(work, rows, gateway(work), first_day=0, spared=spared)
    if kind < 5:
        return relayed(work, rows, *spared)[1]
    if kind < 6:
        return _but(rows, scattered_phones(work, rows), spared)
    if kind < 7:
        land = elsewhere(work.draws, DESTINATIONS, 1, work.land.code)[0]
        return rows + weeks(work, branch(work, land, 1 + work.draws.below(4)))
    return rows


def _but(before: Sequence[SignIn], after: Sequence[SignIn], spared: Sequence[str]) -> list[SignIn]:
    return [old if old.person.account in spared else new for old, new in zip(before, after, strict=True)]


def _names(people: Sequence[Person]) -> str:
    return ", ".join(sorted(person.account for person in people))


def _when(work: Workplace, days: int) -> int:
    """A working day from the second third on that leaves ``days`` in the window."""
    early, late = work.calendar.days // 3, work.calendar.days - days
    return work.draws.one([day for day in work.calendar.working_days() if early <= day <= max(late, early + 2)])


def phished(setting: Setting) -> Story:
    """One to four owners gave their password to a false page; somebody abroad uses it for some days."""
    work = found(setting.draws)
    draws = work.draws
    victims = draws.some(work.people, 1 + draws.below(4))
    band = crew(work, setting, 1 + draws.below(2))
    rows = surroundings(work, victims)
    for victim in victims:
        days = 2 + draws.below(5)
        rows += campaign(work, victim, band, first=_when(work, days), days=days, a_day=3)
    return concluded(work, rows, f"Phished passwords of {_names(victims)} were used from {band.named}.")


def session_theft(setting: Setting) -> Story:
    """A page in the middle takes the session of one to three owners: one entry that looks like the owner's own computer
    but comes from a rented server, then days of quiet token use, while the owner works at home."""
    work = found(setting.draws)
    draws = work.draws
    victims = draws.some(work.people, 1 + draws.below(3))
    band = crew(work, setting, 1)
    rows = surroundings(work, victims)
    for victim in victims:
        stolen = _relayed_entry(work, victim, band)
        rows += stolen + owner_at_work(work, victim, stolen)
    why = f"A page in the middle, hosted in {band.named}, took the sessions of {_names(victims)}, who worked at home."
    return concluded(work, rows, why)


def _relayed_entry(work: Workplace, victim: Person, band: Crew) -> list[SignIn]:
    draws = work.draws
    days = 2 + draws.below(4)
    first = _when(work, days)
    spot, other = band.networks[0].spot(draws), band.networks[0].spot(draws)
    entry = sign_in(
        draws,
        work.minute_at(work.land, first, 540 + draws.below(420)),
        victim,
        PORTAL,
        device=updated(work, victim.desktop, first)._replace(name="", device_id="", join_type=""),
        address=spot.address,
        place=spot.place,
        policies=work.policies(),
        intruder=True,
    )
    deeds = [Deed.ASKED_FOR_MFA] * band.second_factor
    return [*steps_before(draws, entry, deeds), entry, *_replays(work, entry, band, other, days)]


def _replays(work: Workplace, entry: SignIn, band: Crew, spot: Spot, days: int) -> list[SignIn]:
    """The stolen session from a second address, several times a day, mostly in office hours."""
    draws = work.draws
    rows: list[SignIn] = []
    for day in range(days):
        opening = entry._replace(
            time=entry.time + timedelta(days=day, minutes=draws.below(90)), address=spot.address, place=spot.place
        )
        rows += uses(work, opening, band.script, 3 + draws.below(6))
    return rows


def token_replay(setting: Setting) -> Story:
    """Malware took tokens of one or two owners: quiet use from a rented server abroad, and never an entry."""
    work = found(setting.draws)
    draws = work.draws
    victims = draws.some(work.people, 1 + draws.below(2))
    band = crew(work, setting, 1)
    rows = surroundings(work, victims)
    for victim in victims:
        stolen = _stolen_tokens(work, rows, victim, band)
        rows += stolen + owner_at_work(work, victim, stolen)
    return concluded(work, rows, f"Stolen tokens of {_names(victims)} were used without any prompt from {band.named}.")


def _stolen_tokens(work: Workplace, rows: Sequence[SignIn], victim: Person, band: Crew) -> list[SignIn]:
    """The session is one that the owner opened at home."""
    draws = work.draws
    days = 2 + draws.below(5)
    first = _when(work, days)
    own = [row for row in rows if row.person == victim and came_in(row) and work.day_of(row) <= first]
    session = own[-1].session if own else draws.guid()
    spot = band.networks[0].spot(draws)
    opening = sign_in(
        draws,
        work.minute_at(work.land, first, 520 + draws.below(300)),
        victim,
        draws.one(QUIET_APPS),
        address=spot.address,
        place=spot.place,
        session=session,
        intruder=True,
    )
    return _replays(work, opening, band, spot, days)


def slow_takeover(setting: Setting) -> Story:
    """One account, one or two sign-ins on most days of two weeks or more, from one or two addresses."""
    work = found(setting.draws, least_days=24)
    draws = work.draws
    victim = draws.one(work.people)
    band = crew(work, setting, 1)
    spots = [band.networks[0].spot(draws) for _ in range(1 + draws.below(2))]
    rows = surroundings(work, [victim])
    first = 6 + draws.below(work.calendar.days - 22)
    for day in range(first, first + 15):
        if day == first or draws.share() < 0.85:
            time = work.minute_at(work.land, day, draws.below(1440))
            rows += visit(work, victim, band, time, draws.one(spots), takes=draws.below(2))
    why = f"For two weeks somebody in {band.named} looked into the mailbox of {victim.account} once or twice a day."
    return concluded(work, rows, why)


def taken_while_travelling(setting: Setting) -> Story:
    """The owner is on a business trip, and somebody in a third country signs in to the same account meanwhile."""
    work = found(setting.draws, least_days=20)
    draws = work.draws
    victim = draws.one(work.people)
    nights = 5 + draws.below(5)
    first = _when(work, nights + 2)
    land = elsewhere(draws, DESTINATIONS, 1, work.land.code)[0]
    plan = stays(work, first, [land], [nights])
    rows = travelled(work, surroundings(work, [victim]), victim, plan, draws.one((Handset.LOCAL, Handset.ROAMING)))
    rows += asked_abroad(work, rows, victim)
    band = crew(work, setting, 1, land.code)
    rows += campaign(work, victim, band, first=first + 1, days=nights - 1, a_day=3)
    why = f"{victim.account} was in {land.code} on business; the sign-ins from {band.named} are somebody else's."
    return concluded(work, rows, why)


def dormant_account(setting: Setting) -> Story:
    """An account that nobody uses any more, guessed from abroad after many tries; some of its last days may show."""
    work = found(setting.draws)
    draws = work.draws
    victim = draws.one(work.people)
    rows = surroundings(work, [victim])
    leaves = 3 + draws.below(3) if draws.share() < 0.5 else 0
    rows = [row for row in rows if row.person != victim or work.day_of(row) < leaves]
    band = crew(work, setting, 1)
    first = _when(work, 5)
    spot = band.networks[0].spot(draws)
    opening = sign_in(
        draws,
        work.minute_at(work.land, first, draws.below(600)),
        victim,
        OUTLOOK,
        device=band.browser,
        address=spot.address,
        place=spot.place,
        intruder=True,
    )
    rows += steps_before(draws, opening, [Deed.MISTYPED_PASSWORD] * (5 + draws.below(26)))
    rows += campaign(work, victim, band, first=first + 1, days=4, a_day=3)
    return concluded(work, rows, f"{victim.account} belonged to somebody who left; {band.named} guessed its password.")


def rotating_proxies(setting: Setting) -> Story:
    """One or two accounts, used through proxies: nearly every sign-in comes from another of four to eight countries."""
    work = found(setting.draws)
    draws = work.draws
    victims = draws.some(work.people, 1 + draws.below(2))
    band = crew(work, setting, 4 + draws.below(5))
    rows = surroundings(work, victims)
    for victim in victims:
        rows += _through_proxies(work, victim, band)
    why = f"Somebody used the accounts of {_names(victims)} through proxies in {band.named}, days on end."
    return concluded(work, rows, why)


def _through_proxies(work: Workplace, victim: Person, band: Crew) -> list[SignIn]:
    draws = work.draws
    days = 3 + draws.below(4)
    first = _when(work, days)
    rows: list[SignIn] = []
    for _ in range(10 + draws.below(12)):
        time = work.minute_at(work.land, first + draws.below(days), draws.below(1440))
        rows += visit(work, victim, band, time, draws.one(band.networks).spot(draws), takes=draws.below(2))
        spot = draws.one(band.networks).spot(draws)
        rows[-1] = rows[-1]._replace(address=spot.address, place=spot.place)
    return rows


def successful_spray(setting: Setting) -> Story:
    """One address tries every account once or twice, is right on three, and comes back to those three."""
    work = found(setting.draws)
    draws = work.draws
    victims = draws.some(work.people, 3)
    band = crew(work, setting, 1)
    spot = band.networks[0].spot(draws)
    rows = surroundings(work, victims)
    day, minute = _when(work, 6), draws.below(900)
    for turn in range(1 + draws.below(2)):
        rows += _round(work, band, spot, day + turn, minute)
    for victim in victims:
        for number in range(2 + draws.below(3)):
            time = work.minute_at(work.land, day + 2 + number % 3, draws.below(1440))
            rows += visit(work, victim, band, time, spot, takes=1 + draws.below(3))
    why = f"One address in {band.named} tried everybody's password and was right on {_names(victims)}."
    return concluded(work, rows, why)


def _round(work: Workplace, band: Crew, spot: Spot, day: int, minute: int) -> list[SignIn]:
    draws = work.draws
    return [
        sign_in(
            draws,
            work.minute_at(work.land, day, minute + 2 * number),
            person,
            OUTLOOK,
            deed=Deed.LOCKED_OUT if draws.share() < 0.05 else Deed.MISTYPED_PASSWORD,
            device=band.script,
            address=spot.address,
            place=spot.place,
            intruder=True,
        )
        for number, person in enumerate(draws.some(work.people, len(work.people)))
    ]


def local_intruder(setting: Setting) -> Story:
    """Somebody in the owner's own country uses the account through a household's connection, with a computer like the
    owner's: nothing in the log tells them from the owner at a friend's."""
    work = found(setting.draws)
    draws = work.draws
    victim = draws.one(work.people)
    network = work.numbering.network(draws.one(work.land.cities))
    device = victim.desktop._replace(name="", device_id="", join_type="")
    band = Crew((network,), device, device, second_factor=False)
    rows = weeks(work) + campaign(work, victim, band, first=_when(work, 4), days=4, a_day=2)
    why = f"Somebody in the same country used the account of {victim.account}; only the owner could tell."
    return concluded(work, rows, why, visible=False)
