"""The matters of the quarterly cycle, topic by topic: what registry and rule pack say, as things to decide or look at.
Their order and their time are judged in `core.maintenance`; the cycle itself is `maintenance`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property

from m365dq_dagster.adapters import neighbours
from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import CodeChange, CodeSighting, Registry, SchemaChangeRecord, StatusCode
from m365dq_dagster.adapters.registry.cycles import FieldUse, SightedValue
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.core.alerts import OperationsPolicy
from m365dq_dagster.core.code_changes import CODE_FIELDS, ENTRA_CODE, ChangeState
from m365dq_dagster.core.maintenance import Beside, Matter, UnknownValue
from m365dq_dagster.core.maintenance_page import cases, evidence, place
from m365dq_dagster.core.narrative import plural
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.profile import Witness
from m365dq_dagster.core.sightings import BY_KEY
from m365dq_dagster.stages import corrections, overrides
from m365dq_dagster.stages.code_proposals import DESCRIBED_NOW
from m365dq_dagster.stages.codes import key_of, turned_down

COMPARED = 200
"""Unknown words that are compared with the known ones of their field: the commonest."""

CASES_READ = 20
"""Cases that are opened to see what stands beside unknown values: those with most rows of them."""

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Desk:
    """What the cycle looks at: the registry, the rule pack in force, the cases, at one moment."""

    registry: Registry
    pack: RulePack
    store: CaseStore
    policy: OperationsPolicy
    now: datetime

    @property
    def since(self) -> datetime:
        """The first moment of the days that are looked back; it still belongs to them."""
        return looked_back(self.policy, self.now)

    @property
    def year_ago(self) -> datetime:
        """When what was validated or seen then wants another look."""
        return self.now - timedelta(days=self.policy.revalidate_days)

    @cached_property
    def reference(self) -> list[StatusCode]:
        """Every row of the reference."""
        return self.registry.status_codes()

    @cached_property
    def sighted(self) -> dict[Key, SightedValue]:
        """Every value that was ever seen."""
        return {(one.log_type, one.field, one.value): one for one in self.registry.sighted_values()}

    @cached_property
    def changes(self) -> list[CodeChange]:
        """Every change that was ever proposed."""
        return self.registry.code_changes()

    @cached_property
    def waiting(self) -> list[CodeChange]:
        """The changes that wait for a decision."""
        return [change for change in self.changes if change.state is ChangeState.PENDING]

    @cached_property
    def shipped(self) -> list[StatusCode]:
        """The rows that the rule pack ships as waiting for approval, and that nobody has turned down."""
        rejected = turned_down(self.changes)
        return [code for code in self.reference if code.state == "PENDING" and key_of(code) not in rejected]

    @cached_property
    def spelled(self) -> dict[tuple[str, str], dict[str, str]]:
        """The known words of each field as they are spelled, by their letters."""
        found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for code in self.reference:
            found[code.log_type, code.field][code.value.lower()] = code.value
        return found

    def alike(self, unknown: UnknownValue) -> tuple[str, ...]:
        """Which known word of its field an unknown one reads like, for a person to judge; codes read like nothing."""
        log_type, field = unknown.fields[0]
        if is_code(log_type, field):
            return ()
        known = self.spelled.get((log_type, field), {})
        found = get_close_matches(unknown.value.lower(), known, 1, 0.8)
        return (f"It reads like {known[found[0]]!r}, which is known; nothing is guessed from that.",) if found else ()

    @cached_property
    def unknown(self) -> tuple[UnknownValue, ...]:
        """What was seen in the last days and is in no reference in force."""
        return unknown_values(self.recent)

    @cached_property
    def recent(self) -> list[CodeSighting]:
        """The sightings of the last days that are in no reference in force."""
        return unknown_sightings(self.registry, self.pack, self.policy, self.now)


def looked_back(policy: OperationsPolicy, now: datetime) -> datetime:
    """The first moment of the days in which unknown codes are looked for; it still belongs to them."""
    return now - timedelta(days=policy.sighting_days)


def unknown_sightings(
    registry: Registry, pack: RulePack, policy: OperationsPolicy, now: datetime
) -> list[CodeSighting]:
    """What was sighted in the last days and is not in force in the rule pack, in whichever spelling. Values of a field
    that is not looked up are compared with the reference as they stand.
    """
    reference = pack.watched_values
    found = registry.sightings(looked_back(policy, now), unknown=True)
    return [one for one in found if not reference.knows(one.log_type, one.field, one.value)]


def unknown_values(sightings: Iterable[CodeSighting]) -> tuple[UnknownValue, ...]:
    """Sightings by what was seen, the commonest first. A code is one, wherever it stands; a word is one a field."""
    grouped: dict[tuple[str, tuple[str, str] | None], list[CodeSighting]] = defaultdict(list)
    for one in sightings:
        grouped[one.value, None if is_code(one.log_type, one.field) else (one.log_type, one.field)].append(one)
    found = [_unknown(sightings) for sightings in grouped.values()]
    return tuple(sorted(found, key=lambda one: (-one.rows, one.fields, one.value)))


def is_code(log_type: str, field: str) -> bool:
    """Whether Entra's codes stand in the field."""
    return (log_type, field) in CODE_FIELDS


