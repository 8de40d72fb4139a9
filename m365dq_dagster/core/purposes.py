"""Which field for which question: the judged fields ranked for a purpose. How a field is judged stands in
`reliability`; this only chooses among fields that are judged already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from m365dq_dagster.core.outcome import LogType, Role
from m365dq_dagster.core.reliability import FieldJudgement, Recommendation, is_rejected


class Purpose(StrEnum):
    """A question that an analyst asks of the evidence."""

    OUTCOME = "outcome"
    ATTRIBUTION = "attribution"
    TIMELINE = "timeline"
    EXFILTRATION = "exfiltration"


@dataclass(frozen=True)
class Scope:
    """Which fields can answer a question: their roles, and the log types they may stand in (empty: any)."""

    question: str
    roles: frozenset[Role]
    log_types: frozenset[LogType] = frozenset()


SCOPES: Mapping[Purpose, Scope] = {
    Purpose.OUTCOME: Scope("How did the sign-in end?", frozenset({Role.OUTCOME})),
    Purpose.ATTRIBUTION: Scope("Who acted, and from where?", frozenset({Role.ACTOR, Role.ADDRESS, Role.PLACE})),
    Purpose.TIMELINE: Scope("In which order, and what belongs together?", frozenset({Role.TIME, Role.IDENTIFIER})),
    Purpose.EXFILTRATION: Scope(
        "What was taken, by whom, from where?",
        frozenset({Role.EVENT, Role.ACTOR, Role.ADDRESS, Role.CONTEXT}),
        frozenset({LogType.UAL}),
    ),
}


def recommend_for(purpose: Purpose, fields: Iterable[FieldJudgement]) -> list[Recommendation]:
    """The fields that can answer a question, best first; fields without a score, or with a score of 0, are left out.

    For the outcome only witnesses that may testify are named, each standing in for the rejected witnesses of its log
    type (`instead_of`). For the other purposes a field is ranked by its score, which says how far it is filled and
    valid. Ties go to the heavier witness, then to the name of the log type and the field.
    """
    scope, judged = SCOPES[purpose], list(fields)
    able = [one for one in judged if _answers(one, scope) and (one.may_testify or purpose is not Purpose.OUTCOME)]
    rejected: dict[LogType, list[str]] = {}
    for one in judged:
        if purpose is Purpose.OUTCOME and is_rejected(one):
            rejected.setdefault(one.spec.log, []).append(one.spec.field)
    able.sort(key=lambda one: (-round(one.score or 0.0, 6), one.spec.precedence, one.spec.log_type, one.spec.field))
    return [
        Recommendation(
            one.spec.log,
            one.spec.field,
            one.score or 0.0,
            one.confidence,
            tuple(rejected.get(one.spec.log, ())),
            one.reasons,
        )
        for one in able
    ]


def _answers(one: FieldJudgement, scope: Scope) -> bool:
    of_log = not scope.log_types or one.spec.log in scope.log_types
    return of_log and one.spec.role in scope.roles and bool(one.score)
