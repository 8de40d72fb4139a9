"""Changing the reference: a person proposes, a person decides, and what is approved is in force at once. Looking things
up is `codes`; which change is critical and who may decide is judged in `core.code_changes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from m365dq_dagster.adapters.registry import CodeChange, CodeHistory, CodeSighting, Registry
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.core.code_changes import (
    CODE_FIELDS,
    RULE_PACK,
    Asked,
    ChangeAction,
    ChangeState,
    CodeKey,
    KnownWords,
    Proposal,
    ReferenceRow,
    Settlement,
    canonical,
    differences,
    drafted,
    heard_in,
    is_critical,
    may_decide,
    place_of,
    proposed,
    reason_for,
    withdrawn,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.narrative import some
from m365dq_dagster.core.outcome import Role
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages.codes import listing

ENUMERATED = (Role.OUTCOME, Role.EVENT)
"""Roles of fields that hold values out of a closed list."""


CASES_SHOWN = 8


@dataclass(frozen=True)
class CodeDesk:
    """Where a person changes the reference. The registry's reference is brought up to the rule pack before."""

    registry: Registry
    pack: RulePack
    person: Person
    now: datetime

    @cached_property
    def words(self) -> KnownWords:
        """The words of the rule pack."""
        return known_words(self.pack)

    @cached_property
    def rows(self) -> dict[CodeKey, ReferenceRow]:
        """Every row of the reference by its key, pending ones too."""
        return {row.key: row for row in self.registry.reference()}

    @cached_property
    def spelled(self) -> dict[CodeKey, CodeKey]:
        """Keys as the reference spells them, or what waits, by how the judge compares them."""
        return {key.folded: key for key in (*self.waiting, *self.rows)}

    @cached_property
    def waiting(self) -> dict[CodeKey, CodeChange]:
        """The changes that wait for a decision, by what they are about."""
        return {change.key: change for change in self.registry.code_changes(ChangeState.PENDING)}

    def key(self, log_type: str, field: str, value: str) -> CodeKey:
        """The key under which a value is kept, spelled as the reference spells it, where it is there."""
        key = CodeKey(*place_of(log_type, field, self.words), value)
        if key in self.rows or key in self.waiting:
            return key
        return self.spelled.get(key.folded) or canonical(log_type, field, value, self.words)

    def in_force(self, key: CodeKey) -> ReferenceRow | None:
        """The row that the judge goes by, or None."""
        row = self.rows.get(key)
        return row if row is not None and row.is_in_force else None

    def draft(self, asked: Asked, reason: str | None = None) -> Proposal | None:
        """The change that would come of what somebody says of a value; None where just that is in force. Keeps nothing.

        Raises `BadInput` for what cannot be.
        """
        before, after = self.row(asked)
        return proposed(after, before, self.person, reason, asked.source)

    def row(self, asked: Asked) -> tuple[ReferenceRow | None, ReferenceRow]:
        """The row that the reference holds, if any, and the row that somebody asks for. Raises `BadInput` for what
        cannot be.
        """
        key = self.key(asked.key.log_type, asked.key.field, asked.key.value)
        return self.rows.get(key), drafted(replace(asked, key=key), self.in_force(key), self.words)

    def propose(self, asked: Asked, reason: str | None = None) -> CodeChange | None:
        """Propose what somebody says of a value; None where just that is in force already."""
        proposal = self.draft(asked, reason)
        return self.registry.propose_codes([proposal], self.now)[0] if proposal else None

    def deprecate(self, key: CodeKey, reason: str | None) -> CodeChange:
        """Propose that a row is marked as one that the vendor gives no more."""
        before = self.in_force(key)
        if before is None:
            raise BadInput(
                f"{key} is not in force, so it cannot be deprecated; m365dq codes lookup shows what is known."
            )
        if before.deprecated:
            raise BadInput(f"{key} is deprecated already; nothing was proposed.")
        return self.registry.propose_codes([withdrawn(before, self.person, reason)], self.now)[0]

    def decide(self, key: CodeKey, state: ChangeState, reason: str | None) -> CodeChange:
        """Approve or reject what waits for this value: a proposal, or a row that the rule pack ships as pending.

        Raises `BadInput` where nothing waits, a reason is missing, or this person may not; the last is audited.
        """
        settlement = self.settlement(key, state, reason)
        return self.registry.settle_codes([settlement], self.person, self.now)[0]

    def settlement(self, key: CodeKey, state: ChangeState, reason: str | None) -> Settlement:
        """The decision, checked and not taken yet."""
        change = self.waiting.get(key)
        if change is None:
            proposal = self.shipped_as_pending(key)
            if proposal is None:
                raise BadInput(self._nothing_waits(key))
            return self.checked(proposal, state, reason)
        critical = self.critical(change)
        self._allow(key, change.proposer, state, change.id, critical=critical)
        return Settlement(change.id, state, reason_for(state, reason, critical=critical))

    def checked(self, proposal: Proposal, state: ChangeState, reason: str | None) -> Settlement:
        """The decision on what is proposed in the same breath, checked."""
        critical = proposal.is_critical
        self._allow(proposal.after.key, proposal.proposer, state, None, critical=critical)
        return Settlement(proposal, state, reason_for(state, reason, critical=critical))

    def is_own(self, change: CodeChange) -> bool:
        """Whether this person proposed it."""
        return change.proposer.is_same_as(self.person)

    def critical(self, change: CodeChange) -> bool:
        """Whether two people must agree: by what was in force when it was proposed, or by what is now."""
        return change.critical or is_critical(self.in_force(change.key), change.after)

    def mapping(self, change: CodeChange) -> dict[str, Any]:
        """A change for JSON and for the screen, with the cases that hold its value and what comes next."""
        cases = cases_that_hold(self.registry, [change.key])
        told = change_mapping(change)
        return {**told, "cases": cases, "sentences": sentences(change, cases, critical=self.critical(change))}

    def shipped_as_pending(self, key: CodeKey) -> Proposal | None:
        """What the rule pack proposes of this value by shipping it as pending, or None."""
        row = self.rows.get(key)
        if row is None or row.state != "PENDING":
            return None
        after = replace(row, state="ACTIVE")
        return Proposal(ChangeAction.ADD, row, after, RULE_PACK, "shipped as pending", row.sources)

    def _nothing_waits(self, key: CodeKey) -> str:
        if self.in_force(key) is not None:
            return f"{key} is in force and nothing waits for a decision on it; m365dq codes add proposes a change."
        return f"Nothing waits for {key}; propose it first: " + key.command(
            "add", "--category CATEGORY --severity SEVERITY --meaning TEXT"
        )

    def _allow(self, key: CodeKey, proposer: Person, state: ChangeState, number: int | None, *, critical: bool) -> None:
        try:
            may_decide(key, proposer, self.person, state, critical=critical)
        except BadInput as refused:
            detail = {"change": number, "log_type": key.log_type, "field_name": key.field, "code_value": key.value}
            told = {**detail, "proposed_by": proposer.told, "why": str(refused)}
            self.registry.audit(self.person.told, "code-approve-refused", told, self.now)
            raise


