from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from m365dq_dagster.adapters.registry import CaseStage, Registry
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.progress import STAGE_TASKS, STAGES

CONTEXT = {"home_countries": ["AU"], "travel": []}


def test_a_registered_case_is_read_back_as_it_was_given(store: Registry, now: datetime) -> None:
    store.register_case("oculus", "/evidence/oculus", CONTEXT, now)
    record = store.case("oculus")
    assert record is not None
    assert (record.folder, record.context, record.stage, record.verdict) == ("/evidence/oculus", CONTEXT, None, None)
    assert (record.updated_at, record.last_run, record.identity, record.blocked_by) == (now, None, None, None)


def test_a_case_registered_again_takes_the_new_folder_and_keeps_its_verdict(store: Registry, now: datetime) -> None:
    store.register_case("c", "/one", {}, now)
    store.set_verdict("c", "ALL_BLOCKED", "digest", now)
    store.register_case("c", "/two", CONTEXT, now + timedelta(hours=1))
    record = store.case("c")
    assert record is not None
    assert (record.folder, record.context, record.verdict) == ("/two", CONTEXT, "ALL_BLOCKED")
    assert (record.identity, record.last_run) == ("digest", now)


def test_cases_come_by_id_and_an_unknown_one_is_none(store: Registry, now: datetime) -> None:
    for case_id in ("b", "a"):
        store.register_case(case_id, "/x", {}, now)
    assert [record.case_id for record in store.cases()] == ["a", "b"]
    assert store.case("c") is None


def test_a_case_walks_through_its_stages_in_order(store: Registry, now: datetime) -> None:
    store.register_case("c", "/x", {}, now)
    for minutes, stage in enumerate(STAGES):
        moment = now + timedelta(minutes=minutes)
        store.set_stage("c", stage, moment)
        record = store.case("c")
        assert record is not None
        assert (record.stage, record.updated_at, store.current_stage("c")) == (stage, moment, stage)


@pytest.mark.parametrize("target", STAGES[1:])
def test_a_new_case_cannot_skip_to_a_later_stage(store: Registry, now: datetime, target: CaseStage) -> None:
    store.register_case("c", "/x", {}, now)
    with pytest.raises(BadInput, match="IMPORTED comes first"):
        store.set_stage("c", target, now)
    assert store.current_stage("c") is None


def test_a_case_goes_back_to_the_start_and_its_later_tasks_are_open_again(store: Registry, now: datetime) -> None:
    store.register_case("c", "/x", {}, now)
    for stage in STAGES:
        store.set_stage("c", stage, now)
    assert store.overall_share("c") == (11, 11)
    store.set_stage("c", CaseStage.IMPORTED, now)
    assert store.overall_share("c") == (2, 11)
    with pytest.raises(BadInput, match="CHECKED comes first"):
        store.set_stage("c", CaseStage.VERIFIED, now)


def test_what_blocks_a_case_is_said_until_it_moves_on(store: Registry, now: datetime) -> None:
    store.register_case("c", "/x", {}, now)
    store.set_stage("c", CaseStage.IMPORTED, now, blocked_by="no outcome field may testify")
    progress = store.progress("c")
    assert progress.blocked_by == "no outcome field may testify"
    assert progress.sentence == (
        "Case c stands at IMPORTED, 2 of 11 tasks done; blocked by no outcome field may testify."
    )
    store.set_stage("c", CaseStage.CHECKED, now)
    assert store.progress("c").blocked_by is None


def test_finished_tasks_leave_the_list_of_open_ones(store: Registry, now: datetime) -> None:
    store.register_case("c", "/x", {}, now)
    store.set_stage("c", CaseStage.IMPORTED, now)
    assert store.incomplete_tasks("c", CaseStage.VERIFIED) == list(STAGE_TASKS[CaseStage.VERIFIED])
    store.finish_task("c", CaseStage.VERIFIED, "verify_sign_in_logs", now)
    assert store.incomplete_tasks("c", CaseStage.VERIFIED) == list(STAGE_TASKS[CaseStage.VERIFIED][1:])
    assert store.overall_share("c") == (3, 11)


def test_a_task_that_a_stage_does_not_have_is_refused(store: Registry, now: datetime) -> None:
    store.register_case("c", "/x", {}, now)
    with pytest.raises(BadInput, match="no task 'dance'; its tasks are read_files, balance_ledger"):
        store.finish_task("c", CaseStage.IMPORTED, "dance", now)


def test_a_case_that_is_not_registered_is_named(store: Registry, now: datetime) -> None:
    for act in (
        lambda: store.set_stage("ghost", CaseStage.IMPORTED, now),
        lambda: store.set_verdict("ghost", "ALL_BLOCKED", "x", now),
        lambda: store.finish_task("ghost", CaseStage.IMPORTED, "read_files", now),
        lambda: store.progress("ghost"),
    ):
        with pytest.raises(BadInput, match="Case ghost is not in the registry"):
            act()
    assert store.overall_share("ghost") == (0, 0)


def test_the_three_answers_of_progress_equal_plain_sql(store: Registry, now: datetime) -> None:
    for case_id in ("c", "other"):
        store.register_case(case_id, "/x", {}, now)
        store.set_stage(case_id, CaseStage.IMPORTED, now)
    store.set_stage("c", CaseStage.CHECKED, now)
    store.finish_task("c", CaseStage.VERIFIED, "verify_legacy_auth_logs", now)
    answers = store.progress("c")
    with store.engine.connect() as connection:
        stage = connection.scalar(sa.text("SELECT stage FROM case_status WHERE case_id = 'c'"))
        open_tasks = connection.scalars(
            sa.text("SELECT task FROM case_tasks WHERE case_id = 'c' AND stage = 'VERIFIED' AND status <> 'COMPLETE'")
        ).all()
        share = connection.scalar(
            sa.text(
                "SELECT SUM(CASE WHEN status = 'COMPLETE' THEN 1 ELSE 0 END) * 1.0 / COUNT(*) "
                "FROM case_tasks WHERE case_id = 'c'"
            )
        )
    assert answers.stage == stage
    assert sorted(answers.incomplete[CaseStage.VERIFIED]) == sorted(open_tasks)
    assert answers.share == pytest.approx(float(share))
    assert answers.share == pytest.approx(5 / 11)
