"""The judge's counting once more, in plain Python loops over plain rows: slow, obvious, and written from the rules."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from m365dq_dagster.core.policy import BreachPolicy, Policy

FAILURES = {"BLOCKED_AFTER_FIRST_FACTOR", "REJECTED", "NOT_EVALUATED", "NOT_GRANTED"}


@dataclass(frozen=True)
class Event:
    """A sign-in whose outcome is known. `number` tells two of them apart, whatever else they share."""

    number: int
    account: str | None
    when: datetime | None
    outcome: str
    country: str | None = None
    address: str | None = None
    correlation: str | None = None
    foreign: bool = False
    code: str | None = None
    decided_by: str | None = None
    confidence: str = "HIGH"
    session: str | None = None
    interactive: bool = True
    legacy: bool = False
    device_id: str | None = None
    trust: str | None = None
    browser: str | None = None
    os: str | None = None

    @property
    def day(self) -> date | None:
        """The day of it, or None."""
        return self.when.date() if self.when else None


def grouped_flows(events: Iterable[Event], minutes: int) -> list[list[Event]]:
    """Rows of one account and correlation id, from the first for so many minutes; a row lacking any of it alone."""
    flows: list[list[Event]] = []
    open_flow: dict[tuple[str, str], list[Event]] = {}
    for event in sorted(events, key=lambda e: (e.when or datetime.min, e.number)):
        if event.account is None or event.correlation is None or event.when is None:
            flows.append([event])
            continue
        key = (event.account, event.correlation)
        current = open_flow.get(key)
        if current is None or event.when > (current[0].when or datetime.min) + timedelta(minutes=minutes):
            current = open_flow[key] = []
            flows.append(current)
        current.append(event)
    return flows


def outcome_of_flow(flow: Sequence[Event]) -> str:
    """SUCCESS if any row is, else the last failure (of one moment the first row), else open, else interrupted."""
    if any(event.outcome == "SUCCESS" for event in flow):
        return "SUCCESS"
    failures = [event for event in flow if event.outcome in FAILURES]
    if failures:
        return max(failures, key=lambda e: (e.when or datetime.min, -e.number)).outcome
    for word in ("CONFLICT", "UNKNOWN"):
        if any(event.outcome == word for event in flow):
            return word
    return "INTERRUPTED"


def countries_of_addresses(events: Iterable[Event], share: float, days: int) -> dict[str, str | None]:
    """The only country of an address, else the one with so great a share of its rows over so many days, else None."""
    seen: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.address and event.country:
            seen[event.address].append(event)
    found: dict[str, str | None] = {}
    for address, rows in seen.items():
        counts = Counter(row.country for row in rows)
        country, most = counts.most_common(1)[0]
        on_days = {row.day for row in rows if row.country == country and row.day}
        found[address] = country if len(counts) == 1 or (most >= share * len(rows) and len(on_days) >= days) else None
    return found


def successes_by_country(events: Iterable[Event]) -> dict[str, dict[str, list[Event]]]:
    """Successes by account and country, where both are known."""
    found: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        if event.outcome == "SUCCESS" and event.account and event.country:
            found[event.account][event.country].append(event)
    return found


def days_of(rows: Iterable[Event]) -> set[date]:
    """The days on which there are rows."""
    return {row.day for row in rows if row.day}


def own_homes(events: Sequence[Event], least_days: int, share: float, baseline: float) -> set[tuple[str, str]]:
    """Countries with enough success days, at least half of the account's, first seen early in the window."""
    times = [event.when for event in events if event.when]
    if not times:
        return set()
    early = min(times) + (max(times) - min(times)) * baseline
    found = set()
    for account, countries in successes_by_country(events).items():
        all_days = days_of(row for rows in countries.values() for row in rows)
        for country, rows in countries.items():
            first = min((row.when for row in rows if row.when), default=None)
            if first and first <= early and len(days_of(rows)) >= max(least_days, share * len(all_days)):
                found.add((account, country))
    return found


