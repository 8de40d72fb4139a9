"""Where addresses are: the database of countries that the settings name, a local MMDB file that is read and never
fetched, and the counting of what exports and database say. Whether any of it may be believed is judged in
`core.places`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import maxminddb
from maxminddb import InvalidDatabaseError, Reader

from m365dq_dagster.adapters.engine import Evidence, Rows, engine_of
from m365dq_dagster.adapters.measure import counts_any, run_named
from m365dq_dagster.adapters.sql.places import distinct_addresses
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.places import Agreement, Edition, Fault, Flicker, Travel, country_of, is_public
from m365dq_dagster.core.policy import Policy
from m365dq_dagster.core.printable import printable

EVENT_COLUMNS = frozenset({"address", "event_time_raw"})
"""What every table of events with addresses has."""

REMEDY = "name a readable MMDB file in M365DQ_COUNTRY_DATABASE, or unset it to judge without one."


@dataclass(frozen=True)
class CountryDatabase:
    """A database of countries as it was when the run was prepared."""

    path: Path
    edition: Edition

    @classmethod
    def open(cls, path: Path | None) -> CountryDatabase | None:
        """The database at a path, None where none is named. Raises `BadInput` where it is missing or none at all."""
        if path is None or path == Path():
            return None
        place = path.expanduser().absolute()
        with _reader(place) as reader:
            about = reader.metadata()
        try:
            built = datetime.fromtimestamp(about.build_epoch, UTC).replace(tzinfo=None)
        except (OverflowError, OSError, ValueError):
            raise BadInput(f"The country database {place} does not say when it was built; {REMEDY}") from None
        kind = printable(about.database_type)[:80]
        return cls(place, Edition(printable(place.name)[:200], kind, built, _sha256(place)))

    def countries(self, addresses: Iterable[str]) -> dict[str, str]:
        """The country of each address that it knows one of; private and reserved addresses have none.

        Raises `BadInput` where the file was changed since the run was prepared, or is damaged.
        """
        with _reader(self.path) as reader:
            if _sha256(self.path) != self.edition.sha256:
                raise BadInput(f"The country database {self.path} changed while the case was judged; run it again.")
            four_only = reader.metadata().ip_version == 4
            try:
                found = {
                    address: country_of(reader.get(address))
                    for address in addresses
                    if is_public(address) and not (four_only and ":" in address)
                }
            except InvalidDatabaseError as error:
                raise BadInput(f"The country database {self.path} is damaged ({error}); {REMEDY}") from None
        return {address: country for address, country in found.items() if country}


def _reader(path: Path) -> Reader:
    try:
        return maxminddb.open_database(path)
    except InvalidDatabaseError:
        raise BadInput(f"The country database {path} is no MMDB file; {REMEDY}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it holds nothing"
        raise BadInput(f"The country database {path} cannot be read ({why}); {REMEDY}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settle_addresses(con: Evidence, policy: Policy) -> None:
    """The country of every address as the exports tell it, and empty tables for what a database adds and what is not
    believed.
    """
    home = policy.home
    run_named(con, "address_countries", {"share": home.address_country_share, "days": home.address_country_days})
    run_named(con, "address_places", file="places")
    run_named(con, "unplaced", file="places")
    run_named(con, "forget_database", file="places")


def look_up(con: Evidence, database: CountryDatabase) -> tuple[int, int]:
    """Ask the database for every address of the case, each once; tells how many there are and how many it places."""
    engine = engine_of(con)
    tables = sorted(name for name, columns in engine.tables().items() if columns >= EVENT_COLUMNS)
    addresses = [str(address) for (address,) in engine.run(distinct_addresses(tables))]
    found = database.countries(addresses)
    engine.fill("address_places", list(found.items()))
    return len(addresses), len(found)


def agreement(con: Evidence) -> Agreement:
    """How the database compares with the exports, over the addresses that both place."""
    compared, differing, rows, examples = run_named(con, "agreement", file="places")[0]
    return Agreement(int(compared), int(differing), int(rows), tuple(tuple(one) for one in examples))


def reach(con: Evidence) -> tuple[datetime | None, datetime | None]:
    """First and last moment of the logons."""
    first, last = run_named(con, "reach", file="places")[0]
    return first, last


def forget_places(con: Evidence) -> None:
    """Place nothing by the database."""
    run_named(con, "clear_places", file="places")


def keep_origin(con: Evidence, edition: Edition) -> dict[str, int]:
    """Write into the provenance of every file which of its countries the database gave; tells the rows by log type."""
    found: dict[str, int] = {}
    for log_type, file_id, rows in run_named(con, "placed_rows", file="places"):
        values = {"origin": edition.origin, "log_type": log_type, "file_id": file_id}
        run_named(con, "add_origin", values, file="places")
        found[log_type] = found.get(log_type, 0) + int(rows)
    return found


def find_sightings(con: Evidence, policy: Policy, known: Iterable[date]) -> bool:
    """By network, country and day what those accounts did whose location may have moved without them; False where there
    is none. `known` are days on which the vendor is known to have misplaced users. Asks for the decisions.
    """
    if not counts_any(con, "several_countries", file="places"):
        return False
    run_named(con, "account_days", file="places")
    run_named(con, "usual_countries", file="places")
    run_named(con, "suspects", _crowd(policy, known), file="places")
    if not counts_any(con, "has_suspects", file="places"):
        return False
    run_named(con, "sightings", file="places")
    return True


def _crowd(policy: Policy, known: Iterable[date]) -> dict[str, object]:
    limits = policy.places
    days = [day.isoformat() for day in known]
    return {"fault_accounts": limits.fault_accounts, "fault_share": limits.fault_share, "known": days}


def distrust_faults(con: Evidence, policy: Policy, known: Iterable[date]) -> list[Fault]:
    """Days on which everybody was moved, whose countries are not believed from now on."""
    run_named(con, "misplaced", file="places")
    run_named(con, "faults", _crowd(policy, known), file="places")
    found = [Fault(*row) for row in run_named(con, "found_faults", file="places")]
    if found:
        run_named(con, "distrust_faults", file="places")
    return found


def distrust_flickers(con: Evidence, policy: Policy) -> list[Flicker]:
    """Networks in which one session or device changes its country at once; their rows follow the network's history."""
    home, minutes = policy.home, policy.places.flicker_minutes
    values = {"share": home.address_country_share, "days": home.address_country_days}
    run_named(con, "flickering", values, file="places")
    run_named(con, "flicker_rows", file="places")
    run_named(con, "flips", {"minutes": minutes}, file="places")
    found = [
        Flicker(account, network, names, country, int(rows), tuple(examples))
        for account, network, names, country, rows, examples in run_named(con, "found_flickers", file="places")
    ]
    if found:
        run_named(con, "distrust_flickers", file="places")
    return found


def unbelieved(con: Evidence) -> Rows:
    """Log type, reason, rows whose stated country is not believed, and how many of them are left without one."""
    return run_named(con, "unbelieved", file="places")


def unsettled(con: Evidence) -> int:
    """Rows of addresses that were placed in several countries and have none by their history."""
    return int(run_named(con, "unsettled", file="places")[0][0])


def fast_travel(con: Evidence, policy: Policy) -> list[Travel]:
    """Persons who succeed in two countries within a time in which nobody travels. Asks for the events."""
    if not counts_any(con, "in_several_countries", file="places"):
        return []
    rows = run_named(con, "fast_travel", {"minutes": policy.places.travel_minutes}, file="places")
    return [
        Travel(account, int(moves), float(fastest), route, tuple(examples))
        for account, moves, fastest, route, examples in rows
    ]
