"""Owners who are abroad themselves: business trips, long journeys, holidays, moves, borders, colleagues abroad.

Everybody here is who they claim to be. A journey is told as a change to ordinary weeks: the same person does the same
things by another clock, from other networks. Detours of the network, with people who stay where they are, belong to
``detours``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from .events import SignIn, sign_in
from .geography import CROSSED_DAILY, DESTINATIONS, Land, elsewhere, neighbour
from .networks import Network, Spot
from .story import Setting, Story
from .tenant import OUTLOOK, TEAMS, Person
from .vocabulary import Deed
from .workplaces import Branch, Workplace, branch, came_in, concluded, found, on_carrier, on_phone, steps_before, weeks

NEARBY = timedelta(hours=3)
"""Countries whose clocks differ by more are a day's journey apart."""
HOP_ENDS, LEAVES_AT = 13, 15
"""Hours of the day: when somebody arrives who travels between countries nearby, and leaves who goes home."""


class Handset(StrEnum):
    """What the phone of a traveller does meanwhile."""

    LOCAL = "uses networks of the country"
    ROAMING = "roams, so that its traffic leaves through the carrier at home"
    LEFT = "stays at home and keeps itself up to date"


class Stay(NamedTuple):
    """Days of the window, first and last included, that somebody spends in a country, and the networks used there."""

    first: int
    last: int
    land: Land
    wifi: Network
    carrier: Network


def stays(work: Workplace, first: int, lands: Sequence[Land], nights: Sequence[int]) -> tuple[Stay, ...]:
    """One stay after the other, from day ``first`` on."""
    made: list[Stay] = []
    for land, count in zip(lands, nights, strict=True):
        city = work.draws.one(land.cities)
        wifi, carrier = work.numbering.network(city), work.numbering.network(city)
        made.append(Stay(first, first + count - 1, land, wifi, carrier))
        first += count
    return tuple(made)


def travelled(
    work: Workplace, rows: Sequence[SignIn], person: Person, plan: Sequence[Stay], handset: Handset
) -> list[SignIn]:
    """All rows, those of ``person`` on the days of the plan told from where they are; hours under way leave none."""
    lodgings = {stay: [stay.wifi.spot(work.draws) for _ in range(2)] for stay in plan}
    told: list[SignIn] = []
    for row in rows:
        day = work.day_of(row)
        stay = next((one for one in plan if one.first <= day <= one.last), None)
        if row.person.account != person.account or stay is None:
            told.append(row)
        elif handset is Handset.LEFT and on_phone(row):
            told += [row._replace(interactive=False)] if came_in(row) else []
        elif not _under_way(work, row, stay, plan):
            told.append(_abroad(work, row, stay, lodgings[stay], handset))
    return told


def _under_way(work: Workplace, row: SignIn, stay: Stay, plan: Sequence[Stay]) -> bool:
    """Whether somebody is travelling just then: the whole first day, the morning of a short hop between two countries
    and the evening before going home from nearby; where clocks are far apart, the day on which they change."""
    day, hour = work.day_of(row), (row.time + work.land.clock).hour
    if day == plan[0].first:
        return True
    if day == stay.first:
        before = plan[plan.index(stay) - 1].land
        return hour < HOP_ENDS or _far(before, stay.land)
    return day == plan[-1].last and (hour >= LEAVES_AT or _far(stay.land, work.land))


def _far(one: Land, other: Land) -> bool:
    return abs(one.clock - other.clock) > NEARBY


def _abroad(work: Workplace, row: SignIn, stay: Stay, lodging: Sequence[Spot], handset: Handset) -> SignIn:
    time = row.time + work.land.clock - stay.land.clock
    if on_carrier(row):
        if handset is Handset.ROAMING:
            return row._replace(time=time)
        spot = stay.carrier.spot(work.draws)
    else:
        spot = work.draws.one(lodging)
    return row._replace(time=time, address=spot.address, place=spot.place)


def asked_abroad(work: Workplace, rows: Sequence[SignIn], person: Person) -> list[SignIn]:
    """Prompts for a second factor before a person's interactive sign-ins from countries that are not home."""
    fresh: list[SignIn] = []
    for row in rows:
        owner = row.person.account == person.account and row.interactive and came_in(row)
        if owner and row.place.country != work.land.code and work.draws.share() < 0.4:
            fresh += steps_before(work.draws, row, [Deed.ASKED_FOR_MFA])
    return fresh


def _names(people: Sequence[Person]) -> str:
    return ", ".join(sorted(person.account for person in people))


def _sent(work: Workplace, rows: list[SignIn], person: Person, plan: Sequence[Stay], handset: Handset) -> list[SignIn]:
    told = travelled(work, rows, person, plan, handset)
    return told + asked_abroad(work, told, person)


