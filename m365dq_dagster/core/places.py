"""Whether a location may be believed: which words of a database name a country, whether it agrees with the exports,
and what is said where places contradict each other.

Reading a database is an adapter's job, and counting is done in SQL; whether somebody is abroad, `verdict` says.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from m365dq_dagster.core.completeness import FAULT, VendorChange
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.policy import PlacePolicy

ORIGIN = "derived:country_database"
"""How the provenance of a country begins that no export stated and a database gave."""

NO_COUNTRY = frozenset({"A1", "A2", "AP", "EU", "O1", "T1", "XX", "ZZ"})
"""Codes of two characters by which databases name a region, a proxy or nothing: none of them is a country."""


def country_of(record: object) -> str | None:
    """The country in a database's record of an address, two capitals; None where it names none.

    Heard are `country.iso_code`, `country_code` and `country`, which is how the common databases write it. Where an
    address is registered is not where it is used, so `registered_country` is not heard.
    """
    if not isinstance(record, Mapping):
        return None
    country = record.get("country")
    words = (country.get("iso_code") if isinstance(country, Mapping) else country, record.get("country_code"))
    return next((word.upper() for word in words if isinstance(word, str) and _is_code(word)), None)


def _is_code(word: str) -> bool:
    return len(word) == 2 and word.isascii() and word.isalpha() and word.upper() not in NO_COUNTRY


def is_public(address: str) -> bool:
    """Whether a text is an address that somebody in the world has: private, reserved and broken ones are nowhere."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


@dataclass(frozen=True)
class Edition:
    """Which database of countries it is: file name, the type it calls itself, when it was built (UTC), SHA-256."""

    file: str
    type: str
    built: datetime
    sha256: str

    @property
    def origin(self) -> str:
        """The provenance of a country that was looked up in it."""
        return f"{ORIGIN}({self.file}, {self.type}, built {self.built:%Y-%m-%d}, sha256:{self.sha256})"

    def far_from(self, first: datetime | None, last: datetime | None, policy: PlacePolicy) -> str | None:
        """A sentence where it was built too long before or after the evidence, whose events lie between the two
        moments; else None. Addresses change hands.
        """
        if first is None or last is None:
            return None
        most = timedelta(days=policy.database_max_days)
        if last - most <= self.built <= first + most:
            return None
        side = "before" if self.built < first else "after"
        return (
            f"{self.file} was built on {self.built:%Y-%m-%d}, more than {policy.database_max_days:g} days {side} the "
            f"evidence ({first:%Y-%m-%d} to {last:%Y-%m-%d}), and addresses change hands; name a database of that time "
            "in M365DQ_COUNTRY_DATABASE."
        )


@dataclass(frozen=True)
class Agreement:
    """How a database compares with the exports, over the addresses that both place.

    `differing` of `compared` addresses are placed elsewhere, `row_count` rows are theirs; `examples` are address,
    exported country, database's country.
    """

    compared: int = 0
    differing: int = 0
    row_count: int = 0
    examples: tuple[tuple[str, str, str], ...] = ()

    def trusted(self, policy: PlacePolicy) -> bool:
        """Whether the database may place addresses: it agrees on enough of them, or too few differ to tell."""
        if self.differing < policy.database_min_differing:
            return True
        return self.compared - self.differing >= policy.database_min_agreement * self.compared

    def told(self, edition: Edition, policy: PlacePolicy) -> str | None:
        """The contradiction in words; None where there is none."""
        if not self.differing:
            return None
        first = ", ".join(f"{address} (export {said}, database {placed})" for address, said, placed in self.examples)
        end = (
            "What the export says is kept; rows without a country of their own follow the database."
            if self.trusted(policy)
            else "It agrees on too few to be believed, so it places no address and what has no country stays unknown."
        )
        return (
            f"{edition.file} places {self.differing:,} of {self.compared:,} addresses elsewhere than the export does, "
            f"such as {first}. {end}"
        )


