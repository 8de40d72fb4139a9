"""Whether a location may be believed: which words of a database name a country, whether it agrees with the exports,
and what is said where places contradict each other.

Reading a database is an adapter's job, and counting is done in SQL; whether somebody is abroad, `verdict` says.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

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
