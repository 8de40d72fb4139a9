"""Proposes rows for codes that no table in force knows, with what is known of them: the vendor's text, the class that
its topic speaks for, and where the code was seen. Deciding on a proposal is `code_changes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from m365dq_dagster.adapters.registry import CodeChange, Registry
from m365dq_dagster.core import code_topics
from m365dq_dagster.core.code_changes import (
    CODE_FIELDS,
    TEXT_CHARACTERS,
    Asked,
    ChangeState,
    CodeKey,
    Proposal,
    Settlement,
)
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.maintenance import UnknownValue
from m365dq_dagster.core.maintenance_page import evidence, seen
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.plain_text import one_line
from m365dq_dagster.core.sightings import REST
from m365dq_dagster.core.vendor_pages import PageKind
from m365dq_dagster.stages.code_changes import CodeDesk
from m365dq_dagster.stages.codes import turned_down
from m365dq_dagster.stages.decisions import DecisionRow

MOST_LINES = 1000
"""Unknown values that the file of decisions lists: the commonest."""

UNREVIEWED = "Approved without a review, as asked."
DESCRIBED_NOW = "A page of the vendor describes it now; proposed anew with its text."
UNDOCUMENTED = "Not described in any page of the vendor that was read."


@dataclass(frozen=True)
class Known:
    """What the vendor's pages say of a code."""

    text: str
    name: str
    source: str


@dataclass(frozen=True)
class ProposedCode:
    """What became of a code: `state` is PENDING or APPROVED where something was proposed, else None and `note` says why
    not.
    """

    code: str
    state: ChangeState | None
    category: str | None
    change: int | None
    note: str


def vendor_texts(registry: Registry) -> dict[str, Known]:
    """What the last readings of the vendor's lists of codes say, by code; a later page counts more."""
    lists = (one for one in registry.vendor_documents() if one.snapshot.kind is PageKind.CODES)
    return {
        code: Known(entry.get("text", ""), entry.get("name", ""), document.name)
        for document in lists
        for code, entry in document.snapshot.entries.items()
        if entry.get("text", "").strip()
    }


def propose_codes(
    desk: CodeDesk,
    codes: Iterable[str],
    unknown: Sequence[UnknownValue] = (),
    texts: Mapping[str, Known] | None = None,
    *,
    approval_required: bool = True,
) -> tuple[ProposedCode, ...]:
    """Propose a row for each code, each once; what is in force or waits already is left, and that is said.

    A proposal of which nothing was known gives way to one with the vendor's text, once a page has it. Without
    `approval_required` the proposals, and those that wait already, are approved in the same breath, but a critical one
    waits for a second person. Everything stands in the audit log.
    """
    sighted = {one.value: one for one in unknown}
    made: list[ProposedCode] = []
    for code in dict.fromkeys(one.strip() for one in codes):
        made.append(_proposed(desk, code, sighted.get(code), (texts or {}).get(code), approval_required))
    return tuple(made)


def _proposed(
    desk: CodeDesk, code: str, sighted: UnknownValue | None, known: Known | None, approval_required: bool
) -> ProposedCode:
    try:
        key = desk.key(*CODE_FIELDS[0], code)
        if desk.in_force(key):
            return _left(code, "It is in force already.")
        if _waits(desk, key, known):
            return _waiting(desk, key, approval_required)
        return _new(desk, _draft(desk, key, sighted, known), approval_required)
    except BadInput as error:
        return _left(code, str(error))


def _left(code: str, why: str) -> ProposedCode:
    return ProposedCode(code, None, None, None, why)


def _waits(desk: CodeDesk, key: CodeKey, known: Known | None) -> bool:
    """Whether something waits for the code that no text of the vendor could better."""
    waiting = desk.waiting.get(key)
    if waiting is not None:
        return known is None or waiting.after.meaning != UNDOCUMENTED
    return desk.shipped_as_pending(key) is not None