A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Fault:
    """A day on which `accounts` of those that succeeded (`active`) did so in one country, from addresses of which each
    had been placed at home on another day. `row_count` rows stand there from networks that their accounts knew.
    """

    country: str
    day: date
    accounts: int
    active: int
    row_count: int


@dataclass(frozen=True)
class Contradiction:
    """What is told of locations that contradict each other: kind, rows concerned, sentence, ids of a few rows."""

    kind: str
    row_count: int
    detail: str
    examples: tuple[str, ...] = ()

    def as_mapping(self) -> dict[str, object]:
        """The contradiction as the case document shows it."""
        shown = {"kind": self.kind, "rows": self.row_count, "detail": self.detail}
        return {**shown, "example_event_ids": list(self.examples)}


def misplaced_days(changes: Iterable[VendorChange]) -> dict[date, str]:
    """The days on which Microsoft is known to have misplaced users, each with its source."""
    found: dict[date, str] = {}
    for change in changes:
        if change.kind == FAULT and "location" in change.surface and change.begins and change.ends:
            days = (change.ends - change.begins).days + 1
            found |= {change.begins + number * A_DAY: change.source for number in range(days)}
    return found


def told_faults(faults: Iterable[Fault], known: Mapping[date, str]) -> list[Contradiction]:
    """The faults in words: days of one country that follow each other are one."""
    return [_fault(run, known) for run in _runs(faults)]


def _runs(faults: Iterable[Fault]) -> list[list[Fault]]:
    runs: list[list[Fault]] = []
    for fault in sorted(faults, key=lambda one: (one.country, one.day)):
        last = runs[-1][-1] if runs else None
        if last and last.country == fault.country and last.day + A_DAY == fault.day:
            runs[-1].append(fault)
        else:
            runs.append([fault])
    return runs


def _fault(run: list[Fault], known: Mapping[date, str]) -> Contradiction:
    most = max(run, key=lambda one: one.accounts)
    days = f"On {run[0].day}" if len(run) == 1 else f"From {run[0].day} to {run[-1].day}"
    told = (
        f"{days} {most.accounts:,} of {plural(most.active, 'active account')} were placed in {most.country} at "
        "addresses from which each of them had been placed at home: the location moved, not the people. What comes "
        "from their own networks does not count as foreign there; where the address has no country by its history, it "
        "is unknown."
    )
    sources = dict.fromkeys(known[one.day] for one in run if one.day in known)
    if sources:
        told += f" Microsoft is known to have misplaced users then ({', '.join(sources)})."
    return Contradiction("LOCATION_FAULT", sum(one.row_count for one in run), told)


@dataclass(frozen=True)
class Flicker:
    """One network in which a session or device of an account changes its country at once. `names` are the countries,
    `country` the one with most of the account's rows there over enough days, None where no country has.
    """

    account: str
    network: str
    names: str
    country: str | None
    row_count: int
    examples: tuple[str, ...] = ()

    @property
    def told(self) -> Contradiction:
        """The contradiction in words."""
        taken = f"{self.country}, where most of its rows there are" if self.country else "unknown"
        detail = (
            f"One session or device of {self.account} changes its country within minutes and stays in the network "
            f"{self.network} ({self.names}): the location flickers. Its country there is taken as {taken}."
        )
        return Contradiction("LOCATION_FLICKERS", self.row_count, detail, self.examples)


@dataclass(frozen=True)
class Travel:
    """`moves` times an account succeeded in two countries within too short a time; `fastest` in seconds, on `route`."""

    account: str
    moves: int
    fastest: float
    route: str
    examples: tuple[str, ...] = ()

    @property
    def told(self) -> Contradiction:
        """The contradiction in words."""
        minutes = round(self.fastest / 60)
        time = f"{plural(minutes, 'minute')}" if minutes else "less than a minute"
        detail = (
            f"{self.account} succeeded in two countries faster than anybody travels, {self.route} within {time} at the "
            f"quickest, {plural(self.moves, 'such move')} in all: another person, a VPN or proxy, or a wrong location. "
            "Compare devices and sessions; alone it is no proof."
        )
        return Contradiction("TRAVEL_TOO_FAST", self.moves, detail, self.examples)