def is_unknown_code(value: UnknownValue) -> bool:
    """Whether it is one code; what stands for several values, or could be no code, is not."""
    return is_code(*value.fields[0]) and ENTRA_CODE.fullmatch(value.value) is not None


def with_neighbours(desk: Desk, unknown: Sequence[UnknownValue]) -> tuple[UnknownValue, ...]:
    """The unknown values with what stands beside them in the published cases that hold most of their rows."""
    rows: dict[str, int] = defaultdict(int)
    wanted: dict[str, dict[tuple[str, str], set[str]]] = defaultdict(lambda: defaultdict(set))
    for sighting in desk.recent:
        if column := _witness(sighting.log_type, sighting.field):
            rows[sighting.case_id] += sighting.rows
            wanted[sighting.case_id][sighting.log_type, column].add(sighting.value)
    beside: dict[Key, list[Beside]] = defaultdict(list)
    for case_id in sorted(rows, key=lambda case: (-rows[case], case))[:CASES_READ]:
        published = desk.store.current(case_id)
        for key, found in (neighbours.beside(published, wanted[case_id]) if published else {}).items():
            beside[key] += found
    return tuple(replace(one, beside=_summed(_of(beside, one))) for one in unknown)


def _witness(log_type: str, field: str) -> str:
    """The column of a field that tells outcomes; '' for one that does not, which has no neighbours to compare."""
    watched = BY_KEY.get((log_type, field))
    return watched.source if watched and watched.kind.alerts else ""


def _of(beside: Mapping[Key, list[Beside]], value: UnknownValue) -> Iterable[list[Beside]]:
    for log_type, field in value.fields:
        yield beside.get((log_type, _witness(log_type, field), value.value), [])


def unknown_matters(desk: Desk, unknown: Sequence[UnknownValue], *, codes: bool) -> list[Matter]:
    """The unknown codes, or the other unknown values, each with its evidence and what is proposed."""
    waiting = {_name(*change.key.place, change.key.value): proposal_words(change) for change in desk.waiting}
    proposed = {_name(*code.key): shipped_words(code) for code in desk.shipped} | waiting
    refused = {_name(*one.key.place, one.key.value): one for one in desk.changes if one.state is ChangeState.REJECTED}
    found = [one for one in unknown if is_unknown_code(one) == codes]
    return [
        Matter(
            subject=one.value,
            where=place(one.fields),
            facts=(
                *evidence(one),
                *(desk.alike(one) if number < COMPARED else ()),
                *_refusal(refused.get(_name(*one.fields[0], one.value))),
            ),
            proposal=proposed.get(_name(*one.fields[0], one.value), ""),
            weight=one.rows,
            severity=Severity.WARNING,
        )
        for number, one in enumerate(found)
    ]


def _name(log_type: str, field: str, value: str) -> tuple[str, str]:
    """What a value is for those who decide on it: a code is one wherever it stands, a word one in fields of a name."""
    return ("" if is_code(log_type, field) else field, value)


def proposal_words(change: CodeChange) -> str:
    """What a change proposes, as one sentence."""
    after = change.after
    told = f"category {after.category}, {after.severity}: {after.meaning}"
    source = f" Source: {change.source}." if change.source else ""
    second = " Somebody else than the proposer must approve it." if change.critical else ""
    return f"{told.rstrip('.')}.{source}{second}"


def shipped_words(code: StatusCode) -> str:
    """What the rule pack proposes by shipping a row as pending."""
    return f"category {code.category}, {code.severity}: {code.meaning.rstrip('.')}."


