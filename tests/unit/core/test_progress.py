import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import CaseStage
from m365dq_dagster.core.progress import (
    STAGE_TASKS,
    STAGES,
    CaseProgress,
    check_move,
    may_enter,
    next_stage,
    stages_from,
)


def test_the_stages_are_those_of_the_specification_in_order() -> None:
    assert [stage.value for stage in STAGES] == ["IMPORTED", "CHECKED", "SCORED", "VERIFIED", "REPORTED"]


def test_every_stage_has_tasks_and_no_task_stands_twice() -> None:
    tasks = [task for stage in STAGES for task in STAGE_TASKS[stage]]
    assert all(STAGE_TASKS[stage] for stage in STAGES)
    assert len(tasks) == len(set(tasks))


@given(st.lists(st.sampled_from(STAGES)))
def test_whatever_is_tried_a_case_has_been_at_every_stage_before_its_own(tried: list[CaseStage]) -> None:
    current: CaseStage | None = None
    visited: set[CaseStage] = set()
    for target in tried:
        if may_enter(current, target):
            current = target
            visited.add(target)
        if current is not None:
            assert set(STAGES[: STAGES.index(current)]) <= visited


def test_a_stage_may_be_entered_again_and_an_earlier_one_too() -> None:
    assert may_enter(CaseStage.SCORED, CaseStage.SCORED)
    assert may_enter(CaseStage.REPORTED, CaseStage.IMPORTED)
    check_move("c", CaseStage.SCORED, CaseStage.VERIFIED)


def test_skipping_names_the_stage_that_comes_first() -> None:
    with pytest.raises(BadInput, match="stands at CHECKED and cannot go to VERIFIED: SCORED comes first"):
        check_move("c", CaseStage.CHECKED, CaseStage.VERIFIED)
    with pytest.raises(BadInput, match="stands at no stage yet and cannot go to REPORTED: IMPORTED comes first"):
        check_move("c", None, CaseStage.REPORTED)


def test_after_the_last_stage_comes_none() -> None:
    assert next_stage(None) is CaseStage.IMPORTED
    assert next_stage(CaseStage.VERIFIED) is CaseStage.REPORTED
    assert next_stage(CaseStage.REPORTED) is None
    assert stages_from(CaseStage.VERIFIED) == (CaseStage.REPORTED,)
    assert stages_from(CaseStage.REPORTED) == ()


def test_progress_says_where_a_case_stands_in_one_sentence() -> None:
    assert CaseProgress("c", None, None, 0, 0, {}).sentence == (
        "Case c stands at no stage yet, 0 of 0 tasks done; next is IMPORTED."
    )
    assert CaseProgress("c", None, None, 0, 0, {}).share == 0.0
    done = CaseProgress("c", CaseStage.REPORTED, None, 11, 11, {})
    assert done.sentence == "Case c stands at REPORTED, 11 of 11 tasks done; nothing is left to do."
    assert done.share == 1.0
    blocked = CaseProgress("c", CaseStage.CHECKED, "ledger", 4, 11, {})
    assert blocked.sentence.endswith("blocked by ledger.")
