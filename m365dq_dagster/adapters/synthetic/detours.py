"""Traffic that leaves elsewhere, or is placed elsewhere, than its people are: egress, relays, carriers, wrong maps.

Everybody here stays at home and is who they claim to be; only the address or the place in the log speaks otherwise.
People who are abroad themselves belong to ``journeys``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .events import SignIn, sign_in
from .geography import DESTINATIONS, LANDS, elsewhere, neighbour
from .networks import Network, Spot
from .story import Setting, Story
from .tenant import OUTLOOK, Device, Person
from .workplaces import Workplace, concluded, found, knocking, on_carrier, on_phone, robots, weeks

SYNC_SERVICE = Device("", "", "", "", "MailConnector/3.1 (+https://connector.example)", "")
FAR = tuple("BR ID KE NG PH RU UA UZ VN ZA".split())


def _changed(rows: Sequence[SignIn], touched: Callable[[SignIn], bool], spot: Callable[[], Spot]) -> list[SignIn]:
    told: list[SignIn] = []
    for row in rows:
        if touched(row):
            address, place = spot()
            row = row._replace(address=address, place=place)
        told.append(row)
    return told


def foreign_egress(setting: Setting) -> Story:
    """From the first day, the computers of most staff leave through one or two addresses of a gateway abroad."""
    work = found(setting.draws)
    exits = gateway(work)
    rows = through_gateway(work, weeks(work), exits, first_day=0)
    return concluded(work, rows, f"The company's own gateway in {_lands(exits)} carries its staff, who are at home.")


def switched_egress(setting: Setting) -> Story:
    """In the middle of the window, the company moves its gateway abroad: from one day on nearly all leave there."""
    work = found(setting.draws, least_days=18)
    exits = gateway(work)
    rows = through_gateway(work, weeks(work), exits, first_day=work.middle())
    return concluded(work, rows, f"The company switched to a gateway in {_lands(exits)}; its staff stayed at home.")


def gateway(work: Workplace) -> list[Spot]:
    """One or two addresses of one network in another country."""
    land = elsewhere(work.draws, ("DE", "NL", "IE", "GB", "US", "SG", "FR"), 1, work.land.code)[0]
    network = work.numbering.network(work.draws.one(land.cities))
    return [network.spot(work.draws) for _ in range(1 + work.draws.below(2))]


def through_gateway(
    work: Workplace, rows: Sequence[SignIn], exits: Sequence[Spot], *, first_day: int, spared: Sequence[str] = ()
) -> list[SignIn]:
    """The rows of computers from ``first_day`` on leave through the gateway, for most people and most of the time."""
    draws = work.draws
    users = {person.account for person in work.people if person.account not in spared and draws.share() < 0.85}
    always = 0.75 + 0.25 * draws.share()

    def touched(row: SignIn) -> bool:
        used = row.person.account in users and not on_phone(row) and work.day_of(row) >= first_day
        return used and draws.share() < always

    return _changed(rows, touched, lambda: draws.one(exits))


def _lands(spots: Sequence[Spot]) -> str:
    return " and ".join(sorted({spot.place.country for spot in spots}))


def roaming_carrier(setting: Setting) -> Story:
    """A carrier hands out addresses that the log places in three or four countries, changing with every sign-in."""
    work = found(setting.draws)
    rows = scattered_phones(work, weeks(work))
    return concluded(work, rows, "Phones at home whose carrier's addresses the log places in several countries.")


def scattered_phones(work: Workplace, rows: Sequence[SignIn]) -> list[SignIn]:
    """Rows of phones on the carrier get addresses of it that are placed here, next door and far away."""
    draws = work.draws
    around = [LANDS[code] for code in work.land.near] + elsewhere(draws, DESTINATIONS, 2, work.land.code)
    lands = {land.code: land for land in around[:4]}
    places = [work.main.carrier.place] * 2 + [draws.one(land.cities) for land in lands.values()]
    wide = [work.numbering.network(place, wide=draws.share() < 0.7) for place in places]
    return _changed(
        rows,
        on_carrier,
        lambda: draws.one(wide).spot(draws),
    )


def mislocated_day(setting: Setting) -> Story:
    """On one day the vendor places everybody in one far country, from the addresses that they always had."""
    work = found(setting.draws)
    draws = work.draws
    land = elsewhere(draws, FAR, 1, work.land.code)[0]
    day = draws.one([one for one in work.calendar.working_days() if one >= 3])
    first = draws.one((0, 0, 5, 9))
    begin = work.minute_at(work.land, day, 60 * first)
    end = work.minute_at(work.land, day, 60 * (first + 14))
    strangers = knocking(work, draws.below(50) if draws.share() < 0.4 else 0)
    rows = [
        row._replace(place=land.cities[0]) if begin <= row.time < end else row
        for row in weeks(work) + robots(work) + strangers
    ]
    why = f"The vendor placed all users in {land.code} on one day; nobody was there."
    return concluded(work, rows, why, quiet=True)


def private_relay(setting: Setting) -> Story:
    """Two people to a third of the tenant browse through a privacy relay: fresh addresses, here or next door."""
    work = found(setting.draws)
    people, rows = relayed(work, weeks(work))
    why = "People at home whose browsers use a relay with rotating addresses: " + ", ".join(people) + "."
    return concluded(work, rows, why)


def relayed(work: Workplace, rows: Sequence[SignIn], *spared: str) -> tuple[list[str], list[SignIn]]:
    """Some people's interactive and phone sign-ins go through a relay; their accounts and all rows."""
    draws = work.draws
    known = [person.account for person in work.people if person.account not in spared]
    users = draws.some(known, 2 + draws.below(max(1, len(work.people) // 3)))
    next_door = neighbour(draws, work.land) if work.land.near else elsewhere(draws, DESTINATIONS, 1, work.land.code)[0]
    share = 0.2 + 0.5 * draws.share()
    here = [work.numbering.network(draws.one(work.land.cities), wide=wide) for wide in (True, False, False)]
    there = [work.numbering.network(draws.one(next_door.cities), wide=wide) for wide in (True, False)]

    def spot() -> Spot:
        networks: list[Network] = there if draws.share() < share else here
        return draws.one(networks).spot(draws)

    def touched(row: SignIn) -> bool:
        return row.person.account in users and (row.interactive or on_phone(row)) and draws.share() < 0.7

    return sorted(users), _changed(rows, touched, spot)


def cloud_connector(setting: Setting) -> Story:
    """A service that staff subscribed to reads their calendars with their consent, from its own region abroad."""
    work = found(setting.draws)
    draws = work.draws
    land = elsewhere(draws, ("DE", "IE", "NL", "SG", "US"), 1, work.land.code)[0]
    network = work.numbering.network(land.cities[-1])
    spots = [network.spot(draws) for _ in range(3)]
    users = draws.some(work.people, max(3, len(work.people) // 2))
    rows = weeks(work)
    for person in users:
        rows += _synchronised(work, person, spots)
    why = f"A subscribed service in {land.code} fetched mail with the owners' consent, quietly, from the first day."
    return concluded(work, rows, why)


def _synchronised(work: Workplace, person: Person, spots: Sequence[Spot]) -> list[SignIn]:
    draws = work.draws
    often = 0.2 + 0.5 * draws.share()
    rows = []
    for day in range(work.calendar.days):
        if draws.share() < often:
            spot = draws.one(spots)
            time = work.minute_at(work.land, day, draws.below(1440))
            rows.append(
                sign_in(
                    draws,
                    time,
                    person,
                    OUTLOOK,
                    interactive=False,
                    device=SYNC_SERVICE,
                    address=spot.address,
                    place=spot.place,
                    policies=work.policies(),
                )
            )
    return rows
