"""Corrections: a person says that a conclusion was wrong. What was concluded and which fields it leaned on are read
from the published case, the word is kept in the registry, and what corrections speak for is computed. The document of
a case is never rewritten; which word stands is judged in `core.corrections`, what it teaches in `core.learned_rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import yaml

from m365dq_dagster.adapters import measure
from m365dq_dagster.adapters.case_store import CaseStore, open_reader
from m365dq_dagster.adapters.circumstances import count_circumstances
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.core import corrections as rules
from m365dq_dagster.core.context import valid_case_id
from m365dq_dagster.core.corrections import CASE, Correction, CorrectionState, MisledField
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.learned_rules import Proposal, propose
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages.published import kept, read_document

WIDTH = 140


@dataclass(frozen=True)
class Asked:
    """A correction as it was asked for. `fields` are those that misled, as `log type.field`; None leaves it to the
    finding.
    """

    case_id: str
    finding: str
    verdict: str
    reason: str
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Corrected:
    """What came of it: the correction as it was kept, and the rules that speak for themselves since."""

    correction: Correction
    document: Mapping[str, Any]
    proposals: tuple[Proposal, ...]


def correct(
    registry: Registry, store: CaseStore, pack: RulePack, asked: Asked, person: Person, now: datetime
) -> Corrected:
    """Keep that a conclusion was wrong. The verdict that was concluded takes an earlier correction back.

    Raises `BadInput` where the case, the finding, the verdict, the reason or a field cannot be used, or where nothing
    new is said.
    """
    case_id, reason = valid_case_id(asked.case_id), rules.checked_reason(asked.reason)
    document = read_document(store, case_id)
    subject = rules.subject_of(document, asked.finding)
    verdict = rules.checked_verdict(subject, asked.verdict)
    concluded = str(rules.concluded_of(document, subject))
    before = registry.corrections(case_id)
    last = next((one for one in reversed(before) if one.about == subject), None)
    named = None if asked.fields is None else rules.checked_fields(document, asked.fields)
    more = named is not None and last is not None and set(named) != {(one.log_type, one.field) for one in last.fields}
    rules.check_news(subject, verdict, concluded, last, more=more)
    if named is None and rules.claims_nothing(concluded):
        named = ()
    fields = () if verdict == concluded else _misled(store, pack, document, subject, named)
    known = _ids(proposals(registry, pack))
    made = registry.record_correction(
        case_id,
        _finding(asked.finding),
        verdict,
        reason,
        person.user,
        now,
        acting_as=person.acting_as,
        subject=subject,
        concluded=concluded,
        generation=str(document.get("generation")),
        fields=fields,
        after=last.id if last else 0,
    )
    correction = next(one for one in registry.corrections(case_id) if one.id == made)
    new = tuple(one for one in proposals(registry, pack) if _key(one) not in known)
    return Corrected(correction, document, new)


def _finding(named: str) -> str:
    word = named.strip().lower()
    return word.upper() if rules.FINDING_ID.fullmatch(word) else word


def _misled(
    store: CaseStore,
    pack: RulePack,
    document: Mapping[str, Any],
    subject: str,
    named: Sequence[tuple[str, str]] | None,
) -> tuple[MisledField, ...]:
    """The fields given, else those that the finding rests on, each with what the rows of the subject were like."""
    path = store.current(str(document["case"]))
    if path is None:  # pragma: no cover  the document was read from it
        return ()
    account = None if subject == CASE else subject
    with open_reader(path) as con:
        if kept(con).get("generation") != document.get("generation"):
            raise BadInput(f"Case {document['case']} was judged again in the meantime; look at it, then correct it.")
        chosen = named if named is not None else rules.leaned_on(document, subject) or _deciders(con, account)
        return tuple(
            MisledField(log_type, field, count_circumstances(con, pack, log_type, field, account))
            for log_type, field in dict.fromkeys(chosen)
        )


def _deciders(con: duckdb.DuckDBPyConnection, account: str | None) -> list[tuple[str, str]]:
    if not measure.has_table(con, "events"):
        return []
    rows = measure.run_named(con, "deciders", {"account": account}, file="document")
    return [(str(log_type), str(field)) for log_type, field in rows]


def proposals(registry: Registry, pack: RulePack) -> tuple[Proposal, ...]:
    """The context rules that the corrections so far speak for; none is ever applied by being proposed."""
    return propose(registry.corrections(), registry.cases_that_heard(), pack.context_rules)


def _ids(found: Iterable[Proposal]) -> set[tuple[str, str]]:
    return {_key(one) for one in found}


def _key(one: Proposal) -> tuple[str, str]:
    return one.rule.id, one.effect


def entries_text(found: Sequence[Proposal]) -> str:
    """The entries as they would stand in `context_rules.yaml`; an empty text without proposals."""
    if not found:
        return ""
    entries = [dict(one.entry) for one in found]
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=WIDTH)


def of_document(registry: Registry, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The corrections of a case as they are read beside its document, oldest first."""
    return rules.mappings(registry.corrections(str(document["case"])), document)


def in_force(registry: Registry) -> dict[str, dict[str, str]]:
    """By case, the subjects whose conclusion stands corrected, each with the verdict that was given."""
    found: dict[str, dict[str, str]] = {}
    every = registry.corrections()
    became = rules.states(every)
    for one in every:
        if became[one.id] is CorrectionState.IN_FORCE:
            found.setdefault(one.case_id, {})[one.about] = one.verdict
    return found
