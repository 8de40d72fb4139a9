from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.definitions import build_definitions
from m365dq_dagster.defs.schedules import daily_metrics, quarterly_maintenance

START = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "moments"),
    [
        (quarterly_maintenance, ["01-01 06:00", "04-01 06:00", "07-01 06:00", "10-01 06:00"]),
        (daily_metrics, ["01-01 05:30", "01-02 05:30", "01-03 05:30", "01-04 05:30"]),
    ],
)
def test_a_schedule_comes_round_on_its_days(schedule: dg.ScheduleDefinition, moments: list[str]) -> None:
    assert schedule.execution_timezone == "UTC"
    times = schedule_execution_time_iterator(START.timestamp(), str(schedule.cron_schedule), "UTC", ascending=True)
    coming = [moment for moment in (next(times) for _ in range(5)) if moment >= START]
    assert [f"{moment:%m-%d %H:%M}" for moment in coming][:4] == moments


@pytest.mark.parametrize(
    ("name", "job"), [("quarterly_maintenance", "maintenance_job"), ("daily_metrics", "metrics_job")]
)
def test_a_schedule_asks_for_its_job_and_is_on_unless_turned_off(name: str, job: str, settings: Settings) -> None:
    schedule = build_definitions(settings).get_repository_def().get_schedule_def(name)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == job
    tick = schedule.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=START))
    assert len(tick.run_requests or ()) == 1