def _waiting(desk: CodeDesk, key: CodeKey, approval_required: bool) -> ProposedCode:
    waiting, shipped = desk.waiting.get(key), desk.shipped_as_pending(key)
    critical = desk.critical(waiting) if waiting else shipped is not None and shipped.is_critical
    if not approval_required and not critical:
        return _told(desk.decide(key, ChangeState.APPROVED, UNREVIEWED), UNREVIEWED)
    why = "A proposal waits already." if waiting else "The rule pack ships a row for it that waits for approval."
    return _left(key.value, why)


def _new(desk: CodeDesk, proposal: Proposal, approval_required: bool) -> ProposedCode:
    if waiting := desk.waiting.get(proposal.after.key):
        desk.registry.settle_codes([Settlement(waiting.id, ChangeState.REJECTED, DESCRIBED_NOW)], desk.person, desk.now)
    if approval_required or proposal.is_critical:
        (change,) = desk.registry.propose_codes([proposal], desk.now)
        return _told(change, "Proposed; it waits for a decision.")
    settlement = Settlement(proposal, ChangeState.APPROVED, UNREVIEWED)
    (change,) = desk.registry.settle_codes([settlement], desk.person, desk.now)
    return _told(change, UNREVIEWED)


def _told(change: CodeChange, note: str) -> ProposedCode:
    return ProposedCode(change.key.value, change.state, change.after.category, change.id, note)


def _draft(desk: CodeDesk, key: CodeKey, sighted: UnknownValue | None, known: Known | None) -> Proposal:
    asked = _documented(key, known) if known else Asked(key, "unknown", Severity.WARNING, UNDOCUMENTED)
    proposal = desk.draft(asked, _reason(sighted))
    assert proposal is not None  # nothing is in force
    return replace(proposal, after=replace(proposal.after, method=code_topics.METHOD))


def _documented(key: CodeKey, known: Known) -> Asked:
    """A row from the vendor's text: its topic speaks for a class, the source decides who says so."""
    topic = code_topics.propose(known.text)
    return Asked(
        key,
        topic.category,
        topic.severity,
        one_line(known.text, TEXT_CHARACTERS),
        topic.outcome,
        topic.first_factor,
        known.source,
        symbolic_name=known.name or None,
    )


def to_decide(desk: CodeDesk, unknown: Sequence[UnknownValue]) -> list[DecisionRow]:
    """Everything that waits for a decision, as lines of the file of decisions: what is unknown first, the commonest
    first, then the other proposals. A value that nobody proposed yet has blanks to fill in.
    """
    changes = desk.registry.code_changes()
    waiting = {change.key: change for change in changes if change.state is ChangeState.PENDING}
    rejected = turned_down(changes)
    wanted = {key: one for one in unknown[:MOST_LINES] if (key := key_of_unknown(desk, one)) is not None}
    shipped = {desk.key(*key.place, key.value) for key, row in desk.rows.items() if row.state == "PENDING"}
    keys = dict.fromkeys([*wanted, *waiting, *sorted(shipped - rejected)])
    return [_line(desk, key, waiting.get(key), wanted.get(key)) for key in keys]


def key_of_unknown(desk: CodeDesk, value: UnknownValue) -> CodeKey | None:
    """What a decision would be about; None for what stands for several values or in no field of the reference."""
    if value.value == REST:
        return None
    try:
        return desk.key(*value.fields[0], value.value)
    except BadInput:
        return None


def _line(desk: CodeDesk, key: CodeKey, change: CodeChange | None, value: UnknownValue | None) -> DecisionRow:
    """One value as it is proposed, with what speaks for it."""
    shipped = desk.shipped_as_pending(key)
    after = change.after if change else shipped.after if shipped else None
    facts = [*evidence(value)] if value else []
    facts += [change.reason] if change and change.reason and not value else []
    return DecisionRow(
        log_type=key.log_type,
        field_name=key.field,
        code_value=key.value,
        category=(after and after.category) or "",
        outcome=(after and after.outcome) or "",
        first_factor=(after and after.first_factor) or "",
        severity=(after and after.severity) or "",
        meaning=(after and after.meaning) or "",
        source=(after and after.sources) or "",
        evidence=" ".join(facts),
    )


def _reason(sighted: UnknownValue | None) -> str:
    return f"Seen in evidence: {seen(sighted)}" if sighted else "Asked for by its value; not seen in evidence."