def pending_matters(desk: Desk, shown: Iterable[UnknownValue]) -> list[Matter]:
    """What waits for a decision and is not shown as unknown already: proposals, and rows shipped as pending."""
    told = {_name(*one.fields[0], one.value) for one in shown}
    waiting = {_name(*change.key.place, change.key.value): change for change in desk.waiting}
    shipped = {_name(*code.key): code for code in desk.shipped}
    return [
        *(_pending(change, desk.now) for name, change in waiting.items() if name not in told),
        *(_shipped(code) for name, code in shipped.items() if name not in told and name not in waiting),
    ]


def schema_matters(desk: Desk) -> list[Matter]:
    """The changes of exports and of the vendor's documents that are open; a change of wording alone is none."""
    return [_changed(one) for one in desk.registry.schema_changes("OPEN") if one.kind.alarms]


def dark_matters(desk: Desk) -> list[Matter]:
    """Fields that rules and verifiers look at and that no case of the last days could hear, though it held the log.

    Each that was heard within the year is a matter; those that never were, by design or licence most often, are one.
    """
    uses = desk.registry.field_uses(desk.since)
    logs = {use.table for use in uses if use.heard}
    before = {(use.table, use.field): use for use in desk.registry.field_uses(desk.year_ago)}
    looked_at = _looked_at(desk.pack)
    dark = [use for use in uses if not use.heard and use.table in logs and (use.table, use.field) in looked_at]
    went = [use for use in dark if before[use.table, use.field].heard]
    never = [use for use in dark if use not in went]
    return [
        *(_dark(use, before[use.table, use.field], looked_at[use.table, use.field], desk.policy) for use in went),
        *([_never_heard(never)] if never else []),
    ]


def local_matters(desk: Desk) -> list[Matter]:
    """What ships and has changed under something that this installation changed; the installation's word is kept."""
    return [
        Matter(one.key, one.file, (one.sentence,), severity=Severity.WARNING) for one in desk.pack.overlay.conflicts
    ]


def correction_matters(desk: Desk) -> list[Matter]:
    """The context rules that corrected conclusions speak for; none is applied by standing here."""
    return [
        Matter(
            subject=one.rule.id,
            where=place([one.field]),
            facts=(one.rule.because, f"Cases {cases(one.misled)}"),
            proposal=f"{one.effect}; the whole entry: m365dq correct --proposals",
            weight=len(one.misled),
            severity=Severity.WARNING,
        )
        for one in corrections.proposals(desk.registry, desk.pack)
    ]


def override_matters(desk: Desk) -> list[Matter]:
    """The overrides in force today."""
    newest = {one.case_id: one for one in reversed(overrides.in_force(desk.registry, desk.now))}
    return [
        Matter(
            one.case_id,
            "",
            (f"Until {one.expires} by {one.actor}: {one.reason}",),
            severity=Severity.WARNING,
        )
        for one in newest.values()
    ]


def stale_matters(desk: Desk) -> tuple[list[Matter], int]:
    """The codes in use that were validated too long ago; and how many others were, that nobody ever saw."""
    oldest = desk.year_ago.date()
    used: dict[tuple[str, str], Matter] = {}
    unused: set[tuple[str, str]] = set()
    for code in desk.reference:
        if code.state != "ACTIVE" or code.deprecated or not code.last_validated or code.last_validated >= oldest:
            continue
        found = desk.sighted.get(code.key)
        name = (code.value, "" if is_code(code.log_type, code.field) else f"{code.log_type}.{code.field}")
        if found:
            used[name] = _used(code, found, used.get(name))
        else:
            unused.add(name)
    return list(used.values()), len(unused - set(used))


def deprecated_matters(desk: Desk) -> list[Matter]:
    """The rows marked as withdrawn that evidence of the last days still holds."""
    return [
        _still_seen(code, found)
        for code in desk.reference
        if code.deprecated and (found := desk.sighted.get(code.key)) and found.last_sighted >= desk.since
    ]


def unseen_matters(desk: Desk) -> list[Matter]:
    """The rows in force that were seen once, and in no case that was judged since a year."""
    known = {code.key: code for code in desk.reference}
    return [
        Matter(
            one.value,
            f"{one.log_type}.{one.field}",
            (f"Last in a case judged {one.last_sighted:%Y-%m-%d}; {plural(one.rows, 'row')} in all.",),
            weight=one.rows,
        )
        for key, one in desk.sighted.items()
        if one.last_sighted < desk.year_ago and (code := known.get(key)) and not code.deprecated
    ]


