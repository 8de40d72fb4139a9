import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.outcome import (
    FAILURES,
    Confidence,
    FieldState,
    NormalizedStatus,
    Outcome,
    at_most,
    normalized,
)

CONFIDENCES = st.sampled_from(list(Confidence))


@pytest.mark.parametrize(
    ("outcome", "status", "attempt", "decided"),
    [
        (Outcome.SUCCESS, NormalizedStatus.SUCCESS, True, True),
        (Outcome.INTERRUPTED, NormalizedStatus.UNKNOWN, False, True),
        (Outcome.BLOCKED_AFTER_FIRST_FACTOR, NormalizedStatus.FAILURE, True, True),
        (Outcome.REJECTED, NormalizedStatus.FAILURE, True, True),
        (Outcome.NOT_EVALUATED, NormalizedStatus.FAILURE, True, True),
        (Outcome.NOT_GRANTED, NormalizedStatus.FAILURE, True, True),
        (Outcome.CONFLICT, NormalizedStatus.UNKNOWN, False, False),
        (Outcome.UNKNOWN, NormalizedStatus.UNKNOWN, False, False),
    ],
)
def test_every_outcome_folds_into_one_of_three_values(
    outcome: Outcome, status: NormalizedStatus, attempt: bool, decided: bool
) -> None:
    assert normalized(outcome) is status
    assert (outcome.is_attempt, outcome.is_decided) == (attempt, decided)
    assert outcome.is_failure == (outcome in FAILURES) == (status is NormalizedStatus.FAILURE)


def test_a_notapplied_row_is_never_a_failure() -> None:
    assert normalized(Outcome.UNKNOWN) is not NormalizedStatus.FAILURE


@given(CONFIDENCES, CONFIDENCES)
def test_a_ceiling_lowers_confidence_and_never_raises_it(confidence: Confidence, ceiling: Confidence) -> None:
    assert at_most(confidence, ceiling).rank == min(confidence.rank, ceiling.rank)


@pytest.mark.parametrize("state", list(FieldState))
def test_only_three_states_may_testify(state: FieldState) -> None:
    assert state.may_testify == (state in (FieldState.RELIABLE, FieldState.LOW_CONTRAST, FieldState.UNIFORM))