def business_trip(setting: Setting) -> Story:
    """One to five people are away on business for two to six days, each in one country; most phones come along."""
    work = found(setting.draws)
    travellers, rows = trips(work, weeks(work), 1 + work.draws.below(5))
    why = f"Staff on business trips of a few days signed in from where they stayed: {_names(travellers)}."
    return concluded(work, rows, why)


def trips(work: Workplace, rows: list[SignIn], count: int, *spared: str) -> tuple[list[Person], list[SignIn]]:
    """``count`` people go on short trips, none of those ``spared``; the people and all rows."""
    draws = work.draws
    travellers = draws.some([one for one in work.people if one.account not in spared], count)
    for person in travellers:
        nights = 3 + draws.below(4)
        first = 2 + draws.below(work.calendar.days - nights - 2)
        plan = stays(work, first, elsewhere(draws, DESTINATIONS, 1, work.land.code), [nights])
        rows = _sent(work, rows, person, plan, draws.one((Handset.LOCAL, Handset.LOCAL, Handset.ROAMING)))
    return travellers, rows


def long_journey(setting: Setting) -> Story:
    """One to three people travel through two to four countries in a row, three to five days in each."""
    work = found(setting.draws, least_days=24)
    draws, rows = work.draws, weeks(work)
    travellers = draws.some(work.people, 1 + draws.below(3))
    for person in travellers:
        lands = elsewhere(draws, DESTINATIONS, 2 + draws.below(3), work.land.code)
        plan = stays(work, 2 + draws.below(4), lands, [3 + draws.below(3) for _ in lands])
        rows = _sent(work, rows, person, plan, draws.one((Handset.LOCAL, Handset.ROAMING)))
    why = f"Long journeys through several countries, one after the other, by the owners: {_names(travellers)}."
    return concluded(work, rows, why)


def device_left_at_home(setting: Setting) -> Story:
    """One to four people travel for one or two weeks with the computer, while a device at home goes on by itself."""
    work = found(setting.draws, least_days=20)
    draws, rows = work.draws, weeks(work)
    travellers = draws.some(work.people, 1 + draws.below(4))
    for person in travellers:
        nights = 7 + draws.below(8)
        first = 2 + draws.below(work.calendar.days - nights - 2)
        plan = stays(work, first, elsewhere(draws, DESTINATIONS, 1, work.land.code), [nights])
        rows = _sent(work, rows + _tablet(work, person), person, plan, Handset.LEFT)
    why = (
        f"Travellers signed in abroad while a device of theirs at home kept its mail up to date: {_names(travellers)}. "
        "The overlap is one owner with two devices."
    )
    return concluded(work, rows, why)


def _tablet(work: Workplace, person: Person) -> list[SignIn]:
    """A phone or tablet on the shelf at home that synchronises on most days, at any hour."""
    return [
        _glance(work, person, day, interactive=False)._replace(address=person.address, place=person.place)
        for day in range(work.calendar.days)
        if work.draws.share() < 0.8
    ]