def _unknown(sightings: Sequence[CodeSighting]) -> UnknownValue:
    firsts = [one.first_event for one in sightings if one.first_event]
    lasts = [one.last_event for one in sightings if one.last_event]
    return UnknownValue(
        fields=tuple(sorted({(one.log_type, one.field) for one in sightings})),
        value=sightings[0].value,
        rows=sum(one.rows for one in sightings),
        cases=tuple(sorted({one.case_id for one in sightings})),
        first_event=min(firsts, default=None),
        last_event=max(lasts, default=None),
        first_sighted=min(one.first_sighted_at for one in sightings),
        last_sighted=max(one.last_sighted_at for one in sightings),
    )


def _summed(found: Iterable[Iterable[Beside]]) -> tuple[Beside, ...]:
    rows: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in (one for part in found for one in part):
        rows[one.status, one.conditional_access, one.operation] += one.rows
    return tuple(Beside(*said, count) for said, count in sorted(rows.items(), key=lambda item: (-item[1], item[0])))


def _refusal(change: CodeChange | None) -> tuple[str, ...]:
    if change is None or change.decision_reason == DESCRIBED_NOW or change.decider is None or change.decided_at is None:
        return ()
    why = f": {change.decision_reason}" if change.decision_reason else ""
    return (f"A proposal was rejected {change.decided_at:%Y-%m-%d} by {change.decider.told}{why}",)


def _changed(change: SchemaChangeRecord) -> Matter:
    when = f" It holds from {change.effective}." if change.effective else ""
    where = ", ".join(filter(None, (change.log_type, change.api_version)))
    facts = (
        f"{change.detail.rstrip('.')}.{when}",
        f"{change.kind}, noticed {change.detected_at:%Y-%m-%d} in {change.source}; number {change.change_id}.",
    )
    subject = " -> ".join(filter(None, (change.before, change.after)))
    return Matter(subject or change.kind.value, where, facts, severity=change.severity)


def _shipped(code: StatusCode) -> Matter:
    facts = ("Shipped with the rule pack as waiting for approval.",)
    return Matter(code.value, f"{code.log_type}.{code.field}", facts, shipped_words(code))


def _pending(change: CodeChange, now: datetime) -> Matter:
    days = (now - change.proposed_at).days
    facts = (f"{change.action.capitalize()} proposed by {change.proposer.told} {plural(days, 'day')} ago.",)
    severity = Severity.CRITICAL if change.critical else Severity(change.after.severity)
    return Matter(
        change.key.value, f"{change.key.log_type}.{change.key.field}", facts, proposal_words(change), 0, severity
    )


def _looked_at(pack: RulePack) -> dict[tuple[str, str], list[str]]:
    """What looks at which field: the verifiers at the witnesses, the context rules at their targets."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for spec in pack.fields:
        if spec.witness is not Witness.NONE:
            found[spec.log_type, spec.field].append(f"witness of outcomes ({spec.witness})")
    for rule in pack.context_rules:
        for target in rule.targets:
            found[target].append(f"context rule {rule.id}")
    return found


def _dark(use: FieldUse, before: FieldUse, users: Sequence[str], policy: OperationsPolicy) -> Matter:
    judged = f"Not heard in any of {plural(use.cases, 'case')} judged in the last {policy.sighting_days} days."
    return Matter(
        subject=use.field,
        where=use.table,
        facts=(
            judged,
            f"Within the year it was heard in {before.heard} of {plural(before.cases, 'case')}.",
            f"Looked at by: {cases(users)}.",
        ),
        weight=use.cases,
        severity=Severity.WARNING,
    )


def _never_heard(uses: Sequence[FieldUse]) -> Matter:
    names = [f"{use.table}.{use.field}" for use in uses]
    facts = (
        f"Rules look at them, their logs were there, and no case of the year scored them above 0: {', '.join(names)}.",
        "Most often by design or licence. Look again where one of them used to be filled.",
    )
    return Matter(f"{plural(len(uses), 'field')} never heard here", "", facts, weight=max(use.cases for use in uses))


def _used(code: StatusCode, found: SightedValue, other: Matter | None) -> Matter:
    rows = found.rows + (other.weight if other else 0)
    facts = (f"Last validated {code.last_validated}; {plural(rows, 'row')} in evidence.", code.meaning)
    where = f"{other.where}, {code.log_type}.{code.field}" if other else f"{code.log_type}.{code.field}"
    return Matter(code.value, where, facts, weight=rows)


def _still_seen(code: StatusCode, found: SightedValue) -> Matter:
    facts = (f"{plural(found.rows, 'row')}, last judged {found.last_sighted:%Y-%m-%d}.", code.meaning)
    return Matter(code.value, f"{code.log_type}.{code.field}", facts, weight=found.rows)