def known_words(pack: RulePack) -> KnownWords:
    """The words that a rule pack knows, and the fields in which values are looked up."""
    values: dict[tuple[str, str], set[str]] = {}
    for row in pack.values:
        values.setdefault((row.log_type, row.field), set()).add(row.normalised)
    return KnownWords(
        categories=frozenset(code.category for code in pack.codes),
        outcomes=frozenset(code.outcome for code in pack.codes),
        first_factors=frozenset(code.first_factor for code in pack.codes),
        indicators=frozenset(row.indicator for row in pack.operations),
        values={place: frozenset(words) for place, words in values.items()},
        open_places=frozenset((spec.log_type, spec.field) for spec in pack.fields if spec.role in ENUMERATED),
    )


def change_mapping(change: CodeChange) -> dict[str, Any]:
    """A change for JSON: what it is about, what it alters, who wanted it and who decided, and what comes next."""
    return {
        "change": change.id,
        "log_type": change.key.log_type,
        "field_name": change.key.field,
        "code_value": change.key.value,
        "action": change.action.value,
        "state": change.state.value,
        "critical": change.critical,
        "before": change.before.as_mapping() if change.before else None,
        "after": change.after.as_mapping(),
        "differences": _columns(change.before, change.after),
        "holds_for": [f"{log_type}.{field}" for log_type, field in heard_in(change.key)],
        "reason": change.reason,
        "source": change.source,
        "proposed_by": change.proposer.told,
        "proposed_at": change.proposed_at,
        "decided_by": change.decider.told if change.decider else None,
        "decision_reason": change.decision_reason,
        "decided_at": change.decided_at,
    }


