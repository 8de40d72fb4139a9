"""Which field answers which question."""

import pytest

from m365dq_dagster.core.adjudication import Access, Word
from m365dq_dagster.core.outcome import LogType, Role
from m365dq_dagster.core.profile import ColumnCounts, FieldSpec, Witness
from m365dq_dagster.core.purposes import SCOPES, Purpose, recommend_for
from m365dq_dagster.core.reliability import FieldJudgement, LogBench, judge_fields
from tests.support.judgement import CA, CODE, TEXT, judged, policy, row, vocabulary

BENCH = [row("0", Word.SUCCESS, Access.SUCCESS, 90), row("53003", Word.FAILURE, Access.FAILURE, 40)]


def field(log_type: LogType, name: str, role: Role, filled: int = 10) -> FieldJudgement:
    spec = FieldSpec(log_type, name, role, Witness.NONE, 9)
    counts = ColumnCounts(10, filled, 0, 2, "a", "a", 5, 0.0, filled)
    return judge_fields(LogBench(log_type, [], [spec], vocabulary(), policy()), [spec], {name: counts})[0]


OTHERS = [
    field(LogType.SIGN_IN, "user_principal_name", Role.ACTOR),
    field(LogType.SIGN_IN, "address", Role.ADDRESS, 9),
    field(LogType.SIGN_IN, "country", Role.PLACE, 0),
    field(LogType.SIGN_IN, "event_time", Role.TIME),
    field(LogType.UAL, "user_id", Role.ACTOR, 7),
    field(LogType.UAL, "workload", Role.EVENT),
    field(LogType.UAL, "event_id", Role.IDENTIFIER, 8),
]


def names(purpose: Purpose, fields: list[FieldJudgement]) -> list[str]:
    return [one.field for one in recommend_for(purpose, fields)]


def test_the_outcome_is_told_by_witnesses_that_may_testify_best_first() -> None:
    assert names(Purpose.OUTCOME, [*judged(BENCH).values(), *OTHERS]) == [CODE, TEXT, CA]


def test_a_rejected_witness_is_not_recommended_and_named_as_replaced() -> None:
    stuck = [row("0", Word.SUCCESS, rows=90), row("0", Word.FAILURE, rows=40)]
    (one,) = recommend_for(Purpose.OUTCOME, judged(stuck).values())
    assert (one.field, one.instead_of) == (TEXT, (CODE,))
    assert one.reasons


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [
        (Purpose.ATTRIBUTION, ["user_principal_name", "address", "user_id"]),
        (Purpose.TIMELINE, ["event_time", "event_id"]),
        (Purpose.EXFILTRATION, ["workload", "user_id"]),
    ],
)
def test_other_questions_are_answered_by_fields_of_their_roles_that_are_filled(
    purpose: Purpose, expected: list[str]
) -> None:
    found = recommend_for(purpose, [*judged(BENCH).values(), *OTHERS])
    assert [one.field for one in found] == expected
    assert all(one.instead_of == () and one.score > 0 for one in found)


def test_every_purpose_has_a_question() -> None:
    assert set(SCOPES) == set(Purpose)
    assert all(scope.question.endswith("?") for scope in SCOPES.values())