def modal_countries(events: Iterable[Event]) -> dict[str, int]:
    """For each country, how many accounts succeed there on most days (then rows, then earliest, then by name)."""
    found: Counter[str] = Counter()
    for countries in successes_by_country(events).values():
        ranked = sorted(
            countries.items(),
            key=lambda item: (
                -len(days_of(item[1])),
                -len(item[1]),
                min((row.when for row in item[1] if row.when), default=datetime.max),
                item[0],
            ),
        )
        found[ranked[0][0]] += 1
    return dict(found)


def victims(events: Sequence[Event], address: str) -> int:
    """Accounts that the address failed on and never succeeded on."""
    by_account: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.address == address and event.account:
            by_account[event.account].add(event.outcome)
    return sum(1 for said in by_account.values() if "SUCCESS" not in said and said & FAILURES)


def standing_egress(events: Iterable[Event], limits: BreachPolicy, baseline: float) -> set[str]:
    """Addresses that several accounts succeed from and that fail on few others, first seen early in the window or used
    by so many and so great a share of all accounts that succeed.
    """
    rows = [event for event in events if event.address and event.account]
    moments = [event.when for event in events if event.when]
    if not moments:
        return set()
    early = min(moments) + (max(moments) - min(moments)) * baseline
    found = set()
    succeeding = {event.account for event in rows if event.outcome == "SUCCESS"}
    staff = max(limits.staff_accounts, limits.staff_share * len(succeeding))
    for address in {event.address for event in rows if event.address}:
        here = [event for event in rows if event.address == address]
        inside = {event.account for event in here if event.outcome == "SUCCESS"}
        outside = {event.account for event in here if event.outcome in FAILURES} - inside
        seen = [event.when for event in here if event.when]
        stands = (seen and min(seen) <= early) or len(inside) >= staff
        if len(inside) >= limits.egress_accounts and stands and len(outside) < limits.spray_accounts:
            found.add(address)
    return found


def prior_failures(flows: Sequence[Sequence[Event]], account: str, days: int, known: Collection[int] = ()) -> int:
    """Failed attempts from the country of a foreign success in the days before the account's first success there;
    successes by a known device or from a standing egress (`known`, by number) do not count.
    """
    told = [(outcome_of_flow(flow), flow) for flow in flows if flow[0].account == account]
    best = 0
    firsts: dict[str, datetime] = {}
    for _, flow in told:
        for event in flow:
            told_here = event.foreign and event.outcome == "SUCCESS" and event.number not in known
            if told_here and event.when and event.country:
                firsts[event.country] = min(firsts.get(event.country, event.when), event.when)
    for country, first in firsts.items():
        failed = 0
        for outcome, flow in told:
            if outcome not in FAILURES:
                continue
            last = max((e for e in flow if e.outcome in FAILURES), key=lambda e: (e.when or datetime.min, -e.number))
            if last.country == country and last.when and first - timedelta(days=days) <= last.when < first:
                failed += 1
        best = max(best, failed)
    return best


def settled(events: Sequence[Event], homes: Sequence[str], policy: Policy) -> list[Event]:
    """The events with the country they are judged by, and whether that is foreign to their account."""
    home = policy.home
    placed = countries_of_addresses(events, home.address_country_share, home.address_country_days)
    several = {
        address for address in placed if len({e.country for e in events if e.address == address and e.country}) > 1
    }
    there = [
        replace(e, country=placed[e.address] if e.address in several else e.country or placed.get(e.address or ""))
        for e in events
    ]
    own = own_homes(there, home.own_days, home.own_share, home.baseline_window)
    settled_somewhere = {account for account, _ in own}

    def is_foreign(e: Event) -> bool:
        has_home = bool(homes) or e.account in settled_somewhere
        return (
            bool(e.account and e.country and has_home) and e.country not in homes and (e.account, e.country) not in own
        )

    return [replace(e, foreign=is_foreign(e)) for e in there]