def history(registry: Registry, value: str) -> list[dict[str, Any]]:
    """Everything that happened to a value, oldest first: proposals, decisions, and what rule packs brought. Places that
    share one vocabulary are told once. Empty for what stands as it was first loaded. Raises `BadInput` for what nothing
    is known of.
    """
    values = {row["code_value"] for row in listing(registry, value)}
    if not values:
        raise BadInput(f"Nothing is known of {value[:40]!r}; m365dq codes list shows what is.")
    changes = [change for change in registry.code_changes() if change.key.value in values]
    told = [entry for change in changes for entry in _told(change)]
    packs = [row for one in sorted(values) for row in registry.code_history(one) if row.change is None]
    homes = [row for row in packs if row.key.place not in CODE_FIELDS[1:]]
    return sorted([*told, *map(_from_pack, homes)], key=lambda entry: str(entry["at"]))


def _told(change: CodeChange) -> Iterable[dict[str, Any]]:
    key = change.key
    base = {"log_type": key.log_type, "field_name": key.field, "code_value": key.value, "change": change.id}
    yield {
        **base,
        "at": change.proposed_at.isoformat(),
        "what": f"{change.action.value} proposed",
        "who": change.proposer.told,
        "why": change.reason or change.source,
        "differences": _columns(change.before, change.after),
    }
    if change.decider is not None and change.decided_at is not None:
        what = f"{change.action.value} {change.state.value.lower()}"
        decided = {"at": change.decided_at.isoformat(), "what": what, "who": change.decider.told}
        yield {**base, **decided, "why": change.decision_reason, "differences": []}


def _from_pack(row: CodeHistory) -> dict[str, Any]:
    before = ReferenceRow.from_mapping(row.before) if row.before else None
    return {
        "log_type": row.key.log_type,
        "field_name": row.key.field,
        "code_value": row.key.value,
        "change": None,
        "at": row.changed_at.isoformat(),
        "what": "rule pack loaded",
        "who": row.actor,
        "why": row.pack_hash,
        "differences": _columns(before, ReferenceRow.from_mapping(row.after)),
    }


def _columns(before: ReferenceRow | None, after: ReferenceRow) -> list[dict[str, Any]]:
    """What differs, but not what the row is about."""
    found = differences(before, after)
    named = ("log_type", "field_name", "code_value")
    return [{"column": name, "before": old, "after": new} for name, old, new in found if name not in named]


def sentences(change: CodeChange, cases: Sequence[str], *, critical: bool) -> list[str]:
    """What became of a change and what comes next, for people."""
    if change.state is ChangeState.PENDING:
        return _proposed(change, critical=critical)
    if change.state is ChangeState.REJECTED:
        known = change.before is not None and change.before.is_in_force
        stays = "stays as it was" if known else "stays unknown to the judge"
        return [f"Change {change.id} is rejected; {change.key} {stays}."]
    places = ", ".join(f"{log_type}.{name}" for log_type, name in heard_in(change.key))
    return [f"Change {change.id} is approved: {_meant(change)} is in force for {places}.", _what_now(cases)]


def _proposed(change: CodeChange, *, critical: bool) -> list[str]:
    waits = f"which is critical: it waits for somebody else than {change.proposer.user}" if critical else "it waits"
    return [
        f"Proposed as change {change.id}{',' if critical else ';'} {waits}{next_step(change.key, critical=critical)}"
    ]


def next_step(key: CodeKey, *, critical: bool) -> str:
    """How what waits is approved, as the end of a sentence."""
    if critical:
        return f", as another user of this machine: {key.command('approve', '--reason TEXT')}"
    return f" for approval: {key.command('approve')}"


def _meant(change: CodeChange) -> str:
    row = change.after
    gone = ", deprecated," if row.deprecated else ""
    return f"{row.code_value!r} ({row.category or 'no class'}, {row.severity}){gone}"


def _what_now(cases: Sequence[str]) -> str:
    if not cases:
        return "No case holds it; every run from now on judges by it."
    return f"Cases that hold it: {some(cases, CASES_SHOWN)}. Judge them again: m365dq rejudge {cases[0]}"


def cases_that_hold(registry: Registry, keys: Sequence[CodeKey]) -> list[str]:
    """The cases in which one of the values was sighted, so that a decision on it can change what they conclude."""
    wanted = {(*place, key.folded.value) for key in keys for place in heard_in(key)}
    homes = {place: key.place for key in keys for place in heard_in(key)}
    return sorted({one.case_id for one in registry.sightings() if _folded(one, homes) in wanted})


def _folded(one: CodeSighting, homes: Mapping[tuple[str, str], tuple[str, str]]) -> tuple[str, str, str] | None:
    """A sighting with its value as the judge compares it, where it stands in one of the places."""
    home = homes.get((one.log_type, one.field))
    return (one.log_type, one.field, CodeKey(*home, one.value).folded.value) if home else None
