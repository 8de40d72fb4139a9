"""Locations that moved while nobody did are found as a plain loop over the same rows finds them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters import places
from m365dq_dagster.core.policy import Policy
from tests.support.counting import POLICY, close_generation, judged
from tests.support.evidence import START, sign_in

LOW: Policy = replace(POLICY, places=replace(POLICY.places, fault_accounts=2, fault_share=0.5))
KNOWN = (date(2026, 1, 9),)
OLD = ["20.1.1.1", "20.1.1.2", "20.1.9.1", "45.9.1.1"]
NEW = ["2a01:1:0:7::1", "2a01:1:0:7::2", "2a01:1:0:8::1"]
ADDRESSES = [*OLD, *NEW, "host.a.b.c"]
LINES = {"2a01:1:0:7::1": "7", "2a01:1:0:7::2": "7", "2a01:1:0:8::1": "8"}
WIDE = dict(zip(ADDRESSES, ["20.1", "20.1", "20.1", "45.9", "2a01:1:0", "2a01:1:0", "2a01:1:0", None], strict=True))
NARROW = {**WIDE, "20.1.1.1": "20.1.1", "20.1.1.2": "20.1.1", "20.1.9.1": "20.1.9"}


@dataclass(frozen=True)
class Seen:
    """One sign-in: its number, who, when, where, from which address, with success or not, in which session."""

    number: int
    account: str
    when: datetime
    country: str | None
    address: str
    success: bool
    session: str | None

    @property
    def day(self) -> date:
        return self.when.date()

    @property
    def line(self) -> str:
        return LINES.get(self.address, self.address)


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """Nothing of the engine outlives these tests."""
    yield
    close_generation()


@st.composite
def tables(draw: st.DrawFn) -> list[Seen]:
    """A few sign-ins; an address mostly stays in one country, as addresses do."""
    usually = {address: draw(st.sampled_from(["AU", "AU", "UZ"])) for address in ADDRESSES}
    found = []
    for number in range(1, 1 + draw(st.integers(8, 24))):
        address = draw(st.sampled_from([*ADDRESSES, *NEW, *NEW[:2], *NEW[:2]]))
        found.append(
            Seen(
                number,
                draw(st.sampled_from(["ann", "bob"])),
                START + timedelta(days=draw(st.sampled_from([0, 0, 1, 4])), minutes=draw(st.integers(0, 90))),
                draw(st.sampled_from([usually[address]] * 5 + ["UZ", None])),
                address,
                draw(st.sampled_from([True, True, False])),
                draw(st.sampled_from(["s-1", None])),
            )
        )
    return found


def usual(rows: Sequence[Seen]) -> dict[str, str]:
    days: dict[str, dict[str, list[date]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.success and row.country:
            days[row.account][row.country].append(row.day)
    return {
        account: min(found, key=lambda country: (-len(set(found[country])), -len(found[country]), country))
        for account, found in days.items()
    }


def faulty(rows: Sequence[Seen]) -> set[tuple[str, date]]:
    """Days and countries in which enough accounts succeeded from their own lines."""
    home, found = usual(rows), set()
    for country, day in {(row.country, row.day) for row in rows if row.country}:
        crowd = {row.account for row in rows if (row.country, row.day) == (country, day) and proves(row, rows, home)}
        active = {row.account for row in rows if row.success and row.country and row.day == day}
        enough = len(crowd) >= 2 and len(crowd) >= len(active) / 2
        if enough or (crowd and day in KNOWN):
            found.add((str(country), day))
    return found


def proves(row: Seen, rows: Sequence[Seen], home: dict[str, str]) -> bool:
    return row.success and WIDE[row.address] is not None and known(row, rows, home, "line")


def known(row: Seen, rows: Sequence[Seen], home: dict[str, str], what: str) -> bool:
    """Whether the account succeeded at home from the same line or network on another day."""
    mine = home.get(row.account)

    def place(one: Seen) -> Any:
        return one.line if what == "line" else WIDE[one.address]

    return row.country not in (None, mine) and any(
        one.success
        and one.account == row.account
        and one.country == mine
        and place(one) == place(row)
        and one.day != row.day
        for one in rows
        if place(one) is not None
    )


def settled(rows: Sequence[Seen]) -> set[str]:
    """Addresses that were placed in one country alone."""
    countries: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.country:
            countries[row.address].add(row.country)
    return {address for address, found in countries.items() if len(found) == 1}


def flips(rows: Sequence[Seen], account: str, narrow: str) -> bool:
    """Whether the one session that exists changes its country there within the hour."""
    steps = sorted(
        (row.when, row.country)
        for row in rows
        if (row.account, NARROW[row.address]) == (account, narrow) and row.country and row.session
    )
    hour = timedelta(hours=1)
    return any(one[1] != two[1] and two[0] - one[0] <= hour for one, two in pairwise(steps))


def distrusted(rows: Sequence[Seen]) -> dict[int, str]:
    home, bad, single = usual(rows), faulty(rows), settled(rows)
    found = {}
    for row in rows:
        narrow = NARROW[row.address]
        if row.address not in single or not row.country:
            continue
        if (row.country, row.day) in bad and known(row, rows, home, "network"):
            found[row.number] = "LOCATION_FAULT"
        elif row.session and narrow and row.account in moved(rows) and flips(rows, row.account, narrow):
            found[row.number] = "LOCATION_FLICKERS"
    return found


def moved(rows: Sequence[Seen]) -> set[str]:
    """Accounts that succeed in two countries on one day, or stand in a crowd that was elsewhere."""
    home, days = usual(rows), defaultdict(set)
    for row in rows:
        if row.success and row.country:
            days[row.account, row.day].add(row.country)
    found = {account for (account, _), countries in days.items() if len(countries) > 1}
    for country, day in {(country, day) for (_, day), countries in days.items() for country in countries}:
        crowd = {
            who for (who, when), there in days.items() if when == day and country in there and home[who] != country
        }
        active = {who for who, when in days if when == day}
        if (len(crowd) >= 2 and len(crowd) >= len(active) / 2) or day in KNOWN:
            found |= crowd
    return found


@given(table=tables(), order=st.integers(0, 9))
def test_rows_whose_location_is_not_believed_are_those_the_rules_name(table: list[Seen], order: int) -> None:
    rows = [
        sign_in(
            one.account,
            one.when,
            one.country,
            "0" if one.success else "50126",
            address=one.address,
            session_id=one.session,
        )
        for one in table
    ]
    with judged(rows, shuffled=order) as con:
        if places.find_sightings(con, LOW, KNOWN):
            places.distrust_faults(con, LOW, KNOWN)
            places.distrust_flickers(con, LOW)
        found = dict(con.execute("SELECT row_no, reason FROM unplaced").fetchall())
    assert found == distrusted(table)
