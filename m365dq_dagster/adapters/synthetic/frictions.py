"""Trouble at home that looks like an attack, and attacks that come to nothing.

Here belong shared computers, forced resets, rare guests, and strangers who never get in. Nobody but an owner ever
succeeds in these stories.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from .events import SignIn, sign_in
from .geography import DESTINATIONS, LANDS, RENTED, elsewhere
from .networks import Spot
from .story import Setting, Story
from .tenant import DOMAIN, OFFICE, OUTLOOK, SHAREPOINT, Person
from .vocabulary import WORDING, Deed
from .workplaces import (
    KNOCKING_DEVICES,
    Workplace,
    came_in,
    concluded,
    found,
    knocking,
    on_phone,
    role_account,
    steps_before,
    weeks,
)

SHIFTS = (timedelta(0), timedelta(hours=-3), timedelta(hours=7), timedelta(hours=12))
MAILBOXES = tuple("info office sales invoice archive meeting-room press orders bookings legal".split())


def shared_kiosks(setting: Setting) -> Story:
    """Most people share a few computers in a hall, in shifts around the clock, and mistype more than others do."""
    work = found(setting.draws)
    draws = work.draws
    kiosks = [work.register.desktop()._replace(name=f"KIOSK-{number:02d}") for number in range(2 + draws.below(3))]
    kiosks = [one._replace(device_id=one.device_id or draws.guid(), join_type="Azure AD joined") for one in kiosks]
    shift = {person.account: draws.one(SHIFTS) for person in work.people if draws.share() < 0.7}
    spot = work.main.office.spot(draws)
    rows: list[SignIn] = []
    for row in weeks(work):
        if row.person.account in shift and not on_phone(row):
            kiosk = draws.one(kiosks)
            row = row._replace(
                time=row.time + shift[row.person.account], device=kiosk, address=spot.address, place=spot.place
            )
            if row.interactive and came_in(row) and draws.share() < 0.12:
                rows += _fumbled(work, row)
        rows.append(row)
    return concluded(work, rows, f"{len(shift)} people share {len(kiosks)} computers in one hall, in shifts.")


def _fumbled(work: Workplace, row: SignIn) -> list[SignIn]:
    """Wrong passwords in a flow of their own, shortly before somebody gets it right."""
    before = row._replace(time=row.time - timedelta(minutes=2), correlation=work.draws.guid())
    return steps_before(work.draws, before, [Deed.MISTYPED_PASSWORD] * (1 + work.draws.below(3)))


def forced_reset(setting: Setting) -> Story:
    """On one day all passwords expire: for days people mistype, lock themselves out, and their phones try the old."""
    work = found(setting.draws)
    day = work.middle()
    rows = weeks(work)
    for person in work.people:
        rows += _forgotten(work, rows, person, day) + _stale_phone(work, rows, person, day)
    return concluded(
        work, rows, "All passwords were reset on one day; the failures are owners who had to learn theirs."
    )


def _forgotten(work: Workplace, rows: Sequence[SignIn], person: Person, day: int) -> list[SignIn]:
    """Before the first entries after the reset: the notice, then wrong passwords, sometimes a lock."""
    draws = work.draws
    after = [row for row in rows if row.person == person and work.day_of(row) >= day]
    entries = sorted((row for row in after if row.interactive and came_in(row)), key=lambda row: row.time)[:4]
    told: list[SignIn] = []
    for number, entry in enumerate(entries):
        deeds = [Deed.PASSWORD_EXPIRED] if number == 0 else []
        deeds += [Deed.MISTYPED_PASSWORD] * draws.below(5 - number)
        deeds += [Deed.LOCKED_OUT] * (2 if len(deeds) > 4 else 0)
        opening = entry._replace(time=entry.time - timedelta(minutes=1 + draws.below(30)), correlation=draws.guid())
        told += steps_before(draws, opening, deeds)
    return told


def _stale_phone(work: Workplace, rows: Sequence[SignIn], person: Person, day: int) -> list[SignIn]:
    """The phone goes on with the session of before until its owner notices."""
    draws = work.draws
    last = next((row for row in rows if row.person == person and on_phone(row)), None)
    if last is None:
        return []
    start = work.minute_at(work.land, day, 420)
    return [
        last._replace(
            time=start + timedelta(minutes=47 * number + draws.below(20)),
            interactive=False,
            deed=Deed.TOKEN_REVOKED,
            policies=WORDING[Deed.TOKEN_REVOKED].policies,
            request=draws.guid(),
            correlation=draws.guid(),
        )
        for number in range(draws.below(6))
    ]


def rare_guests(setting: Setting) -> Story:
    """Four to twelve guests and contractors of other companies, mostly abroad, sign in a few times in all."""
    work = found(setting.draws)
    draws, rows = work.draws, weeks(work)
    guests = [_guest(work, number) for number in range(4 + draws.below(9))]
    for guest in guests:
        rows += _visits(work, guest, 1 + draws.below(4))
    return concluded(
        work, rows, f"{len(guests)} guests of partner companies looked in now and then from where they live."
    )


def _guest(work: Workplace, number: int) -> Person:
    draws = work.draws
    home = [work.land] if draws.share() < 0.25 else elsewhere(draws, DESTINATIONS, 1, work.land.code)
    network = work.numbering.network(draws.one(home[0].cities))
    person = work.register.person(network, network)
    local = person.account.partition("@")[0]
    return person._replace(account=f"{local}_partner{number}.example#EXT#@{DOMAIN}")


def _visits(work: Workplace, guest: Person, count: int) -> list[SignIn]:
    """Each visit is a prompt at times, an entry, and a document or two."""
    draws = work.draws
    rows: list[SignIn] = []
    for _ in range(count):
        day = draws.one(work.calendar.working_days())
        time = work.minute_at(LANDS[guest.place.country], day, 500 + draws.below(520))
        entry = sign_in(draws, time, guest, SHAREPOINT, policies=work.policies())
        rows += steps_before(draws, entry, [Deed.ASKED_FOR_MFA] if draws.share() < 0.4 else [])
        rows += [entry, *_documents(work, entry)]
    return rows


def _documents(work: Workplace, entry: SignIn) -> list[SignIn]:
    draws = work.draws
    return [
        entry._replace(
            time=entry.time + timedelta(minutes=4 + 9 * number),
            interactive=False,
            app=OFFICE,
            request=draws.guid(),
            correlation=draws.guid(),
        )
        for number in range(draws.below(3))
    ]


def background_spray(setting: Setting) -> Story:
    """All the time strangers from many servers guess passwords and names; they never guess right."""
    work = found(setting.draws)
    rows = weeks(work) + knocking(work, 120 + work.draws.below(280))
    why = "A constant spray from rented servers never met a right password; every success is an owner at home."
    return concluded(work, rows, why)


def stopped_at_the_second_factor(setting: Setting) -> Story:
    """Somebody abroad knows one to three passwords, and each try ends at the second factor or at a policy."""
    work = found(setting.draws)
    draws, rows = work.draws, weeks(work)
    land = elsewhere(draws, RENTED, 1, work.land.code)[0]
    network = work.numbering.network(draws.one(land.cities))
    targets = draws.some(work.people, 1 + draws.below(3))
    for target in targets:
        for _ in range(3 + draws.below(10)):
            rows += _stopped(work, target, network.spot(draws))
    named = ", ".join(sorted(target.account for target in targets))
    why = f"Somebody in {land.code} had the right password of {named} and was stopped after it every time."
    return concluded(work, rows, why)


def _stopped(work: Workplace, target: Person, spot: Spot) -> list[SignIn]:
    draws = work.draws
    time = work.minute_at(work.land, work.middle(), draws.below(1440))
    deeds = draws.one(
        (
            [Deed.ASKED_FOR_MFA],
            [Deed.ASKED_FOR_MFA, Deed.MFA_DENIED],
            [Deed.MISTYPED_PASSWORD, Deed.ASKED_FOR_MFA, Deed.MFA_DENIED],
            [Deed.BLOCKED_BY_POLICY],
        )
    )
    template = sign_in(
        draws,
        time,
        target,
        OUTLOOK,
        device=draws.one(KNOCKING_DEVICES[:2]),
        address=spot.address,
        place=spot.place,
        intruder=True,
    )
    return steps_before(draws, template, deeds)


def unused_mailboxes(setting: Setting) -> Story:
    """The export of shared mailboxes that nobody signs in to: strangers try them from abroad and fail throughout."""
    work = found(setting.draws)
    draws = work.draws
    home = Spot(work.people[0].address, work.people[0].place)
    doors = [role_account(draws, name, home) for name in draws.some(MAILBOXES, 5 + draws.below(5))]
    count = 300 + draws.below(400)
    rows = knocking(work, count, doors=doors)
    return concluded(work, rows, f"{count} attempts by strangers on shared mailboxes; none succeeded.", quiet=True)
