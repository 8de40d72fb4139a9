"""What the evidence shows of every account, counted once more in plain loops: devices, V1 to V5, and the leads."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import pairwise

from m365dq_dagster.core.policy import Policy
from tests.support.plain_reckoning import (
    FAILURES,
    Event,
    grouped_flows,
    outcome_of_flow,
    own_homes,
    prior_failures,
    standing_egress,
    victims,
)


@dataclass(frozen=True)
class Act:
    """A critical operation of a person that is no habit; `lasting` says that it persists or takes something out."""

    account: str
    when: datetime | None
    operation: str
    lasting: bool
    address: str | None = None
    session: str | None = None


def picked(flow: Sequence[Event]) -> Event:
    """The row that stands for a flow: the first success, else the last row of the weightiest kind."""
    for words in ({"SUCCESS"}, FAILURES, {"CONFLICT"}, {"UNKNOWN"}, {"INTERRUPTED"}):
        rows = [event for event in flow if event.outcome in words]
        if rows and words == {"SUCCESS"}:
            return min(rows, key=lambda e: (e.when or datetime.min, e.number))
        if rows:
            return max(rows, key=lambda e: (e.when or datetime.min, -e.number))
    raise AssertionError("a flow has a row")


class Reckoning:
    """The accounts of a small case. `events` carry outcome, country and whether they are foreign."""

    def __init__(self, events: Sequence[Event], acts: Sequence[Act], policy: Policy, homes: Sequence[str] = ()) -> None:
        self.events, self.acts, self.policy, self.homes = events, acts, policy, homes
        home = policy.home
        self.own_homes = own_homes(events, home.own_days, home.own_share, home.baseline_window)
        self.flows = grouped_flows(events, policy.flows.minutes)
        self.stands = [picked(flow) for flow in self.flows]
        self.told = [outcome_of_flow(flow) for flow in self.flows]
        times = [event.when for event in events if event.when]
        quarter = policy.home.baseline_window
        self.early = min(times) + (max(times) - min(times)) * quarter if times else None
        limits = policy.breach
        self.egress = standing_egress(events, limits, quarter)
        self.abroad = [e for e in events if e.foreign and e.outcome == "SUCCESS"]
        self.home = [
            e for e in events if e.outcome == "SUCCESS" and not e.foreign and e.country and e.account and e.when
        ]

    # devices

    def _used_before(self, event: Event, signature: str) -> bool:
        """Whether the owner used at home, earlier, what this event names by `signature`."""
        mine = marks(event).get(signature)
        return (
            mine is not None
            and event.when is not None
            and any(
                e.account == event.account and e.when < event.when and marks(e).get(signature) == mine  # type: ignore[operator]
                for e in self.home
            )
        )

    def _settled(self, account: str | None) -> date | None:
        days = sorted({e.day for e in self.home if e.account == account and e.day})
        wanted = self.policy.home.settled_days
        return days[wanted - 1] if len(days) >= wanted else None

    def _used_later(self, event: Event, signature: str) -> bool:
        """Whether the owner used it at home at all, while he had not settled there."""
        mine, settled = marks(event).get(signature), self._settled(event.account)
        early = event.day is not None and (settled is None or event.day <= settled)
        return (
            early
            and mine is not None
            and any(e.account == event.account and marks(e).get(signature) == mine for e in self.home)
        )

    def own(self, event: Event) -> bool:
        return self.own_by_device(event) or (event in self.abroad and event.address in self.proven)

    @cached_property
    def proven(self) -> set[str]:
        """Foreign addresses that several owners, most of those that succeed there, reach on their own devices."""
        limits, found = self.policy.breach, set()
        for address in {e.address for e in self.abroad if e.address}:
            here = [e for e in self.abroad if e.address == address and e.account]
            owners = {e.account for e in here if self.own_by_device(e)}
            spared = victims(self.events, address) < limits.spray_accounts
            if len(owners) >= limits.egress_accounts and 2 * len(owners) >= len({e.account for e in here}) and spared:
                found.add(address)
        return found

    def own_by_device(self, event: Event) -> bool:
        return self._used_before(event, "id") or (event.device_id is None and self._used_before(event, "join"))

    def plausible(self, event: Event) -> bool:
        known = self._used_before(event, "client") or self._used_later(event, "client") or self._used_later(event, "id")
        return not self.own(event) and known

    def unknown(self, event: Event) -> bool:
        if event in self.abroad and event.address in self.proven:
            return False
        if event.device_id is not None:
            return not self._used_before(event, "id") and not self._used_later(event, "id")
        named = event.browser is not None and event.os is not None
        used = self._used_before(event, "client") or self._used_later(event, "client")
        return named and not used and not self._used_before(event, "join")

    def eligible(self, event: Event) -> bool:
        return not self.own(event) and not self.plausible(event) and event.address not in self.egress

    # numbers of an account

    def account(self, name: str) -> dict[str, object]:
        """What the judge is told of an account, by the names of its evidence."""
        rows = [e for e in self.events if e.account == name]
        outcomes = Counter(e.outcome for e in rows)
        pairs = [(t, e) for t, e in zip(self.told, self.stands, strict=True) if e.account == name]
        abroad = [e for t, e in pairs if t == "SUCCESS" and e.foreign]
        days = {e.day for e in self.abroad if e.account == name and e.day}
        at_home = {e.day for e in self.home if e.account == name and e.interactive}
        return {
            "row_count": len(rows),
            "success": outcomes["SUCCESS"],
            "blocked": outcomes["BLOCKED_AFTER_FIRST_FACTOR"],
            "rejected": outcomes["REJECTED"],
            "unknown": outcomes["UNKNOWN"] + outcomes["CONFLICT"],
            "foreign_success": sum(1 for e in rows if e.foreign and e.outcome == "SUCCESS"),
            "attempts": sum(1 for e in rows if e.outcome == "SUCCESS" or e.outcome in FAILURES),
            "success_untimed": not any(e.outcome == "SUCCESS" and e.when for e in rows),
            "any_device": any(e.device_id is not None or (e.browser and e.os) for e in rows),
            "foreign_attempts": sum(1 for t, e in pairs if e.foreign and (t == "SUCCESS" or t in FAILURES)),
            "foreign_success_flows": len(abroad),
            "foreign_open": sum(1 for t, e in pairs if e.foreign and t in ("UNKNOWN", "CONFLICT")),
            "success_flows": sum(1 for t, _ in pairs if t == "SUCCESS"),
            "flow_count": len(pairs),
            "eligible": sum(map(self.eligible, abroad)),
            "own": sum(map(self.own, abroad)),
            "own_or_plausible": sum(self.own(e) or self.plausible(e) for e in abroad),
            "egress": sum(e.address in self.egress or e.address in self.proven for e in abroad),
            "naming_device": sum(e.device_id is not None or bool(e.browser and e.os) for e in abroad),
            "by_access": sum(e.decided_by == "conditional_access_status" for e in abroad),
            "high": sum(e.confidence == "HIGH" for e in abroad),
            "timed": sum(e.when is not None for e in abroad),
            "countries": len({e.country for e in abroad}),
            "country_changes": self._changes(abroad),
            "in_standing_country": sum(self._stands_in(e.country) for e in abroad),
            "days": len({e.day for e in abroad if e.day}),
            "home_days": len(days & at_home) if abroad else 0,
            "habitual": self._habitual(abroad),
            "spray_victims": self._sprayed(abroad),
            "prior_failures": self._prior(name),
            "overlapping": self._overlapping(name),
            "home_spray_victims": self._sprayed_at_home(name),
            "two_places": self._two_places(name),
            "critical_operation": self._followed(name),
        }

    def _changes(self, abroad: Sequence[Event]) -> int:
        ordered = [e.country for e in sorted(abroad, key=lambda e: (e.when is None, e.when or datetime.min, e.number))]
        return sum(before != after for before, after in pairwise(ordered))

    def _stands_in(self, country: str | None) -> bool:
        here = {
            e.account
            for e in self.events
            if e.outcome == "SUCCESS" and e.country == country and e.account and e.when and self._is_early(e.when)
        }
        return len(here) >= self.policy.breach.egress_accounts

    def _two_places(self, name: str) -> int:
        here = [e for e in self.events if e.account == name and e.outcome == "SUCCESS" and e.country and e.day]

        def shared(event: Event) -> bool:
            return device(event) is not None and any(
                e.country != event.country and device(e) == device(event) for e in here
            )

        return len(
            {
                e.day
                for e in here
                if (name, e.country) in self.own_homes
                and e.country not in self.homes
                and not shared(e)
                and any(o.country != e.country and o.day == e.day for o in here)
            }
        )

    def _habitual(self, abroad: Sequence[Event]) -> bool:
        moments = [e.when for e in abroad if e.when]
        times = [e.when for e in self.events if e.when]
        if not moments or len({moment.date() for moment in moments}) < self.policy.breach.habit_days:
            return False
        middle = min(times) + (max(times) - min(times)) / 2
        return self._is_early(min(moments)) and max(moments) >= middle

    def _sprayed(self, abroad: Iterable[Event]) -> int:
        used = {e.address for e in abroad if e.address and not self.own(e) and e.address not in self.egress}
        return max((victims(self.events, address) for address in used), default=0)

    def _prior(self, name: str) -> int:
        known = {e.number for e in self.abroad if not self.eligible(e)}
        return prior_failures(self.flows, name, self.policy.breach.prior_failure_days, known)

    def _overlapping(self, name: str) -> int:
        reach = timedelta(hours=self.policy.breach.overlap_hours)
        found = 0
        for flow in self.flows:
            near = (
                e.account == name
                and e.foreign
                and e.outcome == "SUCCESS"
                and e.interactive
                and self.unknown(e)
                and not self.own(e)
                and e.address not in self.egress
                and any(
                    h.account == name and h.interactive and abs(h.when - e.when) <= reach  # type: ignore[operator]
                    for h in self.home
                    if e.when
                )
                for e in flow
            )
            found += any(near)
        return found

    def _sprayed_at_home(self, name: str) -> int:
        best = 0
        for address in {e.address for e in self.events if e.address and e.account}:
            entered, refused = set(), set()
            here = [e for e in self.events if e.address == address and e.account]
            for event in here:
                if event.outcome == "SUCCESS":
                    entered.add(event.account)
                elif event.outcome in ("REJECTED", "NOT_EVALUATED"):
                    refused.add(event.account)
            first = min((e.when for e in here if e.when), default=None)
            spared = refused - entered
            late = first is not None and self.early is not None and first > self.early
            if len(spared) < self.policy.breach.spray_accounts or len(spared) <= len(entered) or not late:
                continue
            mine = [e for e in here if e.account == name and e.outcome == "SUCCESS" and not e.foreign]
            if any(not self._used_before(e, "id") for e in mine):
                best = max(best, len(spared))
        return best

    def _followed(self, name: str) -> str | None:
        within = timedelta(hours=self.policy.breach.indicator_hours)
        found = {
            act.operation
            for act in self.acts
            for event in self.abroad
            if act.account == event.account == name
            and act.lasting
            and act.when
            and event.when
            and event.when <= act.when <= event.when + within
            and (_same(act.address, event.address) or _same(act.session, event.session))
        }
        return min(found, default=None)

    # leads

    def leads(self) -> set[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Kind, accounts and addresses of every lead."""
        return {*self._rejections(), *self._new_addresses(), *self._denials(), *self._legacy(), *self._sessions()}

    def _rejections(self) -> Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        limits = self.policy.leads
        known = {e.address for e in self.events if e.outcome == "SUCCESS" and e.when and self._is_early(e.when)}
        for event in self.events:
            if event.outcome != "SUCCESS" or not event.when or not event.account or not event.address:
                continue
            begin = event.when - timedelta(hours=limits.hours)
            refused = sum(
                1
                for e in self.events
                if e.outcome == "REJECTED"
                and (e.account, e.address) == (event.account, event.address)
                and e.when
                and begin <= e.when < event.when
            )
            if refused >= limits.rejections and event.address not in known and not self._owned_before(event, begin):
                yield "SUCCESS_AFTER_REJECTIONS", (event.account,), (event.address,)

    def _owned_before(self, event: Event, begin: datetime) -> bool:
        """Whether the owner used this device, by its id, at home before the first of the rejections."""
        first = min(
            e.when
            for e in self.events
            if e.outcome == "REJECTED"
            and (e.account, e.address) == (event.account, event.address)
            and e.when
            and event.when
            and begin <= e.when < event.when
        )
        return event.device_id is not None and any(
            e.account == event.account and e.device_id == event.device_id and e.when and e.when < first
            for e in self.home
        )

    def _is_early(self, when: datetime) -> bool:
        return self.early is not None and when <= self.early

    def _new_addresses(self) -> Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        known = {e.address for e in self.events if e.when is None or self._is_early(e.when)}
        for address in {e.address for e in self.abroad if e.address} - known:
            accounts = {str(e.account) for e in self.abroad if e.address == address and not self.own(e)}
            if len(accounts) >= self.policy.leads.new_address_accounts:
                yield "NEW_ADDRESS_ON_MANY_ACCOUNTS", tuple(sorted(accounts)), (address,)

    def _denials(self) -> Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        limits = self.policy.leads
        for event in self.events:
            if event.outcome != "SUCCESS" or not event.when or not event.account:
                continue
            begin = event.when - timedelta(hours=limits.hours)
            denied = [
                e
                for e in self.events
                if e.code == "500121"
                and e.decided_by == "status_error_code"
                and e.account == event.account
                and e.when
                and begin <= e.when < event.when
            ]
            if len(denied) >= limits.mfa_denials and not self._goes_on_working(event, denied):
                yield "SUCCESS_AFTER_MFA_DENIALS", (event.account,), ()

    def _goes_on_working(self, event: Event, denied: Sequence[Event]) -> bool:
        """From an address that asked for none of the prompts and that the account succeeded from before them."""
        if event.address is None or any(e.address == event.address for e in denied):
            return False
        first = min(e.when for e in denied if e.when)
        return any(
            e.outcome == "SUCCESS"
            and (e.account, e.address) == (event.account, event.address)
            and e.when
            and e.when < first
            for e in self.events
        )

    def _homeless(self, account: str | None) -> bool:
        return not self.homes and account not in {name for name, _ in self.own_homes}

    def _legacy(self) -> Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        for account in {e.account for e in self.abroad if e.legacy and e.account}:
            used = {e.address for e in self.abroad if e.legacy and e.account == account and e.address}
            yield "LEGACY_FOREIGN_SUCCESS", (account,), tuple(sorted(used))

    def _sessions(self) -> Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        seen: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            if event.session and event.country and event.outcome == "SUCCESS":
                seen[event.session].append(event)
        for rows in seen.values():
            strange = any(e.foreign or self._homeless(e.account) for e in rows)
            if strange and len({e.country for e in rows if not (e.foreign and self.own(e))}) > 1:
                accounts = tuple(sorted({e.account for e in rows if e.account}))
                yield "SESSION_IN_TWO_COUNTRIES", accounts, tuple(sorted({e.address for e in rows if e.address}))


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def marks(event: Event) -> dict[str, Collection[str] | None]:
    """How an event names its device: by id, by join type and system, by browser and system."""
    return {
        "id": event.device_id,
        "join": (event.trust, event.os) if event.trust and event.os else None,
        "client": (event.browser, event.os) if event.browser and event.os else None,
    }


def device(event: Event) -> object:
    """What tells an event's device apart: its id, else its browser and system."""
    return event.device_id or ((event.browser, event.os) if event.browser and event.os else None)