def holidays(setting: Setting) -> Story:
    """A quarter of the staff are on leave abroad for one or two weeks, with the phone and without the computer."""
    work = found(setting.draws, least_days=18)
    draws, rows = work.draws, weeks(work)
    away = draws.some(work.people, max(2, len(work.people) // 4))
    for person in away:
        nights = 6 + draws.below(9)
        first = 1 + draws.below(work.calendar.days - nights - 1)
        plan = stays(work, first, elsewhere(draws, DESTINATIONS, 1, work.land.code), [nights])
        rows = [row for row in rows if _taken_along(row, person, work.day_of(row), first, first + nights)]
        rows = travelled(work, rows + _looks(work, person, plan[0]), person, plan, Handset.LOCAL)
    return concluded(work, rows, f"People on holiday looked at their mail on their phones abroad: {_names(away)}.")


def _taken_along(row: SignIn, person: Person, day: int, first: int, back: int) -> bool:
    return row.person.account != person.account or on_phone(row) or not first <= day < back


def _looks(work: Workplace, person: Person, stay: Stay) -> list[SignIn]:
    """Somebody on leave looks once on most days; told by the clock at home, as everything that is yet to travel."""
    draws = work.draws
    return [
        _glance(work, person, day, interactive=draws.share() < 0.3)
        for day in range(stay.first + 1, stay.last + 1)
        if draws.share() < 0.7
    ]


def _glance(work: Workplace, person: Person, day: int, *, interactive: bool) -> SignIn:
    draws = work.draws
    return sign_in(
        draws,
        work.minute_at(work.land, day, 480 + draws.below(800)),
        person,
        draws.one((OUTLOOK, TEAMS)),
        interactive=interactive,
        device=person.phone,
        address=person.mobile_address,
        place=work.main.carrier.place,
        policies=work.policies(),
    )


def foreign_staff(setting: Setting) -> Story:
    """A subsidiary: two people to a third of the tenant live and work in another country all the time. In two tenants
    of five that country is named as a home, too."""
    work = found(setting.draws)
    land = elsewhere(work.draws, DESTINATIONS, 1, work.land.code)[0]
    team = branch(work, land, 2 + work.draws.below(max(2, len(work.people) // 3)))
    rows = weeks(work, work.main, team)
    known = (land.code,) if work.draws.share() < 0.4 else ()
    why = f"{len(team.people)} colleagues live and work in {land.code}: {_names(team.people)}."
    return concluded(work, rows, why, also_home=known)


def scattered_staff(setting: Setting) -> Story:
    """Two to five people work remotely for good, each from a country of their own."""
    work = found(setting.draws)
    lands = elsewhere(work.draws, DESTINATIONS, 2 + work.draws.below(4), work.land.code)
    teams = [branch(work, land, 1) for land in lands]
    rows = weeks(work, work.main, *teams)
    people = [person for team in teams for person in team.people]
    return concluded(work, rows, f"People who live abroad work from their own countries throughout: {_names(people)}.")


def mover(setting: Setting) -> Story:
    """One or two people move to another country for good: some quiet days, then everything comes from there."""
    work = found(setting.draws, least_days=21)
    draws, rows = work.draws, weeks(work)
    movers = draws.some(work.people, 1 + draws.below(2))
    for person in movers:
        first, quiet = work.middle(), 1 + draws.below(4)
        land = elsewhere(draws, DESTINATIONS, 1, work.land.code)[0]
        plan = stays(work, first + quiet, [land], [work.calendar.days])
        rows = [row for row in rows if row.person != person or not first <= work.day_of(row) < first + quiet]
        rows = _sent(work, rows, person, plan, Handset.LOCAL)
    return concluded(work, rows, f"The owners moved to another country and stayed there: {_names(movers)}.")


def border_commuters(setting: Setting) -> Story:
    """Three people to a quarter of the tenant live across the border: home there, office here, phones on both."""
    work = found(setting.draws, CROSSED_DAILY)
    land = neighbour(work.draws, work.land)
    homes = branch(work, land, 3 + work.draws.below(max(1, len(work.people) // 4)))
    crossing = Branch(land, work.main.office, homes.providers, homes.carrier, homes.people)
    rows = weeks(work) + [_either_carrier(work, row) for row in weeks(work, crossing)]
    why = f"People who live in {land.code} and work in {work.land.code} sign in from both: {_names(homes.people)}."
    return concluded(work, rows, why)


def _either_carrier(work: Workplace, row: SignIn) -> SignIn:
    """Near a border a phone books into whichever network is stronger."""
    if not on_carrier(row) or work.draws.share() < 0.5:
        return row
    spot = work.main.carrier.spot(work.draws)
    return row._replace(address=spot.address, place=spot.place)


def new_hires(setting: Setting) -> Story:
    """One to five people start in the middle of the window, at home; their first day is full of prompts and typos."""
    work = found(setting.draws)
    people = work.draws.some(work.people, 1 + work.draws.below(5))
    rows = weeks(work)
    for person in people:
        rows = _from_first_day(work, rows, person, work.middle())
    return concluded(work, rows, f"New people at home whose accounts did not exist before: {_names(people)}.")


def new_hires_abroad(setting: Setting) -> Story:
    """One to three people who live in another country start in the middle of the window."""
    work = found(setting.draws)
    land = elsewhere(work.draws, DESTINATIONS, 1, work.land.code)[0]
    team = branch(work, land, 1 + work.draws.below(3))
    rows = weeks(work, work.main, team)
    for person in team.people:
        rows = _from_first_day(work, rows, person, work.middle())
    return concluded(work, rows, f"New colleagues who live in {land.code} began there: {_names(team.people)}.")


def _from_first_day(work: Workplace, rows: Sequence[SignIn], person: Person, first: int) -> list[SignIn]:
    """The rows without those before the first day, on which the first entries take several steps."""
    kept = [row for row in rows if row.person != person or work.day_of(row) >= first]
    entries = [row for row in kept if row.person == person and row.interactive and came_in(row)][:2]
    trouble = ([Deed.MISTYPED_PASSWORD, Deed.ASKED_FOR_MFA, Deed.ASKED_TO_REGISTER_RESET], [Deed.ASKED_FOR_MFA])
    for entry, deeds in zip(entries, trouble, strict=False):
        opening = entry._replace(time=entry.time - timedelta(seconds=1))
        kept += [row._replace(correlation=entry.correlation) for row in steps_before(work.draws, opening, deeds)]
    return kept
